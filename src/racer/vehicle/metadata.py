"""The file `model_metadata.json` of any version: action space, sensors, network and algorithm."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ValidationError, model_validator

from racer.errors import UsageError, did_you_mean
from racer.files import read_json, write_json
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import SPEED_LIMITS_MPS, STEERING_LIMIT_DEG

BARE_SENSOR = "observation"
"""The camera before version 2, which had no sensors to choose from."""

DEFAULT_CAMERA = "FRONT_FACING_CAMERA"
CAMERA_SENSORS = (BARE_SENSOR, DEFAULT_CAMERA, "LEFT_CAMERA", "STEREO_CAMERAS")
LIDAR_SENSORS = ("LIDAR", "SECTOR_LIDAR", "DISCRETIZED_SECTOR_LIDAR")
DEFAULT_LIDAR_CONFIG = {"num_sectors": 8, "num_values_per_sector": 8, "clipping_dist": 2.0}
LIDAR_RAYS = 64  # the number of sectors must divide it
DEFAULT_NETWORK = "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW"
DEFAULT_ALGORITHM = "clipped_ppo"
ALGORITHMS = (DEFAULT_ALGORITHM, "sac")

DEFAULT_VERSION = 5.0
"""The version of a metadata that is written, where none is known."""

CAR_VERSIONS = {"v4": 4.0, "v5": 5.0, "v6": 6.0}
"""The version under which each car generation drives."""


@dataclass(frozen=True)
class Metadata:
    """What a `model_metadata.json` says. `notes` are sentences for the user, `extra` the keys that
    nobody reads.
    """

    action_space: ActionSpace
    version: float = DEFAULT_VERSION
    sensor: tuple[str, ...] = (DEFAULT_CAMERA,)
    neural_network: str = DEFAULT_NETWORK
    training_algorithm: str = DEFAULT_ALGORITHM
    lidar_config: dict[str, float] = field(default_factory=lambda: dict(DEFAULT_LIDAR_CONFIG))
    extra: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def car(self) -> str:
        """Name of the car generation that drives under this version: v4, v5 or v6."""
        return car_generation(self.version)


def car_generation(version: float) -> str:
    """Name of the car generation of a metadata version: 3 and 4 drive as v4, 5 as v5, 6 and later
    as v6.

    Versions 1 and 2 had other cars, which no log has shown: v4 is the nearest, and `parse_metadata`
    says so in a note.
    """
    for name in ("v6", "v5"):
        if version >= CAR_VERSIONS[name]:
            return name
    return "v4"


def read_metadata(path: str | os.PathLike[str]) -> Metadata:
    """The contents of a `model_metadata.json` of any version.

    Raises UsageError with a sentence for what is wrong.

    Examples
    --------
    >>> from pathlib import Path
    >>> from racer import read_metadata
    >>> action = '{"steering_angle": 15, "speed": 2}'
    >>> _ = Path("metadata.json").write_text(f'{{"action_space": [{action}], "version": "5"}}')
    >>> metadata = read_metadata("metadata.json")
    >>> metadata.car, metadata.action_space.speed
    ('v5', (2.0,))
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name the model_metadata.json in it")
    if not path.exists():
        guess = did_you_mean(path.name, [other.name for other in path.parent.glob("*.json")])
        raise UsageError(f"no action space file {str(path)!r}{guess}")
    return parse_metadata(read_json(path), str(path))


def write_metadata(metadata: Metadata, path: str | os.PathLike[str]) -> None:
    """Write a `model_metadata.json` that `read_metadata` and the real simulator read back as the
    same.
    """
    write_json(Path(path), metadata_as_json(metadata))


def metadata_as_json(metadata: Metadata) -> dict[str, Any]:
    """The JSON object of a `model_metadata.json`."""
    space = metadata.action_space
    return {
        "action_space": _ranges_as_json(space) if space.is_continuous else _choices_as_json(space),
        "action_space_type": "continuous" if space.is_continuous else "discrete",
        "sensor": list(metadata.sensor),
        "neural_network": metadata.neural_network,
        "training_algorithm": metadata.training_algorithm,
        "lidar_config": dict(metadata.lidar_config),
        "version": format(metadata.version, "g"),
        **metadata.extra,
    }


