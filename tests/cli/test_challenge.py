"""`racer challenge`: what there is to win, a run that drives for it, and the record as a ghost."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import racer
from racer.analysis import Challenge
from racer.cli import app
from racer.cli.challenge import challenge_sentence
from racer.cli.ghosts import draw_best_laps
from racer.raceline.lap_bound import remember_bound
from racer.track import load_track
from racer.training.config import parse_config
from racer.training.run import Run
from racer.training.trainer import open_session
from racer.vehicle.car import V6

BOUND_S = 7.0


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, with the bound of oval."""
    folder = tmp_path / "home"
    monkeypatch.setenv("RACER_HOME", str(folder))
    remember_bound(load_track("oval"), V6, BOUND_S, folder)
    return folder


def challenge(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["challenge", *words], env={"COLUMNS": "120"})
    return done.exit_code, done.output


def test_without_a_run_it_says_what_there_is_to_win() -> None:
    exit_code, output = challenge("oval")
    assert exit_code == 0
    for text in ("gold", "silver", "bronze", "7.70", "nobody has driven here yet"):
        assert text in output


def test_an_unknown_car_is_wrong_use() -> None:
    exit_code, output = challenge("oval", "--car", "v9")
    assert exit_code == 2
    assert "v9" in output


@pytest.mark.slow
def test_the_best_lap_of_a_run_goes_onto_the_leaderboard_once(tmp_path: Path, home: Path) -> None:
    settings = {"envs": 8, "n_steps": 16, "batch_size": 64, "n_epochs": 2}
    order = {"reward": "center_line", "track": "oval", "steps": 128, "settings": settings}
    run = Run.create(parse_config(order, "the test"), tmp_path / "run")
    open_session(run).train(lambda progress: None)
    words = ("oval", str(run.folder), "-o", str(tmp_path), "--json")
    first = json.loads(challenge(*words)[1])
    again = json.loads(challenge(*words)[1])
    [entry] = again["entries"]
    assert entry["lap_time"] == first["lap_time"]
    assert (entry["reward"], entry["run"]) == ("center_line", str(run.folder))
    [record] = (home / "challenges").rglob("record.csv")
    assert racer.laps(racer.read_log(record).trace)["complete"].tolist() == [True]


def test_a_run_without_a_complete_lap_wins_nothing() -> None:
    sentence = challenge_sentence(Challenge("oval", "v6", 10.0), None, "runs/a")
    assert sentence == "runs/a: no complete lap in 5, so there is nothing to enter"


@pytest.mark.slow
def test_the_best_lap_of_each_drive_is_drawn(tmp_path: Path) -> None:
    traces = {name: racer.drive("oval", name).trace for name in ("fast", "medium")}
    files = draw_best_laps(traces, load_track("oval"), tmp_path)
    assert [file.name for file in files] == ["ghosts.png", "ghosts.gif"]
    assert all(file.stat().st_size > 0 for file in files)


def test_without_a_complete_lap_nothing_is_drawn(tmp_path: Path) -> None:
    stopped: pd.DataFrame = racer.drive("oval", "stopping").trace
    assert draw_best_laps({"stopping": stopped}, load_track("oval"), tmp_path) == []
    assert list(tmp_path.glob("*.png")) == []


def test_gold_leaves_the_bound_to_beat() -> None:
    sentence = challenge_sentence(Challenge("oval", "v6", 10.0), 10.5, "runs/a")
    assert sentence == "runs/a: 10.50 s, gold; what is left is the bound, 10.00 s"
