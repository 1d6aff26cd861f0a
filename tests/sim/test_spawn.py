"""Where episodes begin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer import resources as shipped
from racer.sim.placement import begin_episodes
from racer.sim.simulation import START_LINE, Scenario, Simulation, Starts
from racer.sim.state import Phase
from racer.track import layout as layout_file
from racer.track.spatial_index import pack_tracks
from racer.vehicle.car import V6

TRACK = layout_file.load_layout_track(shipped.tracks_folder() / "reinvent_2018.toml")
ROADS = pack_tracks([TRACK])


@settings(deadline=None, max_examples=50)
@given(share=st.floats(0.0, 0.9999))
def test_a_car_begins_on_the_center_line_heading_for_the_next_waypoint(share: float):
    car = begin_episodes([TRACK], ROADS, np.zeros(1, np.int32), np.array([share]))[0]
    spot = [np.interp(share * TRACK.length, TRACK.s, TRACK.center[:, k]) for k in (0, 1)]
    assert [car["x"], car["y"]] == pytest.approx(spot, abs=1e-9)
    ahead = TRACK.center[np.searchsorted(TRACK.s, share * TRACK.length, side="right")]
    assert car["yaw"] == pytest.approx(np.arctan2(*(ahead - spot)[::-1]), abs=1e-6)
    assert (car["vx"], car["vy"], car["yaw_rate"], car["steer"]) == (0.0, 0.0, 0.0, 0.0)
    assert (car["phase"], car["steps"], car["wheels"]) == (Phase.PREPARE, 0, 4)


def test_first_row_shows_the_progress_of_the_front_point():
    start = begin_episodes([TRACK], ROADS, np.zeros(1, np.int32), np.zeros(1))
    # the track begins straight
    assert start["progress"][0] == pytest.approx(100.0 * 0.14 / TRACK.length, rel=1e-6)


def test_training_starts_go_round_by_a_twentieth_of_a_lap():
    field = Simulation(Scenario(TRACK, V6), 1, seed=0)
    seen = [float(field.state["start"][0])]
    for _ in range(21):
        field.restart(np.array([0]))
        seen.append(float(field.state["start"][0]))
    assert seen == pytest.approx([0.05 * k % 1.0 for k in range(22)], abs=1e-12)
    assert field.state["episode"][0] == 21


def test_each_car_of_a_batch_begins_one_advance_after_the_one_before():
    field = Simulation(Scenario(TRACK, V6), 5)
    assert np.allclose(field.state["start"], [0.0, 0.05, 0.1, 0.15, 0.2])


def test_evaluation_starts_at_the_line_every_time():
    field = Simulation(Scenario(TRACK, V6, starts=START_LINE), 3)
    field.restart(np.arange(3))
    assert field.state["start"].tolist() == [0.0, 0.0, 0.0]


def test_start_offset_moves_the_first_start():
    starts = Starts(offset=0.98, advance=0.05)
    assert starts.of(0, 0)[0] == pytest.approx(0.98)
    assert starts.of(0, 1)[0] == pytest.approx(0.03)


def test_alternate_direction_drives_every_other_episode_the_other_way():
    field = Simulation(Scenario(TRACK, V6, starts=Starts(alternate_direction=True)), 1)
    roads = [int(field.state["track"][0])]
    for _ in range(3):
        field.restart(np.array([0]))
        roads.append(int(field.state["track"][0]))
    assert roads == [0, 1, 0, 1]
    field.restart(np.array([0]))
    field.restart(np.array([0]))  # a quarter of a lap from waypoint 0, the other way round
    car = field.state[0]
    assert car["progress"] == pytest.approx(100.0 * 0.14 / TRACK.length, abs=0.05)
    assert car["s"] == pytest.approx(0.25 * TRACK.length + 0.14, abs=0.01)
    back = TRACK.reversed()
    spot = [np.interp(0.25 * TRACK.length, back.s, back.center[:, k]) for k in (0, 1)]
    assert [car["x"], car["y"]] == pytest.approx(spot)


def test_the_clock_runs_on_from_episode_to_episode():
    field = Simulation(Scenario(TRACK, V6), 1)
    for _ in range(30):
        field.step(np.array([[0.0, 1.0]]))
    field.restart(np.array([0]))
    assert field.state["clock"][0] == pytest.approx(2.0)
    assert field.state["episode_start"][0] == field.state["clock"][0]
