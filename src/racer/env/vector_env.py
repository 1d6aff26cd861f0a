"""The environment of N cars, and what a reward function pays for their steps."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from racer.env.rendering import RENDER_FPS, RENDER_MODES, Renderer
from racer.errors import UsageError
from racer.reward import REWARD_TIMEOUT_S, RewardBatch, RewardRefused, load_reward
from racer.sensors import Observation, Sensors, SensorSpec, parse_observations
from racer.sim import (
    EVALUATION,
    ROUND_ROBIN,
    START_LINE,
    STATUS_WORDS,
    TRAINING,
    Obstacles,
    ObstacleSource,
    Params,
    Phase,
    Rules,
    Scenario,
    Simulation,
    Starts,
    State,
    build_params,
    copy_params,
    read_noise,
    read_obstacle_layout,
    tally_rows,
    trace_columns,
)
from racer.track import DEFAULT_TRACK, Track, load_track, world_of_direction
from racer.vehicle import (
    CAR_VERSIONS,
    DEFAULT_CAR,
    DEFAULT_VERSION,
    PUT_BACK_RULES,
    ActionSpace,
    Car,
    Metadata,
    car_preset,
    read_metadata,
)

Rewards = NDArray[np.float64]

RUN = int(Phase.RUN)
STEREO_SENSOR = "STEREO_CAMERAS"

CHUNK_CARS = 96
"""Cars whose params exist at a time: more would not stay in the processor's cache."""

Path = str | PathLike[str]
Flags = NDArray[np.bool_]


class PlainReward:
    """A plain function as a reward for every car, with the interface of `RewardBatch`."""

    def __init__(self, function: Callable[[Params], float]) -> None:
        self._function = function

    def __call__(self, params: list[Any], cars: Sequence[int] | None = None) -> Rewards:
        return np.array([float(self._function(one_car)) for one_car in params])


def pay_cars(
    reward: RewardBatch | PlainReward,
    rows: State,
    tracks: Sequence[Track],
    obstacles: Obstacles,
    with_params: bool,
    all_drive: bool,
    has_stereo: bool = False,
) -> tuple[list[Params], Rewards]:
    """Params of all `rows` (N,), untouched by the reward function, if `with_params`; and the rewards
    (N,) that it pays for them.

    Prepare and pause steps pay nothing; `all_drive` says that there are none of these. Cars that
    have two cameras, `has_stereo`, look for objects with both.

    The garbage collector is held off meanwhile: it would walk the young dicts again and again, at
    several times the cost of making them, and they hold no cycles.
    """
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        if len(rows) <= CHUNK_CARS:
            params = build_params(rows, tracks, obstacles, has_stereo)
            given = [copy_params(one_car) for one_car in params] if with_params else params
            return params, _pay_chunk(reward, rows, given, None, all_drive)
        every_params: list[Params] = []
        rewards = []
        for first in range(0, len(rows), CHUNK_CARS):
            chunk = slice(first, first + CHUNK_CARS)
            params = build_params(rows[chunk], tracks, obstacles[chunk], has_stereo)
            given = [copy_params(one_car) for one_car in params] if with_params else params
            rewards.append(_pay_chunk(reward, rows[chunk], given, first, all_drive))
            if with_params:
                every_params += params
            # before the next ones are made: there is room in the cache for so many
            del params, given
        return every_params, np.concatenate(rewards)
    finally:
        if is_collecting:
            gc.enable()


def _pay_chunk(
    reward: RewardBatch | PlainReward,
    rows: State,
    params: list[Any],
    first: int | None,
    all_drive: bool,
) -> Rewards:
    """Rewards of the cars from number `first` on; None stands for all cars."""
    if all_drive:
        return reward(params, None if first is None else range(first, first + len(rows)))
    driving = np.flatnonzero(rows["phase"] == RUN).tolist()
    rewards = np.zeros(len(rows))
    if driving:
        numbers = [(first or 0) + k for k in driving]
        rewards[driving] = reward([params[k] for k in driving], numbers)
    return rewards


class StepResult(NamedTuple):
    """What one step of N cars brought."""

    rows: State  # (N,) as judged: pose before the action, status, done
    params: list[Params]  # N dicts as the reward function was given them; empty unless asked for
    reward: Rewards  # (N,)
    observation: Observation  # after the action; None unless asked for
    terminated: Flags  # (N,) by the rules
    truncated: Flags  # (N,) by the step limit


