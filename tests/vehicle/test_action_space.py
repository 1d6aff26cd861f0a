"""Action spaces."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import CARS
from racer.vehicle.metadata import parse_metadata

DISCRETE = {
    "action_space": [
        {"steering_angle": -30, "speed": 0.6, "index": 7},
        {"steering_angle": 15, "speed": 1},
    ]
}
CONTINUOUS = {
    "action_space": {"steering_angle": {"low": -30, "high": 30}, "speed": {"low": 1, "high": 3}},
    "action_space_type": "continuous",
}

finite = st.floats(-1e3, 1e3, allow_nan=False)
ranges = st.tuples(finite, finite).filter(lambda pair: pair[0] < pair[1])


def test_index_field_is_ignored_and_list_position_counts():
    space = parse_metadata(DISCRETE, "m.json").action_space
    np.testing.assert_array_equal(space.command_deg([0, 1, 0]), [[-30, 0.6], [15, 1], [-30, 0.6]])


def test_degrees_survive_exactly_where_radians_would_not():
    space = ActionSpace(False, tuple(float(d) for d in range(-30, 31)), (1.0,) * 61)
    assert space.command_deg(range(61))[:, 0].tolist() == [float(d) for d in range(-30, 31)]


def test_continuous_action_is_clipped_then_scaled():
    space = parse_metadata(CONTINUOUS, "m.json").action_space
    command = space.command_deg([[-1, -1], [0, 0], [5, 1], [-9, 0.5]])
    np.testing.assert_allclose(command, [[-30, 1], [0, 2], [30, 3], [-30, 2.5]])


def test_one_action_is_a_batch_of_one():
    assert parse_metadata(DISCRETE, "m").action_space.command_deg(1).shape == (1, 2)
    assert parse_metadata(CONTINUOUS, "m").action_space.command_deg([0.0, 0.0]).shape == (1, 2)
    assert parse_metadata(CONTINUOUS, "m").action_space.command_deg(np.zeros((0, 2))).shape == (
        0,
        2,
    )


def test_a_position_outside_the_list_is_refused_not_wrapped():
    with pytest.raises(IndexError):
        parse_metadata(DISCRETE, "m").action_space.command_deg([-1])


def test_log_writes_index_or_bracketed_pair_as_the_simulator_does():
    assert parse_metadata(DISCRETE, "m").action_space.logged([1, 0]) == ["1", "0"]
    assert parse_metadata(CONTINUOUS, "m").action_space.logged([[0.0, -1.0]]) == ["[0.0 1.0]"]


@given(ranges, ranges, st.lists(st.tuples(finite, finite), max_size=5))
def test_continuous_commands_stay_within_their_bounds(steering, speed, actions):
    space = ActionSpace(True, steering, speed)
    command = space.command_deg(np.reshape(actions, (-1, 2)))
    low, high = np.transpose([steering, speed])
    slack = 1e-12 * (abs(low) + abs(high))
    assert np.all(command >= low - slack)
    assert np.all(command <= high + slack)


def test_default_space_ends_where_the_logs_of_the_car_end():
    assert ActionSpace.default(CARS["v6"]).speed == (0.5, 2.5)
    assert ActionSpace.default(CARS["v5"]).speed == (0.5, 4.0)
    np.testing.assert_allclose(ActionSpace.default(CARS["v4"]).high, [math.pi / 6, 4.0])
