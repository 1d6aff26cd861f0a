"""`racer compare --course`: a training's learning curve beside those of others, which foretell it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from racer.cli.inputs import LogOnTrack
from racer.cli.tables import echo, echo_json, print_record, refuse_if

if TYPE_CHECKING:
    from racer.analysis import CourseComparison, Training


def show_courses(logs: Sequence[LogOnTrack], output: Path | None, as_json: bool) -> None:
    """Print how the last training lies to the others, and draw it where there is an `output`."""
    from racer.analysis import compare_courses, log_names

    refuse_if(
        len(logs) < 2,
        "--course compares a training with others: racer compare RUN... LOG --course",
    )
    names = log_names([log.path for log in logs])
    *others, training = [_training(name, log) for name, log in zip(names, logs, strict=True)]
    comparison = compare_courses(training, others)
    picture = _draw(comparison, training, others, output) if output else None
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


def _draw(
    comparison: CourseComparison, training: Training, others: Sequence[Training], path: Path
) -> Path:
    from racer.plotting import foretold_curve_figure, save_figure

    figure = foretold_curve_figure(
        training.curve, [other.curve for other in others], comparison.name
    )
    return save_figure(figure, path.expanduser())
