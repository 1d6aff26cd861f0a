"""Does a reward function agree with the clock? Scripted drivers lap a track, the reward pays them,
and the two orders are compared; and what the reward asks for is foreseen.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.diagnostics.pay import (
    GAMMAS,
    TAIL_STEPS,
    VERDICT_GAMMA,
    discounted_returns,
    pay_around_lap,
)
from racer.diagnostics.pricing import price_drives
from racer.diagnostics.reward_score import (
    FORESEEN_SECONDS,
    Foreseen,
    RewardScore,
    weigh_foresight,
)
from racer.drivers import (
    DAWDLING,
    WRONG_WAY,
    Drive,
    Driver,
    default_drivers,
    drive_all,
    drive_dawdling,
    scored_rows_of,
)
from racer.errors import RacerError, UsageError
from racer.reward import RewardBatch, RewardFunction, load_reward
from racer.sim import ObstacleSource, build_params
from racer.track import DEFAULT_TRACK, Track, load_track
from racer.vehicle import DEFAULT_CAR, ActionSpace, Car

Array = NDArray[np.float64]
RewardSource = str | os.PathLike[str] | RewardFunction
TrackSource = str | os.PathLike[str] | Track


@dataclass(frozen=True)
class ScoreSettings:
    """How rewards are scored.

    Attributes
    ----------
    gammas, verdict_gamma
        Discount factors at which pay is given, and the one of the verdict.
    car, action_space, reverse
        The car (`v4`, `v5`, `v6`), the commands it may give, and whether it drives the other way.
    drivers
        Names of `racer.drivers.scripted.ALL_DRIVERS`, or drivers; without them the usual ones, and
        the two that look for holes in the reward (`score_drivers`).
    objects
        Boxes on the road: `boxes`, `random_boxes`, or a file.
    foresees
        Whether the best paid driving is looked for, too (`racer.foresee`): it decides in the
        verdict, and takes some seconds.
    """

    gammas: tuple[float, ...] = GAMMAS
    verdict_gamma: float = VERDICT_GAMMA
    car: str | Car = DEFAULT_CAR
    action_space: ActionSpace | None = None
    reverse: bool = False
    drivers: Sequence[str | Driver] | None = None
    objects: ObstacleSource = None
    foresees: bool = False


DEFAULT_SETTINGS = ScoreSettings()


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
    quick: bool = False,
) -> RewardScore:
    """Whether a reward function agrees with the clock about the laps of scripted drivers, and about
    the driving that it pays best of all.

    Parameters
    ----------
    reward
        A file, the name of a shipped reward, or a loaded one.
    track
        A name, a file, or a track.
    gamma
        The discount factor of the verdict; without one the verdict is at 0.99, and pay is given at
        0.9, 0.99 and 0.999.
    car, action_space, reverse, drivers, objects
        See `ScoreSettings`.
    quick
        Without the search for the best paid driving, which takes some seconds.

    Raises RewardRefused for what the real job refuses, UsageError for what is not there.

    Examples
    --------
    >>> result = score("time_trial", "oval", quick=True)
    >>> result.verdict.passed
    True
    >>> result.best_paid.name
    'cutting'
    """
    settings = ScoreSettings(
        gammas=GAMMAS if gamma is None else (gamma,),
        verdict_gamma=VERDICT_GAMMA if gamma is None else gamma,
        car=car,
        action_space=action_space,
        reverse=reverse,
        drivers=drivers,
        objects=objects,
        foresees=not quick,
    )
    [result] = score_rewards([reward], track, settings)
    return result


def score_rewards(
    rewards: Sequence[RewardSource],
    track: TrackSource = DEFAULT_TRACK,
    settings: ScoreSettings = DEFAULT_SETTINGS,
) -> list[RewardScore]:
    """A score for each of the rewards, all of the same drives; see `score`.

    With `objects` (boxes) on the road these are drives among them, and those of drivers who avoid
    them. Raises what `score` does for the first reward that cannot be scored; see `score_each`.
    """
    scores = []
    for result in score_each(rewards, track, settings):
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
    track: TrackSource = DEFAULT_TRACK,
    settings: ScoreSettings = DEFAULT_SETTINGS,
) -> list[RewardScore | UnscoredReward]:
    """For each of the rewards its score, or why it has none; the arguments are those of
    `score_rewards`.
    """
    return ScoredTrack(track, settings).score_each(rewards)


class ScoredTrack:
    """A track on which the drivers that are the same for every reward have driven: rewards are scored
    there again and again (a class: it keeps the drives).

    Raises UsageError for an unknown track, driver or car, and for a discount factor that is none.

    Examples
    --------
    >>> oval = ScoredTrack("oval", ScoreSettings(gammas=(0.99,)))
    >>> [score.verdict.passed for score in oval.score_each(["time_trial", "center_line"])]
    [True, False]
    """

    def __init__(self, track: TrackSource, settings: ScoreSettings = DEFAULT_SETTINGS) -> None:
        _require_gammas([*settings.gammas, settings.verdict_gamma])
        self.track = track if isinstance(track, Track) else load_track(track)
        self.settings = settings
        chosen = settings.drivers
        if chosen is None:
            chosen = score_drivers(settings.objects)
        self._dawdles = DAWDLING in chosen
        self.drives = drive_all(
            self.track,
            [driver for driver in chosen if driver is not DAWDLING],
            settings.car,
            settings.action_space,
            reverse=settings.reverse,
            obstacles=settings.objects,
        )

    def score_each(self, rewards: Sequence[RewardSource]) -> list[RewardScore | UnscoredReward]:
        """For each of the rewards its score, or why it has none."""
        results = [self._price(reward) for reward in rewards]
        if self._dawdles:
            results = self._with_dawdling(results)
        return [self._as_score(result) for result in results]

    def _price(self, reward: RewardSource) -> _PricedReward | UnscoredReward:
        try:
            function = reward if isinstance(reward, RewardFunction) else load_reward(reward)
            rewards = price_drives(function, self.drives)
            return _PricedReward(function, tuple(self.drives), tuple(rewards))
        except RacerError as error:
            name = reward.filename if isinstance(reward, RewardFunction) else os.fspath(reward)
            return UnscoredReward(name, error)

    def _with_dawdling(
        self, results: Sequence[_PricedReward | UnscoredReward]
    ) -> list[_PricedReward | UnscoredReward]:
        """With the drive of each reward's dawdling driver, too."""
        priced = [result for result in results if isinstance(result, _PricedReward)]
        settings = self.settings
        dawdling = drive_dawdling(
            self.track,
            [_paid_steps(result) for result in priced],
            settings.car,
            settings.action_space,
            reverse=settings.reverse,
            obstacles=settings.objects,
        )
        tries = iter(dawdling)
        completed: list[_PricedReward | UnscoredReward] = []
        for result in results:
            if isinstance(result, _PricedReward):
                result = _with_best_paid(result, next(tries), settings.verdict_gamma)
            completed.append(result)
        return completed

    def _as_score(self, result: _PricedReward | UnscoredReward) -> RewardScore | UnscoredReward:
        if isinstance(result, UnscoredReward):
            return result
        try:
            return self._score_priced(result)
        except RacerError as error:  # a step of the search is one that the real job refuses
            return UnscoredReward(result.reward.filename, error)

    def _score_priced(self, priced: _PricedReward) -> RewardScore:
        settings = self.settings
        score = _score_priced(priced, settings.gammas, settings.verdict_gamma)
        if settings.foresees:
            score = replace(score, foreseen=self._foresee(priced.reward))
        if settings.reverse and not score.verdict.passed:
            score = replace(score, reversed_fraction=_reversed_fraction(priced))
        return score

    def _foresee(self, reward: RewardFunction) -> Foreseen:
        from racer.diagnostics.foresight import foresee

        settings = self.settings
        foresight = foresee(
            reward,
            self.track,
            gamma=settings.verdict_gamma,
            car=settings.car,
            action_space=settings.action_space,
            reverse=settings.reverse,
            objects=settings.objects,
            seconds=FORESEEN_SECONDS,
        )
        return weigh_foresight(foresight, (*settings.gammas, settings.verdict_gamma))


