"""Sensors by their names, alone and together, in the environments that learners use."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest

from racer.env import DeepRacerEnv, DeepRacerVectorEnv
from racer.errors import UsageError
from racer.sensors.features import NEARBY_NAMES, nearby_obstacles
from racer.sensors.names import has_pictures, parse_observations, picture_size
from racer.sensors.observation import Sensors, sensor_spec


def cars(n: int = 3, **arguments) -> DeepRacerVectorEnv:
    made = DeepRacerVectorEnv(n, **{"track": "oval", "observation": "camera:40x30"} | arguments)
    made.reset(seed=1)
    return made


def same(one, other) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            np.array_equal(one[name], other[name]) for name in one
        )
    return np.array_equal(one, other)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("camera", ("camera",)),
        ("camera:160x120", ("camera",)),
        ("stereo:80x60, lidar", ("stereo:80x60", "lidar")),
        (("features", "camera"), ("features", "camera")),
        ("sensors", ("stereo", "sector_lidar")),
        ("sensors,features", ("stereo", "sector_lidar", "features")),
    ],
)
def test_observations_are_named_in_words(words, found):
    assert parse_observations(words, ("STEREO_CAMERAS", "SECTOR_LIDAR")) == found


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("camrea", "unknown observation 'camrea': did you mean 'camera'"),
        ("camera:4x4", "pictures are between 8 and 640 pixels"),
        ("lidar:8x8", "unknown observation 'lidar:8x8'"),
        ("camera,camera:80x60", "a sensor is there twice"),
        ((), "no observation is named"),
    ],
)
def test_a_wrong_observation_is_a_sentence(words, sentence):
    with pytest.raises(UsageError, match=sentence):
        parse_observations(words)


def test_what_a_sensor_sends_follows_the_metadata():
    config = {"num_sectors": 4, "num_values_per_sector": 3, "clipping_dist": 2.0}
    shapes = {
        name: sensor_spec(name, config).shape
        for name in ("stereo:80x60", "lidar", "discretized_sector_lidar")
    }
    assert shapes == {
        "stereo:80x60": (2, 60, 80),
        "lidar": (64,),
        "discretized_sector_lidar": (12,),
    }
    assert (
        picture_size("camera"),
        has_pictures(["features", "stereo"]),
        has_pictures(["lidar"]),
    ) == (
        (160, 120),
        True,
        False,
    )


@pytest.mark.parametrize("observation", ["camera:80x60", ("stereo:80x60", "lidar", "features")])
def test_both_checkers_have_nothing_to_say_about_sensors(observation):
    from gymnasium.utils.env_checker import check_env

    checker = pytest.importorskip(
        "stable_baselines3.common.env_checker", reason="needs the extra train"
    )
    env = DeepRacerEnv(track="oval", observation=observation, objects="random_boxes")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        check_env(env, skip_render_check=True)
        checker.check_env(env)
    told = [str(warning.message) for warning in said]
    assert all("infinity" in text or "spec" in text for text in told), told


def test_several_sensors_are_a_dict_in_their_space():
    made = cars(observation="stereo:40x30,sector_lidar,features", objects="boxes")
    assert isinstance(made.single_observation_space, gymnasium.spaces.Dict)
    observation, *_ = made.step(np.zeros((3, 2), np.float32))
    assert {name: part.shape for name, part in observation.items()} == {
        "stereo": (3, 2, 30, 40), "sector_lidar": (3, 8), "features": (3, 27),
    }  # fmt: skip
    assert made.observation_space.contains(observation)
    assert not np.array_equal(observation["stereo"][:, 0], observation["stereo"][:, 1])


def test_a_car_of_a_batch_perceives_what_it_does_alone():
    many, one = (
        cars(n, observation="camera:40x30,lidar,objects", objects="random_boxes") for n in (4, 1)
    )
    for _ in range(5):
        many.advance(np.zeros((4, 2), np.float32), with_observation=False)
        one.advance(np.zeros((1, 2), np.float32), with_observation=False)
        seen, alone = many.observe(), one.observe()
        assert same({name: part[:1] for name, part in seen.items()}, alone)
        assert same(
            {name: part[[2, 0]] for name, part in seen.items()}, many.observe(np.array([2, 0]))
        )


def test_to_look_twice_shows_the_same_and_the_observation_before_still_holds():
    made = cars()
    before = made.observe()
    kept = before.copy()
    for _ in range(4):  # the first step holds the car
        made.advance(np.ones((3, 2), np.float32), with_observation=False)
    after = made.observe()
    assert np.array_equal(before, kept)
    assert not np.array_equal(before, after)
    assert np.array_equal(after, made.observe())


def test_steps_of_the_vector_environment_are_arrays_of_their_own():
    made = cars()
    seen = [made.step(np.ones((3, 2), np.float32))[0] for _ in range(4)]
    assert len({part.ctypes.data for part in seen}) == 4
    assert not np.array_equal(seen[0], seen[3])


def test_what_a_finished_car_saw_last_is_not_what_it_sees_first():
    made, twin = cars(), cars()
    for _ in range(200):
        observation, _, terminated, _, info = made.step(np.zeros((3, 2), np.float32))
        last = twin.advance(np.zeros((3, 2), np.float32)).observation
        if terminated.any():
            k = int(np.flatnonzero(terminated)[0])
            assert np.array_equal(info["final_obs"][k], last[k])
            assert not np.array_equal(info["final_obs"][k], observation[k])
            return
    pytest.fail("no car left the road")


def test_scans_are_gone_on_with():
    made, twin = (cars(observation="lidar", objects="boxes") for _ in range(2))
    for _ in range(4):
        made.advance(np.zeros((3, 2), np.float32))
    twin.simulation.restore(made.simulation.snapshot())
    twin.sensors.restore(made.sensors.snapshot())
    assert np.array_equal(made.observe(), twin.observe())


def test_a_teacher_knows_the_next_box_and_nothing_where_there_is_none():
    made = cars(observation="objects", objects="boxes")
    state, bodies = made.simulation.state, made.simulation.obstacles
    found = nearby_obstacles(
        state, bodies, np.array([track.length for track in made.scenario.tracks])
    ).reshape(3, 2, 5)
    assert len(NEARBY_NAMES) == 10
    for k in range(3):
        gaps = np.sort((bodies[k]["s"] - state["s"][k] + 0.5) % made.scenario.track.length - 0.5)[
            :2
        ]
        near = np.where(gaps < 4.0, 1.0 - gaps / 4.0, 0.0)
        assert found[k, :, 0] == pytest.approx(near, abs=1e-6)
    assert not nearby_obstacles(state, bodies[:, :0], np.ones(2)).any()


def test_the_world_looks_otherwise_in_every_episode_of_a_car_and_the_same_for_the_same_seed():
    made, twin = cars(look="strong"), cars(look="strong")
    first = made.observe().copy()
    assert np.array_equal(first, twin.observe())
    made.restart(np.ones(3, dtype=np.bool_))
    twin.reset(seed=2)
    shades = [
        part.reshape(3, -1).mean(axis=1)
        for part in (first, made.observe(), twin.observe(), cars().observe())
    ]
    assert len({tuple(shade) for shade in shades}) == 4
    with pytest.raises(
        UsageError, match="unknown visual randomization 'strog': did you mean 'strong'"
    ):
        cars(look="strog")


def test_9_15_the_world_looks_the_same_in_every_lap_of_a_continuous_race():
    made = cars(look="strong")
    before = made.observe().copy()
    made.simulation.state["episode"] += 1
    made.simulation.state["episode_laps"] += 1
    assert np.array_equal(made.observe(), before)
    made.simulation.state["episode"] += 1
    assert not np.array_equal(made.observe(), before)


def test_a_suite_of_features_draws_nothing():
    made = cars(observation="features")
    assert isinstance(made.sensors, Sensors)
    assert made.sensors.observe(made.simulation).shape == (3, 27)
