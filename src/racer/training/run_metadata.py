"""The `model_metadata.json` of a new run: its actions, the sensors of its policy, and their network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from racer.errors import UsageError
from racer.sensors.observation import (
    METADATA_OBSERVATIONS,
    PICTURE_KINDS,
    PICTURE_SIZE_PX,
    parse_observations,
    picture_size,
    sensor_kind,
)
from racer.training.config import TrainConfig
from racer.training.networks import SMALL, convolved_size, find_network
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import DEFAULT_CAR, car_preset
from racer.vehicle.metadata import CAR_VERSIONS, DEFAULT_NETWORK, Metadata, read_metadata

WITHOUT_METADATA_NAME = {"features", "objects"}
"""Kinds of sensors that `model_metadata.json` has no name for."""


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
    kinds = [sensor_kind(sensor) for sensor in sensors]
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
