"""Boxes and bot cars: where they stand, and what params say about them (docs/simulator.md 1.1,
1.6 and 8.1).
"""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.errors import UsageError
from racer.sim import params as scene
from racer.sim.obstacles import (
    BOT,
    BOX,
    COLLISION_SIZE_M,
    Obstacles,
    hit_obstacle,
    merge_obstacles,
    obstacle_corners,
    obstacles_on,
    visible_obstacles,
)
from racer.sim.params import Params, build_params
from racer.track.library import load_track
from racer.track.track import Track

TRACK = load_track("reinvent_2018")
WAYS = {"counterclockwise": TRACK, "reversed": TRACK.reversed(), "clockwise": TRACK.mirrored()}


def told(track: Track, objects: Obstacles) -> Params:
    """Params of a car somewhere on a track with these objects."""
    return scene.place(track, objects=objects)


PLACES = st.lists(
    st.tuples(st.floats(0.0, 0.999), st.sampled_from([-1, 0, 1])), min_size=1, max_size=6
)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25, deadline=None)
@given(places=PLACES)
def test_facts_are_those_of_shapely(way: str, places: list[tuple[float, int]]) -> None:
    track = WAYS[way]
    objects = obstacles_on(track, places)
    p = told(track, objects)
    center = shapely.LinearRing(track.center)
    half = shapely.Polygon(track.center).symmetric_difference(shapely.Polygon(track.inner))
    for k, spot in enumerate(map(shapely.Point, p["objects_location"])):
        # on the inside of a bend two spots can be equally near
        foot = center.interpolate(p["objects_distance"][k])
        assert foot.distance(spot) == pytest.approx(center.distance(spot), abs=1e-9)
        assert p["objects_distance_from_center"][k] == pytest.approx(
            center.distance(spot), abs=1e-9
        )
        assert p["objects_left_of_center"][k] == (half.contains(spot) == track.is_ccw)


def test_lane_minus_one_is_outer_and_all_others_are_inner() -> None:
    p = told(TRACK, obstacles_on(TRACK, [(0.1, -1), (0.1, 1), (0.1, 0)]))
    # counterclockwise: the inner side is on the left
    assert p["objects_left_of_center"] == [False, True, True]
    # a quarter of the width
    assert p["objects_distance_from_center"] == pytest.approx([0.19] * 3, abs=0.01)


def test_the_neighbors_are_found_around_the_start_line() -> None:
    objects = obstacles_on(TRACK, [(0.9, 1), (0.1, -1), (0.5, 1)])
    near = [
        scene.place(TRACK, distance=share * TRACK.length, objects=objects)
        for share in (0.05, 0.3, 0.6, 0.95)
    ]
    assert [p["closest_objects"] for p in near] == [[0, 1], [1, 2], [2, 0], [0, 1]]


def test_one_object_is_behind_and_ahead() -> None:
    assert scene.place(TRACK, distance=3.0, objects=obstacles_on(TRACK, [(0.5, 1)]))[
        "closest_objects"
    ] == [0, 0]


def test_boxes_tell_neither_heading_nor_speed() -> None:
    p = scene.place(TRACK, objects=obstacles_on(TRACK, [(0.2, 1), (0.4, -1)]))
    assert p["objects_heading"] == [0.0, 0.0]
    assert p["objects_speed"] == [0.0, 0.0]


def test_with_a_bot_car_all_objects_tell_heading_in_radians_and_its_speed() -> None:
    bots = obstacles_on(TRACK, [(0.4, -1)], "bot", speed=0.7)
    objects = merge_obstacles(bots, obstacles_on(TRACK, [(0.2, 1)]))
    p = scene.place(TRACK, objects=objects)
    assert objects["kind"].tolist() == [BOX, BOT]
    assert p["objects_speed"] == [0.7, 0.7]
    assert p["objects_heading"] == pytest.approx(objects["yaw"].tolist())
    assert max(map(abs, p["objects_heading"])) <= np.pi
    assert 0.0 not in p["objects_heading"]


def test_locations_are_lists_of_each_call() -> None:
    objects = obstacles_on(TRACK, [(0.2, 1)])
    rows = scene.placed_rows(TRACK, [1.0, 2.0])
    one, other = build_params(
        rows, scene.both_directions(TRACK), scene.obstacles_met(rows, TRACK, objects)
    )
    one["objects_location"][0][0] = 99.0
    one["objects_distance"].clear()
    assert other["objects_location"] == [[objects["x"][0], objects["y"][0]]]
    assert len(other["objects_distance"]) == 1


