"""The map of the ground that cameras look at: what every little square of it is made of, fine to
coarse.

A square is one byte (`palette`). Level 0 has squares of `CELL`, every level above has squares twice
as large, made of the averages of what is below; so the far end of a picture is smooth. The two
directions of a track share one map.
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
    MATERIAL_COUNT,
    MIXTURE_STEPS,
    PLAIN_FIELD,
    ROAD,
    SHADE_COUNTS,
    nearest_mixtures,
)
from racer.sensors.camera.tones import GRAY, PART_NAMES, plain_tones, world_colors
from racer.track.track import Track

Array = NDArray[np.float64]

BORDER_WIDTH_M = 0.0762  # m, inside the road (SIMULATOR.md 5.2)
DASH_LENGTH_M, DASH_GAP_M, DASH_WIDTH_M = 0.0508, 0.0508, 0.0254  # m
# m after the first waypoint: two real frames of reinvent_base agree (benchmarks/camera_fit.py)
FIRST_DASH_M = 0.04
START_LINE_WIDTH_M = 0.1  # m along the road


def road_markings(track: Track, phase: float = FIRST_DASH_M) -> list[tuple[Array, int]]:
    """Edges (E, 4) of outlines, x0, y0, x1, y1, m, and the material within them by the even-odd
    rule, bottom first.

    The first dash of the center line begins `phase` m after the first waypoint.
    """
    rings = [track.outer, track.inner]
    if not track.is_loop:
        rings = [np.concatenate([track.outer, track.inner[::-1], track.outer[:1]])]
    painted = [
        (_edges(rings), BORDER),
        (_edges(_asphalt(track, rings)), ROAD),
        (_dashes(track, phase), CENTER),
    ]
    return [*painted, (_start_line(track), BORDER)] if is_of_2022(track.name) else painted


def _asphalt(track: Track, rings: Sequence[Array]) -> list[Array]:
    """Outlines of the road without its white borders, which run along the sides and not across the
    ends.
    """
    import shapely

    sides = shapely.union_all([shapely.LineString(line) for line in (track.outer, track.inner)])
    whole = (
        shapely.Polygon(rings[0], rings[1:]) if len(rings) == 1 or _is_outside(*rings[:2]) else None
    )
    whole = shapely.Polygon(rings[1], rings[:1]) if whole is None else whole
    within = shapely.make_valid(whole).difference(sides.buffer(BORDER_WIDTH_M, join_style="mitre"))
    parts = [part for part in shapely.get_parts(within) if part.geom_type == "Polygon"]
    return [np.asarray(ring.coords) for part in parts for ring in (part.exterior, *part.interiors)]


def _is_outside(ring: Array, other: Array) -> bool:
    return abs(geometry.signed_area(ring)) >= abs(geometry.signed_area(other))


def _edges(rings: Sequence[Array]) -> Array:
    return np.concatenate(
        [np.empty((0, 4)), *(np.column_stack([ring[:-1], ring[1:]]) for ring in rings)]
    )


def _dashes(track: Track, phase: float) -> Array:
    """Edges of the dashes, a whole number of them around a loop."""
    center = track.center[::-1] if track.is_reversed else track.center
    length = track.length
    count = max(round(length / (DASH_LENGTH_M + DASH_GAP_M)), 1)
    begin: Array = np.arange(count, dtype=np.float64) * (length / count) + phase
    end = begin + DASH_LENGTH_M
    if track.is_loop:
        begin, end = begin % length, end % length
    return _strips(geometry.point_at(center, begin), geometry.point_at(center, end), DASH_WIDTH_M)


def _start_line(track: Track) -> Array:
    """Edges of a bar across the road at the first waypoint."""
    side = np.stack(
        [geometry.nearest_point(line, track.center[:1])[0] for line in (track.inner, track.outer)]
    )
    return _strips(side[:1], side[1:], START_LINE_WIDTH_M)


def _strips(begin: Array, end: Array, width: float) -> Array:
    """(4K, 4) edges of K rectangles around strokes from `begin` to `end` (K, 2)."""
    way = end - begin
    aside = 0.5 * width * np.column_stack([-way[:, 1], way[:, 0]]) / np.hypot(*way.T)[:, None]
    corners = np.stack([begin + aside, begin - aside, end - aside, end + aside], axis=1)
    return np.concatenate([corners, np.roll(corners, -1, axis=1)], axis=2).reshape(-1, 4)


GRAIN_CELLS = 512  # squares
GRAIN_CELL_M = 0.0025  # m
STROKE_M = (0.009, 0.0014)  # m, length and width (as deviations of a normal profile)
STROKE_DIRECTIONS = 8
GRAIN_SEED = 20181128


@cache
def ground_grain() -> NDArray[np.uint8]:
    """(SIZE, SIZE) shades of a piece of ground, which continues at its opposite edge; 128 is the
    middle one.

    A third of the range up or down is one standard deviation.
    """
    generator = np.random.default_rng(GRAIN_SEED)
    frequency = 2.0 * np.pi * np.fft.fftfreq(GRAIN_CELLS, GRAIN_CELL_M)
    fx, fy = np.meshgrid(frequency, frequency)
    total = np.zeros((GRAIN_CELLS, GRAIN_CELLS))
    for angle in np.pi * np.arange(STROKE_DIRECTIONS) / STROKE_DIRECTIONS:
        along, across = (
            fx * np.cos(angle) + fy * np.sin(angle),
            fy * np.cos(angle) - fx * np.sin(angle),
        )
        stroke = np.exp(-0.5 * ((along * STROKE_M[0]) ** 2 + (across * STROKE_M[1]) ** 2))
        layer = np.fft.ifft2(
            np.fft.fft2(generator.standard_normal((GRAIN_CELLS, GRAIN_CELLS)) ** 3) * stroke
        ).real
        total += layer / layer.std()
    total = (total - total.mean()) / total.std()
    return np.asarray(np.clip(128.0 + 127.0 * total / 3.0, 0.0, 255.0)).astype(np.uint8)


Bytes = NDArray[np.uint8]

CELL_M = 0.005  # m, side of the squares of level 0
LEVEL_COUNT = 6  # up to 0.16 m
MAP_MARGIN_M = (
    0.35  # m of field around the borders that the map covers: two squares of the last level
)
CACHE_LINE_BYTES = 64  # bytes that a processor fetches at once
MAX_MAP_CELLS = 1 << 16  # squares of level 0 along a side: what the walk over the map can count

GROUND_RECORD = np.dtype(
    [
        ("x", np.float64),  # lower left corner of its map, m
        ("y", np.float64),
        ("columns", np.int32),  # of level 0
        ("rows", np.int32),
        ("first", np.int64, (LEVEL_COUNT,)),  # first byte of each level
        # bytes from row to row: an odd number of lines, or rows would fight for them
        ("stride", np.int64, (LEVEL_COUNT,)),
        ("walls", np.float64, (4, 4)),  # x0, y0, x1, y1, m
        ("colors", np.float64, (len(PART_NAMES), 3)),  # RGB of its world
    ],
    align=True,
)


class GroundMap(NamedTuple):
    """G grounds, and which of them belongs to each of M roads, for compiled code. Made by
    `scenery`.
    """

    cells: Bytes  # (P,) what every square is made of, level by level, ground by ground
    grounds: NDArray[np.void]  # (G,) rows of GROUND
    ground: NDArray[np.int32]  # (M,) of every road
    cell: float  # m
    gray: Bytes  # (P,) the same as gray values of the plain worlds


def map_ground(
    tracks: Sequence[Track], cell: float = CELL_M, grainy: bool = True, phase: float = FIRST_DASH_M
) -> GroundMap:
    """The map of the ground of `tracks`, in their order; `cell` is the side of its finest squares,
    m.

    `grainy` False leaves out the texture; dashes begin `phase` m after the first waypoint.
    Raises UsageError for a road too large for squares of that size.
    """
    kinds: dict[bytes, int] = {}
    ground = [kinds.setdefault(_identity(track), len(kinds)) for track in tracks]
    grounds = np.zeros(len(kinds), GROUND_RECORD)
    cells: list[Bytes] = []
    grays: list[Bytes] = []
    for k in range(len(kinds)):
        shade = ground_grain() if grainy else np.full((1, 1), 128, dtype=np.uint8)
        track = tracks[ground.index(k)]
        first = len(cells)
        _draw(track, road_markings(track, phase), cell, shade, grounds[k], cells)
        grays += [plain_tones(GRAY, grounds[k]["colors"])[0][part] for part in cells[first:]]
    return GroundMap(
        np.concatenate(cells),
        grounds,
        np.array(ground, dtype=np.int32),
        cell,
        np.concatenate(grays),
    )


def _identity(track: Track) -> bytes:
    """The same for a track and its reverse."""
    center = track.center if not track.is_reversed else track.center[::-1]
    return track.name.encode() + center.tobytes()


def _draw(
    track: Track,
    painted: list[tuple[Array, int]],
    cell: float,
    shade: Bytes,
    row: np.void,
    cells: list[Bytes],
) -> None:
    """Append the levels of one ground; `row` receives where they are."""
    shape = _frame(track, cell, row)
    row["walls"], row["colors"] = wall_segments(track), world_colors(track.name)
    what = np.full((2 * shape[0], 2 * shape[1]), FIELD, dtype=np.uint8)
    for edges, material in painted:
        _fill(what, (edges - np.tile([row["x"], row["y"]], 2)) / (0.5 * cell), material)
    made = _finest(what, shade, cell / GRAIN_CELL_M)
    first = sum(len(part) for part in cells)
    for level in range(LEVEL_COUNT):
        width = made.shape[1]
        stride = (-(-width // CACHE_LINE_BYTES) | 1) * CACHE_LINE_BYTES
        level_cells = np.full((made.shape[0], stride), PLAIN_FIELD, dtype=np.uint8)
        _code(made, _NEAREST, level_cells)
        cells.append(level_cells.ravel())
        row["first"][level], row["stride"][level] = first, stride
        first += level_cells.size
        made = _halved(made)


def _frame(track: Track, cell: float, row: np.void) -> tuple[int, int]:
    """Rows and columns of the finest level, multiples of a square of the last one; `row` receives
    the place too.
    """
    borders = np.concatenate([track.inner, track.outer])
    block = 2 ** (LEVEL_COUNT - 1)
    origin = borders.min(axis=0) - MAP_MARGIN_M
    columns, rows = (
        np.ceil((borders.max(axis=0) + MAP_MARGIN_M - origin) / (cell * block)).astype(int) * block
    ).tolist()
    if max(columns, rows) >= MAX_MAP_CELLS:
        raise UsageError(
            f"{track.name} is too large for squares of {1000 * cell:g} mm: take larger ones"
        )
    row["x"], row["y"] = origin
    row["columns"], row["rows"] = columns, rows
    return rows, columns


def _fill(what: Bytes, edges: Array, material: int) -> None:
    """Set the points of `what` within outlines, whose edges (E, 4) are in points."""
    low = np.maximum(np.floor(edges.min(axis=0).reshape(2, 2).min(axis=0)).astype(int) - 1, 0)
    high = np.ceil(edges.max(axis=0).reshape(2, 2).max(axis=0)).astype(int) + 1
    window = what[low[1] : high[1], low[0] : high[0]]
    inside = np.zeros(window.shape, dtype=np.uint8)
    _toggle(inside, edges - np.tile(low, 2))
    _set(window, inside, material)


@njit(cache=True, error_model="numpy")
def _toggle(inside, edges):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Mark where each row of points enters and leaves the outlines (the even-odd rule)."""
    rows, columns = inside.shape
    for e in range(len(edges)):
        x0, y0, x1, y1 = edges[e]
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        for r in range(max(int(np.ceil(y0 - 0.5)), 0), min(int(np.ceil(y1 - 0.5)), rows)):
            c = int(np.ceil(x0 + (r + 0.5 - y0) / (y1 - y0) * (x1 - x0) - 0.5))
            if c < columns:
                inside[r, max(c, 0)] ^= 1


