"""Boxes and bot cars on a track: where they stand, what a car's params say about them, whether a car
has hit one.

A table of obstacles is (N, K) rows of `OBSTACLE_DTYPE`: the K obstacles before each of N cars, boxes
first, as the simulator registers them. K is 0 where there are none. Where they stand on the track is
part of a row (`locate_obstacles`), for a box keeps its place for a whole episode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from racer import geometry
from racer.errors import UsageError
from racer.sim.state import Phase, State
from racer.track import PackedTracks, nearest_segment, on_road
from racer.vehicle import FOOTPRINT_M, FRONT_POINT_M

if TYPE_CHECKING:
    from racer.track import Track

Array = NDArray[np.float64]

BOX, BOT = 0, 1
OBSTACLE_KINDS = {"box": BOX, "bot": BOT}

OUTER_LANE, INNER_LANE = -1, 1
"""As OBJECT_POSITIONS has them: every number but -1 means the inner one."""

OBSTACLE_DTYPE = np.dtype(
    [
        ("x", np.float64),  # m, its middle
        ("y", np.float64),
        ("yaw", np.float64),  # rad
        ("speed", np.float64),  # m/s that params report
        ("kind", np.int8),  # BOX or BOT
        ("lane", np.int8),  # OUTER_LANE or INNER_LANE
        ("moves", np.bool_),  # a bot car of a head-to-bot race, which takes part in it
        ("left", np.bool_),  # of the center line, on the inner or outer half of the road
        ("s", np.float64),  # m of center line from waypoint 0, of the track that its car drives
        ("distance", np.float64),  # m from the center line, unsigned
    ],
    align=True,
)

Obstacles = NDArray[np.void]
"""(K,) or (N, K) rows of `OBSTACLE_DTYPE`. Functions return new tables and leave their arguments alone."""

COLLISION_SIZE_M = ((0.5, 0.4), FOOTPRINT_M)
"""By kind: length and width of the rectangle that the simulator tests: a box has 0.1 m around its mesh
(docs/simulator.md 2.4)."""

VISIBLE_SIZE_M = ((0.4, 0.3, 0.25), (0.324, 0.188, 0.194))
"""By kind: length, width and height of what can be seen (docs/simulator.md 5.4)."""

BOT_SPEED_MPS = 0.2
"""What the simulator sets where no speed is given (docs/simulator.md 6.6)."""

IN_THE_WAY_M = 1.0
"""Distance along the center line within which an obstacle is in the way of a car that is placed."""

BOX_HEIGHT_M = 0.1
"""Above the ground, of what `object_in_camera` looks for: the corners and the middle of an obstacle that
stands; those of a bot car are on the ground (docs/simulator.md 9.10)."""

CAMERA_POSITION_M = (0.14529379, 0.0, 0.13032555)  # in the frame of the car
STEREO_OFFSET_M = 0.03  # of either camera of a pair to the side
CAMERA_PITCH_RAD = 0.2618  # downward
VIEW_NEAR_M, VIEW_FAR_M = 0.2, 300.0  # along the view
# half width and half height of the view at 1 m
VIEW_HALF_SIZE = (np.tan(0.5 * 1.13), np.tan(0.5 * 1.13) * 480.0 / 640.0)

CORNER_SIGNS = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
RUN, PAUSE = int(Phase.RUN), int(Phase.PAUSE)
_COLLISION_SIZE = np.array(COLLISION_SIZE_M)


class ObstacleFacts(NamedTuple):
    """What params say about the obstacles before N cars; each a list of N lists of K."""

    location: list[list[list[float]]]  # [x, y], m
    s: list[list[float]]  # m of center line from waypoint 0
    distance: list[list[float]]  # m from the center line, unsigned
    left: list[list[bool]]
    heading: list[list[float]]  # rad
    speed: list[list[float]]  # m/s


def obstacles_on(
    track: Track,
    places: Sequence[tuple[float, int]],
    kind: str = "box",
    speed: float = BOT_SPEED_MPS,
    moves: bool | None = None,
) -> Obstacles:
    """(K,) obstacles, one for each of `places`: (fraction of the lap as driven, lane), lane -1
    outer, any other inner.

    Each stands on the middle of its lane beside that spot of the center line, along the lane
    (docs/simulator.md 8.1). Bot cars take part in the race, at the `speed` (m/s) that params
    report, unless `moves` is False: then they are obstacles of that size. Raises UsageError for a
    place that is no number, and for an unknown kind.
    """
    if kind not in OBSTACLE_KINDS:
        raise UsageError(f"unknown kind of object {kind!r} (there are {', '.join(OBSTACLE_KINDS)})")
    fractions = np.array([fraction for fraction, _ in places], dtype=np.float64)
    is_bad = ~np.isfinite(fractions)
    if is_bad.any():
        raise UsageError(f"objects stand at shares of a lap, not at {fractions[is_bad][0]}")
    lanes = [lane for _, lane in places]
    obstacles = obstacles_beside(track, fractions % 1.0 * track.length, lanes)
    if moves is None:
        moves = kind == "bot"
    obstacles["kind"] = OBSTACLE_KINDS[kind]
    obstacles["moves"] = moves
    obstacles["speed"] = speed if moves else 0.0
    return obstacles


def obstacles_beside(track: Track, s: ArrayLike, lanes: ArrayLike) -> Obstacles:
    """(K,) boxes on the middle of their lanes, nearest to the spots of the center line at `s` (K,)
    m, along it.
    """
    is_outer = np.asarray(lanes, dtype=np.int64) == OUTER_LANE
    obstacles = np.zeros(np.shape(s), OBSTACLE_DTYPE)
    obstacles["s"] = s
    obstacles["lane"] = np.where(is_outer, OUTER_LANE, INNER_LANE)
    _put_beside(track.s, track.center, track.inner, track.outer, track.is_loop, obstacles)
    return obstacles


def merge_obstacles(*groups: Obstacles) -> Obstacles:
    """(K,) all of these obstacles: boxes first, then the bot cars that take part in the race, as the
    simulator registers them.
    """
    obstacles = np.concatenate(groups)
    return obstacles[np.argsort(obstacles["moves"], kind="stable")]


def obstacles_before(cars: State, obstacles: Obstacles, packed: PackedTracks) -> Obstacles:
    """(N, K) the same K `obstacles` before each of the `cars` (N,), with their places on the track
    of each.
    """
    shape = (len(cars), len(obstacles))
    return locate_obstacles(np.broadcast_to(obstacles, shape), cars["track"], packed)


def locate_obstacles(
    obstacles: Obstacles, track: NDArray[np.int32], packed: PackedTracks
) -> Obstacles:
    """`obstacles` (N, K) with `s`, `distance` and `left` filled in from x and y, on the track (N,)
    of `packed` that each car drives.
    """
    located = obstacles.copy()
    _locate(located, track, tuple(packed))
    return located


def nearest_in_the_way(s: Array, spot: Array, length: Array) -> NDArray[np.int64]:
    """(N,) index of the nearest of obstacles at `s` (N, K) m to a `spot` (N,) m, -1 for none within
    `IN_THE_WAY_M`, on laps of `length` (N,) m. A spot behind the line is one of negative m, and not
    near to what stands at the end of the lap (docs/simulator.md 9.2).
    """
    gap = np.abs(s - spot[:, None]) % length[:, None]
    nearest = np.argmin(gap, axis=1)
    return np.where(gap[np.arange(len(spot)), nearest] < IN_THE_WAY_M, nearest, -1)


def other_lane(obstacles: Obstacles, is_ccw: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,) the lane that each of the obstacles (N,) is not on."""
    return np.where(obstacles["left"] == is_ccw, OUTER_LANE, INNER_LANE)


