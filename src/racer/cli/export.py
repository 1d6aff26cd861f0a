"""`racer export`: take a trained policy and its experiment away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.errors import RacerError, need

if TYPE_CHECKING:
    from racer.training.interop import ExportedRun

Option = typer.Option


def export_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)],
    out: Annotated[
        Path | None,
        Option("-o", "--out", metavar="DIR", help="A new folder.  [default: export, in the run]"),
    ] = None,
    checkpoint: Annotated[str, Option(help="best, last, or the number of steps.")] = "best",
    replace: Annotated[bool, Option("--replace", help="Write over an earlier export.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a policy as ONNX, checked, and its experiment as DeepRacer for Cloud lays it out."""
    need("train")
    need("export")
    from racer.training.interop import export_run as write

    found = write(run, out or run / "export", checkpoint, replace)
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2))
    else:
        _show(found)
    if not found.comparison.agrees:
        raise RacerError(
            f"{found.folder / 'model' / 'policy.onnx'} does not drive as the policy does: do not use it"
        )


def _show(found: ExportedRun) -> None:
    from racer.training.interop import OPSET

    typer.echo(f"{found.folder}, checkpoint {found.checkpoint}")
    for file in found.files:
        typer.echo(f"  {file}")
    typer.echo(f"\nmodel/policy.onnx, opset {OPSET}")
    for side, some in (("in", found.inputs), ("out", found.outputs)):
        for one in some:
            typer.echo(f"  {side:3} {one.text}")
    typer.echo(f"  {found.comparison.sentence}\n")
    for note in found.notes:
        typer.echo(f"note: {note}")


def _as_json(found: ExportedRun) -> dict[str, Any]:
    return {
        "folder": str(found.folder),
        "checkpoint": found.checkpoint,
        "files": list(found.files),
        "policy": json.loads((found.folder / "model" / "policy.json").read_text()),
        "notes": list(found.notes),
    }
