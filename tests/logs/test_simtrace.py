"""Reading simtrace files and log lines, whole and damaged."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from racer import logs
from racer.analysis import laps
from racer.errors import UsageError
from racer.logs import schema as trace
from racer.logs import simtrace
from racer.logs.writer import csv_text, log_lines, write_csv

LINE = "0,{step}.0,1.5,2.25,90.0,-10.5,1.25,{action},0.5,False,True,{progress},3,17.709159380834848,{stamp}"
LINE += ",in_progress,0.0\n"
HEADER = ",".join(trace.TRACE_COLUMNS[:17]) + "\n"


def lines(count: int = 5, action: str = "3") -> str:
    """Steps of 17 columns."""
    steps = range(1, count + 1)
    return "".join(
        LINE.format(step=k, action=action, progress=0.5 * k, stamp=6.0 + k / 16) for k in steps
    )


def read(
    tmp_path: Path, data: str | bytes, name: str = "a.csv"
) -> tuple[pd.DataFrame, logs.Source]:
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return simtrace.read_simtrace(path)


def test_columns_have_the_declared_dtypes(tmp_path: Path) -> None:
    frame, source = read(tmp_path, HEADER + lines())
    assert {name: str(frame[name].dtype) for name in trace.TRACE_COLUMNS} == trace.COLUMN_DTYPES
    assert (source.rows, source.columns, source.headers, source.bad) == (5, 17, 1, 0)
    assert frame["obstacle_crash_counter"].isna().all()


@pytest.mark.parametrize(
    "spelling",
    [
        "[-10.5 1.25]", "[-10.5, 1.25]", '"[-10.5, 1.25]"', "-10.5 1.25", "-10.5;1.25", "[-10.5  1.25]",
        "[ -10.5 1.25 ]", "-10.5, 1.25",
        "[np.float64(-10.5), np.float64(1.25)]", "array([-10.5, 1.25])", "[-1.05e+01 1.25e+00]",
    ],
)  # fmt: skip
def test_continuous_actions_are_read_in_every_spelling(tmp_path: Path, spelling: str) -> None:
    frame, source = read(tmp_path, HEADER + lines(action=spelling))
    assert source.bad == 0
    assert frame["action"].tolist() == [trace.CONTINUOUS_ACTION] * 5
    assert frame["steer"].tolist() == [-10.5] * 5
    assert frame["pause_duration"].tolist() == [0.0] * 5


@pytest.mark.parametrize(
    "dress",
    [
        pytest.param(lambda text: HEADER + text, id="plain"),
        pytest.param(lambda text: text, id="no header"),
        pytest.param(lambda text: "\ufeff" + HEADER + text, id="byte order mark"),
        pytest.param(lambda text: (HEADER + text).replace("\n", "\r\n"), id="windows"),
        pytest.param(lambda text: (HEADER + text).replace("\n", "\r"), id="old mac"),
        pytest.param(lambda text: (HEADER + text).replace("\n", "\r\n", 2), id="mixed"),
        pytest.param(lambda text: (HEADER + text).rstrip("\n"), id="no last newline"),
        pytest.param(lambda text: (HEADER + text).encode("utf-16"), id="powershell"),
        pytest.param(lambda text: gzip.compress((HEADER + text).encode()), id="gzip"),
        pytest.param(
            lambda text: gzip.compress(HEADER.encode()) + gzip.compress(text.encode()),
            id="two gzip members",
        ),
        pytest.param(lambda text: HEADER + text.replace(",", ", "), id="spaces"),
    ],
)
def test_the_dress_of_a_file_does_not_matter(tmp_path: Path, dress) -> None:
    expected, _ = read(tmp_path, HEADER + lines(), "plain.csv")
    frame, source = read(tmp_path, dress(lines()))
    assert source.bad == 0
    pd.testing.assert_frame_equal(frame, expected)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("[run_evaluation_rl_agent.sh-9] ", ""),
        ("\x1b[32m[INFO]\x1b[0m ", "\x1b[0m"),
        ('{"message": "', '\\n", "timestamp": 5}'),
        ("2026-03-01T10:00:00 ", "  [another process]"),
    ],
)
def test_steps_are_found_inside_of_a_text_log(tmp_path: Path, before: str, after: str) -> None:
    rows = [f"{before}SIM_TRACE_LOG:{line}{after}" for line in lines().splitlines()]
    text = (
        "World name passed in YAML: x\n"
        + "\n\nReset agent\n".join(rows)
        + "\nEvaluation job complete\n"
    )
    frame, source = read(tmp_path, text, "a.log")
    assert frame["steps"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert (source.rows, source.bad, source.other) == (5, 0, text.count("\n") - 5)


def test_two_steps_on_one_line_are_two_steps(tmp_path: Path) -> None:
    text = "".join(f"SIM_TRACE_LOG:{line}" for line in lines().splitlines())
    assert len(read(tmp_path, text + "\n", "a.log")[0]) == 5


def test_a_step_cut_after_a_space_does_not_swallow_the_next_line(tmp_path: Path) -> None:
    cut = "0,1.0,1.5,2.25,90.0,-10.5,1.25,3,0.5,False,True,0.5,3,17.709159380834848,6. "
    _, source = read(
        tmp_path,
        "".join(f"SIM_TRACE_LOG:{line}\n" for line in [cut, *lines().splitlines()]),
        "a.log",
    )
    assert (source.rows, source.bad) == (5, 1)


def test_repeated_headers_and_blank_lines_are_no_bad_lines(tmp_path: Path) -> None:
    _, source = read(tmp_path, (HEADER + lines() + "\n \n") * 3)
    assert (source.rows, source.headers, source.blank, source.bad) == (15, 3, 6, 0)


def test_a_truncated_last_line_is_counted_with_its_place(tmp_path: Path) -> None:
    text = HEADER + lines()
    for cut in (5, 40, 90, len(lines(1)) - 8):
        frame, source = read(tmp_path, text[: len(text) - len(lines(1)) + cut])
        assert (len(frame), source.bad) == (4, 1)
        assert source.first_bad.startswith("line 6: ")


def test_a_bad_line_in_the_middle_names_its_place_and_leaves_the_order(tmp_path: Path) -> None:
    good = lines(9).splitlines()
    frame, source = read(
        tmp_path, HEADER + "\n".join([*good[:4], "0,what,is,this", *good[4:]]) + "\n"
    )
    assert frame["steps"].tolist() == list(range(1, 10))
    assert (source.bad, source.first_bad) == (1, "line 6: 0,what,is,this")


def test_files_of_two_versions_behind_each_other_are_both_read(tmp_path: Path) -> None:
    old = "".join(line.rsplit(",", 1)[0] + "\n" for line in lines().splitlines())
    frame, source = read(
        tmp_path, ",".join(trace.TRACE_COLUMNS[:16]) + "\n" + old + HEADER + lines()
    )
    assert (source.rows, source.bad, source.columns) == (10, 0, 17)
    assert frame["pause_duration"].isna().sum() == 5


def test_a_log_of_2019_is_turned_into_degrees_and_says_so(tmp_path: Path) -> None:
    row = "0,{k},1.5,2.25,1.5707963267948966,-0.5235987755982988,1.0,3,0.5,{done},True,{p},3,17.67,15630000{k}.25\n"
    text = "".join(row.format(k=k, done=k == 3, p=100.0 if k == 3 else k) for k in (1, 2, 3))
    frame, source = read(tmp_path, text)
    assert frame["yaw"].tolist() == pytest.approx([90.0] * 3)
    assert frame["steer"].tolist() == pytest.approx([-30.0] * 3)
    assert frame["episode_status"].tolist() == ["in_progress", "in_progress", "lap_complete"]
    assert any("radians" in note for note in source.notes)
    assert any("Unix" in note for note in source.notes)


def test_degrees_are_left_alone_in_15_columns(tmp_path: Path) -> None:
    text = "".join(",".join(line.split(",")[:15]) + "\n" for line in lines().splitlines())
    assert read(tmp_path, text)[0]["yaw"].tolist() == [90.0] * 5


def test_columns_in_another_order_are_taken_by_name(tmp_path: Path) -> None:
    plain, _ = read(tmp_path, HEADER + lines(), "plain.csv")
    table = plain.iloc[:, :17].rename(
        columns={"X": "x", "throttle": "speed", "all_wheels_on_track": "on_track"}
    )
    frame, source = read(tmp_path, table.iloc[:, ::-1].assign(quintile=2).to_csv())
    pd.testing.assert_frame_equal(frame, plain)
    assert any("quintile" in note for note in source.notes)


def test_a_header_without_a_needed_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lacks progress"):
        read(tmp_path, HEADER.replace("progress", "advance") + lines())


def test_a_cut_gzip_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    data = gzip.compress((HEADER + lines(3000)).encode())
    frame, source = read(tmp_path, data[: len(data) * 2 // 3], "a.csv.gz")
    assert 0 < len(frame) < 3000
    assert any("gzip" in note for note in source.notes)


@pytest.mark.parametrize("data", [b"PK\x03\x04" + b"\0" * 300, b"x" * 257 + b"ustar" + b"\0" * 300])
def test_an_archive_is_named_as_such(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UsageError, match="archive"):
        read(tmp_path, data)


@pytest.mark.parametrize(
    "value",
    ["nan", "inf", "1e999", "1_000", "", "0x10", "1.2.3", "--1", "٣"],
    ids=["nan", "inf", "big", "_", "-", "x", "..", "--", "arabic"],
)
def test_what_is_no_number_makes_a_bad_line(tmp_path: Path, value: str) -> None:
    good = lines(4).splitlines()
    good[2] = good[2].replace("2.25", value, 1)
    frame, source = read(tmp_path, HEADER + "\n".join(good) + "\n")
    assert (len(frame), source.bad) == (3, 1)


def test_an_infinite_episode_number_is_a_bad_line_without_a_warning(tmp_path: Path) -> None:
    _, source = read(tmp_path, HEADER + lines() + lines(1).replace("0,1.0", "1e4000,1.0", 1))
    assert (source.rows, source.bad) == (5, 1)


def test_unknown_statuses_are_kept_and_noted(tmp_path: Path) -> None:
    frame, source = read(tmp_path, HEADER + lines().replace("in_progress", "abducted", 1))
    assert frame["episode_status"].iloc[0] == "abducted"
    assert any("abducted" in note and "1 rows" in note for note in source.notes)


@pytest.mark.parametrize("columns", [15, 16, 17, 18, 19])
@pytest.mark.parametrize("discrete", [True, False])
def test_what_is_written_reads_back_equal(
    tmp_path: Path, drive, columns: int, discrete: bool
) -> None:
    frame = drive(discrete=discrete)
    write_csv(frame, tmp_path / "a.csv.gz", columns)
    again, source = simtrace.read_simtrace(tmp_path / "a.csv.gz")
    assert (source.columns, source.bad) == (columns, 0)
    names = list(trace.TRACE_COLUMNS[:columns])
    pd.testing.assert_frame_equal(
        again[names], frame[names], check_exact=True, check_categorical=False
    )


def test_log_lines_round_positions_as_the_simulator_prints_them(tmp_path: Path, drive) -> None:
    frame = drive()
    again, source = read(tmp_path, log_lines(frame), "a.log")
    assert source.columns == 19
    assert np.abs(again["X"] - frame["X"]).max() <= 0.5e-4
    assert again["tstamp"].tolist() == frame["tstamp"].tolist()
    assert log_lines(frame).startswith("SIM_TRACE_LOG:0,1,3.0000,0.0000,")


def test_negative_zero_survives_writing(drive) -> None:
    frame = drive(episodes=1)
    frame["steer"] = np.where(np.arange(len(frame)) % 2, 0.0, -0.0)
    assert [line.split(",")[5] for line in csv_text(frame).splitlines()[1:3]] == ["-0.0", "0.0"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, drive) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(UsageError, match="lacks yaw"):
        write_csv(drive().drop(columns="yaw"), path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]


def test_episodes_are_told_apart_where_numbering_restarts(drive) -> None:
    one = drive(episodes=2)
    worker = pd.concat([one.assign(source=0), one.assign(source=1)], ignore_index=True)
    same = pd.concat([one[one["episode"] == 0]] * 2, ignore_index=True)
    assert trace.episode_ids(worker).max() == 3
    assert trace.episode_ids(same).max() == 1


BASE = (HEADER + lines(40)).encode()
TEXT = "".join(
    f"[x] SIM_TRACE_LOG:{line}noise\n" for line in lines(40).splitlines(keepends=True)
).encode()


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A log with flipped bytes, cuts, repeats and swapped columns."""
    data = bytearray(draw(st.sampled_from([BASE, TEXT, gzip.compress(BASE, mtime=0)])))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["flip", "cut", "repeat", "insert", "swap"])):
            case "flip" if data:
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 400))]
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 400))]
            case "insert":
                data[at:at] = draw(
                    st.sampled_from(
                        [b",", b"\n", b"\r", b"\0", b"SIM_TRACE_LOG:", b"[", b"1e400", b"\xff\xfe"]
                    )
                )
            case "swap":
                rows = bytes(data).split(b"\n")
                k = draw(st.integers(0, len(rows) - 1))
                cells = rows[k].split(b",")
                rows[k] = b",".join(draw(st.permutations(cells)))
                data = bytearray(b"\n".join(rows))
    return bytes(data)


