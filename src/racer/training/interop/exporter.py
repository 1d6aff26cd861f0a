"""What a user takes away from a run: the policy as ONNX, and the experiment as DeepRacer for Cloud
lays it out.

| file | what it holds |
|---|---|
| `model/policy.onnx` | the deterministic policy |
| `model/model_metadata.json` | what its actions mean |
| `model/policy.json` | its inputs and outputs, and what came of the comparison with PyTorch |
| `custom_files/` | reward function, model_metadata.json and hyperparameters.json, as DeepRacer has them |
| `run.env` | track, direction and start positions, for DeepRacer for Cloud |
| `experiment.toml` | the same training for racer, with what only racer knows |
| `routes/NAME.npy` | the track's lines, where the simulator has no track of that name |

The ONNX file is checked: it must drive as the policy does.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.files import make_folder, write_file, write_folder, write_json
from racer.resources import tracks_folder
from racer.sensors import FEATURE_NAMES
from racer.track import Track, load_route, load_track, save_route
from racer.training.interop.drfc import (
    CUSTOM_FILES_FOLDER,
    obstacles_for_experiment,
    run_env_from_settings,
    settings_from_config,
)
from racer.training.interop.export_notes import DEEPRACER_NETWORKS, export_notes
from racer.training.interop.hyperparameters import hyperparameters_table
from racer.training.interop.worlds import world_of_track
from racer.training.learner import load_checkpoint
from racer.training.networks import DeterministicPolicy, Tensor, split_observation
from racer.training.observed import gather_observations
from racer.training.run import Run
from racer.training.sweep import experiment_toml
from racer.vehicle import CAR_VERSIONS, DEFAULT_NETWORK, Metadata, metadata_as_json, write_metadata

OPSET = 18

TOLERANCE = 1e-4
"""How far an output of onnxruntime may be from PyTorch's: probabilities, points in [-1, 1], degrees, m/s."""

BATCH_OBSERVATIONS = 100
"""Observations that are compared at a time."""

DTYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int64)": "int64"}
"""onnxruntime's types, as NumPy calls them."""

Outputs = dict[str, NDArray[Any]]

