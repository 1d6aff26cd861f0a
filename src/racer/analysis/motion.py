"""How the car really moved, told from the poses of a trace: speed, rate of turn, distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.logs.schema import episode_ids
from racer.track.track import Track


@dataclass(frozen=True, eq=False)
class TraceColumns:
    """The columns of a trace that laps are told from, (N,) each: pandas takes its time to hand out
    a column.
    """

    trace: pd.DataFrame
    # number of the file that each row was read from; 0 where the trace does not say
    source: NDArray[np.int64]
    episode_id: NDArray[np.int64]
    steps: NDArray[np.float64]
    progress: NDArray[np.float64]
    stamp: NDArray[np.float64]
    status: NDArray[np.int64]  # index into `words`; -1, the last of them, is a missing one
    words: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.steps)

    def has(self, *words: str) -> NDArray[np.bool_]:
        """(N,) whether the status of each row is one of `words`."""
        return np.array([word in words for word in self.words])[self.status]


def columns_for_laps(trace: pd.DataFrame) -> TraceColumns:
    """Those columns of a trace."""
    status, words = _coded(trace["episode_status"])
    source = trace["source"].to_numpy() if "source" in trace else np.zeros(len(trace), np.int64)
    ids = trace["episode_id"].to_numpy() if "episode_id" in trace else episode_ids(trace)
    steps, progress, stamp = (trace[name].to_numpy() for name in ("steps", "progress", "tstamp"))
    return TraceColumns(trace, source, ids, steps, progress, stamp, status, words)


def _coded(column: pd.Series) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """(N,) index of each word of a column, and the words; the last of them stands for a missing
    one.
    """
    words: Any = (
        column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")
    ).array
    return words.codes, np.array([*words.categories, np.nan], dtype=object)


def lap_bounds(trace: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last row of every lap, positions in the trace."""
    return lap_bounds_of_columns(columns_for_laps(trace))


def lap_bounds_of_columns(rows: TraceColumns) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same of a trace whose columns are at hand."""
    if not len(rows):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    new = np.diff(rows.episode_id, prepend=rows.episode_id[0] - 1) != 0
    new[1:] |= rows.progress[:-1] >= 100.0  # a continuous race goes on
    first = np.flatnonzero(new)
    return first, np.append(first[1:], len(rows)) - 1


def rows_of_laps(trace: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a trace that belong to the laps in `table`, rows of `racer.analysis.laps(trace)`."""
    step = np.zeros(len(trace) + 1, dtype=np.int64)
    np.add.at(step, table["first_row"].to_numpy(), 1)
    np.add.at(step, table["last_row"].to_numpy() + 1, -1)
    return trace[np.cumsum(step)[:-1] > 0]


def first_row_values(
    rows: TraceColumns, name: str, first: NDArray[np.int64], default: object
) -> NDArray[np.generic]:
    """(L,) values of a column at rows `first` (L,); `default` where the trace has no such column."""
    if name in ("source", "episode_id"):
        return np.asarray(getattr(rows, name)[first])
    if name not in rows.trace:
        return np.full(len(first), default)
    column = rows.trace[name]
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.to_numpy()[first])
    codes, words = _coded(column)
    return words[codes[first]]


STEP_S = 1.0 / 15.0  # s, the camera frame that paces the simulator
_TELEPORT = 8.0  # m/s between two rows: no car is that fast, it was set down elsewhere

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CarMotion:
    """What a car did between the pose of each row and that of the next one, (N,) each; speeds are
    three-step means.

    `speed`, `yaw_rate` and `lateral` (acceleration, positive to the left) are nan where the car did
    not drive from the one to the other (`moved`): the next row is another episode's, a penalty's,
    or a place that it was set down at.
    """

    dt: Array  # s
    way: Array  # m, 0 where it did not drive
    turn: Array  # rad, positive to the left, 0 where it did not drive
    moved: NDArray[np.bool_]
    speed: Array  # m/s
    yaw_rate: Array  # rad/s
    lateral: Array  # m/s2


