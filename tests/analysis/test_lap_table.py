"""Laps of traces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from racer import analysis as about
from racer import logs
from racer.analysis import fastest_laps, is_cut, laps, whole_laps
from racer.logs import metrics

JOBS = [
    "console22/eval0", "console22/eval1", "console22/training", "drfc3/eval0", "drfc3/eval1", "drfc3/eval2",
    "drfc3/worker0_training", "drfc3/worker1_training", "drfc3/worker2_training", "droa26_cont/training",
]  # fmt: skip


def test_an_episode_is_a_lap_and_its_prepare_step_counts(drive) -> None:
    table = laps(drive(step=0.3, ends=(100.0, 40.0)))
    assert table["steps"].tolist() == [65, 28]
    assert table["time"].tolist() == pytest.approx([65 / 15, 28 / 15], abs=1e-3)
    assert table["status"].tolist() == ["lap_complete", "off_track"]
    assert table["complete"].tolist() == [True, False]
    assert table["completion"].tolist() == pytest.approx([100.0, 40.0])
    assert table["off_tracks"].tolist() == [0, 1]
    assert table["resets"].tolist() == [0, 0]
    assert table["reward"].tolist() == pytest.approx([64 / 3, 27 / 3])


def test_driven_speed_comes_from_the_poses_and_not_from_the_command(drive) -> None:
    table = laps(drive(episodes=1, step=0.1))
    assert table["top_speed"].iloc[0] == pytest.approx(1.5, rel=0.01)
    assert table["distance"].iloc[0] == pytest.approx(6 * np.pi, rel=0.01)
    assert table["command"].iloc[0] == pytest.approx(1.75, rel=0.01)


@pytest.mark.parametrize("unit", [1.0, 0.1])
def test_stamps_in_whole_seconds_or_tenths_leave_the_driven_speed(drive, unit: float) -> None:
    trace = drive(episodes=1, step=0.1)
    exact = laps(trace).iloc[0]
    coarse = laps(trace.assign(tstamp=np.floor(trace["tstamp"] / unit + 1e-9) * unit)).iloc[0]
    assert coarse["speed"] == pytest.approx(exact["speed"], rel=0.15)
    assert coarse["top_speed"] == pytest.approx(exact["top_speed"], rel=0.15)
    assert coarse["time"] == pytest.approx(exact["time"], abs=unit)


def test_laps_of_a_continuous_race_run_from_completion_to_completion(drive) -> None:
    one = drive(episodes=1)
    two = pd.concat([one, one.assign(episode=1)], ignore_index=True)
    two["steps"] = np.arange(1.0, len(two) + 1.0)
    two["tstamp"] = 6.0 + np.arange(len(two)) / 15.0
    two.loc[len(one) - 1, "episode_status"] = "in_progress"
    for race in (two, two.assign(episode=0)):
        table = laps(race)
        assert table["status"].tolist() == ["lap_complete"] * 2
        assert table["lap"].tolist() == [1, 2]
        assert table["time"].tolist() == pytest.approx([len(one) / 15.0] * 2)
        assert table["start"].iloc[1] == table["end"].iloc[0]


def test_penalties_count_in_the_time_but_not_in_the_distance(drive) -> None:
    trace = drive(episodes=1)
    hit = trace.iloc[[30] * 31].copy()
    hit["episode_status"] = ["off_track", *["pause"] * 30]
    hit["X"] = hit["X"] + np.r_[0.0, np.full(30, 0.4)]
    race = pd.concat([trace.iloc[:30], hit, trace.iloc[31:]], ignore_index=True)
    race["steps"] = np.arange(1.0, len(race) + 1.0)
    race["tstamp"] = 6.0 + np.arange(len(race)) / 15.0
    plain, table = laps(trace).iloc[0], laps(race).iloc[0]
    assert table["time"] == pytest.approx(plain["time"] + 2.0, abs=1e-3)
    assert (table["off_tracks"], table["resets"]) == (1, 1)
    assert table["distance"] == pytest.approx(plain["distance"] - 0.3, abs=0.02)
    assert table["speed"] == pytest.approx(plain["speed"], rel=0.01)


def test_being_set_down_elsewhere_is_not_driving(drive) -> None:
    trace = drive(episodes=1)
    trace.loc[30:, "X"] += 2.0
    assert laps(trace)["top_speed"].iloc[0] < 6.0
    assert about.driven_motion(trace)["speed"].isna()[29]


def test_a_slow_reset_counts_as_the_simulators_clock_does(drive) -> None:
    trace = drive(episodes=2)
    second = trace["episode"] == 1
    trace.loc[second, "tstamp"] += 1.2
    assert laps(trace)["time"].iloc[1] == pytest.approx(second.sum() / 15.0, abs=1e-3)
    trace.loc[trace.index[second][0], "progress"] = 2.0
    assert laps(trace)["time"].iloc[1] == pytest.approx(
        second.sum() / 15.0 + 1.2 + 1 / 15, abs=1e-3
    )


def test_a_trace_without_rows_has_a_table_without_rows(drive) -> None:
    table = laps(drive().head(0))
    assert list(table.columns) == list(laps(drive()).columns)
    assert len(table) == 0
    assert len(about.laps_by_iteration(table)) == 0
    assert len(about.fastest_laps(table)) == 0


def test_one_row_is_a_lap(drive) -> None:
    table = laps(drive().head(1))
    assert table["time"].iloc[0] == pytest.approx(1 / 15)
    assert np.isnan(table["top_speed"].iloc[0])


def test_a_log_at_another_rate_keeps_its_own_step_time(drive) -> None:
    trace = drive(episodes=1)
    trace["tstamp"] = 1.6e9 + trace["steps"] * 0.1
    assert laps(trace)["time"].iloc[0] == pytest.approx(6.5, abs=1e-3)
    assert laps(trace)["top_speed"].iloc[0] == pytest.approx(3.0, rel=0.01)


def test_steps_beyond_what_logs_cover_are_a_share(drive) -> None:
    trace = drive(episodes=2, step=0.2)
    table = laps(trace)
    assert about.beyond_logs_fraction(trace, table, 4.0, np.inf).tolist() == [0.0, 0.0]
    assert about.beyond_logs_fraction(trace, table, 2.0, np.nan).tolist() == pytest.approx(
        [0.5, 0.5], abs=0.05
    )
    trace["yaw"] = 90.0 + np.degrees(np.arctan2(trace["Y"], trace["X"]))
    cornering = (0.2 * 15) ** 2 / 3.0
    assert about.beyond_logs_fraction(trace, table, np.inf, cornering * 0.99).min() > 0.85
    assert about.beyond_logs_fraction(trace, table, np.inf, cornering * 1.2).max() < 0.1


def test_iterations_best_laps_and_endings_are_counted(drive) -> None:
    trace = drive(episodes=25, step=1.0, ends=(100.0, 40.0, 100.0, 40.0))
    table = laps(trace)
    rows = about.laps_by_iteration(table)
    assert rows["episodes"].tolist() == [20, 5]
    assert rows["complete"].tolist() == [10, 3]
    assert about.fastest_laps(table, 4)["time"].is_monotonic_increasing
    ends = about.endings_by_waypoint(trace, table)
    assert ends["count"].sum() == 12
    assert set(ends["status"]) == {"off_track"}
    assert (ends["from_waypoint"] <= ends["to_waypoint"]).all()


@pytest.mark.parametrize("job", JOBS)
def test_lap_times_equal_the_metrics_of_the_job_within_a_step(shared_data: Path, job: str) -> None:
    table = laps(logs.read_log(shared_data / "logs" / f"{job}.csv.gz").trace)
    real = metrics.read_metrics(shared_data / "logs" / f"{job}_metrics.json")
    real = real[real["phase"] == "training"] if "phase" in real else real
    known = real.set_index("episode" if "episode" in real else "trial")[
        "elapsed_time_in_milliseconds"
    ]
    off = table["time"] * 1000.0 - known[table["episode"] + 1].to_numpy()
    assert off.abs().max() < 67.0
    assert off.abs().median() < 15.0


def test_laps_of_which_a_log_holds_a_part_only_are_counted_apart(drive) -> None:
    trace = drive(episodes=3)
    table = laps(trace)
    assert not is_cut(table).any()
    first = int(table["first_row"].iloc[1]) - 5  # steps before the end of a complete lap
    last = int(table["last_row"].iloc[-1]) - 3  # before the end of the last one
    cut = laps(trace.iloc[first:last].reset_index(drop=True))
    assert is_cut(cut).tolist() == [True, False, True]
    assert whole_laps(cut)["episode"].tolist() == [1]
    assert cut["complete"].iloc[0]
    assert cut["episode"].iloc[0] not in fastest_laps(cut)["episode"].to_list()


def test_a_part_of_a_lap_alone_is_no_complete_lap(drive) -> None:
    part = laps(drive(episodes=1).iloc[6:].reset_index(drop=True))
    assert part["complete"].tolist() == [True]
    assert whole_laps(part)["complete"].tolist() == [False]
