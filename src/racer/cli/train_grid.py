"""The runs of an experiment: trained, compared, printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from racer.cli.tables import echo, echo_json, new_table, print_table
from racer.errors import RacerError

if TYPE_CHECKING:
    from racer.records import RecordTable
    from racer.training.sweep import Experiment, RunComparison, RunStatus, StatusCallback


def train_grid(
    experiment: Experiment, folder: Path, jobs: int | None, home: Path | None, as_json: bool = False
) -> None:
    """Train what is missing of an experiment in `folder`, and print what all runs come to.

    With `as_json`, what is for people goes to standard error. Raises KeyboardInterrupt after Ctrl-C,
    with the way to go on printed; RacerError when runs failed.
    """
    from racer.training.sweep import compare_runs, run_grid, write_run_comparison

    say = partial(echo, err=as_json)
    say(f"{experiment.title}: {len(experiment.runs)} runs in {folder}")
    if experiment.question:
        say(experiment.question)
    with _show_runs(as_json) as watch:
        runs = run_grid(experiment, folder, jobs, home, watch)
    for run in runs:
        if run.message:
            say(f"{run.name} failed: {run.message}")
    files: list[Path] = []
    if any(run.evaluations for run in runs):
        comparison = compare_runs(folder)
        files = write_run_comparison(comparison, folder)
        if not as_json:
            print_table(_comparison_table(comparison))
            for path in files:
                echo(str(path))
    if as_json:
        _print_grid_end(runs, folder, files)
    _check_all_finished(runs, experiment, folder)


@contextmanager
def _show_runs(as_json: bool) -> Iterator[StatusCallback]:
    """A function that shows people where runs stand, or prints evaluations as JSON."""
    from rich.console import Console

    from racer.cli.progress import EvaluationReports, print_evaluation_as_json, show_run_board

    if as_json:
        yield EvaluationReports(print_evaluation_as_json).show_runs
        return
    with show_run_board(Console()) as watch:
        yield watch


def _print_grid_end(runs: Sequence[RunStatus], folder: Path, files: Sequence[Path]) -> None:
    """Print what an experiment came to as a line of JSON."""
    summaries = []
    for run in runs:
        best_laps = [float(row["best_lap"]) for row in run.evaluations if row["best_lap"]]
        summaries.append(
            {
                "run": run.name,
                "folder": str(run.folder),
                "state": run.state,
                "message": run.message or None,
                "best_lap": min(best_laps, default=None),
            }
        )
    end = {"event": "end", "folder": str(folder), "runs": summaries}
    echo_json({**end, "files": [str(file) for file in files]}, indent=None)


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
        echo(f"stopped: {count}; go on with: {command}")
        raise KeyboardInterrupt
    if failed:
        raise RacerError(
            f"{failed} of {len(runs)} runs failed; when they are mended, go on with: {command}"
        )
