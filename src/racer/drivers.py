"""Scripted drivers: a family that drives a track in ways that a reward function should tell apart.

A driver is a plan: a line with a speed at every point, and how far it looks ahead. All follow their plans by pure
pursuit, with the commands that the action space has, and are cars of one batch: the physics and the rules are the
simulator's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.actions import ActionSpace
from racer.car import FOOTPRINT, STEER_LIMIT_DEG, STEP, Car, preset, table
from racer.errors import UsageError, did_you_mean
from racer.raceline.line import Stations, least_curvature, speeds, stations
from racer.sim.race import START_LINE, Field, Race
from racer.sim.rules import TRAINING
from racer.sim.state import State, Status
from racer.sim.step import step
from racer.track.record import Track

Array = NDArray[np.float64]

CRAWL = 0.5  # m/s of the slow driver, where the action space has it
CLEAR = 0.13  # m from the middle of a car to a border that it keeps clear of: half its track and a tracking error
CALM = 0.75  # of the hardest cornering: what a careful driver uses
CIRCLE = 0.30  # m, radius of the circles of the driver who drives in circles
LONGEST = 40.0  # s that a driver who gets nowhere is watched


@dataclass(frozen=True, eq=False)
class Plan:
    """A line to follow and how."""

    line: Array  # (M, 2) m
    speed: Array  # (M,) m/s
    back: int = 0  # where the line goes on after its last point; -1: nowhere
    reach: float = 0.35  # m that the driver looks ahead at least
    foresight: float = 0.10  # s of driving that are added to it


@dataclass(frozen=True)
class Ground:
    """What plans are made from."""

    road: Stations
    car: Car
    slowest: float  # m/s that the driver may command
    top: float
    lateral: float  # m/s2 of the hardest cornering
    brake: float

    def plan(self, aside: Array | float, top: float, share: float = CALM, **more: float) -> Plan:
        """The plan to follow the line `aside` m to the left of the center line with `share` of the cornering."""
        line = self.road.offset(aside)
        pace = np.maximum(
            speeds(line, self.road.is_loop, top, share * self.lateral, self.brake), min(top, self.slowest)
        )
        return self._closed(Plan(line, pace, **more))  # type: ignore[arg-type]

    def _closed(self, plan: Plan) -> Plan:
        """The plan of an open road goes on straight beyond the end."""
        if self.road.is_loop:
            return plan
        on = plan.line[-1] + (plan.line[-1] - plan.line[-2]) * np.arange(1, 30)[:, None]
        pace = np.append(plan.speed, np.full(len(on), plan.speed[-1]))
        return Plan(np.vstack([plan.line, on]), pace, -1, plan.reach, plan.foresight)


@dataclass(frozen=True)
class Driver:
    """A way to drive. `plans` are tried by as many cars, of which `choose` picks one."""

    name: str
    title: str  # in the middle of a sentence: "a ... lap"
    plans: Callable[[Ground], list[Plan]]
    finishes: bool = True  # whether it means to complete the lap
    choose: Callable[[Sequence[Drive]], Drive] = lambda drives: drives[0]


@dataclass(frozen=True, eq=False)
class Drive:
    """What a driver did: `rows` (T,) in order, the prepare step first; `tracks` is what their `road` indexes."""

    name: str
    title: str
    rows: State
    tracks: tuple[Track, Track]

    @property
    def lap_time(self) -> float:
        """s of the first completed lap; nan without one."""
        times = self.rows["lap_time"]
        done = times[~np.isnan(times)]
        return float(done[0]) if len(done) else nan

    @property
    def completion(self) -> float:
        """% of the lap that was reached at most."""
        return float(max(self.rows["progress"].max(), 0.0))

    @property
    def status(self) -> Status:
        """How it ended; in progress where it was cut off."""
        return Status(int(self.rows["status"][-1]))

    @property
    def is_cut(self) -> bool:
        """Whether it would have gone on for ever."""
        return not bool(self.rows["done"][-1])

    @property
    def fewest_wheels(self) -> int:
        """The fewest wheels that were on the road at any step."""
        return int(self.rows["wheels"].min())


def drive(
    track: Track,
    driver: str | Driver,
    car: str | Car = "v6",
    action_space: ActionSpace | None = None,
    laps: int = 1,
    reverse: bool = False,
    seed: int = 0,
) -> Drive:
    """What one driver does on a track, from standstill at the start line; see `drives`."""
    return drives(track, [driver], car, action_space, laps, reverse, seed)[0]


def drives(
    track: Track,
    drivers: Sequence[str | Driver] | None = None,
    car: str | Car = "v6",
    action_space: ActionSpace | None = None,
    laps: int = 1,
    reverse: bool = False,
    seed: int = 0,
) -> list[Drive]:
    """What the drivers (the whole FAMILY unless named) do on a track, each from standstill at the start line.

    They give only commands that the action space has; without one, any up to the fastest that logs of the car cover.
    Of a discrete space they choose the nearest action. An incident ends the drive, as in training. `seed` changes
    nothing as long as nothing varies: it is there for the noise that will.
    """
    chosen = [_driver(driver) for driver in (FAMILY if drivers is None else drivers)]
    model = car if isinstance(car, Car) else preset(car)
    race = Race(track.reversed() if reverse else track, model, TRAINING._replace(laps=laps), START_LINE)
    ground = _ground(race.track, model, action_space)
    plans = [driver.plans(ground) for driver in chosen]
    rows = _drive_all([plan for group in plans for plan in group], race, ground, action_space, seed)
    found: list[Drive] = []
    for driver, group in zip(chosen, plans, strict=True):
        tried = [Drive(driver.name, driver.title, rows.pop(0), race.tracks) for _ in group]
        found.append(driver.choose(tried))
    return found


def _driver(driver: str | Driver) -> Driver:
    if isinstance(driver, Driver):
        return driver
    if driver not in FAMILY:
        raise UsageError(
            f"unknown driver {driver!r}{did_you_mean(driver, list(FAMILY))} (drivers: {', '.join(FAMILY)})"
        )
    return FAMILY[driver]


def _ground(track: Track, car: Car, space: ActionSpace | None) -> Ground:
    low, high = (min(space.speed), max(space.speed)) if space else (CRAWL, car.identified_speed)
    lateral = min(car.side_limit, car.front_limit, car.rear_limit)
    return Ground(stations(track), car, min(max(low, CRAWL), high), high, lateral, 0.5 * min(car.drive_limit, 12.0))


# ---- the family ------------------------------------------------------------------------------------------------------


def _slow(ground: Ground) -> list[Plan]:
    return [ground.plan(0.0, ground.slowest)]


def _medium(ground: Ground) -> list[Plan]:
    return [ground.plan(0.0, 0.5 * (ground.slowest + ground.top))]


def _fast(ground: Ground) -> list[Plan]:
    return [ground.plan(0.0, ground.top)]


def _racing_line(ground: Ground) -> list[Plan]:
    return [ground.plan(least_curvature(ground.road, CLEAR + 0.02), ground.top)]


def _weaving(ground: Ground) -> list[Plan]:
    road = ground.road
    room = np.minimum(road.left, road.right)
    waves = max(1, round(len(room) * road.spacing / 2.0))
    phase = np.linspace(0.0, 2.0 * np.pi * waves, len(room), endpoint=not road.is_loop)
    return [ground.plan(0.45 * room * np.sin(phase), ground.top)]


def _edge(inner: bool) -> Callable[[Ground], list[Plan]]:
    def plans(ground: Ground) -> list[Plan]:
        left, right = ground.road.left - CLEAR, CLEAR - ground.road.right
        bends_left = _bends_left(ground.road)
        return [ground.plan(left if bends_left == inner else right, ground.top)]

    return plans


def _cutting(ground: Ground) -> list[Plan]:
    margins = (0.06, 0.03, 0.01, -0.01, -0.03)
    lines = [least_curvature(ground.road, margin) for margin in margins]
    return [ground.plan(line, ground.top, share) for line in lines for share in (0.65, 0.8)]


def _stopping(ground: Ground) -> list[Plan]:
    whole = ground.plan(0.0, ground.top)
    pace = whole.speed.copy()
    pace[len(ground.road.xy) // 2 :] = 0.0
    return [Plan(whole.line, pace, whole.back)]


def _leaving(ground: Ground) -> list[Plan]:
    road = ground.road
    k = max(4, len(road.xy) // 10)
    along = np.array([road.normal[k, 1], -road.normal[k, 0]])
    way = along + road.normal[k]
    off = road.xy[k] + np.arange(1, 40)[:, None] * 0.1 * way
    line = np.vstack([road.xy[: k + 1], off])
    return [Plan(line, np.full(len(line), 0.5 * (ground.slowest + ground.top)), -1)]


def _circling(ground: Ground) -> list[Plan]:
    """To the right side of the road, and from there in a left-hand circle around a spot of the center line."""
    road = ground.road
    straight = np.convolve(np.abs(_turns(road)), np.ones(9), mode="same")[8 : max(len(road.xy) // 2, 12)]
    k = 8 + int(np.argmin(straight))
    shift = -CIRCLE * np.clip((np.arange(k + 1) - (k - 7)) / 7.0, 0.0, 1.0)
    way = road.xy[: k + 1] + shift[:, None] * road.normal[: k + 1]
    right = np.arctan2(*-road.normal[k][::-1])
    angle = right + np.linspace(0.0, 2.0 * np.pi, 41)[1:]
    ring = road.xy[k] + CIRCLE * np.column_stack([np.cos(angle), np.sin(angle)])
    pace = np.clip(0.85 * np.sqrt(ground.lateral * CIRCLE), ground.slowest, ground.top)
    return [Plan(np.vstack([way, ring]), np.full(len(way) + len(ring), pace), len(way), 0.22, 0.05)]


def _fastest(ground: Ground) -> list[Plan]:
    lines = [least_curvature(ground.road, margin) for margin in (0.12, 0.08, 0.04, 0.0)]
    return [
        ground.plan(line, ground.top, share, reach=reach)
        for line in lines
        for share in (0.7, 0.8, 0.9, 1.0, 1.15)
        for reach in (0.3, 0.45)
    ]


def _quickest(drives: Sequence[Drive]) -> Drive:
    """The drive with the best lap; of those without one, the farthest."""
    return min(drives, key=lambda d: (np.isnan(d.lap_time), d.lap_time, -d.completion))


def _boldest(drives: Sequence[Drive]) -> Drive:
    """Of the drives that complete the lap the one with the fewest wheels left on the road, and of those the fastest."""
    return min(drives, key=lambda d: (np.isnan(d.lap_time), d.fewest_wheels, d.lap_time, -d.completion))


FAMILY = {
    driver.name: driver
    for driver in (
        Driver("slow", "crawling", _slow),
        Driver("medium", "moderate", _medium),
        Driver("fast", "fast center-line", _fast),
        Driver("racing_line", "racing-line", _racing_line),
        Driver("weaving", "weaving", _weaving),
        Driver("inner_edge", "inner-edge", _edge(True)),
        Driver("outer_edge", "outer-edge", _edge(False)),
        Driver("cutting", "corner-cutting", _cutting, choose=_boldest),
        Driver("stopping", "stopped", _stopping, finishes=False),
        Driver("leaving", "left-early", _leaving, finishes=False),
        Driver("circling", "circling", _circling, finishes=False),
        Driver("fastest", "fastest-found", _fastest, choose=_quickest),
    )
}


def _turns(road: Stations) -> Array:
    """(M,) rad by which the road turns at each station, positive to the left."""
    angle = np.unwrap(np.arctan2(road.normal[:, 1], road.normal[:, 0]))
    return np.gradient(angle)


def _bends_left(road: Stations) -> bool:
    return float(_turns(road).sum()) > 0.0


# ---- driving ---------------------------------------------------------------------------------------------------------

FOLLOWER = np.dtype(
    [
        ("first", np.int64), ("last", np.int64), ("back", np.int64), ("at", np.int64), ("reach", np.float64),
        ("foresight", np.float64),
    ]
)  # fmt: skip


def _drive_all(plans: list[Plan], race: Race, ground: Ground, space: ActionSpace | None, seed: int) -> list[State]:
    """The rows of each plan's drive. Cars leave the batch when their episode is over."""
    path = np.column_stack([np.vstack([p.line for p in plans]), np.concatenate([p.speed for p in plans])])
    follower = _followers(plans)
    choices = _choices(space, race.car)
    state = Field(race, len(plans), seed).state
    cars = table(race.car, len(plans))
    wheelbase = race.car.front_axle + race.car.rear_axle
    alive, kept = np.arange(len(plans)), []
    for _ in range(_patience(race, ground)):
        command = np.empty((len(alive), 2))
        _follow(state, follower, path, wheelbase, command, *choices)
        row, state = step(state, command, np.full(len(alive), STEP), race.roads, cars, race.rules)
        kept.append((alive, row))
        on = ~(row["done"] | _is_lost(row))
        if not on.all():
            alive, state, follower, cars = alive[on], state[on], follower[on], cars[on]
        if not len(alive):
            break
    who, rows = np.concatenate([k for k, _ in kept]), np.concatenate([r for _, r in kept])
    order = np.argsort(who, kind="stable")
    return np.split(rows[order], np.cumsum(np.bincount(who, minlength=len(plans)))[:-1])


