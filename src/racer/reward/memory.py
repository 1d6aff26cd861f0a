"""What an instance of a reward file remembers, as JSON text: values by their kinds, no code.

A state that a stranger wrote can build plain values, arrays, and objects of classes that the fresh
instance has. It can name what the instance holds anyway, and nothing else: reading it runs nothing
but the hashes of the file's own objects.
"""

from __future__ import annotations

import base64
import builtins
import contextlib
import functools
import importlib
import io
import itertools
import json
import random
from abc import ABC
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any, Generic, Protocol

import numpy as np

Reference = tuple[str, ...]
"""The name of something that a state refers to and does not contain."""
Plain = Any
"""What JSON holds: a number, a text, a list. A list of one integer is a reference to a node."""

PLAIN_TYPES = (bool, int, float, str, type(None))
NAMED_BUILTINS = {
    *(bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, object),
    *(abs, len, max, min, pow, range, round, slice, sorted, sum, enumerate, zip, map, filter),
}
"""What of Python's own a state may name: no function that opens, imports or runs anything."""
PAIR_KINDS: dict[type, str] = {dict: "dict", OrderedDict: "ordered", Counter: "counter"}
PAIR_TYPES = {name: kind for kind, name in PAIR_KINDS.items()}
ITEM_KINDS: dict[type, str] = {list: "list", set: "set", tuple: "tuple", frozenset: "frozenset"}
BINDABLE_TYPES = (list, dict, set, deque, random.Random)
"""Types whose own methods may be remembered: `add = history.append`."""
CONTENT_TYPES = (list, dict, set, tuple, float, int, str)
HARMLESS_BASES = {object, ABC, Generic, Protocol, *CONTENT_TYPES}
TEXT_KINDS: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "decimal": (Decimal, str, Decimal),
    "fraction": (Fraction, str, Fraction),
    "date": (date, date.isoformat, date.fromisoformat),
    "time": (time, time.isoformat, time.fromisoformat),
    "datetime": (datetime, datetime.isoformat, datetime.fromisoformat),
    "bytes": (bytes, lambda raw: base64.b64encode(raw).decode(), base64.b64decode),
    "bytearray": (
        bytearray,
        lambda raw: base64.b64encode(raw).decode(),
        lambda text: bytearray(base64.b64decode(text)),
    ),
}
NUMBER_KINDS: dict[str, tuple[type, Callable[[Any], Sequence[Any]]]] = {
    "complex": (complex, lambda value: (value.real, value.imag)),
    "range": (range, lambda value: (value.start, value.stop, value.step)),
    "timedelta": (timedelta, lambda value: (value.days, value.seconds, value.microseconds)),
}
BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


class CannotBeSaved(Exception):
    """A value of a kind that a state does not hold: an open file, a generator, a thread."""


