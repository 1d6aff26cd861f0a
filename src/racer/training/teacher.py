"""The phases of a training by a teacher: a teacher for each track, then its lessons.

A policy on features learns from the reward, then it teaches one that has sensors. The lessons are
those of DAgger (Ross, Gordon and Bagnell 2011): the student drives more and more itself, and
learns what the teacher would have done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from torch.nn import functional

from racer.env import DeepRacerVectorEnv
from racer.errors import UsageError
from racer.sensors import sensor_kind
from racer.training.config import TrainConfig
from racer.training.learner import load_policy
from racer.training.networks import SensorPolicy
from racer.training.run import Run
from racer.training.session import PhaseBudget, Session, Update
from racer.training.setup import ProgressCallback, StepCallback, TrainingProgress, TrainingSetup

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

TEACHER_STEPS = 65_536
"""Steps of a teacher's own training."""

TEACHER_STEPS_AMONG_OBSTACLES = 131_072

SHARED_KEYS = (
    "reward",
    "reverse",
    "car",
    "noise",
    "seed",
    "reward_timeout",
    "start_offset",
    "start_advance",
    "alternate_direction",
    "objects",
)
"""Keys of the configuration that a teacher has from its student."""


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


class TeacherPhase:
    """The phase in which teachers learn: a policy on features for each track of the student.

    `budget` is that of the lessons: when it is spent, no teacher is needed any more. `open_session`
    opens the session of a teacher's run.
    """

    def __init__(
        self, setup: TrainingSetup, budget: PhaseBudget, open_session: Callable[[Run], Session]
    ) -> None:
        self._setup = setup
        self._budget = budget
        self._open_session = open_session
        self.track_files = student_track_files(setup.run)
        self.teachers: list[BasePolicy] = []

    def update(self, on_progress: ProgressCallback) -> Update:
        """Load the next track's teacher, after training it if it has not been."""
        name = list(self.track_files)[len(self.teachers)]
        run = self._teacher_run(name)
        session = self._open_session(run)
        session.resume()
        if not session.is_spent():
            session.train(self._shown_as_teacher(name, on_progress))
        if session.was_stopped:
            return Update(steps=0, was_stopped=True)
        self._judge_teacher(session)
        self.teachers.append(load_policy(run))
        return Update(steps=0)

    def is_over(self, elapsed: float = 0.0) -> bool:
        """Whether every track has its teacher, or the lessons are over."""
        if self._budget.is_spent(self._setup.progress, elapsed):
            return True
        return len(self.teachers) == len(self.track_files)

    def state(self) -> dict[str, Any]:
        """Nothing: a teacher is a run of its own."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""

    def _teacher_run(self, name: str) -> Run:
        """The run of the teacher of a track, which is made if there is none."""
        folder = self._setup.run.folder / "teacher" / name
        if (folder / "run.json").exists():
            return Run.open(folder)
        return Run.create(teacher_config(self._setup.run, self.track_files[name]), folder)

    def _shown_as_teacher(self, name: str, on_progress: ProgressCallback) -> ProgressCallback:
        """A callback that shows the progress of a teacher as a phase of its student's."""
        phase = "teacher"
        if self._setup.run.config.also_tracks:
            phase = f"teacher {name}"

        def show(progress: TrainingProgress) -> None:
            on_progress(replace(progress, phase=phase))

        return show

    def _judge_teacher(self, session: Session) -> None:
        """Raise UsageError when a teacher laps nowhere; note when it does not always."""
        folder = session.run.folder
        config = self._setup.run.config
        best = session.progress.best
        if best is None or not best.complete:
            raise UsageError(
                f"the teacher completed no lap ({folder}): a student cannot learn from it. Try another reward, or more "
                f"steps without a teacher: racer train {config.reward} --observation {config.observation}"
            )
        if not best.is_clean:
            self._setup.notes.append(
                f"the teacher completed {best.complete} of {best.trials} laps ({folder})"
            )


class LessonPhase:
    """The phase of lessons, which the teachers of `teacher_phase` give; each is an iteration."""

    def __init__(
        self, setup: TrainingSetup, budget: PhaseBudget, teacher_phase: TeacherPhase
    ) -> None:
        self._setup = setup
        self._budget = budget
        self._teacher_phase = teacher_phase
        self._saved: dict[str, Any] | None = None  # the state that the first lesson goes on from
        self.classroom: Classroom | None = None

    def update(self, on_progress: ProgressCallback) -> Update:
        """One lesson."""
        if self.classroom is None:
            self.classroom = self._open_classroom()
        progress = self._setup.progress
        progress.phase = f"lesson {self.classroom.lessons_given + 1}"
        fraction = self._budget.learned_fraction(progress)
        loss = self.classroom.give_lesson(fraction, self._setup.recorder.record)
        steps = self.classroom.steps_per_lesson
        progress.steps += steps
        self._setup.model.num_timesteps = progress.steps
        self._setup.model.logger.record("lessons/loss", loss)
        return Update(steps, ends_iteration=True)

    def is_over(self, elapsed: float = 0.0) -> bool:
        """Whether the steps or minutes of lessons are used up."""
        return self._budget.is_spent(self._setup.progress, elapsed)

    def state(self) -> dict[str, Any]:
        """The lessons so far, without their observations."""
        if self.classroom is None:
            return {"lessons": self._saved}
        return {"lessons": self.classroom.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on with the lessons; their observations are gathered anew."""
        self._saved = state["lessons"]
        if self._saved is not None and not self.is_over():
            self._setup.notes.append(
                "the lessons' observations are not kept: later lessons begin with new ones"
            )

    def _open_classroom(self) -> Classroom:
        run = self._setup.run
        teachers = self._teacher_phase.teachers
        teacher_sensors = privileged_sensors(run)
        more_sensors = [name for name in teacher_sensors if name not in run.observation]
        arguments = self._setup.practice_arguments()
        arguments["observation"] = [*run.observation, *more_sensors]
        arguments["last_words"] = None
        track_files = self._teacher_phase.track_files.values()
        cars_of_each_track = LESSON_CARS // len(teachers)
        cars = []
        for number, file in enumerate(track_files, start=1):
            env = DeepRacerVectorEnv(cars_of_each_track, **arguments | {"track": file})
            env.reset(seed=run.config.seed + 1000 * number)
            cars.append(env)
        student: Any = self._setup.model.policy
        student_sensors = tuple(map(sensor_kind, run.observation))
        classroom = Classroom(
            student, cars, teachers, student_sensors, teacher_sensors, run.config.seed
        )
        if self._saved is not None:
            classroom.restore(self._saved)
        return classroom


def student_track_files(run: Run) -> dict[str, Path]:
    """The route files of all tracks of a student, by their names in its folder `teacher`."""
    files = {"track": run.folder / "track.npy"}
    return files | {file.stem: file for file in run.other_track_files}


def teacher_config(run: Run, track_file: Path) -> TrainConfig:
    """The configuration of a student's teacher: its own, but for what it perceives."""
    config = run.config
    table = {key: getattr(config, key) for key in SHARED_KEYS}
    table |= {
        "track": str(track_file),
        "traced_cars": 0,
        "observation": ",".join(privileged_sensors(run)),
        "action_space": str(run.folder / "model" / "model_metadata.json"),
        "steps": TEACHER_STEPS_AMONG_OBSTACLES if config.objects else TEACHER_STEPS,
    }
    return TrainConfig.model_validate(table)


def privileged_sensors(run: Run) -> tuple[str, ...]:
    """What a teacher perceives."""
    if run.config.objects:
        return ("features", "objects")
    return ("features",)
