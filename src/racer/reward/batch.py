"""Prices for a batch of cars: the one place where a user's reward function is called."""

from __future__ import annotations

import os
import pickle
import weakref
from collections.abc import Callable, Sequence
from itertools import count
from math import hypot, isfinite
from operator import length_hint
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import UsageError
from racer.reward import snapshot as state
from racer.reward.errors import (
    MAX_ABS_REWARD,
    RewardRefused,
    describe_exception,
    line_of_error,
    make_refusal,
    user_trace,
)
from racer.reward.instance import RewardEntry, RewardInstance, execute_reward, forget_modules
from racer.reward.isolation import (
    PrintFlood,
    Surroundings,
    ThreadWatch,
    has_changed,
    snapshot_params,
    trace_return_line,
)
from racer.reward.load import RewardFunction
from racer.reward.watchdog import RewardTimeout, WatchSlot, price_calls

REWARD_TIMEOUT_S = 5.0  # s: what the official validator grants a call
MAX_PRINTED_CHARS = 64 * 2**20  # characters, besides an allowance for every call
INSPECTED_CALLS = 256  # calls that are watched for changes of their params
# batches after each of which the shared modules are looked through, and then every 256th
PATCH_CHECK_BATCHES = 8

Params = dict[str, Any]
_SERIAL = count()


