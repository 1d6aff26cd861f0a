"""A designed action space: the commands of the fastest drive in K clusters, then improved by the lap
it allows; and where on a track a policy takes which action.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from racer import geometry
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
from racer.raceline import RacingLine
from racer.sim import HELD_STATUSES
from racer.track import Track, find_corners, is_inside_corner
from racer.vehicle import SPEED_LIMITS_MPS, STEERING_LIMIT_DEG, ActionSpace, Car

Array = NDArray[np.float64]
Index = NDArray[np.int64]

ACTION_COUNTS = (2, 30)  # actions of a space that the real service takes
ROUNDING_DEG = 1.0  # to which steering is rounded
ROUNDING_SPEED = 0.1  # m/s
SPANS = np.array([STEER_SPAN_DEG, SPEED_SPAN])
# deg and m/s, by which an action is tried elsewhere
MOVES = ((5.0, 0.0), (-5.0, 0.0), (0.0, 0.4), (0.0, -0.4))
DESIGN_BEAM_WIDTH = 200  # narrower than that of a review, as the search is done many times
BETTER_FACTOR = 0.998  # a lap that takes so many times as long is an improvement
DESIGN_TRIALS = 24  # searches of the improvement, for each track
CLUSTER_ROUNDS = 50  # of the clustering

SearchProgress = Callable[[int, int], None]

CELL_LENGTH_M = 0.5  # m of center line, about, of a cell in a picture


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
    """A designed space, with the laps that its clusters allowed and that it allows, on each of the
    tracks (None: no lap).
    """

    space: ActionSpace
    tracks: tuple[DesignTrack, ...]
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
    wishes = np.concatenate([flying_commands(prepared.free) for prepared in tracks])
    best = fill_commands(round_commands(cluster_commands(wishes, size), car), wishes, size, car)
    before = laps = _fastest_laps(tracks, car, best, BEAM_FACTORS)
    tried = {best.tobytes()}
    moves = 0
    for done in range(trials):
        report(done, trials)
        candidate = _first_untried(_changed_spaces(best, laps, wishes, car), tried)
        if candidate is None:
            break
        tried.add(candidate.tobytes())
        candidate_laps = _fastest_laps(tracks, car, candidate)
        if _total_time(candidate_laps, tracks) < BETTER_FACTOR * _total_time(laps, tracks):
            best = candidate
            laps = candidate_laps
            moves += 1
    report(trials, trials)
    space = ActionSpace(False, tuple(best[:, 0].tolist()), tuple(best[:, 1].tolist()))
    return Design(space, tuple(tracks), before, laps, moves)


def _first_untried(spaces: Iterator[Array], tried: set[bytes]) -> Array | None:
    for commands in spaces:
        if commands.tobytes() not in tried:
            return commands
    return None


def check_action_count(size: int) -> None:
    """UsageError for a number of actions that the real service refuses."""
    if not ACTION_COUNTS[0] <= size <= ACTION_COUNTS[1]:
        raise UsageError(
            f"{size} actions: a discrete action space has {ACTION_COUNTS[0]} to {ACTION_COUNTS[1]}"
        )


def cluster_commands(wishes: Array, size: int) -> Array:
    """(K, 2) the centers of at most `size` clusters of commands (N, 2), steering deg and speed m/s.

    Lloyd's k-means over the distinct commands, weighted by how often each is given. It begins with
    the most frequent one, and goes on with the one that is missed most (weight times squared
    distance), so the answer is always the same.
    """
    points, weight = np.unique(wishes / SPANS, axis=0, return_counts=True)
    centers = points[[int(np.argmax(weight))]]
    while len(centers) < min(size, len(points)):
        missed = weight * _squared_distances(points, centers).min(axis=1)
        centers = np.vstack([centers, points[np.argmax(missed)]])
    for _ in range(CLUSTER_ROUNDS):
        moved = _cluster_means(points, weight, centers)
        if moved.shape == centers.shape and np.allclose(moved, centers):
            break
        centers = moved
    return np.asarray(centers * SPANS)


def _cluster_means(points: Array, weight: Index, centers: Array) -> Array:
    """(K, 2) the weighted means of the points nearest to each center that has any."""
    nearest = np.argmin(_squared_distances(points, centers), axis=1)
    means = []
    for k in np.unique(nearest):
        members = nearest == k
        means.append(np.average(points[members], axis=0, weights=weight[members]))
    return np.array(means)


def round_commands(commands: Array, car: Car) -> Array:
    """The distinct commands (K, 2) in whole degrees and tenths of m/s that the car takes, sorted."""
    low = np.array([-STEERING_LIMIT_DEG, SPEED_LIMITS_MPS[0]])
    high = np.array([STEERING_LIMIT_DEG, min(SPEED_LIMITS_MPS[1], car.identified_speed)])
    steps = np.array([ROUNDING_DEG, ROUNDING_SPEED])
    rounded = np.clip(np.round(commands / steps) * steps, low, high)
    without_negative_zeros = np.round(rounded, 1) + 0.0
    return np.unique(without_negative_zeros, axis=0)


def fill_commands(commands: Array, wishes: Array, size: int, car: Car) -> Array:
    """The commands (K, 2) with those `wishes` added that they miss most, until there are `size`.

    Where the wishes do not suffice, commands of a grid are added, the farthest first.
    """
    speeds = car.identified_speed * np.array([0.4, 0.7, 1.0])
    steering, speed = np.meshgrid([-30.0, -15.0, 0.0, 15.0, 30.0], speeds, indexing="ij")
    grid = np.column_stack([steering.ravel(), speed.ravel()])
    for source in (wishes, grid, grid * [0.8, 0.85]):
        offered = round_commands(source, car)
        while len(commands) < size:
            distances = _squared_distances(offered / SPANS, commands / SPANS).min(axis=1)
            if distances.max() <= 0.0:
                break
            commands = np.unique(np.vstack([commands, offered[np.argmax(distances)]]), axis=0)
    return commands


def _squared_distances(points: Array, centers: Array) -> Array:
    """(N, K) squared distances of points (N, 2) from centers (K, 2)."""
    return np.asarray(((points[:, None, :] - centers[None, :, :]) ** 2).sum(axis=-1))


def _changed_spaces(
    commands: Array, laps: Sequence[CommandedDrive | None], wishes: Array, car: Car
) -> Iterator[Array]:
    """Spaces that differ from this one in one action, the most promising first.

    Actions that no lap uses are put where the wishes are missed most, then the used ones are moved,
    the most used first.
    """
    usage = np.zeros(len(commands), dtype=np.int64)
    for lap in laps:
        if lap is not None:
            usage += lap.use
    distance = np.abs(wishes - commands[nearest_commands(commands, wishes)]) / SPANS
    most_missed = wishes[np.argsort(-distance.sum(axis=1))][:1]
    missed = round_commands(most_missed, car)[0]
    for k in np.flatnonzero(usage == 0):
        yield from _replace_action(commands, int(k), missed, car)
    for move in MOVES:
        for k in np.argsort(-usage):
            yield from _replace_action(commands, int(k), commands[k] + move, car)


def _replace_action(commands: Array, k: int, command: Array, car: Car) -> Iterator[Array]:
    """The space with action `k` replaced, unless the action is there already."""
    changed = round_commands(np.vstack([np.delete(commands, k, axis=0), command]), car)
    if len(changed) == len(commands):
        yield changed


def _fastest_laps(
    tracks: Sequence[DesignTrack],
    car: Car,
    commands: Array,
    factors: tuple[int, ...] = BEAM_FACTORS[:1],
) -> tuple[CommandedDrive | None, ...]:
    """The fastest lap found with the commands on each track, led by the track's fastest drive."""
    laps = []
    for prepared in tracks:
        free = prepared.free
        path = path_from_lap(free.rows[free.flying_lap], prepared.track)
        laps.append(
            find_fastest_lap(prepared.track, car, commands, path, DESIGN_BEAM_WIDTH, factors)
        )
    return tuple(laps)


