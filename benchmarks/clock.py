"""Does `racer score` say beforehand what training does? Verdicts beside lap times, over rewards,
tracks and seeds.

    python benchmarks/clock.py [--tracks vegas ...] [--rewards time_trial ...] [--seeds 3] [--steps
    50000] [--jobs 1]
                               [--results FILE] [--report] [--quick]

Every reward is trained with `racer train` and each seed; the lap times are those of the last
evaluation and of the best one. Results are added to a file as they come, a line a run, and a run
that is in it is not done again: stop and go on as you like. `--report` prints the table of what is
there and trains nothing; `--quick` has the verdicts without the foreseen driving, as `racer score
--quick` has them.

The verdict's limits were chosen on reinvent_2018 and tested on vegas: `--report` prints, for each
track, what every limit is compared with.
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
    table(read(options.results), options.quick)


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


def table(rows: list[dict[str, Any]], is_quick: bool) -> None:
    """Print the lap times beside the verdicts, and on how many pairs of a passed and a failed
    reward they agree.
    """
    from racer.diagnostics import ScoreSettings, score_rewards
    from racer.track import load_track

    settings = ScoreSettings(foresees=not is_quick)
    right = pairs = 0
    for track, steps in sorted({(row["track"], row["steps"]) for row in rows}):
        mine = [row for row in rows if (row["track"], row["steps"]) == (track, steps)]
        names = list(dict.fromkeys(row["reward"] for row in mine))
        scores = dict(zip(names, score_rewards(names, load_track(track), settings), strict=True))
        print(f"\n{track}, {steps:,} steps\n")
        print(
            "| reward | verdict | rank correlation | best paid | of the fastest | foreseen lap s "
            "| of the fastest | paid more | seeds | last lap s | best lap s |"
        )
        print("|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|")
        times = {name: _laps(mine, name, "last") for name in names}
        for name in sorted(names, key=lambda n: mean(times[n])):
            cells = [*_limits(scores[name]), str(len(times[name])), _spread(times[name])]
            print(f"| {name} | {' | '.join([*cells, _spread(_laps(mine, name, 'best'))])} |")
        agreed, of_pairs = _agreement(scores, times)
        right += agreed
        pairs += of_pairs
    if pairs:
        print(f"\nAll: {right} of {pairs} pairs.")


def _limits(score: Any) -> list[str]:
    """The verdict, and what its limits are compared with."""
    fastest = min(d.lap_time for d in score.drives if d.lap_time == d.lap_time)
    ratio = score.best_paid.lap_time / fastest
    cells = [score.outcome, f"{score.correlation():.2f}", score.best_paid.name, f"{ratio:.2f}"]
    if score.foreseen is None:
        return [*cells, "-", "-", "-"]
    foresight = score.foreseen.foresight
    if foresight.lap_time_s is None or foresight.fastest_pay is None:
        return [*cells, foresight.kind, "-", "-"]
    more = foresight.pay - foresight.fastest_pay
    more /= max(abs(foresight.pay), abs(foresight.fastest_pay), 1e-9)
    return [
        *cells,
        f"{foresight.lap_time_s:.1f}",
        f"{foresight.slowdown:.2f}",
        f"{100.0 * more:.0f} %",
    ]


def _agreement(scores: dict[str, Any], times: dict[str, list[float]]) -> tuple[int, int]:
    """Pairs of a passed and a failed reward's run of which the passed one laps faster, and all."""
    passed = [name for name in times if scores[name].verdict.passed]
    failed = [name for name in times if not scores[name].verdict.passed]
    pairs = [(a, b) for p in passed for f in failed for a in times[p] for b in times[f]]
    right = sum(a < b for a, b in pairs)
    if pairs:
        print(
            f"\nA run of a passed reward has the faster last lap in {right} of {len(pairs)} pairs with a failed one."
        )
    return right, len(pairs)


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
    parser.add_argument("--quick", action="store_true", help="verdicts without foreseen drivings")
    parser.add_argument("--report", action="store_true", help="train nothing, print what is there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
