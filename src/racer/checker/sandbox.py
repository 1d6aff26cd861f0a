"""A child process in which a user's file may do its worst: it cannot start programs, kill, send, or
write elsewhere.

An audit hook stands before everything that reaches out of the process. What a reward does is not
refused, where it can be let happen harmlessly: files that it writes land in an empty folder, what
it prints to descriptors in nothing.
"""

from __future__ import annotations

import builtins
import contextlib
import faulthandler
import io
import json
import mmap
import multiprocessing
import os
import signal
import struct
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from racer.reward.watchdog import price_calls

CHILD_MEMORY_BYTES = 3 * 2**29  # bytes beyond what the process has at the beginning
CHILD_FILE_BYTES = 64 * 2**20
MAX_THREADS = 16
MAX_TRACED_LINES = (
    20_000  # lines of one call that are traced; a long loop then runs on at full speed
)
MAX_SEARCHED_FRAMES = 200  # frames that are looked through for the user's

START_EVENTS = {
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.exec",
    "os.system",
    "os.startfile",
    "subprocess.Popen",
}
KILL_EVENTS = {"os.kill", "os.killpg"}
SEND_EVENTS = {
    "socket.connect",
    "socket.bind",
    "socket.sendto",
    "socket.sendmsg",
    "socket.getaddrinfo",
    "socket.gethostbyname",
}
WRITE_EVENTS = {
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.chown", "os.link", "os.symlink",
    "shutil.rmtree", "shutil.move", "shutil.copyfile", "shutil.copytree", "os.utime",
}  # fmt: skip
WATCHED_EVENTS = (
    START_EVENTS
    | KILL_EVENTS
    | SEND_EVENTS
    | WRITE_EVENTS
    | {"open", "_thread.start_new_thread", "ctypes.dlsym"}
)


class ActionBlocked(BaseException):
    """A reward function reached out of its process. Not an Exception, so that `except Exception`
    lets it pass.
    """


class AuditGuard:
    """What stands between the user's file and the machine (a class: an audit hook cannot be taken
    off again).

    `seen` holds code of the finding, what was done, and the line; of each the first.
    """

    def __init__(self, filename: str, folder: str) -> None:
        self.filename, self.folder = filename, os.path.realpath(folder)
        self.seen: dict[tuple[str, int], str] = {}
        self.threads = 0
        self.is_up = False

    def raise_up(self) -> None:
        """Stand guard from now on; there is no way back."""
        if not self.is_up:
            self.is_up = True
            sys.addaudithook(self._hook)
            _redirect_writes(self)

    def notice(self, code: str, what: str, line: int) -> None:
        self.seen.setdefault((code, line), what)

    def line(self) -> int:
        """The user's line that is under way, 0 when it is not the user's code, or only an import,
        that acts.
        """
        frame: FrameType | None = sys._getframe(2)
        for _ in range(MAX_SEARCHED_FRAMES):
            if frame is None:
                return 0
            name = frame.f_code.co_filename
            if name == self.filename:
                return frame.f_lineno or 0
            if name.startswith("<frozen importlib"):
                return 0
            frame = frame.f_back
        return 0

    def _hook(self, event: str, about: tuple[Any, ...]) -> None:
        if event not in WATCHED_EVENTS:
            return
        line = self.line()
        if not line:
            return
        if event in START_EVENTS or event in KILL_EVENTS:
            self._block("RW110", f"starts or ends other processes ({event})", line)
        elif event in SEND_EVENTS:
            self._block("RW108", f"uses the network ({event}{_where(about)})", line)
        elif event in WRITE_EVENTS:
            if not self._is_inside(about[0]):
                self._block("RW109", f"changes files ({event} {_short(about[0])})", line)
        elif event == "open":
            self._open(about, line)
        elif event == "_thread.start_new_thread":
            self.threads += 1
            if self.threads > MAX_THREADS:
                self._block("RW209", f"starts more than {MAX_THREADS} threads", line)

    def _open(self, about: tuple[Any, ...], line: int) -> None:
        path, _, flags = about
        writes = isinstance(flags, int) and flags & (
            os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
        )
        self.notice("RW109", f"{'writes' if writes else 'reads'} a file ({_short(path)})", line)
        if writes and not self._is_inside(path):
            raise ActionBlocked(f"writes {_short(path)}")

    def _block(self, code: str, what: str, line: int) -> None:
        self.notice(code, what, line)
        raise ActionBlocked(what)

    def _is_inside(self, path: Any) -> bool:
        if isinstance(path, int) or path is None:
            return True
        real = os.path.realpath(os.fsdecode(path))
        return real in ("/dev/null", "/dev/stdout", "/dev/stderr") or real.startswith(
            self.folder + os.sep
        )


_PRICED = price_calls.__code__


