"""Commands that benchmarks launch as a user would: their evaluations, their processor time, their end."""

from __future__ import annotations

import csv
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

RACER = (sys.executable, "-m", "racer")
END_TIMEOUT_S = 20.0
PR_SET_CHILD_SUBREAPER = 36
"""Of prctl(2): orphans become children of the process."""
PATIENCE = 10.0
"""No limit is longer by the clock than so many times its seconds, however busy the machine is."""


def read_evaluations(file: Path) -> list[dict[str, str]]:
    """The rows of a run's evaluations.csv so far; none before the first."""
    try:
        return list(csv.DictReader(file.read_text().splitlines()))
    except FileNotFoundError:
        return []


def first_clean_evaluation(file: Path) -> dict[str, str] | None:
    """The first evaluation in a run's evaluations.csv in which every lap is complete."""
    for row in read_evaluations(file):
        if row["complete"] == row["trials"]:
            return row
    return None


def processor_seconds(process_id: int) -> float | None:
    """Seconds of processor time of a process and of what it started, user and system; None without /proc.

    Commands work in a supervised child, so the launched process alone would show next to nothing.
    """
    ticks = process_ticks(process_id)
    if ticks is None:
        return None
    for child_id in descendants(process_id):
        ticks += process_ticks(child_id) or 0
    return round(ticks / os.sysconf("SC_CLK_TCK"), 2)


def process_ticks(process_id: int) -> int | None:
    """Clock ticks of a process and of its children that have ended; None once it is gone."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    own_and_ended_children = fields[11:15]
    return sum(int(field) for field in own_and_ended_children)


def descendants(process_id: int) -> list[int]:
    """Ids of the processes that a process has started and that they have started, as far as they live."""
    found = []
    for children_file in Path(f"/proc/{process_id}/task").glob("*/children"):
        try:
            children = [int(name) for name in children_file.read_text().split()]
        except OSError:  # the thread has ended
            continue
        for child_id in children:
            found += [child_id, *descendants(child_id)]
    return found


def seconds_held_up(process_id: int) -> float:
    """The seconds for which a busy machine has kept a process waiting, or one that it has started and
    that lives, whichever waited longer.
    """
    longest_s = 0.0
    for one in [process_id, *descendants(process_id)]:
        try:
            waited_ns = Path(f"/proc/{one}/schedstat").read_text().split()[1]
        except (OSError, IndexError):  # it has ended
            continue
        longest_s = max(longest_s, int(waited_ns) / 1e9)
    return longest_s


class Deadline:
    """So many seconds from now, not counting those for which a busy machine keeps a process, or what it
    started, waiting.
    """

    def __init__(self, seconds: float, process_id: int) -> None:
        self._seconds = seconds
        self._process_id = process_id
        self._began = time.monotonic()
        self._held_up = seconds_held_up(process_id)

    @property
    def is_over(self) -> bool:
        """Whether they have gone by. Costs little as long as they cannot have."""
        spent = time.monotonic() - self._began
        if spent < self._seconds:
            return False
        held_up = seconds_held_up(self._process_id) - self._held_up
        return spent - max(held_up, 0.0) >= self._seconds or spent >= PATIENCE * self._seconds


def adopt_orphans() -> None:
    """Let processes whose parent has ended become children of this one."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def wait_for_children(seconds: float) -> list[str]:
    """Wait until no child is left; the command lines of those that are after so many seconds, and were
    killed.
    """
    deadline = Deadline(seconds, os.getpid())
    while not deadline.is_over:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # there is none
            return []
        if not ended:
            time.sleep(0.02)
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    left: list[str] = []
    while orphans := children.read_text().split():
        for orphan in orphans:
            command = Path(f"/proc/{orphan}/cmdline").read_bytes().replace(b"\0", b" ")
            left.append(command[:100].decode(errors="replace"))
            os.kill(int(orphan), signal.SIGKILL)
            os.waitpid(int(orphan), 0)
    return left


def commit_text() -> str:
    """The commit that is measured, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process as Ctrl-C does, and with force when it does not."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for_process(process: subprocess.Popen[bytes]) -> float:
    """The processor seconds of a process, once it has ended; its exit code is in `returncode`."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def machine_text() -> str:
    """The machine and how busy it is, for headlines."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def format_count(number: float | None, decimals: int = 0) -> str:
    """A number for a table; `never` in place of None."""
    if number is None:
        return "never"
    return f"{number:,.{decimals}f}"
