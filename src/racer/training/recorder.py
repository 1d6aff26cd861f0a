"""The training log: steps of a few cars, gathered into whole episodes, in the simulator's own
format.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import analysis as laps
from racer.env import DeepRacerVectorEnv, StepResult
from racer.logs import metrics, write_csv
from racer.sim.state import State, trace_columns

# of one car: rows, actions, rewards, one a step
CarSteps = list[tuple[State, NDArray[Any], NDArray[np.float64]]]


class EpisodeRecorder:
    """Keeps what the first `count` cars do until their episodes are over (a class: it is fed step
    by step).
    """

    def __init__(self, cars: DeepRacerVectorEnv, count: int, folder: Path) -> None:
        self._cars, self._count, self._folder = cars, min(count, cars.num_envs), folder
        self.open: list[CarSteps] = [[] for _ in range(self._count)]
        self.whole: list[CarSteps] = []
        self.episodes = 0
        self.laps = pd.DataFrame()

    def watch(self, turn: StepResult, actions: NDArray[Any]) -> None:
        """Take in one turn of all cars."""
        over = (turn.terminated | turn.truncated)[: self._count]
        for k in range(min(self._count, len(turn.rows))):  # a teacher's lessons may have fewer cars
            self.open[k].append(
                (
                    turn.rows[k : k + 1].copy(),
                    actions[k : k + 1].copy(),
                    turn.reward[k : k + 1].copy(),
                )
            )
            if over[k]:
                self.whole.append(self.open[k])
                self.open[k] = []

    def forget(self) -> None:
        """Leave out the episodes that are going on: other cars drive from now on."""
        self.open = [[] for _ in self.open]

    def write(self, iteration: int, evaluation: pd.DataFrame) -> pd.DataFrame:
        """Laps of the episodes that are over, after writing them as one iteration's file, and all
        metrics.
        """
        found = pd.DataFrame()
        if self.whole:
            steps = self._trace()
            write_csv(steps, self._folder / "training-simtrace" / f"{iteration}-iteration.csv")
            found = laps.laps(steps.assign(phase="training", iteration=iteration))
            self.whole = []
        self.laps = pd.concat(
            [part for part in (self.laps, found, evaluation) if len(part)], ignore_index=True
        )
        if len(self.laps):
            metrics.write_metrics(
                metrics.training_metrics(self.laps),
                self._folder / "metrics" / "TrainingMetrics.json",
            )
        return found

    def _trace(self) -> pd.DataFrame:
        rows, actions, rewards = (
            np.concatenate(parts) for parts in zip(*chain(*self.whole), strict=True)
        )
        lengths = [len(episode) for episode in self.whole]
        cars = self._cars
        index = np.full(len(rows), -1) if cars.actions.is_continuous else actions
        columns = trace_columns(rows, index, rewards, cars.race.tracks)
        columns["episode"] = np.repeat(
            np.arange(self.episodes, self.episodes + len(lengths)), lengths
        )
        self.episodes += len(lengths)
        return pd.DataFrame(columns)
