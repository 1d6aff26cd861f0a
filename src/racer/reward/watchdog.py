"""The watch over calls that do not come back: who is stuck, how it is called back, and what happens
when nothing helps.

No call is timed. While rewards are priced a daemon thread looks, four times per timeout, which call
is under way; the progress is the length hint of the list iterator that the pricing loop draws from,
so the loop pays nothing. A call seen in four looks running is stuck, and the watch goes on step by
step:

1. An exception is set in the pricing thread. It is no `Exception`, so only a bare `except` holds it.
2. The same with a trace function that raises on every line, until no frame of the user's is left.
3. SIGINT, where the main thread sleeps in the kernel and Ctrl-C means KeyboardInterrupt.
4. The sentence is written to stderr and the process ends with exit code 1.

C code that never gives up the interpreter's lock keeps even this thread from running. For it the
watch holds a dead man's switch: `faulthandler` (a thread without the lock) writes the stack to a
small process that puts the sentence together, and ends this one with exit code 1.

The state in this module is the process's own: one faulthandler, one set of threads.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from operator import length_hint
from pathlib import Path
from types import FrameType
from typing import Any
from weakref import WeakMethod, WeakSet

from racer.reward import hard_timeout as deadman
from racer.reward.errors import CallStopped, RefusalReason, line_in_stack

LOOKS_PER_TIMEOUT = 4  # looks per timeout
IMPORT_PATIENCE_S = 30.0  # s that a call may take while it imports: a cold disk is slow
STRIKE_INTERVAL_S = 0.05  # s between the steps against a stuck call
INSISTS, INTERRUPTS, GIVES_UP = 3, 6, 40  # the strike from which each step is taken


class RewardTimeout(CallStopped):
    """Thrown into a call that does not come back."""

    reason = RefusalReason.TIMEOUT


class _Insistent(RewardTimeout):
    """The same for code that swallows everything: its making, in the stuck thread, begins to trace
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
        ctypes.pythonapi.PyEval_SetTrace(
            ctypes.cast(ctypes.pythonapi.PyObject_Size, ctypes.c_void_p), self
        )

    def end(self) -> None:
        if sys.gettrace() is self:  # type: ignore[comparison-overlap]
            sys.settrace(self.outside)

    def __len__(self) -> int:
        code = sys._getframe(1).f_code
        if code in _BEGINNING or not code.co_filename.startswith(_PACKAGE):
            if code in _BEGINNING:
                return 0
            raise RewardTimeout
        self.end()  # back in racer: no frame of the user's is left
        return 0


ctypes.pythonapi.PyEval_SetTrace.argtypes = (ctypes.c_void_p, ctypes.py_object)
ctypes.pythonapi.PyEval_SetTrace.restype = None
_UNWIND = _Unwind()
_BEGINNING = {_Insistent.__init__.__code__, _Unwind.begin.__code__}
_PACKAGE = str(Path(__file__).parent)


def price_calls(calls: Any, arguments: Iterator[Any]) -> list[Any]:
    """What each call says to its argument: the loop that is watched."""
    return [call(argument) for call, argument in zip(calls, arguments, strict=False)]


class WatchSlot:
    """One batch under watch. `begin` and `end` frame the pricing; between them `iterator` tells how
    far it is.
    """

    def __init__(
        self, filename: str, timeout: float, last_words: WeakMethod[Callable[[int, int], None]]
    ) -> None:
        self.filename, self.timeout, self.last_words = filename, timeout, last_words
        self.iterator: Iterator[Any] | None = None
        self.serial = self.strikes = self.looks = self.thread = self.line = 0
        self.fired = False
        # the set that watches this slot: another one after a fork
        self.home: WeakSet[WatchSlot] | None = None
        self.seen = (-1, -1)
        self.lock = threading.Lock()

    def begin(self, iterator: Iterator[Any]) -> None:
        self.serial += 1
        self.thread = threading.get_ident()
        self.iterator = iterator
        if not WATCHDOG.armed or self.home is not WATCHDOG.slots:
            WATCHDOG.arm(self)

    def end(self) -> bool:
        """Whether the watch struck during this batch. A RewardTimeout may land in this call, and
        none after it.
        """
        self.iterator = None
        return self.fired and self._settle()

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

    @property
    def mark(self) -> tuple[int, int]:
        """Which call of which batch is under way; the remaining count is -1 between batches."""
        iterator = self.iterator
        return (self.serial, length_hint(iterator) if iterator is not None else -1)


