"""Syntax of Python 3.12, which the simulator runs, said in a way that Python 3.11 reads, too.

From 3.12 on an expression in an f-string may hold any quotes, backslashes, comments and line
breaks. Such an f-string becomes a join of its parts, on the same lines; every other text stays as
it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_STRING = re.compile(r"(?i)(?<![\w])(|[bfru]|br|rb|fr|rf)('''|\"\"\"|'|\")")
_GENERIC = re.compile(r"\b(?:def|class)\s+\w+\s*(?=\[)")
_TYPE = re.compile(r"(?m)^([ \t]*)type[ \t]+(\w+[ \t]*(?:\[[^\]\n]*\])?[ \t]*=)")
_TYPE_PARAMETERS = re.compile(r"(?m)^([ \t]*\w+)[ \t]*\[[^\]\n]*\]([ \t]*=[^=])")
_DEBUG = re.compile(r"(?s)(.*[^=!<>]=\s*)$")
_BETWEEN_LITERALS = re.compile(r"(?:\s|\\\n|#[^\n]*\n)*")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


class _Unreadable(Exception):
    """The text is no Python of any version."""


@dataclass
class _Literal:
    """One string literal: where it is, whether 3.11 cannot read it, and the expressions that, joined,
    stand for it.
    """

    start: int
    end: int
    is_new: bool = False
    pieces: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Piece:
    """A part of an f-string: where it ends, the expression for it, and whether 3.11 cannot read it."""

    end: int
    expression: str
    is_new: bool


def downgrade_syntax(source: str, generics: bool = False) -> str:
    """A program in the syntax of 3.11, with as many lines.

    With `generics` type parameters and `type` statements are taken out: to see whether the rest is
    right, not to run it. What cannot be read is left as it is.
    """
    try:
        literals = _find_literals(source)
    except _Unreadable:
        return source
    parts = []
    at = 0
    for run in _adjacent_literals(source, literals):
        if any(literal.is_new for literal in run):
            parts += [source[at : run[0].start], _join_run(source, run)]
            at = run[-1].end
    older = "".join(parts) + source[at:]
    return _without_generics(older) if generics else older


def _find_literals(source: str) -> list[_Literal]:
    """Every string literal that is not inside another one."""
    literals = []
    at = 0
    while at < len(source):
        match = _STRING.match(source, at)
        if match:
            literals.append(_read_literal(source, match))
            at = literals[-1].end
        elif source[at] == "#":
            at = _line_end(source, at)
        else:
            at += 1
    return literals


def _read_literal(source: str, match: re.Match[str]) -> _Literal:
    """The literal that begins with that prefix and quote."""
    prefix = match[1].lower()
    quote = match[2]
    is_raw = "r" in prefix
    is_formatted = "f" in prefix
    literal = _Literal(match.start(), match.end())
    text_start = at = match.end()
    while not source.startswith(quote, at):
        if at >= len(source) or (source[at] == "\n" and len(quote) == 1):
            raise _Unreadable
        if source[at] == "\\":
            at = _escape_end(source, at, names_characters=is_formatted and not is_raw)
        elif is_formatted and source[at : at + 2] in ("{{", "}}"):
            at += 2
        elif is_formatted and source[at] == "{":
            literal.pieces.append(_plain_literal(source[text_start:at], is_raw, quote))
            replacement = _read_replacement(source, at + 1, quote)
            literal.pieces.append(replacement.expression)
            literal.is_new |= replacement.is_new
            text_start = at = replacement.end
        else:
            at += 1
    literal.pieces.append(_plain_literal(source[text_start:at], is_raw, quote))
    literal.end = at + len(quote)
    return literal


def _escape_end(source: str, at: int, names_characters: bool) -> int:
    """Where an escape ends: `\\n`, or `\\N{DIGIT ONE}` in an f-string."""
    if names_characters and source.startswith("\\N{", at):
        return source.find("}", at) + 1
    return at + 2


def _plain_literal(text: str, is_raw: bool, quote: str) -> str:
    """The literal of text between replacement fields, which is no f-string any more."""
    plain = text.replace("{{", "{").replace("}}", "}")
    return f"{'r' if is_raw else ''}{quote}{plain}{quote}"


def _read_replacement(source: str, start: int, quote: str) -> _Piece:
    """The replacement field whose expression begins at `start`: `{value!r:>{width}}`."""
    at, is_new = _expression_end(source, start, quote)
    text = source[start:at]
    debug = _DEBUG.match(text)
    value = debug[1].rstrip()[:-1] if debug else text
    conversion = ""
    if source.startswith("!", at):
        conversion = source[at : at + 2]
        at += 2
    specification = '""'
    if source.startswith(":", at):
        piece = _read_specification(source, at + 1, quote)
        at = piece.end
        specification = piece.expression
        is_new |= piece.is_new
    elif debug and not conversion:
        conversion = "!r"
    if not source.startswith("}", at):
        raise _Unreadable
    shown = f"{text!r} + " if debug else ""
    template = f'"{{0{conversion}:{{1}}}}"'
    expression = f"{shown}{template}.format(({downgrade_syntax(value)}), {specification})"
    return _Piece(at + 1, expression, is_new)


def _expression_end(source: str, at: int, quote: str) -> tuple[int, bool]:
    """Where the expression of a replacement field ends, and whether it holds what 3.11 refuses."""
    awaited: list[str] = []
    is_new = False
    while at < len(source):
        match = _STRING.match(source, at)
        if match:
            inner = _read_literal(source, match)
            body = source[match.start() : inner.end]
            is_new |= inner.is_new or _is_refused_inside(body, quote)
            at = inner.end
            continue
        char = source[at]
        is_conversion = char == "!" and source[at + 1 : at + 2] != "="
        if not awaited and (char in ":}" or is_conversion):
            return at, is_new
        if char in _CLOSING:
            awaited.append(_CLOSING[char])
        elif awaited and char == awaited[-1]:
            awaited.pop()
        is_new |= char in "\\#" or (char == "\n" and len(quote) == 1)
        at = _line_end(source, at) if char == "#" else at + 1
    raise _Unreadable


def _is_refused_inside(literal: str, quote: str) -> bool:
    """Whether 3.11 refuses a literal in an f-string with that quote."""
    if "\\" in literal:
        return True
    return quote[0] in literal and (len(quote) == 1 or quote in literal)


def _read_specification(source: str, start: int, quote: str) -> _Piece:
    """The format specification that begins at `start`, up to the brace that ends its field."""
    expressions = []
    is_new = False
    text_start = at = start
    while not source.startswith("}", at):
        if at >= len(source) or source.startswith(quote, at):
            raise _Unreadable
        if source[at] == "{":
            expressions.append(_plain_literal(source[text_start:at], False, quote))
            inner = _read_replacement(source, at + 1, quote)
            expressions.append(inner.expression)
            is_new |= inner.is_new
            text_start = at = inner.end
        else:
            at += 1
    expressions.append(_plain_literal(source[text_start:at], False, quote))
    return _Piece(at, " + ".join(expressions), is_new)


def _adjacent_literals(source: str, literals: list[_Literal]) -> list[list[_Literal]]:
    """Literals that stand side by side, and so make one string."""
    runs: list[list[_Literal]] = []
    for literal in literals:
        if runs and _are_adjacent(source[runs[-1][-1].end : literal.start]):
            runs[-1].append(literal)
        else:
            runs.append([literal])
    return runs


def _are_adjacent(between: str) -> bool:
    return "\n\n" not in between and _BETWEEN_LITERALS.fullmatch(between) is not None


def _join_run(source: str, run: list[_Literal]) -> str:
    """The expression for a run of literals, on as many lines."""
    parts = []
    at = run[0].start
    for literal in run:
        parts.append(source[at : literal.start])
        if literal is not run[0]:
            parts.append("+ ")
        if literal.is_new:
            parts.append(" + ".join(literal.pieces))
        else:
            parts.append(source[literal.start : literal.end])
        at = literal.end
    return f"({''.join(parts)})"


def _line_end(source: str, at: int) -> int:
    end = source.find("\n", at)
    return len(source) if end < 0 else end


def _without_generics(source: str) -> str:
    source = _TYPE.sub(r"\1\2", source)
    while match := _GENERIC.search(source):
        source = source[: match.end()] + source[_bracket_end(source, match.end()) :]
    return _TYPE_PARAMETERS.sub(r"\1\2", source)


def _bracket_end(source: str, at: int) -> int:
    """Behind the bracket that closes the one at `at`."""
    depth = 0
    while at < len(source):
        depth += {"[": 1, "]": -1}.get(source[at], 0)
        at += 1
        if not depth:
            break
    return at
