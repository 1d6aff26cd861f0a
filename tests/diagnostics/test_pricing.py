"""Drives priced by columns: the file's own prices, or the file itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from racer.diagnostics import DrivePricer, price_drives, pricing
from racer.drivers import Drive, default_drivers, drive_all
from racer.reward import ColumnProgram, RewardRefused, load_reward, shipped_rewards
from racer.track import load_track


@pytest.fixture(scope="module")
def drives() -> list[Drive]:
    return drive_all(load_track("reinvent_2018"), default_drivers(), "v6")


@pytest.fixture(scope="module")
def drives_among_boxes() -> list[Drive]:
    return drive_all(load_track("oval"), default_drivers("boxes"), "v6", obstacles="boxes")


def write_reward(folder: Path, body: str) -> Path:
    path = folder / "reward.py"
    path.write_text(f"def reward_function(params):\n    {body}\n")
    return path


@pytest.mark.parametrize("name", shipped_rewards())
def test_the_prices_are_those_of_the_file(
    name: str, drives: list[Drive], drives_among_boxes: list[Drive]
) -> None:
    reward = load_reward(name)
    for chosen in (drives, drives_among_boxes):
        pricer = DrivePricer(reward)
        for paid, expected in zip(pricer(chosen), price_drives(reward, chosen), strict=True):
            assert np.array_equal(paid, expected)


def test_nearly_all_shipped_rewards_are_walked(drives: list[Drive]) -> None:
    left_to_the_file = []
    for name in shipped_rewards():
        pricer = DrivePricer(load_reward(name))
        pricer(drives)
        if not pricer.steps_by_columns:
            left_to_the_file.append(name)
    assert left_to_the_file == ["racing_line_reinvent_2018"]  # the least of tuples


def test_once_proven_one_drive_of_eight_batches_is_priced_both_ways(drives: list[Drive]) -> None:
    pricer = DrivePricer(load_reward("center_line"))
    while pricer.steps_by_file < pricing.PROOF_STEPS:
        pricer(drives)
    proven = pricer.steps_by_file
    for _ in range(pricing.BATCHES_PER_CHECK):
        paid = pricer(drives)
    assert pricer.steps_by_file - proven in {len(rewards) for rewards in paid}
    assert pricer.reason == ""


def test_where_both_ways_differ_the_file_is_believed(
    drives: list[Drive], monkeypatch: pytest.MonkeyPatch
) -> None:
    reward = load_reward("center_line")
    walk = ColumnProgram.__call__
    monkeypatch.setattr(
        ColumnProgram, "__call__", lambda *arguments: walk(*arguments) * (1.0 + 2**-52)
    )
    pricer = DrivePricer(reward)
    for paid, expected in zip(pricer(drives), price_drives(reward, drives), strict=True):
        assert np.array_equal(paid, expected)
    assert "differently" in pricer.reason
    before = pricer.steps_by_columns
    pricer(drives)
    assert pricer.steps_by_columns == before


@pytest.mark.parametrize(("column_s", "reason"), [(1.0, ""), (3.0, "the file itself is faster")])
def test_where_columns_are_slower_the_file_is_called(
    drives: list[Drive], monkeypatch: pytest.MonkeyPatch, column_s: float, reason: str
) -> None:
    clock = [0.0]
    reward = load_reward("center_line")
    walk = ColumnProgram.__call__

    def walk_slowly(*arguments: Any) -> Any:
        clock[0] += column_s
        return walk(*arguments)

    def call_file(drives: Sequence[Drive]) -> list[Any]:
        clock[0] += 2.0
        return price_drives(reward, drives)

    monkeypatch.setattr(ColumnProgram, "__call__", walk_slowly)
    monkeypatch.setattr(pricing.time, "process_time", lambda: clock[0])
    pricer = DrivePricer(reward, by_file=call_file)
    for _ in range(pricing.WARM_UP_BATCHES + 1):
        paid = pricer(drives)
    assert pricer.reason == reason
    for rewards, expected in zip(paid, price_drives(reward, drives), strict=True):
        assert np.array_equal(rewards, expected)


def test_a_file_that_raises_is_refused_as_ever(tmp_path: Path, drives: list[Drive]) -> None:
    path = write_reward(tmp_path, "return 1.0 / (params['steps'] - 9.0)")
    with pytest.raises(RewardRefused, match="ZeroDivisionError"):
        DrivePricer(load_reward(path))(drives)


def test_a_file_that_pays_for_nothing_it_reads_is_priced(
    tmp_path: Path, drives: list[Drive]
) -> None:
    pricer = DrivePricer(load_reward(write_reward(tmp_path, "return 2")))
    assert {float(value) for paid in pricer(drives) for value in paid} == {2.0}
    assert pricer.steps_by_columns


def test_a_file_that_cannot_be_walked_says_why(tmp_path: Path, drives: list[Drive]) -> None:
    pricer = DrivePricer(load_reward(write_reward(tmp_path, "print('x')\n    return 1.0")))
    for _ in range(pricing.MAX_FAILURES):
        pricer(drives[:1])
    assert pricer.reason == "print()"
    assert pricer.steps_by_columns == 0


def test_no_drives_are_no_prices() -> None:
    assert DrivePricer(load_reward("center_line"))([]) == []
