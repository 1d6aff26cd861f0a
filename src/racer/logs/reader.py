"""Every step in a location, and what its files say of the job: all at once, or in bounded memory.

Traces of any size in bounded memory: whole episodes piece by piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.logs.blocks import stack_frames
from racer.logs.job_facts import JobFactsCollector, may_hold_facts
from racer.logs.log import HasTrace, Job, Log, Source
from racer.logs.repair import (
    RepeatFilter,
    StepHistory,
    continues_episode,
    worker_numbers,
)
from racer.logs.schema import episode_ids, number_episodes, to_status_category, with_statuses
from racer.logs.simtrace import FileAccount
from racer.logs.sources import LogLocation, locate_logs, natural_sort_key
from racer.logs.step_files import (
    IterationRule,
    OpenStepFile,
    holds_only_bad_lines,
    is_csv_name,
    is_text_log,
    job_folder,
    may_hold_steps,
    no_trace_error,
    open_step_files,
    origin_columns,
    training_id,
    without_repeats,
)

MAX_EPISODE_ROWS = 200_000
"""Rows of an episode that has no end, after which it is cut."""


class FileTrace(NamedTuple):
    """What one file held; its number among all, and those of the files that held some of it, too."""

    frame: pd.DataFrame
    source: Source
    number: int = 0
    shared_with: frozenset[int] = frozenset()


def as_log(log: Log | HasTrace | str | Path) -> Log:
    """A log as it is, what a path names, or the trace of whatever has driven as an evaluation."""
    if isinstance(log, Log):
        return log
    if isinstance(log, str | Path):
        return read_log(log)
    trace = log.trace
    if "phase" not in trace:
        trace = trace.assign(phase="evaluation")
    return Log(trace, ())


def read_log(path: str | Path, endpoint: str = "") -> Log:
    """Every step found in a location as one trace, with an account of the lines and what is known of
    the job.

    `path` is a file, a folder (searched to its depth), an archive (`.tar.gz`, `.tgz`, `.tar`,
    `.zip`; read in place), a glob such as `runs/*/training-simtrace`, or an address such as
    `s3://bucket/prefix` (the extra `s3`; `endpoint` is the URL of a MinIO server,
    AWS_ENDPOINT_URL without it). docs/logs.md says what is read and how.

    Raises UsageError when there is no such location or no step in it.

    Examples
    --------
    A log that racer writes itself, here a car that drives along the x axis:

    >>> import pandas as pd, tempfile
    >>> from pathlib import Path
    >>> import racer.logs
    >>> steps = pd.DataFrame({"episode": 0, "steps": [1.0, 2.0, 3.0], "X": [0.0, 0.1, 0.2]})
    >>> steps = steps.assign(Y=0.0, yaw=0.0, steer=0.0, throttle=1.5, action=0, reward=1.0)
    >>> steps = steps.assign(done=False, all_wheels_on_track=True, progress=[0.0, 1.0, 2.0])
    >>> steps = steps.assign(closest_waypoint=0, track_len=10.0, tstamp=[0.07, 0.13, 0.2])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     racer.logs.write_csv(steps, Path(folder) / "0-iteration.csv")
    ...     log = racer.logs.read_log(folder)
    >>> log
    <Log of 3 steps in 1 episode, from 1 file>
    >>> log.trace["X"].tolist()
    [0.0, 0.1, 0.2]
    """
    contents = _read_contents(path, endpoint)
    jobs = contents.jobs()
    notes = []
    if len(jobs) > 1:
        notes.append(
            f"{len(jobs)} jobs are in it: {', '.join(jobs)}; here their steps stand behind each other"
        )
    log = contents.log(contents.files, contents.facts, notes)
    return replace(log, jobs=tuple(jobs) if len(jobs) > 1 else ())


def read_jobs(path: str | Path, endpoint: str = "") -> dict[str, Log]:
    """The log of each job in a location, by its folder there; one alone has the name "".

    What `read_log` gives, but where several trainings lie in folders of their own, or several logs
    of the console's trainings in one, each is a log with its own facts. Raises as `read_log` does.
    """
    contents = _read_contents(path, endpoint)
    jobs = contents.jobs()
    if len(jobs) == 1:
        return {"": contents.log(contents.files, contents.facts, [])}
    logs = {}
    for job, files in jobs.items():
        facts = contents.facts_of(job, files)
        note = f"one of {len(jobs)} jobs in {contents.location.root}, each of which counts apart"
        logs[job] = contents.log(files, facts, [note])
    return logs


class _Contents(NamedTuple):
    """What a location holds: files with steps that stand nowhere else, and facts."""

    location: LogLocation
    facts: JobFactsCollector
    files: list[FileTrace]
    notes: list[str]

    def jobs(self) -> dict[str, list[FileTrace]]:
        """The files of each job by its folder; all of them under "" where there is one job.

        Files that share steps are of one job wherever they lie.
        """
        names = [file.source.name for file in self.files]
        has_several_ids = len({training_id(name) for name in names} - {""}) > 1
        job_of: dict[int, str] = {}
        jobs: dict[str, list[FileTrace]] = {}
        for file in self.files:
            job = job_folder(file.source.name)
            if has_several_ids and training_id(file.source.name):
                job = f"{job}/{training_id(file.source.name)}".lstrip("/")
            partners = sorted(file.shared_with & set(job_of))
            job = job_of[partners[0]] if partners else job
            job_of[file.number] = job
            jobs.setdefault(job, []).append(file)
        trainings = 0
        for files in jobs.values():
            trainings += any(file.source.phase != "evaluation" for file in files)
        if trainings < 2:
            return {"": self.files}
        return {job or ".": files for job, files in jobs.items()}

    def facts_of(self, job: str, files: list[FileTrace]) -> JobFactsCollector:
        """What the files of a job, and those in the folders above it, say."""
        own = {file.source.name for file in files}
        above = self.location.path_of("")

        def is_kept(name: str) -> bool:
            inner = name.removeprefix(above)
            folder = job_folder(inner)
            return inner in own or folder == job or not folder or job.startswith(f"{folder}/")

        return self.facts.of_files(is_kept)

    def log(self, files: list[FileTrace], facts: JobFactsCollector, notes: list[str]) -> Log:
        """Some of the files as a log."""
        files = [_sorted_by_worker(file) for file in _natural_order(files)]
        files, continues, link_notes = _linked(files)
        job = facts.job()
        every = (*self.location.notes, *facts.notes, *self.notes, *link_notes, *notes)
        return Log(
            _one_trace(files, continues, self.location),
            tuple(file.source for file in files),
            every,
            job,
        )


def _read_contents(path: str | Path, endpoint: str) -> _Contents:
    location = locate_logs(path, endpoint)
    facts = JobFactsCollector()
    files, notes = _read_files(location, facts)
    files, repeat_notes = _without_repeats(files)
    return _Contents(location, facts, files, [*notes, *repeat_notes])


def _read_files(
    location: LogLocation, facts: JobFactsCollector
) -> tuple[list[FileTrace], list[str]]:
    """The files with steps in the order in which they stand there, tables first, since they have
    more digits than the text logs of the same steps; and notes on those without.

    Raises UsageError where no file holds a step.
    """
    files = []
    notes = []
    tried = 0
    for account, pieces in open_step_files(location, facts, _may_hold_steps_or_facts):
        tried += 1
        frames = list(pieces)
        source = account.source
        if holds_only_bad_lines(source):
            notes.append(f"left out: {source.name} holds no step ({source.bad} bad lines)")
        if source.rows:
            files.append(FileTrace(stack_frames(frames), source))
    if not files:
        raise no_trace_error(location, list(facts.names), tried, notes)
    files.sort(key=lambda file: not is_csv_name(file.source.name))
    return files, notes


def _natural_order(files: list[FileTrace]) -> list[FileTrace]:
    """The files by their names, tables first."""
    files = sorted(files, key=lambda file: natural_sort_key(file.source.name))
    return sorted(files, key=lambda file: not is_csv_name(file.source.name))


def _may_hold_steps_or_facts(name: str) -> bool:
    return may_hold_steps(name) or may_hold_facts(name)


def _without_repeats(files: list[FileTrace]) -> tuple[list[FileTrace], list[str]]:
    """The files without steps that stand twice, whose number is in the account of each file; and
    notes on files of which nothing remains.
    """
    history = StepHistory(has_several_files=len(files) > 1)
    kept = []
    notes = []
    for frame, source, *_ in files:
        steps = history.begin_file(source.phase)
        pieces = [steps.take(frame)]
        held = steps.finish()
        if held is not None:
            pieces.append(held)
        if not steps.kept:
            notes.append(_nothing_new_note(source.name, steps))
            continue
        source = replace(source, phase=steps.phase)
        remaining = stack_frames([piece for piece in pieces if len(piece)])
        shared_with = frozenset(steps.shared_with)
        kept.append(FileTrace(remaining, _once(source, steps), steps.number, shared_with))
    return kept, notes


def _once(source: Source, steps: RepeatFilter) -> Source:
    """The account of a file without the steps that stand twice."""
    elsewhere = "the files before it" if is_csv_name(source.name) else "the csv files"
    return without_repeats(source, steps, elsewhere)


def _nothing_new_note(name: str, steps: RepeatFilter) -> str:
    """The sentence on a file all of whose steps stand elsewhere."""
    count = steps.shared + steps.repeated
    if is_csv_name(name):
        return f"left out: every step of {name} ({count} rows) stands in the files before it"
    return f"left out: {name} holds the same steps as the csv files ({count} rows)"


def _sorted_by_worker(file: FileTrace) -> FileTrace:
    """A file's steps with those of each worker behind each other, where they stood in turn."""
    worker = worker_numbers(file.frame)
    if not worker.any():
        return file
    order = np.argsort(worker, kind="stable")
    frame = file.frame.iloc[order].reset_index(drop=True)
    note = f"steps of {int(worker.max()) + 1} workers stand in turn: they were sorted apart"
    source = replace(file.source, notes=(*file.source.notes, note))
    return file._replace(frame=frame, source=source)


