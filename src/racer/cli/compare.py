"""`racer compare`: logs beside each other, with how sure one can be, and where the time is won."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.completion import offer_runs
from racer.cli.inputs import LogOnTrack, read_jobs_on_track, resolve_logs
from racer.cli.tables import (
    JsonOption,
    LogTrackOption,
    PictureOption,
    RoutesOption,
    echo,
    echo_json,
    print_record,
    refuse_if,
    table_as_dicts,
)
from racer.errors import UsageError
from racer.records import known_number

if TYPE_CHECKING:
    from racer.analysis import CourseComparison, LogComparison, PairDifference, Training

BETWEEN_SIDES = Path("vs")
"""The word between the runs of one side and those of the next."""


def compare_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B...",
            help="Two or more logs or runs, also as @1; others differ from the first. "
            "Several runs a side: A1 A2 vs B1 B2.",
            callback=resolve_logs,
            autocompletion=offer_runs,
        ),
    ],
    phase: Annotated[
        str,
        typer.Option(
            "--phase",
            metavar="PHASE",
            help="Which laps: evaluation or training.",
            show_default="evaluation where all have one",
        ),
    ] = "",
    last: Annotated[
        int,
        typer.Option(
            "--last", min=1, metavar="N", help="Of trainings, the last N iterations count."
        ),
    ] = 5,
    track: LogTrackOption = "",
    tracks: RoutesOption = None,
    output: PictureOption = None,
    course: Annotated[
        bool,
        typer.Option(
            "--course",
            help="The learning curve of the last training, and how far it lies outside the band of "
            "the others.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare two or more logs or runs: lap times with 95 % intervals, and where on the track the
    time is won. With --course, the learning curve of a training beside those of others.

    racer compare @1 @2
    racer compare runs/demo/center_line runs/demo/starter -o compared.png
    racer compare runs/seed0 runs/seed1 runs/seed2 my_job --course
    """
    from racer.analysis import (
        ComparedLog,
        common_phase,
        compare_laps,
        joined_sides,
        laps_that_count,
        log_names,
    )

    logs: list[LogOnTrack] = []
    side_sizes: list[int] = []
    for side_paths in _sides(paths):
        before = len(logs)
        for path in side_paths:
            logs += read_jobs_on_track(path, track, tracks, with_line_deviation=True)
        side_sizes += [len(logs) - before] if BETWEEN_SIDES in paths else [1] * (len(logs) - before)
    if course:
        _show_courses(logs, output, as_json)
        return
    compared_phase = common_phase({str(log.path): log.laps_on_track for log in logs}, phase)
    sides = []
    for name, log in zip(log_names([log.path for log in logs]), logs, strict=True):
        laps = laps_that_count(log.laps_on_track, compared_phase, last)
        sides.append(ComparedLog(name, log.log.trace, laps, log.track))
    runs = iter(sides)
    comparison = compare_laps(joined_sides([list(islice(runs, size)) for size in side_sizes]))
    picture = _draw(comparison, output) if output else None
    if as_json:
        echo_json(_as_dict(comparison, logs, compared_phase, picture))
        return
    for side, log in zip(sides, logs, strict=True):
        echo(f"{side.name}: {log.sentence}")
        for note in log.notes:
            echo(f"note: {note}")
    if compared_phase == "evaluation":
        echo("laps of evaluations")
    else:
        echo(f"laps of the last {last} iterations of each training")
    print_record(comparison)
    if picture:
        echo(str(picture))


def _sides(paths: list[Path]) -> list[list[Path]]:
    """The paths of each side: one each, or those between two words `vs`."""
    sides: list[list[Path]] = [[]]
    for path in paths:
        if path == BETWEEN_SIDES:
            sides.append([])
        else:
            sides[-1].append(path)
    if not all(sides):
        raise UsageError("a side is empty: racer compare A1 A2 vs B1 B2")
    return sides


def _draw(comparison: LogComparison, path: Path) -> Path:
    from racer.plotting import comparison_figure, save_figure

    return save_figure(comparison_figure(comparison), path.expanduser())


def _as_dict(
    comparison: LogComparison, logs: list[LogOnTrack], phase: str, picture: Path | None
) -> dict[str, Any]:
    return {
        "phase": phase,
        "track": [log.track.name if log.track else None for log in logs],
        "logs": table_as_dicts(comparison.table),
        "pairs": [_pair_as_dict(pair) for pair in comparison.pairs],
        "where": table_as_dicts(comparison.sectors),
        "delta": {name: table_as_dicts(table) for name, table in comparison.profiles.items()},
        "picture": str(picture) if picture else None,
    }


def _pair_as_dict(pair: PairDifference) -> dict[str, Any]:
    intervals = {}
    for key, interval in (("time", pair.time), ("complete", pair.completion)):
        intervals[key] = {
            "value": known_number(interval.value),
            "low": known_number(interval.low),
            "high": known_number(interval.high),
        }
    return {
        "one": pair.reference,
        "other": pair.other,
        "laps": pair.complete_laps,
        "of": pair.laps,
        "units": pair.units,
        "unit_kinds": pair.unit_kinds,
        "about": pair.about,
        **intervals,
        "verdict": pair.sentences,
    }


def _show_courses(logs: Sequence[LogOnTrack], output: Path | None, as_json: bool) -> None:
    """Print how the last training lies to the others, and draw it where there is an `output`."""
    from racer.analysis import compare_courses, log_names

    refuse_if(
        len(logs) < 2,
        "--course compares a training with others: racer compare RUN... LOG --course",
    )
    names = log_names([log.path for log in logs])
    *others, training = [_training(name, log) for name, log in zip(names, logs, strict=True)]
    comparison = compare_courses(training, others)
    picture = _draw_courses(comparison, training, others, output) if output else None
    if as_json:
        echo_json(comparison.to_dict() | {"picture": str(picture) if picture else None})
        return
    print_record(comparison)
    if picture:
        echo(str(picture))


def _training(name: str, log: LogOnTrack) -> Training:
    """A training, with the evaluations that a run keeps beside its log."""
    import pandas as pd

    from racer.analysis import Training

    file = log.path / "evaluations.csv"
    evaluations = pd.read_csv(file) if file.is_file() else None
    training = Training.of(name, log.log.trace, log.laps_on_track, evaluations)
    refuse_if(training.laps.empty, f"{log.path} holds no laps of a training")
    return training


def _draw_courses(
    comparison: CourseComparison, training: Training, others: Sequence[Training], path: Path
) -> Path:
    from racer.plotting import foretold_curve_figure, save_figure

    figure = foretold_curve_figure(
        training.curve, [other.curve for other in others], comparison.name
    )
    return save_figure(figure, path.expanduser())
