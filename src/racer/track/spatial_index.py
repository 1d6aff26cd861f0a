"""The compiled view of tracks: nearest spot on a line and point on road, exact and without memory.

Lines of several tracks lie end to end in flat arrays, so that cars of one batch may drive on
different tracks (a track and its reverse, or several tracks). A grid over each line lists, for
every cell, the segments that can be nearest to a point of that cell; searching those gives the same
answer as searching all. Border edges are sorted into horizontal bands for the even-odd rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from racer import geometry
from racer.errors import UsageError

if TYPE_CHECKING:
    from racer.track.track import Track

MOST_AREA_M2 = 120_000.0
"""Area, m2, of the largest rectangle that a track may fill to be driven on; a lap of 1000 m fits in."""

MARGIN_M = 3.0
"""What is looked at beside a track, both sides together."""

FARTHEST_M = 1e8
"""Distance from the origin, m, up to which coordinates tell a millimeter."""

Array = NDArray[np.float64]
Index = NDArray[np.int32]
Records = NDArray[np.void]

CELL_M = 0.1  # side of a grid cell: about five candidate segments a cell on real routes
GRID_MARGIN_M = 1.5  # around a line that the grid covers; a point farther away tries every segment
USUAL_CANDIDATES = 8  # a cell, on average, that there is room for at first
BLOCK_CELLS = 16  # of a row whose candidates are looked for together
BAND_M = 0.05  # height of a band of border edges
ROUNDING_M = 1e-9  # by which a segment may look farther away than it is

OUTSIDE, INSIDE, MIXED = 0, 1, 2  # what a cell of the center line's grid is of the road

VERTEX_DTYPE = np.dtype(
    [
        ("x", np.float64),  # m
        ("y", np.float64),
        ("s", np.float64),  # m, arc length
        ("dx", np.float64),  # m, from here to the next vertex
        ("dy", np.float64),
        ("inverse_square", np.float64),  # 1/m2, of that distance; 0 where there is none
    ],
    align=True,
)

LINE_DTYPE = np.dtype(
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

TRACK_DTYPE = np.dtype(
    [
        ("center", LINE_DTYPE),
        ("inner", LINE_DTYPE),
        ("outer", LINE_DTYPE),
        ("bottom", np.float64),  # y of the lowest band of border edges, m
        ("band", np.int32),  # its first band
        ("bands", np.int32),
        ("is_ccw", np.bool_),  # as driven
    ],
    align=True,
)

CELL_DTYPE = np.dtype(
    [
        ("first", np.int32),  # its first candidate; those of a cell end where the next one's begin
        ("road", np.int8),  # OUTSIDE, INSIDE or MIXED; of the cells of center lines only
    ],
    align=True,
)

EDGE_DTYPE = np.dtype([(name, np.float64) for name in ("x0", "y0", "x1", "y1")])


class PackedTracks(NamedTuple):
    """M tracks for compiled code. Made by `pack_tracks`."""

    vertices: Records  # (P,) rows of VERTEX_DTYPE, of every line
    tracks: Records  # (M,) rows of TRACK_DTYPE
    cells: Records  # (C + 1,) rows of CELL_DTYPE, of every grid; the last one only ends the lists
    candidates: Index  # (K,) segments that can be nearest, by index of their first vertex
    bands: Index  # (B + 1,) first edge of each band
    edges: Records  # (E,) rows of EDGE_DTYPE: border edges, m


def check_extent(track: Track) -> None:
    """Raise UsageError for a track that is too large to drive on, or too far from the origin."""
    lines = np.vstack([track.center, track.inner, track.outer])
    width, height = np.ptp(lines, axis=0).tolist()
    if (width + MARGIN_M) * (height + MARGIN_M) > MOST_AREA_M2:
        raise UsageError(
            f"{track.name} covers {width:.4g} m by {height:.4g} m; racer drives on up to "
            f"{MOST_AREA_M2:,.0f} m2, for example 300 m by 400 m: is it in meters? "
            "(racer tracks import FILE --scale 0.1 makes it smaller)"
        )
    distance = float(np.abs(lines).max())
    if distance > FARTHEST_M:
        raise UsageError(
            f"{track.name} lies {distance:.3g} m from the origin: subtract the first waypoint from all"
        )


def pack_tracks(tracks: Sequence[Track]) -> PackedTracks:
    """The compiled view of `tracks`, in their order; a car's `track` is an index into them.

    Raises UsageError for a track that is too large.
    """
    for track in tracks:
        check_extent(track)
    polylines = [line for track in tracks for line in (track.center, track.inner, track.outer)]
    borders = [_border_edges(track) for track in tracks]
    band_lists = [_sort_into_bands(border) for border in borders]
    grids = _line_grids(polylines)
    lines = _line_table(polylines, grids)
    candidates = [grid.candidates + line["first"] for grid, line in zip(grids, lines, strict=True)]
    packed = PackedTracks(
        vertices=np.concatenate([_vertex_table(line) for line in polylines]),
        tracks=_track_table(tracks, lines, band_lists),
        cells=_cell_table(grids),
        candidates=np.concatenate(candidates),
        bands=_offsets(np.concatenate([bands.counts for bands in band_lists])),
        edges=_edge_table(np.concatenate([bands.edges for bands in band_lists])),
    )
    for track, border in zip(packed.tracks, borders, strict=True):
        _mark_cells(packed, track, _edge_table(border))
    return packed


def _offsets(counts: ArrayLike) -> Index:
    """(K + 1,) where lists of so many entries (K,) begin that lie end to end, and where they end."""
    offsets = np.zeros(np.size(counts) + 1, dtype=np.int32)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _vertex_table(line: Array) -> Records:
    step = np.diff(line, axis=0, append=line[-1:])
    square = np.sum(step**2, axis=1)
    table = np.zeros(len(line), VERTEX_DTYPE)
    table["x"] = line[:, 0]
    table["y"] = line[:, 1]
    table["s"] = geometry.arc_length(line)
    table["dx"] = step[:, 0]
    table["dy"] = step[:, 1]
    np.divide(1.0, square, out=table["inverse_square"], where=square > 0)
    return table


def _track_table(tracks: Sequence[Track], lines: Records, band_lists: Sequence[_Bands]) -> Records:
    """Rows (M,) of TRACK_DTYPE from their `lines` (3M,), center, inner and outer in turn."""
    table = np.zeros(len(tracks), TRACK_DTYPE)
    for k, name in enumerate(("center", "inner", "outer")):
        table[name] = lines[k::3]
    table["bottom"] = [bands.bottom for bands in band_lists]
    table["bands"] = [len(bands.counts) for bands in band_lists]
    table["band"] = _offsets(table["bands"])[:-1]
    table["is_ccw"] = [track.is_ccw for track in tracks]
    return table


# ---- grids


@dataclass(frozen=True, eq=False)
class _Grid:
    """A grid over one line, with the candidates of its cells, row by row."""

    x: float  # lower left corner, m
    y: float
    columns: int
    rows: int
    counts: Index  # (columns * rows,) candidates of each cell
    candidates: Index  # (K,) segments of the line, in ascending order in each cell

    def backwards(self, segments: int) -> _Grid:
        """The grid of the same line, of so many segments, driven the other way."""
        starts = _offsets(self.counts)
        mirrored = np.repeat(starts[:-1] + starts[1:] - 1, self.counts)
        mirrored -= np.arange(len(self.candidates))
        candidates = (segments - 1 - self.candidates[mirrored]).astype(np.int32)
        return _Grid(self.x, self.y, self.columns, self.rows, self.counts, candidates)


def _line_table(polylines: Sequence[Array], grids: Sequence[_Grid]) -> Records:
    table = np.zeros(len(polylines), LINE_DTYPE)
    ends = _offsets([len(line) for line in polylines])
    table["first"] = ends[:-1]
    table["last"] = ends[1:] - 1
    table["cell"] = _offsets([len(grid.counts) for grid in grids])[:-1]
    for name in ("x", "y", "columns", "rows"):
        table[name] = [getattr(grid, name) for grid in grids]
    return table


def _cell_table(grids: Sequence[_Grid]) -> Records:
    firsts = _offsets(np.concatenate([grid.counts for grid in grids]))
    table = np.zeros(len(firsts), CELL_DTYPE)
    table["first"] = firsts
    table["road"] = MIXED
    return table


def _line_grids(polylines: Sequence[Array]) -> list[_Grid]:
    """The grid of every line; that of a line which is another one backwards is made from the
    other's.
    """
    grids: list[_Grid] = []
    for line in polylines:
        for earlier, grid in zip(polylines, grids, strict=False):
            if np.array_equal(line, earlier[::-1]):
                grids.append(grid.backwards(len(line) - 1))
                break
        else:
            grids.append(_build_grid(line))
    return grids


def _build_grid(line: Array) -> _Grid:
    low = line.min(axis=0) - GRID_MARGIN_M
    high = line.max(axis=0) + GRID_MARGIN_M
    columns, rows = np.ceil((high - low) / CELL_M).astype(int).tolist()
    grid = np.zeros(1, LINE_DTYPE)
    grid["x"], grid["y"] = low
    grid["columns"] = columns
    grid["rows"] = rows
    counts = np.zeros(columns * rows, dtype=np.int32)
    vertices = _vertex_table(line)
    candidates = np.empty(USUAL_CANDIDATES * len(counts), dtype=np.int32)
    total = _list_candidates(vertices, grid[0], counts, candidates)
    if total > len(candidates):
        candidates = np.empty(total, dtype=np.int32)
        _list_candidates(vertices, grid[0], counts, candidates)
    return _Grid(float(low[0]), float(low[1]), columns, rows, counts, candidates[:total])


@njit(cache=True, error_model="numpy")
def _list_candidates(vertices, grid, counts, candidates):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Count and list the segments that can be nearest to some point of each cell; how many there
    are in all.

    Those beyond the size of `candidates` are counted only. A point is at most half a diagonal from
    the middle of its cell, so its nearest segment is at most one whole diagonal farther from that
    middle than the nearest one there. Cells beyond the margin list nothing: there every segment is
    tried.
    """
    diagonal = CELL_M * 1.4142135623730951
    beside = np.empty(len(vertices) - 1, dtype=np.int32)
    near = np.empty(len(beside), dtype=np.int32)
    distance = np.empty(len(beside))
    beside_count = 0
    near_count = 0
    total = 0
    for cell in range(len(counts)):
        row = cell // grid.columns
        column = cell % grid.columns
        y = grid.y + (row + 0.5) * CELL_M
        if column == 0:
            beside_count = _list_beside_row(vertices, y, GRID_MARGIN_M + diagonal, beside)
        if column % BLOCK_CELLS == 0:
            x = grid.x + (column + 0.5 * BLOCK_CELLS) * CELL_M
            reach = CELL_M * BLOCK_CELLS + diagonal
            segments = beside[:beside_count]
            near_count = _list_near_block(vertices, segments, x, y, reach, near, distance)
        x = grid.x + (column + 0.5) * CELL_M
        least = np.inf
        for k in range(near_count):
            distance[k] = np.sqrt(_to_segment(vertices[near[k]], x, y)[1])
            least = min(least, distance[k])
        before = total
        if least < GRID_MARGIN_M:
            for k in range(near_count):
                if distance[k] <= least + diagonal + ROUNDING_M:
                    if total < len(candidates):
                        candidates[total] = near[k]
                    total += 1
        counts[cell] = total - before
    return total


