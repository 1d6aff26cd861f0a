"""A run's policy as TensorFlow's files: for the car, for DeepRacer for Cloud, for DeepRacer on AWS.

| for | what is written |
|---|---|
| `car` | an archive of `agent/model.pb`, the frozen graph, and `model_metadata.json` |
| `drfc` | the folder of `export_run`, its `model/` with a checkpoint from which training goes on |
| `droa` | `physicalmodel-NAME.tar.gz`, as for the car, and the folder `virtualmodel-NAME` |

What cannot go is said before anything is written. What was written is read back from the disk
before it has its name: it must drive as the policy does under PyTorch, and hold the same weights to
the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy

from racer.errors import RacerError, UsageError
from racer.files import read_bytes, temporary_folder, write_file, write_folder
from racer.sensors import PICTURE_SIZE_PX, has_pictures, parse_observations, picture_size
from racer.training.interop.exporter import exported_metadata, write_experiment
from racer.training.interop.graph_comparison import GraphComparison, compare_graph
from racer.training.interop.model_archive import pack_files, unpack_files
from racer.training.interop.model_bundle import (
    CAR_GRAPH,
    checkpoint_files,
    droa_files,
    metadata_bytes,
)
from racer.training.interop.model_source import METADATA_FILE
from racer.training.learner import read_checkpoint as read_run_checkpoint
from racer.training.run import Run
from racer.training.tensorflow import (
    DATA_SUFFIX,
    DEEPRACER_NETWORKS,
    INDEX_SUFFIX,
    Tensors,
    fresh_critics,
    input_name,
    output_name,
    policy_graph,
    policy_network,
    policy_tensors,
    read_checkpoint,
    value_tensors,
    write_graph,
)
from racer.vehicle import Metadata

Target = Literal["car", "drfc", "droa"]
TARGETS: tuple[Target, ...] = ("car", "drfc", "droa")

COMPARED_OBSERVATIONS = 200
"""Observations of the policy's own laps, on which graph and policy are compared."""
REWARD_EPSILON = 1e-8
"""What stable-baselines3 adds to the variance of the return before it divides rewards by its root."""
MAX_WRITTEN_BYTES = 1 << 30

LOOK_NOTE = (
    "the camera of a real car sees other lights, colors and things than a simulator: a policy that trained with "
    "--look strong has met some of that, this one trained with {look}"
)
CRITIC_NOTE = (
    "the critics begin anew there: SAC has other ones in DeepRacer (a Q and a V network), so only the "
    "policy goes over"
)


@dataclass(frozen=True)
class ExportedModel:
    """What was written, and what there is to say about it.

    `path` is an archive, or a folder of `files`. `inputs` and `output` are the names in the graph.
    `tensors` counts those of the checkpoint, 0 without one.
    """

    path: Path
    target: Target
    checkpoint: str
    files: tuple[str, ...]
    inputs: tuple[str, ...]
    output: str
    comparison: GraphComparison
    tensors: int
    notes: tuple[str, ...]


@dataclass
class _Filled:
    """What is known of a folder that was filled."""

    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    comparisons: list[GraphComparison] = field(default_factory=list)

    @property
    def worst_comparison(self) -> GraphComparison:
        """The one of the greatest difference."""
        return max(self.comparisons, key=lambda one: one.difference)


@dataclass(frozen=True, eq=False)
class _Model:
    """A checkpoint of a run, in the simulator's names."""

    run: Run
    metadata: Metadata
    policy: BasePolicy
    file: Path
    acting: Tensors
    valuing: Tensors

    @property
    def graph(self) -> bytes:
        """The frozen graph."""
        return write_graph(policy_graph(self.acting, self.metadata))

    @property
    def tensors(self) -> Tensors:
        """Everything that a checkpoint holds."""
        return self.acting | self.valuing


