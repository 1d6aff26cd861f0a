"""What a report is about: a log, its laps on the one track that is drawn, and the steps that travel
inside the page.

A column of steps is stored as uint16 levels between its least and greatest value (X and Y of a 30 m
track to half a millimeter), reward and time as float32. Bokeh packs them as gzip in base64: some 15
bytes a step altogether.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import geometry
from racer.analysis import (
    discrete_action_usage,
    driven_motion,
    fastest_laps,
    lap_phases,
    laps,
    whole_laps,
)
from racer.logs import Job, Log, Source, episode_ids, to_status_category
from racer.plotting import row_numbers
from racer.track import Track

Array = NDArray[np.float64]

MAX_STEPS = 60_000  # in a page
JOB_LETTERS = "ABCDEF"
"""What jobs side by side are called in tables and on the map."""

MAX_JOBS = len(JOB_LETTERS)
WHEELS_LABELS = ("off the track", "on the track")

_ABSURD = 1e12  # no value of a step is that far from 0: it counts as unknown
_MAX_FASTEST_LAPS = 60  # complete laps that are kept before others
_LEVELS = 65_534
_UNKNOWN_LEVEL = _LEVELS + 1
_GOLDEN_RATIO = 0.618_033_988_75
_ROWS_AT_A_TIME = 512  # that are projected together


@dataclass(frozen=True, eq=False)
class ReportSubject:
    """A log and the track that most of its steps were driven on, None where it is unknown.

    Where the log is of several jobs, `job_of_source` has the letter of each of its sources.
    """

    log: Log
    track: Track | None
    job_of_source: tuple[str, ...] = ()

    @cached_property
    def laps(self) -> pd.DataFrame:
        """Every lap of the log, with `phase` either `training` or `evaluation`, the letter of its
        `job`, empty where there is one alone, and its `number` in the log of that job, from 1.
        """
        table = laps(self.log.trace)
        job: NDArray[Any] = np.full(len(table), "")
        if self.job_of_source:
            job = np.array(self.job_of_source)[table["source"].to_numpy()]
        table = table.assign(phase=lap_phases(table), job=job)
        return table.assign(number=table.groupby("job").cumcount() + 1)

    @cached_property
    def length(self) -> float:
        """Length of the track, m: the one of most steps of the log, else that of the track, else
        0.
        """
        lengths = self.log.trace["track_len"].round(2).mode()
        if len(lengths):
            return float(lengths.iloc[0])
        return 0.0 if self.track is None else self.track.length

    @cached_property
    def track_laps(self) -> pd.DataFrame:
        """The laps that were driven on the track."""
        lengths = self.log.trace["track_len"].round(2).fillna(self.length).to_numpy()
        table: pd.DataFrame = self.laps[lengths[self.laps["first_row"]] == self.length]
        return table

    @cached_property
    def training_laps(self) -> pd.DataFrame:
        """The laps of training, on the track, that the log holds whole."""
        return whole_laps(self.track_laps[self.track_laps["phase"] == "training"])

    @cached_property
    def race_laps(self) -> pd.DataFrame:
        """The laps of evaluations and races, on the track, that the log holds whole."""
        return whole_laps(self.track_laps[self.track_laps["phase"] == "evaluation"])

    @cached_property
    def action_usage(self) -> pd.DataFrame:
        """How often each discrete action was taken, as of `racer.analysis.action_use`; no row for
        continuous ones.
        """
        space = self.log.job.action_space
        return discrete_action_usage(self.log.trace, self.track_laps, space)


def drop_absurd_values(log: Log) -> Log:
    """`log` without numbers that no car can have (beyond a million millions, infinite): they become
    unknown.
    """
    numbers = log.trace.select_dtypes("float64")
    is_absurd = ~(numbers.abs() < _ABSURD) & numbers.notna()
    if not is_absurd.to_numpy().any():
        return log
    columns = {str(name): numbers[name].mask(is_absurd[name]) for name in numbers}
    return replace(log, trace=log.trace.assign(**columns))


def join_jobs(jobs: Mapping[str, Log], track: Track | None) -> ReportSubject:
    """The logs of one job, or of several by their names, as what a page is about."""
    logs = [drop_absurd_values(log) for log in jobs.values()]
    if len(logs) == 1:
        return ReportSubject(logs[0], track)
    letters: list[str] = []
    for letter, log in zip(JOB_LETTERS, logs, strict=False):
        letters.extend(letter for _ in log.sources)
    return ReportSubject(join_logs(logs), track, tuple(letters))


def join_logs(logs: Sequence[Log]) -> Log:
    """Several logs as one, in their order; facts of the job stay where no two logs contradict each
    other.
    """
    if len(logs) == 1:
        return logs[0]
    traces = []
    sources: list[Source] = []
    notes: list[str] = []
    for log in logs:
        status = log.trace["episode_status"].astype(object)
        source = log.trace["source"] + len(sources)
        traces.append(log.trace.assign(source=source, episode_status=status))
        sources.extend(log.sources)
        notes.extend(log.notes)
    trace = pd.concat(traces)
    trace = trace.assign(episode_status=to_status_category(trace["episode_status"]))
    trace = trace.reset_index(drop=True)
    trace = trace.assign(episode_id=episode_ids(trace))
    return Log(trace, tuple(sources), tuple(notes), _agreed_facts([log.job for log in logs]))


@dataclass(frozen=True, eq=False)
class StepColumn:
    """A column of steps as it travels: `levels * scale + offset` is the value; level 65535 of a
    uint16 is nan. `words` are the meanings of the numbers 0, 1, ... of a column that holds classes.
    """

    name: str
    label: str
    unit: str
    digits: int
    levels: NDArray[Any]
    scale: float = 1.0
    offset: float = 0.0
    words: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What the page must know to read the levels."""
        return {
            "name": self.name,
            "label": self.label,
            "unit": self.unit,
            "digits": self.digits,
            "scale": self.scale,
            "offset": self.offset,
            "words": self.words,
            "packed": self.levels.dtype == np.uint16,
        }


