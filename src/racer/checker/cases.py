"""What a reward is tried on: whole laps, and places all over tracks, by hand, by scripted drivers, or
at random.

A reward with a table of places, such as a racing line, is tried on the tracks that the table was
made for.

Everything is placed by `racer.sim.place` or driven by `racer.drivers`, so nothing is tried that
geometry forbids: a car is never farther beside a track than one whose last wheel has just left it,
and no action is beyond what models may do.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer import geometry, resources
from racer.drivers import Drive, drive_all
from racer.errors import UsageError
from racer.reward import RewardFunction
from racer.sim import (
    Obstacles,
    State,
    both_directions,
    build_params,
    least_steps,
    obstacles_met,
    obstacles_on,
    place,
    placed_rows,
)
from racer.track import DEFAULT_TRACK, Track, load_track

Array = NDArray[np.float64]

OUTSIDE_M = 0.3
"""From the border to the middle of a car that has just left the track, and a bit."""
OBSTACLE_PLACES = ((0.1, 1), (0.45, -1), (0.8, 1))
"""Fraction of the lap and lane of the objects that are tried."""
TRIAL_SPEEDS_MPS = (0.5, 0.8, 1.0, 1.3, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
TRIAL_STEERING_DEG = (-30.0, -20.0, -15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 30.0)
LAP_DRIVERS = ("slow", "fast", "weaving", "leaving", "stopping", "circling", "fastest")
OBJECT_KEY_STARTS = ("object", "closest_objects")
MAX_PLACED_FRACTION = 0.999
"""Of the lap: how far along a track a car is placed."""

_PLACED_COLUMNS = ("distance", "offset", "heading_deg", "speed", "steering_deg", "steps", "reverse")

OTHER_TRACKS_FRACTION = 0.25
"""Fraction of the places that are tried on the other tracks."""
CAR_MIDDLE_M = 0.14
"""How far behind the tracked point the middle of a car is."""
MIN_TABLE_ROWS = 16
MIN_FRACTION_ON_TRACK = 0.9
"""Fraction of a table's points that lie on a track that it was made for."""
MIN_TABLE_EXTENT = 0.4
"""Extent of such a table as a fraction of the track's."""


@dataclass(frozen=True)
class PlacedStep:
    """One step, placed by hand; see `racer.place`. `objects` is "", "box" or "bot".

    Without `progress` the episode began at the start line, or as near as the steps allow.
    """

    track: Track
    distance: float = 0.0  # m
    offset: float = 0.0  # m, left positive
    heading_deg: float = 0.0
    speed: float = 1.0
    steering_deg: float = 0.0
    progress: float | None = None
    steps: int = 2
    reverse: bool = False
    objects: str = ""

    def params(self) -> dict[str, Any]:
        """What the reward function gets there."""
        params = place(
            self.track,
            distance=self.distance,
            offset=self.offset,
            heading_deg=self.heading_deg,
            speed=self.speed,
            steering_deg=self.steering_deg,
            progress=self.progress,
            steps=self.steps,
            reverse=self.reverse,
            objects=obstacles_of_kind(self.track, self.objects),
        )
        return dict(params)

    @property
    def is_possible(self) -> bool:
        """Whether an episode can come to this: with an action that moves, and in time."""
        return self.speed > 0.0 and self.is_in_time

    @property
    def is_in_time(self) -> bool:
        """Whether the steps are enough for the progress."""
        return self.progress is None or self.steps >= least_steps(self.progress, self.track)[0]

    def in_time(self) -> PlacedStep:
        """The step with as many steps as its progress takes at least."""
        if self.progress is None:
            return self
        return replace(self, steps=max(self.steps, int(least_steps(self.progress, self.track)[0])))

    @property
    def description(self) -> str:
        """The step in a few words."""
        words = [f"on {self.track.name}, {self.distance:.4g} m past the start line"]
        if self.offset:
            side = "left" if self.offset > 0 else "right"
            words.append(f"{abs(self.offset):.4g} m {side} of the center")
        if self.heading_deg:
            words.append(f"heading {self.heading_deg:.4g} deg off the road")
        words.append(f"speed {self.speed:.4g}, steering {self.steering_deg:.4g}")
        if self.progress is not None:
            words.append(f"progress {self.progress:.4g}")
        words.append(f"steps {self.steps}")
        if self.reverse:
            words.append("driven in reverse direction")
        if self.objects:
            words.append("with boxes" if self.objects == "box" else "with bot cars")
        return ", ".join(words)

    def mirrored(self, image: Track) -> PlacedStep:
        """The mirrored step on the mirror image of its track."""
        return replace(
            self,
            track=image,
            offset=-self.offset,
            heading_deg=-self.heading_deg,
            steering_deg=-self.steering_deg,
        )


