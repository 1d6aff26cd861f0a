"""Changes of a source text by place, which leave every other character alone."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class TextEdit:
    """What stands from `start` to `end` (offsets) is replaced by `text`."""

    start: int
    end: int
    text: str = ""


class SourceText:
    """A source text with its syntax tree, and where the nodes stand in it."""

    def __init__(self, source: str) -> None:
        self.source = source
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.tree = ast.parse(source)
        self.nodes = list(ast.walk(self.tree))
        self.parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}
        self._lines = source.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def at(self, line: int, column: int) -> int:
        """Offset of a line (from 1) and a column in UTF-8 bytes (from 0), as `ast` counts them."""
        return self._starts[line - 1] + len(
            self._lines[line - 1].encode()[:column].decode(errors="ignore")
        )

    def line_start(self, line: int) -> int:
        """Offset of the beginning of a line, from 1."""
        return self._starts[min(line, len(self._starts)) - 1]

    def start(self, node: ast.stmt | ast.expr | ast.excepthandler | ast.arg) -> int:
        """Offset at which a node begins; decorators come before it."""
        return self.at(node.lineno, node.col_offset)

    def end(self, node: ast.stmt | ast.expr | ast.excepthandler | ast.arg) -> int:
        """Offset behind a node."""
        return self.at(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def of(self, node: ast.stmt | ast.expr) -> str:
        """The text of a node."""
        return self.source[self.start(node) : self.end(node)]

    def without(self, statements: Iterable[ast.stmt]) -> list[TextEdit]:
        """Edits that take statements out; a block that loses all of its own gets a `pass`."""
        gone = set(statements)
        edits = []
        for body in _bodies(self.nodes):
            leaving = [node for node in body if node in gone]
            empties = bool(leaving) and len(leaving) == len(body) and body is not self.tree.body
            for k, node in enumerate(leaving):
                edits.append(self._without(node, "pass" if empties and not k else ""))
        return edits

    def _without(self, node: ast.stmt, instead: str) -> TextEdit:
        start, end = self._first(node), self.end(node)
        if instead:
            return TextEdit(start, end, instead)
        line = self.line_start(
            node.lineno if not _decorators(node) else _decorators(node)[0].lineno
        )
        rest = re.match(r"[ \t]*(;[ \t]*|(#[^\n]*)?(\n|$))", self.source[end:])
        if rest and rest[1].startswith(";"):
            return TextEdit(start, end + rest.end())
        if not self.source[line:start].strip() and rest:
            return TextEdit(line, end + rest.end())
        before = re.search(r";[ \t]*$", self.source[line:start])
        return TextEdit(line + before.start(), end) if before else TextEdit(start, end, "pass")

    def _first(self, node: ast.stmt) -> int:
        decorators = _decorators(node)
        return (
            self.source.rindex("@", 0, self.start(decorators[0]))
            if decorators
            else self.start(node)
        )


def apply_edits(source: str, edits: Iterable[TextEdit]) -> str:
    """The text with these edits made. Of two that overlap the one that begins first is made, and
    the other is not.
    """
    done, at = [], 0
    for edit in sorted(set(edits)):
        if edit.start >= at:
            done += [source[at : edit.start], edit.text]
            at = edit.end
    return "".join(done) + source[at:]


def _decorators(node: ast.stmt) -> list[ast.expr]:
    return (
        node.decorator_list
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        else []
    )


def _bodies(nodes: list[ast.AST]) -> Iterator[list[ast.stmt]]:
    for node in nodes:
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list) and body:
                yield body
