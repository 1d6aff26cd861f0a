"""Laps on the track."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from racer.analysis import laps
from racer.plotting import laps as pictures
from racer.plotting import style
from racer.plotting.training import training_figure
from racer.track import load_track


def test_laps_are_lines_colored_by_driven_speed(ring, drive, ax) -> None:
    trace = drive(episodes=1, step=0.2)
    assert pictures.draw_laps(trace, laps(trace), ax, ring) is ax
    lines = next(lines for lines in ax.collections if isinstance(lines, LineCollection))
    assert np.asarray(lines.get_array()).max() == pytest.approx(3.0, rel=0.01)
    assert ax.get_aspect() == 1.0
    assert ax.figure.axes[-1].get_ylabel() == "driven speed (m/s)"


def test_a_lap_is_seen_in_all_colors(ring, drive, ax) -> None:
    """A standing start of a few steps takes no part of the scale."""
    trace = drive(episodes=1, step=0.2)
    slow = 0.1 * np.sin(np.arange(len(trace)) / 9.0)
    trace["reward"] = 2.0 + slow
    trace.loc[:2, "reward"] = 0.0
    pictures.draw_laps(trace, laps(trace), ax, ring, color="reward")
    lines = next(lines for lines in ax.collections if isinstance(lines, LineCollection))
    assert lines.get_clim() == pytest.approx((1.9, 2.1), abs=0.01)
    assert ax.figure.axes[-1].get_ylabel() == "reward of a step"


def test_corners_are_named_on_the_map(drive, ax, texts) -> None:
    track = load_track("reinvent_2018")
    trace = drive(track=track, episodes=1, step=0.2)
    pictures.draw_laps(trace, laps(trace), ax, track)
    assert {"T1", "T2", "T3", "T4", "T5"} <= set(texts(ax))


def test_no_line_is_drawn_where_a_car_was_set_down(drive) -> None:
    trace = drive(episodes=1)
    trace.loc[30:, "X"] += 2.0
    segments, speed = pictures.lap_lines(trace, laps(trace))
    assert len(segments) == len(speed) == len(trace) - 2
    assert np.hypot(*(segments[:, 1] - segments[:, 0]).T).max() < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("episodes", [0, 1, 5, 60])
def test_every_number_of_laps_gives_a_picture(ring, drive, episodes: int, tmp_path: Path) -> None:
    trace = drive(episodes=max(episodes, 1), step=1.0)
    trace = trace if episodes else trace.head(0)
    table = laps(trace)
    style.save_figure(
        pictures.race_figure(trace, table, table.head(3), ring), tmp_path / "race.png", dpi=40
    )
    style.save_figure(
        pictures.race_figure(trace, table, table.head(1)), tmp_path / "unknown.png", dpi=40
    )
    style.save_figure(training_figure(table), tmp_path / "training.png", dpi=40)
