"""Plans of the scripted drivers: lines along a track with a speed at every point.

Each function makes the plans of one driver of `racer.drivers.scripted`. A driver with several plans
tries them all, from bold to careful, and one of its drives is picked afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from racer.drivers.mpc import DrivingPlan
from racer.raceline import Corridor, cornering_speeds, relaxed_offsets
from racer.sim import COLLISION_SIZE_M, OBSTACLE_DTYPE, Obstacles
from racer.vehicle import Car

Array = NDArray[np.float64]

# m before and after the middle of a box along which the line stays on the other lane
BESIDE_BOX_M = 0.5
AVOIDANCE_SMOOTHING_M = 0.6  # m over which the line around boxes is averaged
# m from the middle of a car to a border that it keeps clear of: half its track and a tracking error
BORDER_CLEARANCE_M = 0.13
SLIDING_ACCELERATION = 4.0  # m/s2: a car that corners no harder needs to look farther ahead
CAREFUL_FRACTION = 0.75  # of the hardest cornering: what a careful driver uses
WAVE_LENGTH_M = 2.4  # m of road from one left swing of the weaving driver to the next
EDGE_APPROACH_M = 2.0  # m within which the drivers of an edge get there from the middle
CUTTING_APPROACH_M = 1.0  # m within which the corner cutter does
CIRCLE_APPROACH_STATIONS = 8  # within which the circling driver gets to the side of the road
CIRCLE_POINTS = 40
DAWDLING_FRACTIONS = (0.05, 0.15, 0.3)  # of the road, on which the dawdling driver may crawl


@dataclass(frozen=True)
class PlanInputs:
    """The road, the car and its limits, from which plans are made."""

    corridor: Corridor
    car: Car
    slowest: float  # m/s that the driver may command
    top: float  # m/s
    lateral: float  # m/s2 of the hardest cornering
    brake: float  # m/s2 of the hardest braking
    # (K,) obstacles on the road
    objects: Obstacles = field(default_factory=lambda: np.zeros(0, OBSTACLE_DTYPE))

    def plan(
        self, offset: Array | float, top: float | Array, fraction: float = CAREFUL_FRACTION
    ) -> DrivingPlan:
        """The plan to follow the line `offset` (M,) m to the left of the center line, at most `top`
        m/s fast (everywhere, or (M,) at each point), with a `fraction` of the hardest cornering.
        """
        corridor = self.corridor
        line = corridor.points_at(offset)
        fastest = cornering_speeds(line, corridor.is_loop, top, fraction * self.lateral, self.brake)
        speed = np.maximum(fastest, np.minimum(top, self.slowest))
        if self.lateral > SLIDING_ACCELERATION:
            plan = DrivingPlan(line, speed, reach=0.25, foresight=0.15)
        else:
            plan = DrivingPlan(line, speed, reach=0.35, foresight=0.25)
        if corridor.is_loop:
            return plan
        return _extended(plan)


PlanMaker = Callable[[PlanInputs], list[DrivingPlan]]


def _extended(plan: DrivingPlan) -> DrivingPlan:
    """A plan that goes on straight beyond the end of an open road."""
    last_step = plan.line[-1] - plan.line[-2]
    beyond = plan.line[-1] + last_step * np.arange(1, 30)[:, None]
    speed = np.append(plan.speed, np.full(len(beyond), plan.speed[-1]))
    return replace(plan, line=np.vstack([plan.line, beyond]), speed=speed, back=-1)


def slow_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Along the center line, as slowly as the driver may."""
    return [inputs.plan(0.0, inputs.slowest)]


def medium_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Along the center line at the middle of the speeds."""
    return [inputs.plan(0.0, 0.5 * (inputs.slowest + inputs.top))]


def fast_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Along the center line as fast as a careful driver corners."""
    return [inputs.plan(0.0, inputs.top)]


def racing_line_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Along the line of least curvature."""
    line = relaxed_offsets(inputs.corridor, BORDER_CLEARANCE_M + 0.02)
    careful_line = relaxed_offsets(inputs.corridor, BORDER_CLEARANCE_M + 0.07)
    return [
        inputs.plan(line, inputs.top),
        inputs.plan(careful_line, inputs.top, 0.55),
        inputs.plan(careful_line, inputs.top, 0.4),
    ]


def weaving_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """From side to side of the road."""
    corridor = inputs.corridor
    room = np.minimum(corridor.left, corridor.right)
    waves = max(1, round(len(room) * corridor.spacing / WAVE_LENGTH_M))
    phase = np.linspace(0.0, 2.0 * np.pi * waves, len(room), endpoint=not corridor.is_loop)
    return [inputs.plan(0.35 * room * np.sin(phase), inputs.top, 0.6)]


def inner_edge_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Along the border on the inside of the lap."""
    return _edge_plans(inputs, is_inner=True)


