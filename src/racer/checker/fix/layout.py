"""Layout as pycodestyle wants it: autopep8's work, taken only where the syntax tree stays the same."""

from __future__ import annotations

import ast
import contextlib
import io
import tokenize
import warnings
from typing import Any

import autopep8

from racer.checker.fix.edits import SourceText, TextEdit, apply_edits

SEPARATING_CODES = (
    "E101",
    "E401",
    "E70",
    "W191",
)  # what lets every statement stand on a line of its own
LAYOUT_CODES = ("E1", "E2", "E3", "E401", "E70", "W1", "W291", "W293", "W391")
MAX_AUTOPEP8_ROUNDS = 4  # autopep8 does not always come to an end in one


def separate_statements(source: str) -> str:
    """The file with every statement on a line of its own."""
    return _settled(_below(source), SEPARATING_CODES)


def tidy_layout(source: str) -> str:
    """The file with the blank lines, spaces and indentation that pycodestyle wants."""
    return _settled(source, LAYOUT_CODES)


def simplify_comment_headings(source: str) -> str:
    """The file with `### like this ###` on lines of their own as `# like this`: autopep8 leaves
    such frames alone.
    """
    text, edits = SourceText(source), []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        words = token.string.strip("#").strip()
        is_alone = not token.line[: token.start[1]].strip()
        if token.type == tokenize.COMMENT and token.string.startswith("##") and words and is_alone:
            start = text.line_start(token.start[0]) + token.start[1]
            edits.append(TextEdit(start, start + len(token.string), f"# {words}"))
    return apply_edits(source, edits)


def _settled(source: str, codes: tuple[str, ...]) -> str:
    for _ in range(MAX_AUTOPEP8_ROUNDS):
        changed = _autopep8(source, codes)
        if changed == source or not is_same_program(source, changed):
            break
        source = changed
    return source


def _below(source: str) -> str:
    """`def f(): return 1` on two lines, which autopep8 leaves on one."""
    try:
        text = SourceText(source)
    except (SyntaxError, ValueError):
        return source
    edits = []
    for node in text.nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.body[0].lineno == node.lineno:
            start = text.start(node.body[0])
            indent = source[text.line_start(node.lineno) : text.start(node)]
            if not indent.strip():
                edits.append(TextEdit(len(source[:start].rstrip(" \t")), start, f"\n{indent}    "))
    return apply_edits(source, edits)


def _autopep8(source: str, codes: tuple[str, ...]) -> str:
    options: dict[str, Any] = {"select": list(codes), "max_line_length": 10_000, "ignore": ["E999"]}
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(autopep8.fix_code(source, options=options))


def is_same_program(one: str, other: str) -> bool:
    """Whether two texts have the same syntax tree, apart from one import statement standing for
    several.
    """
    try:
        return _shape(one) == _shape(other)
    except (SyntaxError, ValueError, RecursionError):
        return False


def _shape(source: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            # a docstring moves with its function
            node.value.value = " ".join(node.value.value.split())
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for statement in body for part in _split(statement)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _split(node: ast.stmt) -> list[ast.stmt]:
    return [ast.Import([alias]) for alias in node.names] if isinstance(node, ast.Import) else [node]
