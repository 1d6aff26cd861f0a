"""The line of a driver among boxes: through the room beside each of them, and smoothly from one to the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.raceline.line import Stations
from racer.sim.objects import SIZE, Bodies

Array = NDArray[np.float64]

BESIDE = 0.5  # m before and after the middle of a box along which the line stays on the other lane
SMOOTH = 0.6  # m over which the line is averaged


def around(road: Stations, objects: Bodies, share: float = 0.5) -> Array:
    """(M,) m to the left of the center line, of a line that passes all `objects` (K,), `locate`d on the road.

    `share` of the way from a box to the border beyond the center line is between the box and the line.
    """
    length = len(road.xy) * road.spacing
    s = np.arange(len(road.xy)) * road.spacing
    if not len(objects):
        return np.zeros(len(s))
    half = 0.5 * (road.left + road.right)[np.round(objects["s"] / road.spacing).astype(int) % len(s)]
    edge = 0.5 * np.array(SIZE)[objects["kind"], 1] - objects["aside"]  # of the box, beyond the center line
    free = edge + share * (half - edge)
    lane = np.where(objects["left"], -free, free)
    spots = np.concatenate([objects["s"] - BESIDE, objects["s"] + BESIDE])
    order = np.argsort(spots, kind="stable")
    line = np.interp(s, spots[order], np.tile(lane, 2)[order], period=length if road.is_loop else None)
    count = max(1, round(0.5 * SMOOTH / road.spacing))
    wide = np.pad(line, count, mode="wrap" if road.is_loop else "edge")
    return np.convolve(wide, np.full(2 * count + 1, 1.0 / (2 * count + 1)), mode="valid")
