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


def test_a_point_nearest_to_a_corner_of_the_line_is_on_the_segment_before_it() -> None:
    line = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    s, segment, foot = geometry.project_points(line, np.array([[1.5, -0.5], [-1.0, 0.0], [2, 2]]))
    assert s == pytest.approx([1.0, 0.0, 2.0])
    assert segment.tolist() == [0, 0, 2]
    assert foot == pytest.approx(np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]))


def test_of_equally_near_places_the_first_one_counts() -> None:
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    s, segment, _ = geometry.project_points(square, np.array([[-0.5, -0.5], [0.5, 0.5]]))
    assert s.tolist() == [0.0, 0.5]  # where a lap begins is its beginning, not its end
    assert segment.tolist() == [0, 0]


def test_points_beside_the_start_line_lie_at_the_beginning_of_the_lap() -> None:
    center = tracks.load_track("grand_prix").center
    first = (center[1] - center[0]) / np.hypot(*(center[1] - center[0]))
    last = (center[-1] - center[-2]) / np.hypot(*(center[-1] - center[-2]))
    direction = (first + last) / np.hypot(*(first + last))
    to_left = np.array([-direction[1], direction[0]])
    s, _, _ = geometry.project_points(
        center, center[0] + np.linspace(-0.3, 0.3, 61)[:, None] * to_left
    )
    assert s.max() < 1e-6


def test_curvature_of_a_circle_is_one_over_its_radius() -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 50, endpoint=False)
    circle = 2.5 * np.column_stack([np.cos(angle), np.sin(angle)])
    velocity = 2.5 * np.column_stack([-np.sin(angle), np.cos(angle)])
    assert geometry.line_curvature(circle, is_loop=True) == pytest.approx(np.full(50, 0.4))
    assert geometry.line_curvature(circle[::-1], is_loop=True) == pytest.approx(np.full(50, -0.4))
    assert geometry.curve_curvature(velocity, -circle) == pytest.approx(np.full(50, 0.4))


def test_an_open_line_does_not_bend_at_its_ends_nor_where_points_repeat() -> None:
    line = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert geometry.line_curvature(line, is_loop=False) == pytest.approx([0, 0, 0, np.sqrt(2), 0])


def test_the_nearest_place_on_a_long_line_is_that_of_all_its_segments() -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 1_001)
    line = np.column_stack([np.cos(angle), np.sin(3.0 * angle)])
    rng = np.random.default_rng(2)
    xy = np.vstack([rng.uniform(-2.0, 2.0, (300, 2)), line + 0.01, [[np.nan, 0.0]]])
    s, segment, foot = geometry.project_points(line, xy)
    one_by_one = [geometry.project_points(line, point[None]) for point in xy]
    np.testing.assert_array_equal(s, [each[0][0] for each in one_by_one])
    np.testing.assert_array_equal(segment, [each[1][0] for each in one_by_one])
    np.testing.assert_array_equal(foot, [each[2][0] for each in one_by_one])
