"""DeepRacer's own networks, by their names in `model_metadata.json`, and a small one, as
stable-baselines3 policies.

A network has an embedder for each sensor, whose outputs are joined, and a middleware behind them.
All layers end in ReLU, convolutions have no padding (docs/simulator.md 7.1). Policy and value have
a network each and share nothing.

`DeterministicPolicy` is the acting half of a policy, without exploration: its inputs, its head, and
what it commands.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, cast

import gymnasium
import torch
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from racer.errors import UsageError, did_you_mean
from racer.vehicle import ActionSpace

SHALLOW = "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW"
SMALL = "SMALL"

NO_NUMBER = "found invalid values"
"""What torch's distributions say, in a ValueError, of a mean or deviation that is no number."""

SINGLE_SENSOR = "observation"
"""The name of the one embedder where the observation is no dict: DeepRacer's first name of the camera."""

STEREO_CHANNELS = 2

Tensor = torch.Tensor

PPO_EPSILON = 1e-5
"""Adam's, as stable-baselines3 and the service have it for PPO."""


class Convolution(NamedTuple):
    """Sizes of one convolution."""

    filters: int
    kernel: int
    stride: int


Layers = tuple[Convolution, ...]


@dataclass(frozen=True)
class Network:
    """Sizes of one architecture."""

    camera: Layers  # convolutions over one picture
    stereo: Layers  # convolutions over a pair of pictures
    dense: tuple[int, ...]  # units behind the convolutions over one picture, one layer each
    middleware: tuple[int, ...]  # units behind the joined embedders
    numbers: tuple[int, ...] = (256, 256)  # units behind a sensor that sends no picture

    def convolutions(self, is_stereo: bool) -> Layers:
        """The convolutions over one picture, or over a pair of them."""
        if is_stereo:
            return self.stereo
        return self.camera


_SHALLOW_LAYERS: Layers = (Convolution(32, 8, 4), Convolution(64, 4, 2), Convolution(64, 3, 1))
_SMALL_LAYERS: Layers = (Convolution(16, 8, 4), Convolution(32, 4, 2))
_STEREO_LAYERS: Layers = (
    Convolution(32, 3, 1),
    Convolution(64, 3, 2),
    Convolution(64, 3, 1),
    Convolution(128, 3, 2),
    Convolution(128, 3, 1),
)

NETWORKS = {
    SHALLOW: Network(
        camera=_SHALLOW_LAYERS,
        stereo=_SHALLOW_LAYERS,
        dense=(),
        middleware=(512,),
    ),
    "DEEP_CONVOLUTIONAL_NETWORK": Network(
        camera=(
            Convolution(32, 5, 2),
            Convolution(32, 3, 1),
            Convolution(64, 3, 2),
            Convolution(64, 3, 1),
        ),
        stereo=_STEREO_LAYERS,
        dense=(64,),
        middleware=(512,),
    ),
    "DEEP_CONVOLUTIONAL_NETWORK_DEEP": Network(
        camera=(
            Convolution(32, 8, 4),
            Convolution(32, 4, 2),
            Convolution(64, 4, 2),
            Convolution(64, 3, 1),
        ),
        stereo=_STEREO_LAYERS,
        dense=(512, 512),
        middleware=(256, 128),
    ),
    SMALL: Network(
        camera=_SMALL_LAYERS,
        stereo=_SMALL_LAYERS,
        dense=(),
        middleware=(128,),
        numbers=(64,),
    ),
}
"""The first three are DeepRacer's; SMALL is for pictures of 80 x 60, and no car of AWS can load it."""


def find_network(name: str) -> Network:
    """The sizes of the network of that name. Raises UsageError for an unknown one."""
    if name not in NETWORKS:
        raise UsageError(
            f"unknown network {name!r}{did_you_mean(name, list(NETWORKS))} (there are {', '.join(NETWORKS)})"
        )
    return NETWORKS[name]


def convolved_size(rows: int, columns: int, layers: Layers) -> tuple[int, int]:
    """Rows and columns that convolutions leave of a picture. Raises UsageError where nothing is left.

    Examples
    --------
    >>> convolved_size(120, 160, NETWORKS[SHALLOW].camera)
    (11, 16)
    """
    picture = f"{columns} x {rows}"
    for layer in layers:
        rows = (rows - layer.kernel) // layer.stride + 1
        columns = (columns - layer.kernel) // layer.stride + 1
        if min(rows, columns) < 1:
            raise UsageError(
                f"pictures of {picture} are too small for this network: name a larger size or --network {SMALL}"
            )
    return rows, columns


