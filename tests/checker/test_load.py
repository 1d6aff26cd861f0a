"""What a check finds does not depend on how busy the machine is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from racer.checker import calls, check, checks_as_json, worker
from racer.checker.calls import TrialClock

BODIES = {
    "bands": "return 1.0 if params['distance_from_center'] < 0.1 else 0.1",
    "fails_first": "return float(begun[0]) if params['steps'] == 2 else 1.0",
    "fails_rarely": "return 1.0 / (params['steering_angle'] - 15.0)",
    "past_the_end": "return params['waypoints'][params['closest_waypoints'][1] + 1][0] * 0.0 + 1.0",
    "table": "return TABLE[params['closest_waypoints'][0]]",
    "remembers": "begun.append(params['x'])\n    return float(begun[-1] != begun[-2])",
    "jackpot": "return 1000.0 if params['progress'] == 100 else 0.01",
    "never": "if params['speed'] > 9:\n        return 2.0\n    return params['speed']",
    "misspelled": "return params.get('sped', 1.0)",
    "takes_keys": "return params.pop('speed')",
    "slow": "return sum([k % 7 for k in range(2000)]) * 1e-6 + params['speed']",
    "waits": "time.sleep(0.002)\n    return params['speed']",
}
TIMES = ("call_s", "median_s", "p95_s", "slowest_s")
SPINNERS = 8


@contextmanager
def busy_machine() -> Iterator[None]:
    """Eight processes that do nothing but take time, in the background's class."""
    command = ["nice", "-n", "19", sys.executable, "-S", "-c", "while True: pass"]
    spinners = [subprocess.Popen(command) for _ in range(SPINNERS)]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def found(paths: list[Path]) -> list[dict[str, Any]]:
    reports: list[dict[str, Any]] = json.loads(
        checks_as_json(check(paths, seconds=0.05, tracks=["oval"]).reports)
    )
    for report in reports:
        for name in TIMES:
            report["trial"].pop(name, None)
    return reports


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no nice")
def test_a_check_says_the_same_alone_and_beside_eight_busy_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "DRIVE_OVERTIME_S", 0.1)  # so that slow rewards are tried in part
    paths = []
    for name, body in BODIES.items():
        path = tmp_path / f"{name}.py"
        table = [float(k) for k in range(40)]
        path.write_text(
            f"import time\n\nTABLE = {table}\nbegun = [None]\n\n\ndef reward_function(params):\n    {body}\n"
        )
        paths.append(path)
    alone = found(paths)
    assert any(report["trial"]["steps"] < report["trial"]["of_steps"] for report in alone)
    with busy_machine():
        beside = found(paths)
    assert alone == beside
    assert sum(bool(report["findings"]) for report in alone) >= 8


def test_waiting_for_a_busy_machine_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = [0.0]
    waited = [0.0]
    monkeypatch.setattr(calls, "_WALL_CLOCK", lambda: wall[0])
    monkeypatch.setattr(calls, "seconds_waited", lambda: waited[0])
    clock = TrialClock(limit=3.0)
    wall[0], waited[0] = 10.0, 8.0
    assert (clock.seconds, clock.is_up) == (2.0, False)
    wall[0] = 11.5
    assert (clock.seconds, clock.is_up) == (3.5, True)
