"""What stands on the ground, as convex faces: walls around the field, boxes, bot cars. Drawn far to
near.

Edges are smooth: what a face covers of a pixel is counted on `LINES_PER_ROW` lines through its row,
exactly along each line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sensors.camera.arena import WALL_HEIGHT_M, Bytes, Picture, paint_span
from racer.sensors.camera.colors import COLUMN_OBSTACLES, COLUMN_WALLS, FACE_COUNT
from racer.sim import VISIBLE_SIZE_M

Array = NDArray[np.float64]

F32, I32, U64 = np.float32, np.int32, np.uint64
LINES_PER_ROW = 4  # of pixels; `_blend_pixels` has each by name
WALL_OVERLAP = 0.01  # of a wall's length that it goes on behind its neighbor
NEAREST_DEPTH_M = 0.02  # what is nearer along the view is cut away
MAX_CORNERS = 12  # of a face once it is cut
BEHIND_LENS_M = 0.3  # an obstacle whose middle is farther behind the lens is not drawn

# sides of a block, counterclockwise, and its top
LEFT_SIDE, BACK_SIDE, RIGHT_SIDE, FRONT_SIDE, TOP = range(FACE_COUNT)

# Bot cars are two blocks, body and top; boxes are one: length, width, from and to height, m, by
# kind and block.
BLOCKS = np.array(
    [
        [[*VISIBLE_SIZE_M[0][:2], 0.0, VISIBLE_SIZE_M[0][2]], [0.0, 0.0, 0.0, 0.0]],
        [[*VISIBLE_SIZE_M[1][:2], 0.0, 0.11], [0.21, 0.13, 0.11, VISIBLE_SIZE_M[1][2]]],
    ]
)


class Canvas(NamedTuple):
    """Where faces are drawn, in which colors, and room for the one that is being drawn."""

    picture: Picture
    tones: Bytes  # (C, T)
    corners: Array  # (MAX_CORNERS, 3) of the face: x, y, z, m; then px
    seen: Array  # (MAX_CORNERS, 3) as the lens sees them: right, down, along the view, m
    spans: Array  # (2, LINES_PER_ROW * H) px where each line through the face begins and ends


class Size(NamedTuple):
    """Size of a picture, px."""

    height: int
    width: int


class Edge(NamedTuple):
    """An edge of a polygon, px."""

    x0: float
    y0: float
    x1: float
    y1: float


class Row(NamedTuple):
    """A row of pixels of a picture."""

    number: int
    start: int  # its first number among all pixels
    width: int  # px
    channels: int


class Block(NamedTuple):
    """An upright block on the ground."""

    x: float  # m, its middle
    y: float
    cos_yaw: float
    sin_yaw: float
    half_length: float  # m
    half_width: float
    low: float  # m above the ground
    high: float


# ---- walls


@njit(cache=True, error_model="numpy", nogil=True)
def render_walls(map_row, lens, canvas):  # type: ignore[no-untyped-def]
    """Draw the walls that the lens faces; `map_row` is a row of GROUND_DTYPE."""
    for wall in range(4):
        x0, y0, x1, y1 = map_row.walls[wall]
        dx = x1 - x0
        dy = y1 - y0
        # the inner side is to the left of the wall
        if dx * (lens.y - y0) - dy * (lens.x - x0) > 0.0:
            # a wall goes on behind those drawn after it, or the corner would shine through their
            # smooth edges
            if wall == 0:
                x0, y0 = x0 - WALL_OVERLAP * dx, y0 - WALL_OVERLAP * dy
            if wall < 3:
                x1, y1 = x1 + WALL_OVERLAP * dx, y1 + WALL_OVERLAP * dy
            _stand_wall(canvas.corners, x0, y0, x1, y1)
            _draw_face(4, COLUMN_WALLS + wall, lens, canvas)


@njit(cache=True, error_model="numpy", nogil=True)
def _stand_wall(corners, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Write the corners of a wall on a line of the ground."""
    for k in range(4):
        is_end = k == 1 or k == 2
        corners[k, 0] = x1 if is_end else x0
        corners[k, 1] = y1 if is_end else y0
        corners[k, 2] = WALL_HEIGHT_M if k >= 2 else 0.0


# ---- boxes and bot cars


