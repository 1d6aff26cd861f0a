"""Where DeepRacer's networks keep their weights: the simulator's names and layouts for each layer of
a policy, and racer's.

| racer | the simulator |
|---|---|
| PPO: the half that acts, the half that values | `main_level/agent/main/online/network_1`, `.../network_0` |
| SAC: the actor | `main_level/agent/policy/online/network_0` |
| `embedders.camera.conv0` | `FRONT_FACING_CAMERA/Conv2d_0`; the layers of an embedder are counted in twos |
| `embedders.lidar.0`, `middleware.0` | `LIDAR/Dense_0`, `middleware_fc_embedder/Dense_0` |
| `action_net` | `ppo_head_0/policy_fc`; of continuous actions `policy_mean`, with `policy_log_std` |
| `value_net` | `v_values_head_0/output` |
| `actor.latent_pi.0`, `actor.mu`, `actor.log_std` | `sac_policy_head_0/dense`, `policy_mean`, `dense_1` |

Pictures are (rows, columns, channels) there and (channels, rows, columns) here, and sensors are
joined in the order of their names there. So the rows of a dense layer behind pictures or behind
several sensors come in another order (`Layer.columns`). Each network has one more number,
`gradients_from_head_0-0_rescalers`, without which the simulator restores nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from racer.sensors import METADATA_OBSERVATIONS, sensor_spec
from racer.training.networks import SINGLE_SENSOR, convolved_size, find_network
from racer.vehicle import Metadata

RESCALER = "gradients_from_head_0-0_rescalers"
AGENT = "agent"
PPO_POLICY = "main/online/network_1"
PPO_VALUE = "main/online/network_0"
SAC_POLICY = "policy/online/network_0"
SAC_Q = "q/online/network_0"
SAC_V = "v/online/network_0"
HIDDEN_UNITS = 256
"""Of each hidden layer of SAC's heads."""
ACTION_NUMBERS = 2
"""Of a continuous action: steering and speed."""

