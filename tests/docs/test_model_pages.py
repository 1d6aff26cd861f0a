"""The pages about models tell the truth: their commands run, in their order, on short trainings."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from racer.cli import app
from racer.training.interop import TARGETS, model_exporter, model_importer

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("car", "deepracer_for_cloud", "models")
SHORT = {
    "train": ["--steps", "256", "--envs", "8"],
    "evaluate": ["--laps", "1", "--resets", "0"],
}


def blocks(page: str) -> list[str]:
    text = (DOCS / f"{page}.md").read_text("utf-8")
    return re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_to_type_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RACER_HOME", str(tmp_path / "home"))
    for module in (model_exporter, model_importer):
        monkeypatch.setattr(module, "COMPARED_OBSERVATIONS", 10)
    for line in "".join(blocks(page)).splitlines():
        run(shlex.split(line))
    for name in re.findall(r"-o (\S+)", "".join(blocks(page))):
        assert (tmp_path / name).exists()


def run(words: list[str]) -> None:
    """A command of the page, made short: a training takes fewer steps and no teacher."""
    assert words[0] == "racer"
    words = [word for word in words if word != "--teacher"]
    done = CliRunner().invoke(app, [*words[1:], *SHORT.get(words[1], [])])
    assert done.exit_code in ((0, 1) if words[1] == "actions" else (0,)), (
        f"{shlex.join(words)}\n{done.output}"
    )


@pytest.mark.parametrize("page", PAGES)
def test_pages_that_it_shows_are_there(page: str) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", (DOCS / f"{page}.md").read_text("utf-8"))
    assert [link for link in links if not (DOCS / link).exists()] == []


def test_every_target_has_its_page() -> None:
    text = "".join("".join(blocks(page)) for page in PAGES)
    assert all(f"--to {target}" in text for target in TARGETS)
