"""The map of the ground that cameras look at: what every little square of it is made of, fine to coarse.

A cell is one byte: the number of a mixture of materials (`Palette`). Level 0 has squares of `CELL`, every level above
has squares twice as large, whose mixtures are the averages of what is below; so the far end of a picture is smooth.
The two directions of a track share one map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.sensors.palette import BORDER, CENTER, FIELD, MATERIALS, ROAD, mixed
from racer.sensors.world import walls
from racer.track.record import Track

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]

CELL = 0.005  # m, side of the squares of level 0
LEVELS = 6  # up to 0.16 m
AROUND = 0.1  # m of field around the borders that the map covers; beyond it everything is field
BORDER_WIDTH = 0.0762  # m, inside the road (SIMULATOR.md 5.2)
DASH, GAP, DASH_WIDTH = 0.0508, 0.0508, 0.0254  # m


class Scenery(NamedTuple):
    """G grounds, and which of them belongs to each of M roads, for compiled code. Made by `scenery`."""

    cells: Bytes  # (P,) mixtures, of every level of every ground
    grounds: NDArray[np.void]  # (G,) rows of GROUND
    ground: NDArray[np.int32]  # (M,) of every road
    cell: float  # m


GROUND = np.dtype(
    [
        ("x", np.float64),  # lower left corner of its map, m
        ("y", np.float64),
        ("columns", np.int32),  # of level 0
        ("rows", np.int32),
        ("stride", np.int32),  # logarithm of the columns that a row of level 0 has room for
        ("first", np.int64, (LEVELS,)),  # first cell of each level
        ("walls", np.float64, (4, 4)),  # x0, y0, x1, y1, m
    ],
    align=True,
)


def scenery(tracks: Sequence[Track], cell: float = CELL) -> Scenery:
    """The map of the ground of `tracks`, in their order; `cell` is the side of its finest squares, m."""
    kinds: dict[bytes, int] = {}
    ground = [kinds.setdefault(_identity(track), len(kinds)) for track in tracks]
    grounds = np.zeros(len(kinds), GROUND)
    cells: list[Bytes] = []
    for k in range(len(kinds)):
        _draw(tracks[ground.index(k)], cell, grounds[k], cells)
    return Scenery(np.concatenate(cells), grounds, np.array(ground, dtype=np.int32), cell)


def _identity(track: Track) -> bytes:
    """The same for a track and its reverse."""
    center = track.center if not track.is_reversed else track.center[::-1]
    return track.name.encode() + center.tobytes()


def _draw(track: Track, cell: float, row: np.void, cells: list[Bytes]) -> None:
    """Append the levels of one ground; `row` receives where they are."""
    borders = np.concatenate([track.inner, track.outer])
    block = cell * 2 ** (LEVELS - 1)
    origin = borders.min(axis=0) - AROUND
    columns, rows = (np.ceil((borders.max(axis=0) + AROUND - origin) / block).astype(int) * 2 ** (LEVELS - 1)).tolist()
    row["x"], row["y"] = origin
    row["columns"], row["rows"] = columns, rows
    row["stride"] = int(np.ceil(np.log2(columns)))
    row["walls"] = walls(track)
    weights = _weights(track, origin, cell, (rows, columns))
    first = sum(len(part) for part in cells)
    for level in range(LEVELS):
        wide = np.zeros((weights.shape[0], 2 ** (row["stride"] - level)), dtype=np.uint8)
        wide[:, : weights.shape[1]] = mixed(weights)
        cells.append(wide.ravel())
        row["first"][level] = first
        first += wide.size
        if level + 1 < LEVELS:
            weights = 0.25 * (weights[::2, ::2] + weights[1::2, ::2] + weights[::2, 1::2] + weights[1::2, 1::2])


def _weights(track: Track, origin: Array, cell: float, shape: tuple[int, int]) -> NDArray[np.float32]:
    """(R, C, MATERIALS) shares of every cell: of four points in it, on what they are."""
    fine = (2 * shape[0], 2 * shape[1])
    what = np.full(fine, FIELD, dtype=np.uint8)
    for edges, material in _shapes(track):
        inside = np.zeros(fine, dtype=np.uint8)
        _toggle(inside, (edges - np.tile(origin, 2)) / (0.5 * cell))
        np.bitwise_xor.accumulate(inside, axis=1, out=inside)
        what[inside.view(np.bool_)] = material
    shares = [(what == material).reshape(shape[0], 2, shape[1], 2).mean(axis=(1, 3)) for material in range(MATERIALS)]
    return np.stack(shares, axis=-1).astype(np.float32)


def _shapes(track: Track) -> list[tuple[Array, int]]:
    """Edges (E, 4) of closed outlines, m, and what is within them, from bottom to top."""
    import shapely

    rings = [track.outer, track.inner]
    if not track.is_loop:
        rings = [np.concatenate([track.outer, track.inner[::-1], track.outer[:1]])]
    lines = shapely.union_all([shapely.LineString(line) for line in (track.outer, track.inner)])
    asphalt = shapely.Polygon(rings[0], rings[1:]).difference(lines.buffer(BORDER_WIDTH, join_style="mitre"))
    return [
        (_edges(rings), BORDER),
        (_edges(_rings(asphalt)), ROAD),
        (_dashes(track.center), CENTER),
    ]


def _rings(shape) -> list[Array]:  # type: ignore[no-untyped-def]
    import shapely

    parts = shapely.get_parts(shape)
    return [np.array(ring.coords) for part in parts for ring in (part.exterior, *part.interiors)]


def _edges(rings: Sequence[Array]) -> Array:
    return np.concatenate([np.column_stack([ring[:-1], ring[1:]]) for ring in rings])


def _dashes(center: Array) -> Array:
    """(E, 4) edges of the dashes of a center line, m."""
    length = geometry.arc_length(center)[-1]
    count = round(length / (DASH + GAP))
    begin = np.arange(count) * (length / count)
    ends = [geometry.point_at(center, begin), geometry.point_at(center, begin + DASH)]
    way = ends[1] - ends[0]
    side = 0.5 * DASH_WIDTH * np.column_stack([-way[:, 1], way[:, 0]]) / np.hypot(*way.T)[:, None]
    quads = np.stack([ends[0] + side, ends[0] - side, ends[1] - side, ends[1] + side], axis=1)
    return np.concatenate([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 4)


@njit(cache=True, error_model="numpy")
def _toggle(inside, edges):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Mark where each row of pixels enters and leaves the outlines; their xor along the row fills them."""
    rows, columns = inside.shape
    for e in range(len(edges)):
        x0, y0, x1, y1 = edges[e]
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        for r in range(max(int(np.ceil(y0 - 0.5)), 0), min(int(np.ceil(y1 - 0.5)), rows)):
            c = int(np.ceil(x0 + (r + 0.5 - y0) / (y1 - y0) * (x1 - x0) - 0.5))
            if c < columns:
                inside[r, max(c, 0)] ^= 1
