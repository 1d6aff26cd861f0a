"""Bonuses for a window of progress, and rewards that punish the direction of the track."""

from __future__ import annotations

from pathlib import Path

import pytest

from racer.checker import CheckReport, check

pytestmark = pytest.mark.slow

HEAD = "DONE = [0]\nTABLE = {25: 5.0, 50: 10.0, 75: 20.0}\n\n\ndef reward_function(params):\n"
PROGRESS = "    progress = params['progress']\n"
TAIL = "    return float(reward)\n"

MILESTONES = {
    "equal": "    reward = 1.0\n    if int(progress) == 90:\n        reward += 20.0\n",
    "modulo": "    reward = params['speed']\n    if progress % 10 < 1:\n        reward += 9.0\n",
    "whole_modulo": "    reward = 1.0 + 5.0 * (int(progress) % 25 == 0)\n",
    "table": "    reward = 0.5 + TABLE.get(int(progress), 0.0)\n",
    "rounded": "    reward = 1.0\n    if round(progress) in (25, 50, 75):\n        reward *= 4.0\n",
    "near": "    reward = 1.0\n    for m in (30, 60):\n        if abs(progress - m) < 0.6:\n            reward += 7.0\n",
}
NO_MILESTONES = {
    "paid_once": (
        "    reward = 1.0\n    if params['steps'] <= 2:\n        DONE[0] = 0\n"
        "    if int(progress) // 10 > DONE[0]:\n        DONE[0] = int(progress) // 10\n        reward += 20.0\n"
    ),
    "per_step": "    reward = progress / params['steps']\n",
    "half": "    reward = 1.0\n    if progress > 50:\n        reward = 2.0\n",
    "by_steps": (
        "    reward = 1.0\n    if params['steps'] % 100 == 0 and progress > params['steps'] / 3:\n"
        "        reward += 10.0\n"
    ),
    "finish": "    reward = 1.0\n    if progress == 100:\n        reward += 30.0\n",
}
REVERSED = {
    "returns": "    if params['is_reversed']:\n        return 1e-3\n    reward = params['speed']\n",
    "not_reversed": "    reward = 1.0\n    if not params['is_reversed']:\n        reward += params['speed']\n",
    "among_others": (
        "    reward = params['speed']\n"
        "    if not params['all_wheels_on_track'] or params['is_reversed']:\n        reward = 1e-3\n"
    ),
}
DIRECTION = {
    "side": (
        "    is_inner = params['is_left_of_center'] != params['is_reversed']\n"
        "    reward = 2.0 if is_inner else 1.0\n"
    ),
    "printed": (
        "    reward = params['speed']\n    if params['is_reversed']:\n        DONE[0] = 1\n"
    ),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CheckReport]:
    """The report of each reward above, by its name."""
    folder = tmp_path_factory.mktemp("rewards")
    paths = []
    for name, lines in (MILESTONES | NO_MILESTONES | REVERSED | DIRECTION).items():
        paths.append(folder / f"{name}.py")
        paths[-1].write_text(HEAD + PROGRESS + lines + TAIL)
    return {Path(one.path).stem: one for one in check(paths, tracks=["oval"], seconds=0.3).reports}


def sentences(report: CheckReport, code: str) -> list[str]:
    return [finding.sentence for finding in report.findings if finding.code == code]


@pytest.mark.parametrize("name", MILESTONES)
def test_a_bonus_that_every_step_of_a_window_gets_is_named(
    reports: dict[str, CheckReport], name: str
) -> None:
    [sentence] = sentences(reports[name], "RW319")
    assert "paid in every step from" in sentence
    assert "so waiting there pays" in sentence


@pytest.mark.parametrize("name", NO_MILESTONES)
def test_what_is_paid_once_or_everywhere_is_no_window(
    reports: dict[str, CheckReport], name: str
) -> None:
    assert sentences(reports[name], "RW319") == []


def test_the_window_its_bonus_and_its_line_are_told(reports: dict[str, CheckReport]) -> None:
    [finding] = [one for one in reports["equal"].findings if one.code == "RW319"]
    assert "a bonus of 20 is paid in every step from 90 to 91 %" in finding.message
    assert finding.line == 8
    assert "(3 such windows)" in sentences(reports["table"], "RW319")[0]


@pytest.mark.parametrize("name", REVERSED)
def test_a_punished_direction_of_the_track_is_named(
    reports: dict[str, CheckReport], name: str
) -> None:
    [sentence] = sentences(reports[name], "RW317")
    assert "true in every step of a reversed track" in sentence


@pytest.mark.parametrize("name", DIRECTION)
def test_the_direction_of_the_track_may_be_asked(
    reports: dict[str, CheckReport], name: str
) -> None:
    assert sentences(reports[name], "RW317") == []
