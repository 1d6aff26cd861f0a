"""`racer actions`: what an action space allows on a track, and a designed one."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.errors import UsageError
from racer.files import make_folder
from racer.track import library
from racer.track.library import DEFAULT_TRACK
from racer.vehicle.car import DEFAULT_CAR

if TYPE_CHECKING:
    from collections.abc import Callable

    from racer.action_design.design import Design
    from racer.action_design.review import Review
    from racer.action_design.usage import ActionUsage
    from racer.raceline.minimum_time import RacingLine
    from racer.track.track import Track
    from racer.vehicle.car import Car
    from racer.vehicle.metadata import Metadata

Option = typer.Option
app = typer.Typer(
    help="Say what an action space allows on a track, and design one.", no_args_is_help=True
)

Tracks = Annotated[
    list[str] | None,
    Option(
        "--track",
        help="A track's name, .toml or .npy file; may be repeated.  [default: reinvent_2018, or the run's]",
    ),
]
Model = Annotated[
    str | None,
    Option("--car", help="v4, v5 or v6.  [default: what the action space says, else v6]"),
]
Reverse = Annotated[bool, Option("--reverse", help="Drive the tracks the other way.")]
AsJson = Annotated[bool, Option("--json", help="Print JSON.")]


@app.command()
def check(
    actions: Annotated[
        Path | None,
        typer.Argument(
            metavar="[ACTIONS]",
            help="A model_metadata.json; that of --run unless given.",
            show_default=False,
        ),
    ] = None,
    track: Tracks = None,
    car: Model = None,
    line: Annotated[
        Path | None,
        Option(help="A .csv or .npy of racer line, to lead the search.  [default: found now]"),
    ] = None,
    run: Annotated[
        Path | None, Option(help="A run or log: what its policy takes where.", show_default=False)
    ] = None,
    reverse: Reverse = False,
    output: Annotated[
        Path | None, Option("-o", "--output", help="Draw it there (png, svg, pdf).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which actions the fastest lap needs, which it never takes, and what lap they allow at
    best.

    Exit code 1 when no lap is found with them. The search takes some seconds for each track.
    """
    from racer.action_design.review import review_space

    driven = _Driven(run, track[0] if track else "") if run else None
    metadata = _metadata(actions, driven)
    model = _car(car, metadata.car)
    roads = _roads(track, reverse, driven)
    if output is not None and len(roads) > 1:
        raise UsageError(
            f"-o {output} is one picture, but there are {len(roads)} tracks: check them one by one"
        )
    if line is not None and len(roads) > 1:
        raise UsageError(
            f"--line {line} is of one track, but there are {len(roads)}: check them one by one"
        )
    seen = [
        review_space(road, model, metadata.action_space, _line(road, model, line)) for road in roads
    ]
    uses = driven.use(seen[0]) if driven else (None, None)
    if as_json:
        typer.echo(
            json.dumps([_as_json(one, uses[0] if driven else None) for one in seen], indent=2)
        )
    else:
        for one in seen:
            _print(one, uses[0])
    if output is not None:
        _draw(lambda: _review_figure(seen[0], uses[1]), output)
    if not all(one.can_lap for one in seen):
        raise typer.Exit(1)


