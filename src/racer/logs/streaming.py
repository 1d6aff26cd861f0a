"""Traces of any size in bounded memory: whole episodes piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from racer.logs import rows
from racer.logs import sources as places
from racer.logs.job_facts import Facts, is_fact
from racer.logs.reader import (
    SAME,
    goes_on,
    is_broken,
    is_steps,
    is_table,
    nothing,
    origin,
    readings,
    without,
)
from racer.logs.repair import Keys, Seen, stamps
from racer.logs.schema import Job, Source, categorical, episode_ids
from racer.logs.simtrace import Account

ENOUGH = 2000  # steps of a text log that tell whether csv files hold them too
MOST_HELD = 200_000  # rows of an episode that has no end, after which it is cut


def stream(path: str | Path, endpoint: str = "") -> Stream:
    """The trace of a place in pieces of whole episodes, each with the columns of `logs.open`, in
    bounded memory.

    A piece is what 4 MiB of a file hold. Tables come before text logs, the files of a folder in
    their order, those of a tar archive in its own. `Stream.sources`, `notes` and `job` are whole
    once the last piece has been taken. Raises UsageError as `open` does, of a place without a step
    at its end.
    """
    return Stream(path, endpoint)


class Stream:
    """An iterator over pieces of a trace (a class: iterators are a foreign contract), with its
    account so far.
    """

    def __init__(self, path: str | Path, endpoint: str = "") -> None:
        self._place = places.find(path, endpoint)
        self._facts, self._seen = Facts(), Seen()
        self._accounts: list[Account] = []  # of files that gave steps
        self._repeated: list[int] = []  # rows of each that were dropped
        self._notes: list[str] = []
        # of the csv files' steps, kept where there may be text logs too
        self._stamps: list[Keys] = []
        self._has_texts = False
        self._tried = self._episodes = 0
        self._pieces = self._whole_episodes()

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return self

    def __next__(self) -> pd.DataFrame:
        return next(self._pieces)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The accounts of the files that have given steps."""
        pairs = zip(self._accounts, self._repeated, strict=True)
        return tuple(
            without(account.source, count) if count else account.source for account, count in pairs
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was left out or guessed."""
        return tuple(dict.fromkeys([*self._place.notes, *self._facts.notes, *self._notes]))

    @property
    def job(self) -> Job:
        """What the files read so far say of the job."""
        return self._facts.job()

    def _whole_episodes(self) -> Iterator[pd.DataFrame]:
        held = None
        for number, frame in self._frames():
            frame = frame.assign(source=number)
            if held is not None and not self._follows(held.iloc[-1], frame.iloc[0]):
                yield self._piece(held)
                held = None
            both = frame if held is None else rows.stacked([held, frame])
            last = int(np.searchsorted(ids := episode_ids(both[["episode", "steps"]]), ids[-1]))
            if len(both) - last > MOST_HELD:
                last = len(both)
                self._notes.append(f"an episode of more than {MOST_HELD} steps was cut in pieces")
            if last:
                yield self._piece(both.iloc[:last])
            held = both.iloc[last:] if last < len(both) else None
        if held is not None:
            yield self._piece(held)
        if not self._accounts:
            raise nothing(self._place, self._tried, self._notes)

    def _follows(self, before: pd.Series, after: pd.Series) -> bool:
        one, other = int(before["source"]), int(after["source"])
        same_phase = self._accounts[one].phase == self._accounts[other].phase
        return one == other or (same_phase and goes_on(before, after))

    def _piece(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of whole episodes with the columns that the reader adds."""
        numbers, lengths = np.unique(frame["source"].to_numpy(), return_counts=True)
        sources = [self._accounts[number].source for number in numbers]
        ids = self._episodes + episode_ids(frame[["episode", "steps"]])
        self._episodes = int(ids[-1]) + 1
        frame = frame.reset_index(drop=True)
        frame["episode_status"] = categorical(frame["episode_status"])
        return frame.assign(
            **origin(self._place, sources, lengths.tolist(), int(numbers[0])), episode_id=ids
        )

    def _frames(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """Steps of each file, without those that stand twice, and the number of the file."""
        for tables in (True, False):
            if not tables and (self._place.is_file or not self._has_texts):
                return
            for account, pieces in readings(
                self._place, self._facts, self._tables if tables else _is_text
            ):
                self._tried += 1
                yield from self._of_file(account, pieces, tables)

    def _tables(self, name: str) -> bool:
        """Whether a file is for the first pass; remembers whether a second one is needed."""
        self._has_texts |= _is_text(name)
        return is_table(name) or is_fact(name)

    def _of_file(
        self, account: Account, pieces: Iterator[pd.DataFrame], tables: bool
    ) -> Iterator[tuple[int, pd.DataFrame]]:
        number = len(self._accounts)
        if not tables:
            start = _beginning(pieces)
            if self._is_double(start):
                self._notes.append(
                    f"left out: {account.name} holds the same steps as the csv files"
                )
                return
            pieces = chain(start, pieces)
        for frame in pieces:
            if number == len(self._accounts):
                self._accounts.append(account)
                self._repeated.append(0)
            if tables and not self._place.is_file:
                self._stamps.append(stamps(frame))
            again = self._seen.repeated(frame)
            self._repeated[number] += int(again.sum())
            if not again.all():
                yield number, frame[~again] if again.any() else frame
        if is_broken(account.source):
            self._notes.append(f"left out: {account.name} holds no step ({account.bad} bad lines)")

    def _is_double(self, start: list[pd.DataFrame]) -> bool:
        """Whether the beginning of a text log stands in the csv files too."""
        if not start or not self._stamps:
            return False
        mine = np.concatenate([stamps(frame) for frame in start])
        return float(np.any([np.isin(mine, one) for one in self._stamps], axis=0).mean()) >= SAME


def _beginning(pieces: Iterator[pd.DataFrame]) -> list[pd.DataFrame]:
    """The first pieces of a file, which hold steps enough to tell whether they are another file's."""
    start: list[pd.DataFrame] = []
    while sum(map(len, start)) < ENOUGH and (piece := next(pieces, None)) is not None:
        start.append(piece)
    return start


def _is_text(name: str) -> bool:
    return is_steps(name) and not is_table(name)
