"""`racer doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from racer.cli.doctor import doctor_command
from racer.errors import UsageError
from racer.logs import write_csv
from racer.track import load_track

app = typer.Typer()
app.command()(doctor_command)


@pytest.fixture
def log(tmp_path: Path, drive) -> Path:
    """A training whose laps end at 10 % and 15 % of their way, wherever they begin."""
    trace = drive(track=load_track("oval"), episodes=60, ends=(10.0, 15.0), step=0.3)
    write_csv(trace, tmp_path / "training" / "all.csv")
    return tmp_path / "training"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


def test_a_diagnosis_is_done_whatever_it_says(log: Path) -> None:
    result = run(log, "--track", "oval")
    assert result.exit_code == 0
    assert "it has hardly begun: 3 iterations are too few to learn a lap" in result.output
    assert f"next, to see how far it got: racer plot progress {log}" in result.output
    assert [path.name for path in log.iterdir()] == ["all.csv"]


def test_each_shown_symptom_gets_its_picture_where_a_folder_is_named(
    log: Path, tmp_path: Path
) -> None:
    result = run(log, "--track", "oval", "-o", tmp_path / "out", "--json")
    facts = json.loads(result.stdout)
    pictures = [Path(path) for path in facts["pictures"]]
    assert len(pictures) == min(len(facts["symptoms"]), 3) > 0
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    assert facts["symptoms"][0]["command"] == f"racer plot progress {log}"


def test_what_is_not_there_is_wrong_use(log: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        run(tmp_path / "nothing")
    assert error.value.exit_code == 2
    with pytest.raises(UsageError):
        run(log, "--track", "oval", "--car", "v9")


@pytest.mark.slow
def test_a_run_of_racer_is_told_how_to_go_on(tmp_path: Path) -> None:
    racer = pytest.importorskip("racer")
    pytest.importorskip("torch")
    folder = tmp_path / "runs" / "short"
    racer.train("center_line", track="oval", steps=2_000, folder=folder)
    result = run(folder, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert f"racer train --resume {folder} --minutes 10" in result.output
    assert f"--reward {folder / 'reward_function.py'} runs it" in result.output
