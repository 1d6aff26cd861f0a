"""What stands around a road besides objects, and pictures as compiled code writes them."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.track import Track

Array = NDArray[np.float64]
Rectangle = tuple[float, float, float, float]

WALL_HEIGHT_M = 1.0  # height of the walls (docs/simulator.md 5.2)
FIELD_MARGIN_M = 0.91  # m of field beside the borders, as in the simulator's first worlds
WIDE_FIELD: Rectangle = (-12.5, -12.5, 12.5, 12.5)  # m, the field of worlds of 2022 and later
MEASURED_FIELDS: dict[str, Rectangle] = {
    "reinvent_base": (-0.587, -0.613, 8.575, 5.795),
    "reinvent_carpet": (-0.587, -0.613, 8.575, 5.795),
    "reinvent_concrete": (-0.587, -0.613, 8.575, 5.795),
    "reinvent_wood": (-0.587, -0.613, 8.575, 5.795),
    "reInvent2019_track": (-0.995, -1.116, 9.643, 7.449),
}
"""Fields measured in the simulator's meshes, m."""

Bytes = NDArray[np.uint8]

U64 = np.uint64

NOISE_COUNT = 1 << 16  # numbers of noise that are kept; a picture begins anywhere among them
NOISE_UNIT = 32  # that a standard deviation is, among them
NOISE_SEED = 20181129


def field_rectangle(track: Track) -> Rectangle:
    """The rectangle of field around a road: xmin, ymin, xmax, ymax, m.

    As measured where it was, 25 x 25 m around the origin for worlds of 2022 and later whose road
    fits into that, and else `MARGIN` beyond the borders.
    """
    if track.name in MEASURED_FIELDS:
        return MEASURED_FIELDS[track.name]
    borders = np.concatenate([track.inner, track.outer])
    (left, low), (right, high) = borders.min(axis=0).tolist(), borders.max(axis=0).tolist()
    if is_of_2022(track.name) and max(-left, -low, right, high) < WIDE_FIELD[2]:
        return WIDE_FIELD
    return (
        left - FIELD_MARGIN_M,
        low - FIELD_MARGIN_M,
        right + FIELD_MARGIN_M,
        high + FIELD_MARGIN_M,
    )


def wall_segments(track: Track) -> Array:
    """(4, 4) the walls around the field, counterclockwise from the lower left corner: x0, y0, x1,
    y1, m.
    """
    left, low, right, high = field_rectangle(track)
    corners = np.array([[left, low], [right, low], [right, high], [left, high]])
    return np.column_stack([corners, np.roll(corners, -1, axis=0)])


def is_of_2022(world: str) -> bool:
    """Whether a world is one of 2022 and later, by its name: a start line is painted on the road
    there, for one.
    """
    return world.startswith(("2022_", "2024_"))


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
