"""The rules of an episode, with the simulator's defaults for training and for evaluation."""

from __future__ import annotations

from math import inf
from typing import NamedTuple


class Rules(NamedTuple):
    """When an episode ends and what an incident costs. A tuple of numbers, so that compiled code takes it as it is."""

    laps: int = 1  # laps of a continuous race; the episode is over when they are driven
    resets: int = 0  # incidents forgiven an episode; the next one ends it
    off_track_penalty: float = 0.0  # s held after leaving the road or driving backward
    collision_penalty: float = 0.0  # s held after a crash
    immobilized_penalty: float = 0.0  # s
    backward_limit: int = 15  # steps of falling progress that count as reversed
    still_limit: int = 15  # steps without motion that count as immobilized
    time_limit: float = inf  # s of simulation time until time_up
    step_limit: int = 100_000  # steps until the environment cuts an episode


TRAINING = Rules()
"""The first incident ends the episode; so does a completed lap."""

EVALUATION = Rules(laps=5, resets=10_000, off_track_penalty=2.0, collision_penalty=5.0)
"""Continuous laps; an incident costs a penalty and puts the car back onto the road."""
