"""What a user takes away from a run: the policy as ONNX, and the experiment as DeepRacer for Cloud
lays it out.

| file | what it holds |
|---|---|
| `model/policy.onnx` | the deterministic policy |
| `model/model_metadata.json` | what its actions mean |
| `model/policy.json` | its inputs and outputs, and what came of the comparison with PyTorch |
| `custom_files/` | reward function, model_metadata.json and hyperparameters.json, in DeepRacer's words |
| `run.env` | track, direction and start positions, for DeepRacer for Cloud |
| `experiment.toml` | the same training for racer, with what only racer knows |
| `routes/NAME.npy` | the track's lines, where the simulator has no track of that name |
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from racer.errors import UsageError
from racer.files import write_file, write_folder, write_json
from racer.resources import tracks_folder as shipped_tracks
from racer.sensors.observation import PICTURE_SIZE_PX, has_pictures, picture_size
from racer.track import library, route
from racer.track.track import Track
from racer.training.config import LearnerSettings
from racer.training.deterministic_policy import DeterministicPolicy
from racer.training.interop import drfc, drfc_obstacles, hyperparameters, onnx
from racer.training.interop.onnx import OnnxComparison, TensorSpec
from racer.training.learner import load_checkpoint
from racer.training.networks import NETWORKS, SMALL
from racer.training.observed import gather_observations
from racer.training.run import Run
from racer.training.run_metadata import METADATA_VERSIONS
from racer.training.sweep.experiment import experiment_toml
from racer.vehicle.action_space import DEFAULT_NETWORK, Metadata, write_metadata

COMPARED_OBSERVATIONS = (
    1000  # of its own laps, on which the exported policy is compared with the original
)

DEEPRACER_NETWORKS = tuple(name for name in NETWORKS if name != SMALL)

_WEIGHTS = (
    "what the policy has learned stays here, in model/policy.onnx: DeepRacer for Cloud goes on from TensorFlow "
    "checkpoints only, and trains from the beginning"
)
_FEATURES = (
    "this policy drives on numbers about car and road; DeepRacer for Cloud trains the network that model_metadata.json "
    "names, on pictures"
)


@dataclass(frozen=True)
class ExportedRun:
    """What was written, and what there is to say about it."""

    folder: Path
    checkpoint: str
    files: tuple[str, ...]  # relative to the folder
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    comparison: OnnxComparison
    notes: tuple[str, ...]


def export_run(
    folder: Path, out: Path, checkpoint: str = "best", replace_existing: bool = False
) -> ExportedRun:
    """Write everything about a checkpoint of the run in `folder` to the new folder `out`, which
    appears whole.

    UsageError when `out` is there already and is not to be `replaced`, or is no export.
    """
    run = Run.open(folder)
    policy, name = load_checkpoint(run, checkpoint)
    _check_place(out, replace_existing)
    notes: list[str] = []

    def fill(beside: Path) -> None:
        notes.extend(_write_experiment(run, beside))
        _write_policy(run, DeterministicPolicy(policy, run.metadata.action_space), beside)

    write_folder(out, fill)
    found = json.loads((out / "model" / "policy.json").read_text())
    check = {key: found["check"][key] for key in ("observations", "differences", "decisions")}
    inputs, outputs = (
        tuple(TensorSpec(**one) for one in found[side]) for side in ("inputs", "outputs")
    )
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    return ExportedRun(
        out, name, tuple(files), inputs, outputs, OnnxComparison(**check), tuple(notes)
    )


def effective_settings(run: Run) -> LearnerSettings:
    """PPO's settings as the run trained with them."""
    if run.hyperparameters is None:
        return run.config.settings
    algorithm = run.metadata.training_algorithm
    return hyperparameters.read_hyperparameters(
        str(run.hyperparameters), run.config.settings, algorithm
    ).settings


def exported_metadata(run: Run) -> Metadata:
    """The run's metadata, of the version that its car drives under there."""
    metadata = run.metadata
    car = run.config.car or metadata.car
    return metadata if car == metadata.car else replace(metadata, version=METADATA_VERSIONS[car])


def _check_place(out: Path, replaced: bool) -> None:
    if not out.exists():
        return
    if not (out / "model" / "policy.onnx").is_file():
        raise UsageError(f"{out} is there already and is no export: name another folder with -o")
    if not replaced:
        raise UsageError(
            f"{out} holds an export already: --replace it, or name another folder with -o"
        )


def _write_policy(run: Run, policy: DeterministicPolicy, folder: Path) -> None:
    model = folder / "model"
    model.mkdir()
    metadata = exported_metadata(run)
    write_metadata(metadata, model / "model_metadata.json")
    seen = gather_observations(run, policy.policy, COMPARED_OBSERVATIONS).observation
    onnx.write_onnx(model / "policy.onnx", policy, seen, metadata)
    found = onnx.compare_onnx(model / "policy.onnx", policy, seen)
    write_json(model / "policy.json", onnx.onnx_description(model / "policy.onnx", found))


