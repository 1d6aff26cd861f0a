"""The drivers that a foresight chooses from: families of plans, each a function of a few numbers.

The numbers of a family are standard normal before the search knows better. `LINE` is a closed line
with a speed at every place, which may weave, dither, pulse and dawdle on a stretch: laps of every
kind, and crawling, waiting and parking. The others are what no line around the road is: circles,
turning back, leaving the road.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from racer.drivers import DrivingPlan, PlanInputs, avoiding_offsets
from racer.raceline import cornering_speeds, relaxed_offsets

Array = NDArray[np.float64]

KNOT_SPACING_M = 0.9  # between the places at which a line has an offset and a speed of its own
KNOTS = (8, 48)  # the fewest and the most of them
BEYOND_BORDER_M = 0.07  # so far the middle of a car may be beyond a border: wheels are left on it
WAVE_M = (0.6, 3.8)  # shortest and longest way from one swing of a weaving line to the next
LARGEST_DITHER_DEG = 60.0  # from one steering command to the next
DITHER_STEPS = (2.0, 10.0)
RING_POINTS = 40
HOLD_DEG = 31.0  # of steering that wheels are held at, at most
LEAVING_POINTS = 60
LEAVING_SPACING_M = 0.1
RACING_MARGINS_M = (0.12, 0.06, 0.0)
CORNERING_FRACTIONS = (0.7, 0.85, 1.0, 1.15)
LINGERING_PARTS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 0.9)  # of the road, on which a car may linger
AVOIDING_FRACTIONS = (0.55, 0.7, 0.85)  # of the distance from a box to the border

# the numbers of a line behind those of its knots
WEAVE, WAVE, FORESIGHT, DITHER, DITHER_PERIOD, SLOW, SLOW_FROM, SLOW_LENGTH, PULSE = range(9)
EXTRAS = 9
HABITS = (
    "weave", "wave", "foresight", "dither", "dither_period", "slow", "slow_from", "slow_length", "pulse",
)  # fmt: skip
ACTIVE_FROM = 1.0  # a habit that may be absent is active beyond it


@dataclass(frozen=True, eq=False)
class Maneuver:
    """A plan, where on its line a car begins, and what is added to its commands."""

    plan: DrivingPlan
    at: int = 0
    dither_deg: float = 0.0  # added to and taken from the steering in turn
    pulse: float = 0.0  # fraction of the range of speeds that is taken away every other time
    period_steps: float = 2.0  # of both
    hold_from: int = -1  # the point of the line from which one command is held; -1: none
    held: tuple[float, float] = (0.0, 0.0)  # that command, deg and m/s


@dataclass(frozen=True, eq=False)
class Road:
    """The road, the limits of car and commands, and the stations where episodes begin."""

    inputs: PlanInputs
    slowest: float  # m/s that can be commanded
    top: float

    @property
    def count(self) -> int:
        """Stations of the road."""
        return len(self.inputs.corridor.xy)

    @cached_property
    def knots(self) -> int:
        """Places at which a line has an offset and a speed of its own."""
        length = self.count * self.inputs.corridor.spacing
        return int(np.clip(round(length / KNOT_SPACING_M), *KNOTS))

    @cached_property
    def weights(self) -> Array:
        """(knots, stations) of the knots at each station: smooth steps from one to the next."""
        position = np.linspace(0.0, self.knots, self.count, endpoint=False)
        first = position.astype(int)
        rest = position - first
        rest = rest * rest * (3.0 - 2.0 * rest)
        weights = np.zeros((self.knots, self.count))
        stations = np.arange(self.count)
        weights[first, stations] = 1.0 - rest
        following = (first + 1) % self.knots
        if not self.inputs.corridor.is_loop:
            following = np.minimum(first + 1, self.knots - 1)
        weights[following, stations] += rest
        return weights

    def station_of(self, start: float) -> int:
        """The station at a fraction of the lap."""
        return round(start * self.count) % self.count

    def stations_from(self, first: int, count: int) -> NDArray[np.int64]:
        """(count,) stations in driving order from one on; those of an open road end at its end."""
        stations = first + np.arange(count)
        if self.inputs.corridor.is_loop:
            return stations % self.count
        return np.minimum(stations, self.count - 1)

    def points(self, stations: NDArray[np.int64], offset: Array | float) -> Array:
        """(K, 2) m, so far to the left of the center line at stations (K,)."""
        corridor = self.inputs.corridor
        offsets = np.broadcast_to(offset, len(stations))
        return np.asarray(corridor.xy[stations] + offsets[:, None] * corridor.normal[stations])

    def offset_m(self, fraction: Array) -> Array:
        """(M,) m to the left for a fraction of the room to either side, -1 to 1."""
        corridor = self.inputs.corridor
        left = np.maximum(corridor.left + BEYOND_BORDER_M, 0.0)
        right = np.maximum(corridor.right + BEYOND_BORDER_M, 0.0)
        return np.where(fraction > 0.0, fraction * left, fraction * right)

    def speed_of(self, number: float) -> float:
        """m/s for a number of a family."""
        return self.slowest + (self.top - self.slowest) * float(_unit(1.4 * number))


@dataclass(frozen=True)
class Family:
    """Plans as a function of some numbers, and the numbers to begin with."""

    name: str
    size: Callable[[Road], int]
    maneuver: Callable[[Road, Array, float], Maneuver]
    # those to begin with, in groups: each is searched around by itself
    seeds: Callable[[Road], list[list[Array]]]
    spread: Callable[[Road], Array]


def _unit(number: Array | float) -> Array:
    """0 to 1 for any number."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(number, dtype=np.float64))))


