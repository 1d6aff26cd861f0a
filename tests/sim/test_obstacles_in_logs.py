"""Real training among boxes: where cars began and where they crashed tells where the boxes were,
and both agree.

Two logs of object avoidance on the same track, one with a fixed layout and one with a new layout
every episode. They do not say where the boxes were. A box is sought on the lane that the cars did
not begin on near it (docs/simulator.md 2.3), at the places where exactly the steps that are logged as
crashed are crashes by the rule of corners (2.4).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from racer import logs
from racer.logs.to_state import episode_begins, state_rows
from racer.sim.obstacles import (
    OUTER_LANE,
    Obstacles,
    hit_obstacle,
    obstacles_before,
    obstacles_beside,
)
from racer.sim.params import Params, build_params
from racer.sim.placement import begin_episodes, free_lanes
from racer.sim.state import Phase, State
from racer.track import route
from racer.track.spatial_index import PackedTracks, pack_tracks
from racer.track.track import Track

Log = tuple[pd.DataFrame, State, Track, PackedTracks]
STEP = 0.02  # m between the places that are tried


def opened(data: Path, name: str) -> Log:
    track = route.load_route(data / "tracks" / "log_variants" / "2022_reinvent_champ.npy")
    trace = logs.read_log(data / "logs" / "lg_oa" / name).trace
    return trace, state_rows(trace, track), track, pack_tracks([track])


@pytest.fixture(scope="module")
def fixed(shared_data: Path) -> Log:
    return opened(shared_data, "training1.simtrace.log.gz")


@pytest.fixture(scope="module")
def random(shared_data: Path) -> Log:
    return opened(shared_data, "training0.simtrace.log.gz")


def starts(log: Log) -> tuple[np.ndarray, np.ndarray]:
    """Share of the lap where each episode began, and the lane that it began on: 1 inner, -1 outer,
    0 neither.
    """
    trace, state, track, _ = log
    first = state[episode_begins(trace)]
    share = np.round(np.arange(len(first)) % 20 / 20.0, 2)
    lane = np.where(first["left"] == track.is_ccw, 1, -1)
    return share, np.where(first["distance"] > 0.1, lane, 0)


def crashed(trace: pd.DataFrame) -> np.ndarray:
    return (trace["episode_status"] == "crashed").to_numpy()


def fits(log: Log, share: float, lane: int) -> Obstacles:
    """(P,) the boxes near a share of the lap that touch the cars in just those steps that are
    logged as crashes.
    """
    trace, state, track, _ = log
    tried = obstacles_beside(
        track, share * track.length + np.arange(-1.0, 1.0, STEP), np.full(round(2.0 / STEP), lane)
    )
    near = np.abs(state["s"] - share * track.length) < 2.5
    driving = near & (trace["episode_status"] != "prepare").to_numpy()
    touched = np.array(
        [hit_obstacle(state[driving], np.full((driving.sum(), 1), box)) == 0 for box in tried]
    )
    return tried[(touched == crashed(trace)[driving]).all(axis=1)]


def layout(log: Log) -> Obstacles:
    """(K,) a box of the fixed layout for each place where cars begin on a lane: in the middle of
    where it can be.
    """
    share, lane = starts(log)
    where = sorted({(float(s), int(-side)) for s, side in zip(share, lane, strict=True) if side})
    candidates = [fits(log, s, side) for s, side in where]
    assert all(len(found) for found in candidates)
    return np.array([found[len(found) // 2] for found in candidates])


def test_of_a_fixed_layout_there_is_a_place_for_every_box_that_explains_all_crashes(
    fixed: Log,
) -> None:
    share, lane = starts(fixed)
    assert sorted(set(share[lane != 0].tolist())) == [0.1, 0.25, 0.4, 0.55, 0.7]
    known = [
        len(fits(fixed, s, side)) * STEP for s, side in ((0.1, -int(lane[2])), (0.4, -int(lane[8])))
    ]
    assert all(0.0 < room < 0.3 for room in known)  # m: where cars crashed, it is known that well


def test_a_crash_by_the_rule_of_corners_is_a_crash_of_the_log_and_no_other_step_is(
    fixed: Log,
) -> None:
    trace, state, _, roads = fixed
    driving = (trace["episode_status"] != "prepare").to_numpy()
    touched = (
        hit_obstacle(state[driving], obstacles_before(state[driving], layout(fixed), roads)) >= 0
    )
    assert crashed(trace).sum() == 8
    assert np.array_equal(touched, crashed(trace)[driving])


def test_cars_began_on_the_lane_beside_a_box_to_the_millimeter(fixed: Log) -> None:
    trace, state, track, roads = fixed
    share, _ = starts(fixed)
    road = np.zeros(len(share), dtype=np.int32)
    lanes = free_lanes(np.tile(layout(fixed), (len(share), 1)), roads, road, share)
    ours, logged = begin_episodes([track], roads, road, share, lanes), state[episode_begins(trace)]
    assert ours["front_x"] == pytest.approx(logged["front_x"], abs=2e-3)
    assert ours["front_y"] == pytest.approx(logged["front_y"], abs=2e-3)


def avoid(p: Params) -> float:
    """The reward of these jobs: it takes the distance of a box from the start line for that from
    the car.
    """
    ahead = p["closest_objects"][1]
    away = p["objects_distance"][ahead]
    lane = float(
        p["all_wheels_on_track"] and 0.5 * p["track_width"] - p["distance_from_center"] >= 0.05
    )
    is_same = p["objects_left_of_center"][ahead] == p["is_left_of_center"]
    near = next((pay for limit, pay in ((0.3, 1e-3), (0.5, 0.2), (0.8, 0.5)) if away < limit), 1.0)
    return 1e-3 + lane + 4.0 * (near if is_same else 1.0)


def test_the_reward_recomputed_from_params_with_these_boxes_is_the_logged_one(fixed: Log) -> None:
    trace, state, track, roads = fixed
    scored = (trace["episode_status"] != "prepare").to_numpy()
    told = build_params(
        state[scored], [track], obstacles_before(state[scored], layout(fixed), roads)
    )
    paid: Any = np.array([avoid(p) for p in told])
    # a step without a wheel inside a band of 5 cm pays 1 less; 1e-3 more or less is the sum's own
    # business
    assert np.mean(np.abs(paid - trace["reward"].to_numpy()[scored]) < 2e-3) >= 0.999


def test_random_boxes_are_placed_anew_after_the_car_has_been_placed(random: Log) -> None:
    trace, state, _, _ = random
    share, lane = starts(random)
    first = np.flatnonzero(episode_begins(trace))
    at_once = [k for k, i in enumerate(first) if crashed(trace)[i + 1]]
    # put into a box that was not there when a place for the car was sought
    assert at_once == [3, 45, 46, 57, 77]
    assert lane[at_once].tolist() == [0, 1, 0, 0, 0]
    # episode 44 ended in a box on the outer lane near where 45 was to begin, which therefore began
    # on the inner lane
    crash = state[
        np.flatnonzero(
            crashed(trace) & (trace["episode"] == trace["episode"].iloc[first[44]]).to_numpy()
        )
    ]
    assert abs(crash["s"][0] / random[2].length - share[45]) < 1.0 / random[2].length
    assert crash["left"][0] != random[2].is_ccw  # outer
    assert -lane[45] == OUTER_LANE
    assert Phase(int(crash["phase"][0])) == Phase.RUN


def test_among_random_boxes_starts_on_a_lane_differ_from_round_to_round(random: Log) -> None:
    share, lane = starts(random)
    for place in (0.1, 0.2, 0.25, 0.45):
        assert sorted(np.abs(lane[share == place]).tolist()) == [0, 0, 0, 0, 1]
