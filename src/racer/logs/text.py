"""Log files as blocks of whole lines: plain or gzip, UTF-8 or UTF-16, any line ending, in bounded memory."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from racer.logs.gunzip import Budget, plain

LONGEST = 64 << 20  # bytes after which a line without an end is cut


def blocks(chunks: Iterable[bytes], budget: Budget) -> Iterator[bytes]:
    """Blocks of whole lines of a file, every line ended by a newline except perhaps the last of the last block.

    Byte order marks are dropped, UTF-16 (a PowerShell redirection) becomes UTF-8. Raises CutShort after the last whole
    line of a damaged file, UsageError where the file unpacks to more than `budget` allows.
    """
    rest = b""
    for chunk in _utf8(plain(chunks, budget)):
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
