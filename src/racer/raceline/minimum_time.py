"""The fastest line around a track and the fastest drive along it: a lap-time bound for a car.

Both methods begin with the line of least curvature: direct collocation, and the descent, which
lowers the lap time by the offsets' spline coefficients.

Direct collocation is an optimal control problem along the road, solved by CasADi and IPOPT.

At every station of the corridor the unknowns are the offset n from the reference line, the angle
xi of the path to it and the speed v; between two stations, the curvature of the path and the
acceleration b along it. With c the curvature of the reference line and q = (1 - n c) / cos(xi),
the distance per meter of the reference line::

    n'          = q sin(xi)
    xi'         = q kappa - c
    (v^2 / 2)'  = q b
    t'          = q / v

hold at the middle between two stations (Gauss collocation with one point, implicit midpoint rule).
n stays within the road, v within the speeds of the car's envelope, and v^2 kappa and b within its
sides, which are polynomials of v here. Minimized is the time of the lap and a small price on how
fast curvature and acceleration change along the road: a car cannot turn its wheels, or itself, at
once.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.errors import UsageError, did_you_mean
from racer.raceline.corridor import (
    Corridor,
    SplineLines,
    build_corridor,
    closed_line,
    improve_coefficients,
    least_curvature_line,
    shortest_line,
    spline_lines,
    station_places,
)
from racer.raceline.ggv import GGV, build_ggv, fastest_speeds, passing_times, sweep_speeds
from racer.track import Track, TrackSource, load_track
from racer.vehicle import Car, car_preset

Array = NDArray[np.float64]

# price of the integrals of kappa'^2 (s m3) and of b'^2 (s5/m) along the road
CURVATURE_RIPPLE_WEIGHT = 2e-3
ACCELERATION_RIPPLE_WEIGHT = 2e-5
LIMIT_DEGREE = 6  # of the polynomials of speed
MAX_SLANT_RAD = 1.2  # rad, the greatest angle between path and reference line
MAX_CURVATURE = 8.0  # 1/m: no car turns more sharply
# m/s2 along the path that are searched; what v6 reaches beyond that moves no line
MAX_ACCELERATION = 8.0
ACCELERATION_SCALE = 5.0  # m/s2, of an acceleration: constraints are of size 1
SOLVER_OPTIONS: dict[str, Any] = {
    "print_time": False,
    "ipopt": {
        "print_level": 0, "sb": "yes", "max_iter": 200, "tol": 1e-4, "mu_init": 0.01, "acceptable_tol": 1e-3,
        "acceptable_iter": 8,
    },
}  # fmt: skip

# m between the middle of the car and a border: beyond it two wheels are on the road, with 2 cm to
# spare
LINE_MARGIN_M = -0.06
# m: so far beyond the border the wheels of the other side are still on the road
WIDEST_MARGIN_M = -0.08
LINE_METHODS = ("auto", "collocation", "iterated", "least_curvature", "shortest")
# m between stations
GRID_SPACING_M = {"collocation": 0.1, "iterated": 0.2, "least_curvature": 0.2, "shortest": 0.2}
POINT_SPACING_M = 0.05  # m between the points of a line
COEFFICIENT_NUDGE_M = 1e-4  # m, of a coefficient, for the slope of the lap time
FIRST_PRICE = 0.1  # s per squared change of curvature (1/m2): of a change at first
MAX_DESCENT_STEPS = 30


class PathState(NamedTuple):
    """Symbols or numbers of a path at stations."""

    n: Any  # m, offset
    xi: Any  # rad, angle from the reference line to the path
    v: Any  # m/s


class PathControls(NamedTuple):
    """Symbols or numbers of a path between stations."""

    kappa: Any  # 1/m, curvature
    b: Any  # m/s2, acceleration along the path


def solve_collocation(
    corridor: Corridor, limits: GGV, margin: float, guess: tuple[Array, Array, Array]
) -> Array | None:
    """(M,) offset, m, of the fastest line; None where the solver finds none.

    `guess` holds offset (M,), curvature (M,) and speed (M,) of a line to begin with.
    """
    import casadi as ca

    count = len(corridor.s)
    first, second = _station_pairs(corridor)
    state = PathState(*[ca.MX.sym(name, count) for name in PathState._fields])
    controls = PathControls(*[ca.MX.sym(name, len(first)) for name in PathControls._fields])
    before = PathState(*[symbol[first.tolist()] for symbol in state])
    after = PathState(*[symbol[second.tolist()] for symbol in state])
    reference_kappa = ca.DM(0.5 * (corridor.kappa[first] + corridor.kappa[second]))
    gaps, time = _dynamics(ca, corridor.spacing, before, after, controls, reference_kappa)
    sides = _side_constraints(ca, limits, 0.5 * (before.v + after.v), controls)
    problem = {
        "x": ca.vertcat(*state, *controls),
        "f": time + _ripple_price(ca, corridor, controls),
        "g": ca.vertcat(gaps, sides),
    }
    solver = ca.nlpsol("line", "ipopt", problem, SOLVER_OPTIONS)
    low, high = _bounds(corridor, limits, margin)
    least = np.concatenate([np.zeros(gaps.numel()), np.full(sides.numel(), -np.inf)])
    solution = solver(x0=_start(corridor, guess, low, high), lbx=low, ubx=high, lbg=least, ubg=0.0)
    if not solver.stats()["success"]:
        return None
    return np.asarray(solution["x"], dtype=np.float64).ravel()[:count]


def _station_pairs(corridor: Corridor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and second station of each piece of road."""
    count = len(corridor.s)
    first = np.arange(count if corridor.is_loop else count - 1)
    return first, (first + 1) % count


