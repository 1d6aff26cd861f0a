"""The dict that a reward function receives, built from rows of the state table. The only writer of
it.

Every quirk of the real simulator's params is here, whatever its documentation says: commanded speed
and steering instead of measured ones, steps as a float that begins at 2.0, the front of the car as
x and y, a local track width, waypoints found by arc length, objects_heading in radians. Rows may
come from the simulator or from a recorded log.
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
    rows: State, tracks: Sequence[Track], bodies: Obstacles | None = None
) -> list[Params]:
    """One dict of params for each of the `rows` (N,), whose `road` column is an index into
    `tracks`.

    `bodies` (N, K) are the objects before each of the cars, with their places on its road.

    Each dict and everything in it that can be changed belongs to that one call, as with the deep
    copy that the simulator hands out: a list of tuples copied shallowly is a deep copy, at a
    hundredth of its cost.
    """
    templates = [(_template(track), track.waypoints) for track in tracks]
    built = []
    for (
        road, steps, clock, yaw, steering, speed, x, y, s, distance, width, left, before, ahead, wheels, progress,
        crashed,
    ) in _READER.iter_unpack(rows.tobytes()):  # fmt: skip
        template, waypoints = templates[road]
        p = template.copy()
        p["all_wheels_on_track"] = wheels == 4
        p["x"] = x
        p["y"] = y
        p["heading"] = degrees(yaw)
        p["distance_from_center"] = distance
        p["projection_distance"] = s
        # min(progress, 100), so a whole lap is an int
        p["progress"] = progress if progress < 100.0 else 100
        p["steps"] = float(steps)
        p["speed"] = speed
        p["steering_angle"] = steering
        p["track_width"] = width
        p["waypoints"] = waypoints.copy()
        p["closest_waypoints"] = [before, ahead]
        p["is_left_of_center"] = left
        p["is_offtrack"] = wheels == 0
        p["is_crashed"] = crashed
        p["closest_objects"] = [0, 0]
        p["objects_location"] = []
        p["objects_distance"] = []
        p["objects_distance_from_center"] = []
        p["objects_left_of_center"] = []
        p["objects_heading"] = []
        p["objects_speed"] = []
        p["sim_time"] = clock
        built.append(p)
    if bodies is not None and bodies.size:
        _tell_objects(built, rows, bodies)
    return built


def copy_params(told: Params) -> Params:
    """The same params, as independent of `told` as a deep copy."""
    p = told.copy()
    p["waypoints"] = told["waypoints"].copy()
    p["closest_waypoints"] = told["closest_waypoints"].copy()
    p["closest_objects"] = told["closest_objects"].copy()
    p["objects_location"] = [place.copy() for place in told["objects_location"]]
    p["objects_distance"] = told["objects_distance"].copy()
    p["objects_distance_from_center"] = told["objects_distance_from_center"].copy()
    p["objects_left_of_center"] = told["objects_left_of_center"].copy()
    p["objects_heading"] = told["objects_heading"].copy()
    p["objects_speed"] = told["objects_speed"].copy()
    return p


def _tell_objects(built: list[Params], rows: State, bodies: Obstacles) -> None:
    """Fill in what the params say about objects. Indices are Python's ints here, numpy's in the
    simulator.
    """
    closest = closest_obstacles(bodies, rows["s"])
    in_camera = _in_camera(rows, bodies, closest[:, 1])
    for p, near, seen, location, distance, aside, left, heading, speed in zip(
        built, closest.tolist(), in_camera.tolist(), *obstacle_facts(bodies), strict=True
    ):
        p["closest_objects"] = near
        p["objects_location"] = location
        p["objects_distance"] = distance
        p["objects_distance_from_center"] = aside
        p["objects_left_of_center"] = left
        p["objects_heading"] = heading
        p["objects_speed"] = speed
        p["object_in_camera"] = seen


def _in_camera(rows: State, bodies: Obstacles, ahead: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) the simulator's flag, which is off by one: it looks for the object before the next one
    in the lists.

    Its own numbering counts the car itself as 0, so of the first object it tests the car, which is
    never in view.
    """
    row = np.arange(len(rows))
    tested = bodies[row, ahead - 1][:, None]
    return np.asarray(visible_obstacles(rows, tested)[:, 0] & (ahead > 0))


@lru_cache(maxsize=256)
def _template(track: Track) -> Params:
    """The keys in their order, with what is the same for every step on a track."""
    return {
        "all_wheels_on_track": True, "x": 0.0, "y": 0.0, "heading": 0.0, "distance_from_center": 0.0,
        "projection_distance": 0.0, "progress": 0.0, "steps": 0.0, "speed": 0.0, "steering_angle": 0.0, "track_width":
        0.0, "track_length": track.length, "waypoints": [], "closest_waypoints": [], "is_left_of_center": False,
        "is_reversed": track.is_reversed, "is_offtrack": False, "is_crashed": False, "closest_objects": [],
        "objects_location": [], "objects_distance": [], "objects_distance_from_center": [], "objects_left_of_center":
        [], "objects_heading": [], "objects_speed": [], "object_in_camera": False, "sim_time": 0.0,
    }  # fmt: skip


_READER = column_reader(
    "road", "steps", "clock", "yaw", "steer_command_deg", "speed_command", "front_x", "front_y", "s", "distance",
    "width", "left", "previous", "next", "wheels", "progress", "crashed",
)  # fmt: skip
