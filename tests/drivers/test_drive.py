"""The front door of the drivers: one call lets a named driver, or a line, drive a track."""

from __future__ import annotations

import pytest

from racer.drivers import Drive, drive
from racer.errors import UsageError
from racer.raceline import RacingLine, racing_line
from racer.sim.state import Status
from racer.track.library import load_track


@pytest.fixture(scope="module")
def oval_line() -> RacingLine:
    return racing_line("oval", "v5", 0.1, "least_curvature")


def test_a_line_is_followed_to_the_end_of_the_lap(oval_line: RacingLine) -> None:
    result = drive("oval", oval_line, car="v5")
    assert isinstance(result, Drive)
    assert result.status == Status.LAP_COMPLETE


def test_a_track_by_name_is_the_loaded_track() -> None:
    by_name = drive("oval", "medium", car="v4")
    loaded = drive(load_track("oval"), "medium", car="v4")
    assert by_name.lap_time == loaded.lap_time


def test_a_line_is_not_followed_among_bot_cars(oval_line: RacingLine) -> None:
    with pytest.raises(UsageError, match="not among bot cars"):
        drive("oval", oval_line, obstacles="bots")