def _dynamics(
    ca: Any,
    spacing: float,
    before: PathState,
    after: PathState,
    controls: PathControls,
    reference_kappa: Any,
) -> tuple[Any, Any]:
    """Residuals of the differential equations, and the time of the lap, s."""
    n = 0.5 * (before.n + after.n)
    xi = 0.5 * (before.xi + after.xi)
    v = 0.5 * (before.v + after.v)
    distance = spacing * (1.0 - n * reference_kappa) / ca.cos(xi)
    offset_gap = after.n - before.n - distance * ca.sin(xi)
    angle_gap = after.xi - before.xi - distance * controls.kappa + spacing * reference_kappa
    energy_gap = 0.5 * (after.v**2 - before.v**2) - distance * controls.b
    return ca.vertcat(offset_gap, angle_gap, energy_gap), ca.sum1(distance / v)


def _side_constraints(ca: Any, limits: GGV, v: Any, controls: PathControls) -> Any:
    """How far the accelerations are beyond the sides of the envelope, to the left and to the right."""
    middle = 0.5 * (limits.fastest + limits.slowest)
    half = 0.5 * (limits.fastest - limits.slowest)
    x = (v - middle) / half
    domain = [limits.slowest, limits.fastest]
    beyond = []
    for across, along, row in zip(limits.across, limits.along, limits.limit, strict=True):
        terms = np.polynomial.Polynomial.fit(limits.speed, row, LIMIT_DEGREE, domain=domain).coef
        reach = float(terms[-1])
        for term in terms[-2::-1]:
            reach = reach * x + float(term)
        signs = (1.0, -1.0) if across > 1e-9 else (1.0,)
        for sign in signs:
            lateral = sign * across * v**2 * controls.kappa
            beyond.append((lateral + along * controls.b - reach) / ACCELERATION_SCALE)
    return ca.vertcat(*beyond)


def _ripple_price(ca: Any, corridor: Corridor, controls: PathControls) -> Any:
    """Price of changes of curvature and acceleration along the road, s."""
    kappa_change = _change(controls.kappa, corridor.is_loop)
    b_change = _change(controls.b, corridor.is_loop)
    kappa_price = CURVATURE_RIPPLE_WEIGHT / corridor.spacing * ca.sumsqr(kappa_change)
    return kappa_price + ACCELERATION_RIPPLE_WEIGHT / corridor.spacing * ca.sumsqr(b_change)


def _change(values: Any, is_loop: bool) -> Any:
    """Differences from each of the values to the next."""
    count = values.numel()
    last_neighbor = 0 if is_loop else count - 1
    return values[[*range(1, count), last_neighbor]] - values


