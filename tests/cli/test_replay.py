"""`racer replay`."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

from racer.cli.replay import replay_command
from racer.errors import RacerError, UsageError
from racer.logs import write_csv

app = typer.Typer()
app.command()(replay_command)


@pytest.fixture
def log(tmp_path: Path, drive) -> Path:
    path = tmp_path / "logs" / "a.csv"
    slow, fast = drive(episodes=4), drive(episodes=2, step=0.5)
    both = pd.concat([slow, fast.assign(episode=fast["episode"] + 4)], ignore_index=True)
    write_csv(both, path)
    return path


@pytest.fixture
def reward(tmp_path: Path) -> Path:
    path = tmp_path / "reward.py"
    path.write_text("def reward_function(params):\n    return 1.0 / 3.0\n", "utf-8")
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


def test_it_proves_the_rebuild_and_says_where_pay_and_clock_disagree(log, tracks, reward) -> None:
    result = run(reward, log, "--tracks", tracks, "--own", reward)
    assert result.exit_code == 0
    assert "track: ring, forward; " in result.output
    assert "scored rows equal the logged reward" in result.output
    assert "proof with" in result.output
    assert "ring: 6 laps, 3 complete" in result.output
    assert "complete laps: rank correlation of pay and clock -0.87" in result.output
    assert "it pays episode 0 (a lap of" in result.output
    assert "but the best by the clock, episode 4" in result.output


def test_json_holds_proof_correlation_and_every_lap(log, tracks, reward) -> None:
    found = json.loads(run(reward, log, "--tracks", tracks, "--own", reward, "--json").output)
    assert found["logs"][0]["proof"]["share"] == 1.0
    assert found["tracks"][0]["complete"]["correlation"] == pytest.approx(-0.866, abs=1e-3)
    assert len(found["tracks"][0]["laps"]) == 6
    assert found["logs"][0]["track_sentence"].startswith("track: ring, forward")
    assert found["logs"][0]["proof"]["own"] == str(reward)
    assert found["logs"][0]["proof"]["first_difference"] is None
    assert found["tracks"][0]["complete_count"] == 3
    assert "it pays episode 0" in found["tracks"][0]["best_laps"]
    assert found["tracks"][0]["displaced"]["among"] == "complete laps"
    assert found["notes"] == []
    assert found["tracks"][0]["laps"][0]["paid"] == pytest.approx(
        found["tracks"][0]["laps"][0]["logged"]
    )


def test_csv_holds_every_lap_of_every_log(log, tracks, reward, tmp_path: Path, drive) -> None:
    write_csv(drive(episodes=1), tmp_path / "logs" / "b.csv")
    out = tmp_path / "laps.csv"
    assert (
        run(reward, log, tmp_path / "logs" / "b.csv", "--tracks", tracks, "--csv", out).exit_code
        == 0
    )
    table = pd.read_csv(out)
    assert table["file"].tolist() == ["a.csv"] * 6 + ["b.csv"]
    assert table["clock_rank"].idxmin() == 4
    assert table["clock_rank"].sum() == 28.0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_csv_that_cannot_be_written_is_told(log, tracks, reward, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write"):
        run(reward, log, "--tracks", tracks, "--csv", tmp_path / "file" / "laps.csv")


def test_another_reward_than_the_logs_own_is_told(log, tracks, reward) -> None:
    with pytest.raises(RacerError, match="not those of"):
        run(reward, log, "--tracks", tracks, "--own", "speed_aware")


def test_an_unknown_track_is_a_sentence(log, reward) -> None:
    with pytest.raises(UsageError, match="nothing was priced"):
        run(reward, log)


def test_an_unknown_track_does_not_stop_the_others(
    log, tracks, reward, tmp_path: Path, drive, ring
) -> None:
    from dataclasses import replace

    big = replace(ring, center=ring.center * 1.4, inner=ring.inner * 1.4, outer=ring.outer * 1.4)
    write_csv(drive(track=big), tmp_path / "logs" / "b.csv")
    result = run(reward, tmp_path / "logs", "--tracks", tracks)
    assert result.exit_code == 0
    assert "track: unknown, 26.38 m long" in result.output
    assert "ring: 6 laps" in result.output


def test_a_named_track_is_taken_in_the_direction_of_the_log(
    tmp_path: Path, reward, tracks, drive, ring
) -> None:
    write_csv(drive(track=ring.reversed()), tmp_path / "r.csv")
    assert (
        "ring (reversed): 2 laps"
        in run(reward, tmp_path / "r.csv", "--track", tracks / "ring.npy").output
    )


def test_a_reward_that_reads_objects_is_told_that_there_are_none(log, tracks) -> None:
    assert "note: " in run("avoid_objects", log, "--tracks", tracks).output
    assert (
        "reads objects; a log does not tell where they were"
        in run("avoid_objects", log, "--tracks", tracks).output
    )


def test_several_jobs_in_one_folder_are_priced_apart(drive, tracks, reward, tmp_path: Path) -> None:
    for name, later_s in (("one", 0.0), ("two", 2.5)):
        trace = drive(episodes=3).assign(tstamp=lambda rows, s=later_s: rows["tstamp"] + s)
        write_csv(trace, tmp_path / "jobs" / name / "training-simtrace" / "0-iteration.csv")
    told = json.loads(run(reward, tmp_path / "jobs", "--tracks", tracks, "--json").output)
    folders = [str(tmp_path / "jobs" / name) for name in ("one", "two")]
    assert [log["log"] for log in told["logs"]] == folders
    assert [lap["log"] for lap in told["tracks"][0]["laps"]] == [folders[0]] * 3 + [folders[1]] * 3
