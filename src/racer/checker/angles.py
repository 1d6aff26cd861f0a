"""Angles of a reward file, followed through its source: where degrees and radians are mixed.

`heading` and `steering_angle` are in degrees, atan2 returns radians, `objects_heading` holds radians
(docs/simulator.md 1.1).
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Sequence

from racer.checker.findings import Finding, RuleContext
from racer.reward import RewardFunction, dotted_name, import_aliases

ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
MAX_NAMED_SPOTS = 3
MAX_TEXT_CHARS = 60
DEGREES = 180.0 / math.pi
"""An angle's number in degrees over that in radians."""
SAME_UNIT = 0.02
"""Scales that are nearer to each other than this fraction are one unit."""
FULL_TURN_RAD = 6.3
RADIAN_CALLS = {
    "math.atan2", "math.atan", "math.asin", "math.acos", "math.radians", "cmath.phase", "numpy.arctan2",
    "numpy.arctan", "numpy.arcsin", "numpy.arccos", "numpy.radians", "numpy.deg2rad", "numpy.angle",
}  # fmt: skip
DEGREE_CALLS = {"math.degrees", "numpy.degrees", "numpy.rad2deg"}
ANGLE_KEEPING_CALLS = {
    "abs", "float", "int", "max", "min", "round", "math.fabs", "math.fmod", "numpy.abs", "numpy.absolute",
    "numpy.mod", "numpy.fabs",
}  # fmt: skip
TURN_CALLS = {"math.sin", "math.cos", "math.tan", "numpy.sin", "numpy.cos", "numpy.tan"}
DEGREE_KEYS = {"heading", "steering_angle"}
RADIAN_KEYS = {"objects_heading"}

Units = dict[str, float]
"""What names stand for an angle, with the scale of its number: 1 for radians, DEGREES for degrees."""


class _AngleReader:
    """Follows angles through a file, statement by statement, and notes where their units are mixed."""

    def __init__(self, reward: RewardFunction) -> None:
        self._names = import_aliases(reward.syntax.tree)
        self._returns: dict[str, float | None] = {}
        self._function = ""
        self.spots: dict[ast.expr, str] = {}
        for _ in range(2):  # a function may be called before it is read
            self.spots.clear()
            self._read_block(reward.syntax.tree.body, {})

    def _read_block(self, statements: Sequence[ast.stmt], units: Units) -> None:
        for statement in statements:
            self._read(statement, units)

    def _read(self, node: ast.stmt, units: Units) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._returns.pop(node.name, None)
            inner = dict(units)
            self._function = node.name
            self._read_block(node.body, inner)
        elif isinstance(node, ast.ClassDef):
            self._read_block(node.body, dict(units))
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value, units)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._assign(node.target, node.value, units)
        elif isinstance(node, ast.AugAssign):
            whole = ast.copy_location(ast.BinOp(node.target, node.op, node.value), node)
            self._store(node.target, self._unit(whole, units), units)
        elif isinstance(node, ast.Return):
            unit = self._unit(node.value, units) if node.value is not None else None
            same = self._returns.setdefault(self._function, unit)
            if not _are_alike(same, unit):
                self._returns[self._function] = None
        else:
            self._read_compound(node, units)

    def _read_compound(self, node: ast.stmt, units: Units) -> None:
        """Statements with blocks: after them a name has a unit only if it has it on every way."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._unit(child, units)
        if isinstance(node, ast.For | ast.AsyncFor):
            self._store(node.target, None, units)
        ways = []
        for block in _blocks_of(node):
            inner = dict(units)
            self._read_block(block, inner)
            if not (block and isinstance(block[-1], ast.Return | ast.Raise | ast.Continue)):
                ways.append(inner)
        if not ways:
            return
        for name in set(units).union(*ways):
            unit = ways[0].get(name)
            if unit is not None and all(_are_alike(unit, way.get(name)) for way in ways):
                units[name] = unit
            else:
                units.pop(name, None)

    def _assign(self, target: ast.expr, value: ast.expr, units: Units) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            elements = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            found = [self._unit(element, units) for element in elements]
            if len(found) != len(target.elts):
                found = [None] * len(target.elts)
            for part, unit in zip(target.elts, found, strict=True):
                self._store(part, unit, units)
            return
        self._store(target, self._unit(value, units), units)

    def _store(self, target: ast.expr, unit: float | None, units: Units) -> None:
        name = ast.unparse(target)
        units.pop(name, None)
        if unit is not None:
            units[name] = unit

    def _unit(self, node: ast.expr, units: Units) -> float | None:
        """The scale of an expression that is an angle, None for another."""
        if isinstance(node, ast.Subscript | ast.Call):
            key = _key_of(node)
            if key in DEGREE_KEYS:
                return DEGREES
            if isinstance(node, ast.Subscript) and _key_of(node.value) in RADIAN_KEYS:
                return 1.0
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return units.get(ast.unparse(node))
        if isinstance(node, ast.Call):
            return self._unit_of_call(node, units)
        if isinstance(node, ast.BinOp):
            return self._unit_of_operation(node, units)
        if isinstance(node, ast.Compare):
            self._compare(node, units)
            return None
        parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        found = [self._unit(part, units) for part in parts]
        if isinstance(node, ast.UnaryOp):
            return found[0]
        if isinstance(node, ast.IfExp) and _are_alike(found[1], found[2]):
            return found[1]
        return None

    def _unit_of_call(self, node: ast.Call, units: Units) -> float | None:
        name = dotted_name(node.func, self._names)
        found = [self._unit(argument, units) for argument in node.args]
        known = [unit for unit in found if unit is not None]
        if name in RADIAN_CALLS:
            return 1.0
        if name in DEGREE_CALLS:
            return DEGREES
        if name in TURN_CALLS and known and _are_alike(known[0], DEGREES):
            self.spots[node] = f"`{short_text(node)}` takes degrees for radians"
        if name in ANGLE_KEEPING_CALLS and known:
            return known[0]
        return self._returns.get(name)

    def _unit_of_operation(self, node: ast.BinOp, units: Units) -> float | None:
        left = self._unit(node.left, units)
        right = self._unit(node.right, units)
        if isinstance(node.op, ast.Add | ast.Sub):
            if left is None or right is None:
                other = node.right if right is None else node.left
                is_number = _number(other, self._names) is not None
                return (left or right) if is_number else None
            if _are_mixed(left, right):
                self.spots[node] = f"`{short_text(node)}` mixes radians and degrees"
                return None
            return left
        if isinstance(node.op, ast.Mod):
            return left
        return self._scaled(node, left, right)

    def _scaled(self, node: ast.BinOp, left: float | None, right: float | None) -> float | None:
        """The unit of an angle times or over a number."""
        if isinstance(node.op, ast.Mult) and left is None:
            number, unit = _number(node.left, self._names), right
        else:
            number, unit = _number(node.right, self._names), left
        if unit is None or not number:
            return None
        if isinstance(node.op, ast.Mult):
            return unit * number
        return unit / number if isinstance(node.op, ast.Div) else None

    def _compare(self, node: ast.Compare, units: Units) -> None:
        operands = [node.left, *node.comparators]
        found = [self._unit(operand, units) for operand in operands]
        pairs = zip(operands, operands[1:], found, found[1:], strict=False)
        for left, right, of_left, of_right in pairs:
            if of_left is not None and of_right is not None and _are_mixed(of_left, of_right):
                self.spots[node] = f"`{short_text(node)}` compares radians with degrees"
                continue
            number = _number(right if of_right is None else left, self._names)
            unit = of_left if of_right is None else of_right
            if number is None or not _are_alike(unit, 1.0) or abs(number) <= FULL_TURN_RAD:
                continue
            self.spots[node] = (
                f"`{short_text(node)}` compares an angle in radians, which are {FULL_TURN_RAD:g} at most, "
                "with degrees"
            )


def find_mixed_angles(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW318: degrees, as `heading` is in, and radians, as atan2 returns them, in one expression."""
    if not any(key in reward.source for key in (*DEGREE_KEYS, "atan", "arctan")):
        return []
    spots = _AngleReader(reward).spots
    findings = []
    for node, message in sorted(spots.items(), key=lambda spot: spot[0].lineno)[:MAX_NAMED_SPOTS]:
        place = (reward.filename, node.lineno, node.col_offset + 1)
        findings.append(Finding("RW318", message, *place))
    return findings


