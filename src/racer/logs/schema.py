"""What a trace is: one row a step, in the simulator's own column names and units.

A trace is a plain DataFrame. The columns below are those of the simulator's `SIM_TRACE_LOG` lines
and simtrace files, in their order. Logs of 2019 stop after `tstamp` (15 columns), later ones after
`episode_status` (16), `pause_duration` (17) or `obstacle_crash_counter` (18); today's have all 19
(docs/simulator.md 6.1). What a log lacks is nan.

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

A line that pandas cannot read is read by itself here: whatever spelling its action has and whatever
follows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.errors import UsageError

TRACE_COLUMNS = (
    "episode",
    "steps",
    "X",
    "Y",
    "yaw",
    "steer",
    "throttle",
    "action",
    "reward",
    "done",
    "all_wheels_on_track",
    "progress",
    "closest_waypoint",
    "track_len",
    "tstamp",
    "episode_status",
    "pause_duration",
    "obstacle_crash_counter",
    "wall_clock",
)
MIN_COLUMNS = 15
"""Columns of the oldest logs."""
INTEGER_COLUMNS = ("episode", "action", "closest_waypoint")
BOOLEAN_COLUMNS = ("done", "all_wheels_on_track")

COLUMN_DTYPES = dict.fromkeys(TRACE_COLUMNS, "float64")
COLUMN_DTYPES |= dict.fromkeys(INTEGER_COLUMNS, "int64")
COLUMN_DTYPES |= dict.fromkeys(BOOLEAN_COLUMNS, "bool")
COLUMN_DTYPES["episode_status"] = "category"

STATUSES = (
    "prepare",
    "in_progress",
    "lap_complete",
    "off_track",
    "crashed",
    "immobilized",
    "reversed",
    "time_up",
    "pause",
    "park",
)
STATUS_DTYPE = pd.CategoricalDtype(list(STATUSES))
PHASES = ("training", "evaluation", "unknown")
CONTINUOUS_ACTION = -1
"""The action index of a continuous action."""
EPISODES_PER_ITERATION = 20
"""Training episodes in an iteration where nothing says otherwise: the simulator's default
(docs/simulator.md 7.3)."""

_NUMPY_DTYPES = {
    name: np.dtype(dtype) for name, dtype in COLUMN_DTYPES.items() if dtype != "category"
}
_MIN_UNIX_TIME = 1e8  # s; no simulation runs for three years

TRACE_MARKER = b"SIM_TRACE_LOG:"
ColumnNames = tuple[str, ...]
"""A file's columns by position; "" for a column that is not the simulator's."""

MAX_VALUE = 1e15
"""No number of a sound log comes near: a larger one is damage, and squares must stay finite."""
MIN_VALUES = {"action": -1.0, "episode": 0.0, "closest_waypoint": 0.0, "steps": 0.0}
"""The smallest number of some columns of a sound log; of the others it is -MAX_VALUE."""

MAX_EARLY_LINES = 100
"""By which a file shows what it is."""

_EMPTY_END = re.compile(rb",+(?=\n|$)")
_MAX_FIELDS_BYTES = 64 << 10  # of a line with a step or with names; a longer one is neither
_MIN_HEADER_WORDS = 5
_HEADER_WORDS = frozenset(
    {"episode", "steps", "progress", "reward", "action", "done", "x", "y", "yaw"}
)
_BOOLEANS = {
    "True": True,
    "true": True,
    "TRUE": True,
    "False": False,
    "false": False,
    "FALSE": False,
}
_STATUS_WORD = re.compile(r"[a-z][a-z_ ]*")

_NUMBER_PATTERN = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NUMBER = re.compile(_NUMBER_PATTERN)
_TWO_NUMBERS = re.compile(rf"{_NUMBER_PATTERN}\s*[ ;]\s*{_NUMBER_PATTERN}")

# Continuous actions: `[a b]`, `[a, b]` and `[a;b]` (the literal at its head makes the search fast),
_BRACKETED_PAIR = re.compile(rb"\[ *[-+.\deE]+[ ,;]+[-+.\deE]+ *\]")
# the numbers within numpy's repr of such a pair,
_NUMPY_REPR = re.compile(rb"np\.float(?:32|64)\(([^()\n]*)\)|array\((\[[^()\n]*\])\)")
# and `a b` and `a;b` without brackets.
_BARE_PAIR = re.compile(rf"(?<=,) *{_NUMBER_PATTERN} *[ ;] *{_NUMBER_PATTERN} *(?=,)".encode())
_BARE_PAIR_SEARCH_BYTES = 4096  # searching all of a discrete log would be slow

# Text of another process, or the rest of a JSON wrapper, behind the last field.
_TAIL = re.compile(rb'[\s"\\\[{}\]].*', re.DOTALL)


def normalize_trace(trace: pd.DataFrame) -> pd.DataFrame:
    """`trace` with every declared column and dtype.

    Optional columns that it lacks are nan, and statuses that it lacks are inferred. Raises
    UsageError naming the columns that are missing, or the column whose values do not fit.
    """
    names = tuple(trace.columns)
    is_prefix = len(names) > MIN_COLUMNS and names == TRACE_COLUMNS[: len(names)]
    if is_prefix and _has_declared_dtypes(trace):
        trace = with_statuses(trace)
        missing_columns = TRACE_COLUMNS[len(names) :]
        if missing_columns:
            trace = trace.assign(**dict.fromkeys(missing_columns, np.nan))
        return trace
    missing = [name for name in TRACE_COLUMNS[:MIN_COLUMNS] if name not in trace]
    if missing:
        raise UsageError(
            f"a trace needs the columns {', '.join(missing)}: "
            f"it has {', '.join(map(str, trace.columns))}"
        )
    normalized = _with_converted_columns(trace)
    statuses = normalized["episode_status"]
    if statuses.isna().any():
        inferred = infer_statuses(normalized).astype(object)
        known = statuses.astype(object).where(statuses.notna(), inferred)
        normalized["episode_status"] = to_status_category(known)
    return normalized


def infer_statuses(trace: pd.DataFrame) -> pd.Series:
    """A status for rows of logs that have none (2019): `done` rows completed the lap or left the
    track.
    """
    is_complete = trace["done"] & (trace["progress"] >= 100)
    words = np.select([is_complete, trace["done"]], ["lap_complete", "off_track"], "in_progress")
    return pd.Series(pd.Categorical(words, categories=STATUSES), index=trace.index)


def with_statuses(trace: pd.DataFrame) -> pd.DataFrame:
    """`trace` with its statuses as `to_status_category` has them; the same frame where they already
    are.
    """
    dtype = trace["episode_status"].dtype
    if dtype is STATUS_DTYPE or dtype == STATUS_DTYPE:
        return trace
    return trace.assign(episode_status=to_status_category(trace["episode_status"]))


def to_status_category(words: pd.Series) -> pd.Series:
    """`words` as a category of STATUSES in their order, and of other words behind them."""
    statuses = words.astype("category")
    given = statuses.cat.categories.to_list()
    categories = [*STATUSES, *(word for word in given if word not in STATUSES)]
    if given == categories:
        return statuses
    return statuses.cat.set_categories(categories)


def has_unix_time(trace: pd.DataFrame) -> bool:
    """Whether `tstamp` is Unix time, as in logs up to 2020, and not the simulation's own clock."""
    return len(trace) > 0 and float(trace["tstamp"].iloc[0]) > _MIN_UNIX_TIME


