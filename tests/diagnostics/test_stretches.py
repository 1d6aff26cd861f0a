"""Drives are taken apart by the road: what a stretch is worth, and which drive to follow where."""

from __future__ import annotations

import numpy as np
import pytest

from racer.diagnostics.foresight.stretches import best_sequence, stretch_advantages
from racer.drivers import Drive, drive_all, scored_rows_of
from racer.track import load_track

COUNT = 8
GAMMA = 0.99


@pytest.fixture(scope="module")
def drives() -> list[Drive]:
    """A slow lap and a fast one."""
    return drive_all(load_track("oval"), ["slow", "fast"])


def pay_by_half(drives: list[Drive], slow_half: int) -> list[np.ndarray]:
    """Each step on a half of the lap (0 or 1) pays 1; elsewhere what it gains, squared."""
    rewards = []
    for drive in drives:
        progress = scored_rows_of(drive)["progress"]
        gained = np.diff(progress, prepend=0.0)
        is_there = (progress >= 50.0) == bool(slow_half)
        rewards.append(np.where(is_there, 1.0, gained**2))
    return rewards


@pytest.mark.parametrize("slow_half", [0, 1])
def test_the_slow_drive_is_followed_where_steps_are_paid(
    drives: list[Drive], slow_half: int
) -> None:
    rewards = pay_by_half(drives, slow_half)
    followed = best_sequence(drives, rewards, 0.0, COUNT, GAMMA, 0.001)
    inside = slice(1, COUNT // 2) if slow_half == 0 else slice(COUNT // 2 + 1, COUNT)
    others = slice(COUNT // 2 + 1, COUNT) if slow_half == 0 else slice(1, COUNT // 2)
    assert set(followed[inside]) == {0}
    assert set(followed[others]) == {1}


def test_to_switch_costs(drives: list[Drive]) -> None:
    rewards = pay_by_half(drives, 0)
    followed = best_sequence(drives, rewards, 0.0, COUNT, GAMMA, 10.0)
    assert len(set(followed.tolist())) == 1


def test_a_drive_that_ended_is_not_followed_beyond(drives: list[Drive]) -> None:
    slow, fast = drives
    rows = slow.rows[slow.rows["progress"] < 40.0]
    short = Drive("short", "short", rows, slow.tracks)
    paid = [np.ones(len(scored_rows_of(short))), np.full(len(scored_rows_of(fast)), 0.5)]
    followed = best_sequence([short, fast], paid, 0.0, COUNT, GAMMA, 0.0)
    assert set(followed[4:]) == {1}


def test_a_stretch_is_worth_more_to_who_is_paid_more_on_it(drives: list[Drive]) -> None:
    rewards = pay_by_half(drives, 1)
    worth = stretch_advantages(drives, rewards, 1, 0.0, COUNT, GAMMA)
    assert worth.shape == (2, COUNT)
    assert worth[0, 5] > worth[1, 5]
    assert worth[1, 2] > worth[0, 2]


def test_what_a_drive_never_reached_is_worth_nothing_to_it(drives: list[Drive]) -> None:
    slow, fast = drives
    rows = slow.rows[slow.rows["progress"] < 40.0]
    short = Drive("short", "short", rows, slow.tracks)
    paid = [np.ones(len(scored_rows_of(short))), np.ones(len(scored_rows_of(fast)))]
    worth = stretch_advantages([short, fast], paid, 1, 0.0, COUNT, GAMMA)
    assert np.isneginf(worth[0, 6])
    assert np.isfinite(worth[1]).all()
