"""Boxes and bot cars on a road: where they stand, what a car's params say about them, whether a car has hit one.

Objects stand still here: a bot car has a speed and a heading, but it is a snapshot of a race and not its motion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.car import FOOTPRINT
from racer.errors import UsageError
from racer.sim.state import State
from racer.track.record import Track

Array = NDArray[np.float64]
Kind = Literal["box", "bot"]

SIZE = {"box": (0.5, 0.4), "bot": FOOTPRINT}
"""Length and width, m, of the rectangles that the simulator tests: a box has a margin of 0.1 m around its mesh."""

BOT_SPEED = 0.2  # m/s: what the simulator sets unless told otherwise
OUTER = -1  # the lane number that means the outer lane; every other number means the inner one

CAMERA = (0.14529379, 0.0, 0.13032555)  # m in the frame of the car
PITCH = 0.2618  # rad, downward
NEAR, FAR = 0.2, 300.0  # m along the view
VIEW = (np.tan(0.5 * 1.13), np.tan(0.5 * 1.13) * 480.0 / 640.0)  # half width and half height of the view at 1 m


@dataclass(frozen=True, eq=False)
class Objects:
    """K objects in the order in which the simulator registers them: boxes, then bot cars."""

    location: Array  # (K, 2) m
    heading: Array  # (K,) rad
    speed: Array  # (K,) m/s
    kind: tuple[Kind, ...]  # (K,)

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def has_bots(self) -> bool:
        """Whether a bot car is among them: only then do params tell headings and speeds."""
        return "bot" in self.kind

    @property
    def corners(self) -> Array:
        """(K, 4, 2) m corners of the rectangles that a car must not touch."""
        half = 0.5 * np.array([SIZE[kind] for kind in self.kind]).reshape(-1, 1, 2)
        around = half * np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
        return self.location[:, None, :] + _turned(around, self.heading[:, None])


class Facts(NamedTuple):
    """What params say about objects on one track, whoever looks; lists of K."""

    location: list[list[float]]
    distance: list[float]  # m from waypoint 0 along the center line
    aside: list[float]  # m from the center line, unsigned
    left: list[bool]
    heading: list[float]  # rad
    speed: list[float]
    sorted_distance: Array
    order: NDArray[np.int64]  # indices of the objects by distance


def objects_on(
    track: Track, places: Sequence[tuple[float, int]], kind: Kind = "box", speed: float = BOT_SPEED
) -> Objects:
    """One object for each of `places`: (share of the lap as driven, lane), lane -1 outer, any other number inner.

    It stands on the middle of its lane beside that spot of the center line, along the lane (SIMULATOR.md 8.1). `speed`
    is what params report for bot cars. Raises UsageError for a place that is no number.
    """
    if kind not in SIZE:
        raise UsageError(f"unknown kind of object {kind!r} (there are {', '.join(SIZE)})")
    share = np.array([place[0] for place in places], dtype=np.float64)
    if not np.isfinite(share).all():
        raise UsageError(f"objects stand at shares of a lap, not at {share[~np.isfinite(share)][0]}")
    spot = geometry.point_at(track.center, share % 1.0 * track.length)
    poses = [_lane_pose(track, spot[k : k + 1], place[1]) for k, place in enumerate(places)]
    pose = np.array(poses).reshape(-1, 3)
    return Objects(pose[:, :2], pose[:, 2], np.full(len(pose), speed if kind == "bot" else 0.0), (kind,) * len(pose))


def together(*groups: Objects) -> Objects:
    """All of these objects, boxes first, as the simulator registers them."""
    kinds = [kind for group in groups for kind in group.kind]
    order = np.argsort([kind == "bot" for kind in kinds], kind="stable")
    columns = [np.concatenate([getattr(group, name) for group in groups]) for name in ("location", "heading", "speed")]
    location, heading, speed = (column[order] for column in columns)
    return Objects(location, heading, speed, tuple(kinds[k] for k in order))


@lru_cache(maxsize=64)
def facts(objects: Objects, track: Track) -> Facts:
    """What params say about these objects on that track, whoever looks (SIMULATOR.md 1.1)."""
    distance, _, foot = geometry.project(track.center, objects.location)
    order = np.argsort(distance, kind="stable")
    bots, none = objects.has_bots, np.zeros(len(objects))
    pace = float(objects.speed[objects.kind.index("bot")]) if bots else 0.0  # all objects, boxes too
    return Facts(
        location=objects.location.tolist(),
        distance=distance.tolist(),
        aside=np.hypot(*(objects.location - foot).T).tolist(),
        left=(_inside(_inner_half(track), objects.location) == track.is_ccw).tolist(),
        heading=(geometry.wrap_angle(objects.heading) if bots else none).tolist(),
        speed=(none + pace).tolist(),
        sorted_distance=distance[order],
        order=order,
    )


def neighbors(known: Facts, s: Array) -> NDArray[np.int64]:
    """(N, 2) indices of the objects behind and ahead of cars at `s` (N,) m of center line, around the lap's end."""
    ahead = np.searchsorted(known.sorted_distance, s, side="right")
    return np.asarray(np.column_stack([known.order[ahead - 1], known.order[ahead % len(known.order)]]))


