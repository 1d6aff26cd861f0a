"""What running the simulator's own rule code has shown (docs/simulator.md 9): each test is named
after the fact that it states.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import inf
from typing import Any

import numpy as np
import pytest
from shapely.geometry import LinearRing

from racer.sim.obstacle_layout import ObstacleLayout, read_obstacle_layout
from racer.sim.obstacles import find_contacts, obstacles_on, visible_obstacles
from racer.sim.params import both_directions, build_params, obstacles_met, placed_rows
from racer.sim.placement import begin_episodes, free_lanes, put_back
from racer.sim.simulation import START_LINE, Scenario, Simulation, Starts
from racer.sim.state import EVALUATION, TRAINING, Phase, Rules, State, Status, trace_columns
from racer.sim.step import DUE, locate_cars, step_cars
from racer.track.library import load_track
from racer.track.spatial_index import pack_tracks
from racer.track.track import Track
from racer.vehicle.car import CARS, STEP_S, V4, V5, V6, car_table

TRACK = load_track("reinvent_2018")
PACKED = pack_tracks([TRACK])
L = TRACK.length
LINE = np.column_stack([np.linspace(0.0, 5.0, 41), np.zeros(41)])
STRAIGHT = Track("straight", "Straight", LINE, LINE + [0.0, 0.5], LINE - [0.0, 0.5])
STUCK = replace(V6, name="stuck", front_gain=0.0, rear_gain=0.0)
GO = np.array([[0.0, 1.0]])
FORGIVING = EVALUATION._replace(resets=100)


def driving(fraction: float = 0.3, **columns: float) -> State:
    """A car on the center line that is past its prepare step, with some columns as given."""
    state = begin_episodes([TRACK], PACKED, np.zeros(1, np.int32), np.array([fraction]))
    state["phase"] = Phase.RUN
    state["steps"] = 1
    state["start"] = 0.0
    for name, value in columns.items():
        state[name] = value
    return state


def judged(state: State, rules: Rules) -> tuple[State, State]:
    return step_cars(state, GO, np.array([STEP_S]), PACKED, car_table(V6, 1), rules)


def simulation(rules: Rules = TRAINING, track: Track = TRACK, **words: Any) -> Simulation:
    layout = ObstacleLayout(**words) if words else None
    return Simulation(Scenario(track, V6, rules, START_LINE, obstacle_layout=layout), 1, seed=0)


def words_of(cars: Simulation, steps: int, command: np.ndarray = GO) -> list[str]:
    """The words of the next steps, the last of them that of the step that ends the episode."""
    words = []
    for _ in range(steps):
        row = cars.step(command)
        words.append(Status(row["status"][0]).word)
        if row["done"][0]:
            break
    return words


# 9.1


def test_9_1_v6_puts_a_car_back_at_the_step_before_and_earlier_simulators_at_the_incident():
    assert {name: car.put_back for name, car in CARS.items()} == {
        "v4": "own",
        "v5": "own",
        "v6": "before",
    }
    for car, progress in ((V6, 30.0), (V5, 33.0), (V4, 33.0), (replace(V4, put_back="before"), 30)):
        cars = Simulation(Scenario(TRACK, car, FORGIVING, START_LINE), 1, seed=0)
        state = driving(0.3, progress=30.0)
        state["x"] += 5.0
        cars.state = locate_cars(state, PACKED)
        cars.state["progress"] = 33.0
        assert Status(cars.step(GO)["status"][0]).word == "off_track"
        assert cars.state["s"][0] == pytest.approx(progress * L / 100.0 + 0.14, abs=0.1)


def test_9_1_after_a_crash_a_car_goes_on_from_its_own_progress():
    for rule in ("before", "own"):
        state = driving(0.3, progress_before=29.0, progress=30.0, crashed=True)
        row, after = judged(state, FORGIVING)
        back = put_back(row, after, [TRACK], PACKED, rule=rule)
        assert back["s"][0] == pytest.approx(0.3 * L + 0.14, abs=0.04)


def test_9_1_the_lane_is_that_of_the_driven_step_before_whatever_was_paused_between():
    cars = simulation(FORGIVING)
    words_of(cars, 4)
    driven = cars.state[["driven_x", "driven_y"]].copy()
    cars.state["x"] += 20.0
    cars.state = locate_cars(cars.state, cars.scenario.packed_tracks)
    away = cars.state[["x", "y"]].copy()
    row = cars.step(GO)
    assert row["driven_x"][0] == driven["driven_x"][0]
    while cars.state["phase"][0] == Phase.PAUSE:
        assert cars.state["driven_x"][0] == away["x"][0]
        cars.step(GO)


# 9.2


def test_9_2_with_six_fixed_boxes_a_car_is_put_into_the_last_one_again_and_again():
    cars = simulation(FORGIVING._replace(laps=3), number_of_obstacles=6)
    rows = [cars.step(GO)[0]]
    while not rows[-1]["done"]:
        rows.append(cars.step(GO)[0])
    assert sum(row["status"] == Status.CRASHED for row in rows) == 101
    assert rows[-1]["progress"] == pytest.approx(-4.6, abs=0.05)


def test_9_2_a_place_behind_the_line_is_not_near_to_what_stands_at_the_end_of_the_lap():
    box = obstacles_on(TRACK, [(1.0 - 0.5 / L, 1)])
    state = driving(0.3, progress_before=-2.0, progress=-2.0)
    state["x"] += 5.0
    state = locate_cars(state, PACKED)
    state["progress_before"] = state["progress"] = -2.0
    row, after = judged(state, FORGIVING)
    back = put_back(row, after, [TRACK], PACKED, box[None], ObstacleLayout(number_of_obstacles=1))
    assert back["s"][0] == pytest.approx(0.98 * L + 0.14, abs=0.01)
    assert back["progress"][0] == pytest.approx(-2.0 + 14.0 / L, abs=0.1)


# 9.3


@pytest.mark.parametrize("speed", [0.0, -1.0, 0.05])
def test_9_3_commands_of_0_and_below_drive_a_tenth_of_a_meter_a_second(speed: float):
    slow, slowest = simulation(), simulation()
    for _ in range(10):
        row = slow.step(np.array([[5.0, speed]]))
        slowest.step(np.array([[5.0, 0.1]]))
    assert row["speed_command"][0] == speed
    for name in ("x", "y", "yaw", "vx"):
        assert slow.state[name][0] == slowest.state[name][0]
    assert slow.state["vx"][0] == pytest.approx(0.1, abs=0.02)


# 9.10


def standing_or_moving(moves: bool, ahead: float, aside: float = 0.0) -> tuple[State, np.ndarray]:
    """A car, and an obstacle (1, 1) of a car's size so many m ahead of its middle and to the left."""
    car = placed_rows(TRACK, [2.0])
    cos, sin = np.cos(car["yaw"]), np.sin(car["yaw"])
    obstacle = obstacles_on(TRACK, [(0.5, 1)], kind="bot", moves=moves)
    obstacle["yaw"] = car["yaw"]
    obstacle["x"] = car["x"] + ahead * cos - aside * sin
    obstacle["y"] = car["y"] + ahead * sin + aside * cos
    return car, obstacle[None]


