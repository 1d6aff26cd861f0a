"""The reward functions that ship: they run everywhere, keep the official validator's rules, and pay
what they say.
"""

import ast
import math
import re

import numpy as np
import pytest

from racer import track
from racer.reward import RewardBatch, load_reward, shipped_rewards

NAMES = list(shipped_rewards())
# docs/simulator.md 1.8
FORBIDDEN = ("__import__", "load", "fromfile", "genfromtxt", "tofile", "save", "memmap")
UNKNOWN_TO_VALIDATOR = ("projection_distance", "objects_distance_from_center", "sim_time")


def price(name, params):
    return RewardBatch(load_reward(name), len(params))(params)


def test_at_least_nine_ship():
    assert len(NAMES) >= 9
    assert {
        "center_line",
        "waypoint_heading",
        "progress_per_step",
        "speed_aware",
        "smooth_steering",
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("road", ["oval", "reinvent_2018"])
def test_every_situation_gets_a_finite_price_and_stays_unchanged(name, road, situations):
    batch = RewardBatch(load_reward(name), 200)
    params = situations(200, track.load_track(road), steps=2)
    first = batch(params)
    later = {"steps": 3.0}  # some rewards have a memory
    then = batch([p | later | {"progress": 0.5 * p["progress"], "x": p["x"] + 0.1} for p in params])
    assert len({*first.tolist(), *then.tolist()}) > 1
    assert batch.notes() == []


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_says_what_it_teaches_and_its_weakness(name):
    text = ast.get_docstring(load_reward(name).syntax.tree) or ""
    assert "\nTeaches: " in text
    assert "\nWeakness: " in text


@pytest.mark.parametrize("name", NAMES)
def test_the_official_validator_would_accept_it(name, situations):
    reward = load_reward(name)
    assert not [word for word in FORBIDDEN if word in reward.source]
    assert reward.syntax.imports <= {"math", "random", "numpy", "scipy", "shapely"}
    assert all(
        not isinstance(node, ast.Import | ast.ImportFrom) or node.col_offset == 0
        for node in reward.syntax._nodes
    )
    call = RewardBatch(reward, 1)._calls[0]
    for sample, steps in zip(situations(5), (1, 1, 100, 100, 10000), strict=True):
        params = {key: value for key, value in sample.items() if key not in UNKNOWN_TO_VALIDATOR}
        params |= {
            "steps": steps,
            "waypoints": np.array(params["waypoints"]),
            "heading": sample["heading"] % 360.0,
        }
        assert isinstance(call(params), float)


@pytest.mark.parametrize("name", ["center_line", "smooth_steering", "speed_aware", "avoid_objects"])
def test_the_middle_of_the_road_pays_more_than_its_edge(name, situations):
    middle = situations(1)[0] | {"distance_from_center": 0.0, "all_wheels_on_track": True}
    edge = middle | {"distance_from_center": 0.45 * middle["track_width"]}
    assert price(name, [middle, edge]).tolist() == sorted(price(name, [middle, edge]), reverse=True)


def test_heading_along_the_road_pays_one_and_the_wrap_at_180_degrees_does_not_hurt():
    straight = {
        "all_wheels_on_track": True,
        "closest_waypoints": [0, 1],
        "waypoints": [(0.0, 0.0), (-1.0, -1e-9)],
    }
    rewards = price(
        "waypoint_heading", [straight | {"heading": 180.0}, straight | {"heading": -179.0}]
    )
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
    left, straight, right = price(
        "aim_ahead", [here | {"steering_angle": a} for a in (15.0, 0.0, -15.0)]
    )
    assert left > straight > right


def lap(name, steps):
    """What a lap of that many equal steps pays in all."""
    params = {
        "track_length": 17.7,
        "all_wheels_on_track": True,
        "is_offtrack": False,
        "is_crashed": False,
    }
    batch = RewardBatch(load_reward(name), 1)
    return sum(
        float(batch([params | {"steps": float(k + 2), "progress": 100.0 * k / steps}])[0])
        for k in range(steps + 1)
    )


def test_gained_progress_pays_each_lap_the_same_whatever_its_pace():
    assert lap("progress_gained", 100) == pytest.approx(100.0)
    assert lap("progress_gained", 300) == pytest.approx(100.0)


def test_time_trial_pays_a_fast_lap_more_than_a_slow_one_and_a_crawl_nothing():
    slowest = round(17.7 / 0.5 * 15.0)
    assert lap("time_trial", 100) > lap("time_trial", 200) > lap("time_trial", slowest)
    assert lap("time_trial", slowest) == pytest.approx(10.0, abs=1.0)


FOLLOW, PACE = "racing_line_reinvent_2018", "bound_pace_reinvent_2018"
ROAD = track.load_track("reinvent_2018")


def line_of(name=FOLLOW):
    return np.array(RewardBatch(load_reward(name), 1)._instances[0].modules[""].LINE)


def along(xy, name=FOLLOW, **more):
    """What a drive through places (N, 2), one a step, is paid."""
    batch = RewardBatch(load_reward(name), 1)
    facts = {"is_offtrack": False, "is_crashed": False, "is_reversed": False} | more
    steps = [
        {"x": x, "y": y, "steps": float(k + 2)} | facts for k, (x, y) in enumerate(xy.tolist())
    ]
    return np.array([float(batch([step])[0]) for step in steps])


def test_the_racing_line_stays_on_its_track():
    from shapely import Polygon, points

    surface = Polygon(ROAD.outer, [ROAD.inner])
    assert surface.buffer(0.01).contains(points(line_of())).all()


def test_driving_as_the_racing_line_does_pays_one_a_step_all_around_and_over_the_start():
    line = line_of()
    rewards = along(np.vstack([line[-5:], line, line[:5]]))
    assert rewards[0] == 0.0  # there is nothing to compare the first step with
    np.testing.assert_allclose(rewards[1:], 1.0, atol=1e-6)


def test_half_the_pace_pays_a_quarter_a_step_and_so_half_a_lap():
    line = line_of()
    slow = np.empty((2 * len(line) - 1, 2))
    slow[::2], slow[1::2] = line, 0.5 * (line[:-1] + line[1:])
    np.testing.assert_allclose(along(slow)[1:], 0.25, atol=1e-6)


def test_away_from_the_line_the_same_pace_pays_less_and_backward_it_costs():
    line = line_of()[1:10]  # on the straight after the start
    assert np.all(along(line + [0.0, 0.25])[2:-1] < 0.8)
    assert np.all(along(line + [0.0, 0.25])[2:-1] > 0.4)
    assert along(line[::-1])[1:].max() < 0.0
    assert along(line[::-1], is_reversed=True)[1:].min() > 0.99


def test_however_far_the_racing_line_is_half_of_the_pay_is_left():
    line = line_of()[1:10]
    assert np.median(along(line + [0.0, 1.0])[2:-1]) == pytest.approx(0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "car"), [("vegas", "v5"), ("vegas", "v6"), ("reinvent_2018", "v4")]
)
def test_the_racing_line_of_another_track_or_car_agrees_with_the_clock(name, car, tmp_path):
    from racer.diagnostics import ScoreSettings, score_rewards
    from racer.raceline.files import FOLLOWING_MARGIN_M, following_reward
    from racer.raceline.minimum_time import racing_line
    from racer.vehicle.car import car_preset

    road = track.load_track(name)
    line = racing_line(road, car_preset(car), FOLLOWING_MARGIN_M)
    file = tmp_path / "reward.py"
    file.write_text(following_reward(line, road, car_preset(car)), "utf-8")
    verdict = score_rewards([file], road, ScoreSettings(car=car, foresees=True))[0].verdict
    assert verdict.passed, verdict.sentence


