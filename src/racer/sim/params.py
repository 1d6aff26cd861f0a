"""The dict that a reward function receives, built from rows of the state table here and nowhere else.

Every quirk of the real simulator's params (docs/simulator.md 1.1) is here, whatever its
documentation says: commanded speed and steering instead of measured ones, steps as a float that
begins at 2.0, the front of the car as x and y, a local track width, waypoints found by arc length,
objects_heading in radians. Rows may come from the simulator or from a recorded log.

Single steps are put together by hand here, too: a car placed on a track, as rows of the state table
and as params. What is placed is the front point, 0.14 m ahead of the middle of the car: the point that params
call x and y, and that they measure distances from. A place beyond the start line is a place of the
next lap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import degrees
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer import geometry
from racer.errors import UsageError
from racer.sim.obstacles import (
    Obstacles,
    closest_obstacles,
    hit_obstacle,
    obstacle_facts,
    obstacles_before,
    visible_obstacles,
)
from racer.sim.simulation import Scenario
from racer.sim.state import STATE, Phase, State, Status, column_reader
from racer.sim.step import locate_cars
from racer.track import Track, TrackSource, load_track
from racer.vehicle import FRONT_POINT_M, SPEED_LIMITS_MPS, STEP_S, V6

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

Array = NDArray[np.float64]

DEFAULT_SPEED_MPS = 1.0  # where nothing else is asked for
FIRST_CALL_STEPS = 2
"""What the first call of an episode sees."""
MAX_SPEED_MPS = SPEED_LIMITS_MPS[1]
"""No car is faster than its fastest action."""
USUAL_SPEED_MPS = 2.5
"""Of a fast lap: how many steps a car has behind it where nobody says."""


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
    rows: State,
    tracks: Sequence[Track],
    obstacles: Obstacles | None = None,
    has_stereo: bool = False,
) -> list[Params]:
    """One dict of params for each of the `rows` (N,), whose `track` column is an index into
    `tracks`.

    `obstacles` (N, K) are those before each of the cars, with their places on its track; the cars
    look for them with two cameras each where `has_stereo`.

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
        _add_obstacles(built, rows, obstacles, has_stereo)
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


def _add_obstacles(
    built: list[Params], rows: State, obstacles: Obstacles, has_stereo: bool
) -> None:
    """Fill in what the params say about objects. Indices are Python's ints here, numpy's in the
    simulator.
    """
    closest = closest_obstacles(obstacles, rows["s"])
    in_camera = _object_in_camera(rows, obstacles, closest[:, 1], has_stereo).tolist()
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
    rows: State, obstacles: Obstacles, ahead: NDArray[np.int64], has_stereo: bool
) -> NDArray[np.bool_]:
    """(N,) the simulator's flag, which is off by one: it looks for the object before the next one
    in the lists (docs/simulator.md 1.6).

    Its own numbering counts the car itself as 0, so of the first object it tests the car, which is
    never in view.
    """
    tested = obstacles[np.arange(len(rows)), ahead - 1][:, None]
    return np.asarray(visible_obstacles(rows, tested, has_stereo)[:, 0] & (ahead > 0))


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


def place(
    track: Track | TrackSource,
    *,
    waypoint: int | None = None,
    distance: float | None = None,
    offset: float = 0.0,
    heading_deg: float = 0.0,
    speed: float = DEFAULT_SPEED_MPS,
    steering_deg: float = 0.0,
    progress: float | None = None,
    steps: int | None = None,
    objects: Obstacles | None = None,
    reverse: bool = False,
) -> Params:
    """The params of a car on a track (or the track of that name): 0.14 m ahead of its middle is the
    spot at `waypoint` or `distance` m.

    `offset` m is positive to the left of the center line, `heading_deg` is relative to the track
    there, positive to the left; `speed` m/s and `steering_deg` are the action. `progress` follows
    from the place unless given, as in an episode that began at the start line, and `steps` are those
    that a fast car takes for it; with fewer `steps` the episode began nearer, so that no car comes
    farther than it can. `reverse` drives the track the other way; waypoints and distance then count
    in that direction. Raises UsageError for both a waypoint and a distance, and for what is no
    number.

    >>> params = place("oval", waypoint=10, offset=0.2, speed=1.5)
    >>> params["closest_waypoints"], round(params["distance_from_center"], 3), params["speed"]
    ([10, 11], 0.2, 1.5)
    >>> params["is_left_of_center"], params["all_wheels_on_track"]
    (True, True)
    >>> half = 0.5 * params["track_length"]
    >>> place("oval", distance=half)["progress"], place("oval", distance=half)["steps"] > 50
    (50.0, True)
    >>> place("oval", distance=half, steps=2)["progress"] < 2.0
    True
    """
    if not isinstance(track, Track):
        track = load_track(track)
    if waypoint is not None and distance is not None:
        raise UsageError("a car is placed at a waypoint or at a distance, not at both")
    if waypoint is not None:
        distance = waypoint_distance(track, waypoint, reverse)
    rows = placed_rows(
        track,
        distance or 0.0,
        offset=offset,
        heading_deg=heading_deg,
        speed=speed,
        steering_deg=steering_deg,
        progress=progress,
        steps=steps,
        reverse=reverse,
        objects=objects,
    )
    return build_params(rows, both_directions(track), obstacles_met(rows, track, objects))[0]


