"""`racer tune`: what it prints and writes, its exit codes, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from racer import errors as extras
from racer.cli import app

SOURCE = '''"""Pays for a speed."""

FAST = 1.0  # m/s wanted
MIDDLE = 0.5  # weight of the middle


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3
    off = params["distance_from_center"] / params["track_width"]
    return float(max(1e-3, params["speed"] ** 2 * FAST - MIDDLE * off))
'''


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RACER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reward.py").write_text(SOURCE)
    return tmp_path


def call(*words: str) -> Result:
    words = words or ("reward.py",)
    options = ("--track", "oval", "--seconds", "0.1", "--trials", "3")
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, ["tune", *words, *options])


@pytest.mark.slow
def test_the_settings_the_difference_and_the_file(here: Path) -> None:
    pytest.importorskip("optuna")
    result = call()
    assert result.exit_code == 0, result.output
    assert "3 settings of reward.py on oval, car v6, gamma 0.99" in result.stdout
    assert "as it is" in result.stdout
    assert "optuna-dashboard sqlite:///runs/tune-reward/study.db" in result.stdout
    assert (here / "runs/tune-reward/study.db").is_file()
    if "no file was written" in result.stdout:
        return
    tuned = (here / "reward_tuned.py").read_text()
    assert "+FAST = " in result.stdout
    assert "# m/s wanted" in tuned
    assert len(tuned.splitlines()) == len(SOURCE.splitlines())


@pytest.mark.slow
def test_json_holds_everything_and_the_same_command_goes_on(here: Path) -> None:
    pytest.importorskip("optuna")
    first = json.loads(call("reward.py", "--json").stdout)
    again = json.loads(call("reward.py", "--json").stdout)
    assert first == again
    assert [entry["name"] for entry in first["constants"]] == ["FAST", "MIDDLE"]
    assert len(first["tried"]) == 3
    assert first["original"]["values"] == {"FAST": 1.0, "MIDDLE": 0.5}
    assert first["trained"] is None
    assert first["study"] == "runs/tune-reward/study.db"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def reward_function(params):\n    return 1.0\n", "no constant to tune"),
        (SOURCE.replace("# m/s wanted", "# tune: 4 .. 1"), "smaller number"),
    ],
)
def test_a_file_that_cannot_be_tuned_is_wrong_use(here: Path, source: str, words: str) -> None:
    pytest.importorskip("optuna")
    (here / "reward.py").write_text(source)
    result = call()
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (here / "runs").exists()


def test_a_track_named_twice_is_wrong_use() -> None:
    pytest.importorskip("optuna")
    runner = CliRunner()
    result = runner.invoke(app, ["tune", "reward.py", "--track", "oval,oval"])
    assert result.exit_code == 2
    assert "names a track twice" in result.stderr


def test_no_other_file_is_overwritten(here: Path) -> None:
    pytest.importorskip("optuna")
    (here / "reward_tuned.py").write_text("print('mine')\n")
    result = call()
    assert result.exit_code == 2
    assert "differs from reward.py in more than numbers" in result.stderr
    assert (here / "reward_tuned.py").read_text() == "print('mine')\n"
    assert call("reward.py", "-o", "reward.py").exit_code == 2
    assert (here / "reward.py").read_text() == SOURCE


def test_without_optuna_a_sentence_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    there = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "optuna" else there(name))
    result = call()
    assert result.exit_code == 2
    assert "tuning needs Optuna: pip install" in result.stderr
    assert "[tune]" in result.stderr


def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    import racer.tuning

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(racer.tuning, "tune", interrupted)
    result = call()
    assert result.exit_code == 130
    assert "the same command goes on" in result.stderr


def test_a_reward_that_is_refused_is_no_study_of_nothing(here: Path) -> None:
    pytest.importorskip("optuna")
    (here / "reward.py").write_text(SOURCE.replace('params["speed"] ** 2', "1 / 0"))
    result = call()
    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.stderr