def episode_ids(trace: pd.DataFrame) -> NDArray[np.int64]:
    """(N,) number of the episode of each row, from 0 in row order.

    An episode begins where `episode` changes, `steps` does not increase, or `source` (if there is
    one) changes.
    """
    source = None
    if "source" in trace:
        source = trace["source"].to_numpy()
    return number_episodes(trace["episode"].to_numpy(), trace["steps"].to_numpy(), source)


def row_episode_ids(trace: pd.DataFrame) -> NDArray[np.int64]:
    """(N,) the `episode_id` of each row; counted by `episode_ids` where the trace has none."""
    if "episode_id" in trace:
        return trace["episode_id"].to_numpy()
    return episode_ids(trace)


def number_episodes(
    episode: NDArray[np.int64], steps: NDArray[np.float64], source: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """The result of `episode_ids`, from the columns (N,) themselves."""
    begins = np.diff(episode, prepend=episode[:1]) != 0
    begins |= np.diff(steps, prepend=-np.inf) <= 0
    if source is not None:
        begins |= np.diff(source, prepend=source[:1]) != 0
    begins[:1] = False
    return np.cumsum(begins).astype(np.int64)


def _has_declared_dtypes(trace: pd.DataFrame) -> bool:
    """Whether every column has its dtype already, and every row a status."""
    dtypes = dict(zip(trace.columns, trace.dtypes.to_numpy(), strict=True))
    if not isinstance(dtypes.pop("episode_status"), pd.CategoricalDtype):
        return False
    if any(dtype != _NUMPY_DTYPES[name] for name, dtype in dtypes.items()):
        return False
    statuses: Any = trace["episode_status"].array
    return not (statuses.codes < 0).any()


def _with_converted_columns(trace: pd.DataFrame) -> pd.DataFrame:
    """The declared columns in their order and dtypes, nan where the trace lacks one, then others."""
    columns: dict[str, Any] = {}
    for name in TRACE_COLUMNS:
        if name in trace:
            columns[name] = _converted_column(trace, name)
        else:
            columns[name] = np.full(len(trace), np.nan)
    for name in trace.columns:
        if name not in TRACE_COLUMNS:
            columns[name] = trace[name]
    return pd.DataFrame(columns, index=trace.index)


def _converted_column(trace: pd.DataFrame, name: str) -> pd.Series:
    given = trace[name]
    if name == "episode_status":
        if not isinstance(given.dtype, pd.CategoricalDtype):
            given = given.astype(object)
        return to_status_category(given)
    if given.dtype == COLUMN_DTYPES[name]:
        return given
    try:
        values = given.to_numpy()
        if name in INTEGER_COLUMNS and values.dtype.kind == "f" and np.any(values % 1.0 != 0.0):
            raise ValueError("it holds numbers that are not whole")
        return pd.Series(values.astype(COLUMN_DTYPES[name]), index=trace.index)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"column {name} of the trace must be {COLUMN_DTYPES[name]}: {error}"
        ) from None


