"""The validators' test drive: the file is loaded and called in five situations, under watch, as they
call it.

Runs the user's code in this process: call it in a process that may be lost
(`racer.checker.sandbox`), or only with files of your own.
"""

from __future__ import annotations

import builtins
import inspect
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.checker.findings import Finding
from racer.reward import (
    MAX_ABS_REWARD,
    RefusalReason,
    RewardBatch,
    RewardFunction,
    RewardRefused,
    RewardUnusable,
    describe_refusal,
    describe_unusable,
    trace_return_line,
)
from racer.track import DEFAULT_TRACK, Track, open_entry, track_entries

Array = NDArray[np.float64]

VALIDATOR_CALL_TIME_S = 5.0
SITUATION_NAMES = ("a valid place", "the start line", "half a lap", "off the track", "the finish")
SAMPLE_OBJECT_FRACTIONS = (0.11, 0.24, 0.45, 0.57, 0.71, 0.86)
"""Of a lap: where the six objects stand, on the left and right in turn."""
SAMPLE_OBJECT_OFFSET_M = 0.2
SAMPLE_OBJECT_SPEED_MPS = 0.2
MAX_SHOWN_CHARS = 40
OWN_EXCEPTIONS = (
    RefusalReason.RAISED,
    RefusalReason.RECURSION,
    RefusalReason.MEMORY,
    RefusalReason.EXIT,
    RefusalReason.THREAD_LIMIT,
)
"""Reasons of refusals that an exception of the file itself, or of Python, brings about."""
SIMULATOR_ONLY_KEYS = ("projection_distance", "objects_distance_from_center", "sim_time")
"""Keys that the simulator has and the validators' params lack (docs/simulator.md 1.8)."""


class ImportRefused(Exception):
    """What an import gets while importing is switched off. No ImportError, as with the validators."""


