"""What stands on the ground, as convex faces: walls around the field, boxes, bot cars. Drawn far to
near.

Edges are smooth: what a face covers of a pixel is counted on `FINE` lines through its row, exactly
along each line.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from racer.sensors.camera.arena import WALL_HEIGHT_M
from racer.sensors.camera.ground import paint_span
from racer.sensors.camera.tones import COLUMN_OBSTACLES, COLUMN_WALLS, FACE_COUNT
from racer.sim.obstacles import VISIBLE_SIZE_M

F32, I32, U64 = np.float32, np.int32, np.uint64
LINES_PER_ROW = 4  # lines a row of pixels; `_blend` has each by name
WALL_OVERLAP = 0.01  # of a wall's length that it goes on behind its neighbor
NEAREST_DEPTH_M = 0.02  # m, what is nearer along the view is cut away
MAX_CORNERS = 12  # of a face, at most, once it is cut

# Bot cars are two blocks, body and top; boxes are one: length, width, from and to height, m, by
# kind and block.
BLOCKS = np.array(
    [
        [[*VISIBLE_SIZE_M[0][:2], 0.0, VISIBLE_SIZE_M[0][2]], [0.0, 0.0, 0.0, 0.0]],
        [[*VISIBLE_SIZE_M[1][:2], 0.0, 0.11], [0.21, 0.13, 0.11, VISIBLE_SIZE_M[1][2]]],
    ]
)


@njit(cache=True, error_model="numpy", nogil=True)
def render_walls(ground, eye, tones, scratch, out, at, size):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Draw the walls that the camera faces; `eye`: x, y, z, cos and sin of yaw, of pitch, focal
    length.
    """
    for w in range(4):
        x0, y0, x1, y1 = ground.walls[w]
        # the inner side is to the left of the wall
        if (x1 - x0) * (eye[1] - y0) - (y1 - y0) * (eye[0] - x0) > 0.0:
            # a wall goes on behind those drawn after it, or the corner would shine through their
            # smooth edges
            more, less = (WALL_OVERLAP if w < 3 else 0.0), (WALL_OVERLAP if w == 0 else 0.0)
            dx, dy = x1 - x0, y1 - y0
            x0, y0, x1, y1 = x0 - less * dx, y0 - less * dy, x1 + more * dx, y1 + more * dy
            _upright(
                x0,
                y0,
                x1,
                y1,
                0.0,
                WALL_HEIGHT_M,
                eye,
                tones,
                COLUMN_WALLS + w,
                scratch,
                out,
                at,
                size,
            )


@njit(cache=True, error_model="numpy", nogil=True)
def render_obstacles(bodies, order, eye, tones, scratch, out, at, size):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Draw the bodies (K,) before one car, the farthest first."""
    count = len(bodies)
    for k in range(count):
        order[k] = k
    for k in range(1, count):
        j = k
        while j > 0 and _away(bodies[order[j - 1]], eye) < _away(bodies[order[j]], eye):
            order[j - 1], order[j] = order[j], order[j - 1]
            j -= 1
    for k in range(count):
        body = bodies[order[k]]
        ahead = (body.x - eye[0]) * eye[3] + (body.y - eye[1]) * eye[4]
        if ahead > -0.3:
            for b in range(BLOCKS.shape[1]):
                _block(body, BLOCKS[body.kind, b], eye, tones, scratch, out, at, size)


@njit(cache=True, error_model="numpy", nogil=True)
def _away(body, eye):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return (body.x - eye[0]) ** 2 + (body.y - eye[1]) ** 2


@njit(cache=True, error_model="numpy", nogil=True)
def _block(body, block, eye, tones, scratch, out, at, size):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Draw a block: its whole outline in the color of one side, then over it another side that is
    seen, and the top.

    So nothing of what is behind shines through where two faces meet.
    """
    if block[0] == 0.0:
        return
    c, s = np.cos(body.yaw), np.sin(body.yaw)
    a, b = 0.5 * block[0], 0.5 * block[1]
    ex, ey = eye[0] - body.x, eye[1] - body.y
    u, v = c * ex + s * ey, c * ey - s * ex  # the lens in the frame of the block
    side, second = -1, -1
    for k in range(4):  # left, back, right, front
        if _faces(k, u, v, a, b):
            side, second = (k, second) if side < 0 else (side, k)
    if side == 0 and second == 3:
        side, second = 3, 0
    if side < 0:
        return
    first, corner, is_below = (
        COLUMN_OBSTACLES + FACE_COUNT * body.kind,
        scratch[0],
        eye[2] > block[3],
    )
    last = 2 if second >= 0 else 1
    count = 0
    for k in range(last + 1):
        count = _corner(corner, count, side + k, body, c, s, a, b, block[2])
    if is_below:
        for k in range(last, 5):
            count = _corner(corner, count, side + k, body, c, s, a, b, block[3])
    else:
        for k in range(last, -1, -1):
            count = _corner(corner, count, side + k, body, c, s, a, b, block[3])
    _face(count, eye, tones, first + side, scratch, out, at, size)
    if second >= 0:
        count = _corner(corner, 0, second, body, c, s, a, b, block[2])
        count = _corner(corner, count, second + 1, body, c, s, a, b, block[2])
        count = _corner(corner, count, second + 1, body, c, s, a, b, block[3])
        count = _corner(corner, count, second, body, c, s, a, b, block[3])
        _face(count, eye, tones, first + second, scratch, out, at, size)
    if is_below:
        count = 0
        for k in range(4):
            count = _corner(corner, count, k, body, c, s, a, b, block[3])
        _face(count, eye, tones, first + 4, scratch, out, at, size)


