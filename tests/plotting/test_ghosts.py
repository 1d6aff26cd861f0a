"""Laps racing each other: what is said of each car, and that it can be read."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Annotation

from racer.analysis import laps
from racer.plotting import draw_ghosts
from racer.plotting.ghosts import ghosts_of_laps


@pytest.fixture
def pair(drive) -> pd.DataFrame:
    """Two laps from one place, the second at three quarters of the speed."""
    fast = drive(episodes=1, step=0.4)
    slow = drive(episodes=1, step=0.3).assign(episode=1)
    slow["tstamp"] += 100.0
    return pd.concat([fast, slow], ignore_index=True)


def test_a_gap_is_the_time_until_a_car_is_where_the_first_was(pair) -> None:
    table = laps(pair)
    first, second = ghosts_of_laps(pair, table, ["one (3 s)", "two"])
    assert np.isnan(first.gap).all()
    assert second.gap[0] == pytest.approx(0.0, abs=1e-9)
    behind = table["time"].iloc[1] - table["time"].iloc[0]
    assert second.gap[-1] == pytest.approx(behind, abs=0.07)
    assert first.words_at(5) == f"one\n{first.speed[5]:.1f} m/s"
    assert second.words_at(len(second.time) - 1).endswith(f"+{second.gap[-1]:.2f} s")


def test_laps_that_began_elsewhere_have_no_gap(drive) -> None:
    trace = drive(episodes=2, ends=(100.0,))
    _, second = ghosts_of_laps(trace, laps(trace), ["one", "two"])
    assert np.isnan(second.gap).all()


def test_labels_of_cars_lie_on_no_other_label(pair, ring, ax) -> None:
    three = pd.concat([pair, pair.tail(len(pair)).assign(episode=lambda t: t["episode"] + 2)])
    three = three.reset_index(drop=True)
    table = laps(three)
    draw_ghosts(three, table, ax, ring)
    assert "a dot a second, the cars after" in ax.get_title(loc="left")
    labels = [
        text for text in ax.texts if isinstance(text, Annotation) and "m/s" in text.get_text()
    ]
    assert len(labels) == len(table)
    figure = ax.get_figure(root=True)
    figure.draw_without_rendering()
    boxes = [super(Annotation, label).get_window_extent() for label in labels]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