class Watchdog:
    """The thread that looks, and the dead man's switch. Asleep while nothing is priced."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: at the start, and in the child of a fork, which has no threads."""
        self.armed = False
        self.slots: WeakSet[WatchSlot] = WeakSet()
        self.lock = threading.Lock()
        self.wake = threading.Event()
        self.thread: threading.Thread | None = None

    def arm(self, slot: WatchSlot) -> None:
        """Watch this slot from now on, and look until nothing is priced any more."""
        if slot.timeout <= 0.0:
            slot.home = self.slots
            return
        if slot.home is not self.slots:
            with self.lock:
                self.slots.add(slot)
            slot.home = self.slots
            deadman.announce_reward_file(slot.filename)
        deadman.start_countdown(self._patience())
        self.armed = True
        if self.thread is None:
            self.thread = threading.Thread(target=self._run, name="racer reward watch", daemon=True)
            self.thread.start()
        self.wake.set()

    def _run(self) -> None:
        while True:
            self.wake.wait()
            self._look_around()

    def _look_around(self) -> None:
        """One look at every slot; with nothing priced since the last one, to sleep until a slot
        arms the watch again.

        A batch that begins meanwhile either sees that the watch is no longer armed, or is seen
        here: the order counts.
        """
        with self.lock:
            slots = list(self.slots)
        self._rest(slots)
        busy = [self._look(slot) for slot in slots]
        if any(busy):
            deadman.start_countdown(self._patience())
            return
        deadman.cancel_countdown()
        self.wake.clear()
        self.armed = False
        with self.lock:
            begun = any(slot.iterator is not None for slot in self.slots)
        if begun:
            deadman.start_countdown(self._patience())
            self.armed = True
            self.wake.set()

    def _rest(self, slots: list[WatchSlot]) -> None:
        struck = any(slot.strikes for slot in slots)
        time.sleep(
            STRIKE_INTERVAL_S
            if struck
            else max(min((s.timeout for s in slots), default=1.0) / LOOKS_PER_TIMEOUT, 0.01)
        )

    def _patience(self) -> float:
        with self.lock:
            longest = max((slot.timeout for slot in self.slots), default=5.0)
        return max(3.0 * longest, longest + 5.0)

    def _look(self, slot: WatchSlot) -> bool:
        """Whether this slot priced since the last look; strike where it is stuck."""
        mark, seen = slot.mark, slot.seen
        slot.seen = mark
        if mark[1] < 0 or mark != seen:
            slot.looks = slot.strikes = 0
            return mark != seen
        slot.looks += 1
        # looks, not seconds: a process that was stopped (Ctrl-Z) for a minute is not stuck
        patience = IMPORT_PATIENCE_S / slot.timeout if _is_importing(slot.thread) else 1.0
        if slot.strikes or slot.looks >= LOOKS_PER_TIMEOUT * max(patience, 1.0):
            _strike(slot, mark)
        return True


def _strike(slot: WatchSlot, mark: tuple[int, int]) -> None:
    if not slot.strikes:
        slot.line = line_in_stack(_frame(slot.thread), slot.filename)
    slot.strikes += 1
    with slot.lock:
        slot.fired = True
        if slot.mark != mark:  # it has just come back
            return
        if slot.strikes > GIVES_UP:
            _give_up(slot, mark)
        throw_async(slot.thread, _Insistent if slot.strikes >= INSISTS else RewardTimeout)
    if slot.strikes >= INTERRUPTS:
        _interrupt(slot.thread)


def _give_up(slot: WatchSlot, mark: tuple[int, int]) -> None:
    """Say where it is and end the process: nothing else stops this call."""
    try:
        say = slot.last_words()
        if say is not None:
            say(slot.line, mark[1])
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
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def _interrupt(thread: int) -> None:
    """SIGINT to a main thread that sleeps in the kernel, where nobody else has a meaning for it."""
    is_plain = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_plain and thread == threading.main_thread().ident and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, signal.SIGINT)


def _is_importing(thread: int) -> bool:
    frame = _frame(thread)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _frame(thread: int) -> FrameType | None:
    return sys._current_frames().get(thread)


WATCHDOG = Watchdog()
atexit.register(deadman.cancel_countdown)
if hasattr(os, "register_at_fork"):
    # a child of a fork while the switch is held would wait for ever for faulthandler's thread,
    # which it does not have
    os.register_at_fork(before=deadman.cancel_countdown, after_in_child=WATCHDOG.reset)
