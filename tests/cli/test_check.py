"""`racer check` and what a project's pyproject.toml says about it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from racer.checker.runner import read_project_settings
from racer.cli import app
from racer.errors import UsageError

GOOD = "def reward_function(params):\n    return params['speed']\n"
BAD = "def reward_function(params):\n    return missing\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "bad.py").write_text(BAD)
    return tmp_path


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["check", *words, "--track", "oval"])
    return done.exit_code, done.output


def test_a_good_file_passes(project: Path) -> None:
    code, said = run("good.py")
    assert code == 0
    assert said.splitlines()[0] == "checking good.py"


def test_an_error_is_exit_code_1_and_names_file_and_line(project: Path) -> None:
    code, said = run("good.py", "bad.py", "-q")
    assert code == 1
    assert "bad.py:2: RW201 error: the reward function raised NameError" in said
    assert "2 files checked, 1 with errors" in said


def test_what_is_ignored_is_no_error(project: Path) -> None:
    assert run("bad.py", "--ignore", "RW201")[0] == 0


def test_json_is_nothing_but_json(project: Path) -> None:
    code, said = run("bad.py", "--json")
    assert code == 1
    assert json.loads(said)[0]["findings"][0]["code"] == "RW201"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothing.py"], "no reward file 'nothing.py'"),
        (["good.py", "--profile", "awz"], "did you mean 'aws'?"),
        (["good.py", "--timeout", "0"], "--timeout"),
        (["good.py", "--select", "RW9"], "no finding has the code"),
        (["good.py", "--track", "ovel"], "unknown track 'ovel'"),
    ],
)
def test_wrong_use_is_exit_code_2(project: Path, words: list[str], sentence: str) -> None:
    code, said = run(*words)
    assert (code, sentence in said) == (2, True)


def test_a_folder_means_the_files_in_it(project: Path) -> None:
    assert "2 files checked" in run(".", "-q")[1]


def test_a_project_may_choose_codes(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        '[tool.racer]\nignore = ["RW201"]\n[tool.racer.score]\ngamma = 0.9\n'
    )
    assert run("bad.py")[0] == 0
    assert run("bad.py", "--ignore", "RW3")[0] == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[tool.racer]\nignor = ["RW2"]\n', "did you mean 'ignore'"),
        ("[tool.racer]\ntimeout = true\n", "a number of seconds"),
        ("[tool.racer]\nselect = 3\n", "a list of words"),
        ("[tool]\nracer = 3\n", "must be a table"),
        ("tool.racer = [", "is not valid TOML"),
    ],
)
def test_a_wrong_setting_gets_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        read_project_settings(tmp_path)


def test_fix_shows_what_it_would_change(project: Path) -> None:
    (project / "whole.py").write_text(
        "import math\n\n\ndef reward_function(params):\n    return 1\n"
    )
    before = (project / "whole.py").read_text()
    done = CliRunner().invoke(app, ["check", "whole.py", "--diff"])
    assert done.exit_code == 0
    assert "-import math" in done.output
    assert (project / "whole.py").read_text() == before


def test_nothing_heavy_is_loaded_before_the_first_line() -> None:
    code = (
        "import sys, racer.checker.runner, racer.cli.check; "
        "print([m for m in ('numba', 'hypothesis') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_fix_for_a_machine_prints_json_only(tmp_path: Path) -> None:
    path = tmp_path / "spaces.py"
    path.write_text("def reward_function(params):\n    return float( params['speed'] )\n")
    run = CliRunner().invoke(app, ["check", str(path), "--fix", "--json", "--track", "oval"])
    assert run.exit_code == 0
    assert json.loads(run.stdout)[0]["path"] == str(path)
    assert "float(params['speed'])" in path.read_text()
