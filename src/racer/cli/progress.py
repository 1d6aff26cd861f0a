"""How long work goes on, live on a terminal; nothing where the output is a file or a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    track,
)

if TYPE_CHECKING:
    from racer.training import EvaluationScore, ProgressCallback, Session, TrainingProgress
    from racer.training.sweep import RunStatus, StatusCallback

BAR_WIDTH = 24
MIN_ITEMS_WITH_BAR = 3


def show_item_bar(names: list[str], description: str) -> Iterable[str]:
    """`names`, with a progress bar when there are many and someone watches."""
    return track(
        names,
        description,
        console=Console(stderr=True),
        transient=True,
        disable=len(names) < MIN_ITEMS_WITH_BAR,
    )


@contextmanager
def show_count_bar(description: str, is_shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A function that is told how many of how many are done, and keeps a bar up to date."""
    console = Console(stderr=True)
    is_disabled = not is_shown or not console.is_terminal
    with Progress(console=console, disable=is_disabled, transient=True) as bar:
        task = bar.add_task(description, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report


@contextmanager
def show_training_progress(session: Session, console: Console) -> Iterator[ProgressCallback]:
    """A report function that keeps a line of progress up to date while the block runs."""
    if not console.is_terminal:
        yield lambda training: None
        return
    columns = (
        BarColumn(BAR_WIDTH),
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

        def report(training: TrainingProgress) -> None:
            percent = 100.0 * session.fraction()
            bar.update(task, completed=percent, description=describe_training_progress(training))

        yield report


def describe_training_progress(training: TrainingProgress) -> str:
    """Steps, speed, and how far the policy gets, in a line."""
    steps_per_second = 0.0
    if training.seconds:
        steps_per_second = training.steps / training.seconds
    facts = [training.phase] if training.phase else []
    facts += [f"{training.steps:,} steps", f"{steps_per_second:,.0f}/s"]
    latest = training.latest
    if latest is not None:
        facts.append(f"laps {latest.complete} of {latest.trials}, {latest.completion:.0f} %")
    if training.best is not None and training.best.complete:
        facts.append(f"best lap {training.best.best_lap:.2f} s")
    return "  ".join(facts)


def describe_evaluation(score: EvaluationScore) -> str:
    """What an evaluation showed, in a sentence without its full stop."""
    if not score.complete:
        return f"no lap of {score.trials} completed, {score.completion:.0f} % of the way on average"
    return (
        f"{score.complete} of {score.trials} laps completed, {score.lap_time:.2f} s on average, "
        f"the best in {score.best_lap:.2f} s"
    )


@contextmanager
def show_run_board(console: Console) -> Iterator[StatusCallback | None]:
    """A function that shows where runs stand: a bar for each that runs, a line for each that ended;
    None in a pipe.
    """
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(BAR_WIDTH),
        TextColumn("{task.fields[status]}"),
    )
    with Progress(*columns, console=console) as bars:
        yield _RunBars(bars).show


class _RunBars:
    """Bars of the runs that are going on (a class: it remembers which it has drawn)."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._total = bars.add_task("all runs", total=1.0, status="")

    def show(self, runs: list[RunStatus]) -> None:
        """Draw where these runs stand."""
        for run in runs:
            if run.state == "running":
                self._show_running(run)
            elif run.name in self._tasks:
                self._bars.remove_task(self._tasks.pop(run.name))
                ending = f"{run.name} {run.state}: {describe_run(run)}"
                self._bars.console.print(ending, markup=False, highlight=False)
        finished = sum(run.state == "finished" for run in runs)
        fraction = sum(run.fraction for run in runs) / len(runs)
        status = f"{finished} of {len(runs)} finished"
        self._bars.update(self._total, completed=fraction, status=status)

    def _show_running(self, run: RunStatus) -> None:
        if run.name not in self._tasks:
            self._tasks[run.name] = self._bars.add_task(run.name, total=1.0, status="")
        task = self._tasks[run.name]
        self._bars.update(task, completed=run.fraction, status=describe_run(run))


def describe_run(run: RunStatus) -> str:
    """Steps, speed, laps and best lap of a run, in a line."""
    if not run.evaluations:
        return "starting" if run.state == "running" else "no evaluation"
    latest = run.evaluations[-1]
    steps_per_second = float(latest["steps"]) / max(float(latest["seconds"]), 1e-9)
    completion = f"{float(latest['completion']):.0f} %"
    facts = [
        f"{int(latest['steps']):,} steps",
        f"{steps_per_second:,.0f}/s",
        f"laps {latest['complete']} of {latest['trials']}, {completion}",
    ]
    best_laps = [float(row["best_lap"]) for row in run.evaluations if row["best_lap"]]
    if best_laps:
        facts.append(f"best lap {min(best_laps):.2f} s")
    return "  ".join(facts)
