"""One pass with open eyes: which keys are read and where, which lines run, what the terms of the
result are worth.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

from racer.checker.calls import PARAMS_KEYS, RewardCaller, TimeBudget
from racer.checker.cases import TrialEpisode
from racer.checker.findings import Finding
from racer.checker.sandbox import MAX_TRACED_LINES
from racer.errors import did_you_mean
from racer.reward import RewardFunction, RewardRefused

UNDOCUMENTED_KEYS = (
    "projection_distance",
    "objects_distance_from_center",
    "object_in_camera",
    "sim_time",
)
MIN_TRACED_CALLS = 200  # traced calls below which nothing is said about what was not seen
ENOUGH_TRACED_CALLS = 400  # traced calls that are made whatever the budget says,
TRACING_OVERTIME_S = 1.0  # unless they take so many s more than it
MAX_NAMED_BLOCKS = 4  # unreached blocks that are named one by one
TERM_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)


class RecordingParams(dict[str, Any]):
    """Params that remember who asks for which key (a class: it stands in for a dict)."""

    reads: dict[tuple[str, str], int]

    def __getitem__(self, key: str) -> Any:
        self.reads.setdefault((key, "[]"), sys._getframe(1).f_lineno)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.reads.setdefault((key, "get"), sys._getframe(1).f_lineno)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self.reads.setdefault((str(key), "in"), sys._getframe(1).f_lineno)
        return super().__contains__(key)


@dataclass
class CallObservations:
    """What a traced pass saw."""

    calls: int = 0
    reads: dict[tuple[str, str], int] = field(default_factory=dict)
    lines: set[int] = field(default_factory=set)
    values: dict[str, set[float]] = field(default_factory=lambda: defaultdict(set))


def observe_calls(
    shop: RewardCaller, episodes: Sequence[TrialEpisode], seconds: float
) -> CallObservations:
    """What calls over these episodes show, as many as there is time for. A failure ends its
    episode.
    """
    seen, budget = CallObservations(), TimeBudget(seconds)
    names = set(result_terms(shop.reward))
    for episode in _mixed(episodes):
        if _is_enough(seen, budget):
            break
        try:
            _look_at(shop, episode, seen, names, budget)
        except RewardRefused:
            continue
    return seen


def _is_enough(seen: CallObservations, budget: TimeBudget) -> bool:
    """Whether to stop: what is found must not depend on how busy the machine is, unless the reward
    itself is slow.
    """
    return budget.left < (0.0 if seen.calls >= ENOUGH_TRACED_CALLS else -TRACING_OVERTIME_S)


def _mixed(episodes: Sequence[TrialEpisode]) -> list[TrialEpisode]:
    """The placed episodes of the first track, then laps, then the rest: the most various first."""
    first = [e for e in episodes if not e.driver][:3]
    laps = [e for e in episodes if e.driver]
    return [*first, *laps, *(e for e in episodes if not e.driver and e not in first)]


def _look_at(
    shop: RewardCaller,
    episode: TrialEpisode,
    seen: CallObservations,
    names: set[str],
    budget: TimeBudget,
) -> None:
    outside = sys.gettrace()
    # at load, too: what runs there is no dead code
    sys.settrace(_tracer(shop.reward.filename, seen, names))
    try:
        batch = shop.instance()
        piece = int(min(max(0.05 / shop.pace, 1), 32))
        for k in range(0, len(episode.params), piece):
            told = [RecordingParams(p) for p in episode.params[k : k + piece]]
            for one in told:
                one.reads = seen.reads
            shop.price(batch, told)
            seen.calls += len(told)
            if _is_enough(seen, budget):
                return
    finally:
        sys.settrace(outside)


def _tracer(filename: str, seen: CallObservations, names: set[str]) -> Any:
    lines, values, left = seen.lines, seen.values, [MAX_TRACED_LINES]

    def local(frame: FrameType, event: str, result: Any) -> Any:
        if event == "line":
            lines.add(frame.f_lineno)
            left[0] -= 1
            if left[0] < 0:
                return None
        elif event == "return" and names and frame.f_code.co_name == "reward_function":
            for name, value in frame.f_locals.items():
                if name in names and isinstance(value, (int, float)) and len(values[name]) < 2:
                    values[name].add(float(value))
        return local

    def every(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != filename:
            left[0] = MAX_TRACED_LINES
            return None
        return local if left[0] > 0 else None

    return every


def find_unknown_keys(seen: CallObservations, reward: RewardFunction) -> list[Finding]:
    """RW307 and RW308: keys that params never have, and keys that not every platform passes."""
    guarded = {key for key, how in seen.reads if how == "in"}
    found = []
    for (key, how), line in seen.reads.items():
        if how == "in" or (how == "[]" and key in guarded):
            continue
        if key not in PARAMS_KEYS and how == "get":
            near = did_you_mean(str(key), PARAMS_KEYS)
            found.append(
                Finding(
                    "RW307",
                    f"params have no {key!r}, so this is always the default{near}",
                    reward.filename,
                    line,
                )
            )
        elif key in UNDOCUMENTED_KEYS and how == "[]":
            what = (
                f"{key!r} is undocumented: older simulators and validators do not pass it, "
                "and this line raises there"
            )
            found.append(Finding("RW308", what, reward.filename, line))
    return found


def find_unreached_code(seen: CallObservations, reward: RewardFunction) -> list[Finding]:
    """RW310: blocks that no call reached, each named once with its outermost condition."""
    if seen.calls < MIN_TRACED_CALLS:
        return []
    code = set(_code_lines(reward.code))
    blocks = list(_blocks(reward.syntax.tree, seen.lines, code))
    found = []
    for first, last, what in blocks[:MAX_NAMED_BLOCKS]:
        where = f"lines {first} to {last}" if last > first else f"line {first}"
        message = f"{where} ({what}) never ran in {seen.calls:,} steps"
        found.append(Finding("RW310", message, reward.filename, first))
    if len(blocks) > MAX_NAMED_BLOCKS:
        rest = ", ".join(str(first) for first, _, _ in blocks[MAX_NAMED_BLOCKS:][:12])
        message = f"{len(blocks) - MAX_NAMED_BLOCKS} more blocks never ran, at lines {rest}"
        found.append(Finding("RW310", message, reward.filename, blocks[MAX_NAMED_BLOCKS][0]))
    return found


def find_constant_terms(seen: CallObservations, reward: RewardFunction) -> list[Finding]:
    """RW311: terms of the result that are computed and yet always the same."""
    if seen.calls < MIN_TRACED_CALLS:
        return []
    found = []
    for name, assigned in result_terms(reward).items():
        values = seen.values.get(name, set())
        computed = [node for node in assigned if not _is_literal(node)]
        ran = all(node.lineno in seen.lines for node in assigned)
        if len(values) == 1 and computed and ran:
            value = next(iter(values))
            message = f"{name} was {value:g} in all {seen.calls:,} steps"
            found.append(Finding("RW311", message, reward.filename, computed[-1].lineno))
    return found


def result_terms(reward: RewardFunction) -> dict[str, list[ast.Assign | ast.AugAssign]]:
    """Local names that are added or multiplied into the result, and their assignments."""
    entry = reward.syntax.entry
    if entry is None:
        return {}
    nodes = list(ast.walk(entry))
    results = [
        name for n in nodes if isinstance(n, ast.Return) and n.value for name in _operands(n.value)
    ]
    sums = [n for n in nodes if isinstance(n, ast.Assign | ast.AugAssign) and _target(n) in results]
    names = dict.fromkeys([*results, *(name for node in sums for name in _operands(node.value))])
    assigned: dict[str, list[ast.Assign | ast.AugAssign]] = {name: [] for name in names}
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AugAssign) and (name := _target(node)) in assigned:
            assigned[name].append(node)
    return {name: found for name, found in assigned.items() if found}


def _operands(node: ast.expr) -> list[str]:
    """Names that stand in an expression as factors or summands."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, TERM_OPERATORS):
        return [*_operands(node.left), *_operands(node.right)]
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("float", "max", "min", "abs")
    ):
        return [name for argument in node.args for name in _operands(argument)]
    return [node.id] if isinstance(node, ast.Name) else []


