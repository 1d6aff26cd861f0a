"""Lines of a log into columns: the regular ones all at once by pandas' parser, the others one by
one.

A line that should hold a step and does not is counted, never guessed at. The number of columns may
change inside a file (logs of two versions, one after the other), but only where two lines in a row
agree on it: a single odd line is damage.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import union_categoricals

from racer.logs import digits
from racer.logs.schema import (
    BOOLEAN_COLUMNS,
    COLUMN_DTYPES,
    CONTINUOUS_ACTION,
    INTEGER_COLUMNS,
    MIN_COLUMNS,
    STATUS_DTYPE,
    STATUSES,
    TRACE_COLUMNS,
)

TRACE_MARKER = b"SIM_TRACE_LOG:"
ColumnNames = tuple[
    str, ...
]  # a file's columns by position; "" for one that is not the simulator's

_LARGEST = 1e15  # no column of a sound log comes near: damage, and squares must stay finite
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_PLAIN = re.compile(_NUMBER)
# [a b], [a, b], [a;b]; a literal at its head makes it fast
_PAIR = re.compile(rb"\[ *[-+.\deE]+[ ,;]+[-+.\deE]+ *\]")
# numpy 2's repr of the same
_REPR = re.compile(rb"np\.float(?:32|64)\(([^()\n]*)\)|array\((\[[^()\n]*\])\)")
_BARE = re.compile(rf"(?<=,) *{_NUMBER} *[ ;] *{_NUMBER} *(?=,)".encode())  # a b, a;b
_TWO = re.compile(rf"{_NUMBER}\s*[ ;]\s*{_NUMBER}")
_WORD = re.compile(r"[a-z][a-z_ ]*")
_AFTER = re.compile(rb'[\s"\\\[{}\]].*', re.DOTALL)  # another process's text, or a JSON wrapper's
# Numbers must come back to the last bit; pandas does that by itself since 3.1, which has deprecated
# asking for it.
_EXACT: Any = (
    {}
    if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
    else {"float_precision": "round_trip"}
)
_TYPES: dict[str, Any] = {
    name: kind if kind == "category" else np.dtype(kind) for name, kind in COLUMN_DTYPES.items()
}
_KINDS = {
    "float64": digits.FLOAT,
    "int64": digits.WHOLE,
    "bool": digits.TRUTH,
    "category": digits.STATUS,
}
_STATUS_LENGTHS = np.array([len(word) for word in STATUSES])
_STATUS_LETTERS = np.array(
    [list(word.encode().ljust(max(_STATUS_LENGTHS))) for word in STATUSES], np.uint8
)
_BOOLS = {"True": True, "true": True, "TRUE": True, "False": False, "false": False, "FALSE": False}


@dataclass(frozen=True, eq=False)
class ParsedBlock:
    """What a block of lines holds: the rows and their line numbers, and what the other lines are."""

    frame: pd.DataFrame
    line: NDArray[np.int64]  # (rows,) index of each row's line in the block
    bad: NDArray[np.int64]  # indices of the lines that should hold a step and do not
    headers: int
    blank: int


def standard_columns(columns: int) -> ColumnNames:
    """The simulator's own names for a line of so many columns; empty when there is no such log."""
    return TRACE_COLUMNS[:columns] if MIN_COLUMNS <= columns <= len(TRACE_COLUMNS) else ()


def parse_block(block: bytes, names: ColumnNames) -> ParsedBlock:
    """The rows of a block of lines; `names` are the file's columns as its header or first row has
    them.
    """
    text = _one_action(block)
    starts, ends, fields = _measure(text)
    first = np.frombuffer(text, np.uint8)[starts]
    blank = starts == ends
    numeric = ((first >= ord("+")) & (first <= ord("9")) & (first != ord(","))) | (
        first == ord(" ")
    )
    believed = (fields == len(names)) | (_legal(fields, names) & _agrees(fields))
    lines = _Lines(text, starts, ends)
    pieces, bad = _regular(lines, numeric & believed & ~blank, fields, names)
    odd = _odd(lines, np.flatnonzero(~(numeric & believed) & ~blank), believed, names)
    frame, line = merge_pieces([*pieces, *odd.pieces])
    return ParsedBlock(
        frame,
        line,
        np.sort(np.concatenate([*bad, odd.bad])).astype(np.int64),
        odd.headers,
        int(blank.sum()) + odd.blank,
    )


