"""Laps over distance, and logs beside each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from racer.analysis import laps
from racer.analysis.compared_logs import ComparedLog
from racer.analysis.comparison import LogComparison, compare_laps
from racer.analysis.telemetry import lap_telemetry
from racer.errors import UsageError
from racer.plotting import style, telemetry
from racer.plotting.track import mark_corners
from racer.track import library
from racer.track.corners import find_corners


def test_a_lap_cut_at_the_start_line_takes_as_long_and_passes_the_same_places(trace, ring) -> None:
    third = laps(trace).iloc[2]
    whole = lap_telemetry(trace, third)
    aligned = telemetry.align_laps(
        [lap_telemetry(trace, laps(trace).iloc[0]), whole], ["a", "b"], ring
    )
    assert aligned.start == 0.0
    cut = aligned.telemetry["b"]
    assert cut["distance"].is_monotonic_increasing
    assert cut["distance"].iloc[-1] == pytest.approx(ring.length, abs=0.15)
    assert cut["time"].iloc[-1] == pytest.approx(third["time"], abs=0.15)
    assert cut["time"].is_monotonic_increasing
    spot = np.interp([0.0, 5.0], ring.s, ring.center[:, 0])
    assert np.interp([0.0, 5.0], cut["distance"], cut["X"]) == pytest.approx(spot, abs=0.12)


def test_laps_that_cannot_be_aligned_are_refused(trace, ring) -> None:
    both = telemetry.laps_over_distance(trace, laps(trace).iloc[[0, 1]])
    with pytest.raises(UsageError, match="not all are complete"):
        telemetry.align_laps(both, ["a", "b"], ring)
    with pytest.raises(UsageError, match="the track is unknown"):
        telemetry.align_laps(both, ["a", "b"], None)


def test_the_gap_says_who_is_ahead(ax, drive) -> None:
    slow, fast = (
        lap_telemetry(t, laps(t).iloc[0]) for t in (drive(episodes=1), drive(episodes=1, step=0.4))
    )
    telemetry.draw_lap_delta(slow, fast, ax, ("slow", "fast"))
    gap = ax.lines[0].get_ydata()
    assert gap[-1] == pytest.approx(-1.0, abs=0.01)
    assert ax.get_title(loc="left") == "fast is 1.00 s ahead of slow at the end"


def test_every_corner_has_its_name_wherever_the_lap_began(ax, texts) -> None:
    track = library.load_track("reinvent_2018")
    for start in (0.0, 9.0):
        ax.clear()
        ax.set_xlim(0.0, track.length)
        telemetry.draw_corners(track, ax, start)
        assert sorted(texts(ax)) == ["T1", "T2", "T3", "T4", "T5"]
        assert ax.get_xlim() == (0.0, track.length)


@pytest.fixture
def comparison(drive) -> LogComparison:
    track = library.load_track("oval")
    traces = {
        name: drive(track=track, episodes=6, step=step, ends=(100.0,))
        for name, step in (("A", 0.2), ("B", 0.25))
    }
    return compare_laps(
        [ComparedLog(name, trace, laps(trace), track) for name, trace in traces.items()]
    )


def test_every_complete_lap_is_a_dot_and_every_log_a_line(comparison: LogComparison, ax) -> None:
    telemetry.draw_times_by_log(comparison, ax)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [6, 6]
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "A\n6 of 6 laps",
        "B\n6 of 6 laps",
    ]


def test_the_delta_ends_with_the_time_won(comparison: LogComparison, ax) -> None:
    telemetry.draw_median_deltas(comparison, ax)
    assert ax.lines[-1].get_ydata()[-1] == pytest.approx(comparison.pairs[0].time.value, abs=0.1)


def test_corners_are_named(ax) -> None:
    track = library.load_track("oval")
    mark_corners(track, ax)
    assert [text.get_text() for text in ax.texts] == [corner.name for corner in find_corners(track)]


def test_the_speed_is_that_along_the_center_line(comparison: LogComparison, ax) -> None:
    telemetry.draw_median_speeds(comparison, ax)
    for line, step in zip(ax.lines, (0.2, 0.25), strict=True):
        assert np.median(line.get_ydata()) == pytest.approx(step * 15.0, rel=0.02)


def test_a_log_without_a_complete_lap_says_so(drive, tmp_path: Path) -> None:
    track = library.load_track("oval")
    traces = {name: drive(track=track, ends=(end,)) for name, end in (("A", 100.0), ("B", 30.0))}
    figure = telemetry.comparison_figure(
        compare_laps(
            [ComparedLog(name, trace, laps(trace), track) for name, trace in traces.items()]
        )
    )
    assert "no complete lap" in [text.get_text() for text in figure.axes[0].texts]
    assert len(figure.axes) == 1
    style.save_figure(figure, tmp_path / "c.png", dpi=40)


@pytest.mark.slow
def test_many_laps_are_thinned(drive, ax) -> None:
    track = library.load_track("oval")
    trace = drive(track=track, episodes=450, step=3.0, ends=(100.0,))
    side = ComparedLog("A", trace, laps(trace), track)
    telemetry.draw_times_by_log(compare_laps([side, ComparedLog("B", trace, side.laps, track)]), ax)
    assert len(ax.lines[0].get_xdata()) <= 400


def test_what_a_lap_loses_in_each_corner_is_written_above_it(drive, ax, texts) -> None:
    """A lap that is driven a quarter slower loses a quarter of the time of each corner."""
    track = library.load_track("reinvent_2018")
    fast, slow = (
        telemetry.laps_over_distance(trace, laps(trace))[0]
        for trace in (drive(track=track, episodes=1, step=step) for step in (0.2, 0.16))
    )
    telemetry.draw_lap_delta(fast, slow, ax)
    telemetry.draw_corner_gains(track, fast, slow, ax)
    gains = [float(text) for text in texts(ax)]
    lengths = [(corner.end - corner.start) % track.length for corner in find_corners(track)]
    expected = np.array(lengths) / 0.16 / 15.0 - np.array(lengths) / 0.2 / 15.0
    assert gains == pytest.approx(expected, abs=0.03)
