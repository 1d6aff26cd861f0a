"""The steps that a reward is tried on: whole laps, and places that a car gets to on and beside real
roads.

Everything is placed by `racer.sim.placement` or driven by `racer.drivers.scripted`, so nothing is
tried that geometry forbids: a car is never farther beside a road than one whose last wheel has just
left it, and no action is beyond what models may do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer import resources as shipped
from racer import track
from racer.drivers.scripted import Drive, drive_all
from racer.sim import placement as scene
from racer.sim.obstacles import Obstacles, obstacles_on
from racer.sim.params import build_params
from racer.sim.state import State
from racer.track.track import Track

Array = NDArray[np.float64]

OUTSIDE_M = 0.3  # m from the border to the middle of a car that has just left the road, and a bit
# share of the lap and lane of the objects that are tried
OBSTACLE_PLACES = ((0.1, 1), (0.45, -1), (0.8, 1))
TRIAL_SPEEDS_MPS = (0.5, 0.8, 1.0, 1.3, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)  # m/s
TRIAL_STEERING_DEG = (-30.0, -20.0, -15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 30.0)  # deg
LAP_DRIVERS = ("slow", "fast", "weaving", "leaving", "stopping", "circling", "fastest")


@dataclass(frozen=True)
class PlacedStep:
    """One step, placed by hand; see `scene.at`. `objects` is "", "box" or "bot"."""

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
        return dict(
            scene.place(
                self.track, distance=self.distance, offset=self.offset, heading_deg=self.heading_deg, speed=self.speed,
                steering_deg=self.steering_deg, progress=self.progress, steps=self.steps, reverse=self.reverse,
                objects=obstacles_of_kind(self.track, self.objects),
            )
        )  # fmt: skip

    def mirrored(self, image: Track) -> PlacedStep:
        """The same place on the mirror image of its track."""
        return replace(
            self,
            track=image,
            offset=-self.offset,
            heading_deg=-self.heading_deg,
            steering_deg=-self.steering_deg,
        )


@dataclass(frozen=True, eq=False)
class TrialEpisode:
    """Steps in order, as one car meets them. `places` says how to get to each of them by hand, as
    nearly as that goes.

    `driver`: who drove it, obeying physics; "" where the car is put from place to place.
    """

    name: str
    track: Track
    params: list[dict[str, Any]]
    places: list[PlacedStep]
    driver: str = ""
    completes: bool = False


@lru_cache(maxsize=128)
def obstacles_of_kind(track: Track, kind: str) -> Obstacles | None:
    """Three objects of a kind ("box" or "bot") on a track, none for ""."""
    return (
        obstacles_on(track, list(OBSTACLE_PLACES), "bot" if kind == "bot" else "box")
        if kind
        else None
    )


def lap_episodes(track: Track, names: Sequence[str] = LAP_DRIVERS) -> list[TrialEpisode]:
    """What scripted drivers meet on a track: one episode each, without the prepare step, that no
    reward sees.
    """
    found = []
    for driven in drive_all(track, list(names)):
        rows = driven.rows[driven.rows["steps"] > 1]
        told = [dict(p) for p in build_params(rows, driven.tracks)]
        places = [_place_of(track, row, driven) for row in rows]
        found.append(
            TrialEpisode(
                f"a {driven.title} lap",
                track,
                told,
                places,
                driven.name,
                driven.completion >= 100.0,
            )
        )
    return found


def probe_episodes(track: Track, share: float = 1.0) -> list[TrialEpisode]:
    """Places all over a track, without objects, in the reverse direction, and with objects: one
    episode each.

    `share` of those that are spread over the lap; what is particular is always tried.
    """
    few = max(int(30 * share), 6)
    spread = [*_around(track, share), *_scattered(track, 4 * few, 1)]
    here = [*_beginning(track), *spread, *_edges(track), *_ends(track)]
    back = [
        replace(place, reverse=True)
        for place in [*_beginning(track), *_scattered(track, few, 2), *_ends(track)]
    ]
    kinds = ("box", "bot") if track.is_loop else ()
    with_objects = [
        replace(p, objects=kind)
        for kind in kinds
        for p in [*_scattered(track, few, 3), *_hits(track)]
    ]
    named = (("placed", here), ("reversed", back), ("with objects", with_objects))
    return [placed_episode(name, track, _counted(places)) for name, places in named if places]


def random_episode(track: Track, count: int, named: Sequence[float], seed: int = 0) -> TrialEpisode:
    """Places at random, each column by half from the numbers `named` in a file, where they fit."""
    rng = np.random.default_rng(seed)
    half = 0.5 * float(np.median(track.width)) + OUTSIDE_M

    def column(plain: Sequence[float], low: float, high: float) -> list[float]:
        fitting = np.array([*plain, *(n for n in named if low <= n <= high)])
        mixed = np.where(
            rng.random(count) < 0.5, rng.choice(fitting, count), rng.uniform(low, high, count)
        )
        return [float(value) for value in mixed]

    told = (
        column([0.0], 0.0, 0.999 * track.length), column([0.0], -half, half), column([0.0, 180.0], -180.0, 180.0),
        column(TRIAL_SPEEDS_MPS, 0.1, 4.0), column(TRIAL_STEERING_DEG, -30.0, 30.0), column([100.0], -5.0, 100.0),
    )  # fmt: skip
    steps = np.maximum(np.array(column([2.0], 2.0, 1500.0)).astype(int), 2).tolist()
    rows = zip(*told, steps, strict=True)
    places = [
        PlacedStep(track, s, d, turn, v, steer, p if k % 3 else None, n)
        for k, (s, d, turn, v, steer, p, n) in enumerate(rows)
    ]
    return placed_episode("drawn", track, places)


def placed_episode(name: str, track: Track, places: Sequence[PlacedStep]) -> TrialEpisode:
    """An episode of a car that is put from place to place of a track."""
    told: list[dict[str, Any]] = [{}] * len(places)
    for kind in dict.fromkeys(place.objects for place in places):
        chosen = [k for k, place in enumerate(places) if place.objects == kind]
        rows = _rows(track, [places[k] for k in chosen], kind)
        built = build_params(
            rows,
            scene.both_directions(track),
            scene.obstacles_met(rows, track, obstacles_of_kind(track, kind)),
        )
        for k, p in zip(chosen, built, strict=True):
            told[k] = dict(p)
    return TrialEpisode(name, track, told, list(places))


def _rows(track: Track, places: Sequence[PlacedStep], kind: str) -> State:
    column = {name: np.array([getattr(place, name) for place in places]) for name in _COLUMNS}
    progress = np.array([np.nan if place.progress is None else place.progress for place in places])
    return scene.placed_rows(
        track, progress=progress, objects=obstacles_of_kind(track, kind), **column
    )


_COLUMNS = ("distance", "offset", "heading_deg", "speed", "steering_deg", "steps", "reverse")


def _beginning(track: Track) -> list[PlacedStep]:
    """The first steps of an episode: the car has not moved, and stands exactly on the center line."""
    return [
        PlacedStep(track, 0.14, speed=speed, steering_deg=turn)
        for speed in (0.5, 1.0, 4.0)
        for turn in (0.0, 30.0)
    ]


def _around(track: Track, share: float) -> list[PlacedStep]:
    """Past every waypoint, or a share of them, straight along the center line."""
    middle = (0.5 * (track.s[1:] + track.s[:-1]))[:: max(round(1.0 / share), 1)]
    return [
        PlacedStep(track, float(s), speed=TRIAL_SPEEDS_MPS[k % len(TRIAL_SPEEDS_MPS)])
        for k, s in enumerate(middle)
    ]


def _scattered(track: Track, count: int, seed: int) -> list[PlacedStep]:
    rng = np.random.default_rng(seed)
    half = 0.5 * float(np.median(track.width))
    offset = np.clip(rng.normal(0.0, 0.5 * half, count), -half - OUTSIDE_M, half + OUTSIDE_M)
    heading = np.where(
        rng.random(count) < 0.8, rng.normal(0.0, 25.0, count), rng.uniform(-180.0, 180.0, count)
    )
    speed = np.where(
        rng.random(count) < 0.7, rng.choice(TRIAL_SPEEDS_MPS, count), rng.uniform(0.1, 4.0, count)
    )
    turn = np.where(
        rng.random(count) < 0.7,
        rng.choice(TRIAL_STEERING_DEG, count),
        rng.uniform(-30.0, 30.0, count),
    )
    s = (np.arange(count) + rng.random(count)) / count * track.length * 0.999
    columns = (column.tolist() for column in (s, offset, heading, speed, turn))
    return [PlacedStep(track, *values) for values in zip(*columns, strict=True)]


def _edges(track: Track) -> list[PlacedStep]:
    """On the borders and beyond, along the road, across it and against it."""
    half = 0.5 * float(np.median(track.width))
    beside = [
        side * away
        for side in (-1.0, 1.0)
        for away in (0.5 * half, half, half + 0.08, half + OUTSIDE_M)
    ]
    ways = (0.0, 90.0, 180.0, -135.0)
    spots = [(k + 0.5) / 4.0 * track.length for k in range(4)]
    return [
        PlacedStep(track, s, aside, way)
        for s, aside, way in zip(spots * 8, beside * 4, _each(ways, 8), strict=True)
    ]


def _each(values: Sequence[float], times: int) -> list[float]:
    return [value for value in values for _ in range(times)]


def _ends(track: Track) -> list[PlacedStep]:
    """Around the line: waypoints at their end and beginning; progress of 0, below 0, and 100."""
    last = track.length - 1e-3 if track.is_loop else track.length * 0.999
    gap = float(track.s[-1] - track.s[-2])
    near = [last - share * gap for share in (0.0, 0.5, 0.9, 1.5, 2.5, 4.5, 9.5)]
    places = [PlacedStep(track, s) for s in [*near, 0.0, *track.s[1:10:2].tolist()]]
    lines = [
        PlacedStep(track, 0.01 * track.length, progress=p)
        for p in (0.0, -0.5, -5.0, -30.0, 99.99, 100.0)
    ]
    return [
        *places,
        *lines,
        PlacedStep(track, 0.05, progress=100.0, speed=4.0),
        PlacedStep(track, 0.0, progress=0.0),
    ]


def _hits(track: Track) -> list[PlacedStep]:
    """Before every object, in it, and beyond it."""
    half = 0.25 * float(np.median(track.width))
    aside = half if track.is_ccw else -half
    return [
        PlacedStep(track, max(share * track.length + along, 0.0), aside * lane)
        for share, lane in OBSTACLE_PLACES
        for along in (-1.0, -0.3, 0.1, 0.5)
    ]


def _counted(places: Sequence[PlacedStep]) -> list[PlacedStep]:
    return [replace(place, steps=k + 2) for k, place in enumerate(places)]


def _place_of(track: Track, row: np.void, driven: Drive) -> PlacedStep:
    """Where a row is, in words of the road; on the inside of a bend a car beside the road may be
    placed a bit off.
    """
    way = driven.tracks[int(row["track"])]
    ahead = min(int(np.searchsorted(way.s, row["s"], side="right")), len(way.s) - 1)
    step = way.center[ahead] - way.center[ahead - 1]
    turn = float(np.degrees(row["yaw"] - np.arctan2(step[1], step[0])) + 180.0) % 360.0 - 180.0
    aside = float(row["distance"]) * (1.0 if row["left"] else -1.0)
    return PlacedStep(
        track, float(row["s"]), aside, turn, float(row["speed_command"]), float(row["steer_command_deg"]),
        float(row["progress"]), int(row["steps"]), bool(row["track"]),
    )  # fmt: skip


MAIN_TRACK = "reinvent_2018"  # where whole laps are driven, unless tracks are named
OTHER_TRACKS_FRACTION = 0.25  # share of the places that are tried on the other tracks


@dataclass(frozen=True, eq=False)
class TrialCases:
    """What rewards are tried on. `is_named`: the user named the tracks, so a reward must do on all
    of them.
    """

    tracks: list[Track]
    episodes: list[TrialEpisode]
    is_named: bool


def build_trial_cases(names: Sequence[str], is_named: bool) -> TrialCases:
    """The tracks of these names and all episodes on them: laps on the main one, or on the first two
    named.
    """
    tracks = [track.load_track(name) for name in names]
    main = [t for t in tracks if t.name == MAIN_TRACK] if not is_named else tracks[:2]
    driven = [episode for t in main or tracks[:1] for episode in lap_episodes(t)]
    others = [t for t in tracks if t not in main]
    apart = [
        *(probe_episodes(t) for t in main),
        *(probe_episodes(t, 1.0 if is_named else OTHER_TRACKS_FRACTION) for t in others),
    ]
    first, rest = apart[0], [episode for found in apart[1:] for episode in found]
    return TrialCases(tracks, [*first, *driven, *rest], is_named)


def trial_track_names(asked: Sequence[str]) -> list[str]:
    """The names of tracks to try on: those asked for, or all that ship, for none or for `all`."""
    if asked and "all" not in asked:
        return list(dict.fromkeys(asked))
    return [path.stem for path in sorted(shipped.tracks_folder().glob("*.toml"))]
