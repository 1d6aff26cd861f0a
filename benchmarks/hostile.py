"""Hostile reward functions, made of acts and places, under every command that takes a reward.

    python benchmarks/hostile.py [--each N] [--jobs N] [--minutes M] [-o FILE]

An act (never to come back, to end the program, to write to the terminal) is done in a place (while the
file is loaded, in a call, in a thread, in `__float__` of the result, at exit). Each of the 150 files
goes through N of the commands, by turns. Wrong are: a command that runs on after its time, a traceback
of racer's own, exit code 0 without a result, and a character that steers the terminal.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

LONGEST_S = 75.0
"""No command may take longer: its timeout for a call is 5 s, and the machine is busy."""
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
    "check": ["check", "-q", "{file}", "--track", "oval"],
    "score": ["score", "{file}", "--track", "oval"],
    "train": ["train", "{file}", "--track", "oval", "--steps", "256", "--envs", "2"],
    "map": ["map", "{file}", "--track", "oval", "--cells", "200", "-o", "{out}/map.png"],
    "explain": ["explain", "{file}", "--track", "oval", "--driver", "medium"],
    "reward": ["reward", "{file}", "{params}"],
    "replay": ["replay", "{log}", "{file}", "--track", "oval"],
}
RESULTS = {
    "check": r"(passed|warning|info).*steps on|nothing was tried",
    "score": r"passes|fails|pays",
    "train": r"racer evaluate",
    "map": r"map\.png",
    "explain": r"\d",
    "reward": r"^-?\d",
    "replay": r"lap",
}
"""What stands in the output of a command that came to its end."""
OWN_TRACE = re.compile(r'File "[^"]*/racer/(?!shipped)[^"]*\.py", line \d+')
STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Trial:
    """One file under one command, and what was wrong; nothing for a good end."""

    name: str
    command: str
    seconds: float
    exit_code: int | None
    wrong: str


def hostile_files() -> Iterator[tuple[str, str]]:
    """Name and text of every file."""
    for act, code in ACTS.items():
        for place, frame in PLACES.items():
            fields = {"act": code, "act4": indent(code, " " * 4), "act8": indent(code, " " * 8)}
            name = f"{act} {place}".replace(" ", "_").replace("__", "_").strip("_")
            yield name, frame.format_map(fields)


def run_trial(folder: Path, name: str, command: str) -> Trial:
    """Run a command in a folder of its own."""
    place = folder / f"{name}-{command}"
    place.mkdir()
    (place / "reward.py").write_bytes((folder / f"{name}.py").read_bytes())
    words = {"file": "reward.py", "out": ".", "params": "../params.json", "log": "../log.csv"}
    line = [sys.executable, "-m", "racer"]
    line += [word.format_map(words) for word in COMMANDS[command]]
    began = time.monotonic()
    process = subprocess.Popen(
        line,
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        raw, _ = process.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raw, _ = process.communicate()
        return Trial(name, command, LONGEST_S, None, "it did not come to an end")
    seconds = time.monotonic() - began
    wrong = _what_is_wrong(command, process.returncode, raw.decode(errors="replace"))
    return Trial(name, command, seconds, process.returncode, wrong)


def _what_is_wrong(command: str, exit_code: int, text: str) -> str:
    if OWN_TRACE.search(text):
        return "a traceback of racer's own"
    if STEERING.search(text):
        return "characters that steer the terminal"
    if exit_code == 0 and not re.search(RESULTS[command], text, re.MULTILINE):
        return "exit code 0 without a result"
    if exit_code < 0:
        return f"signal {-exit_code} ended it without a word"
    if exit_code and not text.strip():
        return "an exit code and no word"
    return ""


def prepare(folder: Path) -> list[str]:
    """Write the files, the params of a call, and a log; names of the files."""
    from racer import DeepRacerVectorEnv, place
    from racer.logs import write_csv

    names = []
    for name, text in hostile_files():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
        names.append(name)
    (folder / "params.json").write_text(json.dumps(place("oval", waypoint=3), default=float))
    cars = DeepRacerVectorEnv(1, track="oval")
    cars.reset(seed=0)
    import numpy as np
    import pandas as pd

    action = np.array([[0.0, -0.5]])
    steps = []
    for _ in range(20):
        step = cars.advance(action, with_params=True)
        steps.append(pd.DataFrame(cars.trace(step, action)))
    trace = pd.concat(steps, ignore_index=True).assign(action=-1)
    write_csv(trace, folder / "log.csv")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=len(COMMANDS), help="commands for each file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin nothing after so many")
    parser.add_argument("--only", default="", help="only files whose name holds this")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    end = time.monotonic() + 60.0 * options.minutes
    commands = list(COMMANDS)
    with tempfile.TemporaryDirectory(prefix="hostile_", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        files = [file for file in prepare(folder) if options.only in file]
        orders = []
        for turn in range(options.each):
            for number, file in enumerate(files):
                orders.append((file, commands[(number + turn) % len(commands)]))

        def run(order: tuple[str, str]) -> Trial | None:
            return run_trial(folder, *order) if time.monotonic() < end else None

        with ThreadPoolExecutor(options.jobs) as pool:
            trials = [trial for trial in pool.map(run, orders) if trial is not None]
    text = report(trials, len(orders))
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


def report(trials: list[Trial], planned: int) -> str:
    """A line for each command, and one for each trial in which something was wrong."""
    lines = [f"{len(trials)} of {planned} planned trials, {len(ACTS) * len(PLACES)} files"]
    lines.append(f"{'command':10} {'trials':>6} {'exit 0':>6} {'longest s':>9} {'wrong':>5}")
    for command in COMMANDS:
        own = [trial for trial in trials if trial.command == command]
        codes = Counter(trial.exit_code for trial in own)
        longest = max((trial.seconds for trial in own), default=0.0)
        wrong = sum(bool(trial.wrong) for trial in own)
        lines.append(f"{command:10} {len(own):6} {codes[0]:6} {longest:9.1f} {wrong:5}")
    for trial in trials:
        if trial.wrong:
            lines.append(f"{trial.command} {trial.name} (exit {trial.exit_code}): {trial.wrong}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
