"""`racer analyze`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

from racer import logs
from racer.cli.analyze import analyze_command
from racer.cli.training_course import TrainingCourse
from racer.errors import UsageError
from racer.logs import Job, write_csv
from racer.reward import RewardRefused
from racer.track import library, route
from racer.vehicle import Metadata, car_preset, write_metadata
from racer.vehicle.action_space import ActionSpace

app = typer.Typer()
app.command()(analyze_command)


@pytest.fixture
def log(tmp_path: Path, drive) -> Path:
    path = tmp_path / "evaluation" / "a.csv"
    write_csv(drive(episodes=4), path)
    return path


@pytest.fixture
def tracks(tracks: Path) -> Path:
    (tracks / "broken.npy").write_text("no route")
    return tracks


def run(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


def test_a_race_prints_every_lap_and_its_track(log: Path, tracks: Path, tmp_path: Path) -> None:
    result = run(log, "--tracks", tracks, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "4 laps, 2 complete, best 4.333 s" in result.output
    assert "track: ring, forward" in result.output
    assert "not tried:" in result.output
    assert result.output.count("lap_complete") == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["race.png"]


def test_a_training_prints_iterations_best_laps_and_endings(tmp_path: Path, drive) -> None:
    write_csv(drive(episodes=45, step=1.0), tmp_path / "training" / "all.csv")
    result = run(tmp_path / "training", "-o", tmp_path / "out")
    assert "45 laps in 3 iterations, 51% complete" in result.output
    assert "20 episodes of a file are taken as one" in result.output
    assert "where the others ended" in result.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "training_laps.png",
        "training_progress.png",
    }


def test_a_training_has_a_verdict_its_exits_by_corner_and_its_actions(
    tmp_path: Path, drive
) -> None:
    oval = library.load_track("oval")
    trace = drive(track=oval, episodes=300, step=1.0, ends=(40.0, 60.0))
    write_csv(trace.assign(action=trace["action"].replace(3, 4)), tmp_path / "training" / "all.csv")
    result = run(tmp_path / "training", "--track", "oval", "-o", tmp_path / "out")
    assert "verdict: plateau since iteration 0: completion 50 %" in result.output
    assert re.search(r"off_track +T\d( entry| exit)? +\d+", result.output)
    assert "never used: 3" in result.output
    found = json.loads(
        run(tmp_path / "training", "--track", "oval", "--json").stdout, parse_constant=pytest.fail
    )
    assert found["verdict"]["kind"] == "plateau"
    assert sum(row["count"] for row in found["exits"]) == 300
    assert found["never_used"] == ["3"]
    assert found["iterations"][0]["entropy"] is None


def test_entropy_is_shown_where_the_trainer_told_it(tmp_path: Path, drive, monkeypatch) -> None:
    ppo = pd.DataFrame({"iteration": [0, 0, 1], "epoch": [0, 1, 0], "entropy": [1.6, 1.2, 0.5]})
    read = logs.read_log
    monkeypatch.setattr(logs, "read_log", lambda path: replace(read(path), job=Job(ppo=ppo)))
    write_csv(drive(episodes=45, step=1.0), tmp_path / "training" / "all.csv")
    result = run(tmp_path / "training", "-o", tmp_path / "out")
    assert re.search(r"mean s +entropy", result.output)
    assert re.search(r"\n +0 +20 .* 1\.40 *\n", result.output)


def test_what_is_known_of_the_job_is_one_line(log: Path, tmp_path: Path, monkeypatch) -> None:
    space = ActionSpace(False, (-30.0, 0.0, 30.0), (1.0, 2.0, 1.0))
    job = Job(
        platform="DeepRacer for Cloud",
        simulator="5.3.3",
        car="v5",
        race_type="TIME_TRIAL",
        action_space=space,
    )
    read = logs.read_log
    monkeypatch.setattr(logs, "read_log", lambda path: replace(read(path), job=job))
    words = "job: DeepRacer for Cloud, simulator 5.3.3, car v5, TIME_TRIAL, 3 actions"
    assert words in run(log, "-o", tmp_path / "out").output.splitlines()
    assert json.loads(run(log, "--json").stdout)["job"] == words.removeprefix("job: ")


def test_logs_that_lie_elsewhere_have_their_pictures_here(
    log: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("evaluation/*.csv")
    assert (tmp_path / "csv-analysis" / "race.png").is_file(), result.output


def test_several_logs_are_shown_one_after_the_other(
    log: Path, tracks: Path, tmp_path: Path, drive
) -> None:
    write_csv(drive(episodes=2), tmp_path / "b.csv")
    result = run(log, tmp_path / "b.csv", "--tracks", tracks, "-o", tmp_path / "out")
    assert result.output.count("track: ring, forward") == 2
    assert (tmp_path / "out" / "a" / "race.png").is_file()
    assert (tmp_path / "out" / "b" / "race.png").is_file()
    found = json.loads(run(log, tmp_path / "b.csv", "--json").stdout)
    assert [len(one["laps"]) for one in found["logs"]] == [4, 2]


def test_laps_are_written_as_csv(log: Path, tracks: Path, tmp_path: Path, drive) -> None:
    write_csv(drive(episodes=2), tmp_path / "b.csv")
    run(
        log,
        tmp_path / "b.csv",
        "--tracks",
        tracks,
        "-o",
        tmp_path / "out",
        "--csv",
        tmp_path / "deep" / "laps.csv",
    )
    table = pd.read_csv(tmp_path / "deep" / "laps.csv")
    assert table["log"].tolist() == [str(log)] * 4 + [str(tmp_path / "b.csv")] * 2
    assert table["time"].iloc[0] == pytest.approx(4.333, abs=1e-3)
    assert table["line_deviation"].notna().all()


def test_a_known_track_sets_the_best_lap_beside_race_results(tmp_path: Path, drive) -> None:
    seaside = library.load_track("european_seaside")
    write_csv(drive(track=seaside, episodes=1, step=0.2), tmp_path / "evaluation" / "a.csv")
    result = run(tmp_path / "evaluation", "--track", "european_seaside", "-o", tmp_path / "out")
    assert re.search(
        r"s: faster than about 9\d.* % of 752 racers on that track in 2021", result.output
    )


def test_a_race_among_boxes_is_not_set_beside_time_trials(tmp_path: Path, drive) -> None:
    seaside = library.load_track("european_seaside")
    folder = tmp_path / "evaluation"
    write_csv(drive(track=seaside, episodes=1, step=0.2), folder / "a.csv")
    for race_type, is_known in (("TIME_TRIAL", True), ("OBJECT_AVOIDANCE", False)):
        (folder / "eval_params.yaml").write_text(f"RACE_TYPE: [{race_type}]\n")
        found = json.loads(run(folder, "--track", "european_seaside", "--json").stdout)
        assert race_type in found["job"]
        assert (found["standing"] is not None) == is_known


def test_an_unknown_track_still_gives_laps_and_says_what_to_do(log: Path, tmp_path: Path) -> None:
    result = run(log)
    assert "track: unknown, 18.84 m long; --track NAME" in result.output
    assert (tmp_path / "a-analysis" / "race.png").is_file()
    assert not (log.parent / "a-analysis").exists()


def test_a_given_track_is_taken_in_the_direction_that_fits(
    ring, drive, tracks: Path, tmp_path: Path
) -> None:
    write_csv(drive(track=ring.reversed(), episodes=4), tmp_path / "b.csv")
    assert "track: ring, reversed" in run(tmp_path / "b.csv", "--track", tracks / "ring.npy").output


def test_a_given_track_that_does_not_fit_is_taken_with_a_warning(
    log: Path, ring, tracks: Path
) -> None:
    route.save_route(replace(ring, center=ring.center + 1.0), tracks / "other.npy")
    result = run(log, "--track", tracks / "other.npy")
    assert "as given, although only" in result.output


def test_a_log_of_one_step_is_shown_on_the_given_track(drive, tracks: Path, tmp_path: Path) -> None:
    write_csv(drive().head(1), tmp_path / "b.csv")
    result = run(tmp_path / "b.csv", "--track", tracks / "ring.npy")
    assert "track: ring, as given; no step tells whether it is the right one" in result.output


def test_json_is_all_that_is_printed_and_holds_no_nan(log: Path, tracks: Path) -> None:
    found = json.loads(run(log, "--tracks", tracks, "--json").stdout, parse_constant=pytest.fail)
    assert found["track"]["name"] == "ring"
    assert found["track_sentence"].startswith("track: ring, forward")
    assert found["steps"] == found["files"][0]["rows"]
    counted = found["race"] or found["training"]
    assert (counted["laps"], counted["complete"]) == (4, 2)
    assert counted["best_time"] == pytest.approx(min(lap["time"] for lap in found["laps"][::2]))
    assert [lap["complete"] for lap in found["laps"]] == [True, False, True, False]
    assert found["files"][0]["rows"] == sum(lap["steps"] for lap in found["laps"])
    assert found["pictures"] == []


def test_bad_lines_are_counted_with_the_first_ones_place(log: Path, tmp_path: Path) -> None:
    log.write_text(log.read_text() + "0,1,2,\n0,garbage\n")
    result = run(log, "-o", tmp_path / "out")
    assert "2 bad lines" in result.output
    assert "the first in line" in result.output


@pytest.mark.parametrize(
    "words", [["nowhere.csv"], ["LOG", "--track", "no_such_track"], ["LOG", "--tracks", "nowhere"]]
)
def test_wrong_use_is_a_sentence(log: Path, words: list[str]) -> None:
    with pytest.raises(UsageError):
        run(*[str(log) if word == "LOG" else word for word in words])


@pytest.mark.slow
def test_every_real_log_gives_a_lap_table_and_its_track(shared_data: Path) -> None:
    for folder in sorted(path for path in (shared_data / "logs").iterdir() if path.is_dir()):
        found = json.loads(run(folder, "--tracks", shared_data / "tracks", "--json").stdout)
        assert len(found["laps"]) > 10, folder
        assert found["track"]["agreement"] > 0.99, folder
        assert sum(source["bad"] for source in found["files"]) == 0


def test_a_real_job_gives_both_tables_and_their_pictures(shared_data: Path, tmp_path: Path) -> None:
    result = run(
        shared_data / "logs" / "drfc3", "--tracks", shared_data / "tracks", "-o", tmp_path / "out"
    )
    assert "training: 210 laps" in result.output
    assert "race: 9 laps, 9 complete, best 14.797 s" in result.output
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_log_that_ends_inside_an_episode_says_so_and_does_not_count_it(
    tmp_path: Path, drive
) -> None:
    path = tmp_path / "training" / "a.csv"
    write_csv(drive(episodes=40).iloc[:-9], path)
    result = run(path, "-o", tmp_path / "out")
    assert "training: 39 laps in 2 iterations" in result.output
    assert "note: the record ends inside episode 39, at step 19" in result.output
    told = json.loads(run(path, "--json").output)
    assert len(told["cut"]) == 1
    assert sum(iteration["episodes"] for iteration in told["iterations"]) == 39


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model archive as the console gives it, unpacked: no step is in it."""
    folder = tmp_path / "my-model"
    (folder / "agent").mkdir(parents=True)
    (folder / "agent" / "model.pb").write_bytes(b"\x0a\x00")
    actions = [{"steering_angle": angle, "speed": 1.0} for angle in (-20, 0, 20)]
    metadata = {"action_space": actions, "sensor": ["FRONT_FACING_CAMERA"], "version": "4"}
    (folder / "model_metadata.json").write_text(json.dumps(metadata))
    heads = "Episode #,Episode Length,Training Reward,Wall-Clock Time,Entropy/Mean,Loss/Mean"
    rows = [f"{k},{90 + k},{10.5 * k},{8 * k},{1.0 / k}," for k in range(1, 41)]
    name = "worker_0.multi_agent_graph.main_level.main_level.agent_0.csv"
    (folder / name).write_text("\n".join([heads, *rows]) + "\n")
    return folder


