"""What is known of an instrumented file before it runs: its terms, its statements, and for each
expression a plan of how to make amounts of the values that are recorded when it runs.
"""

from __future__ import annotations

from dataclasses import dataclass

NO_TERM = -1

GLOBAL = "global"


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
    """Where a value is kept: in a local name (`owner` empty), or in an attribute or item of the
    object that `owner` names. A global has the owner GLOBAL.
    """

    owner: str
    key: str | int

    @property
    def is_local(self) -> bool:
        """Whether it is a local name."""
        return not self.owner


@dataclass(frozen=True)
class LeafPlan:
    """A value that is taken as a whole, unless it is known what it is made of.

    `term` and `slot` index the file's terms and the frame's recorded values. A `variable` may have
    entries; with `is_call` the call may return some. `is_operand` says that it is one of several
    summands, so that what it is made of came through it; `is_open` that what a call
    returned is told by the function's own lines, as where it is returned again.
    """

    term: int
    slot: int
    variable: Variable | None = None
    is_call: bool = False
    is_operand: bool = False
    is_open: bool = False


@dataclass(frozen=True)
class SumPlan:
    """Summands with their signs, +1 or -1."""

    parts: tuple[tuple[int, ValuePlan], ...]


@dataclass(frozen=True)
class ScaledPlan:
    """All amounts of a plan, times (or divided by) the value recorded in the slot `factor`."""

    inner: ValuePlan
    factor: int
    divides: bool


@dataclass(frozen=True)
class ThroughPlan:
    """The amounts of one of the `inner` plans, and the difference that the rest of the expression
    makes, as a term.

    Of several the one that has the value of the whole counts, as in `max(reward, floor)`; `slot`
    holds that value. With `scales` all amounts grow or shrink by the same factor instead, as in
    `reward / steps` and `reward ** 2`: a difference would be as large as what it takes away.
    """

    inner: tuple[ValuePlan, ...]
    term: int
    slot: int
    scales: bool = False


@dataclass(frozen=True)
class ChoicePlan:
    """Whichever of two plans was evaluated: `a if condition else b`."""

    options: tuple[ValuePlan, ValuePlan]


ValuePlan = LeafPlan | SumPlan | ScaledPlan | ThroughPlan | ChoicePlan


@dataclass(frozen=True)
class WatchedStatement:
    """One statement that assigns or returns.

    `term` is the statement as a whole. An assignment has local `names` and at most one other
    `variable`; an update (`+=`) has one `variable`, the term `old_term` for the value that it began
    with, and a `sign`, +1 or -1 for `+=` and `-=`, 0 for other updates; with `scales` (`/=`, `**=`)
    the old amounts are scaled. With `names_parts` what an added value is made of is told as part of
    the update.
    """

    plan: ValuePlan | None
    term: int
    names: tuple[str, ...] = ()
    variable: Variable | None = None
    old_term: int = NO_TERM
    sign: int = 0
    scales: bool = False
    names_parts: bool = False
