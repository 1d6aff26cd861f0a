"""Where a trained policy looks: the gradient of its answer by what it perceives, over a lap of its own.

A policy's answer is the log of the odds of the action that it takes, or steering and speed as points
in [-1, 1]. Points beyond are cut to the ends of the range, where the action moves no more: their
gradients count as often as what the policy tries around them lies inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.sac.policies import SACPolicy

from racer.diagnostics import PolicyViews
from racer.sensors import FEATURE_NAMES
from racer.sensors.camera import FRONT_CAMERA
from racer.training.networks import Tensor, is_continuous_policy, join_observation, policy_head

Array = NDArray[np.float64]

Inputs = dict[str, Tensor]
"""Observations (T, ...) by the names of a policy's inputs."""

SHOWN_PICTURES = 8
"""Places of the lap whose pictures are shown."""

BAND_DISTANCES_M = (2.0, 1.0, 0.5)
"""Distances from the lens, on the floor, at which bands of the picture end."""

BANDS = (
    "above the horizon",
    "floor beyond 2 m",
    "floor from 1 to 2 m",
    "floor from 0.5 to 1 m",
    "floor nearer than 0.5 m",
)

PIECE_STEPS = 32
"""Steps whose gradients are taken at a time."""

BLUR_FRACTION = 1 / 40
"""Standard deviation of the blur, as a fraction of a picture's width."""

GLOW_PERCENTILES = (60.0, 99.0)
"""Percentiles of a picture's heat at which it begins to shine, and shines most."""

PICTURE_DIMENSIONS = 3
"""Channels, rows, columns; observations with more dimensions than these, with T first, are pictures."""


def picture_bands(height: int) -> NDArray[np.int64]:
    """(H,) which of `BANDS` each row of the front camera's picture shows, on flat ground."""
    focal_length = FRONT_CAMERA.focal * height / FRONT_CAMERA.height
    rows = np.arange(height) + 0.5 - height / 2
    angle_down = FRONT_CAMERA.pitch + np.arctan(rows / focal_length)
    with np.errstate(divide="ignore"):
        distance = np.where(angle_down > 0.0, FRONT_CAMERA.z / np.tan(angle_down), np.inf)
    floor_band = 1 + (distance[:, None] <= BAND_DISTANCES_M).sum(axis=1)
    return np.where(angle_down > 0.0, floor_band, 0)


@dataclass(frozen=True, eq=False)
class Attention:
    """What a policy's answers hang on: `weights` (T, P) of its `parts`, and some pictures."""

    parts: tuple[str, ...]
    weights: Array
    views: PolicyViews | None


def find_attention(policy: BasePolicy, inputs: Inputs) -> Attention:
    """The size of the gradient by each part, times how much the part varies over the lap."""
    deviations = {name: part.float().std(dim=0) for name, part in inputs.items()}
    pictures = _ShownPictures(inputs)
    tables = []
    for first, gradients in _gradients(policy, inputs):
        columns = [_weights_by_part(gradients[name] * deviations[name]) for name in inputs]
        tables.append(np.hstack(columns))
        pictures.add(first, gradients)
    return Attention(_part_names(inputs), np.concatenate(tables), pictures.views())


class _ShownPictures:
    """Pictures at some places of the lap, and their heat as it comes in; none without a camera."""

    def __init__(self, inputs: Inputs) -> None:
        count = len(next(iter(inputs.values())))
        self._inputs = inputs
        self._camera = _first_picture(inputs)
        self._index = np.linspace(0, count, SHOWN_PICTURES, endpoint=False).astype(np.int64)
        self._heat: list[Array] = []

    def add(self, first: int, gradients: Inputs) -> None:
        """Take in the gradients of a piece of the lap, which begins with the step `first`."""
        if self._camera is None:
            return
        is_in_piece = (self._index >= first) & (self._index < first + PIECE_STEPS)
        for step in self._index[is_in_piece]:
            self._heat.append(_heat(gradients[self._camera][step - first]))

    def views(self) -> PolicyViews | None:
        """The pictures with their heat, once all pieces were taken in."""
        if self._camera is None:
            return None
        pictures = self._inputs[self._camera][self._index, 0].numpy()
        return PolicyViews(self._index, pictures, np.stack(self._heat))


