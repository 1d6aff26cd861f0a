"""What is in a tar or zip archive, read in place: nothing is ever written to disk, and nothing
outside is touched.

Members are streams under names of their own. Links, devices and folders are no members; a name's
`..` and leading `/` are dropped, since a name is only shown. What unpacks to far more than a log
would is refused (`gunzip.Budget`).
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
from racer.logs import tar
from racer.logs.gunzip import BLOCK_BYTES, TruncatedFileError, UnpackBudget, gunzip_chunks, is_gzip

TAR_AND_ZIP_ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip")
UNREAD_ARCHIVE_MAGIC = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7-Zip",
    b"Rar!": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}
ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError, OverflowError,
    LookupError, ImportError,
)  # fmt: skip

_HEAD = 512  # bytes that tell what a file is
# bytes of a zip inside an archive: it is read from its end, so it is held whole
_IN_MEMORY = 512 << 20


@dataclass(frozen=True, eq=False)
class FileEntry:
    """A file somewhere: its name as shown, with `/`, its size in bytes, and what opens it for
    reading.

    An item of a tar archive can be read once, and only until the next one is asked for.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    budget: UnpackBudget | None = None  # of the archive around it

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, BLOCK at a time. Raises CutShort where an archive around it is damaged,
        OSError otherwise.
        """
        with self.open() as file:
            while chunk := file.read(BLOCK_BYTES):
                yield chunk

    def read(self, most: int) -> bytes:
        """Its bytes, `most` of them at most. Raises as `chunks` does."""
        parts, size = [], 0
        for chunk in self.chunks():
            parts.append(chunk)
            size += len(chunk)
            if size >= most:
                break
        return b"".join(parts)[:most]


def archive_kind_of_name(name: str) -> str:
    """`tar`, `zip` or nothing, by a file's name."""
    name = name.lower()
    return "zip" if name.endswith(".zip") else "tar" if name.endswith(TAR_AND_ZIP_ENDINGS) else ""


def archive_kind(item: FileEntry) -> str:
    """`tar`, `zip` or nothing: what a file that can be opened again is, by its first bytes and then
    by its name.

    Raises UsageError for archives of other kinds.
    """
    start = _start(item)
    for magic, name in UNREAD_ARCHIVE_MAGIC.items():
        if start.startswith(magic):
            raise UsageError(
                f"{item.name} is packed with {name}, which is not read: unpack it and give the folder"
            )
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    return "tar" if tar.is_tar_header(start) else archive_kind_of_name(item.name)


def archive_members(
    item: FileEntry, what: str, budget: UnpackBudget, inside: bool = False
) -> Iterator[FileEntry]:
    """The files in an archive that is a `what` (`tar` or `zip`), in its own order; `inside` another
    archive or not.

    Raises CutShort where it is damaged, after everything before has been handed out.
    """
    if what == "zip":
        yield from _in_zip(item, budget, inside)
        return
    for name, size, file in tar.tar_members(gunzip_chunks(item.chunks(), budget)):
        yield FileEntry(safe_member_name(name), size, lambda file=file: file, budget)  # type: ignore[misc]


def safe_member_name(name: str) -> str:
    """A member's name without a root, `..` or characters that a terminal would act on."""
    parts = [
        part
        for part in PurePosixPath(name.replace("\\", "/")).parts
        if part.strip("/") not in ("", "..")
    ]
    return "".join(letter if letter.isprintable() else "?" for letter in "/".join(parts))


class _Guarded(io.RawIOBase):
    """A zip member's stream: its faults are CutShort, its bytes are counted (a class: files are a
    foreign contract).
    """

    def __init__(self, inner: IO[bytes], budget: UnpackBudget) -> None:
        self._inner, self._budget = inner, budget

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._inner.read(size if size >= 0 else BLOCK_BYTES)
        except ZIP_ERRORS as error:
            raise TruncatedFileError(f"the zip archive is damaged ({error})") from None
        self._budget.spend(len(data))
        return data


def _in_zip(item: FileEntry, budget: UnpackBudget, inside: bool) -> Iterator[FileEntry]:
    with _whole(item, budget) if inside else item.open() as file:
        try:
            archive = zipfile.ZipFile(file)
            files = [one for one in archive.infolist() if not one.is_dir() and not _is_link(one)]
        except ZIP_ERRORS as error:
            raise TruncatedFileError(f"the zip archive is damaged or cut short ({error})") from None
        for one in files:
            yield FileEntry(
                safe_member_name(one.filename),
                one.file_size,
                partial(_opened, archive, one, budget),
                budget,
            )


def _opened(archive: zipfile.ZipFile, one: zipfile.ZipInfo, budget: UnpackBudget) -> IO[bytes]:
    try:
        return cast(IO[bytes], _Guarded(archive.open(one), budget))
    except ZIP_ERRORS as error:
        raise TruncatedFileError(f"the zip archive is damaged or encrypted ({error})") from None


def _is_link(one: zipfile.ZipInfo) -> bool:
    """Whether a member is a symbolic link or a device, by the Unix mode that zip keeps."""
    mode = one.external_attr >> 28
    return mode not in (0, 8)


def _whole(item: FileEntry, budget: UnpackBudget) -> IO[bytes]:
    data = item.read(_IN_MEMORY + 1)
    if len(data) > _IN_MEMORY:
        raise UsageError(
            f"{item.name} is a zip of more than {_IN_MEMORY >> 20} MiB inside an archive: unpack it first"
        )
    return io.BytesIO(data)


def _start(item: FileEntry) -> bytes:
    """The first bytes of a file, of what is in it if it is gzip."""
    with item.open() as file:
        start = file.read(1 << 16)
    if not is_gzip(start):
        return start[:_HEAD]
    try:
        return zlib.decompressobj(wbits=31).decompress(start, _HEAD)
    except zlib.error:
        return b""
