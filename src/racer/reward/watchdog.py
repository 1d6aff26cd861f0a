"""The watch over calls that do not come back: who is stuck, how it is called back, and what happens
when nothing helps.

No call is timed. While rewards are calculated a daemon thread looks, four times per timeout, which
call is under way. Its progress is the length hint of the list iterator that the loop over the
calls draws from, so the loop pays nothing. A call that had a processor for the timeout, or slept
through four looks, is stuck. What a busy machine keeps it waiting does not count; what it runs does,
however late a look comes. Then the watchdog goes on step by step:

1. An exception is set in the calling thread. It is no `Exception`, so only a bare `except` holds
   it.
2. The same with a trace function that raises on every line, until no frame of the user's is left.
3. SIGINT, where the main thread sleeps in the kernel and Ctrl-C means KeyboardInterrupt.
4. The sentence is written to stderr and the process ends with exit code 1.

A batch whose calls start threads is ended as in step 2 as soon as a look finds CROWD_THREADS of
them: the check after the batch would come late, as they take the interpreter from each other.

C code that never gives up the interpreter's lock keeps even this thread from running. For it
`racer.reward.hard_timeout` counts down without the lock, and ends the process with exit code 1.
"""

from __future__ import annotations

import _thread
import atexit
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from operator import length_hint
from pathlib import Path
from typing import Any
from weakref import WeakMethod, WeakSet

from racer.reward.errors import (
    CallStopped,
    RefusalReason,
    line_in_stack,
)
from racer.reward.hard_timeout import (
    announce_reward_file,
    cancel_countdown,
    make_final,
    note_reward_file,
    start_countdown,
)
from racer.reward.thread_times import ThreadTimes, read_thread_times

WATCHDOG_THREAD = "racer reward watch"
"""The name of the thread that looks."""
LOOKS_PER_TIMEOUT = 4
MIN_LOOK_INTERVAL_S = 0.01
EXIT_TIME_S = 15.0
"""Seconds for the end of a program: it takes some to take PyTorch apart."""
IMPORT_PATIENCE_S = 30.0
"""Seconds that a call may take while it imports: a cold disk is slow."""
STRIKE_INTERVAL_S = 0.05
"""Seconds between the steps against a stuck call."""
INSISTING_STRIKE = 3
"""From this strike on the exception is raised on every line."""
INTERRUPTING_STRIKE = 6
"""From this strike on SIGINT is sent."""
LAST_STRIKE = 40
"""After this strike the process is ended."""
CROWD_THREADS = 4
"""So many more threads than at the beginning of a batch end it: each slows down all that follow."""

Progress = tuple[int, int]
"""The number of a batch, and how many of its calls have not begun; -1 between batches."""

# found at once: a guard may look at what is asked of C later
_LEN = ctypes.cast(ctypes.pythonapi.PyObject_Size, ctypes.c_void_p)
_SET_TRACE = ctypes.pythonapi.PyEval_SetTrace
_SET_TRACE.argtypes = (ctypes.c_void_p, ctypes.py_object)
_SET_TRACE.restype = None
_SET_ASYNC_EXC = ctypes.pythonapi.PyThreadState_SetAsyncExc
_PACKAGE = str(Path(__file__).parent)


def watch_exit() -> None:
    """Give the end of the program the time of a call: exit handlers and threads of a reward count."""
    if WATCHDOG.thread is None:
        cancel_countdown()
    else:
        start_countdown(EXIT_TIME_S)
    make_final()


class RewardTimeout(CallStopped):
    """Thrown into a call that does not come back."""

    reason = RefusalReason.TIMEOUT


class _InsistentTimeout(RewardTimeout):
    """A timeout for code that swallows everything: its making, in the stuck thread, begins to trace
    that thread.
    """

    def __init__(self) -> None:
        super().__init__()
        _UNWIND.begin()


class _Unwind:
    """The trace function: CPython calls `len()` of this object on every event, and raises what that
    raises.

    A Python trace function will not do: it is taken off as soon as it raises, and the next `except:
    pass` goes on.
    """

    outside: Any = None  # the trace function of a debugger or of coverage

    def begin(self) -> None:
        if sys.gettrace() is not self:  # type: ignore[comparison-overlap]
            self.outside = sys.gettrace()
        _SET_TRACE(_LEN, self)

    def end(self) -> None:
        if sys.gettrace() is self:  # type: ignore[comparison-overlap]
            sys.settrace(self.outside)

    def __len__(self) -> int:
        code = sys._getframe(1).f_code
        if code in _BEGINNING:
            return 0
        if not code.co_filename.startswith(_PACKAGE):
            raise RewardTimeout
        self.end()  # back in racer: no frame of the user's is left
        return 0


_UNWIND = _Unwind()
_BEGINNING = {_InsistentTimeout.__init__.__code__, _Unwind.begin.__code__}


def call_each(calls: Any, arguments: Iterator[Any]) -> list[Any]:
    """What each call returns for its argument: the loop that is watched."""
    return [call(argument) for call, argument in zip(calls, arguments, strict=False)]


