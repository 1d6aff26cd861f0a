"""Failures that nobody thought of: random steps, and hypothesis' search for the smallest of them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from racer.checker.calls import SILENCING_CODES, CallFailure, RewardCaller, TimeBudget, try_step
from racer.checker.cases import (
    TRIAL_SPEEDS_MPS,
    TRIAL_STEERING_DEG,
    PlacedStep,
    placed_episode,
    random_episode,
)
from racer.reward import RewardFunction
from racer.track import Track

SEARCH_MARGIN_M = 0.3
"""How far beside the track the search goes."""
MAX_SEARCHED_FAILURES = 5
MAX_EXAMPLES = 150
MAX_NUMBERS = 200
"""So many of the numbers that a file names are tried."""
GREATEST_NUMBER = 1e4
GREATEST_STEPS = 5000

FailureKind = tuple[str, int]


class _TimeIsUp(BaseException):
    """Ends a search that has found nothing in its time. Not an Exception: hypothesis would take it
    for a failure.
    """


def random_failures(caller: RewardCaller, tracks: Sequence[Track], count: int) -> list[CallFailure]:
    """The failures at `count` random places of each track, which cost little to try."""
    named = numbers_in_source(caller.reward)
    failures = []
    for seed, track in enumerate(tracks):
        episode = random_episode(track, count, named, seed)
        failures += caller.run_episode(caller.instance(), episode)[1]
    return failures


def search_failures(
    caller: RewardCaller, tracks: Sequence[Track], known: set[FailureKind], seconds: float
) -> list[CallFailure]:
    """New kinds of failures that random places show, each at the smallest that hypothesis can find."""
    failures: list[CallFailure] = []
    budget = TimeBudget(seconds)
    while budget.left > 0.0 and len(failures) < MAX_SEARCHED_FAILURES:
        kinds = known | {failure.kind for failure in failures}
        failure = _Search(caller, kinds, budget).run(tracks)
        if failure is None:
            break
        failures.append(failure)
        if failure.code in SILENCING_CODES:
            break
    return failures


def numbers_in_source(reward: RewardFunction) -> list[float]:
    """The numbers that a file names, and their negatives: where its conditions change."""
    numbers = []
    for node in ast.walk(reward.syntax.tree):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if abs(value) < GREATEST_NUMBER:
            numbers.append(float(value))
    numbers = numbers[:MAX_NUMBERS]
    negatives = [-number for number in numbers]
    return list(dict.fromkeys(numbers + negatives))


def placed_steps(tracks: Sequence[Track], named: Sequence[float] = ()) -> Any:
    """A hypothesis strategy for steps on these tracks; it shrinks to a start from the line of the
    first one.

    `named` numbers are tried wherever they fit.
    """
    from hypothesis import strategies as st

    return st.one_of([_steps_on(track, named) for track in tracks])


class _Search:
    """One search for a step that fails in a way that is not known yet."""

    def __init__(self, caller: RewardCaller, known: set[FailureKind], budget: TimeBudget) -> None:
        self._caller = caller
        self._known = known
        self._budget = budget
        self._failures: dict[PlacedStep, CallFailure] = {}

    def run(self, tracks: Sequence[Track]) -> CallFailure | None:
        """The failure at the smallest step, None when there is none in time."""
        import hypothesis

        settings = hypothesis.settings(
            max_examples=MAX_EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        )
        strategy = placed_steps(tracks, numbers_in_source(self._caller.reward))
        endings = (
            hypothesis.errors.NoSuchExample,
            hypothesis.errors.Unsatisfiable,
            hypothesis.errors.Flaky,
            _TimeIsUp,
        )
        step: PlacedStep | None
        try:
            step = hypothesis.find(strategy, self._fails, settings=settings, random=Random(0))
        except endings:
            step = next(iter(self._failures), None)
        if step is None or step not in self._failures:
            return None
        episode = placed_episode("found", step.track, [step])
        return replace(self._failures[step], k=0, episode=episode)

    def _fails(self, step: PlacedStep) -> bool:
        """Whether a step shows the failure that is looked for: the first new one that was met."""
        self._caller.on_progress()
        if self._budget.left < 0.0:
            if not self._failures:
                raise _TimeIsUp
            return step in self._failures
        if any(failure.code in SILENCING_CODES for failure in self._failures.values()):
            return step in self._failures
        failure = try_step(self._caller, step)
        if failure is None or failure.kind in self._known:
            return False
        self._failures[step] = failure
        first = next(iter(self._failures.values()))
        return failure.kind == first.kind


def _steps_on(track: Track, named: Sequence[float]) -> Any:
    """The strategy for one track: a step at the start line, moved to any place of the lap."""
    from hypothesis import strategies as st

    def at_waypoint(waypoint: int, fraction: float, step: PlacedStep) -> PlacedStep:
        gap = track.s[waypoint + 1] - track.s[waypoint]
        return replace(step, distance=float(track.s[waypoint] + fraction * gap))

    waypoints = st.integers(0, len(track.s) - 2)
    fractions = st.one_of(st.just(0.0), st.floats(0.0, 1.0, exclude_max=True))
    return st.builds(at_waypoint, waypoints, fractions, _steps_at_start(track, named))


def _steps_at_start(track: Track, named: Sequence[float]) -> Any:
    """The strategy for steps at the start line of a track."""
    from hypothesis import strategies as st

    half_width = 0.5 * float(track.width.min()) + SEARCH_MARGIN_M
    headings_deg = [0.0, 90.0, -90.0, 180.0]
    objects = ["", "box", "bot"] if track.is_loop else [""]
    return st.builds(
        PlacedStep,
        st.just(track),
        offset=_numbers_between(-half_width, half_width, [0.0], named),
        heading_deg=_numbers_between(-180.0, 180.0, headings_deg, named),
        speed=_numbers_between(0.1, 4.0, [1.0, *TRIAL_SPEEDS_MPS], named),
        steering_deg=_numbers_between(-30.0, 30.0, [0.0, *TRIAL_STEERING_DEG], named),
        progress=st.one_of(st.none(), _numbers_between(-5.0, 100.0, [100.0], named)),
        steps=_step_numbers(named),
        reverse=st.booleans(),
        objects=st.sampled_from(objects),
    )


def _numbers_between(
    low: float, high: float, usual: Sequence[float], named: Sequence[float]
) -> Any:
    """The strategy for numbers of a range: the usual ones and those `named` ones that fit come first."""
    from hypothesis import strategies as st

    fitting = [value for value in named if low <= value <= high]
    return st.one_of(st.sampled_from([*usual, *fitting]), st.floats(low, high))


def _step_numbers(named: Sequence[float]) -> Any:
    """The strategy for the number of a step in its episode."""
    from hypothesis import strategies as st

    fitting = [int(value) for value in named if 2 <= value < GREATEST_STEPS]
    return st.one_of(st.integers(2, 1500), st.sampled_from([2, *fitting]))
