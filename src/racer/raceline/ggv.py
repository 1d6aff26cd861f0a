"""What a car can do at each speed, and the speed profile that it allows along a line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.raceline.corridor import neighbors
from racer.vehicle import SPEED_LIMITS_MPS, STEERING_LIMIT_DEG, Car, car_table
from racer.vehicle import _speeds as advance_speeds

Array = NDArray[np.float64]

# m/s: below that the car is on its way from standstill, and corners as it does here
SLOWEST_SPEED = 0.25
# of the hull's sides, from straight braking over cornering to straight acceleration
DIRECTION_COUNT = 13
SPEED_COUNT = 33  # of the limit, equally spaced
STEER_COUNT = 41  # steering angles that are tried
COMMAND_COUNT = 61  # speed commands that are tried
MAX_SETTLING_STEPS = 300  # of 0.01 s, until a car corners steadily
MAX_SIDE_SLIP_RAD = 0.6  # rad of side slip: a car beyond that spins

# of passes forward and backward, at most: a circle needs many, a road with straights two or three
MAX_SWEEPS = 40


@dataclass(frozen=True, eq=False)
class GGV:
    """The accelerations of a car by speed.

    `across` (K,) and `along` (K,) are unit directions; at speed v, cornering at a and gaining speed
    at b, both m/s2, `across * |a| + along * b <= reach(v)`; `limit` (K, V) is that reach at V equally
    spaced speeds from `slowest` to `fastest`, m/s. `fastest` is the speed at which a car no longer
    gains any on a straight.
    """

    across: Array
    along: Array
    limit: Array
    slowest: float
    fastest: float

    @property
    def speed(self) -> Array:
        """(V,) m/s, the speeds of `limit`."""
        return np.linspace(self.slowest, self.fastest, self.limit.shape[1])

    def reach(self, speed: Array) -> Array:
        """(K, N) m/s2 that the sides of the hull are from the origin at speeds (N,)."""
        return np.stack([np.interp(speed, self.speed, row) for row in self.limit])

    def corner_speed(self, kappa: Array) -> Array:
        """(N,) m/s at most in bends of curvature `kappa` (N,) 1/m, of either side: on the way out,
        gaining speed.
        """
        return np.interp(np.abs(kappa), *self.corners)

    @cached_property
    def corners(self) -> Array:
        """(2, S) curvatures, 1/m, rising, and the speeds that they can be driven at, at most, m/s."""
        speed = np.linspace(self.slowest, self.fastest, 12 * len(self.speed))
        bend = self._hardest(self.reach(speed)) / speed**2
        return np.stack([np.maximum.accumulate(bend[::-1]), speed[::-1]])

    def _hardest(self, reach: Array) -> Array:
        """(N,) m/s2 across at the tip of the hull, the corner of two of its sides that is farthest
        out.
        """
        is_cornering = self.across > 1e-9
        falling = np.flatnonzero((self.along < -1e-9) & is_cornering)
        rising = np.flatnonzero((self.along > 1e-9) & is_cornering)
        tips = []
        for i in falling:
            for j in rising:
                cross = self.along[j] * reach[i] - self.along[i] * reach[j]
                tips.append(
                    cross / (self.along[j] * self.across[i] - self.along[i] * self.across[j])
                )
        side = int(np.argmax(self.across))
        return np.asarray(np.minimum(np.min(tips, axis=0), reach[side] / self.across[side]))

    @property
    def table(self) -> Array:
        """(K, V + 2) for compiled code: `across`, `along` and `limit` side by side."""
        return np.column_stack([self.across, self.along, self.limit])


@cache
def build_ggv(car: Car, top: float | None = None) -> GGV:
    """What `car` can do with commands up to `top` m/s (what logs of it cover, unless given)."""
    if top is None:
        top = car.identified_speed
    top = min(top, SPEED_LIMITS_MPS[1])
    row = car_table(car, 1)[0]
    steer = np.linspace(0.0, np.radians(STEERING_LIMIT_DEG), STEER_COUNT)
    command = np.append(0.0, np.linspace(min(SPEED_LIMITS_MPS[0], top), top, COMMAND_COUNT - 1))
    fastest = _top_speed(row, top)
    speed = np.linspace(min(SLOWEST_SPEED, 0.5 * fastest), fastest, SPEED_COUNT)
    accelerations = np.empty((SPEED_COUNT, STEER_COUNT * COMMAND_COUNT, 2))
    _settle(row, speed, steer, command, accelerations)
    lateral = np.minimum(accelerations[..., 0], car.identified_lateral)
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, DIRECTION_COUNT)
    across = np.maximum(np.cos(angle), 0.0)
    along = np.sin(angle)
    limit = np.empty((DIRECTION_COUNT, SPEED_COUNT))
    for k in range(DIRECTION_COUNT):
        projected = across[k] * lateral + along[k] * accelerations[..., 1]
        limit[k] = np.nanmax(projected, axis=1)
    limit[-1, -1] = 0.0  # no more speed is gained at the top one, to the last bit
    return GGV(across, along, limit, float(speed[0]), fastest)


def _top_speed(row: NDArray[np.void], top: float) -> float:
    """m/s at which a car under the command `top` m/s settles on a straight."""
    low = 0.05
    high = 1.5 * top
    for _ in range(50):
        middle = 0.5 * (low + high)
        if _gain(row, middle, top) > 0.0:
            low = middle
        else:
            high = middle
    return low


@njit(cache=True, error_model="numpy")
def _gain(car, speed, command):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """m/s2 that a car gains straight ahead."""
    return (advance_speeds(car, speed, 0.0, 0.0, 0.0, command, 1e-4)[0] - speed) / 1e-4


@njit(cache=True, error_model="numpy")
def _settle(car, speed, steer, command, accelerations):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill in `accelerations` (V, steers * commands, 2), across and along the path, or nan."""
    for i in range(len(speed)):
        for j in range(len(steer)):
            for k in range(len(command)):
                across, along = _settled(car, speed[i], steer[j], command[k])
                accelerations[i, j * len(command) + k, 0] = across
                accelerations[i, j * len(command) + k, 1] = along