Shape = tuple[int, ...]
Order = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of a network, there and here.

    Attributes
    ----------
    name
        Its name there, below that of its network.
    module
        Its name here, below the policy.
    kernel_shape
        Of its weights there: (rows, columns, inputs, filters), or (inputs, units).
    stride
        Of a convolution; 0 for a dense layer.
    columns
        (inputs,) of a dense layer: the input here that stands at each place there; None where the
        order is the same.
    explores
        Whether only chance needs it, so that a frozen graph lacks it: SAC's deviation.
    """

    name: str
    module: str
    kernel_shape: Shape
    stride: int = 0
    columns: Order | None = None
    explores: bool = False

    @property
    def is_convolution(self) -> bool:
        """Whether it is a convolution, and no dense layer."""
        return self.stride > 0

    def to_kernel(self, weight: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weights from here as they lie there."""
        if self.is_convolution:
            return weight.transpose(2, 3, 1, 0).copy()
        if self.columns is not None:
            weight = weight[:, self.columns]
        return weight.T.copy()

    def to_weight(self, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weights from there as they lie here."""
        if self.is_convolution:
            return kernel.transpose(3, 2, 0, 1).copy()
        if self.columns is None:
            return kernel.T.copy()
        weight = np.empty(kernel.shape[::-1], kernel.dtype)
        weight[:, self.columns] = kernel.T
        return weight


@dataclass(frozen=True, eq=False)
class Embedder:
    """The layers of one sensor.

    Attributes
    ----------
    sensor, kind
        Its name there and here.
    input_shape
        Of what it sends there: (rows, columns, channels), or (numbers,).
    layers
        Its layers.
    order
        (width,) of what its layers make of that: the number here that stands at each place there.
    """

    sensor: str
    kind: str
    input_shape: Shape
    layers: tuple[Layer, ...]
    order: Order

    @property
    def sees_pictures(self) -> bool:
        """Whether the sensor is a camera, whose bytes the network divides by 255."""
        return len(self.input_shape) == 3


@dataclass(frozen=True, eq=False)
class Subnetwork:
    """One of the networks of a policy: its name there, its embedders in the order in which they are
    joined there, the layers behind them, and those of its head.
    """

    scope: str
    embedders: tuple[Embedder, ...]
    middleware: tuple[Layer, ...]
    head: tuple[Layer, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All its layers."""
        embedded = [layer for embedder in self.embedders for layer in embedder.layers]
        return (*embedded, *self.middleware, *self.head)

    def full_name(self, name: str, agent: str = AGENT) -> str:
        """The whole name of something in it."""
        return f"main_level/{agent}/{self.scope}/{name}"


HeadMaker = Callable[[int, Metadata], tuple[Layer, ...]]
"""Makes the layers of a head, of the units before it and what the actions are."""


def policy_network(metadata: Metadata) -> Subnetwork:
    """The network that acts, of a policy with those actions, sensors, network and algorithm.

    Examples
    --------
    >>> from racer.vehicle import ActionSpace, Metadata
    >>> space = ActionSpace(False, (-20.0, 20.0), (1.0, 1.0))
    >>> network = policy_network(Metadata(space))
    >>> network.full_name(network.head[0].name), network.head[0].kernel_shape
    ('main_level/agent/main/online/network_1/ppo_head_0/policy_fc', (512, 2))
    """
    if metadata.training_algorithm == "sac":
        return _subnetwork(SAC_POLICY, "actor.features_extractor", metadata, _sac_head)
    return _subnetwork(PPO_POLICY, "pi_features_extractor", metadata, _ppo_head)


def value_network(metadata: Metadata) -> Subnetwork:
    """The network of a policy of PPO that says what to expect."""
    return _subnetwork(PPO_VALUE, "vf_features_extractor", metadata, _value_head)


def critic_shapes(metadata: Metadata) -> dict[str, Shape]:
    """Names, below the agent's, and shapes of what SAC's critics there consist of: racer's have
    other layers.
    """
    actor = policy_network(metadata)
    actions = actor.head[-1].kernel_shape[1]
    embedded = [layer for embedder in actor.embedders for layer in embedder.layers]
    shapes: dict[str, Shape] = {}
    for scope, layers in ((SAC_Q, embedded), (SAC_V, [*embedded, *actor.middleware])):
        shapes[f"{scope}/{RESCALER}"] = ()
        for layer in layers:
            shapes |= _shapes_of_layer(f"{scope}/{layer.name}", layer.kernel_shape)
    joined_width = sum(len(embedder.order) for embedder in actor.embedders) + actions
    sizes = (joined_width, HIDDEN_UNITS, HIDDEN_UNITS, 1)
    for head in ("q1", "q2"):
        for k, name in enumerate(("dense", "dense_1", f"{head}_output")):
            full_name = f"{SAC_Q}/q_values_head_0/{head}_head/{name}"
            shapes |= _shapes_of_layer(full_name, (sizes[k], sizes[k + 1]))
    width = actor.middleware[-1].kernel_shape[1]
    return shapes | _shapes_of_layer(f"{SAC_V}/v_values_head_0/output", (width, 1))


def _shapes_of_layer(name: str, kernel_shape: Shape) -> dict[str, Shape]:
    return {f"{name}/kernel": kernel_shape, f"{name}/bias": kernel_shape[-1:]}


def _subnetwork(scope: str, module: str, metadata: Metadata, head: HeadMaker) -> Subnetwork:
    """A network whose embedders and middleware are called `module` here."""
    has_several = len(metadata.sensor) > 1
    embedders = {}
    for sensor in sorted(metadata.sensor):
        kind = METADATA_OBSERVATIONS[sensor]
        place = f"{module}.embedders.{kind if has_several else SINGLE_SENSOR}"
        embedders[kind] = _embedder(sensor, kind, place, metadata)
    units = find_network(metadata.neural_network).middleware
    middleware = _dense_layers(
        "middleware_fc_embedder", f"{module}.middleware", _joined_order(embedders), units
    )
    return Subnetwork(scope, tuple(embedders.values()), middleware, head(units[-1], metadata))


def _joined_order(embedders: Mapping[str, Embedder]) -> Order:
    """(inputs,) the number here that stands at each place there, once all sensors are joined: here
    in the order of their kinds.
    """
    starts = {}
    width = 0
    for kind in sorted(embedders):
        starts[kind] = width
        width += len(embedders[kind].order)
    return np.concatenate([starts[kind] + one.order for kind, one in embedders.items()])


def _embedder(sensor: str, kind: str, module: str, metadata: Metadata) -> Embedder:
    network = find_network(metadata.neural_network)
    shape = sensor_spec(kind, metadata.lidar_config).shape
    if len(shape) == 1:
        layers = _dense_layers(sensor, module, np.arange(shape[0]), network.numbers)
        return Embedder(sensor, kind, shape, layers, np.arange(network.numbers[-1]))
    channels, rows, columns = shape
    is_stereo = kind == "stereo"
    convolutions = network.convolutions(is_stereo)
    inputs = channels
    layers = ()
    for k, convolution in enumerate(convolutions):
        kernel_shape = (convolution.kernel, convolution.kernel, inputs, convolution.filters)
        name = f"{sensor}/Conv2d_{2 * k}"
        layers += (Layer(name, f"{module}.conv{k}", kernel_shape, convolution.stride),)
        inputs = convolution.filters
    order = _picture_order(inputs, *convolved_size(rows, columns, convolutions))
    if network.dense and not is_stereo:  # docs/simulator.md 9.4
        layers += _dense_layers(
            sensor, f"{module}.dense", order, network.dense, first=len(convolutions)
        )
        order = np.arange(network.dense[-1])
    return Embedder(sensor, kind, (rows, columns, channels), layers, order)


def _picture_order(channels: int, rows: int, columns: int) -> Order:
    """(channels * rows * columns,) the number of a flattened picture here that stands at each place
    there.
    """
    numbers = np.arange(channels * rows * columns).reshape(channels, rows, columns)
    return numbers.transpose(1, 2, 0).reshape(-1)


def _dense_layers(
    name: str, module: str, order: Order, units: tuple[int, ...], first: int = 0
) -> tuple[Layer, ...]:
    """Dense layers one behind the other, over inputs in that order; `first` layers are before them."""
    layers = []
    for k, (inputs, outputs) in enumerate(pairwise((len(order), *units))):
        is_moved = k == 0 and bool((np.diff(order) != 1).any())
        layers.append(
            Layer(
                f"{name}/Dense_{2 * (first + k)}",
                f"{module}.{2 * k}",
                (inputs, outputs),
                columns=order if is_moved else None,
            )
        )
    return tuple(layers)


def _ppo_head(width: int, metadata: Metadata) -> tuple[Layer, ...]:
    space = metadata.action_space
    name = "policy_mean" if space.is_continuous else "policy_fc"
    actions = ACTION_NUMBERS if space.is_continuous else space.size
    return (Layer(f"ppo_head_0/{name}", "action_net", (width, actions)),)


def _value_head(width: int, metadata: Metadata) -> tuple[Layer, ...]:
    return (Layer("v_values_head_0/output", "value_net", (width, 1)),)


def _sac_head(width: int, metadata: Metadata) -> tuple[Layer, ...]:
    place = "sac_policy_head_0"
    return (
        Layer(f"{place}/dense", "actor.latent_pi.0", (width, HIDDEN_UNITS)),
        Layer(f"{place}/dense_1", "actor.log_std", (HIDDEN_UNITS, ACTION_NUMBERS), explores=True),
        Layer(f"{place}/policy_mean", "actor.mu", (HIDDEN_UNITS, ACTION_NUMBERS)),
    )
