"""One control step of the vehicle model, compiled: a single track with smooth Coulomb friction at
both axles.

In the body frame at the center of mass, per unit of mass, d being the steering angle, u the
commanded speed and r the
yaw rate::

    front: ux =  cos(d)*vx + sin(d)*(vy + lf*r)      fx =  limit*q/sqrt(q^2 + soft^2),  q =
    front_gain*u - ux
           uy = -sin(d)*vx + cos(d)*(vy + lf*r)      fy = -limit*uy/sqrt(uy^2 + soft^2)
           bx = (cos(d)*fx - sin(d)*fy)/2            by = (sin(d)*fx + cos(d)*fy)/2
    rear:  gx, gy likewise (halved) from q = rear_gain*u - vx and w = vy - lr*r
    vx' = bx + gx + r*vy - drag*vx^2      vy' = by + gy - r*vx      r' = (lf*by - lr*gy)/inertia

The friction is stiff (a tyre stops sliding within 2 ms), so a substep is an implicit Euler step:
with each force written as a coefficient times its sliding speed, the coefficient taken at the old
speeds and everything else at the new, three linear equations give the new speeds. It is stable for
any substep; `benchmarks/substeps.py` shows how its error falls with the number of substeps, which
set the numbers in `racer.vehicle.car`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from racer.vehicle.car import SPEED_LIMITS_MPS, STEERING_LIMIT_DEG

SLOWEST_MPS, FASTEST_MPS = SPEED_LIMITS_MPS
RAD_PER_DEG = np.pi / 180.0


@njit(cache=True, error_model="numpy")
def advance_motion(car, motion, before, now, delay, dt):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Motion (x, y, yaw, vx, vy, yaw rate, steering angle) after `dt` seconds.

    `before` and `now` are (steering deg, speed m/s) commands: the step begins under the first, and
    the second arrives `delay` seconds later. `car` is a row of `racer.vehicle.car.CAR_PARAMETERS`.
    """
    late = min(max(delay, 0.0), dt)
    n = int(car.substeps)
    early = min(max(round(n * late / dt), 1), n - 1) if late > 0.0 else 0
    if early > 0:
        motion = _hold(car, motion, before[0], before[1], late, early)
    jump = car.steer_jump * (_steering(now[0]) - _steering(before[0]))
    x, y, yaw, vx, vy, r, steer = motion
    return _hold(car, (x, y, yaw, vx, vy, r, steer + jump), now[0], now[1], dt - late, n - early)


@njit(cache=True, error_model="numpy", inline="always")
def _steering(command):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Angle of the front wheels in rad that a command in degrees asks for."""
    return min(max(command, -STEERING_LIMIT_DEG), STEERING_LIMIT_DEG) * RAD_PER_DEG


@njit(cache=True, error_model="numpy")
def _hold(car, motion, steering, speed, duration, n):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Motion after `duration` seconds under one command, in `n` substeps."""
    x, y, yaw, vx, vy, r, steer = motion
    h = duration / n
    target = _steering(steering)
    u = min(max(speed, SLOWEST_MPS), FASTEST_MPS) if speed > 0.0 else 0.0
    keep = np.exp(-h / car.steer_lag)
    dx, dy, turned = 0.0, 0.0, 0.0
    for _ in range(n):
        steer = target + (steer - target) * keep
        new_vx, new_vy, new_r = _speeds(car, vx, vy, r, steer, u, h)
        # heading at the middle of the substep, from the step's first one
        angle = turned + 0.25 * h * (r + new_r)
        c, s = _cos_sin(angle)
        mean_vx, mean_vy = 0.5 * (vx + new_vx), 0.5 * (vy + new_vy)
        dx += h * (c * mean_vx - s * mean_vy)
        dy += h * (s * mean_vx + c * mean_vy)
        turned += 0.5 * h * (r + new_r)
        vx, vy, r = new_vx, new_vy, new_r
    c, s = np.cos(yaw), np.sin(yaw)
    yaw += turned
    if yaw > np.pi:
        yaw -= 2.0 * np.pi
    elif yaw <= -np.pi:
        yaw += 2.0 * np.pi
    return x + c * dx - s * dy, y + s * dx + c * dy, yaw, vx, vy, r, steer


