"""`racer train` as a user meets it: in processes of its own, with reward files that misbehave, and
with wrong words.

The imports of a training take seconds, and so does forgetting them. So one process imports
everything, and forks one for each command, which is a process as the shell would start it: with its
own arguments, working folder, signals, output and exit code. At its end it waits for its threads as
Python does, and leaves the rest to the system.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from racer import cli
from racer import errors as extras

HOSTILE = Path(__file__).parents[1] / "data" / "rewards"
# s that a command may take before SIGALRM ends it: a watch that fails must not hang the tests
LIMIT = 300
TRAIN = "train reward.py --track oval --envs 2 --steps 128 --out run".split()  # noqa: SIM905
NEVER_COME_BACK = {
    "loops", "loops_and_swallows", "loops_at_import", "sleeps", "waits_in_c", "floods"
}  # fmt: skip
MENDED = "def reward_function(params):\n    return 1.0\n"
DRIVER = """
import atexit, gc, json, os, signal, sys, threading
from pathlib import Path
import racer.cli
import racer.cli.train, racer.cli.progress, racer.training.evaluation, racer.training.session, torch.utils.tensorboard
from racer.env import DeepRacerVectorEnv

DeepRacerVectorEnv(1, track="oval", reward=lambda params: 1.0).step([[0.0, 0.0]])  # load the compiled code
import torch._dynamo  # what the first optimizer imports

torch.set_num_threads(1)
gc.freeze()


def command(words, folder, name):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.chdir(folder)
    for number, end in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{name}.{end}", os.O_WRONLY | os.O_CREAT, 0o644), number)
    signal.alarm(LIMIT)
    sys.argv = ["racer", *words]
    code = 0
    try:
        racer.cli.main()
    except SystemExit as end:
        code = end.code or 0
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)


def chain(folder, steps):
    codes = {}
    for name, words in steps.items():
        if isinstance(words, str):
            Path(folder, "reward.py").write_text(words)
        else:
            codes[name] = command(words, folder, name)
    Path(folder, "codes.json").write_text(json.dumps(codes))


running = set()
for folder, steps in json.load(sys.stdin).items():
    if len(running) == 4:
        running.remove(os.wait()[0])
    child = os.fork()
    if not child:
        chain(folder, steps)
        os._exit(0)
    running.add(child)
while running:
    running.remove(os.wait()[0])
"""


@dataclass(frozen=True)
class Done:
    """What came of a command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Case:
    """A reward file that the training must refuse: where, with what words, and whether its last
    step can be saved.
    """

    line: int | str
    words: str
    saves: bool = True