def first_seen(moves: bool) -> float:
    """m from a car to the nearest obstacle straight ahead that its camera sees."""
    for ahead in np.arange(0.0, 1.0, 0.0005):
        if visible_obstacles(*standing_or_moving(moves, ahead))[0, 0]:
            return float(ahead)
    return inf


def test_9_10_boxes_are_looked_for_a_tenth_of_a_meter_above_the_ground():
    # the front corners come into view at the near plane, 0.2 m along a view 15 degrees down
    pitch, lens_ahead, lens_up, half_length = 0.2618, 0.14529379, 0.13032555, 0.16176
    for moves, height in ((True, 0.0), (False, 0.1)):
        corner = lens_ahead + (0.2 - np.sin(pitch) * (lens_up - height)) / np.cos(pitch)
        assert first_seen(moves) == pytest.approx(corner - half_length, abs=0.001)


def test_9_10_with_stereo_cameras_either_of_the_two_may_see_it():
    seen = []
    for has_stereo in (False, True):
        aside = np.arange(0.3, 1.2, 0.001)
        is_seen = [
            visible_obstacles(*standing_or_moving(True, 0.8, to_left), has_stereo)[0, 0]
            for to_left in aside
        ]
        seen.append(aside[np.flatnonzero(is_seen)[-1]])
    assert seen[1] - seen[0] == pytest.approx(0.03, abs=0.0015)
    car, at_edge = standing_or_moving(True, 0.8, float(np.mean(seen)))
    objects = np.concatenate([at_edge[0], obstacles_on(TRACK, [(2.4 / L, 1)])])
    met = obstacles_met(car, TRACK, objects)
    for has_stereo in (False, True):
        params = build_params(car, both_directions(TRACK), met, has_stereo)[0]
        assert params["closest_objects"][1] == 1  # so the flag is about object 0
        assert params["object_in_camera"] == has_stereo


