"""Code in another process, under supervision and confined: the one way in which racer runs a file
that may crash, hang or end the program.

An audit hook stands before everything that reaches out of the process, and says whose line it was;
behind it stands the kernel, where it can (`racer.checker.kernel`). What a reward does is not refused
where it can be let happen harmlessly: files that it writes land in an empty folder, what it prints to
descriptors in nothing. `run_in_subprocess` waits for one answer of a `ChildProcess`;
`racer.checker.runner` listens to several at a time.
"""

from __future__ import annotations

import _thread
import builtins
import contextlib
import errno
import faulthandler
import importlib
import io
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from importlib.util import find_spec
from multiprocessing import connection
from pathlib import Path
from types import FrameType
from typing import Any

from racer.checker.kernel import give_up_rights
from racer.files import temporary_folder
from racer.reward import CallStopped, RefusalReason, die_with_parent

CHILD_MEMORY_BYTES = 3 * 2**29
"""Beyond what the process has at the beginning."""
CHILD_FILE_BYTES = 64 * 2**20
MAX_THREADS = 16
MAX_SEARCHED_FRAMES = 200
"""Frames that are looked through for the user's."""
MAX_TARGET_CHARS = 60

START_EVENTS = frozenset(
    {
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.exec",
        "os.spawn",
        "os.system",
        "os.startfile",
        "subprocess.Popen",
        "pty.spawn",
    }
)
KILL_EVENTS = frozenset({"os.kill", "os.killpg", "signal.pthread_kill"})
C_EVENTS = frozenset({"ctypes.dlopen", "ctypes.dlsym", "ctypes.dlsym/handle"})
"""What calls of functions in C begin with: past this hook."""
SEND_EVENTS = frozenset(
    {
        *("socket.__new__", "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"),
        *("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"),
        *("socket.getnameinfo", "syslog.openlog", "syslog.syslog"),
    }
)
WRITE_EVENTS = frozenset(
    {
        *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.chown"),
        *("os.link", "os.symlink", "os.utime", "os.setxattr", "os.removexattr", "shutil.rmtree"),
        *("shutil.move", "shutil.copyfile", "shutil.copytree", "sqlite3.connect"),
    }
)
WATCHED_EVENTS = START_EVENTS | KILL_EVENTS | C_EVENTS | SEND_EVENTS | WRITE_EVENTS
WATCHED_EVENTS |= {"open"}
UNAUDITED_STARTS = (("_posixsubprocess", "fork_exec"), ("subprocess", "_fork_exec"))
"""What starts a program and raises no event."""
UNAUDITED_WRITES = (("os", "mkfifo"), ("os", "mknod"), ("posix", "mkfifo"), ("posix", "mknod"))
IMPORT_NAMESPACES = (vars(importlib._bootstrap), vars(importlib._bootstrap_external))
"""The globals of Python's import system: a file may call its code by any file name."""
STANDARD_DEVICES = ("/dev/null", "/dev/stdout", "/dev/stderr")

HEARTBEAT_S = 0.1
"""Seconds between two signs of life, at least."""
POLL_S = 0.2

Message = dict[str, Any]


class ActionBlocked(CallStopped):
    """A reward function reached out of its process."""

    reason = RefusalReason.BLOCKED


