"""Does a reward function agree with the clock? Scripted drivers lap a track, the reward pays them,
and the two orders are compared.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer.diagnostics.reward_score import RewardScore
from racer.drivers import Drive, Driver, drive_all
from racer.errors import UsageError
from racer.reward import REWARD_TIMEOUT_S, RewardBatch, RewardFunction, load_reward
from racer.sim import ObstacleSource, Phase, build_params
from racer.track import DEFAULT_TRACK, Track, load_track
from racer.vehicle import DEFAULT_CAR, ActionSpace, Car

Array = NDArray[np.float64]
RewardSource = str | os.PathLike[str] | RewardFunction
TrackSource = str | os.PathLike[str] | Track

GAMMAS = (0.9, 0.99, 0.999)  # discount factors, where none is asked for
VERDICT_GAMMA = 0.99  # what `racer train` and DeepRacer's console begin with
CHUNK_STEPS = 128  # params that exist at a time: more would not stay in the processor's cache
# steps at the end of a drive that was cut off which are taken for what would have gone on
TAIL_STEPS = 150


def score(
    reward: RewardSource,
    track: TrackSource = DEFAULT_TRACK,
    *,
    gamma: float | None = None,
    car: str | Car = DEFAULT_CAR,
    action_space: ActionSpace | None = None,
    reverse: bool = False,
    drivers: Sequence[str | Driver] | None = None,
    objects: ObstacleSource = None,
) -> RewardScore:
    """Whether a reward function agrees with the clock about the laps of scripted drivers.

    Parameters
    ----------
    reward
        A file, the name of a shipped reward, or a loaded one.
    track
        A name, a file, or a track.
    gamma
        The discount factor of the verdict; without one the verdict is at 0.99, and pay is given at
        0.9, 0.99 and 0.999.
    car, action_space, reverse
        The car (`v4`, `v5`, `v6`), the commands it may give, and whether it drives the other way.
    drivers
        Names of `racer.drivers.scripted.ALL_DRIVERS`, all of the usual ones unless given.
    objects
        Boxes on the road: `boxes`, `random_boxes`, or a file.

    Raises RewardRefused for what the real job refuses, UsageError for what is not there.

    Examples
    --------
    >>> result = score("time_trial", "oval")
    >>> result.verdict.passed
    True
    >>> result.best_paid.name
    'fastest'
    """
    [result] = score_rewards(
        [reward],
        track,
        gammas=GAMMAS if gamma is None else (gamma,),
        verdict_gamma=VERDICT_GAMMA if gamma is None else gamma,
        car=car,
        action_space=action_space,
        reverse=reverse,
        drivers=drivers,
        objects=objects,
    )
    return result


def score_rewards(
    rewards: Sequence[RewardSource],
    track: TrackSource,
    *,
    gammas: Sequence[float] = GAMMAS,
    verdict_gamma: float = VERDICT_GAMMA,
    car: str | Car = DEFAULT_CAR,
    action_space: ActionSpace | None = None,
    reverse: bool = False,
    drivers: Sequence[str | Driver] | None = None,
    objects: ObstacleSource = None,
) -> list[RewardScore]:
    """A score for each of the rewards, all of the same drives; see `score`.

    With `objects` (boxes) on the road these are drives among them, and those of drivers who avoid
    them.
    """
    functions = [_as_reward(reward) for reward in rewards]
    known_track = track if isinstance(track, Track) else load_track(track)
    drives = drive_all(known_track, drivers, car, action_space, reverse=reverse, obstacles=objects)
    return [score_drives(function, drives, gammas, verdict_gamma) for function in functions]


def score_drives(
    reward: RewardFunction,
    drives: Sequence[Drive],
    gammas: Sequence[float] = GAMMAS,
    verdict_gamma: float = VERDICT_GAMMA,
) -> RewardScore:
    """How well a reward function agrees with the clock about these drives, at discount factors
    `gammas`; the verdict is at `verdict_gamma`.
    """
    all_gammas = tuple(sorted({*gammas, verdict_gamma}))
    for gamma in (*gammas, verdict_gamma):
        if not 0.0 <= gamma <= 1.0:
            raise UsageError(f"a discount factor is between 0 and 1, not {gamma:g}")
    rewards = price_drives(reward, drives)
    pay_from_start = {}
    pay = {}
    for gamma in all_gammas:
        returns = [_drive_returns(r, d, gamma) for r, d in zip(rewards, drives, strict=True)]
        pay_from_start[gamma] = np.array([float(of_drive[0]) for of_drive in returns])
        pay[gamma] = np.array([float(of_drive.mean()) for of_drive in returns])
    return RewardScore(
        reward=reward.filename,
        drives=tuple(drives),
        rewards=tuple(rewards),
        pay_from_start=pay_from_start,
        pay=pay,
        gammas=all_gammas,
        gamma=verdict_gamma,
    )


def price_drives(
    reward: RewardFunction, drives: Sequence[Drive], timeout: float = REWARD_TIMEOUT_S
) -> list[Array]:
    """The rewards (T,) of each drive's steps in order, by an instance of the reward file a drive.

    The prepare step pays nothing and is left out. `timeout` in s a call. Raises RewardRefused for
    what the real job refuses.
    """
    batch = RewardBatch(reward, len(drives), timeout=timeout)
    with _no_garbage_collection():
        return [_price_drive(batch, car, drive) for car, drive in enumerate(drives)]


def discounted_returns(rewards: ArrayLike, gamma: float, tail: float = 0.0) -> Array:
    """(T,) discounted return from every step to the end: what PPO's value function learns, and its
    advantages compare.

    `rewards` (T,) are those of one episode in order. `tail` is the return of whatever follows the
    last of them: 0 when the episode is over. At `gamma` 1 these are plain sums.

    Examples
    --------
    >>> discounted_returns([1.0, 1.0, 4.0], gamma=0.5).tolist()
    [2.5, 3.0, 4.0]
    """
    paid = np.asarray(rewards, dtype=np.float64)
    returns = np.empty_like(paid)
    following = tail
    for step in range(len(paid) - 1, -1, -1):
        following = paid[step] + gamma * following
        returns[step] = following
    return returns


def _as_reward(reward: RewardSource) -> RewardFunction:
    if isinstance(reward, RewardFunction):
        return reward
    return load_reward(reward)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Without it the collector walks the young params again and again, and they hold no cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _price_drive(batch: RewardBatch, car: int, drive: Drive) -> Array:
    rows = drive.rows[drive.rows["phase"] == Phase.RUN]
    rewards = [np.empty(0)]
    for start in range(0, len(rows), CHUNK_STEPS):
        chunk = rows[start : start + CHUNK_STEPS]
        params = build_params(chunk, drive.tracks, drive.obstacles(chunk))
        rewards.append(batch(params, [car] * len(chunk)))  # type: ignore[arg-type]
    return np.concatenate(rewards)


def _drive_returns(rewards: Array, drive: Drive, gamma: float) -> Array:
    """(T,) discounted returns of a drive's steps; a single 0 for a drive without steps.

    A drive that was cut off would have gone on: PPO's value of its last state is that of going on
    as in the end.
    """
    if not len(rewards):
        return np.zeros(1)
    tail = 0.0
    if drive.is_cut and gamma < 1.0:
        tail = float(rewards[-TAIL_STEPS:].mean()) / (1.0 - gamma)
    return discounted_returns(rewards, gamma, tail)
