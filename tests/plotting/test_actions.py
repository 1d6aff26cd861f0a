"""How the action space is used."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from racer.analysis import discrete_action_usage, laps
from racer.plotting import actions
from racer.vehicle.action_space import ActionSpace


def test_actions_never_taken_are_crossed(trace, ax) -> None:
    table = laps(trace)
    space = ActionSpace(False, (0.0, 10.0, 20.0, -10.0, -20.0, 30.0, -30.0), (1.0,) * 7)
    usage = discrete_action_usage(trace, table, space)
    assert usage["count"].tolist()[5:] == [0, 0]
    assert usage["share"].sum() == pytest.approx(1.0)
    actions.draw_action_bars(usage, ax)
    assert ax.get_title(loc="left").startswith("Actions taken: 2 of 7 never")
    [crosses] = [line for line in ax.lines if line.get_marker() == "x"]
    assert list(crosses.get_xdata()) == [5, 6]


def test_an_index_that_was_skipped_is_a_gap_even_without_the_action_space(trace) -> None:
    skipped = trace.assign(action=np.where(trace["action"] == 3, 6, trace["action"]))
    usage = discrete_action_usage(skipped, laps(skipped))
    assert usage.loc[usage["count"] == 0, "action"].tolist() == [3, 5]
    assert usage.loc[3, ["steer", "throttle"]].isna().all()


def test_continuous_actions_have_no_bars(drive) -> None:
    trace = drive(episodes=2, discrete=False)
    assert len(discrete_action_usage(trace, laps(trace))) == 0


def test_percentages_of_actions_lie_on_no_other(ax) -> None:
    """A dense space, as racers of the console make them: the most taken keep theirs."""
    random = np.random.default_rng(3)
    steer = np.round(random.uniform(-30.0, 30.0, 40), 1)
    speed = np.round(random.uniform(1.0, 1.4, 40), 2)
    counts = random.integers(1, 100, 40)
    usage = pd.DataFrame(
        {
            "action": np.arange(40),
            "steer": steer,
            "throttle": speed,
            "count": counts,
            "share": counts / counts.sum(),
        }
    )
    actions.draw_action_grid(usage, ax)
    ax.get_figure(root=True).draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) > 5
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
