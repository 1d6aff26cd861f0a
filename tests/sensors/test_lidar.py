"""LIDAR: what its rays meet, as shapely has it, when it scans, and how its distances are encoded
(docs/simulator.md 4.3).
"""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.sensors import lidar
from racer.sensors.lidar import FARTHEST_M, MOUNT_M, NEAREST_M, RAY_ANGLES_RAD, scan_lidar
from racer.sim import params as scene
from racer.sim.obstacles import OBSTACLE_DTYPE, VISIBLE_SIZE_M, Obstacles, obstacles_on
from racer.sim.state import STATE, State
from racer.track.library import load_track
from racer.vehicle.car import STEP_S

TRACK = load_track("reinvent_2018")
ROOM = np.array(
    [
        [
            [-1.0, -1.0, 9.0, -1.0],
            [9.0, -1.0, 9.0, 6.0],
            [9.0, 6.0, -1.0, 6.0],
            [-1.0, 6.0, -1.0, -1.0],
        ]
    ]
)
NO_WALLS = np.empty((1, 0, 4))
NOTHING = np.zeros((1, 0), OBSTACLE_DTYPE)


def car(x: float = 4.0, y: float = 2.0, yaw: float = 0.0) -> State:
    state = np.zeros(1, STATE)
    state["x"], state["y"], state["yaw"] = x, y, yaw
    return state


def body(x: float, y: float, yaw: float = 0.0, kind: int = 0) -> Obstacles:
    table = np.zeros((1, 1), OBSTACLE_DTYPE)
    table["x"], table["y"], table["yaw"], table["kind"] = x, y, yaw, kind
    return table


def measured(state: State, bodies: Obstacles = NOTHING, walls: np.ndarray = NO_WALLS) -> np.ndarray:
    return scan_lidar(state, bodies, walls, np.empty((len(state), 64)))


def of_shapely(state: State, bodies: Obstacles, walls: np.ndarray) -> np.ndarray:
    """The obvious twin: the distance to the nearest spot of each ray on an outline."""
    x, y, yaw = (float(state[name][0]) for name in ("x", "y", "yaw"))
    eye = np.array([x + MOUNT_M * np.cos(yaw), y + MOUNT_M * np.sin(yaw)])
    things = [shapely.LineString(wall.reshape(2, 2)) for wall in walls[0]]
    for one in bodies[0]:
        length, width, _ = VISIBLE_SIZE_M[one["kind"]]
        outline = shapely.box(-length / 2, -width / 2, length / 2, width / 2)
        turned = shapely.affinity.rotate(outline, one["yaw"], origin=(0, 0), use_radians=True)
        things.append(shapely.affinity.translate(turned, one["x"], one["y"]))
    found = np.full(64, FARTHEST_M)
    for i, angle in enumerate(yaw + RAY_ANGLES_RAD):
        ray = shapely.LineString([eye, eye + FARTHEST_M * np.array([np.cos(angle), np.sin(angle)])])
        for thing in things:
            met = ray.intersection(thing)
            if not met.is_empty:
                found[i] = min(found[i], met.distance(shapely.Point(eye)))
    return np.maximum(found, NEAREST_M)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.floats(-0.9, 8.9), st.floats(-0.9, 5.9), st.floats(-np.pi, np.pi)),
    st.lists(
        st.tuples(
            st.floats(-0.5, 8.5), st.floats(-0.5, 5.5), st.floats(-np.pi, np.pi), st.integers(0, 1)
        ),
        max_size=6,
    ),
)
def test_a_scan_is_that_of_a_shapely_ray_caster(
    place: tuple[float, ...], placed: list[tuple[float, ...]]
) -> None:
    bodies = np.zeros((1, len(placed)), OBSTACLE_DTYPE)
    for k, values in enumerate(placed):
        for name, value in zip(("x", "y", "yaw", "kind"), values, strict=True):
            bodies[name][0, k] = value
    state = car(*place)
    grazed = np.abs(measured(state, bodies, ROOM)[0] - of_shapely(state, bodies, ROOM)) > 1e-3
    # a ray along an edge or through a corner may be decided either way
    for i in np.flatnonzero(grazed):
        nudged = [car(place[0], place[1], place[2] + turn) for turn in (-1e-7, 1e-7)]
        near = [measured(one, bodies, ROOM)[0, i] for one in nudged]
        assert min(near) - 1e-3 <= of_shapely(state, bodies, ROOM)[i] <= max(near) + 1e-3


def test_the_first_ray_is_30_degrees_to_the_left_and_the_last_30_to_the_right() -> None:
    assert np.degrees(RAY_ANGLES_RAD[[0, -1]]) == pytest.approx([30.0, 330.0])
    assert np.degrees(np.diff(RAY_ANGLES_RAD)) == pytest.approx(300.0 / 63.0)


@pytest.mark.parametrize(
    ("angle_deg", "is_seen"), [(0, False), (22, False), (-22, False), (38, True), (180, True)]
)
def test_straight_ahead_is_blind(angle_deg: float, is_seen: bool) -> None:
    away = 3.0 * np.array([np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))])
    assert (measured(car(), body(4.0 + away[0], 2.0 + away[1])) < FARTHEST_M).any() == is_seen


