"""How often `racer compare` claims a difference where there is none, and how often it finds one of 3 %.

    python benchmarks/comparisons.py LOGS [--count N]

LOGS is the folder with the jobs `console22` and `drfc3`: two real trainings with one reward (the default
center line), one action space and one track. From their metrics come the deviations of a lap within an
iteration, of an iteration within a run and of a run within a reward, and how many laps of the last five
iterations are complete. Trainings are then drawn with those, and set beside each other as the command does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from racer.analysis.compared_logs import ComparedLog
from racer.analysis.pairs import POLICIES, REWARDS
from racer.analysis.units import RUNS, Units, joint_differences, time_difference
from racer.stats import UNKNOWN, Interval, median_difference, proportion_interval

LAP_S = 15.0
REAL_DIFFERENCE = 0.03
ITERATIONS = 5
EPISODES_PER_ITERATION = 20
SECTORS = 8
NO_TRACE = pd.DataFrame()
SEED = 17
MAX_BEFORE = 50
"""Comparisons that are made the old way, too, which takes long."""
MEDIAN_VARIANCE = np.pi / 2
"""Of the median of normal values, in variances of their mean."""

Rng = np.random.Generator


@dataclass(frozen=True)
class Deviations:
    """Of the logarithm of a lap time: within an iteration, of an iteration, of a run; and how many of
    20 episodes are complete laps in each of the last iterations.
    """

    lap: float
    iteration: float
    run: float
    complete: tuple[int, ...]


def metrics_of(file: Path) -> pd.DataFrame:
    """The complete laps of a job's metrics: phase, iteration, and the logarithm of the time in s."""
    table = pd.DataFrame(json.loads(file.read_text(encoding="utf-8"))["metrics"])
    table["iteration"] = (table["episode"] - 1) // EPISODES_PER_ITERATION
    table["log_time"] = np.log(table["elapsed_time_in_milliseconds"] / 1000.0)
    complete: pd.DataFrame = table[table["completion_percentage"] >= 100]
    return complete[["phase", "iteration", "log_time"]]


def pooled_deviation(groups: list[pd.Series]) -> float:
    """Standard deviation within groups."""
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return float(np.sqrt(squares / sum(len(group) - 1 for group in groups)))


def read_deviations(logs: Path) -> Deviations:
    """The deviations of the real jobs."""
    console = metrics_of(logs / "console22" / "training_metrics.json")
    workers = [
        metrics_of(logs / "drfc3" / f"worker{k}_training_metrics.json").assign(worker=k)
        for k in range(3)
    ]
    cloud = pd.concat(workers)
    groups = []
    for job in (console, cloud):
        groups += [part["log_time"] for _, part in job.groupby(["phase", "iteration"])]
    lap = pooled_deviation([group for group in groups if len(group) > 1])

    def last_iterations(job: pd.DataFrame, phase: str) -> pd.core.groupby.SeriesGroupBy:
        rows = job[job["phase"] == phase]
        last = sorted(rows["iteration"].unique())[-ITERATIONS:]
        return rows[rows["iteration"].isin(last)].groupby("iteration")["log_time"]

    variances = []
    for job in (console, cloud):
        for phase in ("training", "evaluation"):
            laps = last_iterations(job, phase)
            noise = float((MEDIAN_VARIANCE * lap**2 / laps.size()).mean())
            variances.append(float(laps.median().var()) - noise)
    iteration = float(np.sqrt(max(np.mean(variances), 0.0)))
    medians = [
        float(last_iterations(job, "evaluation").median().mean()) for job in (console, cloud)
    ]
    # two jobs that differ in their length, too: one gap, which tells a size and no more
    gap = medians[0] - medians[1]
    run = abs(gap) / np.sqrt(2.0)
    console_training = console[console["phase"] == "training"]
    counts = console_training.groupby("iteration").size()
    # the last iteration of all was cut off
    complete = tuple(counts.iloc[-ITERATIONS - 1 : -1].tolist())
    print(f"lap within an iteration: {lap:.1%}; variances of iterations {np.round(variances, 6)}")
    print(f"evaluated laps of console22 against drfc3: {gap:+.1%}")
    return Deviations(lap, iteration, run, complete)


def drawn_side(
    rng: Rng, deviations: Deviations, runs: int, gain: float, counts: tuple[int, ...]
) -> ComparedLog:
    """Runs of one reward: `counts` complete laps in each of their last iterations."""
    levels = np.log(LAP_S) - gain + deviations.run * rng.standard_normal((runs, 1))
    bases = levels + deviations.iteration * rng.standard_normal((runs, len(counts)))
    each = np.tile(counts, runs)
    laps = {
        "time": np.exp(np.repeat(bases, each) + deviations.lap * rng.standard_normal(each.sum())),
        "complete": True,
        "run": np.repeat(np.arange(runs), sum(counts)),
        "iteration": np.repeat(np.tile(np.arange(len(counts)), runs), each),
        "episode": 0,
    }
    return ComparedLog("side", NO_TRACE, pd.DataFrame(laps))


