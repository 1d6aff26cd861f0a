"""What several commands share: options and arguments, each written once, and the one table maker.

Tables are `racer.records.RecordTable`: what `print(record)` shows in Python is what a command
prints.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from racer.errors import UsageError, printable
from racer.records import Record, RecordTable
from racer.vehicle import DEFAULT_CAR

if TYPE_CHECKING:
    import pandas as pd


PIPE_WIDTH_CHARS = 160  # of a table where no terminal says how wide it is
WIDE_GAP_CHARS = 3  # between columns
NARROW_GAP_CHARS = 2  # where the terminal is too narrow for the wide gap
TEXT_CHARS = 20  # of a column of text that is folded, at least

RewardArgument = Annotated[
    str,
    typer.Argument(
        metavar="REWARD", help="A reward file, or the name of a shipped one.", show_default=False
    ),
]

TrackOption = Annotated[
    str, typer.Option("--track", help="A track's name, or a .toml or .npy file.")
]
LogTrackOption = Annotated[
    str,
    typer.Option(
        "--track",
        help="The track of the log: a name, a .toml or .npy file.",
        show_default="recognized",
    ),
]
RoutesOption = Annotated[
    Path | None,
    typer.Option(
        "--tracks", metavar="DIR", help="A folder of routes to recognize the track among."
    ),
]
ReverseOption = Annotated[bool, typer.Option("--reverse", help="Drive the track the other way.")]

CarOption = Annotated[str, typer.Option("--car", help="v4, v5 or v6.")]
CarOfActionsOption = Annotated[
    str | None,
    typer.Option(
        "--car",
        help="v4, v5 or v6.",
        show_default=f"what the action space says, else {DEFAULT_CAR}",
    ),
]
ActionSpaceOption = Annotated[
    Path | None,
    typer.Option(
        "--action-space",
        metavar="FILE",
        help="A model_metadata.json.",
        show_default="continuous",
    ),
]

PictureOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Draw it there (png, svg, pdf)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LapsCsvOption = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write every lap there, one a row.")
]
RewardTimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout", help="Seconds that one call of the reward function may take; 0: any time."
    ),
]
CheckpointOption = Annotated[
    str, typer.Option("--checkpoint", help="best, last, or the number of steps.")
]


def print_record(record: Record) -> None:
    """Print a result: its lines and tables."""
    print_blocks(record.blocks())


def print_blocks(blocks: Iterable[str | RecordTable]) -> None:
    """Print lines and tables in their order."""
    for block in blocks:
        if isinstance(block, RecordTable):
            print_table(block)
        else:
            echo(block)


def echo(text: object = "", nl: bool = True, err: bool = False) -> None:
    """Print lines; what in them came from files steers no terminal."""
    typer.echo(printable(str(text), keep="\n\t"), nl=nl, err=err)


def print_table(table: RecordTable) -> None:
    """Print a table as wide as the terminal, in a pipe as wide as it wants to be.

    Where that is too narrow, columns move together, heads break between words, long text is folded,
    and columns that still find no room follow below, beside the first one. Numbers are never cut.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH_CHARS)
    wanted = [_wanted_chars(table, column) for column in range(len(table.heads))]
    if sum(wanted) + WIDE_GAP_CHARS * len(wanted) <= console.width:
        console.print(_as_rich(table))
        return
    for columns in _side_by_side(table, console.width):
        console.print(_as_narrow_rich(table, columns, console.width))


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


def _wanted_chars(table: RecordTable, column: int) -> int:
    """Width of a column that nothing is folded in."""
    cells = (row[column] for row in table.rows)
    return max(cell_len(printable(text)) for text in (table.heads[column], *cells))


def _needed_chars(table: RecordTable, column: int) -> int:
    """Width that a column must have: its head breaks between words, and text may be folded."""
    head = table.heads[column]
    words = max(map(cell_len, head.split()), default=0)
    cells = max((cell_len(printable(row[column])) for row in table.rows), default=0)
    if head in table.text_heads:
        cells = min(cells, TEXT_CHARS)
    return max(words, cells)


def _side_by_side(table: RecordTable, width: int) -> list[list[int]]:
    """The columns that stand beside each other in `width` characters; the first in each block."""
    first = _needed_chars(table, 0) + 2 * NARROW_GAP_CHARS
    blocks = [[0]]
    used = first
    for column in range(1, len(table.heads)):
        needed = _needed_chars(table, column) + NARROW_GAP_CHARS
        if used + needed > width and len(blocks[-1]) > 1:
            blocks.append([0])
            used = first
        blocks[-1].append(column)
        used += needed
    return blocks


def _as_narrow_rich(table: RecordTable, columns: list[int], width: int) -> Table:
    needed = [_needed_chars(table, column) for column in columns]
    spare = max(0, width - sum(needed) - NARROW_GAP_CHARS * (len(columns) + 1))
    rich_table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_header=any(table.heads),
    )
    for column, least in zip(columns, needed, strict=True):
        more = min(spare, _wanted_chars(table, column) - least)
        spare -= more
        head = table.heads[column]
        side: JustifyMethod = "left" if head in table.text_heads else "right"
        rich_table.add_column(head, justify=side, overflow="fold", width=least + more)
    for row in table.rows:
        rich_table.add_row(*(Text(printable(row[column])) for column in columns))
    return rich_table


def _as_rich(table: RecordTable) -> Table:
    rich_table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=any(table.heads))
    for head in table.heads:
        if head in table.text_heads:
            rich_table.add_column(head, overflow="fold")
        else:
            rich_table.add_column(head, justify="right", no_wrap=True)
    for row in table.rows:
        # as text: cells hold what stands in files, and brackets in it are no markup
        rich_table.add_row(*(Text(printable(cell)) for cell in row))
    return rich_table


def check_gamma(gamma: float | None) -> None:
    """Raise UsageError for a `--gamma` that is no discount factor."""
    if gamma is not None and not 0.0 <= gamma <= 1.0:
        raise UsageError(f"--gamma {gamma:g}: a discount factor is between 0 and 1")


def refuse_if(wrong: object, sentence: str) -> None:
    """Raise UsageError with the sentence if something is wrong: options that do not go together."""
    if wrong:
        raise UsageError(sentence)
