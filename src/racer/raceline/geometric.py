"""Lines that need no car: the shortest within the road, and the one that bends least; and the
optimizer that improves lines.

A line is its offset from the reference line, a cubic spline of few coefficients, so that it is
smooth by itself. Its objective goes down in steps, each of which minimizes a quadratic model within
the bounds of the road: the slope of the objective, and, as the cost of a change, the Gauss-Newton
matrix of the line's curvature or length. The scripted drivers' `relaxed_offsets` minimizes the
curvature of a rough corridor, station by station.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.raceline.corridor import Corridor, neighbors

Array = NDArray[np.float64]
Objective = Callable[[Array], tuple[float, Array, Array]]

KNOT_SPACING_M = 0.5  # m between the coefficients of an offset
LEAST_GAIN = 1e-6  # fraction of the objective: a smaller gain ends the steps
CURVATURE_NUDGE_M = 1e-5  # of an offset, for the slope of the curvature
# of the relaxation; more change the lap time by 0.1 % on most tracks
RELAXATION_SWEEPS = 2500
RELAXATION_FACTOR = 1.9
MAX_STIFFNESS = 1e6  # times the first price of a change


@dataclass(frozen=True, eq=False)
class SplineLines:
    """Lines through a corridor by C coefficients: `weight` (M, C) is what each adds to the offset
    at a station.
    """

    corridor: Corridor
    weight: Array
    low: Array  # (C,) with coefficients between these a line stays within the borders
    high: Array

    def points_of(self, coefficients: Array) -> Array:
        """(M, 2) m of a line at the stations."""
        return self.corridor.points_at(self.weight @ coefficients)

    def clip(self, coefficients: Array) -> Array:
        """Coefficients (C,) brought within the borders."""
        return np.clip(coefficients, self.low, self.high)

    def curvature_slope(self, coefficients: Array) -> Array:
        """(M, C) 1/m2, the slope of the curvature at the stations by the coefficients; 0 at the ends
        of an open road.
        """
        offset = self.weight @ coefficients
        kappa = self._curvature(offset)
        slope = np.zeros_like(self.weight)
        for k in range(3):  # every third station moves: a curvature belongs to three of them
            moved = offset.copy()
            moved[k::3] += CURVATURE_NUDGE_M
            change = (self._curvature(moved) - kappa) / CURVATURE_NUDGE_M
            for shift in (-1, 0, 1):
                rows = np.arange(k - shift, len(offset), 3) % len(offset)
                moved_rows = (rows + shift) % len(offset)
                keep = moved_rows % 3 == k
                slope[rows[keep]] += change[rows[keep], None] * self.weight[moved_rows[keep]]
        return slope

    def _curvature(self, offset: Array) -> Array:
        return geometry.line_curvature(self.corridor.points_at(offset), self.corridor.is_loop)


def spline_lines(corridor: Corridor, margin: float, knot: float = KNOT_SPACING_M) -> SplineLines:
    """The splines of a corridor: cubic, around the lap on a loop, with knots about `knot` m apart."""
    count = max(round(corridor.spacing * len(corridor.s) / knot), 8)
    weight = _spline_weights(len(corridor.s), count, corridor.is_loop)
    low, high = corridor.room(margin)
    has_effect = weight > 0.02
    lowest = np.max(np.where(has_effect, low[:, None], -np.inf), axis=0)
    highest = np.min(np.where(has_effect, high[:, None], np.inf), axis=0)
    middle = 0.5 * (lowest + highest)
    return SplineLines(
        corridor, weight, np.minimum(lowest, middle) - 1e-9, np.maximum(highest, middle) + 1e-9
    )


def _spline_weights(stations: int, count: int, is_loop: bool) -> Array:
    """(M, C) values of cubic B-splines with `count` pieces at equally spaced stations."""
    from scipy.interpolate import BSpline

    if is_loop:
        position = np.arange(stations) / stations
    else:
        position = np.linspace(0.0, 1.0, stations)
    knots = np.arange(-3, count + 4) / count
    weight = BSpline.design_matrix(np.clip(position, 0.0, 1.0 - 1e-12), knots, 3).toarray()
    if not is_loop:
        return np.asarray(weight)
    weight[:, :3] += weight[:, -3:]
    return np.ascontiguousarray(weight[:, :-3])


def shortest_line(lines: SplineLines) -> Array:
    """(C,) coefficients of the shortest line."""
    corridor = lines.corridor
    slope_x = _steps(corridor.normal[:, :1] * lines.weight, corridor.is_loop)
    slope_y = _steps(corridor.normal[:, 1:] * lines.weight, corridor.is_loop)
    cost = (slope_x.T @ slope_x + slope_y.T @ slope_y) / corridor.spacing

    def length(coefficients: Array) -> tuple[float, Array, Array]:
        step = _steps(lines.points_of(coefficients), corridor.is_loop)
        size = np.hypot(*step.T)
        slope = slope_x.T @ (step[:, 0] / size) + slope_y.T @ (step[:, 1] / size)
        return float(size.sum()), slope, cost

    return improve_coefficients(length, lines.clip(np.zeros(lines.weight.shape[1])), lines)


def _steps(values: Array, is_loop: bool) -> Array:
    """Differences from each row (M, ...) to the next; on a loop from the last to the first, too."""
    steps = np.roll(values, -1, axis=0) - values
    return steps if is_loop else steps[:-1]


def least_curvature_line(lines: SplineLines) -> Array:
    """(C,) coefficients of the line whose squared second differences, from station to station, are
    least.

    That is the usual quadratic form of least curvature: it counts a bend the more, the longer the
    distance through it is.
    """
    corridor = lines.corridor
    turns_by_weight = []
    turns_of_center = []
    for axis in range(2):
        weighted = corridor.normal[:, axis, None] * lines.weight
        turns_by_weight.append(_turn(weighted, corridor.is_loop))
        turns_of_center.append(_turn(corridor.xy[:, axis], corridor.is_loop))
    matrix = np.sum([turn.T @ turn for turn in turns_by_weight], axis=0)
    pairs = zip(turns_by_weight, turns_of_center, strict=True)
    slope = np.sum([turn.T @ center for turn, center in pairs], axis=0)
    damping = 1e-9 * np.trace(matrix) * np.eye(len(matrix))
    return _minimize_in_box(matrix + damping, slope, lines.low, lines.high)


def improve_coefficients(
    objective: Objective,
    first: Array,
    lines: SplineLines,
    price: float = 1.0,
    max_steps: int = 40,
) -> Array:
    """(C,) coefficients with a lower objective than the `first` (C,).

    The objective gives its value, its slope (C,) and the cost of changes (C, C), which is weighed
    with `price` at first.
    """
    coefficients = first
    value, slope, cost = objective(coefficients)
    damping = 1e-6 * np.trace(cost) / len(cost) * np.eye(len(cost))
    max_price = MAX_STIFFNESS * price
    for _ in range(max_steps):
        step = _minimize_in_box(
            price * (cost + damping), slope, lines.low - coefficients, lines.high - coefficients
        )
        new_value, new_slope, new_cost = objective(coefficients + step)
        gain = value - new_value
        if gain > 0.0:
            coefficients = coefficients + step
            value = new_value
            slope = new_slope
            cost = new_cost
            price /= 2.0
            if gain < LEAST_GAIN * abs(value):
                break
        else:
            price = 4.0 * price
            if price > max_price:
                break
    return coefficients


def _minimize_in_box(matrix: Array, slope: Array, low: Array, high: Array) -> Array:
    """(C,) where x A x / 2 + slope x is least within bounds: Newton steps on the coordinates that
    no bound stops.
    """
    x = np.clip(np.zeros(len(slope)), low, high)
    for _ in range(40):
        rise = matrix @ x + slope
        is_stopped = ((x <= low) & (rise > 0.0)) | ((x >= high) & (rise < 0.0))
        free = ~is_stopped
        if not free.any() or np.abs(rise[free]).max() < 1e-9:
            break
        direction = np.zeros(len(x))
        direction[free] = -np.linalg.solve(matrix[np.ix_(free, free)], rise[free])
        x = _shortened_step(matrix, slope, x, direction, low, high)
    return x


def _shortened_step(
    matrix: Array, slope: Array, x: Array, direction: Array, low: Array, high: Array
) -> Array:
    """`x` moved along `direction` within bounds, as far as that lowers the quadratic model."""
    value = x @ (0.5 * matrix @ x + slope)
    for fraction in (1.0, 0.5, 0.25, 0.1, 0.03, 0.01):
        moved = np.clip(x + fraction * direction, low, high)
        if moved @ (0.5 * matrix @ moved + slope) < value:
            return moved
    return x


def _turn(values: Array, is_loop: bool) -> Array:
    """Second differences of rows (M, ...); 0 at the ends of an open road."""
    turn = np.roll(values, 1, axis=0) + np.roll(values, -1, axis=0) - 2.0 * values
    if not is_loop:
        turn[[0, -1]] = 0.0
    return np.asarray(turn)


def relaxed_offsets(corridor: Corridor, margin: float) -> Array:
    """(M,) offsets, m, at which a line bends least that stays `margin` m within the borders.

    The squared second differences of the line are minimized by successive overrelaxation, each
    station kept in its box. A negative margin is a line beyond the border.
    """
    xy = corridor.xy
    is_loop = corridor.is_loop
    before = neighbors(xy, -2, is_loop)[:2]
    after = neighbors(xy, 2, is_loop)[-2:]
    offset = np.zeros(len(xy))
    _relax(
        offset,
        np.concatenate([before, xy, after]),
        xy,
        corridor.normal,
        np.minimum(margin - corridor.right, 0.0),
        np.maximum(corridor.left - margin, 0.0),
        is_loop,
        RELAXATION_SWEEPS,
        RELAXATION_FACTOR,
    )
    return offset


@njit(cache=True, error_model="numpy")
def _relax(offset, line, xy, normal, low, high, is_loop, sweeps, factor):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Move the points of `line`, which has two more at either end, along their normals until they
    bend least.
    """
    n = len(offset)
    for _ in range(sweeps):
        for i in range(n):
            pull = 0.0
            for k in range(2):
                around = (
                    line[i, k]
                    + line[i + 4, k]
                    - 4.0 * (line[i + 1, k] + line[i + 3, k])
                    + 6.0 * line[i + 2, k]
                )
                pull += normal[i, k] * around
            offset[i] = min(max(offset[i] - factor * pull / 6.0, low[i]), high[i])
            for k in range(2):
                line[i + 2, k] = xy[i, k] + offset[i] * normal[i, k]
                if is_loop and i < 2:
                    line[n + 2 + i, k] = line[i + 2, k]
                elif is_loop and i >= n - 2:
                    line[i - n + 2, k] = line[i + 2, k]
