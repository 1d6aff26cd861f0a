"""Whether a file is a reward function at all: it parses, in the simulator's Python, and takes
`params`.
"""

from __future__ import annotations

import ast
import os
import sys
import warnings
from pathlib import Path

from racer.checker.findings import Finding, Rule, RuleContext, Severity
from racer.errors import UsageError, did_you_mean
from racer.reward.instance import SIGNATURE_2018_START
from racer.reward.load import (
    RewardFunction,
    compile_quietly,
    find_reward,
    load_reward,
    read_reward_text,
)
from racer.reward.python311 import downgrade_syntax

# What reward_function took in 2018, in order; the last one was spelled both ways.
SIGNATURE_2018 = (
    "on_track", "x", "y", "distance_from_center", "car_orientation", "progress", "steps", "throttle", "steering",
    "track_width", "waypoints", "closest_waypoints",
)  # fmt: skip
RENAMED_KEYS = {
    "on_track": "all_wheels_on_track", "car_orientation": "heading", "throttle": "speed", "steering": "steering_angle",
    "closest_waypoint": "closest_waypoints",
}  # fmt: skip
Function = ast.FunctionDef | ast.AsyncFunctionDef


def read_reward_file(name: str | os.PathLike[str]) -> tuple[RewardFunction | None, list[Finding]]:
    """The reward function of that name or file, or None and what keeps it from being one.

    UsageError when there is no such file.
    """
    path = find_reward(name)
    try:
        return load_reward(path), []
    except UsageError as refusal:
        return None, [_unreadable(path, str(refusal))]


