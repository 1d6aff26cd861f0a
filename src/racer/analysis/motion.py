"""How the car really moved, told from the poses of a trace: speed, rate of turn, distance, and how
smoothly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.geometry import wrap_angle
from racer.logs import row_episode_ids
from racer.track import Track
from racer.vehicle import STEP_S

_MAX_SPEED = 8.0  # m/s between two rows; no car is that fast, so it was set down elsewhere
_USUAL_STEP_TOLERANCE = 0.1  # of the step, within which a log runs at the simulator's own rate
_MIN_MOVING_STAMPS = 0.8  # share of rows whose stamp differs from the next one's, unless rounded

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MIN_SWING_DEG = 5.0
"""Of the commanded steering: a smaller swing is none."""
ZIGZAG_WINDOW_M = 2.5
"""Of road: turning that is taken back within it was needed for no corner."""
_MIN_HALF_WINDOW_M = 0.01  # to either side of a place, from which on there is a mean around it


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
        gaps = gap[of_source & follows & (gap >= 0)]
        if not gaps.any():
            continue
        typical = _typical_gap(gaps)
        if abs(typical / STEP_S - 1.0) >= _USUAL_STEP_TOLERANCE:
            times[of_source] = typical
    return times


def _typical_gap(gaps: Array) -> float:
    """Seconds from a row to the next: the median of those that differ; the mean of all where rows
    share their stamps, as with times in whole seconds or tenths.
    """
    positive = gaps[gaps > 0]
    if len(positive) < _MIN_MOVING_STAMPS * len(gaps):
        return float(np.mean(gaps))
    return float(np.median(positive))


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


def smoothness_columns(
    trace: pd.DataFrame, motion: CarMotion, first: IntArray, track: Track | None = None
) -> dict[str, Array]:
    """Columns of the laps that begin at rows `first` (L,), each (L,).

    | column | unit and meaning |
    |---|---|
    | reversals | 1/m: swings of the commanded steering, of MIN_SWING_DEG at least, that go back the other way |
    | steer_std | degrees: standard deviation of the commanded steering |
    | jerk | m/s3: root of the mean square of how fast lateral acceleration changes |
    | zigzag | degrees/m: turning of the car that it takes back within ZIGZAG_WINDOW_M, by meter driven |
    | line_deviation | m: mean distance from the center line of `track`; nan without one |

    nan where a lap is too short to tell. `zigzag` is what all turns to the left and to the right
    sum up to, less what they sum up to when the heading is averaged over the window first: a corner
    keeps its turning, a wiggle loses it.
    """
    driven = np.add.reduceat(motion.distance, first)
    length = np.where(driven > 0.0, driven, np.nan)
    steer = trace["steer"].to_numpy(float)
    deviation = np.full(len(first), np.nan)
    if track is not None:
        last = np.append(first[1:], len(trace)) - 1
        deviation = line_deviation(trace, first, last, track)
    return {
        "reversals": _count_reversals(steer, first, MIN_SWING_DEG) / length,
        "steer_std": _standard_deviation(steer, first),
        "jerk": _jerk(motion, first),
        "zigzag": _zigzag(motion, first) / length,
        "line_deviation": deviation,
    }


def count_reversals(steer: Array, min_swing: float = MIN_SWING_DEG) -> int:
    """How often `steer` (T,) turns back by at least `min_swing` after having moved by as much."""
    return int(_count_reversals(steer, np.zeros(1, np.int64), min_swing)[0])


def line_deviation(trace: pd.DataFrame, first: IntArray, last: IntArray, track: Track) -> Array:
    """(L,) mean distance, m, from the center line of `track` of the laps from rows `first` to
    `last`, both included.
    """
    xy = trace[["X", "Y"]].to_numpy(float)
    total = np.append(0.0, np.cumsum(geometry.distance_to_line(track.center, xy)))
    return np.asarray((total[last + 1] - total[first]) / (last - first + 1))


@njit(cache=True, error_model="numpy")
def _count_reversals(steer, first, min_swing):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """(L,) reversals of the laps that begin at rows `first`.

    `low` and `high` are the extremes since the last reversal, `direction` is 1 while the steering
    swings up, -1 while it swings down, and 0 before the first swing.
    """
    counts = np.zeros(len(first))
    for lap in range(len(first)):
        end = first[lap + 1] if lap + 1 < len(first) else len(steer)
        direction = 0
        low = np.inf
        high = -np.inf
        for row in range(first[lap], end):
            angle = steer[row]
            low = min(low, angle)
            high = max(high, angle)
            if direction >= 0 and high - angle >= min_swing:
                counts[lap] += direction
                direction = -1
                low = angle
                high = angle
            elif direction <= 0 and angle - low >= min_swing:
                counts[lap] -= direction
                direction = 1
                low = angle
                high = angle
    return counts


def _standard_deviation(values: Array, first: IntArray) -> Array:
    """(L,) standard deviation in each lap."""
    count = np.diff(first, append=len(values))
    mean = np.add.reduceat(values, first) / count
    squares = (values - np.repeat(mean, count)) ** 2
    return np.asarray(np.sqrt(np.add.reduceat(squares, first) / count))


def _jerk(motion: CarMotion, first: IntArray) -> Array:
    """(L,) m/s3, of rows whose lateral acceleration and the next one's are known."""
    jerk = np.diff(motion.lateral, append=np.nan) / motion.dt
    jerk[first[1:] - 1] = np.nan
    is_known = np.isfinite(jerk)
    count = np.add.reduceat(is_known.astype(float), first)
    total = np.add.reduceat(np.where(is_known, jerk**2, 0.0), first)
    unknown = np.full(len(first), np.nan)
    return np.asarray(np.sqrt(np.divide(total, count, out=unknown, where=count > 0)))


