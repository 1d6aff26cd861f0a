"""Colors of everything in a picture, as a table: mixtures of the ground, sky, walls, and the faces
of what stands.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sensors.camera.arena import is_of_2022
from racer.sensors.camera.colors import MIXTURES

ROAD, BORDER, CENTER, FIELD, SKY, WALL, BOX, BOT = range(8)
PART_NAMES = ("road", "border", "center line", "field", "sky", "wall", "box", "bot car")

PLAIN_COLORS = np.array(
    [
        [42.0, 55.0, 72.0],
        [216.0, 215.0, 211.0],
        [216.0, 130.0, 3.0],
        [103.0, 147.0, 113.0],
        [178.0, 178.0, 178.0],
        [14.0, 27.0, 32.0],
        [123.0, 97.0, 79.0],
        [52.0, 54.0, 58.0],
    ]
)
"""(PARTS, 3) RGB as lit by the lamps of reinvent_base: of the ground, sky and walls in real frames, of what stands as
in SIMULATOR.md 5.4."""

LATER_COLORS = PLAIN_COLORS.copy()
LATER_COLORS[: FIELD + 1] *= np.array(
    [[64, 63, 61], [223, 223, 222], [225, 143, 0], [126, 133, 65]]
)
LATER_COLORS[: FIELD + 1] /= np.array(
    [[36, 48, 64], [194, 194, 190], [194, 116, 1], [95, 136, 104]]
)
"""The same of worlds of re:Invent 2019, and of 2022 and later: their textures, of which no lit frame is known, as much
brighter than textures of reinvent_base (SIMULATOR.md 5.3) as its lamps make those."""

COLUMN_SKY, COLUMN_WALLS, COLUMN_OBSTACLES = 256, 257, 261
FACE_COUNT = 5  # of what stands: left, back, right, front, top
TONE_COUNT = COLUMN_OBSTACLES + 2 * FACE_COUNT

RGB, GRAY, LUMA = range(3)
"""What a picture tells: colors; 0.2989 R + 0.587 G + 0.114 B, rounded down, as the front camera's filter has it; the
integer luma of Pillow's `L`, as the stereo cameras have it (SIMULATOR.md 4.2)."""

# lower, right, upper, left: each seen in one of two real frames
_WALL_SHADES = np.array([0.09, 1.0, 0.84, 0.57])
_FACE_SHADES = np.array([0.82, 1.0, 0.94, 0.72, 1.15])


def world_colors(world: str) -> NDArray[np.float64]:
    """(PARTS, 3) RGB of the plain world of a track, by its name."""
    return LATER_COLORS if is_of_2022(world) or world.startswith("reInvent2019") else PLAIN_COLORS


def plain_tones(mode: int, colors: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(C, TONES) of a plain world."""
    table = np.empty((3 if mode == RGB else 1, TONE_COUNT), dtype=np.uint8)
    fill_tones(colors, mode, np.empty((3, TONE_COUNT)), table)
    return table


@njit(cache=True, error_model="numpy", nogil=True)
def fill_tones(colors, mode, scratch, table):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill `table` (C, TONES) for `colors` (PARTS, 3)."""
    for q in range(3):
        for i in range(256):
            scratch[q, i] = (
                MIXTURES[i, 0] * colors[0, q]
                + MIXTURES[i, 1] * colors[1, q]
                + MIXTURES[i, 2] * colors[2, q]
                + MIXTURES[i, 3] * colors[3, q]
            )
        scratch[q, COLUMN_SKY] = colors[SKY, q]
        for w in range(4):
            scratch[q, COLUMN_WALLS + w] = colors[WALL, q] * _WALL_SHADES[w]
        for kind in range(2):
            for face in range(FACE_COUNT):
                scratch[q, COLUMN_OBSTACLES + FACE_COUNT * kind + face] = (
                    colors[BOX + kind, q] * _FACE_SHADES[face]
                )
        for i in range(TONE_COUNT):
            scratch[q, i] = np.floor(min(max(scratch[q, i], 0.0), 255.0) + 0.5)
    for i in range(TONE_COUNT):
        r, g, b = scratch[0, i], scratch[1, i], scratch[2, i]
        if mode == RGB:
            table[0, i], table[1, i], table[2, i] = np.uint8(r), np.uint8(g), np.uint8(b)
        elif mode == GRAY:
            table[0, i] = np.uint8(0.2989 * r + 0.5870 * g + 0.1140 * b)
        else:
            table[0, i] = np.uint8((int(r) * 19595 + int(g) * 38470 + int(b) * 7471 + 0x8000) >> 16)
