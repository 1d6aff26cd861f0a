"""Pictures from the front cameras of N cars: the ground row by row, walls, boxes and bot cars, sky.

A row of the picture is a straight line over the ground, so a row is a walk through the map of the
ground (`map_ground`). Where the lens is and where it looks is docs/simulator.md 4.2, with the
attitude that two real frames show (docs/camera.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.sensors.camera.arena import (
    Bytes,
    Lens,
    Picture,
    add_pixel_noise,
    blur_picture,
    noise_grains,
)
from racer.sensors.camera.boxes import (
    LINES_PER_ROW,
    MAX_CORNERS,
    Canvas,
    render_obstacles,
    render_walls,
)
from racer.sensors.camera.colors import GRAY, LUMA, PART_NAMES, RGB, TONE_COUNT, fill_tones
from racer.sensors.camera.ground import (
    ROW_DTYPE,
    TAP_COUNT,
    Squares,
    Surveyed,
    WalkBuffers,
    draw_ground,
    survey_rows,
)
from racer.sensors.camera.ground_map import LEVEL_COUNT, GroundMap
from racer.sensors.camera.randomization import APPEARANCE
from racer.sim import OBSTACLE_DTYPE, State

Array = NDArray[np.float64]

PART_COUNT = len(PART_NAMES)
MAP_RANGE_M = 60.0  # along the view: beyond it the ground is plain field
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
        """What its pictures hold: `colors.RGB`, `GRAY` or `LUMA`."""
        if not self.gray:
            return RGB
        return LUMA if self.is_luma else GRAY

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) of a gray picture, (H, W, 3) of one in colors."""
        if self.gray:
            return (self.height, self.width)
        return (self.height, self.width, 3)


FRONT_CAMERA = Camera()
LEFT_CAMERA = Camera(y=0.03, is_luma=True)
RIGHT_CAMERA = Camera(y=-0.03, is_luma=True)


class Mount(NamedTuple):
    """A camera for compiled code."""

    x: float  # m, in the frame of the car
    y: float
    z: float
    pitch: float  # rad, downward
    focal: float  # px
    mode: int  # RGB, GRAY or LUMA


class LensShift(NamedTuple):
    """How far a lens is from where the camera has it, as the columns of APPEARANCE."""

    left: float  # m
    up: float
    pitch: float  # rad, downward
    yaw: float  # rad, to the left


