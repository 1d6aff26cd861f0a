"""What a reward function raises outside of its calls: in threads, in exit handlers, in `__del__`."""

from __future__ import annotations

import itertools
import sys
from types import TracebackType
from typing import Any

from racer.errors import printable

MAX_SAID_FAILURES = 20
"""Of what threads, exit handlers and `__del__` raise in a process."""
MAX_SAID_FRAMES = 10
_FAILURES = itertools.count(1)


def say_unraisable(failure: Any) -> None:
    """Say what an exit handler or a `__del__` of a reward function raised."""
    head = failure.err_msg or "Exception ignored"
    _say_exception(head, failure.exc_type, failure.exc_value, failure.exc_traceback)


def say_thread_failure(failure: Any) -> None:
    """Say what a thread of a reward function raised, unless it was told to end."""
    if failure.exc_type is not SystemExit:
        head = f"Exception in thread {printable(str(getattr(failure.thread, 'name', '')))}"
        _say_exception(head, failure.exc_type, failure.exc_value, failure.exc_traceback)


def _say_exception(head: str, kind: type, error: BaseException, trace: TracebackType) -> None:
    """Print an exception, whose text is data; but for what racer stops a call with, and for what
    comes after many: each call may raise one.
    """
    import traceback

    if _is_stop_of_a_call(kind):
        return
    number = next(_FAILURES)
    if number > MAX_SAID_FAILURES:
        return
    place = printable("".join(traceback.format_tb(trace, -MAX_SAID_FRAMES)), keep="\n")
    only = "".join(traceback.format_exception_only(kind, error))
    # the real one: a thread may fail while what a reward prints is caught
    stream = sys.__stderr__ or sys.stderr
    stream.write(f"{head}\n{place}{printable(only.rstrip())}\n")
    if number == MAX_SAID_FAILURES:
        stream.write(f"{number} exceptions outside of calls so far: no more are shown\n")


def _is_stop_of_a_call(kind: type) -> bool:
    """Whether racer has raised such an exception, in a call that did not come back."""
    errors = sys.modules.get("racer.reward.errors")
    if errors is not None and issubclass(kind, errors.CallStopped):
        return True
    watchdog = sys.modules.get("racer.reward.watchdog")
    return kind is KeyboardInterrupt and watchdog is not None and watchdog.has_struck()
