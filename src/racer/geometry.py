"""Polylines in the plane, as arrays. A closed line repeats its first point at the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_CHUNK_POINTS = 2048  # distances of so many points fit the processor's cache
_PROJECTED_POINTS = 256  # of a line that are near each other, looked at together
_MOST_PAIRS = 2**15  # of a point and a segment: what fits the processor's cache
_ROUNDING = 1e-9  # m, and as a part: by which a segment may look farther away than it is
_LEAST_SPAN = 1e-12  # m3: three points whose distances multiply to less span no circle


def arc_length(line: Array) -> Array:
    """(W,) distance along `line` (W, 2) from its first point to each of its points, m.

    >>> arc_length(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]])).tolist()
    [0.0, 5.0, 6.0]
    """
    gaps = np.hypot(*np.diff(line, axis=0).T)
    return np.concatenate([[0.0], np.cumsum(gaps)])


def signed_area(ring: Array) -> float:
    """Area enclosed by a closed line (W, 2), m2; positive when it runs counterclockwise."""
    x, y = (ring - ring[0]).T
    return float(0.5 * np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))


def point_at(line: Array, s: Array) -> Array:
    """(N, 2) points at arc length `s` (N,) m along `line` (W, 2); beyond the ends, the end points."""
    along = arc_length(line)
    return np.column_stack([np.interp(s, along, line[:, 0]), np.interp(s, along, line[:, 1])])


def project_points(line: Array, xy: Array) -> tuple[Array, NDArray[np.int64], Array]:
    """Arc length (N,), segment (N,) and point (N, 2) on `line` (W, 2) nearest to each of `xy` (N, 2).

    Every segment is tried; of equally near ones the first wins. Segments of no length are allowed.

    >>> line = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0]])
    >>> s, segment, foot = project_points(line, np.array([[1.0, 0.5], [2.5, 1.0]]))
    >>> s.tolist(), segment.tolist(), foot.tolist()
    ([1.0, 3.0], [0, 1], [[1.0, 0.0], [2.0, 1.0]])
    """
    along = arc_length(line)
    s = np.empty(len(xy))
    segment = np.empty(len(xy), dtype=np.int64)
    foot = np.empty((len(xy), 2))
    for first in range(0, len(xy), _PROJECTED_POINTS):
        near = _segments_near(line, xy[first : first + _PROJECTED_POINTS])
        last = min(first + _PROJECTED_POINTS, len(xy))
        count = max(1, _MOST_PAIRS // len(near))
        for start in range(first, last, count):
            points = slice(start, min(start + count, last))
            nearest, fraction, foot[points] = _project_chunk(line[near], line[near + 1], xy[points])
            segment[points] = near[nearest]
            step = line[segment[points] + 1] - line[segment[points]]
            s[points] = along[segment[points]] + fraction * np.sqrt(np.sum(step**2, axis=1))
    return s, segment, foot


def _segments_near(line: Array, xy: Array) -> NDArray[np.int64]:
    """Segments of `line`, ascending, among which those nearest to each of a few points are.

    A point is at most `radius` from the middle of them all, so the segment nearest to it is at most
    twice that farther from the middle than the segment nearest there.
    """
    segments = np.arange(len(line) - 1)
    if len(line) < _PROJECTED_POINTS:
        return segments
    middle = xy.mean(axis=0)
    radius = np.hypot(*(xy - middle).T).max()
    _, feet = _feet(line[:-1], line[1:], middle[None])
    distance = np.hypot(*(feet[0] - middle).T)
    reach = (distance.min() + 2.0 * radius) * (1.0 + _ROUNDING) + _ROUNDING
    return np.asarray(segments[~(distance > reach)])  # all of them where a point is no number


def _project_chunk(start: Array, end: Array, xy: Array) -> tuple[NDArray[np.int64], Array, Array]:
    """Index (N,) of the segment nearest to each of `xy` (N, 2), fraction along it and point there."""
    fraction, feet = _feet(start, end, xy)
    segment = np.argmin(np.sum((xy[:, None, :] - feet) ** 2, axis=-1), axis=1)
    nearest = np.arange(len(xy)), segment
    return segment, fraction[nearest], feet[nearest]


def _feet(start: Array, end: Array, xy: Array) -> tuple[Array, Array]:
    """Fraction (N, W) and point (N, W, 2) of each segment nearest to each of `xy` (N, 2)."""
    step = end - start
    square = np.sum(step**2, axis=1)
    along = np.einsum("nwk,wk->nw", xy[:, None, :] - start, step)
    fraction = np.divide(along, square, out=np.zeros_like(along), where=square > 0.0)
    fraction = np.clip(fraction, 0.0, 1.0)
    return fraction, start + fraction[..., None] * step


def nearest_point(line: Array, xy: Array) -> Array:
    """(N, 2) points of `line` (W, 2) nearest to each of `xy` (N, 2)."""
    return project_points(line, xy)[2]


def distance_to_line(line: Array, xy: Array) -> Array:
    """(N,) m from each of `xy` (N, 2) to the nearest spot of `line` (W, 2), to 1e-9 m.

    Twice as fast as shapely where points are many: products of matrices instead of feet.
    """
    middle = line.mean(axis=0)
    distances = [
        _chunk_distance(line - middle, xy[first : first + _CHUNK_POINTS] - middle)
        for first in range(0, len(xy), _CHUNK_POINTS)
    ]
    return np.concatenate([np.empty(0), *distances])


def _chunk_distance(line: Array, xy: Array) -> Array:
    """`distance_to_line` of a few points.

    The squared distance from the spot at the fraction f of a segment is
    |xy - start|^2 + f * (f * |step|^2 - 2 * (xy - start) . step).
    """
    start = line[:-1]
    step = np.diff(line, axis=0)
    square = np.sum(step**2, axis=1)
    along = xy @ step.T - np.sum(start * step, axis=1)
    fraction = np.clip(along / np.where(square > 0, square, 1.0), 0.0, 1.0)
    to_start = np.sum(xy**2, axis=1)[:, None] + np.sum(start**2, axis=1) - 2.0 * (xy @ start.T)
    nearest = np.min(to_start + fraction * (fraction * square - 2.0 * along), axis=1)
    return np.asarray(np.sqrt(np.maximum(nearest, 0.0)))


def circle_curvature(before: Array, after: Array) -> Array:
    """(N,) signed curvature of the circles through three points each, 1/m, positive to the left.

    `before` (N, 2) leads from the first point to the second, `after` (N, 2) from the second to the
    third, m (Menger curvature). It is 0 where two of the points are the same.

    >>> circle_curvature(np.array([[2.0, 0.0]]), np.array([[0.0, 2.0]])).round(4).tolist()
    [0.7071]
    """
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    across = np.hypot(*(before + after).T)
    span = np.hypot(*before.T) * np.hypot(*after.T) * across
    is_circle = span > _LEAST_SPAN
    return np.asarray(np.divide(2.0 * cross, span, out=np.zeros_like(span), where=is_circle))


def line_curvature(points: Array, is_loop: bool) -> Array:
    """(M,) signed curvature at each of `points` (M, 2), 1/m, positive to the left.

    That of the circle through each point and its neighbors. On a loop the first point is not
    repeated at the end; at the ends of an open line the curvature is 0.
    """
    before = points - np.roll(points, 1, axis=0)
    curvature = circle_curvature(before, np.roll(before, -1, axis=0))
    if not is_loop:
        curvature[[0, -1]] = 0.0
    return curvature


def curve_curvature(first: Array, second: Array) -> Array:
    """(N,) signed curvature of a curve from its first and second derivatives (N, 2), 1/m, positive
    to the left.

    The derivatives may be with respect to any parameter.
    """
    cross = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return np.asarray(cross / np.hypot(*first.T) ** 3)


def wrap_angle(angle: Array) -> Array:
    """`angle` (any shape, rad) brought into (-pi, pi].

    >>> wrap_angle(np.radians([180.0, -180.0, 270.0])).round(4).tolist()
    [3.1416, 3.1416, -1.5708]
    """
    return np.asarray(np.pi - np.mod(np.pi - angle, 2.0 * np.pi))
