"""How soon a car laps cleanly: seconds from the command, and steps, over seeds, tracks and car
generations.

    python benchmarks/learning.py [--seeds 10] [--tracks oval ...] [--cars v6 ...]
                                  [--settings lr=0.003 ...] [--json]
    python benchmarks/learning.py --compare [n_steps=32,128 ...] [--seeds 5] [--tracks oval ...] [--json]
    python benchmarks/learning.py --from [--seeds 5] [--json]
    python benchmarks/learning.py --line [--minutes 5] [--cars v6 ...] [--tracks reinvent_2018 ...]
                                  [--json]

The first form launches `racer train`, as a user would, and takes the wall time from the launch to
the first evaluation on disk in which 5 of 5 laps without exploration are complete; then it ends the
training. One run follows the other, as two at once slow each other down; `--jobs 2` is for machines
with cores to spare. A first run that is not counted fills the cache of compiled code. Where the
machine does other work, processor seconds tell more than wall seconds: the command has one thread.

`--pixels` measures trainings from pixels instead, as `benchmarks/pixels.py` does.

The second form, of `benchmarks/learning_settings.py`, trains inside this process and changes one
setting of PPO at a time, to justify the defaults: steps do not depend on the load of the machine,
seconds (of training, without start and imports) do. It evaluates every 8192 steps.

The third form, of `benchmarks/learning_from.py`, says how much sooner a car laps that starts from
the policy of a run on another track. Steps and laps are the same on every machine.

The fourth form is of `benchmarks/learning_line.py`: how near to the bound a car comes that learns
from physics.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from launching import (
    RACER,
    end_process,
    first_clean_evaluation,
    format_count,
    machine_text,
    processor_seconds,
)

TRACKS = ("reinvent_2018", "oval", "hot_rod_speedway")
CARS = ("v4", "v5", "v6")
LIMIT_S = 15.0
LIMITS_S = {"hot_rod_speedway": 30.0}
"""Tracks with another limit than LIMIT_S."""

TIMEOUT_S = 90.0
"""Time after which a run has failed."""

WANTED_FRACTION = 0.9
"""Fraction of the seeds that must be within the limit."""


@dataclass(frozen=True)
class TrainingJob:
    """One training: reward, track, car and seed, and settings of PPO that are not default."""

    reward: str
    track: str
    car: str
    seed: int
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingOutcome:
    """Steps and seconds to the first evaluation with complete laps only; None when it did not come.

    `cpu` are seconds that the command's process had of the processors until then.
    """

    job: TrainingJob
    steps: int | None
    seconds: float | None
    cpu: float | None = None


def main() -> None:
    options = parse_options()
    if options.line:
        import learning_line

        learning_line.main(options)
    elif options.starts_from:
        import learning_from

        learning_from.main(options)
    elif options.pixels:
        import pixels

        names = [*pixels.TIMED_ROWS, "objects", "generalise"]
        pixels.report(names, options.pixel_seeds, options.boxes, options.json)
    elif options.compare is not None:
        import learning_settings

        learning_settings.main(options)
    else:
        measure_and_print(options)


def measure_and_print(options: argparse.Namespace) -> None:
    """Measure the command for each car and track, and print a row for each as it comes."""
    rows = []
    all_outcomes = []
    for outcomes in measure_commands(options):
        row = summary_row(outcomes)
        if not options.json:
            if not rows:
                print_heads(options)
            print_row(row)
        rows.append(row)
        all_outcomes += outcomes
    if options.json:
        runs = [asdict(outcome) for outcome in all_outcomes]
        print(json.dumps({"rows": rows, "runs": runs}, indent=1))


def measure_commands(options: argparse.Namespace) -> Iterator[list[TrainingOutcome]]:
    """The outcomes of all seeds for each car and track, launched as commands."""
    settings = dict(parse_setting(text) for text in options.settings)
    pairs = list(product(options.cars, options.tracks))
    total = len(pairs) * options.seeds
    # fills the cache of compiled code
    launch(TrainingJob(options.reward, options.tracks[0], options.cars[0], 0, settings))
    done = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for car, track in pairs:
            jobs = []
            for seed in range(options.seeds):
                jobs.append(TrainingJob(options.reward, track, car, seed, settings))
            yield list(show_outcomes(pool.map(launch, jobs), total, done))
            done += options.seeds


def launch(job: TrainingJob) -> TrainingOutcome:
    """Run `racer train` until its first clean evaluation is on disk, then end it as Ctrl-C does."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        log = folder / "log.txt"
        run = folder / "run"
        command = [*RACER, *train_arguments(job, folder), "--out", str(run)]
        began = time.monotonic()
        with log.open("w") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
            try:
                return watch(job, process, run / "evaluations.csv", began, log)
            finally:
                end_process(process)


def watch(
    job: TrainingJob, process: subprocess.Popen[bytes], file: Path, began: float, log: Path
) -> TrainingOutcome:
    """The outcome of a training that is going on, once there is one."""
    while (seconds := time.monotonic() - began) < TIMEOUT_S:
        row = first_clean_evaluation(file)
        if row is not None:
            cpu = processor_seconds(process.pid)
            return TrainingOutcome(job, int(row["steps"]), round(seconds, 2), cpu)
        if process.poll() is not None:
            if process.returncode:
                sys.exit(f"racer train ended with {process.returncode}: {log.read_text()}")
            break
        time.sleep(0.02)
    return TrainingOutcome(job, None, None)


