"""Protocol buffers on the wire: fields written, and read in place.

A message is a row of fields; each begins with its number and its kind. What is read is a view of
the bytes that are there already: nothing is made as large as a file says that it is.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

from racer.errors import UsageError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Kinds of fields; there are no others since groups went out of use."""

MAX_VARINT_BYTES = 10
MAX_FIELD_NUMBER = 2**29 - 1
MAX_NAME_BYTES = 1_000
DAMAGED = "is damaged, or cut off"
_NOTHING = memoryview(b"")


class Field(NamedTuple):
    """A field of a message: its number, its kind, and its value, a number or a view of its bytes."""

    number: int
    kind: int
    integer: int
    content: memoryview


class DamagedMessage(Exception):
    """Bytes that are no message."""


def read_fields(content: memoryview) -> Iterator[Field]:
    """The fields of a message in their order. Raises DamagedMessage.

    Examples
    --------
    >>> message = integer_field(1, 300) + bytes_field(2, b"name")
    >>> [(field.number, field.integer, bytes(field.content)) for field in read_fields(memoryview(message))]
    [(1, 300, b''), (2, 0, b'name')]
    """
    place = 0
    size = len(content)
    while place < size:
        key, place = read_varint(content, place)
        number = key >> 3
        kind = key & 7
        if not 0 < number <= MAX_FIELD_NUMBER:
            raise DamagedMessage
        if kind == VARINT:
            integer, place = read_varint(content, place)
            yield Field(number, kind, integer, _NOTHING)
            continue
        if kind == BYTES:
            length, place = read_varint(content, place)
        elif kind == FIXED32:
            length = 4
        elif kind == FIXED64:
            length = 8
        else:
            raise DamagedMessage
        end = place + length
        if end > size:
            raise DamagedMessage
        yield Field(number, kind, 0, content[place:end])
        place = end


def read_varint(content: memoryview, place: int) -> tuple[int, int]:
    """The number that begins at a place, and the place behind it. Raises DamagedMessage."""
    value = 0
    for k in range(MAX_VARINT_BYTES):
        if place >= len(content):
            raise DamagedMessage
        byte = content[place]
        place += 1
        value |= (byte & 127) << (7 * k)
        if byte < 128:
            return value & (2**64 - 1), place
    raise DamagedMessage


def signed(integer: int) -> int:
    """A number of 64 bits with its sign."""
    return integer - 2**64 if integer >= 2**63 else integer


def write_varint(value: int) -> bytes:
    """A number as `read_varint` reads it; of a negative one its 64 bits."""
    value %= 2**64
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


def integer_field(number: int, value: int) -> bytes:
    """A field that holds a number."""
    return write_varint(number << 3 | VARINT) + write_varint(value)


def bytes_field(number: int, content: bytes | bytearray | memoryview) -> bytes:
    """A field that holds bytes: a text, a message."""
    return write_varint(number << 3 | BYTES) + write_varint(len(content)) + bytes(content)


def fixed32_field(number: int, value: int) -> bytes:
    """A field that holds four bytes."""
    return write_varint(number << 3 | FIXED32) + struct.pack("<I", value)


def float_field(number: int, value: float) -> bytes:
    """A field that holds a float32."""
    return write_varint(number << 3 | FIXED32) + struct.pack("<f", value)


def decoded_name(content: memoryview, where: str) -> str:
    """The text in a field. Raises UsageError where it is none, or none that a name can be."""
    if len(content) <= MAX_NAME_BYTES:
        with contextlib.suppress(UnicodeDecodeError):
            name = bytes(content).decode()
            if name.isprintable():
                return name
    raise UsageError(f"{where} {DAMAGED} (a name in it is no text)")
