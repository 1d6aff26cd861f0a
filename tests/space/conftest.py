"""A small search that several tests look at."""

from __future__ import annotations

import numpy as np
import pytest

from racer.car import Car, preset
from racer.raceline.line import Line, fastest
from racer.space.guide import from_line
from racer.space.search import Found, quickest
from racer.track.record import Track

COMMANDS = np.array([(30.0, 1.5), (15.0, 1.5), (5.0, 2.5), (0.0, 1.5), (-15.0, 1.5)])  # steering deg, m/s


@pytest.fixture(scope="session")
def car() -> Car:
    return preset("v6")


@pytest.fixture(scope="session")
def line(ring: Track, car: Car) -> Line:
    return fastest(ring, car)


@pytest.fixture(scope="session")
def found(ring: Track, car: Car, line: Line) -> Found:
    """The fastest lap of the ring that a narrow search finds with COMMANDS."""
    lap = quickest(ring, car, COMMANDS, from_line(line, ring), width=40)
    assert lap is not None
    return lap
