"""What a car can do at each speed, from its own friction model: how hard it corners while it speeds
up or slows down.

At a speed, every steering angle and speed command that settles into steady cornering gives a pair
of accelerations, across and along the path. What lies between those pairs a car reaches by going
back and forth between them, so the limit is their convex hull: for K directions, the farthest that
it reaches (see `GGV.reach`). Nothing is fitted to a track. The limit holds for settled
cornering: a car that is still turning in, or whose steering lags, does less.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

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
