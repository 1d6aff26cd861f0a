"""How the car really moved, told from the poses of a trace: speed, rate of turn, distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.geometry import wrap_angle
from racer.logs.schema import row_episode_ids
from racer.vehicle.car import STEP_S

_MAX_SPEED = 8.0  # m/s between two rows; no car is that fast, so it was set down elsewhere
_USUAL_STEP_TOLERANCE = 0.1  # of the step, within which a log runs at the simulator's own rate

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TraceColumns:
    """The columns of a trace that laps are told from, (N,) each: taking a column from pandas is
    slow.

    `source` is the number of the file that a row was read from, 0 where the trace does not say.
    `status` is the index of each row's status in `words`; -1, the last of them, is a missing one.
    """

    trace: pd.DataFrame
    source: IntArray
    episode_id: IntArray
    steps: Array
    progress: Array
    tstamp: Array
    status: IntArray
    words: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.steps)

    def has_status(self, *words: str) -> BoolArray:
        """(N,) whether the status of each row is one of `words`."""
        return np.array([word in words for word in self.words])[self.status]


def columns_for_laps(trace: pd.DataFrame) -> TraceColumns:
    """The columns of a trace that laps are told from."""
    status, words = _category_codes(trace["episode_status"])
    if "source" in trace:
        source = trace["source"].to_numpy()
    else:
        source = np.zeros(len(trace), np.int64)
    return TraceColumns(
        trace,
        source,
        row_episode_ids(trace),
        steps=trace["steps"].to_numpy(),
        progress=trace["progress"].to_numpy(),
        tstamp=trace["tstamp"].to_numpy(),
        status=status,
        words=words,
    )


def lap_bounds(trace: pd.DataFrame) -> tuple[IntArray, IntArray]:
    """First and last row of every lap, (L,) each, as positions in the trace."""
    return lap_bounds_of_columns(columns_for_laps(trace))


def lap_bounds_of_columns(columns: TraceColumns) -> tuple[IntArray, IntArray]:
    """First and last row of every lap, (L,) each, of a trace whose columns are at hand."""
    if not len(columns):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    begins = np.diff(columns.episode_id, prepend=columns.episode_id[0] - 1) != 0
    begins[1:] |= columns.progress[:-1] >= 100.0  # a continuous race goes on
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(columns)) - 1
    return first, last


def rows_of_laps(trace: pd.DataFrame, laps: pd.DataFrame) -> pd.DataFrame:
    """The rows of a trace that belong to `laps`, rows of `racer.analysis.laps(trace)`."""
    change = np.zeros(len(trace) + 1, dtype=np.int64)
    np.add.at(change, laps["first_row"].to_numpy(), 1)
    np.add.at(change, laps["last_row"].to_numpy() + 1, -1)
    return trace[np.cumsum(change)[:-1] > 0]


def first_row_values(
    columns: TraceColumns, name: str, first: IntArray, default: object
) -> NDArray[np.generic]:
    """(L,) values of a column at rows `first` (L,); `default` where the trace has no such column."""
    if name in ("source", "episode_id"):
        return np.asarray(getattr(columns, name)[first])
    if name not in columns.trace:
        return np.full(len(first), default)
    column = columns.trace[name]
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.to_numpy()[first])
    codes, words = _category_codes(column)
    return words[codes[first]]


@dataclass(frozen=True, eq=False)
class CarMotion:
    """What a car did between the pose of each row and that of the next one, (N,) each.

    | field | unit and meaning |
    |---|---|
    | dt | s |
    | distance | m, 0 where it did not drive |
    | turn | rad, positive to the left, 0 where it did not drive |
    | has_moved | whether it drove from one pose to the other |
    | speed, yaw_rate, lateral | m/s, rad/s, m/s2 to the left: three-step means |

    It did not drive where the next row is another episode's, a penalty's, or a place that it was set
    down at; speeds are nan there.
    """

    dt: Array
    distance: Array
    turn: Array
    has_moved: BoolArray
    speed: Array
    yaw_rate: Array
    lateral: Array


def car_motion(columns: TraceColumns) -> CarMotion:
    """The motion of all rows. Poses are taken to be one camera frame apart: `tstamp` jitters."""
    follows = is_followed(columns)
    dt = _step_times(columns, follows)
    trace = columns.trace
    east = _change_to_next(trace["X"].to_numpy(float))
    north = _change_to_next(trace["Y"].to_numpy(float))
    distance = np.hypot(east, north)
    turn = wrap_angle(_change_to_next(np.radians(trace["yaw"].to_numpy(float))))
    has_moved = follows & (distance <= _MAX_SPEED * dt)
    speed = np.where(has_moved, distance / dt, np.nan)
    yaw_rate = np.where(has_moved, turn / dt, np.nan)

    first, _ = lap_bounds_of_columns(columns)
    lap = np.searchsorted(first, np.arange(len(columns)), side="right")
    return CarMotion(
        dt,
        distance=np.where(has_moved, distance, 0.0),
        turn=np.where(has_moved, turn, 0.0),
        has_moved=has_moved,
        speed=_three_step_mean(speed, lap),
        yaw_rate=_three_step_mean(yaw_rate, lap),
        lateral=_three_step_mean(speed * yaw_rate, lap),
    )


def driven_motion(trace: pd.DataFrame) -> pd.DataFrame:
    """How the car really moved in each step, from the poses: `speed` (m/s), `yaw_rate` (rad/s) and
    `lateral` (m/s2, without sign).

    From each row to the next one, as running means over three steps; nan where the next row is
    another episode's, a penalty's or a place that the car was set down at.
    """
    motion = car_motion(columns_for_laps(trace))
    table = {
        "speed": motion.speed,
        "yaw_rate": motion.yaw_rate,
        "lateral": np.abs(motion.lateral),
    }
    return pd.DataFrame(table, index=trace.index)


def step_times(trace: pd.DataFrame) -> Array:
    """(N,) s between the pose of each row and the next: 1/15, or the median of a log that ran at
    another rate.
    """
    columns = columns_for_laps(trace)
    return _step_times(columns, is_followed(columns))


def is_followed(columns: TraceColumns) -> BoolArray:
    """(N,) whether the next row shows where the car drove to: same run of steps, no penalty in
    between.
    """
    is_held = columns.has_status("pause", "park")
    same_run = (np.diff(columns.steps) == 1) & (np.diff(columns.source) == 0)
    return np.append(same_run & ~is_held[1:] & ~is_held[:-1], False)


def _category_codes(column: pd.Series) -> tuple[IntArray, NDArray[np.object_]]:
    """(N,) index of each word of a column, and the words; the last of them stands for a missing
    one.
    """
    if not isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype("category")
    categories: Any = column.array
    words = np.array([*categories.categories, np.nan], dtype=object)
    return categories.codes, words


def _change_to_next(values: Array) -> Array:
    return np.diff(values, append=values[-1:])


def _step_times(columns: TraceColumns, follows: BoolArray) -> Array:
    gap = _change_to_next(columns.tstamp)
    times = np.full(len(columns), STEP_S)
    for source in np.unique(columns.source):
        of_source = columns.source == source
        gaps = gap[of_source & follows & (gap > 0)]
        if not len(gaps):
            continue
        median = float(np.median(gaps))
        if abs(median / STEP_S - 1.0) >= _USUAL_STEP_TOLERANCE:
            times[of_source] = median
    return times


def _three_step_mean(values: Array, lap: IntArray) -> Array:
    """(N,) mean of each value and its two neighbors of the same lap, leaving out nan; nan where the
    value itself is.
    """
    is_known = np.isfinite(values)
    known = np.where(is_known, values, 0.0)
    same_lap = lap[1:] == lap[:-1]
    previous = np.append(0.0, np.where(same_lap, known[:-1], 0.0))
    following = np.append(np.where(same_lap, known[1:], 0.0), 0.0)
    count = is_known.astype(np.int64)
    count[1:] += same_lap & is_known[:-1]
    count[:-1] += same_lap & is_known[1:]
    total = previous + known + following
    mean = np.full(len(values), np.nan)
    np.divide(total, count, out=mean, where=is_known)
    return mean
