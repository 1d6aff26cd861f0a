"""The session of a training: its phases, the loop over their updates, evaluations and checkpoints.

Each phase improves the policy by one `update` after the other. A plain training has one phase, in
which PPO or SAC learn from the reward; before it, one that starts from a policy that another reward
has taught has `ValuePhase`. One with a teacher has `TeacherPhase` and `LessonPhase` of
`racer.training.teacher`, and `FineTuningPhase` where that is asked for.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Protocol

import pandas as pd

from racer.errors import RacerError, UsageError
from racer.files import hold_folder, write_file, write_json
from racer.reward import RewardRefused
from racer.training.learner import (
    UNREADABLE,
    first_line,
    only_value_trained,
    read_plain,
    save_policy,
    write_plain,
)
from racer.training.lineage import FAILURE_FILE
from racer.training.run import Run, write_failing_step, write_failure
from racer.training.setup import ProgressCallback, TrainingProgress, TrainingSetup
from racer.training.trials import EvaluationScore, evaluate_policy, merge_evaluations, move_trials

VALUE_ONLY_STEPS = 4_096
"""Steps of fine-tuning in which the value alone is learned, as lessons do not teach it."""


VALUE_STEPS = 8_192
"""Steps in which the value network alone learns, where a training starts from the policy of a run
with another reward: benchmarks/results/learning_from.txt has what that costs and brings."""


@dataclass(frozen=True)
class PhaseBudget:
    """When a phase is over: after `minutes` of training, after so many `iterations`, or after `steps`
    from `first_step` on.

    Its learning rate has fallen after `lr_steps`; None: when the phase is over.
    """

    steps: int
    first_step: int = 0
    minutes: float | None = None
    lr_steps: int | None = None
    iterations: int | None = None

    def fraction(self, progress: TrainingProgress) -> float:
        """How much of the budget is used up; 1 when all of it is."""
        if self.minutes is not None:
            return progress.seconds / (60.0 * self.minutes)
        if self.iterations is not None:
            return progress.iteration / self.iterations
        return (progress.steps - self.first_step) / self.steps

    def learned_fraction(self, progress: TrainingProgress) -> float:
        """How far the learning rate has fallen; 1 or more when it stays."""
        if self.lr_steps is None:
            return self.fraction(progress)
        return (progress.steps - self.first_step) / self.lr_steps

    def is_spent(self, progress: TrainingProgress, elapsed: float = 0.0) -> bool:
        """Whether the budget is used up, `elapsed` s after the latest update that was counted."""
        if self.minutes is not None:
            return progress.seconds + elapsed >= 60.0 * self.minutes
        if self.iterations is not None:
            return progress.iteration >= self.iterations
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
        progress = self._setup.progress
        if progress.phase == ValuePhase.NAME:
            progress.phase = ""
        return self.learn()

    def learn(self) -> Update:
        """One update of whatever is trained now."""
        self._setup.learned_fraction = self._budget.learned_fraction(self._setup.progress)
        return Update(self._setup.update_policy())

    def is_over(self, elapsed: float = 0.0) -> bool:
        """Whether steps or minutes are used up."""
        return self._budget.is_spent(self._setup.progress, elapsed)

    def state(self) -> dict[str, Any]:
        """Nothing: all of it is in the setup."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


class ValuePhase:
    """The value network learns what the policy that a training starts from is paid, and the policy
    waits: by the advice of a value network that knows nothing it would be lost.
    """

    NAME = "value"

    def __init__(self, setup: TrainingSetup, budget: PhaseBudget) -> None:
        self._setup = setup
        self._budget = replace(budget, steps=VALUE_STEPS, minutes=None)
        self._learning = RewardPhase(setup, budget)

    def update(self, on_progress: ProgressCallback) -> Update:
        """One update of the value network."""
        self._setup.progress.phase = self.NAME
        with only_value_trained(self._setup.model):
            return self._learning.learn()

    def is_over(self, elapsed: float = 0.0) -> bool:
        """Whether its steps are taken."""
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