def train_arguments(job: TrainingJob, folder: Path) -> list[str]:
    """The arguments of `racer train`; settings of PPO need an experiment file, written into `folder`."""
    if not job.settings:
        names = ["--track", job.track, "--car", job.car, "--seed", str(job.seed)]
        return ["train", job.reward, *names]
    lines = [
        f'reward = "{job.reward}"',
        f'track = "{job.track}"',
        f'car = "{job.car}"',
        f"seed = {job.seed}",
        "[settings]",
    ]
    lines += [f"{name} = {json.dumps(value)}" for name, value in job.settings.items()]
    file = folder / "experiment.toml"
    file.write_text("\n".join([*lines, ""]))
    return ["train", str(file)]


def summary_row(outcomes: list[TrainingOutcome]) -> dict[str, Any]:
    """A row of the table: all seeds of a car and track."""
    job = outcomes[0].job
    limit = LIMITS_S.get(job.track, LIMIT_S)
    within = 0
    for outcome in outcomes:
        if outcome.seconds is not None and outcome.seconds <= limit:
            within += 1
    return {
        "car": job.car,
        "track": job.track,
        "limit": limit,
        "within": within,
        "ok": within >= WANTED_FRACTION * len(outcomes),
        **outcome_statistics(outcomes),
    }


def outcome_statistics(outcomes: list[TrainingOutcome]) -> dict[str, Any]:
    """Median and greatest seconds and steps; a run that never got there counts as infinitely long."""
    clean = [outcome for outcome in outcomes if outcome.steps is not None]
    numbers: dict[str, Any] = {"runs": len(outcomes), "clean": len(clean)}
    for name in ("seconds", "cpu", "steps"):
        values = []
        for outcome in outcomes:
            value = getattr(outcome, name)
            values.append(float("inf") if value is None else value)
        numbers[f"{name}_median"] = none_if_infinite(median(values))
        numbers[f"{name}_max"] = none_if_infinite(max(values))
    return numbers


def print_heads(options: argparse.Namespace) -> None:
    seeds = f"{options.seeds} seeds"
    if options.jobs > 1:
        seeds += f", {options.jobs} at a time"
    settings = f", {' '.join(options.settings)}" if options.settings else ""
    print(
        f"racer train {options.reward}{settings}: from the command to 5 of 5 complete laps; {seeds}; {machine_text()}"
    )
    heads = f"{'s, median':>10} {'max':>6} {'CPU s, median':>14} {'max':>6} {'steps, median':>14} {'max':>8}"
    print(f"{'car':4} {'track':18} {'within limit':>18} {heads}")


def print_row(row: dict[str, Any]) -> None:
    within = f"{row['within']} of {row['runs']} in {row['limit']:.0f} s"
    cells = [
        f"{row['car']:4} {row['track']:18} {within:>18}",
        f"{format_count(row['seconds_median'], 1):>10} {format_count(row['seconds_max'], 1):>6}",
        f"{format_count(row['cpu_median'], 1):>14} {format_count(row['cpu_max'], 1):>6}",
        f"{format_count(row['steps_median']):>14} {format_count(row['steps_max']):>8}",
    ]
    verdict = "" if row["ok"] else "  TOO SLOW"
    print(f"{' '.join(cells)}{verdict}", flush=True)


def show_outcomes(
    outcomes: Iterable[TrainingOutcome], total: int, done: int = 0
) -> Iterator[TrainingOutcome]:
    """The outcomes, with a line for each on a terminal."""
    for number, outcome in enumerate(outcomes, start=done + 1):
        if sys.stderr.isatty():
            job = outcome.job
            print(
                f"{number}/{total} {job.car} {job.track} seed {job.seed} {settings_text(job.settings)}: "
                f"{format_count(outcome.seconds, 1)} s, {format_count(outcome.steps)} steps",
                file=sys.stderr,
            )
        yield outcome


def settings_text(settings: dict[str, Any]) -> str:
    """`lr = 0.003, n_steps = 32`."""
    if not settings:
        return "defaults"
    return ", ".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())


def parse_setting(text: str) -> tuple[str, Any]:
    """Name and value of `lr=0.003`."""
    name, _, value = text.partition("=")
    return name, parse_value(value)


def parse_value(text: str) -> Any:
    """A number, a flag, or `[32;32]` for a list."""
    try:
        return json.loads(text.replace(";", ","))
    except json.JSONDecodeError:
        sys.exit(f"{text!r} is no value of a setting: write key=number, key=true, or key=[64;64]")


def none_if_infinite(number: float) -> float | None:
    if number == float("inf"):
        return None
    return number


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--reward", default="center_line", help="a shipped reward function's name, or a file")
    add("--seeds", type=int, help="how many (10; 5 with --compare and --from, 1 with --line)")
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
        "--from",
        dest="starts_from",
        action="store_true",
        help="start from the policy of a run on another track, and from nothing",
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
    options = parser.parse_args(arguments)
    seeds, tracks, cars = 10, TRACKS, CARS
    if options.line:
        seeds, tracks, cars = 1, TRACKS[:1], CARS[-1:]
    elif options.compare is not None or options.starts_from:
        seeds = 5
    options.pixel_seeds = range(options.seeds or 5)
    options.boxes = 3
    options.seeds = options.seeds or seeds
    options.tracks = options.tracks or tracks
    options.cars = options.cars or cars
    return options


if __name__ == "__main__":
    main()
