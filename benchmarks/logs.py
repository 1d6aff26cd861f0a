"""racer's log reader beside the community's `deepracer-utils`: same answers, how much faster, how
much memory.

    python benchmarks/logs.py LOGS [--utils-python PATH] [--only compare,write,million,huge] [--fuzz
    N]

LOGS is a folder of real logs (`*/*.csv.gz`, `*/*.log.gz`, `*_metrics.json` beside them). PATH is
the Python of an environment with `pip install deepracer-utils`, which is heavy: without it that
part says so. Both read the same unpacked files, in this run, one after the other; times are of the
CPU, the least of several repeats. `--fuzz N` opens N damaged and hostile logs and archives
(tests/logs/test_fuzz.py) and checks that each is read, or refused in a sentence.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import re
import resource
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from racer.analysis import laps
from racer.logs import Log, read_log, read_metrics, write_log

REPEATS = 3
MILLION_ROWS = 1_000_000
HUGE_BYTES = 2 << 30
PARTS = "compare,write,million,huge"
SAME_START_S = 0.2
"""Within which a lap of a log and one of the job's metrics are the same."""

_TABLE_LOADS = ("load_training_trace", "load_evaluation_trace")
_ALL_LOADS = (*_TABLE_LOADS, "load_robomaker_logs", "load_robomaker_logs:EVALUATION")
LOADS = {
    "DeepRacer for Cloud": _TABLE_LOADS,
    "console": _ALL_LOADS,
    "DeepRacer on AWS": _ALL_LOADS,
}
"""The ways of deepracer-utils to open the folders that racer writes."""


@dataclass(frozen=True)
class UnpackedLog:
    """A real log on disk as both readers want it: its name, the file, and the folder around it."""

    name: str
    file: Path
    folder: Path
    packed: Path

    @property
    def is_table(self) -> bool:
        return self.file.suffix == ".csv"


@dataclass(frozen=True)
class WrittenFolder:
    """A folder that racer wrote, and what deepracer-utils should find in it."""

    name: str
    layout: str
    trace: pd.DataFrame

    def steps_of(self, load: str) -> pd.DataFrame:
        """The steps that one way to open it should give: of the races, or of the training."""
        is_race = self.trace["phase"] == "evaluation"
        return self.trace[is_race == ("eval" in load.lower())]


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("logs", type=Path, help="folder of real logs")
    parser.add_argument(
        "--utils-python", default="", help="Python of an environment with deepracer-utils"
    )
    parser.add_argument("--only", default=PARTS, help="which parts, with commas")
    parser.add_argument(
        "--fuzz", type=int, default=0, metavar="N", help="open N damaged logs instead"
    )
    parser.add_argument(
        "--first", type=int, default=0, metavar="K", help="number of the first of them"
    )
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, pandas {pd.__version__}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.fuzz:
            _open_damaged_logs(arguments.fuzz, arguments.first, folder)
            return
        logs = list(_unpack_logs(arguments.logs, folder))
        for part in arguments.only.split(","):
            _PARTS[part](logs, arguments.utils_python, folder)


def _unpack_logs(source: Path, target: Path) -> Iterator[UnpackedLog]:
    for path in sorted(source.glob("*/*.gz")):
        name = f"{path.parent.name}/{path.name.split('.')[0]}"
        folder = target / name.replace("/", "_")
        file = folder / "robomaker.log"
        if ".csv" in path.name:
            file = folder / "training-simtrace" / "0-iteration.csv"
        file.parent.mkdir(parents=True)
        file.write_bytes(gzip.decompress(path.read_bytes()))
        yield UnpackedLog(name, file, folder, path)


