"""Descent on the lap time: from the line that bends least to one that is driven faster. It needs no CasADi.

The lap time is that of the fastest drive along the line (`racer.raceline.profile`), its slope is told by differences,
and a step weighs it against the change of curvature (`racer.raceline.baselines.better`).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.raceline.baselines import Splines, better
from racer.raceline.envelope import Envelope
from racer.raceline.profile import sweep

Array = NDArray[np.float64]

NUDGE = 1e-4  # m, of a coefficient, that the slope is told by
PRICE = 0.1  # s per squared change of curvature (1/m2): of a change at first
STEPS = 30  # of the descent, at most


def solve(lines: Splines, limits: Envelope, first: Array) -> Array:
    """(C,) coefficients of a line that is faster than the one of the `first` (C,)."""
    road = lines.road
    made = (
        lines.weight,
        road.xy,
        road.normal,
        road.is_loop,
        limits.corners,
        limits.table,
        limits.slowest,
        limits.fastest,
    )

    def time(coefficients: Array) -> tuple[float, Array, Array]:
        slope = np.empty(len(coefficients))
        value = _slope(coefficients, slope, NUDGE, *made)
        bend = lines.bends(coefficients)[1]
        return value, slope, road.spacing * bend.T @ bend

    return better(time, np.clip(first, lines.low, lines.high), lines, PRICE, STEPS)


@njit(cache=True, error_model="numpy")
def _slope(coefficients, slope, nudge, splines, xy, normal, is_loop, corner, table, slowest, fastest):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Lap time, s, of a line by its coefficients; fills in the `slope` (C,) of it."""
    n = len(xy)
    aside = splines @ coefficients
    line, work = np.empty((n, 2)), np.empty((3, n))
    time = _time(aside, xy, normal, is_loop, corner, table, slowest, fastest, line, work)
    moved = np.empty(n)
    for k in range(len(coefficients)):
        for i in range(n):
            moved[i] = aside[i] + nudge * splines[i, k]
        slope[k] = (_time(moved, xy, normal, is_loop, corner, table, slowest, fastest, line, work) - time) / nudge
    return time


@njit(cache=True, error_model="numpy")
def _time(aside, xy, normal, is_loop, corner, table, slowest, fastest, line, work):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Lap time, s, of the line `aside` m to the left of the stations; `line` (M, 2) and `work` (3, M) are scratch."""
    n = len(aside)
    kappa, gap, speed = work
    for i in range(n):
        line[i, 0] = xy[i, 0] + aside[i] * normal[i, 0]
        line[i, 1] = xy[i, 1] + aside[i] * normal[i, 1]
    first, least = 0, np.inf
    for i in range(n):
        h, j = (i - 1) % n, (i + 1) % n
        ax, ay, bx, by = (
            line[i, 0] - line[h, 0],
            line[i, 1] - line[h, 1],
            line[j, 0] - line[i, 0],
            line[j, 1] - line[i, 1],
        )
        gap[i] = np.sqrt(bx * bx + by * by)
        size = np.sqrt((ax * ax + ay * ay) * ((ax + bx) ** 2 + (ay + by) ** 2)) * gap[i]
        kappa[i] = 2.0 * abs(ax * by - ay * bx) / max(size, 1e-9)
        if not is_loop and (i == 0 or i == n - 1):
            kappa[i] = 0.0
        speed[i] = np.interp(kappa[i], corner[0], corner[1])
        if speed[i] < least:
            first, least = i, speed[i]
    if not is_loop:
        speed[0], first = 0.0, 0
    sweep(speed, kappa, gap, table, slowest, fastest, first, is_loop)
    time = 0.0
    for i in range(n if is_loop else n - 1):
        time += 2.0 * gap[i] / (speed[i] + speed[(i + 1) % n])
    return time
