"""Hostile reward functions, made of acts and places, under every command that takes a reward.

    python benchmarks/hostile.py [-r hostile.jsonl] [--each N] [--minutes M] [--only NAME] [-o FILE]

An act (never to come back, to end the program, to write to the terminal) is done in a place (while the
file is loaded, in a call, in a thread, in `__float__` of the result, at exit). Each of the 150 files
goes through N of the commands, by turns, all by default. Wrong are: a command that runs on after its
time, a traceback of racer's own, exit code 0 without a result, a character that steers the terminal,
and a process that is left behind.

A trial is a line of the records (-r), with the commit that it was made at. A later call goes on behind
them; `--again` tries anew what was wrong. What a busy machine keeps a command waiting is no time of the
command. Trials are forks of one process that has imported racer already, one after the other: they begin
where `python -m racer` begins its command, and end as it does. Linux only.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

from launching import Deadline, adopt_orphans, commit_text, wait_for_children

LONGEST_S = 120.0
"""No command may take longer: its timeout for a call is 1 s (5 s of `score`), that of its end 15 s, and `check` tries a
file again, alone, before it accuses it of hanging.
"""
END_S = 30.0
"""Until every process that a command started is gone."""
KEPT_BYTES = 100_000
"""Of an output, from each end."""
ACTS = {
    "spin": "while True: pass",
    "stubborn": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "sleep": "import time; time.sleep(1e6)",
    "regex": "import re; re.match('(a+)+$', 'a' * 40 + 'b')",
    "unwatch": (
        "import faulthandler, re; faulthandler.cancel_dump_traceback_later()\n"
        "re.match('(a+)+$', 'a' * 40 + 'b')"
    ),
    "exit0": "import os; os._exit(0)",
    "exec": "import os; os.execv('/bin/true', ['true'])",
    "sysexit": "raise SystemExit(0)",
    "kill": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "interrupt": "raise KeyboardInterrupt",
    "flood": "for _ in range(10**7): print('x' * 1000)",
    "recursion": "f = lambda: f()\nf()",
    "ansi": r"raise ValueError('\x1b[2J\x1b]0;t\x07\nall checks passed\u202e')",
    "surrogate": r"raise ValueError('\ud800 \udfff')",
    "close": "import os; os.closerange(0, 3)",
}
PLACES = {
    "load": "{act}\ndef reward_function(params):\n    return 1.0\n",
    "call": "def reward_function(params):\n{act4}\n    return 1.0\n",
    "late call": (
        "calls = 0\ndef reward_function(params):\n    global calls\n    calls += 1\n"
        "    if calls > 20:\n{act8}\n    return 1.0 + calls % 2\n"
    ),
    "__float__": (
        "class F(float):\n    def __float__(self):\n{act8}\n        return 1.0\n"
        "def reward_function(params):\n    return F(1.0)\n"
    ),
    "__index__": (
        "class I:\n    def __index__(self):\n{act8}\n        return 1\n"
        "def reward_function(params):\n    return I()\n"
    ),
    "__str__": (
        "class E(Exception):\n    def __str__(self):\n{act8}\n        return 'e'\n"
        "def reward_function(params):\n    raise E()\n"
    ),
    "__repr__": (
        "class R:\n    def __repr__(self):\n{act8}\n        return 'r'\n"
        "def reward_function(params):\n    return R()\n"
    ),
    "__del__": (
        "class D(float):\n    def __del__(self):\n{act8}\n"
        "def reward_function(params):\n    return D(1.0)\n"
    ),
    "thread": (
        "import threading\ndef work():\n{act4}\n"
        "def reward_function(params):\n    threading.Thread(target=work).start()\n    return 1.0\n"
    ),
    "at exit": (
        "import atexit\ndef work():\n{act4}\natexit.register(work)\n"
        "def reward_function(params):\n    return float(params['speed'])\n"
    ),
}
COMMANDS = {
    "check": "check -q {file} --track oval --timeout 1",
    "score": "score {file} --track oval",
    "train": ("train {file} --track oval --steps 256 --envs 2 --out {out}/run --reward-timeout 1"),
    "map": "map {file} --track oval --cells 200 -o {out}/map.png --reward-timeout 1",
    "explain": "explain {file} --track oval --driver medium --reward-timeout 1",
    "reward": "reward {file} {params} --reward-timeout 1",
    "replay": "replay {file} {log} --track oval --reward-timeout 1",
}
RESULTS = {
    "check": r"(passed|warning|info).*steps on|nothing was tried",
    "score": r"passes|fails|pays",
    "train": r"racer evaluate",
    "map": r"map\.png",
    "explain": r"line +source",
    "reward": r"^-?\d",
    "replay": r"lap",
}
"""What stands in the output of a command that came to its end."""
RESULT_FILES = {"train": "run/run.json", "map": "map.png"}
"""What such a command has written, in its folder."""
OWN_TRACE = re.compile(r'File "[^"]*/racer/(?!shipped)[^"]*\.py", line \d+')
STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
STEADY = "def reward_function(params):\n    return float(params['speed'])\n"
"""A file that does no harm."""


@dataclass(frozen=True)
class Trial:
    """One file under one command, and what was wrong; nothing for a good end.

    `litter` are the names of what it left among the temporary files.
    """

    name: str
    command: str
    seconds: float
    cpu_s: float
    exit_code: int | None
    wrong: str
    litter: tuple[str, ...] = ()
    end_of_output: str = ""
    commit: str = ""


def hostile_files() -> Iterator[tuple[str, str]]:
    """Name and text of every file."""
    for act, code in ACTS.items():
        for place, frame in PLACES.items():
            fields = {"act": code, "act4": indent(code, " " * 4), "act8": indent(code, " " * 8)}
            name = f"{act} {place}".replace(" ", "_").replace("__", "_").strip("_")
            yield name, frame.format_map(fields)


# the process that trials are forks of


def serve(folder: Path, trains: bool) -> None:
    """Run the orders that come on stdin, a line each, and write a trial for each; a fork of this
    process, when it returns, goes on as the command of its order.
    """
    adopt_orphans()
    prepare(folder, trains)
    gc.freeze()  # what is there now need not be looked through at the end of each fork
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        read_end, write_end = os.pipe()
        process = os.fork()
        if not process:
            os.close(read_end)
            become_command(folder, order, write_end)
            return
        os.close(write_end)
        trial = watch_command(folder, order, process, read_end)
        print(json.dumps(asdict(trial)), flush=True)
    sys.exit()


def prepare(folder: Path, trains: bool) -> None:
    """Write the params of a call, and a log, and import what commands import."""
    import matplotlib.pyplot
    import numpy as np
    import pandas as pd

    from racer import DeepRacerVectorEnv, cli, place
    from racer.logs import write_csv

    (folder / "params.json").write_text(json.dumps(place("oval", waypoint=3), default=float))
    cars = DeepRacerVectorEnv(1, track="oval")
    cars.reset(seed=0)
    action = np.array([[0.0, -0.5]])
    steps = []
    for _ in range(20):
        step = cars.advance(action, with_params=True)
        steps.append(pd.DataFrame(cars.trace(step, action)))
    trace = pd.concat(steps, ignore_index=True).assign(action=-1)
    write_csv(trace, folder / "log.csv")
    assert matplotlib.pyplot.figure
    if trains:
        import racer.training

        assert racer.training.train
        wait_for_children(0.0)
        return
    (folder / "steady.py").write_text(STEADY)
    os.chdir(make_place(folder, {"name": "steady", "command": "warm"}))
    out = os.dup(1)
    os.dup2(2, 1)
    for command in ("check", "map", "explain", "replay"):
        # no time for a call: no thread looks after it, which a fork would not have
        words = words_of(command, reward_timeout=command == "check")
        try:
            cli.app(words, prog_name="racer")
        except SystemExit:
            continue
    os.dup2(out, 1)
    os.close(out)
    wait_for_children(0.0)


def words_of(command: str, reward_timeout: bool = True) -> list[str]:
    """The words of a command line, for a place of its own."""
    fields = {"file": "reward.py", "out": ".", "params": "../params.json", "log": "../log.csv"}
    words = COMMANDS[command].format_map(fields).split()
    if not reward_timeout:
        words[-1] = "0"
    return words


def make_place(folder: Path, order: dict[str, str]) -> Path:
    """A folder of its own for a trial, with its file in it."""
    place = folder / f"{order['name']}-{order['command']}"
    (place / "tmp").mkdir(parents=True)
    shutil.copy(folder / f"{order['name']}.py", place / "reward.py")
    return place


def become_command(folder: Path, order: dict[str, str], output: int) -> None:
    """Be as `python -m racer COMMAND` is, in a session and a folder of its own."""
    os.setsid()
    os.chdir(make_place(folder, order))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.closerange(3, 256)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["TMPDIR"] = str(Path("tmp").resolve())
    tempfile.tempdir = None
    sys.argv = ["racer", *words_of(order["command"])]


def watch_command(folder: Path, order: dict[str, str], process: int, output: int) -> Trial:
    """What became of a command that was started just now."""
    began = time.monotonic()
    kept = bytearray()
    status: int | None = None
    cpu_s = 0.0
    deadline = Deadline(LONGEST_S, process)
    while status is None and not deadline.is_over:
        keep_output(kept, output, 0.02)
        ended, ended_status, usage = os.wait4(process, os.WNOHANG)
        if ended:
            status = ended_status
            cpu_s = usage.ru_utime + usage.ru_stime
    seconds = time.monotonic() - began
    while keep_output(kept, output, 0.0):
        pass
    os.close(output)
    text = kept.decode(errors="replace")
    name, command = order["name"], order["command"]
    left = wait_for_children(END_S)
    place = folder / f"{name}-{command}"
    names = [re.sub(r"\w{8}$", "*", path.name) for path in (place / "tmp").iterdir()]
    litter = tuple(sorted(name for name in names if not name.startswith("torch")))
    file = place / RESULT_FILES.get(command, "reward.py")
    has_file = file.exists() and file.stat().st_size > 0
    shutil.rmtree(place)
    exit_code = None
    wrong = "it did not come to an end"
    if status is not None:
        exit_code = os.waitstatus_to_exitcode(status)
        wrong = what_is_wrong(command, exit_code, text, has_file)
        if left and not wrong:
            wrong = f"it left {len(left)} processes behind: {left[0]}"
    end = text[-600:] if wrong else ""
    return Trial(name, command, round(seconds, 2), round(cpu_s, 2), exit_code, wrong, litter, end)


def keep_output(kept: bytearray, output: int, seconds: float) -> bool:
    """Whether something was written within so many seconds; its begin and end are kept."""
    if not select.select([output], [], [], seconds)[0]:
        return False
    chunk = os.read(output, 1 << 16)
    kept += chunk
    if len(kept) > 2 * KEPT_BYTES:
        del kept[KEPT_BYTES:-KEPT_BYTES]
    return bool(chunk)


def what_is_wrong(command: str, exit_code: int, text: str, has_file: bool) -> str:
    """A sentence, or nothing."""
    if OWN_TRACE.search(text):
        return "a traceback of racer's own"
    if STEERING.search(text):
        return "characters that steer the terminal"
    if exit_code == 0 and not re.search(RESULTS[command], text, re.MULTILINE):
        return "exit code 0 without a result"
    if exit_code == 0 and not has_file:
        return "exit code 0 without a file"
    if exit_code < 0:
        return f"signal {-exit_code} ended it without a word"
    if exit_code and not text.strip():
        return "an exit code and no word"
    return ""


# who gives the orders


def read_records(file: Path, again: bool) -> dict[tuple[str, str], Trial]:
    """The trials of earlier calls; with `again` those only in which nothing was wrong."""
    trials = {}
    for line in file.read_text().splitlines() if file.exists() else []:
        trial = Trial(**json.loads(line))
        trials[trial.name, trial.command] = trial
    if again:
        return {key: trial for key, trial in trials.items() if not trial.wrong}
    return trials


def planned_orders(each: int, only: str) -> list[tuple[str, str]]:
    """File and command of every trial."""
    commands = list(COMMANDS)
    names = [name for name, _ in hostile_files() if only in name]
    orders = []
    for turn in range(each):
        for number, name in enumerate(names):
            orders.append((name, commands[(number + turn) % len(commands)]))
    return orders


def run_orders(orders: list[tuple[str, str]], records: Path, end: float) -> Iterator[Trial]:
    """Run trials until that time, each of which becomes a line of the records."""
    with tempfile.TemporaryDirectory(prefix="hostile-", ignore_cleanup_errors=True) as folder:
        for name, text in hostile_files():
            (Path(folder) / f"{name}.py").write_text(text, encoding="utf-8")
        servers: dict[str, subprocess.Popen[bytes]] = {}
        commit = commit_text()
        for name, command in orders:
            if time.monotonic() > end:
                break
            kind = "train" if command == "train" else "other"
            if kind not in servers:
                servers[kind] = start_server(folder, kind)
            answer = ask(servers[kind], {"name": name, "command": command})
            trial = Trial(**answer | {"commit": commit})
            with records.open("a") as file:
                file.write(json.dumps(asdict(trial)) + "\n")
            yield trial
        for server in servers.values():
            server.communicate()


def start_server(folder: str, kind: str) -> subprocess.Popen[bytes]:
    """The process that trials of a kind are forks of."""
    single = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", folder, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | single,
    )
    assert server.stdout
    if server.stdout.readline() != b"ready\n":
        raise SystemExit("the process that trials are forks of did not start")
    return server


def ask(server: subprocess.Popen[bytes], order: dict[str, str]) -> dict[str, Any]:
    """What a server answers to an order."""
    assert server.stdin
    assert server.stdout
    server.stdin.write(json.dumps(order).encode() + b"\n")
    server.stdin.flush()
    answer: dict[str, Any] = json.loads(server.stdout.readline())
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-r", "--records", type=Path, default=Path("hostile.jsonl"))
    parser.add_argument("--each", type=int, default=len(COMMANDS), help="commands for each file")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin nothing after so many")
    parser.add_argument("--only", default="", help="only files whose name holds this")
    parser.add_argument("--again", action="store_true", help="try anew what was wrong")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    end = time.monotonic() + 60.0 * options.minutes
    orders = planned_orders(options.each, options.only)
    trials = read_records(options.records, options.again)
    missing = [order for order in orders if order not in trials]
    for trial in run_orders(missing, options.records, end):
        trials[trial.name, trial.command] = trial
        if trial.wrong:
            print(f"{trial.command} {trial.name}: {trial.wrong}", flush=True)
    text = report([trials[order] for order in orders if order in trials], len(orders))
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


def report(trials: list[Trial], planned: int) -> str:
    """A line for each command, and one for each trial in which something was wrong."""
    cpu_minutes = sum(trial.cpu_s for trial in trials) / 60.0
    lines = [
        f"{len(trials)} of {planned} planned trials, {len(ACTS) * len(PLACES)} files, "
        f"{cpu_minutes:.0f} min of CPU"
    ]
    head = (
        f"{'command':10} {'trials':>6} {'exit 0':>6} {'exit 1':>6} {'median s':>8} {'longest s':>9}"
    )
    lines.append(f"{head} {'litter':>6} {'wrong':>5}")
    for command in COMMANDS:
        own = [trial for trial in trials if trial.command == command]
        codes = Counter(trial.exit_code for trial in own)
        seconds = sorted(trial.seconds for trial in own) or [0.0]
        wrong = sum(bool(trial.wrong) for trial in own)
        litter = sum(bool(trial.litter) for trial in own)
        lines.append(
            f"{command:10} {len(own):6} {codes[0]:6} {codes[1]:6} "
            f"{seconds[len(seconds) // 2]:8.1f} {seconds[-1]:9.1f} {litter:6} {wrong:5}"
        )
    commits = Counter(trial.commit for trial in trials)
    counts = ", ".join(f"{count} of {commit}" for commit, count in commits.items())
    lines.append(f"trials by commit: {counts}")
    for trial in trials:
        if trial.wrong:
            lines.append(f"{trial.command} {trial.name} (exit {trial.exit_code}): {trial.wrong}")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), trains=sys.argv[3] == "train")
        from racer.cli import main as command_main

        command_main()
    else:
        main()
