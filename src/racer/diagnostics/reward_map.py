"""What a reward function pays all over a track: places on a grid, along the center line, and across
the road.

Every place is priced on its own: a car that drove there from the start line at the speed asked for.
A reward function that keeps state gets a fresh instance for every place. Before the place it is
called as an episode would call it: for the first step of one that begins there, and for the step
before the place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer import geometry
from racer.errors import UsageError
from racer.reward import REWARD_TIMEOUT_S, RewardBatch, RewardFunction
from racer.sim import State, build_params, locate_cars, placed_rows, waypoint_distance
from racer.track import PackedTracks, Track, pack_tracks
from racer.vehicle import FRONT_POINT_M, STEP_S

WEDGE_CELLS = 3  # cells around each, for the wedges that normals of a bend leave between them

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

CELL_COUNT = 9000  # places on and beside the road, by default
BEST_HEADING_CELL_COUNT = 3500  # where each has many headings
BESIDE_M = 0.25  # m beside the road that are shown too
MAX_BESIDE_M = 2.0
HEADINGS_DEG = np.arange(-60.0, 61.0, 7.5)  # deg relative to the road, of which the best is taken
ALONG_PLACES = 240  # of the slice along the center line
ACROSS_PLACES = 61  # of a slice across the road
FIRST_CALL_STEPS = 2  # `steps` of the first call of an episode
MIN_SPEED_MPS = 0.1  # of the way to a place at which the car stands
SAMPLE_PLACES = 32  # places after which it is known whether a file keeps state
CHUNK_PLACES = 200  # params that are built at a time


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


@dataclass(frozen=True)
class MapSettings:
    """How the car stands at every place: `speed` m/s, `steering_deg` degrees, and `heading_deg`
    relative to the road (None: whichever of HEADINGS_DEG is paid best).
    """

    speed: float = 2.0
    steering_deg: float = 0.0
    heading_deg: float | None = 0.0


STRAIGHT_AHEAD = MapSettings()


@dataclass(frozen=True, eq=False)
class MapSlice:
    """Prices (K,) along a line of places: over the distance from the start line, or over the offset
    to the left, m.
    """

    name: str
    at: Array
    price: Array

    @property
    def best_place(self) -> float:
        """The middle of the best paid places, m."""
        best = self.at[self.price >= self.price.max() - 1e-12]
        middle = 0.5 * (best[0] + best[-1])
        return float(best[np.abs(best - middle).argmin()])


@dataclass(frozen=True, eq=False)
class RewardMap:
    """Prices on a grid: `price` (R, C), nan where there is no place, of the places `x` (C,) and
    `y` (R,), m.

    `on_road` (R, C) tells places within the borders, `heading_deg` (R, C) the heading relative to
    the road for which the price is, `yaw` (R, C) rad the same in the world. `keeps_state` tells
    that every place had a fresh instance.
    """

    x: Array
    y: Array
    price: Array
    on_road: NDArray[np.bool_]
    heading_deg: Array
    yaw: Array
    along: MapSlice
    across: tuple[MapSlice, ...]
    keeps_state: bool


@dataclass(frozen=True)
class MapPlace:
    """One place of a map: what is paid there, and where it is.

    `x`, `y` m; `waypoint` the last one before it; `offset` m from the center line, positive to the
    left; `heading_deg` degrees relative to the road.
    """

    reward: float
    x: float
    y: float
    waypoint: int
    offset: float
    heading_deg: float


def map_reward(
    reward: RewardFunction,
    track: Track,
    settings: MapSettings = STRAIGHT_AHEAD,
    *,
    waypoints: Sequence[int] | None = None,
    cells: int | None = None,
    beside: float = BESIDE_M,
    timeout: float = REWARD_TIMEOUT_S,
) -> RewardMap:
    """The prices of about `cells` places on `track` and up to `beside` m beside it, and slices
    through them.

    Without `cells` there are as many as take a second or two. `waypoints` say where the road is
    crossed (three places around the lap unless given). `timeout` in s a call. Raises RewardRefused
    when a call fails, UsageError for a car that cannot be.
    """
    if cells is None:
        cells = BEST_HEADING_CELL_COUNT if settings.heading_deg is None else CELL_COUNT
    _check(settings, cells, beside)
    grid = lay_grid(track, cells, beside)
    pricing = _MapPricing(reward, track, settings, timeout)
    price, heading_deg = pricing.best_prices(grid.places, grid.tangent)
    return RewardMap(
        x=grid.x,
        y=grid.y,
        price=grid.fill(price),
        on_road=_fill_flags(grid),
        heading_deg=grid.fill(heading_deg),
        yaw=grid.fill(geometry.wrap_angle(grid.tangent + np.radians(heading_deg))),
        along=_slice_along(pricing, track),
        across=tuple(_slices_across(pricing, track, waypoints, beside)),
        keeps_state=bool(pricing.keeps_state),
    )


def subtract_maps(reward_map: RewardMap, other: RewardMap) -> RewardMap:
    """The prices of a map less those of `other`, which has the same settings on the same track."""
    across = [
        _subtract_slices(own, others)
        for own, others in zip(reward_map.across, other.across, strict=True)
    ]
    return replace(
        reward_map,
        price=reward_map.price - other.price,
        along=_subtract_slices(reward_map.along, other.along),
        across=tuple(across),
        keeps_state=reward_map.keeps_state or other.keeps_state,
    )


def best_and_worst_place(reward_map: RewardMap, track: Track) -> tuple[MapPlace, MapPlace]:
    """Where a map pays most, and where least."""
    best = int(np.nanargmax(reward_map.price))
    worst = int(np.nanargmin(reward_map.price))
    return _describe_place(reward_map, track, best), _describe_place(reward_map, track, worst)


class _MapPricing:
    """Prices of places, each as if no call had been made before (a class: it learns whether the
    file keeps state).
    """

    def __init__(
        self, reward: RewardFunction, track: Track, settings: MapSettings, timeout: float
    ) -> None:
        self.reward = reward
        self.track = track
        self.settings = settings
        self.timeout = timeout
        self.keeps_state: bool | None = None
        self.batch = RewardBatch(reward, 1, timeout=timeout)
        self.step_m = max(settings.speed, MIN_SPEED_MPS) * STEP_S  # m of a step on the way there

    def best_prices(self, xy: Array, tangent: Array) -> tuple[Array, Array]:
        """(N,) prices of places (N, 2), and the heading each is for, degrees relative to the road
        (N,) rad.
        """
        best_price = np.full(len(xy), -np.inf)
        best_heading = np.zeros(len(xy))
        for heading_deg in self._headings():
            price = self._prices(self._arrived_cars(xy, tangent + np.radians(heading_deg)))
            is_better = price > best_price  # of equal ones the straightest
            best_price = np.where(is_better, price, best_price)
            best_heading = np.where(is_better, heading_deg, best_heading)
        return best_price, best_heading

    def _headings(self) -> Array:
        """The headings to try, degrees relative to the road, the straightest first."""
        if self.settings.heading_deg is None:
            return HEADINGS_DEG[np.argsort(np.abs(HEADINGS_DEG), kind="stable")]
        return np.array([self.settings.heading_deg])

    def slice_prices(self, s: ArrayLike, offset: ArrayLike) -> Array:
        """(N,) prices of places `offset` m to the left of the center line at `s` m."""
        cars = placed_rows(self.track, s, offset=offset)
        places = np.column_stack([cars["front_x"], cars["front_y"]])
        return self.best_prices(places, cars["yaw"].copy())[0]

    def _arrived_cars(self, xy: Array, yaw: Array) -> State:
        """Cars with the progress, steps and clock of one that came from the start line at the speed
        asked for.
        """
        settings = self.settings
        cars = cars_at(self.track, xy, yaw, settings.speed, settings.steering_deg)
        cars["progress"] = np.minimum(100.0 * cars["s"] / self.track.length, 100.0)
        cars["progress_before"] = cars["progress"]
        cars["start"] = 0.0
        cars["steps"] = FIRST_CALL_STEPS + np.round(cars["s"] / self.step_m).astype(np.int32)
        cars["clock"] = STEP_S * (cars["steps"] - 1.0)
        return cars

    def _first_cars(self, cars: State) -> State:
        """The same cars at the first call of an episode that began a step before them."""
        first = cars.copy()
        first["steps"] = FIRST_CALL_STEPS
        first["clock"] = STEP_S
        since = 100.0 * self.step_m * (cars["steps"] - FIRST_CALL_STEPS) / self.track.length
        first["progress"] = np.maximum(cars["progress"] - since, 0.0)
        first["progress_before"] = first["progress"]
        first["start"] = (first["s"] / self.track.length - 0.01 * first["progress"]) % 1.0
        return first

    def _cars_before(self, cars: State) -> State:
        """The cars a step before, straight behind where they are."""
        step_m = self.settings.speed * STEP_S
        direction = np.column_stack([np.cos(cars["yaw"]), np.sin(cars["yaw"])])
        xy = np.column_stack([cars["front_x"], cars["front_y"]]) - step_m * direction
        before = self._arrived_cars(xy, cars["yaw"].copy())
        before["steps"] = cars["steps"] - 1
        before["clock"] = cars["clock"] - STEP_S
        return before

    def _prices(self, cars: State) -> Array:
        if self.keeps_state is None:
            self._learn_state(cars[:: max(1, len(cars) // SAMPLE_PLACES)])
        prices = [np.empty(0)]
        for start in range(0, len(cars), CHUNK_PLACES):
            chunk = cars[start : start + CHUNK_PLACES]
            if self.keeps_state:
                prices.append(self._fresh_prices(chunk))
            else:
                params = self._params(chunk)
                prices.append(self.batch(params, [0] * len(params)))
        return np.concatenate(prices)

    def _fresh_prices(self, cars: State) -> Array:
        """(N,) prices by a fresh instance each."""
        fresh = RewardBatch(self.reward, len(cars), timeout=self.timeout)
        return self._episode_prices(fresh, cars)

    def _episode_prices(self, batch: RewardBatch, cars: State) -> Array:
        """(N,) prices by the first N instances of a batch, called before as an episode would."""
        first = np.flatnonzero(cars["steps"] > FIRST_CALL_STEPS)
        batch(self._params(self._first_cars(cars[first])), first.tolist())
        before = np.flatnonzero(cars["steps"] > FIRST_CALL_STEPS + 1)
        batch(self._params(self._cars_before(cars[before])), before.tolist())
        return batch(self._params(cars), list(range(len(cars))))

    def _learn_state(self, cars: State) -> None:
        """Call all instances but one for some places, and compare them with that one."""
        batch = RewardBatch(self.reward, len(cars) + 1, timeout=self.timeout)
        self._episode_prices(batch, cars)
        *called, untouched = json.loads(batch.snapshot())["cars"]
        is_changed = any(instance != untouched for instance in called)
        self.keeps_state = is_changed or bool(batch.unsaved)

    def _params(self, cars: State) -> list[dict[str, object]]:
        return [dict(params) for params in build_params(cars, [self.track])]


def _check(settings: MapSettings, cells: int, beside: float) -> None:
    numbers = {
        "speed": settings.speed,
        "steering": settings.steering_deg,
        "heading": settings.heading_deg or 0.0,
    }
    for name, number in numbers.items():
        if not np.isfinite(number):
            raise UsageError(f"the {name} of a car is a number, not {number}")
    if settings.speed < 0.0:
        raise UsageError(f"no car drives at {settings.speed:g} m/s: give a speed of 0 or more")
    if cells < 1 or not 0.0 <= beside <= MAX_BESIDE_M:
        raise UsageError("a map has at least one place, and shows at most 2 m beside the road")


def _fill_flags(grid: RoadGrid) -> NDArray[np.bool_]:
    on_road = np.zeros((len(grid.y), len(grid.x)), dtype=np.bool_)
    on_road[grid.row, grid.column] = grid.is_on_road
    return on_road


def _slice_along(pricing: _MapPricing, track: Track) -> MapSlice:
    s = np.linspace(0.0, track.length, ALONG_PLACES, endpoint=False)
    return MapSlice("center line", s, pricing.slice_prices(s, 0.0))


def _slices_across(
    pricing: _MapPricing, track: Track, waypoints: Sequence[int] | None, beside: float
) -> list[MapSlice]:
    if waypoints is None:
        count = len(track.center) - 1
        waypoints = [count // 8, count // 2, 5 * count // 6]
    slices = []
    for waypoint in waypoints:
        s = waypoint_distance(track, waypoint)
        nearest = int(np.argmin(np.abs(track.s - s)))
        half = 0.5 * float(track.width[nearest]) + beside
        offset = np.linspace(-half, half, ACROSS_PLACES)
        price = pricing.slice_prices(np.full(ACROSS_PLACES, s), offset)
        slices.append(MapSlice(f"waypoint {waypoint}", offset, price))
    return slices


def _subtract_slices(map_slice: MapSlice, other: MapSlice) -> MapSlice:
    return replace(map_slice, price=map_slice.price - other.price)


def _describe_place(reward_map: RewardMap, track: Track, index: int) -> MapPlace:
    """The place of that number in the flat table of prices."""
    row, column = divmod(index, reward_map.price.shape[1])
    spot = np.array([[reward_map.x[column], reward_map.y[row]]])
    _, segment, foot = geometry.project_points(track.center, spot)
    waypoint = int(segment[0])
    along = track.center[waypoint + 1] - track.center[waypoint]
    away = (spot - foot)[0]
    left = along[0] * away[1] - along[1] * away[0]
    return MapPlace(
        reward=float(reward_map.price[row, column]),
        x=float(spot[0, 0]),
        y=float(spot[0, 1]),
        waypoint=waypoint,
        offset=float(np.copysign(np.hypot(*away), left)),
        heading_deg=float(reward_map.heading_deg[row, column]),
    )
