"""DeepRacer's own networks, by their names in `model_metadata.json`, and a small one, as
stable-baselines3 policies.

A network is an embedder for each sensor, whose outputs are joined, and a middleware behind them.
All layers end in ReLU, convolutions have no padding (SIMULATOR.md 7.1). Policy and value have a
network each, with nothing in common.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import gymnasium
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from racer.errors import UsageError, did_you_mean

Layers = tuple[tuple[int, int, int], ...]  # filters, kernel, stride of each convolution

SHALLOW = "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW"
SMALL = "SMALL"


@dataclass(frozen=True)
class Network:
    """Sizes of one architecture. `stereo` are the convolutions over a pair of pictures."""

    camera: Layers
    stereo: Layers
    dense: tuple[int, ...]  # units behind the convolutions, one layer each
    middle: tuple[int, ...]  # units behind the joined embedders
    beside: tuple[int, ...] = (256, 256)  # units behind a sensor that sends no picture


_THREE: Layers = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
_STEREO: Layers = ((32, 3, 1), (64, 3, 2), (64, 3, 1), (128, 3, 2), (128, 3, 1))
_FEW: Layers = ((16, 8, 4), (32, 4, 2))

NETWORKS = {
    SHALLOW: Network(_THREE, _THREE, (), (512,)),
    "DEEP_CONVOLUTIONAL_NETWORK": Network(
        ((32, 5, 2), (32, 3, 1), (64, 3, 2), (64, 3, 1)), _STEREO, (64,), (512,)
    ),
    "DEEP_CONVOLUTIONAL_NETWORK_DEEP": Network(
        ((32, 8, 4), (32, 4, 2), (64, 4, 2), (64, 3, 1)), _STEREO, (512, 512), (256, 128)
    ),
    SMALL: Network(_FEW, _FEW, (), (128,), (64,)),
}
"""The first three are DeepRacer's; SMALL is for pictures of 80 x 60, and no car of AWS can load it."""


def find_network(name: str) -> Network:
    """The sizes of a network. UsageError for a name that there is not."""
    if name not in NETWORKS:
        raise UsageError(
            f"unknown network {name!r}{did_you_mean(name, list(NETWORKS))} (there are {', '.join(NETWORKS)})"
        )
    return NETWORKS[name]


def convolved_size(rows: int, columns: int, convolutions: Layers) -> tuple[int, int]:
    """Rows and columns that convolutions leave of a picture. UsageError where nothing is left."""
    before = f"{columns} x {rows}"
    for _, kernel, stride in convolutions:
        rows, columns = (rows - kernel) // stride + 1, (columns - kernel) // stride + 1
        if min(rows, columns) < 1:
            raise UsageError(
                f"pictures of {before} are too small for this network: name a larger size or --network {SMALL}"
            )
    return rows, columns


class Embedding(BaseFeaturesExtractor):
    """A network up to its head (a class: stable-baselines3 wants one). Pictures of two channels are
    stereo.

    In training mode it calculates in bfloat16 where the processor does; the weights, and what
    drives, are float32.
    """

    def __init__(
        self, observation_space: gymnasium.Space[Any], network_name: str = SHALLOW
    ) -> None:
        sizes = find_network(network_name)
        super().__init__(observation_space, sizes.middle[-1])
        self._several = isinstance(observation_space, gymnasium.spaces.Dict)
        spaces = _spaces(observation_space)
        self.embedders = nn.ModuleDict(
            {name: _embedder(space, sizes) for name, space in spaces.items()}
        )
        joined = sum(_width(self.embedders[name], space) for name, space in spaces.items())
        self.middleware = _dense((joined, *sizes.middle))

    def forward(self, observation: Any) -> torch.Tensor:
        """(N, F) what the head is computed from."""
        parts = observation if self._several else {SINGLE_SENSOR: observation}
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training and HAS_BFLOAT16):
            found = [embedder(parts[name]) for name, embedder in self.embedders.items()]
            joined = self.middleware(found[0] if len(found) == 1 else torch.cat(found, dim=1))
        return cast("torch.Tensor", joined.float())


