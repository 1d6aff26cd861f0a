"""kill -9 at random moments of commands that write: nothing is written half, nobody lives on, and what
is resumed ends as if nothing had happened.

    python benchmarks/crash_safety.py [--moments 20] [--only train] [--seed 1] [-o FILE]

Half of the moments are seconds of the command, half are its writing operations (a file opened for
writing, a rename, a removal, a new folder), before which its processes kill themselves; of a grid, whose
runs are programs of their own, all are seconds. Behind each kill every file that there is is read, the
command is called again (`--resume` for a training), and its outcome is compared with that of a call that
nobody disturbed. What tensorboard logs is a stream of records, and not looked at. Linux only.
"""

from __future__ import annotations

import argparse
import filecmp
import io
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launching import adopt_orphans, commit_text, machine_text, wait_for_children

ORPHAN_S = 20.0
"""A child may live so long behind its parent."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
WRITE_EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}
REWARD = """
last = {"progress": 0.0, "calls": 0}


def reward_function(params):
    gained = params["progress"] - last["progress"]
    last.update(progress=params["progress"], calls=last["calls"] + 1)
    return gained + last["calls"] % 7 + params["speed"]
"""
UNACCEPTED = """
import os
import math


def reward_function(params):
    name: str = f"{params['speed']:.1f}"
    if (width := params["track_width"]) > 0.5:
        return float(math.sqrt(width) + len(name))
    return float(params["speed"])
"""
RUN = """
reward = "reward.py"
track = "oval"
steps = 896
evaluate_every = 300

[settings]
envs = 8
n_steps = 16
batch_size = 64
n_epochs = 1
"""
GRID = RUN.replace('track = "oval"', 'track = "oval"\nseed = [1, 2]')
Words = list[str]


@dataclass
class Subject:
    """A command that is killed: its words, those that go on behind a kill, and what must hold.

    `places` are what it writes, in its folder; `set_up` makes the folder as the command finds it.
    """

    name: str
    words: Words
    again: Callable[[Path], Words]
    set_up: Callable[[Path], None]
    check: Callable[[Path, Path, bool], None]
    has_programs: bool = False


@dataclass
class Outcome:
    """What came of the kills of a command."""

    name: str
    seconds: float = 0.0
    events: int = 0
    kills: int = 0
    longest_orphan_s: float = 0.0
    faults: list[str] = field(default_factory=list)


def main() -> None:
    """Print a line for each command; exit code 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--only", default="", help="only commands whose name holds this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    for name in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{name}_NUM_THREADS"] = "1"
    adopt_orphans()
    warm_up()
    wait_for_children(0.0)  # its own watch over calls
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="crash-", ignore_cleanup_errors=True) as name:
        home = Path(name) / "home"
        home.mkdir()
        make_run(home)
        for subject in subjects(home):
            if options.only in subject.name:
                outcomes.append(try_subject(subject, home, options.moments, options.seed))
                print(describe(outcomes[-1]), flush=True)
    head = f"commit {commit_text()}, seed {options.seed}, {machine_text()}"
    text = "\n".join([head, *map(describe, outcomes)])
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    raise SystemExit(1 if any(outcome.faults for outcome in outcomes) else 0)


def describe(outcome: Outcome) -> str:
    """A line, and one for each fault."""
    verdict = (
        f"{len(outcome.faults)} FAULTS" if outcome.faults else "nothing half written, all equal"
    )
    line = (
        f"{outcome.name:16} {outcome.kills} kills in {outcome.seconds:.1f} s and "
        f"{outcome.events} writing operations; longest orphan {outcome.longest_orphan_s:.2f} s: {verdict}"
    )
    return "\n  ".join([line, *outcome.faults])


def warm_up() -> None:
    """Import what commands import, that forks begin where their work does."""
    import matplotlib.pyplot
    import torch

    import racer.report
    import racer.training.interop
    from racer import DeepRacerVectorEnv
    from racer.checker import check

    torch.set_num_threads(1)
    assert racer.report.render_report
    assert racer.training.interop.export_run
    assert matplotlib.pyplot.figure
    cars = DeepRacerVectorEnv(2, track="oval")
    cars.reset(seed=0)
    check("center_line", tracks=["oval"], seconds=0.1)


