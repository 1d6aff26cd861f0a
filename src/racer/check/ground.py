"""What rewards are tried on: the tracks, and the steps of whole laps and of places all over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from racer import shipped, track
from racer.check.situations import Episode, laps, probes
from racer.track.record import Track

MAIN_TRACK = "reinvent_2018"  # where whole laps are driven, unless tracks are named
FEWER = 0.25  # share of the places that are tried on the other tracks


@dataclass(frozen=True, eq=False)
class Ground:
    """What rewards are tried on. `is_named`: the user named the tracks, so a reward must do on all of them."""

    tracks: list[Track]
    episodes: list[Episode]
    is_named: bool


def ground(names: Sequence[str], is_named: bool) -> Ground:
    """The tracks of these names and all episodes on them: laps on the main one, or on the first two named."""
    tracks = [track.load(name) for name in names]
    main = [t for t in tracks if t.name == MAIN_TRACK] if not is_named else tracks[:2]
    driven = [episode for t in main or tracks[:1] for episode in laps(t)]
    others = [t for t in tracks if t not in main]
    apart = [*(probes(t) for t in main), *(probes(t, 1.0 if is_named else FEWER) for t in others)]
    first, rest = apart[0], [episode for found in apart[1:] for episode in found]
    return Ground(tracks, [*first, *driven, *rest], is_named)


def track_names(asked: Sequence[str]) -> list[str]:
    """The names of tracks to try on: those asked for, or all that ship, for none or for `all`."""
    if asked and "all" not in asked:
        return list(dict.fromkeys(asked))
    return [path.stem for path in sorted(shipped.tracks().glob("*.toml"))]
