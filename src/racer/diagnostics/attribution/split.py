"""Taking an expression apart: which pieces of it are amounts of their own, and where each of them
is watched.

A sum falls into its summands. Names lead on to what was assigned to them where that is a running
total or a choice of several assignments; a name that is assigned once is a term by its own name. A
product is one term, except that a running total times a factor is that total and the difference.
Rounding and clipping (`float`, `max`) pass through.
"""

from __future__ import annotations

import ast
from typing import NamedTuple

from racer.diagnostics.attribution.ledger import FileLedger
from racer.diagnostics.attribution.name_roles import (
    PASS_ON_FUNCTIONS,
    PICK_FUNCTIONS,
    SCALING_OPERATORS,
    SIZE_FUNCTIONS,
    SUM_FUNCTIONS,
    NameRoles,
    factors_of,
    is_call_of,
    is_constant,
    is_linear_in,
    is_negation,
    is_sum,
    names_in,
    own_nodes,
    shorten_source,
    signed_summands,
    variable_of,
)
from racer.diagnostics.attribution.plans import (
    GLOBAL,
    NO_TERM,
    ChoicePlan,
    LeafPlan,
    ScaledPlan,
    SumPlan,
    Term,
    ThroughPlan,
    ValuePlan,
    Variable,
)

FRAME_NAME = "_racer_f_"  # of the frame's ledger in instrumented code
MAX_TERM_CHARS = 72


class Split(NamedTuple):
    """The plan of an expression, and the expression to write in its place."""

    plan: ValuePlan
    code: ast.expr


