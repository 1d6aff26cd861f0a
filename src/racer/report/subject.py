"""What a report is about: a log, its laps, those on the one track that is drawn, and those of
training and of races.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import pandas as pd

from racer.analysis import lap_phases, laps
from racer.logs import Job, Log
from racer.logs.schema import episode_ids, to_status_category
from racer.track.track import Track

_ABSURD = 1e12


@dataclass(frozen=True, eq=False)
class ReportSubject:
    """A log and the track that most of its steps were driven on, None where it is unknown."""

    log: Log
    track: Track | None

    @cached_property
    def laps(self) -> pd.DataFrame:
        """Every lap of the log, with `phase` either `training` or `evaluation`."""
        table = laps(self.log.trace)
        return table.assign(phase=lap_phases(table))

    @cached_property
    def length(self) -> float:
        """Length of the track, m, as most steps of the log have it; without a word from them the
        track's, or 0.
        """
        said = self.log.trace["track_len"].round(2).mode()
        return (
            float(said.iloc[0])
            if len(said)
            else self.track.length
            if self.track is not None
            else 0.0
        )

    @cached_property
    def here(self) -> pd.DataFrame:
        """The laps that were driven on the track."""
        lengths = self.log.trace["track_len"].round(2).fillna(self.length).to_numpy()
        table: pd.DataFrame = self.laps[lengths[self.laps["first_row"]] == self.length]
        return table

    @cached_property
    def training(self) -> pd.DataFrame:
        """The laps of training, on the track."""
        return self.here[self.here["phase"] == "training"]

    @cached_property
    def race(self) -> pd.DataFrame:
        """The laps of evaluations and races, on the track."""
        return self.here[self.here["phase"] == "evaluation"]


def drop_absurd_values(log: Log) -> Log:
    """`log` without numbers that no car can have (beyond a million millions, infinite): they become
    unknown.
    """
    numbers = log.trace.select_dtypes("float64")
    wild = ~(numbers.abs() < _ABSURD) & numbers.notna()
    if not wild.to_numpy().any():
        return log
    kept = {str(name): numbers[name].mask(wild[name]) for name in numbers}
    return replace(log, trace=log.trace.assign(**kept))


def join_logs(logs: Sequence[Log]) -> Log:
    """Several logs as one, in their order; facts of the job stay where no two logs say different
    things.
    """
    if len(logs) == 1:
        return logs[0]
    traces = list(_renumbered(logs))
    trace = pd.concat(
        [one.assign(episode_status=one["episode_status"].astype(object)) for one in traces]
    )
    trace = trace.assign(episode_status=to_status_category(trace["episode_status"])).reset_index(
        drop=True
    )
    trace = trace.assign(episode_id=episode_ids(trace))
    sources = tuple(source for log in logs for source in log.sources)
    return Log(
        trace,
        sources,
        tuple(note for log in logs for note in log.notes),
        _agreed([log.job for log in logs]),
    )


def _renumbered(logs: Sequence[Log]) -> Iterator[pd.DataFrame]:
    count = 0
    for log in logs:
        yield log.trace.assign(source=log.trace["source"] + count)
        count += len(log.sources)


def _agreed(jobs: Sequence[Job]) -> Job:
    """The fields that one job alone fills, or that several fill alike."""
    blank = Job()
    for field in fields(Job):
        said = {
            repr(getattr(job, field.name)): job for job in jobs if _filled(getattr(job, field.name))
        }
        if len(said) == 1:
            blank = replace(blank, **{field.name: getattr(next(iter(said.values())), field.name)})
    return blank


def _filled(value: object) -> bool:
    return len(value) > 0 if isinstance(value, str | dict | pd.DataFrame) else value is not None
