"""What ends a process from outside of it: the hard timeout, with a sentence, when C code holds the
interpreter's lock for ever; and, in a child, the end of its parent.

`faulthandler` counts down in a thread that needs no lock, and by the clock; so a countdown is as many
times longer as the main thread's work takes longer on a busy machine: it stands for seconds of
processor. Where nobody starts it anew in time it writes the stack of every thread into a pipe and ends the process with exit code 1. A
small helper process at the other end, of 8 MB, knows the names of the reward files; it finds the
line and writes the sentence to the same stderr. It kills a process that took its own countdown
away.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import mmap
import os
import signal
import subprocess
import sys
import threading
from types import FrameType

from racer.reward.errors import HELD_UP_SENTENCE, STUCK_IN_C_SENTENCE
from racer.reward.thread_times import ThreadTimes, read_thread_times

HELPER_SOURCE = r"""
import os, select, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
names, place, seconds, rest, parent, end = set(), None, "", b"", int(sys.argv[3]), None

def is_stopped():
    try:
        return open("/proc/%d/stat" % parent).read().rpartition(")")[2].split()[0] in "Tt"
    except (OSError, IndexError):
        return False

while True:
    if end is not None and not select.select([0], [], [], max(end - time.monotonic(), 0.0))[0]:
        if is_stopped():
            end += 1.0; continue
        sys.stderr.write(sys.argv[2] % ("%.0f s" % patience))
        os.kill(parent, signal.SIGKILL)
        break
    chunk = os.read(0, 65536)
    if not chunk:
        break
    *lines, rest = (rest + chunk).split(b"\n")
    for line in (line.decode("ascii", "replace") for line in lines):
        if line.startswith("reward "):
            names.add(line[7:])
        elif line.startswith("start ") and os.name == "posix":
            patience = float(line[6:])
            end = time.monotonic() + patience + 3.0
        elif line == "stop":
            end = None
        elif line.startswith("Timeout ("):
            hours, minutes, seconds = line[9:].split(")")[0].split(":")
            seconds = "%.0f s" % (3600 * int(hours) + 60 * int(minutes) + float(seconds))
        elif place is None and line.startswith('  File "'):
            name, _, behind = line[8:].partition('", line ')
            if name in names:
                place = name, behind.split()[0]
if seconds:
    sys.stderr.write(sys.argv[1] % (*place, seconds) if place else sys.argv[2] % seconds)
"""
"""The program of the helper. It gets the sentences as arguments, and on stdin the names of reward
files, how long to wait for the next word, and, when the time is up, what faulthandler writes.
"""


PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that a process gets when its parent ends."""


def die_with_parent(parent: int) -> None:
    """Let this process, a child of the process `parent`, be killed when that ends; on Linux.

    Every child that racer starts calls it first: one that outlives its parent works for nobody.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended meanwhile
        os._exit(1)


class _Countdown:
    """The pipe to the helper, which is opened anew in the child of a fork, for how many seconds the
    countdown was started, 0 while there is none, and the times of the main thread then.
    """

    pipe = -1
    owner = 0
    seconds = 0.0
    started = ThreadTimes(0.0, 0.0, 0.0)
    is_final = False  # the program is at its end


class _Notes:
    """Where the names of reward files are written down, for whoever outlives this process."""

    page: mmap.mmap | None = None


def announce_reward_file(filename: str) -> None:
    """Tell the helper the name of a reward file, as faulthandler will write it."""
    _tell_helper("reward " + filename)


def note_reward_files_in(page: mmap.mmap) -> None:
    """Write the name of each reward file that is executed from now on into shared memory, instead of
    the one before it: where the process is ended from inside, another one can say which it was.
    """
    _Notes.page = page


def note_reward_file(filename: str) -> None:
    """Write down that this reward file is executed now."""
    page = _Notes.page
    if page is None:
        return
    name = filename.encode("utf-8", "replace")[: len(page) - 1]
    page[: len(name) + 1] = name + b"\0"


def start_countdown(seconds: float) -> None:
    """Let the process end in so many seconds, more on a busy machine, unless the countdown is started
    anew or cancelled.
    """
    if _Countdown.is_final:
        return
    pipe = _pipe_to_helper()
    _Countdown.seconds = seconds
    seconds *= _slowdown()
    _tell_helper(f"start {seconds:g}")
    # without any file descriptor there is no countdown
    with contextlib.suppress(ValueError, RuntimeError):
        file = pipe if pipe >= 0 else 2
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)


def _slowdown() -> float:
    """How many times longer work takes than on an idle machine: since the program began or since the
    last countdown, whichever is more.
    """
    times = read_thread_times(os.getpid())  # on Linux, the main thread
    lately = times.since(_Countdown.started)
    _Countdown.started = times
    return max(times.slowdown, lately.slowdown)


def cancel_countdown() -> None:
    """Let the process live on."""
    if _Countdown.is_final:
        return
    _Countdown.seconds = 0.0
    faulthandler.cancel_dump_traceback_later()
    if _Countdown.owner == os.getpid():
        _tell_helper("stop")


def make_final() -> None:
    """Let no later call start or cancel the countdown: the program is at its end."""
    _Countdown.is_final = True


def _tell_helper(line: str) -> None:
    pipe = _pipe_to_helper()
    if pipe >= 0:
        with contextlib.suppress(OSError):
            os.write(pipe, line.encode("ascii", "backslashreplace") + b"\n")


def _pipe_to_helper() -> int:
    if _Countdown.owner != os.getpid():
        _Countdown.pipe = _start_helper()
        _Countdown.owner = os.getpid()
        _heed_suspension()
    return _Countdown.pipe


def _heed_suspension() -> None:
    """Cancel the countdown while the user stops the program with Ctrl-Z: its clock would run on."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "SIGTSTP"):
        return
    if signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL:
        signal.signal(signal.SIGTSTP, _suspend)


def _suspend(number: int, frame: FrameType | None) -> None:
    seconds = _Countdown.seconds
    cancel_countdown()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)  # stops here, and goes on from here
    signal.signal(number, _suspend)
    if seconds:
        start_countdown(seconds)


def _start_helper() -> int:
    """The writing end of a pipe to a new helper, -1 where none can be started."""
    read, write = os.pipe()
    command = [sys.executable or "python3", "-I", "-S", "-c", HELPER_SOURCE]
    command += [STUCK_IN_C_SENTENCE, HELD_UP_SENTENCE, str(os.getpid())]
    try:
        # no Popen: its end would be a warning about a process that still runs
        if hasattr(os, "posix_spawn"):
            stdin = [(os.POSIX_SPAWN_DUP2, read, 0)]
            os.posix_spawnp(command[0], command, os.environ, file_actions=stdin)
        else:
            subprocess.Popen(command, stdin=read)
    except OSError:
        os.close(write)
        return -1
    finally:
        os.close(read)
    return write