def _total_time(laps: Sequence[CommandedDrive | None], tracks: Sequence[DesignTrack]) -> float:
    """The laps in units of the fastest drives' laps, added up; infinite when one is missing."""
    total = 0.0
    for lap, prepared in zip(laps, tracks, strict=True):
        if lap is None:
            return np.inf
        total += lap.pace / prepared.free.pace
    return total


@dataclass(frozen=True, eq=False)
class ActionUsage:
    """How often each of A actions was taken at each of P places: `counts` (A, P), and the names of
    the `places` (P,) in their order.
    """

    counts: Index
    places: tuple[str, ...]

    @property
    def fractions(self) -> Array:
        """(A,) fraction of all steps in which each action was taken."""
        return np.asarray(self.counts.sum(axis=1) / max(int(self.counts.sum()), 1))

    def most(self, place: int) -> list[tuple[int, float]]:
        """The actions taken at a place and their fractions of the steps there, the most frequent
        first.
        """
        counts = self.counts[:, place]
        order = np.argsort(-counts, kind="stable")
        return [(int(k), float(counts[k] / counts.sum())) for k in order if counts[k]]


def counting_rows(trace: pd.DataFrame) -> pd.DataFrame:
    """The rows of a trace in which the action counts: not while the car is held."""
    return trace[~trace["episode_status"].isin(HELD_STATUSES)]


