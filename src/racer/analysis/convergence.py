"""Whether a training is still getting anywhere: a verdict in words, from robust statistics by
iteration.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import exp, isfinite, log, pi, sqrt
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis import lap_iterations, laps_by_iteration
from racer.vehicle.action_space import ActionSpace

IMPROVING, PLATEAU, COLLAPSING = "still improving", "plateau", "collapsing"
SLOWING, NO_ENTROPY, TOO_SHORT = "getting slower", "entropy gone", "too short to say"

# iterations below which nothing is said; below which no trend is no plateau yet
MIN_ITERATIONS, PLATEAU_ITERATIONS = 6, 10
# iterations, and a fifth of all, that must have passed since a bend before they are judged alone
MIN_ITERATIONS_AFTER_BEND = 8
MIN_COMPLETION_CHANGE = 3.0  # points of completion: less is no change, however sure
MIN_TIME_CHANGE_FRACTION = 0.015  # of the lap time: less is no change
COLLAPSE_POINTS = (
    15.0  # points of completion below the best level, from which on a training collapses
)
# deviations that Kendall's statistic must show: one trend in a hundred is chance
CERTAIN_DEVIATIONS = NormalDist().inv_cdf(0.99)
# the same for a trend that only goes on, after a bend, as it did before
LIKELY_DEVIATIONS = NormalDist().inv_cdf(0.95)
# variances by which a bend must fit better than a straight line: by chance it does so once in fifty
# times
MIN_BEND_GAIN = 8.0
# of the entropy of an even choice (without the action space: of the first iterations' entropy)
ENTROPY_GONE_FRACTION = 0.1
# of the range to either side: standard deviation below which a continuous action explores no more
NARROW_DEVIATION = 0.05

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ConvergenceVerdict:
    """`kind` is one of the words above; `since` the iteration from which on it holds, or None;
    `sentence` says why.
    """

    kind: str
    since: int | None
    sentence: str

    def __str__(self) -> str:
        start = (
            f" since iteration {self.since}"
            if self.since is not None and self.kind == PLATEAU
            else ""
        )
        return f"{self.kind}{start}: {self.sentence}"


@dataclass(frozen=True, eq=False)
class _Course:
    """One measure by iteration, known values only, and how much of it counts as a change."""

    x: Array
    y: Array
    change: float

    @property
    def level(self) -> float:
        """Where it stands: the median of the last iterations."""
        return float(np.median(self.y[-_width(len(self.y)) :]))

    @cached_property
    def smooth(self) -> Array:
        """Running median."""
        half = _width(len(self.y)) // 2
        return np.array(
            [np.median(self.y[max(k - half, 0) : k + half + 1]) for k in range(len(self.y))]
        )

    @cached_property
    def noise(self) -> float:
        """Deviation of one iteration from its neighbors, from the median jump."""
        return float(1.4826 * np.median(np.abs(np.diff(self.y))) / sqrt(2.0))


def judge_convergence(
    table: pd.DataFrame, ppo: pd.DataFrame | None = None, space: ActionSpace | None = None
) -> ConvergenceVerdict:
    """Where a training stands, from its laps (rows of `racer.analysis.laps`) and, if known, the
    trainer's own figures.

    `ppo` has `iteration` and `entropy` in its rows, `space` tells how much entropy there could be.
    Completion decides first, then the time of complete laps; a trend counts when Kendall's test is
    sure of it (99 %) and it is large enough to matter (3 points of completion, 1.5 % of a lap's
    time). Fewer than 6 iterations say nothing, and fewer than 10 no plateau.
    """
    rows = laps_by_iteration(table)
    if len(rows) < MIN_ITERATIONS:
        count = f"{len(rows)} iteration{'' if len(rows) == 1 else 's'}"
        return ConvergenceVerdict(TOO_SHORT, None, f"{count} of at least {MIN_ITERATIONS}")
    covered = _course(rows["iteration"], rows["completion"], MIN_COMPLETION_CHANGE)
    times = _lap_times(table)
    fallen = _collapse(covered)
    if fallen:
        return fallen
    spent = _entropy_gone(ppo, space)
    found = _trend(covered, times, _course(rows["iteration"], rows["reward"], 0.0))
    if found.kind == PLATEAU and len(rows) < PLATEAU_ITERATIONS:
        return ConvergenceVerdict(
            TOO_SHORT, None, f"no trend in {len(rows)} iterations, {found.sentence}"
        )
    if spent and found.kind != IMPROVING:
        return ConvergenceVerdict(NO_ENTROPY, spent.since, f"{spent.sentence}; {found.sentence}")
    return (
        ConvergenceVerdict(found.kind, found.since, f"{found.sentence}; {spent.sentence}")
        if spent
        else found
    )


def theil_sen_slope(x: Array, y: Array) -> float:
    """Theil and Sen's slope: the median over all pairs; nan for fewer than two points."""
    one, other = np.triu_indices(len(x), 1)
    return float(np.median((y[other] - y[one]) / (x[other] - x[one]))) if len(one) else float("nan")


