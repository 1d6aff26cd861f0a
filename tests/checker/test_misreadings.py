"""Steps, the clock and the direction of the track, taken for what they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from racer.checker import check, misreadings
from racer.checker.findings import Finding, RuleContext
from racer.reward import load_reward


def read(text: str, folder: Path, code: str) -> list[Finding]:
    """The findings of a code that the source alone shows."""
    path = folder / "reward.py"
    path.write_text(text, encoding="utf-8")
    reward = load_reward(path)
    found = [one for rule in misreadings.RULES for one in rule(reward, RuleContext(path))]
    return [one for one in found if one.code == code]


def body(*lines: str, before: str = "") -> str:
    """A reward function of these lines."""
    text = "".join(f"    {line}\n" for line in lines)
    return f"{before}def reward_function(params):\n{text}    return float(params['speed'])\n"


@pytest.mark.parametrize(
    "lines",
    [
        ("if params['steps'] == 1:", "    memory['x'] = 1"),
        ("if params['steps'] < 2:", "    memory['x'] = 1"),
        ("if params['steps'] <= 1:", "    memory['x'] = 1"),
        ("if params['steps'] == 0:", "    memory['x'] = 1"),
        ("steps = params['steps']", "if steps == 1:", "    memory['x'] = 1"),
        ("steps = int(params.get('steps', 0))", "if 1 == steps:", "    memory['x'] = 1"),
        ("if not params['steps'] > 1:", "    memory['x'] = 1"),
        ("if params['steps'] - 1 == 0:", "    memory['x'] = 1"),
        ("if params['steps'] in (0, 1):", "    memory['x'] = 1"),
        ("if params['steps'] == 1 and params['progress'] < 5:", "    memory['x'] = 1"),
        ("if params['steps'] == FIRST:", "    memory['x'] = 1"),
        ("global FIRST", "if params['steps'] == 0:", "    FIRST = 1"),
        ("if params['steps'] > 1:", "    pass", "else:", "    memory['x'] = 1"),
        ("before = 0.0 if params['steps'] == 1 else memory['x']",),
        ("is_first = params['steps'] == 1", "if is_first:", "    memory['x'] = 1"),
    ],
)
def test_a_condition_for_a_step_before_the_first_call_is_named(
    lines: tuple[str, ...], tmp_path: Path
) -> None:
    [finding] = read(body(*lines, before="memory = {}\nFIRST = 1\n\n\n"), tmp_path, "RW316")
    assert "the first call of an episode has steps 2" in finding.message
    assert "simulators of 2020" in finding.message
    assert "steps'] <= 2" in finding.remedy


def test_steps_of_a_helper_and_of_an_object_are_followed(tmp_path: Path) -> None:
    helper = "def is_first(steps):\n    return steps == 1\n\n\n"
    assert read(body("is_first(params['steps'])", before=helper), tmp_path, "RW316")
    of_class = (
        "class Car:\n    def take(self, params):\n        self.steps = params['steps']\n"
        "        if self.steps == 1:\n            self.x = 0\n\n\ncar = Car()\n\n\n"
    )
    assert read(body("car.take(params)", before=of_class), tmp_path, "RW316")


@pytest.mark.parametrize(
    "lines",
    [
        ("if params['steps'] <= 2:", "    memory['x'] = 1"),
        ("if params['steps'] == 2:", "    memory['x'] = 1"),
        ("if params['steps'] > 1:", "    memory['x'] = 1"),
        ("if params['steps'] == 1 or not memory:", "    memory['x'] = 1"),
        ("if params['steps'] % 100 == 0:", "    memory['x'] = 1"),
        ("if params['steps'] > 1e6:", "    memory['x'] = 1"),
        ("steps = params['steps']", "steps -= 1", "if steps == 1:", "    memory['x'] = 1"),
        ("steps = params['steps'] - 1", "if steps == 1:", "    memory['x'] = 1"),
        ("mean = params['progress'] / params['steps'] if params['steps'] else 0.0",),
        ("if params['steps'] == 0:", "    return 0.0"),
        ("mean = params['progress'] / params['steps'] if params['steps'] > 0 else 0.0",),
    ],
)
def test_a_condition_that_some_step_meets_and_a_guard_are_fine(
    lines: tuple[str, ...], tmp_path: Path
) -> None:
    assert read(body(*lines, before="memory = {}\n\n\n"), tmp_path, "RW316") == []


def test_an_error_names_the_condition_that_never_sets_what_it_reads(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(
        "class Lap:\n    begun = None\n\n\n"
        "def reward_function(params):\n"
        "    if params['steps'] == 1:\n"
        "        Lap.begun = params['progress']\n"
        "    return float(params['progress'] - Lap.begun)\n"
    )
    findings = check(path, tracks=["oval"], seconds=0.2).findings
    [error] = [finding for finding in findings if finding.code == "RW201"]
    assert "TypeError" in error.message
    assert "the cause is line 6, where `params['steps'] == 1` never holds" in error.message
    assert error.remedy == "write `steps <= 2` in line 6"


def test_a_branch_that_never_ran_gets_the_cure_of_its_condition(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(
        "last = [0.0]\n\n\n"
        "def reward_function(params):\n"
        "    if params['steps'] < 2:\n"
        "        last[0] = 0.0\n"
        "    return params['speed'] + last[0]\n"
    )
    findings = check(path, tracks=["oval"], seconds=0.2).findings
    [unreached] = [finding for finding in findings if finding.code == "RW310"]
    assert unreached.remedy == "write `steps <= 2` in line 5"


CLOCK = "import time\n\n\nbegun = [0.0]\n\n\n"


@pytest.mark.parametrize(
    "lines",
    [
        ("seconds = time.time() - begun[0]", "return params['progress'] / seconds"),
        ("begun[0] = time.perf_counter()", "return 1.0 / (1.0 + begun[0])"),
        ("if time.monotonic() - begun[0] > 10.0:", "    return 0.0"),
    ],
)
def test_seconds_of_the_wall_that_decide_on_the_reward_are_named(
    lines: tuple[str, ...], tmp_path: Path
) -> None:
    [finding] = read(body(*lines, before=CLOCK), tmp_path, "RW305")
    assert "is the clock on the wall, not the simulator's" in finding.message
    assert "params['steps'] / 15" in finding.remedy


def test_a_clock_that_is_only_printed_is_fine(tmp_path: Path) -> None:
    lines = ("start = time.time()", "print('took', time.time() - start)")
    assert read(body(*lines, before=CLOCK), tmp_path, "RW305") == []


def test_a_call_that_fails_for_the_clock_names_it_and_no_window_is_made_of_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "reward.py"
    path.write_text(
        "from time import perf_counter\n"
        "begun = [0.0]\n\n"
        "def reward_function(params):\n"
        "    if params['steps'] <= 2:\n"
        "        begun[0] = perf_counter()\n"
        "        return 1.0\n"
        "    return float(params['progress'] / (perf_counter() - begun[0]))\n"
    )
    findings = check(path, tracks=["oval"], seconds=0.2).findings
    [error] = [one for one in findings if one.code == "RW204"]
    assert "the clock of line 8 runs on by microseconds a step here" in error.sentence
    assert error.remedy == "write params['steps'] / 15 for seconds of the episode"
    assert "RW319" not in {one.code for one in findings}