@njit(cache=True, error_model="numpy", inline="always")
def _cos_sin(a):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Cosine and sine of an angle below 1 rad, within 1e-9: the Taylor polynomials."""
    q = a * a
    c = 1.0 - q * (0.5 - q * (1.0 / 24 - q * (1.0 / 720 - q * (1.0 / 40320 - q / 3628800))))
    s = a * (
        1.0 - q * (1.0 / 6 - q * (1.0 / 120 - q * (1.0 / 5040 - q * (1.0 / 362880 - q / 39916800))))
    )
    return c, s


@njit(cache=True, error_model="numpy", inline="always")
def _grip(limit, soft, slip):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Force over sliding speed, of an axle that carries half of the car: the smooth Coulomb law."""
    return 0.5 * limit / np.sqrt(slip * slip + soft * soft)


@njit(cache=True, error_model="numpy", inline="always")
def _speeds(car, vx, vy, r, steer, u, h):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Speeds (vx, vy, yaw rate) after one implicit substep of `h` seconds at a fixed steering
    angle.
    """
    lf, lr = car.front_axle, car.rear_axle
    c, s = _cos_sin(steer)
    side, rear_slip = vy + lf * r, vy - lr * r
    front_slip = c * side - s * vx
    drive = car.front_gain * u
    front_spin = drive - (c * vx + s * side)
    front = _grip(car.drive_limit, car.drive_soft, front_spin)
    rear_spin = car.rear_gain * u - vx
    rear = _grip(car.drive_limit, car.drive_soft, rear_spin)
    front_side = _grip(car.front_limit, car.front_soft, front_slip)
    rear_side = _grip(car.rear_limit, car.rear_soft, rear_slip)
    # no more friction across the path than logs have shown: first the side forces give way, then
    # the driving ones
    speed = np.sqrt(vx * vx + vy * vy) + 1e-6
    front_pull, front_hold = front * front_spin, front_side * front_slip
    pull = (vx * s * front_pull - vy * (c * front_pull + rear * rear_spin)) / speed
    hold = (vx * (c * front_hold + rear_side * rear_slip) + vy * s * front_hold) / speed
    if abs(pull - hold) > car.side_limit:
        share = min(max((pull - np.sign(pull - hold) * car.side_limit) / hold, 0.0), 1.0)
        front_side *= share
        rear_side *= share
        if abs(pull) > car.side_limit and share == 0.0:
            front *= car.side_limit / abs(pull)
            rear *= car.side_limit / abs(pull)
    # front force = pull - (xx xy; xy yy) (vx, side); rear force = push - (rear vx, rear_side (vy -
    # lr r))
    xx = front * c * c + front_side * s * s
    xy = (front - front_side) * c * s
    yy = front * s * s + front_side * c * c
    # (1 - h A) new = old + h b
    a11, a12, a13 = 1.0 + h * (xx + rear + car.drag * abs(vx)), h * (xy - r), h * xy * lf
    a21, a22, a23 = h * (xy + r), 1.0 + h * (yy + rear_side), h * (yy * lf - rear_side * lr)
    inv = h / car.inertia
    a31, a32 = inv * lf * xy, inv * (lf * yy - lr * rear_side)
    a33 = 1.0 + inv * (lf * lf * yy + lr * lr * rear_side)
    b1 = vx + h * (c * front * drive + rear * car.rear_gain * u)
    b2 = vy + h * s * front * drive
    b3 = r + inv * lf * s * front * drive
    m1, m2, m3 = a22 * a33 - a23 * a32, a23 * a31 - a21 * a33, a21 * a32 - a22 * a31
    scale = 1.0 / (a11 * m1 + a12 * m2 + a13 * m3)
    new_vx = scale * (b1 * m1 + b2 * (a13 * a32 - a12 * a33) + b3 * (a12 * a23 - a13 * a22))
    new_vy = scale * (b1 * m2 + b2 * (a11 * a33 - a13 * a31) + b3 * (a13 * a21 - a11 * a23))
    new_r = scale * (b1 * m3 + b2 * (a12 * a31 - a11 * a32) + b3 * (a11 * a22 - a12 * a21))
    return max(new_vx, 0.0), new_vy, new_r
