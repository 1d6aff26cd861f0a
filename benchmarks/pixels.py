"""How soon a car laps cleanly from what its sensors show; how it races among boxes, and on a track
it never saw.

    python benchmarks/pixels.py [teacher] [ppo_small] [ppo_shallow] [objects] [generalise] [networks]
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
run that takes more than TIMEOUT_S has failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from launching import (
    RACER,
    end_process,
    first_clean_evaluation,
    machine_text,
    processor_seconds,
    wait_for_process,
)

TIMEOUT_S = 1500.0
"""Wall time after which a run has failed."""

TIMED_ROWS: dict[str, tuple[float, list[str]]] = {
    "teacher": (360.0, ["--teacher", "--observation", "camera"]),
    "ppo_small": (180.0, ["--observation", "camera:80x60", "--steps", "60000"]),
    "ppo_shallow": (900.0, ["--observation", "camera", "--steps", "60000"]),
}
"""The limit of a row, s, and its options of `racer train`."""

BOXES_FILE = "number_of_obstacles = {}\nrandomize_obstacle_locations = true\n"
WIDE_TRACK = "hot_rod_speedway"
LAPS_AMONG_BOXES = 50
BOX_SENSORS = {"objects": "stereo:80x60,lidar", "objects_stereo": "stereo:80x60"}
"""The sensors of the rows among boxes."""

TEACHER_TRACKS = "reinvent_2018,sola_speedway"
UNSEEN_TRACK = "bowtie"
ROWS = (*TIMED_ROWS, *BOX_SENSORS, "generalise", "networks")

PICTURES = 64
"""Pictures of a pass, in the rows of `networks`."""


def main() -> None:
    options = parse_options()
    seeds = range(options.first, options.first + options.seeds)
    report(options.rows or ROWS, seeds, options.boxes, options.json)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)} (all)")
    add("--seeds", type=int, default=5, help="trainings of each row (5)")
    add(
        "--first",
        type=int,
        default=0,
        metavar="SEED",
        help="the first of the seeds, which follow (0)",
    )
    add("--boxes", type=int, default=3, help="boxes on the road in rows of objects (3)")
    add("--json", action="store_true", help="print data instead of a table")
    options = parser.parse_args()
    unknown = sorted(set(options.rows) - set(ROWS))
    if unknown:
        parser.error(f"no row {unknown[0]!r}: there are {', '.join(ROWS)}")
    return options


def report(names: Iterable[str], seeds: range, boxes: int, as_json: bool) -> None:
    """Measure and print rows, one after the other."""
    for name in names:
        runs = measure_row(name, seeds, boxes)
        if as_json:
            print(json.dumps({"row": name, "runs": runs}), flush=True)
        else:
            print(table_text(name, runs), flush=True)


def measure_row(name: str, seeds: range, boxes: int) -> list[dict[str, Any]]:
    """What one row measures, one dict a training."""
    if name in TIMED_ROWS:
        return [time_to_clean(name, seed) for seed in seeds]
    if name in BOX_SENSORS:
        return [race_among_boxes(BOX_SENSORS[name], seed, boxes) for seed in seeds]
    if name == "generalise":
        return [race_on_unseen_track(seed) for seed in seeds]
    return measure_networks()


def time_to_clean(name: str, seed: int) -> dict[str, Any]:
    """Seconds from the command to its first clean evaluation, None where it did not come."""
    limit, options = TIMED_ROWS[name]
    with tempfile.TemporaryDirectory() as temporary:
        run = Path(temporary) / "run"
        command = [*RACER, "train", "center_line", *options, "--seed", str(seed), "--out", str(run)]
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            while (wall := time.monotonic() - began) < TIMEOUT_S and process.poll() is None:
                row = first_clean_evaluation(run / "evaluations.csv")
                if row is not None:
                    return {
                        "seed": seed,
                        "limit": limit,
                        "steps": int(row["steps"]),
                        "wall": round(wall, 1),
                        "cpu": processor_seconds(process.pid),
                        "lap": round(float(row["lap_time"]), 2),
                    }
                time.sleep(0.05)
        finally:
            end_process(process)
    return {"seed": seed, "limit": limit, "steps": None, "wall": None, "cpu": None, "lap": None}


def race_among_boxes(sensors: str, seed: int, boxes: int) -> dict[str, Any]:
    """Laps among boxes, of a student and of its teacher."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "boxes.toml").write_text(BOXES_FILE.format(boxes))
        options = ["avoid_objects", "--teacher", "--track", WIDE_TRACK]
        options += ["--objects", "boxes.toml", "--observation", sensors]
        training = train(folder, options, seed)
        race = ["--laps", str(LAPS_AMONG_BOXES)]
        laps = race_laps(folder / "run", race, seed)
        teacher_laps = race_laps(folder / "run" / "teacher" / "track", race, seed)
    teacher_complete = sum(bool(lap["complete"]) for lap in teacher_laps)
    return race_row(seed, laps, training, {"teacher": teacher_complete})


