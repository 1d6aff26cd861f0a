"""The fastest line around a track and the fastest drive along it: a lap-time bound for a car."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.car import Car
from racer.errors import UsageError, did_you_mean
from racer.raceline import baselines, collocation, descent
from racer.raceline.corridor import Corridor, corridor
from racer.raceline.envelope import Envelope, envelope
from racer.raceline.profile import profile, times
from racer.raceline.stations import Stations as Stations
from racer.raceline.stations import least_curvature as least_curvature
from racer.raceline.stations import speeds as speeds
from racer.raceline.stations import stations as stations
from racer.track.record import Track

Array = NDArray[np.float64]

MARGIN = -0.06  # m between the middle of the car and a border: beyond it two wheels are on the road, with 2 cm to spare
WIDEST = -0.08  # m: so far beyond the border the wheels of the other side are still on the road
METHODS = ("auto", "collocation", "iterated", "least_curvature", "shortest")
GRID = {"collocation": 0.1, "iterated": 0.2, "least_curvature": 0.2, "shortest": 0.2}  # m between stations
STEP = 0.05  # m between the points of a line


@dataclass(frozen=True, eq=False)
class Line:
    """A line around a track, and the fastest drive along it; on a loop a flying lap, and the first point not repeated.

    `s` (M,) m along the line; `xy` (M, 2) m; `aside` (M,) m to the left of the center line; `kappa` (M,) 1/m, positive
    to the left; `speed` (M,) m/s; `time` (M,) s at which the point is reached; `place` (M,) m of center line from the
    start line; `method` found it, `margin` m within the borders.
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


def fastest(track: Track, car: Car, margin: float = MARGIN, method: str = "auto") -> Line:
    """The fastest line around a track, as it is driven, whose points stay `margin` m within the borders.

    `auto` is `collocation` where CasADi is installed, and `iterated` otherwise, as it is where the solver gives up;
    neither is ever slower than `least_curvature` or `shortest`. Raises UsageError.
    """
    if method not in METHODS:
        raise UsageError(f"unknown method {method!r}{did_you_mean(method, list(METHODS))} ({', '.join(METHODS)})")
    if not WIDEST <= margin <= 1.0:
        raise UsageError(
            f"margin {margin:g} m: a lap counts down to {WIDEST:g} m, and beyond 1 m there is no road left"
        )
    chosen = method if method != "auto" else "collocation" if has_solver() else "iterated"
    limits = envelope(car)
    road = corridor(track, GRID[chosen])
    lines = baselines.splines(road, margin)
    bent = baselines.least_curvature(lines)
    found = {"least_curvature": bent} if method != "shortest" else {}
    if method != "least_curvature":
        found["shortest"] = baselines.shortest(lines)
    known = {name: drawn(track, road, lines.weight @ c, limits, name, margin) for name, c in found.items()}
    if chosen in ("collocation", "iterated"):
        searched = _searched(track, limits, lines, bent, chosen, known["least_curvature"])
        known[searched.method] = searched
    return min(known.values(), key=lambda line: line.lap_time)


def has_solver() -> bool:
    """Whether CasADi is installed."""
    return find_spec("casadi") is not None


def _searched(track: Track, limits: Envelope, lines: baselines.Splines, bent: Array, method: str, first: Line) -> Line:
    """The line that a method finds, beginning with `bent`; where collocation finds none, what descent finds."""
    road = lines.road
    if method == "collocation":
        share = road.s / (road.spacing * len(road.s))
        guess = [np.interp(share, first.s / first.length, values) for values in (first.kappa, first.speed)]
        aside = collocation.solve(road, limits, first.margin, (lines.weight @ bent, guess[0], guess[1]))
        if aside is not None:
            return drawn(track, road, aside, limits, "collocation", first.margin)
    aside = lines.weight @ descent.solve(lines, limits, bent)
    return drawn(track, road, aside, limits, "iterated", first.margin)


def drawn(track: Track, road: Corridor, aside: Array, limits: Envelope, method: str, margin: float) -> Line:
    """The line `aside` (M,) m to the left of a corridor's stations, at small equal steps, and the drive along it."""
    from scipy.interpolate import CubicSpline

    xy = road.offset(aside)
    points = np.vstack([xy, xy[:1]]) if road.is_loop else xy
    way = geometry.arc_length(points)
    curve = CubicSpline(way, points, bc_type="periodic" if road.is_loop else "natural")
    count = max(round(float(way[-1]) / STEP), 16)
    at = np.linspace(0.0, float(way[-1]), count + 1)[: count if road.is_loop else None]
    first, second, spots = curve(at, 1), curve(at, 2), np.asarray(curve(at))
    kappa = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / np.hypot(*first.T) ** 3
    gap = np.hypot(*(np.roll(spots, -1, axis=0) - spots).T)
    speed = profile(kappa, gap, limits, road.is_loop)
    time, lap_time = times(speed, gap, road.is_loop)
    s = np.concatenate([[0.0], np.cumsum(gap[:-1])])
    place, left = _beside(track, spots)
    return Line(s, spots, left, kappa, speed, time, lap_time, method, road.is_loop, place, margin)


def _beside(track: Track, spots: Array) -> tuple[Array, Array]:
    """(M,) m of center line from the start line, and m to its left, of points (M, 2)."""
    place, segment, foot = geometry.project(track.center, spots)
    along = np.diff(track.center, axis=0)[segment]
    away = spots - foot
    side = np.sign(along[:, 0] * away[:, 1] - along[:, 1] * away[:, 0])
    return place, side * np.hypot(*away.T)
