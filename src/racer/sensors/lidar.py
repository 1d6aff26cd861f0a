"""LIDAR: 64 distances around the car, and the encodings that DeepRacer's networks are given.

The sensor sits above the rear half of the car and looks backward: its first ray points 30 degrees
to the left of straight ahead, the others follow counterclockwise around the rear of the car, and
the last one points 30 degrees to the right. The 60 degrees straight ahead are blind
(docs/simulator.md 4.3). It sees boxes, bot cars and walls, and not the road.

A scan is made every 0.1 s, and read after every step of 1/15 s without waiting for it. Here the
scan is one of the end of the step in which it falls, so that of three steps two bring a new one and
the third repeats the last (`is_scan_due`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sim import VISIBLE_SIZE_M, Obstacles, State
from racer.vehicle import DEFAULT_LIDAR_CONFIG, LIDAR_RAYS

Array = NDArray[np.float64]

MOUNT_M = 0.02913  # m ahead of the origin of the car
NEAREST_M = 0.15
FARTHEST_M = 12.0
NOISE_SPREAD_M = 0.01  # m, standard deviation of the noise of a distance
RESOLUTION_M = 0.01  # m
SCAN_PERIOD_S = 0.1  # s between two scans
CLIP_M = (0.15, 1.0)  # m, of the encoding `lidar`
OCCUPIED_M = 0.5  # m: nearer than that, a sector of `sector_lidar` is occupied
SECTOR_COUNT = 8  # of `sector_lidar`

RAY_ANGLES_RAD = np.radians(np.linspace(-150.0, 150.0, LIDAR_RAYS) + 180.0)
"""(64,) rad counterclockwise from straight ahead, in the frame of the car."""

_DIRECTIONS = np.column_stack([np.cos(RAY_ANGLES_RAD), np.sin(RAY_ANGLES_RAD)])
_SPACING_RAD = RAY_ANGLES_RAD[1] - RAY_ANGLES_RAD[0]
_SIZES = np.array(VISIBLE_SIZE_M)


def scan_lidar(
    state: State,
    obstacles: Obstacles,
    walls: Array,
    out: Array,
    noise: Array | None = None,
    due: NDArray[np.bool_] | None = None,
) -> Array:
    """`out` (N, 64), filled with the distances in m that the cars measure along `RAY_ANGLES_RAD`,
    from 0.15 m to 12 m (nothing).

    `obstacles` (N, K) stand before the cars, `walls` (R, W, 4) around each of the tracks: x0, y0,
    x1, y1, m. `noise` (N, 64) m is added, and what comes out is rounded as the sensor does; without
    it, distances are exact. Cars that are not `due` (N,) keep what `out` holds.
    """
    if due is None:
        due = np.ones(len(state), dtype=np.bool_)
    _scan(state, obstacles, walls, out, due)
    if noise is not None:
        exact = out[due]
        rounded = np.round((exact + noise[due]) / RESOLUTION_M) * RESOLUTION_M
        measured = np.clip(rounded, NEAREST_M, FARTHEST_M)
        out[due] = np.where(exact < FARTHEST_M, measured, FARTHEST_M)
    return out


def is_scan_due(state: State) -> NDArray[np.bool_]:
    """(N,) which cars have a new scan at the end of the step that `state` is the end of, or begin
    an episode.
    """
    scans = (state["clock"] / SCAN_PERIOD_S + 1e-6) // 1.0
    scans_before = ((state["clock"] - state["dt"]) / SCAN_PERIOD_S + 1e-6) // 1.0
    return np.asarray((scans > scans_before) | (state["steps"] == 0))


def encode_lidar(distances: Array) -> NDArray[np.float32]:
    """(N, 64) m, clipped to 0.15 to 1.0."""
    return np.clip(distances, *CLIP_M).astype(np.float32)


def encode_sector_lidar(distances: Array) -> NDArray[np.float32]:
    """(N, 8) for each sector of 8 rays, 1 where something is nearer than 0.5 m, else 0."""
    return (_nearest_in_sectors(distances, SECTOR_COUNT) < OCCUPIED_M).astype(np.float32)


def encode_discretized_lidar(
    distances: Array, config: Mapping[str, float] | None = None
) -> NDArray[np.float32]:
    """(N, sectors * values) for each sector a 1 in the bin of its nearest distance; all 0 where it
    is clear.

    `config` is the `lidar_config` of a model_metadata.json: `num_sectors`, `num_values_per_sector`,
    `clipping_dist` m, of which 12 are the most (docs/simulator.md 9.18).
    """
    settings = {**DEFAULT_LIDAR_CONFIG, **(config or {})}
    sectors = int(settings["num_sectors"])
    bins = int(settings["num_values_per_sector"])
    range_m = min(float(settings["clipping_dist"]), FARTHEST_M)
    nearest = np.minimum(_nearest_in_sectors(distances, sectors), range_m)
    index = np.floor(nearest / (range_m / bins))
    is_hot = index[..., None] == np.arange(bins)
    return np.asarray(is_hot.reshape(len(distances), -1), dtype=np.float32)


def _nearest_in_sectors(distances: Array, sectors: int) -> Array:
    """(N, sectors) m to the nearest thing in each sector of neighboring rays."""
    return np.asarray(distances.reshape(len(distances), sectors, -1).min(axis=2))


@njit(cache=True, error_model="numpy")
def _scan(state, obstacles, walls, out, due):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    rays = np.empty((2, len(_DIRECTIONS)))  # x and y of their directions in the world
    for n in range(len(state)):
        if not due[n]:
            continue
        car = state[n]
        distances = out[n]
        c = np.cos(car.yaw)
        s = np.sin(car.yaw)
        sensor = (car.x + c * MOUNT_M, car.y + s * MOUNT_M, car.yaw)
        for i in range(len(_DIRECTIONS)):
            rays[0, i] = c * _DIRECTIONS[i, 0] - s * _DIRECTIONS[i, 1]
            rays[1, i] = s * _DIRECTIONS[i, 0] + c * _DIRECTIONS[i, 1]
            distances[i] = FARTHEST_M
        for k in range(walls.shape[1]):
            _see_wall(walls[car.track, k], sensor, rays, distances)
        for k in range(obstacles.shape[1]):
            _see_obstacle(obstacles[n, k], sensor, rays, distances)
        for i in range(len(_DIRECTIONS)):
            distances[i] = max(distances[i], NEAREST_M)


@njit(cache=True, error_model="numpy", inline="always")
def _see_wall(wall, sensor, rays, distances):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Shorten the rays of a sensor at x, y, yaw that meet a wall."""
    start_x = wall[0] - sensor[0]
    start_y = wall[1] - sensor[1]
    wall_x = wall[2] - wall[0]
    wall_y = wall[3] - wall[1]
    cross = start_x * wall_y - start_y * wall_x
    for i in range(rays.shape[1]):
        ray_x = rays[0, i]
        ray_y = rays[1, i]
        inverse = 1.0 / (ray_x * wall_y - ray_y * wall_x)
        distance = cross * inverse
        fraction = (start_x * ray_y - start_y * ray_x) * inverse  # of the wall
        if 0.0 <= fraction <= 1.0 and 0.0 <= distance < distances[i]:
            distances[i] = distance


