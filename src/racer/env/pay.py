"""What a reward function pays for steps of N cars: their params, and the rewards."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.reward import RewardBatch
from racer.sim import Obstacles, Params, Phase, State, build_params, copy_params
from racer.track import Track

Rewards = NDArray[np.float64]

RUN = int(Phase.RUN)

CHUNK_CARS = 96
"""Cars whose params exist at a time: more would not stay in the processor's cache."""


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
) -> tuple[list[Params], Rewards]:
    """Params of all `rows` (N,), untouched by the reward function, if `with_params`; and the rewards
    (N,) that it pays for them.

    Prepare and pause steps pay nothing; `all_drive` says that there are none of these.

    The garbage collector is held off meanwhile: it would walk the young dicts again and again, at
    several times the cost of making them, and they hold no cycles.
    """
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        if len(rows) <= CHUNK_CARS:
            params = build_params(rows, tracks, obstacles)
            given = [copy_params(one_car) for one_car in params] if with_params else params
            return params, _pay_chunk(reward, rows, given, None, all_drive)
        every_params: list[Params] = []
        rewards = []
        for first in range(0, len(rows), CHUNK_CARS):
            chunk = slice(first, first + CHUNK_CARS)
            params = build_params(rows[chunk], tracks, obstacles[chunk])
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
