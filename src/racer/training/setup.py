"""What the phases of a training share: cars, learner, trials, recorder, and how far it has come.

`CarsVecEnv` is the environment in the form that stable-baselines3 wants.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from racer.env import DeepRacerVectorEnv, StepResult
from racer.errors import RacerError, UsageError
from racer.reward import RewardBatch, RewardRefused, load_reward, reads_objects
from racer.training.interop import read_hyperparameters
from racer.training.learner import (
    UNREADABLE,
    Learner,
    first_line,
    learner_state,
    make_learner,
    read_plain,
    restore_learner,
    return_statistics,
    start_from,
    take_return_statistics,
)
from racer.training.networks import NO_NUMBER
from racer.training.run import Run, write_failing_step, write_failure
from racer.training.trials import EpisodeRecorder, EvaluationScore, trainer_log_lines, trial_cars

StepCallback = Callable[[StepResult, NDArray[Any]], None]
"""Is shown the result of a step of all cars, and the actions that they took."""

NEVER_LOG = 10**9
"""Updates between stable-baselines3's own log lines."""


class CarsVecEnv(VecEnv):
    """`DeepRacerVectorEnv` as a stable-baselines3 VecEnv; `on_step` is shown every step."""

    def __init__(self, cars: DeepRacerVectorEnv, on_step: StepCallback | None = None) -> None:
        self.cars = cars
        super().__init__(cars.num_envs, cars.single_observation_space, cars.single_action_space)
        self._on_step = on_step
        self._actions: NDArray[Any] = np.zeros(0)

    def reset(self) -> Any:
        """What the cars perceive as they stand: they have been started already."""
        return self.cars.observe()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions of the next step."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """One step; cars whose episode is over are started again."""
        step = self.cars.advance(self._actions, with_observation=False)
        if self._on_step is not None:
            self._on_step(step, self._actions)
        is_over = step.terminated | step.truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if is_over.any():
            for car, observation in self.cars.last_seen(is_over).items():
                infos[car] = {
                    "terminal_observation": observation,
                    "TimeLimit.truncated": bool(step.truncated[car]),
                }
            self.cars.restart(is_over)
        return self.cars.observe(), step.reward.astype(np.float32), is_over, infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute of the vector environment, once a car."""
        return [getattr(self.cars, attr_name)] * self._count(indices)

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not possible: the cars share one environment."""
        raise AttributeError(f"{attr_name} cannot be set on a car: the cars share one environment")

    def env_method(
        self, method_name: str, *arguments: Any, indices: Any = None, **keywords: Any
    ) -> list[Any]:
        """Not possible: the cars share one environment."""
        raise AttributeError(
            f"{method_name} cannot be called on a car: the cars share one environment"
        )

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No car is wrapped."""
        return [False] * self._count(indices)

    def _count(self, indices: Any) -> int:
        return len(list(self._get_indices(indices)))


