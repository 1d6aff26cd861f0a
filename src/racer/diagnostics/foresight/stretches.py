"""What each stretch of a drive is worth, so that drives can be taken apart.

The pay of a whole lap says little about which part of it was good. The advantage of a stretch does:
what is paid on it, and what whoever drives best so far is paid from its end on, both discounted. A
driving that is better on each stretch is better from each place on (policy improvement), and that is
what `pay_around_lap` weighs. So the places of a line are learned one by one, from whichever tries did
well there, and one round of tries mends the whole lap.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from racer.diagnostics.pay import discounted_returns
from racer.drivers import Drive, scored_rows_of

Array = NDArray[np.float64]

BEFORE = 1.0  # stretches before a place that its offset and its speed change already
AFTER = 2.0  # and after it: a car comes out of a bend as it went in


def stretch_advantages(
    drives: Sequence[Drive],
    rewards: Sequence[Array],
    best: int,
    start: float,
    count: int,
    gamma: float,
) -> Array:
    """(N, count) the worth of each drive around each of `count` places of the road, beside that of
    drive number `best`, by whose returns the rest of the lap is weighed.

    Drives begin at the fraction `start` of the lap and were paid `rewards`. What a drive never
    reached is worth -inf.
    """
    places = (np.arange(count) / count - start) % 1.0 * 100.0
    begin = np.clip(places - BEFORE * 100.0 / count, 0.0, 100.0)
    end = places + AFTER * 100.0 / count
    values = _passing(drives[best], rewards[best], end, gamma)[1]
    values = np.where(np.isnan(values), 0.0, values)
    worth = np.empty((len(drives), count))
    for k, (drive, paid) in enumerate(zip(drives, rewards, strict=True)):
        at_begin, return_begin = _passing(drive, paid, begin, gamma)
        at_end, return_end = _passing(drive, paid, end, gamma)
        discount = gamma ** (at_end - at_begin)
        rest = np.where(np.isnan(at_end), 0.0, discount * (values - return_end))
        worth[k] = return_begin + rest
    return np.where(np.isnan(worth), -np.inf, worth)


def best_sequence(
    drives: Sequence[Drive],
    rewards: Sequence[Array],
    start: float,
    count: int,
    gamma: float,
    switch_fraction: float,
) -> NDArray[np.int64]:
    """(count,) which drive to follow around each of `count` places of the road, so that the return
    from each on is greatest: dynamic programming, backward from the end of the lap.

    Drives begin at the fraction `start` of the lap and were paid `rewards`. To go from one to another
    costs a fraction of the greatest return that any of them has.
    """
    places = (np.arange(count) / count - start) % 1.0 * 100.0
    order = np.argsort(places, kind="stable")
    half = 50.0 / count
    begin = np.clip(places[order] - half, 0.0, 100.0)
    end = np.append(begin[1:], 100.0)
    paid_there = np.zeros((len(drives), count))
    discount = np.zeros((len(drives), count))
    largest = 0.0
    for k, (drive, paid) in enumerate(zip(drives, rewards, strict=True)):
        at_begin, return_begin = _passing(drive, paid, begin, gamma)
        at_end, return_end = _passing(drive, paid, end, gamma)
        goes_on = ~np.isnan(at_end)
        discount[k, goes_on] = gamma ** (at_end - at_begin)[goes_on]
        rest = np.where(goes_on, discount[k] * return_end, 0.0)
        paid_there[k] = np.where(np.isnan(at_begin), -np.inf, return_begin - rest)
        if len(paid):
            largest = max(largest, float(np.nanmax(np.abs(return_begin))))
    cost = switch_fraction * largest
    followed = np.zeros((len(drives), count), dtype=np.int64)
    values = np.zeros(len(drives))
    for stretch in range(count - 1, -1, -1):
        best = int(np.argmax(values))
        switches = values < values[best] - cost
        followed[:, stretch] = np.where(switches, best, np.arange(len(drives)))
        following = np.where(switches, values[best] - cost, values)
        following = np.where(np.isfinite(following), following, 0.0)
        values = paid_there[:, stretch] + discount[:, stretch] * following
    chosen = np.empty(count, dtype=np.int64)
    drive_now = int(np.argmax(values))
    for stretch in range(count):
        chosen[order[stretch]] = drive_now
        drive_now = int(followed[drive_now, stretch])
    return chosen


def _passing(drive: Drive, paid: Array, places: Array, gamma: float) -> tuple[Array, Array]:
    """The step (P,) at which a drive passes places of its lap, %, and its return from there on; nan
    where it never comes.
    """
    if not len(paid):
        nothing = np.full(len(places), np.nan)
        return nothing, nothing
    progress = np.maximum.accumulate(scored_rows_of(drive)["progress"][: len(paid)])
    steps = np.arange(len(paid), dtype=np.float64)
    at = np.interp(places, progress, steps, left=0.0, right=np.nan)
    returns = np.interp(at, steps, discounted_returns(paid, gamma))
    return at, np.where(np.isnan(at), np.nan, returns)


def means_by(number: NDArray[np.int64], values: Array, count: int) -> Array:
    """(count,) means of the values of each number; the least of them where there is none."""
    sums = np.bincount(number, values, minlength=count)
    counts = np.bincount(number, minlength=count)
    means = sums / np.maximum(counts, 1)
    means[counts == 0] = means.min()
    return np.asarray(means)
