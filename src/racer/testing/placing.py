"""Inputs of tests: params of a car placed on a track, and driven laps. Both print as the call that
makes them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from racer.drivers import drive
from racer.sim import Obstacles, Params, Phase, both_directions, build_params, obstacles_on, place
from racer.track import Track, load_track
from racer.vehicle import DEFAULT_CAR

TrackLike = Track | str | os.PathLike[str]


class PlacedParams(dict[str, Any]):
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
    return PlacedParams(params, arguments)


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
        params=tuple(build_params(rows, driven.tracks)),
    )


@lru_cache(maxsize=32)
def _load_once(track: str) -> Track:
    return load_track(track)


def _format_argument(argument: Any) -> str:
    if isinstance(argument, float):
        return f"{argument:g}"
    return repr(argument)
