"""An evaluation race of a trained run: continuous laps with penalties, or trials from standstill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pandas as pd
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from racer import laps
from racer.car import Car
from racer.env import DeepRacerVectorEnv
from racer.errors import UsageError
from racer.sim.rules import EVALUATION
from racer.track import library
from racer.track.record import Track
from racer.train.evaluation import LONGEST, beyond_in_words, beyond_logs, drive
from racer.train.run import Run, check_whole, open_run


@dataclass(frozen=True)
class Order:
    """What is to be driven. The defaults are those of DeepRacer's own evaluation jobs."""

    track: str | None = None
    laps: int = 5
    penalty: float = 2.0  # s
    resets: int = 100
    trials: bool = False
    reverse: bool = False
    car: str | None = None
    noise: str = "none"
    seed: int = 0
    checkpoint: str = "best"


@dataclass(frozen=True, eq=False)
class Result:
    """A race: its trace, its laps, the road, and what to say about it."""

    trace: pd.DataFrame
    laps: pd.DataFrame
    track: Track
    car: Car
    headline: str
    notes: tuple[str, ...]
    stamp: str  # 14 digits, as in the names of DeepRacer for Cloud's folders


def drive_race(folder: Path, order: Order, home: Path | None = None) -> Result:
    """The result of a race with a checkpoint of the run in `folder`. UsageError for a wrong order."""
    run = open_run(folder)
    check_whole(run)
    policy, name = checkpoint(run, order.checkpoint)
    cars = _cars(run, order, home)
    _check_actions(policy, cars)
    trace = drive(policy, cars, seed=order.seed).assign(phase="evaluation")
    table = laps.laps(trace)
    road = cars.race.track
    whole = table[table["complete"]]
    best = f", the best in {whole['time'].min():.2f} s" if len(whole) else ""
    what = f"{folder}, checkpoint {name}, on {road.title}, car {cars.car.name}"
    head = f"{what}: {len(whole)} of {order.laps} laps complete{best}"
    return Result(
        trace,
        table,
        road,
        cars.car,
        head,
        tuple(beyond_in_words(cars, beyond_logs(cars, trace, table))),
        f"{datetime.now():%Y%m%d%H%M%S}",
    )


def checkpoint(run: Run, which: str) -> tuple[ActorCriticPolicy, str]:
    """The policy of a checkpoint: best, last, or a number of steps; and the name of its file."""
    known = sorted(int(file.stem) for file in run.checkpoints.glob("*.pt") if file.stem.isdigit())
    best = run.best()
    if not known or best is None:
        raise UsageError(f"{run.folder} has no checkpoint yet: go on with racer train --resume {run.folder}")
    name = best["checkpoint"] if which == "best" else f"{known[-1] if which == 'last' else which}.pt"
    if name not in [f"{steps}.pt" for steps in known]:
        raise UsageError(f"{run.folder} has no checkpoint {which}: there are best, last, {', '.join(map(str, known))}")
    torch.set_num_threads(1)
    try:
        return ActorCriticPolicy.load(str(run.checkpoints / name), device="cpu"), name
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, AttributeError, UnpicklingError) as error:
        raise UsageError(f"{run.checkpoints / name} is damaged ({error}): name another with --checkpoint") from None


def _cars(run: Run, order: Order, home: Path | None) -> DeepRacerVectorEnv:
    """The car of a race, or one car a trial."""
    arguments: dict[str, Any] = {
        "track": library.load(order.track, home=home) if order.track is not None else run.track,
        "reward": run.reward,
        "action_space": run.metadata,
        "car": order.car or run.config.car,
        "noise": order.noise,
        "reverse": order.reverse != run.config.reverse,
        "reward_timeout": run.config.reward_timeout,
        "evaluation": True,
    }
    rules = EVALUATION._replace(
        laps=1 if order.trials else order.laps,
        resets=order.resets,
        off_track_penalty=order.penalty,
        time_limit=LONGEST * (1 if order.trials else order.laps),
    )
    return DeepRacerVectorEnv(order.laps if order.trials else 1, rules=rules, **arguments)


def _check_actions(policy: ActorCriticPolicy, cars: DeepRacerVectorEnv) -> None:
    if policy.action_space != cars.single_action_space or policy.observation_space != cars.single_observation_space:
        raise UsageError("the checkpoint was trained with other actions or observations than the run folder says")
