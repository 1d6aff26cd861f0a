"""Values of many steps at once, with the arithmetic of Python to the last bit.

A value is one of these: a column (n,) of float64, int64 or bool, an element a step; a plain Python
number, text or None, which is the same for every step; a tuple or dict of values; or a `Sparse`
column, which is None for some of the steps. What would raise for one of the steps raises
`NotColumnar` for all of them: the caller then asks the file itself.

Only operations that IEEE 754 rounds exactly (`+ - * / sqrt`, comparisons) are numpy's; `**`, `sin`,
`atan2` and their like differ by a last bit between numpy and the C library, so Python's own functions
are called for each element.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = Any
Indices = NDArray[np.intp]

MAX_INT = 2**31
"""Whole numbers beyond it are left to Python, whose numbers have no end."""
MAX_EXPONENT = 64
MAX_ELEMENTS = 4096
"""Elements of a list that are gone through one by one."""
PLAIN_TYPES = (bool, int, float, str, type(None))

_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class NotColumnar(Exception):
    """The file does what is not done for columns, or what raises for one of the steps."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class Table(tuple[Any, ...]):
    """A constant list of the file: plain values, and tables of them."""


@dataclass(frozen=True, eq=False)
class Sparse:
    """A column (n,) of numbers, which is None where `is_none` (n,)."""

    numbers: NDArray[Any]
    is_none: NDArray[np.bool_]


def take_rows(value: Value, rows: Indices) -> Value:
    """The value at some of its rows (m,)."""
    if isinstance(value, np.ndarray):
        return value[rows]
    if isinstance(value, tuple) and not is_uniform(value):
        return tuple(take_rows(element, rows) for element in value)
    if isinstance(value, Sparse):
        return Sparse(value.numbers[rows], value.is_none[rows])
    return value


def is_uniform(value: Value) -> bool:
    """Whether a value is the same for every step."""
    if isinstance(value, tuple):
        return isinstance(value, Table) or all(map(is_uniform, value))
    return not isinstance(value, np.ndarray | Sparse)


def join_rows(count: int, pieces: Sequence[tuple[Indices, Value]]) -> Value:
    """One value of `count` rows from those of disjoint rows that cover all of them.

    Raises NotColumnar for kinds that do not go into one column.
    """
    values = [value for _, value in pieces]
    first = values[0]
    if len(pieces) == 1 and len(pieces[0][0]) == count:
        return first
    if isinstance(first, tuple):
        return _join_tuples(count, pieces)
    if all(value is first for value in values[1:]) and not isinstance(first, np.ndarray | Sparse):
        return first
    is_plain = all(type(value) in PLAIN_TYPES for value in values)
    if is_plain and all(same_values(value, first) for value in values):
        return first
    numbers = [value for value in values if value is not None]
    if any(not _is_number(value) for value in numbers):
        raise NotColumnar("different kinds of values in one variable")
    if len(numbers) < len(values) or any(isinstance(value, Sparse) for value in values):
        return _join_sparse(count, pieces)
    joined = np.empty(count, _common_type(numbers))
    for rows, value in pieces:
        joined[rows] = value
    return joined


def _join_tuples(count: int, pieces: Sequence[tuple[Indices, Value]]) -> Value:
    values = [value for _, value in pieces]
    first = values[0]
    if all(value is first for value in values):
        return first
    if any(not isinstance(value, tuple) or len(value) != len(first) for value in values):
        raise NotColumnar("lists of different lengths in one variable")
    elements = []
    for k in range(len(first)):
        elements.append(join_rows(count, [(rows, value[k]) for rows, value in pieces]))
    return tuple(elements)


def _join_sparse(count: int, pieces: Sequence[tuple[Indices, Value]]) -> Sparse:
    numbers = [value for _, value in pieces if value is not None]
    plain = [value.numbers if isinstance(value, Sparse) else value for value in numbers]
    joined = np.zeros(count, _common_type(plain) if plain else np.float64)
    is_none = np.zeros(count, np.bool_)
    for rows, value in pieces:
        if value is None:
            is_none[rows] = True
        elif isinstance(value, Sparse):
            joined[rows] = value.numbers
            is_none[rows] = value.is_none
        else:
            joined[rows] = value
    return Sparse(joined, is_none)


def _is_number(value: Value) -> bool:
    return isinstance(value, np.ndarray | Sparse) or type(value) in (bool, int, float)


def _is_whole(value: Value) -> bool:
    if isinstance(value, np.ndarray):
        return bool(value.dtype != np.float64)
    return type(value) in (bool, int)


def _common_type(values: Sequence[Value]) -> np.dtype[Any]:
    types = [np.asarray(value).dtype for value in values]
    common = types[0]
    for dtype in types[1:]:
        common = np.promote_types(common, dtype)
    return common


def same_values(a: Value, b: Value) -> bool:
    """Whether two values are equal to the last bit, nan like nan."""
    if isinstance(a, Sparse) and isinstance(b, Sparse):
        is_number = ~a.is_none
        return bool(np.array_equal(a.is_none, b.is_none)) and same_values(
            a.numbers[is_number], b.numbers[is_number]
        )
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return bool(a.dtype == b.dtype and a.tobytes() == b.tobytes())
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same_values, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


