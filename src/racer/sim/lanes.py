"""The ways of bot cars: smooth curves along the lanes, and from one lane to the other (SIMULATOR.md 8.2).

A curve is a cubic spline through points of a lane, over the distance along the center line and not along the lane: a
bot car on the outside of a bend is faster than its speed says, and slower on the inside.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.sim.objects import OUTER
from racer.track.record import Track

Array = NDArray[np.float64]

TOO_NEAR = 0.02  # m: a point of a lane that near to the beginning or end of a lane change is left out
AROUND = 3  # points of the lanes before and after a lane change that shape its curve


@dataclass(frozen=True, eq=False)
class Curve:
    """A piecewise cubic over `s` (P,) m: piece p is `poly` (P - 1, 2, 4), by powers of s - s[p], x and y in m."""

    s: Array
    poly: Array

    def at(self, s: float, length: float) -> tuple[Array, Array]:
        """Point and derivative, each (2,), at `s`, brought into the curve's range by a lap of that length."""
        low, high = self.s[0], self.s[-1]
        s = s + length if s < low else s
        s = min(max(s - length if s > high else s, low), high)
        p = min(int(np.searchsorted(self.s, s, side="right")) - 1, len(self.poly) - 1)
        t = s - self.s[p]
        a, b, c, d = self.poly[p].T
        return a + t * (b + t * (c + t * d)), b + t * (2.0 * c + 3.0 * t * d)


@dataclass(frozen=True, eq=False)
class Lane:
    """The middle of a lane: `points` (W, 2) m, at `s` (W,) m of center line, and the curve through them."""

    points: Array
    s: Array
    curve: Curve


@lru_cache(maxsize=64)
def lane(track: Track, which: int) -> Lane:
    """A lane of a track: OUTER, or else the inner one."""
    points = 0.5 * (track.center + (track.outer if which == OUTER else track.inner))
    s = _unwrapped(geometry.project(track.center, points)[0], track.length)
    knots, first = np.unique(s, return_index=True)
    xy = points[first]
    for end, where in ((0, 0.0), (-1, track.length)):
        if (knots[end] > where) if end == 0 else (knots[end] < where):
            knots[end] = where
            xy[end] = geometry.nearest_point(points, track.center[[end]])[0]
    if track.is_loop:
        xy[-1] = xy[0]
    return Lane(points, s, _through(knots, xy, "periodic" if track.is_loop else "not-a-knot"))


def change(track: Track, start: int, now: float, begin: float, end: float) -> Curve:
    """The curve of a bot car from lane `start` to the other one, which it leaves at `begin` and reaches at `end`.

    All are m of center line from waypoint 0, within the lap; the car is at `now`.
    """
    one, other = lane(track, start), lane(track, -start)
    over = 0.0 if begin < end else track.length
    before = _before(one, now, begin, track)
    after = _after(other, end, over, track)
    there, here = other.curve.at(end, track.length)[0], one.curve.at(begin, track.length)[0]
    before = _without(before, -1, here)
    after = _without(after, 0, there)
    s = np.concatenate([before[:, 0], [begin, end + over], after[:, 0]])
    xy = np.vstack([before[:, 1:], here, there, after[:, 1:]])
    knots, first = np.unique(s, return_index=True)
    return _through(knots, xy[first], "not-a-knot")


def _before(lane: Lane, now: float, begin: float, track: Track) -> Array:
    """(B, 3) s, x and y of the lane's points from a few behind the car to the beginning of the change."""
    count = len(lane.points) - int(track.is_loop)
    first, last = (bisect_left(lane.s.tolist(), now) - 1 - AROUND) % count, bisect_left(lane.s.tolist(), begin) - 1
    if first < last:
        return _points(lane, range(first, last + 1), 0.0)
    behind = _points(lane, range(first, count), -track.length)
    return np.vstack([behind, _points(lane, range(last + 1), 0.0)])


def _after(lane: Lane, end: float, over: float, track: Track) -> Array:
    """(A, 3) the same from the end of the change to a few points on."""
    count = len(lane.points) - int(track.is_loop)
    first = bisect_right(lane.s.tolist(), end)
    last = (first + AROUND) % count
    if first < last:
        return _points(lane, range(first, last + 1), over)
    here = _points(lane, range(first, count), over)
    return np.vstack([here, _points(lane, range(last + 1), over + track.length)])


def _points(lane: Lane, which: range, shift: float) -> Array:
    chosen = np.array(which, dtype=np.int64)
    return np.column_stack([lane.s[chosen] + shift, lane.points[chosen]])


def _without(points: Array, end: int, spot: Array) -> Array:
    """`points` (B, 3) without the one at that end where it is too near to a spot."""
    if len(points) and np.hypot(*(points[end, 1:] - spot)) < TOO_NEAR:
        return np.delete(points, end, axis=0)
    return points


def _unwrapped(s: Array, length: float) -> Array:
    """`s` (W,) of points along a lap, where those before the line are below 0 and those after it beyond `length`."""
    s = s.copy()
    early = np.flatnonzero(s < 0.5 * length)[0]
    s[:early] -= length
    late = np.flatnonzero(s[1:] > 0.5 * length)[-1] + 1
    s[late + 1 :] += length
    return s


def _through(s: Array, xy: Array, ends: str) -> Curve:
    """The cubic spline through points, periodic or with its ends as FITPACK makes them."""
    from scipy.interpolate import CubicSpline

    made = CubicSpline(s, xy, bc_type=ends)
    return Curve(s, np.ascontiguousarray(made.c[::-1].transpose(1, 2, 0)))
