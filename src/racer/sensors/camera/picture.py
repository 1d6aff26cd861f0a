"""Pictures as compiled code writes them: where each lies in a flat buffer, how spans of it are
painted, and what a worse camera adds to it, blur and noise.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

U64 = np.uint64

NOISE_COUNT = 1 << 16  # numbers of noise that are kept; a picture begins anywhere among them
NOISE_UNIT = 32  # that a standard deviation is, among them
NOISE_SEED = 20181129


class Picture(NamedTuple):
    """Where one picture lies: row by row, pixel by pixel, channel by channel from `start` on."""

    pixels: Bytes  # flat, of all pictures
    start: int
    height: int  # px
    width: int
    channels: int  # 1 gray, 3 RGB


class Lens(NamedTuple):
    """Where a lens is in the world, and where it looks."""

    x: float  # m
    y: float
    z: float
    cos_yaw: float
    sin_yaw: float
    cos_pitch: float  # of the angle downward
    sin_pitch: float
    focal: float  # px


@njit(cache=True, error_model="numpy", nogil=True)
def paint_span(pixels, start, end, tones, color, channels):  # type: ignore[no-untyped-def]
    """Set the flat `pixels` from `start` to `end` to one color, a column of `tones` (C, T)."""
    if channels == 1:
        tone = tones[0, color]
        for k in range(max(int(end) - int(start), 0)):
            pixels[U64(start) + U64(k)] = tone
    else:
        for k in range(int(start), int(end), channels):
            for channel in range(channels):
                pixels[U64(k + channel)] = tones[channel, color]


@njit(cache=True, error_model="numpy", nogil=True)
def blur_picture(picture, fraction, line):  # type: ignore[no-untyped-def]
    """Mix into every pixel a `fraction` of the mean of its neighbors, in place: along rows, then
    along columns.

    `line` has room for one row.
    """
    for r in range(picture.height):
        _blur_row(picture, r, fraction, line)
    _blur_columns(picture, fraction, line)


@njit(cache=True, error_model="numpy", nogil=True)
def _blur_row(picture, r, fraction, line):  # type: ignore[no-untyped-def]
    pixels = picture.pixels
    channels = picture.channels
    length = picture.width * channels
    start = picture.start + r * length
    keep = 1.0 - fraction
    give = 0.5 * fraction
    for i in range(length):
        line[i] = pixels[start + i]
    for i in range(channels, length - channels):
        neighbors = line[i - channels] + line[i + channels]
        pixels[start + i] = np.uint8(keep * line[i] + give * neighbors + 0.5)


@njit(cache=True, error_model="numpy", nogil=True)
def _blur_columns(picture, fraction, line):  # type: ignore[no-untyped-def]
    """`line` holds the row above as it was."""
    pixels = picture.pixels
    length = picture.width * picture.channels
    keep = 1.0 - fraction
    give = 0.5 * fraction
    for i in range(length):
        line[i] = pixels[picture.start + i]
    for r in range(1, picture.height - 1):
        start = picture.start + r * length
        for i in range(length):
            pixel = float(pixels[start + i])
            neighbors = line[i] + pixels[start + length + i]
            pixels[start + i] = np.uint8(keep * pixel + give * neighbors + 0.5)
            line[i] = pixel


@cache
def noise_grains() -> NDArray[np.int16]:
    """(NOISE_COUNT,) normal numbers, times `NOISE_UNIT`."""
    normal = np.random.default_rng(NOISE_SEED).standard_normal(NOISE_COUNT)
    return np.asarray(np.rint(NOISE_UNIT * normal)).astype(np.int16)


@njit(cache=True, error_model="numpy", nogil=True)
def add_pixel_noise(picture, deviation, seed, step, grains):  # type: ignore[no-untyped-def]
    """Add normal noise in place, the same for the same `seed` and `step`."""
    pixels = picture.pixels
    key = np.uint64(seed) * np.uint64(2654435761) + np.uint64(step) * np.uint64(40503)
    mixed = key * np.uint64(0x9E3779B97F4A7C15)
    first = mixed >> np.uint64(40)
    for i in range(picture.height * picture.width * picture.channels):
        grain = grains[(first + np.uint64(i)) & np.uint64(NOISE_COUNT - 1)]
        value = pixels[picture.start + i] + deviation * grain / NOISE_UNIT + 0.5
        pixels[picture.start + i] = np.uint8(min(max(value, 0.0), 255.0))
