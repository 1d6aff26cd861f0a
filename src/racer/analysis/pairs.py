"""Two sides of a comparison: how much longer a lap takes, how many more are completed, and the verdict
in words.
"""

from __future__ import annotations

from dataclasses import dataclass

from racer.analysis.compared_logs import ComparedLog
from racer.analysis.units import LAPS, RUNS, time_difference, unit_difference
from racer.stats import Interval, proportion_difference, proportion_interval, wider_interval

REWARDS = "rewards"
"""What a comparison of sides with several runs each is about."""
POLICIES = "policies"
"""What one is about where a side is one run: another seed of its reward drives otherwise."""


@dataclass(frozen=True)
class PairDifference:
    """Two logs: how much longer a lap of `other` takes than one of `reference`, s, and how many more it
    completes.

    `complete_laps` and `laps` are those of either; `completion` is the difference of the fractions
    of laps that were completed, -1 to 1. `units` are how many values the intervals rest on on either
    side: `unit_kinds` says whether they are runs, iterations of one run or laps of one policy.
    """

    reference: str
    other: str
    complete_laps: tuple[int, int]
    laps: tuple[int, int]
    time: Interval
    completion: Interval
    units: tuple[int, int] = (0, 0)
    unit_kinds: tuple[str, str] = (LAPS, LAPS)

    @property
    def about(self) -> str:
        """What the verdict is about: `rewards` with several runs a side, else `policies`."""
        return REWARDS if self.unit_kinds == (RUNS, RUNS) else POLICIES

    @property
    def sentence(self) -> str:
        """The verdict on lap times in words."""
        count = self._counts
        if not self.time.is_known:
            return f"nothing can be said of the lap times of {self.other} and {self.reference}: {count}"
        span = f"95 % interval {_span(self.time)}"
        word = "faster" if self.time.value < 0 else "slower"
        if not self.time.excludes_zero:
            gap = f"{self.other} was {abs(self.time.value):.2f} s {word} than {self.reference} here"
            return f"nothing can be said: {gap} ({span}), {count}"
        return f"{self.other} is {word} by {abs(self.time.value):.2f} s ({span}), {count}"

    @property
    def _counts(self) -> str:
        """`12 against 12 complete laps`, and in what units they come where those are not laps."""
        laps = f"{self.complete_laps[1]} against {self.complete_laps[0]} complete laps"
        kinds = self.unit_kinds
        if RUNS in kinds and kinds[0] != kinds[1]:
            return f"{laps}, and two runs a side are needed to compare with several runs"
        if kinds == (LAPS, LAPS) or not all(self.complete_laps):
            return laps
        own, first = (
            f"{count} {kind}" for count, kind in zip(self.units[::-1], kinds[::-1], strict=True)
        )
        if kinds[0] == kinds[1]:
            own = str(self.units[1])
        return f"{own} against {first} of {laps}"

    @property
    def completion_sentence(self) -> str:
        """The verdict on completed laps in words; empty where the fractions do not clearly differ."""
        if not self.completion.excludes_zero:
            return ""
        word = "more" if self.completion.value > 0 else "fewer"
        counts = (
            f"{self.complete_laps[1]} of {self.laps[1]} against "
            f"{self.complete_laps[0]} of {self.laps[0]}"
        )
        edges = (self.completion.low, self.completion.high)
        low, high = sorted(abs(100.0 * edge) for edge in edges)
        return (
            f"{self.other} completes {word} laps: {counts} "
            f"(95 % interval {low:.0f} to {high:.0f} points)"
        )

    @property
    def sentences(self) -> list[str]:
        """What there is to say, one or two sentences."""
        return [sentence for sentence in (self.sentence, self.completion_sentence) if sentence]


def pair_difference(reference: ComparedLog, other: ComparedLog) -> PairDifference:
    """How much longer a lap of `other` takes than one of `reference`, and how many more it completes."""
    complete_laps = (len(reference.complete_laps), len(other.complete_laps))
    laps = (len(reference.laps), len(other.laps))
    completion = proportion_difference(
        proportion_interval(complete_laps[0], laps[0]),
        proportion_interval(complete_laps[1], laps[1]),
    )
    own, first = other.completion_units, reference.completion_units
    if (own.kind, first.kind) != (LAPS, LAPS):
        completion = wider_interval(completion, unit_difference(first, own))
    first, own = reference.time_units, other.time_units
    time = time_difference(first, own)
    return PairDifference(
        reference.name,
        other.name,
        complete_laps,
        laps,
        time,
        completion,
        (len(first.values), len(own.values)),
        (first.kind, own.kind),
    )


def _span(interval: Interval) -> str:
    """The edges of an interval: without sign, the lesser first, where both are to one side of zero."""
    if not interval.excludes_zero:
        return f"{interval.low:+.2f} to {interval.high:+.2f}"
    low, high = sorted((abs(interval.low), abs(interval.high)))
    return f"{low:.2f} to {high:.2f}"
