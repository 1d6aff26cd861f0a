"""Trainings from sensors of a few seconds: PPO, SAC, and a teacher with a student of tiny pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from racer.errors import UsageError
from racer.training import session as sessions
from racer.training import teacher as teachers
from racer.training.config import (
    LESSON_STEPS,
    OBSTACLE_LESSON_STEPS,
    PICTURE_DEFAULTS,
    VARIED_LESSON_STEPS,
    TrainConfig,
    parse_config,
)
from racer.training.evaluation import evaluate
from racer.training.learner import load_policy
from racer.training.run import Run
from racer.training.teacher import TeacherPhase
from racer.training.trainer import open_session
from racer.training.trials import policy_trace
from racer.vehicle.metadata import read_metadata

pytestmark = pytest.mark.slow


TINY = "camera:40x30"
ACTING, EXPECTING = ("pi_features_extractor", "action_net"), ("vf_features_extractor", "value_net")
RANGES = {"steering_angle": {"low": -30, "high": 30}, "speed": {"low": 0.5, "high": 2.0}}


def quietly(progress) -> None:
    """No display."""


def told(**keys) -> TrainConfig:
    return parse_config({"reward": "center_line", **keys}, "the test")


@pytest.fixture
def short(monkeypatch):
    """Lessons of 64 steps, 16 updates of 16."""
    for module, name, value in (
        (teachers, "LESSON_CARS", 8),
        (teachers, "LESSON_STEPS_PER_CAR", 8),
        (teachers, "LESSON_BATCH_SIZE", 16),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.fixture(scope="module")
def teacher(make) -> Path:
    """Folder of a teacher's run that laps the oval."""
    run = make(
        steps=24_576,
        evaluate_every=8_192,
        settings={"envs": 64, "n_steps": 32, "batch_size": 512, "n_epochs": 6},
    )
    open_session(run).train(quietly)
    assert (run.best() or {})["complete"] > 0
    return run.folder


@pytest.fixture
def taught(make, teacher, short):
    """A function that makes a run with a teacher that is trained already."""

    def made(**changes):
        run = make(**{"steps": 128, "observation": TINY, "teacher": True} | changes)
        shutil.copytree(teacher, run.folder / "teacher" / "track")
        return run

    return made


def test_pictures_change_the_settings_that_nobody_gave():
    plain, pictures, mine = (
        told(),
        told(observation="camera"),
        told(observation="stereo", settings={"lr": 0.1}),
    )
    assert (
        plain.settings.batch_size != PICTURE_DEFAULTS["batch_size"] == pictures.settings.batch_size
    )
    assert (mine.settings.lr, mine.settings.envs) == (0.1, PICTURE_DEFAULTS["envs"])
    taught = {"observation": "camera", "teacher": True}
    assert told(**taught).steps == LESSON_STEPS == told(**taught, objects="none").steps
    assert (
        told(**taught, look="strong").steps
        == VARIED_LESSON_STEPS
        == told(**taught, also_tracks=["bowtie"]).steps
    )
    assert told(**taught, objects="boxes").steps == OBSTACLE_LESSON_STEPS
    assert told(**taught, objects="boxes", steps=64).steps == 64
    assert parse_config(json.loads(json.dumps(mine.model_dump())), "again") == mine


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"observation": "camrea"}, "unknown observation 'camrea': did you mean 'camera'"),
        ({"teacher": True}, "a teacher sees features itself"),
        ({"fine_tune": 10}, "fine_tune needs a teacher"),
        ({"also_tracks": ["oval"], "observation": "camera"}, "also_tracks needs a teacher"),
        (
            {"teacher": True, "observation": "camera", "minutes": 1, "fine_tune": 9},
            "fine_tune goes on after a number",
        ),
    ],
)
def test_what_does_not_go_together_is_a_sentence(keys, sentence):
    with pytest.raises(UsageError, match=sentence):
        told(**keys)


def test_a_network_is_for_sensors_and_must_be_known(make):
    with pytest.raises(UsageError, match="--network SMALL is for sensors"):
        make(network="SMALL")
    with pytest.raises(UsageError, match="unknown network 'HUGE'"):
        make(network="HUGE", observation=TINY)
    with pytest.raises(UsageError, match="pictures of 40 x 30 are too small for this network"):
        make(network="DEEP_CONVOLUTIONAL_NETWORK_SHALLOW", observation=TINY)


