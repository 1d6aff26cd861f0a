"""A model that was trained elsewhere: where its weights are, in a folder, an archive, or a frozen
graph by itself.

Files are looked at by their names first, and only those that are needed are read, each to a bound.
Nothing is unpacked to the disk, and nothing is executed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from racer.errors import UsageError
from racer.files import parse_json, read_bytes
from racer.logs import FileEntry, TruncatedFileError, locate_logs, visit_files
from racer.training.interop.model_archive import MAX_MEMBER_BYTES
from racer.training.tensorflow import DATA_SUFFIX, INDEX_SUFFIX

GRAPH_SUFFIX = ".pb"
METADATA_FILE = "model_metadata.json"
COACH_FILE = ".coach_checkpoint"
"""Names the checkpoint that a training goes on from."""
CHECKPOINTS_FILE = "deepracer_checkpoints.json"
"""Names the best checkpoint and the last one."""
MAX_NAMED_PLACES = 4
MAX_NAME_CHARS = 256
SMALL_FILE_BYTES = 1 << 20
"""Of the files that name checkpoints."""
STAMP_CHARS = 16

_CHECKPOINT = re.compile(r"(\d{1,9})_Step-(\d{1,12})\.ckpt")
_GRAPH_NUMBER = re.compile(r"model_(\d{1,9})\.pb")
_ARCHIVE = re.compile(r"\.(tar\.gz|tgz|tar|zip)$")
_LOG = re.compile(r"iteration\.csv$|\.log$|simtrace")
_FOLDER_PATTERNS = (
    *("*.pb", "*.ckpt.index"),
    *("model/*.ckpt.index", "model/*.pb", "agent/*.pb"),
    *("*/model/*.ckpt.index", "*/model/*.pb", "*/agent/*.pb"),
    "physicalmodel-*.tar.gz",
)
"""Where weights lie in a folder: a checkpoint's, a car's, DeepRacer for Cloud's, DeepRacer on AWS's."""


@dataclass(frozen=True)
class CheckpointFiles:
    """The two files of a checkpoint."""

    name: str
    steps: int
    index: bytes
    data: bytes


@dataclass(frozen=True)
class ModelSource:
    """The weights of a model, as bytes.

    Attributes
    ----------
    root
        What was named, as it is shown.
    checkpoints
        The best checkpoint and the last one, the best first; one where both are the same; none
        where there is only a graph.
    graph, graph_name
        The frozen graph and its name where there is no checkpoint; empty otherwise.
    folder
        The folder of the weights, below the root.
    notes
        What was passed over.
    """

    root: str
    checkpoints: tuple[CheckpointFiles, ...] = ()
    graph: bytes = b""
    graph_name: str = ""
    folder: str = ""
    notes: tuple[str, ...] = ()


class _Place(NamedTuple):
    """A checkpoint by its name: the folder that it is in, its number, and its steps."""

    folder: str
    number: int
    steps: int

    @property
    def path(self) -> str:
        """What the names of its files begin with."""
        return str(PurePosixPath(self.folder) / f"{self.number}_Step-{self.steps}.ckpt")


@dataclass
class _Listing:
    """The files of a model by their names."""

    names: set[str] = field(default_factory=set)
    pointers: dict[str, bytes] = field(default_factory=dict)


def may_be_model(path: str | Path) -> bool:
    """Whether a path is a file or folder in which a model may be, by its name: a graph, an archive,
    a folder with a graph or a checkpoint in it.
    """
    path = Path(path)
    if path.is_file():
        return path.suffix == GRAPH_SUFFIX or bool(_ARCHIVE.search(path.name))
    if not path.is_dir() or (path / "run.json").is_file():
        return False
    return any(next(path.glob(pattern), None) for pattern in _FOLDER_PATTERNS)


def holds_model(path: str | Path) -> bool:
    """Whether there are weights at a path. Raises UsageError where it cannot be read."""
    if Path(path).suffix == GRAPH_SUFFIX and Path(path).is_file():
        return True
    return any(map(_is_weights_file, _list_files(path).names))


def holds_log(path: str | Path) -> bool:
    """Whether steps of a car may be at a path, by the names of its files."""
    if Path(path).suffix == GRAPH_SUFFIX:
        return False
    location = locate_logs(path)
    return any(True for _ in visit_files(location, _is_log_file))


def model_stamp(path: str | Path) -> str:
    """Tells whether the files at a path have changed: by their sizes and times."""
    path = Path(path)
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if _may_be_of_model(file.name))
    digest = sha256()
    for file in files:
        stat = file.stat()
        digest.update(f"{file.relative_to(path)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:STAMP_CHARS]


def read_model_source(path: str | Path) -> ModelSource:
    """The weights in a folder or archive, or in a frozen graph by itself.

    Raises UsageError where there are none, those of several models, or where they are cut off.
    """
    text = str(path)
    if Path(path).suffix == GRAPH_SUFFIX and Path(path).is_file():
        return ModelSource(text, graph=read_bytes(path, MAX_MEMBER_BYTES), graph_name=text)
    listing = _list_files(path)
    places = _complete_checkpoints(listing.names)
    if places:
        chosen, notes = _chosen_checkpoints(places, listing, text)
        wanted = {place.path + suffix for place in chosen for suffix in (INDEX_SUFFIX, DATA_SUFFIX)}
        files = _read_files(path, wanted)
        checkpoints = [
            CheckpointFiles(
                f"{text}: {place.path}",
                place.steps,
                files[place.path + INDEX_SUFFIX],
                files[place.path + DATA_SUFFIX],
            )
            for place in chosen
        ]
        return ModelSource(text, tuple(checkpoints), folder=chosen[0].folder, notes=tuple(notes))
    name = _chosen_graph(listing, text)
    graph = _read_files(path, {name})[name]
    folder = str(PurePosixPath(name).parent)
    return ModelSource(text, graph=graph, graph_name=f"{text}: {name}", folder=folder)


def _is_weights_file(name: str) -> bool:
    return name.endswith((GRAPH_SUFFIX, INDEX_SUFFIX)) and not PurePosixPath(name).name.startswith(
        "."
    )


def _is_log_file(name: str) -> bool:
    return bool(_LOG.search(name))


def _list_files(path: str | Path) -> _Listing:
    """The names of all files of a location, and what those hold that name checkpoints."""
    listing = _Listing()
    location = locate_logs(path)
    if location.is_file:
        return listing
    for entry in visit_files(location, _may_be_of_model):
        if len(entry.name) > MAX_NAME_CHARS:
            continue
        listing.names.add(entry.name)
        if PurePosixPath(entry.name).name in (COACH_FILE, CHECKPOINTS_FILE):
            listing.pointers[entry.name] = _content(entry, SMALL_FILE_BYTES, path)
    if not listing.names and location.notes:
        raise UsageError(f"{path}: {location.notes[0]}")
    return listing


def _may_be_of_model(name: str) -> bool:
    file_name = PurePosixPath(name).name
    return file_name in (COACH_FILE, CHECKPOINTS_FILE, METADATA_FILE) or file_name.endswith(
        (GRAPH_SUFFIX, INDEX_SUFFIX, DATA_SUFFIX)
    )


def _read_files(path: str | Path, wanted: set[str]) -> dict[str, bytes]:
    location = locate_logs(path)
    files = {}
    for entry in visit_files(location, _may_be_of_model):
        if entry.name in wanted:
            files[entry.name] = _content(entry, MAX_MEMBER_BYTES, path)
    missing = wanted - set(files)
    if missing:
        raise UsageError(
            f"{path}: {min(missing)} cannot be read: the archive is damaged, or cut off"
        )
    return files


def _content(entry: FileEntry, max_bytes: int, path: str | Path) -> bytes:
    try:
        content = entry.read(max_bytes + 1)
    except (OSError, TruncatedFileError) as error:
        raise UsageError(f"{path}: {entry.name} cannot be read: {error}") from None
    if len(content) > max_bytes:
        raise UsageError(f"{path}: {entry.name} holds more than {max_bytes >> 20} MiB")
    return content


def _complete_checkpoints(names: set[str]) -> list[_Place]:
    """The checkpoints of which both files are there, by their numbers."""
    places = []
    for name in names:
        if not name.endswith(INDEX_SUFFIX):
            continue
        prefix = name.removesuffix(INDEX_SUFFIX)
        match = _CHECKPOINT.fullmatch(PurePosixPath(prefix).name)
        if match and prefix + DATA_SUFFIX in names:
            folder = str(PurePosixPath(prefix).parent)
            places.append(_Place(folder, int(match[1]), int(match[2])))
    return sorted(places, key=lambda place: (place.folder, place.number, place.steps))


def _chosen_checkpoints(
    places: Sequence[_Place], listing: _Listing, root: str
) -> tuple[list[_Place], list[str]]:
    """The best checkpoint and the last one, and what was passed over."""
    folder = _only_folder([place.folder for place in places], root)
    by_name = {PurePosixPath(place.path).name: place for place in places}
    best, last = _named_checkpoints(folder, listing)
    last_place = by_name.get(last, places[-1])
    best_place = by_name.get(best, last_place)
    chosen = list(dict.fromkeys([best_place, last_place]))
    notes = []
    for name, word in ((best, "best"), (last, "last")):
        if name and name not in by_name:
            notes.append(f"the {word} checkpoint, {name}, is not there")
    if len(places) > len(chosen):
        notes.append(f"of {len(places)} checkpoints the best and the last are taken")
    return chosen, notes


def _named_checkpoints(folder: str, listing: _Listing) -> tuple[str, str]:
    """The names of the best checkpoint and of the last one; empty where no file says so."""
    content = listing.pointers.get(str(PurePosixPath(folder) / CHECKPOINTS_FILE))
    if content is not None:
        table = parse_json(content, CHECKPOINTS_FILE)
        return _checkpoint_name(table, "best_checkpoint"), _checkpoint_name(
            table, "last_checkpoint"
        )
    pointer = listing.pointers.get(str(PurePosixPath(folder) / COACH_FILE), b"")
    match = _CHECKPOINT.search(pointer[:MAX_NAME_CHARS].decode("latin-1"))
    return "", match[0] if match else ""


def _checkpoint_name(table: Any, key: str) -> str:
    entry = table.get(key) if isinstance(table, dict) else None
    name = entry.get("name") if isinstance(entry, dict) else None
    match = _CHECKPOINT.search(name[:MAX_NAME_CHARS]) if isinstance(name, str) else None
    return match[0] if match else ""


def _only_folder(folders: Sequence[str], root: str) -> str:
    """The one folder of all weights. Raises UsageError where there are several."""
    different = sorted(set(folders))
    if len(different) > 1:
        shown = ", ".join(different[:MAX_NAMED_PLACES])
        raise UsageError(f"{root} holds {len(different)} models: name the folder of one ({shown})")
    return different[0]


def _chosen_graph(listing: _Listing, root: str) -> str:
    """The frozen graph of the best checkpoint, or the only one. Raises UsageError without one."""
    graphs = sorted(name for name in listing.names if name.endswith(GRAPH_SUFFIX))
    if not graphs:
        half = [name for name in listing.names if name.endswith((INDEX_SUFFIX, DATA_SUFFIX))]
        if half:
            raise UsageError(
                f"{root}: {min(half)} is half a checkpoint: {INDEX_SUFFIX} and {DATA_SUFFIX} belong together"
            )
        raise UsageError(
            f"{root} holds no model: neither a frozen graph (model.pb) nor a checkpoint "
            f"(N_Step-S.ckpt{INDEX_SUFFIX} with its {DATA_SUFFIX})"
        )
    if len(graphs) == 1:
        return graphs[0]
    plain = [name for name in graphs if PurePosixPath(name).name == "model.pb"]
    if len(plain) == 1:
        return plain[0]
    folder = _only_folder([str(PurePosixPath(name).parent) for name in graphs], root)
    best, last = _named_checkpoints(folder, listing)
    for checkpoint in (best, last):
        name = str(PurePosixPath(folder) / f"model_{checkpoint.partition('_')[0]}{GRAPH_SUFFIX}")
        if name in graphs:
            return name
    return max(graphs, key=_graph_number)


def _graph_number(name: str) -> int:
    match = _GRAPH_NUMBER.fullmatch(PurePosixPath(name).name)
    return int(match[1]) if match else -1
