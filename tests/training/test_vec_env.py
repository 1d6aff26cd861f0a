"""The cars as stable-baselines3 sees them, and a car of a batch beside the same car alone."""

from __future__ import annotations

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecCheckNan, VecEnv, VecMonitor, VecNormalize

from racer import track
from racer.env import DeepRacerVectorEnv
from racer.sim.noise import read_noise
from racer.sim.simulation import Scenario, Simulation, Starts
from racer.training.setup import CarsVecEnv
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import car_preset

THREE = ActionSpace(False, (-25.0, 0.0, 25.0), (1.2, 2.0, 1.2))


def made(n: int = 4, **arguments) -> CarsVecEnv:
    cars = CarsVecEnv(DeepRacerVectorEnv(n, **{"track": "oval", **arguments}))
    cars.cars.reset(seed=1)
    return cars


def straight(cars: VecEnv) -> np.ndarray:
    return np.zeros((cars.num_envs, 2), np.float32)


@pytest.mark.parametrize("space", [None, THREE])
def test_stable_baselines3s_wrappers_that_check_have_nothing_to_say(space):
    cars = VecCheckNan(VecMonitor(made(action_space=space)), raise_exception=True)
    observation = cars.reset()
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.integers(0, 3, 4) if space else rng.uniform(-1, 1, (4, 2)).astype(np.float32)
        observation, reward, over, infos = cars.step(actions)
        assert observation.shape == (4, *cars.observation_space.shape)
        assert (observation.dtype, reward.dtype, over.dtype) == (np.float32, np.float32, np.bool_)
        assert all("episode" in info and info["episode"]["l"] > 1 for info in np.array(infos)[over])
        assert all(cars.observation_space.contains(row) for row in observation)


@pytest.mark.parametrize("space", [None, THREE])
def test_ppo_learns_with_them_and_stable_baselines3_raises_no_warning(space):
    model = PPO(
        "MlpPolicy",
        VecNormalize(made(action_space=space), norm_obs=False),
        n_steps=8,
        batch_size=32,
    )
    model.learn(32)
    assert model.num_timesteps == 32


def test_what_a_car_saw_last_is_in_its_info_and_what_it_sees_first_in_the_observation():
    cars, twin = made(), made()
    cars.reset()
    for _ in range(200):
        turn = twin.cars.advance(straight(twin))
        observation, _, over, infos = cars.step(straight(cars))
        assert over.tolist() == turn.terminated.tolist()
        for k in range(4):
            assert set(infos[k]) == (
                {"terminal_observation", "TimeLimit.truncated"} if over[k] else set()
            )
            if over[k]:
                assert np.array_equal(infos[k]["terminal_observation"], turn.observation[k])
                assert not np.array_equal(observation[k], turn.observation[k])
                assert infos[k]["TimeLimit.truncated"] is False
            else:
                assert np.array_equal(observation[k], turn.observation[k])
        twin.cars.restart(over)
        if over.any():
            return
    pytest.fail("no car left the road")


def test_the_step_limit_is_a_truncation():
    cars = made(rules={"step_limit": 3})
    for _ in range(2):
        assert not cars.step(straight(cars))[2].any()
    _, _, over, infos = cars.step(straight(cars))
    assert over.all()
    assert all(info["TimeLimit.truncated"] is True for info in infos)


def test_reset_does_not_start_again_what_has_been_started():
    cars = made()
    first = cars.reset()
    moved = cars.step(straight(cars))[0]
    for _ in range(3):
        moved = cars.step(straight(cars))[0]
    assert np.array_equal(cars.reset(), moved)
    assert not np.array_equal(first, moved)


def test_the_watch_is_shown_every_turn_with_its_actions():
    seen = []
    cars = CarsVecEnv(
        DeepRacerVectorEnv(2, track="oval"),
        lambda turn, actions: seen.append((turn.rows["steps"].tolist(), actions)),
    )
    actions = straight(cars)
    for _ in range(2):
        cars.step(actions)
    assert [steps for steps, _ in seen] == [[1, 1], [2, 2]]
    assert all(shown is actions for _, shown in seen)


def test_attributes_are_read_and_not_set():
    cars = made()
    assert cars.get_attr("num_envs") == [4] * 4
    assert len(cars.get_attr("car", indices=[0, 2])) == 2
    assert cars.env_is_wrapped(VecMonitor) == [False] * 4
    with pytest.raises(AttributeError, match="share one environment"):
        cars.set_attr("num_envs", 3)
    with pytest.raises(AttributeError, match="share one environment"):
        cars.env_method("restart")
    cars.close()


# SeedSequence(seed).spawn(n) gives child k the key (k,), whatever n is: that is why a car's
# randomness does not depend on how many drive beside it.


@pytest.fixture(scope="module")
def race() -> Scenario:
    starts = Starts(offset=0.1, advance=0.05, alternate_direction=True)
    return Scenario(
        track.load_track("oval"), car_preset("v6"), starts=starts, noise=read_noise("robust")
    )


def drive(field: Simulation, commands: np.ndarray) -> np.ndarray:
    """(T, N) rows of a field that gets `commands` (T, N, 2), with episodes begun again as they end."""
    rows = []
    for command in commands:
        rows.append(field.step(command))
        field.restart(np.flatnonzero(rows[-1]["done"]))
    return np.array(rows)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether every column is equal bit by bit; what lies between the columns is nobody's."""
    return all(one[name].tobytes() == other[name].tobytes() for name in one.dtype.names)


def chosen(n: int, steps: int = 150) -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.stack([rng.uniform(-15, 15, (steps, n)), rng.uniform(1.0, 4.0, (steps, n))], axis=2)


def test_the_cars_of_a_small_batch_are_the_first_of_a_large_one(race):
    commands = chosen(9)
    large, small = (
        drive(Simulation(race, 9, seed=3), commands),
        drive(Simulation(race, 4, seed=3), commands[:, :4]),
    )
    assert large["episode"].max() > 1
    assert same_bits(large[:, :4], small)


@pytest.mark.parametrize("k", [0, 1, 6])
def test_car_k_of_a_batch_is_bit_equal_to_the_car_alone(race, k):
    commands = chosen(9)
    field, alone = Simulation(race, 9, seed=3), Simulation(race, 1)
    state, episodes, cars, generators, bodies, traffic = field.snapshot()
    alone.restore(
        (
            state[k : k + 1],
            episodes[k : k + 1] + k,
            cars[k : k + 1],
            generators[k : k + 1],
            bodies[k : k + 1],
            traffic,
        )
    )
    together, by_itself = drive(field, commands)[:, k], drive(alone, commands[:, k : k + 1])[:, 0]
    # it counts on from the turn it was given
    by_itself["episode"] -= np.where(by_itself["episode"] > 0, k, 0)
    assert together["done"].sum() > 1
    assert same_bits(together, by_itself)


def test_a_car_alone_is_priced_as_in_a_batch(rewards_of_their_own):
    many, one = (made(n, reward=rewards_of_their_own) for n in (5, 1))
    for step in range(80):
        action = np.array([0.3 * np.sin(step), 0.0], np.float32)
        first = many.step(np.tile(action, (5, 1)))
        alone = one.step(action[None])
        assert (first[0][0].tobytes(), first[1][0], first[2][0]) == (
            alone[0][0].tobytes(),
            alone[1][0],
            alone[2][0],
        )


@pytest.fixture
def rewards_of_their_own(tmp_path):
    file = tmp_path / "counts.py"
    file.write_text(
        "n = 0\n\n\ndef reward_function(params):\n    global n\n    n += 1\n    return n + params['x']\n"
    )
    return str(file)
