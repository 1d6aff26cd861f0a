"""The books kept while an instrumented reward function runs: what every watched value is made of.

The user's own operators compute every value; the ledger only looks on. A value whose books do not
add up to it (a tracked name was changed where nobody looked, a value is no number) is one amount of
the line where it is used.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from typing import Any


@dataclass(frozen=True)
class Term:
    """A piece of source that can pay: a summand, an assigned value, a factor's difference.

    `line` counts from 1; `part_of` is the sum that it is a summand of, empty for none.
    """

    line: int
    text: str
    part_of: str = ""


@dataclass(frozen=True)
class Variable:
    """Where a value is kept: a local name (`owner` empty), or an attribute or item of the object
    that `owner` names.
    """

    owner: str
    key: str | int

    @property
    def is_local(self) -> bool:
        return not self.owner


@dataclass(frozen=True)
class LeafPlan:
    """A value that is taken as a whole, unless it is known what it is made of.

    `term` and `slot` index the file's terms and the frame's recorded values. With a `place` it may
    have a ledger; with `is_call` the call may return one. `is_operand` says that it is one of
    several summands, so that what it is made of is told as coming through it.
    """

    term: int
    slot: int
    place: Variable | None = None
    is_call: bool = False
    is_operand: bool = False


@dataclass(frozen=True)
class SumPlan:
    """Summands with their signs, +1 or -1."""

    parts: tuple[tuple[int, ValuePlan], ...]


@dataclass(frozen=True)
class ScaledPlan:
    """All amounts of a plan, times (or divided by) one recorded value."""

    inner: ValuePlan
    factor: int
    divides: bool


@dataclass(frozen=True)
class ThroughPlan:
    """The amounts of one of the `inner` plans, and the difference that the rest of the expression
    makes, as a term.

    Of several the one that has the value of the whole counts, as in `max(reward, floor)`; `slot`
    holds that value.
    """

    inner: tuple[ValuePlan, ...]
    term: int
    slot: int


@dataclass(frozen=True)
class ChoicePlan:
    """Whichever of two plans was evaluated: `a if condition else b`."""

    options: tuple[ValuePlan, ValuePlan]


ValuePlan = LeafPlan | SumPlan | ScaledPlan | ThroughPlan | ChoicePlan


@dataclass(frozen=True)
class WatchedStatement:
    """One statement that assigns or returns. `term` is it as a whole; `before` the value that an
    update began with.

    `sign` is +1 or -1 for `+=` and `-=`, 0 for other updates and for plain assignments.
    """

    plan: ValuePlan | None
    term: int
    names: tuple[str, ...] = ()
    place: Variable | None = None
    before: int = -1
    sign: int = 0


ROUNDING_TOLERANCE = 1e-9  # relative: how far apart amounts and value may be by rounding

Via = int | tuple[Any]
"""The term through which an amount came, -1 for none; wrapped in a tuple while the caller's amount is in a function."""

Entries = dict[tuple[int, Via], float]
"""Amounts by term and by the term through which it came."""


@dataclass(frozen=True)
class TracedValue:
    """A value and what it is made of."""

    value: Any
    entries: Entries


@dataclass(frozen=True)
class RecordedCall:
    """One call of the reward function: what it returned, what that is made of, and the terms that
    were reached.
    """

    value: Any
    entries: Entries
    ran: frozenset[int]


@dataclass
class FileLedger:
    """What is known of one instrumented file: its terms and statements, and the calls so far
    (filled while it runs).
    """

    terms: list[Term] = field(default_factory=list)
    sites: list[WatchedStatement] = field(default_factory=list)
    parameters: list[tuple[str, ...]] = field(default_factory=list)
    calls: list[RecordedCall] = field(default_factory=list)
    whole: int = 0  # the term for a result of which nothing is known

    def instance(self) -> InstanceLedger:
        """The ledger of one executed copy of the file; instrumented code calls this first."""
        return InstanceLedger(self)