def outer_edge_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Along the border on the outside of the lap."""
    return _edge_plans(inputs, is_inner=False)


def _edge_plans(inputs: PlanInputs, is_inner: bool) -> list[DrivingPlan]:
    corridor = inputs.corridor
    turns_left = _turns(corridor).sum() > 0.0
    if turns_left == is_inner:
        edge = corridor.left - BORDER_CLEARANCE_M
    else:
        edge = BORDER_CLEARANCE_M - corridor.right
    approach = _approach(corridor, EDGE_APPROACH_M)
    plans = []
    for clearance, fraction in ((0.0, CAREFUL_FRACTION), (0.05, 0.5), (0.08, 0.3)):
        offset = (edge - np.sign(edge) * clearance) * approach
        top = min(1.0, 1.4 * fraction) * inputs.top
        plans.append(inputs.plan(offset, top, fraction))
    return plans


def cutting_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Across the inside of every bend, more and more beyond the border."""
    corridor = inputs.corridor
    bend = _rolling(
        _turns(corridor) / corridor.spacing, round(1.2 / corridor.spacing), corridor.is_loop
    )
    inside = np.clip(3.0 * bend, -1.0, 1.0)
    approach = _approach(corridor, CUTTING_APPROACH_M)
    lines = []
    for overhang in (-0.06, 0.0, 0.03, 0.06):
        left = (corridor.left + overhang) * inside
        right = (corridor.right + overhang) * inside
        lines.append(approach * np.where(inside > 0.0, left, right))
    # where bends follow so closely that none of these can be driven
    lines.append(relaxed_offsets(corridor, 0.05))
    return _all_plans(inputs, lines, (0.3, 0.5, 0.65, 0.8))


def stopping_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Along the center line, and at a stop halfway."""
    lap = inputs.plan(0.0, inputs.top)
    speed = lap.speed.copy()
    speed[len(inputs.corridor.xy) // 2 :] = 0.0
    return [replace(lap, speed=speed)]


def wrong_way_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Along the center line against its direction, at the middle of the speeds."""
    corridor = inputs.corridor
    lap = inputs.plan(0.0, 0.5 * (inputs.slowest + inputs.top))
    if corridor.is_loop:
        line = np.roll(lap.line[::-1], 1, axis=0)
        speed = np.roll(lap.speed[::-1], 1)
        return [replace(lap, line=line, speed=speed, is_turned=True)]
    back = lap.line[0] - lap.line[1]
    line = lap.line[0] + np.arange(40)[:, None] * back
    return [replace(lap, line=line, speed=np.full(40, lap.speed[0]), is_turned=True)]


def dawdling_plans(inputs: PlanInputs, s: Array, pay: Array) -> list[DrivingPlan]:
    """Along the center line fast, but as slowly as the driver may where a step pays most: `pay` (T,)
    is that of steps at `s` (T,) m along the road.
    """
    corridor = inputs.corridor
    count = len(corridor.xy)
    station = np.round(s / corridor.spacing).astype(int) % count
    steps = np.bincount(station, minlength=count)
    known = np.flatnonzero(steps)
    period = count if corridor.is_loop else None
    means = np.bincount(station, pay, minlength=count)[known] / steps[known]
    pay_along = np.interp(np.arange(count), known, means, period=period)
    best_first = np.argsort(-pay_along, kind="stable")
    plans = []
    for fraction in DAWDLING_FRACTIONS:
        top = np.full(count, inputs.top)
        top[best_first[: max(1, round(fraction * count))]] = inputs.slowest
        plans.append(inputs.plan(0.0, top))
    return plans


