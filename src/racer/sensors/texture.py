"""The grain of the ground: short strokes in all directions, from a fixed seed, repeated every 1.28 m."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SIZE = 512  # squares
SQUARE = 0.0025  # m
STROKE = (0.009, 0.0014)  # m, length and width (as deviations of a normal profile)
DIRECTIONS = 8
SEED = 20181128


@cache
def grain() -> NDArray[np.uint8]:
    """(SIZE, SIZE) shades of a piece of ground, which continues at its opposite edge; 128 is the middle one.

    A third of the range up or down is one standard deviation.
    """
    generator = np.random.default_rng(SEED)
    frequency = 2.0 * np.pi * np.fft.fftfreq(SIZE, SQUARE)
    fx, fy = np.meshgrid(frequency, frequency)
    total = np.zeros((SIZE, SIZE))
    for angle in np.pi * np.arange(DIRECTIONS) / DIRECTIONS:
        along, across = fx * np.cos(angle) + fy * np.sin(angle), fy * np.cos(angle) - fx * np.sin(angle)
        stroke = np.exp(-0.5 * ((along * STROKE[0]) ** 2 + (across * STROKE[1]) ** 2))
        layer = np.fft.ifft2(np.fft.fft2(generator.standard_normal((SIZE, SIZE)) ** 3) * stroke).real
        total += layer / layer.std()
    total = (total - total.mean()) / total.std()
    return np.asarray(np.clip(128.0 + 127.0 * total / 3.0, 0.0, 255.0)).astype(np.uint8)
