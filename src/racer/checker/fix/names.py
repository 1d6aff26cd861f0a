"""Names set right: unused ones taken out, those that are easily misread renamed, lambdas made
functions.
"""

from __future__ import annotations

import ast
import builtins
import io
import itertools
import re
import tokenize

from racer.checker.fix.edits import SourceText, TextEdit, apply_edits
from racer.checker.validators.source import REFUSED_WORDS
from racer.checker.validators.style import flake8_remarks
from racer.checker.validators.trial import sample_params

Function = ast.FunctionDef | ast.AsyncFunctionDef
# calls that do nothing else
HARMLESS = {"abs", "bool", "float", "int", "len", "list", "round", "str", "tuple"}


def remove_unused_names(source: str) -> str:
    """The file without names that are assigned and never used, and without functions that are
    defined again.

    What an assignment calculates stays where it does more than read: a call may raise.
    """
    for _ in range(20):
        found = {(r.line, r.argument) for r in flake8_remarks(source) if r.code in ("F841", "F842")}
        text = SourceText(source)
        edits = _unused(text, found) + _defined_again(text)
        changed = apply_edits(source, edits)
        if changed == source:
            break
        source = changed
    return source


def rename_ambiguous_names(source: str) -> str:
    """`l`, `O` and `I` as names get an underscore, where no word of the file forbids it."""
    wanted = {
        r.text.rpartition("'")[0].rpartition("'")[2]
        for r in flake8_remarks(source)
        if r.code == "E741"
    }
    for name in sorted(wanted & {"l", "O", "I"}):
        source = rename_symbol(source, name, f"{name}_")
    return source


def rename_symbol(source: str, old: str, new: str) -> str:
    """The file with a name of its own called otherwise; the file as it is where the name has other
    meanings, too.
    """
    text = SourceText(source)
    names = {node.id for node in text.nodes if isinstance(node, ast.Name)} | _other_names(text)
    if new in names or hasattr(builtins, old) or old in _other_names(text):
        return source
    edits = []
    for node in text.nodes:
        if isinstance(node, ast.Name) and node.id == old:
            edits.append(TextEdit(text.start(node), text.end(node), new))
        elif isinstance(node, ast.arg) and node.arg == old:
            edits.append(TextEdit(text.start(node), text.start(node) + len(old), new))
        elif isinstance(node, Function | ast.ClassDef) and node.name == old:
            at = re.compile(r"(?:def|class)\s+").search(text.source, text.start(node))
            edits += [TextEdit(at.end(), at.end() + len(old), new)] if at else []
        elif isinstance(node, ast.Global | ast.Nonlocal) and old in node.names:
            word = " ".join(
                [type(node).__name__.lower(), ", ".join(new if n == old else n for n in node.names)]
            )
            edits.append(TextEdit(text.start(node), text.end(node), word))
    return apply_edits(source, edits)


def replace_lambdas(source: str) -> str:
    """`f = lambda x: ...` becomes a function of that name."""
    text = SourceText(source)
    edits = []
    for node in text.nodes:
        if not (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Lambda)
            and len(node.targets) == 1
        ):
            continue
        target = node.targets[0]
        before = source[text.line_start(node.lineno) : text.start(node)]
        if not isinstance(target, ast.Name) or before.strip():
            continue
        body = text.of(node.value.body)
        body = f"({body})" if "\n" in body else body
        arguments = ast.unparse(node.value.args)
        edits.append(
            TextEdit(
                text.start(node),
                text.end(node),
                f"def {target.id}({arguments}):\n{before}    return {body}",
            )
        )
    return apply_edits(source, edits)


def _other_names(text: SourceText) -> set[str]:
    """Words that are no plain names: attributes, names of arguments in calls, imports, and the text
    of strings.
    """
    found: set[str] = set()
    for node in text.nodes:
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found |= {node.name, node.asname or ""}
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.isidentifier()
        ):
            found.add(node.value)
    return found


def _unused(text: SourceText, found: set[tuple[int, str]]) -> list[TextEdit]:
    edits: list[TextEdit] = []
    for node in text.nodes:
        if isinstance(node, ast.ExceptHandler) and node.name and (node.lineno, node.name) in found:
            start, end = text.start(node), text.start(node.body[0])
            match = re.search(rf"\s+as\s+{node.name}\b", text.source[start:end])
            edits += [TextEdit(start + match.start(), start + match.end())] if match else []
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            edits += _assignment(text, node, found)
    return edits


def _assignment(
    text: SourceText, node: ast.Assign | ast.AnnAssign, found: set[tuple[int, str]]
) -> list[TextEdit]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    unused = [t for t in targets if isinstance(t, ast.Name) and (t.lineno, t.id) in found]
    if not unused:
        return []
    if node.value is None or (
        len(unused) == len(targets) and _only_reads(node.value, _params(text))
    ):
        return text.without([node])
    if len(targets) > 1:
        following = {t: ([*targets, node.value])[k + 1] for k, t in enumerate(targets)}
        return [TextEdit(text.start(t), _opening(text, t, following[t])) for t in unused]
    return [TextEdit(text.start(node), _opening(text, targets[0], node.value))]


