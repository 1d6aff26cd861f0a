"""Where each lap of a trace begins and ends, and what its first row says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.logs.trace import episode_ids


@dataclass(frozen=True, eq=False)
class Steps:
    """The columns of a trace that laps are told from, (N,) each: pandas takes its time to hand out a column."""

    trace: pd.DataFrame
    source: NDArray[np.int64]  # number of the file that each row was read from; 0 where the trace does not say
    episode_id: NDArray[np.int64]
    steps: NDArray[np.float64]
    progress: NDArray[np.float64]
    stamp: NDArray[np.float64]
    status: NDArray[np.int64]  # index into `words`; -1, the last of them, is a missing one
    words: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.steps)

    def has(self, *words: str) -> NDArray[np.bool_]:
        """(N,) whether the status of each row is one of `words`."""
        return np.array([word in words for word in self.words])[self.status]


def steps_of(trace: pd.DataFrame) -> Steps:
    """Those columns of a trace."""
    status, words = _coded(trace["episode_status"])
    source = trace["source"].to_numpy() if "source" in trace else np.zeros(len(trace), np.int64)
    ids = trace["episode_id"].to_numpy() if "episode_id" in trace else episode_ids(trace)
    steps, progress, stamp = (trace[name].to_numpy() for name in ("steps", "progress", "tstamp"))
    return Steps(trace, source, ids, steps, progress, stamp, status, words)


def _coded(column: pd.Series) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """(N,) index of each word of a column, and the words; the last of them stands for a missing one."""
    words: Any = (column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")).array
    return words.codes, np.array([*words.categories, np.nan], dtype=object)


def bounds(trace: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last row of every lap, positions in the trace."""
    return bounds_in(steps_of(trace))


def bounds_in(rows: Steps) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same of a trace whose columns are at hand."""
    if not len(rows):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    new = np.diff(rows.episode_id, prepend=rows.episode_id[0] - 1) != 0
    new[1:] |= rows.progress[:-1] >= 100.0  # a continuous race goes on
    first = np.flatnonzero(new)
    return first, np.append(first[1:], len(rows)) - 1


def rows_of(trace: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a trace that belong to the laps in `table`, rows of `racer.laps.laps(trace)`."""
    step = np.zeros(len(trace) + 1, dtype=np.int64)
    np.add.at(step, table["first_row"].to_numpy(), 1)
    np.add.at(step, table["last_row"].to_numpy() + 1, -1)
    return trace[np.cumsum(step)[:-1] > 0]


def of_first(rows: Steps, name: str, first: NDArray[np.int64], default: object) -> NDArray[np.generic]:
    """(L,) values of a column at rows `first` (L,); `default` where the trace has no such column."""
    if name in ("source", "episode_id"):
        return np.asarray(getattr(rows, name)[first])
    if name not in rows.trace:
        return np.full(len(first), default)
    column = rows.trace[name]
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.to_numpy()[first])
    codes, words = _coded(column)
    return words[codes[first]]
