"""Inputs of tests: params of a car placed on a track, and laps of a driver. Each is able to say
what it is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from racer.drivers import scripted as drivers
from racer.sim import placement as scene
from racer.sim.obstacles import Obstacles, obstacles_on
from racer.sim.params import Params, build_params
from racer.sim.state import Phase
from racer.track import library
from racer.track.track import Track

TrackLike = Track | str | os.PathLike[str]


class PlacedParams(dict[str, Any]):
    """The params of a car placed on a track: a plain dict that also knows how it was made (`place`,
    the arguments).
    """

    def __init__(self, told: Params, place: dict[str, Any]) -> None:
        super().__init__(told)
        self.place = place

    def __repr__(self) -> str:
        return f"at({', '.join(f'{name}={_shown(value)}' for name, value in self.place.items())})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # hypothesis prints its examples with this


@dataclass(frozen=True, eq=False)
class DrivenLap:
    """A driven lap: `params` of its steps in order, `lap_time` s (nan: not completed), `completion`
    %.
    """

    driver: str
    title: str
    track: str
    lap_time: float
    completion: float
    params: tuple[Params, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.params)

    def __str__(self) -> str:
        whole = self.lap_time == self.lap_time
        how = f"of {self.lap_time:.2f} s" if whole else f"that ends after {self.completion:.0f} %"
        return f"the {self.title} lap {how} on {self.track}"

    def __repr__(self) -> str:
        return f"lap({self.driver!r}, track={self.track!r}, steps={len(self)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


def as_track(track: TrackLike) -> Track:
    """The track of that name or file, or the track itself. Raises UsageError."""
    return track if isinstance(track, Track) else _loaded(os.fspath(track))


def placed(
    track: TrackLike,
    *,
    objects: Obstacles | Sequence[tuple[float, int]] | None = None,
    **place: Any,
) -> PlacedParams:
    """The params of a car on a track; the arguments are those of `racer.sim.placement.place`.

    `objects` are boxes: a list of (share of the lap, lane), lane -1 outer and 1 inner, or rows of
    `racer.sim.obstacles`.
    """
    way = scene.both_directions(as_track(track))[int(bool(place.get("reverse", False)))]
    boxes = (
        objects
        if isinstance(objects, np.ndarray) or objects is None
        else obstacles_on(way, list(objects))
    )
    told = scene.place(as_track(track), objects=boxes, **place)
    return PlacedParams(told, place if objects is None else {**place, "objects": objects})


@lru_cache(maxsize=64)
def lap(driver: str, track: Track, car: str = "v6", reverse: bool = False) -> DrivenLap:
    """What a driver of `racer.drivers.scripted.DRIVER_FAMILY` does on a track, from standstill at the
    start line. Raises UsageError.
    """
    drive = drivers.drive(track, driver, car, reverse=reverse)
    rows = drive.rows[drive.rows["phase"] == Phase.RUN]
    told = tuple(build_params(rows, drive.tracks))
    name = track.name + (" (reversed)" if reverse else "")
    return DrivenLap(drive.name, drive.title, name, drive.lap_time, drive.completion, told)


@lru_cache(maxsize=32)
def _loaded(track: str) -> Track:
    return library.load_track(track)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