@njit(cache=True, error_model="numpy", nogil=True)
def _faces(side, u, v, a, b):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Whether a side (left, back, right, front) faces the place u, v."""
    return (
        (side == 0 and v > b)
        or (side == 1 and u < -a)
        or (side == 2 and v < -b)
        or (side == 3 and u > a)
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _corner(corner, count, k, body, c, s, a, b, z):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Write corner `k` of a block, counterclockwise from front left, at height `z`; how many are
    written now.
    """
    i = -1.0 if k % 4 == 1 or k % 4 == 2 else 1.0
    j = -1.0 if k % 4 == 2 or k % 4 == 3 else 1.0
    corner[count, 0] = body.x + i * a * c - j * b * s
    corner[count, 1] = body.y + i * a * s + j * b * c
    corner[count, 2] = z
    return count + 1


@njit(cache=True, error_model="numpy", nogil=True)
def _upright(x0, y0, x1, y1, low, high, eye, tones, color, scratch, out, at, size):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Draw a rectangle that stands on a line of the plane."""
    corner = scratch[0]
    corner[0, 0], corner[0, 1], corner[0, 2] = x0, y0, low
    corner[1, 0], corner[1, 1], corner[1, 2] = x1, y1, low
    corner[2, 0], corner[2, 1], corner[2, 2] = x1, y1, high
    corner[3, 0], corner[3, 1], corner[3, 2] = x0, y0, high
    _face(4, eye, tones, color, scratch, out, at, size)


@njit(cache=True, error_model="numpy", nogil=True)
def _face(count, eye, tones, color, scratch, out, at, size):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Draw the convex face whose corners (x, y, z) are in scratch[0]: seen from the eye, cut,
    projected, filled.
    """
    corner, seen, span = scratch
    for k in range(count):
        x, y, z = corner[k, 0] - eye[0], corner[k, 1] - eye[1], eye[2] - corner[k, 2]
        ahead = x * eye[3] + y * eye[4]
        seen[k, 0] = x * eye[4] - y * eye[3]  # to the right
        seen[k, 1] = z * eye[5] - ahead * eye[6]  # down
        seen[k, 2] = ahead * eye[5] + z * eye[6]  # along the view
    aside = (0.5 * size[1] + 1.0) / eye[7]
    count = _cut(seen, count, 0.0, 1.0, NEAREST_DEPTH_M, corner)
    count = _cut(corner, count, 1.0, aside, 0.0, seen)
    count = _cut(seen, count, -1.0, aside, 0.0, corner)
    for k in range(count):
        depth = corner[k, 2]
        corner[k, 0] = eye[7] * corner[k, 0] / depth + 0.5 * size[1]
        corner[k, 1] = eye[7] * corner[k, 1] / depth + 0.5 * size[0]
    if count > 2:
        _fill(count, tones, color, corner, span, out, at, size)


