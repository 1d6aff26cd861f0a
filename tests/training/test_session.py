"""What a training does and writes: seeds, logs in the real format, metrics, the choice of the best
checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from racer import analysis as laps
from racer import logs
from racer.logs import metrics
from racer.training import session as sessions
from racer.training import trials
from racer.training.run import Run
from racer.training.setup import TrainingSetup
from racer.training.trainer import open_session
from racer.training.trials import EvaluationScore

pytestmark = pytest.mark.slow


def quietly(progress: Any) -> None:
    pass


def test_same_seed_same_bytes(whole, make, finish):
    assert finish(make()) == whole[1]


def test_another_seed_other_bytes(whole, make, finish):
    other = finish(make(seed=1))
    assert all(other.logs[name] != text for name, text in whole[1].logs.items())
    assert other.weights != whole[1].weights


def test_training_goes_on_until_the_steps_are_taken_and_is_evaluated_at_the_end(make):
    run = make(steps=300, evaluate_every=10_000)
    progress = open_session(run).train(quietly)
    assert progress.steps == 384  # the first whole update beyond
    assert [row["steps"] for row in progress.evaluations] == [384]


def test_minutes_end_it_in_the_place_of_steps(make):
    progress = open_session(make(steps=1, minutes=0.4 / 60.0)).train(quietly)
    assert progress.steps > 128
    assert progress.seconds >= 0.4
    assert progress.evaluations[-1]["steps"] == progress.steps


def test_iterations_are_counted_on_even_when_an_update_is_longer_than_one(make):
    run = make(steps=512, evaluate_every=20)
    open_session(run).train(quietly)
    assert {file.name for file in (run.folder / "training-simtrace").iterdir()} <= {
        f"{n}-iteration.csv" for n in range(4)
    }
    assert len(pd.read_csv(run.folder / "evaluations.csv")) == 4


def test_every_evaluation_has_a_checkpoint(whole):
    table = pd.read_csv(whole[0].folder / "evaluations.csv")
    assert table["steps"].tolist() == [384, 640, 768]
    assert table["checkpoint"].tolist() == ["384.pt", "640.pt", "768.pt"]
    assert all((whole[0].checkpoints / name).is_file() for name in table["checkpoint"])


def test_tensorboard_gets_its_curves(whole):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curves = EventAccumulator(str(whole[0].folder / "tensorboard")).Reload()
    assert [event.step for event in curves.Scalars("evaluation/completion")] == [384, 640, 768]


def test_the_trainers_log_has_a_line_for_every_update_that_the_reader_knows(whole):
    ppo = logs.read_log(whole[0].folder).job.ppo
    assert len(ppo) == 768 / 128
    assert ppo["iteration"].tolist() == list(range(len(ppo)))
    assert (ppo["entropy"] != 0).all()
    assert (ppo["kl"] >= 0).all()


def test_half_written_files_are_not_left_about(whole):
    assert not [file for file in whole[0].folder.rglob("*") if "-part" in file.name]


# the log


@pytest.fixture(scope="module")
def log(whole: tuple[Run, Any]) -> logs.Log:
    return logs.read_log(whole[0].folder / "training-simtrace")


def test_the_log_is_read_back_without_a_bad_line(log):
    assert log.bad_lines == 0
    assert set(log.trace["episode_status"]) >= {"prepare", "in_progress", "off_track"}
    assert log.trace["iteration"].is_monotonic_increasing


def test_the_log_has_every_column_of_the_simulator_but_the_wall_clock(log):
    # Today's simulator adds Unix time as a 19th column. It would differ from run to run, and with
    # it the bytes of equal trainings; simulator 5 has 18, and the community's tools read both by
    # position.
    assert {source.columns for source in log.sources} == {18}


def test_episodes_are_whole_and_counted_from_0_over_the_whole_job(log):
    steps = log.trace.groupby("episode", sort=False)["steps"]
    assert list(steps.groups) == list(range(len(steps)))
    assert all(np.array_equal(part, np.arange(1.0, len(part) + 1)) for _, part in steps)
    ends = log.trace["steps"].shift(-1, fill_value=1.0) == 1.0
    assert log.trace["done"].tolist() == ends.tolist()


def test_the_prepare_step_pays_nothing_and_every_other_is_paid_by_the_reward_function(log):
    prepare = log.trace["steps"] == 1.0
    assert set(log.trace["reward"][prepare]) == {0.0}
    assert set(log.trace["episode_status"][prepare]) == {"prepare"}
    last = log.trace[log.trace["done"]]
    # the step off the track, too: center_line pays a little there
    assert (last["reward"] > 0.0).all()
    assert not last["all_wheels_on_track"].any()


def test_the_laps_of_the_log_are_those_that_the_training_counted(whole, log):
    session = open_session(whole[0])
    session.resume()
    counted = session.setup.recorder.laps.query("phase == 'training'").reset_index(drop=True)
    read = laps.laps(log.trace)
    assert len(read) > 8
    for name in (
        "episode",
        "steps",
        "status",
        "completion",
        "time",
        "reward",
        "speed",
        "off_tracks",
        "iteration",
    ):
        assert read[name].tolist() == counted[name].tolist(), name


def test_no_more_cars_are_logged_than_it_takes(make, monkeypatch):
    monkeypatch.setattr(trials, "MIN_EPISODES", 1)
    run = make(traced_cars=2, steps=384)
    open_session(run).train(quietly)
    trace = logs.read_log(run.folder / "training-simtrace").trace
    starts = trace.groupby("episode").first()
    assert 0 < len(starts) < 8
    untraced = make(traced_cars=0, steps=128)
    open_session(untraced).train(quietly)
    assert not list((untraced.folder / "training-simtrace").iterdir())
    # the evaluation
    assert len(metrics.read_metrics(untraced.folder / "metrics" / "TrainingMetrics.json")) == 5


def test_other_cars_fill_up_the_log_to_twenty_episodes(make, monkeypatch):
    def logged(**order: int) -> pd.DataFrame:
        run = make(steps=1024, evaluate_every=1024, **order)
        open_session(run).train(quietly)
        return laps.laps(logs.read_log(run.folder / "training-simtrace").trace)

    every = logged(traced_cars=8)
    assert len(every) > trials.MIN_EPISODES // 2
    few = logged(traced_cars=1)
    assert len(few) >= min(trials.MIN_EPISODES, len(every))
    assert (few["first_step"] <= 2).all()
    monkeypatch.setattr(trials, "MIN_EPISODES", 0)
    alone = logged(traced_cars=1)
    assert len(alone) < len(few)
    pd.testing.assert_series_equal(few["time"][: len(alone)], alone["time"])


def test_a_bonus_reaches_the_learner_whole(make):
    setup = TrainingSetup(make())
    rewards = np.array([1.0, 1000.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    setup.model.env.ret_rms.update(np.random.default_rng(1).normal(0.0, 5.0, 10_000))
    scaled = setup.model.env.normalize_reward(rewards)
    assert scaled[1] / scaled[0] == pytest.approx(1000.0)


def test_discrete_actions_are_logged_by_their_index(make, rewards):
    run = make(action_space=str(rewards / "model_metadata.json"), steps=256)
    open_session(run).train(quietly)
    trace = logs.read_log(run.folder / "training-simtrace").trace
    assert set(trace["action"]) == {0, 1, 2}
    chosen = trace.groupby("action")[["steer", "throttle"]].agg(["min", "max"]).to_numpy().tolist()
    assert chosen == [[-25.0, -25.0, 1.2, 1.2], [0.0, 0.0, 2.0, 2.0], [25.0, 25.0, 1.2, 1.2]]


# metrics


def test_metrics_have_the_simulators_layout(whole, log):
    file = whole[0].folder / "metrics" / "TrainingMetrics.json"
    told = json.loads(file.read_text())
    assert list(told) == ["metrics", "version", "best_model_metric"]
    assert list(told["metrics"][0]) == [
        "reward_score", "metric_time", "start_time", "elapsed_time_in_milliseconds", "episode", "trial", "phase",
        "completion_percentage", "episode_status",
    ]  # fmt: skip
    entries = metrics.read_metrics(file)
    training = entries[entries["phase"] == "training"]
    assert training["episode"].tolist() == list(range(1, len(training) + 1))
    assert training["reward_score"].tolist() == [round(r) for r in laps.laps(log.trace)["reward"]]
    assert (
        entries["metric_time"] - entries["start_time"] == entries["elapsed_time_in_milliseconds"]
    ).all()
    assert set(training["episode_status"]) == {"Off track"}


def test_five_evaluations_follow_the_episodes_of_each_iteration(whole):
    entries = metrics.read_metrics(whole[0].folder / "metrics" / "TrainingMetrics.json")
    runs = (entries["phase"] != entries["phase"].shift()).cumsum()
    parts = [
        (part["phase"].iloc[0], len(part), part["episode"].nunique())
        for _, part in entries.groupby(runs)
    ]
    assert [phase for phase, _, _ in parts] == ["training", "evaluation"] * 3
    assert [(n, kinds) for phase, n, kinds in parts if phase == "evaluation"] == [(5, 1)] * 3


# the best checkpoint


def scored(complete: int, completion: float, lap_time: float = float("nan")) -> EvaluationScore:
    return EvaluationScore(
        complete,
        trials=5,
        completion=completion,
        lap_time=lap_time,
        best_lap=lap_time,
        median_lap=lap_time,
        reward=0.0,
    )


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that says what the next evaluations will show."""

    def say(*shown: EvaluationScore) -> None:
        waiting = iter(shown)
        monkeypatch.setattr(sessions, "evaluate_policy", lambda *_: (next(waiting), pd.DataFrame()))

    return say


