"""Visual domain randomization: how the world looks to each car's camera in an episode, by named
settings.

`simulator` is what the real simulator does when ENABLE_DOMAIN_RANDOMIZATION is on: two lamps of
random color and reach, boxes and bot cars of random colors (SIMULATOR.md 5.5). `strong` is for
policies that leave it: exposure, tint, the color of every part, noise, blur, and where the camera
sits. Latency and grip vary by `racer.sim.noise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.errors import UsageError, did_you_mean
from racer.sensors.camera.tones import BOT, BOX, PART_NAMES, PLAIN_COLORS, SKY

Array = NDArray[np.float64]

APPEARANCE = np.dtype(
    [
        (
            "gain",
            np.float64,
            (len(PART_NAMES), 3),
        ),  # RGB of every part over that of the plain world
        ("aside", np.float64),  # m that the lens is off to the left
        ("up", np.float64),  # m
        ("pitch", np.float64),  # rad that it looks lower
        ("yaw", np.float64),  # rad that it looks to the left
        ("noise", np.float64),  # standard deviation of a pixel, of 255
        ("blur", np.float64),  # share of a pixel that its neighbors take, 0 to 1
        ("seed", np.uint32),  # of the noise
    ],
    align=True,
)

# of reinvent_base: light that a floor gets, and m
AMBIENT_LIGHT, SUN_LIGHT, POINT_LIGHT, POINT_HEIGHT_M = 0.5, 0.87, 0.225, 15.0
SUN_COLOR = np.array([1.0, 1.0, 0.8])
POINT_ATTENUATION = (0.4, 0.01, 0.0)  # attenuation: constant, linear, quadratic


@dataclass(frozen=True)
class VisualRandomization:
    """What varies: half widths about the plain world, drawn evenly at every beginning of an
    episode.
    """

    name: str
    lamps: bool = False  # as the simulator's
    solids: bool = False  # boxes and bot cars of any color
    exposure: float = 0.0  # share
    tint: float = 0.0  # share, of each of red, green and blue
    colors: float = 0.0  # share, of each part's own red, green and blue
    noise: float = 0.0  # most standard deviation, of 255
    blur: float = 0.0  # most share
    aside: float = 0.0  # m
    up: float = 0.0  # m
    pitch_deg: float = 0.0
    yaw_deg: float = 0.0


VISUAL_RANDOMIZATIONS = {
    setting.name: setting
    for setting in (
        VisualRandomization("none"),
        VisualRandomization("simulator", lamps=True, solids=True),
        VisualRandomization(
            "strong", solids=True, exposure=0.35, tint=0.12, colors=0.25, noise=8.0, blur=0.7, aside=0.005, up=0.006,
            pitch_deg=1.5, yaw_deg=1.5,
        ),
    )
}  # fmt: skip


def find_randomization(name: str) -> VisualRandomization:
    """The setting of that name. Raises UsageError."""
    if name not in VISUAL_RANDOMIZATIONS:
        raise UsageError(
            f"unknown visual randomization {name!r}{did_you_mean(name, list(VISUAL_RANDOMIZATIONS))}"
        )
    return VISUAL_RANDOMIZATIONS[name]


def draw_appearances(
    randomization: VisualRandomization, generators: Sequence[np.random.Generator]
) -> NDArray[np.void]:
    """(N,) rows of `LOOK`, one drawn from each car's own generator."""
    table = np.zeros(len(generators), APPEARANCE)
    for row, generator in zip(table, generators, strict=True):
        _draw(row, randomization, generator)
    return table


def _draw(row: np.void, how: VisualRandomization, generator: np.random.Generator) -> None:
    """Fill one row. The same numbers are drawn whatever the setting, so that settings compare."""
    sun, point, reach = generator.random(3), generator.random(3), generator.random(3)
    solids = 255.0 * generator.random((2, 3))
    exposure, tint, parts = (
        generator.uniform(-1, 1),
        generator.uniform(-1, 1, 3),
        generator.uniform(-1, 1, PLAIN_COLORS.shape),
    )
    noise, blur = generator.random(2)
    moved = generator.uniform(-1.0, 1.0, 4)
    gain = np.ones(PLAIN_COLORS.shape)
    if how.solids:
        gain[[BOX, BOT]] = solids / PLAIN_COLORS[[BOX, BOT]]
    light = (1.0 + how.exposure * exposure) * (1.0 + how.tint * tint)
    if how.lamps:
        light = (
            light
            * _lit(sun, point, reach)
            / _lit(SUN_COLOR, np.ones(3), np.array(POINT_ATTENUATION))
        )
    gain[:SKY] *= light
    gain[SKY + 1 :] *= light
    if how.exposure:
        gain[SKY] *= 1.0 + how.exposure * exposure
    row["gain"] = gain * (1.0 + how.colors * parts)
    row["noise"], row["blur"] = how.noise * noise, how.blur * blur
    row["aside"], row["up"] = how.aside * moved[0], how.up * moved[1]
    row["pitch"], row["yaw"] = np.radians([how.pitch_deg * moved[2], how.yaw_deg * moved[3]])
    row["seed"] = generator.integers(1 << 32)


def _lit(sun: Array, point: Array, reach: Array) -> Array:
    """(3,) light on the floor, red, green and blue; 1 is white."""
    dimmed = reach[0] + reach[1] * POINT_HEIGHT_M + reach[2] * POINT_HEIGHT_M**2
    return np.asarray(AMBIENT_LIGHT + SUN_LIGHT * sun + POINT_LIGHT * point / max(dimmed, 1e-3))


U32 = np.uint32
NOISE_COUNT = 1 << 16  # numbers of noise that are kept; a picture begins anywhere among them
NOISE_UNIT = 32  # that a standard deviation is, among them
NOISE_SEED = 20181129


@cache
def noise_grains() -> NDArray[np.int16]:
    """(SIZE,) normal numbers, times `UNIT`."""
    return np.asarray(
        np.rint(NOISE_UNIT * np.random.default_rng(NOISE_SEED).standard_normal(NOISE_COUNT))
    ).astype(np.int16)


@njit(cache=True, error_model="numpy", nogil=True)
def blur_picture(share, line, out, at, size):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Mix into every pixel a `share` of the mean of its neighbors, along rows and then along
    columns, in place.

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
            out[start + i] = np.uint8(
                keep * line[i] + give * (line[i - channels] + line[i + channels]) + 0.5
            )
    for i in range(row):
        line[i] = out[at + i]
    for r in range(1, height - 1):
        start = at + r * row
        for i in range(row):
            here = float(out[start + i])
            out[start + i] = np.uint8(keep * here + give * (line[i] + out[start + row + i]) + 0.5)
            line[i] = here


@njit(cache=True, error_model="numpy", nogil=True)
def add_pixel_noise(deviation, seed, step, grains, out, at, count):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add normal noise to `count` numbers of a picture, in place, the same for the same seed and
    step.
    """
    mixed = (
        np.uint64(seed) * np.uint64(2654435761) + np.uint64(step) * np.uint64(40503)
    ) * np.uint64(0x9E3779B97F4A7C15)
    first = mixed >> np.uint64(40)
    for i in range(count):
        grain = grains[(first + np.uint64(i)) & np.uint64(NOISE_COUNT - 1)]
        value = out[at + i] + deviation * grain / NOISE_UNIT + 0.5
        out[at + i] = np.uint8(min(max(value, 0.0), 255.0))