def _patience(race: Race, ground: Ground) -> int:
    """Steps after which every drive is over: half as long again as the slowest needs."""
    return int(1.5 * race.rules.laps * race.track.length / (ground.slowest * STEP)) + 100


def _is_lost(row: State) -> NDArray[np.bool_]:
    """(N,) whether a car gets nowhere and will not."""
    return np.asarray((row["clock"] > LONGEST) & (row["progress"] < 0.1 * 100.0 * CRAWL))


def _followers(plans: list[Plan]) -> NDArray[np.void]:
    ends = np.cumsum([len(p.line) for p in plans])
    follower = np.zeros(len(plans), FOLLOWER)
    follower["last"] = ends - 1
    follower["first"] = follower["at"] = ends - [len(p.line) for p in plans]
    follower["back"] = [
        first + p.back if p.back >= 0 else -1 for first, p in zip(follower["first"], plans, strict=True)
    ]
    follower["reach"], follower["foresight"] = [p.reach for p in plans], [p.foresight for p in plans]
    return follower


def _choices(space: ActionSpace | None, car: Car) -> tuple[Array, Array, Array]:
    """Discrete commands (A, 2), A may be 0; lowest and highest steering deg and speed m/s."""
    if space is None:
        return np.empty((0, 2)), np.array([-STEER_LIMIT_DEG, 0.0]), np.array([STEER_LIMIT_DEG, car.identified_speed])
    both = np.column_stack([space.steering_deg, space.speed]).astype(np.float64)
    return (np.empty((0, 2)) if space.is_continuous else both), both.min(axis=0), both.max(axis=0)


