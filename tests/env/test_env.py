"""The gymnasium environments: their contracts, and what they tell."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import racer.env
from racer.env import DeepRacerEnv, DeepRacerVectorEnv
from racer.errors import UsageError
from racer.logs.schema import TRACE_COLUMNS
from racer.sensors.features import FEATURE_NAMES
from racer.sim.params import Params
from racer.sim.state import TRAINING, Phase
from racer.track import route
from racer.track.library import load_track
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.metadata import Metadata

assert racer.env  # importing it registers the environment


def center_line(p: Params) -> float:
    return 1.0 if p["distance_from_center"] < 0.25 * p["track_width"] else 0.1


DISCRETE = ActionSpace(False, (-30.0, 0.0, 30.0), (1.0, 2.0, 1.0))


def vector(n: int = 3, **arguments: object) -> DeepRacerVectorEnv:
    return DeepRacerVectorEnv(n, **({"track": "oval", "reward": center_line} | arguments))  # type: ignore[arg-type]


def single(**arguments: object) -> DeepRacerEnv:
    return DeepRacerEnv(**({"track": "oval", "reward": center_line} | arguments))


@pytest.mark.parametrize("space", [None, DISCRETE])
def test_gymnasiums_checker_has_nothing_to_say(space: ActionSpace | None):
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        env = gymnasium.make(
            "racer/DeepRacer-v0", track="oval", reward=center_line, action_space=space
        )
        check_env(env.unwrapped)
    told = [str(warning.message) for warning in said]
    # features have no bounds; pictures have, and test_rendering.py allows no warning at all
    assert all("infinity" in text for text in told), told


@pytest.mark.parametrize("space", [None, DISCRETE])
def test_stable_baselines3s_checker_has_nothing_to_say(space: ActionSpace | None):
    checker = pytest.importorskip(
        "stable_baselines3.common.env_checker", reason="needs the extra train"
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        checker.check_env(single(action_space=space))
    assert [
        str(warning.message) for warning in said if "stable_baselines3" in warning.filename
    ] == []


def test_gymnasium_makes_it_by_name():
    env = gymnasium.make(
        "racer/DeepRacer-v0", track="oval", reward=center_line, car="v5", action_space=DISCRETE
    )
    observation, _ = env.reset(seed=1)
    assert observation.shape == (len(FEATURE_NAMES),)
    assert env.action_space.n == 3  # type: ignore[attr-defined]
    assert env.unwrapped.cars.car.name == "v5"  # type: ignore[attr-defined]
    env.close()


def test_gymnasium_makes_the_vector_environment_by_name():
    env = gymnasium.make_vec("racer/DeepRacer-v0", num_envs=4, track="oval", reward=center_line)
    assert isinstance(env.unwrapped, DeepRacerVectorEnv)
    observation, _ = env.reset(seed=1)
    assert observation.shape == (4, len(FEATURE_NAMES))
    env.close()


def test_every_observation_lies_in_the_space_of_observations():
    env = vector()
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(50):
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)
        assert reward.shape == terminated.shape == truncated.shape == (3,)
        assert terminated.dtype == truncated.dtype == np.bool_


def test_first_step_is_prepare_and_pays_nothing():
    calls: list[float] = []

    def reward(p: Params) -> float:
        calls.append(p["steps"])
        return 5.0

    env = single(reward=reward)
    env.reset(seed=0)
    paid = [env.step(np.array([0.0, 0.0]))[1] for _ in range(3)]
    assert paid == [0.0, 5.0, 5.0]
    assert calls == [2.0, 3.0]


def test_info_tells_params_status_lap_time_and_trace():
    env = single(action_space=DISCRETE)
    env.reset(seed=0)
    for word in ("prepare", "in_progress"):
        info = env.step(2)[4]
        assert info["episode_status"] == word
        assert len(info["reward_params"]) == 27
        assert info["lap_time"] is None
    row = info["trace"]
    assert tuple(row) == TRACE_COLUMNS[:18]
    assert (row["steer"], row["throttle"], row["action"]) == (30.0, 1.0, 2)
    assert row["reward"] == 1.0
    assert row["steps"] == 2.0
    assert row["X"] == info["reward_params"]["x"]
    assert {type(row[name]) for name in ("X", "reward", "progress", "tstamp")} == {float}


def test_vector_info_holds_one_of_everything_for_each_car():
    env = vector(4)
    env.reset(seed=0)
    info = env.step(env.action_space.sample())[4]
    assert len(info["reward_params"]) == len(info["episode_status"]) == len(info["lap_time"]) == 4
    assert {len(column) for column in info["trace"].values()} == {4}
    assert "final_obs" not in info


def steer_off(env: DeepRacerVectorEnv, steps: int = 200) -> dict:
    """Step cars hard to the right until one has left the road; that step's results."""
    for _ in range(steps):
        observation, _, terminated, truncated, info = env.step(
            np.full((env.num_envs, 2), [-1.0, 1.0])
        )
        if (terminated | truncated).any():
            return {
                "observation": observation,
                "terminated": terminated,
                "truncated": truncated,
                "info": info,
            }
    pytest.fail("no car left the road")


