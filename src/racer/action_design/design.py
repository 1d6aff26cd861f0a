"""A designed action space: the commands of the fastest drive in K clusters, then improved by the
lap it allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.action_design.beam_search import (
    BEAM_FACTORS,
    CommandedDrive,
    find_fastest_lap,
    path_from_lap,
)
from racer.action_design.review import (
    SPEED_SPAN,
    STEER_SPAN_DEG,
    flying_commands,
    free_drive,
    nearest_commands,
)
from racer.errors import UsageError
from racer.raceline.minimum_time import RacingLine
from racer.track.track import Track
from racer.vehicle.action_space import SPEEDS, STEERING_DEG, ActionSpace
from racer.vehicle.car import Car

Array = NDArray[np.float64]
Index = NDArray[np.int64]

ACTION_COUNTS = (2, 30)  # actions of a space that the real service takes
ROUNDING_DEG, ROUNDING_SPEED = 1.0, 0.1  # to which commands are rounded
# deg and m/s, by which an action is tried elsewhere
MOVES = ((5.0, 0.0), (-5.0, 0.0), (0.0, 0.4), (0.0, -0.4))
DESIGN_BEAM_WIDTH = (
    200  # of the search, in the design: narrower than that of a check, as it is done many times
)
BETTER_FACTOR = 0.998  # a lap that takes so many times as long is an improvement
DESIGN_TRIALS = 24  # searches of the improvement, for each track
CLUSTER_ROUNDS = 50  # of the clustering

SearchProgress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class DesignTrack:
    """A track to design for: its line and the fastest drive on it, whose commands the space is made
    of.
    """

    track: Track
    line: RacingLine
    free: CommandedDrive


@dataclass(frozen=True, eq=False)
class Design:
    """A designed space, with the laps that its clusters allowed, and that it allows, on each course
    (None: no lap).
    """

    space: ActionSpace
    courses: tuple[DesignTrack, ...]
    before: tuple[CommandedDrive | None, ...]
    after: tuple[CommandedDrive | None, ...]
    moves: int  # changes that made it faster


def prepare_track(track: Track, car: Car, line: RacingLine) -> DesignTrack:
    """A track with its fastest drive. UsageError where no car gets around."""
    free = free_drive(track, car, line)
    if free is None:
        raise UsageError(
            f"no lap of {track.name} was found for car {car.name}: there is nothing to design actions from"
        )
    return DesignTrack(track, line, free)


def design_space(
    tracks: Sequence[DesignTrack],
    car: Car,
    size: int,
    trials: int = DESIGN_TRIALS,
    report: SearchProgress = lambda done, total: None,
) -> Design:
    """A space of `size` actions for these tracks; `report(done, total)` hears of the searches."""
    check_action_count(size)
    wishes = np.concatenate([flying_commands(c.free) for c in tracks])
    best = fill_commands(round_commands(cluster_commands(wishes, size), car), wishes, size, car)
    before = laps = _laps(tracks, car, best, BEAM_FACTORS)
    seen, moves = {best.tobytes()}, 0
    for done in range(trials):
        report(done, trials)
        tried = next(
            (c for c in _changes(best, laps, wishes, car) if c.tobytes() not in seen), None
        )
        if tried is None:
            break
        seen.add(tried.tobytes())
        found = _laps(tracks, car, tried)
        if _time(found, tracks) < BETTER_FACTOR * _time(laps, tracks):
            best, laps, moves = tried, found, moves + 1
    report(trials, trials)
    space = ActionSpace(False, tuple(best[:, 0].tolist()), tuple(best[:, 1].tolist()))
    return Design(space, tuple(tracks), before, laps, moves)


def check_action_count(size: int) -> None:
    """UsageError for a number of actions that the real service refuses."""
    if not ACTION_COUNTS[0] <= size <= ACTION_COUNTS[1]:
        raise UsageError(
            f"{size} actions: a discrete action space has {ACTION_COUNTS[0]} to {ACTION_COUNTS[1]}"
        )


def cluster_commands(wishes: Array, size: int) -> Array:
    """(K, 2) the middles of at most `size` clusters of commands (N, 2), steering deg and speed m/s.

    Lloyd's k-means over the distinct commands, weighted by how often each is given. It begins with
    the most frequent one, and goes on with the one that is missed most (weight times squared
    distance), so the answer is always the same.
    """
    scale = np.array([STEER_SPAN_DEG, SPEED_SPAN])
    points, weight = np.unique(wishes / scale, axis=0, return_counts=True)
    middles = points[[int(np.argmax(weight))]]
    while len(middles) < min(size, len(points)):
        middles = np.vstack(
            [middles, points[np.argmax(weight * _gaps(points, middles).min(axis=1))]]
        )
    for _ in range(CLUSTER_ROUNDS):
        mine = np.argmin(_gaps(points, middles), axis=1)
        moved = np.array(
            [
                np.average(points[mine == k], axis=0, weights=weight[mine == k])
                for k in np.unique(mine)
            ]
        )
        if moved.shape == middles.shape and np.allclose(moved, middles):
            break
        middles = moved
    return np.asarray(middles * scale)


def round_commands(commands: Array, car: Car) -> Array:
    """The distinct commands (K, 2) in whole degrees and tenths of m/s that the car takes, sorted."""
    low = np.array([-STEERING_DEG, SPEEDS[0]])
    high = np.array([STEERING_DEG, min(SPEEDS[1], car.identified_speed)])
    steps = np.array([ROUNDING_DEG, ROUNDING_SPEED])
    nice = np.round(np.clip(np.round(commands / steps) * steps, low, high), 1) + 0.0  # no -0
    return np.unique(nice, axis=0)


def fill_commands(commands: Array, wishes: Array, size: int, car: Car) -> Array:
    """The commands (K, 2) with those `wishes` added that they miss most, until there are `size`.

    Where the wishes do not suffice, commands of a grid are added, the farthest first.
    """
    grid = np.array(
        [
            (a, v * car.identified_speed)
            for a in (-30.0, -15.0, 0.0, 15.0, 30.0)
            for v in (0.4, 0.7, 1.0)
        ]
    )
    for offered in (
        round_commands(wishes, car),
        round_commands(grid, car),
        round_commands(grid * [0.8, 0.85], car),
    ):
        while len(commands) < size:
            away = _gaps(
                offered / [STEER_SPAN_DEG, SPEED_SPAN], commands / [STEER_SPAN_DEG, SPEED_SPAN]
            ).min(axis=1)
            if away.max() <= 0.0:
                break
            commands = np.unique(np.vstack([commands, offered[np.argmax(away)]]), axis=0)
    return commands


def _gaps(points: Array, middles: Array) -> Array:
    """(N, K) squared distances."""
    return np.asarray(((points[:, None, :] - middles[None, :, :]) ** 2).sum(axis=-1))


def _changes(
    commands: Array, laps: Sequence[CommandedDrive | None], wishes: Array, car: Car
) -> Iterator[Array]:
    """Spaces that differ from this one in one action, the most promising first.

    Actions that no lap uses are put where the wishes are missed most, then the used ones are moved,
    the most used first.
    """
    use = sum((lap.use for lap in laps if lap is not None), np.zeros(len(commands), dtype=np.int64))
    miss = np.abs(wishes - commands[nearest_commands(commands, wishes)]) / np.array(
        [STEER_SPAN_DEG, SPEED_SPAN]
    )
    missed = round_commands(wishes[np.argsort(-miss.sum(axis=1))][:1], car)[0]
    for k in np.flatnonzero(use == 0):
        yield from _with(commands, int(k), missed, car)
    for move in MOVES:
        for k in np.argsort(-use):
            yield from _with(commands, int(k), commands[k] + move, car)


def _with(commands: Array, k: int, command: Array, car: Car) -> Iterator[Array]:
    """The space with action `k` replaced, unless the action is there already."""
    tried = round_commands(np.vstack([np.delete(commands, k, axis=0), command]), car)
    if len(tried) == len(commands):
        yield tried


def _laps(
    courses: Sequence[DesignTrack],
    car: Car,
    commands: Array,
    wider: tuple[int, ...] = BEAM_FACTORS[:1],
) -> tuple[CommandedDrive | None, ...]:
    """The fastest lap found with the commands on each course, led by the course's fastest drive."""
    return tuple(
        find_fastest_lap(
            c.track,
            car,
            commands,
            path_from_lap(c.free.rows[c.free.flying_lap], c.track),
            DESIGN_BEAM_WIDTH,
            wider,
        )
        for c in courses
    )


def _time(laps: Sequence[CommandedDrive | None], courses: Sequence[DesignTrack]) -> float:
    """The laps in shares of the fastest drives', added up; infinite when one is missing."""
    return sum(
        lap.pace / c.free.pace if lap else np.inf for lap, c in zip(laps, courses, strict=True)
    )
