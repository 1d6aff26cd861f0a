"""Where a car stands when an episode begins, and where it is put back after an incident."""

from __future__ import annotations

from collections.abc import Sequence

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

IN_THE_WAY_M = 1.0  # m of center line within which an object is in the way of a car that is placed


def begin_episodes(
    tracks: Sequence[Track],
    roads: PackedTracks,
    road: NDArray[np.int32],
    share: Array,
    lane: NDArray[np.int64] | None = None,
) -> State:
    """(N,) cars at rest at the beginning of an episode, `share` (N,) of a lap after waypoint 0 of
    their `road` (N,).

    The chassis origin is on the center line, or on the middle of a `lane` (N,) where that is not 0,
    heading for the next waypoint; the next step is the prepare step.
    """
    state = np.zeros(len(road), STATE)
    state["road"], state["start"], state["phase"] = road, share, Phase.PREPARE
    state["lap_time"] = np.nan
    for k in sorted(set(road.tolist())):
        mine, track = road == k, tracks[k]
        pose = _pose(track.center, track.s, share[mine] * track.length)
        state["x"][mine], state["y"][mine], state["yaw"][mine] = pose
        if lane is not None:
            aside = np.flatnonzero(mine & (lane != 0))
            spots = obstacles_beside(track, share[aside] * track.length, lane[aside])
            for name in ("x", "y", "yaw"):
                state[name][aside] = spots[name]
    return locate_cars(state, roads)


def free_lanes(
    bodies: Obstacles, roads: PackedTracks, road: NDArray[np.int32], share: Array
) -> NDArray[np.int64] | None:
    """(N,) the lane beside the nearest object (N, K) within 1 m of the start of each car, 0 where
    there is none.

    None where there are no objects at all. Distances are not those of a loop, as in the simulator
    (SIMULATOR.md 2.3).
    """
    if bodies.size == 0:
        return None
    # the layout of the episode before may be of the other direction
    met = locate_obstacles(bodies, road, roads)
    length = roads.vertices["s"][roads.tracks["center"]["last"][road]]
    near = _nearest(met["s"], share * length, length)
    is_outer = _other_lane(met[np.arange(len(road)), near], roads.tracks["is_ccw"][road])
    return np.where(near < 0, 0, is_outer)


def _nearest(s: Array, at: Array, length: Array) -> NDArray[np.int64]:
    """(N,) index of the nearest of objects at `s` (N, K) m to a place (N,) m, -1 for none within 1
    m.
    """
    gap = np.abs(s - at[:, None]) % length[:, None]
    nearest = np.argmin(gap, axis=1)
    return np.where(gap[np.arange(len(at)), nearest] < IN_THE_WAY_M, nearest, -1)


def _other_lane(objects: Obstacles, is_ccw: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,) the lane that each of the objects (N,) is not on."""
    return np.where(objects["left"] == is_ccw, OUTER_LANE, INNER_LANE)


def put_back(
    row: State,
    after: State,
    tracks: Sequence[Track],
    roads: PackedTracks,
    bodies: Obstacles | None = None,
    course: ObstacleLayout | None = None,
) -> State:
    """`after`, with every car that has just had an incident at rest on the middle of a lane.

    The lap is resumed at the progress of the incident, without the start offset, on the lane nearer
    to the car: two real resets are met within 0.3 mm (what the simulator's source calls the
    previous progress is by then this one). Where one of the obstacles among `bodies` (N, K) is
    within 1 m of that place, the car is put behind it, on the other lane, or beyond it where the
    `course` has mercy. A car that has run into a bot car is held where it is.
    """
    hurt = np.flatnonzero((after["phase"] == Phase.PAUSE) & (row["phase"] == Phase.RUN))
    if len(hurt) == 0:
        return after
    back = after.copy()
    for i in hurt:
        met = bodies[i] if bodies is not None and bodies.size else None
        x, y, yaw = _held(back[i], row[i : i + 1], tracks[row["road"][i]], met, course)
        for name, value in (
            ("x", x),
            ("y", y),
            ("yaw", yaw),
            *((rest, 0.0) for rest in ("vx", "vy", "yaw_rate", "steer")),
        ):
            back[name][i] = value
    progress_before = back["progress_before"][hurt]
    back["progress"][hurt] = progress_before
    back[hurt] = locate_cars(back[hurt], roads)
    return back


def _held(
    car: np.void, row: State, track: Track, bodies: Obstacles | None, course: ObstacleLayout | None
) -> tuple[float, float, float]:
    """Pose in which a car waits for its penalty to be over; `row` (1,) is the incident, `bodies`
    (K,) are before it.
    """
    spawn = float(row["progress"][0]) / 100.0 * track.length % track.length
    if bodies is not None and course is not None:
        which = int(hit_obstacle(row, bodies[None])[0])
        if row["status"][0] == Status.CRASHED and bodies["moves"][which]:
            return float(row["x"][0]), float(row["y"][0]), float(row["yaw"][0])
        obstacles = bodies[~bodies["moves"]]
        k = (
            int(_nearest(obstacles["s"][None], np.array([spawn]), np.array([track.length]))[0])
            if len(obstacles)
            else -1
        )
        if k >= 0:
            return _around(car, obstacles, k, track, course)
    spots = obstacles_beside(track, [spawn, spawn], [INNER_LANE, OUTER_LANE])
    near = spots[np.argmin(np.hypot(spots["x"] - row["x"], spots["y"] - row["y"]))]
    return float(near["x"]), float(near["y"]), float(near["yaw"])


def _around(
    car: np.void, obstacles: Obstacles, k: int, track: Track, course: ObstacleLayout
) -> tuple[float, float, float]:
    """Pose behind obstacle `k` on the other lane; with mercy, every third time beyond it. Counts
    these times.
    """
    car["obstacle_crashes"] = car["obstacle_crashes"] + 1 if car["obstacle"] == k + 1 else 1
    car["obstacle"] = k + 1
    shift = -course.reset_behind_dist
    if not course.enable_mercy_reset:
        car["obstacle_crashes"] = 0
    elif car["obstacle_crashes"] == course.max_resets_after_crash:
        car["obstacle_crashes"], shift = 0, course.reset_ahead_dist
    s = float(obstacles["s"][k]) + shift
    lane = _other_lane(obstacles[[k]], np.array([track.is_ccw]))
    spot = obstacles_beside(track, [s % track.length if s < 0.0 else s], lane)[0]
    return float(spot["x"]), float(spot["y"]), float(spot["yaw"])


def _pose(line: Array, along: Array, s: Array) -> tuple[Array, Array, Array]:
    """x, y and yaw (N,) at arc length `s` (N,) m of a line, heading for the next of its points.

    `along` (W,) m is the arc length of those.
    """
    ahead = np.minimum(along.searchsorted(s, side="right"), len(line) - 1)
    x, y = np.interp(s, along, line[:, 0]), np.interp(s, along, line[:, 1])
    dx, dy = line[ahead, 0] - x, line[ahead, 1] - y
    still = (dx == 0.0) & (dy == 0.0)
    if still.any():
        dx[still], dy[still] = (line[ahead] - line[ahead - 1])[still].T
    return x, y, np.arctan2(dy, dx)
