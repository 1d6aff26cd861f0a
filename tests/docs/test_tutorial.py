"""docs/tutorial.md tells the truth: each of its reward functions has the mistake that it shows, the
last one none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from racer.diagnostics import RewardScore, score_rewards
from racer.reward import RewardRefused, load_reward
from racer.testing import Reward, lap, placed
from racer.track import library

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "tutorial.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
MIDDLE, CRASHES, ONE_SIDED, FINAL = [block for block in BLOCKS if block.startswith("# reward.py")]
[TESTS] = [block for block in BLOCKS if block.startswith("# test_reward.py")]
TRACK = library.load_track("reinvent_2018")


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "reward.py").write_text(text, "utf-8")
        return tmp_path / "reward.py"

    return write


def complaints(path: Path) -> dict[str, str]:
    """Name and complaint of every test of the page, run on a reward file; the complaint is empty
    when it passes.
    """
    space: dict[str, Callable[..., None]] = {}
    exec(TESTS, space)
    fixtures = SimpleNamespace(
        reward=Reward(path, TRACK),
        at=lambda **place: placed(TRACK, **place),
        lap=lambda driver: lap(driver, TRACK),
    )
    found = {}
    for name, test in space.items():
        if name.startswith("test_"):
            wanted = test.__code__.co_varnames[: test.__code__.co_argcount]
            try:
                test(**{fixture: getattr(fixtures, fixture) for fixture in wanted})
                found[name] = ""
            except (AssertionError, RewardRefused) as error:
                found[name] = str(error)
    return found


def score(path: Path) -> RewardScore:
    return score_rewards([load_reward(path)], TRACK)[0]


def test_the_first_reward_pays_a_crawl_best(written) -> None:
    verdict = score(written(MIDDLE)).verdict
    assert not verdict.passed
    assert "the best paid is a crawling lap" in verdict.sentence


def test_the_second_reward_crashes_before_the_finish_line(written) -> None:
    assert (
        "IndexError: list index out of range"
        in complaints(written(CRASHES))["test_it_never_stops_the_job"]
    )


@pytest.mark.slow
def test_the_third_reward_fails_the_two_tests_that_the_page_shows(written) -> None:
    found = complaints(written(ONE_SIDED))
    assert {name for name, complaint in found.items() if complaint} == {
        "test_left_turns_are_paid_as_right_turns",
        "test_more_speed_is_never_paid_less",
    }
    shown = [
        line
        for line in PAGE.splitlines()
        if line.startswith(("E         at(", "E       AssertionError: "))
    ]
    assert "at(waypoint=0, steering_deg=21, offset=0.01) on reinvent_2018 is paid 0.79" in str(
        found
    )
    assert len(shown) == 6


@pytest.mark.slow
def test_the_last_reward_agrees_with_the_clock_and_passes_its_tests(written) -> None:
    path = written(FINAL)
    assert set(complaints(path).values()) == {""}
    assert score(path).verdict.passed
