"""Layout as pycodestyle wants it: autopep8's work, taken only where the syntax tree stays as it was."""

from __future__ import annotations

import ast
import contextlib
import io
import tokenize
import warnings
from typing import Any

import autopep8

from racer.checker.fix.edits import SourceText, TextEdit, apply_edits, text_constant

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
