"""Traced calls: which keys are read and where, which lines run, what the terms of the result are."""

from __future__ import annotations

import ast
import contextlib
import mmap
import struct
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any

from racer.checker.calls import PARAMS_KEYS, RewardCaller, TimeBudget, copies_of
from racer.checker.cases import TrialEpisode
from racer.checker.findings import Finding
from racer.errors import did_you_mean
from racer.reward import RewardFunction, RewardRefused, call_each

UNDOCUMENTED_KEYS = (
    "projection_distance",
    "objects_distance_from_center",
    "object_in_camera",
    "sim_time",
)
MIN_TRACED_CALLS = 200
"""With fewer traced calls nothing is said about what was not seen."""
ENOUGH_TRACED_CALLS = 400
"""So many traced calls are made whatever the budget says, ..."""
TRACING_OVERTIME_S = 1.0
"""... unless they take so much more than it."""
TRACED_BATCH_TIME_S = 0.05
MAX_TRACED_BATCH_CALLS = 32
MAX_NAMED_BLOCKS = 4
"""Unreached blocks that are named one by one."""
MAX_LISTED_BLOCKS = 12
MAX_CONDITION_CHARS = 50
TERM_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)
TRANSPARENT_CALLS = ("float", "max", "min", "abs")
"""Calls through which a term reaches the result."""

MAX_TRACED_LINES = 20_000
"""Lines of one call that are traced; a long loop then runs on at full speed."""

Assignment = ast.Assign | ast.AugAssign


class RecordingParams(dict[str, Any]):
    """Params that remember who asks for which key, and how."""

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
    """What traced calls showed.

    `reads` is the line of the first read by key and kind of read ("[]", "get" or "in"); `values`
    holds up to two values of each term of the result.
    """

    calls: int = 0
    reads: dict[tuple[str, str], int] = field(default_factory=dict)
    lines: set[int] = field(default_factory=set)
    values: dict[str, set[float]] = field(default_factory=lambda: defaultdict(set))


def observe_calls(
    caller: RewardCaller, episodes: Sequence[TrialEpisode], seconds: float
) -> CallObservations:
    """What traced calls over these episodes show, as many as there is time for. A failure ends its
    episode.
    """
    observed = CallObservations()
    budget = TimeBudget(seconds)
    names = set(result_terms(caller.reward))
    for episode in _most_various_first(episodes):
        if _is_enough(observed, budget):
            break
        try:
            _observe_episode(caller, episode, observed, names, budget)
        except RewardRefused:
            continue
    return observed


def find_unknown_keys(observed: CallObservations, reward: RewardFunction) -> list[Finding]:
    """RW307 and RW308: keys that params never have, and keys that not every platform passes."""
    guarded = {key for key, kind in observed.reads if kind == "in"}
    findings = []
    for (key, kind), line in observed.reads.items():
        if kind == "in" or (kind == "[]" and key in guarded):
            continue
        if key not in PARAMS_KEYS and kind == "get":
            suggestion = did_you_mean(str(key), PARAMS_KEYS)
            message = f"params have no {key!r}, so this is always the default{suggestion}"
            findings.append(Finding("RW307", message, reward.filename, line))
        elif key in UNDOCUMENTED_KEYS and kind == "[]":
            message = (
                f"{key!r} is undocumented: older simulators and validators do not pass it, "
                "and this line raises there"
            )
            findings.append(Finding("RW308", message, reward.filename, line))
    return findings


def find_unreached_code(observed: CallObservations, reward: RewardFunction) -> list[Finding]:
    """RW310: blocks that no call reached, each named once with its outermost condition."""
    if observed.calls < MIN_TRACED_CALLS:
        return []
    lines_of_code = set(_lines_of_code(reward.code))
    blocks = list(_unreached_blocks(reward.syntax.tree, observed.lines, lines_of_code))
    findings = []
    for first, last, condition in blocks[:MAX_NAMED_BLOCKS]:
        place = f"lines {first} to {last}" if last > first else f"line {first}"
        message = f"{place} ({condition}) never ran in {observed.calls:,} steps"
        findings.append(Finding("RW310", message, reward.filename, first))
    more = [first for first, _, _ in blocks[MAX_NAMED_BLOCKS:]]
    if more:
        listed = ", ".join(map(str, more[:MAX_LISTED_BLOCKS]))
        message = f"{len(more)} more blocks never ran, at lines {listed}"
        findings.append(Finding("RW310", message, reward.filename, more[0]))
    return findings


