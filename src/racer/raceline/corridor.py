"""The road in curvilinear coordinates, and the lines in it that need no car: the shortest, and the
one that bends least.

There is one record of a road, `Corridor`, and two ways to sample a track. The center line of a
route is a chain of chords, some of them ragged, and a line optimized on it would copy every kink.
So `build_corridor` makes the center line smooth, while the room along its normals ends at the true
borders. `build_rough_corridor` keeps the center line as it is: the scripted drivers' plans are
offsets from the very line that params are measured from, and their drives, which scores and checks
of rewards rest on, would change with another sampling.

A line is its offset from the reference line, a cubic spline of few coefficients, so that it is
smooth by itself. Its objective goes down in steps, each of which minimizes a quadratic model
within the bounds of the road: the slope of the objective, and, as the cost of a change, the
Gauss-Newton matrix of the line's curvature or length. The scripted drivers' `relaxed_offsets`
minimizes the curvature of a rough corridor, station by station.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.track import Track

Array = NDArray[np.float64]

STATION_SPACING_M = 0.2  # m between the stations of a corridor
ROUGH_SPACING_M = 0.15  # m between the stations of a rough one
SMOOTHING_M = 0.3  # m, standard deviation of the Gaussian that smooths the center line
FINE_SPACING_M = 0.03  # m between the samples that are smoothed
# m of road before and after a station in which its borders are looked for: roads may cross
# themselves
NEARBY_ROAD_M = 3.0
# times the distance of a border: a ray that reaches it no sooner runs along a ragged one
RAGGED_FACTOR = 1.4
INSIDE_FRACTION = 0.9  # of the radius of the reference line: so far a line may go to its inside

Objective = Callable[[Array], tuple[float, Array, Array]]

KNOT_SPACING_M = 0.5  # m between the coefficients of an offset
LEAST_GAIN = 1e-6  # fraction of the objective: a smaller gain ends the steps
CURVATURE_NUDGE_M = 1e-5  # of an offset, for the slope of the curvature
# of the relaxation; more change the lap time by 0.1 % on most tracks
RELAXATION_SWEEPS = 2500
RELAXATION_FACTOR = 1.9
MAX_STIFFNESS = 1e6  # times the first price of a change


@dataclass(frozen=True, eq=False)
class Corridor:
    """M stations on a reference line, equally spaced in driving order; on a loop the first is not
    repeated.
    """

    s: Array  # (M,) m along the reference line
    xy: Array  # (M, 2) m
    heading: Array  # (M,) rad, without jumps
    normal: Array  # (M, 2) unit vectors to the left
    kappa: Array  # (M,) 1/m, of the reference line
    left: Array  # (M,) m of road to the left
    right: Array  # (M,) m of road to the right
    spacing: float  # m
    is_loop: bool

    def points_at(self, offset: Array | float) -> Array:
        """(M, 2) m the line that runs `offset` (M,) m to the left of the reference line."""
        offsets = np.broadcast_to(offset, len(self.xy))
        return np.asarray(self.xy + offsets[:, None] * self.normal)

    def room(self, margin: float) -> tuple[Array, Array]:
        """(M,) lowest and highest offset, m, of a point `margin` m within the borders."""
        low = margin - self.right
        high = self.left - margin
        inside = INSIDE_FRACTION / np.maximum(np.abs(self.kappa), 1e-9)
        low = np.where(self.kappa < 0.0, np.maximum(low, -inside), low)
        high = np.where(self.kappa > 0.0, np.minimum(high, inside), high)
        middle = 0.5 * (low + high)
        return np.minimum(low, middle), np.maximum(high, middle)


def build_corridor(track: Track, spacing: float = STATION_SPACING_M) -> Corridor:
    """The corridor of a track as it is driven, around its smoothed center line.

    Stations are about `spacing` m apart. The room to either side ends where the normal crosses the
    border.
    """
    fine = _smoothed(track)
    length = float(geometry.arc_length(closed_line(fine, track.is_loop))[-1])
    count = max(round(length / spacing), 16)
    s = station_places(length, count, track.is_loop)
    xy, heading, kappa = _sample_spline(fine, s, track.is_loop)
    left, right = border_distances(track, xy, heading)
    return Corridor(
        s=s,
        xy=xy,
        heading=heading,
        normal=normal_vectors(heading),
        kappa=kappa,
        left=left,
        right=right,
        spacing=length / count,
        is_loop=track.is_loop,
    )


def build_rough_corridor(track: Track, spacing: float = ROUGH_SPACING_M) -> Corridor:
    """The corridor of a track as it is driven, around its center line as it is.

    Stations are about `spacing` m apart. The room to either side ends at the nearest spot of the
    border.
    """
    count = max(8, round(track.length / spacing))
    s = station_places(track.length, count, track.is_loop)
    xy = geometry.point_at(track.center, s)
    along = neighbors(xy, 1, track.is_loop) - neighbors(xy, -1, track.is_loop)
    along /= np.maximum(np.hypot(*along.T), 1e-12)[:, None]
    left_border, right_border = _borders(track)
    return Corridor(
        s=s,
        xy=xy,
        heading=np.unwrap(np.arctan2(along[:, 1], along[:, 0])),
        normal=np.column_stack([-along[:, 1], along[:, 0]]),
        kappa=geometry.line_curvature(xy, track.is_loop),
        left=np.hypot(*(geometry.nearest_point(left_border, xy) - xy).T),
        right=np.hypot(*(geometry.nearest_point(right_border, xy) - xy).T),
        spacing=track.length / count,
        is_loop=track.is_loop,
    )


def station_places(length: float, count: int, is_loop: bool) -> Array:
    """Equally spaced arc lengths from 0 to `length` m, `count` steps; on a loop without the last."""
    places = np.linspace(0.0, length, count + 1)
    return places[:-1] if is_loop else places


def closed_line(line: Array, is_loop: bool) -> Array:
    """`line` (M, 2) with its first point repeated at the end, if it is a loop."""
    if is_loop:
        return np.vstack([line, line[:1]])
    return line


def neighbors(line: Array, steps: int, is_loop: bool) -> Array:
    """`line` (M, ...) with every point replaced by the one `steps` on; beyond the ends of an open
    line its end points.
    """
    if is_loop:
        return np.roll(line, -steps, axis=0)
    return line[np.clip(np.arange(len(line)) + steps, 0, len(line) - 1)]


def normal_vectors(heading: Array) -> Array:
    """(M, 2) unit vectors to the left of headings (M,) rad."""
    return np.column_stack([-np.sin(heading), np.cos(heading)])


def _borders(track: Track) -> tuple[Array, Array]:
    """The borders on the left and on the right of a track as it is driven."""
    if track.is_ccw:
        return track.inner, track.outer
    return track.outer, track.inner


def _smoothed(track: Track) -> Array:
    """(F, 2) the center line at small equal steps, smoothed; on a loop the first point is not
    repeated.
    """
    count = max(round(track.length / FINE_SPACING_M), 64)
    s = np.linspace(0.0, track.length, count, endpoint=not track.is_loop)
    xy = geometry.point_at(track.center, s)
    spacing = float(s[1])
    reach = min(int(4.0 * SMOOTHING_M / spacing), count - 1)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) * spacing / SMOOTHING_M) ** 2)
    if track.is_loop:
        wide = np.pad(xy, ((reach, reach), (0, 0)), mode="wrap")
    else:  # mirrored at its ends, so that they stay where they are
        before = 2.0 * xy[0] - xy[reach:0:-1]
        after = 2.0 * xy[-1] - xy[-2 : -reach - 2 : -1]
        wide = np.vstack([before, xy, after])
    return np.column_stack([np.convolve(axis, bell / bell.sum(), mode="valid") for axis in wide.T])


def _sample_spline(line: Array, s: Array, is_loop: bool) -> tuple[Array, Array, Array]:
    """Points (N, 2), headings (N,) and curvatures (N,) at arc lengths `s` of the cubic spline
    through a line.
    """
    from scipy.interpolate import CubicSpline

    points = closed_line(line, is_loop)
    ends = "periodic" if is_loop else "natural"
    curve = CubicSpline(geometry.arc_length(points), points, bc_type=ends)
    first = curve(s, 1)
    heading = np.unwrap(np.arctan2(first[:, 1], first[:, 0]))
    return np.asarray(curve(s)), heading, geometry.curve_curvature(first, curve(s, 2))


def border_distances(track: Track, xy: Array, heading: Array) -> tuple[Array, Array]:
    """(M,) m from points (M, 2) to the border on their left, and to that on their right, square to
    their headings (M,) rad.
    """
    normal = normal_vectors(heading)
    s_center = geometry.project_points(track.center, xy)[0]
    left_border, right_border = _borders(track)
    left = _ray_length(track, left_border, xy, normal, s_center)
    right = _ray_length(track, right_border, xy, -normal, s_center)
    return left, right


def _ray_length(track: Track, border: Array, xy: Array, ray: Array, s_center: Array) -> Array:
    """(M,) m from points to where rays (M, 2) first cross a border nearby; else m to its nearest
    spot.
    """
    start = border[:-1]
    step = np.diff(border, axis=0)
    to_start = start[None] - xy[:, None]
    rays = ray[:, None]
    steps = step[None]
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = _cross(to_start, steps) / _cross(rays, steps)
        fraction = _cross(to_start, rays) / _cross(rays, steps)
    is_hit = (fraction >= 0.0) & (fraction <= 1.0) & (reach > 0.0)
    is_hit &= _is_near(track, len(start), s_center)
    first = np.min(np.where(is_hit, reach, np.inf), axis=1)
    nearest = geometry.distance_to_line(border, xy)
    return np.where(first < RAGGED_FACTOR * nearest, first, nearest)


def _cross(first: Array, second: Array) -> Array:
    """The cross products of vectors (..., 2)."""
    return np.asarray(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])


def _is_near(track: Track, segments: int, s_center: Array) -> NDArray[np.bool_]:
    """(M, B) whether the segments of a border belong to road near arc lengths `s_center` (M,): the
    points of a border go along the road.
    """
    s = np.interp(np.linspace(0.0, 1.0, segments), np.linspace(0.0, 1.0, len(track.s)), track.s)
    gap = np.abs(s[None, :] - s_center[:, None])
    if track.is_loop:
        gap = np.minimum(gap, track.length - gap)
    return np.asarray(gap <= NEARBY_ROAD_M)


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