@dataclass(frozen=True, eq=False)
class TrialEpisode:
    """Steps in order, as one car meets them.

    `places` says how to get to each of them by hand, as nearly as that goes. `driver` is who drove
    it, obeying physics; "" where the car is put from place to place.
    """

    name: str
    track: Track
    params: list[dict[str, Any]]
    places: list[PlacedStep]
    driver: str = ""
    completes: bool = False

    @property
    def title(self) -> str:
        """The episode in a sentence: `a slow lap on oval`."""
        return f"{self.name} on {self.track.name}"

    def only(self, steps: Sequence[int] | slice) -> TrialEpisode:
        """The episode of these steps only, which is no whole lap."""
        numbers = range(len(self.params))[steps] if isinstance(steps, slice) else steps
        return replace(
            self,
            params=[self.params[k] for k in numbers],
            places=[self.places[k] for k in numbers],
            completes=False,
        )


@lru_cache(maxsize=128)
def obstacles_of_kind(track: Track, kind: str) -> Obstacles | None:
    """Three objects of a kind ("box" or "bot") on a track, none for ""."""
    if not kind:
        return None
    return obstacles_on(track, list(OBSTACLE_PLACES), kind)


def lap_episodes(track: Track, names: Sequence[str] = LAP_DRIVERS) -> list[TrialEpisode]:
    """What scripted drivers meet on a track: one episode each, without the prepare step, which no
    reward gets.
    """
    episodes = []
    for drive in drive_all(track, list(names)):
        rows = drive.rows[drive.rows["steps"] > 1]
        episode = TrialEpisode(
            name=f"a {drive.title} lap",
            track=track,
            params=[dict(p) for p in build_params(rows, drive.tracks)],
            places=[_placed_like(row, track, drive) for row in rows],
            driver=drive.name,
            completes=drive.completion >= 100.0,
        )
        episodes.append(episode)
    return episodes


def placed_episode(name: str, track: Track, places: Sequence[PlacedStep]) -> TrialEpisode:
    """An episode of a car that is put from place to place of a track. Each step by itself is one that
    an episode can have.
    """
    params: list[dict[str, Any]] = [{}] * len(places)
    for kind in dict.fromkeys(step.objects for step in places):
        numbers = [k for k, step in enumerate(places) if step.objects == kind]
        built = _params_of([places[k] for k in numbers], track, kind)
        for k, placed_params in zip(numbers, built, strict=True):
            params[k] = placed_params
    return TrialEpisode(name, track, params, list(places))


def _params_of(places: Sequence[PlacedStep], track: Track, kind: str) -> list[dict[str, Any]]:
    """Params of places that all have objects of one kind."""
    objects = obstacles_of_kind(track, kind)
    columns = {
        name: np.array([getattr(place, name) for place in places]) for name in _PLACED_COLUMNS
    }
    progress = [np.nan if place.progress is None else place.progress for place in places]
    rows: State = placed_rows(track, progress=np.array(progress), objects=objects, **columns)
    tracks = both_directions(track)
    return [dict(p) for p in build_params(rows, tracks, obstacles_met(rows, track, objects))]


