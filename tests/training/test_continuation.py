"""Runs that go on beyond their end, and runs that start from the policy of another one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from racer.errors import UsageError
from racer.files import hold_folder
from racer.training import continuation
from racer.training.config import parse_config
from racer.training.continuation import (
    changes_of_actions,
    create_run,
    extend_run,
    inherit_config,
    next_end,
)
from racer.training.learner import is_value_weight, load_policy, read_plain, write_plain
from racer.training.run import Run
from racer.training.session import VALUE_STEPS, Session
from racer.training.sweep.experiment import read_experiment
from racer.training.trainer import open_session
from racer.vehicle import ActionSpace, read_metadata

pytestmark = pytest.mark.slow


def quietly(progress: Any) -> None:
    pass


def go_on(run: Run) -> Session:
    """Train a run from where it is to its end."""
    session = open_session(run)
    session.resume()
    session.train(quietly)
    return session


def heir(folder: Path, parent: Run, **changes: Any) -> Run:
    """A run that starts from the policy of a parent, and trains 512 steps."""
    table = {"from_run": str(parent.folder), "steps": 512, **changes}
    return create_run(parse_config(inherit_config(table), "the test"), folder)


def without_end(story: Any, steps: int) -> Any:
    """A story without the row of evaluations.csv that was written at the end of a shorter training."""
    rows = [row for row in story.evaluations.splitlines() if f",{steps}.pt" not in row]
    bare = [row.partition(",")[2] for row in rows]  # the number of the row counts on
    return story.weights, bare, story.logs, story.metrics


# beyond the end


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"lr_end": 1.0}},  # as with a hyperparameters.json: the rate stays
        {"settings": {"lr_steps": 768}},
        {"steps": 640},  # the end is where an evaluation is due
    ],
    ids=["steady rate", "falling rate", "evaluated end"],
)
def test_a_longer_training_ends_as_one_that_was_so_long_to_the_last_bit(
    make, finish, tell, rewards, changes
):
    hard = {
        "reward": str(rewards / "remembers.py"),
        "action_space": str(rewards / "model_metadata.json"),
        "noise": "robust",
        "seed": 5,
    }
    first_end = changes.get("steps", 768)
    settings = {"lr_steps": first_end} | changes.get("settings", {})
    long = finish(make(**hard | {"steps": 1536, "settings": settings}))

    run = make(**hard | changes)
    finish(run)
    run = extend_run(run, steps=1536)
    go_on(run)
    assert without_end(tell(run), first_end if first_end == 768 else -1) == without_end(long, -1)


def test_the_checkpoints_of_a_longer_training_are_those_of_one_that_was_so_long(make, finish):
    settings = {"lr_steps": 768}
    long = make(steps=1536, settings=settings)
    finish(long)
    run = make(settings=settings)
    finish(run)
    go_on(extend_run(run, steps=1536))
    names = {file.name for file in long.checkpoints.glob("[0-9]*.pt")}
    assert {file.name for file in run.checkpoints.glob("[0-9]*.pt")} == names | {"768.pt"}
    for name in names:
        mine = torch.load(run.checkpoints / name, weights_only=True)
        theirs = torch.load(long.checkpoints / name, weights_only=True)
        for key, weights in theirs["weights"].items():
            assert torch.equal(weights, mine["weights"][key]), (name, key)


def test_it_may_be_stopped_and_made_longer_again(make, finish, tell):
    settings = {"lr_end": 1.0}
    long = finish(make(steps=1536, settings=settings))
    run = make(settings=settings)
    session = open_session(run)

    def stop(progress: Any) -> None:
        if progress.steps >= 256:
            session.stop()

    session.train(stop)
    run = extend_run(run, steps=1152)  # before its first end
    go_on(run)
    run = extend_run(run, steps=1536)
    go_on(run)
    assert without_end(tell(run), 1152) == without_end(long, -1)
    story = json.loads((run.folder / "run.json").read_text())
    assert [extension["after_steps"] for extension in story["extensions"]] == [256, 1152]
    assert [extension["ended"]["steps"] for extension in story["extensions"]] == [768, 1152]


def test_a_kill_after_the_end_was_left_costs_nothing(make, finish, tell):
    settings = {"lr_end": 1.0}
    long = finish(make(steps=1536, settings=settings))
    run = make(settings=settings)
    finish(run)
    run = extend_run(run, steps=1536)
    session = open_session(run)
    session.resume()

    def kill() -> None:
        raise KeyboardInterrupt

    session.setup.model.train = kill  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        session.train(quietly)
    go_on(run)
    assert without_end(tell(run), 768) == without_end(long, -1)


def test_what_was_evaluated_at_the_old_end_is_kept(make, finish):
    run = make()
    finish(run)
    at_end = run.evaluations()["steps"].tolist()
    go_on(extend_run(run, steps=1536))
    assert run.evaluations()["steps"].tolist()[: len(at_end)] == at_end
    assert (run.checkpoints / "768.pt").is_file()
    assert not run.evaluations()["steps"].duplicated().any()


def test_the_learning_rate_stays_where_it_ended_and_a_note_says_so(make, finish):
    run = make()
    finish(run)
    run = extend_run(run, steps=1536)
    assert run.config.settings.lr_steps == 768
    session = go_on(run)
    assert any("stays at 0.0001" in note for note in session.notes)
    lines = (run.folder / "logs" / "trainer.log").read_text().splitlines()
    rates = [float(line.rpartition("=")[2]) for line in lines]
    assert rates[0] == pytest.approx(1e-3)
    assert rates[6:] == pytest.approx([1e-4] * 6)


def test_minutes_are_those_of_the_whole_training(make):
    run = make(steps=1, minutes=0.3 / 60.0)
    session = open_session(run)
    session.train(quietly)
    run = extend_run(run, minutes=(session.progress.seconds + 0.3) / 60.0)
    longer = go_on(run)
    assert longer.progress.steps > session.progress.steps
    assert longer.progress.seconds >= session.progress.seconds + 0.3


def test_steps_may_follow_minutes(make):
    run = make(steps=1, minutes=0.3 / 60.0)
    steps = open_session(run).train(quietly).steps
    run = extend_run(run, steps=steps + 256)
    assert run.config.minutes is None
    assert go_on(run).progress.steps == steps + 256


def test_an_end_that_lies_behind_is_refused_and_nothing_is_changed(make, finish):
    run = make()
    finish(run)
    before = (run.folder / "run.json").read_bytes()
    with pytest.raises(
        UsageError, match="has taken 768 steps, and --steps counts those too: give more, such as"
    ):
        extend_run(run, steps=768)
    with pytest.raises(UsageError, match="--minutes counts those too"):
        extend_run(run, minutes=1e-6)
    with pytest.raises(UsageError, match="'steps': input should be greater than or equal to 1"):
        extend_run(run, steps=0)
    assert (run.folder / "run.json").read_bytes() == before
    assert next_end(run.config) == "--steps 1536"


def test_a_run_that_another_trains_is_left_alone(make):
    run = make()
    with hold_folder(run.folder), pytest.raises(UsageError, match="in use by another racer"):
        extend_run(run, steps=2000)
    assert Run.open(run.folder).config.steps == 768


# from another run's policy


def test_a_run_starts_with_the_policy_of_its_parent(whole, tmp_path):
    parent, _ = whole
    run = heir(tmp_path / "heir", parent, from_checkpoint="last")
    [ancestor] = run.lineage
    assert ancestor.folder == str(parent.folder)
    assert (ancestor.checkpoint, ancestor.reward, ancestor.track) == (
        "768.pt",
        "center_line.py",
        "Oval",
    )
    mine = open_session(run).setup.model.policy.state_dict()
    theirs = load_policy(parent, "last").state_dict()
    for name, weights in theirs.items():
        assert torch.equal(weights, mine[name]), name
    story = json.loads((run.folder / "run.json").read_text())
    assert story["lineage"][0]["checkpoint"] == "768.pt"


def test_what_is_not_said_is_as_in_the_parent_but_for_its_length(make, tmp_path):
    parent = make(noise="jitter", reverse=True, settings={"net_arch": [32, 32]})
    open_session(parent).train(quietly)
    run = heir(tmp_path / "heir", parent, settings={"lr": 0.01})
    assert (run.config.reward, run.config.track, run.config.noise) == (
        "center_line",
        "oval",
        "jitter",
    )
    assert run.config.reverse
    assert run.config.settings.net_arch == (32, 32)
    assert (run.config.settings.lr, run.config.settings.envs) == (0.01, 8)
    assert run.config.steps == 512
    elsewhere = heir(tmp_path / "elsewhere", parent, track="bowtie")
    assert not elsewhere.config.reverse  # a direction is one of a track


def test_the_start_is_evaluated_and_may_remain_the_best(whole, tmp_path):
    parent, _ = whole
    run = heir(tmp_path / "heir", parent, evaluate_every=10_000)
    open_session(run).train(quietly)
    evaluations = run.evaluations()
    assert evaluations["steps"].tolist() == [0, 512]
    assert evaluations["checkpoint"].tolist() == ["0.pt", "512.pt"]
    assert evaluations["completion"][0] == parent.best()["completion"]
    assert load_policy(run, "0")


def test_the_value_network_comes_too_where_pay_is_the_same(whole, tmp_path):
    parent, _ = whole
    same = heir(tmp_path / "same", parent, track="bowtie")
    assert same.keeps_value
    state = read_plain(parent.state, "")
    env = open_session(same).setup.model.env
    assert env.ret_rms.var == read_plain(same.start_file, "")["returns"][1]
    assert env.ret_rms.count > state["returns"][2] / 2
    for changes in ({"reward": "progress_gained"}, {"settings": {"gamma": 0.9}}):
        other = heir(tmp_path / f"other{len(list(tmp_path.iterdir()))}", parent, **changes)
        assert not other.keeps_value
        fresh = open_session(other).setup.model.policy.state_dict()
        theirs = read_plain(other.start_file, "")["weights"]
        for name, weights in theirs.items():
            is_kept = torch.equal(weights, fresh[name])
            assert is_kept != (is_value_weight(name) and weights.any().item()), name


def test_the_policy_waits_while_a_new_value_network_learns(whole, tmp_path, monkeypatch):
    from racer.training import session as sessions

    monkeypatch.setattr(sessions, "VALUE_STEPS", 256)
    parent, _ = whole
    run = heir(tmp_path / "heir", parent, reward="progress_gained", evaluate_every=128)
    open_session(run).train(quietly)
    start = read_plain(run.start_file, "")["weights"]
    for steps, waits in ((128, True), (256, True), (384, False)):
        now = read_plain(run.checkpoints / f"{steps}.pt", "")["weights"]
        acting = [name for name in now if not is_value_weight(name)]
        assert all(torch.equal(now[name], start[name]) for name in acting) == waits, steps
        learning = [name for name in now if is_value_weight(name)]
        assert not all(torch.equal(now[name], start[name]) for name in learning), steps
    assert VALUE_STEPS % 4096 == 0


def test_a_run_that_started_from_another_resumes_exactly(whole, tmp_path, tell, finish):
    parent, _ = whole
    straight = heir(tmp_path / "straight", parent, reward="progress_gained")
    story = finish(straight)
    run = heir(tmp_path / "run", parent, reward="progress_gained")
    session = open_session(run)

    def stop(progress: Any) -> None:
        session.stop()

    session.train(stop)
    assert session.progress.steps == 128
    assert finish(Run.open(run.folder)) == story


def test_the_lineage_outlives_the_parents(make, tmp_path):
    parent = make(folder=tmp_path / "first")
    open_session(parent).train(quietly)
    child = heir(tmp_path / "second", parent, reward="progress_gained")
    open_session(child).train(quietly)
    grandchild = heir(tmp_path / "third", child)
    shutil.rmtree(parent.folder)
    shutil.rmtree(child.folder)
    run = Run.open(grandchild.folder)
    assert [Path(ancestor.folder).name for ancestor in run.lineage] == ["second", "first"]
    assert open_session(run).train(quietly).steps == 512


def test_the_start_of_a_child_has_the_value_network_of_its_parents_reward(whole, tmp_path):
    parent, _ = whole
    child = heir(tmp_path / "child", parent, reward="progress_gained")
    open_session(child).train(quietly)
    assert heir(tmp_path / "kept", child, from_checkpoint="512").keeps_value
    assert not heir(tmp_path / "not_kept", child, from_checkpoint="0").keeps_value


def test_a_checkpoint_of_before_has_no_statistics_and_its_value_network_learns_anew(
    whole, tmp_path
):
    old = Run.open(shutil.copytree(whole[0].folder, tmp_path / "old"))
    for file in old.checkpoints.glob("[0-9]*.pt"):
        write_plain(file, {"weights": read_plain(file, "")["weights"]})
    assert not heir(tmp_path / "heir", old).keeps_value


def refusal(folder: Path, parent: Run, **changes: Any) -> str:
    with pytest.raises(UsageError) as caught:
        heir(folder, parent, **changes)
    assert not folder.exists()
    return str(caught.value)


def test_what_does_not_fit_is_said_before_anything_is_written(whole, make, rewards, tmp_path):
    parent, _ = whole
    folder = tmp_path / "heir"
    actions = str(rewards / "model_metadata.json")
    discrete = make(action_space=actions)
    open_session(discrete).train(quietly)
    five = json.loads(Path(actions).read_text())
    five["action_space"] += [{"steering_angle": 10.0, "speed": 1.0}] * 2
    (tmp_path / "five.json").write_text(json.dumps(five))

    words = refusal(folder, parent, action_space=actions)
    assert f"the policy of {parent.folder} has continuous actions, and {actions} has 3 actions" in (
        words
    )
    words = refusal(folder, discrete, action_space=str(tmp_path / "five.json"))
    assert f"has 3 actions, and {tmp_path / 'five.json'} has 5 actions: name an action" in words
    assert f"{discrete.folder}/model/model_metadata.json" in words
    words = refusal(folder, parent, observation="camera:80x60")
    assert "sees features, and this training camera:80x60: leave out --observation" in words
    words = refusal(folder, parent, observation="lidar")
    assert "sees features, and this training lidar" in words
    words = refusal(folder, parent, settings={"net_arch": [32]})
    assert "has layers of 64, 64 units, and net_arch says 32: leave out net_arch" in words
    sac = json.loads(Path(actions).read_text()) | {
        "action_space_type": "continuous",
        "action_space": {
            "steering_angle": {"low": -30, "high": 30},
            "speed": {"low": 1, "high": 3},
        },
        "training_algorithm": "sac",
    }
    (tmp_path / "sac.json").write_text(json.dumps(sac))
    words = refusal(folder, parent, action_space=str(tmp_path / "sac.json"))
    assert "was trained by clipped_ppo, and" in words
    words = refusal(folder, parent, from_checkpoint="99")
    assert "has no checkpoint 99: there are best, service, last, 384, 640, 768" in words
    words = refusal(folder, make())
    assert "has no checkpoint yet: go on with racer train --resume" in words
    words = refusal(folder, parent, from_run="runs@best")
    assert "runs@best is another run tomorrow: name the folder" in words


def test_weights_of_another_version_are_refused_with_a_sentence(whole, tmp_path):
    old = Run.open(shutil.copytree(whole[0].folder, tmp_path / "old"))
    for file in old.checkpoints.glob("[0-9]*.pt"):
        saved = read_plain(file, "")
        name = "mlp_extractor.policy_net.0.weight"
        saved["weights"][name] = saved["weights"][name][:, :-3].clone()
        write_plain(file, saved)
    assert "does not fit the actions and observations" in refusal(tmp_path / "heir", old)


def test_actions_that_mean_something_else_are_allowed_and_said(make, rewards, tmp_path):
    actions = str(rewards / "model_metadata.json")
    parent = make(action_space=actions)
    open_session(parent).train(quietly)
    faster = json.loads(Path(actions).read_text())
    faster["action_space"][1]["speed"] = 3.0
    (tmp_path / "faster.json").write_text(json.dumps(faster))
    run = heir(tmp_path / "heir", parent, action_space=str(tmp_path / "faster.json"))
    assert changes_of_actions(parent.action_space, run.action_space) == (
        "1 of its 3 actions mean something else than it has learned: "
        "1 is +0 deg at 3 m/s, was +0 deg at 2 m/s"
    )
    assert open_session(run).train(quietly).steps == 512
    assert changes_of_actions(run.action_space, run.action_space) == ""
    wide = ActionSpace(True, (-30.0, 30.0), (0.5, 4.0))
    narrow = ActionSpace(True, (-20.0, 20.0), (0.5, 4.0))
    assert changes_of_actions(wide, narrow) == (
        "its actions reach -20 to 20 deg and 0.5 to 4 m/s, not -30 to 30 deg and 0.5 to 4 m/s as "
        "it has learned"
    )


def test_a_parent_whose_files_are_gone_serves_with_its_copies(make, rewards, tmp_path):
    reward = Path(shutil.copy(rewards / "remembers.py", tmp_path / "mine.py"))
    actions = Path(shutil.copy(rewards / "model_metadata.json", tmp_path / "mine.json"))
    hyperparameters = tmp_path / "h.json"
    hyperparameters.write_text('{"lr": 0.0005}')
    parent = make(
        reward=str(reward), action_space=str(actions), hyperparameters=str(hyperparameters)
    )
    open_session(parent).train(quietly)
    for file in (reward, actions, hyperparameters):
        file.unlink()
    run = heir(tmp_path / "heir", Run.open(parent.folder))
    assert run.reward == parent.folder / "reward_function.py"
    assert run.keeps_value
    assert read_metadata(str(run.config.action_space)).action_space == parent.action_space
    assert open_session(run).setup.settings.lr == 0.0005


def test_a_pixel_policy_goes_on_without_its_teacher(make, tmp_path):
    parent = make(observation="lidar", steps=128)
    open_session(parent).train(quietly)
    run = heir(tmp_path / "heir", parent, steps=128, reward="progress_gained")
    assert run.observation == parent.observation
    assert run.network == parent.network
    open_session(run).train(quietly)
    words = refusal(tmp_path / "other", parent, network="DEEP_CONVOLUTIONAL_NETWORK_SHALLOW")
    assert "is the network SMALL, and this training asks for DEEP_CONV" in words


def test_sac_starts_from_an_actor_and_learns_its_critics_anew(make, tmp_path):
    actions = {
        "action_space_type": "continuous",
        "action_space": {
            "steering_angle": {"low": -30, "high": 30},
            "speed": {"low": 1, "high": 3},
        },
        "training_algorithm": "sac",
        "sensor": ["FRONT_FACING_CAMERA"],
        "version": "5",
    }
    (tmp_path / "sac.json").write_text(json.dumps(actions))
    parent = make(action_space=str(tmp_path / "sac.json"), steps=256)
    open_session(parent).train(quietly)
    run = heir(tmp_path / "heir", parent, steps=256, reward="progress_gained")
    saved = read_plain(run.start_file, "")["weights"]
    fresh = open_session(run).setup.model.policy.state_dict()
    assert all(torch.equal(saved[name], fresh[name]) for name in saved if name.startswith("actor."))
    critics = [name for name in saved if name.startswith("critic") and name.endswith("weight")]
    assert critics
    assert not any(torch.equal(saved[name], fresh[name]) for name in critics)
    open_session(run).train(quietly)
    last = read_plain(run.checkpoints / "256.pt", "")["weights"]
    # the steps of the value network are not over yet
    assert all(torch.equal(saved[name], last[name]) for name in saved if name.startswith("actor."))
    kept = heir(tmp_path / "kept", parent, steps=256)
    same = open_session(kept).setup.model.policy.state_dict()
    assert all(torch.equal(saved[name], same[name]) for name in saved)


def test_a_longer_run_with_a_teacher_is_tuned_longer(make):
    run = make(observation="lidar", teacher=True, steps=128, fine_tune=128)
    longer = extend_run(run, steps=1000)
    assert (longer.config.steps, longer.config.fine_tune) == (128, 872)
    assert longer.config.settings.lr_steps == 128
    with pytest.raises(UsageError, match="has 128 steps of lessons, and --steps counts those too"):
        extend_run(run, steps=100)
    with pytest.raises(UsageError, match="has a teacher, and ends after --steps"):
        extend_run(run, minutes=5.0)


def test_an_exported_experiment_begins_with_nothing_and_says_so(whole, tmp_path):
    from racer.training.interop.exporter import write_experiment

    run = heir(tmp_path / "heir", whole[0])
    notes = write_experiment(run, tmp_path / "export")
    name = whole[0].folder.name
    assert f"the run started from the policy of {name}; the experiment begins with nothing" in notes
    assert "from_run" not in (tmp_path / "export" / "experiment.toml").read_text()


def test_a_damaged_start_gets_a_sentence(whole, tmp_path):
    run = heir(tmp_path / "heir", whole[0])
    run.start_file.write_bytes(b"nonsense")
    with pytest.raises(UsageError, match=r"0\.pt is damaged"):
        open_session(run)
    story = json.loads((run.folder / "run.json").read_text())
    for lineage in ([{}], [{"folder": 3}], "abc", [["a"]], [{"folder": 1, "checkpoint": 2}]):
        (run.folder / "run.json").write_text(json.dumps(story | {"lineage": lineage}))
        with pytest.raises(UsageError, match="damaged"):
            Run.open(run.folder)


# experiments


def test_an_experiment_starts_from_a_run_and_compares_that_with_nothing(whole, tmp_path):
    parent, _ = whole
    folder = shutil.copytree(parent.folder, tmp_path / "first")
    file = tmp_path / "mine.toml"
    file.write_text('reward = "progress_gained"\nfrom = ["first", "none"]\nsteps = 256\n')
    experiment = read_experiment(file)
    assert list(experiment.runs) == ["from_first", "from_nothing"]
    child = experiment.runs["from_first"]
    assert (child.from_run, child.track, child.settings.envs) == (str(folder), "oval", 8)
    assert experiment.runs["from_nothing"].from_run is None
    run = create_run(child, tmp_path / "out")
    assert run.lineage[0].folder == str(folder)
    file.write_text('from = "nowhere"\n')
    with pytest.raises(UsageError, match="nowhere is no run of racer"):
        read_experiment(file)


# the start is not lost


def test_the_first_updates_under_another_reward_do_not_lose_the_start(tmp_path):
    """A car that laps is trained on with a reward of another scale and sign."""
    from racer.training import train

    reward = tmp_path / "costly.py"
    reward.write_text(
        "def reward_function(params):\n"
        "    if params['is_offtrack']:\n        return -300.0\n"
        "    return -5.0 + 3.0 * params['speed']\n"
    )
    parent = train("center_line", "oval", 40_000, folder=tmp_path / "first", traced_cars=0)
    assert parent.best()["complete"] == 5
    child = train(
        reward,
        steps=6 * 4096 + VALUE_STEPS,
        from_run=parent,
        folder=tmp_path / "second",
        evaluate_every=4096,
        traced_cars=0,
    )
    assert np.array(child.evaluations()["complete"]).tolist() == [5] * len(child.evaluations())


def test_every_setting_that_changes_pay_is_known() -> None:
    assert set(continuation.PAY_SETTINGS) == {"gamma", "normalize_reward"}
