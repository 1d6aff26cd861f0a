"""Laps that a policy drives without exploration and how they went; and the log of a training, in the
simulator's own format.

The log has the steps of a few cars, gathered into whole episodes, and the lines that the real
trainer prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import analysis
from racer.env import DeepRacerVectorEnv, StepResult
from racer.errors import RacerError
from racer.logs import training_metrics, write_csv, write_metrics
from racer.sim import TRAINING, Obstacles, Phase, Starts, State, trace_columns
from racer.training.config import LearnerSettings
from racer.training.networks import NO_NUMBER

if TYPE_CHECKING:
    from racer.training.learner import Learner

TRIAL_COUNT = 5
"""Laps of an evaluation in training, which start at equal distances around the track."""

TRIAL_COUNT_AMONG_OBSTACLES = 20
"""Laps where obstacles stand elsewhere in every lap: five say too little."""

LONGEST_LAP_S = 180.0
"""Simulated time that a lap may take."""

MIN_EPISODES = 20
"""Whole episodes of an iteration in the training log, as many as an iteration of the service has."""

CarStep = tuple[State, NDArray[Any], NDArray[np.float64]]
"""Row, action and reward of one car in one step, as arrays of one."""

CarSteps = list[CarStep]


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


def trial_cars(arguments: dict[str, Any], has_time_limit: bool = True) -> DeepRacerVectorEnv:
    """Cars that evaluate a policy, one a trial, spread around the track.

    `arguments` are those of the environment in training.
    """
    trials = TRIAL_COUNT_AMONG_OBSTACLES if arguments.get("objects") else TRIAL_COUNT
    changes = {
        "look": "none",
        "rules": TRAINING._replace(time_limit=LONGEST_LAP_S) if has_time_limit else TRAINING,
        "starts": Starts(advance=1.0 / trials),
    }
    return DeepRacerVectorEnv(trials, **arguments | changes)


def move_trials(trials: DeepRacerVectorEnv, cars: DeepRacerVectorEnv) -> None:
    """Let all trials begin where the next episode of the first of the `cars` in training does, as in
    the simulator (docs/simulator.md 9.21).
    """
    next_episode = int(cars.simulation.state["episode"][0]) + 1
    place, _ = cars.scenario.starts.of(0, next_episode)
    trials.scenario = replace(trials.scenario, starts=Starts(offset=place, advance=0.0))


def drive_policy(policy: Policy, cars: DeepRacerVectorEnv, seed: int = 0) -> DrivenSteps:
    """One episode of every car, driven by a policy without exploration."""
    cars.reset(seed=seed)
    space: Any = cars.single_action_space
    actions = np.zeros((cars.num_envs, *space.shape), space.dtype)
    is_driving = np.ones(cars.num_envs, dtype=np.bool_)
    steps = []
    while is_driving.any():
        observation = cars.observe(np.flatnonzero(is_driving))
        actions[is_driving] = policy_actions(policy, observation)
        obstacles = cars.simulation.obstacles.copy()
        result = cars.advance(actions, with_observation=False)
        steps.append(
            _TrialStep(result.rows, actions.copy(), result.reward, obstacles, is_driving.copy())
        )
        is_driving &= ~(result.terminated | result.truncated)
        # cars in their prepare step are held, and the reward function is not called for them
        cars.simulation.state["phase"][~is_driving] = Phase.PREPARE
    return _join_trial_steps(steps, cars)


def policy_actions(policy: Policy, observation: Any) -> NDArray[Any]:
    """What a policy does without exploration. Raises RacerError where that is no number."""
    name = type(policy).__name__
    try:
        actions, _ = policy.predict(observation, deterministic=True)
    except ValueError as error:
        if NO_NUMBER not in str(error):
            raise
        raise RacerError(_no_action(name)) from None
    if not np.isfinite(actions).all():
        raise RacerError(_no_action(name))
    return actions


def _no_action(name: str) -> str:
    return (
        f"the policy ({name}) gives actions that are no numbers (nan): its training went astray, or "
        "its weights are damaged; take an earlier checkpoint (--checkpoint), or train with a lower "
        "learning rate (lr)"
    )


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


class EpisodeRecorder:
    """Keeps the steps of the first `count` cars until their episodes are over, and of as many more
    cars, one after the other, as it takes for MIN_EPISODES in an iteration; of none where `count`
    is 0.

    Attributes
    ----------
    unfinished
        The steps of the episode that each car is in.
    finished
        The episodes of the first cars that are over and not written yet.
    spare
        Those of each other car.
    episodes
        How many episodes were written.
    laps
        The laps of every episode that was written, and of every evaluation.
    """

    def __init__(self, cars: DeepRacerVectorEnv, count: int, folder: Path) -> None:
        self._cars = cars
        self._count = min(count, cars.num_envs)
        self._folder = folder
        recorded = cars.num_envs if self._count else 0
        self.unfinished: list[CarSteps] = [[] for _ in range(recorded)]
        self.spare: list[list[CarSteps]] = [[] for _ in range(recorded)]
        self.finished: list[CarSteps] = []
        self.episodes = 0
        self.laps = pd.DataFrame()

    def record(
        self, step: StepResult, actions: NDArray[Any], cars: Iterable[int] | None = None
    ) -> None:
        """Take in one step of all cars, or of those that are named by their index."""
        is_over = step.terminated | step.truncated
        rows, taken, rewards = step.rows.copy(), actions.copy(), step.reward.copy()
        # a teacher's lessons may have fewer cars
        recorded = range(min(len(self.unfinished), len(rows)))
        for k in recorded if cars is None else cars:
            one = slice(k, k + 1)
            self.unfinished[k].append((rows[one], taken[one], rewards[one]))
            if is_over[k]:
                episodes = self.finished if k < self._count else self.spare[k]
                episodes.append(self.unfinished[k])
                self.unfinished[k] = []

    def drop_unfinished(self) -> None:
        """Leave out the episodes that are going on: other cars drive from now on."""
        self.unfinished = [[] for _ in self.unfinished]

    def write_iteration(self, iteration: int, evaluation: pd.DataFrame) -> pd.DataFrame:
        """Write the finished episodes as the file of an iteration, and the metrics of all laps.

        `evaluation` are the laps of the iteration's evaluation. Returns the laps of the episodes.
        """
        laps = pd.DataFrame()
        self._add_spare_episodes()
        if self.finished:
            trace = self._trace()
            write_csv(trace, self._folder / "training-simtrace" / f"{iteration}-iteration.csv")
            laps = analysis.laps(trace.assign(phase="training", iteration=iteration))
            self.finished = []
        parts = [part for part in (self.laps, laps, evaluation) if len(part)]
        self.laps = pd.concat(parts, ignore_index=True)
        if len(self.laps):
            write_metrics(
                training_metrics(self.laps),
                self._folder / "metrics" / "TrainingMetrics.json",
            )
        return laps

    def state(self) -> dict[str, Any]:
        """Everything that changes, as plain data for `restore`."""
        return {
            "open": self.unfinished,
            "whole": self.finished,
            "spare": self.spare,
            "episodes": self.episodes,
            "laps": self.laps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Be as when `state` was taken."""
        self.unfinished = state["open"]
        self.spare = state["spare"]
        self.finished = state["whole"]
        self.episodes = state["episodes"]
        self.laps = state["laps"]

    def _add_spare_episodes(self) -> None:
        """Add all episodes of one more car after the other while there are fewer than MIN_EPISODES, and
        forget the others: so long ones are as likely as short ones.
        """
        for episodes in self.spare:
            if len(self.finished) < MIN_EPISODES:
                self.finished += episodes
            episodes.clear()

    def _trace(self) -> pd.DataFrame:
        """The trace of the finished episodes, which are numbered on."""
        columns = zip(*chain(*self.finished), strict=True)
        rows, actions, rewards = map(np.concatenate, columns)
        if self._cars.actions.is_continuous:
            actions = np.full(len(rows), -1)
        trace = trace_columns(rows, actions, rewards, self._cars.scenario.tracks)
        numbers = np.arange(self.episodes, self.episodes + len(self.finished))
        trace["episode"] = np.repeat(numbers, list(map(len, self.finished)))
        self.episodes += len(self.finished)
        return pd.DataFrame(trace)


def trainer_log_lines(model: Learner, settings: LearnerSettings) -> Sequence[str]:
    """The latest update as the real trainer prints it (docs/simulator.md 6.4), for readers of logs.

    None for SAC, for which it has no line: its losses are in the folder `tensorboard`.
    """
    values = model.logger.name_to_value
    if "train/policy_gradient_loss" not in values:
        return []
    loss = values["train/policy_gradient_loss"]
    divergence = values["train/approx_kl"]
    entropy = -values["train/entropy_loss"]
    rate = values["train/learning_rate"]
    return [
        f"Policy training> Surrogate loss={loss}, KL divergence={divergence}, Entropy={entropy}, "
        f"training epoch={settings.n_epochs - 1}, learning_rate={rate}"
    ]
