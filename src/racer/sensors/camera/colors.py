"""What a square of ground is made of, as one byte: mixtures of materials, and shades of the pure
ones.

A byte is a row of `MIXTURES`; with the colors of materials it becomes a color (`tones`). Where one
material is alone the byte tells its shade too, which is how the ground gets its texture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Fractions = NDArray[np.float32]
Bytes = NDArray[np.uint8]

ROAD, BORDER, CENTER, FIELD = range(4)
MATERIAL_COUNT = 4
SHADE_COUNTS = (25, 11, 1, 9)
"""How many shades there are of each material alone: odd numbers, so that the middle one is its color."""
TEXTURE_STRENGTHS = (0.42, 0.22, 0.0, 0.07)
"""How much lighter or darker the last and the first shade are, as a share: in real frames 0.13, 0.06 and 0.015 RMS."""
MIXTURE_STEPS = 15  # of a share, in the table that finds the mixture


def _pure() -> tuple[list[Fractions], list[int]]:
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


def _blends() -> list[Fractions]:
    """Rows of what meets: pairs that share a line in fine steps, and what three or four make in
    coarse ones.
    """
    rows: list[Fractions] = []
    for one, other, count in (
        (ROAD, BORDER, 36),
        (BORDER, FIELD, 36),
        (ROAD, CENTER, 36),
        (ROAD, FIELD, 12),
    ):
        for k in range(1, count):
            row = np.zeros(MATERIAL_COUNT, dtype=np.float32)
            row[one], row[other] = 1.0 - k / count, k / count
            rows.append(row)
    for border in range(1, 12):
        for field in range(1, 12 - border):
            rows.append(
                np.array([12 - border - field, border, 0, field], dtype=np.float32) / np.float32(12)
            )
    for k in range(1, 6):
        rows.append(np.array([0.75 - k / 8, 0.25, k / 8, 0.0], dtype=np.float32))
    return rows


_PURE, FIRST_SHADES = _pure()
_ROWS = _PURE + _blends()
MIXTURES: Fractions = np.array(_ROWS + [_ROWS[0]] * (256 - len(_ROWS)))
"""(256, MATERIALS) how much of each material's color a byte stands for."""

PLAIN_FIELD = FIRST_SHADES[FIELD] + SHADE_COUNTS[FIELD] // 2
"""The byte of field where there is no map of it."""


def nearest_mixtures() -> Bytes:
    """(STEPS + 1, STEPS + 1, STEPS + 1) the byte for shares of border, center line and field in
    `STEPS`ths.
    """
    share = np.arange(MIXTURE_STEPS + 1, dtype=np.float32) / MIXTURE_STEPS
    border, center, field = np.meshgrid(share, share, share, indexing="ij")
    grid = np.stack([1.0 - border - center - field, border, center, field], axis=-1)
    plain = MIXTURES.copy()
    plain[: len(_PURE)] = 9.0  # never found: shades are for what is pure
    for material, first in enumerate(FIRST_SHADES):
        plain[first + SHADE_COUNTS[material] // 2] = np.eye(MATERIAL_COUNT, dtype=np.float32)[
            material
        ]
    away = np.sum(plain**2, axis=-1) - 2.0 * grid @ plain.T
    return np.asarray(np.argmin(away, axis=-1), dtype=np.uint8)