class RewardBatch:
    """One instance of a reward file a car, and what they share (a class: it owns modules and their
    state).

    `timeout` in s for one call, 0 for none. `seed` starts the global random generators as the
    reward sees them. `last_words` gets the error when a call can only be stopped by ending the
    process, just before that happens; it is told in another thread. Raises RewardRefused when the
    file cannot be executed, UsageError when it has no fitting `reward_function`.
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
        self.reward, self.n = reward, n
        self._timeout = timeout
        self._last_words = last_words
        self._around = Surroundings(reward, print_limit, seed)
        self._threads = ThreadWatch()
        self._slot = WatchSlot(reward.filename, timeout, weakref.WeakMethod(self._say_last_words))
        self._arguments: Sequence[Any] = ()
        self._cars: Sequence[int] | None = None
        self._batches = 0
        self._mutations = 0
        self._mutates = bool(reward.syntax.mutations)
        self._lost: list[str] = []
        names = [f"racer_reward_{reward.sha256[:8]}_{next(_SERIAL)}_{k}" for k in range(n)]
        weakref.finalize(self, forget_modules, names)
        self._instances: list[RewardInstance] = self._run(
            [lambda name: execute_reward(reward, name)] * n, names, None
        )
        self._calls: list[RewardEntry] = [instance.call for instance in self._instances]
        self._around.notice_patches()

    def __call__(
        self, params: Sequence[Params], cars: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """(K,) rewards of these params, one a car: of all cars in order, or of those in `cars`.

        RewardRefused when any call does what the real job refuses; the cars after it are not priced
        then.
        """
        calls = self._calls if cars is None else [self._calls[car] for car in cars]
        if len(calls) != len(params):
            raise ValueError(f"{len(params)} params for {len(calls)} cars")
        sink = self._around.sink
        sink.calls += len(params)
        self._batches += 1
        # the params are kept as they were for the first calls, and for all calls of a file that
        # changes them
        is_inspecting = sink.calls <= INSPECTED_CALLS or self._mutations or self._mutates
        originals = [snapshot_params(p) for p in params] if is_inspecting else None
        looks_for_patches = self._batches <= PATCH_CHECK_BATCHES or not self._batches % 256
        if looks_for_patches:
            self._around.remember()
        values = self._run(calls, params, cars, originals)
        if originals is not None:
            self._mutations += sum(map(has_changed, originals, params))
        if looks_for_patches:
            self._around.notice_patches()
        try:
            rewards = np.array(values, dtype=np.float64)
            if rewards.shape == (len(values),) and _are_within_limits(values, rewards):
                return rewards
        except (TypeError, ValueError, OverflowError):
            pass
        return self._one_by_one(values, originals or params, cars)

    def returned(self, params: Sequence[Params]) -> list[Any]:
        """What the calls return for these params, one a car, as it is: not read as numbers, and of
        any type.

        RewardRefused when one raises or does not come back.
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
    def printed(self) -> str:
        """The first few kB of what the reward function printed."""
        return self._around.sink.kept

    @property
    def prints(self) -> list[tuple[int, int, str]]:
        """Line, number of writes and first text of every place that printed."""
        return [
            (place.line, place.writes, place.first)
            for place in self._around.sink.places.values()
            if place.first
        ]

    @property
    def patches(self) -> list[str]:
        """What the reward function replaced in modules that it shares with the program, such as
        `math.sqrt`.
        """
        return [f"{module}.{key}" for module, key in self._around.patches]

    @property
    def namespaces(self) -> list[dict[str, dict[str, Any]]]:
        """What every instance remembers: by module ("" is the file itself), its names and values.
        Not for changing.
        """
        return [
            {key: vars(module) for key, module in one.modules.items()} for one in self._instances
        ]

    def snapshot(self) -> bytes:
        """Everything that the instances remember. What cannot be saved is named in `notes()`."""
        frozen = [state.freeze_instance(instance) for instance in self._instances]
        self._lost = sorted({name for _, lost in frozen for name in lost})
        blobs = {raw: k for k, raw in enumerate(dict.fromkeys(raw for raw, _ in frozen))}
        return pickle.dumps(
            {
                "sha256": self.reward.sha256,
                "blobs": list(blobs),
                "cars": [blobs[raw] for raw, _ in frozen],
                "generators": self._around.generators,
            }
        )

    def restore(self, saved: bytes) -> None:
        """Put the instances, which must be fresh, into the state of a `snapshot` of the same file
        and as many cars.
        """
        found = pickle.loads(saved)
        if found["sha256"] != self.reward.sha256:
            raise UsageError(
                f"{self.reward.filename} has changed since this run was saved: start a new run"
            )
        if len(found["cars"]) != self.n:
            raise UsageError(f"the saved state is of {len(found['cars'])} cars, not of {self.n}")
        for instance, k in zip(self._instances, found["cars"], strict=True):
            state.thaw_instance(instance, found["blobs"][k])
        self._calls = [
            vars(instance.modules[""])["reward_function"] for instance in self._instances
        ]
        self._around.generators = found["generators"]

    def notes(self) -> list[str]:
        """Sentences on what the reward did that a user may want to know: prints, changed params,
        replaced functions.
        """
        name, syntax, around = self.reward.filename, self.reward.syntax, self._around
        notes = [*self.reward.notes, *around.sink.notes()]
        if self._mutations:
            lines = ", ".join(map(str, syntax.mutations)) or "a line that could not be told"
            notes.append(
                f"{name} changes its params at line {lines}; without effect on the simulator"
            )
        for module, key in around.patches:
            notes.append(f"{name} replaces {module}.{key}; the simulator goes on with the real one")
        if around.replaced_streams:
            notes.append(f"{name} replaces sys.stdout; it was put back")
        if self._lost:
            notes.append(
                f"{name}: cannot be saved, so a resumed training starts it afresh: {', '.join(self._lost)}"
            )
        return notes

    def _run(
        self,
        calls: Sequence[Any],
        arguments: Sequence[Any],
        cars: Sequence[int] | None,
        originals: Any = None,
    ) -> list[Any]:
        """What the calls say to their arguments, under watch; RewardRefused for the first that
        fails.
        """
        iterator = iter(arguments)
        self._arguments, self._cars = arguments, cars
        slot, around = self._slot, self._around
        failure: BaseException | None = None
        values: list[Any] = []
        self._threads.before()
        try:
            around.enter()
            slot.begin(iterator)
            around.sink.thread = slot.thread
            values = price_calls(calls, iterator)
        except BaseException as error:
            failure = error
        struck: bool | None = None
        while struck is None:
            try:  # noqa: SIM105 the exception could land in contextlib.suppress
                struck = slot.end()
            except RewardTimeout:  # one that was on its way when the call came back
                pass
        around.leave()
        at = len(arguments) - length_hint(iterator) - 1
        if failure is not None:
            around.notice_patches()
            # Ctrl-C comes before the first call, too
            argument = (originals or arguments)[at] if at >= 0 else None
            raise self._failed(failure, at, argument, struck) from None
        if around.sink.size and around.sink.flooded:
            raise self._failed(PrintFlood(around.sink.last_line), at, arguments[at], False)
        self._check_threads(at)
        return values

    def _failed(self, error: BaseException, at: int, argument: Any, struck: bool) -> BaseException:
        """What to raise for an exception that came out of call `at`."""
        if isinstance(error, UsageError):
            return error
        if isinstance(error, KeyboardInterrupt) and not struck and not _was_raised_by_code(error):
            return error  # the user at the keyboard
        line = line_of_error(error, self.reward)
        what = describe_exception(error)
        if isinstance(error, PrintFlood):
            line = line or error.args[0]
            what = f"the reward function printed {self._around.sink.size / 1e6:,.0f} MB, more than is kept for it"
        elif isinstance(error, RewardTimeout) or struck:
            line = self._slot.line or line
            what = f"the reward function did not come back within {self._timeout:g} s (--reward-timeout)"
        refusal = self._refusal(
            line, what, at, argument, "" if struck else user_trace(error, self.reward)
        )
        refusal.raised = type(error).__name__
        return refusal

    def _refusal(
        self, line: int, what: str, at: int, argument: Any, trace: str = ""
    ) -> RewardRefused:
        if not isinstance(argument, dict):  # the name of a module: the file is being executed
            return make_refusal(
                self.reward,
                line,
                what.replace("the reward function", "the file, when loaded,"),
                trace=trace,
            )
        car = at if self._cars is None else self._cars[at]
        refusal = make_refusal(self.reward, line, what, params=argument, car=int(car), trace=trace)
        refusal.at = at
        return refusal

    def _check_threads(self, at: int) -> None:
        left = self._threads.left_behind(self.reward)
        if left is None:
            return
        name, line = left
        what = f"the reward function left a thread behind ({name}), which the job would never end"
        raise self._refusal(line, what, max(at, 0), self._arguments[max(at, 0)])

    def _say_last_words(self, line: int, remaining: int) -> None:
        at = len(self._arguments) - remaining - 1
        what = (
            f"the reward function did not come back within {self._timeout:g} s (--reward-timeout) "
            "and could not be interrupted, so racer ended"
        )
        error = self._refusal(line, what, at, self._arguments[at])
        os.write(2, f"{error}\n".encode(errors="backslashreplace"))
        if self._last_words is not None:
            self._last_words(error)

    def _one_by_one(
        self, values: list[Any], params: Sequence[Params], cars: Sequence[int] | None
    ) -> NDArray[np.float64]:
        """The same rewards by Python's `float`, as the real job reads them, or the error for the
        first it refuses.
        """
        rewards = np.empty(len(values))
        for at, value in enumerate(values):
            complaint = _complaint(value)
            if complaint:
                line = self._line_that_returned(at, value, params, cars)
                self._arguments, self._cars = params, cars  # the traced call was a batch of its own
                raise self._refusal(
                    line, f"the reward function returned {complaint}", at, params[at]
                )
            rewards[at] = float(value)
        return rewards

    def _line_that_returned(
        self, at: int, value: Any, params: Sequence[Params], cars: Sequence[int] | None
    ) -> int:
        """The line on which the user's function returned such a value: the call is made once more,
        and traced.
        """
        call = self._calls[at if cars is None else cars[at]]
        found: list[tuple[int, Any]] = []
        try:
            self._run(
                [lambda p: found.append(trace_return_line(call, p, self.reward.filename))],
                [dict(params[at])],
                [at],
            )
        except RewardRefused:
            found.clear()
        if found and type(found[0][1]) is type(value):
            return found[0][0]
        return self.reward.syntax.entry.lineno if self.reward.syntax.entry else 0


