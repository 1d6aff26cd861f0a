"""What a log holds, as tables in the terminal: races lap by lap, trainings by iteration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

    from racer.cli.inputs import LogOnTrack
    from racer.logs import Log
    from racer.logs.schema import Job

_MOST_FILES = 12  # files that are listed one by one
_MOST_ITERATIONS = 25  # lines of the training table
_MOST_ACTIONS = 21  # lines of the table of actions
_MOST_EXITS = 8
# shown where they differ
_COUNTS = {"lap": "lap", "off_tracks": "off", "crashes": "crash", "resets": "resets"}
_MEASURES = {
    "reward": "reward", "speed": "m/s", "top_speed": "top m/s", "distance": "driven m", "zigzag": "zig-zag",
    "line_deviation": "off line m",
}  # fmt: skip


def print_sources(log: Log, path: Path) -> None:
    """How much was read from which files, what was bad, and what was guessed."""
    columns = " or ".join(map(str, sorted({source.columns for source in log.sources})))
    files = f"{len(log.sources)} file{'s' if len(log.sources) > 1 else ''}"
    typer.echo(
        f"{path}: {files}, {len(log.trace):,} steps, {columns} columns, {_bad(log.bad_lines)}"
    )
    if 1 < len(log.sources) <= _MOST_FILES:
        table = new_table("file", "what", "columns", "steps", "bad lines")
        for source in log.sources:
            table.add_row(
                source.name, source.phase, str(source.columns), f"{source.rows:,}", str(source.bad)
            )
        print_table(table)
    for source in log.sources:
        if source.bad:
            typer.echo(f"{source.name}: {_bad(source.bad)}, the first in {source.first_bad}")
    if describe_job(log.job):
        typer.echo(f"job: {describe_job(log.job)}")
    notes = {note: None for source in log.sources for note in source.notes}
    for note in [*log.notes, *notes]:
        typer.echo(f"note: {note}")


def describe_job(job: Job) -> str:
    """What is known of a job beside its steps, in a line; empty where nothing is."""
    words = [
        job.platform,
        f"simulator {job.simulator}" if job.simulator else "",
        f"car {job.car}" if job.car else "",
    ]
    words += [f"world {job.world}" if job.world else "", job.race_type]
    if job.action_space:
        count = job.action_space.size
        words.append(
            "continuous actions"
            if job.action_space.is_continuous
            else format_count(count, "action")
        )
    words.append(f"best checkpoint {job.best_checkpoint}" if job.best_checkpoint else "")
    return ", ".join(filter(None, words))


def print_race(log: Log, laps: pd.DataFrame) -> None:
    """Every lap of a race."""
    whole = laps[laps["complete"]]
    typer.echo(f"\nrace: {format_count(len(laps))}, {len(whole)} complete{_best_time(whole)}")
    print_table(_lap_table(log, laps))


def print_training(found: LogOnTrack, laps: pd.DataFrame) -> None:
    """A training: the verdict, its iterations, its ten best laps, where the others ended, and its
    actions.
    """
    from racer import analysis as about
    from racer.analysis.convergence import judge_convergence

    log, whole = found.log, laps[laps["complete"]]
    rows = iterations_with_entropy(laps, log.job.ppo)
    head = f"{format_count(len(laps))} in {format_count(len(rows), 'iteration')}, {len(whole) / len(laps):.0%} complete"
    typer.echo(f"\ntraining: {head}{_best_time(whole)}")
    typer.echo(f"verdict: {judge_convergence(laps, log.job.ppo, log.job.action_space)}")
    if (laps["iteration"] < 0).any():
        typer.echo(
            f"no file name tells iterations apart: {about.EPISODES_PER_ITERATION} episodes are taken as one"
        )
    _print_iterations(rows)
    if len(whole):
        typer.echo("best laps")
        print_table(_lap_table(log, about.fastest_laps(laps)))
    _print_exits(found, laps)
    _print_actions(found, laps)


def iterations_with_entropy(laps: pd.DataFrame, ppo: pd.DataFrame) -> pd.DataFrame:
    """`racer.analysis.laps_by_iteration` with the mean `entropy` of the trainer's epochs, nan where its
    log is not there.
    """
    from racer.analysis import laps_by_iteration

    rows = laps_by_iteration(laps)
    return rows.assign(
        entropy=rows["iteration"].map(ppo.groupby("iteration")["entropy"].mean()).astype(float)
    )


def _print_iterations(rows: pd.DataFrame) -> None:
    entropy = ["entropy"] if rows["entropy"].notna().any() else []
    table = new_table(
        "iteration",
        "episodes",
        "complete",
        "covered %",
        "reward",
        "steps",
        "best s",
        "mean s",
        *entropy,
    )
    every = -(-len(rows) // _MOST_ITERATIONS)
    for row in rows.iloc[::-every].iloc[::-1].to_dict("records"):
        counts = [f"{row[name]:.0f}" for name in ("iteration", "episodes", "complete")]
        means = [f"{row[name]:.1f}" for name in ("completion", "reward", "steps")]
        times = [format_seconds(row["best_time"]), format_seconds(row["mean_time"])]
        table.add_row(*counts, *means, *times, *(format_number(row[name]) for name in entropy))
    print_table(table)
    if every > 1:
        typer.echo(f"one iteration in {every} is shown")


def _print_exits(found: LogOnTrack, laps: pd.DataFrame) -> None:
    """Where laps ended: at which corner, if the track is known, else around which waypoints."""
    from racer import analysis as about

    here = laps[laps.index.isin(found.here.index)]
    if found.track is not None:
        ends = about.endings_by_corner(found.log.trace, here, found.track)
        places = ends["place"].tolist()
    else:
        ends = about.endings_by_waypoint(found.log.trace, laps)
        places = [
            f"{a} to {b}" for a, b in zip(ends["from_waypoint"], ends["to_waypoint"], strict=True)
        ]
    if not len(ends):
        return
    typer.echo("where the others ended")
    table = new_table("status", "waypoints" if found.track is None else "place", "count", "share %")
    for status, spot, count in list(zip(ends["status"], places, ends["count"], strict=True))[
        :_MOST_EXITS
    ]:
        table.add_row(status, spot, str(count), f"{100.0 * count / ends['count'].sum():.0f}")
    print_table(table)


def _print_actions(found: LogOnTrack, laps: pd.DataFrame) -> None:
    from racer import analysis as about

    mine = about.rows_of_laps(found.log.trace, laps)
    use = about.action_use(mine, found.log.job.action_space)
    typer.echo(
        "actions, as cells of their continuous space" if (use["action"] < 0).any() else "actions"
    )
    table = new_table("action", "steering °", "speed m/s", "steps", "share %")
    most = use.nlargest(_MOST_ACTIONS, "count", keep="first").sort_index()
    for row in most.to_dict("records"):
        name = "" if row["action"] < 0 else f"{row['action']}"
        command = [
            f"{row[what]:g}" if row[what] == row[what] else "" for what in ("steer", "throttle")
        ]
        table.add_row(name, *command, f"{row['count']:,}", f"{100.0 * row['share']:.1f}")
    print_table(table)
    if len(use) > len(most):
        typer.echo(f"the {len(most)} most used of {len(use)} are shown")
    never = about.unused_actions(use)
    typer.echo(f"never used: {', '.join(never)}" if never else "every action was used")


def _lap_table(log: Log, laps: pd.DataFrame) -> Table:
    """Laps as a table, with the file of each where there are several, and the counts that are not
    the same for all.
    """
    several = laps["source"].nunique() > 1
    counts = [name for name in _COUNTS if laps[name].nunique() > 1 or name == "off_tracks"]
    measures = [name for name in _MEASURES if laps[name].notna().any() or name != "line_deviation"]
    heads = [
        *(["file"] if several else []),
        "episode",
        *(_COUNTS[name] for name in counts),
        "time s",
        "%",
        "status",
    ]
    table = new_table(*heads, *(_MEASURES[name] for name in measures))
    for lap in laps.to_dict("records"):
        cells = [Path(log.sources[lap["source"]].name).name] if several else []
        cells += [
            str(lap["episode"]),
            *(str(lap[name]) for name in counts),
            format_seconds(lap["time"]),
        ]
        # in a race the log says so of the last lap
        status = "lap_complete" if lap["complete"] else str(lap["status"])
        cells += [f"{lap['completion']:.1f}", status]
        table.add_row(*cells, *(format_number(lap[name]) for name in measures))
    return table


def format_count(count: int, noun: str = "lap") -> str:
    """`1 lap`, `2,000 laps`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def format_seconds(time: float) -> str:
    """A time to the millisecond, empty where there is none."""
    return f"{time:.3f}" if time == time else ""


def format_number(value: float) -> str:
    """A number to the hundredth, empty where there is none."""
    return f"{value:.2f}" if value == value else ""


def new_table(*columns: str) -> Table:
    """A table with these heads; words stand to the left, numbers to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        left = column in ("file", "what", "status", "place", "log")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    return table


def print_table(table: Table) -> None:
    """Print a table as wide as the terminal; in a pipe as wide as it wants to be."""
    console = Console()
    Console(width=None if console.is_terminal else 160).print(table)


def _bad(count: int) -> str:
    return f"{count:,} bad line{'' if count == 1 else 's'}" if count else "no bad line"


def _best_time(whole: pd.DataFrame) -> str:
    return (
        f", best {whole['time'].min():.3f} s, mean {whole['time'].mean():.3f} s"
        if len(whole)
        else ""
    )
