"""How smoothly laps were driven."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from racer import track as tracks
from racer.analysis import count_reversals, laps
from racer.analysis.motion import MIN_SWING_DEG

CLEAN = ("slow", "medium", "fast", "racing_line", "fastest")
TRACKS = ("oval", "reinvent_2018", "hairpin_school")


def lap_of(trace: pd.DataFrame, track: str | None = None) -> pd.Series:
    return laps(trace, tracks.load_track(track) if track else None).iloc[0]


@pytest.mark.parametrize("track", TRACKS)
@pytest.mark.parametrize("driver", CLEAN)
def test_a_weaving_car_zigzags_more_than_any_clean_one(driven_by, driver: str, track: str) -> None:
    weaving, clean = (lap_of(driven_by(name, track)) for name in ("weaving", driver))
    assert weaving["zigzag"] > 1.5 * clean["zigzag"]
    assert weaving["reversals"] > clean["reversals"]


@pytest.mark.parametrize("track", ["oval", "hairpin_school"])
def test_a_clean_lap_takes_back_few_of_the_degrees_that_it_turns(driven_by, track: str) -> None:
    for driver in CLEAN:
        assert lap_of(driven_by(driver, track))["zigzag"] < 2.0
    assert lap_of(driven_by("weaving", track))["zigzag"] > 4.0


def test_the_zigzag_of_a_wave_is_the_turning_that_it_takes_back(drive) -> None:
    trace = straight(drive, lambda x: 0.1 * np.sin(2.0 * np.pi * x / 2.5))
    swing = np.degrees(np.arctan(0.1 * 2.0 * np.pi / 2.5))
    assert lap_of(trace)["zigzag"] == pytest.approx(
        4.0 * swing / 2.5 * (1.0 - 2.5 / 18.85), rel=0.02
    )  # less at the ends
    assert lap_of(straight(drive, lambda x: 0.0 * x))["zigzag"] == pytest.approx(0.0, abs=0.01)


def test_the_zigzag_of_an_arc_is_nothing(drive) -> None:
    assert lap_of(drive(episodes=1, step=0.1))["zigzag"] < 0.3


def test_driving_faster_the_same_way_zigzags_no_more(drive) -> None:
    slow, fast = (
        straight(drive, lambda x: 0.1 * np.sin(2.5 * x), step=step) for step in (0.05, 0.15)
    )
    assert lap_of(slow)["zigzag"] == pytest.approx(lap_of(fast)["zigzag"], rel=0.05)


def straight(drive, wave, step: float = 0.1) -> pd.DataFrame:
    """A car that drives 18 m along the x axis and `wave(x)` m to its left."""
    trace = drive(episodes=1, step=step)
    x = np.arange(len(trace)) * step
    slope = (wave(x + 1e-4) - wave(x - 1e-4)) / 2e-4
    return trace.assign(X=x, Y=wave(x), yaw=np.degrees(np.arctan(slope)))


@pytest.mark.parametrize(
    ("steer", "count"),
    [
        ([], 0),
        ([10.0], 0),
        ([0, 10, 20, 30], 0),
        ([0, 10, 0], 1),
        ([0, 10, 0, 10, 0], 3),
        ([0, 4, 0, 4, 0], 0),
        ([0, 3, 2, 6, 5, 9, 8, 12, 7], 1),
        ([-15, 15, -15, 15], 2),
        ([0, 10, 10, 10, 4], 1),
        ([10, 7, 4, 8, 10], 1),
    ],
)
def test_reversals_are_swings_of_five_degrees_that_go_back(steer: list[float], count: int) -> None:
    assert count_reversals(np.array(steer, float)) == count


def test_small_noise_of_the_steering_reverses_nothing() -> None:
    noise = np.random.default_rng(1).uniform(-0.49 * MIN_SWING_DEG, 0.49 * MIN_SWING_DEG, 500)
    assert count_reversals(noise) == 0
    assert count_reversals(
        noise + 3.0 * MIN_SWING_DEG * np.sin(np.arange(500) * 2.0 * np.pi / 50)
    ) == pytest.approx(20, abs=1)


def test_reversals_count_by_the_meter(drive, ring) -> None:
    trace = drive(episodes=1, step=0.1)
    trace["steer"] = np.where(np.arange(len(trace)) // 10 % 2, 20.0, -20.0)
    assert lap_of(trace)["reversals"] == pytest.approx(1.0, abs=0.06)
    assert lap_of(trace)["steer_std"] == pytest.approx(20.0, abs=0.2)


def test_lateral_jerk_of_a_weaving_car_is_that_of_its_wave(drive) -> None:
    speed, k = 0.1 * 15, 2.0 * np.pi / 3.0
    trace = straight(drive, lambda x: 0.05 * np.sin(k * x))
    expected = 0.05 * k**3 * speed**3 / np.sqrt(2.0)
    assert lap_of(trace)["jerk"] == pytest.approx(expected, rel=0.1)


def test_deviation_from_the_line_needs_the_track(drive, ring) -> None:
    trace = drive(episodes=2, step=0.1)
    assert laps(trace)["line_deviation"].isna().all()
    assert laps(trace, ring)["line_deviation"].tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    out = trace.assign(X=trace["X"] * 1.1, Y=trace["Y"] * 1.1)
    assert laps(out, ring)["line_deviation"].tolist() == pytest.approx([0.3, 0.3], abs=0.01)


def test_the_inner_edge_is_farther_from_the_middle_than_the_center_line(driven_by) -> None:
    middle, edge = (
        lap_of(driven_by(name, "grand_prix"), "grand_prix") for name in ("slow", "inner_edge")
    )
    assert edge["line_deviation"] > 5.0 * middle["line_deviation"]


def test_being_set_down_elsewhere_is_no_zigzag(drive) -> None:
    trace = drive(episodes=1, step=0.1)
    plain = lap_of(trace)
    trace.loc[60:, ["X", "yaw"]] += [2.0, 90.0]
    assert lap_of(trace)["zigzag"] == pytest.approx(plain["zigzag"], abs=0.2)
    assert lap_of(trace)["jerk"] == pytest.approx(plain["jerk"], abs=0.2)


def test_a_car_that_never_moved_has_no_measures(drive) -> None:
    trace = drive(episodes=1).head(5).assign(X=1.0, Y=1.0)
    assert np.isnan(lap_of(trace)["zigzag"])
    assert np.isnan(lap_of(trace)["reversals"])
    assert np.isnan(lap_of(drive().head(1))["jerk"])
