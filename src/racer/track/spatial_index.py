"""The compiled view of roads: nearest place on a line and point in road, exact and without memory.

Lines of several roads lie end to end in flat arrays, so that cars of one batch may drive on
different roads (a track and its reverse, or several tracks). A grid over each line lists, for every
cell, the segments that can be nearest to a point of that cell; searching those gives the same
answer as searching all. Borders are sorted into horizontal bands for the even-odd rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.track.track import Track

Array = NDArray[np.float64]
Index = NDArray[np.int32]

CELL_M = 0.1  # m, side of a grid cell: about five candidate segments a cell on real routes
GRID_MARGIN_M = (
    1.5  # m around a line that the grid covers; a point farther away tries every segment
)
USUAL_CANDIDATES = 8  # candidates a cell, on average, that there is room for at first
BLOCK_CELLS = 16  # cells of a row whose candidates are looked for together
BAND_M = 0.05  # m, height of a band of border edges

CENTER_LINE, INNER_LINE, OUTER_LINE = 0, 1, 2
OUTSIDE, INSIDE, MIXED = 0, 1, 2  # what a cell of the center line's grid is of the road


class PackedTracks(NamedTuple):
    """M roads for compiled code; line `3 * m + CENTER | INNER | OUTER` belongs to road `m`. Made by
    `pack`.
    """

    # (P, 6) of every vertex of every line: x, y, arc length; its segment's dx, dy and 1 / length
    # squared
    vertex: Array
    lines: NDArray[np.void]  # (3M,) rows of LINE
    start: Index  # (C + 1,) first candidate of each cell
    candidate: Index  # (K,) segments that can be nearest, by index of their first vertex
    kind: NDArray[np.int8]  # (C,) OUTSIDE, INSIDE or MIXED; of the cells of center lines only
    surfaces: NDArray[np.void]  # (M,) rows of SURFACE
    edges: Index  # (B + 1,) first edge of each band
    edge: Array  # (E, 4) border edges x0, y0, x1, y1, m


LINE = np.dtype(
    [
        ("first", np.int32),  # its first and last vertex
        ("last", np.int32),
        ("x", np.float64),  # lower left corner of its grid, m
        ("y", np.float64),
        ("columns", np.int32),
        ("rows", np.int32),
        ("cell", np.int32),  # its first cell
    ],
    align=True,
)

SURFACE = np.dtype(
    [
        ("bottom", np.float64),  # y of the lowest band, m
        ("band", np.int32),  # its first band
        ("bands", np.int32),
        ("is_ccw", np.bool_),  # as driven
    ],
    align=True,
)


def pack_tracks(tracks: Sequence[Track]) -> PackedTracks:
    """The compiled view of `tracks`, in their order; a car's `road` is an index into them."""
    lines = [line for track in tracks for line in (track.center, track.inner, track.outer)]
    table = np.zeros(len(lines), LINE)
    table["first"] = _offsets([len(line) for line in lines])[:-1]
    table["last"] = table["first"] + [len(line) - 1 for line in lines]
    counts, candidates = zip(*_grids(lines, table), strict=True)
    table["cell"] = _offsets([len(count) for count in counts])[:-1]
    surfaces = np.zeros(len(tracks), SURFACE)
    bands, edges = zip(
        *(_bands(track, row) for track, row in zip(tracks, surfaces, strict=True)), strict=True
    )
    surfaces["band"] = _offsets(surfaces["bands"])[:-1]
    start = _offsets(np.concatenate(counts))
    roads = PackedTracks(
        vertex=np.concatenate([_vertices(line) for line in lines]),
        lines=table,
        start=start,
        candidate=np.concatenate(
            [c + row["first"] for c, row in zip(candidates, table, strict=True)]
        ),
        kind=np.full(len(start) - 1, MIXED, dtype=np.int8),
        surfaces=surfaces,
        edges=_offsets(np.concatenate(bands)),
        edge=np.concatenate(edges),
    )
    for road, track in enumerate(tracks):
        _sort_cells(roads, road, _border(track))
    return roads


def _offsets(counts: Sequence[int] | NDArray[np.int32]) -> Index:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def _vertices(line: Array) -> Array:
    step = np.diff(line, axis=0, append=line[-1:])
    square = np.sum(step**2, axis=1)
    inverse = np.divide(1.0, square, out=np.zeros_like(square), where=square > 0)
    return np.column_stack([line, geometry.arc_length(line), step, inverse])