def test_a_car_whose_episode_is_over_starts_again_within_the_step_and_final_obs_holds_the_last_it_saw():
    env = vector(3)
    env.reset(seed=0)
    end = steer_off(env)
    over, info = end["terminated"], end["info"]
    assert not end["truncated"].any()
    assert info["_final_obs"].tolist() == over.tolist()
    for k in range(3):
        assert (info["final_obs"][k] is not None) == bool(over[k])
        if over[k]:
            assert info["episode_status"][k] == "off_track"
            assert info["reward_params"][k]["is_offtrack"]
            assert not np.array_equal(info["final_obs"][k], end["observation"][k])
            assert end["observation"][k][0] == 0.0  # at rest
    assert (env.simulation.state["steps"] == 0).tolist() == over.tolist()


def test_leaving_the_road_is_paid_by_the_reward_function():
    env = single(reward=lambda p: -7.0 if p["is_offtrack"] else 1.0)
    env.reset(seed=0)
    for _ in range(200):
        _, reward, terminated, truncated, _ = env.step(np.array([-1.0, 1.0]))
        if terminated:
            break
    assert (reward, terminated, truncated) == (-7.0, True, False)


def test_the_step_limit_truncates_and_does_not_terminate():
    env = vector(2, rules={"step_limit": 5})
    env.reset(seed=0)
    for k in range(5):
        _, _, terminated, truncated, info = env.step(np.zeros((2, 2)))
        assert truncated.tolist() == [k == 4] * 2
        assert not terminated.any()
    assert info["episode_status"] == ["in_progress"] * 2
    assert info["_final_obs"].all()


def drive(env: DeepRacerVectorEnv, seed: int, steps: int = 120) -> list[bytes]:
    first, _ = env.reset(seed=seed)
    actions = np.random.default_rng(9).uniform(-1.0, 1.0, (steps, env.num_envs, 2))
    seen = [first.tobytes()]
    for action in actions:
        observation, reward, *_ = env.step(action)
        seen += [observation.tobytes(), reward.tobytes()]
    return seen


def test_same_seed_same_bytes_and_another_seed_others():
    made = [drive(vector(noise="robust"), seed) for seed in (4, 4, 5)]
    assert made[0] == made[1] != made[2]


def test_reset_with_the_seed_repeats_and_without_goes_on():
    env = vector(noise="robust")
    assert drive(env, 4) == drive(env, 4)
    starts = env.simulation.state["start"].copy()
    env.reset()
    assert not np.array_equal(env.simulation.state["start"], starts)


def test_a_reset_mask_starts_only_those_cars_again():
    env = vector(3)
    env.reset(seed=0)
    for _ in range(5):
        env.step(np.zeros((3, 2)))
    env.reset(options={"reset_mask": np.array([False, True, False])})
    assert (env.simulation.state["steps"] == 0).tolist() == [False, True, False]


def test_the_single_environment_is_a_car_of_the_vector_environment():
    env, cars = single(noise="robust"), vector(3, noise="robust")
    one, _ = env.reset(seed=6)
    many, _ = cars.reset(seed=6)
    assert np.array_equal(one, many[0])
    for action in np.random.default_rng(1).uniform(-1.0, 1.0, (60, 2)):
        observation, reward, terminated, *_ = env.step(action)
        seen = cars.step(np.repeat(action[None], 3, axis=0))
        if terminated:
            break
        assert np.array_equal(observation, seen[0][0])
        assert reward == seen[1][0]


def test_reverse_drives_the_track_the_other_way():
    env = single(reverse=True)
    env.reset(seed=0)
    info = env.step(np.zeros(2))[4]
    assert info["reward_params"]["is_reversed"] is True


def test_evaluation_starts_every_car_at_the_line_and_forgives_incidents():
    env = vector(3, evaluation=True, rules={"off_track_penalty": 0.5})
    env.reset(seed=0)
    assert env.simulation.state["start"].tolist() == [0.0] * 3
    words: list[str] = []
    for _ in range(200):
        _, _, terminated, _, info = env.step(np.full((3, 2), [-1.0, 1.0]))
        assert not terminated.any()
        words.append(info["episode_status"][0])
    incident = words.index("off_track")
    assert words[incident + 1 :][:9] == ["pause"] * 8 + ["in_progress"]


def test_the_car_is_what_the_metadata_says(tmp_path: Path):
    from racer.vehicle.metadata import Metadata, write_metadata

    write_metadata(Metadata(DISCRETE, version=4.0), tmp_path / "model_metadata.json")
    env = vector(1, action_space=tmp_path / "model_metadata.json")
    assert env.car.name == "v4"
    assert vector(1, action_space=tmp_path / "model_metadata.json", car="v5").car.name == "v5"
    assert vector(1).car.name == "v6"


