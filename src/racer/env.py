"""The simulator as gymnasium environments: a vector environment, and its single face.

`import racer.env` registers `racer/DeepRacer-v0`. Both have the simulator's order of things: an episode's first step
is the prepare step, in which the car is held and nothing is paid; the step in which a car is found off the track is
its last.
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

from racer.actions import ActionSpace, Metadata, read_metadata
from racer.car import Car, preset
from racer.errors import UsageError, did_you_mean
from racer.params import Params, copied, params
from racer.reward import RewardBatch, RewardRefused, load
from racer.sensors.features import NAMES, features
from racer.sim.course import Told as ObjectsTold
from racer.sim.course import course
from racer.sim.noise import noise as noise_of
from racer.sim.objects import Bodies
from racer.sim.race import ROUND_ROBIN, START_LINE, Field, Race, Starts
from racer.sim.rules import EVALUATION, TRAINING, Rules
from racer.sim.state import Phase, State, Status
from racer.sim.step import tally
from racer.sim.trace import trace, trace_row
from racer.track.library import load as load_track
from racer.track.record import Track

Path = str | PathLike[str]
RUN = int(Phase.RUN)
HANDED = 128  # cars whose params exist at a time: more would not stay in the processor's cache
OBSERVATIONS = ("features",)  # sensors are to follow


class Turn(NamedTuple):
    """What one step of N cars brought."""

    rows: State  # (N,) as judged: pose before the action, status, done
    params: list[Params]  # what the reward function is told; empty unless asked for
    reward: NDArray[np.float64]  # (N,)
    observation: NDArray[np.float32]  # (N, F) after the action
    terminated: NDArray[np.bool_]  # (N,) by the rules
    truncated: NDArray[np.bool_]  # (N,) by the step limit


class DeepRacerVectorEnv(gymnasium.vector.VectorEnv[NDArray[np.float32], NDArray[Any], NDArray[Any]]):
    """N DeepRacers, each alone on the track, priced by one reward function.

    Every argument but `num_envs` may be a name or a path: `track` (a track's name, .toml or .npy file), `reward` (the
    name of a shipped reward function, a file with `reward_function(params)`, or a function), `action_space` (a
    model_metadata.json; by default continuous over the car's known range), `car` (v4, v5 or v6; by default what the
    metadata's version says, else v6), `noise` (none, jitter or robust), `objects` (boxes, random_boxes, bots, or a
    .toml file or mapping of the words of `racer.sim.course.Course`). `reverse` drives the track the other way,
    `evaluation` races continuous laps with penalties from the start line instead of training episodes from
    everywhere.

    Actions are indices of a discrete space, or points in [-1, 1] x [-1, 1] (steering, speed). A car whose episode is
    over is started again within the same step; `info["final_obs"]` holds what it saw last.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012 - gymnasium's contract

    def __init__(
        self,
        num_envs: int = 1,
        *,
        track: Path | Track = "reinvent_2018",
        reward: Path | Callable[[Params], float] = "center_line",
        action_space: Path | ActionSpace | Metadata | None = None,
        observation: str = "features",
        car: str | Car | None = None,
        noise: str | Mapping[str, float] = "none",
        objects: ObjectsTold = None,
        reverse: bool = False,
        evaluation: bool = False,
        rules: Rules | Mapping[str, float] | None = None,
        starts: Starts | Mapping[str, Any] | None = None,
        reward_timeout: float = 5.0,
        last_words: Callable[[RewardRefused], None] | None = None,
    ) -> None:
        if observation not in OBSERVATIONS:
            raise UsageError(
                f"unknown observation {observation!r}{did_you_mean(observation, list(OBSERVATIONS))} (features)"
            )
        metadata = read_metadata(action_space) if isinstance(action_space, str | PathLike) else action_space
        self.car = (
            car if isinstance(car, Car) else preset(car or (metadata.car if isinstance(metadata, Metadata) else "v6"))
        )
        found = metadata.action_space if isinstance(metadata, Metadata) else metadata
        self.actions: ActionSpace = found or ActionSpace.default(self.car)
        road = track if isinstance(track, Track) else load_track(track)
        self.race = Race(
            track=road.reversed() if reverse else road,
            car=self.car,
            rules=_rules(rules, EVALUATION if evaluation else TRAINING),
            starts=starts if isinstance(starts, Starts) else Starts(**starts) if starts else _starts(evaluation),
            noise=noise_of(noise),
            course=course(objects),
        )
        self.reward: RewardBatch | _Priced = (
            _Priced(reward)
            if callable(reward)
            else RewardBatch(load(reward), num_envs, timeout=reward_timeout, last_words=last_words)
        )
        self.num_envs, self.render_mode = num_envs, None
        self.single_observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (len(NAMES),), np.float32)
        self.single_action_space = _space(self.actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.field = Field(self.race, num_envs)

    def turn(self, actions: NDArray[Any], tell: bool = False) -> Turn:
        """One step of all cars, without starting again those whose episode is over; with their params if `tell`."""
        bodies = self.field.bodies
        rows = self.field.step(self.actions.command_deg(actions))
        driving, late = tally(rows, self.race.rules.step_limit)
        told, reward = self._price(rows, bodies, tell, driving == len(rows))
        truncated = np.zeros(len(rows), dtype=np.bool_)
        if late:
            truncated = (rows["steps"] >= self.race.rules.step_limit) & ~rows["done"]
        return Turn(rows, told, reward, self.observe(), rows["done"], truncated)

    def observe(self) -> NDArray[np.float32]:
        """(N, F) what the cars perceive now."""
        return features(self.field.state, self.race.roads)

    def restart(self, cars: NDArray[np.bool_]) -> None:
        """Begin the next episode of the cars where `cars` (N,) holds."""
        self.field.restart(np.flatnonzero(cars))

    def trace(self, turn: Turn, actions: NDArray[Any]) -> dict[str, Any]:
        """Columns of the simulator's log for a turn (see `racer.sim.trace`)."""
        index = np.full(self.num_envs, -1) if self.actions.is_continuous else np.asarray(actions)
        return trace(turn.rows, index, turn.reward, self.race.tracks)

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """gymnasium's step, with same-step autoreset. `info` holds arrays and lists over all cars."""
        turn = self.turn(actions, tell=True)
        info = self._info(turn, actions)
        over = turn.terminated | turn.truncated
        observation = turn.observation
        if over.any():
            final = np.full(self.num_envs, None, dtype=object)
            for k in np.flatnonzero(over):
                final[k] = observation[k].copy()
            info |= {"final_obs": final, "_final_obs": over}
            self.restart(over)
            observation = np.where(over[:, None], self.observe(), observation)
        return observation, turn.reward, turn.terminated, turn.truncated, info

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin the next episode of every car (of those in `options["reset_mask"]`); with a seed, the first one."""
        if seed is not None:
            self.field = Field(self.race, self.num_envs, seed if isinstance(seed, int) else seed[0])
        else:
            mask = (options or {}).get("reset_mask")
            self.restart(np.ones(self.num_envs, dtype=np.bool_) if mask is None else np.asarray(mask, dtype=np.bool_))
        return self.observe(), {}

    def _price(
        self, rows: State, bodies: Bodies, tell: bool, all_drive: bool
    ) -> tuple[list[Params], NDArray[np.float64]]:
        """Params of all rows, if `tell`, untouched by the reward function; and the rewards (N,) that it pays for them.

        Prepare and pause steps pay nothing. The garbage collector is held off meanwhile: it would walk the young dicts
        again and again, at several times the cost of making them, and they hold no cycles.
        """
        collecting = gc.isenabled()
        gc.disable()
        try:
            if len(rows) <= HANDED:
                told = params(rows, self.race.tracks, bodies)
                return told, self._pay(rows, [copied(p) for p in told] if tell else told, 0, all_drive)
            told, rewards = [], []
            for first in range(0, len(rows), HANDED):
                some = rows[first : first + HANDED]
                part = params(some, self.race.tracks, bodies[first : first + HANDED])
                rewards.append(self._pay(some, [copied(p) for p in part] if tell else part, first, all_drive))
                if tell:
                    told += part
            return told, np.concatenate(rewards)
        finally:
            if collecting:
                gc.enable()

    def _pay(self, rows: State, handed: list[Any], first: int, all_drive: bool) -> NDArray[np.float64]:
        """Rewards of some of the cars, from the `first` on."""
        if all_drive:
            return self.reward(handed, range(first, first + len(rows)))
        driving, reward = np.flatnonzero(rows["phase"] == RUN).tolist(), np.zeros(len(rows))
        if driving:
            reward[driving] = self.reward([handed[k] for k in driving], [first + k for k in driving])
        return reward

    def _info(self, turn: Turn, actions: NDArray[Any]) -> dict[str, Any]:
        return {
            "reward_params": turn.params,
            "episode_status": [Status(status).word for status in turn.rows["status"].tolist()],
            "lap_time": turn.rows["lap_time"].copy(),
            "trace": self.trace(turn, actions),
        }


class DeepRacerEnv(gymnasium.Env[NDArray[np.float32], Any]):
    """One DeepRacer: `DeepRacerVectorEnv` with a single car. The arguments are the same, but for `num_envs`.

    `info` holds the `reward_params` that the reward function was given, the `episode_status` in the simulator's
    words, the `lap_time` in s (None until the step that completes a lap) and the `trace` row as in the simulator's
    log.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium's contract

    def __init__(self, **arguments: Any) -> None:
        self.cars = DeepRacerVectorEnv(1, **arguments)
        self.observation_space = self.cars.single_observation_space
        self.action_space = self.cars.single_action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin the next episode; with a seed, the first one."""
        super().reset(seed=seed)
        observation, info = self.cars.reset(seed=seed)
        return observation[0], info

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """gymnasium's step."""
        actions = np.asarray(action)[None]
        turn = self.cars.turn(actions, tell=True)
        told, reward = turn.params[0], float(turn.reward[0])
        logged = trace_row(turn.rows, told, -1 if self.cars.actions.is_continuous else int(action), reward)
        info = {
            "reward_params": told,
            "episode_status": logged["episode_status"],
            "lap_time": _or_none(turn.rows["lap_time"].item()),
            "trace": logged,
        }
        return turn.observation[0], reward, bool(turn.terminated[0]), bool(turn.truncated[0]), info


def _or_none(value: float) -> float | None:
    """None for nan, which is unequal to itself: gymnasium's checker compares the info of two equal steps."""
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
