"""Laps over distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from racer import logs
from racer.analysis import laps, telemetry


def profile(trace: pd.DataFrame, number: int = 0, step: float = 0.1) -> pd.DataFrame:
    return telemetry.lap_telemetry(trace, laps(trace).iloc[number], step)


def test_a_lap_runs_from_its_start_to_its_end_in_equal_steps(drive, ring) -> None:
    table = profile(drive(step=0.3))
    assert tuple(table.columns) == telemetry.TELEMETRY_COLUMNS
    assert table["distance"].iloc[[0, 1, 2]].tolist() == pytest.approx([0.0, 0.1, 0.2])
    assert table["distance"].iloc[-1] == pytest.approx(ring.length)
    assert (np.diff(table["distance"]) > 0).all()
    assert table["speed"].to_numpy()[10:-10] == pytest.approx(0.3 * 15, rel=0.02)


def test_the_clock_ends_with_the_laps_time(drive) -> None:
    trace = drive(step=0.3)
    table = laps(trace)
    for number in (0, 1):
        assert profile(trace, number)["time"].iloc[-1] == pytest.approx(
            table["time"].iloc[number], abs=1e-9
        )
    assert (np.diff(profile(trace)["time"]) >= 0).all()


def test_commands_are_those_under_way_and_never_between_two(drive) -> None:
    table = profile(drive(step=0.3))
    assert set(table["throttle"]) == {1.0, 2.5}


def test_the_slower_lap_is_behind_by_the_difference_of_the_times(drive) -> None:
    fast, slow = drive(episodes=1, step=0.3), drive(episodes=1, step=0.2)
    gap = telemetry.time_delta(profile(fast), profile(slow))
    times = laps(slow)["time"].iloc[0] - laps(fast)["time"].iloc[0]
    assert gap["delta"].iloc[-1] == pytest.approx(times, abs=1e-6)
    half = gap["delta"].iloc[len(gap) // 2]
    assert half == pytest.approx(times / 2, rel=0.05)
    turned = telemetry.time_delta(profile(slow), profile(fast))
    assert turned["delta"].iloc[-1] == pytest.approx(-times, abs=1e-6)


def test_laps_of_different_reach_are_compared_as_far_as_both_came(drive, ring) -> None:
    trace = drive(step=0.3)
    gap = telemetry.time_delta(profile(trace, 0), profile(trace, 1))
    assert gap["distance"].iloc[-1] == pytest.approx(0.4 * ring.length)
    assert gap["delta"].abs().max() < 0.07


def test_a_car_that_is_set_back_reaches_a_place_once(drive, ring) -> None:
    trace = drive(episodes=1, step=0.3)
    back = trace.iloc[25:40]
    race = pd.concat([trace.iloc[:40], back, trace.iloc[40:]], ignore_index=True)
    race["steps"], race["tstamp"] = (
        np.arange(1.0, len(race) + 1.0),
        6.0 + np.arange(len(race)) / 15.0,
    )
    table = profile(race)
    assert (np.diff(table["distance"]) > 0).all()
    lost = telemetry.time_delta(profile(trace), table)["delta"]
    assert lost.iloc[-1] == pytest.approx(15 / 15.0, abs=0.01)
    assert lost[: int(30 * 0.3 / 0.1)].abs().max() < 0.01


def test_the_start_of_a_lap_is_found_on_the_track(drive, ring) -> None:
    trace = drive(episodes=5, step=0.3, ends=(100.0,))
    starts = [telemetry.lap_start(profile(trace, k), ring) for k in range(5)]
    shares = np.mod(np.array(starts) / ring.length + 0.5, 1.0) - 0.5
    assert shares == pytest.approx([0.0, 0.2, 0.4, -0.4, -0.2], abs=0.005)


def test_a_lap_of_one_row_is_one_row(drive) -> None:
    table = profile(drive().head(1))
    assert len(table) == 1
    assert np.isnan(table["speed"].iloc[0])


def test_real_laps_end_with_their_times(shared_data: Path) -> None:
    trace = logs.read_log(shared_data / "logs" / "drfc3" / "eval0.csv.gz").trace
    table = laps(trace)
    whole = table[table["complete"]]
    assert len(whole) > 1
    for _, lap in whole.iterrows():
        end = telemetry.lap_telemetry(trace, lap).iloc[-1]
        assert end["time"] == pytest.approx(lap["time"], abs=1e-6)
        assert end["distance"] == pytest.approx(trace["track_len"].iloc[0], abs=1e-6)
