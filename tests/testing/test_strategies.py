"""Examples are states that an episode can have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from racer.testing import PlacedParams, Reward, params, placed
from racer.testing.strategies import place_pairs
from racer.track import load_track

REACH = 4.0 / 15.0 / load_track("oval").length * 100.0
"""Percent of the lap that the fastest car comes in a step."""


@settings(max_examples=80, deadline=None)
@given(params("oval", objects=False))
def test_no_car_comes_farther_than_it_can(case: PlacedParams) -> None:
    assert abs(case["progress"]) <= REACH * (case["steps"] - 1.0) + 1e-6
    assert case["speed"] > 0.0


@pytest.mark.parametrize("fixed", [{"steps": 3}, {"progress": 60.0}])
def test_what_is_fixed_stays_and_the_rest_fits(fixed: dict[str, Any]) -> None:
    @settings(max_examples=30, deadline=None)
    @given(params("oval", objects=False, **fixed))
    def check(case: PlacedParams) -> None:
        assert {name: case[name] for name in fixed} == fixed
        assert abs(case["progress"]) <= REACH * (case["steps"] - 1.0) + 1e-6

    check()


@pytest.mark.parametrize("argument", ["steps", "progress"])
def test_a_pair_differs_in_one_key_alone(argument: str) -> None:
    @settings(max_examples=30, deadline=None)
    @given(place_pairs(load_track("oval"), argument, None, {}))
    def check(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
        less, more = (placed("oval", **arguments) for arguments in pair)
        assert {key for key in less if less[key] != more[key]} <= {argument, "sim_time"}

    check()


def test_a_reward_that_only_impossible_states_break_never_raises(tmp_path: Any) -> None:
    path = tmp_path / "reward.py"
    path.write_text(
        "def reward_function(params):\n"
        "    return float(9000.0 * params['progress'] / params['steps'])\n"
    )
    reward = Reward(path, "oval")
    assert reward.never_raises(examples=60)
    assert 0.0 < reward(placed("oval", distance=8.0)) < 20_000.0
