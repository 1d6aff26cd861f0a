"""The map of the ground that cameras look at: what every little square of it is made of, fine to
coarse.

A square is one byte (`colors`). Level 0 has squares of `CELL_M`, every level above has squares
twice as large, made of the averages of what is below; so the far end of a picture is smooth. The
two directions of a track share one map.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.errors import UsageError
from racer.sensors.camera.arena import is_of_2022, wall_segments
from racer.sensors.camera.colors import (
    BORDER,
    CENTER,
    FIELD,
    FIRST_SHADES,
    GRAY,
    MATERIAL_COUNT,
    MIXTURE_STEPS,
    PART_NAMES,
    PLAIN_FIELD,
    ROAD,
    SHADE_COUNTS,
    nearest_mixtures,
    plain_tones,
    world_colors,
)
from racer.track import Track

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]

# ---- what is painted on the ground

BORDER_WIDTH_M = 0.0762  # inside the road (docs/simulator.md 5.2)
DASH_LENGTH_M = 0.0508
DASH_GAP_M = 0.0508
DASH_WIDTH_M = 0.0254
# after the first waypoint: two real frames of reinvent_base agree (benchmarks/camera_fit.py)
FIRST_DASH_M = 0.04
START_LINE_WIDTH_M = 0.1  # along the road

GRAIN_CELLS = 512  # along a side
GRAIN_CELL_M = 0.0025
STROKE_M = (0.009, 0.0014)  # length and width (as deviations of a normal profile)
STROKE_DIRECTIONS = 8
GRAIN_SEED = 20181128

CELL_M = 0.005  # side of the squares of level 0
LEVEL_COUNT = 6  # up to squares of 0.16 m
MAP_MARGIN_M = 0.35  # of field around the borders: two squares of the last level
CACHE_LINE_BYTES = 64  # that a processor fetches at once
MAX_MAP_CELLS = 1 << 16  # of level 0 along a side: what the walk over the map can count

GROUND_DTYPE = np.dtype(
    [
        ("x", np.float64),  # lower left corner of its map, m
        ("y", np.float64),
        ("columns", np.int32),  # of level 0
        ("rows", np.int32),
        ("first", np.int64, (LEVEL_COUNT,)),  # first byte of each level
        # bytes from row to row: an odd number of cache lines, or rows would fight for them
        ("stride", np.int64, (LEVEL_COUNT,)),
        ("walls", np.float64, (4, 4)),  # x0, y0, x1, y1, m
        ("colors", np.float64, (len(PART_NAMES), 3)),  # RGB of its world
    ],
    align=True,
)

_NEAREST = nearest_mixtures()
_FIRST_SHADES = np.array(FIRST_SHADES)
_SHADE_COUNTS = np.array(SHADE_COUNTS)


class Marking(NamedTuple):
    """Ground of one material: within outlines, by the even-odd rule."""

    edges: Array  # (E, 4) x0, y0, x1, y1, m
    material: int


def road_markings(track: Track, phase: float = FIRST_DASH_M) -> list[Marking]:
    """What is painted on the field, bottom first: borders, asphalt, dashes, and a start line where
    the world has one.

    The first dash of the center line begins `phase` m after the first waypoint.
    """
    rings = [track.outer, track.inner]
    if not track.is_loop:
        rings = [np.concatenate([track.outer, track.inner[::-1], track.outer[:1]])]
    markings = [
        Marking(_ring_edges(rings), BORDER),
        Marking(_ring_edges(_asphalt(track, rings)), ROAD),
        Marking(_dashes(track, phase), CENTER),
    ]
    if is_of_2022(track.name):
        markings.append(Marking(_start_line(track), BORDER))
    return markings


def _asphalt(track: Track, rings: Sequence[Array]) -> list[Array]:
    """Outlines of the road without its white borders, which run along the sides and not across the
    ends.
    """
    import shapely

    by_size = sorted(rings, key=lambda ring: -abs(geometry.signed_area(ring)))
    sides = shapely.union_all([shapely.LineString(line) for line in (track.outer, track.inner)])
    road = shapely.make_valid(shapely.Polygon(by_size[0], by_size[1:]))
    asphalt = road.difference(sides.buffer(BORDER_WIDTH_M, join_style="mitre"))
    outlines: list[Array] = []
    for part in shapely.get_parts(asphalt):
        if part.geom_type == "Polygon":
            outlines += [np.asarray(ring.coords) for ring in (part.exterior, *part.interiors)]
    return outlines


def _ring_edges(rings: Sequence[Array]) -> Array:
    edges = [np.column_stack([ring[:-1], ring[1:]]) for ring in rings]
    return np.concatenate([np.empty((0, 4)), *edges])


def _dashes(track: Track, phase: float) -> Array:
    """Edges of the dashes, a whole number of them around a loop."""
    center = track.center[::-1] if track.is_reversed else track.center
    count = max(round(track.length / (DASH_LENGTH_M + DASH_GAP_M)), 1)
    begin: Array = np.arange(count, dtype=np.float64) * (track.length / count) + phase
    end = begin + DASH_LENGTH_M
    if track.is_loop:
        begin = begin % track.length
        end = end % track.length
    return _strips(geometry.point_at(center, begin), geometry.point_at(center, end), DASH_WIDTH_M)


def _start_line(track: Track) -> Array:
    """Edges of a bar across the road at the first waypoint."""
    begin, end = (
        geometry.nearest_point(line, track.center[:1]) for line in (track.inner, track.outer)
    )
    return _strips(begin, end, START_LINE_WIDTH_M)


def _strips(begin: Array, end: Array, width: float) -> Array:
    """(4K, 4) edges of K rectangles around strokes from `begin` to `end` (K, 2)."""
    along = end - begin
    left = np.column_stack([-along[:, 1], along[:, 0]])
    offset = 0.5 * width * left / np.hypot(*along.T)[:, None]
    corners = np.stack([begin + offset, begin - offset, end - offset, end + offset], axis=1)
    return np.concatenate([corners, np.roll(corners, -1, axis=1)], axis=2).reshape(-1, 4)


# ---- its texture


@cache
def ground_grain() -> Bytes:
    """(GRAIN_CELLS, GRAIN_CELLS) shades of a piece of ground, which continues at its opposite edge;
    128 is the middle one.

    A third of the range up or down is one standard deviation.
    """
    generator = np.random.default_rng(GRAIN_SEED)
    frequency = 2.0 * np.pi * np.fft.fftfreq(GRAIN_CELLS, GRAIN_CELL_M)
    fx, fy = np.meshgrid(frequency, frequency)
    total = np.zeros((GRAIN_CELLS, GRAIN_CELLS))
    for angle in np.pi * np.arange(STROKE_DIRECTIONS) / STROKE_DIRECTIONS:
        along = fx * np.cos(angle) + fy * np.sin(angle)
        across = fy * np.cos(angle) - fx * np.sin(angle)
        stroke = np.exp(-0.5 * ((along * STROKE_M[0]) ** 2 + (across * STROKE_M[1]) ** 2))
        speckles = generator.standard_normal((GRAIN_CELLS, GRAIN_CELLS)) ** 3
        layer = np.fft.ifft2(np.fft.fft2(speckles) * stroke).real
        total += layer / layer.std()
    total = (total - total.mean()) / total.std()
    return np.asarray(np.clip(128.0 + 127.0 * total / 3.0, 0.0, 255.0)).astype(np.uint8)


def _no_grain() -> Bytes:
    return np.full((1, 1), 128, dtype=np.uint8)


# ---- the map


class GroundMap(NamedTuple):
    """G grounds, and which of them belongs to each of M roads, for compiled code. Made by
    `map_ground`.
    """

    cells: Bytes  # (P,) what every square is made of, level by level, ground by ground
    grounds: NDArray[np.void]  # (G,) rows of GROUND_DTYPE
    ground: NDArray[np.int32]  # (M,) of every road
    cell: float  # m
    gray: Bytes  # (P,) the gray values of `cells` in the plain worlds


def map_ground(
    tracks: Sequence[Track], cell: float = CELL_M, grainy: bool = True, phase: float = FIRST_DASH_M
) -> GroundMap:
    """The map of the ground of `tracks`, in their order; `cell` is the side of its finest squares,
    m.

    `grainy` False leaves out the texture; dashes begin `phase` m after the first waypoint.
    Raises UsageError for a road too large for squares of that size.
    """
    indices: dict[bytes, int] = {}
    ground = [indices.setdefault(_identity(track), len(indices)) for track in tracks]
    grounds = np.zeros(len(indices), GROUND_DTYPE)
    grain = ground_grain() if grainy else _no_grain()
    cells: list[Bytes] = []
    grays: list[Bytes] = []
    for k, row in enumerate(grounds):
        track = tracks[ground.index(k)]
        first = len(cells)
        _draw_levels(track, road_markings(track, phase), cell, grain, row, cells)
        shades = plain_tones(GRAY, row["colors"])[0]
        grays += [shades[part] for part in cells[first:]]
    return GroundMap(
        np.concatenate(cells),
        grounds,
        np.array(ground, dtype=np.int32),
        cell,
        np.concatenate(grays),
    )


def _identity(track: Track) -> bytes:
    """What a track and its reverse have in common, and no other track."""
    center = track.center[::-1] if track.is_reversed else track.center
    return track.name.encode() + center.tobytes()


def _draw_levels(
    track: Track,
    markings: list[Marking],
    cell: float,
    grain: Bytes,
    row: np.void,
    cells: list[Bytes],
) -> None:
    """Append the levels of one ground to `cells`; `row` receives where they are."""
    row_count, column_count = _frame_map(track, cell, row)
    row["walls"] = wall_segments(track)
    row["colors"] = world_colors(track.name)
    materials = np.full((2 * row_count, 2 * column_count), FIELD, dtype=np.uint8)
    origin = np.array([row["x"], row["y"], row["x"], row["y"]])
    for edges, material in markings:
        _fill_outlines(materials, (edges - origin) / (0.5 * cell), material)
    squares = _finest_squares(materials, grain, cell / GRAIN_CELL_M)
    first = sum(len(part) for part in cells)
    for level in range(LEVEL_COUNT):
        height, width, _ = squares.shape
        stride = (-(-width // CACHE_LINE_BYTES) | 1) * CACHE_LINE_BYTES
        level_cells = np.full((height, stride), PLAIN_FIELD, dtype=np.uint8)
        _encode_squares(squares, _NEAREST, level_cells)
        cells.append(level_cells.ravel())
        row["first"][level] = first
        row["stride"][level] = stride
        first += level_cells.size
        squares = _halve_squares(squares)


def _frame_map(track: Track, cell: float, row: np.void) -> tuple[int, int]:
    """Rows and columns of the finest level, multiples of a square of the last one; `row` receives
    the place too.
    """
    borders = np.concatenate([track.inner, track.outer])
    block = 2 ** (LEVEL_COUNT - 1)
    origin = borders.min(axis=0) - MAP_MARGIN_M
    extent = borders.max(axis=0) + MAP_MARGIN_M - origin
    columns, rows = (np.ceil(extent / (cell * block)).astype(int) * block).tolist()
    if max(columns, rows) >= MAX_MAP_CELLS:
        raise UsageError(
            f"{track.name} is too large for squares of {1000 * cell:g} mm: take larger ones"
        )
    row["x"], row["y"] = origin
    row["columns"] = columns
    row["rows"] = rows
    return rows, columns


def _fill_outlines(materials: Bytes, edges: Array, material: int) -> None:
    """Set the points within outlines, whose edges (E, 4) are counted in points."""
    low = np.maximum(np.floor(edges.min(axis=0).reshape(2, 2).min(axis=0)).astype(int) - 1, 0)
    high = np.ceil(edges.max(axis=0).reshape(2, 2).max(axis=0)).astype(int) + 1
    window = materials[low[1] : high[1], low[0] : high[0]]
    crossings = np.zeros(window.shape, dtype=np.uint8)
    _toggle_crossings(crossings, edges - np.tile(low, 2))
    _set_inside(window, crossings, material)


@njit(cache=True, error_model="numpy")
def _toggle_crossings(crossings, edges):  # type: ignore[no-untyped-def]
    """Mark where each row of points enters and leaves the outlines (the even-odd rule)."""
    rows, columns = crossings.shape
    for e in range(len(edges)):
        x0, y0, x1, y1 = edges[e]
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        first = max(int(np.ceil(y0 - 0.5)), 0)
        for r in range(first, min(int(np.ceil(y1 - 0.5)), rows)):
            c = int(np.ceil(x0 + (r + 0.5 - y0) / (y1 - y0) * (x1 - x0) - 0.5))
            if c < columns:
                crossings[r, max(c, 0)] ^= 1


@njit(cache=True, error_model="numpy")
def _set_inside(materials, crossings, material):  # type: ignore[no-untyped-def]
    for r in range(materials.shape[0]):
        inside = 0
        for c in range(materials.shape[1]):
            inside ^= crossings[r, c]
            if inside:
                materials[r, c] = material


@njit(cache=True, error_model="numpy")
def _finest_squares(materials, grain, scale):  # type: ignore[no-untyped-def]
    """(R, C, MATERIAL_COUNT) bytes of every square, made of 2 x 2 points each: fractions of border,
    center line and field in 255ths, and its shade. `scale` is a square's side in cells of the grain.
    """
    shape = (materials.shape[0] // 2, materials.shape[1] // 2, MATERIAL_COUNT)
    squares = np.zeros(shape, dtype=np.uint8)
    for r in range(shape[0]):
        for c in range(shape[1]):
            points = materials[2 * r : 2 * r + 2, 2 * c : 2 * c + 2]
            for material in range(1, MATERIAL_COUNT):
                squares[r, c, material - 1] = (_count_points(points, material) * 255) // 4
            squares[r, c, 3] = _mean_shade(grain, scale, r, c)
    return squares


@njit(cache=True, error_model="numpy")
def _count_points(points, material):  # type: ignore[no-untyped-def]
    count = 0
    for i in range(2):
        for j in range(2):
            count += points[i, j] == material
    return count


@njit(cache=True, error_model="numpy")
def _mean_shade(grain, scale, r, c):  # type: ignore[no-untyped-def]
    """Shade of a square, of four places in it."""
    size = len(grain)
    total = 2
    for i in range(2):
        y = int((r + 0.25 + 0.5 * i) * scale)
        for j in range(2):
            x = int((c + 0.25 + 0.5 * j) * scale)
            total += grain[y % size, x % size]
    return total >> 2


@njit(cache=True, error_model="numpy")
def _halve_squares(squares):  # type: ignore[no-untyped-def]
    """Means of 2 x 2 squares."""
    rows, columns, count = squares.shape
    half = np.empty((rows // 2, columns // 2, count), dtype=np.uint8)
    for r in range(half.shape[0]):
        for c in range(half.shape[1]):
            for m in range(count):
                total = 2
                for i in range(2):
                    for j in range(2):
                        total += squares[2 * r + i, 2 * c + j, m]
                half[r, c, m] = total >> 2
    return half


@njit(cache=True, error_model="numpy")
def _encode_squares(squares, nearest, cells):  # type: ignore[no-untyped-def]
    """Write the bytes of all squares but the outermost, which stay plain field: they stand for all
    that is beyond.
    """
    for r in range(1, squares.shape[0] - 1):
        for c in range(1, squares.shape[1] - 1):
            border, center, field = squares[r, c, 0], squares[r, c, 1], squares[r, c, 2]
            pure = _pure_material(border, center, field)
            if pure >= 0:
                shade = squares[r, c, 3] * _SHADE_COUNTS[pure] >> 8
                cells[r, c] = _FIRST_SHADES[pure] + shade
            else:
                cells[r, c] = nearest[_in_steps(border), _in_steps(center), _in_steps(field)]


@njit(cache=True, error_model="numpy")
def _pure_material(border, center, field):  # type: ignore[no-untyped-def]
    """The one material of a square, by its 255ths of the others; -1 for a mixture."""
    if border >= 252:
        return BORDER
    if field >= 252:
        return FIELD
    if border + center + field <= 3:
        return ROAD
    return -1


@njit(cache=True, error_model="numpy")
def _in_steps(fraction):  # type: ignore[no-untyped-def]
    """255ths as `MIXTURE_STEPS`ths."""
    return (fraction * MIXTURE_STEPS + 127) // 255