def _linked(files: list[FileTrace]) -> tuple[list[FileTrace], NDArray[np.bool_], list[str]]:
    """The files in order, halves of a log that was cut in two behind each other; whether each file
    continues the one before it; and notes on the halves.
    """
    if len(files) == 1:
        return files, np.zeros(1, bool), []
    second_half_of: dict[int, int] = {}
    notes = []
    last_steps = [file.frame.iloc[-1] for file in files]
    for number, file in enumerate(files):
        half = _first_half(files, last_steps, number, taken=second_half_of)
        if half is not None:
            second_half_of[half] = number
            notes.append(
                f"{file.source.name} goes on in the middle of an episode of "
                f"{files[half].source.name}: joined"
            )
    order = _chain_order(len(files), second_half_of)
    second_halves = set(second_half_of.values())
    continues = np.array([number in second_halves for number in order])
    return [files[number] for number in order], continues, notes


def _first_half(
    files: list[FileTrace], last_steps: list[pd.Series], number: int, taken: dict[int, int]
) -> int | None:
    """The file whose last episode a file goes on with, the nearest in time of several, or None."""
    first_step = files[number].frame.iloc[0]
    if first_step["steps"] <= 1:
        return None
    nearest = None
    smallest_gap = np.inf
    for other, file in enumerate(files):
        if other == number or other in taken or file.source.phase != files[number].source.phase:
            continue
        gap = float(first_step["tstamp"] - last_steps[other]["tstamp"])
        if gap < smallest_gap and continues_episode(last_steps[other], first_step):
            nearest = other
            smallest_gap = gap
    return nearest


