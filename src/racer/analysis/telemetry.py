"""Laps over distance, as racing engineers read them: speed, commands and time by where on the lap,
lap against lap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import geometry
from racer.analysis.motion import driven_motion
from racer.stats import circular_median
from racer.track import Track

STEP_COLUMNS = ("throttle", "steer", "reward")
"""Columns of the step that is under way: they jump from step to step."""
TELEMETRY_COLUMNS = ("distance", "time", "speed", *STEP_COLUMNS, "X", "Y")

_START_SAMPLES = 24  # rows of a lap that tell where it began

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


class LapProgress(NamedTuple):
    """The rows of a lap at which the car was farther than ever before, (T,) each.

    `rows` count from the lap's first one. `distance` is m of center line from the lap's start, at or
    above 0 and rising; `time` is s from its start.
    """

    rows: IntArray
    distance: Array
    time: Array


def lap_progress(trace: pd.DataFrame, lap: pd.Series) -> LapProgress:
    """How a lap, a row of `racer.analysis.laps(trace)`, came along the track.

    Distance is told from progress. A lap that is first seen beyond its start is taken back to it by
    its clock: the first distance and time are then 0, and have the lap's first row.
    """
    rows_of_lap = slice(int(lap["first_row"]), int(lap["last_row"]) + 1)
    progress = trace["progress"].to_numpy()[rows_of_lap]
    reached = progress * trace["track_len"].to_numpy()[rows_of_lap] / 100.0
    farthest_before = np.maximum.accumulate(np.maximum(reached, 0.0))[:-1]
    rows = np.flatnonzero(reached > np.append(-np.inf, farthest_before))
    distance = np.maximum(reached[rows], 0.0)
    time = trace["tstamp"].to_numpy()[rows_of_lap][rows] - float(lap["start"])
    if distance[0] > 0.0:
        rows = np.append(rows[0], rows)
        distance = np.append(0.0, distance)
        time = np.append(0.0, time)
    return LapProgress(rows, distance, time)


def lap_start_on_track(track: Track, xy: Array, distance: Array) -> float:
    """Where on the track, m from its start line, a lap began whose car was at `xy` (T, 2) after
    `distance` (T,) m.

    It is the median of what some places say, spread over the lap: each of them tells, but near the
    start they may be off.
    """
    sampled = np.unique(np.linspace(0, len(xy) - 1, _START_SAMPLES).astype(int))
    arc_length = geometry.project_points(track.center, xy[sampled])[0]
    starts = arc_length - distance[sampled]
    if not track.is_loop:
        return float(np.median(starts))
    return float(np.mod(circular_median(starts, track.length), track.length))


def lap_telemetry(trace: pd.DataFrame, lap: pd.Series, step: float = 0.1) -> pd.DataFrame:
    """A lap by distance: one row every `step` m from where it began, and one where it ended.

    `lap` is a row of `racer.analysis.laps(trace)`. Distance comes from progress, so it is that of
    the center line; a car that was set back counts at a place when it first reaches it.

    | column | unit and meaning |
    |---|---|
    | distance | m from the lap's start |
    | time | s from the lap's start, by the clock of `tstamp`: the last one is the lap's time if it ends its lap |
    | speed | m/s driven, nan where no two poses tell |
    | throttle, steer, reward | m/s, degrees and reward of the step that was under way |
    | X, Y | m |
    """
    progress = lap_progress(trace, lap)
    rows = trace.iloc[int(lap["first_row"]) : int(lap["last_row"]) + 1]
    distance = _grid(progress.distance[-1], step)
    position = np.searchsorted(progress.distance, distance, side="right") - 1
    under_way = progress.rows[np.maximum(position, 0)]
    speed = driven_motion(rows)["speed"].to_numpy(float)[progress.rows]
    table = {
        "distance": distance,
        "time": np.interp(distance, progress.distance, progress.time),
        "speed": _interpolate_known(distance, progress.distance, speed),
    }
    for name in STEP_COLUMNS:
        table[name] = rows[name].to_numpy(float)[under_way]
    for name in ("X", "Y"):
        values = rows[name].to_numpy(float)[progress.rows]
        table[name] = np.interp(distance, progress.distance, values)
    return pd.DataFrame(table)


def time_delta(reference: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """How far `other` is behind `reference`, s (negative: ahead), at every distance, m, that both
    reached.

    Both are tables of `lap_telemetry`; the columns are `distance` and `delta`.
    """
    end = min(reference["distance"].iloc[-1], other["distance"].iloc[-1])
    distance = reference["distance"].to_numpy()
    distance = np.append(distance[distance < end], end)
    delta = _time_at(other, distance) - _time_at(reference, distance)
    return pd.DataFrame({"distance": distance, "delta": delta})


def lap_start(telemetry: pd.DataFrame, track: Track) -> float:
    """Where on the track a lap began, m of arc length from its start line: `distance` 0 of
    `lap_telemetry`.

    In training, episodes begin all around the track. Told from all positions, since each one's
    progress is known.
    """
    xy = telemetry[["X", "Y"]].to_numpy()
    return lap_start_on_track(track, xy, telemetry["distance"].to_numpy())


def _grid(length: float, step: float) -> Array:
    """0, `step`, ... and `length`, which takes the place of a grid point within rounding of it."""
    inner = np.arange(0.0, length - 1e-6, step)
    return np.append(inner, length)


def _interpolate_known(at: Array, distance: Array, values: Array) -> Array:
    """(S,) values at distances `at`, from those that are known; nan where none is."""
    is_known = np.isfinite(values)
    if not is_known.any():
        return np.full(len(at), np.nan)
    return np.interp(at, distance[is_known], values[is_known])


def _time_at(telemetry: pd.DataFrame, distance: Array) -> Array:
    known = telemetry["distance"].to_numpy(float)
    return np.asarray(np.interp(distance, known, telemetry["time"].to_numpy(float)))
