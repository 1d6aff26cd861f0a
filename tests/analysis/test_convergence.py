"""The verdict on a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from racer import logs
from racer.analysis import convergence, laps
from racer.analysis.convergence import (
    BEHIND,
    COLLAPSING,
    DISAGREEING,
    IMPROVING,
    NO_ENTROPY,
    PLATEAU,
    SLOWING,
    TOO_SHORT,
    ConvergenceVerdict,
    judge_convergence,
)
from racer.vehicle.action_space import ActionSpace

COUNT = 60
SEEDS = range(16)
SHARE = 0.85  # of random trainings that must be judged rightly


def training(
    covered: np.ndarray, time: np.ndarray | float = 12.0, seed: int = 0, episodes: int = 20
) -> pd.DataFrame:
    """Laps of a training: mean completion by iteration, %, of episodes that end at random places or
    complete.
    """
    rng = np.random.default_rng(seed)
    share = np.clip(covered, 0.0, 100.0)[:, None] / 100.0
    whole = rng.random((len(covered), episodes)) < share**2
    part = (
        100.0
        * rng.beta(2.0, 2.0, whole.shape)
        * np.minimum(2.0 * (share - share**2) / (1.0 - share**2 + 1e-9), 1.0)
    )
    completion = np.where(whole, 100.0, part)
    pace = np.broadcast_to(np.asarray(time, float), len(covered))[:, None] * rng.lognormal(
        0.0, 0.06, whole.shape
    )
    rows = {
        "completion": completion,
        "complete": whole,
        "time": pace * completion / 100.0,
        "reward": completion,
    }
    table = pd.DataFrame({name: values.ravel() for name, values in rows.items()})
    number = np.repeat(np.arange(len(covered)), episodes)
    return table.assign(iteration=number, episode=np.arange(len(table)), steps=table["time"] * 15.0)


def kinds(covered: np.ndarray, time: np.ndarray | float = 12.0, episodes: int = 20) -> list[str]:
    return [judge_convergence(training(covered, time, seed, episodes)).kind for seed in SEEDS]


def rightly(found: list[str], kind: str) -> float:
    return found.count(kind) / len(found)


RISE = np.linspace(10.0, 90.0, COUNT)
THEN_FLAT = np.minimum(np.linspace(10.0, 170.0, COUNT), 85.0)


@pytest.mark.parametrize("episodes", [10, 20, 40])
def test_rising_completion_is_improving(episodes: int) -> None:
    assert rightly(kinds(RISE, episodes=episodes), IMPROVING) >= SHARE


@pytest.mark.parametrize("level", [30.0, 70.0, 97.0])
@pytest.mark.parametrize("episodes", [10, 20])
def test_completion_that_stays_is_a_plateau(level: float, episodes: int) -> None:
    assert rightly(kinds(np.full(COUNT, level), episodes=episodes), PLATEAU) >= SHARE


def test_a_plateau_begins_where_the_rise_ended() -> None:
    found = [judge_convergence(training(THEN_FLAT, seed=seed)) for seed in SEEDS]
    assert rightly([one.kind for one in found], PLATEAU) >= SHARE
    knee = int(np.argmax(THEN_FLAT))
    since = [one.since for one in found if one.kind == PLATEAU]
    assert np.median(since) == pytest.approx(knee, abs=6)


def test_laps_that_get_faster_are_improving_though_all_are_complete() -> None:
    assert rightly(kinds(np.full(COUNT, 97.0), np.linspace(14.0, 10.0, COUNT)), IMPROVING) >= SHARE


def test_laps_that_get_slower_are_said_to() -> None:
    assert rightly(kinds(np.full(COUNT, 97.0), np.linspace(10.0, 13.0, COUNT)), SLOWING) >= SHARE


def test_completion_that_falls_is_collapsing_and_its_peak_is_named() -> None:
    course = np.append(np.linspace(10.0, 85.0, 30), np.linspace(85.0, 25.0, 30))
    found = [judge_convergence(training(course, seed=seed)) for seed in SEEDS]
    assert rightly([one.kind for one in found], COLLAPSING) == 1.0
    assert np.median([one.since for one in found]) == pytest.approx(31, abs=5)


def test_a_dip_that_was_overcome_is_no_collapse() -> None:
    course = np.full(COUNT, 85.0)
    course[25:32] = 40.0
    assert COLLAPSING not in kinds(course)


@pytest.mark.parametrize("count", [1, 4, 5])
def test_a_few_iterations_are_too_short_to_say(count: int) -> None:
    found = judge_convergence(training(np.linspace(0.0, 90.0, count)))
    assert found.kind == TOO_SHORT
    assert (
        str(found) == f"too short to say: {count} iteration{'s' if count > 1 else ''} of at least 6"
    )


def test_no_trend_in_a_few_iterations_is_no_plateau_yet() -> None:
    found = [judge_convergence(training(np.full(8, 50.0), seed=seed)) for seed in SEEDS]
    assert rightly([one.kind for one in found], TOO_SHORT) >= SHARE
    assert PLATEAU not in {one.kind for one in found}


def test_a_clear_rise_shows_in_a_few_iterations() -> None:
    assert rightly(kinds(np.linspace(5.0, 80.0, 8)), IMPROVING) >= SHARE


def test_no_lap_is_too_short_to_say(drive) -> None:
    assert judge_convergence(laps(drive().head(0))).kind == TOO_SHORT


def test_one_wild_iteration_changes_no_verdict() -> None:
    course = np.full(COUNT, 80.0)
    course[-2] = 5.0
    assert rightly(kinds(course), PLATEAU) >= SHARE


def entropy(values: np.ndarray) -> pd.DataFrame:
    number = np.repeat(np.arange(len(values)), 3)
    return pd.DataFrame(
        {
            "iteration": number,
            "epoch": np.tile(np.arange(3), len(values)),
            "entropy": np.repeat(values, 3),
        }
    )


SPACE = ActionSpace(False, (-30.0, -15.0, 0.0, 15.0, 30.0), (1.0,) * 5)
CONTINUOUS = ActionSpace(True, (-30.0, 30.0), (0.5, 3.0))


def test_entropy_that_is_gone_is_said_with_its_iteration() -> None:
    course = np.append(np.linspace(1.6, 0.2, 30), np.full(30, 0.05))
    found = judge_convergence(training(np.full(COUNT, 60.0)), entropy(course), SPACE)
    assert found.kind == NO_ENTROPY
    assert found.since == 30
    assert "0.05, below 0.16 since iteration 30" in found.sentence
    assert "completion" in found.sentence


def test_entropy_that_is_gone_does_not_hide_that_the_car_improves() -> None:
    found = judge_convergence(training(RISE), entropy(np.full(COUNT, 0.01)), SPACE)
    assert found.kind == IMPROVING
    assert "hardly explores" in found.sentence


@pytest.mark.parametrize("space", [SPACE, None])
def test_entropy_that_is_left_is_not_mentioned(space: ActionSpace | None) -> None:
    assert (
        "explores"
        not in judge_convergence(
            training(THEN_FLAT), entropy(np.linspace(1.6, 0.5, COUNT)), space
        ).sentence
    )


def test_entropy_of_a_continuous_policy_may_be_negative() -> None:
    level = np.full(COUNT, 60.0)
    assert (
        judge_convergence(training(level), entropy(np.linspace(2.8, -1.0, COUNT)), CONTINUOUS).kind
        == PLATEAU
    )
    assert (
        judge_convergence(training(level), entropy(np.linspace(2.8, -6.0, COUNT)), CONTINUOUS).kind
        == NO_ENTROPY
    )
    assert (
        judge_convergence(training(level), entropy(np.linspace(-2.8, -9.0, COUNT))).kind == PLATEAU
    )


def test_a_reward_that_rises_for_nothing_is_pointed_out() -> None:
    table = training(np.full(COUNT, 70.0))
    assert "reward still rises" not in judge_convergence(table).sentence
    assert (
        "reward still rises"
        in judge_convergence(table.assign(reward=table["iteration"] * 1.0)).sentence
    )


def test_the_slope_is_that_of_most_points() -> None:
    x = np.arange(20.0)
    y = 3.0 * x
    y[[3, 11]] = 500.0
    assert convergence.theil_sen_slope(x, y) == pytest.approx(3.0, abs=0.2)
    assert np.isnan(convergence.theil_sen_slope(x[:1], y[:1]))


def test_noise_is_called_a_trend_once_in_fifty_times() -> None:
    rng = np.random.default_rng(1)
    z = np.array([convergence.mann_kendall(rng.normal(size=20)) for _ in range(2000)])
    assert np.mean(np.abs(z) > convergence.CERTAIN_DEVIATIONS) == pytest.approx(0.02, abs=0.01)
    assert convergence.mann_kendall(np.full(9, 4.0)) == 0.0


def test_real_trainings_get_a_verdict(shared_data: Path) -> None:
    found = {}
    for name in (
        "console22/training.csv.gz",
        "lg_fsjune/training.simtrace.log.gz",
        "droa26_cont/training.csv.gz",
    ):
        found[name] = judge_convergence(laps(logs.read_log(shared_data / "logs" / name).trace))
    assert all(isinstance(one, ConvergenceVerdict) and one.sentence for one in found.values())
    assert {one.kind for one in found.values()} <= {
        IMPROVING,
        PLATEAU,
        COLLAPSING,
        SLOWING,
        TOO_SHORT,
    }


def slow_down_and_half_recover(rewards: np.ndarray) -> pd.DataFrame:
    """Laps that were fastest at first, then slower by a second, then faster again by half."""
    pace = [11.0, 11.0, 11.4, 11.8, 12.2, 12.4, 12.3, 12.2, 12.1, 11.9, 11.9, 11.8, 11.7, 11.7]
    table = training(np.full(len(pace), 100.0), np.array(pace), seed=3)
    return table.assign(reward=rewards[table["iteration"]])


def test_laps_are_compared_with_the_best_and_a_reward_that_rises_meanwhile_is_named() -> None:
    rising = np.array([200, 350, 420, 440, 480, 490, 480, 480, 475, 470, 470, 470, 470, 469.0])
    verdict = judge_convergence(slow_down_and_half_recover(rising))
    assert verdict.kind == DISAGREEING
    assert "laps were fastest in iterations 0 to 1" in verdict.sentence
    assert "the reward does not want what the clock wants" in verdict.sentence
    level = judge_convergence(slow_down_and_half_recover(np.full(14, 470.0)))
    assert level.kind == BEHIND
    assert "slower now" in level.sentence


def test_laps_that_slow_down_while_the_reward_rises_are_a_disagreement() -> None:
    laps_of = training(np.full(COUNT, 97.0), np.linspace(10.0, 13.0, COUNT))
    rises = laps_of.assign(reward=100.0 + laps_of["iteration"])
    assert judge_convergence(rises).kind == DISAGREEING


def test_one_lucky_iteration_is_no_lost_best() -> None:
    pace = np.full(COUNT, 12.0)
    pace[5] = 10.0
    assert rightly(kinds(np.full(COUNT, 97.0), pace), PLATEAU) >= SHARE


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(("before", "after"), [(85.0, 40.0), (70.0, 20.0), (97.0, 60.0)])
def test_a_collapse_in_the_last_two_or_three_iterations_is_no_plateau(
    count: int, before: float, after: float
) -> None:
    course = np.full(COUNT, before)
    course[-count:] = after
    found = [judge_convergence(training(course, seed=seed)) for seed in SEEDS]
    assert rightly([one.kind for one in found], COLLAPSING) >= SHARE
    assert PLATEAU not in {one.kind for one in found}
    sentences = [one.sentence for one in found if "in the last" in one.sentence]
    assert any(f"in the last {count} iterations" in sentence for sentence in sentences)


@pytest.mark.parametrize("level", [30.0, 70.0, 97.0])
def test_chance_is_no_sudden_collapse(level: float) -> None:
    assert COLLAPSING not in kinds(np.full(COUNT, level), episodes=10)


def test_the_last_iteration_alone_is_no_collapse() -> None:
    course = np.full(COUNT, 80.0)
    course[-1] = 5.0
    assert rightly(kinds(course), PLATEAU) >= SHARE
