"""Lap-time bounds that are remembered: by road and car, in the user's data folder, for commands
that cannot wait.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.errors import UsageError
from racer.files import write_file
from racer.raceline.minimum_time import RacingLine, has_solver, racing_line
from racer.track import Corner, Track, find_corners, is_inside_corner
from racer.vehicle import Car

FINGERPRINT_POINTS = 50  # of each line of a road that tell it from others
BOUND_VERSION = 1  # of how bounds are found: another one forgets those of before
LEAST_BRAKING_SPEED = 0.05  # m/s that braking takes off at least: less is none

Array = NDArray[np.float64]


def remember_bound(track: Track, car: Car, lap_time: float, home: Path) -> None:
    """Remember a bound, s. A folder that cannot be written is no reason to stop: the bound is then
    found again.
    """
    facts = {"track": track.name, "car": car.name, "lap_time": lap_time}
    with contextlib.suppress(UsageError):
        write_file(_bound_file(track, car, home), json.dumps(facts))


def remembered_bound(track: Track, car: Car, home: Path) -> float | None:
    """The bound, s, that is remembered; None where there is none."""
    try:
        facts = json.loads(_bound_file(track, car, home).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(facts, dict):
        return None
    lap_time = facts.get("lap_time")
    if isinstance(lap_time, float) and isfinite(lap_time) and lap_time > 0.0:
        return lap_time
    return None


def lap_time_bound(track: Track, car: Car, home: Path) -> float:
    """The bound, s, remembered or found now, which takes some seconds."""
    bound = remembered_bound(track, car, home)
    if bound is None:
        bound = racing_line(track, car).lap_time
        remember_bound(track, car, bound, home)
    return bound


def bound_sentence(time: float, bound: float, car: str) -> str:
    """`8.90 s: 103 % of the bound of car v5, 8.64 s (...)`, with what a bound is; another where the lap
    is faster than that.
    """
    if time < bound:
        return (
            f"{time:.2f} s: faster than the line that racer found for car {car}, {bound:.2f} s, "
            "which is no bound then: its model of the car is too slow there"
        )
    return (
        f"{time:.2f} s: {100.0 * time / bound:.0f} % of the bound of car {car}, {bound:.2f} s "
        "(the fastest lap that racer's model of the car allows: racer line shows it)"
    )


def _bound_file(track: Track, car: Car, home: Path) -> Path:
    fingerprint = hashlib.sha256()
    # the same road has the same points, however it is sampled
    for line in (track.center, track.inner, track.outer):
        s = np.linspace(0.0, geometry.arc_length(line)[-1], FINGERPRINT_POINTS)
        fingerprint.update(np.round(geometry.point_at(line, s), 3).tobytes())
    fingerprint.update(f"{BOUND_VERSION} {car} {has_solver()}".encode())
    return home / "bounds" / f"{fingerprint.hexdigest()[:24]}.json"


@dataclass(frozen=True)
class Passage:
    """A corner as a line is driven through it. Places are m of center line from the start line,
    speeds m/s.

    `apex` is where the line is slowest in the corner; `brake` where the braking for it begins, nan
    where none is needed; `lost` is s that the corner takes longer than at the line's top speed.
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


def corner_passages(track: Track, line: RacingLine) -> list[Passage]:
    """How a line is driven through the corners of its track, in driving order."""
    passages = []
    for corner in find_corners(track):
        is_inside = is_inside_corner(corner, line.s_center)
        if is_inside.any():
            passages.append(_passage(track, line, corner, np.flatnonzero(is_inside)))
    return passages


def _passage(track: Track, line: RacingLine, corner: Corner, points: NDArray[np.int64]) -> Passage:
    """How a line is driven through a corner, in which these of its `points` are."""
    from_start = (line.s_center[points] - corner.start) % track.length
    points = points[np.argsort(from_start, kind="stable")]
    slowest = int(points[np.argmin(line.speed[points])])
    durations = _durations(line)[points]
    lost = durations * (1.0 - line.speed[points] / line.speed.max())
    return Passage(
        corner=corner,
        brake=_braking_place(line, slowest),
        entry_speed=float(line.speed[points[0]]),
        apex=float(line.s_center[slowest]),
        apex_speed=float(line.speed[slowest]),
        exit_speed=float(line.speed[points[-1]]),
        lost=float(np.sum(lost)),
    )


def _durations(line: RacingLine) -> Array:
    """(M,) s from each point of a line to the next, from the last to the first."""
    after = np.roll(line.time, -1)
    wrapped = line.lap_time + after - line.time
    return np.where(after > line.time, after - line.time, wrapped)


def _braking_place(line: RacingLine, slowest: int) -> float:
    """The place from which the speed only falls until the slowest point; nan where it hardly falls."""
    k = slowest
    count = len(line.speed)
    for _ in range(count - 1):
        before = k - 1
        if (before < 0 and not line.is_loop) or line.speed[before] <= line.speed[k]:
            break
        k = before % count
    if line.speed[k] - line.speed[slowest] <= LEAST_BRAKING_SPEED:
        return nan
    return float(line.s_center[k])
