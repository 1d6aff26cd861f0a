"""`racer map`: what a reward function pays all over a track."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.completion import offer_rewards
from racer.cli.inputs import load_track_with_note
from racer.cli.tables import (
    ReverseOption,
    RewardArgument,
    RewardTimeoutOption,
    TrackOption,
    echo,
    echo_json,
    refuse_if,
)
from racer.track import DEFAULT_TRACK

if TYPE_CHECKING:
    from racer.diagnostics import MapSettings, MapSlice, RewardMap
    from racer.reward import RewardFunction
    from racer.track import Track

FRESH_INSTANCE_NOTE = (
    "every place has a fresh instance, called for the first step of an episode there and for the "
    "step before; what a longer drive leaves in it is not seen"
)
CENTERED_M = 0.005  # offsets below it are on the center line


AcrossOption = Annotated[
    list[int] | None,
    typer.Option(metavar="WAYPOINT", help="Cut the road here; may be repeated."),
]
MapPictureOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help="Draw it there (png, svg, pdf).",
        show_default="REWARD-map.png",
    ),
]


def map_command(
    reward: RewardArgument,
    track: TrackOption = DEFAULT_TRACK,
    speed: Annotated[float, typer.Option(help="m/s at every place.")] = 2.0,
    steering_deg: Annotated[float, typer.Option(help="Degrees at every place, + is left.")] = 0.0,
    heading_deg: Annotated[
        float, typer.Option(help="Degrees between the car and the road, + is left.")
    ] = 0.0,
    best_heading: Annotated[
        bool, typer.Option("--best-heading", help="The best paid heading at every place.")
    ] = False,
    minus: Annotated[
        str,
        typer.Option(
            metavar="REWARD",
            autocompletion=offer_rewards,
            help="Show how much more is paid than by this reward.",
        ),
    ] = "",
    across: AcrossOption = None,
    beside: Annotated[float, typer.Option(help="m beside the road that are shown too.")] = 0.25,
    cells: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=200_000,
            help="Places.",
            show_default="9000, 3500 with --best-heading",
        ),
    ] = None,
    reverse: ReverseOption = False,
    output: MapPictureOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a summary as JSON; a picture only with -o.")
    ] = False,
    reward_timeout: RewardTimeoutOption = 5.0,
) -> None:
    """Draw what a reward function pays at every place of a track, for one speed, steering and
    heading.

    racer map my_racer/reward.py
    racer map waypoint_heading --heading-deg 10 -o map.png
    """
    from racer.diagnostics import MapSettings, subtract_maps
    from racer.reward import load_reward

    refuse_if(
        best_heading and heading_deg,
        "--best-heading tries all headings: give it without --heading-deg",
    )
    functions = [load_reward(name) for name in (reward, minus) if name]
    driven = load_track_with_note(track, reverse)
    settings = MapSettings(speed, steering_deg, None if best_heading else heading_deg)
    places = {"waypoints": across, "cells": cells, "beside": beside}
    maps = _map_all(functions, driven, settings, places, reward_timeout)
    stateful = [
        function.filename
        for function, reward_map in zip(functions, maps, strict=True)
        if reward_map.keeps_state
    ]
    shown = subtract_maps(*maps) if minus else maps[0]
    title = " minus ".join(function.name for function in functions)
    if as_json:
        echo_json(_as_dict(title, driven, settings, shown, stateful))
    else:
        echo("\n".join(_sentences(title, driven, settings, shown, stateful)))
    if output or not as_json:
        path = output or Path(f"{title.replace(' ', '-')}-map.png")
        heading_title = f"{title}  ·  {_describe_settings(settings)}"
        _draw(shown, driven, heading_title, bool(minus), best_heading, path)
        echo(str(path), err=as_json)


def _map_all(
    functions: list[RewardFunction],
    track: Track,
    settings: MapSettings,
    places: dict[str, Any],
    timeout: float,
) -> list[RewardMap]:
    """A map of each of the reward functions; `places` says where, in the words of `map_reward`."""
    from racer.diagnostics import map_reward

    return [
        map_reward(function, track, settings, **places, timeout=timeout) for function in functions
    ]


def _sentences(
    title: str, track: Track, settings: MapSettings, reward_map: RewardMap, stateful: list[str]
) -> list[str]:
    """What the map shows, in words."""
    facts = _facts(track, reward_map)
    most, least, along = facts["most"], facts["least"], facts["along"]
    direction = " (reversed)" if track.is_reversed else ""
    lines = [
        f"{title} on {track.name}{direction}, {_describe_settings(settings)}: {facts['places']:,} places"
    ]
    lines += [f"note: {name} keeps state: {FRESH_INSTANCE_NOTE}" for name in stateful]
    if most["reward"] == least["reward"]:
        return [*lines, f"it is {most['reward']:.4g} at every place"]
    for name, place in (("most", most), ("least", least)):
        where = f"{_describe_offset(place['offset'])}, near waypoint {place['waypoint']}"
        lines.append(f"{name}: {place['reward']:.4g}, {where}")
    beside = "" if facts["beside"] is None else f", {facts['beside']:.4g} beside it"
    lines.append(f"mean: {facts['on_road']:.4g} on the road{beside}")
    lines.append(f"center line: {along['min']:.4g} to {along['max']:.4g}, mean {along['mean']:.4g}")
    for cut in facts["across"]:
        lines.append(f"across {cut['name']}: most {_describe_offset(cut['best_offset'])}")
    return lines


def _describe_settings(settings: MapSettings) -> str:
    if settings.heading_deg is None:
        heading = "best heading"
    elif settings.heading_deg == 0.0:
        heading = "along the road"
    else:
        heading = f"{settings.heading_deg:g} deg off the road"
    return f"{settings.speed:g} m/s, steering {settings.steering_deg:g} deg, {heading}"


def _describe_offset(offset: float) -> str:
    if abs(offset) < CENTERED_M:
        return "on the center line"
    side = "left" if offset > 0.0 else "right"
    return f"{abs(offset):.2f} m to the {side}"


def _facts(track: Track, reward_map: RewardMap) -> dict[str, Any]:
    """Numbers about a map, for sentences and JSON."""
    import numpy as np

    from racer.diagnostics import best_and_worst_place

    is_place = np.isfinite(reward_map.price)
    beside = reward_map.price[is_place & ~reward_map.on_road]
    most, least = best_and_worst_place(reward_map, track)
    across = [{**_slice_facts(cut), "best_offset": cut.best_place} for cut in reward_map.across]
    return {
        "places": int(is_place.sum()),
        "most": asdict(most),
        "least": asdict(least),
        "on_road": float(reward_map.price[reward_map.on_road].mean()),
        "beside": float(beside.mean()) if len(beside) else None,
        "along": _slice_facts(reward_map.along),
        "across": across,
    }


def _slice_facts(cut: MapSlice) -> dict[str, Any]:
    return {
        "name": cut.name,
        "min": float(cut.price.min()),
        "max": float(cut.price.max()),
        "mean": float(cut.price.mean()),
    }


def _draw(
    reward_map: RewardMap, track: Track, title: str, is_difference: bool, arrows: bool, path: Path
) -> None:
    from racer.plotting import reward_map_figure, save_figure

    figure = reward_map_figure(reward_map, track, title, is_difference=is_difference, arrows=arrows)
    save_figure(figure, path, dpi=110)


def _as_dict(
    title: str, track: Track, settings: MapSettings, reward_map: RewardMap, stateful: list[str]
) -> dict[str, Any]:
    slices = []
    for cut in (reward_map.along, *reward_map.across):
        slices.append({"name": cut.name, "at": cut.at.tolist(), "reward": cut.price.tolist()})
    return {
        "reward": title,
        "track": track.name,
        "reversed": track.is_reversed,
        **asdict(settings),
        "fresh_instances": stateful,
        **_facts(track, reward_map),
        "slices": slices,
    }
