"""What the rewards are meant to do, as tests: `pytest` runs them, and racer brings the fixtures."""

from pathlib import Path

import pytest

from racer.testing import Reward
from racer.track import library

TRACK = "reinvent_2018"
CAR = "v6"
HERE = Path(__file__).parent


@pytest.fixture(scope="module", params=["reward.py", "pace.py"])
def paid(request):
    """Each of the two rewards: the one that follows the line, and the one that asks for the pace."""
    return Reward(HERE / request.param, library.load_track(TRACK))


def test_a_fast_lap_is_worth_more_than_a_slow_one(paid, lap):
    assert paid.prefers(lap("fast", car=CAR), over=lap("slow", car=CAR))


def test_a_lap_is_worth_more_than_leaving_the_track(paid, lap):
    assert paid.prefers(lap("medium", car=CAR), over=lap("leaving", car=CAR))


def test_it_never_stops_the_job(paid):
    assert paid.never_raises()


def test_it_agrees_with_the_clock(paid):
    assert paid.agrees_with_clock(gamma=0.99, car=CAR)


def test_they_ask_for_laps(paid):
    assert paid.never_asks_for("crawling", "stopping", "waiting", "circling", "leaving", car=CAR)