def sample_params() -> list[dict[str, Any]]:
    """Fresh params of the five situations, in the order of SITUATION_NAMES, with 24 keys each."""
    track = _sample_track()
    inner = track.inner
    center = track.center
    last = len(inner) - 1
    outward = track.outer[0] - center[0]
    outward /= np.hypot(*outward)
    width = _sample_width()
    return [
        _situation((inner[0] + center[0]) / 2, speed=0.5, steering_angle=6),
        _situation(inner[0], speed=0.1, steering_angle=0.2),
        _situation(
            inner[(last + 1) // 2],
            heading=359.9,
            progress=50,
            steps=100,
            speed=1.0,
            steering_angle=6,
            closest_waypoints=[3, 4],
        ),
        _situation(
            center[0] + outward * width,
            all_wheels_on_track=False,
            distance_from_center=width,
            heading=359.9,
            speed=1,
            steering_angle=15,
            is_offtrack=True,
        ),
        _situation(
            inner[last],
            heading=359.9,
            progress=100,
            steps=10000,
            speed=5.0,
            steering_angle=0,
            closest_waypoints=[last - 1, last],
        ),
    ]


def run_test_drive(reward: RewardFunction, seconds: float = VALIDATOR_CALL_TIME_S) -> list[Finding]:
    """RW406 to RW411 and RW413: what the validators' test drive runs into, in their order; each
    thing once.
    """
    with _importing_switchable() as gate:
        findings = _drive(reward, seconds, gate)
    by_place: dict[tuple[str, int], Finding] = {}
    for finding in findings:
        by_place.setdefault((finding.code, finding.line), finding)
    return list(by_place.values())


class _ImportGate:
    """An `__import__` that can be closed to everybody but racer."""

    def __init__(self) -> None:
        self._import = builtins.__import__
        self.is_closed = False

    def __call__(self, name: str, scope: Any = None, *rest: Any, **options: Any) -> Any:
        asking = sys._getframe(1).f_globals.get("__name__", "")
        if self.is_closed and not str(asking).startswith("racer."):
            raise ImportRefused(name)
        return self._import(name, scope, *rest, **options)


@contextmanager
def _importing_switchable() -> Iterator[_ImportGate]:
    original = builtins.__import__
    gate = _ImportGate()
    builtins.__import__ = gate  # type: ignore[assignment]
    try:
        yield gate
    finally:
        builtins.__import__ = original


def _drive(reward: RewardFunction, seconds: float, gate: _ImportGate) -> list[Finding]:
    entry = reward.syntax.entry
    entry_line = entry.lineno if entry else 0
    try:
        first = RewardBatch(reward, 1, timeout=seconds)
    except RewardUnusable as error:
        return [Finding("RW407", describe_unusable(error), reward.filename, entry_line)]
    except RewardRefused as error:
        message = f"the file cannot be loaded: {_exception_text(error)}"
        return [Finding("RW413", message, reward.filename, error.line, exception=error.exception)]
    findings = _findings_of_arguments(first, entry_line)
    valid, *others = sample_params()
    gate.is_closed = True
    try:
        findings += _call_once(first, valid, SITUATION_NAMES[0])
    finally:
        gate.is_closed = False
    if any(finding.code in ("RW406", "RW411") for finding in findings):
        return findings
    for situation, params in zip(SITUATION_NAMES[1:], others, strict=True):
        findings += _call_once(RewardBatch(reward, 1, timeout=seconds), params, situation)
        if findings and findings[-1].code == "RW411":
            break
    return findings


def _findings_of_arguments(batch: RewardBatch, line: int) -> list[Finding]:
    try:
        names = list(inspect.signature(batch.entry).parameters)
    except (TypeError, ValueError):
        return []
    if len(names) == 1:
        return []
    message = f"reward_function has {len(names)} arguments ({', '.join(names)})"
    return [Finding("RW407", message, batch.reward.filename, line)]


def _call_once(batch: RewardBatch, params: dict[str, Any], situation: str) -> list[Finding]:
    """What the validators object to in the call of one situation."""
    filename = batch.reward.filename
    try:
        result = batch.returned([dict(params)])[0]
    except RewardRefused as error:
        return [_finding_of_refusal(error, situation, params)]
    if isinstance(result, float) and abs(result) <= MAX_ABS_REWARD:
        return []
    line = _line_of_return(batch, dict(params))
    if isinstance(result, float):
        bound = "is not a number" if math.isnan(result) else "is beyond 1e5"
        message = f"at {situation} it returns {result}, which {bound}"
        return [Finding("RW410", message, filename, line, params=params)]
    shown = f"{type(result).__name__} {str(result)[:MAX_SHOWN_CHARS]}"
    remedy = ""
    if result is None:
        shown = "nothing (None)"
        remedy = "return a value on every path"
    message = f"at {situation} it returns {shown}: the validators want a float"
    return [Finding("RW409", message, filename, line, remedy=remedy, params=params)]


def _line_of_return(batch: RewardBatch, params: dict[str, Any]) -> int:
    """The line of the `return`, by one more call; 0 where that fails."""
    trace = partial(trace_return_line, batch.entry, filename=batch.reward.filename)
    try:
        line: int = batch.traced(trace, params)[0]
    except RewardRefused:
        return 0
    return line


def _finding_of_refusal(error: RewardRefused, situation: str, params: dict[str, Any]) -> Finding:
    path = error.path
    if error.exception == ImportRefused.__name__:
        message = (
            f"{error.detail} is imported during a call, when the validators have switched "
            "importing off"
        )
        remedy = f"import {error.detail} at the top of the file"
        return Finding("RW406", message, path, error.line, remedy=remedy)
    if error.reason is RefusalReason.TIMEOUT:
        message = f"at {situation} it takes longer than {VALIDATOR_CALL_TIME_S:g} s"
        return Finding("RW411", message, path, error.line, params=params)
    # racer's own limits: on what is printed, on what is done to the machine
    if error.reason in (RefusalReason.FLOOD, RefusalReason.BLOCKED, RefusalReason.THREAD):
        message = f"at {situation} {describe_refusal(error)}"
        return Finding("RW408", message, path, error.line, params=params)
    return Finding(
        "RW408",
        f"at {situation} it raises {_exception_text(error)}",
        path,
        error.line,
        remedy=_remedy_for(error),
        params=params,
        exception=error.exception,
    )


def _exception_text(error: RewardRefused) -> str:
    """The exception as Python names it: `KeyError: 'sim_time'`; else what happened."""
    if error.reason not in OWN_EXCEPTIONS:
        return describe_refusal(error)
    if not error.detail:
        return error.exception
    return f"{error.exception}: {error.detail}"


def _remedy_for(error: RewardRefused) -> str:
    """What to do about an exception that only the oddities of the validators' params bring about."""
    if error.exception == "KeyError":
        if error.key in SIMULATOR_ONLY_KEYS:
            return (
                f"the validators' params lack {error.key!r}, which the simulator has: "
                f"read it with params.get({error.key!r}, 0.0)"
            )
        return "use one of the keys that the validators have (docs/check_codes.md)"
    # numpy's own words: nothing else tells a list from an array that was used as one
    if "truth value of an array" in error.detail or "ndarray" in error.detail:
        return (
            "the validators' waypoints are a numpy array: write list(params['waypoints']), "
            "and no == on points"
        )
    if error.exception == "IndexError":
        return (
            "count waypoints with len(params['waypoints']): the validators' closest_waypoints "
            "may be the last two"
        )
    if error.exception == "ZeroDivisionError":
        return "the validators try progress 0 and distance_from_center 0: guard the division"
    return ""


def _situation(position: Array, **changes: Any) -> dict[str, Any]:
    """Params of a car at a position (x, y) in m, with what differs from the usual."""
    inner = _sample_track().inner
    usual = {
        "all_wheels_on_track": True,
        "x": position[0],
        "y": position[1],
        "distance_from_center": 0,
        "heading": 0,
        "progress": 0,
        "steps": 1,
        "speed": 0.5,
        "steering_angle": 6,
        "track_width": _sample_width(),
        "waypoints": inner.copy(),
        "closest_waypoints": [0, 1],
        "is_left_of_center": True,
        "is_reversed": True,
        "track_length": float(geometry.arc_length(inner)[-1]),
        "closest_objects": [0, 1],
        "object_in_camera": True,
        "is_crashed": False,
        "is_offtrack": False,
    }
    return usual | _sample_objects() | changes


def _sample_objects() -> dict[str, Any]:
    """The params of six objects beside the center line, on the left and right in turn."""
    track = _sample_track()
    distance = np.array(SAMPLE_OBJECT_FRACTIONS) * track.length
    before = geometry.point_at(track.center, distance - 0.01)
    behind = geometry.point_at(track.center, distance + 0.01)
    along = behind - before
    along /= np.hypot(*along.T)[:, None]
    to_the_left = np.column_stack([-along[:, 1], along[:, 0]])
    side = np.resize([1.0, -1.0], len(distance))
    offset = (side * SAMPLE_OBJECT_OFFSET_M)[:, None] * to_the_left
    location = geometry.point_at(track.center, distance) + offset
    return {
        "objects_location": location.tolist(),
        "objects_left_of_center": (side > 0).tolist(),
        "objects_speed": [SAMPLE_OBJECT_SPEED_MPS] * len(distance),
        "objects_heading": np.arctan2(along[:, 1], along[:, 0]).tolist(),
        "objects_distance": distance.tolist(),
    }


@cache
def _sample_track() -> Track:
    entries = track_entries()
    entry = next(entry for entry in entries if entry.name == DEFAULT_TRACK)
    return open_entry(entry)


@cache
def _sample_width() -> float:
    track = _sample_track()
    return float(np.hypot(*(track.outer[0] - track.inner[0])))