def _multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for bfloat16.

    With them a network trains twice as fast in that format, without them ten times slower.
    """
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # not in older PyTorch
    return bool(capabilities and capabilities().get("avx512_bf16"))


HAS_BFLOAT16 = _multiplies_bfloat16()


class Embedding(BaseFeaturesExtractor):
    """A network up to its head: stable-baselines3's features extractor.

    Pictures of two channels are stereo pairs. In training mode it calculates in bfloat16 where the
    processor does; the weights, and what drives, are float32.
    """

    def __init__(
        self, observation_space: gymnasium.Space[Any], network_name: str = SHALLOW
    ) -> None:
        sizes = find_network(network_name)
        super().__init__(observation_space, sizes.middleware[-1])
        self._is_dict = isinstance(observation_space, gymnasium.spaces.Dict)
        spaces = _sensor_spaces(observation_space)
        self.embedders = nn.ModuleDict(
            {name: _embedder(space, sizes) for name, space in spaces.items()}
        )
        joined_width = sum(
            _output_width(self.embedders[name], space) for name, space in spaces.items()
        )
        self.middleware = _dense_layers((joined_width, *sizes.middleware))

    def forward(self, observation: Any) -> torch.Tensor:
        """(N, F) features of N observations, from which the head is computed."""
        parts = observation if self._is_dict else {SINGLE_SENSOR: observation}
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training and HAS_BFLOAT16):
            embedded = [embedder(parts[name]) for name, embedder in self.embedders.items()]
            if len(embedded) == 1:
                joined = embedded[0]
            else:
                joined = torch.cat(embedded, dim=1)
            features = self.middleware(joined)
        return cast("torch.Tensor", features.float())


class SensorPolicy(ActorCriticPolicy):
    """A policy that PPO trains: policy and value have a network each."""

    def __init__(self, *arguments: Any, network_name: str = SHALLOW, **keywords: Any) -> None:
        self.network_name = network_name
        fixed = _policy_keywords(network_name) | {
            "net_arch": [],
            "optimizer_kwargs": {"eps": PPO_EPSILON, "fused": True},
        }
        super().__init__(*arguments, **keywords | fixed)
        # up to twice as fast on a processor
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return _saved_parameters(super()._get_constructor_parameters(), self.network_name)


class SensorSACPolicy(SACPolicy):
    """A policy that SAC trains: actor and critics have a network each, with DeepRacer's layer of 256
    before the head.
    """

    def __init__(self, *arguments: Any, network_name: str = SHALLOW, **keywords: Any) -> None:
        self.network_name = network_name
        fixed = _policy_keywords(network_name) | {
            "net_arch": [256],
            "optimizer_kwargs": {"fused": True},
        }
        super().__init__(*arguments, **keywords | fixed)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return _saved_parameters(super()._get_constructor_parameters(), self.network_name)


def _policy_keywords(network_name: str) -> dict[str, Any]:
    """Arguments of stable-baselines3's policies that a network fixes."""
    return {
        "features_extractor_class": Embedding,
        "features_extractor_kwargs": {"network_name": network_name},
        "share_features_extractor": False,
        # the network divides by 255: stable-baselines3 takes no pair of pictures for one
        "normalize_images": False,
    }


def _saved_parameters(parameters: dict[str, Any], network_name: str) -> dict[str, Any]:
    """What a policy's file holds to make the policy again."""
    fixed = (*_policy_keywords(network_name), "net_arch", "optimizer_kwargs")
    saved = {key: value for key, value in parameters.items() if key not in fixed}
    return saved | {"network_name": network_name}


class _Scale(nn.Module):
    """Bytes as numbers from 0 to 1."""

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return (picture / 255.0).contiguous(memory_format=torch.channels_last)


def _sensor_spaces(space: gymnasium.Space[Any]) -> dict[str, gymnasium.spaces.Box]:
    """The observation space of each sensor by its name."""
    if isinstance(space, gymnasium.spaces.Dict):
        return {name: cast("gymnasium.spaces.Box", part) for name, part in space.spaces.items()}
    return {SINGLE_SENSOR: cast("gymnasium.spaces.Box", space)}