class Arithmetic:
    """Operators and functions on values. While it is `lenient`, what would raise gives some number:
    that is for rounds of which nothing but a first guess is wanted.
    """

    def __init__(self) -> None:
        self.lenient = False

    def refuse_if(self, is_wrong: Any, reason: str) -> None:
        """Raise NotColumnar where anything is wrong, unless lenient."""
        if not self.lenient and np.any(is_wrong):
            raise NotColumnar(reason)

    def number(self, value: Value) -> Value:
        """A value that is a number for every step: a column of float64 or int64, or a plain one."""
        if isinstance(value, Sparse):
            self.refuse_if(value.is_none, "None among numbers")
            value = value.numbers
        if isinstance(value, np.ndarray):
            return value.astype(np.int64) if value.dtype == np.bool_ else value
        if type(value) in (bool, int, float):
            return value
        if self.lenient and value is None:
            return 0.0
        raise NotColumnar(f"arithmetic with {_kind(value)}")

    def truth(self, value: Value) -> Any:
        """Whether it is true: a column of bool, or a plain bool."""
        if isinstance(value, np.ndarray):
            return value if value.dtype == np.bool_ else value != 0
        if isinstance(value, Sparse):
            return ~value.is_none & (value.numbers != 0)
        if type(value) in PLAIN_TYPES or isinstance(value, tuple | dict):
            return bool(value)
        raise NotColumnar(f"the truth of {_kind(value)}")

    def binary(self, symbol: str, left: Value, right: Value) -> Value:
        """`left symbol right` for one of `+ - * / // % **`."""
        a = self.number(left)
        b = self.number(right)
        if symbol == "**":
            return self._power(a, b)
        if not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray):
            return self.plain(_OPERATORS[symbol], a, b)
        if symbol in ("/", "//", "%"):
            self.refuse_if(np.equal(b, 0), "a division by zero")
        self._check_integers(a, b)
        if symbol == "/":
            return np.true_divide(a, b)
        return _OPERATORS[symbol](a, b)

    def _power(self, a: Value, b: Value) -> Value:
        if _is_whole(a) and _is_whole(b) and np.any(np.abs(b) > MAX_EXPONENT):
            raise NotColumnar("a large power")
        return self.each(operator.pow, a, b)

    def _check_integers(self, *values: Value) -> None:
        for value in values:
            if _is_whole(value) and np.any(np.abs(value) >= MAX_INT):
                raise NotColumnar("a large whole number")

    def plain(self, function: Callable[..., Any], *values: Value) -> Value:
        """A function of plain numbers."""
        self._check_integers(*values)
        try:
            result = function(*values)
        except (ArithmeticError, ValueError, TypeError) as error:
            if self.lenient:
                return 0.0
            raise NotColumnar(f"{type(error).__name__}: {error}") from None
        if type(result) not in (bool, int, float):
            raise NotColumnar(f"a result that is {_kind(result)}")
        return result

    def each(self, function: Callable[..., Any], *values: Value) -> Value:
        """A function of Python's, called for each element."""
        numbers = [self.number(value) for value in values]
        counts = [len(value) for value in numbers if isinstance(value, np.ndarray)]
        if not counts:
            return self.plain(function, *numbers)
        self._check_integers(*numbers)
        lists = []
        for value in numbers:
            is_column = isinstance(value, np.ndarray)
            lists.append(value.tolist() if is_column else [value] * counts[0])
        if self.lenient:
            function = _with_nan(function)
        try:
            results = list(map(function, *lists))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise NotColumnar(f"{type(error).__name__}: {error}") from None
        if not results:
            return np.empty(0)
        column = np.array(results)
        if column.dtype not in (np.float64, np.int64, np.bool_):
            raise NotColumnar("results that are no numbers")
        return column

    def negative(self, value: Value) -> Value:
        """`-value`."""
        number = self.number(value)
        self._check_integers(number)
        return -number

    def compare(self, symbol: str, left: Value, right: Value) -> Any:
        """`left symbol right` for one of `== != < <= > >=`."""
        if symbol in ("==", "!="):
            return self._equal(left, right) if symbol == "==" else negate(self._equal(left, right))
        if type(left) is str and type(right) is str:
            return _OPERATORS[symbol](left, right)
        return _OPERATORS[symbol](self.number(left), self.number(right))

    def _equal(self, left: Value, right: Value) -> Any:
        if isinstance(left, tuple) and isinstance(right, tuple):
            if len(left) != len(right):
                return False
            result: Any = True
            for a, b in zip(left, right, strict=True):
                result = result & self._equal(a, b)
            return result
        for value, other in ((left, right), (right, left)):
            if isinstance(value, Sparse):
                if other is None:
                    return value.is_none
                return ~value.is_none & self._equal(value.numbers, other)
        if _is_number(left) and _is_number(right):
            return left == right
        if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
            if type(left) in PLAIN_TYPES or type(right) in PLAIN_TYPES:
                return False  # a number and a text, or None
            raise NotColumnar("a comparison of different kinds")
        if type(left) in PLAIN_TYPES and type(right) in PLAIN_TYPES:
            return left == right
        raise NotColumnar("a comparison of different kinds")

    def contains(self, value: Value, container: Value) -> Any:
        """`value in container`."""
        if isinstance(container, range) and len(container) > MAX_ELEMENTS:
            raise NotColumnar("a long range")
        elements = tuple(container) if isinstance(container, tuple | dict | range) else None
        if elements is None:
            raise NotColumnar(f"a look into {_kind(container)}")
        if isinstance(value, np.ndarray) and all(type(x) in (bool, int, float) for x in elements):
            return np.isin(value, np.array(elements)) if elements else np.zeros(len(value), bool)
        result: Any = False
        for element in elements:
            result = result | self._equal(value, element)
        return result

    def choose(self, is_first: Any, first: Value, second: Value) -> Value:
        """`first` where `is_first`, else `second`."""
        if not isinstance(is_first, np.ndarray):
            return first if is_first else second
        chosen = np.flatnonzero(is_first)
        others = np.flatnonzero(~is_first)
        pieces = [(chosen, take_rows(first, chosen)), (others, take_rows(second, others))]
        return join_rows(len(is_first), pieces)

    def extreme(self, symbol: str, elements: Sequence[Value], keys: Sequence[Value]) -> Value:
        """`max` (for `>`) or `min` (`<`) of elements by their keys: the first of equal ones."""
        if not elements:
            raise NotColumnar("the extreme of nothing")
        best = elements[0]
        best_key = self.number(keys[0])
        for element, key in zip(elements[1:], keys[1:], strict=True):
            key = self.number(key)
            is_better = _OPERATORS[symbol](key, best_key)
            is_number = element is key or (_is_number(element) and not isinstance(element, Sparse))
            if is_number and isinstance(is_better, np.ndarray):
                best = _choose_number(is_better, element, best)
            else:
                best = self.choose(is_better, element, best)
            best_key = _choose_number(is_better, key, best_key)
        return best

    def element(self, container: Value, index: Value) -> Value:
        """`container[index]` of a tuple, by a plain whole number or a column of them."""
        if not isinstance(index, np.ndarray):
            if type(index) not in (int, bool):
                raise NotColumnar(f"an index that is {_kind(index)}")
            if self.lenient and not -len(container) <= index < len(container):
                return 0.0
            try:
                return container[index]
            except IndexError:
                raise NotColumnar("an index out of range") from None
        if index.dtype == np.float64:
            raise NotColumnar("an index that is no whole number")
        index = index.astype(np.int64)
        count = len(container)
        self.refuse_if((index < -count) | (index >= count), "an index out of range")
        if not count:
            raise NotColumnar("an index into nothing")
        index = index % count if self.lenient else np.where(index < 0, index + count, index)
        return _gather(container, index)

    def integer(self, value: Value) -> Value:
        """`int(value)`."""
        number = self.number(value)
        if not isinstance(number, np.ndarray):
            return self.plain(int, number)
        if number.dtype != np.float64:
            return number
        is_large = ~(np.abs(number) < MAX_INT)
        self.refuse_if(is_large, "a number too large for a column of whole numbers")
        return np.where(is_large, 0.0, number).astype(np.int64)

    def square_root(self, value: Value) -> Value:
        """`math.sqrt(value)`, which IEEE 754 rounds exactly."""
        number = self.number(value)
        if not isinstance(number, np.ndarray):
            return self.plain(math.sqrt, number)
        self.refuse_if(number < 0, "the root of a negative number")
        return np.sqrt(number)


