"""Finding traces in files and folders."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from racer import logs
from racer.errors import UsageError
from racer.logs.step_files import phase_of
from racer.logs.writer import log_lines, write_csv


@pytest.fixture
def run(tmp_path: Path, drive, write_iterations) -> Path:
    """A run's folder as DeepRacer for Cloud has it with one worker: 11 iterations and an
    evaluation.
    """
    folder = tmp_path / "run"
    write_iterations(folder, 11)
    write_csv(
        drive(episodes=3),
        folder / "evaluation-20260101000000" / "evaluation-simtrace" / "0-iteration.csv",
    )
    (folder / "metrics").mkdir()
    (folder / "metrics" / "TrainingMetrics.json").write_text("{}")
    (folder / "notes.txt").write_text("nothing of interest\n")
    return folder


def test_a_run_is_one_trace_in_the_order_of_its_iterations(run: Path) -> None:
    log = logs.read_log(run)
    training = log.trace[log.trace["phase"] == "training"]
    assert len(log.sources) == 12
    assert training["iteration"].unique().tolist() == list(range(11))
    assert log.trace.loc[log.trace["phase"] == "evaluation", "iteration"].unique().tolist() == [-1]
    assert log.trace["episode_id"].max() == 2 * 11 + 3 - 1
    assert log.bad_lines == 0


def test_a_file_of_a_run_knows_its_iteration(run: Path) -> None:
    log = logs.read_log(run / "training-simtrace" / "10-iteration.csv")
    assert log.trace["iteration"].unique().tolist() == [10]
    assert log.sources[0].name == "10-iteration.csv"
    assert log.sources[0].phase == "training"


def test_a_text_log_of_the_same_job_is_left_out_and_said(run: Path, drive) -> None:
    (run / "job.log").write_text("Reset agent\n" + log_lines(drive(episodes=3)))
    log = logs.read_log(run)
    assert len(log.sources) == 12
    assert any("job.log holds the same steps" in note for note in log.notes)


def test_what_only_a_text_log_holds_is_added_to_the_csv_files(run: Path, drive) -> None:
    iteration = drive(episodes=2, step=1.0)
    last = iteration.assign(episode=iteration["episode"] + 2 * 11)
    every = [iteration.assign(episode=iteration["episode"] + 2 * k) for k in range(11)]
    (run / "job.log").write_text(log_lines(pd.concat([*every, last], ignore_index=True)))
    log = logs.read_log(run)
    training = log.trace[log.trace["phase"] == "training"]
    assert len(training) == 12 * len(iteration)
    assert sorted(training["iteration"].unique()) == list(range(12))
    [note] = log.sources[-1].notes
    assert f"job.log: {11 * len(iteration)} of its steps stand in the csv files" in note
    assert f"{len(last)} stand nowhere else and were added" in note


def test_a_text_log_that_begins_late_adds_nothing_to_the_csv_files(run: Path, drive) -> None:
    count = len(logs.read_log(run).trace)
    later = drive(episodes=2, step=1.0)
    (run / "job.log").write_text(log_lines(later.assign(episode=later["episode"] + 2 * 9)))
    log = logs.read_log(run)
    assert len(log.trace) == count
    assert any("job.log holds the same steps" in note for note in log.notes)


def test_a_text_log_of_another_job_is_kept(run: Path, drive) -> None:
    (run / "job.log").write_text(log_lines(drive(episodes=3, step=0.17)))
    assert len(logs.read_log(run).sources) == 13


def test_a_broken_file_does_not_hide_the_others(run: Path) -> None:
    broken = run / "training-simtrace" / "11-iteration.csv"
    broken.write_text("episode,steps,X,Y,yaw,steer,throttle,action\n1,2,3,4,5,6,7,8\n")
    log = logs.read_log(run)
    assert len(log.sources) == 12
    assert any("11-iteration.csv" in note and "lacks reward" in note for note in log.notes)


def test_a_path_that_is_not_there_is_answered_with_the_nearest(run: Path) -> None:
    with pytest.raises(UsageError, match=r"no such file or folder: .*did you mean 'run'"):
        logs.read_log(run.parent / "runn")


@pytest.mark.parametrize("text", ["", "\n\n", "hello\n", "episode,steps,X,Y,yaw\n", "\x00\x01\x02"])
def test_a_file_without_a_step_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(UsageError):
        logs.read_log(path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no trace"):
        logs.read_log(tmp_path)


@pytest.mark.parametrize(
    ("path", "phase"),
    [
        ("a/training-simtrace/3-iteration.csv", "training"),
        ("x/sim-trace/evaluation/1-b/evaluation-simtrace/0-iteration.csv", "evaluation"),
        ("training/leaderboard0.simtrace.log.gz", "evaluation"),
        ("evaluation/worker0_training.csv.gz", "training"),
        ("a/b.csv", "unknown"),
    ],
)
def test_the_phase_is_told_from_the_path(path: str, phase: str) -> None:
    assert phase_of(Path(path)) == phase


def test_workers_that_print_in_turn_are_sorted_apart(tmp_path: Path, drive) -> None:
    """As `docker service logs` mixes them; each worker is at another place of the round."""
    whole = drive(episodes=5)
    parts = [whole[whole["episode"].between(k, k + 2)] for k in range(3)]
    workers = [
        log_lines(part.assign(episode=part["episode"] - k)).splitlines()
        for k, part in enumerate(parts)
    ]
    longest = max(map(len, workers))
    turns = [
        (k, lines[n]) for n in range(longest) for k, lines in enumerate(workers) if n < len(lines)
    ]
    (tmp_path / "mixed.log").write_text("".join(f"robomaker.{k} | {line}\n" for k, line in turns))
    log = logs.read_log(tmp_path / "mixed.log")
    assert log.trace["episode_id"].max() == 9 - 1
    assert any("3 workers stand in turn" in note for note in log.sources[0].notes)
    found = [tuple(rows["X"]) for _, rows in log.trace.groupby("episode_id")]
    real = [tuple(rows["X"].round(4)) for part in parts for _, rows in part.groupby("episode")]
    assert sorted(found) == sorted(real)


def write_job(folder: Path, drive, later_s: float, world: str) -> None:
    """A training of three iterations and its race, whose clock began so many seconds later."""
    for k in range(3):
        trace = drive(episodes=2, step=1.0)
        trace = trace.assign(episode=trace["episode"] + 2 * k, tstamp=trace["tstamp"] + later_s)
        write_csv(trace, folder / "training-simtrace" / f"{k}-iteration.csv")
    race = drive(episodes=3).assign(tstamp=lambda rows: rows["tstamp"] + later_s)
    write_csv(
        race, folder / "evaluation-20260101000000" / "evaluation-simtrace" / "0-iteration.csv"
    )
    (folder / "training_params.yaml").write_text(f'"WORLD_NAME": "{world}"\n')


def test_several_jobs_in_one_folder_are_said_and_kept_apart(tmp_path: Path, drive) -> None:
    write_job(tmp_path / "one", drive, 0.0, "reinvent_base")
    write_job(tmp_path / "two", drive, 2.5, "Vegas_track")
    jobs = logs.read_jobs(tmp_path)
    assert list(jobs) == ["one", "two"]
    assert [log.job.world for log in jobs.values()] == ["reinvent_base", "Vegas_track"]
    for name, log in jobs.items():
        assert len(log.trace) == len(logs.read_log(tmp_path / name).trace)
        assert any("one of 2 jobs" in note for note in log.notes)
    joined = logs.read_log(tmp_path)
    assert len(joined.trace) == sum(len(log.trace) for log in jobs.values())
    assert any("2 jobs are in it: one, two" in note for note in joined.notes)


def test_the_parts_of_one_job_are_no_several_jobs(run: Path, drive) -> None:
    write_csv(drive(episodes=1, step=0.7), run / "1" / "training-simtrace" / "0-iteration.csv")
    backup = run / "backup" / "job.log"
    backup.parent.mkdir()
    first = logs.read_log(run / "training-simtrace" / "0-iteration.csv").trace
    more = drive(episodes=1, step=0.9).assign(episode=99)
    backup.write_text(log_lines(pd.concat([first, more], ignore_index=True)))
    assert list(logs.read_jobs(run)) == [""]


def test_logs_of_two_trainings_side_by_side_are_two_jobs(tmp_path: Path, drive) -> None:
    for number, later_s in enumerate((0.0, 3.3)):
        trace = drive(episodes=2).assign(
            tstamp=lambda rows, later_s=later_s: rows["tstamp"] + later_s
        )
        name = f"training-2024010100000{number}-abc{number}-robomaker.log"
        (tmp_path / name).write_text(log_lines(trace))
    names = ["training-20240101000000-abc0", "training-20240101000001-abc1"]
    assert list(logs.read_jobs(tmp_path)) == names