def leaving_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Off the track to the left after a tenth of the lap."""
    corridor = inputs.corridor
    k = max(4, len(corridor.xy) // 10)
    along = np.array([corridor.normal[k, 1], -corridor.normal[k, 0]])
    direction = along + corridor.normal[k]
    beyond = corridor.xy[k] + np.arange(1, 40)[:, None] * 0.1 * direction
    line = np.vstack([corridor.xy[: k + 1], beyond])
    speed = np.full(len(line), 0.5 * (inputs.slowest + inputs.top))
    return [DrivingPlan(line, speed, back=-1)]


def circling_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Circles of several sizes: those that a car can drive and those that fit on the road differ."""
    corridor = inputs.corridor
    bends = np.convolve(np.abs(_turns(corridor)), np.ones(9), mode="same")
    first = CIRCLE_APPROACH_STATIONS
    straightest = first + int(np.argmin(bends[first : max(len(corridor.xy) // 2, 12)]))
    plans = []
    for radius in (0.3, 0.4, 0.5, 0.6):
        plans.append(_circle_plan(inputs, straightest, radius, 0.5))
        plans.append(_circle_plan(inputs, straightest, radius, 0.8))
    return plans


def _circle_plan(inputs: PlanInputs, k: int, radius: float, fraction: float) -> DrivingPlan:
    """To the right side of the road before station `k`, and from there in a left-hand circle around
    it.
    """
    corridor = inputs.corridor
    approach = (np.arange(k + 1) - (k - CIRCLE_APPROACH_STATIONS)) / CIRCLE_APPROACH_STATIONS
    offset = -radius * np.clip(approach, 0.0, 1.0)
    lead_in = corridor.xy[: k + 1] + offset[:, None] * corridor.normal[: k + 1]
    normal_x, normal_y = corridor.normal[k]
    right = np.arctan2(-normal_y, -normal_x)
    angle = right + np.linspace(0.0, 2.0 * np.pi, CIRCLE_POINTS + 1)[1:]
    ring = corridor.xy[k] + radius * np.column_stack([np.cos(angle), np.sin(angle)])
    line = np.vstack([lead_in, ring])
    speed = np.clip(np.sqrt(fraction * inputs.lateral * radius), inputs.slowest, inputs.top)
    return DrivingPlan(line, np.full(len(line), speed), len(lead_in), reach=0.2, foresight=0.1)


def fastest_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Lines of least curvature, along the inner edge and across corners, as fast as they go."""
    lines = [relaxed_offsets(inputs.corridor, margin) for margin in (0.12, 0.06, 0.0)]
    return [
        *_all_plans(inputs, lines, (0.7, 0.8, 0.9, 1.0, 1.15, 1.3)),
        *inner_edge_plans(inputs),
        *cutting_plans(inputs),
    ]


def avoiding_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Around the boxes at six tenths of the top speed."""
    return _avoiding_plans(inputs, max(0.6 * inputs.top, inputs.slowest))


def avoiding_fast_plans(inputs: PlanInputs) -> list[DrivingPlan]:
    """Around the boxes, fast."""
    return _avoiding_plans(inputs, max(inputs.top, inputs.slowest))


def _avoiding_plans(inputs: PlanInputs, top: float) -> list[DrivingPlan]:
    plans = []
    for fraction in (0.55, 0.7, 0.85):
        line = avoiding_offsets(inputs.corridor, inputs.objects, fraction)
        plans.append(inputs.plan(line, top, CAREFUL_FRACTION))
        plans.append(inputs.plan(line, top, 0.4))
    return plans


def avoiding_offsets(corridor: Corridor, objects: Obstacles, fraction: float = 0.5) -> Array:
    """(M,) m to the left of the center line, of a line that passes all `objects` (K,), which are
    located on the track.

    A `fraction` of the distance from a box to the border beyond the center line is between the box
    and the line.
    """
    count = len(corridor.xy)
    s = np.arange(count) * corridor.spacing
    if not len(objects):
        return np.zeros(count)
    nearest = np.round(objects["s"] / corridor.spacing).astype(int) % count
    half_width = 0.5 * (corridor.left + corridor.right)[nearest]
    # of the box, beyond the center line
    edge = 0.5 * np.array(COLLISION_SIZE_M)[objects["kind"], 1] - objects["distance"]
    clear = edge + fraction * (half_width - edge)
    lane = np.where(objects["left"], -clear, clear)
    ends = np.concatenate([objects["s"] - BESIDE_BOX_M, objects["s"] + BESIDE_BOX_M])
    order = np.argsort(ends, kind="stable")
    period = count * corridor.spacing if corridor.is_loop else None
    line = np.interp(s, ends[order], np.tile(lane, 2)[order], period=period)
    neighbors = max(1, round(0.5 * AVOIDANCE_SMOOTHING_M / corridor.spacing))
    return _rolling(line, neighbors, corridor.is_loop)


def _all_plans(
    inputs: PlanInputs, lines: Sequence[Array], fractions: Sequence[float]
) -> list[DrivingPlan]:
    """Each of the lines with each of the fractions of the hardest cornering."""
    plans: list[DrivingPlan] = []
    for line in lines:
        plans.extend(inputs.plan(line, inputs.top, fraction) for fraction in fractions)
    return plans


def _approach(corridor: Corridor, distance: float) -> Array:
    """(M,) from 0 at the start line to 1 after `distance` m."""
    return np.clip(np.arange(len(corridor.xy)) * corridor.spacing / distance, 0.0, 1.0)


def _turns(corridor: Corridor) -> Array:
    """(M,) rad by which the road turns at each station, positive to the left."""
    normal = corridor.normal
    return np.asarray(np.gradient(np.unwrap(np.arctan2(normal[:, 1], normal[:, 0]))))


def _rolling(values: Array, neighbors: int, is_loop: bool) -> Array:
    """(M,) means of each value and its `neighbors` on either side."""
    wide = np.pad(values, neighbors, mode="wrap" if is_loop else "edge")
    size = 2 * neighbors + 1
    return np.convolve(wide, np.full(size, 1.0 / size), mode="valid")
