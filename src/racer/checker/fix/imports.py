"""Imports set right, and forbidden words replaced."""

from __future__ import annotations

import ast
import importlib
import io
import re
import tokenize

from racer.checker.fix.edits import (
    FunctionNode,
    ImportNode,
    SourceText,
    TextEdit,
    apply_edits,
    text_constant,
)
from racer.checker.fix.expressions import rename_symbol
from racer.checker.validators import ALLOWED_IMPORTS, REFUSED_WORDS, flake8_remarks

_LONGEST_FIRST = sorted(map(re.escape, REFUSED_WORDS), key=len, reverse=True)
FORBIDDEN_WORDS = re.compile("|".join(_LONGEST_FIRST))
WORD_SUBSTITUTES = {
    "load": "read",
    "loads": "reads",
    "loaded": "read",
    "save": "keep",
    "saves": "keeps",
    "saved": "kept",
    "Load": "Read",
    "Save": "Keep",
}
"""Whole words that have a plain substitute; every other one gets a hyphen."""
NAME_SUBSTITUTES = {"load": "read", "save": "keep"}
"""Parts of names that have a substitute; every other one is turned around."""

DocumentedNode = ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef


def move_imports_to_top(source: str) -> str:
    """Imports that run late, in a function or below other code, become the last of the imports at
    the top.

    One inside a `try` stays, and so does one whose name the file binds to something else as well.
    """
    text = SourceText(source)
    late: list[ImportNode] = []
    for node in text.nodes:
        if isinstance(node, ImportNode) and _is_late(text, node) and not _is_ambiguous(text, node):
            late.append(node)
    if not late:
        return source
    at_top = set()
    for statement in text.tree.body:
        if isinstance(statement, ImportNode) and statement not in late:
            at_top.add(ast.unparse(statement))
    lines = dict.fromkeys(ast.unparse(node) for node in late)
    added = "".join(f"{line}\n" for line in lines if line not in at_top)
    place = _place_for_imports(text, late)
    return apply_edits(source, [*text.without(late), TextEdit(place, place, added)])


def spell_out_star_imports(source: str) -> str:
    """`from math import *` becomes `from math import sqrt`, with the names that the file uses."""
    text = SourceText(source)
    used = {remark.argument for remark in flake8_remarks(source) if remark.code == "F405"}
    edits = []
    for node in text.nodes:
        if not isinstance(node, ast.ImportFrom) or not _is_star(node):
            continue
        offered = _offered_names(node.module or "")
        if offered is None:
            return source
        names = sorted(used & offered)
        used -= offered
        if names:
            edits.append(text.replaced(node, f"from {node.module} import {', '.join(names)}"))
        else:
            edits += text.without([node])
    return apply_edits(source, edits)


def remove_unused_imports(source: str) -> str:
    """The file without the imports that it does not use, and without repeated ones."""
    remarks = flake8_remarks(source)
    unused = [(remark.line, remark.argument) for remark in remarks if remark.code == "F401"]
    repeated = [(remark.line, remark.argument) for remark in remarks if remark.code == "F811"]
    text = SourceText(source)
    edits: list[TextEdit] = []
    for node in text.nodes:
        if not isinstance(node, ImportNode):
            continue
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        unused_here = {name for line, name in unused if line in lines}
        repeated_here = set()
        if _stands_above(text, node):
            repeated_here = {name for line, name in repeated if line in lines}
        kept = []
        for alias in node.names:
            if _name_in_pyflakes(node, alias) in unused_here:
                continue
            if _bound_name(alias) not in repeated_here:
                kept.append(alias)
        if not kept:
            edits += text.without([node])
        elif len(kept) < len(node.names):
            node.names = kept
            edits.append(text.replaced(node, ast.unparse(node)))
    return apply_edits(source, edits)


def _name_in_pyflakes(node: ImportNode, alias: ast.alias) -> str:
    """How pyflakes names what an import binds."""
    if isinstance(node, ast.Import):
        return f"{alias.name} as {alias.asname}" if alias.asname else alias.name
    name = f"{'.' * node.level}{node.module or ''}.{alias.name}"
    if alias.asname and alias.asname != alias.name:
        return f"{name} as {alias.asname}"
    return name


def _bound_name(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _stands_above(text: SourceText, node: ImportNode) -> bool:
    """Whether an equal import stands above, at the top level."""
    above = set()
    for statement in text.tree.body:
        if isinstance(statement, ImportNode) and statement.lineno < node.lineno:
            above.add(ast.unparse(statement))
    return ast.unparse(node) in above


def _is_late(text: SourceText, node: ImportNode) -> bool:
    """Whether an import stands in a function, or below other code, and may stand at the top."""
    if isinstance(node, ast.ImportFrom) and _must_stay(node):
        return False
    outer = _nodes_around(text, node)
    if any(isinstance(parent, ast.Try) for parent in outer):
        return False
    if any(isinstance(parent, FunctionNode) for parent in outer):
        return all(name.partition(".")[0] in ALLOWED_IMPORTS for name in _modules(node))
    body = text.tree.body
    return node in body and body.index(node) > _last_leading_statement(body)


def _must_stay(node: ast.ImportFrom) -> bool:
    """Whether an import means something else at another place."""
    return _is_star(node) or node.level > 0 or node.module == "__future__"


def _nodes_around(text: SourceText, node: ast.AST) -> list[ast.AST]:
    """The nodes that a node is in, from the innermost on, without the module."""
    nodes = []
    parent = text.parents.get(node)
    while parent is not None and not isinstance(parent, ast.Module):
        nodes.append(parent)
        parent = text.parents.get(parent)
    return nodes


def _modules(node: ImportNode) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""]


