"""What is in a tar or zip archive, read in place: nothing is ever written to disk, and nothing
outside is touched.

Members are streams under names of their own. Links, devices and folders are no members; a name's
`..` and leading `/` are dropped, since a name is only shown. What unpacks to far more than a log
would is refused (`UnpackBudget`).

Tar streams (ustar, GNU and pax headers) are read forward once, in bounded memory. Python's own
tarfile reads extended headers of any size into memory and parses them in quadratic
time: an archive from a stranger can hang it. Here a header is at most 64 KiB, and links, devices
and sparse files are passed over.
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, NamedTuple, cast

from racer.errors import UsageError
from racer.logs.unpacking import (
    BLOCK_BYTES,
    TruncatedFileError,
    UnpackBudget,
    gunzip_chunks,
    gunzip_start,
    is_gzip,
)

TAR_BLOCK_BYTES = 512
"""Bytes of a header, and what contents are padded to."""
_MAX_EXTENDED_HEADER_BYTES = 64 << 10
_SIZE = re.compile("[0-9]{1,18}")

_EXTENDED_KINDS = {b"L": "path", b"x": "pax"}
"""Flags of headers that describe the next file: its long name alone (GNU), or records (pax)."""
_GLOBAL_PAX = b"g"
_REGULAR_FLAGS = (b"0", b"\0", b"7")

TAR_ENDINGS = (".tar.gz", ".tgz", ".tar")
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_UNREAD_MAGIC = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    OverflowError,
    LookupError,
    ImportError,
)
"""What Python's zipfile raises for an archive that is damaged or encrypted."""

_SNIFFED_BYTES = 1 << 16
_PACKED_BYTES = 1 << 14  # that are unpacked at a time
_LZMA_HEADER_BYTES = 9
_MAX_LZMA_BYTES = 128 << 20  # of the dictionary of an LZMA stream, which it names itself
_MAX_INNER_ZIP_BYTES = 512 << 20  # a zip is read from its end, so one in an archive is kept whole


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


@dataclass(frozen=True, eq=False)
class FileEntry:
    """A file somewhere: its name as shown, with `/`, its size in bytes, and what opens it.

    A member of a tar archive can be read once, and only until the next one is asked for. `budget`
    is that of the archive around a file.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    budget: UnpackBudget | None = None

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, BLOCK_BYTES at a time.

        Raises TruncatedFileError where an archive around it is damaged, OSError otherwise.
        """
        with self.open() as file:
            while chunk := file.read(BLOCK_BYTES):
                yield chunk

    def read(self, max_bytes: int) -> bytes:
        """Its first bytes, up to `max_bytes`. Raises as `chunks` does."""
        parts = []
        size = 0
        for chunk in self.chunks():
            parts.append(chunk)
            size += len(chunk)
            if size >= max_bytes:
                break
        return b"".join(parts)[:max_bytes]


def archive_kind_of_name(name: str) -> str:
    """`tar`, `zip` or "", by a file's name."""
    name = name.lower()
    if name.endswith(".zip"):
        return "zip"
    if name.endswith(TAR_ENDINGS):
        return "tar"
    return ""


def archive_kind(entry: FileEntry) -> str:
    """`tar`, `zip` or "": what a file that can be opened again is, by its first bytes, then by its
    name.

    Raises UsageError for archives of other kinds.
    """
    start = _first_bytes(entry)
    for magic, packer in _UNREAD_MAGIC.items():
        if start.startswith(magic):
            raise UsageError(
                f"{entry.name} is packed with {packer}, which is not read: "
                "unpack it and give the folder"
            )
    if start.startswith(_ZIP_MAGIC):
        return "zip"
    if is_tar_header(start):
        return "tar"
    return archive_kind_of_name(entry.name)


def archive_members(
    entry: FileEntry, kind: str, budget: UnpackBudget, is_inner: bool = False
) -> Iterator[FileEntry]:
    """The files in an archive of a `kind`, `tar` or `zip`, in its own order.

    `is_inner` says that it stands in another archive. Raises TruncatedFileError where it is damaged,
    after everything before has been handed out.
    """
    if kind == "zip":
        yield from _zip_members(entry, budget, is_inner)
        return
    for name, size, file in tar_members(gunzip_chunks(entry.chunks(), budget)):
        yield FileEntry(safe_member_name(name), size, partial(_itself, file), budget)


