"""From a trace to laps: one row an episode, and one a lap where a race runs on over several."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis.motion import (
    Array,
    BoolArray,
    CarMotion,
    IntArray,
    TraceColumns,
    car_motion,
    columns_for_laps,
    driven_motion,
    first_row_values,
    lap_bounds_of_columns,
    smoothness_columns,
)
from racer.logs import (
    EPISODES_PER_ITERATION,
    MIN_COLUMNS,
    TRACE_COLUMNS,
    HasTrace,
    Log,
    has_unix_time,
)
from racer.track import Track

INCIDENT_STATUSES = {
    "off_tracks": "off_track",
    "crashes": "crashed",
    "immobilized": "immobilized",
    "reversed": "reversed",
}
"""The status that each column of incidents counts."""
COMPLETE_STATUS = "lap_complete"
"""The status of a complete lap."""
MAX_FIRST_STEP = 3
"""Of an episode that a log holds from its beginning, whose first rows may be damaged."""
UNENDED_STATUSES = ("prepare", "in_progress", "pause")
"""Of the last row of an episode whose end a log does not hold."""
MAX_RACE_LAPS = 30
"""Laps of a file of unknown phase up to which they are taken for a race."""
NEAR_LIMIT_FRACTION = 0.95
"""Of the identified lateral acceleration: from there on, a step leans on ground that no log covers."""

_MAX_CUT_SENTENCES = 5
_SLOW_RESET_S = (0.25, 2.0)  # between two episodes, where the clock did not stop for the reset
_MIN_AWAY_M = 0.2  # of progress in a first row that still shows the car where an episode left it
_ORIGIN_DEFAULTS = {"source": 0, "phase": "unknown", "iteration": -1, "episode_id": -1}


def laps(trace: pd.DataFrame | HasTrace, track: Track | None = None) -> pd.DataFrame:
    """The laps of a trace, or of a log, an evaluation or a drive, in its order: one row an episode,
    several where a race goes on after a completed lap.

    `track`, in the direction driven, is needed for `line_deviation` alone.

    | column | unit and meaning |
    |---|---|
    | source, phase, iteration, episode_id, episode | of its first row; 0, `unknown`, -1 where there is none |
    | lap | 1, or counting on in a continuous race |
    | first_row, last_row | positions in the trace, both included |
    | steps, first_step, last_step | rows, and the simulator's own counter |
    | status | `lap_complete` of every complete lap (in a race the log says so of the last one only); else the episode_status of the last row |
    | complete, completion | whether, and % |
    | start, end, time | s on the log's clock; the time as the simulator counts, PREPARE and penalties included |
    | off_tracks, crashes, immobilized, reversed, resets | incidents; those after which the car was set back |
    | reward | sum |
    | command, speed, top_speed | m/s: mean command; driven mean, fastest three-step mean, from the poses |
    | distance | m driven |
    | reversals, steer_std, jerk, zigzag, line_deviation | see `racer.analysis.motion` |

    Examples
    --------
    >>> from racer import drive
    >>> laps(drive("oval", "fast"))[["status", "time", "off_tracks"]].round(2).values.tolist()
    [['lap_complete', 8.07, 0]]

    Three steps of a car that drives along the x axis:

    >>> import pandas as pd
    >>> steps = pd.DataFrame({"episode": 0, "steps": [1.0, 2.0, 3.0], "X": [0.0, 0.1, 0.2]})
    >>> steps = steps.assign(Y=0.0, yaw=0.0, steer=0.0, throttle=1.5, action=0, reward=1.0)
    >>> steps = steps.assign(done=False, all_wheels_on_track=True, progress=[0.0, 1.0, 2.0])
    >>> steps = steps.assign(closest_waypoint=0, track_len=10.0, tstamp=[0.07, 0.13, 0.2])
    >>> table = laps(steps.assign(episode_status="in_progress"))
    >>> table[["steps", "completion", "reward", "distance"]].to_dict("records")
    [{'steps': 3, 'completion': 2.0, 'reward': 3.0, 'distance': 0.2}]
    """
    if not isinstance(trace, pd.DataFrame):
        trace = trace.trace
    if not len(trace):
        return _empty_table()
    columns = columns_for_laps(trace)
    first, last = lap_bounds_of_columns(columns)
    motion = car_motion(columns)
    goes_on = _goes_on(columns, first)
    table = {
        name: first_row_values(columns, name, first, default)
        for name, default in _ORIGIN_DEFAULTS.items()
    }
    table["episode"] = trace["episode"].to_numpy()[first]
    table |= _extent_columns(columns, goes_on, first, last)
    table |= _clock_columns(columns, motion, goes_on, first, last)
    table |= _incident_columns(columns, first, last)
    table["reward"] = np.add.reduceat(trace["reward"].to_numpy(), first)
    table |= _speed_columns(trace, motion, first)
    table |= smoothness_columns(trace, motion, first, track)
    return pd.DataFrame(table, copy=False)


def beyond_logs_fraction(
    trace: pd.DataFrame, laps: pd.DataFrame, speed: float, lateral: float
) -> pd.Series:
    """(L,) fraction of each lap's steps that lean on ground no log has covered.

    `speed` m/s and `lateral` m/s2 are the car's `identified_speed` and `identified_lateral`: a step
    counts when its command is faster, or its cornering reaches 95 % of the hardest that real logs
    show; inf or nan means no limit.
    """
    is_beyond = np.zeros(len(trace), bool)
    if np.isfinite(speed):
        is_beyond |= trace["throttle"].to_numpy() > speed + 1e-9
    if np.isfinite(lateral):
        driven = driven_motion(trace)["lateral"].to_numpy()
        is_beyond |= driven >= lateral * NEAR_LIMIT_FRACTION
    total = np.append(0, np.cumsum(is_beyond))
    steps_beyond = total[laps["last_row"] + 1] - total[laps["first_row"]]
    fraction = steps_beyond / np.maximum(laps["steps"], 1)
    return pd.Series(fraction, index=laps.index, name="beyond_logs", dtype=float)


def lap_iterations(laps: pd.DataFrame) -> pd.Series:
    """(L,) iteration of each lap: from file names, otherwise groups of 20 episodes, the simulator's
    default.
    """
    counted = laps["episode"] // EPISODES_PER_ITERATION
    return laps["iteration"].where(laps["iteration"] >= 0, counted)


def lap_phases(laps: pd.DataFrame) -> pd.Series:
    """(L,) `training` or `evaluation` of each lap: as file names say it, otherwise by how many laps
    the file has.
    """
    phase = laps["phase"].astype(str)
    for source in laps.loc[phase == "unknown", "source"].unique():
        is_unknown = (laps["source"] == source) & (phase == "unknown")
        guess = "evaluation" if is_unknown.sum() <= MAX_RACE_LAPS else "training"
        phase = phase.mask(is_unknown, guess)
    return phase


def laps_by_iteration(laps: pd.DataFrame) -> pd.DataFrame:
    """One row an iteration: episodes, complete laps, means of completion (%), reward and steps, lap
    times (s).
    """
    complete_time = laps["time"].where(laps["complete"])
    rows = laps.assign(iteration=lap_iterations(laps), complete_time=complete_time)
    return rows.groupby("iteration", as_index=False).agg(
        episodes=("episode", "size"),
        complete=("complete", "sum"),
        completion=("completion", "mean"),
        reward=("reward", "mean"),
        steps=("steps", "mean"),
        best_time=("complete_time", "min"),
        mean_time=("complete_time", "mean"),
    )


def fastest_laps(laps: pd.DataFrame, count: int = 10) -> pd.DataFrame:
    """The fastest complete laps whose beginning is known, best first."""
    is_whole = laps["complete"] & ~is_cut(laps)
    return laps[is_whole].nsmallest(count, "time", keep="first")


def is_cut(laps: pd.DataFrame) -> pd.Series:
    """(L,) whether the log holds only a part of each lap: it ends or begins inside of it.

    Such a lap has no time and no ending of its own.
    """
    begins_late = (laps["lap"] == 1) & (laps["first_step"] > MAX_FIRST_STEP)
    goes_on = ~laps["complete"] & laps["status"].astype(str).isin(UNENDED_STATUSES)
    return begins_late | goes_on


def whole_laps(laps: pd.DataFrame) -> pd.DataFrame:
    """The laps without those of which the log holds a part only; where none is whole all of them, as
    laps that are not complete.
    """
    cut = is_cut(laps)
    if cut.all():
        return laps.assign(complete=False)
    return laps[~cut]


def laps_on_main_track(trace: pd.DataFrame, laps: pd.DataFrame) -> pd.DataFrame:
    """The laps that were driven on the track of most steps, as `track_len` tells tracks apart."""
    length = trace["track_len"].round(2)
    lengths = length.mode()
    if not len(lengths):
        return laps.iloc[:0]
    is_there = (length == lengths.iloc[0]).to_numpy()
    there: pd.DataFrame = laps[is_there[laps["first_row"].to_numpy()]]
    return there


def cut_sentences(laps: pd.DataFrame, log: Log) -> list[str]:
    """What there is to say of the first laps of which the log holds a part only."""
    sentences = []
    for lap in laps[is_cut(laps)].head(_MAX_CUT_SENTENCES).to_dict("records"):
        name = f" of {log.sources[lap['source']].name}" if len(log.sources) > 1 else ""
        ends = f"ends inside episode {lap['episode']}, at step {lap['last_step']:.0f}"
        if lap["lap"] == 1 and lap["first_step"] > MAX_FIRST_STEP:
            ends = f"begins inside episode {lap['episode']}, at step {lap['first_step']:.0f}"
        sentences.append(
            f"the record{name} {ends} ({lap['completion']:.0f} % of a lap): it is not counted"
        )
    return sentences


def endings_by_waypoint(trace: pd.DataFrame, laps: pd.DataFrame, parts: int = 10) -> pd.DataFrame:
    """Where laps that were not completed ended: status, range of waypoints (one of `parts`) and
    count, most first.
    """
    ended = laps[~laps["complete"]]
    waypoint = trace["closest_waypoint"].to_numpy()
    waypoints = int(waypoint.max(initial=0)) + 1
    size = max(1, -(-waypoints // parts))
    from_waypoint = waypoint[ended["last_row"]] // size * size
    endings = pd.DataFrame(
        {"status": ended["status"].astype(str).to_numpy(), "from_waypoint": from_waypoint}
    )
    table = endings.value_counts().reset_index(name="count")
    to_waypoint = np.minimum(table["from_waypoint"] + size - 1, waypoints - 1)
    table.insert(2, "to_waypoint", to_waypoint)
    return table


def _empty_table() -> pd.DataFrame:
    """A laps table without rows, made from one with a row so that it has the same columns."""
    blank = {name: [0] for name in TRACE_COLUMNS[:MIN_COLUMNS]}
    return laps(pd.DataFrame(blank).assign(episode_status="prepare")).iloc[:0]


def _goes_on(columns: TraceColumns, first: IntArray) -> BoolArray:
    """(L,) whether a lap goes on from the one before: the step counter runs on, after a completed
    lap.
    """
    previous = np.maximum(first - 1, 0)
    counter_runs_on = columns.steps[first] == columns.steps[previous] + 1
    is_after_lap = columns.progress[previous] >= 100.0
    same_source = columns.source[first] == columns.source[previous]
    return np.asarray(counter_runs_on & is_after_lap & same_source & (first > 0))


def _extent_columns(
    columns: TraceColumns, goes_on: BoolArray, first: IntArray, last: IntArray
) -> dict[str, NDArray[np.generic]]:
    lap = np.arange(len(first))
    complete = columns.progress[last] >= 100.0
    status = columns.words[columns.status[last]]
    first_of_race = np.maximum.accumulate(np.where(goes_on, 0, lap))
    return {
        "lap": lap - first_of_race + 1,
        "first_row": first,
        "last_row": last,
        "steps": last - first + 1,
        "first_step": columns.steps[first],
        "last_step": columns.steps[last],
        "status": np.where(complete, COMPLETE_STATUS, status),
        "complete": complete,
        "completion": columns.progress[last],
    }


def _clock_columns(
    columns: TraceColumns, motion: CarMotion, goes_on: BoolArray, first: IntArray, last: IntArray
) -> dict[str, Array]:
    """Start, end and time of laps as the simulator counts them (docs/simulator.md 6.3).

    `tstamp` is the end of a step, so an episode starts one step before its first row's, a later lap
    of a continuous race at the completion before it.
    """
    end = columns.tstamp[last]
    end_before = columns.tstamp[np.maximum(first - 1, 0)]
    start = np.where(goes_on, end_before, columns.tstamp[first] - motion.dt[first])
    if not has_unix_time(columns.trace):
        start = np.where(_is_after_slow_reset(columns, first), end_before, start)
    return {"start": start, "end": end, "time": end - start}


def _is_after_slow_reset(columns: TraceColumns, first: IntArray) -> BoolArray:
    """(L,) whether the reset before a lap took simulation time, which counts.

    Now and then a reset takes a second of simulation time: the first row then shows the car still
    away from its start (6 of 300 episodes of a 2026 log, no other log).
    """
    previous = np.maximum(first - 1, 0)
    gap = columns.tstamp[first] - columns.tstamp[previous]
    track_length = columns.trace["track_len"].to_numpy()[first]
    is_away = columns.progress[first] * track_length / 100.0 > _MIN_AWAY_M
    shortest, longest = _SLOW_RESET_S
    same_source = columns.source[first] == columns.source[previous]
    return np.asarray((gap > shortest) & (gap < longest) & is_away & same_source)


def _incident_columns(
    columns: TraceColumns, first: IntArray, last: IntArray
) -> dict[str, IntArray]:
    counts = {}
    resets = np.zeros(len(first), np.int64)
    ended_by_incident = np.zeros(len(first), bool)
    for name, status in INCIDENT_STATUSES.items():
        happened = columns.has_status(status)
        counts[name] = np.add.reduceat(happened.astype(np.int64), first)
        resets += counts[name]
        ended_by_incident |= happened[last]
    return counts | {"resets": resets - ended_by_incident}


def _speed_columns(trace: pd.DataFrame, motion: CarMotion, first: IntArray) -> dict[str, Array]:
    """Mean command, driven mean and top speed (m/s) and distance (m) of each lap; nan where a lap
    has no two poses.
    """
    steps = np.diff(first, append=len(trace))
    distance = np.add.reduceat(motion.distance, first)
    elapsed = np.add.reduceat(np.where(motion.has_moved, motion.dt, 0.0), first)
    top_speed = np.maximum.reduceat(np.where(motion.has_moved, motion.speed, -np.inf), first)
    unknown = np.full(len(first), np.nan)
    return {
        "command": np.add.reduceat(trace["throttle"].to_numpy(float), first) / steps,
        "speed": np.divide(distance, elapsed, out=unknown, where=elapsed > 0),
        "top_speed": np.where(np.isfinite(top_speed), top_speed, np.nan),
        "distance": distance,
    }
