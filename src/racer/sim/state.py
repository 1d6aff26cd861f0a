"""The table of cars: one row a car (or a recorded step), one column a fact. SI units and radians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from math import inf
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from racer.track import Track

HELD_STATUSES = ("prepare", "pause", "park")
"""The log's words for steps in which the car is held: its command does nothing."""

STATE = np.dtype(
    [
        # who and when
        ("track", np.int32),  # index into the packed tracks
        # counted from 0; in a continuous race it counts laps, as the simulator's log does
        ("episode", np.int32),
        ("steps", np.int32),  # 1 is the prepare step
        ("phase", np.int8),
        ("status", np.int8),
        ("done", np.bool_),
        ("clock", np.float64),  # s of simulation time at the beginning of the step
        ("dt", np.float64),  # s that the step lasted
        # chassis: origin midway between the axles
        ("x", np.float64),  # m
        ("y", np.float64),
        ("yaw", np.float64),  # rad, (-pi, pi], counterclockwise
        ("vx", np.float64),  # m/s, forward
        ("vy", np.float64),  # m/s, to the left
        ("yaw_rate", np.float64),  # rad/s
        ("driven_x", np.float64),  # m, origin in the step before in which the car drove
        ("driven_y", np.float64),
        ("steer", np.float64),  # rad, of the front wheels
        # commands: this step's, the one before, and the one before that
        # (in degrees, because they reach rewards and logs to the last bit as they were chosen)
        ("steer_command_deg", np.float64),  # + is left, as chosen (not clipped)
        ("speed_command", np.float64),  # m/s, as chosen (not clipped)
        ("steer_before_deg", np.float64),
        ("speed_before", np.float64),
        ("steer_earlier_deg", np.float64),
        ("speed_earlier", np.float64),
        # place on the track, of the front point (0.14 m ahead of the origin)
        ("front_x", np.float64),  # m
        ("front_y", np.float64),
        ("s", np.float64),  # m of center line from waypoint 0
        ("distance", np.float64),  # m from the center line, unsigned
        ("inner_distance", np.float64),  # m to the inner border's spot nearest to the center foot
        ("outer_distance", np.float64),
        ("width", np.float64),  # m between those two spots
        ("left", np.bool_),  # is_left_of_center
        ("previous", np.int32),  # closest waypoints
        ("next", np.int32),
        # the nearer of the two; of equally near ones the one behind: what the log names
        ("closest", np.int32),
        ("wheels", np.int8),  # wheel centers on the road, 0 to 4
        # the episode
        ("start", np.float64),  # fraction of the lap where the episode started, [0, 1)
        ("progress", np.float64),  # %
        ("progress_before", np.float64),  # % at the step before; 0 after a completed lap
        ("crashed", np.bool_),  # a corner is inside an obstacle, and that counts
        ("touched", np.bool_),  # one is, and it does not count: of a bot car that is behind
        ("obstacle", np.int8),  # that it was put back behind last, counted from 1; 0 for none
        ("obstacle_crashes", np.int8),  # times in turn, counted where there is mercy
        # consecutive driven steps of falling progress and without motion, this one included
        ("backward_steps", np.int32),
        ("still_steps", np.int32),
        ("resets", np.int32),
        ("off_tracks", np.int32),  # incidents of this lap
        ("crashes", np.int32),
        ("pause", np.float64),  # s of penalty left
        ("episode_laps", np.int32),  # laps completed in this episode
        ("episode_start", np.float64),  # s, clock when the episode began
        ("lap_start", np.float64),  # s, clock when the lap began
        ("lap_time", np.float64),  # s, on the step that completes a lap; else nan
    ],
    align=True,
)

State = NDArray[np.void]
"""(N,) rows of `STATE`. Functions return new tables and leave their arguments alone."""

ROW_BYTES = np.dtype((np.void, STATE.itemsize))
"""Rows as bytes: numpy copies such a row at once, and a row of `STATE` column by column."""

_CODES = {"int8": "b", "int32": "i", "bool": "?", "float64": "d"}

_FORMER_COLUMNS = {"road": "track", "aside": "distance"}
"""Names that columns had in snapshots of earlier versions."""


class Phase(IntEnum):
    """What a car's next step is."""

    PREPARE = 0  # held at its start
    RUN = 1
    PAUSE = 2  # held after an incident until its penalty is over


