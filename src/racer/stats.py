"""How sure one can be of medians and proportions: intervals by resampling, the same for the same
data; and ranks.

scipy.stats takes half a second to import, so it is imported only by the function that needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000
CONFIDENCE = 0.95
MIN_VALUES = 4
"""Values below which resampling tells nothing."""

_SEED = 20181128
_MAX_NUMBERS = 2_000_000  # that are drawn at a time

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and its interval; `low` and `high` are nan where too few values are known."""

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


UNKNOWN = Interval(np.nan, np.nan, np.nan)
"""The interval of no values."""


def median_interval(values: Array) -> Interval:
    """The median of `values` (T,) and its interval, by percentiles of resampled medians.

    Examples
    --------
    >>> import numpy as np
    >>> median_interval(np.array([9.8, 9.9, 10.0, 10.1, 10.2])).value
    10.0
    """
    if not len(values):
        return UNKNOWN
    median = float(np.median(values))
    if len(values) < MIN_VALUES:
        return Interval(median, np.nan, np.nan)
    return _percentile_interval(median, _resampled_medians(values, _SEED), len(values))


def minimum_interval(values: Array) -> Interval:
    """The least of `values` (T,), and how the least of as many values varies.

    Resampling never draws less than the least, so `low` is the least itself, and `high` tells how
    much luck there was in it.
    """
    if not len(values):
        return UNKNOWN
    minimum = float(values.min())
    if len(values) < MIN_VALUES:
        return Interval(minimum, np.nan, np.nan)
    minima = [sample.min(axis=1) for sample in _resamples(values, _SEED)]
    return _percentile_interval(minimum, np.concatenate(minima), len(values))


def median_difference(a: Array, b: Array) -> Interval:
    """The median of `b` less that of `a`; both are resampled, each from its own values."""
    if not len(a) or not len(b):
        return UNKNOWN
    difference = float(np.median(b) - np.median(a))
    count = min(len(a), len(b))
    if count < MIN_VALUES:
        return Interval(difference, np.nan, np.nan)
    resampled = _resampled_medians(b, _SEED + 1) - _resampled_medians(a, _SEED)
    return _percentile_interval(difference, resampled, count)


def proportion_interval(count: int, total: int) -> Interval:
    """`count` of `total`, 0 to 1, and Wilson's interval, which holds for few, for none and for all."""
    from scipy.stats import binomtest

    if not total:
        return UNKNOWN
    interval = binomtest(count, total).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(count / total, float(interval.low), float(interval.high))


def proportion_difference(a: Interval, b: Interval) -> Interval:
    """The proportion `b` less `a`, both of `proportion_interval`, with Newcombe's interval."""
    low = np.hypot(b.value - b.low, a.high - a.value)
    high = np.hypot(b.high - b.value, a.value - a.low)
    difference = b.value - a.value
    return Interval(difference, float(difference - low), float(difference + high))


def circular_median(positions: Array, period: float) -> float:
    """The median of `positions` (T,) on a loop of length `period`, near their circular mean.

    It does not depend on which side of the loop's seam they fall; the result may lie outside of
    0 to `period`.

    Examples
    --------
    >>> import numpy as np
    >>> round(circular_median(np.array([99.0, 1.0, 2.0]), 100.0) % 100.0, 6)
    1.0
    """
    turn = 2.0 * np.pi / period
    mean = float(np.angle(np.exp(1j * turn * positions).mean())) / turn
    offsets = np.mod(positions - mean + period / 2.0, period) - period / 2.0
    return mean + float(np.median(offsets))


def mean_ranks(values: Array) -> Array:
    """(N,) ranks of `values` from 1 for the least; equal ones share their mean rank; nan where one
    of them is.
    """
    if np.isnan(values).any():
        return np.full(len(values), np.nan)
    _, number, counts = np.unique(values, return_inverse=True, return_counts=True)
    last_ranks = np.cumsum(counts)
    return np.asarray((last_ranks - 0.5 * (counts - 1.0))[number], np.float64)


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's rank correlation of two columns (N,), -1 to 1; nan where one is all the same."""
    if len(a) < 2 or not np.ptp(a) or not np.ptp(b):
        return float("nan")
    return float(np.corrcoef(mean_ranks(a), mean_ranks(b))[1, 0])


def _resampled_medians(values: Array, seed: int) -> Array:
    return np.concatenate([np.median(sample, axis=1) for sample in _resamples(values, seed)])


def _resamples(values: Array, seed: int) -> Iterator[Array]:
    """RESAMPLES rows as long as `values`, drawn from them, in pieces that fit the memory."""
    rng = np.random.default_rng(seed)
    max_rows = max(1, _MAX_NUMBERS // len(values))
    for start in range(0, RESAMPLES, max_rows):
        rows = min(max_rows, RESAMPLES - start)
        yield values[rng.integers(len(values), size=(rows, len(values)))]


def _percentile_interval(value: float, resampled: Array, count: int) -> Interval:
    tail = _tail_fraction(count)
    low, high = np.quantile(resampled, [tail, 1.0 - tail])
    return Interval(value, float(low), float(high))


def _tail_fraction(count: int) -> float:
    """The fraction of resamples to leave out at either end, for `count` values.

    Percentiles of few values are too narrow; Hesterberg's expanded percentiles (2015) go out as far
    as Student's t does.
    """
    from scipy.special import ndtr, stdtrit

    degrees_of_freedom = count - 1
    student = stdtrit(degrees_of_freedom, 0.5 + CONFIDENCE / 2)
    return float(ndtr(-np.sqrt(count / degrees_of_freedom) * student))
