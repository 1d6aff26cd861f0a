"""Which track a log was driven on: what `--track` and `--tracks` mean to the commands that read logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.tracks import home
from racer.errors import UsageError
from racer.track import library

if TYPE_CHECKING:
    import pandas as pd

    from racer.logs.recognise import Recognition
    from racer.track.record import Track

TrackOption = Annotated[
    str, typer.Option("--track", help="Their track: a name, a .toml or .npy file. Recognized otherwise.")
]
TracksOption = Annotated[
    Path | None, typer.Option("--tracks", metavar="DIR", help="A folder of routes to recognize the track among.")
]


@dataclass(frozen=True, eq=False)
class Road:
    """The track of some rows, None where it is unknown; the sentence about it, and the share of rows that agree."""

    track: Track | None
    sentence: str
    agreement: float | None


def road_of(rows: pd.DataFrame, name: str, tracks: Sequence[Track]) -> Road:
    """The track that the user names, in the direction that fits the rows; without a name the one of `tracks` that fits.

    The rows are those of one track: their `track_len` is the same.
    """
    from racer.logs.recognise import recognise

    if name:
        return _given(name, rows)
    return _recognized(recognise(rows, tracks), float(rows["track_len"].median()))


def candidates(folder: Path | None) -> Iterator[Track]:
    """Every track that can be read, of the user's folder and of those with a name. Others must not stop the search."""
    if folder is not None and not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder of tracks")
    paths = sorted(path for path in folder.rglob("*") if path.suffix in library.SUFFIXES) if folder else []
    for entry in [*(library.find(path) for path in paths), *library.entries(home=home())]:
        try:
            yield library.open_entry(entry, keep_seam=True)
        except UsageError as error:
            typer.echo(f"not tried: {error}", err=True)


def _given(name: str, rows: pd.DataFrame) -> Road:
    from racer.logs.recognise import agreement, recognise, sample

    road = library.open_entry(library.find(name, home=home()), keep_seam=True)
    known = recognise(rows, [road])
    if known:
        return Road(known.track, _sentence(known), known.agreement)
    telling = sample(rows)
    if not len(telling):
        return Road(road, f"track: {road.name}, as given; no step tells whether it is the right one", None)
    share = agreement(telling, road)
    return Road(road, f"track: {road.name}, as given, although only {share:.0%} of the steps agree with it", share)


def _recognized(known: Recognition | None, length: float) -> Road:
    if known:
        return Road(known.track, _sentence(known), known.agreement)
    advice = "--track NAME or FILE names it, --tracks DIR gives routes to try, racer tracks fetch gets the real ones"
    return Road(None, f"track: unknown, {length:.2f} m long; {advice}", None)


def _sentence(known: Recognition) -> str:
    return f"track: {known.track.name}, {known.direction}; {known.agreement:.1%} of the steps agree with it"
