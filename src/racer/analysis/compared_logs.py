"""What takes part in a comparison of logs: which laps of each count, and what the logs are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis.lap_table import lap_iterations, lap_phases, laps
from racer.errors import UsageError
from racer.logs import HasTrace, Log, TrackSource, as_log, find_log_track
from racer.track import Track

COMPARED_PHASES = ("evaluation", "training")
"""The phases whose laps are compared: the first that all logs have."""
LAST_ITERATIONS = 5
"""Iterations of a training whose laps count."""


@dataclass(frozen=True, eq=False)
class ComparedLog:
    """A log that takes part: a name, its trace, its laps that count, and the track in the direction
    driven, if it is known.
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


def logs_to_compare(
    logs: Sequence[Log | HasTrace | str | Path], phase: str, last: int, track: TrackSource
) -> list[ComparedLog]:
    """The logs, read where they are paths, with the laps of one phase. See `compare`."""
    names = log_names(logs)
    read_logs = [as_log(log) for log in logs]
    tables = [laps(log.trace) for log in read_logs]
    phase = common_phase(dict(zip(names, tables, strict=True)), phase)
    compared = []
    for name, log, table in zip(names, read_logs, tables, strict=True):
        counted = laps_that_count(table, phase, last)
        log_track = find_log_track(log.trace, track)
        compared.append(ComparedLog(name, log.trace, counted, log_track.track))
    return compared


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
    """The laps of a phase: all of an evaluation, of a training those of the `last` iterations."""
    table = table[lap_phases(table) == phase]
    if phase == "evaluation":
        return table
    iterations = lap_iterations(table)
    return table[iterations.isin(sorted(iterations.unique())[-last:])]


def log_names(logs: Sequence[Log | HasTrace | str | Path]) -> list[str]:
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
