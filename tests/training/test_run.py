"""Run folders: the whole story of a training, from before its first step; and folders that are
none.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from racer import __version__, track
from racer.errors import RacerError, UsageError
from racer.files import hold_folder
from racer.reward import load_reward as load_reward
from racer.sim.obstacle_layout import ObstacleLayout
from racer.training.learner import load_policy, write_plain
from racer.training.run import Run
from racer.training.trainer import open_session
from racer.training.trials import drive_policy, trial_cars
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import car_preset
from racer.vehicle.metadata import read_metadata


def story_of(run):
    return json.loads((run.folder / "run.json").read_text())


def test_the_configuration_is_written_before_the_first_step_with_versions(make):
    run = make(seed=3, noise="jitter")
    story = story_of(run)
    assert Run.open(run.folder).config == run.config
    assert (story["config"]["seed"], story["config"]["noise"]) == (3, "jitter")
    assert story["versions"]["racer"] == __version__
    assert set(story["versions"]) == {
        "racer",
        "numpy",
        "numba",
        "gymnasium",
        "torch",
        "stable-baselines3",
    }
    assert story["car"] == "v6"
    assert set(story) >= {"python", "git"}
    assert not list(run.checkpoints.iterdir())


def test_the_git_hash_is_that_of_the_folder_that_the_run_is_in(make, tmp_path):
    assert story_of(make(folder=tmp_path / "run"))["git"] is None
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        pytest.skip("these tests are not in a git checkout")
    from racer.training.run_folder import _git_commit

    assert len(_git_commit(checkout)) == 40


def test_reward_track_and_actions_are_copied(make, rewards):
    run = make(
        reward=str(rewards / "remembers.py"), action_space=str(rewards / "model_metadata.json")
    )
    assert (run.folder / "reward_function.py").read_bytes() == (
        rewards / "remembers.py"
    ).read_bytes()
    original = track.load_track("oval")
    for line in ("center", "inner", "outer"):
        assert np.array_equal(getattr(run.track, line), getattr(original, line))
    assert (run.track.name, run.track.title) == (original.name, original.title)
    assert run.metadata.action_space == read_metadata(rewards / "model_metadata.json").action_space
    assert open_session(run).setup.cars.car.name == "v5"  # what version 5 of the metadata means


@pytest.mark.parametrize("car", ["v4", "v5", "v6"])
def test_without_an_action_space_the_copy_says_the_cars_known_range(make, car):
    run = make(car=car)
    assert run.metadata.action_space == ActionSpace.default(car_preset(car))
    assert run.metadata.car == car


def test_a_shipped_reward_is_found_again_by_its_file(make):
    run = make(reward="center_line")
    assert run.reward == load_reward("center_line").path.resolve()
    assert not run.reward_has_changed()


def test_a_relative_path_of_the_reward_does_not_depend_on_the_working_folder(
    make, tmp_path, monkeypatch
):
    (tmp_path / "mine.py").write_text("def reward_function(params):\n    return 1.0\n")
    monkeypatch.chdir(tmp_path)
    run = make(reward="mine.py")
    monkeypatch.chdir("/")
    assert run.reward == tmp_path / "mine.py"


def test_a_second_training_into_the_same_folder_is_refused(make):
    run = make()
    with pytest.raises(UsageError) as caught:
        make(folder=run.folder)
    for words in (
        f"{run.folder} holds a run already",
        f"racer train --resume {run.folder}",
        f"racer train REWARD --from {run.folder}",
        "--out",
    ):
        assert words in str(caught.value)


def test_a_run_remembers_its_objects_whatever_happens_to_their_file(make, tmp_path):
    file = tmp_path / "race.toml"
    file.write_text("number_of_obstacles = 3\n")
    run = make(objects=str(file))
    file.write_text("number_of_obstacles = 5\n")
    assert Run.open(run.folder).obstacle_layout == ObstacleLayout(number_of_obstacles=3)
    assert open_session(run).setup.cars.simulation.obstacles.shape == (8, 3)
    assert make(folder=tmp_path / "plain").obstacle_layout is None


def test_a_training_says_when_its_reward_reads_objects_and_there_are_none(make, tmp_path):
    assert (
        "reads objects, and there are none" in open_session(make(reward="avoid_objects")).notes[0]
    )
    assert not open_session(
        make(folder=tmp_path / "boxes", reward="avoid_objects", objects="boxes")
    ).notes


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"objects": "boxs"}, "unknown objects 'boxs'"),
        ({"track": "ovall"}, "unknown track 'ovall'"),
        ({"reward": "center_lin"}, "no reward file 'center_lin': did you mean 'center_line'?"),
        ({"car": "v7"}, "v7"),
        ({"noise": "loud"}, "unknown noise 'loud'"),
        ({"action_space": "none.json"}, "none.json"),
        ({"hyperparameters": "none.json"}, "none.json: there is no such file"),
    ],
)
def test_a_wrong_order_leaves_nothing_behind(make, tmp_path, wrong, words):
    with pytest.raises(UsageError) as caught:
        make(folder=tmp_path / "run", **wrong)
    assert words in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_wrong_car_is_refused_beside_an_action_space_too(make, tmp_path, rewards):
    with pytest.raises(UsageError, match="v7"):
        make(folder=tmp_path / "run", car="v7", action_space=str(rewards / "model_metadata.json"))


def test_a_file_in_the_way_gets_a_sentence(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file, not a folder: name a new folder"):
        make(folder=tmp_path / "file")
    with pytest.raises(UsageError, match="cannot make the folder"):
        make(folder=tmp_path / "file" / "run")


@pytest.mark.parametrize("place", ["empty", "missing", "file.py", "file.py/below"])
def test_what_is_no_run_is_called_so(tmp_path, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.py").write_text("")
    with pytest.raises(UsageError) as caught:
        Run.open(tmp_path / place)
    assert str(caught.value) == (
        f"{tmp_path / place} is no run of racer: it holds no run.json (racer train makes one)"
    )


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[]",
        b"3",
        b"null",
        b"{}",
        b'{"config": {}}',
        b'{"config": 3, "reward_file": "", "track": "", "track_title": ""}',
        b'{"config": {"reward": "center_line", "trak": "oval"}, "reward_file": "", "track": "", "track_title": ""}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_run_json_gets_a_sentence(make, damage):
    run = make()
    (run.folder / "run.json").write_bytes(damage)
    with pytest.raises(UsageError, match=r"run\.json"):
        Run.open(run.folder)


def test_a_run_json_that_is_a_folder_gets_a_sentence(tmp_path):
    (tmp_path / "run.json").mkdir()
    with pytest.raises(UsageError, match="is a folder, not a file"):
        Run.open(tmp_path)


@pytest.mark.parametrize("part", ["track.npy", "model/model_metadata.json", "reward_function.py"])
def test_a_run_that_lacks_a_part_gets_a_sentence(make, part):
    run = make()
    (run.folder / part).unlink()
    with pytest.raises(UsageError) as caught:
        open_session(Run.open(run.folder))
    assert str(caught.value) == f"{run.folder} is damaged: it lacks {part}; train anew"


def test_a_run_may_be_moved(make, finish, whole, tmp_path):
    run = make()
    open_session(run)
    moved = Path(shutil.move(run.folder, tmp_path / "elsewhere"))
    assert finish(Run.open(moved)) == whole[1]


def test_two_trainings_in_one_folder_do_not_mix(make):
    run = make()
    with hold_folder(run.folder), pytest.raises(UsageError, match="is in use by another racer"):
        open_session(run).train(lambda progress: None)
    assert not run.state.exists()


def test_weights_that_are_no_numbers_are_an_error_that_names_the_policy(make, finish):
    run = make()
    finish(run)
    policy = load_policy(run)
    for weights in policy.parameters():
        weights.data.fill_(float("nan"))
    file = run.checkpoints / run.best()["checkpoint"]
    write_plain(file, {"weights": policy.state_dict()})
    with pytest.raises(UsageError, match=f"the policy {file} has weights that are no numbers"):
        load_policy(run)
    cars = trial_cars(run.env_arguments())
    with pytest.raises(
        RacerError, match=r"the policy \(ActorCriticPolicy\) gives actions that are no"
    ):
        drive_policy(policy, cars)
    with pytest.raises(RacerError, match=r"the action of car 0 is \[nan, nan\], no numbers"):
        cars.advance(np.full((cars.num_envs, 2), np.nan))
