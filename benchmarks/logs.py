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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from racer import logs
from racer.analysis import laps
from racer.logs import metrics

REPEATS = 3
MILLION = 1_000_000  # rows
HUGE = 2 << 30  # bytes
PARTS = "compare,write,million,huge"
LOADS = {
    "DeepRacer for Cloud": ("load_training_trace", "load_evaluation_trace"),
    "console": ("load_training_trace", "load_evaluation_trace", "load_robomaker_logs",
                "load_robomaker_logs:EVALUATION"),
    "DeepRacer on AWS": ("load_training_trace", "load_evaluation_trace", "load_robomaker_logs",
                         "load_robomaker_logs:EVALUATION"),
}  # fmt: skip


@dataclass(frozen=True)
class Unpacked:
    """A real log on disk as both readers want it: its name, the file, and the folder around it."""

    name: str
    file: Path
    folder: Path
    packed: Path

    @property
    def is_table(self) -> bool:
        return self.file.suffix == ".csv"


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
    with tempfile.TemporaryDirectory() as place:
        if arguments.fuzz:
            _fuzz(arguments.fuzz, arguments.first, Path(place))
            return
        files = list(_unpacked(arguments.logs, Path(place)))
        for part in arguments.only.split(","):
            {"compare": _compare, "write": _write, "million": _million, "huge": _huge}[part](
                files, arguments.utils_python, Path(place)
            )


def _unpacked(folder: Path, place: Path) -> Iterator[Unpacked]:
    for path in sorted(folder.glob("*/*.gz")):
        name = f"{path.parent.name}/{path.name.split('.')[0]}"
        root = place / name.replace("/", "_")
        file = (
            root / "training-simtrace" / "0-iteration.csv"
            if ".csv" in path.name
            else root / "robomaker.log"
        )
        file.parent.mkdir(parents=True)
        file.write_bytes(gzip.decompress(path.read_bytes()))
        yield Unpacked(name, file, root, path)


def _theirs(python: str, job: list[dict[str, Any]], place: Path) -> list[dict[str, Any]] | None:
    """What deepracer-utils answers, None where there is none."""
    if not python:
        print("deepracer-utils: not compared, no --utils-python was given")
        return None
    (place / "job.json").write_text(json.dumps(job))
    script = Path(__file__).with_name("logs_theirs.py")
    done = subprocess.run(
        [python, str(script), str(place / "job.json")], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(
            f"deepracer-utils: not compared, {python} says: {done.stderr.strip().splitlines()[-1]}"
        )
        return None
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"deepracer-utils {found['version']}")
    return list(found["answers"])


def _mine(file: Path) -> tuple[logs.Log, pd.DataFrame, float]:
    best = np.inf
    for _ in range(REPEATS):
        started = time.process_time()
        log = logs.read_log(file)
        table = laps(log.trace)
        best = min(best, time.process_time() - started)
    return log, table, best


def _compare(files: list[Unpacked], python: str, place: Path) -> None:
    """Laps, times, completion and reward of every file, and the seconds it took to read and
    aggregate them.
    """
    _mine(files[0].file)  # what is loaded and compiled once counts for nobody
    job = [
        {
            "file": str(one.folder if one.is_table else one.file),
            "kind": "csv" if one.is_table else "text",
            "repeats": REPEATS,
        }
        for one in files
    ]
    answers = _theirs(python, job, place)
    if answers is None:
        return
    heads = ("laps", "theirs", "time", "compl.", "reward", "ms", "theirs")
    print(f"\n{'file':24}" + "".join(f"{head:>8}" for head in heads) + "  differences")
    mine_s = theirs_s = 0.0
    for one, answer in zip(files, answers, strict=True):
        log, table, seconds = _mine(one.file)
        mine_s, theirs_s = mine_s + seconds, theirs_s + min(answer["seconds"])
        episodes = pd.DataFrame(answer["episodes"])
        rows = _rows(log.trace, table, episodes)
        counts = [len(table), len(episodes), rows["time"], rows["completion"], rows["reward"]]
        times = [f"{value * 1e3:.0f}" for value in (seconds, min(answer["seconds"]))]
        print(
            f"{one.name:24}"
            + "".join(f"{cell:>8}" for cell in [*counts, *times])
            + f"  {rows['why']}"
        )
    ratio = theirs_s / mine_s
    print(
        f"read and aggregated in {mine_s:.2f} s of CPU, deepracer-utils in {theirs_s:.2f} s: {ratio:.1f} times as long"
    )
    _against_metrics(files, answers)
    print(_EXPLAINED)