class AuditGuard:
    """What stands between the user's file and the machine.

    `noticed` holds what was done by code of the finding and line; of each the first. `blocked` are
    those of them that were not let happen.
    """

    def __init__(self, filename: str, folder: str) -> None:
        self.filename = filename
        self.folder = os.path.realpath(folder)
        self.noticed: dict[tuple[str, int], str] = {}
        self.blocked: set[tuple[str, int]] = set()
        self._source_folder = os.path.realpath(os.path.dirname(filename)) + os.sep  # noqa: PTH120
        self._first_threads = 0
        self._own_threads: set[int] = set()
        self._thread_line = 1  # where the user's code began a thread
        self._is_up = False

    def raise_up(self) -> None:
        """Stand guard from now on. An audit hook cannot be taken off again."""
        if not self._is_up:
            self._is_up = True
            sys.addaudithook(self._hook)
            self._own_threads = set(sys._current_frames())
            self._redirect_writes()
            self._count_threads()
            for module, name in UNAUDITED_STARTS:
                self._forbid(module, name, "RW110", "starts or ends other processes")
            for module, name in UNAUDITED_WRITES:
                self._forbid(module, name, "RW109", "changes files")

    def line(self) -> int:
        """The user's line that is under way, 0 when it is not the user's code, or only an import of
        somebody else's, that acts.

        In a thread that the user's code began it is the line that began it.
        """
        frame: FrameType | None = sys._getframe(2)
        is_own = False  # a module beside the user's file
        for _ in range(MAX_SEARCHED_FRAMES):
            if frame is None:
                break
            if frame.f_code.co_filename == self.filename:
                return frame.f_lineno or 0
            is_import = any(frame.f_globals is names for names in IMPORT_NAMESPACES)
            if is_import and not is_own:
                return 0
            is_own = is_own or self._is_beside(frame.f_code.co_filename)
            frame = frame.f_back
        return 0 if threading.get_ident() in self._own_threads else self._thread_line

    def _is_beside(self, name: str) -> bool:
        return name.startswith(self._source_folder) and "site-packages" not in name

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in WATCHED_EVENTS:
            return
        line = self.line()
        if not line:
            return
        if event in START_EVENTS or event in KILL_EVENTS:
            self._block("RW110", f"starts or ends other processes ({event})", line)
        elif event in C_EVENTS:
            self._block("RW110", f"calls functions in C, past every check ({event})", line)
        elif event in SEND_EVENTS:
            self._notice("RW108", f"uses the network ({event} {_target_of(arguments)})", line)
            # what the job's own machine says, which has no network
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        elif event in WRITE_EVENTS:
            if not self._is_inside(arguments[0]):
                self._block("RW109", f"changes files ({event} {_shortened(arguments[0])})", line)
        elif event == "open":
            self._check_open(arguments, line)

    def _check_open(self, arguments: tuple[Any, ...], line: int) -> None:
        path, _, flags = arguments
        writing_flags = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
        writes = isinstance(flags, int) and bool(flags & writing_flags)
        in_thread = threading.get_ident() not in self._own_threads
        if writes and not self._is_inside(path):
            self._block("RW109", f"writes a file ({_shortened(path)})", line)
        elif writes and in_thread and isinstance(path, str) and path not in STANDARD_DEVICES:
            # that it failed would be seen by nobody
            self._block("RW109", f"writes a file in a thread ({_shortened(path)})", line)
        elif not str(path).startswith(sys.base_prefix):  # a traceback shows lines of Python's own
            verb = "writes" if writes else "reads"
            self._notice("RW109", f"{verb} a file ({_shortened(path)})", line)

    def _count_threads(self) -> None:
        """Know who begins a thread: not every version of Python has an event for that."""
        real = _thread.start_new_thread
        self._first_threads = _thread._count()

        def start(*arguments: Any, **options: Any) -> int:
            line = self.line()
            if line:
                self._thread_line = line
                if _thread._count() - self._first_threads >= MAX_THREADS:
                    self._block("RW209", f"runs more than {MAX_THREADS} threads at a time", line)
            ident: int = real(*arguments, **options)
            if not line:
                self._own_threads.add(ident)
            return ident

        vars(_thread).update(start_new_thread=start, start_new=start)
        vars(threading)["_start_new_thread"] = start

    def _forbid(self, module: str, name: str, code: str, action: str) -> None:
        """Put a function that raises in the place of one that no event tells of."""
        namespace = vars(importlib.import_module(module)) if find_spec(module) else {}
        if name not in namespace:
            return
        real = namespace[name]

        def refuse(*arguments: Any, **options: Any) -> Any:
            line = self.line()
            if line:
                self._block(code, f"{action} ({module}.{name})", line)
            return real(*arguments, **options)

        namespace[name] = refuse

    def _notice(self, code: str, action: str, line: int) -> None:
        self.noticed.setdefault((code, line), action)

    def _block(self, code: str, action: str, line: int) -> None:
        self._notice(code, action, line)
        self.blocked.add((code, line))
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
            is_own = threading.get_ident() in self._own_threads
            if is_own and isinstance(file, (str, os.PathLike)) and self.line():
                copy = Path(self.folder) / (Path(os.fsdecode(file)).name or "file")
                writes = bool(set("wax+") & set(str(mode)))
                if (writes and not self._is_inside(file)) or (not writes and copy.exists()):
                    file = copy
            return real_open(file, mode, *rest, **options)

        for module in (builtins, io):
            vars(module)["open"] = open_inside


def sandbox_folder() -> contextlib.AbstractContextManager[str]:
    """A new folder to run in, which is taken away with everything in it."""
    return temporary_folder("racer-trial-")


def confine_process(folder: str) -> None:
    """Move into the folder, away from the terminal, and under limits of memory and of file sizes."""
    os.chdir(folder)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each thread of it takes memory of its own
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    sys.dont_write_bytecode = True
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    sys.stdin = _open_null("r")
    sys.stdout = _open_null("w")
    sys.stderr = _open_null("w")
    faulthandler.disable()  # the parent says how this process ended
    threading.excepthook = lambda _: None  # its traceback reads files, which would be the user's
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
        """Send a message. Where nobody listens any more, this process ends."""
        self._last_sent = time.monotonic()
        try:
            self._connection.send_bytes(json.dumps(message, default=_plain).encode())
        except OSError:
            os._exit(1)

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
            target=_run_child, args=(target, arguments, folder, to_parent, os.getpid()), daemon=True
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
    parent: int,
) -> None:
    """The main function of a child. The process ends with it."""
    die_with_parent(parent)
    faulthandler.disable()  # a parent's, such as pytest's, would write about what happens here
    confine_process(folder)
    give_up_rights(folder)
    pipe = MessagePipe(to_parent)
    try:
        target(pipe, *arguments)
    except Exception:  # a bug of racer's own: the parent raises it
        pipe.send(crashed=traceback.format_exc())
    pipe.close()
    os._exit(0)  # what the file left behind (threads, exit handlers) does not run on


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else float(value)
