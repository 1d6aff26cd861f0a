"""Calls of one reward under watch: rewards, or failures on record, and the smallest step that shows a
failure.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from racer.checker.cases import OBSTACLE_PLACES, PlacedStep, TrialEpisode
from racer.checker.findings import CODES, CODES_OF_REFUSALS, CODES_OF_UNUSABLE, Finding, Severity
from racer.errors import RacerError, did_you_mean
from racer.reward import (
    RewardBatch,
    RewardFunction,
    RewardRefused,
    RewardUnusable,
    describe_refusal,
    describe_unusable,
)
from racer.sim import Params, copy_params

Array = NDArray[np.float64]

BATCH_TIME_S = 0.1
"""Seconds that the calls between two signs of life are to take."""
MAX_BATCH_CALLS = 1024
MAX_TRIAL_PRINTED_CHARS = 2**22
"""Characters that may be printed, besides an allowance for every call."""
MAX_EPISODE_FAILURES = 40
"""An episode with more is given up."""
SILENCING_CODES = {"RW206", "RW208", "RW209", "RW210", "RW211"}
"""After one of these nothing else is tried."""
PARAMS_KEYS = list(Params.__annotations__)

# bound here, as a reward may replace them in their module
_WALL_CLOCK = time.perf_counter
_WORK_CLOCK = time.process_time


@dataclass(frozen=True)
class CallFailure:
    """A call that the real job would have ended for. `k` is the step of the episode, -1 while the
    file was loaded.
    """

    refusal: RewardRefused
    k: int = -1
    episode: TrialEpisode | None = None

    @property
    def code(self) -> str:
        """The code of its finding."""
        return CODES_OF_REFUSALS[self.refusal.reason]

    @property
    def line(self) -> int:
        """The line in the user's file, 0 where it is unknown."""
        return self.refusal.line

    @property
    def exception(self) -> str:
        """The class name of the exception that came out of the file; "" for none."""
        return self.refusal.exception

    @property
    def kind(self) -> tuple[str, int]:
        """What makes two failures the same."""
        return self.code, self.line


class TimeBudget:
    """Seconds of work that may be spent from now on. Waiting, for a busy machine too, counts for a
    third.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._started = _WALL_CLOCK()
        self._worked = _WORK_CLOCK()

    @property
    def left(self) -> float:
        """Seconds that are left; negative when more were spent."""
        return self._seconds - self.spent

    @property
    def spent(self) -> float:
        """Seconds that were spent."""
        worked = _WORK_CLOCK() - self._worked
        waited = _WALL_CLOCK() - self._started
        return max(worked, waited / 3.0)


@dataclass
class RewardCaller:
    """Makes instances of one reward, calls them, counts the calls and keeps the time.

    Attributes
    ----------
    timeout
        Seconds for one call.
    on_progress
        Called after each batch of calls: a sign of life.
    last_words
        Gets the error just before the process is ended for a call that nothing else can stop.
    calls
        How many calls were made.
    pace
        Seconds for one call, as measured last.
    """

    reward: RewardFunction
    timeout: float
    on_progress: Callable[[], None] = lambda: None
    last_words: Callable[[RewardRefused], None] | None = None
    calls: int = 0
    pace: float = 2e-5

    def instance(self, n: int = 1, seed: int = 0) -> RewardBatch:
        """`n` new instances. Raises RacerError as RewardBatch does."""
        return RewardBatch(
            self.reward,
            n,
            timeout=self.timeout,
            seed=seed,
            print_limit=MAX_TRIAL_PRINTED_CHARS,
            last_words=self.last_words,
        )

    def rewards(self, batch: RewardBatch, params: Sequence[dict[str, Any]], car: int = 0) -> Array:
        """(K,) rewards of K params in order, all by instance `car`, which gets copies of them.

        Raises RewardRefused at the first that fails.
        """
        return self.rewards_in_place(batch, copies_of(params), car)

    def rewards_in_place(
        self, batch: RewardBatch, params: Sequence[dict[str, Any]], car: int = 0
    ) -> Array:
        """(K,) rewards of K params, which the reward itself may change."""
        budget = TimeBudget(0.0)
        rewards = batch(params, [car] * len(params))
        self.calls += len(params)
        self.pace = max(budget.spent / max(len(params), 1), 1e-7)
        self.on_progress()
        return rewards

    def run_episode(
        self, batch: RewardBatch, episode: TrialEpisode, car: int = 0
    ) -> tuple[Array, list[CallFailure]]:
        """Rewards of an episode, nan around failures, and the failures. One whose code silences ends
        the episode.
        """
        rewards = np.full(len(episode.params), np.nan)
        failures: list[CallFailure] = []
        k = 0
        count = 1
        while k < len(episode.params) and len(failures) < MAX_EPISODE_FAILURES:
            params = episode.params[k : k + count]
            try:
                rewards[k : k + len(params)] = self.rewards(batch, params, car)
            except RewardRefused as error:
                failure = CallFailure(without_traceback(error), k + max(error.call, 0), episode)
                failures.append(failure)
                k = failure.k + 1
                count = max(count // 4, 1)
                self.on_progress()
                if failure.code in SILENCING_CODES:
                    break
            else:
                k += len(params)
                count = int(min(max(BATCH_TIME_S / self.pace, 1), MAX_BATCH_CALLS))
        return rewards, failures


def copies_of(params: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Independent copies of params."""
    return [cast("dict[str, Any]", copy_params(cast("Params", p))) for p in params]


