"""The watch falls asleep when nothing is priced, and never while a call is under way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from racer.reward import watchdog
from racer.reward.watchdog import Watchdog, WatchSlot


class Batch:
    def say(self, line: int, remaining: int) -> None:
        raise AssertionError("nothing is stuck here")


@pytest.fixture
def awake() -> Iterator[tuple[Watchdog, WatchSlot]]:
    """A watch that is armed, without a thread, and the one slot that it looks at."""
    from weakref import WeakMethod

    batch, watch = Batch(), Watchdog()
    slot = WatchSlot("reward.py", 0.05, WeakMethod(batch.say))
    slot.home = watch.slots
    watch.slots.add(slot)
    watch.armed = True
    watch.wake.set()
    yield watch, slot
    watchdog.cancel_countdown()


def test_it_sleeps_after_a_look_at_nothing(awake: tuple[Watchdog, WatchSlot]) -> None:
    watch, slot = awake
    slot.last_progress = slot.progress
    watch._look_around()
    assert not watch.armed
    assert not watch.wake.is_set()


def test_a_batch_that_begins_while_it_falls_asleep_is_watched(
    awake: tuple[Watchdog, WatchSlot], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, _ = awake

    def look(slot: WatchSlot) -> bool:
        slot.iterator = iter([1, 2])  # the batch sees an armed watch, and trusts it
        return False

    monkeypatch.setattr(watch, "_look", look)
    watch._look_around()
    assert watch.armed
    assert watch.wake.is_set()
