"""Who is stuck is a matter of looks, not of seconds: the watch is made to look here, without a thread
and without a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakMethod

import pytest

from racer.reward import watchdog
from racer.reward.watchdog import LOOKS_PER_TIMEOUT, Watchdog, WatchSlot


class Batch:
    def say(self, line: int, remaining: int) -> None:
        raise AssertionError("nothing is stuck here")


class Awake:
    """A watch that is armed, the one slot that it looks at, and the steps that it took against it."""

    def __init__(self, batch: Batch) -> None:
        self.watch = Watchdog()
        self.slot = WatchSlot("reward.py", 5.0, WeakMethod(batch.say))
        self.slot.home = self.watch.slots
        self.watch.slots.add(self.slot)
        self.watch.armed = True
        self.watch.wake.set()
        self.strikes = 0
        self.is_counting_down = True

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.watch._look_around()

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
    seconds = awake.slot.timeout / LOOKS_PER_TIMEOUT
    monkeypatch.setattr(awake.watch, "_rest", lambda slots: seconds)
    monkeypatch.setattr(watchdog, "_seconds_running", lambda slot: seconds)
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
    awake.slot.iterator = iter([1, 2])
    next(awake.slot.iterator)
    awake.look()  # the first one sees it begin
    awake.look(LOOKS_PER_TIMEOUT - 1)
    assert awake.strikes == 0
    awake.look()
    assert awake.strikes == 1


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
