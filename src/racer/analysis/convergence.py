"""Whether a training is still getting anywhere: a verdict in words, from robust statistics by
iteration.

Trends are judged by Mann and Kendall's test and measured by Theil and Sen's slope. A training that
rose and then stays is told from one that rises by whether a line that turns level (a bend) fits its
measures better than a straight one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import e, isfinite, log, pi, sqrt
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis.lap_table import lap_iterations, laps_by_iteration
from racer.vehicle import ActionSpace

IMPROVING = "still improving"
PLATEAU = "plateau"
COLLAPSING = "collapsing"
SLOWING = "getting slower"
BEHIND = "slower than its best"
DISAGREEING = "reward and clock disagree"
NO_ENTROPY = "entropy gone"
TOO_SHORT = "too short to say"

MIN_ITERATIONS = 6
"""Below which nothing is said."""
PLATEAU_ITERATIONS = 10
"""Below which no trend is no plateau yet."""
MIN_ITERATIONS_AFTER_BEND = 8
"""That must have passed since a bend, and a fifth of all, before they are judged alone."""
MIN_COMPLETION_CHANGE = 3.0
"""Points of completion: less is no change, however sure."""
MIN_TIME_CHANGE_FRACTION = 0.015
"""Of the lap time: less is no change."""
COLLAPSE_POINTS = 15.0
"""Points of completion below the best level, from which on a training collapses."""
MIN_REWARD_RISE_FRACTION = 0.1
"""Of the reward when laps were fastest: less is no rise."""
CERTAIN_DEVIATIONS = NormalDist().inv_cdf(0.99)
"""That Mann and Kendall's statistic must show: one trend in a hundred is chance."""
LIKELY_DEVIATIONS = NormalDist().inv_cdf(0.95)
"""That it must show of a trend that only goes on, after a bend, as it did before."""
MIN_BEND_GAIN = 8.0
"""Variances by which a bend must fit better than a straight line: by chance it does so once in fifty
times.
"""
ENTROPY_GONE_FRACTION = 0.1
"""Of the entropy of an even choice; without the action space, of the first iterations' entropy."""
NARROW_DEVIATION = 0.05
"""Standard deviation, of the range to either side, below which a continuous action explores no
more.
"""

_MIN_SMOOTHING = 5  # iterations of a running median
_ITERATIONS_PER_SMOOTHING = 12  # of a long training, which is smoothed over a twelfth
_MAD_TO_DEVIATION = 1.4826  # standard deviation of a normal distribution by its median deviation
_CLIP_DEVIATIONS = 3.0  # from the running median, beyond which an iteration is an outlier
_COLLAPSE_DEVIATIONS = 7.0
_BEHIND_DEVIATIONS = 5.0  # by which laps must be slower than at their best: of many one is lucky
_ENTROPY_ITERATIONS = 3  # that tell the entropy at the start, and that it stays gone

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ConvergenceVerdict:
    """`kind` is one of the words above, `since` the iteration from which on it holds, or None, and
    `sentence` says why.

    `points` of completion and `seconds` of a lap are what was gained lately where it still improves,
    and what was lost since its best (negative) where it was better before. `no_entropy_since` is the
    iteration since which it hardly explores, None where it does or nothing tells; `course` is what
    completion and lap times do where the kind is about entropy.
    """

    kind: str
    since: int | None
    sentence: str
    points: float = 0.0
    seconds: float = 0.0
    no_entropy_since: int | None = None
    course: str = ""

    @property
    def trend(self) -> str:
        """The kind without a word about entropy: what completion and lap times do."""
        return self.course or self.kind

    def __str__(self) -> str:
        if self.kind == PLATEAU and self.since is not None:
            return f"{self.kind} since iteration {self.since}: {self.sentence}"
        return f"{self.kind}: {self.sentence}"


