"""Steps that stand twice in logs: lines printed twice, the seam of a log that was cut, copies of
files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from racer.logs.schema import number_episodes

# repeated steps in a row; workers that start together share the step in which they wait, not more
MIN_REPEATED_STEPS = 3

_IDENTITY = (
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
_LARGEST = 2 << 20  # keys of a sorted array that is merged no further

StepKeys = NDArray[np.uint64]


class StepHistory:
    """The steps that have been read so far, 8 bytes each (a class: it is fed file by file)."""

    def __init__(self) -> None:
        self._sorted: list[StepKeys] = []

    def repeated(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """(N,) whether each step of a trace has been there before; from then on they all have.

        A step counts as a repeat where it equals the one before it, or in a run of three and more
        that were all seen before, in this trace or an earlier one: single equal steps are those of
        workers that started together.
        """
        keys = step_keys(frame)
        known = self._known(keys)
        order = np.sort(keys)
        if (order[1:] == order[:-1]).any():
            known |= pd.Series(keys).duplicated().to_numpy()
        self._add(order)
        again = np.append(False, keys[1:] == keys[:-1])[: len(keys)]
        return again | _in_runs(known | again)

    def _known(self, keys: StepKeys) -> NDArray[np.bool_]:
        if not self._sorted:
            return np.zeros(len(keys), bool)
        order = np.argsort(keys)
        asked, known = keys[order], np.zeros(len(keys), bool)
        for table in self._sorted:
            place = np.minimum(np.searchsorted(table, asked), len(table) - 1)
            known[order] |= table[place] == asked
        return known

    def _add(self, keys: StepKeys) -> None:
        """Keeps few sorted arrays: one that is not longer than the newest is merged with it."""
        if not len(keys):
            return
        while self._sorted and len(self._sorted[-1]) <= len(keys) < _LARGEST:
            keys = np.sort(np.concatenate([self._sorted.pop(), keys]), kind="stable")
        self._sorted.append(keys)


def step_keys(frame: pd.DataFrame) -> StepKeys:
    """(N,) a number for each step that only equal steps share, but for one chance in 2 to the power
    of 64.
    """
    keys = np.zeros(len(frame), np.uint64)
    for name in _IDENTITY:
        _mix(keys, frame[name].to_numpy(np.float64).view(np.uint64))
    return keys


@njit(cache=True, error_model="numpy")
def _mix(keys, bits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Let the bits of one column change the keys of its rows."""
    for row in range(len(keys)):
        key = (keys[row] ^ bits[row]) * _PRIME
        keys[row] = key ^ (key >> _SHIFT)


def step_stamps(frame: pd.DataFrame) -> StepKeys:
    """(N,) a number for the moment and the place of each step, the same for a log's 4 decimals and
    a table's 16.
    """
    moment = np.round(frame["tstamp"].to_numpy() * 1000.0).astype(np.int64).view(np.uint64)
    place = np.round(frame["X"].to_numpy() * 1000.0).astype(np.int64).view(np.uint64)
    return (moment * _PRIME) ^ place


def _in_runs(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) whether each true value stands in a row of FEWEST and more."""
    edges = np.flatnonzero(np.diff(known, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    long = ends - starts >= MIN_REPEATED_STEPS
    change = np.zeros(len(known) + 1, np.int64)
    change[starts[long]] += 1
    change[ends[long]] -= 1
    return np.cumsum(change[:-1]) > 0


_BROKEN = 3.0  # pieces of episodes to a first step, above which a log is taken to be woven
_REACH = 1.0  # m that a car may be away from where its last two steps lead


class _State(NamedTuple):
    """The last step of a worker, and how far it had moved (m)."""

    episode: int
    step: float
    x: float
    y: float
    done: bool
    dx: float = 0.0
    dy: float = 0.0

    def next(self) -> tuple[int, float]:
        """The step that comes next."""
        return (self.episode + 1, 1.0) if self.done else (self.episode, self.step + 1.0)


def worker_numbers(frame: pd.DataFrame) -> NDArray[np.int64]:
    """(N,) which worker each step is from, from 0, where steps of several stand in turn; all 0 in a
    log as usual.

    A step goes to the worker whose last one has the same episode, the step before and leads nearest
    to its place; the first step of an episode to one that has ended the episode before, or else to
    a new worker.
    """
    found = np.zeros(len(frame), np.int64)
    if not _is_woven(frame):
        return found
    last: list[_State] = []
    # workers by the step that may come next
    waiting: defaultdict[tuple[int, float], set[int]] = defaultdict(set)
    columns = [frame[name].to_list() for name in ("episode", "steps", "X", "Y", "done")]
    for number, state in enumerate(map(_State, *columns)):
        worker = _worker(waiting.get((state.episode, state.step), ()), last, state)
        if worker is None:
            worker = len(last)
            last.append(state)
        else:
            before = last[worker]
            waiting[before.next()].discard(worker)
            drove = state.step > 1.0
            last[worker] = state._replace(
                dx=(state.x - before.x) * drove, dy=(state.y - before.y) * drove
            )
        waiting[state.next()].add(worker)
        found[number] = worker
    return found


def _is_woven(frame: pd.DataFrame) -> bool:
    """Whether episodes are broken far more often than they begin."""
    if not len(frame):
        return False
    steps = frame["steps"].to_numpy()
    pieces = int(number_episodes(frame["episode"].to_numpy(), steps, None)[-1]) + 1
    return pieces > 10 and pieces > _BROKEN * max(1, int((steps <= 1).sum()))


def _worker(candidates: Iterable[int], last: list[_State], state: _State) -> int | None:
    """The one of the workers that may come next whose car leads nearest to a step; None where none
    is near enough.
    """
    gaps = {
        worker: float(
            np.hypot(
                last[worker].x + last[worker].dx - state.x,
                last[worker].y + last[worker].dy - state.y,
            )
        )
        for worker in sorted(candidates)
    }
    near = min(gaps, key=gaps.__getitem__, default=None)
    return near if near is not None and (state.step <= 1.0 or gaps[near] <= _REACH) else None
