"""What is taken away drives as the policy does, and comes back from DeepRacer for Cloud as the same
experiment.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from racer import errors as extras
from racer.cli import app
from racer.errors import UsageError
from racer.track import library
from racer.training.config import TrainConfig
from racer.training.interop import drfc, exporter, hyperparameters
from racer.training.interop.exporter import ExportedRun, export_run
from racer.training.interop.importer import ImportedExperiment, import_bundle
from racer.training.learner import load_checkpoint
from racer.training.networks import DeterministicPolicy
from racer.training.observed import gather_observations, observe_lap
from racer.training.run import Run
from racer.training.sweep import experiment
from racer.training.trainer import open_session
from racer.vehicle.metadata import read_metadata

pytestmark = pytest.mark.slow


pytest.importorskip("onnxruntime")
KINDS = ("discrete", "continuous")
CHANGES = {
    "discrete": {
        "reverse": True,
        "start_offset": 0.25,
        "alternate_direction": True,
        "noise": "jitter",
        "car": "v5",
    },
    "continuous": {
        "start_advance": 0.0,
        "seed": 3,
        "track": "first_l",
        "settings": {"lr": 2e-3, "net_arch": [16]},
    },
}
GIVEN = {
    "batch_size": 64,
    "num_epochs": 3,
    "lr": 0.0005,
    "discount_factor": 0.98,
    "loss_type": "huber",
}

Taken = dict[str, tuple[Run, ExportedRun]]


@pytest.fixture(scope="module")
def taken(
    make: Callable[..., Run], rewards: Path, tmp_path_factory: pytest.TempPathFactory
) -> Taken:
    """A run of each kind of action space, trained a little, and its export."""
    place = tmp_path_factory.mktemp("exports")
    (place / "mine.json").write_text(json.dumps(GIVEN))
    found = {}
    for kind in KINDS:
        more = CHANGES[kind] | {"reward": str(rewards / "remembers.py"), "steps": 256}
        if kind == "discrete":
            more |= {
                "action_space": str(rewards / "model_metadata.json"),
                "hyperparameters": str(place / "mine.json"),
            }
        run = make(**more)
        open_session(run).train(lambda progress: None)
        found[kind] = (run, export_run(run.folder, place / kind))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_onnxruntime_says_what_pytorch_says(taken: Taken, kind: str) -> None:
    run, written = taken[kind]
    assert written.comparison.agrees
    assert written.comparison.observations == 1000
    policy, _ = load_checkpoint(run, "best")
    seen = gather_observations(run, policy, 200)
    actions, _ = policy.predict(seen.observation, deterministic=True)
    asked = exporter._open_session(written.folder / "model" / "policy.onnx")
    told = dict(
        zip(
            [one.name for one in written.outputs],
            asked.run(None, {"observation": seen.observation}),
            strict=True,
        )
    )
    np.testing.assert_allclose(told["action"], actions, atol=1e-4)
    np.testing.assert_allclose(
        told["command"], run.metadata.action_space.command_deg(actions), atol=1e-4
    )


def test_observations_are_of_the_policys_own_laps(taken: Taken) -> None:
    run, _ = taken["continuous"]
    policy, _ = load_checkpoint(run, "best")
    seen = gather_observations(run, policy, 100)
    assert len(seen.rows) == len(seen.observation) == 100
    places = seen.rows["s"][:5] / run.track.length
    np.testing.assert_allclose(np.sort(places), [0.0, 0.2, 0.4, 0.6, 0.8], atol=0.06)
    way = observe_lap(run, policy)
    assert (np.diff(way.rows["steps"]) == 1).all()


def test_onnxruntime_keeps_no_records_of_its_use(
    taken: Taken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "temporary").mkdir()
    program = (
        "import sys; from pathlib import Path; from racer.training.interop import exporter; "
        "print(exporter.onnx_signature(Path(sys.argv[1])))"
    )
    _, written = taken["continuous"]
    file = written.folder / "model" / "policy.onnx"
    command = [sys.executable, "-c", program, str(file)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "float32" in done.stdout
    assert [path.name for path in (tmp_path / "temporary").iterdir()] == []
    assert not (tmp_path / "cache" / "Microsoft").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_another_policy_is_told(taken: Taken, kind: str) -> None:
    run, written = taken[kind]
    policy, _ = load_checkpoint(run, "best")
    seen = gather_observations(run, policy, 50).observation
    with torch.no_grad():
        policy.action_net.bias[0] += 1e-2
    found = exporter.compare_onnx(
        written.folder / "model" / "policy.onnx",
        DeterministicPolicy(policy, run.metadata.action_space),
        seen,
    )
    assert not found.agrees
    assert found.sentence.startswith("NOT equal")


@pytest.mark.parametrize("kind", KINDS)
def test_the_folder_comes_back_as_the_same_experiment(
    taken: Taken, kind: str, tmp_path: Path
) -> None:
    run, written = taken[kind]
    found = import_bundle(written.folder, tmp_path / "back")
    assert_same(run, found)
    placed = {"reward", "track", "action_space", "hyperparameters"}
    assert found.config.model_dump(exclude=placed) == run.config.model_dump(exclude=placed)
    for folder in (tmp_path / "back", written.folder):
        [config] = experiment.read_experiment(folder / "experiment.toml").runs.values()
        assert config.model_dump(exclude=placed) == run.config.model_dump(exclude=placed)


@pytest.mark.parametrize("kind", KINDS)
def test_so_does_what_deepracer_for_cloud_alone_would_keep(
    taken: Taken, kind: str, tmp_path: Path
) -> None:
    run, written = taken[kind]
    shutil.copytree(
        written.folder, tmp_path / "kept", ignore=shutil.ignore_patterns("experiment.toml", "model")
    )
    found = import_bundle(tmp_path / "kept", tmp_path / "back")
    assert_same(run, found)
    for name in ("reverse", "start_offset", "start_advance", "alternate_direction"):
        assert getattr(found.config, name) == getattr(run.config, name), name


def assert_same(run: Run, found: ImportedExperiment) -> None:
    """The same reward, actions, track and settings of PPO, as far as a hyperparameters.json says
    them.
    """
    [config] = experiment.read_experiment(found.folder / "experiment.toml").runs.values()
    assert Path(config.reward).read_bytes() == (run.folder / "reward_function.py").read_bytes()
    assert config.action_space is not None
    metadata = read_metadata(config.action_space)
    assert metadata.action_space == run.metadata.action_space
    assert (config.car or metadata.car) == (run.config.car or run.metadata.car)
    np.testing.assert_array_equal(library.load_track(config.track).center, run.track.center)
    assert said(config, config.hyperparameters) == said(run.config, run.config.hyperparameters)


def said(config: TrainConfig, file: str | None) -> dict[str, Any]:
    settings = (
        hyperparameters.read_hyperparameters(file, config.settings).settings
        if file
        else config.settings
    )
    return {name: getattr(settings, name) for name in hyperparameters.PPO_KEYS.values()}


def test_a_file_that_was_changed_there_counts(taken: Taken, tmp_path: Path) -> None:
    run, written = taken["continuous"]
    shutil.copytree(written.folder, tmp_path / "changed")
    words = json.loads((written.folder / "custom_files" / "hyperparameters.json").read_text())
    (tmp_path / "changed" / "custom_files" / "hyperparameters.json").write_text(
        json.dumps(words | {"lr": 0.007})
    )
    env = (
        (written.folder / "run.env")
        .read_text()
        .replace("DR_WORLD_NAME=first_l", "DR_WORLD_NAME=reinvent_base")
    )
    (tmp_path / "changed" / "run.env").write_text(env)
    found = import_bundle(tmp_path / "changed", tmp_path / "back")
    [config] = experiment.read_experiment(tmp_path / "back" / "experiment.toml").runs.values()
    assert said(config, config.hyperparameters)["lr"] == 0.007
    assert config.track == "reinvent_2018"
    assert config.seed == run.config.seed, "what only racer knows stays"
    assert any("reinvent_base is not here: reinvent_2018" in note for note in found.notes)


def test_a_track_that_the_simulator_lacks_comes_along(taken: Taken) -> None:
    _, written = taken["continuous"]
    assert "routes/first_l.npy" in written.files
    assert any("has no track 'first_l'" in note for note in written.notes)
    assert "DR_WORLD_NAME=first_l\n" in (written.folder / "run.env").read_text()
    _, other = taken["discrete"]
    assert not any(name.startswith("routes") for name in other.files)
    assert "DR_WORLD_NAME=Oval_track\n" in (other.folder / "run.env").read_text()


def test_the_given_hyperparameters_go_over_unchanged(taken: Taken) -> None:
    _, written = taken["discrete"]
    assert (
        json.loads((written.folder / "custom_files" / "hyperparameters.json").read_text()) == GIVEN
    )


def test_nothing_is_written_over_unasked(taken: Taken, tmp_path: Path) -> None:
    run, written = taken["continuous"]
    with pytest.raises(UsageError, match="holds an export already: --replace it"):
        export_run(run.folder, written.folder)
    with pytest.raises(UsageError, match="is there already and is no export"):
        export_run(run.folder, tmp_path, replace_existing=True)
    assert list(tmp_path.iterdir()) == []


def test_run_env_holds_what_its_scripts_can_split() -> None:
    words = drfc.settings_from_config(TrainConfig(reward="center_line"), "oval")
    text = drfc.run_env_from_settings(words, "racer-my run")
    assert "DR_LOCAL_S3_MODEL_PREFIX=racer-my-run\n" in text
    assert all(
        line.count("=") == 1 and " " not in line
        for line in text.splitlines()
        if not line.startswith("#")
    )
    with pytest.raises(UsageError, match="cannot hold 'DR_WORLD_NAME=my track'"):
        drfc.run_env_from_settings(words | {"WORLD_NAME": "my track"}, "x")


def test_what_a_teacher_needs_comes_back_too(make: Callable[..., Run], tmp_path: Path) -> None:
    from racer.track import route
    from racer.training.interop.exporter import write_experiment

    route.save_route(library.load_track("oval").reversed(), tmp_path / "mine.npy")
    more = {
        "teacher": True,
        "also_tracks": ["first_l", str(tmp_path / "mine.npy")],
        "objects": "bots",
    }
    run = make(observation="camera:80x60", **more)
    (tmp_path / "out").mkdir()
    notes = write_experiment(run, tmp_path / "out")
    assert any("there is no teacher there" in note for note in notes)
    found = import_bundle(tmp_path / "out", tmp_path / "back")
    assert_same(run, found)
    assert found.config.also_tracks == ("first_l", "routes/mine.npy")
    placed = {"reward", "track", "action_space", "hyperparameters", "also_tracks", "network"}
    assert found.config.model_dump(exclude=placed) == run.config.model_dump(exclude=placed)
    assert found.config.network == run.network == "SMALL"
    [config] = experiment.read_experiment(tmp_path / "back" / "experiment.toml").runs.values()
    np.testing.assert_array_equal(
        library.load_track(config.also_tracks[1]).center,
        library.load_track("oval").reversed().center,
    )


def test_without_the_extra_the_command_says_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = extras.find_spec
    monkeypatch.setattr(
        extras, "find_spec", lambda name: None if name == "onnxruntime" else there(name)
    )
    done = CliRunner().invoke(app, ["export", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "racer: an ONNX file needs onnx, onnxscript and onnxruntime: pip install '.[export]'\n"
    )
