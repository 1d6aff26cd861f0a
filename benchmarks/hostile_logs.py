"""Damaged logs and hostile archives: each is read or refused in a sentence, in little memory, and in
pieces it holds the same steps as at once.

    python benchmarks/hostile_logs.py [--logs 10000] [--archives 200] [--first K] [--seed S]
        [-r hostile_logs.jsonl] [-o FILE]

Logs and small archives are those of tests/logs/test_fuzz.py, folders with two records of one job are
added. Hostile archives are bombs of several packers, thousands of empty members, archives in
archives, names that climb out, headers that lie. A case that fails names its number, which makes it
again.

Some hundred cases are read one after the other by a process of their own, whose address space is
limited, so that no case can take the machine's memory. What came of them is a line of the records (-r);
a later call goes on behind them. Peaks of memory are those of Linux; elsewhere they are not known.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import json
import lzma
import platform
import random
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from racer.analysis import laps
from racer.errors import UsageError
from racer.logs import TRACE_COLUMNS, Log, LogStream, read_log, stream_log

CASES_PER_PROCESS = {"mutated logs": 500, "hostile archives": 20}
MAX_SPACE_BYTES = 3 << 30
"""Address space that a process may take for its cases."""
MAX_CASE_MB = 500
"""Of memory beyond what the process had before a case."""
MAX_SENTENCE_CHARS = 2000
MAX_SHOWN_FAULTS = 10
COUNTS = ("rows", "bad", "headers", "blank", "other", "repeated")
"""What the accounts of a location add up to, at once and in pieces."""

FUZZ = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "logs" / "test_fuzz.py"))
Make = Callable[[Path, random.Random], Path]


@dataclass
class Outcome:
    """How the cases of a kind came out. `slowest_s` are processor seconds, as `cpu_s`."""

    kind: str
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    peak_mb: float = 0.0
    slowest_s: float = 0.0
    cpu_s: float = 0.0

    def add(self, other: Outcome) -> None:
        """Count the cases of another process, too."""
        for word, count in other.counts.items():
            self.count(word, count)
        self.faults += other.faults
        self.peak_mb = max(self.peak_mb, other.peak_mb)
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.cpu_s += other.cpu_s

    def count(self, word: str, count: int = 1) -> None:
        """Count cases that came out so."""
        self.counts[word] = self.counts.get(word, 0) + count

    def describe(self) -> str:
        """What was counted and measured, and the first faults."""
        counts = ", ".join(f"{count:,} {word}" for word, count in sorted(self.counts.items()))
        line = (
            f"{sum(self.counts.values()):,} {self.kind}: {counts}; {self.cpu_s:.0f} s of CPU, "
            f"slowest {self.slowest_s:.1f} s, peak {self.peak_mb:.0f} MB in one case"
        )
        return "\n".join([line, *self.faults[:MAX_SHOWN_FAULTS]])


def main() -> None:
    """Print what became of all cases; exit code 1 where one has failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--logs", type=int, default=300, metavar="N", help="how many mutated logs")
    parser.add_argument("--archives", type=int, default=200, metavar="N", help="hostile archives")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="number of the first")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("-r", "--records", type=Path, default=Path("hostile_logs.jsonl"))
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--process", nargs=2, metavar=("KIND", "COUNT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.process:
        kind, count = arguments.process
        print(json.dumps(asdict(run_cases(kind, arguments.first, int(count), arguments.seed))))
        return
    lines = [f"Python {platform.python_version()}, pandas {pd.__version__}, seed {arguments.seed}"]
    faults = 0
    for kind, count in (("mutated logs", arguments.logs), ("hostile archives", arguments.archives)):
        outcome = Outcome(kind)
        for part in run_processes(kind, arguments.first, count, arguments.seed, arguments.records):
            outcome.add(part)
        lines.append(outcome.describe())
        faults += len(outcome.faults)
    verdict = f"no traceback, none above {MAX_CASE_MB} MB, in pieces the same steps as at once"
    lines.append(f"{faults} FAULTS" if faults else verdict)
    print("\n".join(lines))
    if arguments.output:
        arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    raise SystemExit(1 if faults else 0)


def run_processes(kind: str, first: int, count: int, seed: int, records: Path) -> Iterator[Outcome]:
    """What came of the cases of each process, of an earlier call or of this one."""
    known = {}
    for line in records.read_text().splitlines() if records.exists() else []:
        record = json.loads(line)
        known[tuple(record["cases"])] = record["outcome"]
    step = CASES_PER_PROCESS[kind]
    for begin in range(first, first + count, step):
        number = min(step, first + count - begin)
        cases = (kind, begin, number, seed)
        if cases not in known:
            known[cases] = asdict(run_process(*cases))
            with records.open("a") as file:
                file.write(json.dumps({"cases": cases, "outcome": known[cases]}) + "\n")
        yield Outcome(**known[cases])


