"""Lines that need no car: the shortest within the road, and the one that bends least; and how lines
are made better.

A line is its offset from the reference line, a cubic spline of few coefficients, so that it is
smooth by itself. What it is judged by goes down in steps, each of which minimizes a quadratic model
within the bounds of the road: the slope of what is judged, and the Gauss-Newton matrix of the
line's curvature, or its length, as what a change costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.raceline.corridor import Corridor

Array = NDArray[np.float64]
Objective = Callable[[Array], tuple[float, Array, Array]]

KNOT_SPACING_M = 0.5  # m between the coefficients of an offset
LEAST_GAIN = 1e-6  # share of what is judged: a smaller gain ends the steps
MAX_STIFFNESS = 1e6  # times the first price of a change


@dataclass(frozen=True, eq=False)
class SplineLines:
    """Lines through a corridor by C coefficients: `weight` (M, C) is what each adds to the offset
    at a station.
    """

    road: Corridor
    weight: Array
    low: Array  # (C,) with coefficients between these a line stays within the borders
    high: Array

    def bends(self, coefficients: Array) -> tuple[Array, Array]:
        """(M,) curvature at the stations, 1/m, and (M, C) its slope; at the ends of an open road 0."""
        aside = self.weight @ coefficients
        kappa, nudge = _curvature(self.road.offset(aside), self.road.is_loop), 1e-5
        slope = np.zeros_like(self.weight)
        for k in range(3):  # every third station moves: a curvature belongs to three of them
            moved = aside.copy()
            moved[k::3] += nudge
            change = (_curvature(self.road.offset(moved), self.road.is_loop) - kappa) / nudge
            for shift in (-1, 0, 1):
                rows = np.arange(k - shift, len(aside), 3) % len(aside)
                mine = (rows + shift) % len(aside)
                keep = mine % 3 == k
                slope[rows[keep]] += change[rows[keep], None] * self.weight[mine[keep]]
        return kappa, slope


def spline_lines(road: Corridor, margin: float, knot: float = KNOT_SPACING_M) -> SplineLines:
    """The splines of a corridor: cubic, around the lap on a loop."""
    from scipy.interpolate import BSpline

    count = max(round(road.spacing * len(road.s) / knot), 8)
    place = (
        np.arange(len(road.s)) / len(road.s) if road.is_loop else np.linspace(0.0, 1.0, len(road.s))
    )
    knots = np.arange(-3, count + 4) / count
    weight = BSpline.design_matrix(np.clip(place, 0.0, 1.0 - 1e-12), knots, 3).toarray()
    if road.is_loop:
        weight[:, :3] += weight[:, -3:]
        weight = np.ascontiguousarray(weight[:, :-3])
    low, high = road.room(margin)
    under = weight > 0.02
    lows = np.max(np.where(under, low[:, None], -np.inf), axis=0)
    highs = np.min(np.where(under, high[:, None], np.inf), axis=0)
    middle = 0.5 * (lows + highs)
    return SplineLines(
        road, weight, np.minimum(lows, middle) - 1e-9, np.maximum(highs, middle) + 1e-9
    )


def shortest_line(lines: SplineLines) -> Array:
    """(C,) coefficients of the shortest line."""
    road, span = lines.road, slice(None) if lines.road.is_loop else slice(-1)

    def length(coefficients: Array) -> tuple[float, Array, Array]:
        xy = road.offset(lines.weight @ coefficients)
        step = (np.roll(xy, -1, axis=0) - xy)[span]
        size = np.hypot(*step.T)
        slopes = [
            (np.roll(side, -1, axis=0) - side)[span]
            for side in (axis[:, None] * lines.weight for axis in road.normal.T)
        ]
        slope = sum(s.T @ (d / size) for s, d in zip(slopes, step.T, strict=True))
        cost = sum(s.T @ s for s in slopes) / road.spacing
        return float(size.sum()), np.asarray(slope), np.asarray(cost)

    return improve_coefficients(
        length, np.clip(np.zeros(lines.weight.shape[1]), lines.low, lines.high), lines
    )


def least_curvature_line(lines: SplineLines) -> Array:
    """(C,) coefficients of the line whose squared second differences, from station to station, are
    least.

    That is the usual quadratic form of least curvature: it counts a bend the more, the longer the
    way through it is.
    """
    road = lines.road
    turn = [_turn(axis[:, None] * lines.weight, road.is_loop) for axis in road.normal.T]
    base = [_turn(axis, road.is_loop) for axis in road.xy.T]
    matrix = np.sum([t.T @ t for t in turn], axis=0)
    slope = np.sum([t.T @ b for t, b in zip(turn, base, strict=True)], axis=0)
    firm = 1e-9 * np.trace(matrix) * np.eye(len(matrix))
    return _in_box(matrix + firm, slope, lines.low, lines.high)


def improve_coefficients(
    judge: Objective, first: Array, lines: SplineLines, price: float = 1.0, most: int = 40
) -> Array:
    """(C,) coefficients that `judge` likes better than the `first`: value, slope (C,) and cost of
    changes (C, C).
    """
    here = first
    value, slope, cost = judge(here)
    firm = 1e-6 * np.trace(cost) / len(cost) * np.eye(len(cost))
    stiffest = MAX_STIFFNESS * price
    for _ in range(most):
        step = _in_box(price * (cost + firm), slope, lines.low - here, lines.high - here)
        there = judge(here + step)
        gain = value - there[0]
        if gain > 0.0:
            here, (value, slope, cost) = here + step, there
            price /= 2.0
            if gain < LEAST_GAIN * abs(value):
                break
        elif (price := 4.0 * price) > stiffest:
            break
    return here


def _in_box(matrix: Array, slope: Array, low: Array, high: Array) -> Array:
    """(C,) where x A x / 2 + slope x is least within bounds: Newton steps on what is not held by a
    bound.
    """
    x = np.clip(np.zeros(len(slope)), low, high)
    for _ in range(40):
        rise = matrix @ x + slope
        held = ((x <= low) & (rise > 0.0)) | ((x >= high) & (rise < 0.0))
        free = ~held
        if not free.any() or np.abs(rise[free]).max() < 1e-9:
            break
        way = np.zeros(len(x))
        way[free] = -np.linalg.solve(matrix[np.ix_(free, free)], rise[free])
        x = _shortened(matrix, slope, x, way, low, high)
    return x


def _shortened(matrix: Array, slope: Array, x: Array, way: Array, low: Array, high: Array) -> Array:
    """`x` moved along `way` within bounds, as far as that lowers the quadratic model."""
    now = x @ (0.5 * matrix @ x + slope)
    for share in (1.0, 0.5, 0.25, 0.1, 0.03, 0.01):
        there = np.clip(x + share * way, low, high)
        if there @ (0.5 * matrix @ there + slope) < now:
            return there
    return x


def _turn(values: Array, is_loop: bool) -> Array:
    """Second differences of rows (M, ...); 0 at the ends of an open road."""
    turn = np.roll(values, 1, axis=0) + np.roll(values, -1, axis=0) - 2.0 * values
    if not is_loop:
        turn[[0, -1]] = 0.0
    return np.asarray(turn)


def _curvature(xy: Array, is_loop: bool) -> Array:
    """(M,) 1/m of the circle through each point and its neighbors; at the ends of an open line 0."""
    before, after = xy - np.roll(xy, 1, axis=0), np.roll(xy, -1, axis=0) - xy
    size = np.hypot(*before.T) * np.hypot(*after.T) * np.hypot(*(before + after).T)
    kappa = (
        2.0 * (before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) / np.maximum(size, 1e-12)
    )
    if not is_loop:
        kappa[[0, -1]] = 0.0
    return np.asarray(kappa)