def _write_experiment(run: Run, folder: Path) -> list[str]:
    """Write the experiment in racer's words and in DeepRacer for Cloud's; what does not go over."""
    files = folder / drfc.CUSTOM_FILES_FOLDER
    files.mkdir()
    (files / "reward_function.py").write_bytes((run.folder / "reward_function.py").read_bytes())
    is_known = run.network is None or run.network in DEEPRACER_NETWORKS
    metadata = (
        exported_metadata(run)
        if is_known
        else replace(exported_metadata(run), neural_network=DEFAULT_NETWORK)
    )
    write_metadata(metadata, files / "model_metadata.json")
    (files / "hyperparameters.json").write_bytes(_hyperparameters(run))
    world, track, notes = _track(run, folder)
    text = drfc.run_env_text(
        drfc.settings_from_config(run.config, world, run.obstacle_layout),
        prefix=f"racer-{run.folder.resolve().name}",
    )
    write_file(folder / "run.env", text.encode())
    changes: dict[str, Any] = {
        "reward": f"{drfc.CUSTOM_FILES_FOLDER}/reward_function.py",
        "action_space": f"{drfc.CUSTOM_FILES_FOLDER}/model_metadata.json",
        "hyperparameters": f"{drfc.CUSTOM_FILES_FOLDER}/hyperparameters.json"
        if run.hyperparameters
        else None,
        "track": track,
        "also_tracks": _others(run, folder),
        "objects": drfc_obstacles.obstacles_for_experiment(run.obstacle_layout),
        "network": run.config.network if is_known else run.network,
    }
    title = f"{run.folder.resolve().name}, exported by racer"
    comments = ("The training that this was exported from: racer train experiment.toml",)
    write_file(
        folder / "experiment.toml",
        experiment_toml(run.config.model_copy(update=changes), title, comments).encode(),
    )
    return [*notes, *_seeing(run), _WEIGHTS, *_unsaid(run)]


def _seeing(run: Run) -> list[str]:
    """Sentences about what the policy sees, where DeepRacer for Cloud's policy will not see the
    same.
    """
    told = []
    if {"features", "objects"} & {*run.observation}:
        told.append(_FEATURES)
    sizes = [
        picture_size(name)
        for name in run.observation
        if has_pictures([name]) and picture_size(name) != PICTURE_SIZE_PX
    ]
    told += [
        f"pictures are {wide} x {high} pixels here, {PICTURE_SIZE_PX[0]} x {PICTURE_SIZE_PX[1]} there"
        for wide, high in sizes
    ]
    if not has_pictures(run.observation) and run.observation != ("features",):
        told.append(
            "the sensors of this policy have no camera among them, which DeepRacer for Cloud always wants"
        )
    if run.network and run.network not in DEEPRACER_NETWORKS:
        told.append(
            f"the network {run.network} is racer's alone: there, {DEFAULT_NETWORK} is trained"
        )
    return told


def _hyperparameters(run: Run) -> bytes:
    """The file that was given, as it is; else PPO's settings in DeepRacer's words."""
    if run.hyperparameters is not None:
        return run.hyperparameters.read_bytes()
    return (
        json.dumps(
            hyperparameters.hyperparameters_table(
                run.config.settings, run.metadata.training_algorithm
            ),
            indent=2,
        )
        + "\n"
    ).encode()


def _track(run: Run, folder: Path) -> tuple[str, str, list[str]]:
    """The world for `run.env`, the track for the experiment file, and what is to be said about
    them.
    """
    track = run.track
    world, is_shipped = drfc.world_of_track(track.name), _is_shipped(track)
    here = track.name if is_shipped else _lines(track, folder)
    if world == track.name or (world and is_shipped):
        told = f"{track.name} is a reconstruction of the simulator's {world}: the real one is a little different"
        return world, here, [told] if world != track.name else []
    _lines(track, folder)
    note = (
        f"DeepRacer for Cloud has no track {track.name!r}: routes/{track.name}.npy holds its lines for the simulator's "
        "routes folder, but a world and its meshes by that name must be built into the simulator's image too"
    )
    return track.name, here, [note]


def _others(run: Run, folder: Path) -> tuple[str, ...]:
    """The tracks that a teacher teaches on beside the run's own, for the experiment file."""
    tracks = [route.load_route(file) for file in run.other_track_files]
    names = [track.name if _is_shipped(track) else _lines(track, folder) for track in tracks]
    return run.config.also_tracks if {*names} == {*run.config.also_tracks} else tuple(names)


def _is_shipped(track: Track) -> bool:
    """Whether anyone who has racer has this very track by its name."""
    file = shipped_tracks() / f"{track.name}.toml"
    return file.is_file() and np.array_equal(library.load_track(file).center, track.center)


def _lines(track: Track, folder: Path) -> str:
    """The name of the file with the track's lines, which are written beside."""
    (folder / "routes").mkdir(exist_ok=True)
    return (
        route.save_route(track, folder / "routes" / f"{track.name}.npy")
        .relative_to(folder)
        .as_posix()
    )


def _unsaid(run: Run) -> list[str]:
    """Sentences about what DeepRacer for Cloud's files cannot say."""
    told = drfc_obstacles.obstacle_notes(
        run.obstacle_layout
    ) + hyperparameters.hyperparameters_notes(
        effective_settings(run), run.metadata.training_algorithm
    )
    if run.config.teacher:
        told.append("there is no teacher there: the network learns from the reward alone")
    if run.config.also_tracks:
        told.append(
            f"{', '.join(run.config.also_tracks)}: there, a worker-N.env for each (DR_TRAIN_MULTI_CONFIG)"
        )
    if run.config.look not in ("none", "simulator"):
        told.append(
            f"look {run.config.look} is racer's alone: there, lights and colors of objects vary"
        )
    if run.config.noise != "none":
        told.append(f"noise {run.config.noise} has no counterpart there: the simulator has its own")
    return told
