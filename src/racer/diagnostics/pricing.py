"""What a reward function pays for drives, as fast as that can be known for sure.

A file that only calculates is walked over columns of many steps (`racer.reward.ColumnProgram`), and
the file itself is called beside it for the first drives, and for one drive of every eighth batch after
them.
Both must pay the same to the last bit; where they do not, where the file is faster, or where it
does what cannot be walked, the file alone is called from then on.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
from numpy.typing import NDArray

from racer.drivers import Drive, scored_rows_of
from racer.reward import REWARD_TIMEOUT_S, ColumnProgram, NotColumnar, RewardBatch, RewardFunction
from racer.sim import ROW_BYTES, STATE, Phase, build_params, param_columns

Array = NDArray[np.float64]

CHUNK_STEPS = 128  # params that exist at a time: more would not stay in the processor's cache
PROOF_STEPS = 3000
"""Steps that are priced both ways before columns alone are believed."""
WARM_UP_BATCHES = 1
"""First batches, which are proven but whose time says nothing: compiled code is loaded in them."""
TIMED_STEPS = 1500
"""Steps of a batch that are enough to tell which way is faster."""
BATCHES_PER_CHECK = 8
"""One drive of so many batches is priced both ways after that."""
MAX_FAILURES = 3
"""Batches that could not be walked, after which no other is tried."""


def price_drives(
    reward: RewardFunction, drives: Sequence[Drive], timeout: float = REWARD_TIMEOUT_S
) -> list[Array]:
    """The rewards (T,) of each drive's steps in order, by an instance of the reward file a drive.

    The prepare step pays nothing and is left out. `timeout` in s a call. Raises RewardRefused for
    what the real job refuses.
    """
    batch = RewardBatch(reward, len(drives), timeout=timeout)
    return price_with(batch, drives, range(len(drives)))


def price_with(batch: RewardBatch, drives: Sequence[Drive], cars: Sequence[int]) -> list[Array]:
    """`price_drives` by the instances `cars` of a batch that exists already."""
    with _no_garbage_collection():
        return [_price_drive(batch, car, drive) for car, drive in zip(cars, drives, strict=True)]


class DrivePricer:
    """Prices drives with one reward function; called with drives it gives what `price_drives` does,
    or what `by_file` does, which calls the file in another way.

    `steps_by_columns` and `steps_by_file` count the steps priced in each way, those priced both ways
    in both; `reason` says why columns are not used any more, "" while they are.

    Examples
    --------
    >>> from racer.drivers import drive_all
    >>> from racer.reward import load_reward
    >>> from racer.track import load_track
    >>> drives = drive_all(load_track("oval"), ["fast", "slow"])
    >>> pricer = DrivePricer(load_reward("center_line"))
    >>> [round(float(paid.sum())) for paid in pricer(drives)]
    [101, 510]
    >>> pricer.reason, pricer.steps_by_columns == pricer.steps_by_file
    ('', True)
    """

    def __init__(
        self,
        reward: RewardFunction,
        timeout: float = REWARD_TIMEOUT_S,
        by_file: Callable[[Sequence[Drive]], list[Array]] | None = None,
    ) -> None:
        self.reward = reward
        self._price = by_file or partial(price_drives, reward, timeout=timeout)
        self.steps_by_columns = 0
        self.steps_by_file = 0
        self.reason = ""
        self._proven_steps = 0
        self._failures = 0
        self._batches = 0
        self._program: ColumnProgram | None = None
        try:
            self._program = _column_program(reward, timeout)
        except NotColumnar as error:
            self.reason = error.reason

    def __call__(self, drives: Sequence[Drive]) -> list[Array]:
        """The rewards (T,) of each drive's steps in order, by an instance of the file a drive.

        Raises RewardRefused for what the real job refuses.
        """
        start = time.process_time()
        by_columns = self._try_columns(drives)
        if by_columns is None:
            return self._by_file(drives)
        column_s = time.process_time() - start
        chosen = self._to_prove(drives)
        self._batches += 1
        if not chosen:
            return by_columns
        by_file = self._by_file([drives[k] for k in chosen])
        for k, paid in zip(chosen, by_file, strict=True):
            if not np.array_equal(paid, by_columns[k]):
                self._give_up("columns and the file pay differently")
                return self._by_file(drives)
            self._proven_steps += len(paid)
        steps = sum(map(len, by_file))
        if len(chosen) == len(drives) and steps >= TIMED_STEPS and self._batches > WARM_UP_BATCHES:
            both_s = time.process_time() - start
            if column_s > both_s - column_s:
                self._give_up("the file itself is faster")
        return by_columns

    def _try_columns(self, drives: Sequence[Drive]) -> list[Array] | None:
        if self._program is None or not drives:
            return None
        try:
            return self._by_columns(self._program, drives)
        except NotColumnar as error:
            self._failures += 1
            if self._failures >= MAX_FAILURES:
                self._give_up(error.reason)
            return None

    def _give_up(self, reason: str) -> None:
        self._program = None
        self.reason = reason

    def _to_prove(self, drives: Sequence[Drive]) -> list[int]:
        """Which drives the file prices, too: at first all, later now and then one, in turn."""
        if self._proven_steps < PROOF_STEPS or self._batches <= WARM_UP_BATCHES:
            return list(range(len(drives)))
        number, rest = divmod(self._batches, BATCHES_PER_CHECK)
        return [] if rest else [number % len(drives)]

    def _by_file(self, drives: Sequence[Drive]) -> list[Array]:
        rewards = self._price(drives)
        self.steps_by_file += sum(map(len, rewards))
        return rewards

    def _by_columns(self, program: ColumnProgram, drives: Sequence[Drive]) -> list[Array]:
        rows_of_drives = []
        for drive in drives:
            is_run = drive.rows["phase"] == Phase.RUN
            rows_of_drives.append(drive.rows.view(ROW_BYTES)[is_run])
        counts = np.array([len(rows) for rows in rows_of_drives])
        rows = np.concatenate(rows_of_drives).view(STATE)
        if not len(rows):
            return [np.empty(0) for _ in drives]
        first = drives[0]
        number = int(rows["track"][0])
        is_elsewhere = any(drive.tracks[number] is not first.tracks[number] for drive in drives)
        if is_elsewhere or np.any(rows["track"] != number):
            raise NotColumnar("drives on different tracks")
        if any(not np.array_equal(drive.objects, first.objects) for drive in drives):
            raise NotColumnar("drives among different objects")
        if first.objects["moves"].any():
            raise NotColumnar("objects that move")
        columns = param_columns(rows, first.tracks[number], first.objects, keys=program.words)
        ends = np.cumsum(counts)
        starts = np.unique((ends - counts)[counts > 0])
        paid = program(columns, len(rows), starts)
        self.steps_by_columns += len(rows)
        return np.split(paid, ends[:-1])


def _column_program(reward: RewardFunction, timeout: float) -> ColumnProgram:
    """The program of a reward file. Raises NotColumnar where it cannot be walked, and what executing
    the file raises.
    """
    batch = RewardBatch(reward, 1, timeout=timeout)
    if batch.patches or reward.siblings:
        raise NotColumnar("a file that changes its surroundings")
    return ColumnProgram(reward, batch.namespace)


def _price_drive(batch: RewardBatch, car: int, drive: Drive) -> Array:
    rows = scored_rows_of(drive)
    rewards = [np.empty(0)]
    for start in range(0, len(rows), CHUNK_STEPS):
        chunk = rows[start : start + CHUNK_STEPS]
        params = build_params(chunk, drive.tracks, drive.obstacles(chunk))
        rewards.append(batch(params, [car] * len(chunk)))  # type: ignore[arg-type]
    return np.concatenate(rewards)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Without it the collector walks the young params again and again, and they hold no cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