def car_motion(rows: TraceColumns) -> CarMotion:
    """The motion of all rows. Poses are taken to be one camera frame apart: `tstamp` jitters."""
    follows = is_followed(rows)
    dt = _step_times(rows, follows)
    x, y, yaw = (rows.trace[name].to_numpy(float) for name in ("X", "Y", "yaw"))
    way, yaw = np.hypot(np.diff(x, append=x[-1:]), np.diff(y, append=y[-1:])), np.radians(yaw)
    turn = np.mod(np.diff(yaw, append=yaw[-1:]) + np.pi, 2.0 * np.pi) - np.pi
    moved = follows & (way <= _TELEPORT * dt)
    speed, rate = (np.where(moved, change / dt, np.nan) for change in (way, turn))
    lap = np.searchsorted(lap_bounds_of_columns(rows)[0], np.arange(len(rows)), side="right")
    smooth = [
        np.where(moved, _three_step_mean(values, lap), np.nan)
        for values in (speed, rate, speed * rate)
    ]
    return CarMotion(dt, np.where(moved, way, 0.0), np.where(moved, turn, 0.0), moved, *smooth)


def driven_motion(trace: pd.DataFrame) -> pd.DataFrame:
    """How the car really moved in each step: `speed` (m/s), `yaw_rate` (rad/s) and `lateral`
    (m/s2), from the poses.

    Of each row towards the next one, as running means over three steps; nan where the next row is
    another episode's, a penalty's or a place that the car was set down at.
    """
    found = car_motion(columns_for_laps(trace))
    columns = {"speed": found.speed, "yaw_rate": found.yaw_rate, "lateral": np.abs(found.lateral)}
    return pd.DataFrame(columns, index=trace.index)


def step_times(trace: pd.DataFrame) -> Array:
    """(N,) s between the pose of each row and the next: 1/15, or the median of a log that ran at
    another rate.
    """
    rows = columns_for_laps(trace)
    return _step_times(rows, is_followed(rows))


def is_followed(rows: TraceColumns) -> NDArray[np.bool_]:
    """(N,) whether the next row shows where the car drove to: same run of steps, no penalty in
    between.
    """
    held = rows.has("pause", "park")
    same = (np.diff(rows.steps) == 1) & (np.diff(rows.source) == 0) & ~held[1:] & ~held[:-1]
    return np.append(same, False)


def _step_times(rows: TraceColumns, follows: NDArray[np.bool_]) -> Array:
    gap = np.diff(rows.stamp, append=rows.stamp[-1:])
    times = np.full(len(rows), STEP_S)
    for number in np.unique(rows.source):
        mine = gap[(rows.source == number) & follows & (gap > 0)]
        usual = float(np.median(mine)) if len(mine) else STEP_S
        times[rows.source == number] = STEP_S if abs(usual / STEP_S - 1.0) < 0.1 else usual
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


MIN_SWING_DEG = 5.0  # degrees of command: a smaller swing of the steering is none
ZIGZAG_WINDOW_M = 2.5  # m of road: turning that is taken back within it was needed for no corner
_LEAST = 0.01  # m to either side of a place, from which on there is a mean around it

Index = NDArray[np.int64]


def smoothness_columns(
    trace: pd.DataFrame, moving: CarMotion, first: Index, track: Track | None = None
) -> dict[str, Array]:
    """Columns of the laps that begin at rows `first` (L,), each (L,); `moving` is the trace's
    motion.

    | column | unit and meaning |
    |---|---|
    | reversals | 1/m: swings of the commanded steering, of `GAP` degrees at least, that go back the other way |
    | steer_std | degrees: deviation of the commanded steering |
    | jerk | m/s3: root of the mean square of how fast lateral acceleration changes |
    | zigzag | degrees/m: turning of the car that it takes back within `WITHIN` m, by meter driven |
    | line_deviation | m: mean distance from the center line of `track`; nan without one |

    nan where a lap is too short to tell. `zigzag` is what all turns to the left and to the right
    sum up to, less what they sum up to when the heading is averaged over `WITHIN` m first: a corner
    keeps its turning, a wiggle loses it.
    """
    distance = np.add.reduceat(moving.way, first)
    length = np.where(distance > 0.0, distance, np.nan)
    steer = trace["steer"].to_numpy(float)
    last = np.append(first[1:], len(trace)) - 1
    away = (
        line_deviation(trace, first, last, track)
        if track is not None
        else np.full(len(first), np.nan)
    )
    return {
        "reversals": _reversals(steer, first, MIN_SWING_DEG) / length,
        "steer_std": _deviation(steer, first),
        "jerk": _jerk(moving, first),
        "zigzag": _zigzag(moving, first) / length,
        "line_deviation": away,
    }


