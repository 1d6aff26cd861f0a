"""Rows of the state table as the columns of the simulator's own log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.sim.state import STATE, State, Status
from racer.track.record import Track

WORDS = np.array([status.word for status in Status], dtype=object)


def trace(rows: State, action: NDArray[Any], reward: NDArray[np.float64], tracks: Sequence[Track]) -> dict[str, Any]:
    """Columns of the log, in its order and units (m, deg, m/s, %, s), for N judged rows of `racer.sim.step`.

    `action` (N,) is the index of each discrete action, or -1 of a continuous one. X and Y are the pose before the
    action acts, `tstamp` is the clock when the step is over. Where they can be, columns are views of `rows`.
    """
    return {
        "episode": rows["episode"].astype(np.int64),
        "steps": rows["steps"].astype(np.float64),
        "X": rows["front_x"],
        "Y": rows["front_y"],
        "yaw": np.degrees(rows["yaw"]),
        "steer": rows["steer_command_deg"],
        "throttle": rows["speed_command"],
        "action": np.asarray(action, dtype=np.int64),
        "reward": np.asarray(reward, dtype=np.float64),
        "done": rows["done"],
        "all_wheels_on_track": rows["wheels"] == 4,
        "progress": rows["progress"],
        "closest_waypoint": rows["closest"].astype(np.int64),
        "track_len": np.array([track.length for track in tracks])[rows["road"]],
        "tstamp": rows["clock"] + rows["dt"],
        "episode_status": WORDS[rows["status"]],
        "pause_duration": rows["pause"],
        "obstacle_crash_counter": rows["obstacle_crashes"].astype(np.int64),
    }


_READ = STATE[["episode", "done", "progress", "closest", "clock", "dt", "status", "pause", "obstacle_crashes"]]


def trace_row(rows: State, told: Mapping[str, Any], action: int, reward: float) -> dict[str, Any]:
    """The same for the one row of `rows` and its params, as plain Python values."""
    episode, done, progress, closest, clock, dt, status, pause, crashes = rows.view(_READ).item()
    return {
        "episode": episode,
        "steps": told["steps"],
        "X": told["x"],
        "Y": told["y"],
        "yaw": told["heading"],
        "steer": told["steering_angle"],
        "throttle": told["speed"],
        "action": action,
        "reward": reward,
        "done": done,
        "all_wheels_on_track": told["all_wheels_on_track"],
        "progress": progress,
        "closest_waypoint": closest,
        "track_len": told["track_length"],
        "tstamp": clock + dt,
        "episode_status": WORDS[status],
        "pause_duration": pause,
        "obstacle_crash_counter": crashes,
    }
