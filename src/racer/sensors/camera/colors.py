"""Colors: what a square of ground is made of, as one byte, and the table of tones that gives every
byte, and everything else in a picture, its color.

A byte is a row of `MIXTURES`: a mixture of materials, or, where one material is alone, a shade of
it, which is how the ground gets its texture.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sensors.camera.arena import is_of_2022

Array = NDArray[np.float64]
Fractions = NDArray[np.float32]
Bytes = NDArray[np.uint8]

ROAD, BORDER, CENTER, FIELD, SKY, WALL, BOX, BOT = range(8)
PART_NAMES = ("road", "border", "center line", "field", "sky", "wall", "box", "bot car")
MATERIAL_COUNT = 4  # parts of a picture that are ground: they come first

# ---- bytes of the ground

SHADE_COUNTS = (25, 11, 1, 9)
"""How many shades there are of each material alone: odd numbers, so that the middle one is its
color."""

TEXTURE_STRENGTHS = (0.42, 0.22, 0.0, 0.07)
"""How much lighter or darker the last and the first shade are, as a fraction: in real frames 0.13,
0.06 and 0.015 RMS."""

MIXTURE_STEPS = 15  # of a fraction, in the table that finds the mixture

# materials that meet along a line, and in how many steps they mix
_PAIRS = ((ROAD, BORDER, 36), (BORDER, FIELD, 36), (ROAD, CENTER, 36), (ROAD, FIELD, 12))

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
"""(PARTS, 3) RGB as lit by the lamps of reinvent_base: of the ground, sky and walls in real frames,
of what stands as in docs/simulator.md 5.4."""

_LATER_TEXTURES = np.array([[64, 63, 61], [223, 223, 222], [225, 143, 0], [126, 133, 65]])
_FIRST_TEXTURES = np.array([[36, 48, 64], [194, 194, 190], [194, 116, 1], [95, 136, 104]])

LATER_COLORS = PLAIN_COLORS.copy()
LATER_COLORS[:MATERIAL_COUNT] *= _LATER_TEXTURES
LATER_COLORS[:MATERIAL_COUNT] /= _FIRST_TEXTURES
"""(PARTS, 3) RGB of worlds of re:Invent 2019, and of 2022 and later: no lit frame of their textures
is known, so they are as much brighter than textures of reinvent_base (docs/simulator.md 5.3) as
its lamps make those."""

COLUMN_SKY = 256  # after the bytes of the ground
COLUMN_WALLS = 257
COLUMN_OBSTACLES = 261
FACE_COUNT = 5  # of what stands: left, back, right, front, top
TONE_COUNT = COLUMN_OBSTACLES + 2 * FACE_COUNT

RGB, GRAY, LUMA = range(3)
"""What the numbers of a picture are: colors; as 0.2989 R + 0.587 G + 0.114 B, rounded down, as the front
camera's filter has it; as the integer luma of Pillow's `L`, as the stereo cameras have it
(docs/simulator.md 4.2)."""

# lower, right, upper, left: each seen in one of two real frames
_WALL_SHADES = np.array([0.09, 1.0, 0.84, 0.57])
_FACE_SHADES = np.array([0.82, 1.0, 0.94, 0.72, 1.15])


def _shade_rows() -> tuple[list[Fractions], list[int]]:
    """Rows of the pure materials by shade, and the number of the first shade of each."""
    rows: list[Fractions] = []
    first: list[int] = []
    for material, (count, strength) in enumerate(zip(SHADE_COUNTS, TEXTURE_STRENGTHS, strict=True)):
        first.append(len(rows))
        for k in range(count):
            row = np.zeros(MATERIAL_COUNT, dtype=np.float32)
            row[material] = 1.0 + strength * (2.0 * (k + 0.5) / count - 1.0)
            rows.append(row)
    return rows, first


def _pair_rows() -> list[Fractions]:
    """Rows of two materials that share a line, in fine steps."""
    rows: list[Fractions] = []
    for material, other, count in _PAIRS:
        for k in range(1, count):
            row = np.zeros(MATERIAL_COUNT, dtype=np.float32)
            row[material] = 1.0 - k / count
            row[other] = k / count
            rows.append(row)
    return rows


def _corner_rows() -> list[Fractions]:
    """Rows of three or four materials that meet, in coarse steps."""
    rows: list[Fractions] = []
    for border in range(1, 12):
        for field in range(1, 12 - border):
            parts = np.array([12 - border - field, border, 0, field], dtype=np.float32)
            rows.append(parts / np.float32(12))
    for k in range(1, 6):
        rows.append(np.array([0.75 - k / 8, 0.25, k / 8, 0.0], dtype=np.float32))
    return rows


_SHADE_ROWS, FIRST_SHADES = _shade_rows()
_ROWS = _SHADE_ROWS + _pair_rows() + _corner_rows()
MIXTURES: Fractions = np.array(_ROWS + [_ROWS[0]] * (256 - len(_ROWS)))
"""(256, MATERIAL_COUNT) how much of each material's color a byte stands for."""

