"""Following a plan: pure pursuit of a spot ahead on a line, with what the car's tires and steering
do to it in mind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sim.state import State
from racer.vehicle.car import STEERING_LIMIT_DEG, STEP_S, Car

Array = NDArray[np.float64]

# 0: steer as wanted; 1: so that the wheels are there, for all their lag, one step later
STEER_LEAD = 1.0
# by how much the command goes below the plan's speed for a car that is faster than that
BRAKE_GAIN = 2.0
YAW_RATE_GAIN = 1.0  # fraction of the missing yaw rate that is asked for again
STEERING_WEIGHT_DEG = 15.0  # of steering weigh as much as the whole range of speeds


class CommandLimits(NamedTuple):
    """The commands that a driver may give, steering deg and speed m/s in each row.

    One of `choices` (A, 2) or, where there are none, any between `low` (2,) and `high` (2,).
    """

    choices: Array
    low: Array
    high: Array


@dataclass(frozen=True, eq=False)
class DrivingPlan:
    """A line to follow and how."""

    line: Array  # (M, 2) m
    speed: Array  # (M,) m/s
    back: int = 0  # where the line goes on after its last point; -1: nowhere
    reach: float = 0.25  # m that the driver looks ahead at least
    foresight: float = 0.15  # s of driving that are added to it


FOLLOWER_RECORD = np.dtype(
    [
        ("first", np.int64), ("last", np.int64), ("back", np.int64), ("at", np.int64), ("reach", np.float64),
        ("foresight", np.float64),
    ]
)  # fmt: skip


def start_followers(plans: list[DrivingPlan]) -> NDArray[np.void]:
    """(N,) rows of FOLLOWER_RECORD at the beginning of each plan; their lines are laid end to end."""
    lengths = np.array([len(plan.line) for plan in plans])
    follower = np.zeros(len(plans), FOLLOWER_RECORD)
    follower["last"] = np.cumsum(lengths) - 1
    follower["first"] = np.cumsum(lengths) - lengths
    follower["at"] = follower["first"]
    back = np.array([plan.back for plan in plans])
    follower["back"] = np.where(back >= 0, follower["first"] + back, -1)
    follower["reach"] = [plan.reach for plan in plans]
    follower["foresight"] = [plan.foresight for plan in plans]
    return follower


def follow_plans(
    state: State,
    follower: NDArray[np.void],
    path: Array,
    car: Car,
    command: Array,
    limits: CommandLimits,
) -> None:
    """Fill in the `command` (N, 2) of each car, steering deg and speed m/s; `follower` (N,) moves
    on.

    `path` (P, 3) holds x and y, m, and speed, m/s, of all plans.
    """
    wheelbase = car.front_axle + car.rear_axle
    lead = (1.0 - np.exp(-STEP_S / car.steer_lag)) ** -STEER_LEAD
    _follow(state, follower, path, wheelbase, lead, command, limits)


@njit(cache=True, error_model="numpy")
def _follow(state, follower, path, wheelbase, lead, command, limits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(len(state)):
        car = state[i]
        f = follower[i]
        _find(f, path, car.x, car.y)
        speed = max(car.vx, 0.3)
        forward, left = _target_seen(f, path, car, wheelbase, speed)
        bend = 2.0 * left / max(forward * forward + left * left, 1e-6)
        slip = bend - car.yaw_rate / speed  # what the tires do not deliver is asked for again
        wheel_angle = np.arctan(wheelbase * (bend + YAW_RATE_GAIN * slip))
        steer = (car.steer + lead * (wheel_angle - car.steer)) * 180.0 / np.pi
        if forward < 0.0:
            steer = STEERING_LIMIT_DEG if left > 0.0 else -STEERING_LIMIT_DEG
        target = path[_walk(f, path, 0.1 * speed), 2]
        target -= BRAKE_GAIN * max(car.vx - 1.05 * target, 0.0)
        choose_command(command[i], steer, target, limits)


@njit(cache=True, error_model="numpy")
def _target_seen(f, path, car, wheelbase, speed):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The spot that a car steers for, m ahead of its rear axle and m to the left of its heading."""
    cos = np.cos(car.yaw)
    sin = np.sin(car.yaw)
    x, y = _ahead(f, path, car.x, car.y, f.reach + f.foresight * speed)
    dx = x - (car.x - 0.5 * wheelbase * cos)
    dy = y - (car.y - 0.5 * wheelbase * sin)
    return cos * dx + sin * dy, cos * dy - sin * dx


@njit(cache=True, error_model="numpy")
def _next(f, k):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The point of a plan after point `k`."""
    if k < f.last:
        return k + 1
    return f.back if f.back >= 0 else f.last


@njit(cache=True, error_model="numpy")
def _find(f, path, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Move `f.at` on to the nearest of the next points: lines may cross themselves."""
    best = f.at
    k = f.at
    least = (path[k, 0] - x) ** 2 + (path[k, 1] - y) ** 2
    for _ in range(6):
        k = _next(f, k)
        square = (path[k, 0] - x) ** 2 + (path[k, 1] - y) ** 2
        if square < least:
            best = k
            least = square
    f.at = best


@njit(cache=True, error_model="numpy")
def _ahead(f, path, x, y, reach):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The spot of a plan at distance `reach` from a point, ahead of it."""
    k = f.at
    for _ in range(200):
        n = _next(f, k)
        outside = _distance(path, n, x, y)
        if outside >= reach or n == k:
            break
        k = n
    inside = _distance(path, k, x, y)
    fraction = 0.0
    if outside > inside:
        fraction = min(max((reach - inside) / (outside - inside), 0.0), 1.0)
    target_x = path[k, 0] + fraction * (path[n, 0] - path[k, 0])
    target_y = path[k, 1] + fraction * (path[n, 1] - path[k, 1])
    return target_x, target_y


@njit(cache=True, error_model="numpy", inline="always")
def _distance(path, k, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return np.sqrt((path[k, 0] - x) ** 2 + (path[k, 1] - y) ** 2)


@njit(cache=True, error_model="numpy")
def _walk(f, path, distance):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The point of a plan `distance` m after the car's."""
    k = f.at
    for _ in range(50):
        n = _next(f, k)
        distance -= _distance(path, n, path[k, 0], path[k, 1])
        if distance < 0.0 or n == k:
            break
        k = n
    return k


@njit(cache=True, error_model="numpy")
def choose_command(command, steer, speed, limits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write the allowed command nearest to a steering angle, deg, and a speed, m/s."""
    choices, low, high = limits
    command[0] = min(max(steer, low[0]), high[0])
    command[1] = min(max(speed, low[1]), high[1])
    least = np.inf
    best = -1
    for k in range(len(choices)):
        steer_gap = (choices[k, 0] - command[0]) / STEERING_WEIGHT_DEG
        speed_gap = (choices[k, 1] - command[1]) / max(high[1] - low[1], 0.1)
        square = steer_gap * steer_gap + speed_gap * speed_gap
        if square < least:
            least = square
            best = k
    if best >= 0:
        command[0] = choices[best, 0]
        command[1] = choices[best, 1]
