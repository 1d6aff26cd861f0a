"""What a trained policy sees on its way: its own observations, and the poses at which it had them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.env import DeepRacerVectorEnv
from racer.sim.race import Starts
from racer.sim.rules import TRAINING
from racer.sim.state import State
from racer.train.evaluation import LONGEST, Policy
from racer.train.run import Run

CARS = 5  # that gather observations, begun at equal distances around the track

Observation = Any  # (N, ...) array, or a dict of such


@dataclass(frozen=True, eq=False)
class Seen:
    """T observations of a policy and the (T,) rows of the state table in which they were made, in driving order."""

    observation: Observation
    rows: State


def cars_of(run: Run, count: int, advance: float) -> DeepRacerVectorEnv:
    """`count` cars as the run trained them, without noise; car k begins k times `advance` of a lap further on."""
    return DeepRacerVectorEnv(
        count,
        track=run.track,
        reward=_unpaid,
        action_space=run.metadata,
        observation=run.observation,
        objects=run.objects,
        car=run.config.car,
        reverse=run.config.reverse,
        rules=TRAINING._replace(time_limit=LONGEST),
        starts=Starts(advance=advance),
    )


def gather(run: Run, policy: Policy, count: int) -> Seen:
    """`count` observations of a policy that drives from everywhere around the track, off the road and on again."""
    cars = cars_of(run, CARS, 1.0 / CARS)
    parts: list[Seen] = []
    cars.reset(seed=0)
    while len(parts) * CARS < count:
        parts.append(_now(cars))
        actions, _ = policy.predict(parts[-1].observation, deterministic=True)
        turn = cars.turn(actions, see=False)
        if (over := turn.terminated | turn.truncated).any():
            cars.restart(over)
    return picked(joined(parts), np.arange(count))


def lap(run: Run, policy: Policy) -> Seen:
    """The observations of one lap from the start line, or of as much of it as the policy manages."""
    cars = cars_of(run, 1, 0.0)
    parts: list[Seen] = []
    cars.reset(seed=0)
    is_over = False
    while not is_over:
        parts.append(_now(cars))
        actions, _ = policy.predict(parts[-1].observation, deterministic=True)
        turn = cars.turn(actions, see=False)
        is_over = bool(turn.terminated[0] or turn.truncated[0])
        for name in ("progress", "status", "lap_time"):
            parts[-1].rows[name] = turn.rows[name]
    return joined(parts)


def joined(parts: list[Seen]) -> Seen:
    """Observations one behind the other."""
    return Seen(_mapped(np.concatenate, *(part.observation for part in parts)), np.concatenate([p.rows for p in parts]))


def picked(seen: Seen, index: NDArray[np.int64]) -> Seen:
    """The observations at the positions `index`."""
    return Seen(_mapped(lambda parts: parts[0][index], seen.observation), seen.rows[index])


def _now(cars: DeepRacerVectorEnv) -> Seen:
    """What all cars see, in arrays of its own: the sensors write into theirs again."""
    return Seen(_mapped(lambda parts: parts[0].copy(), cars.observe()), cars.field.state.copy())


def _mapped(function: Any, *observations: Observation) -> Observation:
    """`function` of a list of arrays, of each sensor apart where there are several."""
    if isinstance(observations[0], dict):
        return {name: function([one[name] for one in observations]) for name in observations[0]}
    return function(list(observations))


def _unpaid(params: Any) -> float:
    return 0.0
