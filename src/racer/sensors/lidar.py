"""LIDAR: 64 distances around the car, and the encodings that DeepRacer's networks are given.

The sensor sits above the rear half of the car and looks backward: its first ray points 30 degrees
to the left of straight ahead, the others follow counterclockwise around the rear of the car, and
the last one points 30 degrees to the right. The 60 degrees straight ahead are blind (SIMULATOR.md
4.3). It sees boxes, bot cars and walls, and not the road.

A scan is made every 0.1 s, and read after every step of 1/15 s without waiting for it. Here the
scan is one of the end of the step in which it falls, so that of three steps two bring a new one and
the third repeats the last (`due`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sim.obstacles import VISIBLE_SIZE_M, Obstacles
from racer.sim.state import State
from racer.vehicle.metadata import DEFAULT_LIDAR_CONFIG, LIDAR_RAYS

Array = NDArray[np.float64]

MOUNT_M = 0.02913  # m ahead of the origin of the car
NEAREST_M, FARTHEST_M = 0.15, 12.0  # m
NOISE_SPREAD_M = 0.01  # m, standard deviation of the noise of a distance
RESOLUTION_M = 0.01  # m
SCAN_PERIOD_S = 0.1  # s between two scans
CLIP_M = (0.15, 1.0)  # m, of the encoding `lidar`
OCCUPIED_M = 0.5  # m: nearer than that, a sector of `sector_lidar` is occupied
SECTOR_COUNT = 8  # of `sector_lidar`

RAY_ANGLES_RAD = np.radians(np.linspace(-150.0, 150.0, LIDAR_RAYS) + 180.0)
"""(64,) rad counterclockwise from straight ahead, in the frame of the car."""

_WAY = np.column_stack([np.cos(RAY_ANGLES_RAD), np.sin(RAY_ANGLES_RAD)])
_BETWEEN = RAY_ANGLES_RAD[1] - RAY_ANGLES_RAD[0]
_SHAPE = np.array(VISIBLE_SIZE_M)


def scan_lidar(
    state: State,
    obstacles: Obstacles,
    walls: Array,
    out: Array,
    noise: Array | None = None,
    due: NDArray[np.bool_] | None = None,
) -> Array:
    """`out` (N, 64), filled with the distances in m that the cars measure along `RAYS`, from 0.15 m
    to 12 m (nothing).

    `bodies` (N, K) are before the cars, `walls` (R, W, 4) stand around each of the roads: x0, y0,
    x1, y1, m. `noise` (N, 64) m is added, and what comes out is rounded as the sensor does; without
    it, distances are exact. Cars that are not `due` (N,) keep what `out` holds.
    """
    _scan(state, obstacles, walls, out, np.ones(len(state), dtype=np.bool_) if due is None else due)
    if noise is not None:
        fresh = slice(None) if due is None else due
        rough = np.round((out[fresh] + noise[fresh]) / RESOLUTION_M) * RESOLUTION_M
        out[fresh] = np.where(
            out[fresh] < FARTHEST_M, np.clip(rough, NEAREST_M, FARTHEST_M), FARTHEST_M
        )
    return out


def is_scan_due(state: State) -> NDArray[np.bool_]:
    """(N,) which cars have a new scan at the end of the step that `state` is the end of, or begin
    an episode.
    """
    before, now = (
        (clock / SCAN_PERIOD_S + 1e-6) // 1.0
        for clock in (state["clock"] - state["dt"], state["clock"])
    )
    return np.asarray((now > before) | (state["steps"] == 0))


def draw_scan_noise(generators: list[np.random.Generator]) -> Array:
    """(N, 64) m of noise for `scan`, drawn from the generator of each car."""
    return np.array([generator.normal(0.0, NOISE_SPREAD_M, LIDAR_RAYS) for generator in generators])


# ---- encodings
# -------------------------------------------------------------------------------------------------------


def encode_lidar(distances: Array) -> NDArray[np.float32]:
    """(N, 64) m, clipped to 0.15 to 1.0."""
    return np.clip(distances, *CLIP_M).astype(np.float32)


def encode_sector_lidar(distances: Array) -> NDArray[np.float32]:
    """(N, 8) for each sector of 8 rays, 1 where something is nearer than 0.5 m, else 0."""
    return (_nearest(distances, SECTOR_COUNT) < OCCUPIED_M).astype(np.float32)


def encode_discretized_lidar(
    distances: Array, config: Mapping[str, float] | None = None
) -> NDArray[np.float32]:
    """(N, sectors * values) for each sector a 1 in the bin of its nearest distance; all 0 where it
    is clear.

    `config` is the `lidar_config` of a model_metadata.json: `num_sectors`, `num_values_per_sector`,
    `clipping_dist` m.
    """
    told = {**DEFAULT_LIDAR_CONFIG, **(config or {})}
    sectors, values, reach = (
        int(told["num_sectors"]),
        int(told["num_values_per_sector"]),
        float(told["clipping_dist"]),
    )
    which = np.floor(np.minimum(_nearest(distances, sectors), reach) / (reach / values))
    hot = which[..., None] == np.arange(values)
    return np.asarray(hot.reshape(len(distances), -1), dtype=np.float32)


def _nearest(distances: Array, sectors: int) -> Array:
    """(N, sectors) m to the nearest thing in each sector of neighboring rays."""
    return np.asarray(distances.reshape(len(distances), sectors, -1).min(axis=2))


# ---- rays
# ------------------------------------------------------------------------------------------------------------


@njit(cache=True, error_model="numpy")
def _scan(state, bodies, walls, out, due):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    wx, wy = np.empty(len(_WAY)), np.empty(len(_WAY))
    for n in range(len(state)):
        if not due[n]:
            continue
        car, seen = state[n], out[n]
        c, s = np.cos(car.yaw), np.sin(car.yaw)
        x, y = car.x + c * MOUNT_M, car.y + s * MOUNT_M
        for i in range(len(wx)):
            wx[i] = c * _WAY[i, 0] - s * _WAY[i, 1]
            wy[i] = s * _WAY[i, 0] + c * _WAY[i, 1]
            seen[i] = FARTHEST_M
        for k in range(walls.shape[1]):
            _see_wall(walls[car.track, k], x, y, wx, wy, seen)
        for k in range(bodies.shape[1]):
            _see_body(bodies[n, k], car.yaw, x, y, wx, wy, seen)
        for i in range(len(wx)):
            seen[i] = max(seen[i], NEAREST_M)


@njit(cache=True, error_model="numpy", inline="always")
def _see_wall(wall, x, y, wx, wy, seen):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Shorten the rays of a sensor at x, y that meet a wall."""
    px, py = wall[0] - x, wall[1] - y
    ex, ey = wall[2] - wall[0], wall[3] - wall[1]
    across = px * ey - py * ex
    for i in range(len(wx)):
        inverse = 1.0 / (wx[i] * ey - wy[i] * ex)
        away, share = across * inverse, (px * wy[i] - py * wx[i]) * inverse
        if 0.0 <= share <= 1.0 and 0.0 <= away < seen[i]:
            seen[i] = away


