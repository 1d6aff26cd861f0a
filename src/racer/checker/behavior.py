"""What a reward does besides paying: what it remembers, changes, prints and depends on, and what
its pay is like.
"""

from __future__ import annotations

import contextlib
import copy
import pickle
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.checker.calls import RewardCaller, TimeBudget, copy_any_params
from racer.checker.cases import TrialEpisode, placed_episode
from racer.checker.findings import Finding
from racer.reward import RewardBatch, RewardRefused

Array = NDArray[np.float64]

SAMPLE_STEPS = 150  # steps that are priced again and again
REWARD_RTOL = 1e-9
MAX_UNEQUAL_FRACTION = (
    0.02  # share of places that pay otherwise on the mirror image before that is said
)
JACKPOT_FRACTION = 0.5
_CLOCKS = (
    "time",
    "monotonic",
    "perf_counter",
    "process_time",
    "time_ns",
    "monotonic_ns",
    "perf_counter_ns",
)
_NOW = time.perf_counter


def find_side_effects(
    shop: RewardCaller, episodes: Sequence[TrialEpisode], seconds: float
) -> list[Finding]:
    """What repeated, reordered and separate calls show. Ends early, without findings, where a call
    fails.
    """
    sample = [_cut(episode, shop, seconds / 12.0) for episode in _chosen(episodes)]
    if not sample:
        return []
    try:
        return [*_side_effects(shop, sample[-1]), *_memory(shop, sample)]
    except RewardRefused:
        return []


def _chosen(episodes: Sequence[TrialEpisode]) -> list[TrialEpisode]:
    """Two laps, as different as there are, and one with objects, as far as there are such."""
    driven = [e for e in episodes if e.driver]
    others = [e for e in episodes if not e.driver]
    named = [e for e in others if e.name == "with objects"] or others
    return [*driven[:1], *driven[-1:], *named[:1]] if len(driven) > 1 else [*others[:2], *named[:1]]


def _cut(episode: TrialEpisode, shop: RewardCaller, seconds: float) -> TrialEpisode:
    n = int(min(SAMPLE_STEPS, max(seconds / shop.pace, 8), len(episode.params)))
    return TrialEpisode(
        episode.name, episode.track, episode.params[:n], episode.places[:n], episode.driver
    )


def _side_effects(shop: RewardCaller, episode: TrialEpisode) -> list[Finding]:
    """RW303, RW304, RW315."""
    batch, reward = shop.instance(), shop.reward
    told = [copy_any_params(p) for p in episode.params]
    before = copy.deepcopy(told)
    shop.price(batch, told)
    found = []
    keys = sorted(
        {key for old, new in zip(before, told, strict=True) for key in _changed(old, new)}
    )
    if keys:
        line = next(iter(reward.syntax.mutations), 0)
        what = f"it changes params ({', '.join(map(repr, keys[:4]))}), which changes nothing in the simulator"
        found.append(Finding("RW303", what, reward.filename, line))
    for line, _, first in sorted({one[0]: one for one in batch.prints}.values())[:3]:
        found.append(Finding("RW304", f"it prints {first[:60]!r}", reward.filename, line))
    if batch.patches:
        line = _line(reward.source, [name.rpartition(".")[2] for name in batch.patches])
        found.append(
            Finding("RW315", f"it replaces {', '.join(batch.patches)}", reward.filename, line)
        )
    return found


