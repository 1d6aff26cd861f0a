"""A short vector of what matters for driving, the same size on every track: for learning in seconds
instead of hours.

All numbers are about 1 in size. Lengths along and across the road are in the frame of the car's
chassis.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sim.state import State
from racer.track.spatial_index import PackedTracks
from racer.vehicle.car import STEERING_LIMIT_DEG

LOOKAHEAD_M = (
    0.2,
    0.5,
    0.9,
    1.4,
    2.0,
    2.7,
    3.5,
    4.5,
)  # m along the center line from the car's place

FEATURE_NAMES = (
    "forward speed / 4 m/s",
    "sideways speed / 1 m/s",
    "yaw rate / 5 rad/s",
    "steering angle / 30 deg",
    "last commanded steering / 30 deg",
    "last commanded speed / 4 m/s",
    "offset from the center line / half width, left positive",
    "sine of the heading error",
    "cosine of the heading error",
    "distance to the left border / 1 m",
    "distance to the right border / 1 m",
    *(
        f"center line {ahead} m ahead: {axis} / {ahead} m"
        for ahead in LOOKAHEAD_M
        for axis in ("forward", "left")
    ),
)

FULL_STEER_RAD = np.radians(STEERING_LIMIT_DEG)
_AHEAD = np.array(LOOKAHEAD_M)


def car_features(state: State, roads: PackedTracks) -> NDArray[np.float32]:
    """(N, len(NAMES)) float32 features of N cars."""
    out = np.empty((len(state), len(FEATURE_NAMES)), dtype=np.float32)
    _features(state, tuple(roads), out)  # numba reads a plain tuple sooner
    return out


@njit(cache=True, error_model="numpy")
def _features(state, roads, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    vertices, tracks, _, _, _, _ = roads
    for n in range(len(state)):
        car, f = state[n], out[n]
        line = tracks[car.track].center
        i = line.first + min(car.previous, line.last - line.first - 1)
        toward = np.arctan2(vertices[i].dy, vertices[i].dx)
        c, s = np.cos(car.yaw), np.sin(car.yaw)
        left, right = car.inner_distance, car.outer_distance
        if not tracks[car.track].is_ccw:
            left, right = right, left
        f[0], f[1], f[2] = car.vx / 4.0, car.vy, car.yaw_rate / 5.0
        f[3] = car.steer / FULL_STEER_RAD
        f[4], f[5] = car.steer_command_deg / STEERING_LIMIT_DEG, car.speed_command / 4.0
        f[6] = 2.0 * car.distance / car.width * (1.0 if car.left else -1.0)
        f[7], f[8] = np.sin(car.yaw - toward), np.cos(car.yaw - toward)
        f[9], f[10] = left, right
        is_loop = (
            vertices[line.first].x == vertices[line.last].x
            and vertices[line.first].y == vertices[line.last].y
        )
        behind = 0.0  # length of the laps already walked
        for k in range(len(_AHEAD)):
            s_ahead = car.s + _AHEAD[k] - behind
            while vertices[i + 1].s < s_ahead:
                if i + 1 < line.last:
                    i += 1
                elif is_loop:
                    i = line.first
                    behind += vertices[line.last].s
                    s_ahead -= vertices[line.last].s
                else:
                    break
            length = vertices[i + 1].s - vertices[i].s
            share = (s_ahead - vertices[i].s) / length if length > 0.0 else 0.0
            dx = vertices[i].x + share * vertices[i].dx - car.x
            dy = vertices[i].y + share * vertices[i].dy - car.y
            f[11 + 2 * k] = (c * dx + s * dy) / _AHEAD[k]
            f[12 + 2 * k] = (c * dy - s * dx) / _AHEAD[k]