@pytest.mark.slow
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=mutations())
def test_a_mutated_log_reads_or_is_refused_and_its_counts_add_up(
    tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    try:
        log = logs.read_log(path)
    except UsageError:
        return
    source = log.sources[0]
    assert len(log.trace) == source.rows > 0
    assert bool(source.bad) == bool(source.first_bad)
    if data[:2] not in (b"\x1f\x8b", b"\xff\xfe"):
        plain = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        count = plain.count(b"\n") + (not plain.endswith(b"\n"))
        doubled = sum(max(0, line.count(b"SIM_TRACE_LOG:") - 1) for line in plain.split(b"\n"))
        assert count <= source.lines <= count + doubled
    assert np.isfinite(log.trace[list(trace.TRACE_COLUMNS[:9])].to_numpy(float)).all()
    assert laps(log.trace)["steps"].sum() == source.rows


def test_every_real_log_reads_without_a_bad_line_and_is_written_back_to_the_byte(
    shared_data: Path,
) -> None:
    paths = sorted((shared_data / "logs").glob("*/*.gz"))
    assert paths
    for path in paths:
        frame, source = simtrace.read_simtrace(path)
        text = (csv_text if ".csv" in path.name else log_lines)(frame, source.columns)
        assert source.bad == 0, path
        assert text.encode() == gzip.decompress(path.read_bytes()), path
