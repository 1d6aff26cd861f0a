"""Blocks of lines into columns: the regular lines together by pandas, the others one by one.

A line that should hold a step and does not is counted, never guessed at. The number of columns may
change inside a file (logs of two versions, one after the other), but only where two lines in a row
agree on it: a single odd line is damage.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import union_categoricals

from racer.logs.schema import (
    BOOLEAN_COLUMNS,
    COLUMN_DTYPES,
    INTEGER_COLUMNS,
    MAX_VALUE,
    MIN_COLUMNS,
    MIN_VALUES,
    STATUS_DTYPE,
    STATUSES,
    TRACE_COLUMNS,
    TRACE_MARKER,
    ColumnNames,
    is_header_line,
    parse_row,
    replace_action_pairs,
    standard_columns,
)

_MIN_TOGETHER = 256
"""Lines down to which pandas is asked again for a half of those that it refused together."""

_PANDAS_VERSION = tuple(map(int, pd.__version__.split(".")[:2]))
# Numbers must come back to the last bit. pandas 3.1 always does that, and deprecates asking for it.
_EXACT_FLOATS: dict[str, Any] = {}
if _PANDAS_VERSION < (3, 1):
    _EXACT_FLOATS = {"float_precision": "round_trip"}

_READ_DTYPES: dict[str, Any] = {name: np.dtype(np.float64) for name in TRACE_COLUMNS}
_READ_DTYPES |= {name: np.dtype(np.bool_) for name in BOOLEAN_COLUMNS}
_READ_DTYPES["episode_status"] = "category"

_STATUS_INDEX = {status: index for index, status in enumerate(STATUSES)}

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ParsedBlock:
    """What a block of lines holds: the steps, where they stood, and what the other lines are."""

    frame: pd.DataFrame
    line: IntArray  # (rows,) index of each row's line in the block
    bad: IntArray  # indices of the lines that should hold a step and do not
    headers: int
    blank: int


class FramePiece(NamedTuple):
    """Some steps of a block and the index of each one's line, (rows,)."""

    frame: pd.DataFrame
    line: IntArray


class _Steps(NamedTuple):
    """What came of lines that should hold steps: the steps, and the indices of the bad lines."""

    pieces: list[FramePiece]
    bad: list[IntArray]

    def extend(self, other: _Steps) -> None:
        self.pieces.extend(other.pieces)
        self.bad.extend(other.bad)


def parse_block(block: bytes, names: ColumnNames) -> ParsedBlock:
    """The steps in a block of whole lines; `names` are the columns of its file."""
    lines = _Lines.split(replace_action_pairs(block))
    has_row_length = (lines.fields == len(names)) | (_is_other_version(lines, names))
    looks_like_row = lines.begins_with_number & has_row_length & ~lines.is_empty
    steps = _parse_regular(lines, looks_like_row, names)
    others = _OtherLines.of(lines, ~looks_like_row & ~lines.is_empty)
    steps.extend(_parse_others(others, has_row_length, names))
    merged = merge_pieces(steps.pieces)
    return ParsedBlock(
        merged.frame,
        merged.line,
        bad=np.sort(np.concatenate(steps.bad)).astype(np.int64),
        headers=int(others.is_header.sum()),
        blank=int(lines.is_empty.sum() + others.is_blank.sum()),
    )


def merge_pieces(pieces: Sequence[FramePiece]) -> FramePiece:
    """The pieces of a block as one, in the order of its lines."""
    pieces = [piece for piece in pieces if len(piece.frame)]
    if not pieces:
        return FramePiece(pd.DataFrame(), np.empty(0, np.int64))
    line = np.concatenate([piece.line for piece in pieces])
    frame = stack_frames([piece.frame for piece in pieces])
    if len(pieces) == 1 or (np.diff(line) > 0).all():
        return FramePiece(frame, line)
    order = np.argsort(line, kind="stable")
    return FramePiece(frame.iloc[order].reset_index(drop=True), line[order])


