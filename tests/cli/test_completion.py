"""What shells offer: commands, options, tracks, rewards and runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from racer import cli
from racer.training import parse_config
from racer.training.continuation import create_run

LINES = [
    ("racer trai", "train"),
    ("racer score cen", "center_line"),
    ("racer score center_line --tra", "--track"),
    ("racer score center_line --track ov", "oval"),
    ("racer train center_line --track oval,rein", "oval,reinvent_2018"),
    ("racer evaluate @l", "@last"),
    ("racer evaluate @1 --track ov", "oval"),
    ("racer train --resume @b", "@best"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run in it, and `racer` on the path."""
    pytest.importorskip("stable_baselines3")
    create_run(
        parse_config({"reward": "center_line", "track": "oval"}, "a test"),
        tmp_path / "runs" / "first",
    )
    program = tmp_path / "bin" / "racer"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m racer "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(shell: str, script: str) -> list[str]:
    """The words that a script of a shell prints."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    clean = {"bash": "--norc", "fish": "--no-config"}[shell]
    done = subprocess.run([shell, clean, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_bash_offers_what_was_begun(folder: Path) -> None:
    parts = ['eval "$(racer completion bash)"']
    for line, _ in LINES:
        words = line.split()
        parts.append(f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}")
        parts.append('_racer_completion racer; echo "${COMPREPLY[@]}"')
    parts.append('[[ "$COMP_WORDBREAKS" == *@* ]] || echo whole')
    assert offered("bash", "\n".join(parts)) == [*(word for _, word in LINES), "whole"]


@pytest.mark.slow
def test_fish_offers_what_was_begun(folder: Path) -> None:
    parts = ["racer completion fish | source"]
    parts += [f"complete -C '{line}'" for line, _ in LINES]
    assert offered("fish", "\n".join(parts)) == [word for _, word in LINES]


def test_zsh_gets_what_was_begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = CliRunner().invoke(cli.app, ["completion", "zsh"], prog_name="racer").output
    assert "#compdef racer" in script
    for line, word in LINES:
        variables = {"_RACER_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
        done = CliRunner().invoke(cli.app, [], prog_name="racer", env=variables)
        assert f'"{word}"' in done.output
        assert done.stderr == ""


@pytest.mark.parametrize("place", ["score ", "train ", "replay --own "])
def test_rewards_are_offered_wherever_one_is_asked_for(place: str) -> None:
    assert "center_line" in zsh_offer(f"racer {place}")


@pytest.mark.parametrize(
    "place", ["line ", "tracks show ", "challenge ", "check x.py --track ", "tune x.py --track "]
)
def test_tracks_are_offered_wherever_one_is_asked_for(place: str) -> None:
    assert "reinvent_2018" in zsh_offer(f"racer {place}")


def zsh_offer(line: str) -> str:
    variables = {"_RACER_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
    return CliRunner().invoke(cli.app, [], prog_name="racer", env=variables).output