@pytest.mark.parametrize(
    ("shown", "best"),
    [
        ([scored(0, 40.0), scored(0, 60.0), scored(0, 50.0)], 640),
        ([scored(5, 100.0, 9.0), scored(5, 100.0, 8.0), scored(5, 100.0, 8.5)], 640),
        ([scored(5, 100.0, 9.0), scored(4, 95.0, 5.0), scored(0, 99.0)], 384),
        ([scored(0, 50.0), scored(0, 50.0), scored(0, 40.0)], 640),  # of equals the later one
    ],
)
def test_the_best_checkpoint_is_chosen_by_completion_and_then_by_lap_time(
    make, scores, shown, best
):
    run = make()
    scores(*shown)
    open_session(run).train(quietly)
    assert run.best()["steps"] == best
    assert run.best()["checkpoint"] == f"{best}.pt"


def test_the_best_is_remembered_over_a_stop(make, scores):
    run = make()
    scores(scored(5, 100.0, 8.0))
    session = open_session(run)

    def stop(progress: Any) -> None:
        if progress.steps >= 384:
            session.stop()

    session.train(stop)
    scores(scored(5, 100.0, 9.0), scored(4, 90.0, 7.0))
    session = open_session(Run.open(run.folder))
    session.resume()
    progress = session.train(quietly)
    assert run.best()["steps"] == 384
    assert progress.first_clean[0] == 384


def test_a_run_without_evaluation_has_no_best_yet(make):
    assert make().best() is None
