"""Refusals are data: fields that cross processes, and sentences that nobody reads back."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from racer.errors import RacerError, UsageError
from racer.reward import (
    RefusalReason,
    RewardBatch,
    RewardRefused,
    RewardUnusable,
    UnusableReason,
    errors,
    load_reward,
    relocate_refusal,
)

PARAMS = {"speed": 1.0, "steps": 7.0}


def refusal_of(path: Path) -> RewardRefused:
    # a short one for what never comes back: others get the time that a busy machine may need
    timeout = 0.2 if path.stem == "loops" else 300.0
    with pytest.raises(RewardRefused) as stop:
        RewardBatch(load_reward(path), 2, timeout=timeout, print_limit=2**20)([dict(PARAMS)] * 2)
    return stop.value


@pytest.mark.parametrize(
    ("name", "reason", "facts"),
    [
        ("divides", RefusalReason.RAISED, {"exception": "ZeroDivisionError", "call": 0, "car": 0}),
        ("missing_key", RefusalReason.RAISED, {"exception": "KeyError", "key": "sped"}),
        ("recurses", RefusalReason.RECURSION, {"exception": "RecursionError"}),
        ("exits", RefusalReason.EXIT, {"exception": "SystemExit"}),
        ("returns_none", RefusalReason.NO_NUMBER, {"value": "None"}),
        ("returns_nan", RefusalReason.NAN, {"value": "nan"}),
        ("returns_inf", RefusalReason.INFINITE, {"value": "-inf"}),
        ("returns_too_much", RefusalReason.BEYOND_LIMIT, {"value": "100001.0", "limit": 1e5}),
        ("loops", RefusalReason.TIMEOUT, {"limit": 0.2, "trace": ""}),
        ("floods_at_once", RefusalReason.FLOOD, {"printed": 200_000_000}),
        ("leaves_thread", RefusalReason.THREAD, {"exception": ""}),
        ("raises_at_import", RefusalReason.RAISED, {"params": None, "car": None, "call": -1}),
    ],
)
def test_what_happened_is_in_fields(
    hostile: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    reason: RefusalReason,
    facts: dict[str, Any],
) -> None:
    # pytest takes the SystemExit that ends a thread for a failure
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    error = refusal_of(hostile / f"{name}.py")
    assert error.reason is reason
    assert {key: getattr(error, key) for key in facts} == facts


def test_every_reason_has_a_sentence() -> None:
    for reason in RefusalReason:
        refused = RewardRefused(reason=reason, path="reward.py", line=3, params=PARAMS, car=1)
        assert str(refused).startswith("reward.py:3: the reward function ")
        assert str(refused).endswith(" (car 1, step 7)")
    for reason in UnusableReason:
        assert "reward.py" in str(RewardUnusable(reason=reason, path="reward.py"))


def test_a_file_is_no_reward_function_for_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text("def reward_function(a, b):\n    return 1.0\n")
    with pytest.raises(RewardUnusable) as stop:
        RewardBatch(load_reward(path), 1)
    error = stop.value
    assert (error.reason, error.line, error.arguments) == (
        UnusableReason.SIGNATURE,
        1,
        ("a", "b"),
    )
    assert isinstance(error, UsageError)


@pytest.mark.parametrize("name", ["divides", "returns_nan", "loops", "raises_at_import"])
def test_a_refusal_crosses_processes_whole(hostile: Path, name: str) -> None:
    error = relocate_refusal(refusal_of(hostile / f"{name}.py"), "step 3 of the log")
    error.advice = "go on"
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is RewardRefused
    assert repr([getattr(copy, field.name) for field in fields(copy)]) == repr(
        [getattr(error, field.name) for field in fields(error)]
    )
    assert str(copy) == str(error)
    assert str(copy).endswith(" (step 3 of the log)\ngo on")


def test_an_unusable_file_crosses_processes_whole(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text("x = = 1\n")
    with pytest.raises(RewardUnusable) as stop:
        load_reward(path)
    copy = pickle.loads(pickle.dumps(stop.value))
    assert vars(copy) == vars(stop.value)
    assert str(copy) == str(stop.value)


def test_a_loaded_reward_crosses_processes_with_its_code() -> None:
    reward = load_reward("center_line")
    copy = pickle.loads(pickle.dumps(reward))
    assert (copy, copy.code) == (reward, reward.code)


def test_both_are_errors_that_a_user_can_mend() -> None:
    assert issubclass(RewardRefused, RacerError)
    assert (RewardRefused.exit_code, RewardUnusable.exit_code) == (1, 2)


def test_another_place_replaces_the_car_and_keeps_all_facts(
    written: Callable[..., RewardBatch],
) -> None:
    batch = written("def reward_function(params):\n    return 1 / 0")
    with pytest.raises(RewardRefused) as stop:
        batch([dict(PARAMS)] * 3)
    moved = relocate_refusal(stop.value, "in call 3")
    assert str(moved).endswith("at `return 1 / 0` (in call 3)")
    assert (moved.exception, moved.call, moved.trace) == (
        "ZeroDivisionError",
        0,
        stop.value.trace,
    )
    assert errors.refusal_cause(moved) == errors.refusal_cause(stop.value)


BY_THE_CLOCK = """
import time

begun = [0.0]


def reward_function(params):
    if params["steps"] <= 2:
        begun[0] = time.time()
    seconds = time.time() - begun[0]
    {act}
"""


@pytest.mark.parametrize(
    "act",
    [
        "return 1e9 / (1e-9 + seconds)",
        "return 1.0 / (seconds * 0.0)",
        "return (1e300 / seconds) * 1e300",
    ],
)
def test_a_value_that_the_clock_spoils_is_refused_with_the_clock(tmp_path, act):
    file = tmp_path / "mine.py"
    file.write_text(BY_THE_CLOCK.format(act=act))
    batch = RewardBatch(load_reward(file), 1)
    steps = [{"steps": step} for step in range(2, 100)]
    with pytest.raises(RewardRefused) as caught:
        batch(steps, [0] * len(steps))
    assert caught.value.clock == "time.time() in line 10"
    assert "time.time() in line 10 is the clock on the wall" in str(caught.value)
    assert "params['steps'] / 15" in str(caught.value)


def test_the_clock_is_not_blamed_for_a_missing_key_nor_where_it_decides_nothing(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(BY_THE_CLOCK.format(act="return params['sped'] * seconds"))
    with pytest.raises(RewardRefused) as caught:
        RewardBatch(load_reward(file), 1)([{"steps": 2}])
    assert caught.value.clock == ""
    file.write_text(
        "import time\ndef reward_function(params):\n    begun = time.time()\n    return 1e9\n"
    )
    with pytest.raises(RewardRefused) as caught:
        RewardBatch(load_reward(file), 1)([{"steps": 2}])
    assert caught.value.clock == ""