def _bounds(corridor: Corridor, limits: GGV, margin: float) -> tuple[Array, Array]:
    """Lowest and highest of all unknowns."""
    count = len(corridor.s)
    pieces = len(_station_pairs(corridor)[0])
    low_offset, high_offset = corridor.room(margin)
    high_speed = np.full(count, limits.fastest)
    if not corridor.is_loop:  # from standstill
        high_speed[0] = limits.slowest
    high_xi = np.full(count, MAX_SLANT_RAD)
    high_kappa = np.full(pieces, MAX_CURVATURE)
    high_b = np.full(pieces, MAX_ACCELERATION)
    low_speed = np.full(count, limits.slowest)
    low = np.concatenate([low_offset, -high_xi, low_speed, -high_kappa, -high_b])
    high = np.concatenate([high_offset, high_xi, high_speed, high_kappa, high_b])
    return low, high


def _start(corridor: Corridor, guess: tuple[Array, Array, Array], low: Array, high: Array) -> Array:
    """All unknowns of the line to begin with, within their bounds."""
    offset, kappa, speed = guess
    first, second = _station_pairs(corridor)
    wide = np.pad(offset, 1, mode="wrap" if corridor.is_loop else "edge")
    slope = np.gradient(wide)[1:-1] / corridor.spacing
    xi = np.arctan2(slope, np.maximum(1.0 - offset * corridor.kappa, 0.1))
    b = (speed[second] ** 2 - speed[first] ** 2) / (2.0 * corridor.spacing)
    unknowns = [offset, xi, speed, 0.5 * (kappa[first] + kappa[second]), b]
    return np.asarray(np.clip(np.concatenate(unknowns), low, high))


@dataclass(frozen=True, eq=False)
class RacingLine:
    """A line around a track, and the fastest drive along it; on a loop a flying lap, and the first
    point not repeated.

    `s` (M,) m along the line; `xy` (M, 2) m; `offset` (M,) m to the left of the center line;
    `kappa` (M,) 1/m, positive to the left; `speed` (M,) m/s; `time` (M,) s at which the point is
    reached; `s_center` (M,) m of center line from the start line; `method` that found it, `margin`
    m that it stays within the borders.
    """

    s: Array
    xy: Array
    offset: Array
    kappa: Array
    speed: Array
    time: Array
    lap_time: float
    method: str
    is_loop: bool
    s_center: Array
    margin: float

    @property
    def length(self) -> float:
        """m of one lap, or from end to end."""
        length = float(self.s[-1])
        if self.is_loop:
            length += float(np.hypot(*(self.xy[0] - self.xy[-1])))
        return length


def racing_line(
    track: Track | TrackSource,
    car: str | Car = "v5",
    margin: float = LINE_MARGIN_M,
    method: str = "auto",
) -> RacingLine:
    """The fastest line around a track, as it is driven, and the fastest drive along it.

    Parameters
    ----------
    track
        A track, or the name or file of one (as `load_track` takes them).
    car
        `v4`, `v5`, `v6`, or a car of your own.
    margin
        Distance, m, that the line keeps from the borders, from -0.08 to 1. With a negative margin
        it goes beyond them; at -0.08 the wheels of the other side are still on the road.
    method
        `least_curvature` and `shortest` need no car and are fast. `collocation` solves the
        minimum-time problem with CasADi, `iterated` descends from the line of least curvature;
        neither is ever slower than the simple two. `auto` is `collocation` where CasADi is
        installed, else `iterated`, which also steps in where the solver gives up.

    Raises UsageError for an unknown track, car or method, and for a margin out of range.

    Examples
    --------
    >>> line = racing_line("oval", method="least_curvature")
    >>> line.xy.shape == (len(line.s), 2)
    True
    >>> print(f"{line.length:.1f} m in {line.lap_time:.1f} s")
    17.9 m in 6.5 s
    """
    if method not in LINE_METHODS:
        raise UsageError(
            f"unknown method {method!r}{did_you_mean(method, list(LINE_METHODS))} ({', '.join(LINE_METHODS)})"
        )
    if not WIDEST_MARGIN_M <= margin <= 1.0:
        raise UsageError(
            f"margin {margin:g} m: a lap counts down to {WIDEST_MARGIN_M:g} m, and beyond 1 m there is no road left"
        )
    if not isinstance(track, Track):
        track = load_track(track)
    if not isinstance(car, Car):
        car = car_preset(car)
    if method == "auto":
        method = "collocation" if has_solver() else "iterated"
    limits = build_ggv(car)
    corridor = build_corridor(track, GRID_SPACING_M[method])
    lines = spline_lines(corridor, margin)

    def timed(coefficients: Array, found_by: str) -> RacingLine:
        offset = lines.weight @ coefficients
        return line_from_offsets(track, corridor, offset, limits, found_by, margin)

    if method == "shortest":
        return timed(shortest_line(lines), "shortest")
    least_curvature = least_curvature_line(lines)
    candidates = [timed(least_curvature, "least_curvature")]
    if method != "least_curvature":
        candidates.append(timed(shortest_line(lines), "shortest"))
        candidates.append(
            _search(track, limits, lines, least_curvature, method, first=candidates[0])
        )
    return min(candidates, key=lambda line: line.lap_time)


