"""Laps that racer's own scripted drivers drove."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest

from racer import track as tracks
from racer.drivers.scripted import drive
from racer.logs import schema as trace
from racer.sim.state import trace_columns as columns


@pytest.fixture(scope="session")
def driven_by() -> Callable[..., pd.DataFrame]:
    """A function that gives the trace of a driver's laps on a shipped track."""
    return _driven_by


@cache
def _driven_by(driver: str, track: str = "oval", laps: int = 1) -> pd.DataFrame:
    found = drive(tracks.load_track(track), driver, "v5", laps=laps)
    count = len(found.rows)
    return trace.normalize_trace(
        pd.DataFrame(columns(found.rows, np.full(count, -1), np.zeros(count), found.tracks))
    )
