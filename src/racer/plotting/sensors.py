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
from racer.plotting.track import draw_track
from racer.sensors import lidar
from racer.sensors.camera.arena import wall_segments
from racer.sensors.camera.camera import FRONT_CAMERA, Camera, render_camera, render_stereo
from racer.sensors.camera.ground_map import map_ground
from racer.sensors.features import FEATURE_NAMES, car_features
from racer.sim.obstacles import VISIBLE_SIZE_M, Obstacles
from racer.sim.state import State
from racer.track.spatial_index import pack_tracks
from racer.track.track import Track
from racer.vehicle.car import FOOTPRINT_M

Array = NDArray[np.float64]

LARGE_CAMERA = Camera(640, 480, gray=False)
FINE_CELL_M = 0.0015  # m, squares of the ground in the large picture
MIN_LIDAR_RADIUS_M = 2.0  # m that the picture of the LIDAR reaches, at least


def sensor_figure(
    state: State, obstacles: Obstacles, tracks: tuple[Track, ...], title: str
) -> Figure:
    """A figure of what the first car of `state` sees, with `bodies` (1, K) before it, on `tracks`
    by its `road`.
    """
    track = tracks[int(state["road"][0])]
    with style.style_context():
        figure = Figure(figsize=(12.0, 8.4), layout="constrained")
        figure.suptitle(title)
        grid: Any = figure.add_gridspec(3, 4, height_ratios=[1.0, 0.9, 1.25])
        _draw_place(state[0], obstacles[0], track, figure.add_subplot(grid[0, :2]))
        _draw_picture(render_camera(state, obstacles, map_ground(tracks, FINE_CELL_M), LARGE_CAMERA)[0], figure.add_subplot(grid[:2, 2:]),
                      "front camera, 640 x 480")  # fmt: skip
        ground = map_ground(tracks)
        _draw_picture(render_camera(state, obstacles, ground, FRONT_CAMERA)[0], figure.add_subplot(grid[1, 0]),
                      "FRONT_FACING_CAMERA: 160 x 120")  # fmt: skip
        pair = render_stereo(state, obstacles, ground)[0]
        both = np.concatenate(
            [pair[..., 0], np.full((120, 8), 255, np.uint8), pair[..., 1]], axis=1
        )
        _draw_picture(both, figure.add_subplot(grid[2, 0:2]), "STEREO_CAMERAS: left and right")
        around = np.stack([wall_segments(road) for road in tracks])
        distance = lidar.scan_lidar(
            state, obstacles, around, np.empty((1, len(lidar.RAY_ANGLES_RAD)))
        )[0]
        _draw_scan(distance, figure.add_subplot(grid[2, 2], projection="polar"))
        _draw_features(car_features(state, pack_tracks(tracks))[0], figure.add_subplot(grid[2, 3]))
        _draw_sectors(distance, figure.add_subplot(grid[1, 1]))
    return figure


def _draw_place(car: np.void, bodies: Obstacles, track: Track, ax: Axes) -> None:
    """The track from above, with the car and what stands on the road."""
    style.hide_frame(ax)
    draw_track(track, ax)
    for body in bodies:
        ax.add_patch(
            Polygon(
                _rectangle(body, VISIBLE_SIZE_M[body["kind"]][:2]), color=style.PALETTE[1], zorder=5
            )
        )
    ax.add_patch(Polygon(_rectangle(car, FOOTPRINT_M), color=style.PALETTE[0], zorder=6))
    far = 0.9 * np.array(
        [
            np.cos(car["yaw"] + np.array([-0.565, 0.565])),
            np.sin(car["yaw"] + np.array([-0.565, 0.565])),
        ]
    )
    for dx, dy in far.T:
        ax.plot(
            [car["x"], car["x"] + dx],
            [car["y"], car["y"] + dy],
            color=style.PALETTE[0],
            linewidth=1.0,
        )
    ax.set_title("the car and what its front camera may see")


def _rectangle(row: np.void, size: tuple[float, ...]) -> Array:
    corner = 0.5 * np.array(size[:2]) * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    c, s = np.cos(row["yaw"]), np.sin(row["yaw"])
    return np.column_stack([row["x"] + corner @ [c, -s], row["y"] + corner @ [s, c]])


def _draw_picture(picture: NDArray[np.uint8], ax: Axes, title: str) -> None:
    style.hide_frame(ax)
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_title(title)


def _draw_scan(distance: Array, ax: Axes) -> None:
    """The distances around the car, whose front is at the top."""
    assert isinstance(ax, PolarAxes)
    ax.set_theta_zero_location("N")
    near = distance < lidar.FARTHEST_M
    ax.plot(lidar.RAY_ANGLES_RAD[near], distance[near], ".", markersize=4, color=style.PALETTE[5])
    ax.set_rlim(0.0, max(MIN_LIDAR_RADIUS_M, 1.05 * float(distance[near].max(initial=0.0))))
    ax.set_xticklabels([])
    ax.set_title("LIDAR, m (blind ahead)")


def _draw_sectors(distance: Array, ax: Axes) -> None:
    """The two encodings of sectors, as words."""
    ax.set_axis_off()
    sectors = lidar.encode_sector_lidar(distance[None])[0].astype(int)
    hot = lidar.encode_discretized_lidar(distance[None])[0].astype(int).reshape(len(sectors), -1)
    lines = ["SECTOR_LIDAR", "  " + " ".join(map(str, sectors)), "", "DISCRETIZED_SECTOR_LIDAR"]
    lines += ["  " + "".join(map(str, row)) for row in hot]
    ax.text(
        0.0, 1.0, "\n".join(lines), va="top", family="monospace", fontsize=8, transform=ax.transAxes
    )


def _draw_features(values: NDArray[np.float32], ax: Axes) -> None:
    """All features, as a table."""
    ax.set_axis_off()
    short = [
        name.split(" / ")[0].replace("center line ", "").replace(", left positive", "")
        for name in FEATURE_NAMES
    ]
    lines = [f"{value:+7.3f}  {name}" for value, name in zip(values, short, strict=True)]
    ax.text(
        0.0, 1.0, "\n".join(lines), va="top", family="monospace", fontsize=6, transform=ax.transAxes
    )
    ax.set_title("features")
