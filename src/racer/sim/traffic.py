"""Bot cars in motion: where they are on their lanes, when they change them, and when they stand
(SIMULATOR.md 8.2).

What a car's rules and params know of them is a step old, as in the simulator: there bot cars move
when a step begins, and are entered in the books after the car has been judged.
"""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.sim.obstacle_layout import ObstacleLayout
from racer.sim.obstacles import INNER_LANE, OUTER_LANE, Obstacles, locate_obstacles
from racer.sim.state import Phase, State
from racer.track.spatial_index import PackedTracks
from racer.track.track import Track

Array = NDArray[np.float64]

# m: a point of a lane that near to the beginning or end of a lane change is left out
TOO_NEAR_M = 0.02
SHAPING_POINTS = 3  # points of the lanes before and after a lane change that shape its curve


@dataclass(frozen=True, eq=False)
class LaneCurve:
    """A piecewise cubic over `s` (P,) m: piece p is `poly` (P - 1, 2, 4), by powers of s - s[p], x
    and y in m.
    """

    s: Array
    poly: Array

    def at(self, s: float, length: float) -> tuple[Array, Array]:
        """Point and derivative, each (2,), at `s`, brought into the curve's range by a lap of that
        length.
        """
        low, high = self.s[0], self.s[-1]
        s = s + length if s < low else s
        s = min(max(s - length if s > high else s, low), high)
        p = min(int(np.searchsorted(self.s, s, side="right")) - 1, len(self.poly) - 1)
        t = s - self.s[p]
        a, b, c, d = self.poly[p].T
        return a + t * (b + t * (c + t * d)), b + t * (2.0 * c + 3.0 * t * d)


@dataclass(frozen=True, eq=False)
class Lane:
    """The middle of a lane: `points` (W, 2) m, at `s` (W,) m of center line, and the curve through
    them.
    """

    points: Array
    s: Array
    curve: LaneCurve


@lru_cache(maxsize=64)
def build_lane(track: Track, side: int) -> Lane:
    """A lane of a track: OUTER, or else the inner one."""
    points = 0.5 * (track.center + (track.outer if side == OUTER_LANE else track.inner))
    s = _unwrapped(geometry.project_points(track.center, points)[0], track.length)
    knots, first = np.unique(s, return_index=True)
    xy = points[first]
    for end, where in ((0, 0.0), (-1, track.length)):
        if (knots[end] > where) if end == 0 else (knots[end] < where):
            knots[end] = where
            xy[end] = geometry.nearest_point(points, track.center[[end]])[0]
    if track.is_loop:
        xy[-1] = xy[0]
    return Lane(points, s, _through(knots, xy, "periodic" if track.is_loop else "not-a-knot"))


def lane_change(track: Track, start: int, now: float, begin: float, end: float) -> LaneCurve:
    """The curve of a bot car from lane `start` to the other one, which it leaves at `begin` and
    reaches at `end`.

    All are m of center line from waypoint 0, within the lap; the car is at `now`.
    """
    one, other = build_lane(track, start), build_lane(track, -start)
    over = 0.0 if begin < end else track.length
    before = _before(one, now, begin, track)
    after = _after(other, end, over, track)
    there, here = other.curve.at(end, track.length)[0], one.curve.at(begin, track.length)[0]
    before = _without(before, -1, here)
    after = _without(after, 0, there)
    s = np.concatenate([before[:, 0], [begin, end + over], after[:, 0]])
    xy = np.vstack([before[:, 1:], here, there, after[:, 1:]])
    knots, first = np.unique(s, return_index=True)
    return _through(knots, xy[first], "not-a-knot")


def _before(lane: Lane, now: float, begin: float, track: Track) -> Array:
    """(B, 3) s, x and y of the lane's points from a few behind the car to the beginning of the
    change.
    """
    count = len(lane.points) - int(track.is_loop)
    first, last = (
        (bisect_left(lane.s.tolist(), now) - 1 - SHAPING_POINTS) % count,
        bisect_left(lane.s.tolist(), begin) - 1,
    )
    if first < last:
        return _points(lane, range(first, last + 1), 0.0)
    behind = _points(lane, range(first, count), -track.length)
    return np.vstack([behind, _points(lane, range(last + 1), 0.0)])


def _after(lane: Lane, end: float, over: float, track: Track) -> Array:
    """(A, 3) the same from the end of the change to a few points on."""
    count = len(lane.points) - int(track.is_loop)
    first = bisect_right(lane.s.tolist(), end)
    last = (first + SHAPING_POINTS) % count
    if first < last:
        return _points(lane, range(first, last + 1), over)
    here = _points(lane, range(first, count), over)
    return np.vstack([here, _points(lane, range(last + 1), over + track.length)])


