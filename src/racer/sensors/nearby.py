"""The next objects on the road as numbers: what a teacher knows about boxes and bot cars, and no
sensor of the car.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.sim.obstacles import Obstacles
from racer.sim.state import State

NEARBY_COUNT = 2  # objects that are told of
NEARBY_AHEAD_M, NEARBY_BEHIND_M = 4.0, 0.5  # m of center line within which they are

_EACH = (
    "nearness: 1 at the car, 0 at 4 m of center line ahead and when there is none",
    "forward / 2 m",
    "to the left / 1 m",
    "offset from the center line / 0.5 m, left positive",
    "speed / 4 m/s",
)
NEARBY_NAMES = tuple(f"object {k + 1}: {what}" for k in range(NEARBY_COUNT) for what in _EACH)


def nearby_obstacles(
    state: State, obstacles: Obstacles, lengths: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(N, len(NAMES)) float32 about the next of the bodies (N, K) before N cars; `lengths` (R,) m
    are the roads'.
    """
    out = np.zeros((len(state), NEARBY_COUNT, len(_EACH)), dtype=np.float32)
    if not obstacles.size:
        return out.reshape(len(state), -1)
    ahead = (obstacles["s"] - state["s"][:, None] + NEARBY_BEHIND_M) % lengths[state["track"]][
        :, None
    ] - NEARBY_BEHIND_M
    nearest = np.argsort(ahead, axis=1, kind="stable")[:, :NEARBY_COUNT]
    ahead, body = (
        np.take_along_axis(ahead, nearest, axis=1),
        np.take_along_axis(obstacles, nearest, axis=1),
    )
    dx, dy = body["x"] - state["x"][:, None], body["y"] - state["y"][:, None]
    c, s = np.cos(state["yaw"])[:, None], np.sin(state["yaw"])[:, None]
    columns = (1.0 - ahead / NEARBY_AHEAD_M, (c * dx + s * dy) / 2.0, c * dy - s * dx)
    aside = np.where(body["left"], body["distance"], -body["distance"]) / 0.5
    facts = np.stack([*columns, aside, body["speed"] / 4.0], axis=2)
    out[:, : facts.shape[1]] = np.where((ahead < NEARBY_AHEAD_M)[..., None], facts, 0.0)
    return out.reshape(len(state), -1)
