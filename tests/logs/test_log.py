"""What a log shows of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import racer
from racer import logs


def test_a_log_says_in_a_line_what_was_read(drive, tmp_path: Path) -> None:
    logs.write_csv(drive(), tmp_path / "training" / "0-iteration.csv")
    logs.write_csv(drive(step=0.2), tmp_path / "training" / "1-iteration.csv")
    log = logs.read_log(tmp_path)
    assert repr(log) == f"<Log of {len(log.trace)} steps in 4 episodes, from 2 files>"


def test_a_log_shows_its_files_and_notes(drive, tmp_path: Path) -> None:
    path = tmp_path / "0-iteration.csv"
    logs.write_csv(drive(), path, columns=15)
    path.write_text(path.read_text() + "broken\n")
    log = logs.read_log(path)
    lines = str(log).splitlines()
    assert lines[1].split() == ["file", "phase", "steps", "bad", "lines", "repeated"]
    assert lines[3].split() == ["0-iteration.csv", "unknown", str(len(log.trace)), "1", "0"]
    assert "<td" in log._repr_html_()


def test_of_many_files_the_first_ten_are_shown(drive, tmp_path: Path) -> None:
    for number in range(12):
        logs.write_csv(drive(episodes=1, step=0.2 + 0.01 * number), tmp_path / f"{number}.csv")
    assert "and 2 more files" in str(logs.read_log(tmp_path))


def test_the_plain_data_of_a_log_survive_json(drive, tmp_path: Path) -> None:
    logs.write_csv(drive(), tmp_path / "a.csv")
    log = logs.read_log(tmp_path / "a.csv")
    data = json.loads(json.dumps(log.to_dict()))
    assert (data["steps"], data["episodes"], data["bad_lines"]) == (len(log.trace), 2, 0)
    assert data["sources"][0]["rows"] == len(log.trace)
    assert data["job"]["platform"] == ""


def test_a_log_has_its_laps_its_best_one_and_its_pictures(drive, ring, tmp_path: Path) -> None:
    logs.write_csv(drive(episodes=3, ends=(100.0, 40.0, 100.0)), tmp_path / "a.csv")
    log = logs.read_log(tmp_path / "a.csv")
    assert log.laps.equals(racer.laps(log))
    assert log.laps is log.laps  # found once
    fastest = log.laps[log.laps["complete"]]["time"].min()
    assert log.best is not None
    assert log.best["time"] == fastest
    figure = log.plot("track", track=ring)
    assert figure.axes[0].get_xlabel() == "x (m)"
    with pytest.raises(racer.RacerError, match="no picture is called 'trak': did you mean 'track'"):
        log.plot("trak")


def test_a_log_without_a_complete_lap_has_no_best_one(drive, tmp_path: Path) -> None:
    logs.write_csv(drive(episodes=2, ends=(40.0,)), tmp_path / "a.csv")
    assert logs.read_log(tmp_path / "a.csv").best is None
