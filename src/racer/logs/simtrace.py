"""Read one simtrace file, or the `SIM_TRACE_LOG` lines of a log of the simulator, into a trace."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.errors import UsageError, printable
from racer.logs.blocks import ParsedBlock, parse_block, stack_frames
from racer.logs.log import Source
from racer.logs.schema import (
    MAX_EARLY_LINES,
    MIN_COLUMNS,
    STATUSES,
    TRACE_COLUMNS,
    TRACE_MARKER,
    ColumnNames,
    Spelling,
    early_lines,
    has_unix_time,
    is_header_line,
    is_number,
    normalize_trace,
    parse_row,
    standard_columns,
)
from racer.logs.sources import local_file_entry
from racer.logs.unpacking import TruncatedFileError, UnpackBudget, line_blocks

_MAX_EXCERPT_CHARS = 60
_SAMPLED_STEPS = 15  # that show how many columns there are
_MAX_SHOWN_STATUSES = 5
_MAX_SHOWN_NAMES = 4
_MIN_STAMPED_STEPS = 15  # a second and more, from which it shows that stamps are coarse

_MAX_STEER_RAD = np.radians(34.5)
_MAX_YAW_RAD = np.pi + 1e-3

_ALIASES = {
    "x": "X",
    "y": "Y",
    "steering_angle": "steer",
    "steering": "steer",
    "speed": "throttle",
    "on_track": "all_wheels_on_track",
    "timestamp": "tstamp",
    "track_length": "track_len",
    "closest_waypoints": "closest_waypoint",
    "step": "steps",
    "heading": "yaw",
}
"""Names that the community's tools give to the columns."""
_COLUMN_OF_NAME = {name.lower(): name for name in TRACE_COLUMNS} | _ALIASES

# The rest of the JSON that a line was wrapped in.
_JSON_WRAPPER = re.compile(rb'(?:(?<!\])"(?!\[)|\\)[^\n]*')
_EMPTY_FIELDS = (b"", b'""', b"nan", b"NaN", b"NULL", b"None", b"N/A")
_TERMINAL_ESCAPE = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_TAR_MAGIC = b"ustar"
_ZIP_MAGIC = b"PK\x03\x04"


@dataclass
class FileAccount:
    """The account of a file that is being read block by block.

    `names` are the file's columns, None before its first block; `has_foreign_header` says that its
    header has names of its own; `in_radians` is None before its
    first step. `line` counts the lines before the block that is read next; the other counts are
    those of `Source`, as is `stamp_unit_s`. `unknown_statuses` counts the rows of statuses that no simulator writes.
    """

    name: str
    phase: str = "unknown"
    names: ColumnNames | None = None
    is_text: bool = False
    has_foreign_header: bool = False
    in_radians: bool | None = None
    stamp_unit_s: float = 0.0
    line: int = 0
    rows: int = 0
    bad: int = 0
    headers: int = 0
    blank: int = 0
    other: int = 0
    columns: int = 0
    first_bad: str = ""
    notes: list[str] = field(default_factory=list)
    unknown_statuses: Counter[str] = field(default_factory=Counter)

    @property
    def source(self) -> Source:
        """The account of all lines, once the file has been read to its end."""
        notes = list(self.notes)
        if self.unknown_statuses:
            words = ", ".join(map(repr, list(self.unknown_statuses)[:_MAX_SHOWN_STATUSES]))
            notes.append(f"unknown episode_status {words} in {self.unknown_statuses.total()} rows")
        return Source(
            self.name,
            self.phase,
            self.columns,
            self.rows,
            self.bad,
            self.headers,
            self.blank,
            self.other,
            self.first_bad,
            tuple(notes),
            stamp_unit_s=self.stamp_unit_s,
        )


def read_simtrace(path: Path, phase: str = "unknown") -> tuple[pd.DataFrame, Source]:
    """The trace of one file and the account of its lines; an empty frame when no line holds a step.

    Plain or gzip; csv with or without header, or any text with `SIM_TRACE_LOG:` in its lines; 15 to
    19 columns; discrete and continuous actions in every spelling. Yaw and steer in radians (2019)
    become degrees; the notes say so. Raises UsageError for an archive and for a csv file whose
    header lacks columns.
    """
    account = FileAccount(str(path), phase)
    entry = local_file_entry(path)
    blocks = line_blocks(entry.chunks(), UnpackBudget.of(str(path), entry.size))
    try:
        frames = list(parse_blocks(blocks, account))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    trace = stack_frames(frames) if frames else pd.DataFrame(columns=TRACE_COLUMNS)
    return trace, account.source