PLAIN_FIELD = FIRST_SHADES[FIELD] + SHADE_COUNTS[FIELD] // 2
"""The byte of field where there is no map of it."""


def nearest_mixtures() -> Bytes:
    """(MIXTURE_STEPS + 1,) * 3 the byte for fractions of border, center line and field in
    `MIXTURE_STEPS`ths.
    """
    steps = np.arange(MIXTURE_STEPS + 1, dtype=np.float32) / MIXTURE_STEPS
    border, center, field = np.meshgrid(steps, steps, steps, indexing="ij")
    grid = np.stack([1.0 - border - center - field, border, center, field], axis=-1)
    plain = MIXTURES.copy()
    plain[: len(_SHADE_ROWS)] = 9.0  # never the nearest: shades are for what is pure
    for material, first in enumerate(FIRST_SHADES):
        middle = first + SHADE_COUNTS[material] // 2
        plain[middle] = np.eye(MATERIAL_COUNT, dtype=np.float32)[material]
    away = np.sum(plain**2, axis=-1) - 2.0 * grid @ plain.T
    return np.asarray(np.argmin(away, axis=-1), dtype=np.uint8)


# ---- colors of a world


def world_colors(world: str) -> Array:
    """(PARTS, 3) RGB of the plain world of a track, by its name."""
    if is_of_2022(world) or world.startswith("reInvent2019"):
        return LATER_COLORS
    return PLAIN_COLORS


# ---- tones: the colors of a picture, by column


def plain_tones(mode: int, colors: Array) -> Bytes:
    """(C, TONE_COUNT) the table of a plain world; C is 3 for RGB and 1 for the gray modes."""
    channels = 3 if mode == RGB else 1
    table = np.empty((channels, TONE_COUNT), dtype=np.uint8)
    fill_tones(colors, mode, np.empty((3, TONE_COUNT)), table)
    return table


@njit(cache=True, error_model="numpy", nogil=True)
def fill_tones(colors, mode, scratch, table):  # type: ignore[no-untyped-def]
    """Fill `table` (C, TONE_COUNT) for `colors` (PARTS, 3); `scratch` is (3, TONE_COUNT)."""
    for channel in range(3):
        _mix_channel(colors, channel, scratch[channel])
    for i in range(TONE_COUNT):
        red, green, blue = scratch[0, i], scratch[1, i], scratch[2, i]
        if mode == RGB:
            table[0, i] = np.uint8(red)
            table[1, i] = np.uint8(green)
            table[2, i] = np.uint8(blue)
        elif mode == GRAY:
            table[0, i] = np.uint8(0.2989 * red + 0.5870 * green + 0.1140 * blue)
        else:
            luma = int(red) * 19595 + int(green) * 38470 + int(blue) * 7471 + 0x8000
            table[0, i] = np.uint8(luma >> 16)


@njit(cache=True, error_model="numpy", nogil=True)
def _mix_channel(colors, channel, mixed):  # type: ignore[no-untyped-def]
    """Fill `mixed` (TONE_COUNT,) with one of red, green and blue, in whole numbers up to 255."""
    for i in range(256):
        mixed[i] = (
            MIXTURES[i, 0] * colors[0, channel]
            + MIXTURES[i, 1] * colors[1, channel]
            + MIXTURES[i, 2] * colors[2, channel]
            + MIXTURES[i, 3] * colors[3, channel]
        )
    mixed[COLUMN_SKY] = colors[SKY, channel]
    for wall in range(4):
        mixed[COLUMN_WALLS + wall] = colors[WALL, channel] * _WALL_SHADES[wall]
    for kind in range(2):
        column = COLUMN_OBSTACLES + FACE_COUNT * kind
        for face in range(FACE_COUNT):
            mixed[column + face] = colors[BOX + kind, channel] * _FACE_SHADES[face]
    for i in range(TONE_COUNT):
        mixed[i] = np.floor(min(max(mixed[i], 0.0), 255.0) + 0.5)
