"""Predictive driving by random-shooting model predictive control: each step, the first command of the
best of many short drives in the true dynamics.

The plans of a step begin with the last step's best one, carried on, or with a pursuit of the line;
around the better of both, random changes are tried, in rounds that come nearer. A plan is worth
the distance along the line that it makes in `HORIZON_STEPS`, less what it costs to be off the
line, beyond the road, or at the end faster than the line's corners allow.

Choosing the best of random action sequences by a model and repeating that every step is random
shooting (Rao, "A survey of numerical methods for optimal control", 2009; Nagabandi et al., "Neural
network dynamics for model-based deep reinforcement learning with model-free fine-tuning", ICRA
2018, section IV.C). Rounds around the best plan with a smaller spread resemble the cross-entropy
method, with one elite.

Pure pursuit, too, is here: it follows a spot ahead on a line, with what the car's tires and steering do
to it in mind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sim import State
from racer.vehicle import STEERING_LIMIT_DEG, STEP_S, Car, advance_motion, car_table

Array = NDArray[np.float64]

# 0: steer as wanted; 1: so that the wheels are there, for all their lag, one step later
STEER_LEAD = 1.0
# by how much the command goes below the plan's speed for a car that is faster than that
BRAKE_GAIN = 2.0
YAW_RATE_GAIN = 1.0  # fraction of the missing yaw rate that is asked for again
STEERING_WEIGHT_DEG = 15.0  # of steering weigh as much as the whole range of speeds

FOLLOWER_RECORD = np.dtype(
    [
        ("first", np.int64), ("last", np.int64), ("back", np.int64), ("at", np.int64), ("reach", np.float64),
        ("foresight", np.float64),
    ]
)  # fmt: skip

HORIZON_STEPS = 12  # steps that a plan is simulated ahead
KNOT_COUNT = 4  # of a random change, between which it is linear
# rad between where a car points and where it goes: more is a slide, which real cars seldom hold
SLIDE_RAD = 0.15
SEARCH_POINTS = 14  # points of the line among which the next nearest is looked for
STEERING_SPREAD_DEG = 12.0  # standard deviation of the changes of the first round
SPEED_SPREAD_MPS = 0.8
ROUND_SHRINKAGE = 0.4  # of the spread from a round to the next


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
    is_turned: bool = False  # whether the car begins facing the wrong way


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


@dataclass(frozen=True)
class MpcWeights:
    """What a driver wants. `pace` is a fraction of the line's speeds; the other numbers weigh
    against the distance driven, m.
    """

    pace: float = 1.0
    offset: float = 10.0  # per m2 off the line and step
    beyond: float = 400.0  # per m2 beyond the road and step
    late: float = 3.0  # per m2/s2 too fast at the end
    askew: float = 0.5  # per rad2 across the line at the end
    sliding: float = 10.0  # per rad2 that the car moves askew beyond `SLIDE_RAD`, and step
    tries: int = 60  # plans a round
    rounds: int = 3


class MpcReference(NamedTuple):
    """A line for compiled code: `points` (P, 7) x, y, cosine and sine of the heading, speed, m/s,
    room left and right, m.
    """

    points: Array
    spacing: float  # m
    is_loop: bool


class MpcProblem(NamedTuple):
    """What the worth of a plan depends on besides the car's state, for compiled code."""

    reference: MpcReference
    weights: tuple[float, ...]  # pace, offset, beyond, late, askew, sliding
    limits: CommandLimits
    lead: float  # by which steering is overdone, so that lagging wheels are where they should


