"""What a log holds, as tables in the terminal: races lap by lap, trainings by iteration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from racer.cli.tables import format_count, new_table, print_table
from racer.records import RecordTable, format_number, format_seconds

if TYPE_CHECKING:
    import pandas as pd

    from racer.cli.inputs import LogOnTrack
    from racer.logs import Job, Log

MAX_FILES_SHOWN = 12
MAX_ITERATIONS_SHOWN = 25
MAX_ACTIONS_SHOWN = 21
MAX_ENDINGS_SHOWN = 8
INCIDENT_HEADS = {"lap": "lap", "off_tracks": "off", "crashes": "crash", "resets": "resets"}
"""Columns of laps that are shown where they differ, and their heads."""
MEASURE_HEADS = {
    "reward": "reward",
    "speed": "m/s",
    "top_speed": "top m/s",
    "distance": "driven m",
    "zigzag": "zig-zag",
    "line_deviation": "off line m",
}
"""Columns of laps that are always shown, but for the deviation from the line, which needs one."""


def print_sources(log: Log, path: Path) -> None:
    """How much was read from which files, what was bad, and what was guessed."""
    columns = " or ".join(map(str, sorted({source.columns for source in log.sources})))
    files = format_count(len(log.sources), "file")
    steps = f"{len(log.trace):,} steps"
    typer.echo(f"{path}: {files}, {steps}, {columns} columns, {_count_bad(log.bad_lines)}")
    if 1 < len(log.sources) <= MAX_FILES_SHOWN:
        print_table(_source_table(log))
    for source in log.sources:
        if source.bad:
            typer.echo(f"{source.name}: {_count_bad(source.bad)}, the first in {source.first_bad}")
    job = describe_job(log.job)
    if job:
        typer.echo(f"job: {job}")
    notes = list(log.notes)
    for source in log.sources:
        notes += source.notes
    for note in dict.fromkeys(notes):
        typer.echo(f"note: {note}")


def describe_job(job: Job) -> str:
    """What is known of a job beside its steps, in a line; empty where nothing is."""
    facts = [job.platform]
    if job.simulator:
        facts.append(f"simulator {job.simulator}")
    if job.car:
        facts.append(f"car {job.car}")
    if job.world:
        facts.append(f"world {job.world}")
    facts.append(job.race_type)
    if job.action_space and job.action_space.is_continuous:
        facts.append("continuous actions")
    elif job.action_space:
        facts.append(format_count(job.action_space.size, "action"))
    if job.best_checkpoint:
        facts.append(f"best checkpoint {job.best_checkpoint}")
    return ", ".join(filter(None, facts))


def print_race(log: Log, laps: pd.DataFrame) -> None:
    """Every lap of a race."""
    complete = laps[laps["complete"]]
    counts = f"{format_count(len(laps))}, {len(complete)} complete"
    typer.echo(f"\nrace: {counts}{_describe_times(complete)}")
    print_table(_lap_table(log, laps))


def print_training(on_track: LogOnTrack, laps: pd.DataFrame) -> None:
    """A training: the verdict, its iterations, its ten best laps, where the others ended, and its
    actions.
    """
    from racer.analysis import EPISODES_PER_ITERATION, fastest_laps
    from racer.analysis.convergence import judge_convergence

    job = on_track.log.job
    complete = laps[laps["complete"]]
    iterations = iterations_with_entropy(laps, job.ppo)
    counts = f"{format_count(len(laps))} in {format_count(len(iterations), 'iteration')}"
    fraction = f"{len(complete) / len(laps):.0%} complete"
    typer.echo(f"\ntraining: {counts}, {fraction}{_describe_times(complete)}")
    typer.echo(f"verdict: {judge_convergence(laps, job.ppo, job.action_space)}")
    if (laps["iteration"] < 0).any():
        assumed = f"{EPISODES_PER_ITERATION} episodes are taken as one"
        typer.echo(f"no file name tells iterations apart: {assumed}")
    _print_iterations(iterations)
    if len(complete):
        typer.echo("best laps")
        print_table(_lap_table(on_track.log, fastest_laps(laps)))
    _print_endings(on_track, laps)
    _print_actions(on_track, laps)


def iterations_with_entropy(laps: pd.DataFrame, ppo: pd.DataFrame) -> pd.DataFrame:
    """`racer.analysis.laps_by_iteration` with the mean `entropy` of the trainer's epochs, nan where
    its log is not there.
    """
    from racer.analysis import laps_by_iteration

    iterations = laps_by_iteration(laps)
    entropy = ppo.groupby("iteration")["entropy"].mean()
    return iterations.assign(entropy=iterations["iteration"].map(entropy).astype(float))


def _source_table(log: Log) -> RecordTable:
    table = new_table("file", "what", "columns", "steps", "bad lines", text=("file", "what"))
    for source in log.sources:
        counts = [str(source.columns), f"{source.rows:,}", str(source.bad)]
        table.add_row(source.name, source.phase, *counts)
    return table


def _print_iterations(iterations: pd.DataFrame) -> None:
    heads = ["iteration", "episodes", "complete", "covered %", "reward", "steps"]
    heads += ["best s", "mean s"]
    has_entropy = iterations["entropy"].notna().any()
    if has_entropy:
        heads.append("entropy")
    table = new_table(*heads)
    every = -(-len(iterations) // MAX_ITERATIONS_SHOWN)  # rounded up
    shown = iterations.iloc[::-every].iloc[::-1]  # counted from the last
    for row in shown.to_dict("records"):
        cells = [f"{row[name]:.0f}" for name in ("iteration", "episodes", "complete")]
        cells += [f"{row[name]:.1f}" for name in ("completion", "reward", "steps")]
        cells += [format_seconds(row["best_time"]), format_seconds(row["mean_time"])]
        if has_entropy:
            cells.append(format_number(row["entropy"]))
        table.add_row(*cells)
    print_table(table)
    if every > 1:
        typer.echo(f"one iteration in {every} is shown")


def _print_endings(on_track: LogOnTrack, laps: pd.DataFrame) -> None:
    """Where laps ended: at which corner, if the track is known, else around which waypoints."""
    from racer.analysis import endings_by_corner, endings_by_waypoint

    trace = on_track.log.trace
    if on_track.track is not None:
        place_head = "place"
        on_it = laps[laps.index.isin(on_track.laps_on_track.index)]
        endings = endings_by_corner(trace, on_it, on_track.track)
    else:
        place_head = "waypoints"
        endings = endings_by_waypoint(trace, laps)
        first = endings["from_waypoint"].astype(str)
        endings = endings.assign(place=first + " to " + endings["to_waypoint"].astype(str))
    if not len(endings):
        return
    typer.echo("where the others ended")
    table = new_table("status", place_head, "count", "share %", text=("status", "place"))
    total = endings["count"].sum()
    for row in endings.head(MAX_ENDINGS_SHOWN).to_dict("records"):
        percent = f"{100.0 * row['count'] / total:.0f}"
        table.add_row(str(row["status"]), str(row["place"]), str(row["count"]), percent)
    print_table(table)


def _print_actions(on_track: LogOnTrack, laps: pd.DataFrame) -> None:
    from racer.analysis import action_use, rows_of_laps, unused_actions

    log = on_track.log
    use = action_use(rows_of_laps(log.trace, laps), log.job.action_space)
    is_continuous = (use["action"] < 0).any()
    typer.echo("actions, as cells of their continuous space" if is_continuous else "actions")
    table = new_table("action", "steering °", "speed m/s", "steps", "share %")
    shown = use.nlargest(MAX_ACTIONS_SHOWN, "count", keep="first").sort_index()
    for row in shown.to_dict("records"):
        name = "" if row["action"] < 0 else str(row["action"])
        steering, speed = _format_command(row["steer"]), _format_command(row["throttle"])
        table.add_row(name, steering, speed, f"{row['count']:,}", f"{100.0 * row['share']:.1f}")
    print_table(table)
    if len(use) > len(shown):
        typer.echo(f"the {len(shown)} most used of {len(use)} are shown")
    unused = unused_actions(use)
    typer.echo(f"never used: {', '.join(unused)}" if unused else "every action was used")


def _format_command(command: float) -> str:
    if command != command:
        return ""
    return f"{command:g}"


def _lap_table(log: Log, laps: pd.DataFrame) -> RecordTable:
    """Laps as a table, with the file of each where there are several, and the counts that are not
    the same for all.
    """
    has_several_files = laps["source"].nunique() > 1
    incidents = [
        name for name in INCIDENT_HEADS if laps[name].nunique() > 1 or name == "off_tracks"
    ]
    measures = list(MEASURE_HEADS)
    if laps["line_deviation"].isna().all():
        measures.remove("line_deviation")
    heads = ["file"] if has_several_files else []
    heads += ["episode", *(INCIDENT_HEADS[name] for name in incidents), "time s", "%", "status"]
    heads += [MEASURE_HEADS[name] for name in measures]
    table = new_table(*heads, text=("file", "status"))
    for lap in laps.to_dict("records"):
        cells = [Path(log.sources[lap["source"]].name).name] if has_several_files else []
        cells += [str(lap["episode"]), *(str(lap[name]) for name in incidents)]
        cells += [format_seconds(lap["time"]), format_number(lap["completion"], 1)]
        cells.append(lap_status(lap["complete"], lap["status"]))
        table.add_row(*cells, *(format_number(lap[name]) for name in measures))
    return table


def lap_status(is_complete: bool, status: str) -> str:
    """How a lap ended; in a race the log says `lap_complete` of the last lap only."""
    return "lap_complete" if is_complete else str(status)


def _count_bad(count: int) -> str:
    if not count:
        return "no bad line"
    return format_count(count, "bad line")


def _describe_times(complete: pd.DataFrame) -> str:
    if not len(complete):
        return ""
    return f", best {complete['time'].min():.3f} s, mean {complete['time'].mean():.3f} s"
