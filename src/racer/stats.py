"""How sure one can be of medians, means and proportions: intervals by resampling, the same for the
same data, and by Student's t; and ranks.

scipy.stats takes half a second to import, so it is imported only by the function that needs it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000
CONFIDENCE = 0.95
MIN_VALUES = 4
"""Values below which resampling tells nothing."""

_EQUAL_FRACTION = 1e-12  # of the values, within which they are equal
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


def mean_interval(values: Array) -> Interval:
    """The mean of `values` (T,) and its interval by Student's t; no interval for fewer than two.

    Examples
    --------
    >>> import numpy as np
    >>> [round(edge, 2) for edge in mean_interval(np.array([9.8, 10.0, 10.2]))]
    [10.0, 9.5, 10.5]
    """
    if not len(values):
        return UNKNOWN
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, np.nan, np.nan)
    if _are_equal(values):
        return Interval(mean, mean, mean)
    from scipy.stats import ttest_1samp

    edges = ttest_1samp(values, 0.0).confidence_interval(CONFIDENCE)
    return Interval(mean, float(edges.low), float(edges.high))


def mean_difference(
    a: Array,
    b: Array,
    *,
    confidence: float = CONFIDENCE,
    trim: float = 0.0,
    same_spread: bool = False,
) -> Interval:
    """The mean of `b` less that of `a`, with Welch's interval; no interval where one has fewer than two
    values.

    `trim` is the fraction of the values that is left out at either end (Yuen's test);
    `same_spread` says that both scatter alike (Student's test), which tells more of a few values.

    Examples
    --------
    >>> import numpy as np
    >>> gain = mean_difference(np.array([10.0, 10.2, 10.4]), np.array([9.0, 9.1, 9.2]))
    >>> round(gain.value, 6), gain.excludes_zero
    (-1.1, True)
    """
    if not len(a) or not len(b):
        return UNKNOWN
    from scipy.stats import trim_mean, ttest_ind

    difference = float(trim_mean(b, trim) - trim_mean(a, trim))
    if min(len(a), len(b)) < 2:
        return Interval(difference, np.nan, np.nan)
    if _are_equal(_kept(a, trim)) and _are_equal(_kept(b, trim)):
        return Interval(difference, difference, difference)
    with warnings.catch_warnings():
        # of values that are all equal on one side, whose deviation is 0 as it should be
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        test = ttest_ind(b, a, equal_var=same_spread, trim=trim)
    edges = test.confidence_interval(confidence)
    return Interval(difference, float(edges.low), float(edges.high))


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


def wider_interval(a: Interval, b: Interval) -> Interval:
    """The value of `a` with the outer edges of both; not known where one of them is not."""
    low, high = np.minimum(a.low, b.low), np.maximum(a.high, b.high)
    return Interval(a.value, float(low), float(high))


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


def _are_equal(values: Array) -> bool:
    """Whether the values are equal but for what their last digits lost."""
    return bool(np.ptp(values) <= _EQUAL_FRACTION * np.abs(values).max())


def _kept(values: Array, trim: float) -> Array:
    """`values` without the fraction `trim` at either end."""
    from scipy.stats import trimboth

    kept: Array = trimboth(values, trim)
    return kept


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