def obstacle_corners(obstacles: Obstacles) -> Array:
    """(..., 4, 2) m corners of the rectangles that a car must not touch."""
    from_middle = 0.5 * _COLLISION_SIZE[obstacles["kind"]][..., None, :] * CORNER_SIGNS
    turned = _rotate(from_middle, obstacles["yaw"][..., None])
    return _middles(obstacles)[..., None, :] + turned


def obstacle_facts(obstacles: Obstacles) -> ObstacleFacts:
    """What params say about `obstacles` (N, K) that are located (docs/simulator.md 1.1).

    With a bot car in the race all obstacles, boxes too, have a heading, and its speed; without one
    these are 0.
    """
    moves = obstacles["moves"]
    has_bots = moves.any(axis=1, keepdims=True)
    speed = obstacles["speed"].max(axis=1, keepdims=True, initial=0.0, where=moves)
    heading = np.where(has_bots, geometry.wrap_angle(obstacles["yaw"]), 0.0)
    return ObstacleFacts(
        location=_middles(obstacles).tolist(),
        s=obstacles["s"].tolist(),
        distance=obstacles["distance"].tolist(),
        left=obstacles["left"].tolist(),
        heading=heading.tolist(),
        speed=np.broadcast_to(speed, obstacles.shape).tolist(),
    )


