"""The weights of a policy in the simulator's names and layouts, and back: to the last bit.

Here they are what `state_dict` of a policy gives, there tensors by their names, as a checkpoint or
a frozen graph holds them (`racer.training.tensorflow.layout`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.training.networks import NETWORKS, SMALL
from racer.training.tensorflow.checkpoint import Tensors
from racer.training.tensorflow.layout import (
    AGENT,
    RESCALER,
    Layer,
    Shape,
    Subnetwork,
    critic_shapes,
    policy_network,
    value_network,
)
from racer.vehicle import Metadata

State = Mapping[str, torch.Tensor]

DEEPRACER_NETWORKS = tuple(name for name in NETWORKS if name != SMALL)
CRITIC_SEED = 0
"""Of the critics of SAC that an export begins anew with."""

LOG_STD = "ppo_head_0/policy_log_std"
_AGENT_NAME = re.compile(r"main_level/(agent(?:_\d{1,3})?)/")
_TWIN = ("pi_features_extractor.", "features_extractor.")
"""stable-baselines3 calls the embedders of PPO's acting half by two names."""


def policy_tensors(state: State, metadata: Metadata) -> Tensors:
    """The weights of the network that acts, by their names there.

    Examples
    --------
    >>> import torch
    >>> from racer.vehicle import ActionSpace, Metadata
    >>> metadata = Metadata(ActionSpace(False, (-20.0, 20.0), (1.0, 1.0)))
    >>> state = {name: torch.zeros(shape) for name, shape in state_shapes(metadata).items()}
    >>> len(policy_tensors(state, metadata))
    11
    """
    network = policy_network(metadata)
    tensors = _network_tensors(state, network)
    if _has_log_std(metadata):
        log_std = state["log_std"].detach().numpy()
        tensors[network.full_name(LOG_STD)] = log_std.reshape(1, -1).copy()
    return tensors


def value_tensors(state: State, metadata: Metadata, scale: float = 1.0) -> Tensors:
    """The weights of PPO's value network, by their names there.

    `scale` is by how much the pay there is more than what the network was trained on.
    """
    network = value_network(metadata)
    tensors = _network_tensors(state, network)
    if scale != 1.0:
        for part in ("kernel", "bias"):
            name = network.full_name(f"{network.head[0].name}/{part}")
            tensors[name] = np.asarray(tensors[name] * np.float32(scale))
    return tensors


def fresh_critics(metadata: Metadata) -> Tensors:
    """Fresh weights, as the simulator draws them, of SAC's critics there."""
    generator = np.random.default_rng(CRITIC_SEED)
    tensors: Tensors = {}
    for name, shape in critic_shapes(metadata).items():
        full_name = f"main_level/{AGENT}/{name}"
        if name.endswith(RESCALER):
            tensors[full_name] = np.array(1.0, np.float32)
        elif name.endswith("/bias"):
            tensors[full_name] = np.zeros(shape, np.float32)
        else:
            limit = np.sqrt(6.0 / (_fan(shape, -2) + _fan(shape, -1)))
            tensors[full_name] = generator.uniform(-limit, limit, shape).astype(np.float32)
    return tensors


def policy_state(
    tensors: Mapping[str, NDArray[Any]], metadata: Metadata, where: str
) -> dict[str, torch.Tensor]:
    """The weights of the network that acts, by their names here.

    A frozen graph lacks the deviation of its actions, and so does what this gives then. Raises
    UsageError, with a sentence that begins with `where`, for what is not there, of another shape or
    type, or no number.
    """
    network = policy_network(metadata)
    agent = find_agent(tensors, where)
    named = _numbered_alike(tensors, network, agent)
    state = _network_state(named, network, agent, where, metadata)
    for name, weights in list(state.items()):
        if name.startswith(_TWIN[0]):
            state[name.replace(*_TWIN, 1)] = weights
    if _has_log_std(metadata):
        name = network.full_name(LOG_STD, agent)
        if name in tensors:
            log_std = _checked(tensors, name, (1, 2), where)
            state["log_std"] = torch.from_numpy(log_std.reshape(-1).copy())
    return state


def value_state(
    tensors: Mapping[str, NDArray[Any]], metadata: Metadata, where: str
) -> dict[str, torch.Tensor]:
    """The weights of PPO's value network by their names here; none where there are none.

    Raises UsageError as `policy_state` does.
    """
    if metadata.training_algorithm == "sac":
        return {}
    network = value_network(metadata)
    agent = find_agent(tensors, where)
    if network.full_name(f"{network.head[0].name}/kernel", agent) not in tensors:
        return {}
    return _network_state(tensors, network, agent, where, metadata)


def state_shapes(metadata: Metadata) -> dict[str, Shape]:
    """The shapes of the weights of a policy here, of the network that acts and, of PPO, of the one
    that values.
    """
    networks = [policy_network(metadata)]
    if metadata.training_algorithm != "sac":
        networks.append(value_network(metadata))
    shapes: dict[str, Shape] = {}
    for network in networks:
        for layer in network.layers:
            weight = layer.to_weight(np.broadcast_to(np.float32(0.0), layer.kernel_shape))
            shapes |= {
                f"{layer.module}.weight": weight.shape,
                f"{layer.module}.bias": weight.shape[:1],
            }
    if _has_log_std(metadata):
        shapes["log_std"] = (2,)
    return shapes


