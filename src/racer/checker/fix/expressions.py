"""Expressions and names set right without changing what they mean."""

from __future__ import annotations

import ast
import builtins
import itertools
import re

from racer.checker.fix.edits import FunctionNode, SourceText, TextEdit, apply_edits
from racer.checker.validators import Flake8Remark, flake8_remarks, sample_params

BOOLEAN_KEYS = {
    "all_wheels_on_track",
    "is_left_of_center",
    "is_reversed",
    "is_offtrack",
    "is_crashed",
}
"""Keys of params whose values are True or False."""
COMPARISON_REMARKS = ("E711", "E712", "E721")
EQUALITY_SIGNS: dict[type[ast.cmpop], str] = {ast.Eq: "==", ast.NotEq: "!="}
NEGATED_WORDS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.In: ("in", "not in"),
    ast.Is: ("is", "is not"),
}
IDENTITY_WORDS = {"==": "is", "!=": "is not"}

_FSTRING_START = re.compile(r"(?i)([fr]{1,2})('''|\"\"\"|'|\")")
_INTEGER = re.compile(r"-?\d{1,9}")

AMBIGUOUS_NAMES = ("I", "O", "l")
VALIDATOR_KEYS = frozenset(sample_params()[0])
"""Keys of params that the validators have: fewer than the simulator."""
MAX_ROUNDS = 20

Assignment = ast.Assign | ast.AnnAssign


def rewrite_comparisons(source: str) -> str:
    """`x == None` is written `x is None`, `x == True` as `x is True` or `x == 1`, which are alike;
    so with types.
    """
    lines = _remarked_lines(source, COMPARISON_REMARKS)
    text = SourceText(source)
    booleans = _boolean_names(text)
    edits: list[TextEdit] = []
    for node in text.nodes:
        if not isinstance(node, ast.Compare):
            continue
        if lines.isdisjoint(range(node.lineno, (node.end_lineno or 0) + 1)):
            continue
        operands = itertools.pairwise([node.left, *node.comparators])
        for (left, right), operator in zip(operands, node.ops, strict=True):
            edits += _comparison_edits(text, left, operator, right, booleans)
    return apply_edits(source, edits)


def rewrite_negations(source: str) -> str:
    """`not x in y` is written `x not in y`, and `not x is y` as `x is not y`."""
    text = SourceText(source)
    edits: list[TextEdit] = []
    for node in text.nodes:
        if not isinstance(node, ast.UnaryOp) or not isinstance(node.op, ast.Not):
            continue
        compare = node.operand
        if not isinstance(compare, ast.Compare) or len(compare.ops) != 1:
            continue
        if source[text.start(node) + len("not") : text.start(compare)].strip():
            continue  # brackets: `not (x in y)` is fine as it is
        if type(compare.ops[0]) not in NEGATED_WORDS:
            continue
        word, negated = NEGATED_WORDS[type(compare.ops[0])]
        place = _operator_place(text, compare.left, compare.comparators[0], word)
        if place is not None:
            edits.append(TextEdit(text.start(node), text.start(compare)))
            edits.append(TextEdit(*place, negated))
    return apply_edits(source, edits)


def name_bare_excepts(source: str) -> str:
    """`except:` is written `except BaseException:`, which means as much."""
    text = SourceText(source)
    edits = []
    for node in text.nodes:
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            place = text.start(node) + len("except")
            edits.append(TextEdit(place, place, " BaseException"))
    return apply_edits(source, edits)


def rewrite_empty_fstrings(source: str) -> str:
    """`f"text"` loses its `f` when nothing is filled in."""
    lines = _remarked_lines(source, ("F541",))
    text = SourceText(source)
    edits: list[TextEdit] = []
    for node in text.nodes:
        if not isinstance(node, ast.JoinedStr) or node.lineno not in lines:
            continue
        if any(isinstance(part, ast.FormattedValue) for part in node.values):
            continue
        plain = _plain_string(text.of(node))
        if plain is not None:
            edits.append(text.replaced(node, plain))
    return apply_edits(source, edits)


def convert_results_to_float(source: str) -> str:
    """What reward_function returns is made a float, as the job does anyway: `return 1` is `return
    1.0`.
    """
    text = SourceText(source)
    entry = None
    for node in text.tree.body:
        if isinstance(node, FunctionNode) and node.name == "reward_function":
            entry = node
    if entry is None or "float" in _stored_names(text):
        return source
    edits: list[TextEdit] = []
    for statement in _returns(entry):
        if statement.value is None or _is_float(statement.value):
            continue
        start = text.start(statement) + len("return")
        end = text.end(statement)
        value = source[start:end].strip()
        is_integer = _INTEGER.fullmatch(value) is not None
        edits.append(TextEdit(start, end, f" {value}.0" if is_integer else f" float({value})"))
    return apply_edits(source, edits)


