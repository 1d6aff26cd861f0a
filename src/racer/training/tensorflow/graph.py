"""TensorFlow's frozen graphs (`model.pb`), read and written as data.

A graph is a list of nodes: each has a name, an operation, the names of its inputs, and attributes.
The weights are attributes of `Const` nodes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.training.tensorflow.checkpoint import DTYPE_NUMBERS, DTYPES, read_shape
from racer.training.tensorflow.wire import (
    BYTES,
    DAMAGED,
    DamagedMessage,
    bytes_field,
    decoded_name,
    float_field,
    integer_field,
    read_fields,
    read_varint,
    signed,
)

MAX_NODES = 5_000
"""DeepRacer's largest graph has some 150."""
MAX_INPUTS = 64
MAX_ATTRIBUTES = 64
MAX_ATTRIBUTE_ITEMS = 64
MAX_ELEMENTS = 2**28
"""Of one tensor: four times those of DeepRacer's largest layer."""
PRODUCER = 27
"""The version of graphs that the nodes here are of: TensorFlow 1.12's."""

VALUE_FIELDS = {
    5: ("float32", "<f"),
    6: ("float64", "<d"),
    7: ("int32", ""),
    10: ("int64", ""),
    11: ("bool", ""),
}
"""Fields of a tensor that list its numbers; their format, none for those of any length."""


@dataclass(frozen=True)
class TensorType:
    """An attribute that names a type: `float32`; empty for one that is not known here."""

    name: str


@dataclass(frozen=True)
class TensorShape:
    """An attribute that tells a shape; -1 stands for any size."""

    sizes: tuple[int, ...]


Attribute = bool | int | float | bytes | list[int] | TensorType | TensorShape | NDArray[Any]

FLOAT = TensorType("float32")


@dataclass(frozen=True, eq=False)
class Node:
    """A node of a graph."""

    name: str
    operation: str
    inputs: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    @classmethod
    def variable(cls, name: str, shape: tuple[int, ...]) -> Node:
        """A node whose float32 numbers a checkpoint holds."""
        attributes: dict[str, Attribute] = {"dtype": FLOAT, "shape": TensorShape(shape)}
        return cls(name, "VariableV2", (), attributes)


def constant(name: str, value: NDArray[Any]) -> Node:
    """A node that holds an array."""
    return Node(name, "Const", (), {"dtype": TensorType(value.dtype.name), "value": value})


def write_graph(nodes: Sequence[Node]) -> bytes:
    """A frozen graph of nodes, each behind those that it uses.

    Examples
    --------
    >>> node = constant("w", np.ones((1, 2), np.float32))
    >>> [same] = read_graph(write_graph([node]), "mine")
    >>> same.name, same.operation, same.attributes["value"].tolist()
    ('w', 'Const', [[1.0, 1.0]])
    """
    parts = [bytes_field(1, _encode_node(node)) for node in nodes]
    return b"".join([*parts, bytes_field(4, integer_field(1, PRODUCER))])


def write_meta(nodes: Sequence[Node]) -> bytes:
    """The `.meta` beside a checkpoint: a graph without weights, which the simulator does not read."""
    return bytes_field(2, write_graph(nodes))


def read_graph(content: bytes, where: str) -> list[Node]:
    """The nodes of a frozen graph; arrays are views of its bytes.

    Raises UsageError, with a sentence that begins with `where`, for what is no graph or a damaged
    one. Nothing of it is executed.
    """
    nodes: list[Node] = []
    try:
        for part in read_fields(memoryview(content)):
            if part.number == 1 and part.kind == BYTES:
                if len(nodes) == MAX_NODES:
                    raise UsageError(
                        f"{where} has more than {MAX_NODES:,} nodes: it is no DeepRacer model"
                    )
                nodes.append(_decode_node(part.content, where))
    except DamagedMessage:
        raise UsageError(f"{where} {DAMAGED}, or no frozen graph of TensorFlow") from None
    if not nodes:
        raise UsageError(f"{where} is no frozen graph of TensorFlow: it has no nodes")
    return nodes


def _encode_node(node: Node) -> bytes:
    parts = [bytes_field(1, node.name.encode()), bytes_field(2, node.operation.encode())]
    parts += [bytes_field(3, name.encode()) for name in node.inputs]
    for name, value in sorted(node.attributes.items()):
        entry = bytes_field(1, name.encode()) + bytes_field(2, _encode_attribute(value))
        parts.append(bytes_field(5, entry))
    return b"".join(parts)


def _encode_attribute(value: Attribute) -> bytes:
    if isinstance(value, np.ndarray):
        return bytes_field(8, _encode_tensor(value))
    if isinstance(value, TensorType):
        return integer_field(6, DTYPE_NUMBERS[value.name])
    if isinstance(value, TensorShape):
        return bytes_field(7, _encode_shape(value.sizes))
    if isinstance(value, list):
        return bytes_field(1, b"".join(integer_field(3, number) for number in value))
    if isinstance(value, bytes):
        return bytes_field(2, value)
    if isinstance(value, bool):
        return integer_field(5, value)
    if isinstance(value, int):
        return integer_field(3, value)
    return float_field(4, value)


def _encode_shape(sizes: Sequence[int]) -> bytes:
    return b"".join(bytes_field(2, integer_field(1, size)) for size in sizes)


