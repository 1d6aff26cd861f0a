"""What a job of the service costs that goes as a training like the service's did here, and which part
of it is worth its price.

How long an iteration takes there was measured in the one real log with a clock on its wall
(DeepRacer on AWS, 15 iterations): the simulation runs at 0.74 of real time, a reset takes 0.36 s, and
between two iterations there are 10 s and the laps of the evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from racer.analysis import lap_phases
from racer.errors import UsageError
from racer.files import read_toml
from racer.records import Record, RecordTable, format_number
from racer.training.config import parse_model
from racer.training.kept_checkpoint import service_pick
from racer.training.run import Run
from racer.vehicle import STEP_S

PRICES = Path(__file__).with_name("prices.toml")
REAL_TIME_FACTOR = 0.74
"""Seconds of simulation in a second there."""
RESET_S = 0.36
"""Between two episodes."""
UPDATE_S = 10.0
"""Between two iterations, beside the laps of the evaluation."""
Array = NDArray[np.float64]

GOOD_ENOUGH = 1.01
"""Of the fastest lap: a plan whose kept lap is within 1 % of it is as good."""


class Offer(BaseModel):
    """A place where a job can run, and what an hour of it costs."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    usd_per_hour: float = Field(ge=0)
    workers: int = Field(1, ge=1, description="simulations that share the episodes")
    real_time_factor: float = Field(REAL_TIME_FACTOR, gt=0)
    date: date
    source: str


class _Prices(BaseModel):
    model_config = ConfigDict(extra="forbid")

    offers: tuple[Offer, ...] = Field(min_length=1)


@dataclass(frozen=True)
class PlannedJob:
    """A job of so many iterations in one place: hours, US dollars."""

    offer: Offer
    iterations: int
    hours: float
    usd: float


@dataclass(frozen=True)
class JobCost(Record):
    """What a job costs that goes as a run did.

    Attributes
    ----------
    iterations
        Of the job.
    jobs
        It in each of the places.
    kept_laps
        (I,) s, after each iteration of the run the lap of the checkpoint that the service would keep;
        nan before it completes one.
    enough
        After how many iterations that lap is within 1 % of the fastest it ever is; None where none is
        completed.
    enough_jobs
        A job of so many iterations in each of the places.
    """

    iterations: int
    jobs: tuple[PlannedJob, ...]
    kept_laps: tuple[float, ...]
    enough: int | None
    enough_jobs: tuple[PlannedJob, ...]

    def blocks(self) -> list[str | RecordTable]:
        """The table of places, and the cheapest plan."""
        heads = ("where", "workers", "$ an hour", "hours", "$", "as of")
        table = RecordTable(heads, text_heads=frozenset({"where", "as of"}))
        for job in self.jobs:
            offer = job.offer
            table.add_row(
                offer.name,
                f"{offer.workers}",
                format_number(offer.usd_per_hour),
                format_number(job.hours, 1),
                format_number(job.usd),
                f"{offer.date:%Y-%m}",
            )
        return [f"a job of {self.iterations} iterations", table, self.plan]

    @property
    def plan(self) -> str:
        """The shortest job that is as good as any, in a sentence."""
        if self.enough is None:
            return "no iteration of the run completes a lap: longer, or another reward, before it is paid"
        last = self.kept_laps[-1]
        best = self.kept_laps[self.enough - 1]
        rest = len(self.kept_laps) - self.enough
        cheapest = min(self.enough_jobs, key=lambda job: job.usd)
        price = f"${cheapest.usd:.2f} at {cheapest.offer.name}"
        if not rest:
            return f"its laps still get faster at the end: {last:.2f} s after {price}"
        if last <= best * GOOD_ENOUGH:
            gain = f"the other {rest} gain {max(best - last, 0.0):.2f} s"
        else:
            gain = f"the other {rest} lose {last - best:.2f} s"
        return f"stop after {self.enough} iterations, {price}: laps of {best:.2f} s; {gain}"

    def to_dict(self) -> dict[str, Any]:
        """The places, the laps, and the plan."""
        return {
            "iterations": self.iterations,
            "jobs": [_job_as_dict(job) for job in self.jobs],
            "kept_laps": [None if np.isnan(lap) else lap for lap in self.kept_laps],
            "enough": self.enough,
            "enough_jobs": [_job_as_dict(job) for job in self.enough_jobs],
            "plan": self.plan,
        }


