"""Where on a track laps ended that were not completed, in the words of a racing engineer."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import geometry
from racer.analysis.sectors import corner_sectors
from racer.track.corners import find_corners, is_inside_corner
from racer.track.track import Track

ENDING_COLUMNS = ("status", "place", "count", "share")

Array = NDArray[np.float64]


def endings_by_corner(trace: pd.DataFrame, table: pd.DataFrame, track: Track) -> pd.DataFrame:
    """Where laps that were not completed ended, most frequent first: `status`, `place`, `count` and
    `share` (0 to 1).

    `table` holds rows of `racer.analysis.laps(trace)`, `track` is the road in the direction driven.
    A place is `T3 entry`, `T3` or `T3 exit` (up to the middle of the straights around it), or `the
    road` on a track without corners.
    """
    ended = table[~table["complete"]]
    xy = trace[["X", "Y"]].to_numpy(float)[ended["last_row"]]
    words = pd.DataFrame(
        {"status": ended["status"].astype(str).to_numpy(), "place": corner_labels(track, xy)}
    )
    counts = words.value_counts().reset_index(name="count")
    return counts.assign(share=counts["count"] / max(len(ended), 1))[list(ENDING_COLUMNS)]


def corner_labels(track: Track, xy: Array) -> list[str]:
    """(N,) the corner that each of `xy` (N, 2) m is at, and whether before or after it."""
    found = find_corners(track)
    if not found or not len(xy):
        return ["the road"] * len(xy)
    s = geometry.project_points(track.center, xy)[0]
    words = np.full(len(s), "", dtype=object)
    for corner, piece in zip(found, corner_sectors(track), strict=True):
        size = (piece.end - piece.start) % track.length or track.length
        here = (s - piece.start) % track.length <= size
        entry = (s - piece.start) % track.length < (corner.start - piece.start) % track.length
        word = np.where(
            is_inside_corner(corner, s),
            corner.name,
            np.where(entry, f"{corner.name} entry", f"{corner.name} exit"),
        )
        words = np.where(here & (words == ""), word, words)
    return [str(word) for word in words]