def parse_blocks(blocks: Iterable[bytes], account: FileAccount) -> Iterator[pd.DataFrame]:
    """The steps of each block of a file, with every declared column and in degrees.

    Nothing comes of a block without steps. `account` is kept as the blocks go by. Raises UsageError
    as `read_simtrace` does, OSError where the file cannot be read.
    """
    spelling = Spelling()
    try:
        for block in blocks:
            if account.names is None:
                spelling = Spelling.of(block)
            block = spelling.plain(block)
            if account.names is None:
                account.names, account.is_text = _detect_columns(block, account)
                block = _with_known_header(block, account)
            frame = _take_block(block, account)
            if len(frame):
                account.rows += len(frame)
                yield _finished(frame, account)
    except TruncatedFileError as error:
        account.notes.append(f"{error}: read as far as it goes")


def looks_like_steps(first: bytes) -> bool:
    """Whether the first block of a file looks like a simtrace or holds a `SIM_TRACE_LOG` line."""
    if TRACE_MARKER in first:
        return True
    lines = early_lines(Spelling.of(first).plain(first))
    return any(is_header_line(line) or parse_row(line, ()) for line in lines)


def _detect_columns(block: bytes, account: FileAccount) -> tuple[ColumnNames, bool]:
    """The columns of a file and whether it is a text log, from its first block."""
    if block[257:262] == _TAR_MAGIC or block.startswith(_ZIP_MAGIC):
        raise UsageError(
            f"{account.name} is an archive within a file: unpack it and give the folder"
        )
    lines = [line for line in early_lines(block) if line.strip()]
    if lines and is_header_line(lines[0]):
        names = _header_columns(lines[0], account)
        return _without_empty_columns(names, lines[1:2], account), False
    names = _usual_columns([line for line in lines if TRACE_MARKER not in line])
    if names:
        if _is_foreign_header(lines[0]):
            account.has_foreign_header = True
            account.notes.append(_place_note(lines[0], names))
        return names, False
    marked = block.split(TRACE_MARKER, MAX_EARLY_LINES)[1:]
    names = _usual_columns([part.partition(b"\n")[0] for part in marked])
    is_text = TRACE_MARKER in block or not any(is_header_line(line) for line in lines)
    return names, is_text


def _usual_columns(lines: list[bytes]) -> ColumnNames:
    """The columns that most of the first steps have, empty where no line is a step: the first of
    them may be cut.
    """
    counts: Counter[ColumnNames] = Counter()
    for line in lines:
        if line.count(b",") < MIN_COLUMNS - 1:
            continue
        row = parse_row(line, ())
        if row is None:
            continue
        counts[row.names] += 1
        has_majority = 2 * counts[row.names] > _SAMPLED_STEPS
        if has_majority or counts.total() == _SAMPLED_STEPS:
            break
    if not counts:
        return ()
    return counts.most_common(1)[0][0]


def _is_foreign_header(line: bytes) -> bool:
    """Whether a first line is a header by names that nobody here knows: it holds no number."""
    words = _header_words(line)
    is_wide = len(words) >= MIN_COLUMNS - 1
    return is_wide and any(words) and not any(is_number(word) for word in words)


def _place_note(line: bytes, names: ColumnNames) -> str:
    words = [word or "(no name)" for word in _header_words(line)]
    renamed = [
        f"{word} is {name}"
        for word, name in zip(words, names, strict=False)
        if _column_of_word(word) != name
    ]
    shown = ", ".join(renamed[:_MAX_SHOWN_NAMES])
    more = ", ..." if len(renamed) > _MAX_SHOWN_NAMES else ""
    return f"columns taken by their place: {shown}{more}"


def _with_known_header(block: bytes, account: FileAccount) -> bytes:
    """A first block whose header is one that the parser of blocks knows as such."""
    if not account.has_foreign_header:
        return block
    lead = len(block) - len(block.lstrip())
    header = ",".join(TRACE_COLUMNS[:MIN_COLUMNS]).encode()
    return block[:lead] + header + block[block.index(b"\n", lead) :]


def _header_words(line: bytes) -> list[str]:
    return [word.strip().strip('"') for word in line.decode("utf-8", "replace").split(",")]


