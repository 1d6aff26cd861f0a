"""Rows of a picture as walks over the map of the ground: which square every pixel sees, and what it
is.

Places on the map are counted in squares of its finest level, in 32-bit integers with 15 bits behind
the point, so that eight pixels are worked out at once; then every pixel is one look into the map.
Where the ground is far, the pixel is the mean of `TAP_COUNT` walks, for a row of pixels covers more
and more ground along the view.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from racer.sensors.camera.arena import Bytes, paint_span
from racer.sensors.camera.colors import COLUMN_SKY, PLAIN_FIELD

I32, U32, U64 = np.int32, np.uint32, np.uint64
FRACTION_BITS = 15  # behind the point
FIXED_ONE = float(1 << FRACTION_BITS)

TAP_COUNT = 4
TAP_OFFSETS = (-0.55, -0.18, 0.18, 0.55)
"""Where the taps of a pixel are, in rows: as wide apart as the filter of real pictures is."""

SKY_ROW, FAR_ROW, SHARP_ROW, TAPPED_ROW = range(4)

ROW_DTYPE = np.dtype(
    [
        ("kind", np.int64),  # SKY_ROW, FAR_ROW (plain field), SHARP_ROW or TAPPED_ROW
        ("level", np.int64),  # of the map
        ("ahead", np.float64, (TAP_COUNT,)),  # m along the ground to what each tap sees
        ("pixel", np.float64, (TAP_COUNT,)),  # m of ground that a pixel of each tap is wide
    ],
    align=True,
)


class Squares(NamedTuple):
    """The squares of all maps, for compiled code."""

    cells: Bytes  # (P,) what each is made of
    shades: Bytes  # (P,) their gray values; (0,) where pictures go through a table of tones
    side: float  # m, of the finest


class Surveyed(NamedTuple):
    """What the rows of a picture are laid out for."""

    height: int  # px
    focal: float  # px
    z: float  # m above the ground
    pitch: float  # rad, downward
    side: float  # m, of the finest squares
    level_count: int
    map_range: float  # m along the view: beyond it the ground is plain field


class MapView(NamedTuple):
    """A lens over a map: its place in finest squares."""

    map_row: NDArray[np.void]  # of GROUND_DTYPE
    squares: Squares
    u: float
    v: float
    cos_yaw: float
    sin_yaw: float
    middle: float  # px, of a row


class Walk(NamedTuple):
    """A row of pixels on the map, in finest squares: the first one's place and the step to the next."""

    u: float
    v: float
    du: float
    dv: float
    length: int  # pixels


class WalkBuffers(NamedTuple):
    """Room for one row of a picture."""

    indices: NDArray[np.uint32]  # (TAP_COUNT * (W + 1),) bytes of the map that pixels see
    sums: NDArray[np.uint32]  # (W + 1,) sums of taps


