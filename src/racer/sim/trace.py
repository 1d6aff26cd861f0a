"""Rows of the state table as the columns of the simulator's own log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.sim.state import State, Status
from racer.track.record import Track
from racer.track.road import Roads

WORDS = np.array([status.word for status in Status], dtype=object)


def trace(
    rows: State, action: NDArray[Any], reward: NDArray[np.float64], tracks: Sequence[Track], roads: Roads
) -> dict[str, Any]:
    """Columns of the log, in its order and units (m, deg, m/s, %, s), for N judged rows of `racer.sim.step`.

    `action` (N,) is the index of each discrete action, or -1 of a continuous one. X and Y are the pose before the
    action acts, `tstamp` is the clock when the step is over.
    """
    return {
        "episode": rows["episode"].astype(np.int64),
        "steps": rows["steps"].astype(np.float64),
        "X": rows["front_x"].copy(),
        "Y": rows["front_y"].copy(),
        "yaw": np.degrees(rows["yaw"]),
        "steer": rows["steer_command_deg"].copy(),
        "throttle": rows["speed_command"].copy(),
        "action": np.asarray(action, dtype=np.int64),
        "reward": np.asarray(reward, dtype=np.float64),
        "done": rows["done"].copy(),
        "all_wheels_on_track": rows["wheels"] == 4,
        "progress": rows["progress"].copy(),
        "closest_waypoint": closest_waypoint(rows, roads),
        "track_len": np.array([track.length for track in tracks])[rows["road"]],
        "tstamp": rows["clock"] + rows["dt"],
        "episode_status": WORDS[rows["status"]],
        "pause_duration": rows["pause"].copy(),
        "obstacle_crash_counter": np.zeros(len(rows), dtype=np.int64),
    }


def closest_waypoint(rows: State, roads: Roads) -> NDArray[np.int64]:
    """(N,) the nearer of the two closest waypoints to the front point; of equally near ones the one behind."""
    first = roads.lines["first"][3 * rows["road"]]
    front = np.column_stack([rows["front_x"], rows["front_y"]])
    behind, ahead = (
        np.sum((roads.vertex[first + rows[name], :2] - front) ** 2, axis=1) for name in ("previous", "next")
    )
    return np.where(ahead < behind, rows["next"], rows["previous"]).astype(np.int64)
