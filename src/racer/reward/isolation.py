"""What a reward function shares with the program, kept apart; and what its calls leave behind.

A reward function may do to its surroundings what it likes; it keeps what it did, and the simulator
sees none of it.
"""

from __future__ import annotations

import _thread
import contextlib
import io
import os
import random
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import get_ident
from types import CodeType, FrameType, ModuleType
from typing import Any, TextIO

import numpy as np

from racer.reward.errors import CallStopped, RefusalReason, line_in_stack
from racer.reward.load import RewardFunction
from racer.reward.watchdog import WATCHDOG_THREAD, clear_async_exceptions, throw_async

MAX_KEPT_CHARS = 4096
"""Characters of printed text that are kept."""
CHARS_PER_CALL = 16384
"""Characters a call that never count against the limit: all params are printed in less."""
MAX_FIRST_CHARS = 80
MAX_NOTED_LINES = 5
PATCHABLE_MODULES = (
    "builtins",
    "math",
    "random",
    "json",
    "time",
    "copy",
    "numpy",
    "numpy.random",
)

# bound here: a reward function may patch the modules themselves
_PY_GET = random.getstate
_PY_SET = random.setstate
_NP_GET = np.random.get_state
_NP_SET = np.random.set_state

Params = dict[str, Any]

_MISSING = object()


class PrintFlood(CallStopped):
    """More was printed than the budget allows; `line` is where it was spent."""

    reason = RefusalReason.FLOOD

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass
class PrintedLine:
    """What one print statement wrote so far: how often, and the beginning of its first text."""

    line: int
    writes: int = 0
    first: str = ""


class PrintSink(io.TextIOBase):
    """Stands in for `sys.stdout` and `sys.stderr` while rewards are calculated.

    Other threads, such as a progress display, keep writing to the real stream. `size` is what was
    printed so far, in characters; beyond `limit + CHARS_PER_CALL * calls` a write raises PrintFlood.
    """

    def __init__(self, filename: str, limit: int) -> None:
        super().__init__()
        self.filename = filename
        self.limit = limit
        self.calls = 0
        self.size = 0
        self.lines = 0
        self.kept = ""
        self.last_line = 0  # where the budget was spent
        self.places: dict[tuple[CodeType, int], PrintedLine] = {}
        self.thread = get_ident()
        self.outside: TextIO | None = sys.stdout
        self.buffer = _ByteSink(self)

    @property
    def flooded(self) -> bool:
        """Whether the budget is spent."""
        return self.size > self.limit + CHARS_PER_CALL * self.calls

    def write(self, text: str) -> int:
        """Count the text, and keep what is first printed. Raises PrintFlood."""
        if get_ident() != self.thread and self.outside is not None:
            return self.outside.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        frame = sys._getframe(1)
        key = (frame.f_code, frame.f_lasti)
        place = self.places.get(key)
        if place is None:
            place = self.places[key] = PrintedLine(line_in_stack(frame, self.filename))
        self._count(place, text)
        if self.flooded:
            self.last_line = place.line
            raise PrintFlood(place.line)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        for line in lines:
            self.write(line)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        """True only for another thread whose real stream is a terminal: it may be drawing a
        progress bar.
        """
        return get_ident() != self.thread and self.outside is not None and self.outside.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def close(self) -> None:
        """A reward function may close its stdout; ours stays open."""

    def notes(self) -> list[str]:
        """One sentence on what was printed, and one for each of the first places. Empty when
        nothing was.
        """
        if not self.size:
            return []
        size = _describe_size(self.size)
        notes = [f"{self.filename} printed {self.lines:,} lines ({size}) in {self.calls:,} calls"]
        for line, first in sorted(self._first_prints().items())[:MAX_NOTED_LINES]:
            place = f"{self.filename}:{line}" if line else self.filename
            notes.append(f"{place}: first printed {first!r}")
        return notes

    def _first_prints(self) -> dict[int, str]:
        """The first text of every line that printed one."""
        first_prints: dict[int, str] = {}
        for place in self.places.values():
            if place.first:
                first_prints.setdefault(place.line, place.first)
        return first_prints

    def _count(self, place: PrintedLine, text: str) -> None:
        place.writes += 1
        if not place.first:
            place.first = text.strip()[:MAX_FIRST_CHARS]
        self.size += len(text)
        self.lines += text.count("\n")
        if len(self.kept) < MAX_KEPT_CHARS:
            self.kept += text[: MAX_KEPT_CHARS - len(self.kept)]


