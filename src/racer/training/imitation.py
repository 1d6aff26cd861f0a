"""Training by a teacher: a policy on features is trained with the reward, then it teaches one that
has sensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from torch.nn import functional

from racer.env import DeepRacerVectorEnv
from racer.errors import UsageError
from racer.sensors.observation import sensor_kind
from racer.training.config import TrainConfig
from racer.training.evaluation import (
    EvaluationScore,
    evaluate_policy,
    merge_evaluations,
    trial_cars,
)
from racer.training.learner import load_policy
from racer.training.networks import SensorPolicy
from racer.training.run import Run, create_run, open_run
from racer.training.session import ProgressCallback, Session
from racer.training.vec_env import StepCallback

LESSON_STEPS_PER_CAR = 24  # of each car in a lesson
LESSON_CARS = 64
LESSON_BATCH_SIZE = 64  # labeled observations of an update
# updates in which an observation of a lesson takes part, as if each took part in as many
PASSES_PER_LESSON = 4
RATE, LEFT = 1e-3, 0.05  # learning rate of Adam at the beginning, and what is left of it at the end
TEACHER_DRIVEN_FRACTIONS = (
    1.0,
    0.25,
)  # share of the cars that the teacher drives, in the first lessons
# what is added to its actions each step, standard deviation, and how fast that fades
SWAY, BACK = 0.18, 0.2
MAX_MEMORY_BYTES = 300_000_000  # bytes of observations that are kept
Arrays = dict[str, NDArray[Any]]


class Lessons:
    """Cars, teachers and what was seen so far (a class: it remembers). `cars` and `teachers` belong
    together in pairs.

    The cars perceive what the student does, and what the teachers do: `student` and `teacher` name
    these senses.
    """

    def __init__(
        self,
        policy: SensorPolicy,
        cars: Sequence[DeepRacerVectorEnv],
        teachers: Sequence[BasePolicy],
        senses: tuple[tuple[str, ...], tuple[str, ...]],
        seed: int,
    ) -> None:
        self._policy, self._cars, self._teachers = policy, cars, teachers
        self._student, self._teacher = senses
        self._random = np.random.default_rng([seed, 1])
        self._sway = [np.zeros((some.num_envs, 2)) for some in cars]
        self._seen: list[tuple[Arrays, NDArray[Any]]] = []  # one a lesson
        self._watch: StepCallback | None = None
        self._optimizer = torch.optim.Adam(
            _weights_of_the_policy(policy), lr=RATE, eps=1e-5, fused=True
        )
        self.given = 0

    @property
    def steps(self) -> int:
        """Steps of all cars in a lesson."""
        return LESSON_STEPS_PER_CAR * sum(some.num_envs for some in self._cars)

    def give(self, share: float, watch: StepCallback) -> float:
        """The mean loss of one more lesson; `share` of all is over, and `watch` is shown what the
        first cars do.
        """
        self._watch = watch
        seen, labels = zip(
            *[part for k in range(len(self._cars)) for part in self._drive(k)], strict=True
        )
        self._seen.append(
            (
                {key: np.concatenate([s[key] for s in seen]) for key in seen[0]},
                np.concatenate(labels),
            )
        )
        while (
            len(self._seen) > 1
            and sum(part.nbytes for s, _ in self._seen for part in s.values()) > MAX_MEMORY_BYTES
        ):
            self._seen.pop(0)
        self.given += 1
        return self._learn(share)

    def state(self) -> dict[str, Any]:
        """What later lessons go on from, but for the observations: those are too many to be kept on
        disk.
        """
        return {
            "given": self.given,
            "optimizer": self._optimizer.state_dict(),
            "random": self._random.bit_generator.state,
            "fields": [some.simulation.snapshot() for some in self._cars],
            "suites": [some.sensors.snapshot() for some in self._cars],
            "sway": self._sway,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Be as when `state` was taken, without the observations."""
        self.given, self._sway = state["given"], state["sway"]
        self._optimizer.load_state_dict(state["optimizer"])
        self._random.bit_generator.state = state["random"]
        for some, field, suite in zip(self._cars, state["fields"], state["suites"], strict=True):
            some.simulation.restore(field)
            some.sensors.restore(suite)

    def _drive(self, k: int) -> list[tuple[Arrays, NDArray[Any]]]:
        """What the cars of track `k` perceive in a lesson, and what its teacher would do, step by
        step.
        """
        cars, found = self._cars[k], []
        share = (
            TEACHER_DRIVEN_FRACTIONS[self.given]
            if self.given < len(TEACHER_DRIVEN_FRACTIONS)
            else 0.0
        )
        taught = self._random.random(cars.num_envs) < share
        for _ in range(LESSON_STEPS_PER_CAR):
            seen = cars.observe()
            label = self._label(k, seen)
            found.append(({name: seen[name].copy() for name in self._student}, label))
            actions = self._swayed(k, label)
            if not taught.all():
                actions[~taught] = self._answer(
                    {name: seen[name][~taught] for name in self._student}
                )
            turn = cars.turn(actions, see=False)
            if self._watch is not None and k == 0:
                self._watch(turn, actions)
            over = turn.terminated | turn.truncated
            cars.restart(over)
            self._sway[k][over] = 0.0
        return found

    def _label(self, k: int, seen: Arrays) -> NDArray[Any]:
        label, _ = self._teachers[k].predict(_sensed(seen, self._teacher), deterministic=True)
        return np.clip(label, -1.0, 1.0) if self._cars[k].actions.is_continuous else label

    def _swayed(self, k: int, label: NDArray[Any]) -> NDArray[Any]:
        """The teacher's actions with noise that lasts some steps; of a list of actions, now and
        then any other.
        """
        cars = self._cars[k]
        if not cars.actions.is_continuous:
            other = self._random.integers(0, cars.actions.size, len(label))
            return np.where(self._random.random(len(label)) < SWAY, other, label)
        sway = self._sway[k]
        sway += SWAY * self._random.standard_normal(sway.shape) - BACK * sway
        return np.clip(label + sway, -1.0, 1.0).astype(np.float32)

    def _answer(self, seen: Arrays) -> NDArray[Any]:
        """The student's own actions."""
        action, _ = self._policy.predict(_sensed(seen, self._student), deterministic=True)
        return action

    def _learn(self, share: float) -> float:
        """Mean loss of updates from the latest lesson, half of each, and all that are remembered."""
        labels = np.concatenate([label for _, label in self._seen])
        fresh = len(self._seen[-1][1])
        losses = []
        self._policy.set_training_mode(True)
        for group in self._optimizer.param_groups:
            group["lr"] = RATE * (1.0 - (1.0 - LEFT) * min(share, 1.0))
        for _ in range(PASSES_PER_LESSON * fresh // LESSON_BATCH_SIZE):
            late = self._random.integers(len(labels) - fresh, len(labels), LESSON_BATCH_SIZE // 2)
            chosen = np.concatenate(
                [
                    late,
                    self._random.integers(
                        0, len(labels), LESSON_BATCH_SIZE - LESSON_BATCH_SIZE // 2
                    ),
                ]
            )
            losses.append(self._update(self._pick(chosen), torch.as_tensor(labels[chosen])))
        return float(np.mean(losses))

    def _pick(self, chosen: NDArray[np.int64]) -> Arrays:
        """The observations at these places of all that are remembered."""
        ends = np.cumsum([len(label) for _, label in self._seen])
        lesson = np.searchsorted(ends, chosen, side="right")
        place = chosen - np.concatenate([[0], ends])[lesson]
        rows = [(self._seen[i][0], j) for i, j in zip(lesson.tolist(), place.tolist(), strict=True)]
        return {name: np.stack([seen[name][j] for seen, j in rows]) for name in self._student}

    def _update(self, seen: Arrays, labels: torch.Tensor) -> float:
        policy = self._policy
        tensor, _ = policy.obs_to_tensor(_sensed(seen, self._student))
        answer = policy.action_net(policy.pi_features_extractor(_floats(tensor)))
        if self._cars[0].actions.is_continuous:
            loss = functional.mse_loss(answer, labels)
        else:
            loss = functional.cross_entropy(answer, labels)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.item()


def _sensed(seen: Arrays, names: tuple[str, ...]) -> Any:
    """The observation of a policy that has these senses."""
    return {name: seen[name] for name in names} if len(names) > 1 else seen[names[0]]


def _floats(tensor: Any) -> Any:
    return (
        {name: part.float() for name, part in tensor.items()}
        if isinstance(tensor, dict)
        else tensor.float()
    )


def _weights_of_the_policy(policy: SensorPolicy) -> list[torch.nn.Parameter]:
    """What has a say in what the policy does, and not only in what it expects.

    By modules, not by names: stable-baselines3 has two names for these convolutions, and a list of
    names tells one.
    """
    return [*policy.pi_features_extractor.parameters(), *policy.action_net.parameters()]


TEACHER_STEPS = 65_536  # of a teacher's own training
TEACHER_STEPS_AMONG_OBJECTS = 131_072  # the same where there are objects
# of fine-tuning in which the value alone is learned: the lessons have not taught it
VALUE_ONLY_STEPS = 4_096


class Teaching(Session):
    """A session in three parts: a teacher for each track, its lessons, and PPO where fine-tuning is
    asked for.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._tracks = {
            "track": run.folder / "track.npy",
            **{file.stem: file for file in run.more_tracks},
        }
        more = [self._arguments() | {"track": file} for file in run.more_tracks]
        self._more_trials = [trial_cars(arguments) for arguments in more]
        self._lessons: Lessons | None = None
        self._kept: dict[str, Any] | None = None  # of lessons that are gone on with

    def resume(self) -> None:
        """Go on from the latest checkpoint. The observations of earlier lessons are gathered anew."""
        super().resume()
        if self._kept is not None and self.progress.steps < self.run.config.steps:
            self.notes.append(
                "the lessons' observations are not kept: later lessons begin with new ones"
            )

    def _advance(self, report: ProgressCallback) -> None:
        config = self.run.config
        if self._lessons is None:
            self._lessons = self._first_lesson(report)
        elif config.minutes is not None or self.progress.steps < config.steps:
            self._lesson(self._lessons)
        else:
            self._fine_tune(report)

    def _first_lesson(self, report: ProgressCallback) -> Lessons | None:
        """The lessons to be given, when the teachers know their tracks; None when Ctrl-C came
        before.
        """
        teachers = []
        for name, file in self._tracks.items():
            found = self._teacher(name, file, report)
            if found is None:
                return None
            teachers.append(found)
        student = tuple(sensor_kind(name) for name in self.run.observation)
        known = _privileged(self.run)
        words = [
            *self.run.observation,
            *(name for name in known if name not in self.run.observation),
        ]
        each = self._arguments() | {"observation": words, "last_words": None}
        cars = [
            DeepRacerVectorEnv(LESSON_CARS // len(teachers), **each | {"track": file})
            for file in self._tracks.values()
        ]
        for k, some in enumerate(cars):
            some.reset(seed=self.run.config.seed + 1000 * (k + 1))
        policy: Any = self.model.policy
        lessons = Lessons(policy, cars, teachers, (student, known), self.run.config.seed)
        if self._kept is not None:
            lessons.restore(self._kept)
        return lessons

    def _teacher(self, name: str, file: Path, report: ProgressCallback) -> BasePolicy | None:
        """The best policy on features for a track, trained now unless it has been; None when Ctrl-C
        came.
        """
        folder, config = self.run.folder / "teacher" / name, self.run.config
        run = (
            open_run(folder)
            if (folder / "run.json").exists()
            else create_run(self._teachers_config(file), folder)
        )
        session = Session(run)
        session.resume()
        if not session.is_spent:
            session.train(
                lambda progress: report(
                    replace(progress, phase=f"teacher {name}" if config.also_tracks else "teacher")
                )
            )
        self._stopped = self._stopped or session.was_stopped
        if session.was_stopped:
            return None
        best = session.progress.best
        if best is None or not best.complete:
            raise UsageError(
                f"the teacher completed no lap ({folder}): a student cannot learn from it. Try another reward, or more "
                f"steps without a teacher: racer train {config.reward} --observation {config.observation}"
            )
        if not best.is_clean:
            self.notes.append(
                f"the teacher completed {best.complete} of {best.trials} laps ({folder})"
            )
        return load_policy(run)

    def _teachers_config(self, file: Path) -> TrainConfig:
        """What a teacher is trained with: all as its student, but for what it perceives."""
        config = self.run.config
        names = (
            "reward",
            "reverse",
            "car",
            "noise",
            "seed",
            "reward_timeout",
            "start_offset",
            "start_advance",
        )
        told: dict[str, Any] = {
            name: getattr(config, name) for name in (*names, "alternate_direction", "objects")
        }
        told |= {
            "track": str(file),
            "traced_cars": 0,
            "observation": ",".join(_privileged(self.run)),
        }
        told |= {"action_space": str(self.run.folder / "model" / "model_metadata.json")}
        steps = TEACHER_STEPS_AMONG_OBJECTS if config.objects else TEACHER_STEPS
        return TrainConfig.model_validate(told | {"steps": steps})

    def _lesson(self, lessons: Lessons) -> None:
        config = self.run.config
        self.progress.phase = f"lesson {lessons.given + 1}"
        share = self.share() if config.minutes else self.progress.steps / config.steps
        loss = lessons.give(share, self.recorder.watch)
        self.progress.steps += lessons.steps
        self.model.num_timesteps = self.progress.steps
        self.model.logger.record("lessons/loss", loss)

    def _fine_tune(self, report: ProgressCallback) -> None:
        """One update of PPO, which begins by learning the value of what the student does."""
        if self.progress.phase != "fine-tuning":
            self.recorder.forget()
        self.progress.phase = "fine-tuning"
        learned = self.progress.steps - self.run.config.steps >= VALUE_ONLY_STEPS
        policy: Any = self.model.policy
        policy.requires_grad_(learned)
        policy.vf_features_extractor.requires_grad_(True)
        policy.value_net.requires_grad_(True)
        super()._advance(report)

    def _learned(self) -> float:
        config = self.run.config
        return (self.progress.steps - config.steps) / config.fine_tune if config.fine_tune else 0.0

    def _ends_iteration(self, rollout: int, began: float) -> bool:
        """An iteration is a lesson; of fine-tuning, as of any training."""
        if rollout == 0:
            return False
        is_lesson = self._lessons is not None and self.progress.phase != "fine-tuning"
        return is_lesson or super()._ends_iteration(rollout, began)

    def _evaluate(self) -> tuple[EvaluationScore, pd.DataFrame]:
        """Score and laps on all tracks together."""
        all_cars = [self._trials, *self._more_trials]
        return merge_evaluations(
            [evaluate_policy(self.model.policy, cars, self.progress.iteration) for cars in all_cars]
        )

    def _state(self) -> dict[str, Any]:
        return super()._state() | {
            "lessons": self._lessons.state() if self._lessons else self._kept
        }

    def _restore(self, saved: dict[str, Any]) -> None:
        super()._restore(saved)
        self._kept = saved["lessons"]


def open_session(run: Run) -> Session:
    """The session that trains a run in the way that it says."""
    return Teaching(run) if run.config.teacher else Session(run)


def _privileged(run: Run) -> tuple[str, ...]:
    """What a teacher perceives."""
    return ("features", "objects") if run.config.objects else ("features",)