def find_agent(names: Iterable[str], where: str) -> str:
    """What the agent is called in the names of tensors or nodes: `agent`, or `agent_0`.

    Raises UsageError where none is named.
    """
    for name in names:
        match = _AGENT_NAME.match(name)
        if match:
            return match[1]
    raise UsageError(
        f"{where} is no model of DeepRacer: none of its names begins with main_level/{AGENT}/"
    )


def _has_log_std(metadata: Metadata) -> bool:
    """Whether a policy has a deviation of its own: PPO's with continuous actions."""
    return metadata.training_algorithm != "sac" and metadata.action_space.is_continuous


def _network_tensors(state: State, network: Subnetwork) -> Tensors:
    tensors: Tensors = {network.full_name(RESCALER): np.array(1.0, np.float32)}
    for layer in network.layers:
        weight = state[f"{layer.module}.weight"].detach().numpy()
        bias = state[f"{layer.module}.bias"].detach().numpy()
        tensors[network.full_name(f"{layer.name}/kernel")] = layer.to_kernel(weight)
        tensors[network.full_name(f"{layer.name}/bias")] = bias.copy()
    return tensors


def _network_state(
    tensors: Mapping[str, NDArray[Any]],
    network: Subnetwork,
    agent: str,
    where: str,
    metadata: Metadata,
) -> dict[str, torch.Tensor]:
    state = {}
    for layer in network.layers:
        name = network.full_name(layer.name, agent)
        if layer.explores and f"{name}/kernel" not in tensors:
            continue
        _check_layer(tensors, name, layer, where, metadata)
        kernel = _checked(tensors, f"{name}/kernel", layer.kernel_shape, where)
        bias = _checked(tensors, f"{name}/bias", layer.kernel_shape[-1:], where)
        state[f"{layer.module}.weight"] = torch.from_numpy(layer.to_weight(kernel))
        state[f"{layer.module}.bias"] = torch.from_numpy(bias.copy())
    return state


def _check_layer(
    tensors: Mapping[str, NDArray[Any]], name: str, layer: Layer, where: str, metadata: Metadata
) -> None:
    """Raise UsageError where a layer is absent or of another shape, with the network that fits."""
    kernel = tensors.get(f"{name}/kernel")
    if kernel is not None and kernel.shape == layer.kernel_shape:
        return
    asked = f"{metadata.neural_network} on {' and '.join(metadata.sensor)} with {_actions_text(metadata)}"
    if kernel is None:
        problem = f"has no layer {name}"
    else:
        problem = (
            f"{name} is {_shape_text(kernel.shape)}, and not {_shape_text(layer.kernel_shape)}"
        )
    raise UsageError(
        f"{where}: {problem}, which {asked} has, as model_metadata.json says: is that of another model?"
    )


def _checked(
    tensors: Mapping[str, NDArray[Any]], name: str, shape: Shape, where: str
) -> NDArray[np.float32]:
    """A tensor of that shape, of float32 numbers. Raises UsageError."""
    tensor = tensors.get(name)
    if tensor is None:
        raise UsageError(f"{where}: has no {name}: it is cut off, or of another model")
    if tensor.dtype != np.float32:
        raise UsageError(
            f"{where}: {name} is no float32: it was quantized or converted; take the original"
        )
    if tensor.shape != shape:
        raise UsageError(
            f"{where}: {name} is {_shape_text(tensor.shape)}, and not {_shape_text(shape)}"
        )
    if not np.isfinite(tensor).all():
        raise UsageError(f"{where}: {name} holds what is no number (nan): its training went astray")
    return tensor


def _numbered_alike(
    tensors: Mapping[str, NDArray[Any]], network: Subnetwork, agent: str
) -> Mapping[str, NDArray[Any]]:
    """The tensors with SAC's layers that have no name of their own by our numbers.

    The simulator counts them over all networks since its version 6: `dense_3` may stand for
    `dense_1`. Their order is the same.
    """
    place = network.full_name("sac_policy_head_0/", agent)
    pattern = re.compile(re.escape(place) + r"dense(?:_(\d{1,6}))?/kernel")
    matches = [match for name in tensors if (match := pattern.fullmatch(name))]
    matches.sort(key=lambda match: int(match[1] or 0))
    renamed = dict(tensors)
    for match, ours in zip(matches, ("dense", "dense_1"), strict=False):
        theirs = match[0].removesuffix("/kernel")
        for part in ("kernel", "bias"):
            if f"{theirs}/{part}" in tensors:
                renamed[f"{place}{ours}/{part}"] = tensors[f"{theirs}/{part}"]
    return renamed


def _fan(shape: Shape, place: int) -> int:
    """How many numbers go into a layer (-2) or come out of it (-1)."""
    size = shape[place]
    for more in shape[:-2]:
        size *= more
    return size


def _actions_text(metadata: Metadata) -> str:
    if metadata.action_space.is_continuous:
        return "continuous actions"
    return f"{metadata.action_space.size} actions"


def _shape_text(shape: Shape) -> str:
    """`8 x 8 x 1 x 32`."""
    return " x ".join(map(str, shape)) or "one number"