def claims(
    count: int, deviations: Deviations, runs: tuple[int, int], gain: float, counts: tuple[int, ...]
) -> Iterator[tuple[Interval, str, Interval]]:
    """`count` comparisons: the interval, what it is about, and, of the first ones, the interval that
    takes laps for trainings, as it was before.
    """
    rng = np.random.default_rng(SEED)
    for k in range(count):
        first = drawn_side(rng, deviations, runs[0], 0.0, counts)
        other = drawn_side(rng, deviations, runs[1], gain, counts)
        units = (first.time_units, other.time_units)
        about = REWARDS if {side.kind for side in units} == {RUNS} else POLICIES
        before = median_difference(first.times, other.times) if k < MAX_BEFORE else UNKNOWN
        yield time_difference(*units), about, before


def sector_claims(
    count: int, deviations: Deviations, runs: int, differences: Callable[..., list[Interval]]
) -> float:
    """The fraction of comparisons of one reward's runs in which any sector is claimed."""
    rng = np.random.default_rng(SEED)
    claimed = 0
    for _ in range(count):
        # half of a run's deviation is in all sectors alike, half in each by itself
        times = [
            np.exp(
                deviations.run
                * (rng.standard_normal((runs, 1)) + rng.standard_normal((runs, SECTORS)))
                / np.sqrt(2.0)
            )
            for _ in range(2)
        ]
        units = [(Units(RUNS, times[0][:, k]), Units(RUNS, times[1][:, k])) for k in range(SECTORS)]
        claimed += any(interval.excludes_zero for interval in differences(units))
    return claimed / count


def one_by_one(units: list[tuple[Units, Units]]) -> list[Interval]:
    """Each sector as if it were the only one."""
    return [joint_differences([pair])[0] for pair in units]


def rate(hits: int, count: int) -> str:
    """`4.9 % (3.7 to 6.4)`."""
    interval = proportion_interval(hits, count)
    return f"{interval.value:6.1%} ({interval.low:.1%} to {interval.high:.1%})"


def report(count: int, deviations: Deviations) -> None:
    """The tables."""
    print(
        f"deviations: lap {deviations.lap:.1%}, iteration {deviations.iteration:.1%}, run "
        f"{deviations.run:.1%}; complete laps of 20 in the last iterations {deviations.complete}"
    )
    print(f"\nthe same reward on both sides, {count:,} comparisons; a difference is claimed in")
    print(f"{'runs a side':24}{'':16}{'compare':28}laps as trainings (before)")
    smaller = replace(deviations, run=deviations.run / 2)
    evaluation = (EPISODES_PER_ITERATION // 4,)
    all_runs = ((2, 2), (3, 3), (5, 5), (3, 5))
    for name, dev, counts, sides in (
        ("training laps", deviations, deviations.complete, all_runs),
        ("half the run deviation", smaller, deviations.complete, all_runs[1:2]),
        ("evaluations, 5 laps", deviations, evaluation, all_runs[1:2]),
    ):
        for runs in sides:
            results = list(claims(count, dev, runs, 0.0, counts))
            of_rewards = sum(time.excludes_zero and about == REWARDS for time, about, _ in results)
            before = sum(laps.excludes_zero for *_, laps in results)
            title = f"{runs[0]} against {runs[1]}"
            print(
                f"{name:24}{title:16}{rate(of_rewards, count):28}{rate(before, min(count, MAX_BEFORE))}"
            )

    print(
        "\none run a side: nothing is claimed of rewards; of the policies a difference is claimed in"
    )
    same = replace(deviations, run=0.0)
    for name, dev, counts in (
        ("one policy level, 5 iterations", same, deviations.complete),
        ("one policy, 12 laps", replace(same, iteration=0.0), (12,)),
        ("two seeds, 5 iterations", deviations, deviations.complete),
    ):
        results = list(claims(count, dev, (1, 1), 0.0, counts))
        of_rewards = sum(about == REWARDS for _, about, _ in results)
        claimed = sum(time.excludes_zero for time, *_ in results)
        before = sum(laps.excludes_zero for *_, laps in results)
        print(
            f"{name:40}{rate(claimed, count):28}before {rate(before, min(count, MAX_BEFORE))}; of rewards {of_rewards}"
        )

    print(f"\na true difference of {REAL_DIFFERENCE:.0%} is claimed in")
    for name, dev in (("training laps", deviations), ("half the run deviation", smaller)):
        for runs in (2, 3, 5):
            results = list(claims(count, dev, (runs, runs), REAL_DIFFERENCE, deviations.complete))
            found = sum(time.excludes_zero and time.value < 0.0 for time, *_ in results)
            print(f"{name:24}{f'{runs} runs a side':16}{rate(found, count)}")

    print(f"\nany of {SECTORS} sectors is claimed for one reward, 3 runs a side")
    print(f"corrected {sector_claims(count, deviations, 3, joint_differences):.1%}")
    print(f"each by itself {sector_claims(count, deviations, 3, one_by_one):.1%}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logs", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    arguments = parser.parse_args()
    report(arguments.count, read_deviations(arguments.logs))


if __name__ == "__main__":
    main()