def _zigzag(motion: CarMotion, first: IntArray) -> Array:
    """(L,) degrees by which laps turn more than their mean heading does.

    The mean is over ZIGZAG_WINDOW_M around each place, less towards the ends of a lap.
    """
    rows = np.diff(first, append=len(motion.turn))
    turned = np.cumsum(motion.turn) - motion.turn
    heading = turned - np.repeat(turned[first], rows)
    mean_heading = _mean_heading(motion, heading, first)
    taken_back = _total_turning(heading, first) - _total_turning(mean_heading, first)
    return np.degrees(np.maximum(taken_back, 0.0))


def _mean_heading(motion: CarMotion, heading: Array, first: IntArray) -> Array:
    """(N,) rad, mean of the heading over the window around each place; the heading itself at the
    ends of a lap, where there is no window.
    """
    rows = np.diff(first, append=len(heading))
    position = np.cumsum(motion.distance) - motion.distance
    start = np.repeat(position[first], rows)
    end = np.repeat(position[first + rows - 1], rows)
    half_window = np.minimum(np.minimum(position - start, end - position), ZIGZAG_WINDOW_M / 2)

    # The integral of the heading over the distance: a mean is the difference of two of its values.
    trapezoids = (heading[:-1] + 0.5 * motion.turn[:-1]) * motion.distance[:-1]
    integral = np.append(0.0, np.cumsum(trapezoids))
    ahead = np.interp(position + half_window, position, integral)
    behind = np.interp(position - half_window, position, integral)
    mean = heading.copy()
    has_window = half_window > _MIN_HALF_WINDOW_M
    np.divide(ahead - behind, 2.0 * half_window, out=mean, where=has_window)
    return mean


def _total_turning(heading: Array, first: IntArray) -> Array:
    """(L,) what all turns to either side sum up to in each lap."""
    change = np.abs(np.diff(heading, prepend=heading[:1]))
    change[first] = 0.0
    return np.asarray(np.add.reduceat(change, first))
