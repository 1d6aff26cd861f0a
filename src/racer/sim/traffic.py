"""Bot cars in motion: where they are on their lanes, when they change them, and when they stand
(docs/simulator.md 8.2).

What a car's rules and params know of them is a step old, as in the simulator: there bot cars move
when a step begins, and are recorded after the car has been judged (docs/simulator.md 1.5).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.sim.obstacle_layout import ObstacleLayout
from racer.sim.obstacles import INNER_LANE, OUTER_LANE, Obstacles, locate_obstacles
from racer.sim.state import Phase, State
from racer.track import PackedTracks, Track

Array = NDArray[np.float64]

TOO_NEAR_M = 0.02
"""A point of a lane that near to the beginning or end of a lane change is left out."""

SHAPING_POINTS = 3  # of the lanes before and after a lane change that shape its curve

RUN, PAUSE = int(Phase.RUN), int(Phase.PAUSE)
CURVE_POINTS = 32  # of a lane change that there is room for at first
OVER_S = 1e-9  # of penalty left that count as none

CREW_DTYPE = np.dtype(
    [
        ("phase", np.int8),  # of all bot cars before one car
        ("start", np.float64),  # s, clock when the episode began
        ("crashes", np.int64),  # into the car from behind
        ("pause", np.float64),  # s of penalty left
    ],
    align=True,
)


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
        low = self.s[0]
        high = self.s[-1]
        if s < low:
            s += length
        if s > high:
            s -= length
        s = min(max(s, low), high)
        piece = min(int(np.searchsorted(self.s, s, side="right")) - 1, len(self.poly) - 1)
        t = s - self.s[piece]
        a, b, c, d = self.poly[piece].T
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
    """A lane of a track: OUTER_LANE, or else the inner one."""
    border = track.outer if side == OUTER_LANE else track.inner
    points = 0.5 * (track.center + border)
    s = _unwrap(geometry.project_points(track.center, points)[0], track.length)
    knots, first = np.unique(s, return_index=True)
    xy = points[first]
    if knots[0] > 0.0:
        knots[0] = 0.0
        xy[0] = geometry.nearest_point(points, track.center[:1])[0]
    if knots[-1] < track.length:
        knots[-1] = track.length
        xy[-1] = geometry.nearest_point(points, track.center[-1:])[0]
    if not track.is_loop:
        return Lane(points, s, _spline(knots, xy, "not-a-knot"))
    xy[-1] = xy[0]
    return Lane(points, s, _spline(knots, xy, "periodic"))


def lane_change(track: Track, start: int, now: float, begin: float, end: float) -> LaneCurve:
    """The curve of a bot car from lane `start` to the other one, which it leaves at `begin` and
    reaches at `end`.

    All are m of center line from waypoint 0, within the lap; the car is at `now`.
    """
    leaving = build_lane(track, start)
    reaching = build_lane(track, -start)
    shift = 0.0 if begin < end else track.length  # of what lies beyond the start line
    leaving_point = leaving.curve.at(begin, track.length)[0]
    reaching_point = reaching.curve.at(end, track.length)[0]
    before = _points_before(leaving, now, begin, track)
    if len(before) and _is_near(before[-1], leaving_point):
        before = before[:-1]
    after = _points_after(reaching, end, shift, track)
    if len(after) and _is_near(after[0], reaching_point):
        after = after[1:]
    s = np.concatenate([before[:, 0], [begin, end + shift], after[:, 0]])
    xy = np.vstack([before[:, 1:], leaving_point, reaching_point, after[:, 1:]])
    knots, first = np.unique(s, return_index=True)
    return _spline(knots, xy[first], "not-a-knot")


def _points_before(lane: Lane, now: float, begin: float, track: Track) -> Array:
    """(B, 3) s, x and y of the lane's points from a few behind the car to the beginning of the
    change.
    """
    count = len(lane.points) - int(track.is_loop)
    first = (int(np.searchsorted(lane.s, now)) - 1 - SHAPING_POINTS) % count
    last = int(np.searchsorted(lane.s, begin)) - 1
    if first < last:
        return _lane_points(lane, first, last + 1, 0.0)
    behind_line = _lane_points(lane, first, count, -track.length)
    return np.vstack([behind_line, _lane_points(lane, 0, last + 1, 0.0)])


def _points_after(lane: Lane, end: float, shift: float, track: Track) -> Array:
    """(A, 3) s, x and y of the lane's points from the end of the change to a few points on."""
    count = len(lane.points) - int(track.is_loop)
    first = int(np.searchsorted(lane.s, end, side="right"))
    last = (first + SHAPING_POINTS) % count
    if first < last:
        return _lane_points(lane, first, last + 1, shift)
    before_line = _lane_points(lane, first, count, shift)
    return np.vstack([before_line, _lane_points(lane, 0, last + 1, shift + track.length)])