def _header_columns(line: bytes, account: FileAccount) -> ColumnNames:
    """The columns that a header names; of names for one column the simulator's own counts.

    Raises UsageError where some lack or stand twice.
    """
    words = _header_words(line)
    names = _without_aliases(words)
    missing = [name for name in TRACE_COLUMNS[:MIN_COLUMNS] if name not in names]
    doubled = sorted({name for name in names if name and names.count(name) > 1})
    if missing and _is_foreign_header(line) and _may_go_by_place(words):
        account.has_foreign_header = True
        names = standard_columns(len(words))
        account.notes.append(_place_note(line, names))
        return names
    if missing or doubled:
        fault = f"lacks {', '.join(missing)}"
        if not missing:
            fault = f"names {', '.join(doubled)} twice"
        raise UsageError(
            f"{account.name}: the header {fault}; "
            f"a trace has the columns {', '.join(TRACE_COLUMNS[:MIN_COLUMNS])}"
        )
    if names != standard_columns(len(names)):
        account.notes.append("columns taken by their names" + _unused_columns(words, names))
    return names


def _without_empty_columns(
    names: ColumnNames, first_rows: list[bytes], account: FileAccount
) -> ColumnNames:
    """The columns but for those that old logs lack, too, where the first row has nothing there."""
    fields = [field.strip() for row in first_rows for field in row.split(b",")]
    if len(fields) != len(names):
        return names
    optional = TRACE_COLUMNS[MIN_COLUMNS:]
    pairs = zip(names, fields, strict=True)
    empty = [name for name, field in pairs if name in optional and field in _EMPTY_FIELDS]
    if empty:
        account.notes.append(f"not used, since nothing stands there: {', '.join(empty)}")
    return tuple("" if name in empty else name for name in names)


def _without_aliases(words: list[str]) -> ColumnNames:
    """The column of each word of a header, none where a better name for it stands there, too."""
    columns = [_column_of_word(word) for word in words]
    best: dict[str, str] = {}
    for word, column in zip(words, columns, strict=True):
        if column not in best or _likeness(word, column) > _likeness(best[column], column):
            best[column] = word
    names = []
    for word, column in zip(words, columns, strict=True):
        names.append(column if best[column] == word else "")
    return tuple(names)


def _likeness(word: str, column: str) -> int:
    """How near a word is to the column's own name: 2 equal, 1 but for capitals, 0 an alias."""
    return (word == column) + (word.lower() == column.lower())


def _may_go_by_place(words: list[str]) -> bool:
    """Whether a header's columns may be taken by their place: there are as many as the simulator
    writes, those with known names are where it writes them, and most names are not its own, so that
    none was taken out.
    """
    standard = standard_columns(len(words))
    if not standard:
        return False
    own = sum(word in TRACE_COLUMNS for word in words)
    pairs = zip(words, standard, strict=True)
    return 2 * own <= len(words) and all(
        _column_of_word(word) in ("", name) for word, name in pairs
    )


def _column_of_word(word: str) -> str:
    if word in TRACE_COLUMNS:
        return word
    return _COLUMN_OF_NAME.get(word.lower(), "")


def _unused_columns(words: list[str], names: ColumnNames) -> str:
    pairs = zip(words, names, strict=True)
    unused = [word or "(no name)" for word, name in pairs if not name]
    return f"; not used: {', '.join(unused)}" if unused else ""


def _take_block(block: bytes, account: FileAccount) -> pd.DataFrame:
    """The steps that a block holds, as they stand there; the account is kept."""
    is_whole = block.endswith(b"\n")
    if not is_whole:
        block += b"\n"
    if b"\x1b" in block:
        block = _TERMINAL_ESCAPE.sub(b"", block)
    lines = block.count(b"\n")
    steps = block
    line_of_step = None
    if account.is_text:
        steps, line_of_step = _marked_steps(block, lines)
        is_first_in_line = np.diff(line_of_step, prepend=-1) > 0
        account.other += lines - int(is_first_in_line.sum())
    frame = pd.DataFrame()
    if steps:
        parsed = parse_block(steps, account.names or ())
        if not is_whole:
            parsed = _without_cut_end(parsed, steps)
        _count_lines(parsed, steps, line_of_step, account)
        frame = parsed.frame
    account.line += lines
    return frame


def _marked_steps(block: bytes, lines: int) -> tuple[bytes, NDArray[np.int64]]:
    """The steps of a text log of so many `lines`, as lines of their own, and the line of each."""
    parts = block.split(TRACE_MARKER)
    begins_with_marker = not parts[0]
    marked_lines = block.count(b"\n" + TRACE_MARKER) + begins_with_marker
    if len(parts) - 1 == lines == marked_lines:  # it holds nothing else
        return _without_json_wrapper(b"".join(parts)), np.arange(lines)
    steps = b"".join(part.partition(b"\n")[0] + b"\n" for part in parts[1:])
    line_ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    lengths = np.fromiter(map(len, parts), np.int64, len(parts)) + len(TRACE_MARKER)
    starts = np.cumsum(lengths)[:-1]
    return _without_json_wrapper(steps), np.searchsorted(line_ends, starts)


