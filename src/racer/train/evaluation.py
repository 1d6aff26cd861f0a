"""Driving a policy without exploration, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import laps
from racer.env import DeepRacerVectorEnv
from racer.sim.objects import Bodies
from racer.sim.race import Starts
from racer.sim.rules import TRAINING
from racer.sim.state import Phase, State
from racer.sim.trace import trace

TRIALS = 5  # laps of an evaluation while training, begun at equal distances around the track
TRIALS_AMONG_OBJECTS = 20  # the same where objects stand elsewhere in every lap: five laps say too little
LONGEST = 180.0  # s of simulation time that a lap may take


class Policy(Protocol):
    """What stable-baselines3 models and policies have in common."""

    def predict(self, observation: Any, *, deterministic: bool) -> tuple[NDArray[Any], Any]:
        """Actions for observations."""
        ...


@dataclass(frozen=True)
class Score:
    """How an evaluation went; the greater of two is the better: completion first, then lap time."""

    complete: int  # laps
    trials: int
    completion: float  # %, mean
    lap_time: float  # s, mean of the complete laps; nan when there is none
    best_lap: float  # s
    median_lap: float  # s
    reward: float  # mean of the laps
    beyond_logs: float = 0.0  # share of the steps that lean on ground that no log of the car has covered

    @property
    def rank(self) -> tuple[float, float]:
        """For comparison with another score."""
        return round(self.completion, 6), -self.lap_time if self.complete else -np.inf

    @property
    def is_clean(self) -> bool:
        """Whether every lap was completed."""
        return self.complete == self.trials

    def as_json(self) -> dict[str, Any]:
        """Plain data, with None for what is missing."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def trial_cars(arguments: dict[str, Any]) -> DeepRacerVectorEnv:
    """Cars that evaluate a policy in training, one a trial, spread around the track; `arguments` as of training."""
    rules, trials = TRAINING._replace(time_limit=LONGEST), TRIALS_AMONG_OBJECTS if arguments.get("objects") else TRIALS
    return DeepRacerVectorEnv(
        trials, **arguments | {"look": "none", "rules": rules, "starts": Starts(advance=1.0 / trials)}
    )


@dataclass(frozen=True, eq=False)
class Driven:
    """T steps of cars: their trace, the rows of the state table, and the objects (T, K) that stood before them."""

    trace: pd.DataFrame
    rows: State
    bodies: Bodies


def drive(policy: Policy, cars: DeepRacerVectorEnv, seed: int = 0) -> pd.DataFrame:
    """The trace of one episode of every car, one after the other, driven by a policy without exploration."""
    return driven(policy, cars, seed).trace


def driven(policy: Policy, cars: DeepRacerVectorEnv, seed: int = 0) -> Driven:
    """The same with all that the cars saw on their way."""
    cars.reset(seed=seed)
    turns: list[Any] = []
    driving = np.ones(cars.num_envs, dtype=np.bool_)
    index = np.full(cars.num_envs, -1)
    space: Any = cars.single_action_space
    actions = np.zeros((cars.num_envs, *space.shape), space.dtype)
    while driving.any():
        actions[driving], _ = policy.predict(cars.observe(np.flatnonzero(driving)), deterministic=True)
        bodies = cars.field.bodies.copy()
        turn = cars.turn(actions, see=False)
        kept = index if cars.actions.is_continuous else actions.copy()
        turns.append((turn.rows, kept, turn.reward, bodies, driving.copy()))
        driving &= ~(turn.terminated | turn.truncated)
        cars.field.state["phase"][~driving] = Phase.PREPARE  # held: the reward function hears of them no more
    rows, action, reward, before, drove = (np.stack(parts, axis=1) for parts in zip(*turns, strict=True))
    columns = trace(rows[drove], action[drove], reward[drove], cars.race.tracks)
    columns["episode"] = columns["episode"] + np.repeat(np.arange(cars.num_envs), drove.sum(axis=1))
    return Driven(pd.DataFrame(columns), rows[drove], before[drove])


def score(table: pd.DataFrame) -> Score:
    """How the laps of `racer.laps.laps` went."""
    times = table["time"][table["complete"]]
    return Score(
        complete=int(table["complete"].sum()),
        trials=len(table),
        completion=float(table["completion"].mean()),
        lap_time=float(times.mean()),
        best_lap=float(times.min()),
        median_lap=float(times.median()),
        reward=float(table["reward"].mean()),
    )


def evaluate(policy: Policy, cars: DeepRacerVectorEnv, iteration: int) -> tuple[Score, pd.DataFrame]:
    """Score and laps of one evaluation."""
    steps = drive(policy, cars)
    table = laps.laps(steps).assign(phase="evaluation", iteration=iteration)
    return replace(score(table), beyond_logs=beyond_logs(cars, steps, table)), table


def merged(found: Sequence[tuple[Score, pd.DataFrame]]) -> tuple[Score, pd.DataFrame]:
    """Score and laps of several evaluations as of one."""
    if len(found) == 1:
        return found[0]
    table = pd.concat([laps for _, laps in found], ignore_index=True)
    steps = [float(laps["steps"].sum()) for _, laps in found]
    beyond = float(np.average([score.beyond_logs for score, _ in found], weights=steps))
    return replace(score(table), beyond_logs=beyond), table


def beyond_logs(cars: DeepRacerVectorEnv, steps: pd.DataFrame, table: pd.DataFrame) -> float:
    """Share of the steps of laps that lean on ground that no log of their car has covered."""
    share = laps.beyond_logs(steps, table, cars.car.identified_speed, cars.car.identified_lateral)
    return float(np.average(share, weights=table["steps"]))


def beyond_in_words(cars: DeepRacerVectorEnv, share: float) -> list[str]:
    """A sentence about such laps, if there are any."""
    if not share > 0.0:
        return []
    limits = f"{cars.car.identified_speed:g} m/s of command"
    if np.isfinite(cars.car.identified_lateral):
        limits += f" and {cars.car.identified_lateral:g} m/s2 of cornering"
    how_many = f"{share:.0%}" if share >= 0.01 else "under 1 %"
    return [
        f"{how_many} of these steps lean on ground that no log of the {cars.car.name} car has covered "
        f"(beyond {limits}): the real lap may differ"
    ]