def test_a_model_archive_is_named_and_shows_its_training_and_its_actions(model: Path) -> None:
    result = run(model)
    assert result.exit_code == 0
    assert "a model archive as the console and the student league give it" in result.output
    assert "the steps are in the logs: Download logs" in result.output
    assert "3 actions, degrees at m/s: -20 at 1, 0 at 1, 20 at 1" in result.output
    assert "statistics of 40 episodes" in result.output
    [told] = [json.loads(run(model, "--json").output)]
    assert [row["reward"] for row in told["trainer"]] == [10.5 * k for k in range(1, 41)]
    assert "loss" not in told["trainer"][0]


def test_other_commands_name_a_model_archive_too(model: Path) -> None:
    with pytest.raises(UsageError, match="a model archive as the console"):
        logs.read_log(model)


def test_what_is_no_log_is_called_by_its_name(tmp_path: Path) -> None:
    disk = tmp_path / "bucket" / "0-iteration.csv"
    disk.mkdir(parents=True)
    (disk / "xl.meta").write_bytes(b"XL2 \x01\x00")
    with pytest.raises(UsageError, match=r"MinIO's own files.*AWS_ENDPOINT_URL"):
        logs.read_log(tmp_path)
    pointer = tmp_path / "a.csv"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n")
    with pytest.raises(UsageError, match=r"a\.csv is a Git LFS pointer.*git lfs pull"):
        logs.read_log(pointer)