def _logit(fraction: Array | float) -> Array:
    limited = np.clip(np.asarray(fraction, dtype=np.float64), 0.003, 0.997)
    return np.asarray(np.log(limited / (1.0 - limited)))


def _between(number: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return low + (high - low) * float(_unit(number))


def _habit(number: float) -> float:
    """How strong a habit is that may be absent."""
    return max(0.0, number - ACTIVE_FROM)


# a closed line


def _line_size(road: Road) -> int:
    return 2 * road.knots + EXTRAS


def _line_spread(road: Road) -> Array:
    spread = np.ones(_line_size(road))
    spread[road.knots : 2 * road.knots] = 1.3
    spread[2 * road.knots + SLOW_FROM] = 0.3
    spread[2 * road.knots + SLOW_LENGTH] = 0.3
    return spread


def _line_maneuver(road: Road, numbers: Array, start: float) -> Maneuver:
    corridor = road.inputs.corridor
    count = road.count
    knots = road.knots
    extra = numbers[2 * knots :]
    fraction = np.tanh(numbers[:knots] @ road.weights)
    length = count * corridor.spacing
    waves = max(1, round(length / _between(float(extra[WAVE]), WAVE_M)))
    phase = np.linspace(0.0, 2.0 * np.pi * waves, count, endpoint=False)
    fraction = fraction + 0.9 * _unit(extra[WEAVE] - 3.0) * np.sin(phase)
    line = corridor.points_at(road.offset_m(np.clip(fraction, -1.0, 1.0)))
    pace = np.clip(1.15 * _unit(numbers[knots : 2 * knots] @ road.weights) - 0.075, 0.0, 1.0)
    speed = road.slowest + (road.top - road.slowest) * pace
    first = road.station_of(start)
    if extra[SLOW] > ACTIVE_FROM:
        begin = _unit(1.5 * extra[SLOW_FROM])
        end = begin + 0.02 + _unit(1.5 * extra[SLOW_LENGTH] - 1.0)
        done = ((np.arange(count) - first) % count) / count
        speed[(done >= begin) & (done < end)] = road.slowest
    foresight = 0.05 + 0.2 * float(_unit(extra[FORESIGHT]))
    plan = DrivingPlan(line, speed, 0, 0.25, foresight)
    if not corridor.is_loop:
        plan = _run_out(plan)
    return Maneuver(
        plan,
        at=first,
        dither_deg=min(20.0 * _habit(float(extra[DITHER])), LARGEST_DITHER_DEG),
        pulse=min(_habit(float(extra[PULSE])), 1.0),
        period_steps=_between(float(extra[DITHER_PERIOD]), DITHER_STEPS),
    )


def _run_out(plan: DrivingPlan) -> DrivingPlan:
    """A plan that goes on straight beyond the end of an open road."""
    last_step = plan.line[-1] - plan.line[-2]
    beyond = plan.line[-1] + last_step * np.arange(1, 30)[:, None]
    speed = np.append(plan.speed, np.full(len(beyond), plan.speed[-1]))
    return DrivingPlan(
        np.vstack([plan.line, beyond]), speed, -1, plan.reach, plan.foresight, plan.is_turned
    )


def _line_seeds(road: Road) -> list[list[Array]]:
    return [_racing_seeds(road)]


# a line at one offset and one speed, with the habits of any line: few numbers, so soon searched


def as_line(road: Road, steady: Array) -> Array:
    """The numbers of the line that a steady one is."""
    offset = np.full(road.knots, steady[0])
    speed = np.full(road.knots, steady[1])
    return np.concatenate([offset, speed, steady[2:]])


def _steady_maneuver(road: Road, numbers: Array, start: float) -> Maneuver:
    return _line_maneuver(road, as_line(road, numbers), start)


def _steady_spread(road: Road) -> Array:
    spread = np.ones(2 + EXTRAS)
    spread[1] = 1.3
    spread[[2 + SLOW_FROM, 2 + SLOW_LENGTH]] = 0.5
    return spread


def _steady(offset: float, speed: float, **habits: float) -> Array:
    """The numbers of a steady line; `habits` by the names of the numbers of a line."""
    numbers = np.zeros(2 + EXTRAS)
    numbers[0] = offset
    numbers[1] = speed
    numbers[2 + WEAVE] = -2.0
    for name, number in habits.items():
        numbers[2 + HABITS.index(name)] = number
    return numbers


def _steady_seeds(road: Road) -> list[list[Array]]:
    return [_even_seeds(), *_habit_seeds()]


def _even_seeds() -> list[Array]:
    seeds = []
    for speed in (-4.0, -1.0, 0.0, 1.0, 4.0):
        for offset in (0.0, -1.2, -0.45, 0.45, 1.2):
            seeds.append(_steady(offset, speed))
    return seeds


def _habit_seeds() -> list[list[Array]]:
    weavings = []
    ditherings = []
    slowings = []
    for speed in (-4.0, -1.0, 1.0):
        for wave in (-2.0, 0.5):
            weavings.append(_steady(0.0, speed, weave=3.5, wave=wave))
        weavings.append(_steady(0.0, speed, weave=1.2, wave=-2.5))
        ditherings.append(_steady(0.0, speed, dither=2.5, dither_period=-1.5))
    for begin in (-1.6, -0.5, 0.5, 1.6):
        slowings.append(_steady(0.0, 1.0, slow=2.0, slow_from=begin, slow_length=-0.5))
    return [weavings, ditherings, slowings]


def _even_line(road: Road, offset: float, speed: float) -> Array:
    """The same place on the road and the same speed all around."""
    numbers = np.zeros(_line_size(road))
    numbers[: road.knots] = offset
    numbers[road.knots : 2 * road.knots] = speed
    numbers[2 * road.knots + WEAVE] = -2.0
    return numbers


def lingering_seeds(road: Road, pay_of_places: Array) -> list[Array]:
    """Lines that are fast but where a step pays most, on more and more of the road: `pay_of_places`
    (knots,) of the lap.
    """
    knots = road.knots
    seeds = []
    fast = [_even_line(road, 0.0, 1.0), _racing_seeds(road)[1]]
    order = np.argsort(-pay_of_places, kind="stable")
    for part in LINGERING_PARTS:
        slow = order[: max(1, round(part * knots))]
        for line in fast:
            numbers = line.copy()
            numbers[knots + slow] = -4.0
            seeds.append(numbers)
    return seeds


def dallying_seeds(pay_of_parts: Array) -> list[Array]:
    """Steady lines that are slow while the parts of the lap are done that pay most: `pay_of_parts`
    (P,) of a step in each.
    """
    count = len(pay_of_parts)
    best = int(np.argmax(pay_of_parts))
    least = pay_of_parts.min()
    paid_well = pay_of_parts - least >= 0.7 * (pay_of_parts[best] - least)
    begin = best
    while begin > 0 and paid_well[begin - 1]:
        begin -= 1
    end = best
    while end < count and paid_well[end]:
        end += 1
    stretches = {(best, best + 1), (begin, end), (begin, min(end + 1, count)), (begin, count)}
    seeds = []
    for first, last in sorted(stretches):
        start = float(_logit(max(0.0, first / count - 0.01))) / 1.5
        length = (float(_logit((last - first) / count - 0.01)) + 1.0) / 1.5
        for speed in (0.0, 1.0, 3.0):
            seeds.append(_steady(0.0, speed, slow=2.0, slow_from=start, slow_length=length))
    return seeds


def _racing_seeds(road: Road) -> list[Array]:
    """Lines of least curvature, and around boxes, as fast as careful and bold drivers corner."""
    inputs = road.inputs
    corridor = inputs.corridor
    stations = np.linspace(0.0, road.count, road.knots, endpoint=False).astype(int)
    offsets = [relaxed_offsets(corridor, margin) for margin in RACING_MARGINS_M]
    if len(inputs.objects):
        offsets += [avoiding_offsets(corridor, inputs.objects, part) for part in AVOIDING_FRACTIONS]
    seeds = []
    for offset in offsets:
        room = np.where(offset > 0.0, corridor.left, corridor.right) + BEYOND_BORDER_M
        fraction = np.clip(offset / np.maximum(room, 0.05), -0.97, 0.97)[stations]
        line = corridor.points_at(offset)
        for part in CORNERING_FRACTIONS:
            speed = cornering_speeds(
                line, corridor.is_loop, road.top, part * inputs.lateral, inputs.brake
            )
            pace = (speed[stations] - road.slowest) / max(road.top - road.slowest, 1e-6)
            numbers = _even_line(road, 0.0, 0.0)
            numbers[: road.knots] = np.arctanh(fraction)
            numbers[road.knots : 2 * road.knots] = _logit((pace + 0.075) / 1.15)
            seeds.append(numbers)
    return seeds


# what no line around the road is


def _side(number: float) -> float:
    """1 for the left, -1 for the right."""
    return 1.0 if number >= 0.0 else -1.0


def _ones(size: int) -> Callable[[Road], Array]:
    def spread(road: Road) -> Array:
        return np.ones(size)

    return spread


def _fixed(size: int) -> Callable[[Road], int]:
    def count(road: Road) -> int:
        return size

    return count


def _ring_maneuver(road: Road, numbers: Array, start: float) -> Maneuver:
    """To one side of the road, and in circles from there: how far, how wide, which way, how fast,
    how far the circle's middle is from that of the road, and whether the wheels are held.
    """
    way, width, turn, pace, aside, hold = numbers
    corridor = road.inputs.corridor
    first = road.station_of(start)
    lead = max(2, round(_between(float(way), (0.3, 6.0)) / corridor.spacing))
    radius = _between(float(width), (0.2, 1.0))
    side = _side(float(turn))
    middle = 0.4 * np.tanh(float(aside))
    stations = road.stations_from(first, lead + 1)
    ramp = np.clip(np.arange(lead + 1) / max(min(lead, 8), 1), 0.0, 1.0)
    lead_in = road.points(stations, (middle - side * radius) * ramp)
    k = int(stations[-1])
    center = corridor.xy[k] + middle * corridor.normal[k]
    normal_x, normal_y = corridor.normal[k]
    outward = np.arctan2(-side * normal_y, -side * normal_x)
    angle = outward + side * np.linspace(0.0, 2.0 * np.pi, RING_POINTS + 1)[1:]
    ring = center + radius * np.column_stack([np.cos(angle), np.sin(angle)])
    line = np.vstack([lead_in, ring])
    speed = np.full(len(line), road.speed_of(float(pace)))
    plan = DrivingPlan(line, speed, len(lead_in), 0.2, 0.1)
    if hold <= 0.0:
        return Maneuver(plan)
    angle_deg = side * HOLD_DEG * float(_unit(hold))
    return Maneuver(plan, hold_from=len(lead_in) - 1, held=(angle_deg, float(speed[-1])))


def _ring_seeds(road: Road) -> list[list[Array]]:
    seeds = []
    for side in (-1.0, 1.0):
        for way in (-2.0, 1.0):
            for width in (-2.0, -0.7):
                seeds.append(np.array([way, width, side, -0.3, 0.0, -1.0]))
            for pace in (-2.1, -1.5, -0.3):
                for aside in (-0.5, 0.5):
                    seeds.append(np.array([way, -0.4, side, pace, aside, 2.5]))
    return [seeds]


def _back_maneuver(road: Road, numbers: Array, start: float) -> Maneuver:
    """A turn on the road, and back the way it came: how far before it, how wide, which way, how fast
    before and after.
    """
    way, width, turn, pace, pace_back = numbers
    corridor = road.inputs.corridor
    first = road.station_of(start)
    length = road.count * corridor.spacing
    lead = max(2, round(_between(float(way), (0.3, 0.6 * length)) / corridor.spacing))
    radius = _between(float(width), (0.2, 0.8))
    side = _side(float(turn))
    stations = road.stations_from(first, lead + 1)
    ramp = np.clip((np.arange(lead + 1) - lead + 8) / 8.0, 0.0, 1.0)
    lead_in = road.points(stations, -side * radius * ramp)
    k = int(stations[-1])
    normal_x, normal_y = corridor.normal[k]
    outward = np.arctan2(-side * normal_y, -side * normal_x)
    angle = outward + side * np.linspace(0.0, np.pi, RING_POINTS // 2)[1:]
    turning = corridor.xy[k] + radius * np.column_stack([np.cos(angle), np.sin(angle)])
    back_stations = k - np.arange(1, road.count)
    if corridor.is_loop:
        back_stations %= road.count
    else:
        back_stations = np.maximum(back_stations, 0)
    fading = np.clip(1.0 - np.arange(road.count - 1) / 8.0, 0.0, 1.0)
    back = road.points(back_stations, side * radius * fading)
    line = np.vstack([lead_in, turning, back])
    speed = np.full(len(line), road.speed_of(float(pace)))
    slow_from = max(0, lead - 6)
    speed[slow_from : lead + len(turning)] = min(road.speed_of(float(pace)), road.slowest + 0.3)
    speed[lead + len(turning) :] = road.speed_of(float(pace_back))
    return Maneuver(DrivingPlan(line, speed, -1, 0.2, 0.1))


def _back_seeds(road: Road) -> list[list[Array]]:
    seeds = []
    for way in (-4.0, -1.5):
        for side in (-1.0, 1.0):
            for pace in (-2.5, 0.0):
                seeds.append(np.array([way, -1.0, side, -1.0, pace]))
    return [seeds]


def _leaving_maneuver(road: Road, numbers: Array, start: float) -> Maneuver:
    """Off the road: how far before it, to which side, how steeply, how fast."""
    way, turn, steepness, pace = numbers
    corridor = road.inputs.corridor
    first = road.station_of(start)
    length = road.count * corridor.spacing
    meters = length * max(0.0, float(_unit(way)) ** 2 - 0.01)
    lead = max(1, round(meters / corridor.spacing))
    stations = road.stations_from(first, lead + 1)
    k = int(stations[-1])
    angle = _side(float(turn)) * np.radians(_between(float(steepness), (15.0, 100.0)))
    along = np.array([corridor.normal[k, 1], -corridor.normal[k, 0]])
    direction = np.cos(angle) * along + np.sin(angle) * corridor.normal[k]
    steps = LEAVING_SPACING_M * np.arange(1, LEAVING_POINTS)[:, None]
    line = np.vstack([road.points(stations, 0.0), corridor.xy[k] + steps * direction])
    speed = np.full(len(line), road.speed_of(float(pace)))
    return Maneuver(DrivingPlan(line, speed, -1, 0.25, 0.1))


def _leaving_seeds(road: Road) -> list[list[Array]]:
    seeds = []
    for way in (-3.0, 0.0, 1.5):
        for side in (-1.0, 1.0):
            for pace in (-1.0, 2.5):
                seeds.append(np.array([way, side, 0.5, pace]))
    return [seeds]


LINE = Family("line", _line_size, _line_maneuver, _line_seeds, _line_spread)
STEADY = Family("steady", _fixed(2 + EXTRAS), _steady_maneuver, _steady_seeds, _steady_spread)
RING = Family("circle", _fixed(6), _ring_maneuver, _ring_seeds, _ones(6))
BACK = Family("turning back", _fixed(5), _back_maneuver, _back_seeds, _ones(5))
LEAVING = Family("leaving", _fixed(4), _leaving_maneuver, _leaving_seeds, _ones(4))
FAMILIES: Sequence[Family] = (LINE, STEADY, RING, BACK, LEAVING)
