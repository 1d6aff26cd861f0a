"""A training like the service's: what an iteration is, what is learned from it, and what is kept."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO

from racer.errors import UsageError
from racer.training.config import ConfigErrors, parse_config
from racer.training.continuation import extend_run
from racer.training.interop.hyperparameters import (
    hyperparameters_notes,
    hyperparameters_table,
)
from racer.training.run import Run
from racer.training.service import (
    FEATURES_NOTE,
    OTHER_SIZE_NOTE,
    Episode,
    draw_weights,
    filled_buffer,
    kept_episodes,
    minibatch_size,
    service_notes,
)
from racer.training.trainer import open_session

EPISODES = 6
SETTINGS = {"envs": EPISODES, "n_epochs": 2, "net_arch": (16,)}
ORDER = {"like": "service", "observation": "features", "steps": 400, "settings": SETTINGS}


@pytest.fixture(scope="module")
def served(make: Any, finish: Any) -> Any:
    """A training like the service's on features, and its story; not to be changed."""
    run = make(**ORDER)
    return run, finish(run)


@pytest.fixture(scope="module")
def log(served: Any) -> pd.DataFrame:
    folder = served[0].folder / "training-simtrace"
    files = sorted(folder.glob("*.csv"), key=lambda file: int(file.name.split("-")[0]))
    return pd.concat([pd.read_csv(file).assign(iteration=k) for k, file in enumerate(files)])


def test_an_iteration_is_so_many_whole_episodes_and_all_of_them_are_logged(served, log):
    run, _ = served
    episodes = log.groupby("iteration")["episode"].nunique()
    assert len(episodes) == len(run.evaluations()) >= 3
    assert set(episodes) == {EPISODES}
    for _, rows in log.groupby(["iteration", "episode"]):
        assert rows["episode_status"].iloc[0] == "prepare"
        assert rows["done"].iloc[-1]
        assert not rows["done"].iloc[:-1].any()


def test_episodes_begin_one_advance_after_the_other_through_all_iterations(served, log):
    run, _ = served
    firsts = log.groupby(["iteration", "episode"], sort=True)[["X", "Y"]].first().to_numpy()
    center = run.track.center
    lengths = np.append(0.0, np.cumsum(np.hypot(*np.diff(center, axis=0).T)))
    at = np.arange(len(firsts)) * 0.05 % 1.0 * lengths[-1]
    expected = np.column_stack([np.interp(at, lengths, center[:, k]) for k in (0, 1)])
    places = {tuple(np.round(place, 2)) for place in firsts}
    assert len(places) == min(len(firsts), 20)
    by_iteration = firsts.reshape(-1, EPISODES, 2)
    for iteration, begun in enumerate(by_iteration):
        of_iteration = expected[iteration * EPISODES : (iteration + 1) * EPISODES]
        nearest = np.hypot(*(begun[:, None] - of_iteration[None]).transpose(2, 0, 1)).min(axis=1)
        assert nearest.max() < 0.15  # m; rows say where the rear axle is


def test_every_row_of_the_log_is_a_step_that_was_learned_from(served, log):
    assert served[0].evaluations()["steps"].iloc[-1] == len(log)


def test_every_iteration_is_evaluated(served):
    evaluations = served[0].evaluations()
    assert (evaluations["steps"].diff().dropna() > 0).all()
    assert set(evaluations["trials"]) == {5}


def test_a_training_that_is_stopped_and_resumed_ends_the_same(make, finish, served):
    run = make(**ORDER)
    session = open_session(run)
    session.resume()
    learn = session.setup.model.train

    def stop_after(*_: Any) -> None:
        learn()
        raise InterruptedError

    session.setup.model.train = stop_after  # type: ignore[method-assign]
    with pytest.raises(InterruptedError):
        session.train(lambda progress: None)
    assert finish(Run.open(run.folder)) == served[1]


