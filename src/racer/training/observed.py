"""What a policy perceives on laps of its own: observations for looking at it and for checking it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.env import DeepRacerVectorEnv
from racer.sensors import Observation
from racer.sim import TRAINING, Starts, State
from racer.training.run import Run
from racer.training.trials import LONGEST_LAP_S, Policy, policy_actions

GATHERING_CARS = 5
"""Cars that gather observations, started at equal distances around the track."""


@dataclass(frozen=True, eq=False)
class ObservedSteps:
    """T observations of a policy, and the (T,) rows of the state table in which they were made, in
    driving order.
    """

    observation: Observation
    rows: State


def gather_observations(run: Run, policy: Policy, count: int) -> ObservedSteps:
    """`count` observations of a policy that starts from everywhere around the track, again and again."""
    cars = policy_cars(run, GATHERING_CARS, 1.0 / GATHERING_CARS)
    parts: list[ObservedSteps] = []
    cars.reset(seed=0)
    while len(parts) * GATHERING_CARS < count:
        parts.append(_current_step(cars))
        actions = policy_actions(policy, parts[-1].observation)
        step = cars.advance(actions, with_observation=False)
        is_over = step.terminated | step.truncated
        if is_over.any():
            cars.restart(is_over)
    return pick_steps(join_steps(parts), np.arange(count))


def observe_lap(run: Run, policy: Policy) -> ObservedSteps:
    """The observations of one lap from the start line, or of as much of it as the policy manages."""
    cars = policy_cars(run, 1, 0.0)
    parts: list[ObservedSteps] = []
    cars.reset(seed=0)
    is_over = False
    while not is_over:
        current = _current_step(cars)
        actions = policy_actions(policy, current.observation)
        step = cars.advance(actions, with_observation=False)
        for name in ("progress", "status", "lap_time"):
            current.rows[name] = step.rows[name]
        parts.append(current)
        is_over = bool(step.terminated[0] or step.truncated[0])
    return join_steps(parts)


def policy_cars(run: Run, count: int, advance: float) -> DeepRacerVectorEnv:
    """`count` cars as the run trained them, without noise or reward.

    Car k starts k times `advance` of a lap after the start line.
    """
    arguments = run.env_arguments() | {
        "reward": _no_reward,
        "rules": TRAINING._replace(time_limit=LONGEST_LAP_S),
        "starts": Starts(advance=advance),
    }
    return DeepRacerVectorEnv(count, **arguments)


def join_steps(parts: Sequence[ObservedSteps]) -> ObservedSteps:
    """Steps one behind the other."""
    observation = _apply(np.concatenate, [part.observation for part in parts])
    return ObservedSteps(observation, np.concatenate([part.rows for part in parts]))


def pick_steps(steps: ObservedSteps, index: NDArray[np.int64]) -> ObservedSteps:
    """The steps at the positions `index`."""
    observation = _apply(lambda arrays: arrays[0][index], [steps.observation])
    return ObservedSteps(observation, steps.rows[index])


def _current_step(cars: DeepRacerVectorEnv) -> ObservedSteps:
    """What all cars perceive now, copied: the sensors write into their arrays again."""
    observation = _apply(lambda arrays: arrays[0].copy(), [cars.observe()])
    return ObservedSteps(observation, cars.simulation.state.copy())


def _apply(
    function: Callable[[list[NDArray[Any]]], NDArray[Any]], observations: list[Observation]
) -> Observation:
    """`function` of the arrays of some observations, of each sensor by itself where there are several."""
    first = observations[0]
    if not isinstance(first, dict):
        return function(observations)
    joined = {}
    for name in first:
        joined[name] = function([observation[name] for observation in observations])
    return joined


def _no_reward(params: Any) -> float:
    return 0.0
