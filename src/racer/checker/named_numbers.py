"""The numbers that a file names, and those that it compares with a key of params: where its
conditions change, failures begin.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from racer.reward import RewardFunction

MAX_NUMBERS = 200
"""So many of the numbers that a file names are tried."""
MAX_NUMBERS_OF_NAME = 24
"""A name with more of them is a table, and none of them a threshold."""
GREATEST_NUMBER = 1e4
MEETING_OPERATORS = (ast.Sub, ast.Add, ast.Mod, ast.FloorDiv)
"""What joins a key and a number to something that is 0, or changes its sign, at the number."""


@dataclass(frozen=True)
class NamedNumbers:
    """All numbers of a file, with their negatives, and by key of params those that stand in a
    comparison or a difference with something that is computed from the key.
    """

    everywhere: Sequence[float] = ()
    beside: Mapping[str, Sequence[float]] = field(default_factory=dict)


def named_numbers(reward: RewardFunction) -> NamedNumbers:
    """The numbers of a file."""
    tree = reward.syntax.tree
    numbers = list(_numbers_in(tree))[:MAX_NUMBERS]
    negatives = [-number for number in numbers]
    return NamedNumbers(list(dict.fromkeys(numbers + negatives)), _numbers_beside_keys(tree))


@dataclass
class _Origins:
    """What a name is computed from: keys of params, and numbers."""

    keys: set[str] = field(default_factory=set)
    numbers: set[float] = field(default_factory=set)


def _numbers_beside_keys(tree: ast.Module) -> dict[str, list[float]]:
    origins = _origins_of_names(tree)
    beside: dict[str, dict[float, None]] = defaultdict(dict)
    for node in ast.walk(tree):
        is_difference = isinstance(node, ast.BinOp) and isinstance(node.op, MEETING_OPERATORS)
        if not isinstance(node, ast.Compare) and not is_difference:
            continue
        keys = set(_keys_in(node))
        numbers = list(_numbers_in(node))
        for name in _names_in(node):
            keys |= origins[name].keys
            numbers += sorted(origins[name].numbers)
        for key in keys:
            beside[key].update(dict.fromkeys(numbers[:MAX_NUMBERS_OF_NAME]))
    return {key: list(numbers) for key, numbers in beside.items() if numbers}


def _origins_of_names(tree: ast.Module) -> dict[str, _Origins]:
    """The origins of every name and attribute, by way of others, too."""
    origins: dict[str, _Origins] = defaultdict(_Origins)
    names: dict[str, set[str]] = defaultdict(set)
    for name, value in _assignments(tree):
        origins[name].keys.update(_keys_in(value))
        origins[name].numbers.update(_numbers_in(value))
        names[name].update(_names_in(value))
    for of_name in origins.values():
        if len(of_name.numbers) > MAX_NUMBERS_OF_NAME:
            of_name.numbers.clear()
    has_changed = True
    while has_changed:
        has_changed = False
        for name, others in names.items():
            before = len(origins[name].keys)
            for other in others:
                origins[name].keys |= origins[other].keys
            has_changed |= len(origins[name].keys) > before
    return origins


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Every name or attribute with each expression that it is given, arguments of the file's own
    functions among them.
    """
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _pairs(target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            if node.value is not None:
                yield from _pairs(node.target, node.value)
        elif isinstance(node, ast.For | ast.comprehension):
            yield from _pairs(node.target, node.iter)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            function = functions.get(node.func.id)
            if function is not None:
                for argument, value in zip(function.args.args, node.args, strict=False):
                    yield argument.arg, value


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Attribute):
        yield target.attr, value
    elif isinstance(target, ast.Tuple | ast.List):
        values: list[ast.expr] = [value] * len(target.elts)
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
            values = value.elts
        for element, part in zip(target.elts, values, strict=True):
            yield from _pairs(element, part)


def _keys_in(node: ast.AST) -> Iterator[str]:
    """Texts that an expression looks something up by: `params["speed"]`, `params.get("speed")`."""
    for part in ast.walk(node):
        text: ast.expr | None = None
        if isinstance(part, ast.Subscript):
            text = part.slice
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            text = part.args[0] if part.func.attr == "get" and part.args else None
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            yield text.value


def _names_in(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr


def _numbers_in(node: ast.AST) -> Iterator[float]:
    for part in ast.walk(node):
        value = part.value if isinstance(part, ast.Constant) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if abs(value) < GREATEST_NUMBER:
            yield float(value)