class DeepRacerVectorEnv(gymnasium.vector.VectorEnv[Observation, NDArray[Any], NDArray[Any]]):
    """N DeepRacers, each alone on the track, paid by one reward function.

    Every argument but `num_envs` may be a name or a path: `track` (a track's name, .toml or .npy
    file), `reward` (the name of a shipped reward function, a file with `reward_function(params)`,
    or a function), `action_space` (a model_metadata.json; by default continuous over the car's
    known range), `car` (v4, v5 or v6; by default what the metadata's version says, else v6),
    `noise` (none, jitter or robust), `objects` (boxes, random_boxes, bots, or a .toml file or
    mapping of the words of `racer.sim.obstacle_layout.ObstacleLayout`), `look` (none, simulator or
    strong: how the pictures of cameras vary). `reverse` drives the track the other way, `clockwise`
    takes the `_cw` or `_ccw` world of that name instead, as TRACK_DIRECTION_CLOCKWISE does;
    `evaluation` races continuous laps with penalties from the start line instead of training
    episodes from everywhere. `rules` may say `put_back`, too: "before" or "own", where the car's
    version does not say it (`racer.vehicle.car.PUT_BACK_RULES`). Raises UsageError with a sentence
    for what is wrong.

    With `stale_start` the first observation of an episode is the last one of the episode before, as
    the simulator's reset returns what it saw before it moved the car. It decides nothing: the first
    step is the prepare step.

    Actions are indices of a discrete space, or points in [-1, 1] x [-1, 1] (steering, speed). A car
    whose episode is over is started again within the same step.

    `info` of `reset` is empty, that of `step` holds

    =================  ========================  =================================================
    key                type                      what
    =================  ========================  =================================================
    `reward_params`    list of N dicts           the params that the reward function was given
                                                 (`racer.sim.params.Params`)
    `episode_status`   list of N str             the simulator's word for the step: `prepare`,
                                                 `in_progress`, `lap_complete`, `off_track`,
                                                 `crashed`, `immobilized`, `reversed`, `time_up`
                                                 or `pause`
    `lap_time`         (N,) float64              s, on steps that complete a lap; else nan
    `trace`            dict of columns (N,)      the steps' rows of the simulator's log: its first
                                                 18 columns by name, in their units
    `final_obs`        (N,) object               what each car whose episode is over perceived
                                                 last, None for the others; only in steps in
                                                 which an episode ended
    `_final_obs`       (N,) bool                 whose episode is over; beside `final_obs`
    =================  ========================  =================================================

    `render_mode="rgb_array"` has `render()` return a picture of each car, (480, 800, 3) uint8;
    `"human"` shows that of the first one in a window after every step, where there is a display.

    >>> import numpy as np
    >>> from racer import DeepRacerVectorEnv
    >>> cars = DeepRacerVectorEnv(4, track="oval", objects="random_boxes")
    >>> observations, info = cars.reset(seed=0)
    >>> observations, rewards, terminated, truncated, info = cars.step(np.zeros((4, 2)))
    >>> observations.shape, rewards.tolist(), info["episode_status"][0]
    ((4, 27), [0.0, 0.0, 0.0, 0.0], 'prepare')
    """

    metadata = {  # noqa: RUF012 - gymnasium's contract
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
    }

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
        objects: ObstacleSource = None,
        look: str = "none",
        reverse: bool = False,
        clockwise: bool | None = None,
        evaluation: bool = False,
        rules: Rules | Mapping[str, Any] | None = None,
        starts: Starts | Mapping[str, Any] | None = None,
        reward_timeout: float = REWARD_TIMEOUT_S,
        last_words: Callable[[RewardRefused], None] | None = None,
        stale_start: bool = False,
        render_mode: str | None = None,
    ) -> None:
        metadata = _read_metadata(action_space, car)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.car = car if isinstance(car, Car) else car_preset(car or metadata.car)
        if isinstance(rules, Mapping) and "put_back" in rules:
            self.car = _put_back_by(self.car, rules["put_back"])
            rules = {name: rule for name, rule in rules.items() if name != "put_back"}
        self.actions = metadata.action_space
        track = _read_track(track, clockwise)
        self.scenario = Scenario(
            track=track.reversed() if reverse else track,
            car=self.car,
            rules=_read_rules(rules, evaluation),
            starts=_read_starts(starts, evaluation),
            noise=read_noise(noise),
            obstacle_layout=read_obstacle_layout(objects),
        )
        self.reward: RewardBatch | PlainReward
        if callable(reward):
            self.reward = PlainReward(reward)
        else:
            function = load_reward(reward)
            self.reward = RewardBatch(
                function, num_envs, timeout=reward_timeout, last_words=last_words
            )
        names = parse_observations(observation, metadata.sensor)
        self.sensors = Sensors(names, self.scenario, num_envs, metadata.lidar_config, look)
        self.has_stereo = STEREO_SENSOR in metadata.sensor or "stereo" in self.sensors.specs
        self._stale_start = stale_start
        self._stale: dict[int, Observation] = {}
        self.single_observation_space = _observation_space(self.sensors.specs)
        self.single_action_space = _action_space(self.actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.simulation = Simulation(self.scenario, num_envs)
        self.renderer: Renderer | None = None
        if render_mode is not None:
            self.renderer = Renderer(self.scenario, render_mode)

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Observation, Rewards, Flags, Flags, dict[str, Any]]:
        """gymnasium's step, with same-step autoreset: observations, rewards, terminated, truncated,
        info.
        """
        step = self.advance(actions, with_params=True, with_observation=False)
        info = {
            "reward_params": step.params,
            "episode_status": STATUS_WORDS[step.rows["status"]].tolist(),
            "lap_time": step.rows["lap_time"].copy(),
            "trace": self.trace(step, actions),
        }
        is_over = step.terminated | step.truncated
        if is_over.any():
            final = np.full(self.num_envs, None, dtype=object)
            for car, observation in self.last_seen(is_over).items():
                final[car] = observation
            info["final_obs"] = final
            info["_final_obs"] = is_over
            self.restart(is_over)
        observations = self.observe(fresh=True)
        if self.renderer is not None:
            self.renderer.record(self.simulation, step.reward)
        return observations, step.reward, step.terminated, step.truncated, info

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
            self._stale = {}
        elif options is not None and options.get("reset_mask") is not None:
            self.restart(np.asarray(options["reset_mask"], dtype=np.bool_))
        else:
            self.restart(np.ones(self.num_envs, dtype=np.bool_))
        observations = self.observe(fresh=True)
        if self.renderer is not None:
            self.renderer.record(self.simulation, None)
        return observations, {}

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """A picture of each car in `rgb_array` mode, (480, 800, 3) uint8; else None."""
        if self.renderer is None or self.render_mode != "rgb_array":
            return None
        return tuple(self.renderer.frame(self.simulation, car) for car in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Close the window, where there is one."""
        if self.renderer is not None:
            self.renderer.close()

    def advance(
        self, actions: NDArray[Any], with_params: bool = False, with_observation: bool = True
    ) -> StepResult:
        """One step of all cars, without starting again those whose episode is over.

        The result has their params where `with_params`, and what they perceive after it where
        `with_observation`.
        """
        obstacles = self.simulation.obstacles
        rows = self.simulation.step(self.actions.command_deg(actions))
        step_limit = self.scenario.rules.step_limit
        driving, late = tally_rows(rows, step_limit)
        params, reward = pay_cars(
            self.reward,
            rows,
            self.scenario.tracks,
            obstacles,
            with_params,
            all_drive=driving == len(rows),
            has_stereo=self.has_stereo,
        )
        if late:
            truncated = (rows["steps"] >= step_limit) & ~rows["done"]
        else:
            truncated = np.zeros(len(rows), dtype=np.bool_)
        observation = self.observe() if with_observation else None
        return StepResult(rows, params, reward, observation, rows["done"], truncated)

    def observe(self, cars: NDArray[np.int64] | None = None, fresh: bool = False) -> Observation:
        """What the cars perceive now, or those of them that `cars` (k,) names by index.

        Pictures of all cars are written into two buffers in turn: they hold until the observation
        after the next, or for good where they are to be `fresh`.
        """
        if cars is None:
            observation = self.sensors.observe(self.simulation, fresh)
        else:
            observation = self.sensors.observe_some(self.simulation, cars)
        if self._stale:
            self._show_stale(observation, cars)
        return observation

    def _show_stale(self, observation: Observation, cars: NDArray[np.int64] | None) -> None:
        """Write what was seen before the reset over what the cars see that have made no step."""
        steps = self.simulation.state["steps"]
        shown = range(self.num_envs) if cars is None else cars.tolist()
        for row, car in enumerate(shown):
            if car not in self._stale or steps[car] > 0:
                continue
            if isinstance(observation, dict):
                for name, part in self._stale[car].items():
                    observation[name][row] = part
            else:
                observation[row] = self._stale[car]

    def last_seen(self, is_over: Flags) -> dict[int, Observation]:
        """What each of the cars where `is_over` (N,) holds perceives now, by its index; the others
        do not look.
        """
        cars = np.flatnonzero(is_over)
        observations = split_observation(self.observe(cars), len(cars))
        return dict(zip(cars.tolist(), observations, strict=True))

    def restart(self, is_restarted: Flags) -> None:
        """Begin the next episode of the cars where `is_restarted` (N,) holds."""
        if self._stale_start:
            self._stale |= self.last_seen(is_restarted)
        self.simulation.restart(np.flatnonzero(is_restarted))

    def trace(self, step: StepResult, actions: NDArray[Any]) -> dict[str, Any]:
        """Columns of the simulator's log for a step (see `racer.sim.state.trace_columns`)."""
        if self.actions.is_continuous:
            numbers = np.full(self.num_envs, -1)
        else:
            numbers = np.asarray(actions)
        return trace_columns(step.rows, numbers, step.reward, self.scenario.tracks)


def split_observation(observation: Observation, n: int) -> list[Observation]:
    """The observations of `n` cars one by one."""
    if isinstance(observation, dict):
        return [{name: part[k] for name, part in observation.items()} for k in range(n)]
    return list(observation)


def _read_metadata(
    action_space: Path | ActionSpace | Metadata | None, car: str | Car | None
) -> Metadata:
    """Metadata from the arguments: with one camera where only the actions are given, with all
    commands that the car knows where these are not.
    """
    if isinstance(action_space, str | PathLike):
        return read_metadata(action_space)
    if isinstance(action_space, Metadata):
        return action_space
    if not isinstance(car, Car):
        car = car_preset(car or DEFAULT_CAR)
    return Metadata(
        action_space=action_space or ActionSpace.default(car),
        version=CAR_VERSIONS.get(car.name, DEFAULT_VERSION),
    )


def _read_track(track: Path | Track, clockwise: bool | None) -> Track:
    if isinstance(track, Track):
        if clockwise is not None:
            raise UsageError("clockwise is about the world of a name, not about a track as it is")
        return track
    return load_track(track if clockwise is None else world_of_direction(track, clockwise))


def _put_back_by(car: Car, rule: str) -> Car:
    if rule not in PUT_BACK_RULES:
        raise UsageError(f"put_back is one of {', '.join(PUT_BACK_RULES)}, not {rule!r}")
    return replace(car, put_back=rule)


def _read_rules(rules: Rules | Mapping[str, float] | None, evaluation: bool) -> Rules:
    if isinstance(rules, Rules):
        return rules
    changes: Any = rules or {}
    usual = EVALUATION if evaluation else TRAINING
    return usual._replace(**changes)


def _read_starts(starts: Starts | Mapping[str, Any] | None, evaluation: bool) -> Starts:
    if isinstance(starts, Starts):
        return starts
    if starts:
        return Starts(**starts)
    return START_LINE if evaluation else ROUND_ROBIN


def _observation_space(specs: Mapping[str, SensorSpec]) -> gymnasium.Space[Any]:
    """The space of what one car perceives."""
    spaces: dict[str, gymnasium.Space[Any]] = {
        name: gymnasium.spaces.Box(spec.low, spec.high, spec.shape, spec.dtype)
        for name, spec in specs.items()
    }
    if len(spaces) == 1:
        return spaces.popitem()[1]
    return gymnasium.spaces.Dict(spaces)


def _action_space(actions: ActionSpace) -> gymnasium.Space[Any]:
    if actions.is_continuous:
        return gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    return gymnasium.spaces.Discrete(actions.size)
