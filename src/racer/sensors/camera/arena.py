"""What stands around a road besides objects: the field it lies on, and the walls on the edge of the
field.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.track.track import Track

Array = NDArray[np.float64]
Rectangle = tuple[float, float, float, float]

WALL_HEIGHT_M = 1.0  # height of the walls (docs/simulator.md 5.2)
FIELD_MARGIN_M = 0.91  # m of field beside the borders, as in the simulator's first worlds
WIDE_FIELD: Rectangle = (-12.5, -12.5, 12.5, 12.5)  # m, the field of worlds of 2022 and later
MEASURED_FIELDS: dict[str, Rectangle] = {
    "reinvent_base": (-0.587, -0.613, 8.575, 5.795),
    "reinvent_carpet": (-0.587, -0.613, 8.575, 5.795),
    "reinvent_concrete": (-0.587, -0.613, 8.575, 5.795),
    "reinvent_wood": (-0.587, -0.613, 8.575, 5.795),
    "reInvent2019_track": (-0.995, -1.116, 9.643, 7.449),
}
"""Fields measured in the simulator's meshes, m."""


def field_rectangle(track: Track) -> Rectangle:
    """The rectangle of field around a road: xmin, ymin, xmax, ymax, m.

    As measured where it was, 25 x 25 m around the origin for worlds of 2022 and later whose road
    fits into that, and else `MARGIN` beyond the borders.
    """
    if track.name in MEASURED_FIELDS:
        return MEASURED_FIELDS[track.name]
    borders = np.concatenate([track.inner, track.outer])
    (left, low), (right, high) = borders.min(axis=0).tolist(), borders.max(axis=0).tolist()
    if is_of_2022(track.name) and max(-left, -low, right, high) < WIDE_FIELD[2]:
        return WIDE_FIELD
    return (
        left - FIELD_MARGIN_M,
        low - FIELD_MARGIN_M,
        right + FIELD_MARGIN_M,
        high + FIELD_MARGIN_M,
    )


def wall_segments(track: Track) -> Array:
    """(4, 4) the walls around the field, counterclockwise from the lower left corner: x0, y0, x1,
    y1, m.
    """
    left, low, right, high = field_rectangle(track)
    corners = np.array([[left, low], [right, low], [right, high], [left, high]])
    return np.column_stack([corners, np.roll(corners, -1, axis=0)])


def is_of_2022(world: str) -> bool:
    """Whether a world is one of 2022 and later, by its name: a start line is painted on the road
    there, for one.
    """
    return world.startswith(("2022_", "2024_"))
