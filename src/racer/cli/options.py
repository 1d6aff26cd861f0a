"""Options and arguments that several commands have, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from racer.errors import UsageError

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
