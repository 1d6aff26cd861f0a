"""Recorded steps as rows of the state table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from racer import logs
from racer.logs.to_state import state_rows
from racer.logs.track_matching import match_track
from racer.sim.params import build_params
from racer.sim.state import Phase, Status
from racer.track import route
from racer.track.track import Track


def center_line(p: dict) -> float:
    """The console's default reward."""
    share = p["distance_from_center"] / p["track_width"]
    return 1.0 if share <= 0.1 else 0.5 if share <= 0.25 else 0.1 if share <= 0.5 else 1e-3


@pytest.mark.parametrize("folder", ["console22", "drfc3"])
def test_default_reward_recomputed_from_real_logs_equals_the_logged_one(
    shared_data: Path, folder: str
):
    trace = logs.read_log(shared_data / "logs" / folder).trace
    track = route.load_route(shared_data / "tracks" / "log_variants" / "reinvent_base_119pts.npy")
    reward = np.array([center_line(p) for p in build_params(state_rows(trace, track), [track])])
    scored = ~trace["episode_status"].isin(["prepare", "pause"])
    assert np.mean(np.abs(reward - trace["reward"])[scored] < 1e-4) >= 0.999
    assert scored.sum() > 14_000


@pytest.mark.parametrize(
    ("log", "wheels"),
    [
        ("console22/eval0.csv.gz", 0.999),  # 17 columns, console
        ("drfc3/eval1.csv.gz", 0.999),  # with a pause
        ("droa26_cont/training.csv.gz", 0.999),  # 19 columns, simulator 6
        ("workshops20/training.csv.gz", 0.999),  # 16 columns
        ("lg_fsjune/training.simtrace.log.gz", 0.999),  # log lines of four workers, 4 decimals
        # log lines of 2020; its wheels wobble by millimetres
        ("therayg20/training.simtrace.log.gz", 0.997),
    ],
)
def test_place_of_real_rows_is_what_their_own_columns_say(
    shared_data: Path, log: str, wheels: float
):
    trace = logs.read_log(shared_data / "logs" / log).trace
    tracks = [
        route.load_route(path, keep_seam=True) for path in (shared_data / "tracks").rglob("*.npy")
    ]
    found = match_track(trace, tracks)
    assert found
    state = state_rows(trace, found.track)
    driving = state["phase"] == Phase.RUN
    assert np.mean(state["closest"] == trace["closest_waypoint"]) >= 0.999
    assert np.mean(np.abs(state["progress"] - trace["progress"]) <= 0.002) >= 0.999
    assert np.mean(((state["wheels"] == 4) == trace["all_wheels_on_track"])[driving]) >= wheels
    assert (
        np.mean(((state["wheels"] == 0) == (state["status"] == Status.OFF_TRACK))[driving]) >= 0.999
    )
    assert np.allclose(state["start"] / 0.05, np.round(state["start"] / 0.05))


def test_rows_hold_the_pose_of_the_chassis_and_the_commands_as_logged(
    drive: Callable[..., pd.DataFrame], ring: Track
):
    trace = drive()
    state = state_rows(trace, ring)
    assert np.allclose(state["x"] + 0.14 * np.cos(state["yaw"]), trace["X"])
    assert np.allclose(state["front_y"], trace["Y"])
    assert np.array_equal(state["steer_command_deg"], trace["steer"])
    assert np.array_equal(state["speed_command"], trace["throttle"])
    assert np.array_equal(state["steps"], trace["steps"])


def test_start_of_each_episode_is_found_from_position_and_progress(
    drive: Callable[..., pd.DataFrame], ring: Track
):
    trace = drive(episodes=4)
    state = state_rows(trace, ring)
    assert np.allclose(state["start"], (0.2 * trace["episode"]) % 1.0, atol=1e-12)
    assert np.allclose(state["progress"], trace["progress"], atol=1e-6)


def test_start_off_the_round_robin_is_fitted(drive: Callable[..., pd.DataFrame], ring: Track):
    trace = drive(episodes=1, ends=(60.0,))
    moved = trace.assign(progress=trace["progress"] + 1.7)
    assert np.allclose(state_rows(moved, ring)["start"], 1.0 - 0.017)


