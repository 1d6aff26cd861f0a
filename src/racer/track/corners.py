"""The corners of a track as a racing engineer numbers them, found from the curvature of its center
line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.track.track import Track

Array = NDArray[np.float64]

CURVATURE_WINDOW_M = 0.3
"""Curvature is that of the circle through three points this far apart along the lap, m, or a waypoint if farther."""

BEND_CURVATURE = 0.1
"""A road of more curvature than this, 1/m, bends: its radius is under 10 m, 50 times the car's wheelbase."""

LEAST_TURN_RAD = np.radians(15.0)
"""A bend that turns less than this, rad, is a kink and no turn."""


@dataclass(frozen=True)
class TrackFacts:
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


def track_facts(track: Track) -> TrackFacts:
    """The facts of `track`."""
    width, kappa, step = track.width, track_curvature(track), track.center[1] - track.center[0]
    turns = turn_angles(track)
    return TrackFacts(
        length=track.length,
        width_min=float(width.min()),
        width_median=float(np.median(width)),
        width_max=float(width.max()),
        waypoints=len(track.center),
        turns_left=int(np.sum(turns > 0)),
        turns_right=int(np.sum(turns < 0)),
        radius_min=float(1.0 / max(np.abs(kappa).max(), 1e-9)),
        direction=driving_direction(track),
        start_x=float(track.center[0, 0]),
        start_y=float(track.center[0, 1]),
        start_heading=float(np.arctan2(step[1], step[0])),
    )


def driving_direction(track: Track) -> str:
    """`counterclockwise`, `clockwise` or, for a road that is no loop, `open`."""
    if not track.is_loop:
        return "open"
    return "counterclockwise" if track.is_ccw else "clockwise"


def track_curvature(track: Track) -> Array:
    """(W,) curvature of the center line at every waypoint, 1/m, left positive; 0 within reach of an
    open end.

    Taken over `WINDOW`, for waypoints of real routes are a few millimeters off and seams would
    count as corners.
    """
    reach = max(CURVATURE_WINDOW_M, float(np.median(np.diff(track.s))))
    before, after = (_at(track, track.s + shift) for shift in (-reach, reach))
    one, two = track.center - before, after - track.center
    size = np.hypot(*one.T) * np.hypot(*two.T) * np.hypot(*(after - before).T)
    kappa = 2.0 * (one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
    return np.asarray(np.divide(kappa, size, out=np.zeros_like(size), where=size > 1e-9))


def turn_angles(track: Track) -> Array:
    """(T,) rad turned in each turn of the lap, left positive, in driving order from the first
    turn's entry.
    """
    kappa, step = track_curvature(track)[:-1], np.diff(track.s)
    side = np.sign(kappa) * (np.abs(kappa) > BEND_CURVATURE)
    if track.is_loop and (side != side[-1]).any():
        first = int(np.flatnonzero(side != np.roll(side, 1))[0])
        kappa, step, side = (np.roll(each, -first) for each in (kappa, step, side))
    runs = np.split(kappa * step * (side != 0), np.flatnonzero(np.diff(side)) + 1)
    turned = np.array([run.sum() for run in runs])
    return np.asarray(turned[np.abs(turned) > LEAST_TURN_RAD])


def _at(track: Track, s: Array) -> Array:
    """(W, 2) points of the center line at `s` m, around the lap on a loop, not beyond the ends
    otherwise.
    """
    inside = np.mod(s, track.length) if track.is_loop else np.clip(s, 0.0, track.length)
    return geometry.point_at(track.center, inside)


CURVATURE_SPACING_M = 0.05  # m between the samples of the curvature
# m, deviation of the bell that the curvature is smoothed with: a third of a road's width
SMOOTHING_M = 0.35
EDGE_FRACTION = 0.3  # of its tightest curvature: where that is reached, a corner begins and ends
# of the lesser of two peaks: two bends to one side are two corners when the road between falls
# below it
VALLEY_FRACTION = 0.4
LEAST_CORNER_RAD = np.radians(20.0)  # a bend that turns less is a kink in a straight
_PEAK = 0.85  # of the tightest curvature: the stretch whose middle is the apex

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Corner:
    """A corner. `start`, `apex`, `end`: m of arc length from the start line, in driving direction.

    `end` is less than `start` where the corner spans the start line. `angle` is what the road turns
    in it, rad, positive to the left; `radius` that of the center line where it is tightest, m.
    """

    name: str
    start: float
    apex: float
    end: float
    angle: float
    radius: float


def find_corners(track: Track) -> tuple[Corner, ...]:
    """The corners of a track, T1, T2, ... in driving direction from its start line, by their apex.

    Bends to the same side are one corner as long as the road between them stays bent (see
    `VALLEY`); what turns less than `LEAST_ANGLE` is none.
    """
    road = _sampled(track)
    found = [_corner(road, rows) for rows in _bends(road.kappa)]
    moved = [_moved(one, road.origin, track) for one in found if abs(one.angle) >= LEAST_CORNER_RAD]
    ordered = sorted(moved, key=lambda one: one.apex)
    return tuple(replace(one, name=f"T{k}") for k, one in enumerate(ordered, 1))


def is_inside_corner(corner: Corner, s: Array) -> NDArray[np.bool_]:
    """(N,) whether arc lengths `s` (N,) m from the start line lie in a corner."""
    if corner.start <= corner.end:
        return np.asarray((s >= corner.start) & (s <= corner.end))
    return np.asarray((s >= corner.start) | (s <= corner.end))


@dataclass(frozen=True, eq=False)
class _Samples:
    """The lap at equal steps of `spacing` m from `origin` m behind the start line, where it bends
    least.
    """

    kappa: Array  # (S,) 1/m, smoothed
    sharp: Array  # (S,) 1/m, not smoothed
    heading: Array  # (S,) rad, without jumps
    spacing: float
    origin: float


def _sampled(track: Track) -> _Samples:
    count = max(round(track.length / CURVATURE_SPACING_M), 8)
    s = np.linspace(0.0, track.length, count, endpoint=not track.is_loop)
    spacing = float(s[1] - s[0])
    sharp = np.interp(s, track.s, track_curvature(track))
    kappa = _smooth(sharp, spacing, track.is_loop)
    shift = int(np.argmin(np.abs(kappa))) if track.is_loop else 0
    heading = np.unwrap(np.angle(np.roll(_directions(track, s), -shift)))
    return _Samples(
        np.roll(kappa, -shift), np.roll(sharp, -shift), heading, spacing, shift * spacing
    )


def _smooth(values: Array, spacing: float, is_loop: bool) -> Array:
    """`values` (S,) under a bell of deviation `SMOOTH` m, around the lap on a loop."""
    reach = min(int(np.ceil(3.0 * SMOOTHING_M / spacing)), len(values) - 1)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) * spacing / SMOOTHING_M) ** 2)
    around = np.pad(values, reach, mode="wrap" if is_loop else "edge")
    return np.convolve(around, bell / bell.sum(), mode="valid")


