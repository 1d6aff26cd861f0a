"""How long work goes on: live on a terminal; in a file or a pipe a line for each evaluation of a
training, and nothing of what takes moments.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    track,
)
from rich.table import Column

from racer.cli.tables import echo, echo_json

if TYPE_CHECKING:
    from racer.training import EvaluationScore, ProgressCallback, Session, TrainingProgress
    from racer.training.sweep import RunStatus, StatusCallback

BAR_CHARS = 12
GAP_CHARS = 2  # between facts
FIXED_CHARS = BAR_CHARS + len(" 100 %") + len(" 0:00:00 left") + 2  # of a line, beside its facts
MAX_NAME_FRACTION = 0.33  # of the width, for the name of a run
MIN_ITEMS_WITH_BAR = 3


def is_watched(console: Console) -> bool:
    """Whether lines may be drawn over each other: FORCE_COLOR, as CI has it, makes no terminal of a
    file.
    """
    is_forced = "FORCE_COLOR" in os.environ and "COLUMNS" not in os.environ
    return console.is_terminal and (console.file.isatty() or not is_forced)


def show_item_bar(names: list[str], description: str) -> Iterable[str]:
    """`names`, with a progress bar when there are many and someone watches."""
    console = Console(stderr=True)
    return track(
        names,
        description,
        console=console,
        transient=True,
        disable=len(names) < MIN_ITEMS_WITH_BAR or not is_watched(console),
    )


@contextmanager
def show_count_bar(description: str, is_shown: bool) -> Iterator[Callable[[int, int], None]]:
    """A function that is told how many of how many are done, and keeps a bar up to date."""
    console = Console(stderr=True)
    is_disabled = not is_shown or not is_watched(console)
    with Progress(console=console, disable=is_disabled, transient=True) as bar:
        task = bar.add_task(description, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report


class EvaluationReports:
    """Hands each evaluation of trainings to `report`, with the name of its run, once (a class: it
    knows which it has handed on).

    `report` gets the name and a row of the run's evaluations.csv, whose numbers may be text.
    """

    def __init__(self, report: Callable[[str, dict[str, Any]], None]) -> None:
        self._report = report
        self._counts: dict[str, int] = {}

    def skip(self, name: str, evaluations: Sequence[dict[str, Any]]) -> None:
        """Take the evaluations of a run that is gone on with as handed on."""
        self._counts[name] = len(evaluations)

    def show_training(self, training: TrainingProgress) -> None:
        """Hand on what is new in a training; a phase of it counts as a run of that name."""
        self._show(training.phase, training.evaluations)

    def show_runs(self, runs: Sequence[RunStatus]) -> None:
        """Hand on what is new in the runs of an experiment."""
        for run in runs:
            self._show(run.name, run.evaluations)

    def _show(self, name: str, evaluations: Sequence[dict[str, Any]]) -> None:
        new = evaluations[self._counts.get(name, 0) :]
        self._counts[name] = len(evaluations)
        for row in new:
            self._report(name, row)


def print_evaluation(name: str, row: dict[str, Any]) -> None:
    """Print the line of an evaluation."""
    echo(f"{f'{name}: ' if name else ''}{describe_row(row)}")


def print_evaluation_as_json(name: str, row: dict[str, Any]) -> None:
    """Print an evaluation as a line of JSON; of several runs or phases with its `run`."""
    numbers = {key: known_cell(value) for key, value in row.items()}
    echo_json({"event": "evaluation", **({"run": name} if name else {}), **numbers}, indent=None)


def known_cell(value: Any) -> Any:
    """A cell of evaluations.csv as a number, None where it is empty, and as it is where it is text.

    >>> known_cell("3"), known_cell("7.25"), known_cell(""), known_cell("512.pt")
    (3, 7.25, None, '512.pt')
    """
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value or None


def describe_row(row: dict[str, Any]) -> str:
    """An evaluation as a line.

    >>> row = {"steps": 32768, "seconds": 8.0, "complete": 2, "trials": 5, "completion": 63.2}
    >>> describe_row({**row, "best_lap": 9.07})
    '32,768 steps  laps 2 of 5, 63 %  best of them 9.07 s  4,096 steps/s'
    """
    steps_per_second = float(row["steps"]) / max(float(row["seconds"]), 1e-9)
    facts = [
        f"{int(row['steps']):,} steps",
        f"laps {row['complete']} of {row['trials']}, {float(row['completion']):.0f} %",
    ]
    if row["best_lap"]:
        facts.append(f"best of them {float(row['best_lap']):.2f} s")
    facts.append(f"{steps_per_second:,.0f} steps/s")
    return "  ".join(facts)


@contextmanager
def show_training_progress(session: Session, console: Console) -> Iterator[ProgressCallback]:
    """A report function that keeps a line of progress up to date while the block runs; in a pipe it
    prints a line for each evaluation.
    """
    if not is_watched(console):
        reports = EvaluationReports(print_evaluation)
        reports.skip(session.progress.phase, session.progress.evaluations)
        yield reports.show_training
        return
    columns = (
        BarColumn(BAR_CHARS),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console) as bar:

        def state(training: TrainingProgress) -> dict[str, Any]:
            facts = fit_facts(training_facts(training), console.width - FIXED_CHARS)
            return {"completed": 100.0 * session.fraction(), "description": facts}

        task = bar.add_task(total=100, **state(session.progress))
        yield lambda training: bar.update(task, **state(training))


def training_facts(training: TrainingProgress) -> list[str]:
    """Steps, how far the policy gets, and speed, the most important first."""
    facts = [training.phase] if training.phase else []
    facts.append(f"{training.steps:,} steps")
    if training.best is not None and training.best.complete:
        facts.append(f"best {training.best.best_lap:.2f} s")
    latest = training.latest
    if latest is not None:
        facts += [f"laps {latest.complete} of {latest.trials}", f"{latest.completion:.0f} %"]
    if training.seconds:
        facts.append(f"{training.steps / training.seconds:,.0f} steps/s")
    return facts


def fit_facts(facts: Sequence[str], width: int) -> str:
    """As many of the facts as stand in `width` characters, whole, from the first on.

    >>> fit_facts(["32,768 steps", "best 9.07 s", "laps 2 of 5"], 30)
    '32,768 steps  best 9.07 s'
    """
    line = ""
    for fact in facts:
        longer = f"{line}{' ' * GAP_CHARS if line else ''}{fact}"
        if len(longer) > width:
            break
        line = longer
    return line


def describe_evaluation(score: EvaluationScore) -> str:
    """What an evaluation showed, in a sentence without its full stop."""
    if not score.complete:
        return f"no lap of {score.trials} completed, {score.completion:.0f} % of the way on average"
    return (
        f"{score.complete} of {score.trials} laps completed, {score.lap_time:.2f} s on average, "
        f"the best in {score.best_lap:.2f} s"
    )


@contextmanager
def show_run_board(console: Console) -> Iterator[StatusCallback]:
    """A function that shows where runs stand: on a terminal a bar for each that runs and a line for
    each that ended, in a pipe a line for each evaluation.
    """
    if not is_watched(console):
        reports = EvaluationReports(
            lambda name, row: echo(f"{name}: {describe_row(row)}", err=console.stderr)
        )
        yield reports.show_runs
        return
    name_chars = int(MAX_NAME_FRACTION * console.width)
    columns = (
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(overflow="fold", max_width=name_chars),
        ),
        BarColumn(BAR_CHARS),
        TextColumn("{task.fields[status]}", markup=False),
    )
    with Progress(*columns, console=console) as bars:
        yield _RunBars(bars, console.width - name_chars - BAR_CHARS - 2).show


class _RunBars:
    """Bars of the runs that are going on, with `width` characters for what is said beside them (a
    class: it remembers which it has drawn).
    """

    def __init__(self, bars: Progress, width: int) -> None:
        self._bars = bars
        self._width = width
        self._tasks: dict[str, TaskID] = {}
        self._total = bars.add_task("all runs", total=1.0, status="")

    def show(self, runs: list[RunStatus]) -> None:
        """Draw where these runs stand."""
        for run in runs:
            if run.state == "running":
                self._show_running(run)
            elif run.name in self._tasks:
                self._bars.remove_task(self._tasks.pop(run.name))
                ending = f"{run.name} {run.state}: {'  '.join(run_facts(run))}"
                self._bars.console.print(ending, markup=False, highlight=False)
        finished = sum(run.state == "finished" for run in runs)
        fraction = sum(run.fraction for run in runs) / len(runs)
        status = f"{finished} of {len(runs)} finished"
        self._bars.update(self._total, completed=fraction, status=status)

    def _show_running(self, run: RunStatus) -> None:
        if run.name not in self._tasks:
            self._tasks[run.name] = self._bars.add_task(run.name, total=1.0, status="")
        task = self._tasks[run.name]
        status = fit_facts(run_facts(run), self._width)
        self._bars.update(task, completed=run.fraction, status=status)


def run_facts(run: RunStatus) -> list[str]:
    """Steps, best lap, laps and speed of a run, the most important first."""
    if not run.evaluations:
        return ["starting" if run.state == "running" else "no evaluation"]
    latest = run.evaluations[-1]
    facts = [f"{int(latest['steps']):,} steps"]
    best_laps = [float(row["best_lap"]) for row in run.evaluations if row["best_lap"]]
    if best_laps:
        facts.append(f"best {min(best_laps):.2f} s")
    facts.append(f"laps {latest['complete']} of {latest['trials']}")
    facts.append(f"{float(latest['completion']):.0f} %")
    steps_per_second = float(latest["steps"]) / max(float(latest["seconds"]), 1e-9)
    return [*facts, f"{steps_per_second:,.0f} steps/s"]