class _ByteSink(io.RawIOBase):
    """`sys.stdout.buffer`, for those who write bytes."""

    def __init__(self, sink: PrintSink) -> None:
        super().__init__()
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, raw: bytes) -> int:  # type: ignore[override]
        self._sink.write(bytes(raw).decode("utf-8", "replace"))
        return len(raw)


class Surroundings:
    """What is set up before a batch (`enter`) and undone after it (`leave`). It is no context
    manager, because every nanosecond counts here.

    The reward's global generators start from `seed`. They are kept apart from the program's only when
    the file mentions `random` or brings modules of its own.
    """

    def __init__(self, reward: RewardFunction, limit: int, seed: int) -> None:
        has_modules = bool(reward.siblings)
        self.sink = PrintSink(reward.filename, limit)
        self.uses_random = "random" in reward.source or has_modules
        self.changes_folder = "chdir" in reward.source or has_modules
        self.generators = (random.Random(seed).getstate(), np.random.RandomState(seed).get_state())
        self.patches: dict[tuple[str, str], object] = {}
        self.replaced_streams = False
        self._modules: dict[str, ModuleType] = {
            name: import_module(name) for name in PATCHABLE_MODULES
        }
        self._originals: dict[tuple[str, str], Any] = {}
        self.remember()
        self._folder = ""
        self._recursion_limit = sys.getrecursionlimit()
        self._stdout = sys.stdout
        self._stderr = sys.stderr

    def enter(self) -> None:
        """Give the reward its own streams, generators, folder and patched modules."""
        sink = self.sink
        sink.outside = self._stdout = sys.stdout
        self._stderr = sys.stderr
        sys.stdout = sys.stderr = sink
        self._recursion_limit = sys.getrecursionlimit()
        if self.uses_random or self.changes_folder or self.patches:
            self._enter_special()

    def leave(self) -> None:
        """Give the program back what it had."""
        if self.uses_random or self.changes_folder or self.patches:
            self._leave_special()
        if sys.getrecursionlimit() != self._recursion_limit:
            sys.setrecursionlimit(self._recursion_limit)
        self.replaced_streams |= sys.stdout is not self.sink
        sys.stdout = self._stdout
        sys.stderr = self._stderr

    def remember(self) -> None:
        """Look at the shared modules as they are now, before a batch after which `notice_patches`
        is to be asked.
        """
        self._names = {name: dict(vars(module)) for name, module in self._modules.items()}

    def notice_patches(self) -> None:
        """Find what was replaced in the shared modules since `remember`, and take it back until the
        next `enter`.
        """
        for name, module in self._modules.items():
            now = vars(module)
            before = self._names[name]
            changed = [key for key, value in before.items() if now.get(key) is not value]
            for key in changed:
                if key != "_":  # the interactive shell's last value
                    self.patches[name, key] = now.get(key)
                    setattr(module, key, before[key])

    def _enter_special(self) -> None:
        if self.uses_random:
            self._swap_generators()
        if self.changes_folder:
            self._folder = str(Path.cwd())
        for (name, key), value in self.patches.items():
            self._originals[name, key] = getattr(self._modules[name], key, None)
            setattr(self._modules[name], key, value)

    def _leave_special(self) -> None:
        for name, key in self.patches:
            module = self._modules[name]
            self.patches[name, key] = getattr(module, key, None)
            setattr(module, key, self._originals[name, key])
        if self.uses_random:
            self._swap_generators()
        if self.changes_folder:
            os.chdir(self._folder)

    def _swap_generators(self) -> None:
        """Exchange the program's global generators and the reward's."""
        outside = (_PY_GET(), _NP_GET())
        _PY_SET(self.generators[0])
        _NP_SET(self.generators[1])
        self.generators = outside


def _describe_size(size: int) -> str:
    if size < 10_000:
        return f"{size:,} B"
    if size < 10_000_000:
        return f"{size / 1e3:,.0f} kB"
    return f"{size / 1e6:,.0f} MB"


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


def was_raised_by_code(error: BaseException) -> bool:
    """Whether a `raise` statement raised this, and not a signal."""
    import dis

    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    return dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
