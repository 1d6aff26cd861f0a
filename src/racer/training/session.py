"""One training, from its first step or from where it was left, to its last."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pickle import UnpicklingError
from time import monotonic
from typing import Any

import numpy as np
import pandas as pd
import torch
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecNormalize

from racer.env import DeepRacerVectorEnv
from racer.errors import UsageError
from racer.files import write_file, write_json
from racer.reward import RewardBatch, RewardRefused, load_reward
from racer.reward.load import reads_objects
from racer.training.evaluation import EvaluationScore, evaluate_policy, trial_cars
from racer.training.interop.hyperparameters import read_hyperparameters as read_hyperparameters
from racer.training.learner import Learner, learner_state, make_learner, restore_learner
from racer.training.recorder import EpisodeRecorder
from racer.training.run import Run, check_run_files
from racer.training.vec_env import CarsVecEnv


@dataclass
class TrainingProgress:
    """Where a training is: what a display shows, and what a resumed training goes on from."""

    steps: int = 0
    seconds: float = 0.0  # of training, without interruptions
    iteration: int = 0
    best: EvaluationScore | None = None
    latest: EvaluationScore | None = None
    # steps and seconds at the first evaluation of complete laps only
    first_clean: tuple[int, float] | None = None
    completion: float = float("nan")  # %, mean of the latest iteration's episodes
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    phase: str = ""  # what goes on, where a training has several parts


ProgressCallback = Callable[[TrainingProgress], None]

LOG_NOTHING = 10**9  # updates between stable-baselines3's own log lines


class Session:
    """A training in memory (a class: it owns the cars, the policy and their random generators)."""

    def __init__(self, run: Run) -> None:
        check_run_files(run)
        self.run, config = run, run.config
        self.notes: list[str] = []
        self.settings = config.settings
        if run.hyperparameters is not None:
            found = read_hyperparameters(
                str(run.hyperparameters), config.settings, run.metadata.training_algorithm
            )
            self.settings = found.settings
            self.notes += found.notes
        if run.objects is None and reads_objects(load_reward(run.reward)):
            self.notes.append(
                f"{run.reward.name} reads objects, and there are none: --objects boxes puts some on the road"
            )
        self.progress = TrainingProgress()
        self._goal = config.steps + config.fine_tune
        self._stopped = False
        # a line for each update of the policy, as the real trainer prints them
        self._journal: list[str] = []
        arguments = self._arguments()
        self.cars = DeepRacerVectorEnv(self.settings.envs, **arguments)
        self.cars.reset(seed=config.seed)
        self._trials = trial_cars(arguments)
        self.recorder = EpisodeRecorder(self.cars, config.traced_cars, run.folder)
        self.model = self._model()

    def train(self, report: ProgressCallback) -> TrainingProgress:
        """Train until the steps or minutes are over, or Ctrl-C; checkpoints are written on the way."""
        if not self.run.state.exists():
            self._save()
        with self._interruptible(), self._failing_step_saved():
            while not (self._stopped or self._is_spent(0.0)):
                began, before = monotonic(), self.progress.steps
                self._advance(report)
                if self._ends_iteration(self.progress.steps - before, began):
                    self._finish_iteration(began)
                self.progress.seconds += monotonic() - began
                report(self.progress)
            self._save()
        return self.progress

    def _advance(self, report: ProgressCallback) -> None:
        """One update of the policy, from as many steps as it takes."""
        rollout = self.settings.envs * self.settings.n_steps
        self.model.learn(rollout, reset_num_timesteps=False, log_interval=LOG_NOTHING)
        self.progress.steps = self.model.num_timesteps
        self._journal += self._update_lines()

    @property
    def was_stopped(self) -> bool:
        """Whether Ctrl-C ended the training before its time."""
        return self._stopped

    def reward_notes(self) -> list[str]:
        """What the reward function did that its author may want to know."""
        reward = self.cars.reward
        return reward.notes() if isinstance(reward, RewardBatch) else []

    def resume(self) -> None:
        """Go on from the run's latest checkpoint; from the beginning when it was stopped before its
        first.
        """
        if self.run.reward_has_changed:
            self.notes.append(
                f"{self.run.reward} has changed since the run began: training goes on with it as it is now"
            )
        if not self.run.state.exists():
            return
        self._restore(self._saved())

    def _restore(self, saved: dict[str, Any]) -> None:
        """Be as when `_state` was taken."""
        self.progress = saved["progress"]
        self._journal = saved.get("journal", [])  # a run of old has none
        self.model.policy.load_state_dict(saved["policy"])
        restore_learner(self.model, saved)
        if saved.get("memory", True) is None:
            self.notes.append(
                "what SAC remembered is not kept where there are pictures: it gathers anew"
            )
        self.cars.simulation.restore(saved["field"])
        if "suite" in saved:  # a run of old has none
            self.cars.sensors.restore(saved["suite"])
        # else no step was taken yet, and learning begins with a reset
        if saved["episode_starts"] is not None:
            self.model._last_obs = self.cars.observe()
            self.model._last_original_obs = self.model._last_obs
        self.model._last_episode_starts = saved["episode_starts"]
        if isinstance(self.model.env, VecNormalize):
            self.model.env.ret_rms, self.model.env.returns = saved["returns"]
        for name, value in saved["recorder"].items():
            setattr(self.recorder, name, value)
        if not self.run.reward_has_changed:
            self._restore_rewards(saved["rewards"])
        torch.set_rng_state(saved["torch"])
        np.random.set_state(saved["numpy"])  # noqa: NPY002 - stable-baselines3 shuffles with it
        random.setstate(saved["python"])

    def _arguments(self) -> dict[str, Any]:
        config = self.run.config
        return {
            "track": self.run.track,
            "reward": self.run.reward,
            "action_space": self.run.metadata,
            "observation": self.run.observation,
            "car": config.car,
            "noise": config.noise,
            "objects": self.run.objects,
            "reverse": config.reverse,
            "starts": {
                "offset": config.start_offset,
                "advance": config.start_advance,
                "alternate_direction": config.alternate_direction,
            },
            "look": config.look,
            "reward_timeout": config.reward_timeout,
            "last_words": self._say_last_words,
        }

    def _model(self) -> Learner:
        settings = self.settings
        cars: Any = CarsVecEnv(self.cars, self.recorder.watch)
        if settings.normalize_reward:
            cars = VecNormalize(cars, norm_obs=False, norm_reward=True, gamma=settings.gamma)
        model = make_learner(self.run, settings, cars, self._learning_rate)
        model.set_logger(configure(str(self.run.folder / "tensorboard"), ["tensorboard"]))
        return model

    def _learning_rate(self) -> float:
        """That of the learner now; it falls over the training."""
        return self.settings.lr * (1.0 - (1.0 - self.settings.lr_end) * min(self._learned(), 1.0))

    def _learned(self) -> float:
        """How much of the learner's work is done, from 0 to 1."""
        return self.share()

    def share(self) -> float:
        """How much of the training is done, from 0 to 1."""
        minutes = self.run.config.minutes
        if minutes is not None:
            return self.progress.seconds / (60.0 * minutes)
        return self.progress.steps / self._goal

    @property
    def is_spent(self) -> bool:
        """Whether the training has come to its end."""
        return self._is_spent(0.0)

    def _is_spent(self, seconds: float) -> bool:
        """Whether steps or minutes are used up, `seconds` after the latest update that was counted."""
        minutes = self.run.config.minutes
        if minutes is None:
            return self.progress.steps >= self._goal
        return self.progress.seconds + seconds >= 60.0 * minutes

    def _ends_iteration(self, rollout: int, began: float) -> bool:
        """Whether the log is due with this update. Ctrl-C has no say: a resumed training has the
        same iterations.
        """
        every, steps = self.run.config.evaluate_every, self.progress.steps
        return steps // every > (steps - rollout) // every or self._is_spent(monotonic() - began)

    def _finish_iteration(self, began: float) -> None:
        """Write the log of an iteration, evaluate the policy, and keep it."""
        progress = self.progress
        score, table = self._evaluate()
        episodes = self.recorder.write(progress.iteration, table)
        progress.iteration += 1
        progress.latest = score
        seconds = progress.seconds + monotonic() - began
        if len(episodes):
            progress.completion = float(episodes["completion"].mean())
        if score.is_clean and progress.first_clean is None:
            progress.first_clean = (progress.steps, seconds)
        name = f"{progress.steps}.pt"
        self.model.policy.save(str(self.run.checkpoints / name))
        row = {
            "steps": progress.steps,
            "seconds": round(seconds, 3),
            **score.as_json(),
            "checkpoint": name,
        }
        progress.evaluations.append(row)
        if progress.best is None or score.rank >= progress.best.rank:
            progress.best = score
            write_json(self.run.checkpoints / "best.json", row)
        self._log(score)
        lines = "".join(line + "\n" for line in self._journal)
        write_file(self.run.folder / "logs" / "trainer.log", lines.encode())
        history = pd.DataFrame(progress.evaluations)
        write_file(self.run.folder / "evaluations.csv", history.to_csv(index=False).encode())
        self._save()

    def _evaluate(self) -> tuple[EvaluationScore, pd.DataFrame]:
        """Score and laps of the policy as it is."""
        return evaluate_policy(self.model, self._trials, self.progress.iteration)

    def _update_lines(self) -> list[str]:
        """The latest update in the words of the real trainer's log (SIMULATOR.md 6.4), which log
        readers know.

        They have none for SAC, whose losses are in the folder `tensorboard`.
        """
        said = self.model.logger.name_to_value
        if "train/policy_gradient_loss" not in said:
            return []
        loss, kl, entropy = (
            said["train/policy_gradient_loss"],
            said["train/approx_kl"],
            -said["train/entropy_loss"],
        )
        return [
            f"Policy training> Surrogate loss={loss}, KL divergence={kl}, Entropy={entropy}, "
            f"training epoch={self.settings.n_epochs - 1}, learning_rate={said['train/learning_rate']}"
        ]

    def _log(self, score: EvaluationScore) -> None:
        logger = self.model.logger
        for name, value in score.as_json().items():
            if value is not None:
                logger.record(f"evaluation/{name}", value)
        logger.record("rollout/completion", self.progress.completion)
        logger.dump(self.progress.steps)

    def _save(self) -> None:
        """Write everything that a resumed training needs, beside the last state, and then in its
        place.
        """
        beside = self.run.state.with_suffix(".part")
        torch.save(self._state(), beside)
        beside.replace(self.run.state)

    def _state(self) -> dict[str, Any]:
        """Everything that a resumed training needs."""
        reward, normalized = self.cars.reward, self.model.env
        return {
            "progress": self.progress,
            "policy": self.model.policy.state_dict(),
            **learner_state(self.model),
            "field": self.cars.simulation.snapshot(),
            "suite": self.cars.sensors.snapshot(),
            "episode_starts": self.model._last_episode_starts,
            "returns": (normalized.ret_rms, normalized.returns)
            if isinstance(normalized, VecNormalize)
            else None,
            "journal": self._journal,
            "recorder": {
                name: getattr(self.recorder, name) for name in ("open", "whole", "episodes", "laps")
            },
            "rewards": [
                r.snapshot() if isinstance(r, RewardBatch) else b""
                for r in (reward, self._trials.reward)
            ],
            "torch": torch.get_rng_state(),
            "numpy": np.random.get_state(),  # noqa: NPY002 - stable-baselines3 shuffles with it
            "python": random.getstate(),
        }

    def _saved(self) -> dict[str, Any]:
        """What `_save` wrote. UsageError when it cannot be read."""
        try:
            saved: dict[str, Any] = torch.load(self.run.state, weights_only=False)
        except (
            OSError,
            EOFError,
            RuntimeError,
            ValueError,
            LookupError,
            AttributeError,
            UnpicklingError,
        ) as error:
            raise UsageError(f"{self.run.state} is damaged ({error}): train anew") from None
        return saved

    def _restore_rewards(self, saved: list[bytes]) -> None:
        for reward, blob in zip((self.cars.reward, self._trials.reward), saved, strict=True):
            if isinstance(reward, RewardBatch):
                reward.restore(blob)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C ends the training after the update that is going on; a second one at once."""

        def stop(number: int, frame: Any) -> None:
            if self._stopped:
                raise KeyboardInterrupt
            self._stopped = True

        previous = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    @contextmanager
    def _failing_step_saved(self) -> Iterator[None]:
        try:
            yield
        except RewardRefused as error:
            error.args = (f"{error}\n{self._way_on(error)}",)
            raise

    def _say_last_words(self, error: RewardRefused) -> None:
        """The same for a call that only the end of the process can stop."""
        os.write(2, f"{self._way_on(error)}\n".encode(errors="backslashreplace"))

    def _way_on(self, error: RewardRefused) -> str:
        """How to reproduce what the reward function failed on, which is written into the run, and
        how to go on.
        """
        resume = f"when it is mended, go on with: racer train --resume {self.run.folder}"
        if error.params is None:
            return resume
        step = self.run.folder / "failing_step.json"
        write_file(step, (json.dumps(error.params, default=str, indent=1) + "\n").encode())
        return f"to see it again: racer reward {error.path} {step}\n{resume}"
