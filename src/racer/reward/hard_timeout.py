"""The dead man's switch: ends the process, with a sentence, when C code holds the interpreter's
lock for ever.

`faulthandler` counts down in a thread that needs no lock. When nobody holds the switch in time it
writes the stack of every thread into a pipe and ends the process with exit code 1. A small helper
process at the other end knows the names of the reward files; it finds the line and says the
sentence on the same stderr. It costs 8 MB and ends with this process.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import subprocess
import sys
import threading
from types import FrameType

from racer.reward.errors import HELD_UP_SENTENCE, STUCK_IN_C_SENTENCE

SENTENCES = (STUCK_IN_C_SENTENCE, HELD_UP_SENTENCE)
HELPER_SOURCE = r"""
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
names, place, seconds = set(), None, ""
for line in sys.stdin:
    if line.startswith("reward "):
        names.add(line[7:].rstrip("\n"))
    elif line.startswith("Timeout ("):
        hours, minutes, seconds = line[9:].split(")")[0].split(":")
        seconds = "%.0f s" % (3600 * int(hours) + 60 * int(minutes) + float(seconds))
    elif place is None and line.startswith('  File "'):
        name, _, rest = line[8:].partition('", line ')
        if name in names:
            place = name, rest.split()[0]
if seconds and place:
    sys.stderr.write(sys.argv[1] % (*place, seconds))
elif seconds:
    sys.stderr.write(sys.argv[2] % seconds)
"""


class _Switch:
    """The way to the helper, opened anew in the child of a fork, and for how long the switch is
    held.
    """

    end = -1
    owner = 0
    seconds = 0.0  # 0: put away


def announce_reward_file(filename: str) -> None:
    """Tell the helper the name of a reward file, as faulthandler will write it."""
    end = _open()
    if end >= 0:
        with contextlib.suppress(OSError):
            os.write(end, b"reward " + filename.encode("ascii", "backslashreplace") + b"\n")


def start_countdown(seconds: float) -> None:
    """Hold the switch for that long from now."""
    end = _open()
    _Switch.seconds = seconds
    # no descriptor at all: then there is no switch
    with contextlib.suppress(ValueError, RuntimeError):
        faulthandler.dump_traceback_later(seconds, exit=True, file=end if end >= 0 else 2)


def cancel_countdown() -> None:
    """Put the switch away."""
    _Switch.seconds = 0.0
    faulthandler.cancel_dump_traceback_later()


def _open() -> int:
    if _Switch.owner != os.getpid():
        _Switch.end, _Switch.owner = _start_helper(), os.getpid()
        _mind_suspension()
    return _Switch.end


def _mind_suspension() -> None:
    """Put the switch away while the user stops the program with Ctrl-Z: its clock would run on."""
    is_main = threading.current_thread() is threading.main_thread()
    if (
        is_main
        and hasattr(signal, "SIGTSTP")
        and signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTSTP, _suspend)


def _suspend(number: int, frame: FrameType | None) -> None:
    held = _Switch.seconds
    cancel_countdown()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)  # stops here, and goes on from here
    signal.signal(number, _suspend)
    if held:
        start_countdown(held)


def _start_helper() -> int:
    """The writing end of a pipe to a new helper, -1 where none can be started."""
    read, write = os.pipe()
    command = [sys.executable or "python3", "-I", "-S", "-c", HELPER_SOURCE, *SENTENCES]
    try:
        # no Popen: its end would be a warning about a process that still runs
        if hasattr(os, "posix_spawn"):
            os.posix_spawnp(
                command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, read, 0)]
            )
        else:
            subprocess.Popen(command, stdin=read)
    except OSError:
        os.close(write)
        return -1
    finally:
        os.close(read)
    return write
