"""Scripted drivers: a family that drives a track in ways that a reward function should tell apart.

A driver is a set of plans (see `racer.drivers.plans`). All follow their plans by pure pursuit, with
the commands that the action space has, and are cars of one batch: the physics and the rules are the
simulator's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from racer.drivers import plans
from racer.drivers.mpc import DrivingPlan, follow_plans, start_followers
from racer.drivers.plans import PlanInputs, PlanMaker
from racer.drivers.rollout import Drive as Drive
from racer.drivers.rollout import command_choices, drive_expert, follow_line, roll_out
from racer.errors import UsageError, did_you_mean
from racer.raceline import RacingLine, build_rough_corridor
from racer.sim import (
    START_LINE,
    TRAINING,
    ObstacleSource,
    Scenario,
    Simulation,
    State,
    read_obstacle_layout,
)
from racer.track import Track, TrackSource, load_track
from racer.vehicle import DEFAULT_CAR, STEP_S, Car, car_preset

if TYPE_CHECKING:
    from racer.vehicle import ActionSpace

Array = NDArray[np.float64]

CRAWL_SPEED = 0.5  # m/s of the slow driver, where the action space has it
USABLE_GRIP_FRACTION = 0.6  # of what a tire can do at most: near that the car slides


def _only_drive(drives: Sequence[Drive]) -> Drive:
    return drives[0]


@dataclass(frozen=True)
class Driver:
    """A way to drive. `plans` are tried by as many cars, of which `choose` picks one."""

    name: str
    title: str  # "a ... lap", or, if it does not mean to finish, "a car that ..."
    plans: PlanMaker
    finishes: bool = True  # whether it means to complete the lap
    choose: Callable[[Sequence[Drive]], Drive] = _only_drive
    uses_mpc: bool = False  # whether it follows the fastest line by predictive control, and no plan


def drive(
    track: Track | TrackSource,
    driver: str | Driver | RacingLine = "fastest",
    car: str | Car = DEFAULT_CAR,
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
    car: str | Car = DEFAULT_CAR,
    action_space: ActionSpace | None = None,
    laps: int = 1,
    reverse: bool = False,
    seed: int = 0,
    obstacles: ObstacleSource = None,
) -> list[Drive]:
    """The drives of several drivers (the whole DRIVER_FAMILY unless named) on a track, each from
    standstill at the start line; the other arguments are those of `drive`.

    Obstacles are the same for all; among them the AVOIDERS drive, too. EXPERT takes some seconds
    and must be named. Raises UsageError for an unknown driver or car, and for bot cars.
    """
    scenario = _scenario(track, car, laps, reverse, obstacles)
    if drivers is None:
        drivers = default_drivers(obstacles)
    chosen = [_driver(driver) for driver in drivers]
    inputs = replace(
        plan_inputs(scenario.track, scenario.car, action_space),
        objects=Simulation(scenario, 1, seed).obstacles[0],
    )
    plans_of_drivers = [driver.plans(inputs) for driver in chosen]
    all_plans = list(chain.from_iterable(plans_of_drivers))
    rows_of_plans = iter(_follow_all(all_plans, scenario, inputs, action_space))
    drives = []
    for driver, driver_plans in zip(chosen, plans_of_drivers, strict=True):
        if driver.uses_mpc:
            expert_drive = drive_expert(scenario, action_space, inputs.objects)
            drives.append(replace(expert_drive, name=driver.name, title=driver.title))
        else:
            tries = [
                Drive(
                    driver.name, driver.title, next(rows_of_plans), scenario.tracks, inputs.objects
                )
                for _ in driver_plans
            ]
            drives.append(driver.choose(tries))
    return drives


def drive_dawdling(
    track: Track,
    paid_steps: Sequence[tuple[Array, Array]],
    car: str | Car = DEFAULT_CAR,
    action_space: ActionSpace | None = None,
    *,
    reverse: bool = False,
    seed: int = 0,
    obstacles: ObstacleSource = None,
) -> list[list[Drive]]:
    """For each of `paid_steps` the drives of the DAWDLING driver, who tries longer and longer
    stretches.

    Each holds `s` (T,) m along the track as driven and `pay` (T,), what a reward function paid for
    a step there. The other arguments are those of `drive`.
    """
    scenario = _scenario(track, car, 1, reverse, obstacles)
    objects = Simulation(scenario, 1, seed).obstacles[0]
    inputs = replace(plan_inputs(scenario.track, scenario.car, action_space), objects=objects)
    plans_of_rewards = [plans.dawdling_plans(inputs, s, pay) for s, pay in paid_steps]
    all_plans = list(chain.from_iterable(plans_of_rewards))
    rows_of_plans = iter(_follow_all(all_plans, scenario, inputs, action_space))
    name, title = DAWDLING.name, DAWDLING.title
    drives = []
    for reward_plans in plans_of_rewards:
        tries = [next(rows_of_plans) for _ in reward_plans]
        drives.append([Drive(name, title, rows, scenario.tracks, objects) for rows in tries])
    return drives


def default_drivers(obstacles: ObstacleSource = None) -> list[Driver]:
    """The drivers where none is named: the DRIVER_FAMILY, and among obstacles the AVOIDERS, too."""
    drivers = list(DRIVER_FAMILY.values())
    if read_obstacle_layout(obstacles) is not None:
        drivers.extend(AVOIDERS.values())
    return drivers


def _driver(driver: str | Driver) -> Driver:
    if isinstance(driver, Driver):
        return driver
    if driver not in ALL_DRIVERS:
        near = did_you_mean(driver, list(ALL_DRIVERS))
        raise UsageError(f"unknown driver {driver!r}{near} (there are {', '.join(ALL_DRIVERS)})")
    return ALL_DRIVERS[driver]


def plan_inputs(track: Track, car: Car, space: ActionSpace | None) -> PlanInputs:
    """The road, and what the scripted drivers take for the limits of the car and its commands."""
    if space:
        lowest = min(space.speed)
        top = max(space.speed)
    else:
        lowest = CRAWL_SPEED
        top = car.identified_speed
    lateral = min(
        car.side_limit,
        USABLE_GRIP_FRACTION * car.front_limit,
        USABLE_GRIP_FRACTION * car.rear_limit,
    )
    return PlanInputs(
        corridor=build_rough_corridor(track),
        car=car,
        slowest=min(max(lowest, CRAWL_SPEED), top),
        top=top,
        lateral=lateral,
        brake=0.5 * min(car.drive_limit, 12.0),
    )


def _lap_rank(drive: Drive) -> tuple[bool, float, float]:
    """Ascending from the best lap; drives without one follow, the farthest first."""
    return bool(np.isnan(drive.lap_time)), drive.lap_time, -drive.completion


def _quickest(drives: Sequence[Drive]) -> Drive:
    """The drive with the best lap; of those without one, the farthest."""
    return min(drives, key=_lap_rank)


def _first_home(drives: Sequence[Drive]) -> Drive:
    """The first of the plans that completes the lap: they become more careful. Without one, the
    farthest.
    """
    for drive in drives:
        if not np.isnan(drive.lap_time):
            return drive
    return _quickest(drives)


def _boldest(drives: Sequence[Drive]) -> Drive:
    """Of the drives that complete the lap the one with the fewest wheels left on the road, and of
    those the fastest.
    """

    def rank(drive: Drive) -> tuple[bool, int, float, float]:
        has_no_lap, lap_time, distance_rank = _lap_rank(drive)
        return has_no_lap, drive.fewest_wheels, lap_time, distance_rank

    return min(drives, key=rank)


def _longest(drives: Sequence[Drive]) -> Drive:
    """The drive that lasted longest."""
    return max(drives, key=lambda drive: len(drive.rows))


def _by_name(*drivers: Driver) -> dict[str, Driver]:
    return {driver.name: driver for driver in drivers}


def _no_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    return []


DRIVER_FAMILY = _by_name(
    Driver("slow", "crawling", plans.slow_plans),
    Driver("medium", "moderate", plans.medium_plans),
    Driver("fast", "fast center-line", plans.fast_plans),
    Driver("racing_line", "racing-line", plans.racing_line_plans, choose=_first_home),
    Driver("weaving", "weaving", plans.weaving_plans),
    Driver("inner_edge", "inner-edge", plans.inner_edge_plans, choose=_first_home),
    Driver("outer_edge", "outer-edge", plans.outer_edge_plans, choose=_first_home),
    Driver("cutting", "corner-cutting", plans.cutting_plans, choose=_boldest),
    Driver("stopping", "stops halfway", plans.stopping_plans, finishes=False),
    Driver("leaving", "leaves the track early", plans.leaving_plans, finishes=False),
    Driver("circling", "drives in circles", plans.circling_plans, finishes=False, choose=_longest),
    Driver("fastest", "fastest-found", plans.fastest_plans, choose=_quickest),
)
"""Drivers of an empty road, by name."""

AVOIDERS = _by_name(
    Driver("avoiding", "box-avoiding", plans.avoiding_plans, choose=_first_home),
    Driver("avoiding_fast", "fast box-avoiding", plans.avoiding_fast_plans, choose=_first_home),
)
"""Drivers on the lane beside each box."""

EXPERT = Driver("expert", "nearly perfect", _no_plans, uses_mpc=True)
"""The predictive driver on the fastest line: what the car can do, and a policy hardly learns in minutes."""

WRONG_WAY = Driver("wrong_way", "drives the wrong way", plans.wrong_way_plans, finishes=False)
"""A car that was turned around at the start line: the simulator ends its episode after some steps."""

DAWDLING = Driver("dawdling", "dawdling", _no_plans)
"""Crawls where a step pays most and is fast elsewhere: see `drive_dawdling`."""

ALL_DRIVERS = DRIVER_FAMILY | AVOIDERS | _by_name(EXPERT, WRONG_WAY)
"""Everyone, by name."""


def _follow_all(
    all_plans: list[DrivingPlan], scenario: Scenario, inputs: PlanInputs, space: ActionSpace | None
) -> list[State]:
    """The rows of each plan's drive."""
    if not all_plans:
        return []
    path = np.column_stack(
        [
            np.vstack([plan.line for plan in all_plans]),
            np.concatenate([plan.speed for plan in all_plans]),
        ]
    )
    followers = start_followers(all_plans)
    limits = command_choices(space, scenario.car)

    def command(state: State, alive: NDArray[np.int64]) -> Array:
        commands = np.empty((len(alive), 2))
        alive_followers = followers[alive]
        follow_plans(state, alive_followers, path, scenario.car, commands, limits)
        followers[alive] = alive_followers
        return commands

    max_steps = _max_steps(scenario, inputs)
    is_turned = np.array([plan.is_turned for plan in all_plans])
    return roll_out(scenario, len(all_plans), command, max_steps, inputs.objects, is_turned)


def _max_steps(scenario: Scenario, inputs: PlanInputs) -> int:
    """Steps after which every drive is over: half as long again as the slowest needs."""
    distance = scenario.rules.laps * scenario.track.length
    return int(1.5 * distance / (inputs.slowest * STEP_S)) + 100
