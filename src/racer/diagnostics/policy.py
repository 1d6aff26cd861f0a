"""A lap of a trained policy: what it answers at each step, how sure it is, and what its answer
depends on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.track import Track

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PolicyViews:
    """What the camera saw at F places of the lap, and how much each pixel counts.

    `index` (F,) are steps of the lap, `pictures` (F, H, W) gray. `heat` (F, H, W), 0 to 1, is the
    smoothed size of the gradient of the answer, of the pixels where that is greatest.
    """

    index: NDArray[np.int64]
    pictures: NDArray[np.uint8]
    heat: Array


@dataclass(frozen=True, eq=False)
class PolicyLap:
    """T steps of one lap. Commands are steering in degrees, positive to the left, and speed in m/s.

    `parts` are what the policy sees, by name (a feature, a band of the picture, another sensor),
    and `weights` (T, P) how much its answer depends on each: the size of the gradient times how
    much that part varies over the lap.
    """

    track: Track  # as driven
    xy: Array  # (T, 2) m, of the front point
    distance: Array  # (T,) m driven along the center line
    time: float  # s
    ended: str  # in the simulator's words: lap_complete, off_track, crashed, ...
    mean: Array  # (T, 2) the command that is likeliest
    deviation: Array  # (T, 2) of what it would try in training
    actions: Array  # (K, 2) commands of a discrete space; (0, 2) of a continuous one
    probabilities: Array  # (T, K)
    parts: tuple[str, ...]
    weights: Array
    views: PolicyViews | None = None

    @property
    def is_complete(self) -> bool:
        """Whether it is a whole lap."""
        return self.ended == "lap_complete"

    @property
    def is_discrete(self) -> bool:
        """Whether it chooses from a list of actions."""
        return len(self.actions) > 0


class InputWeight(NamedTuple):
    """A part of what the policy sees: the fraction of the weight that it has over the lap, and where
    its fraction is greatest.
    """

    name: str
    fraction: float
    most: float  # its fraction at the place where that is greatest
    at: float  # m, that place


class ActionChoice(NamedTuple):
    """An action of a discrete space: how often it was taken, and how likely it was on average."""

    number: int
    steering_deg: float
    speed: float
    taken: float
    probability: float


def input_weights(lap: PolicyLap) -> list[InputWeight]:
    """All parts of what the policy sees, those that count most first."""
    fractions = weight_fractions(lap)
    weights = []
    for name, of_part in zip(lap.parts, fractions.T, strict=True):
        greatest = int(of_part.argmax())
        place = float(lap.distance[greatest])
        weights.append(InputWeight(name, float(of_part.mean()), float(of_part[greatest]), place))
    return sorted(weights, key=lambda weight: -weight.fraction)


def weight_fractions(lap: PolicyLap) -> Array:
    """(T, P) weights of each step as fractions of their sum; equal ones where all are 0."""
    total = lap.weights.sum(axis=1, keepdims=True)
    fractions = np.full_like(lap.weights, 1.0 / len(lap.parts))
    np.divide(lap.weights, total, out=fractions, where=total > 0.0)
    return fractions


def action_choices(lap: PolicyLap) -> list[ActionChoice]:
    """All actions of a discrete space, in their order."""
    taken = np.bincount(lap.probabilities.argmax(axis=1), minlength=len(lap.actions))
    probability = lap.probabilities.mean(axis=0)
    choices = []
    for number, (steering_deg, speed) in enumerate(lap.actions.tolist()):
        fraction = float(taken[number] / len(lap.xy))
        choices.append(
            ActionChoice(number, steering_deg, speed, fraction, float(probability[number]))
        )
    return choices


def least_sure_place(lap: PolicyLap) -> tuple[float, float]:
    """Where a policy with discrete actions is least sure, m, and the probability of the action that
    it takes there.
    """
    taken = lap.probabilities.max(axis=1)
    step = int(taken.argmin())
    return float(lap.distance[step]), float(taken[step])
