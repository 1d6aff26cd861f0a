"""Lap times: how they spread, what was paid for them, and sector by sector."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from racer.analysis import laps
from racer.plotting import lap_times


def test_laps_that_were_not_completed_are_marked(drive, ax) -> None:
    table = laps(drive(episodes=4))
    times = [10.0, 4.0, 10.4, 4.0]
    lap_times.draw_lap_times(table.assign(time=times), ax)
    legend = {text.get_text() for text in ax.get_legend().get_texts()}
    assert legend == {"complete", "best lap", "not completed"}
    assert "40 %" in [text.get_text() for text in ax.texts]


def test_bars_of_lap_times_are_what_a_lap_is_behind_the_best(drive, ax, texts) -> None:
    table = laps(drive(episodes=3, ends=(100.0,)))
    lap_times.draw_lap_times(table.assign(time=[10.4, 10.0, 10.1]), ax)
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([0.4, 0.1])
    assert texts(ax) == ["10.40", "10.00", "10.10"]
    assert ax.get_ylabel() == "behind the best lap (s)"
    assert ax.get_title(loc="left") == "Lap times: the best in 10.00 s"


@pytest.mark.parametrize("count", [1, 3, 60])
def test_laps_of_which_none_is_complete_are_drawn(drive, ax, count: int) -> None:
    table = laps(drive(episodes=count, step=2.0, ends=(40.0,)))
    lap_times.draw_lap_times(table, ax)
    assert ax.get_title(loc="left") == "Lap times: no complete lap"


def test_a_discounted_reward_counts_later_steps_less(trace) -> None:
    table = laps(trace)
    assert lap_times.discounted_rewards(trace, table) == pytest.approx(table["reward"].to_numpy())
    first = trace["reward"].to_numpy()[: table["steps"].iloc[0]]
    assert lap_times.discounted_rewards(trace, table, 0.9)[0] == pytest.approx(
        np.sum(first * 0.9 ** np.arange(len(first)))
    )
    assert len(lap_times.discounted_rewards(trace, table.head(0))) == 0


@pytest.mark.parametrize(
    ("sign", "title"), [(-1, "Faster laps earn more"), (1, "Faster laps earn less")]
)
def test_whether_faster_laps_earn_more_is_in_the_title(drive, sign: int, title: str, ax) -> None:
    parts = [drive(episodes=1, step=0.2 + 0.02 * k).assign(episode=k) for k in range(9)]
    trace = pd.concat(parts, ignore_index=True)
    table = laps(trace)
    pay = np.repeat(table["time"].to_numpy() ** sign / table["steps"].to_numpy(), table["steps"])
    lap_times.draw_reward_time(trace.assign(reward=pay), table, ax)
    assert ax.get_title(loc="left").startswith(title)


def test_the_best_so_far_never_rises_and_names_its_lap(trace, rounded_laps, ax, texts) -> None:
    table = rounded_laps(trace)
    lap_times.draw_best_so_far(table, ax)
    assert np.all(np.diff(ax.lines[1].get_ydata()) <= 0)
    assert texts(ax) == ["4.33 s (lap 1)"]


def test_purple_is_the_best_of_all_and_green_the_best_until_then(texts) -> None:
    ax = Figure().add_subplot()
    table = pd.DataFrame({"S1": [3.0, 2.0, 2.5], "S2": [1.0, 1.5, 0.9]}, index=[0, 4, 7])
    lap_times.draw_sector_times(table, ax)
    fills = {patch.get_xy(): to_hex(patch.get_facecolor()) for patch in ax.patches}
    purple = [key for key, fill in fills.items() if fill == lap_times.BEST_FILL]
    green = [key for key, fill in fills.items() if fill == lap_times.BETTER_FILL]
    assert (len(purple), len(green)) == (2, 2)
    # 2.0 and 0.9 are the best lap there could be
    assert {"lap 1", "lap 5", "lap 8", "2.90", "best"} <= set(texts(ax))
