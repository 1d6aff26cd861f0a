"""`racer foresee`: what it says, its exit codes, its pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from racer.cli import app

PLANTED = Path(__file__).resolve().parents[1] / "data" / "foresight"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RACER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def call(*words: str, seconds: str = "0.3") -> Result:
    runner = CliRunner(env={"COLUMNS": "80"})
    return runner.invoke(app, ["foresee", *words, "--track", "oval", "--seconds", seconds])


def test_a_reward_that_asks_for_speed_is_good() -> None:
    result = call(str(PLANTED / "honest_pace.py"))
    assert result.exit_code == 0, result.output
    assert "at gamma 0.99 honest_pace is best paid by laps of" in result.stdout
    assert "found by" in result.stdout


def test_a_reward_that_asks_for_crawling_fails_with_the_line_that_pays() -> None:
    result = call(str(PLANTED / "crawl_center.py"))
    assert result.exit_code == 1
    assert "it wants a car that crawls at 0.5 m/s" in result.stdout
    assert "because `return 1.0 if is_tidy(params) else 1e-3` (line 25)" in result.stdout


def test_a_pipe_gets_a_few_lines_of_progress_on_stderr() -> None:
    lines = call("time_trial").stderr.splitlines()
    assert 1 <= len(lines) <= 4
    assert "so far best paid: laps of" in lines[0]


def test_several_rewards_make_a_table() -> None:
    result = call("time_trial", str(PLANTED / "crawl_center.py"), seconds="0.2")
    assert result.exit_code == 1
    assert "asks for" in result.stdout
    assert "at gamma 0.99 crawl_center is best paid by" in result.stdout


def test_json_is_the_whole_of_it() -> None:
    result = call("center_line", "--json")
    assert result.exit_code == 1
    [found] = json.loads(result.stdout)
    assert found["asks_for_speed"] is False
    assert found["gamma"] == 0.99


@pytest.mark.slow
def test_picture_and_animation_are_written(tmp_path: Path) -> None:
    # center_line is paid best for another driving than the fastest: two maps, two ghosts
    result = call("center_line", "-o", "line.png", "--animation", "ghosts.gif", seconds="0.2")
    assert result.exit_code == 1, result.output
    assert (tmp_path / "line.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "ghosts.gif").read_bytes()[:3] == b"GIF"


def test_the_action_space_limits_the_driving(tmp_path: Path) -> None:
    space = {
        "action_space": [
            {"steering_angle": -20, "speed": 0.8},
            {"steering_angle": 0, "speed": 0.8},
            {"steering_angle": 20, "speed": 0.8},
        ],
        "action_space_type": "discrete",
        "sensor": ["FRONT_FACING_CAMERA"],
        "neural_network": "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW",
        "version": "5",
    }
    (tmp_path / "model_metadata.json").write_text(json.dumps(space))
    result = call("time_trial", "--action-space", "model_metadata.json", "--json")
    [found] = json.loads(result.stdout)
    assert found["car"] == "v5"
    assert found["mean_speed"] < 0.9


@pytest.mark.parametrize(
    "words",
    [
        ("nowhere.py",),
        ("time_trial", "--gamma", "1.5"),
        ("time_trial", "--objects", "bots"),
        ("time_trial", "center_line", "-o", "one.png"),
    ],
)
def test_wrong_use_is_a_sentence(words: tuple[str, ...]) -> None:
    result = call(*words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output


def test_no_time_is_wrong_use() -> None:
    assert call("time_trial", seconds="0").exit_code == 2


def test_a_crashing_reward_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def reward_function(params):\n    return params['sped']\n")
    result = call("mine.py")
    assert result.exit_code == 1
    assert "mine.py:2" in result.output
    assert "racer check mine.py finds the smallest step" in result.output
