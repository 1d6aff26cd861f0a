"""Names set right: unused ones taken out, those that are easily misread renamed, lambdas made
functions.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import re

from racer.checker.fix.edits import FunctionNode, SourceText, TextEdit, apply_edits
from racer.checker.validators.style import Flake8Remark, flake8_remarks
from racer.checker.validators.trial import sample_params

AMBIGUOUS_NAMES = ("I", "O", "l")
VALIDATOR_KEYS = frozenset(sample_params()[0])
"""Keys of params that the validators have: fewer than the simulator."""
MAX_ROUNDS = 20

Assignment = ast.Assign | ast.AnnAssign


def remove_unused_names(source: str) -> str:
    """The file without names that are assigned and never used, and without functions that are
    defined again.

    What an assignment calculates stays where it does more than read: a call may raise.
    """
    for _ in range(MAX_ROUNDS):
        text = SourceText(source)
        remarks = flake8_remarks(source)
        edits = _edits_of_unused(text, remarks) + _edits_of_redefined(text, remarks)
        changed = apply_edits(source, edits)
        if changed == source:
            break
        source = changed
    return source


def rename_ambiguous_names(source: str) -> str:
    """`l`, `O` and `I` as names get an underscore, where no word of the file forbids it."""
    lines = source.splitlines()
    ambiguous = set()
    for remark in flake8_remarks(source):
        if remark.code == "E741":
            ambiguous.add(lines[remark.line - 1][remark.column - 1 : remark.column])
    for name in AMBIGUOUS_NAMES:
        if name in ambiguous:
            source = rename_symbol(source, name, f"{name}_")
    return source


def rename_symbol(source: str, old: str, new: str) -> str:
    """The file with a name of its own called otherwise; the file as it is where the name has other
    meanings, too.
    """
    text = SourceText(source)
    other_words = words_besides_names(text)
    names = {node.id for node in text.nodes if isinstance(node, ast.Name)}
    if new in names or new in other_words or old in other_words or hasattr(builtins, old):
        return source
    edits = []
    for node in text.nodes:
        if isinstance(node, ast.Name) and node.id == old:
            edits.append(text.replaced(node, new))
        elif isinstance(node, ast.arg) and node.arg == old:
            start = text.start(node)
            edits.append(TextEdit(start, start + len(old), new))
        elif isinstance(node, FunctionNode | ast.ClassDef) and node.name == old:
            keyword = re.compile(r"(?:def|class)\s+").search(source, text.start(node))
            if keyword:
                edits.append(TextEdit(keyword.end(), keyword.end() + len(old), new))
        elif isinstance(node, ast.Global | ast.Nonlocal) and old in node.names:
            declared = ", ".join(new if name == old else name for name in node.names)
            keyword_text = "global" if isinstance(node, ast.Global) else "nonlocal"
            edits.append(text.replaced(node, f"{keyword_text} {declared}"))
    return apply_edits(source, edits)


def replace_lambdas(source: str) -> str:
    """`f = lambda x: ...` becomes a function of that name."""
    text = SourceText(source)
    edits = []
    for node in text.nodes:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Lambda):
            continue
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Name):
            continue
        indent = source[text.line_start(node.lineno) : text.start(node)]
        if indent.strip():
            continue
        body = text.of(node.value.body)
        if "\n" in body:
            body = f"({body})"
        head = f"def {target.id}({ast.unparse(node.value.args)}):"
        edits.append(text.replaced(node, f"{head}\n{indent}    return {body}"))
    return apply_edits(source, edits)


def words_besides_names(text: SourceText) -> set[str]:
    """Words that are no plain names: attributes, names of arguments in calls, imports, and the text
    of strings.
    """
    words: set[str] = set()
    strings: set[str] = set()
    for node in text.nodes:
        if isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            words.add(node.arg)
        elif isinstance(node, ast.alias):
            words |= {node.name, node.asname or ""}
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            words.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
    return words | set(filter(str.isidentifier, strings))


def _edits_of_unused(text: SourceText, remarks: list[Flake8Remark]) -> list[TextEdit]:
    """Edits that take unused variables out."""
    unused = {(r.line, r.argument) for r in remarks if r.code in ("F841", "F842")}
    edits: list[TextEdit] = []
    for node in text.nodes:
        if isinstance(node, ast.ExceptHandler) and (node.lineno, node.name) in unused:
            start = text.start(node)
            head = text.source[start : text.start(node.body[0])]
            match = re.search(rf"\s+as\s+{node.name}\b", head)
            if match:
                edits.append(TextEdit(start + match.start(), start + match.end()))
        elif isinstance(node, Assignment):
            edits += _edits_of_assignment(text, node, unused)
    return edits


def _edits_of_assignment(
    text: SourceText, node: Assignment, unused: set[tuple[int, str]]
) -> list[TextEdit]:
    """Edits that take the unused targets of an assignment out, or all of it."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    leaving = []
    for target in targets:
        if isinstance(target, ast.Name) and (target.lineno, target.id) in unused:
            leaving.append(target)
    if not leaving:
        return []
    if node.value is None:
        return text.without([node])
    if len(leaving) == len(targets) and _only_reads(node.value, _params_names(text)):
        return text.without([node])
    if len(targets) == 1:
        return [TextEdit(text.start(node), _start_with_brackets(text, targets[0], node.value))]
    edits = []
    for target, following in itertools.pairwise([*targets, node.value]):
        if target in leaving:
            end = _start_with_brackets(text, target, following)
            edits.append(TextEdit(text.start(target), end))
    return edits