def closest_obstacles(obstacles: Obstacles, s: Array) -> NDArray[np.int64]:
    """(N, 2) indices of the obstacles (N, K) behind and ahead of cars at `s` (N,) m of center line,
    around the lap.
    """
    order = np.argsort(obstacles["s"], axis=1, kind="stable")
    ahead = np.count_nonzero(obstacles["s"] <= s[:, None], axis=1)
    row = np.arange(len(s))
    return np.column_stack([order[row, ahead - 1], order[row, ahead % obstacles.shape[1]]])


def visible_obstacles(
    cars: State, obstacles: Obstacles, has_stereo: bool = False
) -> NDArray[np.bool_]:
    """(N, K) whether the camera of each car, or one of its two where it `has_stereo`, sees a corner
    or the middle of each obstacle; nothing hides another.

    Only the yaw of the car turns the camera, which looks down (docs/simulator.md 1.6).
    """
    points = np.concatenate(
        [_middles(obstacles)[..., None, :], obstacle_corners(obstacles)], axis=-2
    )
    away = points - np.column_stack([cars["x"], cars["y"]])[:, None, None, :]
    in_car = _rotate(away, -cars["yaw"][:, None, None])
    ahead = in_car[..., 0] - CAMERA_POSITION_M[0]
    left = in_car[..., 1]
    z = np.where(obstacles["moves"], 0.0, BOX_HEIGHT_M)
    up = z[..., None] - CAMERA_POSITION_M[2]
    depth = np.cos(CAMERA_PITCH_RAD) * ahead - np.sin(CAMERA_PITCH_RAD) * up
    height = np.sin(CAMERA_PITCH_RAD) * ahead + np.cos(CAMERA_PITCH_RAD) * up
    is_seen = (depth > VIEW_NEAR_M) & (depth < VIEW_FAR_M)
    is_seen &= np.abs(height) < VIEW_HALF_SIZE[1] * depth
    if has_stereo:
        left = np.minimum(np.abs(left - STEREO_OFFSET_M), np.abs(left + STEREO_OFFSET_M))
    is_seen &= np.abs(left) < VIEW_HALF_SIZE[0] * depth
    return np.asarray(is_seen.any(axis=-1))


def hit_obstacle(cars: State, obstacles: Obstacles) -> NDArray[np.int64]:
    """(N,) index of the first obstacle (N, K) that a corner of each car is inside, -1 for none.

    The obstacles' own corners are not tested (docs/simulator.md 2.4).
    """
    hit = np.empty(len(cars), dtype=np.int64)
    _find_hit(cars, obstacles, hit)
    return hit


