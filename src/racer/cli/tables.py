"""The one table maker of the commands: records and tables on the terminal.

Tables are `racer.records.RecordTable`: what `print(record)` shows in Python is what a command
prints.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from racer.records import Record, RecordTable

if TYPE_CHECKING:
    import pandas as pd

PIPE_WIDTH_CHARS = 160  # of a table where no terminal says how wide it is


def print_record(record: Record) -> None:
    """Print a result: its lines and tables."""
    print_blocks(record.blocks())


def print_blocks(blocks: Iterable[str | RecordTable]) -> None:
    """Print lines and tables in their order."""
    for block in blocks:
        if isinstance(block, RecordTable):
            print_table(block)
        else:
            typer.echo(block)


def print_table(table: RecordTable) -> None:
    """Print a table as wide as the terminal, in a pipe as wide as it wants to be.

    Where that is too narrow, text is folded; numbers never are.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH_CHARS)
    console.print(_as_rich(table))


def new_table(*heads: str, text: Iterable[str] = ()) -> RecordTable:
    """An empty table; columns named in `text` stand left, those of numbers right."""
    return RecordTable(heads, text_heads=frozenset(text))


def format_count(count: int, noun: str = "lap") -> str:
    """`1 lap`, `2,000 laps`."""
    plural = "" if count == 1 else "s"
    return f"{count:,} {noun}{plural}"


def table_as_dicts(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a DataFrame for JSON, which knows no nan."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=6))
    return rows


def _as_rich(table: RecordTable) -> Table:
    rich_table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=any(table.heads))
    for head in table.heads:
        if head in table.text_heads:
            rich_table.add_column(head, overflow="fold")
        else:
            rich_table.add_column(head, justify="right", no_wrap=True)
    for row in table.rows:
        rich_table.add_row(*row)
    return rich_table
