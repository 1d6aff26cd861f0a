"""Groups of drivers, and the distributions that their tries are drawn from: the cross-entropy method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from racer.diagnostics.foresight.families import EXTRAS, LINE, Family

Array = NDArray[np.float64]

# tries of a round for the best groups, in the first rounds, in those after them, and then
SHARES = ((12, 8, 6, 4, 4, 4, 2, 2, 2), (16, 8, 4), (16,))
ROUNDS_OF_SHARES = (1, 6)  # the last round of each but the last
ELITE = 6
KEPT = 3  # of the best of a round that are tried again in the next one
LEAST_SPREAD = 0.1
NEW_FRACTION = 0.3  # of the changes of a stretch that give it another speed, whatever it had
PACES = (-3.0, 3.0)  # numbers of the slowest and the fastest speed


@dataclass(eq=False)
class DriverGroup:
    """The distribution that the tries of a family are drawn from."""

    family: Family
    mean: Array
    spread: Array
    kept: Array  # (K, D) numbers of the best tries
    pay: float = -np.inf
    # (C, D) put together from stretches of the tries of the last round
    composites: Array = field(default_factory=lambda: np.empty((0, 0)))


def draw_tries(search: DriverGroup, count: int, rng: np.random.Generator) -> Array:
    """(count, D) tries of a family: those kept, and random ones, half of them smooth along the lap."""
    if not count:
        return np.empty((0, len(search.mean)))
    noise = rng.standard_normal((count, len(search.mean)))
    if search.family is LINE:
        half = noise[: count // 2]
        smooth = (np.roll(half, 1, axis=1) + half + np.roll(half, -1, axis=1)) / np.sqrt(3.0)
        noise[: count // 2] = smooth
    tries = search.mean + search.spread * noise
    if search.family is LINE:
        for k in range(count // 2, count):
            if k % 2:
                tries[k] = _changed_line(search, rng)
    if count > 4:
        tries[0] = search.mean
    if len(search.composites) and count > 4 + len(search.composites):
        tries[1 : 1 + len(search.composites)] = search.composites
    kept = min(len(search.kept), count)
    tries[count - kept :] = search.kept[:kept]
    return np.asarray(tries)


def _changed_line(search: DriverGroup, rng: np.random.Generator) -> Array:
    """One of the kept lines with other offsets or speeds on a stretch, and at times another habit."""
    numbers = search.kept[rng.integers(len(search.kept))].copy()
    knots = (len(numbers) - EXTRAS) // 2
    size = rng.choice([0.3, 1.0])
    stretch = (rng.integers(knots) + np.arange(rng.integers(1, 5))) % knots
    part = rng.integers(3)
    is_new = rng.random() < NEW_FRACTION
    if part != 1:
        numbers[stretch] += size * rng.standard_normal()
    if part != 0 and is_new:
        numbers[knots + stretch] = rng.uniform(*PACES)
    elif part != 0:
        numbers[knots + stretch] += 1.5 * size * rng.standard_normal()
    if rng.random() < 0.25:
        numbers[2 * knots + rng.integers(EXTRAS)] += 0.5 * rng.standard_normal()
    return np.asarray(numbers)


def learn_from(search: DriverGroup, tries: Array, pays: Array, worth: Array) -> None:
    """Move the distribution of each number to the tries that are worth most to it: `worth` (N, D)."""
    count = max(2, min(ELITE, len(tries) // 3))
    elite = np.argsort(-worth, axis=0, kind="stable")[:count]
    best = np.take_along_axis(tries, elite, axis=0)
    search.mean = best.mean(axis=0)
    search.spread = best.std(axis=0) + LEAST_SPREAD
    order = np.argsort(-pays, kind="stable")
    search.kept = tries[order[:KEPT]]
    search.pay = float(pays[order[0]])


def shares_of_round(turn: int) -> Sequence[int]:
    """How many tries each of the best groups of drivers gets in a round, counted from 1."""
    for shares, last in zip(SHARES, ROUNDS_OF_SHARES, strict=False):
        if turn <= last:
            return shares
    return SHARES[-1]
