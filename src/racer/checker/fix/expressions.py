"""Expressions set right without changing what they mean: comparisons, bare excepts, empty
f-strings, results.
"""

from __future__ import annotations

import ast
import itertools
import re

from racer.checker.fix.edits import SourceText, TextEdit, apply_edits
from racer.checker.validators.style import flake8_remarks

BOOLEAN_KEYS = {
    "all_wheels_on_track",
    "is_left_of_center",
    "is_reversed",
    "is_offtrack",
    "is_crashed",
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def rewrite_comparisons(source: str) -> str:
    """`x == None` is written `x is None`, `x == True` as `x is True` or `x == 1`, which are alike;
    so with types.
    """
    lines = {
        remark.line for remark in flake8_remarks(source) if remark.code in ("E711", "E712", "E721")
    }
    text = SourceText(source)
    known = _bools(text)
    edits: list[TextEdit] = []
    for node in text.nodes:
        if isinstance(node, ast.Compare) and lines & set(
            range(node.lineno, (node.end_lineno or 0) + 1)
        ):
            sides = [node.left, *node.comparators]
            for (left, right), operator in zip(itertools.pairwise(sides), node.ops, strict=True):
                edits += _comparison(text, left, operator, right, known)
    return apply_edits(source, edits)


def rewrite_negations(source: str) -> str:
    """`not x in y` is written `x not in y`, and `not x is y` as `x is not y`."""
    text = SourceText(source)
    edits: list[TextEdit] = []
    for node in text.nodes:
        inner = (
            node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) else None
        )
        if (
            not isinstance(inner, ast.Compare)
            or len(inner.ops) != 1
            or not isinstance(inner.ops[0], ast.In | ast.Is)
        ):
            continue
        assert isinstance(node, ast.UnaryOp)
        if source[text.start(node) + 3 : text.start(inner)].strip():
            continue  # brackets: `not (x in y)` is fine as it is
        word, better = ("in", "not in") if isinstance(inner.ops[0], ast.In) else ("is", "is not")
        place = _operator(text, inner.left, inner.comparators[0], word)
        if place:
            edits += [TextEdit(text.start(node), text.start(inner)), TextEdit(*place, better)]
    return apply_edits(source, edits)


def name_bare_excepts(source: str) -> str:
    """`except:` is written `except BaseException:`, which is the same."""
    text = SourceText(source)
    bare = [
        node for node in text.nodes if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    places = [text.start(node) + len("except") for node in bare]
    return apply_edits(source, [TextEdit(place, place, " BaseException") for place in places])


def rewrite_empty_fstrings(source: str) -> str:
    """`f"text"` loses its `f` when nothing is filled in."""
    lines = {remark.line for remark in flake8_remarks(source) if remark.code == "F541"}
    text = SourceText(source)
    edits: list[TextEdit] = []
    for node in text.nodes:
        if not isinstance(node, ast.JoinedStr) or node.lineno not in lines:
            continue
        if any(isinstance(part, ast.FormattedValue) for part in node.values):
            continue
        start, body = text.start(node), text.of(node)
        match = re.match(r"(?i)([fr]{1,2})('''|\"\"\"|'|\")", body)
        if match and match[2] not in body[match.end() : -len(match[2])] and "f" in match[1].lower():
            plain = body[len(match[1]) :].replace("{{", "{").replace("}}", "}")
            edits.append(
                TextEdit(start, text.end(node), match[1].replace("f", "").replace("F", "") + plain)
            )
    return apply_edits(source, edits)


def convert_results_to_float(source: str) -> str:
    """What reward_function returns is made a float, as the job does anyway: `return 1` is `return
    1.0`.
    """
    text = SourceText(source)
    entries = [
        node
        for node in text.tree.body
        if isinstance(node, Function) and node.name == "reward_function"
    ]
    if not entries or any(
        isinstance(n, ast.Name) and n.id == "float" and _stores(n) for n in text.nodes
    ):
        return source
    edits: list[TextEdit] = []
    for node in _returns(entries[-1]):
        if node.value is None or _is_float(node.value):
            continue
        start = text.start(node) + len("return")
        end = text.end(node)
        gap = len(source[start:end]) - len(source[start:end].lstrip())
        value = source[start + gap : end].rstrip()
        if re.fullmatch(r"-?\d{1,9}", value):
            edits.append(TextEdit(start, end, f" {value}.0"))
        else:
            edits.append(TextEdit(start, end, f" float({value})"))
    return apply_edits(source, edits)


def _comparison(
    text: SourceText, left: ast.expr, operator: ast.cmpop, right: ast.expr, known: set[str]
) -> list[TextEdit]:
    sign = {ast.Eq: "==", ast.NotEq: "!="}.get(type(operator))
    place = _operator(text, left, right, sign) if sign else None
    if not place:
        return []
    identical = TextEdit(*place, _spaced(text, place, "is" if sign == "==" else "is not"))
    for one, other in ((left, right), (right, left)):
        if isinstance(one, ast.Constant) and one.value is None:
            return [identical]
        if isinstance(one, ast.Constant) and isinstance(one.value, bool):
            if (isinstance(other, ast.Name) and other.id in known) or _reads_bool(other):
                return [identical]
            return [TextEdit(text.start(one), text.end(one), str(int(one.value)))]
    return (
        [identical] if _is_type(left) and (_is_type(right) or isinstance(right, ast.Name)) else []
    )


def _spaced(text: SourceText, place: tuple[int, int], word: str) -> str:
    before, after = text.source[place[0] - 1], text.source[place[1]]
    return f"{'' if before.isspace() else ' '}{word}{'' if after.isspace() else ' '}"


def _is_type(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"


def _operator(
    text: SourceText, left: ast.expr, right: ast.expr, word: str
) -> tuple[int, int] | None:
    """Where an operator stands between two operands. None when a comment is there, too."""
    start, gap = text.end(left), text.source[text.end(left) : text.start(right)]
    if "#" in gap:
        return None
    match = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", gap)
    return (start + match.start(), start + match.end()) if match else None


def _bools(text: SourceText) -> set[str]:
    """Names that hold nothing but a bool out of params."""
    given: dict[str, set[bool]] = {}
    for node in text.nodes:
        targets = node.targets if isinstance(node, ast.Assign) else []
        for name in [target for target in targets if isinstance(target, ast.Name)]:
            assert isinstance(node, ast.Assign)
            given.setdefault(name.id, set()).add(_reads_bool(node.value))
    stored = [node.id for node in text.nodes if isinstance(node, ast.Name) and _stores(node)]
    assigned = [
        t.id
        for n in text.nodes
        if isinstance(n, ast.Assign)
        for t in n.targets
        if isinstance(t, ast.Name)
    ]
    return {
        name
        for name, kinds in given.items()
        if kinds == {True} and stored.count(name) == assigned.count(name)
    }


def _reads_bool(node: ast.expr) -> bool:
    if not (isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)):
        return False
    return (
        isinstance(node.value, ast.Name)
        and node.value.id == "params"
        and node.slice.value in BOOLEAN_KEYS
    )


def _stores(node: ast.Name) -> bool:
    return not isinstance(node.ctx, ast.Load)


def _returns(function: ast.AST) -> list[ast.Return]:
    """The return statements of a function, without those of functions in it."""
    found: list[ast.Return] = []
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.Return):
            found.append(child)
        elif not isinstance(child, Function | ast.Lambda | ast.ClassDef):
            found += _returns(child)
    return found


def _is_float(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.UAdd | ast.USub) and _is_float(node.operand)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "float" and len(node.args) == 1
    return isinstance(node, ast.Constant) and isinstance(node.value, float)
