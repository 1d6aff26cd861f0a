"""Sector times of laps: by equal distance, or by the corners of a track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis.place import lap_progress, lap_start_on_track
from racer.track.corners import find_corners
from racer.track.track import Track

SECTOR_COLUMNS = ("lap", "sector", "start", "end", "time", "speed")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LapSector:
    """A piece of the lap from `start` to `end`, m; `end` is less than `start` where it spans a
    loop's start line.
    """

    name: str
    start: float
    end: float


def lap_sectors(
    trace: pd.DataFrame, table: pd.DataFrame, track: Track | None = None, parts: int = 3
) -> pd.DataFrame:
    """Times of laps by sector: the corners of `track`, or without it (or without corners) `parts`
    of equal length.

    `table` holds rows of `racer.analysis.laps(trace)`. One row a lap and sector, in driving order:

    | column | unit and meaning |
    |---|---|
    | lap | index of the lap in `table` |
    | sector | T1, T2, ... of corners, which reach to the middle of the straights around them; else S1, S2, ... |
    | start, end | m, of corners from the track's start line (`end` < `start` across it), else from the lap's |
    | time | s; nan where the lap did not cover all of the sector. The times of a whole lap sum up to its time |
    | speed | m/s: length along the center line by time |
    """
    found = corner_sectors(track) if track is not None else ()
    rows, spots = [], trace[["X", "Y"]].to_numpy(float)
    for index, lap in table.iterrows():
        at, way, clock = lap_progress(trace, lap)
        length = float(trace["track_len"].to_numpy()[int(lap["first_row"])])
        origin, pieces = 0.0, found or equal_sectors(length, parts)
        if found and track is not None:
            origin, length = (
                lap_start_on_track(track, spots[int(lap["first_row"]) + at], way),
                track.length,
            )
        times = sector_times(pieces, way, clock, origin, length)
        rows += [
            (index, one.name, one.start, one.end, *_pace(one, t, length))
            for one, t in zip(pieces, times, strict=True)
        ]
    return pd.DataFrame(rows, columns=list(SECTOR_COLUMNS))


def equal_sectors(length: float, parts: int = 3) -> tuple[LapSector, ...]:
    """S1, S2, ...: `parts` of equal length of a lap of `length` m."""
    edges = np.linspace(0.0, length, parts + 1).tolist()
    return tuple(LapSector(f"S{k}", a, b) for k, (a, b) in enumerate(pairwise(edges), 1))


def corner_sectors(track: Track) -> tuple[LapSector, ...]:
    """The lap of `track` cut in the middle between each two corners, each piece named for its
    corner; () without one.

    So a corner has its braking and what it is left with, and the sectors leave no gap. Of an open
    road the first begins at 0 and the last ends with it; the only corner of a loop has it all.
    """
    found = find_corners(track)
    if not found:
        return ()
    if not track.is_loop:
        edges = [0.0, *((a.end + b.start) / 2 for a, b in pairwise(found)), track.length]
    else:
        following = [*found[1:], found[0]]
        gaps = [(b.start - a.end) % track.length for a, b in zip(found, following, strict=True)]
        ends = [(a.end + gap / 2) % track.length for a, gap in zip(found, gaps, strict=True)]
        edges = [ends[-1], *ends]
    return tuple(LapSector(c.name, a, b) for c, (a, b) in zip(found, pairwise(edges), strict=True))


def sector_times(
    pieces: Sequence[LapSector], way: Array, clock: Array, origin: float, length: float
) -> list[float]:
    """Time, s, of each sector in a lap that was at `way` (T,) m from its start at `clock` (T,) s.

    The lap began `origin` m behind the point that sectors count from, on a lap of `length` m. A
    sector in which the lap began and ended is its end and its beginning taken together.
    """
    times = []
    for one in pieces:
        start, size = (one.start - origin) % length, (one.end - one.start) % length or length
        end = start + size
        spans = [(start, end)] if end <= length + 1e-6 else [(start, length), (0.0, end - length)]
        times.append(sum(_between(way, clock, a, b) for a, b in spans))
    return times


def _between(way: Array, clock: Array, start: float, end: float) -> float:
    """s from `start` to `end`, m; nan where the lap did not get there."""
    if end > way[-1] + 1e-3:
        return float("nan")
    begun = float(np.interp(start, way, clock)) if start > 0.0 else 0.0
    return float(np.interp(end, way, clock)) - begun


def _pace(one: LapSector, time: float, length: float) -> tuple[float, float]:
    """Time, s, and speed, m/s, of a sector."""
    size = (one.end - one.start) % length or length
    return time, size / time if time > 0.0 else float("nan")