def _start_with_brackets(text: SourceText, before: ast.expr, node: ast.expr) -> int:
    """Where the text of an expression behind an equals sign begins, its brackets included."""
    gap_start = text.end(before)
    gap = text.source[gap_start : text.start(node)]
    behind_sign = gap[gap.rfind("=") + 1 :]
    return gap_start + len(gap) - len(behind_sign.lstrip())


def _params_names(text: SourceText) -> set[str]:
    """Names of the first argument of every function called reward_function."""
    names: set[str] = set()
    for node in text.nodes:
        if isinstance(node, FunctionNode) and node.name == "reward_function":
            arguments = [*node.args.posonlyargs, *node.args.args]
            names.update(argument.arg for argument in arguments[:1])
    return names


def _only_reads(node: ast.expr, params: set[str]) -> bool:
    """Whether an expression can neither raise nor do anything, for params as they are."""
    if isinstance(node, ast.Constant | ast.Name):
        return True
    if isinstance(node, ast.Tuple | ast.List):
        return all(_only_reads(part, params) for part in node.elts)
    if isinstance(node, ast.UnaryOp):
        return _only_reads(node.operand, params)
    if isinstance(node, ast.BinOp):
        never_raises = isinstance(node.op, ast.Add | ast.Sub | ast.Mult)
        return never_raises and _is_number(node.left, params) and _is_number(node.right, params)
    return isinstance(node, ast.Subscript) and _reads_known_key(node, params)


def _is_number(node: ast.expr, params: set[str]) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float)
    if isinstance(node, ast.BinOp):
        return _only_reads(node, params)
    if not isinstance(node, ast.Subscript) or not _reads_known_key(node, params):
        return False
    return "objects" not in ast.unparse(node)


def _reads_known_key(node: ast.Subscript, params: set[str]) -> bool:
    """Whether this is `params['speed']`, or another key that is always there."""
    if not isinstance(node.slice, ast.Constant) or not isinstance(node.value, ast.Name):
        return False
    return node.value.id in params and node.slice.value in VALIDATOR_KEYS


def _edits_of_redefined(text: SourceText, remarks: list[Flake8Remark]) -> list[TextEdit]:
    """Edits that take functions out that the next definition of that name in the same block replaces,
    unused.
    """
    redefined = {(remark.line, remark.argument) for remark in remarks if remark.code == "F811"}
    gone: list[ast.stmt] = []
    for node in text.nodes:
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        functions = [child for child in body if isinstance(child, ast.FunctionDef)]
        for first, second in itertools.pairwise(functions):
            is_redefined = (second.lineno, second.name) in redefined
            if first.name == second.name and is_redefined and _has_no_effect(first):
                gone.append(first)
    return text.without(gone)


def _has_no_effect(function: ast.FunctionDef) -> bool:
    """Whether the definition of a function runs nothing: no decorators, no default values."""
    arguments = function.args
    return not (function.decorator_list or arguments.defaults or arguments.kw_defaults)