class MemoryWriter:
    """Makes nodes of values. What two values share is one node."""

    def __init__(
        self,
        names: Mapping[int, Reference],
        codes: Mapping[CodeType, int],
        modules: Mapping[int, str],
        imports: frozenset[str],
    ) -> None:
        self._names = names
        self._codes = codes
        self._modules = modules  # id of a namespace to the key of its module
        self._imports = imports
        self._nodes: list[Plain] = []
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # an id is of one object only while that lives
        self._waiting: list[tuple[int, Any]] = []

    def to_text(self, value: Any) -> str:
        """The value and everything in it as JSON. Raises CannotBeSaved."""
        try:
            root = self._write(value)
            while self._waiting:
                number, content = self._waiting.pop()
                self._nodes[number] = self._node(content)
            return json.dumps([root, self._nodes], separators=(",", ":"))
        except (ValueError, RecursionError) as error:
            raise CannotBeSaved(str(error)) from None

    def _write(self, value: Any) -> Plain:
        if type(value) in PLAIN_TYPES:
            return value
        number = self._numbers.get(id(value))
        if number is not None:
            return [number]
        number = self._numbers[id(value)] = len(self._nodes)
        self._kept.append(value)
        self._nodes.append(None)
        if id(value) not in self._names and _is_container(value):
            self._waiting.append((number, value))
        else:
            self._nodes[number] = self._node(value)
        return [number]

    def _write_all(self, values: Iterable[Any]) -> list[Plain]:
        return [self._write(value) for value in values]

    def _write_pairs(self, values: Mapping[Any, Any]) -> list[Plain]:
        return [[self._write(key), self._write(value)] for key, value in values.items()]

    def _node(self, value: Any) -> list[Plain]:
        if id(value) in self._names:
            return ["is", *self._names[id(value)]]
        kind = type(value)
        if kind in ITEM_KINDS:
            return [ITEM_KINDS[kind], self._write_all(value)]
        if kind in PAIR_KINDS:
            return ["pairs", PAIR_KINDS[kind], self._write_pairs(value)]
        if kind is defaultdict:
            return ["default", self._write(value.default_factory), self._write_pairs(value)]
        if kind is deque:
            return ["deque", value.maxlen, self._write_all(value)]
        if kind is SimpleNamespace:
            return ["namespace", self._write_pairs(vars(value))]
        return self._callable_node(value) or self._leaf_node(value) or self._object_node(value)

    def _callable_node(self, value: Any) -> list[Plain] | None:
        kind = type(value)
        if kind is FunctionType:
            return self._function_node(value)
        if kind is CellType:
            return ["cell", self._write_all(cell_contents(value))]
        if kind is MethodType:
            return ["method", self._write(value.__func__), self._write(value.__self__)]
        if kind is functools.partial:
            parts = (value.func, value.args, value.keywords)
            return ["partial", *self._write_all(parts)]
        if kind is BuiltinFunctionType and type(value.__self__) in BINDABLE_TYPES:
            return ["bound", self._write(value.__self__), value.__name__]
        if isinstance(value, ModuleType) and value.__name__.partition(".")[0] in self._imports:
            return ["module", value.__name__]
        if isinstance(value, type | BuiltinFunctionType) and value in NAMED_BUILTINS:
            return ["builtin", value.__name__]
        return None

    def _function_node(self, function: FunctionType) -> list[Plain]:
        code = self._codes.get(function.__code__)
        module = self._modules.get(id(function.__globals__))
        if code is None or module is None:
            raise CannotBeSaved(function.__name__)
        parts = (function.__defaults__, function.__kwdefaults__, dict(function.__dict__))
        cells = self._write_all(function.__closure__ or ())
        return ["function", code, module, function.__name__, cells, *self._write_all(parts)]

    def _leaf_node(self, value: Any) -> list[Plain] | None:
        kind = type(value)
        for name, (text_type, to_text, _) in TEXT_KINDS.items():
            if kind is text_type:
                return [name, to_text(value)]
        for name, (number_type, to_numbers) in NUMBER_KINDS.items():
            if kind is number_type:
                return [name, list(to_numbers(value))]
        if kind is slice:
            return ["slice", self._write_all((value.start, value.stop, value.step))]
        if kind is np.ndarray or isinstance(value, np.generic):
            return ["array", _array_text(value), isinstance(value, np.generic)]
        if kind is random.Random:
            return ["random", plain_to_text(value.getstate())]
        if kind is np.random.RandomState:
            return ["randomstate", plain_to_text(value.get_state())]
        if kind is np.random.Generator:
            bits = value.bit_generator
            return ["generator", type(bits).__name__, plain_to_text(bits.state)]
        if kind is itertools.count:
            return ["count", self._write_all(value.__reduce__()[1])]
        return None

    def _object_node(self, value: Any) -> list[Plain]:
        """An object of a class of the file, or of one that stands in it."""
        kind = type(value)
        foreign = [base for base in kind.__mro__ if id(base) not in self._names]
        if isinstance(value, Enum) and id(kind) in self._names:
            return ["member", self._write(kind), value.name]
        if id(kind) not in self._names or not HARMLESS_BASES.issuperset(foreign):
            raise CannotBeSaved(kind.__name__)
        content_type = next((base for base in CONTENT_TYPES if issubclass(kind, base)), None)
        content: Plain = None
        if content_type is not None:
            content = [content_type.__name__, self._write(content_type(_contents(value)))]
        attributes = {}
        for name, descriptor in _slots(kind).items():
            try:
                attributes[name] = descriptor.__get__(value)
            except AttributeError:  # nothing is in it
                continue
        with contextlib.suppress(AttributeError):  # it has slots only
            attributes |= object.__getattribute__(value, "__dict__")
        return ["object", self._write(kind), content, self._write_pairs(attributes)]


