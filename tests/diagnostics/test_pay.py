"""The measure of a driving: what it must say of drives whose worth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from racer.diagnostics import discounted_returns, pay_around_lap
from racer.diagnostics.pay import TAIL_STEPS
from racer.drivers import Drive, drive
from racer.sim import STATE, Phase, Status
from racer.track import load_track


def made(progress: np.ndarray, status: Status = Status.LAP_COMPLETE, done: bool = True) -> Drive:
    """A drive whose steps, one after the prepare step, are at these places, % of the lap."""
    rows = np.zeros(len(progress) + 1, STATE)
    rows["phase"] = Phase.RUN
    rows["phase"][0] = Phase.PREPARE
    rows["progress"][1:] = progress
    rows["lap_time"] = np.nan
    rows["status"][-1] = status
    rows["done"][-1] = done
    track = load_track("oval")
    return Drive("made", "made", rows, (track, track.reversed()))


def lap(steps: int) -> Drive:
    return made(np.linspace(0.5, 100.0, steps))


def test_without_discount_an_even_lap_is_worth_three_quarters_of_its_sum() -> None:
    # at the start all of the lap is left, at the places passed on average half of it
    steps = 400
    assert pay_around_lap(np.ones(steps), lap(steps), 1.0) == pytest.approx(300.0, rel=0.02)


def test_a_short_sight_sees_a_step_alone() -> None:
    assert pay_around_lap(np.full(300, 2.5), lap(300), 0.0) == pytest.approx(2.5)


def test_where_a_car_dawdles_counts_no_more_than_where_it_drives() -> None:
    # two laps that are paid the same at every place and to come; one of them stands for a while at
    # a place where nothing is paid, so that without a discount no return changes
    plain = np.linspace(0.5, 100.0, 200)
    waits = np.insert(plain, 20, np.full(300, plain[20]))
    paid = np.ones(200)
    paid_waiting = np.insert(paid, 20, np.zeros(300))
    measured = pay_around_lap(paid_waiting, made(waits), 1.0)
    assert measured == pytest.approx(pay_around_lap(paid, made(plain), 1.0), rel=0.01)
    # the mean over steps would have preferred the one that waits
    over_steps = discounted_returns(paid, 1.0).mean()
    assert discounted_returns(paid_waiting, 1.0).mean() > 1.2 * over_steps


@pytest.mark.parametrize("pay", [1.0, -1.0])
@pytest.mark.parametrize("gamma", [0.9, 0.99, 1.0])
def test_going_on_is_better_exactly_where_it_is_paid(pay: float, gamma: float) -> None:
    worth = []
    for end in (10.0, 30.0, 60.0, 90.0):
        progress = np.arange(0.5, end, 0.5)
        ended = made(progress, Status.OFF_TRACK)
        worth.append(pay_around_lap(np.full(len(progress), pay), ended, gamma))
    assert np.all(np.diff(worth) * pay > 0.0)


def test_where_an_ended_drive_never_was_there_is_nothing_to_come() -> None:
    progress = np.arange(0.5, 20.0, 0.5)
    paid = np.zeros(len(progress))
    paid[-1] = 7.0
    # it is to come at the start, and at each of the 20 of 100 places that the drive has reached
    expected = 0.5 * (7.0 + 0.2 * 7.0)
    assert pay_around_lap(paid, made(progress, Status.OFF_TRACK), 1.0) == pytest.approx(expected)


def test_a_lap_is_not_worth_less_for_what_comes_after_its_best_part() -> None:
    # much is paid at the beginning: who leaves then never passes the poorer places
    progress = np.linspace(0.5, 100.0, 200)
    paid = np.where(progress < 10.0, 5.0, 0.1)
    short = progress < 12.0
    left = pay_around_lap(paid[short], made(progress[short], Status.OFF_TRACK), 0.99)
    assert pay_around_lap(paid, made(progress), 0.99) > left


def test_a_car_that_only_goes_back_is_worth_its_start() -> None:
    driven = made(-np.arange(0.5, 7.5, 0.5), Status.REVERSED)
    assert pay_around_lap(np.ones(14), driven, 1.0) == pytest.approx(0.5 * (14.0 + 0.14))


def test_a_drive_that_was_cut_off_goes_on() -> None:
    # standing for ever at 1 a step
    stands = made(np.full(300, 5.0), Status.IN_PROGRESS, done=False)
    assert pay_around_lap(np.ones(300), stands, 0.99) == pytest.approx(100.0, rel=0.01)
    # a slow lap of 900 steps that was cut off at 300 is worth what the whole of it is
    whole = np.linspace(0.5, 100.0, 900)
    cut = made(whole[:300], Status.IN_PROGRESS, done=False)
    for gamma in (0.99, 0.999, 1.0):
        expected = pay_around_lap(np.ones(900), made(whole), gamma)
        assert pay_around_lap(np.ones(300), cut, gamma) == pytest.approx(expected, rel=0.02)


def test_a_tail_that_is_given_is_taken() -> None:
    cut = made(np.linspace(0.5, 50.0, TAIL_STEPS), Status.IN_PROGRESS, done=False)
    paid = np.ones(TAIL_STEPS)
    with_nothing = pay_around_lap(paid, cut, 0.99, tail=0.0)
    with_much = pay_around_lap(paid, cut, 0.99, tail=1000.0)
    assert with_much > with_nothing + 100.0


def test_a_drive_without_steps_is_worth_nothing() -> None:
    nothing = made(np.empty(0))
    assert pay_around_lap([], nothing, 0.99) == 0.0


def test_it_is_a_number_for_every_scripted_driver() -> None:
    for name in ("fast", "slow", "stopping", "leaving", "circling", "wrong_way"):
        driven = drive("oval", name)
        count = int((driven.rows["phase"] == Phase.RUN).sum())
        for gamma in (0.0, 0.9, 0.999, 1.0):
            assert np.isfinite(pay_around_lap(np.ones(count), driven, gamma)), name


def test_a_place_counts_when_it_is_first_reached() -> None:
    # forth, back and forth again over 50 %: what comes after the first passage is all to come
    there = np.linspace(0.5, 60.0, 60)
    back = np.linspace(60.0, 40.0, 14)
    again = np.linspace(40.0, 100.0, 60)
    driven = made(np.concatenate([there, back, again]))
    paid = np.zeros(len(there) + len(back) + len(again))
    paid[len(there) + len(back) + 5] = 1.0  # at 45 % on the way there the second time
    assert pay_around_lap(paid, driven, 1.0) == pytest.approx(0.5 * (1.0 + 0.6), abs=0.03)


def test_the_drive_may_hold_more_than_is_priced() -> None:
    driven = lap(300)
    shorter = replace(driven, rows=driven.rows[:200])
    assert pay_around_lap(np.ones(199), shorter, 0.9) > 0.0