def _multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for it: with them it trains twice as fast, without
    ten times slower.
    """
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # not in older PyTorch
    return bool(capabilities and capabilities().get("avx512_bf16"))


HAS_BFLOAT16 = _multiplies_bfloat16()

SINGLE_SENSOR = "observation"
"""The name of the one embedder where the observation is no dict: DeepRacer's word for the camera of old."""


def _fixed(network_name: str) -> dict[str, Any]:
    return {
        "features_extractor_class": Embedding,
        "features_extractor_kwargs": {"network_name": network_name},
        "share_features_extractor": False,
        # the network divides by 255: stable-baselines3 takes no pair of pictures for one
        "normalize_images": False,
    }


class SensorPolicy(ActorCriticPolicy):
    """Policy and value with a network each; what PPO trains (a class: stable-baselines3 wants one)."""

    def __init__(self, *arguments: Any, network_name: str = SHALLOW, **keywords: Any) -> None:
        self.network_name = network_name
        super().__init__(*arguments, **keywords | _fixed(network_name) | {"net_arch": []})
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # up to twice as fast on a processor

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return _named(super()._get_constructor_parameters(), self.network_name)


class SensorSACPolicy(SACPolicy):
    """Actor and critics with a network each, and DeepRacer's layer of 256 before the head; what SAC
    trains.
    """

    def __init__(self, *arguments: Any, network_name: str = SHALLOW, **keywords: Any) -> None:
        self.network_name = network_name
        super().__init__(*arguments, **keywords | _fixed(network_name) | {"net_arch": [256]})
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return _named(super()._get_constructor_parameters(), self.network_name)


def _named(data: dict[str, Any], network_name: str) -> dict[str, Any]:
    """What a policy is made with again from its file."""
    kept = {
        key: value for key, value in data.items() if key not in (*_fixed(network_name), "net_arch")
    }
    return kept | {"network_name": network_name}


class _Scale(nn.Module):
    """Bytes as numbers from 0 to 1."""

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return (picture / 255.0).contiguous(memory_format=torch.channels_last)


def _spaces(space: gymnasium.Space[Any]) -> dict[str, gymnasium.spaces.Box]:
    if isinstance(space, gymnasium.spaces.Dict):
        return {name: cast("gymnasium.spaces.Box", part) for name, part in space.spaces.items()}
    return {SINGLE_SENSOR: cast("gymnasium.spaces.Box", space)}


def _embedder(space: gymnasium.spaces.Box, sizes: Network) -> nn.Module:
    if len(space.shape) == 1:
        return _dense((space.shape[0], *sizes.beside))
    channels, rows, columns = space.shape
    convolutions = sizes.stereo if channels == 2 else sizes.camera
    layers: OrderedDict[str, nn.Module] = OrderedDict(scale=_Scale())
    for k, (filters, kernel, stride) in enumerate(convolutions):
        layers[f"conv{k}"], layers[f"relu{k}"] = (
            nn.Conv2d(channels, filters, kernel, stride),
            nn.ReLU(),
        )
        channels = filters
    rows, columns = convolved_size(rows, columns, convolutions)
    layers["flat"] = nn.Flatten()
    if sizes.dense:
        layers["dense"] = _dense((channels * rows * columns, *sizes.dense))
    return nn.Sequential(layers)


def _width(embedder: nn.Module, space: gymnasium.spaces.Box) -> int:
    """Outputs of an embedder."""
    with torch.no_grad():
        return int(embedder(torch.zeros(1, *space.shape)).shape[1])


def _dense(sizes: tuple[int, ...]) -> nn.Sequential:
    return nn.Sequential(
        *[
            layer
            for before, after in pairwise(sizes)
            for layer in (nn.Linear(before, after), nn.ReLU())
        ]
    )
