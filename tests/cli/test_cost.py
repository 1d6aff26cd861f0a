"""`racer cost`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from racer.cli import app
from racer.training import train

PLAN = {
    "like": "service",
    "observation": "features",
    "iterations": 2,
    "settings": {"envs": 4, "n_epochs": 1, "net_arch": (16,)},
}


def racer(*words: str) -> Any:
    return CliRunner().invoke(app, ["cost", *words], env={"COLUMNS": "120"})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "served"
    return train("center_line", "oval", folder=folder, **PLAN).folder


def test_the_table_has_every_place_and_the_plan_stands_below(run):
    result = racer(str(run))
    assert result.exit_code == 0
    assert "a job of 2 iterations" in result.output
    assert "g4dn.2xlarge spot" in result.output
    assert result.output.rstrip().splitlines()[-1]


def test_json_has_the_numbers_behind_it(run):
    told = json.loads(racer(str(run), "--iterations", "50", "--json").stdout)
    assert told["iterations"] == 50
    assert all(job["hours"] > 0.0 and job["source"] for job in told["jobs"])


def test_prices_of_one_s_own_replace_the_table(run, tmp_path):
    file = tmp_path / "prices.toml"
    file.write_text(
        '[[offers]]\nname = "shed"\nusd_per_hour = 0.1\ndate = 2026-11-01\nsource = "meter"\n'
    )
    output = racer(str(run), "--prices", str(file)).output
    assert "shed" in output
    assert "spot" not in output


def test_a_run_of_the_other_kind_is_refused_with_what_to_do(tmp_path):
    settings = {"envs": 8, "n_steps": 16, "batch_size": 64, "n_epochs": 1}
    other = train("center_line", "oval", 300, folder=tmp_path / "run", settings=settings)
    result = racer(str(other.folder))
    assert result.exit_code == 2
    assert "--like service" in result.output