class WatchSlot:
    """One batch of calls under watch, between `begin` and `end`.

    `strikes` counts the steps against a stuck call, `line` is where it was stuck, `stuck_remaining` how
    many calls had not begun then, and `fired` tells whether there was one in this batch; `is_crowded`,
    whether it was for the threads that its calls started. `first_look` holds the times of its thread
    and of the watchdog when the call under way was first seen; since then the watchdog has rested for
    `rested` s. `last_words` is called before the process is ended.
    """

    def __init__(
        self, filename: str, timeout: float, last_words: WeakMethod[Callable[[int, int], None]]
    ) -> None:
        self.filename = filename
        self.timeout = timeout
        self.last_words = last_words
        self.thread = 0
        self.native_thread = 0
        self.line = 0
        self.stuck_remaining = 0
        self.strikes = 0
        self.first_look: tuple[ThreadTimes, ThreadTimes] | None = None
        self.rested = 0.0
        self.last_progress: Progress = (-1, -1)
        self.fired = False
        self.is_crowded = False
        self.threads = _thread._count()
        # the set that watches this slot: another one after a fork
        self.home: WeakSet[WatchSlot] | None = None
        self.iterator: Iterator[Any] | None = None
        self.lock = threading.Lock()
        self._batch = 0

    def begin(self, iterator: Iterator[Any]) -> None:
        """Watch this thread, which draws the arguments of its calls from `iterator`."""
        self._batch += 1
        self.is_crowded = False
        self.threads = _thread._count()
        self.thread = threading.get_ident()
        self.native_thread = threading.get_native_id()
        self.iterator = iterator
        if not WATCHDOG.armed or self.home is not WATCHDOG.slots:
            WATCHDOG.arm(self)

    def end(self) -> bool:
        """Whether the watchdog struck during this batch. A RewardTimeout may land in this call, and
        none after it.
        """
        self.iterator = None
        return self.fired and self._settle()

    @property
    def progress(self) -> Progress:
        """Which call of which batch is under way."""
        iterator = self.iterator
        if iterator is None:
            return self._batch, -1
        return self._batch, length_hint(iterator)

    def _settle(self) -> bool:
        while True:
            try:
                with self.lock:
                    _UNWIND.end()
                    clear_async_exceptions()
                    self.fired = False
                return True
            # what was on its way when the call came back
            except (RewardTimeout, KeyboardInterrupt):
                continue


class Watchdog:
    """The thread that looks, and the hard timeout. Asleep while no rewards are calculated."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: at the start, and in the child of a fork, which has no threads."""
        self.armed = False
        self.slots: WeakSet[WatchSlot] = WeakSet()
        self.lock = threading.Lock()
        self.wake = threading.Event()
        self.sooner = threading.Event()
        self.resting_s = 0.0
        self.thread: threading.Thread | None = None

    def arm(self, slot: WatchSlot) -> None:
        """Watch this slot from now on, and look until no rewards are calculated any more."""
        if slot.home is not self.slots:
            note_reward_file(slot.filename)
        if slot.timeout <= 0.0:
            slot.home = self.slots
            return
        if slot.home is not self.slots:
            with self.lock:
                self.slots.add(slot)
                if _look_interval([slot]) < self.resting_s:
                    self.sooner.set()
            slot.home = self.slots
            announce_reward_file(slot.filename)
        start_countdown(self._patience())
        self.armed = True
        if self.thread is None:
            self.thread = threading.Thread(target=self._run, name=WATCHDOG_THREAD, daemon=True)
            self.thread.start()
        self.wake.set()

    def _run(self) -> None:
        while True:
            self.wake.wait()
            self._look_around()

    def _look_around(self) -> None:
        """One look at every slot; where nothing happened since the last one, the watchdog sleeps
        until a slot arms it again.

        A batch that begins meanwhile either sees that the watchdog is no longer armed, or is seen
        here: the order counts.
        """
        rested = self._rest()
        with self.lock:
            slots = list(self.slots)
        is_busy = [self._look(slot, rested) for slot in slots]
        if any(is_busy):
            start_countdown(self._patience())
            return
        cancel_countdown()
        self.wake.clear()
        self.armed = False
        with self.lock:
            has_begun = any(slot.iterator is not None for slot in self.slots)
        if has_begun:
            start_countdown(self._patience())
            self.armed = True
            self.wake.set()

    def _rest(self) -> float:
        """Sleep until the next look; for how many seconds, if nothing else kept this thread.

        A slot of a shorter timeout, that comes meanwhile, does not wait for the end of a longer one's.
        """
        while True:
            with self.lock:
                self.sooner.clear()
                self.resting_s = _look_interval(self.slots)
            if not self.sooner.wait(self.resting_s):
                return self.resting_s

    def _patience(self) -> float:
        with self.lock:
            longest = max((slot.timeout for slot in self.slots), default=5.0)
        return max(3.0 * longest, longest + 5.0)

    def _look(self, slot: WatchSlot, rested: float) -> bool:
        """Whether this slot was at work since the last look, `rested` s ago; strike where it is stuck."""
        progress = slot.progress
        last_progress = slot.last_progress
        slot.last_progress = progress
        if progress[1] >= 0 and _thread._count() - slot.threads >= CROWD_THREADS:
            _stop_crowd(slot, progress[0])
            return True
        if progress[1] < 0:
            slot.strikes = 0
            return progress != last_progress
        now = read_thread_times(slot.native_thread), read_thread_times()
        if progress != last_progress or slot.first_look is None:
            slot.first_look = now
            slot.rested = 0.0
            slot.strikes = 0
            return True
        slot.rested += rested
        patience = slot.timeout
        if _is_importing(slot.thread):
            patience = max(IMPORT_PATIENCE_S, patience)
        times = now[0].since(slot.first_look[0])
        of_watch = now[1].since(slot.first_look[1])
        if slot.strikes or seconds_taken(times, of_watch, slot.rested) >= patience:
            _strike(slot, progress)
        return True


