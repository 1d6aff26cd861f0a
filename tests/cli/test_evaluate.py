"""`racer evaluate`: the lap table of a trained car, what it saves, and what it says to wrong words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from racer import analysis as laps
from racer import logs
from racer.cli import app
from racer.logs import metrics
from racer.raceline.lap_bound import remember_bound
from racer.track import library
from racer.training.config import parse_config
from racer.training.run import Run
from racer.training.trainer import open_session
from racer.vehicle.car import V6


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose policy leaves the road now and then."""
    settings = {"envs": 8, "n_steps": 16, "batch_size": 64, "n_epochs": 2}
    order = {
        "reward": "center_line",
        "track": "oval",
        "steps": 384,
        "evaluate_every": 128,
        "settings": settings,
    }
    made = Run.create(parse_config(order, "the test"), tmp_path_factory.mktemp("runs") / "run")
    open_session(made).train(lambda progress: None)
    return made.folder


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where bounds are remembered, so that only the first test on a track waits for one."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("RACER_HOME", str(folder))
        for name in ("oval", "hot_rod_speedway"):
            remember_bound(library.load_track(name), V6, 7.0, folder)
        yield folder


def racer(*words: str) -> Any:
    done = CliRunner().invoke(app, ["evaluate", *words], env={"COLUMNS": "160"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def told(*words: str) -> dict[str, Any]:
    done = racer(*words, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_best_checkpoint_drives_and_its_laps_are_shown(run):
    best = json.loads((run / "checkpoints" / "best.json").read_text())["checkpoint"]
    done = racer(str(run), "--laps", "2")
    assert done.exit_code == 0, done.output
    head, *rest = done.stdout.splitlines()
    assert re.match(rf"{run}, checkpoint {best}, on Oval, car v6: \d of 2 laps complete", head)
    heads = next(line for line in rest if line.startswith(" lap "))
    for word in ("time", "%", "status", "off-tracks", "resets", "m/s", "reward"):
        assert word in heads


def test_among_boxes_crashes_are_counted(run, tmp_path):
    file = tmp_path / "race.toml"
    file.write_text('object_positions = "0.05,1;0.1,-1"\n')
    done = racer(
        str(run), "--laps", "1", "--objects", str(file), "--resets", "3", "--crash-penalty", "1"
    )
    assert done.exit_code == 0, done.output
    assert "4 crashes" in done.stdout.splitlines()[0]
    assert "crashes" in next(line for line in done.stdout.splitlines() if "off-tracks" in line)
    assert (
        told(str(run), "--laps", "1", "--objects", str(file), "--resets", "3")["laps"][0]["crashes"]
        == 4
    )
    assert racer(str(run), "--objects", "boxs").exit_code == 2


@pytest.mark.slow
def test_a_track_with_race_results_sets_the_best_lap_beside_them(run):
    found = told(str(run), "--track", "hot_rod_speedway", "--laps", "1")
    assert found["laps"][0]["complete"], "forgiven a hundred times, it comes round"
    assert found["laps"][0]["status"] == "lap_complete"
    assert re.match(
        rf"{found['laps'][0]['time']:.2f} s: (faster|slower) than .* racers on that track in 2024",
        found["standing"],
    )
    assert found["standing"] in racer(str(run), "--track", "hot_rod_speedway", "--laps", "1").stdout
    assert "% of the bound of car v6, 7.00 s (the fastest lap that" in found["bound"]
    assert told(str(run), "--laps", "1")["standing"] is None
    among_boxes = ("--track", "hot_rod_speedway", "--laps", "1", "--objects", "boxes")
    assert told(str(run), *among_boxes)["standing"] is None, "the races were time trials"


def test_evaluations_repeat_to_the_last_bit(run):
    assert told(str(run), "--laps", "2") == told(str(run), "--laps", "2")


def test_trials_begin_each_lap_anew(run):
    found = told(str(run), "--trials", "--laps", "3", "--resets", "0")
    assert [lap["episode"] for lap in found["laps"]] == [0, 1, 2]
    # all from the start line, without exploration
    assert len({lap["time"] for lap in found["laps"]}) == 1


def test_the_race_ends_when_no_incident_is_forgiven_any_more(run):
    found = told(str(run), "--laps", "1", "--resets", "2")
    assert sum(lap["resets"] for lap in found["laps"]) <= 2
    if found["laps"][-1]["status"] == "off_track":
        assert sum(lap["off_tracks"] for lap in found["laps"]) == 3


def test_a_penalty_takes_its_time(run):
    free, dear = (
        told(str(run), "--laps", "1", "--resets", "2", "--penalty", p)["laps"][0]
        for p in ("0", "5")
    )
    assert free["off_tracks"] > 0
    assert dear["time"] - free["time"] == pytest.approx(5.0 * min(free["off_tracks"], 2), abs=0.41)


def test_another_track_car_and_direction_may_be_driven(run):
    found = told(
        str(run),
        "--track",
        "reinvent_2018",
        "--reverse",
        "--car",
        "v5",
        "--laps",
        "1",
        "--resets",
        "3",
    )
    assert "car v5" in found["headline"]
    assert "2018" in found["headline"]


@pytest.mark.parametrize("which", ["last", "128"])
def test_another_checkpoint_may_drive(run, which):
    name = {"last": "384.pt", "128": "128.pt"}[which]
    assert (
        f"checkpoint {name}"
        in told(str(run), "--checkpoint", which, "--laps", "1", "--resets", "2")["headline"]
    )


@pytest.mark.slow
def test_what_is_saved_is_read_back_and_is_what_was_shown(run):
    found = told(str(run), "--laps", "1", "--trials", "--resets", "2", "--save")
    log, numbers, film, picture = map(Path, found["files"])
    assert re.fullmatch(r"evaluation-\d{14}", log.parents[1].name)
    assert log.parts[-2:] == ("evaluation-simtrace", "0-iteration.csv")
    read = logs.read_log(log)
    assert read.bad_lines == 0
    table = laps.laps(read.trace)
    for name in ("time", "completion", "status", "off_tracks", "resets", "reward", "speed"):
        assert table[name].tolist() == pytest.approx(
            [lap[name] for lap in found["laps"]], abs=1e-9
        ), name
    entries = metrics.read_metrics(numbers)
    assert numbers.parent == run / "metrics" / "evaluation"
    assert entries["trial"].tolist() == list(range(1, len(table) + 1))
    assert entries["off_track_count"].tolist() == table["off_tracks"].tolist()
    assert list(json.loads(numbers.read_text())) == ["metrics"]
    assert list(entries) == [
        "completion_percentage", "metric_time", "start_time", "elapsed_time_in_milliseconds", "episode_status",
        "crash_count", "immobilized_count", "off_track_count", "reversed_count", "reset_count", "trial",
    ]  # fmt: skip
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert film.read_bytes().startswith(b"GIF8")


def test_a_run_without_a_checkpoint_says_how_to_go_on(tmp_path):
    made = Run.create(
        parse_config({"reward": "center_line", "track": "oval"}, "the test"), tmp_path / "fresh"
    )
    done = racer(str(made.folder))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"racer: {made.folder} has no checkpoint yet: go on with racer train --resume {made.folder}\n"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--track ovall", "unknown track 'ovall': did you mean 'oval'?"),
        ("--car v7", "v7"),
        ("--noise loud", "unknown noise 'loud'"),
        ("--checkpoint 129", "has no checkpoint 129: there are best, service, last, 128, 256, 384"),
        (
            "--checkpoint state",
            "has no checkpoint state: there are best, service, last, 128, 256, 384",
        ),
        (
            "--checkpoint ../state",
            "has no checkpoint ../state: there are best, service, last, 128, 256, 384",
        ),
        ("--video avi", "--video avi: there are gif and mp4"),
        ("--laps 0", "'--laps'"),
        ("--penalty -1", "'--penalty'"),
    ],
)
def test_wrong_words_get_a_sentence_and_exit_code_2(run, words, sentence):
    done = racer(str(run), *words.split())
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert sentence in done.stderr


def test_what_is_no_run_is_called_so(tmp_path):
    done = racer(str(tmp_path))
    assert done.exit_code == 2
    assert (
        done.stderr
        == f"racer: {tmp_path} is no run of racer: it holds no run.json (racer train makes one)\n"
    )


def test_a_damaged_checkpoint_gets_a_sentence(run):
    (run / "checkpoints" / "7.pt").write_bytes(b"nonsense")
    try:
        done = racer(str(run), "--checkpoint", "7")
    finally:
        (run / "checkpoints" / "7.pt").unlink()
    assert done.exit_code == 2
    assert "7.pt is damaged" in done.stderr
