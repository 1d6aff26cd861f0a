"""Which numbers of a reward file are constants, and the file with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from racer.errors import UsageError
from racer.reward import RewardFunction, load_reward
from racer.tuning import differs_in_numbers_only, find_constants, tuned_path, with_values
from racer.tuning.constants import replace_constants

BODY = """

def reward_function(params):
    return float(FAST - params["speed"])
"""


def write_reward(folder: Path, source: str) -> RewardFunction:
    path = folder / "reward.py"
    path.write_text(source, encoding="utf-8")
    return load_reward(path)


def names(reward: RewardFunction) -> list[str]:
    return [constant.name for constant in find_constants(reward)]


def test_numbers_in_capitals_at_the_top_are_constants(tmp_path: Path) -> None:
    source = "FAST = 2.5\nslow = 1.0\nUNUSED = 3\nNAME = 'x'\nFLAG = True\n" + BODY
    assert names(write_reward(tmp_path, source)) == ["FAST"]


def test_a_constant_that_is_assigned_twice_is_none(tmp_path: Path) -> None:
    source = "SPEED = 1.0\nSPEED = 2.0\nFAST = 2.5\n" + BODY + "    + SPEED\n"
    assert names(write_reward(tmp_path, source)) == ["FAST"]


def test_several_in_a_line_are_several(tmp_path: Path) -> None:
    source = "FAST, SLOW = 2.5, -1.2\n" + BODY.replace("FAST", "FAST + SLOW")
    fast, slow = find_constants(write_reward(tmp_path, source))
    assert (fast.value, slow.value) == (2.5, -1.2)
    assert (slow.low, slow.high) == (-4.8, -0.3)


def test_ranges_choose_the_constants_wherever_they_stand(tmp_path: Path) -> None:
    source = "FAST = 2.5\nSLOW = 1\n" + BODY.replace(
        "    return", "    weight = 0.5  # tune: 0 .. 1\n    look = 6  # tune: 2 .. 12\n    return"
    )
    weight, look = find_constants(write_reward(tmp_path, source))
    assert (weight.name, weight.low, weight.high, weight.is_whole) == ("weight", 0, 1, False)
    assert (look.name, look.low, look.high, look.is_whole) == ("look", 2, 12, True)
    assert not weight.is_log


def test_wide_ranges_are_searched_by_the_logarithm(tmp_path: Path) -> None:
    [fast] = find_constants(write_reward(tmp_path, "FAST = 2.5\n" + BODY))
    assert (fast.low, fast.high, fast.is_log) == (0.625, 10.0, True)


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("# tune: 4 .. 0.5", "smaller number"),
        ("# tune: 0.5 - 4", "names no range"),
        ("# tune:", "names no range"),
        ("# tune: low .. 4", "'low' for a number"),
        ("# tune: 3 .. 4", "does not hold the value 2.5"),
        ("# tune: 0.5 .. inf", "smaller number"),
    ],
)
def test_a_wrong_range_is_a_sentence_with_its_line(
    tmp_path: Path, comment: str, words: str
) -> None:
    reward = write_reward(tmp_path, f"FAST = 2.5  {comment}\n" + BODY)
    with pytest.raises(UsageError, match=words) as caught:
        find_constants(reward)
    assert ":1: " in str(caught.value)
    assert "# tune: 0.5 .. 4" in str(caught.value)


def test_a_range_on_a_line_without_a_number_is_a_sentence(tmp_path: Path) -> None:
    reward = write_reward(tmp_path, "FAST = 2.5\n# tune: 0.5 .. 4\n" + BODY)
    with pytest.raises(UsageError, match=r"reward\.py:2: .*assigns no number"):
        find_constants(reward)


def test_a_range_for_one_name_in_two_places_is_a_sentence(tmp_path: Path) -> None:
    source = "FAST = 1.0  # tune: 0 .. 2\n" + BODY.replace(
        "    return", "    FAST = 2.0  # tune: 0 .. 4\n    return"
    )
    with pytest.raises(UsageError, match="several places"):
        find_constants(write_reward(tmp_path, source))


def test_a_file_without_constants_is_a_sentence(tmp_path: Path) -> None:
    reward = write_reward(tmp_path, "def reward_function(params):\n    return 1.0\n")
    with pytest.raises(UsageError, match="no constant to tune"):
        find_constants(reward)


def test_only_the_literals_change(tmp_path: Path) -> None:
    source = (
        '"""Größe: 2.5."""\nFAST, SLOW = 2.5, -1.2  # ü: 2.5 is fast\nLOOK: int = 6 # ahead\n'
        + BODY.replace("FAST", "FAST + SLOW + LOOK")
    )
    reward = write_reward(tmp_path, source)
    text = replace_constants(
        reward.source, find_constants(reward), {"FAST": 3.0, "SLOW": -0.004, "LOOK": 9}
    )
    assert text == source.replace("= 2.5, -1.2", "= 3.0, -0.004").replace("= 6 ", "= 9 ")
    assert differs_in_numbers_only(text, source)
    assert not differs_in_numbers_only(text.replace("LOOK", "FAR"), source)


def test_lines_are_those_that_python_counts(tmp_path: Path) -> None:
    source = '"""A\x0cpage\u2028of it."""\nFAST = 2.5\nSLOW = 1.5\n' + BODY.replace(
        "FAST", "FAST + SLOW"
    )
    reward = write_reward(tmp_path, source)
    text = replace_constants(reward.source, find_constants(reward), {"FAST": 3.5})
    assert text == source.replace("2.5", "3.5")


def test_the_file_with_other_values_pays_by_them(tmp_path: Path) -> None:
    reward = write_reward(tmp_path, "FAST = 2.5\n" + BODY)
    names_of_other: dict[str, object] = {}
    exec(with_values(reward, {"FAST": 3.5}).code, names_of_other)
    assert names_of_other["FAST"] == 3.5
    assert reward.source.startswith("FAST = 2.5")


def test_what_is_tried_is_what_is_written(tmp_path: Path) -> None:
    [fast] = find_constants(write_reward(tmp_path, "FAST = 2.5\n" + BODY))
    assert fast.rounded(1.23456789) == 1.235
    assert repr(fast.rounded(3)) == "3.0"


def test_the_tuned_file_of_any_reward_is_written_here() -> None:
    assert tuned_path(load_reward("speed_aware")) == Path("speed_aware_tuned.py")
