"""Symptoms in the driving: corners that end laps, road that is seldom driven, an action that is all
there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer import geometry
from racer.analysis import action_label, action_use, corner_numbers, corner_sectors
from racer.diagnostics.checkup.case import Case
from racer.diagnostics.checkup.course import FEW_COMPLETE_FRACTION, describe_complete, lacking
from racer.diagnostics.checkup.diagnosis import Cost, Symptom
from racer.stats import proportion_interval
from racer.track import Track

MIN_ENDED_LAPS = 5
"""Laps that must have ended at a corner before it is called a problem."""
SURE_ENDED_FRACTION = 0.15
"""Of the laps that come to a corner: as many at least must be sure to end there."""
NEVER_FRACTION = 0.5
"""Of the laps that come to a corner: where as many end, and always did, it was never learned."""
ONE_START_FRACTION = 0.1
"""Of the lap: where all laps begin within as much, they begin at one place."""
SELDOM_FRACTION = 0.5
"""Of the steps that an even visit would give a corner: with less it is seldom driven."""
ALWAYS_FRACTION = 0.7
"""Of the steps: an action that is taken as often is nearly all that the policy does."""
MIN_COMMANDS = 3
"""Actions of a space, below which one of them may well be taken most of the time."""

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Passages:
    """By corner, in driving order: how many of the laps came to its sector, how many ended there, and
    the sector's `length`, as fraction of the lap. `starts` (L,) are the sectors where laps begin,
    `steps` (K,) how many steps were driven in each.
    """

    names: tuple[str, ...]
    came: Index
    ended: Index
    length: Array
    starts: Index
    steps: Index
    is_loop: bool

    @property
    def pass_rates(self) -> Array:
        """(K,) fraction of the laps that came and went on; 1 where none came."""
        lost = np.divide(self.ended, self.came, out=np.zeros(len(self.came)), where=self.came > 0)
        return np.asarray(1.0 - lost)

    def expected_completion(self, pass_rates: Array) -> float:
        """Mean completion, %, of laps that begin where these do and pass the corners so often.

        A lap that ends in a sector has driven half of it.
        """
        covered = pass_rates + 0.5 * (1.0 - pass_rates)
        total = 0.0
        firsts, counts = np.unique(self.starts, return_counts=True)
        for first, count in zip(firsts.tolist(), counts.tolist(), strict=True):
            order = np.arange(first, len(self.came))
            if self.is_loop:
                order = np.append(order, np.arange(first))
            alive = np.append(1.0, np.cumprod(pass_rates[order])[:-1])
            total += count * float((alive * covered[order] * self.length[order]).sum())
        return 100.0 * total / len(self.starts)

    def gain_without(self, corners: Index) -> float:
        """Points of completion that laps would gain if none ended at these corners, and all went on
        from there as others do.
        """
        rates = self.pass_rates
        better = rates.copy()
        better[corners] = 1.0
        return self.expected_completion(better) - self.expected_completion(rates)


def find_passages(case: Case, laps: pd.DataFrame) -> Passages | None:
    """How laps passed the corners; None where the track is unknown or has none."""
    if case.track is None:
        return None
    sectors = corner_sectors(case.track)
    if not sectors or not len(laps):
        return None
    rows, lap = case.rows_of(laps)
    corner = corner_numbers(case.track, _arc_lengths(rows, case.track))
    is_last = np.append(np.diff(lap) > 0, True)
    is_first = np.append(True, np.diff(lap) > 0)
    came = np.bincount(
        np.unique(lap * len(sectors) + corner) % len(sectors), minlength=len(sectors)
    )
    is_ended = ~laps["complete"].to_numpy(bool)
    ended = np.bincount(corner[is_last][is_ended], minlength=len(sectors))
    return Passages(
        names=tuple(sector.name for sector in sectors),
        came=came,
        ended=ended,
        length=np.array([sector.length(case.track.length) for sector in sectors])
        / case.track.length,
        starts=corner[is_first],
        steps=np.bincount(corner, minlength=len(sectors)),
        is_loop=case.track.is_loop,
    )


def examine_corners(case: Case, passages: Passages, of_all: Passages) -> Iterator[Symptom]:
    """The corners that end many of the recent laps that come to them; `of_all` laps tells whether
    they ever did better.
    """
    for k, name in enumerate(passages.names):
        ended = int(passages.ended[k])
        came = int(passages.came[k])
        rate = proportion_interval(ended, came)
        if ended < MIN_ENDED_LAPS or rate.low < SURE_ENDED_FRACTION:
            continue
        title = f"corner {name} ends {rate.value:.0%} of the laps that come to it"
        if min(rate.value, 1.0 - of_all.pass_rates[k]) >= NEVER_FRACTION:
            title = f"corner {name} was never learned"
        evidence = f"{ended} of the {came} laps that came to it in {case.window} ended there"
        gain = passages.gain_without(np.array([k]))
        basis = (
            f"laps would cover {_points(case.completion + gain)} % instead of "
            f"{_points(case.completion)} % if none ended there and all went on as others do"
        )
        yield Symptom("corner", title, evidence, Cost(gain, None, basis), "exits")


def examine_endings(case: Case, corners: list[Symptom]) -> Iterator[Symptom]:
    """Whether few laps are complete, though no corner is to blame for most of it."""
    complete = int(case.recent["complete"].sum())
    lost = 100.0 - case.completion
    explained = sum(symptom.cost.points or 0.0 for symptom in corners)
    is_usual = complete >= FEW_COMPLETE_FRACTION * len(case.recent)
    if is_usual or explained >= 0.5 * lost or len(case.recent) - complete < MIN_ENDED_LAPS:
        return
    title = "laps end all over the track"
    evidence = describe_complete(case)
    basis = "what its laps lack to complete ones"
    if corners:
        basis += ", less what the corners cost"
    yield Symptom("everywhere", title, evidence, Cost(lost - explained, None, basis), "exits")


def examine_starts(case: Case, passages: Passages) -> Iterator[Symptom]:
    """Whether all laps of a training begin at one place, so that some of the road is seldom driven."""
    if not case.is_training or case.track is None:
        return
    xy = case.trace[["X", "Y"]].to_numpy(float)[case.laps["first_row"]]
    start = geometry.project_points(case.track.center, xy)[0] / case.track.length
    if _spread(start) > ONE_START_FRACTION:
        return
    even = passages.length * passages.steps.sum()
    seldom = np.flatnonzero(passages.steps < SELDOM_FRACTION * even)
    ended = int(passages.ended[seldom].sum())
    if not len(seldom) or ended < MIN_ENDED_LAPS:
        return
    names = ", ".join(passages.names[k] for k in seldom)
    fraction = passages.steps[seldom].sum() / passages.steps.sum()
    title = f"it learned one place only: {names} are seldom driven"
    if len(seldom) == 1:
        title = f"it learned one place only: {names} is seldom driven"
    evidence = (
        f"all {len(case.laps):,} laps begin at {100.0 * float(np.median(start)):.0f} % of the lap; "
        f"{names}, {passages.length[seldom].sum():.0%} of the road, got {fraction:.0%} of the steps "
        f"in {case.window}, and ended {ended} laps"
    )
    cost = Cost(passages.gain_without(seldom), None, "if no lap ended there")
    yield Symptom("seldom driven", title, evidence, cost, "visits")


def examine_one_action(case: Case, reachable_s: float | None) -> Iterator[Symptom]:
    """Whether the policy does nearly nothing but one thing."""
    use = recent_use(case)
    if len(use) < MIN_COMMANDS:
        return
    most = use.iloc[int(use["share"].argmax())]
    if most["share"] < ALWAYS_FRACTION:
        return
    label = action_label(int(most["action"]), float(most["steer"]), float(most["throttle"]))
    title = f"it takes action {label} nearly always"
    evidence = f"{most['share']:.0%} of the steps in {case.window}, of {len(use)} actions"
    yield Symptom("one action", title, evidence, lacking(case, reachable_s), "actions")


def recent_use(case: Case) -> pd.DataFrame:
    """`racer.analysis.action_use` of the recent laps."""
    rows, _ = case.rows_of(case.recent)
    return action_use(rows, case.space)


def _arc_lengths(rows: pd.DataFrame, track: Track) -> Array:
    return geometry.project_points(track.center, rows[["X", "Y"]].to_numpy(float))[0]


def _spread(places: Array) -> float:
    """The shortest part of a lap that holds all places, fractions of it."""
    ordered = np.sort(places % 1.0)
    gaps = np.diff(ordered, append=ordered[0] + 1.0)
    return float(1.0 - gaps.max())


def _points(completion: float) -> str:
    return f"{min(completion, 100.0):.0f}"
