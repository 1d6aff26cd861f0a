"""Laps over distance, as racing engineers read them: speed, commands and time by where on the lap,
lap against lap.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis.motion import driven_motion
from racer.analysis.place import lap_progress, lap_start_on_track
from racer.track.track import Track

Array = NDArray[np.float64]

STEP_COLUMNS = ("throttle", "steer", "reward")  # of the step under way: they jump from step to step
TELEMETRY_COLUMNS = ("distance", "time", "speed", *STEP_COLUMNS, "X", "Y")


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
    found, way, clock = lap_progress(trace, lap)
    rows = trace.iloc[int(lap["first_row"]) : int(lap["last_row"]) + 1]
    at = _grid(way, step)
    under_way = found[np.maximum(np.searchsorted(way, at, side="right") - 1, 0)]
    speed = driven_motion(rows)["speed"].to_numpy(float)[found]
    table = {"distance": at, "time": np.interp(at, way, clock), "speed": _known(at, way, speed)}
    table |= {name: rows[name].to_numpy(float)[under_way] for name in STEP_COLUMNS}
    return pd.DataFrame(
        table | {name: np.interp(at, way, rows[name].to_numpy(float)[found]) for name in ("X", "Y")}
    )


def time_delta(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """How far `other` is behind `one`, s (negative: ahead), at every distance, m, that both
    reached.

    Both are tables of `over_distance`; the columns are `distance` and `delta`.
    """
    end = min(one["distance"].iloc[-1], other["distance"].iloc[-1])
    at = one["distance"].to_numpy()
    at = np.append(at[at < end], end)
    times = [
        np.interp(at, lap["distance"].to_numpy(), lap["time"].to_numpy()) for lap in (one, other)
    ]
    return pd.DataFrame({"distance": at, "delta": times[1] - times[0]})


def lap_start(telemetry: pd.DataFrame, track: Track) -> float:
    """Where on the track a lap began, m of arc length from its start line: `distance` 0 of
    `over_distance`.

    In training, episodes begin all around the track. Told from all positions, since each one's
    progress is known.
    """
    return lap_start_on_track(
        track, telemetry[["X", "Y"]].to_numpy(), telemetry["distance"].to_numpy()
    )


def _grid(way: Array, step: float) -> Array:
    """0, `step`, ... and the end of the way, m; the end alone takes the place of a grid point
    within rounding of it.
    """
    inner = np.arange(0.0, way[-1] - 1e-6, step)
    return np.append(inner, way[-1]) if len(inner) else way[-1:]


def _known(at: Array, way: Array, values: Array) -> Array:
    """(S,) `values` at distances `at`, from those that are known; nan when none is."""
    known = np.isfinite(values)
    return np.interp(at, way[known], values[known]) if known.any() else np.full(len(at), np.nan)
