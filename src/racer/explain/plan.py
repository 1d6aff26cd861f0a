"""How the value of an expression falls into amounts: what instrumentation writes down and the ledger reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A piece of source that can pay: a summand, an assigned value, a factor's difference.

    `line` counts from 1; `part_of` is the sum that it is a summand of, empty for none.
    """

    line: int
    text: str
    part_of: str = ""


@dataclass(frozen=True)
class Place:
    """Where a value is kept: a local name (`owner` empty), or an attribute or item of the object that `owner` names."""

    owner: str
    key: str | int

    @property
    def is_local(self) -> bool:
        return not self.owner


@dataclass(frozen=True)
class Leaf:
    """A value that is taken as a whole, unless it is known what it is made of.

    `term` and `slot` index the file's terms and the frame's recorded values. With a `place` it may have a ledger; with
    `is_call` the call may return one. `is_operand` says that it is one of several summands, so that what it is made of
    is told as coming through it.
    """

    term: int
    slot: int
    place: Place | None = None
    is_call: bool = False
    is_operand: bool = False


@dataclass(frozen=True)
class Sum:
    """Summands with their signs, +1 or -1."""

    parts: tuple[tuple[int, Plan], ...]


@dataclass(frozen=True)
class Scaled:
    """All amounts of a plan, times (or divided by) one recorded value."""

    inner: Plan
    factor: int
    divides: bool


@dataclass(frozen=True)
class Through:
    """The amounts of one of the `inner` plans, and the difference that the rest of the expression makes, as a term.

    Of several the one that has the value of the whole counts, as in `max(reward, floor)`; `slot` holds that value.
    """

    inner: tuple[Plan, ...]
    term: int
    slot: int


@dataclass(frozen=True)
class Choice:
    """Whichever of two plans was evaluated: `a if condition else b`."""

    options: tuple[Plan, Plan]


Plan = Leaf | Sum | Scaled | Through | Choice


@dataclass(frozen=True)
class Site:
    """One statement that assigns or returns. `term` is it as a whole; `before` the value that an update began with.

    `sign` is +1 or -1 for `+=` and `-=`, 0 for other updates and for plain assignments.
    """

    plan: Plan | None
    term: int
    names: tuple[str, ...] = ()
    place: Place | None = None
    before: int = -1
    sign: int = 0
