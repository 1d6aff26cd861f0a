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
from racer.sensors.camera.arena import walls
from racer.sensors.camera.camera import FRONT, Camera, render, stereo
from racer.sensors.camera.ground_map import scenery
from racer.sensors.features import NAMES, features
from racer.sim.obstacles import SHAPE, Bodies
from racer.sim.state import State
from racer.track.spatial_index import pack
from racer.track.track import Track
from racer.vehicle.car import FOOTPRINT

Array = NDArray[np.float64]

LARGE = Camera(640, 480, gray=False)
FINE = 0.0015  # m, squares of the ground in the large picture
SHOWN = 2.0  # m that the picture of the LIDAR reaches, at least


def senses(state: State, bodies: Bodies, tracks: tuple[Track, ...], title: str) -> Figure:
    """A figure of what the first car of `state` sees, with `bodies` (1, K) before it, on `tracks`
    by its `road`.
    """
    track = tracks[int(state["road"][0])]
    with style.style():
        figure = Figure(figsize=(12.0, 8.4), layout="constrained")
        figure.suptitle(title)
        grid: Any = figure.add_gridspec(3, 4, height_ratios=[1.0, 0.9, 1.25])
        _draw_place(state[0], bodies[0], track, figure.add_subplot(grid[0, :2]))
        _draw_picture(render(state, bodies, scenery(tracks, FINE), LARGE)[0], figure.add_subplot(grid[:2, 2:]),
                      "front camera, 640 x 480")  # fmt: skip
        ground = scenery(tracks)
        _draw_picture(render(state, bodies, ground, FRONT)[0], figure.add_subplot(grid[1, 0]),
                      "FRONT_FACING_CAMERA: 160 x 120")  # fmt: skip
        pair = stereo(state, bodies, ground)[0]
        both = np.concatenate(
            [pair[..., 0], np.full((120, 8), 255, np.uint8), pair[..., 1]], axis=1
        )
        _draw_picture(both, figure.add_subplot(grid[2, 0:2]), "STEREO_CAMERAS: left and right")
        around = np.stack([walls(road) for road in tracks])
        distance = lidar.scan(state, bodies, around, np.empty((1, len(lidar.RAYS))))[0]
        _draw_scan(distance, figure.add_subplot(grid[2, 2], projection="polar"))
        _draw_features(features(state, pack(tracks))[0], figure.add_subplot(grid[2, 3]))
        _draw_sectors(distance, figure.add_subplot(grid[1, 1]))
    return figure


def _draw_place(car: np.void, bodies: Bodies, track: Track, ax: Axes) -> None:
    """The track from above, with the car and what stands on the road."""
    style.bare(ax)
    draw_track(track, ax)
    for body in bodies:
        ax.add_patch(
            Polygon(_rectangle(body, SHAPE[body["kind"]][:2]), color=style.PALETTE[1], zorder=5)
        )
    ax.add_patch(Polygon(_rectangle(car, FOOTPRINT), color=style.PALETTE[0], zorder=6))
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
    style.bare(ax)
    ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_title(title)


def _draw_scan(distance: Array, ax: Axes) -> None:
    """The distances around the car, whose front is at the top."""
    assert isinstance(ax, PolarAxes)
    ax.set_theta_zero_location("N")
    near = distance < lidar.FARTHEST
    ax.plot(lidar.RAYS[near], distance[near], ".", markersize=4, color=style.PALETTE[5])
    ax.set_rlim(0.0, max(SHOWN, 1.05 * float(distance[near].max(initial=0.0))))
    ax.set_xticklabels([])
    ax.set_title("LIDAR, m (blind ahead)")


def _draw_sectors(distance: Array, ax: Axes) -> None:
    """The two encodings of sectors, as words."""
    ax.set_axis_off()
    sectors = lidar.sector_lidar(distance[None])[0].astype(int)
    hot = lidar.discretized(distance[None])[0].astype(int).reshape(len(sectors), -1)
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
        for name in NAMES
    ]
    lines = [f"{value:+7.3f}  {name}" for value, name in zip(values, short, strict=True)]
    ax.text(
        0.0, 1.0, "\n".join(lines), va="top", family="monospace", fontsize=6, transform=ax.transAxes
    )
    ax.set_title("features")
