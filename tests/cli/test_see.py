"""`racer see`: one picture of what all sensors tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from racer.cli import app


@pytest.mark.slow
def test_see_draws_all_sensors(tmp_path: Path) -> None:
    picture = tmp_path / "place.png"
    words = [
        "see",
        "--track",
        "bowtie",
        "--at",
        "2",
        "--offset",
        "-0.1",
        "--box",
        "1,0.1",
        "--bot",
        "1.8",
    ]
    told = CliRunner().invoke(app, [*words, "-o", str(picture)])
    assert (told.exit_code, told.output) == (0, f"{picture}\n")
    with Image.open(picture) as drawn:
        assert drawn.size == (1320, 924)


def test_see_says_how_a_box_is_placed() -> None:
    told = CliRunner().invoke(app, ["see", "--box", "near"])
    assert told.exit_code == 2
    assert "--box 'near': give m ahead, or m ahead and left as in --box 1.2,-0.1" in told.output
