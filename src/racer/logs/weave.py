"""Steps of several workers that were printed in turn, as `docker service logs` mixes them, sorted apart again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.logs.trace import numbered

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


def strands(frame: pd.DataFrame) -> NDArray[np.int64]:
    """(N,) which worker each step is from, from 0, where steps of several stand in turn; all 0 in a log as usual.

    A step goes to the worker whose last one has the same episode, the step before and leads nearest to its place; the
    first step of an episode to one that has ended the episode before, or else to a new worker.
    """
    found = np.zeros(len(frame), np.int64)
    if not _is_woven(frame):
        return found
    last: list[_State] = []
    waiting: defaultdict[tuple[int, float], set[int]] = defaultdict(set)  # workers by the step that may come next
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
            last[worker] = state._replace(dx=(state.x - before.x) * drove, dy=(state.y - before.y) * drove)
        waiting[state.next()].add(worker)
        found[number] = worker
    return found


def _is_woven(frame: pd.DataFrame) -> bool:
    """Whether episodes are broken far more often than they begin."""
    if not len(frame):
        return False
    steps = frame["steps"].to_numpy()
    pieces = int(numbered(frame["episode"].to_numpy(), steps, None)[-1]) + 1
    return pieces > 10 and pieces > _BROKEN * max(1, int((steps <= 1).sum()))


def _worker(candidates: Iterable[int], last: list[_State], state: _State) -> int | None:
    """The one of the workers that may come next whose car leads nearest to a step; None where none is near enough."""
    gaps = {
        worker: float(np.hypot(last[worker].x + last[worker].dx - state.x, last[worker].y + last[worker].dy - state.y))
        for worker in sorted(candidates)
    }
    near = min(gaps, key=gaps.__getitem__, default=None)
    return near if near is not None and (state.step <= 1.0 or gaps[near] <= _REACH) else None
