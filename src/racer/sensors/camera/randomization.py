"""Visual domain randomization: how the world looks to each car's camera in an episode, by named
settings.

`simulator` is what the real simulator does when ENABLE_DOMAIN_RANDOMIZATION is on: two lamps of
random color and reach, boxes and bot cars of random colors (docs/simulator.md 5.5). `strong` is for
policies that leave it: exposure, tint, the color of every part, noise, blur, and where the camera
sits. Latency and grip vary by `racer.sim.noise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.errors import UsageError, did_you_mean
from racer.sensors.camera.colors import BOT, BOX, PART_NAMES, PLAIN_COLORS, SKY

Array = NDArray[np.float64]

APPEARANCE = np.dtype(
    [
        # RGB of every part over that of the plain world
        ("gain", np.float64, (len(PART_NAMES), 3)),
        ("left", np.float64),  # m that the lens is off to the left
        ("up", np.float64),  # m
        ("pitch", np.float64),  # rad that it looks lower
        ("yaw", np.float64),  # rad that it looks to the left
        ("noise", np.float64),  # standard deviation of a pixel, of 255
        ("blur", np.float64),  # fraction of a pixel that its neighbors take, 0 to 1
        ("seed", np.uint32),  # of the noise
    ],
    align=True,
)

# light that the floor of reinvent_base gets
AMBIENT_LIGHT = 0.5
SUN_LIGHT = 0.87
POINT_LIGHT = 0.225
POINT_HEIGHT_M = 15.0
SUN_COLOR = np.array([1.0, 1.0, 0.8])
POINT_ATTENUATION = (0.4, 0.01, 0.0)  # constant, linear, quadratic


@dataclass(frozen=True)
class VisualRandomization:
    """What varies: half widths about the plain world, drawn evenly at every beginning of an
    episode.
    """

    name: str
    lamps: bool = False  # as the simulator's
    obstacle_colors: bool = False  # boxes and bot cars of any color
    exposure: float = 0.0  # fraction
    tint: float = 0.0  # fraction, of each of red, green and blue
    part_colors: float = 0.0  # fraction, of each part's own red, green and blue
    noise: float = 0.0  # greatest standard deviation, of 255
    blur: float = 0.0  # greatest fraction
    left: float = 0.0  # m
    up: float = 0.0  # m
    pitch_deg: float = 0.0
    yaw_deg: float = 0.0


_NONE = VisualRandomization("none")
_SIMULATOR = VisualRandomization("simulator", lamps=True, obstacle_colors=True)
_STRONG = VisualRandomization(
    "strong",
    obstacle_colors=True,
    exposure=0.35,
    tint=0.12,
    part_colors=0.25,
    noise=8.0,
    blur=0.7,
    left=0.005,
    up=0.006,
    pitch_deg=1.5,
    yaw_deg=1.5,
)
VISUAL_RANDOMIZATIONS = {setting.name: setting for setting in (_NONE, _SIMULATOR, _STRONG)}


def find_randomization(name: str) -> VisualRandomization:
    """The visual randomization of that name. Raises UsageError."""
    if name not in VISUAL_RANDOMIZATIONS:
        near = did_you_mean(name, list(VISUAL_RANDOMIZATIONS))
        raise UsageError(f"unknown visual randomization {name!r}{near}")
    return VISUAL_RANDOMIZATIONS[name]


def draw_appearances(
    randomization: VisualRandomization, generators: Sequence[np.random.Generator]
) -> NDArray[np.void]:
    """(N,) rows of APPEARANCE, one drawn from each car's own generator."""
    table = np.zeros(len(generators), APPEARANCE)
    for row, generator in zip(table, generators, strict=True):
        _draw(row, randomization, generator)
    return table


@dataclass(frozen=True)
class _RandomNumbers:
    """Random numbers of one appearance: the same ones are drawn whatever the randomization, so that
    randomizations compare.
    """

    sun: Array  # (3,) 0 to 1, as all lights and colors
    point: Array
    attenuation: Array
    obstacles: Array  # (2, 3)
    exposure: float  # -1 to 1, as all that follow but noise and blur
    tint: Array  # (3,)
    parts: Array  # (PARTS, 3)
    noise: float  # 0 to 1
    blur: float
    shift: Array  # (4,) left, up, pitch, yaw
    seed: int


def _draw_numbers(generator: np.random.Generator) -> _RandomNumbers:
    return _RandomNumbers(
        sun=generator.random(3),
        point=generator.random(3),
        attenuation=generator.random(3),
        obstacles=generator.random((2, 3)),
        exposure=generator.uniform(-1, 1),
        tint=generator.uniform(-1, 1, 3),
        parts=generator.uniform(-1, 1, PLAIN_COLORS.shape),
        noise=generator.random(),
        blur=generator.random(),
        shift=generator.uniform(-1.0, 1.0, 4),
        seed=int(generator.integers(1 << 32)),
    )


def _draw(row: np.void, randomization: VisualRandomization, generator: np.random.Generator) -> None:
    """Fill one row of APPEARANCE."""
    numbers = _draw_numbers(generator)
    row["gain"] = _gains(randomization, numbers)
    row["noise"] = randomization.noise * numbers.noise
    row["blur"] = randomization.blur * numbers.blur
    row["left"] = randomization.left * numbers.shift[0]
    row["up"] = randomization.up * numbers.shift[1]
    row["pitch"] = np.radians(randomization.pitch_deg * numbers.shift[2])
    row["yaw"] = np.radians(randomization.yaw_deg * numbers.shift[3])
    row["seed"] = numbers.seed


def _gains(randomization: VisualRandomization, numbers: _RandomNumbers) -> Array:
    """(PARTS, 3) RGB of every part over that of the plain world."""
    gain = np.ones(PLAIN_COLORS.shape)
    if randomization.obstacle_colors:
        gain[[BOX, BOT]] = 255.0 * numbers.obstacles / PLAIN_COLORS[[BOX, BOT]]
    exposure = 1.0 + randomization.exposure * numbers.exposure
    light = exposure * (1.0 + randomization.tint * numbers.tint)
    if randomization.lamps:
        plain = _floor_light(SUN_COLOR, np.ones(3), np.array(POINT_ATTENUATION))
        light = light * _floor_light(numbers.sun, numbers.point, numbers.attenuation) / plain
    gain[:SKY] *= light
    gain[SKY + 1 :] *= light
    gain[SKY] *= exposure
    return np.asarray(gain * (1.0 + randomization.part_colors * numbers.parts))


def _floor_light(sun: Array, point: Array, attenuation: Array) -> Array:
    """(3,) light on the floor, red, green and blue; 1 is white."""
    constant, linear, quadratic = attenuation
    dimmed = constant + linear * POINT_HEIGHT_M + quadratic * POINT_HEIGHT_M**2
    return np.asarray(AMBIENT_LIGHT + SUN_LIGHT * sun + POINT_LIGHT * point / max(dimmed, 1e-3))
