"""Independent instances of one reward file: compiled once, executed once a car.

Reward files keep globals, so two cars that share a module corrupt each other. Each instance is a
module of its own in `sys.modules`, under a name of its own, so that dataclasses, pickle and
`sys.modules[__name__]` work. Modules beside the file are imported anew for each instance, as Python
would find them, and do not stay in `sys.path` or `sys.modules`.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

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