def test_a_reward_file_is_loaded_by_path(tmp_path: Path):
    file = tmp_path / "mine.py"
    file.write_text(
        "calls = 0\ndef reward_function(params):\n    global calls\n    calls += 1\n    return float(calls)\n"
    )
    env = vector(2, reward=file)
    env.reset(seed=0)
    paid = [env.step(np.zeros((2, 2)))[1].tolist() for _ in range(4)]
    # each car has an instance of its own
    assert paid == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"observation": "feature"}, "did you mean 'features'"),
        ({"car": "v7"}, "unknown car 'v7'"),
        ({"track": "ovl"}, "did you mean 'oval'"),
        ({"noise": "robst"}, "did you mean 'robust'"),
        ({"clockwise": True}, "unknown track 'oval_cw'"),
        ({"rules": {"put_back": "there"}}, "put_back is one of before, own, not 'there'"),
    ],
)
def test_a_wrong_argument_is_refused_with_a_sentence(arguments: dict[str, Any], says: str):
    with pytest.raises(UsageError, match=says):
        vector(1, **arguments)


def test_a_whole_lap_is_a_termination_with_a_lap_time():
    env = single(rules=TRAINING, action_space=ActionSpace(True, (-30.0, 30.0), (0.5, 1.5)))
    observation, _ = env.reset(seed=0)
    for _ in range(2000):
        aim = observation[FEATURE_NAMES.index("center line 0.5 m ahead: left / 0.5 m")]
        observation, _, terminated, truncated, info = env.step(
            np.array([np.clip(2.5 * aim, -1.0, 1.0), 1.0])
        )
        if terminated or truncated:
            break
    assert info["episode_status"] == "lap_complete"
    assert info["reward_params"]["progress"] == 100
    length = info["reward_params"]["track_length"]
    assert length / 1.8 < info["lap_time"] < length / 1.2


@pytest.mark.parametrize("objects", ["random_boxes", "bots"])
def test_cars_among_objects_are_the_same_alone_and_with_the_same_seed(objects):
    def story(n: int) -> list[tuple[object, ...]]:
        env = DeepRacerVectorEnv(n, track="oval", objects=objects)
        env.reset(seed=3)
        told = []
        for k in range(60):
            _, reward, over, _, info = env.step(
                np.full((n, 2), 0.1 * (k % 3 - 1), dtype=np.float32)
            )
            told.append((reward[0], over[0], info["reward_params"][0]))
        return told

    alone = story(1)
    assert alone == story(1)
    assert alone == story(3)
    assert len(alone[0][2]["objects_location"]) == (6 if objects == "random_boxes" else 3)


def test_the_real_step_limit_is_100000_steps():
    assert TRAINING.step_limit == 100_000
    env = vector(1)
    env.simulation.state["steps"] = 99_998
    env.simulation.state["phase"] = Phase.RUN
    ends = [env.advance(np.zeros((1, 2))) for _ in range(2)]
    assert [bool(step.truncated[0]) for step in ends] == [False, True]
    assert not ends[1].rows["done"][0]


@pytest.mark.parametrize("observation", ["features", ("features", "lidar")])
def test_with_a_stale_start_the_first_observation_is_the_last_of_the_episode_before(
    observation: str | tuple[str, str],
):
    stale = vector(2, observation=observation, stale_start=True, rules={"step_limit": 7})
    fresh = vector(2, observation=observation, rules={"step_limit": 7})
    first = [features(env.reset(seed=0)[0]).copy() for env in (stale, fresh)]
    assert np.array_equal(first[0], first[1])
    for _ in range(7):
        old, _, _, _, info = stale.step(np.full((2, 2), 0.5))
        new = fresh.step(np.full((2, 2), 0.5))[0]
    seen_last = np.stack([features(one) for one in info["final_obs"]])
    assert np.array_equal(features(old), seen_last)
    assert not np.array_equal(features(old), features(new))
    old = stale.step(np.zeros((2, 2)))[0]
    new = fresh.step(np.zeros((2, 2)))[0]
    assert np.array_equal(features(old), features(new))  # it decides nothing


def features(observation: Any) -> np.ndarray:
    return observation["features"] if isinstance(observation, dict) else observation


def test_put_back_may_be_said_with_the_rules():
    assert vector(1, car="v5").car.put_back == "own"
    env = vector(1, car="v5", evaluation=True, rules={"put_back": "before", "resets": 3})
    assert env.scenario.car.put_back == "before"
    assert env.scenario.rules.resets == 3


def test_clockwise_takes_the_world_of_that_direction(tmp_path: Path):
    for ending in ("cw", "ccw"):
        route.save_route(load_track("oval"), tmp_path / f"ring_{ending}.npy")
    for clockwise, name in ((True, "ring_cw"), (False, "ring_ccw")):
        env = vector(1, track=str(tmp_path / "ring.npy"), clockwise=clockwise)
        assert env.scenario.track.name == name
    with pytest.raises(UsageError, match="not about a track as it is"):
        vector(1, track=load_track("oval"), clockwise=True)


def test_a_car_with_stereo_cameras_looks_for_objects_with_both():
    metadata = Metadata(DISCRETE, sensor=("STEREO_CAMERAS",))
    assert vector(1, action_space=metadata).has_stereo
    assert vector(1, observation="stereo:80x60").has_stereo
    assert not vector(1).has_stereo
