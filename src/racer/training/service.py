"""A training like the service's: whole episodes, then passes of PPO over all their steps.

Twenty episodes make an iteration, each from its own start of the round robin, and every end of one
is worth nothing more (docs/simulator.md 7.2, 7.4, 9.9). The update itself is stable-baselines3's,
without what it does otherwise: advantages are standardized over the iteration, gradients are not
clipped, and a minibatch that is not full is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from torch import nn

from racer.env import StepResult
from racer.errors import UsageError
from racer.sensors import PICTURE_SIZE_PX, has_pictures, picture_size
from racer.sim import Phase
from racer.training.networks import SHALLOW
from racer.training.run import Run
from racer.training.session import PhaseBudget, Update
from racer.training.setup import ProgressCallback, TrainingSetup
from racer.training.trials import trainer_log_lines

MEMORY_STEPS = 10_000
"""Steps of an iteration that the service keeps with the shallow network, or with none that sees."""
MEMORY_STEPS_OF_LARGE_NETWORKS = 3_000
LEARNING_THREADS = 2
"""Threads of passes over pictures: always as many, as their number decides the last bits."""
SMALLEST_DEVIATION = 1e-8


FEATURES_NOTE = (
    "features are learned from in fewer iterations than pictures, which a job of the service sees: "
    "leave out --observation for its own network and sensors"
)
OTHER_SIZE_NOTE = "a job of the service sees pictures of 160 x 120 pixels"


@dataclass
class Episode:
    """The steps of one episode, one entry each: what was seen, sampled, and paid."""

    observations: list[Any] = field(default_factory=list)
    actions: list[NDArray[Any]] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    values: list[torch.Tensor] = field(default_factory=list)
    log_probs: list[torch.Tensor] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rewards)


class ServicePhase:
    """PPO as the service has it. One update is one of its iterations."""

    def __init__(self, setup: TrainingSetup, budget: PhaseBudget) -> None:
        if not isinstance(setup.model, PPO):
            raise UsageError(
                "like the service only PPO is learned here, and this action space says sac: "
                "change training_algorithm in its file, or leave out --like"
            )
        self._setup = setup
        self._budget = budget
        self._model = setup.model
        setup.notes += service_notes(setup.run)
        if not setup.run.lineage:
            draw_weights(setup.model.policy)

    def update(self, on_progress: ProgressCallback) -> Update:
        """Drive the episodes of an iteration, and learn from them."""
        setup = self._setup
        if setup.progress.steps:
            setup.cars.restart(np.ones(setup.cars.num_envs, dtype=np.bool_))
        episodes = kept_episodes(self._drive(), self._memory_steps())
        steps = sum(map(len, episodes))
        self._learn(episodes)
        self._model.num_timesteps += steps
        setup.progress.steps = self._model.num_timesteps
        setup.trainer_log += trainer_log_lines(self._model, setup.settings)
        return Update(steps, ends_iteration=True)

    def is_over(self, elapsed: float = 0.0) -> bool:
        """Whether steps or minutes are used up."""
        return self._budget.is_spent(self._setup.progress, elapsed)

    def state(self) -> dict[str, Any]:
        """Nothing: all of it is in the setup."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""

    def _memory_steps(self) -> int:
        if self._setup.run.network in (None, SHALLOW):
            return MEMORY_STEPS
        return MEMORY_STEPS_OF_LARGE_NETWORKS

    def _drive(self) -> list[Episode]:
        """One whole episode of every car, with sampled actions."""
        cars = self._setup.cars
        policy = self._model.policy
        policy.set_training_mode(False)
        episodes = [Episode() for _ in range(cars.num_envs)]
        space: Any = cars.single_action_space
        commands = np.zeros((cars.num_envs, *space.shape), space.dtype)
        driving = np.arange(cars.num_envs)
        while len(driving):
            observation = _copied(cars.observe(driving))
            with torch.no_grad():
                tensors, _ = policy.obs_to_tensor(observation)
                sampled, values, log_probs = policy(tensors)
            actions = sampled.numpy()
            commands[driving] = np.clip(actions, space.low, space.high) if space.shape else actions
            step = cars.advance(commands, with_observation=False)
            self._setup.recorder.record(step, commands, driving.tolist())
            for k, car in enumerate(driving.tolist()):
                episode = episodes[car]
                episode.observations.append(_row(observation, k))
                episode.actions.append(actions[k])
                episode.rewards.append(float(step.reward[car]))
                episode.values.append(values[k])
                episode.log_probs.append(log_probs[k])
            driving = self._hold_finished(step, driving)
        return episodes

    def _hold_finished(self, step: StepResult, driving: NDArray[np.int64]) -> NDArray[np.int64]:
        """The cars that go on driving; the reward function is not called for the others."""
        is_over = step.terminated | step.truncated
        self._setup.cars.simulation.state["phase"][driving[is_over[driving]]] = Phase.PREPARE
        return driving[~is_over[driving]]

    def _learn(self, episodes: list[Episode]) -> None:
        """All passes over the steps of an iteration."""
        model = self._model
        buffer = filled_buffer(model, episodes)
        model.rollout_buffer = buffer
        model.batch_size = minibatch_size(self._setup.settings.batch_size, buffer.buffer_size)
        if self._setup.run.network:
            torch.set_num_threads(LEARNING_THREADS)
        try:
            model.train()
        finally:
            torch.set_num_threads(1)