def _are_within_limits(values: list[Any], rewards: NDArray[np.float64]) -> bool:
    """Whether none is nan, infinite or too large. The root of all squares mostly tells, in a fifth
    of numpy's time.

    nan fails the comparison, and so does None, which numpy takes for nan.
    """
    return hypot(*values) < MAX_ABS_REWARD or np.count_nonzero(
        np.abs(rewards) <= MAX_ABS_REWARD
    ) == len(values)


def _complaint(value: Any) -> str:
    """What the real job has against this value (SIMULATOR.md 1.7), or nothing."""
    shown = _shown(value)
    try:
        number = float(value)
    except Exception:
        return f"{shown}, which is no number"
    if not isfinite(number):
        return f"{shown}, which the real job refuses"
    return (
        ""
        if abs(number) <= MAX_ABS_REWARD
        else f"{shown}, beyond the {MAX_ABS_REWARD:,.0f} that the real job accepts"
    )


def _shown(value: Any) -> str:
    """A value in a sentence. Its `repr` is the user's code, and may raise."""
    if value is None or isinstance(value, bool | int | float | str):
        text = repr(value)
    else:
        try:
            text = f"{type(value).__name__} {value!r}"
        except BaseException:
            text = f"an object of type {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def _was_raised_by_code(error: BaseException) -> bool:
    """Whether a `raise` statement raised this, and not a signal."""
    import dis

    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    return dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
