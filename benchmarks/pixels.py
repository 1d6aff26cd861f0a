"""How soon a car laps cleanly from what its sensors show; how it races among boxes, and on a track
it never saw.

    python benchmarks/pixels.py [teacher] [ppo_small] [ppo_shallow] [objects] [generalise]
    [networks]
                                [objects_stereo] [--seeds 5] [--first 0] [--boxes 3] [--json]

| row | what is measured |
|---|---|
| `teacher` | `racer train center_line --teacher --observation camera`: SHALLOW network, 160 x 120 gray; 6 min |
| `ppo_small` | PPO alone, `--observation camera:80x60` with the small network; limit 3 min |
| `ppo_shallow` | PPO alone, `--observation camera` with the SHALLOW network; limit 15 min |
| `objects` | stereo and LIDAR, boxes at random places, a teacher: laps of fifty, new boxes in each |
| `objects_stereo` | the same from the stereo pictures alone |
| `generalise` | two tracks with a teacher each, a randomized world; twenty laps with jitter on a third it never saw |
| `networks` | passes a second of the SHALLOW network: layouts of memory and number formats |

Boxes at random places may leave no room to pass, or stand where the car begins: `teacher` in a row
of objects is how many of the same fifty laps its teacher completes, who knows where they are.

The first three launch the command as a user would, take the time from the launch to the first
evaluation on disk in which 5 of 5 laps without exploration are complete, and then end it. Processor
seconds tell more than wall seconds where the machine does other work: the command has one thread. A
run that takes more than PATIENCE has failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from learning import _cpu, _end, _evaluations, _machine

RACER = [sys.executable, "-m", "racer"]
PATIENCE = 1500.0  # s of wall time after which a run has failed
TIMED: dict[str, tuple[float, list[str]]] = {
    "teacher": (360.0, ["--teacher", "--observation", "camera"]),
    "ppo_small": (180.0, ["--observation", "camera:80x60", "--steps", "60000"]),
    "ppo_shallow": (900.0, ["--observation", "camera", "--steps", "60000"]),
}
BOXES = "number_of_obstacles = {}\nrandomize_obstacle_locations = true\n"
WIDE, AMONG_BOXES = "hot_rod_speedway", 50  # laps of a race
SENSORS = {"objects": "stereo:80x60,lidar", "objects_stereo": "stereo:80x60"}
TWO, THIRD = "reinvent_2018,sola_speedway", "bowtie"


def timed(row: str, seed: int) -> dict[str, Any]:
    """Seconds from the command to its first clean evaluation, None where it did not come."""
    limit, words = TIMED[row]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        words = [*RACER, "train", "center_line", *words, "--seed", str(seed), "--out", str(folder)]
        began = time.monotonic()
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            while (wall := time.monotonic() - began) < PATIENCE and process.poll() is None:
                clean = [
                    r
                    for r in _evaluations(folder / "evaluations.csv")
                    if r["complete"] == r["trials"]
                ]
                if clean:
                    cpu, steps = _cpu(process.pid), int(clean[0]["steps"])
                    lap = round(float(clean[0]["lap_time"]), 2)
                    told = {"steps": steps, "wall": round(wall, 1), "cpu": cpu, "lap": lap}
                    return {"seed": seed, "limit": limit} | told
                time.sleep(0.05)
        finally:
            _end(process)
    return {"seed": seed, "limit": limit, "steps": None, "wall": None, "cpu": None, "lap": None}


def raced(train: list[str], race: list[str], seed: int, boxes: int = 0) -> dict[str, Any]:
    """Laps of trials with the best checkpoint of a training, which ends by itself; among `boxes`
    its teacher's too.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        (Path(place) / "boxes.toml").write_text(BOXES.format(boxes))
        began = time.monotonic()
        words = [*RACER, "train", *train, "--seed", str(seed), "--out", str(folder)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd=place)
        _, status, used = _wait(process)
        if status:
            sys.exit(f"racer train ended with {status}")
        wall = time.monotonic() - began
        laps = _laps(folder, race, seed)
        others = _laps(folder / "teacher" / "track", race, seed) if boxes else []
    times = [lap["time"] for lap in laps if lap["complete"]]
    row = {
        "seed": seed,
        "complete": len(times),
        "laps": len(laps),
        "lap": round(median(times), 2) if times else None,
    }
    row |= {"teacher": sum(bool(lap["complete"]) for lap in others)} if boxes else {}
    return row | {"wall": round(wall, 1), "cpu": round(used, 1)}