class InstanceLedger:
    """The ledger of one executed copy of a file (a class: the instrumented code calls its methods)."""

    def __init__(self, book: FileLedger) -> None:
        self.book = book
        self.held: dict[tuple[Any, str | int], TracedValue] = {}  # attributes, items, globals
        self.returned: TracedValue | None = None  # by the call that came back last
        self.offers: list[TracedValue] = []  # values on their way into a function of the file
        self.ran: set[int] = set()
        self.depth = 0

    def entry(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The file's reward function, with its calls written into the book."""

        @functools.wraps(function, updated=())
        def reward_function(params: Any) -> Any:
            if self.depth:  # it calls itself
                return function(params)
            self.ran.clear()
            self.offers.clear()
            self.returned = None
            self.depth += 1
            try:
                value = function(params)
            finally:
                self.depth -= 1
            self._close(value)
            return value

        return reward_function

    def frame(self, function: int, *arguments: Any) -> FrameLedger:
        """The books of one call of a function of the file."""
        frame = FrameLedger(self)
        self.returned = None
        for name, value in zip(self.book.parameters[function], arguments, strict=True):
            offer = next((o for o in self.offers if o.value is value), None)
            if offer is not None:
                frame.names[name] = TracedValue(
                    value, {(term, (via,)): a for (term, via), a in offer.entries.items()}
                )
        return frame

    def _close(self, value: Any) -> None:
        known = self.returned
        if known is None or known.value is not value:
            known = TracedValue(value, {})  # who asks finds all of it missing
            self.ran.add(self.book.whole)
        self.book.calls.append(RecordedCall(value, known.entries, frozenset(self.ran)))


class FrameLedger:
    """The books of one call of one function: recorded values by slot, and what local names hold."""

    def __init__(self, instance: InstanceLedger) -> None:
        self.instance = instance
        self.names: dict[str, TracedValue] = {}
        self.values: dict[int, Any] = {}
        self.owners: dict[int, Any] = {}
        self.made_of: dict[int, Entries] = {}
        self.old: Any = None
        self.last: TracedValue | None = None

    def see(self, slot: int, value: Any) -> Any:
        """`value`, written down."""
        self.values[slot] = value
        return value

    def see_of(self, slot: int, value: Any, owner: Any) -> Any:
        """`value`, an attribute or item of `owner`, written down."""
        self.values[slot], self.owners[slot] = value, owner
        return value

    def begin(self) -> None:
        """A call is about to be made."""
        self.instance.returned = None

    def called(self, slot: int, _: None, value: Any) -> Any:
        """`value`, which a call has just returned, written down."""
        self.values[slot] = value
        known = self.instance.returned
        if known is not None and known.value is value:
            self.made_of[slot] = known.entries
        else:
            self.made_of.pop(slot, None)
        return value

    def offer(self, name: str, value: Any) -> Any:
        """`value` of a local name, which is about to be an argument."""
        holding = self.names.get(name)
        if holding is not None and holding.value is value:
            self.instance.offers.append(holding)
        return value

    def end(self, index: int, value: Any) -> Any:
        """`value`, which a statement is about to assign."""
        self.last = self._settled(index, value)
        for name in self.instance.book.sites[index].names:
            _put(self.names, name, self.last)
        return value

    def hold(self, index: int, owner: Any) -> None:
        """The value just assigned is now an attribute or item of `owner`."""
        place = self.instance.book.sites[index].place
        if place is not None:
            _put(self.instance.held, (_key(owner), place.key), self.last)

    def before(self, value: Any) -> None:
        """`value` is about to be updated."""
        self.old = value

    def update(self, index: int, value: Any, owner: Any = None) -> None:
        """An update such as `reward += x` has just made this `value`."""
        site = self.instance.book.sites[index]
        assert site.place is not None
        old = self._held(site.place, owner)
        change = self._amounts(site.plan) if site.plan is not None and site.sign else None
        made = self._updated(site, value, old, change)
        self._reset()
        if site.place.is_local:
            _put(self.names, str(site.place.key), made)
        else:
            _put(self.instance.held, (_key(owner), site.place.key), made)

    def done(self, index: int, value: Any) -> Any:
        """`value`, which a function is about to return."""
        self.instance.returned = self._settled(index, value)
        return value

    def _settled(self, index: int, value: Any) -> TracedValue | None:
        """What the value of a whole statement is made of; None for what is no number."""
        site = self.instance.book.sites[index]
        total = _number(value)
        known = self._amounts(site.plan) if site.plan is not None and total is not None else None
        self._reset()
        if total is None:
            return None
        if known is None or not _agrees(known[1], total):
            self.instance.ran.add(site.term)
            return TracedValue(value, {(site.term, -1): total})
        return TracedValue(value, known[1])

    def _updated(
        self,
        site: WatchedStatement,
        value: Any,
        old: TracedValue | None,
        change: tuple[float, Entries] | None,
    ) -> TracedValue | None:
        total = _number(value)
        if total is None:
            return None
        if not site.sign:
            return self._replaced(site, value, total, old)
        if change is not None:
            start = dict(old.entries) if old is not None else {}
            entries = _added(start, change[1], site.sign)
            if old is not None and _agrees(entries, total):
                return TracedValue(value, entries)
            rest = total - site.sign * change[0]
            return TracedValue(value, _added({(site.before, -1): rest}, change[1], site.sign))
        self.instance.ran.add(site.term)
        return TracedValue(value, {(site.term, -1): total})

    def _replaced(
        self, site: WatchedStatement, value: Any, total: float, old: TracedValue | None
    ) -> TracedValue:
        """After `reward *= x` and the like: the old amounts, and the difference as the statement's."""
        self.instance.ran.add(site.term)
        started = _number(self.old)
        if started is None:
            return TracedValue(value, {(site.term, -1): total})
        is_known = old is not None and (old.value is self.old or old.value == self.old)
        entries: Entries = (
            dict(old.entries) if old is not None and is_known else {(site.before, -1): started}
        )
        return TracedValue(value, _added(entries, {(site.term, -1): total - started}, 1))

    def _amounts(self, plan: ValuePlan) -> tuple[float, Entries] | None:
        """Value and amounts of a plan whose expression has just been evaluated; None where it
        cannot be told.
        """
        match plan:
            case LeafPlan():
                return self._of_leaf(plan)
            case SumPlan():
                return self._of_sum(plan)
            case ScaledPlan():
                return self._of_scaled(plan)
            case ThroughPlan():
                return self._of_through(plan)
            case ChoicePlan():
                return next(
                    (found for found in map(self._amounts, plan.options) if found is not None), None
                )

    def _of_leaf(self, leaf: LeafPlan) -> tuple[float, Entries] | None:
        if leaf.slot not in self.values:
            return None
        value = self.values[leaf.slot]
        total = _number(value)
        if total is None:
            return None
        known = self._known(leaf, value)
        if known is None:
            self.instance.ran.add(leaf.term)
            return total, {(leaf.term, -1): total}
        return total, _through(known, leaf) if leaf.is_operand or leaf.is_call else dict(known)

    def _known(self, leaf: LeafPlan, value: Any) -> Entries | None:
        if leaf.is_call:
            return self.made_of.get(leaf.slot)
        if leaf.place is None:
            return None
        holding = self._held(leaf.place, self.owners.get(leaf.slot))
        if holding is None or not (
            holding.value is value or _number(holding.value) == _number(value)
        ):
            return None
        return holding.entries

    def _of_sum(self, plan: SumPlan) -> tuple[float, Entries] | None:
        total, entries = 0.0, Entries()
        for sign, part in plan.parts:
            found = self._amounts(part)
            if found is None:
                return None
            total += sign * found[0]
            _added(entries, found[1], sign)
        return total, entries

    def _of_scaled(self, plan: ScaledPlan) -> tuple[float, Entries] | None:
        found, factor = self._amounts(plan.inner), _number(self.values.get(plan.factor))
        if found is None or factor is None or (plan.divides and factor == 0.0):
            return None
        times = 1.0 / factor if plan.divides else factor
        return found[0] * times, {key: amount * times for key, amount in found[1].items()}

    def _of_through(self, plan: ThroughPlan) -> tuple[float, Entries] | None:
        total = _number(self.values.get(plan.slot))
        known = [found for found in map(self._amounts, plan.inner) if found is not None]
        if total is None:
            return None
        if not known:
            self.instance.ran.add(plan.term)
            return total, {(plan.term, -1): total}
        value, entries = next((found for found in known if found[0] == total), known[0])
        if total != value:
            self.instance.ran.add(plan.term)
            entries = _added(entries, {(plan.term, -1): total - value}, 1)
        return total, entries

    def _held(self, place: Variable, owner: Any) -> TracedValue | None:
        if place.is_local:
            return self.names.get(str(place.key))
        return self.instance.held.get((_key(owner), place.key))

    def _reset(self) -> None:
        self.values.clear()
        self.owners.clear()
        self.made_of.clear()


def _added(entries: Entries, more: Entries, sign: int) -> Entries:
    """`entries` itself, with more added."""
    for key, amount in more.items():
        entries[key] = entries.get(key, 0.0) + sign * amount
    return entries


def _through(entries: Entries, leaf: LeafPlan) -> Entries:
    """The same amounts, said to have come through this summand or call. Of two calls the outer one
    is told.
    """
    told = Entries()
    for (term, via), amount in entries.items():
        if isinstance(via, tuple):
            via = via[0] if leaf.is_call else via
        elif via == -1 or leaf.is_call:
            via = leaf.term
        told[term, via] = told.get((term, via), 0.0) + amount
    return told


def _agrees(entries: Entries, total: float) -> bool:
    size = sum(map(abs, entries.values())) + abs(total)
    return abs(sum(entries.values()) - total) <= ROUNDING_TOLERANCE * size


def _put(books: dict[Any, TracedValue], key: Any, holding: TracedValue | None) -> None:
    if holding is None:
        books.pop(key, None)
    else:
        books[key] = holding


def _key(owner: Any) -> Any:
    """What tells an object from others, hashable or not; a global's owner is named by a text."""
    return owner if isinstance(owner, str) else id(owner)


def _number(value: Any) -> float | None:
    """The value as a float, None when it is no plain number."""
    if not isinstance(value, Real):
        return None
    try:
        return float(value)
    except (OverflowError, ValueError, TypeError):
        return None