def test_the_camera_flag_is_about_the_object_before_the_next_one() -> None:
    objects = obstacles_on(TRACK, [(0.02, 1), (0.10, 1), (0.12, -1)])
    rows = scene.placed_rows(TRACK, [0.10 * TRACK.length - 1.0], objects=objects)
    assert visible_obstacles(rows, objects[None])[0].tolist() == [False, True, True]
    assert (
        build_params(rows, scene.both_directions(TRACK), scene.obstacles_met(rows, TRACK, objects))[
            0
        ]["object_in_camera"]
        is False
    )  # next is 1: object 0 is tested
    swapped = obstacles_on(TRACK, [(0.12, -1), (0.10, 1), (0.5, 1)])
    assert (
        build_params(rows, scene.both_directions(TRACK), scene.obstacles_met(rows, TRACK, swapped))[
            0
        ]["object_in_camera"]
        is True
    )  # next is 1: object 0 is in view


def test_of_the_first_object_the_flag_says_no_whatever_is_in_view() -> None:
    objects = obstacles_on(TRACK, [(0.1, 1)])
    rows = scene.placed_rows(TRACK, [0.1 * TRACK.length - 1.0])
    assert visible_obstacles(rows, objects[None])[0, 0]
    assert (
        build_params(rows, scene.both_directions(TRACK), scene.obstacles_met(rows, TRACK, objects))[
            0
        ]["object_in_camera"]
        is False
    )


@pytest.mark.parametrize(("heading_deg", "seen"), [(0.0, True), (90.0, False), (180.0, False)])
def test_the_camera_looks_ahead(heading_deg: float, seen: bool) -> None:
    objects = obstacles_on(TRACK, [(0.1, 1)])
    rows = scene.placed_rows(TRACK, [0.1 * TRACK.length - 1.0], heading_deg=heading_deg)
    assert visible_obstacles(rows, objects[None])[0, 0] == seen


@settings(max_examples=40, deadline=None)
@given(st.floats(-0.6, 0.6), st.floats(-0.4, 0.4), st.floats(-180.0, 180.0))
def test_a_crash_is_a_corner_of_the_car_in_the_rectangle_of_shapely(
    ahead: float, aside: float, turn: float
) -> None:
    objects = obstacles_on(TRACK, [(0.1, 1)])
    rows = scene.placed_rows(
        TRACK, [0.1 * TRACK.length + ahead], offset=0.19 + aside, heading_deg=turn
    )
    box = shapely.Polygon(obstacle_corners(objects)[0])
    assert box.area == pytest.approx(COLLISION_SIZE_M[BOX][0] * COLLISION_SIZE_M[BOX][1])
    x, y, yaw = (float(rows[name][0]) for name in ("x", "y", "yaw"))
    c, s = np.cos(yaw), np.sin(yaw)
    own = [
        (x + a * c - b * s, y + a * s + b * c)
        for a in (-0.16176, 0.16176)
        for b in (-0.09805, 0.09805)
    ]
    assert (hit_obstacle(rows, objects[None])[0] == 0) == any(
        box.contains(shapely.Point(corner)) for corner in own
    )


def test_on_a_reversed_road_shares_count_the_other_way() -> None:
    back = TRACK.reversed()
    one, other = obstacles_on(TRACK, [(0.3, 1)]), obstacles_on(back, [(0.7, 1)])
    assert [one["x"][0], one["y"][0]] == pytest.approx([other["x"][0], other["y"][0]], abs=1e-6)


def test_the_mirror_image_swaps_the_sides_only() -> None:
    mirrored = TRACK.mirrored()
    one = told(TRACK, obstacles_on(TRACK, [(0.3, 1), (0.6, -1)]))
    other = told(mirrored, obstacles_on(mirrored, [(0.3, 1), (0.6, -1)]))
    assert one["objects_distance"] == pytest.approx(other["objects_distance"])
    assert one["objects_left_of_center"] == [not left for left in other["objects_left_of_center"]]


def test_an_open_road_has_sides() -> None:
    line = np.column_stack([np.linspace(0.0, 5.0, 11), np.zeros(11)])
    road = Track("straight", "Straight", line, line + [0.0, 0.5], line - [0.0, 0.5])
    assert told(road, obstacles_on(road, [(0.5, 1), (0.5, -1)]))["objects_left_of_center"] == [
        True,
        False,
    ]


def test_objects_at_no_place_are_refused() -> None:
    with pytest.raises(UsageError, match="shares of a lap"):
        obstacles_on(TRACK, [(float("nan"), 1)])


def test_no_objects_are_the_same_as_none() -> None:
    rows = scene.placed_rows(TRACK, [1.0])
    assert build_params(
        rows,
        scene.both_directions(TRACK),
        scene.obstacles_met(rows, TRACK, obstacles_on(TRACK, [])),
    ) == build_params(rows, scene.both_directions(TRACK))
