"""Log files as blocks of whole lines: plain or gzip, UTF-8 or UTF-16, any line ending, in bounded memory."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from pathlib import Path

BLOCK = 4 << 20  # bytes read at a time
LONGEST = 64 << 20  # bytes after which a line without an end is cut


class CutShort(Exception):
    """The compressed stream ends or breaks before its end; everything up to there has been yielded."""


def blocks(path: Path) -> Iterator[bytes]:
    """Blocks of whole lines of a file, every line ended by a newline except perhaps the last of the last block.

    Byte order marks are dropped, UTF-16 (a PowerShell redirection) becomes UTF-8. Raises CutShort after the last block
    of a damaged gzip file, OSError where the file cannot be read.
    """
    rest = b""
    for chunk in _utf8(_plain(_chunks(path))):
        data = rest + chunk
        held = b"\r" if data.endswith(b"\r") else b""
        data = _newlines(data[: len(data) - len(held)])
        end = data.rfind(b"\n") + 1 or (len(data) if len(data) > LONGEST else 0)
        if end:
            yield data[:end]
        rest = data[end:] + held
    if rest:
        yield _newlines(rest)


def _newlines(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(BLOCK):
            yield chunk


def _plain(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks, decompressed when they begin as gzip does; several members may follow each other."""
    first = next(chunks, b"")
    if not first.startswith(b"\x1f\x8b"):
        yield first
        yield from chunks
        return
    yield from _members(first, chunks)


def _members(data: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    fault = None
    while data and fault is None:
        try:
            plain, data = member.decompress(data, BLOCK), member.unconsumed_tail
        except zlib.error as error:
            plain, fault = b"", error
        if plain:
            yield plain
        if member.eof:
            data = (member.unused_data or next(chunks, b"")).lstrip(b"\0")
            member = zlib.decompressobj(wbits=31) if data else member
        elif not data:
            data = next(chunks, b"")
    if fault is not None or not member.eof:
        raise CutShort(f"the gzip stream is damaged or cut short ({fault or 'no end'})") from None


def _utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(chunks, b"")
    if not first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
    yield decoder.decode(first).encode(errors="replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode(errors="replace")