def _shifted(context, value, count):  # type: ignore[no-untyped-def]
    """`value >> count` of 32-bit numbers: the compiler's own shift makes 64 bits of them, and half
    the speed.
    """

    def build(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.lshr(*arguments)

    return types.uint32(types.uint32, types.uint32), build


_right: Any = intrinsic(_shifted)


# ---- what the rows of a picture are


@njit(cache=True, error_model="numpy", nogil=True)
def survey_rows(rows, camera):  # type: ignore[no-untyped-def]
    """Fill `rows` (H,) of ROW_DTYPE for a camera, a `Surveyed`."""
    sin = np.sin(camera.pitch)
    cos = np.cos(camera.pitch)
    for r in range(camera.height):
        row = rows[r]
        down = sin + (r + 0.5 - 0.5 * camera.height) / camera.focal * cos
        if down <= 0.0:
            row.kind = SKY_ROW
        elif camera.z / down >= camera.map_range:
            row.kind = FAR_ROW
        else:
            _choose_level(row, camera, camera.z / down)
            _place_taps(row, r, down, camera)


@njit(cache=True, error_model="numpy", nogil=True)
def _choose_level(row, camera, scale):  # type: ignore[no-untyped-def]
    """Set the kind of a row and its level of the map: squares about as large as what a pixel covers.

    `scale` is m along the view to the ground.
    """
    pixel = scale / camera.focal / camera.side
    # squares of ground along the view that the row covers
    deep = scale * scale / (camera.z * camera.focal) / camera.side
    row.kind = SHARP_ROW
    wanted = pixel
    if deep > 8.0 * max(pixel, 1.0):
        row.kind = TAPPED_ROW
        wanted = max(pixel, np.sqrt(pixel * deep / TAP_COUNT))
    level = 0
    while level < camera.level_count - 1 and wanted > 1.4 * (1 << level):
        level += 1
    row.level = level


@njit(cache=True, error_model="numpy", nogil=True)
def _place_taps(row, r, down, camera):  # type: ignore[no-untyped-def]
    sin = np.sin(camera.pitch)
    cos = np.cos(camera.pitch)
    for tap in range(TAP_COUNT):
        offset = 0.0
        if row.kind == TAPPED_ROW:
            offset = TAP_OFFSETS[tap]
        below = (r + 0.5 + offset - 0.5 * camera.height) / camera.focal
        scale = camera.z / max(sin + below * cos, 0.5 * down)
        row.ahead[tap] = scale * (cos - below * sin)
        row.pixel[tap] = scale / camera.focal


# ---- which squares the pixels of a row see


@njit(cache=True, error_model="numpy", nogil=True)
def find_cells(indices, at, walk, map_row, level):  # type: ignore[no-untyped-def]
    """Write to `indices` (W,) which byte of the map each pixel of a walk sees.

    Pixels beyond the map see its outermost squares.
    """
    end_u = walk.u + walk.du * (walk.length - 1)
    end_v = walk.v + walk.dv * (walk.length - 1)
    is_inside = (
        min(walk.u, end_u) > 1.0
        and max(walk.u, end_u) < map_row.columns - 1
        and min(walk.v, end_v) > 1.0
        and max(walk.v, end_v) < map_row.rows - 1
    )
    if is_inside:
        _find_inside(indices, at, walk, map_row, level)
    else:
        _find_clipped(indices, at, walk, map_row, level)


@njit(cache=True, error_model="numpy", nogil=True)
def _find_inside(indices, at, walk, map_row, level):  # type: ignore[no-untyped-def]
    start = U64(at)
    u, v = I32(walk.u * FIXED_ONE), I32(walk.v * FIXED_ONE)
    du, dv = I32(walk.du * FIXED_ONE), I32(walk.dv * FIXED_ONE)
    shift = U32(FRACTION_BITS + level)
    origin = U32(map_row.first[level])
    stride = U32(map_row.stride[level])
    for k in range(walk.length):
        j = I32(k)
        x = U32(u + I32(j * du))
        y = U32(v + I32(j * dv))
        indices[start + U64(k)] = U32(
            U32(_right(y, shift) * stride) + U32(_right(x, shift) + origin)
        )


@njit(cache=True, error_model="numpy", nogil=True)
def _find_clipped(indices, at, walk, map_row, level):  # type: ignore[no-untyped-def]
    start = U64(at)
    u, v = I32(walk.u * FIXED_ONE), I32(walk.v * FIXED_ONE)
    du, dv = I32(walk.du * FIXED_ONE), I32(walk.dv * FIXED_ONE)
    shift = U32(FRACTION_BITS + level)
    origin = U32(map_row.first[level])
    stride = U32(map_row.stride[level])
    zero = I32(0)
    last_u = I32((map_row.columns << FRACTION_BITS) - 1)
    last_v = I32((map_row.rows << FRACTION_BITS) - 1)
    for k in range(walk.length):
        j = I32(k)
        x = I32(u + I32(j * du))
        y = I32(v + I32(j * dv))
        x = x if x > zero else zero
        y = y if y > zero else zero
        x = x if x < last_u else last_u
        y = y if y < last_v else last_v
        row_start = U32(_right(U32(y), shift) * stride)
        indices[start + U64(k)] = U32(row_start + U32(_right(U32(x), shift) + origin))


# ---- from squares to pixels


@njit(cache=True, error_model="numpy", nogil=True)
def copy_cells(indices, cells, picture, start):  # type: ignore[no-untyped-def]
    """Write what the pixels see to `pixels` from `start` on."""
    for j in range(picture.width):
        k = U64(j)
        picture.pixels[start + k] = cells[indices[k]]


@njit(cache=True, error_model="numpy", nogil=True)
def sum_cell_taps(indices, cells, sums, count):  # type: ignore[no-untyped-def]
    """Write to `sums` the sums of what the four taps of each of `count` pixels see."""
    hop = U64(count)
    for j in range(count):
        k = U64(j)
        first = U32(cells[indices[k]])
        second = U32(cells[indices[k + hop]])
        third = U32(cells[indices[k + U64(2) * hop]])
        fourth = U32(cells[indices[k + U64(3) * hop]])
        sums[k] = U32(first + second) + U32(third + fourth)


@njit(cache=True, error_model="numpy", nogil=True)
def copy_tones(indices, cells, tones, channel, picture, start):  # type: ignore[no-untyped-def]
    """As `copy_cells`, into one channel, through a table `tones` (C, 256+) of what bytes stand for."""
    hop = U64(picture.channels)
    place = start + U64(channel)
    for j in range(picture.width):
        k = U64(j)
        picture.pixels[place + k * hop] = tones[channel, cells[indices[k]]]


@njit(cache=True, error_model="numpy", nogil=True)
def sum_tone_taps(indices, cells, tones, channel, sums, count):  # type: ignore[no-untyped-def]
    """As `sum_cell_taps`, through the table of tones."""
    hop = U64(count)
    for j in range(count):
        k = U64(j)
        first = U32(tones[channel, cells[indices[k]]])
        second = U32(tones[channel, cells[indices[k + hop]]])
        third = U32(tones[channel, cells[indices[k + U64(2) * hop]]])
        fourth = U32(tones[channel, cells[indices[k + U64(3) * hop]]])
        sums[k] = U32(first + second) + U32(third + fourth)


@njit(cache=True, error_model="numpy", nogil=True)
def spread_sums(sums, picture, hop, start):  # type: ignore[no-untyped-def]
    """Write a row of one channel from sums of four taps at every other pixel; between two of them
    lies their mean.
    """
    pixels = picture.pixels
    width = picture.width
    for j in range(width // 2):
        k = U64(j)
        pixels[start + U64(2) * k * hop] = (sums[k] + U32(2)) >> U32(2)
        between = sums[k] + sums[k + U64(1)] + U32(4)
        pixels[start + (U64(2) * k + U64(1)) * hop] = between >> U32(3)
    if width % 2:
        pixels[start + U64(width - 1) * hop] = (sums[U64(width // 2)] + U32(2)) >> U32(2)


# ---- a picture


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def draw_ground(rows, map_row, squares, tones, lens, buffers, picture):  # type: ignore[no-untyped-def]
    """Draw sky and ground of one picture.

    `rows` (H,) is filled by `survey_rows`, `map_row` the map's row of GROUND_DTYPE, `tones` (C, T)
    the table of colors, `buffers` a `WalkBuffers`.
    """
    view = MapView(
        map_row,
        squares,
        (lens.x - map_row.x) / squares.side,
        (lens.y - map_row.y) / squares.side,
        lens.cos_yaw,
        lens.sin_yaw,
        0.5 * picture.width - 0.5,
    )
    farthest = _farthest_wall(map_row, lens)
    for r in range(picture.height):
        row = rows[r]
        start = U64(picture.start + r * picture.width * picture.channels)
        # rows hidden by walls are field, all but what shines through the walls' smooth edges
        is_hidden = row.ahead[TAP_COUNT - 1] > farthest + 0.1 and farthest > 0.1
        if row.kind == SKY_ROW:
            _paint_row(picture, start, tones, COLUMN_SKY)
        elif row.kind == FAR_ROW or is_hidden:
            _paint_row(picture, start, tones, PLAIN_FIELD)
        elif row.kind == SHARP_ROW:
            _draw_sharp_row(row, view, tones, buffers, picture, start)
        else:
            _draw_tapped_row(row, view, tones, buffers, picture, start)


@njit(cache=True, error_model="numpy", nogil=True)
def _farthest_wall(map_row, lens):  # type: ignore[no-untyped-def]
    """m ahead of the lens to the farthest corner of the walls."""
    farthest = 0.0
    for wall in range(4):
        x = map_row.walls[wall, 0] - lens.x
        y = map_row.walls[wall, 1] - lens.y
        farthest = max(farthest, x * lens.cos_yaw + y * lens.sin_yaw)
    return farthest


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _paint_row(picture, start, tones, color):  # type: ignore[no-untyped-def]
    end = start + U64(picture.width * picture.channels)
    paint_span(picture.pixels, start, end, tones, color, picture.channels)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _draw_sharp_row(row, view, tones, buffers, picture, start):  # type: ignore[no-untyped-def]
    indices = buffers.indices
    find_cells(indices, 0, _walk_of(row, 0, 1, picture.width, view), view.map_row, row.level)
    if len(view.squares.shades):
        copy_cells(indices, view.squares.shades, picture, start)
    else:
        for channel in range(picture.channels):
            copy_tones(indices, view.squares.cells, tones, channel, picture, start)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _draw_tapped_row(row, view, tones, buffers, picture, start):  # type: ignore[no-untyped-def]
    indices = buffers.indices
    sums = buffers.sums
    count = picture.width // 2 + 1
    for tap in range(TAP_COUNT):
        walk = _walk_of(row, tap, 2, count, view)
        find_cells(indices, tap * count, walk, view.map_row, row.level)
    if len(view.squares.shades):
        sum_cell_taps(indices, view.squares.shades, sums, count)
        spread_sums(sums, picture, U64(1), start)
    else:
        for channel in range(picture.channels):
            sum_tone_taps(indices, view.squares.cells, tones, channel, sums, count)
            spread_sums(sums, picture, U64(picture.channels), start + U64(channel))


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _walk_of(row, tap, step, count, view):  # type: ignore[no-untyped-def]
    """The walk of a row's tap in steps of `step` pixels."""
    ahead = row.ahead[tap] / view.squares.side
    pixel = row.pixel[tap] / view.squares.side
    du = pixel * view.sin_yaw
    dv = -pixel * view.cos_yaw
    u = view.u + ahead * view.cos_yaw - view.middle * du
    v = view.v + ahead * view.sin_yaw - view.middle * dv
    return Walk(u, v, step * du, step * dv, count)