def _encode_tensor(value: NDArray[Any]) -> bytes:
    """A tensor. Numbers that stand alone are written as such: OpenVINO reads them wrong otherwise."""
    head = integer_field(1, DTYPE_NUMBERS[value.dtype.name]) + bytes_field(
        2, _encode_shape(value.shape)
    )
    if value.ndim:
        return head + bytes_field(4, value.tobytes())
    if value.dtype == np.float32:
        return head + float_field(5, float(value))
    return head + integer_field(7, int(value))


def _decode_node(message: memoryview, where: str) -> Node:
    name = ""
    operation = ""
    inputs = []
    attributes: dict[str, Attribute] = {}
    for part in read_fields(message):
        if part.number == 1:
            name = decoded_name(part.content, where)
        elif part.number == 2:
            operation = decoded_name(part.content, where)
        elif part.number == 3:
            inputs.append(decoded_name(part.content, where))
        elif part.number == 5:
            key, value = _decode_entry(part.content, where)
            if value is not None:
                attributes[key] = value
        if len(inputs) > MAX_INPUTS or len(attributes) > MAX_ATTRIBUTES:
            raise DamagedMessage
    return Node(name, operation, tuple(inputs), attributes)


def _decode_entry(message: memoryview, where: str) -> tuple[str, Attribute | None]:
    """An attribute's name and value; None for one of a kind that no weights need."""
    key = ""
    value = None
    for part in read_fields(message):
        if part.number == 1:
            key = decoded_name(part.content, where)
        elif part.number == 2:
            value = _decode_attribute(part.content, where)
    return key, value


def _decode_attribute(message: memoryview, where: str) -> Attribute | None:
    value: Attribute | None = None
    for part in read_fields(message):
        if part.number == 1:
            value = _decode_integers(part.content)
        elif part.number == 2:
            value = bytes(part.content)
        elif part.number == 3:
            value = signed(part.integer)
        elif part.number == 4 and len(part.content) == 4:
            [value] = struct.unpack("<f", part.content)
        elif part.number == 5:
            value = bool(part.integer)
        elif part.number == 6:
            value = TensorType(DTYPES.get(part.integer, ""))
        elif part.number == 7:
            value = TensorShape(tuple(read_shape(part.content)))
        elif part.number == 8:
            value = _decode_tensor(part.content, where)
    return value


def _decode_integers(message: memoryview) -> list[int]:
    """The whole numbers in a list, one by one or packed."""
    numbers = [
        number
        for part in read_fields(message)
        if part.number == 3
        for number in _integers(part.content if part.kind == BYTES else part.integer)
    ]
    if len(numbers) > MAX_ATTRIBUTE_ITEMS:
        raise DamagedMessage
    return numbers


def _integers(content: memoryview | int) -> Iterator[int]:
    """The whole number in a field, or those that are packed in it."""
    if isinstance(content, int):
        yield signed(content)
        return
    place = 0
    while place < len(content):
        integer, place = read_varint(content, place)
        yield signed(integer)


def _decode_tensor(message: memoryview, where: str) -> NDArray[Any]:
    """A tensor, a view of its bytes. One of an unknown type, or of several numbers that are not
    written as raw bytes, is an array of type `V1` without a place for them.
    """
    number = 0
    shape: list[int] = []
    raw: memoryview | None = None
    values: list[float] = []
    for part in read_fields(message):
        if part.number == 1:
            number = part.integer
        elif part.number == 2:
            shape = read_shape(part.content)
        elif part.number == 4:
            raw = part.content
        elif part.number in VALUE_FIELDS:
            values += _listed_values(part.number, part.kind, part.integer, part.content)
            if len(values) > MAX_ATTRIBUTE_ITEMS:
                return _unknown_tensor()
    if number not in DTYPES:
        return _unknown_tensor()
    dtype = np.dtype(DTYPES[number])
    if min(shape, default=0) < 0:
        raise DamagedMessage
    count = prod(shape)
    if count > MAX_ELEMENTS:
        raise DamagedMessage
    if raw is not None:
        if len(raw) != count * dtype.itemsize:
            raise UsageError(
                f"{where} {DAMAGED}: a tensor's shape and its size contradict each other"
            )
        return np.frombuffer(raw, dtype).reshape(shape)
    if len(values) == count:
        return np.array(values, dtype).reshape(shape)
    if len(values) == 1 or not values:  # the last number stands for all that follow
        return np.broadcast_to(np.array(values[0] if values else 0, dtype), shape)
    return _unknown_tensor()


def _unknown_tensor() -> NDArray[Any]:
    return np.zeros(0, "V1")


def _listed_values(number: int, kind: int, integer: int, content: memoryview) -> list[Any]:
    """Numbers of a tensor that are listed in a field."""
    _, form = VALUE_FIELDS[number]
    if not form:
        if len(content) > MAX_ATTRIBUTE_ITEMS * 10:
            raise DamagedMessage
        return list(_integers(content if kind == BYTES else integer))
    size = struct.calcsize(form)
    if len(content) % size or len(content) > MAX_ATTRIBUTE_ITEMS * size:
        raise DamagedMessage
    return [value for [value] in struct.iter_unpack(form, content)]