def stack_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Frames below each other. Columns that one of them lacks are nan there; statuses stay a
    category where all have them.
    """
    if len(frames) == 1:
        return frames[0]
    have_status = ["episode_status" in frame for frame in frames]
    if not all(have_status):
        plain = []
        for frame, has_status in zip(frames, have_status, strict=True):
            if has_status:
                frame = frame.astype({"episode_status": object})
            plain.append(frame)
        return pd.concat(plain, ignore_index=True)
    statuses = union_categoricals([frame["episode_status"] for frame in frames])
    rest = [frame.drop(columns="episode_status") for frame in frames]
    stacked = pd.concat(rest, ignore_index=True)
    stacked.insert(min(MIN_COLUMNS, stacked.shape[1]), "episode_status", pd.Series(statuses))
    return stacked


@dataclass(frozen=True, eq=False)
class _Lines:
    """The lines of a block, (lines,) each: where they begin and end, and how many fields they have."""

    text: bytes
    starts: IntArray
    ends: IntArray
    fields: IntArray

    @classmethod
    def split(cls, text: bytes) -> _Lines:
        data = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(data == ord("\n"))
        starts = np.append(0, ends[:-1] + 1)
        is_comma = (data == ord(",")).view(np.uint8)
        fields = np.add.reduceat(is_comma, starts, dtype=np.int64) + 1
        return cls(text, starts, ends, fields)

    @property
    def is_empty(self) -> BoolArray:
        return np.asarray(self.starts == self.ends)

    @property
    def begins_with_number(self) -> BoolArray:
        """Whether the first character may be that of a number: a digit, a sign, a point, a space."""
        first = np.frombuffer(self.text, np.uint8)[self.starts]
        in_range = (first >= ord("+")) & (first <= ord("9")) & (first != ord(","))
        return np.asarray(in_range | (first == ord(" ")))

    def pick(self, index: IntArray) -> list[bytes]:
        """Lines one by one."""
        spans = zip(self.starts[index].tolist(), self.ends[index].tolist(), strict=True)
        return [self.text[start:end] for start, end in spans]

    def join(self, index: IntArray) -> bytes:
        """Lines as one text; without a copy of each where they stand behind each other."""
        first = int(index[0])
        last = int(index[-1])
        if last - first + 1 == len(index):
            return self.text[self.starts[first] : self.ends[last] + 1]
        return b"\n".join(self.pick(index))


@dataclass(frozen=True, eq=False)
class _OtherLines:
    """The lines of a block that do not look like rows, (others,) each: headers, blanks, rows behind
    other text, and damage.
    """

    index: IntArray
    texts: list[bytes]
    is_header: BoolArray
    is_blank: BoolArray

    @classmethod
    def of(cls, lines: _Lines, is_other: BoolArray) -> _OtherLines:
        index = np.flatnonzero(is_other)
        texts = lines.pick(index)
        is_header = np.array([is_header_line(text) for text in texts], bool)
        is_blank = np.array([not text.strip() for text in texts], bool)
        return cls(index, texts, is_header, is_blank)


def _is_other_version(lines: _Lines, names: ColumnNames) -> BoolArray:
    """(lines,) whether a line has the length of a row of another version, and a neighbor agrees.

    A header of its own leaves no room for another number of columns.
    """
    if names and names != standard_columns(len(names)):
        return np.zeros(len(lines.fields), bool)
    is_known_length = (lines.fields >= MIN_COLUMNS) & (lines.fields <= len(TRACE_COLUMNS) + 1)
    equals_next = np.diff(lines.fields) == 0
    has_equal_neighbor = np.append(equals_next, False) | np.insert(equals_next, 0, False)
    return np.asarray(is_known_length & has_equal_neighbor)


def _parse_regular(lines: _Lines, looks_like_row: BoolArray, names: ColumnNames) -> _Steps:
    """The steps of the lines that look like rows, those of equal length together."""
    steps = _Steps([], [])
    lengths = np.flatnonzero(np.bincount(lines.fields[looks_like_row]))
    for count in lengths.tolist():
        index = np.flatnonzero(looks_like_row & (lines.fields == count))
        columns = names if len(names) == count else standard_columns(count)
        if columns:
            steps.extend(_parse_together(lines, index, columns, names))
        else:
            steps.extend(_parse_one_by_one(lines.pick(index), index, names))
    return steps


def _parse_others(others: _OtherLines, has_row_length: BoolArray, names: ColumnNames) -> _Steps:
    """The steps of lines that do not look like rows: those behind a marker, and those that have the
    length of a row.
    """
    is_marked = np.array([TRACE_MARKER in text for text in others.texts], bool)
    is_unexplained = ~others.is_header & ~others.is_blank
    may_be_row = is_unexplained & (is_marked | has_row_length[others.index])
    candidates = []
    for number in np.flatnonzero(may_be_row).tolist():
        candidates.append(others.texts[number].rpartition(TRACE_MARKER)[2])
    steps = _parse_one_by_one(candidates, others.index[may_be_row], names)
    steps.bad.append(others.index[is_unexplained & ~may_be_row])
    return steps


def _parse_together(
    lines: _Lines, index: IntArray, columns: ColumnNames, names: ColumnNames
) -> _Steps:
    """The steps of lines that have `columns`, by pandas.

    Where one of the lines stops pandas they are halved, until it is nearly alone; those that pandas
    cannot be asked for, and those whose values do not fit, are read one by one.
    """
    values = _read_csv(lines.join(index), columns)
    if values is None or len(values["episode"]) != len(index):
        if len(index) <= _MIN_TOGETHER:
            return _parse_one_by_one(lines.pick(index), index, names)
        middle = len(index) // 2
        steps = _parse_together(lines, index[:middle], columns, names)
        steps.extend(_parse_together(lines, index[middle:], columns, names))
        return steps
    fits = _is_plausible(values)
    if fits.all():
        return _Steps([FramePiece(_to_frame(values), index)], [])
    steps = _parse_one_by_one(lines.pick(index[~fits]), index[~fits], names)
    fitting = {name: column[fits] for name, column in values.items()}
    steps.pieces.append(FramePiece(_to_frame(fitting), index[fits]))
    return steps


def _read_csv(text: bytes, columns: ColumnNames) -> dict[str, NDArray[Any]] | None:
    """The values of lines that all have `columns`, (L,) each, or None where one does not fit.

    Whole numbers are floats, since some logs write `3.0`; statuses are indices of STATUSES, -1 for
    one that the simulator does not write.
    """
    if b"\0" in text:
        return None
    used = [position for position, name in enumerate(columns) if name]
    try:
        frame: pd.DataFrame = pd.read_csv(
            io.BytesIO(text),
            header=None,
            usecols=used,
            dtype={position: _READ_DTYPES[columns[position]] for position in used},
            engine="c",
            quoting=3,
            na_filter=False,
            skipinitialspace=b" " in text,  # a third faster without
            skip_blank_lines=False,
            low_memory=False,
            true_values=["True", "TRUE"],
            false_values=["False", "FALSE"],
            encoding_errors="replace",
            **_EXACT_FLOATS,
        )
    except (ValueError, TypeError, OverflowError, pd.errors.ParserError):
        return None
    values = {}
    for position in used:
        name = columns[position]
        if name == "episode_status":
            values[name] = _status_index(frame[position])
        else:
            values[name] = frame[position].to_numpy()
    return values


def _status_index(words: pd.Series) -> IntArray:
    """(L,) the index of each status in STATUSES, -1 for one that is not there."""
    known = [_STATUS_INDEX.get(word, -1) for word in words.cat.categories]
    return np.array([*known, -1], np.int64)[words.cat.codes.to_numpy()]


def _is_plausible(values: dict[str, NDArray[Any]]) -> BoolArray:
    """(L,) whether the values of each line are ones that a sound log can hold."""
    plausible = np.ones(len(values["episode"]), bool)
    for name, column in values.items():
        if name == "episode_status":
            plausible &= column >= 0
        elif name not in BOOLEAN_COLUMNS:
            plausible &= (column >= MIN_VALUES.get(name, -MAX_VALUE)) & (column <= MAX_VALUE)
        if name in INTEGER_COLUMNS:
            plausible &= column == np.floor(column)
    return plausible


def _to_frame(values: dict[str, NDArray[Any]]) -> pd.DataFrame:
    columns: dict[str, Any] = dict(values)
    for name in INTEGER_COLUMNS:
        columns[name] = values[name].astype(np.int64)
    if "episode_status" in values:
        codes = values["episode_status"]
        statuses = pd.Categorical.from_codes(codes, dtype=STATUS_DTYPE, validate=False)
        columns["episode_status"] = statuses
    return pd.DataFrame(columns, copy=False)


def _parse_one_by_one(texts: Sequence[bytes], index: IntArray, names: ColumnNames) -> _Steps:
    """The steps of lines `index` (L,) whose `texts` are read each by itself."""
    rows: dict[ColumnNames, list[list[Any]]] = {}
    line: dict[ColumnNames, list[int]] = {}
    bad = []
    for number, text in zip(index.tolist(), texts, strict=True):
        row = parse_row(text, names)
        if row is None:
            bad.append(number)
        else:
            rows.setdefault(row.names, []).append(row.values)
            line.setdefault(row.names, []).append(number)
    pieces = []
    for columns, values in rows.items():
        frame = pd.DataFrame(values, columns=list(columns), dtype=object)
        frame = frame.astype({name: COLUMN_DTYPES[name] for name in columns})
        pieces.append(FramePiece(frame, np.array(line[columns], np.int64)))
    return _Steps(pieces, [np.array(bad, np.int64)])
