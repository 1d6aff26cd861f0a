"""Results that show themselves: text in a terminal, HTML in a notebook, plain data on request.

A result is a dataclass that inherits from `Record` and says in `blocks` what there is to see, lines
of text and tables in their order. `print(result)`, a notebook's cell and the commands of `racer` all
show these blocks; `to_dict` has the numbers behind them.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MISSING = "-"
"""What stands in a cell for a number that is not there."""


def format_number(value: float | None, decimals: int = 2) -> str:
    """A number with so many decimals; `-` for nan and None."""
    if value is None or math.isnan(value):
        return MISSING
    return f"{value:.{decimals}f}"


def format_seconds(time: float | None) -> str:
    """A time to the millisecond; `-` for nan and None."""
    return format_number(time, 3)


def format_amount(value: float | None, digits: int = 3) -> str:
    """An amount of reward with so many significant digits, large ones whole; `-` for nan and None."""
    if value is None or math.isnan(value):
        return MISSING
    if abs(value) >= 10**digits:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def format_percent(fraction: float | None, decimals: int = 0) -> str:
    """A fraction as percent, `0.256` as `26%`; `-` for nan and None."""
    if fraction is None or math.isnan(fraction):
        return MISSING
    return f"{fraction:.{decimals}%}"


def known_number(value: float) -> float | None:
    """The number for JSON, which knows no nan: None in its place."""
    if math.isnan(value):
        return None
    return value


@dataclass(frozen=True)
class RecordTable:
    """Rows of text under heads. Columns named in `text_heads` stand left, those of numbers right.
    Where room is short, those in `minor_heads` are left out, the last one first.

    Examples
    --------
    >>> table = RecordTable(("lap", "time s"), text_heads=frozenset({"lap"}))
    >>> table.add_row("fast", "9.81")
    >>> print(table.to_text())
    lap   time s
    ----  ------
    fast    9.81
    """

    heads: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    text_heads: frozenset[str] = frozenset()
    minor_heads: tuple[str, ...] = ()

    def add_row(self, *cells: str) -> None:
        """Add a row with a cell for each head. Raises ValueError for another number of cells."""
        if len(cells) != len(self.heads):
            raise ValueError(f"{len(cells)} cells under {len(self.heads)} heads")
        self.rows.append(cells)

    def without(self, head: str) -> RecordTable:
        """The table without a column."""
        column = self.heads.index(head)
        rows = [(*row[:column], *row[column + 1 :]) for row in self.rows]
        heads = (*self.heads[:column], *self.heads[column + 1 :])
        minor_heads = tuple(other for other in self.minor_heads if other != head)
        return RecordTable(heads, rows, self.text_heads - {head}, minor_heads)

    def without_empty_columns(self) -> RecordTable:
        """The table without columns that have nothing in any row; as it is without rows."""
        table = self
        for column, head in enumerate(self.heads):
            if self.rows and not any(row[column] for row in self.rows):
                table = table.without(head)
        return table

    def to_text(self) -> str:
        """The table in columns of characters."""
        columns = zip(self.heads, *self.rows, strict=True)
        widths = [max(map(len, column)) for column in columns]
        rule = tuple("-" * width for width in widths)
        lines = [self._line(row, widths) for row in (self.heads, rule, *self.rows)]
        return "\n".join(lines)

    def to_html(self) -> str:
        """The table as a `<table>` element."""
        head = self._html_row(self.heads, "th")
        body = "".join(self._html_row(row, "td") for row in self.rows)
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        padded = []
        for head, cell, width in zip(self.heads, cells, widths, strict=True):
            padded.append(cell.ljust(width) if head in self.text_heads else cell.rjust(width))
        return "  ".join(padded).rstrip()

    def _html_row(self, cells: Sequence[str], tag: str) -> str:
        elements = []
        for head, cell in zip(self.heads, cells, strict=True):
            side = "left" if head in self.text_heads else "right"
            elements.append(f'<{tag} style="text-align: {side}">{html.escape(cell)}</{tag}>')
        return f"<tr>{''.join(elements)}</tr>"


class Record:
    """Base of the results that people look at: a subclass defines `blocks` and `to_dict`."""

    def blocks(self) -> Sequence[str | RecordTable]:
        """What there is to see, lines of text and tables in their order."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The result as numbers, texts, lists and dicts, ready for JSON; what is missing is None."""
        raise NotImplementedError

    def __str__(self) -> str:
        parts = [block if isinstance(block, str) else block.to_text() for block in self.blocks()]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        parts = []
        for block in self.blocks():
            if isinstance(block, str):
                parts.append(f"<p>{html.escape(block)}</p>")
            else:
                parts.append(block.to_html())
        return "\n".join(parts)
