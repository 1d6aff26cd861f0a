"""How long work goes on, as a terminal of 60 to 120 columns and a pipe show it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner

from racer.cli import app, progress
from racer.training import EvaluationScore, TrainingProgress

SCORE = EvaluationScore(9, 10, 96.25, 12.345, 11.987, 12.3, 456.7)
ROW = {"steps": 1_234_567, "seconds": 100.5, **SCORE.as_json(), "checkpoint": "1234567.pt"}


def training(*rows: dict[str, Any]) -> TrainingProgress:
    done = TrainingProgress(steps=1_234_567, seconds=100.5, best=SCORE, latest=SCORE)
    done.evaluations += rows
    return done


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_a_line_of_progress_fits_and_holds_whole_facts(width: int) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, legacy_windows=False)
    session = SimpleNamespace(progress=training(ROW), fraction=lambda: 0.62)
    with progress.show_training_progress(session, console) as report:
        report(training(ROW))
    lines = [Text.from_ansi(line).plain for line in screen.getvalue().splitlines()]
    shown = [line for line in lines if "%" in line]
    assert shown
    for line in shown:
        assert len(line.rstrip()) <= width
        assert "62 %" in line
        assert "…" not in line
        assert "1,234,567 steps" in line or width < 80


def test_facts_that_find_no_room_are_left_out_whole() -> None:
    facts = progress.training_facts(training(ROW))
    assert facts[:2] == ["1,234,567 steps", "best 11.99 s"]
    for width in range(120):
        kept = progress.fit_facts(facts, width)
        assert len(kept) <= width
        assert kept == "  ".join(facts[: len(kept.split("  "))]) or kept == ""


def test_a_pipe_gets_one_line_for_each_evaluation(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=io.StringIO(), width=80)
    old = {**ROW, "steps": 4096}
    session = SimpleNamespace(progress=training(old), fraction=lambda: 0.5)
    with progress.show_training_progress(session, console) as report:
        report(training(old))
        report(training(old, ROW))
        report(training(old, ROW))
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["1,234,567 steps  laps 9 of 10, 96 %  best of them 11.99 s  12,284 steps/s"]


def test_of_several_runs_each_evaluation_names_its_run(capsys: pytest.CaptureFixture[str]) -> None:
    row = {name: str(value) for name, value in ROW.items()}
    runs = [SimpleNamespace(name="seed=0", evaluations=[row])]
    reports = progress.EvaluationReports(progress.print_evaluation_as_json)
    reports.show_runs(runs)
    reports.show_runs(runs)
    [line] = capsys.readouterr().out.splitlines()
    event = json.loads(line)
    assert event["event"] == "evaluation"
    assert event["run"] == "seed=0"
    assert (event["steps"], event["best_lap"]) == (1_234_567, 11.987)
    assert event["checkpoint"] == "1234567.pt"


@pytest.mark.slow
def test_train_json_is_a_line_for_each_evaluation_and_one_at_the_end(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    words = "train center_line --track oval --envs 2 --steps 256 --json -o"
    done = CliRunner().invoke(app, [*words.split(), str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    *evaluations, end = map(json.loads, done.stdout.splitlines())
    assert evaluations
    assert {event["event"] for event in evaluations} == {"evaluation"}
    assert end["event"] == "end"
    assert end["state"] == "finished"
    assert end["steps"] == evaluations[-1]["steps"]
    assert end["best"]["checkpoint"] in {event["checkpoint"] for event in evaluations}
    assert "training center_line.py on" in done.stderr
