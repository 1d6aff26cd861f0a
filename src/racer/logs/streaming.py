"""Traces of any size in bounded memory: whole episodes piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from racer.logs.blocks import stack_frames
from racer.logs.job_facts import JobFactsCollector, may_hold_facts
from racer.logs.log import Job, Source
from racer.logs.repair import (
    DUPLICATE_FRACTION,
    StepHistory,
    StepKeys,
    continues_episode,
    step_stamps,
    without_repeated_rows,
)
from racer.logs.schema import episode_ids, to_status_category
from racer.logs.simtrace import FileAccount
from racer.logs.sources import locate_logs
from racer.logs.step_files import (
    OpenStepFile,
    holds_only_bad_lines,
    is_csv_name,
    may_hold_steps,
    no_trace_error,
    open_step_files,
    origin_columns,
)

DUPLICATE_SAMPLE_STEPS = 2000
"""Steps of a text log that tell whether csv files hold them too."""
MAX_EPISODE_ROWS = 200_000
"""Rows of an episode that has no end, after which it is cut."""


def stream_log(path: str | Path, endpoint: str = "") -> LogStream:
    """The trace of a location in pieces of whole episodes, in bounded memory.

    Each piece has the columns of `read_log`, and is what 4 MiB of a file hold. Tables come before
    text logs, the files of a folder in their order, those of a tar archive in its own. `sources`,
    `notes` and `job` of the stream are whole once the last piece has been taken. Raises UsageError
    as `read_log` does, of a location without a step at its end.
    """
    return LogStream(path, endpoint)


class LogStream:
    """An iterator over pieces of a trace, with its account so far."""

    def __init__(self, path: str | Path, endpoint: str = "") -> None:
        self._location = locate_logs(path, endpoint)
        self._facts = JobFactsCollector()
        self._history = StepHistory()
        self._accounts: list[FileAccount] = []  # of files that gave steps
        self._repeated: list[int] = []  # rows of each of them that were dropped
        self._notes: list[str] = []
        self._csv_stamps: list[StepKeys] = []  # of all steps, where there may be text logs too
        self._has_text_logs = False
        self._tried_files = 0
        self._episodes = 0
        self._pieces = self._whole_episodes()

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return self

    def __next__(self) -> pd.DataFrame:
        return next(self._pieces)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The accounts of the files that have given steps."""
        sources = []
        for account, count in zip(self._accounts, self._repeated, strict=True):
            source = account.source
            if count:
                source = without_repeated_rows(source, count)
            sources.append(source)
        return tuple(sources)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was left out or guessed."""
        return tuple(dict.fromkeys([*self._location.notes, *self._facts.notes, *self._notes]))

    @property
    def job(self) -> Job:
        """What the files read so far say of the job."""
        return self._facts.job()

    def _whole_episodes(self) -> Iterator[pd.DataFrame]:
        unfinished = None
        for number, frame in self._frames():
            frame = frame.assign(source=number)
            if unfinished is not None and not self._follows(unfinished.iloc[-1], frame.iloc[0]):
                yield self._piece(unfinished)
                unfinished = None
            if unfinished is not None:
                frame = stack_frames([unfinished, frame])
            end = self._end_of_whole_episodes(frame)
            if end:
                yield self._piece(frame.iloc[:end])
            unfinished = frame.iloc[end:] if end < len(frame) else None
        if unfinished is not None:
            yield self._piece(unfinished)
        if not self._accounts:
            raise no_trace_error(self._location, self._tried_files, self._notes)

    def _end_of_whole_episodes(self, frame: pd.DataFrame) -> int:
        """The row with which the last episode begins; the end of the rows where it is too long."""
        ids = episode_ids(frame[["episode", "steps"]])
        end = int(np.searchsorted(ids, ids[-1]))
        if len(frame) - end > MAX_EPISODE_ROWS:
            self._notes.append(
                f"an episode of more than {MAX_EPISODE_ROWS} steps was cut in pieces"
            )
            return len(frame)
        return end

    def _follows(self, before: pd.Series, after: pd.Series) -> bool:
        """Whether the episode of a step may go on with a step of the same or of another file."""
        if before["source"] == after["source"]:
            return True
        phases = [self._accounts[int(step["source"])].phase for step in (before, after)]
        return phases[0] == phases[1] and continues_episode(before, after)

    def _piece(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of whole episodes with the columns that the reader adds."""
        numbers, lengths = np.unique(frame["source"].to_numpy(), return_counts=True)
        sources = [self._accounts[number].source for number in numbers]
        ids = self._episodes + episode_ids(frame[["episode", "steps"]])
        self._episodes = int(ids[-1]) + 1
        frame = frame.reset_index(drop=True)
        frame["episode_status"] = to_status_category(frame["episode_status"])
        origin = origin_columns(self._location, sources, lengths.tolist(), int(numbers[0]))
        return frame.assign(**origin, episode_id=ids)

    def _frames(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """Steps of each file, without those that stand twice, and the number of the file."""
        for file in open_step_files(self._location, self._facts, self._is_for_first_pass):
            self._tried_files += 1
            yield from self._steps_of_csv(file)
        if self._location.is_file or not self._has_text_logs:
            return
        for file in open_step_files(self._location, self._facts, _is_text_log):
            self._tried_files += 1
            yield from self._steps_of_text_log(file)

    def _is_for_first_pass(self, name: str) -> bool:
        """Whether a file is a table or holds facts; remembers whether there are text logs too."""
        self._has_text_logs |= _is_text_log(name)
        return is_csv_name(name) or may_hold_facts(name)

    def _steps_of_csv(self, file: OpenStepFile) -> Iterator[tuple[int, pd.DataFrame]]:
        pieces = file.pieces
        if not self._location.is_file:
            pieces = self._keeping_stamps(pieces)
        yield from self._new_steps(file.account, pieces)

    def _steps_of_text_log(self, file: OpenStepFile) -> Iterator[tuple[int, pd.DataFrame]]:
        start = _first_pieces(file.pieces)
        if self._is_in_csv_files(start):
            self._notes.append(
                f"left out: {file.account.name} holds the same steps as the csv files"
            )
            return
        yield from self._new_steps(file.account, chain(start, file.pieces))

    def _keeping_stamps(self, pieces: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in pieces:
            self._csv_stamps.append(step_stamps(frame))
            yield frame

    def _new_steps(
        self, account: FileAccount, pieces: Iterator[pd.DataFrame]
    ) -> Iterator[tuple[int, pd.DataFrame]]:
        """The steps of a file that have not been read before, with the number of the file."""
        number = len(self._accounts)
        for frame in pieces:
            if number == len(self._accounts):
                self._accounts.append(account)
                self._repeated.append(0)
            is_repeated = self._history.find_repeated(frame)
            self._repeated[number] += int(is_repeated.sum())
            if is_repeated.any():
                frame = frame[~is_repeated]
            if len(frame):
                yield number, frame
        if holds_only_bad_lines(account.source):
            self._notes.append(f"left out: {account.name} holds no step ({account.bad} bad lines)")

    def _is_in_csv_files(self, start: list[pd.DataFrame]) -> bool:
        """Whether the beginning of a text log stands in the csv files too."""
        if not start or not self._csv_stamps:
            return False
        stamps = np.concatenate([step_stamps(frame) for frame in start])
        is_known = np.zeros(len(stamps), bool)
        for csv_stamps in self._csv_stamps:
            is_known |= np.isin(stamps, csv_stamps)
        return float(is_known.mean()) >= DUPLICATE_FRACTION


def _first_pieces(pieces: Iterator[pd.DataFrame]) -> list[pd.DataFrame]:
    """The first pieces of a file, with steps enough to tell whether they are another file's."""
    start: list[pd.DataFrame] = []
    while sum(map(len, start)) < DUPLICATE_SAMPLE_STEPS:
        piece = next(pieces, None)
        if piece is None:
            break
        start.append(piece)
    return start


def _is_text_log(name: str) -> bool:
    return may_hold_steps(name) and not is_csv_name(name)
