"""Does a reward function agree with the clock? Scripted drivers lap a track, the reward pays them,
and the two orders are compared.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from racer.diagnostics.pay import (
    GAMMAS,
    TAIL_STEPS,
    VERDICT_GAMMA,
    discounted_returns,
    price_drives,
    scored_rows_of,
)
from racer.diagnostics.reward_score import RewardScore
from racer.drivers import (
    DAWDLING,
    WRONG_WAY,
    Drive,
    Driver,
    default_drivers,
    drive_all,
    drive_dawdling,
)
from racer.errors import RacerError, UsageError
from racer.reward import RewardFunction, load_reward
from racer.sim import ObstacleSource
from racer.track import DEFAULT_TRACK, Track, load_track
from racer.vehicle import DEFAULT_CAR, ActionSpace, Car

Array = NDArray[np.float64]
RewardSource = str | os.PathLike[str] | RewardFunction
TrackSource = str | os.PathLike[str] | Track


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
        Names of `racer.drivers.scripted.ALL_DRIVERS`; without them all of the usual ones, and the
        two that look for holes in the reward (`score_drivers`).
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
    them. Raises what `score` does for the first reward that cannot be scored; see `score_each`.
    """
    results = score_each(
        rewards,
        track,
        gammas=gammas,
        verdict_gamma=verdict_gamma,
        car=car,
        action_space=action_space,
        reverse=reverse,
        drivers=drivers,
        objects=objects,
    )
    scores = []
    for result in results:
        if isinstance(result, UnscoredReward):
            raise result.error
        scores.append(result)
    return scores


@dataclass(frozen=True)
class UnscoredReward:
    """A reward that could not be scored, by the name that it was given, and why."""

    reward: str
    error: RacerError


def score_each(
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
) -> list[RewardScore | UnscoredReward]:
    """For each of the rewards its score, or why it has none; the arguments are those of
    `score_rewards`.
    """
    known_track = track if isinstance(track, Track) else load_track(track)
    chosen = list(score_drivers(objects) if drivers is None else drivers)
    others = [driver for driver in chosen if driver is not DAWDLING]
    drives = drive_all(known_track, others, car, action_space, reverse=reverse, obstacles=objects)
    results = [_price_reward(reward, drives) for reward in rewards]
    if DAWDLING in chosen:
        priced = [result for result in results if isinstance(result, _PricedReward)]
        dawdling = drive_dawdling(
            known_track,
            [_paid_steps(result) for result in priced],
            car,
            action_space,
            reverse=reverse,
            obstacles=objects,
        )
        tries = dict(zip(map(id, priced), dawdling, strict=True))
        for k, result in enumerate(results):
            if isinstance(result, _PricedReward):
                results[k] = _with_best_paid(result, tries[id(result)], verdict_gamma)
    return [_as_score(result, gammas, verdict_gamma) for result in results]


def score_drivers(objects: ObstacleSource = None) -> list[Driver]:
    """The drivers of a score: the usual ones, among `objects` those who avoid them, one that drives
    the wrong way, and one that dawdles where the reward pays most.
    """
    return [*default_drivers(objects), WRONG_WAY, DAWDLING]


@dataclass(frozen=True, eq=False)
class _PricedReward:
    """A reward and what it pays for the steps of drives."""

    reward: RewardFunction
    drives: tuple[Drive, ...]
    rewards: tuple[Array, ...]


def _as_score(
    result: _PricedReward | UnscoredReward, gammas: Sequence[float], verdict_gamma: float
) -> RewardScore | UnscoredReward:
    if isinstance(result, UnscoredReward):
        return result
    return _score_priced(result, gammas, verdict_gamma)


def _price_reward(reward: RewardSource, drives: Sequence[Drive]) -> _PricedReward | UnscoredReward:
    try:
        function = _as_reward(reward)
        return _PricedReward(function, tuple(drives), tuple(price_drives(function, drives)))
    except RacerError as error:
        name = reward.filename if isinstance(reward, RewardFunction) else os.fspath(reward)
        return UnscoredReward(name, error)


def _paid_steps(priced: _PricedReward) -> tuple[Array, Array]:
    """Where the steps of a drive were, m along the track, and what they paid: of the one that came
    farthest, of several the slowest, which has most of them.
    """
    best = max(
        range(len(priced.drives)),
        key=lambda k: (round(priced.drives[k].completion), len(priced.rewards[k])),
    )
    rows = scored_rows_of(priced.drives[best])
    return rows["s"].astype(np.float64), priced.rewards[best]


def _with_best_paid(
    priced: _PricedReward, tries: Sequence[Drive], gamma: float
) -> _PricedReward | UnscoredReward:
    """With the one of several drives, too, that is paid best."""
    try:
        rewards = price_drives(priced.reward, tries)
    except RacerError as error:
        return UnscoredReward(priced.reward.filename, error)
    pay = []
    for paid, drive in zip(rewards, tries, strict=True):
        returns = _drive_returns(paid, drive, gamma)
        pay.append(_mean_return(returns, drive, priced.drives))
    best = int(np.argmax(pay))
    return replace(
        priced, drives=(*priced.drives, tries[best]), rewards=(*priced.rewards, rewards[best])
    )


def score_drives(
    reward: RewardFunction,
    drives: Sequence[Drive],
    gammas: Sequence[float] = GAMMAS,
    verdict_gamma: float = VERDICT_GAMMA,
) -> RewardScore:
    """How well a reward function agrees with the clock about these drives, at discount factors
    `gammas`; the verdict is at `verdict_gamma`.
    """
    rewards = price_drives(reward, drives)
    return _score_priced(
        _PricedReward(reward, tuple(drives), tuple(rewards)), gammas, verdict_gamma
    )


def _score_priced(
    priced: _PricedReward, gammas: Sequence[float], verdict_gamma: float
) -> RewardScore:
    all_gammas = tuple(sorted({*gammas, verdict_gamma}))
    for gamma in all_gammas:
        if not 0.0 <= gamma <= 1.0:
            raise UsageError(f"a discount factor is between 0 and 1, not {gamma:g}")
    rewards, drives = priced.rewards, priced.drives
    pay_from_start = {}
    pay = {}
    for gamma in all_gammas:
        returns = [_drive_returns(r, d, gamma) for r, d in zip(rewards, drives, strict=True)]
        pay_from_start[gamma] = np.array([float(of_drive[0]) for of_drive in returns])
        pay[gamma] = np.array(
            [_mean_return(r, d, drives) for r, d in zip(returns, drives, strict=True)]
        )
    return RewardScore(
        reward=priced.reward.filename,
        drives=drives,
        rewards=rewards,
        pay_from_start=pay_from_start,
        pay=pay,
        gammas=all_gammas,
        gamma=verdict_gamma,
    )


def _as_reward(reward: RewardSource) -> RewardFunction:
    if isinstance(reward, RewardFunction):
        return reward
    return load_reward(reward)


def _mean_return(returns: Array, drive: Drive, drives: Sequence[Drive]) -> float:
    """The mean of a drive's `returns` (T,) over its steps; of the dawdling driver over those of the
    `fast` one, on the same line: where it waits has no more weight than where it drives.
    """
    fast = next((other for other in drives if other.name == "fast"), None)
    if drive.name != DAWDLING.name or fast is None:
        return float(returns.mean())
    places = scored_rows_of(fast)["progress"]
    known = scored_rows_of(drive)["progress"]
    if not len(places) or not len(known):
        return float(returns.mean())
    return float(np.interp(places, np.maximum.accumulate(known), returns).mean())


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