def export_model(
    folder: str | Path,
    target: Target,
    out: str | Path,
    checkpoint: str = "best",
    replace_existing: bool = False,
) -> ExportedModel:
    """Write the policy of a checkpoint of a run for one of `TARGETS` to `out`, an archive for the
    car and a new folder for the others, which appears whole.

    Raises UsageError for a policy that DeepRacer has no network for, and when `out` is there already
    and is not to be replaced; RacerError where what was read back is not the policy. Then nothing is
    written.
    """
    out = Path(out)
    run = Run.open(folder)
    check_can_go(run)
    _check_place(out, target, replace_existing)
    model = _read_model(run, checkpoint)
    filled = _Filled()
    if target == "car":
        with temporary_folder("racer-export-") as place:
            _fill_car(model, filled, out.name, Path(place))
            write_file(out, read_bytes(Path(place) / out.name, MAX_WRITTEN_BYTES))
    elif target == "drfc":
        write_folder(out, partial(_fill_drfc, model, filled))
    else:
        write_folder(out, partial(_fill_droa, model, filled))
    network = policy_network(model.metadata)
    return ExportedModel(
        path=out,
        target=target,
        checkpoint=model.file.name,
        files=tuple(filled.files),
        inputs=tuple(input_name(network, embedder.sensor) for embedder in network.embedders),
        output=output_name(network),
        comparison=filled.worst_comparison,
        tensors=0 if target == "car" else len(model.tensors),
        notes=(*filled.notes, *_own_notes(model, target)),
    )


def check_can_go(run: Run) -> None:
    """Raise UsageError where DeepRacer has no network that is a run's policy."""
    name = str(run.folder)
    train = "racer train REWARD --observation camera --teacher trains one that sees"
    if {"features", "objects"} & set(run.observation):
        raise UsageError(
            f"the policy of {name} drives on numbers about car and road, which no car of DeepRacer and no simulator of "
            f"AWS has: {train} (racer export without --to takes this one away as ONNX)"
        )
    if not has_pictures(run.observation):
        raise UsageError(
            f"the policy of {name} has no camera, which DeepRacer always wants: {train}"
        )
    width, height = PICTURE_SIZE_PX
    for sensor in run.observation:
        size = picture_size(sensor)
        if has_pictures([sensor]) and size != PICTURE_SIZE_PX:
            raise UsageError(
                f"the policy of {name} sees pictures of {size[0]} x {size[1]} pixels, and DeepRacer's networks take "
                f"{width} x {height}: train one with --observation {sensor.partition(':')[0]}"
            )
    if run.network not in DEEPRACER_NETWORKS:
        raise UsageError(
            f"the policy of {name} is the network {run.network}, which is racer's alone: train one with --network "
            f"{DEEPRACER_NETWORKS[0]}"
        )
    if parse_observations("sensors", run.metadata.sensor) != run.observation:
        raise UsageError(
            f"the policy of {name} sees {', '.join(run.observation)}, which model_metadata.json has no names for"
        )


def _read_model(run: Run, checkpoint: str) -> _Model:
    policy, file, saved = read_run_checkpoint(run, checkpoint)
    metadata = exported_metadata(run)
    state = policy.state_dict()
    if metadata.training_algorithm == "sac":
        valuing = fresh_critics(metadata)
    else:
        valuing = value_tensors(state, metadata, _pay_scale(saved.get("returns")))
    return _Model(run, metadata, policy, file, policy_tensors(state, metadata), valuing)


def _pay_scale(statistics: Any) -> float:
    """By how much the pay of the simulator is more than what the value network was trained on: by
    the deviation of the return, where rewards were divided by it.
    """
    if statistics is None:
        return 1.0
    _, variance, _ = statistics
    return float(np.sqrt(float(variance) + REWARD_EPSILON))


def _car_files(model: _Model) -> dict[str, bytes]:
    return {CAR_GRAPH: model.graph, METADATA_FILE: metadata_bytes(model.metadata)}


def _fill_car(model: _Model, filled: _Filled, name: str, folder: Path) -> None:
    write_file(folder / name, pack_files(_car_files(model)))
    _check_written(model, filled, folder)


