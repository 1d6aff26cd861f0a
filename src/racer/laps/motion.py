"""How the car really moved, told from the poses of a trace: speed, rate of turn, distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from racer.laps.bounds import Steps, bounds_in, steps_of

STEP = 1.0 / 15.0  # s, the camera frame that paces the simulator
_TELEPORT = 8.0  # m/s between two rows: no car is that fast, it was set down elsewhere

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Motion:
    """What a car did between the pose of each row and that of the next one, (N,) each; speeds are three-step means.

    `speed`, `yaw_rate` and `lateral` (acceleration, positive to the left) are nan where the car did not drive from the
    one to the other (`moved`): the next row is another episode's, a penalty's, or a place that it was set down at.
    """

    dt: Array  # s
    way: Array  # m, 0 where it did not drive
    turn: Array  # rad, positive to the left, 0 where it did not drive
    moved: NDArray[np.bool_]
    speed: Array  # m/s
    yaw_rate: Array  # rad/s
    lateral: Array  # m/s2


def motion(rows: Steps) -> Motion:
    """The motion of all rows. Poses are taken to be one camera frame apart: `tstamp` jitters."""
    follows = followed(rows)
    dt = _step_times(rows, follows)
    x, y, yaw = (rows.trace[name].to_numpy(float) for name in ("X", "Y", "yaw"))
    way, yaw = np.hypot(np.diff(x, append=x[-1:]), np.diff(y, append=y[-1:])), np.radians(yaw)
    turn = np.mod(np.diff(yaw, append=yaw[-1:]) + np.pi, 2.0 * np.pi) - np.pi
    moved = follows & (way <= _TELEPORT * dt)
    speed, rate = (np.where(moved, change / dt, np.nan) for change in (way, turn))
    lap = np.searchsorted(bounds_in(rows)[0], np.arange(len(rows)), side="right")
    smooth = [np.where(moved, _three_step_mean(values, lap), np.nan) for values in (speed, rate, speed * rate)]
    return Motion(dt, np.where(moved, way, 0.0), np.where(moved, turn, 0.0), moved, *smooth)


def driven(trace: pd.DataFrame) -> pd.DataFrame:
    """How the car really moved in each step: `speed` (m/s), `yaw_rate` (rad/s) and `lateral` (m/s2), from the poses.

    Of each row towards the next one, as running means over three steps; nan where the next row is another episode's, a
    penalty's or a place that the car was set down at.
    """
    found = motion(steps_of(trace))
    columns = {"speed": found.speed, "yaw_rate": found.yaw_rate, "lateral": np.abs(found.lateral)}
    return pd.DataFrame(columns, index=trace.index)


def step_times(trace: pd.DataFrame) -> Array:
    """(N,) s between the pose of each row and the next: 1/15, or the median of a log that ran at another rate."""
    rows = steps_of(trace)
    return _step_times(rows, followed(rows))


def followed(rows: Steps) -> NDArray[np.bool_]:
    """(N,) whether the next row shows where the car drove to: same run of steps, no penalty in between."""
    held = rows.has("pause", "park")
    same = (np.diff(rows.steps) == 1) & (np.diff(rows.source) == 0) & ~held[1:] & ~held[:-1]
    return np.append(same, False)


def _step_times(rows: Steps, follows: NDArray[np.bool_]) -> Array:
    gap = np.diff(rows.stamp, append=rows.stamp[-1:])
    times = np.full(len(rows), STEP)
    for number in np.unique(rows.source):
        mine = gap[(rows.source == number) & follows & (gap > 0)]
        usual = float(np.median(mine)) if len(mine) else STEP
        times[rows.source == number] = STEP if abs(usual / STEP - 1.0) < 0.1 else usual
    return times


@njit(cache=True, error_model="numpy")
def _three_step_mean(values, lap):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Mean of each value and its two neighbors, leaving out nan and other laps."""
    mean = np.full(len(values), np.nan)
    for row in range(len(values)):
        total, count = 0.0, 0
        for near in range(max(row - 1, 0), min(row + 2, len(values))):
            if lap[near] == lap[row] and np.isfinite(values[near]):
                total += values[near]
                count += 1
        if count > 0:
            mean[row] = total / count
    return mean
