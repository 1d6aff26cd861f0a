"""What N cars perceive: the sensors that `racer.sensors.names` lists, as one array or a dict of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.sensors.camera import (
    APPEARANCE,
    FRONT_CAMERA,
    LEFT_CAMERA,
    RIGHT_CAMERA,
    draw_appearances,
    find_randomization,
    map_ground,
    render_camera,
    wall_segments,
)
from racer.sensors.features import FEATURE_NAMES, NEARBY_NAMES, car_features, nearby_obstacles
from racer.sensors.lidar import (
    CLIP_M,
    FARTHEST_M,
    NOISE_SPREAD_M,
    SECTOR_COUNT,
    encode_discretized_lidar,
    encode_lidar,
    encode_sector_lidar,
    is_scan_due,
    scan_lidar,
)
from racer.sensors.names import (
    PICTURE_KINDS,
    has_pictures,
    parse_observations,
    picture_size,
    sensor_kind,
)
from racer.sim import Obstacles, Scenario, Simulation, State
from racer.vehicle import DEFAULT_LIDAR_CONFIG, LIDAR_RAYS

CAMERAS = {"camera": (FRONT_CAMERA,), "stereo": (LEFT_CAMERA, RIGHT_CAMERA)}
NOISE_SCANS = 256  # scans' worth of noise that there is
Observation = Any
"""(N, ...) array of the one sensor, or a dict of such arrays."""


class SensorSpec(NamedTuple):
    """What one sensor sends of each car."""

    shape: tuple[int, ...]
    dtype: type[np.generic]
    low: float
    high: float


class Sensors:
    """The sensors of N cars in a scenario (a class: it owns the buffers that they write into).

    Pictures are written into two buffers in turn: an observation that is not `fresh` holds until
    the one after the next, as long as a learner needs it. `specs` say what each sensor sends, by
    its kind. `snapshot` and `restore` are the whole of what changes.
    """

    def __init__(
        self,
        names: Sequence[str],
        scenario: Scenario,
        n: int,
        lidar_config: Mapping[str, float] = DEFAULT_LIDAR_CONFIG,
        visual_randomization: str = "none",
    ) -> None:
        self.names = parse_observations(names)
        self._scenario = scenario
        self._lidar_config = lidar_config
        self.specs = {sensor_kind(name): sensor_spec(name, lidar_config) for name in self.names}
        self._buffers = [self._new_pictures(n) for _ in range(2)]
        self._ground_map = None
        if has_pictures(self.names):
            self._ground_map = map_ground(scenario.tracks)
        self._lengths = np.array([track.length for track in scenario.tracks])
        self._walls = np.stack([wall_segments(track) for track in scenario.tracks])
        self._scans = np.full((n, LIDAR_RAYS), FARTHEST_M)  # the latest of each car
        self._randomization = find_randomization(visual_randomization)
        self._appearances = np.zeros(n, APPEARANCE)
        self._drawn_for_episode = np.full(n, -1)
        self._seed = 0
        generator = np.random.default_rng(0)
        self._scan_noise_m = generator.normal(0.0, NOISE_SPREAD_M, (NOISE_SCANS, LIDAR_RAYS))

    def observe(self, simulation: Simulation, fresh: bool = False) -> Observation:
        """What all cars perceive now; with `fresh`, in arrays that nobody else will write into."""
        cars = np.arange(len(simulation.state))
        self._buffers.reverse()
        pictures = self._buffers[0]
        if fresh:
            pictures = self._new_pictures(len(cars))
        return self._perceive(simulation.state, simulation.obstacles, cars, pictures, self._scans)

    def observe_some(self, simulation: Simulation, cars: NDArray[np.int64]) -> Observation:
        """What `cars` (k,) perceive now, by index, in arrays of their own."""
        state = simulation.state[cars]
        obstacles = simulation.obstacles[cars]
        pictures = self._new_pictures(len(cars))
        return self._perceive(state, obstacles, cars, pictures, self._scans[cars])

    def _new_pictures(self, n: int) -> dict[str, NDArray[np.uint8]]:
        """Room for the pictures of `n` cars, (V, N, H, W) of V cameras, by the sensor's kind."""
        pictures = {}
        for kind, spec in self.specs.items():
            if kind in PICTURE_KINDS:
                views, height, width = spec.shape
                pictures[kind] = np.empty((views, n, height, width), np.uint8)
        return pictures

    def _perceive(
        self,
        state: State,
        obstacles: Obstacles,
        cars: NDArray[np.int64],
        pictures: dict[str, NDArray[np.uint8]],
        scans: NDArray[np.float64],
    ) -> Observation:
        observations: dict[str, NDArray[Any]] = {}
        for name in self.names:
            kind = sensor_kind(name)
            if kind in PICTURE_KINDS:
                appearances = self._appearances_for(state, cars)
                observations[kind] = self._take_pictures(
                    name, state, obstacles, appearances, pictures[kind]
                )
            elif name == "features":
                observations[name] = car_features(state, self._scenario.packed_tracks)
            elif name == "objects":
                observations[name] = nearby_obstacles(state, obstacles, self._lengths)
            else:
                noise = self._noise_for(state, cars)
                scan_lidar(state, obstacles, self._walls, scans, noise, is_scan_due(state))
                observations[name] = _encode_scans(name, scans, self._lidar_config)
        if len(observations) == 1:
            return observations.popitem()[1]
        return observations

    def reset(self, seed: int) -> None:
        """Begin anew; `seed` is of how the world looks."""
        self.restore((np.full_like(self._scans, FARTHEST_M), seed))

    def snapshot(self) -> tuple[NDArray[np.float64], int]:
        """Everything that changes, as plain data for `restore`."""
        return self._scans.copy(), self._seed

    def restore(self, snapshot: tuple[NDArray[np.float64], int]) -> None:
        """Be as when `snapshot` was taken."""
        self._scans, self._seed = snapshot[0].copy(), snapshot[1]
        self._drawn_for_episode[:] = -1

    def _take_pictures(
        self,
        name: str,
        state: State,
        obstacles: Obstacles,
        appearances: NDArray[np.void] | None,
        out: NDArray[np.uint8],
    ) -> NDArray[np.uint8]:
        """(N, V, H, W) the pictures of a sensor's V cameras, drawn into `out` (V, N, H, W)."""
        assert self._ground_map is not None
        width, height = picture_size(name)
        for view, camera in zip(out, CAMERAS[sensor_kind(name)], strict=True):
            sized = replace(camera, width=width, height=height)
            render_camera(
                state, obstacles, self._ground_map, sized, out=view, appearance=appearances
            )
        return out.swapaxes(0, 1)

    def _appearances_for(self, state: State, cars: NDArray[np.int64]) -> NDArray[np.void] | None:
        """(N,) how the world looks to the `cars`, drawn for each of their episodes; None for the
        plain world.
        """
        if self._randomization.name == "none":
            return None
        # the laps of a continuous race, which the log counts as episodes, look the same
        episodes = state["episode"] - state["episode_laps"]
        for car, episode in zip(cars.tolist(), episodes.tolist(), strict=True):
            if self._drawn_for_episode[car] != episode:
                generator = np.random.default_rng([self._seed, car, episode])
                self._appearances[car] = draw_appearances(self._randomization, [generator])[0]
                self._drawn_for_episode[car] = episode
        return self._appearances[cars]

    def _noise_for(self, state: State, cars: NDArray[np.int64]) -> NDArray[np.float64]:
        """(N, 64) m. It depends on car, episode and step alone: to look twice shows the same."""
        scan = (17 * cars + 31 * state["episode"] + state["steps"]) % NOISE_SCANS
        return np.asarray(self._scan_noise_m[scan])