def _target(node: ast.Assign | ast.AugAssign) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""


def _is_literal(node: ast.Assign | ast.AugAssign) -> bool:
    """Whether a constant, a key of params or a product of constants is assigned: that may well stay
    the same.
    """
    value = node.value
    if isinstance(value, ast.Subscript) or (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)
    ):
        return True
    return not any(
        isinstance(part, ast.Name | ast.Call | ast.Subscript) for part in ast.walk(value)
    )


def _code_lines(code: CodeType) -> Iterator[int]:
    yield from (line for _, _, line in code.co_lines() if line)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_lines(constant)


def _blocks(node: ast.AST, lines: set[int], code: set[int]) -> Iterator[tuple[int, int, str]]:
    """First line, last line and description of every outermost block whose lines did not run."""
    for body, what in _bodies(node):
        first, last = body[0].lineno, max(part.end_lineno or part.lineno for part in body)
        has_code = any(line in code for line in range(first, last + 1))
        if has_code and not any(line in lines for line in range(first, last + 1)):
            yield first, last, what
            continue
        for part in body:
            yield from _blocks(part, lines, code)
    if not isinstance(node, ast.If | ast.FunctionDef):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt | ast.ExceptHandler):
                yield from _blocks(child, lines, code)


def _bodies(node: ast.AST) -> Iterator[tuple[list[ast.stmt], str]]:
    if isinstance(node, ast.If):
        test = ast.unparse(node.test)
        test = test if len(test) <= 50 else test[:47] + "..."
        if node.body[0].lineno > node.lineno:
            yield node.body, f"if {test}"
        if node.orelse:
            yield node.orelse, f"else of if {test}"
    elif isinstance(node, ast.FunctionDef):
        body = [part for part in node.body if not _is_text(part)]
        if body and body[0].lineno > node.lineno:
            yield body, f"def {node.name}"


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