def parse_metadata(content: object, where: str) -> Metadata:
    """The metadata in a JSON object read from `where`, by the simulator's own rules
    (docs/simulator.md 3.5).
    """
    if isinstance(content, list):
        raise UsageError(f'{where}: a bare list; put it into an object: {{"action_space": [...]}}')
    if not isinstance(content, dict):
        raise UsageError(
            f"{where}: expected an object with `action_space`, found {_describe(content)}"
        )
    try:
        sheet = _Sheet.model_validate(content)
        space = _parse_action_space(sheet, where)
    except ValidationError as error:
        raise UsageError(_sentence(error, where)) from None
    version = sheet.version_or_default
    extra = dict(sheet.model_extra or {})
    return Metadata(
        action_space=space,
        version=version,
        sensor=_parse_sensors(sheet, version, where),
        neural_network=sheet.neural_network,
        training_algorithm=_parse_algorithm(sheet, space, where),
        lidar_config={**DEFAULT_LIDAR_CONFIG, **sheet.lidar_config.model_dump()},
        extra=extra,
        notes=(
            *_key_notes(extra, where),
            *_range_notes(space, where),
            *_version_notes(version, where),
        ),
    )


def _finite(value: float) -> float:
    if not isfinite(value):
        raise ValueError("must be a finite number")
    return value


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"must be a number, not {str(value).lower()}")
    return value


_Number = Annotated[float, AfterValidator(_finite), BeforeValidator(_no_flag)]
_Count = Annotated[int, BeforeValidator(_no_flag)]


class _Choice(BaseModel, extra="allow"):
    steering_angle: _Number
    speed: _Number


class _Range(BaseModel, extra="allow"):
    low: _Number
    high: _Number

    @model_validator(mode="after")
    def _is_ordered(self) -> _Range:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be less than high ({self.high:g})")
        return self


class _Ranges(BaseModel, extra="allow"):
    steering_angle: _Range
    speed: _Range


class _Lidar(BaseModel, extra="allow"):
    num_sectors: _Count = 8
    num_values_per_sector: _Count = 8
    clipping_dist: _Number = 2.0

    @model_validator(mode="after")
    def _is_possible(self) -> _Lidar:
        if self.num_sectors < 1 or LIDAR_RAYS % self.num_sectors:
            raise ValueError(f"num_sectors ({self.num_sectors}) must divide {LIDAR_RAYS}")
        if self.num_values_per_sector < 1 or self.clipping_dist <= 0:
            raise ValueError("num_values_per_sector and clipping_dist must be positive")
        return self


class _Sheet(BaseModel, extra="allow"):
    action_space: list[Any] | dict[str, Any]
    action_space_type: str | None = None
    sensor: list[str] | None = None
    neural_network: str = DEFAULT_NETWORK
    training_algorithm: str = DEFAULT_ALGORITHM
    version: _Number | None = None
    lidar_config: _Lidar = _Lidar()

    @property
    def version_or_default(self) -> float:
        """The version that the simulator takes: 1, or 2 where sensors are named, if none is given
        (docs/simulator.md 3.5).
        """
        if self.version is not None:
            return self.version
        return 1.0 if self.sensor is None else 2.0


class _ChoiceSheet(BaseModel):
    action_space: list[_Choice]


class _RangeSheet(BaseModel):
    action_space: _Ranges


def _parse_action_space(sheet: _Sheet, where: str) -> ActionSpace:
    kind = (sheet.action_space_type or "discrete").lower()
    if kind not in ("discrete", "continuous"):
        guess = did_you_mean(kind, ["discrete", "continuous"])
        raise UsageError(
            f"{where}: action_space_type is {kind!r}, not discrete or continuous{guess}"
        )
    holds_ranges = isinstance(sheet.action_space, dict)
    if holds_ranges and kind == "discrete":
        raise UsageError(
            f'{where}: action_space holds ranges, which needs "action_space_type": "continuous"'
        )
    if not holds_ranges and kind == "continuous":
        raise UsageError(
            f'{where}: action_space holds a list of actions, which needs "action_space_type": "discrete"'
        )
    if holds_ranges:
        ranges = _RangeSheet.model_validate({"action_space": sheet.action_space}).action_space
        return ActionSpace(
            is_continuous=True,
            steering_deg=(ranges.steering_angle.low, ranges.steering_angle.high),
            speed=(ranges.speed.low, ranges.speed.high),
        )
    choices = _ChoiceSheet.model_validate({"action_space": sheet.action_space}).action_space
    if not choices:
        raise UsageError(f"{where}: action_space is empty: give at least one action")
    return ActionSpace(
        is_continuous=False,
        steering_deg=tuple(choice.steering_angle for choice in choices),
        speed=tuple(choice.speed for choice in choices),
    )