# 9.11


def test_9_11_a_car_that_never_moves_is_immobilized_at_step_16():
    cars = Simulation(Scenario(TRACK, STUCK, TRAINING, START_LINE), 1, seed=0)
    assert words_of(cars, 30) == ["prepare", *["in_progress"] * 14, "immobilized"]


def test_9_11_after_a_pause_the_first_driven_row_counts_too():
    cars = Simulation(Scenario(TRACK, STUCK, FORGIVING, START_LINE), 1, seed=0)
    round_of_words = [*["in_progress"] * 14, "immobilized", "pause"]
    assert words_of(cars, 33) == ["prepare", *round_of_words, *round_of_words]


# 9.12


def test_9_12_time_is_up_in_a_pause_too():
    cars = simulation(FORGIVING._replace(off_track_penalty=5.0, time_limit=3.0))
    words_of(cars, 10)
    cars.state["x"] += 20.0
    cars.state = locate_cars(cars.state, cars.scenario.packed_tracks)
    rows = [cars.step(GO)]
    while not rows[-1]["done"][0]:
        rows.append(cars.step(GO))
    words = [Status(row["status"][0]).word for row in rows]
    assert words == ["off_track", *["pause"] * (len(rows) - 2), "time_up"]
    assert rows[-1]["clock"][0] + rows[-1]["dt"][0] == pytest.approx(3.07, abs=0.005)


# 9.13


def test_9_13_the_pause_duration_ends_at_zero():
    cars = simulation(FORGIVING._replace(off_track_penalty=0.3))
    words_of(cars, 5)
    cars.state["x"] += 20.0
    cars.state = locate_cars(cars.state, cars.scenario.packed_tracks)
    left = [float(cars.step(GO)["pause"][0]) for _ in range(8)]
    assert left == pytest.approx([0.3, 0.2333, 0.1667, 0.1, 0.0333, 0.0, 0.0, 0.0], abs=1e-4)
    assert min(left) == 0.0


def test_9_13_the_crash_counter_is_in_the_row_of_the_incident():
    cars = simulation(
        FORGIVING._replace(collision_penalty=0.1),
        object_positions=((0.15, 1), (0.15, -1)),
        enable_mercy_reset=True,
    )
    counted = []
    while len(counted) < 4:
        row = cars.step(GO)
        logged = trace_columns(row, np.zeros(1), np.zeros(1), cars.scenario.tracks)
        if row["status"][0] == Status.CRASHED:
            counted.append(int(logged["obstacle_crash_counter"][0]))
    assert counted == [1, 2, 0, 1]


# 9.14


def test_9_14_round_robin_adds_its_advance():
    starts = Starts(advance=0.1)
    fractions = [starts.of(0, episode)[0] for episode in range(12)]
    expected = [0.0]
    for _ in range(11):
        expected.append((expected[-1] + 0.1) % 1.0)
    assert fractions == expected
    assert fractions[10] == 0.9999999999999999
    assert [starts.of(car, 10 - car)[0] for car in (1, 4)] == [fractions[10]] * 2


def test_9_14_at_the_end_of_the_line_rounding_says_where_a_car_heads():
    fraction = Starts(advance=0.1).of(0, 10)[0]
    car = begin_episodes([TRACK], PACKED, np.zeros(1, np.int32), np.array([fraction]))[0]
    line = LinearRing(TRACK.center)
    spot = line.interpolate(fraction * line.length)
    assert (car["x"], car["y"]) == (spot.x, spot.y)
    to_next = TRACK.center[-1] - [spot.x, spot.y]
    assert np.hypot(*to_next) < 1e-12
    assert car["yaw"] == np.arctan2(to_next[1], to_next[0])


def test_9_14_boxes_just_past_the_line_are_not_near_to_its_end():
    box = obstacles_on(TRACK, [(0.4 / L, 1)])[None]
    fractions = np.array([0.0, Starts(advance=0.1).of(0, 10)[0]])
    lanes = free_lanes(np.tile(box, (2, 1)), PACKED, np.zeros(2, np.int32), fractions)
    assert lanes is not None
    assert lanes.tolist() == [-1, 0]


# 9.16


