"""Which laps of a log a picture shows, and what they are called in it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from racer import analysis as lap_table
from racer.errors import UsageError
from racer.track.track import Track

SAME_START_M = 0.5  # m between the starts of two laps that began at the same place
_GRAMMAR = "numbers such as 3,7, or best:5, first:5, last:5, all"


def laps_of_phase(laps: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The laps of `training` or `evaluation`; all when `phase` is empty. Raises UsageError where
    there is none.
    """
    if not phase:
        return laps
    found = laps[laps["phase"].astype(str) == phase]
    if not len(found):
        there = ", ".join(sorted(set(laps["phase"].astype(str)))) or "no lap"
        raise UsageError(
            f"no lap of this log is known to be of {phase} (there is: {there}): leave out --phase"
        )
    return found


def prefer_phase(laps: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The laps of a phase, or all where there is none of it."""
    found = laps[laps["phase"].astype(str) == phase]
    return found if len(found) else laps


def select_laps(laps: pd.DataFrame, text: str) -> pd.DataFrame:
    """The laps that a text asks for: numbers from 1, as `lap_number` has them, `best:N`, `first:N`,
    `last:N` or `all`.

    Raises UsageError for a lap that there is not, and for words that mean nothing.
    """
    asked = text.replace(" ", "")
    group = re.fullmatch(r"(best|first|last):?([1-9]\d*)", asked)
    if group:
        count = int(group[2])
        return (
            best_or_farthest(laps, count)
            if group[1] == "best"
            else laps.head(count)
            if group[1] == "first"
            else laps.tail(count)
        )
    if asked == "all":
        return laps
    if not re.fullmatch(r"\d+(,\d+)*", asked):
        raise UsageError(f"--laps {text!r} names no laps: give {_GRAMMAR}")
    numbers = [int(word) - 1 for word in asked.split(",")]
    missing = [number + 1 for number in numbers if number not in laps.index]
    if missing:
        raise UsageError(f"there is no lap {missing[0]} among these: {_range(laps)}")
    return laps.loc[numbers]


def best_or_farthest(laps: pd.DataFrame, count: int) -> pd.DataFrame:
    """The `count` fastest complete laps, best first; without a complete one those that got
    farthest.
    """
    if laps["complete"].any():
        return lap_table.fastest_laps(laps, count)
    return laps.nlargest(count, "completion", keep="first")


def comparable_pair(
    trace: pd.DataFrame, laps: pd.DataFrame, track: Track | None = None
) -> pd.DataFrame:
    """The best lap and the best one to set against it; 2 at most.

    That is the best complete lap that began where it did; or else, where the `track` is a known
    loop, anywhere, since both can be cut at the start line; or else the farthest that began where
    it did.
    """
    ranked = pd.concat(
        [
            lap_table.fastest_laps(laps, len(laps)),
            laps[~laps["complete"]].nlargest(len(laps), "completion"),
        ]
    )
    if len(ranked) < 2:
        return ranked
    spots = trace[["X", "Y"]].to_numpy(float)[ranked["first_row"]]
    near, whole = np.hypot(*(spots - spots[0]).T) <= SAME_START_M, ranked["complete"].to_numpy(bool)
    cut = whole & whole[0] & (track is not None and track.is_loop)
    rank = np.select([near & whole, cut, near], [0, 1, 2], 3)
    return ranked.iloc[[0, 1 + int(np.argmin(rank[1:]))]]


def lap_number(label: object) -> int:
    """The number by which a lap is called: its label in the table of all laps, counted from 1."""
    return int(label) + 1  # type: ignore[call-overload, no-any-return]


def lap_labels(laps: pd.DataFrame, log: str = "") -> list[str]:
    """What the given laps are called in a legend: number and time, or how far they got; before it
    the log's name.
    """
    found = []
    for label, time, share, whole in zip(
        laps.index, laps["time"], laps["completion"], laps["complete"], strict=True
    ):
        ended = f"{time:.2f} s" if whole else f"to {share:.0f} %"
        found.append(f"{log + ' ' if log else ''}lap {lap_number(label)} ({ended})")
    return found


def join_with_and(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _range(laps: pd.DataFrame) -> str:
    if not len(laps):
        return "there is none"
    return f"their numbers are {lap_number(laps.index.min())} to {lap_number(laps.index.max())}"
