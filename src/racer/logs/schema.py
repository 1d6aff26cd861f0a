"""What a trace is: one row a step, in the simulator's own column names and units.

A trace is a plain DataFrame. The columns below are those of the simulator's `SIM_TRACE_LOG` lines
and simtrace files, in their order. Logs of 2019 stop after `tstamp` (15 columns), later ones after
`episode_status` (16), `pause_duration` (17) or `obstacle_crash_counter` (18); today's have all 19.
What a log lacks is nan.

| column | dtype | unit and meaning |
|---|---|---|
| episode | int64 | from 0 |
| steps | float64 | from 1 in each episode; keeps counting over the laps of a continuous race |
| X, Y | float64 | m, the point 0.14 m ahead of the car's origin, before the action has any effect |
| yaw | float64 | degrees, counterclockwise from the x axis |
| steer | float64 | degrees, commanded, positive to the left |
| throttle | float64 | m/s, commanded |
| action | int64 | index of a discrete action; -1 for a continuous one, which is (steer, throttle) |
| reward | float64 | 0 on `prepare` and `pause` rows |
| done, all_wheels_on_track | bool | |
| progress | float64 | %, from where the episode began |
| closest_waypoint | int64 | |
| track_len | float64 | m |
| tstamp | float64 | s, simulation clock at the END of the step; Unix time in logs up to 2020 |
| episode_status | category | one of `STATUSES` |
| pause_duration | float64 | s of penalty that remain |
| obstacle_crash_counter | float64 | |
| wall_clock | float64 | s, Unix time |

The reader adds five columns of its own, which the writer leaves out:

| column | dtype | meaning |
|---|---|---|
| source | int64 | index into `Log.sources` |
| phase | category | training, evaluation or unknown |
| iteration | int64 | number in the file's name `N-iteration.csv`; -1 where no name says it |
| worker | int64 | number of the worker in the file's path; -1 where no name says it |
| episode_id | int64 | unique in the trace, in row order: workers and files restart `episode` |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from racer.errors import UsageError
from racer.vehicle.action_space import ActionSpace

EPOCH_DTYPES = {
    "iteration": "int64", "epoch": "int64", "loss": "float64", "kl": "float64", "entropy": "float64",
    "learning_rate": "float64",
}  # fmt: skip


def no_epochs() -> pd.DataFrame:
    """A table of policy-training epochs without a row: the columns and dtypes of `PPO`."""
    return _no_epochs().copy()


@cache
def _no_epochs() -> pd.DataFrame:
    return pd.DataFrame({name: np.empty(0, kind) for name, kind in EPOCH_DTYPES.items()})


@dataclass(frozen=True, eq=False)
class Job:
    """The facts of a job. Nothing here is guessed: empty means that no file says it.

    | field | meaning |
    |---|---|
    | platform | `console`, `DeepRacer for Cloud`, `DeepRacer on AWS` or `racer` |
    | simulator | its version, such as `5.0` or `6.0.5` |
    | car | generation, `v4`, `v5` or `v6` |
    | world, race_type | as the job's own files have them: `reinvent_base`, `TIME_TRIAL` |
    | action_space | of `model_metadata.json`, or printed in the log |
    | hyperparameters | of `hyperparameters.json`, or printed in the log |
    | reward | source text of the reward function |
    | ppo | one row a policy-training epoch: iteration, epoch, loss, kl, entropy, learning_rate |
    | metrics | entries of each metrics file by its name, as `racer.logs.metrics.read_metrics` gives them |
    | best_checkpoint | name of the checkpoint that the job itself calls best |
    """

    platform: str = ""
    simulator: str = ""
    car: str = ""
    world: str = ""
    race_type: str = ""
    action_space: ActionSpace | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    reward: str = ""
    ppo: pd.DataFrame = field(default_factory=no_epochs)
    metrics: dict[str, pd.DataFrame] = field(default_factory=dict)
    best_checkpoint: str = ""


TRACE_COLUMNS = (
    "episode", "steps", "X", "Y", "yaw", "steer", "throttle", "action", "reward", "done", "all_wheels_on_track",
    "progress", "closest_waypoint", "track_len", "tstamp", "episode_status", "pause_duration", "obstacle_crash_counter",
    "wall_clock",
)  # fmt: skip
MIN_COLUMNS = 15  # columns of the oldest logs
INTEGER_COLUMNS = ("episode", "action", "closest_waypoint")
BOOLEAN_COLUMNS = ("done", "all_wheels_on_track")
OPTIONAL_COLUMNS = TRACE_COLUMNS[MIN_COLUMNS:]
COLUMN_DTYPES = {
    name: "int64"
    if name in INTEGER_COLUMNS
    else "bool"
    if name in BOOLEAN_COLUMNS
    else "category"
    if name == "episode_status"
    else "float64"
    for name in TRACE_COLUMNS
}
_TYPES = {name: np.dtype(kind) for name, kind in COLUMN_DTYPES.items() if kind != "category"}
STATUSES = (
    "prepare", "in_progress", "lap_complete", "off_track", "crashed", "immobilized", "reversed", "time_up", "pause",
    "park",
)  # fmt: skip
STATUS_DTYPE = pd.CategoricalDtype(list(STATUSES))
PHASES = ("training", "evaluation", "unknown")
CONTINUOUS_ACTION = -1  # the action index of a continuous action


@dataclass(frozen=True)
class Source:
    """One file that a trace was read from, with an account of its lines.

    `lines == rows + repeated + bad + headers + blank + other`; `other` are lines of a text log that
    hold no step, `repeated` those whose step has been read before, which are left out of the trace.
    """

    name: str
    phase: str
    columns: int
    rows: int
    bad: int = 0
    headers: int = 0
    blank: int = 0
    other: int = 0
    first_bad: str = ""  # place and beginning of the first bad line
    notes: tuple[str, ...] = ()
    repeated: int = 0

    @property
    def lines(self) -> int:
        """Lines in the file."""
        return self.rows + self.repeated + self.bad + self.headers + self.blank + self.other


@dataclass(frozen=True, eq=False)
class Log:
    """A trace, where it comes from, and what is known of its job.

    `notes` are sentences on what was converted, left out or guessed.
    """

    trace: pd.DataFrame
    sources: tuple[Source, ...]
    notes: tuple[str, ...] = ()
    job: Job = field(default_factory=Job)

    @property
    def bad_lines(self) -> int:
        """Lines, over all files, that should hold a step and do not."""
        return sum(source.bad for source in self.sources)


def normalize_trace(trace: pd.DataFrame) -> pd.DataFrame:
    """`trace` with declared columns and dtypes; optional columns that it lacks are nan, statuses
    are inferred.

    Raises UsageError naming the missing columns, or the column whose values do not fit.
    """
    names = tuple(trace.columns)
    if names == TRACE_COLUMNS[: len(names)] and len(names) > MIN_COLUMNS and _is_declared(trace):
        lacking = dict.fromkeys(TRACE_COLUMNS[len(names) :], np.nan)
        trace = with_statuses(trace)
        return trace.assign(**lacking) if lacking else trace
    missing = [name for name in TRACE_COLUMNS[:MIN_COLUMNS] if name not in trace]
    if missing:
        raise UsageError(
            f"a trace needs the columns {', '.join(missing)}: it has {', '.join(map(str, trace.columns))}"
        )
    given = {name: _column(trace, name) for name in TRACE_COLUMNS if name in trace}
    absent = {name: np.full(len(trace), np.nan) for name in OPTIONAL_COLUMNS if name not in trace}
    extra = {name: trace[name] for name in trace.columns if name not in TRACE_COLUMNS}
    whole = pd.DataFrame({**given, **absent, **extra}, index=trace.index)
    if whole["episode_status"].isna().any():
        known = whole["episode_status"].astype(object)
        whole["episode_status"] = to_status_category(
            known.where(known.notna(), infer_statuses(whole).astype(object))
        )
    return whole[[*TRACE_COLUMNS, *extra]]


def infer_statuses(trace: pd.DataFrame) -> pd.Series:
    """A status for rows of logs that have none (2019): `done` rows completed the lap or left the
    track.
    """
    ends = [trace["done"] & (trace["progress"] >= 100), trace["done"]]
    words = np.select(ends, ["lap_complete", "off_track"], "in_progress")
    return pd.Series(pd.Categorical(words, categories=STATUSES), index=trace.index)


def with_statuses(trace: pd.DataFrame) -> pd.DataFrame:
    """`trace` with its statuses as `categorical` has them; the same frame where they are so
    already.
    """
    kind = trace["episode_status"].dtype
    is_known = kind is STATUS_DTYPE or (
        isinstance(kind, pd.CategoricalDtype) and kind == STATUS_DTYPE
    )
    return (
        trace
        if is_known
        else trace.assign(episode_status=to_status_category(trace["episode_status"]))
    )


def to_status_category(words: pd.Series, known: tuple[str, ...] = STATUSES) -> pd.Series:
    """`words` as a category whose known values come first, in their order; further ones follow."""
    found = words.astype("category")
    have = found.cat.categories.to_list()
    wanted = [*known, *(word for word in have if word not in known)]
    if have == wanted:
        return found
    place = {word: number for number, word in enumerate(wanted)}
    codes = np.array([*(place[word] for word in have), -1], np.int64)
    made = pd.Categorical.from_codes(
        codes[found.cat.codes.to_numpy()], pd.Index(wanted), validate=False
    )
    return pd.Series(made, index=words.index, name=words.name)


def has_unix_time(trace: pd.DataFrame) -> bool:
    """Whether `tstamp` is Unix time, as in logs up to 2020, and not the simulation's own clock."""
    return bool(len(trace)) and float(trace["tstamp"].iloc[0]) > 1e8


