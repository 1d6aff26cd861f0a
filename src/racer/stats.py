"""How sure one can be of medians and shares: intervals by resampling, the same for the same data."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000
CONFIDENCE = 0.95
MIN_VALUES = 4  # values below which resampling tells nothing
_SEED = 20181128
_MOST = 2_000_000  # numbers drawn at a time

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and the interval around it; `low` and `high` are nan where there are too few
    values to tell.
    """

    value: float
    low: float
    high: float

    @property
    def is_known(self) -> bool:
        """Whether there is an interval."""
        return bool(np.isfinite(self.low))

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside."""
        return self.is_known and (self.low > 0.0 or self.high < 0.0)


def median_interval(values: Array) -> Interval:
    """The median of `values` (T,) and its interval, by percentiles of resampled medians."""
    if not len(values):
        return Interval(np.nan, np.nan, np.nan)
    drawn = _medians(values, _SEED) if len(values) >= MIN_VALUES else np.empty(0)
    return _interval(float(np.median(values)), drawn, len(values))


def minimum_interval(values: Array) -> Interval:
    """The least of `values` (T,), and between what the least of as many values varies when they are
    drawn again.

    Resampling never draws less than was seen, so `low` is the least itself: how much luck there was
    in it is `high`.
    """
    if not len(values):
        return Interval(np.nan, np.nan, np.nan)
    drawn = (
        [part.min(axis=1) for part in _resamples(values, _SEED)]
        if len(values) >= MIN_VALUES
        else [np.empty(0)]
    )
    return _interval(float(values.min()), np.concatenate(drawn), len(values))


def median_difference(one: Array, other: Array) -> Interval:
    """The median of `other` less that of `one`; both are resampled, each from its own values."""
    if not len(one) or not len(other):
        return Interval(np.nan, np.nan, np.nan)
    value = float(np.median(other) - np.median(one))
    fewer = min(len(one), len(other))
    drawn = (
        _medians(other, _SEED + 1) - _medians(one, _SEED) if fewer >= MIN_VALUES else np.empty(0)
    )
    return _interval(value, drawn, fewer)


def proportion_interval(count: int, total: int) -> Interval:
    """`count` of `total`, 0 to 1, and Wilson's interval, which holds for few, for none and for all."""
    if not total:
        return Interval(np.nan, np.nan, np.nan)
    z2, p = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2.0) ** 2, count / total
    middle = (p + z2 / (2 * total)) / (1.0 + z2 / total)
    half = np.sqrt(z2 * (p * (1.0 - p) / total + z2 / (4.0 * total**2))) / (1.0 + z2 / total)
    return Interval(p, float(max(middle - half, 0.0)), float(min(middle + half, 1.0)))


def proportion_difference(one: Interval, other: Interval) -> Interval:
    """The share `other` less `one`, both of `share`, with Newcombe's interval from theirs."""
    low = np.hypot(other.value - other.low, one.high - one.value)
    high = np.hypot(other.high - other.value, one.value - one.low)
    value = other.value - one.value
    return Interval(value, float(value - low), float(value + high))


def mean_ranks(values: Array) -> Array:
    """(N,) ranks of `values` from 1 for the least; equal ones share their mean rank.

    `scipy.stats.rankdata` gives the same, but takes half a second to import.
    """
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - 0.5 * (counts - 1)
    return np.asarray(ranks[position], dtype=np.float64)


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's rank correlation of two columns (N,), -1 to 1; nan where one is all the same.

    `scipy.stats.spearmanr` gives the same, but takes half a second to import.
    """
    ranks_a, ranks_b = mean_ranks(a), mean_ranks(b)
    if len(a) < 2 or not np.ptp(ranks_a) or not np.ptp(ranks_b):
        return float("nan")
    return float(np.corrcoef(ranks_a, ranks_b)[0, 1])


def _medians(values: Array, seed: int) -> Array:
    return np.concatenate([np.median(part, axis=1) for part in _resamples(values, seed)])


def _resamples(values: Array, seed: int) -> Iterator[Array]:
    """RESAMPLES rows as long as `values`, drawn from them, in pieces that fit the memory."""
    rng = np.random.default_rng(seed)
    rows = max(1, _MOST // len(values))
    sizes = [min(rows, RESAMPLES - k) for k in range(0, RESAMPLES, rows)]
    for size in sizes:
        yield values[rng.integers(len(values), size=(size, len(values)))]


def _interval(value: float, drawn: Array, count: int) -> Interval:
    if not len(drawn):
        return Interval(value, np.nan, np.nan)
    tail = _tail(count)
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    return Interval(value, float(low), float(high))


def _tail(count: int) -> float:
    """The share of resamples to leave out at either end, for `count` values.

    Percentiles of few values are too narrow; Hesterberg's expanded percentiles (2015) go out as far
    as Student's t does, here by its Cornish-Fisher series.
    """
    normal, free = NormalDist(), count - 1
    z = normal.inv_cdf(0.5 + CONFIDENCE / 2.0)
    t = z + (z**3 + z) / (4.0 * free) + (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / (96.0 * free**2)
    return normal.cdf(-float(np.sqrt(count / free)) * t)
