"""What calls of a reward function leave behind: threads, changed params; and the line they returned
from.
"""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from racer.reward.errors import line_in_stack
from racer.reward.load import RewardFunction
from racer.reward.watchdog import WATCHDOG_THREAD, clear_async_exceptions, throw_async

Params = dict[str, Any]

_MISSING = object()


class ThreadWatch:
    """Notices threads that started between `before` and `left_behind`. Counting costs nothing;
    names are found late.
    """

    def __init__(self) -> None:
        self._count = -1
        self._known: set[int] = set()

    def before(self) -> None:
        """Remember the threads that run now."""
        # the count of threads that Python started, without a lock
        if _thread._count() != self._count:
            self._known = set(sys._current_frames())
            self._count = _thread._count()

    def left_behind(self, reward: RewardFunction) -> tuple[str, int] | None:
        """Name and line of a thread that the reward function started and left; it is told to stop.
        None without one.
        """
        if _thread._count() <= self._count:
            return None
        running = {thread.ident: thread for thread in threading.enumerate()}
        first: tuple[str, int] | None = None
        for ident, frame in sys._current_frames().items():
            thread = running.get(ident)
            name = f"thread {ident}" if thread is None else thread.name
            if ident in self._known or name == WATCHDOG_THREAD:
                continue
            if first is None:
                first = name, _starting_line(thread, frame, reward)
            dismiss_thread(ident, thread)
        self._count = -1  # it may also have been the watchdog, or have ended meanwhile
        return first


def dismiss_thread(ident: int, thread: threading.Thread | None) -> None:
    """Tell a thread to stop, and keep the program's end from waiting for it should it not."""
    outside = sys.gettrace()
    sys.settrace(None)
    throw_async(ident, SystemExit)
    clear_async_exceptions()
    sys.settrace(outside)
    if thread is None:
        return
    thread.join(0.1)
    if thread.is_alive() and not thread.daemon:
        # the interpreter's own list, which differs by version
        with contextlib.suppress(AttributeError, KeyError):
            threading._shutdown_locks.discard(thread._tstate_lock)  # type: ignore[attr-defined]
        with contextlib.suppress(AttributeError):
            thread._handle._set_done()  # type: ignore[attr-defined]


def snapshot_params(params: Params) -> Params:
    """The params as they are now: lists are copied, what is in them is not."""
    return {key: value[:] if type(value) is list else value for key, value in params.items()}


def has_changed(before: Params, after: Params) -> bool:
    """Whether a call changed its params."""
    if len(before) != len(after):
        return True
    return any(_differs(value, after.get(key, _MISSING)) for key, value in before.items())


def trace_return_line(
    call: Callable[[Params], Any], params: Params, filename: str
) -> tuple[int, Any]:
    """The line of that file on which a call returned, and what it returned."""
    last_line = [0]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "return" and frame.f_code.co_filename == filename:
            last_line[0] = frame.f_lineno
        return trace

    outside = sys.gettrace()
    sys.settrace(trace)
    try:
        result = call(params)
    finally:
        sys.settrace(outside)
    return last_line[0], result


def _differs(before: Any, after: Any) -> bool:
    if before is after:
        return False
    if type(before) is list and type(after) is list and len(before) == len(after):
        return any(old is not new for old, new in zip(before, after, strict=True))
    return True


def _starting_line(
    thread: threading.Thread | None, frame: FrameType, reward: RewardFunction
) -> int:
    """The line of the user's file that a thread began with, runs, or was started on; 0 for none."""
    code = getattr(getattr(thread, "_target", None), "__code__", None)
    if code is not None and code.co_filename == reward.filename:
        return int(code.co_firstlineno)
    return line_in_stack(frame, reward.filename) or next(iter(reward.syntax.starts), 0)