def _changed(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {
        str(key)
        for key in old.keys() | new.keys()
        if key not in old or key not in new or old[key] != new[key]
    }


def _memory(shop: RewardCaller, sample: Sequence[TrialEpisode]) -> list[Finding]:
    """RW301, RW302, RW305 and RW306."""
    last = sample[-1]
    fresh = _priced(shop, [last])
    again = _priced(shop, [last])
    other = _priced(shop, [last], seed=1)
    with _later():
        later = _priced(shop, [last])
    source = shop.reward.source
    is_same, tells_time = _same(fresh, again), re.search(r"\b(date)?time\b", source)
    if (not is_same and tells_time) or (is_same and not _same(fresh, later)):
        line = _line(source, ["time.", "datetime", "perf_counter", "monotonic"])
        return [
            Finding(
                "RW305",
                "the same steps pay differently at another time",
                shop.reward.filename,
                line,
            )
        ]
    if not is_same or not _same(fresh, other):
        line = _line(source, ["random", "urandom", "uuid", "secrets"])
        return [
            Finding(
                "RW306",
                "the same steps pay differently each time: it is random",
                shop.reward.filename,
                line,
            )
        ]
    return _history(shop, sample, fresh)


def _history(shop: RewardCaller, sample: Sequence[TrialEpisode], fresh: Array) -> list[Finding]:
    last = sample[-1]
    backward = replace(last, params=last.params[::-1], places=last.places[::-1])
    turned = _priced(shop, [backward])[::-1]
    half = replace(
        last,
        params=last.params[: len(last.params) // 2],
        places=last.places[: len(last.params) // 2],
    )
    kept: set[str] = set()
    found: list[Finding] = []
    leaks = ""
    for before in (*sample[:-1], half):
        batch = shop.instance()
        names = _fingerprints(batch)
        shop.price(batch, [copy_any_params(p) for p in before.params])
        kept |= {name for name, value in _fingerprints(batch).items() if names.get(name) != value}
        after = shop.price(batch, [copy_any_params(p) for p in last.params])
        if not _same(fresh, after):
            k = int(np.flatnonzero(~_close(fresh, after))[0])
            leaks = (
                f"step {k + 2} of the next episode pays {after[k]:.6g} instead of {fresh[k]:.6g}"
            )
            break
    what = ", ".join(sorted(kept)[:4]) or "something"
    line = _line(shop.reward.source, [name.rpartition(".")[2] for name in sorted(kept)])
    if not _same(fresh, turned):
        message = f"it remembers earlier steps in {what}: the same step pays otherwise after others"
        found.append(Finding("RW301", message, shop.reward.filename, line))
    if leaks:
        found.append(
            Finding(
                "RW302",
                f"{what} reaches into the next episode: {leaks}",
                shop.reward.filename,
                line,
            )
        )
    return found


def find_constant_reward(values: Sequence[Array], shop: RewardCaller) -> list[Finding]:
    """RW312: every step paid the same."""
    all_values = np.concatenate([v[np.isfinite(v)] for v in values]) if len(values) else np.empty(0)
    if len(all_values) < 100 or np.ptp(all_values) > 0.0:
        return []
    entry = shop.reward.syntax.entry
    message = f"all {len(all_values):,} steps pay {all_values[0]:g}"
    return [Finding("RW312", message, shop.reward.filename, entry.lineno if entry else 0)]


def find_jackpot(
    episodes: Sequence[TrialEpisode], values: Sequence[Array], shop: RewardCaller
) -> list[Finding]:
    """RW313: one step of a whole lap pays more than half of all its steps."""
    for episode, paid in zip(episodes, values, strict=True):
        if not episode.completes or len(paid) < 30 or not np.isfinite(paid).all():
            continue
        k, whole = int(np.argmax(paid)), float(np.abs(paid).sum())
        if paid[k] > JACKPOT_FRACTION * whole > 0.0:
            told = episode.params[k]
            message = (
                f"step {told['steps']:g} of {episode.name} on {episode.track.name}, at {told['progress']:.4g} %, pays "
                f"{paid[k]:.6g}; the other {len(paid) - 1} steps pay {float(paid.sum() - paid[k]):.6g} together"
            )
            entry = shop.reward.syntax.entry
            return [
                Finding(
                    "RW313",
                    message,
                    shop.reward.filename,
                    entry.lineno if entry else 0,
                    params=told,
                )
            ]
    return []


def find_asymmetry(
    shop: RewardCaller, episodes: Sequence[TrialEpisode], seconds: float
) -> list[Finding]:
    """RW314: places on a road and their mirror images pay differently."""
    episode = next((e for e in episodes if e.name == "placed"), None)
    if episode is None:
        return []
    beside = [p for p in episode.places if abs(p.offset) > 0.01]
    count = int(min(len(beside), max(seconds / shop.pace, 16)))
    places = [replace(place, steps=k + 2) for k, place in enumerate(beside[:count])]
    image = episode.track.mirrored()
    mirrored = placed_episode("mirrored", image, [p.mirrored(image) for p in places])
    original = placed_episode("original", episode.track, places)
    try:
        here, there = _priced(shop, [original]), _priced(shop, [mirrored])
    except RewardRefused:
        return []
    differs = np.flatnonzero(~_close(here, there, 1e-6))
    if len(differs) <= MAX_UNEQUAL_FRACTION * len(places):
        return []
    return [_asymmetry(shop, original, here, there, differs)]


def _asymmetry(
    shop: RewardCaller, episode: TrialEpisode, here: Array, there: Array, differs: NDArray[np.int64]
) -> Finding:
    from racer.checker.minimize import describe_step

    k = int(differs[np.argmax(np.abs(here - there)[differs])])
    message = (
        f"{len(differs)} of {len(here)} places pay otherwise on the mirror image of {episode.track.name}: "
        f"{here[k]:.6g} against {there[k]:.6g} {describe_step(episode.places[k])}"
    )
    entry = shop.reward.syntax.entry
    return Finding(
        "RW314",
        message,
        shop.reward.filename,
        entry.lineno if entry else 0,
        params=episode.params[k],
    )


def single_call_times(shop: RewardCaller, episode: TrialEpisode, seconds: float) -> Array:
    """s of single calls, in the order of an episode, as many as there is time for, less what a
    batch of none takes.

    Raises RewardRefused.
    """
    batch, budget = shop.instance(), TimeBudget(seconds)
    shop.price(batch, [copy_any_params(episode.params[0])])
    spent = []
    for told in episode.params[1:400]:
        one = [copy_any_params(told)]
        started = _NOW()
        batch(one)
        spent.append(_NOW() - started)
        if budget.left < 0.0:
            break
    shop.calls += len(spent)
    shop.alive()
    return np.maximum(np.array(spent) - _overhead(batch), 1e-7)


def batched_call_time(shop: RewardCaller, episode: TrialEpisode) -> float:
    """s a call in a batch of many, the fastest of three: what a training pays. Raises
    RewardRefused.
    """
    batch, found = shop.instance(), []
    told = [copy_any_params(p) for p in episode.params[:64]]
    for _ in range(7):
        shop.price(batch, told)
        found.append(shop.pace)
        if sum(found) * len(told) > 0.2:
            break
    return min(found)


def _overhead(batch: RewardBatch) -> float:
    """s that a batch without calls takes."""
    spent = []
    for _ in range(50):
        started = _NOW()
        batch([], [])
        spent.append(_NOW() - started)
    return float(np.median(spent))


def _priced(shop: RewardCaller, episodes: Sequence[TrialEpisode], seed: int = 0) -> Array:
    """Rewards of the last of some episodes, after the others, by one new instance."""
    batch = shop.instance(seed=seed)
    values = np.empty(0)
    for episode in episodes:
        values = shop.price(batch, [copy_any_params(p) for p in episode.params])
    return values


def _same(one: Array, other: Array) -> bool:
    return bool(_close(one, other).all())


def _close(one: Array, other: Array, share: float = REWARD_RTOL) -> NDArray[np.bool_]:
    return np.isclose(one, other, rtol=share, atol=REWARD_RTOL)


@contextlib.contextmanager
def _later() -> Iterator[None]:
    """Every clock of Python's `time` module 1000.5 s later."""
    real = {name: getattr(time, name) for name in _CLOCKS}
    for name, clock in real.items():
        ahead = 1000.5 if not name.endswith("_ns") else 1_000_500_000_000
        setattr(time, name, _shifted(clock, ahead))
    try:
        yield
    finally:
        for name, clock in real.items():
            setattr(time, name, clock)


def _shifted(clock: Any, ahead: float) -> Any:
    return lambda: clock() + ahead


def _fingerprints(batch: RewardBatch) -> dict[str, bytes]:
    """What an instance holds, by name: `prev_speed`, `Memory.best`, `reward_function.calls`."""
    found: dict[str, bytes] = {}
    for module, names in batch.namespaces[0].items():
        prefix = f"{module}." if module else ""
        for name, value in list(names.items()):
            if not name.startswith("__"):
                found |= {prefix + key: text for key, text in _parts(name, value)}
    return found


def _parts(name: str, value: Any) -> Iterator[tuple[str, bytes]]:
    if isinstance(value, ModuleType):
        return
    if isinstance(value, FunctionType):
        yield f"{name}'s default argument", _text((value.__defaults__, value.__kwdefaults__))
        for key, part in vars(value).items():
            yield f"{name}.{key}", _text(part)
        for key, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):
                yield key, _text(cell.cell_contents)
    elif isinstance(value, type):
        for key, part in list(vars(value).items()):
            if not key.startswith("__") and not isinstance(
                part, FunctionType | property | staticmethod | classmethod
            ):
                yield f"{name}.{key}", _text(part)
    else:
        yield name, _text(value)


def _text(value: Any) -> bytes:
    try:
        return pickle.dumps(value)
    except Exception:  # the user's own class may refuse in any way
        return repr(getattr(value, "__dict__", type(value))).encode()


def _line(source: str, words: Sequence[str]) -> int:
    """The last line that assigns one of these names, or names it, outside imports; 0 without one."""
    lines = source.splitlines()
    for word in words:
        assigned = re.compile(
            rf"\b{re.escape(word)}\b[^=\n]*(?<![=!<>])=(?!=)|\b{re.escape(word)}\.\w+\("
        )
        named = [
            k + 1
            for k, line in enumerate(lines)
            if word in line and not line.lstrip().startswith(("import", "from", "#"))
        ]
        hits = [k for k in named if assigned.search(lines[k - 1])]
        if hits or named:
            return (hits or named)[-1]
    return 0
