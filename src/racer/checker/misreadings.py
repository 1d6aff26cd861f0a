"""What a file takes for something else than it is: the number of the first step.

What is said here is read from the source, so it is said of files that fail or cannot be driven, too.
"""

from __future__ import annotations

import ast
import math
import operator
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from racer.checker.angles import find_mixed_angles, short_text
from racer.checker.clocks import find_clock_use, name_clock
from racer.checker.findings import Finding, Rule, RuleContext
from racer.reward import RewardFunction, dotted_name, import_aliases

FIRST_STEP = 2
"""`steps` in the first call of an episode (docs/simulator.md 1.1)."""
TRIED_STEPS = (*range(FIRST_STEP, 400), 999, 1000, 1500, 5000)
"""Numbers of steps that conditions are tried with."""
EARLIER_STEPS = (-1, 0, 1)
"""What an episode is thought to begin with."""
MAX_NAMED_SPOTS = 3

OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda value, values: value in values,
    ast.NotIn: lambda value, values: value not in values,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module
Branch = ast.If | ast.IfExp
_UNKNOWN = object()


class KeyReads:
    """Which expressions of a file are the value of one key of params: `params["steps"]`, and names
    and attributes that hold nothing else.
    """

    def __init__(self, tree: ast.Module, key: str) -> None:
        self._tree = tree
        self._key = key
        self._parents: dict[ast.AST, ast.AST] = {}
        self._bound: dict[tuple[Scope, str], list[ast.expr | None]] = defaultdict(list)
        self._attributes: dict[str, list[ast.expr | None]] = defaultdict(list)
        self._globals: dict[Scope, set[str]] = defaultdict(set)
        self._asked: set[ast.AST] = set()
        self._names = import_aliases(tree)
        self._collect()

    def is_key(self, node: ast.AST) -> bool:
        """Whether an expression is the value of the key, be it as int or float."""
        if node in self._asked:
            return False  # a name that is bound by way of itself
        self._asked.add(node)
        try:
            return self._is_key(node)
        finally:
            self._asked.discard(node)

    def constant(self, name: ast.Name) -> ast.expr | None:
        """The only value that a name outside functions is ever given, None where there is none."""
        values = self._bound.get((self._tree, name.id), [])
        if not self.is_global(name) or len(values) != 1:
            return None
        return values[0]

    def is_global(self, name: ast.Name) -> bool:
        """Whether a name belongs to the file and not to a function."""
        return self._scope_binding(name) is self._tree

    def function_name(self, call: ast.Call) -> str:
        """The dotted name of what is called."""
        return dotted_name(call.func, self._names)

    def _is_key(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Subscript):
            return isinstance(node.slice, ast.Constant) and node.slice.value == self._key
        if isinstance(node, ast.Call):
            first = node.args[0] if node.args else None
            if isinstance(node.func, ast.Attribute) and node.func.attr == "get":
                return isinstance(first, ast.Constant) and first.value == self._key
            is_number = self.function_name(node) in ("int", "float")
            return is_number and first is not None and self.is_key(first)
        if isinstance(node, ast.Name):
            scope = self._scope_binding(node)
            return scope is not None and self._are_key(self._bound[scope, node.id])
        if isinstance(node, ast.Attribute):
            return self._are_key(self._attributes.get(node.attr, []))
        return False

    def _are_key(self, values: Sequence[ast.expr | None]) -> bool:
        return bool(values) and all(value is not None and self.is_key(value) for value in values)

    def _scope_binding(self, name: ast.Name) -> Scope | None:
        """The innermost scope around a name that binds it."""
        scope: Scope | None = self._scope_of(name)
        while scope is not None:
            if (scope, name.id) in self._bound:
                return scope
            scope = None if isinstance(scope, ast.Module) else self._scope_of(scope)
        return None

    def _scope_of(self, node: ast.AST) -> Scope:
        parent = self._parents.get(node)
        while parent is not None:
            if isinstance(parent, Scope):
                return parent
            parent = self._parents.get(parent)
        return self._tree

    def _collect(self) -> None:
        nodes = list(ast.walk(self._tree))
        for node in nodes:
            for child in ast.iter_child_nodes(node):
                self._parents[child] = node
            if isinstance(node, ast.Global):
                self._globals[self._scope_of(node)].update(node.names)
        calls: dict[str, list[ast.Call]] = defaultdict(list)
        for node in nodes:
            self._bind(node)
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                name = node.func.id if isinstance(node.func, ast.Name) else name
                calls[name].append(node)
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._bind_arguments(node, calls.get(node.name, []))

    def _bind(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind_target(target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            if node.value is not None:
                self._bind_target(node.target, node.value)
        elif isinstance(node, ast.AugAssign | ast.For | ast.comprehension):
            self._bind_target(node.target, None)

    def _bind_target(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            scope = self._scope_of(target)
            if target.id in self._globals[scope]:
                scope = self._tree
            self._bound[scope, target.id].append(value)
        elif isinstance(target, ast.Attribute):
            self._attributes[target.attr].append(value)
        elif isinstance(target, ast.Tuple | ast.List):
            values: Sequence[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                values = value.elts
            for element, part in zip(target.elts, values, strict=True):
                self._bind_target(element, part)

    def _bind_arguments(
        self, function: ast.FunctionDef | ast.AsyncFunctionDef, calls: Sequence[ast.Call]
    ) -> None:
        """Bind arguments to what the calls in the file pass; to nothing known without calls."""
        names = [argument.arg for argument in [*function.args.posonlyargs, *function.args.args]]
        if names[:1] == ["self"]:
            names = names[1:]
        for k, name in enumerate(names):
            values: list[ast.expr | None] = [None] if not calls else []
            for call in calls:
                passed = {keyword.arg: keyword.value for keyword in call.keywords}
                values.append(passed.get(name, call.args[k] if k < len(call.args) else None))
            self._bound[function, name] += values


def key_line(reward: RewardFunction, key: str, kind: Any = ast.AST) -> int:
    """The line of the first condition that asks for a key, else of the first expression of a kind
    that holds it; 0 without one.
    """
    reads = KeyReads(reward.syntax.tree, key)
    nodes = list(ast.walk(reward.syntax.tree))
    tests = [node.test for node in nodes if isinstance(node, Branch)]
    expressions = [node for node in nodes if isinstance(node, kind) and isinstance(node, ast.expr)]
    for parts in (tests, expressions):
        lines = [part.lineno for part in parts if any(map(reads.is_key, ast.walk(part)))]
        if lines:
            return min(lines)
    return 0


def value_at(node: ast.AST, reads: KeyReads, value: float) -> Any:
    """What an expression is where the key has that value; `_UNKNOWN` where more decides."""
    if reads.is_key(node):
        return value
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        constant = reads.constant(node)
        if constant is None or any(isinstance(part, ast.Name) for part in ast.walk(constant)):
            return _UNKNOWN
        return value_at(constant, reads, value)
    if isinstance(node, ast.BoolOp):
        return _joined(node, [value_at(part, reads, value) for part in node.values])
    parts = _parts_of(node, reads)
    if parts is None:
        return _UNKNOWN
    apply, operands = parts
    values = [value_at(operand, reads, value) for operand in operands]
    if any(operand is _UNKNOWN for operand in values):
        return _UNKNOWN
    try:
        return apply(*values)
    except (ArithmeticError, TypeError, ValueError):
        return _UNKNOWN


def _joined(node: ast.BoolOp, values: Sequence[Any]) -> Any:
    """`and` and `or` of values, some of which may be unknown."""
    decides = isinstance(node.op, ast.Or)
    if any(value is not _UNKNOWN and bool(value) is decides for value in values):
        return decides
    if any(value is _UNKNOWN for value in values):
        return _UNKNOWN
    return not decides


def _tuple_of(*values: Any) -> tuple[Any, ...]:
    return values


def _parts_of(
    node: ast.AST, reads: KeyReads
) -> tuple[Callable[..., Any], Sequence[ast.AST]] | None:
    """What an expression does with which operands, None for one that is not followed."""
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)], (node.left, node.right)
    if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)], (node.operand,)
    if isinstance(node, ast.Compare):
        operators = [OPERATORS[type(one)] for one in node.ops]

        def compare(*values: Any) -> bool:
            pairs = zip(values, values[1:], operators, strict=False)
            return all(holds(left, right) for left, right, holds in pairs)

        return compare, (node.left, *node.comparators)
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return _tuple_of, node.elts
    if isinstance(node, ast.Call) and not node.keywords:
        name = reads.function_name(node)
        functions: dict[str, Callable[..., Any]] = {
            "int": int,
            "float": float,
            "round": round,
            "abs": abs,
            "range": range,
        }
        functions |= {"math.floor": math.floor, "math.ceil": math.ceil, "bool": bool}
        if name in functions:
            return functions[name], node.args
    return None


