"""`racer analyze`: what logs hold, lap by lap, and pictures of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.inputs import LogOnTrack, TrackOption, TracksOption, laps_by_phase, read_log_on_track
from racer.cli.tables import (
    describe_job,
    iterations_with_entropy,
    print_race,
    print_sources,
    print_training,
)
from racer.errors import UsageError
from racer.files import make_folder

if TYPE_CHECKING:
    import pandas as pd

_FILE_FACTS = ("name", "phase", "columns", "rows", "bad", "first_bad", "notes")


def analyze_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="LOG...", help="Logs: files, folders, archives, globs, s3:// addresses."
        ),
    ],
    track: TrackOption = "",
    tracks: TracksOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder for the pictures; beside the log otherwise.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; pictures only with -o.")
    ] = False,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write every lap of the logs there, one a row."),
    ] = None,
    laps: Annotated[
        int, typer.Option("--laps", min=1, max=100, help="How many of the fastest laps to draw.")
    ] = 3,
) -> None:
    """Show the laps of logs: every lap of a race, the course of a training; with pictures."""
    placed = [read_log_on_track(path, track, tracks) for path in paths]
    if csv:
        _write_laps(placed, csv)
    folders = _folders(placed, output)
    if as_json:
        told = [
            _as_json(one, _pictures(one, folder, laps) if output else []) for one, folder in folders
        ]
        typer.echo(json.dumps(told[0] if len(told) == 1 else {"logs": told}, indent=2))
        return
    for number, (one, folder) in enumerate(folders):
        if number:
            typer.echo("")
        _print(one)
        _draw(one, folder, laps, is_asked=output is not None)


def _print(found: LogOnTrack) -> None:
    print_sources(found.log, found.path)
    typer.echo(found.sentence)
    for phase, rows in laps_by_phase(found.laps):
        if phase == "evaluation":
            print_race(found.log, rows)
        else:
            print_training(found, rows)
    for sentence in (found.standing, found.against_bound):
        if sentence:
            typer.echo(sentence)


def _folders(placed: list[LogOnTrack], output: Path | None) -> list[tuple[LogOnTrack, Path]]:
    """Where the pictures of each log go: of several logs, into folders of their names under
    `output`.
    """
    if output is None:
        return [(one, _beside(one.path)) for one in placed]
    if len(placed) == 1:
        return [(placed[0], output)]
    names = [one.path.resolve().name.split(".")[0] for one in placed]
    unique = [name if names.count(name) == 1 else f"{name}-{k}" for k, name in enumerate(names, 1)]
    return [(one, output / name) for one, name in zip(placed, unique, strict=True)]


def _draw(found: LogOnTrack, folder: Path, count: int, is_asked: bool) -> None:
    """Write the pictures and print their paths. Unasked, they may fail: a log need not lie where
    one can write.
    """
    try:
        for picture in _pictures(found, folder, count):
            typer.echo(str(picture))
    except (UsageError, OSError) as error:
        if is_asked:
            raise (
                error
                if isinstance(error, UsageError)
                else UsageError(f"cannot write to {folder}: {error}")
            ) from None
        typer.echo(
            f"no pictures, since {folder} cannot be written: give a folder with -o", err=True
        )


def _pictures(found: LogOnTrack, folder: Path, count: int) -> list[Path]:
    """The pictures that fit the log, written to a folder."""
    from racer.analysis import fastest_laps
    from racer.plotting import style
    from racer.plotting.laps import race_figure, training_figure

    make_folder(folder)
    written = []
    for phase, rows in laps_by_phase(found.laps):
        here = rows[rows.index.isin(found.here.index)]
        chosen = (
            fastest_laps(here, count)
            if here["complete"].any()
            else here.nlargest(count, "completion")
        )
        figure = race_figure(found.log.trace, here, chosen, found.track)
        written.append(
            style.save_figure(
                figure, folder / ("race.png" if phase == "evaluation" else "training_laps.png")
            )
        )
        if phase == "training":
            written.append(
                style.save_figure(training_figure(rows), folder / "training_progress.png")
            )
    return written


def _beside(path: Path) -> Path:
    """Where pictures go when nobody says: inside a log's folder, beside a log's file; here for what
    lies elsewhere.
    """
    path = path.expanduser()
    if path.is_dir():
        return path / "analysis"
    name = path.name if path.exists() else re.sub(r"\W+", "_", path.name).strip("_")
    return (path if path.exists() else Path("log")).with_name(
        f"{name.split('.')[0] or 'log'}-analysis"
    )


def _write_laps(placed: list[LogOnTrack], path: Path) -> None:
    """Every lap of the logs as CSV, with the path of its log and the name of its file in front."""
    import pandas as pd

    from racer.files import write_file

    tables = []
    for one in placed:
        table = one.laps.assign(
            file=[one.log.sources[k].name for k in one.laps["source"]], log=str(one.path)
        )
        tables.append(
            table[["log", "file", *one.laps.columns.drop(["source", "first_row", "last_row"])]]
        )
    make_folder(path.expanduser().parent)
    write_file(
        path.expanduser(), pd.concat(tables).to_csv(index=False, float_format="%.6g").encode()
    )


def _as_json(found: LogOnTrack, pictures: list[Path]) -> dict[str, Any]:
    trained = next((rows for phase, rows in laps_by_phase(found.laps) if phase == "training"), None)
    track = {"name": found.track.name, "reversed": found.track.is_reversed} if found.track else None
    return {
        "log": str(found.path),
        "files": [
            {name: getattr(source, name) for name in _FILE_FACTS} for source in found.log.sources
        ],
        "notes": found.log.notes,
        "job": describe_job(found.log.job) or None,
        "track": track and {**track, "agreement": found.agreement},
        "standing": found.standing or None,
        "bound": found.against_bound or None,
        "laps": _records(found.laps),
        **_training(found, trained),
        "pictures": [str(path) for path in pictures],
    }


def _training(found: LogOnTrack, rows: pd.DataFrame | None) -> dict[str, Any]:
    """What is told of a training alone; empty without one."""
    from racer import analysis as about
    from racer.analysis.convergence import judge_convergence

    if rows is None:
        return {
            "verdict": None,
            "iterations": [],
            "endings": [],
            "exits": [],
            "actions": [],
            "never_used": [],
        }
    log, here = found.log, rows[rows.index.isin(found.here.index)]
    said = judge_convergence(rows, log.job.ppo, log.job.action_space)
    use = about.action_use(about.rows_of_laps(log.trace, rows), log.job.action_space)
    return {
        "verdict": {"kind": said.kind, "since": said.since, "sentence": said.sentence},
        "iterations": _records(iterations_with_entropy(rows, log.job.ppo)),
        "endings": _records(about.endings_by_waypoint(log.trace, rows)),
        "exits": _records(about.endings_by_corner(log.trace, here, found.track))
        if found.track
        else [],
        "actions": _records(use),
        "never_used": about.unused_actions(use),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON, which knows no nan."""
    return json.loads(table.to_json(orient="records", double_precision=6))  # type: ignore[no-any-return]
