"""Rewards that need objects on the road, and tables that fit some tracks only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from racer.checker import check
from racer.cli import app
from racer.errors import UsageError
from racer.track import import_track, load_track

NEEDS = (
    "def reward_function(params):\n"
    "    ahead = params['closest_objects'][1]\n"
    "    x, y = params['objects_location'][ahead]\n"
    "    away = abs(x - params['x']) + abs(y - params['y'])\n"
    "    return 0.1 + min(away, 1.0)\n"
)


@pytest.fixture
def reward(tmp_path: Path) -> Path:
    path = tmp_path / "avoid.py"
    path.write_text(NEEDS)
    return path


def test_the_empty_road_is_named_as_the_cause_with_the_option(reward: Path) -> None:
    [error] = [one for one in check(reward, tracks=["oval"], seconds=0.2).findings if one.is_error]
    assert error.code == "RW201"
    assert error.circumstances.startswith("without objects on the road; on oval")
    assert "racer check --objects boxes" in error.remedy


def test_the_empty_road_is_named_where_boxes_fail_otherwise(reward: Path) -> None:
    reward.write_text(
        "def reward_function(params):\n"
        "    nearest = params['closest_objects'][0]\n"
        "    return float(params['speed'] / params['objects_speed'][nearest])\n"  # boxes stand
    )
    findings = check(reward, tracks=["oval"], seconds=0.2).findings
    [error] = [one for one in findings if one.exception == "IndexError"]
    assert error.circumstances.startswith("without objects on the road; on oval")


@pytest.mark.slow
@pytest.mark.parametrize("objects", ["boxes", "bots"])
def test_a_race_with_objects_has_no_empty_road(reward: Path, objects: str) -> None:
    result = check(reward, tracks=["oval"], seconds=0.2, objects=objects)
    assert result.exit_code == 0
    assert [finding for finding in result.findings if finding.is_error] == []


@pytest.mark.slow
def test_an_error_among_objects_is_shown_among_objects(reward: Path) -> None:
    reward.write_text(NEEDS.replace("return", "return 1 / (away > 0.5) and"))
    findings = check(reward, tracks=["oval"], seconds=0.2, objects="boxes").findings
    [error] = [one for one in findings if one.is_error]
    assert "with boxes" in error.circumstances
    assert error.params is not None
    assert error.params["objects_location"]


@pytest.mark.slow
def test_a_project_says_that_there_are_always_objects(reward: Path) -> None:
    (reward.parent / "pyproject.toml").write_text('[tool.racer]\nobjects = "boxes"\n')
    runner = CliRunner()
    assert runner.invoke(app, ["check", str(reward), "--track", "oval"]).exit_code == 0
    asked = ["check", str(reward), "--track", "oval", "--objects", "none"]
    assert runner.invoke(app, asked).exit_code == 1


def test_objects_that_there_are_not_are_refused(reward: Path) -> None:
    with pytest.raises(UsageError, match="--objects"):
        check(reward, objects="cats")
    (reward.parent / "pyproject.toml").write_text("[tool.racer]\nobjects = 3\n")
    result = CliRunner().invoke(app, ["check", str(reward)])
    assert result.exit_code == 2


def table_of(name: str) -> str:
    rows = load_track(name).center.round(3).tolist()
    return ",\n    ".join(map(str, rows))


@pytest.mark.slow
def test_each_table_is_named_for_the_track_that_it_fits(tmp_path: Path) -> None:
    path = tmp_path / "two.py"
    path.write_text(
        f"FIRST = [\n    {table_of('oval')}\n]\nSECOND = [\n    {table_of('vegas')}\n]\n\n\n"
        "def reward_function(params):\n"
        "    table = FIRST if params['track_length'] < 1 else SECOND\n"
        "    return 1.0 + abs(table[0][0] - params['x'])\n"
    )
    found = [one.message for one in check(path, seconds=0.2).findings if one.code == "RW309"]
    assert any("the table FIRST" in message and "made for oval" in message for message in found)
    assert any("the table SECOND" in message and "made for vegas" in message for message in found)
    assert len(found) == 2


def test_a_route_of_the_users_own_is_named_and_driven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RACER_HOME", str(tmp_path / "home"))
    moved = load_track("oval")
    layout = np.column_stack([moved.center, moved.inner, moved.outer]) + 100.0
    np.save(tmp_path / "elsewhere.npy", layout)
    import_track(tmp_path / "elsewhere.npy")
    rows = ",\n    ".join(map(str, layout[:, :2].round(3).tolist()))
    path = tmp_path / "table.py"
    path.write_text(
        f"LINE = [\n    {rows}\n]\n\n\ndef reward_function(params):\n"
        "    if params['x'] > 50:\n        raise ValueError('driven')\n"
        "    return params['speed'] + 0.0 * LINE[0][0]\n"
    )
    findings = check(path, seconds=0.2).findings
    assert any("made for elsewhere" in finding.message for finding in findings)
    assert any("driven" in finding.message for finding in findings if finding.is_error)


@pytest.mark.parametrize(("count", "is_error"), [(80, True), (130, False)])
def test_a_failure_beyond_a_table_is_either_an_error_or_excused(
    tmp_path: Path, count: int, is_error: bool
) -> None:
    path = tmp_path / "reward.py"
    rows = [[9.0 + 0.1 * k, -9.0, 2.0] for k in range(count)]  # of no track that ships
    path.write_text(
        f"LINE = {rows}\n\ndef reward_function(params):\n"
        "    return LINE[params['closest_waypoints'][1]][2] + 0.01 * params['speed']\n"
    )
    findings = [one for one in check(path, seconds=0.2).findings if "IndexError" in one.message]
    assert [(one.code, one.is_error) for one in findings] == [
        ("RW201" if is_error else "RW309", is_error)
    ]
