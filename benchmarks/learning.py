"""How soon a car laps cleanly: seconds from the command, and steps, over seeds, tracks and car
generations.

    python benchmarks/learning.py [--seeds 10] [--tracks oval ...] [--cars v6 ...] [--settings
    lr=0.003 ...] [--json] python benchmarks/learning.py --compare [n_steps=32,128 ...] [--seeds 5]
    [--tracks oval ...] [--json] python benchmarks/learning.py --line [--minutes 5] [--cars v6 ...]
    [--tracks reinvent_2018 ...] [--json]

The first form launches `racer train`, as a user would, and takes the wall time from the launch to
the first evaluation on disk in which 5 of 5 laps without exploration are complete; then it ends the
training. One run follows the other, as two at once slow each other down; `--jobs 2` is for machines
with cores to spare. A first run that is not counted fills the cache of compiled code. Where the
machine does other work, processor seconds tell more than wall seconds: the command has one thread.

`--pixels` measures trainings from pixels instead, as `benchmarks/pixels.py` does.

The second form trains inside this process and changes one PPO setting at a time, to justify the
defaults: steps do not depend on the load of the machine, seconds (of training, without start and
imports) do. It evaluates every 8192 steps.

The third form is of `benchmarks/learning_line.py`: how near to the bound a car comes that learns
from physics.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

TRACKS = ("reinvent_2018", "oval", "hot_rod_speedway")
CARS = ("v4", "v5", "v6")
LIMITS = {"hot_rod_speedway": 30.0}  # s; 15 elsewhere
LIMIT = 15.0
PATIENCE = 90.0  # s after which a run has failed
WANTED = 0.9  # share of the seeds that must be within the limit
STEPS, EVERY = 200_000, 8_192  # at most, and between evaluations, where settings are compared
VARIANTS = (
    "envs=16,32,128,256", "n_steps=32,128,256", "batch_size=256,512,2048,4096", "n_epochs=4,20", "lr=0.0003,0.003",
    "lr_end=1.0", "gamma=0.95,0.995", "gae_lambda=0.9,1.0", "ent_coef=0.01", "log_std_init=-1.0,0.0",
    "normalize_reward=false", "net_arch=[32;32],[128;128]",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One training: what is trained on which track, with which car and seed, and PPO settings that
    are not default.
    """

    reward: str
    track: str
    car: str
    seed: int
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Steps and seconds to the first evaluation with complete laps only; None when it did not come."""

    job: Job
    steps: int | None
    seconds: float | None
    # s that the command's process had of the processors until then; Linux only
    cpu: float | None = None


def main() -> None:
    options = _options()
    if options.line:
        import learning_line

        learning_line.main(options)
        return
    if options.pixels:
        from pixels import TIMED, report

        report(
            [*TIMED, "objects", "generalise"], options.seeds if options.given else 5, options.json
        )
        return
    if options.compare is not None:
        outcomes = compare(options)
        rows = [_settings_row(name, group) for name, group in outcomes.items()]
        _print_settings(rows, options) if not options.json else print(json.dumps(rows, indent=1))
        return
    rows, results = [], []
    for mine in measure(options):
        rows.append(_row(mine))
        results += mine
        if not options.json:
            _print(rows[-1], options, head=len(rows) == 1)
    if options.json:
        print(json.dumps({"rows": rows, "runs": [asdict(result) for result in results]}, indent=1))


# --- the command, from its launch


def measure(options: argparse.Namespace) -> Iterator[list[Outcome]]:
    """The outcomes of all seeds for each car and track, launched as commands."""
    settings = dict(_setting(text) for text in options.settings)
    pairs = list(product(options.cars, options.tracks))
    # fills the cache
    launch(Job(options.reward, options.tracks[0], options.cars[0], 0, settings), options.command)
    total, done = len(pairs) * options.seeds, 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for car, track in pairs:
            jobs = [
                Job(options.reward, track, car, seed, settings) for seed in range(options.seeds)
            ]
            yield list(_told(pool.map(lambda job: launch(job, options.command), jobs), total, done))
            done += options.seeds


def launch(job: Job, command: Sequence[str]) -> Outcome:
    """Run `racer train` until its first clean evaluation is on disk, then end it as Ctrl-C does."""
    with tempfile.TemporaryDirectory() as place:
        folder, log = Path(place) / "run", Path(place) / "log.txt"
        words = [*command, *_words(job, Path(place)), "--out", str(folder)]
        began = time.monotonic()
        with log.open("w") as text:
            process = subprocess.Popen(words, stdout=text, stderr=text, stdin=subprocess.DEVNULL)
            try:
                return _watch(job, process, folder / "evaluations.csv", began, log)
            finally:
                _end(process)


def _watch(
    job: Job, process: subprocess.Popen[bytes], file: Path, began: float, log: Path
) -> Outcome:
    while (seconds := time.monotonic() - began) < PATIENCE:
        for row in _evaluations(file):
            if row["complete"] == row["trials"]:
                return Outcome(job, int(row["steps"]), round(seconds, 2), _cpu(process.pid))
        if process.poll() is not None:
            if process.returncode:
                sys.exit(f"racer train ended with {process.returncode}: {log.read_text()}")
            break
        time.sleep(0.02)
    return Outcome(job, None, None)


def _cpu(number: int) -> float | None:
    """Seconds of processor time of a process, user and system; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 2)


