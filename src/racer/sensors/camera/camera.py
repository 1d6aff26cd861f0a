"""Pictures from the front cameras of N cars: the ground row by row, walls, boxes and bot cars, sky.

A row of the picture is a straight line over the ground, so a row is a walk through the map of the
ground (`scenery`). Where the lens is and where it looks is SIMULATOR.md 4.2, with the attitude that
two real frames show (docs/camera.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sensors.camera import tones
from racer.sensors.camera.boxes import CORNERS, FINE, solids, walls
from racer.sensors.camera.ground import COLUMNS, TAPS, ground, survey
from racer.sensors.camera.ground_map import LEVELS, Scenery
from racer.sensors.camera.randomization import LOOK, blur, grains, noise
from racer.sensors.camera.tones import TONES, tabulate
from racer.sim.obstacles import OBJECT
from racer.sim.state import State

Bytes = NDArray[np.uint8]

PARTS = len(tones.PARTS)
REACH = 60.0  # m along the view: beyond it the ground is plain field
MAP_REACH = 20000  # finest squares: how far the integers of a walk reach, at most


@dataclass(frozen=True)
class Camera:
    """Where a camera sits in the frame of the car, where it looks, and what it sends."""

    width: int = 160  # px
    height: int = 120
    gray: bool = True
    x: float = 0.14529  # m ahead of the middle of the car
    y: float = 0.0  # m to the left
    z: float = 0.1309  # m above the floor
    pitch: float = 0.237  # rad, downward: 13.58 deg
    hfov: float = 1.13  # rad, horizontal field of view
    is_luma: bool = False  # gray as the stereo cameras have it

    @property
    def focal(self) -> float:
        """Focal length, px."""
        return float(0.5 * self.width / np.tan(0.5 * self.hfov))

    @property
    def mode(self) -> int:
        """`tones.RGB`, `GRAY` or `LUMA`."""
        return tones.RGB if not self.gray else tones.LUMA if self.is_luma else tones.GRAY

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) of a gray picture, (H, W, 3) of one in colors."""
        return (self.height, self.width) if self.gray else (self.height, self.width, 3)


FRONT = Camera()
LEFT = Camera(y=0.03, is_luma=True)
RIGHT = Camera(y=-0.03, is_luma=True)


def render(
    state: State,
    bodies: NDArray[np.void] | None,
    scenery: Scenery,
    camera: Camera = FRONT,
    out: Bytes | None = None,
    look: NDArray[np.void] | None = None,
) -> Bytes:
    """Pictures (N, H, W) gray or (N, H, W, 3) RGB of what N cars see, 0 to 255; `out` if it is
    given.

    `bodies` (N, K) are rows of `OBJECT` before each car, or None. `look` (N,) rows of `LOOK` is how
    each car's world looks, None the plain world. Picture k is the same whatever the other cars do.
    """
    out = np.empty((len(state), *camera.shape), dtype=np.uint8) if out is None else out
    bodies = np.empty((len(state), 0), dtype=OBJECT) if bodies is None else bodies
    looked = np.empty(0, dtype=LOOK) if look is None else look
    shades = scenery.gray if camera.mode == tones.GRAY and look is None else scenery.gray[:0]
    pose = np.array([camera.x, camera.y, camera.z, camera.pitch, camera.focal])
    size = (camera.height, camera.width, 1 if camera.gray else 3)
    _render(
        state,
        bodies,
        *scenery[:4],
        shades,
        pose,
        camera.mode,
        looked,
        grains(),
        size,
        out.reshape(-1),
    )
    return out


def stereo(
    state: State,
    bodies: NDArray[np.void] | None,
    scenery: Scenery,
    cameras: tuple[Camera, Camera] = (LEFT, RIGHT),
    look: NDArray[np.void] | None = None,
) -> Bytes:
    """Pictures (N, H, W, 2) of the two stereo cameras, left and right, as STEREO_CAMERAS."""
    return np.stack(
        [render(state, bodies, scenery, camera, look=look) for camera in cameras], axis=-1
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _render(  # type: ignore[no-untyped-def]  # pragma: no cover
    state, bodies, cells, grounds, ground_of, cell, shades, pose, mode, look, grains, size, out
):
    height, width, channels = size
    rows = np.zeros((height, COLUMNS))
    index = np.empty(TAPS * (width + 1), dtype=np.uint32)
    total = np.empty(width + 1, dtype=np.uint32)
    scratch = (np.empty((CORNERS, 3)), np.empty((CORNERS, 3)), np.empty((2, FINE * height)))
    order, eye = np.empty(bodies.shape[1], dtype=np.int64), np.empty(8)
    line, mixed, colors = np.empty(width * channels), np.empty((3, TONES)), np.empty((PARTS, 3))
    tables = np.empty((len(grounds), channels, TONES), dtype=np.uint8)
    for g in range(len(grounds)):
        tabulate(grounds[g].colors, mode, mixed, tables[g])
    reach = min(REACH, MAP_REACH * cell)
    aside, up, pitch, turned = 0.0, 0.0, 0.0, 0.0
    survey(rows, height, pose[4], pose[2], pose[3], cell, LEVELS, reach)
    for n in _along(state):
        car = state[n]
        g = ground_of[car.road]
        map_row, table = grounds[g], tables[g]
        if len(look):
            aside, up, pitch, turned = look[n].aside, look[n].up, look[n].pitch, look[n].yaw
            survey(rows, height, pose[4], pose[2] + up, pose[3] + pitch, cell, LEVELS, reach)
            for part in range(PARTS):
                for q in range(3):
                    colors[part, q] = map_row.colors[part, q] * look[n].gain[part, q]
            tabulate(colors, mode, mixed, table)
        c, s = np.cos(car.yaw), np.sin(car.yaw)
        eye[0] = car.x + c * pose[0] - s * (pose[1] + aside)
        eye[1] = car.y + s * pose[0] + c * (pose[1] + aside)
        c, s = np.cos(car.yaw + turned), np.sin(car.yaw + turned)
        eye[2], eye[3], eye[4], eye[7] = pose[2] + up, c, s, pose[4]
        eye[5], eye[6] = np.cos(pose[3] + pitch), np.sin(pose[3] + pitch)
        at = n * height * width * channels
        ground(
            rows,
            map_row,
            cells,
            shades,
            table,
            eye[0],
            eye[1],
            c,
            s,
            cell,
            index,
            total,
            out,
            at,
            width,
            channels,
        )
        walls(map_row, eye, table, scratch, out, at, size)
        solids(bodies[n], order, eye, table, scratch, out, at, size)
        if len(look) and look[n].blur > 0.0:
            blur(look[n].blur, line, out, at, size)
        if len(look) and look[n].noise > 0.0:
            noise(
                look[n].noise, look[n].seed, car.steps, grains, out, at, height * width * channels
            )


@njit(cache=True, error_model="numpy", nogil=True)
def _along(state):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Cars in the order of their places on the road, so that what one saw of the map is still near
    for the next.
    """
    place = np.empty(len(state))
    for n in range(len(state)):
        place[n] = 1e5 * state[n].road + state[n].s
    return np.argsort(place)