def count_reversals(steer: Array, gap: float = MIN_SWING_DEG) -> int:
    """How often `steer` (T,) turns back by at least `gap` after having moved by at least that much."""
    return int(_reversals(steer, np.zeros(1, np.int64), gap)[0])


@njit(cache=True, error_model="numpy")
def _reversals(steer, first, gap):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """(L,) the same for the laps that begin at rows `first`."""
    counts = np.zeros(len(first))
    for lap in range(len(first)):
        end = first[lap + 1] if lap + 1 < len(first) else len(steer)
        way, low, high = 0, np.inf, -np.inf
        for row in range(first[lap], end):
            value = steer[row]
            if value < low:
                low = value
            if value > high:
                high = value
            if way >= 0 and high - value >= gap:
                counts[lap] += way
                way, low, high = -1, value, value
            elif way <= 0 and value - low >= gap:
                counts[lap] -= way
                way, low, high = 1, value, value
    return counts


def _deviation(values: Array, first: Index) -> Array:
    """(L,) standard deviation in each lap."""
    count = np.diff(first, append=len(values))
    off = values - np.repeat(np.add.reduceat(values, first) / count, count)
    return np.asarray(np.sqrt(np.add.reduceat(off**2, first) / count))


def _jerk(moving: CarMotion, first: Index) -> Array:
    """(L,) m/s3, of rows whose lateral acceleration and the next one's are known."""
    change = np.diff(moving.lateral, append=np.nan) / moving.dt
    change[first[1:] - 1] = np.nan
    known = np.isfinite(change)
    count = np.add.reduceat(known.astype(float), first)
    total = np.add.reduceat(np.where(known, change**2, 0.0), first)
    return np.asarray(
        np.sqrt(np.divide(total, count, out=np.full(len(first), np.nan), where=count > 0))
    )


def _zigzag(moving: CarMotion, first: Index) -> Array:
    """(L,) degrees by which laps turn more than their mean heading over `WITHIN` m (less towards
    their ends) does.
    """
    rows = np.diff(first, append=len(moving.way))
    at, turned = (np.cumsum(each) - each for each in (moving.way, moving.turn))
    heading = turned - np.repeat(turned[first], rows)
    start, end = np.repeat(at[first], rows), np.repeat(at[first + rows - 1], rows)
    area = np.append(0.0, np.cumsum((heading[:-1] + 0.5 * moving.turn[:-1]) * moving.way[:-1]))
    half = np.minimum(np.minimum(at - start, end - at), ZIGZAG_WINDOW_M / 2)
    within = np.interp(at + half, at, area) - np.interp(at - half, at, area)
    mean = np.divide(within, 2.0 * half, out=heading.copy(), where=half > _LEAST)
    return np.degrees(np.maximum(_turning(heading, first) - _turning(mean, first), 0.0))


def _turning(heading: Array, first: Index) -> Array:
    """(L,) what all turns to either side sum up to in each lap."""
    change = np.abs(np.diff(heading, prepend=heading[:1]))
    change[first] = 0.0
    return np.asarray(np.add.reduceat(change, first))


def line_deviation(trace: pd.DataFrame, first: Index, last: Index, track: Track) -> Array:
    """(L,) mean distance, m, from the center line of `track` of the laps from rows `first` to
    `last`, both inside.
    """
    away = np.append(
        geometry.distance_to_line(track.center, trace[["X", "Y"]].to_numpy(float)), 0.0
    )
    total = np.append(0.0, np.cumsum(away))
    return np.asarray((total[last + 1] - total[first]) / (last - first + 1))