@dataclass(frozen=True)
class MissedStep:
    """A condition that no step of an episode decides as it is meant: `test` is False in all of them,
    or True where that is never meant. `unreached` is what never runs.
    """

    test: ast.expr
    unreached: Sequence[ast.AST]
    is_never: bool

    @property
    def lines(self) -> set[int]:
        """Lines that never run."""
        lines: set[int] = set()
        for node in self.unreached:
            first = getattr(node, "lineno", 0)
            lines |= set(range(first, (getattr(node, "end_lineno", 0) or first) + 1))
        return lines


def missed_steps(reward: RewardFunction) -> list[MissedStep]:
    """Conditions that wait for a step before the first call of an episode."""
    if "steps" not in reward.source:
        return []
    tree = reward.syntax.tree
    reads = KeyReads(tree, "steps")
    missed = []
    seen: set[ast.AST] = set()
    for node in ast.walk(tree):
        if not isinstance(node, Branch) or not any(map(reads.is_key, ast.walk(node.test))):
            continue
        outcome = _outcome_of(node.test, reads)
        if outcome is None:
            continue
        seen.update(ast.walk(node.test))
        body = node.orelse if outcome else node.body
        one = MissedStep(node.test, body if isinstance(body, list) else [body], not outcome)
        is_for_first = _truth(value_at(node.test, reads, 1.0)) is not outcome
        if one.unreached and (is_for_first or _is_remembered(one, reads)):
            missed.append(one)
    for node in ast.walk(tree):  # `is_first = steps == 1`
        value = node.value if isinstance(node, ast.Assign | ast.Return) else None
        if not isinstance(value, ast.Compare) or value in seen:
            continue
        if _outcome_of(value, reads) is False:
            missed.append(MissedStep(value, (), is_never=True))
    return sorted(missed, key=lambda one: one.test.lineno)


