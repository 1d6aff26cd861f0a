"""Pictures from the front cameras of N cars: the ground row by row, walls, boxes and bot cars, sky.

A row of the picture is a straight line over the ground, so a row is a walk through the map of the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sensors.palette import MIXTURES
from racer.sensors.scenery import LEVELS, Scenery
from racer.sim.state import State

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Camera:
    """Where a camera sits in the frame of the car, where it looks, and what it sends (SIMULATOR.md 4.2)."""

    width: int = 160  # px
    height: int = 120
    gray: bool = True
    x: float = 0.14529  # m ahead of the middle of the car
    y: float = 0.0  # m to the left
    z: float = 0.133  # m above the floor
    pitch: float = float(np.radians(13.6))  # rad, downward
    hfov: float = 1.13  # rad, horizontal field of view

    @property
    def focal(self) -> float:
        """Focal length, px."""
        return float(0.5 * self.width / np.tan(0.5 * self.hfov))


FRONT = Camera()
LEFT = Camera(y=0.03)
RIGHT = Camera(y=-0.03)

COLORS = np.array([[40, 53, 70], [216, 215, 211], [216, 130, 0], [102, 145, 112]], dtype=np.float32)
"""Road, border, center line, field, as lit in real frames."""
SKY = np.array([178.0, 178.0, 178.0], dtype=np.float32)
WALLS = np.array([[14.0, 28.0, 33.0], [1.0, 3.0, 2.0], [14.0, 28.0, 33.0], [1.0, 3.0, 2.0]], dtype=np.float32)
GRAY = np.array([0.2989, 0.5870, 0.1140])


def render(
    state: State,
    bodies: NDArray[np.void] | None,
    scenery: Scenery,
    camera: Camera = FRONT,
    out: Bytes | None = None,
    look: NDArray[np.void] | None = None,
) -> Bytes:
    """Pictures (N, H, W) gray or (N, H, W, 3) RGB of what N cars see; written into `out` if given.

    `bodies` (N, K) are rows of `OBJECT` before each car, or None.
    """
    shape = (len(state), camera.height, camera.width) + (() if camera.gray else (3,))
    out = np.empty(shape, dtype=np.uint8) if out is None else out
    colors = np.rint(np.concatenate([MIXTURES @ COLORS, WALLS, SKY[None]]))
    table = np.floor(colors @ GRAY)[:, None] if camera.gray else colors
    pose = np.array([camera.x, camera.y, camera.z, camera.pitch, camera.focal])
    _render(state, scenery, pose, table.astype(np.uint8), out.reshape((*shape[:3], -1)))
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def _render(state, scenery, pose, table, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for n in range(len(state)):
        car = state[n]
        ground = scenery.grounds[scenery.ground[car.road]]
        c, s = np.cos(car.yaw), np.sin(car.yaw)
        x, y = car.x + c * pose[0] - s * pose[1], car.y + s * pose[0] + c * pose[1]
        _scene(ground, scenery.cells, scenery.cell, x, y, c, s, pose, table, out[n])


@njit(cache=True, error_model="numpy", nogil=True)
def _scene(ground, cells, cell, x, y, c, s, pose, table, picture):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, channels = picture.shape
    z, sp, cp, f = pose[2], np.sin(pose[3]), np.cos(pose[3]), pose[4]
    for r in range(height):
        b = (r + 0.5 - 0.5 * height) / f
        down = sp + b * cp
        for k in range(width):
            a = (k + 0.5 - 0.5 * width) / f
            # the direction of the ray over the ground, per unit of depth along the axis
            dx, dy = (cp - b * sp) * c + a * s, (cp - b * sp) * s - a * c
            least, side = np.inf, 0
            for w in range(4):
                x0, y0, x1, y1 = ground.walls[w]
                nx, ny = y1 - y0, x0 - x1
                toward = nx * dx + ny * dy
                if toward > 0.0:
                    t = (nx * (x0 - x) + ny * (y0 - y)) / toward
                    if 0.0 < t < least:
                        least, side = t, w
            what = 256 + 4
            if down > 0.0 and z / down < least:
                t = z / down
                level = int(np.log2(max(t / f / cell, 1.0)))
                u, v = int(np.floor((x + t * dx - ground.x) / cell)), int(np.floor((y + t * dy - ground.y) / cell))
                level = min(level, LEVELS - 1)
                what = int(cells[ground.first[level]])
                if 0 <= u < ground.columns and 0 <= v < ground.rows:
                    what = int(cells[ground.first[level] + ((v >> level) << (ground.stride - level)) + (u >> level)])
            elif z - least * down < 1.0:
                what = 256 + side
            for q in range(channels):
                picture[r, k, q] = table[what, q]
