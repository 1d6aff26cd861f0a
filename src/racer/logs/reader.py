"""Every trace in a place, and what its files say of the job: all at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.logs import job_facts as facts
from racer.logs import simtrace
from racer.logs import sources as places
from racer.logs import sources as text
from racer.logs.archive import FileEntry
from racer.logs.blocks import stack_frames
from racer.logs.gunzip import TruncatedFileError, UnpackBudget
from racer.logs.job_facts import JobFactsCollector, PrintedFactsCollector, may_hold_facts
from racer.logs.log import Log, Source
from racer.logs.repair import StepHistory, step_stamps, worker_numbers
from racer.logs.schema import PHASES, number_episodes, with_statuses
from racer.logs.simtrace import FileAccount
from racer.logs.sources import LogLocation

_STEPS = re.compile(r"\.(csv|log|txt)(\.\d{1,4})?(\.gz)?$", re.IGNORECASE)
_ITERATION = re.compile(r"(\d{1,9})-iteration\.csv")
_WORKER = re.compile(
    r"(?:^|/)(\d{1,4})/training-simtrace/|worker[-_.]?(\d{1,4})|robomaker[-_.](\d{1,4})(?!\d)"
)

OpenStepFile = tuple[FileAccount, Iterator[pd.DataFrame]]


def open_step_files(
    place: LogLocation, found: JobFactsCollector, wanted: Callable[[str], bool]
) -> Iterator[OpenStepFile]:
    """Each wanted file that may hold steps: its account, and its steps piece by piece, to be read
    before the next.

    What the other files and the lines of text logs say is added to `found`, what could not be read
    to `place.notes`.
    """
    for item in places.visit_files(place, wanted):
        whole = "/".join([*place.parts, item.name])
        if whole not in found.names:
            found.names.append(whole)
        if facts.may_hold_facts(item.name) and not place.is_file:
            _take_fact(item, place, found)
        else:
            account = FileAccount(item.name, phase_of(PurePosixPath(whole)))
            yield account, _pieces(item, account, place, found)


def may_hold_steps(name: str) -> bool:
    """Whether a file of this name may hold steps."""
    return bool(_STEPS.search(name))


def is_csv_name(name: str) -> bool:
    """Whether a file of this name may be a simtrace csv."""
    found = _STEPS.search(name)
    return bool(found and found[1].lower() == "csv")


def phase_of(path: PurePosixPath) -> str:
    """`training`, `evaluation` or `unknown`, from the names in a path; the last one that says it
    counts.
    """
    for part in reversed(path.parts):
        if re.search(r"eval|leaderboard", part.lower()):
            return "evaluation"
        if "train" in part.lower():
            return "training"
    return "unknown"


def iteration_of(name: str, phase: str) -> int:
    """The iteration that a file's name says it is of; -1 where it says none."""
    found = _ITERATION.search(name) if phase != "evaluation" else None
    return int(found[1]) if found else -1


def worker_of(place: LogLocation, name: str) -> int:
    """The number of the worker that a file's path says it is from; -1 where it says none."""
    found = _WORKER.search("/".join([*place.parts, name]))
    return int(next(filter(None, found.groups()))) if found else -1


def holds_only_bad_lines(source: Source) -> bool:
    """Whether a file holds no step although some of its lines should."""
    return not source.rows and not source.repeated and source.bad > 0


def no_trace_error(place: LogLocation, tried: int, notes: Iterable[str]) -> UsageError:
    """What is said of a place without a step."""
    looked = (
        "no line of it is a step"
        if place.is_file
        else f"{tried} csv, log or txt files were looked at"
    )
    why = next(iter([*place.notes, *notes]), "")
    return UsageError(
        f"{place.root} holds no trace: {looked}; give a simtrace csv or a log with SIM_TRACE_LOG lines"
        + (f" ({why})" if why else "")
    )


def _pieces(
    item: FileEntry, account: FileAccount, place: LogLocation, found: JobFactsCollector
) -> Iterator[pd.DataFrame]:
    """The steps of a file, block by block. What is wrong with one of several files becomes a note."""
    blocks = text.line_blocks(item.chunks(), item.budget or UnpackBudget.of(item.name, item.size))
    try:
        first = next(blocks, b"")
        if is_csv_name(item.name) and not place.is_file and not simtrace.looks_like_steps(first):
            return
        blocks = chain([first] if first else [], blocks)
        if not is_csv_name(item.name):
            found.journals.append((item.name, journal := PrintedFactsCollector()))
            blocks = _watched(blocks, journal)
        yield from simtrace.parse_blocks(blocks, account)
    except (UsageError, OSError, TruncatedFileError) as error:
        sentence = _sentence(error, item.name)
        if place.is_file and not account.rows:
            raise UsageError(sentence) from None
        place.notes.append(f"{'read only in part' if account.rows else 'left out'}: {sentence}")