def judge_convergence(
    laps: pd.DataFrame, ppo: pd.DataFrame | None = None, space: ActionSpace | None = None
) -> ConvergenceVerdict:
    """Where a training stands, from its laps (rows of `racer.analysis.laps`) and, if known, the
    trainer's own figures.

    `ppo` has `iteration` and `entropy` in its rows, `space` tells how much entropy there could be.
    Completion decides first, then the time of complete laps, which is compared with the best so far,
    too; a trend counts when Mann and Kendall's
    test is sure of it (99 %) and it is large enough to matter (3 points of completion, 1.5 % of a
    lap's time). Fewer than 6 iterations say nothing, and fewer than 10 no plateau.
    """
    rows = laps_by_iteration(laps)
    if len(rows) < MIN_ITERATIONS:
        count = "1 iteration" if len(rows) == 1 else f"{len(rows)} iterations"
        return ConvergenceVerdict(TOO_SHORT, None, f"{count} of at least {MIN_ITERATIONS}")
    completion = _known_measure(rows["iteration"], rows["completion"], MIN_COMPLETION_CHANGE)
    collapse = _judge_collapse(completion)
    if collapse:
        return collapse
    reward = _known_measure(rows["iteration"], rows["reward"], min_change=0.0)
    trend = _judge_trend(completion, _lap_times(laps), reward)
    if trend.kind == PLATEAU and len(rows) < PLATEAU_ITERATIONS:
        sentence = f"no trend in {len(rows)} iterations, {trend.sentence}"
        return ConvergenceVerdict(TOO_SHORT, None, sentence)
    entropy = _judge_entropy(ppo, space)
    if not entropy:
        return trend
    trend = replace(trend, no_entropy_since=entropy.since)
    if trend.kind == IMPROVING:
        return replace(trend, sentence=f"{trend.sentence}; {entropy.sentence}")
    sentence = f"{entropy.sentence}; {trend.sentence}"
    return replace(
        trend, kind=NO_ENTROPY, since=entropy.since, sentence=sentence, course=trend.kind
    )


def theil_sen_slope(x: Array, y: Array) -> float:
    """Theil and Sen's slope of y (T,) over x (T,), the median over all pairs; nan for fewer than two
    points.
    """
    from scipy.stats import theilslopes

    if len(x) < 2:
        return float("nan")
    return float(theilslopes(y, x).slope)


def mann_kendall(y: Array) -> float:
    """Mann and Kendall's statistic of a trend in y (T,), in standard deviations, corrected for ties
    and for continuity; 0 where all are equal.
    """
    earlier, later = np.triu_indices(len(y), 1)
    score = float(np.sign(y[later] - y[earlier]).sum())
    n = float(len(y))
    ties = np.unique(y, return_counts=True)[1].astype(float)
    tied = float((ties * (ties - 1) * (2 * ties + 5)).sum())
    variance = (n * (n - 1) * (2 * n + 5) - tied) / 18.0
    if variance <= 0:
        return 0.0
    return float((score - np.sign(score)) / sqrt(variance))


def entropy_limit(space: ActionSpace) -> float:
    """The entropy, nats, below which a policy over `space` explores no more."""
    if not space.is_continuous:
        return ENTROPY_GONE_FRACTION * log(max(space.size, 2))
    axes = 2  # each from -1 to 1
    return axes * log(NARROW_DEVIATION * sqrt(2.0 * pi * e))


