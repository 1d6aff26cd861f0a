"""A grid of places on and beside a road, and cars that stand on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.sim.placement import placed_rows
from racer.sim.state import State
from racer.sim.step import locate_cars
from racer.track.spatial_index import PackedTracks, pack_tracks
from racer.track.track import Track
from racer.vehicle.car import FRONT_POINT_M

WEDGE_CELLS = 3  # cells around each, for the wedges that normals of a bend leave between them

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class RoadGrid:
    """Places on a grid that are on the road or near it.

    `x` (C,) and `y` (R,) m are those of its columns and rows; `row` and `column` (N,) tell which
    places count. `tangent` (N,) rad is the direction of the road there, `is_on_road` (N,) whether
    they are within its borders.
    """

    x: Array
    y: Array
    row: Indices
    column: Indices
    tangent: Array
    is_on_road: NDArray[np.bool_]

    @property
    def places(self) -> Array:
        """(N, 2) m."""
        return np.column_stack([self.x[self.column], self.y[self.row]])

    def fill(self, numbers: Array) -> Array:
        """(R, C) the numbers (N,) of the places; nan where there is none."""
        table = np.full((len(self.y), len(self.x)), np.nan)
        table[self.row, self.column] = numbers
        return table


def lay_grid(track: Track, cells: int, beside: float) -> RoadGrid:
    """A grid with about `cells` places on a track and up to `beside` m beside it."""
    area = track.length * (track.width.mean() + 2.0 * beside)
    size = float(np.sqrt(area / cells))
    borders = np.vstack([track.inner, track.outer])
    low = borders.min(axis=0) - beside
    high = borders.max(axis=0) + beside
    columns, rows = np.ceil((high - low) / size).astype(np.int64) + 1
    x = low[0] + (np.arange(columns) + 0.5) * size
    y = low[1] + (np.arange(rows) + 0.5) * size
    cell = np.floor((_points_around(track, size, beside) - low) / size).astype(np.int64)
    row, column = np.nonzero(_cells_near(cell, rows, columns))
    return _keep_near(track, beside, x, y, row, column)


def cars_at(
    track: Track, xy: Array, yaw: Array, speed: float = 1.0, steering_deg: float = 0.0
) -> State:
    """(N,) cars whose front points are at `xy` (N, 2) m, heading `yaw` (N,) rad."""
    rows = placed_rows(track, np.zeros(len(xy)), speed=speed, steering_deg=steering_deg)
    rows["yaw"] = geometry.wrap_angle(np.asarray(yaw, dtype=np.float64))
    rows["x"] = xy[:, 0] - FRONT_POINT_M * np.cos(yaw)
    rows["y"] = xy[:, 1] - FRONT_POINT_M * np.sin(yaw)
    return locate_cars(rows, _pack_once(track))


def _points_around(track: Track, size: float, beside: float) -> Array:
    """(M, 2) points on normals of the center line, closer to each other than cells are."""
    reach = float(track.width.max()) + beside
    s = np.linspace(0.0, track.length, int(2.0 * track.length / size) + 2)
    offset = np.arange(-reach, reach + size, 0.5 * size)
    after = np.clip(np.searchsorted(track.s, s, side="right"), 1, len(track.s) - 1)
    step = track.center[after] - track.center[after - 1]
    length = np.maximum(np.hypot(*step.T), 1e-12)
    normal = np.column_stack([-step[:, 1], step[:, 0]]) / length[:, None]
    foot = geometry.point_at(track.center, s)
    points = foot[:, None] + offset[:, None] * normal[:, None]
    return np.asarray(points.reshape(-1, 2))


def _cells_near(cell: NDArray[np.int64], rows: int, columns: int) -> NDArray[np.bool_]:
    """(rows, columns) the cells (M, 2: column and row) of points around the road, and those around
    them.
    """
    from scipy.ndimage import binary_dilation

    is_inside = ((cell >= 0) & (cell < (columns, rows))).all(axis=1)
    column, row = cell[is_inside].T
    near = np.zeros((rows, columns), dtype=np.bool_)
    near[row, column] = True
    side = 2 * WEDGE_CELLS + 1
    return np.asarray(binary_dilation(near, structure=np.ones((side, side))))


def _keep_near(
    track: Track, beside: float, x: Array, y: Array, row: Indices, column: Indices
) -> RoadGrid:
    """The grid with those places alone that are on the road or at most `beside` m beside it."""
    cars = cars_at(track, np.column_stack([x[column], y[row]]), np.zeros(len(row)))
    to_borders = cars["inner_distance"] + cars["outer_distance"]
    is_near = to_borders <= cars["width"] + 2.0 * beside
    step = track.center[cars["next"]] - track.center[cars["previous"]]
    is_wrapped = cars["next"] < cars["previous"]  # at the very end of the line
    if track.is_loop:
        step[is_wrapped] = track.center[1] - track.center[0]
    else:
        step[is_wrapped] = track.center[-1] - track.center[-2]
    tangent = np.arctan2(step[:, 1], step[:, 0])
    is_on_road = to_borders < cars["width"] + 1e-3
    return RoadGrid(x, y, row[is_near], column[is_near], tangent[is_near], is_on_road[is_near])


@lru_cache(maxsize=8)
def _pack_once(track: Track) -> PackedTracks:
    return pack_tracks([track])
