"""`racer export`: take a trained policy and its experiment away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.options import CheckpointOption, JsonOption, RunArgument
from racer.errors import RacerError, need
from racer.files import read_json

if TYPE_CHECKING:
    from racer.training.interop import ExportedRun


def export_command(
    run: RunArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="DIR", help="A new folder.  [default: export, in the run]"
        ),
    ] = None,
    checkpoint: CheckpointOption = "best",
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over an earlier export.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a policy as ONNX, checked, and its experiment as DeepRacer for Cloud lays it out."""
    need("train")
    need("export")
    from racer.training.interop import export_run

    exported = export_run(run, out or run / "export", checkpoint, replace)
    if as_json:
        typer.echo(json.dumps(_as_dict(exported), indent=2))
    else:
        _print_export(exported)
    if not exported.comparison.agrees:
        policy = exported.folder / "model" / "policy.onnx"
        raise RacerError(f"{policy} does not drive as the policy does: do not use it")


def _print_export(exported: ExportedRun) -> None:
    from racer.training.interop import OPSET

    typer.echo(f"{exported.folder}, checkpoint {exported.checkpoint}")
    for file in exported.files:
        typer.echo(f"  {file}")
    typer.echo(f"\nmodel/policy.onnx, opset {OPSET}")
    for tensor in exported.inputs:
        typer.echo(f"  in  {tensor.text}")
    for tensor in exported.outputs:
        typer.echo(f"  out {tensor.text}")
    typer.echo(f"  {exported.comparison.sentence}\n")
    for note in exported.notes:
        typer.echo(f"note: {note}")


def _as_dict(exported: ExportedRun) -> dict[str, Any]:
    return {
        "folder": str(exported.folder),
        "checkpoint": exported.checkpoint,
        "files": list(exported.files),
        "policy": read_json(exported.folder / "model" / "policy.json"),
        "notes": list(exported.notes),
    }
