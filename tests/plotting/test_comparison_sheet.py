"""Pictures of logs beside each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from racer.analysis import laps
from racer.analysis.comparison import ComparedLog, LogComparison, compare
from racer.plotting import compare as pictures
from racer.plotting import style
from racer.track import library
from racer.track.corners import find_corners


@pytest.fixture
def found(drive) -> LogComparison:
    road = library.load_track("oval")
    traces = {
        name: drive(track=road, episodes=6, step=step, ends=(100.0,))
        for name, step in (("A", 0.2), ("B", 0.25))
    }
    return compare([ComparedLog(name, trace, laps(trace), road) for name, trace in traces.items()])


@pytest.fixture
def ax():
    return Figure().subplots()


def test_every_complete_lap_is_a_dot_and_every_side_a_line(found: LogComparison, ax) -> None:
    pictures.draw_side_times(found, ax)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [6, 6]
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "A\n6 of 6 laps",
        "B\n6 of 6 laps",
    ]


def test_the_delta_ends_with_the_time_won(found: LogComparison, ax) -> None:
    pictures.draw_median_deltas(found, ax)
    assert ax.lines[-1].get_ydata()[-1] == pytest.approx(found.pairs[0].time.value, abs=0.1)


def test_corners_are_named(ax) -> None:
    road = library.load_track("oval")
    pictures.mark_corners(road, ax)
    assert [text.get_text() for text in ax.texts] == [corner.name for corner in find_corners(road)]


def test_the_speed_is_that_along_the_center_line(found: LogComparison, ax) -> None:
    pictures.draw_median_speeds(found, ax)
    for line, step in zip(ax.lines, (0.2, 0.25), strict=True):
        assert np.median(line.get_ydata()) == pytest.approx(step * 15.0, rel=0.02)


def test_a_side_without_a_complete_lap_says_so(drive, tmp_path: Path) -> None:
    road = library.load_track("oval")
    traces = {name: drive(track=road, ends=(end,)) for name, end in (("A", 100.0), ("B", 30.0))}
    figure = pictures.comparison_figure(
        compare([ComparedLog(name, trace, laps(trace), road) for name, trace in traces.items()])
    )
    assert "no complete lap" in [text.get_text() for text in figure.axes[0].texts]
    assert len(figure.axes) == 1
    style.save_figure(figure, tmp_path / "c.png", dpi=40)


def test_many_laps_are_thinned(drive, ax) -> None:
    road = library.load_track("oval")
    trace = drive(track=road, episodes=450, step=3.0, ends=(100.0,))
    side = ComparedLog("A", trace, laps(trace), road)
    pictures.draw_side_times(compare([side, ComparedLog("B", trace, side.laps, road)]), ax)
    assert len(ax.lines[0].get_xdata()) <= 400
