"""Boxes and bot cars on a road: where they stand, what a car's params say about them, whether a car
has hit one.

A table of bodies is (N, K) rows of `OBJECT`: the K objects before each of N cars, boxes first, as
the simulator registers them. K is 0 where there are none. Where they stand on the road is part of a
row (`locate`), for a box keeps its place for a whole episode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from racer import geometry
from racer.errors import UsageError
from racer.sim.state import Phase, State
from racer.track.spatial_index import PackedTracks, nearest_segment, on_road
from racer.track.track import Track
from racer.vehicle.car import FOOTPRINT_M, FRONT_POINT_M

Array = NDArray[np.float64]

BOX, BOT = 0, 1
OBSTACLE_KINDS = {"box": BOX, "bot": BOT}
OUTER_LANE, INNER_LANE = (
    -1,
    1,
)  # lanes, as OBJECT_POSITIONS has them: every number but -1 means the inner one

OBSTACLE_DTYPE = np.dtype(
    [
        ("x", np.float64),  # m, its middle
        ("y", np.float64),
        ("yaw", np.float64),  # rad
        ("speed", np.float64),  # m/s that params tell
        ("kind", np.int8),  # BOX or BOT
        ("lane", np.int8),  # OUTER or INNER
        ("moves", np.bool_),  # a bot car of a head-to-bot race, and no obstacle
        ("left", np.bool_),  # of the center line, on the inner or outer half of the road
        ("s", np.float64),  # m of center line from waypoint 0, of the road that its car drives
        ("aside", np.float64),  # m from the center line, unsigned
    ],
    align=True,
)

Obstacles = NDArray[np.void]
"""(K,) or (N, K) rows of `OBJECT`. Functions return new tables and leave their arguments alone."""

COLLISION_SIZE_M = ((0.5, 0.4), FOOTPRINT_M)
"""By kind: length and width, m, of the rectangle that the simulator tests: a box has 0.1 m around its mesh."""

VISIBLE_SIZE_M = ((0.4, 0.3, 0.25), (0.324, 0.188, 0.194))
"""By kind: length, width and height, m, of what can be seen."""

BOT_SPEED_MPS = 0.2  # m/s: what the simulator sets unless told otherwise

CAMERA_POSITION_M = (0.14529379, 0.0, 0.13032555)  # m in the frame of the car
CAMERA_PITCH_RAD = 0.2618  # rad, downward
VIEW_NEAR_M, VIEW_FAR_M = 0.2, 300.0  # m along the view
# half width and half height of the view at 1 m
VIEW_HALF_SIZE = (np.tan(0.5 * 1.13), np.tan(0.5 * 1.13) * 480.0 / 640.0)

CORNER_SIGNS = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
RUN = int(Phase.RUN)
_SIZE = np.array(COLLISION_SIZE_M)


class ObstacleFacts(NamedTuple):
    """What params say about the objects before N cars; each a list of N lists of K."""

    location: list[list[list[float]]]
    distance: list[list[float]]  # m from waypoint 0 along the center line
    aside: list[list[float]]  # m from the center line, unsigned
    left: list[list[bool]]
    heading: list[list[float]]  # rad
    speed: list[list[float]]


def obstacles_on(
    track: Track,
    places: Sequence[tuple[float, int]],
    kind: str = "box",
    speed: float = BOT_SPEED_MPS,
    moves: bool | None = None,
) -> Obstacles:
    """(K,) objects, one for each of `places`: (share of the lap as driven, lane), lane -1 outer,
    any other inner.

    It stands on the middle of its lane beside that spot of the center line, along the lane
    (SIMULATOR.md 8.1). Bot cars take part in the race, at the `speed` that params report, unless
    `moves` is False: then they are obstacles of that size. Raises UsageError for a place that is no
    number.
    """
    if kind not in OBSTACLE_KINDS:
        raise UsageError(f"unknown kind of object {kind!r} (there are {', '.join(OBSTACLE_KINDS)})")
    share = np.array([place[0] for place in places], dtype=np.float64)
    if not np.isfinite(share).all():
        raise UsageError(
            f"objects stand at shares of a lap, not at {share[~np.isfinite(share)][0]}"
        )
    found = obstacles_beside(track, share % 1.0 * track.length, [place[1] for place in places])
    found["kind"], found["moves"] = OBSTACLE_KINDS[kind], kind == "bot" if moves is None else moves
    found["speed"] = np.where(found["moves"], speed, 0.0)
    return found


def obstacles_beside(track: Track, s: ArrayLike, lanes: ArrayLike) -> Obstacles:
    """(K,) boxes on the middle of their lanes, nearest to the spots of the center line at `s` (K,)
    m, along it.
    """
    found = np.zeros(np.shape(s), OBSTACLE_DTYPE)
    found["s"], found["lane"] = (
        s,
        np.where(np.asarray(lanes, dtype=np.int64) == OUTER_LANE, OUTER_LANE, INNER_LANE),
    )
    _beside(track.s, track.center, track.inner, track.outer, track.is_loop, found)
    return found


def merge_obstacles(*groups: Obstacles) -> Obstacles:
    """(K,) all of these objects: obstacles first, then the bot cars, as the simulator registers
    them.
    """
    found = np.concatenate(groups)
    return found[np.argsort(found["moves"], kind="stable")]


def obstacles_before(cars: State, objects: Obstacles, roads: PackedTracks) -> Obstacles:
    """(N, K) the same K `objects` before each of the `cars` (N,), with their places on the road of
    each.
    """
    return locate_obstacles(
        np.broadcast_to(objects, (len(cars), len(objects))), cars["road"], roads
    )


def locate_obstacles(bodies: Obstacles, road: NDArray[np.int32], roads: PackedTracks) -> Obstacles:
    """`bodies` (N, K) with `s`, `aside` and `left` filled in from x and y, on the road (N,) that
    each car drives.
    """
    placed = bodies.copy()
    _locate(placed, road, roads)
    return placed


def obstacle_corners(bodies: Obstacles) -> Array:
    """(..., 4, 2) m corners of the rectangles that a car must not touch."""
    around = 0.5 * _SIZE[bodies["kind"]][..., None, :] * CORNER_SIGNS
    return np.stack([bodies["x"], bodies["y"]], axis=-1)[..., None, :] + _turned(
        around, bodies["yaw"][..., None]
    )


def obstacle_facts(bodies: Obstacles) -> ObstacleFacts:
    """What params say about bodies (N, K), whose places are `locate`d (SIMULATOR.md 1.1).

    With a bot car in the race all objects, boxes too, have a heading, and its speed; without one
    these are 0.
    """
    moves = bodies["moves"].any(axis=1, keepdims=True)
    pace = np.broadcast_to(
        bodies["speed"].max(axis=1, keepdims=True, initial=0.0, where=bodies["moves"]), bodies.shape
    )
    return ObstacleFacts(
        location=np.stack([bodies["x"], bodies["y"]], axis=-1).tolist(),
        distance=bodies["s"].tolist(),
        aside=bodies["aside"].tolist(),
        left=bodies["left"].tolist(),
        heading=np.where(moves, geometry.wrap_angle(bodies["yaw"]), 0.0).tolist(),
        speed=pace.tolist(),
    )


def closest_obstacles(bodies: Obstacles, s: Array) -> NDArray[np.int64]:
    """(N, 2) indices of the objects (N, K) behind and ahead of cars at `s` (N,) m of center line,
    around the lap.
    """
    order = np.argsort(bodies["s"], axis=1, kind="stable")
    ahead = np.count_nonzero(bodies["s"] <= s[:, None], axis=1)
    row = np.arange(len(s))
    return np.column_stack([order[row, ahead - 1], order[row, ahead % bodies.shape[1]]])


def visible_obstacles(cars: State, bodies: Obstacles) -> NDArray[np.bool_]:
    """(N, K) whether the camera of each car sees a corner or the middle of each object; nothing
    hides another.

    Points are on the ground. SIMULATOR.md 1.6: only the yaw of the car turns the camera, which
    looks down.
    """
    middle = np.stack([bodies["x"], bodies["y"]], axis=-1)[..., None, :]
    points = np.concatenate([middle, obstacle_corners(bodies)], axis=-2)
    away = points - np.column_stack([cars["x"], cars["y"]])[:, None, None, :]
    ahead, left = np.moveaxis(_turned(away, -cars["yaw"][:, None, None]), -1, 0)
    ahead, up = ahead - CAMERA_POSITION_M[0], -CAMERA_POSITION_M[2]
    depth = np.cos(CAMERA_PITCH_RAD) * ahead - np.sin(CAMERA_PITCH_RAD) * up
    height = np.sin(CAMERA_PITCH_RAD) * ahead + np.cos(CAMERA_PITCH_RAD) * up
    seen = (
        (depth > VIEW_NEAR_M)
        & (depth < VIEW_FAR_M)
        & (np.abs(left) < VIEW_HALF_SIZE[0] * depth)
        & (np.abs(height) < VIEW_HALF_SIZE[1] * depth)
    )
    return np.asarray(seen.any(axis=-1))


def hit_obstacle(cars: State, bodies: Obstacles) -> NDArray[np.int64]:
    """(N,) index of the first object (N, K) that a corner of each car is inside, -1 for none.

    The objects' own corners are not tested (SIMULATOR.md 2.4).
    """
    found = np.empty(len(cars), dtype=np.int64)
    _hit(cars, bodies, found)
    return found


def find_contacts(
    cars: State, bodies: Obstacles, moved: Obstacles, roads: PackedTracks
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(N,) which driving cars have crashed, and (N,) into which of them a bot car has run.

    Of a car and a bot car that touch the one behind has crashed: the front of the car is compared
    with that of the bot car after it has `moved` (SIMULATOR.md 2.4, 8.2). Obstacles are always run
    into.
    """
    which = hit_obstacle(cars, bodies)
    crashed = (which >= 0) & (cars["phase"] == RUN)
    rammed = np.zeros(len(cars), dtype=np.bool_)
    row = np.flatnonzero(crashed)
    row = row[bodies["moves"][row, which[row]]]
    if len(row):
        bots = moved[row, which[row]][:, None].copy()
        bots["x"] += FRONT_POINT_M * np.cos(bots["yaw"])
        bots["y"] += FRONT_POINT_M * np.sin(bots["yaw"])
        front = locate_obstacles(bots, cars["road"][row], roads)["s"][:, 0]
        rammed[row] = cars["s"][row] > front
        crashed[row] = cars["s"][row] < front
    return crashed, rammed