class Status(IntEnum):
    """The simulator's words for a step, as in `episode_status`. Of several that hold at once the
    lowest number wins (docs/simulator.md 2.4).
    """

    LAP_COMPLETE = 0
    CRASHED = 1
    OFF_TRACK = 2
    IMMOBILIZED = 3
    TIME_UP = 4
    REVERSED = 5
    IN_PROGRESS = 6
    PREPARE = 7
    PAUSE = 8

    @property
    def word(self) -> str:
        """As the log has it."""
        return self.name.lower()


def column_reader(*names: str) -> Struct:
    """What takes the values of these columns out of the bytes of rows, in the order of `STATE` and
    as Python's own numbers.

    For one row or a thousand that is faster than a view of the rows or a list a column.
    """
    code = "="
    end = 0
    for name, (dtype, offset, *_) in (STATE.fields or {}).items():
        if name in names:
            code += f"{offset - end}x{_CODES[dtype.name]}"
            end = offset + dtype.itemsize
    return Struct(f"{code}{STATE.itemsize - end}x")


def with_columns_of(saved: object, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """A new table of `dtype` with the columns of a saved one; 0 where that has none, but a car that
    is not known to have been elsewhere drove where it is.
    """
    old = np.asarray(saved)
    names = [_FORMER_COLUMNS.get(name, name) for name in old.dtype.names or ()]
    table = np.zeros(old.shape, dtype)
    for former, name in zip(old.dtype.names or (), names, strict=True):
        table[name] = old[former]
    if "driven_x" in (dtype.names or ()) and "driven_x" not in names:
        table["driven_x"] = table["x"]
        table["driven_y"] = table["y"]
    return table


class Rules(NamedTuple):
    """When an episode ends and what an incident costs. A tuple of numbers, so that compiled code
    takes it as it is.
    """

    laps: int = 1  # laps of a continuous race; the episode is over when they are driven
    resets: int = 0  # incidents forgiven an episode; the next one ends it
    off_track_penalty: float = 0.0  # s held after leaving the road or driving backward
    collision_penalty: float = 0.0  # s held after a crash
    immobilized_penalty: float = 0.0  # s
    backward_limit: int = 15  # steps of falling progress that count as reversed
    still_limit: int = 15  # steps without motion that count as immobilized
    time_limit: float = inf  # s of simulation time; the first step that begins later is time_up
    step_limit: int = 100_000  # steps until the environment cuts an episode


TRAINING = Rules()
"""The first incident ends the episode; so does a completed lap."""

EVALUATION = Rules(laps=5, resets=10_000, off_track_penalty=2.0, collision_penalty=5.0)
"""Continuous laps; an incident costs a penalty and puts the car back onto the road."""

STATUS_WORDS = np.array([status.word for status in Status], dtype=object)


def trace_columns(
    rows: State, action: NDArray[Any], reward: NDArray[np.float64], tracks: Sequence[Track]
) -> dict[str, Any]:
    """Columns of the log, in its order and units (m, deg, m/s, %, s), for N judged rows of
    `racer.sim.step`.

    `action` (N,) is the index of each discrete action, or -1 of a continuous one. X and Y are the
    pose before the action acts, `tstamp` is the clock when the step is over. Where they can be,
    columns are views of `rows`.
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
        "track_len": np.array([track.length for track in tracks])[rows["track"]],
        "tstamp": rows["clock"] + rows["dt"],
        "episode_status": STATUS_WORDS[rows["status"]],
        "pause_duration": rows["pause"],
        "obstacle_crash_counter": rows["obstacle_crashes"].astype(np.int64),
    }


_READER = column_reader(
    "episode", "status", "done", "clock", "dt", "closest", "progress", "obstacle_crashes", "pause"
)


def trace_row(rows: State, params: Mapping[str, Any], action: int, reward: float) -> dict[str, Any]:
    """`trace_columns` of the only row of `rows` (1,), from its `params`, as plain Python values."""
    episode, status, done, clock, dt, closest, progress, crashes, pause = _READER.unpack(
        rows.tobytes()
    )
    return {
        "episode": episode,
        "steps": params["steps"],
        "X": params["x"],
        "Y": params["y"],
        "yaw": params["heading"],
        "steer": params["steering_angle"],
        "throttle": params["speed"],
        "action": action,
        "reward": reward,
        "done": done,
        "all_wheels_on_track": params["all_wheels_on_track"],
        "progress": progress,
        "closest_waypoint": closest,
        "track_len": params["track_length"],
        "tstamp": clock + dt,
        "episode_status": STATUS_WORDS[status],
        "pause_duration": pause,
        "obstacle_crash_counter": crashes,
    }
