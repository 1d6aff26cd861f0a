"""docs/tune.md: its reward is tuned as it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from racer.reward import load_reward
from racer.tuning import find_constants

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "tune.md").read_text("utf-8")


def write_reward(folder: Path) -> Path:
    [source] = re.findall(r"^```python\n# reward\.py\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    path = folder / "reward.py"
    path.write_text(source)
    return path


def test_the_constants_of_its_reward_are_those_with_ranges(tmp_path: Path) -> None:
    constants = find_constants(load_reward(write_reward(tmp_path)))
    assert [constant.name for constant in constants] == ["BASE", "PACE", "POWER"]


@pytest.mark.slow
def test_its_command_runs(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    write_reward(tmp_path)
    [command] = re.findall(r"^\$ racer (.*)$", PAGE, re.MULTILINE)
    words = [sys.executable, "-m", "racer", *shlex.split(command)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "as it is" in done.stdout
    tuned = (tmp_path / "reward_tuned.py").read_text()
    assert "# tune: 0.5 .. 4" in tuned
    first = next(line for line in PAGE.splitlines() if line.startswith("24 settings"))
    assert first.split(",")[0] in done.stdout
