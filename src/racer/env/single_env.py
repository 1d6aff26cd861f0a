"""The environment of one car."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from racer.env.rendering import RENDER_FPS, RENDER_MODES
from racer.env.vector_env import DeepRacerVectorEnv, split_observation
from racer.sensors import Observation
from racer.sim import trace_row


class DeepRacerEnv(gymnasium.Env[Observation, Any]):
    """One DeepRacer: `DeepRacerVectorEnv` with a single car, and with its arguments but for
    `num_envs`.

    `info` of `reset` is empty, that of `step` holds

    =================  ========================  =================================================
    key                type                      what
    =================  ========================  =================================================
    `reward_params`    dict                      the params that the reward function was given
                                                 (`racer.sim.params.Params`)
    `episode_status`   str                       the simulator's word for the step: `prepare`,
                                                 `in_progress`, `lap_complete`, `off_track`,
                                                 `crashed`, `immobilized`, `reversed`, `time_up`
                                                 or `pause`
    `lap_time`         float or None             s, on the step that completes a lap
    `trace`            dict                      the step's row of the simulator's log: its first
                                                 18 columns by name, in their units
    =================  ========================  =================================================

    `render_mode="rgb_array"` has `render()` return a picture, (480, 800, 3) uint8, of the track,
    the car, its trail and the main params; `"human"` shows it in a window after every step, where
    there is a display.

    >>> import numpy as np
    >>> from racer import DeepRacerEnv
    >>> env = DeepRacerEnv(track="oval", reward=lambda params: params["progress"])
    >>> observation, info = env.reset(seed=0)
    >>> observation, reward, terminated, truncated, info = env.step(np.array([0.0, 0.5]))
    >>> observation.shape, reward, info["episode_status"]
    ((27,), 0.0, 'prepare')
    """

    metadata = {"render_modes": RENDER_MODES, "render_fps": RENDER_FPS}  # noqa: RUF012 - gymnasium's contract

    def __init__(self, render_mode: str | None = None, **arguments: Any) -> None:
        self.cars = DeepRacerVectorEnv(1, render_mode=render_mode, **arguments)
        self.render_mode = render_mode
        self.observation_space = self.cars.single_observation_space
        self.action_space = self.cars.single_action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin the next episode; with a seed, the first one."""
        super().reset(seed=seed)
        observation, info = self.cars.reset(seed=seed)
        return split_observation(observation, 1)[0], info

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """gymnasium's step: observation, reward, terminated, truncated, info."""
        cars = self.cars
        actions = np.asarray(action)[None]
        step = cars.advance(actions, with_params=True, with_observation=False)
        params = step.params[0]
        reward = float(step.reward[0])
        number = -1 if cars.actions.is_continuous else int(action)
        trace = trace_row(step.rows, params, number, reward)
        lap_time = step.rows["lap_time"].item()
        info = {
            "reward_params": params,
            "episode_status": trace["episode_status"],
            # None for nan, which is unequal to itself: gymnasium's checker compares infos
            "lap_time": lap_time if lap_time == lap_time else None,
            "trace": trace,
        }
        observation = split_observation(cars.observe(fresh=True), 1)[0]
        if cars.renderer is not None:
            cars.renderer.record(cars.simulation, step.reward)
        return observation, reward, trace["done"], bool(step.truncated[0]), info

    def render(self) -> NDArray[np.uint8] | None:
        """The picture in `rgb_array` mode, (480, 800, 3) uint8; else None."""
        frames = self.cars.render()
        return None if frames is None else frames[0]

    def close(self) -> None:
        """Close the window, where there is one."""
        self.cars.close()