def _blocks_of(node: ast.stmt) -> list[list[ast.stmt]]:
    """The ways on which a statement may be left, each as what runs on it."""
    if isinstance(node, ast.If):
        return [node.body, node.orelse]
    if isinstance(node, ast.For | ast.AsyncFor | ast.While):
        return [node.body, node.orelse]
    if isinstance(node, ast.With | ast.AsyncWith):
        return [node.body]
    if isinstance(node, ast.Try):
        handlers = [handler.body for handler in node.handlers]
        return [[*node.body, *node.orelse, *node.finalbody], *handlers]
    return []


def _key_of(node: ast.expr) -> str:
    """The key that `params["x"]` or `params.get("x")` reads, "" for another expression."""
    key: ast.expr | None = None
    if isinstance(node, ast.Subscript):
        key = node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        key = node.args[0] if node.func.attr == "get" and node.args else None
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return key.value
    return ""


def _number(node: ast.expr, names: dict[str, str]) -> float | None:
    """The value of an expression of numbers and pi, None for another."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Attribute | ast.Name):
        return math.pi if dotted_name(node, names) in ("math.pi", "numpy.pi") else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _number(node.operand, names)
        return None if value is None else -value
    if not isinstance(node, ast.BinOp) or type(node.op) not in ARITHMETIC:
        return None
    left = _number(node.left, names)
    right = _number(node.right, names)
    if left is None or right is None:
        return None
    try:
        return float(ARITHMETIC[type(node.op)](left, right))
    except (ArithmeticError, ValueError):
        return None


def _are_alike(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=SAME_UNIT)


def _are_mixed(first: float, second: float) -> bool:
    units = sorted((first, second))
    return _are_alike(units[0], 1.0) and _are_alike(units[1], DEGREES)


def short_text(node: ast.expr) -> str:
    """An expression as text, not too long for a sentence."""
    text = ast.unparse(node)
    if len(text) <= MAX_TEXT_CHARS:
        return text
    return f"{text[: MAX_TEXT_CHARS - 3]}..."
