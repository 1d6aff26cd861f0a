"""What is painted on the ground, as outlines: the road with its white borders, the dashed center line, a start line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.sensors.palette import BORDER, CENTER, ROAD
from racer.sensors.world import is_of_2022
from racer.track.record import Track

Array = NDArray[np.float64]

BORDER_WIDTH = 0.0762  # m, inside the road (SIMULATOR.md 5.2)
DASH, GAP, DASH_WIDTH = 0.0508, 0.0508, 0.0254  # m
DASHES_FROM = 0.04  # m after the first waypoint: two real frames of reinvent_base agree (benchmarks/camera_fit.py)
START_WIDTH = 0.1  # m along the road


def marks(track: Track, phase: float = DASHES_FROM) -> list[tuple[Array, int]]:
    """Edges (E, 4) of outlines, x0, y0, x1, y1, m, and the material within them by the even-odd rule, bottom first.

    The first dash of the center line begins `phase` m after the first waypoint.
    """
    rings = [track.outer, track.inner]
    if not track.is_loop:
        rings = [np.concatenate([track.outer, track.inner[::-1], track.outer[:1]])]
    painted = [(_edges(rings), BORDER), (_edges(_asphalt(track, rings)), ROAD), (_dashes(track, phase), CENTER)]
    return [*painted, (_start_line(track), BORDER)] if is_of_2022(track.name) else painted


def _asphalt(track: Track, rings: Sequence[Array]) -> list[Array]:
    """Outlines of the road without its white borders, which run along the sides and not across the ends."""
    import shapely

    sides = shapely.union_all([shapely.LineString(line) for line in (track.outer, track.inner)])
    whole = shapely.Polygon(rings[0], rings[1:]) if len(rings) == 1 or _is_outside(*rings[:2]) else None
    whole = shapely.Polygon(rings[1], rings[:1]) if whole is None else whole
    within = shapely.make_valid(whole).difference(sides.buffer(BORDER_WIDTH, join_style="mitre"))
    parts = [part for part in shapely.get_parts(within) if part.geom_type == "Polygon"]
    return [np.asarray(ring.coords) for part in parts for ring in (part.exterior, *part.interiors)]


def _is_outside(ring: Array, other: Array) -> bool:
    return abs(geometry.signed_area(ring)) >= abs(geometry.signed_area(other))


def _edges(rings: Sequence[Array]) -> Array:
    return np.concatenate([np.empty((0, 4)), *(np.column_stack([ring[:-1], ring[1:]]) for ring in rings)])


def _dashes(track: Track, phase: float) -> Array:
    """Edges of the dashes, a whole number of them around a loop."""
    center = track.center[::-1] if track.is_reversed else track.center
    length = track.length
    count = max(round(length / (DASH + GAP)), 1)
    begin: Array = np.arange(count, dtype=np.float64) * (length / count) + phase
    end = begin + DASH
    if track.is_loop:
        begin, end = begin % length, end % length
    return _strips(geometry.point_at(center, begin), geometry.point_at(center, end), DASH_WIDTH)


def _start_line(track: Track) -> Array:
    """Edges of a bar across the road at the first waypoint."""
    side = np.stack([geometry.nearest_point(line, track.center[:1])[0] for line in (track.inner, track.outer)])
    return _strips(side[:1], side[1:], START_WIDTH)


def _strips(begin: Array, end: Array, width: float) -> Array:
    """(4K, 4) edges of K rectangles around strokes from `begin` to `end` (K, 2)."""
    way = end - begin
    aside = 0.5 * width * np.column_stack([-way[:, 1], way[:, 0]]) / np.hypot(*way.T)[:, None]
    corners = np.stack([begin + aside, begin - aside, end - aside, end + aside], axis=1)
    return np.concatenate([corners, np.roll(corners, -1, axis=1)], axis=2).reshape(-1, 4)