class Session:
    """Trains a run, phase after phase, from its first step or from where it was left.

    It owns the loop and the checkpoint; `setup` has what is trained, and `phases` say how.
    """

    def __init__(self, setup: TrainingSetup, phases: Sequence[TrainingPhase]) -> None:
        self.setup = setup
        self.phases = tuple(phases)
        self._is_stopped = False

    @property
    def run(self) -> Run:
        """The run that is trained."""
        return self.setup.run

    @property
    def progress(self) -> TrainingProgress:
        """How far the training has come."""
        return self.setup.progress

    @property
    def notes(self) -> list[str]:
        """Sentences for the user."""
        return self.setup.notes

    @property
    def was_stopped(self) -> bool:
        """Whether Ctrl-C ended the training before its time."""
        return self._is_stopped

    def stop(self) -> None:
        """End the training after the update that is going on, as Ctrl-C does."""
        self._is_stopped = True

    def is_spent(self, elapsed: float = 0.0) -> bool:
        """Whether the training is at its end, `elapsed` s after the latest update that was counted."""
        return self.phases[-1].is_over(elapsed)

    def fraction(self) -> float:
        """How much of the training is done, from 0 to 1."""
        config = self.run.config
        if config.minutes is not None:
            return self.progress.seconds / (60.0 * config.minutes)
        return self.progress.steps / (config.steps + config.fine_tune)

    def train(self, on_progress: ProgressCallback) -> TrainingProgress:
        """Train until the steps or minutes are over, or Ctrl-C; write checkpoints on the way.

        Raises UsageError while another process trains the same run.
        """
        with hold_folder(self.run.folder), self._interruptible(), self._failure_saved():
            (self.run.folder / FAILURE_FILE).unlink(missing_ok=True)
            if not self.run.state.exists():
                if self.run.lineage:
                    self._judge_start()
                self._save()
            while not (self._is_stopped or self.is_spent()):
                self._update(on_progress)
            self._save()
        return self.progress

    def resume(self) -> None:
        """Go on from the run's latest checkpoint, or from the beginning when it has none."""
        if self.run.reward_has_changed():
            self.notes.append(
                f"{self.run.reward} has changed since the run began: training goes on with it as it is now"
            )
        if not self.run.state.exists():
            return
        state = read_plain(self.run.state, "train anew")
        try:
            self._restore(state)
        except UNREADABLE as error:
            raise UsageError(
                f"{self.run.state} does not fit this run ({first_line(error)}): train anew"
            ) from None

    def _restore(self, state: dict[str, Any]) -> None:
        """Be as when `state` was saved.

        Beyond the end of a shorter training, be as if that had not ended: what was evaluated there
        stays in the table, but it ends no iteration. Raises UNREADABLE for what does not fit.
        """
        latest = TrainingProgress.from_state(state["progress"])
        self.setup.progress = latest
        is_longer = False
        if self.run.longer_state.exists() and not self.is_spent():
            longer = read_plain(self.run.longer_state, "train anew")
            is_longer = longer["progress"]["steps"] == latest.steps  # and not of an earlier end
        if is_longer:
            state = longer
        self.setup.restore(state)
        for phase in self.phases:
            phase.restore(state)
        if is_longer:
            before_end = self.progress
            self.setup.progress = replace(
                latest, iteration=before_end.iteration, completion=before_end.completion
            )

    def _update(self, on_progress: ProgressCallback) -> None:
        """One update of the phase that is due, and what follows from it."""
        began = monotonic()
        phase = next(phase for phase in self.phases if not phase.is_over())
        update = phase.update(on_progress)
        if update.was_stopped:
            self._is_stopped = True
        elapsed = monotonic() - began
        # Ctrl-C has no say here: a resumed training has the same iterations
        if update.steps:
            if update.ends_iteration or self._passed_evaluation(update.steps):
                self._finish_iteration(began)
            elif self.is_spent(elapsed):
                # a longer training would not be evaluated here
                write_plain(self.run.longer_state, self._state())
                self._finish_iteration(began)
        self.progress.seconds += monotonic() - began
        on_progress(self.progress)

    def _passed_evaluation(self, steps: int) -> bool:
        """Whether an evaluation was due within the latest `steps`."""
        every = self.run.config.evaluate_every
        return self.progress.steps // every > (self.progress.steps - steps) // every

    def _finish_iteration(self, began: float) -> None:
        """Evaluate the policy, keep it, and write the log of the iteration."""
        progress = self.progress
        score, laps = self._evaluate()
        episodes = self.setup.recorder.write_iteration(progress.iteration, laps)
        progress.iteration += 1
        progress.latest = score
        seconds = progress.seconds + monotonic() - began
        if len(episodes):
            progress.completion = float(episodes["completion"].mean())
        name = f"{progress.steps}.pt"
        save_policy(self.setup.model, self.run.checkpoints / name)
        self._keep_score(score, seconds, name)
        self._write_logs(score)
        self._save()

    def _judge_start(self) -> None:
        """Evaluate the policy that the run starts from, which may remain the best."""
        began = monotonic()
        self.progress.latest, _ = self._evaluate()
        seconds = monotonic() - began
        self.progress.seconds += seconds
        self._keep_score(self.progress.latest, seconds, self.run.start_file.name)
        self._write_logs(self.progress.latest)

    def _evaluate(self) -> tuple[EvaluationScore, pd.DataFrame]:
        """Score and laps of the policy as it is, on all tracks together."""
        if self.run.config.trial_starts == "round_robin":
            for trials in self.setup.trials:
                move_trials(trials, self.setup.cars)
        evaluations = [
            evaluate_policy(self.setup.model, cars, self.progress.iteration)
            for cars in self.setup.trials
        ]
        return merge_evaluations(evaluations)

    def _keep_score(self, score: EvaluationScore, seconds: float, checkpoint: str) -> None:
        """Keep the score of a checkpoint; best.json names that if it is the best so far."""
        progress = self.progress
        if score.is_clean and progress.first_clean is None:
            progress.first_clean = (progress.steps, seconds)
        evaluation = {
            "steps": progress.steps,
            "seconds": round(seconds, 3),
            **score.as_json(),
            "checkpoint": checkpoint,
        }
        progress.evaluations.append(evaluation)
        if progress.best is None or score.rank >= progress.best.rank:
            progress.best = score
            write_json(self.run.checkpoints / "best.json", evaluation)

    def _write_logs(self, score: EvaluationScore) -> None:
        """Write the curves of tensorboard, the trainer's log, and evaluations.csv."""
        logger = self.setup.model.logger
        for name, value in score.as_json().items():
            if value is not None:
                logger.record(f"evaluation/{name}", value)
        logger.record("rollout/completion", self.progress.completion)
        logger.dump(self.progress.steps)
        lines = "".join(f"{line}\n" for line in self.setup.trainer_log)
        write_file(self.run.folder / "logs" / "trainer.log", lines)
        evaluations = pd.DataFrame(self.progress.evaluations)
        write_file(self.run.folder / "evaluations.csv", evaluations.to_csv(index=False))

    def _save(self) -> None:
        """Write everything that a resumed training needs, whole or not at all."""
        write_plain(self.run.state, self._state())
        if not self.is_spent():
            self.run.longer_state.unlink(missing_ok=True)

    def _state(self) -> dict[str, Any]:
        """Everything that a resumed training needs."""
        state = self.setup.state()
        for phase in self.phases:
            state |= phase.state()
        return state

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C ends the training after the update that is going on; a second one at once."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python hands signals to the main thread only
            return

        def stop(number: int, frame: Any) -> None:
            if self._is_stopped:
                raise KeyboardInterrupt
            self._is_stopped = True

        previous = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    @contextmanager
    def _failure_saved(self) -> Iterator[None]:
        try:
            yield
        except RewardRefused as error:
            error.advice = write_failing_step(self.run, error)
            write_failure(self.run, error)
            raise
        except RacerError as error:
            write_failure(self.run, error)
            raise
