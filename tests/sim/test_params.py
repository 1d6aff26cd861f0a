"""The dict that a reward function receives: its keys, types and quirks (docs/simulator.md 1)."""

from __future__ import annotations

import copy
import json
from math import degrees, pi

import numpy as np
import pytest

from racer import resources as shipped
from racer.sim.params import Params, build_params
from racer.sim.placement import begin_episodes
from racer.sim.state import TRAINING, Phase, State
from racer.sim.step import locate_cars, step_cars
from racer.track import layout as layout_file
from racer.track.spatial_index import pack_tracks
from racer.vehicle.car import STEP_S, V6, car_table

TRACK = layout_file.load_layout_track(shipped.tracks_folder() / "reinvent_2018.toml")
BACK = TRACK.reversed()
TRACKS = (TRACK, BACK)
ROADS = pack_tracks(TRACKS)

KEYS = (
    "all_wheels_on_track", "x", "y", "heading", "distance_from_center", "projection_distance", "progress", "steps",
    "speed", "steering_angle", "track_width", "track_length", "waypoints", "closest_waypoints", "is_left_of_center",
    "is_reversed", "is_offtrack", "is_crashed", "closest_objects", "objects_location", "objects_distance",
    "objects_distance_from_center", "objects_left_of_center", "objects_heading", "objects_speed",
    "object_in_camera", "sim_time",
)  # fmt: skip
FLOATS = (
    "x", "y", "heading", "distance_from_center", "projection_distance", "progress", "steps", "speed", "steering_angle",
    "track_width", "track_length", "sim_time",
)  # fmt: skip
BOOLS = (
    "all_wheels_on_track",
    "is_left_of_center",
    "is_reversed",
    "is_offtrack",
    "is_crashed",
    "object_in_camera",
)
OBJECTS = (
    "objects_location", "objects_distance", "objects_distance_from_center", "objects_left_of_center", "objects_heading",
    "objects_speed",
)  # fmt: skip


def cars(shares: list[float], road: int = 0) -> State:
    """Cars on the center line that are past their prepare step."""
    state = begin_episodes(TRACKS, ROADS, np.full(len(shares), road, np.int32), np.array(shares))
    state["phase"], state["steps"] = Phase.RUN, 1
    return state


def told(
    state: State, steer: float = 10.0, speed: float = 1.5
) -> tuple[list[Params], State, State]:
    n = len(state)
    row, after = step_cars(
        state,
        np.full((n, 2), [steer, speed]),
        np.full(n, STEP_S),
        ROADS,
        car_table(V6, n),
        TRAINING,
    )
    return build_params(row, TRACKS), row, after


def beside(aside: float, share: float = 0.05, road: int = 0) -> Params:
    """Params of a car that stands `aside` m to the left of the center line."""
    state = cars([share], road)
    yaw = state["yaw"]
    state["x"] -= aside * np.sin(yaw)
    state["y"] += aside * np.cos(yaw)
    return told(locate_cars(state, ROADS))[0][0]


def test_all_27_keys_are_there_and_no_other():
    p = told(cars([0.1]))[0][0]
    assert tuple(p) == KEYS
    assert len(KEYS) == 27


def test_types_are_plain_python_as_in_the_simulator():
    p = told(cars([0.1]))[0][0]
    assert {type(p[name]) for name in FLOATS} == {float}
    assert {type(p[name]) for name in BOOLS} == {bool}
    assert type(p["waypoints"]) is list
    assert {type(point) for point in p["waypoints"]} == {tuple}
    assert {type(value) for point in p["waypoints"] for value in point} == {float}
    assert type(p["closest_waypoints"]) is list
    assert {type(index) for index in p["closest_waypoints"]} == {int}
    assert p["closest_objects"] == [0, 0]
    assert [p[name] for name in OBJECTS] == [[]] * 6


def test_params_are_json():
    p = told(cars([0.1]))[0][0]
    assert json.loads(json.dumps(p))["steps"] == 2.0


def test_steps_are_a_float_and_the_first_call_sees_2():
    state = begin_episodes(TRACKS, ROADS, np.zeros(1, np.int32), np.zeros(1))
    prepared, _, state = told(state)
    first, _, _ = told(state)
    assert prepared[0]["steps"] == 1.0
    assert first[0]["steps"] == 2.0


def test_x_and_y_are_14_cm_ahead_of_the_chassis():
    p, row, _ = told(cars([0.3]))
    assert p[0]["x"] == pytest.approx(row["x"][0] + 0.14 * np.cos(row["yaw"][0]))
    assert p[0]["y"] == pytest.approx(row["y"][0] + 0.14 * np.sin(row["yaw"][0]))


def test_heading_is_in_degrees_up_to_180():
    state = cars([0.1] * 3)
    state["yaw"] = [pi, -pi + 1e-9, 0.5]
    heading = [p["heading"] for p in told(locate_cars(state, ROADS))[0]]
    assert heading == pytest.approx([180.0, -180.0, degrees(0.5)])


def test_speed_and_steering_are_the_commands_just_chosen_not_clipped():
    p = told(cars([0.1]), steer=-45.5, speed=7.25)[0][0]
    assert (p["steering_angle"], p["speed"]) == (-45.5, 7.25)


def test_waypoints_are_closed_and_in_driving_order():
    p, q = told(cars([0.1]))[0][0], told(cars([0.1], road=1))[0][0]
    assert p["waypoints"][0] == p["waypoints"][-1]
    assert p["waypoints"] == [tuple(point) for point in TRACK.center.tolist()]
    assert q["waypoints"] == p["waypoints"][::-1]