def _lane_points(lane: Lane, first: int, end: int, shift: float) -> Array:
    """(P, 3) s + `shift`, x and y of the points of a lane from `first` to before `end`."""
    return np.column_stack([lane.s[first:end] + shift, lane.points[first:end]])


def _is_near(point: Array, xy: Array) -> bool:
    """Whether a `point` (s, x, y) is within `TOO_NEAR_M` of `xy`."""
    return bool(np.hypot(*(point[1:] - xy)) < TOO_NEAR_M)


def _unwrap(s: Array, length: float) -> Array:
    """`s` (W,) of points along a lap, where those before the line are below 0 and those after it
    beyond `length`.
    """
    s = s.copy()
    first_early = np.flatnonzero(s < 0.5 * length)[0]
    s[:first_early] -= length
    last_late = np.flatnonzero(s[1:] > 0.5 * length)[-1] + 1
    s[last_late + 1 :] += length
    return s


def _spline(s: Array, xy: Array, ends: str) -> LaneCurve:
    """The cubic spline through points, periodic or with its ends as FITPACK makes them."""
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(s, xy, bc_type=ends)
    return LaneCurve(s, np.ascontiguousarray(spline.c[::-1].transpose(1, 2, 0)))


# ---- the bot cars


class CurveTable(NamedTuple):
    """Curves side by side in arrays with room for more, for compiled code."""

    points: NDArray[np.int64]  # (M,) points of each curve; 0 for none
    s: Array  # (M, P) m
    poly: Array  # (M, P, 2, 4), as in LaneCurve


class BotMotion(NamedTuple):
    """How all bot cars move."""

    speed: float  # m/s
    penalty: float  # s that they stand after one has run into the car


class Traffic:
    """The B bot cars before each of N cars (a class: what they do next depends on what they have
    done).
    """

    def __init__(
        self, layout: ObstacleLayout, tracks: tuple[Track, ...], packed: PackedTracks, n: int
    ) -> None:
        bots = layout.number_of_bot_cars
        self._layout = layout
        self._motion = BotMotion(layout.driven_bot_speed, layout.penalty_seconds)
        self._tracks = tracks
        self._packed = packed
        self._lengths = np.array([track.length for track in tracks])
        self._lanes = _empty_curves(2 * len(tracks))  # inner and outer of each track in turn
        for number, track in enumerate(tracks):
            for k, side in enumerate((INNER_LANE, OUTER_LANE)):
                curve = build_lane(track, side).curve
                self._lanes = _store_curve(self._lanes, 2 * number + k, curve)
        self._crews = np.zeros(n, CREW_DTYPE)
        self._first = np.zeros((n, bots))  # m of center line where each began
        # s, clock when the lane change is over that is under way or to come
        self._until = np.full((n, bots), np.inf)
        self._changes = _empty_curves(n * bots)

    def begin(
        self, cars: NDArray[np.int64], obstacles: Obstacles, places: Array, state: State
    ) -> Obstacles:
        """`obstacles` (N, K), with the bot cars of `cars` (by index) at `places` (len(cars), B) m,
        where they begin.
        """
        bots = self._first.shape[1]
        self._crews[cars] = np.zeros(1, CREW_DTYPE)
        self._crews["start"][cars] = state["clock"][cars]
        self._first[cars] = places
        self._until[cars] = 0.0 if self._layout.is_lane_change else np.inf
        self._changes.points.reshape(-1, bots)[cars] = 0
        return self._place(obstacles.copy(), state, np.isin(np.arange(len(state)), cars))

    def drive(
        self, obstacles: Obstacles, state: State, generators: list[np.random.Generator]
    ) -> Obstacles:
        """`obstacles` (N, K) with the bot cars where they are when the step of `state` (N,) begins."""
        obstacles = obstacles.copy()
        is_driving = self._crews["phase"] == RUN
        is_due = (state["clock"][:, None] >= self._until) & is_driving[:, None]
        for car, bot in np.argwhere(is_due):
            self._plan_change(obstacles, car, bot, state[car], generators[car])
        return self._place(obstacles, state, is_driving)

    def judge(self, is_rammed: NDArray[np.bool_], dt: Array) -> None:
        """What comes of a step of `dt` (N,) s in which bot cars have run into the cars where
        `is_rammed` (N,) holds.
        """
        crews = self._crews
        penalty = self._motion.penalty
        was_driving = crews["phase"] == RUN
        crews["pause"] -= np.where(crews["pause"] > 0.0, dt, 0.0)
        crews["phase"][~was_driving & (crews["pause"] <= OVER_S)] = RUN
        hurt = was_driving & is_rammed
        crews["phase"][hurt] = PAUSE
        crews["pause"][hurt] = penalty
        crews["crashes"][hurt] += 1
        self._until[hurt] += penalty

    def snapshot(self) -> Any:
        """Everything that changes, as plain data."""
        return copy.deepcopy((self._crews, self._first, self._until, tuple(self._changes)))

    def restore(self, snapshot: Any) -> None:
        """Be as when `snapshot` was taken."""
        self._crews, self._first, self._until, changes = copy.deepcopy(snapshot)
        self._changes = CurveTable(*changes)

    def _plan_change(
        self,
        obstacles: Obstacles,
        car: int,
        bot: int,
        state: np.void,
        generator: np.random.Generator,
    ) -> None:
        """Decide when a bot car changes lanes next, and how."""
        layout = self._layout
        bots = self._first.shape[1]
        obstacle = obstacles[car, obstacles.shape[1] - bots + bot]
        if self._until[car, bot] > 0.0:
            obstacle["lane"] = -obstacle["lane"]
        duration = layout.lane_change_distance / layout.driven_bot_speed
        wait = generator.uniform(layout.lower_lane_change_time, layout.upper_lane_change_time)
        until = state["clock"] + wait + duration
        self._until[car, bot] = until
        curve = lane_change(
            self._tracks[state["track"]],
            int(obstacle["lane"]),
            now=self._place_at(state["clock"], car, bot, state),
            begin=self._place_at(until - duration, car, bot, state),
            end=self._place_at(until, car, bot, state),
        )
        self._changes = _store_curve(self._changes, car * bots + bot, curve)

    def _place_at(self, clock: float, car: int, bot: int, state: np.void) -> float:
        """m of center line where a bot car is, or will be unless it crashes, at a time."""
        crew = self._crews[car]
        driven = max(clock - crew["start"] - crew["crashes"] * self._motion.penalty, 0.0)
        length = self._tracks[state["track"]].length
        return float((self._first[car, bot] + driven * self._motion.speed) % length)

    def _place(self, obstacles: Obstacles, state: State, is_placed: NDArray[np.bool_]) -> Obstacles:
        """`obstacles`, written to, with the bot cars before the cars where `is_placed` (N,) holds on
        their curves.
        """
        _put_on_curves(
            obstacles,
            is_placed,
            state,
            self._crews,
            self._first,
            self._motion,
            self._lengths,
            self._lanes,
            self._changes,
        )
        return locate_obstacles(obstacles, state["track"], self._packed)


