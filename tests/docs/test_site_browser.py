"""The documentation site on screens of several widths, light, dark and on paper: every kind of
control does what it says, nothing goes wrong, nothing sticks out to the side.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("site")]

DEADLINE_MS = 300_000  # a guard, and no measure
PAGES = (
    "index.html",
    "doctor.html",
    "score.html",
    "check_codes.html",
    "notebooks/my_drfc_log.html",
    "reference/commands.html",
    "reference/python.html",
    "reference/pictures.html",
)
NARROW = 1219  # px: up to here the tabs are in the drawer
SCREENS = pytest.mark.parametrize("width", [1280, 1000, 390])


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and says nothing (a class: that is how http.server is used)."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served, as `make docs` says to: its search needs a server."""
    handler = partial(QuietHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(params=["light", "dark"])
def visit(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    """A function that opens a page of the site on a light or a dark system; nothing may go wrong in
    it, and nothing may be asked of another machine.
    """
    opened: list[Any] = []
    wrong: list[str] = []

    def see_request(asked: Any) -> None:
        if not asked.url.startswith((address, "data:", "blob:")):
            wrong.append(asked.url)

    def see_message(message: Any) -> None:
        if message.type == "error":
            wrong.append(message.text)

    def open_page(name: str, width: int) -> Any:
        page = browser.new_page(
            viewport={"width": width, "height": 800},
            color_scheme=request.param,
            reduced_motion="reduce",
        )
        opened.append(page)
        page.set_default_timeout(DEADLINE_MS)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", see_message)
        page.on("request", see_request)
        page.goto(address + name)
        return page

    yield open_page
    for page in opened:
        page.close()
    assert wrong == []


def scheme(page: Any) -> str:
    """`default` or `slate`, the looks of the page."""
    found: str = page.locator("body").get_attribute("data-md-color-scheme")
    return found


@SCREENS
def test_no_page_sticks_out_to_the_side(visit: Any, address: str, width: int) -> None:
    page = visit(PAGES[0], width)
    for name in PAGES:
        page.goto(address + name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


@SCREENS
def test_the_page_looks_as_the_system_does_until_it_is_told_otherwise(
    visit: Any, width: int, request: pytest.FixtureRequest
) -> None:
    page = visit(PAGES[0], width)
    before = scheme(page)
    assert before == {"light": "default", "dark": "slate"}[request.node.callspec.params["visit"]]
    page.locator("form[data-md-component=palette] label:visible").click()
    assert scheme(page) != before
    page.reload()
    assert scheme(page) != before


@SCREENS
def test_search_leads_to_what_was_looked_for(visit: Any, width: int) -> None:
    page = visit(PAGES[0], width)
    if not page.locator(".md-search__input").is_visible():
        page.locator("header label[for=__search]").click()
    page.locator(".md-search__input").fill("RW309")
    page.locator(".md-search-result__item a").first.wait_for()
    page.locator(".md-search-result__item a").first.click()
    page.wait_for_url("**/check_codes.html*")
    page.wait_for_load_state()


@SCREENS
def test_every_part_is_reached_by_tabs_or_by_the_drawer(visit: Any, width: int) -> None:
    page = visit(PAGES[0], width)
    for part in ("Learn", "How to", "Reference", "Background"):
        if width > NARROW:
            page.locator(".md-tabs__link", has_text=part).click()
            page.wait_for_load_state()
            assert part in page.locator(".md-tabs__item--active").inner_text()
            continue
        page.locator("header label[for=__drawer]").click()
        page.locator(".md-nav--primary").wait_for()
        names = page.locator(".md-nav--primary > ul > li").all_inner_texts()
        assert any(part in name for name in names)
        page.locator(".md-overlay").click(position={"x": width - 5, "y": 400})


@SCREENS
def test_code_can_be_copied_and_the_next_page_and_the_top_be_reached(
    visit: Any, width: int
) -> None:
    page = visit("doctor.html", width)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copies = page.locator("button[data-md-type=copy], .md-clipboard")
    assert copies.count() >= 2
    copies.last.scroll_into_view_if_needed()
    copies.last.click()
    assert "diagnosis = racer.doctor" in page.evaluate("navigator.clipboard.readText()")
    page.evaluate("window.scrollTo(0, 1500)")
    page.evaluate("window.scrollTo(0, 1200)")
    page.locator(".md-top:not([hidden])").click()
    page.wait_for_function("window.scrollY === 0")
    page.locator(".md-footer__link--next").click()
    page.wait_for_url("**/compare.html*")


def test_paper_gets_the_words_without_controls(visit: Any) -> None:
    page = visit("doctor.html", 1280)
    page.emulate_media(media="print")
    assert not page.locator(".md-tabs").is_visible()
    assert not page.locator(".md-nav--primary").is_visible()
    assert page.locator("article h1").is_visible()
    assert len(page.pdf(format="A4")) > 20_000
