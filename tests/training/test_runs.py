"""The runs under a folder: where they stand, in which order, and by which names they are found."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from racer.errors import UsageError
from racer.files import hold_folder
from racer.track import load_track, save_route
from racer.training.lineage import FAILURE_FILE
from racer.training.runs import find_run, is_finished, list_runs, with_bounds

ROW = "steps,seconds,complete,trials,completion,lap_time,best_lap,checkpoint\n"


def write_run(
    folder: Path,
    begun: str = "2026-01-01T00:00:00+00:00",
    steps: int = 0,
    best_lap: float | None = None,
    track: str = "oval",
    complete: int = 5,
    **story: Any,
) -> Path:
    """A run folder as a training leaves it, of 1,000 steps, without a policy."""
    (folder / "checkpoints").mkdir(parents=True)
    config = {"steps": 1000, "minutes": None, "fine_tune": 0, "reverse": False}
    facts = {
        "config": config | story.pop("config", {}),
        "created": begun,
        "reward_file": "/elsewhere/mine.py",
        "track": track,
        "track_title": track.title(),
        "car": "v6",
    }
    (folder / "run.json").write_text(json.dumps(facts | story))
    save_route(load_track(track), folder / "track.npy")
    if steps:
        rows = f"{ROW}{steps},{steps / 100.0},{complete},5,80.0,,,{steps}.pt\n"
        (folder / "evaluations.csv").write_text(rows)
        best = {"steps": steps, "checkpoint": f"{steps}.pt", "best_lap": best_lap}
        best |= {"complete": complete, "trials": 5}
        (folder / "checkpoints" / "best.json").write_text(json.dumps(best))
    return folder


def test_runs_are_listed_in_the_order_in_which_they_were_begun(tmp_path):
    write_run(tmp_path / "b", "2026-01-02T00:00:00+00:00")
    write_run(tmp_path / "grid" / "a", "2026-01-03T00:00:00+00:00")
    write_run(tmp_path / "c", "2026-01-01T00:00:00+00:00")
    (tmp_path / "no run").mkdir()
    (tmp_path / ".hidden").mkdir()
    write_run(tmp_path / ".hidden" / "x")
    write_run(tmp_path / "b" / "teacher" / "track")  # a part of its student
    runs = list_runs(tmp_path)
    assert [run.folder.name for run in runs] == ["c", "b", "a"]
    assert [run.number for run in runs] == [1, 2, 3]


def test_where_a_run_stands(tmp_path):
    write_run(tmp_path / "begun", "2026-01-01T00:00:00+00:00")
    write_run(tmp_path / "stopped", "2026-01-02T00:00:00+00:00", steps=999)
    done = write_run(tmp_path / "done", "2026-01-03T00:00:00+00:00", steps=1000)
    failed = write_run(tmp_path / "failed", "2026-01-04T00:00:00+00:00", steps=10)
    (failed / FAILURE_FILE).write_text('{"message": "mine.py:3: the reward function raised"}')
    going = write_run(tmp_path / "going", "2026-01-05T00:00:00+00:00", steps=10)
    config = {"minutes": 0.1}
    write_run(tmp_path / "timed", "2026-01-06T00:00:00+00:00", steps=1000, config=config)
    write_run(tmp_path / "short", "2026-01-07T00:00:00+00:00", steps=500, config=config)
    (going / ".lock").touch()
    with hold_folder(going):
        states = {run.folder.name: run.state for run in list_runs(tmp_path)}
    assert states == {
        "begun": "interrupted",
        "stopped": "interrupted",
        "done": "finished",
        "failed": "failed",
        "going": "training",
        "timed": "finished",
        "short": "interrupted",
    }
    assert is_finished(done)
    assert list_runs(tmp_path)[3].message == "mine.py:3: the reward function raised"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", b"\xff"),
        ("run.json", b"[]"),
        ("run.json", b'{"config": 3}'),
        ("run.json", b'{"config": {}}'),
        ("evaluations.csv", b"steps\nmany\n"),
        ("checkpoints/best.json", b"[]"),
        ("checkpoints/best.json", b'{"best_lap": "fast", "complete": 5, "trials": 5}'),
        ("checkpoints/best.json", b'{"best_lap": NaN}'),
    ],
)
def test_a_damaged_run_is_listed_as_such_beside_the_others(tmp_path, file, content):
    write_run(tmp_path / "fine", steps=1000)
    damaged = write_run(tmp_path / "damaged", steps=1000)
    (damaged / file).write_bytes(content)
    states = {run.folder.name: run.state for run in list_runs(tmp_path)}
    assert states == {"fine": "finished", "damaged": "damaged"}


def test_a_run_has_its_best_lap_its_bound_and_its_parent(tmp_path):
    parent = write_run(tmp_path / "first", steps=1000)
    ancestor = {"folder": str(parent), "checkpoint": "1000.pt", "reward": "a.py", "track": "Oval"}
    write_run(
        tmp_path / "second",
        "2026-02-01T00:00:00+00:00",
        steps=1000,
        best_lap=9.0,
        lineage=[ancestor],
    )
    searched: list[str] = []
    first, second = with_bounds(list_runs(tmp_path), tmp_path / "home", searched.append)
    assert (first.best_lap, first.bound, first.bound_fraction) == (None, None, None)
    assert second.parent == str(parent)
    assert 5.0 < second.bound < 7.0
    assert second.bound_fraction == 9.0 / second.bound
    assert searched == ["Oval"]
    with_bounds(list_runs(tmp_path), tmp_path / "home", searched.append)
    assert searched == ["Oval"]  # it is remembered
    assert second.to_dict()["best_lap"] == 9.0
    json.dumps(second.to_dict())


def test_a_damaged_track_costs_its_run_the_bound_only(tmp_path):
    folder = write_run(tmp_path / "first", steps=1000, best_lap=9.0)
    (folder / "track.npy").write_bytes(b"nonsense")
    [run] = with_bounds(list_runs(tmp_path), tmp_path / "home")
    assert run.bound is None
    (folder / "track.npy").unlink()
    [run] = with_bounds(list_runs(tmp_path), tmp_path / "home")
    assert run.bound is None


def test_names_find_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RACER_HOME", str(tmp_path / "home"))
    write_run(Path("runs/slow"), "2026-01-01T00:00:00+00:00", steps=1000, best_lap=12.0)
    write_run(Path("runs/fast"), "2026-01-02T00:00:00+00:00", steps=1000, best_lap=8.0)
    write_run(Path("runs/lucky"), "2026-01-03T00:00:00+00:00", 1000, 7.0, complete=1)
    write_run(Path("grid/only"), "2026-01-03T00:00:00+00:00", steps=1000)
    assert find_run("@1") == Path("runs/slow")
    assert find_run("@last") == Path("runs/lucky")
    assert find_run("@best") == Path("runs/fast")  # all of its laps are complete
    assert find_run("runs@2") == Path("runs/fast")
    assert find_run("grid@last") == Path("grid/only")
    for name, words in {
        "@4": "@4: there are 3 runs under runs (racer runs lists them)",
        "@0": "there are 3 runs",
        "grid@2": "grid@2: there is one run under grid",
        "grid@best": "grid@best: none of the 1 runs has completed a lap yet",
        "nowhere@1": "there is no folder nowhere",
        "@worst": "'@worst' is no name of a run",
    }.items():
        with pytest.raises(UsageError) as caught:
            find_run(name)
        assert words in str(caught.value)


def test_the_best_is_the_one_nearest_to_its_bound_where_tracks_differ(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RACER_HOME", str(tmp_path / "home"))
    write_run(Path("runs/short"), "2026-01-01T00:00:00+00:00", steps=1000, best_lap=9.0)
    write_run(Path("runs/long"), "2026-01-02T00:00:00+00:00", 1000, 10.0, track="hot_rod_speedway")
    assert find_run("@best") == Path("runs/long")


def test_runs_are_listed_without_the_packages_of_training(tmp_path):
    write_run(tmp_path / "first", steps=1000)
    listed = (
        "import sys; from racer.training import list_runs\n"
        f"print(len(list_runs({str(tmp_path)!r})), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", listed], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "False"]


@pytest.mark.slow
def test_a_training_says_where_it_stands(whole, make, tmp_path):
    from racer.errors import RacerError
    from racer.training.run import Run
    from racer.training.trainer import open_session

    finished = shutil.copytree(whole[0].folder, tmp_path / "finished")
    assert [run.state for run in list_runs(finished.parent)] == ["finished"]

    reward = tmp_path / "reward.py"
    reward.write_text("def reward_function(params):\n    return 1.0 / (params['steps'] < 20)\n")
    run = make(reward=str(reward), folder=tmp_path / "out" / "run")
    states = []
    with pytest.raises(RacerError):
        open_session(run).train(
            lambda progress: states.append(list_runs(tmp_path / "out")[0].state)
        )
    [failed] = list_runs(tmp_path / "out")
    assert failed.state == "failed"
    assert failed.message.startswith(f"{reward}:2: the reward function raised ZeroDivisionError")

    reward.write_text("def reward_function(params):\n    return 1.0\n")
    session = open_session(Run.open(run.folder))
    session.resume()
    session.train(lambda progress: states.append(list_runs(tmp_path / "out")[0].state))
    assert set(states) == {"training"}
    assert [run.state for run in list_runs(tmp_path / "out")] == ["finished"]
