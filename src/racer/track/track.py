"""What a track is: a center line and two borders, in driving order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from racer import geometry

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Track:
    """A road in the plane, in metres, as the simulator holds it.

    `center`, `inner` and `outer` are (W, 2) polylines in driving order. On a loop the first row is
    repeated at the end, as in the waypoints that a reward function sees; the rows of the three
    lines need not pair perpendicularly.
    """

    name: str
    title: str
    center: Array
    inner: Array
    outer: Array
    is_reversed: bool = False

    @cached_property
    def is_loop(self) -> bool:
        """Whether the center line ends where it begins."""
        return bool(np.array_equal(self.center[0], self.center[-1]))

    @cached_property
    def s(self) -> Array:
        """(W,) arc length of every waypoint from the start line, m."""
        return geometry.arc_length(self.center)

    @property
    def length(self) -> float:
        """Length of the center line, m: the `track_length` of reward functions."""
        return float(self.s[-1])

    @cached_property
    def is_ccw(self) -> bool:
        """Whether the road is driven counterclockwise. An open road counts as such unless it is
        reversed.
        """
        return geometry.signed_area(self.center) > 0 if self.is_loop else not self.is_reversed

    @cached_property
    def waypoints(self) -> list[tuple[float, float]]:
        """The center line as reward functions see it."""
        return [(x, y) for x, y in self.center.tolist()]

    @cached_property
    def width(self) -> Array:
        """(W,) local width at every waypoint, m, by projection onto the borders as the simulator
        measures it.
        """
        foot = [geometry.nearest_point(line, self.center) for line in (self.inner, self.outer)]
        return np.asarray(np.hypot(*(foot[0] - foot[1]).T))

    def reversed(self) -> Track:
        """The same road driven the other way, as `REVERSE_DIR` does: row order flipped, inner and
        outer kept.
        """
        return replace(
            self,
            center=self.center[::-1].copy(),
            inner=self.inner[::-1].copy(),
            outer=self.outer[::-1].copy(),
            is_reversed=not self.is_reversed,
        )

    def mirrored(self) -> Track:
        """The mirror image across the x axis: every left turn becomes a right turn."""
        flip = np.array([1.0, -1.0])
        lines = {line: getattr(self, line) * flip for line in ("center", "inner", "outer")}
        return replace(self, name=f"{self.name}_mirrored", **lines)
