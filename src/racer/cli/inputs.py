"""A log with its laps and its track: what the commands that read logs begin with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.errors import UsageError
from racer.track import library

if TYPE_CHECKING:
    import pandas as pd

    from racer.logs.track_matching import TrackMatch
    from racer.track.track import Track

TrackOption = Annotated[
    str,
    typer.Option(
        "--track", help="Their track: a name, a .toml or .npy file. Recognized otherwise."
    ),
]
TracksOption = Annotated[
    Path | None,
    typer.Option(
        "--tracks", metavar="DIR", help="A folder of routes to recognize the track among."
    ),
]


@dataclass(frozen=True, eq=False)
class LogTrack:
    """The track of some rows, None where it is unknown; the sentence about it, and the share of
    rows that agree.
    """

    track: Track | None
    sentence: str
    agreement: float | None


def track_of_log(rows: pd.DataFrame, name: str, tracks: Sequence[Track]) -> LogTrack:
    """The track that the user names, in the direction that fits the rows; without a name the one of
    `tracks` that fits.

    The rows are those of one track: their `track_len` is the same.
    """
    from racer.logs.track_matching import match_track

    if name:
        return _given(name, rows)
    return _recognized(match_track(rows, tracks), float(rows["track_len"].median()))


def candidate_tracks(folder: Path | None) -> Iterator[Track]:
    """Every track that can be read, of the user's folder and of those with a name. Others must not
    stop the search.
    """
    if folder is not None and not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder of tracks")
    paths = (
        sorted(path for path in folder.rglob("*") if path.suffix in library.TRACK_SUFFIXES)
        if folder
        else []
    )
    for entry in [
        *(library.find_track(path) for path in paths),
        *library.track_entries(),
    ]:
        try:
            yield library.open_entry(entry, keep_seam=True)
        except UsageError as error:
            typer.echo(f"not tried: {error}", err=True)


def _given(name: str, rows: pd.DataFrame) -> LogTrack:
    from racer.logs.track_matching import match_track, sample_rows, track_agreement

    road = library.open_entry(library.find_track(name), keep_seam=True)
    known = match_track(rows, [road])
    if known:
        return LogTrack(known.track, _sentence(known), known.agreement)
    telling = sample_rows(rows)
    if not len(telling):
        return LogTrack(
            road, f"track: {road.name}, as given; no step tells whether it is the right one", None
        )
    share = track_agreement(telling, road)
    return LogTrack(
        road,
        f"track: {road.name}, as given, although only {share:.0%} of the steps agree with it",
        share,
    )


def _recognized(known: TrackMatch | None, length: float) -> LogTrack:
    if known:
        return LogTrack(known.track, _sentence(known), known.agreement)
    advice = "--track NAME or FILE names it, --tracks DIR gives routes to try, racer tracks fetch gets the real ones"
    return LogTrack(None, f"track: unknown, {length:.2f} m long; {advice}", None)


def _sentence(known: TrackMatch) -> str:
    return f"track: {known.track.name}, {known.direction}; {known.agreement:.1%} of the steps agree with it"


if TYPE_CHECKING:
    import pandas as pd

    from racer.logs import Log
    from racer.track.track import Track


@dataclass(frozen=True, eq=False)
class LogOnTrack:
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
        """A sentence that sets the best lap beside race results, empty where there are none of the
        track.
        """
        from racer.analysis import fastest_laps
        from racer.analysis.leaderboard import race_standing

        fastest = fastest_laps(self.here, 1)
        name = self.track.name if self.track else self.log.job.world
        found = race_standing(name, float(fastest["time"].iloc[0])) if len(fastest) else None
        return found.sentence if found else ""

    @property
    def against_bound(self) -> str:
        """A sentence that sets the best lap beside the car's lap-time bound, if that is known; else
        how to know it.
        """
        from racer.analysis import fastest_laps
        from racer.raceline import lap_bound as bound
        from racer.vehicle.car import CARS

        fastest, car = fastest_laps(self.here, 1), CARS.get(self.log.job.car)
        if self.track is None or car is None or not len(fastest):
            return ""
        found = bound.remembered_bound(self.track, car, library.user_home())
        if found is None:
            reverse = " --reverse" if self.track.is_reversed else ""
            return (
                f"how fast a lap could be: racer line {self.track.name} --car {car.name}{reverse}"
            )
        return bound.bound_sentence(float(fastest["time"].iloc[0]), found, car.name)


def read_log_on_track(path: Path, name: str, folder: Path | None) -> LogOnTrack:
    """The log at `path` with its track: the one called `name`, or without a name one that the
    numbers fit.
    """
    from racer import logs
    from racer.analysis import laps, line_deviation

    log = logs.read_log(path)
    table = laps(log.trace)
    length = log.trace["track_len"].round(2)
    usual = length.mode().iloc[0]
    rest = (
        f" ({length.nunique()} tracks in these logs: this is the one of most steps)"
        if length.nunique() > 1
        else ""
    )
    mine = log.trace[length == usual]
    is_here = (length.to_numpy() == usual)[table["first_row"]]
    road = track_of_log(mine, name, [] if name else list(candidate_tracks(folder)))
    if road.track is not None:
        first, last = (table.loc[is_here, row].to_numpy() for row in ("first_row", "last_row"))
        table.loc[is_here, "line_deviation"] = line_deviation(log.trace, first, last, road.track)
    return LogOnTrack(
        path, log, table, road.track, road.sentence + rest, road.agreement, table[is_here]
    )


def laps_by_phase(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The laps of training, and of races, as far as there are such."""
    from racer.analysis import lap_phases

    phase = lap_phases(table)
    for name in ("training", "evaluation"):
        if (phase == name).any():
            yield name, table[phase == name]
