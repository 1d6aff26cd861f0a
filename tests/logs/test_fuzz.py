"""Logs and archives with every kind of damage and malice: read or refused in a sentence, never
more.

`fuzz` is what `benchmarks/logs.py --fuzz 10000` runs at length; here a few hundred cases are enough
to notice a slip.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from racer import logs
from racer.analysis import laps
from racer.errors import UsageError
from racer.logs import unpacking
from racer.logs.schema import TRACE_COLUMNS

pytestmark = pytest.mark.slow


SLOWEST = (
    20.0  # s of this process that a case may take: those of others on the machine do not count
)
LONGEST = 2000  # characters of a sentence
_ACTIONS = (
    "{k}",
    "[{a} {b}]",
    "[{a}, {b}]",
    "{a} {b}",
    "{a};{b}",
    '"[{a}, {b}]"',
    "[np.float64({a}), np.float64({b})]",
)
_INSERTS = (
    b",", b"\n", b"\r", b"\r\n", b"\0", b"SIM_TRACE_LOG:", b"[", b'"', b"1e400", b"nan", b"-inf", b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"True", b"9" * 400, b" " * 50, b"\x1f\x8b", b"PK\x03\x04", b"{", b"Policy training> Surrogate loss=1e999,",
    b"Using the following hyper-parameters\n{\n", b"Action space from file: [{'a': ", "é→\u2028".encode(),
)  # fmt: skip
_NAMES = (
    "a.csv", "training-simtrace/0-iteration.csv", "../../up.csv", "/etc/passwd.csv", "a/../../b.log", "..", "",
    "x" * 300 + ".csv", "C:\\Windows\\a.csv", "\x1b[2Ja.csv", "ümlaut.csv",
    "a.csv.gz", "inner.zip", "inner.tar.gz", "run.json", "a\nb.csv",
    "model/model_metadata.json", "9" * 40 + "-iteration.csv",
)  # fmt: skip
_KINDS = (
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
    tarfile.FIFOTYPE,
    tarfile.XHDTYPE,
    tarfile.GNUTYPE_SPARSE,
)


def content(dice: random.Random) -> bytes:
    """A sound log of 2 to 60 steps: csv or text, 15 to 19 columns, any spelling of actions."""
    columns, action = dice.randint(15, 19), dice.choice(_ACTIONS)
    lines = [_row(k, columns, action, dice) for k in range(dice.randint(2, 60))]
    if dice.random() < 0.5:
        return ("\n".join([",".join(TRACE_COLUMNS[:columns]), *lines]) + "\n").encode()
    prefix = dice.choice(("", "[run.sh-9] ", "2026-03-01 worker_1 | ", "x"))
    noise = dice.choice(("", "\n", "Reset agent\n", "SIM_TRACE\n"))
    return "".join(f"{noise}{prefix}SIM_TRACE_LOG:{line}\n" for line in lines).encode()


def _row(k: int, columns: int, action: str, dice: random.Random) -> str:
    a, b = round(dice.uniform(-30, 30), 3), round(dice.uniform(0.5, 4), 3)
    fields = [
        k // 20, float(k % 20 + 1), k * 0.1, 3.0 - k * 0.05, 45.0 + k, a, b, action.format(k=k % 5, a=a, b=b), 0.5 + k,
        k % 20 == 19, True, k % 20 * 5.2, k % 119, 17.67, 6.0 + k / 15, "in_progress" if k % 20 else "prepare", 0.0, 0,
        1.7e9,
    ]  # fmt: skip
    return ",".join(map(str, fields[:columns]))


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Bytes with up to eight flips, cuts, repeats, insertions and swapped columns."""
    data = bytearray(data)
    for _ in range(dice.randint(0, 8)):
        at = dice.randrange(len(data) + 1)
        match dice.choice(("flip", "cut", "repeat", "insert", "swap", "end")):
            case "flip":
                data[at : at + 1] = bytes([dice.randrange(256)])
            case "cut":
                del data[at : at + dice.randint(1, 400)]
            case "repeat":
                data[at:at] = data[at : at + dice.randint(1, 400)] * dice.randint(1, 3)
            case "insert":
                data[at:at] = dice.choice(_INSERTS)
            case "swap":
                rows = bytes(data).split(b"\n")
                cells = rows[k := dice.randrange(len(rows))].split(b",")
                dice.shuffle(cells)
                rows[k] = b",".join(cells)
                data = bytearray(b"\n".join(rows))
            case "end":
                del data[at:]
    return bytes(data)


