"""The runs of an experiment on a terminal: `racer train EXPERIMENT.toml`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from racer.errors import RacerError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from racer.training.sweep import Experiment, RunComparison, RunStatus, StatusCallback


PIPE_WIDTH_CHARS = 160  # of a table in a pipe


def train_grid(experiment: Experiment, folder: Path, jobs: int | None, home: Path | None) -> None:
    """Train what is missing of an experiment in `folder`, and print what all runs come to.

    Raises KeyboardInterrupt after Ctrl-C, with the way to go on printed; RacerError when runs
    failed.
    """
    from rich.console import Console

    from racer.training.sweep import compare_runs, run_grid, write_run_comparison

    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH_CHARS)
    _say(console, f"{experiment.title}: {len(experiment.runs)} runs in {folder}")
    if experiment.question:
        _say(console, experiment.question)
    with show_run_board(console) as watch:
        lines = run_grid(experiment, folder, jobs, home, watch)
    for line in lines:
        if line.message:
            _say(console, f"{line.name} failed: {line.message}")
    if any(line.evaluations for line in lines):
        found = compare_runs(folder)
        console.print(_table(found))
        for path in write_run_comparison(found, folder):
            _say(console, str(path))
    _end(console, lines, experiment, folder)


@contextmanager
def show_run_board(console: Console) -> Iterator[StatusCallback | None]:
    """A function that shows where runs stand: a bar for each that runs, a line for each that ended;
    None in a pipe.
    """
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=console) as bars:
        yield _Bars(bars).show


class _Bars:
    """Bars of the runs that are going on (a class: it remembers which it has drawn)."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._total = bars.add_task("all runs", total=1.0, words="")

    def show(self, lines: list[RunStatus]) -> None:
        for line in lines:
            if line.state == "running":
                if line.name not in self._tasks:
                    self._tasks[line.name] = self._bars.add_task(line.name, total=1.0, words="")
                self._bars.update(
                    self._tasks[line.name], completed=line.fraction, words=_words(line)
                )
            elif line.name in self._tasks:
                self._bars.remove_task(self._tasks.pop(line.name))
                _say(self._bars.console, f"{line.name} {line.state}: {_words(line)}")
        done = sum(line.state == "finished" for line in lines)
        share = sum(line.fraction for line in lines) / len(lines)
        self._bars.update(self._total, completed=share, words=f"{done} of {len(lines)} finished")


def _words(line: RunStatus) -> str:
    """Steps, speed, laps and best lap of a run, in a line."""
    if not line.evaluations:
        return "starting" if line.state == "running" else "no evaluation"
    row = line.evaluations[-1]
    times = [float(r["best_lap"]) for r in line.evaluations if r["best_lap"]]
    best = f"  best lap {min(times):.2f} s" if times else ""
    speed = float(row["steps"]) / max(float(row["seconds"]), 1e-9)
    laps = f"laps {row['complete']} of {row['trials']}, {float(row['completion']):.0f} %"
    return f"{int(row['steps']):,} steps  {speed:,.0f}/s  {laps}{best}"


def _table(found: RunComparison) -> Any:
    from rich import box
    from rich.table import Table

    from racer.training.sweep import run_comparison_cells

    heads, rows = run_comparison_cells(found)
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for k, head in enumerate(heads):
        words = k < len(found.differing)
        table.add_column(head, justify="left" if words else "right", overflow="fold")
    for row in rows:
        table.add_row(*(cell.replace(" ", "\u00a0") for cell in row))  # heads may wrap, cells not
    return table


def _end(console: Console, lines: list[RunStatus], experiment: Experiment, folder: Path) -> None:
    failed = sum(line.state == "failed" for line in lines)
    left = sum(line.state in ("waiting", "stopped") for line in lines)
    again = f"racer train {experiment.path} --out {folder}"
    if left:
        _say(console, f"stopped: {left} of {len(lines)} runs are not finished; go on with: {again}")
        raise KeyboardInterrupt
    if failed:
        raise RacerError(
            f"{failed} of {len(lines)} runs failed; when they are mended, go on with: {again}"
        )


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False)
