"""Code in another process under supervision: the one way in which racer runs a user's code where it
may crash, hang or end the program.

A `ChildProcess` is a confined copy of this one that sends messages. `run_in_subprocess` waits for one
answer of it; `racer.checker.runner` listens to several at a time. (Two others look alike and are
different jobs: `racer.reward.hard_timeout` ends this very process, and `racer.training.sweep.runner`
starts whole `racer train` programs.)
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import mmap
import multiprocessing
import os
import signal
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from multiprocessing import connection
from types import FrameType
from typing import Any

from racer.checker.sandbox import MAX_TRACED_LINES, AuditGuard, confine_process, sandbox_folder
from racer.reward import call_each

HEARTBEAT_S = 0.1
"""Seconds between two signs of life, at least."""
POLL_S = 0.2

Message = dict[str, Any]


class LostReason(StrEnum):
    """How a child process ended without an answer."""

    SILENT = "silent"  # it had to be ended
    ENDED = "ended"


class SubprocessLost(Exception):
    """A child process ended, or had to be ended, without an answer. `seconds` were waited for it."""

    def __init__(self, reason: LostReason, seconds: float) -> None:
        super().__init__(reason, seconds)
        self.reason = reason
        self.seconds = seconds

    def __str__(self) -> str:
        if self.reason is LostReason.SILENT:
            return f"it did not come back within {self.seconds:g} s and could not be interrupted"
        return "it ended the whole program, or was stuck where nothing could interrupt it"


class MessagePipe:
    """The child's end of the way to its parent. Messages are JSON: no tuples, arrays as lists."""

    def __init__(self, to_parent: connection.Connection) -> None:
        self._connection = to_parent
        self._last_sent = 0.0

    def send(self, **message: Any) -> None:
        """Send a message. Nothing happens when the parent is gone: this process will be, too."""
        self._last_sent = time.monotonic()
        with contextlib.suppress(OSError):
            self._connection.send_bytes(json.dumps(message, default=_plain).encode())

    def beat(self) -> None:
        """Send a sign of life, unless something was sent just now."""
        if time.monotonic() - self._last_sent > HEARTBEAT_S:
            self.send()

    def close(self) -> None:
        self._connection.close()


class ChildProcess:
    """A process that runs `target(pipe, *arguments)`, confined to a folder.

    It is a copy of this process where the system can do that safely; elsewhere target and arguments
    are pickled. Whoever starts one calls `end`.
    """

    def __init__(
        self, target: Callable[..., None], arguments: tuple[Any, ...], folder: str
    ) -> None:
        self.connection, to_parent = multiprocessing.Pipe(duplex=False)
        context: Any = multiprocessing.get_context(process_start_method())
        self._process = context.Process(
            target=_run_child, args=(target, arguments, folder, to_parent), daemon=True
        )
        with warnings.catch_warnings():
            # Python 3.12: a fork beside threads; none of ours holds a lock that the child needs
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        to_parent.close()
        self.started = time.monotonic()
        self.heard = self.started

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return bool(self._process.is_alive())

    @property
    def exit_code(self) -> int | None:
        """The exit code, the negative number of a signal, or None while it runs."""
        code: int | None = self._process.exitcode
        return code

    def messages(self) -> Iterator[Message]:
        """The messages that are waiting; the connection is closed behind the last one.

        Raises RuntimeError with the traceback when racer's own code failed in the child.
        """
        try:
            while self.connection.poll():
                message = json.loads(self.connection.recv_bytes())
                self.heard = time.monotonic()
                if "crashed" in message:
                    raise RuntimeError(
                        f"racer failed in a process of its own:\n{message['crashed']}"
                    )
                yield message
        except (EOFError, OSError, ValueError):
            self.connection.close()

    def join(self, seconds: float) -> None:
        """Wait for its end, so long at most."""
        self._process.join(seconds)

    def end(self) -> None:
        """The process and everything that it started are gone after this."""
        with contextlib.suppress(OSError, AttributeError):
            if os.getpgid(self._process.pid) == self._process.pid:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join(1.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.connection.close()


class LineRecorder:
    """The user's line that runs, in memory that outlives the process: what to say when it dies."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    @property
    def line(self) -> int:
        """The line that was noted last, 0 for none."""
        return int(struct.unpack("q", self._memory[:8])[0])

    @contextlib.contextmanager
    def tracing(self, filename: str) -> Iterator[None]:
        """Note every line of that file as it begins."""
        left = [MAX_TRACED_LINES]

        def trace_lines(frame: FrameType, event: str, _: Any) -> Any:
            if event == "line":
                self._memory[:8] = struct.pack("q", frame.f_lineno)
                left[0] -= 1
            return trace_lines if left[0] > 0 else None

        def trace_calls(frame: FrameType, event: str, _: Any) -> Any:
            if frame.f_code.co_filename == filename:
                return trace_lines(frame, "line", None)
            if frame.f_code is _CALL_EACH_CODE:
                left[0] = MAX_TRACED_LINES
            return None

        outside = sys.gettrace()
        sys.settrace(trace_calls)
        try:
            yield
        finally:
            sys.settrace(outside)


def process_start_method() -> str:
    """How child processes begin: as copies of this one, where the system can do that safely."""
    can_fork = "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin"
    return "fork" if can_fork else "spawn"


def wait_for_messages(children: Sequence[ChildProcess], seconds: float = POLL_S) -> None:
    """Wait until one of the children has sent something or is gone, so long at most."""
    connections = [child.connection for child in children if not child.connection.closed]
    connection.wait(connections, timeout=seconds)


def run_in_subprocess(
    function: Callable[..., Any], *arguments: Any, filename: str, seconds: float
) -> Any:
    """What `function(*arguments)` returns in a confined child, as JSON has it.

    `filename` is the user's file, against whose acts the child is guarded. Raises SubprocessLost.
    """
    with sandbox_folder() as folder:
        child = ChildProcess(_answer, (function, arguments, filename), folder)
        try:
            if not child.connection.poll(seconds):
                raise SubprocessLost(LostReason.SILENT, seconds)
            for message in child.messages():
                return message["answer"]
            raise SubprocessLost(LostReason.ENDED, seconds)
        finally:
            child.join(0.05)
            child.end()


def _answer(
    pipe: MessagePipe, function: Callable[..., Any], arguments: tuple[Any, ...], filename: str
) -> None:
    AuditGuard(filename, os.getcwd()).raise_up()  # noqa: PTH109
    pipe.send(answer=function(*arguments))


def _run_child(
    target: Callable[..., None],
    arguments: tuple[Any, ...],
    folder: str,
    to_parent: connection.Connection,
) -> None:
    """The main function of a child. The process ends with it."""
    faulthandler.disable()  # a parent's, such as pytest's, would write about what happens here
    confine_process(folder)
    pipe = MessagePipe(to_parent)
    try:
        target(pipe, *arguments)
    except Exception:  # a bug of racer's own: the parent raises it
        pipe.send(crashed=traceback.format_exc())
    pipe.close()
    os._exit(0)  # what the file left behind (threads, exit handlers) does not run on


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else float(value)


_CALL_EACH_CODE = call_each.__code__
