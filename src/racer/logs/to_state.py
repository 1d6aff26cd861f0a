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

from racer import geometry
from racer.logs.schema import episode_ids
from racer.sim.state import STATE, Phase, State, Status
from racer.sim.step import locate_cars, locate_in_sequence
from racer.track.spatial_index import PackedTracks, pack_tracks
from racer.track.track import Track
from racer.vehicle.car import FRONT_POINT_M, STEERING_LIMIT_DEG, STEP_S

# share of a lap that starts of episodes are multiples of: the simulator's round robin
START_FRACTION_STEP = 0.05
START_SNAP_FRACTION = 0.0005  # share of a lap within which a start is taken for such a multiple

_STATUS = {status.word: status for status in Status} | {"park": Status.PAUSE}
_PHASE = {Status.PREPARE: Phase.PREPARE, Status.PAUSE: Phase.PAUSE}

Array = NDArray[np.float64]


def state_rows(trace: pd.DataFrame, track: Track, roads: PackedTracks | None = None) -> State:
    """(N,) rows of `racer.sim.state.STATE`, one for each row of a trace that was driven on `track`.

    They serve `racer.sim.params.build_params(rows, [track])`, `racer.sim.state.closest_waypoint` and the
    sensors. `roads` is `pack([track])`, where the caller has it already. Speeds are central
    differences of the poses, at 1/15 s a step.
    """
    state = np.zeros(len(trace), STATE)
    if not len(trace):
        return state
    first = episode_begins(trace)
    _who_and_when(state, trace, first)
    _poses(state, trace)
    _commands(state, trace, first)
    _speeds(state, first)
    roads = roads or pack_tracks([track])
    share = locate_cars(state, roads)["s"] / track.length
    state["start"] = _starts(share, trace["progress"].to_numpy(float), first)
    state["progress"] = np.where(trace["steps"] <= 1.0, 0.0, trace["progress"])
    return locate_in_sequence(state, first, roads)


def episode_begins(trace: pd.DataFrame) -> NDArray[np.bool_]:
    """(N,) whether an episode begins with a row, or the trace joins it there."""
    ids = trace["episode_id"].to_numpy() if "episode_id" in trace else episode_ids(trace)
    first = np.diff(ids, prepend=0) != 0
    first[:1] = True
    return np.asarray(first)


def _who_and_when(state: State, trace: pd.DataFrame, first: NDArray[np.bool_]) -> None:
    words = trace["episode_status"].astype(object)
    status = np.array([_STATUS.get(word, Status.IN_PROGRESS) for word in words], dtype=np.int8)
    state["status"], state["phase"] = status, Phase.RUN
    for held, phase in _PHASE.items():
        state["phase"][status == held] = phase
    state["crashed"] = status == Status.CRASHED
    for name in ("episode", "steps", "done"):
        state[name] = trace[name]
    state["pause"] = np.nan_to_num(trace["pause_duration"]) if "pause_duration" in trace else 0.0
    stamp = trace["tstamp"].to_numpy(float)
    gap = np.diff(stamp, prepend=stamp[0])
    state["dt"] = np.where(first | (gap <= 0.0), STEP_S, gap)
    state["clock"] = stamp - state["dt"]
    state["episode_start"] = state["lap_start"] = state["clock"][_last_index(first)]
    state["lap_time"] = np.nan


def _poses(state: State, trace: pd.DataFrame) -> None:
    yaw = geometry.wrap_angle(np.radians(trace["yaw"].to_numpy(float)))
    state["yaw"] = yaw
    state["x"], state["y"] = (
        trace["X"] - FRONT_POINT_M * np.cos(yaw),
        trace["Y"] - FRONT_POINT_M * np.sin(yaw),
    )


def _commands(state: State, trace: pd.DataFrame, first: NDArray[np.bool_]) -> None:
    """Commands of this step and of the two before it; those that were given to a held car never
    reached it.
    """
    held = np.append(False, state["phase"][:-1] != Phase.RUN)
    for name, unit, column in (("steer", "_deg", "steer"), ("speed", "", "throttle")):
        now = trace[column].to_numpy(float)
        before = np.where(first | held, 0.0, np.append(0.0, now[:-1]))
        earlier = np.where(first | held, 0.0, np.append(0.0, before[:-1]))
        for when, value in (("command", now), ("before", before), ("earlier", earlier)):
            state[f"{name}_{when}{unit}"] = value
    state["steer"] = np.radians(
        np.clip(state["steer_before_deg"], -STEERING_LIMIT_DEG, STEERING_LIMIT_DEG)
    )


def _speeds(state: State, first: NDArray[np.bool_]) -> None:
    """Central differences; at the ends of an episode, and of a pause, the one interval that there
    is.
    """
    held = state["phase"] != Phase.RUN
    driven = ~first[1:] & ~held[1:] & ~held[:-1]  # whether the car drove from row k to row k + 1
    move = np.where(
        driven,
        [np.diff(state["x"]), np.diff(state["y"]), geometry.wrap_angle(np.diff(state["yaw"]))],
        0.0,
    )
    count = np.append(0.0, driven) + np.append(driven, 0.0)
    total = np.pad(move, ((0, 0), (1, 0))) + np.pad(move, ((0, 0), (0, 1)))
    east, north, turn = np.divide(total, STEP_S * count, out=np.zeros_like(total), where=count > 0)
    c, s = np.cos(state["yaw"]), np.sin(state["yaw"])
    state["vx"], state["vy"], state["yaw_rate"] = c * east + s * north, c * north - s * east, turn


def _starts(share: Array, progress: Array, first: NDArray[np.bool_]) -> Array:
    """(N,) share of the lap where each row's episode began: circular median over its rows, on a
    multiple of 0.05.
    """
    offset = np.mod(share - progress / 100.0, 1.0)
    # a completed lap is shown as 100, however far beyond the line the car is
    counts = progress < 100.0
    starts = np.zeros(len(share))
    bounds = np.append(np.flatnonzero(first), len(share))
    for begin, end in pairwise(bounds):
        some = offset[begin:end][counts[begin:end]]
        some = some if len(some) else offset[begin:end]
        middle = some[len(some) // 2]
        starts[begin:end] = middle + np.median(np.mod(some - middle + 0.5, 1.0) - 0.5)
    near = np.round(starts / START_FRACTION_STEP) * START_FRACTION_STEP
    return np.asarray(
        np.mod(np.where(np.abs(starts - near) < START_SNAP_FRACTION, near, starts), 1.0)
    )


def _last_index(first: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,) index of the row with which each row's episode begins."""
    return np.asarray(np.maximum.accumulate(np.where(first, np.arange(len(first)), 0)))