@njit(cache=True, error_model="numpy", nogil=True)
def render_obstacles(obstacles, order, lens, canvas):  # type: ignore[no-untyped-def]
    """Draw the obstacles (K,) before one car, the farthest first; `order` (K,) is room for that."""
    _sort_farthest_first(obstacles, order, lens)
    for k in order:
        obstacle = obstacles[k]
        dx = obstacle.x - lens.x
        dy = obstacle.y - lens.y
        if dx * lens.cos_yaw + dy * lens.sin_yaw > -BEHIND_LENS_M:
            color = COLUMN_OBSTACLES + FACE_COUNT * obstacle.kind
            for size in BLOCKS[obstacle.kind]:
                if size[0] > 0.0:
                    _draw_block(_block_of(obstacle, size), color, lens, canvas)


@njit(cache=True, error_model="numpy", nogil=True)
def _sort_farthest_first(obstacles, order, lens):  # type: ignore[no-untyped-def]
    for k in range(len(order)):
        order[k] = k
    for k in range(1, len(order)):
        j = k
        while j > 0 and _is_nearer(obstacles[order[j - 1]], obstacles[order[j]], lens):
            order[j - 1], order[j] = order[j], order[j - 1]
            j -= 1


@njit(cache=True, error_model="numpy", nogil=True)
def _is_nearer(obstacle, other, lens):  # type: ignore[no-untyped-def]
    square = (obstacle.x - lens.x) ** 2 + (obstacle.y - lens.y) ** 2
    return square < (other.x - lens.x) ** 2 + (other.y - lens.y) ** 2


@njit(cache=True, error_model="numpy", nogil=True)
def _block_of(obstacle, size):  # type: ignore[no-untyped-def]
    """The block of an obstacle with a row of BLOCKS as its size."""
    cos = np.cos(obstacle.yaw)
    sin = np.sin(obstacle.yaw)
    return Block(obstacle.x, obstacle.y, cos, sin, 0.5 * size[0], 0.5 * size[1], size[2], size[3])


@njit(cache=True, error_model="numpy", nogil=True)
def _draw_block(block, color, lens, canvas):  # type: ignore[no-untyped-def]
    """Draw the whole outline in the color of one side, then over it another side that is seen, and
    the top, so that nothing of what is behind shines through where two faces meet.
    """
    side, second = _sides_seen(block, lens)
    if side < 0:
        return
    is_top_seen = lens.z > block.high
    count = _write_outline(canvas.corners, block, side, second, is_top_seen)
    _draw_face(count, color + side, lens, canvas)
    if second >= 0:
        _write_side(canvas.corners, block, second)
        _draw_face(4, color + second, lens, canvas)
    if is_top_seen:
        for k in range(4):
            _write_corner(canvas.corners, k, block, k, block.high)
        _draw_face(4, color + TOP, lens, canvas)


@njit(cache=True, error_model="numpy", nogil=True)
def _sides_seen(block, lens):  # type: ignore[no-untyped-def]
    """The one or two neighboring sides that face the lens, counterclockwise; -1 for none."""
    ex = lens.x - block.x
    ey = lens.y - block.y
    u = block.cos_yaw * ex + block.sin_yaw * ey  # the lens in the frame of the block
    v = block.cos_yaw * ey - block.sin_yaw * ex
    side = -1
    second = -1
    for k in range(TOP):
        if _is_facing(k, u, v, block):
            if side < 0:
                side = k
            else:
                second = k
    if side == LEFT_SIDE and second == FRONT_SIDE:
        return FRONT_SIDE, LEFT_SIDE
    return side, second


@njit(cache=True, error_model="numpy", nogil=True)
def _is_facing(side, u, v, block):  # type: ignore[no-untyped-def]
    """Whether a side faces the place u, v, m ahead and to the left of the block's middle."""
    if side == LEFT_SIDE:
        return v > block.half_width
    if side == BACK_SIDE:
        return u < -block.half_length
    if side == RIGHT_SIDE:
        return v < -block.half_width
    return u > block.half_length


@njit(cache=True, error_model="numpy", nogil=True)
def _write_outline(corners, block, side, second, is_top_seen):  # type: ignore[no-untyped-def]
    """Write the corners of all that is seen of a block; returns how many."""
    last = 1 if second < 0 else 2
    count = 0
    for k in range(last + 1):
        _write_corner(corners, count, block, side + k, block.low)
        count += 1
    if is_top_seen:
        for k in range(last, 5):
            _write_corner(corners, count, block, side + k, block.high)
            count += 1
    else:
        for k in range(last, -1, -1):
            _write_corner(corners, count, block, side + k, block.high)
            count += 1
    return count


