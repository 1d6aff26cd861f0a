"""The books kept while an instrumented reward function runs: what every watched value is made of.

The user's own operators compute every value; the ledger only looks on. A value whose entries do not
add up to it (a tracked name was changed where nobody looked, a value is no number) is one amount of
the line where it is used.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, NamedTuple

from racer.diagnostics.attribution.plans import (
    NO_TERM,
    ChoicePlan,
    LeafPlan,
    ScaledPlan,
    SumPlan,
    Term,
    ThroughPlan,
    ValuePlan,
    Variable,
    WatchedStatement,
)

ROUNDING_TOLERANCE = 1e-9  # relative: how far apart amounts and value may be by rounding

Via = int | tuple[Any]
"""The term through which an amount came, NO_TERM for none; wrapped in a tuple while the caller's amount is in a function."""

Entries = dict[tuple[int, Via], float]
"""Amounts by term and by the term through which it came."""


class TracedValue(NamedTuple):
    """A value and what it is made of."""

    value: Any
    entries: Entries


class Amounts(NamedTuple):
    """What an expression came to as a number, and what that is made of."""

    total: float
    entries: Entries


class RecordedCall(NamedTuple):
    """One call of the reward function: what it returned, what that is made of, and the terms that
    were reached.
    """

    value: Any
    entries: Entries
    reached: frozenset[int]


@dataclass
class FileLedger:
    """What is known of one instrumented file: its terms and statements, the `parameters` of each
    function that are watched, and the calls so far (filled while it runs).

    `whole` is the term for a result of which nothing is known, `plain_updates` are the terms of
    updates that call no function of the file, `whole_calls` those of calls whose result is all that is
    assigned, `update_sums` line and text of sums that updates add.
    """

    terms: list[Term] = field(default_factory=list)
    statements: list[WatchedStatement] = field(default_factory=list)
    parameters: list[tuple[str, ...]] = field(default_factory=list)
    calls: list[RecordedCall] = field(default_factory=list)
    whole: int = 0
    plain_updates: set[int] = field(default_factory=set)
    whole_calls: set[int] = field(default_factory=set)
    update_sums: set[tuple[int, str]] = field(default_factory=set)

    def instance(self) -> InstanceLedger:
        """The ledger of one executed copy of the file; instrumented code calls this first."""
        return InstanceLedger(self)


