"""Traces in pieces: the same rows, the same laps, whole episodes."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from racer import logs
from racer.analysis import laps
from racer.errors import UsageError
from racer.logs import reader as episodes
from racer.logs import unpacking
from racer.logs.reader import LogStream
from racer.logs.writer import log_lines, write_csv

Drive = Callable[..., pd.DataFrame]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few rows, so that episodes are cut by them."""
    monkeypatch.setattr(unpacking, "BLOCK_BYTES", 3000)
    monkeypatch.setattr("racer.logs.archive.BLOCK_BYTES", 3000)


def gathered(path: Path) -> tuple[pd.DataFrame, LogStream]:
    flow = logs.stream_log(path)
    return pd.concat(list(flow), ignore_index=True), flow


def assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    plain = {"episode_status": str, "phase": str}
    pd.testing.assert_frame_equal(one.astype(plain), other.astype(plain))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ["a.csv", "a.log", "a.csv.gz"])
def test_a_stream_gives_what_open_gives(tmp_path: Path, drive: Drive, name: str) -> None:
    trace = drive(episodes=9)
    if name.endswith("log"):
        (tmp_path / name).write_text("Reset agent\n" + log_lines(trace))
    else:
        write_csv(trace, tmp_path / name)
    whole = logs.read_log(tmp_path / name)
    together, flow = gathered(tmp_path / name)
    assert_same(together, whole.trace)
    assert flow.sources == whole.sources
    assert flow.notes == whole.notes


def test_a_second_record_that_begins_inside_an_episode_adds_nothing_either_way(
    tmp_path: Path, drive: Drive
) -> None:
    trace = drive(episodes=1).iloc[:5]
    write_csv(trace, tmp_path / "0-iteration.csv")
    write_csv(trace.iloc[2:], tmp_path / "1-iteration.csv")
    second = tmp_path / "1-iteration.csv"
    second.write_text(second.read_text().rstrip("\n"))  # its last line is a block of its own
    whole = logs.read_log(tmp_path)
    together, flow = gathered(tmp_path)
    assert whole.trace["steps"].tolist() == [1, 2, 3, 4, 5]
    assert_same(together, whole.trace)
    assert flow.sources == whole.sources


@pytest.mark.usefixtures("small_blocks")
def test_pieces_are_whole_episodes(tmp_path: Path, drive: Drive) -> None:
    write_csv(drive(episodes=9), tmp_path / "a.csv")
    parts = list(logs.stream_log(tmp_path / "a.csv"))
    assert len(parts) > 3
    seen = [set(part["episode_id"]) for part in parts]
    assert sum(map(len, seen)) == len(set().union(*seen)) == 9
    assert all(part["steps"].iloc[0] == 1 for part in parts)
    lap_by_lap = pd.concat([laps(part) for part in parts], ignore_index=True)
    names = ["episode", "episode_id", "status", "time", "reward", "completion"]
    pd.testing.assert_frame_equal(
        lap_by_lap[names], laps(logs.read_log(tmp_path / "a.csv").trace)[names]
    )


def test_a_folder_streams_with_its_facts(tmp_path: Path, drive: Drive) -> None:
    for k in range(11):
        one = drive(episodes=2, step=1.0)
        write_csv(
            one.assign(episode=one["episode"] + 2 * k),
            tmp_path / "training-simtrace" / f"{k}-iteration.csv",
        )
    (tmp_path / "job.log").write_text(log_lines(drive(episodes=2, step=1.0)))
    together, flow = gathered(tmp_path)
    assert_same(together, logs.read_log(tmp_path).trace)
    assert together["iteration"].unique().tolist() == list(range(11))
    assert any("job.log holds the same steps" in note for note in flow.notes)
    with tarfile.open(tmp_path / "packed.tgz", "w:gz") as archive:
        archive.add(tmp_path / "training-simtrace", "training-simtrace")
    assert len(gathered(tmp_path / "packed.tgz")[0]) == len(together)


def test_repeated_steps_are_dropped_and_counted_in_a_stream_too(
    tmp_path: Path, drive: Drive
) -> None:
    lines = log_lines(drive(episodes=3)).splitlines()
    (tmp_path / "a.log").write_text("\n".join(lines + lines[-30:]) + "\n")
    together, flow = gathered(tmp_path / "a.log")
    assert len(together) == len(lines)
    assert flow.sources[0].repeated == 30


@pytest.mark.usefixtures("small_blocks")
def test_an_episode_without_an_end_is_cut_and_said(
    tmp_path: Path, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(episodes, "MAX_EPISODE_ROWS", 20)
    trace = drive(episodes=1)
    write_csv(trace, tmp_path / "a.csv")
    together, flow = gathered(tmp_path / "a.csv")
    assert np.array_equal(together["X"], trace["X"])
    assert any("was cut in pieces" in note for note in flow.notes)


def test_a_stream_of_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello\n")
    with pytest.raises(UsageError, match="holds no trace"):
        list(logs.stream_log(tmp_path))
    with pytest.raises(UsageError, match="no such file"):
        logs.stream_log(tmp_path / "b")