@pytest.mark.parametrize(("words", "speed"), [({}, 0.0), ({"BOT_CAR_SPEED": 0.2}, 0.2)])
def test_9_16_without_a_bot_speed_params_say_0_and_the_bots_drive(
    words: dict[str, float], speed: float
):
    layout = read_obstacle_layout({"NUMBER_OF_BOT_CARS": 1, **words})
    cars = Simulation(Scenario(TRACK, V6, TRAINING, START_LINE, obstacle_layout=layout), 1)
    first = float(cars.obstacles["s"][0, 0])
    for _ in range(32):
        rows = cars.step(np.array([[0.0, 0.1]]))
    assert float(cars.obstacles["s"][0, 0]) - first == pytest.approx(0.2 * 2.0, rel=0.05)
    params = build_params(rows, cars.scenario.tracks, cars.obstacles)[0]
    assert params["objects_speed"] == [speed]


# 9.17, 9.19 and who touches whom


def beside_bot(cars: Simulation, ahead: float) -> None:
    """Put the car so many m ahead of the bot car, along it."""
    bot = cars.obstacles[0, 0]
    cars.state["x"] = bot["x"] + ahead * np.cos(bot["yaw"])
    cars.state["y"] = bot["y"] + ahead * np.sin(bot["yaw"])
    cars.state["yaw"] = bot["yaw"] + 0.05
    cars.state = locate_cars(cars.state, cars.scenario.packed_tracks)
    cars.state["progress_before"] = cars.state["progress"]
    cars.state["phase"] = Phase.RUN


def with_bot(rules: Rules = TRAINING, track: Track = TRACK, steps: int = 20) -> Simulation:
    """Cars that have waited beside the road for one bot car that is on its way."""
    cars = simulation(rules, track, number_of_bot_cars=1, bot_car_speed=1.0)
    for _ in range(steps):
        cars.state["phase"] = Phase.PREPARE
        cars.step(GO)
    return cars


@pytest.mark.parametrize(("bot_at", "word"), [(3.0, "crashed"), (4.9, "in_progress")])
def test_9_17_a_bot_whose_front_is_at_the_very_end_of_an_open_road_has_the_car_ahead(
    bot_at: float, word: str
):
    cars = simulation(track=STRAIGHT, number_of_bot_cars=1, bot_car_speed=1.0)
    cars.obstacles["x"] = bot_at
    beside_bot(cars, -0.25)
    moved = cars.obstacles.copy()
    contacts = find_contacts(cars.state, cars.obstacles, moved, cars.scenario.packed_tracks)
    assert contacts.crashed[0] == (word == "crashed")
    assert contacts.touched[0] == contacts.rammed[0] == (word == "in_progress")


def test_9_19_where_the_penalty_is_0_a_bot_rams_the_car_in_its_pause():
    rammed = {}
    for penalty in (0.0, 0.1):
        cars = with_bot(FORGIVING._replace(off_track_penalty=penalty))
        beside_bot(cars, 0.25)
        cars.state["phase"] = Phase.PAUSE
        cars.state["pause"] = penalty
        row = cars.step(GO)
        assert Status(row["status"][0]).word == "pause"
        assert cars._traffic is not None
        rammed[penalty] = int(cars._traffic._crews["crashes"][0])
    assert rammed == {0.0: 1, 0.1: 0}


@pytest.mark.parametrize("rules", [TRAINING, FORGIVING])
def test_a_car_off_the_road_that_a_bot_touches_from_behind_is_in_progress_for_that_step(
    rules: Rules,
):
    cars = with_bot(rules)
    beside_bot(cars, 0.25)
    cars.state["wheels"] = 0
    row = cars.step(GO)
    assert Status(row["status"][0]).word == "in_progress"
    assert (bool(row["done"][0]), bool(row["crashed"][0]), row["off_tracks"][0]) == (
        False,
        False,
        0,
    )
    cars.state["wheels"] = 0
    cars.state["y"] += 50.0
    assert words_of(cars, 1) == ["off_track"]


@pytest.mark.parametrize("columns", [{"backward_steps": 14}, {"still_steps": 15}])
def test_driving_backward_and_standing_wait_until_the_bot_behind_is_gone(columns: dict[str, int]):
    cars = with_bot(FORGIVING)
    beside_bot(cars, 0.25)
    for name, value in columns.items():
        cars.state[name] = value
    cars.state["progress_before"] = cars.state["progress"] + 0.1
    assert words_of(cars, 1) == ["in_progress"]
    assert max(cars.state["backward_steps"][0], cars.state["still_steps"][0]) == DUE
    cars.state["y"] += 50.0
    cars.state["wheels"] = 4
    cars.state["progress_before"] = cars.state["progress"] - 0.1  # forward again
    assert words_of(cars, 1) == ["reversed" if "backward_steps" in columns else "immobilized"]
    assert cars.state[["backward_steps", "still_steps"]][0].tolist() == (0, 0)


