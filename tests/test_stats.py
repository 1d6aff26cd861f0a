"""Intervals by resampling."""

from __future__ import annotations

import numpy as np
import pytest

from racer import stats
from racer.stats import Interval

TRIALS = 300


def lap_times(rng: np.random.Generator, count: int, middle: float = 10.0) -> np.ndarray:
    """Lap times as real ones spread: about `middle` s, a few slow ones among many alike."""
    slow = 0.3 * (rng.standard_exponential(count) - np.log(2.0))
    return np.asarray(middle * np.exp(0.04 * rng.standard_normal(count)) + slow)


@pytest.fixture(scope="module")
def truth() -> float:
    return float(np.median(lap_times(np.random.default_rng(0), 400_000)))


@pytest.mark.slow
@pytest.mark.parametrize("count", [5, 8, 15, 40])
def test_the_interval_of_a_median_holds_the_truth_nineteen_times_in_twenty(
    truth: float, count: int
) -> None:
    rng = np.random.default_rng(1)
    found = [stats.median_interval(lap_times(rng, count)) for _ in range(TRIALS)]
    held = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.93 <= held <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), [(6, 6), (12, 15), (40, 12)])
def test_the_interval_of_a_difference_holds_the_truth(one: int, other: int) -> None:
    rng = np.random.default_rng(2)
    found = [
        stats.median_difference(lap_times(rng, one), lap_times(rng, other) - 0.4)
        for _ in range(TRIALS)
    ]
    held = np.mean([each.low <= -0.4 <= each.high for each in found])
    assert held >= 0.94


@pytest.mark.slow
def test_equal_drivers_are_told_apart_once_in_twenty_times_at_most() -> None:
    rng = np.random.default_rng(3)
    found = [stats.median_difference(lap_times(rng, 10), lap_times(rng, 10)) for _ in range(TRIALS)]
    assert np.mean([each.excludes_zero for each in found]) <= 0.06


def test_a_clear_difference_is_found() -> None:
    rng = np.random.default_rng(4)
    found = [
        stats.median_difference(lap_times(rng, 15), lap_times(rng, 15) - 1.2) for _ in range(50)
    ]
    assert all(each.high < 0.0 for each in found)


def test_more_laps_make_the_interval_smaller() -> None:
    rng = np.random.default_rng(5)
    few, many = (stats.median_interval(lap_times(rng, count)) for count in (8, 200))
    assert many.high - many.low < 0.5 * (few.high - few.low)


def test_the_same_data_give_the_same_interval() -> None:
    values = lap_times(np.random.default_rng(6), 20)
    assert stats.median_interval(values) == stats.median_interval(values)
    assert stats.mean_interval(values) == stats.mean_interval(values)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_values_have_no_interval(count: int) -> None:
    values = np.arange(count) + 10.0
    for found in (
        stats.median_interval(values),
        stats.median_difference(values, np.arange(9.0)),
    ):
        assert not found.is_known
        assert not found.excludes_zero
        assert np.isnan(found.value) == (count == 0)


def test_values_that_are_all_equal_leave_no_doubt() -> None:
    assert stats.median_interval(np.full(6, 9.5)) == Interval(9.5, 9.5, 9.5)


@pytest.mark.parametrize("count", [0, 1])
def test_one_value_has_a_mean_and_no_interval(count: int) -> None:
    values = np.arange(count) + 10.0
    for found in (stats.mean_interval(values), stats.mean_difference(values, np.arange(9.0))):
        assert not found.is_known
        assert np.isnan(found.value) == (count == 0)


def test_equal_values_leave_no_doubt_of_their_mean() -> None:
    equal = np.full(6, 9.3)
    assert stats.mean_interval(equal) == Interval(*[pytest.approx(9.3)] * 3)
    assert stats.mean_difference(equal, equal + 0.1) == Interval(*[pytest.approx(0.1)] * 3)
    mixed = stats.mean_difference(equal, np.array([9.3, 9.5, 9.7]))
    assert mixed.low < 0.2 < mixed.high


@pytest.mark.parametrize(("one", "other"), [(2, 2), (3, 3), (2, 5)])
def test_equal_means_of_equal_spread_are_told_apart_once_in_twenty_times(
    one: int, other: int
) -> None:
    rng = np.random.default_rng(10)
    found = [
        stats.mean_difference(rng.normal(size=one), rng.normal(size=other), same_spread=True)
        for _ in range(1000)
    ]
    assert 0.03 <= np.mean([each.excludes_zero for each in found]) <= 0.07


def test_trimmed_means_do_not_see_an_incident() -> None:
    a = np.linspace(9.8, 10.2, 10)
    b = np.append(a[1:] - 0.5, 30.0)
    assert stats.mean_difference(a, b, trim=0.2).high < 0.0
    assert not stats.mean_difference(a, b).excludes_zero


def test_more_confidence_makes_an_interval_wider() -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 7.0])
    sure, surer = (stats.mean_difference(a, b, confidence=c) for c in (0.95, 0.99))
    assert surer.low < sure.low < sure.high < surer.high
    wider = stats.wider_interval(sure, Interval(0.0, -9.0, 0.0))
    assert wider == Interval(sure.value, -9.0, sure.high)


@pytest.mark.parametrize(("share", "total"), [(0.0, 10), (0.5, 10), (0.95, 20), (1.0, 6)])
def test_the_interval_of_a_share_holds_the_truth(share: float, total: int) -> None:
    counts = np.random.default_rng(8).binomial(total, share, TRIALS)
    found = [stats.proportion_interval(int(count), total) for count in counts]
    assert np.mean([one.low <= share <= one.high for one in found]) >= 0.9


def test_shares_that_differ_are_told_apart_and_others_are_not() -> None:
    assert (
        stats.proportion_difference(
            stats.proportion_interval(3, 20), stats.proportion_interval(18, 20)
        ).low
        > 0.4
    )
    assert not stats.proportion_difference(
        stats.proportion_interval(12, 20), stats.proportion_interval(15, 20)
    ).excludes_zero
    assert not stats.proportion_difference(
        stats.proportion_interval(0, 0), stats.proportion_interval(5, 5)
    ).is_known


def test_large_samples_are_drawn_in_pieces() -> None:
    found = stats.median_interval(lap_times(np.random.default_rng(9), 1500))
    assert found.high - found.low < 0.2


def test_equal_values_share_their_mean_rank() -> None:
    assert stats.mean_ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_a_rank_correlation_asks_for_the_order_alone() -> None:
    a = np.array([1.0, 2.0, 3.0, 4.0])
    assert stats.rank_correlation(a, a**5) == pytest.approx(1.0)
    assert stats.rank_correlation(a, -np.exp(a)) == pytest.approx(-1.0)
    assert np.isnan(stats.rank_correlation(a, np.ones(4)))


def test_a_single_pair_has_no_rank_correlation() -> None:
    assert np.isnan(stats.rank_correlation(np.array([1.0]), np.array([4.0])))
    assert np.isnan(stats.rank_correlation(np.empty(0), np.empty(0)))


def test_a_median_on_a_loop_does_not_see_the_seam() -> None:
    positions = np.array([9.8, 9.9, 0.1, 0.2, 0.3, 5.0])
    assert stats.circular_median(positions, 10.0) % 10.0 == pytest.approx(0.15)
    assert stats.circular_median(positions + 3.0, 10.0) % 10.0 == pytest.approx(3.15)
