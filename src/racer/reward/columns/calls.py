"""Python's functions and methods on values of many steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from racer.reward.columns.values import (
    MAX_ELEMENTS,
    PLAIN_TYPES,
    Arithmetic,
    NotColumnar,
    Value,
)

MAX_DIGITS = 64

_MATH = {
    *("acos", "asin", "atan", "atan2", "cos", "sin", "tan", "cosh", "sinh", "tanh", "hypot"),
    *("ceil", "floor", "trunc", "fabs", "fmod", "remainder", "copysign"),
    *("exp", "expm1", "log", "log10", "log1p", "log2", "pow"),
    *("isclose", "isfinite", "isinf", "isnan"),
}
"""Functions of plain numbers that are quick whatever the numbers are."""


def call_math(values: Arithmetic, name: str, arguments: Sequence[Value]) -> Value:
    """`math.name(*arguments)`."""
    if name in _EXACT_MATH and len(arguments) == 1:
        return _EXACT_MATH[name](values, arguments[0])
    if name not in _MATH or not arguments:
        raise NotColumnar(f"math.{name}()")
    return values.each(getattr(math, name), *arguments)


def _degrees(values: Arithmetic, value: Value) -> Value:
    return values.binary("*", value, 180.0 / math.pi)


def _radians(values: Arithmetic, value: Value) -> Value:
    return values.binary("*", value, math.pi / 180.0)


_EXACT_MATH: dict[str, Callable[[Arithmetic, Value], Value]] = {
    "sqrt": Arithmetic.square_root,
    "degrees": _degrees,
    "radians": _radians,
}


def call_builtin(values: Arithmetic, name: str, arguments: Sequence[Value]) -> Value:
    """What a builtin function returns."""
    if name not in _BUILTINS:
        raise NotColumnar(f"{name}()")
    function, fewest, most = _BUILTINS[name]
    if not fewest <= len(arguments) <= most:
        raise NotColumnar(f"{name}() with {len(arguments)} arguments")
    return function(values, *arguments)


def call_method(values: Arithmetic, holder: Value, name: str, arguments: Sequence[Value]) -> Value:
    """What a method of a list or dict returns that changes nothing."""
    if isinstance(holder, tuple) and name == "index" and len(arguments) == 1:
        return _index_of(values, holder, arguments[0])
    if type(holder) is dict and name == "get" and len(arguments) in (1, 2):
        return _get(values, holder, *arguments)
    if type(holder) is dict and name in ("keys", "values", "items") and not arguments:
        return tuple(getattr(holder, name)())
    raise NotColumnar(f"the method {name}")


def _get(values: Arithmetic, table: dict[Any, Value], key: Value, default: Value = None) -> Value:
    if isinstance(key, np.ndarray):
        return values.each(lambda number: table.get(number, default), key)
    if type(key) not in PLAIN_TYPES:
        raise NotColumnar("such a key")
    return table.get(key, default)


def _index_of(values: Arithmetic, elements: tuple[Value, ...], value: Value) -> Value:
    columns = [value, *elements]
    counts = [len(column) for column in columns if isinstance(column, np.ndarray)]
    if not counts:
        if value not in elements:
            raise NotColumnar("a value that is not in the list")
        return elements.index(value)
    is_equal = [np.broadcast_to(values.compare("==", x, value), counts[0]) for x in elements]
    if not is_equal:
        raise NotColumnar("a value that is not in the list")
    stacked = np.stack(is_equal)
    values.refuse_if(~stacked.any(axis=0), "a value that is not in the list")
    return stacked.argmax(axis=0).astype(np.int64)


def _absolute(values: Arithmetic, value: Value) -> Value:
    return abs(values.number(value))


def _float(values: Arithmetic, value: Value = 0.0) -> Value:
    number = values.number(value)
    return number.astype(np.float64) if isinstance(number, np.ndarray) else float(number)


def _bool(values: Arithmetic, value: Value = False) -> Value:
    return values.truth(value)


def _length(values: Arithmetic, value: Value) -> int:
    if not isinstance(value, tuple | dict | str | range):
        raise NotColumnar("the length of something")
    return len(value)


def _round(values: Arithmetic, value: Value, digits: Value = None) -> Value:
    if digits is None:
        return values.each(round, value)
    if type(digits) is not int or abs(digits) > MAX_DIGITS:
        raise NotColumnar("a rounding to such digits")
    return values.each(round, value, digits)


def _power(values: Arithmetic, value: Value, exponent: Value) -> Value:
    return values.binary("**", value, exponent)


def _range(values: Arithmetic, *limits: Value) -> range:
    if not 1 <= len(limits) <= 3 or any(type(limit) is not int for limit in limits):
        raise NotColumnar("a range whose ends depend on the step")
    if len(limits) == 3 and not limits[2]:
        raise NotColumnar("a range of step 0")
    return range(*limits)


def list_items(value: Value) -> tuple[Value, ...]:
    """What a loop goes through."""
    if not isinstance(value, tuple | range | dict) or len(value) > MAX_ELEMENTS:
        raise NotColumnar("a loop over something else than a short list")
    return tuple(value)


def _enumerate(values: Arithmetic, value: Value, start: Value = 0) -> Value:
    if type(start) is not int:
        raise NotColumnar("such an enumerate")
    return tuple(enumerate(list_items(value), start))


def _zip(values: Arithmetic, *lists: Value) -> Value:
    return tuple(zip(*map(list_items, lists), strict=False))


def _list(values: Arithmetic, value: Value = ()) -> Value:
    return list_items(value)


def _sum(values: Arithmetic, elements: Value, start: Value = 0) -> Value:
    numbers = [values.number(element) for element in list_items(elements)]
    if not numbers:
        return values.number(start)
    first = values.number(start)

    if isinstance(first, np.ndarray):
        raise NotColumnar("a sum that begins with a column")
    return values.each(lambda *terms: sum(terms, first), *numbers)


def _maximum(values: Arithmetic, *arguments: Value) -> Value:
    elements = list_items(arguments[0]) if len(arguments) == 1 else arguments
    return values.extreme(">", elements, elements)


def _minimum(values: Arithmetic, *arguments: Value) -> Value:
    elements = list_items(arguments[0]) if len(arguments) == 1 else arguments
    return values.extreme("<", elements, elements)


def _all(values: Arithmetic, elements: Value) -> Any:
    result: Any = True
    for element in list_items(elements):
        result = result & values.truth(element)
    return result


def _any(values: Arithmetic, elements: Value) -> Any:
    result: Any = False
    for element in list_items(elements):
        result = result | values.truth(element)
    return result


def _integer(values: Arithmetic, value: Value = 0) -> Value:
    return values.integer(value)


_BUILTINS: dict[str, tuple[Callable[..., Value], int, int]] = {
    "abs": (_absolute, 1, 1),
    "all": (_all, 1, 1),
    "any": (_any, 1, 1),
    "bool": (_bool, 1, 1),
    "enumerate": (_enumerate, 1, 2),
    "float": (_float, 1, 1),
    "int": (_integer, 1, 1),
    "len": (_length, 1, 1),
    "list": (_list, 0, 1),
    "max": (_maximum, 1, MAX_ELEMENTS),
    "min": (_minimum, 1, MAX_ELEMENTS),
    "pow": (_power, 2, 2),
    "range": (_range, 1, 3),
    "round": (_round, 1, 2),
    "sum": (_sum, 1, 2),
    "tuple": (_list, 0, 1),
    "zip": (_zip, 1, MAX_ELEMENTS),
}
"""Functions with the fewest and the most arguments that are done."""
