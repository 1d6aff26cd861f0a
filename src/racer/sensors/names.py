"""The names of sensors, as `model_metadata.json` and as racer write them.

| name | what each car gets |
|---|---|
| `features` | (27,) float32 numbers about car and road (`racer.sensors.features`) |
| `objects` | (10,) float32 numbers about the next obstacles (`racer.sensors.features`) |
| `camera` | (1, 120, 160) uint8 gray picture of the front camera; `camera:80x60` another resolution |
| `stereo` | (2, 120, 160) uint8 pictures of the left and the right camera; `stereo:80x60` too |
| `lidar`, `sector_lidar`, `discretized_sector_lidar` | float32 numbers as the simulator encodes them |
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from racer.errors import UsageError, did_you_mean

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
MIN_PICTURE_SIDE_PX = 8
MAX_PICTURE_SIDE_PX = 640
PICTURE_SIZE_PX = (160, 120)  # px, width and height for the networks (docs/simulator.md 4.2)
_SIZED = re.compile(r"(camera|stereo):(\d+)x(\d+)")


def parse_observations(names: str | Sequence[str], sensors: Sequence[str] = ()) -> tuple[str, ...]:
    """The sensors in `names`, a text with commas or a sequence, with `sensors` (of a metadata file)
    for that very word.

    UsageError with a sentence for what is wrong.
    """
    if isinstance(names, str):
        names = names.split(",")
    observations: list[str] = []
    for name in names:
        if name.strip() == "sensors":
            observations += [METADATA_OBSERVATIONS[sensor] for sensor in sensors]
        else:
            observations.append(_checked_name(name.strip()))
    if not observations:
        raise UsageError(
            f"no observation is named (there are {', '.join(OBSERVATION_NAMES)}, and sensors)"
        )
    if len({sensor_kind(name) for name in observations}) < len(observations):
        raise UsageError(f"observation {','.join(names)}: a sensor is there twice")
    return tuple(observations)


def sensor_kind(name: str) -> str:
    """`camera` of `camera:80x60`."""
    return name.partition(":")[0]


def picture_size(name: str) -> tuple[int, int]:
    """Width and height, px, of the pictures of a sensor."""
    sized = _SIZED.fullmatch(name)
    if sized is None:
        return PICTURE_SIZE_PX
    return int(sized[2]), int(sized[3])


def has_pictures(names: Sequence[str]) -> bool:
    """Whether one of the sensors sends pictures."""
    return any(sensor_kind(name) in PICTURE_KINDS for name in names)


def _checked_name(name: str) -> str:
    """The name of an observation, without the size of pictures that is usual anyway. UsageError."""
    if name in OBSERVATION_NAMES:
        return name
    sized = _SIZED.fullmatch(name)
    if sized is None:
        hint = did_you_mean(name, [*OBSERVATION_NAMES, "sensors"])
        raise UsageError(
            f"unknown observation {name!r}{hint} (there are {', '.join(OBSERVATION_NAMES)}, "
            "sensors, and pictures of another size such as camera:80x60)"
        )
    size = picture_size(name)
    if min(size) < MIN_PICTURE_SIDE_PX or max(size) > MAX_PICTURE_SIDE_PX:
        raise UsageError(
            f"observation {name!r}: pictures are between {MIN_PICTURE_SIDE_PX} and "
            f"{MAX_PICTURE_SIDE_PX} pixels wide and high"
        )
    if size == PICTURE_SIZE_PX:
        return sized[1]
    return name
