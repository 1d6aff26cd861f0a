"""Who is stuck is a matter of what a call was given, not of the clock: the watch is made to look here,
without a thread and without a clock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from weakref import WeakMethod

import pytest

from racer.reward import hard_timeout, watchdog
from racer.reward.thread_times import MAX_SLOWDOWN, ThreadTimes
from racer.reward.watchdog import LOOKS_PER_TIMEOUT, Watchdog, WatchSlot

TIMEOUT_S = 5.0
LOOK_S = TIMEOUT_S / LOOKS_PER_TIMEOUT
NATIVE_THREAD = -7  # no thread has it


class Batch:
    def say(self, line: int, remaining: int) -> None:
        raise AssertionError("nothing is stuck here")


class Awake:
    """A watch that is armed, the one slot that it looks at, and the steps that it took against it."""

    def __init__(self, batch: Batch) -> None:
        self.watch = Watchdog()
        self.slot = WatchSlot("reward.py", TIMEOUT_S, WeakMethod(batch.say))
        self.slot.native_thread = NATIVE_THREAD
        self.slot.home = self.watch.slots
        self.watch.slots.add(self.slot)
        self.watch.armed = True
        self.watch.wake.set()
        self.strikes = 0
        self.is_counting_down = True
        self.of_call = ThreadTimes(100.0, 1.0, 7.0)
        self.of_watch = ThreadTimes(100.0, 0.0, 3.0)

    def look(
        self, times: int = 1, *, late: float = 0.0, ran: float = LOOK_S, waited: float = 0.0
    ) -> None:
        """So many looks, each that many s late; meanwhile the call ran, and waited for a processor."""
        for _ in range(times):
            seconds = LOOK_S + late
            start = self.of_call
            self.of_call = ThreadTimes(start.wall + seconds, start.ran + ran, start.waited + waited)
            self.of_watch = ThreadTimes(
                start.wall + seconds, self.of_watch.ran, self.of_watch.waited + late
            )
            self.watch._look_around()

    def begin(self) -> None:
        """A call begins, and is seen."""
        self.slot.iterator = iter([1, 2])
        next(self.slot.iterator)
        self.look()

    def looks_until_stuck(self, most: int = 1000, **look: float) -> int:
        """The number of looks at a call until the first step against it."""
        self.begin()
        for number in range(1, most + 1):
            self.look(**look)
            if self.strikes:
                return number
        raise AssertionError(f"not stuck after {most} looks")

    def read_times(self, native_thread: int | None = None) -> ThreadTimes:
        return self.of_call if native_thread == NATIVE_THREAD else self.of_watch

    def strike(self, slot: WatchSlot, progress: watchdog.Progress) -> None:
        self.strikes += 1

    def start_countdown(self, seconds: float) -> None:
        self.is_counting_down = True

    def cancel_countdown(self) -> None:
        self.is_counting_down = False


@pytest.fixture
def awake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Awake]:
    """An armed watch that rests no time between two looks, and ends no process."""
    batch = Batch()
    awake = Awake(batch)
    monkeypatch.setattr(awake.watch, "_rest", lambda: LOOK_S)
    monkeypatch.setattr(watchdog, "read_thread_times", awake.read_times)
    monkeypatch.setattr(watchdog, "_strike", awake.strike)
    monkeypatch.setattr(watchdog, "start_countdown", awake.start_countdown)
    monkeypatch.setattr(watchdog, "cancel_countdown", awake.cancel_countdown)
    yield awake
    del batch  # it has lived until here: the slot holds it weakly


def test_it_sleeps_after_a_look_at_nothing(awake: Awake) -> None:
    awake.slot.last_progress = awake.slot.progress
    awake.look()
    assert not awake.watch.armed
    assert not awake.watch.wake.is_set()
    assert not awake.is_counting_down


def test_a_batch_that_begins_while_it_falls_asleep_is_watched(
    awake: Awake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(slot: WatchSlot, rested: float) -> bool:
        slot.iterator = iter([1, 2])  # the batch sees an armed watch, and trusts it
        return False

    monkeypatch.setattr(awake.watch, "_look", look)
    awake.look()
    assert awake.watch.armed
    assert awake.watch.wake.is_set()
    assert awake.is_counting_down


def test_a_call_that_is_under_way_at_so_many_looks_is_stuck(awake: Awake) -> None:
    assert awake.looks_until_stuck() == LOOKS_PER_TIMEOUT


def test_a_call_that_sleeps_through_as_many_looks_is_stuck(awake: Awake) -> None:
    assert awake.looks_until_stuck(ran=0.0) == LOOKS_PER_TIMEOUT


def test_a_call_that_ran_for_the_timeout_is_stuck_however_late_the_look_comes(awake: Awake) -> None:
    late = 9.0 * TIMEOUT_S
    share = TIMEOUT_S / 2.0  # it had a tenth of a processor, and the watchdog not much more
    looks = awake.looks_until_stuck(late=late, ran=share, waited=LOOK_S + late - share)
    assert looks == 2


def test_a_call_that_a_busy_machine_keeps_waiting_is_not_stuck(awake: Awake) -> None:
    awake.begin()
    ran = TIMEOUT_S / 1000.0
    awake.look(990, late=TIMEOUT_S, ran=ran, waited=LOOK_S + TIMEOUT_S - ran)
    assert awake.strikes == 0


def test_a_call_that_waits_for_the_interpreter_of_a_late_watchdog_is_not_stuck(
    awake: Awake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awake.watch, "_rest", lambda: 0.0)
    awake.begin()
    awake.look(100, late=TIMEOUT_S, ran=LOOK_S / 1000.0, waited=LOOK_S)
    assert awake.strikes == 0


def test_what_linux_counts_late_makes_no_call_stuck_and_excuses_none(awake: Awake) -> None:
    # a wait is counted at its end: every other look comes amid one
    awake.begin()
    looks = 0
    while not awake.strikes:
        awake.look(late=TIMEOUT_S, ran=0.0, waited=0.0)
        awake.look(late=TIMEOUT_S, ran=0.5, waited=2.0 * (LOOK_S + TIMEOUT_S) - 0.5)
        looks += 2
        assert looks <= 2 * TIMEOUT_S / 0.5
    assert looks >= TIMEOUT_S / 0.5


def test_a_process_that_stands_still_for_a_minute_is_not_stuck(awake: Awake) -> None:
    awake.begin()
    awake.of_call = awake.of_call._replace(wall=awake.of_call.wall + 60.0)
    awake.look()
    assert awake.strikes == 0


def test_a_shorter_timeout_does_not_wait_for_the_look_of_a_longer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("start_countdown", "announce_reward_file", "note_reward_file"):
        monkeypatch.setattr(watchdog, name, lambda _: None)
    batch = Batch()
    rests: list[float] = []
    long = WatchSlot("long.py", 300.0, WeakMethod(batch.say))
    short = WatchSlot("short.py", 0.2, WeakMethod(batch.say))
    watch = Watchdog()
    watch.slots.add(long)

    def wait(seconds: float) -> bool:
        rests.append(seconds)
        if len(rests) == 1:
            watch.arm(short)  # while the watchdog rests
        return watch.sooner.is_set()

    watch.thread = threading.current_thread()  # no other one is to be started
    watch.sooner.wait = wait  # type: ignore[method-assign, assignment]
    assert watch._rest() == pytest.approx(0.05)
    assert rests == pytest.approx([75.0, 0.05])


def test_a_countdown_is_longer_by_what_a_busy_machine_keeps_the_main_thread_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = [ThreadTimes(100.0, 100.0, 0.0)]
    countdowns: list[float] = []
    monkeypatch.setattr(hard_timeout, "_Countdown", type("_", (hard_timeout._Countdown,), {}))
    monkeypatch.setattr(hard_timeout, "_pipe_to_helper", lambda: -1)
    monkeypatch.setattr(hard_timeout, "read_thread_times", lambda thread: times[0])
    monkeypatch.setattr(
        hard_timeout.faulthandler,
        "dump_traceback_later",
        lambda seconds, **_: countdowns.append(seconds),
    )
    hard_timeout.start_countdown(15.0)
    times[0] = ThreadTimes(110.0, 101.0, 9.0)  # since the last countdown it had a tenth
    hard_timeout.start_countdown(15.0)
    times[0] = ThreadTimes(120.0, 109.0, 109.0)  # since the program began, a half
    hard_timeout._Countdown.started = times[0]
    hard_timeout.start_countdown(15.0)
    assert countdowns == [15.0, 150.0, 30.0]


def test_work_takes_as_many_times_longer_as_a_busy_machine_makes_it_wait() -> None:
    assert ThreadTimes(2.0, 2.0, 0.0).slowdown == 1.0
    assert ThreadTimes(30.0, 1.0, 19.0).slowdown == 20.0
    assert ThreadTimes(1000.0, 0.0, 900.0).slowdown == MAX_SLOWDOWN
    assert ThreadTimes(30.0, 0.0, 0.0).slowdown == 1.0  # nobody counts, or it slept


def test_many_calls_that_together_take_longer_than_the_timeout_are_fine(awake: Awake) -> None:
    awake.slot.iterator = iter(range(30))
    for _ in awake.slot.iterator:
        awake.look(LOOKS_PER_TIMEOUT)  # one less than what a call may not outlast
    assert awake.strikes == 0


def test_long_work_between_batches_is_not_mistaken_for_a_stuck_reward(awake: Awake) -> None:
    awake.slot.iterator = iter([1])
    awake.look()
    awake.slot.iterator = None
    awake.look(3 * LOOKS_PER_TIMEOUT)
    assert awake.strikes == 0
    assert not awake.watch.armed


def test_a_batch_that_starts_threads_is_ended_at_the_next_look(
    awake: Awake, monkeypatch: pytest.MonkeyPatch
) -> None:
    thrown: list[type[BaseException]] = []
    monkeypatch.setattr(watchdog, "throw_async", lambda thread, error: thrown.append(error))
    slot = awake.slot
    slot.iterator = iter([1, 2])
    before = slot.threads
    slot.threads = before - watchdog.CROWD_THREADS + 1
    awake.look()
    assert not slot.is_crowded
    slot.threads = before - watchdog.CROWD_THREADS
    awake.look()
    assert slot.is_crowded
    assert len(thrown) == 1
    assert issubclass(thrown[0], watchdog.RewardTimeout)


def test_a_batch_that_is_over_is_not_ended_for_its_threads(
    awake: Awake, monkeypatch: pytest.MonkeyPatch
) -> None:
    thrown: list[type[BaseException]] = []
    monkeypatch.setattr(watchdog, "throw_async", lambda thread, error: thrown.append(error))
    awake.slot.threads = -1000
    awake.look()
    assert not awake.slot.is_crowded
    assert not thrown
