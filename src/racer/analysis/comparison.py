"""Two or more logs beside each other: which is faster, how sure that is, and where on the track the
time is won.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis.compared_logs import (
    LAST_ITERATIONS,
    SAME_LENGTH_M,
    Comparable,
    ComparedLog,
    logs_to_compare,
)
from racer.analysis.pairs import POLICIES, PairDifference, pair_difference
from racer.analysis.sectors import lap_sectors
from racer.analysis.telemetry import lap_progress, lap_start_on_track
from racer.analysis.units import (
    LAPS,
    Units,
    joint_differences,
    unit_center,
    unit_trim,
)
from racer.errors import UsageError
from racer.logs import TrackSource
from racer.records import Record, RecordTable, format_number, format_seconds, known_number
from racer.stats import (
    Interval,
    mean_interval,
    median_interval,
)

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

_MAX_SHOWN_GAINS = 3

_WHAT_REWARDS_TAKE = (
    "these policies, not these rewards: two seeds of one reward can differ as much; "
    "rewards are compared by several runs a side (racer compare A1 A2 vs B1 B2)"
)


def sector_differences(logs: Sequence[ComparedLog]) -> pd.DataFrame:
    """Sector by sector, how much longer each log takes than the first: the table `sectors` of
    `LogComparison`.

    Empty where laps began all around a track that is not known, or went different ways.
    """
    units: list[tuple[str, object, object, object, Units, Units]] = []
    if have_same_places(logs):
        first, *others = [_sector_times(log) for log in logs]
        for log, table in zip(logs[1:], others, strict=True):
            by_sector = table.groupby(["sector", "start", "end"], sort=False)
            for (sector, start, end), own in by_sector:
                first_units = _units_of(logs[0], first[first["sector"] == sector])
                units.append((log.name, sector, start, end, first_units, _units_of(log, own)))
    intervals = joint_differences([(first_units, own) for *_, first_units, own in units])
    rows: list[tuple[object, ...]] = []
    for (name, sector, start, end, first_units, own_units), interval in zip(
        units, intervals, strict=True
    ):
        trim = unit_trim(first_units, own_units)
        centers = (unit_center(first_units, trim), unit_center(own_units, trim))
        rows.append((name, sector, start, end, *centers, *interval))
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


def _units_of(log: ComparedLog, sectors: pd.DataFrame) -> Units:
    """The times of a log's units in one sector, s."""
    return log.units(pd.Series(sectors["time"].to_numpy(float), sectors["lap"]), "median")


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


@dataclass(frozen=True, eq=False, repr=False)
class LogComparison(Record):
    """Logs beside each other; others are set against the first.

    `table` has one row a log:

    | column | |
    |---|---|
    | name, laps, complete | the log; laps that count, and complete ones |
    | completion, reward, zigzag | means of laps, %, reward, degrees/m |
    | median, median_low, median_high | s of the complete laps, 95 % interval; of several iterations or runs the mean of their medians |
    | best | s, the fastest lap that was seen |
    | unit, units | what the interval rests on: runs, iterations of one run or laps of one policy, and how many |

    `pairs` are every two of the logs. `sectors` has one row a sector and log after the first:

    | column | |
    |---|---|
    | name, sector, start, end | the log, and the sector as in `racer.analysis.lap_sectors` |
    | first, own | s, of the first log and of this one: means of the medians of runs or iterations, or of laps without a fifth at either end |
    | difference, low, high | own less first, and its interval: all those of the table hold together in 95 % of cases |

    `profiles` are, by name, the median lap along the track: `distance` (m from the start line, or
    from the lap's start where the track is not known), `time` (s in the PROFILE_CELL_M that end
    there), `speed` (m/s along the center line, over half a meter) and `delta` (s behind the first
    log since the start line).
    """

    logs: tuple[ComparedLog, ...]
    table: pd.DataFrame
    pairs: tuple[PairDifference, ...]
    sectors: pd.DataFrame
    profiles: dict[str, pd.DataFrame]

    def __repr__(self) -> str:
        return f"<LogComparison: {'; '.join(pair.sentence for pair in self.pairs)}>"

    def blocks(self) -> list[str | RecordTable]:
        """A table of the logs, the verdicts, and tables of where each other log wins and loses."""
        blocks: list[str | RecordTable] = [_log_table(self.table)]
        for pair in self.pairs:
            blocks += pair.sentences
        if any(pair.about == POLICIES for pair in self.pairs):
            blocks.append(_WHAT_REWARDS_TAKE)
        if not len(self.sectors):
            reason = "it takes one known track, driven the same way (--track NAME)"
            return [*blocks, f"where the time is won cannot be told: {reason}"]
        first = self.logs[0].name
        for name, rows in self.sectors.groupby("name", sort=False):
            if not rows["difference"].isna().all():
                gains = f"where {name} wins (-) and loses (+) on {first}"
                blocks += ["", f"{gains}; all these intervals together hold in 95 % of cases"]
                blocks.append(_sector_table(rows, first, str(name)))
                blocks.append(describe_gains(self.sectors, str(name)))
        return blocks

    def to_dict(self) -> dict[str, Any]:
        """The tables and pairs as lists of dicts; profiles by name."""
        profiles = {name: _plain_rows(table) for name, table in self.profiles.items()}
        return {
            "logs": _plain_rows(self.table),
            "pairs": [_plain_pair(pair) for pair in self.pairs],
            "sectors": _plain_rows(self.sectors),
            "profiles": profiles,
        }


