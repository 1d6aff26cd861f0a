"""What a reward is tried on: whole laps, and places all over tracks, common and peculiar ones.

A reward with a table of places, such as a racing line, is tried on the tracks that the table was made
for.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from racer import geometry, resources
from racer.checker.steps import (
    MAX_PLACED_FRACTION,
    OBSTACLE_PLACES,
    OUTSIDE_M,
    TRIAL_SPEEDS_MPS,
    TRIAL_STEERING_DEG,
    PlacedStep,
    TrialEpisode,
    lap_episodes,
    placed_episode,
)
from racer.reward import RewardFunction
from racer.track import Track, load_track
from racer.track.library import DEFAULT_TRACK

Array = NDArray[np.float64]

"""Where whole laps are driven, unless tracks are named."""
OTHER_TRACKS_FRACTION = 0.25
"""Fraction of the places that are tried on the other tracks."""
CAR_MIDDLE_M = 0.14
"""How far behind the tracked point the middle of a car is."""
MIN_TABLE_ROWS = 16
MIN_FRACTION_ON_TRACK = 0.9
"""Fraction of a table's points that lie on a track that it was made for."""
MIN_TABLE_EXTENT = 0.4
"""Extent of such a table as a fraction of the track's."""


@dataclass(frozen=True, eq=False)
class TrialCases:
    """What rewards are tried on. `is_named`: the user named the tracks, so a reward must do on all
    of them.
    """

    tracks: list[Track]
    episodes: list[TrialEpisode]
    is_named: bool


@dataclass(frozen=True, eq=False)
class NumberTable:
    """A literal with many rows. `points` (N, 2) m, where the rows begin with two numbers that may
    be x and y.
    """

    line: int
    name: str
    rows: int
    points: Array | None


def build_trial_cases(names: Sequence[str], is_named: bool) -> TrialCases:
    """The tracks of these names and all episodes on them: laps on the main one, or on the first two
    named.
    """
    tracks = [load_track(name) for name in names]
    main = tracks[:2] if is_named else [track for track in tracks if track.name == DEFAULT_TRACK]
    main = main or tracks[:1]
    others_fraction = 1.0 if is_named else OTHER_TRACKS_FRACTION
    probes = [probe_episodes(track) for track in main]
    probes += [probe_episodes(track, others_fraction) for track in tracks if track not in main]
    episodes = [*probes[0]]
    for track in main:
        episodes += lap_episodes(track)
    for of_track in probes[1:]:
        episodes += of_track
    return TrialCases(tracks, episodes, is_named)


def trial_track_names(asked: Sequence[str]) -> list[str]:
    """The names of tracks to try on: those asked for, or all that ship, for none or for `all`."""
    if asked and "all" not in asked:
        return list(dict.fromkeys(asked))
    return [path.stem for path in sorted(resources.tracks_folder().glob("*.toml"))]


def probe_episodes(track: Track, fraction: float = 1.0) -> list[TrialEpisode]:
    """Places all over a track: an episode without objects, one in the reverse direction, and one with
    objects where the track is a loop.

    `fraction` of those that are spread over the lap; what is peculiar is always tried.
    """
    few = max(int(30 * fraction), 6)
    plain = [
        *_first_steps(track),
        *_between_waypoints(track, fraction),
        *_scattered(track, 4 * few, seed=1),
        *_at_borders(track),
        *_around_the_line(track),
    ]
    backward = [*_first_steps(track), *_scattered(track, few, seed=2), *_around_the_line(track)]
    episodes = [
        placed_episode("placed", track, _numbered(plain)),
        placed_episode(
            "reversed", track, _numbered([replace(place, reverse=True) for place in backward])
        ),
    ]
    if track.is_loop:
        before_objects = [*_scattered(track, few, seed=3), *_near_objects(track)]
        boxes = [replace(place, objects="box") for place in before_objects]
        bots = [replace(place, objects="bot") for place in before_objects]
        episodes.append(placed_episode("with objects", track, _numbered([*boxes, *bots])))
    return episodes


def _first_steps(track: Track) -> list[PlacedStep]:
    """The first steps of an episode: the car has not moved, and stands exactly on the center line."""
    places = []
    for speed in (0.5, 1.0, 4.0):
        for steering in (0.0, 30.0):
            places.append(PlacedStep(track, CAR_MIDDLE_M, speed=speed, steering_deg=steering))
    return places


def _between_waypoints(track: Track, fraction: float) -> list[PlacedStep]:
    """Midway between waypoints, or between a fraction of them, straight along the center line."""
    midpoints = 0.5 * (track.s[1:] + track.s[:-1])
    places = []
    for k, distance in enumerate(midpoints[:: max(round(1.0 / fraction), 1)]):
        speed = TRIAL_SPEEDS_MPS[k % len(TRIAL_SPEEDS_MPS)]
        places.append(PlacedStep(track, float(distance), speed=speed))
    return places