def _outcome_of(test: ast.expr, reads: KeyReads) -> bool | None:
    """What a condition is in every step of an episode, None where it varies or where no step before
    the first would change it.
    """
    outcomes = {_truth(value_at(test, reads, float(step))) for step in TRIED_STEPS}
    if len(outcomes) != 1 or None in outcomes:
        return None
    outcome = outcomes.pop()
    earlier = {_truth(value_at(test, reads, float(step))) for step in EARLIER_STEPS}
    if earlier == {outcome}:
        return None
    return outcome


def _is_remembered(missed: MissedStep, reads: KeyReads) -> bool:
    """Whether what never runs would set something that outlives the call. A guard against division
    by zero, which asks for step 0, does not.
    """
    for node in missed.unreached:
        for part in ast.walk(node):
            if isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
                return True
            if not isinstance(getattr(part, "ctx", None), ast.Store):
                continue
            if not isinstance(part, ast.Name) or reads.is_global(part):
                return True
    return False


def _truth(value: Any) -> bool | None:
    return None if value is _UNKNOWN else bool(value)


def find_missed_steps(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW316: a condition on `steps` that holds in no call, such as `steps == 1`."""
    findings = []
    for missed in missed_steps(reward)[:MAX_NAMED_SPOTS]:
        text = short_text(missed.test)
        holds = f"`{text}` never holds"
        if not missed.is_never:
            holds = f"`{text}` always holds, so what stands in its else never runs"
        message = (
            f"{holds}: the first call of an episode has steps {FIRST_STEP} "
            "(in the simulators of 2020 it had 1)"
        )
        findings.append(_finding(reward, "RW316", missed.test, message))
    return findings


def name_cause(reward: RewardFunction, finding: Finding) -> Finding:
    """A finding of the trial with the cause that the source shows: what a line reads, and a condition
    that never holds (RW316) would have set.
    """
    for missed in missed_steps(reward) if finding.code in ("RW201", "RW310") else []:
        line = missed.test.lineno
        remedy = f"write `steps <= {FIRST_STEP}` in line {line}"
        if finding.code == "RW310" and finding.line in missed.lines:
            return replace(finding, remedy=remedy)
        if finding.code == "RW201" and _names_set(missed) & _names_on(reward, finding.line):
            message = (
                f"{finding.message}; the cause is line {line}, where `{short_text(missed.test)}` "
                f"never holds: the first call of an episode has steps {FIRST_STEP}"
            )
            return replace(finding, message=message, remedy=remedy)
    return name_clock(reward, finding)


def _names_set(missed: MissedStep) -> set[str]:
    """Names, attributes and containers that would be given a value."""
    names = set()
    for node in missed.unreached:
        for part in ast.walk(node):
            context = getattr(part, "ctx", None)
            if not isinstance(context, ast.Store):
                continue
            while isinstance(part, ast.Subscript):
                part = part.value
            if isinstance(part, ast.Attribute):
                names.add(part.attr)
            elif isinstance(part, ast.Name):
                names.add(part.id)
    return names


def _names_on(reward: RewardFunction, line: int) -> set[str]:
    """Names and attributes that stand on a line."""
    names = set()
    for node in ast.walk(reward.syntax.tree):
        if getattr(node, "lineno", 0) != line:
            continue
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Name):
            names.add(node.id)
    return names


RULES: tuple[Rule, ...] = (find_missed_steps, find_clock_use, find_mixed_angles)


def _finding(reward: RewardFunction, code: str, node: ast.expr, message: str) -> Finding:
    return Finding(code, message, reward.filename, node.lineno, node.col_offset + 1)
