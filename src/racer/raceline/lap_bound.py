"""Lap-time bounds that are remembered: by road and car, in the user's data folder, for commands
that cannot wait.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.util import find_spec
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.raceline.minimum_time import RacingLine
from racer.track.corners import Corner, find_corners, is_inside_corner
from racer.track.track import Track
from racer.vehicle.car import Car

FINGERPRINT_POINTS = 50  # of each line of a road that tell it from others
BOUND_VERSION = 1  # of how bounds are found: another one forgets those of before


def remember_bound(track: Track, car: Car, lap_time: float, home: Path) -> None:
    """Remember a bound, s. A folder that cannot be written is no reason to stop: the bound is then
    found again.
    """
    file = _file(track, car, home)
    beside = file.with_suffix(".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(
            json.dumps({"track": track.name, "car": car.name, "lap_time": lap_time}),
            encoding="utf-8",
        )
        beside.replace(file)
    except OSError:
        return


def remembered_bound(track: Track, car: Car, home: Path) -> float | None:
    """The bound, s, that is remembered; None where there is none."""
    try:
        found = json.loads(_file(track, car, home).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    value = found.get("lap_time") if isinstance(found, dict) else None
    return value if isinstance(value, float) and isfinite(value) and value > 0.0 else None


def lap_time_bound(track: Track, car: Car, home: Path) -> float:
    """The bound, s, remembered or found now, which takes some seconds."""
    value = remembered_bound(track, car, home)
    if value is None:
        from racer.raceline.minimum_time import racing_line

        value = racing_line(track, car).lap_time
        remember_bound(track, car, value, home)
    return value


def bound_sentence(time: float, bound: float, car: str) -> str:
    """`8.90 s: 103 % of the bound of car v5, 8.64 s`."""
    return f"{time:.2f} s: {100.0 * time / bound:.0f} % of the bound of car {car}, {bound:.2f} s"


def _file(track: Track, car: Car, home: Path) -> Path:
    made = hashlib.sha256()
    # the same road has the same places, however it is sampled
    for line in (track.center, track.inner, track.outer):
        spots = geometry.point_at(
            line, np.linspace(0.0, geometry.arc_length(line)[-1], FINGERPRINT_POINTS)
        )
        made.update(np.round(spots, 3).tobytes())
    solver = find_spec("casadi") is not None
    made.update(f"{BOUND_VERSION} {car} {solver}".encode())
    return home / "bounds" / f"{made.hexdigest()[:24]}.json"


Array = NDArray[np.float64]

LEAST_BRAKING_SPEED = 0.05  # m/s that braking takes off at least: less is none


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
    return [
        found
        for corner in find_corners(track)
        if (found := _passage(track, line, corner)) is not None
    ]


def _passage(track: Track, line: RacingLine, corner: Corner) -> Passage | None:
    rows = np.flatnonzero(is_inside_corner(corner, line.place))
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


def _brake(line: RacingLine, slowest: int) -> float:
    """The place from which the speed only falls until the slowest point; nan where it hardly falls."""
    k, count = slowest, len(line.speed)
    for _ in range(count - 1):
        before = k - 1
        if (before < 0 and not line.is_loop) or line.speed[before] <= line.speed[k]:
            break
        k = before % count
    return (
        float(line.place[k])
        if line.speed[k] - line.speed[slowest] > LEAST_BRAKING_SPEED
        else float("nan")
    )
