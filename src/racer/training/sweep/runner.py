"""The runs of an experiment, a few at a time, each in its own process with one thread."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from racer.errors import RacerError, UsageError
from racer.files import make_folder, write_file, write_json
from racer.reward import load_reward as load_reward
from racer.sim.noise import read_noise
from racer.sim.obstacle_layout import read_obstacle_layout
from racer.track import library
from racer.training.config import TrainConfig
from racer.training.interop.hyperparameters import read_hyperparameters as read_hyperparameters
from racer.training.run import Run, read_config
from racer.training.setup import TrainingProgress
from racer.training.sweep.experiment import Experiment
from racer.training.trainer import open_session
from racer.vehicle.action_space import read_metadata
from racer.vehicle.car import car_preset

INTERRUPTED = 130
FINISHED_FILE = "finished.json"


def finish_run(folder: Path, parent: int) -> int:
    """Exit code, after training the run in `folder` to its end and marking it there as finished."""

    def report(progress: TrainingProgress) -> None:
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGINT)

    session = open_session(Run.open(folder))
    session.resume()
    progress = session.train(report)
    if session.was_stopped:
        return INTERRUPTED
    write_json(
        folder / FINISHED_FILE, {"steps": progress.steps, "seconds": round(progress.seconds, 3)}
    )
    return 0


def worker_main(words: list[str]) -> int:
    """Exit code; what a user can mend is a sentence on stderr."""
    try:
        return finish_run(Path(words[0]), int(words[1]))
    except RacerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(worker_main(sys.argv[1:]))

RunState = Literal["waiting", "running", "finished", "failed", "stopped"]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
POLL_S = 0.2  # s between two looks at the runs
SAVE_TIMEOUT_S = 60.0  # s that a run has to save itself when all are stopped
MESSAGES_FILE = "messages.txt"  # what a run said on stderr


@dataclass
class RunStatus:
    """Where one run stands; `evaluations` are the rows of its evaluations.csv."""

    name: str
    folder: Path
    config: TrainConfig
    state: RunState = "waiting"
    message: str = ""  # why it failed
    evaluations: list[dict[str, str]] = field(default_factory=list)
    began: float = 0.0  # time.monotonic() of its start
    process: subprocess.Popen[bytes] | None = None

    @property
    def share(self) -> float:
        """How much of the training is done, from 0 to 1, as of the latest evaluation."""
        if self.state == "finished":
            return 1.0
        if not self.evaluations:
            return 0.0
        row, config = self.evaluations[-1], self.config
        done = (
            float(row["seconds"]) / (60.0 * config.minutes)
            if config.minutes
            else int(row["steps"]) / config.steps
        )
        return min(done, 1.0)


StatusCallback = Callable[[list[RunStatus]], None]


def run_grid(
    experiment: Experiment,
    folder: Path,
    jobs: int | None = None,
    home: Path | None = None,
    watch: StatusCallback | None = None,
) -> list[RunStatus]:
    """Where each run stands when all are over, or after Ctrl-C (then some are `waiting` or
    `stopped`).

    Runs live in `folder/<name>`. What is finished there is not trained again, what was begun is
    gone on with. `jobs` at a time, by default one a core; `watch` is shown all lines a few times a
    second. A run that fails says why in `message`, and the others go on. UsageError when something
    an experiment names is not there, or when `folder` holds runs that were made otherwise.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs}: at least one run at a time")
    lines = _prepared(experiment, folder, home)
    try:
        while any(line.state in ("waiting", "running") for line in lines):
            _start(lines, jobs or usable_cores(), home)
            if watch is not None:
                watch(lines)
            time.sleep(POLL_S)
            _look(lines)
    except KeyboardInterrupt:
        pass
    finally:
        _stop(lines)
    if watch is not None:
        watch(lines)
    return lines


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepared(experiment: Experiment, folder: Path, home: Path | None) -> list[RunStatus]:
    """A line for each run, after a look at everything that the runs will need, and at what is there
    already.
    """
    _check(list(experiment.runs.values()), home)
    lines = [RunStatus(name, folder / name, config) for name, config in experiment.runs.items()]
    for line in lines:
        if (line.folder / "run.json").exists():
            _check_same(line)
            line.state = "finished" if (line.folder / FINISHED_FILE).exists() else "waiting"
            line.evaluations = _evaluations(line.folder)
    make_folder(folder)
    write_file(folder / "experiment.toml", experiment.path.read_bytes())
    words = {"title": experiment.title, "question": experiment.question}
    write_file(folder / "experiment.json", (json.dumps(words, indent=2) + "\n").encode())
    return lines


