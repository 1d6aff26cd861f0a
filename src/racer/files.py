"""Reading text, JSON, TOML and YAML with one sentence for what is wrong, and writing whole or not at all.

A reader takes a path; a parser takes what was read from an archive or a log, and `where`, the name
that its sentence begins with. Both raise UsageError, and nothing else, for what a file may hold.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from racer.errors import UsageError

MAX_TEXT_BYTES = 64 * 2**20
"""A settings file beyond this is none, and would not fit into memory when parsed."""

LFS_MAGIC = b"version https://git-lfs"
LFS_SENTENCE = (
    "a Git LFS pointer, not the file that it stands for: run git lfs pull in its repository"
)
MAX_YAML_ALIASES = 20
"""Of one YAML file; those of settings have none, or repeat a list."""
UNFINISHED_NAME = re.compile(r"\..+\.\d+\.racer-part")
"""Of what is being written beside its place."""
LOCK_PAUSE_S = 0.01
"""Until a new file is held; another process may look at it just then."""
LOOK_TRIES = 5
"""To hold a folder at which another process looks."""


def read_bytes(path: str | Path, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """The contents of a file of at most `max_bytes`."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a folder, not a file") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise UsageError(f"{path}: cannot be read ({_reason(error)})") from None
    if len(content) > max_bytes:
        raise UsageError(f"{path}: holds more than {max_bytes / 2**20:g} MiB")
    if content.startswith(LFS_MAGIC):
        raise UsageError(f"{path}: is {LFS_SENTENCE}")
    return content


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file, without its byte order mark."""
    return decode_text(read_bytes(path), str(path))


def decode_text(content: bytes, where: str) -> str:
    """UTF-8 text, without its byte order mark."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: is not text in UTF-8 (byte {error.start})") from None


def read_json(path: str | Path) -> Any:
    """The value in a JSON file."""
    return parse_json(read_bytes(path), str(path))


def parse_json(content: str | bytes, where: str) -> Any:
    """The value in JSON text."""
    text = decode_text(content, where) if isinstance(content, bytes) else content
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        if text.startswith(("//", "#", "/*"), error.pos):
            raise UsageError(f"{where}: JSON knows no comments ({place}): take them out") from None
        raise UsageError(f"{where}: is not valid JSON ({error.msg}, {place})") from None
    except RecursionError:
        raise UsageError(f"{where}: is nested too deeply to be read as JSON") from None
    except ValueError as error:  # an integer of thousands of digits
        raise UsageError(f"{where}: cannot be read as JSON ({error})") from None


def read_toml(path: str | Path) -> dict[str, Any]:
    """The table in a TOML file."""
    return parse_toml(read_text(path), str(path))


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The table in TOML text."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: is not valid TOML ({error})") from None
    except RecursionError:
        raise UsageError(f"{where}: is nested too deeply to be read as TOML") from None
    except ValueError as error:  # an integer of thousands of digits
        raise UsageError(f"{where}: cannot be read as TOML ({error})") from None


def parse_yaml(text: str, where: str) -> Any:
    """The value in the first document of YAML text: numbers, text, lists and mappings, no objects.

    A tag that YAML itself does not define (`!!python/unicode`) is passed over.
    """
    import yaml

    try:
        return next(yaml.load_all(text, _yaml_loader()), None)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}" if mark is not None else ""
        raise UsageError(f"{where}: is not valid YAML ({error.problem}{place})") from None
    except RecursionError:
        raise UsageError(f"{where}: is nested too deeply to be read as YAML") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise UsageError(f"{where}: is not valid YAML ({' '.join(str(error).split())})") from None
    except (LookupError, AttributeError, TypeError):  # what a tag such as !!bool is not true of
        raise UsageError(
            f"{where}: is not valid YAML (a value is not what its tag says it is)"
        ) from None


@cache
def _yaml_loader() -> Any:
    """PyYAML's safe loader, which takes plain values for tags that it does not know, and few
    aliases: written out, many of them may be more than any memory holds.
    """
    import yaml

    class PlainLoader(yaml.SafeLoader):
        aliases = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.aliases += self.check_event(yaml.AliasEvent)
            if self.aliases > MAX_YAML_ALIASES:
                raise yaml.YAMLError(f"it has more than {MAX_YAML_ALIASES} aliases")
            return super().compose_node(parent, index)

    def construct_plain(loader: Any, _tag: str, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return loader.construct_scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_mapping(node, deep=True)

    PlainLoader.add_multi_constructor("", construct_plain)
    return PlainLoader


def write_file(path: str | Path, content: bytes | str) -> Path:
    """`path`, after writing `content` (text as UTF-8) there, whole or not at all.

    It is written beside its place, synced and renamed, so that no reader meets half a file, not even
    after the power was cut. A file that was there leaves its mode. What a process that was killed
    left in the folder is removed. Raises UsageError.
    """
    path = Path(path)
    beside = _place_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path.parent, UNFINISHED_NAME)
        with _new_held_file(beside) as descriptor:
            _write_all(descriptor, content.encode() if isinstance(content, str) else content)
            os.fsync(descriptor)
            if path.exists():
                shutil.copymode(path, beside)
            if os.name != "nt":
                beside.replace(path)
        if os.name == "nt":  # where no open file can be renamed
            beside.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {_reason(error)}") from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    return path


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_json(path: str | Path, value: Any) -> Path:
    """`path`, after writing `value` there as indented JSON, whole or not at all."""
    return write_file(path, json.dumps(value, indent=2) + "\n")