def safe_member_name(name: str) -> str:
    """A member's name without a root, `..` or characters that a terminal would act on."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    inner = "/".join(part for part in parts if part.strip("/") not in ("", ".."))
    return "".join(letter if letter.isprintable() else "?" for letter in inner)


class _ZipMemberFile(io.RawIOBase):
    """A zip member's stream, whose faults are TruncatedFileError and whose bytes are counted."""

    def __init__(self, file: IO[bytes], budget: UnpackBudget) -> None:
        self._file = file
        self._budget = budget

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            content = self._file.read(size if size >= 0 else BLOCK_BYTES)
        except _ZIP_ERRORS as error:
            raise TruncatedFileError(f"the zip archive is damaged ({error})") from None
        self._budget.spend(len(content))
        return content


def _zip_members(entry: FileEntry, budget: UnpackBudget, is_inner: bool) -> Iterator[FileEntry]:
    with _in_memory(entry) if is_inner else entry.open() as file:
        try:
            archive = zipfile.ZipFile(file)
            members = archive.infolist()
        except _ZIP_ERRORS as error:
            raise TruncatedFileError(f"the zip archive is damaged or cut short ({error})") from None
        for member in members:
            if not member.is_dir() and _is_regular(member):
                open_member = partial(_open_zip_member, archive, member, budget)
                name = safe_member_name(member.filename)
                yield FileEntry(name, member.file_size, open_member, budget)


def _open_zip_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: UnpackBudget
) -> IO[bytes]:
    budget.check(member.file_size)
    try:
        if member.compress_type in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            file = cast(IO[bytes], _UnpackedMember(archive, member))
        else:
            file = archive.open(member)
        return cast(IO[bytes], _ZipMemberFile(file, budget))
    except _ZIP_ERRORS as error:
        raise TruncatedFileError(f"the zip archive is damaged or encrypted ({error})") from None


class _UnpackedMember(io.RawIOBase):
    """A member packed with bzip2 or LZMA, unpacked a block at a time: zipfile unpacks all that a few
    packed bytes hold at once.
    """

    def __init__(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
        packed = copy(member)
        packed.compress_type = zipfile.ZIP_STORED
        packed.file_size = member.compress_size
        del packed.CRC  # that of what is unpacked
        self._packed = archive.open(packed)
        self._decompressor: bz2.BZ2Decompressor | lzma.LZMADecompressor
        if member.compress_type == zipfile.ZIP_BZIP2:
            self._decompressor = bz2.BZ2Decompressor()
        else:
            self._decompressor = self._lzma_decompressor()
        self._left = member.file_size
        self._checksum = 0
        self._stated_checksum = member.CRC

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = min(size if size >= 0 else BLOCK_BYTES, self._left)
        content = b""
        while wanted and not content and not self._decompressor.eof:
            packed = b""
            if self._decompressor.needs_input:
                packed = self._packed.read(_PACKED_BYTES)
                if not packed:
                    raise EOFError("it is cut short")
            content = self._decompressor.decompress(packed, wanted)
        self._left -= len(content)
        self._checksum = zlib.crc32(content, self._checksum)
        if (wanted and not content) or not self._left:
            self._check()
        return content

    def _check(self) -> None:
        if self._checksum != self._stated_checksum:
            raise zipfile.BadZipFile("its checksum differs")

    def _lzma_decompressor(self) -> lzma.LZMADecompressor:
        """The decompressor for what follows the header that zip gives LZMA: version, length of the
        properties, properties.
        """
        header = self._packed.read(_LZMA_HEADER_BYTES)
        properties = header[4:]
        if len(header) < _LZMA_HEADER_BYTES or header[2:4] != b"\x05\x00":
            raise zipfile.BadZipFile("its LZMA header is damaged")
        decompressor = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MAX_LZMA_BYTES)
        decompressor.decompress(properties + b"\xff" * 8, 0)  # of unknown size
        return decompressor


def _is_regular(member: zipfile.ZipInfo) -> bool:
    """Whether a member is no symbolic link or device, by the Unix mode that zip keeps."""
    file_type = member.external_attr >> 28
    return file_type in (0, 8)


def _in_memory(entry: FileEntry) -> IO[bytes]:
    content = entry.read(_MAX_INNER_ZIP_BYTES + 1)
    if len(content) > _MAX_INNER_ZIP_BYTES:
        raise UsageError(
            f"{entry.name} is a zip of more than {_MAX_INNER_ZIP_BYTES >> 20} MiB inside an "
            "archive: unpack it first"
        )
    return io.BytesIO(content)


def _itself(file: IO[bytes]) -> IO[bytes]:
    return file


def _first_bytes(entry: FileEntry) -> bytes:
    """The first bytes of a file; of what is in it where it is gzip."""
    with entry.open() as file:
        start = file.read(_SNIFFED_BYTES)
    if is_gzip(start):
        return gunzip_start(start, TAR_BLOCK_BYTES)
    return start[:TAR_BLOCK_BYTES]