class MpcDriver:
    """N cars that follow a reference line; each remembers where it is, and its last plan."""

    def __init__(
        self,
        reference: MpcReference,
        weights: list[MpcWeights],
        car: Car,
        limits: CommandLimits,
    ) -> None:
        self._weights = weights
        self._car = car_table(car, 1)[0]
        lead = float((1.0 - np.exp(-STEP_S / car.steer_lag)) ** -1.0)
        self._problems = [
            MpcProblem(reference, _weight_row(of_car), limits, lead) for of_car in weights
        ]
        self._plans = np.zeros((len(weights), HORIZON_STEPS, 2))
        self._nearest = np.full(len(weights), -1)
        max_tries = max(of_car.tries for of_car in weights)
        max_rounds = max(of_car.rounds for of_car in weights)
        self._changes = _random_changes(max_tries * max_rounds)

    def command(self, state: State, alive: NDArray[np.int64]) -> Array:
        """(n, 2) steering deg and speed m/s of the cars `alive` (n,), whose states are given."""
        command = np.empty((len(alive), 2))
        for k, index in enumerate(alive):
            weights = self._weights[index]
            changes = self._changes[: weights.tries * weights.rounds].reshape(
                weights.rounds, weights.tries, HORIZON_STEPS, 2
            )
            self._nearest[index] = _improve_plan(
                state[k],
                self._plans[index],
                self._nearest[index],
                self._problems[index],
                self._car,
                changes,
            )
            command[k] = self._plans[index, 0]
        return command


def _weight_row(weights: MpcWeights) -> tuple[float, ...]:
    row: tuple[Any, ...] = (
        weights.pace,
        weights.offset,
        weights.beyond,
        weights.late,
        weights.askew,
        weights.sliding,
    )
    return tuple(float(weight) for weight in row)


def _random_changes(count: int) -> Array:
    """(count, HORIZON_STEPS, 2) changes of a plan, in units of their spread: the same at every
    start of the program.
    """
    knots = np.random.default_rng(0).standard_normal((count, KNOT_COUNT, 2))
    position = np.linspace(0.0, KNOT_COUNT - 1.0, HORIZON_STEPS)
    first = np.minimum(position.astype(int), KNOT_COUNT - 2)
    fraction = (position - first)[None, :, None]
    return np.asarray((1.0 - fraction) * knots[:, first] + fraction * knots[:, first + 1])


@njit(cache=True, error_model="numpy")
def _improve_plan(car, plan, nearest, problem, row, changes):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Make the next `plan` of a car out of its last one; the point of the line nearest to the car."""
    nearest = _nearest(problem.reference, nearest, car.x, car.y)
    plan[:-1] = plan[1:].copy()
    candidate = np.empty_like(plan)
    best = _plan_worth(car, plan, nearest, problem, row, False)
    worth = _plan_worth(car, candidate, nearest, problem, row, True)
    if worth > best:
        best = worth
        plan[:] = candidate
    spread = 1.0
    for turn in range(len(changes)):
        center = plan.copy()
        for k in range(changes.shape[1]):
            change = changes[turn, k]
            for i in range(len(plan)):
                candidate[i, 0] = center[i, 0] + spread * STEERING_SPREAD_DEG * change[i, 0]
                candidate[i, 1] = center[i, 1] + spread * SPEED_SPREAD_MPS * change[i, 1]
            worth = _plan_worth(car, candidate, nearest, problem, row, False)
            if worth > best:
                best = worth
                plan[:] = candidate
        spread *= ROUND_SHRINKAGE
    return nearest


@njit(cache=True, error_model="numpy")
def _plan_worth(car, plan, nearest, problem, row, pursues):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """What a drive by a plan is worth, m; the plan is made what can be commanded, or a pursuit of
    the line.
    """
    reference = problem.reference
    points = reference.points
    pace, _, _, late, askew, _ = problem.weights
    motion = (car.x, car.y, car.yaw, car.vx, car.vy, car.yaw_rate, car.steer)
    earlier = (car.steer_before_deg, car.speed_before)
    before = (car.steer_command_deg, car.speed_command)
    k = nearest
    worth = 0.0
    points_passed = 0
    for i in range(len(plan)):
        if pursues:
            plan[i, 0], plan[i, 1] = _pursue(motion, k, reference, problem.lead, pace, row)
        choose_command(plan[i], plan[i, 0], plan[i, 1], problem.limits)
        now = (plan[i, 0], plan[i, 1])
        motion = _step_motion(row, motion, earlier, before, now)
        earlier = before
        before = now
        next_k = _nearest(reference, k, motion[0], motion[1])
        points_passed += (next_k - k) % len(points)
        k = next_k
        worth = _less_step_costs(worth, motion, points[k], problem.weights)
    ahead, excess, slant, turned = _final_errors(motion, points[k], pace)
    worth = worth + points_passed * reference.spacing + ahead
    return worth - late * excess * excess - askew * (slant * slant + turned * turned)


@njit(cache=True, error_model="numpy", inline="always")
def _step_motion(row, motion, earlier, before, now):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Motion a step later, under the last three commands: each reaches the car `delay` late."""
    if row.delay >= STEP_S:
        return advance_motion(row, motion, earlier, before, row.delay - STEP_S, STEP_S)
    return advance_motion(row, motion, before, now, row.delay, STEP_S)


