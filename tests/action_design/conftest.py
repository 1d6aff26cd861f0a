"""A small search that several tests look at."""

from __future__ import annotations

import numpy as np
import pytest

from racer.action_design.beam_search import CommandedDrive, find_fastest_lap, path_from_line
from racer.raceline.minimum_time import RacingLine
from racer.track.track import Track
from racer.vehicle.car import Car, car_preset

# steering deg, m/s
COMMANDS = np.array([(30.0, 1.5), (15.0, 1.5), (5.0, 2.5), (0.0, 1.5), (-15.0, 1.5)])


@pytest.fixture(scope="session")
def car() -> Car:
    return car_preset("v6")


@pytest.fixture(scope="session")
def found(ring: Track, car: Car, line: RacingLine) -> CommandedDrive:
    """The fastest lap of the ring that a narrow search finds with COMMANDS."""
    lap = find_fastest_lap(ring, car, COMMANDS, path_from_line(line, ring), width=40)
    assert lap is not None
    return lap
