"""TensorFlow's checkpoints: tensors by their names, in an index and a file of raw numbers.

The index is a table (`racer.training.tensorflow.table`) of messages, one a tensor: its type, its
shape, where in the data it lies, and a checksum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.training.tensorflow.checksum import masked_crc32c
from racer.training.tensorflow.table import read_table, write_table
from racer.training.tensorflow.wire import (
    DAMAGED,
    DamagedMessage,
    bytes_field,
    decoded_name,
    fixed32_field,
    integer_field,
    read_fields,
    signed,
)

INDEX_SUFFIX = ".index"
DATA_SUFFIX = ".data-00000-of-00001"
META_SUFFIX = ".meta"

DTYPES = {1: "float32", 2: "float64", 3: "int32", 9: "int64", 10: "bool"}
"""TensorFlow's types by their numbers, as far as checkpoints of DeepRacer have them."""
DTYPE_NUMBERS = {name: number for number, name in DTYPES.items()}
MAX_DIMENSIONS = 8

Tensors = dict[str, NDArray[Any]]


@dataclass
class _Entry:
    """What the index says of a tensor."""

    dtype: int = 0
    shape: list[int] = field(default_factory=list)
    shard: int = 0
    offset: int = 0
    size: int = 0
    checksum: int = 0
    has_slices: bool = False


def write_checkpoint(tensors: Mapping[str, NDArray[Any]]) -> tuple[bytes, bytes]:
    """The index and the data of a checkpoint.

    Examples
    --------
    >>> index, data = write_checkpoint({"w": np.ones((2, 1), np.float32)})
    >>> read_checkpoint(index, data, "mine")["w"].tolist()
    [[1.0], [1.0]]
    """
    # one shard, little endian, version 1
    header = integer_field(1, 1) + bytes_field(3, integer_field(1, 1))
    entries = [(b"", header)]
    data = bytearray()
    for name in sorted(tensors, key=str.encode):
        tensor = tensors[name]
        raw = tensor.tobytes()
        entries.append((name.encode(), _encode_entry(tensor, len(data), raw)))
        data += raw
    return write_table(entries), bytes(data)


def read_checkpoint(index: bytes, data: bytes, where: str) -> Tensors:
    """The tensors of a checkpoint, views of its data.

    Raises UsageError, with a sentence that begins with `where`, for what is damaged, cut off,
    spread over several files, or of a type that DeepRacer does not have.
    """
    tensors: Tensors = {}
    content = memoryview(data)
    for key, value in read_table(index, where):
        if not key:
            continue  # the header
        name = decoded_name(memoryview(key), where)
        try:
            entry = _decode_entry(value)
        except DamagedMessage:
            raise UsageError(f"{where} {DAMAGED}: what it says of {name} is no message") from None
        tensors[name] = _read_tensor(content, entry, f"{where}: {name}")
    return tensors


def _encode_entry(tensor: NDArray[Any], offset: int, raw: bytes) -> bytes:
    shape = b"".join(bytes_field(2, integer_field(1, size)) for size in tensor.shape)
    return (
        integer_field(1, DTYPE_NUMBERS[tensor.dtype.name])
        + bytes_field(2, shape)
        + integer_field(4, offset)
        + integer_field(5, len(raw))
        + fixed32_field(6, masked_crc32c(raw))
    )


def _decode_entry(message: memoryview) -> _Entry:
    """What an entry says. Raises DamagedMessage."""
    entry = _Entry()
    for number, _, integer, content in read_fields(message):
        if number == 1:
            entry.dtype = integer
        elif number == 2:
            entry.shape = read_shape(content)
        elif number == 3:
            entry.shard = integer
        elif number == 4:
            entry.offset = integer
        elif number == 5:
            entry.size = integer
        elif number == 6:
            entry.checksum = int.from_bytes(content, "little")
        elif number == 7:
            entry.has_slices = True
    return entry


def read_shape(message: memoryview) -> list[int]:
    """The sizes in a message of a tensor's shape; -1 stands for any. Raises DamagedMessage."""
    sizes: list[int] = []
    for number, _, _, dimension in read_fields(message):
        if number != 2:
            continue
        size = 0
        for part in read_fields(dimension):
            if part.number == 1:
                size = signed(part.integer)
        if size < -1 or len(sizes) == MAX_DIMENSIONS:
            raise DamagedMessage
        sizes.append(size)
    return sizes


def _read_tensor(data: memoryview, entry: _Entry, where: str) -> NDArray[Any]:
    if entry.dtype not in DTYPES:
        raise UsageError(
            f"{where} is of a type that no network of DeepRacer has (type {entry.dtype}): if it was "
            "quantized, take the original"
        )
    dtype = np.dtype(DTYPES[entry.dtype])
    if entry.shard or entry.has_slices:
        raise UsageError(f"{where} lies in another file: racer reads checkpoints of one data file")
    if min(entry.shape, default=0) < 0 or prod(entry.shape) * dtype.itemsize != entry.size:
        raise UsageError(f"{where} {DAMAGED}: its shape and its size contradict each other")
    end = entry.offset + entry.size
    if end > len(data):
        raise UsageError(f"{where} lies beyond the end of the data: the file is cut off")
    raw = data[entry.offset : end]
    if masked_crc32c(raw) != entry.checksum:
        raise UsageError(f"{where} {DAMAGED}: its checksum is wrong")
    return np.frombuffer(raw, dtype).reshape(entry.shape)
