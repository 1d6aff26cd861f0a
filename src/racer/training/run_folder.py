"""Making a run folder: everything that is known of a training before step 0.

All that its configuration names is looked at first, so that a folder is made whole or not at all.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from racer import __version__
from racer.errors import UsageError
from racer.files import hold_folder, make_folder, write_file, write_json
from racer.reward import RewardFunction, load_reward
from racer.sensors import (
    METADATA_OBSERVATIONS,
    PICTURE_KINDS,
    PICTURE_SIZE_PX,
    parse_observations,
    picture_size,
    sensor_kind,
)
from racer.sensors.camera import find_randomization
from racer.sim import read_noise, read_obstacle_layout
from racer.track import Track, load_track, save_route
from racer.training.config import TrainConfig
from racer.training.interop import read_hyperparameters
from racer.training.lineage import Ancestor
from racer.training.networks import SMALL, convolved_size, find_network
from racer.vehicle import (
    CAR_VERSIONS,
    DEFAULT_CAR,
    DEFAULT_NETWORK,
    ActionSpace,
    Metadata,
    car_preset,
    read_metadata,
    write_metadata,
)

RECORDED_PACKAGES = ("numpy", "numba", "gymnasium", "torch", "stable-baselines3")
"""Packages whose versions run.json has."""

SUBFOLDERS = ("checkpoints", "model", "metrics", "training-simtrace")

START_FILE = "0.pt"
"""The checkpoint after no step: the policy that a run started from."""

WITHOUT_METADATA_NAME = {"features", "objects"}
"""Kinds of sensors that `model_metadata.json` has no name for."""


@dataclass(frozen=True)
class StartPolicy:
    """What a run starts from: the policy of another run.

    `lineage` are that run and those before it, `content` the bytes of its checkpoint, and
    `keeps_value` whether the value network in it is of use, as it is where pay is the same.
    """

    lineage: tuple[Ancestor, ...]
    content: bytes
    keeps_value: bool


def write_run_folder(
    config: TrainConfig, folder: Path, home: Path | None, start: StartPolicy | None = None
) -> None:
    """Write what is known of a run before step 0.

    Raises UsageError for something wrong in `config`; then nothing is written.
    """
    track = load_track(config.track, home=home)
    other_tracks = [load_track(name, home=home) for name in config.also_tracks]
    reward = load_reward(config.reward)
    metadata = run_metadata(config)
    _check_names(config, metadata)
    with hold_folder(folder):
        check_is_free(folder)  # another may have begun there in the meantime
        for name in SUBFOLDERS:
            make_folder(folder / name)
        save_route(track, folder / "track.npy")
        for other_track in other_tracks:
            save_route(other_track, folder / "tracks" / f"{other_track.name}.npy")
        write_metadata(metadata, folder / "model" / "model_metadata.json")
        write_file(folder / "reward_function.py", reward.path.read_bytes())
        if config.hyperparameters is not None:
            write_file(folder / "hyperparameters.json", Path(config.hyperparameters).read_bytes())
        story = _story(config, track, reward, metadata, folder)
        if start is not None:
            write_file(folder / "checkpoints" / START_FILE, start.content)
            story["lineage"] = [asdict(ancestor) for ancestor in start.lineage]
            story["keeps_value"] = start.keeps_value
        write_json(folder / "run.json", story)


def check_is_free(folder: Path) -> None:
    """Raise UsageError where there is a run already."""
    if (folder / "run.json").exists():
        raise UsageError(
            f"{folder} holds a run already: go on with it (racer train --resume {folder}, beyond its end with --steps), "
            f"start another one from its policy (racer train REWARD --from {folder}), or name another folder with --out"
        )


def _story(
    config: TrainConfig, track: Track, reward: RewardFunction, metadata: Metadata, folder: Path
) -> dict[str, Any]:
    """What run.json holds."""
    layout = read_obstacle_layout(config.objects)
    return {
        "config": config.model_dump(),
        "created": datetime.now(UTC).isoformat(),
        "reward_file": str(reward.path.resolve()),
        "track": track.name,
        "track_title": track.title,
        "car": config.car or metadata.car,
        "objects": None if layout is None else asdict(layout),
        "versions": {"racer": __version__} | {name: version(name) for name in RECORDED_PACKAGES},
        "python": platform.python_version(),
        "git": _git_commit(folder),
    }


def run_metadata(config: TrainConfig) -> Metadata:
    """The metadata of a run that `config` describes.

    Raises UsageError for an unknown car, sensor or network, a network where the policy has no
    sensors, and pictures that are too small for their network.
    """
    car = car_preset(config.car or DEFAULT_CAR)
    metadata = Metadata(ActionSpace.default(car), version=CAR_VERSIONS[car.name])
    network = DEFAULT_NETWORK
    if config.action_space is not None:
        metadata = read_metadata(config.action_space)
        network = metadata.neural_network
    sensors = parse_observations(config.observation, metadata.sensor)
    if sensors == ("features",):
        if config.network is not None:
            raise UsageError(
                f"--network {config.network} is for sensors: name them with --observation camera"
            )
        return metadata
    if not _has_full_size_pictures(sensors):
        network = SMALL
    network = config.network or network
    _check_picture_sizes(sensors, network)
    metadata_sensors = _metadata_sensors(sensors) or metadata.sensor
    return replace(metadata, sensor=metadata_sensors, neural_network=network)


def _has_full_size_pictures(sensors: Sequence[str]) -> bool:
    """Whether a sensor's pictures have the size that DeepRacer's own networks are made for."""
    return any(picture_size(sensor) == PICTURE_SIZE_PX for sensor in _picture_sensors(sensors))


def _check_picture_sizes(sensors: Sequence[str], network: str) -> None:
    """Raise UsageError where a network's convolutions leave nothing of a picture."""
    for sensor in _picture_sensors(sensors):
        layers = find_network(network).convolutions(is_stereo=sensor_kind(sensor) == "stereo")
        width, height = picture_size(sensor)
        convolved_size(height, width, layers)


def _metadata_sensors(sensors: Sequence[str]) -> tuple[str, ...]:
    """The sensors by their names in `model_metadata.json`.

    Empty where it cannot name them: it wants a camera among them, and knows no features.
    """
    kinds = list(map(sensor_kind, sensors))
    if not _picture_sensors(sensors) or WITHOUT_METADATA_NAME & set(kinds):
        return ()
    names = {
        kind: name
        for name, kind in METADATA_OBSERVATIONS.items()
        if name not in ("observation", "LEFT_CAMERA")
    }
    return tuple(names[kind] for kind in kinds)


def _picture_sensors(sensors: Sequence[str]) -> list[str]:
    return [sensor for sensor in sensors if sensor_kind(sensor) in PICTURE_KINDS]


def _check_names(config: TrainConfig, metadata: Metadata) -> None:
    """Raise UsageError for what would otherwise come to light when the cars are made."""
    car_preset(config.car or metadata.car)
    if config.network is not None:
        find_network(config.network)
    if config.teacher and metadata.training_algorithm == "sac":
        raise UsageError(
            "a teacher and its student learn with PPO's networks; this action space says sac"
        )
    read_noise(config.noise)
    find_randomization(config.look)
    read_obstacle_layout(config.objects)
    if config.hyperparameters is not None:
        read_hyperparameters(
            config.hyperparameters,
            config.settings,
            metadata.training_algorithm,
            config.is_like_service,
        )


def _git_commit(folder: Path) -> str | None:
    """The commit of the git checkout that the folder is in; None outside of one, or without git."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