def _check(configs: list[TrainConfig], home: Path | None) -> None:
    """Open once what the runs name, so that nobody learns of a wrong name after hours."""

    def each(key: str, look: Callable[[Any], Any]) -> None:
        for value in {
            repr(getattr(config, key)): getattr(config, key) for config in configs
        }.values():
            if value is not None:
                look(value)

    each("reward", load_reward)
    each("track", lambda name: library.load_track(name, home=home))
    each("action_space", read_metadata)
    each("hyperparameters", lambda path: read_hyperparameters(path, configs[0].settings))
    each("car", car_preset)
    each("noise", read_noise)
    each("objects", read_obstacle_layout)


def _check_same(line: RunStatus) -> None:
    was, now = (config.model_dump() for config in (read_config(line.folder), line.config))
    other = [key for key in now if was[key] != now[key]]
    if other:
        raise UsageError(
            f"{line.folder} was made with another {', '.join(other)} than the experiment says now: name another folder "
            "with --out, or delete that one"
        )


def _start(lines: list[RunStatus], jobs: int, home: Path | None) -> None:
    running = sum(line.state == "running" for line in lines)
    for line in [line for line in lines if line.state == "waiting"][: max(jobs - running, 0)]:
        if not (line.folder / "run.json").exists():
            Run.create(line.config, line.folder, home=home)
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
        words = [
            sys.executable,
            "-m",
            "racer.training.sweep.runner",
            str(line.folder),
            str(os.getpid()),
        ]
        with (line.folder / MESSAGES_FILE).open("wb") as messages:
            line.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages, env=environment,
                start_new_session=True,  # Ctrl-C is for this process, which passes it on
            )  # fmt: skip
        line.state, line.began = "running", time.monotonic()


def _look(lines: list[RunStatus]) -> None:
    """Bring the lines of the running up to date."""
    for line in lines:
        if line.process is not None and line.state == "running":
            code = line.process.poll()
            line.evaluations = _evaluations(line.folder)
            if code is not None:
                _settle(line, code)


def _settle(line: RunStatus, code: int) -> None:
    if code == 0:
        line.state = "finished"
    elif code == INTERRUPTED or code == -signal.SIGINT:
        line.state = "stopped"
    else:
        end = (
            f"it ended with exit code {code} and said nothing"
            if code > 0
            else f"signal {-code} ended it from outside"
        )
        line.state, line.message = "failed", _said(line.folder) or end


def _said(folder: Path) -> str:
    try:
        return (folder / MESSAGES_FILE).read_text(errors="replace").strip()
    except OSError as error:  # somebody moved the folder meanwhile
        return f"its messages cannot be read: {error}"


def _stop(lines: list[RunStatus]) -> None:
    """End what runs as Ctrl-C does, and what does not end, with force."""
    running = [line for line in lines if line.process is not None and line.state == "running"]
    for line in running:
        with suppress(ProcessLookupError):
            line.process.send_signal(signal.SIGINT)  # type: ignore[union-attr]
    until = time.monotonic() + SAVE_TIMEOUT_S
    try:
        for line in running:
            line.process.wait(max(until - time.monotonic(), 0.1))  # type: ignore[union-attr]
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        for line in running:
            line.process.kill()  # type: ignore[union-attr]
            line.process.wait()  # type: ignore[union-attr]
    for line in running:
        line.state = "stopped"
    _look_again(running)


def _look_again(lines: list[RunStatus]) -> None:
    """A run may have come to its end, or failed, before it was asked to stop."""
    for line in lines:
        line.evaluations = _evaluations(line.folder)
        if line.process is not None and line.process.returncode not in (
            INTERRUPTED,
            -signal.SIGINT,
            -signal.SIGKILL,
        ):
            _settle(line, line.process.returncode)


def _evaluations(folder: Path) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader((folder / "evaluations.csv").read_text().splitlines()))
    except FileNotFoundError:
        return []
