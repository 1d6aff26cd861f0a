"""The files of a location that hold steps, one after the other; what the others say of the job is
collected on the way. What the names of files tell: phase, iteration, worker.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.files import LFS_MAGIC, LFS_SENTENCE
from racer.logs.archive import FileEntry
from racer.logs.job_facts import (
    MAX_FACT_FILE_BYTES,
    JobFactsCollector,
    PrintedFactsCollector,
    may_hold_facts,
)
from racer.logs.log import Job, NoStepsError, Source
from racer.logs.metrics import MODEL_SENTENCE, TRAINER_FILE, ModelArchive
from racer.logs.schema import PHASES
from racer.logs.simtrace import FileAccount, looks_like_steps, parse_blocks
from racer.logs.sources import LogLocation, locate_logs, visit_files
from racer.logs.unpacking import TruncatedFileError, UnpackBudget, line_blocks

if TYPE_CHECKING:
    from racer.logs.repair import RepeatFilter

_STEP_FILE = re.compile(r"\.(csv|log|txt)(\.\d{1,4})?(\.gz)?$", re.IGNORECASE)
_ITERATION_FILE = re.compile(r"(\d{1,9})-iteration\.csv")
_WORKER = re.compile(
    r"(?:^|/)(\d{1,4})/training-simtrace/|worker[-_.]?(\d{1,4})|robomaker[-_.](\d{1,4})(?!\d)"
)
# Folders within that of a job.
_LAYOUT_FOLDER = re.compile(
    r"(training|evaluation|leaderboard)([-_]?(simtrace|job|\d[\w-]*))?|sim-?trace|logs?|metrics|ip|"
    r"model|output|artifacts|custom_files|checkpoint|\d{1,4}",
    re.IGNORECASE,
)
_TRAINING_ID = re.compile(r"(?:^|/)(training-\d{14}-[\w-]+?)-(?:robomaker|sagemaker|simulation)")
_EVALUATION_WORDS = ("eval", "leaderboard")
_TRAINING_WORD = "train"


_MINIO_FILE = "xl.meta"
_MINIO_MAGIC = b"XL2 "
_MINIO_SENTENCE = (
    "these are MinIO's own files on its disk (xl.meta), not what it keeps in them: read the bucket "
    "through MinIO (AWS_ENDPOINT_URL=http://localhost:9000 racer analyze s3://bucket/rl-deepracer)"
)
_MAX_POINTER_BYTES = 1024
_MODEL_FILES = re.compile(r"(^|/)(agent/)?model(_\d+)?\.pb$|\.(ckpt|data-\d+-of-\d+|ckpt\.index)$")


class OpenStepFile(NamedTuple):
    """A file that is being read: its account, and its steps piece by piece."""

    account: FileAccount
    pieces: Iterator[pd.DataFrame]


def open_step_files(
    location: LogLocation, facts: JobFactsCollector, wanted: Callable[[str], bool]
) -> Iterator[OpenStepFile]:
    """Each wanted file that may hold steps, to be read before the next one is asked for.

    What the other files and the lines of text logs say is added to `facts`, what could not be read
    to the notes of the location.
    """
    for entry in visit_files(location, wanted):
        path = location.path_of(entry.name)
        facts.names[path] = None
        if may_hold_facts(entry.name) and not location.is_file:
            _take_facts(entry, location, facts)
        else:
            account = FileAccount(entry.name, phase_of(PurePosixPath(path)))
            yield OpenStepFile(account, _pieces(entry, account, location, facts))


def may_hold_steps(name: str) -> bool:
    """Whether a file of this name may hold steps."""
    return _STEP_FILE.search(name) is not None


def is_csv_name(name: str) -> bool:
    """Whether a file of this name may be a simtrace csv."""
    match = _STEP_FILE.search(name)
    return match is not None and match[1].lower() == "csv"


def is_text_log(name: str) -> bool:
    """Whether a file of this name may be a log with steps between other lines."""
    return may_hold_steps(name) and not is_csv_name(name)


def read_job(path: str | Path, endpoint: str = "") -> Job:
    """What the small files in a location, and the lines of its text logs, say of the job.

    No step is needed there. `path` and `endpoint` are as for `read_log`. Raises UsageError when there
    is no such location.
    """
    location = locate_logs(path, endpoint)
    facts = JobFactsCollector()
    for file in open_step_files(location, facts, _may_hold_job_facts):
        for _ in file.pieces:
            pass
    return facts.job()


def read_model(path: str | Path, endpoint: str = "") -> ModelArchive:
    """What a model archive, which holds no step, says of its training. Raises as `read_job` does."""
    job = read_job(path, endpoint)
    return ModelArchive(str(path), job.action_space, job.trainer)


def _may_hold_job_facts(name: str) -> bool:
    return may_hold_facts(name) or is_text_log(name)


def phase_of(path: PurePosixPath) -> str:
    """`training`, `evaluation` or `unknown`, from the names in a path; the last one that says it
    counts.
    """
    for part in reversed(path.parts):
        name = part.lower()
        if any(word in name for word in _EVALUATION_WORDS):
            return "evaluation"
        if _TRAINING_WORD in name:
            return "training"
    return "unknown"


def iteration_of(name: str, phase: str) -> int:
    """The iteration that a file's name says it is of; -1 where it says none."""
    match = _ITERATION_FILE.search(name)
    if match is None or phase == "evaluation":
        return -1
    return int(match[1])


