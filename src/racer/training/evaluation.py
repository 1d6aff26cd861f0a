"""Driving a policy without exploration, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy

from racer import analysis as laps
from racer.env import DeepRacerVectorEnv
from racer.errors import UsageError
from racer.sensors.observation import has_pictures
from racer.sim.obstacles import Obstacles
from racer.sim.simulation import Starts
from racer.sim.state import EVALUATION, TRAINING, Phase, State, trace_columns
from racer.track import library
from racer.track.track import Track
from racer.training.learner import load_checkpoint
from racer.training.run import Run, check_run_files, open_run
from racer.vehicle.car import Car

TRIAL_COUNT = 5  # laps of an evaluation while training, begun at equal distances around the track
# the same where objects stand elsewhere in every lap: five laps say too little
TRIAL_COUNT_AMONG_OBSTACLES = 20
LONGEST_LAP_S = 180.0  # s of simulation time that a lap may take


class Policy(Protocol):
    """What stable-baselines3 models and policies have in common."""

    def predict(self, observation: Any, *, deterministic: bool) -> tuple[NDArray[Any], Any]:
        """Actions for observations."""
        ...


@dataclass(frozen=True)
class EvaluationScore:
    """How an evaluation went; the greater of two is the better: completion first, then lap time."""

    complete: int  # laps
    trials: int
    completion: float  # %, mean
    lap_time: float  # s, mean of the complete laps; nan when there is none
    best_lap: float  # s
    median_lap: float  # s
    reward: float  # mean of the laps
    # share of the steps that lean on ground that no log of the car has covered
    beyond_logs: float = 0.0

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
    """Cars that evaluate a policy in training, one a trial, spread around the track; `arguments` as
    of training.
    """
    rules, trials = (
        TRAINING._replace(time_limit=LONGEST_LAP_S),
        TRIAL_COUNT_AMONG_OBSTACLES if arguments.get("objects") else TRIAL_COUNT,
    )
    return DeepRacerVectorEnv(
        trials,
        **arguments | {"look": "none", "rules": rules, "starts": Starts(advance=1.0 / trials)},
    )


@dataclass(frozen=True, eq=False)
class DrivenSteps:
    """T steps of cars: their trace, the rows of the state table, and the objects (T, K) that stood
    before them.
    """

    trace: pd.DataFrame
    rows: State
    obstacles: Obstacles


def policy_trace(policy: Policy, cars: DeepRacerVectorEnv, seed: int = 0) -> pd.DataFrame:
    """The trace of one episode of every car, one after the other, driven by a policy without
    exploration.
    """
    return drive_policy(policy, cars, seed).trace


def drive_policy(policy: Policy, cars: DeepRacerVectorEnv, seed: int = 0) -> DrivenSteps:
    """The same with all that the cars saw on their way."""
    cars.reset(seed=seed)
    turns: list[Any] = []
    driving = np.ones(cars.num_envs, dtype=np.bool_)
    index = np.full(cars.num_envs, -1)
    space: Any = cars.single_action_space
    actions = np.zeros((cars.num_envs, *space.shape), space.dtype)
    while driving.any():
        actions[driving], _ = policy.predict(
            cars.observe(np.flatnonzero(driving)), deterministic=True
        )
        bodies = cars.simulation.obstacles.copy()
        turn = cars.turn(actions, see=False)
        kept = index if cars.actions.is_continuous else actions.copy()
        turns.append((turn.rows, kept, turn.reward, bodies, driving.copy()))
        driving &= ~(turn.terminated | turn.truncated)
        # held: the reward function hears of them no more
        cars.simulation.state["phase"][~driving] = Phase.PREPARE
    rows, action, reward, before, drove = (
        np.stack(parts, axis=1) for parts in zip(*turns, strict=True)
    )
    columns = trace_columns(rows[drove], action[drove], reward[drove], cars.race.tracks)
    columns["episode"] = columns["episode"] + np.repeat(np.arange(cars.num_envs), drove.sum(axis=1))
    return DrivenSteps(pd.DataFrame(columns), rows[drove], before[drove])


def evaluation_score(table: pd.DataFrame) -> EvaluationScore:
    """How the laps of `racer.analysis.laps` went."""
    times = table["time"][table["complete"]]
    return EvaluationScore(
        complete=int(table["complete"].sum()),
        trials=len(table),
        completion=float(table["completion"].mean()),
        lap_time=float(times.mean()),
        best_lap=float(times.min()),
        median_lap=float(times.median()),
        reward=float(table["reward"].mean()),
    )


def evaluate_policy(
    policy: Policy, cars: DeepRacerVectorEnv, iteration: int
) -> tuple[EvaluationScore, pd.DataFrame]:
    """Score and laps of one evaluation."""
    steps = policy_trace(policy, cars)
    table = laps.laps(steps).assign(phase="evaluation", iteration=iteration)
    return replace(evaluation_score(table), beyond_logs=mean_beyond_logs(cars, steps, table)), table


def merge_evaluations(
    found: Sequence[tuple[EvaluationScore, pd.DataFrame]],
) -> tuple[EvaluationScore, pd.DataFrame]:
    """Score and laps of several evaluations as of one."""
    if len(found) == 1:
        return found[0]
    table = pd.concat([laps for _, laps in found], ignore_index=True)
    steps = [float(laps["steps"].sum()) for _, laps in found]
    beyond = float(np.average([score.beyond_logs for score, _ in found], weights=steps))
    return replace(evaluation_score(table), beyond_logs=beyond), table


def mean_beyond_logs(cars: DeepRacerVectorEnv, steps: pd.DataFrame, table: pd.DataFrame) -> float:
    """Share of the steps of laps that lean on ground that no log of their car has covered."""
    share = laps.beyond_logs_fraction(
        steps, table, cars.car.identified_speed, cars.car.identified_lateral
    )
    return float(np.average(share, weights=table["steps"]))


def beyond_logs_notes(cars: DeepRacerVectorEnv, fraction: float) -> list[str]:
    """A sentence about such laps, if there are any."""
    if not fraction > 0.0:
        return []
    limits = f"{cars.car.identified_speed:g} m/s of command"
    if np.isfinite(cars.car.identified_lateral):
        limits += f" and {cars.car.identified_lateral:g} m/s2 of cornering"
    how_many = f"{fraction:.0%}" if fraction >= 0.01 else "under 1 %"
    return [
        f"{how_many} of these steps lean on ground that no log of the {cars.car.name} car has covered "
        f"(beyond {limits}): the real lap may differ"
    ]


@dataclass(frozen=True)
class EvaluationOptions:
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
class EvaluationResult:
    """A race: its trace, its laps, the road, and what to say about it."""

    trace: pd.DataFrame
    laps: pd.DataFrame
    track: Track
    drive: DrivenSteps
    car: Car
    headline: str
    notes: tuple[str, ...]
    sees_pictures: bool
    has_objects: bool
    # (K,) that stood on the road all the time; none where every lap had others, or they moved
    obstacles: Obstacles
    stamp: str  # 14 digits, as in the names of DeepRacer for Cloud's folders


def evaluate(
    folder: Path, options: EvaluationOptions, home: Path | None = None
) -> EvaluationResult:
    """The result of a race with a checkpoint of the run in `folder`. UsageError for a wrong order."""
    run = open_run(folder)
    check_run_files(run)
    policy, name = load_checkpoint(run, options.checkpoint)
    cars = _cars(run, options, home)
    _check_actions(policy, cars)
    found = drive_policy(policy, cars, seed=options.seed)
    trace = found.trace.assign(phase="evaluation")
    table = laps.laps(trace)
    road = cars.race.track
    whole = table[table["complete"]]
    crashes = f", {table['crashes'].sum()} crashes" if cars.race.obstacle_layout else ""
    best = f", the best in {whole['time'].min():.2f} s" if len(whole) else ""
    what = f"{folder}, checkpoint {name}, on {road.title}, car {cars.car.name}"
    head = f"{what}: {len(whole)} of {options.laps} laps complete{best}{crashes}"
    return EvaluationResult(
        trace,
        table,
        road,
        found,
        cars.car,
        head,
        tuple(beyond_logs_notes(cars, mean_beyond_logs(cars, trace, table))),
        has_pictures(run.observation),
        cars.race.obstacle_layout is not None,
        _obstacles(cars),
        f"{datetime.now():%Y%m%d%H%M%S}",
    )


def _obstacles(cars: DeepRacerVectorEnv) -> Obstacles:
    """The obstacles that all of the cars drove among."""
    bodies = cars.simulation.obstacles
    same = bodies.size > 0 and bool((bodies[["x", "y"]] == bodies[["x", "y"]][:1]).all())
    kept: Obstacles = bodies[0][~bodies[0]["moves"]] if same else bodies[0][:0]
    return kept


def _cars(run: Run, order: EvaluationOptions, home: Path | None) -> DeepRacerVectorEnv:
    """The car of a race, or one car a trial."""
    arguments: dict[str, Any] = {
        "track": library.load_track(order.track, home=home)
        if order.track is not None
        else run.track,
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
        time_limit=LONGEST_LAP_S * (1 if order.trials else order.laps),
    )
    return DeepRacerVectorEnv(order.laps if order.trials else 1, rules=rules, **arguments)


def _check_actions(policy: BasePolicy, cars: DeepRacerVectorEnv) -> None:
    if (
        policy.action_space != cars.single_action_space
        or policy.observation_space != cars.single_observation_space
    ):
        raise UsageError(
            "the checkpoint was trained with other actions or observations than the run folder says"
        )
