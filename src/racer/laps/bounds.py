"""Where each lap of a trace begins and ends, and what its first row says."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.logs.trace import episode_ids


def bounds(trace: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last row of every lap, positions in the trace."""
    if not len(trace):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    ids = trace["episode_id"].to_numpy() if "episode_id" in trace else episode_ids(trace)
    new = np.diff(ids, prepend=ids[0] - 1) != 0
    new[1:] |= trace["progress"].to_numpy()[:-1] >= 100.0  # a continuous race goes on
    first = np.flatnonzero(new)
    return first, np.append(first[1:], len(trace)) - 1


def rows_of(trace: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a trace that belong to the laps in `table`, rows of `racer.laps.laps(trace)`."""
    step = np.zeros(len(trace) + 1, dtype=np.int64)
    np.add.at(step, table["first_row"].to_numpy(), 1)
    np.add.at(step, table["last_row"].to_numpy() + 1, -1)
    return trace[np.cumsum(step)[:-1] > 0]


def of_first(trace: pd.DataFrame, name: str, rows: NDArray[np.int64], default: object) -> NDArray[np.generic]:
    """(L,) values of a column at `rows` (L,); `default` where the trace has no such column."""
    if name in trace:
        column = trace[name]  # all of a category would become as many words
        is_category = isinstance(column.dtype, pd.CategoricalDtype)
        return np.asarray(column.iloc[rows] if is_category else column.to_numpy()[rows])
    if name == "episode_id":
        return episode_ids(trace)[rows]
    return np.full(len(rows), default)


def sources(trace: pd.DataFrame) -> NDArray[np.int64]:
    """(N,) number of the file that each row was read from; 0 where the trace does not say."""
    return trace["source"].to_numpy() if "source" in trace else np.zeros(len(trace), np.int64)


def has_status(trace: pd.DataFrame, *words: str) -> NDArray[np.bool_]:
    """(N,) whether the status of each row is one of `words`."""
    status = trace["episode_status"]
    if not isinstance(status.dtype, pd.CategoricalDtype):
        return status.isin(words).to_numpy()
    known = np.array([*(word in words for word in status.cat.categories), False])  # the code of a missing one is -1
    return np.asarray(known[status.cat.codes.to_numpy()])
