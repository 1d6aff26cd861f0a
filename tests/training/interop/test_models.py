"""Models go out to cars and simulators and come back to the last bit, and whatever is no model is
one sentence.

The networks have weights by chance; they drive round a small oval.
"""

from __future__ import annotations

import json
import shutil
import tarfile
import tracemalloc
from collections.abc import Callable
from itertools import count, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from racer.cli import app
from racer.errors import RacerError, UsageError
from racer.training import (
    create_run,
    evaluate,
    extend_run,
    inherit_config,
    list_runs,
    parse_config,
)
from racer.training.interop import import_bundle, model_exporter, model_importer
from racer.training.interop.model_archive import pack_files
from racer.training.interop.model_exporter import TARGETS, export_model
from racer.training.interop.model_importer import import_model, read_model, run_of_model
from racer.training.learner import load_policy, new_policy, write_plain
from racer.training.run import Run
from racer.training.tensorflow import DEEPRACER_NETWORKS, read_graph, write_graph
from racer.training.tensorflow.graph import constant

SHALLOW, FIVE_LAYERS, DEEP = DEEPRACER_NETWORKS
LIST = [{"steering_angle": a, "speed": v} for a, v in ((-25.0, 1.2), (0.0, 2.0), (25.0, 1.2))]
RANGES = {
    "steering_angle": {"low": -30.0, "high": 30.0},
    "speed": {"low": 0.5, "high": 3.0},
}
KINDS = {
    "discrete": {"action_space_type": "discrete", "action_space": LIST},
    "continuous": {"action_space_type": "continuous", "action_space": RANGES},
    "sac": {
        "action_space_type": "continuous",
        "action_space": RANGES,
        "training_algorithm": "sac",
    },
}
SENSORS = ("FRONT_FACING_CAMERA", "STEREO_CAMERAS", "FRONT_FACING_CAMERA,SECTOR_LIDAR")
FAST = {
    ("FRONT_FACING_CAMERA", DEEP, "discrete", "droa"),
    ("FRONT_FACING_CAMERA", DEEP, "continuous", "drfc"),
    ("FRONT_FACING_CAMERA,SECTOR_LIDAR", DEEP, "sac", "car"),
}


def covering_cases() -> list[object]:
    """Each network with each kind of action, each to one target, and the fast ones; benchmarks/models.py
    has all, and those of stereo pictures of hundreds of megabytes.
    """
    axes = (SENSORS, DEEPRACER_NETWORKS, tuple(KINDS), tuple(TARGETS))
    cases = []
    for places in product(*(range(len(axis)) for axis in axes)):
        case = tuple(axis[place] for axis, place in zip(axes, places, strict=True))
        is_large = "STEREO" in case[0] and case[1] != SHALLOW
        if case in FAST:
            cases.append(pytest.param(*case))
        elif sum(places) % 3 == 0 and not is_large:
            cases.append(pytest.param(*case, marks=pytest.mark.slow))
    return cases


GRID = covering_cases()
OBSERVATIONS = 6
MUTATIONS = 150
MAX_GROWTH_BYTES = 300 << 20

MakeModel = Callable[..., Run]


