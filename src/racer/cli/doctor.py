"""`racer doctor`: what holds a training back, the costliest first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.completion import offer_rewards, offer_runs
from racer.cli.inputs import read_log_on_track, resolve_names
from racer.cli.tables import JsonOption, LogTrackOption, RoutesOption, echo, echo_json, print_record
from racer.vehicle import DEFAULT_CAR

if TYPE_CHECKING:
    from racer.diagnostics import Diagnosis
    from racer.logs import Log
    from racer.track import Track


def doctor_command(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="LOG",
            help="A log: a file, folder or archive; a run, also as @1.",
            show_default=False,
            callback=resolve_names,
            autocompletion=offer_runs,
        ),
    ],
    reward: Annotated[
        str | None,
        typer.Option(
            "--reward",
            metavar="REWARD",
            autocompletion=offer_rewards,
            help="Its reward: run it to see what it pays best.",
        ),
    ] = None,
    car: Annotated[
        str | None,
        typer.Option(
            "--car", help="v4, v5 or v6.", show_default=f"what the log says, else {DEFAULT_CAR}"
        ),
    ] = None,
    track: LogTrackOption = "",
    tracks: RoutesOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Draw a picture of each of the three there.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what holds a training back: the three things that cost most, each with its evidence, an
    estimate of what it costs, and the command to go on with.

    racer doctor runs/first -o doctor
    racer doctor @last --reward runs/first/reward_function.py
    """
    from racer.diagnostics import doctor

    on_track = read_log_on_track(path, track, tracks)
    echo("looking at the laps, and at what the actions allow: some seconds", err=True)
    diagnosis = replace(
        doctor(on_track.log, on_track.track, reward=reward, car=car, name=str(path)),
        log_options=_log_options(track, tracks),
        track_source=track or _route_file(on_track.track, tracks),
    )
    pictures = _draw(diagnosis, on_track.log, output) if output else []
    if as_json:
        facts = {**diagnosis.to_dict(), "pictures": [str(file) for file in pictures]}
        echo_json(facts)
        return
    echo(on_track.sentence)
    print_record(diagnosis)
    for file in pictures:
        echo(str(file))


def _log_options(track: str, tracks: Path | None) -> tuple[str, ...]:
    """How the next commands are told the track of the log, as this one was."""
    if track:
        return ("--track", track)
    if tracks is not None:
        return ("--tracks", str(tracks))
    return ()


def _route_file(track: Track | None, tracks: Path | None) -> str:
    """The file of a track that was recognized in a folder of routes; empty for others."""
    from racer.track import TRACK_SUFFIXES

    if track is None or tracks is None:
        return ""
    files = sorted(
        file for file in tracks.rglob(f"{track.name}.*") if file.suffix in TRACK_SUFFIXES
    )
    return str(files[0]) if files else ""


def _draw(diagnosis: Diagnosis, log: Log, folder: Path) -> list[Path]:
    """A picture of each symptom that is shown."""
    from racer.plotting import save_figure, style_context, symptom_figure

    files = []
    for number, symptom in enumerate(diagnosis.shown, 1):
        name = f"{number}-{symptom.kind.replace(' ', '-')}.png"
        with style_context():
            figure = symptom_figure(log, diagnosis, symptom)
            files.append(save_figure(figure, folder / name))
    return files
