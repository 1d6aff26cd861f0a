"""One line of a log, read by itself: whatever spelling its action has and whatever follows it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from racer.logs.schema import (
    BOOLEAN_COLUMNS,
    CONTINUOUS_ACTION,
    INTEGER_COLUMNS,
    MIN_COLUMNS,
    TRACE_COLUMNS,
)

TRACE_MARKER = b"SIM_TRACE_LOG:"
ColumnNames = tuple[str, ...]
"""A file's columns by position; "" for a column that is not the simulator's."""

MAX_VALUE = 1e15
"""No number of a sound log comes near: a larger one is damage, and squares must stay finite."""
MIN_VALUES = {"action": -1.0, "episode": 0.0, "closest_waypoint": 0.0, "steps": 0.0}
"""The smallest number of some columns of a sound log; of the others it is -MAX_VALUE."""

_MIN_HEADER_WORDS = 5
_HEADER_WORDS = frozenset(
    {"episode", "steps", "progress", "reward", "action", "done", "x", "y", "yaw"}
)
_BOOLEANS = {
    "True": True,
    "true": True,
    "TRUE": True,
    "False": False,
    "false": False,
    "FALSE": False,
}
_STATUS_WORD = re.compile(r"[a-z][a-z_ ]*")

_NUMBER_PATTERN = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NUMBER = re.compile(_NUMBER_PATTERN)
_TWO_NUMBERS = re.compile(rf"{_NUMBER_PATTERN}\s*[ ;]\s*{_NUMBER_PATTERN}")

# Continuous actions: `[a b]`, `[a, b]` and `[a;b]` (the literal at its head makes the search fast),
_BRACKETED_PAIR = re.compile(rb"\[ *[-+.\deE]+[ ,;]+[-+.\deE]+ *\]")
# the numbers within numpy's repr of such a pair,
_NUMPY_REPR = re.compile(rb"np\.float(?:32|64)\(([^()\n]*)\)|array\((\[[^()\n]*\])\)")
# and `a b` and `a;b` without brackets.
_BARE_PAIR = re.compile(rf"(?<=,) *{_NUMBER_PATTERN} *[ ;] *{_NUMBER_PATTERN} *(?=,)".encode())
_BARE_PAIR_SEARCH_BYTES = 4096  # searching all of a discrete log would be slow

# Text of another process, or the rest of a JSON wrapper, behind the last field.
_TAIL = re.compile(rb'[\s"\\\[{}\]].*', re.DOTALL)


class ParsedRow(NamedTuple):
    """The columns of a step and its values."""

    names: ColumnNames
    values: list[Any]


def standard_columns(count: int) -> ColumnNames:
    """The simulator's own names for a line of `count` fields (docs/simulator.md 6.1); empty where no
    version writes such.
    """
    if MIN_COLUMNS <= count <= len(TRACE_COLUMNS):
        return TRACE_COLUMNS[:count]
    return ()


def is_header_line(line: bytes) -> bool:
    """Whether a line holds column names."""
    fields = line.decode("utf-8", "replace").split(",")
    words = {field.strip().strip('"').lower() for field in fields}
    return len(words & _HEADER_WORDS) >= _MIN_HEADER_WORDS


def replace_action_pairs(text: bytes) -> bytes:
    """`text` with continuous actions written as -1: their numbers are `steer` and `throttle` too."""
    if b"(" in text:
        text = _NUMPY_REPR.sub(rb"\1\2", text)
    if b"[" in text:
        text = _BRACKETED_PAIR.sub(b"-1", text).replace(b'"-1"', b"-1")
    start = text[:_BARE_PAIR_SEARCH_BYTES]
    if (b" " in start or b";" in start) and _BARE_PAIR.search(start):
        text = _BARE_PAIR.sub(b"-1", text)
    return text


def parse_row(line: bytes, names: ColumnNames) -> ParsedRow | None:
    """The step in a line, or None where it holds none.

    `names` are the columns of the file. A line of another length is read by the simulator's own
    columns. Understands what the parser of whole blocks does not: an action `a, b` whose comma
    shifts the columns behind it, and text behind the last field.
    """
    try:
        text = _without_tail(replace_action_pairs(line)).decode("ascii")
    except UnicodeDecodeError:
        return None
    fields = [field.strip() for field in text.split(",")]
    if _is_shifted(fields, names):
        fields = _without_shift(fields)
        names = ()
    if len(names) != len(fields):
        names = standard_columns(len(fields))
    if not names:
        return None
    used = []
    values = []
    for name, field in zip(names, fields, strict=True):
        if name:
            used.append(name)
            values.append(_parse_field(name, field))
    if any(value is None for value in values):
        return None
    return ParsedRow(tuple(used), values)


def _without_tail(line: bytes) -> bytes:
    head, comma, last = line.rstrip().rpartition(b",")
    return head + comma + _TAIL.sub(b"", last.lstrip())


def _is_shifted(fields: list[str], names: ColumnNames) -> bool:
    """Whether an action `a, b` has moved `done` and `all_wheels_on_track` one field to the right."""
    if len(fields) <= MIN_COLUMNS or "" in names:
        return False
    return fields[9] not in _BOOLEANS and fields[10] in _BOOLEANS and fields[11] in _BOOLEANS


def _without_shift(fields: list[str]) -> list[str]:
    pair = fields[7:9]
    action = "?"
    if all(_NUMBER.fullmatch(field.strip("[] ")) for field in pair):
        action = str(CONTINUOUS_ACTION)
    return [*fields[:7], action, *fields[9:]]


def _parse_field(name: str, field: str) -> bool | str | int | float | None:
    """The value of a field, None where it does not fit its column."""
    if name in BOOLEAN_COLUMNS:
        return _BOOLEANS.get(field)
    if name == "episode_status":
        return field if _STATUS_WORD.fullmatch(field) else None
    if name == "action" and _TWO_NUMBERS.fullmatch(field):
        return CONTINUOUS_ACTION
    if not _NUMBER.fullmatch(field):
        return None
    number = float(field)
    if not MIN_VALUES.get(name, -MAX_VALUE) <= number <= MAX_VALUE:
        return None
    if name not in INTEGER_COLUMNS:
        return number
    return int(number) if number.is_integer() else None
