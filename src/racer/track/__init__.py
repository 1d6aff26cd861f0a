"""Tracks: what one is, where they come from, how they are written down."""

from racer.track.library import Entry, entries, find, load, names
from racer.track.track import Track

__all__ = ["Entry", "Track", "entries", "find", "load", "names"]