class ParsedRow(NamedTuple):
    """The columns of a step and its values."""

    names: ColumnNames
    values: list[Any]


def standard_columns(count: int) -> ColumnNames:
    """The simulator's own names for a line of `count` fields (docs/simulator.md 6.1); empty where no
    version writes such.
    """
    if MIN_COLUMNS <= count <= len(TRACE_COLUMNS):
        return TRACE_COLUMNS[:count]
    return ()


def is_header_line(line: bytes) -> bool:
    """Whether a line holds column names."""
    if len(line) > _MAX_FIELDS_BYTES:
        return False
    fields = line.decode("utf-8", "replace").split(",")
    words = {field.strip().strip('"').lower() for field in fields}
    return len(words & _HEADER_WORDS) >= _MIN_HEADER_WORDS


def is_number(word: str) -> bool:
    """Whether a field is written as a number."""
    return _NUMBER.fullmatch(word) is not None


def replace_action_pairs(text: bytes) -> bytes:
    """`text` with continuous actions written as -1: their numbers are `steer` and `throttle` too."""
    if b"(" in text:
        text = _NUMPY_REPR.sub(rb"\1\2", text)
    if b"[" in text:
        text = _BRACKETED_PAIR.sub(b"-1", text).replace(b'"-1"', b"-1")
    start = text[:_BARE_PAIR_SEARCH_BYTES]
    if (b" " in start or b";" in start) and _BARE_PAIR.search(start):
        text = _BARE_PAIR.sub(b"-1", text)
    return text