def _last_leading_statement(body: list[ast.stmt]) -> int:
    """Index of the last statement of the block of docstring and imports at the top, -1 without one."""
    last = -1
    for k, node in enumerate(body):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not isinstance(node, ImportNode) and not is_text:
            break
        last = k
    return last


def _place_for_imports(text: SourceText, late: list[ImportNode]) -> int:
    """Offset at which imports are added: behind the first ones, else above the first statement."""
    body = [node for node in text.tree.body if node not in late]
    last = _last_leading_statement(body)
    if last >= 0:
        if "\n" not in text.source:
            return len(text.source)
        return text.line_start((body[last].end_lineno or 0) + 1)
    if not body:
        return 0
    first = body[0]
    decorators = getattr(first, "decorator_list", [])
    return text.line_start(min(node.lineno for node in [first, *decorators]))


def _is_ambiguous(text: SourceText, node: ImportNode) -> bool:
    """Whether a name of this import means something else elsewhere in the file."""
    own = dict(_meanings(node))
    for other in text.nodes:
        if isinstance(other, ImportNode):
            for name, meaning in _meanings(other):
                if own.get(name, meaning) != meaning:
                    return True
        elif own.keys() & _names_bound_by(other):
            return True
    return False


def _meanings(node: ImportNode) -> list[tuple[str, str]]:
    """Each name that an import binds, and what it stands for."""
    meanings = []
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            meaning = f"{node.module}.{alias.name}"
        else:
            meaning = alias.name if alias.asname else alias.name.partition(".")[0]
        meanings.append((_bound_name(alias), meaning))
    return meanings


def _names_bound_by(node: ast.AST) -> set[str]:
    """Names that a node gives a meaning to, other than imports."""
    if isinstance(node, ast.Name):
        return set() if isinstance(node.ctx, ast.Load) else {node.id}
    if isinstance(node, ast.arg):
        return {node.arg}
    return {node.name} if isinstance(node, ast.FunctionDef | ast.ClassDef) else set()


def _is_star(node: ast.ImportFrom) -> bool:
    return node.names[0].name == "*"


def _offered_names(module: str) -> set[str] | None:
    """What `from module import *` brings, None for modules that are not to be imported to find out."""
    if module.partition(".")[0] not in ALLOWED_IMPORTS or not re.fullmatch(r"[\w.]+", module):
        return None
    try:
        imported = importlib.import_module(module)
    except ImportError:
        return None
    public = [name for name in vars(imported) if not name.startswith("_")]
    return set(getattr(imported, "__all__", public))


def replace_forbidden_words(source: str) -> str:
    """The file without forbidden words in its comments, docstrings and own names, as far as that
    goes.
    """
    if not FORBIDDEN_WORDS.search(source):
        return source
    source = _replace_in_comments(_replace_in_docstrings(source))
    for name in sorted(_own_names(SourceText(source))):
        if FORBIDDEN_WORDS.search(name):
            source = rename_symbol(source, name, FORBIDDEN_WORDS.sub(_name_substitute, name))
    return source


def _replace_in_docstrings(source: str) -> str:
    text = SourceText(source)
    edits = []
    for node in text.nodes:
        if not isinstance(node, DocumentedNode) or not node.body:
            continue
        docstring = text_constant(node.body[0])
        if docstring is not None:
            edits.append(text.replaced(docstring, _substitute_words(text.of(docstring))))
    return apply_edits(source, edits)


def _replace_in_comments(source: str) -> str:
    text = SourceText(source)
    edits = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            start = text.line_start(token.start[0]) + token.start[1]
            comment = _substitute_words(token.string)
            edits.append(TextEdit(start, start + len(token.string), comment))
    return apply_edits(source, edits)


def _substitute_words(text: str) -> str:
    """A text with other words in the place of forbidden ones."""
    return re.sub(r"\w+", _word_substitute, text)


def _word_substitute(word: re.Match[str]) -> str:
    if word[0] in WORD_SUBSTITUTES:
        return WORD_SUBSTITUTES[word[0]]
    return FORBIDDEN_WORDS.sub(lambda part: f"{part[0][:2]}-{part[0][2:]}", word[0])


def _name_substitute(word: re.Match[str]) -> str:
    return NAME_SUBSTITUTES.get(word[0], word[0][::-1])


def _own_names(text: SourceText) -> set[str]:
    """Names that the file itself defines."""
    names = set()
    for node in text.nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names
