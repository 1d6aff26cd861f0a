"""Training by a teacher: a policy on features learns from the reward, then it teaches one that has
sensors.

The lessons are those of DAgger (Ross, Gordon and Bagnell 2011): the student drives more and more
itself, and learns what the teacher would have done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from torch.nn import functional

from racer.env import DeepRacerVectorEnv
from racer.training.networks import SensorPolicy
from racer.training.vec_env import StepCallback

LESSON_STEPS_PER_CAR = 24
LESSON_CARS = 64
LESSON_BATCH_SIZE = 64
"""Labeled observations of an update."""

PASSES_PER_LESSON = 4
"""Updates in which an observation of a lesson takes part, on average."""

FIRST_LEARNING_RATE = 1e-3
LAST_RATE_FRACTION = 0.05
"""What is left of Adam's learning rate at the end."""

TEACHER_DRIVEN_FRACTIONS = (1.0, 0.25)
"""Fractions of the cars that the teacher drives, in the first lessons."""

SWAY_DEVIATION = 0.18
"""Standard deviation of what is added to the teacher's actions with each step, in points of [-1, 1]."""

SWAY_DECAY = 0.2
"""Fraction of the sway that fades with each step."""

MAX_MEMORY_BYTES = 300_000_000
"""Observations beyond this are forgotten, the oldest first."""

Arrays = dict[str, NDArray[Any]]
"""Observations (N, ...) by the kind of their sensor."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the cars of a lesson perceived, N observations, and the teacher's actions (N, ...)."""

    observations: Arrays
    labels: NDArray[Any]

    @property
    def size_bytes(self) -> int:
        """The memory that the observations take."""
        return sum(part.nbytes for part in self.observations.values())