@njit(cache=True, error_model="numpy", nogil=True)
def _cut(corner, count, a, b, least, kept):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How many corners are left in `kept` of a face cut where `a` times right plus `b` times along
    exceeds `least`.
    """
    n = 0
    for k in range(count):
        j = k - 1 if k > 0 else count - 1
        before = a * corner[j, 0] + b * corner[j, 2] - least
        here = a * corner[k, 0] + b * corner[k, 2] - least
        if (before > 0.0) != (here > 0.0):
            share = before / (before - here)
            for q in range(3):
                kept[n, q] = corner[j, q] + share * (corner[k, q] - corner[j, q])
            n += 1
        if here > 0.0:
            for q in range(3):
                kept[n, q] = corner[k, q]
            n += 1
    return n


@njit(cache=True, error_model="numpy", nogil=True)
def _fill(count, tones, color, corner, span, out, at, size):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill the convex polygon whose corners are in `corner`, px; `span` is for where its lines
    begin and end.
    """
    top, bottom = np.inf, -np.inf
    for k in range(count):
        top, bottom = min(top, corner[k, 1]), max(bottom, corner[k, 1])
    height, width, _ = size
    first, last = (
        max(int(np.floor(max(top, -1.0))), 0),
        min(int(np.ceil(min(bottom, height + 1.0))), height),
    )
    for i in range(LINES_PER_ROW * first, LINES_PER_ROW * last):
        span[0, U64(i)], span[1, U64(i)] = width, 0.0
    for k in range(count):
        x0, y0, x1, y1 = (
            corner[k, 0],
            corner[k, 1],
            corner[(k + 1) % count, 0],
            corner[(k + 1) % count, 1],
        )
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        if y1 - y0 > 1e-12:
            slope = (x1 - x0) / (y1 - y0)
            begin = max(np.ceil(LINES_PER_ROW * max(y0, -1.0) - 0.5), LINES_PER_ROW * first)
            end = min(np.ceil(LINES_PER_ROW * min(y1, height + 1.0) - 0.5), LINES_PER_ROW * last)
            for i in range(int(begin), int(end)):
                x = min(max(x0 + ((i + 0.5) / LINES_PER_ROW - y0) * slope, 0.0), width)
                span[0, U64(i)] = min(span[0, U64(i)], x)
                span[1, U64(i)] = max(span[1, U64(i)], x)
    for r in range(first, last):
        _row(span, tones, color, out, at, r, size)


@njit(cache=True, error_model="numpy", nogil=True)
def _row(span, tones, color, out, at, r, size):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Paint one row of pixels, given where the face begins and ends on each of its fine lines."""
    _, width, channels = size
    least, most, whole_from, whole_to = np.inf, -np.inf, -np.inf, np.inf
    for i in range(LINES_PER_ROW):
        begin, end = span[0, U64(LINES_PER_ROW * r + i)], span[1, U64(LINES_PER_ROW * r + i)]
        least, most = min(least, begin), max(most, end)
        whole_from, whole_to = max(whole_from, begin), min(whole_to, end)
    if most > least:
        first, last = int(least), min(int(np.ceil(most)), width)
        inner = min(int(np.ceil(whole_from)), last)
        outer = max(int(whole_to), inner)
        start = at + r * width * channels
        if first < inner:
            _blend(span, tones, color, out, start, r, first, inner, channels)
        paint_span(out, start + inner * channels, start + outer * channels, tones, color, channels)
        if outer < last:
            _blend(span, tones, color, out, start, r, outer, last, channels)


@njit(cache=True, error_model="numpy", nogil=True)
def _blend(span, tones, color, out, start, r, first, last, channels):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Paint the share that the face covers of each pixel from `first` to `last` in a row; eight
    pixels at once.
    """
    line, place, hop = U64(LINES_PER_ROW * r), U64(start + first * channels), U64(channels)
    a, b, c, d = line, line + U64(1), line + U64(2), line + U64(3)
    from_a, from_b, from_c, from_d = (
        F32(span[0, a]),
        F32(span[0, b]),
        F32(span[0, c]),
        F32(span[0, d]),
    )
    to_a, to_b, to_c, to_d = F32(span[1, a]), F32(span[1, b]), F32(span[1, c]), F32(span[1, d])
    for q in range(channels):
        tint = F32(tones[q, color])
        for j in range(max(last - first, 0)):
            low = F32(I32(first) + I32(j))
            share = _covered(from_a, to_a, low) + _covered(from_b, to_b, low)
            share += _covered(from_c, to_c, low) + _covered(from_d, to_d, low)
            k = place + U64(j) * hop + U64(q)
            old = F32(out[k])
            out[k] = np.uint8(
                I32(old + F32(share * F32(1.0 / LINES_PER_ROW)) * (tint - old) + F32(0.5))
            )


@njit(cache=True, error_model="numpy", nogil=True)
def _covered(begin, end, low):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """What of the pixel from `low` to `low` + 1 lies between `begin` and `end`."""
    high = low + F32(1.0)
    until = end if end < high else high
    since = begin if begin > low else low
    part = until - since
    return part if part > F32(0.0) else F32(0.0)
