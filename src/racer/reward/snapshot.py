"""Instances of a reward file: independent ones, and what each remembers, as text.

Code is never saved: functions and classes of the file are named by their place, and taken from the
freshly executed instance when the state is restored (`racer.reward.memory` says what a text can
hold). Each instance is a module of its own in `sys.modules`; modules beside the file are imported anew
for each, and do not stay there.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import inspect
import pickle
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from racer.errors import did_you_mean
from racer.reward.errors import RewardUnusable, UnusableReason
from racer.reward.load import RewardFunction
from racer.reward.memory import (
    MemoryReader,
    MemoryWriter,
    Reference,
    cell_contents,
)

DefinitionPath = tuple[str, ...]
"""Where a function or class is defined: module, names, such as ("", "Memory", "update")."""
RewardEntry = Callable[[dict[str, Any]], object]
SIGNATURE_2018_START = ("on_track", "x", "y", "distance_from_center")
"""The first arguments of the reward function of 2018."""

FIXED_TYPES = (ModuleType, type, FunctionType, np.ufunc, np.dtype, re.Pattern)
FIXED_PACKAGES = ("numba", "shapely", "typing", "logging", "dataclasses")
"""Packages whose objects stay as they are while a reward uses them."""
GLOBAL_GENERATORS = tuple(vars(m)["random"].__self__ for m in (random, np.random))
"""The generators behind `random.random` and `np.random.random`, which are saved by themselves."""

_NO_DATA = (FunctionType, property, staticmethod, classmethod)

FunctionParts = tuple[Any, Any, dict[str, Any], list[list[Any]]]
"""Defaults, keyword defaults, attributes and contents of the closure's cells of a function."""


@dataclass(frozen=True, eq=False)
class RewardInstance:
    """One executed copy of a reward file.

    `modules` holds the file's own namespace under "" and those of the modules beside it under their
    names; `origin` the functions and classes as executed, by where they are defined; `given` what the
    file took from elsewhere and does not change, such as modules; `code` is that of the file, and
    `imports` the modules that it names.
    """

    call: RewardEntry
    modules: dict[str, ModuleType]
    origin: dict[DefinitionPath, object]
    given: dict[Reference, object]
    code: CodeType
    imports: frozenset[str]


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
    call = _entry(reward, module)
    origin = _origin(modules)
    given = _given(modules, origin)
    return RewardInstance(call, modules, origin, given, reward.code, reward.syntax.imports)


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
    for key, module in modules.items():
        for name, value in list(vars(module).items()):
            # a class that was made inside a function is known by what is of it
            _collect_definitions((key, name, "__class__"), type(value), vars(module), origin)
    return origin


def _given(
    modules: dict[str, ModuleType], origin: dict[DefinitionPath, object]
) -> dict[Reference, object]:
    """Globals that a state names by where they stand, and does not contain."""
    own = {id(definition) for definition in origin.values()}
    own |= {id(module) for module in modules.values()}
    given: dict[Reference, object] = {}
    for key, module in modules.items():
        for name, value in _changing_globals(module).items():
            if id(value) not in own and _is_fixed(value, vars(module)):
                given["given", key, name] = value
    for place, definition in origin.items():
        if not isinstance(definition, FunctionType):
            continue
        for number, value in enumerate(_held_by_function(definition)):
            if id(value) not in own and _is_fixed(value, definition.__globals__):
                given["given", *place, str(number)] = value
    return given


def _held_by_function(function: FunctionType) -> list[object]:
    """What stands in the cells and defaults of a function."""
    held: list[object] = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        held += cell_contents(cell)
    return held


def _is_fixed(value: object, namespace: dict[str, Any]) -> bool:
    """Whether a value is somebody else's, who keeps it as it is."""
    if isinstance(value, FunctionType):
        return value.__globals__ is not namespace
    if isinstance(value, BuiltinFunctionType | MethodType):
        owner = value.__self__
        is_global = any(owner is generator for generator in GLOBAL_GENERATORS)
        return owner is None or isinstance(owner, ModuleType) or is_global
    package = type(value).__module__.partition(".")[0]
    return type(value) is object or isinstance(value, FIXED_TYPES) or package in FIXED_PACKAGES


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


