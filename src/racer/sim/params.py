"""The dict that a reward function receives, built from rows of the state table here and nowhere else.

Every quirk of the real simulator's params (docs/simulator.md 1.1) is here, whatever its
documentation says: commanded speed and steering instead of measured ones, steps as a float that
begins at 2.0, the front of the car as x and y, a local track width, waypoints found by arc length,
objects_heading in radians. Rows may come from the simulator or from a recorded log.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import degrees
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from racer.sim.obstacles import Obstacles, closest_obstacles, obstacle_facts, visible_obstacles
from racer.sim.state import State, column_reader
from racer.track.track import Track


class Params(TypedDict):
    """What `reward_function(params)` gets: 27 keys; metres, degrees and percent unless said
    otherwise.
    """

    all_wheels_on_track: bool
    x: float  # of the front point, 0.14 m ahead of the middle of the car
    y: float
    heading: float  # (-180, 180], counterclockwise
    distance_from_center: float  # of the front point
    projection_distance: float  # along the center line, from waypoint 0
    progress: float  # from the start of the episode; may be negative
    steps: float  # the first call of an episode sees 2.0
    speed: float  # m/s, as commanded by the action just chosen
    steering_angle: float  # as commanded, + is left
    track_width: float  # here
    track_length: float
    waypoints: list[tuple[float, float]]
    closest_waypoints: list[int]  # behind and ahead, by arc length
    is_left_of_center: bool
    is_reversed: bool  # whether the track is driven in its reverse direction
    is_offtrack: bool
    is_crashed: bool
    closest_objects: list[int]
    objects_location: list[list[float]]
    objects_distance: list[float]  # along the center line, from waypoint 0
    objects_distance_from_center: list[float]
    objects_left_of_center: list[bool]
    objects_heading: list[float]  # rad
    objects_speed: list[float]
    object_in_camera: bool
    sim_time: float  # s


def build_params(
    rows: State, tracks: Sequence[Track], obstacles: Obstacles | None = None
) -> list[Params]:
    """One dict of params for each of the `rows` (N,), whose `track` column is an index into
    `tracks`.

    `obstacles` (N, K) are those before each of the cars, with their places on its track.

    Each dict and everything in it that can be changed belongs to that one call, as with the deep
    copy that the simulator hands out: a list of tuples copied shallowly is a deep copy, at a
    hundredth of its cost.
    """
    templates = [(_template(track), track.waypoints) for track in tracks]
    built = []
    for (
        track,
        steps,
        clock,
        yaw,
        steering_deg,
        speed,
        x,
        y,
        s,
        distance,
        width,
        is_left,
        before,
        ahead,
        wheels,
        progress,
        is_crashed,
    ) in _READER.iter_unpack(rows.tobytes()):
        template, waypoints = templates[track]
        params = template.copy()
        params["all_wheels_on_track"] = wheels == 4
        params["x"] = x
        params["y"] = y
        params["heading"] = degrees(yaw)
        params["distance_from_center"] = distance
        params["projection_distance"] = s
        # min(progress, 100), so a whole lap is an int
        params["progress"] = progress if progress < 100.0 else 100
        params["steps"] = float(steps)
        params["speed"] = speed
        params["steering_angle"] = steering_deg
        params["track_width"] = width
        params["waypoints"] = waypoints.copy()
        params["closest_waypoints"] = [before, ahead]
        params["is_left_of_center"] = is_left
        params["is_offtrack"] = wheels == 0
        params["is_crashed"] = is_crashed
        params["closest_objects"] = [0, 0]
        params["objects_location"] = []
        params["objects_distance"] = []
        params["objects_distance_from_center"] = []
        params["objects_left_of_center"] = []
        params["objects_heading"] = []
        params["objects_speed"] = []
        params["sim_time"] = clock
        built.append(params)
    if obstacles is not None and obstacles.size:
        _add_obstacles(built, rows, obstacles)
    return built


def copy_params(params: Params) -> Params:
    """A copy of `params`, as independent of them as a deep copy."""
    copy = params.copy()
    copy["waypoints"] = params["waypoints"].copy()
    copy["closest_waypoints"] = params["closest_waypoints"].copy()
    copy["closest_objects"] = params["closest_objects"].copy()
    copy["objects_location"] = [location.copy() for location in params["objects_location"]]
    copy["objects_distance"] = params["objects_distance"].copy()
    copy["objects_distance_from_center"] = params["objects_distance_from_center"].copy()
    copy["objects_left_of_center"] = params["objects_left_of_center"].copy()
    copy["objects_heading"] = params["objects_heading"].copy()
    copy["objects_speed"] = params["objects_speed"].copy()
    return copy


def _add_obstacles(built: list[Params], rows: State, obstacles: Obstacles) -> None:
    """Fill in what the params say about objects. Indices are Python's ints here, numpy's in the
    simulator.
    """
    closest = closest_obstacles(obstacles, rows["s"])
    in_camera = _object_in_camera(rows, obstacles, closest[:, 1]).tolist()
    facts = obstacle_facts(obstacles)
    for k, params in enumerate(built):
        params["closest_objects"] = closest[k].tolist()
        params["objects_location"] = facts.location[k]
        params["objects_distance"] = facts.s[k]
        params["objects_distance_from_center"] = facts.distance[k]
        params["objects_left_of_center"] = facts.left[k]
        params["objects_heading"] = facts.heading[k]
        params["objects_speed"] = facts.speed[k]
        params["object_in_camera"] = in_camera[k]


def _object_in_camera(
    rows: State, obstacles: Obstacles, ahead: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(N,) the simulator's flag, which is off by one: it looks for the object before the next one
    in the lists (docs/simulator.md 1.6).

    Its own numbering counts the car itself as 0, so of the first object it tests the car, which is
    never in view.
    """
    tested = obstacles[np.arange(len(rows)), ahead - 1][:, None]
    return np.asarray(visible_obstacles(rows, tested)[:, 0] & (ahead > 0))


@lru_cache(maxsize=256)
def _template(track: Track) -> Params:
    """The keys in their order, with what is the same for every step on a track."""
    return {
        "all_wheels_on_track": True,
        "x": 0.0,
        "y": 0.0,
        "heading": 0.0,
        "distance_from_center": 0.0,
        "projection_distance": 0.0,
        "progress": 0.0,
        "steps": 0.0,
        "speed": 0.0,
        "steering_angle": 0.0,
        "track_width": 0.0,
        "track_length": track.length,
        "waypoints": [],
        "closest_waypoints": [],
        "is_left_of_center": False,
        "is_reversed": track.is_reversed,
        "is_offtrack": False,
        "is_crashed": False,
        "closest_objects": [],
        "objects_location": [],
        "objects_distance": [],
        "objects_distance_from_center": [],
        "objects_left_of_center": [],
        "objects_heading": [],
        "objects_speed": [],
        "object_in_camera": False,
        "sim_time": 0.0,
    }


_READER = column_reader(
    "track",
    "steps",
    "clock",
    "yaw",
    "steer_command_deg",
    "speed_command",
    "front_x",
    "front_y",
    "s",
    "distance",
    "width",
    "left",
    "previous",
    "next",
    "wheels",
    "progress",
    "crashed",
)
