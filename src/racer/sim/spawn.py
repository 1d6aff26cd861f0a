"""Where a car stands when an episode begins, and where it is put back after an incident."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.sim.obstacle_layout import ObstacleLayout
from racer.sim.obstacles import (
    INNER_LANE,
    OUTER_LANE,
    Obstacles,
    hit_obstacle,
    locate_obstacles,
    obstacles_beside,
)
from racer.sim.state import STATE, Phase, State, Status
from racer.sim.step import locate_cars
from racer.track.spatial_index import PackedTracks
from racer.track.track import Track

Array = NDArray[np.float64]

IN_THE_WAY_M = 1.0
"""Distance along the center line within which an obstacle is in the way of a car that is placed."""


class Pose(NamedTuple):
    """Where a car stands and where it heads: m and rad."""

    x: float
    y: float
    yaw: float


def begin_episodes(
    tracks: Sequence[Track],
    packed: PackedTracks,
    track: NDArray[np.int32],
    fraction: Array,
    lane: NDArray[np.int64] | None = None,
) -> State:
    """(N,) cars at rest at the beginning of an episode, `fraction` (N,) of a lap after waypoint 0 of
    their `track` (N,), an index into `tracks` and `packed`.

    The chassis origin is on the center line, or on the middle of a `lane` (N,) where that is not 0,
    heading for the next waypoint; the next step is the prepare step.
    """
    state = np.zeros(len(track), STATE)
    state["track"] = track
    state["start"] = fraction
    state["phase"] = Phase.PREPARE
    state["lap_time"] = np.nan
    for number in sorted(set(track.tolist())):
        rows = np.flatnonzero(track == number)
        _stand_on_center(state, rows, tracks[number])
        if lane is not None:
            _stand_on_lane(state, rows[lane[rows] != 0], tracks[number], lane)
    return locate_cars(state, packed)


def _stand_on_center(state: State, rows: NDArray[np.int64], track: Track) -> None:
    """Write the poses of the cars in `rows`: on the center line, heading for the next waypoint."""
    s = state["start"][rows] * track.length
    x = np.interp(s, track.s, track.center[:, 0])
    y = np.interp(s, track.s, track.center[:, 1])
    ahead = np.minimum(track.s.searchsorted(s, side="right"), len(track.s) - 1)
    dx = track.center[ahead, 0] - x
    dy = track.center[ahead, 1] - y
    is_there = (dx == 0.0) & (dy == 0.0)
    if is_there.any():
        last_step = track.center[ahead] - track.center[ahead - 1]
        dx[is_there] = last_step[is_there, 0]
        dy[is_there] = last_step[is_there, 1]
    state["x"][rows] = x
    state["y"][rows] = y
    state["yaw"][rows] = np.arctan2(dy, dx)


def _stand_on_lane(
    state: State, rows: NDArray[np.int64], track: Track, lane: NDArray[np.int64]
) -> None:
    """Write the poses of the cars in `rows`: on the middle of their lanes, along them."""
    spots = obstacles_beside(track, state["start"][rows] * track.length, lane[rows])
    for name in Pose._fields:
        state[name][rows] = spots[name]


def free_lanes(
    obstacles: Obstacles, packed: PackedTracks, track: NDArray[np.int32], fraction: Array
) -> NDArray[np.int64] | None:
    """(N,) the lane beside the nearest obstacle (N, K) within 1 m of the start of each car, 0 where
    there is none.

    None where there are no obstacles at all. Distances are not those of a loop, as in the simulator
    (docs/simulator.md 2.3).
    """
    if obstacles.size == 0:
        return None
    # the layout of the episode before may be of the other direction
    located = locate_obstacles(obstacles, track, packed)
    length = packed.vertices["s"][packed.tracks["center"]["last"][track]]
    nearest = _nearest_in_the_way(located["s"], fraction * length, length)
    is_ccw = packed.tracks["is_ccw"][track]
    lane = _other_lane(located[np.arange(len(track)), nearest], is_ccw)
    return np.where(nearest < 0, 0, lane)


def _nearest_in_the_way(s: Array, spot: Array, length: Array) -> NDArray[np.int64]:
    """(N,) index of the nearest of obstacles at `s` (N, K) m to a `spot` (N,) m, -1 for none within
    `IN_THE_WAY_M`, on laps of `length` (N,) m.
    """
    gap = np.abs(s - spot[:, None]) % length[:, None]
    nearest = np.argmin(gap, axis=1)
    return np.where(gap[np.arange(len(spot)), nearest] < IN_THE_WAY_M, nearest, -1)


def _other_lane(obstacles: Obstacles, is_ccw: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,) the lane that each of the obstacles (N,) is not on."""
    return np.where(obstacles["left"] == is_ccw, OUTER_LANE, INNER_LANE)