def without_traceback(error: RewardRefused) -> RewardRefused:
    """The error, without the frames that it would keep alive."""
    return error.with_traceback(None)


def load_failure_finding(error: RacerError, reward: RewardFunction) -> Finding:
    """What keeps a file from being executed, or from being a reward function."""
    if isinstance(error, RewardUnusable):
        message = describe_unusable(error)
        return Finding(CODES_OF_UNUSABLE[error.reason], message, reward.filename, error.line)
    if not isinstance(error, RewardRefused):
        return Finding("RW105", str(error), reward.filename)
    code = "RW106" if error.exception == "ModuleNotFoundError" else "RW105"
    message = describe_refusal(error)
    return Finding(code, message, reward.filename, error.line, exception=error.exception)


def finding_from_failure(
    failure: CallFailure,
    reward: RewardFunction,
    *,
    circumstances: str = "",
    params: dict[str, Any] | None = None,
    test: str = "",
) -> Finding:
    """The finding of a failure. Keys that params never have get a code of their own."""
    refusal = failure.refusal
    key = refusal.key
    if key is not None and key not in PARAMS_KEYS and _reads_key(reward, key):
        return Finding(
            "RW307",
            f"params have no {key!r}{did_you_mean(key, PARAMS_KEYS)}",
            reward.filename,
            failure.line,
            severity=Severity.ERROR,
            params=params,
            test=test,
        )
    return Finding(
        failure.code,
        describe_refusal(refusal),
        reward.filename,
        failure.line,
        circumstances=circumstances,
        exception=refusal.exception,
        params=params,
        test=test,
    )


def distinct_failures(failures: Iterable[CallFailure]) -> list[CallFailure]:
    """The first failure of each kind."""
    by_kind: dict[tuple[str, int], CallFailure] = {}
    for failure in failures:
        by_kind.setdefault(failure.kind, failure)
    return list(by_kind.values())


def _reads_key(reward: RewardFunction, key: str) -> bool:
    """Whether the file reads that key of something that a function is given."""
    quoted = rf"""\[\s*["']{re.escape(key)}["']"""
    for node in ast.walk(reward.syntax.tree):
        if isinstance(node, ast.arguments):
            for argument in node.args:
                if re.search(rf"\b{argument.arg}\s*{quoted}", reward.source):
                    return True
    return False


SIMPLIFY_SWEEPS = 3
"""Sweeps over the columns of a step, each made simpler where the failure stays."""
SIMPLIFY_TIME_S = 1.0
STEP_BEFORE_M = 0.05
"""How far before a step the one before it is placed."""


def try_step(caller: RewardCaller, step: PlacedStep) -> CallFailure | None:
    """How a call fails there, on a new instance whose episode has just begun; None when it does
    not.
    """
    params = [placed.params() for placed in (*_steps_before(step), step)]
    batch = caller.instance()
    try:
        caller.rewards_in_place(batch, params)
    except RewardRefused as error:
        return CallFailure(without_traceback(error), 0)
    return None


def minimize_failure(caller: RewardCaller, failure: CallFailure) -> Finding | None:
    """The finding of a failure, with the smallest params that show it and a test.

    None when only a car that is put from place to place fails so: then the reward remembers what no
    real car meets.
    """
    reward = caller.reward
    episode = failure.episode
    if episode is None:
        return finding_from_failure(failure, reward)
    if failure.code in SILENCING_CODES:
        return finding_from_failure(failure, reward, params=episode.params[failure.k])
    step = _reproduced(caller, failure)
    if step is None:
        return _history_finding(caller, failure) if episode.driver else None
    smallest = smallest_step(caller, step, failure.kind)
    failure = try_step(caller, smallest) or failure
    return finding_from_failure(
        failure,
        reward,
        circumstances=smallest.description,
        params=smallest.params(),
        test=_test_of_step(caller, failure, smallest),
    )


def smallest_step(caller: RewardCaller, step: PlacedStep, kind: tuple[str, int]) -> PlacedStep:
    """The simplest step near this one at which a failure of that kind is seen."""
    budget = TimeBudget(SIMPLIFY_TIME_S)
    for _ in range(SIMPLIFY_SWEEPS):
        before = step
        for column, values in _simpler_values(step):
            if budget.left < 0.0:
                return step
            step = _simplify_column(caller, step, column, values, kind)
        if step == before:
            break
    return step