def test_pictures_of_two_sensors_are_learned_from(make, finish, rewards, tmp_path):
    metadata = json.loads((rewards / "model_metadata.json").read_text())
    file = tmp_path / "model_metadata.json"
    file.write_text(json.dumps(metadata | {"sensor": ["STEREO_CAMERAS", "LIDAR"]}))
    settings = {"envs": 2, "n_epochs": 1}
    plan = {"like": "service", "action_space": str(file), "steps": 20, "settings": settings}
    run = make(**plan)
    session = open_session(run)
    before = [weights.clone() for weights in session.setup.model.policy.parameters()]
    session.train(lambda progress: None)
    after = list(session.setup.model.policy.parameters())
    assert not all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def new_model(**changes: Any) -> PPO:
    return PPO("MlpPolicy", _Nowhere(), gamma=0.5, gae_lambda=0.5, **changes)


class _Nowhere:
    """An environment of which only the spaces are looked at."""

    def __new__(cls) -> Any:
        import gymnasium

        class Still(gymnasium.Env[Any, Any]):
            observation_space = spaces.Box(-1.0, 1.0, (2,))
            action_space = spaces.Discrete(2)

        return Still()


def episode_of(rewards: list[float]) -> Episode:
    episode = Episode()
    for reward in rewards:
        episode.observations.append(np.zeros(2, dtype=np.float32))
        episode.actions.append(np.array(1))
        episode.rewards.append(reward)
        episode.values.append(torch.tensor([1.0]))
        episode.log_probs.append(torch.tensor(-0.7))
    return episode


def test_the_end_of_an_episode_is_worth_nothing_more():
    buffer = filled_buffer(new_model(), [episode_of([4.0, 2.0]), episode_of([8.0])])
    # errors of the value: 4 + 0.5 * 1 - 1 = 3.5, 2 + 0 - 1 = 1, 8 + 0 - 1 = 7; 0.25 of the next one
    assert buffer.returns.flatten().tolist() == [1.0 + 3.5 + 0.25 * 1.0, 2.0, 8.0]


def test_advantages_are_standardized_over_the_iteration():
    buffer = filled_buffer(new_model(), [episode_of([4.0, 2.0]), episode_of([8.0])])
    raw = np.array([3.75, 1.0, 7.0])
    expected = (raw - raw.mean()) / raw.std()
    assert buffer.advantages.flatten() == pytest.approx(expected, rel=1e-6)


def test_only_full_minibatches_are_learned_from():
    buffer = filled_buffer(new_model(), [episode_of([1.0] * 70), episode_of([1.0] * 75)])
    assert [len(samples.returns) for samples in buffer.get(64)] == [64, 64]
    assert [len(samples.returns) for samples in buffer.get()] == [145]


@pytest.mark.parametrize(
    ("steps", "size"), [(1, 1), (63, 32), (64, 64), (65, 64), (128, 64), (10_000, 64)]
)
def test_a_short_iteration_is_learned_in_minibatches_of_a_power_of_two(steps, size):
    assert minibatch_size(64, steps) == size


def test_more_steps_than_the_memory_holds_are_left_out_by_whole_episodes():
    episodes = [episode_of([1.0] * steps) for steps in (60, 30, 20)]
    assert kept_episodes(episodes, 100) == episodes[:2]
    assert kept_episodes(episodes, 110) == episodes
    assert kept_episodes(episodes, 10) == episodes[:1]  # nothing could be learned from none


def test_fresh_weights_are_drawn_as_the_service_draws_them():
    model = new_model(policy_kwargs={"net_arch": [512]})
    draw_weights(model.policy)
    hidden = model.policy.mlp_extractor.policy_net[0]
    bound = np.sqrt(6.0 / (2 + 512))
    assert 0.95 * bound < float(hidden.weight.detach().abs().max()) <= bound
    assert not hidden.bias.detach().any()
    assert float(model.policy.value_net.weight.detach().norm()) == pytest.approx(1.0)


