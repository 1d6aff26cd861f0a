"""What a lens and a sensor do to a picture: blur and noise."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

U32 = np.uint32
SIZE = 1 << 16  # numbers of noise that are kept; a picture begins anywhere among them
UNIT = 32  # that a standard deviation is, among them
SEED = 20181129


@cache
def grains() -> NDArray[np.int16]:
    """(SIZE,) normal numbers, times `UNIT`."""
    return np.asarray(np.rint(UNIT * np.random.default_rng(SEED).standard_normal(SIZE))).astype(np.int16)


@njit(cache=True, error_model="numpy", nogil=True)
def blur(share, line, out, at, size):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Mix into every pixel a `share` of the mean of its neighbors, along rows and then along columns, in place.

    `line` has room for one row.
    """
    height, width, channels = size
    row = width * channels
    keep, give = 1.0 - share, 0.5 * share
    for r in range(height):
        start = at + r * row
        for i in range(row):
            line[i] = out[start + i]
        for i in range(channels, row - channels):
            out[start + i] = np.uint8(keep * line[i] + give * (line[i - channels] + line[i + channels]) + 0.5)
    for i in range(row):
        line[i] = out[at + i]
    for r in range(1, height - 1):
        start = at + r * row
        for i in range(row):
            here = float(out[start + i])
            out[start + i] = np.uint8(keep * here + give * (line[i] + out[start + row + i]) + 0.5)
            line[i] = here


@njit(cache=True, error_model="numpy", nogil=True)
def noise(deviation, seed, step, grains, out, at, count):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add normal noise to `count` numbers of a picture, in place, the same for the same seed and step."""
    mixed = (np.uint64(seed) * np.uint64(2654435761) + np.uint64(step) * np.uint64(40503)) * np.uint64(
        0x9E3779B97F4A7C15
    )
    first = mixed >> np.uint64(40)
    for i in range(count):
        grain = grains[(first + np.uint64(i)) & np.uint64(SIZE - 1)]
        value = out[at + i] + deviation * grain / UNIT + 0.5
        out[at + i] = np.uint8(min(max(value, 0.0), 255.0))