@dataclass
class TrainingProgress:
    """How far a training has come: what a display shows, and what a resumed training goes on from."""

    steps: int = 0  # of all cars together
    seconds: float = 0.0  # of training, without interruptions
    iteration: int = 0
    best: EvaluationScore | None = None
    latest: EvaluationScore | None = None
    # steps and seconds at the first evaluation of complete laps only
    first_clean: tuple[int, float] | None = None
    completion: float = float("nan")  # %, mean of the latest iteration's episodes
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    phase: str = ""  # what is going on, in a training of several phases

    def state(self) -> dict[str, Any]:
        """Plain data for `from_state`."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TrainingProgress:
        """The progress whose `state` was taken."""
        scores = {name: _score_or_none(state[name]) for name in ("best", "latest")}
        return cls(**state | scores)


ProgressCallback = Callable[[TrainingProgress], None]
"""Is shown the progress after every update of the policy."""


class TrainingSetup:
    """What the phases of a training work on.

    Attributes
    ----------
    run, settings
        The run, and the settings of PPO or SAC that it trains with.
    notes
        Sentences for the user.
    progress
        How far the training has come.
    cars
        The cars that practice.
    trials
        For each track of the training, the cars that evaluate the policy.
    recorder
        Writes the training log.
    model
        The learner, with the policy that is trained.
    learned_fraction
        How much of the learner's work is done, from 0 to 1; its learning rate falls with that.
    trainer_log
        A line for each update of the policy, as the real trainer prints them.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.notes: list[str] = []
        self.settings = run.config.settings
        if run.hyperparameters is not None:
            self._take_hyperparameters(str(run.hyperparameters))
        if run.obstacle_layout is None and reads_objects(load_reward(run.reward)):
            self.notes.append(
                f"{run.reward.name} reads objects, and there are none: --objects boxes puts some on the road"
            )
        self.progress = TrainingProgress()
        self.trainer_log: list[str] = []
        self.learned_fraction = 0.0
        arguments = self.practice_arguments()
        self.cars = DeepRacerVectorEnv(self.settings.envs, **arguments)
        self.cars.reset(seed=run.config.seed)
        is_spread = run.config.trial_starts == "spread"
        self.trials = [trial_cars(arguments, has_time_limit=is_spread)]
        for file in run.other_track_files:
            self.trials.append(trial_cars(arguments | {"track": file}, has_time_limit=is_spread))
        self.recorder = EpisodeRecorder(self.cars, run.config.traced_cars, run.folder)
        self.model = self._make_model()
        if run.lineage:
            self._take_start_policy()
        self._note_learning_rate()

    def practice_arguments(self) -> dict[str, Any]:
        """Arguments of the vector environment for cars that practice."""
        config = self.run.config
        return self.run.env_arguments() | {
            "noise": config.noise,
            "starts": {
                "offset": config.start_offset,
                "advance": config.start_advance,
                "alternate_direction": config.alternate_direction,
                "stride": self.settings.envs if config.is_like_service else 1,
            },
            "look": config.look,
            "last_words": self._write_last_words,
        }

    def update_policy(self) -> int:
        """One update of the policy by its learner; the steps of all cars that it took."""
        steps_before = self.progress.steps
        rollout = self.settings.envs * self.settings.n_steps
        try:
            self.model.learn(rollout, reset_num_timesteps=False, log_interval=NEVER_LOG)
        except ValueError as error:
            if NO_NUMBER not in str(error):
                raise
            raise RacerError(
                f"the policy of {self.run.folder} has gone astray after {self.model.num_timesteps:,} "
                "steps: its actions are no numbers (nan) any more. Train anew with a lower learning "
                "rate (lr) or smaller rewards; earlier checkpoints can still be driven"
            ) from None
        self.progress.steps = self.model.num_timesteps
        self.trainer_log += trainer_log_lines(self.model, self.settings)
        return self.progress.steps - steps_before

    def reward_notes(self) -> list[str]:
        """What the reward function did that its author may want to know."""
        reward = self.cars.reward
        if isinstance(reward, RewardBatch):
            return reward.notes()
        return []

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training goes on from, for `restore`."""
        return {
            "progress": self.progress.state(),
            "policy": self.model.policy.state_dict(),
            **learner_state(self.model),
            "field": self.cars.simulation.snapshot(),
            "suite": self.cars.sensors.snapshot(),
            "episode_starts": self.model._last_episode_starts,
            "returns": self._returns(),
            "journal": self.trainer_log,
            "recorder": self.recorder.state(),
            "rewards": list(map(_reward_snapshot, (self.cars, *self.trials))),
            "torch": torch.get_rng_state(),
            "numpy": np.random.get_state(),  # noqa: NPY002 - stable-baselines3 shuffles with it
            "python": random.getstate(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Be as when `state` was taken."""
        self.progress = TrainingProgress.from_state(state["progress"])
        self.trainer_log = state["journal"]
        self._restore_learner(state)
        self.cars.simulation.restore(state["field"])
        self.cars.sensors.restore(state["suite"])
        self._restore_episode_starts(state["episode_starts"])
        if isinstance(self.model.env, VecNormalize):
            *statistics, self.model.env.returns = state["returns"]
            take_return_statistics(self.model, statistics)
        self.recorder.restore(state["recorder"])
        if not self.run.reward_has_changed():
            for cars, snapshot in zip((self.cars, *self.trials), state["rewards"], strict=True):
                _restore_reward(cars, snapshot)
        torch.set_rng_state(state["torch"])
        np.random.set_state(state["numpy"])  # noqa: NPY002 - stable-baselines3 shuffles with it
        random.setstate(state["python"])

    def _take_hyperparameters(self, file: str) -> None:
        algorithm = self.run.metadata.training_algorithm
        hyperparameters = read_hyperparameters(
            file, self.settings, algorithm, self.run.config.is_like_service
        )
        self.settings = hyperparameters.settings
        self.notes += hyperparameters.notes

    def _make_model(self) -> Learner:
        settings = self.settings
        cars: Any = CarsVecEnv(self.cars, self.recorder.record)
        if settings.normalize_reward:
            # clipped to 10 deviations, a bonus for a lap reached the learner as a part of itself
            cars = VecNormalize(
                cars, norm_obs=False, norm_reward=True, clip_reward=np.inf, gamma=settings.gamma
            )
        model = make_learner(self.run, settings, cars, self._learning_rate)
        model.set_logger(configure(str(self.run.folder / "tensorboard"), ["tensorboard"]))
        return model

    def _take_start_policy(self) -> None:
        """Begin with the policy that the run starts from."""
        file = self.run.start_file
        saved = read_plain(file, "begin anew, with racer train --from")
        try:
            start_from(self.model, saved, self.run.keeps_value)
        except UNREADABLE as error:
            raise UsageError(
                f"{file} does not fit this run ({first_line(error)}): begin anew, with racer train --from"
            ) from None

    def _note_learning_rate(self) -> None:
        """Say so where the rate does not fall any more: a run that goes on beyond its first end."""
        settings = self.settings
        if settings.lr_steps is None or settings.lr_end == 1.0:
            return
        self.notes.append(
            f"the learning rate falls over the first {settings.lr_steps:,} steps, as the run began, and stays at "
            f"{settings.lr * settings.lr_end:g} from there on (racer train --from {self.run.folder} begins with a new one)"
        )

    def _learning_rate(self) -> float:
        """The learner's rate now; it falls over the training."""
        settings = self.settings
        return settings.lr * (1.0 - (1.0 - settings.lr_end) * min(self.learned_fraction, 1.0))

    def _returns(self) -> tuple[Any, ...] | None:
        """What rewards are normalized by, and the return of each car so far."""
        statistics = return_statistics(self.model)
        if statistics is None:
            return None
        cars: Any = self.model.env
        return *statistics, cars.returns

    def _restore_learner(self, state: dict[str, Any]) -> None:
        self.model.policy.load_state_dict(state["policy"])
        restore_learner(self.model, state)
        if state.get("memory", True) is None:
            self.notes.append(
                "what SAC remembered is not kept where there are pictures: it gathers anew"
            )

    def _restore_episode_starts(self, episode_starts: Any) -> None:
        """Let the learner go on within the episodes; before its first step it begins with a reset."""
        if episode_starts is not None:
            self.model._last_obs = self.cars.observe()
            self.model._last_original_obs = self.model._last_obs
        self.model._last_episode_starts = episode_starts

    def _write_last_words(self, error: RewardRefused) -> None:
        """Say how to go on after a reward call that only the end of the process can stop."""
        write_failure(self.run, error)
        text = f"{write_failing_step(self.run, error)}\n"
        os.write(2, text.encode(errors="backslashreplace"))


def _score_or_none(state: dict[str, Any] | None) -> EvaluationScore | None:
    if state is None:
        return None
    return EvaluationScore(**state)


def _reward_snapshot(cars: DeepRacerVectorEnv) -> bytes:
    if isinstance(cars.reward, RewardBatch):
        return cars.reward.snapshot()
    return b""


def _restore_reward(cars: DeepRacerVectorEnv, snapshot: bytes) -> None:
    if isinstance(cars.reward, RewardBatch):
        cars.reward.restore(snapshot)
