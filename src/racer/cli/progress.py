"""How a training goes, live on a terminal; nothing when the output is a file or a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from racer.training import EvaluationScore, ProgressCallback, Session
from racer.training import TrainingProgress as Training


@contextmanager
def show_training_progress(session: Session, console: Console) -> Iterator[ProgressCallback]:
    """A report function that keeps a line of progress up to date while the block runs."""
    if not console.is_terminal:
        yield lambda training: None
        return
    columns = (
        BarColumn(24),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(
            describe_training_progress(session.progress),
            total=100,
            completed=round(100 * session.fraction()),
        )

        def report(training: Training) -> None:
            bar.update(
                task,
                completed=100.0 * session.fraction(),
                description=describe_training_progress(training),
            )

        yield report


def describe_training_progress(training: Training) -> str:
    """Steps, speed, and how far the policy gets, in a line."""
    speed = training.steps / training.seconds if training.seconds else 0.0
    parts = [training.phase] if training.phase else []
    parts += [f"{training.steps:,} steps", f"{speed:,.0f}/s"]
    if training.latest is not None:
        parts.append(
            f"laps {training.latest.complete} of {training.latest.trials}, {training.latest.completion:.0f} %"
        )
    if training.best is not None and training.best.complete:
        parts.append(f"best lap {training.best.best_lap:.2f} s")
    return "  ".join(parts)


def describe_evaluation(score: EvaluationScore) -> str:
    """What an evaluation showed, in a sentence without its full stop."""
    if not score.complete:
        return f"no lap of {score.trials} completed, {score.completion:.0f} % of the way on average"
    return (
        f"{score.complete} of {score.trials} laps completed, {score.lap_time:.2f} s on average, "
        f"the best in {score.best_lap:.2f} s"
    )