def parse_row(line: bytes, names: ColumnNames) -> tuple[ColumnNames, list[Any]] | None:
    """Names and values of a line read by itself, or None when it does not hold a step.

    Understands what the fast parser does not: an action `a, b` that shifts the columns, text behind
    the last field.
    """
    try:
        fields = [
            field.strip() for field in _tail_cut(_one_action(line)).decode("ascii").split(",")
        ]
    except UnicodeDecodeError:
        return None
    if (
        len(fields) > MIN_COLUMNS
        and (not names or "" not in names)
        and fields[9] not in _BOOLS
        and fields[10] in _BOOLS
        and fields[11] in _BOOLS
    ):
        fields, names = _unshifted(fields), ()
    mine = names if len(names) == len(fields) else standard_columns(len(fields))
    values = (
        [_value(name, field) for name, field in zip(mine, fields, strict=True) if name]
        if mine
        else [None]
    )
    return None if any(value is None for value in values) else (tuple(filter(None, mine)), values)


def is_header_line(line: bytes) -> bool:
    """Whether a line holds column names."""
    words = {word.strip().strip('"').lower() for word in line.decode("utf-8", "replace").split(",")}
    return (
        len(words & {"episode", "steps", "progress", "reward", "action", "done", "x", "y", "yaw"})
        >= 5
    )