@njit(cache=True, error_model="numpy", inline="always")
def _see_obstacle(obstacle, sensor, rays, distances):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Shorten the rays that meet a box or a bot car; only those that come near it are looked at."""
    half_length = 0.5 * _SIZES[obstacle.kind, 0]
    half_width = 0.5 * _SIZES[obstacle.kind, 1]
    dx = obstacle.x - sensor[0]
    dy = obstacle.y - sensor[1]
    radius = np.sqrt(half_length * half_length + half_width * half_width)
    if dx * dx + dy * dy > (FARTHEST_M + radius) * (FARTHEST_M + radius):
        return
    middle, half = _visible_angles(dx, dy, radius, sensor[2])
    c = np.cos(obstacle.yaw)
    s = np.sin(obstacle.yaw)
    # the sensor in the frame of the obstacle
    ahead = -c * dx - s * dy
    left = s * dx - c * dy
    for turn in (-2.0 * np.pi, 0.0, 2.0 * np.pi):
        first = max(int(np.ceil((middle - half + turn) / _SPACING_RAD)), 0)
        last = min(int(np.floor((middle + half + turn) / _SPACING_RAD)), rays.shape[1] - 1)
        for i in range(first, last + 1):
            along = c * rays[0, i] + s * rays[1, i]
            across = c * rays[1, i] - s * rays[0, i]
            from_rear, to_front = _distances_between(ahead, half_length, along)
            from_side, to_side = _distances_between(left, half_width, across)
            enters = max(from_rear, from_side)
            leaves = min(to_front, to_side)
            if enters <= leaves and leaves >= 0.0 and enters < distances[i]:
                distances[i] = max(enters, 0.0)


@njit(cache=True, error_model="numpy", inline="always")
def _visible_angles(dx, dy, radius, yaw):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Middle and half, rad, of the angles under which a circle at dx, dy can be seen, counted from
    the first ray on: all of them from within it.
    """
    square = dx * dx + dy * dy
    if square <= radius * radius:
        return 0.0, 2.0 * np.pi
    half = np.arcsin(radius / np.sqrt(square)) + 1e-9
    middle = (np.arctan2(dy, dx) - yaw - RAY_ANGLES_RAD[0]) % (2.0 * np.pi)
    return middle, half


@njit(cache=True, error_model="numpy", inline="always")
def _distances_between(place, half_size, slope):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Where a ray from `place`, that goes `slope` further per m of it, is between two parallel sides
    of a rectangle, m: from the first to the second.
    """
    inverse = 1.0 / slope
    low = (-half_size - place) * inverse
    high = (half_size - place) * inverse
    return min(low, high), max(low, high)
