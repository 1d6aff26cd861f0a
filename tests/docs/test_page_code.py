"""The Python of pages that need no run of the reader's runs as it stands, block after block."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# the first one compiles all that draws pictures
PAGES = (pytest.param("camera.md", marks=pytest.mark.slow), "objects.md", "tracks.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs(page: str) -> None:
    blocks = BLOCK.findall((DOCS / page).read_text("utf-8"))
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_objects_are_where_the_page_reads_them() -> None:
    """The last line of the block on objects gives the places that its comment tells of."""
    [block] = BLOCK.findall((DOCS / "objects.md").read_text("utf-8"))
    lines = block.splitlines()
    names: dict[str, object] = {}
    exec("\n".join(lines[:-1]), names)
    places = eval(lines[-1].partition("#")[0], names)
    assert places.shape == (64, 6)
    assert len(set(places[:, 0].tolist())) > 1  # every car has boxes of its own