def merge_pieces(
    pieces: Sequence[tuple[pd.DataFrame, NDArray[np.int64]]],
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Pieces of a block as one frame in the order of their lines, with the line numbers."""
    pieces = [piece for piece in pieces if len(piece[0])]
    if not pieces:
        return pd.DataFrame(), np.empty(0, np.int64)
    line = np.concatenate([lines for _, lines in pieces])
    frame = stack_frames([frame for frame, _ in pieces])
    if len(pieces) == 1 or (np.diff(line) > 0).all():
        return frame, line
    order = np.argsort(line, kind="stable")
    return frame.iloc[order].reset_index(drop=True), line[order]


def stack_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Frames below each other; what one lacks is nan, and statuses stay a category."""
    if len(frames) == 1:
        return frames[0]
    words = [frame["episode_status"] for frame in frames if "episode_status" in frame]
    if not 0 < len(words) == len(frames):
        plain = [
            f.astype({"episode_status": object}) if "episode_status" in f else f for f in frames
        ]
        return pd.concat(plain, ignore_index=True)
    union = pd.Series(union_categoricals(words))
    rest = pd.concat([frame.drop(columns="episode_status") for frame in frames], ignore_index=True)
    rest.insert(min(MIN_COLUMNS, rest.shape[1]), "episode_status", union)
    return rest


@dataclass(frozen=True, eq=False)
class _Lines:
    """The lines of a block, by where each begins and ends."""

    text: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def pick(self, index: NDArray[np.int64]) -> list[bytes]:
        """Lines one by one."""
        spans = zip(self.starts[index].tolist(), self.ends[index].tolist(), strict=True)
        return [self.text[start:end] for start, end in spans]

    def joined(self, index: NDArray[np.int64]) -> bytes:
        """The lines as text, cut out where they stand behind each other."""
        first, last = int(index[0]), int(index[-1])
        if last - first + 1 == len(index):
            return self.text[self.starts[first] : self.ends[last] + 1]
        return b"\n".join(self.pick(index))


@dataclass(frozen=True, eq=False)
class _Odd:
    pieces: list[tuple[pd.DataFrame, NDArray[np.int64]]]
    bad: NDArray[np.int64]
    headers: int
    blank: int


def _measure(text: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Start, end and number of fields of every line."""
    data = np.frombuffer(text, np.uint8)
    spans = np.empty((3, int(np.count_nonzero(data == ord("\n")))), np.int64)
    digits.lines(data, spans)
    return spans[0], spans[1], spans[2]


def _one_action(text: bytes) -> bytes:
    """The text with continuous actions written as -1: their two numbers stand in `steer` and
    `throttle` too.
    """
    text = _REPR.sub(rb"\1\2", text) if b"(" in text else text
    text = _PAIR.sub(b"-1", text).replace(b'"-1"', b"-1") if b"[" in text else text
    start = text[:4096]  # searching every line of a discrete log would be slow
    early = (b" " in start or b";" in start) and _BARE.search(start)
    return _BARE.sub(b"-1", text) if early else text


def _legal(fields: NDArray[np.int64], names: ColumnNames) -> NDArray[np.bool_]:
    # a header of its own leaves no room for another number of columns
    own = not names or names == standard_columns(len(names))
    return (fields >= MIN_COLUMNS) & (fields <= len(TRACE_COLUMNS) + 1) & own


def _agrees(fields: NDArray[np.int64]) -> NDArray[np.bool_]:
    same = np.diff(fields) == 0
    return np.asarray(np.append(same, False) | np.insert(same, 0, False))


def _regular(
    lines: _Lines, regular: NDArray[np.bool_], fields: NDArray[np.int64], names: ColumnNames
) -> tuple[list[tuple[pd.DataFrame, NDArray[np.int64]]], list[NDArray[np.int64]]]:
    """Pieces and bad lines of the lines that look like rows, by their number of fields."""
    pieces, bad = [], []
    for count in np.flatnonzero(np.bincount(fields[regular])).tolist():
        index = np.flatnonzero(regular & (fields == count))
        mine = names if len(names) == count else standard_columns(count)
        if mine:
            simple, plain = _plain(lines, index, mine)
            pieces.append((simple, index[plain]))
            index = index[~plain]
        if not len(index):
            continue
        frame = _fast(lines.joined(index), mine) if mine else None
        if frame is None or len(frame) != len(index):
            some, wrong = _slow(lines.pick(index), index, names)
            pieces += some
            bad.append(wrong)
            continue
        good = _sane(frame)
        pieces.append(
            (frame, index) if good.all() else (frame[good].reset_index(drop=True), index[good])
        )
        bad.append(index[~good])
    return pieces, bad


def _plain(
    lines: _Lines, index: NDArray[np.int64], names: ColumnNames
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """The frame of lines whose fields are plain numbers and words, and which lines those are."""
    kinds = np.array([_KINDS[COLUMN_DTYPES[name]] if name else digits.SKIP for name in names])
    values, plain = np.empty((len(names), len(index))), np.empty(len(index), bool)
    text = np.frombuffer(lines.text, np.uint8)
    digits.fields(
        text,
        lines.starts[index],
        lines.ends[index],
        kinds,
        _STATUS_LETTERS,
        _STATUS_LENGTHS,
        digits.POWERS,
        values,
        plain,
    )
    for name, column in zip(names, values, strict=True):
        if name and name not in BOOLEAN_COLUMNS and name != "episode_status":
            low = _least(name)
            # also where one is nan
            if len(column) and not (column.min() >= low and column.max() <= _LARGEST):
                plain &= (column >= low) & (column <= _LARGEST)
    kept = values if plain.all() else values[:, plain]
    columns = {name: _typed(name, column) for name, column in zip(names, kept, strict=True) if name}
    return pd.DataFrame(columns, copy=False), plain


def _typed(name: str, column: NDArray[np.float64]) -> Any:
    if name == "episode_status":
        return pd.Categorical.from_codes(column.astype(np.int8), dtype=STATUS_DTYPE, validate=False)
    return column if COLUMN_DTYPES[name] == "float64" else column.astype(_TYPES[name])


def _least(name: str) -> float:
    """The smallest number that a column of a sound log holds."""
    return (
        -1.0
        if name == "action"
        else 0.0
        if name in INTEGER_COLUMNS or name == "steps"
        else -_LARGEST
    )


def _fast(text: bytes, names: ColumnNames) -> pd.DataFrame | None:
    """The frame of lines that all have `names`, or None when one of them does not fit."""
    if b"\0" in text:
        return None
    used = [i for i, name in enumerate(names) if name]
    types = {i: _TYPES[names[i]] for i in used}
    try:
        # an infinite number in an int column is refused, but warned of before
        with np.errstate(invalid="ignore"):
            frame: pd.DataFrame = pd.read_csv(
                io.BytesIO(text), header=None, usecols=used, dtype=types, engine="c", quoting=3, na_filter=False,
                **_EXACT, skipinitialspace=True, skip_blank_lines=False, low_memory=False,
                true_values=["True"], false_values=["False"], encoding_errors="replace",
            )  # fmt: skip
    except (ValueError, TypeError, OverflowError, pd.errors.ParserError):
        return None
    frame.columns = pd.Index([names[i] for i in used])
    return frame


def _slow(
    lines: Sequence[bytes], index: NDArray[np.int64], names: ColumnNames
) -> tuple[list[tuple[pd.DataFrame, NDArray[np.int64]]], NDArray[np.int64]]:
    """Pieces and bad lines, each line read by itself."""
    found: dict[ColumnNames, tuple[list[list[Any]], list[int]]] = {}
    bad = []
    for i, line in zip(index.tolist(), lines, strict=True):
        read = parse_row(line, names)
        if read is None:
            bad.append(i)
            continue
        rows, places = found.setdefault(read[0], ([], []))
        rows.append(read[1])
        places.append(i)
    pieces = []
    for mine, (rows, places) in found.items():
        frame = pd.DataFrame(dict(zip(mine, zip(*rows, strict=True), strict=True))).astype(
            {n: COLUMN_DTYPES[n] for n in mine}
        )
        good = _sane(frame)
        pieces.append((frame[good].reset_index(drop=True), np.array(places)[good]))
        bad += np.array(places)[~good].tolist()
    return pieces, np.array(bad, np.int64)


def _odd(
    lines: _Lines, index: NDArray[np.int64], believed: NDArray[np.bool_], names: ColumnNames
) -> _Odd:
    """Lines that do not look like rows: headers, blanks, rows behind other text, and damage."""
    texts = lines.pick(index) if len(index) else []
    headers = np.array([is_header_line(text) for text in texts], bool)
    blank = np.array([not text.strip() for text in texts], bool)
    marked = np.array([TRACE_MARKER in text for text in texts], bool)
    rest = ~headers & ~blank
    hopeful = rest & (marked | believed[index]) if len(index) else rest
    tried = [
        text.rpartition(TRACE_MARKER)[2] for text, use in zip(texts, hopeful, strict=True) if use
    ]
    pieces, wrong = _slow(tried, index[hopeful], names)
    bad = np.concatenate([wrong, index[rest & ~hopeful]])
    return _Odd(pieces, bad, int(headers.sum()), int(blank.sum()))


def _sane(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """(N,) whether the numbers of each row are ones that a log can hold."""
    good = np.ones(len(frame), bool)
    for name in frame.columns:
        if name == "episode_status":
            words = frame[name].cat
            fits = np.array(
                [_WORD.fullmatch(str(word)) is not None for word in words.categories], bool
            )
            good &= fits[words.codes] if len(fits) else good
        elif name not in BOOLEAN_COLUMNS:
            low = _least(name)
            values = frame[name].to_numpy()
            # false for nan
            if not (values.min(initial=low) >= low and values.max(initial=low) <= _LARGEST):
                good &= (values >= low) & (values <= _LARGEST)
    return good


def _tail_cut(line: bytes) -> bytes:
    head, comma, last = line.rstrip().rpartition(b",")
    return head + comma + _AFTER.sub(b"", last.lstrip())


def _unshifted(fields: list[str]) -> list[str]:
    pair = all(_PLAIN.fullmatch(field.strip("[] ")) for field in fields[7:9])
    return [*fields[:7], "-1" if pair else "?", *fields[9:]]


def _value(name: str, field: str) -> Any:
    """The value of a field, None when it does not fit its column."""
    if name in BOOLEAN_COLUMNS:
        return _BOOLS.get(field)
    if name == "episode_status":
        return field if _WORD.fullmatch(field) else None
    if name == "action" and _TWO.fullmatch(field):
        return CONTINUOUS_ACTION
    if name in INTEGER_COLUMNS:
        number = float(field) if _PLAIN.fullmatch(field) else 0.5
        return int(number) if number.is_integer() and abs(number) <= _LARGEST else None
    return float(field) if _PLAIN.fullmatch(field) else None
