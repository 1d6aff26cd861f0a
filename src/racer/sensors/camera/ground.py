"""Rows of a picture as walks over the map of the ground: which square every pixel sees, and what it
is.

Places on the map are counted in squares of its finest level, in 32-bit integers with 15 bits behind
the point, so that eight pixels are worked out at once; then every pixel is one look into the map.
Where the ground is far, the pixel is the mean of `TAPS` walks, for a row of pixels covers more and
more ground along the view.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from racer.sensors.camera.colors import PLAIN_FIELD

I32, U32, U64 = np.int32, np.uint32, np.uint64
FRACTION_BITS = 15  # behind the point
FIXED_ONE = float(1 << FRACTION_BITS)

TAP_COUNT = 4
TAP_OFFSETS = (
    -0.55,
    -0.18,
    0.18,
    0.55,
)  # of a row: where a pixel's taps are, as wide as the filter of real ones
SKY_ROW, FAR_ROW, SHARP_ROW, TAPPED_ROW = range(4)  # what a row of pixels is
# of the table of rows: what it is, its level; then m ahead and m a pixel of every tap
ROW_COLUMNS = 2 + 2 * TAP_COUNT


def _shifted(context, value, count):  # type: ignore[no-untyped-def]
    """`value >> count` of 32-bit numbers: the compiler's own shift makes 64 bits of them, and half
    the speed.
    """

    def build(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.lshr(*arguments)

    return types.uint32(types.uint32, types.uint32), build


_right: Any = intrinsic(_shifted)


@njit(cache=True, error_model="numpy", nogil=True)
def survey_rows(table, height, focal, z, pitch, cell, levels, reach):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill the table (H, COLUMNS) of the rows of a picture: what each is, and where on the ground
    it lies.
    """
    sin, cos = np.sin(pitch), np.cos(pitch)
    for r in range(height):
        row = table[r]
        below = (r + 0.5 - 0.5 * height) / focal
        down = sin + below * cos
        row[0] = SKY_ROW
        if down > 0.0:
            row[0] = FAR_ROW
            scale = z / down
            if scale < reach:
                pixel = scale / focal / cell
                # squares of ground along the view that the row covers
                deep = scale * scale / (z * focal) / cell
                row[0] = SHARP_ROW
                wanted = pixel
                if deep > 8.0 * max(pixel, 1.0):
                    row[0] = TAPPED_ROW
                    wanted = max(pixel, np.sqrt(pixel * deep / TAP_COUNT))
                level = 0
                while level < levels - 1 and wanted > 1.4 * (1 << level):
                    level += 1
                row[1] = level
                for j in range(TAP_COUNT):
                    off = TAP_OFFSETS[j] if row[0] == TAPPED_ROW else 0.0
                    b = (r + 0.5 + off - 0.5 * height) / focal
                    t = z / max(sin + b * cos, 0.5 * down)
                    row[2 + 2 * j], row[3 + 2 * j] = t * (cos - b * sin), t / focal


@njit(cache=True, error_model="numpy", nogil=True)
def find_cells(index, at, width, u, v, du, dv, columns, rows, level, first, stride):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write to `index` from `at` on which byte of the map each of `width` pixels sees.

    `u`, `v` is where the first pixel is on the map and `du`, `dv` the step to the next, in finest
    squares. What is beyond the map sees its outermost squares.
    """
    iu, iv, idu, idv = (
        I32(u * FIXED_ONE),
        I32(v * FIXED_ONE),
        I32(du * FIXED_ONE),
        I32(dv * FIXED_ONE),
    )
    start = U64(at)
    shift, origin, step = U32(FRACTION_BITS + level), U32(first), U32(stride)
    end_u, end_v = u + du * (width - 1), v + dv * (width - 1)
    if (
        min(u, end_u) > 1.0
        and max(u, end_u) < columns - 1
        and min(v, end_v) > 1.0
        and max(v, end_v) < rows - 1
    ):
        for k in range(width):
            j = I32(k)
            x, y = U32(iu + I32(j * idu)), U32(iv + I32(j * idv))
            index[start + U64(k)] = U32(
                U32(_right(y, shift) * step) + U32(_right(x, shift) + origin)
            )
    else:
        zero, last_u, last_v = (
            I32(0),
            I32((columns << FRACTION_BITS) - 1),
            I32((rows << FRACTION_BITS) - 1),
        )
        for k in range(width):
            j = I32(k)
            a, b = I32(iu + I32(j * idu)), I32(iv + I32(j * idv))
            a = a if a > zero else zero
            b = b if b > zero else zero
            a = a if a < last_u else last_u
            b = b if b < last_v else last_v
            index[start + U64(k)] = U32(
                U32(_right(U32(b), shift) * step) + U32(_right(U32(a), shift) + origin)
            )


@njit(cache=True, error_model="numpy", nogil=True)
def copy_cells(index, width, cells, out, at):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write what the pixels see to `out` from `at` on."""
    start = U64(at)
    for j in range(width):
        k = U64(j)
        out[start + k] = cells[index[k]]