def _without_json_wrapper(steps: bytes) -> bytes:
    """Steps without the rest of the JSON that they were wrapped in."""
    if b'"' in steps or b"\\" in steps:
        return _JSON_WRAPPER.sub(b"", steps)
    return steps


def _without_cut_end(parsed: ParsedBlock, steps: bytes) -> ParsedBlock:
    """The block without its last row where the file ends inside of it: in a status that no simulator
    writes.
    """
    last = steps.count(b"\n") - 1
    if "episode_status" not in parsed.frame or parsed.line[-1] != last:
        return parsed
    if str(parsed.frame["episode_status"].iloc[-1]) in (*STATUSES, "nan"):
        return parsed
    return replace(
        parsed,
        frame=parsed.frame.iloc[:-1],
        line=parsed.line[:-1],
        bad=np.append(parsed.bad, last),
    )


def _count_lines(
    parsed: ParsedBlock,
    steps: bytes,
    line_of_step: NDArray[np.int64] | None,
    account: FileAccount,
) -> None:
    if len(parsed.frame):
        columns = sum(name in TRACE_COLUMNS for name in parsed.frame.columns)
        account.columns = max(account.columns, columns)
    if len(parsed.bad) and not account.first_bad:
        index = int(parsed.bad[0])
        text = steps.split(b"\n", index + 1)[index]
        line = index if line_of_step is None else int(line_of_step[index])
        account.first_bad = f"line {account.line + 1 + line}: {_excerpt(text)}"
    account.bad += len(parsed.bad)
    account.headers += parsed.headers
    account.blank += parsed.blank


def _excerpt(line: bytes) -> str:
    """The beginning of a line as printable text."""
    text = printable(line[: _MAX_EXCERPT_CHARS + 1].decode("ascii", "backslashreplace"))
    if len(text) > _MAX_EXCERPT_CHARS:
        return text[:_MAX_EXCERPT_CHARS] + "…"
    return text


def _finished(frame: pd.DataFrame, account: FileAccount) -> pd.DataFrame:
    """The frame with every declared column, in degrees; the account says what was done."""
    frame = normalize_trace(frame)
    if account.in_radians is None:
        account.in_radians = account.columns == MIN_COLUMNS and _is_in_radians(frame)
        account.notes += _conversion_notes(frame, account)
    if account.in_radians:
        frame = frame.assign(
            yaw=np.degrees(1.0) * frame["yaw"], steer=np.degrees(1.0) * frame["steer"]
        )
    categories = frame["episode_status"].cat.categories
    unknown = [word for word in categories if word not in STATUSES]
    if unknown:
        counts = frame["episode_status"].value_counts()
        account.unknown_statuses.update({str(word): int(counts[word]) for word in unknown})
    return frame


def _conversion_notes(frame: pd.DataFrame, account: FileAccount) -> list[str]:
    notes = []
    if account.columns == MIN_COLUMNS:
        notes.append("15 columns: no episode_status, so it was inferred from done and progress")
    if account.in_radians:
        notes.append("yaw and steer were in radians (2019) and are now in degrees")
    unit, account.stamp_unit_s = _stamp_unit(frame)
    if unit:
        notes.append(f"times are whole {unit}: lap times are that coarse")
    if has_unix_time(frame):
        notes.append(
            "tstamp is Unix time: the simulation may have run slower or faster than this clock"
        )
    return notes


def _stamp_unit(frame: pd.DataFrame) -> tuple[str, float]:
    """What stamps are whole numbers of, in words and s, where that is more than a step takes."""
    stamps = frame["tstamp"].to_numpy()
    if len(stamps) >= _MIN_STAMPED_STEPS:
        for unit, per_second in (("seconds", 1.0), ("tenths of a second", 10.0)):
            counts = stamps * per_second
            if np.allclose(counts, np.round(counts), rtol=0.0, atol=1e-4):
                return unit, 1.0 / per_second
    return "", 0.0


def _is_in_radians(frame: pd.DataFrame) -> bool:
    max_yaw = float(frame["yaw"].abs().max())
    max_steer = float(frame["steer"].abs().max())
    return max_yaw <= _MAX_YAW_RAD and max_steer <= _MAX_STEER_RAD
