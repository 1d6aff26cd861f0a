"""Which objects a race has, where they stand at the beginning of an episode, and where cars are put
because of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from racer import geometry
from racer.errors import UsageError
from racer.sim.obstacle_layout import (
    OBSTACLE_LAYOUTS,
    ObstacleLayout,
    lay_out_obstacles,
    read_obstacle_layout,
)
from racer.sim.obstacles import BOT, BOX, INNER_LANE, OUTER_LANE, Obstacles
from racer.sim.params import build_params
from racer.sim.simulation import START_LINE, Scenario, Simulation, Starts
from racer.sim.state import TRAINING, Phase, Rules, State, Status
from racer.track.library import load_track
from racer.track.track import Track
from racer.vehicle.car import V6

TRACK = load_track("reinvent_2018")
L = TRACK.length
SIX = ObstacleLayout(number_of_obstacles=6)
ANYWHERE = OBSTACLE_LAYOUTS["random_boxes"]
HELD = Rules(resets=1000, off_track_penalty=0.2, collision_penalty=1.0)


def field(
    what: ObstacleLayout,
    n: int = 1,
    starts: Starts = START_LINE,
    rules: Rules = TRAINING,
    seed: int = 0,
) -> Simulation:
    return Simulation(Scenario(TRACK, V6, rules, starts, obstacle_layout=what), n, seed)


def at(places: list[tuple[float, int]], **words: Any) -> ObstacleLayout:
    return ObstacleLayout(object_positions=tuple(places), **words)


def drive(cars: Simulation, steps: int, speed: float = 1.0) -> list[State]:
    """Rows of so many steps straight on."""
    return [cars.step(np.tile([0.0, speed], (len(cars.state), 1))) for _ in range(steps)]


def layout(
    what: ObstacleLayout, track: Track, episode: int, generator: np.random.Generator
) -> Obstacles:
    return lay_out_obstacles(
        what, [track], np.zeros(1, np.int32), np.array([episode]), [generator]
    )[0]


def until_crash(cars: Simulation, speed: float = 1.0) -> State:
    for _ in range(300):
        row = cars.step(np.array([[0.0, speed]]))
        if row["status"][0] in (Status.CRASHED, Status.OFF_TRACK):
            return row
    raise AssertionError("the car has come to no grief")


# ---- where they stand
# ------------------------------------------------------------------------------------------------


def test_a_fixed_layout_stands_on_lanes_in_turn_from_the_line_to_1_m_before_it() -> None:
    laid = layout(SIX, TRACK, 5, np.random.default_rng(0))
    assert laid["s"] == pytest.approx(np.linspace(0.0, L - 1.0, 6), abs=1e-3)
    assert laid["lane"].tolist() == [INNER_LANE, OUTER_LANE] * 3
    assert (laid["kind"] == BOX).all()


def test_the_least_distance_is_a_percentage_and_shrinks_at_every_reset() -> None:
    first = [
        layout(SIX, TRACK, episode, np.random.default_rng(0))["s"][0] for episode in (-1, 0, 1)
    ]
    assert first == pytest.approx([2.0 * L / 100.0, 2.0 * (L / 100.0) ** 2, 2.0 * (L / 100.0) ** 3])


def test_random_boxes_keep_their_order_and_distance_and_differ_from_episode_to_episode() -> None:
    generator = np.random.default_rng(0)
    laid = [layout(ANYWHERE, TRACK, 0, generator) for _ in range(200)]
    s = np.array([one["s"] for one in laid])
    assert (np.diff(s, axis=1) >= 2.0 * (L / 100.0) ** 2 - 1e-9).all()
    assert s.min() >= 0.0
    assert s.max() <= L - 1.0
    assert len({tuple(row) for row in s.tolist()}) == 200
    assert 0.4 < np.mean([one["lane"] == OUTER_LANE for one in laid]) < 0.6


def test_given_places_are_shares_of_the_lap_and_lanes_and_count_over_the_number() -> None:
    laid = layout(
        at([(0.25, -1), (0.5, 1), (0.75, 0)], number_of_obstacles=6),
        TRACK,
        0,
        np.random.default_rng(0),
    )
    assert laid["s"] == pytest.approx([0.25 * L, 0.5 * L, 0.75 * L])
    assert laid["lane"].tolist() == [OUTER_LANE, INNER_LANE, INNER_LANE]


def test_bot_cars_come_after_obstacles_at_least_2_m_from_the_line() -> None:
    laid = layout(
        ObstacleLayout(number_of_obstacles=1, number_of_bot_cars=2),
        TRACK,
        7,
        np.random.default_rng(0),
    )
    assert laid["kind"].tolist() == [BOX, BOT, BOT]
    assert laid["moves"].tolist() == [False, True, True]
    assert laid["s"][1:] == pytest.approx([2.0, L - 1.0])


def test_obstacles_the_size_of_a_car_stand_still() -> None:
    laid = layout(at([(0.5, 1)], is_obstacle_bot_car=True), TRACK, 0, np.random.default_rng(0))
    assert (laid["kind"][0], laid["moves"][0], laid["speed"][0]) == (BOT, False, 0.0)


def test_boxes_are_placed_anew_at_every_episode_and_stay_in_between() -> None:
    cars = field(ANYWHERE)
    first = cars.obstacles.copy()
    drive(cars, 20)
    assert np.array_equal(cars.obstacles, first)
    cars.restart(np.array([0]))
    assert not np.array_equal(cars.obstacles["s"], first["s"])


def test_a_car_has_the_same_layouts_however_many_others_there_are() -> None:
    one, many = field(ANYWHERE, 1), field(ANYWHERE, 5)
    for cars in (one, many):
        drive(cars, 5)
        cars.restart(np.arange(len(cars.state)))
    assert np.array_equal(one.obstacles, many.obstacles[:1])
    assert len(set(many.obstacles["s"][:, 0].tolist())) == 5


def test_the_layout_is_part_of_a_snapshot() -> None:
    cars = field(ANYWHERE, 2)
    saved, laid = cars.snapshot(), cars.obstacles.copy()
    cars.restart(np.arange(2))
    later = cars.obstacles.copy()
    cars.restore(saved)
    assert np.array_equal(cars.obstacles, laid)
    cars.restart(np.arange(2))
    assert np.array_equal(cars.obstacles, later)


# ---- where cars begin and go on
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lane", "is_left"), [(INNER_LANE, False), (OUTER_LANE, True)])
def test_in_training_a_car_begins_on_the_lane_beside_an_object(lane: int, is_left: bool) -> None:
    starts = Starts(offset=0.5, advance=0.0)
    cars = field(at([(0.5 + 0.9 / L, lane)]), starts=starts)
    assert cars.state["left"][0] == is_left
    assert cars.state["distance"][0] == pytest.approx(0.19, abs=0.02)
    assert field(at([(0.5 + 1.1 / L, lane)]), starts=starts).state["distance"][0] < 0.01


def test_in_a_race_it_begins_in_the_middle_all_the_same() -> None:
    assert field(at([(0.001, 1)])).state["distance"][0] < 0.01


def test_the_start_heeds_the_objects_of_the_episode_before() -> None:
    cars = field(ANYWHERE, 40, Starts())
    before = cars.obstacles.copy()
    cars.restart(np.arange(40))
    share = np.array([cars.scenario.starts.of(k, 1)[0] for k in range(40)])
    near = np.abs(before["s"] - share[:, None] * L).min(axis=1) < 1.0
    assert np.array_equal(cars.state["distance"] > 0.1, near)
    assert 0 < near.sum() < 40


def test_a_crash_ends_a_training_episode() -> None:
    row = until_crash(field(at([(2.0 / L, 1)])))
    assert (row["status"][0], row["done"][0]) == (Status.CRASHED, True)
    assert row["s"][0] < 2.0


def test_a_reward_is_told_of_the_crash() -> None:
    cars = field(at([(2.0 / L, 1)]))
    bodies = cars.obstacles
    row = until_crash(cars)
    assert build_params(row, cars.scenario.tracks, bodies)[0]["is_crashed"] is True


@pytest.mark.parametrize(("lane", "is_left"), [(INNER_LANE, False), (OUTER_LANE, True)])
def test_after_a_crash_the_car_waits_1_m_behind_the_box_on_the_other_lane(
    lane: int, is_left: bool
) -> None:
    cars = field(at([(2.0 / L, lane)]), rules=HELD)
    row = until_crash(cars)
    assert (row["status"][0], row["done"][0], row["pause"][0]) == (Status.CRASHED, False, 1.0)
    foot = geometry.point_at(TRACK.center, np.array([1.0]))
    middle = 0.5 * (TRACK.center + (TRACK.outer if lane == INNER_LANE else TRACK.inner))
    spot = geometry.nearest_point(middle, foot)[0]
    assert [cars.state["x"][0], cars.state["y"][0]] == pytest.approx(spot.tolist())
    assert cars.state["left"][0] == is_left
    assert cars.state["vx"][0] == 0.0


def test_it_does_not_crash_while_it_waits_and_the_crash_is_counted_once() -> None:
    cars = field(at([(2.0 / L, 1)]), rules=HELD)
    until_crash(cars)
    cars.obstacles["x"], cars.obstacles["y"] = (
        cars.state["x"],
        cars.state["y"],
    )  # the box follows it
    waiting = drive(cars, 15)
    assert {Status(row["status"][0]) for row in waiting} == {Status.PAUSE}
    assert cars.state["crashes"][0] == 1
    after = drive(cars, 2)
    assert Status.CRASHED in [row["status"][0] for row in after]


def test_off_the_track_near_a_box_it_is_put_behind_the_box_too() -> None:
    cars = field(at([(5.0 / L, 1)]), rules=HELD)
    cars.state["phase"], cars.state["wheels"] = Phase.RUN, 0
    cars.state["progress"] = cars.state["progress_before"] = 4.5 / L * 100.0
    row = cars.step(np.array([[0.0, 1.0]]))
    assert row["status"][0] == Status.OFF_TRACK
    assert cars.state["s"][0] == pytest.approx(4.0 + 0.14, abs=0.05)
    assert not cars.state["left"][0]


def test_mercy_puts_it_beyond_the_box_every_third_time() -> None:
    cars = field(at([(2.0 / L, 1)], enable_mercy_reset=True), rules=HELD)
    counted, s = [], []
    for _ in range(4):
        held = cars.state
        held["x"], held["y"] = cars.obstacles["x"][0, 0], cars.obstacles["y"][0, 0]
        held["phase"], held["progress"] = Phase.RUN, 2.0 / L * 100.0
        cars.state = held
        row = cars.step(np.array([[0.0, 1.0]]))
        counted.append(int(cars.state["obstacle_crashes"][0]))
        s.append(float(cars.state["s"][0]))
        assert row["status"][0] == Status.CRASHED
    assert counted == [1, 2, 0, 1]
    assert s == pytest.approx([1.14, 1.14, 3.14, 1.14], abs=0.05)


def test_a_car_that_finishes_in_a_crash_has_finished() -> None:
    cars = field(at([(0.0, 1), (0.5, 1)]))
    cars.state["phase"], cars.state["progress"] = Phase.RUN, 100.0
    assert cars.step(np.array([[0.0, 1.0]]))["status"][0] == Status.LAP_COMPLETE


# ---- how they are asked for
# ------------------------------------------------------------------------------------------


def test_words_are_those_of_the_simulator_in_any_case() -> None:
    told = read_obstacle_layout({"NUMBER_OF_OBSTACLES": 3, "randomize_obstacle_locations": True})
    assert told == ObstacleLayout(number_of_obstacles=3, randomize_obstacle_locations=True)
    assert read_obstacle_layout({"object_positions": "0.23,-1;0.46,1"}) == at(
        [(0.23, -1), (0.46, 1)]
    )
    assert read_obstacle_layout({"object_positions": ["0.23,-1", [0.46, 1]]}) == at(
        [(0.23, -1), (0.46, 1)]
    )
    assert read_obstacle_layout(None) is None
    assert read_obstacle_layout("boxes") is OBSTACLE_LAYOUTS["boxes"]


def test_they_come_from_a_file(tmp_path: Any) -> None:
    file = tmp_path / "race.toml"
    file.write_text("number_of_bot_cars = 2\nbot_car_speed = 1\n")
    assert read_obstacle_layout(file) == ObstacleLayout(number_of_bot_cars=2, bot_car_speed=1.0)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("boxs", "unknown objects 'boxs': did you mean 'boxes'"),
        (
            {"number_of_obstacle": 3},
            "unknown key 'number_of_obstacle': did you mean 'number_of_obstacles'",
        ),
        ({"number_of_obstacles": 2.5}, "number_of_obstacles is a whole number, 0 or more, not 2.5"),
        ({"number_of_obstacles": -1}, "number_of_obstacles is a whole number, 0 or more, not -1"),
        (
            {"number_of_bot_cars": 1, "bot_car_speed": "fast"},
            "bot_car_speed is a number, 0 or more, not 'fast'",
        ),
        (
            {"number_of_obstacles": 1, "is_obstacle_bot_car": 1},
            "is_obstacle_bot_car is true or false, not 1",
        ),
        ({"number_of_bot_cars": 0}, "no objects: give number_of_obstacles"),
        ({"object_positions": "0.2"}, "object_positions are pairs"),
        ({"object_positions": 3}, "object_positions are pairs"),
        ({"object_positions": [[2.0, 1]]}, "from 0 to 1"),
        (
            {"number_of_bot_cars": 1, "lower_lane_change_time": 9.0},
            "lower_lane_change_time is above",
        ),
        (
            {"number_of_bot_cars": 1, "bot_car_speed": 0.0, "is_lane_change": True},
            "bot_car_speed above 0",
        ),
        ("nowhere.toml", "nowhere.toml: there is no such file"),
    ],
)
def test_what_is_wrong_is_said(told: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read_obstacle_layout(told)


def test_a_file_that_is_no_toml_is_refused(tmp_path: Any) -> None:
    file = tmp_path / "race.toml"
    file.write_text("six boxes")
    with pytest.raises(UsageError, match="is not valid TOML"):
        read_obstacle_layout(file)