class MemoryReader:
    """Makes values of nodes, for an instance that was executed just now.

    Containers are filled after all are there, those that hash what they hold at the very end.
    """

    def __init__(
        self,
        references: Mapping[Reference, Any],
        codes: Sequence[CodeType],
        namespaces: Mapping[str, dict[str, Any]],
        imports: frozenset[str],
    ) -> None:
        self._references = references
        self._codes = codes
        self._namespaces = namespaces
        self._imports = imports
        self._nodes: list[Plain] = []
        self._values: dict[int, Any] = {}
        self._fills: deque[Callable[[], None]] = deque()
        self._hashing_fills: deque[Callable[[], None]] = deque()

    def from_text(self, text: str) -> Any:
        """The value that a MemoryWriter wrote. Raises ValueError for a text that none wrote."""
        try:
            root, self._nodes = json.loads(text)
            value = self._read(root)
            while self._fills or self._hashing_fills:
                (self._fills or self._hashing_fills).popleft()()
            return value
        except (TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None
        except (RecursionError, MemoryError, ImportError, EOFError) as error:
            raise ValueError(type(error).__name__) from None

    def _read(self, plain: Plain) -> Any:
        if type(plain) is not list:
            return plain
        [number] = plain
        if number not in self._values:
            kind, *parts = self._nodes[number]
            self._values[number] = self._reader(kind)(*parts)
        return self._values[number]

    def _reader(self, kind: str) -> Callable[..., Any]:
        if kind in TEXT_KINDS:
            return TEXT_KINDS[kind][2]
        if kind in NUMBER_KINDS:
            return lambda numbers: NUMBER_KINDS[kind][0](*numbers)
        reader: Callable[..., Any] = getattr(self, f"_read_{kind}")
        return reader

    def _read_all(self, plains: Sequence[Plain]) -> list[Any]:
        return [self._read(plain) for plain in plains]

    def _read_is(self, *reference: str) -> Any:
        return self._references[reference]

    def _read_list(self, items: list[Plain]) -> list[Any]:
        values: list[Any] = []
        self._fills.append(lambda: values.extend(self._read_all(items)))
        return values

    def _read_tuple(self, items: list[Plain]) -> tuple[Any, ...]:
        return tuple(self._read_all(items))

    def _read_set(self, items: list[Plain]) -> set[Any]:
        values: set[Any] = set()
        self._hashing_fills.append(lambda: values.update(self._read_all(items)))
        return values

    def _read_frozenset(self, items: list[Plain]) -> frozenset[Any]:
        return frozenset(self._read_all(items))

    def _read_deque(self, length: int | None, items: list[Plain]) -> deque[Any]:
        values: deque[Any] = deque(maxlen=length)
        self._fills.append(lambda: values.extend(self._read_all(items)))
        return values

    def _read_pairs(self, kind: str, pairs: list[Plain]) -> dict[Any, Any]:
        return self._filled(PAIR_TYPES[kind](), pairs)

    def _read_default(self, factory: Plain, pairs: list[Plain]) -> dict[Any, Any]:
        return self._filled(defaultdict(self._read(factory)), pairs)

    def _filled(self, values: dict[Any, Any], pairs: list[Plain]) -> dict[Any, Any]:
        def fill() -> None:
            for key, value in pairs:
                dict.__setitem__(values, self._read(key), self._read(value))

        self._hashing_fills.append(fill)
        return values

    def _read_namespace(self, pairs: list[Plain]) -> SimpleNamespace:
        value = SimpleNamespace()
        self._fill_attributes(vars(value), pairs)
        return value

    def _read_function(
        self,
        code: int,
        module: str,
        name: str,
        cells: list[Plain],
        defaults: Plain,
        keyword_defaults: Plain,
        attributes: Plain,
    ) -> FunctionType:
        closure = tuple(self._read_all(cells)) or None
        function = FunctionType(self._codes[code], self._namespaces[module], name, None, closure)

        def fill() -> None:
            function.__defaults__ = self._read(defaults)
            function.__kwdefaults__ = self._read(keyword_defaults)
            function.__dict__.update(self._read(attributes))

        # behind the dict of attributes, which is put in the queue when it is read first
        self._read(attributes)
        self._hashing_fills.append(fill)
        return function

    def _read_cell(self, contents: list[Plain]) -> CellType:
        cell = CellType()

        def fill() -> None:
            for plain in contents:
                cell.cell_contents = self._read(plain)

        self._fills.append(fill)
        return cell

    def _read_method(self, function: Plain, owner: Plain) -> MethodType:
        return MethodType(self._read(function), self._read(owner))

    def _read_partial(self, function: Plain, arguments: Plain, keywords: Plain) -> Any:
        value = functools.partial(self._read(function), *self._read(arguments))
        keyword_values = self._read(keywords)
        self._hashing_fills.append(lambda: value.keywords.update(keyword_values))
        return value

    def _read_bound(self, owner: Plain, name: str) -> Any:
        value = self._read(owner)
        if type(value) not in BINDABLE_TYPES or name.startswith("_"):
            raise ValueError(f"a method {name}")
        return getattr(value, name)

    def _read_module(self, name: str) -> ModuleType:
        if name.partition(".")[0] not in self._imports:
            raise ValueError(f"module {name}, which the file does not import")
        return importlib.import_module(name)

    def _read_builtin(self, name: str) -> Any:
        value = getattr(builtins, name)
        if value not in NAMED_BUILTINS:
            raise ValueError(f"{name} in a state")
        return value

    def _read_slice(self, parts: list[Plain]) -> slice:
        return slice(*self._read_all(parts))

    def _read_array(self, text: str, is_scalar: bool) -> Any:
        array = np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False)
        return array[()] if is_scalar else array

    def _read_random(self, state: str) -> random.Random:
        value = random.Random()
        value.setstate(plain_from_text(state))
        return value

    def _read_randomstate(self, state: str) -> np.random.RandomState:
        value = np.random.RandomState()
        value.set_state(plain_from_text(state))
        return value

    def _read_generator(self, name: str, state: str) -> np.random.Generator:
        if name not in BIT_GENERATORS:
            raise ValueError(f"a generator {name}")
        value = np.random.Generator(getattr(np.random, name)())
        value.bit_generator.state = plain_from_text(state)
        return value

    def _read_count(self, arguments: list[Plain]) -> Any:
        return itertools.count(*self._read_all(arguments))

    def _read_member(self, kind: Plain, name: str) -> Any:
        value = self._read(kind)
        if not issubclass(value, Enum):
            raise ValueError(f"a member {name}")
        return value[name]

    def _read_object(self, kind: Plain, content: Plain, pairs: list[Plain]) -> Any:
        cls = self._read(kind)
        value = self._new_object(cls, content)
        slots = _slots(cls)
        attributes = [pair for pair in pairs if pair[0] not in slots]
        if attributes:
            self._fill_attributes(object.__getattribute__(value, "__dict__"), attributes)
        self._fills.append(lambda: self._fill_slots(value, slots, pairs))
        return value

    def _new_object(self, cls: Any, content: Plain) -> Any:
        if content is None:
            return object.__new__(cls)
        name, plain = content
        base: Any = next(base for base in CONTENT_TYPES if base.__name__ == name)
        inside = self._read(plain)
        if base in (list, dict, set):
            value = base.__new__(cls)
            fill = base.extend if base is list else base.update
            self._hashing_fills.append(lambda: fill(value, inside))
            return value
        return base.__new__(cls, inside)

    def _fill_attributes(self, namespace: dict[str, Any], pairs: list[Plain]) -> None:
        def fill() -> None:
            for name, plain in pairs:
                namespace[str(name)] = self._read(plain)

        self._fills.append(fill)

    def _fill_slots(self, owner: Any, slots: dict[str, Any], pairs: list[Plain]) -> None:
        for name, plain in pairs:
            if name in slots:
                slots[name].__set__(owner, self._read(plain))


