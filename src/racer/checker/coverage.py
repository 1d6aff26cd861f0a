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

from racer.checker.calls import (
    MAX_EPISODE_FAILURES,
    PARAMS_KEYS,
    SILENCING_CODES,
    RewardCaller,
    copies_of,
)
from racer.checker.cases import TrialEpisode
from racer.checker.findings import CODES_OF_REFUSALS, Finding
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
"""So many are enough where every block ran and every term varied; else all steps are traced."""
TRACED_BATCH_CALLS = 32
COUNTED_CALLS = 8
"""Calls whose lines are counted."""
MAX_COUNTED_LINES = 500_000
"""In one call."""
MANY_LINES = 100_000  # of Python, from which on a call on a reward is called slow
LINE_WORK_S = 1e-7
"""Seconds that a line of Python is taken to cost."""
LIBRARY_LINE_LINES = 5
"""A line of a library, which calls C code more often, counts as so many."""
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

_CALL_EACH_CODE = call_each.__code__


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
    holds up to two values of each term of the result. `is_whole`: every step was traced, line by line,
    or nothing was left to see.
    """

    calls: int = 0
    reads: dict[tuple[str, str], int] = field(default_factory=dict)
    lines: set[int] = field(default_factory=set)
    values: dict[str, set[float]] = field(default_factory=lambda: defaultdict(set))
    is_whole: bool = True


def observe_calls(
    caller: RewardCaller, episodes: Sequence[TrialEpisode], limit: int
) -> CallObservations:
    """What traced calls over these episodes show, `limit` of them at most. Calls that fail count, too:
    their lines ran.
    """
    observed = CallObservations()
    names = set(result_terms(caller.reward))
    for episode in _most_various_first(episodes):
        if observed.calls >= ENOUGH_TRACED_CALLS and not _has_unseen(observed, caller.reward):
            return observed
        if observed.calls >= limit:
            observed.is_whole = False
            return observed
        if not _observe_episode(caller, episode, observed, names):
            observed.is_whole = False
            return observed
    return observed


def count_work(caller: RewardCaller, episode: TrialEpisode) -> float:
    """Seconds of one call by the number of lines that it runs, the middle of a few calls.

    Unlike a measured time this is the same on every machine, busy or not. What C code does is not
    counted.
    """
    counter = _LineCounter(caller.reward.filename)
    counts = []
    batch = caller.instance()
    for params in episode.params[:COUNTED_CALLS]:
        counter.lines = 0
        outside = sys.gettrace()
        sys.settrace(counter.trace_calls)
        try:
            caller.rewards_in_place(batch, copies_of([params]))
        except RewardRefused as error:
            if CODES_OF_REFUSALS[error.reason] in SILENCING_CODES:
                raise
        finally:
            sys.settrace(outside)
        counts.append(counter.lines)
    counts.sort()
    return max(counts[len(counts) // 2], 1) * LINE_WORK_S


class _LineCounter:
    """Counts the lines that run from the user's function on, those of libraries that it calls, too."""

    def __init__(self, filename: str) -> None:
        self.lines = 0
        self._filename = filename
        self._depth = 0

    def trace_calls(self, frame: FrameType, event: str, _: Any) -> Any:
        if self.lines > MAX_COUNTED_LINES:
            return None
        if frame.f_code.co_filename == self._filename:
            self._depth += 1
            return self._count_own
        return self._count_library if self._depth else None

    def _count_own(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            self.lines += 1
            if self.lines > MAX_COUNTED_LINES:
                frame.f_trace_lines = False
        elif event == "return":
            self._depth -= 1
        return self._count_own

    def _count_library(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            self.lines += LIBRARY_LINE_LINES
            if self.lines > MAX_COUNTED_LINES:
                frame.f_trace_lines = False
        return self._count_library


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
    """RW310: blocks that no call reached, each named once with its outermost condition. Only of the
    whole: a sample of steps does not tell.
    """
    if observed.calls < MIN_TRACED_CALLS or not observed.is_whole:
        return []
    blocks = _blocks_never_run(observed, reward)
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
    """RW311: terms of the result that are computed and yet never vary. Only of the whole."""
    if observed.calls < MIN_TRACED_CALLS or not observed.is_whole:
        return []
    findings = []
    for name, line in _constant_terms(observed, reward).items():
        value = min(observed.values[name])
        message = f"{name} was {value:g} in all {observed.calls:,} steps"
        findings.append(Finding("RW311", message, reward.filename, line))
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


def _has_unseen(observed: CallObservations, reward: RewardFunction) -> bool:
    """Whether there is a block that did not run yet, or a term that did not vary yet."""
    return bool(_blocks_never_run(observed, reward) or _constant_terms(observed, reward))


def _blocks_never_run(
    observed: CallObservations, reward: RewardFunction
) -> list[tuple[int, int, str]]:
    """First line, last line and condition of the blocks that no call reached."""
    lines_of_code = set(_lines_of_code(reward.code))
    return list(_unreached_blocks(reward.syntax.tree, observed.lines, lines_of_code))


def _constant_terms(observed: CallObservations, reward: RewardFunction) -> dict[str, int]:
    """The lines that compute terms of the result that had one value only, by name."""
    lines = {}
    for name, assignments in result_terms(reward).items():
        values = observed.values.get(name, set())
        computed = [node for node in assignments if not _may_stay_constant(node)]
        ran = all(node.lineno in observed.lines for node in assignments)
        if len(values) == 1 and computed and ran:
            lines[name] = computed[-1].lineno
    return lines


def _most_various_first(episodes: Sequence[TrialEpisode]) -> list[TrialEpisode]:
    """The placed episodes of the first track, then laps, then the rest."""
    laps = [episode for episode in episodes if episode.driver]
    placed = [episode for episode in episodes if not episode.driver]
    return [*placed[:3], *laps, *placed[3:]]


def _observe_episode(
    caller: RewardCaller, episode: TrialEpisode, observed: CallObservations, names: set[str]
) -> bool:
    """Whether every step of the episode was seen, as far as an episode can go on."""
    tracer = _Tracer(caller.reward.filename, observed, names)
    failures = 0
    start = 0
    outside = sys.gettrace()
    # from here on, as what runs when the file is loaded is no dead code
    sys.settrace(tracer.trace_calls)
    try:
        batch = caller.instance()
        while start < len(episode.params) and failures < MAX_EPISODE_FAILURES:
            copies = copies_of(episode.params[start : start + TRACED_BATCH_CALLS])
            params = [RecordingParams(p) for p in copies]
            for recording in params:
                recording.reads = observed.reads
            made = len(params)
            try:
                caller.rewards_in_place(batch, params)
            except RewardRefused as error:
                if CODES_OF_REFUSALS[error.reason] in SILENCING_CODES:
                    return False
                failures += 1
                made = max(error.call, 0) + 1
            observed.calls += made
            start += made
    except RewardRefused:  # it does not load each time
        return False
    finally:
        sys.settrace(outside)
    return start >= len(episode.params) and not tracer.is_cut


class _Tracer:
    """Notes the lines of a file that run, and the terms of the result when its function returns.

    `is_cut`: some call had more lines than are traced.
    """

    def __init__(self, filename: str, observed: CallObservations, names: set[str]) -> None:
        self.is_cut = False
        self._filename = filename
        self._names = names
        self._lines = observed.lines
        self._values = observed.values
        self._left = MAX_TRACED_LINES
        self._unseen: dict[CodeType, set[int]] = {}

    def trace_calls(self, frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        if code.co_filename != self._filename:
            self._left = MAX_TRACED_LINES
            return None
        unseen = self._unseen.get(code)
        if unseen is None:
            unseen = {line for _, _, line in code.co_lines() if line}
            self._unseen[code] = unseen
        unseen -= self._lines
        if unseen:
            return self._trace_lines
        if self._names and code.co_name == "reward_function":
            frame.f_trace_lines = False
            return self._trace_lines
        return None

    def _trace_lines(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            self._lines.add(frame.f_lineno)
            self._left -= 1
            if self._left < 0:
                self.is_cut = True
                frame.f_trace_lines = False
        elif event == "return" and self._names and frame.f_code.co_name == "reward_function":
            for name, value in frame.f_locals.items():
                if name not in self._names or not isinstance(value, (int, float)):
                    continue
                if len(self._values[name]) < 2:
                    self._values[name].add(float(value))
        return self._trace_lines


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


def find_slow_calls(caller: RewardCaller, most_s: float, slow_s: float) -> list[Finding]:
    """RW207, by the lines that a call runs, or else by its seconds. No figures that differ from run to
    run: they stand in the facts.
    """
    lines = round(caller.work / LINE_WORK_S)
    if lines > MANY_LINES:
        message = f"a call runs {min(lines, MAX_COUNTED_LINES):,} lines of Python"
        if lines > MAX_COUNTED_LINES:
            message += " and more"
    elif most_s > slow_s:
        message = f"calls take {1e3 * slow_s:g} ms and more, waiting not counted"
    else:
        return []
    entry = caller.reward.syntax.entry
    line = entry.lineno if entry else 0
    return [Finding("RW207", message, caller.reward.filename, line)]
