"""What an instance of a reward file remembers, as bytes: globals, defaults, closures, attributes.

Code is never saved: functions and classes of the file are named by their place, and taken from the
freshly executed instance when the state is restored. Cars without a memory of their own have equal
bytes, which are kept once.
"""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle

from racer.reward.instance import DefinitionPath, RewardInstance

_NO_DATA = (FunctionType, property, staticmethod, classmethod)

FunctionParts = tuple[Any, Any, dict[str, Any], list[list[Any]]]
"""Defaults, keyword defaults, attributes and contents of the closure's cells of a function."""
Reference = tuple[Any, ...]
"""The name of something that a state refers to and does not contain."""


@dataclass
class _State:
    """Everything in an instance that can change.

    `globals` by (module, name), `classes` by (place, attribute), `functions` by place. `known` are
    the globals that existed, whether they could be saved or not.
    """

    globals: dict[tuple[str, str], Any] = field(default_factory=dict)
    classes: dict[tuple[DefinitionPath, str], Any] = field(default_factory=dict)
    functions: dict[DefinitionPath, FunctionParts] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)


def freeze_instance(instance: RewardInstance) -> tuple[bytes, list[str]]:
    """The state of an instance, and the names of what cannot be saved (an open file, a generator, a
    thread).
    """
    state = _state_of(instance)
    try:
        return _dump(instance, vars(state)), []
    except Exception:  # which entry it is, and that it is the user's, is found out below
        return _dump_what_can_be(instance, state)


def thaw_instance(instance: RewardInstance, raw: bytes) -> None:
    """Give a fresh instance the state that `freeze_instance` saved."""
    state = _State(**_Unpickler(io.BytesIO(raw), _references(instance)).load())
    for key, module in instance.modules.items():
        for name in list(_changing_globals(module)):
            if (key, name) not in state.known:
                del vars(module)[name]
    for (key, name), value in state.globals.items():
        vars(instance.modules[key])[name] = value
    for (place, name), value in state.classes.items():
        setattr(instance.origin[place], name, value)
    for place, parts in state.functions.items():
        _fill_function(instance.origin[place], parts)


def remembered_values(instance: RewardInstance) -> dict[str, bytes]:
    """The value of everything that an instance remembers, as comparable bytes, by a name for people:
    `speed`, `Memory.best`, `reward_function.calls`, `update's default argument`.
    """
    remembered: dict[str, bytes] = {}
    for module_name, module in instance.modules.items():
        prefix = f"{module_name}." if module_name else ""
        for name, value in list(vars(module).items()):
            if name.startswith("__"):
                continue
            for part_name, part in _parts_of_value(name, value):
                remembered[prefix + part_name] = _comparable(part)
    return remembered


def _dump_what_can_be(instance: RewardInstance, state: _State) -> tuple[bytes, list[str]]:
    """The state without what cannot be saved, and descriptions of that."""
    lost = []
    for key, value in list(state.globals.items()):
        if not _can_dump(instance, value):
            lost.append(f"`{'.'.join(filter(None, key))}` ({type(value).__name__})")
            del state.globals[key]
    for (place, name), value in list(state.classes.items()):
        if not _can_dump(instance, value):
            lost.append(f"`{'.'.join([*filter(None, place), name])}` (its state)")
            del state.classes[place, name]
    for place, parts in list(state.functions.items()):
        if not _can_dump(instance, parts):
            lost.append(f"`{'.'.join(filter(None, place))}` (its state)")
            del state.functions[place]
    return _dump(instance, vars(state)), lost


def _state_of(instance: RewardInstance) -> _State:
    state = _State()
    for key, module in instance.modules.items():
        for name, value in _changing_globals(module).items():
            state.globals[key, name] = value
            state.known.add((key, name))
    for place, definition in instance.origin.items():
        if isinstance(definition, FunctionType):
            parts = _function_parts(definition)
            if parts is not None:
                state.functions[place] = parts
        elif isinstance(definition, type) and not issubclass(definition, Enum):
            for name, value in _class_data(definition).items():
                state.classes[place, name] = value
    return state


def _changing_globals(module: ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not _is_dunder(name)}


def _class_data(cls: type) -> dict[str, Any]:
    """The attributes of a class that hold data: no descriptors, no machinery."""
    data = {}
    for name, value in list(vars(cls).items()):
        is_machinery = _is_dunder(name) or name == "_abc_impl" or hasattr(value, "__get__")
        if not is_machinery:
            data[name] = value
    return data


