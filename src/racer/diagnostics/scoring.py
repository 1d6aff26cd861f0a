"""What drives are worth to a reward function: per step, summed, and discounted as PPO sees it."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer.drivers.scripted import ALL_DRIVERS, Drive, Driver, drive_all
from racer.errors import UsageError
from racer.reward import RewardBatch, RewardFunction, load_reward
from racer.sim.obstacle_layout import ObstacleSource
from racer.sim.params import build_params
from racer.sim.state import Phase
from racer.track.track import Track
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import Car

Array = NDArray[np.float64]

MIN_RANK_CORRELATION = (
    0.5  # rank correlation that passes: docs/score.md says what lies on either side of it
)
MAX_BEST_PAID_RATIO = 1.25  # the best paid lap may take so many times as long as the fastest
FASTER_RATIO = 1.03  # laps nearer than that are equally fast
BETTER_PAID_RATIO = 1.02  # pay nearer than that is equal


@dataclass(frozen=True)
class Inversion:
    """A worse drive that is paid better. `better` and `worse` are by the clock; `share` is 0.08 for
    8 % more.
    """

    better: Drive
    worse: Drive
    pay_better: float
    pay_worse: float

    @property
    def share(self) -> float:
        """By how much the worse drive is paid better, as a share of the pay of the better one."""
        return (self.pay_worse - self.pay_better) / max(abs(self.pay_better), 1e-9)

    def sentence(self, gamma: float) -> str:
        """`at gamma 0.999 you pay a weaving lap of 14.1 s 8 % more than a racing-line lap of 9.8
        s`.
        """
        worse, better = describe_drive(self.worse), describe_drive(self.better)
        if min(self.pay_better, self.pay_worse) > 0.0 and self.share < 9.995:
            return (
                f"at gamma {gamma:g} you pay {worse} {100.0 * self.share:.0f} % more than {better}"
            )
        if min(self.pay_better, self.pay_worse) > 0.0:
            return f"at gamma {gamma:g} you pay {worse} {1.0 + self.share:.0f} times as much as {better}"
        return f"at gamma {gamma:g} you pay {worse} {self.pay_worse:.3g} and {better} {self.pay_better:.3g}"


@dataclass(frozen=True)
class ScoreVerdict:
    """Whether a reward function passes, and why in a sentence."""

    passed: bool
    sentence: str


@dataclass(frozen=True, eq=False)
class RewardScore:
    """What drives are worth to one reward function. `first` and `pay` hold (D,) by discount factor."""

    reward: str
    drives: tuple[Drive, ...]
    rewards: tuple[Array, ...]  # (T,) of each drive
    first: dict[float, Array] = field(repr=False)
    pay: dict[float, Array] = field(repr=False)
    gammas: tuple[float, ...]
    gamma: float  # the one that the verdict is about

    @cached_property
    def total(self) -> Array:
        """(D,) plain sum of the rewards of each drive."""
        return np.array([float(r.sum()) for r in self.rewards])

    @cached_property
    def per_step(self) -> Array:
        """(D,) mean reward of a step."""
        return np.array([float(r.mean()) if len(r) else 0.0 for r in self.rewards])

    @cached_property
    def clock(self) -> Array:
        """(D,) rank of each drive by the clock, 1 is the fastest; drives without a lap follow, the
        farthest first.
        """
        return _ranks(np.array([_slowness(drive) for drive in self.drives]))

    def paid(self, gamma: float | None = None) -> Array:
        """(D,) rank of each drive by pay, 1 is paid best."""
        return _ranks(-self.pay[self.gamma if gamma is None else gamma])

    def correlation(self, gamma: float | None = None) -> float:
        """Rank correlation of pay and clock: 1 the same order, -1 the opposite one; nan where all
        is paid the same.
        """
        return correlate_ranks(self.paid(gamma), self.clock)

    def inversions(self, gamma: float | None = None) -> list[Inversion]:
        """All pairs that are paid in the wrong order, the worst mistakes first."""
        pay = self.pay[self.gamma if gamma is None else gamma]
        pairs = permutations(zip(self.drives, pay.tolist(), strict=True), 2)
        found = [
            Inversion(a, b, p, q) for (a, p), (b, q) in pairs if is_faster(a, b) and _is_more(q, p)
        ]
        return sorted(found, key=lambda i: -_weight(i))

    @cached_property
    def best_paid(self) -> Drive:
        """The drive that pays best at `gamma`, which training will look for."""
        return self.drives[int(np.argmax(self.pay[self.gamma]))]

    @cached_property
    def verdict(self) -> ScoreVerdict:
        """Passes when the best paid drive is nearly the fastest one and the ranks correlate."""
        at, best, match = f"at gamma {self.gamma:g}", self.best_paid, self.correlation()
        times = [drive.lap_time for drive in self.drives if not np.isnan(drive.lap_time)]
        if not times:
            return ScoreVerdict(
                False, "no driver completes a lap here: this track tells nothing about the reward"
            )
        if np.isnan(match):
            return ScoreVerdict(False, f"{at} it pays every driver the same")
        if np.isnan(best.lap_time):
            return ScoreVerdict(False, f"{at} the best paid is {describe_drive(best)}")
        if best.lap_time > MAX_BEST_PAID_RATIO * min(times):
            return ScoreVerdict(
                False,
                f"{at} the best paid is {describe_drive(best)}; the fastest lap takes {min(times):.1f} s",
            )
        if match < MIN_RANK_CORRELATION:
            return ScoreVerdict(
                False,
                f"{at} pay and clock agree too little about the drivers (rank correlation {match:.2f})",
            )
        return ScoreVerdict(
            True, f"{at} the best paid is {describe_drive(best)}, and the ranks agree ({match:.2f})"
        )


def describe_drive(drive: Drive) -> str:
    """`a weaving lap of 14.1 s`, `a car that stops halfway (51 % of the lap)`, `a weaving car that
    does not finish`.
    """
    driver = ALL_DRIVERS.get(drive.name)
    means_to = driver is None or driver.finishes
    who = (
        f"{'an' if drive.title[0] in 'aeio' else 'a'} {drive.title}"
        if means_to
        else f"a car that {drive.title}"
    )
    if np.isnan(drive.lap_time):
        return f"{who}{' car that does not finish' if means_to else ''} ({drive.completion:.0f} % of the lap)"
    if means_to:
        return f"{who} lap of {drive.lap_time:.1f} s"
    return f"{who}, as far as its actions let it (lap of {drive.lap_time:.1f} s)"


def is_faster(one: Drive, other: Drive) -> bool:
    """Whether the clock clearly prefers one drive: a faster lap, or a lap instead of none."""
    if np.isnan(one.lap_time):
        return bool(np.isnan(other.lap_time)) and one.completion > other.completion + 10.0
    return bool(np.isnan(other.lap_time)) or other.lap_time > FASTER_RATIO * one.lap_time


def correlate_ranks(one: Array, other: Array) -> float:
    """Spearman's rank correlation of two rankings (D,), ties being mean ranks; nan when one of them
    is all ties.
    """
    a, b = one - one.mean(), other - other.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread > 0.0 else float("nan")


def _ranks(values: Array) -> Array:
    """(D,) ranks from 1 for the smallest; equal values share the mean of their ranks."""
    below = (values[None, :] < values[:, None] - 1e-12).sum(axis=1)
    same = (np.abs(values[None, :] - values[:, None]) <= 1e-12).sum(axis=1)
    return np.asarray(below + 0.5 * (same + 1.0))


def _slowness(drive: Drive) -> float:
    return drive.lap_time if not np.isnan(drive.lap_time) else 1e6 - drive.completion


def _is_more(one: float, other: float) -> bool:
    return one - other > (BETTER_PAID_RATIO - 1.0) * max(abs(one), abs(other), 1e-9)


def _weight(inversion: Inversion) -> float:
    """How bad a mistake is: how much slower the worse drive is times how much better it is paid."""
    slow, fast = (d.lap_time for d in (inversion.worse, inversion.better))
    slower = slow / fast if not np.isnan(slow) else 4.0
    pay = np.array([inversion.pay_better, inversion.pay_worse])
    return float(np.log(slower) * (pay[1] - pay[0]) / max(np.abs(pay).max(), 1e-9))


GAMMAS = (0.9, 0.99, 0.999)
CHUNK_STEPS = 128  # params that exist at a time: more would not stay in the processor's cache
# steps at the end of a drive that was cut off which are taken for what would have gone on
TAIL_STEPS = 150


def discounted_returns(rewards: ArrayLike, gamma: float, tail: float = 0.0) -> Array:
    """(T,) discounted return from every step to the end: what PPO's value function learns, and its
    advantages compare.

    `rewards` (T,) are those of one episode in order. `tail` is the return of whatever follows the
    last of them: 0 when the episode is over. At `gamma` 1 these are plain sums.
    """
    paid = np.asarray(rewards, dtype=np.float64)
    found = np.empty_like(paid)
    total = tail
    for k in range(len(paid) - 1, -1, -1):
        total = paid[k] + gamma * total
        found[k] = total
    return found


def price_drives(
    reward: RewardFunction, drives: Sequence[Drive], timeout: float = 5.0
) -> list[Array]:
    """The rewards (T,) of each drive's steps in order, by an instance of the reward file a drive.

    The prepare step pays nothing and is left out. Raises RewardRefused for what the real job
    refuses.
    """
    batch = RewardBatch(reward, len(drives), timeout=timeout)
    collecting = gc.isenabled()
    gc.disable()  # it would walk the young dicts again and again, and they hold no cycles
    try:
        return [_paid(batch, k, drive) for k, drive in enumerate(drives)]
    finally:
        if collecting:
            gc.enable()


def score_drives(
    reward: RewardFunction,
    drives: Sequence[Drive],
    gammas: Sequence[float] = GAMMAS,
    verdict_gamma: float = 0.99,
) -> RewardScore:
    """How well a reward function agrees with the clock about these drives, at discount factors
    `gammas` and `at`.
    """
    for gamma in (*gammas, verdict_gamma):
        if not 0.0 <= gamma <= 1.0:
            raise UsageError(f"a discount factor is between 0 and 1, not {gamma:g}")
    rewards = price_drives(reward, drives)
    pays = {
        gamma: [_worth(r, d, gamma) for r, d in zip(rewards, drives, strict=True)]
        for gamma in {*gammas, verdict_gamma}
    }
    return RewardScore(
        reward=reward.filename,
        drives=tuple(drives),
        rewards=tuple(rewards),
        first={gamma: np.array([start for start, _ in pay]) for gamma, pay in pays.items()},
        pay={gamma: np.array([mean for _, mean in pay]) for gamma, pay in pays.items()},
        gammas=tuple(sorted({*gammas, verdict_gamma})),
        gamma=verdict_gamma,
    )


def score_rewards(
    rewards: Sequence[str | RewardFunction],
    track: Track,
    *,
    gammas: Sequence[float] = GAMMAS,
    verdict_gamma: float = 0.99,
    car: str | Car = "v6",
    action_space: ActionSpace | None = None,
    reverse: bool = False,
    drivers: Sequence[str | Driver] | None = None,
    objects: ObstacleSource = None,
) -> list[RewardScore]:
    """A score for each of the rewards (files, or names of shipped ones), all of the same drives.

    With `objects` (boxes) on the road these are drives among them, and those of drivers who avoid
    them.
    """
    loaded = [
        reward if isinstance(reward, RewardFunction) else load_reward(reward) for reward in rewards
    ]
    found = drive_all(track, drivers, car, action_space, reverse=reverse, obstacles=objects)
    return [score_drives(reward, found, gammas, verdict_gamma) for reward in loaded]


def _paid(batch: RewardBatch, car: int, drive: Drive) -> Array:
    rows = drive.rows[drive.rows["phase"] == Phase.RUN]
    parts = [
        batch(build_params(part, drive.tracks, drive.obstacles(part)), [car] * len(part))  # type: ignore[arg-type]
        for part in (rows[k : k + CHUNK_STEPS] for k in range(0, len(rows), CHUNK_STEPS))
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _worth(rewards: Array, drive: Drive, gamma: float) -> tuple[float, float]:
    """Discounted return from the first step, and its mean over all steps.

    A drive that was cut off would have gone on: PPO's value of its last state is that of going on
    as in the end.
    """
    if not len(rewards):
        return 0.0, 0.0
    tail = (
        float(rewards[-TAIL_STEPS:].mean()) / (1.0 - gamma) if drive.is_cut and gamma < 1.0 else 0.0
    )
    found = discounted_returns(rewards, gamma, tail)
    return float(found[0]), float(found.mean())
