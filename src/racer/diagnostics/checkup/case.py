"""What the examinations look at: a log, the laps that tell where its training stands, and its car."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis import (
    ConvergenceVerdict,
    fastest_laps,
    judge_convergence,
    lap_iterations,
    lap_phases,
    laps,
    laps_on_main_track,
    whole_laps,
)
from racer.logs import Log
from racer.track import Track
from racer.vehicle import ActionSpace, Car

RECENT_FRACTION = 3
"""One part in so many of the iterations, the last ones, tell where a training stands."""
MIN_RECENT_LAPS = 20

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Case:
    """A log to examine. `laps` are those of training on its track that it holds whole, or without
    any those of its races; `recent` the last of them, all of a race.

    `track` is None where it is unknown, `car` where the log does not say it.
    """

    log: Log
    track: Track | None
    car: Car | None
    laps: pd.DataFrame
    recent: pd.DataFrame
    is_training: bool

    @property
    def space(self) -> ActionSpace | None:
        """The action space, None where the log does not say it."""
        return self.log.job.action_space

    @property
    def trace(self) -> pd.DataFrame:
        """The steps of the log."""
        return self.log.trace

    @cached_property
    def verdict(self) -> ConvergenceVerdict:
        """Where the training stands."""
        return judge_convergence(self.laps, self.log.job.ppo, self.space)

    @cached_property
    def completion(self) -> float:
        """Mean completion of the recent laps, %."""
        return float(self.recent["completion"].mean())

    @cached_property
    def lap_s(self) -> float | None:
        """Median of the recent complete laps, s; None without one."""
        times = self.recent.loc[self.recent["complete"], "time"]
        if not len(times):
            return None
        return float(times.median())

    @cached_property
    def best_s(self) -> float | None:
        """The fastest complete lap of the log on its track, s; None without one."""
        fastest = fastest_laps(laps_on_main_track(self.trace, laps(self.trace)), 1)
        if not len(fastest):
            return None
        return float(fastest["time"].iloc[0])

    @property
    def window(self) -> str:
        """`iterations 8 to 11`, in which the recent laps were driven; `these races`."""
        if not self.is_training:
            return "these races"
        iterations = lap_iterations(self.recent)
        first = int(iterations.min())
        last = int(iterations.max())
        if first == last:
            return f"iteration {first}"
        return f"iterations {first} to {last}"

    def rows_of(self, table: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int64]]:
        """The steps of laps, lap after lap, and the number (R,) of the lap of each."""
        first = table["first_row"].to_numpy()
        counts = table["last_row"].to_numpy() - first + 1
        number = np.repeat(np.arange(len(first)), counts)
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.trace.iloc[first[number] + offsets], number


def open_case(log: Log, track: Track | None, car: Car | None) -> Case:
    """What there is to examine of a log."""
    table = laps_on_main_track(log.trace, laps(log.trace))
    phases = lap_phases(table)
    is_training = bool((phases == "training").any())
    if is_training:
        table = table[phases == "training"]
    table = whole_laps(table)
    recent = table
    if is_training:
        recent = recent_laps(table)
    return Case(log, track, car, table, recent, is_training)


def recent_laps(table: pd.DataFrame) -> pd.DataFrame:
    """The laps of the last third of the iterations, of more where these are few."""
    iterations = lap_iterations(table)
    numbers = np.unique(iterations)
    count = max(1, len(numbers) // RECENT_FRACTION)
    while count < len(numbers) and (iterations >= numbers[-count]).sum() < MIN_RECENT_LAPS:
        count += 1
    recent: pd.DataFrame = table[iterations >= numbers[-count]]
    return recent