def find_encoding_errors(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW112: the file is not UTF-8, the only encoding that the job reads."""
    notes = read_reward_text(reward.path)[1] if reward.path.exists() else ()
    return [
        Finding("RW112", note.replace(f"{reward.path} ", "the file ", 1), reward.filename, 1)
        for note in notes
    ]


def find_newer_syntax(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW111: syntax that the simulator's Python 3.12 reads and older ones do not."""
    source = read_reward_text(reward.path)[0] if reward.path.exists() else reward.source
    lines, said = source.split("\n"), downgrade_syntax(source).split("\n")
    line = next(
        (k + 1 for k, (one, other) in enumerate(zip(lines, said, strict=False)) if one != other), 0
    )
    if not line:
        return []
    what = f"valid on Python 3.12, which the simulator runs, and not on 3.11: `{lines[line - 1].strip()[:80]}`"
    return [Finding("RW111", what, reward.filename, line, 1)]


def find_signature_errors(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW102, RW103, RW104: no reward_function, one that does not take exactly params, and that of
    2018.
    """
    tree = reward.syntax.tree
    bound = _bound(tree)
    if "reward_function" not in bound and "*" not in bound:
        return [_no_function(reward, tree, bound)]
    function = bound.get("reward_function")
    if not isinstance(function, Function) or function.decorator_list:
        return []
    return _wrong_kind(reward, function) or _wrong_arguments(reward, function)


RULES: tuple[Rule, ...] = (find_encoding_errors, find_newer_syntax, find_signature_errors)


def is_signature_2018(names: list[str]) -> bool:
    """Whether these are the arguments of the reward function of 2018, as far as their names show
    it.
    """
    known = {*SIGNATURE_2018, "closest_waypoint"}
    return len(names) > 3 and (
        tuple(names[: len(SIGNATURE_2018_START)]) == SIGNATURE_2018_START
        or len(known.intersection(names)) > len(names) // 2
    )


def _parse(source: str, version: tuple[int, int]) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, feature_version=version)


def _unreadable(path: Path, refusal: str) -> Finding:
    """RW101, or RW102 for an empty file, or RW111 when only this Python is too old for it."""
    try:
        source = read_reward_text(path)[0]
    except UsageError as error:
        what = str(error).removeprefix(f"{path} ")
        return Finding(
            "RW102" if what.startswith("is empty") else "RW101", f"the file {what}", str(path), 1, 1
        )
    line, column, message = _trouble(source)
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if _is_fine_on_312(source):
        what = f"valid on Python 3.12, which the simulator runs, but Python {running}, which runs racer here, says: "
        remedy = "run racer with Python 3.12 or newer: nothing else in this file could be checked"
        return Finding("RW111", what + message, str(path), line, column, remedy, Severity.WARNING)
    return Finding("RW101", message or refusal, str(path), line, column)


def _trouble(source: str) -> tuple[int, int, str]:
    """Line, column and words of what is wrong with a source text."""
    try:
        compile_quietly(source, "reward")
    except SyntaxError as error:
        at = (error.text or "").strip()
        return (
            error.lineno or 1,
            max(error.offset or 1, 1),
            f"{error.msg}{f', at `{at[:80]}`' if at else ''}",
        )
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        before = source.partition("\0")[0]
        place = (
            (before.count("\n") + 1, len(before) - before.rfind("\n")) if "\0" in source else (1, 1)
        )
        return (*place, str(error) or type(error).__name__)
    return 1, 1, ""


def _is_fine_on_312(source: str) -> bool:
    if sys.version_info >= (3, 12):
        return False
    try:
        _parse(downgrade_syntax(source, generics=True), (3, 11))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _bound(tree: ast.Module) -> dict[str, ast.AST]:
    """Names that the file binds outside functions and classes, each with the last node that does;
    `*` for a star.
    """
    found: dict[str, ast.AST] = {}
    for node in _outer(tree):
        if isinstance(node, Function | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name): node for alias in node.names}
    return found


def _outer(node: ast.AST) -> list[ast.AST]:
    """Everything in a node that does not belong to a function or class in it; not by recursion:
    files nest deeply.
    """
    found: list[ast.AST] = []
    waiting = list(ast.iter_child_nodes(node))[::-1]
    while waiting:
        child = waiting.pop()
        found.append(child)
        if not isinstance(child, Function | ast.ClassDef | ast.Lambda):
            waiting += list(ast.iter_child_nodes(child))[::-1]
    return found


def _no_function(reward: RewardFunction, tree: ast.Module, bound: dict[str, ast.AST]) -> Finding:
    inner = reward.syntax.entry
    if inner is not None:
        what = "reward_function is defined inside a class or another function, where the job does not find it"
        return Finding("RW102", what, reward.filename, inner.lineno, inner.col_offset + 1)
    functions = {name: node for name, node in bound.items() if isinstance(node, Function)}
    near = did_you_mean("reward_function", [*functions])
    line = next((node.lineno for name, node in functions.items() if near and repr(name) in near), 0)
    rename = "rename it to reward_function" if near else ""
    return Finding(
        "RW102",
        f"the file defines no reward_function(params){near}",
        reward.filename,
        line,
        0,
        rename,
    )


def _wrong_kind(reward: RewardFunction, function: Function) -> list[Finding]:
    place = (reward.filename, function.lineno, function.col_offset + 1)
    if isinstance(function, ast.AsyncFunctionDef):
        return [
            Finding(
                "RW103",
                "reward_function is `async def`, so a call returns no number",
                *place,
                "write `def`",
            )
        ]
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _outer(function)):
        what = "reward_function holds `yield`, so a call returns no number"
        return [Finding("RW103", what, *place, "write `return`")]
    return []


def _wrong_arguments(reward: RewardFunction, function: Function) -> list[Finding]:
    place = (reward.filename, function.lineno, function.col_offset + 1)
    given = function.args
    names = [argument.arg for argument in [*given.posonlyargs, *given.args]]
    if is_signature_2018(names):
        what = f"this is the reward function of 2018, with {len(names)} arguments ({', '.join(names[:4])}, ...)"
        return [Finding("RW104", what, *place, _renamed(names))]
    needed = len(names) - len(given.defaults)
    keywords = [
        name.arg
        for name, value in zip(given.kwonlyargs, given.kw_defaults, strict=True)
        if value is None
    ]
    if needed <= 1 <= len(names) + bool(given.vararg) and not keywords:
        return []
    if not names and not given.vararg:
        what = "reward_function takes no argument that params could be passed as"
    else:
        what = f"reward_function takes ({', '.join(names + keywords)}): it must take exactly one, params"
    return [Finding("RW103", what, *place)]


def _renamed(names: list[str]) -> str:
    pairs = [f"{name} is params['{RENAMED_KEYS[name]}']" for name in names if name in RENAMED_KEYS]
    return (
        f"write `def reward_function(params):` and read params['x'] and so on; {', '.join(pairs)}"
    )
