"""Traces of any size in bounded memory: whole episodes piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from racer.logs import sources as places
from racer.logs.blocks import stack_frames
from racer.logs.job_facts import JobFactsCollector, may_hold_facts
from racer.logs.log import Job, Source
from racer.logs.reader import (
    DUPLICATE_FRACTION,
    continues_episode,
    holds_only_bad_lines,
    is_csv_name,
    may_hold_steps,
    no_trace_error,
    open_step_files,
    origin_columns,
    without_repeated_rows,
)
from racer.logs.repair import StepHistory, StepKeys, step_stamps
from racer.logs.schema import episode_ids, to_status_category
from racer.logs.simtrace import FileAccount

DUPLICATE_SAMPLE_STEPS = 2000  # steps of a text log that tell whether csv files hold them too
MAX_EPISODE_ROWS = 200_000  # rows of an episode that has no end, after which it is cut


def stream_log(path: str | Path, endpoint: str = "") -> LogStream:
    """The trace of a place in pieces of whole episodes, each with the columns of `logs.open`, in
    bounded memory.

    A piece is what 4 MiB of a file hold. Tables come before text logs, the files of a folder in
    their order, those of a tar archive in its own. `Stream.sources`, `notes` and `job` are whole
    once the last piece has been taken. Raises UsageError as `open` does, of a place without a step
    at its end.
    """
    return LogStream(path, endpoint)


class LogStream:
    """An iterator over pieces of a trace (a class: iterators are a foreign contract), with its
    account so far.
    """

    def __init__(self, path: str | Path, endpoint: str = "") -> None:
        self._place = places.locate_logs(path, endpoint)
        self._facts, self._seen = JobFactsCollector(), StepHistory()
        self._accounts: list[FileAccount] = []  # of files that gave steps
        self._repeated: list[int] = []  # rows of each that were dropped
        self._notes: list[str] = []
        # of the csv files' steps, kept where there may be text logs too
        self._stamps: list[StepKeys] = []
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
            without_repeated_rows(account.source, count) if count else account.source
            for account, count in pairs
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
            both = frame if held is None else stack_frames([held, frame])
            last = int(np.searchsorted(ids := episode_ids(both[["episode", "steps"]]), ids[-1]))
            if len(both) - last > MAX_EPISODE_ROWS:
                last = len(both)
                self._notes.append(
                    f"an episode of more than {MAX_EPISODE_ROWS} steps was cut in pieces"
                )
            if last:
                yield self._piece(both.iloc[:last])
            held = both.iloc[last:] if last < len(both) else None
        if held is not None:
            yield self._piece(held)
        if not self._accounts:
            raise no_trace_error(self._place, self._tried, self._notes)

    def _follows(self, before: pd.Series, after: pd.Series) -> bool:
        one, other = int(before["source"]), int(after["source"])
        same_phase = self._accounts[one].phase == self._accounts[other].phase
        return one == other or (same_phase and continues_episode(before, after))

    def _piece(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of whole episodes with the columns that the reader adds."""
        numbers, lengths = np.unique(frame["source"].to_numpy(), return_counts=True)
        sources = [self._accounts[number].source for number in numbers]
        ids = self._episodes + episode_ids(frame[["episode", "steps"]])
        self._episodes = int(ids[-1]) + 1
        frame = frame.reset_index(drop=True)
        frame["episode_status"] = to_status_category(frame["episode_status"])
        return frame.assign(
            **origin_columns(self._place, sources, lengths.tolist(), int(numbers[0])),
            episode_id=ids,
        )

    def _frames(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """Steps of each file, without those that stand twice, and the number of the file."""
        for tables in (True, False):
            if not tables and (self._place.is_file or not self._has_texts):
                return
            for account, pieces in open_step_files(
                self._place, self._facts, self._tables if tables else _is_text
            ):
                self._tried += 1
                yield from self._of_file(account, pieces, tables)

    def _tables(self, name: str) -> bool:
        """Whether a file is for the first pass; remembers whether a second one is needed."""
        self._has_texts |= _is_text(name)
        return is_csv_name(name) or may_hold_facts(name)

    def _of_file(
        self, account: FileAccount, pieces: Iterator[pd.DataFrame], tables: bool
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
                self._stamps.append(step_stamps(frame))
            again = self._seen.repeated(frame)
            self._repeated[number] += int(again.sum())
            if not again.all():
                yield number, frame[~again] if again.any() else frame
        if holds_only_bad_lines(account.source):
            self._notes.append(f"left out: {account.name} holds no step ({account.bad} bad lines)")

    def _is_double(self, start: list[pd.DataFrame]) -> bool:
        """Whether the beginning of a text log stands in the csv files too."""
        if not start or not self._stamps:
            return False
        mine = np.concatenate([step_stamps(frame) for frame in start])
        return (
            float(np.any([np.isin(mine, one) for one in self._stamps], axis=0).mean())
            >= DUPLICATE_FRACTION
        )


def _beginning(pieces: Iterator[pd.DataFrame]) -> list[pd.DataFrame]:
    """The first pieces of a file, which hold steps enough to tell whether they are another file's."""
    start: list[pd.DataFrame] = []
    while (
        sum(map(len, start)) < DUPLICATE_SAMPLE_STEPS and (piece := next(pieces, None)) is not None
    ):
        start.append(piece)
    return start


def _is_text(name: str) -> bool:
    return may_hold_steps(name) and not is_csv_name(name)
