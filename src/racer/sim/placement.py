"""Where cars are put: the poses in which episodes begin, and those after a penalty."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
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
    nearest_in_the_way,
    obstacles_beside,
    other_lane,
)
from racer.sim.state import STATE, Phase, State, Status
from racer.sim.step import locate_cars
from racer.track import PackedTracks, Track

Array = NDArray[np.float64]

AT_WAYPOINT_M = 1e-9
"""So near to a waypoint a start is at it but for rounding."""


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
    state["driven_x"] = state["x"]
    state["driven_y"] = state["y"]
    return locate_cars(state, packed)


def _stand_on_center(state: State, rows: NDArray[np.int64], track: Track) -> None:
    """Write the poses of the cars in `rows`: on the center line, heading for the next waypoint."""
    s = state["start"][rows] * track.length
    x = np.interp(s, track.s, track.center[:, 0])
    y = np.interp(s, track.s, track.center[:, 1])
    ahead = np.minimum(track.s.searchsorted(s, side="right"), len(track.s) - 1)
    dx = track.center[ahead, 0] - x
    dy = track.center[ahead, 1] - y
    state["x"][rows] = x
    state["y"][rows] = y
    state["yaw"][rows] = np.arctan2(dy, dx)
    to_next = track.s[ahead] - s
    nearest = np.minimum(to_next, s - track.s[ahead - 1])
    if nearest.min() >= AT_WAYPOINT_M:
        return
    for k in np.flatnonzero((nearest < AT_WAYPOINT_M) & (s > 0.0)):
        waypoint = int(ahead[k]) if to_next[k] < AT_WAYPOINT_M else int(ahead[k]) - 1
        car = state[rows[k]]
        car["x"], car["y"], car["yaw"] = _pose_at_waypoint(track, float(car["start"]), waypoint)


@lru_cache(maxsize=256)
def _pose_at_waypoint(track: Track, start: float, waypoint: int) -> tuple[float, float, float]:
    """x, y, m, and yaw, rad, of a car that starts at a waypoint but for rounding, a fraction `start`
    of the lap.

    Rounding says whether that waypoint is still ahead, and where the car heads then: it is that of
    the library that the simulator uses (docs/simulator.md 9.14).
    """
    from shapely.geometry import LinearRing, LineString, Point

    line = LinearRing(track.center) if track.is_loop else LineString(track.center)
    distance = start * line.length
    spot = line.interpolate(distance)
    last = len(track.center) - 1
    there = 1.0
    if waypoint < last:
        there = line.project(Point(track.center[waypoint]), normalized=True)
    if distance / line.length >= there:
        waypoint = (waypoint + 1) % (last + 1)
    next_x, next_y = track.center[waypoint]
    return spot.x, spot.y, float(np.arctan2(next_y - spot.y, next_x - spot.x))


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
    nearest = nearest_in_the_way(located["s"], fraction * length, length)
    is_ccw = packed.tracks["is_ccw"][track]
    lane = other_lane(located[np.arange(len(track)), nearest], is_ccw)
    return np.where(nearest < 0, 0, lane)


def put_back(
    rows: State,
    after: State,
    tracks: Sequence[Track],
    packed: PackedTracks,
    obstacles: Obstacles | None = None,
    layout: ObstacleLayout | None = None,
    rule: str = "before",
) -> State:
    """`after`, with every car that has just had an incident at rest on the middle of a lane.

    The lap is resumed, without the start offset, at the progress of the step "before" the incident
    or at the incident's "own", as `rule` says (`racer.vehicle.car.PUT_BACK_RULES`), on the lane
    nearer to where the car was in the step before; after a crash at its own progress and place.
    Where one of the `obstacles` (N, K) that stand is within 1 m of that place, the car is put
    behind it, on the other lane, or beyond it where the `layout` has mercy. A car that has run into
    a bot car is held where it is (docs/simulator.md 2.5, 9.1).
    """
    hurt = np.flatnonzero((after["phase"] == Phase.PAUSE) & (rows["phase"] == Phase.RUN))
    if len(hurt) == 0:
        return after
    back = after.copy()
    for i in hurt:
        row = rows[i : i + 1]
        track = tracks[rows["track"][i]]
        pose = None
        s = _resume_at(row, track, rule)
        if obstacles is not None and layout is not None and obstacles.size:
            pose = _pose_among_obstacles(back[i], row, s, track, obstacles[i], layout)
        if pose is None:
            pose = _pose_on_nearer_lane(row, s, track)
        back["x"][i], back["y"][i], back["yaw"][i] = pose
        for name in ("vx", "vy", "yaw_rate", "steer"):
            back[name][i] = 0.0
    back["progress"][hurt] = back["progress_before"][hurt]
    back[hurt] = locate_cars(back[hurt], packed)
    return back


def _resume_at(row: State, track: Track, rule: str) -> float:
    """m of center line where the lap of an incident, `row` (1,), is resumed; negative behind the
    start line.
    """
    progress = row["progress"][0]
    if rule == "before" and row["status"][0] != Status.CRASHED:
        progress = row["progress_before"][0]
    return float(progress) * track.length / 100.0


def _pose_on_nearer_lane(row: State, s: float, track: Track) -> Pose:
    x, y = row["driven_x"], row["driven_y"]
    if row["status"][0] == Status.CRASHED:
        x, y = row["x"], row["y"]
    spots = _spots_beside(track, [s, s], [INNER_LANE, OUTER_LANE])
    inner, outer = np.hypot(spots["x"] - x, spots["y"] - y)
    return _pose_of(spots[0 if inner < outer else 1])


def _spots_beside(track: Track, s: Sequence[float], lanes: Sequence[int]) -> Obstacles:
    """Spots on lanes beside the center line at `s` m; negative ones count from its end."""
    return obstacles_beside(track, [at % track.length if at < 0.0 else at for at in s], lanes)


def _pose_among_obstacles(
    car: np.void, row: State, s: float, track: Track, obstacles: Obstacles, layout: ObstacleLayout
) -> Pose | None:
    """Pose in which a car waits for its penalty to be over, None where no obstacle has a say in it.

    `row` (1,) is the incident and `s` m where the lap would be resumed, `obstacles` (K,) are before
    it; `car`, which is written to, counts how often it was put behind the same one.
    """
    hit = int(hit_obstacle(row, obstacles[None])[0])
    if row["status"][0] == Status.CRASHED and obstacles["moves"][hit]:
        return _pose_of(row[0])
    standing = obstacles[~obstacles["moves"]]
    if not len(standing):
        return None
    length = np.array([track.length])
    nearest = int(nearest_in_the_way(standing["s"][None], np.array([s]), length)[0])
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
    lane = other_lane(standing[[nearest]], np.array([track.is_ccw]))
    return _pose_of(_spots_beside(track, [s], lane.tolist())[0])


def _pose_of(row: np.void) -> Pose:
    """The pose in a row of cars or obstacles."""
    return Pose(float(row["x"]), float(row["y"]), float(row["yaw"]))
