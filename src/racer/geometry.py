"""Polylines in the plane, as arrays. A closed line repeats its first point at the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_CHUNK = 2048  # points looked at together: more do not fit the processor's cache


def arc_length(line: Array) -> Array:
    """(W,) distance along `line` (W, 2) from its first point to each of its points, m."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])


def signed_area(ring: Array) -> float:
    """Area enclosed by a closed line (W, 2), m2; positive when it runs counterclockwise."""
    x, y = (ring - ring[0]).T
    return float(0.5 * np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))


def point_at(line: Array, s: Array) -> Array:
    """(N, 2) points at arc length `s` (N,) m along `line` (W, 2); beyond the ends, the end points."""
    along = arc_length(line)
    return np.column_stack([np.interp(s, along, line[:, 0]), np.interp(s, along, line[:, 1])])


def project_points(line: Array, xy: Array) -> tuple[Array, NDArray[np.int64], Array]:
    """Arc length (N,), segment (N,) and point (N, 2) on `line` (W, 2) nearest to each of `xy` (N,
    2).

    Every segment is tried, as shapely does; of equally near ones the first wins. Segments of no
    length are allowed.
    """
    start, step = line[:-1], np.diff(line, axis=0)
    square = np.sum(step**2, axis=1)
    along = np.einsum("nwk,wk->nw", xy[:, None, :] - start, step)
    share = np.clip(np.divide(along, square, out=np.zeros_like(along), where=square > 0), 0.0, 1.0)
    foot = start + share[..., None] * step
    best = np.argmin(np.sum((xy[:, None, :] - foot) ** 2, axis=-1), axis=1)
    pick = np.arange(len(xy)), best
    return arc_length(line)[best] + share[pick] * np.sqrt(square[best]), best, foot[pick]


def nearest_point(line: Array, xy: Array) -> Array:
    """(N, 2) points of `line` (W, 2) nearest to each of `xy` (N, 2)."""
    return project_points(line, xy)[2]


def distance_to_line(line: Array, xy: Array) -> Array:
    """(N,) m from each of `xy` (N, 2) to the nearest spot of `line` (W, 2).

    As `project` has it, many times as fast where there are many points: distances need no feet.
    """
    middle = line.mean(axis=0)
    parts = [
        _distance(line - middle, xy[k : k + _CHUNK] - middle) for k in range(0, len(xy), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _distance(line: Array, xy: Array) -> Array:
    start, step = line[:-1], np.diff(line, axis=0)
    square = np.sum(step**2, axis=1)
    along = xy @ step.T - np.sum(start * step, axis=1)
    share = np.clip(along / np.where(square > 0, square, 1.0), 0.0, 1.0)
    away = np.sum(xy**2, axis=1)[:, None] + np.sum(start**2, axis=1) - 2.0 * (xy @ start.T)
    nearest = np.min(away + share * (share * square - 2.0 * along), axis=1)
    return np.asarray(np.sqrt(np.maximum(nearest, 0.0)))


def polyline_curvature(line: Array) -> Array:
    """(W,) signed curvature at each point of a closed line, 1/m, positive to the left.

    The circle through each point and its two neighbours (Menger); the closing point equals the
    first.
    """
    ring = line[:-1]
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    across = np.hypot(*(before + after).T)
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    kappa = 2.0 * cross / (np.hypot(*before.T) * np.hypot(*after.T) * across)
    return np.append(kappa, kappa[0])


def wrap_angle(angle: Array) -> Array:
    """`angle` (any shape, rad) brought into (-pi, pi]."""
    return np.asarray(np.pi - np.mod(np.pi - angle, 2.0 * np.pi))
