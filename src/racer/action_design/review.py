"""What an action space is good for on a track: the lap it allows, the actions that lap needs, and
what to change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from racer.action_design.beam_search import (
    BEAM_WIDTH,
    CommandedDrive,
    find_fastest_lap,
    improve_lap,
    path_from_lap,
    path_from_line,
    space_commands,
)
from racer.action_design.turning import Bend, Tightest, find_bends, steady_circles, tightest_circle
from racer.drivers.rollout import Drive, follow_line
from racer.raceline.minimum_time import WIDEST_MARGIN_M, RacingLine, racing_line
from racer.track.track import Track
from racer.vehicle.action_space import SPEEDS, STEERING_DEG, ActionSpace
from racer.vehicle.car import Car

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# deg, of the drive that no space restricts
FREE_STEERING_DEG = (-30.0, -20.0, -12.0, -5.0, 0.0, 5.0, 12.0, 20.0, 30.0)
FREE_SPEED_FRACTIONS = (1.0, 0.8, 0.6, 0.4)  # of the fastest command that logs of the car cover
COSTLY_FACTOR = 1.05  # a space whose lap takes so many times as long as the free one costs time
STEER_SPAN_DEG, SPEED_SPAN = 15.0, 0.8  # deg and m/s that are equally far apart
WASTED_FRACTION = 0.15  # share of a continuous range that no fast lap uses
MISSED_SPANS = 0.7  # times the spans above: a command that far from every action is missed
SAME_COMMAND = np.array([5.0, 0.5])  # deg and m/s: commands that are told as one
RARE_FRACTION = 0.05  # share of the steps of the free lap below which a command is not worth a word
MAX_NAMED_ACTIONS = 4  # useless actions up to which each is told with its command
BEYOND_FRACTION = 0.02  # share of its steps in which it is beyond the range


@dataclass(frozen=True)
class Advice:
    """A sentence about a space. `kind`: `fails` (it cannot lap the track), `costs` (it costs time),
    `note`.
    """

    kind: str
    sentence: str


@dataclass(frozen=True, eq=False)
class Review:
    """An action space on a track.

    `commands` (A, 2) steering deg and speed m/s, of a continuous space the grid that was searched.
    `found`: the fastest lap with them, None when none was found; `free`: the fastest without a
    space. `turns`: the bends, the tightest first, each with the smallest circle that the space
    drives to its side.
    """

    track: Track
    car: Car
    space: ActionSpace
    line: RacingLine
    commands: Array
    found: CommandedDrive | None
    free: CommandedDrive | None
    wanted: Index  # (A,) steps of the free lap whose command is nearest to each action
    turns: tuple[tuple[Bend, Tightest | None], ...] = field(default=())

    @property
    def bound(self) -> float:
        """s, of the line's fastest drive."""
        return self.line.lap_time

    @property
    def use(self) -> Index:
        """(A,) steps of the fastest lap in which each action is taken."""
        return self.found.use if self.found else np.zeros(len(self.commands), dtype=np.int64)

    @cached_property
    def advice(self) -> list[Advice]:
        """What to know and what to change, the worst first."""
        found = [
            *_lap(self),
            *_turning(self),
            *(_ranges(self) if self.space.is_continuous else _actions(self)),
        ]
        return sorted(found, key=lambda advice: ("fails", "costs", "note").index(advice.kind))

    @property
    def unused_actions(self) -> tuple[int, ...]:
        """Actions that the fastest lap does without, so it can be driven without them."""
        return (
            tuple(np.flatnonzero(self.use == 0).tolist())
            if self.found and not self.space.is_continuous
            else ()
        )

    @property
    def can_lap(self) -> bool:
        """Whether a lap was found."""
        return self.found is not None

    @property
    def costs(self) -> bool:
        """Whether its fastest lap is clearly slower than the free one, or missing."""
        return self.found is None or (
            self.free is not None and self.found.pace > COSTLY_FACTOR * self.free.pace
        )


