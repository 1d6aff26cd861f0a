"""The minimum-time line by direct collocation: an optimal control problem along the road, solved by
CasADi and IPOPT.

At every station of the corridor the unknowns are the offset n from the reference line, the angle xi
of the path to it and the speed v; between two stations, the curvature of the path and the
acceleration b along it. With c the curvature
of the reference line and q = (1 - n c) / cos(xi), the distance per meter of the reference line::

    n' = q sin(xi)      xi' = q kappa - c      (v^2 / 2)' = q b      t' = q / v

hold at the middle between two stations (Gauss collocation with one point, implicit midpoint rule).
n stays within the road, v within the speeds of the car's envelope, and v^2 kappa and b within its
sides, which are polynomials of v here. Minimized is the time of the lap and a small price on how
fast curvature and acceleration change along the road: a car cannot turn its wheels, or itself, at
once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.raceline.corridor import Corridor
from racer.raceline.ggv import GGV

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

    problem, least = _problem(ca, corridor, limits)
    solver = ca.nlpsol("line", "ipopt", problem, SOLVER_OPTIONS)
    low, high = _bounds(corridor, limits, margin)
    solution = solver(x0=_start(corridor, guess, low, high), lbx=low, ubx=high, lbg=least, ubg=0.0)
    if not solver.stats()["success"]:
        return None
    return np.asarray(solution["x"], dtype=np.float64).ravel()[: len(corridor.s)]


def _problem(ca: Any, corridor: Corridor, limits: GGV) -> tuple[dict[str, Any], Array]:
    """The unknowns, the time to minimize and the constraints, as IPOPT takes them, and the least
    values of the constraints, of which none may be above 0.
    """
    first, second = _station_pairs(corridor)
    state = PathState(*[ca.MX.sym(name, len(corridor.s)) for name in PathState._fields])
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
    least = np.concatenate([np.zeros(gaps.numel()), np.full(sides.numel(), -np.inf)])
    return problem, least


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