# Of several things that hold in one step

ORDER = ("lap_complete", "crashed", "off_track", "immobilized", "time_up", "reversed")
ENDINGS = ("lap_complete", "time_up")
PENALTIES = {"crashed": 5.0, "off_track": 2.0, "immobilized": 0.0, "reversed": 2.0}


def row_where(holds: tuple[str, ...], touched: bool, resets: int) -> np.void:
    """The judged row of a step in which these things hold."""
    state = driving(0.3, progress=20.0, progress_before=20.0)
    state["touched"] = touched
    state["crashed"] = "crashed" in holds
    if "lap_complete" in holds:
        state["progress"] = state["progress_before"] = 100.0
    if "off_track" in holds:
        state["wheels"] = 0
    if "immobilized" in holds:
        state["still_steps"] = 15
    if "reversed" in holds:
        state["progress_before"] += 1.0
        state["backward_steps"] = 14
    limit = -1.0 if "time_up" in holds else inf
    return judged(state, EVALUATION._replace(laps=1, resets=resets, time_limit=limit))[0][0]


@pytest.mark.parametrize("resets", [0, 3])
@pytest.mark.parametrize("pair", list(combinations(ORDER, 2)))
def test_of_two_things_in_one_step_the_first_is_the_word(pair: tuple[str, str], resets: int):
    row = row_where(pair, False, resets)
    word = pair[0]
    ends = resets == 0 or pair[0] in ENDINGS or pair[1] in ENDINGS
    assert Status(row["status"]).word == word
    assert bool(row["done"]) == ends
    assert row["pause"] == (0.0 if ends else PENALTIES[word])
    assert row["resets"] == (0 if ends else 1)
    assert (row["off_tracks"], row["crashes"]) == (word == "off_track", word == "crashed")


@pytest.mark.parametrize("resets", [0, 3])
@pytest.mark.parametrize("holds", [*combinations(ORDER, 1), *combinations(ORDER, 2)])
def test_a_bot_that_touches_from_behind_hides_all_but_the_end(holds: tuple[str, ...], resets: int):
    if "crashed" in holds:
        return  # a car is not both
    row = row_where(holds, True, resets)
    expected = "in_progress"
    if "time_up" in holds:
        expected = "crashed"
    if "lap_complete" in holds:
        expected = "lap_complete"
    assert Status(row["status"]).word == expected
    assert bool(row["done"]) == (expected != "in_progress")
    assert bool(row["crashed"]) == (expected != "in_progress")
    assert row["resets"] == 0


@pytest.mark.parametrize(("word", "columns"), [("off_track", {"wheels": 0}), ("crashed", {"crashed": True})])  # fmt: skip
def test_an_incident_in_the_row_that_completes_a_lap_is_in_the_next_one_negative(
    word: str, columns: dict[str, Any]
):
    rules = FORGIVING._replace(laps=2, off_track_penalty=0.0, collision_penalty=0.0)
    fraction = 0.3 / L
    state = driving(fraction, clock=9.0, lap_start=1.0, **columns)
    state["progress"], state["progress_before"] = 100.0, 99.5
    row, after = judged(state, rules)
    assert Status(row["status"][0]).word == word
    assert row["lap_time"][0] == pytest.approx(8.0 + STEP_S)
    assert (after["episode_laps"][0], bool(row["done"][0])) == (1, False)
    back = put_back(row, after, [TRACK], PACKED)
    place = 99.5 if word == "off_track" else 100.0
    expected = (place - 100.0) + 14.0 / L
    assert back["progress"][0] == pytest.approx(expected, abs=0.1)
    assert back["progress_before"][0] == 0.0
    assert back["phase"][0] == Phase.PAUSE


def test_the_last_lap_is_complete_whatever_else_happens_in_its_row():
    state = driving(0.01, progress=100.0, progress_before=99.5, crashed=True, wheels=0)
    row, _ = judged(state, FORGIVING._replace(laps=1))
    assert Status(row["status"][0]).word == "lap_complete"
    assert (bool(row["done"][0]), row["crashes"][0]) == (True, 0)
