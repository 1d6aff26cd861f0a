"""`racer runs`: the trainings under a folder, and the names by which other commands call them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from racer.cli.tables import JsonOption, echo, echo_json, new_table, print_table
from racer.records import MISSING, RecordTable, format_number, format_percent
from racer.track import user_home

if TYPE_CHECKING:
    from racer.training import RunSummary

AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))
"""Units of an age: s of each, and its sign; the largest that fills one counts."""
TEXT_HEADS = ("run", "folder", "reward", "track", "parent", "state")


def runs_command(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where to look for run folders.")
    ] = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """List the trainings under a folder, oldest first: best lap, that of the checkpoint that the
    service would keep, how near the best is to the bound, what it started from, and where it stands.

    @1, @best and @last name a run of the folder runs wherever a command asks for one, FOLDER@1 one
    of another folder. A bound that is not known yet takes some seconds, once.

    racer runs
    racer runs runs/demo --json
    """
    from racer.training import list_runs, with_bounds

    runs = with_bounds(list_runs(folder), user_home(), _say_search)
    if as_json:
        echo_json([run.to_dict() for run in runs])
        return
    if not runs:
        echo(f"no run under {folder} yet: racer train center_line makes one")
        return
    print_table(_runs_table(runs, folder))
    for run in runs:
        if run.message:
            echo(f"{_handle(run, folder)} {run.state}: {run.message}")
    echo(f"to go on: racer evaluate {_handle(runs[-1], folder)}   racer train --resume RUN")


def _say_search(track: str) -> None:
    echo(f"finding the lap-time bound of {track}, once", err=True)


def _runs_table(runs: list[RunSummary], folder: Path) -> RecordTable:
    now = datetime.now(UTC)
    handles = {str(run.folder.absolute()): _handle(run, folder) for run in runs}
    heads = (
        "run",
        "reward",
        "track",
        "steps",
        "best lap s",
        "service's lap s",
        "% of bound",
        "age",
        "parent",
        "state",
    )
    table = new_table(
        *heads, "folder", text=TEXT_HEADS, minor=("service's lap s", "age", "parent", "folder")
    )
    for run in runs:
        table.add_row(
            _handle(run, folder),
            run.reward.removesuffix(".py"),
            run.track,
            f"{run.steps:,}",
            format_number(run.best_lap),
            format_number(run.service_lap),
            format_percent(run.bound_fraction).removesuffix("%"),
            _age(now, run.begun),
            _parent(run, handles),
            run.state,
            str(run.folder.relative_to(folder)),
        )
    return table


def _handle(run: RunSummary, folder: Path) -> str:
    """`@3`, or `FOLDER@3` where it is not the usual folder."""
    from racer.training import RUNS_FOLDER

    name = "" if folder == Path(RUNS_FOLDER) else str(folder)
    return f"{name}@{run.number}"


def _parent(run: RunSummary, handles: dict[str, str]) -> str:
    """The run that a run started from, by its name in this list where it is in it."""
    if not run.parent:
        return MISSING
    return handles.get(run.parent, Path(run.parent).name)


def _age(now: datetime, begun: datetime) -> str:
    seconds = max(0.0, (now - begun).total_seconds())
    for unit, sign in AGES:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {sign}"
    return f"{seconds:.0f} s"
