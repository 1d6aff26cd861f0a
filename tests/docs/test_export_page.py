"""docs/export.md tells the truth: its commands and its Python run, in their order, on short
trainings.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from racer.cli import app

pytestmark = pytest.mark.slow


pytest.importorskip("onnxruntime")
DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "export.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHORT = {"train": ["--steps", "256", "--envs", "8"], "evaluate": ["--resets", "2"]}


def test_what_the_page_says_to_type_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RACER_HOME", str(tmp_path / "home"))
    for language, text in BLOCKS:
        if language == "python":
            exec(text, {})
            assert re.fullmatch(
                r"steering -?\d+\.\d degrees, \d\.\d\d m/s\n", capsys.readouterr().out
            )
            continue
        for line in text.splitlines():
            run(shlex.split(line))
    assert (tmp_path / "look.png").is_file()
    [film] = tmp_path.glob("runs/mine/evaluation-*/laps.gif")
    assert film.stat().st_size > 1000


def run(words: list[str]) -> None:
    """A command of the page, made short: a training takes fewer steps, and a race ends soon."""
    assert words[0] == "racer"
    if words[1] == "train" and words[2].endswith(".toml"):
        path = Path(words[2])
        path.write_text(re.sub(r"(?m)^steps = .*", "steps = 256", path.read_text("utf-8")), "utf-8")
    else:
        words = [*words, *SHORT.get(words[1], [])]
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, f"{shlex.join(words)}\n{done.output}"


def test_pictures_and_pages_that_it_shows_are_there() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", PAGE)
    assert [link for link in links if not (DOCS / link).exists()] == []


def test_what_it_calls_the_files_of_an_export_is_what_there_is() -> None:
    from racer.training.interop import exporter as export

    for name in ("model/policy.onnx", "model/policy.json", "experiment.toml", "run.env"):
        assert name in PAGE
        assert name in (export.__doc__ or "")
    assert "`custom_files/`" in PAGE