def _watched(blocks: Iterator[bytes], journal: PrintedFactsCollector) -> Iterator[bytes]:
    for block in blocks:
        journal.take(block)
        yield block


def _take_fact(item: FileEntry, place: LogLocation, found: JobFactsCollector) -> None:
    try:
        data = item.read(facts.MAX_FACT_FILE_BYTES)
    except (UsageError, OSError, TruncatedFileError) as error:
        place.notes.append(f"left out: {_sentence(error, item.name)}")
        return
    if len(data) < facts.MAX_FACT_FILE_BYTES:
        found.take(item.name, data)
    else:
        place.notes.append(
            f"left out: {item.name} is larger than {facts.MAX_FACT_FILE_BYTES >> 20} MiB"
        )


def _sentence(error: Exception, name: str) -> str:
    if isinstance(error, OSError):
        return f"cannot read {name}: {error.strerror or error}"
    return str(error) if isinstance(error, UsageError) else f"{name}: {error}"


DUPLICATE_FRACTION = (
    0.9  # share of a text log's steps that csv files hold too, above which it is the same job
)
MAX_GAP_STEPS_AND_S = (
    3,
    1.0,
)  # steps and s that may lie between the halves of a log that was cut in two


class FileTrace(NamedTuple):
    """What one file held."""

    frame: pd.DataFrame
    source: Source


def read_log(path: str | Path, endpoint: str = "") -> Log:
    """Every step found in a place: one trace, with an account of the lines and what is known of the
    job.

    `path` is a file, a folder (searched to its depth), an archive (`.tar.gz`, `.tgz`, `.tar`,
    `.zip`; read in place), a glob such as `runs/*/training-simtrace`, or an address such as
    `s3://bucket/prefix` (`pip install 'racer-sim[s3]'`; `endpoint` is the URL of a MinIO server,
    AWS_ENDPOINT_URL without it). docs/logs.md says what is read and how. Raises UsageError when
    there is no such thing or no step in it.
    """
    place, facts = places.locate_logs(path, endpoint), JobFactsCollector()
    found = []
    for account, pieces in open_step_files(
        place, facts, lambda name: may_hold_steps(name) or may_hold_facts(name)
    ):
        frames = list(pieces)
        found.append(FileTrace(stack_frames(frames) if frames else pd.DataFrame(), account.source))
    notes = [
        f"left out: {one.name} holds no step ({one.bad} bad lines)"
        for _, one in found
        if holds_only_bad_lines(one)
    ]
    kept = sorted(
        (one for one in found if one.source.rows),
        key=lambda one: places.natural_sort_key(one.source.name),
    )
    if not kept:
        raise no_trace_error(place, len(found), notes)
    kept, doubled = _without_doubles(kept)
    kept, repeated = _without_repeats(kept)
    kept = [_unwoven(one) for one in kept]
    kept, goes_on, joined = _linked(kept)
    job = facts.job()
    every = [*place.notes, *facts.notes, *notes, *doubled, *repeated, *joined]
    return Log(_trace(kept, goes_on, place), tuple(source for _, source in kept), tuple(every), job)


def origin_columns(
    place: LogLocation, sources: Sequence[Source], lengths: Sequence[int], first: int = 0
) -> dict[str, Any]:
    """The columns that tell where rows come from: `lengths` rows of each of `sources`, numbered
    from `first`.
    """
    codes: NDArray[np.int64] = np.repeat(
        np.array([PHASES.index(source.phase) for source in sources], np.int64), lengths
    )
    iterations = [iteration_of(source.name, source.phase) for source in sources]
    return {
        "source": np.repeat(np.arange(first, first + len(sources)), lengths),
        "phase": pd.Categorical.from_codes(codes, pd.Index(PHASES)),
        "iteration": np.repeat(iterations, lengths),
        "worker": np.repeat([worker_of(place, source.name) for source in sources], lengths),
    }


def continues_episode(before: pd.Series, after: pd.Series) -> bool:
    """Whether a step follows another in the same episode, although it stands in another file."""
    steps, time = after["steps"] - before["steps"], after["tstamp"] - before["tstamp"]
    near = 0 < steps <= MAX_GAP_STEPS_AND_S[0] and 0 < time <= MAX_GAP_STEPS_AND_S[1]
    return bool(near and before["episode"] == after["episode"] and not before["done"])