def score_drivers(objects: ObstacleSource = None) -> list[Driver]:
    """The drivers of a score: the usual ones, among `objects` those who avoid them, one that drives
    the wrong way, and one that dawdles where the reward pays most.
    """
    return [*default_drivers(objects), WRONG_WAY, DAWDLING]


def score_drives(
    reward: RewardFunction,
    drives: Sequence[Drive],
    gammas: Sequence[float] = GAMMAS,
    verdict_gamma: float = VERDICT_GAMMA,
) -> RewardScore:
    """How well a reward function agrees with the clock about these drives, at discount factors
    `gammas`; the verdict is at `verdict_gamma`.
    """
    _require_gammas([*gammas, verdict_gamma])
    rewards = price_drives(reward, drives)
    priced = _PricedReward(reward, tuple(drives), tuple(rewards))
    return _score_priced(priced, gammas, verdict_gamma)


@dataclass(frozen=True, eq=False)
class _PricedReward:
    """A reward and what it pays for the steps of drives."""

    reward: RewardFunction
    drives: tuple[Drive, ...]
    rewards: tuple[Array, ...]


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
    pay = [pay_around_lap(paid, drive, gamma) for paid, drive in zip(rewards, tries, strict=True)]
    best = int(np.argmax(pay))
    return replace(
        priced, drives=(*priced.drives, tries[best]), rewards=(*priced.rewards, rewards[best])
    )


