"""A line as a file: a table of its points, as CSV or as an array."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from racer.raceline.line import Line

Array = NDArray[np.float64]

COLUMNS = ("s", "x", "y", "aside", "kappa", "speed", "time", "place")


def columns(line: Line) -> Array:
    """(M, 8) `COLUMNS` of a line: m, m, m, m to the left of the center line, 1/m, m/s, s, m of center line."""
    return np.column_stack([line.s, line.xy, line.aside, line.kappa, line.speed, line.time, line.place])


def as_csv(line: Line) -> bytes:
    """The line as CSV, a point a row."""
    text = io.StringIO()
    np.savetxt(text, columns(line), fmt="%.5f", delimiter=",", header=",".join(COLUMNS), comments="")
    return text.getvalue().encode()


def as_npy(line: Line) -> bytes:
    """The same columns as a `.npy` file."""
    data = io.BytesIO()
    np.save(data, columns(line))
    return data.getvalue()