def _without_doubles(found: list[FileTrace]) -> tuple[list[FileTrace], list[str]]:
    """Without text logs of a job whose csv files are there as well."""
    tables = [one for one in found if is_csv_name(one.source.name)]
    if not 0 < len(tables) < len(found):
        return found, []
    seen = np.concatenate([step_stamps(one.frame) for one in tables])
    kept, notes = [], []
    for one in found:
        known = (
            np.isin(step_stamps(one.frame), seen)
            if not is_csv_name(one.source.name)
            else np.zeros(1)
        )
        if known.mean() < DUPLICATE_FRACTION:
            kept.append(one)
        else:
            notes.append(
                f"left out: {one.source.name} holds the same steps as the csv files ({len(one.frame)} rows)"
            )
    return kept, notes


def _without_repeats(found: list[FileTrace]) -> tuple[list[FileTrace], list[str]]:
    """Without steps that stand twice; the account of each file says how many were dropped."""
    seen, kept, notes = StepHistory(), [], []
    for frame, source in found:
        again = seen.repeated(frame)
        count = int(again.sum())
        if count == len(frame):
            notes.append(
                f"left out: every step of {source.name} ({count} rows) stands in the files before it"
            )
        elif count:
            kept.append(
                FileTrace(
                    frame[~again].reset_index(drop=True), without_repeated_rows(source, count)
                )
            )
        else:
            kept.append(FileTrace(frame, source))
    return kept, notes


def without_repeated_rows(source: Source, count: int) -> Source:
    """The account of a file of which `count` rows were dropped because they had been read before."""
    note = f"{count} rows stand twice: the second ones were dropped"
    return replace(source, rows=source.rows - count, repeated=count, notes=(*source.notes, note))


def _unwoven(one: FileTrace) -> FileTrace:
    """A file's steps with those of each worker behind each other, where they stood in turn."""
    worker = worker_numbers(one.frame)
    if not worker.any():
        return one
    frame = one.frame.iloc[np.argsort(worker, kind="stable")].reset_index(drop=True)
    note = f"steps of {int(worker.max()) + 1} workers stand in turn: they were sorted apart"
    return FileTrace(frame, replace(one.source, notes=(*one.source.notes, note)))


def _linked(found: list[FileTrace]) -> tuple[list[FileTrace], NDArray[np.bool_], list[str]]:
    """The files in order, halves of a log that was cut in two behind each other; whether each goes
    on from the last.
    """
    if len(found) == 1:
        return found, np.zeros(1, bool), []
    heirs, notes = {}, []
    ends = [one.frame.iloc[-1] for one in found]
    for number, one in enumerate(found):
        first = one.frame.iloc[0]
        if first["steps"] <= 1:
            continue
        same = [k for k in range(len(found)) if k != number and k not in heirs]
        same = [
            k
            for k in same
            if found[k].source.phase == one.source.phase and continues_episode(ends[k], first)
        ]
        if same:
            nearest = min(same, key=lambda k: float(first["tstamp"] - ends[k]["tstamp"]))
            heirs[nearest] = number
            notes.append(
                f"{one.source.name} goes on in the middle of an episode of {found[nearest].source.name}: joined"
            )
    order = _chains(len(found), heirs)
    later = set(heirs.values())
    return [found[k] for k in order], np.array([k in later for k in order]), notes


def _chains(count: int, heirs: dict[int, int]) -> list[int]:
    """Numbers from 0 to count in order, but each followed by its heir."""
    order: list[int] = []
    for start in [*sorted(set(range(count)) - set(heirs.values())), *range(count)]:
        number: int | None = start
        while number is not None and number not in order:
            order.append(number)
            number = heirs.get(number)
    return order


def _trace(
    found: Sequence[FileTrace], goes_on: NDArray[np.bool_], place: LogLocation
) -> pd.DataFrame:
    """All rows with the columns that the reader adds."""
    lengths = [len(one.frame) for one in found]
    trace = stack_frames([one.frame for one in found])
    chains = np.repeat(np.cumsum(~goes_on, dtype=np.int64), lengths)
    ids = number_episodes(trace["episode"].to_numpy(), trace["steps"].to_numpy(), chains)
    columns = origin_columns(place, [one.source for one in found], lengths)
    added = pd.DataFrame({**columns, "episode_id": ids}, copy=False)
    return pd.concat([with_statuses(trace), added], axis=1)