def _words(job: Job, place: Path) -> list[str]:
    """The arguments of `racer train`; PPO's settings can only be said in an experiment file."""
    if not job.settings:
        return [
            "train",
            job.reward,
            "--track",
            job.track,
            "--car",
            job.car,
            "--seed",
            str(job.seed),
        ]
    sheet = place / "experiment.toml"
    facts = [f'{name} = "{getattr(job, name)}"' for name in ("reward", "track", "car")]
    values = [f"{name} = {json.dumps(value)}" for name, value in job.settings.items()]
    sheet.write_text("\n".join([*facts, f"seed = {job.seed}", "[settings]", *values, ""]))
    return ["train", str(sheet)]


def _evaluations(file: Path) -> list[dict[str, str]]:
    try:
        return list(csv.DictReader(file.read_text().splitlines()))
    except FileNotFoundError:
        return []


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _row(mine: list[Outcome]) -> dict[str, Any]:
    job = mine[0].job
    limit = LIMITS.get(job.track, LIMIT)
    within = sum(r.seconds is not None and r.seconds <= limit for r in mine)
    ok = within >= WANTED * len(mine)
    return {
        "car": job.car,
        "track": job.track,
        "limit": limit,
        "within": within,
        "ok": ok,
        **_spread(mine),
    }


def _spread(mine: list[Outcome]) -> dict[str, Any]:
    """Median and greatest seconds and steps; a run that never got there counts as infinitely long."""
    found: dict[str, Any] = {"runs": len(mine), "clean": sum(r.steps is not None for r in mine)}
    for name in ("seconds", "cpu", "steps"):
        values = [getattr(r, name) for r in mine]
        numbers = [float("inf") if value is None else value for value in values]
        found |= {f"{name}_median": _finite(median(numbers)), f"{name}_max": _finite(max(numbers))}
    return found


def _print(row: dict[str, Any], options: argparse.Namespace, head: bool) -> None:
    if head:
        runs = (
            f"{options.seeds} seeds, {options.jobs} at a time"
            if options.jobs > 1
            else f"{options.seeds} seeds"
        )
        extra = f", {' '.join(options.settings)}" if options.settings else ""
        print(
            f"racer train {options.reward}{extra}: from the command to 5 of 5 complete laps; {runs}; {_machine()}"
        )
        heads = f"{'s, median':>10} {'max':>6} {'CPU s, median':>14} {'max':>6} {'steps, median':>14} {'max':>8}"
        print(f"{'car':4} {'track':18} {'within limit':>18} {heads}")
    within = f"{row['within']} of {row['runs']} in {row['limit']:.0f} s"
    seconds = f"{_number(row['seconds_median'], 1):>10} {_number(row['seconds_max'], 1):>6}"
    seconds += f" {_number(row['cpu_median'], 1):>14} {_number(row['cpu_max'], 1):>6}"
    steps = f"{_number(row['steps_median']):>14} {_number(row['steps_max']):>8}"
    late = "" if row["ok"] else "  TOO SLOW"
    print(f"{row['car']:4} {row['track']:18} {within:>18} {seconds} {steps}{late}", flush=True)


# --- settings, inside this process


def compare(options: argparse.Namespace) -> dict[str, list[Outcome]]:
    """The outcomes over seeds and tracks of the defaults, and of each setting changed."""
    variants: list[dict[str, Any]] = [{}]
    for text in options.compare or VARIANTS:
        name, _, values = text.partition("=")
        variants += [{name: _value(value)} for value in values.split(",")]
    grid = list(product(variants, options.tracks, range(options.seeds)))
    jobs = [
        Job(options.reward, track, options.cars[-1], seed, settings)
        for settings, track, seed in grid
    ]
    found: dict[str, list[Outcome]] = {}
    for outcome in _told((train(job) for job in jobs), len(jobs)):
        found.setdefault(_named(outcome.job.settings), []).append(outcome)
    return found


