"""Short vectors of what matters for driving, the same size on every track: for learning in seconds
instead of hours.

`car_features` is about the car and the road ahead; `nearby_obstacles` about the next boxes and bot
cars, which no sensor of the car tells as numbers. All numbers are about 1 in size; lengths ahead
and to the left are in the frame of the car's chassis.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sim import Obstacles, State
from racer.track import PackedTracks
from racer.vehicle import STEERING_LIMIT_DEG

LOOKAHEAD_M = (0.2, 0.5, 0.9, 1.4, 2.0, 2.7, 3.5, 4.5)  # along the center line from the car

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
FIRST_AHEAD = 11  # the index of the first feature of the center line ahead

NEARBY_COUNT = 2  # obstacles that are told of
NEARBY_AHEAD_M = 4.0  # of center line within which they are
NEARBY_BEHIND_M = 0.5
OBSTACLE_FACTS = (
    "nearness: 1 at the car, 0 at 4 m of center line ahead and when there is none",
    "forward / 2 m",
    "to the left / 1 m",
    "offset from the center line / 0.5 m, left positive",
    "speed / 4 m/s",
)
NEARBY_NAMES = tuple(
    f"object {k + 1}: {fact}" for k in range(NEARBY_COUNT) for fact in OBSTACLE_FACTS
)

FULL_STEER_RAD = np.radians(STEERING_LIMIT_DEG)
_AHEAD = np.array(LOOKAHEAD_M)
# of an index: numba need not ask whether it counts from the end, which took a sixth of the time
_U64 = np.uint64


def car_features(state: State, roads: PackedTracks) -> NDArray[np.float32]:
    """(N, len(FEATURE_NAMES)) float32 features of N cars."""
    out = np.empty((len(state), len(FEATURE_NAMES)), dtype=np.float32)
    _fill_features(state, tuple(roads), out)  # numba reads a plain tuple sooner
    return out


def nearby_obstacles(
    state: State, obstacles: Obstacles, lengths: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(N, len(NEARBY_NAMES)) float32 about the next of the obstacles (N, K) of N cars; `lengths`
    (R,) m are those of the tracks.
    """
    out = np.zeros((len(state), NEARBY_COUNT, len(OBSTACLE_FACTS)), dtype=np.float32)
    if not obstacles.size:
        return out.reshape(len(state), -1)
    length = lengths[state["track"]][:, None]
    from_behind = (obstacles["s"] - state["s"][:, None] + NEARBY_BEHIND_M) % length
    ahead = from_behind - NEARBY_BEHIND_M
    nearest = np.argsort(ahead, axis=1, kind="stable")[:, :NEARBY_COUNT]
    ahead = np.take_along_axis(ahead, nearest, axis=1)
    obstacle = np.take_along_axis(obstacles, nearest, axis=1)
    dx = obstacle["x"] - state["x"][:, None]
    dy = obstacle["y"] - state["y"][:, None]
    c = np.cos(state["yaw"])[:, None]
    s = np.sin(state["yaw"])[:, None]
    offset = np.where(obstacle["left"], obstacle["distance"], -obstacle["distance"])
    facts = np.stack(
        [
            1.0 - ahead / NEARBY_AHEAD_M,
            (c * dx + s * dy) / 2.0,
            c * dy - s * dx,
            offset / 0.5,
            obstacle["speed"] / 4.0,
        ],
        axis=2,
    )
    out[:, : facts.shape[1]] = np.where((ahead < NEARBY_AHEAD_M)[..., None], facts, 0.0)
    return out.reshape(len(state), -1)


@njit(cache=True, error_model="numpy")
def _fill_features(state, roads, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    vertices, tracks, _, _, _, _ = roads
    for n in range(len(state)):
        track = tracks[state[n].track]
        _fill_motion(state[n], track.is_ccw, out[n])
        _fill_center_line(state[n], track.center, vertices, out[n])


@njit(cache=True, error_model="numpy", inline="always")
def _fill_motion(car, is_ccw, features):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How the car moves, what was commanded, and where it is across the road."""
    features[0] = car.vx / 4.0
    features[1] = car.vy
    features[2] = car.yaw_rate / 5.0
    features[3] = car.steer / FULL_STEER_RAD
    features[4] = car.steer_command_deg / STEERING_LIMIT_DEG
    features[5] = car.speed_command / 4.0
    side = -1.0
    if car.left:
        side = 1.0
    features[6] = 2.0 * car.distance / car.width * side
    if is_ccw:  # the inner border is on the left
        features[9] = car.inner_distance
        features[10] = car.outer_distance
    else:
        features[9] = car.outer_distance
        features[10] = car.inner_distance


@njit(cache=True, error_model="numpy", inline="always")
def _fill_center_line(car, line, vertices, features):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Where the center line leads: the heading error here, and points of it ahead of the car."""
    i = line.first + min(car.previous, line.last - line.first - 1)
    start = vertices[_U64(i)]
    direction = np.arctan2(start.dy, start.dx)
    features[7] = np.sin(car.yaw - direction)
    features[8] = np.cos(car.yaw - direction)
    c = np.cos(car.yaw)
    s = np.sin(car.yaw)
    first = vertices[line.first]
    last = vertices[line.last]
    is_loop = first.x == last.x and first.y == last.y
    laps_length = 0.0  # of the laps that the points ahead have completed
    for k in range(len(_AHEAD)):
        s_ahead = car.s + _AHEAD[k] - laps_length
        while vertices[_U64(i + 1)].s < s_ahead:
            if i + 1 < line.last:
                i += 1
            elif is_loop:
                i = line.first
                laps_length += last.s
                s_ahead -= last.s
            else:
                break
        x, y = _spot_at(vertices[_U64(i)], vertices[_U64(i + 1)].s, s_ahead)
        dx = x - car.x
        dy = y - car.y
        features[FIRST_AHEAD + 2 * k] = (c * dx + s * dy) / _AHEAD[k]
        features[FIRST_AHEAD + 1 + 2 * k] = (c * dy - s * dx) / _AHEAD[k]


@njit(cache=True, error_model="numpy", inline="always")
def _spot_at(start, end_s, s):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """x and y at `s` m along the line, on or beyond the segment from a vertex to the one at `end_s`."""
    length = end_s - start.s
    fraction = 0.0
    if length > 0.0:
        fraction = (s - start.s) / length
    return start.x + fraction * start.dx, start.y + fraction * start.dy
