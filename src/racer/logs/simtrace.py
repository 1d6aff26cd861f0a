"""Read one simtrace file, or the `SIM_TRACE_LOG` lines of a log of the simulator, into a trace."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from racer.errors import UsageError
from racer.logs import rows
from racer.logs import schema as trace
from racer.logs import sources as text
from racer.logs.blocks import ParsedBlock, parse_block, stack_frames
from racer.logs.gunzip import TruncatedFileError, UnpackBudget
from racer.logs.log import Source
from racer.logs.rows import TRACE_MARKER, ColumnNames
from racer.logs.schema import MIN_COLUMNS, TRACE_COLUMNS
from racer.logs.sources import local_file_entry

DEGREES_PER_RADIAN = np.degrees(1.0)
_EXCERPT = 60  # characters of a bad line that a message shows
_EARLY = 100  # lines by which a file shows what it is
_ENOUGH = 15  # steps that show how many columns there are
_ALIASES = {  # names that the community's tools give to the columns
    "x": "X", "y": "Y", "steering_angle": "steer", "steering": "steer", "speed": "throttle",
    "on_track": "all_wheels_on_track", "timestamp": "tstamp",
    "track_length": "track_len", "closest_waypoints": "closest_waypoint", "heading": "yaw",
}  # fmt: skip
_KNOWN = {name.lower(): name for name in TRACE_COLUMNS} | _ALIASES
# the rest of the JSON that a line was wrapped in
_WRAPPER = re.compile(rb'(?:(?<!\])"(?!\[)|\\)[^\n]*')
_ESCAPE = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")


@dataclass
class FileAccount:
    """What has been found so far in a file that is being read in blocks."""

    name: str
    phase: str = "unknown"
    names: ColumnNames | None = None  # the file's columns; None before its first block
    is_text: bool = False
    in_radians: bool | None = None  # None before its first row
    line: int = 0  # lines before the block
    rows: int = 0
    bad: int = 0
    headers: int = 0
    blank: int = 0
    other: int = 0
    columns: int = 0
    first_bad: str = ""
    notes: list[str] = field(default_factory=list)
    # statuses that no simulator writes, with their rows
    strange: Counter[str] = field(default_factory=Counter)

    @property
    def source(self) -> Source:
        """The account of all lines, once the file has been read to its end."""
        words = ", ".join(map(repr, list(self.strange)[:5]))
        more = (
            [f"unknown episode_status {words} in {self.strange.total()} rows"]
            if self.strange
            else []
        )
        return Source(
            self.name, self.phase, self.columns, self.rows, self.bad, self.headers, self.blank, self.other,
            self.first_bad, (*self.notes, *more),
        )  # fmt: skip


def read_simtrace(path: Path, phase: str = "unknown") -> tuple[pd.DataFrame, Source]:
    """The trace of one file and the account of its lines; an empty frame when no line holds a step.

    Plain or gzip; csv with or without header, or any text with `SIM_TRACE_LOG:` in its lines; 15 to
    19 columns; discrete and continuous actions in every spelling. Yaw and steer in radians (2019)
    become degrees; the notes say so. Raises UsageError for an archive and for a csv file whose
    header lacks columns.
    """
    account = FileAccount(str(path), phase)
    item = local_file_entry(path)
    try:
        found = list(
            parse_blocks(
                text.line_blocks(item.chunks(), UnpackBudget.of(str(path), item.size)), account
            )
        )
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    return (stack_frames(found) if found else pd.DataFrame(columns=TRACE_COLUMNS)), account.source


def parse_blocks(blocks: Iterable[bytes], account: FileAccount) -> Iterator[pd.DataFrame]:
    """The steps of each block of a file, with every declared column and in degrees; none for a
    block without steps.

    `account` is kept as the blocks go by. Raises UsageError as `read` does, OSError where the file
    cannot be read.
    """
    try:
        for block in blocks:
            if account.names is None:
                account.names, account.is_text = _layout(block, account)
            frame = _take(block, account)
            if len(frame):
                account.rows += len(frame)
                yield _finished(frame, account)
    except TruncatedFileError as error:
        account.notes.append(f"{error}: read as far as it goes")


def looks_like_steps(first: bytes) -> bool:
    """Whether the first block of a file looks like a simtrace or holds a `SIM_TRACE_LOG` line."""
    lines = first.split(b"\n", _EARLY)[:_EARLY]
    return TRACE_MARKER in first or any(
        rows.is_header_line(line) or rows.parse_row(line, ()) for line in lines
    )


def _layout(block: bytes, account: FileAccount) -> tuple[ColumnNames, bool]:
    """The columns of a file and whether it is a text log, from its first block."""
    if block[257:262] == b"ustar" or block.startswith(b"PK\x03\x04"):
        raise UsageError(
            f"{account.name} is an archive within a file: unpack it and give the folder"
        )
    lines = [line for line in block.split(b"\n", _EARLY)[:_EARLY] if line.strip()]
    if lines and rows.is_header_line(lines[0]):
        return _header(lines[0], account), False
    plain = _usual([line for line in lines if TRACE_MARKER not in line])
    if plain:
        return plain, False
    early = [part.partition(b"\n")[0] for part in block.split(TRACE_MARKER, _EARLY)[1:]]
    return _usual(early), TRACE_MARKER in block or not any(map(rows.is_header_line, lines))


def _usual(lines: list[bytes]) -> ColumnNames:
    """The columns that most of the first lines have, empty when none holds a step: the first of
    them may be cut.
    """
    steps = filter(
        None, (rows.parse_row(line, ()) for line in lines if line.count(b",") >= MIN_COLUMNS - 1)
    )
    found: Counter[ColumnNames] = Counter()
    for names, _ in islice(steps, _ENOUGH):
        found[names] += 1
        if 2 * found[names] > _ENOUGH:  # the others can be no more
            return names
    return found.most_common(1)[0][0] if found else ()


def _header(line: bytes, account: FileAccount) -> ColumnNames:
    words = [word.strip().strip('"') for word in line.decode("utf-8", "replace").split(",")]
    names = tuple(word if word in TRACE_COLUMNS else _KNOWN.get(word.lower(), "") for word in words)
    missing = [name for name in TRACE_COLUMNS[:MIN_COLUMNS] if name not in names]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if missing or twice:
        fault = f"lacks {', '.join(missing)}" if missing else f"names {', '.join(twice)} twice"
        raise UsageError(
            f"{account.name}: the header {fault}; a trace has the columns {', '.join(TRACE_COLUMNS[:MIN_COLUMNS])}"
        )
    if names != rows.standard_columns(len(names)):
        unknown = [word or "(no name)" for word, name in zip(words, names, strict=True) if not name]
        account.notes.append(
            "columns taken by their names"
            + (f"; not used: {', '.join(unknown)}" if unknown else "")
        )
    return names


def _take(block: bytes, account: FileAccount) -> pd.DataFrame:
    """The steps that a block holds, as they stand there; the account is kept."""
    whole = block.endswith(b"\n")
    block = block if whole else block + b"\n"
    block = _ESCAPE.sub(b"", block) if b"\x1b" in block else block
    lines, place, lines_in_all = block, None, block.count(b"\n")
    if account.is_text:
        lines, place = _steps_of(block, lines_in_all)
    found = parse_block(lines, account.names or ()) if lines else None
    if found is not None:
        found = found if whole else _without_cut_end(found, lines)
        _count(found, lines, place, account)
    if place is not None:
        account.other += lines_in_all - int(np.count_nonzero(np.diff(place, prepend=-1)))
    account.line += lines_in_all
    return found.frame if found is not None else pd.DataFrame()


def _steps_of(block: bytes, count: int) -> tuple[bytes, np.ndarray]:
    """The steps of a text log of `count` lines as lines of their own, and the line in the block
    where each was.
    """
    parts = block.split(TRACE_MARKER)
    # it holds nothing else
    if len(parts) - 1 == count == block.count(b"\n" + TRACE_MARKER) + (not parts[0]):
        return _unwrapped(b"".join(parts)), np.arange(len(parts) - 1)
    steps = [part.partition(b"\n")[0] for part in parts[1:]]
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    starts = np.cumsum(np.fromiter(map(len, parts), np.int64, len(parts)) + len(TRACE_MARKER))[:-1]
    return _unwrapped(b"".join(step + b"\n" for step in steps)), np.searchsorted(ends, starts)


def _unwrapped(steps: bytes) -> bytes:
    """Steps without the rest of the JSON that they were wrapped in."""
    return _WRAPPER.sub(b"", steps) if b'"' in steps or b"\\" in steps else steps


def _without_cut_end(found: ParsedBlock, lines: bytes) -> ParsedBlock:
    """The block without its last row when the file ends inside of it: a status that no simulator
    writes.
    """
    last = lines.count(b"\n") - 1
    if not len(found.line) or found.line[-1] != last or "episode_status" not in found.frame:
        return found
    if str(found.frame["episode_status"].iloc[-1]) in (*trace.STATUSES, "nan"):
        return found
    return replace(
        found, frame=found.frame.iloc[:-1], line=found.line[:-1], bad=np.append(found.bad, last)
    )


def _count(
    found: ParsedBlock, lines: bytes, place: np.ndarray | None, account: FileAccount
) -> None:
    if len(found.frame):
        account.columns = max(
            account.columns, sum(name in TRACE_COLUMNS for name in found.frame.columns)
        )
    if len(found.bad) and not account.first_bad:
        index = int(found.bad[0])
        excerpt = lines.split(b"\n", index + 1)[index][: _EXCERPT + 1].decode(
            "ascii", "backslashreplace"
        )
        number = account.line + 1 + int(index if place is None else place[index])
        account.first_bad = (
            f"line {number}: {excerpt[:_EXCERPT]}{'…' if len(excerpt) > _EXCERPT else ''}"
        )
    account.bad += len(found.bad)
    account.headers += found.headers
    account.blank += found.blank


def _finished(frame: pd.DataFrame, account: FileAccount) -> pd.DataFrame:
    """The frame with every declared column, in degrees; what was done is noted."""
    frame = trace.normalize_trace(frame)
    if account.in_radians is None:
        account.in_radians = account.columns == MIN_COLUMNS and _in_radians(frame)
        account.notes += _first_notes(frame, account)
    if account.in_radians:
        frame = frame.assign(
            yaw=frame["yaw"] * DEGREES_PER_RADIAN, steer=frame["steer"] * DEGREES_PER_RADIAN
        )
    strange = [
        word for word in frame["episode_status"].cat.categories if word not in trace.STATUSES
    ]
    if strange:
        counts = frame["episode_status"].value_counts()
        account.strange.update({str(word): int(counts[word]) for word in strange})
    return frame


def _first_notes(frame: pd.DataFrame, account: FileAccount) -> list[str]:
    notes = []
    if account.columns == MIN_COLUMNS:
        notes.append("15 columns: no episode_status, so it was inferred from done and progress")
    if account.in_radians:
        notes.append("yaw and steer were in radians (2019) and are now in degrees")
    if trace.has_unix_time(frame):
        notes.append(
            "tstamp is Unix time: the simulation may have run slower or faster than this clock"
        )
    return notes


def _in_radians(frame: pd.DataFrame) -> bool:
    return bool(
        frame["yaw"].abs().max() <= np.pi + 1e-3 and frame["steer"].abs().max() <= np.radians(34.5)
    )
