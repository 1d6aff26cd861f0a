"""Training by a teacher: a policy on features is trained with the reward, then it teaches one that has sensors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from stable_baselines3.common.policies import BasePolicy

from racer.env import DeepRacerVectorEnv
from racer.errors import UsageError
from racer.sensors.suite import kind
from racer.train.config import TrainConfig
from racer.train.evaluation import Score, evaluate, merged, trial_cars
from racer.train.learner import load_policy
from racer.train.lessons import CARS, Lessons
from racer.train.run import Run, create, open_run
from racer.train.session import Report, Session

TEACHER_STEPS = 65_536  # of a teacher's own training
TEACHER_STEPS_AMONG_OBJECTS = 131_072  # the same where there are objects
VALUE_STEPS = 4_096  # of fine-tuning in which the value alone is learned: the lessons have not taught it


class Teaching(Session):
    """A session in three parts: a teacher for each track, its lessons, and PPO where fine-tuning is asked for."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._tracks = {"track": run.folder / "track.npy", **{file.stem: file for file in run.more_tracks}}
        more = [self._arguments() | {"track": file} for file in run.more_tracks]
        self._more_trials = [trial_cars(arguments) for arguments in more]
        self._lessons: Lessons | None = None
        self._kept: dict[str, Any] | None = None  # of lessons that are gone on with

    def resume(self) -> None:
        """Go on from the latest checkpoint. The observations of earlier lessons are gathered anew."""
        super().resume()
        if self._kept is not None and self.progress.steps < self.run.config.steps:
            self.notes.append("the lessons' observations are not kept: later lessons begin with new ones")

    def _advance(self, report: Report) -> None:
        config = self.run.config
        if self._lessons is None:
            self._lessons = self._first_lesson(report)
        elif config.minutes is not None or self.progress.steps < config.steps:
            self._lesson(self._lessons)
        else:
            self._fine_tune(report)

    def _first_lesson(self, report: Report) -> Lessons | None:
        """The lessons to be given, when the teachers know their tracks; None when Ctrl-C came before."""
        teachers = []
        for name, file in self._tracks.items():
            found = self._teacher(name, file, report)
            if found is None:
                return None
            teachers.append(found)
        student = tuple(kind(name) for name in self.run.observation)
        known = _privileged(self.run)
        words = [*self.run.observation, *(name for name in known if name not in self.run.observation)]
        each = self._arguments() | {"observation": words, "last_words": None}
        cars = [DeepRacerVectorEnv(CARS // len(teachers), **each | {"track": file}) for file in self._tracks.values()]
        for k, some in enumerate(cars):
            some.reset(seed=self.run.config.seed + 1000 * (k + 1))
        policy: Any = self.model.policy
        lessons = Lessons(policy, cars, teachers, (student, known), self.run.config.seed)
        if self._kept is not None:
            lessons.restore(self._kept)
        return lessons

    def _teacher(self, name: str, file: Path, report: Report) -> BasePolicy | None:
        """The best policy on features for a track, trained now unless it has been; None when Ctrl-C came."""
        folder, config = self.run.folder / "teacher" / name, self.run.config
        run = open_run(folder) if (folder / "run.json").exists() else create(self._teachers_config(file), folder)
        session = Session(run)
        session.resume()
        if not session.is_spent:
            session.train(
                lambda progress: report(replace(progress, phase=f"teacher {name}" if config.also_tracks else "teacher"))
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
            self.notes.append(f"the teacher completed {best.complete} of {best.trials} laps ({folder})")
        return load_policy(run)

    def _teachers_config(self, file: Path) -> TrainConfig:
        """What a teacher is trained with: all as its student, but for what it perceives."""
        config = self.run.config
        names = ("reward", "reverse", "car", "noise", "seed", "reward_timeout", "start_offset", "start_advance")
        told: dict[str, Any] = {name: getattr(config, name) for name in (*names, "alternate_direction", "objects")}
        told |= {"track": str(file), "traced_cars": 0, "observation": ",".join(_privileged(self.run))}
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

    def _fine_tune(self, report: Report) -> None:
        """One update of PPO, which begins by learning the value of what the student does."""
        if self.progress.phase != "fine-tuning":
            self.recorder.forget()
        self.progress.phase = "fine-tuning"
        learned = self.progress.steps - self.run.config.steps >= VALUE_STEPS
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

    def _evaluate(self) -> tuple[Score, pd.DataFrame]:
        """Score and laps on all tracks together."""
        all_cars = [self._trials, *self._more_trials]
        return merged([evaluate(self.model.policy, cars, self.progress.iteration) for cars in all_cars])

    def _state(self) -> dict[str, Any]:
        return super()._state() | {"lessons": self._lessons.state() if self._lessons else self._kept}

    def _restore(self, saved: dict[str, Any]) -> None:
        super()._restore(saved)
        self._kept = saved["lessons"]


def session_of(run: Run) -> Session:
    """The session that trains a run in the way that it says."""
    return Teaching(run) if run.config.teacher else Session(run)


def _privileged(run: Run) -> tuple[str, ...]:
    """What a teacher perceives."""
    return ("features", "objects") if run.config.objects else ("features",)