# commands


def subjects(home: Path) -> Iterator[Subject]:
    """Every command that is killed."""
    run = str(home / "run")
    yield Subject(
        "train", ["train", "run.toml", "--out", "out"], resume_or_begin, set_up_run, check_run
    )
    yield Subject(
        "grid",
        ["train", "grid.toml", "--out", "out", "--jobs", "2"],
        lambda _: ["train", "grid.toml", "--out", "out", "--jobs", "2"],
        set_up_run,
        check_grid,
        has_programs=True,
    )
    evaluate = ["evaluate", "run", "--save", "--laps", "1", "--resets", "0"]
    yield Subject("evaluate --save", evaluate, lambda _: evaluate, copy_run(home), check_evaluation)
    report = ["report", run, "-o", "report.html"]
    yield Subject("report", report, lambda _: report, set_up_report, check_report)
    export = ["export", run, "-o", "exported", "--replace"]
    yield Subject("export", export, lambda _: export, copy_export(home), check_export)
    fix = ["check", "-q", "--fix", "--track", "oval", "reward.py"]
    yield Subject("check --fix", fix, lambda _: fix, set_up_fix, check_fix)


def make_run(home: Path) -> None:
    """A trained run and its export, for commands that read them."""
    set_up_run(home)
    for words in (["train", "run.toml", "--out", "run"], ["export", "run", "-o", "export"]):
        code, text = finish(start(words, home))
        if code:
            raise SystemExit(text)


def set_up_run(folder: Path) -> None:
    (folder / "reward.py").write_text(REWARD)
    (folder / "run.toml").write_text(RUN)
    (folder / "grid.toml").write_text(GRID)


def resume_or_begin(folder: Path) -> Words:
    if (folder / "out" / "run.json").exists():
        return ["train", "--resume", "out"]
    return ["train", "run.toml", "--out", "out"]


def copy_run(home: Path) -> Callable[[Path], None]:
    return lambda folder: shutil.copytree(home / "run", folder / "run") and None


def copy_export(home: Path) -> Callable[[Path], None]:
    return lambda folder: shutil.copytree(home / "export", folder / "exported") and None


def set_up_report(folder: Path) -> None:
    (folder / "report.html").write_text("<html>an older one</html>")


def set_up_fix(folder: Path) -> None:
    (folder / "reward.py").write_text(UNACCEPTED)


# what must hold: in a folder behind a kill, and in one where the command came to its end


def check_run(folder: Path, whole: Path, is_done: bool) -> None:
    check_run_folder(folder / "out", whole / "out", is_done)


def check_grid(folder: Path, whole: Path, is_done: bool) -> None:
    for run in sorted((whole / "out").glob("*/run.json")):
        name = run.parent.name
        check_run_folder(folder / "out" / name, whole / "out" / name, is_done)
    if is_done:
        assert (folder / "out" / "comparison.csv").exists() == (
            whole / "out" / "comparison.csv"
        ).exists()


def check_run_folder(run: Path, whole: Path, is_done: bool) -> None:
    """Every file can be read, and each log is that of the other run; all of them at the end."""
    for path in run.rglob("*"):
        if path.is_file() and not is_part(path):
            read_whole(path)
            if path.parent.name == "training-simtrace":
                assert filecmp.cmp(path, whole / path.relative_to(run), shallow=False), path
    if is_done:
        assert story_of_run(run) == story_of_run(whole)
        assert [path for path in run.rglob("*") if is_part(path)] == []


def read_whole(path: Path) -> None:
    """Raise where a file is cut off."""
    import numpy as np
    import pandas as pd
    import torch

    readers: dict[str, Callable[[Path], Any]] = {
        ".json": lambda path: json.loads(path.read_text()),
        ".csv": pd.read_csv,
        ".npy": lambda path: np.load(path, allow_pickle=False),
        ".pt": lambda path: torch.load(path, weights_only=True),
        ".py": lambda path: compile(path.read_text(), str(path), "exec"),
    }
    readers.get(path.suffix, lambda path: None)(path)