_EXPLAINED = """
time, completion, reward: how many of their episodes have the same value here when laps are taken as they take them: by
the number in `episode`, from the first row's tstamp, with the farthest progress. Where racer's laps differ:
 a  theirs begin at the first row's tstamp, which is the END of the step in which the car waits. The simulator's own
    metrics count that step (see below), and so does racer: one step (67 ms) more a lap that begins with `prepare`
 b  theirs join episodes of one number in a text log: the logs of several workers behind each other give mixed laps
 c  theirs give the farthest progress, racer, as the metrics, that of the last row: cars that drove backwards at the end
 d  logs of 2020 have no `prepare` row: theirs add the time since the end of the episode before to each lap"""


def _rows(trace: pd.DataFrame, table: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, Any]:
    """How many of their episodes agree with the same rows taken as they take them, and why laps
    differ from that.
    """
    group = trace.assign(gap=_gaps(trace)).groupby("episode")
    same = pd.DataFrame(
        {
            "time": group["gap"].sum(),
            "completion": group["progress"].max(),
            "reward": group["reward"].sum(),
        }
    ).reset_index()
    both = same.merge(
        theirs.rename(columns={"time": "t", "progress": "c", "reward": "r"}), on="episode"
    )
    near = {
        "time": np.isclose(both["time"], both["t"], atol=2e-3),
        "completion": np.isclose(both["completion"], both["c"], atol=1e-6),
        "reward": np.isclose(both["reward"], both["r"], rtol=1e-9, atol=1e-6),
    }
    return {name: int(value.sum()) for name, value in near.items()} | {
        "why": _why(trace, table, theirs)
    }


def _gaps(trace: pd.DataFrame) -> pd.Series:
    return trace["tstamp"].diff().where(trace["episode_status"] != "prepare", 0.0)


def _why(trace: pd.DataFrame, table: pd.DataFrame, theirs: pd.DataFrame) -> str:
    """The letters of the explanations that apply to a file, with the number of laps."""
    first, last = table["first_row"].to_numpy(), table["last_row"].to_numpy()
    waits = trace["episode_status"].to_numpy()[first] == "prepare"
    top = np.maximum.reduceat(trace["progress"].to_numpy(), first)
    begins = ~waits & (table["lap"].to_numpy() == 1)
    counts = {
        "a": int(waits.sum()),
        "b": max(0, len(table) - len(theirs)),
        "c": int((top > trace["progress"].to_numpy()[last] + 1e-6).sum()),
        "d": int(begins.sum()),
    }
    return " ".join(f"{letter}:{count}" for letter, count in counts.items() if count)


def _against_metrics(files: list[Unpacked], answers: list[dict[str, Any]]) -> None:
    """Both readers' lap times against the simulator's own metrics of the same jobs."""
    print(
        "\nlap times against the job's own metrics JSON (s, median and largest difference; laps matched by start time)"
    )
    for one, answer in zip(files, answers, strict=True):
        path = one.packed.with_name(one.packed.name.split(".")[0] + "_metrics.json")
        if not path.exists():
            continue
        real = metrics.read_metrics(path)
        real = real[real["phase"] == "training"] if "phase" in real else real
        table = laps(logs.read_log(one.file).trace)
        theirs = pd.DataFrame(answer["episodes"]).set_index("episode")["time"]
        start = real["start_time"].to_numpy() / 1000.0
        nearest = np.abs(table["start"].to_numpy()[:, None] - start).argmin(axis=1)
        gap = np.abs(table["start"].to_numpy() - start[nearest])
        known = gap < 0.2
        truth = real["elapsed_time_in_milliseconds"].to_numpy()[nearest] / 1000.0
        mine = np.abs(table["time"].to_numpy() - truth)[known]
        other = np.abs(theirs.reindex(table["episode"]).to_numpy() - truth)[known]
        print(
            f"{one.name:24} {known.sum():4} laps: racer {np.median(mine):.3f} {mine.max():.3f}, "
            f"deepracer-utils {np.nanmedian(other):.3f} {np.nanmax(other):.3f}"
        )


def _write(files: list[Unpacked], python: str, place: Path) -> None:
    """Folders that racer writes, opened by deepracer-utils in each of its ways."""
    jobs, wanted = [], []
    for folder in sorted({one.packed.parent for one in files if one.is_table}):
        log = logs.read_log(folder)
        table = laps(log.trace)
        races = (log.trace["phase"] == "evaluation").to_numpy()
        for layout, loads in LOADS.items():
            out = place / "written" / folder.name / layout.replace(" ", "_")
            logs.write_log(log, out, table, layout)
            mine = [load for load in loads if races.any() or "eval" not in load.lower()]
            jobs.append({"folder": str(out), "loads": mine})
            wanted.append((folder.name, layout, log.trace, races))
    answers = _theirs(python, jobs, place)
    if answers is None:
        return
    print(
        "\nfolders that racer wrote, as deepracer-utils opens them: rows, and whether rewards and clocks add up"
    )
    for (name, layout, trace, races), answer in zip(wanted, answers, strict=True):
        for load, (rows, reward, clock) in answer["found"].items():
            mine = trace[races == ("eval" in load.lower())]
            same = np.isclose(reward, mine["reward"].sum(), rtol=1e-5) and np.isclose(
                clock, mine["tstamp"].sum()
            )
            verdict = "same" if rows == len(mine) and same else f"DIFFERENT ({len(mine)} rows here)"
            print(f"{name:12} {layout:20} {answer['type']:28} {load:32} {rows:6} {verdict}")


