"""One control step of the vehicle model, compiled: a single track with smooth Coulomb friction at
both axles.

In the body frame at the center of mass, per unit of mass, d being the steering angle, u the
commanded speed with the car's speed_offset, and r the yaw rate::

    front: ux =  cos(d)*vx + sin(d)*(vy + lf*r)      fx =  limit*q/sqrt(q^2 + soft^2)
           uy = -sin(d)*vx + cos(d)*(vy + lf*r)      fy = -limit*uy/sqrt(uy^2 + soft^2)
           bx = (cos(d)*fx - sin(d)*fy)/2            by = (sin(d)*fx + cos(d)*fy)/2
           with q = front_gain*u - ux
    rear:  gx, gy likewise (halved) from q = rear_gain*u - vx and w = vy - lr*r
    vx' = bx + gx + r*vy - drag*vx^2      vy' = by + gy - r*vx      r' = (lf*by - lr*gy)/inertia

The friction is stiff (a tyre stops sliding within 2 ms), so a substep is an implicit Euler step:
with each force written as a coefficient times its sliding speed, the coefficient taken at the old
speeds and everything else at the new, three linear equations give the new speeds. It is stable for
any substep; `benchmarks/substeps.py` shows how its error falls with the number of substeps, which
set the numbers in `racer.vehicle.car`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from racer.vehicle.car import SPEED_LIMITS_MPS, STEERING_LIMIT_DEG

SLOWEST_MPS, FASTEST_MPS = SPEED_LIMITS_MPS
RAD_PER_DEG = np.pi / 180.0


class Slips(NamedTuple):
    """Sliding speeds of both axles, m/s: of the driven wheels along, of the tyres across."""

    front_spin: float
    rear_spin: float
    front_side: float
    rear_side: float


class Grips(NamedTuple):
    """Forces per unit of mass over the sliding speeds of `Slips`, 1/s."""

    front_drive: float
    rear_drive: float
    front_side: float
    rear_side: float


@njit(cache=True, error_model="numpy")
def advance_motion(car, motion, before, command, delay, dt):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Motion (x, y, yaw, vx, vy, yaw rate, steering angle) after `dt` seconds.

    `before` and `command` are (steering deg, speed m/s): the step begins under the first, and the
    second arrives `delay` seconds later. `car` is a row of `racer.vehicle.car.CAR_PARAMETERS`.
    """
    substeps = int(car.substeps)
    late = min(max(delay, 0.0), dt)
    early_substeps = 0
    if late > 0.0:
        early_substeps = min(max(round(substeps * late / dt), 1), substeps - 1)
    if early_substeps > 0:
        motion = _hold(car, motion, before[0], before[1], late, early_substeps)
    jump = car.steer_jump * (_wheel_angle(command[0]) - _wheel_angle(before[0]))
    x, y, yaw, vx, vy, yaw_rate, steering = motion
    motion = (x, y, yaw, vx, vy, yaw_rate, steering + jump)
    return _hold(car, motion, command[0], command[1], dt - late, substeps - early_substeps)


@njit(cache=True, error_model="numpy", inline="always")
def _wheel_angle(steering_deg):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Angle of the front wheels, rad, that a command asks for."""
    return min(max(steering_deg, -STEERING_LIMIT_DEG), STEERING_LIMIT_DEG) * RAD_PER_DEG


@njit(cache=True, error_model="numpy")
def _hold(car, motion, steering_deg, speed, duration, substeps):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Motion after `duration` seconds under one command."""
    x, y, yaw, vx, vy, yaw_rate, steering = motion
    h = duration / substeps
    target = _wheel_angle(steering_deg)
    wheel_speed = 0.0
    if speed > 0.0:
        wheel_speed = min(max(speed, SLOWEST_MPS), FASTEST_MPS) + car.speed_offset
    keep = np.exp(-h / car.steer_lag)
    # displacement in the frame of the car as it stood, and how far it turned since
    ahead = 0.0
    left = 0.0
    turned = 0.0
    for _ in range(substeps):
        steering = target + (steering - target) * keep
        new_vx, new_vy, new_rate = _speeds(car, vx, vy, yaw_rate, steering, wheel_speed, h)
        # heading at the middle of the substep
        cos, sin = _cos_sin(turned + 0.25 * h * (yaw_rate + new_rate))
        mean_vx = 0.5 * (vx + new_vx)
        mean_vy = 0.5 * (vy + new_vy)
        ahead += h * (cos * mean_vx - sin * mean_vy)
        left += h * (sin * mean_vx + cos * mean_vy)
        turned += 0.5 * h * (yaw_rate + new_rate)
        vx = new_vx
        vy = new_vy
        yaw_rate = new_rate
    cos = np.cos(yaw)
    sin = np.sin(yaw)
    x = x + cos * ahead - sin * left
    y = y + sin * ahead + cos * left
    yaw += turned
    if yaw > np.pi:
        yaw -= 2.0 * np.pi
    elif yaw <= -np.pi:
        yaw += 2.0 * np.pi
    return x, y, yaw, vx, vy, yaw_rate, steering