def put_back(
    rows: State,
    after: State,
    tracks: Sequence[Track],
    packed: PackedTracks,
    obstacles: Obstacles | None = None,
    layout: ObstacleLayout | None = None,
) -> State:
    """`after`, with every car that has just had an incident at rest on the middle of a lane.

    The lap is resumed at the progress of the incident, without the start offset, on the lane nearer
    to the car: two real resets are met within 0.3 mm (what the simulator's source calls the
    previous progress is by then this one). Where one of the `obstacles` (N, K) that stand is within
    1 m of that place, the car is put behind it, on the other lane, or beyond it where the `layout`
    has mercy. A car that has run into a bot car is held where it is.
    """
    hurt = np.flatnonzero((after["phase"] == Phase.PAUSE) & (rows["phase"] == Phase.RUN))
    if len(hurt) == 0:
        return after
    back = after.copy()
    for i in hurt:
        row = rows[i : i + 1]
        track = tracks[rows["track"][i]]
        pose = None
        if obstacles is not None and layout is not None and obstacles.size:
            pose = _pose_among_obstacles(back[i], row, track, obstacles[i], layout)
        if pose is None:
            pose = _pose_on_nearer_lane(row, track)
        back["x"][i], back["y"][i], back["yaw"][i] = pose
        for name in ("vx", "vy", "yaw_rate", "steer"):
            back[name][i] = 0.0
    back["progress"][hurt] = back["progress_before"][hurt]
    back[hurt] = locate_cars(back[hurt], packed)
    return back


def _resume_at(row: State, track: Track) -> float:
    """m of center line where the lap of an incident, `row` (1,), is resumed."""
    return float(row["progress"][0]) / 100.0 * track.length % track.length


def _pose_on_nearer_lane(row: State, track: Track) -> Pose:
    s = _resume_at(row, track)
    spots = obstacles_beside(track, [s, s], [INNER_LANE, OUTER_LANE])
    nearer = np.argmin(np.hypot(spots["x"] - row["x"], spots["y"] - row["y"]))
    return _pose_of(spots[nearer])


def _pose_among_obstacles(
    car: np.void, row: State, track: Track, obstacles: Obstacles, layout: ObstacleLayout
) -> Pose | None:
    """Pose in which a car waits for its penalty to be over, None where no obstacle has a say in it.

    `row` (1,) is the incident, `obstacles` (K,) are before it; `car`, which is written to, counts
    how often it was put behind the same one.
    """
    hit = int(hit_obstacle(row, obstacles[None])[0])
    if row["status"][0] == Status.CRASHED and obstacles["moves"][hit]:
        return _pose_of(row[0])
    standing = obstacles[~obstacles["moves"]]
    if not len(standing):
        return None
    spot = np.array([_resume_at(row, track)])
    nearest = int(_nearest_in_the_way(standing["s"][None], spot, np.array([track.length]))[0])
    if nearest < 0:
        return None
    return _pose_around(car, standing, nearest, track, layout)


def _pose_around(
    car: np.void, standing: Obstacles, nearest: int, track: Track, layout: ObstacleLayout
) -> Pose:
    """Pose behind the `nearest` obstacle on the other lane; with mercy, every third time beyond it."""
    is_same_one = car["obstacle"] == nearest + 1
    car["obstacle_crashes"] = car["obstacle_crashes"] + 1 if is_same_one else 1
    car["obstacle"] = nearest + 1
    shift = -layout.reset_behind_dist
    if not layout.enable_mercy_reset:
        car["obstacle_crashes"] = 0
    elif car["obstacle_crashes"] == layout.max_resets_after_crash:
        car["obstacle_crashes"] = 0
        shift = layout.reset_ahead_dist
    s = float(standing["s"][nearest]) + shift
    if s < 0.0:
        s %= track.length
    lane = _other_lane(standing[[nearest]], np.array([track.is_ccw]))
    return _pose_of(obstacles_beside(track, [s], lane)[0])


def _pose_of(row: np.void) -> Pose:
    """The pose in a row of cars or obstacles."""
    return Pose(float(row["x"]), float(row["y"]), float(row["yaw"]))
