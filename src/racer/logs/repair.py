"""Steps that stand twice in logs, and steps that stand in the wrong order.

Repeats come from lines that were printed twice, from the seam of a log that was cut, and from copies
of files; a wrong order from workers that print into one log in turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from racer.logs.blocks import stack_frames
from racer.logs.schema import number_episodes

MAX_GAP_STEPS = 3
MAX_GAP_S = 1.0
"""With MAX_GAP_STEPS, what may lie between the halves of a log that was cut in two."""
MIN_REPEATED_STEPS = 3
"""Of repeated steps in a row that begin an episode. Workers that start together share the step in
which they wait, not more.
"""

_COARSEST_PLACE_M = 0.01
_FINEST_PLACE_M = 1e-4  # a text log has four decimals
_COARSEST_STEER_DEG = 1.0
_COARSEST_STAMP_S = 1.0
_FINEST_STAMP_S = 1e-3
_MIN_SAMPLED_STEPS = 20  # from which the digits of a file can be told
_MAX_SAMPLED_STEPS = 200
_MAX_EQUAL_KEYS = 512  # steps of one number that are compared with a step
_NOT_THERE = -1
_MAX_STEPS = 1 << 20  # of an episode that have keys of their own
_FLOAT32_ERROR_M = 1e-5  # of places on the longest tracks
_ROUNDING = 1.0 + 1e-6
_MAX_REST = 1e-2  # of a value over its unit, where float32 places have lost digits

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


class StepHistory:
    """The steps of a location, file after file, each of which counts once."""

    def __init__(self, *, has_several_files: bool) -> None:
        self._earlier = _StepTable() if has_several_files else None
        self._files = 0

    def begin_file(self, phase: str = "unknown") -> RepeatFilter:
        """What keeps the steps of the next file, which is of a phase, that are new."""
        self._files += 1
        return RepeatFilter(self._earlier, self._files - 1, phase)


class RepeatFilter:
    """The steps of one file, piece by piece, without those that have been read before.

    A step counts as a repeat where it equals the one before it; where an equal one has been read
    from this file, or one that is the same as far as the digits of both tell from another file. The
    first steps of an episode count only in a run of three and more, since workers that started
    together share the step in which they wait. `repeated` counts those of this file, `shared` those
    of others, `kept` the rest. `phase` is that of the file, or where its name does not tell, that
    of the files with the same steps, whose numbers are in `shared_with`; `number` is its own.
    """

    def __init__(self, earlier: _StepTable | None, number: int, phase: str) -> None:
        self.number = number
        self.phase = phase
        self.shared_with: set[int] = set()
        self.repeated = 0
        self.shared = 0
        self.kept = 0
        self._earlier = earlier
        self._new: list[_StepColumns] = []
        self._start: list[pd.DataFrame] = []  # pieces until there are enough to tell the digits
        self._knows_digits = earlier is None  # which matter beside another file only
        self._keys = _KeySet()
        self._last_key: StepKeys = np.empty(0, np.uint64)
        self._open_run = 0  # of repeats that were dropped, with which the last piece ended
        self._held: pd.DataFrame | None = None  # repeats that are a run if the next piece goes on
        self._held_shared = np.empty(0, bool)
        self._held_dropped = np.empty(0, bool)  # those that are dropped whatever comes

    def take(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The steps of a piece (N rows) that are new; some may come with the next one."""
        if self._knows_digits:
            return self._take(frame)
        self._start.append(frame)
        if sum(map(len, self._start)) < _MAX_SAMPLED_STEPS:
            return frame.iloc[:0]
        return self._take_start()

    def finish(self) -> pd.DataFrame | None:
        """The steps that were held back, if there are any; call it once, at the end of the file.

        From then on the file's steps are known to the files after it.
        """
        last = [self._take_start()] if self._start else []
        if self._held is not None:
            last.append(self._counted(self._held, self._held_shared, self._held_dropped))
        if self._earlier is not None:
            self._earlier.add(self._new)
            self._earlier.phases[self.number] = self.phase
        last = [frame for frame in last if len(frame)]
        return stack_frames(last) if last else None

    def _take_start(self) -> pd.DataFrame:
        """Take the first pieces as one, so that what they tell does not depend on how they are cut."""
        frame = stack_frames(self._start)
        self._start = []
        self._knows_digits = True
        if self._earlier is not None:
            first = frame.iloc[:_MAX_SAMPLED_STEPS]
            self._earlier.tell_digits(_StepColumns.of(first, self.number))
        return self._take(frame)

    def _take(self, frame: pd.DataFrame) -> pd.DataFrame:
        keys = step_keys(frame)
        previous = np.concatenate([self._last_key, keys[:-1]])
        equals_previous = keys[len(keys) - len(previous) :] == previous
        equals_previous = np.append(np.zeros(len(keys) - len(previous), bool), equals_previous)
        self._last_key = keys[-1:]
        is_own = self._keys.find_and_add(keys) | equals_previous
        is_shared = self._find_shared(frame)
        return self._without_repeats(frame, is_own, is_shared, equals_previous)

    def _find_shared(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """(N,) whether each step stands in a file before this one."""
        if self._earlier is None:
            return np.zeros(len(frame), bool)
        columns = _StepColumns.of(frame, self.number)
        files = self._earlier.files_of(columns)
        is_shared = np.asarray(files != _NOT_THERE)
        if is_shared.any():
            counts = np.bincount(files[is_shared])
            self.shared_with.update(np.flatnonzero(counts >= MIN_REPEATED_STEPS).tolist())
            if self.phase == "unknown":
                self.phase = self._earlier.phases[int(counts.argmax())]
        self._new.append(columns.pick(~is_shared))
        return is_shared

    def _without_repeats(
        self,
        frame: pd.DataFrame,
        is_own: NDArray[np.bool_],
        is_shared: NDArray[np.bool_],
        equals_previous: NDArray[np.bool_],
    ) -> pd.DataFrame:
        is_known = is_own | is_shared
        if not is_known.any() and self._held is None:
            self._open_run = 0
            self.kept += len(frame)
            return frame
        is_dropped = equals_previous | (is_known & (frame["steps"].to_numpy() > MIN_REPEATED_STEPS))
        if self._held is not None:
            frame = stack_frames([self._held, frame])
            is_known = np.append(np.ones(len(self._held), bool), is_known)
            is_dropped = np.append(self._held_dropped, is_dropped)
            is_shared = np.append(self._held_shared, is_shared)
        run = np.append(np.ones(self._open_run, bool), is_known)
        is_dropped |= _in_long_runs(run)[self._open_run :]
        self._hold(frame, is_shared, is_dropped, _length_of_last_run(run))
        end = len(frame) - len(self._held_shared)
        return self._counted(frame.iloc[:end], is_shared[:end], is_dropped[:end])

    def _hold(
        self,
        frame: pd.DataFrame,
        is_shared: NDArray[np.bool_],
        is_dropped: NDArray[np.bool_],
        last_run: int,
    ) -> None:
        """Keep back the end of a piece from the first repeat on that is dropped only if the next
        piece makes its run long enough.
        """
        run_start = max(0, len(frame) - last_run)
        undecided = run_start + np.flatnonzero(~is_dropped[run_start:])
        start = int(undecided[0]) if len(undecided) else len(frame)
        self._held = frame.iloc[start:] if start < len(frame) else None
        self._held_shared = is_shared[start:]
        self._held_dropped = is_dropped[start:]
        self._open_run = min(last_run - len(self._held_shared), MIN_REPEATED_STEPS)

    def _counted(
        self, frame: pd.DataFrame, is_shared: NDArray[np.bool_], is_dropped: NDArray[np.bool_]
    ) -> pd.DataFrame:
        """The steps that are not dropped; those and the others are counted."""
        is_kept = ~is_dropped
        self.shared += int((is_dropped & is_shared).sum())
        self.repeated += int((is_dropped & ~is_shared).sum())
        self.kept += int(is_kept.sum())
        return frame[is_kept].reset_index(drop=True)


class _KeySet:
    """Keys of steps, 8 bytes each."""

    def __init__(self) -> None:
        self._sorted: list[StepKeys] = []

    def find_and_add(self, keys: StepKeys) -> NDArray[np.bool_]:
        """(N,) whether each key stands here or before it in `keys`; from then on all stand here."""
        is_known = self._find(keys)
        sorted_keys = np.sort(keys)
        if (sorted_keys[1:] == sorted_keys[:-1]).any():
            is_known |= pd.Series(keys).duplicated().to_numpy()
        self._add(sorted_keys)
        return is_known

    def _find(self, keys: StepKeys) -> NDArray[np.bool_]:
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


class _StepColumns(NamedTuple):
    """What tells steps apart whatever the digits that they are written with, (N,) each."""

    key: NDArray[np.int64]  # of the episode and the step's number in it
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    steer: NDArray[np.float32]
    stamp: NDArray[np.float64]
    file: NDArray[np.int32]  # its number

    @classmethod
    def of(cls, frame: pd.DataFrame, file: int) -> _StepColumns:
        steps = np.clip(frame["steps"].to_numpy(), 0, _MAX_STEPS - 1).astype(np.int64)
        return cls(
            frame["episode"].to_numpy() * _MAX_STEPS + steps,
            frame["X"].to_numpy(np.float32),
            frame["Y"].to_numpy(np.float32),
            frame["steer"].to_numpy(np.float32),
            frame["tstamp"].to_numpy(np.float64),
            np.full(len(frame), file, np.int32),
        )

    def pick(self, rows: NDArray[Any]) -> _StepColumns:
        """Some of the steps, by their numbers or by a mask."""
        return _StepColumns(*(column[rows] for column in self))

    def sorted(self) -> _StepColumns:
        """The steps in the order of their keys."""
        return self.pick(np.argsort(self.key, kind="stable"))


class _StepTable:
    """Steps of several files, which are found again in another that has fewer digits, or more."""

    def __init__(self) -> None:
        self.phases: dict[int, str] = {}  # of the files, by their numbers
        self._tables: list[_StepColumns] = []  # each in the order of its keys
        self._place_m = _FINEST_PLACE_M
        self._stamp_s = _FINEST_STAMP_S

    def tell_digits(self, start: _StepColumns) -> None:
        """Take into account how coarse the numbers of a file are, from its first steps."""
        if len(start.key) < _MIN_SAMPLED_STEPS:
            return
        places = np.append(start.x, start.y).astype(np.float64)
        self._place_m = max(self._place_m, _unit(places, _COARSEST_PLACE_M, _FINEST_PLACE_M))
        stamp_s = _unit(start.stamp, _COARSEST_STAMP_S, _FINEST_STAMP_S)
        self._stamp_s = max(self._stamp_s, stamp_s)

    def files_of(self, steps: _StepColumns) -> NDArray[np.int32]:
        """(N,) the number of the file that has each step, _NOT_THERE for a new one."""
        files = np.full(len(steps.key), _NOT_THERE, np.int32)
        if not self._tables:
            return files
        order = np.argsort(steps.key, kind="stable")
        wanted = steps.pick(order)
        for table in self._tables:
            files[order] = np.maximum(files[order], self._find(wanted, table))
        return files

    def add(self, pieces: Sequence[_StepColumns]) -> None:
        """Keep the steps of a file; few tables are kept, the newest are merged."""
        pieces = [piece for piece in pieces if len(piece.key)]
        if not pieces:
            return
        table = _stack(pieces).sorted()
        while self._tables and len(self._tables[-1].key) <= len(table.key) < _MAX_MERGED_KEYS:
            table = _stack([self._tables.pop(), table]).sorted()
        self._tables.append(table)

    def _find(self, wanted: _StepColumns, table: _StepColumns) -> NDArray[np.int32]:
        """(N,) the files of steps that are in a table: each is compared with all of its key."""
        files = np.full(len(wanted.key), _NOT_THERE, np.int32)
        rows = np.arange(len(wanted.key))
        place = np.searchsorted(table.key, wanted.key)
        for _ in range(_MAX_EQUAL_KEYS):
            is_inside = place < len(table.key)
            is_inside[is_inside] = table.key[place[is_inside]] == wanted.key[rows[is_inside]]
            rows = rows[is_inside]
            place = place[is_inside]
            if not len(rows):
                break
            is_same = self._are_same(wanted.pick(rows), table.pick(place))
            files[rows[is_same]] = table.file[place[is_same]]
            rows = rows[~is_same]
            place = place[~is_same] + 1
        return files

    def _are_same(self, steps: _StepColumns, others: _StepColumns) -> NDArray[np.bool_]:
        tolerance = self._place_m + _FLOAT32_ERROR_M
        near = np.abs(steps.x - others.x) <= tolerance
        near &= np.abs(steps.y - others.y) <= tolerance
        near &= np.abs(steps.steer - others.steer) <= _COARSEST_STEER_DEG
        near &= np.abs(steps.stamp - others.stamp) <= self._stamp_s * _ROUNDING
        return np.asarray(near)


def step_keys(frame: pd.DataFrame) -> StepKeys:
    """(N,) a number for each step that only equal steps share, but for one chance in 2 to the power
    of 64.
    """
    keys = np.zeros(len(frame), np.uint64)
    for name in _IDENTITY_COLUMNS:
        _mix_into_keys(keys, frame[name].to_numpy(np.float64).view(np.uint64))
    return keys


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


def _stack(pieces: Sequence[_StepColumns]) -> _StepColumns:
    return _StepColumns(*map(np.concatenate, zip(*pieces, strict=True)))


def _unit(values: NDArray[np.float64], coarsest: float, finest: float) -> float:
    """The largest power of ten, from `coarsest` to `finest`, of which all values are multiples."""
    unit = coarsest
    while unit > 1.5 * finest:
        rest = np.abs(values / unit - np.round(values / unit))
        if (rest < _MAX_REST).all():
            return unit
        unit /= 10.0
    return finest


def _length_of_last_run(is_known: NDArray[np.bool_]) -> int:
    """How many true values stand at the end."""
    others = np.flatnonzero(~is_known)
    return len(is_known) - 1 - int(others[-1]) if len(others) else len(is_known)


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