COMPARED_OBSERVATIONS = 1000
"""Observations of the policy's own laps, on which the exported policy is compared with the original."""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of the file: its name, its type as NumPy calls it, its shape with N first."""

    name: str
    dtype: str
    shape: tuple[str | int, ...]

    @property
    def text(self) -> str:
        """`camera: uint8 (N, 1, 120, 160)`."""
        return f"{self.name}: {self.dtype} ({', '.join(map(str, self.shape))})"


@dataclass(frozen=True)
class OnnxComparison:
    """What onnxruntime and PyTorch answered to the same observations.

    `differences` has the largest difference of each output. `decisions` counts the actions that
    differ where the two likeliest ones are further apart than rounding.
    """

    observations: int
    differences: dict[str, float]
    decisions: int

    @property
    def agrees(self) -> bool:
        """Whether all is as close as it has to be."""
        return max(self.differences.values()) <= TOLERANCE and not self.decisions

    @property
    def sentence(self) -> str:
        """The comparison as a sentence without its full stop."""
        differences = ", ".join(f"{name} {gap:.1e}" for name, gap in self.differences.items())
        verdict = "equal" if self.agrees else "NOT equal"
        return (
            f"{verdict} to PyTorch within {TOLERANCE:g} on {self.observations:,} observations "
            f"of its own laps: {differences}"
        )


def write_onnx(
    path: Path, policy: DeterministicPolicy, observation: Any, metadata: Metadata
) -> None:
    """Write `policy` to `path`.

    `observation` holds two or more of its observations, which show shapes and types. The file also
    holds `metadata`, and the names of the features where the policy has them.
    """
    inputs = tuple(part[:2] for part in split_observation(policy.names, observation))
    program = _export(policy, inputs)
    model = program.model_proto
    texts = {"model_metadata.json": json.dumps(metadata_as_json(metadata))}
    if any(map(_are_features, inputs)):
        texts["features"] = json.dumps(FEATURE_NAMES)
    for key, text in texts.items():
        entry = model.metadata_props.add()
        entry.key = key
        entry.value = text
    write_file(path, model.SerializeToString())


def compare_onnx(path: Path, policy: DeterministicPolicy, observation: Any) -> OnnxComparison:
    """The file under onnxruntime beside the policy under PyTorch, on N observations."""
    session = _open_session(path)
    inputs = split_observation(policy.names, observation)
    count = len(inputs[0])
    pytorch_batches = []
    onnx_batches = []
    for first in range(0, count, BATCH_OBSERVATIONS):
        batch = tuple(part[first : first + BATCH_OBSERVATIONS] for part in inputs)
        pytorch_batches.append(_run_pytorch(policy, batch))
        onnx_batches.append(_run_onnx(session, policy, batch))
    pytorch_outputs = _join_batches(policy, pytorch_batches)
    onnx_outputs = _join_batches(policy, onnx_batches)
    return _compare_outputs(pytorch_outputs, onnx_outputs, count)


def onnx_signature(path: Path) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """Inputs and outputs of the file, as onnxruntime reports them."""
    session = _open_session(path)
    inputs = list(map(_tensor_spec, session.get_inputs()))
    outputs = list(map(_tensor_spec, session.get_outputs()))
    return inputs, outputs


def onnx_description(path: Path, comparison: OnnxComparison) -> dict[str, Any]:
    """All there is to say about the file, as plain data."""
    inputs, outputs = onnx_signature(path)
    return {
        "opset": OPSET,
        "inputs": list(map(asdict, inputs)),
        "outputs": list(map(asdict, outputs)),
        "check": asdict(comparison) | {"tolerance": TOLERANCE, "agrees": comparison.agrees},
    }


def _export(policy: DeterministicPolicy, inputs: tuple[Tensor, ...]) -> Any:
    """The policy as an ONNX program, for any number of observations."""
    # they report packages that racer does not need
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    any_number = torch.export.Dim("N")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, about its own code
        program = torch.onnx.export(
            policy,
            inputs,
            input_names=policy.names,
            output_names=policy.outputs,
            opset_version=OPSET,
            dynamic_shapes={"observations": tuple({0: any_number} for _ in inputs)},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program


def _are_features(part: Tensor) -> bool:
    """Whether an input (N, ...) has as many numbers as there are features."""
    return tuple(part.shape[1:]) == (len(FEATURE_NAMES),)


def _run_pytorch(policy: DeterministicPolicy, inputs: tuple[Tensor, ...]) -> list[NDArray[Any]]:
    with torch.no_grad():
        return [output.numpy() for output in policy(*inputs)]


def _run_onnx(
    session: Any, policy: DeterministicPolicy, inputs: tuple[Tensor, ...]
) -> list[NDArray[Any]]:
    arrays = [part.numpy() for part in inputs]
    named_inputs = dict(zip(policy.names, arrays, strict=True))
    outputs: list[NDArray[Any]] = session.run(list(policy.outputs), named_inputs)
    return outputs


def _join_batches(policy: DeterministicPolicy, batches: list[list[NDArray[Any]]]) -> Outputs:
    """The outputs of all batches by their names."""
    columns = zip(*batches, strict=True)
    joined = map(np.concatenate, columns)
    return dict(zip(policy.outputs, joined, strict=True))


def _compare_outputs(pytorch: Outputs, onnx: Outputs, count: int) -> OnnxComparison:
    """The comparison of two sets of outputs.

    Which of two equally likely actions is chosen is a matter of rounding.
    """
    if "probabilities" not in pytorch:
        gaps = {name: _largest_gap(pytorch[name], onnx[name]) for name in pytorch}
        return OnnxComparison(count, gaps, decisions=0)
    is_clear = _clear_decisions(pytorch["probabilities"])
    is_same = pytorch["action"] == onnx["action"]
    gaps = {
        "probabilities": _largest_gap(pytorch["probabilities"], onnx["probabilities"]),
        "command": _largest_gap(pytorch["command"][is_same], onnx["command"][is_same]),
    }
    return OnnxComparison(count, gaps, decisions=int((is_clear & ~is_same).sum()))


def _clear_decisions(probabilities: NDArray[Any]) -> NDArray[np.bool_]:
    """(N,) whether the two likeliest actions are further apart than rounding."""
    if probabilities.shape[1] == 1:
        return np.ones(len(probabilities), dtype=np.bool_)
    likeliest = np.sort(probabilities, axis=1)[:, -2:]
    is_clear: NDArray[np.bool_] = likeliest[:, 1] - likeliest[:, 0] > TOLERANCE
    return is_clear


def _largest_gap(first: NDArray[Any], second: NDArray[Any]) -> float:
    return float(np.abs(first.astype(np.float64) - second).max(initial=0.0))


def _open_session(path: Path) -> Any:
    # From 1.29 on onnxruntime keeps records of its use, on Linux for its maker, too: this is how its
    # documentation switches them off. It is read where the module is loaded.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _tensor_spec(node: Any) -> TensorSpec:
    return TensorSpec(node.name, DTYPES.get(node.type, node.type), tuple(node.shape))


@dataclass(frozen=True)
class ExportedRun:
    """What was written, and what there is to say about it.

    `files` are relative to `folder`, `checkpoint` is the file of the policy. `inputs`, `outputs` and
    `comparison` are those of the ONNX file.
    """

    folder: Path
    checkpoint: str
    files: tuple[str, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    comparison: OnnxComparison
    notes: tuple[str, ...]


def export_run(
    folder: Path, out: Path, checkpoint: str = "best", replace_existing: bool = False
) -> ExportedRun:
    """Write everything about a checkpoint of the run in `folder` to the new folder `out`, which
    appears whole.

    Raises UsageError when `out` is there already and is not to be replaced, or is no export.
    """
    run = Run.open(folder)
    policy, checkpoint_file = load_checkpoint(run, checkpoint)
    _check_place(out, replace_existing)
    notes: list[str] = []
    comparisons: list[OnnxComparison] = []

    def fill(new_folder: Path) -> None:
        notes.extend(write_experiment(run, new_folder))
        deterministic = DeterministicPolicy(policy, run.action_space)
        comparisons.append(_write_policy(run, deterministic, new_folder))

    write_folder(out, fill)
    inputs, outputs = onnx_signature(out / "model" / "policy.onnx")
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    return ExportedRun(
        folder=out,
        checkpoint=checkpoint_file,
        files=tuple(files),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        comparison=comparisons[0],
        notes=tuple(notes),
    )


def write_experiment(run: Run, folder: Path, is_pretrained: bool = False) -> list[str]:
    """Write the training of a run for DeepRacer for Cloud and for racer; notes on what does not go
    over. Is it pretrained, it goes on from the folder `model` beside.
    """
    custom_files = folder / CUSTOM_FILES_FOLDER
    write_file(
        custom_files / "reward_function.py", (run.folder / "reward_function.py").read_bytes()
    )
    has_deepracer_network = run.network is None or run.network in DEEPRACER_NETWORKS
    metadata = exported_metadata(run)
    if not has_deepracer_network:
        metadata = replace(metadata, neural_network=DEFAULT_NETWORK)
    write_metadata(metadata, custom_files / "model_metadata.json")
    _write_hyperparameters(run, custom_files / "hyperparameters.json")
    track = _write_track(run.track, folder)
    settings = settings_from_config(run.config, track.world, run.obstacle_layout)
    run_name = run.folder.resolve().name
    prefix = f"racer-{run_name}"
    pretrained = f"{prefix}-pretrained" if is_pretrained else ""
    write_file(folder / "run.env", run_env_from_settings(settings, prefix, pretrained))
    changes: dict[str, Any] = {
        "reward": f"{CUSTOM_FILES_FOLDER}/reward_function.py",
        "action_space": f"{CUSTOM_FILES_FOLDER}/model_metadata.json",
        "hyperparameters": None,
        "from_run": None,
        "track": track.source,
        "also_tracks": _write_other_tracks(run, folder),
        "objects": obstacles_for_experiment(run.obstacle_layout),
        "network": run.config.network if has_deepracer_network else run.network,
    }
    if run.hyperparameters:
        changes["hyperparameters"] = f"{CUSTOM_FILES_FOLDER}/hyperparameters.json"
    text = experiment_toml(
        run.config.model_copy(update=changes),
        title=f"{run_name}, exported by racer",
        comments=("The training that this was exported from: racer train experiment.toml",),
    )
    write_file(folder / "experiment.toml", text)
    return [*track.notes, *export_notes(run, is_pretrained)]


def exported_metadata(run: Run) -> Metadata:
    """The run's metadata, with the version that stands for its car there."""
    if run.car == run.metadata.car:
        return run.metadata
    return replace(run.metadata, version=CAR_VERSIONS[run.car])