@njit(cache=True, error_model="numpy", inline="always")
def _less_step_costs(worth, motion, point, weights):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """`worth` less the costs of a step: off the line, beyond the road, sliding."""
    _, weight_offset, weight_beyond, _, _, weight_sliding = weights
    offset = -(motion[0] - point[0]) * point[3] + (motion[1] - point[1]) * point[2]
    worth -= weight_offset * STEP_S * offset * offset
    beyond = max(offset - point[5], -offset - point[6], 0.0)
    worth -= weight_beyond * beyond * beyond
    slide = max(abs(motion[4]) / max(motion[3], 0.5) - SLIDE_RAD, 0.0)
    worth -= weight_sliding * slide * slide
    return worth


@njit(cache=True, error_model="numpy", inline="always")
def _final_errors(motion, point, pace):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """At the end of a plan: m ahead of the line's point, m/s too fast, and sines of the angles from
    the line to the car's velocity and to its heading.
    """
    ahead = (motion[0] - point[0]) * point[2] + (motion[1] - point[1]) * point[3]
    cos = np.cos(motion[2])
    sin = np.sin(motion[2])
    vx = cos * motion[3] - sin * motion[4]
    vy = sin * motion[3] + cos * motion[4]
    speed = np.sqrt(vx * vx + vy * vy)
    excess = max(speed - pace * point[4], 0.0)
    slant = (vy * point[2] - vx * point[3]) / max(speed, 0.3)
    turned = sin * point[2] - cos * point[3]
    return ahead, excess, slant, turned


@njit(cache=True, error_model="numpy", inline="always")
def _pursue(motion, k, reference, lead, pace, row):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Steering deg and speed m/s toward a spot ahead on the line."""
    x, y, yaw, vx, _, yaw_rate, steer = motion
    points = reference.points
    speed = max(vx, 0.3)
    j = _point_after(reference, k, 0.3 + 0.2 * speed)
    cos = np.cos(yaw)
    sin = np.sin(yaw)
    dx = points[j, 0] - x + row.rear_axle * cos
    dy = points[j, 1] - y + row.rear_axle * sin
    forward = cos * dx + sin * dy
    left = cos * dy - sin * dx
    bend = 2.0 * left / max(forward * forward + left * left, 1e-6)
    wheelbase = row.front_axle + row.rear_axle
    wheel_angle = np.arctan(wheelbase * (2.0 * bend - yaw_rate / speed))
    target = pace * points[_point_after(reference, k, 0.1 * speed), 4]
    steer_command = (steer + lead * (wheel_angle - steer)) * 180.0 / np.pi
    return steer_command, target - 2.0 * max(vx - 1.05 * target, 0.0)


@njit(cache=True, error_model="numpy", inline="always")
def _point_after(reference, k, distance):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The point of the line about `distance` m after point `k`."""
    j = k + int(distance / reference.spacing)
    count = len(reference.points)
    return j % count if reference.is_loop else min(j, count - 1)


@njit(cache=True, error_model="numpy", inline="always")
def _nearest(reference, first, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The point of the line nearest to a car, from `first` on; anywhere, if that is negative."""
    points = reference.points
    count = len(points)
    best = max(first, 0)
    least = np.inf
    for k in range(count if first < 0 else SEARCH_POINTS):
        j = max(first, 0) + k
        j = j % count if reference.is_loop else min(j, count - 1)
        square = (points[j, 0] - x) ** 2 + (points[j, 1] - y) ** 2
        if square < least:
            least = square
            best = j
    return best
