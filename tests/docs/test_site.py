"""The documentation site: it builds without a warning, its links lead somewhere, nothing is loaded
from elsewhere, and the whole public face is on it with examples.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import racer
from racer.cli import COMMANDS
from racer.plotting import PLOT_KINDS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("site")]


class PageLinks(HTMLParser):
    """What a page refers to (a class: that is how HTMLParser is used)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if "src" in values:
            self.loaded.append(values["src"])
        if tag == "link" and "href" in values and values.get("rel") != "canonical":
            self.loaded.append(values["href"])


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, PageLinks]:
    """Every page but the one for addresses that do not exist, whose links are absolute."""
    files = [file for file in site.rglob("*.html") if file.name != "404.html"]
    return {file: PageLinks(file.read_text("utf-8")) for file in files}


def test_every_link_leads_to_a_page_and_to_a_place_on_it(pages: dict[Path, PageLinks]) -> None:
    broken = []
    for file, page in pages.items():
        for link in page.links:
            if re.match(r"https?:|mailto:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (file.parent / path).resolve() if path else file
            is_there = target.exists()
            if is_there and anchor and target in pages:
                is_there = anchor in pages[target].anchors
            if not is_there:
                broken.append((file.name, link))
    assert broken == []


def test_nothing_is_loaded_from_another_machine(pages: dict[Path, PageLinks]) -> None:
    missing = []
    for file, page in pages.items():
        for address in page.loaded:
            if address.startswith("data:"):
                continue
            path = address.partition("?")[0].partition("#")[0]
            if re.match(r"\w+:|//", address) or not (file.parent / path).resolve().exists():
                missing.append((file.name, address))
    assert missing == []


def test_every_public_name_is_in_the_reference_with_an_example(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text("utf-8")
    sections = re.split(r'<h2 id="racer\.(\w+)"', page)
    by_name = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert sorted(by_name) == sorted(racer.__all__)
    assert [name for name, section in by_name.items() if "&gt;&gt;&gt;" not in section] == []


def test_every_command_and_every_picture_is_in_the_reference(site: Path) -> None:
    commands = (site / "reference" / "commands.html").read_text("utf-8")
    assert [name for name in COMMANDS if f'id="racer-{name}"' not in commands] == []
    pictures = (site / "reference" / "pictures.html").read_text("utf-8")
    missing = [kind for kind in PLOT_KINDS if f'src="../pictures/plots/{kind}.png"' not in pictures]
    assert missing == []


def test_search_finds_a_code_of_check(site: Path) -> None:
    assert "RW309" in (site / "search" / "search_index.json").read_text("utf-8")
