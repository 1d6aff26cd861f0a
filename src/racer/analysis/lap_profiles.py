"""Where on the track the time is won: sectors, and median laps along the track, of several logs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis.compared_logs import ComparedLog
from racer.analysis.sectors import lap_sectors
from racer.analysis.telemetry import lap_progress, lap_start_on_track
from racer.stats import median_difference

PROFILE_CELL_M = 0.1
"""Of track that a profile has a time for."""
SPEED_SMOOTHING_CELLS = 5
"""Cells that the speed of a profile is a mean over."""

SECTOR_DIFFERENCE_COLUMNS = (
    "name",
    "sector",
    "start",
    "end",
    "first",
    "own",
    "difference",
    "low",
    "high",
)
_EQUAL_PARTS = 6  # sectors of a track whose corners are not known
_SAME_START_FRACTION = 0.03  # of the waypoints, within which laps began at one place

Array = NDArray[np.float64]


def sector_differences(logs: Sequence[ComparedLog]) -> pd.DataFrame:
    """Sector by sector, how much longer each log takes than the first: the table `sectors` of
    `LogComparison`.

    Empty where laps began all around a track that is not known, or went different ways.
    """
    rows: list[tuple[object, ...]] = []
    if have_same_places(logs):
        first, *others = [_sector_times(log) for log in logs]
        for log, table in zip(logs[1:], others, strict=True):
            by_sector = table.groupby(["sector", "start", "end"], sort=False)
            for (sector, start, end), own in by_sector:
                first_times = _known_times(first[first["sector"] == sector])
                own_times = _known_times(own)
                medians = (_median(first_times), _median(own_times))
                interval = median_difference(first_times, own_times)
                rows.append((log.name, sector, start, end, *medians, *interval))
    return pd.DataFrame(rows, columns=list(SECTOR_DIFFERENCE_COLUMNS))


def median_lap_profiles(logs: Sequence[ComparedLog]) -> dict[str, pd.DataFrame]:
    """By name, the median lap of each log along the track: the tables `profiles` of
    `LogComparison`.

    Empty where places cannot be compared, where a log has no complete lap, and where a clock stands
    still.
    """
    if not have_same_places(logs) or any(not len(log.complete_laps) for log in logs):
        return {}
    track = logs[0].track
    if track is not None:
        length = track.length
    else:
        length = float(logs[0].trace["track_len"].median())
    edges = np.linspace(0.0, length, max(round(length / PROFILE_CELL_M), 1) + 1)
    is_loop = track is None or track.is_loop
    times = [np.median(_cell_times(log, edges), axis=0) for log in logs]
    if any(time.min() <= 0.0 for time in times):
        return {}
    profiles = {}
    smooth_length = _moving_mean(np.diff(edges), is_loop)
    for log, time in zip(logs, times, strict=True):
        profile = {
            "distance": edges[1:],
            "time": time,
            "speed": smooth_length / _moving_mean(time, is_loop),
            "delta": np.cumsum(time - times[0]),
        }
        profiles[log.name] = pd.DataFrame(profile)
    return profiles


def have_same_places(logs: Sequence[ComparedLog]) -> bool:
    """Whether places on the track can be compared: one known track and direction, or every lap from
    its start line.
    """
    directions = {
        (log.track.name, log.track.is_reversed) if log.track is not None else None for log in logs
    }
    if len(directions) > 1:
        return False
    return None not in directions or all(_begins_at_one_place(log) for log in logs)


def _begins_at_one_place(log: ComparedLog) -> bool:
    """Whether all complete laps began at about one waypoint."""
    waypoint = log.trace["closest_waypoint"].to_numpy()
    begun = waypoint[log.complete_laps["first_row"]]
    if not len(begun):
        return True
    count = max(int(waypoint.max()) + 1, 1)
    offset = (begun - begun[0] + count / 2) % count - count / 2
    return bool((np.abs(offset) <= _SAME_START_FRACTION * count + 1).all())


def _sector_times(log: ComparedLog) -> pd.DataFrame:
    return lap_sectors(log.trace, log.complete_laps, log.track, parts=_EQUAL_PARTS)


def _known_times(sectors: pd.DataFrame) -> Array:
    return sectors["time"].dropna().to_numpy(float)


def _median(values: Array) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _moving_mean(values: Array, is_loop: bool) -> Array:
    """(K,) means over SPEED_SMOOTHING_CELLS around each; on a loop, laps follow each other."""
    from scipy.ndimage import uniform_filter1d

    if len(values) < SPEED_SMOOTHING_CELLS:
        return values
    mode = "wrap" if is_loop else "constant"
    return np.asarray(uniform_filter1d(values, SPEED_SMOOTHING_CELLS, mode=mode))


def _cell_times(log: ComparedLog, edges: Array) -> Array:
    """(L, K) s that each complete lap took between each two of `edges` (K + 1,), m along the track."""
    xy = log.trace[["X", "Y"]].to_numpy(float)
    return np.array(
        [_cell_times_of_lap(log, lap, xy, edges) for _, lap in log.complete_laps.iterrows()]
    )


def _cell_times_of_lap(log: ComparedLog, lap: pd.Series, xy: Array, edges: Array) -> Array:
    """(K,) s that a complete lap took between `edges`; `xy` (N, 2) m are the positions of the trace."""
    progress = lap_progress(log.trace, lap)
    length = float(edges[-1])
    origin = 0.0
    if log.track is not None:
        positions = xy[int(lap["first_row"]) + progress.rows]
        origin = lap_start_on_track(log.track, positions, progress.distance)
    distance = progress.distance * length / progress.distance[-1]
    # The wait at the start is part of the first move.
    time = np.append(0.0, progress.time[1:])

    # A cell that spans the place where the lap began is its end and its beginning taken together.
    start = np.mod(edges[:-1] - origin, length)
    end = start + np.diff(edges)
    start_time = np.interp(start, distance, time)
    end_time = np.interp(np.minimum(end, length), distance, time)
    time_beyond = np.interp(end - length, distance, time)
    return np.asarray(end_time - start_time + np.where(end > length, time_beyond, 0.0))
