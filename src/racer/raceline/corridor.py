"""The road in curvilinear coordinates: a smooth reference line, its curvature, and the room to
either side of it.

The center line of a route is a chain of chords, some of them ragged; a line found on it would copy
every kink. So the reference is the center line made smooth, while the room along its normals ends
at the true borders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.track.track import Track

Array = NDArray[np.float64]

STATION_SPACING_M = 0.2  # m between the stations of a corridor
SMOOTHING_M = 0.3  # m, deviation of the bell under which the center line is made smooth
FINE_SPACING_M = 0.03  # m between the samples that are made smooth
# m of road before and after a station in which its borders are looked for: roads may cross
# themselves
NEARBY_ROAD_M = 3.0
# times the distance of a border: a ray that reaches it no sooner runs along a ragged one
RAGGED_FACTOR = 1.4
INSIDE_FRACTION = 0.9  # of the radius of the reference line: so far a line may go to its inside


@dataclass(frozen=True, eq=False)
class Corridor:
    """M stations on a smooth reference line, equally spaced in driving order; on a loop the first
    is not repeated.
    """

    s: Array  # (M,) m along the reference line
    xy: Array  # (M, 2) m
    heading: Array  # (M,) rad, without jumps
    kappa: Array  # (M,) 1/m, of the reference line
    left: Array  # (M,) m of road to the left
    right: Array
    spacing: float  # m
    is_loop: bool

    @property
    def normal(self) -> Array:
        """(M, 2) unit vectors to the left."""
        return np.column_stack([-np.sin(self.heading), np.cos(self.heading)])

    def offset(self, aside: Array | float) -> Array:
        """(M, 2) m the line that runs `aside` m to the left of the reference line."""
        return np.asarray(self.xy + np.broadcast_to(aside, len(self.xy))[:, None] * self.normal)

    def room(self, margin: float) -> tuple[Array, Array]:
        """(M,) lowest and highest m to the left of the reference line of a point `margin` m within
        the borders.
        """
        low, high = margin - self.right, self.left - margin
        inside = INSIDE_FRACTION / np.maximum(np.abs(self.kappa), 1e-9)
        low = np.where(self.kappa < 0.0, np.maximum(low, -inside), low)
        high = np.where(self.kappa > 0.0, np.minimum(high, inside), high)
        middle = 0.5 * (low + high)
        return np.minimum(low, middle), np.maximum(high, middle)


def build_corridor(track: Track, spacing: float = STATION_SPACING_M) -> Corridor:
    """The corridor of a track as it is driven, with stations about `spacing` m apart."""
    fine = _smoothed(track)
    length = float(geometry.arc_length(np.vstack([fine, fine[:1]]) if track.is_loop else fine)[-1])
    count = max(round(length / spacing), 16)
    s = np.linspace(0.0, length, count + 1)[: count if track.is_loop else None]
    xy, heading, kappa = _along(fine, s, track.is_loop)
    left, right = border_distances(track, xy, heading)
    return Corridor(s, xy, heading, kappa, left, right, length / count, track.is_loop)


def _smoothed(track: Track) -> Array:
    """(F, 2) the center line at small equal steps, smoothed; on a loop the first point is not
    repeated.
    """
    count = max(round(track.length / FINE_SPACING_M), 64)
    s = np.linspace(0.0, track.length, count, endpoint=not track.is_loop)
    xy, spacing = geometry.point_at(track.center, s), float(s[1])
    reach = min(int(4.0 * SMOOTHING_M / spacing), count - 1)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) * spacing / SMOOTHING_M) ** 2)
    if track.is_loop:
        wide = np.pad(xy, ((reach, reach), (0, 0)), mode="wrap")
    else:  # mirrored at its ends, so that they stay where they are
        ahead, after = 2.0 * xy[0] - xy[reach:0:-1], 2.0 * xy[-1] - xy[-2 : -reach - 2 : -1]
        wide = np.vstack([ahead, xy, after])
    return np.column_stack([np.convolve(axis, bell / bell.sum(), mode="valid") for axis in wide.T])


def _along(fine: Array, s: Array, is_loop: bool) -> tuple[Array, Array, Array]:
    """Point (N, 2), heading (N,) and curvature (N,) of a smooth line at arc lengths `s`: of a cubic
    spline.
    """
    from scipy.interpolate import CubicSpline

    points = np.vstack([fine, fine[:1]]) if is_loop else fine
    curve = CubicSpline(
        geometry.arc_length(points), points, bc_type="periodic" if is_loop else "natural"
    )
    first, second = curve(s, 1), curve(s, 2)
    heading = np.unwrap(np.arctan2(first[:, 1], first[:, 0]))
    bend = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / np.hypot(*first.T) ** 3
    return np.asarray(curve(s)), heading, np.asarray(bend)


def border_distances(track: Track, xy: Array, heading: Array) -> tuple[Array, Array]:
    """(M,) m from points (M, 2) to the border on their left, and to that on their right, square to
    their headings.
    """
    normal = np.column_stack([-np.sin(heading), np.cos(heading)])
    place = geometry.project_points(track.center, xy)[0]
    borders = (track.inner, track.outer) if track.is_ccw else (track.outer, track.inner)
    sides = [
        _reach(track, border, xy, way, place)
        for border, way in zip(borders, (normal, -normal), strict=True)
    ]
    return sides[0], sides[1]


def _reach(track: Track, border: Array, xy: Array, way: Array, place: Array) -> Array:
    """(M,) m from points to where the rays `way` (M, 2) first cross a border nearby; else m to its
    nearest spot.
    """
    start, step = border[:-1], np.diff(border, axis=0)
    to = start[None] - xy[:, None]
    across = way[:, None, 0] * step[None, :, 1] - way[:, None, 1] * step[None, :, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = (to[..., 0] * step[None, :, 1] - to[..., 1] * step[None, :, 0]) / across
        share = (to[..., 0] * way[:, None, 1] - to[..., 1] * way[:, None, 0]) / across
    hit = (share >= 0.0) & (share <= 1.0) & (reach > 0.0) & _is_near(track, len(start), place)
    first, nearest = (
        np.min(np.where(hit, reach, np.inf), axis=1),
        geometry.distance_to_line(border, xy),
    )
    return np.where(first < RAGGED_FACTOR * nearest, first, nearest)


def _is_near(track: Track, segments: int, place: Array) -> NDArray[np.bool_]:
    """(M, B) whether the segments of a border belong to road near arc lengths `place` (M,): rows go
    along the road.
    """
    s = np.interp(np.linspace(0.0, 1.0, segments), np.linspace(0.0, 1.0, len(track.s)), track.s)
    away = np.abs(s[None, :] - place[:, None])
    away = np.minimum(away, track.length - away) if track.is_loop else away
    return np.asarray(away <= NEARBY_ROAD_M)