def test_off_the_road_the_racing_line_pays_nothing():
    assert not along(line_of()[:9], is_offtrack=True).any()


def test_the_pace_of_the_bound_pays_one_a_step_and_half_of_it_a_quarter():
    bound = RewardBatch(load_reward(PACE), 1)._instances[0].modules[""].BOUND
    facts = {"is_offtrack": False, "is_crashed": False}
    for share in (1.0, 0.5):
        batch = RewardBatch(load_reward(PACE), 1)
        gained = share * 100.0 / (15.0 * bound)
        steps = [
            facts | {"steps": float(k + 2), "progress": gained * k % 100.0} for k in range(1, 260)
        ]
        rewards = np.array([float(batch([step])[0]) for step in steps])
        np.testing.assert_allclose(rewards[1:], share**2, rtol=1e-6)  # also over the start line


@pytest.mark.parametrize("name", [FOLLOW, PACE])
def test_rewards_from_physics_agree_with_the_clock(name):
    from racer.diagnostics import score_rewards

    verdict = score_rewards([name], ROAD)[0].verdict
    assert verdict.passed, verdict.sentence


def test_rewards_from_physics_have_no_error_in_the_checks():
    from racer.checker import check

    files = [shipped_rewards()[name] for name in (FOLLOW, PACE)]
    profiles = ["aws", "community"]
    result = check(files, tracks=[ROAD.name], profiles=profiles, seconds=0.3)
    assert [finding for finding in result.findings if finding.is_error] == []


def test_the_shipped_rewards_are_what_racer_init_writes_for_their_track():
    from racer.raceline import files as pay
    from racer.raceline.minimum_time import racing_line
    from racer.vehicle.car import car_preset

    line = racing_line(ROAD, car_preset("v6"), pay.FOLLOWING_MARGIN_M)
    written = pay.following_reward(line, ROAD, car_preset("v6"))
    body = shipped_rewards()[FOLLOW].read_text("utf-8")
    assert written.split("LINE = [")[0] == body.split("LINE = [")[0]
    assert written.split("]\n", 1)[1] == body.split("]\n", 1)[1]
    # without CasADi the line is a little slower
    assert abs(len(pay.timed_points(line)) - len(line_of())) <= 2
    bound = racing_line(ROAD, car_preset("v6"))
    paced = pay.pace_reward(bound, ROAD, car_preset("v6")).replace(
        f"BOUND = {bound.lap_time:.2f}", "BOUND = 0.00"
    )
    assert paced == re.sub(
        r"BOUND = [\d.]+", "BOUND = 0.00", shipped_rewards()[PACE].read_text("utf-8"), count=1
    )
    assert bound.lap_time == pytest.approx(
        RewardBatch(load_reward(PACE), 1)._instances[0].modules[""].BOUND, rel=0.02
    )


def test_an_object_ahead_on_the_same_side_costs(situations):
    car = situations(1)[0] | {
        "all_wheels_on_track": True,
        "steering_angle": 0.0,
        "track_length": 20.0,
    }
    car |= {"projection_distance": 19.5, "distance_from_center": 0.3 * car["track_width"]}

    def pay(ahead: float, is_left: bool) -> float:
        there = {"objects_distance": [(19.5 + ahead) % 20.0], "objects_left_of_center": [is_left]}
        return float(price("avoid_objects", [car | there])[0])

    mine, other = car["is_left_of_center"], not car["is_left_of_center"]
    # over the start line, and beside it
    assert pay(0.9, mine) < 0.2 < pay(0.9, other) == pay(-0.3, other)
    assert pay(0.9, other) > pay(1.6, other) > pay(2.3, other) == pay(-1.0, other) == pay(5.0, mine)
