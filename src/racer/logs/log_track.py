"""The track of a log: the one that is named, or whichever of the known ones the log's numbers fit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from racer.errors import UsageError
from racer.logs.track_matching import match_track, sample_rows, track_agreement
from racer.track import TRACK_SUFFIXES, Track, TrackEntry, find_track, open_entry, track_entries

TrackSource = str | os.PathLike[str] | Track


@dataclass(frozen=True, eq=False)
class LogTrack:
    """The track that a log was driven on, in the log's direction; None where it is unknown.

    `agreement` is the fraction of steps that agree with it, None where no step can tell;
    `is_matched` says that these suffice, `length` (m) is what the log says.
    """

    track: Track | None
    length: float
    agreement: float | None = None
    is_matched: bool = False

    @property
    def label(self) -> str:
        """The track's name, and `(reversed)` where it is driven the other way; empty if unknown."""
        if self.track is None:
            return ""
        return f"{self.track.name} (reversed)" if self.track.is_reversed else self.track.name

    @property
    def sentence(self) -> str:
        """What is known of the track, in a line; for an unknown one, how to name it."""
        if self.track is None:
            advice = (
                "--track NAME or FILE names it, --tracks DIR gives routes to try, "
                "racer tracks fetch gets the real ones"
            )
            return f"track: unknown, {self.length:.2f} m long; {advice}"
        if self.agreement is None:
            named = f"track: {self.track.name}, as given"
            return f"{named}; no step tells whether it is the right one"
        if not self.is_matched:
            named = f"track: {self.track.name}, as given"
            return f"{named}, although only {self.agreement:.0%} of the steps agree with it"
        direction = "reversed" if self.track.is_reversed else "forward"
        named = f"track: {self.track.name}, {direction}"
        return f"{named}; {self.agreement:.1%} of the steps agree with it"


def find_log_track(
    trace: pd.DataFrame, track: TrackSource = "", candidates: Iterable[Track] | None = None
) -> LogTrack:
    """The track of a trace: the one that is named, in the direction that fits the rows; without one
    the one of `candidates` (all known tracks unless given) that fits.

    The rows are those of one track: their `track_len` is the same. Raises UsageError for a track
    that is not there.
    """
    length = float(trace["track_len"].median())
    if not isinstance(track, Track):
        if not track:
            known = KnownTracks() if candidates is None else candidates
            return _matched(trace, known, length) or LogTrack(None, length)
        track = open_entry(find_track(track), keep_seam=True)
    matched = _matched(trace, [track], length)
    if matched is not None:
        return matched
    rows = sample_rows(trace)
    if not len(rows):
        return LogTrack(track, length)
    return LogTrack(track, length, track_agreement(rows, track))


@dataclass
class KnownTracks:
    """Every track that can be read: those of a folder of the user's, and those with a name.

    What cannot be read does not stop the search; its sentences are in `unreadable` once the tracks
    were gone through. Raises UsageError for a folder that is not there.
    """

    folder: Path | None = None
    unreadable: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Track]:
        for entry in self._entries():
            try:
                yield open_entry(entry, keep_seam=True)
            except UsageError as error:
                self.unreadable.append(str(error))

    def _entries(self) -> list[TrackEntry]:
        named = track_entries()
        if self.folder is None:
            return named
        if not self.folder.is_dir():
            raise UsageError(f"{self.folder}: there is no such folder of tracks")
        paths = sorted(self.folder.rglob("*"))
        files = [path for path in paths if path.suffix in TRACK_SUFFIXES]
        return [*map(find_track, files), *named]


def _matched(trace: pd.DataFrame, tracks: Iterable[Track], length: float) -> LogTrack | None:
    match = match_track(trace, tracks)
    if match is None:
        return None
    return LogTrack(match.track, length, match.agreement, is_matched=True)
