"""What the validators read in a file before they run it: length, imports, builtins, words, and their
own blind spot.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

MAX_SOURCE_CHARS = 140_000
ALLOWED_IMPORTS = ("math", "random", "numpy", "scipy", "shapely")
REFUSED_BUILTINS = ("open", "exec", "eval", "compile", "input")
REFUSED_WORDS = (
    "__import__",
    "load",
    "fromfile",
    "genfromtxt",
    "loadtxt",
    "tofile",
    "savez",
    "save",
    "savetxt",
    "memmap",
)


@dataclass(frozen=True)
class SourceSpot:
    """A name in a source text that a validator refuses, and its place (both from 1)."""

    name: str
    line: int
    column: int


def foreign_imports(tree: ast.Module) -> list[SourceSpot]:
    """Imports of modules that are not allowed, wherever they stand."""
    spots = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        else:
            continue
        for name in names:
            if name.partition(".")[0] not in ALLOWED_IMPORTS:
                spots.append(SourceSpot(name, node.lineno, node.col_offset + 1))
    return spots


def forbidden_builtins(tree: ast.Module) -> list[SourceSpot]:
    """Calls of builtins that are not allowed, as far as the validators see them: not in the
    arguments by name.
    """
    return [spot for spot in _visited_names(tree) if spot.name in REFUSED_BUILTINS]


def unreadable_calls(tree: ast.Module) -> list[SourceSpot]:
    """What stops the validators' own reading: a call or an attribute of what is neither a name nor
    a call.

    Their search for builtins follows `a.b(c).d` from name to name and fails at the first `a[0].b`
    or `"a".join`.
    """
    return [spot for spot in _visited_names(tree) if not spot.name][:1]


def forbidden_words(source: str) -> list[SourceSpot]:
    """Each forbidden word that stands anywhere in the text, comments and other words included, at
    its first place.
    """
    spots = []
    for word in REFUSED_WORDS:
        at = source.find(word)
        if at >= 0:
            line = source.count("\n", 0, at) + 1
            column = at - source.rfind("\n", 0, at)
            spots.append(SourceSpot(word, line, column))
    return spots


def _visited_names(tree: ast.Module) -> list[SourceSpot]:
    """The dotted names of all calls and attributes that the validators' search visits; empty names
    where it fails.
    """
    try:
        return _visit(tree)
    except RecursionError:  # which ends the validators' search, too
        return [SourceSpot("", 1, 1)]


def _visit(node: object) -> list[SourceSpot]:
    if isinstance(node, ast.Call | ast.Attribute):
        spots: list[SourceSpot] = []
        name = _follow_chain(node, spots)
        return [*spots, SourceSpot(name or "", node.lineno, node.col_offset + 1)]
    if not isinstance(node, ast.AST):
        return []
    spots = []
    for name in node._fields:
        value = getattr(node, name, None)
        for child in value if isinstance(value, list) else [value]:
            spots += _visit(child)
    return spots


def _follow_chain(node: ast.expr, spots: list[SourceSpot]) -> str | None:
    """`a.b.c` of `a.b(...).c`; the spots in the arguments on the way are added to `spots`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call):
        for argument in node.args:
            spots += _visit(argument)
        return _follow_chain(node.func, spots)
    if isinstance(node, ast.Attribute):
        owner = _follow_chain(node.value, spots)
        return f"{owner}.{node.attr}" if owner else owner
    return None
