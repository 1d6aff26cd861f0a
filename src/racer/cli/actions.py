"""`racer actions`: what an action space allows on a track, and a designed one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from racer.cli.completion import offer_runs, offer_tracks
from racer.cli.inputs import (
    LogOnTrack,
    load_track_with_note,
    read_log_on_track,
    resolve_logs,
)
from racer.cli.progress import show_count_bar
from racer.cli.tables import (
    CarOfActionsOption,
    JsonOption,
    PictureOption,
    RoutesOption,
    echo,
    echo_json,
    format_count,
    new_table,
    print_table,
    refuse_if,
)
from racer.errors import UsageError
from racer.records import MISSING, RecordTable
from racer.track import DEFAULT_TRACK
from racer.vehicle import DEFAULT_CAR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from racer.action_design import ActionUsage, CommandedDrive, Design, Review
    from racer.logs import Log
    from racer.raceline import RacingLine
    from racer.track import Track
    from racer.vehicle import ActionSpace, Car, Metadata


MAX_ACTIONS_OF_PLACE = 3
LOGGED_DIGIT = 0.01  # of a command, degrees and m/s, as the simulator writes it

app = typer.Typer(
    help="Say what an action space allows on a track, and design one.", no_args_is_help=True
)

TracksOption = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        autocompletion=offer_tracks,
        help="A track's name, or a .toml or .npy file; may be repeated.",
        show_default=f"{DEFAULT_TRACK}, or the run's",
    ),
]
ReverseTracksOption = Annotated[
    bool, typer.Option("--reverse", help="Drive the tracks the other way.")
]


def print_review(review: Review, usage: ActionUsage | None) -> None:
    """Print what an action space allows on a track, its actions, and what to change; `usage` is
    that of a run, by corner.
    """
    echo(f"{review.track.name}, car {review.car.name}: {_describe_space(review)}")
    echo(_describe_lap(review))
    if not review.space.is_continuous:
        print_table(_action_table(review, usage))
    if usage is not None:
        print_table(_place_table(review, usage))
    for advice in review.advice:
        echo(f"{advice.kind}: {advice.sentence}")


def review_as_dict(
    review: Review, usage: ActionUsage | None, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """A review as plain data; what is missing is None."""
    actions = []
    given = _given_commands(review)
    for k, (steering_deg, speed) in enumerate(review.commands.tolist()):
        actions.append(
            {
                "action": k,
                "steering_angle": steering_deg,
                "speed": speed,
                "given_steering_angle": given[k][0],
                "given_speed": given[k][1],
                "wanted": int(review.wanted[k]),
                "taken": int(review.use[k]),
                "useless": k in review.unused_actions,
            }
        )
    turns = []
    for bend, tightest in review.turns:
        smallest = tightest.radius if tightest else None
        turns.append({"corner": bend.corner.name, "radius": bend.radius, "smallest": smallest})
    usage_by_place = None
    if usage is not None:
        usage_by_place = {
            name: usage.counts[:, place].tolist() for place, name in enumerate(usage.places)
        }
    return {
        "track": review.track.name,
        "car": review.car.name,
        "can_lap": review.can_lap,
        "driven_lap_time": review.driven,
        "laps": review.best.laps if review.best else [],
        "lap_time": _lap_time(review.best),
        "free_lap_time": _lap_time(review.free),
        "bound": review.bound,
        "actions": actions,
        "turns": turns,
        "advice": [{"kind": advice.kind, "sentence": advice.sentence} for advice in review.advice],
        "run": usage_by_place,
        "notes": list(notes),
    }


def print_design(design: Design, car: Car, output: Path, seconds: float) -> None:
    """Print the laps that a designed space allows, and its actions."""
    for track, before, after in zip(design.tracks, design.before, design.after, strict=True):
        changes = format_count(design.moves, "change")
        echo(
            f"{track.track.name}, car {car.name}: {_format_lap(after)} is the fastest lap found with "
            f"these actions ({_format_lap(before)} before {changes}, "
            f"{track.free.lap_time:.2f} s with all commands)"
        )
    actions = zip(design.space.steering_deg, design.space.speed, strict=True)
    echo("  ".join(_format_command(steer, speed, "/") for steer, speed in actions))
    count = f"{design.space.size} actions, in {seconds:.0f} s"
    echo(f"{output}: {count}  (racer actions check {output})")


def design_as_dict(design: Design, output: Path, seconds: float) -> dict[str, Any]:
    """A design as plain data; what is missing is None."""
    tracks = []
    for track, before, after in zip(design.tracks, design.before, design.after, strict=True):
        tracks.append(
            {
                "track": track.track.name,
                "before": _lap_time(before),
                "after": _lap_time(after),
                "free": track.free.lap_time,
                "bound": track.line.lap_time,
            }
        )
    actions = []
    for steering_deg, speed in zip(design.space.steering_deg, design.space.speed, strict=True):
        actions.append({"steering_angle": steering_deg, "speed": speed})
    return {
        "file": str(output),
        "seconds": round(seconds, 1),
        "moves": design.moves,
        "tracks": tracks,
        "actions": actions,
    }


def _describe_space(review: Review) -> str:
    space = review.space
    if not space.is_continuous:
        return f"{space.size} actions"
    steering = f"{min(space.steering_deg):g} to {max(space.steering_deg):g}°"
    speed = f"{min(space.speed):g} to {max(space.speed):g} m/s"
    grid = f"searched on a grid of {len(review.commands)} commands"
    return f"continuous, {steering}, {speed} ({grid})"


def _describe_lap(review: Review) -> str:
    bound = f"the bound with all the road that the rules allow is {review.bound:.2f} s"
    if review.bound < review.line.lap_time:
        bound = f"the line that led the search would take {review.line.lap_time:.2f} s"
    best = review.best
    if best is None:
        return f"no lap found with them; {bound}"
    lap = f"fastest lap found: {best.lap_time:.2f} s"
    if len(best.laps) > 1:  # a flying lap
        lap = f"{lap}, {best.laps[0]:.2f} s from standstill"
        bound = f"{bound} ({best.lap_time / review.bound:.0%})"
    return f"{lap}, driven in the simulator without an incident; {bound}"


def _action_table(review: Review, usage: ActionUsage | None) -> RecordTable:
    from racer.action_design import signed_angle

    heads = ["action", "steering °", "speed m/s", "wanted %", "taken %"]
    given = _given_commands(review)
    is_clipped = given != review.commands.tolist()
    if is_clipped:
        heads.insert(3, "the car does")
    if usage is not None:
        heads.append("run %")
    table = new_table(*heads, "", text=("",))
    for k, (steering_deg, speed) in enumerate(given):
        cells = [str(k), signed_angle(steering_deg), f"{speed:g}"]
        if is_clipped:
            done_steering_deg, done_speed = review.commands[k]
            cells.append(_format_command(done_steering_deg, done_speed, "/"))
        cells.append(_format_part(review.wanted[k], review.wanted.sum()))
        cells.append(_format_part(review.use[k], review.use.sum()))
        if usage is not None:
            cells.append(f"{100.0 * usage.fractions[k]:.0f}")
        cells.append("never useful" if k in review.unused_actions else "")
        table.add_row(*cells)
    return table


def _given_commands(review: Review) -> list[list[float]]:
    """Steering, deg, and speed, m/s, of each action as the file says them; the grid of a continuous
    space.
    """
    space = review.space
    commands: list[list[float]] = review.commands.tolist()
    if not space.is_continuous:
        commands = np.column_stack([space.steering_deg, space.speed]).astype(float).tolist()
    return commands


def _place_table(review: Review, usage: ActionUsage) -> RecordTable:
    heads = ("place", "steps", "what the run takes there")
    table = new_table(*heads, text=("place", "what the run takes there"))
    for place, name in enumerate(usage.places):
        taken = []
        for k, fraction in usage.most(place)[:MAX_ACTIONS_OF_PLACE]:
            steering_deg, speed = review.commands[k]
            taken.append(f"{_format_command(steering_deg, speed, ' ')} m/s {fraction:.0%}")
        table.add_row(name, str(int(usage.counts[:, place].sum())), ", ".join(taken))
    return table


def _format_command(steering_deg: float, speed: float, separator: str) -> str:
    from racer.action_design import signed_angle

    return f"{signed_angle(steering_deg)}°{separator}{speed:g}"


def _format_part(part: int, whole: int) -> str:
    """A part in percent."""
    if not whole:
        return MISSING
    return f"{100.0 * part / whole:.0f}"


def _format_lap(lap: CommandedDrive | None) -> str:
    if lap is None:
        return "no lap"
    return f"{lap.lap_time:.2f} s"


def _lap_time(lap: CommandedDrive | None) -> float | None:
    if lap is None:
        return None
    return lap.lap_time


@app.command("check")
def actions_check_command(
    actions: Annotated[
        Path | None,
        typer.Argument(
            metavar="[ACTIONS]",
            help="A model_metadata.json; that of --run unless given.",
            show_default=False,
        ),
    ] = None,
    track: TracksOption = None,
    car: CarOfActionsOption = None,
    line: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A .csv or .npy of racer line, to lead the search.",
            show_default="found now",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="A run (also as @1) or log: what its policy takes where.",
            show_default=False,
            callback=resolve_logs,
            autocompletion=offer_runs,
        ),
    ] = None,
    tracks: RoutesOption = None,
    reverse: ReverseTracksOption = False,
    output: PictureOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which actions the fastest lap needs, which it never takes, and what lap they allow at
    best.

    Exit code 1 when no lap is found with them, nor in the log of --run. The search takes some seconds for each track.

    racer actions check my_racer/model_metadata.json
    racer actions check --run @last --json
    """
    from racer.action_design import review_space
    from racer.vehicle import car_preset

    log = None
    if run:
        log = _read_run(run, track[0] if track else "", tracks)
    metadata = _read_actions(actions, log)
    model = car_preset(car or metadata.car)
    if log is not None and log.track is not None:
        checked = [log.track]
    else:
        checked = _load_tracks(track, reverse)
    too_many = f"but there are {len(checked)}"
    if len(checked) > 1:
        refuse_if(output, f"-o {output} is one picture, {too_many} tracks: check them one by one")
        refuse_if(line, f"--line {line} is of one track, {too_many}: check them one by one")
    space = metadata.action_space
    driven = _driven_lap_time(log, space)
    reviews = [
        review_space(one, model, space, _leading_line(one, model, line), driven=driven)
        for one in checked
    ]
    by_corner, by_cell = _usage_of_log(log, reviews[0])
    _show_reviews(reviews, by_corner, metadata.notes, as_json)
    if output is not None:
        from racer.plotting import review_figure

        _draw(lambda: review_figure(reviews[0], by_cell), output)
    if not all(review.can_lap for review in reviews):
        raise typer.Exit(1)


