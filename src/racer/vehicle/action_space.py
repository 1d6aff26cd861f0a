"""What the policy's number means to the car: discrete or continuous actions, and the file
`model_metadata.json`.

Steering is kept in the degrees that the user wrote, because reward functions and logs see exactly
those (SIMULATOR.md 3.5); only the vehicle model turns them into radians.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from racer.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from racer.vehicle.car import Car

Array = NDArray[np.float64]

CAMERA_SENSORS = ("observation", "FRONT_FACING_CAMERA", "LEFT_CAMERA", "STEREO_CAMERAS")
LIDAR_SENSORS = ("LIDAR", "SECTOR_LIDAR", "DISCRETIZED_SECTOR_LIDAR")
DEFAULT_CAMERA = "FRONT_FACING_CAMERA"  # the sensor unless another is named
ALGORITHMS = ("clipped_ppo", "sac")
DEFAULT_NETWORK = "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW"
DEFAULT_LIDAR_CONFIG = {"num_sectors": 8, "num_values_per_sector": 8, "clipping_dist": 2.0}
LIDAR_RAYS = 64  # the number of sectors must divide it
STEERING_DEG = 30.0  # the simulator turns the wheels no further
SPEEDS = (0.1, 4.0)  # m/s, and drives neither slower nor faster


@dataclass(frozen=True)
class ActionSpace:
    """The commands a policy can give, in degrees (positive to the left) and m/s.

    Discrete: action k is the command `steering_deg[k], speed[k]`. Continuous: the two entries of
    each are low and high, and an action is a point in [-1, 1] x [-1, 1].
    """

    is_continuous: bool
    steering_deg: tuple[float, ...]
    speed: tuple[float, ...]

    @classmethod
    def default(cls, car: Car) -> ActionSpace:
        """Continuous: +-30 degrees, from 0.5 m/s to the fastest command that logs of this car
        cover.
        """
        return cls(True, (-STEERING_DEG, STEERING_DEG), (0.5, car.identified_speed))

    @property
    def size(self) -> int:
        """The number of actions of a discrete space, the number of axes (2) of a continuous one."""
        return len(self.speed)

    @property
    def low(self) -> Array:
        """(2,) smallest steering, rad, and speed, m/s."""
        return np.array([np.radians(min(self.steering_deg)), min(self.speed)])

    @property
    def high(self) -> Array:
        """(2,) largest steering, rad, and speed, m/s."""
        return np.array([np.radians(max(self.steering_deg)), max(self.speed)])

    def command_deg(self, action: ArrayLike) -> Array:
        """(N, 2) steering in degrees and speed in m/s, as reward functions and logs see them: not
        clipped to the car.

        `action` is (N,) list positions, or (N, 2) points that are first clipped to [-1, 1]
        (SIMULATOR.md 3.5). A discrete position outside the list raises IndexError: that is a bug of
        the caller.
        """
        if not self.is_continuous:
            return self._table[_positions(action, self.size)]
        point = np.array(action, dtype=np.float64, order="C").reshape(-1, 2)
        _scale(point, *self._affine)
        return point

    def logged(self, action: ArrayLike) -> list[str]:
        """The `action` column of a log, one text an action: the index, or `[steer speed]`
        (SIMULATOR.md 6.1).
        """
        if not self.is_continuous:
            return [str(k) for k in _positions(action, self.size).tolist()]
        return [f"[{steer} {speed}]" for steer, speed in self.command_deg(action).tolist()]

    @cached_property
    def _affine(self) -> tuple[Array, Array]:
        low, high = self._table
        return low, (high - low) / 2.0

    @cached_property
    def _table(self) -> Array:
        return np.column_stack([self.steering_deg, self.speed]).astype(np.float64)


@dataclass(frozen=True)
class Metadata:
    """What a `model_metadata.json` says. `notes` are sentences for the user, `extra` the keys that
    nobody reads.
    """

    action_space: ActionSpace
    version: float = 5.0
    sensor: tuple[str, ...] = (DEFAULT_CAMERA,)
    neural_network: str = DEFAULT_NETWORK
    training_algorithm: str = "clipped_ppo"
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

    Versions 1 and 2 had other cars, which no log has shown: v4 is the nearest, and `parse` says so
    in a note.
    """
    if version >= 6.0:
        return "v6"
    return "v5" if version >= 5.0 else "v4"