def seconds_taken(times: ThreadTimes, of_watch: ThreadTimes, rested: float) -> float:
    """Seconds that a call has taken: what its thread ran, and what it slept, no more of this than the
    watchdog meant to rest. So neither a process that is stopped (Ctrl-Z) for a minute is stuck, nor a
    call that waits for the interpreter while the watchdog, which has it, waits for a processor.
    """
    slept = times.wall - times.ran - times.waited - of_watch.waited
    return times.ran + min(max(slept, 0.0), rested)


def _look_interval(slots: Collection[WatchSlot]) -> float:
    """Seconds between two looks at these slots."""
    if any(slot.strikes for slot in slots):
        return STRIKE_INTERVAL_S
    shortest = min((slot.timeout for slot in slots), default=1.0)
    return max(shortest / LOOKS_PER_TIMEOUT, MIN_LOOK_INTERVAL_S)


def _strike(slot: WatchSlot, progress: Progress) -> None:
    """Take the next step against a stuck call."""
    if not slot.strikes:
        slot.line = line_in_stack(sys._current_frames().get(slot.thread), slot.filename)
        slot.stuck_remaining = progress[1]
    slot.strikes += 1
    with slot.lock:
        slot.fired = True
        if slot.progress != progress:  # it has just come back
            return
        if slot.strikes > LAST_STRIKE:
            _end_process(slot, progress)
        insists = slot.strikes >= INSISTING_STRIKE
        throw_async(slot.thread, _InsistentTimeout if insists else RewardTimeout)
    if slot.strikes >= INTERRUPTING_STRIKE:
        _interrupt(slot.thread)


def _stop_crowd(slot: WatchSlot, batch: int) -> None:
    """End a batch whose calls start threads."""
    with slot.lock:
        slot.fired = True
        slot.is_crowded = True
        now, remaining = slot.progress
        if now == batch and remaining >= 0:
            throw_async(slot.thread, _InsistentTimeout)


def _end_process(slot: WatchSlot, progress: Progress) -> None:
    """Say where it is and end the process: nothing else stops this call."""
    try:
        last_words = slot.last_words()
        if last_words is not None:
            last_words(slot.line, progress[1])
    finally:
        os._exit(1)


def clear_async_exceptions() -> None:
    """Nothing is on its way to this thread after this, and the interpreter has stopped looking for
    it.

    CPython 3.11 looks, at every step, from the moment that an exception was set in any thread until
    one is raised; a traced thread stands still meanwhile, for ever when the exception was taken
    back or its thread sleeps. So this thread, untraced, gets one to raise: it replaces what was on
    its way here, and what is on its way to others stays.
    """
    outside = sys.gettrace()
    sys.settrace(None)
    try:
        throw_async(threading.get_ident(), RewardTimeout)
        for _ in range(10_000):
            pass
    except RewardTimeout:
        pass
    sys.settrace(outside)


def throw_async(thread: int, error: type[BaseException]) -> None:
    """Set an exception that the thread raises as soon as it runs Python code."""
    _SET_ASYNC_EXC(ctypes.c_ulong(thread), ctypes.py_object(error))


def has_struck() -> bool:
    """Whether a call of a batch under way was struck: an interrupt may be the watch's then."""
    return any(slot.fired for slot in tuple(WATCHDOG.slots))


def _interrupt(thread: int) -> None:
    """SIGINT to a main thread that sleeps in the kernel, where nobody else has a meaning for it."""
    is_plain = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_plain and thread == threading.main_thread().ident and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, signal.SIGINT)


def _is_importing(thread: int) -> bool:
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


WATCHDOG = Watchdog()
atexit.register(watch_exit)  # the last handler: what comes behind it is in time, too
if hasattr(os, "register_at_fork"):
    # a child of a fork during the countdown would wait for ever for faulthandler's thread, which it
    # does not have
    os.register_at_fork(before=cancel_countdown, after_in_child=WATCHDOG.reset)
