"""What N cars perceive: sensors by their names, as one array or as a dict of arrays.

| name | what each car gets |
|---|---|
| `features` | (27,) float32 numbers about car and road (`racer.sensors.features`) |
| `objects` | (10,) float32 numbers about the next objects on the road (`racer.sensors.nearby`) |
| `camera` | (1, 120, 160) uint8 gray picture of the front camera; `camera:80x60` another resolution |
| `stereo` | (2, 120, 160) uint8 pictures of the left and the right camera; `stereo:80x60` too |
| `lidar`, `sector_lidar`, `discretized_sector_lidar` | float32 numbers as the simulator encodes them |
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.errors import UsageError, did_you_mean
from racer.sensors.camera.arena import wall_segments
from racer.sensors.camera.camera import FRONT_CAMERA, LEFT_CAMERA, RIGHT_CAMERA, render_camera
from racer.sensors.camera.ground_map import map_ground
from racer.sensors.camera.randomization import APPEARANCE, draw_appearances, find_randomization
from racer.sensors.features import FEATURE_NAMES as FEATURES
from racer.sensors.features import car_features
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
from racer.sensors.nearby import NEARBY_NAMES as NEARBY
from racer.sensors.nearby import nearby_obstacles
from racer.sim.obstacles import Obstacles
from racer.sim.simulation import Scenario, Simulation
from racer.sim.state import State
from racer.vehicle.metadata import DEFAULT_LIDAR_CONFIG, LIDAR_RAYS

METADATA_OBSERVATIONS = {
    "observation": "camera",
    "FRONT_FACING_CAMERA": "camera",
    "LEFT_CAMERA": "camera",
    "STEREO_CAMERAS": "stereo",
    "LIDAR": "lidar",
    "SECTOR_LIDAR": "sector_lidar",
    "DISCRETIZED_SECTOR_LIDAR": "discretized_sector_lidar",
}
"""The sensors of `model_metadata.json` and what they are called here."""

OBSERVATION_NAMES = (
    "features",
    "objects",
    "camera",
    "stereo",
    "lidar",
    "sector_lidar",
    "discretized_sector_lidar",
)
PICTURE_KINDS = ("camera", "stereo")
NOISE_SCANS = 256  # scans' worth of noise that there is
PICTURE_SIZE_PX = (160, 120)  # px, width and height of what the simulator's networks get
_SIZED = re.compile(r"(camera|stereo):(\d+)x(\d+)")

Observation = Any
"""(N, ...) array of the one sensor, or a dict of such arrays."""


class SensorSpec(NamedTuple):
    """What one sensor sends of each car."""

    shape: tuple[int, ...]
    dtype: type[np.generic]
    low: float
    high: float


def parse_observations(names: str | Sequence[str], sensors: Sequence[str] = ()) -> tuple[str, ...]:
    """The sensors in `names`, a text with commas or a sequence, with `sensors` (of a metadata file)
    for that very word.

    UsageError with a sentence for what is wrong.
    """
    words = names.split(",") if isinstance(names, str) else list(names)
    found: list[str] = []
    for word in (word.strip() for word in words):
        found += (
            [METADATA_OBSERVATIONS[sensor] for sensor in sensors]
            if word == "sensors"
            else [_known(word)]
        )
    if not found:
        raise UsageError(
            f"no observation is named (there are {', '.join(OBSERVATION_NAMES)}, and sensors)"
        )
    if len({sensor_kind(name) for name in found}) < len(found):
        raise UsageError(f"observation {','.join(words)}: a sensor is there twice")
    return tuple(found)


def sensor_kind(name: str) -> str:
    """`camera` of `camera:80x60`."""
    return name.partition(":")[0]


def picture_size(name: str) -> tuple[int, int]:
    """Width and height, px, of the pictures of a sensor."""
    found = _SIZED.fullmatch(name)
    return (int(found[2]), int(found[3])) if found else PICTURE_SIZE_PX


def has_pictures(names: Sequence[str]) -> bool:
    """Whether one of the sensors sends pictures."""
    return any(sensor_kind(name) in PICTURE_KINDS for name in names)


def _known(word: str) -> str:
    found = _SIZED.fullmatch(word)
    if word in OBSERVATION_NAMES or (
        found and 8 <= min(picture_size(word)) <= max(picture_size(word)) <= 640
    ):
        return found[1] if found and picture_size(word) == PICTURE_SIZE_PX else word
    if found:
        raise UsageError(
            f"observation {word!r}: pictures are between 8 and 640 pixels wide and high"
        )
    raise UsageError(
        f"unknown observation {word!r}{did_you_mean(word, [*OBSERVATION_NAMES, 'sensors'])} (there are {', '.join(OBSERVATION_NAMES)}, "
        "sensors, and pictures of another size such as camera:80x60)"
    )


class Sensors:
    """The sensors of N cars in a race (a class: it owns the buffers that they write into).

    Pictures are written into two buffers in turn: an observation that is not `fresh` holds until
    the one after the next, as long as a learner needs it. `senses` are what each sensor sends, by
    its name. `snapshot` and `restore` are the whole of what changes.
    """

    def __init__(
        self,
        names: Sequence[str],
        race: Scenario,
        n: int,
        lidar_config: Mapping[str, float] = DEFAULT_LIDAR_CONFIG,
        look: str = "none",
    ) -> None:
        self.names, self._race, self._lidar = parse_observations(names), race, lidar_config
        self.specs = {sensor_kind(name): sensor_spec(name, lidar_config) for name in self.names}
        self._buffers = [self._new(n) for _ in range(2)]
        self._scenery = map_ground(race.tracks) if has_pictures(self.names) else None
        self._lengths = np.array([track.length for track in race.tracks])
        self._walls = np.stack([wall_segments(track) for track in race.tracks])
        self._scans = np.full((n, LIDAR_RAYS), FARTHEST_M)  # the latest of each car
        self._setting, self._looks, self._drawn = (
            find_randomization(look),
            np.zeros(n, APPEARANCE),
            np.full(n, -1),
        )
        self._seed = 0
        self._errors = np.random.default_rng(0).normal(
            0.0, NOISE_SPREAD_M, (NOISE_SCANS, LIDAR_RAYS)
        )  # m

    def observe(self, field: Simulation, fresh: bool = False) -> Observation:
        """What all cars perceive now; with `fresh`, in arrays that nobody else will write into."""
        self._buffers.reverse()
        outs = self._new(len(field.state)) if fresh else self._buffers[0]
        return self._perceived(
            field.state, field.obstacles, np.arange(len(field.state)), outs, self._scans
        )

    def observe_some(self, field: Simulation, cars: NDArray[np.int64]) -> Observation:
        """What `cars` (k,) perceive now, by index, in arrays of their own."""
        return self._perceived(
            field.state[cars], field.obstacles[cars], cars, self._new(len(cars)), self._scans[cars]
        )

    def _new(self, n: int) -> dict[str, NDArray[np.uint8]]:
        """Room for the pictures of `n` cars: (V, N, H, W) of V cameras."""
        pictures = {key: one.shape for key, one in self.specs.items() if key in PICTURE_KINDS}
        return {
            key: np.empty((views, n, *size), np.uint8) for key, (views, *size) in pictures.items()
        }

    def _perceived(
        self,
        state: State,
        bodies: Obstacles,
        who: NDArray[np.int64],
        outs: dict[str, NDArray[np.uint8]],
        scans: NDArray[np.float64],
    ) -> Observation:
        found: dict[str, NDArray[Any]] = {}
        for name in self.names:
            if sensor_kind(name) in PICTURE_KINDS:
                found[sensor_kind(name)] = self._pictures(
                    name, state, bodies, self._looks_of(state, who), outs[sensor_kind(name)]
                )
            elif name == "features":
                found[name] = car_features(state, self._race.packed_tracks)
            elif name == "objects":
                found[name] = nearby_obstacles(state, bodies, self._lengths)
            else:
                scan_lidar(
                    state, bodies, self._walls, scans, self._noise(state, who), is_scan_due(state)
                )
                found[name] = _encoded(name, scans, self._lidar)
        return found if len(found) > 1 else found.popitem()[1]

    def reset(self, seed: int) -> None:
        """Begin anew; `seed` is of how the world looks."""
        self.restore((np.full_like(self._scans, FARTHEST_M), seed))

    def snapshot(self) -> tuple[NDArray[np.float64], int]:
        """Everything that changes, as plain data for `restore`."""
        return self._scans.copy(), self._seed

    def restore(self, snapshot: tuple[NDArray[np.float64], int]) -> None:
        """Be as when `snapshot` was taken."""
        self._scans, self._seed = snapshot[0].copy(), snapshot[1]
        self._drawn[:] = -1

    def _pictures(
        self,
        name: str,
        state: State,
        bodies: Obstacles,
        look: NDArray[np.void] | None,
        out: NDArray[np.uint8],
    ) -> NDArray[np.uint8]:
        assert self._scenery is not None
        width, height = picture_size(name)
        for view, camera in zip(
            out,
            (LEFT_CAMERA, RIGHT_CAMERA) if sensor_kind(name) == "stereo" else (FRONT_CAMERA,),
            strict=True,
        ):
            render_camera(
                state,
                bodies,
                self._scenery,
                replace(camera, width=width, height=height),
                out=view,
                appearance=look,
            )
        return out.swapaxes(0, 1)

    def _looks_of(self, state: State, who: NDArray[np.int64]) -> NDArray[np.void] | None:
        """(N,) how the world looks to the cars `who`, drawn for each of their episodes; None for
        the plain world.
        """
        if self._setting.name == "none":
            return None
        for k, episode in zip(who.tolist(), state["episode"].tolist(), strict=True):
            if self._drawn[k] != episode:
                self._looks[k] = draw_appearances(
                    self._setting, [np.random.default_rng([self._seed, k, episode])]
                )[0]
                self._drawn[k] = episode
        return self._looks[who]

    def _noise(self, state: State, who: NDArray[np.int64]) -> NDArray[np.float64]:
        """(N, 64) m. It depends on car, episode and step alone: to look twice shows the same."""
        return np.asarray(
            self._errors[(17 * who + 31 * state["episode"] + state["steps"]) % NOISE_SCANS]
        )


def sensor_spec(name: str, lidar_config: Mapping[str, float] = DEFAULT_LIDAR_CONFIG) -> SensorSpec:
    """What a sensor sends of each car."""
    if sensor_kind(name) in PICTURE_KINDS:
        width, height = picture_size(name)
        return SensorSpec(
            (2 if sensor_kind(name) == "stereo" else 1, height, width), np.uint8, 0, 255
        )
    if name in ("features", "objects"):
        return SensorSpec(
            (len(FEATURES if name == "features" else NEARBY),), np.float32, -np.inf, np.inf
        )
    if name == "lidar":
        return SensorSpec((LIDAR_RAYS,), np.float32, *CLIP_M)
    sectors, values = int(lidar_config["num_sectors"]), int(lidar_config["num_values_per_sector"])
    return SensorSpec(
        (SECTOR_COUNT if name == "sector_lidar" else sectors * values,), np.float32, 0, 1
    )


def _encoded(
    name: str, distances: NDArray[np.float64], config: Mapping[str, float]
) -> NDArray[np.float32]:
    if name == "lidar":
        return encode_lidar(distances)
    return (
        encode_sector_lidar(distances)
        if name == "sector_lidar"
        else encode_discretized_lidar(distances, config)
    )
