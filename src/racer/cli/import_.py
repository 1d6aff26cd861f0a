"""`racer import`: make an experiment of a training that was set up elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.track.library import user_home

if TYPE_CHECKING:
    from racer.training.interop import ImportedExperiment

Option = typer.Option


def import_command(
    place: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER", help="A folder or archive (.tar.gz, .zip).", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        Option("-o", "--out", metavar="DIR", help="A new folder.  [default: NAME-racer, here]"),
    ] = None,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read a DeepRacer for Cloud folder, or a bundle of DeepRacer on AWS, into an experiment for
    racer train.
    """
    from racer.training.interop import import_bundle as read

    found = read(place, out or Path(f"{_stem(place)}-racer"), home=user_home())
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2))
    else:
        _show(found)


def _stem(place: str) -> str:
    """`model` of `downloads/model.tar.gz`."""
    return re.sub(r"(\.tar)?\.(gz|tgz|tar|zip)$", "", Path(place).resolve().name) or "imported"


def _show(found: ImportedExperiment) -> None:
    file = found.folder / "experiment.toml"
    typer.echo(f"wrote {file}:\n")
    for line in file.read_text("utf-8").splitlines():
        typer.echo(f"  {line}".rstrip())
    typer.echo("")
    for note in found.notes:
        typer.echo(f"note: {note}")
    if found.left_out:
        typer.echo(f"left out, for it has no counterpart here: {', '.join(found.left_out)}")
    typer.echo(f"next: racer train {file}")
    if found.evaluation:
        typer.echo(
            f"then, to drive as its evaluations do: racer evaluate RUN {' '.join(found.evaluation)}"
        )


def _as_json(found: ImportedExperiment) -> dict[str, Any]:
    return {
        "experiment": str(found.folder / "experiment.toml"),
        "config": found.config.model_dump(),
        "notes": list(found.notes),
        "left_out": list(found.left_out),
        "evaluation": list(found.evaluation),
    }
