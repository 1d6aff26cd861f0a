"""Steps of a reward's trial: placed by hand, driven by scripted drivers, or drawn at random.

Everything is placed by `racer.sim.placement` or driven by `racer.drivers`, so nothing is tried that
geometry forbids: a car is never farther beside a track than one whose last wheel has just left it,
and no action is beyond what models may do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.drivers.scripted import Drive, drive_all
from racer.sim import placement
from racer.sim.obstacles import Obstacles, obstacles_on
from racer.sim.params import build_params
from racer.sim.state import State
from racer.track import Track

Array = NDArray[np.float64]

OUTSIDE_M = 0.3
"""From the border to the middle of a car that has just left the track, and a bit."""
OBSTACLE_PLACES = ((0.1, 1), (0.45, -1), (0.8, 1))
"""Fraction of the lap and lane of the objects that are tried."""
TRIAL_SPEEDS_MPS = (0.5, 0.8, 1.0, 1.3, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
TRIAL_STEERING_DEG = (-30.0, -20.0, -15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 30.0)
LAP_DRIVERS = ("slow", "fast", "weaving", "leaving", "stopping", "circling", "fastest")
MAX_PLACED_FRACTION = 0.999
"""Of the lap: how far along a track a car is placed."""

_PLACED_COLUMNS = ("distance", "offset", "heading_deg", "speed", "steering_deg", "steps", "reverse")


@dataclass(frozen=True)
class PlacedStep:
    """One step, placed by hand; see `racer.place`. `objects` is "", "box" or "bot"."""

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
        params = placement.place(
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
    def description(self) -> str:
        """The step in a few words."""
        words = [f"on {self.track.name}, {self.distance:.4g} m from the line"]
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
    """An episode of a car that is put from place to place of a track."""
    params: list[dict[str, Any]] = [{}] * len(places)
    for kind in dict.fromkeys(place.objects for place in places):
        numbers = [k for k, place in enumerate(places) if place.objects == kind]
        built = _params_of([places[k] for k in numbers], track, kind)
        for k, placed_params in zip(numbers, built, strict=True):
            params[k] = placed_params
    return TrialEpisode(name, track, params, list(places))


def random_episode(track: Track, count: int, named: Sequence[float], seed: int = 0) -> TrialEpisode:
    """`count` places at random. Half of each column are numbers that are usual, or that a file names
    (`named`), where they fit.
    """
    rng = np.random.default_rng(seed)

    def draw(usual: Sequence[float], low: float, high: float) -> list[float]:
        fitting = np.array([*usual, *(number for number in named if low <= number <= high)])
        takes_usual = rng.random(count) < 0.5
        chosen = rng.choice(fitting, count)
        uniform = rng.uniform(low, high, count)
        mixed: list[float] = np.where(takes_usual, chosen, uniform).tolist()
        return mixed

    half_width = 0.5 * float(np.median(track.width)) + OUTSIDE_M
    distance = draw([0.0], 0.0, MAX_PLACED_FRACTION * track.length)
    offset = draw([0.0], -half_width, half_width)
    heading = draw([0.0, 180.0], -180.0, 180.0)
    speed = draw(TRIAL_SPEEDS_MPS, 0.1, 4.0)
    steering = draw(TRIAL_STEERING_DEG, -30.0, 30.0)
    progress = draw([100.0], -5.0, 100.0)
    steps = draw([2.0], 2.0, 1500.0)
    places = []
    for k in range(count):
        place = PlacedStep(
            track,
            distance[k],
            offset[k],
            heading[k],
            speed[k],
            steering[k],
            progress=progress[k] if k % 3 else None,
            steps=max(int(steps[k]), 2),
        )
        places.append(place)
    return placed_episode("drawn", track, places)


def _params_of(places: Sequence[PlacedStep], track: Track, kind: str) -> list[dict[str, Any]]:
    """Params of places that all have objects of one kind."""
    objects = obstacles_of_kind(track, kind)
    columns = {
        name: np.array([getattr(place, name) for place in places]) for name in _PLACED_COLUMNS
    }
    progress = [np.nan if place.progress is None else place.progress for place in places]
    rows: State = placement.placed_rows(
        track, progress=np.array(progress), objects=objects, **columns
    )
    tracks = placement.both_directions(track)
    return [
        dict(p) for p in build_params(rows, tracks, placement.obstacles_met(rows, track, objects))
    ]


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
