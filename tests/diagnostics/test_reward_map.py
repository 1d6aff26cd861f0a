"""The reward all over a track: right at every place, for every question, and fresh for files that
keep state.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from racer import track
from racer.diagnostics.reward_map import (
    HEADINGS_DEG,
    MapSettings,
    RewardMap,
    map_reward,
    subtract_maps,
)
from racer.errors import UsageError
from racer.reward import RewardFunction, RewardRefused, load_reward
from racer.track.track import Track

Written = Callable[[str], RewardFunction]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(body: str) -> RewardFunction:
        path = tmp_path / "reward.py"
        path.write_text(dedent(body))
        return load_reward(path)

    return write


def returning(written: Written, expression: str) -> RewardFunction:
    return written(f"import math\ndef reward_function(params):\n    return float({expression})\n")


def spots(found: RewardMap) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    row, column = np.nonzero(np.isfinite(found.price))
    return found.x[column], found.y[row], found.price[row, column]


def test_every_place_is_asked_about_itself(ring: Track, written: Written) -> None:
    found = map_reward(returning(written, "1000 * params['x'] + params['y']"), ring, cells=800)
    x, y, price = spots(found)
    assert len(x) > 600
    assert price == pytest.approx(1000 * x + y)


def test_the_map_covers_the_road_and_a_little_beside_it(ring: Track, written: Written) -> None:
    found = map_reward(
        returning(written, "params['distance_from_center']"), ring, cells=2000, beside=0.2
    )
    x, y, distance = spots(found)
    radius = np.hypot(x, y)
    assert radius.min() == pytest.approx(2.3, abs=0.06)
    assert radius.max() == pytest.approx(3.7, abs=0.06)
    assert distance == pytest.approx(np.abs(radius - 3.0), abs=0.01)
    size = found.x[1] - found.x[0]
    assert len(x) * size**2 == pytest.approx(np.pi * (3.7**2 - 2.3**2), rel=0.03), (
        "no place is left out"
    )
    on = found.on_road[np.isfinite(found.price)]
    assert (on != ((radius > 2.5) & (radius < 3.5))).mean() < 0.03


@pytest.mark.parametrize(
    ("speed", "steering", "heading"), [(0.0, 0.0, 0.0), (4.0, -30.0, 20.0), (1.3, 7.5, -170.0)]
)
def test_the_car_stands_as_the_question_says(
    ring: Track, written: Written, speed: float, steering: float, heading: float
) -> None:
    off = "params['heading'] - math.degrees(math.atan2(params['y'], params['x'])) - 90"
    question = MapSettings(speed, steering, heading)
    for expression, wanted, near in (
        ("params['speed']", speed, 1e-12),
        ("params['steering_angle']", steering, 1e-12),
        (off, heading, 3.6),
    ):
        found = spots(
            map_reward(returning(written, expression), ring, question, cells=60, waypoints=[])
        )[2]
        turn = (found - wanted + 180.0) % 360.0 - 180.0
        assert np.abs(turn).max() <= near


def test_the_best_heading_is_that_of_the_highest_price(ring: Track, written: Written) -> None:
    aim = "-abs((params['heading'] - math.degrees(math.atan2(params['y'], params['x'])) - 90 - 15 + 180) % 360 - 180)"
    found = map_reward(
        returning(written, aim), ring, MapSettings(heading_deg=None), cells=80, waypoints=[]
    )
    heading = found.heading_deg[np.isfinite(found.price)]
    assert heading.tolist() == pytest.approx(np.full(len(heading), 15.0), abs=7.5)
    assert set(heading) <= set(HEADINGS_DEG)
    flat = map_reward(
        returning(written, "1.0"), ring, MapSettings(heading_deg=None), cells=30, waypoints=[]
    )
    assert np.nanmax(np.abs(flat.heading_deg)) == 0.0, "of equal ones the straightest"


def test_a_reward_that_keeps_state_gets_a_fresh_instance_at_every_place(
    ring: Track, written: Written
) -> None:
    counting = written("""
        CALLS = []

        def reward_function(params):
            CALLS.append(1)
            return float(len(CALLS))
    """)
    found = map_reward(counting, ring, cells=300)
    assert found.keeps_state
    assert set(spots(found)[2]) <= {1.0, 2.0, 3.0}, "the first call, the step before, the place"
    assert found.along.price[0] == 1.0, "the start line is the first call itself"
    assert set(found.along.price[10:]) == {3.0}
    assert not map_reward(returning(written, "1.0"), ring, cells=300).keeps_state


def test_a_fresh_instance_has_the_first_call_of_an_episode_before_the_place(
    ring: Track, written: Written
) -> None:
    from_start = written("""
        class Episode:
            start = None

        def reward_function(params):
            if params["steps"] <= 2:
                Episode.start = params["closest_waypoints"][1]
            return float(params["closest_waypoints"][1] - Episode.start)
    """)
    found = map_reward(from_start, ring, cells=300)
    assert found.keeps_state
    assert set(found.along.price) == {0.0}, "the episode began at the place"


def test_what_is_paid_for_a_change_is_that_of_one_step(ring: Track, written: Written) -> None:
    gain = written("""
        LAST = []

        def reward_function(params):
            LAST.append((params["progress"], params["steps"]))
            if len(LAST) < 2:
                return 0.0
            assert LAST[-1][1] > LAST[-2][1]
            return (LAST[-1][0] - LAST[-2][0]) / 100 * params["track_length"]
    """)
    found = map_reward(gain, ring, MapSettings(speed=3.0), cells=300)
    assert found.along.price[10:] == pytest.approx(3.0 / 15, rel=0.01)
    assert found.along.price.min() >= 0.0


def test_steps_and_progress_are_those_of_a_car_that_drove_there(
    ring: Track, written: Written
) -> None:
    pace = "params['progress'] / 100 * params['track_length'] / ((params['steps'] - 2) / 15 or 1)"
    found = map_reward(returning(written, pace), ring, MapSettings(speed=0.5), cells=300)
    far = map_reward(
        returning(written, "params['progress']"), ring, MapSettings(speed=0.5), cells=300
    )
    assert found.price[far.price > 20.0] == pytest.approx(0.5, rel=0.02)
    assert np.nanmax(far.price) <= 100.0


def test_slices_run_along_the_center_line_and_from_right_to_left(
    ring: Track, written: Written
) -> None:
    found = map_reward(returning(written, "params['projection_distance']"), ring, cells=50)
    assert found.along.price == pytest.approx(found.along.at, abs=1e-9)
    side = "params['distance_from_center'] * (1 if params['is_left_of_center'] else -1)"
    cut = map_reward(returning(written, side), ring, cells=50, waypoints=[0, 30]).across
    assert [one.name for one in cut] == ["waypoint 0", "waypoint 30"]
    assert cut[1].price == pytest.approx(cut[1].at, abs=0.01)


def test_the_difference_with_itself_is_nothing_and_with_another_is_theirs(
    ring: Track, written: Written
) -> None:
    one = map_reward(returning(written, "params['x']"), ring, cells=200)
    assert np.nanmax(np.abs(subtract_maps(one, one).price)) == 0.0
    other = map_reward(returning(written, "params['x'] - 2"), ring, cells=200)
    less = subtract_maps(one, other)
    assert spots(less)[2] == pytest.approx(2.0)
    assert less.along.price == pytest.approx(2.0)
    assert less.across[0].price == pytest.approx(2.0)


def test_every_kind_of_road_has_a_map(written: Written) -> None:
    reward = returning(written, "params['track_width'] - params['distance_from_center']")
    for name in ("oval", "reinvent_2018"):
        for road in (track.load_track(name), track.load_track(name).reversed()):
            found = map_reward(reward, road, cells=400)
            assert found.on_road.sum() > 100


def test_an_open_road_has_a_map_that_heads_along_it_to_the_end(written: Written) -> None:
    x = np.linspace(0.0, 4.0, 21)
    lines = [np.column_stack([x, np.full(21, y)]) for y in (0.0, 0.5, -0.5)]
    road = Track("strip", "Strip", *lines)
    found = map_reward(returning(written, "params['heading']"), road, cells=300, waypoints=[0, 20])
    assert np.nanmax(np.abs(found.price)) == pytest.approx(0.0, abs=1e-9)
    assert found.on_road.sum() > 100


def test_what_cannot_be_asked_gets_a_sentence(ring: Track, written: Written) -> None:
    reward = returning(written, "1.0")
    for question, words in (
        (MapSettings(speed=-1.0), "no car drives at -1 m/s"),
        (MapSettings(speed=float("nan")), "the speed of a car is a number"),
        (MapSettings(heading_deg=float("inf")), "the heading of a car is a number"),
    ):
        with pytest.raises(UsageError, match=words):
            map_reward(reward, ring, question)
    with pytest.raises(UsageError, match="at most 2 m beside"):
        map_reward(reward, ring, beside=9.0)
    with pytest.raises(RewardRefused, match="ZeroDivisionError"):
        map_reward(returning(written, "1 / 0"), ring)
