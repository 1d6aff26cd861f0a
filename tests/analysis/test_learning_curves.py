"""Learning curves, the band of several, and how far another one lies outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from racer.analysis import (
    action_shares,
    curve_band,
    curve_of_metrics,
    episodes_per_iteration,
    exit_shares,
    lap_iterations,
    laps,
    learning_curve,
    outside_band,
    total_variation,
)
from racer.logs import read_log, read_metrics


@pytest.mark.parametrize(
    ("numbers", "size"),
    [
        ([*range(20), *range(60, 80), *range(540, 560)], 20),
        ([*range(10), *range(40, 50), *range(220, 240)], 10),  # a worker of several
        ([*range(93)], 20),  # nothing is missing, so nothing tells
        ([*range(4), *range(5, 40)], 20),  # one episode is missing
        ([7], 20),
    ],
)
def test_blocks_of_numbers_tell_how_many_episodes_an_iteration_has(numbers, size):
    assert episodes_per_iteration(pd.Series(numbers)) == size


def test_iterations_of_several_workers_are_counted_in_each_file():
    table = pd.DataFrame(
        {
            "source": [0] * 20 + [1] * 20,
            "episode": [*range(10), *range(40, 50)] * 2,
            "iteration": -1,
        }
    )
    assert set(lap_iterations(table)) == {0, 4}


def test_what_an_iteration_did_is_counted_by_hand(drive):
    trace = drive(episodes=3, step=0.3, ends=(100.0, 40.0, 60.0))
    curve = learning_curve(trace, laps(trace).assign(phase="training"))
    assert curve["iteration"].tolist() == [0]
    row = curve.iloc[0]
    assert row["episodes"] == 3
    assert row["completion"] == pytest.approx(200.0 / 3.0)
    assert row["complete"] == pytest.approx(1.0 / 3.0)
    assert row["time"] == row["best_time"] == pytest.approx(65 / 15, abs=1e-3)
    assert np.isnan(row["evaluated_time"])


def entry(
    episode: int, completion: int, milliseconds: int, phase: str = "training"
) -> dict[str, object]:
    return {
        "episode": episode,
        "phase": phase,
        "completion_percentage": completion,
        "elapsed_time_in_milliseconds": milliseconds,
    }


def test_metrics_hold_the_iterations_that_a_log_lacks():
    first = [entry(1, 10, 900), entry(2, 100, 15_000), entry(2, 50, 900, "evaluation")]
    second = [entry(3, 100, 14_000), entry(4, 100, 13_000), entry(4, 100, 16_000, "evaluation")]
    metrics = pd.DataFrame([*first, *second])
    curve = curve_of_metrics([metrics, metrics], episodes=2)
    assert curve["iteration"].tolist() == [0, 1]
    assert curve["episodes"].tolist() == [4, 4]
    assert curve["completion"].tolist() == [55.0, 100.0]
    assert curve["complete"].tolist() == [0.5, 1.0]
    assert curve["time"].tolist() == [15.0, 13.5]
    assert curve["best_time"].tolist() == [15.0, 13.0]
    assert curve["evaluated_completion"].tolist() == [50.0, 100.0]
    assert curve["evaluated_time"].tolist()[1] == 16.0


def of_values(values: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"iteration": range(len(values)), "completion": values})


def test_one_more_training_of_the_same_kind_lies_in_the_band_in_95_of_100_cases():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        curves = [of_values(list(50.0 + 8.0 * rng.standard_normal(5))) for _ in range(6)]
        band = curve_band(curves[:5], "completion")
        inside += (outside_band(curves[5], band, "completion")["outside"] == 0.0).tolist()
    assert 0.93 < np.mean(inside) < 0.97


def test_how_far_a_curve_lies_outside_has_a_sign_and_the_column_s_unit():
    band = pd.DataFrame(
        {"iteration": [0, 1, 2], "mean": 50.0, "low": 40.0, "high": [60.0, 60.0, 60.0]}
    )
    outside = outside_band(of_values([70.0, 45.0, 35.0, 99.0]), band, "completion")
    assert outside["iteration"].tolist() == [0, 1, 2]
    assert outside["outside"].tolist() == [10.0, 0.0, -5.0]


def test_a_band_of_one_curve_is_none():
    band = curve_band([of_values([10.0])], "completion")
    assert band[["low", "high"]].isna().all(axis=None)


def test_uses_of_actions_differ_by_the_steps_that_are_otherwise():
    ours = pd.Series({(0.0, 1.0): 0.5, (10.0, 1.0): 0.5})
    theirs = pd.Series({(0.0, 1.0): 0.75, (20.0, 1.0): 0.25})
    assert total_variation(ours, theirs) == pytest.approx(0.5)
    assert total_variation(ours, ours) == 0.0


def test_exits_are_counted_in_sections_of_the_road(drive):
    trace = drive(episodes=3, step=0.3, ends=(100.0, 40.0, 60.0))
    waypoints = int(trace["closest_waypoint"].max()) + 1
    shares = exit_shares(trace, laps(trace), waypoints, sections=10)
    assert shares.sum() == pytest.approx(1.0)
    # the second one begins at 0.2 of the lap and drives 0.4 of it, the third at 0.4 and drives 0.6
    assert shares[6] == 0.5
    assert shares[0] + shares[9] == 0.5


def test_shares_of_actions_add_up(drive):
    trace = drive(step=0.3, ends=(100.0,))
    assert action_shares(trace, laps(trace)).sum() == pytest.approx(1.0)


def test_a_real_log_and_its_metrics_tell_the_same_course(shared_data: Path):
    folder = shared_data / "logs" / "console22"
    log = read_log(folder)
    of_log = learning_curve(log.trace, laps(log.trace))
    of_metrics = curve_of_metrics([read_metrics(folder / "training_metrics.json")], 20)
    both = of_log.merge(of_metrics, on="iteration", suffixes=("", "_told"))
    assert len(both) == 10
    # the metrics round percentages down, to whole ones
    assert (both["completion"] - both["completion_told"]).between(0.0, 1.0).all()
    assert both["complete"].tolist() == both["complete_told"].tolist()
    assert both["time"].to_numpy() == pytest.approx(
        both["time_told"].to_numpy(), abs=0.02, nan_ok=True
    )
