"""Facts about tracks whose facts are known."""

import numpy as np
import pytest

from racer.track import load_track
from racer.track.corners import (
    driving_direction,
    find_corners,
    track_curvature,
    track_facts,
)
from racer.track.track import Track

ROAD = np.column_stack([np.linspace(0, 5, 21), np.zeros(21)])
ASIDE = np.array([0.0, 0.3])
STRAIGHT = Track("straight", "Straight", ROAD, ROAD + ASIDE, ROAD - ASIDE)


def test_a_circle_bends_the_same_everywhere() -> None:
    assert track_curvature(load_track("skid_pad")) == pytest.approx(1 / 2.5, rel=2e-3)


def test_corners_are_counted_to_each_side() -> None:
    about = track_facts(load_track("clover"))
    assert (about.corners_left, about.corners_right, about.direction) == (4, 4, "counterclockwise")
    other = track_facts(load_track("clover").mirrored())
    assert (other.corners_left, other.corners_right, other.direction) == (4, 4, "clockwise")
    school = track_facts(load_track("hairpin_school"))
    assert (school.corners_left, school.corners_right) == (5, 2)
    assert school.radius_min == pytest.approx(0.65, abs=0.02)


def test_driving_the_other_way_swaps_left_and_right_corners() -> None:
    there, back = (
        track_facts(load_track("reinvent_2018")),
        track_facts(load_track("reinvent_2018").reversed()),
    )
    assert (there.corners_left, there.corners_right) == (back.corners_right, back.corners_left)
    assert (there.direction, back.direction) == ("counterclockwise", "clockwise")
    assert back.length == pytest.approx(there.length)


def test_corners_are_counted_as_they_are_numbered() -> None:
    for name in ("oval", "baadal", "needle", "grand_prix"):
        about = track_facts(load_track(name))
        assert about.corners_left + about.corners_right == len(find_corners(load_track(name)))


def test_an_open_road_is_straight_and_says_so() -> None:
    about = track_facts(STRAIGHT)
    assert driving_direction(STRAIGHT) == about.direction == "open"
    assert (about.corners_left, about.corners_right) == (0, 0)
    assert about.width_min == about.width_max == pytest.approx(0.6)
    assert about.radius_min > 1e6
