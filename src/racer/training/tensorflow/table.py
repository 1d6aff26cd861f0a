"""LevelDB's sorted tables, in which a checkpoint keeps the names of its tensors.

A table is a row of blocks, each with a checksum, an index of them, and a footer. A block holds keys
in their order, each without what it shares with the key before it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from racer.errors import UsageError
from racer.training.tensorflow.checksum import masked_crc32c
from racer.training.tensorflow.wire import DAMAGED, DamagedMessage, read_varint, write_varint

FOOTER_BYTES = 48
MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
TRAILER_BYTES = 5
"""Behind a block: its compression, and its checksum."""
RESTART_INTERVAL = 16
"""Entries of a block after which a key stands whole."""
MAX_ENTRIES = 100_000
MAX_KEY_BYTES = 10_000

Entry = tuple[bytes, bytes]


def write_table(entries: Sequence[Entry]) -> bytes:
    """A table of keys in their order, each with its value.

    Examples
    --------
    >>> table = write_table([(b"a", b"1"), (b"ab", b"2")])
    >>> [(key, bytes(value)) for key, value in read_table(table, "mine")]
    [(b'a', b'1'), (b'ab', b'2')]
    """
    content = bytearray()
    data = _add_block(content, _block(entries, RESTART_INTERVAL))
    properties = _add_block(content, _block([], RESTART_INTERVAL))
    index = _add_block(content, _block([(entries[-1][0] + b"\0", data)], 1))
    handles = properties + index
    padding = b"\0" * (FOOTER_BYTES - len(MAGIC) - len(handles))
    return bytes(content) + handles + padding + MAGIC


def read_table(content: bytes, where: str) -> Iterator[tuple[bytes, memoryview]]:
    """The keys of a table and their values, views of its bytes.

    Raises UsageError for what is no table, a damaged one, and a compressed one.
    """
    if len(content) < FOOTER_BYTES or content[-len(MAGIC) :] != MAGIC:
        raise UsageError(f"{where} {DAMAGED}: it does not end as a checkpoint's index does")
    view = memoryview(content)
    try:
        footer = view[-FOOTER_BYTES:]
        place = 0
        for _ in range(2):  # the handle of the properties
            _, place = read_varint(footer, place)
        count = 0
        for _, handle in _read_block(view, footer[place:], where):
            for key, value in _read_block(view, handle, where):
                count += 1
                if count > MAX_ENTRIES:
                    raise UsageError(f"{where} has more than {MAX_ENTRIES:,} entries")
                yield key, value
    except (DamagedMessage, struct.error):
        raise UsageError(f"{where} {DAMAGED}") from None


def _block(entries: Sequence[Entry], interval: int) -> bytes:
    content = bytearray()
    restarts = []
    last = b""
    for k, (key, value) in enumerate(entries):
        shared = 0
        if k % interval == 0:
            restarts.append(len(content))
        else:
            shared = _shared_bytes(key, last)
        content += write_varint(shared) + write_varint(len(key) - shared)
        content += write_varint(len(value)) + key[shared:] + value
        last = key
    restarts = restarts or [0]
    return bytes(content) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def _shared_bytes(key: bytes, last: bytes) -> int:
    """How many bytes two keys begin with alike."""
    shared = 0
    while shared < min(len(key), len(last)) and key[shared] == last[shared]:
        shared += 1
    return shared


def _add_block(content: bytearray, block: bytes) -> bytes:
    """The handle of a block, which is added with its trailer."""
    handle = write_varint(len(content)) + write_varint(len(block))
    content += block + b"\0" + struct.pack("<I", masked_crc32c(block + b"\0"))
    return handle


def _read_block(
    content: memoryview, handle: memoryview, where: str
) -> Iterator[tuple[bytes, memoryview]]:
    """The entries of the block that a handle points to. Raises UsageError, DamagedMessage."""
    first, place = read_varint(handle, 0)
    size, _ = read_varint(handle, place)
    end = first + size
    if end + TRAILER_BYTES > len(content) or size < 4:
        raise DamagedMessage
    if content[end] != 0:
        raise UsageError(f"{where} is compressed, which no checkpoint of DeepRacer is")
    [checksum] = struct.unpack("<I", content[end + 1 : end + TRAILER_BYTES])
    if checksum != masked_crc32c(content[first : end + 1]):
        raise UsageError(f"{where} {DAMAGED}: a checksum in it is wrong")
    [restarts] = struct.unpack("<I", content[end - 4 : end])
    entries_end = size - 4 - 4 * restarts
    if entries_end < 0:
        raise DamagedMessage
    yield from _read_entries(content[first : first + entries_end])


def _read_entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    place = 0
    key = b""
    while place < len(block):
        shared, place = read_varint(block, place)
        rest, place = read_varint(block, place)
        size, place = read_varint(block, place)
        end = place + rest + size
        if shared > len(key) or shared + rest > MAX_KEY_BYTES or end > len(block):
            raise DamagedMessage
        key = key[:shared] + bytes(block[place : place + rest])
        yield key, block[place + rest : end]
        place = end