def mann_kendall(y: Array) -> float:
    """Mann and Kendall's statistic of a trend in `y` (T,), in standard deviations; 0 where all are
    equal.
    """
    one, other = np.triu_indices(len(y), 1)
    total = float(np.sign(y[other] - y[one]).sum())
    ties = np.unique(y, return_counts=True)[1].astype(float)
    n = float(len(y))
    spread = n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())
    return float((total - np.sign(total)) / sqrt(spread / 18.0)) if spread > 0 else 0.0


def entropy_limit(space: ActionSpace) -> float:
    """The entropy, nats, below which a policy over `space` explores no more."""
    if not space.is_continuous:
        return ENTROPY_GONE_FRACTION * log(max(space.size, 2))
    return 2.0 * log(NARROW_DEVIATION * sqrt(2.0 * pi * exp(1.0)))  # two axes, each from -1 to 1


def _course(x: pd.Series, y: pd.Series, change: float) -> _Course:
    known = np.isfinite(y.to_numpy(float))
    return _Course(x.to_numpy(float)[known], y.to_numpy(float)[known], change)


def _lap_times(table: pd.DataFrame) -> _Course | None:
    """The median time of complete laps by iteration, where at least six and half of the later
    iterations have one.
    """
    number = lap_iterations(table)
    whole = table["time"].where(table["complete"]).groupby(number).median()
    if whole.notna().sum() < MIN_ITERATIONS or whole.iloc[len(whole) // 2 :].notna().mean() < 0.5:
        return None
    found = _course(pd.Series(whole.index.to_numpy()), whole, 0.0)
    return _Course(found.x, found.y, MIN_TIME_CHANGE_FRACTION * found.level)


def _width(count: int) -> int:
    """Iterations that a running median takes in: five, of long trainings a twelfth."""
    return max(5, count // 12) | 1


def _collapse(covered: _Course) -> ConvergenceVerdict | None:
    width = _width(len(covered.y))
    before = covered.smooth[:-width]
    doubt = covered.noise / sqrt(width)
    top = float(before.max(initial=0.0))
    if top - covered.level < max(COLLAPSE_POINTS, 7.0 * doubt) or covered.y[-width:].max() >= top:
        return None
    last = int(
        covered.x[np.flatnonzero(before >= top - max(MIN_COMPLETION_CHANGE, 2.0 * doubt))[-1]]
    )
    words = f"completion fell from {top:.0f} % around iteration {last} to {covered.level:.0f} %"
    return ConvergenceVerdict(COLLAPSING, last, words)


def _trend(covered: _Course, times: _Course | None, reward: _Course) -> ConvergenceVerdict:
    """Improving, slowing or at a plateau: completion's word goes first, then that of lap times
    (less is better).
    """
    places = [_settled(each) for each in (covered, times) if each]
    moves = [_moving(covered), _moving(times) if times else 0.0]
    if moves[0] > 0 or moves[1] < 0:
        return ConvergenceVerdict(IMPROVING, None, " and ".join(_gains(covered, times, moves)))
    if moves[1] > 0 and times:
        return ConvergenceVerdict(SLOWING, None, _pace(times, moves[1], "slower"))
    since = max(places)
    stands = f"completion {covered.level:.0f} %" + (
        f", median lap {times.level:.2f} s" if times else ""
    )
    rises = reward.x >= since
    up = mann_kendall(reward.y[rises]) > CERTAIN_DEVIATIONS
    more = ", though the reward still rises: it pays for something else" if up else ""
    return ConvergenceVerdict(PLATEAU, int(since), f"{stands}{more}")


def _settled(course: _Course) -> float:
    """The iteration since which it stays: that of the bend, if there is one; without a bend the
    first one.
    """
    bend, gain = _bend(course)
    return float(course.x[bend]) if gain > MIN_BEND_GAIN else float(course.x[0])


def _moving(course: _Course) -> float:
    """What has changed in the last third by a trend that goes on; 0 where there is none, or it
    ended.
    """
    bend, gain = _bend(course)
    count = len(course.x)
    lately, flat = _lately(course), count - bend
    tested = (
        count
        if gain <= MIN_BEND_GAIN
        else flat
        if flat >= max(MIN_ITERATIONS_AFTER_BEND, count // 5)
        else lately
    )
    moved = [
        theil_sen_slope(course.x[-n:], course.y[-n:]) * (course.x[-1] - course.x[-n])
        for n in (tested, lately)
    ]
    goes_on = (
        tested < count and moved[0] * (course.y[-tested:].mean() - course.y[:-tested].mean()) > 0.0
    )
    sure = (
        abs(mann_kendall(course.y[-tested:]))
        > (LIKELY_DEVIATIONS if goes_on else CERTAIN_DEVIATIONS)
        and abs(moved[0]) > course.change
    )
    return float(moved[1]) if sure and moved[0] * moved[1] > 0.0 else 0.0


def _bend(course: _Course) -> tuple[int, float]:
    """Where a straight line that turns level fits best, and what it gains on one that does not, in
    variances.
    """
    x, smooth = course.x, course.smooth
    y = np.clip(course.y, smooth - 3.0 * course.noise, smooth + 3.0 * course.noise)
    line = _error(x, y)
    errors = [_error(np.minimum(x, x[k]), y) for k in range(2, len(x) - 2)]
    best = int(np.argmin(errors))
    variance = max(errors[best] / (len(x) - 3), course.noise**2, 1e-12)
    return best + 2, (line - errors[best]) / variance


def _error(x: Array, y: Array) -> float:
    """Sum of the squares that the best straight line through (x, y) leaves."""
    off_x, off_y = x - x.mean(), y - y.mean()
    size = float(off_x @ off_x)
    return float(off_y @ off_y) - (float(off_x @ off_y) ** 2 / size if size > 0.0 else 0.0)


def _gains(covered: _Course, times: _Course | None, moves: list[float]) -> list[str]:
    words = []
    if moves[0] > 0:
        now = min(_now(covered), 100.0)
        words.append(
            f"completion up {moves[0]:.0f} points in the last {_lately(covered)} iterations, to {now:.0f} %"
        )
    if moves[1] < 0 and times:
        words.append(_pace(times, moves[1], "faster"))
    return words


def _pace(times: _Course, moved: float, word: str) -> str:
    change = f"the median lap {abs(moved):.2f} s {word} in the last {_lately(times)} iterations"
    return f"{change}, now {_now(times):.2f} s"


def _lately(course: _Course) -> int:
    """Iterations over which a trend is told: the last third, and eight at least."""
    return min(max(MIN_ITERATIONS_AFTER_BEND, len(course.x) // 3), len(course.x))


def _now(course: _Course) -> float:
    """Where the trend of the last iterations has come to."""
    x, y = course.x[-_lately(course) :], course.y[-_lately(course) :]
    return float(np.median(y + theil_sen_slope(x, y) * (x[-1] - x)))


def _entropy_gone(ppo: pd.DataFrame | None, space: ActionSpace | None) -> ConvergenceVerdict | None:
    """Since when the policy explores no more, or None while it does, or where nothing tells."""
    if ppo is None or not len(ppo) or "entropy" not in ppo:
        return None
    course = ppo.groupby("iteration")["entropy"].median().dropna()
    if len(course) < 3:
        return None
    limit = (
        entropy_limit(space) if space else ENTROPY_GONE_FRACTION * float(course.iloc[:3].median())
    )
    if not isfinite(limit) or (space is None and limit <= 0):
        return None
    above = np.flatnonzero(course.to_numpy() > limit)
    first = int(above[-1]) + 1 if len(above) else 0
    if len(course) - first < 3:
        return None
    words = (
        f"the entropy of the policy is {course.iloc[-1]:.2f}, "
        f"below {limit:.2f} since iteration {course.index[first]}"
    )
    return ConvergenceVerdict(NO_ENTROPY, int(course.index[first]), f"{words}: it hardly explores")
