"""Changes of a source text by place, which leave every other character alone; and its layout as
pycodestyle wants it, which is autopep8's work and taken only where the syntax tree stays as it was.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import autopep8

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
ImportNode = ast.Import | ast.ImportFrom
PlacedNode = ast.stmt | ast.expr | ast.excepthandler | ast.arg

_REST_OF_STATEMENT = re.compile(r"[ \t]*(;[ \t]*|(#[^\n]*)?(\n|$))")
_SEMICOLON_BEFORE = re.compile(r";[ \t]*$")


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
        self.parents: dict[ast.AST, ast.AST] = {}
        for node in self.nodes:
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
        self._lines = source.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def at(self, line: int, column: int) -> int:
        """Offset of a line (from 1) and a column in UTF-8 bytes (from 0), as `ast` counts them."""
        before = self._lines[line - 1].encode()[:column]
        return self._starts[line - 1] + len(before.decode(errors="ignore"))

    def line_start(self, line: int) -> int:
        """Offset of the beginning of a line, from 1."""
        return self._starts[min(line, len(self._starts)) - 1]

    def start(self, node: PlacedNode) -> int:
        """Offset at which a node begins; decorators come before it."""
        return self.at(node.lineno, node.col_offset)

    def end(self, node: PlacedNode) -> int:
        """Offset behind a node."""
        return self.at(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def of(self, node: ast.stmt | ast.expr) -> str:
        """The text of a node."""
        return self.source[self.start(node) : self.end(node)]

    def replaced(self, node: PlacedNode, text: str) -> TextEdit:
        """The edit that puts a text in the place of a node."""
        return TextEdit(self.start(node), self.end(node), text)

    def without(self, statements: Iterable[ast.stmt]) -> list[TextEdit]:
        """Edits that take statements out; a block that loses all of its own gets a `pass`."""
        gone = set(statements)
        edits = []
        for body in _bodies(self.nodes):
            leaving = [node for node in body if node in gone]
            if leaving and len(leaving) == len(body) and body is not self.tree.body:
                first = leaving.pop(0)
                edits.append(TextEdit(self._start_with_decorators(first), self.end(first), "pass"))
            edits += map(self._without, leaving)
        return edits

    def _without(self, node: ast.stmt) -> TextEdit:
        """The edit that takes a statement out, with its line where it stands alone."""
        start = self._start_with_decorators(node)
        end = self.end(node)
        line_start = self.source.rfind("\n", 0, start) + 1
        before = self.source[line_start:start]
        rest = _REST_OF_STATEMENT.match(self.source, end)
        if rest and rest[1].startswith(";"):
            return TextEdit(start, rest.end())
        if rest and not before.strip():
            return TextEdit(line_start, rest.end())
        semicolon = _SEMICOLON_BEFORE.search(before)
        if semicolon:
            return TextEdit(line_start + semicolon.start(), end)
        return TextEdit(start, end, "pass")

    def _start_with_decorators(self, node: ast.stmt) -> int:
        if isinstance(node, FunctionNode | ast.ClassDef) and node.decorator_list:
            return self.source.rindex("@", 0, self.start(node.decorator_list[0]))
        return self.start(node)


def apply_edits(source: str, edits: Iterable[TextEdit]) -> str:
    """The text with these edits made. Of two that overlap the one that begins first is made, and
    the other is not.
    """
    parts = []
    at = 0
    for edit in sorted(set(edits)):
        if edit.start >= at:
            parts += [source[at : edit.start], edit.text]
            at = edit.end
    return "".join(parts) + source[at:]


def text_constant(node: ast.AST) -> ast.Constant | None:
    """The string that a statement consists of, such as a docstring; None for another statement."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return None
    return node.value if isinstance(node.value.value, str) else None


def _bodies(nodes: list[ast.AST]) -> Iterator[list[ast.stmt]]:
    for node in nodes:
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list) and body:
                yield body


SEPARATING_CODES = ("E101", "E401", "E70", "W191")
"""What lets every statement stand on a line of its own."""
LAYOUT_CODES = ("E1", "E2", "E3", "E401", "E70", "W1", "W291", "W293", "W391")
MAX_AUTOPEP8_ROUNDS = 4
"""autopep8 does not always come to an end in one."""


def separate_statements(source: str) -> str:
    """The file with every statement on a line of its own."""
    return _repeat_autopep8(_move_bodies_below(source), SEPARATING_CODES)


def tidy_layout(source: str) -> str:
    """The file with the blank lines, spaces and indentation that pycodestyle wants."""
    return _repeat_autopep8(source, LAYOUT_CODES)


def simplify_comment_headings(source: str) -> str:
    """The file with `### like this ###` on lines of their own as `# like this`: autopep8 leaves
    such frames alone.
    """
    text = SourceText(source)
    edits = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        heading = token.string.strip("#").strip()
        stands_alone = not token.line[: token.start[1]].strip()
        is_framed = token.type == tokenize.COMMENT and token.string.startswith("##")
        if is_framed and heading and stands_alone:
            start = text.line_start(token.start[0]) + token.start[1]
            edits.append(TextEdit(start, start + len(token.string), f"# {heading}"))
    return apply_edits(source, edits)


def is_same_program(first: str, second: str) -> bool:
    """Whether two texts have equal syntax trees, apart from one import statement standing for
    several.
    """
    try:
        return _shape_of(first) == _shape_of(second)
    except (SyntaxError, ValueError, RecursionError):
        return False


def _repeat_autopep8(source: str, codes: tuple[str, ...]) -> str:
    for _ in range(MAX_AUTOPEP8_ROUNDS):
        changed = _run_autopep8(source, codes)
        if changed == source or not is_same_program(source, changed):
            break
        source = changed
    return source


def _run_autopep8(source: str, codes: tuple[str, ...]) -> str:
    options: dict[str, Any] = {"select": list(codes), "max_line_length": 10_000, "ignore": ["E999"]}
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(autopep8.fix_code(source, options=options))


def _move_bodies_below(source: str) -> str:
    """`def f(): return 1` on two lines, which autopep8 leaves on one."""
    try:
        text = SourceText(source)
    except (SyntaxError, ValueError):
        return source
    edits = []
    for node in text.nodes:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        indent = source[text.line_start(node.lineno) : text.start(node)]
        if node.body[0].lineno == node.lineno and not indent.strip():
            start = text.start(node.body[0])
            end_of_head = len(source[:start].rstrip(" \t"))
            edits.append(TextEdit(end_of_head, start, f"\n{indent}    "))
    return apply_edits(source, edits)


def _shape_of(source: str) -> str:
    """The syntax tree as text, with a statement for each imported module, and docstrings without
    their indentation, as they move with their function.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    for node in ast.walk(tree):
        constant = text_constant(node)
        if constant is not None:
            constant.value = " ".join(str(constant.value).split())
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = _with_single_imports(body)  # type: ignore[attr-defined]
    return ast.dump(tree)


def _with_single_imports(body: list[ast.stmt]) -> list[ast.stmt]:
    statements: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.Import):
            statements += [ast.Import([alias]) for alias in node.names]
        else:
            statements.append(node)
    return statements
