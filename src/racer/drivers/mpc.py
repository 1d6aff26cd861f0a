"""Predictive driving: each step, the first command of the best of many short drives in the true
dynamics.

The drives of a step begin with the last step's best one, carried on, or with a pursuit of the line;
around the better of both, others are tried, in rounds that come nearer. A drive is worth the way
along the line that it makes in `AHEAD` steps, less what it costs to be off the line, beyond the
road, or at the end faster than the line's corners allow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.drivers.pure_pursuit import choose_command
from racer.sim.state import State
from racer.vehicle.car import STEP_S, Car, car_table
from racer.vehicle.dynamics import advance_motion

Array = NDArray[np.float64]

HORIZON_STEPS = 12  # steps that a drive is thought ahead
KNOT_COUNT = 4  # between which what is tried changes evenly
# rad between where a car points and where it goes: more is a slide, which real cars seldom hold
SLIDE_RAD = 0.15
SEARCH_POINTS = 14  # points of the line among which the next nearest is looked for


@dataclass(frozen=True)
class MpcWeights:
    """What a driver wants. `pace` is a share of the line's speeds; the other numbers weigh the way
    in m.
    """

    pace: float = 1.0
    aside: float = 10.0  # per m2 off the line and step
    beyond: float = 400.0  # per m2 beyond the road and step
    late: float = 3.0  # per m2/s2 too fast at the end
    askew: float = 0.5  # per rad2 across the line at the end
    sliding: float = 10.0  # per rad2 that the car moves askew beyond `SLIDES`, and step
    tries: int = 60  # drives a round
    rounds: int = 3


@dataclass(frozen=True, eq=False)
class MpcReference:
    """A line for compiled code: `points` (P, 7) x, y, cosine and sine of the heading, speed, room
    left and right, m.
    """

    points: Array
    spacing: float
    is_loop: bool


class MpcDriver:
    """N cars that follow guides; each remembers where it is on its guide, and its last plan."""

    def __init__(
        self,
        guide: MpcReference,
        cares: list[MpcWeights],
        car: Car,
        low: Array,
        high: Array,
        choices: Array,
    ) -> None:
        self._guide, self._cares = guide, cares
        self._row = car_table(car, 1)[0]
        self._lead = (1.0 - np.exp(-STEP_S / car.steer_lag)) ** -1.0
        self._limits = (low, high, choices)
        self._plans = np.zeros((len(cares), HORIZON_STEPS, 2))
        self._at = np.full(len(cares), -1)
        self._tried = _samples(
            max(care.tries for care in cares) * max(care.rounds for care in cares)
        )

    def command(self, state: State, alive: NDArray[np.int64]) -> Array:
        """(n, 2) steering deg and speed m/s of the cars `alive`, whose states are given."""
        command = np.empty((len(alive), 2))
        for k, who in enumerate(alive):
            care = self._cares[who]
            weights = np.array(
                [care.pace, care.aside, care.beyond, care.late, care.askew, care.sliding]
            )
            self._at[who] = _decide(
                state[k], self._plans[who], self._at[who], self._guide.points, self._guide.spacing,
                self._guide.is_loop, self._row, self._lead, weights, self._tried, care.tries, care.rounds,
                *self._limits, command[k],
            )  # fmt: skip
        return command


def _samples(count: int) -> Array:
    """(count, AHEAD, 2) changes of a plan that are tried, in units of their spread: the same ones
    every time.
    """
    knots = np.random.default_rng(0).standard_normal((count, KNOT_COUNT, 2))
    at = np.linspace(0.0, KNOT_COUNT - 1.0, HORIZON_STEPS)
    first = np.minimum(at.astype(int), KNOT_COUNT - 2)
    share = (at - first)[None, :, None]
    return np.asarray((1.0 - share) * knots[:, first] + share * knots[:, first + 1])


@njit(cache=True, error_model="numpy")
def _decide(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    car,
    plan,
    at,
    points,
    spacing,
    is_loop,
    row,
    lead,
    weights,
    tried,
    tries,
    rounds,
    low,
    high,
    choices,
    command,
):
    """Make the next `plan` of a car and give its first command; the place of the car on the line."""
    at = _nearest(points, is_loop, at, car.x, car.y)
    plan[:-1] = plan[1:].copy()
    fresh, other = np.empty_like(plan), np.empty_like(plan)
    worth = _worth(
        car, plan, at, points, spacing, is_loop, row, lead, weights, low, high, choices, False
    )
    pursued = _worth(
        car, fresh, at, points, spacing, is_loop, row, lead, weights, low, high, choices, True
    )
    if pursued > worth:
        worth = pursued
        plan[:] = fresh
    spread = 1.0
    for turn in range(rounds):
        center = plan.copy()
        for k in range(tries):
            change = tried[turn * tries + k]
            for i in range(len(plan)):
                other[i, 0] = center[i, 0] + spread * 12.0 * change[i, 0]
                other[i, 1] = center[i, 1] + spread * 0.8 * change[i, 1]
            found = _worth(
                car,
                other,
                at,
                points,
                spacing,
                is_loop,
                row,
                lead,
                weights,
                low,
                high,
                choices,
                False,
            )
            if found > worth:
                worth = found
                plan[:] = other
        spread *= 0.4
    command[0], command[1] = plan[0, 0], plan[0, 1]
    return at


@njit(cache=True, error_model="numpy")
def _worth(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    car, plan, at, points, spacing, is_loop, row, lead, weights, low, high, choices, pursues
):
    """What a drive by a plan is worth, m; the plan is made what can be commanded, or a pursuit of
    the line.
    """
    pace, aside, beyond, late, askew, sliding = weights
    motion = (car.x, car.y, car.yaw, car.vx, car.vy, car.yaw_rate, car.steer)
    earlier = (car.steer_before_deg, car.speed_before)
    before = (car.steer_command_deg, car.speed_command)
    k, worth, way, last = at, 0.0, 0, len(points)
    for i in range(len(plan)):
        if pursues:
            plan[i, 0], plan[i, 1] = _pursue(motion, k, points, spacing, is_loop, lead, pace, row)
        choose_command(plan[i], plan[i, 0], plan[i, 1], choices, low, high)
        now = (plan[i, 0], plan[i, 1])
        delay = row.delay
        if delay >= STEP_S:
            motion = advance_motion(row, motion, earlier, before, delay - STEP_S, STEP_S)
        else:
            motion = advance_motion(row, motion, before, now, delay, STEP_S)
        earlier, before = before, now
        next_k = _nearest(points, is_loop, k, motion[0], motion[1])
        way += (next_k - k) % last
        k = next_k
        p = points[k]
        off = -(motion[0] - p[0]) * p[3] + (motion[1] - p[1]) * p[2]
        worth -= aside * STEP_S * off * off
        out = max(off - p[5], -off - p[6], 0.0)
        worth -= beyond * out * out
        slide = max(abs(motion[4]) / max(motion[3], 0.5) - SLIDE_RAD, 0.0)
        worth -= sliding * slide * slide
    ahead = (motion[0] - p[0]) * p[2] + (motion[1] - p[1]) * p[3]
    c, s = np.cos(motion[2]), np.sin(motion[2])
    vx, vy = c * motion[3] - s * motion[4], s * motion[3] + c * motion[4]
    speed = np.sqrt(vx * vx + vy * vy)
    fast = max(speed - pace * p[4], 0.0)
    slant = (vy * p[2] - vx * p[3]) / max(speed, 0.3)
    turned = s * p[2] - c * p[3]
    return (
        worth
        + way * spacing
        + ahead
        - late * fast * fast
        - askew * (slant * slant + turned * turned)
    )


@njit(cache=True, error_model="numpy", inline="always")
def _pursue(motion, k, points, spacing, is_loop, lead, pace, row):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Steering deg and speed m/s toward a spot ahead on the line."""
    x, y, yaw, vx, _, yaw_rate, steer = motion
    speed = max(vx, 0.3)
    n = len(points)
    j = k + int((0.3 + 0.2 * speed) / spacing)
    j = j % n if is_loop else min(j, n - 1)
    c, s = np.cos(yaw), np.sin(yaw)
    wheelbase = row.front_axle + row.rear_axle
    dx, dy = points[j, 0] - x + row.rear_axle * c, points[j, 1] - y + row.rear_axle * s
    forward, left = c * dx + s * dy, c * dy - s * dx
    bend = 2.0 * left / max(forward * forward + left * left, 1e-6)
    wish = np.arctan(wheelbase * (2.0 * bend - yaw_rate / speed))
    soon = k + int(0.1 * speed / spacing)
    soon = soon % n if is_loop else min(soon, n - 1)
    target = pace * points[soon, 4]
    return (steer + lead * (wish - steer)) * 180.0 / np.pi, target - 2.0 * max(
        vx - 1.05 * target, 0.0
    )


@njit(cache=True, error_model="numpy", inline="always")
def _nearest(points, is_loop, at, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The point of the line nearest to a car, from `at` on; anywhere, if that is negative."""
    n = len(points)
    best, least = max(at, 0), np.inf
    for k in range(n if at < 0 else SEARCH_POINTS):
        j = k if at < 0 else at + k
        j = j % n if is_loop else min(j, n - 1)
        square = (points[j, 0] - x) ** 2 + (points[j, 1] - y) ** 2
        if square < least:
            least, best = square, j
    return best