def _laps(folder: Path, race: list[str], seed: int) -> list[dict[str, Any]]:
    """Laps from standstill, each with new boxes if there are any, which end where the car crashes."""
    words = [
        *RACER,
        "evaluate",
        str(folder),
        "--trials",
        "--resets",
        "0",
        "--json",
        "--seed",
        str(seed + 1000),
        *race,
    ]
    return list(
        json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)["laps"]
    )


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, int, float]:
    """Number, exit status and processor seconds of a process that has ended."""
    import os

    number, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return number, process.returncode, used.ru_utime + used.ru_stime


def networks() -> list[dict[str, Any]]:
    """Training and driving passes a processor second of the SHALLOW network, one thread. Driving is
    float32 always.
    """
    import torch
    from gymnasium.spaces import Box

    from racer.training import networks as made

    torch.set_num_threads(1)
    pictures = torch.randint(0, 255, (64, 1, 120, 160)).float()
    found = []
    for made.HAS_BFLOAT16 in (False, True):
        for layout in (torch.contiguous_format, torch.channels_last):
            network = made.Embedding(Box(0, 255, (1, 120, 160), "uint8")).to(memory_format=layout)
            optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=True)

            def learn(network: Any = network, optimizer: Any = optimizer) -> None:
                loss = network.train()(pictures).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

            def drive(network: Any = network) -> None:
                with torch.no_grad():
                    network.eval()(pictures)

            row = {"numbers": "bfloat16" if made.HAS_BFLOAT16 else "float32"}
            row |= {"layout": str(layout).removeprefix("torch.")}
            found.append(
                row
                | {
                    "learned/s": round(64 / _seconds(learn)),
                    "driven/s": round(64 / _seconds(drive)),
                }
            )
    return found


def _seconds(work: Callable[[], None]) -> float:
    """Median processor seconds of some calls, after one that is not counted."""
    work()
    taken = []
    for _ in range(3):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return median(taken)


def rows_of(name: str, seeds: range, boxes: int) -> list[dict[str, Any]]:
    """The rows of one measurement."""
    if name in TIMED:
        return [timed(name, seed) for seed in seeds]
    if name in SENSORS:
        train = [
            "avoid_objects",
            "--teacher",
            "--track",
            WIDE,
            "--objects",
            "boxes.toml",
            "--observation",
        ]
        train.append(SENSORS[name])
        return [raced(train, ["--laps", str(AMONG_BOXES)], seed, boxes) for seed in seeds]
    if name == "generalise":
        train = [
            "center_line",
            "--teacher",
            "--observation",
            "camera:80x60",
            "--look",
            "strong",
            "--track",
            TWO,
        ]
        race = ["--track", THIRD, "--noise", "jitter", "--laps", "20"]
        return [raced(train, race, seed) for seed in seeds]
    return networks()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = [*TIMED, *SENSORS, "generalise", "networks"]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(known)} (all)")
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each row (5)")
    parser.add_argument(
        "--first",
        type=int,
        default=0,
        metavar="SEED",
        help="the first of the seeds, which follow (0)",
    )
    parser.add_argument(
        "--boxes", type=int, default=3, help="boxes on the road in rows of objects (3)"
    )
    parser.add_argument("--json", action="store_true", help="print data instead of a table")
    options = parser.parse_args()
    if wrong := set(options.rows) - set(known):
        parser.error(f"no row {sorted(wrong)[0]!r}: there are {', '.join(known)}")
    seeds = range(options.first, options.first + options.seeds)
    report(options.rows or known, seeds, options.boxes, options.json)


def report(names: list[str], seeds: range, boxes: int, as_json: bool) -> None:
    """Measure and print rows, one after the other."""
    for name in names:
        found = rows_of(name, seeds, boxes)
        print(
            json.dumps({"row": name, "runs": found}) if as_json else table(name, found), flush=True
        )


def table(name: str, found: list[dict[str, Any]]) -> str:
    """Rows in columns, under a headline."""
    widths = {key: max(len(key), *(len(_cell(row[key])) for row in found)) for key in found[0]}
    lines = ["  ".join(key.rjust(width) for key, width in widths.items())]
    lines += [
        "  ".join(_cell(row[key]).rjust(width) for key, width in widths.items()) for row in found
    ]
    return "\n".join([f"{name}: {_machine()}", *lines, ""])


def _cell(value: Any) -> str:
    return "never" if value is None else str(value)


if __name__ == "__main__":
    main()