def test_the_service_keeps_the_newest_of_those_that_got_furthest(served):
    run, _ = served
    rows = run.evaluations().to_dict("records")
    furthest = max(round(row["completion"], 6) for row in rows)
    newest = max(row["steps"] for row in rows if round(row["completion"], 6) == furthest)
    kept = run.service_pick()
    assert kept is not None
    assert kept["steps"] == newest


def test_hyperparameters_say_how_many_episodes_make_an_iteration(make, tmp_path):
    file = tmp_path / "hyperparameters.json"
    file.write_text(json.dumps({"num_episodes_between_training": 3, "batch_size": 32}))
    run = make(**ORDER | {"hyperparameters": str(file)})
    session = open_session(run)
    assert session.setup.cars.num_envs == 3
    assert session.setup.settings.batch_size == 32


def test_a_training_like_the_service_has_its_defaults():
    config = parse_config({"reward": "center_line", "like": "service"}, "the test")
    settings = config.settings
    assert (settings.envs, settings.batch_size, settings.n_epochs) == (20, 64, 10)
    assert (settings.lr, settings.gamma, settings.ent_coef) == (3e-4, 0.999, 0.01)
    assert not settings.normalize_reward
    assert (config.observation, config.noise, config.trial_starts) == (
        "sensors",
        "jitter",
        "round_robin",
    )


def test_the_service_has_no_teacher():
    plan = {"reward": "center_line", "like": "service", "teacher": True}
    with pytest.raises(ConfigErrors, match="no teacher"):
        parse_config(plan, "the test")


def test_sac_is_not_learned_like_the_service(make, rewards, tmp_path):
    metadata = {
        "action_space": {
            "steering_angle": {"low": -30.0, "high": 30.0},
            "speed": {"low": 1.0, "high": 2.0},
        },
        "action_space_type": "continuous",
        "sensor": ["FRONT_FACING_CAMERA"],
        "training_algorithm": "sac",
        "version": "5",
    }
    file = tmp_path / "model_metadata.json"
    file.write_text(json.dumps(metadata))
    with pytest.raises(UsageError, match="leave out --like"):
        open_session(make(**ORDER | {"action_space": str(file)}))


def test_a_training_can_end_after_so_many_iterations_and_go_on(make, finish, tell):
    plan = {**ORDER, "steps": 400, "iterations": 2}
    run = make(**plan)
    finish(run)
    assert len(run.evaluations()) == 2
    longer = extend_run(run, iterations=3)
    finish(longer)
    assert tell(longer) == finish(make(**plan | {"iterations": 3}))
    with pytest.raises(UsageError, match="has had 3 iterations"):
        extend_run(longer, iterations=3)


@pytest.mark.parametrize("change", [{"like": "racer"}, {"minutes": 1.0}])
def test_iterations_are_the_service_s_and_one_way_to_say_how_long(change):
    plan = {"reward": "center_line", "like": "service", "iterations": 3}
    with pytest.raises(ConfigErrors, match="iterations"):
        parse_config(plan | change, "the test")


def test_what_is_otherwise_than_in_a_job_of_the_service_is_said(make):
    assert open_session(make(**ORDER)).notes[0] == FEATURES_NOTE
    of_pictures = make(**ORDER | {"observation": "camera:80x60"})
    assert open_session(of_pictures).notes[0] == OTHER_SIZE_NOTE
    assert not service_notes(make(**ORDER | {"observation": "sensors"}))


def test_a_file_for_the_service_says_the_episodes_of_such_a_training(served):
    settings = served[0].config.settings
    there = hyperparameters_table(settings, is_like_service=True)
    assert there["num_episodes_between_training"] == EPISODES
    words = " ".join(hyperparameters_notes(settings, is_like_service=True))
    assert "is updated every" not in words
    assert "gradients" not in words


def test_the_loss_of_deepracer_for_cloud_is_named(make, tmp_path):
    file = tmp_path / "hyperparameters.json"
    file.write_text(json.dumps({"loss_type": "huber"}))
    session = open_session(make(**ORDER | {"hyperparameters": str(file)}))
    assert any("loss_type huber" in note for note in session.notes)
