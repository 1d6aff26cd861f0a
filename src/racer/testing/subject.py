"""A reward function under test, and what can be asserted of it. An assertion that fails shows the
smallest example.

Every call gets a fresh instance of the file, so what a reward remembers cannot leak from one test
into another; the steps of a lap are paid by one instance, in order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from racer.diagnostics import (
    FORESEEN_SECONDS,
    Foresight,
    RewardScore,
    ScoreSettings,
    foresee,
    pay_of_lap,
    score_rewards,
)
from racer.diagnostics.foresight import KINDS
from racer.drivers import Drive
from racer.errors import UsageError, did_you_mean
from racer.reward import (
    REWARD_TIMEOUT_S,
    RewardBatch,
    RewardFunction,
    RewardRefused,
    load_reward,
    refusal_cause,
    relocate_refusal,
)
from racer.sim import copy_params
from racer.testing import messages
from racer.testing.messages import DrivenLap, PaidCase, PlacedParams, TrackLike, as_track, placed
from racer.testing.strategies import (
    ARGUMENT_RANGES,
    PlaceArguments,
    find_smallest_example,
    mirror_track,
    place_arguments,
    place_pairs,
)
from racer.track import DEFAULT_TRACK, Track
from racer.vehicle import DEFAULT_CAR

Params = dict[str, Any]

DEFAULT_GAMMA = 0.99  # the discount factor, where none is named
EXAMPLE_COUNT = 100  # places that an assertion tries; of `never_raises` twice as many
MAX_INSTANCES = 64  # that are made at once
MAX_INVERSIONS = 5  # that are listed
# rewards of a place and of its mirror image that differ by less, relatively, count as equal
MIRROR_TOLERANCE = 1e-6


class Reward:
    """A reward function under test: call it with params, or assert something of it.

    `track` is where assertions try it unless they are told another one. Assertions raise
    AssertionError, and return True, so that `assert reward.prefers(...)` reads well.

    Examples
    --------
    >>> reward = Reward("center_line", track="oval")
    >>> reward.prefers(placed("oval", waypoint=5), over=placed("oval", waypoint=5, offset=0.3))
    True
    """

    def __init__(
        self, reward: str | os.PathLike[str] | RewardFunction, track: TrackLike = DEFAULT_TRACK
    ) -> None:
        self._reward = reward if isinstance(reward, RewardFunction) else load_reward(reward)
        self._instances = _FreshInstances(self._reward)
        self._foresights: dict[tuple[str, float, str], Foresight] = {}
        self.track = track

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
        calls: Sequence[Any] = steps.params if isinstance(steps, DrivenLap) else steps
        paid: list[float] = []
        try:
            batch, car = self._instances.take(timeout)
            for params in calls:
                [pay] = batch([copy_params(params)], [car])  # type: ignore[list-item]
                paid.append(float(pay))
        except RewardRefused as error:
            refusal = error
            if error.car is not None:
                refusal = relocate_refusal(error, _describe_call(calls, len(paid)))
        else:
            return paid
        raise refusal.with_traceback(None)

    def total(self, lap: DrivenLap) -> float:
        """The plain sum of what a lap's steps are paid."""
        __tracebackhide__ = True
        return sum(self.prices(lap))

    def worth(self, lap: DrivenLap, gamma: float = DEFAULT_GAMMA) -> float:
        """What a lap is worth at a discount factor, as `racer score` counts: the discounted return,
        averaged over the places around the lap.
        """
        __tracebackhide__ = True
        progress = [params["progress"] for params in lap.params]
        return pay_of_lap(self.prices(lap), progress, gamma)

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
        first = PaidCase(this, self._pay(this, gamma))
        second = PaidCase(over, self._pay(over, gamma))
        if first.pay - second.pay > by:
            return True
        raise AssertionError(messages.not_preferred_message(self.name, first, second, by, gamma))

    def never_raises(
        self, track: TrackLike | None = None, *, examples: int = 2 * EXAMPLE_COUNT, **fixed: Any
    ) -> bool:
        """That it pays a number that the real job accepts wherever a car is; what is `fixed` is an
        argument of `at`.
        """
        __tracebackhide__ = True
        known_track = self._track_or_own(track)

        def is_refused(place: PlaceArguments) -> bool:
            return self._complaint(placed(known_track, **place)) is not None

        smallest = find_smallest_example(
            place_arguments(known_track, **fixed), is_refused, examples
        )
        if smallest is None:
            return True
        case = placed(known_track, **smallest)
        complaint = self._complaint(case) or ""
        raise AssertionError(messages.refused_message(self.name, known_track.name, case, complaint))

    def increases_with(
        self,
        argument: str,
        track: TrackLike | None = None,
        *,
        between: tuple[float, float] | None = None,
        strictly: bool = False,
        examples: int = EXAMPLE_COUNT,
        **fixed: Any,
    ) -> bool:
        """That it never pays less for more of an argument of `at`, all else equal, and somewhere
        pays more.

        `between` are its least and greatest value; `strictly`: it pays more everywhere. Objects are
        left out.
        """
        __tracebackhide__ = True
        pairs = place_pairs(self._track_or_own(track), _checked(argument), between, fixed)
        return self._is_monotonic(argument, track, pairs, strictly, examples, sign=1)

    def decreases_with(
        self,
        argument: str,
        track: TrackLike | None = None,
        *,
        between: tuple[float, float] | None = None,
        strictly: bool = False,
        examples: int = EXAMPLE_COUNT,
        **fixed: Any,
    ) -> bool:
        """That it never pays more for more of an argument of `at`, all else equal, and somewhere
        pays less.
        """
        __tracebackhide__ = True
        pairs = place_pairs(self._track_or_own(track), _checked(argument), between, fixed)
        return self._is_monotonic(argument, track, pairs, strictly, examples, sign=-1)

    def mirror_invariant(
        self, track: TrackLike | None = None, *, examples: int = EXAMPLE_COUNT, **fixed: Any
    ) -> bool:
        """That a track and its mirror image are paid alike: left turns as right turns."""
        __tracebackhide__ = True
        known_track = self._track_or_own(track)
        mirrored_track = mirror_track(known_track)

        def paid_pair(place: PlaceArguments) -> tuple[PaidCase, PaidCase]:
            __tracebackhide__ = True
            original = placed(known_track, **place)
            image = placed(mirrored_track, **_mirrored_place(place))
            return PaidCase(original, self(original)), PaidCase(image, self(image))

        def differs(place: PlaceArguments) -> bool:
            original, image = paid_pair(place)
            scale = max(1.0, abs(original.pay), abs(image.pay))
            return abs(original.pay - image.pay) > MIRROR_TOLERANCE * scale

        places = place_arguments(known_track, objects=False, **fixed).map(_off_the_center_line)
        smallest = find_smallest_example(places, _true_if_refused(differs), examples)
        if smallest is None:
            return True
        raise AssertionError(
            messages.not_mirrored_message(self.name, known_track.name, *paid_pair(smallest))
        )

    def agrees_with_clock(
        self,
        track: TrackLike | None = None,
        *,
        gamma: float = DEFAULT_GAMMA,
        car: str = DEFAULT_CAR,
    ) -> bool:
        """That the verdict of `racer score` is good: the faster of the scripted drivers' laps is
        paid more.
        """
        __tracebackhide__ = True
        complaint = describe_disagreement(self._reward, self._track_or_own(track), gamma, car)
        if not complaint:
            return True
        raise AssertionError(complaint)

    def foresee(
        self,
        track: TrackLike | None = None,
        *,
        gamma: float = DEFAULT_GAMMA,
        car: str = DEFAULT_CAR,
    ) -> Foresight:
        """What it asks for (`racer.foresee`): the driving that it pays best of all. A search, of some
        seconds, is done once for all assertions about the same track, gamma and car.
        """
        __tracebackhide__ = True
        known_track = self._track_or_own(track)
        key = (known_track.name, gamma, car)
        if key not in self._foresights:
            self._foresights[key] = foresee(
                self._reward, known_track, gamma=gamma, car=car, seconds=FORESEEN_SECONDS
            )
        return self._foresights[key]

    def asks_for(
        self,
        track: TrackLike | None = None,
        *,
        lap_time_below: float,
        gamma: float = DEFAULT_GAMMA,
        car: str = DEFAULT_CAR,
    ) -> bool:
        """That the driving which it pays best of all completes laps in less than so many seconds."""
        __tracebackhide__ = True
        foresight = self.foresee(track, gamma=gamma, car=car)
        time_s = foresight.lap_time_s
        if time_s is not None and time_s < lap_time_below:
            return True
        wish = f"laps below {lap_time_below:g} s"
        raise AssertionError(messages.not_asked_message(self.name, wish, foresight))

    def never_asks_for(
        self,
        *kinds: str,
        track: TrackLike | None = None,
        gamma: float = DEFAULT_GAMMA,
        car: str = DEFAULT_CAR,
    ) -> bool:
        """That the driving which it pays best of all is of none of these kinds, such as `stopping`."""
        __tracebackhide__ = True
        for kind in kinds:
            _require_kind(kind)
        foresight = self.foresee(track, gamma=gamma, car=car)
        if foresight.kind not in kinds:
            return True
        raise AssertionError(messages.asked_message(self.name, foresight))

    def _is_monotonic(
        self,
        argument: str,
        track: TrackLike | None,
        pairs: Any,
        strictly: bool,
        examples: int,
        sign: int,
    ) -> bool:
        __tracebackhide__ = True
        known_track = self._track_or_own(track)
        rises: list[bool] = []

        def paid_pair(pair: tuple[PlaceArguments, PlaceArguments]) -> tuple[PaidCase, PaidCase]:
            __tracebackhide__ = True
            less = placed(known_track, **pair[0])
            more = placed(known_track, **pair[1])
            return PaidCase(less, self(less)), PaidCase(more, self(more))

        def fails(pair: tuple[PlaceArguments, PlaceArguments]) -> bool:
            less, more = paid_pair(pair)
            rise = sign * (more.pay - less.pay)
            rises.append(rise > 0)
            return rise < 0 or (strictly and rise == 0)

        smallest = find_smallest_example(pairs, _true_if_refused(fails), examples)
        if smallest is not None:
            raise AssertionError(
                messages.not_monotonic_message(
                    self.name, argument, sign, paid_pair(smallest), known_track.name
                )
            )
        if not any(rises):
            raise AssertionError(
                messages.indifferent_message(self.name, argument, len(rises), known_track.name)
            )
        return True

    def _track_or_own(self, track: TrackLike | None) -> Track:
        return as_track(self.track if track is None else track)

    def _pay(self, case: Params | DrivenLap, gamma: float | None) -> float:
        __tracebackhide__ = True
        if not isinstance(case, DrivenLap):
            return self(case)
        if gamma is None:
            return self.total(case)
        return self.worth(case, gamma)

    def _complaint(self, case: PlacedParams) -> str | None:
        """Why the real job would refuse what it pays for these params; None if it would not."""
        try:
            self(case)
        except RewardRefused as error:
            return refusal_cause(error)
        return None


