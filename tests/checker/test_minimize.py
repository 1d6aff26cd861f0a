"""From a failure to a test that anybody can run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from racer import track
from racer.checker import search
from racer.checker.calls import CallFailure, RewardCaller, distinct_failures
from racer.checker.cases import (
    PlacedStep,
    lap_episodes,
    placed_episode,
    probe_episodes,
)
from racer.checker.findings import Finding
from racer.checker.named_numbers import NamedNumbers, named_numbers
from racer.checker.search import minimize_failure
from racer.reward import RefusalReason, RewardRefused, load_reward

Told = Callable[..., list[Finding]]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """A function that gives the findings of the failures of a source text on some episodes."""

    def tell(text: str, episodes: list[Any]) -> list[Finding]:
        path = tmp_path / "reward.py"
        path.write_text(dedent(text))
        caller = RewardCaller(load_reward(path), 2.0)
        failures = [f for episode in episodes for f in caller.run_episode(episode)[1]]
        found = [minimize_failure(caller, failure) for failure in distinct_failures(failures)]
        return [one for one in found if one is not None]

    return tell


def oval() -> Any:
    return track.load_track("oval")


def test_a_failure_is_shrunk_to_the_plainest_place(told: Told) -> None:
    (found,) = told(
        "def reward_function(params):\n    return 1 / (params['steering_angle'] - 10)\n",
        probe_episodes(oval()),
    )
    assert found.params is not None
    assert found.params["steering_angle"] == 10.0
    assert (found.params["steps"], found.params["speed"], found.params["distance_from_center"]) == (
        2.0,
        1.0,
        0.0,
    )
    assert found.params["objects_location"] == []


def test_the_ready_made_test_fails_until_the_reward_is_mended(told: Told, tmp_path: Path) -> None:
    (found,) = told(
        "def reward_function(params):\n    return 1 / params['steering_angle']\n",
        probe_episodes(oval()),
    )
    names: dict[str, Any] = {}
    exec(found.test, names)
    run = next(
        value
        for name, value in names.items()
        if name.startswith("test_no_zerodivisionerror_at_line_2")
    )
    with pytest.raises(RewardRefused):
        run()
    (tmp_path / "reward.py").write_text("def reward_function(params):\n    return 1.0\n")
    run()


def test_the_smallest_params_are_json(told: Told) -> None:
    text = "def reward_function(params):\n    return params['objects_speed'][7] if params['objects_speed'] else 1.0\n"
    (found,) = told(text, probe_episodes(oval()))
    assert len(json.loads(json.dumps(found.params))["objects_location"]) == 3
    assert "obstacles_on" in found.test


def test_a_failure_after_a_history_is_told_with_its_lap(told: Told) -> None:
    text = """
        calls = []


        def reward_function(params):
            calls.append(params["progress"])
            return 1.0 / (40 - len(calls))
    """
    (found,) = told(text, lap_episodes(oval(), ["slow"]))
    assert "in step 41 of" in found.circumstances
    assert "drive(load_track('oval'), 'slow')" in found.test


def test_what_only_a_car_that_is_put_about_meets_is_not_told(told: Told) -> None:
    text = """
        last = None


        def reward_function(params):
            global last
            if params["steps"] <= 2:
                last = params["x"]
            if abs(params["x"] - last) > 3 and params["steps"] > 50:
                raise ValueError
            return 1.0
    """
    assert told(text, [e for e in probe_episodes(oval()) if e.name == "placed"]) == []


def test_numbers_that_a_file_names_are_tried(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(
        "def reward_function(params):\n    return 1 / (params['steering_angle'] - 17.25)\n"
    )
    caller = RewardCaller(load_reward(path), 2.0)
    assert {f.exception for f in search.random_failures(caller, [oval()], 300)} == {
        "ZeroDivisionError"
    }


RARE_CONDITIONS = [
    "params['speed'] == 2.37 and params['steering_angle'] > 29",
    "params['steps'] > 2000",
    "params['closest_waypoints'][1] == 57 and params['speed'] >= 3.5 and params['steering_angle'] > 15",
    "0.48 * params['track_width'] < params['distance_from_center'] < 0.5 * params['track_width']",
    "params['progress'] > 99.5 and params['speed'] < 0.9",
]


@pytest.mark.parametrize("condition", RARE_CONDITIONS)
def test_what_a_condition_compares_is_tried_at_its_edges(tmp_path: Path, condition: str) -> None:
    path = tmp_path / "reward.py"
    table = {k: 1.0 + 0.013 * k for k in range(90)}  # numbers that have nothing to do with it
    path.write_text(
        f"TABLE = {table}\n\ndef reward_function(params):\n    return 1 / (not ({condition}))\n"
    )
    caller = RewardCaller(load_reward(path), 2.0)
    assert search.random_failures(caller, [track.load_track("reinvent_2018")], 400)


def test_a_number_is_attributed_to_the_keys_that_it_is_compared_with(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(
        "LIMIT = 2.37\n"
        "TABLE = " + repr(list(range(50))) + "\n\n"
        "def near(offset, width):\n"
        "    return offset < 0.31 * width\n\n"
        "def reward_function(params):\n"
        "    v, s = params['speed'], abs(params.get('steering_angle'))\n"
        "    if v > LIMIT and s <= 17 or v > TABLE[3]:\n"
        "        return 0.1\n"
        "    return 1.0 if near(params['distance_from_center'], params['track_width']) else 0.5\n"
    )
    beside = named_numbers(load_reward(path)).beside
    assert 2.37 in beside["speed"]
    assert 49.0 not in beside["speed"]
    assert 17.0 in beside["steering_angle"]
    assert 0.31 in beside["distance_from_center"]


@pytest.mark.parametrize(
    "condition", ["params['is_reversed']", "max(params['objects_speed'], default=0) > 0"]
)
def test_random_places_are_driven_both_ways_and_among_objects(
    tmp_path: Path, condition: str
) -> None:
    path = tmp_path / "reward.py"
    path.write_text(f"def reward_function(params):\n    return 1 / (not {condition})\n")
    caller = RewardCaller(load_reward(path), 2.0)
    assert search.random_failures(caller, [oval()], 40)


def test_places_at_random_are_ones_that_an_episode_can_have() -> None:
    road = oval()
    episode = search.random_episode(road, 300, NamedNumbers())
    assert all(place.is_possible for place in episode.places)
    reach = 4.0 / 15.0 / road.length * 100.0
    for params in [*episode.params, *(p for e in probe_episodes(road) for p in e.params)]:
        assert abs(params["progress"]) <= reach * (params["steps"] - 1.0) + 1e-6
        assert params["speed"] > 0.0


def test_one_failure_of_a_kind_is_enough() -> None:
    raised = {"reason": RefusalReason.RAISED, "path": "reward.py"}
    refusals = [RewardRefused(**raised, line=line) for line in (3, 3, 4)]
    failures = distinct_failures(map(CallFailure, refusals))
    assert [failure.line for failure in failures] == [3, 4]


def test_places_cover_what_the_simulator_can_show() -> None:
    road = oval()
    told = [p for episode in probe_episodes(road) for p in episode.params]
    count = len(road.waypoints)
    assert {p["steps"] for p in told} >= {2.0}
    assert any(p["progress"] == 0.0 for p in told)
    assert any(p["progress"] == 100 for p in told)
    assert any(p["progress"] < 0.0 for p in told)
    assert any(p["closest_waypoints"][1] == count - 1 for p in told)
    assert {p["is_offtrack"] for p in told} == {p["is_reversed"] for p in told} == {True, False}
    assert (
        {p["is_crashed"] for p in told} == {p["is_left_of_center"] for p in told} == {True, False}
    )
    assert {len(p["objects_location"]) for p in told} == {0, 3}
    assert {max(p["objects_speed"], default=0.0) > 0.0 for p in told} == {True, False}
    assert any(abs((p["heading"]) % 360 - 180) < 1 for p in told)


def test_a_mirrored_place_is_on_the_other_side() -> None:
    road = oval()
    place = PlacedStep(road, 3.0, 0.1, 20.0, steering_deg=5.0)
    here, there = place.params(), place.mirrored(road.mirrored()).params()
    assert here["is_left_of_center"] is not there["is_left_of_center"]
    assert (here["y"], here["steering_angle"]) == pytest.approx(
        (-there["y"], -there["steering_angle"])
    )


def test_an_episode_has_a_place_for_each_of_its_params() -> None:
    episode = placed_episode(
        "two", oval(), [PlacedStep(oval(), 1.0), PlacedStep(oval(), 2.0, objects="bot")]
    )
    assert [len(p["objects_speed"]) for p in episode.params] == [0, 3]
