"""The runs of an experiment, a few at a time, each in its own process with one thread."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from racer.errors import UsageError
from racer.files import write_file, write_json
from racer.reward import load_reward
from racer.sim import read_noise, read_obstacle_layout
from racer.track import load_track
from racer.training.config import TrainConfig
from racer.training.continuation import create_run
from racer.training.interop import read_hyperparameters
from racer.training.run import read_config
from racer.training.sweep.experiment import FINISHED_FILE, Experiment
from racer.vehicle import car_preset, read_metadata

INTERRUPTED = 130
"""Exit code of a run that was stopped."""

MESSAGES_FILE = "messages.txt"
"""What a run said on stderr."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)

POLL_S = 0.2
"""Time between two looks at the runs."""

SAVE_TIMEOUT_S = 60.0
"""Time that a run has to save itself when all are stopped."""

RunState = Literal["waiting", "running", "finished", "failed", "stopped"]


@dataclass
class RunStatus:
    """Where one run of an experiment stands; `evaluations` are the rows of its evaluations.csv."""

    name: str
    folder: Path
    config: TrainConfig
    state: RunState = "waiting"
    message: str = ""  # why it failed
    evaluations: list[dict[str, str]] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    @property
    def fraction(self) -> float:
        """How much of the training is done, from 0 to 1, as of the latest evaluation."""
        if self.state == "finished":
            return 1.0
        if not self.evaluations:
            return 0.0
        latest = self.evaluations[-1]
        if self.config.minutes:
            done = float(latest["seconds"]) / (60.0 * self.config.minutes)
        elif self.config.iterations:
            done = len(self.evaluations) / self.config.iterations
        else:
            done = int(latest["steps"]) / self.config.steps
        return min(done, 1.0)

    def read_evaluations(self) -> None:
        """Take in what the run has evaluated until now."""
        file = self.folder / "evaluations.csv"
        try:
            text = file.read_text()
        except FileNotFoundError:
            self.evaluations = []
            return
        self.evaluations = list(csv.DictReader(text.splitlines()))


StatusCallback = Callable[[list[RunStatus]], None]
"""Is shown where the runs stand."""


