"""What tests of the report share: logs of several kinds on the ring, and hostile ones; and a browser
that their reports are opened in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from racer.logs import Job, Log, Source
from racer.logs.schema import episode_ids


def log_of(
    trace: pd.DataFrame,
    phase: str = "training",
    job: Job | None = None,
    name: str = "0-iteration.csv",
) -> Log:
    """A log as the reader gives it, of one file; 10 episodes an iteration in training."""
    trace = trace.assign(source=0, phase=phase, episode_id=episode_ids(trace))
    trace["iteration"] = trace["episode"] // 10 if phase == "training" else -1
    return Log(trace, (Source(name, phase, 19, len(trace)),), (), job or Job())


@pytest.fixture(scope="session")
def training(drive: Callable[..., pd.DataFrame]) -> Log:
    """40 episodes that start in five places; every other one completes its lap."""
    return log_of(drive(episodes=40, ends=(100.0, 40.0)))


@pytest.fixture(scope="session")
def race(drive: Callable[..., pd.DataFrame]) -> Log:
    """10 laps, two of them cut short, of continuous actions."""
    return log_of(
        drive(episodes=10, ends=(100.0, 100.0, 100.0, 100.0, 70.0), discrete=False), "evaluation"
    )


@pytest.fixture(scope="session")
def make_log() -> Callable[..., Log]:
    """The function `log_of`."""
    return log_of


EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>$$x^2$$"


@pytest.fixture(scope="session")
def hostile(drive: Callable[..., pd.DataFrame]) -> Log:
    """A log whose every word tries to run: file names, statuses, notes, hyperparameters, the
    reward's source.
    """
    trace = drive(episodes=12)
    words = trace["episode_status"].astype(object)
    trace["episode_status"] = words.where(words != "off_track", EVIL).astype("category")
    known: dict[str, Any] = {
        "platform": EVIL,
        "car": EVIL,
        "race_type": EVIL,
        "world": EVIL,
        "best_checkpoint": EVIL,
    }
    log = log_of(
        trace, job=Job(reward=f"# {EVIL}", hyperparameters={EVIL: EVIL}, **known), name=EVIL
    )
    return Log(log.trace, log.sources, (EVIL,), log.job)


# guards against a page that stands still, and is no measure: benchmarks/report.py is
DEADLINE_MS = 300_000
DATA = "(name) => Bokeh.documents.map(d => d.get_model_by_name(name)).find(Boolean).data"
VIEW = """() => { const road = Bokeh.documents.map(d => d.get_model_by_name('road')).find(Boolean);
  return [road.x_range.start, road.x_range.end, road.y_range.start, road.y_range.end]; }"""
FRAME_HEIGHT = """Bokeh.index.get_by_id(
  Bokeh.documents.map(d => d.get_model_by_name('road')).find(Boolean).id).frame.bbox.height"""
DRAWN = "Bokeh.documents.every(document => document.is_idle)"
# Bokeh paints in a frame after a timer of up to 17 ms: one that is later, and a frame after it, come
# behind what is painted for all that was done until now, however slow the machine is
PAINTED = """() => new Promise(done =>
  setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 20))"""
SPOT = """([x, y]) => { const view = Bokeh.index.get_by_id(
    Bokeh.documents.map(d => d.get_model_by_name('road')).find(Boolean).id);
  const box = view.el.getBoundingClientRect(), frame = view.frame;
  return [box.x + frame.x_scale.compute(x), box.y + frame.y_scale.compute(y)]; }"""


class Watched:
    """A page of a report in the browser, with everything that went wrong in it."""

    VIEW = VIEW
    SPOT = SPOT

    def __init__(
        self, browser: Any, path: Path, width: int = 1280, height: int = 900, looks: str = "light"
    ) -> None:
        self.wrong: list[str] = []
        self.page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme=looks,
            reduced_motion="reduce",  # the page scrolls at once
        )
        self.page.set_default_timeout(DEADLINE_MS)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("console", self._console_message)
        self.page.on("request", self._request)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready][data-complete]")
        self.page.wait_for_function(DRAWN)
        self.rest()

    def data(self, name: str) -> dict[str, list[Any]]:
        """The columns of one of the sources that Bokeh draws from."""
        columns: dict[str, Any] = self.page.evaluate(
            f"name => Object.fromEntries(Object.entries(({DATA})(name)))", name
        )
        return {column: list(values) for column, values in columns.items()}

    def view(self) -> np.ndarray:
        """(4,) m: the part of the map that is seen, x from and to, y from and to."""
        return np.array(self.page.evaluate(VIEW), float)

    def middle(self) -> np.ndarray:
        """(2,) m: what is in the middle of the map."""
        return self.view().reshape(2, 2).mean(axis=1)

    def height(self) -> float:
        """How many meters the map shows from top to bottom: other labels leave the height alone."""
        return float(np.ptp(self.view()[2:]))

    def scale(self) -> float:
        """How many meters of the map a pixel is, from top to bottom."""
        pixels: float = self.page.evaluate(FRAME_HEIGHT)
        return self.height() / pixels

    def rest(self) -> None:
        """Wait until all is painted, and what follows from that: other labels change the frame."""
        before = None
        while before is None or not np.array_equal(before, self.view()):
            before = self.view()
            self.page.evaluate(PAINTED)

    def pixels(self) -> bytes:
        """A picture of the map."""
        self.rest()
        picture: bytes = self.page.locator("#map").screenshot()
        return picture

    def column(self, table: str, number: int) -> list[str]:
        """The values by which the rows of a table sort, in their order."""
        cells = self.page.locator(f"#{table} tbody tr td:nth-child({number + 1})")
        values: list[str] = cells.evaluate_all(
            "all => all.map(cell => cell.dataset.value ?? cell.textContent)"
        )
        return values

    def _console_message(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("file://", "data:", "blob:")):
            self.wrong.append(f"request: {request.url}")


@pytest.fixture(scope="session")
def pages(tmp_path_factory, training, race, hostile, make_log, drive, ring) -> dict[str, Path]:
    """Reports on disk, by what they are about."""
    from racer.report import render_report

    unknown = make_log(drive(episodes=4, ends=(40.0, 30.0)))
    faster = make_log(drive(episodes=8, step=0.34), "evaluation")
    made = {
        "training": (training, ring),
        "race": (race, ring),
        "hostile": (hostile, ring),
        "unknown": (unknown, None),
        "jobs": ({"first": training, "second": faster}, ring),
    }
    folder, paths = tmp_path_factory.mktemp("reports"), {}
    for name, (log, track) in made.items():
        paths[name] = folder / f"{name}.html"
        paths[name].write_text(render_report(log, track), "utf-8")
    return paths


@pytest.fixture
def opened(browser, pages) -> Iterator[Callable[..., Watched]]:
    """A function that opens one of `pages`; at the end of the test nothing may have gone wrong in
    it.
    """
    pages_open: list[Watched] = []

    def open_page(name: str, **options: Any) -> Watched:
        pages_open.append(Watched(browser, pages[name], **options))
        return pages_open[-1]

    yield open_page
    for watched in pages_open:
        watched.page.close()
        assert watched.wrong == []
