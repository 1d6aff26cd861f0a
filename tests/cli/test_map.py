"""`racer map`: its words, its summary, its pictures."""

import json

import pytest
import typer
from typer.testing import CliRunner

from racer.cli.map import map_command
from racer.errors import UsageError

app = typer.Typer()
app.command()(map_command)
FEW = ("--track", "oval", "--cells", "300")


def said(*words):
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.exception
    return result.stdout


def test_it_says_what_is_paid_where_and_draws_it(tmp_path):
    text = said("center_line", *FEW)
    assert "center_line on oval, 2 m/s, steering 0 deg, along the road:" in text
    assert "most: 1," in text
    assert "least: 0.001," in text
    assert "center line: 1 to 1, mean 1" in text
    assert text.splitlines()[-1] == "center_line-map.png"
    assert (tmp_path / "center_line-map.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_that_keeps_state_is_said_to(tmp_path):
    text = said("progress_gained", *FEW)
    assert "keeps state: every place has a fresh instance" in text


def test_json_is_a_summary_and_draws_only_when_asked(tmp_path):
    found = json.loads(
        said(
            "center_line",
            *FEW,
            "--across",
            "3",
            "--json",
            "--speed",
            "1.5",
            "--steering-deg",
            "-10",
        )
    )
    assert (found["speed"], found["steering_deg"], found["heading_deg"]) == (1.5, -10.0, 0.0)
    assert found["most"]["reward"] == 1.0
    assert abs(found["most"]["offset"]) < 0.15
    assert [one["name"] for one in found["slices"]] == ["center line", "waypoint 3"]
    assert found["across"][0]["best_offset"] == pytest.approx(0.0, abs=0.02)
    assert list(tmp_path.glob("*.png")) == []


def test_a_difference_has_both_names(tmp_path):
    text = said("center_line", "--minus", "stay_on_track", *FEW, "-o", "less.svg")
    assert text.startswith("center_line minus stay_on_track on oval")
    assert "most: 0," in text
    assert (tmp_path / "less.svg").exists()


def test_the_best_heading_is_drawn_with_arrows(tmp_path):
    text = said("waypoint_heading", *FEW, "--best-heading", "-o", "best.png")
    assert "best heading" in text


def test_wrong_use_gets_a_sentence():
    def complaint(*words):
        error = CliRunner().invoke(app, list(words)).exception
        assert isinstance(error, UsageError)
        return str(error)

    assert "without --heading-deg" in complaint(
        "center_line", "--best-heading", "--heading-deg", "5"
    )
    assert "no picture format" in complaint("center_line", *FEW, "-o", "x.pgn")
    assert "no car drives at -1 m/s" in complaint("center_line", *FEW, "--speed", "-1")
