"""Scripted drivers: a family that drives a track in ways that a reward function should tell apart.

A driver is a plan: a line with a speed at every point, and how far it looks ahead. All follow their
plans by pure pursuit, with the commands that the action space has, and are cars of one batch: the
physics and the rules are the simulator's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from racer.drivers.pure_pursuit import DrivingPlan, follow_plans, start_followers
from racer.drivers.rollout import Drive as Drive
from racer.drivers.rollout import command_choices, drive_expert, follow_line, roll_out
from racer.errors import UsageError, did_you_mean
from racer.raceline.minimum_time import (
    RacingLine,
    Stations,
    cornering_speeds,
    place_stations,
    relaxed_offsets,
)
from racer.sim.obstacle_layout import ObstacleSource, read_obstacle_layout
from racer.sim.obstacles import COLLISION_SIZE_M, OBSTACLE_DTYPE, Obstacles
from racer.sim.simulation import START_LINE, Scenario, Simulation
from racer.sim.state import TRAINING, State
from racer.track.library import TrackSource, load_track
from racer.track.track import Track
from racer.vehicle.car import STEP_S, Car, car_preset

Array = NDArray[np.float64]

BESIDE_BOX_M = (
    0.5  # m before and after the middle of a box along which the line stays on the other lane
)
AVOIDANCE_SMOOTHING_M = 0.6  # m over which the line is averaged


def avoiding_offsets(road: Stations, objects: Obstacles, share: float = 0.5) -> Array:
    """(M,) m to the left of the center line, of a line that passes all `objects` (K,), `locate`d on
    the road.

    `share` of the way from a box to the border beyond the center line is between the box and the
    line.
    """
    length = len(road.xy) * road.spacing
    s = np.arange(len(road.xy)) * road.spacing
    if not len(objects):
        return np.zeros(len(s))
    half = (
        0.5 * (road.left + road.right)[np.round(objects["s"] / road.spacing).astype(int) % len(s)]
    )
    # of the box, beyond the center line
    edge = 0.5 * np.array(COLLISION_SIZE_M)[objects["kind"], 1] - objects["distance"]
    free = edge + share * (half - edge)
    lane = np.where(objects["left"], -free, free)
    spots = np.concatenate([objects["s"] - BESIDE_BOX_M, objects["s"] + BESIDE_BOX_M])
    order = np.argsort(spots, kind="stable")
    line = np.interp(
        s, spots[order], np.tile(lane, 2)[order], period=length if road.is_loop else None
    )
    count = max(1, round(0.5 * AVOIDANCE_SMOOTHING_M / road.spacing))
    wide = np.pad(line, count, mode="wrap" if road.is_loop else "edge")
    return np.convolve(wide, np.full(2 * count + 1, 1.0 / (2 * count + 1)), mode="valid")


if TYPE_CHECKING:
    from racer.vehicle.action_space import ActionSpace


CRAWL_SPEED = 0.5  # m/s of the slow driver, where the action space has it
# m from the middle of a car to a border that it keeps clear of: half its track and a tracking error
BORDER_CLEARANCE_M = 0.13
USABLE_GRIP_FRACTION = (
    0.6  # of what a tire can do at most: near that it slides, and the car with it
)
SLIDING_ACCELERATION = 4.0  # m/s2: a car that corners no harder needs to look farther ahead
CAREFUL_FRACTION = 0.75  # of the hardest cornering: what a careful driver uses
WAVE_LENGTH_M = 2.4  # m of road from one left swing of the weaving driver to the next


@dataclass(frozen=True)
class PlanInputs:
    """What plans are made from."""

    road: Stations
    car: Car
    slowest: float  # m/s that the driver may command
    top: float
    lateral: float  # m/s2 of the hardest cornering
    brake: float
    # (K,) obstacles on the road
    objects: Obstacles = field(default_factory=lambda: np.zeros(0, OBSTACLE_DTYPE))

    def plan(
        self, aside: Array | float, top: float, share: float = CAREFUL_FRACTION
    ) -> DrivingPlan:
        """The plan to follow the line `aside` m to the left of the center line with `share` of the
        cornering.
        """
        line = self.road.offset(aside)
        pace = np.maximum(
            cornering_speeds(line, self.road.is_loop, top, share * self.lateral, self.brake),
            min(top, self.slowest),
        )
        reach, foresight = (0.25, 0.15) if self.lateral > SLIDING_ACCELERATION else (0.35, 0.25)
        return self._closed(DrivingPlan(line, pace, 0, reach, foresight))

    def _closed(self, plan: DrivingPlan) -> DrivingPlan:
        """The plan of an open road goes on straight beyond the end."""
        if self.road.is_loop:
            return plan
        on = plan.line[-1] + (plan.line[-1] - plan.line[-2]) * np.arange(1, 30)[:, None]
        pace = np.append(plan.speed, np.full(len(on), plan.speed[-1]))
        return DrivingPlan(np.vstack([plan.line, on]), pace, -1, plan.reach, plan.foresight)


@dataclass(frozen=True)
class Driver:
    """A way to drive. `plans` are tried by as many cars, of which `choose` picks one."""

    name: str
    title: str  # "a ... lap", or, if it does not mean to finish, "a car that ..."
    plans: Callable[[PlanInputs], list[DrivingPlan]]
    finishes: bool = True  # whether it means to complete the lap
    choose: Callable[[Sequence[Drive]], Drive] = lambda drives: drives[0]
    uses_mpc: bool = False  # whether it follows the fastest line by predictive control, and no plan


def drive(
    track: Track | TrackSource,
    driver: str | Driver | RacingLine = "fastest",
    car: str | Car = "v6",
    action_space: ActionSpace | None = None,
    laps: int = 1,
    reverse: bool = False,
    seed: int = 0,
    obstacles: ObstacleSource = None,
) -> Drive:
    """Let a driver drive a track, from standstill at the start line.

    Parameters
    ----------
    track
        A track, or the name or file of one (as `load_track` takes them).
    driver
        A name of `ALL_DRIVERS`: `slow`, `fast`, `racing_line`, `cutting`, `fastest` and others are
        scripted; `expert` finds the minimum-time line and follows it by predictive control, which
        takes some seconds. A `RacingLine` is followed by predictive control, too; it is one of the
        track as it is driven, with `reverse` of the reversed track.
    car
        `v4`, `v5`, `v6`, or a car of your own.
    action_space
        The commands that the driver may give; of a discrete one it chooses the nearest action.
        Without one: any, up to the fastest speed that logs of the car cover.
    laps, reverse
        Laps to drive, and whether to drive the other way.
    obstacles, seed
        Boxes on the road: `boxes`, `random_boxes`, or a file; the seed is that of random places.

    The drive's `rows` (T,) are the simulator's, one a step of 1/15 s. An incident ends it, as in
    training. Raises UsageError for an unknown track, driver or car, and for bot cars.

    Examples
    --------
    >>> slow = drive("oval", "slow")
    >>> slow.status.word, slow.completion
    ('lap_complete', 100.0)
    >>> drive("oval", "fast").lap_time < slow.lap_time
    True
    """
    if not isinstance(track, Track):
        track = load_track(track)
    if not isinstance(driver, RacingLine):
        return drive_all(track, [driver], car, action_space, laps, reverse, seed, obstacles)[0]
    scenario = _scenario(track, car, laps, reverse, obstacles)
    return follow_line(
        scenario.track,
        scenario.car,
        driver,
        action_space,
        laps,
        obstacles=Simulation(scenario, 1, seed).obstacles[0],
    )


def _scenario(
    track: Track, car: str | Car, laps: int, reverse: bool, obstacles: ObstacleSource
) -> Scenario:
    """Laps by the rules of training from the start line. UsageError for bot cars."""
    layout = read_obstacle_layout(obstacles)
    if layout is not None and layout.number_of_bot_cars:
        raise UsageError(
            "scripted drivers drive among obstacles, not among bot cars: give boxes or random_boxes"
        )
    if not isinstance(car, Car):
        car = car_preset(car)
    return Scenario(
        track.reversed() if reverse else track,
        car,
        TRAINING._replace(laps=laps),
        START_LINE,
        obstacle_layout=layout,
    )


def drive_all(
    track: Track,
    drivers: Sequence[str | Driver] | None = None,
    car: str | Car = "v6",
    action_space: ActionSpace | None = None,
    laps: int = 1,
    reverse: bool = False,
    seed: int = 0,
    obstacles: ObstacleSource = None,
) -> list[Drive]:
    """What the drivers (the whole FAMILY unless named) do on a track, each from standstill at the
    start line.

    They give only commands that the action space has; without one, any up to the fastest that logs
    of the car cover. Of a discrete space they choose the nearest action. An incident ends the
    drive, as in training. `objects` are boxes (see `racer.sim.obstacle_layout.read_obstacle_layout`), the same
    for all; among them there are drivers who drive around them (AVOIDERS). `seed` is that of their
    places, where these are random. UsageError for bot cars, which no driver minds. The EXPERT is to
    be named: he takes some seconds.
    """
    scenario = _scenario(track, car, laps, reverse, obstacles)
    if drivers is None:
        drivers = default_drivers(obstacles)
    chosen = [_driver(driver) for driver in drivers]
    ground = replace(
        _ground(scenario.track, scenario.car, action_space),
        objects=Simulation(scenario, 1, seed).obstacles[0],
    )
    plans = [driver.plans(ground) for driver in chosen]
    rows = _drive_all([plan for group in plans for plan in group], scenario, ground, action_space)
    found: list[Drive] = []
    for driver, group in zip(chosen, plans, strict=True):
        if driver.uses_mpc:
            found.append(
                replace(
                    drive_expert(scenario, action_space, ground.objects),
                    name=driver.name,
                    title=driver.title,
                )
            )
            continue
        tried = [
            Drive(driver.name, driver.title, rows.pop(0), scenario.tracks, ground.objects)
            for _ in group
        ]
        found.append(driver.choose(tried))
    return found


def default_drivers(obstacles: ObstacleSource = None) -> list[Driver]:
    """Who drives unless told otherwise: the FAMILY, and among objects the AVOIDERS, too."""
    return list(
        DRIVER_FAMILY.values()
        if read_obstacle_layout(obstacles) is None
        else (DRIVER_FAMILY | AVOIDERS).values()
    )


def _driver(driver: str | Driver) -> Driver:
    if isinstance(driver, Driver):
        return driver
    if driver not in ALL_DRIVERS:
        near = did_you_mean(driver, list(ALL_DRIVERS))
        raise UsageError(f"unknown driver {driver!r}{near} (there are {', '.join(ALL_DRIVERS)})")
    return ALL_DRIVERS[driver]


def _ground(track: Track, car: Car, space: ActionSpace | None) -> PlanInputs:
    low, high = (
        (min(space.speed), max(space.speed)) if space else (CRAWL_SPEED, car.identified_speed)
    )
    lateral = min(
        car.side_limit,
        USABLE_GRIP_FRACTION * car.front_limit,
        USABLE_GRIP_FRACTION * car.rear_limit,
    )
    return PlanInputs(
        place_stations(track),
        car,
        min(max(low, CRAWL_SPEED), high),
        high,
        lateral,
        0.5 * min(car.drive_limit, 12.0),
    )


# ---- the family
# ------------------------------------------------------------------------------------------------------


def _slow(ground: PlanInputs) -> list[DrivingPlan]:
    return [ground.plan(0.0, ground.slowest)]


def _medium(ground: PlanInputs) -> list[DrivingPlan]:
    return [ground.plan(0.0, 0.5 * (ground.slowest + ground.top))]


def _fast(ground: PlanInputs) -> list[DrivingPlan]:
    return [ground.plan(0.0, ground.top)]


def _racing_line(ground: PlanInputs) -> list[DrivingPlan]:
    line, careful = (
        relaxed_offsets(ground.road, BORDER_CLEARANCE_M + more) for more in (0.02, 0.07)
    )
    return [
        ground.plan(line, ground.top),
        *(ground.plan(careful, ground.top, share) for share in (0.55, 0.4)),
    ]


def _weaving(ground: PlanInputs) -> list[DrivingPlan]:
    road = ground.road
    room = np.minimum(road.left, road.right)
    waves = max(1, round(len(room) * road.spacing / WAVE_LENGTH_M))
    phase = np.linspace(0.0, 2.0 * np.pi * waves, len(room), endpoint=not road.is_loop)
    return [ground.plan(0.35 * room * np.sin(phase), ground.top, 0.6)]


def _edge(inner: bool) -> Callable[[PlanInputs], list[DrivingPlan]]:
    def plans_of(ground: PlanInputs) -> list[DrivingPlan]:
        left, right = ground.road.left - BORDER_CLEARANCE_M, BORDER_CLEARANCE_M - ground.road.right
        side = left if (_turns(ground.road).sum() > 0.0) == inner else right
        # 2 m to get there
        into = np.clip(np.arange(len(side)) * ground.road.spacing / 2.0, 0.0, 1.0)
        plans = []
        for more, share in ((0.0, CAREFUL_FRACTION), (0.05, 0.5), (0.08, 0.3)):
            plans.append(
                ground.plan(
                    (side - np.sign(side) * more) * into, min(1.0, 1.4 * share) * ground.top, share
                )
            )
        return plans

    return plans_of


def _cutting(ground: PlanInputs) -> list[DrivingPlan]:
    """Across the inside of every bend, more and more beyond the border."""
    road = ground.road
    inside = np.clip(
        3.0 * _rolling(_turns(road) / road.spacing, round(1.2 / road.spacing), road.is_loop),
        -1.0,
        1.0,
    )
    into = np.clip(np.arange(len(inside)) * road.spacing / 1.0, 0.0, 1.0)
    lines = [
        into * np.where(inside > 0.0, (road.left + over) * inside, (road.right + over) * inside)
        for over in (-0.06, 0.0, 0.03, 0.06)
    ]
    # where bends follow so closely that none of these can be driven
    lines.append(relaxed_offsets(road, 0.05))
    return [
        ground.plan(line, ground.top, share) for line in lines for share in (0.3, 0.5, 0.65, 0.8)
    ]


def _stopping(ground: PlanInputs) -> list[DrivingPlan]:
    whole = ground.plan(0.0, ground.top)
    pace = whole.speed.copy()
    pace[len(ground.road.xy) // 2 :] = 0.0
    return [replace(whole, speed=pace)]


def _leaving(ground: PlanInputs) -> list[DrivingPlan]:
    road = ground.road
    k = max(4, len(road.xy) // 10)
    along = np.array([road.normal[k, 1], -road.normal[k, 0]])
    way = along + road.normal[k]
    off = road.xy[k] + np.arange(1, 40)[:, None] * 0.1 * way
    line = np.vstack([road.xy[: k + 1], off])
    return [DrivingPlan(line, np.full(len(line), 0.5 * (ground.slowest + ground.top)), -1)]


def _circling(ground: PlanInputs) -> list[DrivingPlan]:
    """Circles of several sizes: what a car can do, and what fits on the road, differ."""
    straight = np.convolve(np.abs(_turns(ground.road)), np.ones(9), mode="same")[
        8 : max(len(ground.road.xy) // 2, 12)
    ]
    k = 8 + int(np.argmin(straight))
    return [
        _circle(ground, k, radius, share) for radius in (0.3, 0.4, 0.5, 0.6) for share in (0.5, 0.8)
    ]


def _circle(ground: PlanInputs, k: int, radius: float, share: float) -> DrivingPlan:
    """To the right side of the road before station `k`, and from there in a left-hand circle around
    it.
    """
    road = ground.road
    shift = -radius * np.clip((np.arange(k + 1) - (k - 8)) / 8.0, 0.0, 1.0)
    way = road.xy[: k + 1] + shift[:, None] * road.normal[: k + 1]
    right = np.arctan2(*-road.normal[k][::-1])
    angle = right + np.linspace(0.0, 2.0 * np.pi, 41)[1:]
    ring = road.xy[k] + radius * np.column_stack([np.cos(angle), np.sin(angle)])
    pace = np.clip(np.sqrt(share * ground.lateral * radius), ground.slowest, ground.top)
    return DrivingPlan(
        np.vstack([way, ring]), np.full(len(way) + len(ring), pace), len(way), 0.2, 0.1
    )


def _fastest(ground: PlanInputs) -> list[DrivingPlan]:
    lines = [relaxed_offsets(ground.road, margin) for margin in (0.12, 0.06, 0.0)]
    return [
        *(
            ground.plan(line, ground.top, share)
            for line in lines
            for share in (0.7, 0.8, 0.9, 1.0, 1.15, 1.3)
        ),
        *_edge(True)(ground),
        *_cutting(ground),
    ]


def _quickest(drives: Sequence[Drive]) -> Drive:
    """The drive with the best lap; of those without one, the farthest."""
    return min(drives, key=lambda d: (np.isnan(d.lap_time), d.lap_time, -d.completion))


def _first_home(drives: Sequence[Drive]) -> Drive:
    """The first of the plans that completes the lap: they become more careful. Without one, the
    farthest.
    """
    return next((d for d in drives if not np.isnan(d.lap_time)), _quickest(drives))


def _boldest(drives: Sequence[Drive]) -> Drive:
    """Of the drives that complete the lap the one with the fewest wheels left on the road, and of
    those the fastest.
    """
    return min(
        drives, key=lambda d: (np.isnan(d.lap_time), d.fewest_wheels, d.lap_time, -d.completion)
    )


def _longest(drives: Sequence[Drive]) -> Drive:
    """The drive that lasted."""
    return max(drives, key=lambda d: len(d.rows))


DRIVER_FAMILY = {
    driver.name: driver
    for driver in (
        Driver("slow", "crawling", _slow),
        Driver("medium", "moderate", _medium),
        Driver("fast", "fast center-line", _fast),
        Driver("racing_line", "racing-line", _racing_line, choose=_first_home),
        Driver("weaving", "weaving", _weaving),
        Driver("inner_edge", "inner-edge", _edge(True), choose=_first_home),
        Driver("outer_edge", "outer-edge", _edge(False), choose=_first_home),
        Driver("cutting", "corner-cutting", _cutting, choose=_boldest),
        Driver("stopping", "stops halfway", _stopping, finishes=False),
        Driver("leaving", "leaves the track early", _leaving, finishes=False),
        Driver("circling", "drives in circles", _circling, finishes=False, choose=_longest),
        Driver("fastest", "fastest-found", _fastest, choose=_quickest),
    )
}


def _avoiding(share: float) -> Callable[[PlanInputs], list[DrivingPlan]]:
    def plans_of(ground: PlanInputs) -> list[DrivingPlan]:
        lines = [avoiding_offsets(ground.road, ground.objects, room) for room in (0.55, 0.7, 0.85)]
        top = max(share * ground.top, ground.slowest)
        return [ground.plan(line, top, calm) for line in lines for calm in (CAREFUL_FRACTION, 0.4)]

    return plans_of


AVOIDERS = {
    driver.name: driver
    for driver in (
        Driver("avoiding", "box-avoiding", _avoiding(0.6), choose=_first_home),
        Driver("avoiding_fast", "fast box-avoiding", _avoiding(1.0), choose=_first_home),
    )
}
"""Drivers on the lane beside each box."""

EXPERT = Driver("expert", "nearly perfect", lambda ground: [], uses_mpc=True)
"""The predictive driver on the fastest line: what the car can do, and a policy hardly learns in minutes."""

ALL_DRIVERS = DRIVER_FAMILY | AVOIDERS | {EXPERT.name: EXPERT}
"""Everyone, by name."""


def _turns(road: Stations) -> Array:
    """(M,) rad by which the road turns at each station, positive to the left."""
    return np.asarray(np.gradient(np.unwrap(np.arctan2(road.normal[:, 1], road.normal[:, 0]))))


def _rolling(values: Array, count: int, is_loop: bool) -> Array:
    """(M,) means of each value and `count` neighbors on either side."""
    wide = np.pad(values, count, mode="wrap" if is_loop else "edge")
    return np.convolve(wide, np.full(2 * count + 1, 1.0 / (2 * count + 1)), mode="valid")


# ---- driving
# ---------------------------------------------------------------------------------------------------------


def _drive_all(
    plans: list[DrivingPlan], race: Scenario, ground: PlanInputs, space: ActionSpace | None
) -> list[State]:
    """The rows of each plan's drive."""
    if not plans:
        return []
    path = np.column_stack(
        [np.vstack([p.line for p in plans]), np.concatenate([p.speed for p in plans])]
    )
    follower = start_followers(plans)
    limits = command_choices(space, race.car)

    def command(state: State, alive: NDArray[np.int64]) -> Array:
        chosen, mine = np.empty((len(alive), 2)), follower[alive]
        follow_plans(state, mine, path, race.car, chosen, *limits)
        follower[alive] = mine
        return chosen

    return roll_out(race, len(plans), command, _patience(race, ground), ground.objects)


def _patience(race: Scenario, ground: PlanInputs) -> int:
    """Steps after which every drive is over: half as long again as the slowest needs."""
    return int(1.5 * race.rules.laps * race.track.length / (ground.slowest * STEP_S)) + 100
