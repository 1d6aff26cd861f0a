"""A small search that several tests look at."""

from __future__ import annotations

import numpy as np
import pytest

from racer.action_design.beam_search import Found, from_line, quickest
from racer.raceline.minimum_time import Line
from racer.track.track import Track
from racer.vehicle.car import Car, preset

# steering deg, m/s
COMMANDS = np.array([(30.0, 1.5), (15.0, 1.5), (5.0, 2.5), (0.0, 1.5), (-15.0, 1.5)])


@pytest.fixture(scope="session")
def car() -> Car:
    return preset("v6")


@pytest.fixture(scope="session")
def found(ring: Track, car: Car, line: Line) -> Found:
    """The fastest lap of the ring that a narrow search finds with COMMANDS."""
    lap = quickest(ring, car, COMMANDS, from_line(line, ring), width=40)
    assert lap is not None
    return lap