class Contacts(NamedTuple):
    """Which of N cars touch an obstacle, and what comes of it; each (N,)."""

    crashed: NDArray[np.bool_]  # the car has run into it
    touched: NDArray[np.bool_]  # the car has not
    rammed: NDArray[np.bool_]  # it is a bot car that has run into the car


def find_contacts(
    cars: State, obstacles: Obstacles, moved: Obstacles, packed: PackedTracks
) -> Contacts:
    """Which cars touch one of the `obstacles` (N, K) before them.

    Of a car and a bot car that touch the one behind has crashed: the front of the car is compared
    with that of the bot car after it has `moved`, in % of the lap that begin anew at its end, of an
    open track, too (docs/simulator.md 2.4, 8.2, 9.17). Boxes are always run into. A car that waits
    for its penalty cannot be touched; one without a penalty can (9.19).
    """
    hit = hit_obstacle(cars, obstacles)
    if hit.max() < 0:
        none = np.zeros(len(cars), dtype=np.bool_)
        return Contacts(none, none, none)
    drives = cars["phase"] == RUN
    touches = (hit >= 0) & (drives | ((cars["phase"] == PAUSE) & (cars["pause"] == 0.0)))
    crashed = touches & drives
    rammed = np.zeros(len(cars), dtype=np.bool_)
    row = np.flatnonzero(touches)
    row = row[obstacles["moves"][row, hit[row]]]
    if len(row):
        bots = moved[row, hit[row]][:, None].copy()
        bots["x"] += FRONT_POINT_M * np.cos(bots["yaw"])
        bots["y"] += FRONT_POINT_M * np.sin(bots["yaw"])
        track = cars["track"][row]
        front = locate_obstacles(bots, track, packed)["s"][:, 0]
        length = packed.vertices["s"][packed.tracks["center"]["last"][track]]
        bot_percent = front / length * 100.0 % 100.0
        car_percent = (cars["progress"][row] + cars["start"][row] * 100.0) % 100.0
        rammed[row] = car_percent > bot_percent
        crashed[row] &= car_percent < bot_percent
    return Contacts(crashed, touches & ~crashed, rammed)


def _middles(obstacles: Obstacles) -> Array:
    """(..., 2) m the middles of obstacles (...)."""
    return np.stack([obstacles["x"], obstacles["y"]], axis=-1)


