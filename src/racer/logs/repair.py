"""Steps that stand twice in logs, and steps that stand in the wrong order.

Repeats come from lines that were printed twice, from the seam of a log that was cut, and from copies
of files; a wrong order from workers that print into one log in turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from racer.logs.log import Source
from racer.logs.schema import number_episodes

DUPLICATE_FRACTION = 0.9
"""Of a text log's steps: where csv files hold as many of them, it is a copy of the same job."""
MAX_GAP_STEPS = 3
MAX_GAP_S = 1.0
"""With MAX_GAP_STEPS, what may lie between the halves of a log that was cut in two."""
MIN_REPEATED_STEPS = 3
"""Of repeated steps in a row. Workers that start together share the step in which they wait, not
more.
"""

_IDENTITY_COLUMNS = (
    "episode",
    "steps",
    "X",
    "Y",
    "yaw",
    "steer",
    "throttle",
    "reward",
    "progress",
    "tstamp",
)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_MAX_MERGED_KEYS = 2 << 20  # of a sorted array; a longer one is merged no further

_MIN_PIECES = 10
_MAX_PIECES_PER_START = 3.0  # pieces of episodes; above it workers are taken to print in turn
_MAX_JUMP_M = 1.0  # of a car from where its last two steps lead

StepKeys = NDArray[np.uint64]


def continues_episode(before: pd.Series, after: pd.Series) -> bool:
    """Whether a step follows another in the same episode, although it stands in another file."""
    if before["done"] or before["episode"] != after["episode"]:
        return False
    steps = after["steps"] - before["steps"]
    time = after["tstamp"] - before["tstamp"]
    return bool(0 < steps <= MAX_GAP_STEPS and 0 < time <= MAX_GAP_S)


def without_repeated_rows(source: Source, count: int) -> Source:
    """The account of a file of which `count` rows were dropped because they had been read before."""
    note = f"{count} rows stand twice: the second ones were dropped"
    return replace(source, rows=source.rows - count, repeated=count, notes=(*source.notes, note))


