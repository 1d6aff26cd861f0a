"""The five situations that the validators try, on the shipped reconstruction of re:Invent 2018.

The same keys, types and oddities as theirs (SIMULATOR.md 1.8), not the same numbers: their track file is not ours to
ship. `waypoints` is a numpy array of the inner border, `x` and `y` are numpy floats, counts and angles are ints.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.track import library
from racer.track.record import Track

Array = NDArray[np.float64]

NAMES = ("a valid place", "the start line", "half a lap", "off the track", "the finish")
OBJECTS = (0.11, 0.24, 0.45, 0.57, 0.71, 0.86)  # of a lap: where the six objects stand, on the left and right in turn
ASIDE = 0.2  # m from the center line


def samples() -> list[dict[str, Any]]:
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
    along = np.array(OBJECTS) * track.length
    step = geometry.point_at(track.center, along + 0.01) - geometry.point_at(track.center, along - 0.01)
    step /= np.hypot(*step.T)[:, None]
    left = np.resize([1.0, -1.0], len(along))
    spots = geometry.point_at(track.center, along) + (left * ASIDE)[:, None] * np.column_stack(
        [-step[:, 1], step[:, 0]]
    )
    return {
        "objects_location": spots.tolist(),
        "objects_left_of_center": (left > 0).tolist(),
        "objects_speed": [0.2] * len(along),
        "objects_heading": np.arctan2(step[:, 1], step[:, 0]).tolist(),
        "objects_distance": along.tolist(),
    }


@cache
def _track() -> Track:
    entry = next(entry for entry in library.entries() if entry.name == "reinvent_2018")
    return library.open_entry(entry)
