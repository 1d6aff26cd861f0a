"""The files of a place one after the other: those with steps piece by piece, the others as facts of the job."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import PurePosixPath

import pandas as pd

from racer.errors import UsageError
from racer.logs import facts, places, simtrace, text
from racer.logs.facts import Facts
from racer.logs.gunzip import Budget, CutShort
from racer.logs.journal import Journal
from racer.logs.packed import Item
from racer.logs.places import Place
from racer.logs.simtrace import Account
from racer.logs.trace import Source

_STEPS = re.compile(r"\.(csv|log|txt)(\.\d{1,4})?(\.gz)?$", re.IGNORECASE)
_ITERATION = re.compile(r"(\d{1,9})-iteration\.csv")
_WORKER = re.compile(r"(?:^|/)(\d{1,4})/training-simtrace/|worker[-_.]?(\d{1,4})|robomaker[-_.](\d{1,4})(?!\d)")

Reading = tuple[Account, Iterator[pd.DataFrame]]


def readings(place: Place, found: Facts, wanted: Callable[[str], bool]) -> Iterator[Reading]:
    """Each wanted file that may hold steps: its account, and its steps piece by piece, to be read before the next.

    What the other files and the lines of text logs say is added to `found`, what could not be read to `place.notes`.
    """
    for item in places.visit(place, wanted):
        whole = "/".join([*place.parts, item.name])
        if whole not in found.names:
            found.names.append(whole)
        if facts.is_fact(item.name) and not place.is_file:
            _take_fact(item, place, found)
        else:
            account = Account(item.name, phase_of(PurePosixPath(whole)))
            yield account, _pieces(item, account, place, found)


def is_steps(name: str) -> bool:
    """Whether a file of this name may hold steps."""
    return bool(_STEPS.search(name))


def is_table(name: str) -> bool:
    """Whether a file of this name may be a simtrace csv."""
    found = _STEPS.search(name)
    return bool(found and found[1].lower() == "csv")


def phase_of(path: PurePosixPath) -> str:
    """`training`, `evaluation` or `unknown`, from the names in a path; the last one that says it counts."""
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


def worker_of(place: Place, name: str) -> int:
    """The number of the worker that a file's path says it is from; -1 where it says none."""
    found = _WORKER.search("/".join([*place.parts, name]))
    return int(next(filter(None, found.groups()))) if found else -1


def is_broken(source: Source) -> bool:
    """Whether a file holds no step although some of its lines should."""
    return not source.rows and not source.repeated and source.bad > 0


def nothing(place: Place, tried: int, notes: Iterable[str]) -> UsageError:
    """What is said of a place without a step."""
    looked = "no line of it is a step" if place.is_file else f"{tried} csv, log or txt files were looked at"
    why = next(iter([*place.notes, *notes]), "")
    return UsageError(
        f"{place.root} holds no trace: {looked}; give a simtrace csv or a log with SIM_TRACE_LOG lines"
        + (f" ({why})" if why else "")
    )


def _pieces(item: Item, account: Account, place: Place, found: Facts) -> Iterator[pd.DataFrame]:
    """The steps of a file, block by block. What is wrong with one of several files becomes a note."""
    blocks = text.blocks(item.chunks(), item.budget or Budget.of(item.name, item.size))
    try:
        first = next(blocks, b"")
        if is_table(item.name) and not place.is_file and not simtrace.looks_like_steps(first):
            return
        blocks = chain([first] if first else [], blocks)
        if not is_table(item.name):
            found.journals.append((item.name, journal := Journal()))
            blocks = _watched(blocks, journal)
        yield from simtrace.frames(blocks, account)
    except (UsageError, OSError, CutShort) as error:
        sentence = _sentence(error, item.name)
        if place.is_file and not account.rows:
            raise UsageError(sentence) from None
        place.notes.append(f"{'read only in part' if account.rows else 'left out'}: {sentence}")


def _watched(blocks: Iterator[bytes], journal: Journal) -> Iterator[bytes]:
    for block in blocks:
        journal.take(block)
        yield block


def _take_fact(item: Item, place: Place, found: Facts) -> None:
    try:
        data = item.read(facts.LARGEST)
    except (UsageError, OSError, CutShort) as error:
        place.notes.append(f"left out: {_sentence(error, item.name)}")
        return
    if len(data) < facts.LARGEST:
        found.take(item.name, data)
    else:
        place.notes.append(f"left out: {item.name} is larger than {facts.LARGEST >> 20} MiB")


def _sentence(error: Exception, name: str) -> str:
    if isinstance(error, OSError):
        return f"cannot read {name}: {error.strerror or error}"
    return str(error) if isinstance(error, UsageError) else f"{name}: {error}"
