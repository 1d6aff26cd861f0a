"""The frozen graph of a policy: from the sensors to probabilities, or to steering and speed.

It is what the car loads: inputs and output have the names that DeepRacer's software looks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.training.tensorflow.graph import (
    FLOAT,
    Attribute,
    Node,
    TensorShape,
    TensorType,
    constant,
)
from racer.training.tensorflow.layout import (
    PPO_POLICY,
    PPO_VALUE,
    Embedder,
    Layer,
    Subnetwork,
    policy_network,
)
from racer.vehicle import Metadata

LARGEST_BYTE = 255.0
"""Of a picture: the graph divides by it."""

_INTEGER = TensorType("int32")


def input_name(network: Subnetwork, sensor: str, agent: str = "agent") -> str:
    """The name of the node that a sensor's numbers are put in.

    PPO's value network has the inputs, which its other network shares.
    """
    scope = PPO_VALUE if network.scope == PPO_POLICY else network.scope
    return f"main_level/{agent}/{scope}/{sensor}/{sensor}"


def output_name(network: Subnetwork, agent: str = "agent") -> str:
    """The name of the node that the policy comes out of: probabilities of discrete actions, the
    means of PPO's continuous ones, SAC's means before they are squashed by tanh.
    """
    head = network.head[0].name.partition("/")[0]
    return network.full_name(f"{head}/policy", agent)


def policy_graph(tensors: Mapping[str, NDArray[Any]], metadata: Metadata) -> list[Node]:
    """The nodes of the graph of a policy, of its weights by the simulator's names."""
    network = policy_network(metadata)
    graph = _GraphMaker(network, tensors)
    embedded = [graph.add_embedder(embedder) for embedder in network.embedders]
    name = embedded[0]
    if len(embedded) > 1:
        name = graph.add_concatenation(embedded)
    for layer in network.middleware:
        name = graph.add_relu(graph.add_layer(layer, name))
    graph.add_head(name, metadata)
    return graph.nodes


class _GraphMaker:
    """Nodes that are added one by one; what adds one returns its name."""

    def __init__(self, network: Subnetwork, tensors: Mapping[str, NDArray[Any]]) -> None:
        self.nodes: list[Node] = []
        self._network = network
        self._tensors = tensors

    def _add(
        self, name: str, operation: str, inputs: tuple[str, ...], **attributes: Attribute
    ) -> str:
        self.nodes.append(Node(name, operation, inputs, attributes))
        return name

    def _add_constant(self, name: str, value: NDArray[Any]) -> str:
        self.nodes.append(constant(name, value))
        return name

    def add_embedder(self, embedder: Embedder) -> str:
        """The input of a sensor, and the layers behind it."""
        place = self._network.full_name(embedder.sensor)
        name = self._add(
            input_name(self._network, embedder.sensor),
            "Placeholder",
            (),
            dtype=FLOAT,
            shape=TensorShape((-1, *embedder.input_shape)),
        )
        if embedder.sees_pictures:
            largest = self._add_constant(f"{place}/truediv/y", np.array(LARGEST_BYTE, np.float32))
            name = self._add(f"{place}/truediv", "RealDiv", (name, largest), T=FLOAT)
        is_flat = not embedder.sees_pictures
        for layer in embedder.layers:
            if not layer.is_convolution and not is_flat:
                name = self._flatten(place, name, layer.kernel_shape[0])
                is_flat = True
            name = self.add_relu(self.add_layer(layer, name))
        if not is_flat:
            name = self._flatten(place, name, len(embedder.order))
        return name

    def _flatten(self, place: str, name: str, width: int) -> str:
        shape = self._add_constant(f"{place}/flatten/shape", np.array([-1, width], np.int32))
        return self._add(
            f"{place}/flatten/Reshape", "Reshape", (name, shape), T=FLOAT, Tshape=_INTEGER
        )

    def add_concatenation(self, names: list[str]) -> str:
        """The sensors, joined."""
        place = self._network.full_name("merger")
        axis = self._add_constant(f"{place}/axis", np.array(1, np.int32))
        return self._add(place, "ConcatV2", (*names, axis), T=FLOAT, Tidx=_INTEGER, N=len(names))

    def add_layer(self, layer: Layer, name: str) -> str:
        """A convolution or a dense layer, without its activation."""
        place = self._network.full_name(layer.name)
        kernel = self._add_constant(f"{place}/kernel", self._tensors[f"{place}/kernel"])
        bias = self._add_constant(f"{place}/bias", self._tensors[f"{place}/bias"])
        if layer.is_convolution:
            product = self._add(
                f"{place}/Conv2D",
                "Conv2D",
                (name, kernel),
                T=FLOAT,
                strides=[1, layer.stride, layer.stride, 1],
                dilations=[1, 1, 1, 1],
                padding=b"VALID",
                data_format=b"NHWC",
            )
        else:
            product = self._add(
                f"{place}/MatMul",
                "MatMul",
                (name, kernel),
                T=FLOAT,
                transpose_a=False,
                transpose_b=False,
            )
        return self._add(
            f"{place}/BiasAdd", "BiasAdd", (product, bias), T=FLOAT, data_format=b"NHWC"
        )

    def add_relu(self, name: str) -> str:
        """The activation of a layer."""
        return self._add(f"{name.rpartition('/')[0]}/Relu", "Relu", (name,), T=FLOAT)

    def add_head(self, name: str, metadata: Metadata) -> None:
        """The layers of the head, and the output."""
        layers = {layer.name.rpartition("/")[2]: layer for layer in self._network.head}
        if "dense" in layers:
            name = self.add_relu(self.add_layer(layers["dense"], name))
        last = layers.get("policy_fc") or layers["policy_mean"]
        operation = "Identity" if metadata.action_space.is_continuous else "Softmax"
        self._add(output_name(self._network), operation, (self.add_layer(last, name),), T=FLOAT)