def has_solver() -> bool:
    """Whether CasADi is installed."""
    return find_spec("casadi") is not None


def _search(
    track: Track,
    limits: GGV,
    lines: SplineLines,
    coefficients: Array,
    method: str,
    first: RacingLine,
) -> RacingLine:
    """The line that a method finds from the `coefficients` of the `first` line; where collocation
    finds none, the one that descent finds.
    """
    corridor = lines.corridor
    if method == "collocation":
        fraction = corridor.s / (corridor.spacing * len(corridor.s))
        known_fraction = first.s / first.length
        kappa = np.interp(fraction, known_fraction, first.kappa)
        speed = np.interp(fraction, known_fraction, first.speed)
        guess = (lines.weight @ coefficients, kappa, speed)
        solution = solve_collocation(corridor, limits, first.margin, guess)
        if solution is not None:
            return line_from_offsets(track, corridor, solution, limits, "collocation", first.margin)
    offset = lines.weight @ descend_lap_time(lines, limits, coefficients)
    return line_from_offsets(track, corridor, offset, limits, "iterated", first.margin)


def line_from_offsets(
    track: Track, corridor: Corridor, offset: Array, limits: GGV, method: str, margin: float
) -> RacingLine:
    """The line `offset` (M,) m to the left of a corridor's stations, at small equal steps, and the
    fastest drive along it.
    """
    xy, kappa = _resampled(corridor.points_at(offset), corridor.is_loop)
    gap = np.hypot(*(np.roll(xy, -1, axis=0) - xy).T)
    speed = fastest_speeds(kappa, gap, limits, corridor.is_loop)
    time, lap_time = passing_times(speed, gap, corridor.is_loop)
    s_center, center_offset = _center_coordinates(track, xy)
    return RacingLine(
        s=np.concatenate([[0.0], np.cumsum(gap[:-1])]),
        xy=xy,
        offset=center_offset,
        kappa=kappa,
        speed=speed,
        time=time,
        lap_time=lap_time,
        method=method,
        is_loop=corridor.is_loop,
        s_center=s_center,
        margin=margin,
    )


def _resampled(line: Array, is_loop: bool) -> tuple[Array, Array]:
    """Points (P, 2) about POINT_SPACING_M apart on the cubic spline through a line, and its
    curvature (P,) there, 1/m.
    """
    from scipy.interpolate import CubicSpline

    points = closed_line(line, is_loop)
    s = geometry.arc_length(points)
    curve = CubicSpline(s, points, bc_type="periodic" if is_loop else "natural")
    length = float(s[-1])
    count = max(round(length / POINT_SPACING_M), 16)
    samples = station_places(length, count, is_loop)
    kappa = geometry.curve_curvature(curve(samples, 1), curve(samples, 2))
    return np.asarray(curve(samples)), kappa


def _center_coordinates(track: Track, xy: Array) -> tuple[Array, Array]:
    """(M,) m of center line from the start line, and m to its left, of points (M, 2)."""
    s_center, segment, foot = geometry.project_points(track.center, xy)
    along = np.diff(track.center, axis=0)[segment]
    away = xy - foot
    side = np.sign(along[:, 0] * away[:, 1] - along[:, 1] * away[:, 0])
    return s_center, side * np.hypot(*away.T)