def test_the_run_says_truthfully_what_the_policy_has(make, rewards):
    stereo = make(observation="stereo:40x30,sector_lidar")
    found = read_metadata(stereo.folder / "model" / "model_metadata.json")
    assert (found.sensor, found.neural_network) == (("STEREO_CAMERAS", "SECTOR_LIDAR"), "SMALL")
    worn = make(observation="sensors", action_space=str(rewards / "model_metadata.json"))
    assert (worn.observation, worn.network) == (("camera",), "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW")
    assert (make().observation, make().network) == (("features",), None)


def test_ppo_from_tiny_pictures_is_resumed_to_the_last_bit(make, finish):
    changes = {"observation": TINY, "steps": 256, "evaluate_every": 128}
    whole, halved = make(**changes), make(**changes)
    session = open_session(halved)
    session.train(lambda progress: session.stop())
    ends = [finish(run) for run in (whole, halved)]
    assert ends[0].weights == ends[1].weights
    assert evaluate(whole.folder, laps=1, trials=True).laps.shape[0] == 1


@pytest.mark.parametrize("observation", ["features", "sector_lidar,features"])
def test_sac_learns_where_the_metadata_says_so_and_is_resumed_to_the_last_bit(
    make, finish, tmp_path, observation
):
    file, hyper = tmp_path / "model_metadata.json", tmp_path / "hyperparameters.json"
    file.write_text(
        json.dumps(
            {"action_space": RANGES, "action_space_type": "continuous", "training_algorithm": "sac"}
        )
    )
    hyper.write_text(
        json.dumps({"batch_size": 32, "sac_alpha": 0.1, "beta_entropy": 0.01, "num_epochs": 3})
    )
    changes = {"action_space": str(file), "hyperparameters": str(hyper), "observation": observation}
    whole, halved = (make(**changes, steps=384, evaluate_every=128) for _ in range(2))
    session = open_session(halved)
    notes = "\n".join(session.notes)
    assert "beta_entropy 0.01 has no counterpart" in notes
    assert "num_epochs 3 has no counterpart" in notes
    assert session.setup.model.ent_coef == 0.1
    session.train(lambda progress: session.stop())
    ends = [finish(run) for run in (whole, halved)]
    assert ends[0].weights == ends[1].weights
    assert load_policy(whole).predict(session.setup.cars.observe(), deterministic=True)[
        0
    ].shape == (8, 2)


def test_a_student_is_taught_evaluated_and_raced(taught):
    run = taught()
    session = open_session(run)
    names = []
    progress = session.train(lambda now: names.append(now.phase))
    assert names[1:] == ["lesson 1", "lesson 2"]
    assert progress.steps == 128
    assert pd.read_csv(run.folder / "evaluations.csv")["steps"].tolist() == [64, 128]
    result = evaluate(run.folder, laps=1, trials=True, checkpoint="last")
    assert len(result.laps) == 1


def test_two_students_of_one_seed_are_the_same(taught):
    weights = []
    for _ in range(2):
        run = taught()
        open_session(run).train(quietly)
        weights.append(torch.load(run.state, weights_only=False)["policy"]["action_net.weight"])
    assert torch.equal(*weights)


def test_lessons_are_gone_on_with_and_the_run_says_what_was_not_kept(taught):
    run = taught()
    first = open_session(run)

    def stop(progress) -> None:
        if progress.steps > 0:
            first.stop()

    first.train(stop)
    assert first.progress.steps == 64
    second = open_session(Run.open(run.folder))
    second.resume()
    assert any("observations are not kept" in note for note in second.notes)
    assert second.train(quietly).steps == 128


def weights(policy, *modules: str) -> list[torch.Tensor]:
    return [w.detach().clone() for name in modules for w in getattr(policy, name).parameters()]


