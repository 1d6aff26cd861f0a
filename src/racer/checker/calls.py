"""Calls under watch, as many as can be afforded, and what comes of them: rewards, or failures that
go on record.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.checker.cases import TrialEpisode
from racer.checker.findings import Finding
from racer.errors import RacerError, did_you_mean
from racer.reward import RewardBatch, RewardFunction, RewardRefused
from racer.sim.params import Params, copy_params

PIECE_TIME_S = 0.1  # s that the calls between two signs of life are to take
MAX_TRIAL_PRINTED_CHARS = (
    2**22
)  # characters that may be printed, besides an allowance for every call
MAX_EPISODE_FAILURES = 40  # of an episode; then it is given up
SILENCING_CODES = {
    "RW206",
    "RW208",
    "RW209",
    "RW210",
    "RW211",
}  # after one of these nothing else is tried
Array = NDArray[np.float64]
_WALL, _WORK = time.perf_counter, time.process_time  # bound here: a reward may replace them


@dataclass(frozen=True)
class CallFailure:
    """A call that the real job would have ended for. `k` is the step of the episode, -1 while the
    file was loaded.
    """

    code: str
    line: int
    message: str
    k: int = -1
    episode: TrialEpisode | None = None
    raised: str = ""

    @property
    def kind(self) -> tuple[str, int]:
        """What makes two failures the same."""
        return self.code, self.line


@dataclass
class RewardCaller:
    """Makes instances of one reward and calls them (mutable: it counts, and keeps the time)."""

    reward: RewardFunction
    timeout: float
    alive: Callable[[], None] = lambda: None
    last_words: Callable[[RewardRefused], None] | None = None
    calls: int = 0
    pace: float = 2e-5  # s a call, as seen last

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

    def price(self, batch: RewardBatch, params: Sequence[dict[str, Any]], car: int = 0) -> Array:
        """Rewards of params in order, all by instance `car`. RewardRefused at the first that fails."""
        spent = TimeBudget(0.0)
        values = batch(params, [car] * len(params))
        self.calls += len(params)
        self.pace = max(-spent.left / max(len(params), 1), 1e-7)
        self.alive()
        return values

    def run(
        self, batch: RewardBatch, episode: TrialEpisode, car: int = 0
    ) -> tuple[Array, list[CallFailure]]:
        """Rewards of an episode, nan around failures, and the failures. A silent failure ends it."""
        values, k, piece = np.full(len(episode.params), np.nan), 0, 1
        failures: list[CallFailure] = []
        while k < len(episode.params) and len(failures) < MAX_EPISODE_FAILURES:
            told = [copy_any_params(p) for p in episode.params[k : k + piece]]
            try:
                values[k : k + len(told)] = self.price(batch, told, car)
                k += len(told)
                piece = int(min(max(PIECE_TIME_S / self.pace, 1), 1024))
            except RewardRefused as error:
                failure = failure_from_refusal(error, self.reward, k + max(error.at, 0), episode)
                failures.append(failure)
                k = failure.k + 1
                piece = max(piece // 4, 1)
                self.alive()
                if failure.code in SILENCING_CODES:
                    break
        return values, failures


@dataclass
class TimeBudget:
    """Seconds of work that may be spent from now on; waiting, or a busy machine, counts for a
    third.
    """

    seconds: float
    started: float = field(default_factory=_WALL)
    worked: float = field(default_factory=_WORK)

    @property
    def left(self) -> float:
        return self.seconds - max(_WORK() - self.worked, (_WALL() - self.started) / 3.0)


def copy_any_params(told: dict[str, Any]) -> dict[str, Any]:
    """An independent copy of params."""
    return copy_params(told)  # type: ignore[arg-type, return-value]


def failure_from_refusal(
    error: RewardRefused, reward: RewardFunction, k: int, episode: TrialEpisode | None
) -> CallFailure:
    """What a refusal says, on record."""
    message = _sentence(str(error), reward)
    return CallFailure(_code(message, error), error.line, message, k, episode, error.raised)


def load_failure_finding(error: RacerError, reward: RewardFunction) -> Finding:
    """What keeps a file from being executed, or from being a reward function."""
    message = _sentence(str(error), reward)
    found = re.match(r"(\d+): (.*)", message, re.DOTALL)
    line, message = (int(found[1]), found[2]) if found else (getattr(error, "line", 0), message)
    code = next((code for mark, code in _LOAD if mark in message), "RW105")
    if isinstance(error, RewardRefused) and error.raised == "ModuleNotFoundError":
        code = "RW106"
    return Finding(code, message, reward.filename, line)


def finding_from_failure(failure: CallFailure, reward: RewardFunction, **more: Any) -> Finding:
    """The finding of a failure: unknown keys have a code of their own."""
    code, message = failure.code, failure.message
    key = re.search(r"raised KeyError: '(\w+)' is not there", message)
    if code == "RW201" and key and _reads(reward, key[1]) and key[1] not in PARAMS_KEYS:
        near = did_you_mean(key[1], PARAMS_KEYS)
        more.setdefault("severity", "error")
        return Finding(
            "RW307", f"params have no {key[1]!r}{near}", reward.filename, failure.line, **more
        )
    return Finding(code, message, reward.filename, failure.line, **more)


PARAMS_KEYS = list(Params.__annotations__)
_LOAD = (
    ("defines no reward_function", "RW102"),
    ("reward function of 2018", "RW104"),
    ("reward_function takes", "RW103"),
    ("reward_function is", "RW103"),
    ("reward_function holds", "RW103"),
)
_CODES = (
    ("did not come back", "RW206"),
    ("does not come back", "RW206"),
    ("more than is kept for it", "RW210"),
    ("left a thread behind", "RW209"),
    ("can't start new thread", "RW209"),
    ("tried to exit", "RW208"),
    ("ran out of memory", "RW211"),
    ("which is no number", "RW205"),
    ("beyond the", "RW204"),
)


def _code(message: str, error: RewardRefused) -> str:
    if "the reward function returned" in message:
        if "which the real job refuses" in message:
            return "RW202" if re.search(r"returned \S*\s?\S*nan", message) else "RW203"
        return "RW205" if "which is no number" in message else "RW204"
    return next((code for mark, code in _CODES if mark in message), "RW201")


def _sentence(text: str, reward: RewardFunction) -> str:
    """A refusal without the file, the line (where it is known) and the car: findings say these
    themselves.
    """
    text = (
        text.removeprefix(f"{reward.filename}:") if text.startswith(f"{reward.filename}:") else text
    )
    text = re.sub(r"^\d+: (?=the |this )", "", text).removeprefix(" ")
    return re.sub(r" \(car \d+(, step [^)]*)?\)$", "", text).replace(" (--reward-timeout)", "")


def _reads(reward: RewardFunction, key: str) -> bool:
    """Whether the file reads that key of something that a function is given."""
    nodes = ast.walk(reward.syntax.tree)
    names = {
        argument.arg for node in nodes if isinstance(node, ast.arguments) for argument in node.args
    }
    return any(
        re.search(rf"""\b{name}\s*\[\s*["']{re.escape(key)}["']""", reward.source) for name in names
    )


def distinct_failures(failures: Iterable[CallFailure]) -> list[CallFailure]:
    """The first failure of each kind."""
    found: dict[tuple[str, int], CallFailure] = {}
    for failure in failures:
        found.setdefault(failure.kind, failure)
    return list(found.values())
