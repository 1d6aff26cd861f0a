"""A picture of what a car's sensors tell at one place: map, cameras, LIDAR, features."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.projections.polar import PolarAxes
from numpy.typing import NDArray

from racer.plotting import style
from racer.plotting.track import BOX_OUTLINE, draw_track, place_outline
from racer.sensors import (
    FARTHEST_M,
    FEATURE_NAMES,
    RAY_ANGLES_RAD,
    car_features,
    encode_discretized_lidar,
    encode_sector_lidar,
    scan_lidar,
)
from racer.sensors.camera import (
    FRONT_CAMERA,
    Camera,
    map_ground,
    render_camera,
    render_stereo,
    wall_segments,
)
from racer.sim import VISIBLE_SIZE_M, Obstacles, State
from racer.track import Track, pack_tracks
from racer.vehicle import FOOTPRINT_M

Array = NDArray[np.float64]

LARGE_CAMERA = Camera(640, 480, gray=False)
FINE_CELL_M = 0.0015  # squares of the ground in the large picture
MIN_LIDAR_RADIUS_M = 2.0  # that the picture of the LIDAR reaches, at least

_VIEW_LENGTH_M = 0.9  # of the two lines that bound what the front camera may see
_HALF_VIEW_RAD = 0.565


def sensor_figure(
    state: State, obstacles: Obstacles, tracks: tuple[Track, ...], title: str
) -> Figure:
    """A figure of what the first car of `state` perceives, with `obstacles` (1, K) before it; its
    `track` is an index into `tracks`.
    """
    track = tracks[int(state["track"][0])]
    ground_map = map_ground(tracks)
    large = render_camera(state, obstacles, map_ground(tracks, FINE_CELL_M), LARGE_CAMERA)[0]
    small = render_camera(state, obstacles, ground_map, FRONT_CAMERA)[0]
    distances = _scan(state, obstacles, tracks)
    with style.style_context():
        figure = style.Picture(figsize=(12.0, 8.4), layout="constrained")
        figure.suptitle(title)
        grid: Any = figure.add_gridspec(3, 4, height_ratios=[1.0, 0.9, 1.25])
        _draw_place(state[0], obstacles[0], track, figure.add_subplot(grid[0, :2]))
        large_ax = figure.add_subplot(grid[:2, 2:])
        _draw_picture(large, large_ax, "front camera, 640 x 480")
        small_ax = figure.add_subplot(grid[1, 0])
        _draw_picture(small, small_ax, "FRONT_FACING_CAMERA: 160 x 120")
        stereo_ax = figure.add_subplot(grid[2, 0:2])
        stereo = render_stereo(state, obstacles, ground_map)[0]
        _draw_picture(_side_by_side(stereo), stereo_ax, "STEREO_CAMERAS: left and right")
        _draw_scan(distances, figure.add_subplot(grid[2, 2], projection="polar"))
        features = car_features(state, pack_tracks(tracks))[0]
        _draw_features(features, figure.add_subplot(grid[2, 3]))
        _draw_sectors(distances, figure.add_subplot(grid[1, 1]))
    return figure


def _scan(state: State, obstacles: Obstacles, tracks: tuple[Track, ...]) -> Array:
    """(R,) m that the LIDAR of the first car measures along its rays, without noise."""
    walls = np.stack([wall_segments(track) for track in tracks])
    out = np.empty((1, len(RAY_ANGLES_RAD)))
    return np.asarray(scan_lidar(state, obstacles, walls, out)[0])


def _side_by_side(stereo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Both pictures of a stereo pair (H, W, 2) with a white gap between them."""
    gap = np.full((len(stereo), 8), 255, np.uint8)
    return np.concatenate([stereo[..., 0], gap, stereo[..., 1]], axis=1)


def _draw_place(car: np.void, obstacles: Obstacles, track: Track, ax: Axes) -> None:
    """The track from above, with the car and what stands on the road."""
    style.hide_frame(ax)
    draw_track(track, ax)
    for obstacle in obstacles:
        outline = _rectangle(obstacle, VISIBLE_SIZE_M[obstacle["kind"]][:2])
        ax.add_patch(Polygon(outline, color=style.PALETTE[1], zorder=5))
    ax.add_patch(Polygon(_rectangle(car, FOOTPRINT_M), color=style.PALETTE[0], zorder=6))
    for angle in (-_HALF_VIEW_RAD, _HALF_VIEW_RAD):
        dx = _VIEW_LENGTH_M * np.cos(car["yaw"] + angle)
        dy = _VIEW_LENGTH_M * np.sin(car["yaw"] + angle)
        ax.plot(
            [car["x"], car["x"] + dx],
            [car["y"], car["y"] + dy],
            color=style.PALETTE[0],
            linewidth=1.0,
        )
    ax.set_title("the car and what its front camera may see")


def _rectangle(row: np.void, size: tuple[float, ...]) -> Array:
    """(4, 2) m corners of a rectangle of that length and width where `row` has its middle."""
    return place_outline(BOX_OUTLINE * size, row["x"], row["y"], row["yaw"])


def _draw_picture(picture: NDArray[np.uint8], ax: Axes, title: str) -> None:
    style.hide_frame(ax)
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_title(title)


def _draw_scan(distances: Array, ax: Axes) -> None:
    """The distances around the car, whose front is at the top."""
    assert isinstance(ax, PolarAxes)
    ax.set_theta_zero_location("N")
    is_hit = distances < FARTHEST_M
    hits = distances[is_hit]
    ax.plot(RAY_ANGLES_RAD[is_hit], hits, ".", markersize=4, color=style.PALETTE[5])
    ax.set_rlim(0.0, max(MIN_LIDAR_RADIUS_M, 1.05 * float(hits.max(initial=0.0))))
    ax.set_xticklabels([])
    ax.set_title("LIDAR, m (blind ahead)")


def _draw_sectors(distances: Array, ax: Axes) -> None:
    """Both encodings of sectors, as text."""
    sectors = encode_sector_lidar(distances[None])[0].astype(int)
    discretized = encode_discretized_lidar(distances[None])[0].astype(int)
    lines = ["SECTOR_LIDAR", "  " + " ".join(map(str, sectors)), "", "DISCRETIZED_SECTOR_LIDAR"]
    for row in discretized.reshape(len(sectors), -1):
        lines.append("  " + "".join(map(str, row)))
    _write_lines(lines, ax, fontsize=8)


def _draw_features(values: NDArray[np.float32], ax: Axes) -> None:
    """All features, as a table."""
    lines = []
    for name, value in zip(FEATURE_NAMES, values, strict=True):
        short = name.split(" / ")[0].replace("center line ", "").replace(", left positive", "")
        lines.append(f"{value:+7.3f}  {short}")
    _write_lines(lines, ax, fontsize=6)
    ax.set_title("features")


def _write_lines(lines: list[str], ax: Axes, fontsize: float) -> None:
    """Write lines from the upper left corner on, in letters of one width."""
    ax.set_axis_off()
    ax.text(
        0.0,
        1.0,
        "\n".join(lines),
        va="top",
        family="monospace",
        fontsize=fontsize,
        transform=ax.transAxes,
    )
