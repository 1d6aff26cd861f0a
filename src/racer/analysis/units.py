"""The units that laps come in, and how much those of two sides differ.

Laps of one policy are alike, and so are the policies of one run: laps are no trainings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.stats import CONFIDENCE, Interval, mean_difference, median_difference

LAPS = "laps"
"""The unit where one policy drove all laps."""
ITERATIONS = "iterations"
"""The unit where one run did: its policies of several iterations."""
RUNS = "runs"
"""The unit where several runs did."""

_TRIMMED_FRACTION = 0.2  # of the laps of a policy, left out at either end: incidents


class Units(NamedTuple):
    """Values (U,) of the units that a side comes in, and what a unit is: RUNS, ITERATIONS or LAPS."""

    kind: str
    values: NDArray[np.float64]


def time_difference(first: Units, other: Units) -> Interval:
    """How much longer a lap takes in `other` than in `first`, s, from `ComparedLog.time_units`."""
    if (first.kind, other.kind) == (LAPS, LAPS):
        return median_difference(first.values, other.values)
    return unit_difference(first, other)


def unit_difference(first: Units, other: Units, confidence: float = CONFIDENCE) -> Interval:
    """How much greater the values of `other` are than those of `first`, and the interval."""
    if (first.kind, other.kind) == (RUNS, RUNS):
        # Runs of one reward scatter alike, and two tell little of how much.
        return mean_difference(first.values, other.values, confidence=confidence, same_spread=True)
    trim = unit_trim(first, other)
    difference = mean_difference(first.values, other.values, confidence=confidence, trim=trim)
    if RUNS in (first.kind, other.kind):  # several runs against one, which says nothing of others
        return Interval(difference.value, float("nan"), float("nan"))
    return difference


def joint_differences(units: Sequence[tuple[Units, Units]]) -> list[Interval]:
    """How much greater the second of each two units are; all intervals together hold in 95 % of cases.

    Of many intervals of 95 % one in twenty would be wrong; these are wider (Bonferroni's correction).
    """
    confidence = 1.0 - (1.0 - CONFIDENCE) / max(len(units), 1)
    return [unit_difference(first, own, confidence) for first, own in units]


def unit_center(units: Units, trim: float) -> float:
    """The mean of the units' values without the fraction `trim` at either end; nan without any."""
    from scipy.stats import trim_mean

    return float(trim_mean(units.values, trim)) if len(units.values) else float("nan")


def unit_trim(first: Units, other: Units) -> float:
    """The fraction of values to leave out: of laps, among which there may be incidents."""
    return _TRIMMED_FRACTION if (first.kind, other.kind) == (LAPS, LAPS) else 0.0