def episode_ids(trace: pd.DataFrame) -> np.ndarray:
    """(N,) int64 number of the episode of each row, in row order from 0.

    One begins where `episode` changes, `steps` does not increase, or `source` (if there is one)
    changes.
    """
    source = trace["source"].to_numpy() if "source" in trace else None
    return number_episodes(trace["episode"].to_numpy(), trace["steps"].to_numpy(), source)


def number_episodes(
    episode: np.ndarray, steps: np.ndarray, source: np.ndarray | None
) -> np.ndarray:
    """(N,) int64 as `episode_ids` gives them, from the columns themselves."""
    new = (np.diff(episode, prepend=episode[:1]) != 0) | (np.diff(steps, prepend=-np.inf) <= 0)
    if source is not None:
        new |= np.diff(source, prepend=source[:1]) != 0
    new[:1] = False
    return np.cumsum(new).astype(np.int64)


def _is_declared(trace: pd.DataFrame) -> bool:
    """Whether every column has its dtype already, and every row a status."""
    types = dict(zip(trace.columns, trace.dtypes.to_numpy(), strict=True))
    if not isinstance(types.pop("episode_status"), pd.CategoricalDtype):
        return False
    status: Any = trace["episode_status"].array
    return (
        all(kind == _TYPES[name] for name, kind in types.items()) and not (status.codes < 0).any()
    )


def _column(trace: pd.DataFrame, name: str) -> pd.Series:
    given = trace[name]
    if name == "episode_status":
        return to_status_category(
            given if isinstance(given.dtype, pd.CategoricalDtype) else given.astype(object)
        )
    if given.dtype == COLUMN_DTYPES[name]:
        return given
    try:
        values = trace[name].to_numpy()
        if (
            name in INTEGER_COLUMNS
            and values.dtype.kind == "f"
            and not np.all(np.mod(values, 1.0) == 0.0)
        ):
            raise ValueError("it holds numbers that are not whole")
        return pd.Series(values.astype(COLUMN_DTYPES[name]), index=trace.index)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"column {name} of the trace must be {COLUMN_DTYPES[name]}: {error}"
        ) from None
