"""Tracks by name or path: those that ship with racer, the user's own, imported, and the community's
copies, fetched.

The simulator's own routes are known by name, too, and by the hashes of those that racer has seen
(`routes.txt`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import math
import os
import re
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from racer.errors import UsageError, did_you_mean
from racer.files import make_folder, read_text, read_toml, write_file
from racer.resources import tracks_folder
from racer.track import library
from racer.track.corners import road_faults
from racer.track.points import TABLE_SUFFIXES, read_points, rows_from_points
from racer.track.route import RouteError, load_route, route_bytes, track_from_rows
from racer.track.spatial_index import check_extent
from racer.track.track import Track

Provenance = Literal["shipped", "imported", "fetched", "file"]
TrackSource = str | bytes | os.PathLike[str] | os.PathLike[bytes]

TRACK_SUFFIXES = (".toml", ".npy")

_NAME = re.compile(r"[^\W_][\w.-]*")

ROUTES_ADDRESS = (
    "https://raw.githubusercontent.com/aws-deepracer-community/deepracer-simapp/HEAD/bundle/routes/"
)
"""Folder of `<world>.npy` files: the community's continuation of the simulator."""

FETCH_TIMEOUT_S = 20.0
"""Seconds without an answer before a server counts as gone."""

FIRST_USE_FILE = "first_use.txt"
"""Hashes, in the fetched folder, of the routes that were fetched without a known one."""

Verification = Literal["verified", "first use", "here already"]


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

    `home` is the user's data folder (`user_home()` unless given), `keep_seam` as in `load_route`.
    Where a world's own route is absent but a shipped reconstruction of it is there, that is loaded,
    with a warning. Raises UsageError for a track that is nowhere, and for a file that is none.

    >>> track = load_track("reinvent_2018")
    >>> track.title, len(track.waypoints), round(track.length, 1)
    ('re:Invent 2018', 119, 17.7)
    """
    entry = find_track(track, home=home)
    loaded = open_entry(entry, keep_seam=keep_seam)
    for note in filter(None, (entry.note, loaded.note)):
        warnings.warn(note, stacklevel=2)
    check_extent(loaded)
    return loaded


def world_of_direction(track: TrackSource, clockwise: bool) -> str:
    """The name or path of the world that `TRACK_DIRECTION_CLOCKWISE` makes of `track`: a route of
    its own, whose name ends in `_cw` or `_ccw` (docs/simulator.md 2.2).

    >>> world_of_direction("reinvent_base", True), world_of_direction("routes/Spain.npy", False)
    ('reinvent_base_cw', 'routes/Spain_ccw.npy')
    """
    text = os.fsdecode(os.fspath(track))
    ending = "_cw" if clockwise else "_ccw"
    for suffix in TRACK_SUFFIXES:
        if text.lower().endswith(suffix):
            return text[: -len(suffix)] + ending + text[-len(suffix) :]
    return text + ending


def open_entry(entry: TrackEntry, *, keep_seam: bool = False) -> Track:
    """The track of an entry of `find_track` or `track_entries`. Raises UsageError."""
    if entry.path.suffix.lower() == ".npy":
        return load_route(entry.path, name=entry.name, keep_seam=keep_seam)
    from racer.track.layout import load_layout_track

    track = load_layout_track(entry.path)
    if entry.provenance == "file":
        return track
    return dataclasses.replace(track, name=entry.name)


def find_track(track: TrackSource, *, home: Path | None = None) -> TrackEntry:
    """Where the track of that name or path is. Raises UsageError when it is nowhere."""
    text = os.fsdecode(os.fspath(track))
    if not text.strip():
        raise UsageError("the name of the track is empty (racer tracks list)")
    if not isinstance(track, str | bytes) or _is_path(text):
        return _file_entry(Path(text).expanduser())
    named = {entry.name: entry for entry in track_entries(home=home)}
    if text in named:
        return named[text]
    reconstructions = world_reconstructions()
    if text in reconstructions:
        return reconstructions[text]
    if text in world_names():
        raise UsageError(f"the route {text!r} is not here yet: racer tracks fetch {text}")
    guess = did_you_mean(text, [*named, *world_names()])
    raise UsageError(f"unknown track {text!r}{guess} (racer tracks list)")


def track_entries(*, home: Path | None = None) -> list[TrackEntry]:
    """Every track that has a name: shipped, then imported, then fetched, each in alphabetical
    order.

    Of equal names the first counts: a shipped track cannot be shadowed, an imported route goes
    before a fetched one.
    """
    if home is None:
        home = user_home()
    folders: dict[Provenance, Path] = {
        "shipped": tracks_folder(),
        "imported": imported_folder(home),
        "fetched": fetched_folder(home),
    }
    entries: dict[str, TrackEntry] = {}
    for provenance, folder in folders.items():
        for path in _track_files(folder):
            entries.setdefault(path.stem, TrackEntry(path.stem, path, provenance))
    return list(entries.values())


def available_tracks(*, home: Path | None = None) -> list[str]:
    """The names that `load_track` knows."""
    return [entry.name for entry in track_entries(home=home)]


def world_names() -> list[str]:
    """The simulator's 127 world names, in alphabetical order."""
    return list(route_hashes())