def make_folder(folder: str | Path) -> Path:
    """`folder`, which exists now, with those above it. Raises UsageError when it cannot be made."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{folder} is a file, not a folder: name a new folder") from None
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {_reason(error)}") from None
    return folder


@contextlib.contextmanager
def hold_folder(folder: str | Path) -> Iterator[None]:
    """While nobody else holds `folder`, which is made where it is absent.

    The system lets go when the process ends, however it ends. Raises UsageError when another holds it.
    """
    lock = make_folder(folder) / ".lock"
    try:
        with lock.open("a+b") as file:
            _hold_soon(file.fileno())
            yield
    except BlockingIOError:
        raise UsageError(
            f"{folder} is in use by another racer: wait until it is done, or name another folder"
        ) from None


def _hold_soon(descriptor: int) -> None:
    """Hold an open file, which `is_folder_held` may be looking at just now. Raises BlockingIOError
    when another holds it.
    """
    for _ in range(LOOK_TRIES):
        with contextlib.suppress(BlockingIOError):
            _lock(descriptor)
            return
        time.sleep(LOCK_PAUSE_S)
    _lock(descriptor)


def is_folder_held(folder: str | Path) -> bool:
    """Whether somebody holds `folder` (`hold_folder`). Nothing is written there."""
    lock = Path(folder) / ".lock"
    if os.name == "nt" or not lock.is_file():  # a pipe would keep whoever opens it
        return False
    import fcntl

    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it cannot be read
        return False
    return False


def write_folder(folder: str | Path, fill: Callable[[Path], None]) -> Path:
    """`folder`, after it appeared with all that `fill` writes into the folder that it is given.

    Another folder of that name is replaced, on Linux in one step; when `fill` fails, it stays as it
    was. What a process that was killed left there is removed. Raises UsageError for what the file
    system refuses, and what `fill` raises.
    """
    folder = Path(folder)
    beside = _place_beside(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder.parent, UNFINISHED_NAME)
        with _new_held_folder(beside):
            fill(beside)
            _sync_files(beside)
            if folder.exists():
                _exchange(beside, folder)
            else:
                beside.rename(folder)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {_reason(error)}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[str]:
    """A new folder among the system's temporary files, gone afterwards with all that is in it.

    Those of that prefix that processes left which were killed are removed first.
    """
    import tempfile

    place = Path(tempfile.gettempdir())
    _remove_abandoned(place, re.compile(re.escape(prefix) + r"\w{8}"))
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        with contextlib.suppress(BlockingIOError, FileNotFoundError):  # another took it away
            descriptor = _hold(folder, os.O_RDONLY)
            break
    try:
        yield str(folder)
    finally:
        _close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def _place_beside(path: Path) -> Path:
    """Where this process writes what is to stand at `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.racer-part")


def _remove_abandoned(folder: Path, name: re.Pattern[str]) -> None:
    """Remove what has such a name in a folder, is this user's, and held by no process."""
    if os.name == "nt":
        return  # where nothing tells who is gone
    with contextlib.suppress(OSError):  # a folder that may not be listed
        for path in [path for path in folder.iterdir() if name.fullmatch(path.name)]:
            with contextlib.suppress(OSError):  # somebody holds it, or removed it meanwhile
                _remove_unless_held(path)


def _remove_unless_held(path: Path) -> None:
    """Remove a file or folder of this user. Raises OSError where somebody holds it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        is_own = os.fstat(descriptor).st_uid == os.geteuid()
        if not is_own or not _lock(descriptor):
            return
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _new_held_file(path: Path) -> Iterator[int]:
    """The descriptor of a new file, which is held until it is closed."""
    while True:
        try:
            descriptor = _hold(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            break
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_S)
    try:
        yield descriptor
    finally:
        _close(descriptor)


@contextlib.contextmanager
def _new_held_folder(path: Path) -> Iterator[None]:
    """While this process holds a new folder."""
    while True:
        path.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = _hold(path, os.O_RDONLY)
            break
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_S)
    try:
        yield
    finally:
        _close(descriptor)


def _hold(path: Path, flags: int) -> int:
    """The descriptor of a file or folder of this process, which is held until it is closed; -1 where
    that cannot be.

    Raises BlockingIOError where another process just looks whether it is abandoned, or took it away.
    """
    if os.name == "nt" and path.is_dir():
        return -1
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
    try:
        _lock(descriptor)
        if not path.exists() or not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise BlockingIOError(path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Hold an open file or folder until it is closed; False where the system cannot.

    Raises BlockingIOError when another holds it.
    """
    if os.name == "nt":
        return False  # where an open file cannot be replaced anyway
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return False
    return True


def _exchange(new: Path, old: Path) -> None:
    """Let two folders take each other's place: in one step, where the system can."""
    if sys.platform == "linux":
        import ctypes

        here = -100  # AT_FDCWD of openat(2)
        exchange = 2  # RENAME_EXCHANGE of renameat2(2)
        rename = getattr(ctypes.CDLL(None), "renameat2", None)
        if rename and not rename(here, os.fsencode(new), here, os.fsencode(old), exchange):
            return
    before = new.with_suffix(".racer-old")
    old.rename(before)
    new.rename(old)
    before.rename(new)


def _sync_files(folder: Path) -> None:
    """Have the system write all files of a folder to the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def _reason(error: OSError | ValueError) -> str:
    return str(getattr(error, "strerror", None) or error)