def _points(lane: Lane, which: range, shift: float) -> Array:
    chosen = np.array(which, dtype=np.int64)
    return np.column_stack([lane.s[chosen] + shift, lane.points[chosen]])


def _without(points: Array, end: int, spot: Array) -> Array:
    """`points` (B, 3) without the one at that end where it is too near to a spot."""
    if len(points) and np.hypot(*(points[end, 1:] - spot)) < TOO_NEAR_M:
        return np.delete(points, end, axis=0)
    return points


def _unwrapped(s: Array, length: float) -> Array:
    """`s` (W,) of points along a lap, where those before the line are below 0 and those after it
    beyond `length`.
    """
    s = s.copy()
    early = np.flatnonzero(s < 0.5 * length)[0]
    s[:early] -= length
    late = np.flatnonzero(s[1:] > 0.5 * length)[-1] + 1
    s[late + 1 :] += length
    return s


def _through(s: Array, xy: Array, ends: str) -> LaneCurve:
    """The cubic spline through points, periodic or with its ends as FITPACK makes them."""
    from scipy.interpolate import CubicSpline

    made = CubicSpline(s, xy, bc_type=ends)
    return LaneCurve(s, np.ascontiguousarray(made.c[::-1].transpose(1, 2, 0)))


PREPARE, RUN, PAUSE = int(Phase.PREPARE), int(Phase.RUN), int(Phase.PAUSE)
CURVE_POINTS = 32  # points of a lane change that there is room for at first

CREW_DTYPE = np.dtype(
    [
        ("phase", np.int8),  # of all bot cars before one car
        ("start", np.float64),  # s, clock when the episode began
        ("crashes", np.int64),  # into the car from behind
        ("pause", np.float64),  # s of penalty left
    ],
    align=True,
)


class Traffic:
    """The B bot cars before each of N cars (a class: what they do next depends on what they have
    done).
    """

    def __init__(
        self, course: ObstacleLayout, tracks: tuple[Track, ...], roads: PackedTracks, n: int
    ) -> None:
        bots = course.number_of_bot_cars
        self._course, self._tracks, self._roads = course, tracks, roads
        self._lengths = np.array([track.length for track in tracks])
        self._lanes = _Curves.of(
            [
                build_lane(track, which).curve
                for track in tracks
                for which in (INNER_LANE, OUTER_LANE)
            ]
        )
        self._crews = np.zeros(n, CREW_DTYPE)
        self._first = np.zeros((n, bots))  # m of center line where each began
        # s, clock when the lane change is over that is under way or to come
        self._until = np.full((n, bots), np.inf)
        self._changes = _Curves.empty(n * bots)

    def begin(
        self, cars: NDArray[np.int64], bodies: Obstacles, places: Array, state: State
    ) -> Obstacles:
        """`bodies` (N, K), with the bot cars of `cars` (by index) at `places` (len(cars), B) m,
        where they begin.
        """
        bodies = bodies.copy()
        self._crews[cars] = np.zeros(1, CREW_DTYPE)
        self._crews["start"][cars] = state["clock"][cars]
        self._first[cars] = places
        self._until[cars] = 0.0 if self._course.is_lane_change else np.inf
        for k in cars:
            self._changes.clear(k * self._first.shape[1], self._first.shape[1])
        return self._placed(bodies, state, np.isin(np.arange(len(state)), cars))

    def drive(
        self, bodies: Obstacles, state: State, generators: list[np.random.Generator]
    ) -> Obstacles:
        """`bodies` (N, K) with the bot cars where they are when the step of `state` (N,) begins."""
        bodies = bodies.copy()
        on_the_way = self._crews["phase"] == RUN
        due = (state["clock"][:, None] >= self._until) & on_the_way[:, None]
        for car, bot in np.argwhere(due):
            self._plan(bodies, car, bot, state[car], generators[car])
        return self._placed(bodies, state, on_the_way)

    def judge(self, rammed: NDArray[np.bool_], dt: Array) -> None:
        """What comes of a step of `dt` (N,) s in which bot cars have run into some of the cars,
        where `rammed` (N,).
        """
        crews, penalty = self._crews, self._course.penalty_seconds
        crews["pause"] -= np.where(crews["pause"] > 0.0, dt, 0.0)
        was = crews["phase"].copy()
        crews["phase"][(was != RUN) & (crews["pause"] <= 1e-9)] = RUN
        hurt = (was == RUN) & rammed
        crews["phase"][hurt] = PAUSE
        crews["pause"][hurt] = penalty
        crews["crashes"][hurt] += 1
        self._until[hurt] += penalty

    def snapshot(self) -> Any:
        """Everything that changes, as plain data."""
        return copy.deepcopy((self._crews, self._first, self._until, self._changes.parts))

    def restore(self, snapshot: Any) -> None:
        """Be as when `snapshot` was taken."""
        self._crews, self._first, self._until, parts = copy.deepcopy(snapshot)
        self._changes = _Curves(*parts)

    def _plan(
        self, bodies: Obstacles, car: int, bot: int, state: np.void, generator: np.random.Generator
    ) -> None:
        """Decide when a bot car changes lanes next, and how."""
        course, body = self._course, bodies[car, bodies.shape[1] - self._first.shape[1] + bot]
        if self._until[car, bot] > 0.0:
            body["lane"] = -body["lane"]
        duration = course.lane_change_distance / course.bot_car_speed
        wait = generator.uniform(course.lower_lane_change_time, course.upper_lane_change_time)
        until = state["clock"] + wait + duration
        self._until[car, bot] = until
        now, begin, end = (
            self._distance(car, bot, t, state) for t in (state["clock"], until - duration, until)
        )
        curve = lane_change(self._tracks[state["road"]], int(body["lane"]), now, begin, end)
        self._changes.put(car * self._first.shape[1] + bot, curve)

    def _distance(self, car: int, bot: int, clock: float, state: np.void) -> float:
        crew = self._crews[car]
        driven = max(clock - crew["start"] - crew["crashes"] * self._course.penalty_seconds, 0.0)
        length = self._tracks[state["road"]].length
        return float((self._first[car, bot] + driven * self._course.bot_car_speed) % length)

    def _placed(self, bodies: Obstacles, state: State, which: NDArray[np.bool_]) -> Obstacles:
        """`bodies`, written to, with the bot cars before the cars `which` (N,) on their curves."""
        course = self._course
        _put(
            bodies, which, self._crews, self._first, state["clock"], state["road"], course.bot_car_speed,
            course.penalty_seconds, self._lengths, self._lanes.parts, self._changes.parts,
        )  # fmt: skip
        return locate_obstacles(bodies, state["road"], self._roads)


