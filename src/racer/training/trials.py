"""Trials: laps that a policy drives without exploration, and how they went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import analysis
from racer.env import DeepRacerVectorEnv
from racer.sim.obstacles import Obstacles
from racer.sim.simulation import Starts
from racer.sim.state import TRAINING, Phase, State, trace_columns

TRIAL_COUNT = 5
"""Laps of an evaluation in training, which start at equal distances around the track."""

TRIAL_COUNT_AMONG_OBSTACLES = 20
"""Laps where obstacles stand elsewhere in every lap: five say too little."""

LONGEST_LAP_S = 180.0
"""Simulated time that a lap may take."""


class Policy(Protocol):
    """What stable-baselines3's models and policies have in common."""

    def predict(self, observation: Any, *, deterministic: bool) -> tuple[NDArray[Any], Any]:
        """Actions for observations."""
        ...


@dataclass(frozen=True)
class EvaluationScore:
    """How an evaluation went; the greater `rank` is the better one: completion first, then lap time."""

    complete: int  # laps
    trials: int
    completion: float  # %, mean
    lap_time: float  # s, mean of the complete laps; nan when there is none
    best_lap: float  # s
    median_lap: float  # s
    reward: float  # mean of the laps
    beyond_logs: float = 0.0  # fraction of the steps that lean on ground no log of the car covers

    @property
    def rank(self) -> tuple[float, float]:
        """For comparison with another score."""
        if not self.complete:
            return round(self.completion, 6), -np.inf
        return round(self.completion, 6), -self.lap_time

    @property
    def is_clean(self) -> bool:
        """Whether every lap was completed."""
        return self.complete == self.trials

    def as_json(self) -> dict[str, Any]:
        """Plain data, with None for what is missing."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


@dataclass(frozen=True, eq=False)
class DrivenSteps:
    """T steps of cars, one episode after the other.

    `trace` are the columns of the log, `rows` (T,) the rows of the state table, and `obstacles`
    (T, K) where the obstacles stood before the step.
    """

    trace: pd.DataFrame
    rows: State
    obstacles: Obstacles


def trial_cars(arguments: dict[str, Any]) -> DeepRacerVectorEnv:
    """Cars that evaluate a policy, one a trial, spread around the track.

    `arguments` are those of the environment in training.
    """
    trials = TRIAL_COUNT_AMONG_OBSTACLES if arguments.get("objects") else TRIAL_COUNT
    changes = {
        "look": "none",
        "rules": TRAINING._replace(time_limit=LONGEST_LAP_S),
        "starts": Starts(advance=1.0 / trials),
    }
    return DeepRacerVectorEnv(trials, **arguments | changes)


def drive_policy(policy: Policy, cars: DeepRacerVectorEnv, seed: int = 0) -> DrivenSteps:
    """One episode of every car, driven by a policy without exploration."""
    cars.reset(seed=seed)
    space: Any = cars.single_action_space
    actions = np.zeros((cars.num_envs, *space.shape), space.dtype)
    is_driving = np.ones(cars.num_envs, dtype=np.bool_)
    steps = []
    while is_driving.any():
        observation = cars.observe(np.flatnonzero(is_driving))
        actions[is_driving], _ = policy.predict(observation, deterministic=True)
        obstacles = cars.simulation.obstacles.copy()
        result = cars.advance(actions, with_observation=False)
        steps.append(
            _TrialStep(result.rows, actions.copy(), result.reward, obstacles, is_driving.copy())
        )
        is_driving &= ~(result.terminated | result.truncated)
        # cars in their prepare step are held, and the reward function is not called for them
        cars.simulation.state["phase"][~is_driving] = Phase.PREPARE
    return _join_trial_steps(steps, cars)


class _TrialStep(NamedTuple):
    """One step of N cars; what stands in it of cars that do not drive any more is left out later."""

    rows: State  # (N,)
    actions: NDArray[Any]  # (N, ...)
    rewards: NDArray[np.float64]  # (N,)
    obstacles: Obstacles  # (N, K) before the step
    is_driving: NDArray[np.bool_]  # (N,)


def _join_trial_steps(steps: Sequence[_TrialStep], cars: DeepRacerVectorEnv) -> DrivenSteps:
    """The steps of each car in a row, car after car."""
    columns = [np.stack(column, axis=1) for column in zip(*steps, strict=True)]
    rows, actions, rewards, obstacles, is_driving = columns
    if cars.actions.is_continuous:
        actions = np.full(is_driving.shape, -1)
    trace = trace_columns(
        rows[is_driving], actions[is_driving], rewards[is_driving], cars.scenario.tracks
    )
    steps_of_cars = is_driving.sum(axis=1)
    trace["episode"] = trace["episode"] + np.repeat(np.arange(cars.num_envs), steps_of_cars)
    return DrivenSteps(pd.DataFrame(trace), rows[is_driving], obstacles[is_driving])


def policy_trace(policy: Policy, cars: DeepRacerVectorEnv, seed: int = 0) -> pd.DataFrame:
    """The trace of one episode of every car, driven by a policy without exploration."""
    return drive_policy(policy, cars, seed).trace


def evaluate_policy(
    policy: Policy, cars: DeepRacerVectorEnv, iteration: int
) -> tuple[EvaluationScore, pd.DataFrame]:
    """Score and laps of one evaluation."""
    trace = policy_trace(policy, cars)
    laps = analysis.laps(trace).assign(phase="evaluation", iteration=iteration)
    score = replace(evaluation_score(laps), beyond_logs=mean_beyond_logs(cars, trace, laps))
    return score, laps


def evaluation_score(laps: pd.DataFrame) -> EvaluationScore:
    """How the laps of a lap table went."""
    times = laps["time"][laps["complete"]]
    return EvaluationScore(
        complete=int(laps["complete"].sum()),
        trials=len(laps),
        completion=float(laps["completion"].mean()),
        lap_time=float(times.mean()),
        best_lap=float(times.min()),
        median_lap=float(times.median()),
        reward=float(laps["reward"].mean()),
    )


def merge_evaluations(
    evaluations: Sequence[tuple[EvaluationScore, pd.DataFrame]],
) -> tuple[EvaluationScore, pd.DataFrame]:
    """Score and laps of several evaluations as of one."""
    if len(evaluations) == 1:
        return evaluations[0]
    fractions = [score.beyond_logs for score, _ in evaluations]
    steps = [float(laps["steps"].sum()) for _, laps in evaluations]
    all_laps = pd.concat([laps for _, laps in evaluations], ignore_index=True)
    mean_fraction = float(np.average(fractions, weights=steps))
    return replace(evaluation_score(all_laps), beyond_logs=mean_fraction), all_laps


def mean_beyond_logs(cars: DeepRacerVectorEnv, trace: pd.DataFrame, laps: pd.DataFrame) -> float:
    """Fraction of the steps of laps that lean on ground that no log of their car covers."""
    car = cars.car
    fractions = analysis.beyond_logs_fraction(
        trace, laps, car.identified_speed, car.identified_lateral
    )
    return float(np.average(fractions, weights=laps["steps"]))


def beyond_logs_notes(cars: DeepRacerVectorEnv, fraction: float) -> list[str]:
    """A sentence about steps that no log of the car covers, if there are any."""
    if not fraction > 0.0:
        return []
    limits = f"{cars.car.identified_speed:g} m/s of command"
    if np.isfinite(cars.car.identified_lateral):
        limits += f" and {cars.car.identified_lateral:g} m/s2 of cornering"
    percent = f"{fraction:.0%}" if fraction >= 0.01 else "under 1 %"
    return [
        f"{percent} of these steps lean on ground that no log of the {cars.car.name} car has covered "
        f"(beyond {limits}): the real lap may differ"
    ]