def plain_to_text(value: Any) -> str:
    """Numbers, texts, arrays and containers of them as JSON. Raises CannotBeSaved."""
    return MemoryWriter({}, {}, {}, frozenset()).to_text(value)


def plain_from_text(text: str) -> Any:
    """What `plain_to_text` wrote. Raises ValueError for a text that it did not write."""
    return MemoryReader({}, [], {}, frozenset()).from_text(text)


def cell_contents(cell: CellType) -> list[Any]:
    """The contents of a cell in a list; an empty list for an empty cell."""
    try:
        return [cell.cell_contents]
    except ValueError:
        return []


def _is_container(value: Any) -> bool:  # its node is made later: it may hold itself
    return not isinstance(value, tuple | frozenset | MethodType | functools.partial)


def _contents(value: Any) -> Any:
    """What a value of a derived class holds, read by the methods of the built-in class."""
    if isinstance(value, dict):
        return dict(dict.items(value))
    bases: tuple[Any, ...] = (list, tuple, set)
    for base in bases:
        if isinstance(value, base):
            return list(base.__iter__(value))
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    return float.__float__(value)


def _slots(kind: type) -> dict[str, Any]:
    """Descriptors of the slots of a class, by name."""
    slots: dict[str, Any] = {}
    for base in kind.__mro__:
        for name, descriptor in vars(base).items():
            if type(descriptor).__name__ == "member_descriptor":
                slots.setdefault(name, descriptor)
    return slots


def _array_text(value: Any) -> str:
    """An array as numpy writes it, in base64. Raises ValueError for one that holds objects."""
    file = io.BytesIO()
    np.save(file, np.asarray(value), allow_pickle=False)
    return base64.b64encode(file.getvalue()).decode()
