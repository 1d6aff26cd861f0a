"""From a trace to laps: one row an episode, and one a lap where a race runs on over several."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis.motion import (
    CarMotion,
    TraceColumns,
    car_motion,
    columns_for_laps,
    driven_motion,
    first_row_values,
    lap_bounds_of_columns,
    smoothness_columns,
)
from racer.logs.schema import EPISODES_PER_ITERATION, MIN_COLUMNS, TRACE_COLUMNS, has_unix_time
from racer.track.track import Track

INCIDENT_STATUSES = {
    "off_tracks": "off_track",
    "crashes": "crashed",
    "immobilized": "immobilized",
    "reversed": "reversed",
}
MAX_RACE_LAPS = 30  # laps of a file of unknown kind up to which they are taken for a race
# s between two episodes whose reset the simulator's clock did not stop for
_SLOW_RESET = (0.25, 2.0)
_AWAY = 0.2  # m of progress in a first row that still shows the car where the last episode left it
# of the identified lateral acceleration: from there on, a step leans on ground that no log has
# covered
NEAR_LIMIT_FRACTION = 0.95

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Truth = NDArray[np.bool_]


def laps(trace: pd.DataFrame, track: Track | None = None) -> pd.DataFrame:
    """The laps of a trace in its order: one row an episode, several where a race goes on after a
    completed lap.

    `track`, in the direction driven, is needed for `line_deviation` alone.

    | column | unit and meaning |
    |---|---|
    | source, phase, iteration, episode_id, episode | of its first row; 0, `unknown`, -1 where there is none |
    | lap | 1, or counting on in a continuous race |
    | first_row, last_row | positions in the trace, both inside |
    | steps, first_step, last_step | rows, and the simulator's own counter |
    | status | episode_status of the last row |
    | complete, completion | whether, and % |
    | start, end, time | s on the log's clock; the time as the simulator counts, PREPARE and penalties included |
    | off_tracks, crashes, immobilized, reversed, resets | incidents; those after which the car was set back |
    | reward | sum |
    | command, speed, top_speed | m/s: mean command; driven mean, fastest three-step mean, from the poses |
    | distance | m driven |
    | reversals, steer_std, jerk, zigzag, line_deviation | see `racer.analysis.motion.smoothness_columns` |
    """
    if not len(trace):
        return _empty()
    rows = columns_for_laps(trace)
    first, last = lap_bounds_of_columns(rows)
    table = {
        name: first_row_values(rows, name, first, default) for name, default in _ORIGIN.items()
    }
    table["episode"] = trace["episode"].to_numpy()[first]
    moving, on = car_motion(rows), _continues(rows, first)
    table |= (
        _extent(rows, on, first, last)
        | _clock(rows, moving, on, first, last)
        | _incidents(rows, first, last)
    )
    table["reward"] = np.add.reduceat(trace["reward"].to_numpy(), first)
    return pd.DataFrame(
        table | _speeds(trace, moving, first) | smoothness_columns(trace, moving, first, track),
        copy=False,
    )


def beyond_logs_fraction(
    trace: pd.DataFrame, table: pd.DataFrame, speed: float, lateral: float
) -> pd.Series:
    """(L,) share of each lap's steps that lean on ground no log has covered.

    `speed` m/s and `lateral` m/s2 are the car's `identified_speed` and `identified_lateral`: a step
    counts when its command is faster, or its cornering reaches 95 % of the hardest that real logs
    show; inf or nan means no limit.
    """
    limits = [
        limit if np.isfinite(limit) else np.inf for limit in (speed, lateral * NEAR_LIMIT_FRACTION)
    ]
    hard = (trace["throttle"].to_numpy() > limits[0] + 1e-9) | (
        driven_motion(trace)["lateral"].to_numpy() >= limits[1]
    )
    total = np.concatenate([[0], np.cumsum(hard)])
    share = (total[table["last_row"] + 1] - total[table["first_row"]]) / np.maximum(
        table["steps"], 1
    )
    return pd.Series(share, index=table.index, name="beyond_logs", dtype=float)


def lap_iterations(table: pd.DataFrame) -> pd.Series:
    """(L,) iteration of each lap: from file names, otherwise groups of 20 episodes, the simulator's
    default.
    """
    return table["iteration"].where(
        table["iteration"] >= 0, table["episode"] // EPISODES_PER_ITERATION
    )


def lap_phases(table: pd.DataFrame) -> pd.Series:
    """(L,) `training` or `evaluation` of each lap: as file names say it, otherwise by how many laps
    the file has.
    """
    phase = table["phase"].astype(str)
    for source in table.loc[phase == "unknown", "source"].unique():
        mine = (table["source"] == source) & (phase == "unknown")
        phase = phase.mask(mine, "evaluation" if mine.sum() <= MAX_RACE_LAPS else "training")
    return phase


def laps_by_iteration(table: pd.DataFrame) -> pd.DataFrame:
    """One row an iteration: episodes, complete laps, means of completion (%), reward and steps, lap
    times (s).
    """
    rows = table.assign(
        iteration=lap_iterations(table), whole=table["time"].where(table["complete"])
    )
    return rows.groupby("iteration", as_index=False).agg(
        episodes=("episode", "size"),
        complete=("complete", "sum"),
        completion=("completion", "mean"),
        reward=("reward", "mean"),
        steps=("steps", "mean"),
        best_time=("whole", "min"),
        mean_time=("whole", "mean"),
    )


def fastest_laps(table: pd.DataFrame, count: int = 10) -> pd.DataFrame:
    """The fastest complete laps, best first."""
    return table[table["complete"]].nsmallest(count, "time", keep="first")


def endings_by_waypoint(trace: pd.DataFrame, table: pd.DataFrame, parts: int = 10) -> pd.DataFrame:
    """Where laps that were not completed ended: status, range of waypoints (one of `parts`) and
    count, most first.
    """
    ended = table[~table["complete"]]
    top = int(trace["closest_waypoint"].max()) + 1 if len(trace) else 1
    size = max(1, -(-top // parts))
    place = trace["closest_waypoint"].to_numpy()[ended["last_row"]] // size * size
    counts = pd.DataFrame(
        {"status": ended["status"].astype(str).to_numpy(), "from_waypoint": place}
    ).value_counts()
    found = counts.reset_index(name="count")
    found.insert(2, "to_waypoint", np.minimum(found["from_waypoint"] + size - 1, top - 1))
    return found


_ORIGIN = {"source": 0, "phase": "unknown", "iteration": -1, "episode_id": -1}


def _empty() -> pd.DataFrame:
    """A laps table without rows, made from one with a row so that it has the same columns."""
    blank = {name: [0] for name in TRACE_COLUMNS[:MIN_COLUMNS]}
    return laps(pd.DataFrame(blank).assign(episode_status="prepare")).iloc[:0]


def _extent(
    rows: TraceColumns, on: Truth, first: Index, last: Index
) -> dict[str, NDArray[np.generic]]:
    index = np.arange(len(first))
    return {
        "lap": index - np.maximum.accumulate(np.where(on, 0, index)) + 1,
        "first_row": first,
        "last_row": last,
        "steps": last - first + 1,
        "first_step": rows.steps[first],
        "last_step": rows.steps[last],
        "status": rows.words[rows.status[last]],
        "complete": rows.progress[last] >= 100.0,
        "completion": rows.progress[last],
    }


def _continues(rows: TraceColumns, first: Index) -> Truth:
    """(L,) whether a lap goes on from the one before: the step counter runs on, after a completed
    lap.
    """
    before = np.maximum(first - 1, 0)
    on = (rows.steps[first] == rows.steps[before] + 1) & (rows.progress[before] >= 100.0)
    return np.asarray(on & (rows.source[first] == rows.source[before]) & (first > 0))


def _clock(
    rows: TraceColumns, moving: CarMotion, on: Truth, first: Index, last: Index
) -> dict[str, Array]:
    """Start, end and time of laps as the simulator counts them.

    `tstamp` is the end of a step, so an episode starts one step before its first row's, a later lap
    of a continuous race at the completion before it. Now and then a reset takes a second of
    simulation time, which counts: the first row then shows the car still away from its start (6 of
    300 episodes of a 2026 log, no other log).
    """
    stamp, before = rows.stamp, np.maximum(first - 1, 0)
    start = np.where(on, stamp[before], stamp[first] - moving.dt[first])
    if not has_unix_time(rows.trace):
        gap = stamp[first] - stamp[before]
        away = rows.progress[first] * rows.trace["track_len"].to_numpy()[first] / 100.0 > _AWAY
        slow = (
            (gap > _SLOW_RESET[0])
            & (gap < _SLOW_RESET[1])
            & away
            & (rows.source[first] == rows.source[before])
        )
        start = np.where(slow, stamp[before], start)
    return {"start": start, "end": stamp[last], "time": stamp[last] - start}


def _incidents(rows: TraceColumns, first: Index, last: Index) -> dict[str, Index]:
    happened = {name: rows.has(word) for name, word in INCIDENT_STATUSES.items()}
    counts = {
        name: np.add.reduceat(each.astype(np.int64), first) for name, each in happened.items()
    }
    ended = np.any([each[last] for each in happened.values()], axis=0)
    return counts | {"resets": np.sum(list(counts.values()), axis=0) - ended}


def _speeds(trace: pd.DataFrame, moving: CarMotion, first: Index) -> dict[str, Array]:
    """Mean command, driven mean and top speed (m/s) and distance (m) of each lap; nan where a lap
    has no two poses.
    """
    distance = np.add.reduceat(moving.way, first)
    elapsed = np.add.reduceat(np.where(moving.moved, moving.dt, 0.0), first)
    top = np.maximum.reduceat(np.where(moving.moved, moving.speed, -np.inf), first)
    return {
        "command": np.add.reduceat(trace["throttle"].to_numpy(float), first)
        / np.diff(first, append=len(trace)),
        "speed": np.divide(distance, elapsed, out=np.full(len(first), np.nan), where=elapsed > 0),
        "top_speed": np.where(np.isfinite(top), top, np.nan),
        "distance": distance,
    }