def run_grid(
    experiment: Experiment,
    folder: Path,
    jobs: int | None = None,
    home: Path | None = None,
    on_status: StatusCallback | None = None,
) -> list[RunStatus]:
    """Where each run stands when all are over, or after Ctrl-C (then some are `waiting` or
    `stopped`).

    Runs live in `folder/<name>`. What is finished there is not trained again, what was begun is gone
    on with. `jobs` run at a time, by default one a core; `on_status` is shown all of them a few times
    a second. A run that fails says why in `message`, and the others go on. Raises UsageError when
    something an experiment names is not there, or when `folder` holds runs that were made otherwise.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs}: at least one run at a time")
    runs = _prepare_runs(experiment, folder, home)
    try:
        while any(run.state in ("waiting", "running") for run in runs):
            _start_waiting(runs, jobs or usable_cores(), home)
            if on_status is not None:
                on_status(runs)
            time.sleep(POLL_S)
            _look_at_running(runs)
    except KeyboardInterrupt:
        pass
    finally:
        _stop_running(runs)
    if on_status is not None:
        on_status(runs)
    return runs


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_configs(configs: Sequence[TrainConfig], home: Path | None) -> None:
    """Open once what the configurations name, so that nobody learns of a wrong name after hours."""
    checks: dict[str, Callable[[Any], Any]] = {
        "reward": load_reward,
        "track": lambda track: load_track(track, home=home),
        "action_space": read_metadata,
        "hyperparameters": lambda path: read_hyperparameters(path, configs[0].settings),
        "car": car_preset,
        "noise": read_noise,
        "objects": read_obstacle_layout,
    }
    for key, check in checks.items():
        values = [getattr(config, key) for config in configs]
        different_values = {repr(value): value for value in values if value is not None}
        for value in different_values.values():
            check(value)


def _prepare_runs(experiment: Experiment, folder: Path, home: Path | None) -> list[RunStatus]:
    """The runs, after a look at everything that they will need, and at what is there already."""
    check_configs(list(experiment.runs.values()), home)
    runs = [RunStatus(name, folder / name, config) for name, config in experiment.runs.items()]
    for run in runs:
        if (run.folder / "run.json").exists():
            _check_same_config(run)
            if (run.folder / FINISHED_FILE).exists():
                run.state = "finished"
            run.read_evaluations()
    write_file(folder / "experiment.toml", experiment.path.read_bytes())
    write_json(
        folder / "experiment.json", {"title": experiment.title, "question": experiment.question}
    )
    return runs


def _check_same_config(run: RunStatus) -> None:
    """Raise UsageError when the run that is there was made with another configuration."""
    config_there = read_config(run.folder).model_dump()
    config = run.config.model_dump()
    differing = [key for key in config if config[key] != config_there[key]]
    if differing:
        raise UsageError(
            f"{run.folder} was made with another {', '.join(differing)} than the experiment says now: name another folder "
            "with --out, or delete that one"
        )


def _start_waiting(runs: Sequence[RunStatus], jobs: int, home: Path | None) -> None:
    """Start waiting runs until `jobs` of them run."""
    running = [run for run in runs if run.state == "running"]
    waiting = [run for run in runs if run.state == "waiting"]
    for run in waiting[: max(jobs - len(running), 0)]:
        _start(run, home)


def _start(run: RunStatus, home: Path | None) -> None:
    if not (run.folder / "run.json").exists():
        create_run(run.config, run.folder, home=home)
    worker = "racer.training.sweep.worker"
    command = [sys.executable, "-m", worker, str(run.folder), str(os.getpid())]
    with (run.folder / MESSAGES_FILE).open("wb") as messages:
        run.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=messages,
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, "1"),
            start_new_session=True,  # Ctrl-C is for this process, which passes it on
        )
    run.state = "running"


def _look_at_running(runs: Sequence[RunStatus]) -> None:
    """Bring the status of the running up to date."""
    for run in runs:
        if run.process is None or run.state != "running":
            continue
        exit_code = run.process.poll()
        run.read_evaluations()
        if exit_code is not None:
            _settle(run, exit_code)


def _settle(run: RunStatus, exit_code: int) -> None:
    """Set how a run has ended."""
    if exit_code == 0 and (run.folder / FINISHED_FILE).exists():
        run.state = "finished"
        return
    if exit_code in (INTERRUPTED, -signal.SIGINT):
        run.state = "stopped"
        return
    run.state = "failed"
    run.message = _read_messages(run.folder)
    if not run.message and exit_code == 0:
        run.message = "it was ended from inside before it was done, as os._exit in a reward does"
    elif not run.message and exit_code > 0:
        run.message = f"it ended with exit code {exit_code} and said nothing"
    elif not run.message:
        run.message = f"signal {-exit_code} ended it from outside"


def _read_messages(folder: Path) -> str:
    try:
        return (folder / MESSAGES_FILE).read_text(errors="replace").strip()
    except OSError as error:  # somebody moved the folder meanwhile
        return f"its messages cannot be read: {error}"


def _stop_running(runs: Sequence[RunStatus]) -> None:
    """End what runs as Ctrl-C does, and what does not end, with force."""
    running = []
    processes = []
    for run in runs:
        if run.process is not None and run.state == "running":
            running.append(run)
            processes.append(run.process)
    for process in processes:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + SAVE_TIMEOUT_S
    try:
        for process in processes:
            process.wait(max(deadline - time.monotonic(), 0.1))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        for process in processes:
            process.kill()
            process.wait()
    for run, process in zip(running, processes, strict=True):
        _settle_stopped(run, process.returncode)


def _settle_stopped(run: RunStatus, exit_code: int) -> None:
    """Set how a run has ended that was asked to stop: it may have ended, or failed, before."""
    run.read_evaluations()
    if exit_code in (INTERRUPTED, -signal.SIGINT, -signal.SIGKILL):
        run.state = "stopped"
    else:
        _settle(run, exit_code)
