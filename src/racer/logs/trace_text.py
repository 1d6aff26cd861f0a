"""A trace as text: the csv of a simtrace file, and the lines that the simulator prints."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.files import write_file
from racer.logs.rows import TRACE_MARKER
from racer.logs.schema import (
    COLUMN_DTYPES,
    CONTINUOUS_ACTION,
    INTEGER_COLUMNS,
    MIN_COLUMNS,
    TRACE_COLUMNS,
)

_PRINT_FORMATS = {
    "episode": "%d",
    "steps": "%d",
    "X": "%.4f",
    "Y": "%.4f",
    "yaw": "%.4f",
    "steer": "%.2f",
    "throttle": "%.2f",
    "action": "%s",
    "reward": "%.4f",
    "done": "%s",
    "all_wheels_on_track": "%s",
    "progress": "%.4f",
    "closest_waypoint": "%d",
    "track_len": "%.2f",
    "tstamp": "%s",
    "episode_status": "%s",
    "pause_duration": "%.2f",
    "obstacle_crash_counter": "%d",
    "wall_clock": "%.4f",
}
"""How the simulator prints each column in its log lines (docs/simulator.md 6.1)."""

_SAMPLED_VALUES = 200
_MIN_REPEATS = 4  # times that a sampled value must occur for a column to be taken as repetitive


def write_csv(trace: pd.DataFrame, path: Path, columns: int | None = None) -> None:
    """Write a trace as a simtrace file, whole or not at all; gzip where the name ends in `.gz`.

    `columns` is how many of the simulator's columns are written, 15 to 19; without it all that have
    values. Raises UsageError for a trace that lacks columns and for what cannot be written.
    """
    content = csv_text(trace, columns).encode("ascii", "backslashreplace")
    if path.suffix == ".gz":
        content = gzip.compress(content, 6, mtime=0)
    write_file(path, content)


def csv_text(trace: pd.DataFrame, columns: int | None = None) -> str:
    """A trace as simtrace text: a header, floats in full precision, `True` and `False`.

    Continuous actions are `[steer speed]`. `columns` as for `write_csv`.
    """
    names = TRACE_COLUMNS[: columns or filled_columns(trace)]
    table = [_column_words(trace, name) for name in names]
    rows = map(",".join, zip(*table, strict=True))
    return "\n".join([",".join(names), *rows, ""])


def log_lines(trace: pd.DataFrame, columns: int | None = None) -> str:
    """A trace as the `SIM_TRACE_LOG` lines that the simulator prints, positions to 4 decimals.

    `columns` as for `write_csv`.
    """
    names = TRACE_COLUMNS[: columns or filled_columns(trace)]
    line_format = TRACE_MARKER.decode() + ",".join(_PRINT_FORMATS[name] for name in names) + "\n"
    table: list[list[str] | list[float]] = []
    for name in names:
        if _PRINT_FORMATS[name] == "%s":
            table.append(_column_words(trace, name))
        else:
            table.append(trace[name].to_numpy().tolist())
    return "".join(line_format % values for values in zip(*table, strict=True))


def filled_columns(trace: pd.DataFrame) -> int:
    """How many of the simulator's columns, in their order, have a value in every row.

    Raises UsageError for a trace that lacks one of the first 15.
    """
    missing = [name for name in TRACE_COLUMNS[:MIN_COLUMNS] if name not in trace]
    if missing:
        raise UsageError(f"this trace cannot be written: it lacks {', '.join(missing)}")
    count = MIN_COLUMNS
    for name in TRACE_COLUMNS[MIN_COLUMNS:]:
        if name not in trace or trace[name].isna().any():
            break
        count += 1
    return count


def _column_words(trace: pd.DataFrame, name: str) -> list[str]:
    """The text of each value of a column."""
    if name == "episode_status":
        return trace[name].astype(object).tolist()
    values = trace[name].to_numpy()
    if name == "action":
        return _action_words(trace, values)
    if not len(values):
        return []
    is_whole = name in INTEGER_COLUMNS or name == "obstacle_crash_counter"
    words = _reprs(values.astype("int64" if is_whole else COLUMN_DTYPES[name]))
    if name == "progress":
        for row in np.flatnonzero(values == 100.0):
            words[row] = "100"  # the simulator takes min(progress, 100), an int
    return words


def _reprs(values: NDArray[np.generic]) -> list[str]:
    """Python's repr of each value.

    The repr of a whole list is much faster than one by one, and many columns repeat few values.
    """
    # Bits tell -0.0 from 0.0.
    bits = values.view(np.int64) if values.dtype.itemsize == 8 else values
    if not _is_repetitive(bits):
        return _list_reprs(values)
    codes, unique = pd.factorize(bits)
    words = _list_reprs(unique.view(values.dtype))
    return [words[code] for code in codes.tolist()]


def _list_reprs(values: NDArray[np.generic]) -> list[str]:
    return repr(values.tolist())[1:-1].split(", ")


def _is_repetitive(values: NDArray[np.generic]) -> bool:
    sample = values[:: max(1, len(values) // _SAMPLED_VALUES)]
    return len(np.unique(sample)) * _MIN_REPEATS < len(sample)


def _action_words(trace: pd.DataFrame, actions: NDArray[np.int64]) -> list[str]:
    words = [str(action) for action in actions.tolist()]
    continuous = np.flatnonzero(actions == CONTINUOUS_ACTION)
    commands = trace[["steer", "throttle"]].to_numpy(np.float64)[continuous]
    for row, (steer, speed) in zip(continuous.tolist(), commands.tolist(), strict=True):
        words[row] = f"[{steer!r} {speed!r}]"
    return words