class _FreshInstances:
    """Instances of a reward file that were never called (a class: it makes them in growing batches,
    as each batch has its price).
    """

    def __init__(self, reward: RewardFunction) -> None:
        self._reward = reward
        self._batch: RewardBatch | None = None
        self._timeout = REWARD_TIMEOUT_S
        self._used = 0

    def take(self, timeout: float) -> tuple[RewardBatch, int]:
        """A batch, and the number of a fresh instance in it."""
        if self._batch is None:
            self._batch = self._new_batch(1, timeout)
        elif self._used == self._batch.n or timeout != self._timeout:
            self._batch = self._new_batch(min(4 * self._batch.n, MAX_INSTANCES), timeout)
        self._used += 1
        return self._batch, self._used - 1

    def _new_batch(self, count: int, timeout: float) -> RewardBatch:
        self._timeout = timeout
        self._used = 0
        return RewardBatch(self._reward, count, timeout=timeout)


def describe_disagreement(reward: RewardFunction, track: Track, gamma: float, car: str) -> str:
    """Why the verdict is bad: what is paid best, the worst inversions, and all drivers; empty when
    it is good.

    Raises RewardRefused for what the real job refuses.
    """
    settings = ScoreSettings(gammas=(gamma,), verdict_gamma=gamma, car=car, foresees=True)
    [score] = score_rewards([reward], track, settings)
    if score.verdict.passed:
        return ""
    lines = [
        f"{reward.path.name} does not agree with the clock on {track.name}: {score.verdict.sentence}"
    ]
    lines += [f"  {inversion.sentence(gamma)}" for inversion in score.inversions()[:MAX_INVERSIONS]]
    lines.append("by the clock | by pay | driver")
    lines += _rank_lines(score)
    return "\n".join(lines)