def _embedder(space: gymnasium.spaces.Box, sizes: Network) -> nn.Module:
    """The layers of one sensor: dense ones for numbers, convolutions for pictures (C, H, W)."""
    if len(space.shape) == 1:
        return _dense_layers((space.shape[0], *sizes.numbers))
    channels, rows, columns = space.shape
    is_stereo = channels == STEREO_CHANNELS
    convolutions = sizes.convolutions(is_stereo)
    layers: OrderedDict[str, nn.Module] = OrderedDict(scale=_Scale())
    for k, convolution in enumerate(convolutions):
        layers[f"conv{k}"] = nn.Conv2d(channels, *convolution)
        layers[f"relu{k}"] = nn.ReLU()
        channels = convolution.filters
    rows, columns = convolved_size(rows, columns, convolutions)
    layers["flat"] = nn.Flatten()
    if sizes.dense and not is_stereo:  # docs/simulator.md 9.4
        layers["dense"] = _dense_layers((channels * rows * columns, *sizes.dense))
    return nn.Sequential(layers)


def _output_width(embedder: nn.Module, space: gymnasium.spaces.Box) -> int:
    with torch.no_grad():
        return int(embedder(torch.zeros(1, *space.shape)).shape[1])


def _dense_layers(sizes: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class DeterministicPolicy(torch.nn.Module):
    """What a policy does, as a module of PyTorch.

    Its inputs are the observations by the `names`, (N, ...) each, as the environment gives them. Its
    outputs are those of `outputs`: `action`, (N,) positions in the list of actions or (N, 2) points
    in [-1, 1], `command` (N, 2) steering in degrees (positive to the left) and speed in m/s, and of
    discrete actions their `probabilities` (N, K), first of all.
    """

    def __init__(self, policy: BasePolicy, space: ActionSpace) -> None:
        super().__init__()
        self.policy = policy.eval()
        self.is_continuous = space.is_continuous
        self.names = input_names(policy)
        table = torch.tensor([space.steering_deg, space.speed], dtype=torch.float32).T
        self.register_buffer("table", table)
        self.table: Tensor

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward` returns."""
        if self.is_continuous:
            return ("action", "command")
        return ("probabilities", "action", "command")

    def forward(self, *observations: Tensor) -> tuple[Tensor, ...]:
        """What the policy does with N observations."""
        head = policy_head(self.policy, join_observation(self.names, observations))
        if self.is_continuous:
            action = head.clamp(-1.0, 1.0)
            low = self.table[0]
            high = self.table[1]
            return action, low + (action + 1.0) * (high - low) / 2.0
        choice = head.argmax(dim=1)
        return torch.softmax(head, dim=1), choice, self.table[choice]


def input_names(policy: BasePolicy) -> tuple[str, ...]:
    """Names of a policy's inputs: those of its sensors where there are several, else `observation`."""
    space: Any = policy.observation_space
    if hasattr(space, "spaces"):
        return tuple(space.spaces)
    return (SINGLE_SENSOR,)


def split_observation(names: tuple[str, ...], observation: Any) -> tuple[Tensor, ...]:
    """An observation of the environment as tensors, one for each name."""
    parts = observation
    if not isinstance(observation, Mapping):
        parts = {names[0]: observation}
    return tuple(torch.as_tensor(parts[name]) for name in names)


def join_observation(names: tuple[str, ...], parts: tuple[Tensor, ...]) -> Any:
    """Tensors as the policy takes them: one, or a dict of several."""
    if names == (SINGLE_SENSOR,):
        return parts[0]
    return dict(zip(names, parts, strict=True))


def policy_head(policy: BasePolicy, observation: Any) -> Tensor:
    """(N, K) logits of discrete actions, or (N, 2) points of continuous ones, not clipped to [-1, 1]."""
    if isinstance(policy, SACPolicy):
        actor = policy.actor
        features: Any = actor.extract_features(observation, actor.features_extractor)
        return torch.tanh(actor.mu(actor.latent_pi(features)))
    assert isinstance(policy, ActorCriticPolicy)
    inputs = preprocess_obs(
        observation, policy.observation_space, normalize_images=policy.normalize_images
    )
    features = policy.pi_features_extractor(inputs)
    head: Tensor = policy.action_net(policy.mlp_extractor.forward_actor(features))
    return head


def is_continuous_policy(policy: BasePolicy) -> bool:
    """Whether the actions of a policy are points, and not positions in a list."""
    return bool(policy.action_space.shape)