@njit(cache=True, error_model="numpy", inline="always")
def _cos_sin(angle):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Cosine and sine of an angle below 1 rad, within 1e-9: the Taylor polynomials."""
    q = angle * angle
    cos = 1.0 - q * (0.5 - q * (1.0 / 24 - q * (1.0 / 720 - q * (1.0 / 40320 - q / 3628800))))
    high = 1.0 / 120 - q * (1.0 / 5040 - q * (1.0 / 362880 - q / 39916800))
    sin = angle * (1.0 - q * (1.0 / 6 - q * high))
    return cos, sin


@njit(cache=True, error_model="numpy", inline="always")
def _speeds(car, vx, vy, yaw_rate, steering, speed, h):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Speeds (vx, vy, yaw rate) after one implicit substep of `h` seconds at a fixed steering
    angle, under a commanded speed.
    """
    cos, sin = _cos_sin(steering)
    front_vy = vy + car.front_axle * yaw_rate
    slips = Slips(
        front_spin=car.front_gain * speed - (cos * vx + sin * front_vy),
        rear_spin=car.rear_gain * speed - vx,
        front_side=cos * front_vy - sin * vx,
        rear_side=vy - car.rear_axle * yaw_rate,
    )
    grips = Grips(
        front_drive=_grip(car.drive_limit, car.drive_soft, slips.front_spin),
        rear_drive=_grip(car.drive_limit, car.drive_soft, slips.rear_spin),
        front_side=_grip(car.front_limit, car.front_soft, slips.front_side),
        rear_side=_grip(car.rear_limit, car.rear_soft, slips.rear_side),
    )
    grips = _limit_across_path(car, vx, vy, cos, sin, slips, grips)
    return _solve_speeds(car, vx, vy, yaw_rate, cos, sin, speed, h, grips)


@njit(cache=True, error_model="numpy", inline="always")
def _grip(limit, soft, slip):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Force over sliding speed, of an axle that carries half of the car: the smooth Coulomb law."""
    return 0.5 * limit / np.sqrt(slip * slip + soft * soft)


@njit(cache=True, error_model="numpy", inline="always")
def _limit_across_path(car, vx, vy, cos, sin, slips, grips):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """`grips` with no more friction across the path than logs have shown: first the side forces give
    way, then the driving ones.
    """
    front_drive, rear_drive, front_side, rear_side = grips
    speed = np.sqrt(vx * vx + vy * vy) + 1e-6
    front_pull = front_drive * slips.front_spin
    front_hold = front_side * slips.front_side
    # accelerations to the left of the path by the driving forces, and to its right by the others
    pull = (vx * sin * front_pull - vy * (cos * front_pull + rear_drive * slips.rear_spin)) / speed
    hold = (vx * (cos * front_hold + rear_side * slips.rear_side) + vy * sin * front_hold) / speed
    if abs(pull - hold) > car.side_limit:
        excess = pull - np.sign(pull - hold) * car.side_limit
        fraction = min(max(excess / hold, 0.0), 1.0)
        front_side *= fraction
        rear_side *= fraction
        if abs(pull) > car.side_limit and fraction == 0.0:
            front_drive *= car.side_limit / abs(pull)
            rear_drive *= car.side_limit / abs(pull)
    return Grips(front_drive, rear_drive, front_side, rear_side)


@njit(cache=True, error_model="numpy", inline="always")
def _solve_speeds(car, vx, vy, yaw_rate, cos, sin, speed, h, grips):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The new speeds from (1 - h A) new = old + h b, with no driving backward."""
    first, second, third = _speed_matrix(car, vx, yaw_rate, cos, sin, h, grips)
    drive = car.front_gain * speed
    push = grips.rear_drive * car.rear_gain * speed
    turn = h / car.inertia
    right_side = (
        vx + h * (cos * grips.front_drive * drive + push),
        vy + h * sin * grips.front_drive * drive,
        yaw_rate + turn * car.front_axle * sin * grips.front_drive * drive,
    )
    new_vx, new_vy, new_rate = _solve_three(first, second, third, right_side)
    return max(new_vx, 0.0), new_vy, new_rate


@njit(cache=True, error_model="numpy", inline="always")
def _speed_matrix(car, vx, yaw_rate, cos, sin, h, grips):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The three rows of 1 - h A.

    The force in front is pull - (xx xy; xy yy) (vx, vy + lf r), that in the rear push - (rear_drive
    vx, rear_side (vy - lr r)).
    """
    front_drive, rear_drive, front_side, rear_side = grips
    lf = car.front_axle
    lr = car.rear_axle
    xx = front_drive * cos * cos + front_side * sin * sin
    xy = (front_drive - front_side) * cos * sin
    yy = front_drive * sin * sin + front_side * cos * cos
    turn = h / car.inertia
    along = (1.0 + h * (xx + rear_drive + car.drag * abs(vx)), h * (xy - yaw_rate), h * xy * lf)
    across = (h * (xy + yaw_rate), 1.0 + h * (yy + rear_side), h * (yy * lf - rear_side * lr))
    around = (
        turn * lf * xy,
        turn * (lf * yy - lr * rear_side),
        1.0 + turn * (lf * lf * yy + lr * lr * rear_side),
    )
    return along, across, around


@njit(cache=True, error_model="numpy", inline="always")
def _solve_three(first, second, third, right_side):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The solution of three linear equations with these rows, by Cramer's rule."""
    a11, a12, a13 = first
    a21, a22, a23 = second
    a31, a32, a33 = third
    b1, b2, b3 = right_side
    m1 = a22 * a33 - a23 * a32
    m2 = a23 * a31 - a21 * a33
    m3 = a21 * a32 - a22 * a31
    scale = 1.0 / (a11 * m1 + a12 * m2 + a13 * m3)
    return (
        scale * (b1 * m1 + b2 * (a13 * a32 - a12 * a33) + b3 * (a12 * a23 - a13 * a22)),
        scale * (b1 * m2 + b2 * (a11 * a33 - a13 * a31) + b3 * (a13 * a21 - a11 * a23)),
        scale * (b1 * m3 + b2 * (a12 * a31 - a11 * a32) + b3 * (a11 * a22 - a12 * a21)),
    )
