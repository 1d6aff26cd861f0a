"""How fast the simulator is, from its core to PPO, beside a naive implementation and peers, all in
one run.

    python benchmarks/throughput.py [--json] [--only
    core,objects,lidar,reward,camera,env,ppo,naive,peers]

Figures are steps a second of the CPU time of this process (one core), but for PPO: that is wall
time with two threads. Each is the median of several repeats, whose extremes are given. Peers need
`pip install '.[bench]'`; those that are not installed are named.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import shapely

import racer.env
from racer.env import DeepRacerVectorEnv
from racer.sensors.features import car_features
from racer.sensors.lidar import scan_lidar
from racer.sim.obstacle_layout import read_obstacle_layout
from racer.sim.simulation import Scenario, Simulation
from racer.sim.state import EVALUATION
from racer.sim.step import step_cars
from racer.track import load_track as load_track
from racer.vehicle.car import FRONT_POINT_M, STEP_S, WHEEL_CENTERS_M, car_preset, car_table

TRACK = "reinvent_2018"
LONG_TRACK = "european_seaside"
COUNTS = (1, 64, 1024)
REPEATS = 5


@dataclass(frozen=True)
class Row:
    """One measured line: steps a second, and the least and most of the repeats."""

    what: str
    cars: int
    rate: float
    least: float
    most: float
    note: str = ""


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--only",
        default="core,objects,lidar,reward,camera,env,ppo,naive,peers",
        help="which parts, with commas",
    )
    arguments = parser.parse_args()
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "core": core, "objects": objects, "lidar": lidars, "reward": reward, "camera": camera, "env": envs, "ppo": ppo,
        "naive": naive, "peers": peers,
    }  # fmt: skip
    rows = []
    for name in arguments.only.split(","):
        for row in parts[name]():
            rows.append(row)
            if not arguments.json:
                print(_line(row), flush=True)
    if arguments.json:
        print(
            json.dumps(
                {
                    "machine": platform.processor() or platform.machine(),
                    "rows": [asdict(r) for r in rows],
                }
            )
        )


def core() -> Iterator[Row]:
    """Dynamics, place on the road and rules; and the features."""
    for car in ("v4", "v5", "v6"):
        for track in (TRACK, LONG_TRACK):
            for n in COUNTS if track == TRACK else COUNTS[-1:]:
                field, command = _driving(car, track, n)
                race, cars, dt = field.scenario, car_table(car_preset(car), n), np.full(n, STEP_S)
                state = field.state
                run = lambda: step_cars(state, command, dt, race.packed_tracks, cars, race.rules)  # noqa: B023, E731
                yield _timed(f"core: step, {car}, {track}", n, run)
    field, _ = _driving("v6", TRACK, 1024)
    yield _timed("features", 1024, lambda: car_features(field.state, field.scenario.packed_tracks))


def objects() -> Iterator[Row]:
    """The core with nothing on the road, boxes and bot cars: steps, and turns with params and a
    reward.
    """
    for what in ("none", "boxes", "bots"):
        field, command = _driving("v6", TRACK, 256, what)
        saved = field.snapshot()

        def run() -> None:
            for _ in range(10):
                field.step(command)  # noqa: B023
            field.restore(saved)  # noqa: B023

        row = _timed(f"core: step of a field, objects: {what}", 2560, run)
        yield replace(row, cars=256)
    for what in ("none", "boxes", "bots"):
        cars = DeepRacerVectorEnv(256, track=TRACK, reward="center_line", objects=what)
        cars.reset(seed=0)
        actions = _actions(256)
        yield _timed(f"vector env, objects: {what}", 256, lambda: cars.step(next(actions)))  # noqa: B023


def lidars() -> Iterator[Row]:
    """Scans of 64 rays: at the walls of a room, and at six boxes or three bot cars in it."""
    track = load_track(TRACK)
    low, high = track.outer.min(axis=0) - 0.9, track.outer.max(axis=0) + 0.9
    corner = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    walls = np.tile(np.column_stack([corner, np.roll(corner, -1, axis=0)]), (2, 1, 1))
    for what in ("none", "boxes", "bots"):
        field, _ = _driving("v6", TRACK, 256, what)
        out = np.empty((256, 64))
        yield _timed(
            f"lidar: scans, objects: {what}",
            256,
            partial(scan_lidar, field.state, field.obstacles, walls, out),
        )


def reward() -> Iterator[Row]:
    """The core with params and the center-line reward in Python: a turn of the environment, with
    features.
    """
    for car in ("v5", "v6"):
        for n in COUNTS:
            cars = DeepRacerVectorEnv(n, track=TRACK, reward="center_line", car=car)
            yield _timed(
                f"core, features, params, center-line reward, {car}", n, _turning(cars, car)
            )


def camera() -> Iterator[Row]:
    """A gray picture for every car (160 x 120) with params and the center-line reward: as `reward`,
    and whole steps.
    """
    for car in ("v5", "v6"):
        cars = DeepRacerVectorEnv(
            256, track=TRACK, reward="center_line", car=car, observation="camera"
        )
        cars.reset(seed=0)
        actions = _actions(256)
        yield _timed(f"vector env, camera, {car}", 256, lambda: cars.step(next(actions)))  # noqa: B023
        yield _timed(f"core, camera, params, center-line reward, {car}", 256, _turning(cars, car))


def envs() -> Iterator[Row]:
    """The gymnasium environments, with random actions, resets and infos."""
    for car in ("v5", "v6"):
        for n in COUNTS:
            cars = DeepRacerVectorEnv(n, track=TRACK, reward="center_line", car=car)
            cars.reset(seed=0)
            actions = _actions(n)
            yield _timed(f"vector env, {car}", n, lambda: cars.step(next(actions)))  # noqa: B023
    single = gymnasium.make("racer/DeepRacer-v0", track=TRACK, reward="center_line")
    actions = _actions(1)
    yield _timed("gymnasium.make single env, v6", 1, _episodes(single, lambda: next(actions)[0]))


def ppo() -> Iterator[Row]:
    """stable-baselines3 PPO end to end: simulation, Python reward, features, learning."""
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import VecNormalize

    from racer.training import CarsVecEnv, LearnerSettings

    usual = LearnerSettings()
    wide = usual.model_copy(
        update={"envs": 1024, "n_steps": 32, "batch_size": 16384, "n_epochs": 4}
    )
    for name, settings, threads in (
        ("default settings", usual, 1),
        ("wide settings", wide, 1),
        ("wide settings", wide, 2),
    ):
        torch.set_num_threads(threads)
        cars = CarsVecEnv(
            DeepRacerVectorEnv(settings.envs, track=TRACK, reward="center_line", car="v6")
        )
        rollout = settings.envs * settings.n_steps
        model = PPO(
            "MlpPolicy",
            VecNormalize(cars, norm_obs=False, gamma=settings.gamma),
            n_steps=settings.n_steps,
            batch_size=settings.batch_size,
            n_epochs=settings.n_epochs,
            learning_rate=settings.lr,
            policy_kwargs={"net_arch": list(settings.net_arch), "activation_fn": torch.nn.ReLU},
            device="cpu",
            seed=0,
        )
        model.learn(rollout)
        rates = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            model.learn(4 * rollout, reset_num_timesteps=False, log_interval=10**9)
            rates.append(4 * rollout / (time.perf_counter() - began))
        note = (
            f"{settings.n_steps} steps, batch {settings.batch_size}, {settings.n_epochs} epochs, "
            f"{threads} thread, wall"
        )
        yield _row(f"PPO, {name}", settings.envs, rates, note)


def naive() -> Iterator[Row]:
    """One car, plain Python and shapely: a kinematic bicycle, the nearest waypoint, wheels in the
    road polygon.
    """
    track = load_track(TRACK)
    center, road = shapely.LinearRing(track.center), shapely.Polygon(track.outer, [track.inner])
    borders = shapely.LinearRing(track.inner), shapely.LinearRing(track.outer)
    shapely.prepare([center, road, *borders])
    x, y = track.center[0]
    state = [float(x), float(y), 0.0]

    def run() -> None:
        x, y, yaw = state
        yaw += 1.5 * math.tan(0.1) / 0.164 * STEP_S
        state[:] = [x + 1.5 * math.cos(yaw) * STEP_S, y + 1.5 * math.sin(yaw) * STEP_S, yaw]
        point = shapely.Point(x + FRONT_POINT_M * math.cos(yaw), y + FRONT_POINT_M * math.sin(yaw))
        s = center.project(point)
        foot = center.interpolate(s)
        point.distance(foot)
        for border in borders:
            border.interpolate(border.project(foot))
        c, n = math.cos(yaw), math.sin(yaw)
        for wx, wy in WHEEL_CENTERS_M:
            road.contains(shapely.Point(x + c * wx - n * wy, y + n * wx + c * wy))

    yield _timed("naive: kinematic car with shapely, no reward", 1, run)


def peers() -> Iterator[Row]:
    """Racing environments that install from PyPI, one core, random actions; CartPole tells how fast
    the machine is.
    """
    names = {
        "CartPole-v1": "gymnasium",
        "CarRacing-v3": "gymnasium[box2d]",
        "racetrack-v0": "highway-env",
    }
    try:
        import highway_env

        gymnasium.register_envs(highway_env)
    except ImportError:
        names.pop("racetrack-v0")
        print("highway-env is not installed: pip install '.[bench]'")
    for name, package in names.items():
        try:
            env = gymnasium.make(name)
        except gymnasium.error.DependencyNotInstalled:
            print(f"{package} is not installed: pip install '.[bench]'")
            continue
        yield _timed(f"peer: {name} ({package})", 1, _episodes(env))


def _driving(car: str, track: str, n: int, objects: str = "none") -> tuple[Simulation, Any]:
    """Cars all around the track at speed, and commands that keep them on it for a while."""
    field = Simulation(
        Scenario(
            load_track(track),
            car_preset(car),
            EVALUATION,
            obstacle_layout=read_obstacle_layout(objects),
        ),
        n,
        seed=0,
    )
    generator = np.random.default_rng(0)
    for _ in range(30):
        seen = car_features(field.state, field.scenario.packed_tracks)
        steer = np.clip(60.0 * seen[:, 16] + generator.normal(0.0, 3.0, n), -30.0, 30.0)
        command = np.column_stack([steer, np.full(n, 1.5)])
        field.step(command)
    return field, command


def _turning(cars: DeepRacerVectorEnv, car: str) -> Callable[[], Any]:
    """A turn of the environment with cars all around the track, from the same state again and
    again.
    """
    cars.simulation, command = _driving(car, TRACK, cars.num_envs)
    actions = np.column_stack([command[:, 0] / 30.0, np.full(cars.num_envs, -0.2)])
    state = cars.simulation.state.copy()

    def run() -> None:
        cars.simulation.state = state
        cars.advance(actions)

    return run


def _episodes(env: Any, action: Callable[[], Any] | None = None) -> Callable[[], None]:
    env.action_space.seed(0)
    env.reset(seed=0)
    chosen = action or env.action_space.sample

    def run() -> None:
        _, _, terminated, truncated, _ = env.step(chosen())
        if terminated or truncated:
            env.reset()

    return run


def _actions(n: int) -> Iterator[Any]:
    generator = np.random.default_rng(0)
    made = [generator.uniform(-0.3, 0.3, (n, 2)).astype(np.float32) for _ in range(64)]
    while True:
        yield from made


def _timed(what: str, n: int, run: Callable[[], Any], seconds: float = 0.4) -> Row:
    """Calls a second of CPU time, times `n` cars, after a warm-up that also sets how many calls
    make a repeat.
    """
    run()
    began, calls = time.process_time(), 0
    while time.process_time() - began < seconds / 4:
        run()
        calls += 1
    calls = max(1, 4 * calls)
    rates = []
    for _ in range(REPEATS):
        began = time.process_time()
        for _ in range(calls):
            run()
        rates.append(calls * n / (time.process_time() - began))
    return _row(what, n, rates)


def _row(what: str, n: int, rates: list[float], note: str = "") -> Row:
    return Row(what, n, statistics.median(rates), min(rates), max(rates), note)


def _line(row: Row) -> str:
    note = f"  {row.note}" if row.note else ""
    return f"{row.what:52}{row.cars:>6}{row.rate:>14,.0f} /s  ({row.least:,.0f} to {row.most:,.0f}){note}"


if __name__ == "__main__":
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    warnings.filterwarnings("ignore")
    assert racer.env
    main()
