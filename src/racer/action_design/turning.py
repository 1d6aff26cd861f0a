"""The circles that a car drives under constant commands, in its real, understeering dynamics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from racer.raceline.minimum_time import RacingLine
from racer.track.corners import Corner, find_corners, is_inside_corner
from racer.track.track import Track
from racer.vehicle.car import STEERING_LIMIT_DEG, STEP_S, Car, car_table
from racer.vehicle.dynamics import advance_motion

Array = NDArray[np.float64]

SETTLE_STEPS = 90  # until a car drives its circle
WATCH_STEPS = 30  # over which it is then watched
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
    """The circles that a car drives in the end which sets off under each of the commands (N, 2),
    steering deg and speed m/s.
    """
    row = car_table(car, 1)[0]
    motions = [_settled_motion(row, (float(steer), float(speed))) for steer, speed in commands]
    yaw_rate, speed, slip = np.array(motions).reshape(-1, 3).T
    spins = slip > SPIN_SLIP_RAD
    turns = (np.abs(yaw_rate) > 1e-3) & ~spins
    straight_on = np.full(len(yaw_rate), np.inf)
    radius = np.divide(speed, np.abs(yaw_rate), out=straight_on, where=turns)
    return Circles(commands, radius, speed, spins)


def _settled_motion(row: np.void, command: tuple[float, float]) -> tuple[float, float, float]:
    """Mean yaw rate, mean speed along the path, and the largest angle between the path and the
    car's nose, rad.
    """
    motion = (0.0,) * 7
    watched = []
    for k in range(SETTLE_STEPS + WATCH_STEPS):
        motion = advance_motion(row, motion, command, command, 0.0, STEP_S)
        if k >= SETTLE_STEPS:
            _, _, _, vx, vy, yaw_rate, _ = motion
            watched.append((yaw_rate, np.hypot(vx, vy), abs(np.arctan2(vy, vx))))
    yaw_rates, speeds, slips = np.array(watched).T
    return float(yaw_rates.mean()), float(speeds.mean()), float(slips.max())


@dataclass(frozen=True)
class Bend:
    """A corner, and the widest circle, m, that the road allows through it; `side` is 1 for left."""

    corner: Corner
    radius: float

    @property
    def side(self) -> int:
        """1 for a bend to the left, -1 for one to the right."""
        if self.corner.angle > 0.0:
            return 1
        return -1


def find_bends(track: Track, line: RacingLine) -> list[Bend]:
    """The corners of a track, each with the widest circle through it, the one with the tightest
    first.

    That is the radius of `line`, which should bend as little as the road allows, over `STRETCH_M`
    where it is tightest; or, where that is wider, as in hairpins, the radius of the outer border.
    """
    curvature = _moving_mean(line.kappa, STRETCH_M, line.s)
    bends = []
    for corner in find_corners(track):
        toward_corner = np.sign(corner.angle) * curvature[is_inside_corner(corner, line.s_center)]
        sharpest = float(np.max(toward_corner, initial=0.0))
        radius = corner.radius + 0.5 * float(np.interp(corner.apex, track.s, track.width))
        if sharpest <= 1e-6:
            radius = np.inf
        else:
            radius = max(1.0 / sharpest, radius)
        bends.append(Bend(corner, radius))
    return sorted(bends, key=lambda bend: bend.radius)


def _moving_mean(curvature: Array, stretch: float, s: Array) -> Array:
    """(M,) means of the curvature over `stretch` m around each point of a closed line with arc
    lengths `s` (M,).
    """
    reach = max(round(0.5 * stretch / float(np.median(np.diff(s)))), 0)
    return np.asarray(uniform_filter1d(curvature, 2 * reach + 1, mode="wrap"))


@dataclass(frozen=True)
class Tightest:
    """The smallest circle of an action space to one side: the command (steering deg, speed m/s) and
    its radius, m.
    """

    steering_deg: float
    speed: float
    radius: float


def tightest_circle(circles: Circles, side: int) -> Tightest | None:
    """The smallest of the circles to a side (1: left); None where no command turns to it."""
    radius = np.where(np.sign(circles.commands[:, 0]) == side, circles.radius, np.inf)
    k = int(np.argmin(radius))
    if not np.isfinite(radius[k]):
        return None
    steering_deg, speed = circles.commands[k]
    return Tightest(float(steering_deg), float(speed), float(radius[k]))


def full_lock_circles(car: Car, speeds: Array) -> Circles:
    """The circles with the wheels turned as far as they go to the left, at commanded `speeds` (N,)
    m/s.
    """
    return steady_circles(car, np.column_stack([np.full(len(speeds), STEERING_LIMIT_DEG), speeds]))
