"""Steady circles against the path that the car really drives, and the bends that need them."""

from __future__ import annotations

import numpy as np
import pytest

from racer.action_design.review import find_bends, steady_circles, tightest_circle
from racer.vehicle.car import STEP_S, car_preset, car_table
from racer.vehicle.dynamics import advance_motion


def radius_of_path(car, command):
    """The circle through three places of a car that has settled: the obvious twin."""
    row, motion, xy = car_table(car, 1)[0], (0.0,) * 7, []
    for _ in range(150):
        motion = advance_motion(row, motion, command, command, 0.0, STEP_S)
        xy.append(motion[:2])
    a, b, c = np.array(xy)[[120, 126, 132]]
    sides = [np.hypot(*(p - q)) for p, q in ((a, b), (b, c), (c, a))]
    area = 0.5 * abs((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0])
    return np.prod(sides) / (4.0 * area)


@pytest.mark.parametrize(
    ("name", "steer", "speed"), [("v4", 20.0, 1.0), ("v5", 30.0, 1.5), ("v6", -30.0, 2.5)]
)
def test_the_radius_is_that_of_the_path(name, steer, speed):
    car = car_preset(name)
    assert steady_circles(car, np.array([(steer, speed)])).radius[0] == pytest.approx(
        radius_of_path(car, (steer, speed)), rel=0.01
    )


def test_every_car_understeers_more_the_faster_it_is():
    for name in ("v4", "v6"):
        radius = steady_circles(
            car_preset(name), np.array([(30.0, v) for v in (1.5, 2.0, 2.5)])
        ).radius
        assert np.all(np.diff(radius) > 0.0)


def test_a_car_that_has_lost_its_rear_drives_no_circle():
    found = steady_circles(car_preset("v5"), np.array([(30.0, 3.0), (0.0, 1.0)]))
    assert found.spins.tolist() == [True, False]
    assert not np.isfinite(found.radius).any()


def test_the_smallest_circle_is_of_the_side_that_is_asked_for():
    found = steady_circles(car_preset("v6"), np.array([(30.0, 1.0), (10.0, 1.0), (-15.0, 1.0)]))
    left, right = tightest_circle(found, 1), tightest_circle(found, -1)
    assert left.steering_deg == 30.0
    assert right.steering_deg == -15.0
    assert left.radius < right.radius
    assert tightest_circle(steady_circles(car_preset("v6"), np.array([(0.0, 1.0)])), 1) is None


def test_bends_come_tightest_first_and_are_wider_than_the_middle_of_the_road():
    from racer.raceline.minimum_time import racing_line
    from racer.track import library

    road = library.load_track("oval")
    found = find_bends(road, racing_line(road, car_preset("v6"), method="least_curvature"))
    assert len(found) == 4
    assert [b.radius for b in found] == sorted(b.radius for b in found)
    assert all(b.radius > b.corner.radius for b in found)
    assert all(b.side == 1 for b in found)