def _remarked_lines(source: str, codes: tuple[str, ...]) -> set[int]:
    """The lines for which flake8 has a remark with one of these codes."""
    return {remark.line for remark in flake8_remarks(source) if remark.code in codes}


def _comparison_edits(
    text: SourceText, left: ast.expr, operator: ast.cmpop, right: ast.expr, booleans: set[str]
) -> list[TextEdit]:
    """The edits that set one comparison right. `booleans` are names that hold True or False."""
    sign = EQUALITY_SIGNS.get(type(operator))
    place = _operator_place(text, left, right, sign) if sign else None
    if sign is None or place is None:
        return []
    identity = TextEdit(*place, _with_spaces(text, place, IDENTITY_WORDS[sign]))
    for operand, other in ((left, right), (right, left)):
        if not isinstance(operand, ast.Constant):
            continue
        if operand.value is None:
            return [identity]
        if isinstance(operand.value, bool):
            is_boolean = isinstance(other, ast.Name) and other.id in booleans
            if is_boolean or _reads_boolean_key(other):
                return [identity]
            return [text.replaced(operand, str(int(operand.value)))]
    if _is_type_call(left) and (_is_type_call(right) or isinstance(right, ast.Name)):
        return [identity]
    return []


def _with_spaces(text: SourceText, place: tuple[int, int], word: str) -> str:
    """The word, with spaces where the source has none around that place."""
    start, end = place
    before = "" if text.source[start - 1].isspace() else " "
    behind = "" if text.source[end].isspace() else " "
    return before + word + behind


def _is_type_call(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"


def _operator_place(
    text: SourceText, left: ast.expr, right: ast.expr, word: str
) -> tuple[int, int] | None:
    """Where an operator stands between two operands. None when a comment is there, too."""
    start = text.end(left)
    gap = text.source[start : text.start(right)]
    if "#" in gap:
        return None
    match = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", gap)
    return (start + match.start(), start + match.end()) if match else None


def _plain_string(literal: str) -> str | None:
    """The literal of an f-string without fields, as one of a plain string; None for several that are
    joined.
    """
    match = _FSTRING_START.match(literal)
    if match is None or "f" not in match[1].lower():
        return None
    quote = match[2]
    if quote in literal[match.end() : -len(quote)]:
        return None
    prefix = match[1].replace("f", "").replace("F", "")
    return prefix + literal[len(match[1]) :].replace("{{", "{").replace("}}", "}")


def _boolean_names(text: SourceText) -> set[str]:
    """Names that hold nothing but a bool out of params."""
    assigned: list[str] = []
    others: set[str] = set()
    for node in text.nodes:
        if not isinstance(node, ast.Assign):
            continue
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        assigned += names
        if not _reads_boolean_key(node.value):
            others.update(names)
    stored = _stored_names(text)
    booleans = set(assigned) - others
    return {name for name in booleans if stored.count(name) == assigned.count(name)}


def _reads_boolean_key(node: ast.expr) -> bool:
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Constant):
        return False
    if not isinstance(node.value, ast.Name) or node.value.id != "params":
        return False
    return node.slice.value in BOOLEAN_KEYS


def _stored_names(text: SourceText) -> list[str]:
    """Every name that is stored or deleted, as often as it is."""
    names = [node for node in text.nodes if isinstance(node, ast.Name)]
    return [name.id for name in names if not isinstance(name.ctx, ast.Load)]


def _returns(function: ast.AST) -> list[ast.Return]:
    """The return statements of a function, without those of functions in it."""
    returns: list[ast.Return] = []
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.Return):
            returns.append(child)
        elif not isinstance(child, FunctionNode | ast.Lambda | ast.ClassDef):
            returns += _returns(child)
    return returns


def _is_float(node: ast.expr) -> bool:
    """Whether an expression is surely a float."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.UAdd | ast.USub) and _is_float(node.operand)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "float" and len(node.args) == 1
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


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
    params = _params_names(text)
    edits: list[TextEdit] = []
    for node in text.nodes:
        if isinstance(node, ast.ExceptHandler) and (node.lineno, node.name) in unused:
            start = text.start(node)
            head = text.source[start : text.start(node.body[0])]
            match = re.search(rf"\s+as\s+{node.name}\b", head)
            if match:
                edits.append(TextEdit(start + match.start(), start + match.end()))
        elif isinstance(node, Assignment):
            edits += _edits_of_assignment(text, node, unused, params)
    return edits


def _edits_of_assignment(
    text: SourceText, node: Assignment, unused: set[tuple[int, str]], params: set[str]
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
    if len(leaving) == len(targets) and _only_reads(node.value, params):
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
