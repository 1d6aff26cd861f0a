"""The files of a training that was set up elsewhere: a DeepRacer for Cloud folder, or a bundle of
DeepRacer on AWS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from racer.errors import UsageError
from racer.files import decode_text
from racer.logs import FileEntry, TruncatedFileError, locate_logs, visit_files
from racer.training.interop.drfc import CUSTOM_FILES_FOLDER

MAX_FILE_BYTES = 32 << 20

FILE_KINDS = {
    "reward": re.compile(r"reward(_function)?\.py"),
    "metadata": re.compile(r"model_metadata\.json"),
    "hyperparameters": re.compile(r"hyperparameters\.json"),
    "env": re.compile(r"(run|system|worker-\d{1,3})\.env"),
    "yaml": re.compile(r"training[-_]params[\w.-]{0,100}\.ya?ml"),
    "experiment": re.compile(r"experiment\.toml"),
    "route": re.compile(r"[\w.-]+\.npy"),
}
"""Patterns of file names, by what such a file is."""

USUAL_FOLDERS = {
    "reward": CUSTOM_FILES_FOLDER,
    "metadata": CUSTOM_FILES_FOLDER,
    "hyperparameters": CUSTOM_FILES_FOLDER,
    "route": "routes",
}
"""Where files of a kind usually are."""

_SPARE_COPY = re.compile(r"default|template|example")


class BundleFile(NamedTuple):
    """One file: its name relative to the bundle, and what it holds."""

    name: str
    content: bytes

    @property
    def text(self) -> str:
        """Its text. Raises UsageError when it is none."""
        return decode_text(self.content, self.name)

    @property
    def file_name(self) -> str:
        """Its name without the folders above it."""
        return PurePosixPath(self.name).name


@dataclass(frozen=True)
class Bundle:
    """Files by their kind, the likeliest of a kind first. `notes` say what is odd."""

    root: str
    files: Mapping[str, tuple[BundleFile, ...]]
    notes: tuple[str, ...] = ()

    def all_files(self, kind: str) -> tuple[BundleFile, ...]:
        """The files of a kind."""
        return self.files.get(kind, ())

    def likeliest_file(self, kind: str) -> BundleFile | None:
        """The likeliest file of a kind; None where there is none."""
        return next(iter(self.all_files(kind)), None)


def read_bundle(path: str | Path) -> Bundle:
    """The files of a folder or an archive, as `find_bundle_files` has them.

    Raises UsageError when there is no such thing, or neither a reward function nor an action space
    in it.
    """
    bundle = find_bundle_files(path)
    if "reward" not in bundle.files and "metadata" not in bundle.files:
        reason = f" ({bundle.notes[0]})" if bundle.notes else ""
        raise UsageError(
            f"{path} holds no reward_function.py: give the folder with custom_files/ and run.env, or an archive of it{reason}"
        )
    return bundle


def find_bundle_files(path: str | Path) -> Bundle:
    """The files of a folder or an archive (`.tar.gz`, `.tgz`, `.tar`, `.zip`; read in place), which
    may be none.

    Raises UsageError when there is no such thing.
    """
    location = locate_logs(path)
    files: dict[str, list[BundleFile]] = {}
    for entry in visit_files(location, lambda name: bool(bundle_file_kind(name))):
        kind = bundle_file_kind(entry.name)
        content = _content(entry, location.notes)
        if kind and content is not None:
            files.setdefault(kind, []).append(BundleFile(entry.name, content))
    sorted_files = {kind: _likeliest_first(kind, some) for kind, some in files.items()}
    return Bundle(str(path), sorted_files, (*location.notes, *_difference_notes(sorted_files)))


def bundle_file_kind(name: str) -> str:
    """What a file of this name may be; empty when it is of no use here."""
    file_name = PurePosixPath(name).name
    for kind, pattern in FILE_KINDS.items():
        if pattern.fullmatch(file_name):
            return kind
    return ""


def _content(entry: FileEntry, notes: list[str]) -> bytes | None:
    """What a file holds; None where it cannot be read, of which `notes` get a sentence, or is too
    large.
    """
    try:
        content = entry.read(MAX_FILE_BYTES + 1)
    except (OSError, TruncatedFileError) as error:
        notes.append(f"left out: {entry.name} cannot be read: {error}")
        return None
    if len(content) > MAX_FILE_BYTES:
        return None
    return content


def _likeliest_first(kind: str, files: Sequence[BundleFile]) -> tuple[BundleFile, ...]:
    """The usual folder first, defaults and templates last, then the shallowest."""

    def rank(file: BundleFile) -> tuple[bool, bool, int, str]:
        parts = PurePosixPath(file.name).parts
        is_spare = any(_SPARE_COPY.search(part) for part in parts)
        is_elsewhere = kind in USUAL_FOLDERS and USUAL_FOLDERS[kind] not in parts
        return is_spare, is_elsewhere, len(parts), file.name

    return tuple(sorted(files, key=rank))


def _difference_notes(files: Mapping[str, tuple[BundleFile, ...]]) -> list[str]:
    """A sentence for each kind of which there are several that differ."""
    notes = []
    for kind in ("reward", "metadata", "hyperparameters", "yaml"):
        if kind not in files:
            continue
        first, *others = files[kind]
        differing = [file.name for file in others if file.content != first.content]
        if differing:
            verb = "differs" if len(differing) == 1 else "differ"
            notes.append(f"{first.name} is taken; {', '.join(differing)} {verb} from it")
    return notes
