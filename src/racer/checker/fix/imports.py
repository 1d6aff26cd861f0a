"""Imports set right: moved to the top, stars spelled out, unused ones taken out."""

from __future__ import annotations

import ast
import importlib
import re

from racer.checker.fix.edits import SourceText, TextEdit, apply_edits
from racer.checker.validators.source import ALLOWED_IMPORTS
from racer.checker.validators.style import flake8_remarks

Import = ast.Import | ast.ImportFrom


def move_imports_to_top(source: str) -> str:
    """Imports that run late, in a function or below other code, become the last of the imports at
    the top.

    One inside a `try` stays, and so does one whose name the file binds to something else as well.
    """
    text = SourceText(source)
    late = [node for node in text.nodes if isinstance(node, Import) and _is_late(text, node)]
    late = [node for node in late if not _is_ambiguous(text, node)]
    if not late:
        return source
    lines = list(dict.fromkeys(ast.unparse(node) for node in late))
    there = {
        ast.unparse(node)
        for node in text.tree.body
        if isinstance(node, Import) and node not in late
    }
    added = "".join(f"{line}\n" for line in lines if line not in there)
    place = _place(text, late)
    return apply_edits(source, [*text.without(late), TextEdit(place, place, added)])


def spell_out_star_imports(source: str) -> str:
    """`from math import *` becomes `from math import sqrt`, with the names that the file uses."""
    text = SourceText(source)
    wanted = {remark.argument for remark in flake8_remarks(source) if remark.code == "F405"}
    edits = []
    for node in [node for node in text.nodes if _is_star(node)]:
        assert isinstance(node, ast.ImportFrom)
        offered = _offered(node.module or "")
        if offered is None:
            return source
        names = sorted(wanted & offered)
        wanted -= offered
        edits += (
            [
                TextEdit(
                    text.start(node),
                    text.end(node),
                    f"from {node.module} import {', '.join(names)}",
                )
            ]
            if names
            else []
        )
        edits += [] if names else text.without([node])
    return apply_edits(source, edits)


def remove_unused_imports(source: str) -> str:
    """The file without the imports that it does not use, and without repeated ones."""
    unused = [(r.line, r.argument) for r in flake8_remarks(source) if r.code == "F401"]
    again = [(r.line, r.argument) for r in flake8_remarks(source) if r.code == "F811"]
    text = SourceText(source)
    edits: list[TextEdit] = []
    for node in [node for node in text.nodes if isinstance(node, Import)]:
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        said = {name for line, name in unused if line in lines}
        twice = {name for line, name in again if line in lines}
        kept = [
            a
            for a in node.names
            if _shown(node, a) not in said and not (_bound(a) in twice and _repeats(text, node))
        ]
        if kept and len(kept) < len(node.names):
            node.names = kept
            edits.append(TextEdit(text.start(node), text.end(node), ast.unparse(node)))
        elif not kept:
            edits += text.without([node])
    return apply_edits(source, edits)


def _shown(node: Import, alias: ast.alias) -> str:
    """How pyflakes names what an import binds."""
    name = (
        alias.name
        if isinstance(node, ast.Import)
        else f"{'.' * node.level}{node.module or ''}.{alias.name}"
    )
    renamed = alias.asname and alias.asname != alias.name.rpartition(".")[2]
    return (
        f"{name} as {alias.asname}"
        if renamed or (alias.asname and isinstance(node, ast.Import))
        else name
    )


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _repeats(text: SourceText, node: Import) -> bool:
    """Whether the same import stands above, in the same block or at the top."""
    said = {
        ast.unparse(other)
        for other in text.tree.body
        if isinstance(other, Import) and other.lineno < node.lineno
    }
    return ast.unparse(node) in said


def _is_late(text: SourceText, node: Import) -> bool:
    if _is_star(node) or (
        isinstance(node, ast.ImportFrom) and (node.level or node.module == "__future__")
    ):
        return False
    inside, at = False, text.parents.get(node)
    while at is not None and not isinstance(at, ast.Module):
        if isinstance(at, ast.Try):
            return False
        inside |= isinstance(at, ast.FunctionDef | ast.AsyncFunctionDef)
        at = text.parents.get(at)
    if inside:
        return all(name.partition(".")[0] in ALLOWED_IMPORTS for name in _modules(node))
    return node in text.tree.body and text.tree.body.index(node) > _leading(text.tree)


def _modules(node: Import) -> list[str]:
    return (
        [alias.name for alias in node.names]
        if isinstance(node, ast.Import)
        else [node.module or ""]
    )


def _leading(tree: ast.Module) -> int:
    """Index of the last statement of the block of docstring and imports at the top, -1 without one."""
    last = -1
    for k, node in enumerate(tree.body):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not isinstance(node, Import) and not is_text:
            break
        last = k
    return last


def _place(text: SourceText, late: list[Import]) -> int:
    """Offset at which imports are added: behind the first ones, else above the first statement."""
    body = [node for node in text.tree.body if node not in late]
    last = _leading(ast.Module(body, []))
    if last >= 0:
        return (
            text.line_start((body[last].end_lineno or 0) + 1)
            if text.source.count("\n")
            else len(text.source)
        )
    if not body:
        return 0
    first = body[0]
    decorators = getattr(first, "decorator_list", [])
    return text.line_start(min([first.lineno, *(one.lineno for one in decorators)]))


def _is_ambiguous(text: SourceText, node: Import) -> bool:
    """Whether a name of this import means something else elsewhere in the file."""
    own = {_bound(alias): _target(node, alias) for alias in node.names}
    for other in text.nodes:
        if isinstance(other, Import):
            if any(own.get(_bound(a), _target(other, a)) != _target(other, a) for a in other.names):
                return True
        elif own.keys() & _binds(other):
            return True
    return False


def _binds(node: ast.AST) -> set[str]:
    """Names that a node gives a meaning to, other than imports."""
    if isinstance(node, ast.Name):
        return set() if isinstance(node.ctx, ast.Load) else {node.id}
    if isinstance(node, ast.arg):
        return {node.arg}
    return {node.name} if isinstance(node, ast.FunctionDef | ast.ClassDef) else set()


def _target(node: Import, alias: ast.alias) -> str:
    if isinstance(node, ast.Import):
        return alias.name if alias.asname else alias.name.partition(".")[0]
    return f"{node.module}.{alias.name}"


def _is_star(node: ast.AST) -> bool:
    return isinstance(node, ast.ImportFrom) and node.names[0].name == "*"


def _offered(module: str) -> set[str] | None:
    """What `from module import *` brings, None for modules that are not to be imported to find out."""
    if module.partition(".")[0] not in ALLOWED_IMPORTS or not re.fullmatch(r"[\w.]+", module):
        return None
    try:
        found = importlib.import_module(module)
    except ImportError:
        return None
    return set(
        getattr(found, "__all__", [name for name in vars(found) if not name.startswith("_")])
    )
