"""What a reward function shares with the program, kept apart: streams, random generators, patched
modules.

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
from racer.reward.watchdog import clear_async_exceptions, throw_async

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
        found: list[tuple[str, int]] = []
        for ident, frame in sys._current_frames().items():
            thread = running.get(ident)
            if ident in self._known or (thread is not None and thread.name == "racer reward watch"):
                continue
            line = (
                _target_line(thread, reward)
                or line_in_stack(frame, reward.filename)
                or _first(reward.syntax.starts)
            )
            found.append((thread.name if thread is not None else f"thread {ident}", line))
            dismiss_thread(ident, thread)
        self._count = -1  # it may also have been the watch, or have ended meanwhile
        return found[0] if found else None


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


MAX_KEPT_CHARS = 4096  # characters of text that are kept
# bytes a call that never count against the limit: all of a params dict is printed in less
CHARS_PER_CALL = 16384


class PrintFlood(CallStopped):
    """More was printed than the budget allows; `line` is where it was spent."""

    reason = RefusalReason.FLOOD

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass
class PrintedLine:
    """What one print statement wrote so far."""

    line: int
    writes: int = 0
    size: int = 0
    first: str = ""


class PrintSink(io.TextIOBase):
    """Stands in for `sys.stdout` and `sys.stderr` while rewards are priced (a foreign contract: a
    text stream).

    Other threads, such as a progress display, keep writing to the real stream. `size` is what was
    printed so far, in characters; beyond `limit + PER_CALL * calls` a write raises PrintFlood.
    """

    def __init__(self, filename: str, limit: int) -> None:
        super().__init__()
        self.filename, self.limit = filename, limit
        self.calls = self.size = self.lines = 0
        self.kept = ""
        self.last_line = 0  # where the budget was spent
        self.places: dict[tuple[CodeType, int], PrintedLine] = {}
        self.thread = get_ident()
        self.outside: TextIO | None = sys.stdout
        self.buffer = _Bytes(self)

    @property
    def flooded(self) -> bool:
        """Whether the budget is spent."""
        return self.size > self.limit + CHARS_PER_CALL * self.calls

    def write(self, text: str) -> int:
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

    def _count(self, place: PrintedLine, text: str) -> None:
        place.writes += 1
        place.size += len(text)
        if not place.first:
            place.first = text.strip()[:80]
        self.size += len(text)
        self.lines += text.count("\n")
        if len(self.kept) < MAX_KEPT_CHARS:
            self.kept += text[: MAX_KEPT_CHARS - len(self.kept)]

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
        places = sorted(
            {p.line: p for p in reversed(self.places.values()) if p.first}.values(),
            key=lambda p: p.line,
        )
        head = f"{self.filename} printed {self.lines:,} lines ({_size(self.size)}) in {self.calls:,} calls"
        return [head, *(f"{self.filename}:{p.line}: first printed {p.first!r}" for p in places[:5])]


class _Bytes(io.RawIOBase):
    """`sys.stdout.buffer`, for those who write bytes."""

    def __init__(self, sink: PrintSink) -> None:
        super().__init__()
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, raw: bytes) -> int:  # type: ignore[override]
        self._sink.write(bytes(raw).decode("utf-8", "replace"))
        return len(raw)


def _size(size: int) -> str:
    return (
        f"{size:,} B"
        if size < 10_000
        else f"{size / 1e3:,.0f} kB"
        if size < 10_000_000
        else f"{size / 1e6:,.0f} MB"
    )


PATCHABLE_MODULES = ("builtins", "math", "random", "json", "time", "copy", "numpy", "numpy.random")


class Surroundings:
    """Entered before a batch and left after it; not a context manager, because every nanosecond
    counts here.

    The reward's global generators start from `seed`; they are told apart only when the file
    mentions `random` or brings modules of its own.
    """

    def __init__(self, reward: RewardFunction, limit: int, seed: int) -> None:
        self.sink = PrintSink(reward.filename, limit)
        self.uses_random = "random" in reward.source or bool(reward.siblings)
        self.moves = "chdir" in reward.source or bool(reward.siblings)
        self.generators = (random.Random(seed).getstate(), np.random.RandomState(seed).get_state())
        self.patches: dict[tuple[str, str], object] = {}
        self.replaced_streams = False
        self._modules: dict[str, ModuleType] = {
            name: import_module(name) for name in PATCHABLE_MODULES
        }
        self._originals: dict[tuple[str, str], Any] = {}
        self.remember()
        self._folder = ""
        self._limit = sys.getrecursionlimit()
        self._outside, self._stderr = sys.stdout, sys.stderr

    def enter(self) -> None:
        sink = self.sink
        sink.outside = self._outside = sys.stdout
        self._stderr = sys.stderr
        sys.stdout = sys.stderr = sink
        self._limit = sys.getrecursionlimit()
        if self.uses_random or self.moves or self.patches:
            self._enter_special()

    def leave(self) -> None:
        if self.uses_random or self.moves or self.patches:
            self._leave_special()
        if sys.getrecursionlimit() != self._limit:
            sys.setrecursionlimit(self._limit)
        self.replaced_streams |= sys.stdout is not self.sink
        sys.stdout, sys.stderr = self._outside, self._stderr

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
            changed = [key for key, value in self._names[name].items() if now.get(key) is not value]
            for key in changed:
                if key != "_":  # the interactive shell's last value
                    self.patches[name, key] = now.get(key)
                    setattr(module, key, self._names[name][key])

    def _enter_special(self) -> None:
        if self.uses_random:
            self._swap_generators()
        if self.moves:
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
        if self.moves:
            os.chdir(self._folder)

    def _swap_generators(self) -> None:
        """Exchange the program's global generators and the reward's."""
        outside = (_PY_GET(), _NP_GET())
        _PY_SET(self.generators[0])
        _NP_SET(self.generators[1])
        self.generators = outside


# bound here: a reward function may patch the modules themselves
_PY_GET, _PY_SET = random.getstate, random.setstate
_NP_GET, _NP_SET = np.random.get_state, np.random.set_state