def placed_rows(
    track: Track,
    distance: ArrayLike,
    *,
    offset: ArrayLike = 0.0,
    heading_deg: ArrayLike = 0.0,
    speed: ArrayLike = DEFAULT_SPEED_MPS,
    steering_deg: ArrayLike = 0.0,
    progress: ArrayLike | None = None,
    steps: ArrayLike | None = None,
    reverse: ArrayLike = False,
    objects: Obstacles | None = None,
) -> State:
    """Rows (N,) of cars placed as by `place`, of arrays (N,) or numbers; their params are
    `build_params(rows, both_directions(track))`.

    `objects` (K,) stand before every one of them (see `obstacles_met`).
    """
    numbers = {
        "distance": distance,
        "offset": offset,
        "heading": heading_deg,
        "speed": speed,
        "steering": steering_deg,
    }
    for name, given in numbers.items():
        _check_finite(name, given)
    numbers["steps"] = np.nan if steps is None else steps
    numbers["progress"] = np.nan if progress is None else progress
    numbers["reverse"] = np.asarray(reverse, dtype=bool)
    columns = _as_columns(numbers)
    state = _driving_rows(columns)
    _stand_on_track(state, columns, track)
    located = locate_cars(state, _scenario(track).packed_tracks)
    _set_episode(located, columns["progress"], columns["steps"], track)
    obstacles = obstacles_met(located, track, objects)
    if obstacles is not None and obstacles.size:
        located["crashed"] = hit_obstacle(located, obstacles) >= 0
    return located


@lru_cache(maxsize=64)
def both_directions(track: Track) -> tuple[Track, Track]:
    """The track as driven and the other way round: what the `track` column of `placed_rows` is an
    index into.
    """
    return _scenario(track).tracks


def obstacles_met(cars: State, track: Track, objects: Obstacles | None) -> Obstacles | None:
    """(N, K) the same objects (K,) before each of the `cars`, as `build_params` takes them; None for
    none.
    """
    if objects is None:
        return None
    return obstacles_before(cars, objects, _scenario(track).packed_tracks)


def waypoint_distance(track: Track, waypoint: int, reverse: bool = False) -> float:
    """Distance in m from the start line to a waypoint, which may be negative or beyond the last one
    of a loop.
    """
    s = both_directions(track)[int(reverse)].s
    count = len(s) - 1 if track.is_loop else len(s)
    if not track.is_loop and not 0 <= waypoint < count:
        raise UsageError(
            f"{track.name} is open, with waypoints 0 to {count - 1}; there is no {waypoint}"
        )
    return float(s[int(waypoint) % count])


@lru_cache(maxsize=64)
def _scenario(track: Track) -> Scenario:
    return Scenario(track, V6)


