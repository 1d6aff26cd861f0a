"""How smoothly laps were driven: swings of the steering, jerk, zigzag, distance from the center."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numba import njit

from racer import geometry
from racer.analysis.motion import Array, CarMotion, IntArray
from racer.track.track import Track

MIN_SWING_DEG = 5.0
"""Of the commanded steering: a smaller swing is none."""
ZIGZAG_WINDOW_M = 2.5
"""Of road: turning that is taken back within it was needed for no corner."""
_MIN_HALF_WINDOW_M = 0.01  # to either side of a place, from which on there is a mean around it


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
