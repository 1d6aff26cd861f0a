"""A designed action space: the commands of the fastest drive in K clusters, then improved by the
lap it allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.action_design.beam_search import WIDER, Found, from_lap, quickest
from racer.action_design.review import SPEED_SPAN, STEER_SPAN_DEG, commanded, free_drive, nearest
from racer.errors import UsageError
from racer.raceline.minimum_time import Line
from racer.track.track import Track
from racer.vehicle.action_space import SPEEDS, STEERING_DEG, ActionSpace
from racer.vehicle.car import Car

Array = NDArray[np.float64]
Index = NDArray[np.int64]

SIZES = (2, 30)  # actions of a space that the real service takes
STEP_DEG, STEP_SPEED = 1.0, 0.1  # to which commands are rounded
# deg and m/s, by which an action is tried elsewhere
MOVES = ((5.0, 0.0), (-5.0, 0.0), (0.0, 0.4), (0.0, -0.4))
WIDTH = 200  # of the search, in the design: narrower than that of a check, as it is done many times
BETTER = 0.998  # a lap that takes so many times as long is an improvement
TRIALS = 24  # searches of the improvement, for each track
ROUNDS = 50  # of the clustering

Report = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Course:
    """A track to design for: its line and the fastest drive on it, whose commands the space is made
    of.
    """

    track: Track
    line: Line
    free: Found


@dataclass(frozen=True, eq=False)
class Design:
    """A designed space, with the laps that its clusters allowed, and that it allows, on each course
    (None: no lap).
    """

    space: ActionSpace
    courses: tuple[Course, ...]
    before: tuple[Found | None, ...]
    after: tuple[Found | None, ...]
    moves: int  # changes that made it faster


def course(track: Track, car: Car, line: Line) -> Course:
    """A track with its fastest drive. UsageError where no car gets around."""
    free = free_drive(track, car, line)
    if free is None:
        raise UsageError(
            f"no lap of {track.name} was found for car {car.name}: there is nothing to design actions from"
        )
    return Course(track, line, free)


def design(
    courses: Sequence[Course],
    car: Car,
    size: int,
    trials: int = TRIALS,
    report: Report = lambda done, total: None,
) -> Design:
    """A space of `size` actions for these tracks; `report(done, total)` hears of the searches."""
    check_size(size)
    wishes = np.concatenate([commanded(c.free) for c in courses])
    best = filled(rounded(clusters(wishes, size), car), wishes, size, car)
    before = laps = _laps(courses, car, best, WIDER)
    seen, moves = {best.tobytes()}, 0
    for done in range(trials):
        report(done, trials)
        tried = next(
            (c for c in _changes(best, laps, wishes, car) if c.tobytes() not in seen), None
        )
        if tried is None:
            break
        seen.add(tried.tobytes())
        found = _laps(courses, car, tried)
        if _time(found, courses) < BETTER * _time(laps, courses):
            best, laps, moves = tried, found, moves + 1
    report(trials, trials)
    space = ActionSpace(False, tuple(best[:, 0].tolist()), tuple(best[:, 1].tolist()))
    return Design(space, tuple(courses), before, laps, moves)


def check_size(size: int) -> None:
    """UsageError for a number of actions that the real service refuses."""
    if not SIZES[0] <= size <= SIZES[1]:
        raise UsageError(f"{size} actions: a discrete action space has {SIZES[0]} to {SIZES[1]}")


def clusters(wishes: Array, size: int) -> Array:
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
    for _ in range(ROUNDS):
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


def rounded(commands: Array, car: Car) -> Array:
    """The distinct commands (K, 2) in whole degrees and tenths of m/s that the car takes, sorted."""
    low = np.array([-STEERING_DEG, SPEEDS[0]])
    high = np.array([STEERING_DEG, min(SPEEDS[1], car.identified_speed)])
    steps = np.array([STEP_DEG, STEP_SPEED])
    nice = np.round(np.clip(np.round(commands / steps) * steps, low, high), 1) + 0.0  # no -0
    return np.unique(nice, axis=0)


def filled(commands: Array, wishes: Array, size: int, car: Car) -> Array:
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
    for offered in (rounded(wishes, car), rounded(grid, car), rounded(grid * [0.8, 0.85], car)):
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
    commands: Array, laps: Sequence[Found | None], wishes: Array, car: Car
) -> Iterator[Array]:
    """Spaces that differ from this one in one action, the most promising first.

    Actions that no lap uses are put where the wishes are missed most, then the used ones are moved,
    the most used first.
    """
    use = sum((lap.use for lap in laps if lap is not None), np.zeros(len(commands), dtype=np.int64))
    miss = np.abs(wishes - commands[nearest(commands, wishes)]) / np.array(
        [STEER_SPAN_DEG, SPEED_SPAN]
    )
    missed = rounded(wishes[np.argsort(-miss.sum(axis=1))][:1], car)[0]
    for k in np.flatnonzero(use == 0):
        yield from _with(commands, int(k), missed, car)
    for move in MOVES:
        for k in np.argsort(-use):
            yield from _with(commands, int(k), commands[k] + move, car)


def _with(commands: Array, k: int, command: Array, car: Car) -> Iterator[Array]:
    """The space with action `k` replaced, unless the action is there already."""
    tried = rounded(np.vstack([np.delete(commands, k, axis=0), command]), car)
    if len(tried) == len(commands):
        yield tried


def _laps(
    courses: Sequence[Course], car: Car, commands: Array, wider: tuple[int, ...] = WIDER[:1]
) -> tuple[Found | None, ...]:
    """The fastest lap found with the commands on each course, led by the course's fastest drive."""
    return tuple(
        quickest(
            c.track, car, commands, from_lap(c.free.rows[c.free.flying], c.track), WIDTH, wider
        )
        for c in courses
    )


def _time(laps: Sequence[Found | None], courses: Sequence[Course]) -> float:
    """The laps in shares of the fastest drives', added up; infinite when one is missing."""
    return sum(
        lap.pace / c.free.pace if lap else np.inf for lap, c in zip(laps, courses, strict=True)
    )