class LineRecorder:
    """The user's line that runs, in memory that outlives the process: what to say when it dies."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    @property
    def line(self) -> int:
        return int(struct.unpack("q", self._memory[:8])[0])

    def note(self, line: int) -> None:
        self._memory[:8] = struct.pack("q", line)

    @contextlib.contextmanager
    def tracing(self, filename: str, lines: set[int]) -> Iterator[None]:
        """Note every line of that file as it begins, and gather it in `lines`."""
        left = [MAX_TRACED_LINES]

        def local(frame: FrameType, event: str, _: Any) -> Any:
            if event == "line":
                lines.add(frame.f_lineno)
                self.note(frame.f_lineno)
                left[0] -= 1
            return local if left[0] > 0 else None

        def every(frame: FrameType, event: str, _: Any) -> Any:
            if frame.f_code.co_filename != filename:
                left[0] = MAX_TRACED_LINES if frame.f_code is _PRICED else left[0]
                return None
            return local(frame, "line", None)

        outside = sys.gettrace()
        sys.settrace(every)
        try:
            yield
        finally:
            sys.settrace(outside)


@contextlib.contextmanager
def sandbox_folder() -> Iterator[str]:
    """A new folder to run in, which is taken away with everything in it."""
    with tempfile.TemporaryDirectory(prefix="racer_check_", ignore_cleanup_errors=True) as name:
        yield name


def confine_process(place: str) -> None:
    """Move into the folder, away from the terminal, and under limits of memory and of file sizes."""
    os.chdir(place)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each thread of it takes memory of its own
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    sys.stdin, sys.stdout, sys.stderr = (
        open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115
        for mode in ("r", "w", "w")
    )
    faulthandler.disable()  # the parent says how this process ended
    warnings.simplefilter("ignore")  # the job prints warnings, and goes on
    with contextlib.suppress(AttributeError, OSError):
        os.setsid()
    try:
        import resource
    except ImportError:  # Windows
        return
    size = _virtual_memory()
    _limit(resource.RLIMIT_FSIZE, CHILD_FILE_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    if size:
        _limit(resource.RLIMIT_AS, size + CHILD_MEMORY_BYTES)


def _limit(what: int, value: int) -> None:
    import resource

    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(
            what, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard)
        )


def _virtual_memory() -> int:
    """Bytes of address space that this process has, 0 where that cannot be told."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def _redirect_writes(guard: AuditGuard) -> None:
    """Let files that the user's code writes land in the folder, and be read from there again."""
    real = io.open

    def opened(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        if isinstance(file, (str, os.PathLike)) and guard.line():
            copy = os.path.join(guard.folder, Path(os.fsdecode(file)).name or "file")  # noqa: PTH118
            writes = any(letter in str(mode) for letter in "wax+")
            if (writes and not guard._is_inside(file)) or (not writes and Path(copy).exists()):
                file = copy
        return real(file, mode, *more, **named)

    _put(builtins, "open", opened)
    _put(io, "open", opened)


def _put(module: Any, name: str, value: Callable[..., Any]) -> None:
    setattr(module, name, value)


def _where(about: tuple[Any, ...]) -> str:
    target = (
        about[1] if len(about) > 1 and not isinstance(about[0], str) else about[0] if about else ""
    )
    return f" {_short(target)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


class SubprocessLost(Exception):
    """The child process ended, or had to be ended, without an answer. The message says which."""


def run_in_subprocess(
    function: Callable[..., Any], *arguments: Any, filename: str, seconds: float
) -> Any:
    """What `function(*arguments)` returns in a confined child, as JSON has it: no tuples, arrays as
    lists.

    `filename` is the user's file, against whose acts the child is guarded. Raises Lost.
    """
    mine, its = multiprocessing.Pipe(duplex=False)
    with sandbox_folder() as place:
        order = (function, arguments, filename, place, its)
        process = multiprocessing.get_context("fork").Process(
            target=_answer, args=order, daemon=True
        )
        with warnings.catch_warnings():
            # Python 3.12: a fork beside threads
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        its.close()
        try:
            return _heard(mine, seconds)
        finally:
            _end(process)
            mine.close()


def _heard(connection: Connection, seconds: float) -> Any:
    if not connection.poll(seconds):
        raise SubprocessLost(
            f"it did not come back within {seconds:g} s and could not be interrupted"
        )
    try:
        said = json.loads(connection.recv_bytes())
    except (EOFError, OSError, ValueError):
        raise SubprocessLost(
            "it ended the whole program, or was stuck where nothing could interrupt it"
        ) from None
    if "trouble" in said:
        raise RuntimeError(said["trouble"])
    return said["answer"]


def _answer(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    filename: str,
    place: str,
    connection: Connection,
) -> None:
    faulthandler.disable()  # a parent's, such as pytest's, would write about what happens here
    confine_process(place)
    AuditGuard(filename, place).raise_up()
    try:
        said = {"answer": function(*arguments)}
    except Exception as error:
        import traceback

        said = {"trouble": "".join(traceback.format_exception(error))}
    connection.send_bytes(json.dumps(said, default=_plain).encode())
    connection.close()
    os._exit(0)  # what the file left behind does not run on


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else float(value)


def _end(process: Any) -> None:
    process.join(0.05)
    with suppress(OSError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
    if process.is_alive():
        process.kill()
    process.join()