def _grids(lines: Sequence[Array], table: NDArray[np.void]) -> list[tuple[Index, Index]]:
    """`_grid` of every line; that of a line which is another one backwards is made from the
    other's.
    """
    found: list[tuple[Index, Index]] = []
    for k, line in enumerate(lines):
        twin = next((j for j in range(k) if np.array_equal(line, lines[j][::-1])), None)
        if twin is None:
            found.append(_grid(line, table[k]))
            continue
        for name in ("x", "y", "columns", "rows"):
            table[name][k] = table[name][twin]
        found.append(_backwards(*found[twin], len(line) - 1))
    return found


def _backwards(count: Index, candidate: Index, segments: int) -> tuple[Index, Index]:
    """The grid of a line of so many segments as that of the same line driven the other way; in
    ascending order, too.
    """
    start = _offsets(count)
    other_end = np.repeat(start[:-1] + start[1:] - 1, count) - np.arange(len(candidate))
    return count, (segments - 1 - candidate[other_end]).astype(np.int32)


def _grid(line: Array, row: np.void) -> tuple[Index, Index]:
    """Candidates per cell, and the candidates, of the grid over a line; `row` receives the place
    and size of it.
    """
    origin = line.min(axis=0) - GRID_MARGIN_M
    columns, rows = (
        np.ceil((line.max(axis=0) + GRID_MARGIN_M - origin) / CELL_M).astype(int).tolist()
    )
    row["x"], row["y"] = origin
    row["columns"], row["rows"] = columns, rows
    vertex = _vertices(line)
    count = np.zeros(columns * rows, dtype=np.int32)
    candidate = np.empty(USUAL_CANDIDATES * len(count), dtype=np.int32)
    filled = _candidates(vertex, row, count, candidate)
    if filled > len(candidate):
        candidate = np.empty(filled, dtype=np.int32)
        _candidates(vertex, row, count, candidate)
    return count, candidate[:filled]


@njit(cache=True, error_model="numpy")
def _candidates(vertex, grid, count, candidate):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Count and list the segments that can be nearest to some point of each cell; how many there
    are in all.

    Those beyond the size of `candidate` are counted only. A point is at most half a diagonal from
    the middle of its cell, so its nearest segment is at most one whole diagonal farther from that
    middle than the nearest one there. Cells beyond the margin list nothing: there every segment is
    tried.
    """
    distance, near = np.empty(len(vertex) - 1), np.empty(len(vertex) - 1, dtype=np.int32)
    filled = 0
    diagonal = CELL_M * 1.4142135623730951
    for k in range(len(count)):
        row, column = k // grid.columns, k % grid.columns
        if column % BLOCK_CELLS == 0:
            # what can be near any cell of a piece of a row: the same argument, from the middle of
            # the piece
            x, y = grid.x + (column + 0.5 * BLOCK_CELLS) * CELL_M, grid.y + (row + 0.5) * CELL_M
            for i in range(len(distance)):
                distance[i] = np.sqrt(_to_segment(vertex, i, x, y)[1])
            reach = distance.min() + CELL_M * BLOCK_CELLS + diagonal + 1e-9
            found = 0
            for i in range(len(distance)):
                if distance[i] <= reach:
                    near[found] = i
                    found += 1
        x, y = grid.x + (column + 0.5) * CELL_M, grid.y + (row + 0.5) * CELL_M
        least = np.inf
        for j in range(found):
            distance[j] = np.sqrt(_to_segment(vertex, near[j], x, y)[1])
            least = min(least, distance[j])
        before = filled
        for j in range(found if least < GRID_MARGIN_M else 0):
            if distance[j] <= least + diagonal + 1e-9:
                if filled < len(candidate):
                    candidate[filled] = near[j]
                filled += 1
        count[k] = filled - before
    return filled


def _bands(track: Track, row: np.void) -> tuple[Index, Array]:
    """Edges per band and the edges of the road polygon, band by band; `row` receives where the
    bands are.
    """
    edge = _border(track)
    edge = edge[edge[:, 1] != edge[:, 3]]  # the even-odd rule never counts a level edge
    low, high = np.minimum(edge[:, 1], edge[:, 3]), np.maximum(edge[:, 1], edge[:, 3])
    row["bottom"], row["is_ccw"] = low.min(), track.is_ccw
    row["bands"] = int((high.max() - row["bottom"]) // BAND_M) + 1
    band = np.arange(row["bands"])[:, None]
    touched = ((low - row["bottom"]) // BAND_M <= band) & ((high - row["bottom"]) // BAND_M >= band)
    return touched.sum(axis=1).astype(np.int32), edge[np.nonzero(touched)[1]]


def _border(track: Track) -> Array:
    """(E, 4) all edges of the road polygon: x0, y0, x1, y1, m."""
    rings = [track.outer, track.inner]
    if not track.is_loop:
        rings = [np.concatenate([track.outer, track.inner[::-1], track.outer[:1]])]
    return np.concatenate([np.column_stack([ring[:-1], ring[1:]]) for ring in rings])


@njit(cache=True, error_model="numpy")
def _sort_cells(roads, road, border):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Mark the cells of a road's center grid that none of the edges of its `border` touches as
    INSIDE or OUTSIDE.
    """
    grid, surface = roads.lines[3 * road], roads.surfaces[road]
    edges, edge = roads.edges, roads.edge
    touched = np.zeros((grid.rows, grid.columns), dtype=np.bool_)
    for e in range(len(border)):
        left = np.floor((min(border[e, 0], border[e, 2]) - grid.x) / CELL_M)
        right = np.floor((max(border[e, 0], border[e, 2]) - grid.x) / CELL_M)
        low = np.floor((min(border[e, 1], border[e, 3]) - grid.y) / CELL_M)
        high = np.floor((max(border[e, 1], border[e, 3]) - grid.y) / CELL_M)
        touched[max(int(low), 0) : int(high) + 1, max(int(left), 0) : int(right) + 1] = True
    for row in range(grid.rows):
        for column in range(grid.columns):
            if not touched[row, column]:
                x, y = grid.x + (column + 0.5) * CELL_M, grid.y + (row + 0.5) * CELL_M
                inside = _between_borders(surface, edges, edge, x, y)
                roads.kind[grid.cell + row * grid.columns + column] = INSIDE if inside else OUTSIDE


