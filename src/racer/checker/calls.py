"""Calls of one reward under watch, as many as can be afforded: rewards, or failures on record."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from racer.checker.findings import CODES_OF_REFUSALS, CODES_OF_UNUSABLE, Finding, Severity
from racer.checker.steps import TrialEpisode
from racer.errors import RacerError, did_you_mean
from racer.reward import (
    RewardBatch,
    RewardFunction,
    RewardRefused,
    RewardUnusable,
    describe_refusal,
    describe_unusable,
)
from racer.sim.params import Params, copy_params

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