class LineTiming(NamedTuple):
    """What the lap time of a line depends on besides its offsets, for compiled code."""

    xy: Array  # (M, 2) m, the stations
    normal: Array  # (M, 2)
    is_loop: bool
    corners: Array  # (2, S), those of the GGV
    table: Array  # of the GGV
    slowest: float  # m/s
    fastest: float  # m/s


def descend_lap_time(lines: SplineLines, limits: GGV, first: Array) -> Array:
    """(C,) coefficients of a line that is faster than the one of the `first` (C,)."""
    corridor = lines.corridor
    timing = LineTiming(
        corridor.xy,
        corridor.normal,
        corridor.is_loop,
        limits.corners,
        limits.table,
        limits.slowest,
        limits.fastest,
    )

    def lap_time(coefficients: Array) -> tuple[float, Array, Array]:
        slope = np.empty(len(coefficients))
        value = _lap_time_slope(coefficients, slope, lines.weight, timing)
        bend = lines.curvature_slope(coefficients)
        return value, slope, corridor.spacing * bend.T @ bend

    return improve_coefficients(lap_time, lines.clip(first), lines, FIRST_PRICE, MAX_DESCENT_STEPS)


@njit(cache=True, error_model="numpy")
def _lap_time_slope(coefficients, slope, weight, timing):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Lap time, s, of a line by its coefficients; fills in the `slope` (C,) of it."""
    count = len(timing.xy)
    offset = weight @ coefficients
    line = np.empty((count, 2))
    scratch = np.empty((3, count))
    time = _lap_time(offset, timing, line, scratch)
    moved = np.empty(count)
    for k in range(len(coefficients)):
        for i in range(count):
            moved[i] = offset[i] + COEFFICIENT_NUDGE_M * weight[i, k]
        slope[k] = (_lap_time(moved, timing, line, scratch) - time) / COEFFICIENT_NUDGE_M
    return time


@njit(cache=True, error_model="numpy")
def _lap_time(offset, timing, line, scratch):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Lap time, s, of the line `offset` m to the left of the stations; `line` (M, 2) and `scratch`
    (3, M) are overwritten.
    """
    count = len(offset)
    is_loop = timing.is_loop
    kappa, gap, speed = scratch
    for i in range(count):
        line[i, 0] = timing.xy[i, 0] + offset[i] * timing.normal[i, 0]
        line[i, 1] = timing.xy[i, 1] + offset[i] * timing.normal[i, 1]
    _measure(line, is_loop, kappa, gap)
    first = 0
    least = np.inf
    for i in range(count):
        speed[i] = np.interp(kappa[i], timing.corners[0], timing.corners[1])
        if speed[i] < least:
            first = i
            least = speed[i]
    if not is_loop:
        speed[0] = 0.0
        first = 0
    sweep_speeds(speed, kappa, gap, timing.table, timing.slowest, timing.fastest, first, is_loop)
    time = 0.0
    for i in range(count if is_loop else count - 1):
        time += 2.0 * gap[i] / (speed[i] + speed[(i + 1) % count])
    return time


@njit(cache=True, error_model="numpy")
def _measure(line, is_loop, kappa, gap):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill in the unsigned curvature (M,), 1/m, at the points of a line (M, 2), and the distance
    (M,), m, to the next.
    """
    count = len(line)
    for i in range(count):
        before = line[(i - 1) % count]
        after = line[(i + 1) % count]
        ax = line[i, 0] - before[0]
        ay = line[i, 1] - before[1]
        bx = after[0] - line[i, 0]
        by = after[1] - line[i, 1]
        gap[i] = np.sqrt(bx * bx + by * by)
        size = np.sqrt((ax * ax + ay * ay) * ((ax + bx) ** 2 + (ay + by) ** 2)) * gap[i]
        kappa[i] = 2.0 * abs(ax * by - ay * bx) / max(size, 1e-9)
    if not is_loop:
        kappa[0] = 0.0
        kappa[count - 1] = 0.0
