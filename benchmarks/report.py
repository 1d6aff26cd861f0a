"""How large a report on 50,000 steps is, and how soon it opens: python benchmarks/report.py [-o
FILE]

The log is made up: cars that scatter around the center line of `reinvent_2018`, every second one to
the end of its lap. The page is opened in Chromium, several times, each time anew. `ready` is when
the track can be used, `complete` when the last figure is drawn, both from the beginning of the
navigation; `work` is what the page's thread has computed until it was ready, which other programs
on the machine change less. Needs the extra `report`, Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, sync_playwright

from racer import geometry
from racer.logs import Log, Source
from racer.logs.schema import episode_ids, normalize_trace
from racer.report import render_report
from racer.track import library
from racer.track.track import Track

STEPS, EPISODE, RUNS = 50_000, 125, 7
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def training(track: Track, steps: int = STEPS, seed: int = 1) -> Log:
    """A log of `steps` steps in episodes of 125: every other one completes its lap, the others half
    of it.
    """
    random = np.random.default_rng(seed)
    frames = [_episode(track, number, random) for number in range(steps // EPISODE)]
    trace = pd.concat(frames, ignore_index=True)
    trace["tstamp"] = 5.0 + np.arange(len(trace)) / 15.0 + random.uniform(0.0, 0.002, len(trace))
    trace = normalize_trace(trace)
    trace = trace.assign(
        source=0, phase="training", iteration=trace["episode"] // 20, episode_id=episode_ids(trace)
    )
    return Log(trace, (Source("training.csv", "training", 16, len(trace)),))


def _episode(track: Track, number: int, random: np.random.Generator) -> pd.DataFrame:
    end = 100.0 if number % 2 else 50.0
    progress = np.linspace(0.0, end, EPISODE)
    start = (number * 0.05) % 1.0
    s = np.mod(start + progress / 100.0, 1.0) * track.length
    xy = geometry.point_at(track.center, s) + random.normal(0.0, 0.03, (EPISODE, 2))
    action = random.integers(0, 10, EPISODE)
    last = "lap_complete" if end == 100.0 else "off_track"
    frame = pd.DataFrame(
        {"episode": number, "steps": np.arange(1.0, EPISODE + 1), "X": xy[:, 0], "Y": xy[:, 1]}
    )
    return frame.assign(
        yaw=random.uniform(-180.0, 180.0, EPISODE), steer=(action % 5 - 2) * 15.0, throttle=1.0 + action // 5,
        action=action, reward=random.normal(1.0, 0.5, EPISODE), done=frame["steps"] == EPISODE,
        all_wheels_on_track=random.random(EPISODE) > 0.1, progress=progress,
        closest_waypoint=np.searchsorted(track.s, s) % (len(track.center) - 1), track_len=track.length,
        episode_status=["prepare", *["in_progress"] * (EPISODE - 2), last],
    )  # fmt: skip


def opened(path: Path) -> list[tuple[float, float, float]]:
    """s until the page at `path` is ready, and complete, and s of work in it, each time that it is
    opened.
    """
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        sys.exit("there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(FLAGS))
        times = [_opened_once(browser, path) for _ in range(RUNS)]
        browser.close()
    return times


def _opened_once(browser: Browser, path: Path) -> tuple[float, float, float]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    clock = page.context.new_cdp_session(page)
    clock.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    metrics = {one["name"]: one["value"] for one in clock.send("Performance.getMetrics")["metrics"]}
    page.wait_for_selector("html[data-complete]", timeout=60_000)
    ready, complete = (
        int(page.evaluate(f"document.documentElement.dataset.{k}")) / 1e3
        for k in ("ready", "complete")
    )
    page.close()
    return ready, complete, metrics["TaskDuration"]


def main() -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="write the table there too")
    arguments = parser.parse_args()
    log, track = training(library.load_track("reinvent_2018")), library.load_track("reinvent_2018")
    begun = time.perf_counter()
    page = render_report(log, track)
    made = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_text(page, "utf-8")
        times = opened(path)
    text = "\n".join(_lines(len(log.trace), len(page.encode()), made, times)) + "\n"
    print(text, end="")
    if arguments.output:
        arguments.output.write_text(text, "utf-8")


def _lines(
    steps: int, size: int, made: float, times: list[tuple[float, float, float]]
) -> list[str]:
    load = f"{os.getloadavg()[0]:.1f}"
    machine = (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, Bokeh {version('bokeh')}"
    )
    rows = [
        f"{steps:,} steps in {steps // EPISODE} laps; {machine}; load of the machine while measuring: {load}"
    ]
    rows += [f"size      {size / 1e6:.2f} MB", f"made in   {made:.1f} s"]
    for name, column in zip(("ready", "complete", "work"), zip(*times, strict=True), strict=True):
        best, middle, worst = sorted(column)[0], sorted(column)[RUNS // 2], sorted(column)[-1]
        rows.append(
            f"{name:8}  best {best:.2f} s, median {middle:.2f} s, worst {worst:.2f} s of {RUNS}"
        )
    return rows


if __name__ == "__main__":
    main()