@njit(cache=True, error_model="numpy", nogil=True)
def _write_side(corners, block, side):  # type: ignore[no-untyped-def]
    _write_corner(corners, 0, block, side, block.low)
    _write_corner(corners, 1, block, side + 1, block.low)
    _write_corner(corners, 2, block, side + 1, block.high)
    _write_corner(corners, 3, block, side, block.high)


@njit(cache=True, error_model="numpy", nogil=True)
def _write_corner(corners, at, block, k, z):  # type: ignore[no-untyped-def]
    """Write to row `at` the corner `k` of a block, counterclockwise from front left, at height `z`."""
    i = -1.0 if k % 4 == 1 or k % 4 == 2 else 1.0
    j = -1.0 if k % 4 == 2 or k % 4 == 3 else 1.0
    ahead = i * block.half_length
    left = j * block.half_width
    corners[at, 0] = block.x + ahead * block.cos_yaw - left * block.sin_yaw
    corners[at, 1] = block.y + ahead * block.sin_yaw + left * block.cos_yaw
    corners[at, 2] = z


# ---- a face: as the lens sees it, cut, projected, filled


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _draw_face(count, color, lens, canvas):  # type: ignore[no-untyped-def]
    """Draw the convex face whose `count` corners (x, y, z) are in the canvas."""
    picture = canvas.picture
    corners = canvas.corners
    seen = canvas.seen
    for k in range(count):
        x = corners[k, 0] - lens.x
        y = corners[k, 1] - lens.y
        z = lens.z - corners[k, 2]
        ahead = x * lens.cos_yaw + y * lens.sin_yaw
        seen[k, 0] = x * lens.sin_yaw - y * lens.cos_yaw
        seen[k, 1] = z * lens.cos_pitch - ahead * lens.sin_pitch
        seen[k, 2] = ahead * lens.cos_pitch + z * lens.sin_pitch
    half_view = (0.5 * picture.width + 1.0) / lens.focal
    count = _cut(seen, count, 0.0, 1.0, NEAREST_DEPTH_M, corners)
    count = _cut(corners, count, 1.0, half_view, 0.0, seen)
    count = _cut(seen, count, -1.0, half_view, 0.0, corners)
    for k in range(count):
        depth = corners[k, 2]
        corners[k, 0] = lens.focal * corners[k, 0] / depth + 0.5 * picture.width
        corners[k, 1] = lens.focal * corners[k, 1] / depth + 0.5 * picture.height
    if count > 2:
        _fill_polygon(count, color, canvas)


