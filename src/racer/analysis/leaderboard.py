"""Where a lap time would place among the results of public races (`standings.csv`)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from math import floor, isfinite, isnan
from pathlib import Path

import numpy as np

from racer.track import world_reconstructions

RANK_PERCENTAGES = (0.0, 0.1, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0)
"""% of the racers, of the time columns of the table."""
_TIME_COLUMNS = ("fastest", "q0_1", "q1", "q5", "q10", "q25", "q50", "q75", "q90")

WORLD_VARIANT_ENDINGS = ("_cw", "_ccw", "_building", "_f1")
"""Endings of world names that leave the track the same."""

TIME_TRIAL = "TIME_TRIAL"
"""The race type of all races of the table."""

_MAX_BEATEN_IN_WORDS = 99.9  # %, of a lap that is not faster than all


@dataclass(frozen=True)
class RaceResult:
    """The result of a race: `times` (9,) s are those that RANK_PERCENTAGES % of the `racers` were at
    least as fast as.

    `measure` is what ranked them: `best` lap of each, or `mean` of the laps of a try; `closed` is
    year and month.
    """

    world: str
    closed: str
    racers: int
    measure: str
    times: tuple[float, ...]


@dataclass(frozen=True)
class RaceStanding:
    """A lap `time`, s, in a race: `beaten` is the % of its racers that were slower, by a smooth curve
    through the known times (see `percentage_at_least_as_fast`).

    `beaten` is 100 beyond the fastest, and nan beyond the slowest time that is known.
    """

    race: RaceResult
    time: float
    beaten: float

    @property
    def sentence(self) -> str:
        """`8.90 s: faster than about 96 % of 2,313 racers on that track in 2023`."""
        racers = f"{self.race.racers:,} racers on that track in {self.race.closed[:4]}"
        if self.race.measure != "best":
            racers += ", who were ranked by the mean of several laps"
        if self.time < self.race.times[0]:
            return f"{self.time:.2f} s: faster than all {racers}"
        if isnan(self.beaten):
            return f"{self.time:.2f} s: slower than {RANK_PERCENTAGES[-1]:.0f} % of {racers}"
        return f"{self.time:.2f} s: faster than about {_rounded_down(self.beaten)} % of {racers}"


@cache
def race_results() -> tuple[RaceResult, ...]:
    """All races of the table, by world and month."""
    text = Path(__file__).with_name("standings.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    results = []
    for row in csv.DictReader(lines):
        times = tuple(float(row[column]) for column in _TIME_COLUMNS)
        result = RaceResult(row["world"], row["closed"], int(row["racers"]), row["measure"], times)
        results.append(result)
    return tuple(results)


def race_results_on(track: str) -> tuple[RaceResult, ...]:
    """The races on a track, oldest first: a world's name, in any variant, or a shipped track that
    reconstructs one.
    """
    worlds = {entry.name: world for world, entry in world_reconstructions().items()}
    name = _without_variant(worlds.get(track, track))
    return tuple(race for race in race_results() if _without_variant(race.world) == name)


def race_standing(track: str, time: float, race_type: str = TIME_TRIAL) -> RaceStanding | None:
    """Where a lap of `time` s would have placed in the latest race on `track`; None where none of
    that `race_type` is known. An empty one is taken for a time trial.

    Races that ranked the best lap of each racer go before those that ranked a mean.
    """
    if race_type not in ("", TIME_TRIAL):
        return None
    races = race_results_on(track)
    if not races or not isfinite(time):
        return None
    race = max(races, key=lambda race: (race.measure == "best", race.closed))
    return RaceStanding(race, time, 100.0 - percentage_at_least_as_fast(race, time))


def percentage_at_least_as_fast(race: RaceResult, time: float) -> float:
    """% of the racers who drove `time` s or less: 0 beyond the fastest, nan beyond the slowest known.

    A monotone cubic (PCHIP) over the logarithm of the time: times lie denser at one end of an
    interval than at the other, and a straight line there is 0.5 to 0.7 points too favorable.
    """
    from scipy.interpolate import PchipInterpolator

    if time <= race.times[0]:
        return 0.0
    # of equal times the last counts: so many were at least as fast
    times, last = np.unique(race.times[::-1], return_index=True)
    percentages = np.array(RANK_PERCENTAGES[::-1])[last]
    curve = PchipInterpolator(np.log(times), percentages, extrapolate=False)
    return float(curve(np.log(time)))


def _without_variant(world: str) -> str:
    """The name of a world without what tells its variants apart."""
    for ending in WORLD_VARIANT_ENDINGS:
        if world.endswith(ending):
            return _without_variant(world.removesuffix(ending))
    return world


def _rounded_down(beaten: float) -> str:
    """A percentage that promises no more than is known: rounded down, to tenths near the top."""
    if beaten <= 99.0:
        return f"{floor(beaten + 1e-9)}"
    tenths = floor(beaten * 10.0 + 1e-9) / 10.0
    return f"{min(tenths, _MAX_BEATEN_IN_WORDS):.1f}"