@njit(cache=True, error_model="numpy")
def _list_beside_row(vertices, y, reach, beside):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Put into `beside` the segments that come as near as `reach` to a row of cells, and say how
    many there are.
    """
    count = 0
    for i in range(len(beside)):
        end = vertices[i].y + vertices[i].dy
        low = min(vertices[i].y, end) - ROUNDING_M
        high = max(vertices[i].y, end) + ROUNDING_M
        if low - reach <= y <= high + reach:
            beside[count] = i
            count += 1
    return count


@njit(cache=True, error_model="numpy")
def _list_near_block(vertices, segments, x, y, reach, near, distance):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Put into `near` those of `segments` that can be near any cell of a block around a point, and
    say how many there are: those at most `reach` farther away than the nearest one. `distance` is
    scratch.
    """
    least = np.inf
    for k in range(len(segments)):
        distance[k] = np.sqrt(_to_segment(vertices[segments[k]], x, y)[1])
        least = min(least, distance[k])
    count = 0
    for k in range(len(segments)):
        if distance[k] <= least + reach + ROUNDING_M:
            near[count] = segments[k]
            count += 1
    return count


# ---- borders


@dataclass(frozen=True, eq=False)
class _Bands:
    """Border edges sorted into bands; an edge is in every band that it touches."""

    bottom: float  # y of the lowest band, m
    counts: Index  # (B,) edges of each band
    edges: Array  # (E, 4) x0, y0, x1, y1, m, band by band


