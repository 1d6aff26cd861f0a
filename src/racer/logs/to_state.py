"""Recorded steps as rows of the state table: one builder of params, and one projection, for the
simulator and for logs.

What a log does not say is worked out from what it says: where on its lap an episode began from
position and progress, and speeds from poses. What no column tells, the angle of the wheels, is the
nearest honest guess: the last command.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.geometry import wrap_angle
from racer.logs.schema import row_episode_ids
from racer.sim import STATE, Phase, State, Status, locate_cars, locate_in_sequence
from racer.stats import circular_median
from racer.track import PackedTracks, Track, pack_tracks
from racer.vehicle import FRONT_POINT_M, SPEED_LIMITS_MPS, STEERING_LIMIT_DEG, STEP_S

START_FRACTION_STEP = 0.05
"""Fraction of a lap that starts of episodes are multiples of: the simulator's round robin
(docs/simulator.md 2.3)."""
START_SNAP_FRACTION = 0.0005
"""Fraction of a lap within which a start is taken for such a multiple."""

_STATUS_OF_WORD = {status.word: status for status in Status} | {"park": Status.PAUSE}
_PHASE_OF_STATUS = {Status.PREPARE: Phase.PREPARE, Status.PAUSE: Phase.PAUSE}

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def state_rows(trace: pd.DataFrame, track: Track, packed: PackedTracks | None = None) -> State:
    """(N,) rows of `racer.sim.state.STATE`, one for each row of a trace that was driven on `track`.

    They serve `racer.sim.build_params(rows, [track])` and the sensors. `packed` is
    `pack_tracks([track])`, where the caller has it already. Speeds are central differences of the
    poses, at 1/15 s a step.
    """
    state = np.zeros(len(trace), STATE)
    if not len(trace):
        return state
    begins = episode_begins(trace)
    _fill_status(state, trace)
    _fill_clock(state, trace, begins)
    _fill_poses(state, trace)
    _fill_driven(state, begins)
    _fill_commands(state, trace, begins)
    _fill_speeds(state, begins)
    packed = packed or pack_tracks([track])
    lap_fraction = locate_cars(state, packed)["s"] / track.length
    state["start"] = _starts(lap_fraction, trace["progress"].to_numpy(float), begins)
    state["progress"] = np.where(trace["steps"] <= 1.0, 0.0, trace["progress"])
    return locate_in_sequence(state, begins, packed)


def episode_begins(trace: pd.DataFrame) -> BoolArray:
    """(N,) whether an episode begins with a row, or the trace joins it there."""
    begins = np.diff(row_episode_ids(trace), prepend=0) != 0
    begins[:1] = True
    return np.asarray(begins)


def _fill_status(state: State, trace: pd.DataFrame) -> None:
    words = trace["episode_status"].astype(object)
    status = np.array(
        [_STATUS_OF_WORD.get(word, Status.IN_PROGRESS) for word in words], dtype=np.int8
    )
    state["status"] = status
    state["phase"] = Phase.RUN
    for held_status, phase in _PHASE_OF_STATUS.items():
        state["phase"][status == held_status] = phase
    state["crashed"] = status == Status.CRASHED
    for name in ("episode", "steps", "done"):
        state[name] = trace[name]
    if "pause_duration" in trace:
        state["pause"] = np.nan_to_num(trace["pause_duration"])


def _fill_clock(state: State, trace: pd.DataFrame, begins: BoolArray) -> None:
    tstamp = trace["tstamp"].to_numpy(float)
    gap = np.diff(tstamp, prepend=tstamp[0])
    state["dt"] = np.where(begins | (gap <= 0.0), STEP_S, gap)
    state["clock"] = tstamp - state["dt"]
    episode_start = state["clock"][_first_row_of_episode(begins)]
    state["episode_start"] = episode_start
    state["lap_start"] = episode_start
    state["lap_time"] = np.nan


def _fill_poses(state: State, trace: pd.DataFrame) -> None:
    yaw = wrap_angle(np.radians(trace["yaw"].to_numpy(float)))
    state["yaw"] = yaw
    state["x"] = trace["X"] - FRONT_POINT_M * np.cos(yaw)
    state["y"] = trace["Y"] - FRONT_POINT_M * np.sin(yaw)


def _fill_driven(state: State, begins: BoolArray) -> None:
    """Where the car was in the step before in which it drove; at the beginning, where it is."""
    own = np.arange(len(state))
    driven = np.maximum.accumulate(np.where(state["phase"] == Phase.RUN, own, -1))
    before = np.append(-1, driven[:-1])
    row = np.where(before >= _first_row_of_episode(begins), before, own)
    state["driven_x"] = state["x"][row]
    state["driven_y"] = state["y"][row]


def _fill_commands(state: State, trace: pd.DataFrame, begins: BoolArray) -> None:
    """Commands of this step and of the two before it; those that were given to a held car never
    reached it.
    """
    was_held = np.append(False, state["phase"][:-1] != Phase.RUN)
    has_no_command_before = begins | was_held
    for name, column, least in (
        ("steer_{}_deg", "steer", -np.inf),
        ("speed_{}", "throttle", SPEED_LIMITS_MPS[0]),
    ):
        command = trace[column].to_numpy(float)
        reached_wheels = np.append(0.0, np.maximum(command[:-1], least))
        before = np.where(has_no_command_before, 0.0, reached_wheels)
        earlier = np.where(has_no_command_before, 0.0, np.append(0.0, before[:-1]))
        state[name.format("command")] = command
        state[name.format("before")] = before
        state[name.format("earlier")] = earlier
    limited = np.clip(state["steer_before_deg"], -STEERING_LIMIT_DEG, STEERING_LIMIT_DEG)
    state["steer"] = np.radians(limited)


def _fill_speeds(state: State, begins: BoolArray) -> None:
    """Central differences; at the ends of an episode, and of a pause, the one interval that there
    is.
    """
    is_held = state["phase"] != Phase.RUN
    drove_to_next = ~begins[1:] & ~is_held[1:] & ~is_held[:-1]
    intervals = np.append(0.0, drove_to_next) + np.append(drove_to_next, 0.0)
    east = _mean_rate(np.diff(state["x"]), drove_to_next, intervals)
    north = _mean_rate(np.diff(state["y"]), drove_to_next, intervals)
    cos = np.cos(state["yaw"])
    sin = np.sin(state["yaw"])
    state["vx"] = cos * east + sin * north
    state["vy"] = cos * north - sin * east
    turn = wrap_angle(np.diff(state["yaw"]))
    state["yaw_rate"] = _mean_rate(turn, drove_to_next, intervals)


def _mean_rate(change: Array, is_counted: BoolArray, intervals: Array) -> Array:
    """(N,) 1/s: mean rate of the changes (N - 1,) before and behind each row, of those that count;
    0 where there is none.
    """
    change = np.where(is_counted, change, 0.0)
    total: Array = np.append(0.0, change) + np.append(change, 0.0)
    rate = np.zeros_like(total)
    np.divide(total, STEP_S * intervals, out=rate, where=intervals > 0)
    return rate


def _starts(lap_fraction: Array, progress: Array, begins: BoolArray) -> Array:
    """(N,) fraction of the lap where each row's episode began: circular median over its rows, on a
    multiple of 0.05.
    """
    offset = np.mod(lap_fraction - progress / 100.0, 1.0)
    # A completed lap is shown as 100, however far beyond the line the car is.
    counts = progress < 100.0
    starts = np.zeros(len(offset))
    bounds = np.append(np.flatnonzero(begins), len(offset))
    for first, end in pairwise(bounds):
        offsets = offset[first:end]
        if counts[first:end].any():
            offsets = offsets[counts[first:end]]
        starts[first:end] = circular_median(offsets, 1.0)
    multiple = np.round(starts / START_FRACTION_STEP) * START_FRACTION_STEP
    is_near = np.abs(starts - multiple) < START_SNAP_FRACTION
    return np.asarray(np.mod(np.where(is_near, multiple, starts), 1.0))


def _first_row_of_episode(begins: BoolArray) -> NDArray[np.int64]:
    """(N,) index of the row with which each row's episode begins."""
    first = np.where(begins, np.arange(len(begins)), 0)
    return np.asarray(np.maximum.accumulate(first))
