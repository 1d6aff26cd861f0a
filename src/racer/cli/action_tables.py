"""Reviews and designs of action spaces, as text on the terminal and as plain data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from racer.cli.tables import new_table, print_table
from racer.records import MISSING, RecordTable

if TYPE_CHECKING:
    from racer.action_design.beam_search import CommandedDrive
    from racer.action_design.design import Design
    from racer.action_design.review import Review
    from racer.action_design.usage import ActionUsage
    from racer.vehicle.car import Car

MAX_ACTIONS_OF_PLACE = 3


def print_review(review: Review, usage: ActionUsage | None) -> None:
    """Print what an action space allows on a track, its actions, and what to change; `usage` is
    that of a run, by corner.
    """
    typer.echo(f"{review.track.name}, car {review.car.name}: {_describe_space(review)}")
    typer.echo(_describe_lap(review))
    if not review.space.is_continuous:
        print_table(_action_table(review, usage))
    if usage is not None:
        print_table(_place_table(review, usage))
    for advice in review.advice:
        typer.echo(f"{advice.kind}: {advice.sentence}")


def review_as_dict(review: Review, usage: ActionUsage | None) -> dict[str, Any]:
    """A review as plain data; what is missing is None."""
    actions = []
    for k, (steering_deg, speed) in enumerate(review.commands.tolist()):
        actions.append(
            {
                "action": k,
                "steering_angle": steering_deg,
                "speed": speed,
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
        "laps": review.best.laps if review.best else [],
        "lap_time": _lap_time(review.best),
        "free_lap_time": _lap_time(review.free),
        "bound": review.bound,
        "actions": actions,
        "turns": turns,
        "advice": [{"kind": advice.kind, "sentence": advice.sentence} for advice in review.advice],
        "run": usage_by_place,
    }


def print_design(design: Design, car: Car, output: Path, seconds: float) -> None:
    """Print the laps that a designed space allows, and its actions."""
    for track, before, after in zip(design.tracks, design.before, design.after, strict=True):
        free = f"{track.free.lap_time:.2f} s with all commands"
        bound = f"line's bound {track.line.lap_time:.2f} s"
        typer.echo(
            f"{track.track.name}, car {car.name}: {_format_lap(before)} from the clusters, "
            f"{_format_lap(after)} after {design.moves} changes ({free}, {bound})"
        )
    actions = zip(design.space.steering_deg, design.space.speed, strict=True)
    typer.echo("  ".join(_format_command(steer, speed, "/") for steer, speed in actions))
    count = f"{design.space.size} actions, in {seconds:.0f} s"
    typer.echo(f"{output}: {count}  (racer actions check {output})")


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
    bound = f"the line's own bound is {review.bound:.2f} s"
    best = review.best
    if best is None:
        return f"no lap found with them; {bound}"
    lap = f"fastest lap found: {best.lap_time:.2f} s"
    if len(best.laps) > 1:  # a flying lap
        lap = f"{lap}, {best.laps[0]:.2f} s from standstill"
        bound = f"{bound} ({best.lap_time / review.bound:.0%})"
    return f"{lap}, driven in the simulator and clean; {bound}"


def _action_table(review: Review, usage: ActionUsage | None) -> RecordTable:
    from racer.action_design.review import signed_angle

    heads = ["action", "steering °", "speed m/s", "wanted %", "taken %"]
    if usage is not None:
        heads.append("run %")
    table = new_table(*heads, "", text=("",))
    for k, (steering_deg, speed) in enumerate(review.commands):
        cells = [str(k), signed_angle(steering_deg), f"{speed:g}"]
        cells.append(_format_part(review.wanted[k], review.wanted.sum()))
        cells.append(_format_part(review.use[k], review.use.sum()))
        if usage is not None:
            cells.append(f"{100.0 * usage.fractions[k]:.0f}")
        cells.append("never useful" if k in review.unused_actions else "")
        table.add_row(*cells)
    return table


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
    from racer.action_design.review import signed_angle

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
