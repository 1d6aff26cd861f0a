"""What drives are worth to a reward function: per step, summed, and discounted as PPO sees it."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer.actions import ActionSpace
from racer.car import Car
from racer.drivers import Drive, Driver, drives
from racer.errors import UsageError
from racer.params import params
from racer.reward import RewardBatch, RewardFunction, load
from racer.score.clock import Score
from racer.sim.course import Told
from racer.sim.state import Phase
from racer.track.record import Track

Array = NDArray[np.float64]

GAMMAS = (0.9, 0.99, 0.999)
HANDED = 128  # params that exist at a time: more would not stay in the processor's cache
LATE = 150  # steps at the end of a drive that was cut off which are taken for what would have gone on


def returns(rewards: ArrayLike, gamma: float, tail: float = 0.0) -> Array:
    """(T,) discounted return from every step to the end: what PPO's value function learns, and its advantages compare.

    `rewards` (T,) are those of one episode in order. `tail` is the return of whatever follows the last of them: 0 when
    the episode is over. At `gamma` 1 these are plain sums.
    """
    paid = np.asarray(rewards, dtype=np.float64)
    found = np.empty_like(paid)
    total = tail
    for k in range(len(paid) - 1, -1, -1):
        total = paid[k] + gamma * total
        found[k] = total
    return found


def price(reward: RewardFunction, found: Sequence[Drive], timeout: float = 5.0) -> list[Array]:
    """The rewards (T,) of each drive's steps in order, by an instance of the reward file a drive.

    The prepare step pays nothing and is left out. Raises RewardRefused for what the real job refuses.
    """
    batch = RewardBatch(reward, len(found), timeout=timeout)
    collecting = gc.isenabled()
    gc.disable()  # it would walk the young dicts again and again, and they hold no cycles
    try:
        return [_paid(batch, k, drive) for k, drive in enumerate(found)]
    finally:
        if collecting:
            gc.enable()


def score(reward: RewardFunction, found: Sequence[Drive], gammas: Sequence[float] = GAMMAS, at: float = 0.99) -> Score:
    """How well a reward function agrees with the clock about these drives, at discount factors `gammas` and `at`."""
    for gamma in (*gammas, at):
        if not 0.0 <= gamma <= 1.0:
            raise UsageError(f"a discount factor is between 0 and 1, not {gamma:g}")
    rewards = price(reward, found)
    pays = {gamma: [_worth(r, d, gamma) for r, d in zip(rewards, found, strict=True)] for gamma in {*gammas, at}}
    return Score(
        reward=reward.filename,
        drives=tuple(found),
        rewards=tuple(rewards),
        first={gamma: np.array([start for start, _ in pay]) for gamma, pay in pays.items()},
        pay={gamma: np.array([mean for _, mean in pay]) for gamma, pay in pays.items()},
        gammas=tuple(sorted({*gammas, at})),
        gamma=at,
    )


def score_all(
    rewards: Sequence[str | RewardFunction],
    track: Track,
    *,
    gammas: Sequence[float] = GAMMAS,
    at: float = 0.99,
    car: str | Car = "v6",
    action_space: ActionSpace | None = None,
    reverse: bool = False,
    drivers: Sequence[str | Driver] | None = None,
    objects: Told = None,
) -> list[Score]:
    """A score for each of the rewards (files, or names of shipped ones), all of the same drives.

    With `objects` (boxes) on the road these are drives among them, and those of drivers who avoid them.
    """
    loaded = [reward if isinstance(reward, RewardFunction) else load(reward) for reward in rewards]
    found = drives(track, drivers, car, action_space, reverse=reverse, objects=objects)
    return [score(reward, found, gammas, at) for reward in loaded]


def _paid(batch: RewardBatch, car: int, drive: Drive) -> Array:
    rows = drive.rows[drive.rows["phase"] == Phase.RUN]
    parts = [
        batch(params(part, drive.tracks, drive.bodies(part)), [car] * len(part))  # type: ignore[arg-type]
        for part in (rows[k : k + HANDED] for k in range(0, len(rows), HANDED))
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _worth(rewards: Array, drive: Drive, gamma: float) -> tuple[float, float]:
    """Discounted return from the first step, and its mean over all steps.

    A drive that was cut off would have gone on: PPO's value of its last state is that of going on as in the end.
    """
    if not len(rewards):
        return 0.0, 0.0
    tail = float(rewards[-LATE:].mean()) / (1.0 - gamma) if drive.is_cut and gamma < 1.0 else 0.0
    found = returns(rewards, gamma, tail)
    return float(found[0]), float(found.mean())
