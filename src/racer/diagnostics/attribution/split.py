"""Taking an expression apart: which pieces of it are amounts of their own, and where each of them
is watched.

A sum falls into its summands. Names lead on to what was assigned to them where that is a running
total or a choice of several assignments; a name that is assigned once is a term by its own name. A
product is one term, except that a running total times a factor is that total and the difference.
Rounding and clipping (`float`, `max`) pass through.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from racer.diagnostics.attribution.ledger import (
    ChoicePlan,
    FileLedger,
    LeafPlan,
    ScaledPlan,
    SumPlan,
    Term,
    ThroughPlan,
    ValuePlan,
    Variable,
)

# the value of their first argument, more or less
PASS_ON_FUNCTIONS = {"float", "int", "round", "float64", "float32"}
# one of their arguments, more or less
PICK_FUNCTIONS = {"max", "min", "abs", "fabs", "clip", "maximum", "minimum"}
SIZE_FUNCTIONS = {"abs", "fabs"}  # those of a difference are one term
SUM_FUNCTIONS = {"sum", "fsum"}
MAX_TERM_CHARS = 72  # characters of a term's text
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class NameRoles:
    """What the names of one function mean to its result.

    `running` are updated from their own value, `chosen` are assigned in several places, `whole` are
    worth following when they are all of an expression; each includes the one before.
    """

    running: frozenset[str]
    chosen: frozenset[str]
    whole: frozenset[str]
    foreign: frozenset[str]  # declared global
    hidden: frozenset[str]  # declared nonlocal: of no use here


class ExpressionSplitter:
    """Plans for the expressions of one function (a class: it numbers the slots of the function's
    frames).
    """

    def __init__(
        self, book: FileLedger, lines: list[bytes], names: NameRoles, defined: frozenset[str]
    ) -> None:
        self.book, self.lines, self.names, self.defined = book, lines, names, defined
        self.slots = 0
        self._sum_around = ""

    def term(self, node: ast.AST, sign: int = 1, text: str = "") -> int:
        """A new term of this node's line and source."""
        words = text or self._text(node)
        line = getattr(node, "lineno", 0)
        self.book.terms.append(Term(line, words if sign > 0 else f"- {words}", self._sum_around))
        return len(self.book.terms) - 1

    def _text(self, node: ast.AST) -> str:
        first, last = getattr(node, "lineno", 0) - 1, getattr(node, "end_lineno", 0)
        lines = self.lines[first:last]
        if not lines:
            return shorten_source(ast.unparse(node))
        lines[-1] = lines[-1][: getattr(node, "end_col_offset", None)]  # columns count bytes
        lines[0] = lines[0][getattr(node, "col_offset", 0) :]
        return shorten_source(b"\n".join(lines).decode(errors="replace"))

    def split(self, node: ast.expr, whole: int = -1) -> tuple[ValuePlan, ast.expr]:
        """Plan of an expression that is all of a statement's value, and the expression to write in
        its place.

        `whole` is the term that the value as a whole belongs to; a new one unless given.
        """
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            return self._sum(node)
        return self._value(node, 1, whole)

    def operand(self, node: ast.expr, sign: int, carried: set[str]) -> tuple[ValuePlan, ast.expr]:
        """The same for one of several summands. `carried` are running totals that other summands
        bring along.
        """
        if isinstance(node, ast.Name):
            return self._name(node, self.term(node, sign), node.id in self.names.chosen, True)
        if isinstance(node, ast.Call | ast.IfExp | ast.UnaryOp) or self._is_scaled_sum(node):
            return self._value(node, sign, -1, is_operand=True)
        base = None if carried & _loads(node) else self._base(node, self.names.running)
        return (
            self._on_base(node, base, self.term(node, sign))
            if base
            else self._leaf(node, self.term(node, sign))
        )

    def _value(
        self, node: ast.expr, sign: int, whole: int, is_operand: bool = False
    ) -> tuple[ValuePlan, ast.expr]:
        """Anything but a sum."""
        if (
            isinstance(node, ast.UnaryOp)
            and isinstance(node.op, ast.USub)
            and not isinstance(node.operand, ast.Constant)
        ):
            plan, new = (
                self.operand(node.operand, -sign, set()) if is_operand else self.split(node.operand)
            )
            return SumPlan(((-1, plan),)), _like(ast.UnaryOp(node.op, new), node)
        if isinstance(node, ast.IfExp):
            return self._choice(node, sign, is_operand)
        term = whole if whole >= 0 else self.term(node, sign)
        if isinstance(node, ast.Name):
            return self._name(
                node,
                term,
                node.id in (self.names.chosen if is_operand else self.names.whole),
                is_operand,
            )
        if isinstance(node, ast.Attribute | ast.Subscript):
            return self._part(node, term, is_operand)
        if isinstance(node, ast.Call):
            return self._call(node, term, is_operand)
        if self._is_scaled_sum(node):
            assert isinstance(node, ast.BinOp)
            return self._scaled(node, is_operand)
        base = self._base(node, self.names.running) or self._factor(node)
        return self._on_base(node, base, term) if base else self._leaf(node, term)

    def _sum(self, node: ast.BinOp) -> tuple[ValuePlan, ast.expr]:
        summands = _summands(node, 1)
        carried = {
            part.id for _, part in summands if isinstance(part, ast.Name)
        } & self.names.running
        parts: list[tuple[int, ValuePlan]] = []
        new: dict[ast.expr, ast.expr] = {}
        around, self._sum_around = self._sum_around, self._text(node)
        for sign, part in summands:
            plan, new[part] = self.operand(part, sign, carried)
            carried |= _loads(part) & self.names.running
            parts.append((sign, plan))
        self._sum_around = around
        return SumPlan(tuple(parts)), _rebuilt(node, new)

    def _choice(self, node: ast.IfExp, sign: int, is_operand: bool) -> tuple[ValuePlan, ast.expr]:
        split = [self._either(branch, sign, is_operand) for branch in (node.body, node.orelse)]
        new = ast.IfExp(node.test, split[0][1], split[1][1])
        return ChoicePlan((split[0][0], split[1][0])), _like(new, node)

    def _either(self, node: ast.expr, sign: int, is_operand: bool) -> tuple[ValuePlan, ast.expr]:
        return (
            self.operand(node, sign, set())
            if is_operand and not _is_sum(node)
            else self.split(node)
        )

    def _name(
        self, node: ast.Name, term: int, follows: bool, is_operand: bool
    ) -> tuple[ValuePlan, ast.expr]:
        if node.id in self.names.hidden:
            return self._leaf(node, term)
        if node.id in self.names.foreign:
            slot = self._slot()
            owner = ast.Constant("global")
            leaf = LeafPlan(
                term,
                slot,
                Variable("global", node.id),
                is_operand=is_operand and node.id not in self.names.running,
            )
            return leaf, ledger_call("see_of", node, slot, node, owner)
        place = Variable("", node.id) if follows else None
        return self._leaf(node, term, place, is_operand and node.id not in self.names.running)

    def _part(
        self, node: ast.Attribute | ast.Subscript, term: int, is_operand: bool
    ) -> tuple[ValuePlan, ast.expr]:
        place = variable_of(node)
        if place is None:
            return self._leaf(node, term)
        slot = self._slot()
        owner = _like(ast.Name(place.owner, ast.Load()), node)
        return LeafPlan(term, slot, place, is_operand=is_operand), ledger_call(
            "see_of", node, slot, node, owner
        )

    def _call(self, node: ast.Call, term: int, is_operand: bool) -> tuple[ValuePlan, ast.expr]:
        name = _called(node)
        arguments = node.args
        plain = (
            bool(arguments)
            and not any(isinstance(a, ast.Starred) for a in arguments)
            and name not in self.defined
        )
        if (
            plain
            and name in SUM_FUNCTIONS
            and len(arguments) == 1
            and isinstance(arguments[0], ast.Tuple | ast.List)
        ):
            return self._added_up(node, term)
        if plain and name in PASS_ON_FUNCTIONS:
            return self._passed_on(node, term, arguments[:1])
        if plain and name in PICK_FUNCTIONS:
            worth = [
                a
                for a in arguments
                if self._is_worth_splitting(a) and not (name in SIZE_FUNCTIONS and _is_sum(a))
            ]
            totals = [a for a in worth if _loads(a) & self.names.running]
            worth = totals if len(totals) == 1 else worth
            return self._passed_on(node, term, worth) if worth else self._leaf(node, term)
        slot = self._slot()
        new = _like(ast.Call(node.func, [self._offered(a) for a in arguments], node.keywords), node)
        return LeafPlan(term, slot, None, True, is_operand), ledger_call(
            "called", node, slot, ledger_call("begin", node), new
        )

    def _passed_on(
        self, node: ast.Call, term: int, inner: list[ast.expr]
    ) -> tuple[ValuePlan, ast.expr]:
        split = {
            argument: self.split(argument, -1 if self._is_worth_splitting(argument) else term)
            for argument in inner
        }
        arguments = [split[a][1] if a in split else a for a in node.args]
        slot = self._slot()
        new = _like(ast.Call(node.func, arguments, node.keywords), node)
        return ThroughPlan(tuple(plan for plan, _ in split.values()), term, slot), ledger_call(
            "see", node, slot, new
        )

    def _added_up(self, node: ast.Call, term: int) -> tuple[ValuePlan, ast.expr]:
        group = node.args[0]
        assert isinstance(group, ast.Tuple | ast.List)
        if any(isinstance(element, ast.Starred) for element in group.elts) or not group.elts:
            return self._leaf(node, term)
        split = [self.operand(element, 1, set()) for element in group.elts]
        new = _like(type(group)([one for _, one in split], ast.Load()), group)
        return SumPlan(tuple((1, plan) for plan, _ in split)), _like(
            ast.Call(node.func, [new], node.keywords), node
        )

    def _scaled(self, node: ast.BinOp, is_operand: bool) -> tuple[ValuePlan, ast.expr]:
        """A sum in brackets, or a call that may be made of terms, with a factor."""
        slot, left = self._slot(), not isinstance(node.op, ast.Mult) or self._is_made(node.left)
        inner, factor = (node.left, node.right) if left else (node.right, node.left)
        plan, new = self._either(inner, 1, is_operand)
        seen = ledger_call("see", factor, slot, factor)
        pair = (new, seen) if left else (seen, new)
        return ScaledPlan(plan, slot, isinstance(node.op, ast.Div)), _like(
            ast.BinOp(pair[0], node.op, pair[1]), node
        )

    def _on_base(self, node: ast.expr, base: ast.Name, term: int) -> tuple[ValuePlan, ast.expr]:
        """An expression around a running total: the total, and the difference that the expression
        makes.
        """
        plan, watched = self._leaf(base, self.term(base), Variable("", base.id))
        slot = self._slot()
        return ThroughPlan((plan,), term, slot), ledger_call(
            "see", node, slot, _swapped(node, base, watched)
        )

    def _leaf(
        self, node: ast.expr, term: int, place: Variable | None = None, is_operand: bool = False
    ) -> tuple[LeafPlan, ast.expr]:
        slot = self._slot()
        return LeafPlan(term, slot, place, is_operand=is_operand), ledger_call(
            "see", node, slot, node
        )

    def _base(self, node: ast.expr, names: frozenset[str]) -> ast.Name | None:
        """The one name of `names` that an expression is around."""
        found = [
            n
            for n in _within(node)
            if isinstance(n, ast.Name) and n.id in names - self.names.foreign
        ]
        return found[0] if len({n.id for n in found}) == 1 else None

    def _factor(self, node: ast.expr) -> ast.Name | None:
        """The one factor of a product that is made of more than one thing."""
        found = [
            f
            for f in _factors(node)
            if isinstance(f, ast.Name) and f.id in self.names.whole - self.names.foreign
        ]
        return found[0] if len(found) == 1 else None

    def _is_scaled_sum(self, node: ast.expr) -> bool:
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult | ast.Div):
            return False
        if isinstance(node.op, ast.Div):
            return self._is_made(node.left)
        return self._is_made(node.left) != self._is_made(node.right)

    def _is_made(self, node: ast.expr) -> bool:
        """Whether a factor is made of terms by its looks."""
        return (
            _is_sum(node)
            or isinstance(node, ast.IfExp)
            or self._is_own_call(node)
            or self._is_scaled_sum(node)
        )

    def _is_own_call(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and _called(node) in self.defined

    def _is_worth_splitting(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self.names.whole or node.id in self.names.foreign
        if isinstance(node, ast.UnaryOp):
            return self._is_worth_splitting(node.operand)
        if (
            isinstance(node, ast.Call)
            and _called(node) in PASS_ON_FUNCTIONS | PICK_FUNCTIONS | SUM_FUNCTIONS
        ):
            return any(
                isinstance(a, ast.Tuple | ast.List) or self._is_worth_splitting(a)
                for a in node.args
            )
        if isinstance(node, ast.Attribute | ast.Subscript):
            return variable_of(node) is not None and isinstance(node, ast.Attribute)
        return self._is_made(node) or bool(
            self._base(node, self.names.running) or self._factor(node)
        )

    def _offered(self, node: ast.expr) -> ast.expr:
        """An argument; a name is shown to the ledger on its way."""
        if not isinstance(node, ast.Name) or node.id not in self.names.whole - self.names.foreign:
            return node
        return ledger_call("offer", node, node.id, node)

    def _slot(self) -> int:
        self.slots += 1
        return self.slots


class _Swap(ast.NodeTransformer):
    """One node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else super().visit(node)


def _swapped(tree: ast.expr, old: ast.expr, new: ast.expr) -> ast.expr:
    """The tree, in which `new` is now where `old` was."""
    return _Swap(old, new).visit(tree)  # type: ignore[return-value]


def ledger_call(method: str, at: ast.AST, *arguments: ast.expr | str | int) -> ast.expr:
    """A call of a method of the frame's ledger, at the place of another node."""
    frame = ast.Attribute(ast.Name("_racer_f_", ast.Load()), method, ast.Load())
    words = [a if isinstance(a, ast.expr) else ast.Constant(a) for a in arguments]
    call = ast.Call(frame, words, [])
    for node in (call, frame, frame.value, *words):
        if not hasattr(node, "lineno"):
            ast.copy_location(node, at)
    return call


def variable_of(node: ast.expr) -> Variable | None:
    """The place that `self.total` or `state["total"]` is; None for what is reached in a longer way."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return Variable(node.value.id, node.attr)
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and isinstance(node.slice, ast.Constant)
    ):
        key = node.slice.value
        return Variable(node.value.id, key if isinstance(key, str) else f"[{key!r}]")
    return None


def shorten_source(text: str) -> str:
    """Source on one line, and not endless."""
    words = " ".join(text.split())
    return words if len(words) <= MAX_TERM_CHARS else words[: MAX_TERM_CHARS - 3] + "..."


def _summands(node: ast.expr, sign: int) -> list[tuple[int, ast.expr]]:
    if not _is_sum(node):
        return [(sign, node)]
    assert isinstance(node, ast.BinOp)
    other = sign if isinstance(node.op, ast.Add) else -sign
    return [*_summands(node.left, sign), *_summands(node.right, other)]


def _rebuilt(node: ast.expr, new: dict[ast.expr, ast.expr]) -> ast.expr:
    """The same sum of other summands: the same operators in the same order, so the same value to
    the last bit.
    """
    if node in new:
        return new[node]
    assert isinstance(node, ast.BinOp)
    return _like(ast.BinOp(_rebuilt(node.left, new), node.op, _rebuilt(node.right, new)), node)


def _is_sum(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def _is_negated(node: ast.expr) -> bool:
    negated = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    return negated and not isinstance(node.operand, ast.Constant)  # type: ignore[attr-defined]


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return (
        _factors(node.left)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        else [node]
    )


def _loads(node: ast.expr) -> set[str]:
    return {n.id for n in _within(node) if isinstance(n, ast.Name)}


def _within(node: ast.AST) -> list[ast.AST]:
    """The node and all below it that is evaluated in its own scope."""
    if isinstance(node, (*SCOPES, *COMPREHENSIONS)):
        return []
    return [node, *(below for child in ast.iter_child_nodes(node) for below in _within(child))]


def _called(node: ast.Call) -> str:
    """The last part of what is called: `clip` of `np.clip`."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _like(new: ast.expr, old: ast.AST) -> ast.expr:
    return ast.copy_location(new, old)
