"""What files and lines beside the steps say of a job."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from racer import logs
from racer.analysis import laps
from racer.errors import UsageError
from racer.logs.job_facts import PrintedFactsCollector
from racer.logs.log import EPOCH_DTYPES, Job
from racer.logs.writer import FOLDER_LAYOUTS, log_lines, write_csv

Drive = Callable[..., pd.DataFrame]

METADATA = {
    "action_space": [
        {"steering_angle": -30, "speed": 0.6, "index": 0},
        {"steering_angle": 30, "speed": 1.2, "index": 1},
    ],
    "sensor": ["FRONT_FACING_CAMERA"],
    "neural_network": "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW",
    "version": "4",
}
HYPER = {
    "batch_size": 64,
    "discount_factor": 0.99,
    "lr": 0.0003,
    "loss_type": "huber",
    "num_episodes_between_training": 2,
}
SIMULATOR = """\
 * /WORLD_NAME: reinvent_base
 * /RACE_TYPE: OBJECT_AVOIDANCE
Sensor list ['FRONT_FACING_CAMERA'], network DEEP_CONVOLUTIONAL_NETWORK_SHALLOW, simapp_version 5.0, training
Action space from file: [{'steering_angle': -30, 'speed': 0.6, 'index': 0}, {'steering_angle': 30, 'speed': 1.2}]
"""


def trainer(iterations: int = 2, epochs: int = 3) -> str:
    """The trainer's log: its settings, and so many epochs an iteration."""
    lines = [
        "Using the following hyper-parameters",
        json.dumps(HYPER, indent=2, sort_keys=True),
        "done",
    ]
    for k in range(iterations):
        lines.append(
            f"Training> Name=main_level/agent, Worker=0, Episode={k}, Total reward=9.1, Steps=23"
        )
        for epoch in range(epochs):
            numbers = (
                f"Surrogate loss={-0.01 * k}, KL divergence={1e-5 * epoch}, Entropy={1.5 - 0.1 * k}"
            )
            lines.append(
                f"Policy training> {numbers}, training epoch={epoch}, learning_rate=0.0003"
            )
    lines.append("Best checkpoint number: 1, Last checkpoint number: 2")
    return "\n".join(lines) + "\n"


