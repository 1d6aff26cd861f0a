"""The reward functions that ship: they run everywhere, keep the official validator's rules, and pay what they say."""

import ast
import math

import numpy as np
import pytest

from racer import track
from racer.reward import RewardBatch, load, shipped_rewards

NAMES = list(shipped_rewards())
FORBIDDEN = ("__import__", "load", "fromfile", "genfromtxt", "tofile", "save", "memmap")  # SIMULATOR.md 1.8
UNKNOWN_TO_VALIDATOR = ("projection_distance", "objects_distance_from_center", "sim_time")


def price(name, params):
    return RewardBatch(load(name), len(params))(params)


def test_at_least_nine_ship():
    assert len(NAMES) >= 9
    assert {"center_line", "waypoint_heading", "progress_per_step", "speed_aware", "smooth_steering"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("road", ["oval", "reinvent_2018"])
def test_every_situation_gets_a_finite_price_and_stays_unchanged(name, road, situations):
    batch = RewardBatch(load(name), 200)
    params = situations(200, track.load(road), steps=2)
    first = batch(params)
    then = batch([p | {"steps": 3.0, "progress": 0.5 * p["progress"]} for p in params])  # some rewards have a memory
    assert len({*first.tolist(), *then.tolist()}) > 1
    assert batch.notes() == []


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_says_what_it_teaches_and_its_weakness(name):
    text = ast.get_docstring(load(name).syntax.tree) or ""
    assert "\nTeaches: " in text
    assert "\nWeakness: " in text


@pytest.mark.parametrize("name", NAMES)
def test_the_official_validator_would_accept_it(name, situations):
    reward = load(name)
    assert not [word for word in FORBIDDEN if word in reward.source]
    assert reward.syntax.imports <= {"math", "random", "numpy", "scipy", "shapely"}
    assert all(
        not isinstance(node, ast.Import | ast.ImportFrom) or node.col_offset == 0 for node in reward.syntax._nodes
    )
    call = RewardBatch(reward, 1)._calls[0]
    for sample, steps in zip(situations(5), (1, 1, 100, 100, 10000), strict=True):
        params = {key: value for key, value in sample.items() if key not in UNKNOWN_TO_VALIDATOR}
        params |= {"steps": steps, "waypoints": np.array(params["waypoints"]), "heading": sample["heading"] % 360.0}
        assert isinstance(call(params), float)


@pytest.mark.parametrize("name", ["center_line", "smooth_steering", "speed_aware", "avoid_objects"])
def test_the_middle_of_the_road_pays_more_than_its_edge(name, situations):
    middle = situations(1)[0] | {"distance_from_center": 0.0, "all_wheels_on_track": True}
    edge = middle | {"distance_from_center": 0.45 * middle["track_width"]}
    assert price(name, [middle, edge]).tolist() == sorted(price(name, [middle, edge]), reverse=True)


def test_heading_along_the_road_pays_one_and_the_wrap_at_180_degrees_does_not_hurt():
    straight = {"all_wheels_on_track": True, "closest_waypoints": [0, 1], "waypoints": [(0.0, 0.0), (-1.0, -1e-9)]}
    rewards = price("waypoint_heading", [straight | {"heading": 180.0}, straight | {"heading": -179.0}])
    np.testing.assert_allclose(rewards, [1.0, 1.0 - 1.0 / 30.0], atol=1e-6)


def test_aiming_ahead_pays_for_steering_towards_the_bend():
    ring = [(2.0 * math.cos(a), 2.0 * math.sin(a)) for a in np.linspace(0.0, 2.0 * math.pi, 61)]
    here = {
        "x": 2.0,
        "y": 0.0,
        "heading": 90.0,
        "waypoints": ring,
        "closest_waypoints": [0, 1],
        "all_wheels_on_track": True,
    }
    left, straight, right = price("aim_ahead", [here | {"steering_angle": a} for a in (15.0, 0.0, -15.0)])
    assert left > straight > right


def lap(name, steps):
    """What a lap of that many equal steps pays in all."""
    params = {"track_length": 17.7, "all_wheels_on_track": True, "is_offtrack": False, "is_crashed": False}
    batch = RewardBatch(load(name), 1)
    return sum(
        float(batch([params | {"steps": float(k + 2), "progress": 100.0 * k / steps}])[0]) for k in range(steps + 1)
    )


def test_gained_progress_pays_each_lap_the_same_whatever_its_pace():
    assert lap("progress_gained", 100) == pytest.approx(100.0)
    assert lap("progress_gained", 300) == pytest.approx(100.0)


def test_time_trial_pays_a_fast_lap_more_than_a_slow_one_and_a_crawl_nothing():
    slowest = round(17.7 / 0.5 * 15.0)
    assert lap("time_trial", 100) > lap("time_trial", 200) > lap("time_trial", slowest)
    assert lap("time_trial", slowest) == pytest.approx(10.0, abs=1.0)


def test_the_racing_line_stays_on_its_track_and_pays_there():
    road = track.load("reinvent_2018")
    line = np.array(RewardBatch(load("racing_line_reinvent_2018"), 1)._instances[0].modules[""].LINE)
    from shapely import Polygon, points

    surface = Polygon(road.outer, [road.inner])
    assert surface.buffer(-0.08).contains(points(line)).all()
    on_it = [{"x": x, "y": y, "speed": 4.0, "all_wheels_on_track": True} for x, y in line.tolist()]
    np.testing.assert_allclose(price("racing_line_reinvent_2018", on_it), 1.0)


def test_an_object_ahead_on_the_same_side_costs(situations):
    car = situations(1)[0] | {"all_wheels_on_track": True, "closest_objects": [0, 0]}
    near = car | {"objects_location": [[car["x"] + 0.5, car["y"]]]}
    same, other = (near | {"objects_left_of_center": [car["is_left_of_center"] ^ side]} for side in (False, True))
    rewards = price("avoid_objects", [same, other])
    assert rewards[0] < 0.2 < rewards[1]
