"""The vector environment in the form that stable-baselines3 wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from racer.env import DeepRacerVectorEnv, StepResult

StepCallback = Callable[[StepResult, NDArray[Any]], None]
"""Is shown the result of a step of all cars, and the actions that they took."""


class CarsVecEnv(VecEnv):
    """`DeepRacerVectorEnv` as a stable-baselines3 VecEnv; `on_step` is shown every step."""

    def __init__(self, cars: DeepRacerVectorEnv, on_step: StepCallback | None = None) -> None:
        self.cars = cars
        super().__init__(cars.num_envs, cars.single_observation_space, cars.single_action_space)
        self._on_step = on_step
        self._actions: NDArray[Any] = np.zeros(0)

    def reset(self) -> Any:
        """What the cars perceive as they stand: they have been started already."""
        return self.cars.observe()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions of the next step."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """One step; cars whose episode is over are started again."""
        step = self.cars.advance(self._actions, with_observation=False)
        if self._on_step is not None:
            self._on_step(step, self._actions)
        is_over = step.terminated | step.truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if is_over.any():
            for car, observation in self.cars.last_seen(is_over).items():
                infos[car] = {
                    "terminal_observation": observation,
                    "TimeLimit.truncated": bool(step.truncated[car]),
                }
            self.cars.restart(is_over)
        return self.cars.observe(), step.reward.astype(np.float32), is_over, infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute of the vector environment, once a car."""
        return [getattr(self.cars, attr_name)] * self._count(indices)

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not possible: the cars share one environment."""
        raise AttributeError(f"{attr_name} cannot be set on a car: the cars share one environment")

    def env_method(
        self, method_name: str, *arguments: Any, indices: Any = None, **keywords: Any
    ) -> list[Any]:
        """Not possible: the cars share one environment."""
        raise AttributeError(
            f"{method_name} cannot be called on a car: the cars share one environment"
        )

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No car is wrapped."""
        return [False] * self._count(indices)

    def _count(self, indices: Any) -> int:
        return len(list(self._get_indices(indices)))