def _scattered(track: Track, count: int, seed: int) -> list[PlacedStep]:
    """Places at random, spread over the lap: mostly near the middle and along the track."""
    rng = np.random.default_rng(seed)
    half_width = 0.5 * float(np.median(track.width))
    farthest = half_width + OUTSIDE_M
    offset = np.clip(rng.normal(0.0, 0.5 * half_width, count), -farthest, farthest)
    is_along = rng.random(count) < 0.8
    heading = np.where(is_along, rng.normal(0.0, 25.0, count), rng.uniform(-180.0, 180.0, count))
    is_usual = rng.random(count) < 0.7
    speed = np.where(is_usual, rng.choice(TRIAL_SPEEDS_MPS, count), rng.uniform(0.1, 4.0, count))
    is_usual = rng.random(count) < 0.7
    steering = np.where(
        is_usual, rng.choice(TRIAL_STEERING_DEG, count), rng.uniform(-30.0, 30.0, count)
    )
    distance = (np.arange(count) + rng.random(count)) / count * track.length * MAX_PLACED_FRACTION
    columns = np.column_stack([distance, offset, heading, speed, steering])
    return [PlacedStep(track, *row) for row in columns.tolist()]


def _at_borders(track: Track) -> list[PlacedStep]:
    """On the borders and beyond, along the track, across it and against it, at four spots."""
    half_width = 0.5 * float(np.median(track.width))
    offsets = []
    for side in (-1.0, 1.0):
        for away in (0.5 * half_width, half_width, half_width + 0.08, half_width + OUTSIDE_M):
            offsets.append(side * away)
    headings = np.repeat((0.0, 90.0, 180.0, -135.0), len(offsets)).tolist()
    distances = [(k + 0.5) / 4.0 * track.length for k in range(4)]
    columns = zip(distances * len(offsets), offsets * 4, headings, strict=True)
    return [PlacedStep(track, distance, offset, heading) for distance, offset, heading in columns]


def _around_the_line(track: Track) -> list[PlacedStep]:
    """Around the start line: waypoints at their end and beginning; progress of 0, below 0, and 100."""
    end = track.length - 1e-3 if track.is_loop else track.length * MAX_PLACED_FRACTION
    gap = float(track.s[-1] - track.s[-2])
    before = [end - gaps * gap for gaps in (0.0, 0.5, 0.9, 1.5, 2.5, 4.5, 9.5)]
    places = [PlacedStep(track, s) for s in [*before, 0.0, *track.s[1:10:2].tolist()]]
    for progress in (0.0, -0.5, -5.0, -30.0, 99.99, 100.0):
        places.append(PlacedStep(track, 0.01 * track.length, progress=progress))
    places.append(PlacedStep(track, 0.05, progress=100.0, speed=4.0))
    places.append(PlacedStep(track, 0.0, progress=0.0))
    return places


def _near_objects(track: Track) -> list[PlacedStep]:
    """Before every object, in it, and beyond it."""
    to_inner_lane = 0.25 * float(np.median(track.width))
    if not track.is_ccw:
        to_inner_lane = -to_inner_lane
    places = []
    for fraction, lane in OBSTACLE_PLACES:
        for ahead in (-1.0, -0.3, 0.1, 0.5):
            distance = max(fraction * track.length + ahead, 0.0)
            places.append(PlacedStep(track, distance, to_inner_lane * lane))
    return places


def _numbered(places: Sequence[PlacedStep]) -> list[PlacedStep]:
    """The places as steps 2, 3, ... of an episode."""
    return [replace(place, steps=k + 2) for k, place in enumerate(places)]


def literal_tables(reward: RewardFunction) -> list[NumberTable]:
    """The literal tables of a file, the longest first; those inside others are left out."""
    tables: list[NumberTable] = []
    _collect_tables(reward.syntax.tree, "", tables)
    return sorted(tables, key=lambda table: -table.rows)


def tracks_of_tables(tables: Sequence[NumberTable], tracks: Sequence[Track]) -> list[Track] | None:
    """The tracks on whose road the points of these tables lie; None when no table holds points."""
    lines = [table.points for table in tables if table.points is not None]
    if not lines:
        return None
    return [track for track in tracks if any(_lies_on(points, track) for points in lines)]


def _lies_on(points: Array, track: Track) -> bool:
    nearest = geometry.nearest_point(track.center, points)
    distance = np.hypot(*(points - nearest).T)
    extent = float(np.ptp(points, axis=0).max())
    if extent <= MIN_TABLE_EXTENT * float(np.ptp(track.center, axis=0).max()):
        return False
    is_near = distance < 0.6 * float(track.width.max())
    return float(np.mean(is_near)) > MIN_FRACTION_ON_TRACK


def _collect_tables(node: ast.AST, name: str, tables: list[NumberTable]) -> None:
    """Add the tables below a node. `name` is what the node is assigned to."""
    for child in ast.iter_child_nodes(node):
        assigned = name
        if isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
            assigned = child.targets[0].id
        if isinstance(child, ast.List | ast.Tuple | ast.Dict | ast.Set):
            rows = child.values if isinstance(child, ast.Dict) else child.elts
            if len(rows) >= MIN_TABLE_ROWS:
                tables.append(NumberTable(child.lineno, assigned, len(rows), _points_of(rows)))
                continue
        _collect_tables(child, assigned, tables)


def _points_of(rows: Sequence[ast.expr]) -> Array | None:
    """(N, 2) of the first two numbers of each row, None when a row is something else."""
    points = []
    for row in rows:
        if not isinstance(row, ast.List | ast.Tuple) or len(row.elts) < 2:
            return None
        try:
            points.append([float(ast.literal_eval(number)) for number in row.elts[:2]])
        except (ValueError, TypeError, SyntaxError):
            return None
    return np.array(points)