def _fill_drfc(model: _Model, filled: _Filled, folder: Path) -> None:
    filled.notes += write_experiment(model.run, folder, is_pretrained=True)
    for name, content in _checkpoint_files(model).items():
        write_file(folder / "model" / name, content)
    _check_written(model, filled, folder)


def _fill_droa(model: _Model, filled: _Filled, folder: Path) -> None:
    name = model.run.folder.resolve().name
    write_file(folder / f"physicalmodel-{name}.tar.gz", pack_files(_car_files(model)))
    virtual = folder / f"virtualmodel-{name}"
    files, sentences = droa_files(model.run, model.metadata, name)
    filled.notes += sentences
    for file, content in files.items():
        write_file(virtual / file, content)
    for file, content in _checkpoint_files(model).items():
        write_file(virtual / "model" / file, content)
    _check_written(model, filled, folder)


def _checkpoint_files(model: _Model) -> dict[str, bytes]:
    return checkpoint_files(model.run, model.metadata, model.file, model.tensors, model.graph)


def _check_written(model: _Model, filled: _Filled, folder: Path) -> None:
    """Read back what was written into a folder, and compare it. Raises RacerError."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    filled.files += [path.relative_to(folder).as_posix() for path in paths]
    for name, graph in _written_graphs(folder, filled.files).items():
        comparison = compare_graph(
            graph, model.run, model.policy, model.metadata, name, COMPARED_OBSERVATIONS
        )
        if not comparison.agrees:
            raise RacerError(f"{name}: {comparison.sentence}: nothing was written")
        filled.comparisons.append(comparison)
    for name in filled.files:
        if name.endswith(INDEX_SUFFIX):
            _check_checkpoint(folder, name, model.tensors)


def _written_graphs(folder: Path, files: list[str]) -> dict[str, bytes]:
    """The different graphs among what was written, as they are on the disk, by one of their files."""
    graphs: dict[bytes, str] = {}
    for name in files:
        if name.endswith(".tar.gz"):
            graphs[unpack_files(folder / name)[CAR_GRAPH]] = name
        elif name.endswith(".pb"):
            graphs[read_bytes(folder / name, MAX_WRITTEN_BYTES)] = name
    return {name: graph for graph, name in graphs.items()}


def _check_checkpoint(folder: Path, index: str, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Raise RacerError where a checkpoint on the disk does not hold these very tensors."""
    data = folder / (index.removesuffix(INDEX_SUFFIX) + DATA_SUFFIX)
    read = read_checkpoint(read_bytes(folder / index), read_bytes(data, MAX_WRITTEN_BYTES), index)
    if set(read) != set(tensors) or not all(
        np.array_equal(read[name], tensors[name]) for name in tensors
    ):
        raise RacerError(f"{index}: what was read back are not the weights: nothing was written")


def _own_notes(model: _Model, target: Target) -> list[str]:
    look = model.run.config.look
    notes = []
    if target != "drfc" and look != "strong":
        notes.append(LOOK_NOTE.format(look=f"--look {look}" if look != "none" else "none of it"))
    if target != "car" and model.metadata.training_algorithm == "sac":
        notes.append(CRITIC_NOTE)
    return notes


def _check_place(out: Path, target: Target, replace_existing: bool) -> None:
    if target == "car" and not out.name.endswith(".tar.gz"):
        raise UsageError(f"{out}: what a car takes is a .tar.gz: name one with -o")
    if not out.exists():
        return
    if target == "car":
        is_export = out.is_file()
    elif target == "drfc":
        is_export = (out / "run.env").is_file() and (out / "model").is_dir()
    else:
        is_export = any(out.glob("physicalmodel-*.tar.gz"))
    if not is_export:
        raise UsageError(f"{out} is there already and is no export: name another with -o")
    if not replace_existing:
        raise UsageError(f"{out} holds an export already: --replace it, or name another with -o")
