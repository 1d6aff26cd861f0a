"""How much sooner a car laps that starts from the policy of another run: `learning.py --from`.

For each pair of tracks and each seed, a parent is trained on the first track, a child starts from
its best policy on the second one, and a third training begins there with nothing. What counts are
steps of training on the second track to the first clean evaluation, five of five laps: the policy
that a child starts from is evaluated before its first step, so that 0 is an answer. Each training
goes on for the same number of steps, and the best laps at its end are beside each other, too.

Where the reward is another one the value network learns first, alone: `parent` is so, and `at once`
is a child whose policy moves from the first step.

Steps and laps are the same on every machine, however busy it is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import racer.training.session as session
from launching import format_count, machine_text
from racer.training import Run, train
from racer.training.session import VALUE_STEPS

PAIRS = (
    ("reinvent_2018", "hot_rod_speedway"),
    ("oval", "bowtie"),
    ("hot_rod_speedway", "hairpin_school"),
)
"""A parent's track, and that of its child: to a longer one, to one with more corners, to one that
turns both ways."""

PARENT_STEPS = 49_152
CHILD_STEPS = 32_768
EVALUATE_EVERY = 4_096
"""Steps between two evaluations: those of one update."""

OTHER_REWARD = "progress_gained"
"""What a child is trained with in the second table, where the reward changes too."""

KINDS = ("parent", "at once", "nothing")
"""What trainings start from: a parent, a parent without waiting for the value network, nothing."""


@dataclass(frozen=True)
class Start:
    """A training on the second track of a pair, from a parent or from nothing."""

    pair: tuple[str, str]
    reward: str
    seed: int
    kind: str  # one of KINDS
    first_completion: float | None  # % of the way before the first step; None from nothing
    least_completion: float  # % at the worst evaluation of the first four updates
    clean_steps: int | None
    best_lap: float | None


def main(options: argparse.Namespace) -> None:
    """Train parents, children and beginners, and print a table for each reward."""
    rewards = (options.reward, OTHER_REWARD)
    starts = []
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool,
    ):
        jobs = []
        for pair, seed in product(PAIRS, range(options.seeds)):
            jobs.append(pool.submit(trained_pair, Path(folder), pair, rewards, seed))
        for job in jobs:
            starts += job.result()
    if options.json:
        print(json.dumps([asdict(start) for start in starts], indent=1))
        return
    print(
        f"parents: {options.reward}, {PARENT_STEPS:,} steps; then {CHILD_STEPS:,} steps on another track, "
        f"evaluated every {EVALUATE_EVERY:,}; {options.seeds} seeds; {machine_text()}"
    )
    for reward in rewards:
        print_table(reward, [start for start in starts if start.reward == reward])


def trained_pair(
    folder: Path, pair: tuple[str, str], rewards: tuple[str, str], seed: int
) -> list[Start]:
    """Children and a beginner with each of the rewards, on the second track of a pair."""
    parent_track, track = pair
    name = f"{parent_track}-{track}-{seed}"
    parent = train(
        rewards[0], parent_track, PARENT_STEPS, seed=seed, folder=folder / name, traced_cars=0
    )
    starts = []
    for reward in rewards:
        for kind in KINDS:
            if kind == "at once" and reward == rewards[0]:
                continue  # its value network is its parent's: nobody waits for it
            session.VALUE_STEPS = 0 if kind == "at once" else VALUE_STEPS
            run = train(
                reward,
                track,
                CHILD_STEPS,
                from_run=None if kind == "nothing" else parent,
                seed=seed,
                folder=folder / f"{name}-{reward}-{kind}",
                evaluate_every=EVALUATE_EVERY,
                traced_cars=0,
            )
            starts.append(start_of(run, pair, reward, seed, kind))
    return starts


def start_of(run: Run, pair: tuple[str, str], reward: str, seed: int, kind: str) -> Start:
    """What came of a training."""
    evaluations = run.evaluations()
    clean = evaluations[evaluations["complete"] == evaluations["trials"]]
    early = evaluations[evaluations["steps"] <= 4 * EVALUATE_EVERY]
    return Start(
        pair=pair,
        reward=reward,
        seed=seed,
        kind=kind,
        first_completion=float(evaluations["completion"].iloc[0]) if run.lineage else None,
        least_completion=float(early["completion"].min()),
        clean_steps=int(clean["steps"].iloc[0]) if len(clean) else None,
        best_lap=(run.best() or {}).get("best_lap"),
    )


def print_table(reward: str, starts: list[Start]) -> None:
    print(f"\nchildren and beginners with {reward}")
    print(
        f"{'from':18} {'on':18} {'start':8} {'step 0 %':>10} {'worst % in 4':>13} "
        f"{'clean':>7} {'steps, median':>14} {'most':>8} {'best lap s':>11}"
    )
    for pair in PAIRS:
        for kind in KINDS:
            some = [start for start in starts if start.pair == pair and start.kind == kind]
            if some:
                print(" ".join(row_cells(pair, kind, some)), flush=True)


def row_cells(pair: tuple[str, str], kind: str, starts: list[Start]) -> list[str]:
    """The cells of a row: all seeds of a pair of tracks and a kind of start."""
    clean = [start for start in starts if start.clean_steps is not None]
    at_once = "-"
    if kind != "nothing":
        at_once = f"{median(start.first_completion or 0.0 for start in starts):.0f}"
    worst = min(start.least_completion for start in starts)
    laps = [start.best_lap for start in starts if start.best_lap is not None]
    return [
        f"{pair[0]:18} {pair[1]:18} {kind:8}",
        f"{at_once:>10} {worst:>13.0f} {len(clean):>2} of {len(starts)}",
        f"{format_count(steps_to_clean(starts, median)):>14} {format_count(steps_to_clean(starts, max)):>8}",
        f"{format_count(median(laps) if laps else None, 2):>11}",
    ]


def steps_to_clean(starts: list[Start], of_all: Any) -> float | None:
    """Median or greatest steps to the first clean evaluation; None where it never came."""
    steps = [float("inf") if start.clean_steps is None else start.clean_steps for start in starts]
    number = of_all(steps)
    return None if number == float("inf") else number
