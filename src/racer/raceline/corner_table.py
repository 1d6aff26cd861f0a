"""A line corner by corner: where to brake, and how fast it is driven into, through and out of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.corners import Corner, corners, inside
from racer.raceline.line import Line
from racer.track.record import Track

Array = NDArray[np.float64]

SLOWS = 0.05  # m/s that braking takes off at least: less is none


@dataclass(frozen=True)
class Passage:
    """A corner as a line is driven through it. Places are m of center line from the start line, speeds m/s.

    `apex` is where the line is slowest in the corner; `brake` where the braking for it begins, nan where none is
    needed; `lost` is s that the corner takes longer than at the line's top speed.
    """

    corner: Corner
    brake: float
    entry_speed: float
    apex: float
    apex_speed: float
    exit_speed: float
    lost: float

    @property
    def name(self) -> str:
        """`T1`, of the corner."""
        return self.corner.name


def passages(track: Track, line: Line) -> list[Passage]:
    """How a line is driven through the corners of its track, in driving order."""
    return [found for corner in corners(track) if (found := _passage(track, line, corner)) is not None]


def _passage(track: Track, line: Line, corner: Corner) -> Passage | None:
    rows = np.flatnonzero(inside(corner, line.place))
    if not len(rows):
        return None
    rows = rows[np.argsort((line.place[rows] - corner.start) % track.length, kind="stable")]
    slowest = int(rows[np.argmin(line.speed[rows])])
    after = np.roll(line.time, -1)
    took = np.where(after > line.time, after - line.time, line.lap_time + after - line.time)[rows]
    lost = float(np.sum(took * (1.0 - line.speed[rows] / line.speed.max())))
    return Passage(
        corner=corner,
        brake=_brake(line, slowest),
        entry_speed=float(line.speed[rows[0]]),
        apex=float(line.place[slowest]),
        apex_speed=float(line.speed[slowest]),
        exit_speed=float(line.speed[rows[-1]]),
        lost=lost,
    )


def _brake(line: Line, slowest: int) -> float:
    """The place from which the speed only falls until the slowest point; nan where it hardly falls."""
    k, count = slowest, len(line.speed)
    for _ in range(count - 1):
        before = k - 1
        if (before < 0 and not line.is_loop) or line.speed[before] <= line.speed[k]:
            break
        k = before % count
    return float(line.place[k]) if line.speed[k] - line.speed[slowest] > SLOWS else float("nan")