def test_lessons_teach_all_of_the_policy_and_nothing_else(taught):
    session = open_session(taught(steps=64))
    policy = session.setup.model.policy
    before, kept = weights(policy, *ACTING), weights(policy, *EXPECTING)
    session.train(quietly)
    assert not any(
        torch.equal(*pair) for pair in zip(before, weights(policy, *ACTING), strict=True)
    )
    assert all(torch.equal(*pair) for pair in zip(kept, weights(policy, *EXPECTING), strict=True))


def test_fine_tuning_learns_the_value_first(taught, monkeypatch):
    monkeypatch.setattr(sessions, "VALUE_ONLY_STEPS", 128)
    run = taught(steps=64, fine_tune=256, evaluate_every=64)
    session = open_session(run)
    seen = []

    def note(progress) -> None:
        policy = session.setup.model.policy
        seen.append((progress.steps, weights(policy, *ACTING), weights(policy, *EXPECTING)))

    session.train(note)
    assert [steps for steps, _, _ in seen] == [0, 64, 192, 320]
    _, taught_so_far, valued, tuned = seen
    assert all(torch.equal(*pair) for pair in zip(taught_so_far[1], valued[1], strict=True))
    assert not any(torch.equal(*pair) for pair in zip(taught_so_far[2], valued[2], strict=True))
    assert not any(torch.equal(*pair) for pair in zip(valued[1], tuned[1], strict=True))


def test_fine_tuning_is_resumed_to_the_last_bit(taught, finish, monkeypatch):
    monkeypatch.setattr(sessions, "VALUE_ONLY_STEPS", 128)
    changes = {"steps": 64, "fine_tune": 256, "evaluate_every": 64}
    whole, halved = taught(**changes), taught(**changes)
    session = open_session(halved)

    def stop(progress) -> None:
        if progress.steps >= 192:
            session.stop()

    session.train(stop)
    assert session.progress.steps == 192
    ends = [finish(run) for run in (whole, Run.open(halved.folder))]
    assert ends[0] == ends[1]


def test_a_teacher_that_laps_nowhere_is_a_sentence(make, short, monkeypatch):
    monkeypatch.setattr(teachers, "TEACHER_STEPS", 64)
    with pytest.raises(UsageError, match="the teacher completed no lap"):
        open_session(make(observation=TINY, teacher=True, steps=64)).train(quietly)


def test_a_lesson_teaches_what_the_teacher_does(taught):
    run = taught(steps=64)
    session = open_session(run)
    session.train(quietly)
    classroom = session.phases[1].classroom
    first = classroom.learn(0.0)
    assert [classroom.learn(0.0) for _ in range(4)][-1] < first


def test_a_student_of_a_list_of_actions_is_taught(make, short, rewards, monkeypatch):
    def straight(self, on_progress):
        self.teachers.append(_Straight(True))
        return sessions.Update(0)

    monkeypatch.setattr(TeacherPhase, "update", straight)
    run = make(
        observation=TINY, teacher=True, steps=64, action_space=str(rewards / "model_metadata.json")
    )
    session = open_session(run)
    session.train(quietly)
    table = policy_trace(session.setup.model.policy, session.setup.trials[0])
    assert set(table["action"]) <= {0, 1, 2}


def test_a_student_of_two_tracks_is_judged_by_its_laps_on_both(make, short, monkeypatch):
    asked = []

    def straight(self, on_progress):
        name = list(self.track_files)[len(self.teachers)]
        asked.append((name, self.track_files[name].stem))
        self.teachers.append(_Straight())
        return sessions.Update(0)

    monkeypatch.setattr(TeacherPhase, "update", straight)
    run = make(
        observation=TINY, teacher=True, steps=64, also_tracks=["reinvent_2018"], look="strong"
    )
    session = open_session(run)
    session.train(quietly)
    assert asked == [("track", "track"), ("reinvent_2018", "reinvent_2018")]
    assert session.progress.latest is not None
    assert session.progress.latest.trials == 10


class _Straight:
    """A teacher that always takes the same action: of a list, the second one."""

    def __init__(self, listed: bool = False) -> None:
        self.listed = listed

    def predict(self, observation, *, deterministic):
        return np.ones(len(observation), np.int64) if self.listed else np.zeros(
            (len(observation), 2), np.float32
        ), None
