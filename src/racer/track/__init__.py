"""Tracks: what one is, where they come from, how they are written down."""

from racer.track.library import TrackEntry, available_tracks, find_track, load_track, track_entries
from racer.track.track import Track

__all__ = ["Track", "TrackEntry", "available_tracks", "find_track", "load_track", "track_entries"]
