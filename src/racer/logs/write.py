"""Write a trace as the simulator does: simtrace files and `SIM_TRACE_LOG` lines."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from racer.errors import UsageError
from racer.logs.trace import COLUMNS, CONTINUOUS, DTYPES, FEWEST, WHOLE

_PRINTED = {  # the simulator's print format of its log lines
    "episode": "%d", "steps": "%d", "X": "%.4f", "Y": "%.4f", "yaw": "%.4f", "steer": "%.2f", "throttle": "%.2f",
    "action": "%s", "reward": "%.4f", "done": "%s", "all_wheels_on_track": "%s", "progress": "%.4f",
    "closest_waypoint": "%d",
    "track_len": "%.2f", "tstamp": "%s", "episode_status": "%s", "pause_duration": "%.2f",
    "obstacle_crash_counter": "%d", "wall_clock": "%.4f",
}  # fmt: skip


def write_csv(trace: pd.DataFrame, path: Path, columns: int | None = None) -> None:
    """Writes a trace as a simtrace file, gzip when the name ends in `.gz`; the file appears whole or not at all.

    `columns`: how many of the simulator's columns, 15 to 19; all that hold values when not given.
    """
    data = csv_text(trace, columns).encode("ascii", "backslashreplace")
    write_whole(path, gzip.compress(data, 6, mtime=0) if path.suffix == ".gz" else data)


def csv_text(trace: pd.DataFrame, columns: int | None = None) -> str:
    """A trace as simtrace text: header, floats in full precision, `True`/`False`, `[steer speed]` if continuous."""
    names = COLUMNS[: columns or filled_columns(trace)]
    table = [_words(trace, name) for name in names]
    return "\n".join([",".join(names), *map(",".join, zip(*table, strict=True)), ""])


def log_lines(trace: pd.DataFrame, columns: int | None = None) -> str:
    """A trace as the `SIM_TRACE_LOG` lines that the simulator prints, positions rounded to 4 decimals."""
    names = COLUMNS[: columns or filled_columns(trace)]
    line = "SIM_TRACE_LOG:" + ",".join(_PRINTED[name] for name in names)
    table = [_words(trace, name) if _PRINTED[name] == "%s" else _numbers(trace, name) for name in names]
    return "".join([f"{line % values}\n" for values in zip(*table, strict=True)])


def filled_columns(trace: pd.DataFrame) -> int:
    """How many of the simulator's columns, in their order, hold values in every row."""
    missing = [name for name in COLUMNS[:FEWEST] if name not in trace]
    if missing:
        raise UsageError(f"this trace cannot be written: it lacks {', '.join(missing)}")
    filled = (name in trace and not trace[name].isna().any() for name in COLUMNS[FEWEST:])
    return FEWEST + next((i for i, full in enumerate(filled) if not full), len(COLUMNS) - FEWEST)


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file beside its place and moves it there, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _words(trace: pd.DataFrame, name: str) -> list[str]:
    """The text of each value of a column."""
    if name == "episode_status":
        return trace[name].astype(object).tolist()
    values = trace[name].to_numpy()
    if name == "action":
        return _actions(trace, values)
    if not len(values):
        return []
    whole = name in WHOLE or name == "obstacle_crash_counter"
    words = _reprs(values.astype("int64" if whole else DTYPES[name]))
    if name == "progress":
        for i in np.flatnonzero(values == 100.0):
            words[i] = "100"  # the simulator takes min(progress, 100): an int
    return words


def _reprs(values: np.ndarray) -> list[str]:
    """Python's repr of each value. That of a whole list is much faster, and many columns repeat few values."""
    bits = values.view(np.int64) if values.dtype.itemsize == 8 else values  # so that -0.0 is not 0.0
    codes, unique = pd.factorize(bits) if _repeats(bits) else (None, bits)
    words = repr(unique.view(values.dtype).tolist())[1:-1].split(", ")
    return words if codes is None else [words[code] for code in codes.tolist()]


def _repeats(bits: np.ndarray) -> bool:
    sample = bits[:: max(1, len(bits) // 200)]
    return len(np.unique(sample)) * 4 < len(sample)


def _actions(trace: pd.DataFrame, index: np.ndarray) -> list[str]:
    words = list(map(str, index.tolist()))
    continuous = np.flatnonzero(index == CONTINUOUS)
    if len(continuous):
        pairs = trace[["steer", "throttle"]].to_numpy(np.float64)[continuous].tolist()
        for i, (steer, speed) in zip(continuous.tolist(), pairs, strict=True):
            words[i] = f"[{steer!r} {speed!r}]"
    return words


def _numbers(trace: pd.DataFrame, name: str) -> list[float]:
    return trace[name].to_numpy().tolist()
