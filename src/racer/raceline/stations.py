"""The road as stations with room to both sides, lines through it, and how fast a car may follow
them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer import geometry
from racer.track.track import Track

Array = NDArray[np.float64]

STATION_SPACING = 0.15  # m between stations
RELAXATION_SWEEPS, RELAXATION_FACTOR = (
    2500,
    1.9,
)  # of the relaxation; more change the lap time by 0.1 % on most tracks


@dataclass(frozen=True, eq=False)
class Stations:
    """M places on a center line, equally spaced in driving order; on a loop the first one is not
    repeated.
    """

    xy: Array  # (M, 2) m
    normal: Array  # (M, 2) unit vectors to the left
    left: Array  # (M,) m of road to the left
    right: Array
    is_loop: bool
    spacing: float  # m

    def offset(self, aside: Array | float) -> Array:
        """(M, 2) the line that runs `aside` m to the left of the center line."""
        return np.asarray(self.xy + np.broadcast_to(aside, len(self.xy))[:, None] * self.normal)


def place_stations(track: Track) -> Stations:
    """The stations of a track as it is driven."""
    count = max(8, round(track.length / STATION_SPACING))
    s = np.linspace(0.0, track.length, count + 1)[: count if track.is_loop else None]
    xy = geometry.point_at(track.center, s)
    ahead, behind = (_shifted(xy, k, track.is_loop) for k in (1, -1))
    along = ahead - behind
    along /= np.maximum(np.hypot(*along.T), 1e-12)[:, None]
    room = [
        np.hypot(*(geometry.nearest_point(line, xy) - xy).T) for line in (track.inner, track.outer)
    ]
    left, right = room if track.is_ccw else room[::-1]
    return Stations(
        xy,
        np.column_stack([-along[:, 1], along[:, 0]]),
        left,
        right,
        track.is_loop,
        track.length / count,
    )


def relaxed_offsets(road: Stations, margin: float) -> Array:
    """(M,) m to the left of the center line at which a line bends least that stays `margin` m
    within the borders.

    The squared second differences of the line are minimized by successive overrelaxation, each
    station kept in its box; a negative margin is a line beyond the border.
    """
    low, high = np.minimum(margin - road.right, 0.0), np.maximum(road.left - margin, 0.0)
    line = np.concatenate(
        [_shifted(road.xy, -2, road.is_loop)[:2], road.xy, _shifted(road.xy, 2, road.is_loop)[-2:]]
    )
    aside = np.zeros(len(low))
    _relax(
        aside,
        line,
        road.xy,
        road.normal,
        low,
        high,
        road.is_loop,
        RELAXATION_SWEEPS,
        RELAXATION_FACTOR,
    )
    return aside


def cornering_speeds(line: Array, is_loop: bool, top: float, lateral: float, brake: float) -> Array:
    """(M,) m/s along a line (M, 2): at most `top`, cornering at `lateral` and slowing down by
    `brake`, both m/s2.
    """
    gap = np.hypot(*(_shifted(line, 1, is_loop) - line).T)
    bend = np.abs(_curvature(line, is_loop))
    fast = np.minimum(top, np.sqrt(lateral / np.maximum(_smooth(bend, is_loop), 1e-9)))
    _slow_down(fast, gap, brake, is_loop)
    return np.asarray(fast)


@njit(cache=True, error_model="numpy")
def _relax(aside, line, xy, normal, low, high, is_loop, sweeps, relax):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Move the points of `line`, which has two more at either end, along their normals until they
    bend least.
    """
    n = len(aside)
    for _ in range(sweeps):
        for i in range(n):
            pull = 0.0
            for k in range(2):
                around = (
                    line[i, k]
                    + line[i + 4, k]
                    - 4.0 * (line[i + 1, k] + line[i + 3, k])
                    + 6.0 * line[i + 2, k]
                )
                pull += normal[i, k] * around
            aside[i] = min(max(aside[i] - relax * pull / 6.0, low[i]), high[i])
            for k in range(2):
                line[i + 2, k] = xy[i, k] + aside[i] * normal[i, k]
                if is_loop and i < 2:
                    line[n + 2 + i, k] = line[i + 2, k]
                elif is_loop and i >= n - 2:
                    line[i - n + 2, k] = line[i + 2, k]


@njit(cache=True, error_model="numpy")
def _slow_down(fast, gap, brake, is_loop):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Lower each speed to what braking from there allows."""
    n = len(fast)
    for k in range(2 * n - 1 if is_loop else n - 1, 0, -1):
        ahead = fast[k % n]
        here = (k - 1) % n
        fast[here] = min(fast[here], np.sqrt(ahead * ahead + 2.0 * brake * gap[here]))


def _curvature(line: Array, is_loop: bool) -> Array:
    """(M,) 1/m of the circle through each point and its neighbors, positive to the left."""
    before, after = line - _shifted(line, -1, is_loop), _shifted(line, 1, is_loop) - line
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    size = np.hypot(*after.T) * np.hypot(*before.T) * np.hypot(*(before + after).T)
    return np.asarray(2.0 * cross / np.maximum(size, 1e-9))


def _shifted(line: Array, by: int, is_loop: bool) -> Array:
    """`line` with every point replaced by the one `by` places on; at the ends of an open line the
    point itself.
    """
    if is_loop:
        return np.roll(line, -by, axis=0)
    return line[np.clip(np.arange(len(line)) + by, 0, len(line) - 1)]


def _smooth(values: Array, is_loop: bool) -> Array:
    """Each value as the mean of itself and its four neighbors."""
    around = [_shifted(values[:, None], k, is_loop)[:, 0] for k in (-2, -1, 0, 1, 2)]
    return np.asarray(np.mean(around, axis=0))