class InstanceLedger:
    """The ledger of one executed copy of a file (a class: the instrumented code calls its methods)."""

    def __init__(self, file: FileLedger) -> None:
        self.file = file
        self.members: dict[tuple[Any, str | int], TracedValue] = {}  # attributes, items, globals
        self.returned: TracedValue | None = None  # by the call that came back last
        self.arguments: list[TracedValue] = []  # on their way into a function of the file
        self.reached: set[int] = set()
        self.depth = 0

    def entry(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The file's reward function, with its calls written into the file's ledger."""

        @functools.wraps(function, updated=())
        def reward_function(params: Any) -> Any:
            if self.depth:  # it calls itself
                return function(params)
            self.reached.clear()
            self.arguments.clear()
            self.returned = None
            self.depth += 1
            try:
                reward = function(params)
            finally:
                self.depth -= 1
            self._record_call(reward)
            return reward

        return reward_function

    def frame(self, function: int, *arguments: Any) -> FrameLedger:
        """The ledger of one call of a function of the file, which begins with its arguments."""
        frame = FrameLedger(self)
        self.returned = None
        names = self.file.parameters[function]
        for name, argument in zip(names, arguments, strict=True):
            passed = next((x for x in self.arguments if x.value is argument), None)
            if passed is not None:
                frame.locals[name] = TracedValue(argument, _wrapped(passed.entries))
        return frame

    def _record_call(self, reward: Any) -> None:
        known = self.returned
        if known is None or known.value is not reward:
            known = TracedValue(reward, {})  # all of it will be found missing
            self.reached.add(self.file.whole)
        self.file.calls.append(RecordedCall(reward, known.entries, frozenset(self.reached)))


class FrameLedger:
    """The ledger of one call of one function: recorded values by slot, and what local names hold.

    Instrumented code calls the public methods.
    """

    def __init__(self, instance: InstanceLedger) -> None:
        self.instance = instance
        self.locals: dict[str, TracedValue] = {}
        self.values: dict[int, Any] = {}
        self.owners: dict[int, Any] = {}
        self.call_entries: dict[int, Entries] = {}
        self.old_value: Any = None
        self.assigned: TracedValue | None = None

    # ---- while an expression is evaluated

    def record(self, slot: int, value: Any) -> Any:
        """`value`, written down."""
        self.values[slot] = value
        return value

    def record_member(self, slot: int, value: Any, owner: Any) -> Any:
        """`value`, an attribute or item of `owner`, written down."""
        self.values[slot] = value
        self.owners[slot] = owner
        return value

    def begin_call(self) -> None:
        """A call is about to be made."""
        self.instance.returned = None

    def record_call(self, slot: int, _: None, value: Any) -> Any:
        """`value`, which a call has just returned, written down."""
        self.values[slot] = value
        known = self.instance.returned
        if known is not None and known.value is value:
            self.call_entries[slot] = known.entries
        else:
            self.call_entries.pop(slot, None)
        return value

    def pass_argument(self, name: str, value: Any) -> Any:
        """`value` of a local name, which is about to be an argument."""
        traced = self.locals.get(name)
        if traced is not None and traced.value is value:
            self.instance.arguments.append(traced)
        return value

    # ---- around a statement

    def assign(self, index: int, value: Any) -> Any:
        """`value`, which a statement is about to assign."""
        self.assigned = self._settle(index, value)
        for name in self.instance.file.statements[index].names:
            _put(self.locals, name, self.assigned)
        return value

    def assign_member(self, index: int, owner: Any) -> None:
        """The value just assigned is now an attribute or item of `owner`."""
        variable = self.instance.file.statements[index].variable
        if variable is not None:
            _put(self.instance.members, (_identity(owner), variable.key), self.assigned)

    def before_update(self, value: Any) -> None:
        """`value` is about to be updated."""
        self.old_value = value

    def update(self, index: int, value: Any, owner: Any = None) -> None:
        """An update such as `reward += x` has just made this `value`."""
        statement = self.instance.file.statements[index]
        variable = statement.variable
        assert variable is not None
        old = self._find(variable, owner)
        updated = self._updated(statement, value, old)
        self._forget_values()
        if variable.is_local:
            _put(self.locals, str(variable.key), updated)
        else:
            _put(self.instance.members, (_identity(owner), variable.key), updated)

    def return_value(self, index: int, value: Any) -> Any:
        """`value`, which a function is about to return."""
        self.instance.returned = self._settle(index, value)
        return value

    # ---- what a value is made of

    def _settle(self, index: int, value: Any) -> TracedValue | None:
        """What the value of a whole statement is made of; None for what is no number."""
        statement = self.instance.file.statements[index]
        total = _as_number(value)
        known = None
        if statement.plan is not None and total is not None:
            known = self._amounts(statement.plan)
        self._forget_values()
        if total is None:
            return None
        if known is None or not _adds_up(known.entries, total):
            return TracedValue(value, self._one_amount(statement.term, total))
        return TracedValue(value, known.entries)

    def _updated(
        self, statement: WatchedStatement, value: Any, old: TracedValue | None
    ) -> TracedValue | None:
        """What a variable is made of after an update; None for what is no number."""
        total = _as_number(value)
        change = None
        if statement.plan is not None and statement.sign:
            change = self._amounts(statement.plan)
        if total is None:
            return None
        if not statement.sign:
            return TracedValue(value, self._changed_entries(statement, total, old))
        if change is None:
            return TracedValue(value, self._one_amount(statement.term, total))
        added = change.entries
        if statement.names_parts:
            added = _through(added, statement.term)
        if old is not None:
            entries = _add(dict(old.entries), added, statement.sign)
            if _adds_up(entries, total):
                return TracedValue(value, entries)
        rest = total - statement.sign * change.total
        entries = {(statement.old_term, NO_TERM): rest}
        return TracedValue(value, _add(entries, added, statement.sign))

    def _changed_entries(
        self, statement: WatchedStatement, total: float, old: TracedValue | None
    ) -> Entries:
        """After `reward *= x` and the like: the old amounts, and the difference as the statement's;
        after `reward /= x` and `**=` the old amounts, scaled.
        """
        old_total = _as_number(self.old_value)
        if old_total is None:
            return self._one_amount(statement.term, total)
        entries: Entries = {(statement.old_term, NO_TERM): old_total}
        if old is not None and (old.value is self.old_value or old.value == self.old_value):
            entries = dict(old.entries)
        if statement.scales and old_total:
            return _scaled(entries, total / old_total)
        difference = self._one_amount(statement.term, total - old_total)
        return _add(entries, difference, 1)

    def _amounts(self, plan: ValuePlan) -> Amounts | None:
        """Value and amounts of a plan whose expression has just been evaluated; None where it
        cannot be told.
        """
        match plan:
            case LeafPlan():
                return self._leaf_amounts(plan)
            case SumPlan():
                return self._sum_amounts(plan)
            case ScaledPlan():
                return self._scaled_amounts(plan)
            case ThroughPlan():
                return self._through_amounts(plan)
            case ChoicePlan():
                return self._choice_amounts(plan)

    def _leaf_amounts(self, leaf: LeafPlan) -> Amounts | None:
        if leaf.slot not in self.values:
            return None
        value = self.values[leaf.slot]
        total = _as_number(value)
        if total is None:
            return None
        entries = self._leaf_entries(leaf, value)
        if entries is None:
            return Amounts(total, self._one_amount(leaf.term, total))
        if leaf.is_open:
            return Amounts(total, _returned(entries))
        if leaf.is_operand or leaf.is_call:
            return Amounts(total, _through(entries, leaf.term, leaf.is_call))
        return Amounts(total, dict(entries))

    def _leaf_entries(self, leaf: LeafPlan, value: Any) -> Entries | None:
        """What the value of a leaf is made of, None where that is not known."""
        if leaf.is_call:
            return self.call_entries.get(leaf.slot)
        if leaf.variable is None:
            return None
        traced = self._find(leaf.variable, self.owners.get(leaf.slot))
        if traced is None:
            return None
        if traced.value is not value and _as_number(traced.value) != _as_number(value):
            return None
        return traced.entries

    def _sum_amounts(self, plan: SumPlan) -> Amounts | None:
        total = 0.0
        entries = Entries()
        for sign, part in plan.parts:
            amounts = self._amounts(part)
            if amounts is None:
                return None
            total += sign * amounts.total
            _add(entries, amounts.entries, sign)
        return Amounts(total, entries)

    def _scaled_amounts(self, plan: ScaledPlan) -> Amounts | None:
        inner = self._amounts(plan.inner)
        factor = _as_number(self.values.get(plan.factor))
        if inner is None or factor is None or (plan.divides and factor == 0.0):
            return None
        scale = 1.0 / factor if plan.divides else factor
        return Amounts(inner.total * scale, _scaled(inner.entries, scale))

    def _through_amounts(self, plan: ThroughPlan) -> Amounts | None:
        total = _as_number(self.values.get(plan.slot))
        known = self._known_amounts(plan.inner)
        if total is None:
            return None
        if not known:
            return Amounts(total, self._one_amount(plan.term, total))
        inner = next((amounts for amounts in known if amounts.total == total), known[0])
        if inner.total == total:
            return inner
        if plan.scales and inner.total:
            return Amounts(total, _scaled(inner.entries, total / inner.total))
        difference = self._one_amount(plan.term, total - inner.total)
        return Amounts(total, _add(inner.entries, difference, 1))

    def _choice_amounts(self, plan: ChoicePlan) -> Amounts | None:
        for option in plan.options:
            amounts = self._amounts(option)
            if amounts is not None:
                return amounts
        return None

    def _known_amounts(self, plans: tuple[ValuePlan, ...]) -> list[Amounts]:
        amounts = [self._amounts(plan) for plan in plans]
        return [one for one in amounts if one is not None]

    def _one_amount(self, term: int, amount: float) -> Entries:
        """All of it as the amount of one term, which was reached."""
        self.instance.reached.add(term)
        return {(term, NO_TERM): amount}

    def _find(self, variable: Variable, owner: Any) -> TracedValue | None:
        if variable.is_local:
            return self.locals.get(str(variable.key))
        return self.instance.members.get((_identity(owner), variable.key))

    def _forget_values(self) -> None:
        self.values.clear()
        self.owners.clear()
        self.call_entries.clear()


def _add(entries: Entries, more: Entries, sign: int) -> Entries:
    """`entries` itself, with more added."""
    for key, amount in more.items():
        entries[key] = entries.get(key, 0.0) + sign * amount
    return entries


def _through(entries: Entries, term: int, is_call: bool = False) -> Entries:
    """The amounts, which came through this summand, call or update. Of two the outer one is named."""
    renamed = Entries()
    for (own, via), amount in entries.items():
        through: Via = term
        if isinstance(via, tuple):  # it is the caller's
            through = via[0] if is_call else via
        elif own == term:
            through = NO_TERM
        elif via != NO_TERM and not is_call:
            through = via
        renamed[own, through] = renamed.get((own, through), 0.0) + amount
    return renamed


def _returned(entries: Entries) -> Entries:
    """The amounts of a function's result that is all of a value: they are told by its own lines."""
    unwrapped = Entries()
    for (term, via), amount in entries.items():
        through = via[0] if isinstance(via, tuple) else via
        unwrapped[term, through] = unwrapped.get((term, through), 0.0) + amount
    return unwrapped


def _scaled(entries: Entries, factor: float) -> Entries:
    return {key: amount * factor for key, amount in entries.items()}


def _wrapped(entries: Entries) -> Entries:
    """The entries of an argument, as the function has them that it is passed to."""
    return {(term, (via,)): amount for (term, via), amount in entries.items()}


def _adds_up(entries: Entries, total: float) -> bool:
    """Whether the amounts sum up to a value, but for rounding."""
    size = sum(map(abs, entries.values())) + abs(total)
    return abs(sum(entries.values()) - total) <= ROUNDING_TOLERANCE * size


def _put(traced_values: dict[Any, TracedValue], key: Any, traced: TracedValue | None) -> None:
    if traced is None:
        traced_values.pop(key, None)
    else:
        traced_values[key] = traced


def _identity(owner: Any) -> Any:
    """What tells an object from others, hashable or not; the owner of globals is a text."""
    if isinstance(owner, str):
        return owner
    return id(owner)


def _as_number(value: Any) -> float | None:
    """The value as a float, None when it is no plain number."""
    if not isinstance(value, Real):
        return None
    try:
        return float(value)
    except (OverflowError, ValueError, TypeError):
        return None
