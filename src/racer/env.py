"""The simulator as gymnasium environments: a vector environment, and its single face.

`import racer.env` registers `racer/DeepRacer-v0`. Both have the simulator's order of things: an
episode's first step is the prepare step, in which the car is held and nothing is paid; the step in
which a car is found off the track is its last.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from racer.reward import RewardBatch, RewardRefused, load_reward
from racer.sensors.observation import Observation, Sensors, SensorSpec, parse_observations
from racer.sim.noise import read_noise as noise_of
from racer.sim.obstacle_layout import ObstacleSource as ObjectsTold
from racer.sim.obstacle_layout import read_obstacle_layout
from racer.sim.obstacles import Obstacles
from racer.sim.params import Params, build_params, copy_params
from racer.sim.simulation import ROUND_ROBIN, START_LINE, Scenario, Simulation, Starts
from racer.sim.state import (
    EVALUATION,
    TRAINING,
    Phase,
    Rules,
    State,
    Status,
    trace_columns,
    trace_row,
)
from racer.sim.step import tally_rows
from racer.track.library import DEFAULT_TRACK, load_track
from racer.track.track import Track
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import DEFAULT_CAR, Car, car_preset
from racer.vehicle.metadata import DEFAULT_CAMERA, DEFAULT_LIDAR_CONFIG, Metadata, read_metadata

Path = str | PathLike[str]
RUN = int(Phase.RUN)
CHUNK_CARS = 96  # cars whose params exist at a time: more would not stay in the processor's cache


class StepResult(NamedTuple):
    """What one step of N cars brought."""

    rows: State  # (N,) as judged: pose before the action, status, done
    params: list[Params]  # what the reward function is told; empty unless asked for
    reward: NDArray[np.float64]  # (N,)
    observation: Observation  # after the action; None unless asked for
    terminated: NDArray[np.bool_]  # (N,) by the rules
    truncated: NDArray[np.bool_]  # (N,) by the step limit


class DeepRacerVectorEnv(gymnasium.vector.VectorEnv[Observation, NDArray[Any], NDArray[Any]]):
    """N DeepRacers, each alone on the track, priced by one reward function.

    Every argument but `num_envs` may be a name or a path: `track` (a track's name, .toml or .npy
    file), `reward` (the name of a shipped reward function, a file with `reward_function(params)`,
    or a function), `action_space` (a model_metadata.json; by default continuous over the car's
    known range), `car` (v4, v5 or v6; by default what the metadata's version says, else v6),
    `noise` (none, jitter or robust), `objects` (boxes, random_boxes, bots, or a .toml file or
    mapping of the words of `racer.sim.obstacle_layout.ObstacleLayout`). `reverse` drives the track the
    other way, `evaluation` races continuous laps with penalties from the start line instead of
    training episodes from everywhere.

    Actions are indices of a discrete space, or points in [-1, 1] x [-1, 1] (steering, speed). A car
    whose episode is over is started again within the same step; `info["final_obs"]` holds what it
    saw last.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012 - gymnasium's contract

    def __init__(
        self,
        num_envs: int = 1,
        *,
        track: Path | Track = DEFAULT_TRACK,
        reward: Path | Callable[[Params], float] = "center_line",
        action_space: Path | ActionSpace | Metadata | None = None,
        observation: str | Sequence[str] = "features",
        car: str | Car | None = None,
        noise: str | Mapping[str, float] = "none",
        objects: ObjectsTold = None,
        look: str = "none",
        reverse: bool = False,
        evaluation: bool = False,
        rules: Rules | Mapping[str, float] | None = None,
        starts: Starts | Mapping[str, Any] | None = None,
        reward_timeout: float = 5.0,
        last_words: Callable[[RewardRefused], None] | None = None,
    ) -> None:
        metadata = (
            read_metadata(action_space)
            if isinstance(action_space, str | PathLike)
            else action_space
        )
        self.car = (
            car
            if isinstance(car, Car)
            else car_preset(
                car or (metadata.car if isinstance(metadata, Metadata) else DEFAULT_CAR)
            )
        )
        found = metadata.action_space if isinstance(metadata, Metadata) else metadata
        self.actions: ActionSpace = found or ActionSpace.default(self.car)
        road = track if isinstance(track, Track) else load_track(track)
        self.scenario = Scenario(
            track=road.reversed() if reverse else road,
            car=self.car,
            rules=_rules(rules, EVALUATION if evaluation else TRAINING),
            starts=starts
            if isinstance(starts, Starts)
            else Starts(**starts)
            if starts
            else _starts(evaluation),
            noise=noise_of(noise),
            obstacle_layout=read_obstacle_layout(objects),
        )
        self.reward: RewardBatch | _Priced = (
            _Priced(reward)
            if callable(reward)
            else RewardBatch(
                load_reward(reward), num_envs, timeout=reward_timeout, last_words=last_words
            )
        )
        self.num_envs, self.render_mode = num_envs, None
        worn = (
            (metadata.sensor, metadata.lidar_config)
            if isinstance(metadata, Metadata)
            else ((DEFAULT_CAMERA,), DEFAULT_LIDAR_CONFIG)
        )
        self.sensors = Sensors(
            parse_observations(observation, worn[0]), self.scenario, num_envs, worn[1], look
        )
        self.single_observation_space = _observations(self.sensors.specs)
        self.single_action_space = _space(self.actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.simulation = Simulation(self.scenario, num_envs)

    def advance(
        self, actions: NDArray[Any], with_params: bool = False, with_observation: bool = True
    ) -> StepResult:
        """One step of all cars, without starting again those whose episode is over.

        The result has their params where `with_params`, and what they perceive after it where
        `with_observation`.
        """
        bodies = self.simulation.obstacles
        rows = self.simulation.step(self.actions.command_deg(actions))
        driving, late = tally_rows(rows, self.scenario.rules.step_limit)
        told, reward = self._price(rows, bodies, with_params, driving == len(rows))
        truncated = np.zeros(len(rows), dtype=np.bool_)
        if late:
            truncated = (rows["steps"] >= self.scenario.rules.step_limit) & ~rows["done"]
        return StepResult(
            rows,
            told,
            reward,
            self.observe() if with_observation else None,
            rows["done"],
            truncated,
        )

    def observe(self, cars: NDArray[np.int64] | None = None) -> Observation:
        """What the cars perceive now, or those of them that `cars` (k,) names by index.

        Pictures of all cars are written into two buffers in turn: they hold until the observation
        after the next.
        """
        return (
            self.sensors.observe(self.simulation)
            if cars is None
            else self.sensors.observe_some(self.simulation, cars)
        )

    def restart(self, cars: NDArray[np.bool_]) -> None:
        """Begin the next episode of the cars where `cars` (N,) holds."""
        self.simulation.restart(np.flatnonzero(cars))

    def trace(self, turn: StepResult, actions: NDArray[Any]) -> dict[str, Any]:
        """Columns of the simulator's log for a turn (see `racer.sim.state`)."""
        index = np.full(self.num_envs, -1) if self.actions.is_continuous else np.asarray(actions)
        return trace_columns(turn.rows, index, turn.reward, self.scenario.tracks)

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[
        Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:
        """gymnasium's step, with same-step autoreset. `info` holds arrays and lists over all cars."""
        turn = self.advance(actions, with_params=True, with_observation=False)
        info = self._info(turn, actions)
        over = turn.terminated | turn.truncated
        if over.any():
            final = np.full(self.num_envs, None, dtype=object)
            for k, last in self.last_seen(over).items():
                final[k] = last
            info |= {"final_obs": final, "_final_obs": over}
            self.restart(over)
        return (
            self.sensors.observe(self.simulation, fresh=True),
            turn.reward,
            turn.terminated,
            turn.truncated,
            info,
        )

    def last_seen(self, over: NDArray[np.bool_]) -> dict[int, Observation]:
        """What each of the cars where `over` (N,) holds perceives now, by its index; the others
        look not.
        """
        cars = np.flatnonzero(over)
        return dict(zip(cars.tolist(), _each(self.observe(cars), len(cars)), strict=True))

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin the next episode of every car (of those in `options["reset_mask"]`); with a seed,
        the first one.
        """
        if seed is not None:
            first = seed if isinstance(seed, int) else seed[0]
            self.simulation = Simulation(self.scenario, self.num_envs, first)
            self.sensors.reset(first or 0)
        else:
            mask = (options or {}).get("reset_mask")
            self.restart(
                np.ones(self.num_envs, dtype=np.bool_)
                if mask is None
                else np.asarray(mask, dtype=np.bool_)
            )
        return self.sensors.observe(self.simulation, fresh=True), {}

    def _price(
        self, rows: State, bodies: Obstacles, tell: bool, all_drive: bool
    ) -> tuple[list[Params], NDArray[np.float64]]:
        """Params of all rows, if `tell`, untouched by the reward function; and the rewards (N,)
        that it pays for them.

        Prepare and pause steps pay nothing. The garbage collector is held off meanwhile: it would
        walk the young dicts again and again, at several times the cost of making them, and they
        hold no cycles.
        """
        collecting = gc.isenabled()
        gc.disable()
        try:
            if len(rows) <= CHUNK_CARS:
                told = build_params(rows, self.scenario.tracks, bodies)
                return told, self._pay(
                    rows, [copy_params(p) for p in told] if tell else told, 0, all_drive
                )
            told, rewards = [], []
            for first in range(0, len(rows), CHUNK_CARS):
                some = rows[first : first + CHUNK_CARS]
                part = build_params(some, self.scenario.tracks, bodies[first : first + CHUNK_CARS])
                rewards.append(
                    self._pay(
                        some, [copy_params(p) for p in part] if tell else part, first, all_drive
                    )
                )
                if tell:
                    told += part
                del part  # before the next ones are made: there is room for so many
            return told, np.concatenate(rewards)
        finally:
            if collecting:
                gc.enable()

    def _pay(
        self, rows: State, handed: list[Any], first: int, all_drive: bool
    ) -> NDArray[np.float64]:
        """Rewards of some of the cars, from the `first` on."""
        if all_drive:
            return self.reward(
                handed, range(first, first + len(rows)) if len(rows) < self.num_envs else None
            )
        driving, reward = np.flatnonzero(rows["phase"] == RUN).tolist(), np.zeros(len(rows))
        if driving:
            reward[driving] = self.reward(
                [handed[k] for k in driving], [first + k for k in driving]
            )
        return reward

    def _info(self, turn: StepResult, actions: NDArray[Any]) -> dict[str, Any]:
        return {
            "reward_params": turn.params,
            "episode_status": [Status(status).word for status in turn.rows["status"].tolist()],
            "lap_time": turn.rows["lap_time"].copy(),
            "trace": self.trace(turn, actions),
        }


class DeepRacerEnv(gymnasium.Env[Observation, Any]):
    """One DeepRacer: `DeepRacerVectorEnv` with a single car. The arguments are the same, but for
    `num_envs`.

    `info` holds the `reward_params` that the reward function was given, the `episode_status` in the
    simulator's words, the `lap_time` in s (None until the step that completes a lap) and the
    `trace` row as in the simulator's log.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium's contract

    def __init__(self, **arguments: Any) -> None:
        self.cars = DeepRacerVectorEnv(1, **arguments)
        self.observation_space = self.cars.single_observation_space
        self.action_space = self.cars.single_action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin the next episode; with a seed, the first one."""
        super().reset(seed=seed)
        observation, info = self.cars.reset(seed=seed)
        return _each(observation, 1)[0], info

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """gymnasium's step."""
        actions = np.asarray(action)[None]
        turn = self.cars.advance(actions, with_params=True, with_observation=False)
        told, reward = turn.params[0], float(turn.reward[0])
        logged = trace_row(
            turn.rows, told, -1 if self.cars.actions.is_continuous else int(action), reward
        )
        info = {
            "reward_params": told,
            "episode_status": logged["episode_status"],
            "lap_time": _or_none(turn.rows["lap_time"].item()),
            "trace": logged,
        }
        return (
            _each(self.cars.sensors.observe(self.cars.simulation, fresh=True), 1)[0],
            reward,
            logged["done"],
            bool(turn.truncated[0]),
            info,
        )


def _each(observation: Observation, n: int) -> list[Observation]:
    """The observations of `n` cars one by one."""
    if isinstance(observation, dict):
        return [{name: part[k] for name, part in observation.items()} for k in range(n)]
    return list(observation)


def _observations(senses: Mapping[str, SensorSpec]) -> gymnasium.Space[Any]:
    """The space of what one car perceives."""
    boxes: dict[str, gymnasium.Space[Any]] = {
        name: gymnasium.spaces.Box(one.low, one.high, one.shape, one.dtype)
        for name, one in senses.items()
    }
    return gymnasium.spaces.Dict(boxes) if len(boxes) > 1 else boxes.popitem()[1]


def _or_none(value: float) -> float | None:
    """None for nan, which is unequal to itself: gymnasium's checker compares the info of two equal
    steps.
    """
    return None if value != value else value


class _Priced:
    """A plain function as a reward for every car."""

    def __init__(self, function: Callable[[Params], float]) -> None:
        self._function = function

    def __call__(self, told: list[Any], cars: Sequence[int] | None = None) -> NDArray[np.float64]:
        return np.array([float(self._function(p)) for p in told])


def _space(actions: ActionSpace) -> gymnasium.Space[Any]:
    if actions.is_continuous:
        return gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    return gymnasium.spaces.Discrete(actions.size)


def _rules(rules: Rules | Mapping[str, float] | None, default: Rules) -> Rules:
    changes: Any = rules or {}
    return rules if isinstance(rules, Rules) else default._replace(**changes)


def _starts(evaluation: bool) -> Starts:
    return START_LINE if evaluation else ROUND_ROBIN


if "racer/DeepRacer-v0" not in gymnasium.registry:
    gymnasium.register(
        "racer/DeepRacer-v0",
        entry_point="racer.env:DeepRacerEnv",
        vector_entry_point="racer.env:DeepRacerVectorEnv",
    )