def review_space(
    track: Track,
    car: Car,
    space: ActionSpace,
    line: RacingLine,
    free: CommandedDrive | None = None,
    width: int = BEAM_WIDTH,
) -> Review:
    """What `space` is good for on a track; `line` leads the search, `free` is the drive to compare
    with, if known.
    """
    commands = space_commands(space)
    free = free or free_drive(track, car, line, width)
    guide = (
        path_from_lap(free.rows[free.flying_lap], track) if free else path_from_line(line, track)
    )
    found = find_fastest_lap(track, car, commands, guide, width)
    found = improve_lap(track, car, found, width) if found else None
    wanted = np.zeros(len(commands), dtype=np.int64)
    if free is not None:
        wanted = np.bincount(
            nearest_commands(commands, flying_commands(free)), minlength=len(commands)
        )
    turns = _turns(track, car, commands)
    return Review(track, car, space, line, commands, found, free, wanted, turns)


def free_drive(
    track: Track, car: Car, line: RacingLine, width: int = BEAM_WIDTH
) -> CommandedDrive | None:
    """The drive along a line that no action space restricts; where it does not get around, a search
    over a fine grid of commands, as fast as logs of the car cover.
    """
    driven = as_commanded_drive(
        follow_line(track, car, line, None, 2 if track.is_loop else 1), track
    )
    if driven is not None:
        return driven
    speeds = [share * car.identified_speed for share in FREE_SPEED_FRACTIONS]
    commands = np.array([(a, v) for v in speeds for a in FREE_STEERING_DEG])
    found = find_fastest_lap(track, car, commands, path_from_line(line, track), width)
    return improve_lap(track, car, found, width) if found else None


def as_commanded_drive(driven: Drive, track: Track) -> CommandedDrive | None:
    """A scripted drive as what a search finds; None where it did not end its laps cleanly."""
    rows = driven.rows
    if rows["progress"][-1] < 100.0 or not rows["done"][-1] or rows["off_tracks"].any():
        return None
    wishes = np.column_stack([rows["steer_command_deg"], rows["speed_command"]])
    commands, chosen = np.unique(wishes, axis=0, return_inverse=True)
    return CommandedDrive(rows, chosen.reshape(-1), commands, track)


def flying_commands(found: CommandedDrive) -> Array:
    """(T, 2) the commands of the last lap, steering deg and speed m/s."""
    return np.asarray(found.commands[found.chosen[found.flying_lap]])


def nearest_commands(commands: Array, wishes: Array) -> Index:
    """(N,) index of the command (A, 2) nearest to each of the wishes (N, 2)."""
    scale = np.array([STEER_SPAN_DEG, SPEED_SPAN])
    gap = (wishes[:, None, :] - commands[None, :, :]) / scale
    return np.asarray(np.argmin((gap**2).sum(axis=-1), axis=1))


def _turns(track: Track, car: Car, commands: Array) -> tuple[tuple[Bend, Tightest | None], ...]:
    known, wide = (
        steady_circles(car, commands),
        racing_line(track, car, WIDEST_MARGIN_M, "least_curvature"),
    )
    tight = {side: tightest_circle(known, side) for side in (1, -1)}
    return tuple((bend, tight[bend.side]) for bend in find_bends(track, wide))


# ---- in words
# --------------------------------------------------------------------------------------------------------


def _turning(seen: Review) -> list[Advice]:
    """About the first bend that is tighter than what the space can drive, if there is one."""
    for bend, tight in seen.turns:
        name, side = bend.corner.name, "left" if bend.side > 0 else "right"
        need = f"{name}, a {side}-hander, takes a circle of {bend.radius:.2f} m where the road leaves most room"
        if tight is None:
            return [Advice(_gravity(seen), f"{need}, but no action steers {side}")]
        if tight.radius > bend.radius:
            command = f"{tight.steering_deg:+g}° at {tight.speed:g} m/s"
            words = f"{need}; the smallest that these actions drive is {tight.radius:.2f} m ({command}): "
            return [Advice(_gravity(seen), words + _remedy(seen.car, bend))]
    return []


def _gravity(seen: Review) -> str:
    """How bad it is when something lacks: a fault only where the lap suffers."""
    if seen.found is None:
        return "fails"
    return "costs" if seen.costs else "note"


def _remedy(car: Car, bend: Bend) -> str:
    """The fastest command that drives the circle of a bend."""
    speeds = np.round(np.arange(min(SPEEDS[1], car.identified_speed), 0.25, -0.1), 1)
    for angle in (20.0, 25.0, STEERING_DEG):
        fits = (
            steady_circles(
                car, np.column_stack([np.full(len(speeds), bend.side * angle), speeds])
            ).radius
            <= bend.radius
        )
        if fits.any():
            return f"add {bend.side * angle:+g}° at {speeds[np.argmax(fits)]:g} m/s"
    return "no command drives it, so the car must slide or cut the corner"


