"""Where logs lie: a file, a folder, an archive, a glob, or an address such as `s3://bucket/prefix`.

Whatever it is, it is visited file by file under names relative to it. An archive is a folder, and
may stand in another folder or in one other archive.

Addresses are read by fsspec.
"""

from __future__ import annotations

import io
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar, cast

from racer.errors import UsageError, did_you_mean, need
from racer.logs.archive import FileEntry, archive_kind, archive_kind_of_name, archive_members
from racer.logs.unpacking import TruncatedFileError, UnpackBudget

_ADVICE = (
    "check the address, the credentials (AWS_PROFILE or AWS_ACCESS_KEY_ID) and, for MinIO, "
    "AWS_ENDPOINT_URL"
)
_WILDCARDS = "*?["
COACH_FILE = ".coach_checkpoint"
"""A hidden file of a DeepRacer model: it names a checkpoint."""

Result = TypeVar("Result")

_ADDRESS = re.compile(r"([a-z][a-z0-9+.]+):/{1,2}(?=[^/])")  # pathlib makes one slash of two
_DIGITS = re.compile(r"(\d{1,18})")
_WILDCARD = re.compile(r"[*?\[]")
_MAX_ARCHIVE_DEPTH = 2  # archives inside each other


def list_remote_files(address: str, endpoint: str = "") -> tuple[list[FileEntry], str]:
    """The files at an address, under their whole names there, and the name of the address itself.

    The name of a glob is that of the folder above its first wildcard. `endpoint` is the URL of an S3
    server of one's own; without it AWS_ENDPOINT_URL counts, as for Amazon's own tools. Raises
    UsageError when there is no file.
    """
    if address.startswith(("s3:", "s3a:")):
        need("s3")
    try:
        files, root = _list_files(address, endpoint)
    except UsageError:
        raise
    except Exception as error:  # each kind of storage raises errors of its own
        raise UsageError(f"cannot read {address}: {_one_line(error)}; {_ADVICE}") from None
    if not files:
        raise UsageError(f"no file at {address}; {_ADVICE}")
    return files, root


def _list_files(address: str, endpoint: str) -> tuple[list[FileEntry], str]:
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        need("s3")
        raise
    options: dict[str, Any] = {}
    if endpoint:
        options["client_kwargs"] = {"endpoint_url": endpoint}
    try:
        storage, root = url_to_fs(address, **options)
    except ValueError:
        protocol = address.partition(":")[0]
        raise UsageError(
            f"{address}: addresses that begin with {protocol}:// are not known; s3:// is"
        ) from None
    root = root.rstrip("/")
    if any(wildcard in root for wildcard in _WILDCARDS):
        listing = storage.glob(root, detail=True)
        root = root.partition("*")[0].rpartition("/")[0]
    else:
        listing = storage.find(root, detail=True)
    files = []
    for name, details in listing.items():
        if details.get("type") == "file":
            size = int(details.get("size") or 0)
            files.append(FileEntry(name, size, partial(_open_remote_file, storage, name)))
    return files, root


def _open_remote_file(storage: Any, name: str) -> IO[bytes]:
    return cast(IO[bytes], _RemoteFile(storage, name))


