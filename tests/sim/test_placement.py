"""A car placed by hand: what is asked for is what its params say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.errors import UsageError
from racer.sim import params as scene
from racer.sim.params import build_params
from racer.track.library import load_track
from racer.track.track import Track

TRACK = load_track("reinvent_2018")
STRAIGHT = 2.0  # m: the first 3 m of this track are straight


@settings(max_examples=40, deadline=None)
@given(st.floats(0.0, 100.0), st.floats(-0.2, 0.2), st.booleans())
def test_distance_and_offset_come_back(distance: float, offset: float, reverse: bool) -> None:
    p = scene.place(TRACK, distance=distance, offset=offset, reverse=reverse)
    away = (
        p["projection_distance"] - distance + 0.5 * TRACK.length
    ) % TRACK.length - 0.5 * TRACK.length
    assert away == pytest.approx(0.0, abs=0.06)  # corners of the center line
    assert p["distance_from_center"] == pytest.approx(abs(offset), abs=0.01)
    assert p["is_left_of_center"] == (offset > 0.0) or abs(offset) < 0.01


def test_a_waypoint_is_the_front_of_the_car() -> None:
    for waypoint in (0, 7, 30):
        p = scene.place(TRACK, waypoint=waypoint)
        assert (p["x"], p["y"]) == pytest.approx(p["waypoints"][waypoint])


def test_waypoints_beyond_the_last_and_before_the_first_go_around() -> None:
    count = len(TRACK.waypoints) - 1
    spots = [scene.place(TRACK, waypoint=k) for k in (3, 3 + count, 3 - count)]
    assert spots[0] == spots[1] == spots[2]


def test_heading_is_relative_to_the_road() -> None:
    straight, left = (
        scene.place(TRACK, distance=STRAIGHT, heading_deg=turn) for turn in (0.0, 25.0)
    )
    assert left["heading"] - straight["heading"] == pytest.approx(25.0)


def test_progress_follows_from_the_place_unless_told() -> None:
    assert scene.place(TRACK, distance=0.25 * TRACK.length)["progress"] == pytest.approx(25.0)
    assert scene.place(TRACK, distance=0.25 * TRACK.length, progress=99.0)["progress"] == 99.0
    assert scene.place(TRACK, distance=0.25 * TRACK.length, progress=-3.5)["progress"] == -3.5
    assert scene.place(TRACK, progress=100.0)["progress"] == 100


def test_steps_fit_the_place_unless_told() -> None:
    assert scene.place(TRACK)["steps"] == 2.0
    half = scene.place(TRACK, distance=0.5 * TRACK.length)
    assert half["progress"] == pytest.approx(50.0)
    assert half["steps"] == 1.0 + np.ceil(0.5 * TRACK.length / 2.5 * 15.0)
    assert scene.place(TRACK, progress=50.0)["steps"] == half["steps"]


def test_an_episode_of_few_steps_began_nearer() -> None:
    begun = scene.place(TRACK, distance=0.5 * TRACK.length, steps=2)
    assert begun["progress"] == pytest.approx(100.0 * 4.0 / 15.0 / TRACK.length)
    assert begun["projection_distance"] == pytest.approx(0.5 * TRACK.length)
    assert scene.place(TRACK, distance=0.5 * TRACK.length, steps=500)["progress"] == (
        pytest.approx(50.0)
    )


@pytest.mark.parametrize("progress", [0.0, 1.0, 50.0, 100.0, -20.0])
def test_the_earliest_call_of_a_progress_is_one_at_full_speed(progress: float) -> None:
    (steps,) = scene.least_steps(progress, TRACK).tolist()
    reach = 4.0 / 15.0 / TRACK.length * 100.0
    assert abs(progress) <= reach * (steps - 1) + 1e-6
    assert steps == 2 or abs(progress) > reach * (steps - 2)


def test_the_action_and_the_step_are_as_told() -> None:
    p = scene.place(TRACK, distance=1.0, speed=3.25, steering_deg=-12.5, steps=40)
    assert (p["speed"], p["steering_angle"], p["steps"]) == (3.25, -12.5, 40.0)


def test_reversed_is_the_other_way() -> None:
    one, other = (
        scene.place(TRACK, distance=4.0),
        scene.place(TRACK, distance=TRACK.length - 4.0, reverse=True),
    )
    assert (one["x"], one["y"]) == pytest.approx((other["x"], other["y"]))
    assert abs(one["heading"] - other["heading"]) == pytest.approx(180.0)
    assert (one["is_reversed"], other["is_reversed"]) == (False, True)


def test_the_mirror_image_pays_a_mirrored_car_the_same_distances() -> None:
    mirrored = TRACK.mirrored()
    one = scene.place(TRACK, distance=5.0, offset=0.1, heading_deg=10.0)
    other = scene.place(mirrored, distance=5.0, offset=-0.1, heading_deg=-10.0)
    assert one["distance_from_center"] == pytest.approx(other["distance_from_center"])
    assert one["heading"] == pytest.approx(-other["heading"])
    assert one["is_left_of_center"] != other["is_left_of_center"]


def test_rows_are_the_same_as_one_at_a_time() -> None:
    distance, offset = np.array([0.5, 9.0, 17.0]), np.array([0.0, -0.2, 0.3])
    rows = scene.placed_rows(TRACK, distance, offset=offset, reverse=[False, True, False], steps=5)
    each = [
        scene.place(TRACK, distance=float(s), offset=float(n), reverse=back, steps=5)
        for s, n, back in zip(distance, offset, (False, True, False), strict=True)
    ]
    assert build_params(rows, scene.both_directions(TRACK)) == each


def test_far_from_the_road_the_car_is_off_it() -> None:
    assert scene.place(TRACK, distance=STRAIGHT, offset=1.0)["is_offtrack"]
    assert not scene.place(TRACK, distance=STRAIGHT, offset=0.36)["all_wheels_on_track"]
    assert scene.place(TRACK, distance=STRAIGHT)["all_wheels_on_track"]


def test_both_a_waypoint_and_a_distance_are_refused() -> None:
    with pytest.raises(UsageError, match="not at both"):
        scene.place(TRACK, waypoint=1, distance=1.0)


@pytest.mark.parametrize("name", ["distance", "offset", "heading_deg", "speed", "steering_deg"])
def test_what_is_no_number_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is a number, not nan"):
        scene.place(TRACK, **{name: float("nan")})


def test_an_open_road_has_no_place_beyond_its_ends() -> None:
    line = np.column_stack([np.linspace(0.0, 5.0, 11), np.zeros(11)])
    road = Track("straight", "Straight", line, line + [0.0, 0.5], line - [0.0, 0.5])
    assert scene.place(road, waypoint=10)["projection_distance"] == pytest.approx(5.0)
    with pytest.raises(UsageError, match="open"):
        scene.place(road, distance=5.5)
    with pytest.raises(UsageError, match="waypoints 0 to 10"):
        scene.place(road, waypoint=11)