@cache
def route_hashes() -> dict[str, str | None]:
    """World name to the SHA-256 of its route; None where racer has never seen the file."""
    hashes: dict[str, str | None] = {}
    for line in read_text(Path(__file__).with_name("routes.txt")).splitlines():
        if line and not line.startswith("#"):
            digest, name = line.split()
            hashes[name] = None if digest == "?" else digest
    return hashes


def world_reconstructions() -> dict[str, TrackEntry]:
    """World name of the simulator to the shipped track that reconstructs it."""
    entries = {}
    for path in _track_files(tracks_folder()):
        world = read_toml(path).get("route")
        if world:
            note = (
                f"{world} is not here: taking {path.stem}, a reconstruction of it by dimensions "
                f"(racer tracks fetch {world} gets the real route)"
            )
            entries[world] = TrackEntry(path.stem, path, "shipped", note)
    return entries


def import_track(
    path: Path,
    *,
    home: Path | None = None,
    name: str = "",
    replace: bool = False,
    scale: float = 1.0,
    width: float | None = None,
) -> TrackEntry:
    """The new entry after putting a track among the user's own, under its file's stem or `name`.

    Tables of points (`TABLE_SUFFIXES`) become routes: their numbers times `scale` are m, and `width`,
    m, is the road's where they tell none. What cannot be raced is not imported. The note of the entry
    says what was mended. Raises UsageError, also when the name is taken.
    """
    if home is None:
        home = user_home()
    source = path.expanduser()
    name = name or source.stem
    _check_name(name, home, replace)
    content, suffix, note = _importable(source, scale, width)
    folder = make_folder(imported_folder(home))
    copy = write_file(folder / f"{name}{suffix}", content)
    for other in set(TRACK_SUFFIXES) - {suffix}:
        (folder / f"{name}{other}").unlink(missing_ok=True)
    return TrackEntry(name, copy, "imported", note)


def _importable(path: Path, scale: float, width: float | None) -> tuple[bytes, str, str]:
    """What the imported file holds, its suffix, and what was mended.

    A file that is a track already is taken byte by byte. Raises UsageError.
    """
    is_as_it_is = scale == 1.0 and width is None
    if path.suffix.lower() == ".toml":
        entry = _file_entry(path)
        if not is_as_it_is:
            raise UsageError(f"{path}: a layout says its own sizes: leave --scale and --width out")
        check_extent(open_entry(entry))
        return path.read_bytes(), ".toml", ""
    if not math.isfinite(scale) or scale <= 0.0:
        raise UsageError(f"--scale is {scale:g}: it must be a number above 0")
    if path.suffix.lower() not in TABLE_SUFFIXES:
        _file_entry(path)
    points = read_points(path)
    try:
        rows, notes = rows_from_points(points, scale=scale, width=width)
        track = track_from_rows(rows, path.stem)
    except RouteError as error:
        raise RouteError(error.problem, path) from None
    faults = road_faults(track)
    if faults:
        raise RouteError(faults[0], path)
    check_extent(track)
    is_route = path.suffix.lower() == ".npy" and set(points) >= {"inner_x", "outer_x"}
    if is_route and is_as_it_is and not notes and not track.note:
        return path.read_bytes(), ".npy", ""
    note = "; ".join([*notes, *filter(None, [track.note])])
    return route_bytes(track), ".npy", note


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


def _track_files(folder: Path) -> list[Path]:
    """The track files in a folder, by name; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in TRACK_SUFFIXES and not path.name.startswith(".")
    )


def _is_path(text: str) -> bool:
    if text.lower().endswith(TRACK_SUFFIXES + TABLE_SUFFIXES) or text.startswith("~"):
        return True
    return os.sep in text or (os.altsep is not None and os.altsep in text)


def _file_entry(path: Path) -> TrackEntry:
    if not path.exists():
        raise UsageError(f"{path}: there is no such file")
    if path.is_dir():
        raise UsageError(f"{path}: this is a folder; a track is a .toml or .npy file")
    if path.suffix.lower() in TABLE_SUFFIXES:
        raise UsageError(
            f"{path}: a table of points becomes a track by racer tracks import {path} "
            "(columns: center x y, widths to the right and left; or center, inner, outer x y)"
        )
    if path.suffix.lower() not in TRACK_SUFFIXES:
        raise UsageError(
            f"{path}: a track is a .toml file (straights and arcs) or a .npy file (a route)"
        )
    return TrackEntry(path.stem, path, "file")


def _check_name(name: str, home: Path, replace: bool) -> None:
    """Raise UsageError for what cannot be the name of an imported track, or is one already."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a track's name: use letters, digits, '_', '-' and '.' (--name)"
        )
    if name.lower().endswith(TRACK_SUFFIXES + TABLE_SUFFIXES):
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


