"""Draw the pictures of docs/report.md, beside this file: python docs/pictures/report.py

They are what Chromium shows of the report on the trainings of docs/pictures/plots.py, which makes
them where they are not there yet. Needs the extras `report` and `dev`, and Chromium.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from racer.logs import read_log
from racer.report import render_report
from racer.track import load_track

FOLDER = Path(__file__).resolve().parent
RUNS = FOLDER.parents[1] / "runs" / "pictures" / "runs"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCREEN = {"width": 1280, "height": 800}
MOMENT_S = "4"


def main() -> None:
    """Write the pictures."""
    track = load_track("reinvent_2018")
    first = read_log(RUNS / "first")
    second = read_log(RUNS / "second")
    one = render_report(first, track, title="My first run")
    both = render_report({"first": first, "second": second}, track)
    path = next(filter(None, map(shutil.which, BROWSERS)))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, content, draw in (("one", one, draw_one), ("both", both, draw_both)):
            file = Path(folder) / f"{name}.html"
            file.write_text(content, "utf-8")
            page = browser.new_page(viewport=SCREEN)
            page.goto(file.as_uri())
            page.wait_for_selector("html[data-ready][data-complete]")
            page.wait_for_timeout(1000)
            draw(page)
        browser.close()


def draw_one(page: Page) -> None:
    """The parts of a report on one run."""
    page.check("#exits")
    page.locator("#moment").fill(MOMENT_S)
    shoot_screen(page, "#track", "report_track")
    shoot(page, "#summary", "report_summary")
    shoot(page, ".scroll:has(#table-laps)", "report_laps")
    shoot(page, ".scroll:has(#table-sectors)", "report_sectors")
    shoot(page, "#training figure", "report_training")
    shoot(page, "#race", "report_race")
    shoot(page, "#actions", "report_actions")
    page.select_option("#looks", "dark")
    shoot_screen(page, "#track", "report_dark")


def draw_both(page: Page) -> None:
    """Two runs side by side."""
    shoot(page, "#summary", "report_jobs")


def shoot_screen(page: Page, part: str, name: str) -> None:
    """What a screen shows where a part of the page is at its top."""
    page.locator(part).evaluate("one => one.scrollIntoView()")
    page.wait_for_timeout(800)
    save(page, name)


def shoot(page: Page, part: str, name: str) -> None:
    """A part of the page as large as it is."""
    page.locator(part).first.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    save(page.locator(part).first, name)


def save(view: Any, name: str) -> None:
    path = FOLDER / f"{name}.png"
    view.screenshot(path=path)
    with Image.open(path) as picture:
        picture.convert("RGB").save(path, optimize=True)
    print(f"{path.stat().st_size / 1000:5.0f} kB  {path.name}")


if __name__ == "__main__":
    main()
