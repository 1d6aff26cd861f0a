"""`racer export` takes a trained policy and its experiment away; `racer import` makes a run of a model
that was trained elsewhere, or an experiment of a training that was set up there.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racer.cli.inputs import RunArgument
from racer.cli.tables import CheckpointOption, JsonOption, echo, echo_json, refuse_if
from racer.errors import RacerError, UsageError, need
from racer.files import read_json, read_text
from racer.track import user_home

if TYPE_CHECKING:
    from racer.training.interop import ExportedModel, ExportedRun, ImportedExperiment, ImportedModel

NEXT_STEPS = {
    "car": "docs/car.md: load the archive in the car's console (Models, Upload)",
    "drfc": "docs/deepracer_for_cloud.md: copy model/ to the prefix that run.env names as pretrained, "
    "then dr-upload-custom-files and dr-start-training",
    "droa": "docs/car.md: import the archive, or the folder, in DeepRacer on AWS",
}


def export_command(
    run: RunArgument,
    to: Annotated[
        str | None,
        typer.Option(
            help="car (its .tar.gz), drfc (DeepRacer for Cloud, with a checkpoint to go on from) or droa "
            "(DeepRacer on AWS).",
            show_default="ONNX and an experiment",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="A new folder; of a car a new .tar.gz.",
            show_default="export, in the run",
        ),
    ] = None,
    checkpoint: CheckpointOption = "best",
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over an earlier export.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a policy as ONNX, checked, and its experiment as DeepRacer for Cloud lays it out; with
    --to as a real car or simulator loads it.

    racer export @best
    racer export @last --to car -o mine.tar.gz
    """
    need("train")
    if to is not None:
        _export_to(run, to, out, checkpoint, replace, as_json)
        return
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


def _export_to(
    run: Path, to: str, out: Path | None, checkpoint: str, replace: bool, as_json: bool
) -> None:
    """Write TensorFlow's files of a policy."""
    from racer.training.interop import TARGETS, export_model

    target = next((one for one in TARGETS if one == to), None)
    if target is None:
        raise UsageError(f"--to {to}: there are {', '.join(TARGETS)}")
    if out is None:
        name = Path(run).resolve().name
        out = run / (f"{name}.tar.gz" if target == "car" else f"export-{target}")
    exported = export_model(run, target, out, checkpoint, replace)
    if as_json:
        echo_json(_model_as_dict(exported))
        return
    echo(f"{exported.path}, checkpoint {exported.checkpoint}")
    for file in exported.files if exported.path.is_dir() else ():
        echo(f"  {file}")
    echo("\nthe frozen graph")
    for name in exported.inputs:
        echo(f"  in  {name}")
    echo(f"  out {exported.output}")
    echo(f"  {exported.comparison.sentence}")
    if exported.tensors:
        echo(f"the checkpoint: {exported.tensors} tensors, read back equal to the last bit")
    echo("")
    for note in exported.notes:
        echo(f"note: {note}")
    echo(f"next: {NEXT_STEPS[target]}")


def _model_as_dict(exported: ExportedModel) -> dict[str, Any]:
    return {
        "path": str(exported.path),
        "target": exported.target,
        "checkpoint": exported.checkpoint,
        "files": list(exported.files),
        "inputs": list(exported.inputs),
        "output": exported.output,
        "tensors": exported.tensors,
        "comparison": asdict(exported.comparison),
        "notes": list(exported.notes),
    }


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
            metavar="MODEL",
            help="A folder or archive (.tar.gz, .zip), or a graph (.pb).",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="A new folder.",
            show_default="runs/NAME; of an experiment NAME-racer, here",
        ),
    ] = None,
    actions: Annotated[
        Path | None,
        typer.Option(
            "--action-space",
            metavar="FILE",
            help="A model_metadata.json, of a model that has none.",
            show_default="the one beside the model",
        ),
    ] = None,
    is_experiment: Annotated[
        bool,
        typer.Option("--experiment", help="Only its training, not what it learned."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a run of a model that was trained elsewhere (.tar.gz, .pb, a checkpoint's folder).

    A DeepRacer for Cloud folder without a model becomes an experiment for racer train.

    racer import model.tar.gz
    racer import drfc_folder -o imported
    """
    from racer.training.interop import holds_model, import_bundle, import_model, name_of_model

    name = name_of_model(bundle)
    if not is_experiment and holds_model(bundle):
        need("train")
        model = import_model(bundle, out or Path("runs") / name, user_home(), actions)
        if as_json:
            echo_json(_imported_as_dict(model))
        else:
            _print_imported(model)
        return
    refuse_if(actions is not None, "--action-space is for a model, and there is none")
    imported = import_bundle(bundle, out or Path(f"{name}-racer"), home=user_home())
    if as_json:
        echo_json(_import_as_dict(imported))
    else:
        _print_experiment(imported)


def _print_imported(model: ImportedModel) -> None:
    run = model.run
    echo(f"{model.folder}, checkpoints {', '.join(model.checkpoints)}")
    space = run.action_space
    kind = "continuous actions" if space.is_continuous else f"{space.size} actions"
    algorithm = run.metadata.training_algorithm
    echo(
        f"  {run.network}, {kind}, {algorithm}, {' and '.join(run.metadata.sensor)}, car {run.car}"
    )
    echo(f"  reward {run.reward.name}, track {run.track.name}")
    if model.comparison is not None:
        echo(f"  {model.comparison.sentence}")
    echo("")
    for note in model.notes:
        echo(f"note: {note}")
    echo(f"next: racer evaluate {model.folder}")


def _imported_as_dict(model: ImportedModel) -> dict[str, Any]:
    return {
        "run": str(model.folder),
        "checkpoints": list(model.checkpoints),
        "config": model.run.config.model_dump(),
        "comparison": None if model.comparison is None else asdict(model.comparison),
        "notes": list(model.notes),
    }


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