def test_progress_of_an_episode_joined_in_its_middle_goes_on_from_the_log(
    drive: Callable[..., pd.DataFrame], ring: Track
):
    trace = drive(episodes=1).iloc[45:].reset_index(drop=True)
    assert trace["progress"].iloc[0] > 60.0
    assert np.allclose(state_rows(trace, ring)["progress"], trace["progress"], atol=1e-6)


def test_progress_is_negative_behind_the_start(drive: Callable[..., pd.DataFrame], ring: Track):
    trace = drive(episodes=1, ends=(30.0,))
    # as if it had started a little farther on
    back = trace.assign(progress=trace["progress"] - 0.5)
    state = state_rows(back, ring)
    assert state["progress"][0] == pytest.approx(-0.5)


def test_phases_and_statuses_are_the_logs_own(drive: Callable[..., pd.DataFrame], ring: Track):
    trace = drive(episodes=2)
    words = trace["episode_status"].astype(object)
    words.iloc[5] = "pause"
    words.iloc[6] = "something new"
    state = state_rows(trace.assign(episode_status=words), ring)
    assert state["phase"][0] == Phase.PREPARE
    assert (state["status"][5], state["phase"][5]) == (Status.PAUSE, Phase.PAUSE)
    assert (state["status"][6], state["phase"][6]) == (Status.IN_PROGRESS, Phase.RUN)
    assert state["status"][-1] == Status.OFF_TRACK
    assert state["phase"][-1] == Phase.RUN


def test_a_command_given_to_a_held_car_is_no_command_before(
    drive: Callable[..., pd.DataFrame], ring: Track
):
    trace = drive(episodes=1)
    state = state_rows(trace, ring)
    assert state["speed_before"][1] == 0.0  # row 0 is the prepare step
    assert state["speed_before"][2] == trace["throttle"][1]
    assert state["speed_earlier"][2] == 0.0
    assert state["speed_earlier"][3] == trace["throttle"][1]
    assert state["steer"][3] == pytest.approx(np.radians(trace["steer"][2]))


def test_speeds_are_estimated_from_poses(drive: Callable[..., pd.DataFrame], ring: Track):
    state = state_rows(drive(episodes=1, step=0.1), ring)
    inside = state[10:-10]
    along = np.sqrt(1.0 - (0.14 / 3.0) ** 2)  # the chassis drives a smaller circle than its front
    assert np.allclose(np.hypot(inside["vx"], inside["vy"]), 1.5 * along, atol=0.03)
    assert inside["yaw_rate"].mean() == pytest.approx(1.5 / 3.0, abs=0.02)
    assert state["vx"][0] == 0.0  # held


def test_clock_is_the_beginning_of_a_step(drive: Callable[..., pd.DataFrame], ring: Track):
    trace = drive()
    state = state_rows(trace, ring)
    assert np.allclose(state["clock"] + state["dt"], trace["tstamp"])
    assert state["dt"].max() < 0.07  # the gap between two episodes is no step


def test_a_trace_without_rows_gives_a_table_without_rows(
    drive: Callable[..., pd.DataFrame], ring: Track
):
    assert len(state_rows(drive().iloc[:0], ring)) == 0


def test_where_a_car_drove_last_is_not_moved_by_pauses(
    drive: Callable[..., pd.DataFrame], ring: Track
):
    trace = drive(episodes=2)
    words = trace["episode_status"].astype(object)
    words.iloc[5:8] = "pause"
    state = state_rows(trace.assign(episode_status=words), ring)
    begins = int(np.flatnonzero(trace["steps"] == 1.0)[1])
    row_of = {1: 1, 2: 1, 5: 4, 6: 4, 8: 4, 9: 8, begins: begins, begins + 1: begins + 1}
    for row, driven in row_of.items():
        assert state["driven_x"][row] == state["x"][driven]
        assert state["driven_y"][row] == state["y"][driven]


def test_9_3_a_command_to_stand_has_driven_a_tenth_of_a_meter_a_second(
    drive: Callable[..., pd.DataFrame], ring: Track
):
    state = state_rows(drive(episodes=1).assign(throttle=0.0), ring)
    assert state["speed_command"].max() == 0.0
    assert state["speed_before"][:4].tolist() == [0.0, 0.0, 0.1, 0.1]
