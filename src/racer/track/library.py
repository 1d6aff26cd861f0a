"""Tracks by name or path: those that ship with racer, and the user's own, imported or fetched."""

from __future__ import annotations

import dataclasses
import os
import tomllib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from racer import resources as shipped
from racer.errors import UsageError, did_you_mean
from racer.files import write_file
from racer.track import route, worlds
from racer.track.track import Track

Provenance = Literal["shipped", "imported", "fetched", "file"]
TrackSource = str | bytes | os.PathLike[str] | os.PathLike[bytes]

TRACK_SUFFIXES = (".toml", ".npy")


@dataclass(frozen=True)
class TrackEntry:
    """A track that can be loaded: its name, its file, and where it came from.

    `note` is a sentence for the user when the file is not quite what was asked for, else empty.
    """

    name: str
    path: Path
    provenance: Provenance
    note: str = ""


def load_track(track: TrackSource, *, home: Path | None = None, keep_seam: bool = False) -> Track:
    """The track of that name, or in that `.toml` or `.npy` file.

    `home` is the user's data folder (`user_home()` unless given), `keep_seam` as in `route.load`.
    When a world's own route is not there but a shipped reconstruction is, that is loaded, with a
    warning. Raises UsageError.
    """
    entry = find_track(track, home=home)
    if entry.note:
        warnings.warn(entry.note, stacklevel=2)
    return open_entry(entry, keep_seam=keep_seam)


def open_entry(entry: TrackEntry, *, keep_seam: bool = False) -> Track:
    """The track of an entry of `find` or `entries`. Raises UsageError."""
    if entry.path.suffix.lower() == ".npy":
        return route.load_route(entry.path, name=entry.name, keep_seam=keep_seam)
    from racer.track import layout as layout_file

    track = layout_file.load_layout_track(entry.path)
    return track if entry.provenance == "file" else dataclasses.replace(track, name=entry.name)


def find_track(track: TrackSource, *, home: Path | None = None) -> TrackEntry:
    """Where the track of that name or path is. Raises UsageError when it is nowhere."""
    text = os.fsdecode(os.fspath(track))
    if not text.strip():
        raise UsageError("the name of the track is empty (racer tracks list)")
    if not isinstance(track, str | bytes) or _is_path(text):
        return _file(Path(text).expanduser())
    known = {entry.name: entry for entry in track_entries(home=home)}
    return known.get(text) or _reconstruction(text) or _unknown(text, list(known))


def track_entries(*, home: Path | None = None) -> list[TrackEntry]:
    """Every track that has a name: shipped, then imported, then fetched, each in alphabetical
    order.

    Of equal names the first counts: a shipped track cannot be shadowed, an imported route goes
    before a fetched one.
    """
    home = user_home() if home is None else home
    found: dict[str, TrackEntry] = {}
    for place, provenance in _places(home):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if (
                path.suffix in TRACK_SUFFIXES
                and not path.name.startswith(".")
                and path.stem not in found
            ):
                found[path.stem] = TrackEntry(path.stem, path, provenance)
    return list(found.values())


def available_tracks(*, home: Path | None = None) -> list[str]:
    """The names that `load` knows."""
    return [entry.name for entry in track_entries(home=home)]


def import_track(
    path: Path, *, home: Path | None = None, name: str = "", replace: bool = False
) -> TrackEntry:
    """The new entry after copying a track file among the user's own, under its stem or `name`.

    The file is read first: what cannot be raced is not imported. Raises UsageError, also when the
    name is taken.
    """
    home = user_home() if home is None else home
    source = _file(path.expanduser())
    name = name or source.name
    _check_name(name, home, replace)
    open_entry(source)
    suffix = source.path.suffix.lower()
    folder = ensure_folder(imported_folder(home))
    copy = write_file(folder / f"{name}{suffix}", source.path.read_bytes())
    for other in set(TRACK_SUFFIXES) - {suffix}:
        (folder / f"{name}{other}").unlink(missing_ok=True)
    return TrackEntry(name, copy, "imported")


def user_home() -> Path:
    """The folder of this user's racer data: the environment variable RACER_HOME, or where the
    operating system wants it.
    """
    named = os.environ.get("RACER_HOME", "")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_data_path("racer", appauthor=False)


def imported_folder(home: Path) -> Path:
    """The folder of imported tracks under `home`."""
    return home / "tracks" / "imported"


def fetched_folder(home: Path) -> Path:
    """The folder of fetched routes under `home`."""
    return home / "tracks" / "fetched"


def ensure_folder(folder: Path) -> Path:
    """`folder`, which exists now. Raises UsageError when it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror or error}") from None
    return folder


def world_reconstructions() -> dict[str, TrackEntry]:
    """World name of the simulator to the shipped track that reconstructs it."""
    found = {}
    for path in sorted(shipped.tracks_folder().glob("*.toml")):
        world = tomllib.loads(path.read_text(encoding="utf-8")).get("route")
        if world:
            note = (
                f"{world} is not here: taking {path.stem}, a reconstruction of it by dimensions "
                f"(racer tracks fetch {world} gets the real route)"
            )
            found[world] = TrackEntry(path.stem, path, "shipped", note)
    return found


def _places(home: Path) -> list[tuple[Path, Provenance]]:
    return [
        (shipped.tracks_folder(), "shipped"),
        (imported_folder(home), "imported"),
        (fetched_folder(home), "fetched"),
    ]


def _is_path(text: str) -> bool:
    seps = [sep for sep in (os.sep, os.altsep) if sep]
    return (
        text.lower().endswith(TRACK_SUFFIXES)
        or text.startswith("~")
        or any(sep in text for sep in seps)
    )


def _file(path: Path) -> TrackEntry:
    if not path.exists():
        raise UsageError(f"{path}: there is no such file")
    if path.is_dir():
        raise UsageError(f"{path}: this is a folder; a track is a .toml or .npy file")
    if path.suffix.lower() not in TRACK_SUFFIXES:
        raise UsageError(
            f"{path}: a track is a .toml file (straights and arcs) or a .npy file (a route)"
        )
    return TrackEntry(path.stem, path, "file")


def _reconstruction(world: str) -> TrackEntry | None:
    return world_reconstructions().get(world)


def _unknown(name: str, known: list[str]) -> TrackEntry:
    if name in worlds.world_names():
        raise UsageError(f"the route {name!r} is not here yet: racer tracks fetch {name}")
    guess = did_you_mean(name, [*known, *worlds.world_names()])
    raise UsageError(f"unknown track {name!r}{guess} (racer tracks list)")


def _check_name(name: str, home: Path, replace: bool) -> None:
    if (
        not name.replace("_", "a").replace("-", "a").replace(".", "a").isalnum()
        or not name[0].isalnum()
    ):
        raise UsageError(
            f"{name!r} cannot be a track's name: use letters, digits, '_', '-' and '.' (--name)"
        )
    if name.lower().endswith(TRACK_SUFFIXES):
        raise UsageError(
            f"{name!r} cannot be a track's name, it would be taken for a file: leave the ending out"
        )
    for entry in track_entries(home=home):
        if entry.name == name and entry.provenance == "shipped":
            raise UsageError(
                f"a track named {name!r} ships with racer: choose another name (--name)"
            )
        if entry.name == name and entry.provenance == "imported" and not replace:
            raise UsageError(
                f"there is an imported track {name!r} already: choose another name, or --replace it"
            )
