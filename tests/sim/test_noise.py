"""What varies from step to step and from car to car."""

from __future__ import annotations

import numpy as np
import pytest

from racer import resources as shipped
from racer.errors import UsageError
from racer.sim.noise import NOISES, Noise, read_noise, step_durations, vary_cars
from racer.sim.simulation import Scenario, Simulation
from racer.track import layout as layout_file
from racer.vehicle.car import STEP_S, V4, V5, V6, Car, car_table

TRACK = layout_file.load_layout_track(shipped.tracks_folder() / "oval.toml")
GO = np.array([[5.0, 1.5]])


def test_without_noise_every_step_lasts_a_camera_frame_and_every_car_is_the_preset():
    field = Simulation(Scenario(TRACK, V6), 4, seed=1)
    rows = [field.step(np.repeat(GO, 4, axis=0)) for _ in range(5)]
    assert {float(dt) for row in rows for dt in row["dt"]} == {STEP_S}
    assert np.array_equal(field._cars, car_table(V6, 4))


def test_without_noise_the_seed_changes_nothing():
    fields = [Simulation(Scenario(TRACK, V6), 2, seed=seed) for seed in (1, 2)]
    rows = [
        [field.step(np.repeat(GO, 2, axis=0))["x"].tolist() for _ in range(20)] for field in fields
    ]
    assert rows[0] == rows[1]


def test_step_jitter_has_the_mean_and_spread_it_says():
    generator = np.random.default_rng(0)
    drawn = np.concatenate([step_durations(NOISES["jitter"], [generator]) for _ in range(20_000)])
    assert drawn.mean() == pytest.approx(STEP_S, abs=3e-4)
    assert drawn.std() == pytest.approx(0.010, abs=3e-4)
    assert drawn.min() >= 0.02
    assert drawn.max() <= 2 * STEP_S - 0.02 + 1e-12


def test_wild_jitter_is_cut_evenly_so_that_the_mean_stays():
    generator = np.random.default_rng(0)
    drawn = np.concatenate(
        [step_durations(Noise(step_jitter=0.1), [generator]) for _ in range(20_000)]
    )
    assert drawn.min() == pytest.approx(0.02)
    assert drawn.mean() == pytest.approx(STEP_S, abs=1e-3)


@pytest.mark.parametrize("car", [V4, V5, V6])
def test_randomization_stays_within_its_shares_and_moves_together(car: Car):
    setting, row = NOISES["robust"], car_table(car, 1)[0]
    drawn = [vary_cars(row, setting, np.random.default_rng(seed)) for seed in range(200)]
    grip = np.array([one["front_limit"] / row["front_limit"] for one in drawn])
    assert np.abs(grip - 1.0).max() <= setting.grip
    assert grip.std() == pytest.approx(setting.grip / np.sqrt(3.0), rel=0.2)
    for one, share in zip(drawn, grip, strict=True):
        assert one["rear_limit"] / row["rear_limit"] == pytest.approx(share)
        assert one["delay"] == row["delay"]
        assert one["inertia"] == row["inertia"]
    lag = np.array([one["steer_lag"] / row["steer_lag"] for one in drawn])
    assert np.abs(lag - 1.0).max() <= setting.lag
    assert abs(np.corrcoef(grip, lag)[0, 1]) < 0.3


def test_a_car_is_drawn_anew_for_every_episode_and_stays_within_it():
    field = Simulation(Scenario(TRACK, V6, noise=NOISES["robust"]), 2, seed=5)
    first = field._cars.copy()
    assert first["delay"] == pytest.approx(V6.delay + NOISES["robust"].latency)
    field.step(np.repeat(GO, 2, axis=0))
    assert np.array_equal(field._cars, first)
    field.restart(np.array([1]))
    assert field._cars[0] == first[0]
    assert field._cars[1]["front_limit"] != first[1]["front_limit"]


def test_what_a_car_draws_does_not_depend_on_how_many_others_there_are():
    race = Scenario(TRACK, V6, noise=NOISES["robust"])
    assert np.array_equal(Simulation(race, 3, seed=5)._cars, Simulation(race, 8, seed=5)._cars[:3])
    assert len(np.unique(Simulation(race, 8, seed=5)._cars["front_limit"])) == 8


def test_latency_of_a_whole_step_is_the_command_one_step_later():
    fields = [
        Simulation(Scenario(TRACK, V5, noise=Noise(latency=latency)), 1)
        for latency in (0.0, STEP_S)
    ]
    commands = np.random.default_rng(3).uniform([-30.0, 0.5], [30.0, 3.0], (30, 1, 2))
    prompt, late = ([field.step(command)["x"][0] for command in commands] for field in fields)
    # the first driven step is still under the command of the prepare step: none
    assert late[2] == late[1]
    assert late[2:] == pytest.approx(prompt[1:-1], abs=1e-9)


def test_noise_by_name_mapping_or_itself():
    assert read_noise("robust") is NOISES["robust"]
    assert read_noise({"grip": 0.2}) == Noise(grip=0.2)
    assert read_noise(Noise(lag=0.1)) == Noise(lag=0.1)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("robst", "did you mean 'robust'"),
        ({"grp": 0.1}, "did you mean 'grip'"),
        ({"grip": -0.1}, "at least 0"),
        ({"grip": 1.5}, "below 1"),
        ({"latency": 0.5}, "longer than a step"),
    ],
)
def test_noise_that_is_none_is_refused_with_a_sentence(what: object, says: str):
    with pytest.raises(UsageError, match=says):
        read_noise(what)
