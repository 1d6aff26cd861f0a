"""Policies of every kind of network that DeepRacer has, with weights by chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.policies import BasePolicy

from racer.sensors import METADATA_OBSERVATIONS, sensor_spec
from racer.training.networks import SINGLE_SENSOR, SensorPolicy, SensorSACPolicy
from racer.training.tensorflow import input_name, policy_network
from racer.vehicle import ActionSpace, Metadata

CONTINUOUS = ActionSpace(True, (-30.0, 30.0), (0.5, 4.0))
DISCRETE = ActionSpace(False, (-20.0, 0.0, 20.0), (1.0, 2.0, 1.0))
ALGORITHMS = {
    "discrete": {"action_space": DISCRETE},
    "continuous": {"action_space": CONTINUOUS},
    "sac": {"action_space": CONTINUOUS, "training_algorithm": "sac"},
}


def metadata_of(sensors: str, network: str, kind: str) -> Metadata:
    """`sensors` are names of model_metadata.json with commas."""
    return Metadata(sensor=tuple(sensors.split(",")), neural_network=network, **ALGORITHMS[kind])


def fresh_policy(metadata: Metadata, seed: int = 0) -> BasePolicy:
    """A policy as a run of that metadata would train it."""
    torch.manual_seed(seed)
    spaces = {}
    for sensor in metadata.sensor:
        spec = sensor_spec(METADATA_OBSERVATIONS[sensor], metadata.lidar_config)
        spaces[METADATA_OBSERVATIONS[sensor]] = gymnasium.spaces.Box(
            spec.low, spec.high, spec.shape, spec.dtype
        )
    observation: gymnasium.Space[Any] = gymnasium.spaces.Dict(spaces)
    if len(spaces) == 1:
        [observation] = spaces.values()
    actions: gymnasium.Space[Any] = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    if not metadata.action_space.is_continuous:
        actions = gymnasium.spaces.Discrete(metadata.action_space.size)
    made = SensorSACPolicy if metadata.training_algorithm == "sac" else SensorPolicy
    policy = made(observation, actions, lambda _: 1e-3, network_name=metadata.neural_network)
    policy.set_training_mode(False)
    return policy


def some_observations(metadata: Metadata, count: int = 4) -> tuple[Any, dict[str, Any]]:
    """Observations by chance, as a policy takes them and as its graph does."""
    generator = np.random.default_rng(1)
    network = policy_network(metadata)
    here: dict[str, Any] = {}
    there: dict[str, Any] = {}
    for embedder in network.embedders:
        spec = sensor_spec(embedder.kind, metadata.lidar_config)
        if embedder.sees_pictures:
            values = generator.integers(0, 256, (count, *spec.shape)).astype(np.uint8)
            there[input_name(network, embedder.sensor)] = values.transpose(0, 2, 3, 1)
        else:
            values = generator.random((count, *spec.shape)).astype(np.float32)
            there[input_name(network, embedder.sensor)] = values
        key = embedder.kind if len(network.embedders) > 1 else SINGLE_SENSOR
        here[key] = torch.as_tensor(values)
    return (here if len(here) > 1 else here[SINGLE_SENSOR]), there


@pytest.fixture(scope="session")
def make_metadata() -> Callable[..., Metadata]:
    return metadata_of


@pytest.fixture(scope="session")
def make_policy() -> Callable[..., BasePolicy]:
    return fresh_policy


@pytest.fixture(scope="session")
def observe() -> Callable[..., tuple[Any, dict[str, Any]]]:
    return some_observations
