"""`racer doctor`: what holds a training back, the costliest first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.inputs import read_log_on_track, resolve_names
from racer.cli.tables import JsonOption, LogTrackOption, RoutesOption, echo, print_record

if TYPE_CHECKING:
    from racer.diagnostics import Diagnosis
    from racer.logs import Log


def doctor_command(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="LOG",
            help="A log: a file, folder or archive; a run, also as @1.",
            show_default=False,
            callback=resolve_names,
        ),
    ],
    reward: Annotated[
        str | None,
        typer.Option(
            "--reward",
            metavar="REWARD",
            help="Its reward: run it to see what it pays best.",
            show_default=False,
        ),
    ] = None,
    car: Annotated[
        str | None,
        typer.Option(
            "--car", help="v4, v5 or v6, where the log does not say it.", show_default=False
        ),
    ] = None,
    track: LogTrackOption = "",
    tracks: RoutesOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Draw a picture of each of the three there.",
            show_default=False,
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
    diagnosis = doctor(on_track.log, on_track.track, reward=reward, car=car, name=str(path))
    pictures = _draw(diagnosis, on_track.log, output) if output else []
    if as_json:
        facts = {**diagnosis.to_dict(), "pictures": [str(file) for file in pictures]}
        echo(json.dumps(facts, indent=2))
        return
    echo(on_track.sentence)
    print_record(diagnosis)
    for file in pictures:
        echo(str(file))


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
