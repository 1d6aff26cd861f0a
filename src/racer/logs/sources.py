"""Where logs lie: a file, a folder, an archive, a glob, or an address such as `s3://bucket/prefix`.

Whatever it is, it is visited file by file under names relative to it. An archive is a folder, and
may stand in another folder or in one other archive.
"""

from __future__ import annotations

import codecs
import io
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from racer.errors import UsageError, did_you_mean, need
from racer.logs import archive as packed
from racer.logs.archive import FileEntry
from racer.logs.gunzip import TruncatedFileError, UnpackBudget, gunzip_chunks

_ADDRESS = re.compile(r"([a-z][a-z0-9+.]+):/{1,2}(?=[^/])")  # pathlib makes one slash of two
_WILD = re.compile(r"[*?\[]")
_DEEPEST = 2  # archives inside each other


@dataclass(frozen=True, eq=False)
class LogLocation:
    """Files to look at; `root` is the name shown for all of it, `is_file` whether it is one file
    that was named.

    `parts` are names of folders that stand above it, which may tell the phase. What could not be
    read is added to `notes`.
    """

    root: str
    items: tuple[FileEntry, ...]
    is_file: bool
    parts: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def locate_logs(path: str | Path, endpoint: str = "") -> LogLocation:
    """The place that a path, glob or address names. `endpoint` is the URL of an S3 server that is
    not Amazon's.

    Raises UsageError when there is no such thing, or when it is neither a file nor a folder.
    """
    text = str(path)
    if (address := _ADDRESS.match(text)) and not Path(text).exists():
        # merged

        return locate_remote_logs(f"{address[1]}://{text[address.end() :]}", endpoint)
    root = Path(text).expanduser()
    if not root.exists() and _WILD.search(text):
        return _of_glob(root)
    if not root.exists():
        known = [entry.name for entry in root.parent.iterdir()] if root.parent.is_dir() else []
        raise UsageError(f"no such file or folder: {root}{did_you_mean(root.name, known)}")
    if root.is_dir():
        return LogLocation(str(root), tuple(_of_folder(root, root)), False, (root.absolute().name,))
    item = _of_path(root, root.name)
    return LogLocation(
        str(root),
        (item,),
        _is_pipe(root) or not packed.archive_kind(item),
        (root.absolute().parent.name,),
    )


def visit_files(place: LogLocation, wanted: Callable[[str], bool]) -> Iterator[FileEntry]:
    """The files whose names are wanted, archives opened: each must be read before the next one is
    asked for.
    """
    alone = len(place.items) == 1
    for item in place.items:
        what = (
            ""
            if place.is_file
            else packed.archive_kind(item)
            if alone
            else packed.archive_kind_of_name(item.name)
        )
        if what:
            inner = "" if alone and PurePosixPath(item.name).name == item.name else f"{item.name}/"
            yield from _inside(
                item, what, inner, wanted, place, UnpackBudget.of(item.name, item.size), 1
            )
        elif wanted(item.name) or place.is_file:
            yield item


def natural_sort_key(name: str) -> list[tuple[int, str]]:
    """A key that sorts `2-iteration` before `10-iteration`."""
    return [
        (int(word), "") if word.isdecimal() else (-1, word)
        for word in re.split(r"(\d{1,18})", name)
    ]


def is_hidden_file(name: str) -> bool:
    """Whether a file is one of those that systems keep beside the user's own."""
    parts = PurePosixPath(name).parts
    return bool(parts) and (parts[-1].startswith(".") or "__MACOSX" in parts)


def local_file_entry(path: Path) -> FileEntry:
    """A file on this machine."""
    return _of_path(path, path.name)


def _inside(
    item: FileEntry,
    what: str,
    prefix: str,
    wanted: Callable[[str], bool],
    place: LogLocation,
    budget: UnpackBudget,
    depth: int,
) -> Iterator[FileEntry]:
    """The wanted files of an archive; what is wrong with it becomes a note."""
    try:
        for member in packed.archive_members(item, what, budget, inside=depth > 1):
            named = replace(member, name=prefix + member.name)
            inner = packed.archive_kind_of_name(member.name)
            if is_hidden_file(member.name) or not member.name:
                continue
            if inner and depth < _DEEPEST:
                yield from _inside(named, inner, f"{named.name}/", wanted, place, budget, depth + 1)
            elif inner:
                place.notes.append(
                    f"left out: {named.name} is an archive {depth + 1} deep: unpack it first"
                )
            elif wanted(member.name):
                yield named
    except TruncatedFileError as error:
        place.notes.append(f"{item.name}: {error}: read as far as it goes")
    except UsageError as error:
        place.notes.append(f"left out: {error}")
    except OSError as error:
        place.notes.append(f"left out: {item.name} cannot be read: {error.strerror or error}")


def _of_path(path: Path, name: str) -> FileEntry:
    return FileEntry(name, path.stat().st_size, lambda: path.open("rb"))


