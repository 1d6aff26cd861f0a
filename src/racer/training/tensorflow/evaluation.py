"""What a frozen graph calculates, operation by operation: the check on graphs, ours and others'.

It knows nothing of racer's networks, so it agrees with a policy only where names, layouts and the
order of layers are right. It knows the operations of DeepRacer's graphs and no others, and refuses
what would take more numbers than their largest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from racer.errors import UsageError
from racer.training.tensorflow.graph import Node

MAX_VALUES = 2**24
"""Of one result, per observation: ten times those of DeepRacer's largest."""
MAX_PRODUCTS = 2**31
"""Multiplications of one operation, per observation: twelve times those of DeepRacer's largest."""

BROADCAST = (
    "Add",
    "AddV2",
    "Sub",
    "Mul",
    "RealDiv",
    "Maximum",
    "Minimum",
    "BiasAdd",
    "ClipByValue",
)
"""Operations whose inputs are stretched over each other."""

Tensor = torch.Tensor
Operation = Callable[[Node, list[Tensor]], Tensor]


def evaluate_graph(
    nodes: Sequence[Node], output: str, inputs: Mapping[str, NDArray[Any]], where: str
) -> NDArray[np.float32]:
    """What the node `output` gives for inputs by the names of their nodes, (N, ...) each.

    Raises UsageError, with a sentence that begins with `where`, for an operation that no network of
    DeepRacer has, for one that does not fit its inputs, and for too large a result.
    """
    by_name = {node.name: node for node in nodes}
    values = {name: torch.from_numpy(np.asarray(part, np.float32)) for name, part in inputs.items()}
    count = max(len(part) for part in values.values())
    with torch.no_grad():
        for name in _needed_names(by_name, output, set(values), where):
            node = by_name[name]
            arguments = [values[_node_name(source)] for source in _data_inputs(node)]
            values[name] = _evaluate_node(node, arguments, count, where)
    result: NDArray[np.float32] = values[output].numpy()
    return result


def _needed_names(
    by_name: Mapping[str, Node], output: str, given: set[str], where: str
) -> list[str]:
    """The nodes that an output needs, each behind those that it uses. Raises UsageError."""
    ordered: list[str] = []
    done = set(given)
    open_names: set[str] = set()
    stack = [output]
    while stack:
        name = stack[-1]
        if name in done:
            stack.pop()
            continue
        if name not in by_name:
            raise UsageError(f"{where} lacks the node {name}: it is cut off, or no DeepRacer model")
        missing = [
            source for source in map(_node_name, _data_inputs(by_name[name])) if source not in done
        ]
        if not missing:
            done.add(stack.pop())
            ordered.append(name)
            continue
        if name in open_names:
            raise UsageError(f"{where} goes round in circles at {name}: it is no DeepRacer model")
        open_names.add(name)
        stack += missing
    return ordered


def _data_inputs(node: Node) -> list[str]:
    """The inputs of a node but those that only say what is to be done before."""
    return [name for name in node.inputs if not name.startswith("^")]


def _node_name(source: str) -> str:
    """`name` of `name:0`."""
    return source.removesuffix(":0")


def _evaluate_node(node: Node, arguments: list[Tensor], count: int, where: str) -> Tensor:
    if node.operation == "Placeholder":
        raise UsageError(f"{where} has the input {node.name}, which no sensor of the model fills")
    operation = OPERATIONS.get(node.operation)
    if operation is None:
        raise UsageError(
            f"{where} has the operation {node.operation[:40]!r} ({node.name}), which no network of "
            "DeepRacer has: it was quantized, converted, or is no DeepRacer model"
        )
    try:
        _check_size(node, arguments, count)
        result = operation(node, arguments)
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, OverflowError):
        raise UsageError(
            f"{where}: the operation {node.name} does not fit its inputs: it is damaged"
        ) from None
    if result.numel() > MAX_VALUES * count:
        raise UsageError(f"{where}: {node.name} gives more numbers than any network of DeepRacer")
    return result


def _check_size(node: Node, arguments: list[Tensor], count: int) -> None:
    """Raise ValueError where an operation would take or give too much."""
    shapes = [tuple(part.shape) for part in arguments]
    values = sum(map(prod, shapes))
    products = 0
    if node.operation in BROADCAST:
        values = prod(np.broadcast_shapes(*shapes))
    elif node.operation == "MatMul":
        values = shapes[0][0] * shapes[1][1]
        products = shapes[0][0] * prod(shapes[1])
    elif node.operation == "Conv2D":
        strides = _window(node)
        picture = prod(shapes[0][:3])
        products = picture * prod(shapes[1]) // strides**2
        values = picture * shapes[1][3] // strides**2
    if values > MAX_VALUES * count or products > MAX_PRODUCTS * count:
        raise ValueError(node.name)


