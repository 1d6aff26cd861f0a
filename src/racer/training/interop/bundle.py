"""The files of a training that was set up elsewhere: a DeepRacer for Cloud folder, or a bundle of
DeepRacer on AWS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from racer.errors import UsageError
from racer.logs import sources as places
from racer.logs.unpacking import TruncatedFileError
from racer.training.interop.drfc import CUSTOM_FILES_FOLDER

MAX_FILE_BYTES = 32 << 20  # bytes of one file

_KINDS = {
    "reward": re.compile(r"reward(_function)?\.py"),
    "metadata": re.compile(r"model_metadata\.json"),
    "hyperparameters": re.compile(r"hyperparameters\.json"),
    "env": re.compile(r"(run|system|worker-\d{1,3})\.env"),
    "yaml": re.compile(r"training[-_]params(_\d{1,3})?\.ya?ml"),
    "experiment": re.compile(r"experiment\.toml"),
    "route": re.compile(r"[\w.-]+\.npy"),
}
_HOME = {
    "reward": CUSTOM_FILES_FOLDER,
    "metadata": CUSTOM_FILES_FOLDER,
    "hyperparameters": CUSTOM_FILES_FOLDER,
    "route": "routes",
}


@dataclass(frozen=True)
class Bundle:
    """Files by their kind, the likeliest first: names relative to `root`, and contents. `notes`
    tell what is odd.
    """

    root: str
    files: dict[str, tuple[tuple[str, bytes], ...]]
    notes: tuple[str, ...] = ()

    def first(self, kind: str) -> tuple[str, bytes] | None:
        """Name and contents of the likeliest file of a kind."""
        return next(iter(self.files.get(kind, ())), None)

    def text(self, kind: str) -> str:
        """Text of the likeliest file of a kind, empty where there is none. UsageError when it is no
        text.
        """
        found = self.first(kind)
        return decode_text(*found) if found else ""


def read_bundle(path: str | Path) -> Bundle:
    """The files of a folder or an archive (`.tar.gz`, `.tgz`, `.tar`, `.zip`; read in place).

    UsageError when there is no such thing, or no reward function in it.
    """
    place = places.locate_logs(path)
    found: dict[str, list[tuple[str, bytes]]] = {}
    for item in places.visit_files(place, lambda name: bool(bundle_file_kind(name))):
        try:
            data = item.read(MAX_FILE_BYTES + 1)
        except (OSError, TruncatedFileError) as error:
            place.notes.append(f"left out: {item.name} cannot be read: {error}")
            continue
        if bundle_file_kind(item.name) and len(data) <= MAX_FILE_BYTES:
            found.setdefault(bundle_file_kind(item.name), []).append((item.name, data))
    files = {kind: tuple(sorted(some, key=partial(_rank, kind))) for kind, some in found.items()}
    if "reward" not in files:
        raise UsageError(
            f"{path} holds no reward_function.py: give the folder with custom_files/ and run.env, or an archive of it"
            + (f" ({place.notes[0]})" if place.notes else "")
        )
    return Bundle(str(path), files, (*place.notes, *_doubts(files)))


def bundle_file_kind(name: str) -> str:
    """What a file of this name may be; empty when it is none of ours."""
    alone = PurePosixPath(name).name
    return next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(alone)), "")


def decode_text(name: str, data: bytes) -> str:
    """The text in a file. UsageError when it is none."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is no text: {error}") from None


def _rank(kind: str, file: tuple[str, bytes]) -> tuple[bool, bool, int, str]:
    """The usual folder first, defaults and templates last, then the shallowest."""
    name, parts = file[0], PurePosixPath(file[0]).parts
    spare = any(re.search("default|template|example", part) for part in parts)
    return spare, bool(_HOME.get(kind)) and _HOME[kind] not in parts, len(parts), name


def _doubts(files: dict[str, tuple[tuple[str, bytes], ...]]) -> Iterable[str]:
    """A sentence for each kind of which there are several that differ."""
    for kind in ("reward", "metadata", "hyperparameters"):
        first, *others = files.get(kind, (("", b""),))
        differing = [name for name, data in others if data != first[1]]
        if differing:
            yield f"{first[0]} is taken; {', '.join(differing)} differ{'s' if len(differing) == 1 else ''} from it"