@njit(cache=True, error_model="numpy", inline="always")
def _see_body(body, yaw, x, y, wx, wy, seen):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Shorten the rays that meet a box or a bot car; only those that come near it are looked at."""
    half_length, half_width = 0.5 * _SHAPE[body.kind, 0], 0.5 * _SHAPE[body.kind, 1]
    dx, dy = body.x - x, body.y - y
    square, reach = dx * dx + dy * dy, np.sqrt(half_length * half_length + half_width * half_width)
    if square > (FARTHEST_M + reach) * (FARTHEST_M + reach):
        return
    middle, half = 0.0, 2.0 * np.pi  # the angles under which it can be seen, from the first ray on
    if square > reach * reach:
        half = np.arcsin(reach / np.sqrt(square)) + 1e-9
        middle = (np.arctan2(dy, dx) - yaw - RAY_ANGLES_RAD[0]) % (2.0 * np.pi)
    c, s = np.cos(body.yaw), np.sin(body.yaw)
    ahead, left = -c * dx - s * dy, s * dx - c * dy  # the sensor as the body sees it
    for turn in (-2.0 * np.pi, 0.0, 2.0 * np.pi):
        first = max(int(np.ceil((middle - half + turn) / _BETWEEN)), 0)
        last = min(int(np.floor((middle + half + turn) / _BETWEEN)), len(wx) - 1)
        for i in range(first, last + 1):
            along, aside = 1.0 / (c * wx[i] + s * wy[i]), 1.0 / (c * wy[i] - s * wx[i])
            one, two = (-half_length - ahead) * along, (half_length - ahead) * along
            low, high = min(one, two), max(one, two)
            one, two = (-half_width - left) * aside, (half_width - left) * aside
            low, high = max(low, min(one, two)), min(high, max(one, two))
            if low <= high and high >= 0.0 and low < seen[i]:
                seen[i] = max(low, 0.0)