def _rotate(xy: Array, angle: Array) -> Array:
    """`xy` (..., 2) turned counterclockwise by `angle` (...) rad, which broadcasts."""
    cos = np.cos(angle)
    sin = np.sin(angle)
    x = xy[..., 0]
    y = xy[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


@njit(cache=True, error_model="numpy")
def _put_beside(along, center, inner, outer, is_loop, obstacles):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fill in x, y and yaw of obstacles on the middle of their lanes, from `s` and `lane`."""
    for obstacle in obstacles:
        border = outer if obstacle.lane == OUTER_LANE else inner
        x, y = _point_at(along, center, obstacle.s)
        obstacle.x, obstacle.y, i, fraction = _nearest_on_lane(center, border, x, y)
        # on a point of the lane, its direction is that to the next one
        if fraction == 1.0 and (i < len(center) - 2 or is_loop):
            i = (i + 1) % (len(center) - 1)
        dx = center[i + 1, 0] + border[i + 1, 0] - center[i, 0] - border[i, 0]
        dy = center[i + 1, 1] + border[i + 1, 1] - center[i, 1] - border[i, 1]
        obstacle.yaw = np.arctan2(dy, dx)


@njit(cache=True, error_model="numpy", inline="always")
def _point_at(along, line, s):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """x and y at arc length `s` of a line whose points are at `along`."""
    i = min(max(np.searchsorted(along, s, side="right") - 1, 0), len(along) - 2)
    gap = along[i + 1] - along[i]
    fraction = min(max((s - along[i]) / gap, 0.0), 1.0) if gap > 0.0 else 0.0
    x = line[i, 0] + fraction * (line[i + 1, 0] - line[i, 0])
    y = line[i, 1] + fraction * (line[i + 1, 1] - line[i, 1])
    return x, y


@njit(cache=True, error_model="numpy", inline="always")
def _nearest_on_lane(center, border, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The spot nearest to x, y on the line halfway between a center line and a border.

    x and y of it, its segment, and the fraction along that.
    """
    best_x, best_y, best, best_fraction = 0.0, 0.0, 0, 0.0
    least = np.inf
    for i in range(len(center) - 1):
        x0 = 0.5 * (center[i, 0] + border[i, 0])
        y0 = 0.5 * (center[i, 1] + border[i, 1])
        dx = 0.5 * (center[i + 1, 0] + border[i + 1, 0]) - x0
        dy = 0.5 * (center[i + 1, 1] + border[i + 1, 1]) - y0
        square = dx * dx + dy * dy
        fraction = 0.0
        if square > 0.0:
            fraction = min(max(((x - x0) * dx + (y - y0) * dy) / square, 0.0), 1.0)
        ex = x - x0 - fraction * dx
        ey = y - y0 - fraction * dy
        if ex * ex + ey * ey < least:
            least = ex * ex + ey * ey
            best = i
            best_fraction = fraction
            best_x = x0 + fraction * dx
            best_y = y0 + fraction * dy
    return best_x, best_y, best, best_fraction


@njit(cache=True, error_model="numpy")
def _find_hit(cars, obstacles, hit):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(len(cars)):
        hit[i] = -1
        for k in range(obstacles.shape[1]):
            if _is_corner_inside(cars[i], obstacles[i, k]):
                hit[i] = k
                break


@njit(cache=True, error_model="numpy", inline="always")
def _is_corner_inside(car, obstacle):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Whether a corner of a car is inside an obstacle."""
    car_length, car_width = 0.5 * FOOTPRINT_M[0], 0.5 * FOOTPRINT_M[1]
    length = 0.5 * _COLLISION_SIZE[obstacle.kind, 0]
    width = 0.5 * _COLLISION_SIZE[obstacle.kind, 1]
    reach = np.sqrt(car_length * car_length + car_width * car_width) + length + width
    dx = car.x - obstacle.x
    dy = car.y - obstacle.y
    is_inside = False
    if dx * dx + dy * dy <= reach * reach:
        cos = np.cos(car.yaw)
        sin = np.sin(car.yaw)
        obstacle_cos = np.cos(obstacle.yaw)
        obstacle_sin = np.sin(obstacle.yaw)
        for corner in range(4):
            ahead = CORNER_SIGNS[corner, 0] * car_length
            left = CORNER_SIGNS[corner, 1] * car_width
            x = dx + cos * ahead - sin * left
            y = dy + sin * ahead + cos * left
            is_within_length = abs(obstacle_cos * x + obstacle_sin * y) < length
            is_within_width = abs(obstacle_cos * y - obstacle_sin * x) < width
            is_inside |= is_within_length and is_within_width
    return is_inside


@njit(cache=True, error_model="numpy")
def _locate(obstacles, numbers, packed):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    vertices, tracks, cells, candidates, bands, edges = packed
    for i in range(obstacles.shape[0]):
        track = tracks[numbers[i]]
        for k in range(obstacles.shape[1]):
            obstacle = obstacles[i, k]
            x = obstacle.x
            y = obstacle.y
            j, fraction = nearest_segment(vertices, cells, candidates, track.center, x, y)
            start = vertices[j]
            dx = x - start.x - fraction * start.dx
            dy = y - start.y - fraction * start.dy
            obstacle.s = start.s + fraction * (vertices[j + 1].s - start.s)
            obstacle.distance = np.sqrt(dx * dx + dy * dy)
            # whether the half of the road within the center line holds it, or does not where that
            # is on the right: beside the road the answer says which way the track is driven
            if on_road(cells, bands, edges, track, x, y):
                obstacle.left = start.dx * (y - start.y) - start.dy * (x - start.x) > 0.0
            else:
                obstacle.left = not track.is_ccw