@njit(cache=True, error_model="numpy")
def _follow(state, follower, path, wheelbase, command, choices, low, high):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill in the command (N, 2) of each car: steering deg and speed m/s."""
    for i in range(len(state)):
        car, f = state[i], follower[i]
        c, s = np.cos(car.yaw), np.sin(car.yaw)
        _find(f, path, car.x, car.y)
        speed = max(car.vx, 0.3)
        x, y = _ahead(f, path, car.x, car.y, f.reach + f.foresight * speed)
        rear_x, rear_y = car.x - 0.5 * wheelbase * c, car.y - 0.5 * wheelbase * s
        forward, left = c * (x - rear_x) + s * (y - rear_y), c * (y - rear_y) - s * (x - rear_x)
        bend = 2.0 * left / max(forward * forward + left * left, 1e-6)
        slip = bend - car.yaw_rate / speed  # what the tires do not deliver is asked for again
        steer = np.arctan(wheelbase * (bend + 0.5 * slip)) * 180.0 / np.pi
        if forward < 0.0:
            steer = 30.0 if left > 0.0 else -30.0
        soon = _walk(f, path, 0.1 * speed)
        _choose(command[i], steer, path[soon, 2], choices, low, high)


@njit(cache=True, error_model="numpy")
def _next(f, k):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The point of a plan after point `k`."""
    if k < f.last:
        return k + 1
    return f.back if f.back >= 0 else f.last