class _Curves:
    """Curves side by side in arrays with room for more, for compiled code: how many points each
    has, s, and `poly`.
    """

    def __init__(self, count: NDArray[np.int64], s: Array, poly: Array) -> None:
        self.parts = count, s, poly

    @classmethod
    def empty(cls, n: int, room: int = CURVE_POINTS) -> _Curves:
        return cls(np.zeros(n, dtype=np.int64), np.zeros((n, room)), np.zeros((n, room, 2, 4)))

    @classmethod
    def of(cls, curves: list[LaneCurve]) -> _Curves:
        made = cls.empty(len(curves))
        for k, curve in enumerate(curves):
            made.put(k, curve)
        return made

    def put(self, k: int, curve: LaneCurve) -> None:
        count, s, poly = self.parts
        points = len(curve.s)
        if points > s.shape[1]:
            more = 2 * points - s.shape[1]
            s, poly = (
                np.pad(s, ((0, 0), (0, more))),
                np.pad(poly, ((0, 0), (0, more), (0, 0), (0, 0))),
            )
        count[k], s[k, :points], poly[k, : points - 1] = points, curve.s, curve.poly
        self.parts = count, s, poly

    def clear(self, first: int, n: int) -> None:
        self.parts[0][first : first + n] = 0


@njit(cache=True, error_model="numpy")
def _put(bodies, which, crews, first, clock, road, speed, penalty, lengths, lanes, changes):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    lane_count, lane_s, lane_poly = lanes
    count, change_s, change_poly = changes
    bots = first.shape[1]
    for i in range(len(bodies)):
        if not which[i]:
            continue
        crew, length = crews[i], lengths[road[i]]
        driven = max(clock[i] - crew.start - crew.crashes * penalty, 0.0) * speed
        for b in range(bots):
            body = bodies[i, bodies.shape[1] - bots + b]
            s = (first[i, b] + driven) % length
            k = i * bots + b
            if count[k] > 0:
                _on_curve(body, s, length, count[k], change_s[k], change_poly[k])
            else:
                k = 2 * road[i] + (0 if body.lane == INNER_LANE else 1)
                _on_curve(body, s, length, lane_count[k], lane_s[k], lane_poly[k])


@njit(cache=True, error_model="numpy", inline="always")
def _on_curve(body, s, length, count, knots, poly):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    if s < knots[0]:
        s += length
    if s > knots[count - 1]:
        s -= length
    s = min(max(s, knots[0]), knots[count - 1])
    p = min(np.searchsorted(knots[:count], s, side="right") - 1, count - 2)
    t = s - knots[p]
    x, y = poly[p, 0], poly[p, 1]
    body.x = x[0] + t * (x[1] + t * (x[2] + t * x[3]))
    body.y = y[0] + t * (y[1] + t * (y[2] + t * y[3]))
    dx = x[1] + t * (2.0 * x[2] + 3.0 * t * x[3])
    dy = y[1] + t * (2.0 * y[2] + 3.0 * t * y[3])
    body.yaw = np.arctan2(dy, dx)
