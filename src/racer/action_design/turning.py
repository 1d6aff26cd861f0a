"""The circles that a car drives under constant commands, in its real, understeering dynamics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.raceline.minimum_time import RacingLine
from racer.track.corners import Corner, find_corners, is_inside_corner
from racer.track.track import Track
from racer.vehicle.action_space import STEERING_DEG
from racer.vehicle.car import STEP_S, Car, car_table
from racer.vehicle.dynamics import advance_motion

Array = NDArray[np.float64]

SETTLE_STEPS, WATCH_STEPS = (
    90,
    30,
)  # steps until a car drives its circle, and over which it is then watched
STRETCH_M = 0.8  # m: a car turns tighter than its circle for a shorter while
SPIN_SLIP_RAD = 0.6  # rad of side slip: a car beyond that has lost its rear


@dataclass(frozen=True, eq=False)
class Circles:
    """Where constant commands (N, 2) lead: `radius` (N,) m of the circle, inf for straight on, and
    `speed` (N,) m/s.

    `spins` (N,): the car has lost its rear and turns on the spot, which is no circle; its radius is
    inf.
    """

    commands: Array
    radius: Array
    speed: Array
    spins: NDArray[np.bool_]


def steady_circles(car: Car, commands: Array) -> Circles:
    """The circles that commands (N, 2), steering deg and speed m/s, lead a car into that set off
    from standstill.
    """
    row = car_table(car, 1)[0]
    found = np.array([_circle(row, (float(steer), float(speed))) for steer, speed in commands])
    rate, speed, slip = found.reshape(-1, 3).T
    spins = slip > SPIN_SLIP_RAD
    turns = (np.abs(rate) > 1e-3) & ~spins
    return Circles(
        commands,
        np.divide(speed, np.abs(rate), out=np.full(len(rate), np.inf), where=turns),
        speed,
        spins,
    )


def _circle(row: np.void, command: tuple[float, float]) -> tuple[float, float, float]:
    """Mean yaw rate, mean speed along the path, and the largest angle between the path and the
    car's nose, rad.
    """
    motion = (0.0,) * 7
    seen = []
    for k in range(SETTLE_STEPS + WATCH_STEPS):
        motion = advance_motion(row, motion, command, command, 0.0, STEP_S)
        if k >= SETTLE_STEPS:
            seen.append(
                (motion[5], np.hypot(motion[3], motion[4]), abs(np.arctan2(motion[4], motion[3])))
            )
    rate, speed, slip = np.array(seen).T
    return float(rate.mean()), float(speed.mean()), float(slip.max())


@dataclass(frozen=True)
class Bend:
    """A corner, and the widest circle, m, that the road allows through it; `side` is 1 for left."""

    corner: Corner
    radius: float

    @property
    def side(self) -> int:
        return 1 if self.corner.angle > 0.0 else -1


def find_bends(track: Track, line: RacingLine) -> list[Bend]:
    """The corners of a track, each with the widest circle through it, the one with the tightest
    first.

    That is the radius of `line`, which should bend as little as the road allows, over `STRETCH` m
    where it is tightest; or, where that is wider, as in hairpins, the radius of the outer border.
    """
    kappa, found = _smooth(line.kappa, STRETCH_M, line.s), []
    for corner in find_corners(track):
        side = 1.0 if corner.angle > 0.0 else -1.0
        most = float(np.max(side * kappa[is_inside_corner(corner, line.place)], initial=0.0))
        outside = corner.radius + 0.5 * float(np.interp(corner.apex, track.s, track.width))
        found.append(Bend(corner, max(1.0 / most if most > 1e-6 else np.inf, outside)))
    return sorted(found, key=lambda bend: bend.radius)


def _smooth(kappa: Array, stretch: float, s: Array) -> Array:
    """(M,) means of the curvature over `stretch` m around each point of a line with arc lengths `s`
    (M,).
    """
    reach = max(round(0.5 * stretch / float(np.median(np.diff(s)))), 0)
    around = np.pad(kappa, reach, mode="wrap")
    return np.convolve(around, np.full(2 * reach + 1, 1.0 / (2 * reach + 1)), mode="valid")


@dataclass(frozen=True)
class Tightest:
    """The smallest circle of an action space to one side: the command (steering deg, speed m/s) and
    its radius, m.
    """

    steering_deg: float
    speed: float
    radius: float


def tightest_circle(found: Circles, side: int) -> Tightest | None:
    """The smallest circle among `found` to a side (1: left); None where no command turns that way."""
    way = np.where(np.sign(found.commands[:, 0]) == side, found.radius, np.inf)
    k = int(np.argmin(way))
    if not np.isfinite(way[k]):
        return None
    return Tightest(float(found.commands[k, 0]), float(found.commands[k, 1]), float(way[k]))


def full_lock_circles(car: Car, speeds: Array) -> Circles:
    """The circles with the wheels turned as far as they go to the left, at commanded `speeds` (N,)
    m/s.
    """
    return steady_circles(car, np.column_stack([np.full(len(speeds), STEERING_DEG), speeds]))
