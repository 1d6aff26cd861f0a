"""Does `racer score` say beforehand what training does? Verdicts beside lap times, over rewards,
tracks and seeds.

    python benchmarks/clock.py [--tracks vegas ...] [--rewards time_trial ...] [--seeds 3] [--steps
    50000] [--jobs 1]
                               [--results FILE] [--report]

Every reward is trained with `racer train` and each seed; the lap times are those of the last
evaluation and of the best one. Results are added to a file as they come, a line a run, and a run
that is in it is not done again: stop and go on as you like. `--report` prints the table of what is
there and trains nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from statistics import mean
from threading import Lock
from typing import Any

REWARDS = (
    "time_trial", "center_line", "progress_gained", "speed_aware", "progress_per_step", "stay_on_track", "aim_ahead",
)  # fmt: skip
SLOW = 60.0  # s that a training without a complete lap counts as
LOCK = Lock()


def main() -> None:
    options = _options()
    known = read(options.results)
    if not options.report:
        wanted = [
            {"reward": reward, "track": track, "seed": seed, "steps": options.steps}
            for seed, track, reward in product(
                range(options.seeds), options.tracks, options.rewards
            )
        ]
        todo = [job for job in wanted if not any(job.items() <= row.items() for row in known)]
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(lambda job: _record(job, options.results), todo))
    table(read(options.results))


def read(file: Path) -> list[dict[str, Any]]:
    """The runs in a results file; a last line that was cut off does not count."""
    if not file.is_file():
        return []
    rows = []
    for line in file.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"{file}: a line that is cut off is left out", file=sys.stderr)
    return rows


def train(job: dict[str, Any]) -> dict[str, Any]:
    """The job with the lap times of its best and its last evaluation, s; None without a complete
    lap.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        words = [
            sys.executable,
            "-m",
            "racer",
            "train",
            job["reward"],
            "--track",
            job["track"],
            "--out",
            str(folder),
        ]
        words += ["--seed", str(job["seed"]), "--steps", str(job["steps"])]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"racer train ended with {done.returncode}: {done.stderr}")
        rows = list(csv.DictReader((folder / "evaluations.csv").read_text().splitlines()))
    laps = [float(row["lap_time"] or "nan") for row in rows]
    clean = [lap for lap, row in zip(laps, rows, strict=True) if row["complete"] == row["trials"]]
    last = laps[-1] if laps[-1] == laps[-1] else None
    return job | {
        "best": min(clean, default=None),
        "last": last,
        "completion": float(rows[-1]["completion"]),
    }


def table(rows: list[dict[str, Any]]) -> None:
    """Print the lap times beside the verdicts, and on how many pairs of a passed and a failed
    reward they agree.
    """
    from racer.diagnostics import score_rewards
    from racer.track.library import load_track

    for track, steps in sorted({(row["track"], row["steps"]) for row in rows}):
        mine = [row for row in rows if (row["track"], row["steps"]) == (track, steps)]
        names = list(dict.fromkeys(row["reward"] for row in mine))
        scores = dict(zip(names, score_rewards(names, load_track(track)), strict=True))
        print(f"\n{track}, {steps:,} steps\n")
        print(
            "| reward | verdict | rank correlation | best paid | seeds | last lap s | best lap s |"
        )
        print("|---|---|---:|---|---:|---:|---:|")
        times = {name: _laps(mine, name, "last") for name in names}
        for name in sorted(names, key=lambda n: mean(times[n])):
            s, best = scores[name], _laps(mine, name, "best")
            verdict = "passes" if s.verdict.passed else "fails"
            shown = f"{s.correlation():.2f} | {s.best_paid.name} | {len(best)}"
            print(f"| {name} | {verdict} | {shown} | {_spread(times[name])} | {_spread(best)} |")
        _agreement(scores, times)


def _agreement(scores: dict[str, Any], times: dict[str, list[float]]) -> None:
    passed = [name for name in times if scores[name].verdict.passed]
    failed = [name for name in times if not scores[name].verdict.passed]
    pairs = [(a, b) for p in passed for f in failed for a in times[p] for b in times[f]]
    if pairs:
        right = sum(a < b for a, b in pairs)
        print(
            f"\nA run of a passed reward has the faster last lap in {right} of {len(pairs)} pairs with a failed one."
        )


def _laps(rows: list[dict[str, Any]], name: str, which: str) -> list[float]:
    return [row[which] or SLOW for row in rows if row["reward"] == name]


def _spread(times: list[float]) -> str:
    return f"{mean(times):.1f} ({min(times):.1f} to {max(times):.1f})"


def _record(job: dict[str, Any], file: Path) -> None:
    found = train(job)
    with LOCK, file.open("a") as out:
        out.write(json.dumps(found) + "\n")
    print(
        f"{found['reward']} on {found['track']}, seed {found['seed']}: {found['last']}",
        file=sys.stderr,
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", nargs="+", default=["vegas"])
    parser.add_argument("--rewards", nargs="+", default=list(REWARDS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--results", type=Path, default=Path("clock.jsonl"))
    parser.add_argument("--report", action="store_true", help="train nothing, print what is there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