# What follows is inlined into the loops over cars. It takes the arrays it needs, not the whole of
# `Roads`: reading an array out of the tuple costs a reference count, and within a loop those made
# everything ten times as slow.
# as slow.


@njit(cache=True, error_model="numpy", inline="always")
def _to_segment(vertex, i, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Share along segment `i` of the spot nearest to a point, and the square of the distance."""
    ex, ey = x - vertex[i, 0], y - vertex[i, 1]
    dx, dy = vertex[i, 3], vertex[i, 4]
    share = min(max((ex * dx + ey * dy) * vertex[i, 5], 0.0), 1.0)
    ex -= share * dx
    ey -= share * dy
    return share, ex * ex + ey * ey


@njit(cache=True, error_model="numpy", inline="always")
def _cell(grid, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Index of the grid cell of a point, or -1 beyond the grid (and for what is no number)."""
    column, row = np.floor((x - grid.x) / CELL_M), np.floor((y - grid.y) / CELL_M)
    cell = -1
    if 0 <= column < grid.columns and 0 <= row < grid.rows:
        cell = grid.cell + int(row) * grid.columns + int(column)
    return cell


@njit(cache=True, error_model="numpy", inline="always")
def nearest_segment(vertex, grid, start, candidate, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """First vertex of the segment of a line nearest to a point, and the share along it; `grid` is
    the line's row.

    Of equally near segments the first wins, as in `racer.geometry.project_points`.
    """
    best, best_share, least = grid.first, 0.0, np.inf
    cell = _cell(grid, x, y)
    if cell >= 0 and start[cell] < start[cell + 1]:
        for k in range(start[cell], start[cell + 1]):
            share, square = _to_segment(vertex, candidate[k], x, y)
            if square < least:
                best, best_share, least = candidate[k], share, square
    else:
        for i in range(grid.first, grid.last):
            share, square = _to_segment(vertex, i, x, y)
            if square < least:
                best, best_share, least = np.int32(i), share, square
    return best, best_share


@njit(cache=True, error_model="numpy", inline="always")
def on_road(grid, kind, surface, edges, edge, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Whether a point lies between the borders of a road; `grid` is its center line's row,
    `surface` its own.
    """
    cell = _cell(grid, x, y)
    what = kind[cell] if cell >= 0 else MIXED
    return _between_borders(surface, edges, edge, x, y) if what == MIXED else what == INSIDE


@njit(cache=True, error_model="numpy", inline="always")
def _between_borders(surface, edges, edge, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The even-odd rule over the border edges in the point's band."""
    k = np.floor((y - surface.bottom) / BAND_M)
    inside = False
    if 0 <= k < surface.bands:
        band = surface.band + int(k)
        for i in range(edges[band], edges[band + 1]):
            y0, y1 = edge[i, 1], edge[i, 3]
            if (y0 > y) != (y1 > y):
                inside ^= x < edge[i, 0] + (y - y0) / (y1 - y0) * (edge[i, 2] - edge[i, 0])
    return inside
