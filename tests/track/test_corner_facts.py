"""Facts about tracks whose facts are known."""

import numpy as np
import pytest

from racer.track import load_track
from racer.track.corners import driving_direction, track_curvature, track_facts, turn_angles
from racer.track.track import Track

ROAD = np.column_stack([np.linspace(0, 5, 21), np.zeros(21)])
ASIDE = np.array([0.0, 0.3])
STRAIGHT = Track("straight", "Straight", ROAD, ROAD + ASIDE, ROAD - ASIDE)


def test_a_circle_bends_the_same_everywhere() -> None:
    assert track_curvature(load_track("skid_pad")) == pytest.approx(1 / 2.5, rel=2e-3)
    assert turn_angles(load_track("skid_pad")) == pytest.approx(2 * np.pi, rel=2e-3)


def test_turns_are_counted_to_each_side() -> None:
    about = track_facts(load_track("clover"))
    assert (about.turns_left, about.turns_right, about.direction) == (4, 4, "counterclockwise")
    other = track_facts(load_track("clover").mirrored())
    assert (other.turns_left, other.turns_right, other.direction) == (4, 4, "clockwise")
    school = track_facts(load_track("hairpin_school"))
    assert (school.turns_left, school.turns_right) == (5, 2)
    assert school.radius_min == pytest.approx(0.65, abs=0.02)


def test_driving_the_other_way_swaps_left_and_right_turns() -> None:
    there, back = (
        track_facts(load_track("reinvent_2018")),
        track_facts(load_track("reinvent_2018").reversed()),
    )
    assert (there.turns_left, there.turns_right) == (back.turns_right, back.turns_left)
    assert (there.direction, back.direction) == ("counterclockwise", "clockwise")
    assert back.length == pytest.approx(there.length)


def test_turning_adds_up_to_one_round() -> None:
    assert turn_angles(load_track("grand_prix")).sum() == pytest.approx(-2 * np.pi, abs=0.05)


def test_an_open_road_is_straight_and_says_so() -> None:
    about = track_facts(STRAIGHT)
    assert driving_direction(STRAIGHT) == about.direction == "open"
    assert (about.turns_left, about.turns_right) == (0, 0)
    assert about.width_min == about.width_max == pytest.approx(0.6)
    assert about.radius_min > 1e6
