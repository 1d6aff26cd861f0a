"""The runs of an experiment on a terminal: `racer train EXPERIMENT.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from racer.cli.tables import new_table, print_table
from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.records import RecordTable
    from racer.training.sweep import Experiment, RunComparison, RunStatus


def train_grid(experiment: Experiment, folder: Path, jobs: int | None, home: Path | None) -> None:
    """Train what is missing of an experiment in `folder`, and print what all runs come to.

    Raises KeyboardInterrupt after Ctrl-C, with the way to go on printed; RacerError when runs
    failed.
    """
    from rich.console import Console

    from racer.cli.progress import show_run_board
    from racer.training.sweep import compare_runs, run_grid, write_run_comparison

    typer.echo(f"{experiment.title}: {len(experiment.runs)} runs in {folder}")
    if experiment.question:
        typer.echo(experiment.question)
    with show_run_board(Console()) as watch:
        runs = run_grid(experiment, folder, jobs, home, watch)
    for run in runs:
        if run.message:
            typer.echo(f"{run.name} failed: {run.message}")
    if any(run.evaluations for run in runs):
        comparison = compare_runs(folder)
        print_table(_comparison_table(comparison))
        for path in write_run_comparison(comparison, folder):
            typer.echo(str(path))
    _check_all_finished(runs, experiment, folder)


def _comparison_table(comparison: RunComparison) -> RecordTable:
    from racer.training.sweep import run_comparison_cells

    heads, rows = run_comparison_cells(comparison)
    table = new_table(*heads, text=heads[: len(comparison.differing)])
    for row in rows:
        table.add_row(*row)
    return table


def _check_all_finished(runs: list[RunStatus], experiment: Experiment, folder: Path) -> None:
    """Raise what the exit code of unfinished or failed runs comes from."""
    unfinished = sum(run.state in ("waiting", "stopped") for run in runs)
    failed = sum(run.state == "failed" for run in runs)
    command = f"racer train {experiment.path} --out {folder}"
    if unfinished:
        count = f"{unfinished} of {len(runs)} runs are not finished"
        typer.echo(f"stopped: {count}; go on with: {command}")
        raise KeyboardInterrupt
    if failed:
        raise RacerError(
            f"{failed} of {len(runs)} runs failed; when they are mended, go on with: {command}"
        )