def _border_edges(track: Track) -> Array:
    """(E, 4) all edges of the road polygon: x0, y0, x1, y1, m."""
    rings = [track.outer, track.inner]
    if not track.is_loop:
        rings = [np.concatenate([track.outer, track.inner[::-1], track.outer[:1]])]
    return np.concatenate([np.column_stack([ring[:-1], ring[1:]]) for ring in rings])


def _edge_table(edges: Array) -> Records:
    """Rows (E,) of EDGE_DTYPE of edges (E, 4)."""
    return np.ascontiguousarray(edges).view(EDGE_DTYPE)[:, 0]


def _sort_into_bands(edges: Array) -> _Bands:
    edges = edges[edges[:, 1] != edges[:, 3]]  # the even-odd rule never counts a level edge
    low = np.minimum(edges[:, 1], edges[:, 3])
    high = np.maximum(edges[:, 1], edges[:, 3])
    bottom = low.min()
    count = int((high.max() - bottom) // BAND_M) + 1
    lowest = ((low - bottom) // BAND_M).astype(np.int64)
    touched = ((high - bottom) // BAND_M).astype(np.int64) - lowest + 1  # bands of each edge
    edge = np.repeat(np.arange(len(edges)), touched)
    band = np.arange(len(edge)) - np.repeat(np.cumsum(touched) - touched - lowest, touched)
    return _Bands(
        bottom=float(bottom),
        counts=np.bincount(band, minlength=count).astype(np.int32),
        edges=edges[edge[np.argsort(band, kind="stable")]],
    )


@njit(cache=True, error_model="numpy")
def _mark_cells(packed, track, border):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Mark the cells of a track's center grid that none of the edges of its `border` touches as
    INSIDE or OUTSIDE.
    """
    grid = track.center
    cells = packed.cells
    is_touched = np.zeros((grid.rows, grid.columns), dtype=np.bool_)
    for edge in border:
        left = int(np.floor((min(edge.x0, edge.x1) - grid.x) / CELL_M))
        right = int(np.floor((max(edge.x0, edge.x1) - grid.x) / CELL_M))
        low = int(np.floor((min(edge.y0, edge.y1) - grid.y) / CELL_M))
        high = int(np.floor((max(edge.y0, edge.y1) - grid.y) / CELL_M))
        is_touched[max(low, 0) : high + 1, max(left, 0) : right + 1] = True
    for row in range(grid.rows):
        for column in range(grid.columns):
            if is_touched[row, column]:
                continue
            x = grid.x + (column + 0.5) * CELL_M
            y = grid.y + (row + 0.5) * CELL_M
            is_inside = _between_borders(packed.bands, packed.edges, track, x, y)
            cells[grid.cell + row * grid.columns + column].road = INSIDE if is_inside else OUTSIDE


# ---- queries
# What follows is inlined into the loops over cars. The arrays that are needed for every point are
# arguments of their own: reading an array out of `PackedTracks` costs a reference count, and a loop
# over points is up to 1.2 times as slow with one for every point. Kernels read them once a car.


@njit(cache=True, error_model="numpy", inline="always")
def _to_segment(start, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fraction of the segment from vertex `start` on at which it is nearest to a point, and the
    square of the distance.
    """
    ex = x - start.x
    ey = y - start.y
    fraction = min(max((ex * start.dx + ey * start.dy) * start.inverse_square, 0.0), 1.0)
    ex -= fraction * start.dx
    ey -= fraction * start.dy
    return fraction, ex * ex + ey * ey


@njit(cache=True, error_model="numpy", inline="always")
def _cell_at(line, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Index of the cell of a point in the grid of `line`, or -1 beyond it (and for what is no
    number).
    """
    column = np.floor((x - line.x) / CELL_M)
    row = np.floor((y - line.y) / CELL_M)
    cell = -1
    if 0 <= column < line.columns and 0 <= row < line.rows:
        cell = line.cell + int(row) * line.columns + int(column)
    return cell


@njit(cache=True, error_model="numpy", inline="always")
def nearest_segment(vertices, cells, candidates, line, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """First vertex of the segment of a line nearest to a point, and the fraction along it.

    `line` is a row of LINE_DTYPE. Of equally near segments the first wins, as in
    `racer.geometry.project_points`.
    """
    best = line.first
    best_fraction = 0.0
    least = np.inf
    cell = _cell_at(line, x, y)
    if cell >= 0 and cells[cell].first < cells[cell + 1].first:
        for k in range(cells[cell].first, cells[cell + 1].first):
            fraction, square = _to_segment(vertices[candidates[k]], x, y)
            if square < least:
                best = candidates[k]
                best_fraction = fraction
                least = square
    else:
        for i in range(line.first, line.last):
            fraction, square = _to_segment(vertices[i], x, y)
            if square < least:
                best = np.int32(i)
                best_fraction = fraction
                least = square
    return best, best_fraction


@njit(cache=True, error_model="numpy", inline="always")
def on_road(cells, bands, edges, track, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Whether a point lies between the borders of a `track`, a row of TRACK_DTYPE; `cells` are those
    of `packed`.
    """
    cell = _cell_at(track.center, x, y)
    road = MIXED
    if cell >= 0:
        road = cells[cell].road
    if road == MIXED:
        is_inside = _between_borders(bands, edges, track, x, y)
    else:
        is_inside = road == INSIDE
    return is_inside


@njit(cache=True, error_model="numpy", inline="always")
def _between_borders(bands, edges, track, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The even-odd rule over the border edges in the point's band."""
    k = np.floor((y - track.bottom) / BAND_M)
    is_inside = False
    if 0 <= k < track.bands:
        band = track.band + int(k)
        for i in range(bands[band], bands[band + 1]):
            edge = edges[i]
            if (edge.y0 > y) != (edge.y1 > y):
                crossing = edge.x0 + (y - edge.y0) / (edge.y1 - edge.y0) * (edge.x1 - edge.x0)
                is_inside ^= x < crossing
    return is_inside
