"""The metrics files of jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from racer import logs
from racer.analysis import laps
from racer.errors import UsageError
from racer.logs import metrics

EVALUATIONS = ["console22/eval0", "console22/eval1", "drfc3/eval0", "drfc3/eval1", "drfc3/eval2"]
TRAININGS = [
    "console22/training",
    "drfc3/worker0_training",
    "drfc3/worker1_training",
    "drfc3/worker2_training",
]


def test_training_metrics_count_episodes_on_and_trials_within_an_iteration(drive) -> None:
    table = laps(drive(episodes=5)).assign(iteration=[0, 0, 1, 1, 1])
    table["phase"] = ["training", "training", "evaluation", "training", "training"]
    entries = metrics.training_metrics(table)["metrics"]
    assert [entry["episode"] for entry in entries] == [1, 2, 2, 3, 4]
    assert [entry["phase"] for entry in entries] == [
        "training",
        "training",
        "evaluation",
        "training",
        "training",
    ]
    assert [entry["trial"] for entry in entries if entry["phase"] == "training"] == [1, 2, 1, 2]
    assert [entry["episode_status"] for entry in entries][:2] == ["Lap complete", "Off track"]
    assert all(
        e["metric_time"] - e["start_time"] == e["elapsed_time_in_milliseconds"] for e in entries
    )


def test_without_iterations_twenty_episodes_are_one(drive) -> None:
    entries = metrics.training_metrics(laps(drive(episodes=22, step=2.0)))["metrics"]
    assert [entry["trial"] for entry in entries] == [*range(1, 21), 1, 2]


def test_reset_count_is_of_all_incidents_the_last_one_too(drive) -> None:
    # docs/simulator.md 9.5
    table = laps(drive())
    table[["crashes", "immobilized", "off_tracks", "reversed"]] = [[1, 0, 2, 0], [0, 1, 0, 1]]
    entries = metrics.evaluation_metrics(table)["metrics"]
    assert [entry["reset_count"] for entry in entries] == [3, 2]


def test_a_continuous_race_lists_completed_laps_only(drive) -> None:
    # docs/simulator.md 9.5
    table = laps(drive()).assign(complete=[True, False])
    trials = metrics.evaluation_metrics(table)["metrics"]
    assert len(trials) == 2
    assert metrics.evaluation_metrics(table, is_race=True)["metrics"] == trials[:1]
    race = table.assign(episode=0, episode_id=0, lap=[1, 2])
    assert len(metrics.evaluation_metrics(race)["metrics"]) == 1
    assert len(metrics.evaluation_metrics(race, is_race=False)["metrics"]) == 2


def test_metrics_survive_a_file(tmp_path: Path, drive) -> None:
    table = laps(drive())
    metrics.write_metrics(metrics.evaluation_metrics(table), tmp_path / "metrics" / "e.json")
    again = metrics.read_metrics(tmp_path / "metrics" / "e.json")
    assert again["trial"].tolist() == [1, 2]
    assert again["off_track_count"].tolist() == [0, 1]
    assert again["completion_percentage"].tolist() == [100, 40]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "m.json: is not valid JSON"),
        ("[]", "not a metrics file"),
        ("{}", "not a metrics file"),
        ('{"metrics": 3}', "not a metrics file"),
        ('{"metrics": [3]}', "not a metrics file"),
    ],
)
def test_what_is_no_metrics_file_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        metrics.read_metrics(tmp_path / "m.json")


@pytest.mark.parametrize("job", EVALUATIONS)
def test_evaluation_metrics_equal_the_simulators_own(shared_data: Path, job: str) -> None:
    table = laps(logs.read_log(shared_data / "logs" / f"{job}.csv.gz").trace)
    real = json.loads((shared_data / "logs" / f"{job}_metrics.json").read_text())["metrics"]
    mine = metrics.evaluation_metrics(table)["metrics"]
    assert [_timeless(entry) for entry in mine] == [_timeless(entry) for entry in real]
    assert [list(entry) for entry in mine] == [list(entry) for entry in real]


@pytest.mark.parametrize("job", [*TRAININGS, "droa26_cont/training"])
def test_training_metrics_equal_the_simulators_own(shared_data: Path, job: str) -> None:
    table = laps(logs.read_log(shared_data / "logs" / f"{job}.csv.gz").trace)
    real = json.loads((shared_data / "logs" / f"{job}_metrics.json").read_text())["metrics"]
    known = {entry["episode"]: entry for entry in real if entry["phase"] == "training"}
    mine = metrics.training_metrics(table)["metrics"]
    for lap, entry in zip(table["episode"].tolist(), mine, strict=True):
        theirs = known[lap + 1]
        for name in ("reward_score", "completion_percentage", "episode_status", "phase"):
            assert entry[name] == theirs[name]
        assert list(entry) == list(theirs)


def _timeless(entry: dict) -> dict:
    return {name: value for name, value in entry.items() if "time" not in name}
