"""What the reward is meant to do, as tests: `pytest` runs them, and racer brings the fixtures."""

from hypothesis import given, settings

from racer.testing import params


def test_more_speed_is_paid_more(reward, at):
    assert reward.prefers(at(waypoint=10, speed=3.0), over=at(waypoint=10, speed=1.0))


def test_more_speed_is_never_paid_less(reward):
    assert reward.increases_with("speed", between=(0.5, 4.0))


def test_being_off_the_track_is_worth_next_to_nothing(reward, at):
    assert reward(at(waypoint=10, offset=1.5)) < 0.01


def test_a_lap_is_worth_more_than_leaving_the_track(reward, lap):
    assert reward.prefers(lap("medium"), over=lap("leaving"))


def test_left_turns_are_paid_as_right_turns(reward):
    assert reward.mirror_invariant()


def test_it_never_stops_the_job(reward):
    assert reward.never_raises()


def test_it_agrees_with_the_clock(reward):
    assert reward.agrees_with_clock(gamma=0.99)


def test_it_asks_for_fast_laps(reward):
    assert reward.asks_for(lap_time_below=9.0)
    assert reward.never_asks_for(
        "crawling", "stopping", "waiting", "weaving", "circling", "leaving"
    )


@settings(max_examples=50, deadline=None)
@given(params(track="oval"))
def test_no_step_is_punished(reward, p):
    assert reward(p) > 0.0
