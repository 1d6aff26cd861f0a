"""Where a lap time would place among the results of public races (`standings.csv`)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from math import floor, isfinite
from pathlib import Path

import numpy as np

from racer.track import library

# % of the racers, of the columns from `fastest` on
RANK_PERCENTAGES = (0.0, 0.1, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0)
WORLD_VARIANT_ENDINGS = (
    "_cw",
    "_ccw",
    "_building",
    "_f1",
)  # ends of world names that leave the road the same

_QUANTILES = ("fastest", "q0_1", "q1", "q5", "q10", "q25", "q50", "q75", "q90")


@dataclass(frozen=True)
class RaceResult:
    """The result of a race: `times` (9,) s are those that LEVELS % of the `racers` were at least as
    fast as.

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
    """A lap `time`, s, in a race: `beaten` is the share of its racers that were slower, %,
    interpolated.

    100 beyond the fastest, and nan beyond the slowest time that is known (see `sentence`).
    """

    race: RaceResult
    time: float
    beaten: float

    @property
    def sentence(self) -> str:
        """`8.90 s: faster than about 96 % of 2,313 racers on that track in 2023`."""
        what = (
            "" if self.race.measure == "best" else ", who were ranked by the mean of several laps"
        )
        place = f"{self.race.racers:,} racers on that track in {self.race.closed[:4]}{what}"
        if self.time < self.race.times[0]:
            return f"{self.time:.2f} s: faster than all {place}"
        if not isfinite(self.beaten):
            return f"{self.time:.2f} s: slower than {RANK_PERCENTAGES[-1]:.0f} % of {place}"
        return f"{self.time:.2f} s: faster than about {_share(self.beaten)} % of {place}"


@cache
def race_results() -> tuple[RaceResult, ...]:
    """All races of the table, by world and month."""
    text = Path(__file__).with_name("standings.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        RaceResult(
            row["world"],
            row["closed"],
            int(row["racers"]),
            row["measure"],
            tuple(float(row[q]) for q in _QUANTILES),
        )
        for row in rows
    )


def race_results_on(track: str) -> tuple[RaceResult, ...]:
    """The races on a track, oldest first: a world's name, in any variant, or a shipped track that
    reconstructs one.
    """
    worlds = {entry.name: world for world, entry in library.world_reconstructions().items()}
    road = _road(worlds.get(track, track))
    return tuple(race for race in race_results() if _road(race.world) == road)


def race_standing(track: str, time: float) -> RaceStanding | None:
    """Where a lap of `time` s would have placed in the latest race on `track`; None where none is
    known.

    Races that ranked the best lap of each racer go before those that ranked a mean.
    """
    known = race_results_on(track)
    if not known or not isfinite(time):
        return None
    race = max(known, key=lambda one: (one.measure == "best", one.closed))
    behind = float(np.interp(time, race.times, RANK_PERCENTAGES, left=0.0, right=np.nan))
    return RaceStanding(race, time, 100.0 - behind)


def _road(world: str) -> str:
    """The name of a world without what tells its variants apart."""
    ends = [end for end in WORLD_VARIANT_ENDINGS if world.endswith(end)]
    return _road(world.removesuffix(ends[0])) if ends else world


def _share(beaten: float) -> str:
    """A share, %, that promises no more than is known: rounded down, to tenths near the top."""
    return (
        f"{min(floor(beaten * 10.0 + 1e-9) / 10.0, 99.9):.1f}"
        if beaten > 99.0
        else f"{floor(beaten + 1e-9)}"
    )
