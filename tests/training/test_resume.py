"""A training that was stopped at any moment and resumed ends as one that was not, to the last bit."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from racer import logs
from racer.errors import UsageError
from racer.reward import RewardRefused
from racer.training.run import Run
from racer.training.session import Session
from racer.training.trainer import open_session

pytestmark = pytest.mark.slow


UPDATES = 6  # of 128 steps; the log is due after the third, the fifth and the last
Hard = dict[str, Any]


class Killed(BaseException):
    """Ends a training as SIGKILL does: nothing more is written."""


@pytest.fixture(scope="module")
def hard(rewards: Path) -> Hard:
    """Everything that has a state of its own: memory in the reward, noise, directions that
    alternate.
    """
    actions, reward = str(rewards / "model_metadata.json"), str(rewards / "remembers.py")
    return {
        "reward": reward,
        "action_space": actions,
        "noise": "robust",
        "alternate_direction": True,
        "seed": 5,
    }


@pytest.fixture(scope="module")
def hard_story(make: Any, finish: Any, hard: Hard) -> Any:
    return finish(make(**hard))


def stop(run: Run, update: int, deed: Callable[[], None]) -> Session:
    """Go on with a run, and do the deed in the midst of that update from there."""
    session = open_session(run)
    session.resume()
    learn, count = session.setup.model.train, 0

    def learn_until() -> None:
        nonlocal count
        count += 1
        if count == update:
            deed()
        learn()

    session.setup.model.train = learn_until  # type: ignore[method-assign]
    session.train(lambda progress: None)
    return session


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def kill() -> None:
    raise Killed


def test_ctrl_c_in_every_update_changes_nothing_of_the_outcome(
    make, finish, tell, hard, hard_story
):
    run = make(**hard)
    for update in range(1, UPDATES + 1):
        session = stop(Run.open(run.folder), 1, press_ctrl_c)
        assert session.was_stopped
        assert session.progress.steps == 128 * update  # the update that is going on is finished
    assert tell(run) == hard_story  # the log of the last update was written
    assert finish(run) == hard_story


@pytest.mark.parametrize("update", [1, 4, 5, 6])
def test_a_kill_in_any_update_costs_only_what_came_after_the_last_checkpoint(
    make, finish, hard, hard_story, update
):
    run = make(**hard)
    with pytest.raises(Killed):
        stop(run, update, kill)
    assert finish(Run.open(run.folder)) == hard_story


def test_continuous_actions_with_noise_resume_exactly(make, finish, rewards):
    order = {
        "noise": "robust",
        "reward": str(rewards / "remembers.py"),
        "settings": {"normalize_reward": False},
    }
    run = make(**order)
    stop(run, 4, press_ctrl_c)
    assert finish(run) == finish(make(**order))


def test_a_second_ctrl_c_ends_it_at_once(make, finish, whole):
    run = make()
    with pytest.raises(KeyboardInterrupt):
        stop(run, 4, lambda: [press_ctrl_c() for _ in range(2)])
    assert finish(run) == whole[1]


def test_ctrl_c_means_what_it_did_before_once_the_training_is_over(make):
    before = signal.getsignal(signal.SIGINT)
    stop(make(), 1, press_ctrl_c)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_that_was_made_but_never_trained_is_resumed_from_the_beginning(make, finish, whole):
    run = make()
    assert not run.state.exists()
    assert finish(run) == whole[1]


def test_resuming_a_run_that_is_over_changes_nothing(whole, finish):
    run, story = whole
    before = {
        file: file.stat().st_mtime_ns for file in (run.folder / "training-simtrace").iterdir()
    }
    assert finish(Run.open(run.folder)) == story
    assert {
        file: file.stat().st_mtime_ns for file in (run.folder / "training-simtrace").iterdir()
    } == before


def test_the_runs_own_copy_serves_when_the_reward_file_was_deleted(
    make, finish, hard, hard_story, tmp_path
):
    reward = Path(shutil.copy(hard["reward"], tmp_path / "remembers.py"))
    run = make(**hard | {"reward": str(reward)})
    stop(run, 4, press_ctrl_c)
    reward.unlink()
    run = Run.open(run.folder)
    assert run.reward == run.folder / "reward_function.py"
    assert not run.reward_has_changed()
    assert finish(run) == hard_story


def test_a_reward_file_that_was_changed_is_taken_as_it_is_now_and_said(make, tmp_path):
    reward = tmp_path / "reward.py"
    reward.write_text("def reward_function(params):\n    return 1.0\n")
    run = make(reward=str(reward))
    stop(run, 2, press_ctrl_c)
    reward.write_text("def reward_function(params):\n    return 2.0\n")
    session = open_session(run)
    session.resume()
    assert session.notes == [
        f"{reward} has changed since the run began: training goes on with it as it is now"
    ]
    session.train(lambda progress: None)
    paid = logs.read_log(run.folder / "training-simtrace" / "2-iteration.csv").trace["reward"]
    assert set(paid) == {0.0, 2.0}


def test_the_hyperparameters_are_those_of_the_beginning_when_their_file_is_gone(make, tmp_path):
    file = tmp_path / "hyperparameters.json"
    file.write_text('{"lr": 0.0005}')
    run = make(hyperparameters=str(file))
    file.unlink()
    assert open_session(Run.open(run.folder)).setup.settings.lr == 0.0005


def test_a_refused_reward_leaves_a_run_that_goes_on_once_it_is_mended(make, tmp_path):
    reward = tmp_path / "reward.py"
    reward.write_text("def reward_function(params):\n    return 1.0 / (params['steps'] < 20)\n")
    run = make(reward=str(reward))
    session = open_session(run)
    with pytest.raises(
        RewardRefused, match=r"reward.py:2: the reward function raised ZeroDivisionError"
    ) as caught:
        session.train(lambda progress: None)
    step = run.folder / "failing_step.json"
    assert str(caught.value).splitlines()[1:] == [
        f"to see it again: racer reward {reward} {step}",
        f"when it is mended, go on with: racer train --resume {run.folder}",
    ]
    assert '"steps": 20.0' in step.read_text()
    reward.write_text("def reward_function(params):\n    return 1.0\n")
    session = open_session(Run.open(run.folder))
    session.resume()
    assert session.train(lambda progress: None).steps == 768


def test_a_state_that_is_damaged_gets_a_sentence(make):
    run = make()
    stop(run, 1, press_ctrl_c)
    session = open_session(run)
    good = run.state.read_bytes()
    for damage in (b"", b"\x80", b"nonsense" * 99, good[: len(good) // 2], good[:-30]):
        run.state.write_bytes(damage)
        with pytest.raises(UsageError, match=r"state\.pt is damaged"):
            session.resume()