def cost_job(
    run: Run, iterations: int | None = None, offers: Sequence[Offer] | None = None
) -> JobCost:
    """What a job of the service costs that goes as `run` did, a training like the service's.

    Parameters
    ----------
    run
        Trained with `like="service"`.
    iterations
        Of the job; those of the run by default. Beyond these, each takes as long as the last one.
    offers
        Where it could run; `read_offers()` by default.

    Raises UsageError for a run of another kind, or without an iteration.

    Examples
    --------
    >>> import racer
    >>> from racer.training import cost_job
    >>> settings = {"envs": 4, "n_epochs": 1, "net_arch": (16,)}
    >>> plan = {"like": "service", "iterations": 2, "observation": "features", "settings": settings}
    >>> run = racer.train("center_line", track="oval", **plan)
    >>> cost_job(run, iterations=30).jobs[0].offer.name
    'AWS console, until 2025-12'
    """
    if not run.config.is_like_service:
        raise UsageError(
            f"{run.folder} learned racer's way, whose iterations are not those of a job: train it with "
            "--like service"
        )
    evaluations = run.evaluations()
    if evaluations.empty:
        raise UsageError(f"{run.folder} has no iteration yet: racer train --resume {run.folder}")
    offers = read_offers() if offers is None else tuple(offers)
    laps = run.laps()
    by_iteration = laps[lap_phases(laps) == "training"].groupby("iteration")
    driven, evaluated = _driven_seconds(by_iteration, evaluations)
    count = len(evaluations) if iterations is None else iterations
    kept = _kept_laps(evaluations)
    enough = _enough(kept)
    episodes = float(by_iteration.size().mean())
    planned = [_plan(offer, count, driven, evaluated, episodes) for offer in offers]
    enough_planned = []
    if enough is not None:
        enough_planned = [_plan(offer, enough, driven, evaluated, episodes) for offer in offers]
    return JobCost(count, tuple(planned), tuple(kept), enough, tuple(enough_planned))


def read_offers(path: Path = PRICES) -> tuple[Offer, ...]:
    """The offers in a TOML file: tables `offers` with `name`, `usd_per_hour`, `date` and `source`,
    and, where they differ, `workers` (1) and `real_time_factor` (0.74).

    Raises UsageError.
    """
    return parse_model(read_toml(path), str(path), _Prices).offers


def _driven_seconds(by_iteration: Any, evaluations: pd.DataFrame) -> tuple[Array, Array]:
    """(I,) s of simulation in the training episodes of each iteration, and in its evaluation."""
    driven = by_iteration["steps"].sum().to_numpy(dtype=np.float64) * STEP_S
    covered = by_iteration["completion"].sum().to_numpy(dtype=np.float64)
    # the laps of an evaluation have no steps of their own in the run's files
    in_evaluation = (evaluations["trials"] * evaluations["completion"]).to_numpy(dtype=np.float64)
    seconds_per_percent = driven / np.maximum(covered, 1.0)
    return driven, seconds_per_percent * in_evaluation


def _plan(
    offer: Offer, iterations: int, driven: Array, evaluated: Array, episodes: float
) -> PlannedJob:
    """The job at one place: its iterations one after the other, the last known one again and again."""
    number = np.minimum(np.arange(iterations), len(driven) - 1)
    in_simulation = driven[number] / offer.workers + evaluated[number]
    resets = RESET_S * episodes / offer.workers
    seconds = float(np.sum(in_simulation / offer.real_time_factor + resets + UPDATE_S))
    hours = seconds / 3600.0
    return PlannedJob(offer, iterations, hours, hours * offer.usd_per_hour)


def _kept_laps(evaluations: pd.DataFrame) -> list[float]:
    """s, after each iteration the median lap of the checkpoint that would be kept."""
    rows = evaluations.to_dict("records")
    laps = []
    for count in range(1, len(rows) + 1):
        kept = service_pick(rows[:count])
        is_whole = kept is not None and kept["completion"] >= 100.0
        laps.append(float(kept["median_lap"]) if kept is not None and is_whole else float("nan"))
    return laps


def _enough(kept_laps: Sequence[float]) -> int | None:
    laps = np.array(kept_laps)
    if np.isnan(laps).all():
        return None
    return int(np.flatnonzero(laps <= np.nanmin(laps) * GOOD_ENOUGH)[0]) + 1


def _job_as_dict(job: PlannedJob) -> dict[str, Any]:
    return {
        "where": job.offer.name,
        "workers": job.offer.workers,
        "usd_per_hour": job.offer.usd_per_hour,
        "as_of": job.offer.date.isoformat(),
        "source": job.offer.source,
        "iterations": job.iterations,
        "hours": round(job.hours, 3),
        "usd": round(job.usd, 3),
    }
