"""A reward function under test, and what can be asserted of it. An assertion that fails shows the
smallest example.

Every call gets a fresh instance of the file, so what a reward remembers cannot leak from one test
into another; the steps of a lap are paid by one instance, in order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from racer.diagnostics import RewardScore, discounted_returns, score_rewards
from racer.errors import UsageError, did_you_mean
from racer.reward import RewardBatch, RewardFunction, RewardRefused, load_reward
from racer.reward.batch import REWARD_TIMEOUT_S
from racer.reward.errors import relocate_refusal
from racer.sim.params import copy_params
from racer.testing import words
from racer.testing.placed import DrivenLap, PlacedParams, TrackLike, as_track, placed
from racer.testing.strategies import (
    ARGUMENT_RANGES,
    DEFAULT_TRACK,
    find_smallest_example,
    mirror_track,
    place_arguments,
    place_pairs,
)
from racer.track.track import Track

DEFAULT_GAMMA = 0.99  # the discount factor, where none is named
_MOST = 5  # inversions that are listed


def describe_disagreement(reward: RewardFunction, track: Track, gamma: float, car: str) -> str:
    """Why the verdict is bad: what is paid best, the worst inversions, and all drivers; empty when
    it is good.

    Raises RewardRefused for what the real job refuses.
    """
    [found] = score_rewards([reward], track, gammas=(gamma,), verdict_gamma=gamma, car=car)
    if found.verdict.passed:
        return ""
    head = f"{reward.path.name} does not agree with the clock on {track.name}: {found.verdict.sentence}"
    worst = [f"  {inversion.sentence(gamma)}" for inversion in found.inversions()[:_MOST]]
    return "\n".join([head, *worst, "by the clock | by pay | driver", *_ranking(found)])


def _ranking(found: RewardScore) -> list[str]:
    """The drivers in the order of the clock, a line each."""
    rows = sorted(
        zip(found.clock.tolist(), found.paid().tolist(), found.drives, strict=True),
        key=lambda row: row[0],
    )
    return [
        f"  {clock:g} | {paid:g} | {drive.name}, "
        + (
            f"{drive.lap_time:.2f} s"
            if drive.lap_time == drive.lap_time
            else f"{drive.completion:.0f} % of the lap"
        )
        for clock, paid, drive in rows
    ]


Params = dict[str, Any]
MAX_INSTANCES = 64  # instances that are made at once
EXAMPLE_COUNT = 100  # places that an assertion tries; of `never_raises` twice as many
# rewards of a place and of its mirror image that differ by less, relatively, count as equal
MIRROR_TOLERANCE = 1e-6


class Reward:
    """A reward function under test: call it with params, or assert something of it.

    `track` is where assertions try it unless they are told another one. Assertions raise
    AssertionError, and return True, so that `assert reward.prefers(...)` reads well.
    """

    def __init__(
        self, reward: str | os.PathLike[str] | RewardFunction, track: TrackLike = DEFAULT_TRACK
    ) -> None:
        self._reward = reward if isinstance(reward, RewardFunction) else load_reward(reward)
        self.track = track
        self._batch: RewardBatch | None = None
        self._timeout = REWARD_TIMEOUT_S
        self._used = 0  # instances of the batch that have been called

    def __repr__(self) -> str:
        return f"<reward {self._reward.filename}>"

    @property
    def name(self) -> str:
        """The name of its file."""
        return self._reward.path.name

    def __call__(self, params: Params) -> float:
        """What a fresh instance pays for these params. Raises RewardRefused for what would stop the
        real job.
        """
        __tracebackhide__ = True
        return self.prices([params])[0]

    def prices(
        self, steps: DrivenLap | Sequence[Params], timeout: float = REWARD_TIMEOUT_S
    ) -> list[float]:
        """What one fresh instance pays for each step of a lap, in order. `timeout` in s a call."""
        __tracebackhide__ = True
        told = steps.params if isinstance(steps, DrivenLap) else steps
        paid: list[float] = []
        try:
            batch, car = self._fresh(timeout)
            for p in told:
                paid.append(float(batch([copy_params(p)], [car])[0]))  # type: ignore[arg-type,list-item]
            return paid
        except RewardRefused as error:
            refusal = (
                error if error.car is None else relocate_refusal(error, _call(told, len(paid)))
            )
        raise refusal.with_traceback(None)

    def total(self, lap: DrivenLap) -> float:
        """The plain sum of what a lap's steps are paid."""
        __tracebackhide__ = True
        return sum(self.prices(lap))

    def worth(self, lap: DrivenLap, gamma: float = DEFAULT_GAMMA) -> float:
        """What a lap is worth at a discount factor, as `racer score` counts: the mean of its steps'
        returns.
        """
        __tracebackhide__ = True
        return float(discounted_returns(self.prices(lap), gamma).mean())

    def prefers(
        self,
        this: Params | DrivenLap,
        *,
        over: Params | DrivenLap,
        by: float = 0.0,
        gamma: float | None = None,
    ) -> bool:
        """That it pays `this` more than the other, by more than `by`: two places, or two laps.

        Of laps the sums are compared, or what they are worth at `gamma`.
        """
        __tracebackhide__ = True
        if isinstance(this, DrivenLap) != isinstance(over, DrivenLap):
            raise UsageError("a lap is compared with a lap, and params are compared with params")
        first, second = self._paid(this, gamma), self._paid(over, gamma)
        if first - second > by:
            return True
        raise AssertionError(
            words.not_preferred_message(self.name, this, over, first, second, by, gamma)
        )

    def never_raises(
        self, track: TrackLike | None = None, *, examples: int = 2 * EXAMPLE_COUNT, **fixed: Any
    ) -> bool:
        """That it pays a number that the real job accepts wherever a car is; what is `fixed` is an
        argument of `at`.
        """
        __tracebackhide__ = True
        way = as_track(self.track if track is None else track)
        found = find_smallest_example(
            place_arguments(way, **fixed),
            lambda place: self._refusal(placed(way, **place)) is not None,
            examples,
        )
        if found is None:
            return True
        case = placed(way, **found)
        raise AssertionError(words.refused_message(self.name, way.name, case, self._refusal(case)))

    def increases_with(
        self, argument: str, track: TrackLike | None = None, *, between: tuple[float, float] | None = None,
        strictly: bool = False, examples: int = EXAMPLE_COUNT, **fixed: Any,
    ) -> bool:  # fmt: skip
        """That it never pays less for more of an argument of `at`, all else equal, and somewhere
        pays more.

        `between` are its least and greatest value; `strictly`: it pays more everywhere. Objects are
        left out.
        """
        __tracebackhide__ = True
        return self._moves_with(argument, track, between, strictly, examples, fixed, sign=1)

    def decreases_with(
        self, argument: str, track: TrackLike | None = None, *, between: tuple[float, float] | None = None,
        strictly: bool = False, examples: int = EXAMPLE_COUNT, **fixed: Any,
    ) -> bool:  # fmt: skip
        """That it never pays more for more of an argument of `at`, all else equal, and somewhere
        pays less.
        """
        __tracebackhide__ = True
        return self._moves_with(argument, track, between, strictly, examples, fixed, sign=-1)

    def mirror_invariant(
        self, track: TrackLike | None = None, *, examples: int = EXAMPLE_COUNT, **fixed: Any
    ) -> bool:
        """That a track and its mirror image are paid alike: left turns as right turns."""
        __tracebackhide__ = True
        way = as_track(self.track if track is None else track)
        other = mirror_track(way)

        @_or_refused
        def differs(place: dict[str, Any]) -> bool:
            paid, image = self(placed(way, **place)), self(placed(other, **_image(place)))
            return abs(paid - image) > MIRROR_TOLERANCE * max(1.0, abs(paid), abs(image))

        found = find_smallest_example(
            place_arguments(way, objects=False, **fixed).map(_beside_the_middle), differs, examples
        )
        if found is None:
            return True
        here, there = placed(way, **found), placed(other, **_image(found))
        raise AssertionError(
            words.not_mirrored_message(self.name, way.name, here, there, self(here), self(there))
        )

    def agrees_with_clock(
        self, track: TrackLike | None = None, *, gamma: float = DEFAULT_GAMMA, car: str = "v6"
    ) -> bool:
        """That the verdict of `racer score` is good: the faster of the scripted drivers' laps is
        paid more.
        """
        __tracebackhide__ = True
        found = describe_disagreement(
            self._reward, as_track(self.track if track is None else track), gamma, car
        )
        if not found:
            return True
        raise AssertionError(found)

    def _moves_with(
        self, argument: str, track: TrackLike | None, between: tuple[float, float] | None, strictly: bool, examples: int,
        fixed: dict[str, Any], sign: int,
    ) -> bool:  # fmt: skip
        __tracebackhide__ = True
        if argument not in ARGUMENT_RANGES:
            guess = did_you_mean(argument, list(ARGUMENT_RANGES))
            raise UsageError(
                f"there is no argument {argument!r} to vary{guess} ({', '.join(ARGUMENT_RANGES)})"
            )
        way = as_track(self.track if track is None else track)
        rises: list[bool] = []

        @_or_refused
        def fails(pair: tuple[dict[str, Any], dict[str, Any]]) -> bool:
            less, more = (self(placed(way, **place)) for place in pair)
            rises.append(sign * (more - less) > 0)
            return sign * (more - less) < 0 or (strictly and more == less)

        found = find_smallest_example(place_pairs(way, argument, between, fixed), fails, examples)
        if found is not None:
            both = [placed(way, **place) for place in found]
            paid = self(both[0]), self(both[1])
            raise AssertionError(
                words.not_monotonic_message(self.name, argument, sign, both, paid, way.name)
            )
        if not any(rises):
            raise AssertionError(
                words.indifferent_message(self.name, argument, len(rises), way.name)
            )
        return True

    def _fresh(self, timeout: float) -> tuple[RewardBatch, int]:
        """A batch, and the number of an instance in it that was never called. Batches grow: each
        has its price.
        """
        if self._batch is None or self._used == self._batch.n or timeout != self._timeout:
            more = 1 if self._batch is None else min(4 * self._batch.n, MAX_INSTANCES)
            self._batch, self._used, self._timeout = (
                RewardBatch(self._reward, more, timeout=timeout),
                0,
                timeout,
            )
        self._used += 1
        return self._batch, self._used - 1

    def _paid(self, what: Params | DrivenLap, gamma: float | None) -> float:
        __tracebackhide__ = True
        if not isinstance(what, DrivenLap):
            return self(what)
        return self.total(what) if gamma is None else self.worth(what, gamma)

    def _refusal(self, case: PlacedParams) -> RewardRefused | None:
        try:
            self(case)
        except RewardRefused as error:
            return error
        return None


def _call(told: Sequence[Any], k: int) -> str:
    """Words for the k-th of some calls, counted from 0."""
    return (
        f"in {told[k]!r}"
        if isinstance(told[k], PlacedParams)
        else f"in call {k + 1} of {len(told)}"
    )


def _or_refused(fails: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """The same question, answered yes for an example that the real job refuses: pricing it again
    says why.
    """

    def answer(example: Any) -> bool:
        try:
            return fails(example)
        except RewardRefused:
            return True

    return answer


def _beside_the_middle(place: dict[str, Any]) -> dict[str, Any]:
    """The same place, or one just beside the center line: on it, left and right are a matter of
    rounding.
    """
    return {**place, "offset": place.get("offset", 0.0) or 0.01}


def _image(place: dict[str, Any]) -> dict[str, Any]:
    """The same place on the mirrored track."""
    turned: dict[str, Any] = {
        name: -place[name] for name in ("offset", "heading_deg", "steering_deg") if name in place
    }
    return {**place, **turned}