class Buffers(NamedTuple):
    """Room for one picture that is being drawn."""

    rows: NDArray[np.void]  # (H,) of ROW_DTYPE
    walk: WalkBuffers
    corners: Array  # (MAX_CORNERS, 3), as those of a Canvas
    seen: Array
    spans: Array
    line: Array  # (W * C,) a row of pixels
    colors: Array  # (PARTS, 3)
    mixed: Array  # (3, TONE_COUNT)


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

    `obstacles` (N, K) are rows of OBSTACLE_DTYPE before each car, or None. `appearance` (N,) rows
    of APPEARANCE is how each car's world looks, None the plain world. Picture k is the same
    whatever the other cars do.
    """
    if out is None:
        out = np.empty((len(state), *camera.shape), dtype=np.uint8)
    if obstacles is None:
        obstacles = np.empty((len(state), 0), dtype=OBSTACLE_DTYPE)
    shades = ground_map.gray[:0]
    if appearance is None:
        appearance = np.empty(0, dtype=APPEARANCE)
        if camera.mode == GRAY:
            shades = ground_map.gray
    channels = 1 if camera.gray else 3
    _render(
        state,
        obstacles,
        (ground_map.grounds, ground_map.ground, Squares(ground_map.cells, shades, ground_map.cell)),
        Mount(camera.x, camera.y, camera.z, camera.pitch, camera.focal, camera.mode),
        appearance,
        Picture(out.reshape(-1), 0, camera.height, camera.width, channels),
        np.zeros(camera.height, ROW_DTYPE),
        noise_grains(),
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
    pictures = [
        render_camera(state, obstacles, ground_map, camera, appearance=appearance)
        for camera in cameras
    ]
    return np.stack(pictures, axis=-1)


@njit(cache=True, error_model="numpy", nogil=True)
def _render(state, obstacles, ground, mount, appearance, pictures, rows, grains):  # type: ignore[no-untyped-def]
    """Draw the picture of every car; `pictures` is where the first one lies."""
    grounds, ground_of, squares = ground
    buffers = _new_buffers(pictures, rows)
    tables = np.empty((len(grounds), pictures.channels, TONE_COUNT), dtype=np.uint8)
    for g in range(len(grounds)):
        fill_tones(grounds[g].colors, mount.mode, buffers.mixed, tables[g])
    order = np.empty(obstacles.shape[1], dtype=np.int64)
    shift = LensShift(0.0, 0.0, 0.0, 0.0)
    survey_rows(rows, _surveyed(mount, shift, squares.side, pictures.height))
    for n in _by_place(state):
        map_row = grounds[ground_of[state[n].track]]
        tones = tables[ground_of[state[n].track]]
        if len(appearance):
            shift = _shift_of(appearance[n])
            survey_rows(rows, _surveyed(mount, shift, squares.side, pictures.height))
            _fill_appearance(map_row, appearance[n], mount.mode, buffers, tones)
        lens = _lens_of(state[n], mount, shift)
        picture = _picture_of(pictures, n)
        draw_ground(rows, map_row, squares, tones, lens, buffers.walk, picture)
        canvas = Canvas(picture, tones, buffers.corners, buffers.seen, buffers.spans)
        render_walls(map_row, lens, canvas)
        render_obstacles(obstacles[n], order, lens, canvas)
        if len(appearance):
            _spoil(picture, appearance[n], state[n].steps, grains, buffers.line)


@njit(cache=True, error_model="numpy", nogil=True)
def _new_buffers(picture, rows):  # type: ignore[no-untyped-def]
    width = picture.width
    index = np.empty(TAP_COUNT * (width + 1), dtype=np.uint32)
    total = np.empty(width + 1, dtype=np.uint32)
    return Buffers(
        rows,
        WalkBuffers(index, total),
        np.empty((MAX_CORNERS, 3)),
        np.empty((MAX_CORNERS, 3)),
        np.empty((2, LINES_PER_ROW * picture.height)),
        np.empty(width * picture.channels),
        np.empty((PART_COUNT, 3)),
        np.empty((3, TONE_COUNT)),
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _surveyed(mount, shift, side, height):  # type: ignore[no-untyped-def]
    map_range = min(MAP_RANGE_M, MAP_RANGE_CELLS * side)
    z = mount.z + shift.up
    pitch = mount.pitch + shift.pitch
    return Surveyed(height, mount.focal, z, pitch, side, LEVEL_COUNT, map_range)


@njit(cache=True, error_model="numpy", nogil=True)
def _shift_of(appearance):  # type: ignore[no-untyped-def]
    return LensShift(appearance.left, appearance.up, appearance.pitch, appearance.yaw)


@njit(cache=True, error_model="numpy", nogil=True)
def _fill_appearance(map_row, appearance, mode, buffers, tones):  # type: ignore[no-untyped-def]
    """Fill the table of tones for the world of one car, which looks as a row of APPEARANCE says."""
    for part in range(PART_COUNT):
        for channel in range(3):
            gain = appearance.gain[part, channel]
            buffers.colors[part, channel] = map_row.colors[part, channel] * gain
    fill_tones(buffers.colors, mode, buffers.mixed, tones)


@njit(cache=True, error_model="numpy", nogil=True)
def _lens_of(car, mount, shift):  # type: ignore[no-untyped-def]
    """The lens of a camera on a car."""
    cos = np.cos(car.yaw)
    sin = np.sin(car.yaw)
    left = mount.y + shift.left
    x = car.x + cos * mount.x - sin * left
    y = car.y + sin * mount.x + cos * left
    yaw = car.yaw + shift.yaw
    pitch = mount.pitch + shift.pitch
    return Lens(
        x,
        y,
        mount.z + shift.up,
        np.cos(yaw),
        np.sin(yaw),
        np.cos(pitch),
        np.sin(pitch),
        mount.focal,
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _picture_of(first, n):  # type: ignore[no-untyped-def]
    """Where picture `n` lies."""
    length = first.height * first.width * first.channels
    return Picture(first.pixels, n * length, first.height, first.width, first.channels)


@njit(cache=True, error_model="numpy", nogil=True)
def _spoil(picture, appearance, step, grains, line):  # type: ignore[no-untyped-def]
    """Blur a picture and add noise, as a row of APPEARANCE has it."""
    if appearance.blur > 0.0:
        blur_picture(picture, appearance.blur, line)
    if appearance.noise > 0.0:
        add_pixel_noise(picture, appearance.noise, appearance.seed, step, grains)


@njit(cache=True, error_model="numpy", nogil=True)
def _by_place(state):  # type: ignore[no-untyped-def]
    """Cars in the order of their places on the road, so that what one saw of the map is still near
    for the next.
    """
    place = np.empty(len(state))
    for n in range(len(state)):
        place[n] = 1e5 * state[n].track + state[n].s
    return np.argsort(place)