def _as_columns(numbers: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """The numbers as arrays (N,), one for each name."""
    arrays = [np.asarray(given, dtype=np.float64) for given in numbers.values()]
    columns = np.atleast_1d(*np.broadcast_arrays(*arrays))
    return {name: column.ravel() for name, column in zip(numbers, columns, strict=True)}


def _driving_rows(columns: Mapping[str, Array]) -> State:
    """Rows (N,) of cars that drive as commanded and stand nowhere yet."""
    state = np.zeros(len(columns["steps"]), STATE)
    state["track"] = columns["reverse"].astype(np.int32)
    state["phase"] = Phase.RUN
    state["status"] = Status.IN_PROGRESS
    state["dt"] = STEP_S
    state["lap_time"] = np.nan
    for name in ("vx", "speed_command", "speed_before"):
        state[name] = columns["speed"]
    for name in ("steer_command_deg", "steer_before_deg"):
        state[name] = columns["steering"]
    return state


def _stand_on_track(state: State, columns: Mapping[str, Array], track: Track) -> None:
    """Put the cars to their places, each on the track in the direction that it drives."""
    for number, driven in enumerate(both_directions(track)):
        rows = np.flatnonzero(state["track"] == number)
        if len(rows):
            pose = {name: columns[name][rows] for name in ("distance", "offset", "heading")}
            _stand_beside(state, rows, driven, **pose)


def _check_finite(name: str, given: ArrayLike) -> None:
    numbers = np.asarray(given, dtype=np.float64)
    is_bad = ~np.isfinite(numbers)
    if is_bad.any():
        raise UsageError(f"the {name} of a car is a number, not {numbers[is_bad].flat[0]}")


def _stand_beside(
    state: State,
    rows: NDArray[np.int64],
    track: Track,
    distance: Array,
    offset: Array,
    heading: Array,
) -> None:
    """Write x, y and yaw of the cars in `rows` (R,), whose front points are `offset` (R,) m beside
    the center line at `distance` (R,) m, and which head `heading` (R,) deg to the left of it.
    """
    if not track.is_loop and (distance.min() < 0.0 or distance.max() > track.length):
        raise UsageError(
            f"{track.name} is open and {track.length:.2f} m long: there is no place outside of that"
        )
    s = track.on_lap(distance)
    ahead = np.minimum(np.searchsorted(track.s, s, side="right"), len(track.s) - 1)
    step = track.center[ahead] - track.center[ahead - 1]
    along = np.arctan2(step[:, 1], step[:, 0])
    to_left = np.column_stack([-np.sin(along), np.cos(along)])
    front = geometry.point_at(track.center, s) + offset[:, None] * to_left
    yaw = geometry.wrap_angle(along + np.radians(heading))
    state["x"][rows] = front[:, 0] - FRONT_POINT_M * np.cos(yaw)
    state["y"][rows] = front[:, 1] - FRONT_POINT_M * np.sin(yaw)
    state["yaw"][rows] = yaw


def least_steps(progress: ArrayLike, track: Track) -> NDArray[np.int64]:
    """(N,) steps of the earliest call that can see a progress (N,), %, at full speed throughout.

    >>> int(least_steps(50.0, load_track("oval"))[0])  # 9.8 m at 4 m/s
    38
    """
    return _steps_for(np.abs(np.atleast_1d(progress)) / 100.0 * track.length, MAX_SPEED_MPS)


def _steps_for(distance: Array, speed: float) -> NDArray[np.int64]:
    """(N,) steps of the call that a car sees so many m (N,) after the start of its episode."""
    # rounded, as a distance made of a progress is not exact
    calls = np.ceil(np.round(distance / (speed * STEP_S), 6)).astype(np.int64)
    return np.maximum(calls + 1, FIRST_CALL_STEPS)


def _set_episode(state: State, progress: Array, steps: Array, track: Track) -> None:
    """Write the columns of progress (N,), %, and steps (N,), each of which follows from the other and
    from the place where it is nan.
    """
    fraction = state["s"] / track.length
    follows = np.isnan(progress)
    progress = np.where(follows, 100.0 * fraction, progress)
    usual = _steps_for(np.abs(progress) / 100.0 * track.length, USUAL_SPEED_MPS)
    is_free = np.isnan(steps)
    steps = np.where(is_free, usual, steps)
    reach = 100.0 * (np.maximum(steps, FIRST_CALL_STEPS) - 1.0) * MAX_SPEED_MPS * STEP_S
    progress = np.where(follows & ~is_free, np.minimum(progress, reach / track.length), progress)
    state["steps"] = steps
    state["clock"] = STEP_S * (state["steps"] - 1.0)
    state["progress"] = progress
    state["progress_before"] = np.minimum(progress, 100.0)
    state["start"] = (fraction - progress / 100.0) % 1.0
