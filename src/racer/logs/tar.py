"""The files of a tar stream: ustar, GNU and pax headers, read forward once, in bounded memory.

Python's own tarfile reads extended headers of any size into memory and parses them in quadratic
time: an archive from a stranger can hang it. Here a header is at most 64 KiB, and links, devices
and sparse files are passed over.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import IO, NamedTuple, cast

from racer.logs.unpacking import TruncatedFileError

TAR_BLOCK_BYTES = 512
"""Bytes of a header, and what contents are padded to."""
_MAX_EXTENDED_HEADER_BYTES = 64 << 10
_SIZE = re.compile("[0-9]{1,18}")

_EXTENDED_KINDS = {b"L": "path", b"x": "pax"}
"""Flags of headers that describe the next file: its long name alone (GNU), or records (pax)."""
_GLOBAL_PAX = b"g"
_REGULAR_FLAGS = (b"0", b"\0", b"7")


class TarMember(NamedTuple):
    """A regular file of an archive; its contents can be read until the next one is asked for."""

    name: str
    size: int
    file: IO[bytes]


class ChunkReader:
    """Chunks as a stream that is read forward."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, fewer where a chunk ends, none at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        content = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        return content

    def read_exactly(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end."""
        parts = []
        while size and (part := self.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Pass over `size` bytes, or up to the end."""
        while size and (part := self.read(size)):
            size -= len(part)


class TarMemberFile(io.RawIOBase):
    """The contents of one file in the stream of its archive."""

    def __init__(self, stream: ChunkReader, size: int) -> None:
        self._stream = stream
        self.remaining = size

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes. Raises TruncatedFileError where the archive ends before the file."""
        if not self.remaining:
            return b""
        wanted = self.remaining if size < 0 else min(size, self.remaining)
        content = self._stream.read(wanted)
        if not content:
            self.remaining = 0
            raise TruncatedFileError("the tar archive is cut short")
        self.remaining -= len(content)
        return content


def is_tar_header(start: bytes) -> bool:
    """Whether a file that begins with `start` is a tar archive."""
    return len(start) >= TAR_BLOCK_BYTES and _has_stated_checksum(start[:TAR_BLOCK_BYTES])


def tar_members(chunks: Iterator[bytes]) -> Iterator[TarMember]:
    """Every regular file, in order. Raises TruncatedFileError where the archive breaks."""
    stream = ChunkReader(chunks)
    extended: dict[str, str] = {}
    while True:
        header = stream.read_exactly(TAR_BLOCK_BYTES)
        is_whole = len(header) == TAR_BLOCK_BYTES
        if is_whole and not any(header):
            return  # a block of zeros ends the archive
        if not is_whole or not _has_stated_checksum(header):
            raise TruncatedFileError("the tar archive is damaged or cut short")
        flag = header[156:157]
        size = _parse_number(header[124:136])
        if flag in _EXTENDED_KINDS:
            extended |= _read_extended_header(stream, size, _EXTENDED_KINDS[flag])
            continue
        size = int(extended.get("size", size))
        file = TarMemberFile(stream, size)
        if flag in _REGULAR_FLAGS:
            name = extended.get("path") or _header_name(header)
            yield TarMember(name, size, cast(IO[bytes], file))
        stream.skip(file.remaining + -size % TAR_BLOCK_BYTES)
        if flag != _GLOBAL_PAX:
            extended = {}


def _has_stated_checksum(header: bytes) -> bool:
    """Whether the sum of a header's bytes is the one that it states."""
    try:
        stated = int(header[148:156].strip(b" \0") or b"0", 8)
    except ValueError:
        return False
    blank_checksum = 8 * ord(" ")
    return stated > 0 and stated == sum(header[:148]) + blank_checksum + sum(header[156:])


def _parse_number(field: bytes) -> int:
    """Octal digits, or base 256 where the first bit is set.

    Raises TruncatedFileError for anything else.
    """
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        number = int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        number = -1
    if number < 0:
        raise TruncatedFileError("the tar archive is damaged: a file's size is no number")
    return number


def _header_name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    if header[257:263] == b"ustar\0":
        prefix = header[345:500].split(b"\0")[0]
        if prefix:
            name = prefix + b"/" + name
    return name.decode("utf-8", "replace")


def _read_extended_header(stream: ChunkReader, size: int, kind: str) -> dict[str, str]:
    """What an extended header says of the next file: its `path`, its `size`."""
    content = stream.read_exactly(min(size, _MAX_EXTENDED_HEADER_BYTES))
    stream.skip(size - len(content) + -size % TAR_BLOCK_BYTES)
    if kind == "path":
        return {"path": content.split(b"\0")[0].decode("utf-8", "replace")}
    records = {}
    for line in content.split(b"\n"):
        key, _, value = line.partition(b" ")[2].partition(b"=")
        records[key.decode("ascii", "replace")] = value.decode("utf-8", "replace")
    extended = {}
    if records.get("path"):
        extended["path"] = records["path"]
    if _SIZE.fullmatch(records.get("size", "")):
        extended["size"] = records["size"]
    return extended