def _ask_utils(python: str, job: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]] | None:
    """What deepracer-utils answers, None where there is none."""
    if not python:
        print("deepracer-utils: not compared, no --utils-python was given")
        return None
    job_file = folder / "job.json"
    job_file.write_text(json.dumps(job))
    script = Path(__file__).with_name("logs_theirs.py")
    command = [python, str(script), str(job_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1]
        print(f"deepracer-utils: not compared, {python} says: {reason}")
        return None
    report = json.loads(done.stdout.splitlines()[-1])
    print(f"deepracer-utils {report['version']}")
    return list(report["answers"])


def _read_and_aggregate(file: Path) -> tuple[Log, pd.DataFrame, float]:
    """A log, its laps, and the least s of CPU of several repeats."""
    least = np.inf
    for _ in range(REPEATS):
        started = time.process_time()
        log = read_log(file)
        table = laps(log.trace)
        least = min(least, time.process_time() - started)
    return log, table, least


def _compare_readers(logs: list[UnpackedLog], python: str, folder: Path) -> None:
    """Laps, times, completion and reward of every file, and the seconds it took to read and
    aggregate them.
    """
    _read_and_aggregate(logs[0].file)  # what is loaded and compiled once counts for nobody
    job = []
    for log in logs:
        path = log.folder if log.is_table else log.file
        kind = "csv" if log.is_table else "text"
        job.append({"file": str(path), "kind": kind, "repeats": REPEATS})
    answers = _ask_utils(python, job, folder)
    if answers is None:
        return
    heads = ("laps", "theirs", "time", "compl.", "reward", "ms", "theirs")
    print(f"\n{'file':24}" + "".join(f"{head:>8}" for head in heads) + "  differences")
    racer_seconds = 0.0
    utils_seconds = 0.0
    for unpacked, answer in zip(logs, answers, strict=True):
        log, table, seconds = _read_and_aggregate(unpacked.file)
        their_seconds = min(answer["seconds"])
        racer_seconds += seconds
        utils_seconds += their_seconds
        episodes = pd.DataFrame(answer["episodes"])
        cells = [len(table), len(episodes), *_count_agreeing(log.trace, episodes)]
        cells += [f"{seconds * 1e3:.0f}", f"{their_seconds * 1e3:.0f}"]
        row = "".join(f"{cell:>8}" for cell in cells)
        print(f"{unpacked.name:24}{row}  {_explain(log.trace, table, episodes)}")
    print(
        f"read and aggregated in {racer_seconds:.2f} s of CPU, deepracer-utils in "
        f"{utils_seconds:.2f} s: {utils_seconds / racer_seconds:.1f} times as long"
    )
    _compare_with_metrics(logs, answers)
    print(_EXPLANATIONS)


_EXPLANATIONS = """
time, completion, reward: how many of their episodes have the same value here when laps are taken as they take them: by
the number in `episode`, from the first row's tstamp, with the farthest progress. Where racer's laps differ:
 a  theirs begin at the first row's tstamp, which is the END of the step in which the car waits. The simulator's own
    metrics count that step (see below), and so does racer: one step (67 ms) more a lap that begins with `prepare`
 b  theirs join episodes of one number in a text log: the logs of several workers behind each other give mixed laps
 c  theirs give the farthest progress, racer, as the metrics, that of the last row: cars that drove backwards at the end
 d  logs of 2020 have no `prepare` row: theirs add the time since the end of the episode before to each lap"""


def _count_agreeing(trace: pd.DataFrame, episodes: pd.DataFrame) -> list[int]:
    """How many of their episodes agree in time, completion and reward with the same rows taken as
    they take them.
    """
    gap = trace["tstamp"].diff().where(trace["episode_status"] != "prepare", 0.0)
    by_episode = trace.assign(gap=gap).groupby("episode")
    taken_alike = pd.DataFrame(
        {
            "time": by_episode["gap"].sum(),
            "progress": by_episode["progress"].max(),
            "reward": by_episode["reward"].sum(),
        }
    )
    both = taken_alike.reset_index().merge(episodes, on="episode", suffixes=("", "_utils"))
    agrees = (
        np.isclose(both["time"], both["time_utils"], atol=2e-3),
        np.isclose(both["progress"], both["progress_utils"], atol=1e-6),
        np.isclose(both["reward"], both["reward_utils"], rtol=1e-9, atol=1e-6),
    )
    return [int(agreeing.sum()) for agreeing in agrees]


def _explain(trace: pd.DataFrame, table: pd.DataFrame, episodes: pd.DataFrame) -> str:
    """The letters of the explanations that apply to a file, with the number of laps."""
    first = table["first_row"].to_numpy()
    progress = trace["progress"].to_numpy()
    waits = trace["episode_status"].to_numpy()[first] == "prepare"
    farthest = np.maximum.reduceat(progress, first)
    begins_driving = ~waits & (table["lap"].to_numpy() == 1)
    counts = {
        "a": int(waits.sum()),
        "b": max(0, len(table) - len(episodes)),
        "c": int((farthest > progress[table["last_row"].to_numpy()] + 1e-6).sum()),
        "d": int(begins_driving.sum()),
    }
    return " ".join(f"{letter}:{count}" for letter, count in counts.items() if count)


def _compare_with_metrics(logs: list[UnpackedLog], answers: list[dict[str, Any]]) -> None:
    """Both readers' lap times against the simulator's own metrics of the same jobs."""
    print(
        "\nlap times against the job's own metrics JSON "
        "(s, median and largest difference; laps matched by start time)"
    )
    for log, answer in zip(logs, answers, strict=True):
        path = log.packed.with_name(log.packed.name.split(".")[0] + "_metrics.json")
        if not path.exists():
            continue
        entries = read_metrics(path)
        if "phase" in entries:
            entries = entries[entries["phase"] == "training"]
        table = laps(read_log(log.file).trace)
        start = table["start"].to_numpy()
        entry_start = entries["start_time"].to_numpy() / 1000.0
        nearest = np.abs(start[:, None] - entry_start).argmin(axis=1)
        is_known = np.abs(start - entry_start[nearest]) < SAME_START_S
        entry_time = entries["elapsed_time_in_milliseconds"].to_numpy()[nearest] / 1000.0
        their_time = pd.DataFrame(answer["episodes"]).set_index("episode")["time"]
        racer_error = np.abs(table["time"].to_numpy() - entry_time)[is_known]
        their_error = np.abs(their_time.reindex(table["episode"]).to_numpy() - entry_time)[is_known]
        print(
            f"{log.name:24} {is_known.sum():4} laps: "
            f"racer {np.median(racer_error):.3f} {racer_error.max():.3f}, "
            f"deepracer-utils {np.nanmedian(their_error):.3f} {np.nanmax(their_error):.3f}"
        )


def _compare_written_folders(logs: list[UnpackedLog], python: str, folder: Path) -> None:
    """Folders that racer writes, opened by deepracer-utils in each of its ways."""
    job = []
    written = []
    for source in sorted({log.packed.parent for log in logs if log.is_table}):
        log = read_log(source)
        table = laps(log.trace)
        has_races = (log.trace["phase"] == "evaluation").any()
        for layout, loads in LOADS.items():
            target = folder / "written" / source.name / layout.replace(" ", "_")
            write_log(log, target, table, layout)
            loads_of_log = [load for load in loads if has_races or "eval" not in load.lower()]
            job.append({"folder": str(target), "loads": loads_of_log})
            written.append(WrittenFolder(source.name, layout, log.trace))
    answers = _ask_utils(python, job, folder)
    if answers is None:
        return
    print(
        "\nfolders that racer wrote, as deepracer-utils opens them: rows, and whether rewards and "
        "clocks add up"
    )
    for written_folder, answer in zip(written, answers, strict=True):
        for load, (rows, reward, clock) in answer["found"].items():
            steps = written_folder.steps_of(load)
            has_same_reward = np.isclose(reward, steps["reward"].sum(), rtol=1e-5)
            has_same_clock = np.isclose(clock, steps["tstamp"].sum())
            verdict = f"DIFFERENT ({len(steps)} rows here)"
            if rows == len(steps) and has_same_reward and has_same_clock:
                verdict = "same"
            print(
                f"{written_folder.name:12} {written_folder.layout:20} {answer['type']:28} "
                f"{load:32} {rows:6} {verdict}"
            )


def _read_a_million_rows(logs: list[UnpackedLog], python: str, folder: Path) -> None:
    """A table of a million rows, made of real ones."""
    file = folder / "million" / "training-simtrace" / "0-iteration.csv"
    source = _log_named(logs, "console22/training").file
    rows = _repeat_rows(source, file, lambda rows, _: rows >= MILLION_ROWS)
    least = np.inf
    least_cpu = np.inf
    for _ in range(REPEATS):
        started = time.perf_counter()
        cpu_started = time.process_time()
        count = len(laps(read_log(file).trace))
        least = min(least, time.perf_counter() - started)
        least_cpu = min(least_cpu, time.process_time() - cpu_started)
    print(
        f"\n{rows:,} rows ({file.stat().st_size / 1e6:.0f} MB csv) to {count:,} laps "
        f"in {least:.2f} s ({least_cpu:.2f} s of CPU)"
    )
    job = [{"file": str(file.parents[1]), "kind": "csv", "repeats": 1}]
    answers = _ask_utils(python, job, folder)
    if answers:
        seconds = min(answers[0]["seconds"])
        print(
            f"the same file with it: {seconds:.2f} s of CPU, {seconds / least_cpu:.1f} times as long"
        )
    file.unlink()


def _stream_a_huge_log(logs: list[UnpackedLog], python: str, folder: Path) -> None:
    """Two GB of log text, streamed to laps in a process of its own, whose peak of memory counts."""
    file = folder / "huge.log"
    source = _log_named(logs, "lg_fsjune/training").file
    rows = _repeat_rows(source, file, lambda _, size: size >= HUGE_BYTES)
    command = [sys.executable, "-c", _STREAM, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"\n{file.stat().st_size / 1e9:.2f} GB of log text, {rows:,} rows: {done.stdout.strip()}")
    file.unlink()


_STREAM = """
import re, sys, time
from pathlib import Path
import pandas as pd
from racer.analysis import laps
from racer.logs import stream_log

started = time.perf_counter()
stream = stream_log(sys.argv[1])
rows = 0
parts = []
for piece in stream:
    rows += len(piece)
    parts.append(laps(piece)[["episode", "time", "completion", "reward"]])
table = pd.concat(parts)
# VmHWM is of this process alone, ru_maxrss of its parent, too
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
seconds = time.perf_counter() - started
bad = stream.sources[0].bad
print(f"{rows:,} rows, {len(table):,} laps in {seconds:.0f} s, peak {peak:.0f} MiB, {bad} bad lines")
"""


def _log_named(logs: list[UnpackedLog], name: str) -> UnpackedLog:
    return next(log for log in logs if log.name == name)


def _repeat_rows(source: Path, target: Path, is_enough: Callable[[int, int], bool]) -> int:
    """Write real rows over and over, episodes renumbered so that none is a repeat; how many.

    `is_enough` is asked with the rows and bytes that were written.
    """
    lines = source.read_bytes().splitlines()
    header = b""
    if lines[0].startswith(b"episode"):
        header = lines.pop(0) + b"\n"
    rows = []
    for line in lines:
        match = re.fullmatch(rb"(.*?)(\d+)(,.*)", line)
        if match:
            rows.append((match[1], int(match[2]), match[3]))
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    first_episode = 0
    with target.open("wb") as file:
        file.write(header)
        while not is_enough(written, file.tell()):
            for before, episode, after in rows:
                file.write(b"%s%d%s\n" % (before, first_episode + episode, after))
            written += len(rows)
            first_episode += 1000
    return written


def _open_damaged_logs(count: int, first: int, folder: Path) -> None:
    """Damaged and hostile logs: how they came out, and the time it took."""
    from racer.logs import unpacking

    unpacking.MIN_UNPACK_BYTES = 1 << 20  # so that small bombs are bombs
    test = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "logs" / "test_fuzz.py"))
    started = time.perf_counter()
    outcomes = test["fuzz"](count, 4, folder, first)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = ", ".join(f"{number:,} {kind}" for kind, number in outcomes.most_common())
    print(
        f"{count:,} mutated logs and archives from number {first}: {counts}; "
        f"{seconds:.0f} s, peak {peak:.0f} MiB"
    )
    print(f"no traceback, none took {test['SLOWEST']:.0f} s, nothing written, all counts add up")


_PARTS = {
    "compare": _compare_readers,
    "write": _compare_written_folders,
    "million": _read_a_million_rows,
    "huge": _stream_a_huge_log,
}

if __name__ == "__main__":
    main()
