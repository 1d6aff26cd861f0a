"""`racer analyze`: what logs hold, lap by lap, and pictures of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.inputs import LogOnTrack, LogsArgument, laps_by_phase, read_jobs_on_track
from racer.cli.tables import (
    LapsCsvOption,
    LogTrackOption,
    RoutesOption,
    echo,
    echo_json,
    format_count,
    new_table,
    print_record,
    print_table,
    table_as_dicts,
)
from racer.cli.training_course import (
    foresee_course,
    is_run_folder,
    iterations_with_entropy,
    print_iterations,
)
from racer.errors import UsageError
from racer.files import write_file
from racer.records import RecordTable, format_number, format_seconds, known_number

if TYPE_CHECKING:
    import pandas as pd

    from racer.logs import Job, Log, ModelArchive

MAX_FILES_SHOWN = 12
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

FILE_FACTS = ("name", "phase", "columns", "rows", "bad", "first_bad", "notes")
NO_TRAINING: dict[str, Any] = {
    "training": None,
    "verdict": None,
    "iterations": [],
    "endings": [],
    "exits": [],
    "actions": [],
    "never_used": [],
}


def print_sources(log: Log, path: Path) -> None:
    """How much was read from which files, what was bad, and what was guessed."""
    columns = " or ".join(map(str, sorted({source.columns for source in log.sources})))
    files = format_count(len(log.sources), "file")
    steps = f"{len(log.trace):,} steps"
    echo(f"{path}: {files}, {steps}, {columns} columns, {_count_bad(log.bad_lines)}")
    if 1 < len(log.sources) <= MAX_FILES_SHOWN:
        print_table(_source_table(log))
    for source in log.sources:
        if source.bad:
            echo(f"{source.name}: {_count_bad(source.bad)}, the first in {source.first_bad}")
    job = describe_job(log.job)
    if job:
        echo(f"job: {job}")
    notes = list(log.notes)
    for source in log.sources:
        notes += source.notes
    for note in dict.fromkeys(notes):
        echo(f"note: {note}")


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
    facts.append(job.started_from and f"started from {job.started_from}")
    return ", ".join(filter(None, facts))


def print_race(log: Log, laps: pd.DataFrame) -> None:
    """Every lap of a race; those of which the log holds a part only are not counted."""
    from racer.analysis import whole_laps

    whole = whole_laps(laps)
    complete = whole[whole["complete"]]
    counts = f"{format_count(len(whole))}, {len(complete)} complete"
    echo(f"\nrace: {counts}{_describe_times(complete)}")
    print_table(_lap_table(log, laps))


def print_training(on_track: LogOnTrack, laps: pd.DataFrame) -> None:
    """A training: the verdict, its iterations, its ten best laps, where the others ended, and its
    actions.
    """
    from racer.analysis import episodes_per_iteration, fastest_laps, judge_convergence

    job = on_track.log.job
    complete = laps[laps["complete"]]
    iterations = iterations_with_entropy(laps, job.ppo)
    counts = f"{format_count(len(laps))} in {format_count(len(iterations), 'iteration')}"
    fraction = f"{len(complete) / len(laps):.0%} complete"
    echo(f"\ntraining: {counts}, {fraction}{_describe_times(complete)}")
    echo(f"verdict: {judge_convergence(laps, job.ppo, job.action_space)}")
    unnamed = laps[laps["iteration"] < 0]
    if len(unnamed):
        sizes = sorted(set(unnamed.groupby("source")["episode"].agg(episodes_per_iteration)))
        assumed = f"{' or '.join(map(str, sizes))} episodes of a file are taken as one"
        echo(f"no file name tells iterations apart: {assumed}")
    print_iterations(iterations)
    if len(complete):
        echo("best laps")
        print_table(_lap_table(on_track.log, fastest_laps(laps)))
    _print_endings(on_track, laps)
    _print_actions(on_track, laps)


def _source_table(log: Log) -> RecordTable:
    table = new_table("file", "what", "columns", "steps", "bad lines", text=("file", "what"))
    for source in log.sources:
        counts = [str(source.columns), f"{source.rows:,}", str(source.bad)]
        table.add_row(source.name, source.phase, *counts)
    return table


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
    echo("where the others ended")
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
    echo("actions, as cells of their continuous space" if is_continuous else "actions")
    table = new_table("action", "steering °", "speed m/s", "steps", "share %")
    shown = use.nlargest(MAX_ACTIONS_SHOWN, "count", keep="first").sort_index()
    for row in shown.to_dict("records"):
        name = "" if row["action"] < 0 else str(row["action"])
        steering, speed = _format_command(row["steer"]), _format_command(row["throttle"])
        table.add_row(name, steering, speed, f"{row['count']:,}", f"{100.0 * row['share']:.1f}")
    print_table(table)
    if len(use) > len(shown):
        echo(f"the {len(shown)} most used of {len(use)} are shown")
    unused = unused_actions(use)
    echo(f"never used: {', '.join(unused)}" if unused else "every action was used")


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
    table = new_table(
        *heads, text=("file", "status"), minor=[MEASURE_HEADS[name] for name in measures]
    )
    for lap in laps.to_dict("records"):
        cells = [Path(log.sources[lap["source"]].name).name] if has_several_files else []
        cells += [str(lap["episode"]), *(str(lap[name]) for name in incidents)]
        cells += [format_seconds(lap["time"]), format_number(lap["completion"], 1)]
        cells.append(str(lap["status"]))
        table.add_row(*cells, *(format_number(lap[name]) for name in measures))
    return table


def _count_bad(count: int) -> str:
    if not count:
        return "no bad line"
    return format_count(count, "bad line")


def _describe_times(complete: pd.DataFrame) -> str:
    if not len(complete):
        return ""
    return f", best {complete['time'].min():.3f} s, mean {complete['time'].mean():.3f} s"


def analyze_command(
    paths: LogsArgument,
    track: LogTrackOption = "",
    tracks: RoutesOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for the pictures.",
            show_default="LOG-analysis, here",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; pictures only with -o.")
    ] = False,
    csv: LapsCsvOption = None,
    laps: Annotated[
        int, typer.Option("--laps", min=1, max=100, help="How many of the fastest laps to draw.")
    ] = 3,
    foresee: Annotated[
        bool,
        typer.Option(
            "--foresee",
            help="Run the reward in a training's folder: say what it asks for beside its laps.",
        ),
    ] = False,
) -> None:
    """Show the laps of logs: every lap of a race, the course of a training; with pictures.

    racer analyze @last
    racer analyze runs/demo/starter -o pictures --csv laps.csv
    """
    logs, models = _read_logs_and_models(paths, track, tracks)
    if csv and logs:
        _write_laps(logs, csv)
    folders = _picture_folders(logs, output)
    if as_json:
        results = [model.to_dict() for model in models]
        for log, folder in zip(logs, folders, strict=True):
            pictures = _draw_pictures(log, folder, laps) if output else []
            course = foresee_course(log).to_dict() if foresee else None
            results.append({**_as_dict(log, pictures), "course": course})
        echo_json(results[0] if len(results) == 1 else {"logs": results})
        return
    for model in models:
        print_record(model)
    for number, (log, folder) in enumerate(zip(logs, folders, strict=True), len(models)):
        if number:
            echo("")
        _print_log(log)
        _print_course(log, foresee)
        if output is None:
            _try_to_draw(log, folder, laps)
        else:
            _draw_and_name(log, folder, laps)


def _read_logs_and_models(
    paths: list[Path], track: str, tracks: Path | None
) -> tuple[list[LogOnTrack], list[ModelArchive]]:
    """The logs at the paths, and the archives of models without a step."""
    from racer.logs import NoStepsError, read_model

    logs: list[LogOnTrack] = []
    models = []
    for path in paths:
        try:
            logs += read_jobs_on_track(path, track, tracks, with_line_deviation=True)
        except NoStepsError as error:
            if not error.is_model:
                raise
            models.append(read_model(path))
    return logs, models


def _print_log(log: LogOnTrack) -> None:
    print_sources(log.log, log.path)
    echo(log.sentence)
    from racer.analysis import cut_sentences, whole_laps

    for phase, laps in laps_by_phase(log.laps):
        if phase == "evaluation":
            print_race(log.log, laps)
        else:
            print_training(log, whole_laps(laps))
        for sentence in cut_sentences(laps, log.log):
            echo(f"note: {sentence}")
    for sentence in (log.standing, log.against_bound):
        if sentence:
            echo(sentence)


def _print_course(log: LogOnTrack, foresee: bool) -> None:
    """What the reward of a training asks for beside its laps, or how to ask."""
    if foresee:
        echo(f"course: {foresee_course(log).sentence}")
    elif is_run_folder(log.path):
        echo(f"what its reward asks for: racer analyze {log.path} --foresee (runs the reward)")


def _picture_folders(logs: list[LogOnTrack], output: Path | None) -> list[Path]:
    """Where the pictures of each log go: of several logs, into folders of their names under
    `output`.
    """
    if output is None:
        return [_usual_folder(log.path) for log in logs]
    if len(logs) == 1:
        return [output]
    names = [log.path.resolve().name.split(".")[0] for log in logs]
    folders = []
    for number, name in enumerate(names, 1):
        unique = name if names.count(name) == 1 else f"{name}-{number}"
        folders.append(output / unique)
    return folders


def _usual_folder(path: Path) -> Path:
    """Where pictures go when nobody says: here, into a folder that is named after the log."""
    path = path.expanduser()
    if path.exists():
        name = path.resolve().name
        name = name if path.is_dir() else name.split(".")[0]
    else:
        name = re.sub(r"\W+", "_", path.name).strip("_")
    return Path(f"{name or 'log'}-analysis")


def _try_to_draw(log: LogOnTrack, folder: Path, count: int) -> None:
    """Pictures that nobody asked for may fail: a log need not lie where one can write."""
    try:
        _draw_and_name(log, folder, count)
    except UsageError:
        sentence = f"no pictures, since {folder} cannot be written: give a folder with -o"
        echo(sentence, err=True)


def _draw_and_name(log: LogOnTrack, folder: Path, count: int) -> None:
    for picture in _draw_pictures(log, folder, count):
        echo(str(picture))


def _draw_pictures(log: LogOnTrack, folder: Path, count: int) -> list[Path]:
    """The pictures that fit the log, written to a folder. Raises UsageError."""
    from racer.plotting import race_figure, save_figure, training_figure

    figures = {}
    for phase, laps in laps_by_phase(log.laps):
        shown = laps[laps.index.isin(log.laps_on_track.index)]
        chosen = _best_laps(shown, count)
        race = race_figure(log.log.trace, shown, chosen, log.track)
        if phase == "evaluation":
            figures["race.png"] = race
        else:
            figures["training_laps.png"] = race
            figures["training_progress.png"] = training_figure(laps)
    return [save_figure(figure, folder / name) for name, figure in figures.items()]


def _best_laps(laps: pd.DataFrame, count: int) -> pd.DataFrame:
    from racer.analysis import fastest_laps

    if laps["complete"].any():
        return fastest_laps(laps, count)
    return laps.nlargest(count, "completion")


def _write_laps(logs: list[LogOnTrack], path: Path) -> None:
    """Every lap of the logs as CSV, with the path of its log and the name of its file in front."""
    import pandas as pd

    tables = []
    for log in logs:
        laps = log.laps.drop(columns=["source", "first_row", "last_row"])
        files = [log.log.sources[source].name for source in log.laps["source"]]
        laps.insert(0, "log", str(log.path))
        laps.insert(1, "file", files)
        tables.append(laps)
    write_file(path.expanduser(), pd.concat(tables).to_csv(index=False, float_format="%.6g"))


def _as_dict(log: LogOnTrack, pictures: list[Path]) -> dict[str, Any]:
    from racer.analysis import cut_sentences, whole_laps

    phases = dict(laps_by_phase(log.laps))
    training = NO_TRAINING
    if "training" in phases:
        training = _training_as_dict(log, whole_laps(phases["training"]))
    race = _lap_counts(whole_laps(phases["evaluation"])) if "evaluation" in phases else None
    files = [{fact: getattr(source, fact) for fact in FILE_FACTS} for source in log.log.sources]
    track = None
    if log.track is not None:
        track = {
            "name": log.track.name,
            "reversed": log.track.is_reversed,
            "agreement": log.log_track.agreement,
        }
    return {
        "log": str(log.path),
        "steps": len(log.log.trace),
        "bad_lines": log.log.bad_lines,
        "files": files,
        "notes": log.log.notes,
        "job": describe_job(log.log.job) or None,
        "track": track,
        "track_sentence": log.sentence,
        "race": race,
        "standing": log.standing or None,
        "bound": log.against_bound or None,
        "laps": table_as_dicts(log.laps),
        "cut": cut_sentences(log.laps, log.log),
        **training,
        "pictures": [str(path) for path in pictures],
    }


def _lap_counts(laps: pd.DataFrame) -> dict[str, Any]:
    """How many laps there were, how many complete, and the best and mean time of these."""
    times = laps["time"][laps["complete"]]
    return {
        "laps": len(laps),
        "complete": len(times),
        "best_time": known_number(float(times.min())),
        "mean_time": known_number(float(times.mean())),
    }


def _training_as_dict(log: LogOnTrack, laps: pd.DataFrame) -> dict[str, Any]:
    """What is told of a training alone."""
    from racer import analysis
    from racer.analysis import judge_convergence, lap_iterations

    trace, job = log.log.trace, log.log.job
    verdict = judge_convergence(laps, job.ppo, job.action_space)
    use = analysis.action_use(analysis.rows_of_laps(trace, laps), job.action_space)
    exits = []
    if log.track is not None:
        on_track = laps[laps.index.isin(log.laps_on_track.index)]
        exits = table_as_dicts(analysis.endings_by_corner(trace, on_track, log.track))
    counts = {
        **_lap_counts(laps),
        "iterations": int(lap_iterations(laps).nunique()),
        # whether file names tell them, or so many episodes are taken as one
        "iterations_are_known": not bool((laps["iteration"] < 0).any()),
    }
    return {
        "training": counts,
        "verdict": {"kind": verdict.kind, "since": verdict.since, "sentence": verdict.sentence},
        "iterations": table_as_dicts(iterations_with_entropy(laps, job.ppo)),
        "endings": table_as_dicts(analysis.endings_by_waypoint(trace, laps)),
        "exits": exits,
        "actions": table_as_dicts(use),
        "never_used": analysis.unused_actions(use),
    }
