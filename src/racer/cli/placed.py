"""A log with its laps and its track: what the commands that read logs begin with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from racer.cli.road import candidates, road_of
from racer.cli.tracks import home

if TYPE_CHECKING:
    import pandas as pd

    from racer.logs import Log
    from racer.track.record import Track


@dataclass(frozen=True, eq=False)
class Placed:
    """A log, its laps and the track that most of it was driven on."""

    path: Path
    log: Log
    laps: pd.DataFrame
    track: Track | None
    sentence: str  # about the track
    agreement: float | None
    here: pd.DataFrame  # the laps that were driven on the track

    @property
    def standing(self) -> str:
        """A sentence that sets the best lap beside race results, empty where there are none of the track."""
        from racer.laps import best
        from racer.standing import standing

        fastest = best(self.here, 1)
        name = self.track.name if self.track else self.log.job.world
        found = standing(name, float(fastest["time"].iloc[0])) if len(fastest) else None
        return found.sentence if found else ""

    @property
    def against_bound(self) -> str:
        """A sentence that sets the best lap beside the car's lap-time bound, if that is known; else how to know it."""
        from racer.car import CARS
        from racer.laps import best
        from racer.raceline import bound

        fastest, car = best(self.here, 1), CARS.get(self.log.job.car)
        if self.track is None or car is None or not len(fastest):
            return ""
        found = bound.known(self.track, car, home())
        if found is None:
            reverse = " --reverse" if self.track.is_reversed else ""
            return f"how fast a lap could be: racer line {self.track.name} --car {car.name}{reverse}"
        return bound.sentence(float(fastest["time"].iloc[0]), found, car.name)


def place(path: Path, name: str, folder: Path | None) -> Placed:
    """The log at `path` with its track: the one called `name`, or without a name one that the numbers fit."""
    from racer import logs
    from racer.laps import laps, line_deviation

    log = logs.open(path)
    table = laps(log.trace)
    length = log.trace["track_len"].round(2)
    usual = length.mode().iloc[0]
    rest = f" ({length.nunique()} tracks in these logs: this is the one of most steps)" if length.nunique() > 1 else ""
    mine = log.trace[length == usual]
    is_here = (length.to_numpy() == usual)[table["first_row"]]
    road = road_of(mine, name, [] if name else list(candidates(folder)))
    if road.track is not None:
        first, last = (table.loc[is_here, row].to_numpy() for row in ("first_row", "last_row"))
        table.loc[is_here, "line_deviation"] = line_deviation(log.trace, first, last, road.track)
    return Placed(path, log, table, road.track, road.sentence + rest, road.agreement, table[is_here])


def by_phase(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The laps of training, and of races, as far as there are such."""
    from racer.laps import phases

    phase = phases(table)
    for name in ("training", "evaluation"):
        if (phase == name).any():
            yield name, table[phase == name]