def _check_place(out: Path, replace_existing: bool) -> None:
    if not out.exists():
        return
    if not (out / "model" / "policy.onnx").is_file():
        raise UsageError(f"{out} is there already and is no export: name another folder with -o")
    if not replace_existing:
        raise UsageError(
            f"{out} holds an export already: --replace it, or name another folder with -o"
        )


def _write_policy(run: Run, policy: DeterministicPolicy, folder: Path) -> OnnxComparison:
    """Write the ONNX file and what is known of it; the comparison with PyTorch."""
    model = make_folder(folder / "model")
    metadata = exported_metadata(run)
    write_metadata(metadata, model / "model_metadata.json")
    observation = gather_observations(run, policy.policy, COMPARED_OBSERVATIONS).observation
    write_onnx(model / "policy.onnx", policy, observation, metadata)
    comparison = compare_onnx(model / "policy.onnx", policy, observation)
    write_json(model / "policy.json", onnx_description(model / "policy.onnx", comparison))
    return comparison


def _write_hyperparameters(run: Run, file: Path) -> None:
    """Write the file that was given, as it is; else the run's settings under DeepRacer's keys."""
    if run.hyperparameters is not None:
        write_file(file, run.hyperparameters.read_bytes())
        return
    table = hyperparameters_table(
        run.config.settings, run.metadata.training_algorithm, run.config.is_like_service
    )
    write_json(file, table)