def read_metadata(path: str | os.PathLike[str]) -> Metadata:
    """The contents of a `model_metadata.json` of any version. UsageError with a sentence for what
    is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = did_you_mean(Path(path).name, [p.name for p in Path(path).parent.glob("*.json")])
        raise UsageError(f"no action space file {os.fspath(path)!r}{near}") from None
    except IsADirectoryError:
        raise UsageError(
            f"{os.fspath(path)} is a folder: name the model_metadata.json in it"
        ) from None
    except (UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{os.fspath(path)} cannot be read as text: {error}") from None
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UsageError(f"{os.fspath(path)} is not JSON: {error}") from None
    return parse_metadata(found, os.fspath(path))


def write_metadata(metadata: Metadata, path: str | os.PathLike[str]) -> None:
    """Write a `model_metadata.json` that `read_metadata` and the real simulator read back as the
    same.
    """
    place = Path(path)
    beside = place.with_name(place.name + ".part")
    beside.write_text(json.dumps(metadata_as_json(metadata), indent=2) + "\n", encoding="utf-8")
    beside.replace(place)


def metadata_as_json(metadata: Metadata) -> dict[str, Any]:
    """The JSON object of a `model_metadata.json`."""
    space = metadata.action_space
    return {
        "action_space": _ranges(space) if space.is_continuous else _choices(space),
        "action_space_type": "continuous" if space.is_continuous else "discrete",
        "sensor": list(metadata.sensor),
        "neural_network": metadata.neural_network,
        "training_algorithm": metadata.training_algorithm,
        "lidar_config": dict(metadata.lidar_config),
        "version": format(metadata.version, "g"),
        **metadata.extra,
    }


def parse_metadata(found: object, where: str) -> Metadata:
    """The metadata in a JSON object read from `where`, by the simulator's own rules (SIMULATOR.md
    3.5).
    """
    if isinstance(found, list):
        raise UsageError(f'{where}: a bare list; put it into an object: {{"action_space": [...]}}')
    if not isinstance(found, dict):
        raise UsageError(f"{where}: expected an object with `action_space`, found {_kind(found)}")
    try:
        sheet = _Sheet.model_validate(found)
        space = _action_space(sheet, where)
    except ValidationError as error:
        raise UsageError(_sentence(error, where)) from None
    version = sheet.version if sheet.version is not None else (1.0 if sheet.sensor is None else 2.0)
    extra = dict(sheet.model_extra or {})
    return Metadata(
        action_space=space,
        version=version,
        sensor=_sensors(sheet, version, where),
        neural_network=sheet.neural_network,
        training_algorithm=_algorithm(sheet, space, where),
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


Number = Annotated[float, AfterValidator(_finite), BeforeValidator(_no_flag)]
Count = Annotated[int, BeforeValidator(_no_flag)]


class _Choice(BaseModel, extra="allow"):
    steering_angle: Number
    speed: Number


class _Range(BaseModel, extra="allow"):
    low: Number
    high: Number

    @model_validator(mode="after")
    def _ordered(self) -> _Range:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be less than high ({self.high:g})")
        return self


class _Ranges(BaseModel, extra="allow"):
    steering_angle: _Range
    speed: _Range


class _Lidar(BaseModel, extra="allow"):
    num_sectors: Count = 8
    num_values_per_sector: Count = 8
    clipping_dist: Number = 2.0

    @model_validator(mode="after")
    def _possible(self) -> _Lidar:
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
    training_algorithm: str = "clipped_ppo"
    version: Number | None = None
    lidar_config: _Lidar = _Lidar()


class _ChoiceSheet(BaseModel):
    action_space: list[_Choice]


class _RangeSheet(BaseModel):
    action_space: _Ranges


def _action_space(sheet: _Sheet, where: str) -> ActionSpace:
    kind = (sheet.action_space_type or "discrete").lower()
    if kind not in ("discrete", "continuous"):
        near = did_you_mean(kind, ["discrete", "continuous"])
        raise UsageError(
            f"{where}: action_space_type is {kind!r}, not discrete or continuous{near}"
        )
    if isinstance(sheet.action_space, dict) != (kind == "continuous"):
        holds = "ranges" if isinstance(sheet.action_space, dict) else "a list of actions"
        other = "continuous" if kind == "discrete" else "discrete"
        raise UsageError(
            f'{where}: action_space holds {holds}, which needs "action_space_type": "{other}"'
        )
    if kind == "continuous":
        ranges = (
            TypeAdapter(_RangeSheet)
            .validate_python({"action_space": sheet.action_space})
            .action_space
        )
        steering, speed = ranges.steering_angle, ranges.speed
        return ActionSpace(True, (steering.low, steering.high), (speed.low, speed.high))
    choices = (
        TypeAdapter(_ChoiceSheet).validate_python({"action_space": sheet.action_space}).action_space
    )
    if not choices:
        raise UsageError(f"{where}: action_space is empty: give at least one action")
    return ActionSpace(
        False, tuple(c.steering_angle for c in choices), tuple(c.speed for c in choices)
    )


def _sensors(sheet: _Sheet, version: float, where: str) -> tuple[str, ...]:
    """The sensors: exactly one camera and at most one lidar. Before version 2 there was only
    `observation`.
    """
    if version < 2.0 or sheet.sensor is None:
        return ("observation",)
    for name in sheet.sensor:
        if name not in CAMERA_SENSORS + LIDAR_SENSORS:
            raise UsageError(
                f"{where}: unknown sensor {name!r} (sensors: {', '.join(CAMERA_SENSORS + LIDAR_SENSORS)})"
            )
    cameras = [name for name in sheet.sensor if name in CAMERA_SENSORS]
    lidars = [name for name in sheet.sensor if name in LIDAR_SENSORS]
    if len(cameras) != 1 or len(lidars) > 1:
        raise UsageError(
            f"{where}: sensor must name one camera and at most one lidar, found {sheet.sensor}"
        )
    return tuple(sheet.sensor)


def _algorithm(sheet: _Sheet, space: ActionSpace, where: str) -> str:
    name = sheet.training_algorithm.lower()
    if name not in ALGORITHMS:
        raise UsageError(
            f"{where}: unknown training_algorithm {name!r} (algorithms: {', '.join(ALGORITHMS)})"
        )
    if name == "sac" and not space.is_continuous:
        raise UsageError(f"{where}: sac needs a continuous action space; this one is discrete")
    return name


def _key_notes(extra: dict[str, Any], where: str) -> list[str]:
    known = [*_Sheet.model_fields]
    return [
        f"{where}: {key!r} is not read{near}" for key in extra if (near := did_you_mean(key, known))
    ]


def _range_notes(space: ActionSpace, where: str) -> list[str]:
    notes = []
    if max(map(abs, space.steering_deg)) > STEERING_DEG:
        notes.append(f"{where}: the car steers no further than {STEERING_DEG:g} degrees")
    if min(space.speed) < SPEEDS[0] or max(space.speed) > SPEEDS[1]:
        notes.append(
            f"{where}: the car drives between {SPEEDS[0]:g} and {SPEEDS[1]:g} m/s, whatever the action says"
        )
    return notes


def _version_notes(version: float, where: str) -> list[str]:
    if version >= 3.0:
        return []
    return [
        f"{where}: no log has shown the car of version {version:g}; v4 is the nearest and is taken instead"
    ]


def _choices(space: ActionSpace) -> list[dict[str, float]]:
    pairs = zip(space.steering_deg, space.speed, strict=True)
    return [
        {"steering_angle": steer, "speed": speed, "index": k}
        for k, (steer, speed) in enumerate(pairs)
    ]


def _ranges(space: ActionSpace) -> dict[str, dict[str, float]]:
    both = {"steering_angle": space.steering_deg, "speed": space.speed}
    return {name: {"low": low, "high": high} for name, (low, high) in both.items()}


@njit(cache=True, error_model="numpy")
def _scale(point, low, half):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Turn points of [-1, 1] x [-1, 1], clipped to it, into commands; nan stays nan."""
    for i in range(len(point)):
        for k in range(2):
            share = point[i, k]
            share = -1.0 if share < -1.0 else 1.0 if share > 1.0 else share
            point[i, k] = (share + 1.0) * half[k] + low[k]


def _positions(action: ArrayLike, size: int) -> NDArray[np.intp]:
    positions = np.array(action, dtype=np.intp).reshape(-1)
    if np.count_nonzero(positions.view(np.uintp) < size) < len(positions):
        raise IndexError(
            f"discrete action outside 0..{size - 1}: {positions.min()}..{positions.max()}"
        )
    return positions


def _sentence(error: ValidationError, where: str) -> str:
    """The first complaint of pydantic as a sentence with the place in the file."""
    first = error.errors()[0]
    place = _place(first["loc"])
    if first["type"] == "missing":
        given = first["input"] if isinstance(first["input"], dict) else {}
        near = did_you_mean(str(first["loc"][-1]), [str(key) for key in given])
        return f"{where}: {place} is missing{near}"
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {place}: {message[:1].lower()}{message[1:]}, found {_kind(first['input'])}"


def _place(loc: Sequence[int | str]) -> str:
    """`action_space[3].speed` from pydantic's path; the names of union members are left out."""
    words = [part for part in loc if isinstance(part, int) or "[" not in part]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in words).lstrip(
        "."
    )


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", type(None): "nothing (null)"}
    return names.get(type(value)) or json.dumps(value, default=str)[:60]
