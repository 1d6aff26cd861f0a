"""Processor seconds of racer's commands on an ordinary file: `python benchmarks/commands.py [--repeat
3] [--only check] [--load] [-o commands.txt]`.

A project is made in an empty folder: an ordinary reward of some 30 lines, an action space, a track, a
training of 4,096 steps that gives the run and the log that commands read. Each command then runs as a
user calls it, so many times, in a process of its own; numba's cache is filled before. The least of
its processor seconds counts, children included: what else the machine does changes them less than
seconds by the clock on the wall. `racer score` ends with 1 where its verdict is bad.

With `--load` it compares instead what `racer check --json` says of the 12 files of
tests/checker/test_load.py alone, and beside eight busy processes of the same priority; times aside.
"""

from __future__ import annotations

import argparse
import json
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from launching import RACER, machine_text, wait_for_process
from racer.files import write_file

REWARD = '''\
import math

LOOKAHEAD = 5


def reward_function(params):
    """Near the line, along the road ahead, and fast where it is straight."""
    if not params["all_wheels_on_track"] or params["is_crashed"]:
        return 1e-3
    waypoints = params["waypoints"]
    ahead = (params["closest_waypoints"][1] + LOOKAHEAD) % len(waypoints)
    aim_x, aim_y = waypoints[ahead]
    direction = math.degrees(math.atan2(aim_y - params["y"], aim_x - params["x"]))
    difference = abs((direction - params["heading"] + 180.0) % 360.0 - 180.0)
    away = params["distance_from_center"] / (0.5 * params["track_width"])
    reward = max(1e-3, 1.0 - 0.5 * away)
    if difference > 30.0:
        reward *= 0.5
    if abs(params["steering_angle"]) < 10.0:
        reward += 0.2 * params["speed"]
    if params["progress"] == 100.0:
        reward += 10.0
    return float(reward + params["progress"] / params["steps"])
'''
LIMITS_S = {"check": 2.5, "score": 1.2}
"""What is promised on an ordinary file."""
COMMANDS = {
    "check": "check -q reward.py",
    "check --profile aws": "check -q reward.py --profile aws",
    "score": "score reward.py",
    "explain": "explain reward.py",
    "map": "map reward.py -o map.png",
    "line": "line oval",
    "tracks list": "tracks list",
    "tracks show": "tracks show oval",
    "train": "train reward.py --track oval --steps 4096 --out run",
    "evaluate": "evaluate run",
    "replay": "replay reward.py run",
    "analyze": "analyze run",
    "export": "export run -o exported",
    "report": "report run -o report.html",
}
"""In this order: what comes later reads what came before."""


SPINNERS = 8


class CommandCost(NamedTuple):
    """The least processor and wall seconds of a command, and its exit code."""

    cpu_s: float
    wall_s: float
    exit_code: int


def measure_command(words: str, folder: Path, repeat: int) -> CommandCost:
    """Run a command in a folder so many times, and keep the least seconds."""
    costs = []
    option, output_name = words.split()[-2:]
    for _ in range(repeat):
        if option in ("-o", "--out"):  # a command writes over no folder
            shutil.rmtree(folder / output_name, ignore_errors=True)
        started = time.perf_counter()
        with (folder / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                [*RACER, *words.split()], cwd=folder, stdout=output, stderr=subprocess.STDOUT
            )
            cpu_s = wait_for_process(process)
        costs.append(CommandCost(cpu_s, time.perf_counter() - started, process.returncode))
    return CommandCost(
        min(cost.cpu_s for cost in costs),
        min(cost.wall_s for cost in costs),
        costs[-1].exit_code,
    )


def table_row(name: str, words: str, cost: CommandCost) -> str:
    """A line of the table: the seconds, and what was promised."""
    limit = LIMITS_S.get(name)
    promised = f"{limit:g}" if limit is not None else ""
    seconds = f"{cost.cpu_s:.2f} | {cost.wall_s:.2f}"
    return f"| `racer {words}` | {seconds} | {promised} | {cost.exit_code} |"


def compare_beside_load(folder: Path) -> list[str]:
    """What a check says of 12 files, alone and beside busy processes: lines of text."""
    test = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "checker" / "test_load.py"))
    names = []
    for name, body in test["BODIES"].items():
        table = [float(k) for k in range(40)]
        text = f"import time\n\nTABLE = {table}\nbegun = [None]\n\n\ndef reward_function(params):\n"
        names.append(write_file(folder / f"{name}.py", f"{text}    {body}\n").name)
    alone = reports_of(names, folder, test["TIMES"])
    spinners = [
        subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(SPINNERS)
    ]
    try:
        beside = reports_of(names, folder, test["TIMES"])
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()
    lines = []
    for one, other in zip(alone, beside, strict=True):
        if one != other:
            lines.append(f"differs: {json.dumps(one)} and {json.dumps(other)}")
    findings = sum(len(report["findings"]) for report in alone)
    verdict = "is not the same" if lines else "is the same"
    sentence = (
        f"racer check --json on {len(names)} files ({findings} findings) {verdict} "
        f"alone and beside {SPINNERS} busy processes"
    )
    return [sentence, *lines]


def reports_of(names: list[str], folder: Path, times: tuple[str, ...]) -> list[dict[str, Any]]:
    """What a check says of files, but for times."""
    command = [*RACER, "check", "--json", *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    reports: list[dict[str, Any]] = json.loads(done.stdout)
    for report in reports:
        for name in times:
            report["trial"].pop(name, None)
    return reports


def main() -> None:
    """Measure and print the table, line by line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", help="only commands whose name begins so")
    parser.add_argument("--load", action="store_true", help="compare a check beside a load instead")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    if args.load:
        with tempfile.TemporaryDirectory() as name:
            lines = [machine_text(), *compare_beside_load(Path(name))]
        print("\n".join(lines))
        if args.output is not None:
            write_file(args.output, "\n".join(lines) + "\n")
        raise SystemExit(len(lines) > 2)
    lines = [
        f"{machine_text()}, least of {args.repeat}",
        "",
        "| command | CPU s | s by the clock | promised CPU s | exit code |",
        "|---|---:|---:|---:|---:|",
    ]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_file(folder / "reward.py", REWARD)
        for command, words in COMMANDS.items():
            if args.only and not command.startswith(args.only):
                continue
            lines.append(table_row(command, words, measure_command(words, folder, args.repeat)))
            print(lines[-1], flush=True)
    if args.output is not None:
        write_file(args.output, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