def story_of_run(run: Path) -> dict[str, Any]:
    """All that equal trainings share."""
    import pandas as pd
    import torch

    state = torch.load(run / "checkpoints" / "state.pt", weights_only=True)
    weights = io.BytesIO()
    torch.save(list(state["policy"].values()), weights)
    best = json.loads((run / "checkpoints" / "best.json").read_text())
    evaluations = pd.read_csv(run / "evaluations.csv").drop(columns="seconds")
    names = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    return {
        "weights": weights.getvalue(),
        "best": {key: value for key, value in best.items() if key != "seconds"},
        "evaluations": evaluations.to_csv(),
        "logs": {path.name: path.read_bytes() for path in run.glob("training-simtrace/*")},
        "metrics": (run / "metrics" / "TrainingMetrics.json").read_bytes(),
        "files": [name for name in names if "tensorboard" not in name],
    }


def check_evaluation(folder: Path, whole: Path, is_done: bool) -> None:
    """An evaluation's folder is there with all that is in it, or not at all."""
    [reference] = (whole / "run").glob("evaluation-*")
    found = sorted((folder / "run").glob("evaluation-*"))
    assert found or not is_done
    for evaluation in found:
        assert files_in(evaluation) == files_in(reference)
        for name in files_in(reference):
            assert filecmp.cmp(evaluation / name, reference / name, shallow=False), name
    metrics = list((folder / "run" / "metrics" / "evaluation").glob("*.json"))
    for path in metrics:
        json.loads(path.read_text())
    assert len(metrics) <= len(found)
    if is_done:
        assert len(metrics) >= 1
        assert [path for path in (folder / "run").rglob("*") if is_part(path)] == []


def check_report(folder: Path, whole: Path, is_done: bool) -> None:
    text = (folder / "report.html").read_text()
    is_new = text.rstrip().endswith("</html>") and len(text) == len(
        (whole / "report.html").read_text()
    )
    assert is_new or (not is_done and text == "<html>an older one</html>")


def check_export(folder: Path, whole: Path, is_done: bool) -> None:
    assert files_in(folder / "exported") == files_in(whole / "exported")
    for name in files_in(whole / "exported"):
        sizes = [(place / "exported" / name).stat().st_size for place in (folder, whole)]
        assert sizes[0] == sizes[1], name


def check_fix(folder: Path, whole: Path, is_done: bool) -> None:
    fixed = (whole / "reward.py").read_text()
    text = (folder / "reward.py").read_text()
    backups = [path.read_text() for path in folder.glob("reward.py.bak*")]
    assert fixed != UNACCEPTED
    assert text == fixed or (not is_done and text == UNACCEPTED)
    assert set(backups) <= {UNACCEPTED}
    assert backups or text == UNACCEPTED


