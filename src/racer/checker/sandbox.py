"""A process in which a user's file may do its worst: it cannot start programs, kill, send, or write
elsewhere.

An audit hook stands before everything that reaches out of the process. What a reward does is not
refused where it can be let happen harmlessly: files that it writes land in an empty folder, what it
prints to descriptors in nothing.
"""

from __future__ import annotations

import builtins
import contextlib
import faulthandler
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from racer.reward import CallStopped, RefusalReason

CHILD_MEMORY_BYTES = 3 * 2**29
"""Beyond what the process has at the beginning."""
CHILD_FILE_BYTES = 64 * 2**20
MAX_THREADS = 16
MAX_TRACED_LINES = 20_000
"""Lines of one call that are traced; a long loop then runs on at full speed."""
MAX_SEARCHED_FRAMES = 200
"""Frames that are looked through for the user's."""
MAX_TARGET_CHARS = 60

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
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "os.link",
    "os.symlink",
    "shutil.rmtree",
    "shutil.move",
    "shutil.copyfile",
    "shutil.copytree",
    "os.utime",
}
WATCHED_EVENTS = START_EVENTS | KILL_EVENTS | SEND_EVENTS | WRITE_EVENTS
WATCHED_EVENTS |= {"open", "_thread.start_new_thread", "ctypes.dlsym"}
STANDARD_DEVICES = ("/dev/null", "/dev/stdout", "/dev/stderr")


class ActionBlocked(CallStopped):
    """A reward function reached out of its process."""

    reason = RefusalReason.BLOCKED


class AuditGuard:
    """What stands between the user's file and the machine.

    `noticed` holds what was done by code of the finding and line; of each the first.
    """

    def __init__(self, filename: str, folder: str) -> None:
        self.filename = filename
        self.folder = os.path.realpath(folder)
        self.noticed: dict[tuple[str, int], str] = {}
        self._threads = 0
        self._is_up = False

    def raise_up(self) -> None:
        """Stand guard from now on. An audit hook cannot be taken off again."""
        if not self._is_up:
            self._is_up = True
            sys.addaudithook(self._hook)
            self._redirect_writes()

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

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in WATCHED_EVENTS:
            return
        line = self.line()
        if not line:
            return
        if event in START_EVENTS or event in KILL_EVENTS:
            self._block("RW110", f"starts or ends other processes ({event})", line)
        elif event in SEND_EVENTS:
            self._block("RW108", f"uses the network ({event} {_target_of(arguments)})", line)
        elif event in WRITE_EVENTS:
            if not self._is_inside(arguments[0]):
                self._block("RW109", f"changes files ({event} {_shortened(arguments[0])})", line)
        elif event == "open":
            self._check_open(arguments, line)
        elif event == "_thread.start_new_thread":
            self._threads += 1
            if self._threads > MAX_THREADS:
                self._block("RW209", f"starts more than {MAX_THREADS} threads", line)

    def _check_open(self, arguments: tuple[Any, ...], line: int) -> None:
        path, _, flags = arguments
        writing_flags = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
        writes = isinstance(flags, int) and bool(flags & writing_flags)
        verb = "writes" if writes else "reads"
        self._notice("RW109", f"{verb} a file ({_shortened(path)})", line)
        if writes and not self._is_inside(path):
            raise ActionBlocked(f"writes {_shortened(path)}")

    def _notice(self, code: str, action: str, line: int) -> None:
        self.noticed.setdefault((code, line), action)

    def _block(self, code: str, action: str, line: int) -> None:
        self._notice(code, action, line)
        raise ActionBlocked(action)

    def _is_inside(self, path: Any) -> bool:
        if isinstance(path, int) or path is None:
            return True
        real = os.path.realpath(os.fsdecode(path))
        return real in STANDARD_DEVICES or real.startswith(self.folder + os.sep)

    def _redirect_writes(self) -> None:
        """Let files that the user's code writes land in the folder, and be read from there again."""
        real_open = io.open

        def open_inside(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
            if isinstance(file, (str, os.PathLike)) and self.line():
                copy = Path(self.folder) / (Path(os.fsdecode(file)).name or "file")
                writes = bool(set("wax+") & set(str(mode)))
                if (writes and not self._is_inside(file)) or (not writes and copy.exists()):
                    file = copy
            return real_open(file, mode, *rest, **options)

        for module in (builtins, io):
            vars(module)["open"] = open_inside


@contextlib.contextmanager
def sandbox_folder() -> Iterator[str]:
    """A new folder to run in, which is taken away with everything in it."""
    with tempfile.TemporaryDirectory(prefix="racer_check_", ignore_cleanup_errors=True) as name:
        yield name


def confine_process(folder: str) -> None:
    """Move into the folder, away from the terminal, and under limits of memory and of file sizes."""
    os.chdir(folder)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each thread of it takes memory of its own
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    sys.stdin = _open_null("r")
    sys.stdout = _open_null("w")
    sys.stderr = _open_null("w")
    faulthandler.disable()  # the parent says how this process ended
    warnings.simplefilter("ignore")  # the job prints warnings, and goes on
    with contextlib.suppress(AttributeError, OSError):
        os.setsid()
    _limit_resources()


def _open_null(mode: str) -> Any:
    return open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123


def _limit_resources() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {resource.RLIMIT_FSIZE: CHILD_FILE_BYTES, resource.RLIMIT_CORE: 0}
    size = _virtual_memory()
    if size:
        limits[resource.RLIMIT_AS] = size + CHILD_MEMORY_BYTES
    for kind, limit in limits.items():
        with contextlib.suppress(ValueError, OSError):
            hard = resource.getrlimit(kind)[1]
            if hard != resource.RLIM_INFINITY:
                limit = min(limit, hard)
            resource.setrlimit(kind, (limit, hard))


def _virtual_memory() -> int:
    """Bytes of address space that this process has, 0 where that cannot be told."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def _target_of(arguments: tuple[Any, ...]) -> str:
    """What a network event is about: the address behind the socket, or the name."""
    if not arguments:
        return ""
    if len(arguments) > 1 and not isinstance(arguments[0], str):
        return _shortened(arguments[1])
    return _shortened(arguments[0])


def _shortened(value: Any) -> str:
    text = str(value)
    if len(text) <= MAX_TARGET_CHARS:
        return text
    return text[: MAX_TARGET_CHARS - 3] + "..."