def parse_row(line: bytes, names: ColumnNames) -> ParsedRow | None:
    """The step in a line, or None where it holds none.

    `names` are the columns of the file. A line of another length is read by the simulator's own
    columns. Understands what the parser of whole blocks does not: an action `a, b` whose comma
    shifts the columns behind it, and text behind the last field.
    """
    if len(line) > _MAX_FIELDS_BYTES:
        return None
    try:
        text = _without_tail(replace_action_pairs(line)).decode("ascii")
    except UnicodeDecodeError:
        return None
    fields = [field.strip() for field in text.split(",")]
    if _is_shifted(fields, names):
        fields = _without_shift(fields)
        names = ()
    if len(names) != len(fields):
        names = standard_columns(len(fields))
    if not names:
        return None
    used = []
    values = []
    for name, field in zip(names, fields, strict=True):
        if name:
            used.append(name)
            values.append(_parse_field(name, field))
    if any(value is None for value in values):
        return None
    return ParsedRow(tuple(used), values)


def _without_tail(line: bytes) -> bytes:
    head, comma, last = line.rstrip().rpartition(b",")
    return head + comma + _TAIL.sub(b"", last.lstrip())


def _is_shifted(fields: list[str], names: ColumnNames) -> bool:
    """Whether an action `a, b` has moved `done` and `all_wheels_on_track` one field to the right."""
    if len(fields) <= MIN_COLUMNS or "" in names:
        return False
    return fields[9] not in _BOOLEANS and fields[10] in _BOOLEANS and fields[11] in _BOOLEANS


def _without_shift(fields: list[str]) -> list[str]:
    pair = fields[7:9]
    action = "?"
    if all(_NUMBER.fullmatch(field.strip("[] ")) for field in pair):
        action = str(CONTINUOUS_ACTION)
    return [*fields[:7], action, *fields[9:]]


def _parse_field(name: str, field: str) -> bool | str | int | float | None:
    """The value of a field, None where it does not fit its column."""
    if name in BOOLEAN_COLUMNS:
        return _BOOLEANS.get(field)
    if name == "episode_status":
        return field if _STATUS_WORD.fullmatch(field) else None
    if name == "action" and _TWO_NUMBERS.fullmatch(field):
        return CONTINUOUS_ACTION
    if not _NUMBER.fullmatch(field):
        return None
    number = float(field)
    if not MIN_VALUES.get(name, -MAX_VALUE) <= number <= MAX_VALUE:
        return None
    if name not in INTEGER_COLUMNS:
        return number
    return int(number) if number.is_integer() else None


def early_lines(block: bytes) -> list[bytes]:
    """The lines at the beginning of a file, from its first block, that show what it is."""
    return block.split(b"\n", MAX_EARLY_LINES)[:MAX_EARLY_LINES]


@dataclass(frozen=True)
class Spelling:
    """How a table writes its fields, where that is not the simulator's way: a spreadsheet's."""

    separator: bytes = b","
    is_quoted: bool = False
    has_empty_end: bool = False

    @classmethod
    def of(cls, block: bytes) -> Spelling:
        """The spelling of a table, from its first lines."""
        lines = [line for line in early_lines(block) if line.strip()][:2]
        if not lines or TRACE_MARKER in block:
            return cls()
        last = lines[-1]
        for separator in (b";", b"\t"):
            if min(line.count(separator) for line in lines) >= MIN_COLUMNS - 1:
                return cls(separator, last.count(b'"') >= 2 * MIN_COLUMNS)
        is_quoted = last.count(b'","') >= MIN_COLUMNS - 1
        return cls(b",", is_quoted, all(line.rstrip().endswith(b",") for line in lines))

    def plain(self, block: bytes) -> bytes:
        """A block of lines as the simulator would have written them."""
        if self.is_quoted:
            block = block.replace(b'"', b"")
        if self.separator == b";":
            block = block.replace(b",", b".")
        if self.separator != b",":
            block = block.replace(self.separator, b",")
        if self.has_empty_end:
            block = _EMPTY_END.sub(b"", block)
        return block
