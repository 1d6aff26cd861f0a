"""How near to the lap-time bound a car comes in a few minutes: rewards built on physics beside the
center line.

    python benchmarks/learning.py --line [--minutes 5] [--cars v6 ...] [--tracks reinvent_2018 ...]
                                  [--seeds 1] [--json]

For each track and car, all by the commands that a user types: `racer init --line` writes the
rewards, `racer actions design` the action space; then `racer train` trains a car with each reward
for so many minutes, one after the other, with one thread and default PPO settings, and `racer
evaluate` drives the best checkpoint without exploration: five laps in one go, the first one from
standstill. Each best lap is set against the bound of the same car: that of `racer line` with its
usual margin, and the stricter one that leaves the car all the room that the rules do. The row that
must hold is the one of `line`: at most 112 % of the usual bound. Where the machine does other work,
fewer steps are trained in the time; the table says how many, and the seconds of the processor that
they took.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from launching import RACER
from racer.raceline.minimum_time import LINE_MARGIN_M, WIDEST_MARGIN_M, racing_line
from racer.track.library import load_track
from racer.vehicle.car import car_preset

WANTED_FRACTION = 1.12
"""What the best lap of `line` may take, as a fraction of the bound."""

REWARDS = {"line": "reward.py", "center line": "center_line", "pace": "pace.py"}


@dataclass(frozen=True)
class LineRow:
    """One training.

    `laps` are the times of those of the evaluation, None where a lap was not completed. `bound` and
    `strict` are the lap-time bounds. Times in s.
    """

    car: str
    track: str
    seed: int
    reward: str
    actions: str
    steps: int
    cpu: float
    laps: tuple[float | None, ...]
    off_tracks: int
    bound: float
    strict: float

    @property
    def best(self) -> float | None:
        """The best lap; None when none was completed."""
        return min((lap for lap in self.laps if lap is not None), default=None)

    @property
    def fraction(self) -> float | None:
        """The best lap as a fraction of the bound."""
        if self.best is None:
            return None
        return self.best / self.bound

    @property
    def is_too_slow(self) -> bool:
        """Whether it is the row that must hold, and does not."""
        if self.reward != "line":
            return False
        return self.fraction is None or self.fraction > WANTED_FRACTION

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"best": self.best, "share": self.fraction}


def main(options: argparse.Namespace) -> None:
    """Train and print; exit code 1 when a row of the line misses what is wanted."""
    rows: list[LineRow] = []
    for car, track, seed in product(options.cars, options.tracks, range(options.seeds)):
        rows += measure_rewards(car, track, seed, options)
    if options.json:
        print(json.dumps([row.as_json() for row in rows], indent=1))
    sys.exit(1 if any(row.is_too_slow for row in rows) else 0)


def measure_rewards(
    car: str, track: str, seed: int, options: argparse.Namespace
) -> Iterator[LineRow]:
    """A row a reward, printed as they come."""
    bound, strict = lap_bounds(car, track)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run_racer(folder, "init", ".", "--line", "--track", track, "--car", car)
        design = ["actions", "design", "--track", track, "--car", car, "-o", "actions.json"]
        output = run_racer(folder, *design)
        if not options.json:
            print(output.rstrip().splitlines()[0], flush=True)
            print_heads(bound, strict)
        for reward in REWARDS:
            training = train_and_evaluate(folder, reward, car, track, seed, options.minutes)
            row = LineRow(
                car=car,
                track=track,
                seed=seed,
                reward=reward,
                actions="designed 12",
                bound=bound,
                strict=strict,
                **training,
            )
            if not options.json:
                print_row(row)
            yield row


def lap_bounds(car: str, track: str) -> tuple[float, float]:
    """The usual lap-time bound of a car, and the stricter one, s."""
    line = racing_line(load_track(track), car_preset(car), LINE_MARGIN_M)
    widest_line = racing_line(load_track(track), car_preset(car), WIDEST_MARGIN_M)
    return line.lap_time, widest_line.lap_time


def train_and_evaluate(
    folder: Path, reward: str, car: str, track: str, seed: int, minutes: float
) -> dict[str, Any]:
    """Steps and processor seconds of a training with a reward, and the laps of its evaluation."""
    run = f"runs/{reward.replace(' ', '-')}"
    arguments = ["--track", track, "--car", car, "--seed", str(seed), "--minutes", str(minutes)]
    arguments += ["--action-space", "actions.json", "--out", run]
    before = children_seconds()
    run_racer(folder, "train", REWARDS[reward], *arguments)
    cpu = children_seconds() - before
    evaluation = json.loads(run_racer(folder, "evaluate", run, "--json"))
    checkpoints = (folder / run / "checkpoints").glob("*.pt")
    steps = [int(file.stem) for file in checkpoints if file.stem.isdigit()]
    laps = evaluation["laps"]
    return {
        "steps": max(steps),
        "cpu": round(cpu, 1),
        "laps": tuple(round(lap["time"], 2) if lap["complete"] else None for lap in laps),
        "off_tracks": sum(lap["off_tracks"] for lap in laps),
    }


def children_seconds() -> float:
    """Processor seconds of the processes that were waited for until now."""
    times = os.times()
    return times.children_user + times.children_system


def print_heads(bound: float, strict: float) -> None:
    cells = [
        f"{'car':4} {'reward':12} {'steps':>9} {'CPU s':>6} {'best lap s':>11} {'laps':>24}",
        f"{'off-tracks':>10} {f'% of {bound:.2f} s':>14} {f'% of {strict:.2f} s':>14}",
    ]
    print(" ".join(cells))


def print_row(row: LineRow) -> None:
    laps = " ".join("-" if lap is None else f"{lap:.2f}" for lap in row.laps)
    best, fraction, strict_fraction = "-", "-", "-"
    if row.best is not None:
        best = f"{row.best:.2f}"
        fraction = f"{row.best / row.bound:.1%}"
        strict_fraction = f"{row.best / row.strict:.1%}"
    verdict = "  TOO SLOW" if row.is_too_slow else ""
    cells = [
        f"{row.car:4} {row.reward:12} {row.steps:>9,} {row.cpu:>6.0f} {best:>11} {laps:>24}",
        f"{row.off_tracks:>10} {fraction:>14} {strict_fraction:>14}{verdict}",
    ]
    print(" ".join(cells), flush=True)


def run_racer(folder: Path, *arguments: str) -> str:
    """What a command prints, run in a folder; the end of this program when it fails."""
    done = subprocess.run(
        [*RACER, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(
            f"racer {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}"
        )
    return done.stdout
