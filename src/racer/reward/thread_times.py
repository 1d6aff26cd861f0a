"""How long a thread had a processor, and how long a busy machine kept it waiting for one, as Linux
counts them in /proc.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

MAX_SLOWDOWN = 100.0
EVIDENCE_S = 0.05
"""A slowdown is not judged by less processor time than this."""

# bound here, as a reward may replace them
_OPEN = open
_CLOCK = time.monotonic


class ThreadTimes(NamedTuple):
    """Seconds by the clock, those for which a thread had a processor, and those for which it was ready
    to run and a busy machine kept it waiting; the latter two are 0 where nobody counts them.
    """

    wall: float
    ran: float
    waited: float

    def since(self, start: ThreadTimes) -> ThreadTimes:
        """What went by since then."""
        return ThreadTimes(self.wall - start.wall, self.ran - start.ran, self.waited - start.waited)

    @property
    def slowdown(self) -> float:
        """How many times longer its work takes than with a processor of its own, 1 to MAX_SLOWDOWN."""
        wanted = self.ran + self.waited
        return min(max(wanted / max(self.ran, EVIDENCE_S), 1.0), MAX_SLOWDOWN)


def read_thread_times(native_thread: int | None = None) -> ThreadTimes:
    """The times of a thread of this process, or of this one, since it was started.

    >>> start = read_thread_times()
    >>> read_thread_times().since(start).wall >= 0.0
    True
    """
    thread = threading.get_native_id() if native_thread is None else native_thread
    try:
        # as bytes: a codec would be imported, which a validator's trial refuses
        with _OPEN(f"/proc/self/task/{thread}/schedstat", "rb") as file:
            ran_ns, waited_ns = file.read().split()[:2]
        return ThreadTimes(_CLOCK(), int(ran_ns) / 1e9, int(waited_ns) / 1e9)
    except (OSError, ValueError):
        return ThreadTimes(_CLOCK(), 0.0, 0.0)


def seconds_waited() -> float:
    """Seconds for which this thread was ready to run and a busy machine kept it waiting; 0 where nobody
    counts them.
    """
    return read_thread_times().waited