@njit(cache=True, error_model="numpy")
def _settled(car, v, steer, command):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Acceleration across and along the path, m/s2, of a car that corners steadily at `v` m/s; nan
    where it spins or does not settle.
    """
    vy = 0.0
    yaw_rate = 0.0
    is_steady = False
    for _ in range(MAX_SETTLING_STEPS):
        vx = np.sqrt(max(v * v - vy * vy, 0.01))
        _, new_vy, new_yaw_rate = advance_speeds(car, vx, vy, yaw_rate, steer, command, 0.01)
        is_steady = abs(new_vy - vy) < 1e-5 and abs(new_yaw_rate - yaw_rate) < 1e-4
        vy = new_vy
        yaw_rate = new_yaw_rate
        if is_steady:
            break
    if not is_steady or abs(vy) >= np.sin(MAX_SIDE_SLIP_RAD) * v:
        return np.nan, np.nan
    vx = np.sqrt(max(v * v - vy * vy, 0.01))
    gain = (advance_speeds(car, vx, vy, yaw_rate, steer, command, 1e-4)[0] - vx) / 1e-4
    return v * yaw_rate, gain * vx / v


def fastest_speeds(
    kappa: Array, gap: Array, limits: GGV, is_loop: bool, start: float = 0.0
) -> Array:
    """(M,) m/s at M points of a line, of the fastest drive along it.

    `kappa` (M,) is its curvature at the points, 1/m, `gap` (M,) the distance from each to the next, m.
    On a loop the lap is a flying one, which begins as fast as it ends; otherwise the drive begins
    at `start` m/s.
    """
    speed = limits.corner_speed(kappa)
    if is_loop:
        first = int(np.argmin(speed))
    else:
        first = 0
        speed[0] = min(speed[0], start)
    sweep_speeds(
        speed, np.abs(kappa), gap, limits.table, limits.slowest, limits.fastest, first, is_loop
    )
    return speed


def passing_times(speed: Array, gap: Array, is_loop: bool) -> tuple[Array, float]:
    """(M,) s at which each point is reached, and s of the whole line, at speeds that change evenly
    in between.
    """
    after = np.roll(speed, -1) if is_loop else np.append(speed[1:], speed[-1])
    durations = 2.0 * gap / np.maximum(speed + after, 1e-6)
    if not is_loop:
        durations[-1] = 0.0
    return np.concatenate([[0.0], np.cumsum(durations[:-1])]), float(durations.sum())


def cornering_speeds(
    line: Array, is_loop: bool, top: float | Array, lateral: float, brake: float
) -> Array:
    """(M,) m/s along a line (M, 2): at most `top` (of each point, or of all), cornering at `lateral`
    and slowing down by `brake`, both m/s2.
    """
    gap = np.hypot(*(neighbors(line, 1, is_loop) - line).T)
    bend = np.abs(geometry.line_curvature(line, is_loop))
    smooth = np.mean([neighbors(bend, steps, is_loop) for steps in (-2, -1, 0, 1, 2)], axis=0)
    speed = np.minimum(top, np.sqrt(lateral / np.maximum(smooth, 1e-9)))
    _slow_down(speed, gap, brake, is_loop)
    return np.asarray(speed)


@njit(cache=True, error_model="numpy")
def _slow_down(speed, gap, brake, is_loop):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Lower each speed to what braking from there allows."""
    n = len(speed)
    for k in range(2 * n - 1 if is_loop else n - 1, 0, -1):
        next_speed = speed[k % n]
        i = (k - 1) % n
        speed[i] = min(speed[i], np.sqrt(next_speed * next_speed + 2.0 * brake * gap[i]))


