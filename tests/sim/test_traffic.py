"""Bot cars in motion: their lanes, lane changes, pauses, and what a car knows of them
(docs/simulator.md 8.2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.interpolate import spalde, splprep

from racer import geometry
from racer.sim.obstacle_layout import ObstacleLayout
from racer.sim.obstacles import BOT, INNER_LANE, OUTER_LANE
from racer.sim.simulation import START_LINE, Scenario, Simulation, Starts
from racer.sim.state import TRAINING, Phase, Rules, State, Status
from racer.sim.step import locate_cars
from racer.sim.traffic import build_lane, lane_change
from racer.track.library import load_track
from racer.track.track import Track
from racer.vehicle.car import STEP_S, V6

TRACK = load_track("reinvent_2018")
L = TRACK.length
LINE = np.column_stack([np.linspace(0.0, 5.0, 41), np.zeros(41)])
STRAIGHT = Track("straight", "Straight", LINE, LINE + [0.0, 0.5], LINE - [0.0, 0.5])
HELD = Rules(resets=1000, off_track_penalty=0.2, collision_penalty=1.0)


def field(
    n: int = 1,
    rules: Rules = TRAINING,
    starts: Starts = START_LINE,
    track: Track = TRACK,
    **words: Any,
) -> Simulation:
    what = ObstacleLayout(**{"number_of_bot_cars": 2, "bot_car_speed": 1.0, **words})
    return Simulation(Scenario(track, V6, rules, starts, obstacle_layout=what), n, seed=0)


def watched(cars: Simulation, steps: int) -> list[np.ndarray]:
    """The bodies that the steps are judged with, while the cars are out of the way."""
    found = []
    cars.state["x"] += 50.0
    for _ in range(steps):
        found.append(cars.obstacles.copy())
        cars.step(np.zeros((len(cars.state), 2)))
    return found


def test_a_lane_is_the_periodic_spline_of_fitpack_over_the_center_line() -> None:
    for which in (INNER_LANE, OUTER_LANE):
        way = build_lane(TRACK, which)
        knots, first = np.unique(way.s, return_index=True)
        xy = way.points[first].T.copy()
        knots[0], knots[-1] = min(knots[0], 0.0), max(knots[-1], L)
        xy[:, 0] = (
            geometry.nearest_point(way.points, TRACK.center[:1])[0]
            if way.s.min() > 0.0
            else xy[:, 0]
        )
        xy[:, -1] = xy[:, 0]
        spline, _ = splprep(xy, u=knots, k=3, s=0, per=1)
        for s in np.linspace(0.0, L, 300, endpoint=False):
            (x, dx, *_), (y, dy, *_) = spalde(s, spline)
            point, way_on = way.curve.at(float(s), L)
            assert point == pytest.approx([x, y], abs=1e-9)
            assert way_on == pytest.approx([dx, dy], abs=1e-6)


def test_bot_cars_go_by_the_center_line_whatever_their_lane() -> None:
    seen = watched(field(), 100)
    for k in (20, 60, 99):
        # what is known at a step is where they were when the step before began
        driven = 1.0 * STEP_S * (k - 1)
        for bot, (start, which) in enumerate(((2.0, INNER_LANE), (L - 1.0, OUTER_LANE))):
            spot, way_on = build_lane(TRACK, which).curve.at((start + driven) % L, L)
            body = seen[k][0, bot]
            assert [body["x"], body["y"]] == pytest.approx(spot.tolist(), abs=1e-9)
            assert body["yaw"] == pytest.approx(np.arctan2(way_on[1], way_on[0]))


def test_they_are_faster_than_their_speed_on_the_outside_of_a_bend() -> None:
    seen = watched(field(), 200)
    step = [
        np.hypot(*(np.diff([[b["x"][0, k], b["y"][0, k]] for b in seen[5:]], axis=0).T)).sum()
        for k in (0, 1)
    ]
    assert step[0] < 0.97 * 1.0 * STEP_S * 194
    assert step[1] > 1.03 * 1.0 * STEP_S * 194


def test_they_start_one_step_after_the_prepare_step_and_are_seen_a_step_late() -> None:
    s = [float(b["s"][0, 0]) for b in watched(field(), 6)]
    assert s[0] == s[1]
    assert s[:2] == pytest.approx([2.0, 2.0], abs=0.01)
    assert np.diff(s[1:]) == pytest.approx([STEP_S] * 4, rel=0.05)


def test_their_place_on_the_road_goes_with_them() -> None:
    cars = field()
    drawn = watched(cars, 150)[-1]
    s, _, foot = geometry.project_points(
        TRACK.center, np.column_stack([drawn["x"][0], drawn["y"][0]])
    )
    assert drawn["s"][0] == pytest.approx(s)
    assert drawn["distance"][0] == pytest.approx(
        np.hypot(drawn["x"][0] - foot[:, 0], drawn["y"][0] - foot[:, 1])
    )


def test_an_episode_puts_them_back() -> None:
    cars = field()
    first = cars.obstacles.copy()
    watched(cars, 50)
    cars.restart(np.array([0]))
    assert np.array_equal(cars.obstacles, first)
    assert [float(b["s"][0, 0]) for b in watched(cars, 3)] == pytest.approx(
        [2.0, 2.0, 2.0 + STEP_S], abs=0.01
    )


def test_on_an_open_road_they_drive_too() -> None:
    seen = watched(field(track=STRAIGHT, number_of_bot_cars=1), 10)
    assert seen[9]["y"][0, 0] == pytest.approx(0.25)
    assert seen[9]["x"][0, 0] == pytest.approx(2.0 + 8 * STEP_S)
    assert seen[9]["yaw"][0, 0] == pytest.approx(0.0)


# ---- lane changes
# ----------------------------------------------------------------------------------------------------


def test_they_change_lanes_after_3_to_5_s_over_1_m_and_back() -> None:
    seen = watched(field(n=4, is_lane_change=True), 400)
    for car in range(4):
        aside = np.array(
            [b["distance"][car, 0] * (1.0 if b["left"][car, 0] else -1.0) for b in seen]
        )
        on_inner, on_outer = aside > 0.17, aside < -0.17
        assert on_inner[:40].all()
        assert on_outer.any()
        between = ~on_inner & ~on_outer
        first = int(np.argmax(between)) * STEP_S
        assert 3.0 <= first <= 5.0 + 4 * STEP_S
        change_steps = int(np.argmax(on_outer)) - int(np.argmax(between))
        assert 0.5 <= change_steps * STEP_S <= 1.0 + 2 * STEP_S  # the beginning and end are gentle
        assert on_inner[int(np.argmax(on_outer)) :].any()


def test_a_lane_change_leaves_one_lane_and_reaches_the_other_smoothly() -> None:
    curve = lane_change(TRACK, INNER_LANE, now=4.0, begin=6.0, end=7.0)
    for s, which in ((5.0, INNER_LANE), (6.0, INNER_LANE), (7.0, OUTER_LANE)):
        assert curve.at(s, L)[0] == pytest.approx(
            build_lane(TRACK, which).curve.at(s, L)[0], abs=2e-3
        )
    headings = np.unwrap([np.arctan2(*curve.at(s, L)[1][::-1]) for s in np.linspace(4.0, 7.2, 400)])
    assert np.abs(np.diff(headings)).max() < 0.05


@pytest.mark.parametrize(
    ("now", "begin", "end"),
    [(L - 2.0, L - 0.3, 0.7), (L - 2.0, 0.2, 1.2), (L - 3.0, L - 1.5, L - 0.1)],
)
def test_a_lane_change_over_the_start_line_is_smooth_too(
    now: float, begin: float, end: float
) -> None:
    curve = lane_change(TRACK, OUTER_LANE, now, begin, end)
    over = np.linspace(now, now + (end - now) % L, 300) % L
    points = np.array([curve.at(float(s), L)[0] for s in over])
    assert points[0] == pytest.approx(build_lane(TRACK, OUTER_LANE).curve.at(now, L)[0], abs=5e-3)
    assert points[-1] == pytest.approx(build_lane(TRACK, INNER_LANE).curve.at(end, L)[0], abs=5e-3)
    assert np.hypot(*np.diff(points, axis=0).T).max() < 0.03


def test_a_car_meets_the_same_traffic_however_many_others_there_are() -> None:
    words = {"is_lane_change": True, "randomize_bot_car_locations": True}
    one, many = field(1, **words), field(4, **words)
    alone, among = watched(one, 200)[-1], watched(many, 200)[-1]
    assert np.array_equal(alone, among[:1])
    assert len(set(among["s"][:, 0].tolist())) == 4


def test_traffic_is_part_of_a_snapshot() -> None:
    cars = field(3, is_lane_change=True)
    watched(cars, 80)
    saved = cars.snapshot()
    first = watched(cars, 100)[-1]
    cars.restore(saved)
    again = watched(cars, 100)[-1]
    fresh = field(3, is_lane_change=True)
    fresh.restore(saved)
    assert np.array_equal(first, again)
    assert np.array_equal(first, watched(fresh, 100)[-1])


# ---- who runs into whom
# ----------------------------------------------------------------------------------------------


def meeting(cars: Simulation, ahead: float) -> State:
    """The row of a step in which the front of the car is so many m ahead of that of the first bot
    car it overlaps.
    """
    watched(cars, 20)
    body = cars.obstacles[0, 0]
    c, s = np.cos(body["yaw"]), np.sin(body["yaw"])
    state = cars.state
    state["x"], state["y"], state["yaw"] = (
        body["x"] + ahead * c,
        body["y"] + ahead * s,
        body["yaw"] + 0.05,
    )
    state["phase"], state["pause"], state["crashes"] = Phase.RUN, 0.0, 0
    state["still_steps"], state["backward_steps"], state["wheels"] = 0, 0, 4
    cars.state = locate_cars(state, cars.scenario.packed_tracks)
    return cars.step(np.zeros((1, 2)))


def test_the_car_behind_has_crashed() -> None:
    row = meeting(field(number_of_bot_cars=1), ahead=-0.2)
    assert (row["status"][0], row["done"][0], row["crashed"][0]) == (Status.CRASHED, True, True)


def test_a_car_that_is_run_into_goes_on_and_the_bot_cars_wait() -> None:
    cars = field(n=1, penalty_seconds=2.0)
    row = meeting(cars, ahead=0.25)
    assert (row["status"][0], row["done"][0], row["crashed"][0]) == (
        Status.IN_PROGRESS,
        False,
        False,
    )
    s = np.array([b["s"][0] for b in watched(cars, 40)])
    held = int(np.argmax(np.diff(s[:, 0]) > 0.0))
    assert held == pytest.approx(2.0 / STEP_S, abs=2)
    assert np.array_equal(np.diff(s[:, 0]) == 0.0, np.diff(s[:, 1]) == 0.0)  # all of them


def test_after_a_crash_into_a_bot_car_the_car_stays_where_it_is_and_blinks() -> None:
    cars = field(rules=HELD, number_of_bot_cars=1, bot_car_speed=0.1)
    row = meeting(cars, ahead=-0.25)
    assert (row["status"][0], row["done"][0], row["pause"][0]) == (Status.CRASHED, False, 1.0)
    assert [cars.state[name][0] for name in ("x", "y", "yaw")] == [
        row[name][0] for name in ("x", "y", "yaw")
    ]
    rows = [cars.step(np.zeros((1, 2))) for _ in range(15)]
    assert {int(row["status"][0]) for row in rows} == {Status.PAUSE}
    assert cars.state["crashes"][0] == 1
    assert cars.obstacles["kind"][0, 0] == BOT
    assert cars.state["phase"][0] == Phase.RUN
