"""What a reward does besides paying: what it remembers, changes, prints and depends on, and what its
rewards are like.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from racer.checker.calls import RewardCaller, TrialClock, copies_of
from racer.checker.cases import PlacedStep, TrialEpisode, numbered, placed_episode
from racer.checker.findings import Finding
from racer.checker.misreadings import key_line
from racer.checker.results import plural
from racer.reward import RewardBatch, RewardRefused

Array = NDArray[np.float64]

SAMPLE_STEPS = 150
"""Steps that are called again and again."""
MIN_SAMPLE_STEPS = 8
REWARD_RTOL = 1e-9
MIRROR_RTOL = 1e-6
MAX_UNEQUAL_FRACTION = 0.02
"""Fraction of places that may be paid differently on the mirror image before that is said."""
MIN_MIRRORED_PLACES = 16
CENTER_M = 0.01
"""So near the center line left and right are a matter of rounding."""
JACKPOT_FRACTION = 0.5
MIN_JACKPOT_STEPS = 30
MIN_CONSTANT_STEPS = 100
MAX_TIMED_CALLS = 200
MIN_TIMED_CALLS = 20
TIMED_BATCH_CALLS = 64
SLOW_CALL_S = 0.005
"""From so many seconds a call on a reward is called slow, ..."""
SLOW_QUANTILE = 0.95
"""... at this quantile of its calls."""
MAX_NAMED = 4
"""Keys and variables that a message names."""
MIN_PUNISHED_FRACTION = 0.1
"""Fraction of the steps that is_reversed must change."""
PUNISHED_FRACTION = 0.95
"""Fraction of those that it must make worse."""
SWEEP_STEP = 0.25
"""Percent of progress between two steps of a sweep."""
USUAL_WINDOW = 10.0
"""Percent of progress over which the median is what is usual."""
MAX_WINDOW = 5.0
"""Percent of progress: what is paid for longer is no bonus for a milestone."""
MIN_BONUS_FRACTION = 0.1
"""Of the usual reward: what a bonus pays more at least."""
MAX_SWEPT_WORK_S = 0.002
"""Rewards that take longer for a call are not swept."""
SHIFT_S = 1000.5
"""How much later it is for the call that shows whether a reward reads a clock."""

_CLOCKS = ("time", "monotonic", "perf_counter", "process_time")
_NS_CLOCKS = ("time_ns", "monotonic_ns", "perf_counter_ns")
_NOW = time.perf_counter


def find_side_effects(
    caller: RewardCaller, episodes: Sequence[TrialEpisode], seconds: float
) -> list[Finding]:
    """RW301 to RW306 and RW315: what repeated, reordered and separate calls show.

    Empty where a call fails.
    """
    sample = []
    steps = caller.affordable(seconds / 12.0, MIN_SAMPLE_STEPS, SAMPLE_STEPS)
    for episode in _sampled_episodes(episodes):
        sample.append(episode.only(slice(steps)))
    if not sample:
        return []
    try:
        return [*_changes_outside(caller, sample[-1]), *_changes_of_rewards(caller, sample)]
    except RewardRefused:
        return []


def find_constant_reward(rewards: Sequence[Array], caller: RewardCaller) -> list[Finding]:
    """RW312: every step pays the same."""
    known = [of_episode[np.isfinite(of_episode)] for of_episode in rewards]
    values = np.concatenate(known) if known else np.empty(0)
    if len(values) < MIN_CONSTANT_STEPS or np.ptp(values) > 0.0:
        return []
    message = f"all {len(values):,} steps pay {values[0]:g}"
    return [Finding("RW312", message, caller.reward.filename, _entry_line(caller))]


def find_jackpot(
    episodes: Sequence[TrialEpisode], rewards: Sequence[Array], caller: RewardCaller
) -> list[Finding]:
    """RW313: one step of a whole lap pays more than half of all its steps."""
    for episode, paid in zip(episodes, rewards, strict=True):
        if not episode.completes or len(paid) < MIN_JACKPOT_STEPS or not np.isfinite(paid).all():
            continue
        k = int(np.argmax(paid))
        total = float(np.abs(paid).sum())
        if paid[k] > JACKPOT_FRACTION * total > 0.0:
            params = episode.params[k]
            message = (
                f"step {params['steps']:g} of {episode.title}, at {params['progress']:.4g} %, pays "
                f"{paid[k]:.6g}; the other {len(paid) - 1} steps pay "
                f"{float(paid.sum() - paid[k]):.6g} together"
            )
            line = _entry_line(caller)
            return [Finding("RW313", message, caller.reward.filename, line, params=params)]
    return []


def find_punished_direction(
    caller: RewardCaller, episodes: Sequence[TrialEpisode]
) -> list[Finding]:
    """RW317: a step pays less with `is_reversed` than without it, whichever way the track is driven."""
    if "is_reversed" not in caller.reward.source:
        return []
    forward = [episode for episode in episodes if episode.driver]
    forward = forward or [episode for episode in episodes if episode.name == "placed"]
    backward = [episode for episode in episodes if episode.name == "reversed"]
    if not forward or not backward:
        return []
    for episode in (forward[0], backward[0]):
        sample = episode.only(slice(SAMPLE_STEPS))
        plain = _rewards_with(caller, sample, is_reversed=False)
        flagged = _rewards_with(caller, sample, is_reversed=True)
        unequal = np.isfinite(plain - flagged) & ~_are_close(plain, flagged)
        if unequal.sum() <= MIN_PUNISHED_FRACTION * len(plain):
            return []
        if np.mean(flagged[unequal] < plain[unequal]) < PUNISHED_FRACTION:
            return []
    message = (
        "the same step pays less with is_reversed, which is true in every step of a reversed track, "
        "false in every other, and says nothing of the car"
    )
    line = key_line(caller.reward, "is_reversed")
    return [Finding("RW317", message, caller.reward.filename, line)]


@dataclass(frozen=True)
class MilestoneWindow:
    """Progress, in percent, between which every step pays a bonus."""

    first: float
    last: float
    bonus: float


def find_milestone_windows(caller: RewardCaller, episodes: Sequence[TrialEpisode]) -> list[Finding]:
    """RW319: bonuses for reaching a progress that are paid in every step inside a window of it."""
    laps = [episode for episode in episodes if episode.completes]
    if not laps or "progress" not in caller.reward.source or caller.work > MAX_SWEPT_WORK_S:
        return []
    by_length = sorted(laps, key=lambda lap: len(lap.params))
    fastest = by_length[0]
    windows = _milestone_windows(caller, fastest, len(fastest.params) // 3)
    windows = windows or _milestone_windows(caller, fastest, 2 * len(fastest.params) // 3)
    if not windows:
        return []
    window = max(windows, key=lambda window: window.bonus)
    in_fastest, in_slowest = (
        sum(window.first < params["progress"] < window.last for params in lap.params)
        for lap in (fastest, by_length[-1])
    )
    message = (
        f"a bonus of {window.bonus:.4g} is paid in every step from {window.first:.4g} to "
        f"{window.last:.4g} % of progress: {plural(in_fastest, 'step')} of {fastest.title}, "
        f"{plural(in_slowest, 'step')} of {by_length[-1].title}, so waiting there pays"
    )
    if len(windows) > 1:
        message += f" ({len(windows)} such windows)"
    line = key_line(caller.reward, "progress", ast.Compare | ast.Call | ast.BinOp)
    return [Finding("RW319", message, caller.reward.filename, line)]


def _milestone_windows(caller: RewardCaller, lap: TrialEpisode, k: int) -> list[MilestoneWindow]:
    """The windows that show when only the progress of one step of a lap rises, each twice: what is
    paid once is not paid the second time.
    """
    progress = np.arange(0.5 * SWEEP_STEP, 100.0, SWEEP_STEP)
    params = []
    for number, value in enumerate(np.repeat(progress, 2).tolist()):
        params.append(lap.params[k] | {"progress": value, "steps": float(number + 2)})
    episode = replace(lap, params=params, places=[lap.places[k]] * len(params))
    paid, again = (caller.run_episode(episode)[0][1::2] for _ in range(2))
    if not np.isfinite(paid).all() or not _are_close(paid, again).all():
        return []  # it fails, or pays at random or by the clock
    usual = median_filter(paid, round(USUAL_WINDOW / SWEEP_STEP) | 1, mode="nearest")
    bonus = paid - usual
    is_bonus = bonus > np.maximum(MIN_BONUS_FRACTION * np.abs(usual), REWARD_RTOL)
    windows = []
    for part in np.flatnonzero(np.diff(is_bonus, prepend=False, append=False)).reshape(-1, 2):
        first, last = part.tolist()
        if 1 < last - first <= MAX_WINDOW / SWEEP_STEP:
            edges = (first * SWEEP_STEP, last * SWEEP_STEP)
            windows.append(MilestoneWindow(*edges, float(bonus[first:last].max())))
    return windows


def _rewards_with(caller: RewardCaller, episode: TrialEpisode, **values: Any) -> Array:
    """Rewards of an episode, by a new instance, where these keys of params have other values; nan
    around failures.
    """
    changed = replace(episode, params=[params | values for params in episode.params])
    return caller.run_episode(changed)[0]


def find_asymmetry(
    caller: RewardCaller, episodes: Sequence[TrialEpisode], seconds: float
) -> list[Finding]:
    """RW314: places on a track and their mirror images pay differently."""
    episode = next((episode for episode in episodes if episode.name == "placed"), None)
    if episode is None:
        return []
    places = [place for place in episode.places if abs(place.offset) > CENTER_M]
    places = numbered(places[: caller.affordable(seconds, MIN_MIRRORED_PLACES, len(places))])
    image = episode.track.mirrored()
    mirrored = placed_episode("mirrored", image, [place.mirrored(image) for place in places])
    original = placed_episode("original", episode.track, places)
    try:
        rewards = _last_rewards(caller, [original])
        mirrored_rewards = _last_rewards(caller, [mirrored])
    except RewardRefused:
        return []
    unequal = np.flatnonzero(~_are_close(rewards, mirrored_rewards, MIRROR_RTOL))
    if len(unequal) <= MAX_UNEQUAL_FRACTION * len(places):
        return []
    worst = int(unequal[np.argmax(np.abs(rewards - mirrored_rewards)[unequal])])
    step: PlacedStep = original.places[worst]
    message = (
        f"{len(unequal)} of {len(rewards)} places are paid differently on the mirror image of "
        f"{episode.track.name}: {rewards[worst]:.6g} against {mirrored_rewards[worst]:.6g} "
        f"{step.description}"
    )
    params = original.params[worst]
    line = _entry_line(caller)
    return [Finding("RW314", message, caller.reward.filename, line, params=params)]


def single_call_times(caller: RewardCaller, episode: TrialEpisode, count: int) -> Array:
    """Seconds of `count` single calls in the order of an episode, less what a batch without calls
    takes. Waiting for a busy machine does not count.

    Raises RewardRefused.
    """
    batch = caller.instance()
    batch(copies_of(episode.params[:1]))
    steps = episode.params[1 : count + 1]
    quick = _times_of_calls(caller, batch, steps, _NOW)
    if not len(quick) or np.quantile(quick, SLOW_QUANTILE) <= SLOW_CALL_S:
        return quick
    # seconds that a busy machine kept it waiting are taken out before a file is accused
    clock = TrialClock()
    steps = steps[: len(quick)]
    again = [_times_of_calls(caller, batch, steps, lambda: clock.seconds) for _ in range(2)]
    fewest = min(map(len, again))
    times: Array = np.minimum.reduce([one[:fewest] for one in (quick, *again)])
    return times


def _times_of_calls(
    caller: RewardCaller,
    batch: RewardBatch,
    steps: Sequence[dict[str, Any]],
    now: Callable[[], float],
) -> Array:
    times: list[float] = []
    for params in steps:
        if caller.clock.is_up and len(times) >= MIN_TIMED_CALLS // 4:
            break
        copies = copies_of([params])
        started = now()
        batch(copies)
        times.append(now() - started)
        caller.on_progress()
    return np.maximum(np.array(times) - _time_of_empty_batch(batch), 1e-7)


def batched_call_time(caller: RewardCaller, episode: TrialEpisode) -> float:
    """Seconds for a call in a batch of many, the least of up to seven: what a training pays.

    Raises RewardRefused.
    """
    batch = caller.instance()
    times = []
    for _ in range(7):
        params = copies_of(episode.params[: min(TIMED_BATCH_CALLS, caller.batch_size)])
        started = _NOW()
        batch(params, [0] * len(params))
        times.append((_NOW() - started) / len(params))
        caller.on_progress()
        if sum(times) * len(params) > 0.2:
            break
    return min(times)


def _sampled_episodes(episodes: Sequence[TrialEpisode]) -> list[TrialEpisode]:
    """Two laps, as different as there are, and one with objects, as far as there are such."""
    driven = [episode for episode in episodes if episode.driver]
    placed = [episode for episode in episodes if not episode.driver]
    with_objects = [episode for episode in placed if episode.name == "with objects"] or placed
    if len(driven) > 1:
        return [driven[0], driven[-1], *with_objects[:1]]
    return [*placed[:2], *with_objects[:1]]


def _changes_outside(caller: RewardCaller, episode: TrialEpisode) -> list[Finding]:
    """RW303, RW304, RW315: changed params, prints, replaced functions."""
    reward = caller.reward
    batch = caller.instance()
    params = copies_of(episode.params)
    before = copy.deepcopy(params)
    caller.rewards_in_place(batch, params)
    findings = []
    keys: set[str] = set()
    for old, new in zip(before, params, strict=True):
        keys |= _changed_keys(old, new)
    if keys:
        names = ", ".join(map(repr, sorted(keys)[:MAX_NAMED]))
        message = f"it changes params ({names}), which changes nothing in the simulator"
        line = next(iter(reward.syntax.mutations), 0)
        findings.append(Finding("RW303", message, reward.filename, line))
    by_line = {printed[0]: printed for printed in batch.prints}
    for line, _, first in sorted(by_line.values())[:3]:
        findings.append(Finding("RW304", f"it prints {first[:60]!r}", reward.filename, line))
    if batch.patches:
        line = _line_naming(reward.source, map(_last_part, batch.patches))
        message = f"it replaces {', '.join(batch.patches)}"
        findings.append(Finding("RW315", message, reward.filename, line))
    return findings


def _changed_keys(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    changed = old.keys() ^ new.keys()
    for key in old.keys() & new.keys():
        if old[key] != new[key]:
            changed.add(key)
    return set(map(str, changed))


def _changes_of_rewards(caller: RewardCaller, sample: Sequence[TrialEpisode]) -> list[Finding]:
    """RW301, RW302, RW305 and RW306: rewards that depend on more than the params."""
    last = sample[-1]
    source = caller.reward.source
    fresh = _last_rewards(caller, [last])
    repeated = _last_rewards(caller, [last])
    reseeded = _last_rewards(caller, [last], seed=1)
    with _clocks_ahead():
        later = _last_rewards(caller, [last])
    repeats = _all_close(fresh, repeated)
    names_time = re.search(r"\b(date)?time\b", source) is not None
    if (not repeats and names_time) or (repeats and not _all_close(fresh, later)):
        line = _line_naming(source, ["time.", "datetime", "perf_counter", "monotonic"])
        message = "the same steps pay differently at another time"
        return [Finding("RW305", message, caller.reward.filename, line)]
    if not repeats or not _all_close(fresh, reseeded):
        line = _line_naming(source, ["random", "urandom", "uuid", "secrets"])
        message = "the same steps pay differently each time: it is random"
        return [Finding("RW306", message, caller.reward.filename, line)]
    return _effects_of_history(caller, sample, fresh)


def _effects_of_history(
    caller: RewardCaller, sample: Sequence[TrialEpisode], fresh: Array
) -> list[Finding]:
    """RW301 and RW302: rewards that depend on earlier steps, or on an earlier episode."""
    last = sample[-1]
    backward = last.only(slice(None, None, -1))
    turned = _last_rewards(caller, [backward])[::-1]
    first_half = last.only(slice(len(last.params) // 2))
    changed: set[str] = set()
    leak = ""
    for earlier in (*sample[:-1], first_half):
        batch = caller.instance()
        before = batch.remembered_values()
        caller.rewards(batch, earlier.params)
        for name, value in batch.remembered_values().items():
            if before.get(name) != value:
                changed.add(name)
        leak = _leak_into(caller, batch, last, fresh)
        if leak:
            break
    names = sorted(changed)
    variables = ", ".join(names[:MAX_NAMED]) or "something"
    line = _line_naming(caller.reward.source, map(_last_part, names))
    findings = []
    if not _all_close(fresh, turned):
        message = f"it remembers earlier steps in {variables}: what a step pays depends on those before it"
        findings.append(Finding("RW301", message, caller.reward.filename, line))
    if leak:
        message = f"{variables} reaches into the next episode: {leak}"
        findings.append(Finding("RW302", message, caller.reward.filename, line))
    return findings


def _leak_into(
    caller: RewardCaller, batch: RewardBatch, episode: TrialEpisode, fresh: Array
) -> str:
    """What an episode pays otherwise after what the instance was called with before; "" for nothing."""
    rewards = caller.rewards(batch, episode.params)
    unequal = np.flatnonzero(~_are_close(fresh, rewards))
    if not len(unequal):
        return ""
    k = int(unequal[0])
    return f"step {k + 2} of the next episode pays {rewards[k]:.6g} instead of {fresh[k]:.6g}"


def _last_rewards(caller: RewardCaller, episodes: Sequence[TrialEpisode], seed: int = 0) -> Array:
    """Rewards of the last of some episodes, after the others, by one new instance."""
    batch = caller.instance(seed=seed)
    rewards = np.empty(0)
    for episode in episodes:
        rewards = caller.rewards(batch, episode.params)
    return rewards


def _time_of_empty_batch(batch: RewardBatch) -> float:
    """Seconds that a batch without calls takes."""
    times = []
    for _ in range(50):
        started = _NOW()
        batch([], [])
        times.append(_NOW() - started)
    return float(np.median(times))


def _all_close(first: Array, second: Array) -> bool:
    return bool(_are_close(first, second).all())


def _are_close(first: Array, second: Array, rtol: float = REWARD_RTOL) -> NDArray[np.bool_]:
    return np.isclose(first, second, rtol=rtol, atol=REWARD_RTOL)


@contextlib.contextmanager
def _clocks_ahead() -> Iterator[None]:
    """Every clock of Python's `time` module is SHIFT_S ahead."""
    clocks = {name: getattr(time, name) for name in (*_CLOCKS, *_NS_CLOCKS)}
    for name in _CLOCKS:
        setattr(time, name, _shifted(clocks[name], SHIFT_S))
    for name in _NS_CLOCKS:
        setattr(time, name, _shifted(clocks[name], int(SHIFT_S * 1e9)))
    try:
        yield
    finally:
        for name, clock in clocks.items():
            setattr(time, name, clock)


def _shifted(clock: Any, ahead: float) -> Any:
    return lambda: clock() + ahead


def _entry_line(caller: RewardCaller) -> int:
    entry = caller.reward.syntax.entry
    return entry.lineno if entry else 0


def _last_part(name: str) -> str:
    return name.rpartition(".")[2]


def _line_naming(source: str, words: Iterator[str] | Sequence[str]) -> int:
    """The last line that assigns the first of these words that occurs, or names it, outside imports
    and comments; 0 without one.
    """
    lines = source.splitlines()
    for word in words:
        escaped = re.escape(word)
        assignment = re.compile(rf"\b{escaped}\b[^=\n]*(?<![=!<>])=(?!=)|\b{escaped}\.\w+\(")
        naming = []
        assigning = []
        for number, line in enumerate(lines, start=1):
            if word not in line or line.lstrip().startswith(("import", "from", "#")):
                continue
            naming.append(number)
            if assignment.search(line):
                assigning.append(number)
        if naming:
            return (assigning or naming)[-1]
    return 0
