"""A new run folder: a look at everything that its configuration names, and the files before step 0."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from racer import __version__
from racer.errors import UsageError
from racer.files import make_folder, write_file, write_json
from racer.reward import RewardFunction, load_reward
from racer.sensors.camera.randomization import find_randomization
from racer.sensors.observation import (
    METADATA_OBSERVATIONS,
    PICTURE_KINDS,
    PICTURE_SIZE_PX,
    parse_observations,
    picture_size,
    sensor_kind,
)
from racer.sim.noise import read_noise
from racer.sim.obstacle_layout import read_obstacle_layout
from racer.track import library, route
from racer.track.track import Track
from racer.training.config import TrainConfig
from racer.training.interop.hyperparameters import read_hyperparameters
from racer.training.networks import SMALL, convolved_size, find_network
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import DEFAULT_CAR, car_preset
from racer.vehicle.metadata import (
    CAR_VERSIONS,
    DEFAULT_NETWORK,
    Metadata,
    read_metadata,
    write_metadata,
)

RECORDED_PACKAGES = ("numpy", "numba", "gymnasium", "torch", "stable-baselines3")
"""Packages whose versions run.json has."""

SUBFOLDERS = ("checkpoints", "model", "metrics", "training-simtrace")

WITHOUT_METADATA_NAME = {"features", "objects"}
"""Kinds of sensors that `model_metadata.json` has no name for."""


def write_run_folder(config: TrainConfig, folder: Path, home: Path | None) -> None:
    """Write what is known of a run before step 0.

    Raises UsageError for something wrong in `config`; then nothing is written.
    """
    track = library.load_track(config.track, home=home)
    other_tracks = [library.load_track(name, home=home) for name in config.also_tracks]
    reward = load_reward(config.reward)
    metadata = run_metadata(config)
    _check_names(config, metadata)
    for name in SUBFOLDERS:
        make_folder(folder / name)
    route.save_route(track, folder / "track.npy")
    for other_track in other_tracks:
        route.save_route(other_track, folder / "tracks" / f"{other_track.name}.npy")
    write_metadata(metadata, folder / "model" / "model_metadata.json")
    write_file(folder / "reward_function.py", reward.path.read_bytes())
    if config.hyperparameters is not None:
        write_file(folder / "hyperparameters.json", Path(config.hyperparameters).read_bytes())
    write_json(folder / "run.json", _story(config, track, reward, metadata, folder))


def _story(
    config: TrainConfig, track: Track, reward: RewardFunction, metadata: Metadata, folder: Path
) -> dict[str, Any]:
    """What run.json holds."""
    layout = read_obstacle_layout(config.objects)
    return {
        "config": config.model_dump(),
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
        read_hyperparameters(config.hyperparameters, config.settings, metadata.training_algorithm)


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
