"""What the names of a reward file stand for: its functions, its constants, and what it remembers."""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType
from typing import Any

from racer.reward.columns.frames import UNBOUND
from racer.reward.columns.values import MAX_INT, PLAIN_TYPES, NotColumnar, Table, Value

MAX_TABLE_VALUES = 200_000

PARAMS = object()
"""The params of all steps."""


class FileNames:
    """What the names of the file stand for: functions of its own, constants, and what is remembered."""

    def __init__(self, tree: ast.Module, namespace: Mapping[str, Any]) -> None:
        self._functions: dict[str, ast.FunctionDef] = {}
        self.memory: dict[str, Value] = {}
        self._namespace = namespace
        self._constants: dict[str, Value] = {}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.decorator_list:
                self._functions[node.name] = node
        for inner in ast.walk(tree):
            if isinstance(inner, ast.FunctionDef):
                self._find_memory(inner)
        self.containers = {name.partition(".")[0] for name in self.memory if "." in name}

    def _find_memory(self, function: ast.FunctionDef) -> None:
        global_names: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                global_names.update(node.names)
        for name in global_names:
            self._remember(name, self._namespace.get(name, UNBOUND))
        for node in ast.walk(function):
            cell = memory_cell(node)
            if cell is None or not isinstance(getattr(node, "ctx", None), ast.Store):
                continue
            container, key = cell
            holder = self._namespace.get(container, UNBOUND)
            self._remember(f"{container}.{key!r}", _cell_value(holder, key))

    def _remember(self, name: str, value: Value) -> None:
        if value is UNBOUND or type(value) not in (bool, int, float, type(None)):
            raise NotColumnar(f"a memory that is not one number ({name})")
        self.memory[name] = value

    def constant(self, name: str) -> Value:
        """The value of a global or builtin name that is never assigned in a call."""
        if name not in self._constants:
            self._constants[name] = self._read(name)
        return self._constants[name]

    def _read(self, name: str) -> Value:
        if name in self._namespace:
            value = self._namespace[name]
            function = self._functions.get(name)
            if function is not None and _is_made_by(value, function):
                return function
            return _plain_copy(value, [MAX_TABLE_VALUES])
        if hasattr(builtins, name):
            return BuiltinName(name)
        raise NotColumnar(f"the name {name}")


def _is_made_by(value: Any, node: ast.FunctionDef) -> bool:
    """Whether it is the function that a `def` made."""
    return type(value) is FunctionType and value.__code__.co_firstlineno == node.lineno


def local_names(function: ast.FunctionDef) -> frozenset[str]:
    """Names that belong to a function's calls, as it binds them somewhere."""
    names = {argument.arg for argument in [*function.args.posonlyargs, *function.args.args]}
    global_names: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Global):
            global_names.update(node.names)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
    return frozenset(names - global_names)


def memory_cell(node: ast.AST) -> tuple[str, Any] | None:
    """Container and key of `NAME["key"]`, `NAME[0]` or `NAME.key`; None for anything else."""
    if not isinstance(node, ast.Subscript | ast.Attribute) or not isinstance(node.value, ast.Name):
        return None
    if isinstance(node, ast.Attribute):
        return node.value.id, _AttributeKey(node.attr)
    if isinstance(node.slice, ast.Constant) and type(node.slice.value) in (str, int):
        return node.value.id, node.slice.value
    return None


class _AttributeKey(str):
    """The key of a class's attribute, unlike that of a dict."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"attribute {self!s}"


def _cell_value(holder: Any, key: Any) -> Any:
    if isinstance(key, _AttributeKey):
        # no metaclass and no descriptor: what is read is what is stored
        is_plain = type(holder) is type and holder.__bases__ == (object,)
        return vars(holder).get(str(key), UNBOUND) if is_plain else UNBOUND
    if type(holder) is dict:
        return holder.get(key, UNBOUND)
    if type(holder) is list and type(key) is int and 0 <= key < len(holder):
        return holder[key]
    return UNBOUND


@dataclass(frozen=True)
class BuiltinName:
    """A function of Python's."""

    name: str


@dataclass(frozen=True)
class MathName:
    """A function of `math`."""

    name: str


def _plain_copy(value: Any, budget: list[int]) -> Value:
    """A constant of the file as plain values: lists become tables. `budget` is how many are left."""
    budget[0] -= 1
    if budget[0] < 0:
        raise NotColumnar("a large table")
    if type(value) is int and abs(value) >= MAX_INT:
        raise NotColumnar("a large whole number")
    if type(value) in PLAIN_TYPES or type(value) is range or value is math:
        return value
    if type(value) in (list, tuple):
        return Table(_plain_copy(element, budget) for element in value)
    if type(value) is dict and all(type(key) in PLAIN_TYPES for key in value):
        return {key: _plain_copy(element, budget) for key, element in value.items()}
    if type(value) is BuiltinFunctionType:
        name = str(value.__name__)
        if vars(math).get(name) is value:
            return MathName(name)
    raise NotColumnar(f"a constant of type {type(value).__name__}")
