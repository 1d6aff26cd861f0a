"""A line read back from the file that `racer line` wrote."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer import geometry
from racer.errors import UsageError
from racer.raceline.export import COLUMNS
from racer.raceline.line import Line
from racer.track.record import Track

Array = NDArray[np.float64]

NEAR = 2.0  # m from the center line: a point farther away is of another track


def read(path: Path, track: Track) -> Line:
    """The line in a .csv or .npy of `racer line`. UsageError for what is no such file, or one of another track."""
    table = _table(path)
    if table.ndim != 2 or table.shape[1] != len(COLUMNS) or len(table) < 3 or not np.isfinite(table).all():
        raise UsageError(f"{path} holds no line: racer line TRACK --csv FILE writes one ({', '.join(COLUMNS)})")
    s, x, y, aside, kappa, speed, time, place = table.T
    xy = np.column_stack([x, y])
    if geometry.distance(track.center, xy).max() > NEAR:
        raise UsageError(f"{path} is a line of another track than {track.name}: racer line {track.name} --csv FILE")
    closing = float(np.hypot(*(xy[0] - xy[-1]))) if track.is_loop else 0.0
    lap_time = float(time[-1] + 2.0 * closing / max(speed[-1] + speed[0], 1e-6))
    margin = float(np.min(0.5 * np.interp(place, track.s, track.width) - np.abs(aside)))
    return Line(s, xy, aside, kappa, speed, time, lap_time, "file", track.is_loop, place, margin)


def _table(path: Path) -> Array:
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(io.BytesIO(data), allow_pickle=False), dtype=np.float64)
        if data.count(b"\n") < 3:
            raise ValueError("it is too short")
        return np.loadtxt(io.BytesIO(data), delimiter=",", skiprows=1, ndmin=2)
    except FileNotFoundError:
        raise UsageError(f"no line file {path}: racer line TRACK --csv {path} writes one") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise UsageError(f"{path} holds no line ({error}): racer line TRACK --csv FILE writes one") from None
