"""What is said about an action space: it cannot lap, it costs time, an action is of no use, a range
is wrong.
"""

from __future__ import annotations

import numpy as np
import pytest

from racer.action_design.review import flying_commands, nearest_commands, review_space
from racer.vehicle.action_space import ActionSpace

WIDTH = 40


def space(*pairs):
    steer, speed = zip(*pairs, strict=True)
    return ActionSpace(False, steer, speed)


@pytest.fixture(scope="module")
def free(found):
    """A lap to compare with; narrow, for speed."""
    return found


def test_a_space_that_steers_the_wrong_way_cannot_lap_and_the_advice_says_why(
    ring, car, line, free
):
    seen = review_space(ring, car, space((-30.0, 1.5), (0.0, 1.5)), line, free, width=10)
    assert not seen.can_lap
    assert {advice.kind for advice in seen.advice} == {"fails", "costs"}
    assert seen.advice[0].kind == "fails"
    assert "no lap was found" in seen.advice[0].sentence


def test_an_action_that_the_fastest_lap_does_without_is_useless(ring, car, line, free):
    actions = space((30.0, 1.5), (15.0, 1.5), (5.0, 2.5), (0.0, 1.5), (-15.0, 1.5), (-30.0, 0.3))
    seen = review_space(ring, car, actions, line, free, width=WIDTH)
    assert 5 in seen.unused_actions
    assert any(
        "never useful here" in advice.sentence and "5 (-30°, 0.3 m/s)" in advice.sentence
        for advice in seen.advice
    )
    assert seen.use[5] == 0


def test_a_slow_space_costs_time_and_misses_the_commands_of_the_fast_drive(ring, car, line, free):
    seen = review_space(
        ring, car, space((25.0, 0.8), (5.0, 0.8), (-10.0, 0.8)), line, free, width=WIDTH
    )
    assert seen.costs
    said = [advice.sentence for advice in seen.advice if advice.kind == "costs"]
    assert any(sentence.startswith("these actions cost ") for sentence in said)
    assert any(
        "no action is near +5° at 2.5 m/s" in sentence and sentence.endswith("add it")
        for sentence in said
    )


def test_wanted_counts_the_nearest_action_of_every_step_of_the_free_drive(ring, car, line, free):
    seen = review_space(ring, car, space((30.0, 1.5), (0.0, 2.0)), line, free, width=10)
    assert seen.wanted.sum() == len(flying_commands(free))


def test_a_continuous_range_is_told_to_be_too_wide_and_too_narrow(ring, car, line, free):
    seen = review_space(
        ring, car, ActionSpace(True, (-30.0, 30.0), (0.5, 1.2)), line, free, width=15
    )
    said = " / ".join(advice.sentence for advice in seen.advice)
    assert "the speed range 0.5 to 1.2 m/s is wider than useful" in said
    assert "speed range 0.5 to 1.2 m/s is too narrow" in said


def test_nearest_weighs_fifteen_degrees_as_much_as_eight_tenths_of_a_meter_a_second():
    commands = np.array([(0.0, 1.0), (15.0, 1.0), (0.0, 1.8)])
    assert nearest_commands(commands, np.array([(8.0, 1.0), (0.0, 1.45), (1.0, 1.1)])).tolist() == [
        1,
        2,
        0,
    ]


@pytest.mark.slow
def test_an_open_road_is_reviewed_from_its_start_to_its_end(ring, car):
    from racer.raceline.minimum_time import racing_line
    from racer.track.track import Track

    road = Track("arc", "Arc", ring.center[:30], ring.inner[:30], ring.outer[:30])
    seen = review_space(
        road, car, space((30.0, 1.5), (10.0, 2.0), (0.0, 2.0)), racing_line(road, car), width=20
    )
    assert len(seen.best.laps) == 1
    assert seen.best.rows["progress"][-1] == 100.0
    assert seen.advice
