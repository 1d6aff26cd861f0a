"""Speeds along a given line: of the fastest drive within a car's GGV envelope, by passes forward and
backward, and of a drive with constant limits.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.raceline.corridor import neighbors
from racer.raceline.ggv import GGV

Array = NDArray[np.float64]

# of passes forward and backward, at most: a circle needs many, a road with straights two or three
MAX_SWEEPS = 40


def fastest_speeds(
    kappa: Array, gap: Array, limits: GGV, is_loop: bool, start: float = 0.0
) -> Array:
    """(M,) m/s at M points of a line, of the fastest drive along it.

    `kappa` (M,) is its curvature at the points, 1/m, `gap` (M,) the distance from each to the next, m.
    On a loop the lap is a flying one, which begins as fast as it ends; otherwise the drive begins
    at `start` m/s.
    """
    speed = limits.corner_speed(kappa)
    if is_loop:
        first = int(np.argmin(speed))
    else:
        first = 0
        speed[0] = min(speed[0], start)
    sweep_speeds(
        speed, np.abs(kappa), gap, limits.table, limits.slowest, limits.fastest, first, is_loop
    )
    return speed


def passing_times(speed: Array, gap: Array, is_loop: bool) -> tuple[Array, float]:
    """(M,) s at which each point is reached, and s of the whole line, at speeds that change evenly
    in between.
    """
    after = np.roll(speed, -1) if is_loop else np.append(speed[1:], speed[-1])
    durations = 2.0 * gap / np.maximum(speed + after, 1e-6)
    if not is_loop:
        durations[-1] = 0.0
    return np.concatenate([[0.0], np.cumsum(durations[:-1])]), float(durations.sum())


def cornering_speeds(
    line: Array, is_loop: bool, top: float | Array, lateral: float, brake: float
) -> Array:
    """(M,) m/s along a line (M, 2): at most `top` (of each point, or of all), cornering at `lateral`
    and slowing down by `brake`, both m/s2.
    """
    gap = np.hypot(*(neighbors(line, 1, is_loop) - line).T)
    bend = np.abs(geometry.line_curvature(line, is_loop))
    smooth = np.mean([neighbors(bend, steps, is_loop) for steps in (-2, -1, 0, 1, 2)], axis=0)
    speed = np.minimum(top, np.sqrt(lateral / np.maximum(smooth, 1e-9)))
    _slow_down(speed, gap, brake, is_loop)
    return np.asarray(speed)


@njit(cache=True, error_model="numpy")
def _slow_down(speed, gap, brake, is_loop):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Lower each speed to what braking from there allows."""
    n = len(speed)
    for k in range(2 * n - 1 if is_loop else n - 1, 0, -1):
        next_speed = speed[k % n]
        i = (k - 1) % n
        speed[i] = min(speed[i], np.sqrt(next_speed * next_speed + 2.0 * brake * gap[i]))


@njit(cache=True, error_model="numpy")
def sweep_speeds(speed, kappa, gap, table, slowest, fastest, first, is_loop):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Lower each speed to what can be reached from the point before, then to what can be slowed
    down from.
    """
    n = len(speed)
    rounds = n if is_loop else n - 1
    for _ in range(MAX_SWEEPS):
        lowered = 0.0
        for m in range(rounds):
            i = (first + m) % n
            j = (i + 1) % n
            least = _after(speed[i], kappa[i], kappa[j], gap[i], table, slowest, fastest, 1.0)
            lowered = max(lowered, speed[j] - least)
            speed[j] = min(speed[j], least)
        for m in range(rounds):
            j = (first - m) % n if is_loop else n - 1 - m
            i = (j - 1) % n
            least = _after(speed[j], kappa[j], kappa[i], gap[i], table, slowest, fastest, -1.0)
            lowered = max(lowered, speed[i] - least)
            speed[i] = min(speed[i], least)
        if lowered < 1e-4:
            break


@njit(cache=True, error_model="numpy")
def _after(v, bend, next_bend, gap, table, slowest, fastest, sign):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Speed after `gap` m of the hardest acceleration (`sign` 1), or before them of the hardest
    braking (-1).
    """
    gain = sign * _hardest(v, v * v * bend, table, slowest, fastest, sign)
    floor = min(v * v, slowest * slowest)
    square = max(v * v + 2.0 * gap * gain, floor)
    later = sign * _hardest(np.sqrt(square), square * next_bend, table, slowest, fastest, sign)
    return np.sqrt(max(v * v + gap * (gain + later), floor))


@njit(cache=True, error_model="numpy")
def _hardest(v, across, table, slowest, fastest, sign):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The greatest acceleration along the path (`sign` 1), or the least (-1), while cornering at
    `across` m/s2.
    """
    last = table.shape[1] - 3
    position = min(max((v - slowest) / (fastest - slowest), 0.0), 1.0) * last
    k = min(int(position), last - 1)
    fraction = position - k
    best = 1e9
    for row in table:
        if sign * row[1] > 1e-9:
            limit = row[2 + k] + fraction * (row[3 + k] - row[2 + k])
            best = min(best, (limit - row[0] * across) / abs(row[1]))
    return sign * best