CASES = {
    "loops": Case("[34]", "the reward function did not come back within 1 s (--timeout)"),
    "loops_and_swallows": Case(
        r"\d", "the reward function did not come back within 1 s (--timeout)"
    ),
    "sleeps": Case(
        5, "the reward function did not come back within 1 s (--timeout) and could not be"
    ),
    # C code that holds the interpreter's lock leaves nobody who could write the step down
    "waits_in_c": Case(2, "the reward function is in C code that does not come back", saves=False),
    # printed so much, or did not come back, whichever is noticed first
    "floods": Case(3, "the reward function "),
    "floods_at_once": Case(3, "the reward function printed "),
    "returns_none": Case(2, "the reward function returned None, which is no number"),
    "returns_nan": Case(3, "the reward function returned nan, which the real job refuses"),
    "returns_too_much": Case(2, "the reward function returned"),
    "divides": Case(3, "the reward function raised ZeroDivisionError"),
    "missing_key": Case(2, "the reward function raised KeyError: 'sped' is not there"),
    "recurses": Case(2, "the reward function called itself without end"),
    "exits": Case(5, "the reward function tried to exit the program (SystemExit: bye)"),
    "leaves_thread": Case(5, "the reward function left a thread behind"),
    "mutates_and_raises": Case(4, "the reward function raised ZeroDivisionError"),
}
AT_LOAD = {
    "raises_at_import": "the file, when loaded,",
    "loops_at_import": "the file, when loaded, did not come back within 1 s (--timeout)",
}
MUTATES = """def reward_function(params):
    params["speed"] = -1.0
    params["waypoints"].clear()
    return 1.0
"""
ASKS = 'def reward_function(params):\n    print("asked", params["steps"])\n    return 1.0\n'


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Done]:
    """A function that tells what came of one command of one of the reward files."""
    home = tmp_path_factory.mktemp("commands")
    plan = {str(home / name): steps for name, steps in chains().items()}
    for folder in map(Path, plan):
        folder.mkdir()
        source = HOSTILE / f"{folder.name}.py"
        text = (
            source.read_text()
            if source.exists()
            else {"mutates": MUTATES, "asks": ASKS}[folder.name]
        )
        (folder / "reward.py").write_text(text)
    script = home / "driver.py"
    script.write_text(f"LIMIT = {LIMIT}\n{DRIVER}")
    done = subprocess.run(
        [sys.executable, str(script)],
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

    def result(name: str, step: str) -> Done:
        folder = home / name
        codes = json.loads((folder / "codes.json").read_text())
        out, err = ((folder / f"{step}.{end}").read_text() for end in ("out", "err"))
        return Done(codes[step], out, err)

    return result


def chains() -> dict[str, dict[str, list[str] | str]]:
    """What is done with each reward file, in order; a text in the place of a command is written
    into the file.
    """
    resume = ["train", "--resume", "run"]
    both = {"mend": MENDED, "resume": resume}
    plan: dict[str, dict[str, list[str] | str]] = {}
    for name in ["mutates", "asks", *AT_LOAD, *CASES]:
        # a short one for what never comes back: others get the time that a busy machine may need
        timeout = ["--timeout", "1" if name in NEVER_COME_BACK else str(LIMIT)]
        plan[name] = {"train": [*TRAIN, *timeout]}
        if name in CASES and CASES[name].saves:
            plan[name]["again"] = ["reward", "reward.py", "run/failing_step.json", *timeout]
        if name in CASES or name in AT_LOAD:
            plan[name] |= both
    return dict(sorted(plan.items(), key=lambda item: item[0] != "waits_in_c"))  # the longest first


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_reward_that_misbehaves_ends_the_training_with_a_sentence(results, name):
    done, case = results(name, "train"), CASES[name]
    assert done.code == 1, done
    assert re.search(rf"reward\.py:{case.line}: {re.escape(case.words)}", done.err), done
    assert "Traceback" not in done.err + done.out
    assert len(done.err) < 2000


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.saves])
def test_the_sentence_tells_how_to_reproduce_it_and_how_to_go_on(results, name):
    again, on = results(name, "train").err.splitlines()[-2:]
    assert re.fullmatch(
        rf"to see it again: racer reward /.*/{name}/reward\.py run/failing_step\.json", again
    )
    assert on == "when it is mended, go on with: racer train --resume run"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.saves])
def test_the_failing_step_reproduces_it(results, name):
    done, case = results(name, "again"), CASES[name]
    assert done.code == 1, done
    # this time SIGINT has no other meaning, and wakes it
    words = case.words.removesuffix(" and could not be")
    assert re.search(rf"reward\.py:{case.line}: {re.escape(words)}", done.err), done


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CASES, *AT_LOAD])
def test_the_run_goes_on_once_the_reward_is_mended(results, name):
    done = results(name, "resume")
    assert (done.code, done.err) == (0, ""), done
    assert "reward.py has changed since the run began" in done.out
    assert "best checkpoint, after 128 steps" in done.out


@pytest.mark.slow
@pytest.mark.parametrize("name", AT_LOAD)
def test_a_reward_that_fails_when_it_is_loaded_ends_with_a_sentence(results, name):
    done = results(name, "train")
    assert done.code == 1, done
    assert re.search(rf"reward\.py:\d+: {re.escape(AT_LOAD[name])}", done.err), done
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_a_reward_that_changes_its_params_is_trained_with_and_told_where(results):
    done = results("mutates", "train")
    assert (done.code, done.err) == (0, ""), done
    assert "reward.py changes its params at line 2, 3; without effect on the simulator" in done.out