def visible(rows: State, objects: Objects) -> NDArray[np.bool_]:
    """(N, K) whether the camera of each car sees a corner or the middle of each object; nothing hides another.

    Points are on the ground. SIMULATOR.md 1.6: only the yaw of the car turns the camera, which looks down.
    """
    points = np.concatenate([objects.location[:, None, :], objects.corners], axis=1)
    away = points[None] - np.column_stack([rows["x"], rows["y"]])[:, None, None, :]
    ahead, left = np.moveaxis(_turned(away, -rows["yaw"][:, None, None]), -1, 0)
    ahead, up = ahead - CAMERA[0], -CAMERA[2]
    depth = np.cos(PITCH) * ahead - np.sin(PITCH) * up
    height = np.sin(PITCH) * ahead + np.cos(PITCH) * up
    seen = (depth > NEAR) & (depth < FAR) & (np.abs(left) < VIEW[0] * depth) & (np.abs(height) < VIEW[1] * depth)
    return np.asarray(seen.any(axis=-1))


def hit(rows: State, objects: Objects) -> NDArray[np.bool_]:
    """(N,) whether a corner of each car is inside an object; the objects' own corners are not tested (2.4)."""
    half = 0.5 * np.array(FOOTPRINT) * np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    corner = _turned(half[None], rows["yaw"][:, None]) + np.column_stack([rows["x"], rows["y"]])[:, None, :]
    away = corner[:, :, None, :] - objects.location
    size = np.array([SIZE[kind] for kind in objects.kind])
    within = np.all(np.abs(_turned(away, -objects.heading)) < 0.5 * size, axis=-1)
    return np.asarray(np.any(within, axis=(1, 2)))


def _lane_pose(track: Track, spot: Array, lane: int) -> tuple[float, float, float]:
    """The nearest pose on the middle of a lane to a `spot` (1, 2), along that piece of the lane."""
    line = 0.5 * (track.center + (track.outer if lane == OUTER else track.inner))
    _, segment, point = geometry.project(line, spot)
    way = line[segment[0] + 1] - line[segment[0]]
    return float(point[0, 0]), float(point[0, 1]), float(np.arctan2(way[1], way[0]))


def _inner_half(track: Track) -> Array:
    """(E, 4) edges of the half of the road between center line and inner border."""
    if track.is_loop:
        return np.concatenate([np.column_stack([ring[:-1], ring[1:]]) for ring in (track.center, track.inner)])
    ring = np.concatenate([track.center, track.inner[::-1], track.center[:1]])
    return np.column_stack([ring[:-1], ring[1:]])


def _inside(edges: Array, xy: Array) -> NDArray[np.bool_]:
    """(K,) whether points lie within a polygon given by its edges (E, 4), by the even-odd rule."""
    x0, y0, x1, y1 = edges.T
    x, y = xy[:, :1], xy[:, 1:]
    crosses = (y0 > y) != (y1 > y)
    run = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=y1 != y0)
    return np.asarray(np.count_nonzero(crosses & (x < x0 + (y - y0) * run), axis=1) % 2 == 1)


def _turned(xy: Array, angle: Array) -> Array:
    """`xy` (..., 2) turned counterclockwise by `angle` (...) rad, which broadcasts."""
    c, s = np.cos(angle), np.sin(angle)
    x, y = xy[..., 0], xy[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)
