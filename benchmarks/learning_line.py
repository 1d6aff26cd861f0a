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
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

from racer.raceline.minimum_time import LINE_MARGIN_M, WIDEST_MARGIN_M, racing_line
from racer.track import library
from racer.vehicle.car import car_preset

WANTED = 1.12  # times the bound
REWARDS = {"line": "reward.py", "center line": "center_line", "pace": "pace.py"}


@dataclass(frozen=True)
class Row:
    """One training. Times in s; `laps` are those of the evaluation, None where a lap was not
    completed.
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
        return min((lap for lap in self.laps if lap is not None), default=None)

    @property
    def share(self) -> float | None:
        """The best lap in shares of the bound."""
        return None if self.best is None else self.best / self.bound


def main(options: argparse.Namespace) -> None:
    """Train and print; exit code 1 when the row of the line misses what is wanted."""
    rows = []
    for car, track, seed in product(options.cars, options.tracks, range(options.seeds)):
        rows += measure(car, track, seed, options)
    if options.json:
        print(
            json.dumps(
                [asdict(row) | {"best": row.best, "share": row.share} for row in rows], indent=1
            )
        )
    missed = [
        row for row in rows if row.reward == "line" and not (row.share and row.share <= WANTED)
    ]
    sys.exit(1 if missed else 0)


def measure(car: str, track: str, seed: int, options: argparse.Namespace) -> list[Row]:
    """A row a reward, printed as they come."""
    road, model = library.load_track(track), car_preset(car)
    bounds = [
        racing_line(road, model, margin).lap_time for margin in (LINE_MARGIN_M, WIDEST_MARGIN_M)
    ]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _run(options, folder, "init", ".", "--line", "--track", track, "--car", car)
        said = _run(
            options,
            folder,
            "actions",
            "design",
            "--track",
            track,
            "--car",
            car,
            "-o",
            "actions.json",
        )
        if not options.json:
            print(said.rstrip().splitlines()[0], flush=True)
            print(
                f"{'car':4} {'reward':12} {'steps':>9} {'CPU s':>6} {'best lap s':>11} {'laps':>24}",
                end="",
            )
            print(
                f" {'off-tracks':>10} {f'% of {bounds[0]:.2f} s':>14} {f'% of {bounds[1]:.2f} s':>14}"
            )
        return [_row(car, track, seed, name, folder, bounds, options) for name in REWARDS]


def _row(
    car: str,
    track: str,
    seed: int,
    name: str,
    folder: Path,
    bounds: list[float],
    options: argparse.Namespace,
) -> Row:
    run = f"runs/{name.replace(' ', '-')}"
    words = [
        REWARDS[name],
        "--track",
        track,
        "--car",
        car,
        "--seed",
        str(seed),
        "--minutes",
        str(options.minutes),
    ]
    began = os.times()
    _run(options, folder, "train", *words, "--action-space", "actions.json", "--out", run)
    ended = os.times()
    cpu = ended.children_user + ended.children_system - began.children_user - began.children_system
    said = json.loads(_run(options, folder, "evaluate", run, "--json"))
    steps = max(
        int(file.stem)
        for file in (folder / run / "checkpoints").glob("*.pt")
        if file.stem.isdigit()
    )
    laps = tuple(round(lap["time"], 2) if lap["complete"] else None for lap in said["laps"])
    off = sum(lap["off_tracks"] for lap in said["laps"])
    row = Row(
        car, track, seed, name, "designed 12", steps, round(cpu, 1), laps, off, bounds[0], bounds[1]
    )
    if not options.json:
        _print(row)
    return row


def _print(row: Row) -> None:
    laps = " ".join("-" if lap is None else f"{lap:.2f}" for lap in row.laps)
    best = "-" if row.best is None else f"{row.best:.2f}"
    shares = [
        "-" if row.best is None else f"{row.best / bound:.1%}" for bound in (row.bound, row.strict)
    ]
    late = "" if row.reward != "line" or (row.share and row.share <= WANTED) else "  TOO SLOW"
    text = f"{row.car:4} {row.reward:12} {row.steps:>9,} {row.cpu:>6.0f} {best:>11} {laps:>24}"
    print(f"{text} {row.off_tracks:>10} {shares[0]:>14} {shares[1]:>14}{late}", flush=True)


def _run(options: argparse.Namespace, folder: Path, *words: str) -> str:
    """What a command prints, run in a folder; the end of this program when it fails."""
    done = subprocess.run(
        [*options.command, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(
            f"racer {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}"
        )
    return done.stdout
