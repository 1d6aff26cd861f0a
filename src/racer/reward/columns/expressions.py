"""The values of expressions for the rows of a frame."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from racer.reward.columns.calls import call_builtin, call_math, call_method, list_items
from racer.reward.columns.frames import UNBOUND, Frame
from racer.reward.columns.names import PARAMS, BuiltinName, FileNames, MathName, memory_cell
from racer.reward.columns.values import (
    PLAIN_TYPES,
    Arithmetic,
    Indices,
    NotColumnar,
    Table,
    Value,
    join_rows,
    negate,
    same_values,
    take_rows,
)

MAX_EVALUATIONS = 50_000
"""Of expressions in one walk."""
MAX_LISTED_NUMBERS = 4_000_000
"""Numbers in a list that is made, over all steps."""

SYMBOLS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


class ColumnExpressions:
    """Evaluates expressions; who runs statements says how to assign and to call."""

    def __init__(self, file: FileNames) -> None:
        self.values = Arithmetic()
        self.file = file
        self.locals: frozenset[str] = frozenset()  # names of the function that is walked
        self._evaluated = 0

    def assign(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """Bind the name, or names, of a target."""
        raise NotImplementedError

    def call_function(
        self,
        function: ast.FunctionDef,
        arguments: Sequence[Value],
        keywords: Mapping[str, Value],
        caller: Frame,
    ) -> Value:
        """What a function of the file returns for the rows of the caller."""
        raise NotImplementedError

    def truth(self, node: ast.expr, frame: Frame) -> Any:
        """Whether an expression is true: a column of bool, or a plain one."""
        truth = self.values.truth(self.evaluate(node, frame))
        if isinstance(truth, np.ndarray) and len(truth):
            if truth.all():
                return True
            if not truth.any():
                return False
        return truth

    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        """The value of an expression for the rows of a frame."""
        self._evaluated += 1
        if self._evaluated > MAX_EVALUATIONS:
            raise NotColumnar("a long calculation")
        method = getattr(self, f"_value_of_{type(node).__name__}", None)
        if method is None:
            raise NotColumnar(f"an expression that is no column's: {type(node).__name__}")
        return method(node, frame)

    def _value_of_Constant(self, node: ast.Constant, frame: Frame) -> Value:
        if type(node.value) not in PLAIN_TYPES:
            raise NotColumnar(f"a {type(node.value).__name__}")
        return node.value

    def _value_of_Name(self, node: ast.Name, frame: Frame) -> Value:
        value = frame.find(node.id)
        if value is not UNBOUND:
            return value
        if node.id in self.locals:
            raise NotColumnar(f"{node.id} before it is assigned")
        if node.id in self.file.memory:
            return frame.find(f".{node.id}")
        if node.id in self.file.containers:
            raise NotColumnar(f"all of the memory {node.id}")
        return self.file.constant(node.id)

    def _value_of_Tuple(self, node: ast.Tuple | ast.List, frame: Frame) -> Value:
        return tuple(self.evaluate(element, frame) for element in node.elts)

    _value_of_List = _value_of_Tuple

    def _value_of_UnaryOp(self, node: ast.UnaryOp, frame: Frame) -> Value:
        if isinstance(node.op, ast.Not):
            return negate(self.truth(node.operand, frame))
        value = self.evaluate(node.operand, frame)
        if isinstance(node.op, ast.USub):
            return self.values.negative(value)
        if isinstance(node.op, ast.UAdd):
            return self.values.number(value)
        raise NotColumnar(type(node.op).__name__)

    def _value_of_BinOp(self, node: ast.BinOp, frame: Frame) -> Value:
        symbol = SYMBOLS.get(type(node.op))
        if symbol is None:
            raise NotColumnar(type(node.op).__name__)
        left = self.evaluate(node.left, frame)
        right = self.evaluate(node.right, frame)
        return self.values.binary(symbol, left, right)

    def _value_of_BoolOp(self, node: ast.BoolOp, frame: Frame) -> Value:
        value = self.evaluate(node.values[0], frame)
        for operand in node.values[1:]:
            goes_on = self.values.truth(value)
            if isinstance(node.op, ast.Or):
                goes_on = negate(goes_on)
            if not isinstance(goes_on, np.ndarray):
                value = self.evaluate(operand, frame) if goes_on else value
                continue
            further = np.flatnonzero(goes_on)
            done = np.flatnonzero(~goes_on)
            pieces = [(done, take_rows(value, done))]
            if len(further):
                pieces.append((further, self._evaluate_some(operand, frame, further)))
            value = join_rows(frame.count, pieces)
        return value

    def _value_of_IfExp(self, node: ast.IfExp, frame: Frame) -> Value:
        condition = self.truth(node.test, frame)
        if not isinstance(condition, np.ndarray):
            return self.evaluate(node.body if condition else node.orelse, frame)
        yes = np.flatnonzero(condition)
        no = np.flatnonzero(~condition)
        pieces = [
            (yes, self._evaluate_some(node.body, frame, yes)),
            (no, self._evaluate_some(node.orelse, frame, no)),
        ]
        return join_rows(frame.count, pieces)

    def _evaluate_some(self, node: ast.expr, frame: Frame, rows: Indices) -> Value:
        """The value of an expression for some of the rows only."""
        some = frame.child(rows)
        value = self.evaluate(node, some)
        for name in self.file.memory:
            key = f".{name}"
            if key in some.names and some.names[key] is not frame.find(key):
                before = take_rows(frame.find(key), rows)
                if not same_values(some.names[key], before):
                    raise NotColumnar("a memory that changes within an expression")
        return value

    def _value_of_Compare(self, node: ast.Compare, frame: Frame) -> Value:
        if self.file.memory and any(map(_calls, node.comparators[1:])):
            raise NotColumnar("a call that a comparison before it may spare")
        left = self.evaluate(node.left, frame)
        result: Any = True
        for operator, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.evaluate(comparator, frame)
            result = result & self._compared(operator, left, right, frame)
            left = right
        return result

    def _compared(self, operator: ast.cmpop, left: Value, right: Value, frame: Frame) -> Any:
        if isinstance(operator, ast.In | ast.NotIn):
            if right is PARAMS:
                is_in = type(left) is str and frame.find(f"%{left}") is not UNBOUND
            else:
                is_in = self.values.contains(left, right)
            return is_in if isinstance(operator, ast.In) else negate(is_in)
        if isinstance(operator, ast.Is | ast.IsNot):
            if left is not None and right is not None:
                raise NotColumnar("a comparison by `is`")
            is_same = self.values.compare("==", left, right)
            return is_same if isinstance(operator, ast.Is) else negate(is_same)
        return self.values.compare(COMPARISONS[type(operator)], left, right)

    def _value_of_Subscript(self, node: ast.Subscript, frame: Frame) -> Value:
        cell = memory_cell(node)
        if cell is not None and cell[0] in self.file.containers:
            return self._remembered(cell, frame)
        container = self.evaluate(node.value, frame)
        if isinstance(node.slice, ast.Slice):
            return self._sliced(container, node.slice, frame)
        index = self.evaluate(node.slice, frame)
        if container is PARAMS:
            return _param(index, frame)
        if type(container) is dict:
            return self._looked_up(container, index)
        if not isinstance(container, tuple):
            raise NotColumnar("an index into something else than a list")
        return self.values.element(container, index)

    def _looked_up(self, table: dict[Any, Value], key: Value) -> Value:
        if isinstance(key, np.ndarray):
            return self.values.each(_lookup(table), key)
        if type(key) in PLAIN_TYPES and key in table:
            return table[key]
        raise NotColumnar("a key that is not there")

    def _sliced(self, container: Value, limits_node: ast.Slice, frame: Frame) -> Value:
        limits = []
        for node in (limits_node.lower, limits_node.upper, limits_node.step):
            limits.append(None if node is None else self.evaluate(node, frame))
        if not isinstance(container, tuple) or any(
            type(x) not in (int, type(None)) for x in limits
        ):
            raise NotColumnar("a slice")
        if limits[2] == 0:
            raise NotColumnar("a slice of step 0")
        part = container[slice(*limits)]
        return Table(part) if isinstance(container, Table) else part

    def _remembered(self, cell: tuple[str, Any], frame: Frame) -> Value:
        if cell[0] in self.locals:
            raise NotColumnar(f"a local name like the memory {cell[0]}")
        value = frame.find(f".{cell[0]}.{cell[1]!r}")
        if value is UNBOUND:
            raise NotColumnar(f"a part of {cell[0]} that is not assigned by a plain key")
        return value

    def _value_of_Attribute(self, node: ast.Attribute, frame: Frame) -> Value:
        cell = memory_cell(node)
        if cell is not None and cell[0] in self.file.containers:
            return self._remembered(cell, frame)
        holder = self.evaluate(node.value, frame)
        if holder is not math or not hasattr(math, node.attr):
            raise NotColumnar(f"the attribute {node.attr}")
        value = getattr(math, node.attr)
        return value if type(value) is float else MathName(node.attr)

    def _value_of_GeneratorExp(self, node: ast.GeneratorExp | ast.ListComp, frame: Frame) -> Value:
        inner = Frame(frame.count, origin=frame)
        return tuple(self._comprehended(node.elt, node.generators, inner))

    _value_of_ListComp = _value_of_GeneratorExp

    def _comprehended(
        self, element: ast.expr, generators: Sequence[ast.comprehension], frame: Frame
    ) -> list[Value]:
        if not generators:
            return [self.evaluate(element, frame)]
        values: list[Value] = []
        for item in list_items(self.evaluate(generators[0].iter, frame)):
            self.assign(generators[0].target, item, frame)
            if all(self._is_kept(condition, frame) for condition in generators[0].ifs):
                values += self._comprehended(element, generators[1:], frame)
            if len(values) * frame.count > MAX_LISTED_NUMBERS:
                raise NotColumnar("a long list")
        return values

    def _is_kept(self, condition: ast.expr, frame: Frame) -> bool:
        truth = self.truth(condition, frame)
        if isinstance(truth, np.ndarray):
            raise NotColumnar("a list whose length depends on the step")
        return bool(truth)

    def _value_of_Call(self, node: ast.Call, frame: Frame) -> Value:
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            raise NotColumnar("a starred argument")
        if isinstance(node.func, ast.Attribute):
            holder = self.evaluate(node.func.value, frame)
            if holder is not math:
                return self._call_method(node, holder, frame)
        function = self.evaluate(node.func, frame)
        if isinstance(function, BuiltinName) and function.name in ("min", "max") and node.keywords:
            return self._extreme_by_key(function.name, node, frame)
        arguments = [self.evaluate(argument, frame) for argument in node.args]
        keywords = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise NotColumnar("keywords from a dict")
            keywords[keyword.arg] = self.evaluate(keyword.value, frame)
        if isinstance(function, ast.FunctionDef):
            return self.call_function(function, arguments, keywords, frame)
        if keywords or any(argument is PARAMS for argument in arguments):
            raise NotColumnar("a call with such arguments")
        if isinstance(function, MathName):
            return call_math(self.values, function.name, arguments)
        if isinstance(function, BuiltinName):
            return call_builtin(self.values, function.name, arguments)
        raise NotColumnar("a call of something else than a function")

    def _call_method(self, node: ast.Call, holder: Value, frame: Frame) -> Value:
        assert isinstance(node.func, ast.Attribute)
        arguments = [self.evaluate(argument, frame) for argument in node.args]
        if node.keywords:
            raise NotColumnar("a method with keywords")
        if holder is PARAMS:
            if node.func.attr != "get" or len(arguments) not in (1, 2):
                raise NotColumnar(f"params.{node.func.attr}")
            return _param(arguments[0], frame)
        return call_method(self.values, holder, node.func.attr, arguments)

    def _extreme_by_key(self, name: str, node: ast.Call, frame: Frame) -> Value:
        [keyword] = node.keywords if len(node.keywords) == 1 else [None]
        is_plain = keyword is not None and keyword.arg == "key" and len(node.args) == 1
        if not is_plain or not isinstance(keyword.value, ast.Lambda):  # type: ignore[union-attr]
            raise NotColumnar(f"{name} with such keywords")
        function = keyword.value  # type: ignore[union-attr]
        if len(function.args.args) != 1:
            raise NotColumnar("a lambda of several arguments")
        elements = list_items(self.evaluate(node.args[0], frame))
        inner = Frame(frame.count, origin=frame)
        keys = []
        for element in elements:
            inner.names[function.args.args[0].arg] = element
            keys.append(self.evaluate(function.body, inner))
        return self.values.extreme(">" if name == "max" else "<", elements, keys)


def _calls(node: ast.expr) -> bool:
    return any(isinstance(inner, ast.Call) for inner in ast.walk(node))


def _param(key: Value, frame: Frame) -> Value:
    if type(key) is not str:
        raise NotColumnar("a key of params that is no text")
    value = frame.find(f"%{key}")
    if value is UNBOUND:
        raise NotColumnar(f"params have no {key}")
    return value


def _lookup(table: dict[Any, Value]) -> Any:
    def look(key: Any) -> Any:
        if key not in table:
            raise NotColumnar("a key that is not there")
        return table[key]

    return look