def _chain_order(count: int, second_half_of: dict[int, int]) -> list[int]:
    """Numbers from 0 to count in order, but each followed by its second half."""
    second_halves = set(second_half_of.values())
    order: list[int] = []
    # Where halves follow each other in a circle, none of them is a start.
    starts = [number for number in range(count) if number not in second_halves]
    for start in [*starts, *range(count)]:
        number: int | None = start
        while number is not None and number not in order:
            order.append(number)
            number = second_half_of.get(number)
    return order


def _one_trace(
    files: Sequence[FileTrace], continues: NDArray[np.bool_], location: LogLocation
) -> pd.DataFrame:
    """All rows with the columns that the reader adds."""
    lengths = [len(file.frame) for file in files]
    trace = stack_frames([file.frame for file in files])
    chain = np.repeat(np.cumsum(~continues, dtype=np.int64), lengths)
    ids = number_episodes(trace["episode"].to_numpy(), trace["steps"].to_numpy(), chain)
    columns = origin_columns(location, [file.source for file in files], lengths)
    rule = IterationRule()
    for file in files:
        rule.learn(file.source, file.frame)
    columns["iteration"] = rule.fill(columns, trace)
    added = pd.DataFrame({**columns, "episode_id": ids}, copy=False)
    return pd.concat([with_statuses(trace), added], axis=1)


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
        self._history = StepHistory(has_several_files=not self._location.is_file)
        self._accounts: list[FileAccount] = []  # of files that gave steps
        self._repeats: list[RepeatFilter] = []  # what each of them holds twice
        self._iterations = IterationRule()
        self._notes: list[str] = []
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
        pairs = zip(self._accounts, self._repeats, strict=True)
        return tuple(_once(account.source, steps) for account, steps in pairs)

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
            raise no_trace_error(
                self._location, list(self._facts.names), self._tried_files, self._notes
            )

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
        origin["iteration"] = self._iterations.fill(origin, frame)
        return frame.assign(**origin, episode_id=ids)

    def _frames(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """Steps of each file, without those that stand twice, and the number of the file."""
        for file in open_step_files(self._location, self._facts, self._is_for_first_pass):
            self._tried_files += 1
            yield from self._new_steps(file)
        if self._location.is_file or not self._has_text_logs:
            return
        for file in open_step_files(self._location, self._facts, is_text_log):
            self._tried_files += 1
            yield from self._new_steps(file)

    def _is_for_first_pass(self, name: str) -> bool:
        """Whether a file is a table or holds facts; remembers whether there are text logs too."""
        self._has_text_logs |= is_text_log(name)
        return is_csv_name(name) or may_hold_facts(name)

    def _new_steps(self, file: OpenStepFile) -> Iterator[tuple[int, pd.DataFrame]]:
        """The steps of a file that have not been read before, with the number of the file."""
        account = file.account
        number = len(self._accounts)
        steps = self._history.begin_file(account.phase)
        for frame in chain(_kept(file.pieces, steps), _kept_at_end(steps)):
            if number == len(self._accounts):
                self._accounts.append(account)
                self._repeats.append(steps)
            account.phase = steps.phase
            self._iterations.learn(account, frame)
            yield number, frame
        if account.rows and not steps.kept:
            self._notes.append(_nothing_new_note(account.name, steps))
        if holds_only_bad_lines(account.source):
            self._notes.append(f"left out: {account.name} holds no step ({account.bad} bad lines)")


def _kept(pieces: Iterator[pd.DataFrame], steps: RepeatFilter) -> Iterator[pd.DataFrame]:
    """What remains of the pieces of a file without the steps that have been read before."""
    for piece in pieces:
        frame = steps.take(piece)
        if len(frame):
            yield frame


def _kept_at_end(steps: RepeatFilter) -> Iterator[pd.DataFrame]:
    """The steps of a file that were held back until its end was reached."""
    held = steps.finish()
    if held is not None:
        yield held
