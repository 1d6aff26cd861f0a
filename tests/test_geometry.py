"""Polylines."""

from __future__ import annotations

import numpy as np
import pytest

from racer import geometry
from racer import track as tracks


@pytest.mark.parametrize("name", ["oval", "reinvent_2018", "needle"])
def test_distances_are_those_of_the_projection(name: str) -> None:
    line = tracks.load_track(name).center
    low, high = line.min(axis=0) - 2.0, line.max(axis=0) + 2.0
    xy = np.vstack([np.random.default_rng(1).uniform(low, high, (500, 2)), line])
    expected = np.hypot(*(geometry.nearest_point(line, xy) - xy).T)
    assert geometry.distance_to_line(line, xy) == pytest.approx(expected, abs=1e-6)


def test_distances_far_from_the_origin_keep_their_precision() -> None:
    line = tracks.load_track("oval").center + 1e4
    xy = line[::7] + [0.1, 0.05]
    expected = np.hypot(*(geometry.nearest_point(line, xy) - xy).T)
    assert geometry.distance_to_line(line, xy) == pytest.approx(expected, abs=1e-6)


def test_segments_without_length_and_no_points_are_allowed() -> None:
    line = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert geometry.distance_to_line(line, np.array([[0.5, 0.3], [2.0, 0.5]])) == pytest.approx(
        [0.3, 1.0]
    )
    assert geometry.distance_to_line(line, np.empty((0, 2))).shape == (0,)


def test_many_points_are_looked_at_in_pieces() -> None:
    line = tracks.load_track("oval").center
    xy = np.tile(line, (40, 1)) + [0.05, 0.0]
    assert len(xy) > 4096
    assert geometry.distance_to_line(line, xy) == pytest.approx(
        np.tile(geometry.distance_to_line(line, line + [0.05, 0.0]), 40)
    )