def compare(
    *logs: Comparable | Sequence[Comparable],
    phase: str = "",
    last: int = LAST_ITERATIONS,
    track: TrackSource = "",
) -> LogComparison:
    """Two or more logs beside each other; the others are set against the first.

    Logs are those of `racer.read_log`, paths of logs, or what `racer.evaluate` gave; a list of them
    is one side: several runs of one reward, which it takes to compare rewards. With one run a side
    the intervals are those of the policies alone. The laps of evaluations count; where
    a log has none, those of the `last` iterations of their trainings; `phase` (`evaluation` or
    `training`) decides otherwise. The track is found by the numbers of the logs among the known ones
    unless `track` names it.

    Raises UsageError for fewer than two logs, for logs that have no phase in common, and for logs of
    different tracks.

    Examples
    --------
    Two evaluations of four laps of a straight road, two steps each:

    >>> import pandas as pd
    >>> from racer.logs import Log, Source
    >>> def evaluation(step_time):
    ...     steps = pd.DataFrame({"episode": [0, 0, 1, 1, 2, 2, 3, 3], "steps": [1.0, 2.0] * 4})
    ...     steps = steps.assign(X=[0.0, 1.0] * 4, Y=0.0, progress=[0.0, 100.0] * 4, track_len=1.0)
    ...     steps["tstamp"] = step_time * steps["steps"] + 10.0 * steps["episode"]
    ...     steps = steps.assign(yaw=0.0, steer=0.0, throttle=1.0, action=0, reward=1.0, done=False)
    ...     steps = steps.assign(all_wheels_on_track=True, closest_waypoint=0)
    ...     steps = steps.assign(episode_status="in_progress", phase="evaluation")
    ...     return Log(steps, (Source("0-iteration.csv", "evaluation", 16, 8),))
    >>> comparison = compare(evaluation(step_time=0.5), evaluation(step_time=0.4))
    >>> comparison.table["median"].round(6).tolist()
    [1.0, 0.8]
    >>> print(comparison.pairs[0].sentence)
    log 2 is faster by 0.20 s (95 % interval 0.20 to 0.20), 4 against 4 complete laps
    """
    if len(logs) < 2:
        raise UsageError("a comparison needs two logs: racer compare A B")
    return compare_laps(logs_to_compare(logs, phase, last, track))


def compare_laps(logs: Sequence[ComparedLog]) -> LogComparison:
    """The comparison of two or more logs whose laps are chosen already.

    Raises UsageError when they were driven on different tracks.
    """
    _check_same_track(logs)
    table = pd.DataFrame([_log_row(log) for log in logs])
    pairs = tuple(pair_difference(first, second) for first, second in combinations(logs, 2))
    return LogComparison(
        tuple(logs), table, pairs, sector_differences(logs), median_lap_profiles(logs)
    )


