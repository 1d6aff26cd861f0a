"""Folders and bundles of DeepRacer for Cloud and of DeepRacer on AWS, read into experiments."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from racer.cli import app
from racer.drivers import drive
from racer.errors import UsageError
from racer.logs import write_csv
from racer.sim.obstacle_layout import OBSTACLE_LAYOUTS, ObstacleLayout, read_obstacle_layout
from racer.track import find_track, open_entry
from racer.training.config import TrainConfig
from racer.training.interop import drfc
from racer.training.interop.importer import import_bundle
from racer.training.interop.worlds import parse_env, resolve_world
from racer.training.sweep import experiment

REWARD = "def reward_function(params):\n    return float(params['speed'])\n"
ACTIONS = {
    "action_space": {
        "steering_angle": {"low": -20.0, "high": 20.0},
        "speed": {"low": 0.5, "high": 2.0},
    },
    "action_space_type": "continuous",
    "sensor": ["FRONT_FACING_CAMERA"],
    "version": "6",
}
ENV = """
# a comment
export DR_WORLD_NAME="reinvent_base"   # the first track
DR_RACE_TYPE=TIME_TRIAL
DR_TRAIN_CHANGE_START_POSITION='True'
DR_TRAIN_ROUND_ROBIN_ADVANCE_DIST=0.1
DR_TRAIN_START_POSITION_OFFSET=0.5
DR_TRAIN_ALTERNATE_DRIVING_DIRECTION=true
DR_TRAIN_REVERSE_DIRECTION=False
DR_CAR_NAME=Fast#Car
DR_DISPLAY_NAME=${DR_CAR_NAME}
DR_EVAL_NUMBER_OF_TRIALS=3
DR_EVAL_OFF_TRACK_PENALTY=5.0
#DR_EVAL_RTF=1.0
"""
YAML = """---
'CHANGE_START_POSITION': 'false'
'RACE_TYPE': 'OBJECT_AVOIDANCE'
WORLD_NAME: reinvent_base
TRACK_DIRECTION_CLOCKWISE: true
SAGEMAKER_SHARED_S3_BUCKET:
- my-bucket
OBJECT_POSITIONS: ["0.25, -1", "0.5, 1"]
NUMBER_OF_OBSTACLES: "2"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A DeepRacer for Cloud folder, with the defaults that lie beside it."""
    made = tmp_path / "drfc"
    for name, text in {
        "run.env": ENV,
        "system.env": "DR_CLOUD=local\nDR_WORLD_NAME=Oval_track\nDR_WORKERS=2\n",
        "worker-2.env": "DR_WORLD_NAME=Monaco\n",
        "custom_files/reward_function.py": REWARD,
        "custom_files/model_metadata.json": json.dumps(ACTIONS),
        "custom_files/hyperparameters.json": json.dumps({"lr": 0.0003, "batch_size": "128"}),
        "defaults/reward_function.py": "def reward_function(params):\n    return 1.0\n",
    }.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    return made


PLAIN = drfc.settings_from_config(TrainConfig(reward="center_line"), "oval")
Pack = Callable[[str, dict[str, str]], Path]


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """A function that makes an archive of texts by their names."""

    def packed(name: str, texts: dict[str, str]) -> Path:
        path = tmp_path / name
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w") as archive:
                for inner, text in texts.items():
                    archive.writestr(inner, text)
            return path
        with tarfile.open(path, "w:gz") as tape:
            for inner, text in texts.items():
                entry = tarfile.TarInfo(inner)
                entry.size = len(text.encode())
                tape.addfile(entry, io.BytesIO(text.encode()))
        return path

    return packed


def test_a_drfc_folder_becomes_an_experiment(folder: Path, tmp_path: Path) -> None:
    found = import_bundle(folder, tmp_path / "out")
    [config] = experiment.read_experiment(tmp_path / "out" / "experiment.toml").runs.values()
    assert config.track == "reinvent_2018"
    assert (config.start_offset, config.start_advance, config.alternate_direction) == (
        0.5,
        0.1,
        True,
    )
    assert not config.reverse
    assert (tmp_path / "out" / "reward_function.py").read_text() == REWARD
    assert (
        json.loads((tmp_path / "out" / "hyperparameters.json").read_text())["batch_size"] == "128"
    )
    assert found.evaluation == ("--laps 3", "--penalty 5.0")
    assert found.left_out == ("DR_CAR_NAME", "DR_CLOUD", "DR_DISPLAY_NAME", "DR_WORKERS")
    assert any("defaults/reward_function.py differs from it" in note for note in found.notes)


@pytest.mark.parametrize("name", ["model.tar.gz", "model.zip"])
def test_a_bundle_becomes_an_experiment(pack: Pack, tmp_path: Path, name: str) -> None:
    texts = {
        "model/model_metadata.json": json.dumps(ACTIONS),
        "ip/hyperparameters.json": '{"lr": 0.001}',
        "training_params.yaml": YAML,
        "../reward_function.py": REWARD,
    }
    found = import_bundle(pack(name, texts), tmp_path / "out")
    [config] = experiment.read_experiment(tmp_path / "out" / "experiment.toml").runs.values()
    assert (config.track, config.reverse, config.start_advance) == ("reinvent_2018", True, 0.0)
    assert not (tmp_path.parent / "reward_function.py").exists()
    assert "SAGEMAKER_SHARED_S3_BUCKET" in found.left_out


def test_what_racer_takes_in_place_of_a_missing_file_is_said(pack: Pack, tmp_path: Path) -> None:
    found = import_bundle(pack("only.zip", {"reward_function.py": REWARD}), tmp_path / "out")
    assert [note.partition(":")[0] for note in found.notes] == [
        "no file says which track", "there is no model_metadata.json", "there is no hyperparameters.json",
    ]  # fmt: skip


def test_variables_are_read_as_a_shell_reads_them() -> None:
    found = parse_env(ENV)
    assert found["DR_WORLD_NAME"] == "reinvent_base"
    assert found["DR_DISPLAY_NAME"] == found["DR_CAR_NAME"] == "Fast#Car"
    assert found["DR_TRAIN_CHANGE_START_POSITION"] == "True"
    assert "DR_EVAL_RTF" not in found
    assert parse_env("A='x # y' # z\nB=\nC=a=b\n\ufeffnonsense\n") == {
        "A": "x # y",
        "B": "",
        "C": "a=b",
    }


def test_yaml_without_nesting_is_read() -> None:
    found = drfc.settings_from_yaml(YAML, "training_params.yaml")
    assert found["CHANGE_START_POSITION"] == "false"
    assert found["SAGEMAKER_SHARED_S3_BUCKET"] == ["my-bucket"]
    assert found["OBJECT_POSITIONS"] == ["0.25, -1", "0.5, 1"]


@pytest.mark.parametrize(
    ("world", "track", "turned"),
    [
        ("Oval_track", "oval", False),
        ("oval", "oval", False),
        ("reInvent2019_track_cw", "smile_speedway", True),
        ("reInvent2019_track_ccw", "smile_speedway", False),
        ("penbay_pro_cw", "penbay_pro_cw", False),
        ("moon", "moon", False),
    ],
)
def test_worlds_are_tracks(world: str, track: str, turned: bool, tmp_path: Path) -> None:
    found, other_way, note = resolve_world(world, home=tmp_path)
    assert (found, other_way) == (track, turned)
    assert (note == "") == (world == "oval")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        (
            "run.env",
            "DR_TRAIN_REVERSE_DIRECTION=perhaps\n",
            "REVERSE_DIR is 'perhaps', not True or False",
        ),
        (
            "run.env",
            "DR_TRAIN_START_POSITION_OFFSET=far\n",
            "START_POSITION_OFFSET is 'far', not a number",
        ),
        ("custom_files/model_metadata.json", "{", "model_metadata.json: is not valid JSON"),
        ("custom_files/hyperparameters.json", '{"lr": -1}', "'lr': input should be greater than 0"),
        ("experiment.toml", "seed = 'x'\n", "'seed': "),
        ("routes/reinvent_base.npy", "none", "routes/reinvent_base.npy: this is not a .npy file"),
    ],
)
def test_what_is_wrong_in_a_file_is_a_sentence(
    folder: Path, tmp_path: Path, name: str, text: str, sentence: str
) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    with pytest.raises(UsageError) as told:
        import_bundle(folder, tmp_path / "out")
    assert sentence in str(told.value)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["drfc"]


def test_the_command_prints_the_experiment_and_what_it_left_out(
    folder: Path, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, ["import", str(folder), "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert f"next: racer train {tmp_path / 'out' / 'experiment.toml'}" in done.stdout
    assert 'track = "reinvent_2018"' in done.stdout
    assert done.stdout.count("DR_CLOUD") == 1
    again = CliRunner().invoke(app, ["import", str(folder), "-o", str(tmp_path / "out")])
    assert (again.exit_code, again.stdout) == (2, "")
    assert "is there already: name another folder with -o" in again.stderr


def test_a_place_without_a_reward_is_no_training(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["import", str(tmp_path)])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"racer: {tmp_path} holds no reward_function.py")


def test_boxes_and_bot_cars_come_along(folder: Path, tmp_path: Path) -> None:
    env = ENV.replace("TIME_TRIAL", "OBJECT_AVOIDANCE") + 'DR_OA_OBJECT_POSITIONS="0.25,-1;0.5,1"\n'
    assert drfc.settings_from_env(parse_env(env))["RANDOMIZE_OBSTACLE_LOCATIONS"] == "True", (
        "as its scripts do"
    )
    env += "DR_OA_RANDOMIZE_OBSTACLE_LOCATIONS=False\n"
    (folder / "run.env").write_text(
        env + "DR_OA_NUMBER_OF_OBSTACLES=6\nDR_H2B_NUMBER_OF_BOT_CARS=3\n"
    )
    found = import_bundle(folder, tmp_path / "boxes")
    [config] = experiment.read_experiment(tmp_path / "boxes" / "experiment.toml").runs.values()
    assert (
        read_obstacle_layout(config.objects)
        == read_obstacle_layout(found.config.objects)
        == ObstacleLayout(object_positions=((0.25, -1), (0.5, 1)))
    )
    (folder / "run.env").write_text(
        env.replace("OBJECT_AVOIDANCE", "HEAD_TO_BOT") + "DR_H2B_NUMBER_OF_BOT_CARS=3\n"
    )
    assert import_bundle(folder, tmp_path / "bots").config.objects == "bots"
    (folder / "run.env").write_text(env + "DR_OA_RANDOMIZE_OBSTACLE_LOCATIONS=maybe\n")
    with pytest.raises(UsageError, match="RANDOMIZE_OBSTACLE_LOCATIONS is 'maybe'"):
        import_bundle(folder, tmp_path / "wrong")


@pytest.mark.parametrize("name", OBSTACLE_LAYOUTS)
def test_courses_go_over_and_back(name: str) -> None:
    words = drfc.settings_from_obstacles(OBSTACLE_LAYOUTS[name])
    back = drfc.obstacles_from_settings(
        drfc.settings_from_env(parse_env(drfc.run_env_from_settings(PLAIN | words, "x")))
    )
    assert read_obstacle_layout(back) == OBSTACLE_LAYOUTS[name]
    assert drfc.obstacles_for_experiment(read_obstacle_layout(back)) == name


@pytest.mark.parametrize(
    "name",
    [
        "training_params.yaml",
        "training_params_01234567-89ab-cdef-0123-456789abcdef.yaml",
        "training-params-2.yml",
    ],
)
def test_the_track_is_that_of_the_training_params_whatever_their_suffix(
    tmp_path: Path, name: str
) -> None:
    job = tmp_path / "job"
    job.mkdir()
    (job / "reward_function.py").write_text(REWARD)
    (job / name).write_text(
        '---\n"WORLD_NAME": "Oval_track"\n"CHANGE_START_POSITION": !!bool "no"\n'
    )
    imported = import_bundle(job, tmp_path / "out")
    assert imported.config.track == resolve_world("Oval_track", None).track
    assert imported.config.start_advance == 0.0
    assert not any("no file says which track" in note for note in imported.notes)


def test_of_several_training_params_the_first_counts_and_the_other_is_named(tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    (job / "reward_function.py").write_text(REWARD)
    (job / "training_params_a.yaml").write_text("WORLD_NAME: Oval_track\n")
    (job / "training_params_b.yaml").write_text("WORLD_NAME: Bowtie_track\n")
    imported = import_bundle(job, tmp_path / "out")
    assert imported.config.track == resolve_world("Oval_track", None).track
    assert any("training_params_b.yaml differs" in note for note in imported.notes)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("robomaker.log", "World name passed in YAML: Oval_track\n"),
        ("evaluation_params.yaml", "'WORLD_NAME': 'Oval_track'\n"),
    ],
)
def test_where_no_training_params_are_another_file_names_the_track(
    tmp_path: Path, name: str, text: str
) -> None:
    job = tmp_path / "job"
    job.mkdir()
    (job / "reward_function.py").write_text(REWARD)
    (job / name).write_text(text)
    imported = import_bundle(job, tmp_path / "out")
    assert imported.config.track == resolve_world("Oval_track", None).track


def test_the_steps_of_a_log_tell_the_track_and_the_direction(tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    (job / "reward_function.py").write_text(REWARD)
    trace = drive(open_entry(find_track("oval")).reversed(), "slow").trace
    write_csv(trace, job / "0-iteration.csv")
    imported = import_bundle(job, tmp_path / "out")
    assert (imported.config.track, imported.config.reverse) == ("oval", True)
    assert any("told from the steps" in note for note in imported.notes)


def test_an_archive_without_a_reward_gives_its_action_space(tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    (job / "model_metadata.json").write_text(json.dumps(ACTIONS))
    imported = import_bundle(job, tmp_path / "out")
    assert imported.config.reward == "center_line"
    assert json.loads((tmp_path / "out" / "model_metadata.json").read_text()) == ACTIONS
    assert any("there is no reward_function.py" in note for note in imported.notes)