def freeze_instance(instance: RewardInstance) -> tuple[str, list[str]]:
    """The state of an instance, and the names of what cannot be saved (an open file, a generator, a
    thread).
    """
    state = _state_of(instance)
    try:
        return _state_text(instance, state), []
    except Exception:  # which entry it is, and that it is the user's, is found out below
        return _text_of_the_rest(instance, state)


def thaw_instance(instance: RewardInstance, text: str) -> None:
    """Give a fresh instance the state that `freeze_instance` saved. Raises ValueError for a text
    that it did not write.
    """
    references = _references(instance)
    namespaces = {key: vars(module) for key, module in instance.modules.items()}
    reader = MemoryReader(references, _codes(instance), namespaces, instance.imports)
    try:
        state = _State(*reader.from_text(text))
        known = {tuple(name) for name in state.known}
        for key, namespace in namespaces.items():
            for name in list(_changing_globals(instance.modules[key])):
                if (key, name) not in known:
                    del namespace[name]
        for (key, name), value in state.globals.items():
            namespaces[key][_plain_name(name)] = value
        for (place, name), value in state.classes.items():
            setattr(instance.origin[place], _plain_name(name), value)
        for place, parts in state.functions.items():
            _fill_function(instance.origin[place], parts)
    except (TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


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


def _text_of_the_rest(instance: RewardInstance, state: _State) -> tuple[str, list[str]]:
    """The state without what cannot be saved, and descriptions of that."""
    lost = []
    for key, value in list(state.globals.items()):
        if not _can_save(instance, value):
            lost.append(f"`{'.'.join(filter(None, key))}` ({type(value).__name__})")
            del state.globals[key]
    for (place, name), value in list(state.classes.items()):
        if not _can_save(instance, value):
            lost.append(f"`{'.'.join([*filter(None, place), name])}` (its state)")
            del state.classes[place, name]
    for place, parts in list(state.functions.items()):
        if not _can_save(instance, parts):
            lost.append(f"`{'.'.join(filter(None, place))}` (its state)")
            del state.functions[place]
    return _state_text(instance, state), lost


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
    contents = [cell_contents(cell) for cell in cells]
    return function.__defaults__, function.__kwdefaults__, dict(function.__dict__), contents


def _fill_function(function: Any, parts: FunctionParts) -> None:
    defaults, keyword_defaults, attributes, contents = parts
    function.__defaults__ = defaults
    function.__kwdefaults__ = keyword_defaults
    function.__dict__.clear()
    function.__dict__.update(attributes)
    for cell, content in zip(function.__closure__ or (), contents, strict=True):
        for value in content:
            cell.cell_contents = value


def _references(instance: RewardInstance) -> dict[Reference, object]:
    """Everything that a state refers to by name and does not contain."""
    references = dict(instance.given)
    for place, definition in instance.origin.items():
        references["at", *place] = definition
    for key, module in instance.modules.items():
        references["module", key] = module
        references["names", key] = vars(module)
    return references


def _codes(instance: RewardInstance) -> list[CodeType]:
    """The code of every function of the file and of the modules beside it."""
    functions = [part for part in instance.origin.values() if isinstance(part, FunctionType)]
    return _nested_codes([instance.code, *(function.__code__ for function in functions)])


def _nested_codes(codes: list[CodeType]) -> list[CodeType]:
    """These code objects and all that they contain, in the order of the source."""
    ordered = []
    waiting = codes[::-1]
    while waiting:
        code = waiting.pop()
        ordered.append(code)
        waiting += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    return ordered


def _state_text(instance: RewardInstance, state: _State) -> str:
    return _text(instance, list(vars(state).values()))


def _text(instance: RewardInstance, value: object) -> str:
    names = {id(referred): name for name, referred in _references(instance).items()}
    codes: dict[CodeType, int] = {}
    for number, code in enumerate(_codes(instance)):
        codes.setdefault(code, number)
    modules = {id(vars(module)): key for key, module in instance.modules.items()}
    return MemoryWriter(names, codes, modules, instance.imports).to_text(value)


def _can_save(instance: RewardInstance, value: object) -> bool:
    try:
        _text(instance, value)
    except Exception:  # a class of the file may refuse in any way
        return False
    return True


def _plain_name(name: str) -> str:
    if _is_dunder(name):
        raise ValueError(f"{name} in a state")
    return name


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
