"""What an action space is good for on a track: the lap it allows, the actions that lap needs, and
what to change.

The circles that a car drives under constant commands are those of its real, understeering
dynamics.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from racer.action_design.beam_search import (
    BEAM_WIDTH,
    CommandedDrive,
    find_fastest_lap,
    improve_lap,
    path_from_lap,
    path_from_line,
    space_commands,
)
from racer.drivers import Drive, follow_line
from racer.raceline import WIDEST_MARGIN_M, RacingLine, racing_line
from racer.track import Corner, Track, find_corners, is_inside_corner
from racer.vehicle import (
    SPEED_LIMITS_MPS,
    STEERING_LIMIT_DEG,
    STEP_S,
    ActionSpace,
    Car,
    advance_motion,
    car_table,
)

Array = NDArray[np.float64]

SETTLE_STEPS = 90  # until a car drives its circle
WATCH_STEPS = 30  # over which it is then watched
STRETCH_M = 0.8  # m: a car turns tighter than its circle for a shorter while
SPIN_SLIP_RAD = 0.6  # rad of side slip: a car beyond that has lost its rear

Index = NDArray[np.int64]

# deg, of the drive that no space restricts
FREE_STEERING_DEG = (-30.0, -20.0, -12.0, -5.0, 0.0, 5.0, 12.0, 20.0, 30.0)
FREE_SPEED_FRACTIONS = (1.0, 0.8, 0.6, 0.4)  # of the fastest command that logs of the car cover
COSTLY_FACTOR = 1.05  # a space whose lap takes so many times as long as the free one costs time
STEER_SPAN_DEG, SPEED_SPAN = 15.0, 0.8  # deg and m/s that are equally far apart
WASTED_FRACTION = 0.15  # fraction of a continuous range that no fast lap uses
MISSED_SPANS = 0.7  # times the spans above: a command that far from every action is missed
SAME_COMMAND = np.array([5.0, 0.5])  # deg and m/s: commands that are told as one
RARE_FRACTION = (
    0.05  # fraction of the steps of the free lap below which a command is not worth a word
)
MAX_NAMED_ACTIONS = 4  # unused actions up to which each is named with its command
BEYOND_FRACTION = 0.02  # fraction of its steps in which it is beyond the range


@dataclass(frozen=True, eq=False)
class Circles:
    """Where constant commands (N, 2) lead: `radius` (N,) m of the circle, inf for straight on, and
    `speed` (N,) m/s.

    `spins` (N,): the car has lost its rear and turns on the spot, which is no circle; its radius is
    inf.
    """

    commands: Array
    radius: Array
    speed: Array
    spins: NDArray[np.bool_]


def steady_circles(car: Car, commands: Array) -> Circles:
    """The circles that a car drives in the end which sets off under each of the commands (N, 2),
    steering deg and speed m/s.
    """
    row = car_table(car, 1)[0]
    motions = [_settled_motion(row, (float(steer), float(speed))) for steer, speed in commands]
    yaw_rate, speed, slip = np.array(motions).reshape(-1, 3).T
    spins = slip > SPIN_SLIP_RAD
    turns = (np.abs(yaw_rate) > 1e-3) & ~spins
    straight_on = np.full(len(yaw_rate), np.inf)
    radius = np.divide(speed, np.abs(yaw_rate), out=straight_on, where=turns)
    return Circles(commands, radius, speed, spins)


def _settled_motion(row: np.void, command: tuple[float, float]) -> tuple[float, float, float]:
    """Mean yaw rate, mean speed along the path, and the largest angle between the path and the
    car's nose, rad.
    """
    motion = (0.0,) * 7
    watched = []
    for k in range(SETTLE_STEPS + WATCH_STEPS):
        motion = advance_motion(row, motion, command, command, 0.0, STEP_S)
        if k >= SETTLE_STEPS:
            _, _, _, vx, vy, yaw_rate, _ = motion
            watched.append((yaw_rate, np.hypot(vx, vy), abs(np.arctan2(vy, vx))))
    yaw_rates, speeds, slips = np.array(watched).T
    return float(yaw_rates.mean()), float(speeds.mean()), float(slips.max())


@dataclass(frozen=True)
class Bend:
    """A corner, and the widest circle, m, that the road allows through it; `side` is 1 for left."""

    corner: Corner
    radius: float

    @property
    def side(self) -> int:
        """1 for a bend to the left, -1 for one to the right."""
        if self.corner.angle > 0.0:
            return 1
        return -1


def find_bends(track: Track, line: RacingLine) -> list[Bend]:
    """The corners of a track, each with the widest circle through it, the one with the tightest
    first.

    That is the radius of `line`, which should bend as little as the road allows, over `STRETCH_M`
    where it is tightest; or, where that is wider, as in hairpins, the radius of the outer border.
    """
    curvature = _moving_mean(line.kappa, STRETCH_M, line.s)
    bends = []
    for corner in find_corners(track):
        toward_corner = np.sign(corner.angle) * curvature[is_inside_corner(corner, line.s_center)]
        sharpest = float(np.max(toward_corner, initial=0.0))
        radius = corner.radius + 0.5 * float(np.interp(corner.apex, track.s, track.width))
        if sharpest <= 1e-6:
            radius = np.inf
        else:
            radius = max(1.0 / sharpest, radius)
        bends.append(Bend(corner, radius))
    return sorted(bends, key=lambda bend: bend.radius)


def _moving_mean(curvature: Array, stretch: float, s: Array) -> Array:
    """(M,) means of the curvature over `stretch` m around each point of a closed line with arc
    lengths `s` (M,).
    """
    reach = max(round(0.5 * stretch / float(np.median(np.diff(s)))), 0)
    return np.asarray(uniform_filter1d(curvature, 2 * reach + 1, mode="wrap"))


@dataclass(frozen=True)
class Tightest:
    """The smallest circle of an action space to one side: the command (steering deg, speed m/s) and
    its radius, m.
    """

    steering_deg: float
    speed: float
    radius: float


def tightest_circle(circles: Circles, side: int) -> Tightest | None:
    """The smallest of the circles to a side (1: left); None where no command turns to it."""
    radius = np.where(np.sign(circles.commands[:, 0]) == side, circles.radius, np.inf)
    k = int(np.argmin(radius))
    if not np.isfinite(radius[k]):
        return None
    steering_deg, speed = circles.commands[k]
    return Tightest(float(steering_deg), float(speed), float(radius[k]))


@dataclass(frozen=True)
class Advice:
    """A sentence about a space. `kind`: `fails` (no lap is known with it), `costs` (it costs time),
    `note`.
    """

    kind: str
    sentence: str


@dataclass(frozen=True, eq=False)
class Review:
    """An action space on a track.

    `commands` (A, 2) steering deg and speed m/s, of a continuous space the grid that was searched.
    `best`: the fastest lap with them, None when none was found; `free`: the fastest without a
    space. `turns`: the bends, the tightest first, each with the smallest circle that the space
    drives to its side. `driven`: s of the fastest complete lap of a log with these actions, None
    without one.
    """

    track: Track
    car: Car
    space: ActionSpace
    line: RacingLine
    commands: Array
    best: CommandedDrive | None
    free: CommandedDrive | None
    wanted: Index  # (A,) steps of the free lap whose command is nearest to each action
    turns: tuple[tuple[Bend, Tightest | None], ...] = field(default=())
    driven: float | None = None

    @property
    def bound(self) -> float:
        """s, of the line's fastest drive, or of the fastest lap known where that is faster: the line
        is not the only one.
        """
        laps = [lap.lap_time for lap in (self.best, self.free) if lap is not None]
        return min([self.line.lap_time, *laps])

    @property
    def use(self) -> Index:
        """(A,) steps of the fastest lap in which each action is taken."""
        if self.best is None:
            return np.zeros(len(self.commands), dtype=np.int64)
        return self.best.use

    @cached_property
    def advice(self) -> list[Advice]:
        """What to know and what to change, the worst first."""
        advice = [*_advise_on_lap(self), *_advise_on_turning(self)]
        if self.space.is_continuous:
            advice += _advise_on_ranges(self)
        else:
            advice += _advise_on_actions(self)
        return sorted(advice, key=lambda advised: ("fails", "costs", "note").index(advised.kind))

    @property
    def unused_actions(self) -> tuple[int, ...]:
        """Actions that the fastest lap does without, so it can be driven without them."""
        if self.best is None or self.space.is_continuous:
            return ()
        return tuple(np.flatnonzero(self.use == 0).tolist())

    @property
    def can_lap(self) -> bool:
        """Whether a lap is known: found by the search, or driven in a log."""
        return self.best is not None or self.driven is not None

    @property
    def costs(self) -> bool:
        """Whether its fastest lap is clearly slower than the free one, or missing."""
        if self.best is None:
            return True
        return self.free is not None and self.best.pace > COSTLY_FACTOR * self.free.pace


def review_space(
    track: Track,
    car: Car,
    space: ActionSpace,
    line: RacingLine,
    free: CommandedDrive | None = None,
    width: int = BEAM_WIDTH,
    driven: float | None = None,
) -> Review:
    """What `space` is good for on a track; `line` leads the search, `free` is the drive to compare
    with, if known, `driven` the time of a complete lap of a log with this space, s.
    """
    commands = space_commands(space)
    free = free or free_drive(track, car, line, width)
    path = path_from_line(line, track)
    wanted = np.zeros(len(commands), dtype=np.int64)
    if free is not None:
        path = path_from_lap(free.rows[free.flying_lap], track)
        nearest = nearest_commands(commands, flying_commands(free))
        wanted = np.bincount(nearest, minlength=len(commands))
    best = find_fastest_lap(track, car, commands, path, width)
    if best is not None:
        best = improve_lap(track, car, best, width)
    turns = _bends_and_circles(track, car, commands)
    return Review(track, car, space, line, commands, best, free, wanted, turns, driven)


def free_drive(
    track: Track, car: Car, line: RacingLine, width: int = BEAM_WIDTH
) -> CommandedDrive | None:
    """The drive along a line that no action space restricts; where it does not get around, a search
    over a fine grid of commands, as fast as logs of the car cover.
    """
    followed = follow_line(track, car, line, None, 1 + track.is_loop)
    drive = as_commanded_drive(followed, track)
    if drive is not None:
        return drive
    speeds = car.identified_speed * np.array(FREE_SPEED_FRACTIONS)
    speed, steering = np.meshgrid(speeds, FREE_STEERING_DEG, indexing="ij")
    commands = np.column_stack([steering.ravel(), speed.ravel()])
    drive = find_fastest_lap(track, car, commands, path_from_line(line, track), width)
    if drive is None:
        return None
    return improve_lap(track, car, drive, width)


def as_commanded_drive(driven: Drive, track: Track) -> CommandedDrive | None:
    """A scripted drive as what a search finds; None where it did not end its laps cleanly."""
    rows = driven.rows
    if rows["progress"][-1] < 100.0 or not rows["done"][-1] or rows["off_tracks"].any():
        return None
    wishes = np.column_stack([rows["steer_command_deg"], rows["speed_command"]])
    commands, chosen = np.unique(wishes, axis=0, return_inverse=True)
    return CommandedDrive(rows, chosen.reshape(-1), commands, track)


def flying_commands(drive: CommandedDrive) -> Array:
    """(T, 2) the commands of the last lap, steering deg and speed m/s."""
    return np.asarray(drive.commands[drive.chosen[drive.flying_lap]])


def nearest_commands(commands: Array, wishes: Array) -> Index:
    """(N,) index of the command (A, 2) nearest to each of the wishes (N, 2)."""
    scale = np.array([STEER_SPAN_DEG, SPEED_SPAN])
    difference = (wishes[:, None, :] - commands[None, :, :]) / scale
    return np.asarray(np.argmin((difference**2).sum(axis=-1), axis=1))


def signed_angle(steering_deg: float) -> str:
    """A steering angle with its sign, as `+5`, `-12.5` or `0`."""
    if steering_deg == 0.0:
        return "0"
    return f"{steering_deg:+g}"


def _bends_and_circles(
    track: Track, car: Car, commands: Array
) -> tuple[tuple[Bend, Tightest | None], ...]:
    """The bends, the tightest first, each with the smallest circle of the commands to its side."""
    circles = steady_circles(car, commands)
    tightest = {side: tightest_circle(circles, side) for side in (1, -1)}
    widest_line = racing_line(track, car, WIDEST_MARGIN_M, "least_curvature")
    return tuple((bend, tightest[bend.side]) for bend in find_bends(track, widest_line))


def _advise_on_turning(review: Review) -> list[Advice]:
    """About the first bend that is tighter than what the space can drive, if there is one."""
    for bend, tightest in review.turns:
        side = {1: "left", -1: "right"}[bend.side]
        need = (
            f"{bend.corner.name}, a {side}-hander, takes a circle of {bend.radius:.2f} m "
            "where the road leaves most room"
        )
        if tightest is None:
            return [Advice(_kind_of_lack(review), f"{need}, but no action steers {side}")]
        if tightest.radius > bend.radius:
            command = f"{tightest.steering_deg:+g}° at {tightest.speed:g} m/s"
            smallest = (
                f"the smallest that racer's {review.car.name} drives on and on with these actions is "
                f"{tightest.radius:.2f} m ({command}), though for half a second it may turn tighter"
            )
            sentence = f"{need}; {smallest}: {_remedy(review.car, bend)}"
            return [Advice(_kind_of_lack(review), sentence)]
    return []


def _kind_of_lack(review: Review) -> str:
    """How bad it is when something lacks: a fault only where the lap suffers."""
    if not review.can_lap:
        return "fails"
    if review.costs and review.best is not None:
        return "costs"
    return "note"


def _remedy(car: Car, bend: Bend) -> str:
    """The fastest command that drives the circle of a bend."""
    speeds = np.round(np.arange(min(SPEED_LIMITS_MPS[1], car.identified_speed), 0.25, -0.1), 1)
    for angle in (20.0, 25.0, STEERING_LIMIT_DEG):
        steering_deg = bend.side * angle
        commands = np.column_stack([np.full(len(speeds), steering_deg), speeds])
        fits = steady_circles(car, commands).radius <= bend.radius
        if fits.any():
            return f"add {steering_deg:+g}° at {speeds[np.argmax(fits)]:g} m/s"
    return "no command drives it, so the car must slide or cut the corner"


def _advise_on_lap(review: Review) -> list[Advice]:
    """About the lap that the space allows, beside the free one."""
    if review.best is None and review.driven is not None:
        sentence = (
            f"the log itself laps in {review.driven:.2f} s with them; racer's search does not: "
            f"its model of car {review.car.name} turns wider there"
        )
        return [Advice("note", sentence)]
    if review.best is None:
        sentence = (
            f"no lap was found with these actions and car {review.car.name}, however wide the "
            "search: that does not prove that there is none"
        )
        return [Advice("fails", sentence)]
    if review.free is None:
        return []
    free = (
        f"with all commands up to {review.car.identified_speed:g} m/s "
        f"the fastest lap found is {review.free.lap_time:.2f} s"
    )
    if review.costs:
        lost = review.best.lap_time - review.free.lap_time
        return [Advice("costs", f"these actions cost {lost:.2f} s a lap: {free}")]
    return [Advice("note", f"these actions cost next to nothing: {free}")]


def _advise_on_actions(review: Review) -> list[Advice]:
    """About single actions: those that could go, and the command that is missed most."""
    advice = _advise_on_missed_command(review)
    unused = review.unused_actions
    if unused:
        names = [str(k) for k in unused]
        if len(unused) <= MAX_NAMED_ACTIONS:
            names = [_action_name(review, k) for k in unused]
        pronoun = "it"
        if len(unused) > 1:
            pronoun = "them"
        sentence = (
            f"never useful here: {', '.join(names)}; the fastest lap found does without {pronoun}"
        )
        advice.append(Advice("note", sentence))
    return advice


def _action_name(review: Review, k: int) -> str:
    steering_deg, speed = review.commands[k]
    return f"{k} ({signed_angle(steering_deg)}°, {speed:g} m/s)"


def _advise_on_missed_command(review: Review) -> list[Advice]:
    """The command of the free lap that is given most often among those that no action is near to."""
    if review.free is None:
        return []
    wishes = flying_commands(review.free)
    nearest = review.commands[nearest_commands(review.commands, wishes)]
    distance = np.abs(wishes - nearest) / np.array([STEER_SPAN_DEG, SPEED_SPAN])
    missed = wishes[distance.max(axis=1) > MISSED_SPANS]
    kinds, counts = np.unique(
        np.round(missed / SAME_COMMAND) * SAME_COMMAND, axis=0, return_counts=True
    )
    if not len(counts) or counts.max() < RARE_FRACTION * len(wishes):
        return []
    steering_deg, speed = kinds[np.argmax(counts)]
    sentence = (
        f"no action is near {signed_angle(steering_deg)}° at {speed:.1f} m/s, which "
        f"the fastest drive commands in {counts.max() / len(wishes):.0%} of its steps"
    )
    if review.costs:
        return [Advice("costs", f"{sentence}: add it")]
    return [Advice("note", sentence)]


def _advise_on_ranges(review: Review) -> list[Advice]:
    """About the ranges of a continuous space: wider than is useful, or too narrow."""
    steering = _advise_on_range(review, 0, "steering", "°", review.space.steering_deg)
    speed = _advise_on_range(review, 1, "speed", " m/s", review.space.speed)
    return [*steering, *speed]


def _advise_on_range(
    review: Review, column: int, name: str, unit: str, limits: tuple[float, ...]
) -> list[Advice]:
    low = min(limits)
    high = max(limits)
    subject = f"the {name} range {low:g} to {high:g}{unit}"
    advice = []
    if review.best is not None:
        used = flying_commands(review.best)[:, column]
        if max(used.min() - low, high - used.max()) > WASTED_FRACTION * (high - low):
            kept = f"{used.min():.3g} to {used.max():.3g}{unit}"
            sentence = f"{subject} is wider than useful: the fastest lap found keeps to {kept}"
            advice.append(Advice("note", sentence))
    if review.free is not None:
        wishes = flying_commands(review.free)[:, column]
        beyond = np.mean((wishes < low - 1e-9) | (wishes > high + 1e-9))
        if beyond > BEYOND_FRACTION:
            span = f"{wishes.min():.3g} to {wishes.max():.3g}{unit}"
            sentence = (
                f"{subject} is too narrow: the fastest drive commands {span}, "
                f"{beyond:.0%} of its steps outside"
            )
            advice.append(Advice(_kind_of_lack(review), sentence))
    return advice