def find_constant_terms(observed: CallObservations, reward: RewardFunction) -> list[Finding]:
    """RW311: terms of the result that are computed and yet never vary."""
    if observed.calls < MIN_TRACED_CALLS:
        return []
    findings = []
    for name, assignments in result_terms(reward).items():
        values = observed.values.get(name, set())
        computed = [node for node in assignments if not _may_stay_constant(node)]
        ran = all(node.lineno in observed.lines for node in assignments)
        if len(values) == 1 and computed and ran:
            message = f"{name} was {min(values):g} in all {observed.calls:,} steps"
            findings.append(Finding("RW311", message, reward.filename, computed[-1].lineno))
    return findings


def result_terms(reward: RewardFunction) -> dict[str, list[Assignment]]:
    """Local names that are added or multiplied into the result, and their assignments."""
    entry = reward.syntax.entry
    if entry is None:
        return {}
    returns = []
    assignments = []
    for node in ast.walk(entry):
        if isinstance(node, ast.Return) and node.value is not None:
            returns += _operands(node.value)
        elif isinstance(node, Assignment):
            assignments.append(node)
    names = dict.fromkeys(returns)
    for assignment in assignments:
        if _target_name(assignment) in returns:
            names |= dict.fromkeys(_operands(assignment.value))
    terms: dict[str, list[Assignment]] = {name: [] for name in names}
    for assignment in assignments:
        if _target_name(assignment) in terms:
            terms[_target_name(assignment)].append(assignment)
    return {name: assigned for name, assigned in terms.items() if assigned}


def _is_enough(observed: CallObservations, budget: TimeBudget) -> bool:
    """Whether to stop: what is found must not depend on how busy the machine is, unless the reward
    itself is slow.
    """
    if observed.calls >= ENOUGH_TRACED_CALLS:
        return budget.left < 0.0
    return budget.left < -TRACING_OVERTIME_S


def _most_various_first(episodes: Sequence[TrialEpisode]) -> list[TrialEpisode]:
    """The placed episodes of the first track, then laps, then the rest."""
    laps = [episode for episode in episodes if episode.driver]
    placed = [episode for episode in episodes if not episode.driver]
    return [*placed[:3], *laps, *placed[3:]]


def _observe_episode(
    caller: RewardCaller,
    episode: TrialEpisode,
    observed: CallObservations,
    names: set[str],
    budget: TimeBudget,
) -> None:
    outside = sys.gettrace()
    # from here on, as what runs when the file is loaded is no dead code
    sys.settrace(_make_tracer(caller.reward.filename, observed, names))
    try:
        batch = caller.instance()
        count = int(min(max(TRACED_BATCH_TIME_S / caller.pace, 1), MAX_TRACED_BATCH_CALLS))
        for start in range(0, len(episode.params), count):
            copies = copies_of(episode.params[start : start + count])
            params = [RecordingParams(p) for p in copies]
            for recording in params:
                recording.reads = observed.reads
            caller.rewards_in_place(batch, params)
            observed.calls += len(params)
            if _is_enough(observed, budget):
                return
    finally:
        sys.settrace(outside)