def race_on_unseen_track(seed: int) -> dict[str, Any]:
    """Laps with jitter on a track that was not trained on."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        options = ["center_line", "--teacher", "--observation", "camera:80x60"]
        options += ["--look", "strong", "--track", TEACHER_TRACKS]
        training = train(folder, options, seed)
        race = ["--track", UNSEEN_TRACK, "--noise", "jitter", "--laps", "20"]
        laps = race_laps(folder / "run", race, seed)
    return race_row(seed, laps, training, {})


@dataclass(frozen=True)
class TrainingTime:
    """How long a training took, s."""

    wall: float
    cpu: float


def train(folder: Path, options: list[str], seed: int) -> TrainingTime:
    """Train to the end into `folder / "run"`; the end of this program when that fails."""
    run = folder / "run"
    command = [*RACER, "train", *options, "--seed", str(seed), "--out", str(run)]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder)
    cpu = wait_for_process(process)
    if process.returncode:
        sys.exit(f"racer train ended with {process.returncode}")
    return TrainingTime(time.monotonic() - began, cpu)


def race_laps(run: Path, race: list[str], seed: int) -> list[dict[str, Any]]:
    """Laps from standstill, each with new boxes if there are any, which end where the car crashes."""
    options = ["--trials", "--resets", "0", "--json", "--seed", str(seed + 1000), *race]
    command = [*RACER, "evaluate", str(run), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    laps: list[dict[str, Any]] = json.loads(done.stdout)["laps"]
    return laps


def race_row(
    seed: int, laps: list[dict[str, Any]], training: TrainingTime, more: dict[str, Any]
) -> dict[str, Any]:
    """A row about the laps of a race."""
    times = [lap["time"] for lap in laps if lap["complete"]]
    return {
        "seed": seed,
        "complete": len(times),
        "laps": len(laps),
        "lap": round(median(times), 2) if times else None,
        **more,
        "wall": round(training.wall, 1),
        "cpu": round(training.cpu, 1),
    }


def measure_networks() -> list[dict[str, Any]]:
    """Training and driving passes a processor second of the SHALLOW network, one thread.

    Driving is float32 always.
    """
    import torch

    from racer.training import networks

    torch.set_num_threads(1)
    rows = []
    for networks.HAS_BFLOAT16 in (False, True):
        for layout in (torch.contiguous_format, torch.channels_last):
            rows.append(
                {
                    "numbers": "bfloat16" if networks.HAS_BFLOAT16 else "float32",
                    "layout": str(layout).removeprefix("torch."),
                    **measure_layout(layout),
                }
            )
    return rows


def measure_layout(layout: Any) -> dict[str, int]:
    """Passes a processor second with one layout of memory, in the number format that is set."""
    import torch
    from gymnasium.spaces import Box

    from racer.training.networks import Embedding

    pictures = torch.randint(0, 255, (PICTURES, 1, 120, 160)).float()
    network = Embedding(Box(0, 255, (1, 120, 160), "uint8")).to(memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=True)

    def learn() -> None:
        loss = network.train()(pictures).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def drive() -> None:
        with torch.no_grad():
            network.eval()(pictures)

    return {
        "learned/s": round(PICTURES / call_seconds(learn)),
        "driven/s": round(PICTURES / call_seconds(drive)),
    }


def call_seconds(function: Callable[[], None]) -> float:
    """Median processor seconds of some calls, after one that is not counted."""
    function()
    seconds = []
    for _ in range(3):
        began = time.process_time()
        function()
        seconds.append(time.process_time() - began)
    return median(seconds)


def table_text(name: str, rows: list[dict[str, Any]]) -> str:
    """Rows in columns, under a headline."""
    columns = []
    for key in rows[0]:
        cells = [key, *(cell_text(row[key]) for row in rows)]
        width = max(map(len, cells))
        columns.append([cell.rjust(width) for cell in cells])
    lines = ["  ".join(cells) for cells in zip(*columns, strict=True)]
    return "\n".join([f"{name}: {machine_text()}", *lines, ""])


def cell_text(value: Any) -> str:
    if value is None:
        return "never"
    return str(value)


if __name__ == "__main__":
    main()
