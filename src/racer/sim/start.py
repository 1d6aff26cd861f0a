"""Where a car stands when an episode begins, and where it is put back after an incident."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.sim.state import STATE, Phase, State
from racer.sim.step import place
from racer.track.record import Track
from racer.track.road import Roads

Array = NDArray[np.float64]


def begin(tracks: Sequence[Track], roads: Roads, road: NDArray[np.int32], share: Array) -> State:
    """(N,) cars at rest at the beginning of an episode, `share` (N,) of a lap after waypoint 0 of their `road` (N,).

    The chassis origin is on the center line, heading for the next waypoint; the next step is the prepare step.
    """
    state = np.zeros(len(road), STATE)
    state["road"], state["start"], state["phase"] = road, share, Phase.PREPARE
    state["lap_time"] = np.nan
    for k in sorted(set(road.tolist())):
        mine, track = road == k, tracks[k]
        pose = _pose(track.center, track.s, share[mine] * track.length)
        state["x"][mine], state["y"][mine], state["yaw"][mine] = pose
    return place(state, roads)


def put_back(row: State, after: State, tracks: Sequence[Track], roads: Roads) -> State:
    """`after`, with every car that has just had an incident at rest on the middle of a lane.

    The lap is resumed at the progress of the incident, without the start offset, on the lane nearer to the car: two
    real resets are met within 0.3 mm (what the simulator's source calls the previous progress is by then this one).
    """
    hurt = np.flatnonzero((after["phase"] == Phase.PAUSE) & (row["phase"] == Phase.RUN))
    if len(hurt) == 0:
        return after
    back = after.copy()
    for i in hurt:
        track, old = tracks[row["road"][i]], row[i]
        x, y, yaw = _lane_pose(track, float(old["progress"]), np.array([[old["x"], old["y"]]]))
        for name, value in (
            ("x", x),
            ("y", y),
            ("yaw", yaw),
            *((rest, 0.0) for rest in ("vx", "vy", "yaw_rate", "steer")),
        ):
            back[name][i] = value
    progress_before = back["progress_before"][hurt]
    back["progress"][hurt] = progress_before
    back[hurt] = place(back[hurt], roads)
    return back


def _lane_pose(track: Track, progress: float, xy: Array) -> tuple[float, float, float]:
    """Pose on the middle of the lane nearer to `xy` (1, 2), at that percentage of the lap."""
    foot = geometry.point_at(track.center, np.array([progress / 100.0 * track.length % track.length]))
    lanes = [0.5 * (track.center + border) for border in (track.inner, track.outer)]
    spots = [geometry.project(lane, foot) for lane in lanes]
    near = int(np.argmin([np.hypot(*(point - xy)[0]) for _, _, point in spots]))
    x, y, yaw = _pose(lanes[near], geometry.arc_length(lanes[near]), spots[near][0])
    return float(x[0]), float(y[0]), float(yaw[0])


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
