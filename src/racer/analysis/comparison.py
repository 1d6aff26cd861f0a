"""Two or more logs beside each other: which is faster, how sure that is, and where on the track the
time is won.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import stats as bootstrap
from racer.analysis import lap_sectors
from racer.analysis.place import lap_progress, lap_start_on_track
from racer.errors import UsageError
from racer.stats import Interval
from racer.track.track import Track

PROFILE_CELL_M = 0.1  # m of track that a profile has a time for
SPEED_SMOOTHING_CELLS = 5  # cells that the speed of a profile is a mean over
SAME_LENGTH_M = 0.05  # m of length within which two tracks may be one: logs round it

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ComparedLog:
    """What takes part: a name, a trace, its laps that count, and the track in the direction driven,
    if it is known.
    """

    name: str
    trace: pd.DataFrame
    laps: pd.DataFrame
    track: Track | None = None

    @property
    def whole(self) -> pd.DataFrame:
        """The complete laps."""
        return self.laps[self.laps["complete"]]

    @property
    def times(self) -> Array:
        """(T,) s of the complete laps."""
        return self.whole["time"].to_numpy(float)


@dataclass(frozen=True)
class PairDifference:
    """Two sides: how much longer a lap of `other` takes than one of `one`, s, and how many more it
    completes.
    """

    one: str
    other: str
    laps: tuple[int, int]  # complete ones of either
    of: tuple[int, int]
    time: Interval
    complete: Interval  # difference of the shares, -1 to 1

    @property
    def sentence(self) -> str:
        """The verdict on lap times in words."""
        ours, theirs = self.laps[1], self.laps[0]
        count = f"{ours} against {theirs} complete laps"
        if not self.time.is_known:
            return f"nothing can be said of the lap times of {self.other} and {self.one}: {count}"
        span = f"95 % interval {_span(self.time)}"
        if not self.time.excludes_zero:
            gap = f"{self.other} takes {self.time.value:+.2f} s against {self.one}"
            return f"nothing can be said: {gap} ({span}), {count}"
        word = "faster" if self.time.value < 0 else "slower"
        return f"{self.other} is {word} by {abs(self.time.value):.2f} s ({span}), {count}"

    @property
    def completes(self) -> str:
        """The verdict on completed laps in words; empty where the shares do not clearly differ."""
        if not self.complete.excludes_zero:
            return ""
        word = "more" if self.complete.value > 0 else "fewer"
        counts = f"{self.laps[1]} of {self.of[1]} against {self.laps[0]} of {self.of[0]}"
        points = sorted(abs(100.0 * edge) for edge in (self.complete.low, self.complete.high))
        return f"{self.other} completes {word} laps: {counts} (95 % interval {points[0]:.0f} to {points[1]:.0f} points)"


@dataclass(frozen=True, eq=False)
class LogComparison:
    """`table`: one row a side; `pairs`: every two; `where`: one row a sector and side after the
    first.

    | table | |
    |---|---|
    | name, laps, complete | the side; laps that count, and complete ones |
    | completion, reward, zigzag | means of laps, %, reward, degrees/m |
    | median, median_low, median_high | s of the complete laps, 95 % interval |
    | best, best_low, best_high | s, see `racer.stats.minimum_interval` |

    | where | |
    |---|---|
    | name, sector, start, end | the side, and the sector as in `racer.analysis.lap_sectors` |
    | first, own | median time, s, of the first side and of this one |
    | difference, low, high | own less first, of the medians, 95 % interval |

    `profiles`: by name, the median lap along the track: `distance` (m from the start line, or from
    the lap's start where the track is not known), `time` (s in the `CELL` m that end there),
    `speed` (m/s along the center line, over half a meter) and `delta` (s behind the first side
    since the start line).
    """

    sides: tuple[ComparedLog, ...]
    table: pd.DataFrame
    pairs: tuple[PairDifference, ...]
    where: pd.DataFrame
    profiles: dict[str, pd.DataFrame]


def compare(sides: Sequence[ComparedLog]) -> LogComparison:
    """The comparison of two or more sides. Raises UsageError when they were driven on different
    tracks.
    """
    _check(sides)
    table = pd.DataFrame([_row(side) for side in sides])
    pairs = tuple(_pair(one, other) for one, other in combinations(sides, 2))
    return LogComparison(tuple(sides), table, pairs, _where(sides), _profiles(sides))


def describe_gains(where: pd.DataFrame, name: str) -> str:
    """Where `name` wins and loses most on the first side, in words, as far as that is sure."""
    mine = where[(where["name"] == name) & ((where["low"] > 0) | (where["high"] < 0))]
    if not len(mine):
        return f"{name}: no sector in which the difference is sure"
    words = []
    for verb, rows in (
        ("wins", mine[mine["difference"] < 0]),
        ("loses", mine[mine["difference"] > 0]),
    ):
        top = rows.reindex(rows["difference"].abs().sort_values(ascending=False).index).head(3)
        found = [
            f"{abs(gap):.2f} s at {sector}"
            for gap, sector in zip(top["difference"], top["sector"], strict=True)
        ]
        words += [f"{verb} {', '.join(found)}"] if found else []
    return f"{name} {' and '.join(words)}"


def _check(sides: Sequence[ComparedLog]) -> None:
    if len(sides) < 2:
        raise UsageError("a comparison needs two logs: racer compare A B")
    length = [
        float(side.trace["track_len"].to_numpy()[int(side.laps["first_row"].iloc[0])])
        for side in sides
    ]
    for side, size in zip(sides, length, strict=True):
        if size <= 0.0:
            raise UsageError(
                f"{side.name} says that its track is {size:g} m long: there is nothing to compare"
            )
        if abs(size - length[0]) > SAME_LENGTH_M:
            sizes = f"{sides[0].name} was driven on a track of {length[0]:.2f} m, {side.name} on one of {size:.2f} m"
            raise UsageError(f"{sizes}: lap times can be compared on one track only")


def _row(side: ComparedLog) -> dict[str, float | str]:
    row: dict[str, float | str] = {
        "name": side.name,
        "laps": len(side.laps),
        "complete": len(side.whole),
    }
    row |= {name: float(side.laps[name].mean()) for name in ("completion", "reward", "zigzag")}
    for name, found in (
        ("median", bootstrap.median_interval(side.times)),
        ("best", bootstrap.minimum_interval(side.times)),
    ):
        row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return row


def _pair(one: ComparedLog, other: ComparedLog) -> PairDifference:
    laps, of = (len(one.whole), len(other.whole)), (len(one.laps), len(other.laps))
    shares = [
        bootstrap.proportion_interval(count, total) for count, total in zip(laps, of, strict=True)
    ]
    gap = bootstrap.median_difference(one.times, other.times)
    return PairDifference(
        one.name, other.name, laps, of, gap, bootstrap.proportion_difference(*shares)
    )


_WHERE = ("name", "sector", "start", "end", "first", "own", "difference", "low", "high")


def _where(sides: Sequence[ComparedLog]) -> pd.DataFrame:
    """Sector by sector; empty where laps began all around a track that is not known, or went
    different ways.
    """
    rows: list[tuple[object, ...]] = []
    if _is_alike(sides):
        first, *others = (
            lap_sectors(side.trace, side.whole, side.track, parts=6) for side in sides
        )
        for side, table in zip(sides[1:], others, strict=True):
            for (name, start, end), mine in table.groupby(["sector", "start", "end"], sort=False):
                times = [_times(first, str(name)), mine["time"].dropna().to_numpy()]
                gap = bootstrap.median_difference(*times)
                medians = [float(np.median(t)) if len(t) else np.nan for t in times]
                rows.append((side.name, name, start, end, *medians, *gap))
    return pd.DataFrame(rows, columns=list(_WHERE))


def _times(table: pd.DataFrame, sector: str) -> Array:
    return table.loc[table["sector"] == sector, "time"].dropna().to_numpy(float)


def _is_alike(sides: Sequence[ComparedLog]) -> bool:
    """Whether places on the track can be compared: one known track and direction, or every lap from
    its start line.
    """
    roads = {
        (side.track.name, side.track.is_reversed) if side.track is not None else None
        for side in sides
    }
    if len(roads) > 1:
        return False
    return None not in roads or all(_from_one_place(side) for side in sides)


def _from_one_place(side: ComparedLog) -> bool:
    """Whether all complete laps began at about one waypoint."""
    begun = side.trace["closest_waypoint"].to_numpy()[side.whole["first_row"]]
    count = max(int(side.trace["closest_waypoint"].max()) + 1, 1)
    off = (begun - (begun[0] if len(begun) else 0) + count / 2) % count - count / 2
    return bool((np.abs(off) <= 0.03 * count + 1).all())


def _profiles(sides: Sequence[ComparedLog]) -> dict[str, pd.DataFrame]:
    if not _is_alike(sides) or any(not len(side.whole) for side in sides):
        return {}
    length = (
        sides[0].track.length
        if sides[0].track is not None
        else float(sides[0].trace["track_len"].median())
    )
    edges = np.linspace(0.0, length, max(round(length / PROFILE_CELL_M), 1) + 1)
    times = [np.median(_cells(side, edges), axis=0) for side in sides]
    if any(own.min() <= 0.0 for own in times):
        return {}  # a clock that stands still
    size, is_loop = edges[1:] - edges[:-1], sides[0].track is None or sides[0].track.is_loop
    return {
        side.name: pd.DataFrame(
            {
                "distance": edges[1:],
                "time": own,
                "speed": _around(size, is_loop) / _around(own, is_loop),
                "delta": np.cumsum(own - times[0]),
            }
        )
        for side, own in zip(sides, times, strict=True)
    }


def _around(values: Array, is_loop: bool) -> Array:
    """(K,) sums over `SMOOTH` cells around each; on a loop, laps follow each other."""
    if len(values) < SPEED_SMOOTHING_CELLS:
        return values
    wide = np.pad(values, SPEED_SMOOTHING_CELLS // 2, mode="wrap" if is_loop else "constant")
    return np.convolve(wide, np.ones(SPEED_SMOOTHING_CELLS), mode="valid")


def _cells(side: ComparedLog, edges: Array) -> Array:
    """(L, K) s that each complete lap took between each two of `edges` (K + 1,), m along the track."""
    spots = side.trace[["X", "Y"]].to_numpy(float)
    return np.array([_cells_of(side, lap, spots, edges) for _, lap in side.whole.iterrows()])


def _cells_of(side: ComparedLog, lap: pd.Series, spots: Array, edges: Array) -> Array:
    """(K,) s that a complete lap took between `edges`; `spots` (N, 2) m are the positions of the
    trace.
    """
    at, way, clock = lap_progress(side.trace, lap)
    length, origin = float(edges[-1]), 0.0
    if side.track is not None:
        origin = lap_start_on_track(side.track, spots[int(lap["first_row"]) + at], way)
    # what it waited at the start is its first move's
    way, clock = way * length / way[-1], np.append(0.0, clock[1:])
    start = np.mod(edges[:-1] - origin, length)
    end = start + np.diff(edges)
    begun, ended, beyond = (
        np.interp(place, way, clock) for place in (start, np.minimum(end, length), end - length)
    )
    return np.asarray(ended - begun + np.where(end > length, beyond, 0.0))


def _span(found: Interval) -> str:
    """The edges of an interval: without sign, the lesser first, where both are to one side of zero."""
    if not found.excludes_zero:
        return f"{found.low:+.2f} to {found.high:+.2f}"
    low, high = sorted((abs(found.low), abs(found.high)))
    return f"{low:.2f} to {high:.2f}"
