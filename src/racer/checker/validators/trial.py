"""The validators' test drive: the file is loaded and called in five situations, under watch, as
they call it.

Runs the user's code in this process: call it in a process that may be lost (`racer.checker`), or
only with files of your own.
"""

from __future__ import annotations

import builtins
import inspect
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.errors import UsageError
from racer.reward import RewardBatch, RewardFunction, RewardRefused
from racer.reward.isolation import trace_return_line
from racer.track import library
from racer.track.track import Track

Array = NDArray[np.float64]

SITUATION_NAMES = ("a valid place", "the start line", "half a lap", "off the track", "the finish")
# of a lap: where the six objects stand, on the left and right in turn
SAMPLE_OBJECT_FRACTIONS = (0.11, 0.24, 0.45, 0.57, 0.71, 0.86)
SAMPLE_OBJECT_OFFSET_M = 0.2  # m from the center line


def sample_params() -> list[dict[str, Any]]:
    """Fresh params of the five situations, in the order of `NAMES`, with 24 keys each."""
    track = _track()
    inner, center, outer = track.inner, track.center, track.outer
    width = float(np.hypot(*(outer[0] - inner[0])))
    outward = (outer[0] - center[0]) / np.hypot(*(outer[0] - center[0]))
    last = len(inner) - 1
    return [
        _sample((inner[0] + center[0]) / 2, width, speed=0.5, steering_angle=6),
        _sample(inner[0], width, speed=0.1, steering_angle=0.2),
        _sample(
            inner[(last + 1) // 2], width, heading=359.9, progress=50, steps=100, speed=1.0, steering_angle=6,
            closest_waypoints=[3, 4],
        ),
        _sample(
            center[0] + outward * width, width, all_wheels_on_track=False, distance_from_center=width, heading=359.9,
            speed=1, steering_angle=15, is_offtrack=True,
        ),
        _sample(
            inner[last], width, heading=359.9, progress=100, steps=10000, speed=5.0, steering_angle=0,
            closest_waypoints=[last - 1, last],
        ),
    ]  # fmt: skip


def _sample(place: Array, width: float, **what: Any) -> dict[str, Any]:
    track = _track()
    usual = {
        "all_wheels_on_track": True, "x": place[0], "y": place[1], "distance_from_center": 0, "heading": 0,
        "progress": 0, "steps": 1, "speed": 0.5, "steering_angle": 6, "track_width": width,
        "waypoints": track.inner.copy(), "closest_waypoints": [0, 1], "is_left_of_center": True, "is_reversed": True,
        "track_length": float(geometry.arc_length(track.inner)[-1]), "closest_objects": [0, 1],
        "object_in_camera": True, "is_crashed": False, "is_offtrack": False,
    }  # fmt: skip
    return usual | _objects() | what


def _objects() -> dict[str, Any]:
    track = _track()
    along = np.array(SAMPLE_OBJECT_FRACTIONS) * track.length
    step = geometry.point_at(track.center, along + 0.01) - geometry.point_at(
        track.center, along - 0.01
    )
    step /= np.hypot(*step.T)[:, None]
    left = np.resize([1.0, -1.0], len(along))
    spots = geometry.point_at(track.center, along) + (left * SAMPLE_OBJECT_OFFSET_M)[
        :, None
    ] * np.column_stack([-step[:, 1], step[:, 0]])
    return {
        "objects_location": spots.tolist(),
        "objects_left_of_center": (left > 0).tolist(),
        "objects_speed": [0.2] * len(along),
        "objects_heading": np.arctan2(step[:, 1], step[:, 0]).tolist(),
        "objects_distance": along.tolist(),
    }


@cache
def _track() -> Track:
    entry = next(entry for entry in library.track_entries() if entry.name == "reinvent_2018")
    return library.open_entry(entry)


MAX_ABS_RESULT = 1e5
VALIDATOR_CALL_TIME_S = 5.0


@dataclass(frozen=True)
class DriveTrouble:
    """Something that the test drive did not survive: `code` and words of the finding, and where."""

    code: str
    message: str
    line: int = 0
    remedy: str = ""
    params: dict[str, Any] | None = None


class ImportRefused(Exception):
    """What an import gets while importing is switched off. No ImportError, as with the validators."""


def run_test_drive(
    reward: RewardFunction, seconds: float = VALIDATOR_CALL_TIME_S
) -> list[DriveTrouble]:
    """What the validators' test drive runs into, in their order; each thing once."""
    gate = _Gate()
    original = builtins.__import__
    builtins.__import__ = gate  # type: ignore[assignment]
    try:
        found = _drive(reward, seconds, gate)
    finally:
        builtins.__import__ = original
    return list({(trouble.code, trouble.line): trouble for trouble in reversed(found)}.values())[
        ::-1
    ]


class _Gate:
    """An `__import__` that can be closed to everybody but racer."""

    def __init__(self) -> None:
        self.open, self.is_closed = builtins.__import__, False

    def __call__(self, name: str, scope: Any = None, *rest: Any, **more: Any) -> Any:
        asking = sys._getframe(1).f_globals.get("__name__", "")
        if self.is_closed and not str(asking).startswith("racer."):
            raise ImportRefused(name)
        return self.open(name, scope, *rest, **more)


def _drive(reward: RewardFunction, seconds: float, gate: _Gate) -> list[DriveTrouble]:
    try:
        first = RewardBatch(reward, 1, timeout=seconds)
    except UsageError as error:
        return [_unfit(reward, error)]
    except RewardRefused as error:
        return [DriveTrouble("RW413", f"the file cannot be loaded: {_last(error)}", error.line)]
    found = _arguments(reward, first)
    valid, *others = sample_params()
    gate.is_closed = True
    try:
        found += _call(first, valid, SITUATION_NAMES[0])
    finally:
        gate.is_closed = False
    if any(trouble.code in ("RW406", "RW411") for trouble in found):
        return found
    for name, params in zip(SITUATION_NAMES[1:], others, strict=True):
        found += _call(RewardBatch(reward, 1, timeout=seconds), params, name)
        if found and found[-1].code == "RW411":
            break
    return found


def _unfit(reward: RewardFunction, error: UsageError) -> DriveTrouble:
    line = reward.syntax.entry.lineno if reward.syntax.entry else 0
    message = (
        str(error).removeprefix(f"{reward.filename}:{line}: ").removeprefix(f"{reward.filename} ")
    )
    return DriveTrouble("RW407", message, line)


def _arguments(reward: RewardFunction, batch: RewardBatch) -> list[DriveTrouble]:
    try:
        names = list(inspect.signature(batch.entry).parameters)
    except (TypeError, ValueError):
        return []
    if len(names) == 1:
        return []
    line = reward.syntax.entry.lineno if reward.syntax.entry else 0
    return [
        DriveTrouble(
            "RW407", f"reward_function has {len(names)} arguments ({', '.join(names)})", line
        )
    ]


def _call(batch: RewardBatch, params: dict[str, Any], name: str) -> list[DriveTrouble]:
    given = dict(params)
    try:
        value = batch.returned([given])[0]
    except RewardRefused as error:
        return [_refusal(error, name, params)]
    if isinstance(value, float) and -MAX_ABS_RESULT <= value <= MAX_ABS_RESULT:
        return []
    line = _line(batch, dict(params))
    if not isinstance(value, float):
        shown = (
            f"{type(value).__name__} {str(value)[:40]}" if value is not None else "nothing (None)"
        )
        remedy = "return a value on every path" if value is None else ""
        return [
            DriveTrouble(
                "RW409",
                f"at {name} it returns {shown}: the validators want a float",
                line,
                remedy,
                params,
            )
        ]
    bound = "is not a number" if math.isnan(value) else "is beyond 1e5"
    return [DriveTrouble("RW410", f"at {name} it returns {value}, which {bound}", line, "", params)]


def _line(batch: RewardBatch, params: dict[str, Any]) -> int:
    """The line of the `return`, by one more call; 0 where that fails."""
    found: list[int] = []
    call: Callable[[Any], Any] = batch.entry
    try:
        batch.traced(
            lambda p: found.append(trace_return_line(call, p, batch.reward.filename)[0]), params
        )
    except RewardRefused:
        return 0
    return found[0] if found else 0


def _refusal(error: RewardRefused, name: str, params: dict[str, Any]) -> DriveTrouble:
    last = _last(error)
    if last.rpartition(":")[0].endswith("ImportRefused") or last.startswith("ImportRefused"):
        module = last.rpartition(": ")[2]
        what = (
            f"{module} is imported during a call, when the validators have switched importing off"
        )
        return DriveTrouble("RW406", what, error.line, f"import {module} at the top of the file")
    if "did not come back" in str(error):
        return DriveTrouble(
            "RW411",
            f"at {name} it takes longer than {VALIDATOR_CALL_TIME_S:g} s",
            error.line,
            "",
            params,
        )
    # racer's own limits: on what is printed, on what is done to the machine
    if last.startswith("racer."):
        said = str(error).partition(": ")[2].partition(", at `")[0]
        return DriveTrouble("RW408", f"at {name} {said}", error.line, "", params)
    return DriveTrouble(
        "RW408", f"at {name} it raises {last}", error.line, _advice(last, params), params
    )


def _last(error: RewardRefused) -> str:
    """The last line of the traceback: `KeyError: 'sim_time'`; else the sentence."""
    lines = error.trace.strip().splitlines()
    if lines:
        return lines[-1][:200]
    return str(error).partition(": ")[2] or str(error)


def _advice(last: str, params: dict[str, Any]) -> str:
    """What to do about an exception that only the oddities of the validators' params bring about."""
    kind, _, text = last.partition(": ")
    if kind == "KeyError" and text.strip("'\"") in (
        "projection_distance",
        "objects_distance_from_center",
        "sim_time",
    ):
        return f"the validators' params lack {text}, which the simulator has: read it with params.get({text}, 0.0)"
    if kind == "KeyError":
        return "use one of the keys that the validators have (docs/check_codes.md)"
    if "truth value of an array" in text or "ndarray" in text:
        return "the validators' waypoints are a numpy array: write list(params['waypoints']), and no == on points"
    if kind == "IndexError":
        return "count waypoints with len(params['waypoints']): the validators' closest_waypoints may be the last two"
    if kind == "ZeroDivisionError":
        return "the validators try progress 0 and distance_from_center 0: guard the division"
    return ""
