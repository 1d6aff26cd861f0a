"""What several commands share: options and arguments, each written once, and the one table maker.

Tables are `racer.records.RecordTable`: what `print(record)` shows in Python is what a command
prints.
"""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from racer.cli.completion import offer_rewards, offer_tracks
from racer.errors import UsageError, printable
from racer.records import Record, RecordTable
from racer.vehicle import DEFAULT_CAR

if TYPE_CHECKING:
    import pandas as pd


PIPE_WIDTH_CHARS = 160  # of a table where no terminal says how wide it is
WIDE_GAP_CHARS = 3  # between columns
NARROW_GAP_CHARS = 2  # where the terminal is too narrow for the wide gap
TEXT_CHARS = 20  # of a column of text that is folded, at least
COMMAND = re.compile(r"\bracer [a-z].*")  # to copy, in a line: never broken
UNBROKEN = "\0"  # in the place of a space that no line ends at
GOOD, DOUBTFUL, BAD = "green", "yellow", "red"
CELL_STYLES = {
    **dict.fromkeys(("passes", "finished", "lap_complete"), GOOD),
    **dict.fromkeys(("warning", "stopped", "waiting", "time_up"), DOUBTFUL),
    **dict.fromkeys(("fails", "error", "failed", "off_track", "crashed", "reversed"), BAD),
}
"""Words that a cell is colored for."""

RewardArgument = Annotated[
    str,
    typer.Argument(
        metavar="REWARD",
        autocompletion=offer_rewards,
        help="A reward file, or the name of a shipped one.",
        show_default=False,
    ),
]

TrackOption = Annotated[
    str,
    typer.Option(
        "--track", autocompletion=offer_tracks, help="A track's name, or a .toml or .npy file."
    ),
]
LogTrackOption = Annotated[
    str,
    typer.Option(
        "--track",
        autocompletion=offer_tracks,
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
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Print the details, too.")]
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
    str,
    typer.Option("--checkpoint", help="best, service, last, or the number of steps."),
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
    """Print lines, on a terminal broken between words; what in them came from files steers no
    terminal.
    """
    lines = printable(str(text), keep="\n\t")
    typer.echo(wrap_lines(lines, screen_width(err)), nl=nl, err=err)


def echo_as_is(text: str, err: bool = False) -> None:
    """Print text that a program reads, or source code: no line of it is broken."""
    typer.echo(printable(text, keep="\n\t"), nl=not text.endswith("\n"), err=err)


def echo_json(
    data: Any, indent: int | None = 2, default: Callable[[Any], Any] | None = None
) -> None:
    """Print plain data as JSON; without `indent` as one line."""
    echo_as_is(json.dumps(data, indent=indent, default=default))


def echo_verdict(text: str, style: str) -> None:
    """Print what a command came to, in GOOD, DOUBTFUL or BAD where the screen has colors."""
    lines = wrap_lines(printable(text, keep="\n\t"), screen_width())
    Console().print(Text(lines, f"bold {style}"), soft_wrap=True)


def verdict_style(is_good: bool) -> str:
    """How a verdict of two is shown."""
    return GOOD if is_good else BAD


def screen_width(err: bool = False) -> int | None:
    """Characters of a line on standard output (or error); None where no terminal has a width. Color
    that is forced upon a pipe makes no terminal of it, unless COLUMNS says how wide it is.
    """
    stream = sys.stderr if err else sys.stdout
    console = Console(file=stream)
    if not console.is_terminal or not (stream.isatty() or "COLUMNS" in os.environ):
        return None
    return console.width


def wrap_lines(text: str, width: int | None) -> str:
    """Lines broken between words where they are longer than `width`; what follows stands two further
    in. A command to copy is not broken.

    >>> print(wrap_lines("  at gamma 0.9 a crawl is paid", 16))
      at gamma 0.9 a
        crawl is
        paid
    """
    if width is None:
        return text
    lines = []
    for line in text.split("\n"):
        if len(line) <= width:
            lines.append(line)
            continue
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            COMMAND.sub(lambda command: command[0].replace(" ", UNBROKEN), line),
            width,
            subsequent_indent=f"{indent}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines).replace(UNBROKEN, " ")


def print_table(table: RecordTable) -> None:
    """Print a table as wide as the terminal, in a pipe as wide as it wants to be.

    A column without anything in it is left out. Where there is too little room, columns move together,
    heads break between words and long text is folded; then its minor columns are left out, the
    last one first, which a line below says; and columns that still find no room follow below, beside the
    first one. Numbers are never cut.
    """
    table = table.without_empty_columns()
    width = screen_width()
    console = Console(width=width or PIPE_WIDTH_CHARS)
    wanted = [_wanted_chars(table, column) for column in range(len(table.heads))]
    if sum(wanted) + WIDE_GAP_CHARS * len(wanted) <= console.width:
        console.print(_as_rich(table))
        return
    left_out: list[str] = []
    for head in reversed(table.minor_heads):
        if len(_side_by_side(table, console.width)) == 1:
            break
        table = table.without(head)
        left_out.insert(0, head)
    for columns in _side_by_side(table, console.width):
        console.print(_as_narrow_rich(table, columns, console.width))
    if left_out:
        hint = f"no room for: {', '.join(left_out)} (a wider terminal, or --json)"
        console.print(Text(wrap_lines(hint, width), "dim"), soft_wrap=True)


def new_table(*heads: str, text: Iterable[str] = (), minor: Iterable[str] = ()) -> RecordTable:
    """An empty table; columns named in `text` stand left, those of numbers right. Where room is
    short, those in `minor` are left out, the last one first.
    """
    return RecordTable(heads, text_heads=frozenset(text), minor_heads=tuple(minor))


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
        rich_table.add_row(*(_as_text(row[column]) for column in columns))
    return rich_table


def _as_rich(table: RecordTable) -> Table:
    rich_table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=any(table.heads))
    for head in table.heads:
        if head in table.text_heads:
            rich_table.add_column(head, overflow="fold")
        else:
            rich_table.add_column(head, justify="right", no_wrap=True)
    for row in table.rows:
        rich_table.add_row(*map(_as_text, row))
    return rich_table


def _as_text(cell: str) -> Text:
    """As text: cells hold what stands in files, and brackets in it are no markup."""
    return Text(printable(cell), CELL_STYLES.get(cell, ""))


def check_gamma(gamma: float | None) -> None:
    """Raise UsageError for a `--gamma` that is no discount factor."""
    if gamma is not None and not 0.0 <= gamma <= 1.0:
        raise UsageError(f"--gamma {gamma:g}: a discount factor is between 0 and 1")


def refuse_if(wrong: object, sentence: str) -> None:
    """Raise UsageError with the sentence if something is wrong: options that do not go together."""
    if wrong:
        raise UsageError(sentence)