def _directions(track: Track, s: Array) -> NDArray[np.complex128]:
    """(S,) chords of the center line around arc lengths `s` m, as x + iy, as long as curvature's
    window.
    """
    both = np.stack([s - CURVATURE_WINDOW_M / 2, s + CURVATURE_WINDOW_M / 2])
    ends = np.mod(both, track.length) if track.is_loop else np.clip(both, 0.0, track.length)
    chord = geometry.point_at(track.center, ends[1]) - geometry.point_at(track.center, ends[0])
    return np.asarray(chord[:, 0] + 1j * chord[:, 1])


def _bends(kappa: Array) -> list[Index]:
    """Samples of each bend, in driving order: runs to one side, cut where they are nearly straight
    in between.
    """
    side = np.sign(kappa) * (np.abs(kappa) > BEND_CURVATURE)
    runs = np.split(np.arange(len(kappa)), np.flatnonzero(np.diff(side)) + 1)
    pieces = [piece for run in runs if side[run[0]] for piece in _cut(np.abs(kappa), run)]
    return [
        piece[np.abs(kappa[piece]) >= EDGE_FRACTION * np.abs(kappa[piece]).max()]
        for piece in pieces
    ]


def _cut(size: Array, run: Index) -> list[Index]:
    """`run`, cut at its deepest valley (compared with the lesser of the peaks around it), and so on
    in both parts.
    """
    rise, fall = np.maximum.accumulate(size[run]), np.maximum.accumulate(size[run][::-1])[::-1]
    depth = size[run] / np.minimum(rise, fall)
    lowest = int(np.argmin(depth))
    if depth[lowest] >= VALLEY_FRACTION:
        return [run]
    return [*_cut(size, run[:lowest]), *_cut(size, run[lowest:])]


def _corner(road: _Samples, rows: Index) -> Corner:
    """The corner that takes up `rows` (first to last) of the samples; its s counts from the first
    sample.
    """
    first, last = int(rows[0]), int(rows[-1])
    size = np.abs(road.kappa[first : last + 1])
    weight = np.where(size >= _PEAK * size.max(), size, 0.0)
    apex = first + float(np.interp(0.5, np.cumsum(weight) / weight.sum(), np.arange(len(size))))
    tight = max(float(np.abs(road.sharp[first : last + 1]).max()), 1e-9)
    angle = float(road.heading[last] - road.heading[first])
    start, apex, end = (road.spacing * place for place in (first, apex, last))
    return Corner("", start, apex, end, angle, 1.0 / tight)


def _moved(corner: Corner, origin: float, track: Track) -> Corner:
    """The corner with its s counted from the start line, not from `origin` m behind it."""
    places = (corner.start + origin, corner.apex + origin, corner.end + origin)
    start, apex, end = (s % track.length if track.is_loop else s for s in places)
    return replace(corner, start=start, apex=apex, end=end)
