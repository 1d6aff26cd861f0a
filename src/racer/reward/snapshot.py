"""Instances of a reward file: independent ones, and what each remembers, as bytes.

Code is never saved: functions and classes of the file are named by their place, and taken from the
freshly executed instance when the state is restored. Cars without a memory of their own have equal
bytes, which are kept once.

Reward files keep globals, so two cars that share a module corrupt each other. Each instance is a
module of its own in `sys.modules`, under a name of its own, so that dataclasses, pickle and
`sys.modules[__name__]` work. Modules beside the file are imported anew for each instance, as
Python would find them, and do not stay in `sys.path` or `sys.modules`.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import inspect
import io
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle

from racer.errors import did_you_mean
from racer.reward.errors import RewardUnusable, UnusableReason
from racer.reward.load import RewardFunction

DefinitionPath = tuple[str, ...]
"""Where a function or class is defined: module, names, such as ("", "Memory", "update")."""
RewardEntry = Callable[[dict[str, Any]], object]
SIGNATURE_2018_START = ("on_track", "x", "y", "distance_from_center")
"""The first arguments of the reward function of 2018."""


@dataclass(frozen=True, eq=False)
class RewardInstance:
    """One executed copy of a reward file.

    `modules` holds the file's own namespace under "" and those of the modules beside it under their
    names; `origin` the functions and classes as executed, by where they are defined.
    """

    call: RewardEntry
    modules: dict[str, ModuleType]
    origin: dict[DefinitionPath, object]


def execute_reward(reward: RewardFunction, name: str) -> RewardInstance:
    """A new instance, registered as `name`. What the file raises passes; RewardUnusable without
    a fitting reward_function.
    """
    module = ModuleType(name)
    module.__file__ = str(reward.path.absolute())
    sys.modules[name] = module
    own: dict[str, ModuleType] = {}
    if reward.siblings:
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importer(reward, own)}
    exec(reward.code, module.__dict__)
    modules = {"": module, **own}
    return RewardInstance(_entry(reward, module), modules, _origin(modules))


def forget_modules(names: list[str]) -> None:
    """Take instances out of `sys.modules` again."""
    for name in names:
        sys.modules.pop(name, None)


def _importer(reward: RewardFunction, own: dict[str, ModuleType]) -> Callable[..., Any]:
    """An `__import__` for one instance, which has its own copy of every module beside the file."""
    folder = reward.path.parent.absolute()

    def importer(
        name: str, scope: Any = None, local: Any = None, names: Any = (), level: int = 0
    ) -> Any:
        if level or name.partition(".")[0] not in reward.siblings:
            return builtins.__import__(name, scope, local, names, level)
        with _beside(folder, reward.siblings, own):
            return builtins.__import__(name, scope, local, names, level)

    return importer


@contextlib.contextmanager
def _beside(folder: Path, siblings: frozenset[str], own: dict[str, ModuleType]) -> Iterator[None]:
    """Python's import system as if the folder were first in the path and these modules loaded; then
    as it was.
    """
    hidden = _take_modules(siblings)
    sys.modules.update(own)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        own.update(_take_modules(siblings))
        sys.modules.update(hidden)
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def _take_modules(siblings: frozenset[str]) -> dict[str, ModuleType]:
    """The loaded ones of these modules, which are taken out of `sys.modules`."""
    names = [name for name in sys.modules if name.partition(".")[0] in siblings]
    return {name: sys.modules.pop(name) for name in names}


def _entry(reward: RewardFunction, module: ModuleType) -> RewardEntry:
    """The module's `reward_function`. Raises RewardUnusable unless it takes one argument and returns
    at once.
    """
    call = vars(module).get("reward_function")
    if call is None:
        suggestion = did_you_mean("reward_function", _callable_names(module))
        raise _unusable(reward, UnusableReason.NO_FUNCTION, detail=suggestion)
    if not callable(call):
        raise _unusable(reward, UnusableReason.NOT_CALLABLE, detail=type(call).__name__)
    target = call if isinstance(call, FunctionType) else getattr(call, "__call__", call)  # noqa: B004
    if inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(target):
        raise _unusable(reward, UnusableReason.ASYNC)
    if inspect.isgeneratorfunction(target):
        raise _unusable(reward, UnusableReason.GENERATOR)
    _check_signature(reward, call)
    return call  # type: ignore[no-any-return]


def _callable_names(module: ModuleType) -> list[str]:
    names = []
    for name, value in vars(module).items():
        if callable(value) and not name.startswith("__"):
            names.append(name)
    return names


def _check_signature(reward: RewardFunction, call: Callable[..., object]) -> None:
    try:
        signature = inspect.signature(call)
    except (ValueError, TypeError):
        return  # a builtin keeps its signature to itself: the first call will tell
    names = tuple(signature.parameters)
    if len(names) > 3 and names[: len(SIGNATURE_2018_START)] == SIGNATURE_2018_START:
        raise _unusable(reward, UnusableReason.SIGNATURE_2018, arguments=names)
    try:
        signature.bind({})
    except TypeError:
        raise _unusable(reward, UnusableReason.SIGNATURE, arguments=names) from None


def _unusable(
    reward: RewardFunction,
    reason: UnusableReason,
    detail: str = "",
    arguments: tuple[str, ...] = (),
) -> RewardUnusable:
    entry = reward.syntax.entry
    return RewardUnusable(
        reason=reason,
        path=reward.filename,
        line=entry.lineno if entry else 0,
        detail=detail,
        arguments=arguments,
    )


def _origin(modules: dict[str, ModuleType]) -> dict[DefinitionPath, object]:
    """Functions and classes of these modules by path, in the order of their definition."""
    origin: dict[DefinitionPath, object] = {}
    for key, module in modules.items():
        for name, value in list(vars(module).items()):
            _collect_definitions((key, name), value, vars(module), origin)
    return origin


def _collect_definitions(
    path: DefinitionPath,
    value: object,
    namespace: dict[str, Any],
    origin: dict[DefinitionPath, object],
) -> None:
    """Add the functions and classes in a value that were defined in that namespace."""
    if isinstance(value, FunctionType):
        if value.__globals__ is namespace:
            origin.setdefault(path, value)
    elif isinstance(value, functools._lru_cache_wrapper):
        origin.setdefault(path, value)
    elif isinstance(value, staticmethod | classmethod):
        _collect_definitions((*path, "__func__"), value.__func__, namespace, origin)
    elif isinstance(value, property):
        for part in ("fget", "fset"):
            _collect_definitions((*path, part), getattr(value, part), namespace, origin)
    elif isinstance(value, type):
        is_own = value.__module__ == namespace.get("__name__")
        if is_own and value not in origin.values():
            origin[path] = value
            for name, part in list(vars(value).items()):
                _collect_definitions((*path, name), part, namespace, origin)


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
