"""A frozen graph beside a policy under PyTorch, on observations of the policy's own laps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy

from racer.training.networks import SINGLE_SENSOR, policy_head
from racer.training.observed import gather_observations
from racer.training.run import Run
from racer.training.tensorflow import (
    evaluate_graph,
    input_name,
    output_name,
    policy_network,
    read_graph,
)
from racer.vehicle import Metadata

TOLERANCE = 1e-5
"""How far an answer of the written graph may be from PyTorch's: a probability, a point in [-1, 1]."""


@dataclass(frozen=True)
class GraphComparison:
    """What the graph that was written and PyTorch answered to the same observations.

    `difference` is the largest, `actions` counts the observations on which both act alike.
    """

    observations: int
    difference: float
    actions: int

    @property
    def agrees(self) -> bool:
        """Whether all is as close as it has to be."""
        return self.difference <= TOLERANCE and self.actions == self.observations

    @property
    def sentence(self) -> str:
        """The comparison as a sentence without its full stop."""
        verdict = "equal" if self.agrees else "NOT equal"
        return (
            f"read back, {verdict} to PyTorch within {TOLERANCE:g} on {self.observations} observations of its own "
            f"laps: {self.difference:.1e}, the same action on {self.actions}"
        )


def compare_graph(
    graph: bytes, run: Run, policy: BasePolicy, metadata: Metadata, where: str, count: int
) -> GraphComparison:
    """What a graph and a policy answer to `count` observations of the policy's own laps.

    Raises UsageError for a graph that cannot be calculated.
    """
    network = policy_network(metadata)
    nodes = read_graph(graph, where)
    observation = gather_observations(run, policy, count).observation
    parts = observation if isinstance(observation, dict) else {SINGLE_SENSOR: observation}
    inputs = {}
    for embedder in network.embedders:
        part = parts[embedder.kind if len(network.embedders) > 1 else SINGLE_SENSOR]
        there = part.transpose(0, 2, 3, 1) if embedder.sees_pictures else part
        inputs[input_name(network, embedder.sensor)] = there
    answers = []
    expected = []
    for first in range(0, count, 50):
        batch = slice(first, first + 50)
        some = {name: part[batch] for name, part in inputs.items()}
        answers.append(evaluate_graph(nodes, output_name(network), some, where))
        tensors: Any = {name: torch.as_tensor(part[batch]) for name, part in parts.items()}
        if not isinstance(observation, dict):
            tensors = tensors[SINGLE_SENSOR]
        expected.append(_pytorch_answer(policy, tensors, metadata))
    answer = _as_acted(np.concatenate(answers), metadata)
    return _compare(answer, np.concatenate(expected), metadata)


def _pytorch_answer(policy: BasePolicy, observation: Any, metadata: Metadata) -> NDArray[Any]:
    """Probabilities of discrete actions, points of continuous ones."""
    with torch.no_grad():
        head = policy_head(policy, observation)
    if metadata.action_space.is_continuous:
        return head.numpy()
    return torch.softmax(head, dim=1).numpy()


def _as_acted(answer: NDArray[Any], metadata: Metadata) -> NDArray[Any]:
    """What a graph gives, as the policy's head does: SAC's is squashed behind it."""
    return np.tanh(answer) if metadata.training_algorithm == "sac" else answer


def _compare(answer: NDArray[Any], expected: NDArray[Any], metadata: Metadata) -> GraphComparison:
    difference = np.abs(answer.astype(np.float64) - expected)
    if metadata.action_space.is_continuous:
        same = (difference <= TOLERANCE).all(axis=1)
    else:
        chosen = np.take_along_axis(expected, answer.argmax(axis=1)[:, None], axis=1)[:, 0]
        same = chosen >= expected.max(axis=1) - TOLERANCE  # of two alike, either is right
    return GraphComparison(len(answer), float(difference.max(initial=0.0)), int(same.sum()))
