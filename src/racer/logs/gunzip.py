"""Gzip in a stream, and the bound on what a file may unpack to: a log repays its compression 5 to
30 times.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from racer.errors import UsageError

BLOCK_BYTES = 2 << 20  # bytes read at a time
# times its own size that a file may unpack to: real logs reach 30, a zip bomb 1000 and more
MAX_UNPACK_RATIO = 150
MIN_UNPACK_BYTES = 256 << 20  # bytes that even the smallest file may unpack to

_GZIP = b"\x1f\x8b"
_LEAST = 64 << 10  # bytes handed on at a time: a gzip file may have a member a byte


class TruncatedFileError(Exception):
    """The file ends or breaks before its end; every whole line up to there has been yielded."""


@dataclass
class UnpackBudget:
    """Bytes that may still be unpacked from a file; shared by everything inside it."""

    left: int
    name: str

    @classmethod
    def of(cls, name: str, size: int) -> UnpackBudget:
        """What a file of `size` bytes may unpack to."""
        return cls(max(MIN_UNPACK_BYTES, MAX_UNPACK_RATIO * size), name)

    def spend(self, count: int) -> None:
        """Raises UsageError once more has been unpacked than there was in the budget."""
        self.left -= count
        if self.left < 0:
            raise UsageError(
                f"{self.name} unpacks to more than {MAX_UNPACK_RATIO} times its size: that is no log; unpack it yourself and give "
                "the folder if you trust it"
            )


def gunzip_chunks(chunks: Iterable[bytes], budget: UnpackBudget) -> Iterator[bytes]:
    """The chunks, decompressed when they begin as gzip does; several members may follow each other."""
    rest = iter(chunks)
    first = next(rest, b"")
    if not first.startswith(_GZIP):
        yield first
        yield from rest
        return
    yield from _gathered(_members(first, rest, budget))


def is_gzip(start: bytes) -> bool:
    """Whether a file that begins with `start` is compressed with gzip."""
    return start.startswith(_GZIP)


def _members(data: bytes, chunks: Iterator[bytes], budget: UnpackBudget) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    fault = None
    while data and fault is None:
        try:
            out, data = member.decompress(data, BLOCK_BYTES), member.unconsumed_tail
        except zlib.error as error:
            out, fault = b"", error
        budget.spend(len(out))
        if out:
            yield out
        if member.eof:
            data = (member.unused_data or next(chunks, b"")).lstrip(b"\0")
            member = zlib.decompressobj(wbits=31) if data else member
        elif not data:
            data = next(chunks, b"")
    if fault is not None or not member.eof:
        raise TruncatedFileError(
            f"the gzip stream is damaged or cut short ({fault or 'no end'})"
        ) from None


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of 64 KiB and more; what came before a fault is handed on before it
    is raised.
    """
    held: list[bytes] = []
    size, fault = 0, None
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= _LEAST:
                yield b"".join(held)
                held, size = [], 0
    except TruncatedFileError as error:
        fault = error
    if held:
        yield b"".join(held)
    if fault is not None:
        raise fault
