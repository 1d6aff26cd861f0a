"""The params of many steps as columns: what `build_params` gives each of them, a key at a time."""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import lru_cache
from typing import Any

import numpy as np

from racer.errors import UsageError
from racer.reward import Table
from racer.sim.obstacles import Obstacles, closest_obstacles, obstacle_facts, visible_obstacles
from racer.sim.state import State
from racer.track import Track

_WITHOUT_OBJECTS = {
    "closest_objects": Table((0, 0)),
    "objects_location": Table(),
    "objects_distance": Table(),
    "objects_distance_from_center": Table(),
    "objects_left_of_center": Table(),
    "objects_heading": Table(),
    "objects_speed": Table(),
    "object_in_camera": False,
}
_COLUMNS: dict[str, Callable[[State], Any]] = {
    "all_wheels_on_track": lambda rows: rows["wheels"] == 4,
    "x": lambda rows: rows["front_x"].copy(),
    "y": lambda rows: rows["front_y"].copy(),
    "heading": lambda rows: np.degrees(rows["yaw"]),
    "distance_from_center": lambda rows: rows["distance"].copy(),
    "projection_distance": lambda rows: rows["s"].copy(),
    "progress": lambda rows: np.where(rows["progress"] < 100.0, rows["progress"], 100.0),
    "steps": lambda rows: rows["steps"].astype(np.float64),
    "speed": lambda rows: rows["speed_command"].copy(),
    "steering_angle": lambda rows: rows["steer_command_deg"].copy(),
    "track_width": lambda rows: rows["width"].copy(),
    "closest_waypoints": lambda rows: (
        rows["previous"].astype(np.int64),
        rows["next"].astype(np.int64),
    ),
    "is_left_of_center": lambda rows: rows["left"].copy(),
    "is_offtrack": lambda rows: rows["wheels"] == 0,
    "is_crashed": lambda rows: rows["crashed"].copy(),
    "sim_time": lambda rows: rows["clock"].copy(),
}
"""How each column comes from rows: copied, as numbers beside each other are read much faster."""


def param_columns(
    rows: State,
    track: Track,
    objects: Obstacles | None = None,
    has_stereo: bool = False,
    keys: Container[str] | None = None,
) -> dict[str, Any]:
    """By key of params, its values for the `rows` (N,) of cars on one track, without obstacles or
    among the same `objects` (K,), which do not move; of all keys, or of those in `keys`.

    What differs from step to step is an array (N,), a pair of arrays for `closest_waypoints` and
    `closest_objects`; what does not is a plain value or a `Table`. Each number is that of
    `build_params`, but that `progress` of a whole lap is 100.0 and not 100. Raises UsageError for
    obstacles that move.

    Examples
    --------
    >>> from racer.sim import placed_rows
    >>> from racer.track import load_track
    >>> track = load_track("oval")
    >>> columns = param_columns(placed_rows(track, [1.0, 2.0], speed=1.5), track)
    >>> columns["speed"].tolist(), columns["is_reversed"], len(columns)
    ([1.5, 1.5], False, 27)
    """
    columns: dict[str, Any] = dict(_WITHOUT_OBJECTS)
    columns["track_length"] = track.length
    columns["is_reversed"] = track.is_reversed
    columns["waypoints"] = _waypoint_table(track)
    if objects is not None and len(objects):
        columns.update(_object_columns(rows, objects, has_stereo))
    for key, column_of in _COLUMNS.items():
        if keys is None or key in keys:
            columns[key] = column_of(rows)
    return columns


def _object_columns(rows: State, objects: Obstacles, has_stereo: bool) -> dict[str, Any]:
    if objects["moves"].any():
        raise UsageError("obstacles that move are elsewhere at each step: build_params knows them")
    before_each = np.broadcast_to(objects, (len(rows), len(objects)))
    closest = closest_obstacles(before_each, rows["s"])
    ahead = closest[:, 1]
    # the simulator's flag is off by one: docs/simulator.md 1.6
    tested = objects[ahead - 1][:, None]
    facts = obstacle_facts(before_each[:1])
    return {
        "closest_objects": (closest[:, 0], ahead),
        "objects_location": Table(map(Table, facts.location[0])),
        "objects_distance": Table(facts.s[0]),
        "objects_distance_from_center": Table(facts.distance[0]),
        "objects_left_of_center": Table(facts.left[0]),
        "objects_heading": Table(facts.heading[0]),
        "objects_speed": Table(facts.speed[0]),
        "object_in_camera": visible_obstacles(rows, tested, has_stereo)[:, 0] & (ahead > 0),
    }


@lru_cache(maxsize=64)
def _waypoint_table(track: Track) -> Table:
    return Table(map(Table, track.waypoints))