@pytest.fixture(autouse=True)
def _few_observations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing what cars see takes the time of these tests."""
    monkeypatch.setattr(model_exporter, "COMPARED_OBSERVATIONS", OBSERVATIONS)
    monkeypatch.setattr(model_importer, "COMPARED_OBSERVATIONS", OBSERVATIONS)


@pytest.fixture(scope="module")
def make_model(make: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """A function that makes a run whose policy sees, with weights by chance."""
    number = count()

    def made(
        sensors: str = "FRONT_FACING_CAMERA",
        network: str = DEEP,
        kind: str = "discrete",
        **changes: Any,
    ) -> Run:
        place = tmp_path_factory.mktemp("models")
        sheet = {
            "sensor": sensors.split(","),
            "neural_network": network,
            "version": "5",
            "training_algorithm": "clipped_ppo",
        }
        if "SECTOR" in sensors:
            sheet["lidar_config"] = {"num_sectors": 8}
        (place / "model_metadata.json").write_text(json.dumps(sheet | KINDS[kind]))
        folder = place / f"model{next(number)}"
        options = {
            "action_space": str(place / "model_metadata.json"),
            "observation": "sensors",
            "folder": folder,
        }
        if kind == "sac":
            changes["settings"] = {}
        run = make(**options | changes)
        torch.manual_seed(next(number))
        content: dict[str, Any] = {"weights": new_policy(run).state_dict()}
        if kind != "sac":
            content["returns"] = None
        write_plain(run.checkpoints / "768.pt", content)
        best = {"steps": 768, "checkpoint": "768.pt"}
        (run.checkpoints / "best.json").write_text(json.dumps(best))
        return run

    return made


@pytest.fixture(scope="module")
def model(make_model: MakeModel) -> Run:
    return make_model()


@pytest.fixture
def car(model: Run, tmp_path: Path) -> Path:
    """The archive of a car."""
    return export_model(model.folder, "car", tmp_path / "car.tar.gz").path


@pytest.fixture
def drfc(model: Run, tmp_path: Path) -> Path:
    """A folder of DeepRacer for Cloud."""
    return export_model(model.folder, "drfc", tmp_path / "drfc").path


def place_for(target: str, folder: Path) -> Path:
    return folder / ("out.tar.gz" if target == "car" else "out")


@pytest.mark.parametrize(("sensors", "network", "kind", "target"), GRID)
def test_a_model_comes_back_to_the_last_bit(
    make_model: MakeModel, tmp_path: Path, sensors: str, network: str, kind: str, target: str
) -> None:
    run = make_model(sensors, network, kind)
    exported = export_model(run.folder, target, place_for(target, tmp_path))
    assert exported.comparison.agrees
    imported = import_model(exported.path, tmp_path / "back")
    here = load_policy(run).state_dict()
    back = load_policy(imported.run).state_dict()
    assert set(here) == set(back)
    lost = {name for name in here if not torch.equal(here[name], back[name])}
    left = ("critic", "critic_target") if kind == "sac" else ()
    if target == "car":  # which never explores, and values nothing
        left += ("vf_features_extractor", "value_net", "log_std", "actor.log_std")
    assert {name for name in lost if not name.startswith(left)} == set()
    assert imported.run.metadata.action_space == run.metadata.action_space
    assert imported.run.observation == run.observation
    assert (imported.run.network, imported.run.car) == (run.network, run.car)
    if target != "car":
        assert imported.run.track.name == run.track.name
        assert (imported.folder / "reward_function.py").read_bytes() == (
            run.folder / "reward_function.py"
        ).read_bytes()


def test_the_archive_of_a_car_is_the_same_from_the_same_policy(model: Run, tmp_path: Path) -> None:
    first, second = (
        export_model(model.folder, "car", tmp_path / f"{name}.tar.gz").path for name in "ab"
    )
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as archive:
        assert archive.getnames() == ["agent/model.pb", "model_metadata.json"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"observation": "features"}, "drives on numbers about car and road"),
        ({"observation": "camera:80x60"}, "sees pictures of 80 x 60 pixels"),
        ({"observation": "camera", "network": "SMALL"}, "which is racer's alone"),
        ({"observation": "lidar"}, "has no camera"),
    ],
)
def test_what_cannot_go_is_said_before_anything_is_written(
    make: Callable[..., Run], tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    run = make(**changes)
    for target in TARGETS:
        with pytest.raises(UsageError, match=sentence):
            export_model(run.folder, target, place_for(target, tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", TARGETS)
def test_what_does_not_drive_as_the_policy_does_is_not_written(
    model: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    def other(network: Any, metadata: Any) -> Any:
        return [
            constant(node.name, 0.9 * node.attributes["value"])
            if node.name.endswith("policy_fc/kernel")
            else node
            for node in right(network, metadata)
        ]

    right = model_exporter.policy_graph
    monkeypatch.setattr(model_exporter, "policy_graph", other)
    with pytest.raises(RacerError, match=r"NOT equal to PyTorch.*nothing was written"):
        export_model(model.folder, target, place_for(target, tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", TARGETS)
def test_an_export_is_replaced_only_if_asked(model: Run, tmp_path: Path, target: str) -> None:
    out = place_for(target, tmp_path)
    export_model(model.folder, target, out)
    with pytest.raises(UsageError, match="holds an export already"):
        export_model(model.folder, target, out)
    export_model(model.folder, target, out, replace_existing=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"is no export|takes is a \.tar\.gz"):
        export_model(model.folder, target, tmp_path / "mine", replace_existing=True)
    assert (tmp_path / "mine" / "precious.txt").read_text() == "mine"


@pytest.mark.slow
def test_a_training_goes_on_from_the_weights_and_their_values(
    model: Run, drfc: Path, car: Path, tmp_path: Path
) -> None:
    """DeepRacer for Cloud's checkpoint brings the value network along, a car's graph has none."""
    for source, keeps_value in ((drfc, True), (car, False)):
        imported = import_model(source, tmp_path / f"run-{source.name}")
        table = {"from_run": str(imported.folder), "steps": 256}
        config = parse_config(inherit_config(table), "the test")
        run = create_run(config, tmp_path / f"on-{source.name}")
        assert run.keeps_value == keeps_value
        assert run.observation == ("camera",)
        start = torch.load(run.checkpoints / "0.pt", weights_only=True)["weights"]
        policy = load_policy(model).state_dict()
        assert torch.equal(start["action_net.weight"], policy["action_net.weight"])
        assert torch.equal(start["value_net.weight"], policy["value_net.weight"]) == keeps_value


@pytest.mark.slow
def test_the_best_checkpoint_is_taken_and_the_last_one_too(
    make_model: MakeModel, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    for steps, place in ((100, "first"), (768, "second")):
        run = make_model()
        export_model(run.folder, "drfc", tmp_path / place)
        for file in (tmp_path / place / "model").iterdir():
            name = file.name.replace("0_Step-768", f"{steps}_Step-{steps}")
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(file.read_bytes())
    names = {
        "best_checkpoint": {"name": "100_Step-100.ckpt"},
        "last_checkpoint": {"name": "768_Step-768.ckpt"},
    }
    (folder / "deepracer_checkpoints.json").write_text(json.dumps(names))
    imported = import_model(folder, tmp_path / "run")
    assert imported.checkpoints == ("100.pt", "768.pt")
    assert imported.run.best()["checkpoint"] == "100.pt"
    weights = load_policy(imported.run, "last").state_dict()
    assert torch.equal(
        weights["action_net.weight"], load_policy(run).state_dict()["action_net.weight"]
    )


@pytest.mark.slow
def test_the_reward_function_of_a_model_is_not_run(make_model: MakeModel, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    reward = tmp_path / "reward.py"
    reward.write_text(
        f"open({str(trap)!r}, 'w').close()\n\n\ndef reward_function(params):\n    return 1.0\n"
    )
    run = make_model(reward=str(reward))
    exported = export_model(run.folder, "droa", tmp_path / "droa")
    imported = import_model(exported.path, tmp_path / "run")
    assert imported.run.brings_own_reward
    evaluate(imported.folder, laps=1, resets=0)
    assert not trap.exists()


def repacked(archive: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Path:
    with tarfile.open(archive) as opened:
        files = {name: opened.extractfile(name).read() for name in opened.getnames()}
    other = archive.with_name(f"other-{archive.name}")
    other.write_bytes(pack_files(change(files)))
    return other


def brighter(content: bytes) -> bytes:
    """The graph, with a picture divided by 128 and not by 255."""
    nodes = [
        constant(node.name, np.array(128.0, np.float32))
        if node.name.endswith("truediv/y")
        else node
        for node in read_graph(content, "it")
    ]
    return write_graph(nodes)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda files: {"agent/model.pb": files["agent/model.pb"]}, "lacks model_metadata.json"),
        (lambda files: {"model_metadata.json": files["model_metadata.json"]}, "holds no model"),
        (
            lambda files: files | {"agent/model.pb": files["agent/model.pb"][:-5000]},
            "agent/model.pb is damaged",
        ),
        (lambda files: files | {"agent/model.pb": b"\n\0"}, "is no frozen graph|is no model"),
        (
            lambda files: files | {"other/model.pb": files["agent/model.pb"]},
            "holds 2 models: name the folder of one",
        ),
        (
            lambda files: (
                files
                | {
                    "model_metadata.json": files["model_metadata.json"].replace(
                        DEEP.encode(), SHALLOW.encode()
                    )
                }
            ),
            "is that of another model",
        ),
        (
            lambda files: (
                files
                | {
                    "model_metadata.json": files["model_metadata.json"].replace(
                        DEEP.encode(), b"ENORMOUS_NETWORK"
                    )
                }
            ),
            "ENORMOUS_NETWORK.* is not known",
        ),
        (
            lambda files: files | {"agent/model.pb": brighter(files["agent/model.pb"])},
            "calculates something else than",
        ),
    ],
)
def test_what_is_no_model_is_one_sentence(
    car: Path, tmp_path: Path, change: Callable[..., Any], sentence: str
) -> None:
    other = repacked(car, change)
    before = set(tmp_path.iterdir())
    with pytest.raises(UsageError, match=sentence) as caught:
        import_model(other, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert set(tmp_path.iterdir()) == before


def test_half_a_checkpoint_is_one_sentence(drfc: Path, tmp_path: Path) -> None:
    (drfc / "model" / "model_0.pb").unlink()
    data = drfc / "model" / "0_Step-768.ckpt.data-00000-of-00001"
    whole = data.read_bytes()
    data.write_bytes(whole[:-100])
    with pytest.raises(UsageError, match="0_Step-768"):
        import_model(drfc, tmp_path / "run")
    data.unlink()
    with pytest.raises(UsageError, match="is half a checkpoint"):
        import_model(drfc, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_of_a_training_without_weights_stays_an_experiment(
    drfc: Path, tmp_path: Path
) -> None:
    shutil.rmtree(drfc / "model")
    done = CliRunner().invoke(app, ["import", str(drfc), "-o", str(tmp_path / "experiment")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "experiment" / "experiment.toml").is_file()


def test_only_the_experiment_of_a_model_is_to_be_had(drfc: Path, tmp_path: Path) -> None:
    out = tmp_path / "experiment"
    done = CliRunner().invoke(app, ["import", str(drfc), "--experiment", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert import_bundle(drfc, tmp_path / "same").config.track == "oval"
    assert (out / "experiment.toml").is_file()


@pytest.mark.slow
def test_a_model_becomes_one_run_until_it_changes(model: Run, car: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    first = run_of_model(car, runs)
    assert first.folder == runs / "car"
    assert run_of_model(car, runs) == runs / "car"
    car.write_bytes(repacked(car, lambda files: files | {"note.txt": b"changed"}).read_bytes())
    assert run_of_model(car, runs).folder == runs / "car-2"


@pytest.mark.parametrize("command", ["evaluate", "explain", "export"])
def test_commands_say_in_one_sentence_what_is_no_model(
    car: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    car.write_bytes(car.read_bytes()[:-30_000])
    done = CliRunner().invoke(app, [command, "car.tar.gz"])
    assert done.exit_code == 2
    assert done.output.count("car.tar.gz") == 1
    assert "Traceback" not in done.output
    assert not (tmp_path / "runs").exists()


def test_an_imported_run_is_listed_as_such_and_not_resumed(
    car: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = import_model(car, "runs/mine").run
    [listed] = list_runs("runs")
    assert (listed.state, listed.best_lap) == ("imported", None)
    with pytest.raises(UsageError, match="--from runs/mine"):
        extend_run(run, steps=5_000)
    done = CliRunner().invoke(app, ["train", "--resume", "runs/mine"])
    assert done.exit_code == 2
    assert "a model that was trained elsewhere" in " ".join(done.output.split())


@pytest.mark.slow
def test_a_model_is_taken_wherever_a_run_is(
    car: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (
        ["evaluate", "car.tar.gz", "--track", "oval", "--laps", "1", "--resets", "0"],
        ["explain", "car.tar.gz"],
        ["export", "car.tar.gz", "--to", "droa", "-o", "droa"],
        ["evaluate", "droa", "--laps", "1", "--resets", "0"],
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"{words}\n{done.output}"
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["car", "droa"]


def mutate(content: bytes, generator: np.random.Generator) -> bytes:
    """The bytes with one kind of damage: a cut, a gap, a repetition, a byte."""
    reach = len(content) if generator.random() < 0.5 else min(len(content), 3000)
    place = int(generator.integers(reach))
    if generator.random() < 0.5:
        place = len(content) - 1 - place
    size = int(generator.integers(1, 64))
    kind = generator.integers(4)
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + content[place + size :]
    if kind == 2:
        return content[:place] + content[place : place + size] * 3 + content[place + size :]
    byte = bytes([int(generator.integers(256))])
    return content[:place] + byte + content[place + 1 :]


@pytest.mark.slow
def test_whatever_is_damaged_is_one_sentence(car: Path, drfc: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    files = [car, *(file for file in (drfc / "model").iterdir() if file.suffix != ".meta")]
    whole = {file: file.read_bytes() for file in files}
    sentences = []
    before = set(tmp_path.iterdir())
    tracemalloc.start()
    for k in range(MUTATIONS):
        file = files[k % len(files)]
        file.write_bytes(mutate(whole[file], generator))
        try:
            read_model(car if file == car else drfc)
        except UsageError as error:
            sentences.append(str(error))
        file.write_bytes(whole[file])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sentences) > MUTATIONS // 8
    assert all(text.isprintable() for text in sentences)
    assert peak < MAX_GROWTH_BYTES
    assert set(tmp_path.iterdir()) == before