@dataclass(frozen=True)
class _ExportedTrack:
    """A track by the simulator's name, and as the experiment file names it."""

    world: str
    source: str
    notes: tuple[str, ...] = ()


def _write_track(track: Track, folder: Path) -> _ExportedTrack:
    """What the files call a track; its lines are written where it is not known by its name."""
    world = world_of_track(track.name)
    is_shipped = _is_shipped(track)
    source = track.name
    if not is_shipped:
        source = _write_route(track, folder)
    if world == track.name:
        return _ExportedTrack(world, source)
    if world and is_shipped:
        note = (
            f"{track.name} is a reconstruction of the simulator's {world}: "
            "the real one is a little different"
        )
        return _ExportedTrack(world, source, (note,))
    _write_route(track, folder)
    note = (
        f"DeepRacer for Cloud has no track {track.name!r}: routes/{track.name}.npy holds its lines for the simulator's "
        "routes folder, but a world and its meshes by that name must be built into the simulator's image too"
    )
    return _ExportedTrack(track.name, source, (note,))


def _write_other_tracks(run: Run, folder: Path) -> tuple[str, ...]:
    """What the experiment file calls the other tracks of a teacher."""
    sources = []
    for file in run.other_track_files:
        track = load_route(file)
        if _is_shipped(track):
            sources.append(track.name)
        else:
            sources.append(_write_route(track, folder))
    if set(sources) == set(run.config.also_tracks):
        return run.config.also_tracks  # in their order
    return tuple(sources)


def _is_shipped(track: Track) -> bool:
    """Whether anyone who has racer has this very track by its name."""
    file = tracks_folder() / f"{track.name}.toml"
    return file.is_file() and np.array_equal(load_track(file).center, track.center)


def _write_route(track: Track, folder: Path) -> str:
    """The name, relative to `folder`, of the file with the track's lines, which is written."""
    name = f"routes/{track.name}.npy"
    save_route(track, folder / name)
    return name
