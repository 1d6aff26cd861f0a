"""`racer compare`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from racer.cli import app
from racer.logs import write_csv
from racer.training import train


@pytest.fixture
def log(tmp_path: Path, drive):
    """A function that writes laps of given steps (m a row) as an evaluation or a training, and says
    where.
    """

    def make(
        name: str, steps: list[float], phase: str = "evaluation", ends: tuple[float, ...] = (100.0,)
    ) -> Path:
        parts = [
            drive(episodes=1, step=step, ends=(ends[k % len(ends)],))
            for k, step in enumerate(steps)
        ]
        trace = pd.concat(
            [part.assign(episode=k) for k, part in enumerate(parts)], ignore_index=True
        )
        write_csv(trace, tmp_path / name / phase / "a.csv")
        return tmp_path / name

    return make


SLOW = np.linspace(0.19, 0.21, 12).tolist()
FAST = [step * 1.05 for step in SLOW]


def racer(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["compare", *map(str, words)], env={"COLUMNS": "160"})
    assert done.exit_code == code, done.output
    return done.output


def test_the_verdict_names_the_faster_one_its_interval_and_the_laps(log, tracks: Path) -> None:
    told = racer(log("A", SLOW), log("B", FAST), "--tracks", tracks)
    words = r"B is faster by 0\.\d\d s \(95 % interval 0\.\d\d to 0\.\d\d\), 12 against 12 complete laps"
    assert re.search(words, told)
    assert "A: track: ring, forward" in told
    assert "where B wins (-) and loses (+) on A" in told
    assert re.search(r"\n T1 +", told)
    assert re.search(r"B wins 0\.\d\d s at T1", told)


def test_laps_that_do_not_differ_say_nothing(log, tracks: Path) -> None:
    assert "nothing can be said: B was" in racer(
        log("A", SLOW), log("B", SLOW[::-1]), "--tracks", tracks
    )


def test_of_trainings_the_last_iterations_count(log, tracks: Path) -> None:
    steps = [1.0] * 30 + [0.5] * 30
    a, b = log("A", steps, "training"), log("B", [0.9] * 60, "training", (100.0, 40.0))
    told = json.loads(racer(a, b, "--tracks", tracks, "--last", "1", "--json"))
    assert told["phase"] == "training"
    assert [row["laps"] for row in told["logs"]] == [20, 20]
    assert [row["complete"] for row in told["logs"]] == [20, 10]
    assert "laps of the last 2 iterations" in racer(a, b, "--tracks", tracks, "--last", "2")
    assert "B completes fewer laps: 10 of 20 against 20 of 20" in racer(
        a, b, "--tracks", tracks, "--last", "1"
    )


def test_json_holds_numbers_verdicts_and_the_delta(log, tracks: Path) -> None:
    found = json.loads(
        racer(log("A", SLOW), log("B", FAST), "--tracks", tracks, "--json"),
        parse_constant=pytest.fail,
    )
    [pair] = found["pairs"]
    assert pair["time"]["low"] < pair["time"]["value"] < pair["time"]["high"] < 0.0
    assert pair["verdict"][0].startswith("B is faster by")
    assert found["track"] == ["ring", "ring"]
    assert found["delta"]["B"][-1]["delta"] == pytest.approx(pair["time"]["value"], abs=0.05)
    assert {row["sector"] for row in found["where"]} == {"T1"}


def test_a_log_without_a_complete_lap_has_no_interval_and_no_nan(log, tracks: Path) -> None:
    a, b = log("A", SLOW), log("B", SLOW, ends=(40.0,))
    found = json.loads(racer(a, b, "--tracks", tracks, "--json"), parse_constant=pytest.fail)
    assert found["pairs"][0]["time"] == {"value": None, "low": None, "high": None}
    assert "B completes fewer laps" in racer(a, b, "--tracks", tracks)


def test_the_picture_is_written_where_asked(log, tracks: Path, tmp_path: Path) -> None:
    picture = tmp_path / "deep" / "c.png"
    told = racer(log("A", SLOW), log("B", FAST), log("C", SLOW), "--tracks", tracks, "-o", picture)
    assert told.rstrip().endswith(str(picture))
    with Image.open(picture) as image:
        assert image.width > 1000


def test_without_a_known_track_the_picture_has_the_laps_alone(log, tmp_path: Path, drive) -> None:
    for name in ("A", "B"):
        write_csv(drive(episodes=8, step=0.5), tmp_path / name / "evaluation" / "a.csv")
    told = racer(tmp_path / "A", tmp_path / "B", "-o", tmp_path / "c.svg")
    assert "where the time is won cannot be told" in told
    assert (tmp_path / "c.svg").is_file()


def test_names_are_as_short_as_tells_them_apart(log, tracks: Path, tmp_path: Path, drive) -> None:
    for name in ("one", "two"):
        write_csv(drive(episodes=4), tmp_path / name / "a.simtrace.csv")
    files = [tmp_path / name / "a.simtrace.csv" for name in ("one", "two")]
    found = json.loads(racer(*files, "--tracks", tracks, "--json"))
    assert [row["name"] for row in found["logs"]] == ["one/a", "two/a"]
    same = json.loads(racer(files[0], files[0], "--tracks", tracks, "--json"))
    assert len({row["name"] for row in same["logs"]}) == 2


def test_several_runs_a_side_stand_between_vs(log, tracks: Path) -> None:
    slow = [log(f"slow-{k}", [step + 0.0005 * k for step in SLOW]) for k in range(2)]
    fast = [log(f"fast-{k}", [step + 0.0005 * k for step in FAST]) for k in range(3)]
    told = racer(*slow, "vs", *fast, "--tracks", tracks)
    assert "3 against 2 runs of 36 against 24 complete laps" in told
    assert "fast is faster by" in told
    assert "not these rewards" not in told
    found = json.loads(racer(*slow, "vs", *fast, "--tracks", tracks, "--json"))
    [pair] = found["pairs"]
    assert (pair["about"], pair["units"]) == ("rewards", [2, 3])
    assert "these policies, not these rewards" in racer(slow[0], fast[0], "--tracks", tracks)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["A", "vs"], "a side is empty"),
        (["A"], "needs two logs"),
        (["A", "nowhere"], "no such file or folder"),
        (["A", "B", "--phase", "racing"], "there are evaluation and training"),
        (["A", "B", "--phase", "training"], "holds no lap of training"),
        (["A", "T"], "nothing alike to compare"),
        (["A", "B", "-o", "c.xyz"], "no picture format"),
    ],
)
def test_wrong_use_is_a_sentence(
    log, tmp_path: Path, monkeypatch, words: list[str], sentence: str
) -> None:
    log("A", SLOW), log("B", FAST), log("T", [1.0] * 40, "training")
    monkeypatch.chdir(tmp_path)
    told = racer(*words, code=2)
    assert sentence in told
    assert "Traceback" not in told


def test_real_logs_of_one_track_are_compared(shared_data: Path) -> None:
    jobs = [shared_data / "logs" / name for name in ("console22", "drfc3")]
    found = json.loads(racer(*jobs, "--tracks", shared_data / "tracks", "--json"))
    assert [row["complete"] for row in found["logs"]] == [12, 9]
    assert [row["sector"] for row in found["where"]] == ["T1", "T2", "T3", "T4", "T5"]


def test_the_course_of_a_training_lies_beside_that_of_others(runs_of_two_seeds, tmp_path):
    one, other = runs_of_two_seeds
    text = racer(one, other, one, "--course", "-o", tmp_path / "course.png")
    assert "lies within the band of 2 trainings" in text
    assert (tmp_path / "course.png").is_file()
    told = json.loads(racer(one, other, "--course", "--json"))
    assert told["inside"] is None
    assert [row["iteration"] for row in told["iterations"]] == [0, 1]


def test_a_course_alone_is_refused(runs_of_two_seeds):
    assert "compares a training with others" in racer(runs_of_two_seeds[0], "--course", code=2)


@pytest.fixture(scope="module")
def runs_of_two_seeds(tmp_path_factory):
    settings = {"envs": 4, "n_epochs": 1, "net_arch": (16,)}
    plan = {"like": "service", "observation": "features", "iterations": 2, "settings": settings}
    folder = tmp_path_factory.mktemp("runs")
    return [
        train("center_line", "oval", folder=folder / str(seed), seed=seed, **plan).folder
        for seed in (0, 1)
    ]