def _million(files: list[Unpacked], python: str, place: Path) -> None:
    """A table of a million rows, made of real ones."""
    source = next(one for one in files if one.name == "console22/training")
    file = place / "million" / "training-simtrace" / "0-iteration.csv"
    rows = _repeat(source.file, file, MILLION, None)
    best = np.inf
    for _ in range(REPEATS):
        started, cpu = time.perf_counter(), time.process_time()
        count = len(laps(logs.read_log(file).trace))
        best = min(best, time.perf_counter() - started)
        cpu = time.process_time() - cpu
    size = file.stat().st_size
    print(
        f"\n{rows:,} rows ({size / 1e6:.0f} MB csv) to {count:,} laps in {best:.2f} s ({cpu:.2f} s of CPU)"
    )
    answers = _theirs(python, [{"file": str(file.parents[1]), "kind": "csv", "repeats": 1}], place)
    if answers:
        theirs = min(answers[0]["seconds"])
        print(f"the same file with it: {theirs:.2f} s of CPU, {theirs / cpu:.1f} times as long")
    file.unlink()


def _huge(files: list[Unpacked], python: str, place: Path) -> None:
    """Two GB of log text, streamed to laps in a process of its own, whose peak of memory counts."""
    source = next(one for one in files if one.name == "lg_fsjune/training")
    file = place / "huge.log"
    rows = _repeat(source.file, file, None, HUGE)
    done = subprocess.run(
        [sys.executable, "-c", _STREAM, str(file)], capture_output=True, text=True, check=True
    )
    print(f"\n{file.stat().st_size / 1e9:.2f} GB of log text, {rows:,} rows: {done.stdout.strip()}")
    file.unlink()


_STREAM = """
import re, sys, time
from pathlib import Path
import pandas as pd
from racer import logs
from racer.analysis import laps
started, parts = time.perf_counter(), []  # VmHWM below is of this process alone, ru_maxrss of its parent, too
flow = logs.stream(sys.argv[1])
rows = 0
for piece in flow:
    rows += len(piece)
    parts.append(laps(piece)[["episode", "time", "completion", "reward"]])
table = pd.concat(parts)
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
seconds = time.perf_counter() - started
print(f"{rows:,} rows, {len(table):,} laps in {seconds:.0f} s, peak {peak:.0f} MiB, {flow.sources[0].bad} bad lines")
"""


def _repeat(source: Path, target: Path, rows: int | None, size: int | None) -> int:
    """Real rows over and over, episodes renumbered so that none is a repeat; how many."""
    lines = source.read_bytes().splitlines()
    header = [lines.pop(0)] if lines[0].startswith(b"episode") else []
    split = [re.fullmatch(rb"(.*?)(\d+)(,.*)", line) for line in lines]
    parts = [(m[1], int(m[2]), m[3]) for m in split if m]
    target.parent.mkdir(parents=True, exist_ok=True)
    written, k = 0, 0
    with target.open("wb") as file:
        file.writelines(line + b"\n" for line in header)
        while (rows is None or written < rows) and (size is None or file.tell() < size):
            file.write(
                b"".join(
                    b"%s%d%s\n" % (before, number + 1000 * k, after)
                    for before, number, after in parts
                )
            )
            written, k = written + len(parts), k + 1
    return written


def _fuzz(count: int, first: int, place: Path) -> None:
    """Damaged and hostile logs: how they came out, and the time it took."""
    from racer.logs import unpacking

    unpacking.MIN_UNPACK_BYTES = 1 << 20  # so that small bombs are bombs
    test = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "logs" / "test_fuzz.py"))
    started = time.perf_counter()
    outcomes = test["fuzz"](count, 4, place, first)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = ", ".join(f"{number:,} {kind}" for kind, number in outcomes.most_common())
    seconds = time.perf_counter() - started
    print(
        f"{count:,} mutated logs and archives from number {first}: {told}; {seconds:.0f} s, peak {peak:.0f} MiB"
    )
    print(f"no traceback, none took {test['SLOWEST']:.0f} s, nothing written, all counts add up")


if __name__ == "__main__":
    main()
