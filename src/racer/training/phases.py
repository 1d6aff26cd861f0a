"""The phases of a training: each improves the policy by one `update` after the other.

A plain training has one phase, in which PPO or SAC learn from the reward. One with a teacher has
`TeacherPhase` and `LessonPhase` of `racer.training.imitation`, and `FineTuningPhase` where that is
asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from racer.training.setup import ProgressCallback, TrainingProgress, TrainingSetup

VALUE_ONLY_STEPS = 4_096
"""Steps of fine-tuning in which the value alone is learned, as lessons do not teach it."""


@dataclass(frozen=True)
class PhaseBudget:
    """When a phase is over: after `minutes` of training, or after `steps` from `first_step` on."""

    steps: int
    first_step: int = 0
    minutes: float | None = None

    def fraction(self, progress: TrainingProgress) -> float:
        """How much of the budget is used up; 1 when all of it is."""
        if self.minutes is not None:
            return progress.seconds / (60.0 * self.minutes)
        return (progress.steps - self.first_step) / self.steps

    def is_spent(self, progress: TrainingProgress, elapsed: float = 0.0) -> bool:
        """Whether the budget is used up, `elapsed` s after the latest update that was counted."""
        if self.minutes is not None:
            return progress.seconds + elapsed >= 60.0 * self.minutes
        return progress.steps >= self.first_step + self.steps


@dataclass(frozen=True)
class Update:
    """What one update of a phase brought."""

    steps: int  # of all cars together; 0 where the policy was not updated
    ends_iteration: bool = False  # whether the log and an evaluation are due whatever the steps
    was_stopped: bool = False  # whether Ctrl-C ended it


class TrainingPhase(Protocol):
    """One phase of a training."""

    def update(self, on_progress: ProgressCallback) -> Update:
        """Improve the policy once. What takes long shows its own progress to `on_progress`."""
        ...

    def is_over(self, elapsed: float = 0.0) -> bool:
        """Whether the next phase is due, `elapsed` s after the latest update that was counted."""
        ...

    def state(self) -> dict[str, Any]:
        """What later updates go on from besides the setup, by keys of the checkpoint."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Be as when `state` was taken; `state` is the whole checkpoint."""
        ...


class RewardPhase:
    """PPO or SAC: the policy learns from the reward that its cars earn."""

    def __init__(self, setup: TrainingSetup, budget: PhaseBudget) -> None:
        self._setup = setup
        self._budget = budget

    def update(self, on_progress: ProgressCallback) -> Update:
        """One update of the policy, from as many steps as it takes."""
        self._setup.learned_fraction = self._budget.fraction(self._setup.progress)
        return Update(self._setup.update_policy())

    def is_over(self, elapsed: float = 0.0) -> bool:
        """Whether steps or minutes are used up."""
        return self._budget.is_spent(self._setup.progress, elapsed)

    def state(self) -> dict[str, Any]:
        """Nothing: all of it is in the setup."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


class FineTuningPhase:
    """PPO after a teacher's lessons: it learns the value of what the student does, then to do better."""

    NAME = "fine-tuning"

    def __init__(self, setup: TrainingSetup, budget: PhaseBudget) -> None:
        self._setup = setup
        self._budget = budget
        self._learning = RewardPhase(setup, budget)

    def update(self, on_progress: ProgressCallback) -> Update:
        """One update of PPO; of the value alone at first."""
        progress = self._setup.progress
        if progress.phase != self.NAME:
            progress.phase = self.NAME
            self._setup.recorder.drop_unfinished()
        steps = progress.steps - self._budget.first_step
        self._train_policy_itself(steps >= VALUE_ONLY_STEPS)
        return self._learning.update(on_progress)

    def is_over(self, elapsed: float = 0.0) -> bool:
        """Whether the steps of fine-tuning are taken."""
        return self._budget.is_spent(self._setup.progress, elapsed)

    def state(self) -> dict[str, Any]:
        """Nothing: all of it is in the setup."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""

    def _train_policy_itself(self, is_trained: bool) -> None:
        policy: Any = self._setup.model.policy
        policy.requires_grad_(is_trained)
        policy.vf_features_extractor.requires_grad_(True)
        policy.value_net.requires_grad_(True)
