"""Laps over distance, as racing engineers read them: speed, commands and time by where on the lap, lap against lap."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import geometry
from racer.laps import driven
from racer.track.record import Track

Array = NDArray[np.float64]

HELD = ("throttle", "steer", "reward")  # of the step under way: they jump from step to step
COLUMNS = ("distance", "time", "speed", *HELD, "X", "Y")


def over_distance(trace: pd.DataFrame, lap: pd.Series, step: float = 0.1) -> pd.DataFrame:
    """A lap by distance: one row every `step` m from where it began, and one where it ended.

    `lap` is a row of `racer.laps.laps(trace)`. Distance comes from progress, so it is that of the center line; a car
    that was set back counts at a place when it first reaches it.

    | column | unit and meaning |
    |---|---|
    | distance | m from the lap's start |
    | time | s from the lap's start, by the clock of `tstamp`: the last one is the lap's time if it ends its lap |
    | speed | m/s driven, nan where no two poses tell |
    | throttle, steer, reward | m/s, degrees and reward of the step that was under way |
    | X, Y | m |
    """
    rows = trace.iloc[int(lap["first_row"]) : int(lap["last_row"]) + 1]
    reached = rows["progress"].to_numpy(float) * rows["track_len"].to_numpy(float) / 100.0
    new = _first_reached(reached)
    way = np.maximum(reached[new], 0.0)
    clock = rows["tstamp"].to_numpy(float)[new] - float(lap["start"])
    at = _grid(way, step)
    under_way = np.maximum(np.searchsorted(way, at, side="right") - 1, 0)
    table = {"distance": at, "time": _clock(at, way, clock), "speed": _known(at, way, _speed(rows)[new])}
    table |= {name: rows[name].to_numpy(float)[new][under_way] for name in HELD}
    return pd.DataFrame(table | {name: np.interp(at, way, rows[name].to_numpy(float)[new]) for name in ("X", "Y")})


def delta(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """How far `other` is behind `one`, s (negative: ahead), at every distance, m, that both reached.

    Both are tables of `over_distance`; the columns are `distance` and `delta`.
    """
    end = min(one["distance"].iloc[-1], other["distance"].iloc[-1])
    at = one["distance"].to_numpy()
    at = np.append(at[at < end], end)
    times = [np.interp(at, lap["distance"].to_numpy(), lap["time"].to_numpy()) for lap in (one, other)]
    return pd.DataFrame({"distance": at, "delta": times[1] - times[0]})


def lap_start(telemetry: pd.DataFrame, track: Track) -> float:
    """Where on the track a lap began, m of arc length from its start line: `distance` 0 of `over_distance`.

    In training, episodes begin all around the track. Told from all positions, since each one's progress is known.
    """
    at = telemetry["distance"].to_numpy()
    s = geometry.project(track.center, telemetry[["X", "Y"]].to_numpy())[0]
    if not track.is_loop:
        return float(np.median(s - at))
    turn = 2.0 * np.pi / track.length
    middle = float(np.angle(np.exp(1j * turn * (s - at)).mean()) / turn)
    rest = np.mod(s - at - middle + track.length / 2.0, track.length) - track.length / 2.0
    return float(np.mod(middle + np.median(rest), track.length))


def _first_reached(reached: Array) -> NDArray[np.int64]:
    """Rows that are farther than every row before them, the first one included."""
    before = np.concatenate([[-np.inf], np.maximum.accumulate(reached)[:-1]])
    return np.flatnonzero(reached > before)


def _grid(way: Array, step: float) -> Array:
    """0, `step`, ... and the end of the way, m; the end alone takes the place of a grid point within rounding of it."""
    inner = np.arange(0.0, way[-1] - 1e-6, step)
    return np.append(inner, way[-1]) if len(inner) else way[-1:]


def _clock(at: Array, way: Array, clock: Array) -> Array:
    """(S,) s at distances `at`: 0 at the start line of a lap that is first seen beyond it."""
    if way[0] > 0.0:
        way, clock = np.append(0.0, way), np.append(0.0, clock)
    return np.interp(at, way, clock)


def _speed(rows: pd.DataFrame) -> Array:
    return driven(rows)["speed"].to_numpy(float)


def _known(at: Array, way: Array, values: Array) -> Array:
    """(S,) `values` at distances `at`, from those that are known; nan when none is."""
    known = np.isfinite(values)
    return np.interp(at, way[known], values[known]) if known.any() else np.full(len(at), np.nan)
