"""What the validators read in a file before they run it: length, imports, builtins, words, and
their own blind spot.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

MAX_SOURCE_CHARS = 140_000  # characters
ALLOWED_IMPORTS = ("math", "random", "numpy", "scipy", "shapely")
REFUSED_BUILTINS = ("open", "exec", "eval", "compile", "input")
REFUSED_WORDS = (
    "__import__", "load", "fromfile", "genfromtxt", "loadtxt", "tofile", "savez", "save", "savetxt", "memmap",
)  # fmt: skip


@dataclass(frozen=True)
class SourceSpot:
    """Something in a source text that a validator refuses: the thing, and its place (both from 1)."""

    what: str
    line: int
    column: int


def foreign_imports(tree: ast.Module) -> list[SourceSpot]:
    """Imports of modules that are not allowed, wherever they stand."""
    return [spot for spot, top in _imports(tree) if top not in ALLOWED_IMPORTS]


def late_imports(tree: ast.Module) -> list[SourceSpot]:
    """Imports inside functions, which run with importing switched off."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    spots = {spot.line: spot for function in functions for spot, _ in _imports(function)}
    return [spots[line] for line in sorted(spots)]


def forbidden_builtins(tree: ast.Module) -> list[SourceSpot]:
    """Calls of builtins that are not allowed, as far as the validators see them: not in the
    arguments by name.
    """
    return [spot for spot in _searched(tree) if spot.what in REFUSED_BUILTINS]


def unreadable_calls(tree: ast.Module) -> list[SourceSpot]:
    """What stops the validators' own reading: a call or an attribute of what is neither a name nor
    a call.

    Their search for builtins follows `a.b(c).d` from name to name and fails at the first `a[0].b`
    or `"a".join`.
    """
    return [spot for spot in _searched(tree) if not spot.what][:1]


def forbidden_words(source: str) -> list[SourceSpot]:
    """Each forbidden word that stands anywhere in the text, comments and other words included, at
    its first place.
    """
    found = []
    for word in REFUSED_WORDS:
        at = source.find(word)
        if at >= 0:
            found.append(
                SourceSpot(word, source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at))
            )
    return found


def _imports(tree: ast.AST) -> Iterator[tuple[SourceSpot, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        else:
            continue
        for name in names:
            yield SourceSpot(name, node.lineno, node.col_offset + 1), name.partition(".")[0]


def _searched(tree: ast.Module) -> list[SourceSpot]:
    try:
        return _chains(tree)
    except RecursionError:  # which ends the validators' search, too
        return [SourceSpot("", 1, 1)]


def _chains(node: object) -> list[SourceSpot]:
    """The dotted names of all calls and attributes that the validators' search visits; empty names
    where it fails.
    """
    if isinstance(node, ast.Call | ast.Attribute):
        spots: list[SourceSpot] = []
        name = _chain(node, spots)
        return [*spots, SourceSpot(name or "", node.lineno, node.col_offset + 1)]
    if not isinstance(node, ast.AST):
        return []
    children = [child for name in node._fields for child in _listed(getattr(node, name, None))]
    return [spot for child in children for spot in _chains(child)]


def _chain(node: ast.expr, spots: list[SourceSpot]) -> str | None:
    """`a.b.c` of `a.b(...).c`; the spots in the arguments on the way are added to `spots`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call):
        spots += [spot for argument in node.args for spot in _chains(argument)]
        return _chain(node.func, spots)
    if isinstance(node, ast.Attribute):
        before = _chain(node.value, spots)
        return before and f"{before}.{node.attr}"
    return None


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