def negate(truth: Any) -> Any:
    """`not truth` of a column of bool or a plain bool."""
    return ~truth if isinstance(truth, np.ndarray) else not truth


def _choose_number(is_first: Any, first: Value, second: Value) -> Value:
    if not isinstance(is_first, np.ndarray):
        return first if is_first else second
    return np.where(is_first, first, second)


def _gather(container: tuple[Value, ...], index: NDArray[np.int64]) -> Value:
    first = container[0]
    if isinstance(first, tuple):
        if any(not isinstance(row, tuple) or len(row) != len(first) for row in container):
            raise NotColumnar("rows of different lengths")
        parts = [tuple(element[k] for element in container) for k in range(len(first))]
        return tuple(_gather(part, index) for part in parts)
    if not all(map(_is_number, container)) or any(isinstance(x, Sparse) for x in container):
        raise NotColumnar("a list of other things than numbers")
    if is_uniform(container):
        return np.array(container)[index]
    columns = [np.broadcast_to(np.asarray(element), index.shape) for element in container]
    return np.stack(columns)[index, np.arange(len(index))]


def _with_nan(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*numbers: Any) -> Any:
        try:
            result = function(*numbers)
        except (ArithmeticError, ValueError, TypeError):
            return math.nan
        return result if type(result) in (bool, int, float) else math.nan

    return call


def _kind(value: Value) -> str:
    return "None" if value is None else type(value).__name__