def test_the_sensor_is_ahead_of_the_origin_whichever_way_the_car_looks() -> None:
    behind = [measured(car(yaw=yaw), walls=ROOM)[0, 31:33].min() for yaw in (0.0, np.pi)]
    angle = np.pi - RAY_ANGLES_RAD[31]
    assert behind == pytest.approx(
        [(5.0 + MOUNT_M) / np.cos(angle), (5.0 + MOUNT_M) / np.cos(angle)]
    )


def test_nothing_is_12_m_away_and_nothing_nearer_than_15_cm() -> None:
    assert measured(car()).tolist() == [[FARTHEST_M] * 64]
    assert measured(car(), body(4.0 + MOUNT_M, 2.0)).tolist() == [[NEAREST_M] * 64]
    assert (
        measured(car(), body(4.0, 2.0 + 12.0 + VISIBLE_SIZE_M[0][1] / 2 + 0.02)).min() == FARTHEST_M
    )


def test_each_car_sees_the_walls_of_its_road_and_its_own_objects() -> None:
    state = np.concatenate([car(), car()])
    state["track"] = [0, 1]
    walls = np.stack([ROOM[0], ROOM[0] + 100.0])
    bodies = np.concatenate([body(50.0, 50.0), body(4.0, 3.0)])
    both = scan_lidar(state, bodies, walls, np.empty((2, 64)))
    assert both[0] == pytest.approx(measured(car(), walls=ROOM)[0])
    assert both[1] == pytest.approx(measured(car(), body(4.0, 3.0))[0])


def test_it_scans_in_two_of_three_steps() -> None:
    state = np.zeros(30, STATE)
    state["steps"], state["dt"] = np.arange(1, 31), STEP_S
    state["clock"] = np.cumsum(state["dt"])
    assert lidar.is_scan_due(state).tolist() == [False, True, True] * 10
    state["steps"] = 0
    assert lidar.is_scan_due(state).all()


def test_a_car_that_is_not_due_keeps_its_scan() -> None:
    state = np.concatenate([car(), car()])
    held = np.full((2, 64), 7.0)
    scan_lidar(state, np.zeros((2, 0), OBSTACLE_DTYPE), NO_WALLS, held, due=np.array([True, False]))
    assert held.min(axis=1).tolist() == [FARTHEST_M, 7.0]


def test_noise_is_added_to_what_is_there_and_the_sum_is_rounded() -> None:
    noise = np.random.default_rng(1).normal(0.0, 0.01, (1, 64))
    exact = measured(car(), walls=ROOM)
    rough = scan_lidar(car(), NOTHING, ROOM, np.empty((1, 64)), noise=noise)
    assert rough == pytest.approx(np.round(exact + noise, 2))
    nothing = scan_lidar(car(), NOTHING, NO_WALLS, np.empty((1, 64)), noise=noise)
    assert nothing.tolist() == [[FARTHEST_M] * 64]


def test_lidar_is_clipped_to_one_meter() -> None:
    assert lidar.encode_lidar(np.array([[0.1, 0.15, 0.7, 3.0] * 16]))[0, :4] == pytest.approx(
        [0.15, 0.15, 0.7, 1.0]
    )


def test_sectors_are_8_rays_each_and_occupied_within_half_a_meter() -> None:
    distances = np.full((1, 64), FARTHEST_M)
    distances[0, 8:10], distances[0, 63], distances[0, 0] = (0.49, 0.2), 0.3, 0.5
    assert lidar.encode_sector_lidar(distances).tolist() == [
        [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    ]


def test_discretized_sectors_are_one_hot_and_a_clear_one_is_empty() -> None:
    distances = np.full((1, 64), FARTHEST_M)
    distances[0, 0], distances[0, 9], distances[0, 20], distances[0, 30] = 0.2, 0.25, 1.99, 2.0
    found = lidar.encode_discretized_lidar(distances).reshape(8, 8)
    assert [row.nonzero()[0].tolist() for row in found] == [[0], [1], [7], [], [], [], [], []]
    few = lidar.encode_discretized_lidar(
        distances, {"num_sectors": 4, "num_values_per_sector": 2, "clipping_dist": 1.0}
    )
    assert few.tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]


def test_9_18_the_clipping_distance_is_12_m_at_most() -> None:
    distances = np.full((1, 64), FARTHEST_M)
    distances[0, 0] = 10.0
    config = {"num_sectors": 8, "num_values_per_sector": 4, "clipping_dist": 12.0}
    farther = lidar.encode_discretized_lidar(distances, config | {"clipping_dist": 40.0})
    assert farther.tolist() == lidar.encode_discretized_lidar(distances, config).tolist()
    assert farther.nonzero()[1].tolist() == [3]


def test_a_box_on_the_road_ahead_to_the_left_is_seen_by_the_first_rays() -> None:
    objects = obstacles_on(TRACK, [(0.2, 1)])
    rows = scene.placed_rows(TRACK, [0.2 * TRACK.length - 0.2], offset=-0.25)
    seen = measured(rows, scene.obstacles_met(rows, TRACK, objects))[0]
    rays = np.flatnonzero(seen < FARTHEST_M)
    assert rays.max() < 32  # the left half
    assert np.diff(rays).tolist() == [1] * (len(rays) - 1)
    assert 0.2 < seen.min() < 0.6
