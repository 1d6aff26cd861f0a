"""`racer runs`, and the names of runs in the place of folders."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from racer import cli
from racer.errors import UsageError
from racer.training import runs

TINY = ("--envs", "2", "--steps", "128")


def racer(*words: str) -> Any:
    done = CliRunner().invoke(cli.app, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


ASKING = [
    ["analyze", "@1"],
    ["compare", "@1", "@2"],
    ["report", "@1", "-o", "a.html"],
    ["plot", "track", "@1"],
    ["replay", "center_line", "@1"],
    ["evaluate", "@1"],
    ["explain", "@1"],
    ["explain", "center_line", "--trace", "@1"],
    ["export", "@1"],
    ["challenge", "oval", "@1"],
    ["actions", "check", "--run", "@1"],
    ["train", "--resume", "@1"],
    ["train", "center_line", "--from", "@1"],
]


@pytest.mark.parametrize("words", ASKING, ids=lambda words: " ".join(words[:2]))
def test_a_name_is_looked_up_wherever_a_run_is_asked_for(words, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def find(name: str) -> Path:
        raise UsageError(f"looked for {name}")

    monkeypatch.setattr("racer.training.find_run", find, raising=False)
    done = racer(*words)
    assert done.exit_code == 2
    assert done.stderr == "racer: looked for @1\n"


def test_a_file_of_that_name_goes_before_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("@1").write_text("")
    assert "looked for" not in racer("analyze", "@1").stderr
    Path("@1").unlink()
    done = racer("analyze", "@1")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "racer: there is no folder runs: racer train makes runs under runs\n", (
        done.stderr
    )


def test_an_empty_folder_and_none(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert racer("runs").exit_code == 2
    Path("runs").mkdir()
    done = racer("runs")
    assert (done.exit_code, done.stdout) == (
        0,
        "no run under runs yet: racer train center_line makes one\n",
    )
    assert json.loads(racer("runs", "--json").stdout) == []
    assert racer("evaluate", "@best").stderr.startswith("racer: @best: there is no run under runs")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with `runs/first`, and `runs/second` that started from it."""
    folder = tmp_path_factory.mktemp("home")
    before = Path.cwd()
    os.chdir(folder)
    try:
        done = racer("train", "center_line", "--track", "oval", *TINY, "--out", "runs/first")
        assert done.exit_code == 0, done
        done = racer(
            *("train", "progress_gained", "--from", "@1", "--track", "bowtie"),
            *("--steps", "128", "--out", "runs/second"),
        )
        assert done.exit_code == 0, done
        (folder / "second.txt").write_text(done.stdout + done.stderr)
    finally:
        os.chdir(before)
    return folder


@pytest.mark.slow
def test_a_training_says_what_it_starts_from_and_how_to_go_on(home):
    lines = (home / "second.txt").read_text().splitlines()
    assert lines[0] == "training progress_gained.py on Bowtie, car v6, seed 0: 128 steps"
    assert lines[1] == "from runs/first, checkpoint 128.pt (center_line.py on Oval)"
    assert lines[2] == (
        "reward or discount factor are not its parent's: at first the value network alone learns"
    )
    assert any("racer train --resume runs/second --steps 256" in line for line in lines)
    assert any("racer train REWARD --from runs/second" in line for line in lines)
    assert "@1 is runs/first" in lines


@pytest.mark.slow
def test_the_table_names_runs_and_parents(home, monkeypatch):
    monkeypatch.chdir(home)
    done = racer("runs")
    assert done.exit_code == 0
    rows = [re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines()]
    rows = [row for row in rows if row[0].startswith("@")]
    assert [row[:4] for row in rows] == [
        ["@1", "center_line", "Oval", "128"],
        ["@2", "progress_gained", "Bowtie", "128"],
    ]
    assert [row[-3:] for row in rows] == [
        ["-", "finished", "first"],
        ["@1", "finished", "second"],
    ]
    assert done.stdout.splitlines()[-1].startswith("to go on: racer evaluate @2")
    [first, second] = json.loads(racer("runs", "--json").stdout)
    assert (first["folder"], first["parent"], first["state"]) == ("runs/first", "", "finished")
    assert second["parent"] == str(home / "runs" / "first")
    monkeypatch.chdir(home.parent)
    assert f"{home.name}/runs@2" in racer("runs", f"{home.name}/runs").stdout


@pytest.mark.slow
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_number_of_the_table_is_cut(home, columns):
    """On a terminal of its own."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "racer", "runs"],
        cwd=home,
        env=os.environ | {"COLUMNS": str(columns)},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 4096):
            shown += piece
    except OSError:  # how a terminal ends on Linux
        pass
    os.close(master)
    assert process.wait() == 0, shown
    text = re.sub(r"\x1b\[[\d;]*m", "", shown.decode())
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= columns + 1
    for word in ("center_line", "Bowtie", "128", "finished", "@2"):
        assert word in text


@pytest.mark.slow
def test_a_finished_run_that_is_resumed_says_what_to_type(home, monkeypatch):
    monkeypatch.chdir(home)
    before = (home / "runs/first/run.json").read_bytes()
    done = racer("train", "--resume", "runs/first")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "racer: runs/first is finished, after 128 steps. To go on: racer train --resume runs/first "
        "--steps 256. To start another training from its policy: racer train REWARD --from "
        "runs/first\n"
    )
    assert (home / "runs/first/run.json").read_bytes() == before


@pytest.mark.slow
def test_a_finished_run_goes_on_with_steps(home, monkeypatch, tmp_path):
    import shutil

    shutil.copytree(home / "runs" / "first", tmp_path / "runs" / "first")
    monkeypatch.chdir(tmp_path)
    done = racer("train", "--resume", "@1", "--steps", "256")
    assert done.exit_code == 0, done
    assert done.stdout.splitlines()[:2] == [
        "training center_line.py on Oval, car v6, seed 0: 256 steps",
        "going on after 128 steps",
    ]
    assert "the learning rate falls over the first 128 steps" in done.stdout
    assert racer("train", "--resume", "@1", "--steps", "256").exit_code == 2


@pytest.mark.slow
def test_analyze_says_where_a_run_comes_from(home, monkeypatch):
    monkeypatch.chdir(home)
    done = racer("analyze", "@2", "-o", "pictures")
    assert done.exit_code == 0, done
    assert f"started from {home / 'runs/first'}, checkpoint 128.pt (center_line.py on Oval)" in (
        done.stdout
    )
    done = racer("evaluate", "@last", "--laps", "1", "--resets", "0")
    assert done.exit_code == 0, done
    assert "@last is runs/second" in done.stderr


def test_text_of_a_strangers_run_steers_no_terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "strange"
    folder.mkdir(parents=True)
    story = {
        "config": {"steps": 10},
        "reward_file": "\x1b[2Jmine.py",
        "track": "oval",
        "track_title": "\x1b]0;title\x07",
        "car": "v6",
    }
    (folder / "run.json").write_text(json.dumps(story))
    (folder / "failed.json").write_text(json.dumps({"message": "\x1b[31mred"}))
    done = racer("runs")
    assert done.exit_code == 0, done
    assert "\x1b" not in done.stdout
    assert r"\x1b[31mred" in done.stdout
    assert runs.list_runs("runs")[0].state == "failed"