def test_a_pointer_beside_logs_is_named(log: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n"
    (log.parent / "b.csv").write_text(text)
    assert "left out: b.csv is a Git LFS pointer" in run(log.parent).output


@pytest.fixture
def training_folder(tmp_path: Path, drive) -> Path:
    """The folder of a training on the oval, as racer train leaves it, with a reward that crawls."""
    folder = tmp_path / "run"
    trace = drive(track=library.load_track("oval"), episodes=45, step=1.0)
    write_csv(trace, folder / "training-simtrace" / "0-iteration.csv")
    config = {"settings": {"gamma": 0.99}}
    story = {"car": "v6", "config": config, "objects": None, "track": "oval"}
    (folder / "run.json").write_text(json.dumps(story), "utf-8")
    (folder / "reward_function.py").write_text("def reward_function(params):\n    return 1.0\n")
    car = car_preset("v6")
    write_metadata(
        Metadata(ActionSpace.default(car), version=5), folder / "model" / "model_metadata.json"
    )
    return folder


@pytest.mark.slow
def test_the_course_of_a_training_is_set_beside_what_its_reward_asks_for(
    training_folder: Path,
) -> None:
    words = (training_folder, "--track", "oval", "--foresee")
    [line] = [line for line in run(*words).output.splitlines() if line.startswith("course: ")]
    assert re.match(r"course: the last laps took \d+\.\d s; the reward asks for laps of", line)
    assert line.endswith("at gamma 0.99: they will get slower")
    found = json.loads(run(*words, "--json").output)
    assert found["course"]["foreseen"]["gamma"] == 0.99
    assert found["course"]["foreseen"]["lap_time"] > found["course"]["last_lap_s"]


def test_the_reward_of_a_training_is_run_only_when_that_is_asked_for(training_folder: Path) -> None:
    (training_folder / "reward_function.py").write_text("raise RuntimeError('it ran')\n", "utf-8")
    result = run(training_folder, "--track", "oval")
    assert result.exit_code == 0
    assert f"racer analyze {training_folder} --foresee (runs the reward)" in result.output
    with pytest.raises(RewardRefused, match="it ran"):
        run(training_folder, "--track", "oval", "--foresee")


def test_a_log_that_is_no_training_of_racer_has_no_reward_to_ask(log: Path, tracks: Path) -> None:
    with pytest.raises(UsageError, match="is no folder of racer train"):
        run(log, "--tracks", tracks, "--foresee")


def test_a_damaged_run_is_a_sentence(training_folder: Path) -> None:
    (training_folder / "run.json").write_text('{"car": "v6"}', "utf-8")
    with pytest.raises(UsageError, match="lacks the training's facts"):
        run(training_folder, "--track", "oval", "--foresee")


@pytest.mark.parametrize(
    ("last_lap_s", "asked_s", "end"),
    [
        (12.7, 14.8, "the reward asks for laps of 14.8 s at gamma 0.99: they will get slower"),
        (12.7, 7.0, "the reward asks for laps of 7.0 s at gamma 0.99: there is more to gain"),
        (
            7.1,
            7.0,
            "the reward asks for laps of 7.0 s at gamma 0.99: that is as fast as it asks for",
        ),
        (None, 7.0, "no lap is complete yet; the reward asks for laps of 7.0 s at gamma 0.99"),
        (
            12.7,
            None,
            "the reward asks for a car that never completes a lap (stopping) at gamma 0.99",
        ),
    ],
)
def test_the_outlook_compares_the_last_laps_with_the_foreseen_one(
    last_lap_s: float | None, asked_s: float | None, end: str
) -> None:
    foresight: Any = SimpleNamespace(gamma=0.99, lap_time_s=asked_s, kind="stopping")
    assert TrainingCourse(foresight, last_lap_s).sentence.endswith(end)