@njit(cache=True, error_model="numpy")
def _beside(along, center, inner, outer, is_loop, found):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for k in range(len(found)):
        body = found[k]
        border = outer if body.lane == OUTER_LANE else inner
        i = min(max(np.searchsorted(along, body.s, side="right") - 1, 0), len(along) - 2)
        gap = along[i + 1] - along[i]
        share = min(max((body.s - along[i]) / gap, 0.0), 1.0) if gap > 0.0 else 0.0
        x = center[i, 0] + share * (center[i + 1, 0] - center[i, 0])
        y = center[i, 1] + share * (center[i + 1, 1] - center[i, 1])
        least, best = np.inf, 0
        for j in range(len(center) - 1):
            x0, y0 = 0.5 * (center[j, 0] + border[j, 0]), 0.5 * (center[j, 1] + border[j, 1])
            dx, dy = (
                0.5 * (center[j + 1, 0] + border[j + 1, 0]) - x0,
                0.5 * (center[j + 1, 1] + border[j + 1, 1]) - y0,
            )
            square = dx * dx + dy * dy
            share = (
                min(max(((x - x0) * dx + (y - y0) * dy) / square, 0.0), 1.0)
                if square > 0.0
                else 0.0
            )
            ex, ey = x - x0 - share * dx, y - y0 - share * dy
            if ex * ex + ey * ey < least:
                least, best, body.x, body.y = ex * ex + ey * ey, j, x0 + share * dx, y0 + share * dy
                ends = share == 1.0
        # on a point of the lane, the way on is that to the next one
        if ends and (best < len(center) - 2 or is_loop):
            best = (best + 1) % (len(center) - 1)
        dx = center[best + 1, 0] + border[best + 1, 0] - center[best, 0] - border[best, 0]
        dy = center[best + 1, 1] + border[best + 1, 1] - center[best, 1] - border[best, 1]
        body.yaw = np.arctan2(dy, dx)


