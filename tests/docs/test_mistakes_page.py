"""docs/mistakes.md tells the truth: its rewards run, its pictures are there, and what is foreseen of
mistakes and cures is what the page says.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from racer.diagnostics import foresee
from racer.sim import place

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "mistakes.md"
PICTURES = DOCS / "pictures" / "mistakes"
QUICK = ("cost",)
WISHES = {
    "crawling": "it wants a car that crawls",
    "slow lap": "it wants a car that drives",
    "waiting": "it wants a car that waits",
    "parking": "it wants a car that dallies",
    "leaving": "it wants a car that leaves the track",
    "lap": "it wants a car that laps fast",
}


def load_script() -> ModuleType:
    """docs/pictures/mistakes.py, which writes the page's sentences."""
    spec = importlib.util.spec_from_file_location("mistakes", DOCS / "pictures" / "mistakes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mistakes"] = module  # where its dataclass looks for its annotations
    spec.loader.exec_module(module)
    return module


MISTAKES: list[Any] = load_script().read_page(PAGE.read_text("utf-8"))


def test_there_are_ten_and_each_has_its_picture() -> None:
    assert len(MISTAKES) == 10
    assert sorted(file.stem for file in PICTURES.iterdir()) == sorted(m.name for m in MISTAKES)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_what_the_page_shows_is_a_reward(mistake: Any) -> None:
    params = place("reinvent_2018", waypoint=20)
    for source in (mistake.mistake, mistake.cure):
        names: dict[str, Any] = {}
        exec(compile(source, mistake.name, "exec"), names)
        assert isinstance(names["reward_function"](params), float)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_the_page_says_what_asks_for_laps(mistake: Any) -> None:
    before, after = mistake.sentences
    assert WISHES["lap"] not in before
    assert WISHES["lap"] in after
    assert before.startswith(f"> at gamma 0.99 {mistake.name} is best paid by")
    assert after.startswith(f"> at gamma 0.99 {mistake.name}_cured is best paid by")


def cases() -> list[object]:
    params = []
    # every third: docs/pictures/mistakes.py writes the sentences of all
    for mistake in [one for k, one in enumerate(MISTAKES) if k % 3 == 0 or one.name in QUICK]:
        marks = [] if mistake.name in QUICK else [pytest.mark.slow]
        params.append(pytest.param(mistake, id=mistake.name, marks=marks))
    return params


@pytest.mark.parametrize("mistake", cases())
def test_what_is_foreseen_is_what_the_page_says(mistake: Any, tmp_path: Path) -> None:
    for number, source in enumerate((mistake.mistake, mistake.cure)):
        file = tmp_path / f"reward_{number}.py"
        file.write_text(source, "utf-8")
        kind = foresee(file, "reinvent_2018", seconds=3.0).kind
        assert WISHES[kind] in mistake.sentences[number]