@dataclass(frozen=True)
class FetchedRoute:
    """A route on this machine. `verified`: its SHA-256 is the one racer knows; `first use`: racer
    knew none, and remembers this one from now on; `here already`: nothing had to be fetched.
    """

    name: str
    path: Path
    verification: Verification


def fetch_route(
    name: str, *, home: Path | None = None, address: str = ROUTES_ADDRESS
) -> FetchedRoute:
    """The route of a world, fetched from `address` unless it is here and whole.

    Raises UsageError for an unknown name, without a network, and for a file that is not the route
    it should be.
    """
    if home is None:
        home = library.user_home()
    hashes = library.route_hashes()
    if name not in hashes:
        guess = did_you_mean(name, library.world_names())
        raise UsageError(f"the simulator has no world {name!r}{guess} (racer tracks fetch --list)")
    folder = make_folder(library.fetched_folder(home))
    first_seen = _read_first_use(folder)
    expected = hashes[name] or first_seen.get(name)
    path = folder / f"{name}.npy"
    if path.is_file() and expected == _sha256(path):
        return FetchedRoute(name, path, "here already")
    _download(name, path, expected, address)
    if expected:
        return FetchedRoute(name, path, "verified")
    _write_first_use(folder, {**first_seen, name: _sha256(path)})
    return FetchedRoute(name, path, "first use")


def _download(name: str, path: Path, expected: str | None, address: str) -> None:
    """Put the verified route at `path`, or raise and leave nothing behind."""
    import pooch

    if not address.lower().startswith(("http://", "https://")):
        raise UsageError(
            f"{address}: routes are fetched over http or https; racer tracks import takes files"
        )
    url = f"{address.rstrip('/')}/{name}.npy"
    pooch.get_logger().setLevel(logging.ERROR)
    downloader = pooch.HTTPDownloader(timeout=FETCH_TIMEOUT_S)
    beside = path.with_name(f".{name}.fetching.npy")
    beside.unlink(missing_ok=True)
    try:
        pooch.retrieve(url, None, fname=beside.name, path=path.parent, downloader=downloader)
        if expected and _sha256(beside) != expected:
            raise UsageError(
                f"{url}: not the route {name} that racer knows (its SHA-256 differs); nothing is kept"
            )
        load_route(beside, name=name)
        write_file(path, beside.read_bytes())
    except OSError as error:  # those of requests, too
        raise UsageError(_no_answer(name, url, error)) from None
    except RouteError as error:
        raise UsageError(
            f"what {url} sent is no route ({error.problem}): check the address"
        ) from None
    finally:
        beside.unlink(missing_ok=True)


def _no_answer(name: str, url: str, error: OSError) -> str:
    """What to do when a server did not answer, or with an error."""
    reason = f"no answer, {type(error).__name__}"
    response = getattr(error, "response", None)
    if response is not None:
        response.close()  # pooch leaves a response that it did not read open
        reason = f"the server says {response.status_code}"
    return (
        f"cannot fetch {url} ({reason}). "
        f"Get {name}.npy another way, then: racer tracks import {name}.npy"
    )


def _read_first_use(folder: Path) -> dict[str, str]:
    """World name to SHA-256 of the routes that were fetched without a known one, as first seen."""
    path = folder / FIRST_USE_FILE
    if not path.is_file():
        return {}
    hashes = {}
    for line in read_text(path).splitlines():
        digest, _, name = line.partition("  ")
        if name:
            hashes[name] = digest
    return hashes


def _write_first_use(folder: Path, hashes: dict[str, str]) -> None:
    lines = [f"{digest}  {name}\n" for name, digest in sorted(hashes.items())]
    write_file(folder / FIRST_USE_FILE, "".join(lines))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def own_tracks() -> list[Track]:
    """The user's imported and fetched tracks, as far as they can be read."""
    tracks = []
    for entry in track_entries():
        if entry.provenance != "shipped":
            with contextlib.suppress(UsageError):  # racer tracks says what is wrong with it
                tracks.append(open_entry(entry))
    return tracks
