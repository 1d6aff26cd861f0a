"""`racer export` takes a trained policy and its experiment away; `racer import` makes an experiment
of a training that was set up elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.inputs import RunArgument
from racer.cli.tables import CheckpointOption, JsonOption, echo, echo_json
from racer.errors import RacerError, need
from racer.files import read_json, read_text
from racer.track import user_home

if TYPE_CHECKING:
    from racer.training.interop import ExportedRun, ImportedExperiment


def export_command(
    run: RunArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="A new folder.", show_default="RUN-export, here"
        ),
    ] = None,
    checkpoint: CheckpointOption = "best",
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over an earlier export.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a policy as ONNX, checked, and its experiment as DeepRacer for Cloud lays it out.

    racer export @best
    racer export @last -o mine --replace
    """
    need("train")
    need("export")
    from racer.training.interop import export_run

    folder = out or Path(f"{run.resolve().name}-export")
    exported = export_run(run, folder, checkpoint, replace)
    if as_json:
        echo_json(_export_as_dict(exported))
    else:
        _print_export(exported)
    if not exported.comparison.agrees:
        policy = exported.folder / "model" / "policy.onnx"
        raise RacerError(f"{policy} does not drive as the policy does: do not use it")


def _print_export(exported: ExportedRun) -> None:
    from racer.training.interop import OPSET

    echo(f"{exported.folder}, checkpoint {exported.checkpoint}")
    for file in exported.files:
        echo(f"  {file}")
    echo(f"\nmodel/policy.onnx, opset {OPSET}")
    for tensor in exported.inputs:
        echo(f"  in  {tensor.text}")
    for tensor in exported.outputs:
        echo(f"  out {tensor.text}")
    echo(f"  {exported.comparison.sentence}\n")
    for note in exported.notes:
        echo(f"note: {note}")


def _export_as_dict(exported: ExportedRun) -> dict[str, Any]:
    return {
        "folder": str(exported.folder),
        "checkpoint": exported.checkpoint,
        "files": list(exported.files),
        "policy": read_json(exported.folder / "model" / "policy.json"),
        "notes": list(exported.notes),
    }


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
            "--out", "-o", metavar="DIR", help="A new folder.", show_default="NAME-racer, here"
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read a DeepRacer for Cloud folder, or a bundle of DeepRacer on AWS, into an experiment for
    racer train.

    racer import drfc_folder
    racer import model.tar.gz -o imported
    """
    from racer.training.interop import import_bundle

    folder = out or Path(f"{_name_of_bundle(bundle)}-racer")
    imported = import_bundle(bundle, folder, home=user_home())
    if as_json:
        echo_json(_import_as_dict(imported))
    else:
        _print_experiment(imported)


def _name_of_bundle(bundle: str) -> str:
    """`model` of `downloads/model.tar.gz`."""
    name = Path(bundle).resolve().name
    return re.sub(r"(\.tar)?\.(gz|tgz|tar|zip)$", "", name) or "imported"


def _print_experiment(imported: ImportedExperiment) -> None:
    file = imported.folder / "experiment.toml"
    echo(f"wrote {file}:\n")
    for line in read_text(file).splitlines():
        echo(f"  {line}".rstrip())
    echo("")
    for note in imported.notes:
        echo(f"note: {note}")
    if imported.left_out:
        names = ", ".join(imported.left_out)
        echo(f"left out, for it has no counterpart here: {names}")
    echo(f"next: racer train {file}")
    if imported.evaluation:
        command = f"racer evaluate RUN {' '.join(imported.evaluation)}"
        echo(f"then, to drive as its evaluations do: {command}")


def _import_as_dict(imported: ImportedExperiment) -> dict[str, Any]:
    return {
        "experiment": str(imported.folder / "experiment.toml"),
        "config": imported.config.model_dump(),
        "notes": list(imported.notes),
        "left_out": list(imported.left_out),
        "evaluation": list(imported.evaluation),
    }