def laps_that_fit(table: pd.DataFrame, max_steps: int = MAX_STEPS) -> pd.DataFrame:
    """The laps that fit into `max_steps`: races first, then the fastest laps, then others, spread
    over the log.
    """
    spread = np.mod(np.arange(len(table)) * _GOLDEN_RATIO, 1.0)
    is_race = table["phase"] == "evaluation"
    is_fast = table.index.isin(fastest_laps(table, _MAX_FASTEST_LAPS).index)
    rank = np.select([is_race, is_fast], [-2.0, -1.0], spread)
    by_rank = np.argsort(rank, kind="stable")
    fits = np.cumsum(table["steps"].to_numpy()[by_rank]) <= max_steps
    fits[:1] = True
    return table.iloc[np.sort(by_rank[fits])]


def step_columns(trace: pd.DataFrame, table: pd.DataFrame, track: Track | None) -> list[StepColumn]:
    """The columns of the steps of the given laps, lap after lap; those without a value are left
    out.
    """
    positions = row_numbers(table)
    rows = trace.iloc[positions]
    start = np.repeat(table["start"].to_numpy(), table["steps"])
    action = pd.Series(rows["action"].to_numpy())
    columns = [
        pack_column("X", "X", "m", 3, rows["X"]),
        pack_column("Y", "Y", "m", 3, rows["Y"]),
        pack_column(
            "speed", "Driven speed", "m/s", 2, driven_motion(trace)["speed"].iloc[positions]
        ),
        pack_column("throttle", "Commanded speed", "m/s", 2, rows["throttle"]),
        pack_column("steer", "Steering", "°", 1, rows["steer"]),
        StepColumn("reward", "Reward", "", 3, _as_float32(rows["reward"])),
        pack_column("progress", "Progress", "%", 1, rows["progress"]),
        StepColumn(
            "time", "Time in the lap", "s", 2, _as_float32(rows["tstamp"].to_numpy() - start)
        ),
        pack_column("yaw", "Heading", "°", 0, rows["yaw"]),
        pack_column("waypoint", "Closest waypoint", "", 0, rows["closest_waypoint"]),
        pack_column("action", "Action", "", 0, action.where(action >= 0)),
        _status_column(rows["episode_status"]),
        StepColumn(
            "wheels",
            "Wheels",
            "",
            0,
            rows["all_wheels_on_track"].to_numpy(np.uint8),
            words=WHEELS_LABELS,
        ),
        pack_column("place", "Place on the track", "m", 2, distances_along_track(rows, track)),
    ]
    return [column for column in columns if _has_a_value(column)]


def distances_along_track(rows: pd.DataFrame, track: Track | None) -> Array:
    """(N,) m along the track from its start line; on an unknown track, from where the lap began."""
    if track is None:
        return (rows["progress"] * rows["track_len"] / 100.0).to_numpy(np.float64)
    xy = rows[["X", "Y"]].to_numpy(np.float64)
    distance = np.empty(len(xy))
    for first in range(0, len(xy), _ROWS_AT_A_TIME):
        span = slice(first, first + _ROWS_AT_A_TIME)
        distance[span] = geometry.project_points(track.center, xy[span])[0]
    return distance


def pack_column(
    name: str, label: str, unit: str, digits: int, values: pd.Series | Array
) -> StepColumn:
    """A column as uint16 levels; whole numbers in a small range stay exact."""
    numbers = np.asarray(values, np.float64)
    is_known = np.abs(numbers) < _ABSURD
    known = numbers[is_known]
    low = float(known.min()) if len(known) else 0.0
    high = float(known.max()) if len(known) else 0.0
    is_exact = high - low <= _LEVELS and bool(np.all(np.mod(known, 1.0) == 0.0))
    scale = 1.0 if is_exact or high == low else (high - low) / _LEVELS
    levels = np.full(len(numbers), _UNKNOWN_LEVEL, np.uint16)
    levels[is_known] = np.round((known - low) / scale).astype(np.uint16)
    return StepColumn(name, label, unit, digits, levels, scale, low)


def _agreed_facts(jobs: Sequence[Job]) -> Job:
    """The fields that one job alone fills, or that several fill alike."""
    agreed = {}
    for field in fields(Job):
        values = [getattr(job, field.name) for job in jobs]
        filled = [value for value in values if _is_filled(value)]
        if filled and len({repr(value) for value in filled}) == 1:
            agreed[field.name] = filled[-1]
    return Job(**agreed)


def _is_filled(value: object) -> bool:
    if isinstance(value, str | dict | pd.DataFrame):
        return len(value) > 0
    return value is not None


def _status_column(status: pd.Series) -> StepColumn:
    categories = status.astype("category").cat
    words = tuple(map(str, categories.categories))
    return StepColumn("status", "Status", "", 0, categories.codes.to_numpy(np.int8), words=words)


def _as_float32(values: pd.Series | Array) -> NDArray[np.float32]:
    """The values as float32; what it cannot hold becomes nan."""
    numbers = np.asarray(values, np.float64)
    limit = float(np.finfo(np.float32).max)
    return np.where(np.abs(numbers) <= limit, numbers, np.nan).astype(np.float32)


def _has_a_value(column: StepColumn) -> bool:
    """Whether any step has a value: continuous actions have no index."""
    return column.levels.dtype != np.uint16 or bool((column.levels <= _LEVELS).any())
