"""`racer analyze`: what logs hold, lap by lap, and pictures of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.inputs import LogOnTrack, laps_by_phase, read_log_on_track
from racer.cli.log_tables import (
    describe_job,
    iterations_with_entropy,
    print_race,
    print_sources,
    print_training,
)
from racer.cli.options import (
    LapsCsvOption,
    LogsArgument,
    LogTrackOption,
    RoutesOption,
)
from racer.cli.tables import table_as_dicts
from racer.errors import UsageError
from racer.files import write_file

if TYPE_CHECKING:
    import pandas as pd

FILE_FACTS = ("name", "phase", "columns", "rows", "bad", "first_bad", "notes")
NO_TRAINING: dict[str, Any] = {
    "verdict": None,
    "iterations": [],
    "endings": [],
    "exits": [],
    "actions": [],
    "never_used": [],
}


def analyze_command(
    paths: LogsArgument,
    track: LogTrackOption = "",
    tracks: RoutesOption = None,
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
    csv: LapsCsvOption = None,
    laps: Annotated[
        int, typer.Option("--laps", min=1, max=100, help="How many of the fastest laps to draw.")
    ] = 3,
) -> None:
    """Show the laps of logs: every lap of a race, the course of a training; with pictures."""
    logs = [read_log_on_track(path, track, tracks, with_line_deviation=True) for path in paths]
    if csv:
        _write_laps(logs, csv)
    folders = _picture_folders(logs, output)
    if as_json:
        results = []
        for log, folder in zip(logs, folders, strict=True):
            pictures = _draw_pictures(log, folder, laps) if output else []
            results.append(_as_dict(log, pictures))
        typer.echo(json.dumps(results[0] if len(results) == 1 else {"logs": results}, indent=2))
        return
    for number, (log, folder) in enumerate(zip(logs, folders, strict=True)):
        if number:
            typer.echo("")
        _print_log(log)
        if output is None:
            _try_to_draw(log, folder, laps)
        else:
            _draw_and_name(log, folder, laps)


def _print_log(log: LogOnTrack) -> None:
    print_sources(log.log, log.path)
    typer.echo(log.sentence)
    for phase, laps in laps_by_phase(log.laps):
        if phase == "evaluation":
            print_race(log.log, laps)
        else:
            print_training(log, laps)
    for sentence in (log.standing, log.against_bound):
        if sentence:
            typer.echo(sentence)


def _picture_folders(logs: list[LogOnTrack], output: Path | None) -> list[Path]:
    """Where the pictures of each log go: of several logs, into folders of their names under
    `output`.
    """
    if output is None:
        return [_folder_beside(log.path) for log in logs]
    if len(logs) == 1:
        return [output]
    names = [log.path.resolve().name.split(".")[0] for log in logs]
    folders = []
    for number, name in enumerate(names, 1):
        unique = name if names.count(name) == 1 else f"{name}-{number}"
        folders.append(output / unique)
    return folders


def _folder_beside(path: Path) -> Path:
    """Where pictures go when nobody says: inside a log's folder, beside a log's file; for what lies
    elsewhere, here.
    """
    path = path.expanduser()
    if path.is_dir():
        return path / "analysis"
    if path.exists():
        return path.with_name(f"{path.name.split('.')[0] or 'log'}-analysis")
    name = re.sub(r"\W+", "_", path.name).strip("_")
    return Path(f"{name or 'log'}-analysis")


def _try_to_draw(log: LogOnTrack, folder: Path, count: int) -> None:
    """Pictures that nobody asked for may fail: a log need not lie where one can write."""
    try:
        _draw_and_name(log, folder, count)
    except UsageError:
        sentence = f"no pictures, since {folder} cannot be written: give a folder with -o"
        typer.echo(sentence, err=True)


def _draw_and_name(log: LogOnTrack, folder: Path, count: int) -> None:
    for picture in _draw_pictures(log, folder, count):
        typer.echo(str(picture))


def _draw_pictures(log: LogOnTrack, folder: Path, count: int) -> list[Path]:
    """The pictures that fit the log, written to a folder. Raises UsageError."""
    from racer.plotting import race_figure, style, training_figure

    figures = {}
    for phase, laps in laps_by_phase(log.laps):
        shown = laps[laps.index.isin(log.laps_on_track.index)]
        chosen = _best_laps(shown, count)
        race = race_figure(log.log.trace, shown, chosen, log.track)
        if phase == "evaluation":
            figures["race.png"] = race
        else:
            figures["training_laps.png"] = race
            figures["training_progress.png"] = training_figure(laps)
    return [style.save_figure(figure, folder / name) for name, figure in figures.items()]


def _best_laps(laps: pd.DataFrame, count: int) -> pd.DataFrame:
    from racer.analysis import fastest_laps

    if laps["complete"].any():
        return fastest_laps(laps, count)
    return laps.nlargest(count, "completion")


def _write_laps(logs: list[LogOnTrack], path: Path) -> None:
    """Every lap of the logs as CSV, with the path of its log and the name of its file in front."""
    import pandas as pd

    tables = []
    for log in logs:
        laps = log.laps.drop(columns=["source", "first_row", "last_row"])
        files = [log.log.sources[source].name for source in log.laps["source"]]
        laps.insert(0, "log", str(log.path))
        laps.insert(1, "file", files)
        tables.append(laps)
    write_file(path.expanduser(), pd.concat(tables).to_csv(index=False, float_format="%.6g"))


def _as_dict(log: LogOnTrack, pictures: list[Path]) -> dict[str, Any]:
    phases = dict(laps_by_phase(log.laps))
    training = NO_TRAINING
    if "training" in phases:
        training = _training_as_dict(log, phases["training"])
    files = [{fact: getattr(source, fact) for fact in FILE_FACTS} for source in log.log.sources]
    track = None
    if log.track is not None:
        track = {
            "name": log.track.name,
            "reversed": log.track.is_reversed,
            "agreement": log.log_track.agreement,
        }
    return {
        "log": str(log.path),
        "files": files,
        "notes": log.log.notes,
        "job": describe_job(log.log.job) or None,
        "track": track,
        "standing": log.standing or None,
        "bound": log.against_bound or None,
        "laps": table_as_dicts(log.laps),
        **training,
        "pictures": [str(path) for path in pictures],
    }


def _training_as_dict(log: LogOnTrack, laps: pd.DataFrame) -> dict[str, Any]:
    """What is told of a training alone."""
    from racer import analysis
    from racer.analysis.convergence import judge_convergence

    trace, job = log.log.trace, log.log.job
    verdict = judge_convergence(laps, job.ppo, job.action_space)
    use = analysis.action_use(analysis.rows_of_laps(trace, laps), job.action_space)
    exits = []
    if log.track is not None:
        on_track = laps[laps.index.isin(log.laps_on_track.index)]
        exits = table_as_dicts(analysis.endings_by_corner(trace, on_track, log.track))
    return {
        "verdict": {"kind": verdict.kind, "since": verdict.since, "sentence": verdict.sentence},
        "iterations": table_as_dicts(iterations_with_entropy(laps, job.ppo)),
        "endings": table_as_dicts(analysis.endings_by_waypoint(trace, laps)),
        "exits": exits,
        "actions": table_as_dicts(use),
        "never_used": analysis.unused_actions(use),
    }
