"""Where a trained policy looks: the gradient of its answer by what it perceives, over a lap of its own.

A policy's answer is the log of the odds of the action that it takes, or steering and speed as points
in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.sac.policies import SACPolicy

from racer.diagnostics.policy import PolicyLap, PolicyViews
from racer.sensors.camera.camera import FRONT_CAMERA
from racer.sensors.features import FEATURE_NAMES
from racer.sim.state import State, Status
from racer.training.deterministic_policy import (
    Tensor,
    input_names,
    join_observation,
    policy_head,
    split_observation,
)
from racer.training.learner import load_checkpoint
from racer.training.observed import observe_lap
from racer.training.run import Run
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import STEP_S

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


def explain_run(folder: Path, checkpoint: str = "best") -> tuple[PolicyLap, str]:
    """A lap of a checkpoint of the run in `folder`, and the name of the checkpoint's file.

    Raises UsageError when there is none.
    """
    run = Run.open(folder)
    policy, name = load_checkpoint(run, checkpoint)
    return policy_lap(run, policy), name


def policy_lap(run: Run, policy: BasePolicy) -> PolicyLap:
    """One lap of a policy from the start line, with what it answers and where it looks.

    As much of the lap as the policy manages.
    """
    steps = observe_lap(run, policy)
    names = input_names(policy)
    inputs = dict(zip(names, split_observation(names, steps.observation), strict=True))
    attention = _attention(policy, inputs)
    answers = _answers(policy, run.action_space, inputs)
    track = run.track
    if run.config.reverse:
        track = track.reversed()
    progress = steps.rows["progress"]
    return PolicyLap(
        track=track,
        xy=np.column_stack([steps.rows["front_x"], steps.rows["front_y"]]),
        distance=np.maximum.accumulate(progress) / 100.0 * track.length,
        time=_lap_time(steps.rows),
        ended=Status(steps.rows["status"][-1]).word,
        mean=answers.commands,
        deviation=answers.deviations,
        actions=_discrete_actions(run.action_space),
        probabilities=answers.probabilities,
        parts=attention.parts,
        weights=attention.weights,
        views=attention.views,
    )


def picture_bands(height: int) -> NDArray[np.int64]:
    """(H,) which of `BANDS` each row of the front camera's picture shows, on flat ground."""
    focal_length = FRONT_CAMERA.focal * height / FRONT_CAMERA.height
    rows = np.arange(height) + 0.5 - height / 2
    angle_down = FRONT_CAMERA.pitch + np.arctan(rows / focal_length)
    with np.errstate(divide="ignore"):
        distance = np.where(angle_down > 0.0, FRONT_CAMERA.z / np.tan(angle_down), np.inf)
    floor_band = 1 + (distance[:, None] <= BAND_DISTANCES_M).sum(axis=1)
    return np.where(angle_down > 0.0, floor_band, 0)


def _lap_time(rows: State) -> float:
    """Time of the lap, or of as much of it as was driven, s."""
    if rows["progress"][-1] >= 100.0:
        return float(rows["lap_time"][-1])
    return len(rows) * STEP_S


def _discrete_actions(space: ActionSpace) -> Array:
    """(K, 2) commands of a discrete space; none of a continuous one."""
    if space.is_continuous:
        return np.empty((0, 2))
    return np.column_stack([space.steering_deg, space.speed])


@dataclass(frozen=True, eq=False)
class _Attention:
    """What a policy's answers hang on: `weights` (T, P) of its `parts`, and some pictures."""

    parts: tuple[str, ...]
    weights: Array
    views: PolicyViews | None


def _attention(policy: BasePolicy, inputs: Inputs) -> _Attention:
    """The size of the gradient by each part, times how much the part varies over the lap."""
    deviations = {name: part.float().std(dim=0) for name, part in inputs.items()}
    camera = _first_picture(inputs)
    count = len(next(iter(inputs.values())))
    shown = np.linspace(0, count, SHOWN_PICTURES, endpoint=False).astype(np.int64)
    weights: dict[str, list[Array]] = {name: [] for name in inputs}
    heat = []
    for first, gradients in _gradients(policy, inputs):
        for name, gradient in gradients.items():
            weights[name].append(_weights_by_part(gradient * deviations[name]))
        if camera is not None:
            in_piece = shown[(shown >= first) & (shown < first + PIECE_STEPS)]
            heat += [_heat(gradients[camera][k - first]) for k in in_piece]
    views = None
    if camera is not None:
        views = PolicyViews(shown, inputs[camera][shown, 0].numpy(), np.stack(heat))
    table = np.hstack([np.concatenate(pieces) for pieces in weights.values()])
    return _Attention(_part_names(inputs), table, views)


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
        if not _is_continuous(policy):
            answer = _log_odds(answer)
        sizes = {name: torch.zeros_like(part) for name, part in piece.items()}
        for column in answer.unbind(dim=1):
            gradients = torch.autograd.grad(column.sum(), list(piece.values()), retain_graph=True)
            for name, gradient in zip(piece, gradients, strict=True):
                sizes[name] += gradient.abs()
        yield first, sizes


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


@dataclass(frozen=True, eq=False)
class _Answers:
    """What a policy answers in T steps.

    `commands` (T, 2) are the likeliest ones, `deviations` (T, 2) what it would try around them in
    training, `probabilities` (T, K) those of discrete actions.
    """

    commands: Array
    deviations: Array
    probabilities: Array


def _answers(policy: BasePolicy, space: ActionSpace, inputs: Inputs) -> _Answers:
    heads = []
    deviations = []
    count = len(next(iter(inputs.values())))
    with torch.no_grad():
        for first in range(0, count, PIECE_STEPS):
            parts = tuple(part[first : first + PIECE_STEPS] for part in inputs.values())
            observation = join_observation(tuple(inputs), parts)
            heads.append(policy_head(policy, observation))
            deviations.append(_action_deviations(policy, observation, len(parts[0])))
    head = torch.cat(heads)
    if space.is_continuous:
        half_ranges = np.array([np.ptp(space.steering_deg), np.ptp(space.speed)]) / 2.0
        return _Answers(
            commands=space.command_deg(head.numpy()),
            deviations=torch.cat(deviations).double().numpy() * half_ranges,
            probabilities=np.empty((count, 0)),
        )
    probabilities: Array = torch.softmax(head.double(), dim=1).numpy()
    actions = np.column_stack([space.steering_deg, space.speed])
    mean = probabilities @ actions
    variance = probabilities @ actions**2 - mean**2
    return _Answers(
        commands=actions[probabilities.argmax(axis=1)],
        deviations=np.sqrt(np.maximum(variance, 0.0)),
        probabilities=probabilities,
    )


def _action_deviations(policy: BasePolicy, observation: Any, count: int) -> Tensor:
    """(N, 2) deviations of continuous actions, in points of [-1, 1]; 0 for discrete ones.

    For SAC what is left of them after its tanh.
    """
    if isinstance(policy, SACPolicy):
        mean, log_std, _ = policy.actor.get_action_dist_params(observation)
        deviation = log_std.exp()
        return (torch.tanh(mean + deviation) - torch.tanh(mean - deviation)) / 2.0
    assert isinstance(policy, ActorCriticPolicy)
    log_std = torch.full((2,), -torch.inf)
    if _is_continuous(policy):
        log_std = policy.log_std
    return log_std.exp().expand(count, 2)


def _is_continuous(policy: BasePolicy) -> bool:
    return bool(policy.action_space.shape)