def job_folder(name: str) -> str:
    """The folder of the job that a file is of, from its name; empty at the top of a location."""
    folders = PurePosixPath(name).parts[:-1]
    for depth, folder in enumerate(folders):
        if _LAYOUT_FOLDER.fullmatch(folder) or _WORKER.search(f"{folder}/"):
            return "/".join(folders[:depth])
    return "/".join(folders)


def training_id(name: str) -> str:
    """The identity of the training whose log has this name, as the console gives them; else empty."""
    match = _TRAINING_ID.search(name)
    return match[1] if match else ""


class IterationRule:
    """How many episodes an iteration has, learned from the files that are named for theirs.

    It tells the iteration of steps that only a text log holds, such as those of the last one.
    """

    def __init__(self) -> None:
        self._least = 0.0
        self._most = math.inf

    def learn(self, file: Source | FileAccount, frame: pd.DataFrame) -> None:
        """Take the episodes of some steps of a file into account."""
        iteration = iteration_of(file.name, file.phase)
        if iteration < 0:
            return
        episodes = frame["episode"].to_numpy()
        self._least = max(self._least, (int(episodes.max()) + 1) / (iteration + 1))
        if iteration:
            self._most = min(self._most, int(episodes.min()) / iteration)

    def fill(self, origin: dict[str, Any], frame: pd.DataFrame) -> NDArray[np.int64]:
        """(N,) the iteration of each step, whose origin is as `origin_columns` gives it."""
        given: NDArray[np.int64] = origin["iteration"]
        episodes_per_iteration = math.ceil(self._least)
        if not 0 < episodes_per_iteration <= self._most:
            return given
        counted = frame["episode"].to_numpy() // episodes_per_iteration
        is_missing = (given < 0) & np.asarray(origin["phase"] == "training")
        return np.where(is_missing, counted, given)


def worker_of(location: LogLocation, name: str) -> int:
    """The number of the worker that a file's path says it is from; -1 where it says none."""
    match = _WORKER.search(location.path_of(name))
    if match is None:
        return -1
    return int(next(filter(None, match.groups())))


def origin_columns(
    location: LogLocation, sources: Sequence[Source], lengths: Sequence[int], first: int = 0
) -> dict[str, Any]:
    """The columns that tell where rows come from: `lengths` rows of each of `sources`.

    The sources are numbered from `first`.
    """
    phases = np.array([PHASES.index(source.phase) for source in sources], np.int64)
    iterations = np.array([iteration_of(source.name, source.phase) for source in sources], np.int64)
    workers = np.array([worker_of(location, source.name) for source in sources], np.int64)
    numbers: NDArray[np.int64] = np.arange(first, first + len(sources))
    phase_codes = np.repeat(phases, lengths)
    return {
        "source": np.repeat(numbers, lengths),
        "phase": pd.Categorical.from_codes(phase_codes, pd.Index(PHASES)),
        "iteration": np.repeat(iterations, lengths),
        "worker": np.repeat(workers, lengths),
    }


def holds_only_bad_lines(source: Source) -> bool:
    """Whether a file holds no step although some of its lines should."""
    return not source.rows and not source.repeated and source.bad > 0