class _RemoteFile(io.RawIOBase):
    """A file in a storage, whose faults are OSError whatever the storage raises."""

    def __init__(self, storage: Any, name: str) -> None:
        self._name = name
        self._file: Any = None
        self._file = self._call(storage.open, name, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._call(self._file.seek, offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def read(self, size: int = -1) -> bytes:
        return bytes(self._call(self._file.read, size))

    def close(self) -> None:
        if not self.closed and self._file is not None:
            self._file.close()
        super().close()

    def _call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        try:
            return function(*arguments)
        except Exception as error:
            raise OSError(f"{self._name} cannot be read: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True, eq=False)
class LogLocation:
    """Files to look at.

    `root` is the name shown for all of it, `is_file` whether it is one file that was named.
    `parents` are names of folders that stand above it, which may tell the phase. Sentences on what
    could not be read are added to `notes`.
    """

    root: str
    entries: tuple[FileEntry, ...]
    is_file: bool
    parents: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    def path_of(self, name: str) -> str:
        """A file's path with the names of the folders above the location."""
        return "/".join([*self.parents, name])


def locate_logs(path: str | Path, endpoint: str = "") -> LogLocation:
    """The files that a path, glob or address names.

    `endpoint` is the URL of an S3 server that is not Amazon's. Raises UsageError when there is no
    such thing, or when it is neither a file nor a folder.
    """
    text = str(path)
    address = _ADDRESS.match(text)
    if address and not Path(text).exists():
        return _locate_address(f"{address[1]}://{text[address.end() :]}", endpoint)
    root = Path(text).expanduser()
    if root.is_dir():
        return LogLocation(str(root), _folder_entries(root, root), False, (root.absolute().name,))
    if root.exists():
        entry = local_file_entry(root)
        is_file = _is_pipe(root) or not archive_kind(entry)
        return LogLocation(str(root), (entry,), is_file, (root.absolute().parent.name,))
    if _WILDCARD.search(text):
        return _locate_glob(root)
    siblings = [entry.name for entry in root.parent.iterdir()] if root.parent.is_dir() else []
    raise UsageError(f"no such file or folder: {root}{did_you_mean(root.name, siblings)}")


def visit_files(location: LogLocation, wanted: Callable[[str], bool]) -> Iterator[FileEntry]:
    """The files whose names are wanted, archives opened.

    Each must be read before the next one is asked for. What is wrong with an archive becomes a note
    of the location.
    """
    if location.is_file:
        yield from location.entries
        return
    is_alone = len(location.entries) == 1
    for entry in location.entries:
        kind = archive_kind(entry) if is_alone else archive_kind_of_name(entry.name)
        if kind:
            is_named_archive = is_alone and PurePosixPath(entry.name).name == entry.name
            prefix = "" if is_named_archive else f"{entry.name}/"
            budget = UnpackBudget.of(entry.name, entry.size)
            opened = _OpenArchive(entry, kind, prefix, budget)
            yield from _visit_archive(opened, wanted, location.notes)
        elif wanted(entry.name):
            yield entry


def natural_sort_key(name: str) -> list[tuple[int, str]]:
    """A key that sorts `2-iteration` before `10-iteration`."""
    key = []
    for word in _DIGITS.split(name):
        if word.isdecimal():
            key.append((int(word), ""))
        else:
            key.append((-1, word))
    return key


def is_hidden_file(name: str) -> bool:
    """Whether a file is one of those that systems keep beside the user's own."""
    parts = PurePosixPath(name).parts
    if not parts or parts[-1] == COACH_FILE:
        return False
    return parts[-1].startswith(".") or "__MACOSX" in parts


def local_file_entry(path: Path, name: str = "") -> FileEntry:
    """A file on this machine, under its own name or a given one."""
    return FileEntry(name or path.name, path.stat().st_size, lambda: path.open("rb"))


@dataclass(frozen=True)
class _OpenArchive:
    """An archive that is being visited; `prefix` stands before the names of its members."""

    entry: FileEntry
    kind: str
    prefix: str
    budget: UnpackBudget
    depth: int = 1


def _visit_archive(
    archive: _OpenArchive, wanted: Callable[[str], bool], notes: list[str]
) -> Iterator[FileEntry]:
    """The wanted files of an archive; what is wrong with it becomes a note."""
    name = archive.entry.name
    try:
        members = archive_members(
            archive.entry, archive.kind, archive.budget, is_inner=archive.depth > 1
        )
        for member in members:
            if not member.name or is_hidden_file(member.name):
                continue
            entry = replace(member, name=archive.prefix + member.name)
            kind = archive_kind_of_name(member.name)
            if kind and archive.depth < _MAX_ARCHIVE_DEPTH:
                inner = _OpenArchive(
                    entry, kind, f"{entry.name}/", archive.budget, archive.depth + 1
                )
                yield from _visit_archive(inner, wanted, notes)
            elif kind:
                notes.append(
                    f"left out: {entry.name} is an archive {archive.depth + 1} deep: "
                    "unpack it first"
                )
            elif wanted(member.name):
                yield entry
    except TruncatedFileError as error:
        notes.append(f"{name}: {error}: read as far as it goes")
    except UsageError as error:
        notes.append(f"left out: {error}")
    except OSError as error:
        notes.append(f"left out: {name} cannot be read: {error.strerror or error}")


def _folder_entries(folder: Path, root: Path) -> tuple[FileEntry, ...]:
    """The files of a folder to its depth, in natural order, named relative to `root`."""
    names = {}
    for path in folder.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not is_hidden_file(name):
            names[name] = path
    ordered = sorted(names, key=natural_sort_key)
    return tuple(local_file_entry(names[name], name) for name in ordered)


def _locate_glob(pattern: Path) -> LogLocation:
    parts = pattern.parts
    plain = 0
    while not _WILDCARD.search(parts[plain]):
        plain += 1
    root = Path(*parts[:plain])
    paths = sorted(root.glob("/".join(parts[plain:])), key=lambda path: natural_sort_key(str(path)))
    if not paths:
        raise UsageError(
            f"no file or folder matches {pattern}: put the pattern in quotes, "
            "and see what ls says of it"
        )
    entries: dict[str, FileEntry] = {}
    for path in paths:
        if path.is_dir():
            entries |= {entry.name: entry for entry in _folder_entries(path, root)}
        else:
            name = path.relative_to(root).as_posix()
            entries[name] = local_file_entry(path, name)
    return LogLocation(str(pattern), tuple(entries.values()), False, (root.absolute().name,))


def _locate_address(address: str, endpoint: str) -> LogLocation:
    """The file, or all files under the prefix, that an address names."""
    files, root = list_remote_files(address, endpoint)
    folder, _, last = root.rpartition("/")
    if len(files) == 1 and files[0].name == root:
        entry = replace(files[0], name=last)
        parents = (PurePosixPath(folder).name,) if folder else ()
        return LogLocation(address, (entry,), not archive_kind(entry), parents)
    entries = []
    for file in files:
        name = file.name[len(root) :].lstrip("/")
        if not is_hidden_file(name):
            entries.append(replace(file, name=name))
    entries.sort(key=lambda entry: natural_sort_key(entry.name))
    return LogLocation(address, tuple(entries), False, (last,))


def _is_pipe(path: Path) -> bool:
    """Whether a file is a pipe (`<(zcat x)`), which can be read once.

    Raises UsageError for a device, which has no end.
    """
    mode = path.stat().st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise UsageError(f"{path} is a device, not a file: give a file, a folder or an archive")
    return stat.S_ISFIFO(mode)