@pytest.mark.slow
def test_prints_are_counted_and_shown_once(results):
    done = results("asks", "train")
    assert done.code == 0, done
    assert re.search(r"reward\.py printed \d+ lines \(.*\) in \d+ calls", done.out)
    assert "reward.py:2: first printed 'asked'" in done.out
    assert done.out.count("asked") == 1


# stopped from outside


TINY = """
reward = "ends.py"
track = "oval"
steps = 896
evaluate_every = 300

[settings]
envs = 8
n_steps = 16
batch_size = 64
n_epochs = 1
"""
ENDS = """
import os, signal
from pathlib import Path

FOLDER = Path({folder!r})
SIGNALS = {{"384.pt": signal.SIGINT, "640.pt": signal.SIGKILL}}


def reward_function(params):
    for checkpoint, number in SIGNALS.items():
        sent = FOLDER / (checkpoint + ".sent")
        if (FOLDER / "run" / "checkpoints" / checkpoint).exists() and not sent.exists():
            sent.touch()
            os.kill(os.getpid(), number)
    return params["progress"]
"""
"""A reward whose first call behind a checkpoint ends the program: by Ctrl-C, and by force."""


def racer_process(folder: Path, *words: str) -> Done:
    """What came of `racer WORDS` in a folder, in a process that signals may end."""
    command = [sys.executable, "-m", "racer", *words]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def story(run: Path) -> dict[str, object]:
    logs = {file.name: file.read_bytes() for file in (run / "training-simtrace").iterdir()}
    return logs | {
        "evaluations": pd.read_csv(run / "evaluations.csv").drop(columns="seconds").to_csv()
    }


@pytest.mark.slow
def test_ctrl_c_and_a_kill_change_nothing_of_the_outcome(tmp_path, monkeypatch):
    (tmp_path / "ends.py").write_text(ENDS.format(folder=str(tmp_path)))
    (tmp_path / "tiny.toml").write_text(TINY)
    run, straight = tmp_path / "run", tmp_path / "straight"
    first = racer_process(tmp_path, "train", "tiny.toml", "--out", "run")
    assert first.code == cli.INTERRUPTED_EXIT_CODE, first
    stopped = r"stopped after \d+ steps; go on with: racer train --resume run\n"
    assert re.fullmatch(stopped, first.err.replace(",", ""))
    assert (run / "checkpoints" / "384.pt").exists()
    second = racer_process(tmp_path, "train", "--resume", "run")
    assert second.code == 1, second
    assert "SIGKILL ended the command before it was done" in second.err
    assert (run / "checkpoints" / "640.pt").exists()
    third = racer_process(tmp_path, "train", "--resume", "run")
    assert (third.code, third.err) == (0, "")
    assert re.search(
        r"training ends\.py on Oval, car v6, seed 0: 896 steps\ngoing on after (384|640) steps\n",
        third.out,
    )
    monkeypatch.chdir(tmp_path)
    assert racer("train", "tiny.toml", "--out", "straight").code == 0
    assert story(run) == story(straight)


# wrong words