def _score_priced(
    priced: _PricedReward, gammas: Sequence[float], verdict_gamma: float
) -> RewardScore:
    all_gammas = tuple(sorted({*gammas, verdict_gamma}))
    rewards, drives = priced.rewards, priced.drives
    pay_from_start = {}
    pay = {}
    for gamma in all_gammas:
        pairs = list(zip(rewards, drives, strict=True))
        pay[gamma] = np.array([pay_around_lap(paid, drive, gamma) for paid, drive in pairs])
        pay_from_start[gamma] = np.array([_return_from_start(*pair, gamma) for pair in pairs])
    return RewardScore(
        reward=priced.reward.filename,
        drives=drives,
        rewards=rewards,
        pay_from_start=pay_from_start,
        pay=pay,
        gammas=all_gammas,
        gamma=verdict_gamma,
    )


def _reversed_fraction(priced: _PricedReward) -> float:
    """What the drive that came farthest is paid as a fraction of what it would be paid if
    `is_reversed` were false; nan for a reward that does not read it, or where there is none.
    """
    if "is_reversed" not in priced.reward.source:
        return float("nan")
    farthest = max(range(len(priced.drives)), key=lambda k: priced.drives[k].completion)
    drive = priced.drives[farthest]
    rows = scored_rows_of(drive)
    params: Any = build_params(rows, drive.tracks, drive.obstacles(rows))
    forward = [{**step, "is_reversed": False} for step in params]
    try:
        rewards = RewardBatch(priced.reward, 1)(forward, [0] * len(forward))
    except RacerError:  # it can be called with the flag only: then the flag punishes nothing
        return float("nan")
    if not rewards.sum() > 0.0:
        return float("nan")
    return float(priced.rewards[farthest].sum() / rewards.sum())


def _return_from_start(rewards: Array, drive: Drive, gamma: float) -> float:
    """The discounted return of a drive's first step; 0 of a drive without steps. What was cut off
    goes on as in the end, for ever.
    """
    if not len(rewards):
        return 0.0
    tail = 0.0
    if drive.is_cut and gamma < 1.0:
        tail = float(rewards[-TAIL_STEPS:].mean()) / (1.0 - gamma)
    return float(discounted_returns(rewards, gamma, tail)[0])


def _require_gammas(gammas: Sequence[float]) -> None:
    for gamma in gammas:
        if not 0.0 <= gamma <= 1.0:
            raise UsageError(f"a discount factor is between 0 and 1, not {gamma:g}")