def _constant(node: Node, arguments: list[Tensor]) -> Tensor:
    value: Any = node.attributes["value"]
    return torch.from_numpy(np.array(value))


def _window(node: Node) -> int:
    """The stride of a convolution, the same along rows and columns. Raises ValueError otherwise."""
    strides: Any = node.attributes["strides"]
    is_plain = (
        node.attributes["padding"] == b"VALID"
        and node.attributes.get("data_format", b"NHWC") == b"NHWC"
        and node.attributes.get("dilations", [1, 1, 1, 1]) == [1, 1, 1, 1]
        and strides == [1, strides[1], strides[1], 1]
    )
    if not is_plain or strides[1] < 1:
        raise ValueError(node.name)
    return int(strides[1])


def _convolve(node: Node, arguments: list[Tensor]) -> Tensor:
    picture, kernel = arguments
    moved = functional.conv2d(
        picture.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), stride=_window(node)
    )
    return moved.permute(0, 2, 3, 1)


def _multiply(node: Node, arguments: list[Tensor]) -> Tensor:
    first, second = arguments
    if node.attributes.get("transpose_a") or node.attributes.get("transpose_b"):
        raise ValueError(node.name)
    return first @ second


def _reshape(node: Node, arguments: list[Tensor]) -> Tensor:
    value, shape = arguments
    return value.reshape(shape.tolist())


def _concatenate(node: Node, arguments: list[Tensor]) -> Tensor:
    *parts, axis = arguments
    return torch.cat(parts, dim=int(axis))


def _shape(node: Node, arguments: list[Tensor]) -> Tensor:
    return torch.tensor(arguments[0].shape, dtype=torch.int32)


def _slice(node: Node, arguments: list[Tensor]) -> Tensor:
    """A part of a shape: `shape[begin:end:step]`, or one number of it."""
    value, begin, end, step = arguments
    if value.dim() != 1:
        raise ValueError(node.name)
    start = 0 if node.attributes.get("begin_mask") else int(begin)
    stop = len(value) if node.attributes.get("end_mask") else int(end)
    if node.attributes.get("shrink_axis_mask"):
        return value[start]
    return value[start : stop : int(step)]


def _stack(node: Node, arguments: list[Tensor]) -> Tensor:
    return torch.stack([part.to(torch.int32) for part in arguments])


def _clip(node: Node, arguments: list[Tensor]) -> Tensor:
    value, low, high = arguments
    return torch.minimum(torch.maximum(value, low), high)


def _product(node: Node, arguments: list[Tensor]) -> Tensor:
    return arguments[0].prod().to(arguments[0].dtype)


OPERATIONS: dict[str, Operation] = {
    "Const": _constant,
    "Identity": lambda node, arguments: arguments[0],
    "StopGradient": lambda node, arguments: arguments[0],
    "Add": lambda node, arguments: arguments[0] + arguments[1],
    "AddV2": lambda node, arguments: arguments[0] + arguments[1],
    "BiasAdd": lambda node, arguments: arguments[0] + arguments[1],
    "Sub": lambda node, arguments: arguments[0] - arguments[1],
    "Mul": lambda node, arguments: arguments[0] * arguments[1],
    "RealDiv": lambda node, arguments: arguments[0] / arguments[1],
    "Maximum": lambda node, arguments: torch.maximum(arguments[0], arguments[1]),
    "Minimum": lambda node, arguments: torch.minimum(arguments[0], arguments[1]),
    "ClipByValue": _clip,
    "Conv2D": _convolve,
    "MatMul": _multiply,
    "Relu": lambda node, arguments: functional.relu(arguments[0]),
    "Tanh": lambda node, arguments: torch.tanh(arguments[0]),
    "Softmax": lambda node, arguments: torch.softmax(arguments[0], dim=-1),
    "Reshape": _reshape,
    "ConcatV2": _concatenate,
    "Shape": _shape,
    "StridedSlice": _slice,
    "Pack": _stack,
    "Prod": _product,
}
"""What each operation calculates."""