def _first_picture(inputs: Inputs) -> str | None:
    """The name of the first input that is a picture."""
    for name, part in inputs.items():
        if part.ndim > PICTURE_DIMENSIONS:
            return name
    return None


def _gradients(policy: BasePolicy, inputs: Inputs) -> Iterator[tuple[int, Inputs]]:
    """The first step of a piece of the lap, and the sizes of the answer's gradient by each input."""
    count = len(next(iter(inputs.values())))
    for first in range(0, count, PIECE_STEPS):
        piece = {
            name: part[first : first + PIECE_STEPS].float().requires_grad_()
            for name, part in inputs.items()
        }
        answer = policy_head(policy, join_observation(tuple(piece), tuple(piece.values())))
        if is_continuous_policy(policy):
            answer = answer * _inside_fractions(policy, answer.detach())
        else:
            answer = _log_odds(answer)
        sizes = {name: torch.zeros_like(part) for name, part in piece.items()}
        for column in answer.unbind(dim=1):
            gradients = torch.autograd.grad(column.sum(), list(piece.values()), retain_graph=True)
            for name, gradient in zip(piece, gradients, strict=True):
                sizes[name] += gradient.abs()
        yield first, sizes


def _inside_fractions(policy: BasePolicy, points: Tensor) -> Tensor:
    """(N, 2) how much of what PPO tries around `points` (N, 2) lies inside of [-1, 1]: what the mean of
    the action that is cut to that range moves by, where its point moves by 1.

    All of SAC's, whose answers never reach the ends.
    """
    if isinstance(policy, SACPolicy):
        return torch.ones_like(points)
    assert isinstance(policy, ActorCriticPolicy)
    deviation = policy.log_std.detach().exp()
    below_upper: Tensor = torch.special.ndtr((1.0 - points) / deviation)
    below_lower: Tensor = torch.special.ndtr((-1.0 - points) / deviation)
    return below_upper - below_lower


def _log_odds(logits: Tensor) -> Tensor:
    """(N, 1) log of the odds of the likeliest action against all others.

    Unlike a probability it never levels off.
    """
    likeliest = logits.argmax(dim=1, keepdim=True)
    others = logits.scatter(1, likeliest, -torch.inf)
    return logits.gather(1, likeliest) - torch.logsumexp(others, dim=1, keepdim=True)


def _weights_by_part(weights: Tensor) -> Array:
    """(N, P) weights of an input: of each band of a picture, of each feature, else of the whole."""
    if weights.ndim > PICTURE_DIMENSIONS:
        by_row = weights.sum(dim=(1, 3)).double().numpy()
        band_of_row = picture_bands(weights.shape[2])
        columns = [by_row[:, band_of_row == band].sum(axis=1) for band in range(len(BANDS))]
        return np.column_stack(columns)
    numbers: Array = weights.double().numpy()
    if numbers.shape[1] != len(FEATURE_NAMES):
        numbers = numbers.sum(axis=1, keepdims=True)
    return numbers


def _part_names(inputs: Inputs) -> tuple[str, ...]:
    """The parts of all inputs, as `_weights_by_part` divides them."""
    names: list[str] = []
    for name, part in inputs.items():
        if part.ndim > PICTURE_DIMENSIONS:
            prefix = f"{name}: " if len(inputs) > 1 else ""
            names += [f"{prefix}{band}" for band in BANDS]
        elif part.shape[1] == len(FEATURE_NAMES):
            names += FEATURE_NAMES
        else:
            names.append(name)
    return tuple(names)


def _heat(gradient: Tensor) -> Array:
    """(H, W) from 0, for most of the picture, to 1; `gradient` is (C, H, W)."""
    total = gradient.sum(dim=0).double().numpy()
    sigma = BLUR_FRACTION * total.shape[1]
    smooth: Array = gaussian_filter(total, sigma, mode="constant", truncate=8.0)
    low, high = np.percentile(smooth, GLOW_PERCENTILES)
    if high <= low:
        return np.zeros_like(smooth)
    heat: Array = np.clip((smooth - low) / (high - low), 0.0, 1.0)
    return heat
