"""Where laps ended, where cars were, and what they were paid there."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Annotation

from racer.analysis import laps
from racer.plotting.heat_maps import bin_on_map, draw_exits, exit_rows

ENDS = (20.0, 20.0, 20.0, 26.0, 26.0, 26.0, 32.0, 32.0, 32.0, 60.0)
"""Where laps end, %: near each other, so that labels would lie on each other."""


def test_exits_are_where_laps_ended(trace, ring, ax) -> None:
    table = laps(trace)
    exits = exit_rows(trace, table)
    assert exits.index.tolist() == table.loc[~table["complete"], "last_row"].tolist()
    draw_exits(trace, table, ax, ring)
    assert ax.get_title(loc="left") == "Where cars left the track: 6 times in 12 laps"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["off track (6)"]


def test_the_worst_sections_say_their_percentage_and_waypoints(drive, ring, ax, texts) -> None:
    episode = drive(episodes=1, ends=(40.0,))
    same = pd.concat([episode.assign(episode=k) for k in range(4)], ignore_index=True)
    draw_exits(same, laps(same), ax, ring)
    [label] = [text for text in texts(ax) if "%" in text]
    percentage, waypoints = label.split("\n")
    assert percentage.startswith("100 %")
    first, last = (int(number) for number in waypoints.rpartition("waypoints ")[2].split("-"))
    assert first <= 0.4 * 60 <= last


def test_labels_of_the_worst_sections_hide_no_mark_and_no_other_label(ring, drive, ax) -> None:
    episodes = [drive(episodes=1, ends=(end,)).assign(episode=k) for k, end in enumerate(ENDS)]
    trace = pd.concat(episodes, ignore_index=True)
    table = laps(trace)
    draw_exits(trace, table, ax, ring)
    labels = [text for text in ax.texts if "%" in text.get_text()]
    assert len(labels) == 3
    ax.get_figure(root=True).draw_without_rendering()
    boxes = [super(Annotation, label).get_window_extent() for label in labels]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    exits = exit_rows(trace, table)[["X", "Y"]].to_numpy(float)
    for box in boxes:
        assert not box.count_contains(ax.transData.transform(exits))


def test_a_cell_holds_the_mean_of_what_was_paid_in_it() -> None:
    xy = np.array([[0.01, 0.01], [0.02, 0.02], [1.01, 0.01]])
    means = bin_on_map(xy, np.array([1.0, 3.0, 7.0]))
    count = bin_on_map(xy, None)
    assert sorted(means.values[np.isfinite(means.values)]) == [2.0, 7.0]
    assert sorted(count.values[np.isfinite(count.values)]) == [1.0, 2.0]
    assert means.cell_size == pytest.approx(0.05)
