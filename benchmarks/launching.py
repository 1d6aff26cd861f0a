"""Commands that benchmarks launch as a user would: their evaluations, their processor time, their end."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

RACER = (sys.executable, "-m", "racer")
END_TIMEOUT_S = 20.0


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
