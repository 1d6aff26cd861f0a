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
from racer.sensors.camera.boxes import LINES_PER_ROW, MAX_CORNERS, render_obstacles, render_walls
from racer.sensors.camera.ground import ROW_COLUMNS, TAP_COUNT, draw_ground, survey_rows
from racer.sensors.camera.ground_map import LEVEL_COUNT, GroundMap
from racer.sensors.camera.randomization import (
    APPEARANCE,
    add_pixel_noise,
    blur_picture,
    noise_grains,
)
from racer.sensors.camera.tones import TONE_COUNT, fill_tones
from racer.sim.obstacles import OBSTACLE_DTYPE
from racer.sim.state import State

Bytes = NDArray[np.uint8]

PART_COUNT = len(tones.PART_NAMES)
MAP_RANGE_M = 60.0  # m along the view: beyond it the ground is plain field
MAP_RANGE_CELLS = 20000  # finest squares: how far the integers of a walk reach, at most


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


FRONT_CAMERA = Camera()
LEFT_CAMERA = Camera(y=0.03, is_luma=True)
RIGHT_CAMERA = Camera(y=-0.03, is_luma=True)


def render_camera(
    state: State,
    obstacles: NDArray[np.void] | None,
    ground_map: GroundMap,
    camera: Camera = FRONT_CAMERA,
    out: Bytes | None = None,
    appearance: NDArray[np.void] | None = None,
) -> Bytes:
    """Pictures (N, H, W) gray or (N, H, W, 3) RGB of what N cars see, 0 to 255; `out` if it is
    given.

    `bodies` (N, K) are rows of `OBJECT` before each car, or None. `look` (N,) rows of `LOOK` is how
    each car's world looks, None the plain world. Picture k is the same whatever the other cars do.
    """
    out = np.empty((len(state), *camera.shape), dtype=np.uint8) if out is None else out
    obstacles = np.empty((len(state), 0), dtype=OBSTACLE_DTYPE) if obstacles is None else obstacles
    looked = np.empty(0, dtype=APPEARANCE) if appearance is None else appearance
    shades = (
        ground_map.gray if camera.mode == tones.GRAY and appearance is None else ground_map.gray[:0]
    )
    pose = np.array([camera.x, camera.y, camera.z, camera.pitch, camera.focal])
    size = (camera.height, camera.width, 1 if camera.gray else 3)
    _render(
        state,
        obstacles,
        *ground_map[:4],
        shades,
        pose,
        camera.mode,
        looked,
        noise_grains(),
        size,
        out.reshape(-1),
    )
    return out


def render_stereo(
    state: State,
    obstacles: NDArray[np.void] | None,
    ground_map: GroundMap,
    cameras: tuple[Camera, Camera] = (LEFT_CAMERA, RIGHT_CAMERA),
    appearance: NDArray[np.void] | None = None,
) -> Bytes:
    """Pictures (N, H, W, 2) of the two stereo cameras, left and right, as STEREO_CAMERAS."""
    return np.stack(
        [
            render_camera(state, obstacles, ground_map, camera, appearance=appearance)
            for camera in cameras
        ],
        axis=-1,
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _render(  # type: ignore[no-untyped-def]  # pragma: no cover
    state, bodies, cells, grounds, ground_of, cell, shades, pose, mode, look, grains, size, out
):
    height, width, channels = size
    rows = np.zeros((height, ROW_COLUMNS))
    index = np.empty(TAP_COUNT * (width + 1), dtype=np.uint32)
    total = np.empty(width + 1, dtype=np.uint32)
    scratch = (
        np.empty((MAX_CORNERS, 3)),
        np.empty((MAX_CORNERS, 3)),
        np.empty((2, LINES_PER_ROW * height)),
    )
    order, eye = np.empty(bodies.shape[1], dtype=np.int64), np.empty(8)
    line, mixed, colors = (
        np.empty(width * channels),
        np.empty((3, TONE_COUNT)),
        np.empty((PART_COUNT, 3)),
    )
    tables = np.empty((len(grounds), channels, TONE_COUNT), dtype=np.uint8)
    for g in range(len(grounds)):
        fill_tones(grounds[g].colors, mode, mixed, tables[g])
    reach = min(MAP_RANGE_M, MAP_RANGE_CELLS * cell)
    aside, up, pitch, turned = 0.0, 0.0, 0.0, 0.0
    survey_rows(rows, height, pose[4], pose[2], pose[3], cell, LEVEL_COUNT, reach)
    for n in _along(state):
        car = state[n]
        g = ground_of[car.track]
        map_row, table = grounds[g], tables[g]
        if len(look):
            aside, up, pitch, turned = look[n].aside, look[n].up, look[n].pitch, look[n].yaw
            survey_rows(
                rows, height, pose[4], pose[2] + up, pose[3] + pitch, cell, LEVEL_COUNT, reach
            )
            for part in range(PART_COUNT):
                for q in range(3):
                    colors[part, q] = map_row.colors[part, q] * look[n].gain[part, q]
            fill_tones(colors, mode, mixed, table)
        c, s = np.cos(car.yaw), np.sin(car.yaw)
        eye[0] = car.x + c * pose[0] - s * (pose[1] + aside)
        eye[1] = car.y + s * pose[0] + c * (pose[1] + aside)
        c, s = np.cos(car.yaw + turned), np.sin(car.yaw + turned)
        eye[2], eye[3], eye[4], eye[7] = pose[2] + up, c, s, pose[4]
        eye[5], eye[6] = np.cos(pose[3] + pitch), np.sin(pose[3] + pitch)
        at = n * height * width * channels
        draw_ground(
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
        render_walls(map_row, eye, table, scratch, out, at, size)
        render_obstacles(bodies[n], order, eye, table, scratch, out, at, size)
        if len(look) and look[n].blur > 0.0:
            blur_picture(look[n].blur, line, out, at, size)
        if len(look) and look[n].noise > 0.0:
            add_pixel_noise(
                look[n].noise, look[n].seed, car.steps, grains, out, at, height * width * channels
            )


@njit(cache=True, error_model="numpy", nogil=True)
def _along(state):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Cars in the order of their places on the road, so that what one saw of the map is still near
    for the next.
    """
    place = np.empty(len(state))
    for n in range(len(state)):
        place[n] = 1e5 * state[n].track + state[n].s
    return np.argsort(place)
