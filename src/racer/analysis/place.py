"""Where on the lap, and where on the track, the rows of one lap are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import geometry
from racer.track.track import Track

_PLACES = 24  # rows of a lap that tell where it began

Array = NDArray[np.float64]
Index = NDArray[np.int64]


def lap_progress(trace: pd.DataFrame, lap: pd.Series) -> tuple[Index, Array, Array]:
    """Rows of a lap at which the car was farther than ever before; their distance, m, and time, s,
    from its start.

    `lap` is a row of `racer.analysis.laps(trace)`; rows count from its first one. Distance is that
    of the center line, from progress: at or above 0, and rising. A lap that is first seen beyond
    its start is taken back to it by its clock, so the first of distances and times then has no row:
    it is given the first one.
    """
    first, last = int(lap["first_row"]), int(lap["last_row"])
    reached = (
        trace["progress"].to_numpy()[first : last + 1]
        * trace["track_len"].to_numpy()[first : last + 1]
        / 100.0
    )
    rows = np.flatnonzero(
        reached > np.append(-np.inf, np.maximum.accumulate(np.maximum(reached, 0.0))[:-1])
    )
    way = np.maximum(reached[rows], 0.0)
    clock = trace["tstamp"].to_numpy()[first : last + 1][rows] - float(lap["start"])
    if way[0] > 0.0:
        return np.append(rows[0], rows), np.append(0.0, way), np.append(0.0, clock)
    return rows, way, clock


def lap_start_on_track(track: Track, xy: Array, way: Array) -> float:
    """Where on the track, m from its start line, a lap began whose car was at `xy` (T, 2) after
    `way` (T,) m.

    The median of what some places say, spread over the lap: each of them tells, but near the start
    they may be off.
    """
    some = np.unique(np.linspace(0, len(xy) - 1, _PLACES).astype(int))
    xy, way = xy[some], way[some]
    s = geometry.project_points(track.center, xy)[0]
    if not track.is_loop:
        return float(np.median(s - way))
    turn = 2.0 * np.pi / track.length
    middle = float(np.angle(np.exp(1j * turn * (s - way)).mean()) / turn)
    rest = np.mod(s - way - middle + track.length / 2.0, track.length) - track.length / 2.0
    return float(np.mod(middle + np.median(rest), track.length))