def _show_reviews(
    reviews: list[Review], usage: ActionUsage | None, notes: Sequence[str], as_json: bool
) -> None:
    if as_json:
        rows = [review_as_dict(review, usage, notes) for review in reviews]
        echo_json(rows)
        return
    for note in notes:
        echo(f"note: {note}")
    for review in reviews:
        print_review(review, usage)


@app.command("design")
def actions_design_command(
    track: TracksOption = None,
    car: CarOfActionsOption = None,
    k: Annotated[int, typer.Option("--actions", "-k", help="How many actions, 2 to 30.")] = 12,
    reverse: ReverseTracksOption = False,
    output: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Where it is written.")
    ] = Path("model_metadata.json"),
    picture: Annotated[
        Path | None, typer.Option(help="Draw it there (png, svg, pdf).", show_default=False)
    ] = None,
    trials: Annotated[
        int, typer.Option(min=0, help="Changes that are tried, each with a search on every track.")
    ] = 24,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a file that is there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Design an action space from the commands of the fastest drive, and write it as
    model_metadata.json.

    racer actions design --track oval
    racer actions design -k 8 -o actions.json --picture actions.png
    """
    refuse_if(
        output.exists() and not replace,
        f"{output} is there already: name another file with -o, or give --replace",
    )
    from racer.action_design import check_action_count, design_space, prepare_track
    from racer.vehicle import Metadata, car_preset, write_metadata

    check_action_count(k)
    start = time.monotonic()
    model = car_preset(car or DEFAULT_CAR)
    tracks = _load_tracks(track, reverse)
    prepared = [prepare_track(one, model, _leading_line(one, model)) for one in tracks]
    with show_count_bar("improving", is_shown=not as_json) as report:
        design = design_space(prepared, model, k, trials, report)
    version = float(model.name.removeprefix("v"))
    write_metadata(Metadata(design.space, version=version), output.expanduser())
    seconds = time.monotonic() - start
    if as_json:
        echo_json(design_as_dict(design, output, seconds))
    else:
        print_design(design, model, output, seconds)
    if picture is not None:
        from racer.plotting import design_figure

        _draw(lambda: design_figure(design), picture)


def _read_run(path: Path, track: str, routes: Path | None) -> LogOnTrack:
    log = read_log_on_track(path, track, routes)
    if log.track is None:
        raise UsageError(f"{path}: {log.sentence}")
    return log


def _read_actions(path: Path | None, log: LogOnTrack | None) -> Metadata:
    """The action space in a file, or else that of a log."""
    from racer.vehicle import Metadata, read_metadata

    if path is not None:
        return read_metadata(path)
    if log is None:
        raise UsageError(
            "which actions? racer actions check model_metadata.json --track reinvent_2018, or --run FOLDER"
        )
    job = log.log.job
    if job.action_space is None:
        raise UsageError(
            f"{log.path} does not say its action space: name its model_metadata.json, too"
        )
    car = job.car or DEFAULT_CAR
    return Metadata(job.action_space, version=float(car.removeprefix("v")))


def _driven_lap_time(log: LogOnTrack | None, space: ActionSpace) -> float | None:
    """s of the fastest complete lap of a log that was driven with that space; None without one."""
    from racer.cli.inputs import best_lap_time

    if log is None or not _is_of_space(log.log, space):
        return None
    return best_lap_time(log.laps_on_track)


def _is_of_space(log: Log, space: ActionSpace) -> bool:
    """Whether a log was driven with that space: by its metadata, or by the commands in it where it
    has none.
    """
    if log.job.action_space is not None:
        return log.job.action_space == space
    trace = log.trace[log.trace["episode_status"] == "in_progress"]
    driven = trace[["steer", "throttle"]].drop_duplicates().to_numpy(float)
    if not len(driven):
        return False
    known = np.column_stack([space.steering_deg, space.speed])
    if space.is_continuous:
        lowest, highest = known.min(axis=0), known.max(axis=0)
        return bool(np.all((driven >= lowest - LOGGED_DIGIT) & (driven <= highest + LOGGED_DIGIT)))
    away = np.abs(driven[:, None] - known[None]).max(axis=2).min(axis=1)
    return bool(np.all(away <= LOGGED_DIGIT))


def _load_tracks(names: list[str] | None, reverse: bool) -> list[Track]:
    return [load_track_with_note(name, reverse) for name in names or [DEFAULT_TRACK]]


def _leading_line(track: Track, car: Car, file: Path | None = None) -> RacingLine:
    """The line in a file, or one with as much of the road as the rules leave to a car."""
    from racer.raceline import WIDEST_MARGIN_M, racing_line, read_line

    if file is not None:
        return read_line(file, track)
    return racing_line(track, car, WIDEST_MARGIN_M)


def _usage_of_log(
    log: LogOnTrack | None, review: Review
) -> tuple[ActionUsage | None, ActionUsage | None]:
    """What the policy of a log took by corner and by cell: in its races, or in the latest iteration
    where there are none. None without a log.
    """
    if log is None:
        return None, None
    from racer.action_design import counting_rows, usage_by_cell, usage_by_corner
    from racer.analysis import lap_iterations, lap_phases, rows_of_laps

    laps = log.laps_on_track
    is_race = lap_phases(laps) == "evaluation"
    if is_race.any():
        counted = laps[is_race]
    else:
        iterations = lap_iterations(laps)
        counted = laps[iterations == iterations.max()]
    rows = counting_rows(rows_of_laps(log.log.trace, counted))
    by_corner = usage_by_corner(rows, review.track, review.commands)
    return by_corner, usage_by_cell(rows, review.track, review.commands)


def _draw(make_figure: Callable[[], Figure], path: Path) -> None:
    from racer.plotting import save_figure, style_context

    with style_context():
        save_figure(make_figure(), path)
    echo(str(path), err=True)
