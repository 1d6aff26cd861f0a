"""The fastest line around a track and the fastest drive along it: a lap-time bound for a car."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.errors import UsageError, did_you_mean
from racer.raceline import collocation
from racer.raceline import geometric as baselines
from racer.raceline import minimum_time as descent
from racer.raceline.corridor import Corridor, build_corridor
from racer.raceline.geometric import SplineLines, improve_coefficients
from racer.raceline.ggv import GGV, build_ggv
from racer.raceline.speed_profile import fastest_speeds, passing_times, sweep_speeds
from racer.raceline.stations import Stations as Stations
from racer.raceline.stations import cornering_speeds as cornering_speeds
from racer.raceline.stations import place_stations as place_stations
from racer.raceline.stations import relaxed_offsets as relaxed_offsets
from racer.track.library import TrackSource, load_track
from racer.track.track import Track
from racer.vehicle.car import Car, car_preset

Array = NDArray[np.float64]

NUDGE_M = 1e-4  # m, of a coefficient, that the slope is told by
FIRST_PRICE = 0.1  # s per squared change of curvature (1/m2): of a change at first
MAX_DESCENT_STEPS = 30  # of the descent, at most


def descend_lap_time(lines: SplineLines, limits: GGV, first: Array) -> Array:
    """(C,) coefficients of a line that is faster than the one of the `first` (C,)."""
    road = lines.road
    made = (
        lines.weight,
        road.xy,
        road.normal,
        road.is_loop,
        limits.corners,
        limits.table,
        limits.slowest,
        limits.fastest,
    )

    def time(coefficients: Array) -> tuple[float, Array, Array]:
        slope = np.empty(len(coefficients))
        value = _slope(coefficients, slope, NUDGE_M, *made)
        bend = lines.bends(coefficients)[1]
        return value, slope, road.spacing * bend.T @ bend

    return improve_coefficients(
        time, np.clip(first, lines.low, lines.high), lines, FIRST_PRICE, MAX_DESCENT_STEPS
    )


@njit(cache=True, error_model="numpy")
def _slope(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    coefficients, slope, nudge, splines, xy, normal, is_loop, corner, table, slowest, fastest
):
    """Lap time, s, of a line by its coefficients; fills in the `slope` (C,) of it."""
    n = len(xy)
    aside = splines @ coefficients
    line, work = np.empty((n, 2)), np.empty((3, n))
    time = _time(aside, xy, normal, is_loop, corner, table, slowest, fastest, line, work)
    moved = np.empty(n)
    for k in range(len(coefficients)):
        for i in range(n):
            moved[i] = aside[i] + nudge * splines[i, k]
        slope[k] = (
            _time(moved, xy, normal, is_loop, corner, table, slowest, fastest, line, work) - time
        ) / nudge
    return time


@njit(cache=True, error_model="numpy")
def _time(aside, xy, normal, is_loop, corner, table, slowest, fastest, line, work):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Lap time, s, of the line `aside` m to the left of the stations; `line` (M, 2) and `work` (3,
    M) are scratch.
    """
    n = len(aside)
    kappa, gap, speed = work
    for i in range(n):
        line[i, 0] = xy[i, 0] + aside[i] * normal[i, 0]
        line[i, 1] = xy[i, 1] + aside[i] * normal[i, 1]
    first, least = 0, np.inf
    for i in range(n):
        h, j = (i - 1) % n, (i + 1) % n
        ax, ay, bx, by = (
            line[i, 0] - line[h, 0],
            line[i, 1] - line[h, 1],
            line[j, 0] - line[i, 0],
            line[j, 1] - line[i, 1],
        )
        gap[i] = np.sqrt(bx * bx + by * by)
        size = np.sqrt((ax * ax + ay * ay) * ((ax + bx) ** 2 + (ay + by) ** 2)) * gap[i]
        kappa[i] = 2.0 * abs(ax * by - ay * bx) / max(size, 1e-9)
        if not is_loop and (i == 0 or i == n - 1):
            kappa[i] = 0.0
        speed[i] = np.interp(kappa[i], corner[0], corner[1])
        if speed[i] < least:
            first, least = i, speed[i]
    if not is_loop:
        speed[0], first = 0.0, 0
    sweep_speeds(speed, kappa, gap, table, slowest, fastest, first, is_loop)
    time = 0.0
    for i in range(n if is_loop else n - 1):
        time += 2.0 * gap[i] / (speed[i] + speed[(i + 1) % n])
    return time


# m between the middle of the car and a border: beyond it two wheels are on the road, with 2 cm to
# spare
LINE_MARGIN_M = -0.06
WIDEST_MARGIN_M = (
    -0.08
)  # m: so far beyond the border the wheels of the other side are still on the road
LINE_METHODS = ("auto", "collocation", "iterated", "least_curvature", "shortest")
# m between stations
GRID_SPACING_M = {"collocation": 0.1, "iterated": 0.2, "least_curvature": 0.2, "shortest": 0.2}
POINT_SPACING_M = 0.05  # m between the points of a line


