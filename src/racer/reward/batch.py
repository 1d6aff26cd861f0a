"""Rewards for a batch of cars: the one place where a user's reward function is called."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from math import hypot
from operator import length_hint
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.reward import snapshot
from racer.reward.clock_use import name_clock
from racer.reward.errors import (
    MAX_ABS_REWARD,
    CallStopped,
    RefusalReason,
    RewardRefused,
    error_facts,
    mute_error_facts,
    read_result,
)
from racer.reward.isolation import (
    Params,
    PrintFlood,
    Surroundings,
    ThreadWatch,
    has_changed,
    snapshot_params,
    trace_return_line,
    was_raised_by_code,
)
from racer.reward.load import RewardFunction
from racer.reward.memory import plain_from_text, plain_to_text
from racer.reward.snapshot import RewardEntry, RewardInstance, execute_reward, forget_modules
from racer.reward.watchdog import CROWD_THREADS, RewardTimeout, WatchSlot, call_each

PLAIN_NUMBERS = {float, int, bool, *(np.dtype(kind).type for kind in "fdbhilBHIL")}
"""Types of results that numpy reads without asking code of the user."""
REWARD_TIMEOUT_S = 5.0
"""Seconds for one call: what the official validator grants."""
MAX_PRINTED_CHARS = 64 * 2**20
"""Characters that may be printed, besides an allowance for every call."""
INSPECTED_CALLS = 256
"""So many first calls are watched for changes of their params."""
PATCH_CHECK_BATCHES = 8
"""After so many first batches, and then after every 256th, the shared modules are looked through."""

_SERIAL = count()


class RewardBatch:
    """One instance of a reward file for each car, called with the params of all of them at once.

    Parameters
    ----------
    reward
        The file.
    n
        How many instances.
    timeout
        Seconds for one call, 0 for no limit.
    print_limit
        Characters that may be printed, besides an allowance for every call.
    seed
        Where the global random generators start, as the reward sees them.
    last_words
        Gets the error, in another thread, just before the process is ended for a call that nothing
        else can stop.

    Raises RewardRefused when the file does what the real job refuses while it is executed, and
    RewardUnusable when it has no fitting `reward_function`.

    Examples
    --------
    >>> from racer.reward import load_reward
    >>> batch = RewardBatch(load_reward("center_line"), n=2)
    >>> near = {"all_wheels_on_track": True, "distance_from_center": 0.0, "track_width": 0.8}
    >>> batch([near, near | {"distance_from_center": 0.3}]).tolist()
    [1.0, 0.1]
    >>> batch([{}], cars=[1])
    Traceback (most recent call last):
        ...
    racer.reward.errors.RewardRefused: ...KeyError: 'distance_from_center' is not there...
    """

    def __init__(
        self,
        reward: RewardFunction,
        n: int,
        *,
        timeout: float = REWARD_TIMEOUT_S,
        print_limit: int = MAX_PRINTED_CHARS,
        seed: int = 0,
        last_words: Callable[[RewardRefused], None] | None = None,
    ) -> None:
        self.reward = reward
        self.n = n
        self._timeout = timeout
        self._last_words = last_words
        self._around = Surroundings(reward, print_limit, seed)
        self._threads = ThreadWatch()
        self._starts_threads = bool(reward.syntax.starts)
        self._slot = WatchSlot(reward.filename, timeout, weakref.WeakMethod(self._say_last_words))
        self._arguments: Sequence[Any] = ()
        self._cars: Sequence[int] | None = None
        self._batches = 0
        self._mutations = 0
        self._mutates = bool(reward.syntax.mutations)
        self._unsaved: list[str] = []
        names = [f"racer_reward_{reward.sha256[:8]}_{next(_SERIAL)}_{k}" for k in range(n)]
        weakref.finalize(self, forget_modules, names)
        self._instances: list[RewardInstance] = self._run(
            [partial(execute_reward, reward)] * n, names, None
        )
        self._calls: list[RewardEntry] = [instance.call for instance in self._instances]
        self._around.notice_patches()

    def __call__(
        self, params: Sequence[Params], cars: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """(K,) rewards of K params, one for each car: of all cars in order, or of those in `cars`.

        Raises RewardRefused for the first call that does what the real job refuses; the cars after
        it are not called then.
        """
        calls = self._calls
        if cars is not None:
            calls = [self._calls[car] for car in cars]
        if len(calls) != len(params):
            raise ValueError(f"{len(params)} params for {len(calls)} cars")
        sink = self._around.sink
        sink.calls += len(params)
        self._batches += 1
        originals = None
        if sink.calls <= INSPECTED_CALLS or self._mutations or self._mutates:
            originals = [snapshot_params(p) for p in params]
        looks_for_patches = self._batches <= PATCH_CHECK_BATCHES or not self._batches % 256
        if looks_for_patches:
            self._around.remember()
        results = self._run(calls, params, cars, originals)
        if originals is not None:
            self._mutations += sum(map(has_changed, originals, params))
        if looks_for_patches:
            self._around.notice_patches()
        if PLAIN_NUMBERS.issuperset(map(type, results)):
            rewards = np.array(results, dtype=np.float64)
            if _are_within_limits(results, rewards):
                return rewards
        try:
            return self._one_by_one(results, originals or params, cars)
        finally:
            self._let_go(results, originals or params)

    def returned(self, params: Sequence[Params]) -> list[Any]:
        """What the calls return for these params, one for each car: not read as numbers, and of any
        type.

        Raises RewardRefused when a call raises or does not come back.
        """
        self._around.sink.calls += len(params)
        return self._run(self._calls, params, None)

    def traced(self, call: Callable[[Params], Any], params: Params) -> Any:
        """What `call` returns for one dict of params, called in the place of the reward function,
        under its watch.
        """
        return self._run([call], [params], [0])[0]

    @property
    def entry(self) -> RewardEntry:
        """The reward function of the first car itself. A call of it is not watched."""
        return self._calls[0]

    @property
    def namespace(self) -> dict[str, Any]:
        """The names that the first car's instance defines, with their values."""
        return dict(vars(self._instances[0].modules[""]))

    @property
    def printed(self) -> str:
        """The first few kB of what the reward function printed."""
        return self._around.sink.kept

    @property
    def prints(self) -> list[tuple[int, int, str]]:
        """Line, number of writes and first text of every place that printed."""
        printed = []
        for place in self._around.sink.places.values():
            if place.first:
                printed.append((place.line, place.writes, place.first))
        return printed

    @property
    def patches(self) -> list[str]:
        """What the reward function replaced in modules that it shares with the program, such as
        `math.sqrt`.
        """
        return [f"{module}.{key}" for module, key in self._around.patches]

    @property
    def unsaved(self) -> list[str]:
        """Descriptions of what the last `snapshot` could not save."""
        return list(self._unsaved)

    def remembered_values(self, car: int = 0) -> dict[str, bytes]:
        """The value of everything that an instance remembers, as comparable bytes, by name."""
        return snapshot.remembered_values(self._instances[car])

    def snapshot(self) -> bytes:
        """Everything that the instances remember. What cannot be saved is named in `unsaved`."""
        frozen = [snapshot.freeze_instance(instance) for instance in self._instances]
        unsaved: set[str] = set()
        numbers: dict[str, int] = {}  # cars of equal state share one text
        cars = []
        for text, lost in frozen:
            unsaved.update(lost)
            cars.append(numbers.setdefault(text, len(numbers)))
        self._unsaved = sorted(unsaved)
        state = {
            "sha256": self.reward.sha256,
            "texts": list(numbers),
            "cars": cars,
            "generators": plain_to_text(self._around.generators),
        }
        return json.dumps(state).encode()

    def restore(self, saved: bytes) -> None:
        """Put the instances, which must be fresh, into the state of a `snapshot` of the same file
        and as many cars.

        Nothing that the state holds is run. Raises UsageError for another state.
        """
        try:
            state = json.loads(saved)
            self._restore(state)
        except (ValueError, TypeError, LookupError) as error:
            raise UsageError(
                f"the saved state of {self.reward.filename} is damaged ({error}): train anew"
            ) from None

    def _restore(self, state: dict[str, Any]) -> None:
        if state["sha256"] != self.reward.sha256:
            raise UsageError(
                f"{self.reward.filename} has changed since this run was saved: start a new run"
            )
        if len(state["cars"]) != self.n:
            raise UsageError(f"the saved state is of {len(state['cars'])} cars, not of {self.n}")
        for instance, number in zip(self._instances, state["cars"], strict=True):
            snapshot.thaw_instance(instance, state["texts"][number])
        self._calls = [
            vars(instance.modules[""])["reward_function"] for instance in self._instances
        ]
        self._around.generators = plain_from_text(state["generators"])

    def notes(self) -> list[str]:
        """Sentences on what the reward did that a user may want to know: prints, changed params,
        replaced functions.
        """
        name = self.reward.filename
        around = self._around
        notes = [*self.reward.notes, *around.sink.notes()]
        if self._mutations:
            lines = ", ".join(map(str, self.reward.syntax.mutations))
            lines = lines or "an unknown line"
            notes.append(
                f"{name} changes its params at line {lines}; without effect on the simulator"
            )
        for module, key in around.patches:
            notes.append(f"{name} replaces {module}.{key}; the simulator goes on with the real one")
        if around.replaced_streams:
            notes.append(f"{name} replaces sys.stdout; it was put back")
        if self._unsaved:
            unsaved = ", ".join(self._unsaved)
            notes.append(
                f"{name}: cannot be saved, so a resumed training starts it afresh: {unsaved}"
            )
        return notes

    def _run(
        self,
        calls: Sequence[Any],
        arguments: Sequence[Any],
        cars: Sequence[int] | None,
        originals: Sequence[Params] | None = None,
    ) -> list[Any]:
        """What the calls return for their arguments, under watch; RewardRefused for the first that
        fails.
        """
        if self._starts_threads and len(calls) > 1:
            return self._run_in_turn(calls, arguments, cars, originals)
        self._arguments = arguments
        self._cars = cars
        around = self._around
        self._threads.before()
        results, failure, struck, at = self._under_watch(calls, arguments)
        if failure is not None:
            around.notice_patches()
            if self._slot.is_crowded:
                self._check_threads(at)
            # Ctrl-C comes before the first call, too
            argument = (originals or arguments)[at] if at >= 0 else None
            raise self._failed(failure, at, argument, struck) from None
        if not calls:  # what else ran is told with the next call
            return results
        if around.sink.size and around.sink.flooded:
            flood = PrintFlood(around.sink.last_line)
            raise self._failed(flood, at, arguments[at], struck=False)
        self._check_threads(at)
        return results

    def _run_in_turn(
        self,
        calls: Sequence[Any],
        arguments: Sequence[Any],
        cars: Sequence[int] | None,
        originals: Sequence[Params] | None,
    ) -> list[Any]:
        """As `_run`, but with a look behind each call: a thread of each of many cars would leave the
        others no time.
        """
        results = []
        for k in range(len(calls)):
            car = k if cars is None else cars[k]
            original = None if originals is None else originals[k : k + 1]
            try:
                results += self._run(calls[k : k + 1], arguments[k : k + 1], [car], original)
            except RewardRefused as error:
                if error.call >= 0:
                    error.call = k
                raise
        return results

    def _under_watch(
        self, calls: Sequence[Any], arguments: Sequence[Any]
    ) -> tuple[list[Any], BaseException | None, bool, int]:
        """What the calls return, what was raised out of them, whether the watchdog struck, and the
        index of the last call that began.
        """
        iterator = iter(arguments)
        slot = self._slot
        around = self._around
        failure: BaseException | None = None
        results: list[Any] = []
        try:
            around.enter()
            slot.begin(iterator)
            around.sink.thread = slot.thread
            results = call_each(calls, iterator)
        except BaseException as error:
            failure = error
        struck: bool | None = None
        while struck is None:
            try:  # noqa: SIM105 the exception could land in contextlib.suppress
                struck = slot.end()
            except RewardTimeout:  # one that was on its way when the call came back
                pass
        around.leave()
        remaining = length_hint(iterator)
        if struck and failure is None and not slot.is_crowded:
            # a call swallowed every stop, as a `__del__` does, and came back in the end
            failure = RewardTimeout()
            remaining = slot.stuck_remaining
        return results, failure, struck, len(arguments) - remaining - 1

    def _failed(self, error: BaseException, at: int, argument: Any, struck: bool) -> BaseException:
        """What to raise for an exception that came out of call `at`."""
        kind = type(error)  # its class may say something else
        if issubclass(kind, UsageError):
            return error
        if issubclass(kind, KeyboardInterrupt) and not struck and not was_raised_by_code(error):
            return error  # the user at the keyboard
        stuck_line = self._slot.line
        # its message and its attributes are the user's code
        read = partial(error_facts, reward=self.reward)
        answers, failure, struck_reading, _ = self._under_watch([read], [error])
        if struck_reading and not struck:  # the real job, which logs the message, would hang there
            struck = True
            stuck_line = self._slot.line
        facts = answers[0] if failure is None else mute_error_facts(error, self.reward)
        line = facts.pop("line")
        if isinstance(error, PrintFlood):
            line = line or error.line
            facts["printed"] = self._around.sink.size
        elif issubclass(kind, RewardTimeout) or struck:
            line = stuck_line or line
            facts["reason"] = RefusalReason.TIMEOUT
            facts["limit"] = self._timeout
        if struck or issubclass(kind, CallStopped):  # a traceback of racer's own
            facts.pop("trace", None)
        return self._refusal(facts, line, at, argument)

    def _refusal(self, facts: dict[str, Any], line: int, at: int, argument: Any) -> RewardRefused:
        """The error of call `at` with its argument: params, or the name of a module."""
        refusal = RewardRefused(
            path=self.reward.filename, line=line, source_line=self.reward.text_of(line), **facts
        )
        name_clock(refusal, self.reward.syntax.tree)
        if isinstance(argument, dict):
            car = at if self._cars is None else self._cars[at]
            refusal.params = argument
            refusal.car = int(car)
            refusal.call = at
        return refusal

    def _check_threads(self, at: int) -> None:
        left = self._threads.left_behind(self.reward)
        if left is not None:
            name, line = left
        elif self._slot.is_crowded:
            name = f"{CROWD_THREADS} and more at a time"
            line = next(iter(self.reward.syntax.starts), 0)
        else:
            return
        at = max(at, 0)
        facts = {"reason": RefusalReason.THREAD, "detail": name}
        raise self._refusal(facts, line, at, self._arguments[at])

    def _say_last_words(self, line: int, remaining: int) -> None:
        at = len(self._arguments) - remaining - 1
        facts = {"reason": RefusalReason.STUCK, "limit": self._timeout}
        error = self._refusal(facts, line, at, self._arguments[at])
        os.write(2, f"{error}\n".encode(errors="backslashreplace"))
        if self._last_words is not None:
            self._last_words(error)

    def _one_by_one(
        self, results: list[Any], params: Sequence[Params], cars: Sequence[int] | None
    ) -> NDArray[np.float64]:
        """The rewards by Python's `float`, as the real job reads them. Raises RewardRefused for the
        first that it refuses.
        """
        rewards = np.empty(len(results))
        for at in range(len(results)):
            # a result's own code is watched as the call was; no name here holds the last of it
            answers, failure, struck, _ = self._under_watch([read_result], results[at : at + 1])
            self._arguments = params
            self._cars = cars
            if failure is not None:
                raise self._failed(failure, at, params[at], struck) from None
            number, facts = answers[0]
            if facts:
                line = self._line_that_returned(at, type(results[at]), params, cars)
                # the traced call was a batch of its own
                self._arguments = params
                self._cars = cars
                raise self._refusal(facts, line, at, params[at])
            rewards[at] = number
        return rewards

    def _let_go(self, results: list[Any], params: Sequence[Params]) -> None:
        """Forget results under watch: an object of the user's may not want to go."""
        _, failure, struck, _ = self._under_watch([list.clear], [results])
        if failure is not None or struck:
            at = len(params) - 1
            raise self._failed(failure or RewardTimeout(), at, params[at], struck=True) from None

    def _line_that_returned(
        self, at: int, kind: type, params: Sequence[Params], cars: Sequence[int] | None
    ) -> int:
        """The line on which the user's function returned a value of that type: the call is made once
        more, and traced.
        """
        call = self._calls[at if cars is None else cars[at]]

        def trace(params: Params) -> tuple[int, type]:
            line, again = trace_return_line(call, params, self.reward.filename)
            return line, type(again)

        entry = self.reward.syntax.entry
        fallback = entry.lineno if entry else 0
        try:
            line, kind_again = self._run([trace], [dict(params[at])], [at])[0]
        except RewardRefused:
            return fallback
        return line if kind_again is kind else fallback


def _are_within_limits(results: list[Any], rewards: NDArray[np.float64]) -> bool:
    """Whether none is nan, infinite or too large.

    The root of all squares mostly tells, in a fifth of numpy's time: nan fails the comparison, and
    so does None, which numpy takes for nan.
    """
    if hypot(*results) < MAX_ABS_REWARD:
        return True
    return bool(np.all(np.abs(rewards) <= MAX_ABS_REWARD))