@dataclass(frozen=True, eq=False)
class _Measure:
    """One measure by iteration, known values only, and how much of it counts as a change."""

    iterations: Array
    values: Array
    min_change: float

    def __len__(self) -> int:
        return len(self.values)

    @property
    def smoothing(self) -> int:
        """Iterations that a running median takes in: five, of long trainings a twelfth; odd."""
        return max(_MIN_SMOOTHING, len(self) // _ITERATIONS_PER_SMOOTHING) | 1

    @property
    def level(self) -> float:
        """Where it stands: the median of the last iterations."""
        return float(np.median(self.values[-self.smoothing :]))

    @cached_property
    def smooth(self) -> Array:
        """Running median, of fewer values towards the ends."""
        rolling = pd.Series(self.values).rolling(self.smoothing, center=True, min_periods=1)
        return rolling.median().to_numpy()

    @cached_property
    def noise(self) -> float:
        """Deviation of one iteration from its neighbors, from the median jump."""
        jump = float(np.median(np.abs(np.diff(self.values))))
        return _MAD_TO_DEVIATION * jump / sqrt(2.0)

    @property
    def recent(self) -> int:
        """Iterations over which a trend is told: the last third, and eight at least."""
        return min(max(MIN_ITERATIONS_AFTER_BEND, len(self) // 3), len(self))

    def change_in_last(self, count: int) -> float:
        """What has changed in the last `count` iterations, by their slope."""
        iterations = self.iterations[-count:]
        slope = theil_sen_slope(iterations, self.values[-count:])
        return slope * float(iterations[-1] - iterations[0])

    @property
    def trend_end(self) -> float:
        """Where the trend of the recent iterations has come to."""
        iterations = self.iterations[-self.recent :]
        values = self.values[-self.recent :]
        slope = theil_sen_slope(iterations, values)
        return float(np.median(values + slope * (iterations[-1] - iterations)))


def _known_measure(iterations: pd.Series, values: pd.Series, min_change: float) -> _Measure:
    is_known = np.isfinite(values.to_numpy(float))
    return _Measure(
        iterations.to_numpy(float)[is_known], values.to_numpy(float)[is_known], min_change
    )


def _lap_times(laps: pd.DataFrame) -> _Measure | None:
    """The median time of complete laps by iteration, where at least six and half of the later
    iterations have one.
    """
    complete_times = laps["time"].where(laps["complete"])
    medians = complete_times.groupby(lap_iterations(laps)).median()
    later = medians.iloc[len(medians) // 2 :]
    if medians.notna().sum() < MIN_ITERATIONS or later.notna().mean() < 0.5:
        return None
    times = _known_measure(pd.Series(medians.index.to_numpy()), medians, min_change=0.0)
    min_change = MIN_TIME_CHANGE_FRACTION * times.level
    return _Measure(times.iterations, times.values, min_change)


def _judge_collapse(completion: _Measure) -> ConvergenceVerdict | None:
    recent = completion.smoothing
    before = completion.smooth[:-recent]
    doubt = completion.noise / sqrt(recent)
    top = float(before.max(initial=0.0))
    level = completion.level
    has_fallen = top - level >= max(COLLAPSE_POINTS, _COLLAPSE_DEVIATIONS * doubt)
    if not has_fallen or completion.values[-recent:].max() >= top:
        return None
    at_top = np.flatnonzero(before >= top - max(MIN_COMPLETION_CHANGE, 2.0 * doubt))
    last = int(completion.iterations[at_top[-1]])
    sentence = f"completion fell from {top:.0f} % around iteration {last} to {level:.0f} %"
    return ConvergenceVerdict(COLLAPSING, last, sentence, points=level - top)


def _judge_trend(
    completion: _Measure, times: _Measure | None, reward: _Measure
) -> ConvergenceVerdict:
    """Improving, slowing or at a plateau: completion's word goes first, then that of lap times
    (less is better).
    """
    completion_change = _lasting_change(completion)
    time_change = _lasting_change(times) if times else 0.0
    best = _lost_best(times) if times else None
    gains = []
    points = 0.0
    seconds = 0.0
    if completion_change > 0:
        gains.append(_completion_gain(completion, completion_change))
        points = completion_change
    if times and time_change < 0 and best is None:
        gains.append(_pace_change(times, time_change, "faster"))
        seconds = -time_change
    if gains:
        return ConvergenceVerdict(IMPROVING, None, " and ".join(gains), points, seconds)
    if times and best is not None:
        return _behind_best(times, best, time_change, reward)
    if times and time_change > 0:
        sentence = _pace_change(times, time_change, "slower")
        return ConvergenceVerdict(SLOWING, None, sentence, seconds=-time_change)
    return _plateau(completion, times, reward)


@dataclass(frozen=True)
class _BestLaps:
    """The iterations, from first to last, in which laps were fastest, and their median `time`, s."""

    first: int
    last: int
    time: float

    @property
    def title(self) -> str:
        """`iteration 2`, `iterations 2 to 4`."""
        if self.first == self.last:
            return f"iteration {self.first}"
        return f"iterations {self.first} to {self.last}"


def _lost_best(times: _Measure) -> _BestLaps | None:
    """When laps were clearly faster than they are now; None where they never were."""
    doubt = times.noise / sqrt(times.smoothing)
    fastest = int(np.argmin(times.smooth))
    lost = times.trend_end - float(times.smooth[fastest])
    if lost <= max(times.min_change, _BEHIND_DEVIATIONS * doubt):
        return None
    is_fast = times.values <= times.smooth[fastest] + times.min_change
    first = last = fastest
    while first > 0 and is_fast[first - 1]:
        first -= 1
    while last < len(times) - 1 and is_fast[last + 1]:
        last += 1
    time = float(np.median(times.values[first : last + 1]))
    return _BestLaps(int(times.iterations[first]), int(times.iterations[last]), time)


def _behind_best(
    times: _Measure, best: _BestLaps, time_change: float, reward: _Measure
) -> ConvergenceVerdict:
    """What is said of laps that were faster before."""
    slower = times.trend_end - best.time
    sentence = (
        f"laps were fastest in {best.title} ({best.time:.2f} s) and are {slower:.2f} s slower now"
    )
    is_best = (reward.iterations >= best.first) & (reward.iterations <= best.last)
    before = float(np.median(reward.values[is_best])) if is_best.any() else np.nan
    doubt = _BEHIND_DEVIATIONS * reward.noise / sqrt(reward.smoothing)
    if reward.level - before > max(MIN_REWARD_RISE_FRACTION * abs(before), doubt):
        rise = f"the reward of an episode rose from {before:,.4g} to {reward.level:,.4g}"
        sentence += f", while {rise}: the reward does not want what the clock wants"
        return ConvergenceVerdict(DISAGREEING, best.last, sentence, seconds=-slower)
    if time_change < 0:
        sentence += f"; {_pace_change(times, time_change, 'faster')}"
    if time_change > 0:
        return ConvergenceVerdict(SLOWING, best.last, sentence, seconds=-slower)
    return ConvergenceVerdict(BEHIND, best.last, sentence, seconds=-slower)


def _plateau(completion: _Measure, times: _Measure | None, reward: _Measure) -> ConvergenceVerdict:
    since = _settled_since(completion)
    sentence = f"completion {completion.level:.0f} %"
    if times:
        since = max(since, _settled_since(times))
        sentence += f", median lap {times.level:.2f} s"
    later_reward = reward.values[reward.iterations >= since]
    if mann_kendall(later_reward) > CERTAIN_DEVIATIONS:
        sentence += ", though the reward still rises: it pays for something else"
    return ConvergenceVerdict(PLATEAU, int(since), sentence)


def _settled_since(measure: _Measure) -> float:
    """The iteration since which a measure stays: that of the bend, without one the first."""
    bend, gain = _find_bend(measure)
    return float(measure.iterations[bend if gain > MIN_BEND_GAIN else 0])


def _lasting_change(measure: _Measure) -> float:
    """What has changed in the last third by a trend that goes on; 0 where there is none, or it
    ended.
    """
    tested = _tested_iterations(measure)
    change = measure.change_in_last(tested)
    needed = CERTAIN_DEVIATIONS
    if tested < len(measure):
        step = measure.values[-tested:].mean() - measure.values[:-tested].mean()
        goes_on_as_before = change * step > 0.0
        if goes_on_as_before:
            needed = LIKELY_DEVIATIONS
    is_sure = abs(mann_kendall(measure.values[-tested:])) > needed
    if not is_sure or abs(change) <= measure.min_change:
        return 0.0
    recent_change = measure.change_in_last(measure.recent)
    return recent_change if change * recent_change > 0.0 else 0.0


def _tested_iterations(measure: _Measure) -> int:
    """How many of the last iterations are tested for a trend: all; those since a bend; or, where the
    bend was lately, the recent ones.
    """
    count = len(measure)
    bend, gain = _find_bend(measure)
    if gain <= MIN_BEND_GAIN:
        return count
    since_bend = count - bend
    if since_bend >= max(MIN_ITERATIONS_AFTER_BEND, count // 5):
        return since_bend
    return measure.recent


def _find_bend(measure: _Measure) -> tuple[int, float]:
    """Where a straight line that turns level fits best, and what it gains on one that does not, in
    variances.
    """
    x = measure.iterations
    spread = _CLIP_DEVIATIONS * measure.noise
    y = np.clip(measure.values, measure.smooth - spread, measure.smooth + spread)
    bends = range(2, len(x) - 2)
    errors = [_squared_error(np.minimum(x, x[bend]), y) for bend in bends]
    best = int(np.argmin(errors))
    variance = max(errors[best] / (len(x) - 3), measure.noise**2, 1e-12)
    gain = (_squared_error(x, y) - errors[best]) / variance
    return bends[best], gain


def _squared_error(x: Array, y: Array) -> float:
    """Sum of the squares that the best straight line through (x, y) leaves."""
    x_offset = x - x.mean()
    y_offset = y - y.mean()
    x_square = float(x_offset @ x_offset)
    error = float(y_offset @ y_offset)
    if x_square > 0.0:
        error -= float(x_offset @ y_offset) ** 2 / x_square
    return error


def _completion_gain(completion: _Measure, change: float) -> str:
    now = min(completion.trend_end, 100.0)
    return (
        f"completion up {change:.0f} points in the last {completion.recent} iterations, "
        f"to {now:.0f} %"
    )


def _pace_change(times: _Measure, change: float, word: str) -> str:
    return (
        f"the median lap {abs(change):.2f} s {word} in the last {times.recent} iterations, "
        f"now {times.trend_end:.2f} s"
    )


def _judge_entropy(
    ppo: pd.DataFrame | None, space: ActionSpace | None
) -> ConvergenceVerdict | None:
    """Since when the policy explores no more, or None while it does, or where nothing tells."""
    if ppo is None or not len(ppo) or "entropy" not in ppo:
        return None
    entropy = ppo.groupby("iteration")["entropy"].median().dropna()
    if len(entropy) < _ENTROPY_ITERATIONS:
        return None
    if space:
        limit = entropy_limit(space)
    else:
        limit = ENTROPY_GONE_FRACTION * float(entropy.iloc[:_ENTROPY_ITERATIONS].median())
        if limit <= 0:
            return None
    if not isfinite(limit):
        return None
    above = np.flatnonzero(entropy.to_numpy() > limit)
    first_gone = int(above[-1]) + 1 if len(above) else 0
    if len(entropy) - first_gone < _ENTROPY_ITERATIONS:
        return None
    since = int(entropy.index[first_gone])
    sentence = (
        f"the entropy of the policy is {entropy.iloc[-1]:.2f}, "
        f"below {limit:.2f} since iteration {since}: it hardly explores"
    )
    return ConvergenceVerdict(NO_ENTROPY, since, sentence)
