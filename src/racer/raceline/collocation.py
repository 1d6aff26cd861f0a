"""The minimum-time line by direct collocation: an optimal control problem along the road, solved by
CasADi and IPOPT.

At every station of the corridor the unknowns are the offset n from the reference line, the angle xi
of the path to it and the speed v; between two stations, the curvature of the path and the
acceleration b along it. With c the curvature
of the reference line and q = (1 - n c) / cos(xi), the way per meter of the reference line::

    n' = q sin(xi)      xi' = q kappa - c      (v^2 / 2)' = q b      t' = q / v

hold at the middle between two stations (Gauss collocation with one point, implicit midpoint rule).
n stays within the road, v within the speeds of the car's envelope, and v^2 kappa and b within its
sides, which are polynomials of v here. Minimized is the time of the lap and a small price on how
fast curvature and acceleration change along the road: a car cannot turn its wheels, or itself, at
once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.raceline.corridor import Corridor
from racer.raceline.ggv import GGV

Array = NDArray[np.float64]

RIPPLE_WEIGHTS = (
    2e-3,
    2e-5,
)  # price of the integral over the way of kappa'^2 (s m3) and b'^2 (s5/m)
LIMIT_DEGREE = 6  # of the polynomials of speed
MAX_SLANT_RAD = 1.2  # rad, the greatest angle between path and reference line
MAX_CURVATURE = 8.0  # 1/m: no car turns more sharply
MAX_ACCELERATION = (
    8.0  # m/s2 along the path that are looked for; what v6 reaches beyond that moves no line
)
ACCELERATION_SCALE = 5.0  # m/s2, of an acceleration: constraints are of size 1
SOLVER_OPTIONS: dict[str, Any] = {
    "print_time": False,
    "ipopt": {
        "print_level": 0, "sb": "yes", "max_iter": 200, "tol": 1e-4, "mu_init": 0.01, "acceptable_tol": 1e-3,
        "acceptable_iter": 8,
    },
}  # fmt: skip


def solve_collocation(
    road: Corridor, limits: GGV, margin: float, guess: tuple[Array, Array, Array]
) -> Array | None:
    """(M,) m to the left of the reference line of the fastest line; None where the solver finds
    none.

    `guess` holds offset (M,), curvature (M,) and speed (M,) of a line to begin with.
    """
    import casadi as ca

    count = len(road.s)
    here, on = _pairs(road)
    states = [ca.MX.sym(name, count) for name in ("n", "xi", "v")]
    kappa, b = controls = [ca.MX.sym(name, len(here)) for name in ("kappa", "b")]
    both = [[z[index.tolist()] for z in states] for index in (here, on)]
    bend = ca.DM(0.5 * (road.kappa[here] + road.kappa[on]))
    gaps, time = _rules(ca, road.spacing, both, kappa, b, bend)
    sides = _sides(ca, limits, 0.5 * (both[0][2] + both[1][2]), kappa, b)
    price = sum(
        weight / road.spacing * ca.sumsqr(_change(z, road.is_loop))
        for weight, z in zip(RIPPLE_WEIGHTS, controls, strict=True)
    )
    problem = {"x": ca.vertcat(*states, *controls), "f": time + price, "g": ca.vertcat(gaps, sides)}
    solver = ca.nlpsol("line", "ipopt", problem, SOLVER_OPTIONS)
    low, high = _bounds(road, limits, margin)
    floor = np.concatenate([np.zeros(gaps.numel()), np.full(sides.numel(), -np.inf)])
    found = solver(x0=_start(road, guess, low, high), lbx=low, ubx=high, lbg=floor, ubg=0.0)
    if not solver.stats()["success"]:
        return None
    return np.asarray(found["x"], dtype=np.float64).ravel()[:count]


def _pairs(road: Corridor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and second station of each piece of road."""
    here = np.arange(len(road.s) if road.is_loop else len(road.s) - 1)
    return here, (here + 1) % len(road.s)


def _rules(
    ca: Any, spacing: float, both: list[Any], kappa: Any, b: Any, bend: Any
) -> tuple[Any, Any]:
    """What is left of the differential equations, and the time of the lap, s."""
    (n0, xi0, v0), (n1, xi1, v1) = both
    n, xi, v = 0.5 * (n0 + n1), 0.5 * (xi0 + xi1), 0.5 * (v0 + v1)
    way = spacing * (1.0 - n * bend) / ca.cos(xi)
    gaps = (
        n1 - n0 - way * ca.sin(xi),
        xi1 - xi0 - way * kappa + spacing * bend,
        0.5 * (v1**2 - v0**2) - way * b,
    )
    return ca.vertcat(*gaps), ca.sum1(way / v)


def _sides(ca: Any, limits: GGV, v: Any, kappa: Any, b: Any) -> Any:
    """How far the accelerations are beyond the sides of the envelope, to the left and to the right."""
    middle, half = 0.5 * (limits.fastest + limits.slowest), 0.5 * (limits.fastest - limits.slowest)
    x, domain = (v - middle) / half, [limits.slowest, limits.fastest]
    beyond = []
    for across, along, row in zip(limits.across, limits.along, limits.limit, strict=True):
        terms = np.polynomial.Polynomial.fit(limits.speed, row, LIMIT_DEGREE, domain=domain).coef
        reach = float(terms[-1])
        for term in terms[-2::-1]:
            reach = reach * x + float(term)
        for side in (1.0, -1.0) if across > 1e-9 else (1.0,):
            beyond.append((side * across * v**2 * kappa + along * b - reach) / ACCELERATION_SCALE)
    return ca.vertcat(*beyond)


def _change(values: Any, is_loop: bool) -> Any:
    count = values.numel()
    after = [*range(1, count), 0] if is_loop else [*range(1, count), count - 1]
    return values[after] - values


def _bounds(road: Corridor, limits: GGV, margin: float) -> tuple[Array, Array]:
    """Lowest and highest of all unknowns."""
    count, pieces = len(road.s), len(_pairs(road)[0])
    low, high = road.room(margin)
    sizes = (count, count, pieces, pieces)
    fixed = (
        (-MAX_SLANT_RAD, MAX_SLANT_RAD),
        (limits.slowest, limits.fastest),
        (-MAX_CURVATURE, MAX_CURVATURE),
        (-MAX_ACCELERATION, MAX_ACCELERATION),
    )
    lows, highs = (
        [np.full(n, pair[k]) for n, pair in zip(sizes, fixed, strict=True)] for k in (0, 1)
    )
    if not road.is_loop:  # from standstill
        highs[1][0] = limits.slowest
    return np.concatenate([low, *lows]), np.concatenate([high, *highs])


def _start(road: Corridor, guess: tuple[Array, Array, Array], low: Array, high: Array) -> Array:
    """All unknowns of the line to begin with, within their bounds."""
    aside, kappa, speed = guess
    here, on = _pairs(road)
    slope = (
        np.gradient(np.pad(aside, 1, mode="wrap" if road.is_loop else "edge"))[1:-1] / road.spacing
    )
    xi = np.arctan2(slope, np.maximum(1.0 - aside * road.kappa, 0.1))
    gain = (speed[on] ** 2 - speed[here] ** 2) / (2.0 * road.spacing)
    return np.asarray(
        np.clip(
            np.concatenate([aside, xi, speed, 0.5 * (kappa[here] + kappa[on]), gain]), low, high
        )
    )