def _rank_lines(score: RewardScore) -> list[str]:
    """The drivers in the order of the clock, a line each."""
    clock_ranks = score.clock_ranks.tolist()
    pay_ranks = score.pay_ranks().tolist()
    by_clock = sorted(range(len(score.drives)), key=lambda k: clock_ranks[k])
    lines = []
    for k in by_clock:
        drive = score.drives[k]
        ranks = f"{clock_ranks[k]:g} | {pay_ranks[k]:g}"
        lines.append(f"  {ranks} | {drive.name}, {_describe_end(drive)}")
    return lines


def _describe_end(drive: Drive) -> str:
    if drive.lap_time == drive.lap_time:
        return f"{drive.lap_time:.2f} s"
    return f"{drive.completion:.0f} % of the lap"


def _checked(argument: str) -> str:
    """An argument of `at` that can be varied. Raises UsageError for another."""
    if argument not in ARGUMENT_RANGES:
        known = list(ARGUMENT_RANGES)
        guess = did_you_mean(argument, known)
        raise UsageError(f"there is no argument {argument!r} to vary{guess} ({', '.join(known)})")
    return argument


def _require_kind(kind: str) -> None:
    """Raise UsageError for a word that is no kind of driving."""
    if kind not in KINDS:
        guess = did_you_mean(kind, list(KINDS))
        raise UsageError(f"there is no kind of driving {kind!r}{guess} ({', '.join(KINDS)})")


def _describe_call(calls: Sequence[Any], k: int) -> str:
    """Words for the k-th of some calls, counted from 0."""
    if isinstance(calls[k], PlacedParams):
        return f"in {calls[k]!r}"
    return f"in call {k + 1} of {len(calls)}"


def _true_if_refused(fails: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A condition that also holds for an example that the real job refuses: pricing that again says
    why.
    """

    def holds(example: Any) -> bool:
        try:
            return fails(example)
        except RewardRefused:
            return True

    return holds


def _off_the_center_line(place: PlaceArguments) -> PlaceArguments:
    """A place beside the center line: on it, left and right are a matter of rounding."""
    return {**place, "offset": place.get("offset", 0.0) or 0.01}


def _mirrored_place(place: PlaceArguments) -> PlaceArguments:
    """The arguments of the mirrored place on the mirrored track."""
    image = dict(place)
    for name in ("offset", "heading_deg", "steering_deg"):
        if name in image:
            image[name] = -image[name]
    return image
