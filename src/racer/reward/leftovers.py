"""What a call leaves behind: threads that go on, and params that are not as they were."""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from racer.reward.load import RewardFunction
from racer.reward.refusal import line_in
from racer.reward.watch import calm, throw

Params = dict[str, Any]
_MISSING = object()


class Threads:
    """Notices threads that started between `before` and `left_behind`. Counting costs nothing; names are found late."""

    def __init__(self) -> None:
        self._count = -1
        self._known: set[int] = set()

    def before(self) -> None:
        if _thread._count() != self._count:  # the count of threads that Python started, without a lock
            self._known = set(sys._current_frames())
            self._count = _thread._count()

    def left_behind(self, reward: RewardFunction) -> tuple[str, int] | None:
        """Name and line of a thread that the reward function started and left; it is told to stop. None without one."""
        if _thread._count() <= self._count:
            return None
        running = {thread.ident: thread for thread in threading.enumerate()}
        found: list[tuple[str, int]] = []
        for ident, frame in sys._current_frames().items():
            thread = running.get(ident)
            if ident in self._known or (thread is not None and thread.name == "racer reward watch"):
                continue
            line = _target_line(thread, reward) or line_in(frame, reward.filename) or _first(reward.syntax.starts)
            found.append((thread.name if thread is not None else f"thread {ident}", line))
            dismiss(ident, thread)
        self._count = -1  # it may also have been the watch, or have ended meanwhile
        return found[0] if found else None


def dismiss(ident: int, thread: threading.Thread | None) -> None:
    """Tell a thread to stop, and keep the program's end from waiting for it should it not."""
    outside = sys.gettrace()
    sys.settrace(None)
    throw(ident, SystemExit)
    calm()
    sys.settrace(outside)
    if thread is None:
        return
    thread.join(0.1)
    if thread.is_alive() and not thread.daemon:
        with contextlib.suppress(AttributeError, KeyError):  # the interpreter's own list, which differs by version
            threading._shutdown_locks.discard(thread._tstate_lock)  # type: ignore[attr-defined]
        with contextlib.suppress(AttributeError):
            thread._handle._set_done()  # type: ignore[attr-defined]


def kept(params: Params) -> Params:
    """The params as they are now: lists are copied, what is in them is not."""
    return {key: value[:] if type(value) is list else value for key, value in params.items()}


def changed(before: Params, after: Params) -> bool:
    """Whether a call changed its params."""
    if len(before) != len(after):
        return True
    return any(_differs(value, after.get(key, _MISSING)) for key, value in before.items())


def return_line(call: Callable[[Params], Any], params: Params, filename: str) -> tuple[int, Any]:
    """The line of that file on which a call returned, and what it returned."""
    last = [0]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "return" and frame.f_code.co_filename == filename:
            last[0] = frame.f_lineno
        return trace

    outside = sys.gettrace()
    sys.settrace(trace)
    try:
        value = call(params)
    finally:
        sys.settrace(outside)
    return last[0], value


def _differs(one: Any, other: Any) -> bool:
    if one is other:
        return False
    if type(one) is list and type(other) is list:
        return len(one) != len(other) or any(a is not b for a, b in zip(one, other, strict=True))
    return True


def _target_line(thread: threading.Thread | None, reward: RewardFunction) -> int:
    code = getattr(getattr(thread, "_target", None), "__code__", None)
    return code.co_firstlineno if code is not None and code.co_filename == reward.filename else 0


def _first(lines: list[int]) -> int:
    return lines[0] if lines else 0
