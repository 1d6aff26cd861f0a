"""Training from a call: `train` makes a run and trains it; `open_session` is for those who want to
watch.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from racer.training.config import parse_config
from racer.training.continuation import create_run, inherit_config
from racer.training.run import Run
from racer.training.service import ServicePhase
from racer.training.session import (
    FineTuningPhase,
    PhaseBudget,
    RewardPhase,
    Session,
    TrainingPhase,
    ValuePhase,
)
from racer.training.setup import ProgressCallback, TrainingProgress, TrainingSetup
from racer.training.teacher import LessonPhase, TeacherPhase


def train(
    reward: str | Path | None = None,
    track: str | Path | None = None,
    steps: int | None = None,
    *,
    from_run: Run | str | Path | None = None,
    folder: str | Path | None = None,
    on_progress: ProgressCallback | None = None,
    home: Path | None = None,
    **config: Any,
) -> Run:
    """Train a car with a reward function to the end, and return the run.

    Parameters
    ----------
    reward
        The name of a shipped reward function, or a file with `reward_function(params)`. It may be
        left out where `from_run` has one.
    track
        The name of a track, or a .toml or .npy file; `reinvent_2018` by default.
    steps
        Steps of all cars together; 300,000 by default.
    from_run
        A run, or its folder, whose policy the training starts from: all that is not given here is
        as there, but for the steps. `from_checkpoint` says which policy: best, last, or steps.
    folder
        Where the run is written. By default a new folder among the system's temporary files.
    on_progress
        Is shown the progress after every update of the policy.
    home
        racer's data folder, where tracks are looked for.
    **config
        More keys of `racer.training.TrainConfig`: `seed`, `car`, `action_space`, `observation`,
        `minutes`, `noise`, `objects`, `settings` (a dict with the settings of PPO), and others.

    Raises
    ------
    UsageError
        For something that is named and not there; nothing is written then.
    RewardRefused
        When the reward function fails. The run can be resumed once it is mended.
    KeyboardInterrupt
        When Ctrl-C ended the training. The run can be resumed: `racer train --resume FOLDER`.

    Examples
    --------
    >>> from racer.training import train
    >>> run = train("center_line", track="oval", steps=2_000, seed=1)
    >>> run.evaluations()[["steps", "trials"]].values.tolist()
    [[4096, 5]]
    >>> faster = train("progress_gained", steps=2_000, from_run=run)
    >>> faster.track.name, faster.lineage[0].reward
    ('oval', 'center_line.py')
    """
    named = {"reward": reward, "track": track, "steps": steps, "from_run": from_run}
    if isinstance(from_run, Run):
        named["from_run"] = from_run.folder
    table = config | {name: value for name, value in named.items() if value is not None}
    for name in ("reward", "track", "from_run"):
        if name in table:
            table[name] = str(table[name])
    train_config = parse_config(inherit_config(table), "racer.train")
    if folder is None:
        folder = tempfile.mkdtemp(prefix="racer-run-")
    run = create_run(train_config, folder, home=home)
    session = open_session(run)
    session.train(on_progress or _show_nothing)
    if session.was_stopped:
        raise KeyboardInterrupt
    return run


def open_session(run: Run) -> Session:
    """The session that trains a run in the way that its configuration says.

    `resume` goes on from its latest checkpoint, `train` trains it to the end.

    Examples
    --------
    >>> from racer.training import Run, open_session, parse_config
    >>> config = parse_config({"reward": "center_line", "track": "oval", "steps": 2_000}, "me")
    >>> session = open_session(Run.create(config, "runs/mine"))
    >>> session.train(lambda progress: None).steps
    4096
    """
    config = run.config
    setup = TrainingSetup(run)
    lr_steps = setup.settings.lr_steps
    if config.is_like_service:
        budget = PhaseBudget(
            config.steps, minutes=config.minutes, lr_steps=lr_steps, iterations=config.iterations
        )
        return Session(setup, [ServicePhase(setup, budget)])
    if not config.teacher:
        budget = PhaseBudget(config.steps, minutes=config.minutes, lr_steps=lr_steps)
        learning = RewardPhase(setup, budget)
        if run.lineage and not run.keeps_value:
            return Session(setup, [ValuePhase(setup, budget), learning])
        return Session(setup, [learning])
    budget = PhaseBudget(
        config.steps,
        minutes=config.minutes,
        lr_steps=None if config.fine_tune else lr_steps,
    )
    teacher_phase = TeacherPhase(setup, budget, open_session)
    phases: list[TrainingPhase] = [teacher_phase, LessonPhase(setup, budget, teacher_phase)]
    if config.fine_tune:
        tuning_budget = PhaseBudget(config.fine_tune, first_step=config.steps, lr_steps=lr_steps)
        phases.append(FineTuningPhase(setup, tuning_budget))
    return Session(setup, phases)


def _show_nothing(progress: TrainingProgress) -> None:
    pass
