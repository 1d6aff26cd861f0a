"""Pages show what commands print now: `make outputs` brings them up to date."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
QUICK = ("check.md", "map.md", "score.md", "watch.md")
"""Pages whose commands take seconds; the others are brought up to date, and not tested here."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """docs/outputs.py, which runs the commands of the pages."""
    spec = importlib.util.spec_from_file_location("outputs_of_pages", DOCS / "outputs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks there
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("page", QUICK)
def test_a_page_shows_what_its_commands_print(script: ModuleType, page: str) -> None:
    found = list(script.outputs(DOCS / page))
    assert found
    for shown, printed in found:
        assert script.is_told(shown.text, printed), (
            f"{page} does not show what {shown.command} prints (make outputs):\n{printed}"
        )


def test_every_reason_not_to_run_is_of_a_page_that_is_there(script: ModuleType) -> None:
    assert [page for page in script.NOT_RUN if not (DOCS / page).is_file()] == []


PRINTED = "a 1\nb 2\nc 3\n12.5 us a call\n"


@pytest.mark.parametrize(
    ("shown", "is_told"),
    [
        (PRINTED, True),
        (PRINTED.replace("12.5", "9.1"), True),
        ("a 1\n...\n12.5 us a call\n", True),
        (PRINTED.replace("b 2", "b 3"), False),
        ("a 1\nb 2\n", False),
        ("a 1\n...\n", True),
    ],
)
def test_a_page_may_leave_lines_out_but_change_none(
    script: ModuleType, shown: str, is_told: bool
) -> None:
    assert script.is_told(shown, PRINTED) == is_told


@pytest.mark.parametrize(
    ("shown", "now"),
    [
        ("a 0\nb 2\n", PRINTED),
        ("a 0\n...\nc 0\n9.1 us a call\n", "a 1\n...\nc 3\n9.1 us a call\n"),
        ("a 1\n...\nc 4\n...\n", "a 1\n...\nc 3\n...\n"),
    ],
)
def test_an_update_shows_as_much_as_the_page_did(script: ModuleType, shown: str, now: str) -> None:
    updated = script.update(shown, PRINTED)
    assert updated == now
    assert script.is_told(updated, PRINTED)
