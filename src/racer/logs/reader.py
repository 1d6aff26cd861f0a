"""Every step in a location, and what its files say of the job: all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.logs.blocks import stack_frames
from racer.logs.job_facts import JobFactsCollector, may_hold_facts
from racer.logs.log import Log, Source
from racer.logs.repair import (
    DUPLICATE_FRACTION,
    StepHistory,
    continues_episode,
    step_stamps,
    without_repeated_rows,
    worker_numbers,
)
from racer.logs.schema import number_episodes, with_statuses
from racer.logs.sources import LogLocation, locate_logs, natural_sort_key
from racer.logs.step_files import (
    holds_only_bad_lines,
    is_csv_name,
    may_hold_steps,
    no_trace_error,
    open_step_files,
    origin_columns,
)


class FileTrace(NamedTuple):
    """What one file held."""

    frame: pd.DataFrame
    source: Source


def read_log(path: str | Path, endpoint: str = "") -> Log:
    """Every step found in a location as one trace, with an account of the lines and what is known of
    the job.

    `path` is a file, a folder (searched to its depth), an archive (`.tar.gz`, `.tgz`, `.tar`,
    `.zip`; read in place), a glob such as `runs/*/training-simtrace`, or an address such as
    `s3://bucket/prefix` (`pip install 'racer-sim[s3]'`; `endpoint` is the URL of a MinIO server,
    AWS_ENDPOINT_URL without it). docs/logs.md says what is read and how.

    Raises UsageError when there is no such location or no step in it.

    Examples
    --------
    A log that racer writes itself, here a car that drives along the x axis:

    >>> import pandas as pd, tempfile
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
    location = locate_logs(path, endpoint)
    facts = JobFactsCollector()
    files, notes = _read_files(location, facts)
    files, duplicate_notes = _without_duplicate_texts(files)
    files, repeat_notes = _without_repeats(files)
    files = [_sorted_by_worker(file) for file in files]
    files, continues, link_notes = _linked(files)
    job = facts.job()
    return Log(
        _one_trace(files, continues, location),
        tuple(file.source for file in files),
        (
            *location.notes,
            *facts.notes,
            *notes,
            *duplicate_notes,
            *repeat_notes,
            *link_notes,
        ),
        job,
    )


def _read_files(
    location: LogLocation, facts: JobFactsCollector
) -> tuple[list[FileTrace], list[str]]:
    """The files with steps in natural order, and notes on those without. UsageError for none."""
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
        raise no_trace_error(location, tried, notes)
    files.sort(key=lambda file: natural_sort_key(file.source.name))
    return files, notes


def _may_hold_steps_or_facts(name: str) -> bool:
    return may_hold_steps(name) or may_hold_facts(name)


def _without_duplicate_texts(files: list[FileTrace]) -> tuple[list[FileTrace], list[str]]:
    """The files without text logs of a job whose csv files are there as well, and notes on those."""
    tables = [file for file in files if is_csv_name(file.source.name)]
    if not 0 < len(tables) < len(files):
        return files, []
    stamps = np.concatenate([step_stamps(table.frame) for table in tables])
    kept = []
    notes = []
    for file in files:
        name = file.source.name
        if is_csv_name(name):
            kept.append(file)
            continue
        in_tables = np.isin(step_stamps(file.frame), stamps)
        if in_tables.mean() < DUPLICATE_FRACTION:
            kept.append(file)
        else:
            notes.append(
                f"left out: {name} holds the same steps as the csv files ({len(file.frame)} rows)"
            )
    return kept, notes


def _without_repeats(files: list[FileTrace]) -> tuple[list[FileTrace], list[str]]:
    """The files without steps that stand twice, whose number is in the account of each file; and
    notes on files of which nothing remains.
    """
    history = StepHistory()
    kept = []
    notes = []
    for frame, source in files:
        is_repeated = history.find_repeated(frame)
        count = int(is_repeated.sum())
        if count == len(frame):
            notes.append(
                f"left out: every step of {source.name} ({count} rows) stands in the files "
                "before it"
            )
        elif count:
            remaining = frame[~is_repeated].reset_index(drop=True)
            kept.append(FileTrace(remaining, without_repeated_rows(source, count)))
        else:
            kept.append(FileTrace(frame, source))
    return kept, notes


def _sorted_by_worker(file: FileTrace) -> FileTrace:
    """A file's steps with those of each worker behind each other, where they stood in turn."""
    worker = worker_numbers(file.frame)
    if not worker.any():
        return file
    order = np.argsort(worker, kind="stable")
    frame = file.frame.iloc[order].reset_index(drop=True)
    note = f"steps of {int(worker.max()) + 1} workers stand in turn: they were sorted apart"
    return FileTrace(frame, replace(file.source, notes=(*file.source.notes, note)))


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
    added = pd.DataFrame({**columns, "episode_id": ids}, copy=False)
    return pd.concat([with_statuses(trace), added], axis=1)
