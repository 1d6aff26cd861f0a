"""The constants of a reward file that can be tuned: where they stand, and the file with others.

A constant is a number that is assigned to a name: at module level to a name in capitals, as in
`FAST = 2.5` or `SLOW, FAST = 1.2, 2.5`; or anywhere, where a comment on its line gives a range, as in
`look = 6  # tune: 2 .. 12`. Where a file gives a range anywhere, only those constants are tuned.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import io
import math
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from racer.errors import UsageError, printable
from racer.reward import RewardFunction, compile_quietly, read_reward_text

Number = int | float

RANGE_FACTOR = 4.0
"""Without a range, a constant is searched from its value divided by this to its value times this."""
DIGITS = 4
"""Significant digits of a number that is tried, and written."""
WIDE_RANGE = 8.0
"""Ranges whose ends are this many times apart are searched by the logarithm."""

_MARK = re.compile(r"#\s*tune\b:?\s*(?P<range>.*)$")
_RANGE = re.compile(r"(?P<low>[^.\s][^\s]*?)\s*\.\.\s*(?P<high>\S+)")


@dataclass(frozen=True)
class Constant:
    """A number in a reward file that can be another one.

    It is searched from `low` to `high`, by its logarithm where `is_log`, among whole numbers where
    `is_whole`. `line` counts from 1; `start` and `end` are the characters of the number in its line.
    """

    name: str
    value: Number
    low: Number
    high: Number
    is_log: bool
    is_whole: bool
    line: int
    start: int
    end: int

    def rounded(self, value: float) -> Number:
        """The number that is written for a value: whole, or with four significant digits."""
        if self.is_whole:
            return round(value)
        return float(f"{value:.{DIGITS}g}")


def find_constants(reward: RewardFunction) -> list[Constant]:
    """The constants of a file that can be tuned, in the order of their lines.

    Raises UsageError for a file without one, and for a comment `# tune:` that gives no range.

    Examples
    --------
    >>> from racer.reward import load_reward
    >>> [constant.name for constant in find_constants(load_reward("speed_aware"))]
    ['FAST', 'SLOW', 'LOOK', 'HAIRPIN']
    """
    _check_unchanged(reward)
    marks = _marks(reward)
    assigned = list(_assigned_numbers(reward))
    lines = {number.lineno for _, number, _ in assigned}
    for line in marks:
        if line not in lines:
            raise _mistake(reward, line, "stands on a line that assigns no number to a name")
    if marks:
        chosen = [entry for entry in assigned if entry[1].lineno in marks]
    else:
        chosen = [entry for entry in assigned if _is_conventional(*entry, reward)]
    constants = []
    for name, number, _ in chosen:
        mark = marks.get(number.lineno)
        if mark is None and not _number(number):
            continue  # 0 says nothing of its unit
        constants.append(_constant(reward, name, number, mark))
    if not constants:
        raise UsageError(
            f"{reward.filename} has no constant to tune: assign numbers to names in capitals at the "
            "top of the file (FAST = 2.5), or give ranges (speed = 2.5  # tune: 0.5 .. 4)"
        )
    _check_names(reward, constants)
    return constants


def with_values(reward: RewardFunction, values: Mapping[str, Number]) -> RewardFunction:
    """The same file with other constants, by name; nothing is written."""
    source = replace_constants(reward.source, find_constants(reward), values)
    digest = hashlib.sha256(source.encode()).hexdigest()
    code = compile_quietly(source, reward.filename)
    return RewardFunction(reward.path, source, code, digest, reward.encoding)


def replace_constants(
    source: str, constants: Sequence[Constant], values: Mapping[str, Number]
) -> str:
    """The text with other numbers in the places of the constants, and nothing else changed."""
    lines = source.split("\n")  # as Python counts them: no form feeds, no separators of Unicode
    for constant in sorted(constants, key=lambda constant: -constant.start):
        if constant.name in values:
            line = lines[constant.line - 1]
            number = format_literal(values[constant.name])
            lines[constant.line - 1] = line[: constant.start] + number + line[constant.end :]
    return "\n".join(lines)


def format_literal(value: Number) -> str:
    """A number as Python reads it: whole numbers stay whole, others have a point or an exponent.

    >>> format_literal(6), format_literal(2.0), format_literal(0.00001234)
    ('6', '2.0', '1.234e-05')
    """
    return repr(value)


def diff_lines(before: str, after: str, name: str, new_name: str) -> list[str]:
    """The lines that differ, as `diff -u` shows them."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, new_name, "", "", 1)
    return [line.rstrip("\n") for line in lines]


def differs_in_numbers_only(source: str, other: str) -> bool:
    """Whether two texts are the same but for numbers."""
    return _without_numbers(source) == _without_numbers(other)


def _without_numbers(source: str) -> list[str]:
    texts = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            texts.append("0" if token.type == tokenize.NUMBER else token.string)
    except (tokenize.TokenError, SyntaxError):
        return [source]
    return texts