@pytest.fixture
def job(tmp_path: Path, write_iterations) -> Path:
    """A DeepRacer-for-Cloud folder with everything in it."""
    folder = tmp_path / "rl-deepracer-1"
    write_iterations(folder, 2)
    files = {
        "model/model_metadata.json": json.dumps(METADATA),
        "ip/hyperparameters.json": json.dumps(HYPER),
        "model/deepracer_checkpoints.json": json.dumps(
            {"best_checkpoint": {"name": "7_Step-1234.ckpt"}}
        ),
        "training_params.yaml": "WORLD_NAME:\n- caecer_loop\nRACE_TYPE:\n- TIME_TRIAL\nNUMBER_OF_OBSTACLES: 0\n",
        "reward_function.py": "def reward_function(params):\n    return 1.0\n",
        "metrics/TrainingMetrics.json": json.dumps(
            {"metrics": [{"trial": 1, "phase": "training"}], "version": 2.0}
        ),
        "logs/sagemaker.log": trainer(),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_every_fact_of_a_folder_is_found(job: Path) -> None:
    found = logs.read_log(job).job
    assert (found.platform, found.simulator, found.car) == ("DeepRacer for Cloud", "4.0", "v4")
    assert (found.world, found.race_type) == ("caecer_loop", "TIME_TRIAL")
    assert found.action_space.steering_deg == (-30.0, 30.0)
    assert found.hyperparameters == HYPER
    assert found.reward.startswith("def reward_function")
    assert found.best_checkpoint == "7_Step-1234.ckpt"
    assert found.metrics["metrics/TrainingMetrics.json"]["trial"].tolist() == [1]
    assert found.ppo["iteration"].tolist() == [0, 0, 0, 1, 1, 1]


def test_logs_say_what_no_file_does(tmp_path: Path, drive: Drive) -> None:
    (tmp_path / "job-robomaker.log").write_text(SIMULATOR + trainer() + log_lines(drive()))
    found = logs.read_log(tmp_path / "job-robomaker.log").job
    assert (found.platform, found.simulator, found.car) == ("console", "5.0", "v5")
    assert (found.world, found.race_type, found.best_checkpoint) == (
        "reinvent_base",
        "OBJECT_AVOIDANCE",
        "1",
    )
    assert found.action_space.speed == (0.6, 1.2)
    assert found.hyperparameters == HYPER
    assert found.ppo["entropy"].tolist() == pytest.approx([1.5] * 3 + [1.4] * 3)


def test_interleaved_text_of_ros_2_does_not_hide_them(tmp_path: Path, drive: Drive) -> None:
    prefix = "[download_params_and_roslaunch_agent.py-1] [run_rollout_rl_agent.sh-9] "
    text = "".join(
        f"{prefix}{line}\n[gzserver-2] [INFO] noise: 1\n"
        for line in (SIMULATOR + trainer()).splitlines()
    )
    (tmp_path / "a-simulation.log").write_text(
        text + "".join(prefix + line for line in log_lines(drive()).splitlines(True))
    )
    log = logs.read_log(tmp_path / "a-simulation.log")
    assert log.job.platform == "DeepRacer on AWS"
    assert log.job.hyperparameters == HYPER
    assert log.job.world == "reinvent_base"
    assert len(log.job.ppo) == 6
    assert len(log.trace) == len(drive())


def test_settings_that_a_block_cuts_in_two_are_whole() -> None:
    text = trainer().encode().splitlines(keepends=True)
    journal = PrintedFactsCollector()
    for line in text:
        journal.take(line)
    assert journal.hyperparameters == HYPER
    assert len(journal.ppo()) == 6


def test_nothing_is_guessed(tmp_path: Path, drive: Drive) -> None:
    write_csv(drive(), tmp_path / "a.csv")
    found, empty = logs.read_log(tmp_path / "a.csv").job, Job()
    for name in (
        "platform",
        "simulator",
        "car",
        "world",
        "race_type",
        "action_space",
        "hyperparameters",
        "reward",
    ):
        assert getattr(found, name) == getattr(empty, name)
    assert found.ppo.dtypes.astype(str).to_dict() == EPOCH_DTYPES
    assert len(found.ppo) == 0


@pytest.mark.parametrize(
    "text", ["{", "[]", "3", '{"action_space": 3}', '{"metrics": 3}', "\xff", "[" * 100_000]
)
@pytest.mark.parametrize(
    "name", ["model/model_metadata.json", "ip/hyperparameters.json", "run.json", "metrics/a.json"]
)
def test_a_damaged_file_is_a_note_and_hides_nothing(job: Path, name: str, text: str) -> None:
    (job / name).write_text(text)
    log = logs.read_log(job)
    assert len(log.sources) == 2
    assert log.job.world == "caecer_loop"
    assert all(note.count(name) <= 1 for note in log.notes)


def test_files_that_disagree_are_said(job: Path) -> None:
    (job / "model_metadata.json").write_text(json.dumps(METADATA | {"version": "5"}))
    log = logs.read_log(job)
    assert log.job.car == "v5"  # the shallower file
    assert any(
        "model/model_metadata.json differs from model_metadata.json" in note for note in log.notes
    )


def test_a_run_of_racer_is_known(job: Path) -> None:
    story = {"config": {}, "track": "reinvent_2018", "car": "v6", "versions": {"racer": "0.1.0"}}
    (job / "run.json").write_text(json.dumps(story))
    (job / "checkpoints").mkdir()
    (job / "checkpoints" / "best.json").write_text(json.dumps({"checkpoint": "20000.pt"}))
    (job / "model" / "deepracer_checkpoints.json").unlink()
    (job / "training_params.yaml").unlink()
    found = logs.read_log(job).job
    assert (found.platform, found.simulator, found.car) == ("racer", "0.1.0", "v6")
    assert (found.world, found.best_checkpoint) == ("reinvent_2018", "20000.pt")


@pytest.mark.parametrize("layout", sorted(FOLDER_LAYOUTS))
def test_what_is_written_is_read_back(job: Path, tmp_path: Path, layout: str, drive: Drive) -> None:
    write_csv(
        drive(episodes=3),
        job / "evaluation-20260101000000" / "evaluation-simtrace" / "0-iteration.csv",
    )
    log = logs.read_log(job)
    table = laps(log.trace)
    written = logs.write_log(log, tmp_path / "out", table, layout)
    again = logs.read_log(tmp_path / "out")
    assert all(path.is_file() for path in written)
    assert again.job.platform == layout
    assert (again.job.car, again.job.simulator.rstrip(".0")) == ("v4", "4")
    assert again.job.action_space == log.job.action_space
    assert again.job.hyperparameters == log.job.hyperparameters
    assert again.job.reward == log.job.reward
    back = laps(again.trace)
    for name in ("phase", "iteration", "episode", "time", "completion", "reward"):
        key = ["phase", "iteration", "episode"]
        assert back.sort_values(key)[name].tolist() == pytest.approx(
            table.sort_values(key)[name].tolist()
        ), name
    counts = {
        "training" if "raining" in name else "evaluation": len(rows)
        for name, rows in again.job.metrics.items()
    }
    assert counts == {"training": 4, "evaluation": 3}


def test_workers_are_written_as_workers(tmp_path: Path, drive: Drive) -> None:
    for k in range(2):
        write_csv(
            drive(episodes=2, step=1.0 + k / 9),
            tmp_path / "in" / str(k) / "training-simtrace" / "0-iteration.csv",
        )
    log = logs.read_log(tmp_path / "in")
    assert log.trace["worker"].unique().tolist() == [0, 1]
    logs.write_log(log, tmp_path / "out", laps(log.trace))
    again = logs.read_log(tmp_path / "out")
    assert [source.name for source in again.sources] == [
        f"{k}/training-simtrace/0-iteration.csv" for k in range(2)
    ]
    assert set(again.job.metrics) == {
        "metrics/TrainingMetrics.json",
        "metrics/TrainingMetrics_1.json",
    }


def test_a_folder_that_holds_something_is_not_written_to(job: Path) -> None:
    log = logs.read_log(job)
    with pytest.raises(UsageError, match="is there already"):
        logs.write_log(log, job, laps(log.trace))
    with pytest.raises(UsageError, match=r"did you mean 'console'\?"):
        logs.write_log(log, job / "new", laps(log.trace), "consol")


def console(root: Path) -> dict[str, str]:
    """Where the old console export keeps files, by the names they have in the shared data."""
    run = root / "0a1b2c3d-uuid"
    return {
        "training": str(run / "sim-trace/training/training-simtrace/0-iteration.csv"),
        "evaluation": str(
            run / "sim-trace/evaluation/20220612064204-id/evaluation-simtrace/0-iteration.csv"
        ),
        "leaderboard": str(run / "logs/leaderboard/leaderboard-20220612064204-id-robomaker.log"),
        "trainer": str(run / "logs/training/training-20220611205353-id-sagemaker.log"),
        "metrics": str(run / "metrics/evaluation/evaluation-20220612064204-id.json"),
        "platform": "console",
    }


def droa(root: Path) -> dict[str, str]:
    """Where DeepRacer on AWS keeps them."""
    job = "2026-03-01T10-00-00-deepracerindy-training-id"
    return {
        "training": str(root / f"sim-trace/training/{job}/training-simtrace/0-iteration.csv"),
        "evaluation": str(
            root / "sim-trace/evaluation/2026-e-id/evaluation-simtrace/0-iteration.csv"
        ),
        "leaderboard": str(root / "logs/leaderboard/2026-03-02-l-id-simulation.log"),
        "trainer": str(root / f"logs/training/{job}-training.log"),
        "metrics": str(root / "metrics/evaluation/2026-e-id.json"),
        "platform": "DeepRacer on AWS",
    }


def drfc(root: Path) -> dict[str, str]:
    """Where DeepRacer for Cloud keeps them, with several workers."""
    return {
        "training": str(root / "1/training-simtrace/0-iteration.csv"),
        "evaluation": str(root / "evaluation-20220612064204/evaluation-simtrace/0-iteration.csv"),
        "leaderboard": str(root / "logs/leaderboard.log"),
        "trainer": str(root / "logs/sagemaker.log"),
        "metrics": str(root / "metrics/EvaluationMetrics-1655016124.json"),
        "platform": "DeepRacer for Cloud",
    }


@pytest.mark.parametrize("layout", [console, droa, drfc])
def test_real_rows_in_every_layout_know_their_phase(
    shared_data: Path, tmp_path: Path, layout
) -> None:

    place, real = layout(tmp_path / "job"), shared_data / "logs" / "console22"
    contents = {
        "training": gzip.decompress((real / "training.csv.gz").read_bytes()),
        "evaluation": gzip.decompress((real / "eval0.csv.gz").read_bytes()),
        "leaderboard": gzip.decompress((real / "leaderboard0.simtrace.log.gz").read_bytes()),
        "trainer": trainer().encode(),
        "metrics": (real / "eval0_metrics.json").read_bytes(),
    }
    for name, data in contents.items():
        Path(place[name]).parent.mkdir(parents=True, exist_ok=True)
        Path(place[name]).write_bytes(data)
    log = logs.read_log(tmp_path / "job")
    assert sorted(source.phase for source in log.sources) == [
        "evaluation",
        "evaluation",
        "training",
    ]
    assert log.job.platform == place["platform"]
    assert len(log.job.ppo) == 6
    assert [len(rows) for rows in log.job.metrics.values()] == [3]
    assert set(log.trace.loc[log.trace["phase"] == "training", "worker"]) == {
        1 if layout is drfc else -1
    }
    assert log.bad_lines == 0


@pytest.mark.parametrize(
    "text",
    [
        "WORLD_NAME: reinvent_base\nRACE_TYPE: TIME_TRIAL\n",
        "'WORLD_NAME': 'reinvent_base'\n'RACE_TYPE': \"TIME_TRIAL\"  # quoted\n",
        "WORLD_NAME: [reinvent_base, other]\nRACE_TYPE:\n- TIME_TRIAL\n",
    ],
)
def test_settings_of_yaml_are_read_however_they_are_written(job: Path, text: str) -> None:
    (job / "training_params.yaml").write_text(text)
    found = logs.read_log(job).job
    assert (found.world, found.race_type) == ("reinvent_base", "TIME_TRIAL")


@pytest.mark.parametrize("text", ["a: [", "\ta: 1", "# " * 200_000, "a: &a [*a]\n", "- 1\n"])
def test_yaml_that_says_nothing_hides_nothing(job: Path, text: str) -> None:
    (job / "training_params.yaml").write_text(text)
    log = logs.read_log(job)
    assert (log.job.world, log.job.car) == ("", "v4")
    assert sum("training_params.yaml" in note for note in log.notes) <= 1