class ExpressionSplitter:
    """Plans for the expressions of one function (a class: it numbers the slots of the function's
    frames).

    `lines` are those of the file in bytes, `defined` the names of its functions.
    """

    def __init__(
        self, ledger: FileLedger, lines: list[bytes], names: NameRoles, defined: frozenset[str]
    ) -> None:
        self.ledger = ledger
        self.lines = lines
        self.names = names
        self.defined = defined
        self.slots = 0
        self._sum_around = ""
        self.open_term = NO_TERM  # of a statement whose call is told by the function's own lines

    def new_term(self, node: ast.AST, sign: int = 1, text: str = "") -> int:
        """A new term of this node's line and source."""
        source = text or self.source_of(node)
        signed = source if sign > 0 else f"- {source}"
        self.ledger.terms.append(Term(getattr(node, "lineno", 0), signed, self._sum_around))
        return len(self.ledger.terms) - 1

    def split(self, node: ast.expr, whole: int = NO_TERM) -> Split:
        """An expression that is all of a statement's value.

        `whole` is the term that the value as a whole belongs to; a new one unless given.
        """
        if is_sum(node):
            return self._split_sum(node)
        return self._split_value(node, 1, whole, is_operand=False)

    def _split_operand(self, node: ast.expr, sign: int, carried: set[str]) -> Split:
        """One of several summands. `carried` are running totals that other summands bring along."""
        if isinstance(node, ast.Name):
            term = self.new_term(node, sign)
            return self._split_name(node, term, node.id in self.names.chosen, is_operand=True)
        if isinstance(node, ast.Call | ast.IfExp | ast.UnaryOp) or self._is_scaled_sum(node):
            return self._split_value(node, sign, NO_TERM, is_operand=True)
        base = None
        if not carried & names_in(node):
            base = self._base(node, self.names.running)
        term = self.new_term(node, sign)
        if base is None:
            return self._leaf(node, term)
        return self._split_around(node, base, term)

    def _split_value(self, node: ast.expr, sign: int, whole: int, is_operand: bool) -> Split:
        """Anything but a sum."""
        if is_negation(node):
            return self._split_negation(node, sign, is_operand)
        if isinstance(node, ast.IfExp):
            return self._split_choice(node, sign, is_operand)
        term = self.new_term(node, sign) if whole == NO_TERM else whole
        if isinstance(node, ast.Name):
            followed = self.names.chosen if is_operand else self.names.whole
            return self._split_name(node, term, node.id in followed, is_operand)
        if isinstance(node, ast.Attribute | ast.Subscript):
            return self._split_member(node, term, is_operand)
        if isinstance(node, ast.Call):
            return self._split_call(node, term, is_operand)
        if self._is_scaled_sum(node):
            assert isinstance(node, ast.BinOp)
            return self._split_scaled(node, is_operand)
        base = self._base(node, self.names.running)
        if base is not None:
            return self._split_around(node, base, term)
        factor = self._only_factor(node)
        if factor is not None:
            return self._split_around(node, factor, term, scales=True)
        return self._leaf(node, term)

    def _split_sum(self, node: ast.BinOp) -> Split:
        summands = signed_summands(node)
        totals = {part.id for _, part in summands if isinstance(part, ast.Name)}
        carried = totals & self.names.running
        sum_around = self._sum_around
        self._sum_around = self.source_of(node)
        parts: list[tuple[int, ValuePlan]] = []
        codes: dict[ast.expr, ast.expr] = {}
        for sign, summand in summands:
            split = self._split_operand(summand, sign, carried)
            carried |= names_in(summand) & self.names.running
            parts.append((sign, split.plan))
            codes[summand] = split.code
        self._sum_around = sum_around
        return Split(SumPlan(tuple(parts)), _rebuild_sum(node, codes))

    def _split_negation(self, node: ast.UnaryOp, sign: int, is_operand: bool) -> Split:
        if is_operand:
            inner = self._split_operand(node.operand, -sign, set())
        else:
            inner = self.split(node.operand)
        code = _copy_place(ast.UnaryOp(node.op, inner.code), node)
        return Split(SumPlan(((-1, inner.plan),)), code)

    def _split_choice(self, node: ast.IfExp, sign: int, is_operand: bool) -> Split:
        body = self._split_either(node.body, sign, is_operand)
        orelse = self._split_either(node.orelse, sign, is_operand)
        code = _copy_place(ast.IfExp(node.test, body.code, orelse.code), node)
        return Split(ChoicePlan((body.plan, orelse.plan)), code)

    def _split_either(self, node: ast.expr, sign: int, is_operand: bool) -> Split:
        if is_operand and not is_sum(node):
            return self._split_operand(node, sign, set())
        return self.split(node)

    def _split_name(self, node: ast.Name, term: int, is_followed: bool, is_operand: bool) -> Split:
        if node.id in self.names.declared_nonlocal:
            return self._leaf(node, term)
        is_new = is_operand and node.id not in self.names.running
        if node.id in self.names.declared_global:
            slot = self._new_slot()
            plan = LeafPlan(term, slot, Variable(GLOBAL, node.id), is_operand=is_new)
            owner = ast.Constant(GLOBAL)
            return Split(plan, ledger_call("record_member", node, slot, node, owner))
        variable = Variable("", node.id) if is_followed else None
        return self._leaf(node, term, variable, is_new)

    def _split_member(
        self, node: ast.Attribute | ast.Subscript, term: int, is_operand: bool
    ) -> Split:
        variable = variable_of(node)
        if variable is None:
            return self._leaf(node, term)
        slot = self._new_slot()
        owner = _copy_place(ast.Name(variable.owner, ast.Load()), node)
        plan = LeafPlan(term, slot, variable, is_operand=is_operand)
        return Split(plan, ledger_call("record_member", node, slot, node, owner))

    def _split_call(self, node: ast.Call, term: int, is_operand: bool) -> Split:
        is_plain = bool(node.args) and not any(isinstance(a, ast.Starred) for a in node.args)
        if is_plain and not is_call_of(node, self.defined):
            if is_call_of(node, SUM_FUNCTIONS) and _is_display(node.args):
                return self._split_summed(node, term)
            if is_call_of(node, PASS_ON_FUNCTIONS):
                return self._split_passed_on(node, term, node.args[:1])
            if is_call_of(node, PICK_FUNCTIONS):
                return self._split_picked(node, term)
        slot = self._new_slot()
        arguments = [self._passed_argument(argument) for argument in node.args]
        call = _copy_place(ast.Call(node.func, arguments, node.keywords), node)
        begin = ledger_call("begin_call", node)
        is_open = term == self.open_term and not is_operand
        plan = LeafPlan(term, slot, None, True, is_operand, is_open)
        if not is_operand:
            self.ledger.whole_calls.add(term)
        return Split(plan, ledger_call("record_call", node, slot, begin, call))

    def _split_picked(self, node: ast.Call, term: int) -> Split:
        """`max(reward, floor)`: of several arguments that are worth splitting, the running total."""
        is_size = is_call_of(node, SIZE_FUNCTIONS)
        worth = []
        for argument in node.args:
            if self._is_picked_whole(argument) and not (is_size and is_sum(argument)):
                worth.append(argument)
        totals = [argument for argument in worth if names_in(argument) & self.names.running]
        if len(totals) == 1:
            worth = totals
        if not worth:
            return self._leaf(node, term)
        return self._split_passed_on(node, term, worth)

    def _split_passed_on(self, node: ast.Call, term: int, inner: list[ast.expr]) -> Split:
        """A call whose value is that of one of its arguments `inner`, more or less."""
        plans = []
        codes = {}
        for argument in inner:
            whole = NO_TERM if self._is_worth_splitting(argument) else term
            split = self.split(argument, whole)
            plans.append(split.plan)
            codes[argument] = split.code
        slot = self._new_slot()
        arguments = [codes.get(argument, argument) for argument in node.args]
        call = _copy_place(ast.Call(node.func, arguments, node.keywords), node)
        return Split(ThroughPlan(tuple(plans), term, slot), ledger_call("record", node, slot, call))

    def _split_summed(self, node: ast.Call, term: int) -> Split:
        """`sum([a, b])`."""
        display = node.args[0]
        assert isinstance(display, ast.Tuple | ast.List)
        if not display.elts or any(isinstance(e, ast.Starred) for e in display.elts):
            return self._leaf(node, term)
        splits = [self._split_operand(element, 1, set()) for element in display.elts]
        elements = type(display)([split.code for split in splits], ast.Load())
        arguments: list[ast.expr] = [_copy_place(elements, display)]
        call = _copy_place(ast.Call(node.func, arguments, node.keywords), node)
        return Split(SumPlan(tuple((1, split.plan) for split in splits)), call)

    def _split_scaled(self, node: ast.BinOp, is_operand: bool) -> Split:
        """A sum in brackets, or a call that may be made of terms, with a factor."""
        slot = self._new_slot()
        divides = isinstance(node.op, ast.Div)
        is_sum_left = not isinstance(node.op, ast.Mult) or self._is_made_of_terms(node.left)
        inner, factor = (node.left, node.right) if is_sum_left else (node.right, node.left)
        split = self._split_either(inner, 1, is_operand)
        recorded = ledger_call("record", factor, slot, factor)
        left, right = (split.code, recorded) if is_sum_left else (recorded, split.code)
        code = _copy_place(ast.BinOp(left, node.op, right), node)
        return Split(ScaledPlan(split.plan, slot, divides), code)

    def _split_around(
        self, node: ast.expr, base: ast.Name, term: int, scales: bool = False
    ) -> Split:
        """An expression around a running total: the total, and the difference that the expression
        makes; with `scales`, and in a quotient or a power of it, the total scaled.
        """
        total = self._leaf(base, self.new_term(base), Variable("", base.id))
        slot = self._new_slot()
        code = _replace_node(node, base, total.code)
        is_scaled = isinstance(node, ast.BinOp) and isinstance(node.op, SCALING_OPERATORS)
        plan = ThroughPlan((total.plan,), term, slot, scales or is_scaled)
        return Split(plan, ledger_call("record", node, slot, code))

    def _leaf(
        self,
        node: ast.expr,
        term: int,
        variable: Variable | None = None,
        is_operand: bool = False,
    ) -> Split:
        slot = self._new_slot()
        plan = LeafPlan(term, slot, variable, is_operand=is_operand)
        return Split(plan, ledger_call("record", node, slot, node))

    def _base(self, node: ast.expr, names: frozenset[str]) -> ast.Name | None:
        """The one name of `names` that an expression is around."""
        bases = []
        for part in own_nodes([node]):
            if isinstance(part, ast.Name) and part.id in names - self.names.declared_global:
                bases.append(part)
        if len({base.id for base in bases}) != 1 or not is_linear_in(node, bases[0].id):
            return None
        return bases[0]

    def _only_factor(self, node: ast.expr) -> ast.Name | None:
        """The one factor of a product that is made of more than one thing."""
        names = self.names.whole - self.names.declared_global
        factors = [f for f in factors_of(node) if isinstance(f, ast.Name) and f.id in names]
        if len(factors) != 1:
            return None
        return factors[0]

    def _is_scaled_sum(self, node: ast.expr) -> bool:
        if not isinstance(node, ast.BinOp):
            return False
        if isinstance(node.op, ast.Div):
            return is_constant(node.right) and self._is_made_of_terms(node.left)
        if isinstance(node.op, ast.Mult):
            return self._is_made_of_terms(node.left) != self._is_made_of_terms(node.right)
        return False

    def _is_made_of_terms(self, node: ast.expr) -> bool:
        """Whether a factor is made of terms by its looks."""
        if is_sum(node) or isinstance(node, ast.IfExp) or is_call_of(node, self.defined):
            return True
        return self._is_scaled_sum(node)

    def _is_worth_splitting(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self.names.whole | self.names.declared_global
        if isinstance(node, ast.UnaryOp):
            return self._is_worth_splitting(node.operand)
        if is_call_of(node, PASS_ON_FUNCTIONS | PICK_FUNCTIONS | SUM_FUNCTIONS):
            return any(_is_display([a]) or self._is_worth_splitting(a) for a in node.args)
        if isinstance(node, ast.Attribute):
            return variable_of(node) is not None
        if isinstance(node, ast.Subscript):
            return False
        if self._is_made_of_terms(node):
            return True
        return bool(self._base(node, self.names.running) or self._only_factor(node))

    def _is_picked_whole(self, node: ast.expr) -> bool:
        """Whether an argument of `max` and the like is told by what it is made of: a name, a helper's
        result, or what holds a running total. Of anything else the pick is one term.
        """
        is_followed = isinstance(node, ast.Name) or is_call_of(node, self.defined)
        if not is_followed and not names_in(node) & self.names.running:
            return False
        return self._is_worth_splitting(node)

    def _passed_argument(self, node: ast.expr) -> ast.expr:
        """An argument; a name is shown to the ledger on its way."""
        followed = self.names.whole - self.names.declared_global
        if not isinstance(node, ast.Name) or node.id not in followed:
            return node
        return ledger_call("pass_argument", node, node.id, node)

    def source_of(self, node: ast.AST) -> str:
        """The text of a node on one line, cut off where it is long."""
        first = getattr(node, "lineno", 0) - 1
        lines = self.lines[first : getattr(node, "end_lineno", 0)]
        if not lines:
            return shorten_source(ast.unparse(node), MAX_TERM_CHARS)
        lines[-1] = lines[-1][: getattr(node, "end_col_offset", None)]  # columns count bytes
        lines[0] = lines[0][getattr(node, "col_offset", 0) :]
        return shorten_source(b"\n".join(lines).decode(errors="replace"), MAX_TERM_CHARS)

    def _new_slot(self) -> int:
        self.slots += 1
        return self.slots


def ledger_call(method: str, at: ast.AST, *arguments: ast.expr | str | int) -> ast.expr:
    """A call of a method of the frame's ledger, at the place of another node."""
    frame = ast.Attribute(ast.Name(FRAME_NAME, ast.Load()), method, ast.Load())
    nodes = [a if isinstance(a, ast.expr) else ast.Constant(a) for a in arguments]
    call = ast.Call(frame, nodes, [])
    for node in (call, frame, frame.value, *nodes):
        if not hasattr(node, "lineno"):
            ast.copy_location(node, at)
    return call


class _NodeReplacer(ast.NodeTransformer):
    """One node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old = old
        self.new = new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else super().visit(node)


def _replace_node(tree: ast.expr, old: ast.expr, new: ast.expr) -> ast.expr:
    """The tree, in which `new` is now where `old` was."""
    return _NodeReplacer(old, new).visit(tree)  # type: ignore[return-value]


def _rebuild_sum(node: ast.expr, codes: dict[ast.expr, ast.expr]) -> ast.expr:
    """The sum with other summands: with the same operators in the same order, so that the value is
    the same to the last bit.
    """
    if node in codes:
        return codes[node]
    assert isinstance(node, ast.BinOp)
    left = _rebuild_sum(node.left, codes)
    return _copy_place(ast.BinOp(left, node.op, _rebuild_sum(node.right, codes)), node)


def _is_display(arguments: list[ast.expr]) -> bool:
    """Whether there is one argument, a list or tuple written out."""
    return len(arguments) == 1 and isinstance(arguments[0], ast.Tuple | ast.List)


def _copy_place(new: ast.expr, old: ast.AST) -> ast.expr:
    return ast.copy_location(new, old)
