"""What one wants to know about a track before driving it: length, width, turns, tightest radius."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.track.record import Track

Array = NDArray[np.float64]

WINDOW = 0.3
"""Curvature is that of the circle through three points this far apart along the lap, m, or a waypoint if farther."""

BEND = 0.1
"""A road of more curvature than this, 1/m, bends: its radius is under 10 m, 50 times the car's wheelbase."""

TURN = np.radians(15.0)
"""A bend that turns less than this, rad, is a kink and no turn."""


@dataclass(frozen=True)
class Facts:
    """Numbers about one track: m and rad, x y of the start line, counts of turns to either side."""

    length: float
    width_min: float
    width_median: float
    width_max: float
    waypoints: int
    turns_left: int
    turns_right: int
    radius_min: float
    direction: str
    start_x: float
    start_y: float
    start_heading: float


def facts(track: Track) -> Facts:
    """The facts of `track`."""
    width, kappa, step = track.width, curvature(track), track.center[1] - track.center[0]
    turns = turning(track)
    return Facts(
        length=track.length,
        width_min=float(width.min()),
        width_median=float(np.median(width)),
        width_max=float(width.max()),
        waypoints=len(track.center),
        turns_left=int(np.sum(turns > 0)),
        turns_right=int(np.sum(turns < 0)),
        radius_min=float(1.0 / max(np.abs(kappa).max(), 1e-9)),
        direction=direction(track),
        start_x=float(track.center[0, 0]),
        start_y=float(track.center[0, 1]),
        start_heading=float(np.arctan2(step[1], step[0])),
    )


def direction(track: Track) -> str:
    """`counterclockwise`, `clockwise` or, for a road that is no loop, `open`."""
    if not track.is_loop:
        return "open"
    return "counterclockwise" if track.is_ccw else "clockwise"


def curvature(track: Track) -> Array:
    """(W,) curvature of the center line at every waypoint, 1/m, left positive; 0 within reach of an open end.

    Taken over `WINDOW`, for waypoints of real routes are a few millimeters off and seams would count as corners.
    """
    reach = max(WINDOW, float(np.median(np.diff(track.s))))
    before, after = (_at(track, track.s + shift) for shift in (-reach, reach))
    one, two = track.center - before, after - track.center
    size = np.hypot(*one.T) * np.hypot(*two.T) * np.hypot(*(after - before).T)
    kappa = 2.0 * (one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
    return np.asarray(np.divide(kappa, size, out=np.zeros_like(size), where=size > 1e-9))


def turning(track: Track) -> Array:
    """(T,) rad turned in each turn of the lap, left positive, in driving order from the first turn's entry."""
    kappa, step = curvature(track)[:-1], np.diff(track.s)
    side = np.sign(kappa) * (np.abs(kappa) > BEND)
    if track.is_loop and (side != side[-1]).any():
        first = int(np.flatnonzero(side != np.roll(side, 1))[0])
        kappa, step, side = (np.roll(each, -first) for each in (kappa, step, side))
    runs = np.split(kappa * step * (side != 0), np.flatnonzero(np.diff(side)) + 1)
    turned = np.array([run.sum() for run in runs])
    return np.asarray(turned[np.abs(turned) > TURN])


def _at(track: Track, s: Array) -> Array:
    """(W, 2) points of the center line at `s` m, around the lap on a loop, not beyond the ends otherwise."""
    inside = np.mod(s, track.length) if track.is_loop else np.clip(s, 0.0, track.length)
    return geometry.point_at(track.center, inside)
