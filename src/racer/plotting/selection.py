"""Which laps of a log a picture shows, and what they are called in it."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis import fastest_laps
from racer.errors import UsageError
from racer.sim import HELD_STATUSES
from racer.track import Track

SAME_START_M = 0.5  # between the starts of two laps that began at the same place

_GRAMMAR = "numbers such as 3,7, or best:5, first:5, last:5, all"


def laps_of_phase(laps: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The laps of `training` or `evaluation`; all when `phase` is empty. Raises UsageError where
    there is none.
    """
    if not phase:
        return laps
    phases = laps["phase"].astype(str)
    if not (phases == phase).any():
        known = ", ".join(sorted(set(phases))) or "no lap"
        raise UsageError(
            f"no lap of this log is known to be of {phase} (there is: {known}): leave out --phase"
        )
    return laps[phases == phase]


def prefer_phase(laps: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The laps of a phase, or all where there is none of it."""
    is_of_phase = laps["phase"].astype(str) == phase
    return laps[is_of_phase] if is_of_phase.any() else laps


def select_laps(laps: pd.DataFrame, text: str) -> pd.DataFrame:
    """The laps that a text asks for: numbers from 1, as `lap_number` has them, `best:N`, `first:N`,
    `last:N` or `all`.

    Raises UsageError for a lap that there is not, and for a text that means nothing.
    """
    request = text.replace(" ", "")
    if request == "all":
        return laps
    group = re.fullmatch(r"(best|first|last):?([1-9]\d*)", request)
    if group:
        return _lap_group(laps, group[1], int(group[2]))
    if not re.fullmatch(r"\d+(,\d+)*", request):
        raise UsageError(f"--laps {text!r} names no laps: give {_GRAMMAR}")
    labels = [int(number) - 1 for number in request.split(",")]
    for label in labels:
        if label not in laps.index:
            raise UsageError(f"there is no lap {label + 1} among these: {_number_range(laps)}")
    return laps.loc[labels]


def best_or_farthest(laps: pd.DataFrame, count: int) -> pd.DataFrame:
    """The `count` fastest complete laps, best first; without a complete one those that got
    farthest.
    """
    if laps["complete"].any():
        return fastest_laps(laps, count)
    return laps.nlargest(count, "completion", keep="first")


def comparable_pair(
    trace: pd.DataFrame, laps: pd.DataFrame, track: Track | None = None
) -> pd.DataFrame:
    """The best lap and the best one to set against it; 2 at most.

    That is the best complete lap that began where it did; or else, where the `track` is a known
    loop, anywhere, since both can be cut at the start line; or else the farthest that began where
    it did.
    """
    incomplete = laps[~laps["complete"]].nlargest(len(laps), "completion")
    ranked = pd.concat([fastest_laps(laps, len(laps)), incomplete])
    if len(ranked) < 2:
        return ranked
    starts = trace[["X", "Y"]].to_numpy(float)[ranked["first_row"]]
    is_near = np.hypot(*(starts - starts[0]).T) <= SAME_START_M
    is_complete = ranked["complete"].to_numpy(bool)
    can_be_cut = is_complete & is_complete[0] & (track is not None and track.is_loop)
    preference = np.select([is_near & is_complete, can_be_cut, is_near], [0, 1, 2], 3)
    return ranked.iloc[[0, 1 + int(np.argmin(preference[1:]))]]


def lap_number(label: object) -> int:
    """The number by which a lap is called: its label in the table of all laps, counted from 1."""
    return int(label) + 1  # type: ignore[call-overload, no-any-return]


def lap_labels(laps: pd.DataFrame, log: str = "") -> list[str]:
    """What the given laps are called in a legend: number and time, or how far they got; before it
    the name of the log.
    """
    labels = []
    for label, lap in zip(laps.index, laps.to_dict("records"), strict=True):
        if lap["complete"]:
            ending = f"{lap['time']:.2f} s"
        else:
            ending = f"to {lap['completion']:.0f} %"
        labels.append(f"{log} lap {lap_number(label)} ({ending})".lstrip())
    return labels


def count_noun(number: int, noun: str) -> str:
    """`1 lap`, `1,204 laps`."""
    plural = "" if number == 1 else "s"
    return f"{number:,} {noun}{plural}"


def row_numbers(laps: pd.DataFrame) -> NDArray[np.int64]:
    """(R,) positions in the trace of the rows of the given laps, lap after lap."""
    spans = [np.empty(0, np.int64)]
    for first, last in zip(laps["first_row"].tolist(), laps["last_row"].tolist(), strict=True):
        spans.append(np.arange(first, last + 1))
    return np.concatenate(spans)


def driving_rows(trace: pd.DataFrame, laps: pd.DataFrame) -> pd.DataFrame:
    """The rows of the given laps in which the car drives and its action counts: not while it is
    held.
    """
    rows = trace.iloc[row_numbers(laps)]
    return rows[~rows["episode_status"].isin(HELD_STATUSES)]


def _lap_group(laps: pd.DataFrame, which_end: str, count: int) -> pd.DataFrame:
    if which_end == "best":
        return best_or_farthest(laps, count)
    if which_end == "first":
        return laps.head(count)
    return laps.tail(count)


def _number_range(laps: pd.DataFrame) -> str:
    if not len(laps):
        return "there is none"
    return f"their numbers are {lap_number(laps.index.min())} to {lap_number(laps.index.max())}"
