"""Lap-time bounds that are remembered: by road and car, in the user's data folder, for commands that cannot wait."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from math import isfinite
from pathlib import Path

import numpy as np

from racer import geometry
from racer.car import Car
from racer.track.record import Track

PLACES = 50  # of each line of a road that tell it from others
EDITION = 1  # of how bounds are found: another one forgets those of before


def keep(track: Track, car: Car, lap_time: float, home: Path) -> None:
    """Remember a bound, s. A folder that cannot be written is no reason to stop: the bound is then found again."""
    file = _file(track, car, home)
    beside = file.with_suffix(".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({"track": track.name, "car": car.name, "lap_time": lap_time}), encoding="utf-8")
        beside.replace(file)
    except OSError:
        return


def known(track: Track, car: Car, home: Path) -> float | None:
    """The bound, s, that is remembered; None where there is none."""
    try:
        found = json.loads(_file(track, car, home).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    value = found.get("lap_time") if isinstance(found, dict) else None
    return value if isinstance(value, float) and isfinite(value) and value > 0.0 else None


def bound(track: Track, car: Car, home: Path) -> float:
    """The bound, s, remembered or found now, which takes some seconds."""
    value = known(track, car, home)
    if value is None:
        from racer.raceline.line import fastest

        value = fastest(track, car).lap_time
        keep(track, car, value, home)
    return value


def sentence(time: float, bound: float, car: str) -> str:
    """`8.90 s: 103 % of the bound of car v5, 8.64 s`."""
    return f"{time:.2f} s: {100.0 * time / bound:.0f} % of the bound of car {car}, {bound:.2f} s"


def _file(track: Track, car: Car, home: Path) -> Path:
    made = hashlib.sha256()
    for line in (track.center, track.inner, track.outer):  # the same road has the same places, however it is sampled
        spots = geometry.point_at(line, np.linspace(0.0, geometry.arc_length(line)[-1], PLACES))
        made.update(np.round(spots, 3).tobytes())
    solver = find_spec("casadi") is not None
    made.update(f"{EDITION} {car} {solver}".encode())
    return home / "bounds" / f"{made.hexdigest()[:24]}.json"
