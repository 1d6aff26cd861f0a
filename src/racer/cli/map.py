"""`racer map`: what a reward function pays all over a track."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.inputs import load_track_with_note
from racer.errors import UsageError

if TYPE_CHECKING:
    from racer.diagnostics.reward_map import MapSettings, MapSlice, RewardMap
    from racer.track.track import Track

Option = typer.Option

FRESH_INSTANCE_NOTE = (
    "every place is the first call of a fresh instance, so what it pays for a change is not seen"
)


def map_command(
    reward: Annotated[
        str, typer.Argument(metavar="REWARD", help="A reward file, or the name of a shipped one.")
    ],
    track: Annotated[str, Option(help="A track's name, .toml or .npy file.")] = "reinvent_2018",
    speed: Annotated[float, Option(help="m/s at every place.")] = 2.0,
    steering: Annotated[float, Option(help="Degrees at every place, + is left.")] = 0.0,
    heading: Annotated[
        float, Option(help="Degrees between the car and the road, + is left.")
    ] = 0.0,
    best_heading: Annotated[
        bool, Option("--best-heading", help="The best paid heading at every place.")
    ] = False,
    minus: Annotated[
        str, Option(metavar="REWARD", help="Show how much more is paid than by this reward.")
    ] = "",
    across: Annotated[
        list[int] | None, Option(metavar="WAYPOINT", help="Cut the road here; may be repeated.")
    ] = None,
    beside: Annotated[float, Option(help="m beside the road that are shown too.")] = 0.25,
    cells: Annotated[
        int | None, Option(min=1, max=200_000, help="Places.  [default: 9000, or 3500]")
    ] = None,
    reverse: Annotated[bool, Option("--reverse", help="The track driven the other way.")] = False,
    output: Annotated[
        Path | None,
        Option(
            "-o", "--output", help="Where to draw it (png, svg, pdf).  [default: REWARD-map.png]"
        ),
    ] = None,
    as_json: Annotated[
        bool, Option("--json", help="Print a summary as JSON; a picture only with -o.")
    ] = False,
    reward_timeout: Annotated[
        float, Option(help="Seconds that a call may take; 0: any time.")
    ] = 5.0,
) -> None:
    """Draw what a reward function pays at every place of a track, for one speed, steering and
    heading.
    """
    from racer.diagnostics.reward_map import MapSettings, map_reward, subtract_maps
    from racer.reward import load_reward

    if best_heading and heading:
        raise UsageError("--best-heading tries all headings: give it without --heading")
    files = [load_reward(name) for name in (reward, *([minus] if minus else []))]
    road = load_track_with_note(track)
    road = road.reversed() if reverse else road
    question = MapSettings(speed, steering, None if best_heading else heading)
    asked = {"waypoints": across, "cells": cells, "beside": beside, "timeout": reward_timeout}
    found = [map_reward(file, road, question, **asked) for file in files]  # type: ignore[arg-type]
    shown = subtract_maps(*found) if minus else found[0]
    title = f"{files[0].name} minus {files[1].name}" if minus else files[0].name
    fresh = [file.filename for file, one in zip(files, found, strict=True) if one.keeps_state]
    if as_json:
        typer.echo(json.dumps(_as_json(title, road, question, shown, fresh), indent=2))
    else:
        typer.echo("\n".join(_sentences(title, road, question, shown, fresh)))
    if output or not as_json:
        name = title.replace(" ", "-")
        drawn = _drawn(
            shown,
            road,
            f"{title}  ·  {_how(question)}",
            bool(minus),
            best_heading,
            output or Path(f"{name}-map.png"),
        )
        typer.echo(str(drawn), err=as_json)


def _sentences(
    title: str, road: Track, question: MapSettings, found: RewardMap, fresh: list[str]
) -> list[str]:
    """What the map shows, in words."""
    facts = _facts(road, found)
    way = " (reversed)" if road.is_reversed else ""
    lines = [f"{title} on {road.name}{way}, {_how(question)}: {facts['places']:,} places"]
    lines += [f"note: {name} keeps state: {FRESH_INSTANCE_NOTE}" for name in fresh]
    if facts["most"]["reward"] == facts["least"]["reward"]:
        return [*lines, f"it is {facts['most']['reward']:.4g} at every place"]
    for word in ("most", "least"):
        one = facts[word]
        place = f"{_side(one['offset'])}, near waypoint {one['waypoint']}"
        lines.append(f"{word}: {one['reward']:.4g}, {place}")
    off = "" if facts["beside"] is None else f", {facts['beside']:.4g} beside it"
    lines.append(f"mean: {facts['on_road']:.4g} on the road{off}")
    along = facts["along"]
    lines.append(f"center line: {along['min']:.4g} to {along['max']:.4g}, mean {along['mean']:.4g}")
    lines += [f"across {one['name']}: most {_side(one['best_offset'])}" for one in facts["across"]]
    return lines


def _how(question: MapSettings) -> str:
    heading = (
        "best heading"
        if question.heading_deg is None
        else f"{question.heading_deg:g} deg off the road"
    )
    if question.heading_deg == 0.0:
        heading = "along the road"
    return f"{question.speed:g} m/s, steering {question.steering_deg:g} deg, {heading}"


def _side(offset: float) -> str:
    if abs(offset) < 0.005:
        return "on the center line"
    return f"{abs(offset):.2f} m to the {'left' if offset > 0.0 else 'right'}"


def _facts(road: Track, found: RewardMap) -> dict[str, Any]:
    """Numbers about a map, for sentences and JSON."""
    import numpy as np

    beside = np.isfinite(found.price) & ~found.on_road
    return {
        "places": int(np.isfinite(found.price).sum()),
        "most": _spot(road, found, int(np.nanargmax(found.price))),
        "least": _spot(road, found, int(np.nanargmin(found.price))),
        "on_road": float(found.price[found.on_road].mean()),
        "beside": float(found.price[beside].mean()) if beside.any() else None,
        "along": _range(found.along),
        "across": [{**_range(one), "best_offset": _middle_of_best(one)} for one in found.across],
    }


def _spot(road: Track, found: RewardMap, index: int) -> dict[str, Any]:
    import numpy as np

    from racer import geometry

    row, column = divmod(index, found.price.shape[1])
    spot = np.array([[found.x[column], found.y[row]]])
    _, segment, foot = geometry.project_points(road.center, spot)
    step, away = road.center[segment[0] + 1] - road.center[segment[0]], (spot - foot)[0]
    left = step[0] * away[1] - step[1] * away[0]
    return {
        "reward": float(found.price[row, column]),
        "x": float(spot[0, 0]),
        "y": float(spot[0, 1]),
        "waypoint": int(segment[0]),
        "offset": float(np.copysign(np.hypot(*away), left)),
        "heading_deg": float(found.heading_deg[row, column]),
    }


def _range(one: MapSlice) -> dict[str, Any]:
    price = one.price
    return {
        "name": one.name,
        "min": float(price.min()),
        "max": float(price.max()),
        "mean": float(price.mean()),
    }


def _middle_of_best(one: MapSlice) -> float:
    """Offset in the middle of the best paid places of a cut, m to the left."""
    best = one.at[one.price >= one.price.max() - 1e-12]
    return float(best[abs(best - 0.5 * (best[0] + best[-1])).argmin()])


def _drawn(
    found: RewardMap, road: Track, title: str, is_difference: bool, arrows: bool, output: Path
) -> Path:
    from racer.plotting import style
    from racer.plotting.reward_map import reward_map_figure

    figure = reward_map_figure(found, road, title, is_difference=is_difference, arrows=arrows)
    return style.save_figure(figure, output, dpi=110)


def _as_json(
    title: str, road: Track, question: MapSettings, found: RewardMap, fresh: list[str]
) -> dict[str, Any]:
    asked = {
        "speed": question.speed,
        "steering_deg": question.steering_deg,
        "heading_deg": question.heading_deg,
    }
    slices = [
        {"name": one.name, "at": one.at.tolist(), "reward": one.price.tolist()}
        for one in (found.along, *found.across)
    ]
    head = {
        "reward": title,
        "track": road.name,
        "reversed": road.is_reversed,
        **asked,
        "fresh_instances": fresh,
    }
    return {**head, **_facts(road, found), "slices": slices}