def _make_tracer(filename: str, observed: CallObservations, names: set[str]) -> Any:
    """A trace function that notes the lines of a file, and the terms when its function returns."""
    lines = observed.lines
    values = observed.values
    left = [MAX_TRACED_LINES]

    def trace_lines(frame: FrameType, event: str, result: Any) -> Any:
        if event == "line":
            lines.add(frame.f_lineno)
            left[0] -= 1
            if left[0] < 0:
                return None
        elif event == "return" and names and frame.f_code.co_name == "reward_function":
            for name, value in frame.f_locals.items():
                if name in names and isinstance(value, (int, float)) and len(values[name]) < 2:
                    values[name].add(float(value))
        return trace_lines

    def trace_calls(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != filename:
            left[0] = MAX_TRACED_LINES
            return None
        return trace_lines if left[0] > 0 else None

    return trace_calls


def _operands(node: ast.expr) -> list[str]:
    """Names that stand in an expression as factors or summands."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.BinOp) and isinstance(node.op, TERM_OPERATORS):
        return _operands(node.left) + _operands(node.right)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return []
    names = []
    if node.func.id in TRANSPARENT_CALLS:
        for argument in node.args:
            names += _operands(argument)
    return names


def _target_name(node: Assignment) -> str:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id if isinstance(target, ast.Name) else ""


def _may_stay_constant(node: Assignment) -> bool:
    """Whether a constant, a key of params or a product of constants is assigned."""
    value = node.value
    if isinstance(value, ast.Subscript):
        return True
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return True
    variable = ast.Name | ast.Call | ast.Subscript
    return not any(isinstance(part, variable) for part in ast.walk(value))


def _lines_of_code(code: CodeType) -> Iterator[int]:
    for _, _, line in code.co_lines():
        if line:
            yield line
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines_of_code(constant)


def _unreached_blocks(
    node: ast.AST, ran: set[int], lines_of_code: set[int]
) -> Iterator[tuple[int, int, str]]:
    """First line, last line and condition of every outermost block none of whose lines ran."""
    for body, condition in _conditional_bodies(node):
        first = body[0].lineno
        last = max(part.end_lineno or part.lineno for part in body)
        lines = set(range(first, last + 1))
        if lines & lines_of_code and not lines & ran:
            yield first, last, condition
            continue
        for part in body:
            yield from _unreached_blocks(part, ran, lines_of_code)
    if not isinstance(node, ast.If | ast.FunctionDef):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt | ast.ExceptHandler):
                yield from _unreached_blocks(child, ran, lines_of_code)


def _conditional_bodies(node: ast.AST) -> Iterator[tuple[list[ast.stmt], str]]:
    """The bodies of a statement that may not run, with their conditions as text."""
    if isinstance(node, ast.If):
        test = ast.unparse(node.test)
        if len(test) > MAX_CONDITION_CHARS:
            test = test[: MAX_CONDITION_CHARS - 3] + "..."
        if node.body[0].lineno > node.lineno:
            yield node.body, f"if {test}"
        if node.orelse:
            yield node.orelse, f"else of if {test}"
    elif isinstance(node, ast.FunctionDef):
        body = [part for part in node.body if not _is_docstring(part)]
        if body and body[0].lineno > node.lineno:
            yield body, f"def {node.name}"


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


class LineRecorder:
    """The user's line that runs, in memory that outlives the process: what to say when it dies."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    @property
    def line(self) -> int:
        """The line that was noted last, 0 for none."""
        return int(struct.unpack("q", self._memory[:8])[0])

    @contextlib.contextmanager
    def tracing(self, filename: str) -> Iterator[None]:
        """Note every line of that file as it begins."""
        left = [MAX_TRACED_LINES]

        def trace_lines(frame: FrameType, event: str, _: Any) -> Any:
            if event == "line":
                self._memory[:8] = struct.pack("q", frame.f_lineno)
                left[0] -= 1
            return trace_lines if left[0] > 0 else None

        def trace_calls(frame: FrameType, event: str, _: Any) -> Any:
            if frame.f_code.co_filename == filename:
                return trace_lines(frame, "line", None)
            if frame.f_code is _CALL_EACH_CODE:
                left[0] = MAX_TRACED_LINES
            return None

        outside = sys.gettrace()
        sys.settrace(trace_calls)
        try:
            yield
        finally:
            sys.settrace(outside)


_CALL_EACH_CODE = call_each.__code__
