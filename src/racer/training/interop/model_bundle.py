"""The files beside the weights, as DeepRacer for Cloud and DeepRacer on AWS lay them out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from racer.sim import ObstacleLayout
from racer.training.interop.drfc import settings_from_config
from racer.training.interop.export_notes import effective_settings
from racer.training.interop.hyperparameters import hyperparameters_table
from racer.training.interop.model_source import CHECKPOINTS_FILE, COACH_FILE, METADATA_FILE
from racer.training.interop.worlds import DIRECTION_SUFFIX, world_of_track
from racer.training.run import Run
from racer.training.tensorflow import (
    DATA_SUFFIX,
    INDEX_SUFFIX,
    META_SUFFIX,
    Node,
    Tensors,
    read_graph,
    write_checkpoint,
    write_meta,
)
from racer.vehicle import Metadata, metadata_as_json

CAR_GRAPH = "agent/model.pb"
ITERATION = 0
"""Of the checkpoint that is written: a training that goes on from it begins to count anew."""

DROA_SETTINGS = {
    "JOB_TYPE": "TRAINING",
    "CAR_COLOR": "Red",
    "BODY_SHELL_TYPE": "deepracer",
}
"""What DeepRacer on AWS wants besides the settings of the track: of its cars' looks."""


def metadata_bytes(metadata: Metadata) -> bytes:
    """The contents of a `model_metadata.json`."""
    return (json.dumps(metadata_as_json(metadata), indent=2) + "\n").encode()


def checkpoint_prefix(file: Path) -> str:
    """What the files of a checkpoint of a run begin with: `0_Step-98304.ckpt`."""
    return f"{ITERATION}_Step-{int(file.stem)}.ckpt"


def checkpoint_files(
    run: Run, metadata: Metadata, file: Path, tensors: Tensors, graph: bytes
) -> dict[str, bytes]:
    """The files of the simulator's folder `model` by their names, of a checkpoint of a run."""
    prefix = checkpoint_prefix(file)
    index, data = write_checkpoint(tensors)
    named = {
        "name": prefix,
        "avg_eval_metric": _completion(run, file.name),
        "time_stamp": int(file.stat().st_mtime),
    }
    names = {"best_checkpoint": named, "last_checkpoint": named}
    return {
        f"{prefix}{INDEX_SUFFIX}": index,
        f"{prefix}{DATA_SUFFIX}": data,
        f"{prefix}{META_SUFFIX}": write_meta(_with_variables(read_graph(graph, prefix), tensors)),
        COACH_FILE: prefix.encode(),
        CHECKPOINTS_FILE: (json.dumps(names, indent=2) + "\n").encode(),
        METADATA_FILE: metadata_bytes(metadata),
        f"model_{ITERATION}.pb": graph,
    }


def droa_files(run: Run, metadata: Metadata, name: str) -> tuple[dict[str, bytes], list[str]]:
    """The files beside the folder `model` of a virtual model of DeepRacer on AWS, and notes."""
    hyperparameters = hyperparameters_table(effective_settings(run), metadata.training_algorithm)
    if run.hyperparameters is not None:
        sheet = run.hyperparameters.read_bytes()
    else:
        sheet = (json.dumps(hyperparameters, indent=2) + "\n").encode()
    world = world_of_track(run.track.name)
    notes = []
    if not world:
        world = run.track.name
        notes.append(
            f"DeepRacer on AWS has no track {world!r}: training_params.yaml names it all the same; name one of its own there"
        )
    settings = _droa_settings(run, world, name)
    text = "---\n" + yaml.safe_dump(settings, sort_keys=True)
    files = {
        METADATA_FILE: metadata_bytes(metadata),
        "reward_function.py": (run.folder / "reward_function.py").read_bytes(),
        "training_params.yaml": text.encode(),
        "hyperparameters.json": sheet,
        "ip/hyperparameters.json": sheet,
    }
    return files, notes


def _droa_settings(run: Run, world: str, name: str) -> dict[str, Any]:
    """The settings of a job, as the simulator's YAML has them: numbers and truths as such."""
    texts = settings_from_config(run.config, world, run.obstacle_layout)
    settings: dict[str, Any] = {key: _value(text) for key, text in texts.items()}
    direction = DIRECTION_SUFFIX.search(world)
    if direction:
        settings["WORLD_NAME"] = world[: direction.start()]
        settings["TRACK_DIRECTION_CLOCKWISE"] = direction[1] == "cw"
    if "OBJECT_POSITIONS" in texts:
        settings["OBJECT_POSITIONS"] = _positions(run.obstacle_layout)
    return settings | DROA_SETTINGS | {"DISPLAY_NAME": name, "RACER_NAME": "racer"}


def _positions(layout: ObstacleLayout | None) -> list[str]:
    """`0.25, -1` for each obstacle: a fraction of the lap, and a lane."""
    if layout is None:
        return []
    return [f"{fraction:g}, {lane:g}" for fraction, lane in layout.object_positions]


def _value(text: str) -> bool | float | str:
    """A setting as YAML has it."""
    if text in ("True", "False"):
        return text == "True"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def _completion(run: Run, checkpoint: str) -> float:
    """How much of its laps a checkpoint completed when it was evaluated, %; 0 where it never was."""
    evaluations = run.evaluations()
    if "checkpoint" not in evaluations:
        return 0.0
    of_checkpoint = evaluations.loc[evaluations["checkpoint"] == checkpoint, "completion"]
    if not len(of_checkpoint):
        return 0.0
    return float(of_checkpoint.iloc[-1])


def _with_variables(nodes: Sequence[Node], tensors: Tensors) -> list[Node]:
    """The nodes of a graph, with variables in the place of the weights."""
    replaced = []
    for node in nodes:
        if node.name in tensors:
            shape = tensors[node.name].shape
            replaced.append(Node.variable(node.name, shape))
        else:
            replaced.append(node)
    return replaced
