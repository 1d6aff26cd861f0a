"""The simulator's worlds and the tracks that are here: which stands for which."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from racer.track import library

DIRECTION_SUFFIX = re.compile(r"_(c?cw)$")


class ResolvedWorld(NamedTuple):
    """The track for a world, whether it is to be driven in the other direction, and a sentence where
    it is not the world itself.
    """

    track: str
    is_turned: bool
    note: str = ""


def world_of_track(track: str) -> str:
    """The simulator's name of a track, empty where it has none.

    A shipped track that was built after the dimensions of one of the simulator's has that one's
    name.
    """
    if track in library.world_names():
        return track
    for world, entry in library.world_reconstructions().items():
        if entry.name == track:
            return world
    return ""


def resolve_world(world: str, home: Path | None = None) -> ResolvedWorld:
    """The track for one of the simulator's worlds.

    `reinvent_base_cw` is `reinvent_base`, turned, where the former is not here.
    """
    available = library.available_tracks(home=home)
    if world in available:
        return ResolvedWorld(world, False)
    is_known = world in library.world_names()
    hint = f" (racer tracks fetch {world} gets the real one)" if is_known else ""
    reconstructions = {name: entry.name for name, entry in library.world_reconstructions().items()}
    if world in reconstructions:
        track = reconstructions[world]
        note = f"{world} is not here: {track}, a reconstruction of it, is taken{hint}"
        return ResolvedWorld(track, False, note)
    direction = DIRECTION_SUFFIX.search(world)
    if direction:
        plain_world = DIRECTION_SUFFIX.sub("", world)
        track = plain_world if plain_world in available else reconstructions.get(plain_world, "")
        if track:
            return _turned_track(world, track, is_ccw=direction[1] == "ccw", home=home, hint=hint)
    if is_known:
        note = f"{world} is not here yet: before you train, racer tracks fetch {world}"
    else:
        note = (
            f"racer knows no track {world}: before you train, racer tracks import its route (.npy)"
        )
    return ResolvedWorld(world, False, note)


def _turned_track(
    world: str, track: str, is_ccw: bool, home: Path | None, hint: str
) -> ResolvedWorld:
    """A track in the direction of a world, turned if need be."""
    entry = library.find_track(track, home=home)
    is_turned = library.open_entry(entry).is_ccw != is_ccw
    direction = "the other way" if is_turned else "as it is"
    note = f"{world} is not here: {track}, driven {direction}, is taken{hint}"
    return ResolvedWorld(track, is_turned, note)
