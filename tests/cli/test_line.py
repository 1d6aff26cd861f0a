"""`racer line`: the bound in words, as JSON, in files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from racer.cli import app


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RACER_HOME", str(tmp_path / "home"))


def told(*words: str) -> str:
    result = CliRunner().invoke(app, ["line", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_line_is_told_drawn_and_written(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("line.csv", "line.npy", "line.py", "line.png")]
    options = [
        str(word)
        for pair in zip(("--csv", "--npy", "--snippet", "-o"), files, strict=True)
        for word in pair
    ]
    said = told("oval", "--method", "least_curvature", "--no-drive", *options)
    assert said.startswith("oval, car v6: ")
    assert "found by least curvature" in said
    assert "T1" in said
    assert [file.exists() for file in files] == [True] * 4
    assert "# racer line oval --car v6" in files[2].read_text()
    assert np.load(files[1]).shape[1] == 8


def test_json_holds_the_same_and_the_drive() -> None:
    found = json.loads(
        told("oval", "--method", "least_curvature", "--car", "v6", "--reverse", "--json")
    )
    assert found["track"]["reversed"] is True
    assert found["drive"]["lap_time"] == pytest.approx(found["lap_time"], rel=0.1)
    assert found["baselines"]["least_curvature"] == found["lap_time"]
    assert [one["corner"] for one in found["corners"]] == ["T1", "T2", "T3", "T4"]


def test_a_wrong_margin_is_a_sentence() -> None:
    result = CliRunner().invoke(app, ["line", "oval", "--margin", "-1"])
    assert result.exit_code == 2
    assert "a lap counts down to -0.08 m" in result.output