@njit(cache=True, error_model="numpy")
def _set(what, inside, material):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for r in range(what.shape[0]):
        within = 0
        for c in range(what.shape[1]):
            within ^= inside[r, c]
            if within:
                what[r, c] = material


@njit(cache=True, error_model="numpy")
def _finest(what, shade, scale):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """(R, C, MATERIALS) bytes of every square: shares of border, center line and field of 255, and
    its shade.
    """
    made = np.zeros((what.shape[0] // 2, what.shape[1] // 2, MATERIAL_COUNT), dtype=np.uint8)
    size = len(shade)
    for r in range(made.shape[0]):
        for c in range(made.shape[1]):
            border, center, field = 0, 0, 0
            for i in range(2):
                for j in range(2):
                    m = what[2 * r + i, 2 * c + j]
                    border += m == 1
                    center += m == 2
                    field += m == 3
            made[r, c, 0], made[r, c, 1], made[r, c, 2] = (
                (border * 255) // 4,
                (center * 255) // 4,
                (field * 255) // 4,
            )
            shades = 2
            for i in range(2):
                for j in range(2):
                    y, x = int((r + 0.25 + 0.5 * i) * scale), int((c + 0.25 + 0.5 * j) * scale)
                    shades += shade[y % size, x % size]
            made[r, c, 3] = shades >> 2
    return made


@njit(cache=True, error_model="numpy")
def _halved(made):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The same of squares twice as large."""
    half = np.empty((made.shape[0] // 2, made.shape[1] // 2, made.shape[2]), dtype=np.uint8)
    for r in range(half.shape[0]):
        for c in range(half.shape[1]):
            for m in range(half.shape[2]):
                total = 2
                for i in range(2):
                    for j in range(2):
                        total += made[2 * r + i, 2 * c + j, m]
                half[r, c, m] = total >> 2
    return half


@njit(cache=True, error_model="numpy")
def _code(made, nearest, cells):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write the bytes of all squares but the outermost, which stay plain field: they stand for all
    that is beyond.
    """
    for r in range(1, made.shape[0] - 1):
        for c in range(1, made.shape[1] - 1):
            border, center, field = made[r, c, 0], made[r, c, 1], made[r, c, 2]
            pure = -1
            if border >= 252:
                pure = 1
            elif field >= 252:
                pure = 3
            elif border + center + field <= 3:
                pure = 0
            if pure >= 0:
                cells[r, c] = _FIRST[pure] + (made[r, c, 3] * _SHADES[pure] >> 8)
            else:
                b, e, f = (
                    (border * MIXTURE_STEPS + 127) // 255,
                    (center * MIXTURE_STEPS + 127) // 255,
                    (field * MIXTURE_STEPS + 127) // 255,
                )
                cells[r, c] = nearest[b, e, f]


_NEAREST = nearest_mixtures()
_FIRST, _SHADES = np.array(FIRST_SHADES), np.array(SHADE_COUNTS)
