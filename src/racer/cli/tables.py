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
from rich.console import Console
from rich.table import Table
from rich.text import Text

from racer.errors import UsageError, printable
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
            echo(block)


def echo(text: object = "", nl: bool = True, err: bool = False) -> None:
    """Print lines; what in them came from files steers no terminal."""
    typer.echo(printable(str(text), keep="\n\t"), nl=nl, err=err)


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
        # as text: cells hold what stands in files, and brackets in it are no markup
        rich_table.add_row(*(Text(printable(cell)) for cell in row))
    return rich_table


RewardArgument = Annotated[
    str,
    typer.Argument(
        metavar="REWARD", help="A reward file, or the name of a shipped one.", show_default=False
    ),
]
LogsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="LOG...", help="Logs: files, folders, archives, globs, s3:// addresses."
    ),
]
RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)
]

TrackOption = Annotated[
    str, typer.Option("--track", help="A track's name, or a .toml or .npy file.")
]
LogTrackOption = Annotated[
    str,
    typer.Option(
        "--track",
        help="The track of the log: a name, a .toml or .npy file. Recognized otherwise.",
        show_default=False,
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
        help="v4, v5 or v6.  [default: what the action space says, else v6]",
        show_default=False,
    ),
]
ActionSpaceOption = Annotated[
    Path | None,
    typer.Option(
        "--action-space",
        metavar="FILE",
        help="A model_metadata.json.  [default: continuous]",
        show_default=False,
    ),
]

PictureOption = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Draw it there (png, svg, pdf)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LapsCsvOption = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write every lap there, one a row.")
]
RewardTimeoutOption = Annotated[
    float, typer.Option("--reward-timeout", help="Seconds that a call may take; 0: any time.")
]
CheckpointOption = Annotated[
    str, typer.Option("--checkpoint", help="best, last, or the number of steps.")
]


def check_gamma(gamma: float | None) -> None:
    """Raise UsageError for a `--gamma` that is no discount factor."""
    if gamma is not None and not 0.0 <= gamma <= 1.0:
        raise UsageError(f"--gamma {gamma:g}: a discount factor is between 0 and 1")


def refuse_if(wrong: object, sentence: str) -> None:
    """Raise UsageError with the sentence if something is wrong: options that do not go together."""
    if wrong:
        raise UsageError(sentence)