@njit(cache=True, error_model="numpy")
def _find(f, path, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Move `f.at` on to the nearest of the next points: lines may cross themselves."""
    best, k = f.at, f.at
    least = (path[k, 0] - x) ** 2 + (path[k, 1] - y) ** 2
    for _ in range(6):
        k = _next(f, k)
        square = (path[k, 0] - x) ** 2 + (path[k, 1] - y) ** 2
        if square < least:
            best, least = k, square
    f.at = best


@njit(cache=True, error_model="numpy")
def _ahead(f, path, x, y, reach):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The spot of a plan at distance `reach` from a point, ahead of it."""
    k, inside = f.at, 0.0
    for _ in range(200):
        n = _next(f, k)
        outside = np.sqrt((path[n, 0] - x) ** 2 + (path[n, 1] - y) ** 2)
        if outside >= reach or n == k:
            break
        k, inside = n, outside
    inside = np.sqrt((path[k, 0] - x) ** 2 + (path[k, 1] - y) ** 2)
    share = min(max((reach - inside) / (outside - inside), 0.0), 1.0) if outside > inside else 0.0
    return path[k, 0] + share * (path[n, 0] - path[k, 0]), path[k, 1] + share * (path[n, 1] - path[k, 1])


@njit(cache=True, error_model="numpy")
def _walk(f, path, way):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The point of a plan `way` m after the car's."""
    k = f.at
    for _ in range(50):
        n = _next(f, k)
        way -= np.sqrt((path[n, 0] - path[k, 0]) ** 2 + (path[n, 1] - path[k, 1]) ** 2)
        if way < 0.0 or n == k:
            break
        k = n
    return k


@njit(cache=True, error_model="numpy")
def _choose(command, steer, speed, choices, low, high):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write the command nearest to a wish: within limits, or one of the choices (30 deg weigh as much as the speeds)."""
    command[0], command[1] = min(max(steer, low[0]), high[0]), min(max(speed, low[1]), high[1])
    least = np.inf
    for k in range(len(choices)):
        a = (choices[k, 0] - command[0]) / 15.0
        b = (choices[k, 1] - command[1]) / max(high[1] - low[1], 0.1)
        if a * a + b * b < least:
            least = a * a + b * b
            best = k
    if len(choices) > 0:
        command[0], command[1] = choices[best, 0], choices[best, 1]
