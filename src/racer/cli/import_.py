"""`racer import`: make an experiment of a training that was set up elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.options import JsonOption
from racer.files import read_text
from racer.track.library import user_home

if TYPE_CHECKING:
    from racer.training.interop import ImportedExperiment


def import_command(
    bundle: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER", help="A folder or archive (.tar.gz, .zip).", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="DIR", help="A new folder.  [default: NAME-racer, here]"
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read a DeepRacer for Cloud folder, or a bundle of DeepRacer on AWS, into an experiment for
    racer train.
    """
    from racer.training.interop import import_bundle

    folder = out or Path(f"{_name_of_bundle(bundle)}-racer")
    imported = import_bundle(bundle, folder, home=user_home())
    if as_json:
        typer.echo(json.dumps(_as_dict(imported), indent=2))
    else:
        _print_experiment(imported)


def _name_of_bundle(bundle: str) -> str:
    """`model` of `downloads/model.tar.gz`."""
    name = Path(bundle).resolve().name
    return re.sub(r"(\.tar)?\.(gz|tgz|tar|zip)$", "", name) or "imported"


def _print_experiment(imported: ImportedExperiment) -> None:
    file = imported.folder / "experiment.toml"
    typer.echo(f"wrote {file}:\n")
    for line in read_text(file).splitlines():
        typer.echo(f"  {line}".rstrip())
    typer.echo("")
    for note in imported.notes:
        typer.echo(f"note: {note}")
    if imported.left_out:
        names = ", ".join(imported.left_out)
        typer.echo(f"left out, for it has no counterpart here: {names}")
    typer.echo(f"next: racer train {file}")
    if imported.evaluation:
        command = f"racer evaluate RUN {' '.join(imported.evaluation)}"
        typer.echo(f"then, to drive as its evaluations do: {command}")


def _as_dict(imported: ImportedExperiment) -> dict[str, Any]:
    return {
        "experiment": str(imported.folder / "experiment.toml"),
        "config": imported.config.model_dump(),
        "notes": list(imported.notes),
        "left_out": list(imported.left_out),
        "evaluation": list(imported.evaluation),
    }
