"""Single steps put together by hand: a car placed on a track, as rows of the state table and as
params.

What is placed is the front point, 0.14 m ahead of the middle of the car: the point that params call
x and y, and that they measure distances from. A place beyond the start line is a place of the next
lap.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer import geometry
from racer.errors import UsageError
from racer.sim.obstacles import Obstacles, hit_obstacle, obstacles_before
from racer.sim.params import Params, build_params
from racer.sim.simulation import Scenario
from racer.sim.state import STATE, Phase, State, Status
from racer.sim.step import locate_cars
from racer.track.track import Track
from racer.vehicle.car import FRONT_POINT_M, STEP_S, V6

Array = NDArray[np.float64]

DEFAULT_SPEED_MPS = 1.0  # m/s, where nothing else is asked for


@lru_cache(maxsize=64)
def both_directions(track: Track) -> tuple[Track, Track]:
    """The track as driven and the other way round: what the `road` column of `rows` is an index
    into.
    """
    return _race(track).tracks


def place(
    track: Track,
    *,
    waypoint: int | None = None,
    distance: float | None = None,
    offset: float = 0.0,
    heading_deg: float = 0.0,
    speed: float = DEFAULT_SPEED_MPS,
    steering_deg: float = 0.0,
    progress: float | None = None,
    steps: int = 2,
    objects: Obstacles | None = None,
    reverse: bool = False,
) -> Params:
    """The params of a car on a track: 0.14 m ahead of its middle is the spot at `waypoint` or
    `distance` m.

    `offset` m is positive to the left of the center line, `heading_deg` is relative to the road
    there, positive to the left; `speed` m/s and `steering_deg` are the action. `progress` follows
    from the place unless given, as in an episode that began at the start line. `reverse` drives the
    track the other way; waypoints and distance then count in that direction. Raises UsageError for
    both a waypoint and a distance, and for what is no number.
    """
    if waypoint is not None and distance is not None:
        raise UsageError("a car is placed at a waypoint or at a distance, not at both")
    s = waypoint_distance(track, waypoint, reverse) if waypoint is not None else distance or 0.0
    row = placed_rows(
        track, s, offset=offset, heading_deg=heading_deg, speed=speed, steering_deg=steering_deg, progress=progress,
        steps=steps, reverse=reverse, objects=objects,
    )  # fmt: skip
    return build_params(row, both_directions(track), obstacles_met(row, track, objects))[0]


def obstacles_met(cars: State, track: Track, objects: Obstacles | None) -> Obstacles | None:
    """(N, K) the same objects (K,) before each of the `cars`, as `params` takes them; None for
    none.
    """
    return None if objects is None else obstacles_before(cars, objects, _race(track).roads)


def waypoint_distance(track: Track, waypoint: int, reverse: bool = False) -> float:
    """Distance in m from the start line to a waypoint, which may be negative or beyond the last one
    of a loop.
    """
    along = both_directions(track)[int(reverse)].s
    count = len(along) - 1 if track.is_loop else len(along)
    if not track.is_loop and not 0 <= waypoint < count:
        raise UsageError(
            f"{track.name} is open, with waypoints 0 to {count - 1}; there is no {waypoint}"
        )
    return float(along[int(waypoint) % count])


def placed_rows(
    track: Track,
    distance: ArrayLike,
    *,
    offset: ArrayLike = 0.0,
    heading_deg: ArrayLike = 0.0,
    speed: ArrayLike = DEFAULT_SPEED_MPS,
    steering_deg: ArrayLike = 0.0,
    progress: ArrayLike | None = None,
    steps: ArrayLike = 2,
    reverse: ArrayLike = False,
    objects: Obstacles | None = None,
) -> State:
    """Rows (N,) of cars placed as by `at`, of arrays (N,) or numbers; their params are
    `params(rows, ways(track))`.

    `objects` (K,) stand before every one of them (see `met`).
    """
    given = (
        distance,
        offset,
        heading_deg,
        speed,
        steering_deg,
        steps,
        np.nan if progress is None else progress,
    )
    columns = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in given), np.asarray(reverse, dtype=bool)
    )
    s, aside, heading, pace, steering, count, told, back = (
        np.atleast_1d(column).ravel() for column in columns
    )
    for name, column in zip(
        ("distance", "offset", "heading", "speed", "steering"), columns, strict=False
    ):
        if not np.isfinite(column).all():
            raise UsageError(
                f"the {name} of a car is a number, not {column[~np.isfinite(column)].flat[0]}"
            )
    state = np.zeros(len(s), STATE)
    state["road"] = back
    for road, way in enumerate(both_directions(track)):
        mine = back == bool(road)
        if mine.any():
            _set_down(state, mine, way, s[mine], aside[mine], np.radians(heading[mine]))
    state["phase"], state["status"], state["dt"] = Phase.RUN, Status.IN_PROGRESS, STEP_S
    state["steps"], state["clock"], state["lap_time"] = count, STEP_S * (count - 1.0), np.nan
    state["vx"], state["speed_command"], state["speed_before"] = pace, pace, pace
    state["steer_command_deg"] = state["steer_before_deg"] = steering
    return _with_progress(locate_cars(state, _race(track).roads), told, track, objects)


@lru_cache(maxsize=64)
def _race(track: Track) -> Scenario:
    return Scenario(track, V6)


def _set_down(
    state: State, mine: NDArray[np.bool_], way: Track, s: Array, offset: Array, heading: Array
) -> None:
    """Write x, y and yaw of the cars `mine`, whose front points are `offset` beside the center line
    at `s`.
    """
    if way.is_loop:
        s = s % way.length
    elif s.min() < 0.0 or s.max() > way.length:
        raise UsageError(
            f"{way.name} is open and {way.length:.2f} m long: there is no place outside of that"
        )
    ahead = np.minimum(np.searchsorted(way.s, s, side="right"), len(way.s) - 1)
    step = way.center[ahead] - way.center[ahead - 1]
    along = np.arctan2(step[:, 1], step[:, 0])
    front = geometry.point_at(way.center, s) + offset[:, None] * np.column_stack(
        [-np.sin(along), np.cos(along)]
    )
    yaw = geometry.wrap_angle(along + heading)
    state["x"][mine] = front[:, 0] - FRONT_POINT_M * np.cos(yaw)
    state["y"][mine] = front[:, 1] - FRONT_POINT_M * np.sin(yaw)
    state["yaw"][mine] = yaw


def _with_progress(placed: State, told: Array, track: Track, objects: Obstacles | None) -> State:
    """The rows with `progress` as told, or from the start line where it is nan, and with what they
    have hit.
    """
    share = placed["s"] / track.length
    progress = np.where(np.isnan(told), 100.0 * share, told)
    placed["progress"], placed["progress_before"] = progress, np.minimum(progress, 100.0)
    placed["start"] = (share - progress / 100.0) % 1.0
    bodies = obstacles_met(placed, track, objects)
    if bodies is not None and bodies.size:
        placed["crashed"] = hit_obstacle(placed, bodies) >= 0
    return placed