class _FullBatches:
    """Leaves out what remains at the end of a pass and is no full minibatch."""

    def get(self, batch_size: int | None = None) -> Iterator[Any]:
        for samples in super().get(batch_size):  # type: ignore[misc]
            if batch_size is None or len(samples.returns) == batch_size:
                yield samples


class EpisodesBuffer(_FullBatches, RolloutBuffer):  # type: ignore[misc]
    """The steps of whole episodes, one after the other."""


class SensorEpisodesBuffer(_FullBatches, DictRolloutBuffer):  # type: ignore[misc]
    """The same, of several sensors."""


def filled_buffer(model: PPO, episodes: list[Episode]) -> RolloutBuffer:
    """The steps of episodes with their advantages, standardized, and returns: the end of each
    episode is worth nothing more.
    """
    space: Any = model.observation_space
    kind = SensorEpisodesBuffer if hasattr(space, "spaces") else EpisodesBuffer
    buffer = kind(
        sum(map(len, episodes)),
        space,
        model.action_space,
        gae_lambda=model.gae_lambda,
        gamma=model.gamma,
    )
    for episode in episodes:
        for k in range(len(episode)):
            buffer.add(
                episode.observations[k],
                episode.actions[k],
                np.array([episode.rewards[k]]),
                np.array([k == 0]),
                episode.values[k],
                episode.log_probs[k],
            )
    buffer.compute_returns_and_advantage(torch.zeros(1), np.array([True]))
    deviation = buffer.advantages.std() + SMALLEST_DEVIATION
    buffer.advantages = (buffer.advantages - buffer.advantages.mean()) / deviation
    return buffer


def kept_episodes(episodes: list[Episode], memory_steps: int) -> list[Episode]:
    """The first episodes that fit into the memory together; one alone is always kept.

    Examples
    --------
    >>> episodes = [Episode(rewards=[0.0] * steps) for steps in (40, 50, 20, 5)]
    >>> [len(episode) for episode in kept_episodes(episodes, 100)]
    [40, 50]
    """
    kept = episodes[:1]
    steps = len(episodes[0])
    for episode in episodes[1:]:
        steps += len(episode)
        if steps > memory_steps:
            break
        kept.append(episode)
    return kept


def service_notes(run: Run) -> list[str]:
    """Sentences about what a training like the service's still does otherwise, the greatest effect
    first.
    """
    notes = []
    if "features" in run.observation:
        notes.append(FEATURES_NOTE)
    elif any(picture_size(sensor) != PICTURE_SIZE_PX for sensor in _pictures(run)):
        notes.append(OTHER_SIZE_NOTE)
    return notes


def _pictures(run: Run) -> list[str]:
    return [sensor for sensor in run.observation if has_pictures([sensor])]


def minibatch_size(batch_size: int, steps: int) -> int:
    """The steps of a minibatch where an iteration has so many: the greatest power of two in them
    where they make no more than one.

    Examples
    --------
    >>> minibatch_size(64, 1_000), minibatch_size(512, 300)
    (64, 256)
    """
    if steps > batch_size:
        return batch_size
    return int(2 ** (steps.bit_length() - 1))


def draw_weights(policy: nn.Module) -> None:
    """Draw the weights of a fresh policy as the service's are: Glorot's, biases 0, and those of the
    value's head of norm 1.
    """
    for module in policy.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    value_head: Any = policy.get_submodule("value_net")
    weights = torch.randn_like(value_head.weight)
    with torch.no_grad():
        value_head.weight.copy_(weights / weights.norm(dim=1, keepdim=True))


def _copied(observation: Any) -> Any:
    """An observation of its own: the sensors write into their arrays again."""
    if isinstance(observation, dict):
        return {name: part.copy() for name, part in observation.items()}
    return observation.copy()


def _row(observation: Any, k: int) -> Any:
    if isinstance(observation, dict):
        return {name: part[k] for name, part in observation.items()}
    return observation[k]
