"""What a search for fast laps looks to: a lap that is known, by the place on the center line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.raceline.line import Line
from racer.sim.state import State
from racer.track.record import Track

Array = NDArray[np.float64]

SPACING = 0.1  # m of center line between the places of a guide
SPEED, ASIDE, HEADING, TIME = range(4)


@dataclass(frozen=True, eq=False)
class Guide:
    """A lap by arc length of the center line: rows at equally spaced places, the last one a lap after the first.

    `table` (P + 1, 4): speed, m/s; m to the left of the center line; heading, rad, without jumps; s since the start.
    """

    table: Array
    spacing: float  # m
    length: float  # m, of the center line


def from_line(line: Line, track: Track) -> Guide:
    """The fastest drive along a line as a guide."""
    place = line.place - track.length * (line.place > line.place[-1])  # the first points may lie before the start
    closed = [line.speed, line.aside, line.time, place]
    xy = line.xy
    if line.is_loop:
        xy = np.vstack([xy, xy[:1]])
        ends = (line.speed[0], line.aside[0], line.lap_time, place[0] + track.length)
        closed = [np.append(values, end) for values, end in zip(closed, ends, strict=True)]
    way = np.gradient(xy, axis=0)
    if line.is_loop:
        way[0] = way[-1] = xy[1] - xy[-2]
    speed, aside, time, place = closed
    return _guide(place, speed, aside, np.unwrap(np.arctan2(way[:, 1], way[:, 0])), time, track)


def from_lap(rows: State, track: Track) -> Guide:
    """A lap that was driven as a guide: `rows` (T,) from one start line to the next."""
    s = np.unwrap(rows["s"], period=track.length) if track.is_loop else rows["s"]
    s = s - track.length * np.round(s[0] / track.length)
    aside = np.where(rows["left"], rows["distance"], -rows["distance"])
    return _guide(s, rows["vx"], aside, np.unwrap(rows["yaw"]), rows["clock"], track)


def _guide(s: Array, speed: Array, aside: Array, heading: Array, time: Array, track: Track) -> Guide:
    s = np.maximum.accumulate(s)  # a line may turn back beside a sharp bend of the center line
    count = max(round(track.length / SPACING), 8)
    at = np.linspace(0.0, track.length, count + 1)
    table = np.column_stack([np.interp(at, s, values) for values in (speed, aside, heading, time)])
    table[:, TIME] -= table[0, TIME]
    return Guide(table, track.length / count, track.length)