def usage_by_corner(rows: pd.DataFrame, track: Track, commands: Array) -> ActionUsage:
    """Usage in each corner and on each straight between two corners; `rows` of a trace on the track."""
    names, place = corner_indices(_along(rows, track), track)
    counts = _count_by_place(_taken_actions(rows, commands), place, len(commands), len(names))
    return ActionUsage(counts, names)


def usage_by_cell(rows: pd.DataFrame, track: Track, commands: Array) -> ActionUsage:
    """Usage in equal cells of the lap, named by the distance of their middle, m."""
    count = max(round(track.length / CELL_LENGTH_M), 1)
    edges = np.linspace(0.0, track.length, count + 1)
    place = np.clip(np.searchsorted(edges, _along(rows, track), side="right") - 1, 0, count - 1)
    names = tuple(f"{middle:.2f}" for middle in 0.5 * (edges[1:] + edges[:-1]))
    counts = _count_by_place(_taken_actions(rows, commands), place, len(commands), count)
    return ActionUsage(counts, names)


def corner_indices(s: Array, track: Track) -> tuple[tuple[str, ...], Index]:
    """Names of the corners and straights in driving order, and the one (N,) that each arc length
    (N,) m lies in.
    """
    corners = find_corners(track)
    if not corners:
        return ("all",), np.zeros(len(s), dtype=np.int64)
    names: list[str] = []
    for corner in corners:
        names += [f"to {corner.name}", corner.name]
    next_corner = np.searchsorted(np.array([corner.apex for corner in corners]), s)
    if track.is_loop:
        next_corner = next_corner % len(corners)
    else:
        names.append("to the end")
    place = 2 * next_corner
    for k, corner in enumerate(corners):
        place = np.where(is_inside_corner(corner, s), 2 * k + 1, place)
    return tuple(names), place


def _along(rows: pd.DataFrame, track: Track) -> Array:
    return geometry.project_points(track.center, rows[["X", "Y"]].to_numpy(float))[0]


def _taken_actions(rows: pd.DataFrame, commands: Array) -> Index:
    """(N,) the action of each row: the nearest of the commands, as a log may be of another space."""
    return nearest_commands(commands, rows[["steer", "throttle"]].to_numpy(float))


def _count_by_place(taken: ArrayLike, place: ArrayLike, actions: int, places: int) -> Index:
    """(A, P) how often each of A actions was taken at each of P places."""
    flat = np.asarray(taken) * places + np.asarray(place)
    return np.bincount(flat, minlength=actions * places).reshape(actions, places)
