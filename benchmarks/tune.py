"""Does a tuned reward train to faster laps? `python benchmarks/tune.py [--out FOLDER] [--only NAME]`.

For each file of tune_rewards, whose constants are set as a beginner might: `racer tune` searches them
over the foreseen lap on reinvent_2018 with v6, then the best setting and the file as it is are trained
with five seeds each. What FOLDER holds is not done again, so it goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from racer.reward import load_reward
from racer.track import load_track
from racer.tuning import TrainedComparison, Tuning, train_settings, tune

TRACK = "reinvent_2018"
TRIALS = 24
SECONDS = 1.0
SEEDS = 5
STEPS = 60_000
REWARDS = sorted((Path(__file__).parent / "tune_rewards").glob("*.py"))
HEAD = (
    f"{'reward':18s} {'foreseen s':>16s} {'trained s (median of laps)':>27s}  gain, % of the fastest "
    "driver's lap, 95 % interval"
)


def row(tuning: Tuning, trained: TrainedComparison) -> str:
    """A line of the table: the file as it is -> the tuned one."""
    before, after = trained.settings
    foreseen = [entry.setting.lap_times_s[0] for entry in (before, after)]
    times = " -> ".join("none" if lap is None else f"{lap:.2f}" for lap in foreseen)
    medians = " -> ".join(f"{np.median(entry.laps_s):.2f}" for entry in (before, after))
    lost = f"({before.without_lap} and {after.without_lap} of {SEEDS} without a lap)"
    gain = after.gain
    verdict = "faster" if after.is_faster else "not sure"
    if gain.high < 0.0:
        verdict = "slower"
    return (
        f"{tuning.reward.name:18s} {times:>16s} {medians:>16s} {lost}  {100 * gain.value:+.0f} "
        f"({100 * gain.low:+.0f} to {100 * gain.high:+.0f}) {verdict}"
    )


def main() -> None:
    """Tune and train, and print a row for each reward."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/tune"))
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--search-only", action="store_true", help="leave the trainings out")
    options = parser.parse_args()
    track = load_track(TRACK)
    print(f"{TRIALS} settings of {SECONDS:g} s each; {STEPS:,} steps, {SEEDS} seeds, {TRACK}, v6")
    print(HEAD, flush=True)
    faster = 0
    done = 0
    for path in REWARDS:
        if options.only and path.stem not in options.only:
            continue
        start = time.process_time()
        folder = options.out / path.stem
        tuning = tune(load_reward(path), [track], folder, trials=TRIALS, seconds=SECONDS)
        if options.search_only:
            best = tuning.best
            cpu = time.process_time() - start
            print(
                path.stem,
                tuning.original.lap_times_s,
                best.lap_times_s,
                best.values,
                f"{cpu:.0f} s",
                flush=True,
            )
            continue
        trained = train_settings(
            tuning, folder, compared=1, seeds=SEEDS, steps=STEPS, jobs=options.jobs
        )
        print(row(tuning, trained), flush=True)
        done += 1
        faster += trained.settings[1].is_faster
    if done:
        print(f"{faster} of {done} tuned files train to faster laps, for sure")


if __name__ == "__main__":
    main()
