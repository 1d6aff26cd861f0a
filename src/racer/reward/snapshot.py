"""What an instance of a reward file remembers, as bytes: globals, defaults, closures, attributes.

Code is never saved: functions and classes of the file are named by their place, and taken from the
freshly executed instance when the state is restored. Cars without a memory of their own have equal
bytes, which are kept once.
"""

from __future__ import annotations

import io
import pickle
from enum import Enum
from types import CellType, CodeType, FunctionType
from typing import Any

import cloudpickle

from racer.reward.instance import DefinitionPath, RewardInstance


def freeze_instance(instance: RewardInstance) -> tuple[bytes, list[str]]:
    """The state of an instance, and the names of what cannot be saved (an open file, a generator, a
    thread).
    """
    state = _state(instance)
    try:
        return _dump(instance, state), []
    except Exception:  # which entry it is, and that it is the user's, is found out below
        pass
    lost = []
    for part, entries in state.items():
        for key in list(entries):
            if not _can_dump(instance, entries[key]):
                lost.append(_name(part, key, entries[key]))
                del entries[key]
    return _dump(instance, state), lost


def thaw_instance(instance: RewardInstance, raw: bytes) -> None:
    """Give a fresh instance the state that `freeze` saved."""
    state = _Unpickler(io.BytesIO(raw), _targets(instance)).load()
    for key, module in instance.modules.items():
        kept = {name for part, name in state["globals"] if part == key}
        for name in [n for n in vars(module) if not _is_dunder(n)]:
            if name not in kept and (key, name) not in state["known"]:
                del vars(module)[name]
    for (key, name), value in state["globals"].items():
        vars(instance.modules[key])[name] = value
    for (place, name), value in state["classes"].items():
        setattr(_at(instance, place), name, value)
    for place, parts in state["functions"].items():
        _fill_function(_at(instance, place), parts)


def _state(instance: RewardInstance) -> dict[str, dict[Any, Any]]:
    """Everything in an instance that can change. `known` are the names that exist, savable or not."""
    state: dict[str, dict[Any, Any]] = {"globals": {}, "classes": {}, "functions": {}, "known": {}}
    for key, module in instance.modules.items():
        entries = {
            (key, name): value for name, value in list(vars(module).items()) if not _is_dunder(name)
        }
        state["known"] |= dict.fromkeys(entries, True)
        state["globals"] |= entries
    for place, value in instance.origin.items():
        if isinstance(value, FunctionType):
            if parts := _function_parts(value):
                state["functions"][place] = parts
        elif isinstance(value, type) and not issubclass(value, Enum):
            state["classes"] |= {(place, name): part for name, part in _class_parts(value).items()}
    return state


def _class_parts(cls: type) -> dict[str, Any]:
    """The attributes of a class that hold data: no descriptors, no machinery."""
    data = [(n, v) for n, v in list(vars(cls).items()) if not (_is_dunder(n) or n == "_abc_impl")]
    return {name: value for name, value in data if not hasattr(value, "__get__")}


def _function_parts(function: FunctionType) -> tuple[Any, ...] | None:
    """Defaults, keyword defaults, attributes and closure of a function, None when it has none of
    them.
    """
    closure = function.__closure__
    if not (function.__defaults__ or function.__kwdefaults__ or function.__dict__ or closure):
        return None
    cells = [_contents(cell) for cell in closure or ()]
    return (function.__defaults__, function.__kwdefaults__, dict(function.__dict__), cells)


def _fill_function(function: Any, parts: tuple[Any, ...]) -> None:
    function.__defaults__, function.__kwdefaults__ = parts[0], parts[1]
    function.__dict__.clear()
    function.__dict__.update(parts[2])
    for cell, contents in zip(function.__closure__ or (), parts[3], strict=True):
        _fill_cell(cell, contents)


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

    def __init__(self, file: io.BytesIO, names: dict[int, tuple[Any, ...]]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._names = names

    def persistent_id(self, obj: object) -> tuple[Any, ...] | None:
        return self._names.get(id(obj))

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, FunctionType) and id(obj.__globals__) in self._names:
            made = (obj.__code__, obj.__globals__, obj.__name__, None, obj.__closure__)
            parts: tuple[Any, ...] = (obj.__defaults__, obj.__kwdefaults__, dict(obj.__dict__))
            return FunctionType, made, parts, None, None, _fill_new_function
        if isinstance(obj, CellType):
            return CellType, (), _contents(obj), None, None, _fill_cell
        return super().reducer_override(obj)


def _fill_new_function(function: Any, parts: tuple[Any, ...]) -> None:
    function.__defaults__, function.__kwdefaults__ = parts[0], parts[1]
    function.__dict__.update(parts[2])


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, targets: dict[tuple[Any, ...], object]) -> None:
        super().__init__(file)
        self._targets = targets

    def persistent_load(self, pid: tuple[Any, ...]) -> object:
        return self._targets[pid]


def _targets(instance: RewardInstance) -> dict[tuple[Any, ...], object]:
    """Everything that a state refers to by name and does not contain."""
    found: dict[tuple[Any, ...], object] = {
        ("at", *place): value for place, value in instance.origin.items()
    }
    for key, module in instance.modules.items():
        found["module", key] = module
        found["names", key] = vars(module)
    functions = [
        value.__code__ for value in instance.origin.values() if isinstance(value, FunctionType)
    ]
    found |= {("code", k): code for k, code in enumerate(_codes(functions))}
    return found


def _codes(codes: list[CodeType]) -> list[CodeType]:
    """These code objects and all that they contain, in the order of the source."""
    found = []
    waiting = codes[::-1]
    while waiting:
        code = waiting.pop()
        found.append(code)
        waiting += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    return found


def _dump(instance: RewardInstance, state: object) -> bytes:
    file = io.BytesIO()
    _Pickler(file, {id(value): name for name, value in _targets(instance).items()}).dump(state)
    return file.getvalue()


def _can_dump(instance: RewardInstance, value: object) -> bool:
    try:
        _dump(instance, value)
    except Exception:
        return False
    return True


def _at(instance: RewardInstance, place: DefinitionPath) -> Any:
    return instance.origin[place]


def _name(part: str, key: Any, value: object) -> str:
    kind = type(value).__name__
    if part == "globals":
        return f"`{'.'.join(filter(None, key))}` ({kind})"
    place, *attribute = key if part == "classes" else (key,)
    return f"`{'.'.join([*filter(None, place), *attribute])}` (its state)"


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