@app.command()
def design(
    track: Tracks = None,
    car: Model = None,
    k: Annotated[int, Option("-k", help="Actions, 2 to 30.")] = 12,
    reverse: Reverse = False,
    output: Annotated[
        Path, Option("-o", "--output", help="Where the model_metadata.json goes.")
    ] = Path("model_metadata.json"),
    picture: Annotated[
        Path | None, Option(help="Draw it there (png, svg, pdf).", show_default=False)
    ] = None,
    trials: Annotated[
        int, Option(min=0, help="Changes that are tried, each with a search on every track.")
    ] = 24,
    replace: Annotated[bool, Option("--replace", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Design an action space from the commands of the fastest drive, and write it as
    model_metadata.json.
    """
    if output.exists() and not replace:
        raise UsageError(f"{output} is there already: name another file with -o, or give --replace")
    from racer.action_design import design as designing
    from racer.vehicle.metadata import Metadata, write_metadata

    designing.check_action_count(k)
    began = time.monotonic()
    model = _car(car, DEFAULT_CAR)
    courses = [
        designing.prepare_track(road, model, _line(road, model))
        for road in _roads(track, reverse, None)
    ]
    with _Bar(not as_json) as report:
        found = designing.design_space(courses, model, k, trials, report)
    make_folder(output.expanduser().parent)
    write_metadata(Metadata(found.space, version=_version(model)), output.expanduser())
    seconds = time.monotonic() - began
    if as_json:
        typer.echo(json.dumps(_design_json(found, output, seconds), indent=2))
    else:
        _print_design(found, model, output, seconds)
    if picture is not None:
        _draw(lambda: _design_figure(found), picture)


class _Driven:
    """A log with its laps: what a policy did (a class: it reads the log once, for its space and its
    use).
    """

    def __init__(self, path: Path, name: str) -> None:
        from racer.cli.inputs import read_log_on_track

        self.placed = read_log_on_track(path, name, None)
        if self.placed.track is None:
            raise UsageError(f"{path}: {self.placed.sentence}")

    def use(self, seen: Review) -> tuple[ActionUsage, ActionUsage]:
        """Use by corner and by cell: of its races, or of the latest iteration where there are none."""
        from racer.action_design.usage import counting_rows, usage_by_cell, usage_by_corner
        from racer.analysis import lap_iterations, lap_phases, rows_of_laps

        laps = self.placed.laps_on_track
        phase = lap_phases(laps)
        latest = lap_iterations(laps) == lap_iterations(laps).max()
        rows = counting_rows(
            rows_of_laps(
                self.placed.log.trace,
                laps[phase == "evaluation"] if (phase == "evaluation").any() else laps[latest],
            )
        )
        return usage_by_corner(rows, seen.track, seen.commands), usage_by_cell(
            rows, seen.track, seen.commands
        )


class _Bar:
    """A progress bar on a terminal: a context that gives a function (done, total) (a class: rich's
    own contract).
    """

    def __init__(self, shown: bool) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._progress = Progress(
            console=console, disable=not (shown and console.is_terminal), transient=True
        )
        self._task = self._progress.add_task("improving", total=None)

    def __enter__(self) -> Callable[[int, int], None]:
        self._progress.start()
        return lambda done, total: self._progress.update(self._task, completed=done, total=total)

    def __exit__(self, *error: object) -> None:
        self._progress.stop()


def _metadata(actions: Path | None, driven: _Driven | None) -> Metadata:
    from racer.vehicle.metadata import Metadata, read_metadata

    if actions is not None:
        return read_metadata(actions)
    if driven is None:
        raise UsageError(
            "which actions? racer actions check model_metadata.json --track reinvent_2018, or --run FOLDER"
        )
    job = driven.placed.log.job
    if job.action_space is None:
        raise UsageError(
            f"{driven.placed.path} does not say its action space: name its model_metadata.json, too"
        )
    return Metadata(job.action_space, version=float((job.car or DEFAULT_CAR)[1:]))


def _car(name: str | None, usual: str) -> Car:
    from racer.vehicle.car import car_preset

    return car_preset(name or usual)


def _version(car: Car) -> float:
    return float(car.name.removeprefix("v"))


def _roads(names: list[str] | None, reverse: bool, driven: _Driven | None) -> list[Track]:
    if driven is not None and driven.placed.track is not None:
        return [driven.placed.track]
    roads = [library.load_track(name) for name in names or [DEFAULT_TRACK]]
    return [road.reversed() for road in roads] if reverse else roads


def _line(road: Track, car: Car, file: Path | None = None) -> RacingLine:
    """The line in a file, or one with as much of the road as the rules leave to a car."""
    from racer.raceline import files as line_file
    from racer.raceline.minimum_time import WIDEST_MARGIN_M, racing_line

    return (
        racing_line(road, car, WIDEST_MARGIN_M) if file is None else line_file.read_line(file, road)
    )


# ---- what is printed


def _print(seen: Review, use: ActionUsage | None) -> None:
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{seen.track.name}, car {seen.car.name}: {_what(seen)}", markup=False)
    console.print(_lap_words(seen), markup=False)
    if not seen.space.is_continuous:
        console.print(_table(seen, use))
    if use is not None:
        console.print(_places(seen, use))
    for advice in seen.advice:
        console.print(f"{advice.kind}: {advice.sentence}", markup=False)


def _what(seen: Review) -> str:
    if seen.space.is_continuous:
        steer, speed = seen.space.steering_deg, seen.space.speed
        ranges = f"{min(steer):g} to {max(steer):g}°, {min(speed):g} to {max(speed):g} m/s"
        return f"continuous, {ranges} (searched on a grid of {len(seen.commands)} commands)"
    return f"{seen.space.size} actions"


def _lap_words(seen: Review) -> str:
    line = f"the line's own bound is {seen.bound:.2f} s"
    if seen.best is None:
        return f"no lap found with them; {line}"
    flying = len(seen.best.laps) > 1
    start = f", {seen.best.laps[0]:.2f} s from standstill" if flying else ""
    share = f" ({seen.best.lap_time / seen.bound:.0%})" if flying else ""
    return f"fastest lap found: {seen.best.lap_time:.2f} s{start}, driven in the simulator and clean; {line}{share}"


def _table(seen: Review, use: ActionUsage | None) -> Any:
    from racer.action_design.review import signed_angle

    heads = (
        "action",
        "steering °",
        "speed m/s",
        "wanted %",
        "taken %",
        *(("run %",) if use else ()),
        "",
    )
    table = _empty(*heads)
    for k, (steer, speed) in enumerate(seen.commands):
        wanted, taken = (_percent(column[k], column.sum()) for column in (seen.wanted, seen.use))
        words = "never useful" if k in seen.unused_actions else ""
        mine = (f"{100.0 * use.fractions[k]:.0f}",) if use else ()
        table.add_row(str(k), f"{signed_angle(steer)}", f"{speed:g}", wanted, taken, *mine, words)
    return table


def _places(seen: Review, use: ActionUsage) -> Any:
    from racer.action_design.review import signed_angle

    table = _empty("place", "steps", "what the run takes there")
    for p, name in enumerate(use.places):
        took = [
            f"{signed_angle(seen.commands[k][0])}° {seen.commands[k][1]:g} m/s {share:.0%}"
            for k, share in use.most(p)[:3]
        ]
        table.add_row(name, str(int(use.counts[:, p].sum())), ", ".join(took))
    return table


def _empty(*heads: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in heads:
        is_text = head in ("", "place", "what the run takes there")
        table.add_column(head, justify="left" if is_text else "right", no_wrap=True)
    return table


def _percent(part: int, whole: int) -> str:
    return f"{100.0 * part / whole:.0f}" if whole else "-"


def _print_design(found: Design, car: Car, output: Path, seconds: float) -> None:
    from racer.action_design.review import signed_angle

    for course, before, after in zip(found.tracks, found.before, found.after, strict=True):
        laps = [f"{lap.lap_time:.2f} s" if lap else "no lap" for lap in (before, after)]
        free = f"{course.free.lap_time:.2f} s with all commands, line's bound {course.line.lap_time:.2f} s"
        course_of = f"{course.track.name}, car {car.name}: {laps[0]} from the clusters"
        typer.echo(f"{course_of}, {laps[1]} after {found.moves} changes ({free})")
    pairs = zip(found.space.steering_deg, found.space.speed, strict=True)
    typer.echo("  ".join(f"{signed_angle(steer)}°/{speed:g}" for steer, speed in pairs))
    typer.echo(
        f"{output}: {found.space.size} actions, in {seconds:.0f} s  (racer actions check {output})"
    )


# ---- as data


def _as_json(seen: Review, use: ActionUsage | None) -> dict[str, Any]:
    commands = [
        {
            "action": k,
            "steering_angle": float(steer),
            "speed": float(speed),
            "wanted": int(seen.wanted[k]),
            "taken": int(seen.use[k]),
            "useless": k in seen.unused_actions,
        }
        for k, (steer, speed) in enumerate(seen.commands)
    ]
    turns = [
        {
            "corner": bend.corner.name,
            "radius": bend.radius,
            "smallest": tight.radius if tight else None,
        }
        for bend, tight in seen.turns
    ]
    by_place = (
        {name: use.counts[:, p].tolist() for p, name in enumerate(use.places)} if use else None
    )
    return {
        "track": seen.track.name,
        "car": seen.car.name,
        "can_lap": seen.can_lap,
        "laps": seen.best.laps if seen.best else [],
        "lap_time": seen.best.lap_time if seen.best else None,
        "free_lap_time": seen.free.lap_time if seen.free else None,
        "bound": seen.bound,
        "actions": commands,
        "turns": turns,
        "advice": [{"kind": advice.kind, "sentence": advice.sentence} for advice in seen.advice],
        "run": by_place,
    }


def _design_json(found: Design, output: Path, seconds: float) -> dict[str, Any]:
    tracks = [
        {
            "track": course.track.name,
            "before": before.lap_time if before else None,
            "after": after.lap_time if after else None,
            "free": course.free.lap_time,
            "bound": course.line.lap_time,
        }
        for course, before, after in zip(found.tracks, found.before, found.after, strict=True)
    ]
    pairs = zip(found.space.steering_deg, found.space.speed, strict=True)
    actions = [{"steering_angle": steer, "speed": speed} for steer, speed in pairs]
    return {
        "file": str(output),
        "seconds": round(seconds, 1),
        "moves": found.moves,
        "tracks": tracks,
        "actions": actions,
    }


# ---- pictures


def _draw(figure: Callable[[], Any], path: Path) -> None:
    from racer.plotting import style

    with style.style_context():
        style.save_figure(figure(), path)
    typer.echo(str(path), err=True)


def _review_figure(seen: Review, use: ActionUsage | None) -> Any:
    from racer.plotting import review_figure

    return review_figure(seen, use)


def _design_figure(found: Design) -> Any:
    from racer.plotting import design_figure

    return design_figure(found)