@njit(cache=True, error_model="numpy")
def _hit(cars, bodies, found):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    half_length, half_width = 0.5 * FOOTPRINT_M[0], 0.5 * FOOTPRINT_M[1]
    reach = np.sqrt(half_length * half_length + half_width * half_width)
    for i in range(len(cars)):
        found[i] = -1
        car = cars[i]
        c, s = np.cos(car.yaw), np.sin(car.yaw)
        for k in range(bodies.shape[1]):
            body = bodies[i, k]
            dx, dy = car.x - body.x, car.y - body.y
            half = 0.5 * _SIZE[body.kind, 0], 0.5 * _SIZE[body.kind, 1]
            near = reach + half[0] + half[1]
            if dx * dx + dy * dy > near * near:
                continue
            bc, bs = np.cos(body.yaw), np.sin(body.yaw)
            for corner in range(4):
                ahead, left = (
                    CORNER_SIGNS[corner, 0] * half_length,
                    CORNER_SIGNS[corner, 1] * half_width,
                )
                px, py = dx + c * ahead - s * left, dy + s * ahead + c * left
                if abs(bc * px + bs * py) < half[0] and abs(bc * py - bs * px) < half[1]:
                    found[i] = k
            if found[i] >= 0:
                break


@njit(cache=True, error_model="numpy")
def _locate(bodies, road, roads):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    vertex, lines, start, candidate, cell, surfaces, edges, edge = roads
    for i in range(bodies.shape[0]):
        center, surface = lines[3 * road[i]], surfaces[road[i]]
        for k in range(bodies.shape[1]):
            body = bodies[i, k]
            at, share = nearest_segment(vertex, center, start, candidate, body.x, body.y)
            dx, dy = vertex[at, 3], vertex[at, 4]
            ex, ey = body.x - vertex[at, 0], body.y - vertex[at, 1]
            body.s = vertex[at, 2] + share * (vertex[at + 1, 2] - vertex[at, 2])
            body.aside = np.sqrt(
                (ex - share * dx) * (ex - share * dx) + (ey - share * dy) * (ey - share * dy)
            )
            # whether the half of the road within the center line holds it, or does not where that
            # is on the right: beside the road the answer says which way the road is driven
            is_on_road = on_road(center, cell, surface, edges, edge, body.x, body.y)
            body.left = dx * ey - dy * ex > 0.0 if is_on_road else not surface.is_ccw


def _turned(xy: Array, angle: Array) -> Array:
    """`xy` (..., 2) turned counterclockwise by `angle` (...) rad, which broadcasts."""
    c, s = np.cos(angle), np.sin(angle)
    x, y = xy[..., 0], xy[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)
