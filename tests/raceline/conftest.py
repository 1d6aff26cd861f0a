"""Lines that several tests look at."""

from __future__ import annotations

import pytest

from racer.car import V5
from racer.raceline.line import Line, fastest
from racer.track import library


@pytest.fixture(scope="session")
def quick() -> Line:
    """The line of `reinvent_2018` that bends least."""
    return fastest(library.load("reinvent_2018"), V5, 0.0, "least_curvature")