def without_repeats(source: Source, steps: RepeatFilter, elsewhere: str) -> Source:
    """The account of a file of which steps were dropped because they had been read before.

    `elsewhere` names the files that hold those steps, too.
    """
    count = steps.shared + steps.repeated
    if not count:
        return source
    notes = list(source.notes)
    if steps.repeated:
        notes.append(f"{steps.repeated} rows stand twice: the second ones were dropped")
    if steps.shared:
        notes.append(
            f"{source.name}: {steps.shared:,} of its steps stand in {elsewhere}, too, and count "
            f"once; {steps.kept:,} stand nowhere else and were added"
        )
    return replace(source, rows=source.rows - count, repeated=count, notes=tuple(notes))


def no_trace_error(
    location: LogLocation, names: Sequence[str], tried: int, notes: Iterable[str]
) -> NoStepsError:
    """The error for a location without a step, with files of these names, so many of which were
    `tried`.

    Where it shows what the location is instead, it says so.
    """
    known = _what_it_is(location, names)
    if known:
        is_model = known == MODEL_SENTENCE
        return NoStepsError(f"{location.root}: {known}", is_model=is_model)
    reason = f"{tried} csv, log or txt files were looked at"
    if location.is_file:
        reason = "no line of it is a step"
    sentence = (
        f"{location.root} holds no trace: {reason}; "
        "give a simtrace csv or a log with SIM_TRACE_LOG lines"
    )
    for note in [*location.notes, *notes][:1]:
        sentence += f" ({note})"
    return NoStepsError(sentence)


def _what_it_is(location: LogLocation, names: Sequence[str]) -> str:
    """What a location without a step is, as far as `names`, those of the files in it and in its
    archives, and the files' first bytes show.
    """
    pointers = []
    for entry in location.entries:
        if PurePosixPath(entry.name).name == _MINIO_FILE and _starts_with(entry, _MINIO_MAGIC):
            return _MINIO_SENTENCE
        if entry.size < _MAX_POINTER_BYTES and _starts_with(entry, LFS_MAGIC):
            pointers.append(entry.name)
    if pointers:
        return f"{pointers[0]} is {LFS_SENTENCE}"
    if any(TRAINER_FILE.search(name) or _MODEL_FILES.search(name) for name in names):
        return MODEL_SENTENCE
    return ""


def _starts_with(entry: FileEntry, magic: bytes) -> bool:
    try:
        return entry.read(len(magic)) == magic
    except (UsageError, OSError, TruncatedFileError):
        return False


def _pieces(
    entry: FileEntry, account: FileAccount, location: LogLocation, facts: JobFactsCollector
) -> Iterator[pd.DataFrame]:
    """The steps of a file, block by block. What is wrong with one of several files becomes a note."""
    budget = entry.budget or UnpackBudget.of(entry.name, entry.size)
    blocks = line_blocks(entry.chunks(), budget)
    is_csv = is_csv_name(entry.name)
    try:
        first = next(blocks, b"")
        if first.startswith(LFS_MAGIC):
            raise UsageError(f"{entry.name} is {LFS_SENTENCE}")
        if is_csv and not location.is_file and not looks_like_steps(first):
            return
        if first:
            blocks = chain([first], blocks)
        if not is_csv:
            printed = PrintedFactsCollector(name=entry.name)
            facts.printed.append(printed)
            blocks = _collecting(blocks, printed)
        yield from parse_blocks(blocks, account)
    except (UsageError, OSError, TruncatedFileError) as error:
        sentence = _sentence(error, entry.name)
        if location.is_file and not account.rows:
            raise UsageError(sentence) from None
        verdict = "read only in part" if account.rows else "left out"
        location.notes.append(f"{verdict}: {sentence}")


def _collecting(blocks: Iterator[bytes], printed: PrintedFactsCollector) -> Iterator[bytes]:
    for block in blocks:
        printed.take(block)
        yield block


def _take_facts(entry: FileEntry, location: LogLocation, facts: JobFactsCollector) -> None:
    try:
        content = entry.read(MAX_FACT_FILE_BYTES)
    except (UsageError, OSError, TruncatedFileError) as error:
        location.notes.append(f"left out: {_sentence(error, entry.name)}")
        return
    if len(content) < MAX_FACT_FILE_BYTES:
        facts.take(entry.name, content)
    else:
        location.notes.append(
            f"left out: {entry.name} is larger than {MAX_FACT_FILE_BYTES >> 20} MiB"
        )


def _sentence(error: Exception, name: str) -> str:
    if isinstance(error, UsageError):
        return str(error)
    if isinstance(error, OSError):
        return f"cannot read {name}: {error.strerror or error}"
    return f"{name}: {error}"
