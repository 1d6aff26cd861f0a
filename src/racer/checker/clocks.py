"""Clocks on the wall that a file takes for the simulator's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from racer.checker.findings import Finding, RuleContext
from racer.checker.static import dotted_name, import_aliases
from racer.reward import RewardFunction

CLOCK_CALLS = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns",
    "time.process_time", "time.clock", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.now",
}  # fmt: skip
CODES_BY_CLOCK = ("RW203", "RW204")
"""Of what dividing by a time that hardly passes leads to."""
STEP_SECONDS = "a step is 1/15 s there: write params['steps'] / 15"


def find_clock_use(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW305: seconds of the clock on the wall that decide on the reward."""
    tree = reward.syntax.tree
    names = import_aliases(tree)
    clocks = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted_name(node.func, names) in CLOCK_CALLS:
            clocks.append(node)
    if not clocks:
        return []
    tainted = _tainted_names(tree, set(clocks))
    for part in _decisive_parts(tree):
        nodes = list(ast.walk(part))
        if any(node in clocks for node in nodes) or tainted & {_root_name(node) for node in nodes}:
            name = dotted_name(clocks[0].func, names)
            message = (
                f"{name}() is the clock on the wall, not the simulator's: here a step takes "
                f"microseconds, and {STEP_SECONDS.partition(':')[0]}"
            )
            remedy = STEP_SECONDS.partition(": ")[2] + " for seconds of the episode"
            last = clocks[-1]
            place = (reward.filename, last.lineno, last.col_offset + 1)
            return [Finding("RW305", message, *place, remedy)]
    return []


def name_clock(reward: RewardFunction, finding: Finding) -> Finding:
    """A finding of the trial with the clock that a reward reads, if a difference of times may be it."""
    may_be = finding.code in CODES_BY_CLOCK or finding.exception == "ZeroDivisionError"
    for clock in find_clock_use(reward, RuleContext(reward.path)) if may_be else []:
        circumstances = f"the clock of line {clock.line} runs on by microseconds a step here"
        circumstances = "; ".join(filter(None, (circumstances, finding.circumstances)))
        return replace(finding, circumstances=circumstances, remedy=clock.remedy)
    return finding


def _decisive_parts(tree: ast.Module) -> Iterator[ast.expr]:
    """What is returned, and what conditions ask."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            yield node.test


def _tainted_names(tree: ast.Module, sources: set[ast.Call]) -> set[str]:
    """Names that hold what these calls return, or something that was computed from it."""
    tainted: set[str] = set()
    assignments = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AugAssign)]
    while True:
        before = len(tainted)
        for node in assignments:
            parts = list(ast.walk(node.value))
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