@njit(cache=True, error_model="numpy", nogil=True)
def sum_cell_taps(index, width, cells, total):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write the sums of four looks of each pixel to `total`."""
    w = U64(width)
    for j in range(width):
        k = U64(j)
        one, two = U32(cells[index[k]]), U32(cells[index[k + w]])
        three, four = U32(cells[index[k + U64(2) * w]]), U32(cells[index[k + U64(3) * w]])
        total[k] = U32(one + two) + U32(three + four)


@njit(cache=True, error_model="numpy", nogil=True)
def copy_tones(index, width, cells, tones, channel, channels, out, at):  # type: ignore[no-untyped-def]  # pragma: no cover
    """As `look`, through a table `tones` (C, 256+) of what bytes stand for, into one of several
    channels.
    """
    for j in range(width):
        k = U64(j)
        out[at + k * channels] = tones[channel, cells[index[k]]]


@njit(cache=True, error_model="numpy", nogil=True)
def sum_tone_taps(index, width, cells, tones, channel, total):  # type: ignore[no-untyped-def]  # pragma: no cover
    """As `look_often`, through the table of tones."""
    w = U64(width)
    for j in range(width):
        k = U64(j)
        one, two = U32(tones[channel, cells[index[k]]]), U32(tones[channel, cells[index[k + w]]])
        three = U32(tones[channel, cells[index[k + U64(2) * w]]])
        four = U32(tones[channel, cells[index[k + U64(3) * w]]])
        total[k] = U32(one + two) + U32(three + four)


@njit(cache=True, error_model="numpy", nogil=True)
def spread_sums(total, width, channels, out, at):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write a row of pixels from sums of four looks at every other one; between two of them lies
    their mean.
    """
    for j in range(width // 2):
        k = U64(j)
        out[at + U64(2) * k * channels] = (total[k] + U32(2)) >> U32(2)
        out[at + (U64(2) * k + U64(1)) * channels] = (total[k] + total[k + U64(1)] + U32(4)) >> U32(
            3
        )
    if width % 2:
        out[at + U64(width - 1) * channels] = (total[U64(width // 2)] + U32(2)) >> U32(2)


@njit(cache=True, error_model="numpy", nogil=True)
def draw_ground(  # type: ignore[no-untyped-def]  # pragma: no cover
    table, map_row, cells, shades, tones, x, y, c, s, cell, index, total, out, at, width, channels
):
    """Draw sky and ground of one picture into the flat `out` from `at` on; the lens is at x, y, its
    yaw is c, s.

    `shades` are the cells as gray values already (length 0: go through `tones`, whose column 256 is
    the sky).
    """
    left, low = x, y
    x, y = (x - map_row.x) / cell, (y - map_row.y) / cell
    middle = 0.5 * width - 0.5
    farthest = 0.0
    for w in range(4):
        farthest = max(farthest, (map_row.walls[w, 0] - left) * c + (map_row.walls[w, 1] - low) * s)
    for r in range(len(table)):
        what = table[r, 0]
        if what > FAR_ROW and table[r, 2 * TAP_COUNT] > farthest + 0.1 and farthest > 0.1:
            what = FAR_ROW  # hidden by walls, all but what shines through their smooth edges
        start = U64(at + r * width * channels)
        if what <= FAR_ROW:
            color = 256 if what == SKY_ROW else PLAIN_FIELD
            paint_span(out, start, start + U64(width * channels), tones, color, channels)
            continue
        level, taps, step, count = int(table[r, 1]), 1, 1, width
        if what == TAPPED_ROW:
            taps, step, count = TAP_COUNT, 2, width // 2 + 1
        for j in range(taps):
            ahead, pixel = table[r, 2 + 2 * j] / cell, table[r, 3 + 2 * j] / cell
            du, dv = pixel * s, -pixel * c
            find_cells(
                index, j * count, count, x + ahead * c - middle * du, y + ahead * s - middle * dv, step * du, step * dv,
                map_row.columns, map_row.rows, level, map_row.first[level], map_row.stride[level],
            )  # fmt: skip
        if what == SHARP_ROW and len(shades):
            copy_cells(index, width, shades, out, start)
        elif what == SHARP_ROW:
            for q in range(channels):
                copy_tones(index, width, cells, tones, q, U64(channels), out, start + U64(q))
        elif len(shades):
            sum_cell_taps(index, count, shades, total)
            spread_sums(total, width, U64(1), out, start)
        else:
            for q in range(channels):
                sum_tone_taps(index, count, cells, tones, q, total)
                spread_sums(total, width, U64(channels), out, start + U64(q))


@njit(cache=True, error_model="numpy", nogil=True)
def paint_span(out, start, end, tones, color, channels):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Set the flat `out` from `start` to `end` to one color."""
    if channels == 1:
        tint = tones[0, color]
        for k in range(max(int(end) - int(start), 0)):
            out[U64(start) + U64(k)] = tint
    else:
        for k in range(int(start), int(end), channels):
            for q in range(channels):
                out[U64(k + q)] = tones[q, color]
