"""Where a policy takes which action."""

from __future__ import annotations

import numpy as np
import pytest

from racer.action_design.design import corner_indices, counting_rows, usage_by_cell, usage_by_corner
from racer.track import library
from racer.track.corners import find_corners

COMMANDS = np.array([(-30.0, 1.0), (-15.0, 1.0), (0.0, 1.0), (15.0, 2.5), (30.0, 2.5)])


def test_every_acting_step_is_counted_once(ring, drive):
    rows = counting_rows(drive())
    for use in (usage_by_corner(rows, ring, COMMANDS), usage_by_cell(rows, ring, COMMANDS)):
        assert use.counts.sum() == len(rows)
        assert use.counts.shape == (5, len(use.places))
        assert use.fractions.sum() == pytest.approx(1.0)
        assert (use.fractions > 0.0).all()


def test_a_step_counts_for_the_command_nearest_to_its_own(ring, drive):
    rows = counting_rows(drive(discrete=False)).assign(steer=16.0, throttle=2.4)
    assert usage_by_cell(rows, ring, COMMANDS).counts.sum(axis=1).tolist() == [
        0,
        0,
        0,
        len(rows),
        0,
    ]


def test_places_are_corners_and_the_straights_that_lead_to_them():
    road = library.load_track("oval")
    found = find_corners(road)
    names, place = corner_indices(np.array([corner.apex for corner in found]), road)
    assert names == ("to T1", "T1", "to T2", "T2", "to T3", "T3", "to T4", "T4")
    assert [names[k] for k in place] == ["T1", "T2", "T3", "T4"]
    between = np.array([0.5 * (found[0].end + found[1].start)])
    assert names[corner_indices(between, road)[1][0]] == "to T2"


def test_the_most_frequent_action_of_a_place_comes_first(ring, drive):
    use = usage_by_corner(counting_rows(drive()), ring, COMMANDS)
    place = int(np.argmax(use.counts.sum(axis=0)))
    shares = [share for _, share in use.most(place)]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0)
