"""Whether seconds of the clock on the wall decide on a reward: in the simulator a step is 1/15 s, and
here it takes microseconds.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from racer.reward.errors import RefusalReason, RewardRefused

NUMERIC_REASONS = (RefusalReason.BEYOND_LIMIT, RefusalReason.INFINITE, RefusalReason.NAN)
"""Reasons that an interval of almost no time may be behind."""
CLOCK_CALLS = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns",
    "time.process_time", "time.clock", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.now",
}  # fmt: skip


@dataclass(frozen=True)
class ClockUse:
    """A clock that decides: its full `name`, such as `time.time`, and the last call of one."""

    name: str
    call: ast.Call

    @property
    def line(self) -> int:
        """The line of that call."""
        return self.call.lineno


def clock_that_decides(tree: ast.Module) -> ClockUse | None:
    """The clock on which a returned value or a condition depends; None without one."""
    names = import_aliases(tree)
    clocks = []
    for node in _walk(tree):
        if isinstance(node, ast.Call) and dotted_name(node.func, names) in CLOCK_CALLS:
            clocks.append(node)
    if not clocks:
        return None
    tainted = _tainted_names(tree, set(clocks))
    for part in _decisive_parts(tree):
        nodes = list(_walk(part))
        if any(node in clocks for node in nodes) or tainted & {_root_name(node) for node in nodes}:
            return ClockUse(dotted_name(clocks[0].func, names), clocks[-1])
    return None


def name_clock(refusal: RewardRefused, tree: ast.Module) -> None:
    """Say in a refusal which clock may be behind it, where one decides what is returned."""
    is_numeric = refusal.reason in NUMERIC_REASONS or refusal.exception == "ZeroDivisionError"
    clock = clock_that_decides(tree) if is_numeric else None
    if clock is not None:
        refusal.clock = f"{clock.name}() in line {clock.line}"


def import_aliases(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, in full: `np` is `numpy`, `system` is `os.system`."""
    meanings: dict[str, str] = {}
    for node in _walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = alias.name if alias.asname else alias.name.partition(".")[0]
                meanings[alias.asname or module] = module
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                meanings[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return meanings


def dotted_name(node: ast.expr, names: dict[str, str]) -> str:
    """`numpy.load` of the expression `np.load`; empty for what is no plain chain of names."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([names.get(node.id, node.id), *reversed(parts)])


def _decisive_parts(tree: ast.Module) -> Iterator[ast.expr]:
    """What is returned, and what conditions ask."""
    for node in _walk(tree):
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            yield node.test


def _tainted_names(tree: ast.Module, sources: set[ast.Call]) -> set[str]:
    """Names that hold what these calls return, or something that was computed from it."""
    tainted: set[str] = set()
    assignments = [node for node in _walk(tree) if isinstance(node, ast.Assign | ast.AugAssign)]
    while True:
        before = len(tainted)
        for node in assignments:
            parts = list(_walk(node.value))
            names = {_root_name(part) for part in parts} - {""}
            if not sources.isdisjoint(parts) or names & tainted:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                tainted |= {_root_name(target) for target in targets} - {""}
        if len(tainted) == before:
            return tainted


def _root_name(node: ast.AST) -> str:
    """`begun` of `begun[0]`, `Memory.start` of itself; "" for what has no name."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name | ast.Attribute):
        return ast.unparse(node)
    return ""


def _walk(tree: ast.AST) -> list[ast.AST]:
    """A node and all below it. `ast.walk` imports a module when it is called, which a validator's
    trial refuses.
    """
    nodes = [tree]
    for child in ast.iter_child_nodes(tree):
        nodes += _walk(child)
    return nodes
