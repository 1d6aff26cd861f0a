"""What a score says: how drives rank by the clock and by pay, which pairs are paid in the wrong
order, and whether the reward function passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from racer.diagnostics.pay import pay_around_lap
from racer.drivers import ALL_DRIVERS, DAWDLING, WRONG_WAY, Drive
from racer.records import MISSING, Record, RecordTable, format_amount, format_number, known_number
from racer.stats import mean_ranks, rank_correlation

if TYPE_CHECKING:
    from racer.diagnostics.foresight import Foresight

Array = NDArray[np.float64]

# rank correlation that passes: docs/score.md says what lies on either side of it
MIN_RANK_CORRELATION = 0.5
MAX_BEST_PAID_RATIO = 1.25  # the best paid lap may take so many times as long as the fastest
FORESEEN_SECONDS = 2.0  # of search for the best paid driving
MAX_FORESEEN_RATIO = 1.25  # the same of the best paid driving of all
MAX_REVERSED_FRACTION = 0.5  # of its pay, below which is_reversed is told as the cause
FASTER_RATIO = 1.03  # laps nearer than that are equally fast
BETTER_PAID_RATIO = 1.02  # pay nearer than that is equal
FARTHER_PERCENT = 10.0  # of the lap by which one drive without a lap is better than another
NO_LAP_RATIO = 4.0  # how much slower a drive without a lap counts as
MAX_INVERSIONS_SHOWN = 6
FEW_INVERSIONS = 3  # where only the most important are shown
PROBES = frozenset({WRONG_WAY.name, DAWDLING.name})  # drivers that the ranks leave out
PAY_DECIMALS = 12  # to which pay is equal: sums differ in their last bits


@dataclass(frozen=True)
class Inversion:
    """A worse drive that is paid better: `better` and `worse` are by the clock."""

    better: Drive
    worse: Drive
    pay_better: float
    pay_worse: float

    @property
    def extra_fraction(self) -> float:
        """By how much the worse drive is paid better, as a fraction of the pay of the better one:
        0.08 for 8 % more.
        """
        return (self.pay_worse - self.pay_better) / max(abs(self.pay_better), 1e-9)

    @property
    def weight(self) -> float:
        """How bad a mistake it is: how much slower the worse drive is, times how much better it is
        paid.
        """
        time_ratio = NO_LAP_RATIO
        if not np.isnan(self.worse.lap_time):
            time_ratio = self.worse.lap_time / self.better.lap_time
        largest_pay = max(abs(self.pay_better), abs(self.pay_worse), 1e-9)
        return float(np.log(time_ratio) * (self.pay_worse - self.pay_better) / largest_pay)

    def sentence(self, gamma: float) -> str:
        """`at gamma 0.999 you pay a weaving lap of 14.1 s 8 % more than a racing-line lap of 9.8
        s`.
        """
        worse, better = describe_drive(self.worse), describe_drive(self.better)
        start = f"at gamma {gamma:g} you pay {worse}"
        if min(self.pay_better, self.pay_worse) <= 0.0:
            return f"{start} {self.pay_worse:.3g} and {better} {self.pay_better:.3g}"
        if self.extra_fraction < 9.995:
            return f"{start} {100.0 * self.extra_fraction:.0f} % more than {better}"
        return f"{start} {1.0 + self.extra_fraction:.0f} times as much as {better}"


@dataclass(frozen=True)
class ScoreVerdict:
    """Whether a reward function passes, and why in a sentence."""

    passed: bool
    sentence: str


@dataclass(frozen=True, eq=False)
class Foreseen:
    """The driving that a reward pays best of all, and what it is worth by discount factor. It was
    looked for at the discount factor of `foresight`.
    """

    foresight: Foresight
    pay: dict[float, float]

    @property
    def is_paid_more(self) -> bool:
        """Whether it is paid clearly more than the fastest lap, or there is none."""
        fastest_pay = self.foresight.fastest_pay
        return fastest_pay is None or _is_paid_more(self.foresight.pay, fastest_pay)

    @property
    def is_slow(self) -> bool:
        """Whether it completes no lap, or one that is much slower than the fastest."""
        slowdown = self.foresight.slowdown
        return slowdown is None or slowdown > MAX_FORESEEN_RATIO

    @property
    def speaks_against(self) -> bool:
        """Whether the reward asks for something else than fast laps, and clearly so."""
        return self.is_slow and self.is_paid_more

    @property
    def sentence(self) -> str:
        """`it asks for laps of 14.8 s, paid 27 % more than the fastest of 6.3 s`."""
        foresight = self.foresight
        if foresight.lap_time_s is None:
            asked = f"it asks for a car that completes no lap ({foresight.kind})"
        else:
            asked = f"it asks for laps of {foresight.lap_time_s:.1f} s"
        if foresight.fastest_pay is None or foresight.fastest_lap_time_s is None:
            return f"{asked}; nobody completes a lap here"
        fastest = f"the fastest of {foresight.fastest_lap_time_s:.1f} s"
        if foresight.slowdown == 1.0:
            return f"{asked}, the fastest that were found"
        if not self.is_paid_more:
            return f"{asked}, paid no more than {fastest}"
        if foresight.fastest_pay <= 0.0:
            return f"{asked}, paid {foresight.pay:.3g}, {fastest} {foresight.fastest_pay:.3g}"
        ratio = foresight.pay / foresight.fastest_pay
        if ratio < 10.995:
            return f"{asked}, paid {100.0 * (ratio - 1.0):.0f} % more than {fastest}"
        return f"{asked}, paid {ratio:.0f} times as much as {fastest}"


@dataclass(frozen=True, eq=False)
class RewardScore(Record):
    """What D drives are worth to one reward function.

    `rewards` has the (T,) rewards of each drive's steps. Of the discounted returns, by discount
    factor, `pay_from_start` (D,) is that of the first step, and `pay` (D,) that of the places around
    the lap (`pay_around_lap`), which is what a drive is ranked by. The verdict is about discount
    factor `gamma`. `foreseen` is the driving that is paid best of all, where it was looked for. With
    `reversed_fraction` of its pay the reward punishes a reversed track; nan where it does not.
    """

    reward: str
    drives: tuple[Drive, ...]
    rewards: tuple[Array, ...]
    pay_from_start: dict[float, Array] = field(repr=False)
    pay: dict[float, Array] = field(repr=False)
    gammas: tuple[float, ...]
    gamma: float
    foreseen: Foreseen | None = None
    reversed_fraction: float = nan

    @property
    def name(self) -> str:
        """The name of the reward file without `.py`."""
        return Path(self.reward).stem

    @cached_property
    def total(self) -> Array:
        """(D,) plain sum of the rewards of each drive."""
        return np.array([float(rewards.sum()) for rewards in self.rewards])

    @cached_property
    def per_step(self) -> Array:
        """(D,) mean reward of a step."""
        return np.array([_mean_or_zero(rewards) for rewards in self.rewards])

    @cached_property
    def clock_ranks(self) -> Array:
        """(D,) rank of each drive by the clock, 1 is the fastest; drives without a lap follow, the
        farthest first.
        """
        return mean_ranks(np.array([_slowness(drive) for drive in self.drives]))

    def pay_ranks(self, gamma: float | None = None) -> Array:
        """(D,) rank of each drive by pay, 1 is paid best."""
        return mean_ranks(-self._pay_at(gamma).round(PAY_DECIMALS))

    def correlation(self, gamma: float | None = None) -> float:
        """Rank correlation of pay and clock: 1 the same order, -1 the opposite one; nan where all
        is paid the same. Of the PROBES, who look for holes, nothing is taken: they are others for
        each reward, or drive no lap that could be ranked.
        """
        is_ranked = np.array([drive.name not in PROBES for drive in self.drives])
        return rank_correlation(self.pay_ranks(gamma)[is_ranked], self.clock_ranks[is_ranked])

    def inversions(self, gamma: float | None = None) -> list[Inversion]:
        """All pairs that are paid in the wrong order, the worst mistakes first."""
        pay = self._pay_at(gamma).tolist()
        inversions = []
        for i, j in permutations(range(len(self.drives)), 2):
            better, worse = self.drives[i], self.drives[j]
            if is_faster(better, worse) and _is_paid_more(pay[j], pay[i]):
                inversions.append(Inversion(better, worse, pay[i], pay[j]))
        return sorted(inversions, key=lambda inversion: -inversion.weight)

    @cached_property
    def best_paid(self) -> Drive:
        """The drive that pays best at `gamma`, which training will look for."""
        return self.drives[int(np.argmax(self.pay[self.gamma]))]

    @cached_property
    def verdict(self) -> ScoreVerdict:
        """Passes when the best paid drive, that of the search where there was one, is nearly the fastest
        and does not dawdle, and the ranks correlate.
        """
        lap_times = [drive.lap_time for drive in self.drives if not np.isnan(drive.lap_time)]
        if not lap_times:
            sentence = "no driver completes a lap here: this track tells nothing about the reward"
            return ScoreVerdict(False, sentence)
        at_gamma = f"at gamma {self.gamma:g}"
        correlation = self.correlation()
        if np.isnan(correlation):
            return ScoreVerdict(False, f"{at_gamma} it pays every driver the same")
        objection, answer = self._judge_best_paid(min(lap_times))
        if objection:
            return ScoreVerdict(False, f"{at_gamma} {objection}")
        if correlation < MIN_RANK_CORRELATION:
            sentence = f"{at_gamma} pay and clock agree too little about the drivers"
            return ScoreVerdict(False, f"{sentence} (rank correlation {correlation:.2f})")
        return ScoreVerdict(True, f"{at_gamma} {answer}, and the ranks agree ({correlation:.2f})")

    def _judge_best_paid(self, fastest_lap_s: float) -> tuple[str, str]:
        """What speaks against the best paid driving, empty for nothing, and what it is. That is the
        foreseen one, unless there is none or a driver is paid clearly more.
        """
        foreseen = self.foreseen
        best_pay = float(self.pay[self.gamma].max())
        if foreseen is not None and not _is_paid_more(best_pay, foreseen.foresight.pay):
            objection = foreseen.sentence if foreseen.speaks_against else ""
            return objection, foreseen.sentence
        best_paid = f"the best paid is {describe_drive(self.best_paid)}"
        if np.isnan(self.best_paid.lap_time):
            return best_paid, best_paid
        if self._pays_for_dawdling():
            where = "it crawls where a step pays most"
            objection = f"{best_paid}: {where}; the fastest lap takes {fastest_lap_s:.1f} s"
            return objection, best_paid
        if self.best_paid.lap_time > MAX_BEST_PAID_RATIO * fastest_lap_s:
            return f"{best_paid}; the fastest lap takes {fastest_lap_s:.1f} s", best_paid
        return "", best_paid

    def _pays_for_dawdling(self) -> bool:
        """Whether the dawdling driver is best paid, and clearly so."""
        pay = self.pay[self.gamma]
        others = [pay[k] for k, drive in enumerate(self.drives) if drive is not self.best_paid]
        is_dawdling = self.best_paid.name == DAWDLING.name
        return is_dawdling and bool(others) and _is_paid_more(pay.max(), max(others))

    @property
    def outcome(self) -> str:
        """`passes` or `fails`."""
        return "passes" if self.verdict.passed else "fails"

    @property
    def summary(self) -> str:
        """The verdict with the name of the reward in front, and where is_reversed is the cause, that."""
        text = f"{self.name} {self.outcome}: {self.verdict.sentence}"
        if self.punishes_reversed:
            text += (
                f"\n{self.name} pays {100.0 * self.reversed_fraction:.2g} % of what it would pay if "
                "is_reversed were false; it is true in every step of a reversed track: compare heading "
                "with the road instead (racer check, RW317)"
            )
        return text

    @property
    def punishes_reversed(self) -> bool:
        """Whether it fails on a reversed track, and pays much less there for is_reversed alone."""
        return not self.verdict.passed and self.reversed_fraction < MAX_REVERSED_FRACTION

    def blocks(self) -> Sequence[str | RecordTable]:
        """The verdict, the drivers, fastest first, and the worst inversions."""
        return [self.summary, *self.details()]

    def details(self, is_brief: bool = False) -> Sequence[str | RecordTable]:
        """What the verdict rests on; `is_brief` has no other discount factor, and fewer inversions."""
        gammas = (self.gamma,) if is_brief else self.gammas
        correlations = [f"{self.correlation(gamma):.2f} at {gamma:g}" for gamma in gammas]
        inversions = self.inversions()
        columns = "the discounted return around the lap by gamma, and a step"
        blocks: list[str | RecordTable] = [
            f"what {self.name} pays: {'' if is_brief else 'the sum, '}{columns}",
            self._driver_table(gammas, with_sum=not is_brief),
            f"rank correlation of pay and clock: {', '.join(correlations)}",
        ]
        if self.foreseen is not None:
            blocks.append(f"foreseen at gamma {self.gamma:g}: {self.foreseen.sentence}")
        shown = FEW_INVERSIONS if is_brief else MAX_INVERSIONS_SHOWN
        for inversion in inversions[:shown]:
            blocks.append(f"  {inversion.sentence(self.gamma)}")
        more = len(inversions) - shown
        if more > 0:
            blocks.append(f"  and {more} more pairs in the wrong order (--json lists them)")
        return blocks

    def to_dict(self) -> dict[str, Any]:
        """The score as plain data; what is missing is None."""
        correlations = {
            f"{gamma:g}": known_number(self.correlation(gamma)) for gamma in self.gammas
        }
        inversions: list[dict[str, Any]] = []
        for gamma in self.gammas:
            inversions += [_inversion_as_dict(x, gamma) for x in self.inversions(gamma)]
        return {
            "reward": self.reward,
            "gamma": self.gamma,
            "passed": self.verdict.passed,
            "verdict": self.verdict.sentence,
            "rank_correlation": correlations,
            "drives": [self._drive_as_dict(k) for k in range(len(self.drives))],
            "inversions": inversions,
            "foreseen": None if self.foreseen is None else self.foreseen.foresight.to_dict(),
            "reversed_fraction": known_number(self.reversed_fraction),
        }

    def _pay_at(self, gamma: float | None) -> Array:
        return self.pay[self.gamma if gamma is None else gamma]

    def _driver_table(self, gammas: Sequence[float], with_sum: bool) -> RecordTable:
        names = [f"{gamma:g}" for gamma in gammas]
        heads = ("driver", "lap s", "%", "sum", *names, "a step", "clock", "pay")
        table = RecordTable(heads, text_heads=frozenset({"driver"}))
        pay_ranks = self.pay_ranks()
        for k in np.argsort(self.clock_ranks, kind="stable"):
            drive = self.drives[k]
            pays = [self.pay[gamma][k] for gamma in gammas]
            table.add_row(
                drive.name,
                format_number(drive.lap_time, 1),
                format_number(drive.completion, 0),
                *map(format_amount, [self.total[k], *pays, self.per_step[k]]),
                f"{self.clock_ranks[k]:g}",
                f"{pay_ranks[k]:g}",
            )
        if self.foreseen is not None:
            table.add_row(*self._foreseen_cells(self.foreseen, gammas))
        return table if with_sum else table.without("sum")

    def _foreseen_cells(self, foreseen: Foreseen, gammas: Sequence[float]) -> list[str]:
        """The row of the best paid driving, which has no rank among the drivers."""
        drive = foreseen.foresight.best
        amounts = [
            float(foreseen.foresight.rewards.sum()),
            *(foreseen.pay[gamma] for gamma in gammas),
        ]
        return [
            "foreseen",
            format_number(drive.lap_time, 1),
            format_number(drive.completion, 0),
            *map(format_amount, [*amounts, _mean_or_zero(foreseen.foresight.rewards)]),
            MISSING,
            MISSING,
        ]

    def _drive_as_dict(self, k: int) -> dict[str, Any]:
        drive = self.drives[k]
        names = {gamma: f"{gamma:g}" for gamma in self.gammas}
        return {
            "driver": drive.name,
            "lap_time": known_number(drive.lap_time),
            "completion": round(drive.completion, 2),
            "status": drive.status.word,
            "steps": len(self.rewards[k]),
            "fewest_wheels": drive.fewest_wheels,
            "sum": float(self.total[k]),
            "per_step": float(self.per_step[k]),
            "pay": {name: float(self.pay[gamma][k]) for gamma, name in names.items()},
            "from_the_start": {
                name: float(self.pay_from_start[gamma][k]) for gamma, name in names.items()
            },
            "rank_by_clock": float(self.clock_ranks[k]),
            "rank_by_pay": {name: float(self.pay_ranks(gamma)[k]) for gamma, name in names.items()},
        }


def weigh_foresight(foresight: Foresight, gammas: Sequence[float]) -> Foreseen:
    """What `racer.foresee` found, with its pay at each of `gammas`."""
    pay = {}
    for gamma in sorted({*gammas}):
        pay[gamma] = pay_around_lap(foresight.rewards, foresight.best, gamma)
    return Foreseen(foresight, pay)


def describe_drive(drive: Drive) -> str:
    """`a weaving lap of 14.1 s`, `a car that stops halfway (51 % of the lap)`, `a weaving car that
    does not finish`.
    """
    driver = ALL_DRIVERS.get(drive.name)
    has_lap = not np.isnan(drive.lap_time)
    completion = f"({drive.completion:.0f} % of the lap)"
    if driver is not None and not driver.finishes:  # a title such as `stops halfway`
        if has_lap:
            lap = f"(lap of {drive.lap_time:.1f} s)"
            return f"a car that {drive.title}, as far as its actions let it {lap}"
        return f"a car that {drive.title} {completion}"
    article = "an" if drive.title[0] in "aeio" else "a"
    if has_lap:
        return f"{article} {drive.title} lap of {drive.lap_time:.1f} s"
    return f"{article} {drive.title} car that does not finish {completion}"


def is_faster(drive: Drive, other: Drive) -> bool:
    """Whether the clock clearly prefers the first drive: a faster lap, a lap instead of none, or
    much more of one.
    """
    if np.isnan(drive.lap_time):
        is_farther = drive.completion > other.completion + FARTHER_PERCENT
        return bool(np.isnan(other.lap_time)) and is_farther
    if np.isnan(other.lap_time):
        return True
    return other.lap_time > FASTER_RATIO * drive.lap_time


def compare_scores(scores: Sequence[RewardScore]) -> RecordTable:
    """Several rewards, a row each: rank correlation by gamma, pairs in the wrong order, whom they pay
    best, and the lap of the foreseen driving.
    """
    gammas = scores[0].gammas
    heads = ("reward", "verdict", *(f"{gamma:g}" for gamma in gammas), "inverted", "best paid")
    has_foreseen = any(score.foreseen is not None for score in scores)
    last_heads = ("lap s", "foreseen s") if has_foreseen else ("lap s",)
    text_heads = frozenset({"reward", "verdict", "best paid"})
    minor_heads = ("lap s", *(f"{gamma:g}" for gamma in gammas if gamma != scores[0].gamma))
    table = RecordTable((*heads, *last_heads), text_heads=text_heads, minor_heads=minor_heads)
    for score in scores:
        cells = [
            score.name,
            score.outcome,
            *(f"{score.correlation(gamma):.2f}" for gamma in gammas),
            str(len(score.inversions())),
            score.best_paid.name,
            format_number(score.best_paid.lap_time, 1),
        ]
        if has_foreseen:
            cells.append(_foreseen_lap(score))
        table.add_row(*cells)
    return table


def _foreseen_lap(score: RewardScore) -> str:
    if score.foreseen is None:
        return MISSING
    return format_number(score.foreseen.foresight.lap_time_s, 1)


def _mean_or_zero(rewards: Array) -> float:
    if not len(rewards):
        return 0.0
    return float(rewards.mean())


def _slowness(drive: Drive) -> float:
    """What the clock ranks by, the smaller the better."""
    if np.isnan(drive.lap_time):
        return 1e6 - drive.completion
    return drive.lap_time


def _is_paid_more(pay: float, other: float) -> bool:
    return pay - other > (BETTER_PAID_RATIO - 1.0) * max(abs(pay), abs(other), 1e-9)


def _inversion_as_dict(inversion: Inversion, gamma: float) -> dict[str, Any]:
    return {
        "better": inversion.better.name,
        "worse": inversion.worse.name,
        "gamma": gamma,
        "sentence": inversion.sentence(gamma),
    }
