"""From the bytes of a file to blocks of whole lines: gzip, encodings and line ends.

A file may unpack to a bound only: a log repays its compression 5 to 30 times, a bomb a thousandfold.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from racer.errors import UsageError

BLOCK_BYTES = 2 << 20
"""Bytes that are read at a time."""
MAX_UNPACK_RATIO = 150
"""Times its own size that a file may unpack to."""
MIN_UNPACK_BYTES = 256 << 20
"""Bytes that even the smallest file may unpack to."""
MAX_LINE_BYTES = 4 << 20
"""Bytes after which a line without an end is cut."""

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WBITS = 31  # a gzip header and trailer around the data
_MIN_PIECE_BYTES = 64 << 10  # handed on at a time: a gzip file may have a member for each byte


class TruncatedFileError(Exception):
    """A file ends or breaks before its end; every whole line up to there has been yielded."""


@dataclass
class UnpackBudget:
    """Bytes that may still be unpacked from a file; shared by everything inside it."""

    remaining: int
    name: str

    @classmethod
    def of(cls, name: str, size: int) -> UnpackBudget:
        """What a file of `size` bytes may unpack to."""
        return cls(max(MIN_UNPACK_BYTES, MAX_UNPACK_RATIO * size), name)

    def spend(self, count: int) -> None:
        """Take `count` bytes off. Raises UsageError once there are none left."""
        self.check(count)
        self.remaining -= count

    def check(self, count: int) -> None:
        """Raise UsageError unless `count` more bytes may be unpacked."""
        if count > self.remaining:
            raise UsageError(
                f"{self.name} unpacks to more than {MAX_UNPACK_RATIO} times its size: that is no "
                "log; unpack it yourself and give the folder if you trust it"
            )


def is_gzip(start: bytes) -> bool:
    """Whether a file that begins with `start` is compressed with gzip."""
    return start.startswith(_GZIP_MAGIC)


def gunzip_start(start: bytes, max_bytes: int) -> bytes:
    """The first bytes of what a gzip file holds, from its own first bytes; b"" where it is broken."""
    try:
        return zlib.decompressobj(wbits=_GZIP_WBITS).decompress(start, max_bytes)
    except zlib.error:
        return b""


def gunzip_chunks(chunks: Iterable[bytes], budget: UnpackBudget) -> Iterator[bytes]:
    """The chunks, decompressed where they begin as gzip does; several members may follow each other.

    Raises TruncatedFileError behind the last byte of a damaged file, UsageError beyond the budget.
    """
    remaining = iter(chunks)
    first = next(remaining, b"")
    if is_gzip(first):
        yield from _in_large_pieces(_gunzip_members(first, remaining, budget))
    else:
        yield first
        yield from remaining


def line_blocks(chunks: Iterable[bytes], budget: UnpackBudget) -> Iterator[bytes]:
    """Blocks of whole lines of a file, each ended by a newline except perhaps the very last line.

    Byte order marks are dropped, UTF-16 (of a PowerShell redirection) becomes UTF-8. Raises as
    `gunzip_chunks` does.
    """
    rest = b""
    for chunk in _as_utf8(gunzip_chunks(chunks, budget)):
        text = rest + chunk
        # The newline of a carriage return may be in the next chunk.
        carriage_return = b"\r" if text.endswith(b"\r") else b""
        text = _with_newlines(text.removesuffix(b"\r"))
        end = text.rfind(b"\n") + 1
        if not end and len(text) > MAX_LINE_BYTES:
            end = len(text)
        if end:
            yield text[:end]
        rest = text[end:] + carriage_return
    if rest:
        yield _with_newlines(rest)


def _gunzip_members(
    compressed: bytes, chunks: Iterator[bytes], budget: UnpackBudget
) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=_GZIP_WBITS)
    while compressed:
        try:
            content = member.decompress(compressed, BLOCK_BYTES)
        except zlib.error as error:
            raise _truncated(str(error)) from None
        compressed = member.unconsumed_tail
        budget.spend(len(content))
        if content:
            yield content
        if member.eof:
            compressed = (member.unused_data or next(chunks, b"")).lstrip(b"\0")
            if compressed:
                member = zlib.decompressobj(wbits=_GZIP_WBITS)
        elif not compressed:
            compressed = next(chunks, b"")
    if not member.eof:
        raise _truncated("no end")


def _truncated(reason: str) -> TruncatedFileError:
    return TruncatedFileError(f"the gzip stream is damaged or cut short ({reason})")


def _in_large_pieces(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes in pieces of 64 KiB and more; those before a fault are yielded before it is raised."""
    collected: list[bytes] = []
    size = 0
    fault = None
    try:
        for piece in pieces:
            collected.append(piece)
            size += len(piece)
            if size >= _MIN_PIECE_BYTES:
                yield b"".join(collected)
                collected = []
                size = 0
    except TruncatedFileError as error:
        fault = error
    if collected:
        yield b"".join(collected)
    if fault is not None:
        raise fault


def _with_newlines(text: bytes) -> bytes:
    if b"\r" not in text:
        return text
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _as_utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(chunks, b"")
    if not first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
    yield decoder.decode(first).encode(errors="replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode(errors="replace")
