"""The acting half of a policy, without exploration: its inputs, its head, and what it commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.sac.policies import SACPolicy

from racer.training.networks import SINGLE_SENSOR
from racer.vehicle import ActionSpace

Tensor = torch.Tensor


class DeterministicPolicy(torch.nn.Module):
    """What a policy does, as a module of PyTorch.

    Its inputs are the observations by the `names`, (N, ...) each, as the environment gives them. Its
    outputs are those of `outputs`: `action`, (N,) positions in the list of actions or (N, 2) points
    in [-1, 1], `command` (N, 2) steering in degrees (positive to the left) and speed in m/s, and of
    discrete actions their `probabilities` (N, K), first of all.
    """

    def __init__(self, policy: BasePolicy, space: ActionSpace) -> None:
        super().__init__()
        self.policy = policy.eval()
        self.is_continuous = space.is_continuous
        self.names = input_names(policy)
        table = torch.tensor([space.steering_deg, space.speed], dtype=torch.float32).T
        self.register_buffer("table", table)
        self.table: Tensor

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward` returns."""
        if self.is_continuous:
            return ("action", "command")
        return ("probabilities", "action", "command")

    def forward(self, *observations: Tensor) -> tuple[Tensor, ...]:
        """What the policy does with N observations."""
        head = policy_head(self.policy, join_observation(self.names, observations))
        if self.is_continuous:
            action = head.clamp(-1.0, 1.0)
            low = self.table[0]
            high = self.table[1]
            return action, low + (action + 1.0) * (high - low) / 2.0
        choice = head.argmax(dim=1)
        return torch.softmax(head, dim=1), choice, self.table[choice]


def input_names(policy: BasePolicy) -> tuple[str, ...]:
    """Names of a policy's inputs: those of its sensors where there are several, else `observation`."""
    space: Any = policy.observation_space
    if hasattr(space, "spaces"):
        return tuple(space.spaces)
    return (SINGLE_SENSOR,)


def split_observation(names: tuple[str, ...], observation: Any) -> tuple[Tensor, ...]:
    """An observation of the environment as tensors, one for each name."""
    parts = observation
    if not isinstance(observation, Mapping):
        parts = {names[0]: observation}
    return tuple(torch.as_tensor(parts[name]) for name in names)


def join_observation(names: tuple[str, ...], parts: tuple[Tensor, ...]) -> Any:
    """Tensors as the policy takes them: one, or a dict of several."""
    if names == (SINGLE_SENSOR,):
        return parts[0]
    return dict(zip(names, parts, strict=True))


def policy_head(policy: BasePolicy, observation: Any) -> Tensor:
    """(N, K) logits of discrete actions, or (N, 2) points of continuous ones, not clipped to [-1, 1]."""
    if isinstance(policy, SACPolicy):
        actor = policy.actor
        features: Any = actor.extract_features(observation, actor.features_extractor)
        return torch.tanh(actor.mu(actor.latent_pi(features)))
    assert isinstance(policy, ActorCriticPolicy)
    inputs = preprocess_obs(
        observation, policy.observation_space, normalize_images=policy.normalize_images
    )
    features = policy.pi_features_extractor(inputs)
    head: Tensor = policy.action_net(policy.mlp_extractor.forward_actor(features))
    return head


def is_continuous_policy(policy: BasePolicy) -> bool:
    """Whether the actions of a policy are points, and not positions in a list."""
    return bool(policy.action_space.shape)
