"""`racer doctor`."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from racer.cli import load_command
from racer.cli.doctor import doctor_command
from racer.diagnostics.checkup.diagnosis import (
    ADVICE,
    RUN_ADVICE,
    Cost,
    Diagnosis,
    Symptom,
    next_command,
)
from racer.errors import UsageError
from racer.logs import write_csv
from racer.plotting import PLOT_KINDS
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
    assert f"next, to see how far it got: racer plot progress {log} --track oval" in result.output
    assert [path.name for path in log.iterdir()] == ["all.csv"]


def test_each_shown_symptom_gets_its_picture_where_a_folder_is_named(
    log: Path, tmp_path: Path
) -> None:
    result = run(log, "--track", "oval", "-o", tmp_path / "out", "--json")
    facts = json.loads(result.stdout)
    pictures = [Path(path) for path in facts["pictures"]]
    assert len(pictures) == min(len(facts["symptoms"]), 3) > 0
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    assert facts["symptoms"][0]["command"] == f"racer plot progress {log} --track oval"


def test_what_is_not_there_is_wrong_use(log: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        run(tmp_path / "nothing")
    assert error.value.exit_code == 2
    with pytest.raises(UsageError):
        run(log, "--track", "oval", "--car", "v9")


def test_the_next_commands_find_a_track_where_this_one_did(log: Path, tmp_path: Path) -> None:
    routes = tmp_path / "my routes"
    routes.mkdir()
    np.save(routes / "mine.npy", route_rows("oval"))
    result = run(log, "--tracks", routes, "--json")
    facts = json.loads(result.stdout)
    assert facts["track"] == "mine"
    assert facts["symptoms"][0]["command"] == f"racer plot progress {log} --tracks '{routes}'"
    found = diagnosis_of("actions", is_run=False, track_source=str(routes / "mine.npy"))
    command = next_command(found, found.symptoms[0])[1]
    assert f"--track '{routes / 'mine.npy'}'" in command


def route_rows(name: str) -> np.ndarray:
    """(N, 6) m: center, inner and outer border, as a route's file holds them."""
    track = load_track(name)
    return np.column_stack([track.center, track.inner, track.outer])


def diagnosis_of(kind: str, is_run: bool, track_source: str = "") -> Diagnosis:
    """A diagnosis of one symptom."""
    symptom = Symptom(kind, "it is so", "seen", Cost(5.0, None, "counted"), "progress")
    track = load_track("oval").reversed()
    return Diagnosis(
        "my log", track, "v5", "iteration 1", "improving", 9, 95.0, 8.0, (symptom,),
        reward="my reward.py", is_run=is_run, log_options=("--track", "oval"), track_source=track_source,
    )  # fmt: skip


@pytest.mark.parametrize("is_run", [False, True])
@pytest.mark.parametrize("kind", ADVICE)
def test_every_next_command_exists_and_takes_what_it_is_given(kind: str, is_run: bool) -> None:
    diagnosis = diagnosis_of(kind, is_run)
    purpose, text = next_command(diagnosis, diagnosis.symptoms[0])
    assert purpose
    program, name, *words = shlex.split(text)
    assert program == "racer"
    command = load_command(name)
    if "commands" in vars(command):
        command = command.commands[words.pop(0)]
    parser = command.make_parser(typer.Context(command))
    _, left, _ = parser.parse_args([*words])  # raises for an option that is not there
    assert left == [] or not any(word.startswith("-") for word in left)
    if name == "plot":
        assert words[:2] == [words[0], "my log"]
        assert words[0] in PLOT_KINDS


def test_advice_for_runs_is_of_kinds_that_there_are() -> None:
    assert set(RUN_ADVICE) <= set(ADVICE)


def test_costs_that_overlap_are_said_to() -> None:
    one = diagnosis_of("corner", is_run=False)
    assert "add up" not in str(one)
    two = replace(one, symptoms=one.symptoms * 2)
    assert "these costs overlap and do not add up: its laps lack 5 points in all" in str(two)


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
