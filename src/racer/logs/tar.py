"""The files of a tar stream: ustar, GNU and pax headers, read forward once, in bounded memory.

Python's own tarfile reads extended headers of any size into memory and parses them in quadratic
time: an archive from a stranger can hang it. Here a header is at most 64 KiB, and links, devices
and sparse files are passed over.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from racer.logs.gunzip import TruncatedFileError

TAR_BLOCK_BYTES = 512  # bytes of a header, and what contents are padded to
_MOST = 64 << 10  # bytes of an extended header
_SIZE = re.compile("[0-9]{1,18}")
_NAMES = {b"L": "path", b"x": "pax"}  # kinds of extended headers that name the next file


class ChunkReader:
    """Chunks as a stream that is read forward (a class: it keeps its place)."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, fewer where a chunk ends, none at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)

    def exactly(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end."""
        parts = []
        while size and (part := self.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Passes over `size` bytes, or up to the end."""
        while size and (part := self.read(size)):
            size -= len(part)


class TarMemberFile(io.RawIOBase):
    """The contents of one file, which can be read until the next one is asked for (a class: a file
    is a contract).
    """

    def __init__(self, stream: ChunkReader, size: int) -> None:
        self._stream, self.left = stream, size

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes. Raises CutShort where the archive ends before the file does."""
        data = (
            self._stream.read(min(size, self.left) if size >= 0 else self.left)
            if self.left
            else b""
        )
        if self.left and not data:
            self.left = 0
            raise TruncatedFileError("the tar archive is cut short")
        self.left -= len(data)
        return data


def is_tar_header(start: bytes) -> bool:
    """Whether a file that begins with `start` is a tar archive."""
    return len(start) >= TAR_BLOCK_BYTES and _checks(start[:TAR_BLOCK_BYTES])


def tar_members(chunks: Iterator[bytes]) -> Iterator[tuple[str, int, TarMemberFile]]:
    """Name, size in bytes and contents of every regular file, in order. Raises CutShort where the
    archive breaks.
    """
    stream = ChunkReader(chunks)
    known: dict[str, str] = {}
    while any(header := stream.exactly(TAR_BLOCK_BYTES)) or len(header) < TAR_BLOCK_BYTES:
        if len(header) < TAR_BLOCK_BYTES or not _checks(header):
            raise TruncatedFileError("the tar archive is damaged or cut short")
        flag, size = header[156:157], _number(header[124:136])
        if flag in _NAMES:
            known |= _extended(stream, size, _NAMES[flag])
            continue
        size = int(known.get("size", size))
        member = TarMemberFile(stream, size)
        if flag in (b"0", b"\0", b"7"):
            yield known.get("path") or _name(header), size, member
        stream.skip(member.left + -size % TAR_BLOCK_BYTES)
        known = {} if flag != b"g" else known


def _checks(header: bytes) -> bool:
    """Whether the sum of a header's bytes is the one that it states."""
    try:
        stated = int(header[148:156].strip(b" \0") or b"0", 8)
    except ValueError:
        return False
    return stated > 0 and stated == sum(header[:148]) + 8 * ord(" ") + sum(header[156:])


def _number(field: bytes) -> int:
    """Octal digits, or base 256 where the first bit is set. Raises CutShort for anything else."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        number = int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        number = -1
    if number < 0:
        raise TruncatedFileError("the tar archive is damaged: a file's size is no number")
    return number


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "replace")


def _extended(stream: ChunkReader, size: int, kind: str) -> dict[str, str]:
    """What an extended header says of the next file: its path, its size."""
    data = stream.exactly(min(size, _MOST))
    stream.skip(size - len(data) + -size % TAR_BLOCK_BYTES)
    if kind == "path":
        return {"path": data.split(b"\0")[0].decode("utf-8", "replace")}
    records = (record.partition(b" ")[2].partition(b"=") for record in data.split(b"\n"))
    found = {
        key.decode("ascii", "replace"): value.decode("utf-8", "replace")
        for key, _, value in records
    }
    sound = {"path": bool(found.get("path")), "size": bool(_SIZE.fullmatch(found.get("size", "")))}
    return {key: found[key] for key, good in sound.items() if good}