def _parse_sensors(sheet: _Sheet, version: float, where: str) -> tuple[str, ...]:
    """The sensors: exactly one camera and at most one lidar. Before version 2 there was only
    `observation`.
    """
    if version < 2.0 or sheet.sensor is None:
        return (BARE_SENSOR,)
    known = CAMERA_SENSORS + LIDAR_SENSORS
    for name in sheet.sensor:
        if name not in known:
            raise UsageError(f"{where}: unknown sensor {name!r} (sensors: {', '.join(known)})")
    cameras = sum(name in CAMERA_SENSORS for name in sheet.sensor)
    lidars = len(sheet.sensor) - cameras
    if cameras != 1 or lidars > 1:
        raise UsageError(
            f"{where}: sensor must name one camera and at most one lidar, found {sheet.sensor}"
        )
    return tuple(sheet.sensor)


def _parse_algorithm(sheet: _Sheet, space: ActionSpace, where: str) -> str:
    name = sheet.training_algorithm.lower()
    if name not in ALGORITHMS:
        raise UsageError(
            f"{where}: unknown training_algorithm {name!r} (algorithms: {', '.join(ALGORITHMS)})"
        )
    if name == "sac" and not space.is_continuous:
        raise UsageError(f"{where}: sac needs a continuous action space; this one is discrete")
    return name


def _key_notes(extra: dict[str, Any], where: str) -> list[str]:
    """Sentences about keys that nobody reads and that are nearly ones that are read."""
    guesses = {key: did_you_mean(key, list(_Sheet.model_fields)) for key in extra}
    return [f"{where}: {key!r} is not read{guess}" for key, guess in guesses.items() if guess]


def _range_notes(space: ActionSpace, where: str) -> list[str]:
    """Sentences about commands that are beyond the car."""
    slowest, fastest = SPEED_LIMITS_MPS
    notes = []
    if max(map(abs, space.steering_deg)) > STEERING_LIMIT_DEG:
        notes.append(f"{where}: the car steers no further than {STEERING_LIMIT_DEG:g} degrees")
    if min(space.speed) < slowest or max(space.speed) > fastest:
        notes.append(
            f"{where}: the car drives between {slowest:g} and {fastest:g} m/s, whatever the action says"
        )
    return notes


def _version_notes(version: float, where: str) -> list[str]:
    if version >= 3.0:
        return []
    return [
        f"{where}: no log has shown the car of version {version:g}; "
        "v4 is the nearest and is taken instead"
    ]


def _choices_as_json(space: ActionSpace) -> list[dict[str, float]]:
    commands = zip(space.steering_deg, space.speed, strict=True)
    return [
        {"steering_angle": steering, "speed": speed, "index": index}
        for index, (steering, speed) in enumerate(commands)
    ]


def _ranges_as_json(space: ActionSpace) -> dict[str, dict[str, float]]:
    return {
        "steering_angle": {"low": space.steering_deg[0], "high": space.steering_deg[1]},
        "speed": {"low": space.speed[0], "high": space.speed[1]},
    }


def _sentence(error: ValidationError, where: str) -> str:
    """The first complaint of pydantic as a sentence with the place in the file."""
    first = error.errors()[0]
    place = _place(first["loc"])
    if first["type"] == "missing":
        given = first["input"] if isinstance(first["input"], dict) else {}
        guess = did_you_mean(str(first["loc"][-1]), [str(key) for key in given])
        return f"{where}: {place} is missing{guess}"
    message = str(first["msg"]).removeprefix("Value error, ")
    return (
        f"{where}: {place}: {message[:1].lower()}{message[1:]}, found {_describe(first['input'])}"
    )


def _place(loc: Sequence[int | str]) -> str:
    """`action_space[3].speed` from pydantic's path; the names of union members are left out."""
    place = ""
    for part in loc:
        if isinstance(part, int):
            place += f"[{part}]"
        elif "[" not in part:
            place += f".{part}"
    return place.lstrip(".")


def _describe(value: object) -> str:
    names = {dict: "an object", list: "a list", type(None): "nothing (null)"}
    return names.get(type(value)) or json.dumps(value, default=str)[:60]
