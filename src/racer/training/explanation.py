"""A lap of a trained policy, explained: what it answers at each step, how sure it is, where it looks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.sac.policies import SACPolicy

from racer.diagnostics import PolicyLap
from racer.sim import State, Status
from racer.training.learner import load_checkpoint
from racer.training.networks import (
    Tensor,
    input_names,
    is_continuous_policy,
    join_observation,
    policy_head,
    split_observation,
)
from racer.training.observed import observe_lap
from racer.training.run import Run
from racer.training.saliency import PIECE_STEPS, Inputs, find_attention
from racer.vehicle import STEP_S, ActionSpace

Array = NDArray[np.float64]


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
    attention = find_attention(policy, inputs)
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
    if space.is_continuous:
        return _continuous_answers(space, torch.cat(heads), torch.cat(deviations))
    return _discrete_answers(space, torch.cat(heads))


def _continuous_answers(space: ActionSpace, head: Tensor, deviations: Tensor) -> _Answers:
    """Answers of (T, 2) points in [-1, 1] and their deviations."""
    half_ranges = np.array([np.ptp(space.steering_deg), np.ptp(space.speed)]) / 2.0
    return _Answers(
        commands=space.command_deg(head.numpy()),
        deviations=deviations.double().numpy() * half_ranges,
        probabilities=np.empty((len(head), 0)),
    )


def _discrete_answers(space: ActionSpace, head: Tensor) -> _Answers:
    """Answers of (T, K) logits."""
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
    if is_continuous_policy(policy):
        log_std = policy.log_std
    return log_std.exp().expand(count, 2)