def placement_arguments(step: PlacedStep) -> str:
    """The arguments of `racer.place` for a step, as source text, without those that may be left out."""
    arguments = ["track"]
    if step.distance:
        arguments.append(f"distance={step.distance!r}")
    default = PlacedStep(step.track)
    for name in ("offset", "heading_deg", "speed", "steering_deg", "progress", "steps", "reverse"):
        value = getattr(step, name)
        if value != getattr(default, name):
            arguments.append(f"{name}={value!r}")
    if step.objects:
        arguments.append("objects=objects")
    return ", ".join(arguments)


def _steps_before(step: PlacedStep) -> tuple[PlacedStep, ...]:
    """The first step of an episode whose car comes along the track; none before a first step."""
    if step.steps <= 2:
        return ()
    distance = max(step.distance - STEP_BEFORE_M, 0.0)
    return (replace(step, distance=distance, progress=None, steps=2),)


def _history_finding(caller: RewardCaller, failure: CallFailure) -> Finding:
    """The finding of a failure that only the steps before it bring about."""
    episode = failure.episode
    assert episode is not None
    return finding_from_failure(
        failure,
        caller.reward,
        circumstances=f"in step {failure.k + 2} of {episode.title}, after the steps before it",
        params=episode.params[failure.k],
        test=_test_of_lap(caller, failure),
    )


def _reproduced(caller: RewardCaller, failure: CallFailure) -> PlacedStep | None:
    """A step at which a new instance fails alike: the step of the failure, as the first of an
    episode, or with the progress that it had.
    """
    episode = failure.episode
    assert episode is not None
    step = episode.places[failure.k]
    progress = episode.params[failure.k]["progress"]
    for candidate in (step, replace(step, steps=2), replace(step, progress=progress)):
        again = try_step(caller, candidate)
        if again is not None and again.kind == failure.kind:
            return candidate
    return None


def _simplify_column(
    caller: RewardCaller,
    step: PlacedStep,
    column: str,
    values: Sequence[Any],
    kind: tuple[str, int],
) -> PlacedStep:
    """The step with the first of these values of a column with which the failure stays."""
    for value in values:
        if value == getattr(step, column):
            return step
        simpler = replace(step, **{column: value})
        failure = try_step(caller, simpler)
        if failure is not None and failure.kind == kind:
            return simpler
    return step


def _simpler_values(step: PlacedStep) -> Iterator[tuple[str, list[Any]]]:
    """For every column the values to try, simplest first."""
    along = step.track.s
    waypoint = max(int(along.searchsorted(step.distance, side="right")) - 1, 0)
    yield "objects", [""]
    yield "reverse", [False]
    yield "progress", [None, *_rounded(step.progress or 0.0)]
    yield "steps", [2, 3, 10]
    yield "offset", _rounded(step.offset)
    yield "heading_deg", _rounded(step.heading_deg)
    yield "speed", [1.0, 2.0, *_rounded(step.speed)[1:]]
    yield "steering_deg", _rounded(step.steering_deg)
    yield "distance", [0.0, 1.0, float(along[waypoint]), *_rounded(step.distance)[1:]]


def _rounded(value: float) -> list[float]:
    return [0.0, round(value, 0), round(value, 1), round(value, 2)]


def _test_of_step(caller: RewardCaller, failure: CallFailure, step: PlacedStep) -> str:
    """A test file that fails as long as the step fails."""
    lines = ["from racer.reward import RewardBatch, load_reward"]
    if step.objects:
        lines.append("from racer.sim.obstacles import obstacles_on")
    lines += [
        "from racer.sim.params import place",
        "from racer.track import load_track",
        "",
        "",
        f"def test_{_test_name(failure)}():",
        f"    track = load_track({step.track.name!r})",
    ]
    if step.objects:
        places = list(OBSTACLE_PLACES)
        lines.append(f'    objects = obstacles_on(track, {places!r}, "{step.objects}")')
    steps = (*_steps_before(step), step)
    calls = ", ".join(f"place({placement_arguments(placed)})" for placed in steps)
    lines += [
        f"    reward = RewardBatch(load_reward({caller.reward.filename!r}), 1)",
        f"    reward([{calls}], {[0] * len(steps)})",
        "",
    ]
    return "\n".join(lines)


def _test_of_lap(caller: RewardCaller, failure: CallFailure) -> str:
    """A test file that fails as long as a lap of a scripted driver fails."""
    episode = failure.episode
    assert episode is not None
    lines = [
        "from racer.drivers.scripted import drive",
        "from racer.reward import RewardBatch, load_reward",
        "from racer.sim.params import build_params",
        "from racer.track import load_track",
        "",
        "",
        f"def test_{_test_name(failure)}():",
        f"    lap = drive(load_track({episode.track.name!r}), {episode.driver!r})",
        "    steps = build_params(lap.rows[lap.rows['steps'] > 1], lap.tracks)",
        f"    reward = RewardBatch(load_reward({caller.reward.filename!r}), 1)",
        "    reward(steps, [0] * len(steps))",
        "",
    ]
    return "\n".join(lines)


def _test_name(failure: CallFailure) -> str:
    fact = CODES[failure.code].name.replace("-", "_")
    if failure.code == "RW201" and failure.exception:
        fact = failure.exception.lower()
    return f"no_{fact}_at_line_{failure.line}"
