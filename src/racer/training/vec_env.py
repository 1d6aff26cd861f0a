"""The vector environment in the form that stable-baselines3 wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from racer.env import DeepRacerVectorEnv, StepResult

StepCallback = Callable[[StepResult, NDArray[Any]], None]


class CarsVecEnv(VecEnv):
    """`DeepRacerVectorEnv` as a stable-baselines3 VecEnv; `watch` is shown every turn with its
    actions.
    """

    def __init__(self, cars: DeepRacerVectorEnv, watch: StepCallback | None = None) -> None:
        self.cars = cars
        super().__init__(cars.num_envs, cars.single_observation_space, cars.single_action_space)
        self._watch = watch
        self._actions: NDArray[Any] = np.zeros(0)

    def reset(self) -> Any:
        """What the cars see as they stand: they have been started already."""
        return self.cars.observe()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions of the next turn."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """One turn; cars whose episode is over are started again."""
        turn = self.cars.turn(self._actions, see=False)
        if self._watch is not None:
            self._watch(turn, self._actions)
        over = turn.terminated | turn.truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if over.any():
            for k, last in self.cars.last_seen(over).items():
                infos[k] = {
                    "terminal_observation": last,
                    "TimeLimit.truncated": bool(turn.truncated[k]),
                }
            self.cars.restart(over)
        return self.cars.observe(), turn.reward.astype(np.float32), over, infos

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
