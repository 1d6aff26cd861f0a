"""A model that was trained elsewhere, as a run of racer: it drives, is explained, evaluated, trained
on and exported as any other.

The weights come from the best checkpoint and the last one, or from a frozen graph; actions, sensors
and network from `model_metadata.json`; reward function, hyperparameters and track from what lies
beside. All of it is data: nothing is executed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from shutil import copytree
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.files import (
    parse_json,
    read_bytes,
    read_json,
    temporary_folder,
    write_file,
    write_folder,
    write_json,
)
from racer.training.config import parse_config
from racer.training.interop.bundle import Bundle, BundleFile, find_bundle_files
from racer.training.interop.experiment_draft import (
    ACTIONS_FILE,
    HYPERPARAMETERS_FILE,
    REWARD_FILE,
    draft_experiment,
)
from racer.training.interop.graph_comparison import GraphComparison, compare_graph
from racer.training.interop.model_source import (
    CheckpointFiles,
    ModelSource,
    model_stamp,
    read_model_source,
)
from racer.training.learner import load_policy, new_policy, write_plain
from racer.training.lineage import IMPORTED_KEY
from racer.training.run import Run, read_story
from racer.training.tensorflow import (
    DEEPRACER_NETWORKS,
    policy_state,
    read_checkpoint,
    read_graph,
    value_state,
)
from racer.vehicle import Metadata, parse_metadata

COMPARED_OBSERVATIONS = 32
"""Observations of its own laps, on which a graph and what was made of it are compared."""
MAX_DIFFERENCE = 1e-4
"""Between the answers of a graph and of what was made of it."""
MAX_RUNS_OF_NAME = 100

NO_VALUE_NOTE = "a frozen graph holds what acts only: a training from it begins with a fresh value network, which learns first"
FRESH_CRITICS_NOTE = (
    "the critics of SAC are other ones here: a training from it begins with fresh ones"
)

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class ImportedModel:
    """What was made of a model: a run in `folder`, and what to say about it.

    `comparison` is that of its frozen graph with the policy, None where it came as a checkpoint.
    """

    folder: Path
    run: Run
    checkpoints: tuple[str, ...]
    comparison: GraphComparison | None
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ModelFiles:
    """What the files of a model hold: `states` has the weights of each checkpoint by their names
    here, with its steps, the best one first.
    """

    source: ModelSource
    bundle: Bundle
    metadata: Metadata
    states: list[tuple[int, State]]


def origin_of_model(path: str | Path) -> dict[str, str]:
    """What the run.json of a run says of the model that it was made of."""
    return {"path": str(Path(path).expanduser().absolute()), "stamp": model_stamp(path)}


def run_of_model(path: str | Path, runs: Path, home: Path | None = None) -> ImportedModel | Path:
    """The run under the folder `runs` that was made of the model at `path`, now or before.

    Raises UsageError as `import_model` does.
    """
    path = Path(path).expanduser()
    origin = origin_of_model(path)
    name = name_of_model(path)
    for number in range(1, MAX_RUNS_OF_NAME):
        folder = runs / (name if number == 1 else f"{name}-{number}")
        if not folder.exists():
            return import_model(path, folder, home)
        if (folder / "run.json").is_file() and read_story(folder).get(IMPORTED_KEY) == origin:
            return folder
    raise UsageError(
        f"{runs} holds {MAX_RUNS_OF_NAME - 1} runs {name!r}: racer import {path} -o DIR"
    )


def name_of_model(path: str | Path) -> str:
    """`model` of `downloads/model.tar.gz`."""
    name = Path(path).expanduser().resolve().name
    return re.sub(r"(\.tar)?\.(gz|tgz|tar|zip|pb)$", "", name) or "imported"


def import_model(
    path: str | Path, out: str | Path, home: Path | None = None, actions: Path | None = None
) -> ImportedModel:
    """Make a run of the model at `path` in the new folder `out`, which appears whole.

    `home` is racer's data folder, where tracks are looked for; `actions` a model_metadata.json where
    none lies beside the weights. Raises UsageError, with one sentence, for what is no model of
    DeepRacer, damaged, or of another model than its model_metadata.json; then nothing is written.
    """
    out = Path(out)
    if out.exists():
        raise UsageError(f"{out} is there already: name another folder with -o")
    model = read_model(path, actions)
    with temporary_folder("racer-import-") as place:
        notes = _write_run(Path(place), out, model, home)
        run = Run.open(Path(place) / "run")
        comparison = _check_graph(run, model.source, model.metadata)
        write_folder(out, lambda folder: _copy_run(Path(place) / "run", folder))
    run = Run.open(out)
    names = tuple(sorted(file.name for file in run.checkpoints.glob("*.pt")))
    return ImportedModel(out, run, names, comparison, tuple(dict.fromkeys(notes)))


def read_model(path: str | Path, actions: Path | None = None) -> ModelFiles:
    """What the files at `path` hold, of which nothing is written. Raises UsageError as `import_model`
    does.
    """
    source = read_model_source(path)
    bundle = _bundle_of(path, source, actions)
    metadata = _metadata_of(bundle)
    return ModelFiles(source, bundle, metadata, _states(source, metadata))


def _bundle_of(path: str | Path, source: ModelSource, actions: Path | None) -> Bundle:
    """The files beside the weights; the `model_metadata.json` that counts is the first of its kind."""
    if source.graph_name == str(path):
        bundle = Bundle("", {})
    else:
        bundle = find_bundle_files(path)
    sheets = list(bundle.all_files("metadata"))
    near = [
        sheet
        for folder in (source.folder, str(PurePosixPath(source.folder).parent))
        for sheet in sheets
        if str(PurePosixPath(sheet.name).parent) == folder
    ]
    if actions is not None:
        near = [BundleFile(str(actions), read_bytes(actions))]
    elif source.graph_name == str(path):
        near = _sheets_beside(Path(path))
    chosen = [*near, *sheets]
    if not chosen:
        raise UsageError(
            f"{path} lacks model_metadata.json, which says what its actions and sensors are: lay it beside the "
            "weights, or name one with --action-space"
        )
    files = dict(bundle.files) | {"metadata": (chosen[0],)}
    return replace(bundle, files=files)


def _sheets_beside(graph: Path) -> list[BundleFile]:
    """The `model_metadata.json` beside a frozen graph or one folder up, as in a car's archive."""
    candidates = (graph.parent / ACTIONS_FILE, graph.absolute().parent.parent / ACTIONS_FILE)
    return [BundleFile(str(file), read_bytes(file)) for file in candidates if file.is_file()]


