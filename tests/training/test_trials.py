"""Evaluations: laps from all around the track, without exploration, and which of two is better."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from racer import analysis as laps
from racer.env import DeepRacerVectorEnv
from racer.sim.params import Params
from racer.training import trials
from racer.training.trials import (
    TRIAL_COUNT,
    EvaluationScore,
    evaluate_policy,
    evaluation_score,
    move_trials,
    policy_trace,
    trial_cars,
)


class Always:
    """A policy that does the same whatever it sees."""

    def __init__(self, steering: float, speed: float) -> None:
        self.action = np.array([steering, speed], np.float32)

    def predict(self, observation: Any, *, deterministic: bool) -> tuple[np.ndarray, None]:
        assert deterministic
        return np.tile(self.action, (len(observation), 1)), None


STRAIGHT = Always(0.0, -0.5)
STILL = Always(0.0, -1.0)


def made(**changes: Any) -> EvaluationScore:
    plain = {
        "complete": 5,
        "trials": 5,
        "completion": 100.0,
        "lap_time": 8.0,
        "best_lap": 7.5,
        "median_lap": 8.0,
    }
    return EvaluationScore(**{**plain, "reward": 0.0, **changes})


NONE = {
    "complete": 0,
    "lap_time": float("nan"),
    "best_lap": float("nan"),
    "median_lap": float("nan"),
}


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (made(), made(lap_time=8.1)),
        (made(lap_time=20.0), made(complete=4, completion=99.9, lap_time=5.0)),
        (made(**NONE, completion=60.0), made(**NONE, completion=59.0)),
        (made(complete=1, completion=60.0), made(**NONE, completion=60.0)),
    ],
)
def test_completion_comes_before_lap_time(better: EvaluationScore, worse: EvaluationScore):
    assert better.rank > worse.rank
    assert not worse.rank > better.rank


def test_rounding_of_sums_does_not_decide():
    assert made(completion=100.0).rank == made(completion=100.0 - 1e-12).rank


def test_what_is_missing_is_null_in_json():
    told = made(**NONE, completion=60.0).as_json()
    assert (told["lap_time"], told["best_lap"], told["completion"]) == (None, None, 60.0)


def test_trials_start_at_equal_distances_wherever_the_training_starts():
    cars = trial_cars(
        {"track": "oval", "starts": {"offset": 0.3, "advance": 0.01, "alternate_direction": True}}
    )
    assert cars.simulation.state["start"] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])
    assert set(cars.simulation.state["track"]) == {0}


def test_in_the_simulators_way_all_trials_begin_where_the_next_episode_would():
    # docs/simulator.md 9.21
    cars = DeepRacerVectorEnv(2, track="oval")
    cars.reset(seed=1)
    trials = trial_cars({"track": "oval"}, has_time_limit=False)
    assert trials.scenario.rules.time_limit == math.inf
    for episode in (1, 2):
        move_trials(trials, cars)
        begins = policy_trace(STRAIGHT, trials).groupby("episode")[["X", "Y"]].first()
        track = cars.scenario.track
        place = track.point_at(np.array([0.05 * episode * track.length]))[0]
        assert len(begins) == TRIAL_COUNT
        assert np.ptp(begins.to_numpy(), axis=0).max() == 0.0
        assert np.hypot(*(begins.to_numpy()[0] - place)) < 0.2
        cars.restart(np.ones(2, dtype=bool))


def test_every_trial_is_one_episode_of_the_trace():
    trace = policy_trace(STRAIGHT, trial_cars({"track": "oval"}))
    table = laps.laps(trace)
    assert table["episode"].tolist() == [0, 1, 2, 3, 4]
    assert table["status"].tolist() == ["off_track"] * 5
    assert (trace.groupby("episode")["steps"].diff().dropna() == 1.0).all()
    assert trace.groupby("episode")["done"].sum().tolist() == [1] * 5


def test_the_reward_function_hears_nothing_of_a_car_whose_lap_is_over():
    calls: list[float] = []

    def count(params: Params) -> float:
        calls.append(params["steps"])
        return 1.0

    trace = policy_trace(STRAIGHT, trial_cars({"track": "oval", "reward": count}))
    assert trace.groupby("episode").size().nunique() > 1  # they do not end together
    assert len(calls) == (trace["steps"] > 1.0).sum()


def test_a_car_that_never_arrives_is_stopped_by_the_time_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trials, "LONGEST_LAP_S", 0.5)
    table = laps.laps(policy_trace(STRAIGHT, trial_cars({"track": "oval"})))
    assert table["status"].tolist() == ["time_up"] * 5
    # the step that begins after it, the ninth, is the last
    assert table["time"].tolist() == pytest.approx([9.0 / 15.0] * 5)


def test_evaluations_repeat_to_the_last_bit_noise_and_all():
    cars = trial_cars({"track": "oval", "noise": "robust"})
    first, second = (policy_trace(STRAIGHT, cars) for _ in range(2))
    assert first.equals(second)
    assert not first.equals(policy_trace(STRAIGHT, cars, seed=1))


def test_an_evaluation_is_scored_by_its_laps():
    result, table = evaluate_policy(STRAIGHT, trial_cars({"track": "oval"}), iteration=3)
    assert set(table["phase"]) == {"evaluation"}
    assert set(table["iteration"]) == {3}
    assert (result.complete, result.trials, result.is_clean) == (0, 5, False)
    assert result.completion == table["completion"].mean() > 0.0
    assert np.isnan([result.lap_time, result.best_lap, result.median_lap]).all()


def test_only_complete_laps_have_a_lap_time():
    _, table = evaluate_policy(STRAIGHT, trial_cars({"track": "oval"}), iteration=0)
    table["complete"] = [True, False, True, True, False]
    table["time"] = [9.0, 1.0, 8.0, 13.0, 2.0]
    result = evaluation_score(table)
    assert (result.complete, result.lap_time, result.best_lap, result.median_lap) == (
        3,
        10.0,
        8.0,
        9.0,
    )
