"""Following a plan: pure pursuit of a spot ahead on a line, with what the car's tires and steering
do to it in mind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sim.state import State
from racer.vehicle.car import STEERING_LIMIT_DEG, STEP_S, Car

Array = NDArray[np.float64]

STEER_LEAD = (
    1.0  # 0: steer as wanted; 1: so that the wheels are there, for all their lag, one step later
)
# by how much the command goes below the plan's speed for a car that is faster than that
BRAKE_GAIN = 2.0
YAW_RATE_GAIN = 1.0  # share of the missing yaw rate that is asked for again


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
    """(N,) rows of FOLLOWER at the beginning of each plan, whose lines are laid end to end."""
    ends = np.cumsum([len(p.line) for p in plans])
    follower = np.zeros(len(plans), FOLLOWER_RECORD)
    follower["last"] = ends - 1
    follower["first"] = follower["at"] = ends - [len(p.line) for p in plans]
    follower["back"] = [
        first + p.back if p.back >= 0 else -1
        for first, p in zip(follower["first"], plans, strict=True)
    ]
    follower["reach"], follower["foresight"] = (
        [p.reach for p in plans],
        [p.foresight for p in plans],
    )
    return follower


def follow_plans(
    state: State,
    follower: NDArray[np.void],
    path: Array,
    car: Car,
    command: Array,
    choices: Array,
    low: Array,
    high: Array,
) -> None:
    """Fill in the `command` (N, 2) of each car: steering deg and speed m/s; `follower` (N,) moves
    on.

    `path` (P, 3) holds x, y and speed of all plans. Commands are one of `choices` (A, 2), or, if
    there are none, between `low` (2,) and `high` (2,).
    """
    wheelbase = car.front_axle + car.rear_axle
    lead = (1.0 - np.exp(-STEP_S / car.steer_lag)) ** -STEER_LEAD
    _follow(state, follower, path, wheelbase, lead, YAW_RATE_GAIN, command, choices, low, high)


@njit(cache=True, error_model="numpy")
def _follow(state, follower, path, wheelbase, lead, grip, command, choices, low, high):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
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
        wish = np.arctan(wheelbase * (bend + grip * slip))
        steer = (car.steer + lead * (wish - car.steer)) * 180.0 / np.pi
        if forward < 0.0:
            steer = STEERING_LIMIT_DEG if left > 0.0 else -STEERING_LIMIT_DEG
        soon = _walk(f, path, 0.1 * speed)
        target = path[soon, 2]
        target -= BRAKE_GAIN * max(car.vx - 1.05 * target, 0.0)
        choose_command(command[i], steer, target, choices, low, high)


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
    return path[k, 0] + share * (path[n, 0] - path[k, 0]), path[k, 1] + share * (
        path[n, 1] - path[k, 1]
    )


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
def choose_command(command, steer, speed, choices, low, high):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write the command nearest to a wish: within limits, or one of the choices (15 deg weigh as
    all the speeds).
    """
    command[0], command[1] = min(max(steer, low[0]), high[0]), min(max(speed, low[1]), high[1])
    least, best = np.inf, -1
    for k in range(len(choices)):
        a = (choices[k, 0] - command[0]) / 15.0
        b = (choices[k, 1] - command[1]) / max(high[1] - low[1], 0.1)
        if a * a + b * b < least:
            least, best = a * a + b * b, k
    if best >= 0:
        command[0], command[1] = choices[best, 0], choices[best, 1]
