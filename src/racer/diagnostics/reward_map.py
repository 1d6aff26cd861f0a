"""What a reward function pays all over a track: places on a grid, along the center line, and across
the road.

Every place is asked on its own: a car that drove there from the start line at the speed asked for.
A reward function that keeps state gets a fresh instance for every place, as on the first call of an
episode.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer import geometry
from racer.errors import UsageError
from racer.reward import RewardBatch, RewardFunction
from racer.reward.batch import REWARD_TIMEOUT_S
from racer.sim import placement as scene
from racer.sim.params import build_params
from racer.sim.state import State
from racer.sim.step import locate_cars
from racer.track.spatial_index import PackedTracks, pack_tracks
from racer.track.track import Track
from racer.vehicle.car import FRONT_POINT_M, STEP_S

# places on and beside the road, by default; where each has many headings
CELLS, CELLS_OF_BEST = 9000, 3500
BESIDE_M = 0.25  # m beside the road that are shown too
HEADINGS_DEG = np.arange(-60.0, 61.0, 7.5)  # deg relative to the road, of which the best is taken
ALONG, ACROSS = 240, 61  # places of a slice
SAMPLE_CALLS = 64  # calls after which it is known whether a file keeps state
CHUNK_PLACES = 200  # params that are built at a time

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MapSettings:
    """How the car stands at every place: m/s, degrees, degrees relative to the road (None: the best
    of `HEADINGS`).
    """

    speed: float = 2.0
    steering_deg: float = 0.0
    heading_deg: float | None = 0.0


STRAIGHT_AHEAD = MapSettings()


@dataclass(frozen=True, eq=False)
class MapSlice:
    """Prices (K,) along a line of places: over distance from the start line or over offset to the
    left, m.
    """

    name: str
    at: Array
    price: Array


@dataclass(frozen=True, eq=False)
class RewardMap:
    """Prices on a grid: `price` (R, C), nan where nobody asked, of the places `x` (C,) and `y`
    (R,), m.

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
    crossed (three places around the lap unless given). Raises RewardRefused when a call fails,
    UsageError for a question that no car can be asked.
    """
    cells = cells or (CELLS_OF_BEST if settings.heading_deg is None else CELLS)
    _check(settings, cells, beside)
    x, y, row, column = _cells(track, cells, beside)
    kept, tangent = _placed(track, x[column], y[row], beside)
    row, column, tangent = row[kept], column[kept], tangent[kept]
    pricing = _Pricing(reward, timeout)
    xy = np.column_stack([x[column], y[row]])
    price, heading = _best(pricing, track, xy, tangent, settings)
    road = locate_cars(_rows(track, xy, tangent, settings), _packed(track))
    table = {name: np.full((len(y), len(x)), np.nan) for name in ("price", "heading", "yaw")}
    on_road = np.zeros((len(y), len(x)), dtype=np.bool_)
    table["price"][row, column], table["heading"][row, column] = price, heading
    table["yaw"][row, column] = geometry.wrap_angle(tangent + np.radians(heading))
    on_road[row, column] = road["inner_distance"] + road["outer_distance"] < road["width"] + 1e-3
    along = _along(pricing, track, settings)
    across = tuple(_across(pricing, track, settings, waypoints, beside))
    is_fresh = bool(pricing.keeps_state)
    return RewardMap(
        x, y, table["price"], on_road, table["heading"], table["yaw"], along, across, is_fresh
    )


def subtract_maps(one: RewardMap, other: RewardMap) -> RewardMap:
    """The prices of `one` less those of `other`, which was asked the same on the same track."""
    slices = [
        replace(mine, price=mine.price - theirs.price)
        for mine, theirs in zip((one.along, *one.across), (other.along, *other.across), strict=True)
    ]
    return replace(
        one,
        price=one.price - other.price,
        along=slices[0],
        across=tuple(slices[1:]),
        keeps_state=one.keeps_state or other.keeps_state,
    )


class _Pricing:
    """Prices of places, each as if nothing had been asked before (a class: it learns whether the
    file keeps state).
    """

    def __init__(self, reward: RewardFunction, timeout: float) -> None:
        self.reward, self.timeout = reward, timeout
        self.keeps_state: bool | None = None
        self.batch = RewardBatch(reward, 2, timeout=timeout)

    def __call__(self, rows: State, track: Track) -> Array:
        """(N,) prices of rows on one track."""
        if self.keeps_state is None:
            self._try_out(rows[:: max(1, len(rows) // SAMPLE_CALLS)], track)
        parts = [rows[k : k + CHUNK_PLACES] for k in range(0, len(rows), CHUNK_PLACES)]
        return np.concatenate([np.empty(0), *(self._priced(part, track) for part in parts)])

    def _priced(self, rows: State, track: Track) -> Array:
        given = [dict(p) for p in build_params(rows, [track])]
        if self.keeps_state:
            return RewardBatch(self.reward, len(given), timeout=self.timeout)(given)
        return self.batch(given, [0] * len(given))

    def _try_out(self, rows: State, track: Track) -> None:
        """One of two instances is asked, and compared with the other."""
        given = [dict(p) for p in build_params(rows, [track])]
        self.batch(given, [1] * len(given))
        cars = pickle.loads(self.batch.snapshot())["cars"]
        is_savable = not any("cannot be saved" in note for note in self.batch.notes())
        self.keeps_state = cars[0] != cars[1] or not is_savable


def _check(question: MapSettings, cells: int, beside: float) -> None:
    numbers = {
        "speed": question.speed,
        "steering": question.steering_deg,
        "heading": question.heading_deg or 0.0,
    }
    for name, value in numbers.items():
        if not np.isfinite(value):
            raise UsageError(f"the {name} of a car is a number, not {value}")
    if question.speed < 0.0:
        raise UsageError(f"no car drives at {question.speed:g} m/s: give a speed of 0 or more")
    if cells < 1 or not 0.0 <= beside <= 2.0:
        raise UsageError("a map has at least one place, and shows at most 2 m beside the road")


def _cells(
    track: Track, cells: int, beside: float
) -> tuple[Array, Array, NDArray[np.intp], NDArray[np.intp]]:
    """x (C,) and y (R,) of a grid, and rows and columns of those places that may be on or near the
    road.
    """
    size = float(np.sqrt(track.length * (track.width.mean() + 2.0 * beside) / cells))
    reach = float(track.width.max()) + beside
    s = np.linspace(0.0, track.length, int(2.0 * track.length / size) + 2)
    aside = np.arange(-reach, reach + size, 0.5 * size)
    ahead = np.clip(np.searchsorted(track.s, s, side="right"), 1, len(track.s) - 1)
    step = track.center[ahead] - track.center[ahead - 1]
    normal = (
        np.column_stack([-step[:, 1], step[:, 0]]) / np.maximum(np.hypot(*step.T), 1e-12)[:, None]
    )
    spots = (
        geometry.point_at(track.center, s)[:, None] + aside[:, None] * normal[:, None]
    ).reshape(-1, 2)
    low = np.vstack([track.inner, track.outer]).min(axis=0) - beside
    high = np.vstack([track.inner, track.outer]).max(axis=0) + beside
    count = np.ceil((high - low) / size).astype(np.int64) + 1
    index = np.floor((spots - low) / size).astype(np.int64)
    index = index[((index >= 0) & (index < count)).all(axis=1)]
    near = np.zeros((count[1], count[0]), dtype=np.bool_)
    near[index[:, 1], index[:, 0]] = True
    for shift in (1, -1, 2, -2):  # at waypoints the normals of a bend leave wedges between them
        near[:, max(shift, 0) : count[0] + min(shift, 0)] |= near[
            :, max(-shift, 0) : count[0] - max(shift, 0)
        ]
        near[max(shift, 0) : count[1] + min(shift, 0)] |= near[
            max(-shift, 0) : count[1] - max(shift, 0)
        ]
    x, y = (low[k] + (np.arange(count[k]) + 0.5) * size for k in (0, 1))
    row, column = np.nonzero(near)
    return x, y, row, column


def _placed(track: Track, x: Array, y: Array, beside: float) -> tuple[NDArray[np.bool_], Array]:
    """(N,) which places are on the road or near enough, and the direction of the road at each, rad."""
    rows = locate_cars(
        _rows(track, np.column_stack([x, y]), np.zeros(len(x)), STRAIGHT_AHEAD), _packed(track)
    )
    near = rows["inner_distance"] + rows["outer_distance"] <= rows["width"] + 2.0 * beside
    step = track.center[rows["next"]] - track.center[rows["previous"]]
    wrapped = rows["next"] < rows["previous"]  # at the very end of the line
    step[wrapped] = (
        track.center[1] - track.center[0] if track.is_loop else track.center[-1] - track.center[-2]
    )
    return near, np.arctan2(step[:, 1], step[:, 0])


def _rows(track: Track, xy: Array, yaw: Array, question: MapSettings) -> State:
    """(N,) cars whose front points are at `xy` (N, 2), heading `yaw` (N,) rad; not yet placed on
    the road.
    """
    rows = scene.placed_rows(
        track, np.zeros(len(xy)), speed=question.speed, steering_deg=question.steering_deg
    )
    rows["yaw"] = geometry.wrap_angle(np.asarray(yaw, dtype=np.float64))
    rows["x"], rows["y"] = (
        xy[:, 0] - FRONT_POINT_M * np.cos(yaw),
        xy[:, 1] - FRONT_POINT_M * np.sin(yaw),
    )
    return rows


def _best(
    pricing: _Pricing, track: Track, xy: Array, tangent: Array, question: MapSettings
) -> tuple[Array, Array]:
    """(N,) prices of places, and the heading each is for, degrees relative to the road."""
    straightest = HEADINGS_DEG[np.argsort(np.abs(HEADINGS_DEG), kind="stable")]
    tried = straightest if question.heading_deg is None else [question.heading_deg]
    price, heading = np.full(len(xy), -np.inf), np.zeros(len(xy))
    for degrees in tried:
        rows = locate_cars(
            _rows(track, xy, tangent + np.radians(degrees), question), _packed(track)
        )
        found = pricing(_arrived(rows, track, question), track)
        better = found > price  # of equal ones the straightest
        price, heading = np.where(better, found, price), np.where(better, degrees, heading)
    return price, heading


@lru_cache(maxsize=8)
def _packed(track: Track) -> PackedTracks:
    return pack_tracks([track])


def _arrived(rows: State, track: Track, question: MapSettings) -> State:
    """The rows with progress, steps and clock of a car that came from the start line at the speed
    asked for.
    """
    rows["progress"] = np.minimum(100.0 * rows["s"] / track.length, 100.0)
    rows["progress_before"] = rows["progress"]
    rows["start"] = 0.0
    rows["steps"] = 2 + np.round(rows["s"] / (max(question.speed, 0.1) * STEP_S)).astype(np.int32)
    rows["clock"] = STEP_S * (rows["steps"] - 1.0)
    return rows


def _line(
    pricing: _Pricing, track: Track, question: MapSettings, s: ArrayLike, aside: ArrayLike
) -> Array:
    """(N,) prices of places `aside` m to the left of the center line at `s` m."""
    spots = scene.placed_rows(track, s, offset=aside)
    yaw = spots["yaw"].copy()
    return _best(
        pricing, track, np.column_stack([spots["front_x"], spots["front_y"]]), yaw, question
    )[0]


def _along(pricing: _Pricing, track: Track, question: MapSettings) -> MapSlice:
    s = np.linspace(0.0, track.length, ALONG, endpoint=False)
    return MapSlice("center line", s, _line(pricing, track, question, s, 0.0))


def _across(
    pricing: _Pricing,
    track: Track,
    question: MapSettings,
    waypoints: Sequence[int] | None,
    beside: float,
) -> list[MapSlice]:
    count = len(track.center) - 1
    chosen = [count // 8, count // 2, 5 * count // 6] if waypoints is None else waypoints
    found = []
    for number in chosen:
        s = scene.waypoint_distance(track, number)
        k = int(np.argmin(np.abs(track.s - s)))
        half = 0.5 * float(track.width[k]) + beside
        aside = np.linspace(-half, half, ACROSS)
        found.append(
            MapSlice(
                f"waypoint {number}",
                aside,
                _line(pricing, track, question, np.full(ACROSS, s), aside),
            )
        )
    return found
