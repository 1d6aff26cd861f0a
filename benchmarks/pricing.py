"""Which reward files are priced by columns, and what that gains: `python benchmarks/pricing.py
[FOLDER ...]`.

Prices drives of the usual drivers on reinvent_2018 with the shipped rewards, those of the tests'
corpus that say what a clean file is, and every reward file below the folders, by columns and by the
file; both must agree to the last bit. CPU seconds, the least of three.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from racer.diagnostics import DrivePricer, price_drives
from racer.drivers import Drive, default_drivers, drive_all
from racer.errors import RacerError, UsageError
from racer.reward import RewardFunction, load_reward, shipped_rewards
from racer.track import load_track

ROOT = Path(__file__).resolve().parents[1]
CLEAN = ROOT / "tests" / "data" / "corpus"
COPIES = 5  # of the drives: as many steps as foresee prices at a time
REPEATS = 3
BATCHES = 8  # of which one is checked
MAX_DRIVE_S = 0.1  # of a drive: slower files are left out


def least_cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of the quickest of some repeats."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def is_reward(path: Path) -> bool:
    """Whether a file defines a reward function, as its text says."""
    return "def reward_function(" in path.read_text(errors="replace").split("write(")[0]


def price_batches(pricer: DrivePricer, drives: list[Drive]) -> None:
    """Price the drives as often as one of them is priced both ways."""
    for _ in range(BATCHES):
        pricer(drives)


def measure(reward: RewardFunction, drives: list[Drive]) -> tuple[str, float, float]:
    """Why a file is not priced by columns ("" if it is), and microseconds a step both ways."""
    start = time.process_time()
    price_drives(reward, drives[:1])
    if time.process_time() - start > MAX_DRIVE_S:
        raise UsageError("too slow to be measured here")
    expected = price_drives(reward, drives)
    steps = sum(map(len, expected))
    by_file = least_cpu_s(lambda: price_drives(reward, drives)) / steps
    pricer = DrivePricer(reward)
    for _ in range(4):
        paid = pricer(drives)
        assert all(map(np.array_equal, paid, expected)), reward.name
    if not pricer.steps_by_columns:
        return pricer.reason, 1e6 * by_file, 1e6 * by_file
    by_columns = least_cpu_s(lambda: price_batches(pricer, drives)) / (BATCHES * steps)
    return pricer.reason, 1e6 * by_file, 1e6 * by_columns


def main() -> None:
    """Print a row for each file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    folders = parser.parse_args().folders
    drives = COPIES * drive_all(load_track("reinvent_2018"), default_drivers(), "v6")
    groups = {
        "shipped": list(shipped_rewards().values()),
        "clean files of the corpus": sorted(CLEAN.glob("clean_*.py")),
    }
    for folder in folders:
        files = sorted(folder.rglob("*.py"))
        groups[f"{folder.name} (given)"] = [f for f in files if is_reward(f)]
    print("us a step by the file, by columns (with the checks by the file), times faster")
    for group, paths in groups.items():
        ratios = []
        covered = 0
        refused = 0
        print(f"\n{group}")
        for path in paths:
            name = path.stem if path.parent.name == "rewards" else f"{path.parent.name}/{path.stem}"
            try:
                reason, by_file, by_columns = measure(load_reward(path), drives)
            except RacerError:
                refused += 1
                continue
            covered += not reason
            ratios.append(by_file / by_columns)
            words = reason or "same bits"
            print(f"  {name:42s} {by_file:6.2f} {by_columns:6.2f} {ratios[-1]:5.1f}  {words}")
        print(
            f"  {covered} of {len(ratios)} by columns, {np.median(ratios):.1f} times faster in the "
            f"median; {refused} more raise or take too long"
        )


if __name__ == "__main__":
    main()