def describe_gains(sectors: pd.DataFrame, name: str) -> str:
    """Where `name` wins and loses most on the first log, in words, as far as that is sure."""
    is_sure = (sectors["low"] > 0) | (sectors["high"] < 0)
    own = sectors[(sectors["name"] == name) & is_sure]
    if not len(own):
        return f"{name}: no sector in which the difference is sure"
    phrases = []
    won = own[own["difference"] < 0]
    if len(won):
        phrases.append(f"wins {_largest_differences(won)}")
    lost = own[own["difference"] > 0]
    if len(lost):
        phrases.append(f"loses {_largest_differences(lost)}")
    return f"{name} {' and '.join(phrases)}"


def _largest_differences(sectors: pd.DataFrame) -> str:
    size = sectors["difference"].abs().sort_values(ascending=False)
    largest = size.head(_MAX_SHOWN_GAINS)
    names = sectors["sector"].reindex(largest.index)
    gaps = zip(largest, names, strict=True)
    return ", ".join(f"{gap:.2f} s at {sector}" for gap, sector in gaps)


def _check_same_track(logs: Sequence[ComparedLog]) -> None:
    if len(logs) < 2:
        raise UsageError("a comparison needs two logs: racer compare A B")
    first_length = _track_length(logs[0])
    for log in logs:
        length = _track_length(log)
        if length <= 0.0:
            raise UsageError(
                f"{log.name} says that its track is {length:g} m long: there is nothing to compare"
            )
        if abs(length - first_length) > SAME_LENGTH_M:
            raise UsageError(
                f"{logs[0].name} was driven on a track of {first_length:.2f} m, {log.name} on one "
                f"of {length:.2f} m: lap times can be compared on one track only"
            )


def _track_length(log: ComparedLog) -> float:
    """The length of the track, m, that a log's first lap states."""
    first_row = int(log.laps["first_row"].iloc[0])
    return float(log.trace["track_len"].to_numpy()[first_row])


def _log_row(log: ComparedLog) -> dict[str, float | int | str]:
    row: dict[str, float | int | str] = {
        "name": log.name,
        "laps": len(log.laps),
        "complete": len(log.complete_laps),
    }
    for measure in ("completion", "reward", "zigzag"):
        row[measure] = float(log.laps[measure].mean())
    units = log.time_units
    interval = median_interval if units.kind == LAPS else mean_interval
    row |= _interval_cells("median", interval(units.values))
    row["best"] = float(log.times.min()) if len(log.times) else float("nan")
    row |= {"unit": units.kind, "units": len(units.values)}
    return row


def _interval_cells(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _log_table(logs: pd.DataFrame) -> RecordTable:
    minor = ("best s", "reward", "zig-zag")
    heads = ("log", "laps", "complete", "covered %", "median s", "95 %", *minor)
    table = RecordTable(heads, [], frozenset({"log"}), minor)
    for row in logs.to_dict("records"):
        table.add_row(
            row["name"],
            f"{row['laps']:,}",
            f"{row['complete']:,}",
            format_number(row["completion"], 1),
            format_seconds(row["median"]),
            _format_edges(row["median_low"], row["median_high"]),
            format_seconds(row["best"]),
            format_number(row["reward"]),
            format_number(row["zigzag"]),
        )
    return table


def _sector_table(sectors: pd.DataFrame, first: str, name: str) -> RecordTable:
    heads = ("place", "from m", "to m", f"{first} s", f"{name} s", "difference s", "95 %")
    table = RecordTable(heads, text_heads=frozenset({"place"}), minor_heads=("from m", "to m"))
    for row in sectors.to_dict("records"):
        table.add_row(
            row["sector"],
            format_number(row["start"], 1),
            format_number(row["end"], 1),
            format_number(row["first"]),
            format_number(row["own"]),
            f"{row['difference']:+.2f}",
            _format_edges(row["low"], row["high"], sign="+"),
        )
    return table


def _format_edges(low: float, high: float, sign: str = "") -> str:
    """`9.81 to 9.95`, with signs if asked for; empty where the interval is not known."""
    if math.isnan(low):
        return ""
    return f"{low:{sign}.2f} to {high:{sign}.2f}"


def _plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for row in table.to_dict("records"):
        rows.append({str(name): _plain(value) for name, value in row.items()})
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return known_number(value)
    return value


def _plain_pair(pair: PairDifference) -> dict[str, Any]:
    plain = asdict(pair)
    for name in ("time", "completion"):
        interval: Interval = getattr(pair, name)
        plain[name] = {key: _plain(value) for key, value in interval._asdict().items()}
    return plain
