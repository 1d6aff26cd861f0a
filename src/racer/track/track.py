"""A track: a center line and two borders, in driving order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from racer import geometry

Array = NDArray[np.float64]

DEFAULT_TRACK = "reinvent_2018"
"""The track where none is named."""


@dataclass(frozen=True, eq=False)
class Track:
    """A center line and two borders in the plane, in meters, as the simulator holds them.

    `center`, `inner` and `outer` are (W, 2) polylines in driving order. On a loop the first row is
    repeated at the end, as in the waypoints that a reward function sees; the rows of the three
    lines need not pair perpendicularly. `note` is a sentence for the user when the file was not
    quite a road, else empty.

    >>> from racer.track import load_track
    >>> oval = load_track("oval")
    >>> round(oval.length, 1), oval.is_loop, oval.is_ccw
    (19.6, True, True)
    >>> oval.reversed().is_ccw
    False
    """

    name: str
    title: str
    center: Array
    inner: Array
    outer: Array
    is_reversed: bool = False
    note: str = ""

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
        """Whether the track is driven counterclockwise. An open one counts as such unless it is
        reversed.
        """
        if not self.is_loop:
            return not self.is_reversed
        return geometry.signed_area(self.center) > 0

    @cached_property
    def waypoints(self) -> list[tuple[float, float]]:
        """The center line as reward functions see it."""
        return [(x, y) for x, y in self.center.tolist()]

    @cached_property
    def width(self) -> Array:
        """(W,) width at every waypoint, m, by projection onto the borders as the simulator
        measures it.
        """
        on_inner = geometry.nearest_point(self.inner, self.center)
        on_outer = geometry.nearest_point(self.outer, self.center)
        return np.asarray(np.hypot(*(on_inner - on_outer).T))

    def on_lap(self, s: Array) -> Array:
        """`s` (any shape, m from the start line) brought into [0, length]: around the lap on a
        loop, otherwise to the nearer end.
        """
        if self.is_loop:
            return np.asarray(np.mod(s, self.length))
        return np.clip(s, 0.0, self.length)

    def point_at(self, s: Array) -> Array:
        """(N, 2) points of the center line at `s` (N,) m from the start line, see `on_lap`."""
        return geometry.point_at(self.center, self.on_lap(s))

    def reversed(self) -> Track:
        """This track driven the other way, as `REVERSE_DIR` does: row order flipped, inner and
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
        return replace(
            self,
            name=f"{self.name}_mirrored",
            center=self.center * flip,
            inner=self.inner * flip,
            outer=self.outer * flip,
        )
