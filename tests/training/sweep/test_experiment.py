"""Experiment files: what they expand to, what is said about wrong ones; grids that are interrupted
and gone on with.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from racer.errors import UsageError
from racer.training.config import TrainConfig
from racer.training.sweep import experiment
from racer.training.sweep import runner as grid
from racer.training.sweep.experiment import FINISHED_FILE

pytestmark = pytest.mark.xdist_group("experiment")  # one process makes what they share

ROOT = Path(__file__).resolve().parents[3]
HANG_S = 500  # guards against a process that stands still
TINY = """
track = "oval"
steps = 512
evaluate_every = 256
[settings]
envs = 8
n_steps = 16
batch_size = 64
n_epochs = 1
"""
INTERRUPTS = """

import os, signal
from pathlib import Path

_paid = reward_function


def reward_function(params):
    asked = Path({asked!r})
    if not asked.exists():
        asked.touch()
        os.kill(os.getppid(), signal.SIGINT)
    return _paid(params)
"""
"""Put behind a reward file: its first call is Ctrl-C for the program that trains with it."""
BROKEN = "def reward_function(params):\n    return 1.0 / 0.0\n"


def sheet(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def names(folder: Path, text: str) -> list[str]:
    return list(experiment.read_experiment(sheet(folder, text)).runs)


def complaint(folder: Path, text: str) -> str:
    path = sheet(folder, text)
    with pytest.raises(UsageError) as caught:
        experiment.read_experiment(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(f"{path}: ").removeprefix(f"{path} ")


# --- expansion


def test_without_lists_there_is_one_run_with_the_defaults(tmp_path):
    found = experiment.read_experiment(sheet(tmp_path, 'reward = "center_line"\n'))
    assert found.is_single
    assert list(found.runs.values()) == [TrainConfig(reward="center_line")]
    assert found.title == "mine"


def test_every_combination_is_a_run_named_by_what_differs(tmp_path):
    text = 'reward = ["center_line", "speed_aware"]\ntrack = ["oval"]\nseed = [0, 1]\n[settings]\ngamma = [0.9, 0.99]\n'
    found = experiment.read_experiment(sheet(tmp_path, text)).runs
    assert list(found) == [
        f"{reward}-gamma{gamma}-seed{seed}"
        for reward in ("center_line", "speed_aware")
        for gamma in ("0.9", "0.99")
        for seed in (0, 1)
    ]
    run = found["speed_aware-gamma0.9-seed1"]
    assert (run.reward, run.track, run.seed, run.settings.gamma) == ("speed_aware", "oval", 1, 0.9)


def test_a_list_of_one_is_no_difference(tmp_path):
    assert names(tmp_path, 'reward = ["center_line"]\nseed = [3]\n') == ["run"]


def test_layers_are_one_value_and_lists_of_them_several(tmp_path):
    one = experiment.read_experiment(
        sheet(tmp_path, 'reward = "center_line"\n[settings]\nnet_arch = [32, 32]\n')
    )
    assert [run.settings.net_arch for run in one.runs.values()] == [(32, 32)]
    assert names(tmp_path, 'reward = "center_line"\n[settings]\nnet_arch = [[32], [64, 64]]\n') == [
        "net_arch32",
        "net_arch64x64",
    ]


def test_paths_are_relative_to_the_file_wherever_it_is_called_from(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("")
    monkeypatch.chdir("/")
    found = experiment.read_experiment(
        sheet(tmp_path, 'reward = ["mine.py", "center_line"]\naction_space = "a/b.json"\n')
    ).runs
    assert [run.reward for run in found.values()] == [str(tmp_path / "mine.py"), "center_line"]
    assert {run.action_space for run in found.values()} == {str(tmp_path / "a/b.json")}


def test_a_file_goes_before_the_shipped_thing_of_its_name(tmp_path):
    (tmp_path / "oval").write_text("")
    found = experiment.read_experiment(
        sheet(tmp_path, 'reward = "center_line"\ntrack = ["oval", "bowtie"]\n')
    ).runs
    assert [run.track for run in found.values()] == [str(tmp_path / "oval"), "bowtie"]


def test_files_of_one_name_are_told_apart_by_their_folder(tmp_path):
    assert names(tmp_path, 'reward = ["a/mine.py", "b/mine.py", "center_line"]\n') == [
        "a-mine",
        "b-mine",
        "center_line",
    ]


def test_names_fit_a_folder_and_differ(tmp_path):
    text = 'reward = ["a b.py", "a:b.py"]\n'
    assert names(tmp_path, text) == ["a_b-1", "a_b-2"]


# --- sentences


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'reward' is missing"),
        ('reward = "a"\nsedd = 1\n', "unknown key 'sedd': did you mean 'seed'?"),
        ('reward = "a"\ntitel = "x"\n', "unknown key 'titel': did you mean 'title'?"),
        ('reward = "a"\ngamma = 0.9\n', "'gamma' belongs under [settings]"),
        (
            'reward = "a"\n[settings]\ngama = 0.9\n',
            "unknown key 'settings.gama': did you mean 'gamma'?",
        ),
        ('reward = "a"\nsettings = 3\n', "'settings' must be a table"),
        (
            'reward = "a"\nsteps = [1, 2]\n',
            "'steps' cannot list several values; reward, track, car",
        ),
        ("reward = []\n", "'reward' lists nothing"),
        ('reward = "a"\nseed = [1, 2, 1]\n', "'seed' lists 1 twice"),
        (
            'reward = "a"\nseed = [1, -1]\n',
            "'seed': input should be greater than or equal to 0, not -1",
        ),
        (
            'reward = "a"\n[settings]\ngamma = [0.9, "x"]\n',
            "'settings.gamma': input should be a valid number",
        ),
        ('reward = "a"\ntitle = 3\n', "'title': input should be a valid string, not 3"),
        ('reward = "a\n', "is not valid TOML ("),
        (
            f'reward = "a"\nseed = {[*range(50)]}\nnoise = {[str(n) for n in range(50)]}\n',
            "these lists make 2,500 runs",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, said):
    assert complaint(tmp_path, text).startswith(said)


def test_everything_wrong_is_said_once(tmp_path):
    text = 'reward = "a"\nseed = [0, 1, 2]\nsteps = 0\n[settings]\nlr = -1.0\n'
    said = complaint(tmp_path, text).split("; ")
    assert [sentence.split(":")[0] for sentence in said] == ["'steps'", "'settings.lr'"]


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"[" * 5000, b"\x00"])
def test_a_file_that_is_no_text_or_no_toml_is_a_sentence(tmp_path, data):
    path = tmp_path / "odd.toml"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"odd\.toml"):
        experiment.read_experiment(path)


def test_a_missing_file_is_a_guess(tmp_path):
    sheet(tmp_path, "", "gamma.toml")
    with pytest.raises(UsageError, match=r"no experiment .*gama\.toml: did you mean 'gamma\.toml'"):
        experiment.read_experiment(tmp_path / "gama.toml")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments").glob("*.toml")), ids=lambda path: path.stem
)
def test_shipped_experiments_name_things_that_are_there(path):
    found = experiment.read_experiment(path)
    assert found.title
    assert found.question
    grid.check_configs(list(found.runs.values()), None)


# --- grids


def test_what_is_named_is_looked_for_before_anything_is_trained(tmp_path):
    found = experiment.read_experiment(
        sheet(tmp_path, 'reward = ["center_line", "speed_awar"]\n' + TINY)
    )
    with pytest.raises(UsageError, match="speed_aware"):
        grid.run_grid(found, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_run_that_fails_says_why_and_the_others_go_on(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    found = experiment.read_experiment(
        sheet(tmp_path, 'reward = ["broken.py", "center_line"]\n' + TINY)
    )
    broken, fine = grid.run_grid(found, tmp_path / "out", jobs=1)
    assert (broken.state, fine.state) == ("failed", "finished")
    assert f"{tmp_path / 'broken.py'}" in broken.message
    assert "ZeroDivisionError" in broken.message
    assert "Traceback" not in broken.message
    assert len(pd.read_csv(fine.folder / "evaluations.csv")) == 2


@pytest.fixture(scope="module")
def tried(tmp_path_factory) -> tuple[experiment.Experiment, Path]:
    """An experiment of two runs and the folder in which both are finished."""
    folder = tmp_path_factory.mktemp("grid")
    found = experiment.read_experiment(
        sheet(folder, 'reward = "center_line"\nseed = [0, 1]\n' + TINY)
    )
    lines = grid.run_grid(found, folder / "out")
    assert [line.state for line in lines] == ["finished", "finished"]
    return found, folder / "out"


@pytest.mark.slow
def test_finished_runs_are_not_trained_again(tried):
    found, folder = tried
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/checkpoints/*")}
    lines = grid.run_grid(found, folder)
    assert [line.state for line in lines] == ["finished", "finished"]
    assert [line.process for line in lines] == [None, None]
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/checkpoints/*")} == before


@pytest.mark.slow
def test_a_folder_of_another_experiment_is_refused(tried, tmp_path):
    _, folder = tried
    other = experiment.read_experiment(
        sheet(tmp_path, 'reward = "center_line"\nseed = [0, 1]\ncar = "v4"\n' + TINY)
    )
    with pytest.raises(UsageError, match=r"made with another car than the experiment says now"):
        grid.run_grid(other, folder)


@pytest.mark.slow
def test_an_interrupted_grid_goes_on_to_the_same_results(tried, tmp_path):
    found, folder = tried
    reward = (ROOT / "rewards" / "center_line.py").read_text()
    asked = str(tmp_path / "asked")
    (tmp_path / "interrupts.py").write_text(reward + INTERRUPTS.format(asked=asked))
    path = sheet(tmp_path, found.path.read_text().replace("center_line", "interrupts.py"))
    words = [
        sys.executable,
        "-m",
        "racer",
        "train",
        str(path),
        "--out",
        str(tmp_path / "out"),
        "--jobs",
        "1",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 130, done
    assert "runs are not finished; go on with: racer train" in done.stdout
    assert not (tmp_path / "out" / "seed1" / FINISHED_FILE).exists()
    lines = grid.run_grid(experiment.read_experiment(path), tmp_path / "out")
    assert [line.state for line in lines] == ["finished", "finished"]
    for seed in ("seed0", "seed1"):
        ours, theirs = (
            pd.read_csv(place / seed / "evaluations.csv") for place in (tmp_path / "out", folder)
        )
        pd.testing.assert_frame_equal(ours.drop(columns="seconds"), theirs.drop(columns="seconds"))


@pytest.mark.slow
def test_a_run_ends_when_nobody_waits_for_it(tried, tmp_path):
    found, _ = tried
    from racer.training.run import Run

    config = next(iter(found.runs.values())).model_copy(update={"steps": 10_000_000})
    Run.create(config, tmp_path / "run")
    words = [
        sys.executable,
        *("-X", "importtime"),
        *("-m", "racer.training.sweep.worker"),
        str(tmp_path / "run"),
        str(os.getpid() + 1),
    ]
    done = subprocess.run(words, timeout=HANG_S, check=False, capture_output=True, text=True)
    if sys.platform == "linux":  # at once, before anything is imported that takes seconds
        assert done.returncode == 1
        assert not re.search(r"\| +torch$", done.stderr, re.MULTILINE)
    else:
        assert done.returncode == 130
    assert not (tmp_path / "run" / FINISHED_FILE).exists()


@pytest.mark.slow
def test_the_command_prints_the_table_and_writes_it(tried):
    found, folder = tried
    words = [sys.executable, "-m", "racer", "train", str(found.path), "--out", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert re.search(
        r"^ runs +laps +", done.stdout, re.MULTILINE
    )  # columns of nothing are left out
    written = {path.name for path in folder.glob("comparison.*")}
    assert written == {"comparison.json", "comparison.csv", "comparison.md", "comparison.png"}
    assert json.loads((folder / "comparison.json").read_text())["rows"][0]["runs"] == 2