def _placed_like(row: np.void, track: Track, drive: Drive) -> PlacedStep:
    """The place of a driven row. On the inside of a bend a car beside the track may be a bit off."""
    driven_track = drive.tracks[int(row["track"])]
    ahead = int(np.searchsorted(driven_track.s, row["s"], side="right"))
    ahead = min(ahead, len(driven_track.s) - 1)
    along = driven_track.center[ahead] - driven_track.center[ahead - 1]
    turn = np.degrees(row["yaw"] - np.arctan2(along[1], along[0]))
    return PlacedStep(
        track,
        distance=float(row["s"]),
        offset=float(row["distance"]) * (1.0 if row["left"] else -1.0),
        heading_deg=float(turn + 180.0) % 360.0 - 180.0,
        speed=float(row["speed_command"]),
        steering_deg=float(row["steer_command_deg"]),
        progress=float(row["progress"]),
        steps=int(row["steps"]),
        reverse=bool(row["track"]),
    )


@dataclass(frozen=True, eq=False)
class TrialCases:
    """What rewards are tried on. `is_named`: the user named the tracks, so a reward must do on all
    of them. `objects`: "box" or "bot" where these stand on every road, else "".
    """

    tracks: list[Track]
    episodes: list[TrialEpisode]
    is_named: bool
    objects: str = ""


@dataclass(frozen=True, eq=False)
class NumberTable:
    """A literal with many rows. `points` (N, 2) m, where the rows begin with two numbers that may
    be x and y.
    """

    line: int
    name: str
    rows: int
    points: Array | None


def build_trial_cases(names: Sequence[str], is_named: bool, objects: str = "") -> TrialCases:
    """The tracks of these names and all episodes on them: laps on the main one, or on the first two
    named. With `objects` ("box" or "bot") these stand on every road.

    Raises UsageError where objects are asked for and no track is a loop.
    """
    tracks = [load_track(name) for name in names]
    if objects:
        tracks = [track for track in tracks if track.is_loop]
        if not tracks:
            raise UsageError("objects stand on loops only (--objects): name one with --track")
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
    if objects:
        episodes = [with_objects(episode, objects) for episode in episodes]
    return TrialCases(tracks, episodes, is_named, objects)


def with_objects(episode: TrialEpisode, kind: str) -> TrialEpisode:
    """The episode with objects of a kind on the road wherever there are none."""
    places = [place if place.objects else replace(place, objects=kind) for place in episode.places]
    placed = placed_episode(episode.name, episode.track, places).params
    params = []
    for before, there in zip(episode.params, placed, strict=True):
        of_objects = {key: there[key] for key in there if key.startswith(OBJECT_KEY_STARTS)}
        params.append(before | of_objects)
    return replace(episode, params=params, places=places)


@lru_cache(maxsize=1)
def shipped_trial_cases() -> TrialCases:
    """The cases on all tracks that ship, which files are tried on where no track is named."""
    return build_trial_cases(trial_track_names(()), is_named=False)


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
        placed_episode("placed", track, numbered(plain)),
        placed_episode(
            "reversed", track, numbered([replace(place, reverse=True) for place in backward])
        ),
    ]
    if track.is_loop:
        before_objects = [*_scattered(track, few, seed=3), *_near_objects(track)]
        boxes = [replace(place, objects="box") for place in before_objects]
        bots = [replace(place, objects="bot") for place in before_objects]
        episodes.append(placed_episode("with objects", track, numbered([*boxes, *bots])))
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


def numbered(places: Sequence[PlacedStep]) -> list[PlacedStep]:
    """The places as steps 2, 3, ... of an episode, later where the progress takes more steps."""
    steps_of_episode: list[PlacedStep] = []
    number = 2
    for step in places:
        steps_of_episode.append(replace(step, steps=number).in_time())
        number = steps_of_episode[-1].steps + 1
    return steps_of_episode


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
