"""Cars put on a road for tests of a reward, and what a failed test says."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from racer.drivers import drive
from racer.sim import Obstacles, Phase, both_directions, build_params, obstacles_on, place
from racer.track import Track, load_track
from racer.vehicle import DEFAULT_CAR

if TYPE_CHECKING:
    from racer.diagnostics import Foresight

TrackLike = Track | str | os.PathLike[str]


Params = dict[str, Any]

MAX_PARAM_CHARS = 80


class PlacedParams(Params):
    """The params of a car placed on a track: a plain dict that also knows the arguments it was made
    with (`arguments`).
    """

    def __init__(self, params: Params, arguments: dict[str, Any]) -> None:
        super().__init__(params)
        self.arguments = arguments

    def __repr__(self) -> str:
        arguments = [f"{name}={_format_argument(x)}" for name, x in self.arguments.items()]
        return f"at({', '.join(arguments)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # hypothesis prints its examples with this


@dataclass(frozen=True, eq=False)
class DrivenLap:
    """A driven lap: `params` of its steps in order, `lap_time` in s (nan if it was not completed),
    `completion` in percent.
    """

    driver: str
    title: str
    track: str
    lap_time: float
    completion: float
    params: tuple[Params, ...] = field(repr=False)

    @property
    def is_complete(self) -> bool:
        """Whether the car came around."""
        return not np.isnan(self.lap_time)

    def __len__(self) -> int:
        return len(self.params)

    def __str__(self) -> str:
        if self.is_complete:
            return f"the {self.title} lap of {self.lap_time:.2f} s on {self.track}"
        return f"the {self.title} lap that ends after {self.completion:.0f} % on {self.track}"

    def __repr__(self) -> str:
        return f"lap({self.driver!r}, track={self.track!r}, steps={len(self)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


def as_track(track: TrackLike) -> Track:
    """The track of that name or file, or the track itself. Raises UsageError."""
    if isinstance(track, Track):
        return track
    return _load_once(os.fspath(track))


def placed(
    track: TrackLike,
    *,
    objects: Obstacles | Sequence[tuple[float, int]] | None = None,
    **arguments: Any,
) -> PlacedParams:
    """The params of a car on a track; the arguments are those of `racer.sim.params.place`.

    `objects` are boxes: a list of (fraction of the lap, lane), lane -1 outer and 1 inner, or rows
    of `racer.sim.obstacles`. Raises UsageError for a place that cannot be.

    Examples
    --------
    >>> params = placed("oval", waypoint=5, offset=-0.1)
    >>> params
    at(waypoint=5, offset=-0.1)
    >>> params["is_left_of_center"]
    False
    """
    known_track = as_track(track)
    obstacles = objects
    if obstacles is not None and not isinstance(obstacles, np.ndarray):
        forward, backward = both_directions(known_track)
        driven = backward if arguments.get("reverse", False) else forward
        obstacles = obstacles_on(driven, list(obstacles))
    params = place(known_track, objects=obstacles, **arguments)
    if objects is not None:
        arguments["objects"] = objects
    return PlacedParams(dict(params), arguments)


@lru_cache(maxsize=64)
def lap(driver: str, track: Track, car: str = DEFAULT_CAR, reverse: bool = False) -> DrivenLap:
    """What a driver of `racer.drivers.scripted.DRIVER_FAMILY` does on a track, from standstill at
    the start line. Raises UsageError.
    """
    driven = drive(track, driver, car, reverse=reverse)
    rows = driven.rows[driven.rows["phase"] == Phase.RUN]
    return DrivenLap(
        driver=driven.name,
        title=driven.title,
        track=f"{track.name} (reversed)" if reverse else track.name,
        lap_time=driven.lap_time,
        completion=driven.completion,
        params=tuple(dict(params) for params in build_params(rows, driven.tracks)),
    )


@lru_cache(maxsize=32)
def _load_once(track: str) -> Track:
    return load_track(track)


def _format_argument(argument: Any) -> str:
    if isinstance(argument, float):
        return f"{argument:g}"
    return repr(argument)


class PaidCase(NamedTuple):
    """Params or a lap, and what is paid for them."""

    case: Params | DrivenLap
    pay: float

    def __str__(self) -> str:
        return f"{_describe_case(self.case)} is paid {_format_pay(self.pay)}"


def not_preferred_message(
    name: str, this: PaidCase, other: PaidCase, by: float, gamma: float | None
) -> str:
    """Why `prefers` fails."""
    margin = f" by more than {by:g}" if by else ""
    discount = f" at gamma {gamma:g}" if gamma is not None else ""
    lines = [f"{name} does not prefer the first{margin}{discount}:", f"  {this}", f"  {other}"]
    if not isinstance(this.case, DrivenLap) and not isinstance(other.case, DrivenLap):
        lines += _compare_params(this.case, other.case)
    return "\n".join(lines)


def refused_message(name: str, track: str, case: PlacedParams, complaint: str) -> str:
    """Why `never_raises` fails."""
    lines = [
        f"{name} stops the job on {track}, the smallest example being",
        f"  {case!r}",
        complaint,
        *list_params(case),
    ]
    return "\n".join(lines)


def not_monotonic_message(
    name: str, argument: str, sign: int, pair: Sequence[PaidCase], track: str
) -> str:
    """Why `increases_with` (`sign` 1) or `decreases_with` (-1) fails."""
    less, more = pair
    if less.pay == more.pay:
        comparison = "the same"
    elif sign > 0:
        comparison = "less"
    else:
        comparison = "more"
    lines = [
        f"{name} pays {comparison} for more {argument} on {track}, the smallest example being",
        f"  {less}",
        f"  {more}",
        *_compare_params(less.case, more.case),
    ]
    return "\n".join(lines)


def indifferent_message(name: str, argument: str, count: int, track: str) -> str:
    """Why they fail when nothing changes anywhere."""
    return f"{name} pays the same whatever {argument} is: {count} pairs of places on {track} were tried"


def not_mirrored_message(name: str, track: str, original: PaidCase, image: PaidCase) -> str:
    """Why `mirror_invariant` fails."""
    lines = [
        f"{name} pays a place and its mirror image differently, the smallest example being",
        f"  {original.case!r} on {track} is paid {_format_pay(original.pay)}",
        f"  {image.case!r} on its mirror image is paid {_format_pay(image.pay)}",
        *_compare_params(original.case, image.case),
    ]
    return "\n".join(lines)


def not_asked_message(name: str, wish: str, foresight: Foresight) -> str:
    """Why `asks_for` fails: what was foreseen instead."""
    return "\n".join([f"{name} does not ask for {wish} on {foresight.track.name}:", str(foresight)])


def asked_message(name: str, foresight: Foresight) -> str:
    """Why `never_asks_for` fails: what was foreseen."""
    return "\n".join(
        [f"{name} asks for {foresight.kind} on {foresight.track.name}:", str(foresight)]
    )


def list_params(params: Params) -> list[str]:
    """The params, a key a line; waypoints are counted, not listed."""
    lines = [f"  {key}: {format_param(key, param)}" for key, param in params.items()]
    return ["with the params", *lines]


def format_param(key: str, param: Any) -> str:
    """One of the params in a line."""
    if key == "waypoints":
        return f"{len(param)} points"
    if isinstance(param, float):
        return f"{param:.6g}"
    try:
        text = json.dumps(param)
    except (TypeError, ValueError):
        text = repr(param)
    if len(text) > MAX_PARAM_CHARS:
        return text[: MAX_PARAM_CHARS - 3] + "..."
    return text


def _compare_params(first: Any, second: Any) -> list[str]:
    """The params of the first, and those of the second where they differ."""
    lines = ["with the params (of the first | of the second, where they differ)"]
    for key in dict.fromkeys((*first, *second)):
        texts = [_format_if_there(key, params) for params in (first, second)]
        lines.append(f"  {key}: {' | '.join(dict.fromkeys(texts))}")
    return lines


def _format_if_there(key: str, params: Params) -> str:
    if key not in params:
        return "absent"
    return format_param(key, params[key])


def _describe_case(case: Params | DrivenLap) -> str:
    if isinstance(case, DrivenLap):
        return str(case)
    if isinstance(case, PlacedParams):
        return repr(case)
    return "a dict of params"


def _format_pay(pay: float) -> str:
    if math.isfinite(pay):
        return f"{pay:.6g}"
    return str(pay)
