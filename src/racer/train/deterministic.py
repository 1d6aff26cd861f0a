"""A policy as the car drives with it: observations in, commands out, and no chance in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.preprocessing import preprocess_obs
from stable_baselines3.sac.policies import SACPolicy

from racer.actions import ActionSpace

Tensor = torch.Tensor


class Deterministic(torch.nn.Module):
    """The acting half of a policy (a class: PyTorch's contract).

    Its inputs are the observations by the names in `inputs`, (N, ...) each, as the environment gives them. Its outputs
    are those of `outputs`: `action`, (N,) positions in the list of actions or (N, 2) points in [-1, 1], `command`
    (N, 2) steering in degrees (positive to the left) and speed in m/s, and of discrete actions their `probabilities`
    (N, K), first of all.
    """

    def __init__(self, policy: BasePolicy, space: ActionSpace) -> None:
        super().__init__()
        self.policy = policy.eval()
        self.is_continuous = space.is_continuous
        self.names = names(policy)
        table = torch.tensor([space.steering_deg, space.speed], dtype=torch.float32).T
        self.register_buffer("table", table)
        self.table: Tensor

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward` returns."""
        return ("action", "command") if self.is_continuous else ("probabilities", "action", "command")

    def forward(self, *observations: Tensor) -> tuple[Tensor, ...]:
        """What the policy does with N observations."""
        answer = head(self.policy, together(self.names, observations))
        if self.is_continuous:
            action = answer.clamp(-1.0, 1.0)
            low, high = self.table[0], self.table[1]
            return action, low + (action + 1.0) * (high - low) / 2.0
        choice = answer.argmax(dim=1)
        return torch.softmax(answer, dim=1), choice, self.table[choice]


def names(policy: BasePolicy) -> tuple[str, ...]:
    """Names of a policy's inputs: of its sensors where there are several, `observation` otherwise."""
    space: Any = policy.observation_space
    return tuple(space.spaces) if hasattr(space, "spaces") else ("observation",)


def split(names: tuple[str, ...], observation: Any) -> tuple[Tensor, ...]:
    """An observation of the environment as tensors, one a name."""
    parts = observation if isinstance(observation, Mapping) else {names[0]: observation}
    return tuple(torch.as_tensor(parts[name]) for name in names)


def together(names: tuple[str, ...], parts: tuple[Tensor, ...]) -> Any:
    """Tensors as the policy takes them: one, or a dict of several."""
    return parts[0] if names == ("observation",) else dict(zip(names, parts, strict=True))


def head(policy: BasePolicy, observation: Any) -> Tensor:
    """(N, K) logits of discrete actions, or (N, 2) points that are clipped to [-1, 1] for continuous ones."""
    if isinstance(policy, SACPolicy):
        found: Any = policy.actor.extract_features(observation, policy.actor.features_extractor)
        return torch.tanh(policy.actor.mu(policy.actor.latent_pi(found)))
    assert isinstance(policy, ActorCriticPolicy)
    seen = preprocess_obs(observation, policy.observation_space, normalize_images=policy.normalize_images)
    found = policy.pi_features_extractor(seen)
    answer: Tensor = policy.action_net(policy.mlp_extractor.forward_actor(found))
    return answer
