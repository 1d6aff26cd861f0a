"""`racer init`: the starter project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

import racer
from racer import resources as shipped
from racer.cli import init
from racer.cli.init import init_command
from racer.errors import UsageError
from racer.vehicle.metadata import read_metadata

pytestmark = pytest.mark.slow


FILES = {
    ".github/workflows/reward.yml", ".gitignore", "README.md", "experiment.toml", "hyperparameters.json",
    "model_metadata.json", "pytest.ini", "reward.py", "test_reward.py",
}  # fmt: skip

app = typer.Typer()
app.command()(init_command)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_writes_the_project_and_says_what_to_type_next(tmp_path: Path) -> None:
    result = run(tmp_path / "mine")
    assert result.exit_code == 0
    assert files(tmp_path / "mine") == FILES
    assert f"next: cd {tmp_path / 'mine'} && racer watch reward.py" in result.output


def test_without_a_folder_it_writes_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "next: racer watch reward.py" in run().output
    assert files(tmp_path) == FILES


@pytest.mark.parametrize("name", ["reward.py", ".github/workflows/reward.yml"])
def test_it_overwrites_nothing_and_then_writes_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine", "utf-8")
    with pytest.raises(UsageError, match=rf"nothing was written: {name} is there already"):
        run(tmp_path)
    assert files(tmp_path) == {name}
    assert (tmp_path / name).read_text("utf-8") == "mine"


def test_a_folder_that_is_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write"):
        run(tmp_path / "file")


def test_what_test_runs_leave_behind_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "starter"
    (source / "__pycache__").mkdir(parents=True)
    (source / "__pycache__" / "a.pyc").touch()
    (source / "reward.py").touch()
    monkeypatch.setattr(init, "starter_folder", lambda: source)
    run(tmp_path / "mine")
    assert files(tmp_path / "mine") == {"reward.py"}


def test_the_tests_of_the_project_pass(tmp_path: Path) -> None:
    run(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *plugin()],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 passed" in done.stdout


@pytest.mark.parametrize(
    ("track", "car"),
    [
        ("oval", "v5"),
        ("vegas", "v5"),
    ],
)
def test_a_project_with_a_racing_line_names_its_track_and_its_tests_pass(
    track: str, car: str, tmp_path: Path
) -> None:
    result = run(tmp_path, "--line", "--track", track, "--car", car)
    assert result.exit_code == 0
    assert files(tmp_path) == {*FILES, "pace.py"}
    texts = [(tmp_path / name).read_text("utf-8") for name in files(tmp_path)]
    assert not [text for text in texts if "reinvent" in text.lower()]
    assert read_metadata(tmp_path / "model_metadata.json").car == car
    assert len(experiment_of(tmp_path).runs) == 6
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *plugin()],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 passed" in done.stdout


@pytest.mark.parametrize(("car", "option"), [("v5", " --car v5"), ("v6", "")])
def test_a_project_with_a_racing_line_drives_the_car_that_it_is_for(
    car: str, option: str, tmp_path: Path
) -> None:
    run(tmp_path, "--line", "--track", "oval", "--car", car)
    assert f'\nCAR = "{car}"\n' in (tmp_path / "test_reward.py").read_text("utf-8")
    commands = [
        *lines_with("racer score", tmp_path / "README.md"),
        *lines_with("racer score", tmp_path / ".github/workflows/reward.yml"),
        *lines_with("racer actions design", tmp_path / "README.md"),
    ]
    assert len(commands) == 3
    for command in commands:
        assert re.search(rf"--track oval{option}(?! --car)(?=\s|$)", command), command


def lines_with(words: str, path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if words in line]


def test_a_racing_line_needs_a_track_with_a_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown track 'ovel': did you mean 'oval'"):
        run(tmp_path, "--line", "--track", "ovel")
    (tmp_path / "mine.toml").write_bytes((shipped.tracks_folder() / "oval.toml").read_bytes())
    with pytest.raises(UsageError, match="a project needs a track with a name"):
        run(tmp_path, "--line", "--track", tmp_path / "mine.toml")
    assert files(tmp_path) == {"mine.toml"}


def plugin() -> list[str]:
    """What loads the fixtures where racer is not installed."""
    return (
        []
        if any(e.name == "racer" for e in entry_points(group="pytest11"))
        else ["-p", "racer.testing.pytest_plugin"]
    )


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(racer.__file__).resolve().parents[1])}


def experiment_of(folder: Path) -> Any:
    from racer.training.sweep.experiment import read_experiment

    return read_experiment(folder / "experiment.toml")


def test_its_reward_has_no_error_in_any_profile() -> None:
    from racer.checker import check

    file = shipped.starter_folder() / "reward.py"
    result = check(file, tracks=["oval"], profiles=["aws", "community"], seconds=0.3)
    assert result.findings == []


def test_its_settings_can_be_read() -> None:
    from racer.training.config import LearnerSettings
    from racer.training.interop.hyperparameters import read_hyperparameters
    from racer.training.sweep.experiment import read_experiment

    folder = shipped.starter_folder()
    assert read_metadata(folder / "model_metadata.json").action_space.is_continuous
    assert len(read_experiment(folder / "experiment.toml").runs) == 6
    assert (
        read_hyperparameters(str(folder / "hyperparameters.json"), LearnerSettings()).settings.gamma
        == 0.99
    )


def test_its_workflow_types_commands_that_are_there() -> None:
    from racer.cli import COMMANDS

    text = (shipped.starter_folder() / ".github/workflows/reward.yml").read_text("utf-8")
    text += (shipped.starter_folder() / "README.md").read_text("utf-8")
    typed = set(re.findall(r"^(?:\s+- run: )?racer (\w+)", text, re.MULTILINE))
    assert {"check", "score"} <= typed <= set(COMMANDS)
