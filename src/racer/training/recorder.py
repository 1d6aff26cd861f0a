"""The training log: steps of a few cars, gathered into whole episodes and written in the simulator's
own format; and the lines that the real trainer prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import analysis
from racer.env import DeepRacerVectorEnv, StepResult
from racer.logs import metrics, write_csv
from racer.sim.state import State, trace_columns
from racer.training.config import LearnerSettings
from racer.training.learner import Learner

CarStep = tuple[State, NDArray[Any], NDArray[np.float64]]
"""Row, action and reward of one car in one step, as arrays of one."""

CarSteps = list[CarStep]


class EpisodeRecorder:
    """Keeps the steps of the first `count` cars until their episodes are over.

    Attributes
    ----------
    unfinished
        The steps of the episode that each car is in.
    finished
        The episodes that are over and not written yet.
    episodes
        How many episodes were written.
    laps
        The laps of every episode that was written, and of every evaluation.
    """

    def __init__(self, cars: DeepRacerVectorEnv, count: int, folder: Path) -> None:
        self._cars = cars
        self._count = min(count, cars.num_envs)
        self._folder = folder
        self.unfinished: list[CarSteps] = [[] for _ in range(self._count)]
        self.finished: list[CarSteps] = []
        self.episodes = 0
        self.laps = pd.DataFrame()

    def record(self, step: StepResult, actions: NDArray[Any]) -> None:
        """Take in one step of all cars."""
        is_over = step.terminated | step.truncated
        for k in range(min(self._count, len(step.rows))):  # a teacher's lessons may have fewer cars
            row = step.rows[k : k + 1].copy()
            action = actions[k : k + 1].copy()
            reward = step.reward[k : k + 1].copy()
            self.unfinished[k].append((row, action, reward))
            if is_over[k]:
                self.finished.append(self.unfinished[k])
                self.unfinished[k] = []

    def drop_unfinished(self) -> None:
        """Leave out the episodes that are going on: other cars drive from now on."""
        self.unfinished = [[] for _ in self.unfinished]

    def write_iteration(self, iteration: int, evaluation: pd.DataFrame) -> pd.DataFrame:
        """Write the finished episodes as the file of an iteration, and the metrics of all laps.

        `evaluation` are the laps of the iteration's evaluation. Returns the laps of the episodes.
        """
        laps = pd.DataFrame()
        if self.finished:
            trace = self._trace()
            write_csv(trace, self._folder / "training-simtrace" / f"{iteration}-iteration.csv")
            laps = analysis.laps(trace.assign(phase="training", iteration=iteration))
            self.finished = []
        parts = [part for part in (self.laps, laps, evaluation) if len(part)]
        self.laps = pd.concat(parts, ignore_index=True)
        if len(self.laps):
            metrics.write_metrics(
                metrics.training_metrics(self.laps),
                self._folder / "metrics" / "TrainingMetrics.json",
            )
        return laps

    def state(self) -> dict[str, Any]:
        """Everything that changes, as plain data for `restore`."""
        return {
            "open": self.unfinished,
            "whole": self.finished,
            "episodes": self.episodes,
            "laps": self.laps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Be as when `state` was taken."""
        self.unfinished = state["open"]
        self.finished = state["whole"]
        self.episodes = state["episodes"]
        self.laps = state["laps"]

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