class StepHistory:
    """The steps that have been read so far, 8 bytes each."""

    def __init__(self) -> None:
        self._sorted: list[StepKeys] = []

    def find_repeated(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """(N,) whether each step of a trace repeats another; from then on all of them are known.

        A step counts as a repeat where it equals the one before it, or in a run of three and more
        that were all read before, in this trace or an earlier one: single equal steps are those of
        workers that started together.
        """
        keys = step_keys(frame)
        is_known = self._is_known(keys)
        sorted_keys = np.sort(keys)
        if (sorted_keys[1:] == sorted_keys[:-1]).any():
            is_known |= pd.Series(keys).duplicated().to_numpy()
        self._add(sorted_keys)
        equals_previous = np.append(False, keys[1:] == keys[:-1])[: len(keys)]
        return equals_previous | _in_long_runs(is_known | equals_previous)

    def _is_known(self, keys: StepKeys) -> NDArray[np.bool_]:
        is_known = np.zeros(len(keys), bool)
        if not self._sorted:
            return is_known
        order = np.argsort(keys)
        wanted = keys[order]
        for known_keys in self._sorted:
            position = np.searchsorted(known_keys, wanted)
            position = np.minimum(position, len(known_keys) - 1)
            is_known[order] |= known_keys[position] == wanted
        return is_known

    def _add(self, sorted_keys: StepKeys) -> None:
        """Keep few sorted arrays: one that is not longer than the newest is merged with it."""
        if not len(sorted_keys):
            return
        while self._sorted and len(self._sorted[-1]) <= len(sorted_keys) < _MAX_MERGED_KEYS:
            both = np.concatenate([self._sorted.pop(), sorted_keys])
            sorted_keys = np.sort(both, kind="stable")
        self._sorted.append(sorted_keys)


def step_keys(frame: pd.DataFrame) -> StepKeys:
    """(N,) a number for each step that only equal steps share, but for one chance in 2 to the power
    of 64.
    """
    keys = np.zeros(len(frame), np.uint64)
    for name in _IDENTITY_COLUMNS:
        _mix_into_keys(keys, frame[name].to_numpy(np.float64).view(np.uint64))
    return keys


def step_stamps(frame: pd.DataFrame) -> StepKeys:
    """(N,) a number for the moment and the place of each step, which does not depend on whether they
    have 4 decimals (a log) or 16 (a table).
    """
    moment = _in_thousandths(frame["tstamp"])
    place = _in_thousandths(frame["X"])
    return (moment * _PRIME) ^ place


def worker_numbers(frame: pd.DataFrame) -> NDArray[np.int64]:
    """(N,) which worker each step is from, from 0, where steps of several stand in turn; all 0 in a
    log as usual.

    A step goes to the worker whose last one has the same episode, the step before and leads nearest
    to its place; the first step of an episode to one that has ended the episode before, or else to
    a new worker.
    """
    numbers = np.zeros(len(frame), np.int64)
    if not _is_interleaved(frame):
        return numbers
    workers = _Workers()
    columns = [frame[name].to_list() for name in ("episode", "steps", "X", "Y", "done")]
    for row, step in enumerate(map(_WorkerStep, *columns)):
        numbers[row] = workers.take(step)
    return numbers


@njit(cache=True, error_model="numpy")
def _mix_into_keys(keys, bits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Let the bits of one column change the keys of its rows."""
    for row in range(len(keys)):
        key = (keys[row] ^ bits[row]) * _PRIME
        keys[row] = key ^ (key >> _SHIFT)


def _in_thousandths(column: pd.Series) -> StepKeys:
    return np.round(column.to_numpy() * 1000.0).astype(np.int64).view(np.uint64)


def _in_long_runs(is_known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) whether each true value stands in a row of MIN_REPEATED_STEPS and more."""
    edges = np.flatnonzero(np.diff(is_known, prepend=False, append=False))
    starts = edges[::2]
    ends = edges[1::2]
    is_long = ends - starts >= MIN_REPEATED_STEPS
    change = np.zeros(len(is_known) + 1, np.int64)
    change[starts[is_long]] += 1
    change[ends[is_long]] -= 1
    return np.cumsum(change[:-1]) > 0


def _is_interleaved(frame: pd.DataFrame) -> bool:
    """Whether episodes are broken far more often than they begin."""
    if not len(frame):
        return False
    steps = frame["steps"].to_numpy()
    pieces = int(number_episodes(frame["episode"].to_numpy(), steps, None)[-1]) + 1
    starts = max(1, int((steps <= 1).sum()))
    return pieces > _MIN_PIECES and pieces > _MAX_PIECES_PER_START * starts


class _WorkerStep(NamedTuple):
    """The last step of a worker, and how far it had moved (m)."""

    episode: int
    step: float
    x: float
    y: float
    done: bool
    dx: float = 0.0
    dy: float = 0.0

    def next_step(self) -> tuple[int, float]:
        """Episode and step number of the step that comes next."""
        if self.done:
            return self.episode + 1, 1.0
        return self.episode, self.step + 1.0


class _Workers:
    """The last step of each worker, and the workers by the step that comes next."""

    def __init__(self) -> None:
        self._last: list[_WorkerStep] = []
        self._waiting: defaultdict[tuple[int, float], set[int]] = defaultdict(set)

    def take(self, step: _WorkerStep) -> int:
        """The number of the worker that a step is from, whose last step it becomes."""
        worker = self._nearest(self._waiting.get((step.episode, step.step), ()), step)
        if worker is None:
            worker = len(self._last)
            self._last.append(step)
        else:
            previous = self._last[worker]
            self._waiting[previous.next_step()].discard(worker)
            if step.step > 1.0:
                step = step._replace(dx=step.x - previous.x, dy=step.y - previous.y)
            self._last[worker] = step
        self._waiting[step.next_step()].add(worker)
        return worker

    def _nearest(self, candidates: Iterable[int], step: _WorkerStep) -> int | None:
        """The worker whose car leads nearest to a step; None where none is near enough."""
        distances = {}
        for worker in sorted(candidates):
            last = self._last[worker]
            ahead_x = last.x + last.dx - step.x
            ahead_y = last.y + last.dy - step.y
            distances[worker] = float(np.hypot(ahead_x, ahead_y))
        if not distances:
            return None
        worker = min(distances, key=distances.__getitem__)
        if step.step > 1.0 and distances[worker] > _MAX_JUMP_M:
            return None
        return worker
