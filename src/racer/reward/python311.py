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
_DEBUG = re.compile(r"(?s)(.*[^=!<>]=\s*)$")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass
class _Text:
    """One string literal: where it is, whether 3.11 cannot read it, and the expression that stands
    for it.
    """

    start: int
    end: int
    is_new: bool = False
    pieces: list[str] = field(default_factory=list)


def downgrade_syntax(source: str, generics: bool = False) -> str:
    """The same program in the syntax of 3.11, with as many lines.

    With `generics` type parameters and `type` statements are taken out: to see whether the rest is
    right, not to run it. What cannot be read is left as it is.
    """
    try:
        texts = _texts(source)
    except _Unreadable:
        return source
    done, at = [], 0
    for run in _runs(source, texts):
        if any(text.is_new for text in run):
            done += [source[at : run[0].start], _joined(source, run)]
            at = run[-1].end
    changed = "".join(done) + source[at:]
    return _without_generics(changed) if generics else changed


class _Unreadable(Exception):
    """The text is no Python of any version."""


def _texts(source: str) -> list[_Text]:
    """Every string literal that is not inside another one."""
    found, at = [], 0
    while at < len(source):
        match = _STRING.match(source, at)
        if match:
            found.append(_text(source, match))
            at = found[-1].end
        elif source[at] == "#":
            at = _line_end(source, at)
        else:
            at += 1
    return found


def _text(source: str, match: re.Match[str]) -> _Text:
    prefix, quote = match[1].lower(), match[2]
    found = _Text(match.start(), match.end())
    raw = "r" if "r" in prefix else ""
    at = literal = match.end()
    while not source.startswith(quote, at):
        if at >= len(source) or (source[at] == "\n" and len(quote) == 1):
            raise _Unreadable
        if source[at] == "\\":
            at = (
                source.find("}", at) + 1
                if not raw and "f" in prefix and source.startswith("\\N{", at)
                else at + 2
            )
        elif "f" in prefix and source[at] in "{}" and source[at : at + 2] in ("{{", "}}"):
            at += 2
        elif "f" in prefix and source[at] == "{":
            found.pieces.append(_literal(source[literal:at], raw, quote))
            at, expression, is_new = _field(source, at + 1, quote)
            found.pieces.append(expression)
            found.is_new |= is_new
            literal = at
        else:
            at += 1
    found.pieces.append(_literal(source[literal:at], raw, quote))
    found.end = at + len(quote)
    return found


def _literal(text: str, raw: str, quote: str) -> str:
    return raw + quote + text.replace("{{", "{").replace("}}", "}") + quote


def _field(source: str, start: int, quote: str) -> tuple[int, str, bool]:
    """End of a replacement field, the expression for what it writes, and whether 3.11 cannot read
    it.
    """
    at, is_new = _expression_end(source, start, quote)
    text = source[start:at]
    debug = _DEBUG.match(text)
    value = debug[1].rstrip()[:-1] if debug else text
    conversion, spec = "", '""'
    if source.startswith("!", at):
        conversion = source[at : at + 2]
        at += 2
    if source.startswith(":", at):
        at, spec, inner = _spec(source, at + 1, quote)
        is_new |= inner
    elif debug and not conversion:
        conversion = "!r"
    if not source.startswith("}", at):
        raise _Unreadable
    said = f"{text!r} + " if debug else ""
    return (
        at + 1,
        f'{said}"{{0{conversion}:{{1}}}}".format(({downgrade_syntax(value)}), {spec})',
        is_new,
    )


def _expression_end(source: str, at: int, quote: str) -> tuple[int, bool]:
    """Where the expression of a replacement field ends, and whether it holds what 3.11 refuses."""
    awaited: list[str] = []
    is_new = False
    while at < len(source):
        char, match = source[at], _STRING.match(source, at)
        if match:
            inner = _text(source, match)
            body = source[match.start() : inner.end]
            is_new |= (
                inner.is_new
                or (quote[0] in body and (len(quote) == 1 or quote in body))
                or "\\" in body
            )
            at = inner.end
            continue
        if not awaited and (char in ":}" or (char == "!" and source[at + 1 : at + 2] != "=")):
            return at, is_new
        if char in _CLOSING:
            awaited.append(_CLOSING[char])
        elif awaited and char == awaited[-1]:
            awaited.pop()
        is_new |= char in "\\#" or (char == "\n" and len(quote) == 1)
        at = _line_end(source, at) if char == "#" else at + 1
    raise _Unreadable


def _spec(source: str, at: int, quote: str) -> tuple[int, str, bool]:
    """End of a format specification, the expression for it, and whether 3.11 cannot read it."""
    pieces, literal, is_new = [], at, False
    while not source.startswith("}", at):
        if at >= len(source) or source.startswith(quote, at):
            raise _Unreadable
        if source[at] == "{":
            pieces.append(_literal(source[literal:at], "", quote))
            at, expression, inner = _field(source, at + 1, quote)
            pieces.append(expression)
            is_new, literal = is_new | inner, at
        else:
            at += 1
    return at, " + ".join([*pieces, _literal(source[literal:at], "", quote)]), is_new


def _runs(source: str, texts: list[_Text]) -> list[list[_Text]]:
    """Literals that stand side by side, and so make one string."""
    runs: list[list[_Text]] = []
    for text in texts:
        between = source[runs[-1][-1].end : text.start] if runs else "x"
        if re.fullmatch(r"(?:\s|\\\n|#[^\n]*\n)*", between) and "\n\n" not in between and runs:
            runs[-1].append(text)
        else:
            runs.append([text])
    return runs


def _joined(source: str, run: list[_Text]) -> str:
    """The expression for a run of literals, on as many lines."""
    parts, at = [], run[0].start
    for text in run:
        between = source[at : text.start] + ("+ " if text is not run[0] else "")
        pieces = " + ".join(text.pieces) if text.is_new else source[text.start : text.end]
        parts.append(between + pieces)
        at = text.end
    return "(" + "".join(parts) + ")"


def _line_end(source: str, at: int) -> int:
    end = source.find("\n", at)
    return len(source) if end < 0 else end


def _without_generics(source: str) -> str:
    source = _TYPE.sub(r"\1\2", source)
    while match := _GENERIC.search(source):
        depth, at = 0, match.end()
        while at < len(source):
            depth += {"[": 1, "]": -1}.get(source[at], 0)
            at += 1
            if not depth:
                break
        source = source[: match.end()] + source[at:]
    return re.sub(r"(?m)^([ \t]*\w+)[ \t]*\[[^\]\n]*\]([ \t]*=[^=])", r"\1\2", source)