@dataclass(frozen=True, eq=False)
class RacingLine:
    """A line around a track, and the fastest drive along it; on a loop a flying lap, and the first
    point not repeated.

    `s` (M,) m along the line; `xy` (M, 2) m; `aside` (M,) m to the left of the center line; `kappa`
    (M,) 1/m, positive to the left; `speed` (M,) m/s; `time` (M,) s at which the point is reached;
    `place` (M,) m of center line from the start line; `method` found it, `margin` m within the
    borders.
    """

    s: Array
    xy: Array
    aside: Array
    kappa: Array
    speed: Array
    time: Array
    lap_time: float
    method: str
    is_loop: bool
    place: Array
    margin: float

    @property
    def length(self) -> float:
        """m of one lap, or from end to end."""
        closing = float(np.hypot(*(self.xy[0] - self.xy[-1]))) if self.is_loop else 0.0
        return float(self.s[-1]) + closing


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
    chosen = method if method != "auto" else "collocation" if has_solver() else "iterated"
    limits = build_ggv(car)
    road = build_corridor(track, GRID_SPACING_M[chosen])
    lines = baselines.spline_lines(road, margin)
    bent = baselines.least_curvature_line(lines)
    found = {"least_curvature": bent} if method != "shortest" else {}
    if method != "least_curvature":
        found["shortest"] = baselines.shortest_line(lines)
    known = {
        name: line_from_offsets(track, road, lines.weight @ c, limits, name, margin)
        for name, c in found.items()
    }
    if chosen in ("collocation", "iterated"):
        searched = _searched(track, limits, lines, bent, chosen, known["least_curvature"])
        known[searched.method] = searched
    return min(known.values(), key=lambda line: line.lap_time)


def has_solver() -> bool:
    """Whether CasADi is installed."""
    return find_spec("casadi") is not None


def _searched(
    track: Track,
    limits: GGV,
    lines: baselines.SplineLines,
    bent: Array,
    method: str,
    first: RacingLine,
) -> RacingLine:
    """The line that a method finds, beginning with `bent`; where collocation finds none, what
    descent finds.
    """
    road = lines.road
    if method == "collocation":
        share = road.s / (road.spacing * len(road.s))
        guess = [
            np.interp(share, first.s / first.length, values)
            for values in (first.kappa, first.speed)
        ]
        aside = collocation.solve_collocation(
            road, limits, first.margin, (lines.weight @ bent, guess[0], guess[1])
        )
        if aside is not None:
            return line_from_offsets(track, road, aside, limits, "collocation", first.margin)
    aside = lines.weight @ descent.descend_lap_time(lines, limits, bent)
    return line_from_offsets(track, road, aside, limits, "iterated", first.margin)


def line_from_offsets(
    track: Track, road: Corridor, aside: Array, limits: GGV, method: str, margin: float
) -> RacingLine:
    """The line `aside` (M,) m to the left of a corridor's stations, at small equal steps, and the
    drive along it.
    """
    from scipy.interpolate import CubicSpline

    xy = road.offset(aside)
    points = np.vstack([xy, xy[:1]]) if road.is_loop else xy
    way = geometry.arc_length(points)
    curve = CubicSpline(way, points, bc_type="periodic" if road.is_loop else "natural")
    count = max(round(float(way[-1]) / POINT_SPACING_M), 16)
    at = np.linspace(0.0, float(way[-1]), count + 1)[: count if road.is_loop else None]
    first, second, spots = curve(at, 1), curve(at, 2), np.asarray(curve(at))
    kappa = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / np.hypot(*first.T) ** 3
    gap = np.hypot(*(np.roll(spots, -1, axis=0) - spots).T)
    speed = fastest_speeds(kappa, gap, limits, road.is_loop)
    time, lap_time = passing_times(speed, gap, road.is_loop)
    s = np.concatenate([[0.0], np.cumsum(gap[:-1])])
    place, left = _beside(track, spots)
    return RacingLine(
        s, spots, left, kappa, speed, time, lap_time, method, road.is_loop, place, margin
    )


def _beside(track: Track, spots: Array) -> tuple[Array, Array]:
    """(M,) m of center line from the start line, and m to its left, of points (M, 2)."""
    place, segment, foot = geometry.project_points(track.center, spots)
    along = np.diff(track.center, axis=0)[segment]
    away = spots - foot
    side = np.sign(along[:, 0] * away[:, 1] - along[:, 1] * away[:, 0])
    return place, side * np.hypot(*away.T)
