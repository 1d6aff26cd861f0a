"""The search for the fastest lap: what it finds was driven, by the rules, and more freedom is never
worse.
"""

from __future__ import annotations

import numpy as np
import pytest

from racer.action_design.beam_search import (
    OFFSET_COLUMN,
    SPEED_COLUMN,
    TIME_COLUMN,
    find_fastest_lap,
    improve_lap,
    path_from_lap,
    path_from_line,
    space_commands,
)
from racer.sim.simulation import START_LINE, Scenario, Simulation
from racer.sim.state import TRAINING
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import STEP_S


@pytest.mark.slow
def test_the_lap_is_what_the_simulator_says_of_these_commands(found, ring, car):
    field = Simulation(Scenario(ring, car, TRAINING._replace(laps=2), START_LINE), 1)
    rows = np.concatenate([field.step(found.commands[[k]]) for k in found.chosen])
    assert rows["done"][-1]
    assert rows["progress"][-1] == 100.0
    assert found.laps == [time for time in rows["lap_time"] if time == time]
    assert not rows["off_tracks"].any()
    assert rows["wheels"][:-1].min() > 0


@pytest.mark.slow
def test_a_lap_in_shares_of_a_step_is_within_a_step_of_the_official_one(found):
    assert len(found.laps) == 2
    assert found.pace == pytest.approx(found.laps[-1], abs=1.01 * STEP_S)
    assert found.use.sum() == len(found.chosen[found.flying_lap])


def test_no_lap_is_shorter_than_the_inside_of_the_ring_at_the_fastest_speed(found):
    fastest = found.rows["vx"].max()
    assert 2.0 * np.pi * 2.3 / fastest < found.pace < 2.0 * np.pi * 3.5 / 1.4


def test_without_its_fast_action_the_lap_is_slower(found, ring, car, line):
    slow = find_fastest_lap(
        ring, car, found.commands[[0, 1, 3, 4]], path_from_line(line, ring), width=40
    )
    assert slow is not None
    assert slow.pace > 1.2 * found.pace


def test_cars_that_cannot_turn_have_no_lap(ring, car, line):
    straight = np.array([(0.0, 1.0), (-10.0, 2.0)])
    assert (
        find_fastest_lap(ring, car, straight, path_from_line(line, ring), width=10, factors=(1, 2))
        is None
    )


def test_being_led_by_its_own_lap_never_makes_it_worse(found, ring, car):
    assert improve_lap(ring, car, found, width=20).pace <= found.pace


def test_the_same_search_finds_the_same(found, ring, car, line):
    again = find_fastest_lap(ring, car, found.commands, path_from_line(line, ring), width=40)
    assert again is not None
    np.testing.assert_array_equal(again.chosen, found.chosen)


def test_the_reversed_ring_is_lapped_by_the_mirrored_commands(ring, car, found, line):
    other = ring.reversed()
    from racer.raceline.minimum_time import racing_line

    mirrored = find_fastest_lap(
        other,
        car,
        found.commands * [-1.0, 1.0],
        path_from_line(racing_line(other, car), other),
        width=40,
    )
    assert mirrored is not None
    assert mirrored.pace == pytest.approx(found.pace, rel=0.03)


def test_a_guide_of_a_line_ends_with_its_lap_time_and_keeps_its_place(ring, line):
    guide = path_from_line(line, ring)
    assert guide.table[0, TIME_COLUMN] == 0.0
    assert guide.table[-1, TIME_COLUMN] == pytest.approx(line.lap_time, rel=1e-3)
    assert guide.table[:, OFFSET_COLUMN].mean() == pytest.approx(line.offset.mean(), abs=0.02)


def test_a_guide_of_a_lap_is_that_lap(found, ring):
    guide = path_from_lap(found.rows[found.flying_lap], ring)
    assert guide.table[-1, TIME_COLUMN] == pytest.approx(found.pace, abs=STEP_S)
    assert guide.table[:, SPEED_COLUMN].max() <= found.rows["vx"].max() + 1e-9


def test_a_space_commands_what_the_car_takes():
    discrete = ActionSpace(False, (-45.0, 0.0), (5.0, 1.0))
    np.testing.assert_array_equal(space_commands(discrete), [(-30.0, 4.0), (0.0, 1.0)])
    grid = space_commands(ActionSpace(True, (-20.0, 20.0), (1.0, 2.0)))
    assert grid.shape == (36, 2)
    assert set(np.unique(grid[:, 1]).round(2)) == {1.0, 1.33, 1.67, 2.0}
