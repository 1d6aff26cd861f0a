"""What takes part in a comparison of logs: which laps of each count, and what the logs are called."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis.lap_table import is_cut, lap_iterations, lap_phases, laps
from racer.analysis.units import ITERATIONS, LAPS, RUNS, Units
from racer.errors import UsageError
from racer.logs import HasTrace, Log, TrackSource, as_log, find_log_track
from racer.track import Track

COMPARED_PHASES = ("evaluation", "training")
"""The phases whose laps are compared: the first that all logs have."""
LAST_ITERATIONS = 5
"""Iterations of a training whose laps count."""

SAME_LENGTH_M = 0.05
"""Within which two tracks may be one: logs round their length."""

Comparable = Log | HasTrace | str | Path
"""What has laps: a log, what `racer.evaluate` gave, or the path of a log."""


@dataclass(frozen=True, eq=False)
class ComparedLog:
    """A side of a comparison: a name, its trace, its laps that count, and the track in the direction
    driven, if it is known.

    Where the side is several runs, their traces follow each other, and `laps` says in the column
    `run` which of them each lap is of.
    """

    name: str
    trace: pd.DataFrame
    laps: pd.DataFrame
    track: Track | None = None

    @property
    def complete_laps(self) -> pd.DataFrame:
        """The laps that count and are complete."""
        return self.laps[self.laps["complete"]]

    @property
    def times(self) -> NDArray[np.float64]:
        """(T,) s of the complete laps."""
        return self.complete_laps["time"].to_numpy(float)

    @property
    def run_count(self) -> int:
        """Runs of the side."""
        return self.laps["run"].nunique() if "run" in self.laps else 1

    def units(self, values: pd.Series, center: str) -> Units:
        """Values of laps, by the index of `laps`, as those of the side's units: the `center` (mean or
        median) of each run or iteration.
        """
        known = values.dropna()
        laps = self.laps.loc[known.index]
        if self.run_count > 1:
            return Units(RUNS, _centers(known, laps["run"], center))
        iterations = lap_iterations(laps)
        if iterations.nunique() > 1:
            return Units(ITERATIONS, _centers(known, iterations, center))
        return Units(LAPS, known.to_numpy(float))

    @property
    def time_units(self) -> Units:
        """s: the median times of the complete laps of each run or iteration, or the laps themselves."""
        return self.units(self.complete_laps["time"], "median")

    @property
    def completion_units(self) -> Units:
        """0 to 1: the fraction of complete laps of each run or iteration, or 0 and 1 for laps."""
        return self.units(self.laps["complete"].astype(float), "mean")


def _centers(values: pd.Series, groups: pd.Series, center: str) -> NDArray[np.float64]:
    return np.asarray(values.groupby(groups.to_numpy()).agg(center), np.float64)


def joined_side(runs: Sequence[ComparedLog]) -> ComparedLog:
    """Several runs as one side: their laps, with the column `run`, and their traces, one after the
    other.

    Raises UsageError where they were not driven on one track in one direction.
    """
    if len(runs) == 1:
        return runs[0]
    tracks = {(run.track.name, run.track.is_reversed) if run.track else None for run in runs}
    lengths = [run.trace["track_len"].to_numpy()[run.laps["first_row"]] for run in runs]
    if len(tracks) > 1 or np.ptp(np.concatenate(lengths)) > SAME_LENGTH_M:
        names = ", ".join(run.name for run in runs)
        raise UsageError(f"{names}: the runs of a side must be driven on one track, the same way")
    parts = []
    first_row = 0
    for number, run in enumerate(runs):
        rows = {name: run.laps[name] + first_row for name in ("first_row", "last_row")}
        parts.append(run.laps.assign(run=number, **rows))
        first_row += len(run.trace)
    return ComparedLog(
        name=side_name([run.name for run in runs]),
        trace=pd.concat([run.trace for run in runs], ignore_index=True),
        laps=pd.concat(parts, ignore_index=True),
        track=runs[0].track,
    )


def side_name(names: Sequence[str]) -> str:
    """What to call several runs: what their names begin with, or the first one and how many more.

    Examples
    --------
    >>> side_name(["center_line-1", "center_line-2"]), side_name(["old", "new", "third"])
    ('center_line', 'old and 2 more')
    """
    common = os.path.commonprefix(list(names))  # noqa: RUF071 - letters, not folders
    common = common.rstrip("-_ ./0123456789")
    if len(names) > 1 and not common:
        return f"{names[0]} and {len(names) - 1} more"
    return common or names[0]


def joined_sides(sides: Sequence[Sequence[ComparedLog]]) -> list[ComparedLog]:
    """Each of `sides` as one, under names that tell them apart. See `joined_side`."""
    joined = [joined_side(runs) for runs in sides]
    counts = Counter(side.name for side in joined)
    named = []
    for side, runs in zip(joined, sides, strict=True):
        if len(runs) > 1 and counts[side.name] > 1:
            name = f"{runs[0].name} and {len(runs) - 1} more"
            side = ComparedLog(name, side.trace, side.laps, side.track)
        named.append(side)
    return named


def logs_to_compare(
    sides: Sequence[Comparable | Sequence[Comparable]], phase: str, last: int, track: TrackSource
) -> list[ComparedLog]:
    """The sides, their logs read where they are paths, with the laps of one phase. See `compare`."""
    grouped: list[list[Comparable]] = []
    for side in sides:
        if isinstance(side, list | tuple):
            grouped.append(list(side))
        else:
            grouped.append([cast("Comparable", side)])
    logs = [log for side in grouped for log in side]
    names = log_names(logs)
    read_logs = [as_log(log) for log in logs]
    tables = [laps(log.trace) for log in read_logs]
    phase = common_phase(dict(zip(names, tables, strict=True)), phase)
    compared = []
    for name, log, table in zip(names, read_logs, tables, strict=True):
        counted = laps_that_count(table, phase, last)
        log_track = find_log_track(log.trace, track)
        compared.append(ComparedLog(name, log.trace, counted, log_track.track))
    runs = iter(compared)
    return joined_sides([[next(runs) for _ in side] for side in grouped])


def common_phase(tables: dict[str, pd.DataFrame], asked: str = "") -> str:
    """The phase whose laps are compared: the one asked for, or the first that all logs have.

    `tables` are laps by the names of their logs. Raises UsageError where the logs have no phase in
    common, or not the one asked for.
    """
    if asked and asked not in COMPARED_PHASES:
        raise UsageError(f"phase {asked}: there are {' and '.join(COMPARED_PHASES)}")
    phases_of = {name: sorted(set(lap_phases(table))) for name, table in tables.items()}
    for phase in [asked] if asked else COMPARED_PHASES:
        if all(phase in phases for phases in phases_of.values()):
            return phase
    for name, phases in phases_of.items():
        if asked and asked not in phases:
            raise UsageError(
                f"{name} holds no lap of {asked}: leave the phase out, or take another log"
            )
    contents = [f"{name} holds {' and '.join(phases)}" for name, phases in phases_of.items()]
    raise UsageError(f"nothing alike to compare: {', '.join(contents)}")


def laps_that_count(table: pd.DataFrame, phase: str, last: int = LAST_ITERATIONS) -> pd.DataFrame:
    """The laps of a phase that the log holds whole: all of an evaluation, of a training those of the
    `last` iterations.
    """
    table = table[(lap_phases(table) == phase) & ~is_cut(table)]
    if phase == "evaluation":
        return table
    iterations = lap_iterations(table)
    return table[iterations.isin(sorted(iterations.unique())[-last:])]


def log_names(logs: Sequence[Comparable]) -> list[str]:
    """What to call the logs: as little of their paths as tells them apart; those that are no paths,
    and those of equal paths, get a number.
    """
    paths = []
    for number, log in enumerate(logs, 1):
        if isinstance(log, str | Path):
            paths.append(_without_suffixes(log))
        else:
            paths.append(Path(f"log {number}"))
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{path} ({number})" for number, path in enumerate(logs, 1)]


def _without_suffixes(path: str | Path) -> Path:
    path = Path(path).expanduser().resolve()
    if path.is_file():
        return path.with_name(path.name.split(".")[0])
    return path
