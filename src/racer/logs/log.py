"""A log as it was read: its trace, the account of its files, and the facts of its job."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from racer.errors import UsageError
from racer.logs.schema import row_episode_ids
from racer.records import Record, RecordTable
from racer.vehicle import ActionSpace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EPOCH_DTYPES = {
    "iteration": "int64",
    "epoch": "int64",
    "loss": "float64",
    "kl": "float64",
    "entropy": "float64",
    "learning_rate": "float64",
}
"""Columns of a table of policy-training epochs."""

_MAX_SHOWN_SOURCES = 10


def no_epochs() -> pd.DataFrame:
    """A table of policy-training epochs without a row: the columns and dtypes of EPOCH_DTYPES."""
    return _empty_epochs().copy()


@cache
def _empty_epochs() -> pd.DataFrame:
    return pd.DataFrame({name: np.empty(0, dtype) for name, dtype in EPOCH_DTYPES.items()})


class NoStepsError(UsageError):
    """A location holds no step; `is_model` says that it is a model archive, which needs none."""

    def __init__(self, sentence: str, *, is_model: bool = False) -> None:
        super().__init__(sentence)
        self.is_model = is_model


@dataclass(frozen=True, eq=False)
class Job:
    """The facts of a job. Nothing here is guessed: empty means that no file says it.

    | field | meaning |
    |---|---|
    | platform | `console`, `DeepRacer for Cloud`, `DeepRacer on AWS` or `racer` |
    | simulator | its version, such as `5.0` or `6.0.5` |
    | car | generation, `v4`, `v5` or `v6` |
    | world, race_type | as the job's own files have them: `reinvent_base`, `TIME_TRIAL` |
    | action_space | of `model_metadata.json`, or printed in the log |
    | hyperparameters | of `hyperparameters.json`, or printed in the log |
    | reward | source text of the reward function |
    | ppo | one row a policy-training epoch: iteration, epoch, loss, kl, entropy, learning_rate |
    | metrics | entries of each metrics file by its name, as `racer.logs.read_metrics` gives them |
    | best_checkpoint | name of the checkpoint that the job itself calls best |
    | started_from | the run that a run of racer started from, with its checkpoint |
    | trainer | one row an episode of a model archive's statistics: episode, reward, steps, ... |
    """

    platform: str = ""
    simulator: str = ""
    car: str = ""
    world: str = ""
    race_type: str = ""
    action_space: ActionSpace | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    reward: str = ""
    ppo: pd.DataFrame = field(default_factory=no_epochs)
    metrics: dict[str, pd.DataFrame] = field(default_factory=dict)
    best_checkpoint: str = ""
    started_from: str = ""
    trainer: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Source:
    """One file that a trace was read from, with an account of its lines.

    `lines == rows + repeated + bad + headers + blank + other`. `other` are lines of a text log that
    hold no step; `repeated` are those whose step has been read before, which the trace leaves out.
    """

    name: str
    phase: str
    columns: int
    rows: int
    bad: int = 0
    headers: int = 0
    blank: int = 0
    other: int = 0
    first_bad: str = ""  # place and beginning of the first bad line
    notes: tuple[str, ...] = ()
    repeated: int = 0
    stamp_unit_s: float = 0.0  # of which stamps are multiples, where a step takes less; else 0

    @property
    def lines(self) -> int:
        """Lines in the file."""
        return self.rows + self.repeated + self.bad + self.headers + self.blank + self.other


class HasTrace(Protocol):
    """Whatever has driven: a log, an evaluation, a scripted drive."""

    @property
    def trace(self) -> pd.DataFrame:
        """One row a step, with the columns of `racer.logs.schema`, or those of the simulator alone."""


@dataclass(frozen=True, eq=False, repr=False)
class Log(Record):
    """A trace, the files that it comes from, and what is known of its job.

    `trace` has one row a step, with the columns of `racer.logs.schema`. `notes` are sentences on
    what was converted, left out or guessed. `jobs` are the folders of several jobs that stand behind
    each other in it, empty for one: `racer.logs.read_jobs` reads them apart.

    `laps`, `best` and `plot` are what the functions of the public face give for it.
    """

    trace: pd.DataFrame
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()
    job: Job = field(default_factory=Job)
    jobs: tuple[str, ...] = ()

    @cached_property
    def laps(self) -> pd.DataFrame:
        """Its laps, as `racer.laps` gives them: one row each.

        Examples
        --------
        >>> import racer
        >>> from racer.logs import as_log
        >>> log = as_log(racer.drive("oval", "fast"))
        >>> log.laps[["status", "time"]].round(2).values.tolist()
        [['lap_complete', 8.07]]
        """
        import racer

        return racer.laps(self)

    @property
    def best(self) -> pd.Series[Any] | None:
        """The row of `laps` with the fastest complete lap; None without one.

        Examples
        --------
        >>> import racer
        >>> from racer.logs import as_log
        >>> best = as_log(racer.drive("oval", "fast")).best
        >>> round(float(best["time"]), 2)
        8.07
        """
        complete = self.laps[self.laps["complete"]]
        if not len(complete):
            return None
        return complete.iloc[int(complete["time"].argmin())]

    def plot(self, kind: str = "track", **options: Any) -> Figure:
        """A picture of it, of a kind and with the options of `racer.plot`.

        Examples
        --------
        >>> import racer
        >>> from racer.logs import as_log
        >>> log = as_log(racer.drive("oval", "fast"))
        >>> log.plot("track").axes[0].get_xlabel()
        'x (m)'
        """
        import racer

        return racer.plot(self, kind, **options)

    @property
    def bad_lines(self) -> int:
        """Lines, over all files, that should hold a step and do not."""
        return sum(source.bad for source in self.sources)

    @property
    def stamp_unit_s(self) -> float:
        """Seconds of which the stamps of a file are whole numbers; 0 where a step takes more."""
        return max((source.stamp_unit_s for source in self.sources), default=0.0)

    @property
    def episodes(self) -> int:
        """Episodes in the trace."""
        return len(np.unique(row_episode_ids(self.trace)))

    def __repr__(self) -> str:
        return f"<Log of {self._summary()}>"

    def blocks(self) -> list[str | RecordTable]:
        """How much was read, from which job, and the account of each file."""
        blocks: list[str | RecordTable] = [self._summary()]
        facts = [self.job.platform, self.job.world, self.job.race_type, self.job.car]
        known = ", ".join(fact for fact in facts if fact)
        if known:
            blocks.append(known)
        table = RecordTable(
            ("file", "phase", "steps", "bad lines", "repeated"),
            text_heads=frozenset({"file", "phase"}),
        )
        for source in self.sources[:_MAX_SHOWN_SOURCES]:
            counts = (source.rows, source.bad, source.repeated)
            table.add_row(source.name, source.phase, *(f"{count:,}" for count in counts))
        blocks.append(table)
        hidden = len(self.sources) - _MAX_SHOWN_SOURCES
        if hidden > 0:
            blocks.append(f"and {hidden} more files")
        return [*blocks, *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """The counts, the account of each file, the notes and the job's plain facts."""
        job = self.job
        return {
            "steps": len(self.trace),
            "episodes": self.episodes,
            "bad_lines": self.bad_lines,
            "sources": [asdict(source) for source in self.sources],
            "notes": list(self.notes),
            "job": {
                "platform": job.platform,
                "simulator": job.simulator,
                "car": job.car,
                "world": job.world,
                "race_type": job.race_type,
                "hyperparameters": dict(job.hyperparameters),
                "best_checkpoint": job.best_checkpoint,
                "started_from": job.started_from,
            },
        }

    def _summary(self) -> str:
        files = "1 file" if len(self.sources) == 1 else f"{len(self.sources)} files"
        episodes = "1 episode" if self.episodes == 1 else f"{self.episodes:,} episodes"
        return f"{len(self.trace):,} steps in {episodes}, from {files}"