@njit(cache=True, error_model="numpy")
def sweep_speeds(speed, kappa, gap, table, slowest, fastest, first, is_loop):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Lower each speed to what can be reached from the point before, then to what can be slowed
    down from.
    """
    n = len(speed)
    rounds = n if is_loop else n - 1
    for _ in range(MAX_SWEEPS):
        lowered = 0.0
        for m in range(rounds):
            i = (first + m) % n
            j = (i + 1) % n
            least = _after(speed[i], kappa[i], kappa[j], gap[i], table, slowest, fastest, 1.0)
            lowered = max(lowered, speed[j] - least)
            speed[j] = min(speed[j], least)
        for m in range(rounds):
            j = (first - m) % n if is_loop else n - 1 - m
            i = (j - 1) % n
            least = _after(speed[j], kappa[j], kappa[i], gap[i], table, slowest, fastest, -1.0)
            lowered = max(lowered, speed[i] - least)
            speed[i] = min(speed[i], least)
        if lowered < 1e-4:
            break


@njit(cache=True, error_model="numpy")
def _after(v, bend, next_bend, gap, table, slowest, fastest, sign):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Speed after `gap` m of the hardest acceleration (`sign` 1), or before them of the hardest
    braking (-1).
    """
    gain = sign * _hardest(v, v * v * bend, table, slowest, fastest, sign)
    floor = min(v * v, slowest * slowest)
    square = max(v * v + 2.0 * gap * gain, floor)
    later = sign * _hardest(np.sqrt(square), square * next_bend, table, slowest, fastest, sign)
    return np.sqrt(max(v * v + gap * (gain + later), floor))


@njit(cache=True, error_model="numpy")
def _hardest(v, across, table, slowest, fastest, sign):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The greatest acceleration along the path (`sign` 1), or the least (-1), while cornering at
    `across` m/s2.
    """
    last = table.shape[1] - 3
    position = min(max((v - slowest) / (fastest - slowest), 0.0), 1.0) * last
    k = min(int(position), last - 1)
    fraction = position - k
    best = 1e9
    for row in table:
        if sign * row[1] > 1e-9:
            limit = row[2 + k] + fraction * (row[3 + k] - row[2 + k])
            best = min(best, (limit - row[0] * across) / abs(row[1]))
    return sign * best