def _opening(text: SourceText, before: ast.expr, node: ast.expr) -> int:
    """Where the text of an expression begins, the brackets around it included."""
    gap = text.source[text.end(before) : text.start(node)]
    sign = gap.rfind("=")
    return text.end(before) + sign + 1 + len(gap[sign + 1 :]) - len(gap[sign + 1 :].lstrip())


def _params(text: SourceText) -> set[str]:
    """Names of the first argument of every function called reward_function."""
    entries = [n for n in text.nodes if isinstance(n, Function) and n.name == "reward_function"]
    return {
        argument.arg
        for entry in entries
        for argument in [*entry.args.posonlyargs, *entry.args.args][:1]
    }


def _only_reads(node: ast.expr, params: set[str]) -> bool:
    """Whether an expression can neither raise nor do anything, for params as they are."""
    if isinstance(node, ast.Constant | ast.Name):
        return True
    if isinstance(node, ast.Tuple | ast.List):
        return all(_only_reads(part, params) for part in node.elts)
    if isinstance(node, ast.UnaryOp):
        return _only_reads(node.operand, params)
    if isinstance(node, ast.BinOp):
        harmless = isinstance(node.op, ast.Add | ast.Sub | ast.Mult)
        return harmless and _is_number(node.left, params) and _is_number(node.right, params)
    if isinstance(node, ast.Subscript):
        return _is_read(node, params)
    return False


def _is_number(node: ast.expr, params: set[str]) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float)
    if isinstance(node, ast.BinOp):
        return _only_reads(node, params)
    return (
        isinstance(node, ast.Subscript)
        and _is_read(node, params)
        and "objects" not in ast.unparse(node)
    )


def _is_read(node: ast.Subscript, params: set[str]) -> bool:
    """Whether this is `params['speed']`, or another key that is always there."""
    key = node.slice.value if isinstance(node.slice, ast.Constant) else None
    return isinstance(node.value, ast.Name) and node.value.id in params and key in VALIDATOR_KEYS


VALIDATOR_KEYS = frozenset(sample_params()[0])  # of the validators: fewer than the simulator


def _defined_again(text: SourceText) -> list[TextEdit]:
    """Functions that the next definition of the same name in the same block replaces, unused."""
    again = {(r.line, r.argument) for r in flake8_remarks(text.source) if r.code == "F811"}
    gone: list[ast.stmt] = []
    for node in text.nodes:
        body = getattr(node, "body", None)
        functions = (
            [n for n in body if isinstance(n, ast.FunctionDef)] if isinstance(body, list) else []
        )
        for one, other in itertools.pairwise(functions):
            is_plain = not one.decorator_list and not one.args.defaults and not one.args.kw_defaults
            if one.name == other.name and is_plain and (other.lineno, other.name) in again:
                gone.append(one)
    return text.without(gone)


FORBIDDEN_WORDS = re.compile("|".join(sorted(map(re.escape, REFUSED_WORDS), key=len, reverse=True)))
# whole words that have a plain substitute; every other one gets a hyphen
WORD_SUBSTITUTES = {
    "load": "read", "loads": "reads", "loaded": "read", "save": "keep", "saves": "keeps", "saved": "kept",
    "Load": "Read", "Save": "Keep",
}  # fmt: skip
NAME_SUBSTITUTES = {"load": "read", "save": "keep"}


def replace_forbidden_words(source: str) -> str:
    """The file without forbidden words in its comments, docstrings and own names, as far as that
    goes.
    """
    if not FORBIDDEN_WORDS.search(source):
        return source
    source = _comments(_docstrings(source))
    for name in sorted(_own_names(SourceText(source))):
        if FORBIDDEN_WORDS.search(name):
            source = rename_symbol(
                source,
                name,
                FORBIDDEN_WORDS.sub(
                    lambda word: NAME_SUBSTITUTES.get(word[0], word[0][::-1]), name
                ),
            )
    return source


def _docstrings(source: str) -> str:
    text = SourceText(source)
    places = [
        node.body[0].value
        for node in text.nodes
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
        and isinstance(node.body[0].value.value, str)
    ]
    return apply_edits(
        source, [TextEdit(text.start(node), text.end(node), _put(text.of(node))) for node in places]
    )


def _comments(source: str) -> str:
    text = SourceText(source)
    edits = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            start = text.line_start(token.start[0]) + token.start[1]
            edits.append(TextEdit(start, start + len(token.string), _put(token.string)))
    return apply_edits(source, edits)


def _put(words: str) -> str:
    """A text with other words in the place of forbidden ones."""
    return re.sub(r"\w+", lambda word: WORD_SUBSTITUTES.get(word[0]) or _hyphened(word[0]), words)


def _hyphened(word: str) -> str:
    return FORBIDDEN_WORDS.sub(lambda part: f"{part[0][:2]}-{part[0][2:]}", word)


def _own_names(text: SourceText) -> set[str]:
    kinds = ast.FunctionDef | ast.ClassDef
    own = {node.name for node in text.nodes if isinstance(node, kinds)}
    own |= {
        node.id
        for node in text.nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return own | {node.arg for node in text.nodes if isinstance(node, ast.arg)}