class Classroom:
    """A student, its teachers with the cars of their tracks, and the lessons so far.

    `cars` and `teachers` belong together in pairs. The cars perceive what the student does, and what
    the teachers do: `student_sensors` and `teacher_sensors` are kinds of sensors.
    """

    def __init__(
        self,
        student: SensorPolicy,
        cars: Sequence[DeepRacerVectorEnv],
        teachers: Sequence[BasePolicy],
        student_sensors: tuple[str, ...],
        teacher_sensors: tuple[str, ...],
        seed: int,
    ) -> None:
        self._student = student
        self._cars = tuple(cars)
        self._teachers = tuple(teachers)
        self._student_sensors = student_sensors
        self._teacher_sensors = teacher_sensors
        self._random = np.random.default_rng([seed, 1])
        self._sway = [np.zeros((env.num_envs, 2)) for env in self._cars]
        self._lessons: list[Lesson] = []
        self._optimizer = torch.optim.Adam(
            _acting_weights(student), lr=FIRST_LEARNING_RATE, eps=1e-5, fused=True
        )
        self.lessons_given = 0

    @property
    def steps_per_lesson(self) -> int:
        """Steps of all cars in a lesson."""
        return LESSON_STEPS_PER_CAR * sum(env.num_envs for env in self._cars)

    def give_lesson(self, fraction: float, on_step: StepCallback) -> float:
        """The mean loss of one more lesson.

        `fraction` of all lessons is over, and `on_step` is shown what the cars of the first track do.
        """
        lessons = [self._drive(track, on_step) for track in range(len(self._cars))]
        self._lessons.append(_join_lessons(lessons))
        while len(self._lessons) > 1 and self._memory_bytes() > MAX_MEMORY_BYTES:
            self._lessons.pop(0)
        self.lessons_given += 1
        return self.learn(fraction)

    def learn(self, fraction: float) -> float:
        """The mean loss of updates from the lessons, half of each update from the latest one.

        `fraction` of all lessons is over: the learning rate falls with that.
        """
        labels = np.concatenate([lesson.labels for lesson in self._lessons])
        count = len(labels)
        latest = len(self._lessons[-1].labels)
        self._student.set_training_mode(True)
        for group in self._optimizer.param_groups:
            group["lr"] = FIRST_LEARNING_RATE * (
                1.0 - (1.0 - LAST_RATE_FRACTION) * min(fraction, 1.0)
            )
        half = LESSON_BATCH_SIZE // 2
        losses = []
        for _ in range(PASSES_PER_LESSON * latest // LESSON_BATCH_SIZE):
            from_latest = self._random.integers(count - latest, count, half)
            from_all = self._random.integers(0, count, LESSON_BATCH_SIZE - half)
            index = np.concatenate([from_latest, from_all])
            loss = self._update(self._pick(index), torch.as_tensor(labels[index]))
            losses.append(loss)
        return float(np.mean(losses))

    def state(self) -> dict[str, Any]:
        """What later lessons go on from, but for the observations: those would fill the disk."""
        return {
            "given": self.lessons_given,
            "optimizer": self._optimizer.state_dict(),
            "random": self._random.bit_generator.state,
            "fields": [env.simulation.snapshot() for env in self._cars],
            "suites": [env.sensors.snapshot() for env in self._cars],
            "sway": self._sway,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Be as when `state` was taken, without the observations."""
        self.lessons_given = state["given"]
        self._sway = state["sway"]
        self._optimizer.load_state_dict(state["optimizer"])
        self._random.bit_generator.state = state["random"]
        for env, simulation, sensors in zip(
            self._cars, state["fields"], state["suites"], strict=True
        ):
            env.simulation.restore(simulation)
            env.sensors.restore(sensors)

    def _drive(self, track: int, on_step: StepCallback) -> Lesson:
        """What the cars of a track perceive in a lesson, and what its teacher would do, step by step."""
        cars = self._cars[track]
        driven_by_teacher = self._random.random(cars.num_envs) < self._teacher_fraction()
        steps = []
        for _ in range(LESSON_STEPS_PER_CAR):
            observation = cars.observe()
            label = self._teacher_actions(track, observation)
            student_sees = {name: observation[name].copy() for name in self._student_sensors}
            steps.append(Lesson(student_sees, label))
            actions = self._swayed(track, label)
            if not driven_by_teacher.all():
                by_student = ~driven_by_teacher
                actions[by_student] = self._student_actions(observation, by_student)
            step = cars.advance(actions, with_observation=False)
            if track == 0:
                on_step(step, actions)
            is_over = step.terminated | step.truncated
            cars.restart(is_over)
            self._sway[track][is_over] = 0.0
        return _join_lessons(steps)

    def _teacher_fraction(self) -> float:
        """The fraction of the cars that the teacher drives in this lesson."""
        if self.lessons_given < len(TEACHER_DRIVEN_FRACTIONS):
            return TEACHER_DRIVEN_FRACTIONS[self.lessons_given]
        return 0.0

    def _teacher_actions(self, track: int, observation: Arrays) -> NDArray[Any]:
        teacher_sees = _policy_observation(observation, self._teacher_sensors)
        actions: NDArray[Any]
        actions, _ = self._teachers[track].predict(teacher_sees, deterministic=True)
        if self._cars[track].actions.is_continuous:
            actions = np.clip(actions, -1.0, 1.0)
        return actions

    def _student_actions(self, observation: Arrays, cars: NDArray[np.bool_]) -> NDArray[Any]:
        """What the student does in those of the cars where `cars` (N,) holds."""
        student_sees = {name: observation[name][cars] for name in self._student_sensors}
        actions, _ = self._student.predict(
            _policy_observation(student_sees, self._student_sensors), deterministic=True
        )
        return actions

    def _swayed(self, track: int, actions: NDArray[Any]) -> NDArray[Any]:
        """The teacher's actions with noise, so that the student sees more than its perfect line.

        Continuous actions get noise that lasts some steps; of a list, now and then any other one is
        taken.
        """
        space = self._cars[track].actions
        if not space.is_continuous:
            others = self._random.integers(0, space.size, len(actions))
            return np.where(self._random.random(len(actions)) < SWAY_DEVIATION, others, actions)
        sway = self._sway[track]
        sway += SWAY_DEVIATION * self._random.standard_normal(sway.shape) - SWAY_DECAY * sway
        return np.clip(actions + sway, -1.0, 1.0).astype(np.float32)

    def _memory_bytes(self) -> int:
        return sum(lesson.size_bytes for lesson in self._lessons)

    def _pick(self, index: NDArray[np.int64]) -> Arrays:
        """The observations at these positions of all lessons, one behind the other."""
        ends = np.cumsum([len(lesson.labels) for lesson in self._lessons])
        lessons = np.searchsorted(ends, index, side="right")
        starts = np.concatenate([[0], ends])[lessons]
        rows = list(zip(lessons.tolist(), (index - starts).tolist(), strict=True))
        picked = {}
        for name in self._student_sensors:
            parts = [self._lessons[lesson].observations[name][row] for lesson, row in rows]
            picked[name] = np.stack(parts)
        return picked

    def _update(self, observations: Arrays, labels: torch.Tensor) -> float:
        """The loss of one step of the optimizer."""
        student = self._student
        tensor, _ = student.obs_to_tensor(_policy_observation(observations, self._student_sensors))
        actions = student.action_net(student.pi_features_extractor(_as_floats(tensor)))
        if self._cars[0].actions.is_continuous:
            loss = functional.mse_loss(actions, labels)
        else:
            loss = functional.cross_entropy(actions, labels)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.item()


def _join_lessons(lessons: Sequence[Lesson]) -> Lesson:
    """Lessons one behind the other, as one."""
    observations = {}
    for name in lessons[0].observations:
        observations[name] = np.concatenate([lesson.observations[name] for lesson in lessons])
    return Lesson(observations, np.concatenate([lesson.labels for lesson in lessons]))


def _policy_observation(observation: Arrays, sensors: tuple[str, ...]) -> Any:
    """The observation of a policy that has these sensors: an array of one, a dict of several."""
    if len(sensors) == 1:
        return observation[sensors[0]]
    return {name: observation[name] for name in sensors}


def _as_floats(tensor: Any) -> Any:
    if isinstance(tensor, dict):
        return {name: part.float() for name, part in tensor.items()}
    return tensor.float()


def _acting_weights(policy: SensorPolicy) -> list[torch.nn.Parameter]:
    """The weights that decide what the policy does, and not only what it expects.

    They are listed by modules, not by names: stable-baselines3 has two names for these convolutions,
    and a list of names has one of them.
    """
    return [*policy.pi_features_extractor.parameters(), *policy.action_net.parameters()]
