"""`racer demo`: two trainings, their laps beside the bound, and pictures of both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import racer
from racer import drive
from racer.cli import app
from racer.cli.demo import DemoLaps, demo_sentence
from racer.plotting import ghosts_figure
from racer.raceline.lap_bound import remember_bound
from racer.track import load_track
from racer.vehicle.car import V6

pytestmark = pytest.mark.xdist_group("demo")  # one process makes what they share

BOUND_S = 7.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the bound of oval is remembered, so that the test need not wait for it."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("RACER_HOME", str(folder))
        remember_bound(load_track("oval"), V6, BOUND_S, folder)
        yield folder


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    """What a short demo wrote."""
    folder = tmp_path_factory.mktemp("demo") / "runs"
    done = racer_demo(folder)
    assert done.exit_code == 0, done.output
    return folder


def racer_demo(folder: Path, *words: str) -> Any:
    arguments = ["demo", "--track", "oval", "--steps", "4096", "-o", str(folder), *words]
    return CliRunner().invoke(app, arguments)


@pytest.mark.slow
def test_both_rewards_are_trained_and_what_is_there_is_not_trained_again(
    demo_folder: Path,
) -> None:
    finished = {name: demo_folder / name / "finished" for name in ("center_line", "starter")}
    folders = {path.name for path in demo_folder.iterdir() if path.is_dir()}
    assert folders == set(finished)
    metrics = {name: demo_folder / name / "evaluations.csv" for name in finished}
    before = {name: path.stat().st_mtime_ns for name, path in metrics.items()}
    again = racer_demo(demo_folder)
    assert again.exit_code == 0, again.output
    assert before == {name: path.stat().st_mtime_ns for name, path in metrics.items()}
    assert "racer init my_racer" in again.output


@pytest.mark.slow
def test_json_is_json_only(demo_folder: Path) -> None:
    plain = json.loads(racer_demo(demo_folder, "--json").stdout)
    assert plain["bound_s"] == BOUND_S
    assert set(plain) == {"baseline_s", "starter_s", "bound_s", "car", "files"}
    for file in plain["files"]:
        assert Path(file).is_file()


@pytest.mark.slow
def test_a_folder_of_another_demo_is_refused(demo_folder: Path) -> None:
    done = CliRunner().invoke(
        app, ["demo", "--track", "oval", "--steps", "8192", "-o", str(demo_folder)]
    )
    assert done.exit_code == 2
    assert "made with another steps" in done.output


def test_an_unknown_track_is_wrong_use(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["demo", "--track", "ovall", "-o", str(tmp_path / "runs")])
    assert done.exit_code == 2
    assert "oval" in done.output
    assert not (tmp_path / "runs").exists()


def test_the_sentence_says_when_a_car_did_not_come_around() -> None:
    assert demo_sentence(DemoLaps(None, 7.0, 5.0)).startswith("no lap, 7.0 s; physics allows 5.0 s")


def test_ghosts_have_their_names_in_the_legend() -> None:
    trace = drive("oval", "fast").trace
    laps = racer.laps(trace)
    two_laps = pd.concat([laps, laps], ignore_index=True)
    figure = ghosts_figure(trace, two_laps, None, ["one", "two"])
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["one", "two"]
