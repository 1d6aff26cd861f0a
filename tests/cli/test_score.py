"""`racer score`: what it prints, its exit codes, its picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from racer.cli import app


def call(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "100"}).invoke(app, ["score", *words, "--track", "oval"])


def test_a_reward_that_agrees_with_the_clock_passes() -> None:
    result = call("time_trial")
    assert result.exit_code == 0, result.output
    assert "time_trial passes: at gamma 0.99 it asks for laps of" in result.stdout
    assert any(line.split()[:1] == ["foreseen"] for line in result.stdout.splitlines())


def test_a_reward_that_pays_for_dawdling_fails_with_the_inversions_in_words() -> None:
    result = call("stay_on_track")
    assert result.exit_code == 1
    assert "at gamma 0.99 you pay a crawling lap of" in result.stdout
    assert "stay_on_track fails: at gamma 0.99 it asks for" in result.stdout
    quick = call("stay_on_track", "--quick")
    assert quick.exit_code == 1
    assert "stay_on_track fails: at gamma 0.99 the best paid is a crawling lap of" in quick.stdout
    assert "foreseen" not in quick.stdout


def test_several_rewards_make_a_table_and_fail_if_one_does() -> None:
    result = call("time_trial", "stay_on_track", "--gamma", "0.999", "--quick")
    assert result.exit_code == 1
    _, first, second, *rest = result.stdout.splitlines()
    assert first.startswith("time_trial passes: at gamma 0.999")
    assert second.startswith("stay_on_track fails: at gamma 0.999")
    assert "0.999" in next(line for line in rest if "best paid" in line)


def test_details_are_there_on_request() -> None:
    brief = call("time_trial", "--quick").stdout
    verbose = call("time_trial", "--quick", "-v").stdout
    assert brief.splitlines()[1] == verbose.splitlines()[1]
    assert brief.splitlines()[1].startswith("time_trial passes: ")
    assert "0.999" not in brief
    assert "0.999" in verbose
    assert " sum " in next(line for line in verbose.splitlines() if line.startswith(" driver "))


def test_json_holds_everything() -> None:
    found = json.loads(call("time_trial", "--quick", "--json").stdout)
    assert found[0]["passed"] is True
    assert set(found[0]["rank_correlation"]) == {"0.9", "0.99", "0.999"}
    slow = next(d for d in found[0]["drives"] if d["driver"] == "slow")
    assert slow["completion"] == 100.0
    assert set(slow["pay"]) == set(slow["from_the_start"]) == {"0.9", "0.99", "0.999"}
    stopped = next(d for d in found[0]["drives"] if d["driver"] == "stopping")
    assert stopped["lap_time"] is None


def test_the_picture_is_written(tmp_path: Path) -> None:
    assert call("time_trial", "--quick", "-o", str(tmp_path / "ranks.png")).exit_code == 0
    assert (tmp_path / "ranks.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("gamma", ["1.5", "-0.1", "nan"])
def test_a_gamma_that_is_none_is_wrong_use(gamma: str) -> None:
    result = call("time_trial", "--gamma", gamma)
    assert result.exit_code == 2
    assert "a discount factor is between 0 and 1" in result.output


def test_a_crashing_reward_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def reward_function(params):\n    return params['sped']\n")
    result = call(str(tmp_path / "mine.py"))
    assert result.exit_code == 1
    assert "mine.py:2" in result.output
    assert "Traceback" not in result.output


def test_a_reward_that_is_not_there_is_wrong_use() -> None:
    assert call("nowhere.py").exit_code == 2


def test_the_action_space_limits_the_drivers(tmp_path: Path) -> None:
    actions = [{"steering_angle": s, "speed": 1.0} for s in (-30, -15, 0, 15, 30)]
    sheet = {"action_space": actions, "sensor": ["FRONT_FACING_CAMERA"], "version": "5"}
    (tmp_path / "model_metadata.json").write_text(json.dumps(sheet))
    result = call(
        "time_trial", "--action-space", "model_metadata.json", "--car", "v6", "--json", "--quick"
    )
    laps = [d["lap_time"] for d in json.loads(result.stdout)[0]["drives"] if d["lap_time"]]
    assert min(laps) > 15.0  # 19.6 m at 1 m/s


def test_a_reward_that_cannot_be_priced_names_the_command_that_finds_why(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text("def reward_function(params):\n    return 1.0 / 0\n")
    result = call(str(path))
    assert result.exit_code == 1
    assert (
        result.stderr.splitlines()[-1]
        == f"racer check {path} finds the smallest step that shows it"
    )


def test_one_broken_file_does_not_end_the_table_of_all(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def reward_function(params):\n    return params['sped']\n")
    result = call("mine.py", "time_trial", "--quick")
    assert result.exit_code == 1
    assert "time_trial passes: at gamma 0.99" in result.stdout
    assert "mine.py is not scored: mine.py:2: the reward function raised KeyError" in result.stdout
    found = json.loads(call("mine.py", "time_trial", "--quick", "--json").stdout)
    assert [entry["passed"] for entry in found] == [False, True]
    assert "KeyError" in found[0]["error"]
    assert call("nowhere.py", "time_trial").exit_code == 2