def _empty_curves(n: int) -> CurveTable:
    return CurveTable(
        points=np.zeros(n, dtype=np.int64),
        s=np.zeros((n, CURVE_POINTS)),
        poly=np.zeros((n, CURVE_POINTS, 2, 4)),
    )


def _store_curve(table: CurveTable, k: int, curve: LaneCurve) -> CurveTable:
    """`table` with a curve as number `k`: the same arrays, or larger ones where it does not fit."""
    counts, s, poly = table
    points = len(curve.s)
    if points > s.shape[1]:
        more = 2 * points - s.shape[1]
        s = np.pad(s, ((0, 0), (0, more)))
        poly = np.pad(poly, ((0, 0), (0, more), (0, 0), (0, 0)))
    counts[k] = points
    s[k, :points] = curve.s
    poly[k, : points - 1] = curve.poly
    return CurveTable(counts, s, poly)


@njit(cache=True, error_model="numpy")
def _put_on_curves(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    obstacles, is_placed, state, crews, first, motion, lengths, lanes, changes
):
    bots = first.shape[1]
    for i in range(len(obstacles)):
        if not is_placed[i]:
            continue
        crew = crews[i]
        track = state[i].track
        length = lengths[track]
        driven = max(state[i].clock - crew.start - crew.crashes * motion.penalty, 0.0)
        for b in range(bots):
            obstacle = obstacles[i, obstacles.shape[1] - bots + b]
            s = (first[i, b] + driven * motion.speed) % length
            k = i * bots + b
            if changes.points[k] > 0:
                _put_on_curve(obstacle, s, length, changes.points[k], changes.s[k], changes.poly[k])
            else:
                k = 2 * track + (0 if obstacle.lane == INNER_LANE else 1)
                _put_on_curve(obstacle, s, length, lanes.points[k], lanes.s[k], lanes.poly[k])


@njit(cache=True, error_model="numpy", inline="always")
def _put_on_curve(obstacle, s, length, count, knots, poly):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Pose of an obstacle at `s` on the curve through `count` knots."""
    if s < knots[0]:
        s += length
    if s > knots[count - 1]:
        s -= length
    s = min(max(s, knots[0]), knots[count - 1])
    piece = min(np.searchsorted(knots[:count], s, side="right") - 1, count - 2)
    t = s - knots[piece]
    x = poly[piece, 0]
    y = poly[piece, 1]
    obstacle.x = x[0] + t * (x[1] + t * (x[2] + t * x[3]))
    obstacle.y = y[0] + t * (y[1] + t * (y[2] + t * y[3]))
    dx = x[1] + t * (2.0 * x[2] + 3.0 * t * x[3])
    dy = y[1] + t * (2.0 * y[2] + 3.0 * t * y[3])
    obstacle.yaw = np.arctan2(dy, dx)
