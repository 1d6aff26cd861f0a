"""Bot cars in motion: where they are on their lanes, when they change them, and when they stand (SIMULATOR.md 8.2).

What a car's rules and params know of them is a step old, as in the simulator: there bot cars move when a step begins,
and are entered in the books after the car has been judged.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sim.course import Course
from racer.sim.lanes import Curve, change, lane
from racer.sim.objects import INNER, OUTER, Bodies, locate
from racer.sim.state import Phase, State
from racer.track.record import Track
from racer.track.road import Roads

Array = NDArray[np.float64]

PREPARE, RUN, PAUSE = int(Phase.PREPARE), int(Phase.RUN), int(Phase.PAUSE)
ROOM = 32  # points of a lane change that there is room for at first

CREW = np.dtype(
    [
        ("phase", np.int8),  # of all bot cars before one car
        ("start", np.float64),  # s, clock when the episode began
        ("crashes", np.int64),  # into the car from behind
        ("pause", np.float64),  # s of penalty left
    ],
    align=True,
)


class Traffic:
    """The B bot cars before each of N cars (a class: what they do next depends on what they have done)."""

    def __init__(self, course: Course, tracks: tuple[Track, ...], roads: Roads, n: int) -> None:
        bots = course.number_of_bot_cars
        self._course, self._tracks, self._roads = course, tracks, roads
        self._lengths = np.array([track.length for track in tracks])
        self._lanes = _Curves.of([lane(track, which).curve for track in tracks for which in (INNER, OUTER)])
        self._crews = np.zeros(n, CREW)
        self._first = np.zeros((n, bots))  # m of center line where each began
        self._until = np.full((n, bots), np.inf)  # s, clock when the lane change is over that is under way or to come
        self._changes = _Curves.empty(n * bots)

    def begin(self, cars: NDArray[np.int64], bodies: Bodies, places: Array, state: State) -> Bodies:
        """`bodies` (N, K), with the bot cars of `cars` (by index) at `places` (len(cars), B) m, where they begin."""
        bodies = bodies.copy()
        self._crews[cars] = np.zeros(1, CREW)
        self._crews["start"][cars] = state["clock"][cars]
        self._first[cars] = places
        self._until[cars] = 0.0 if self._course.is_lane_change else np.inf
        for k in cars:
            self._changes.clear(k * self._first.shape[1], self._first.shape[1])
        return self._placed(bodies, state, np.isin(np.arange(len(state)), cars))

    def drive(self, bodies: Bodies, state: State, generators: list[np.random.Generator]) -> Bodies:
        """`bodies` (N, K) with the bot cars where they are when the step of `state` (N,) begins."""
        bodies = bodies.copy()
        on_the_way = self._crews["phase"] == RUN
        due = (state["clock"][:, None] >= self._until) & on_the_way[:, None]
        for car, bot in np.argwhere(due):
            self._plan(bodies, car, bot, state[car], generators[car])
        return self._placed(bodies, state, on_the_way)

    def judge(self, rammed: NDArray[np.bool_], dt: Array) -> None:
        """What comes of a step of `dt` (N,) s in which bot cars have run into some of the cars, where `rammed` (N,)."""
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

    def _plan(self, bodies: Bodies, car: int, bot: int, state: np.void, generator: np.random.Generator) -> None:
        """Decide when a bot car changes lanes next, and how."""
        course, body = self._course, bodies[car, bodies.shape[1] - self._first.shape[1] + bot]
        if self._until[car, bot] > 0.0:
            body["lane"] = -body["lane"]
        duration = course.lane_change_distance / course.bot_car_speed
        wait = generator.uniform(course.lower_lane_change_time, course.upper_lane_change_time)
        until = state["clock"] + wait + duration
        self._until[car, bot] = until
        now, begin, end = (self._distance(car, bot, t, state) for t in (state["clock"], until - duration, until))
        curve = change(self._tracks[state["road"]], int(body["lane"]), now, begin, end)
        self._changes.put(car * self._first.shape[1] + bot, curve)

    def _distance(self, car: int, bot: int, clock: float, state: np.void) -> float:
        crew = self._crews[car]
        driven = max(clock - crew["start"] - crew["crashes"] * self._course.penalty_seconds, 0.0)
        length = self._tracks[state["road"]].length
        return float((self._first[car, bot] + driven * self._course.bot_car_speed) % length)

    def _placed(self, bodies: Bodies, state: State, which: NDArray[np.bool_]) -> Bodies:
        """`bodies`, written to, with the bot cars before the cars `which` (N,) on their curves."""
        course = self._course
        _put(
            bodies, which, self._crews, self._first, state["clock"], state["road"], course.bot_car_speed,
            course.penalty_seconds, self._lengths, self._lanes.parts, self._changes.parts,
        )  # fmt: skip
        return locate(bodies, state["road"], self._roads)


class _Curves:
    """Curves side by side in arrays with room for more, for compiled code: how many points each has, s, and `poly`."""

    def __init__(self, count: NDArray[np.int64], s: Array, poly: Array) -> None:
        self.parts = count, s, poly

    @classmethod
    def empty(cls, n: int, room: int = ROOM) -> _Curves:
        return cls(np.zeros(n, dtype=np.int64), np.zeros((n, room)), np.zeros((n, room, 2, 4)))

    @classmethod
    def of(cls, curves: list[Curve]) -> _Curves:
        made = cls.empty(len(curves))
        for k, curve in enumerate(curves):
            made.put(k, curve)
        return made

    def put(self, k: int, curve: Curve) -> None:
        count, s, poly = self.parts
        points = len(curve.s)
        if points > s.shape[1]:
            more = 2 * points - s.shape[1]
            s, poly = np.pad(s, ((0, 0), (0, more))), np.pad(poly, ((0, 0), (0, more), (0, 0), (0, 0)))
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
                k = 2 * road[i] + (0 if body.lane == INNER else 1)
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