def _check_unchanged(reward: RewardFunction) -> None:
    """A file in the syntax of a newer Python was rewritten when it was loaded."""
    text, _ = read_reward_text(reward.path)
    if text != reward.source and not differs_in_numbers_only(text, reward.source):
        raise UsageError(
            f"{reward.filename} uses syntax of a newer Python, whose places are not known here: run "
            "racer with Python 3.12 or newer, or write it for 3.11"
        )


def _marks(reward: RewardFunction) -> dict[int, str]:
    """What `# tune:` comments say, by line."""
    marks = {}
    for token in tokenize.generate_tokens(io.StringIO(reward.source).readline):
        match = _MARK.match(token.string) if token.type == tokenize.COMMENT else None
        if match:
            marks[token.start[0]] = match["range"].strip()
    return marks


def _assigned_numbers(reward: RewardFunction) -> Iterator[tuple[str, ast.expr, bool]]:
    """Name, number and whether it is at module level, of every assignment of a plain number."""
    tree = reward.syntax.tree
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        value: ast.expr | None = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            targets = [node.targets[0]]
            value = node.value
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
            value = node.value
        if isinstance(value, ast.Tuple) and targets and isinstance(targets[0], ast.Tuple):
            pairs = list(zip(targets[0].elts, value.elts, strict=False))
        else:
            pairs = [(target, value) for target in targets if value is not None]
        for target, number in pairs:
            if isinstance(target, ast.Name) and _number(number) is not None:
                yield target.id, number, id(node) in top


def _number(node: ast.expr) -> Number | None:
    """The number that an expression writes out, None for anything else."""
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign = -1
        node = node.operand
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
        return None
    return sign * node.value if isinstance(node.value, int | float) else None


def _is_conventional(name: str, number: ast.expr, is_top: bool, reward: RewardFunction) -> bool:
    """Whether a file without ranges means it as a constant."""
    if not is_top or name != name.upper() or name.startswith("__"):
        return False
    names = [node for node in ast.walk(reward.syntax.tree) if isinstance(node, ast.Name)]
    stores = [node for node in names if node.id == name and not isinstance(node.ctx, ast.Load)]
    return len(stores) == 1 and any(
        node.id == name and isinstance(node.ctx, ast.Load) for node in names
    )


def _constant(reward: RewardFunction, name: str, node: ast.expr, mark: str | None) -> Constant:
    value = _number(node)
    assert value is not None
    is_whole = isinstance(value, int)
    if mark is None:
        low, high = sorted((value / RANGE_FACTOR, value * RANGE_FACTOR))
    else:
        low, high = _marked_range(reward, node.lineno, mark)
        is_whole = is_whole and isinstance(low, int) and isinstance(high, int)
        if not low <= value <= high:
            raise _mistake(reward, node.lineno, f"does not hold the value {value:g} itself")
    if is_whole:
        low = math.ceil(low) if low != value else value
        high = math.floor(high)
        if mark is None and value > 0:
            low = max(low, 1)
    line = reward.source.split("\n")[node.lineno - 1].encode()
    assert node.end_col_offset is not None
    if node.end_lineno != node.lineno:
        raise UsageError(f"{reward.filename}:{node.lineno}: write the number {name} on one line")
    return Constant(
        name=name,
        value=value,
        low=low,
        high=high,
        is_log=low > 0 and high / low >= WIDE_RANGE,
        is_whole=is_whole,
        line=node.lineno,
        start=len(line[: node.col_offset].decode()),
        end=len(line[: node.end_col_offset].decode()),
    )


def _marked_range(reward: RewardFunction, line: int, mark: str) -> tuple[Number, Number]:
    match = _RANGE.fullmatch(mark)
    if match is None:
        raise _mistake(reward, line, "names no range")
    ends = []
    for text in (match["low"], match["high"]):
        try:
            ends.append(int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text))
        except ValueError:
            raise _mistake(reward, line, f"has {printable(text)!r} for a number") from None
    low, high = ends
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise _mistake(reward, line, "does not begin with its smaller number")
    return low, high


def _mistake(reward: RewardFunction, line: int, fault: str) -> UsageError:
    comment = reward.text_of(line).partition("#")[2].strip()
    return UsageError(
        f"{reward.filename}:{line}: the comment '# {printable(comment)}' {fault}: write a number, two "
        "points and a larger number, such as  FAST = 2.5  # tune: 0.5 .. 4"
    )


def _check_names(reward: RewardFunction, constants: Sequence[Constant]) -> None:
    names = [constant.name for constant in constants]
    for constant in constants:
        if names.count(constant.name) > 1:
            raise UsageError(
                f"{reward.filename}:{constant.line}: {constant.name} has a range in several places: "
                "give each its own name"
            )


def tuned_path(reward: RewardFunction) -> Path:
    """Where the tuned file goes unless somebody says: here."""
    return Path(f"{reward.path.stem}_tuned.py")
