"""Training and evaluating from a call, and the budgets of a training's phases."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from racer.errors import RacerError, UsageError
from racer.sim import HELD_STATUSES
from racer.training import Run, TrainingProgress, evaluate, train
from racer.training.evaluation import (
    OWN_REWARD,
    RACE_RULES,
    SERVICE_REWARD,
    RaceRules,
    _race_rules,
)
from racer.training.session import PhaseBudget

SMALL = {
    "settings": {"envs": 8, "n_steps": 16, "batch_size": 64, "n_epochs": 2},
    "evaluate_every": 128,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of 256 steps on the oval."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    return train("center_line", "oval", 256, folder=folder, seed=2, **SMALL)


def test_a_call_trains_a_run_to_its_end(trained):
    assert trained.config.seed == 2
    assert trained.evaluations()["steps"].tolist() == [128, 256]
    assert Run.open(trained.folder).best() == trained.best()


def test_without_a_folder_the_run_is_among_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run = train("center_line", "oval", 128, **SMALL)
    assert run.folder.parent == tmp_path
    assert (run.folder / "run.json").is_file()


def test_progress_is_shown_after_every_update(tmp_path):
    steps = []
    train(
        "center_line",
        "oval",
        256,
        folder=tmp_path / "run",
        on_progress=lambda progress: steps.append(progress.steps),
        **SMALL,
    )
    assert steps == [128, 256]


def test_a_training_in_another_thread_leaves_ctrl_c_to_the_main_one(tmp_path):
    runs = []
    thread = threading.Thread(
        target=lambda: runs.append(
            train("center_line", "oval", 128, folder=tmp_path / "run", **SMALL)
        )
    )
    thread.start()
    thread.join()
    assert runs[0].best() is not None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sede": 1}, "racer.train: unknown key 'sede': did you mean 'seed'?"),
        ({"track": "ovall"}, "unknown track 'ovall': did you mean 'oval'"),
        ({"steps": 0}, "racer.train: 'steps': input should be greater than or equal to 1, not 0"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_nothing_is_written(tmp_path, changes, sentence):
    arguments = {"reward": "center_line", "track": "oval", "steps": 128} | changes
    with pytest.raises(UsageError) as caught:
        train(**arguments, folder=tmp_path / "run")
    assert str(caught.value).startswith(sentence)
    assert not (tmp_path / "run").exists()


def test_a_run_holds_what_was_read_when_it_was_opened(trained):
    assert trained.track is trained.track
    assert (trained.car, trained.observation, trained.network) == ("v6", ("features",), None)
    assert trained.action_space is trained.metadata.action_space


def test_a_run_shows_itself(trained):
    lines = str(trained).splitlines()
    best = trained.best()["checkpoint"]
    assert lines[0] == (
        f"{trained.folder}: center_line.py on Oval, car v6, seed 2; the best checkpoint is {best}"
    )
    assert lines[1].split() == [
        "steps",
        "laps",
        "completion",
        "mean",
        "lap",
        "s",
        "best",
        "lap",
        "s",
    ]
    assert [line.split()[0] for line in lines[3:]] == ["128", "256"]
    assert "<table>" in trained._repr_html_()
    assert json.loads(json.dumps(trained.to_dict()))["config"]["track"] == "oval"


def test_an_evaluation_is_a_record_of_laps_and_steps(trained):
    result = evaluate(trained, laps=3, trials=True, resets=0)
    assert len(result.laps) == 3
    assert len(result.trace) == result.laps["steps"].sum() == len(result.drive.rows)
    lines = str(result).splitlines()
    assert lines[0].startswith(f"{trained.folder}, checkpoint ")
    assert lines[1].split()[:5] == ["lap", "time", "s", "%", "status"]
    assert len(json.loads(json.dumps(result.to_dict()))["laps"]) == 3
    again = evaluate(str(trained.folder), laps=3, trials=True, resets=0)
    assert again.laps.equals(result.laps)


def test_an_evaluation_pays_the_service_s_center_line_reward(trained):
    # docs/simulator.md 9.7
    result = evaluate(trained, laps=1, trials=True)
    driven = result.trace[~result.trace["episode_status"].isin(HELD_STATUSES)]
    assert set(driven["reward"]) <= {1.0, 0.5, 0.1, 1e-3}
    assert result.paid_by == SERVICE_REWARD
    assert f"reward: {SERVICE_REWARD}" in str(result)
    own = evaluate(trained, laps=1, trials=True, own_reward=True)
    assert own.paid_by == OWN_REWARD == own.to_dict()["paid_by"]
    assert own.trace.drop(columns="reward").equals(result.trace.drop(columns="reward"))


def test_an_evaluation_does_not_run_the_run_s_own_reward(tmp_path):
    (tmp_path / "mine.py").write_text("def reward_function(params):\n    return 1.0\n")
    folder = tmp_path / "run"
    train(tmp_path / "mine.py", "oval", 128, folder=folder, **SMALL)
    (tmp_path / "mine.py").write_text(
        "raise SystemExit\ndef reward_function(params):\n    return 1\n"
    )
    assert len(evaluate(folder, laps=1, trials=True).laps) == 1
    with pytest.raises(RacerError):
        evaluate(folder, laps=1, trials=True, own_reward=True)


def test_the_rules_of_an_evaluation_have_names():
    rules = {name: _race_rules(name, *[None] * 4, False, None) for name in RACE_RULES}
    assert rules["simulator"] == RaceRules(10, False, 0, 2.0, 5.0, "best")
    assert rules["drfc"] == RaceRules(3, True, 100, 5.0, 5.0, "last")
    assert rules["aws"].resets == 10_000
    assert rules["event"].time_limit == 180.0
    changed = _race_rules("drfc", 2, None, 0, None, True, "best")
    assert changed == RaceRules(2, False, 0, 5.0, 5.0, "best")
    with pytest.raises(UsageError, match="did you mean 'drfc'"):
        _race_rules("drcf", *[None] * 4, False, None)


def test_one_reset_is_refused_as_in_the_simulator(trained):
    with pytest.raises(UsageError, match="1 reset is refused by the simulator"):
        evaluate(trained, resets=1)


def test_a_state_of_another_version_of_racer_is_a_sentence(trained, tmp_path):
    import shutil

    from racer.training import open_session

    folder = Path(shutil.copytree(trained.folder, tmp_path / "run"))
    state = folder / "checkpoints" / "state.pt"
    state.write_bytes(b"\x80\x02cracer.train.session\nProgress\n.")
    with pytest.raises(UsageError, match=r"state\.pt is damaged, of an older racer"):
        open_session(Run.open(folder)).resume()


# --- budgets


def test_a_budget_of_steps_begins_where_the_last_phase_ended():
    budget = PhaseBudget(100, first_step=50)
    assert budget.fraction(TrainingProgress(steps=75)) == 0.25
    assert not budget.is_spent(TrainingProgress(steps=149))
    assert budget.is_spent(TrainingProgress(steps=150))


def test_a_budget_of_minutes_counts_the_update_that_goes_on():
    budget = PhaseBudget(1, minutes=1.0)
    progress = TrainingProgress(steps=10, seconds=45.0)
    assert budget.fraction(progress) == 0.75
    assert not budget.is_spent(progress)
    assert budget.is_spent(progress, elapsed=15.0)