def _metadata_of(bundle: Bundle) -> Metadata:
    [file] = bundle.all_files("metadata")
    metadata = parse_metadata(parse_json(file.content, file.name), file.name)
    if metadata.neural_network not in DEEPRACER_NETWORKS:
        raise UsageError(
            f"{file.name}: the network {metadata.neural_network[:60]!r} is not known: DeepRacer has "
            f"{', '.join(DEEPRACER_NETWORKS)}"
        )
    return metadata


def _states(source: ModelSource, metadata: Metadata) -> list[tuple[int, State]]:
    """The weights of each checkpoint by their names here, with its steps; the best one first."""
    if not source.checkpoints:
        return [(1, policy_state(_graph_tensors(source), metadata, source.graph_name))]
    return [(max(1, one.steps), _checkpoint_state(one, metadata)) for one in source.checkpoints]


def _graph_tensors(source: ModelSource) -> Mapping[str, NDArray[Any]]:
    """The arrays of a frozen graph by the names of their nodes."""
    return {
        node.name: value
        for node in read_graph(source.graph, source.graph_name)
        if isinstance(value := node.attributes.get("value"), np.ndarray)
    }


def _checkpoint_state(files: CheckpointFiles, metadata: Metadata) -> State:
    tensors = read_checkpoint(files.index, files.data, files.name)
    return policy_state(tensors, metadata, files.name) | value_state(tensors, metadata, files.name)


