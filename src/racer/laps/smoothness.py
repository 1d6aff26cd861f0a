"""How smoothly laps were driven: steering reversals, lateral jerk, zig-zag, and how far from the center line."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.laps.motion import Motion
from racer.track.record import Track

GAP = 5.0  # degrees of command: a smaller swing of the steering is none
WITHIN = 2.5  # m of road: turning that is taken back within it was needed for no corner
_LEAST = 0.01  # m to either side of a place, from which on there is a mean around it

Array = NDArray[np.float64]
Index = NDArray[np.int64]


def smoothness(trace: pd.DataFrame, moving: Motion, first: Index, track: Track | None = None) -> dict[str, Array]:
    """Columns of the laps that begin at rows `first` (L,), each (L,); `moving` is the trace's motion.

    | column | unit and meaning |
    |---|---|
    | reversals | 1/m: swings of the commanded steering, of `GAP` degrees at least, that go back the other way |
    | steer_std | degrees: deviation of the commanded steering |
    | jerk | m/s3: root of the mean square of how fast lateral acceleration changes |
    | zigzag | degrees/m: turning of the car that it takes back within `WITHIN` m, by meter driven |
    | line_deviation | m: mean distance from the center line of `track`; nan without one |

    nan where a lap is too short to tell. `zigzag` is what all turns to the left and to the right sum up to, less what
    they sum up to when the heading is averaged over `WITHIN` m first: a corner keeps its turning, a wiggle loses it.
    """
    distance = np.add.reduceat(moving.way, first)
    length = np.where(distance > 0.0, distance, np.nan)
    steer = trace["steer"].to_numpy(float)
    last = np.append(first[1:], len(trace)) - 1
    away = line_deviation(trace, first, last, track) if track is not None else np.full(len(first), np.nan)
    return {
        "reversals": _reversals(steer, first, GAP) / length,
        "steer_std": _deviation(steer, first),
        "jerk": _jerk(moving, first),
        "zigzag": _zigzag(moving, first) / length,
        "line_deviation": away,
    }


def count_reversals(steer: Array, gap: float = GAP) -> int:
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


def _jerk(moving: Motion, first: Index) -> Array:
    """(L,) m/s3, of rows whose lateral acceleration and the next one's are known."""
    change = np.diff(moving.lateral, append=np.nan) / moving.dt
    change[first[1:] - 1] = np.nan
    known = np.isfinite(change)
    count = np.add.reduceat(known.astype(float), first)
    total = np.add.reduceat(np.where(known, change**2, 0.0), first)
    return np.asarray(np.sqrt(np.divide(total, count, out=np.full(len(first), np.nan), where=count > 0)))


def _zigzag(moving: Motion, first: Index) -> Array:
    """(L,) degrees by which laps turn more than their mean heading over `WITHIN` m (less towards their ends) does."""
    rows = np.diff(first, append=len(moving.way))
    at, turned = (np.cumsum(each) - each for each in (moving.way, moving.turn))
    heading = turned - np.repeat(turned[first], rows)
    start, end = np.repeat(at[first], rows), np.repeat(at[first + rows - 1], rows)
    area = np.append(0.0, np.cumsum((heading[:-1] + 0.5 * moving.turn[:-1]) * moving.way[:-1]))
    half = np.minimum(np.minimum(at - start, end - at), WITHIN / 2)
    within = np.interp(at + half, at, area) - np.interp(at - half, at, area)
    mean = np.divide(within, 2.0 * half, out=heading.copy(), where=half > _LEAST)
    return np.degrees(np.maximum(_turning(heading, first) - _turning(mean, first), 0.0))


def _turning(heading: Array, first: Index) -> Array:
    """(L,) what all turns to either side sum up to in each lap."""
    change = np.abs(np.diff(heading, prepend=heading[:1]))
    change[first] = 0.0
    return np.asarray(np.add.reduceat(change, first))


def line_deviation(trace: pd.DataFrame, first: Index, last: Index, track: Track) -> Array:
    """(L,) mean distance, m, from the center line of `track` of the laps from rows `first` to `last`, both inside."""
    away = np.append(geometry.distance(track.center, trace[["X", "Y"]].to_numpy(float)), 0.0)
    total = np.append(0.0, np.cumsum(away))
    return np.asarray((total[last + 1] - total[first]) / (last - first + 1))
