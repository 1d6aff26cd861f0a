"""Logs in archives, globs and at addresses; and archives that mean harm."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from racer import errors as extras
from racer import logs
from racer.errors import UsageError
from racer.logs import unpacking
from racer.logs.archive import archive_members
from racer.logs.sources import local_file_entry
from racer.logs.writer import csv_text, log_lines, write_csv

Drive = Callable[..., pd.DataFrame]


@pytest.fixture
def run(tmp_path: Path, drive: Drive, write_iterations) -> Path:
    """Three iterations and a race of a job, in a folder."""
    folder = tmp_path / "job"
    write_iterations(folder, 3)
    write_csv(
        drive(episodes=3),
        folder / "evaluation-20260101000000" / "evaluation-simtrace" / "0-iteration.csv",
    )
    return folder


def tarred(folder: Path, path: Path, kind: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix != ".tar" else "w", format=kind) as archive:
        archive.add(folder, folder.name)
    return path


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
    return path


def member(name: str, data: bytes = b"", **facts: object) -> tuple[tarfile.TarInfo, io.BytesIO]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for fact, value in facts.items():
        setattr(info, fact, value)
    return info, io.BytesIO(data)


def same_trace(one: logs.Log, other: logs.Log) -> bool:
    plain = {"episode_status": str, "phase": str}
    return bool(one.trace.astype(plain).equals(other.trace.astype(plain)))


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ["job.tar.gz", "job.tgz", "job.tar", "job.zip", "no_ending"])
def test_an_archive_is_the_folder_that_was_packed(run: Path, tmp_path: Path, name: str) -> None:
    archive = (zipped if name.endswith(".zip") else tarred)(run, tmp_path / name)
    before = everything(tmp_path)
    assert same_trace(logs.read_log(archive), logs.read_log(run.parent / "job"))
    assert everything(tmp_path) == before


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_any_length_are_read_in_every_kind_of_tar(
    run: Path, tmp_path: Path, kind: int
) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 40)
    deep.mkdir(parents=True)
    run.rename(deep / "job")
    log = logs.read_log(tarred(tmp_path / ("d" * 60), tmp_path / "job.tar.gz", kind))
    assert log.sources[0].name.startswith("d" * 60 + "/" + "e" * 40 + "/job/")
    assert log.trace["iteration"].max() == 2


def test_an_archive_in_an_archive_is_read(run: Path, tmp_path: Path) -> None:
    inner = tarred(run, tmp_path / "job.tar.gz")
    for outer in ("a.zip", "a.tar.gz"):
        place = tmp_path / outer
        with (
            zipfile.ZipFile(place, "w")
            if outer == "a.zip"
            else tarfile.open(place, "w:gz") as archive
        ):
            add = archive.write if isinstance(archive, zipfile.ZipFile) else archive.add
            add(inner, "in/job.tar.gz")
        log = logs.read_log(place)
        assert same_trace(log, logs.read_log(run))
        assert log.sources[0].name.startswith("in/job.tar.gz/job/")


def test_a_zip_in_a_tar_is_read(run: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        archive.add(zipped(run, tmp_path / "job.zip"), "job.zip")
    assert same_trace(logs.read_log(tmp_path / "a.tgz"), logs.read_log(run))


def test_three_archives_deep_is_left_out_and_said(run: Path, tmp_path: Path) -> None:
    place = tarred(run, tmp_path / "0.tar.gz")
    for k in (1, 2):
        with zipfile.ZipFile(tmp_path / f"{k}.zip", "w") as archive:
            archive.write(place, place.name)
        place = tmp_path / f"{k}.zip"
    with pytest.raises(UsageError, match="unpack it first"):
        logs.read_log(place)


def test_archives_in_a_folder_are_read(run: Path, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    zipped(run, tmp_path / "downloads" / "job.zip")
    (tmp_path / "downloads" / "readme.txt").write_text("nothing\n")
    log = logs.read_log(tmp_path / "downloads")
    assert same_trace(log, logs.read_log(run))
    assert log.sources[0].name.startswith("job.zip/job/")


def test_a_glob_takes_what_matches(run: Path) -> None:
    log = logs.read_log(str(run / "training-simtrace" / "[01]-*.csv"))
    assert log.trace["iteration"].unique().tolist() == [0, 1]
    assert set(log.trace["phase"]) == {"training"}
    assert len(logs.read_log(str(run / "*")).sources) == 4
    assert len(logs.read_log(str(run / "**" / "*.csv")).sources) == 4
    with pytest.raises(UsageError, match="no file or folder matches"):
        logs.read_log(str(run / "*.zip"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_device_has_no_end_and_is_refused() -> None:
    with pytest.raises(UsageError, match="is a device"):
        logs.read_log("/dev/zero")


@pytest.mark.parametrize(
    "magic", [b"BZh91AY", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"]
)
def test_another_archive_is_named(tmp_path: Path, magic: bytes) -> None:
    (tmp_path / "job.log").write_bytes(magic + b"\0" * 100)
    with pytest.raises(UsageError, match=r"is packed with .*: unpack it"):
        logs.read_log(tmp_path / "job.log")


def test_an_address_is_read_through_fsspec(run: Path, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for file in run.rglob("*.csv"):
        memory.pipe(f"/bucket/{file.relative_to(run.parent).as_posix()}", file.read_bytes())
    memory.pipe("/bucket/job.zip", zipped(run, tmp_path / "job.zip").read_bytes())
    try:
        assert same_trace(logs.read_log("memory://bucket/job"), logs.read_log(run))
        # pathlib makes one slash of two
        assert same_trace(logs.read_log(Path("memory://bucket/job/")), logs.read_log(run))
        assert same_trace(logs.read_log("memory://bucket/job.zip"), logs.read_log(run))
        assert (
            logs.read_log("memory://bucket/job/training-simtrace/1-iteration.csv")
            .trace["iteration"]
            .max()
            == 1
        )
        assert len(logs.read_log("memory://bucket/job/training-simtrace/*.csv").sources) == 3
        assert sum(map(len, logs.stream_log("memory://bucket/job"))) == len(
            logs.read_log(run).trace
        )
        with pytest.raises(UsageError, match="no file at memory://bucket/jub"):
            logs.read_log("memory://bucket/jub")
    finally:
        memory.rm("/bucket", recursive=True)


def test_an_address_that_nobody_knows_is_refused() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(UsageError, match="bucketeer:// are not known; s3:// is"):
        logs.read_log("bucketeer://a/b")


def test_s3_without_its_extra_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(
        UsageError, match=r"reading logs from S3 needs s3fs: pip install '.*\[s3\]'"
    ):
        logs.read_log("s3://bucket/prefix")


def test_names_that_climb_out_are_only_names(drive: Drive, tmp_path: Path) -> None:
    data = csv_text(drive()).encode()
    place = tmp_path / "in" / "hostile.tar"
    place.parent.mkdir()
    with tarfile.open(place, "w") as archive:
        for name in (
            "../../escaped/0-iteration.csv",
            "/etc/1-iteration.csv",
            "a/../\x1b[31m2-iteration.csv",
        ):
            archive.addfile(*member(name, data))
    before = everything(tmp_path)
    log = logs.read_log(place)
    assert everything(tmp_path) == before
    names = ["escaped/0-iteration.csv", "etc/1-iteration.csv", "a/?[31m2-iteration.csv"]
    # the first in the archive
    assert [source.name for source in log.sources] == names[:1]
    # the others hold the same
    assert all(any(name in note for note in log.notes) for name in names[1:])


def test_links_and_devices_are_no_members(drive: Drive, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    write_csv(drive(episodes=4), secret)
    with tarfile.open(tmp_path / "links.tar", "w") as archive:
        archive.addfile(*member("a.csv", csv_text(drive(episodes=1)).encode()))
        archive.addfile(*member("b.csv", type=tarfile.SYMTYPE, linkname=str(secret)))
        archive.addfile(*member("c.csv", type=tarfile.LNKTYPE, linkname=str(secret)))
        archive.addfile(*member("d.csv", type=tarfile.CHRTYPE, devmajor=1, devminor=5))
        archive.addfile(*member("e.csv", type=tarfile.FIFOTYPE))
    with zipfile.ZipFile(tmp_path / "links.zip", "w") as archive:
        archive.writestr("a.csv", csv_text(drive(episodes=1)))
        link = zipfile.ZipInfo("b.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(secret))
    for name in ("links.tar", "links.zip"):
        log = logs.read_log(tmp_path / name)
        assert [source.name for source in log.sources] == ["a.csv"]
        assert len(log.trace) == len(drive(episodes=1))


def bomb(path: Path, size: int) -> Path:
    """A file of zeros behind a header, packed a thousandfold."""
    packer = zlib.compressobj(9, wbits=31)
    with path.open("wb") as file:
        file.write(packer.compress(b"episode,steps\n"))
        for _ in range(size >> 20):
            file.write(packer.compress(b"0" * (1 << 20)))
        file.write(packer.flush())
    return path


@pytest.mark.parametrize("kind", ["gz", "zip", "tar", "nested"])
def test_a_bomb_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(unpacking, "MIN_UNPACK_BYTES", 4 << 20)
    place = bomb(tmp_path / "bomb.csv.gz", 64 << 20)
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb.log", b"0" * (64 << 20))
        place = tmp_path / "bomb.zip"
    elif kind == "tar":
        with tarfile.open(tmp_path / "bomb.tgz", "w:gz") as archive:
            archive.addfile(*member("bomb.log", b"0" * (64 << 20)))
        place = tmp_path / "bomb.tgz"
    elif kind == "nested":
        with zipfile.ZipFile(tmp_path / "n.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(place, "bomb.log.gz")
        place = tmp_path / "n.zip"
    with pytest.raises(UsageError, match="unpacks to more than 150 times its size"):
        logs.read_log(place)


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_packed_with_bzip2_or_lzma_are_read(
    run: Path, tmp_path: Path, packing: int
) -> None:
    with zipfile.ZipFile(tmp_path / "job.zip", "w", packing) as archive:
        for file in sorted(run.rglob("*.csv")):
            archive.write(file, file.relative_to(run.parent))
    assert same_trace(logs.read_log(tmp_path / "job.zip"), logs.read_log(run))
    content = bytearray((tmp_path / "job.zip").read_bytes())
    content[200:208] = b"\xff" * 8
    (tmp_path / "job.zip").write_bytes(content)
    assert "is damaged" in " ".join(logs.read_log(tmp_path / "job.zip").notes)


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("stated", [1000, 48 << 20])
def test_a_member_is_unpacked_a_block_at_a_time_whatever_size_it_states(
    tmp_path: Path, packing: int, stated: int
) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("bomb.csv", b"0" * (48 << 20))
        archive.getinfo("bomb.csv").file_size = stated
    budget = unpacking.UnpackBudget(4 << 20, "bomb.zip")
    tracemalloc.start()
    try:
        [member] = archive_members(local_file_entry(path), "zip", budget)
        with pytest.raises((UsageError, unpacking.TruncatedFileError)):
            member.read(1 << 30)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20


def test_very_many_empty_members_are_passed_over(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for k in range(3_000):
            archive.writestr(f"training-simtrace/{k}-iteration.csv", b"")
    with pytest.raises(UsageError, match="3000 csv, log or txt files were looked at"):
        logs.read_log(tmp_path / "many.zip")


def test_an_extended_header_that_never_ends_is_passed_over(drive: Drive, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "pax.tar", "w") as archive:
        archive.addfile(*member("pax", b"1" * (1 << 20), type=tarfile.XHDTYPE))
        archive.addfile(*member("a.csv", csv_text(drive()).encode()))
    assert len(logs.read_log(tmp_path / "pax.tar").trace) == len(drive())


@pytest.mark.parametrize("name", ["job.tar.gz", "job.tar", "job.zip"])
def test_a_damaged_archive_is_read_as_far_as_it_goes(run: Path, tmp_path: Path, name: str) -> None:
    data = (zipped if name.endswith(".zip") else tarred)(run, tmp_path / name).read_bytes()
    whole = len(logs.read_log(tmp_path / name).trace)
    for cut in range(0, len(data), max(1, len(data) // 40)):
        (tmp_path / name).write_bytes(data[:cut])
        try:
            log = logs.read_log(tmp_path / name)
        except UsageError:
            continue
        assert 0 < len(log.trace) <= whole
        assert len(log.trace) == whole or log.notes or any(source.notes for source in log.sources)


def test_an_encrypted_zip_is_said(tmp_path: Path, drive: Drive) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", csv_text(drive()))
    data = bytearray((tmp_path / "a.zip").read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + offset] |= 1  # the flag of a password
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(UsageError, match="encrypted"):
        logs.read_log(tmp_path / "a.zip")


def test_steps_that_stand_twice_are_counted_said_and_dropped(drive: Drive, tmp_path: Path) -> None:
    trace = drive(episodes=3)
    lines = log_lines(trace).splitlines()
    doubled = [line for line in lines for _ in (0, 1)]
    (tmp_path / "doubled.log").write_text("\n".join(doubled) + "\n")
    (tmp_path / "overlap.log").write_text("\n".join(lines[:50] + lines[40:]) + "\n")
    for name, count in (("doubled.log", len(lines)), ("overlap.log", 10)):
        log = logs.read_log(tmp_path / name)
        source = log.sources[0]
        assert (source.rows, source.repeated, source.lines) == (
            len(trace),
            count,
            len(trace) + count,
        )
        assert log.trace["episode_id"].max() == 2
        assert any(f"{count} rows stand twice" in note for note in source.notes)


def test_workers_that_start_alike_keep_their_first_steps(drive: Drive, tmp_path: Path) -> None:
    one, other = drive(episodes=1), drive(episodes=1, step=0.31)
    (tmp_path / "both.log").write_text(log_lines(one) + log_lines(other))
    log = logs.read_log(tmp_path / "both.log")
    assert len(log.trace) == len(one) + len(other)
    assert log.sources[0].repeated == 0


def test_a_file_copied_beside_itself_counts_once(run: Path) -> None:
    first = run / "training-simtrace" / "0-iteration.csv"
    (run / "training-simtrace" / "0-iteration (1).csv").write_bytes(first.read_bytes())
    log = logs.read_log(run)
    assert len(log.sources) == 4
    assert any("every step of training-simtrace/0-iteration" in note for note in log.notes)


@pytest.mark.parametrize("cut", ["between lines", "inside a line"])
def test_a_log_cut_in_two_is_one_episode(drive: Drive, tmp_path: Path, cut: str) -> None:
    trace = drive(episodes=3)
    text = log_lines(trace)
    at = (
        text.index("\n", len(text) // 2) + 1
        if cut == "between lines"
        else text.index("\n", len(text) // 2) + 40
    )
    (tmp_path / "worker.log.1").write_text(text[:at])
    (tmp_path / "worker.log").write_text(text[at:])  # which comes first in the alphabet
    log = logs.read_log(tmp_path)
    assert log.trace["episode_id"].max() == 2
    assert log.trace["episode"].is_monotonic_increasing
    assert len(trace) - len(log.trace) == (0 if cut == "between lines" else 1)
    assert any("joined" in note for note in log.notes)


def test_two_gzip_members_and_a_cut_end(drive: Drive, tmp_path: Path) -> None:
    data = gzip.compress(csv_text(drive()).encode()) + gzip.compress(
        csv_text(drive(step=0.2)).encode()
    )
    (tmp_path / "a.csv.gz").write_bytes(data)
    assert len(logs.read_log(tmp_path / "a.csv.gz").trace) == len(drive()) + len(drive(step=0.2))
    (tmp_path / "a.csv.gz").write_bytes(data[:-30])
    log = logs.read_log(tmp_path / "a.csv.gz")
    assert "read as far as it goes" in log.sources[0].notes[-1]