def _write_run(place: Path, out: Path, model: ModelFiles, home: Path | None) -> list[str]:
    """Write the run into the folder `run` of a place; notes. It says of itself that it lies in `out`."""
    source, states = model.source, model.states
    draft = draft_experiment(model.bundle, home, has_weights=True)
    for name, content in draft.files.items():
        write_file(place / name, content)
    table = _run_table(draft.config, states[-1][0], has_value=_has_value(states))
    named = {
        key: str(place / str(table[key]))
        for key in ("reward", "action_space", "hyperparameters", "track")
        if str(table.get(key)) in draft.files
    }
    config = parse_config(table | named, source.root)
    run = Run.create(config, place / "run", home=home)
    for steps, state in states:
        _write_checkpoint(run, steps, state)
    best = {"steps": states[0][0], "checkpoint": f"{states[0][0]}.pt"}
    write_json(run.checkpoints / "best.json", best)
    _name_copies(run.folder, out, named, source)
    return [*source.notes, *draft.notes, *_weights_notes(run, states)]


def _run_table(config: Mapping[str, Any], steps: int, has_value: bool) -> dict[str, Any]:
    """The configuration of the run: as the training there was, without what racer's own lessons had."""
    table = dict(config) | {
        "observation": "sensors",
        "network": None,
        "steps": steps,
        "minutes": None,
    }
    for key in ("teacher", "also_tracks", "fine_tune", "from_run", "from_checkpoint"):
        table.pop(key, None)
    if has_value:  # it knows the rewards as they are
        table["settings"] = dict(table.get("settings", {})) | {"normalize_reward": False}
    return table


def _has_value(states: list[tuple[int, State]]) -> bool:
    return all(any(name.startswith("value_net") for name in state) for _, state in states)


def _write_checkpoint(run: Run, steps: int, state: State) -> None:
    policy = new_policy(run)
    weights = policy.state_dict()
    weights.update(state)
    policy.load_state_dict(weights)
    content: dict[str, Any] = {"weights": policy.state_dict()}
    if _has_value([(steps, state)]):
        content["returns"] = None
    write_plain(run.checkpoints / f"{steps}.pt", content)


def _name_copies(folder: Path, out: Path, named: Mapping[str, str], source: ModelSource) -> None:
    """Let the run's configuration name its own copies, in the folder where it will lie."""
    place = out.absolute()
    copies = {
        "reward": place / REWARD_FILE,
        "action_space": place / "model" / ACTIONS_FILE,
        "hyperparameters": place / HYPERPARAMETERS_FILE,
        "track": place / "track.npy",
    }
    story = read_json(folder / "run.json")
    for key in named:
        story["config"][key] = str(copies[key])
    if "reward" in named:
        story["reward_file"] = str(copies["reward"])
    story[IMPORTED_KEY] = origin_of_model(source.root)
    write_json(folder / "run.json", story)


def _weights_notes(run: Run, states: list[tuple[int, State]]) -> list[str]:
    if run.metadata.training_algorithm == "sac":
        return [FRESH_CRITICS_NOTE]
    return [] if _has_value(states) else [NO_VALUE_NOTE]


def _check_graph(run: Run, source: ModelSource, metadata: Metadata) -> GraphComparison | None:
    """The answers of a frozen graph beside those of what was made of it; None without a graph.

    Raises UsageError where they differ: the graph calculates what no network of DeepRacer does.
    """
    if not source.graph:
        return None
    comparison = compare_graph(
        source.graph,
        run,
        load_policy(run),
        metadata,
        source.graph_name,
        COMPARED_OBSERVATIONS,
    )
    if not comparison.difference <= MAX_DIFFERENCE:
        raise UsageError(
            f"{source.graph_name} calculates something else than {metadata.neural_network} does with its weights "
            f"(answers differ by {comparison.difference:.2g}): it was changed, or is no DeepRacer model"
        )
    return comparison


def _copy_run(made: Path, folder: Path) -> None:
    copytree(made, folder, dirs_exist_ok=True)
    (folder / ".lock").unlink(missing_ok=True)
