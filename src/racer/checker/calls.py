"""Calls of one reward under watch: rewards, or failures on record, and the smallest step that shows a
failure.
"""

from __future__ import annotations

import ast
import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from racer.checker.cases import MIN_TABLE_ROWS, TrialEpisode
from racer.checker.findings import CODES_OF_REFUSALS, CODES_OF_UNUSABLE, Finding, Severity
from racer.errors import RacerError, did_you_mean
from racer.reward import (
    RewardBatch,
    RewardFunction,
    RewardRefused,
    RewardUnusable,
    describe_refusal,
    describe_unusable,
    seconds_waited,
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
AT_REST = "if an action commands 0 m/s"

NOT_THERE = "import it at the top of the file: math, random, numpy, scipy and shapely are there"
CURES_OF_EXCEPTIONS = {
    "NameError": "give that name a value first, or import it",
    "UnboundLocalError": "give it a value on every path to this line",
    "RecursionError": "bound the recursion",
    "ImportError": NOT_THERE,
    "ModuleNotFoundError": NOT_THERE,
}
"""What no guard of a case mends."""

# bound here, as a reward may replace them in their module
_WALL_CLOCK = time.perf_counter


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

    @property
    def is_at_rest(self) -> bool:
        """Whether the action commands 0 m/s, which few action spaces have."""
        return self.episode is not None and self.episode.params[self.k]["speed"] <= 0.0


class TimeIsUp(Exception):
    """The trial of a file took as long as it may. What was found until then counts."""


class TrialClock:
    """Counts the seconds that this thread has worked or slept, and not those for which a busy machine
    kept it waiting.
    """

    def __init__(self, limit: float = math.inf) -> None:
        self._limit = limit
        self._began = _WALL_CLOCK()
        self._waited = seconds_waited()

    @property
    def seconds(self) -> float:
        """Seconds since the clock was made."""
        wall = _WALL_CLOCK() - self._began
        return max(wall - (seconds_waited() - self._waited), 0.0)

    @property
    def is_up(self) -> bool:
        """Whether the limit is passed. Costs little as long as it cannot be."""
        return _WALL_CLOCK() - self._began > self._limit and self.seconds > self._limit


@dataclass
class RewardCaller:
    """Makes instances of one reward, calls them, and counts the calls.

    Attributes
    ----------
    timeout
        Seconds for one call.
    on_progress
        Called after each batch of calls: a sign of life.
    last_words
        Gets the error just before the process is ended for a call that nothing else can stop.
    clock
        When it is up, calls raise TimeIsUp.
    calls
        How many calls were made for a result. Not those that measure times.
    work
        Seconds of one call as its lines are counted (see `coverage.count_work`): the same on every
        machine, so that what is tried does not depend on how fast one is.
    pace
        Seconds for one call, as measured last. Decides on nothing but the time between two signs of
        life.
    """

    reward: RewardFunction
    timeout: float
    on_progress: Callable[[], None] = lambda: None
    last_words: Callable[[RewardRefused], None] | None = None
    clock: TrialClock = field(default_factory=TrialClock)
    calls: int = 0
    work: float = 1e-6
    pace: float = 2e-5

    def affordable(self, seconds: float, least: int, most: int) -> int:
        """How many calls so many seconds of work are, between `least` and `most`."""
        return min(max(int(seconds / self.work), least), most)

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

        Raises RewardRefused at the first that fails; its `call` is the number of that one.
        """
        rewards = [np.empty(0)]
        start = 0
        while start < len(params):
            some = params[start : start + self.batch_size]
            try:
                rewards.append(self.rewards_in_place(batch, copies_of(some), car))
            except RewardRefused as error:
                error.call += start
                self.calls -= (
                    start  # as many on every machine: what came before it counts for nothing
                )
                raise
            start += len(some)
        return np.concatenate(rewards)

    def rewards_in_place(
        self, batch: RewardBatch, params: Sequence[dict[str, Any]], car: int = 0
    ) -> Array:
        """(K,) rewards of K params, which the reward itself may change."""
        if self.clock.is_up:
            raise TimeIsUp
        started = _WALL_CLOCK()
        rewards = batch(params, [car] * len(params))
        self.calls += len(params)
        self.pace = max((_WALL_CLOCK() - started) / max(len(params), 1), 1e-7)
        self.on_progress()
        return rewards

    @property
    def batch_size(self) -> int:
        """How many calls go between two signs of life. What comes of them does not depend on it."""
        return int(min(max(BATCH_TIME_S / self.pace, 1), MAX_BATCH_CALLS))

    def run_episode(self, episode: TrialEpisode) -> tuple[Array, list[CallFailure]]:
        """Rewards of an episode by a new instance, nan around failures, and the failures. One whose
        code silences ends the episode.

        Raises RewardRefused when the file cannot be loaded.
        """
        try:
            return self.rewards(self.instance(), episode.params), []
        except RewardRefused as error:
            if error.is_loading:
                raise
            failure = CallFailure(without_traceback(error), error.call, episode)
        if failure.code in SILENCING_CODES:
            return np.full(len(episode.params), np.nan), [failure]
        return self._one_by_one(episode)

    def _one_by_one(self, episode: TrialEpisode) -> tuple[Array, list[CallFailure]]:
        """The same, each call by itself: what is known of one does not depend on those that failed
        beside it.
        """
        rewards = np.full(len(episode.params), np.nan)
        failures: list[CallFailure] = []
        batch = self.instance()
        for k, params in enumerate(episode.params):
            try:
                rewards[k] = self.rewards_in_place(batch, copies_of([params]))[0]
            except RewardRefused as error:
                failure = CallFailure(without_traceback(error), k, episode)
                failures.append(failure)
                self.on_progress()
                if failure.code in SILENCING_CODES or len(failures) >= MAX_EPISODE_FAILURES:
                    break
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
    """The finding of a failure. Keys that params never have get a code of their own, and a failure at
    0 m/s alone is a warning.
    """
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
    remedy = ""
    if failure.code == "RW201":
        remedy = CURES_OF_EXCEPTIONS.get(refusal.exception, "")
    severity = None
    if failure.is_at_rest and failure.code not in SILENCING_CODES:
        severity = Severity.WARNING
        circumstances = "; ".join(filter(None, (AT_REST, circumstances)))
    return Finding(
        failure.code,
        describe_refusal(refusal),
        reward.filename,
        failure.line,
        remedy=remedy,
        severity=severity,
        circumstances=circumstances,
        exception=refusal.exception,
        params=params,
        test=test,
    )


def distinct_failures(failures: Iterable[CallFailure]) -> list[CallFailure]:
    """One failure of each kind: the first of a car that an action moves, where there is one."""
    by_kind: dict[tuple[str, int], CallFailure] = {}
    for failure in failures:
        known = by_kind.setdefault(failure.kind, failure)
        if known.is_at_rest and not failure.is_at_rest:
            by_kind[failure.kind] = failure
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


def looks_up_table(reward: RewardFunction, line: int) -> bool:
    """Whether what stands on a line takes an element of a literal table of the file, or of what is
    made of one.
    """
    names = _names_of_tables(reward.syntax.tree)
    for node in ast.walk(reward.syntax.tree):
        if not isinstance(node, ast.Subscript):
            continue
        if node.lineno <= line <= (node.end_lineno or line) and _mentions_table(node.value, names):
            return True
    return False


def _names_of_tables(tree: ast.AST) -> set[str]:
    """The names, also of attributes and functions, behind which there is a literal table or what is
    made of one.
    """
    nodes = list(ast.walk(tree))
    functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
    names: set[str] = set()
    before = -1
    while len(names) > before:
        before = len(names)
        for node in nodes:
            names |= _names_made_of_tables(node, names, functions)
    return names


def _names_made_of_tables(
    node: ast.AST, names: set[str], functions: dict[str, ast.FunctionDef]
) -> set[str]:
    """The names that a node gives to a table, or to what it makes of those behind `names`."""
    if isinstance(node, ast.Assign):
        targets = node.targets if _mentions_table(node.value, names) else []
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target] if node.value and _mentions_table(node.value, names) else []
    elif isinstance(node, ast.For | ast.comprehension):
        targets = [node.target] if _mentions_table(node.iter, names) else []
    elif isinstance(node, ast.FunctionDef):
        returns = [part for part in ast.walk(node) if isinstance(part, ast.Return) and part.value]
        makes = any(_mentions_table(part.value, names) for part in returns if part.value)
        return {node.name} if makes else set()
    elif isinstance(node, ast.Call):
        return _arguments_with_tables(node, names, functions)
    else:
        return set()
    return {name for target in targets for name in _names_in(target)}


def _arguments_with_tables(
    call: ast.Call, names: set[str], functions: dict[str, ast.FunctionDef]
) -> set[str]:
    """What a function of the file calls the tables that it is given."""
    [called] = _names_in(call.func) or {""}
    if called not in functions:
        return set()
    parameters = [argument.arg for argument in functions[called].args.args]
    if isinstance(call.func, ast.Attribute) and parameters[:1] == ["self"]:
        parameters = parameters[1:]
    given = dict(zip(parameters, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    return {name for name, value in given.items() if _mentions_table(value, names)}


def _mentions_table(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression holds a literal table or one of these names."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in names:
            return True
        if isinstance(part, ast.Attribute) and part.attr in names:
            return True
        if isinstance(part, ast.List | ast.Tuple | ast.Set) and len(part.elts) >= MIN_TABLE_ROWS:
            return True
        if isinstance(part, ast.Dict) and len(part.keys) >= MIN_TABLE_ROWS:
            return True
    return False


def _names_in(target: ast.AST) -> set[str]:
    """The names and attributes in the target of an assignment, but for what they are attributes of."""
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, ast.Attribute):
        return {target.attr}
    if isinstance(target, ast.Subscript | ast.Starred):
        return _names_in(target.value)
    if isinstance(target, ast.Tuple | ast.List):
        return {name for part in target.elts for name in _names_in(part)}
    return set()


def steps_in(episodes: Sequence[TrialEpisode]) -> int:
    """How many steps these episodes have."""
    return sum(len(episode.params) for episode in episodes)


def thinned(episodes: Sequence[TrialEpisode], count: int) -> list[TrialEpisode]:
    """Of the steps of these episodes about so many, on all tracks: every so-manieth place, the first
    ones, and as many of the laps, but one at least, as whole as they are.
    """
    stride = -(-sum(len(episode.params) for episode in episodes) // count)
    kept = []
    laps = 0
    for episode in episodes:
        if not episode.driver:
            kept.append(episode.only(slice(None, None, stride)))
            continue
        if laps % stride == 0:
            kept.append(episode)
        laps += 1
    return kept


def tracks_of_kind(failures: Sequence[CallFailure], kind: tuple[str, int]) -> set[str]:
    """Names of the tracks on which failures of a kind were seen."""
    names = set()
    for failure in failures:
        if failure.kind == kind and failure.episode is not None:
            names.add(failure.episode.track.name)
    return names
