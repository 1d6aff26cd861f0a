"""The lap in sectors, of equal length or by the corners of the track: their times, and where laps
ended that were not completed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import geometry
from racer.analysis.telemetry import LapProgress, lap_progress, lap_start_on_track
from racer.track import Corner, Track, find_corners, is_inside_corner

SECTOR_COLUMNS = ("lap", "sector", "start", "end", "time", "speed")
ENDING_COLUMNS = ("status", "place", "count", "share")
ROAD_WITHOUT_CORNERS = "the road"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LapSector:
    """A piece of the lap from `start` to `end`, m.

    `end` is less than `start` where it spans a loop's start line.
    """

    name: str
    start: float
    end: float

    def length(self, lap_length: float) -> float:
        """Its length, m, on a lap of `lap_length` m."""
        return (self.end - self.start) % lap_length or lap_length


def lap_sectors(
    trace: pd.DataFrame, laps: pd.DataFrame, track: Track | None = None, parts: int = 3
) -> pd.DataFrame:
    """Times of laps by sector: the corners of `track`, or without it (or without corners) `parts`
    of equal length.

    `laps` are rows of `racer.analysis.laps(trace)`. One row a lap and sector, in driving order:

    | column | unit and meaning |
    |---|---|
    | lap | index of the lap in `laps` |
    | sector | T1, T2, ... of corners, which reach to the middle of the straights around them; else S1, S2, ... |
    | start, end | m, of corners from the track's start line (`end` < `start` across it), else from the lap's |
    | time | s; nan where the lap did not cover all of the sector. The times of a whole lap sum up to its time |
    | speed | m/s: length along the center line by time |
    """
    by_corner = corner_sectors(track) if track is not None else ()
    xy = trace[["X", "Y"]].to_numpy(float)
    rows: list[tuple[object, ...]] = []
    for index, lap in laps.iterrows():
        first_row = int(lap["first_row"])
        progress = lap_progress(trace, lap)
        if by_corner and track is not None:
            sectors = by_corner
            length = track.length
            origin = lap_start_on_track(track, xy[first_row + progress.rows], progress.distance)
        else:
            length = float(trace["track_len"].to_numpy()[first_row])
            sectors = equal_sectors(length, parts)
            origin = 0.0
        times = sector_times(sectors, progress, origin, length)
        for sector, time in zip(sectors, times, strict=True):
            speed = _speed(sector.length(length), time)
            rows.append((index, sector.name, sector.start, sector.end, time, speed))
    return pd.DataFrame(rows, columns=list(SECTOR_COLUMNS))


def equal_sectors(length: float, parts: int = 3) -> tuple[LapSector, ...]:
    """S1, S2, ...: `parts` of equal length of a lap of `length` m."""
    edges = np.linspace(0.0, length, parts + 1).tolist()
    numbered = enumerate(pairwise(edges), 1)
    return tuple(LapSector(f"S{number}", start, end) for number, (start, end) in numbered)


def corner_sectors(track: Track) -> tuple[LapSector, ...]:
    """The lap of `track` cut in the middle between each two corners, each piece named for its
    corner; () without one.

    So a corner has its braking and what it is left with, and the sectors leave no gap. Of an open
    road the first begins at 0 and the last ends with it; the only corner of a loop has it all.
    """
    corners = find_corners(track)
    if not corners:
        return ()
    middles = [
        _middle_between(corner, following, track.length)
        for corner, following in zip(corners, [*corners[1:], corners[0]], strict=True)
    ]
    if track.is_loop:
        edges = [middles[-1], *middles]
    else:
        edges = [0.0, *middles[:-1], track.length]
    sectors = []
    for corner, (start, end) in zip(corners, pairwise(edges), strict=True):
        sectors.append(LapSector(corner.name, start, end))
    return tuple(sectors)


def sector_times(
    sectors: Sequence[LapSector], progress: LapProgress, origin: float, length: float
) -> list[float]:
    """Time, s, of each sector in a lap; nan where the lap did not cover all of it.

    The lap began `origin` m behind the point that sectors count from, on a lap of `length` m. A
    sector in which the lap began and ended is its end and its beginning taken together.
    """
    times = []
    for sector in sectors:
        start = (sector.start - origin) % length
        end = start + sector.length(length)
        if end <= length + 1e-6:
            times.append(_time_between(progress, start, end))
        else:
            before_end = _time_between(progress, start, length)
            after_start = _time_between(progress, 0.0, end - length)
            times.append(before_end + after_start)
    return times


def endings_by_corner(trace: pd.DataFrame, laps: pd.DataFrame, track: Track) -> pd.DataFrame:
    """Where laps that were not completed ended, most frequent first: `status`, `place`, `count` and
    `share` (0 to 1).

    `laps` are rows of `racer.analysis.laps(trace)`, `track` is the one in the direction driven. A
    place is `T3 entry`, `T3` or `T3 exit` (up to the middle of the straights around it), or `the
    road` on a track without corners.
    """
    ended = laps[~laps["complete"]]
    xy = trace[["X", "Y"]].to_numpy(float)[ended["last_row"]]
    endings = pd.DataFrame(
        {"status": ended["status"].astype(str).to_numpy(), "place": corner_labels(track, xy)}
    )
    table = endings.value_counts().reset_index(name="count")
    table["share"] = table["count"] / max(len(ended), 1)
    return table[list(ENDING_COLUMNS)]


def corner_labels(track: Track, xy: Array) -> list[str]:
    """(N,) the corner that each of `xy` (N, 2) m is at, and whether before or after it."""
    corners = find_corners(track)
    if not corners or not len(xy):
        return [ROAD_WITHOUT_CORNERS] * len(xy)
    s = geometry.project_points(track.center, xy)[0]
    labels = np.full(len(s), "", dtype=object)
    for corner, sector in zip(corners, corner_sectors(track), strict=True):
        distance = (s - sector.start) % track.length
        in_sector = distance <= sector.length(track.length)
        is_before = distance < (corner.start - sector.start) % track.length
        label = np.where(is_before, f"{corner.name} entry", f"{corner.name} exit")
        label = np.where(is_inside_corner(corner, s), corner.name, label)
        labels = np.where(in_sector & (labels == ""), label, labels)
    return [str(label) for label in labels]


def corner_numbers(track: Track, s: Array) -> NDArray[np.int64]:
    """(N,) which of `corner_sectors(track)`, counted from 0, each arc length `s` (N,) m lies in.

    Raises ValueError for a track without corners.
    """
    sectors = corner_sectors(track)
    if not sectors:
        raise ValueError(f"{track.name} has no corners")
    distances = np.mod(s[:, None] - np.array([sector.start for sector in sectors]), track.length)
    is_inside = distances <= np.array([sector.length(track.length) for sector in sectors])
    return np.asarray(is_inside.argmax(axis=1), np.int64)


def _speed(distance: float, time: float) -> float:
    """m/s; nan for a time that is not known."""
    if time > 0.0:
        return distance / time
    return float("nan")


def _middle_between(corner: Corner, following: Corner, lap_length: float) -> float:
    """Middle of the straight from a corner to the following one, m from the start line."""
    straight = (following.start - corner.end) % lap_length
    return (corner.end + straight / 2) % lap_length


def _time_between(progress: LapProgress, start: float, end: float) -> float:
    """s from `start` to `end`, m from the lap's start; nan where the lap did not get there."""
    if end > progress.distance[-1] + 1e-3:
        return float("nan")
    end_time = float(np.interp(end, progress.distance, progress.time))
    if start <= 0.0:
        return end_time
    return end_time - float(np.interp(start, progress.distance, progress.time))
