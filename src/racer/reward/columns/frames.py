"""Some of the steps of a call, the names that were assigned for them, and how steps come together
again behind a condition or a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from racer.reward.columns.values import Indices, Value, join_rows, take_rows

UNBOUND = object()
"""What a name stands for that was not assigned."""


@dataclass(eq=False)
class Frame:
    """Some of the steps of a call, and the names that were assigned for them. Other names are those
    of the frame that these steps come from, at `rows` of it (None: all).
    """

    count: int
    names: dict[str, Value] = field(default_factory=dict)
    known: dict[str, Value] = field(default_factory=dict)  # of the origin's, at these rows
    origin: Frame | None = None
    rows: Indices | None = None
    is_call: bool = False  # whose local names begin here

    def child(self, rows: Indices) -> Frame:
        """The frame of some of its rows."""
        return Frame(len(rows), origin=self, rows=rows)

    def find(self, name: str) -> Value:
        """The value of a name, `UNBOUND` without one. Local names begin with a letter."""
        if name in self.names:
            return self.names[name]
        if name in self.known:
            return self.known[name]
        is_local = not name.startswith((".", "%"))
        if self.origin is None or (self.is_call and is_local):
            return UNBOUND
        value = self.origin.find(name)
        if value is UNBOUND or self.rows is None:
            return value
        self.known[name] = take_rows(value, self.rows)
        return self.known[name]

    def rows_of(self, base: Frame) -> Indices:
        """(count,) which rows of a frame that it comes from these are."""
        rows = np.arange(self.count)
        frame: Frame | None = self
        while frame is not base:
            assert frame is not None
            if frame.rows is not None:
                rows = frame.rows[rows]
            frame = frame.origin
        return rows

    def assigned_since(self, base: Frame) -> set[str]:
        """Names that were assigned after a frame that it comes from."""
        names: set[str] = set()
        frame: Frame | None = self
        while frame is not base:
            assert frame is not None
            names.update(frame.names)
            frame = frame.origin
        return names


@dataclass
class LoopExits:
    """Steps that left a loop, and those that wait for its next round."""

    broken: list[Frame] = field(default_factory=list)
    continued: list[Frame] = field(default_factory=list)


def leave_call(caller: Frame, frame: Frame, ends: Sequence[tuple[Frame, Value]]) -> Value:
    """What a call returns; what it remembers passes to the caller."""
    pieces = []
    memory: set[str] = set()
    for end, value in ends:
        pieces.append((end.rows_of(frame), value))
        memory |= {name for name in end.assigned_since(caller) if name.startswith(".")}
    for name in memory:
        remembered = [
            (rows, end.find(name)) for (rows, _), (end, _) in zip(pieces, ends, strict=True)
        ]
        caller.names[name] = join_rows(caller.count, remembered)
    return join_rows(caller.count, pieces)


def join_frames(base: Frame, ends: Sequence[Frame | None]) -> Frame | None:
    """The frame of all rows that go on: those of `base` in which any of the ends is."""
    alive = [end for end in ends if end is not None and end.count]
    if len(alive) <= 1:
        return alive[0] if alive else None
    rows_of_ends = [end.rows_of(base) for end in alive]
    rows = np.sort(np.concatenate(rows_of_ends))
    joined = base if len(rows) == base.count else base.child(rows)
    places = [np.searchsorted(rows, rows_of_end) for rows_of_end in rows_of_ends]
    names: set[str] = set()
    for end in alive:
        names |= end.assigned_since(base)
    values = {}
    for name in names:
        pieces = [(place, end.find(name)) for place, end in zip(places, alive, strict=True)]
        if any(value is UNBOUND for _, value in pieces):
            values[name] = UNBOUND
        else:
            values[name] = join_rows(len(rows), pieces)
    joined.names.update(values)
    return joined