def run_process(kind: str, begin: int, count: int, seed: int) -> Outcome:
    """What came of cases in a process of their own."""
    command = [sys.executable, __file__, "--process", kind, str(count)]
    command += ["--first", str(begin), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        fault = f"{kind} {begin} to {begin + count - 1}: exit code {done.returncode}: {done.stderr}"
        return Outcome(kind, {"FAILED": count}, [fault])
    return Outcome(**json.loads(done.stdout))


def run_cases(kind: str, first: int, count: int, seed: int) -> Outcome:
    """What came of cases in this process."""
    outcome = Outcome(kind)
    make = {"mutated logs": make_log, "hostile archives": make_archive}[kind]
    _limit_space()
    with tempfile.TemporaryDirectory() as name:
        for number in range(first, first + count):
            _try_case(outcome, make, number, seed, Path(name))
    outcome.cpu_s = round(time.process_time(), 1)
    return outcome


def _limit_space() -> None:
    if sys.platform == "linux":
        import resource

        size = int(_status_mb("VmSize") * 2**20) + MAX_SPACE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _try_case(outcome: Outcome, make: Make, number: int, seed: int, folder: Path) -> None:
    place = folder / str(number)
    place.mkdir()
    path = make(place, random.Random(f"{seed}-{number}-{outcome.kind}"))
    before_mb = _forget_peak()
    started = time.process_time()
    try:
        outcome.count(_read_both_ways(path))
    except Exception:
        outcome.count("FAILED")
        outcome.faults.append(f"case {number} of {outcome.kind}:\n{traceback.format_exc()}")
    outcome.slowest_s = max(outcome.slowest_s, time.process_time() - started)
    case_mb = _peak_mb() - before_mb
    outcome.peak_mb = max(outcome.peak_mb, case_mb)
    if case_mb > MAX_CASE_MB:
        outcome.faults.append(f"case {number} of {outcome.kind}: {case_mb:.0f} MB")
    shutil.rmtree(place)


def _read_both_ways(path: Path) -> str:
    """Read a location at once and in pieces; how it came out. AssertionError where they differ."""
    try:
        log = read_log(path)
    except UsageError as error:
        sentence = str(error)
        assert 0 < len(sentence) < MAX_SENTENCE_CHARS, f"a sentence of {len(sentence)} characters"
        assert sentence.isprintable(), f"not printable: {sentence!r}"
        try:
            pieces = list(stream_log(path))
        except UsageError:
            return "refused"
        raise AssertionError(
            f"in pieces {sum(map(len, pieces))} steps of what is refused"
        ) from None
    assert laps(log.trace)["steps"].sum() == len(log.trace)
    stream = stream_log(path)
    pieces = list(stream)
    _assert_same(log, stream, pieces)
    return "read with bad lines" if log.bad_lines else "read"


def _assert_same(log: Log, stream: LogStream, pieces: list[pd.DataFrame]) -> None:
    together = _row_hashes(pieces)
    assert np.array_equal(_row_hashes([log.trace]), together), (
        f"{len(log.trace)} steps at once, {len(together)} in pieces"
    )
    at_once = {source.name: source for source in log.sources}
    in_pieces = {source.name: source for source in stream.sources}
    assert at_once.keys() == in_pieces.keys()
    for name, source in at_once.items():
        counts = [getattr(source, count) for count in COUNTS]
        other = [getattr(in_pieces[name], count) for count in COUNTS]
        assert counts == other, f"{name}: {counts} at once, {other} in pieces"


def _row_hashes(frames: list[pd.DataFrame]) -> NDArray[np.uint64]:
    """A number for each row, sorted: pieces may come in another order, such as that of an archive."""
    hashes = []
    for frame in frames:
        plain = frame[list(TRACE_COLUMNS)].astype({"episode_status": str})
        hashes.append(pd.util.hash_pandas_object(plain, index=False).to_numpy(np.uint64))
    return np.sort(np.concatenate(hashes))


def make_log(folder: Path, dice: random.Random) -> Path:
    """A damaged log, archive or folder; one in five is a job with two records of it."""
    if dice.random() < 0.2:
        return _make_job(folder, dice)
    made: Path = FUZZ["make"](folder, dice)
    return made


def _make_job(folder: Path, dice: random.Random) -> Path:
    """A folder with a log and csv files of some of its steps, each perhaps damaged."""
    job = folder / "job"
    steps = FUZZ["content"](dice).decode()
    lines = re.findall(r"\d+,\d+\.0,[^\n]*", steps)
    files = {
        "robomaker.log": "".join(f"SIM_TRACE_LOG:{line}\n" for line in lines[dice.randrange(9) :]),
        "training-simtrace/0-iteration.csv": "\n".join(lines[: dice.randint(1, len(lines))]),
        "training-simtrace/1-iteration.csv": "\n".join(lines[dice.randrange(len(lines)) :]),
    }
    for name, text in files.items():
        path = job / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = text.encode()
        path.write_bytes(FUZZ["damaged"](content, dice) if dice.random() < 0.5 else content)
    return job


def make_archive(folder: Path, dice: random.Random) -> Path:
    """An archive of malice, one in four damaged on top."""
    name, build = dice.choice(sorted(ARCHIVES.items()))
    path = folder / name
    content = build(dice)
    if dice.random() < 0.25:
        content = FUZZ["damaged"](content, dice)
    path.write_bytes(content)
    return path


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _log(dice: random.Random) -> bytes:
    content: bytes = FUZZ["content"](dice)
    return content


def _bomb(dice: random.Random) -> bytes:
    """What packs to next to nothing: zeros, newlines, commas, or one step over and over."""
    unit = dice.choice((b"\0", b"\n", b",", b"SIM_TRACE_LOG:", _log(dice)))
    mebibytes = dice.choice((2, 8, 32, 32 if len(unit) > 20 else 300))
    return (unit * ((mebibytes << 20) // len(unit) + 1))[: mebibytes << 20]


def _zip_bomb(dice: random.Random) -> bytes:
    methods = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    return _zip({"a.csv": _bomb(dice), "b.log": _log(dice)}, dice.choice(methods))


def _many_members(dice: random.Random) -> bytes:
    members = {f"{k}/{k}.csv": b"" for k in range(dice.choice((1_000, 20_000, 60_000)))}
    return _zip(members | {"b.log": _log(dice)}, zipfile.ZIP_STORED)


def _nested(dice: random.Random) -> bytes:
    content = _zip({"a.csv": _log(dice)})
    for depth in range(dice.randint(1, 8)):
        pack: Any = dice.choice((_zip, _tar))
        content = pack({f"{depth}.{'zip' if depth % 2 else 'tar'}": content, "b.csv": _log(dice)})
    return content


def _lying_zip(dice: random.Random) -> bytes:
    """Sizes in the directory that are not those of the members."""
    content = bytearray(_zip({"a.csv": _log(dice), "b.csv": _log(dice)}))
    place = content.find(b"PK\x01\x02")
    while place >= 0:
        content[place + 20 : place + 28] = dice.randbytes(8)
        place = content.find(b"PK\x01\x02", place + 4)
    return bytes(content)


def _lying_tar(dice: random.Random) -> bytes:
    """A member that says to be as large as a disk."""
    info = tarfile.TarInfo("a.csv")
    info.size = dice.choice((1 << 33, 1 << 60, 10**11))
    header = info.tobuf(tarfile.GNU_FORMAT)
    return header + _log(dice) + _tar({"b.csv": _log(dice)})


def _climbing_tar(dice: random.Random) -> bytes:
    content: bytes = FUZZ["tar"](dice)
    return content


def _yaml_bomb(dice: random.Random) -> bytes:
    levels = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for k in range(1, 12):
        inner = ",".join([f"*{chr(96 + k)}"] * 9)
        levels.append(f"{chr(97 + k)}: &{chr(97 + k)} [{inner}]")
    text = "\n".join(levels).encode()
    return _zip({"training_params.yaml": text, "a.csv": _log(dice)})


def _json_bomb(dice: random.Random) -> bytes:
    text = b"[" * dice.choice((100, 100_000, 4_000_000))
    return _zip({"model_metadata.json": text, "metrics/a.json": text, "a.csv": _log(dice)})


def _gzip_members(dice: random.Random) -> bytes:
    """A gzip stream with a member for each few bytes."""
    content = _log(dice)
    size = dice.choice((1, 50))
    return b"".join(gzip.compress(content[k : k + size]) for k in range(0, len(content), size))


ARCHIVES: dict[str, Callable[[random.Random], bytes]] = {
    "bomb.zip": _zip_bomb,
    "bomb.csv.gz": lambda dice: gzip.compress(_bomb(dice), 6),
    "bomb.tar.gz": lambda dice: gzip.compress(_tar({"a.csv": _bomb(dice)}), 6),
    "many.zip": _many_members,
    "nested.zip": lambda dice: _zip({"x.zip": _nested(dice)}),
    "nested.tar": lambda dice: _tar({"x.tar": _nested(dice), "y.zip": _nested(dice)}),
    "lying.zip": _lying_zip,
    "lying.tar": _lying_tar,
    "climbing.tar": _climbing_tar,
    "yaml.zip": _yaml_bomb,
    "json.zip": _json_bomb,
    "members.csv.gz": _gzip_members,
    "packed.csv.bz2": lambda dice: bz2.compress(_log(dice)),
    "packed.tar": lambda dice: lzma.compress(_tar({"a.csv": _log(dice)})),
}
"""What builds each kind of archive, by the name of its file."""


def _forget_peak() -> float:
    """The memory of this process now, MB, from which on its peak is counted anew."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")
    return _status_mb("VmRSS")


def _peak_mb() -> float:
    return _status_mb("VmHWM")


def _status_mb(name: str) -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    match = re.search(rf"{name}:\s+(\d+)", status.read_text())
    return int(match[1]) / 1024 if match else 0.0


if __name__ == "__main__":
    main()
