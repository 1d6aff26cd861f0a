"""An evaluation race of a trained run: continuous laps with penalties, or trials from standstill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from stable_baselines3.common.policies import BasePolicy

from racer import laps
from racer.car import Car
from racer.env import DeepRacerVectorEnv
from racer.errors import UsageError
from racer.sensors.suite import has_pictures
from racer.sim.objects import Bodies
from racer.sim.rules import EVALUATION
from racer.track import library
from racer.track.record import Track
from racer.train.evaluation import LONGEST, Driven, beyond_in_words, beyond_logs, driven
from racer.train.learner import checkpoint
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
    objects: str | None = None  # as in training
    crash_penalty: float = 5.0  # s
    seed: int = 0
    checkpoint: str = "best"


@dataclass(frozen=True, eq=False)
class Result:
    """A race: its trace, its laps, the road, and what to say about it."""

    trace: pd.DataFrame
    laps: pd.DataFrame
    track: Track
    drive: Driven
    car: Car
    headline: str
    notes: tuple[str, ...]
    sees_pictures: bool
    has_objects: bool
    obstacles: Bodies  # (K,) that stood on the road all the time; none where every lap had others, or they moved
    stamp: str  # 14 digits, as in the names of DeepRacer for Cloud's folders


def drive_race(folder: Path, order: Order, home: Path | None = None) -> Result:
    """The result of a race with a checkpoint of the run in `folder`. UsageError for a wrong order."""
    run = open_run(folder)
    check_whole(run)
    policy, name = checkpoint(run, order.checkpoint)
    cars = _cars(run, order, home)
    _check_actions(policy, cars)
    found = driven(policy, cars, seed=order.seed)
    trace = found.trace.assign(phase="evaluation")
    table = laps.laps(trace)
    road = cars.race.track
    whole = table[table["complete"]]
    crashes = f", {table['crashes'].sum()} crashes" if cars.race.course else ""
    best = f", the best in {whole['time'].min():.2f} s" if len(whole) else ""
    what = f"{folder}, checkpoint {name}, on {road.title}, car {cars.car.name}"
    head = f"{what}: {len(whole)} of {order.laps} laps complete{best}{crashes}"
    return Result(
        trace,
        table,
        road,
        found,
        cars.car,
        head,
        tuple(beyond_in_words(cars, beyond_logs(cars, trace, table))),
        has_pictures(run.observation),
        cars.race.course is not None,
        _obstacles(cars),
        f"{datetime.now():%Y%m%d%H%M%S}",
    )


def _obstacles(cars: DeepRacerVectorEnv) -> Bodies:
    """The obstacles that all of the cars drove among."""
    bodies = cars.field.bodies
    same = bodies.size > 0 and bool((bodies[["x", "y"]] == bodies[["x", "y"]][:1]).all())
    kept: Bodies = bodies[0][~bodies[0]["moves"]] if same else bodies[0][:0]
    return kept


def _cars(run: Run, order: Order, home: Path | None) -> DeepRacerVectorEnv:
    """The car of a race, or one car a trial."""
    arguments: dict[str, Any] = {
        "track": library.load(order.track, home=home) if order.track is not None else run.track,
        "reward": run.reward,
        "action_space": run.metadata,
        "observation": run.observation,
        "car": order.car or run.config.car,
        "noise": order.noise,
        "objects": run.objects if order.objects is None else order.objects,
        "reverse": order.reverse != run.config.reverse,
        "reward_timeout": run.config.reward_timeout,
        "evaluation": True,
    }
    rules = EVALUATION._replace(
        laps=1 if order.trials else order.laps,
        resets=order.resets,
        off_track_penalty=order.penalty,
        collision_penalty=order.crash_penalty,
        time_limit=LONGEST * (1 if order.trials else order.laps),
    )
    return DeepRacerVectorEnv(order.laps if order.trials else 1, rules=rules, **arguments)


def _check_actions(policy: BasePolicy, cars: DeepRacerVectorEnv) -> None:
    if policy.action_space != cars.single_action_space or policy.observation_space != cars.single_observation_space:
        raise UsageError("the checkpoint was trained with other actions or observations than the run folder says")