def _function_parts(function: FunctionType) -> FunctionParts | None:
    """What a function holds, None when it holds nothing."""
    cells = function.__closure__ or ()
    if not (function.__defaults__ or function.__kwdefaults__ or function.__dict__ or cells):
        return None
    contents = [_contents(cell) for cell in cells]
    return function.__defaults__, function.__kwdefaults__, dict(function.__dict__), contents


def _fill_function(function: Any, parts: FunctionParts) -> None:
    defaults, keyword_defaults, attributes, contents = parts
    function.__defaults__ = defaults
    function.__kwdefaults__ = keyword_defaults
    function.__dict__.clear()
    function.__dict__.update(attributes)
    for cell, content in zip(function.__closure__ or (), contents, strict=True):
        _fill_cell(cell, content)


def _contents(cell: CellType) -> list[Any]:
    """The contents of a cell in a list; an empty list for an empty cell."""
    try:
        return [cell.cell_contents]
    except ValueError:
        return []


def _fill_cell(cell: CellType, contents: list[Any]) -> None:
    for value in contents:
        cell.cell_contents = value


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles by value, except what the fresh instance has anyway."""

    def __init__(self, file: io.BytesIO, names: dict[int, Reference]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._names = names

    def persistent_id(self, obj: object) -> Reference | None:
        return self._names.get(id(obj))

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, FunctionType) and id(obj.__globals__) in self._names:
            arguments = (obj.__code__, obj.__globals__, obj.__name__, None, obj.__closure__)
            parts = (obj.__defaults__, obj.__kwdefaults__, dict(obj.__dict__))
            return FunctionType, arguments, parts, None, None, _fill_new_function
        if isinstance(obj, CellType):
            return CellType, (), _contents(obj), None, None, _fill_cell
        return super().reducer_override(obj)


def _fill_new_function(function: Any, parts: tuple[Any, Any, dict[str, Any]]) -> None:
    function.__defaults__, function.__kwdefaults__, attributes = parts
    function.__dict__.update(attributes)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, references: dict[Reference, object]) -> None:
        super().__init__(file)
        self._references = references

    def persistent_load(self, pid: Reference) -> object:
        return self._references[pid]


def _references(instance: RewardInstance) -> dict[Reference, object]:
    """Everything that a state refers to by name and does not contain."""
    references: dict[Reference, object] = {}
    functions = []
    for place, definition in instance.origin.items():
        references["at", *place] = definition
        if isinstance(definition, FunctionType):
            functions.append(definition.__code__)
    for key, module in instance.modules.items():
        references["module", key] = module
        references["names", key] = vars(module)
    for number, code in enumerate(_nested_codes(functions)):
        references["code", number] = code
    return references


def _nested_codes(codes: list[CodeType]) -> list[CodeType]:
    """These code objects and all that they contain, in the order of the source."""
    ordered = []
    waiting = codes[::-1]
    while waiting:
        code = waiting.pop()
        ordered.append(code)
        waiting += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    return ordered


def _dump(instance: RewardInstance, value: object) -> bytes:
    file = io.BytesIO()
    names = {id(referred): name for name, referred in _references(instance).items()}
    _Pickler(file, names).dump(value)
    return file.getvalue()


def _can_dump(instance: RewardInstance, value: object) -> bool:
    try:
        _dump(instance, value)
    except Exception:
        return False
    return True


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _parts_of_value(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The parts of a global that may change from call to call, with their names."""
    if isinstance(value, ModuleType):
        return
    if isinstance(value, FunctionType):
        yield from _parts_of_function(name, value)
    elif isinstance(value, type):
        yield from _parts_of_class(name, value)
    else:
        yield name, value


def _parts_of_function(name: str, function: FunctionType) -> Iterator[tuple[str, Any]]:
    yield f"{name}'s default argument", (function.__defaults__, function.__kwdefaults__)
    for key, value in vars(function).items():
        yield f"{name}.{key}", value
    cells = function.__closure__ or ()
    for key, cell in zip(function.__code__.co_freevars, cells, strict=True):
        with contextlib.suppress(ValueError):  # an empty cell
            yield key, cell.cell_contents


def _parts_of_class(name: str, cls: type) -> Iterator[tuple[str, Any]]:
    for key, value in list(vars(cls).items()):
        if not key.startswith("__") and not isinstance(value, _NO_DATA):
            yield f"{name}.{key}", value


def _comparable(value: Any) -> bytes:
    try:
        return pickle.dumps(value)
    except Exception:  # the user's own class may refuse in any way
        return repr(getattr(value, "__dict__", type(value))).encode()