def _of_folder(folder: Path, root: Path) -> list[FileEntry]:
    """The files of a folder to its depth, in natural order."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    named = [(path.relative_to(root).as_posix(), path) for path in paths]
    shown = [(name, path) for name, path in named if not is_hidden_file(name)]
    return [
        _of_path(path, name)
        for name, path in sorted(shown, key=lambda one: natural_sort_key(one[0]))
    ]


def _of_glob(pattern: Path) -> LogLocation:
    plain = next(number for number, part in enumerate(pattern.parts) if _WILD.search(part))
    root = Path(*pattern.parts[:plain])
    found = sorted(
        root.glob("/".join(pattern.parts[plain:])), key=lambda path: natural_sort_key(str(path))
    )
    if not found:
        raise UsageError(
            f"no file or folder matches {pattern}: put the pattern in quotes, and see what ls says of it"
        )
    items = [
        item
        for path in found
        for item in (
            _of_folder(path, root)
            if path.is_dir()
            else [_of_path(path, path.relative_to(root).as_posix())]
        )
    ]
    return LogLocation(
        str(pattern),
        tuple({item.name: item for item in items}.values()),
        False,
        (root.absolute().name,),
    )


def _is_pipe(path: Path) -> bool:
    """Whether a file is a pipe (`<(zcat x)`), which can be read once. UsageError for a device,
    which has no end.
    """
    mode = path.stat().st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise UsageError(f"{path} is a device, not a file: give a file, a folder or an archive")
    return stat.S_ISFIFO(mode)


_ADVICE = "check the address, the credentials (AWS_PROFILE or AWS_ACCESS_KEY_ID) and, for MinIO, AWS_ENDPOINT_URL"


def locate_remote_logs(address: str, endpoint: str = "") -> LogLocation:
    """The file, or all files under the prefix, that an address names. Raises UsageError when there
    is none.

    `endpoint` is the URL of an S3 server of one's own; without it AWS_ENDPOINT_URL counts, as for
    Amazon's own tools.
    """
    if address.startswith(("s3:", "s3a:")):
        need("s3")
    try:
        files, root = _listed(address, endpoint)
    except UsageError:
        raise
    except Exception as error:  # a foreign border: each kind of storage raises errors of its own
        raise UsageError(f"cannot read {address}: {_words(error)}; {_ADVICE}") from None
    if not files:
        raise UsageError(f"no file at {address}; {_ADVICE}")
    if len(files) == 1 and files[0].name == root:
        one = FileEntry(root.rpartition("/")[2], files[0].size, files[0].open)
        return LogLocation(
            address, (one,), not packed.archive_kind(one), tuple(root.split("/")[-2:-1])
        )
    items = [FileEntry(item.name[len(root) :].lstrip("/"), item.size, item.open) for item in files]
    seen = sorted(
        (item for item in items if not is_hidden_file(item.name)),
        key=lambda item: natural_sort_key(item.name),
    )
    return LogLocation(address, tuple(seen), False, (root.rpartition("/")[2],))


def _listed(address: str, endpoint: str) -> tuple[list[FileEntry], str]:
    """The files at an address, under their whole names there, and the name that the address itself
    has there.
    """
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        need("s3")
        raise
    options: dict[str, Any] = {"client_kwargs": {"endpoint_url": endpoint}} if endpoint else {}
    try:
        system, root = url_to_fs(address, **options)
    except ValueError:
        kind = address.partition(":")[0]
        raise UsageError(
            f"{address}: addresses that begin with {kind}:// are not known; s3:// is"
        ) from None
    root = root.rstrip("/")
    wild = any(sign in root for sign in "*?[")
    found = system.glob(root, detail=True) if wild else system.find(root, detail=True)
    files = [
        FileEntry(name, int(facts.get("size") or 0), partial(_opened, system, name))
        for name, facts in found.items()
        if facts.get("type") == "file"
    ]
    return files, root.partition("*")[0].rpartition("/")[0] if wild else root


def _opened(system: Any, name: str) -> IO[bytes]:
    return cast(IO[bytes], _File(system, name))


class _File(io.RawIOBase):
    """A file over there, whose faults are OSError whatever the storage raises (a class: a file is a
    contract).
    """

    def __init__(self, system: Any, name: str) -> None:
        self._name = name
        self._inner: Any = None
        self._inner = self._tried(system.open, name, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._tried(self._inner.seek, offset, whence))

    def tell(self) -> int:
        return int(self._inner.tell())

    def read(self, size: int = -1) -> bytes:
        return bytes(self._tried(self._inner.read, size))

    def close(self) -> None:
        if not self.closed and self._inner is not None:
            self._inner.close()
        super().close()

    def _tried(self, call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except Exception as error:
            raise OSError(f"{self._name} cannot be read: {_words(error)}") from None


def _words(error: Exception) -> str:
    """An error in one line."""
    return " ".join(str(error).split()) or type(error).__name__


MAX_LINE_BYTES = 64 << 20  # bytes after which a line without an end is cut


def line_blocks(chunks: Iterable[bytes], budget: UnpackBudget) -> Iterator[bytes]:
    """Blocks of whole lines of a file, every line ended by a newline except perhaps the last of the
    last block.

    Byte order marks are dropped, UTF-16 (a PowerShell redirection) becomes UTF-8. Raises CutShort
    after the last whole line of a damaged file, UsageError where the file unpacks to more than
    `budget` allows.
    """
    rest = b""
    for chunk in _utf8(gunzip_chunks(chunks, budget)):
        data = rest + chunk
        held = b"\r" if data.endswith(b"\r") else b""
        data = _newlines(data[: len(data) - len(held)])
        end = data.rfind(b"\n") + 1 or (len(data) if len(data) > MAX_LINE_BYTES else 0)
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
