"""The phases of a training by a teacher: a teacher for each track, then its lessons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from stable_baselines3.common.policies import BasePolicy

from racer.env import DeepRacerVectorEnv
from racer.errors import UsageError
from racer.sensors.observation import sensor_kind
from racer.training.config import TrainConfig
from racer.training.imitation import LESSON_CARS, Classroom
from racer.training.learner import load_policy
from racer.training.phases import PhaseBudget, Update
from racer.training.run import Run
from racer.training.session import Session
from racer.training.setup import ProgressCallback, TrainingProgress, TrainingSetup

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
        fraction = self._budget.fraction(progress)
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