def test_is_reversed_is_the_direction_of_the_track_not_of_the_car():
    assert told(cars([0.1]))[0][0]["is_reversed"] is False
    assert told(cars([0.1], road=1))[0][0]["is_reversed"] is True
    wrong_way = cars([0.1])
    wrong_way["yaw"] += pi
    assert told(locate_cars(wrong_way, ROADS))[0][0]["is_reversed"] is False


@pytest.mark.parametrize("road", [0, 1])
@pytest.mark.parametrize("mirror", [False, True])
def test_left_of_center_is_left_of_travel_on_ccw_cw_and_reversed_tracks(road: int, mirror: bool):
    track = TRACK.mirrored() if mirror else TRACK
    tracks = (track, track.reversed())
    roads = pack_tracks(tracks)
    for aside in (-0.3, -0.05, 0.05, 0.3):
        state = begin_episodes(tracks, roads, np.full(20, road, np.int32), np.arange(20) / 20.0)
        yaw = state["yaw"].copy()
        state["x"] -= 0.14 * np.cos(yaw) + aside * np.sin(yaw)
        state["y"] += aside * np.cos(yaw) - 0.14 * np.sin(yaw)
        placed = locate_cars(state, roads)
        assert (placed["left"] == (aside > 0.0)).all()
        assert placed["distance"] == pytest.approx(abs(aside), abs=0.01)


def test_distance_from_center_is_unsigned_and_projection_distance_from_waypoint_0():
    left, right = beside(0.2), beside(-0.2)
    assert left["distance_from_center"] == pytest.approx(0.2, abs=1e-3)
    assert right["distance_from_center"] == pytest.approx(0.2, abs=1e-3)
    assert left["projection_distance"] == pytest.approx(0.05 * TRACK.length + 0.14, abs=0.01)
    # from its own start
    assert left["progress"] == pytest.approx(100 * 0.14 / TRACK.length, abs=0.1)


def test_track_width_is_local_and_track_length_that_of_the_center_line():
    p = told(cars([0.1]))[0][0]
    assert p["track_width"] == pytest.approx(
        np.interp(0.1 * TRACK.length + 0.14, TRACK.s, TRACK.width), abs=0.005
    )
    steps = np.hypot(*np.diff(np.array(p["waypoints"]), axis=0).T)
    assert p["track_length"] == pytest.approx(steps.sum())


def test_wheels_on_track_and_offtrack_are_no_opposites():
    on, half, off = beside(0.0), beside(0.4), beside(0.7)
    assert [on["all_wheels_on_track"], half["all_wheels_on_track"], off["all_wheels_on_track"]] == [
        True,
        False,
        False,
    ]
    assert [on["is_offtrack"], half["is_offtrack"], off["is_offtrack"]] == [False, False, True]


def test_closest_waypoints_lie_behind_and_ahead():
    p, row, _ = told(cars([0.37]))
    behind, ahead = p[0]["closest_waypoints"]
    assert ahead == behind + 1
    assert TRACK.s[behind] <= row["s"][0] < TRACK.s[ahead]


def test_next_waypoint_may_be_the_last_one_which_repeats_the_first():
    last = len(TRACK.center) - 1
    almost_round = 1.0 - (0.14 + 0.5 * (TRACK.s[-1] - TRACK.s[-2])) / TRACK.length
    assert told(cars([almost_round]))[0][0]["closest_waypoints"] == [last - 1, last]


def test_progress_of_a_completed_lap_is_the_int_100():
    state = cars([0.1, 0.1])
    state["progress"] = [100.0, 99.99]
    done, nearly = told(state)[0]
    assert (done["progress"], type(done["progress"])) == (100, int)  # min(progress, 100)
    assert type(nearly["progress"]) is float


def test_progress_may_be_negative():
    state = cars([0.1])
    state["x"] -= 0.5 * np.cos(state["yaw"])
    state["y"] -= 0.5 * np.sin(state["yaw"])
    state["progress"] = 0.0
    assert told(locate_cars(state, ROADS))[0][0]["progress"] < -1.0


def test_sim_time_is_the_clock_before_the_step():
    state = cars([0.1])
    state["clock"] = 12.5
    assert told(state)[0][0]["sim_time"] == 12.5


def test_crashed_is_told():
    state = cars([0.1, 0.2])
    state["crashed"] = [True, False]
    assert [p["is_crashed"] for p in told(state)[0]] == [True, False]


def spoil(p: Params) -> None:
    """Change everything that can be changed, however deep."""
    for name, value in list(p.items()):
        if isinstance(value, list):
            value.reverse()
            value.append("spoilt")
            value[0] = None
        else:
            p[name] = "spoilt"  # type: ignore[literal-required]
    p["new"] = 1  # type: ignore[typeddict-unknown-key]


def test_a_reward_that_spoils_its_params_disturbs_no_other_car_and_no_later_step():
    state = cars([0.1, 0.2, 0.3])
    clean, _, after = told(state)
    expected, later = copy.deepcopy(clean), copy.deepcopy(told(after)[0])
    again, _, after = told(state)
    spoil(again[1])
    assert [again[0], again[2]] == [expected[0], expected[2]]
    assert told(after)[0] == later
    assert told(state)[0] == expected
    assert TRACK.waypoints == [tuple(point) for point in TRACK.center.tolist()]


def test_nothing_that_can_be_changed_is_shared_between_two_dicts():
    one, other = told(cars([0.1, 0.1]))[0]
    for name in KEYS:
        if isinstance(one[name], list):  # type: ignore[literal-required]
            assert one[name] is not other[name], name  # type: ignore[literal-required]


def test_cars_on_the_track_and_on_its_reverse_get_their_own_side_of_it():
    mixed = np.concatenate([cars([0.1]), cars([0.1], road=1)])
    forward, backward = told(mixed)[0]
    assert forward["waypoints"] == backward["waypoints"][::-1]
    assert forward["is_reversed"] is not backward["is_reversed"]