@njit(cache=True, error_model="numpy", nogil=True)
def _cut(corners, count, a, b, least, kept):  # type: ignore[no-untyped-def]
    """How many corners are left in `kept` of a face cut where `a` times right plus `b` times along
    exceeds `least`.
    """
    n = 0
    for k in range(count):
        j = k - 1 if k > 0 else count - 1
        before = a * corners[j, 0] + b * corners[j, 2] - least
        now = a * corners[k, 0] + b * corners[k, 2] - least
        if (before > 0.0) != (now > 0.0):
            fraction = before / (before - now)
            for q in range(3):
                kept[n, q] = corners[j, q] + fraction * (corners[k, q] - corners[j, q])
            n += 1
        if now > 0.0:
            for q in range(3):
                kept[n, q] = corners[k, q]
            n += 1
    return n


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _fill_polygon(count, color, canvas):  # type: ignore[no-untyped-def]
    """Fill the convex polygon whose `count` corners, px, are in the canvas."""
    corners = canvas.corners
    spans = canvas.spans
    picture = canvas.picture
    size = Size(picture.height, picture.width)
    top = np.inf
    bottom = -np.inf
    for k in range(count):
        top = min(top, corners[k, 1])
        bottom = max(bottom, corners[k, 1])
    first = max(int(np.floor(max(top, -1.0))), 0)
    last = min(int(np.ceil(min(bottom, picture.height + 1.0))), picture.height)
    for i in range(LINES_PER_ROW * first, LINES_PER_ROW * last):
        spans[0, U64(i)] = picture.width
        spans[1, U64(i)] = 0.0
    for k in range(count):
        j = (k + 1) % count
        edge = Edge(corners[k, 0], corners[k, 1], corners[j, 0], corners[j, 1])
        _widen_spans(spans, edge, first, last, size)
    row_length = picture.width * picture.channels
    for r in range(first, last):
        row = Row(r, picture.start + r * row_length, picture.width, picture.channels)
        _fill_row(row, spans, picture.pixels, canvas.tones, color)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _widen_spans(spans, edge, first, last, size):  # type: ignore[no-untyped-def]
    """Widen the spans of the lines in the rows from `first` to `last` that an edge crosses."""
    x0, y0, x1, y1 = edge
    if y0 > y1:
        x0, y0, x1, y1 = x1, y1, x0, y0
    if y1 - y0 > 1e-12:
        slope = (x1 - x0) / (y1 - y0)
        lowest = np.ceil(LINES_PER_ROW * max(y0, -1.0) - 0.5)
        highest = np.ceil(LINES_PER_ROW * min(y1, size.height + 1.0) - 0.5)
        begin = max(lowest, LINES_PER_ROW * first)
        end = min(highest, LINES_PER_ROW * last)
        for i in range(int(begin), int(end)):
            x = x0 + ((i + 0.5) / LINES_PER_ROW - y0) * slope
            x = min(max(x, 0.0), size.width)
            spans[0, U64(i)] = min(spans[0, U64(i)], x)
            spans[1, U64(i)] = max(spans[1, U64(i)], x)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _fill_row(row, spans, pixels, tones, color):  # type: ignore[no-untyped-def]
    """Paint one row of pixels, given where the face begins and ends on each of its lines."""
    least = np.inf
    most = -np.inf
    whole_from = -np.inf
    whole_to = np.inf
    for i in range(LINES_PER_ROW):
        begin = spans[0, U64(LINES_PER_ROW * row.number + i)]
        end = spans[1, U64(LINES_PER_ROW * row.number + i)]
        least = min(least, begin)
        most = max(most, end)
        whole_from = max(whole_from, begin)
        whole_to = min(whole_to, end)
    if most > least:
        last = min(int(np.ceil(most)), row.width)
        inner = min(int(np.ceil(whole_from)), last)
        outer = max(int(whole_to), inner)
        _blend_pixels(int(least), inner, row, spans, pixels, tones, color)
        start = row.start + inner * row.channels
        end = row.start + outer * row.channels
        paint_span(pixels, start, end, tones, color, row.channels)
        _blend_pixels(outer, last, row, spans, pixels, tones, color)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _blend_pixels(first, last, row, spans, pixels, tones, color):  # type: ignore[no-untyped-def]
    """Paint the fraction that the face covers of each pixel from `first` to `last` in a row; eight
    pixels at once.
    """
    if first >= last:
        return
    hop = U64(row.channels)
    start = U64(row.start + first * row.channels)
    line = U64(LINES_PER_ROW * row.number)
    from_a, to_a = F32(spans[0, line]), F32(spans[1, line])
    from_b, to_b = F32(spans[0, line + U64(1)]), F32(spans[1, line + U64(1)])
    from_c, to_c = F32(spans[0, line + U64(2)]), F32(spans[1, line + U64(2)])
    from_d, to_d = F32(spans[0, line + U64(3)]), F32(spans[1, line + U64(3)])
    for channel in range(row.channels):
        tone = F32(tones[channel, color])
        for j in range(last - first):
            low = F32(I32(first) + I32(j))
            covered = _covered(from_a, to_a, low) + _covered(from_b, to_b, low)
            covered += _covered(from_c, to_c, low) + _covered(from_d, to_d, low)
            k = start + U64(j) * hop + U64(channel)
            old = F32(pixels[k])
            fraction = F32(covered * F32(1.0 / LINES_PER_ROW))
            pixels[k] = np.uint8(I32(old + fraction * (tone - old) + F32(0.5)))


@njit(cache=True, error_model="numpy", nogil=True)
def _covered(begin, end, low):  # type: ignore[no-untyped-def]
    """What of the pixel from `low` to `low` + 1 lies between `begin` and `end`."""
    high = low + F32(1.0)
    until = end if end < high else high
    since = begin if begin > low else low
    part = until - since
    return part if part > F32(0.0) else F32(0.0)
