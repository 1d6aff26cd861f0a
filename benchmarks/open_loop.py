"""How far models get from the real car when they are given its commands and nothing else. Used by
fidelity.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from racer import analysis as laps
from racer import geometry
from racer.logs.to_state import episode_begins
from racer.vehicle.car import FRONT_POINT_M, STEERING_LIMIT_DEG, STEP_S, Car, car_table
from racer.vehicle.dynamics import advance_motion

HORIZONS = (1, 5, 15, 30)  # steps
SECOND = HORIZONS.index(15)
# steps driven before a window begins, for what a log does not show: the angle of the wheels
WARM = 10
MOST = 2000  # windows a log
# growth of displacement with step time, where 1 is in proportion, from which poses follow `tstamp`
FOLLOWS = 0.5
WHEELBASE = 0.164  # m, of the textbook bicycle
REAR = 0.0817  # m from its rear axle to the chassis origin
FAST = 0.03  # m a step: below, displacement says little about the step's time

Array = NDArray[np.float64]


def chassis(trace: pd.DataFrame) -> Array:
    """(N, 3) x, y (m) and yaw (rad) of the chassis."""
    yaw = np.radians(trace["yaw"].to_numpy(float))
    front = trace[["X", "Y"]].to_numpy(float)
    return np.column_stack(
        [front - FRONT_POINT_M * np.column_stack([np.cos(yaw), np.sin(yaw)]), yaw]
    )


def step_times(trace: pd.DataFrame) -> tuple[bool, Array]:
    """Whether poses follow `tstamp`, and the s from each row's pose to the next one's.

    The stamp is taken when a step is over, so row t's pose belongs to the stamp of row t - 1. Logs
    of one kind were driven in steps of exactly 1/15 s, whatever their stamps say: displacement has
    nothing to do with the stamps.
    """
    usual = laps.step_times(trace)
    stamp = trace["tstamp"].to_numpy(float)
    back = np.diff(stamp, prepend=stamp[:1])
    inside = ~episode_begins(trace) & (back > 0.0) & (back < 3.0 * usual)
    xy = trace[["X", "Y"]].to_numpy(float)
    move = np.hypot(*np.diff(xy, axis=0, append=xy[-1:]).T)
    # the two neighbors of the step from t to t + 1 are driven, too
    t = np.flatnonzero(_runs(trace) >= 4) - 2
    t = t[inside[t - 1] & inside[t] & inside[t + 1]] if len(t) else t
    around = 0.5 * (move[t - 1] + move[t + 1])
    t, around = t[around > FAST], around[around > FAST]
    if len(t) < 30:
        return False, usual
    ratio, time = move[t] / around, back[t] - 0.5 * (back[t - 1] + back[t + 1])
    sane = np.abs(ratio - 1.0) < 0.6
    variance = float(time[sane].var())
    follows = (
        variance > 0.0
        and float(np.cov(ratio[sane], time[sane])[0, 1]) * STEP_S / variance > FOLLOWS
    )
    return follows, np.where(inside, back, usual) if follows else usual


def _runs(trace: pd.DataFrame) -> NDArray[np.int64]:
    """(N,) rows that have been driven in one go before each row."""
    driven = (trace["episode_status"] == "in_progress").to_numpy()
    goes_on = np.append(
        False, driven[1:] & driven[:-1] & (np.diff(trace["steps"]) == 1)
    ) & ~episode_begins(trace)
    count = np.arange(len(trace))
    return np.asarray(count - np.maximum.accumulate(np.where(goes_on, 0, count)))


def windows(trace: pd.DataFrame) -> NDArray[np.int64]:
    """Rows with enough driving before and after them to begin a window at: all, or `MOST` of them,
    evenly spread.
    """
    last = np.arange(WARM + 3, max(len(trace) - HORIZONS[-1], WARM + 3))
    found = last[_runs(trace)[last + HORIZONS[-1]] >= HORIZONS[-1] + WARM + 3]
    return (
        found[np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST)).astype(np.int64))]
        if len(found)
        else found
    )


def errors(
    poses: Array,
    command: Array,
    gap: Array,
    car: Car | None,
    starts: NDArray[np.int64],
    bicycle: bool = False,
) -> dict[str, Any] | None:
    """Medians and 90th percentiles, at each horizon, of position (m) and heading (deg) errors over
    the windows.
    """
    if not len(starts):
        return None
    out = np.empty((len(starts), HORIZONS[-1], 3))
    if car is None:
        _textbook(poses, command, gap, starts, bicycle, out)
    else:
        _replay(poses, command, gap, car_table(car, 1)[0], starts, out)
    steps = np.array(HORIZONS)
    real, ours = poses[starts[:, None] + steps], out[:, steps - 1]
    position = np.hypot(*np.moveaxis(ours - real, -1, 0)[:2])
    heading = np.degrees(np.abs(geometry.wrap_angle(ours[..., 2] - real[..., 2])))
    return {
        "position": np.median(position, axis=0).tolist(),
        "position_90": np.quantile(position, 0.9, axis=0).tolist(),
        "heading": np.median(heading, axis=0).tolist(),
        "heading_90": np.quantile(heading, 0.9, axis=0).tolist(),
    }


@njit(cache=True)
def _measured(poses: Any, gap: Any, t: int) -> tuple[float, float, float]:
    """Mean forward and sideways speed and yaw rate over the step that ended at row `t`."""
    turn = (poses[t, 2] - poses[t - 1, 2] + np.pi) % (2.0 * np.pi) - np.pi
    c, s = np.cos(poses[t, 2] - 0.5 * turn), np.sin(poses[t, 2] - 0.5 * turn)
    dx, dy = (
        (poses[t, 0] - poses[t - 1, 0]) / gap[t - 1],
        (poses[t, 1] - poses[t - 1, 1]) / gap[t - 1],
    )
    return c * dx + s * dy, c * dy - s * dx, turn / gap[t - 1]


@njit(cache=True)
def _replay(poses: Any, command: Any, gap: Any, car: Any, starts: Any, out: Any) -> None:
    """The model from the real pose at each start.

    A log shows mean speeds over the last step; half of what the model says they change in it takes
    them to its end. The angle of the wheels, which no log shows, is that of the model driven over
    the rows before.
    """
    for w in range(len(starts)):
        t = starts[w]
        s = t - WARM
        vx, vy, r = _measured(poses, gap, s)
        steer = min(max(command[s - 1, 0], -STEERING_LIMIT_DEG), STEERING_LIMIT_DEG) * np.pi / 180.0
        motion = (poses[s, 0], poses[s, 1], poses[s, 2], vx, vy, r, steer)
        before = motion
        for k in range(s, t):
            before = motion
            motion = _advance(motion, command, gap, car, k)
        vx, vy, r = _measured(poses, gap, t)
        vx, vy, r = (
            vx + 0.5 * (motion[3] - before[3]),
            vy + 0.5 * (motion[4] - before[4]),
            r + 0.5 * (motion[5] - before[5]),
        )
        motion = (poses[t, 0], poses[t, 1], poses[t, 2], vx, vy, r, motion[6])
        for k in range(out.shape[1]):
            motion = _advance(motion, command, gap, car, t + k)
            out[w, k, 0], out[w, k, 1], out[w, k, 2] = motion[0], motion[1], motion[2]


@njit(cache=True)
def _advance(motion: Any, command: Any, gap: Any, car: Any, k: int) -> Any:
    before, now = (command[k - 1, 0], command[k - 1, 1]), (command[k, 0], command[k, 1])
    return advance_motion(car, motion, before, now, car.delay, gap[k])


@njit(cache=True)
def _textbook(poses: Any, command: Any, gap: Any, starts: Any, bicycle: bool, out: Any) -> None:
    """Either the kinematic bicycle, at the commanded speed and angle, or constant speeds as
    measured at the start.
    """
    for w in range(len(starts)):
        t = starts[w]
        x, y, yaw = poses[t, 0], poses[t, 1], poses[t, 2]
        vx, vy, r = _measured(poses, gap, t)
        for k in range(out.shape[1]):
            if bicycle:
                vx = command[t + k, 1]
                r = (
                    vx
                    * np.tan(
                        min(max(command[t + k, 0], -STEERING_LIMIT_DEG), STEERING_LIMIT_DEG)
                        * np.pi
                        / 180.0
                    )
                    / WHEELBASE
                )
                vy = REAR * r
            h = gap[t + k] / 20
            for _ in range(20):
                c, s = np.cos(yaw + 0.5 * h * r), np.sin(yaw + 0.5 * h * r)
                x, y, yaw = x + h * (c * vx - s * vy), y + h * (s * vx + c * vy), yaw + h * r
            out[w, k, 0], out[w, k, 1], out[w, k, 2] = x, y, yaw


# Laps: how far does the model drive in the time in which the real car drives a lap?


def lap_errors(
    trace: pd.DataFrame, poses: Array, command: Array, gap: Array, car: Car
) -> list[float]:
    """Relative error of the distance over each complete lap from standstill without an incident,
    replayed open loop.
    """
    lap = laps.laps(trace)
    whole = lap[
        lap["complete"] & (lap["lap"] == 1) & (lap["first_step"] <= 2) & (lap["resets"] == 0)
    ]
    found = []
    for first, last in zip(whole["first_row"], whole["last_row"], strict=True):
        first += int(trace["episode_status"].iloc[first] == "prepare")
        real = float(np.hypot(*np.diff(poses[first : last + 1, :2], axis=0).T).sum())
        found.append(
            _distance(command[first:last], gap[first:last], car_table(car, 1)[0]) / real - 1.0
        )
    return found


@njit(cache=True)
def _distance(command: Any, gap: Any, car: Any) -> float:
    """m that the model drives from standstill."""
    motion = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    before, far = (0.0, 0.0), 0.0
    for k in range(len(command)):
        now = (command[k, 0], command[k, 1])
        x, y = motion[0], motion[1]
        motion = advance_motion(car, motion, before, now, car.delay, gap[k])
        far += np.hypot(motion[0] - x, motion[1] - y)
        before = now
    return far
