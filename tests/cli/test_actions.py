"""`racer actions`: what it prints, writes and draws, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from racer.cli.actions import _driven_lap_time, app
from racer.errors import UsageError
from racer.logs import write_csv
from racer.track.route import save_route
from racer.vehicle import ActionSpace
from racer.vehicle.metadata import read_metadata

GOOD = [(-25.0, 1.5), (-10.0, 2.5), (0.0, 2.5), (10.0, 2.5), (20.0, 2.0), (30.0, 1.5)]


def run(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


def written(path: Path, pairs: list[tuple[float, float]]) -> Path:
    actions = [
        {"steering_angle": steer, "speed": speed, "index": k}
        for k, (steer, speed) in enumerate(pairs)
    ]
    sheet = {
        "action_space": actions,
        "action_space_type": "discrete",
        "sensor": ["FRONT_FACING_CAMERA"],
        "version": "6",
    }
    path.write_text(json.dumps(sheet), "utf-8")
    return path


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """The words about a good space, and the picture of it."""
    folder = tmp_path_factory.mktemp("actions")
    picture = folder / "space.png"
    return run(
        "check", written(folder / "good.json", GOOD), "--track", "oval", "-o", picture
    ), picture


@pytest.mark.slow
def test_a_space_that_laps_is_told_its_lap_and_its_actions(checked: tuple[Result, Path]) -> None:
    result, _ = checked
    assert result.exit_code == 0
    assert "oval, car v6: 6 actions" in result.output
    assert "fastest lap found: " in result.output
    assert "driven in the simulator without an incident" in result.output
    assert "wanted %" in result.output


def test_the_picture_is_drawn(checked: tuple[Result, Path]) -> None:
    assert checked[1].read_bytes()[:4] == b"\x89PNG"


def test_a_space_that_cannot_lap_is_exit_code_1_and_says_what_to_add(tmp_path: Path) -> None:
    actions = written(tmp_path / "bad.json", [(0.0, 1.0), (5.0, 1.0), (-10.0, 1.0)])
    result = run("check", actions, "--track", "oval", "--json")
    assert result.exit_code == 1
    [told] = json.loads(result.output)
    assert not told["can_lap"]
    assert told["lap_time"] is None
    assert [advice["kind"] for advice in told["advice"]][:2] == ["fails", "fails"]
    assert "add +" in told["advice"][1]["sentence"]


def test_what_the_car_does_with_commands_beyond_it_stands_beside_them(tmp_path: Path) -> None:
    file = tmp_path / "fast.json"
    actions = [{"steering_angle": 0, "speed": 9}, {"steering_angle": -35, "speed": 5}]
    file.write_text(json.dumps({"action_space": actions}))
    result = run("check", file, "--track", "oval")
    assert result.exit_code == 1
    assert "note: " in result.output
    assert "drives between 0.1 and 4 m/s, whatever the action says" in result.output
    assert "no log has shown the car of version 1" in result.output
    assert "the car does" in result.output
    assert "-30°/4" in result.output
    assert "cannot lap" not in result.output
    [told] = json.loads(run("check", file, "--track", "oval", "--json").output)
    assert len(told["notes"]) == 3
    assert (told["actions"][0]["given_speed"], told["actions"][0]["speed"]) == (9.0, 4.0)


def test_a_log_proves_only_its_own_actions() -> None:
    space = ActionSpace(False, (-20.0, 20.0), (2.0, 2.0))
    laps = pd.DataFrame({"time": [14.2, 13.6, 9.0], "complete": [True, True, False]}).assign(
        lap=1, first_step=1.0, status=["lap_complete", "lap_complete", "off_track"]
    )
    log = SimpleNamespace(log=SimpleNamespace(job=SimpleNamespace(action_space=space)))
    log.laps_on_track = laps
    other = ActionSpace(False, (-20.0, 20.0), (2.0, 3.0))
    assert _driven_lap_time(log, space) == 13.6
    assert _driven_lap_time(log, other) is None
    assert _driven_lap_time(None, space) is None


@pytest.mark.parametrize(
    ("driven", "is_proof"), [([-20.0, 19.996], True), ([-20.0, 15.0], False), ([], False)]
)
@pytest.mark.parametrize("is_continuous", [False, True])
def test_a_log_without_metadata_proves_the_actions_that_it_commands(
    driven: list[float], is_proof: bool, is_continuous: bool
) -> None:
    space = ActionSpace(is_continuous, (-20.0, 20.0), (2.0, 2.0))
    if is_continuous:
        driven = [2 * angle if angle == 15.0 else angle for angle in driven]  # 30 is outside
    trace = pd.DataFrame({"steer": [0.0, *driven], "throttle": 2.0})
    trace["episode_status"] = ["prepare", *["in_progress"] * len(driven)]
    laps = pd.DataFrame({"time": [13.6], "complete": True, "lap": 1, "first_step": 1.0})
    laps["status"] = "lap_complete"
    log = SimpleNamespace(log=SimpleNamespace(job=SimpleNamespace(action_space=None), trace=trace))
    log.laps_on_track = laps
    assert (_driven_lap_time(log, space) is not None) == is_proof


@pytest.mark.slow
def test_the_track_of_a_log_is_looked_for_among_the_routes_of_a_folder(
    tmp_path: Path, drive, ring, monkeypatch
) -> None:
    monkeypatch.setenv("RACER_HOME", str(tmp_path / "home"))
    write_csv(drive(episodes=2), tmp_path / "log" / "0-iteration.csv")
    check = ("check", written(tmp_path / "good.json", GOOD), "--run", tmp_path / "log")
    with pytest.raises(UsageError, match="--tracks DIR gives routes to try"):
        run(*check)
    (tmp_path / "routes").mkdir()
    save_route(ring, tmp_path / "routes" / "ring.npy")
    result = run(*check, "--tracks", tmp_path / "routes")
    assert result.output.startswith("ring, car v6: 6 actions")


@pytest.mark.slow
def test_a_design_is_a_model_metadata_that_can_be_read_and_is_not_overwritten(
    tmp_path: Path,
) -> None:
    file = tmp_path / "new" / "actions.json"
    words = (
        "design",
        "--track",
        "oval",
        "-k",
        5,
        "-o",
        file,
        "--trials",
        2,
        "--json",
        "--picture",
        tmp_path / "a.png",
    )
    result = run(*words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    metadata = read_metadata(file)
    assert metadata.car == "v6"
    assert metadata.notes == ()
    assert [(a["steering_angle"], a["speed"]) for a in told["actions"]] == list(
        zip(metadata.action_space.steering_deg, metadata.action_space.speed, strict=True)
    )
    assert metadata.action_space.size == 5
    assert (tmp_path / "a.png").exists()
    with pytest.raises(UsageError, match="is there already"):
        run(*words)


def test_without_actions_or_a_run_it_says_how_to_name_them() -> None:
    with pytest.raises(
        UsageError, match=r"which actions\? racer actions check model_metadata.json"
    ):
        run("check")


def test_one_picture_is_of_one_track(tmp_path: Path) -> None:
    actions = written(tmp_path / "good.json", GOOD)
    with pytest.raises(UsageError, match="one picture, but there are 2 tracks"):
        run(
            "check",
            actions,
            "--track",
            "oval",
            "--track",
            "reinvent_2018",
            "-o",
            tmp_path / "a.png",
        )


@pytest.mark.parametrize("size", [1, 31])
def test_a_wrong_size_is_refused_before_anything_is_searched(tmp_path: Path, size: int) -> None:
    with pytest.raises(UsageError, match="2 to 30"):
        run("design", "--track", "oval", "-k", size, "-o", tmp_path / "a.json")