def racer(*words: str) -> Done:
    done = CliRunner().invoke(cli.app, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Done(done.exit_code, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "train",
            "which reward function? racer train my_reward.py --track reinvent_2018 (racer train --help)",
        ),
        ("train center_lin", "no reward file 'center_lin': did you mean 'center_line'?"),
        ("train center_line --track ovall", "unknown track 'ovall': did you mean 'oval'?"),
        ("train center_line --car v7", "v7"),
        ("train center_line --noise loud", "unknown noise 'loud'"),
        (
            "train center_line --steps 0",
            "racer train: 'steps': input should be greater than or equal to 1, not 0",
        ),
        (
            "train center_line --minutes 0",
            "racer train: 'minutes': input should be greater than 0, not 0.0",
        ),
        (
            "train center_line --minutes inf",
            "racer train: 'minutes': input should be a finite number, not inf",
        ),
        (
            "train center_line --envs 0",
            "racer train: 'settings.envs': input should be greater than or equal to 1",
        ),
        (
            "train center_line --seed -1",
            "racer train: 'seed': input should be greater than or equal to 0, not -1",
        ),
        (
            "train center_line --timeout nan",
            "racer train: 'reward_timeout': input should be",
        ),
        ("train center_line --action-space none.json", "none.json"),
        (
            "train center_line --hyperparameters none.json",
            "none.json: there is no such file",
        ),
        (
            "train --resume nowhere",
            "nowhere is no run of racer: it holds no run.json (racer train makes one)",
        ),
        (
            "train --resume . --seed 3",
            "--resume . goes on as the run began: give it with --steps, --minutes or --iterations only; "
            "racer train REWARD --from . starts another training from its policy",
        ),
        (
            "train center_line --resume .",
            "racer train center_line --from . starts another training from its policy",
        ),
        (
            "train center_line --steps 5 --minutes 1",
            "--steps and --minutes both say how long: give one of them",
        ),
        ("train center_line --checkpoint last", "--checkpoint is for --from RUN: which run's?"),
        (
            "train center_line --from nowhere",
            "nowhere is no run of racer: it holds no run.json (racer train makes one)",
        ),
        ("train --from @1", "there is no folder runs: racer train makes runs under runs"),
        ("train none.toml", "there is no experiment none.toml"),
        (
            "train none.toml --seed 1",
            "an experiment says all this itself: give it with --out or --jobs only",
        ),
    ],
)
def test_wrong_words_get_a_sentence_and_exit_code_2(tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    done = racer(*words.split())
    assert (done.code, done.out) == (2, ""), done
    assert done.err.startswith("racer: ")
    assert sentence in done.err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_a_run_already_is_left_alone(tmp_path):
    order = [
        "train",
        "center_line",
        "--track",
        "oval",
        "--envs",
        "2",
        "--steps",
        "1",
        "--out",
        str(tmp_path / "run"),
    ]
    assert racer(*order).code == 0
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "run").rglob("*")}
    done = racer(*order)
    assert done.code == 2
    assert (
        f"holds a run already: go on with it (racer train --resume {tmp_path / 'run'}" in done.err
    )
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "run").rglob("*")} == before


def test_a_training_tells_its_notes_and_where_the_run_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "h.json").write_text('{"lr": "0.0003", "loss_type": "huber"}')
    done = racer(
        *[
            "train",
            "center_line",
            "--track",
            "oval",
            "--envs",
            "2",
            "--steps",
            "1",
            "--seed",
            "4",
            "--hyperparameters",
            "h.json",
        ]
    )
    assert done.code == 0, done
    run = next((tmp_path / "runs").iterdir())
    assert re.fullmatch(r"center_line-oval-\d{8}-\d{6}", run.name)
    assert done.out.splitlines()[0] == "training center_line.py on Oval, car v6, seed 4: 1 steps"
    assert (
        "loss_type huber has no counterpart: the value loss here is the mean squared error"
        in done.out
    )
    assert (
        "note: 1 steps become 128: the policy learns after every 128, 64 of each of 2 cars"
        in done.out
    )
    assert done.out.splitlines()[-1] == f"runs/{run.name}  (racer evaluate runs/{run.name} --save)"


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch):
    def missing(module: str) -> object:
        return None if module == "torch" else object()

    monkeypatch.setattr(extras, "find_spec", missing)
    for words in (["train", "center_line"], ["evaluate", "run"]):
        done = racer(*words)
        assert done.code == 2
        assert done.err == (
            "racer: training needs PyTorch and stable-baselines3: pip install '.[train]'\n"
        )