def tar(dice: random.Random) -> bytes:
    """An archive of a few logs, links and devices under names that climb out, some of a size that
    is not true.
    """
    out = io.BytesIO()
    mode, kind = (
        dice.choice(("w", "w:gz")),
        dice.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)),
    )
    with tarfile.open(fileobj=out, mode=mode, format=kind) as archive:
        for _ in range(dice.randint(1, 4)):
            info, data = tarfile.TarInfo(dice.choice(_NAMES)[:90]), damaged(content(dice), dice)
            if dice.random() < 0.3:
                info.type, info.linkname = dice.choice(_KINDS), dice.choice(_NAMES)[:90]
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(dice: random.Random) -> bytes:
    """The same as a zip; members may be archives themselves, or unpack a thousandfold."""
    out = io.BytesIO()
    with zipfile.ZipFile(
        out, "w", dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    ) as archive:
        for name in dict.fromkeys(dice.choice(_NAMES) for _ in range(dice.randint(1, 4))):
            inner = dice.random()
            data = (
                tar(dice)
                if inner < 0.1
                else b"0" * (3 << 20)
                if inner < 0.13
                else damaged(content(dice), dice)
            )
            member = zipfile.ZipInfo(name or "empty")
            member.external_attr = 0o120777 << 16 if dice.random() < 0.1 else 0
            member.compress_type = archive.compression
            archive.writestr(member, data)
    return out.getvalue()


def make(folder: Path, dice: random.Random) -> Path:
    """A place to open: a file, an archive or a folder, each perhaps damaged once more."""
    kind = dice.choice(("csv", "log", "csv.gz", "tar", "tar.gz", "zip", "folder"))
    if kind == "folder":
        (folder / "job").mkdir()
        for name in ("a.csv", "0-iteration.csv", "b.log")[: dice.randint(1, 3)]:
            (folder / "job" / name).write_bytes(damaged(content(dice), dice))
        (folder / "job" / "model_metadata.json").write_bytes(
            damaged(json.dumps({"action_space": []}).encode(), dice)
        )
        return folder / "job"
    path = folder / f"log.{kind}"
    data = (
        tar(dice)
        if kind.startswith("tar")
        else zipped(dice)
        if kind == "zip"
        else damaged(content(dice), dice)
    )
    data = gzip.compress(data, mtime=0) if kind == "csv.gz" else data
    path.write_bytes(damaged(data, dice) if dice.random() < 0.4 else data)
    return path


def check(path: Path, outcomes: Counter[str]) -> None:
    """Opens a place and streams it: a trace that adds up, or a sentence; nothing may be written
    anywhere near.
    """
    before = _seen(path.parent)
    started = time.process_time()
    sentence, log = "", None
    try:
        log = logs.read_log(path)
    except UsageError as error:
        sentence = str(error)
    if log is None:
        assert 0 < len(sentence) < LONGEST
        assert sentence.isprintable()
        with pytest.raises(UsageError):
            list(logs.stream_log(path))
        outcomes["refused"] += 1
    else:
        _adds_up(log, path)
        outcomes["read with bad lines" if log.bad_lines else "read"] += 1
    assert time.process_time() - started < SLOWEST
    assert _seen(path.parent) == before


def _adds_up(log: logs.Log, path: Path) -> None:
    assert len(log.trace) == sum(source.rows for source in log.sources) > 0
    assert all(bool(source.bad) == bool(source.first_bad) for source in log.sources)
    assert np.isfinite(
        log.trace[["X", "Y", "yaw", "steer", "throttle", "reward", "progress", "tstamp"]].to_numpy()
    ).all()
    assert laps(log.trace)["steps"].sum() == len(log.trace)
    assert log.trace["episode_id"].is_monotonic_increasing
    flow = logs.stream_log(path)
    assert sum(map(len, flow)) == sum(source.rows for source in flow.sources)
    assert (
        sum(source.lines for source in flow.sources) == sum(source.lines for source in log.sources)
        or log.notes
    )
    data = path.read_bytes() if path.is_file() else b""
    if path.suffix in (".csv", ".log") and not data.startswith(
        (b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff")
    ):
        _counts_lines(log.sources[0], data)


def _counts_lines(source: logs.Source, data: bytes) -> None:
    """An account against an independent count of a plain file's lines."""
    plain = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    count = plain.count(b"\n") + (not plain.endswith(b"\n"))
    several = sum(max(0, line.count(b"SIM_TRACE_LOG:") - 1) for line in plain.split(b"\n"))
    assert count <= source.lines <= count + several


def _seen(folder: Path) -> list[tuple[str, int]]:
    return sorted(
        (str(path), path.lstat().st_size) for place in (folder, Path()) for path in place.glob("*")
    )


def fuzz(count: int, seed: int, folder: Path, first: int = 0) -> Counter[str]:
    """How `count` cases from number `first` came out; one that fails names its number, which makes
    it again.
    """
    outcomes: Counter[str] = Counter()
    for number in range(first, first + count):
        place = folder / str(number)
        place.mkdir(parents=True)
        path = make(place, random.Random(f"{seed}-{number}"))
        try:
            check(path, outcomes)
        except Exception as error:
            error.add_note(f"case {number} of seed {seed}: {path}")
            raise
        _remove(place)
    return outcomes


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.rmdir()


def test_no_damage_and_no_malice_gets_more_than_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MIN_UNPACK_BYTES", 1 << 20)
    outcomes = fuzz(300, 1, tmp_path)
    assert min(outcomes[kind] for kind in ("read", "read with bad lines", "refused")) > 20