def sensor_spec(name: str, lidar_config: Mapping[str, float] = DEFAULT_LIDAR_CONFIG) -> SensorSpec:
    """What a sensor sends of each car.

    Examples
    --------
    >>> from racer.sensors import sensor_spec
    >>> sensor_spec("camera").shape, sensor_spec("discretized_sector_lidar").shape
    ((1, 120, 160), (64,))
    """
    if sensor_kind(name) in PICTURE_KINDS:
        width, height = picture_size(name)
        views = len(CAMERAS[sensor_kind(name)])
        return SensorSpec((views, height, width), np.uint8, 0, 255)
    if name == "features":
        return SensorSpec((len(FEATURE_NAMES),), np.float32, -np.inf, np.inf)
    if name == "objects":
        return SensorSpec((len(NEARBY_NAMES),), np.float32, -np.inf, np.inf)
    if name == "lidar":
        return SensorSpec((LIDAR_RAYS,), np.float32, *CLIP_M)
    if name == "sector_lidar":
        return SensorSpec((SECTOR_COUNT,), np.float32, 0, 1)
    bins = int(lidar_config["num_sectors"]) * int(lidar_config["num_values_per_sector"])
    return SensorSpec((bins,), np.float32, 0, 1)


def _encode_scans(
    name: str, distances: NDArray[np.float64], config: Mapping[str, float]
) -> NDArray[np.float32]:
    if name == "lidar":
        return encode_lidar(distances)
    if name == "sector_lidar":
        return encode_sector_lidar(distances)
    return encode_discretized_lidar(distances, config)
