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
from functools import cached_property
from typing import Any

import autopep8

from racer.checker.validators import flake8_remarks

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
ImportNode = ast.Import | ast.ImportFrom
PlacedNode = ast.stmt | ast.expr | ast.excepthandler | ast.arg

_REST_OF_STATEMENT = re.compile(r"[ \t]*(;[ \t]*|(#[^\n]*)?(\n|$))")
_SEMICOLON_BEFORE = re.compile(r";[ \t]*$")

SEPARATING_CODES = ("E101", "E401", "E70", "W191")
"""What lets every statement stand on a line of its own."""
LAYOUT_CODES = ("E1", "E2", "E3", "E401", "E70", "W1", "W291", "W293", "W391")
MAX_AUTOPEP8_ROUNDS = 4
"""autopep8 does not always come to an end in one."""
MAX_AUTOPEP8_PASSES = 20
"""In a round. Each reads the whole file again."""
INDENT = 4
OPENING = frozenset("([{")
CLOSING = frozenset(")]}")
SILENT_TOKENS = {
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


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
        for body in self._bodies:
            leaving = [node for node in body if node in gone]
            if leaving and len(leaving) == len(body) and body is not self.tree.body:
                first = leaving.pop(0)
                edits.append(TextEdit(self._start_with_decorators(first), self.end(first), "pass"))
            edits += map(self._without, leaving)
        return edits

    @cached_property
    def _bodies(self) -> list[list[ast.stmt]]:
        return list(_bodies(self.nodes))

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


def separate_statements(source: str) -> str:
    """The file with every statement on a line of its own."""
    return _repeat_autopep8(_move_bodies_below(source), SEPARATING_CODES)


def tidy_layout(source: str) -> str:
    """The file with the blank lines, spaces and indentation that pycodestyle wants."""
    return _repeat_autopep8(align_continuations(space_commas(source)), LAYOUT_CODES)


def space_commas(source: str) -> str:
    """The file with spaces behind commas and none before them or inside brackets, where pycodestyle
    objects (E20, E231).

    autopep8 does that too, one place of a statement in each of its passes.
    """
    lines = source.split("\n")
    for remark in sorted(flake8_remarks(source), key=lambda one: (one.line, -one.column)):
        if remark.code not in ("E201", "E202", "E203", "E231"):
            continue
        line = lines[remark.line - 1]
        before, behind = line[: remark.column - 1], line[remark.column - 1 :]
        if remark.code == "E231" and behind[:1] in (",", ";", ":"):
            lines[remark.line - 1] = f"{before}{behind[0]} {behind[1:]}"
        elif remark.code != "E231" and before.strip():
            lines[remark.line - 1] = before + behind.lstrip(" \t")
    changed = "\n".join(lines)
    return changed if is_same_program(source, changed) else source


def align_continuations(source: str) -> str:
    """The file with continued lines under what they belong to, where pycodestyle objects (E12, E13).

    autopep8 does that too, a line of a statement in each of its passes: hours for a long table.
    """
    remarks = flake8_remarks(source)
    objected = {remark.line for remark in remarks if remark.code.startswith(("E12", "E13"))}
    if not objected:
        return source
    lines = source.split("\n")
    for indents in _continuation_indents(source):
        if objected.isdisjoint(indents):
            continue
        for row, indent in indents.items():
            lines[row - 1] = " " * indent + lines[row - 1].lstrip(" \t\f")
    changed = "\n".join(lines)
    return changed if is_same_program(source, changed) else source


@dataclass
class _Bracket:
    """An open bracket: the indentation of its line, and the column of what follows it there."""

    indent: int
    visual: int | None = None
    is_hanging: bool = False


def _continuation_indents(source: str) -> Iterator[dict[int, int]]:
    """For each statement the indentation that its continued lines should have, by line."""
    open_brackets: list[_Bracket] = []
    indents: dict[int, int] = {}
    row = shift = indent = 0
    last_row = 0  # of the token before
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NEWLINE:
            yield indents
            open_brackets, indents = [], {}
        if token.type == tokenize.NL and open_brackets and open_brackets[-1].visual is None:
            open_brackets[-1].is_hanging = True
        if token.type in SILENT_TOKENS:
            continue
        if token.start[0] != row:
            row, shift, indent = token.start[0], 0, token.start[1]
            if open_brackets and row != last_row:  # not behind the end of a long string
                indent = _wanted_indent(open_brackets[-1], token.string in CLOSING)
                shift = indent - token.start[1]
                indents[row] = indent
        last_row = token.end[0]
        top = open_brackets[-1] if open_brackets else None
        is_text = token.type != tokenize.COMMENT and token.string not in CLOSING
        if top is not None and top.visual is None and not top.is_hanging and is_text:
            top.visual = token.start[1] + shift
        if token.type == tokenize.OP and token.string in OPENING:
            open_brackets.append(_Bracket(indent))
        elif token.type == tokenize.OP and token.string in CLOSING and open_brackets:
            open_brackets.pop()


def _wanted_indent(bracket: _Bracket, is_closing: bool) -> int:
    """The indentation of a line inside a bracket."""
    if is_closing:
        return bracket.indent
    return bracket.indent + INDENT if bracket.visual is None else bracket.visual


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
    options: dict[str, Any] = {
        "select": list(codes),
        "max_line_length": 10_000,
        "ignore": ["E999"],
        "pep8_passes": MAX_AUTOPEP8_PASSES,
    }
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
