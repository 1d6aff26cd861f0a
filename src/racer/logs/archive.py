"""What is in a tar or zip archive, read in place: nothing is ever written to disk, and nothing
outside is touched.

Members are streams under names of their own. Links, devices and folders are no members; a name's
`..` and leading `/` are dropped, since a name is only shown. What unpacks to far more than a log
would is refused (`UnpackBudget`).
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, cast

from racer.errors import UsageError
from racer.logs.tar import TAR_BLOCK_BYTES, is_tar_header, tar_members
from racer.logs.unpacking import (
    BLOCK_BYTES,
    TruncatedFileError,
    UnpackBudget,
    gunzip_chunks,
    gunzip_start,
    is_gzip,
)

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
_MAX_INNER_ZIP_BYTES = 512 << 20  # a zip is read from its end, so one in an archive is kept whole


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
    try:
        return cast(IO[bytes], _ZipMemberFile(archive.open(member), budget))
    except _ZIP_ERRORS as error:
        raise TruncatedFileError(f"the zip archive is damaged or encrypted ({error})") from None


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