def _lap(seen: Review) -> list[Advice]:
    """About the lap that the space allows, beside the free one."""
    if seen.found is None:
        return [
            Advice(
                "fails",
                "no lap was found with these actions, however wide the search: they cannot lap this track",
            )
        ]
    if seen.free is None:
        return []
    free = (
        f"with all commands up to {seen.car.identified_speed:g} m/s "
        f"the fastest lap found is {seen.free.lap_time:.2f} s"
    )
    if seen.costs:
        lost = seen.found.lap_time - seen.free.lap_time
        return [Advice("costs", f"these actions cost {lost:.2f} s a lap: {free}")]
    return [Advice("note", f"these actions cost next to nothing: {free}")]


def _actions(seen: Review) -> list[Advice]:
    """About single actions: those that could go, and the command that is missed most."""
    found = _missed(seen)
    if seen.unused_actions:
        few = len(seen.unused_actions) <= MAX_NAMED_ACTIONS
        names = ", ".join(_name(seen, k) if few else str(k) for k in seen.unused_actions)
        them = "it" if len(seen.unused_actions) == 1 else "them"
        found.append(
            Advice("note", f"never useful here: {names}; the fastest lap found does without {them}")
        )
    return found


def _missed(seen: Review) -> list[Advice]:
    """The command of the free lap that is given most often among those that no action is near to."""
    if seen.free is None:
        return []
    wishes = flying_commands(seen.free)
    off = np.abs(wishes - seen.commands[nearest_commands(seen.commands, wishes)]) / np.array(
        [STEER_SPAN_DEG, SPEED_SPAN]
    )
    far = off.max(axis=1) > MISSED_SPANS
    kinds, count = np.unique(
        np.round(wishes[far] / SAME_COMMAND) * SAME_COMMAND, axis=0, return_counts=True
    )
    if not len(count) or count.max() < RARE_FRACTION * len(wishes):
        return []
    steer, speed = kinds[np.argmax(count)]
    often = f"which the fastest drive commands in {count.max() / len(wishes):.0%} of its steps"
    sentence = f"no action is near {signed_angle(steer)}° at {speed:.1f} m/s, {often}"
    return [Advice("costs", f"{sentence}: add it") if seen.costs else Advice("note", sentence)]


def _ranges(seen: Review) -> list[Advice]:
    """About the ranges of a continuous space: wider than is useful, or too narrow."""
    kinds = (("steering", "°", seen.space.steering_deg), ("speed", " m/s", seen.space.speed))
    return [advice for k, kind in enumerate(kinds) for advice in _range(seen, k, *kind)]


def _range(seen: Review, k: int, what: str, unit: str, limits: tuple[float, ...]) -> list[Advice]:
    low, high = min(limits), max(limits)
    words, found = f"the {what} range {low:g} to {high:g}{unit}", []
    if seen.found is not None:
        used = flying_commands(seen.found)[:, k]
        if max(used.min() - low, high - used.max()) > WASTED_FRACTION * (high - low):
            keeps = f"{used.min():.3g} to {used.max():.3g}{unit}"
            found.append(
                Advice(
                    "note", f"{words} is wider than useful: the fastest lap found keeps to {keeps}"
                )
            )
    if seen.free is not None:
        wish = flying_commands(seen.free)[:, k]
        beyond = np.mean((wish < low - 1e-9) | (wish > high + 1e-9))
        if beyond > BEYOND_FRACTION:
            span = f"{wish.min():.3g} to {wish.max():.3g}{unit}"
            sentence = f"{words} is too narrow: the fastest drive commands {span}, {beyond:.0%} of its steps outside"
            found.append(Advice(_gravity(seen), sentence))
    return found


def _name(seen: Review, k: int) -> str:
    return f"{k} ({signed_angle(seen.commands[k, 0])}°, {seen.commands[k, 1]:g} m/s)"


def signed_angle(steer: float) -> str:
    """A steering angle with its sign, as `+5`, `-12.5` or `0`."""
    return f"{steer:+g}" if steer else "0"