class _Clean(Exception):
    """A clean evaluation has come: the training may end."""


def train(job: Job) -> Outcome:
    """Train in this process until the first clean evaluation."""
    from racer.training import Run, TrainingProgress, open_session, parse_config

    facts = {name: getattr(job, name) for name in ("reward", "track", "car", "seed", "settings")}
    config = parse_config(facts | {"evaluate_every": EVERY, "traced_cars": 0}, "--compare")

    def report(progress: TrainingProgress) -> None:
        if progress.first_clean or progress.steps > STEPS:
            raise _Clean

    with tempfile.TemporaryDirectory() as place:
        session = open_session(Run.create(config, Path(place)))
        with suppress(_Clean):
            session.train(report)
        steps, seconds = session.progress.first_clean or (None, None)
    return Outcome(job, steps, None if seconds is None else round(seconds, 2))


def _settings_row(name: str, mine: list[Outcome]) -> dict[str, Any]:
    return {"settings": name, **_spread(mine)}


def _print_settings(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    tracks = ", ".join(options.tracks)
    print(
        f"{options.reward}, {options.seeds} seeds on each of {tracks}; car {options.cars[-1]}; {_machine()}"
    )
    print(
        f"{'settings':28} {'clean':>10} {'steps, median':>14} {'max':>8} {'s, median':>10} {'max':>6}"
    )
    for row in rows:
        clean = f"{row['clean']} of {row['runs']}"
        steps = f"{_number(row['steps_median']):>14} {_number(row['steps_max']):>8}"
        seconds = f"{_number(row['seconds_median'], 1):>10} {_number(row['seconds_max'], 1):>6}"
        print(f"{row['settings']:28} {clean:>10} {steps} {seconds}")


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, _value(value)


def _value(text: str) -> Any:
    """A number, a flag, or `[32;32]` for a list."""
    try:
        return json.loads(text.replace(";", ","))
    except json.JSONDecodeError:
        sys.exit(f"{text!r} is no value of a setting: write key=number, key=true, or key=[64;64]")


def _named(settings: dict[str, Any]) -> str:
    return (
        ", ".join(f"{name} = {json.dumps(value)}" for name, value in settings.items()) or "defaults"
    )


# --- what both forms share


def _told(outcomes: Iterable[Outcome], total: int, done: int = 0) -> Iterator[Outcome]:
    """The outcomes, with a line for each on a terminal."""
    for k, outcome in enumerate(outcomes, start=done + 1):
        if sys.stderr.isatty():
            job = outcome.job
            print(
                f"{k}/{total} {job.car} {job.track} seed {job.seed} {_named(job.settings)}: ",
                end="",
                file=sys.stderr,
            )
            print(
                f"{_number(outcome.seconds, 1)} s, {_number(outcome.steps)} steps", file=sys.stderr
            )
        yield outcome


def _finite(number: float) -> float | None:
    return number if number < float("inf") else None


def _number(number: float | None, digits: int = 0) -> str:
    return "never" if number is None else f"{number:,.{digits}f}"


def _machine() -> str:
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--reward", default="center_line", help="a shipped reward function's name, or a file")
    add("--seeds", type=int, help="how many (10; 5 with --compare, 1 with --line)")
    add("--tracks", nargs="+", default=None, help=f"names or files ({' '.join(TRACKS)})")
    add(
        "--cars",
        nargs="+",
        default=None,
        help=f"generations ({' '.join(CARS)}); --compare takes the last",
    )
    add(
        "--settings",
        nargs="+",
        default=(),
        metavar="KEY=VALUE",
        help="PPO settings instead of the defaults",
    )
    add(
        "--compare",
        nargs="*",
        metavar="KEY=V1,V2",
        help="change one PPO setting at a time (by default, many)",
    )
    add(
        "--line",
        action="store_true",
        help="train with rewards built on physics, and compare with the bound",
    )
    add("--minutes", type=float, default=5.0, help="of each training of --line (5)")
    add("--jobs", type=int, default=1, help="commands at a time (1: more disturb each other)")
    add("--json", action="store_true", help="print data instead of a table")
    add(
        "--pixels",
        action="store_true",
        help="trainings from pixels: the rows of benchmarks/pixels.py (5 seeds)",
    )
    options = parser.parse_args()
    options.tracks = options.tracks or (TRACKS[:1] if options.line else TRACKS)
    options.cars = options.cars or (CARS[-1:] if options.line else CARS)
    options.given = options.seeds is not None
    options.seeds = options.seeds or (1 if options.line else 10 if options.compare is None else 5)
    options.command = [sys.executable, "-m", "racer"]
    return options


if __name__ == "__main__":
    main()