def files_in(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def is_part(path: Path) -> bool:
    """Whether it is what stands beside a file that is being written."""
    return any(re.fullmatch(r"\..*\.\d+\.racer-(part|old)", part) for part in path.parts)


def is_of_others(path: Path) -> bool:
    """Whether PyTorch or Python keeps it among temporary files, the latter to see that it can."""
    is_probe = path.is_file() and path.read_bytes() in (b"", b"blat")
    return path.name.startswith("torchinductor") or (is_probe and len(path.name) == len("rmdk4lfq"))


# kills


def try_subject(subject: Subject, home: Path, moments: int, seed: int) -> Outcome:
    """Kill a command so many times, and look at what is left and at what becomes of it."""
    outcome = Outcome(subject.name)
    dice = random.Random(f"{seed}-{subject.name}")
    whole = fresh_folder(home / "whole", subject)
    began = time.monotonic()
    counted = start(subject.words, whole, count_to=whole / "events")
    code, text = finish(counted)
    outcome.seconds = time.monotonic() - began
    outcome.events = int((whole / "events").read_text() or 0)
    (whole / "events").unlink()
    if code not in (0, 1):
        outcome.faults.append(f"undisturbed: exit code {code}: {text[-400:]}")
        return outcome
    while outcome.kills < moments:
        by_events = not subject.has_programs and outcome.kills % 2 == 1
        folder = fresh_folder(home / "folder", subject)
        at_event = dice.randint(1, outcome.events) if by_events else 0
        at_second = dice.uniform(0.0, outcome.seconds)
        process = start(subject.words, folder, at_event)
        if not kill(process, None if by_events else at_second):
            # it came to its end before: the machine is less busy than it was
            outcome.seconds = outcome.seconds if by_events else at_second
            continue
        outcome.kills += 1
        moment = f"operation {at_event}" if by_events else f"{at_second:.2f} s"
        print(f"{subject.name}: kill {outcome.kills} at {moment}", file=sys.stderr, flush=True)
        with noted(outcome, f"kill {outcome.kills} at {moment}"):
            outcome.longest_orphan_s = max(outcome.longest_orphan_s, wait_for_orphans())
            subject.check(folder, whole, False)
            code_again, text = finish(start(subject.again(folder), folder))
            assert code_again == code, f"exit code {code_again}: {text[-400:]}"
            subject.check(folder, whole, True)
            litter = [path.name for path in (folder / "tmp").iterdir() if not is_of_others(path)]
            assert litter == [], litter
    return outcome


@contextmanager
def noted(outcome: Outcome, moment: str) -> Iterator[None]:
    """What does not hold becomes a fault."""
    try:
        yield
    except Exception as error:
        sentence = f"{type(error).__name__}: {error}"
        outcome.faults.append(f"{moment}: {sentence[:600]}")


def fresh_folder(folder: Path, subject: Subject) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    subject.set_up(folder)
    return folder


@dataclass
class Command:
    """A command under way, and the file of its output."""

    process: int
    output: Path


def start(words: Words, folder: Path, at_event: int = 0, count_to: Path | None = None) -> Command:
    """A command in a fork, which kills itself before a writing operation, if one is named."""
    output = folder.parent / f"{folder.name}.txt"
    process = os.fork()
    if process:
        return Command(process, output)
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        (folder / "tmp").mkdir(exist_ok=True)
        os.environ["TMPDIR"] = str(folder / "tmp")
        tempfile.tempdir = None
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(descriptor, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        count = count_events(os.getpid(), at_event)
        sys.argv = ["racer", *words]
        code = command_code()
        if count_to is not None:
            count_to.write_text(str(count[0]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def command_code() -> int:
    """The exit code of the command line."""
    from racer.cli import main as command_main

    try:
        command_main()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    return 0


def count_events(leader: int, last: int) -> list[int]:
    """The number of writing operations so far; before the `last` one the processes are killed."""
    count = [0]

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        is_open = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if (is_open and arguments[0] != os.devnull) or event in WRITE_EVENTS:
            count[0] += 1
            if count[0] == last:
                os.kill(leader, signal.SIGKILL)
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
    return count


def finish(command: Command) -> tuple[int, str]:
    """Exit code and output of a command, at its end."""
    _, status = os.waitpid(command.process, 0)
    wait_for_orphans()
    return os.waitstatus_to_exitcode(status), command.output.read_text(errors="replace")


def kill(command: Command, at_second: float | None) -> bool:
    """Whether a command was killed: after so many seconds, or by itself."""
    if at_second is not None:
        time.sleep(at_second)
        os.kill(command.process, signal.SIGKILL)
    _, status = os.waitpid(command.process, 0)
    return os.WIFSIGNALED(status)


def wait_for_orphans() -> float:
    """Seconds until all that was started is gone. AssertionError where it lives on."""
    began = time.monotonic()
    names = wait_for_children(ORPHAN_S)
    assert not names, f"{len(names)} processes live on: {names}"
    return time.monotonic() - began


if __name__ == "__main__":
    main()
