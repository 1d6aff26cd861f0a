"""Pictures of lap times: one by one, how they spread, how the best came down, what was paid for
them, and sector by sector.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from racer.analysis import lap_sectors
from racer.plotting import style
from racer.plotting.selection import count_noun, lap_number, row_numbers
from racer.stats import rank_correlation
from racer.track import Track

Array = NDArray[np.float64]

COMPLETE_COLOR = style.PALETTE[0]
INCOMPLETE_COLOR = style.PALETTE[5]

BEST_FILL = "#5b2a86"
BETTER_FILL = "#a6dcc0"
PLAIN_FILL = "#f5f5f3"
"""Fills of sector times: dark, middle and light also in a gray print. Purple and green as in
Formula 1, told apart by lightness too."""

SECTORS_WITHOUT_CORNERS = 3  # of a lap where no corners are known

_MIN_BAR_HEIGHT_S = 0.5  # of the highest bar
_MIN_BAR_ROOM = 5  # laps for which there is room at least: a single bar is no wall
_MAX_BARS = 45  # laps from which bars become dots
_MIN_HISTOGRAM_LAPS = 8  # complete laps below which each is a mark
_MAX_BINS = 40
_MIN_LAPS_FOR_VERDICT = 8
_CLEAR_CORRELATION = 0.3


def draw_lap_times(laps: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with how far each lap is behind the best one, s, as bars with the lap times above them,
    or with the times of many laps as dots; those not completed are marked.
    """
    number = np.arange(1, len(laps) + 1)
    is_complete = laps["complete"].to_numpy(bool)
    has_bars = len(laps) <= _MAX_BARS
    time = laps["time"].to_numpy(float)
    best = float(time[is_complete].min(initial=np.inf))
    is_best = is_complete & (time == best)
    height = np.where(is_complete, time, best)
    if has_bars:
        height = np.where(is_complete, time - best, 0.0)
        others = is_complete & ~is_best
        ax.bar(number[others], height[others], 0.7, color=COMPLETE_COLOR, label="complete")
        ax.set_ylim(*_bar_limits(height))
    else:
        ax.plot(number[is_complete], time[is_complete], "o", color=COMPLETE_COLOR, markersize=3.5)
        height = np.where(is_complete, time, best - 0.02 * best)
    looks = (
        (is_best, {"marker": "D", "color": BEST_FILL, "markersize": 7, "label": "best lap"}),
        (~is_complete, {"marker": "x", "color": INCOMPLETE_COLOR, "label": "not completed"}),
    )
    for chosen, look in looks:
        if chosen.any():
            shown = np.where(np.isfinite(height), height, 0.0)
            ax.plot(number[chosen], shown[chosen], linestyle="none", mew=1.6, **look)
    if has_bars:
        _write_times(laps, height, ax)
        ax.set_xlim(0.4, max(len(laps), _MIN_BAR_ROOM) + 0.6)
    ax.set_xlabel("lap")
    ax.set_ylabel("behind the best lap (s)" if has_bars else "lap time (s)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(False, axis="x")
    ax.set_title(_lap_time_title(best))
    return style.add_legend_above(ax, 3)


def draw_time_distribution(laps: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with a histogram of the times of complete laps, s, and their best and median; single
    marks for few laps.
    """
    time = np.sort(laps.loc[laps["complete"], "time"].to_numpy(float))
    if not len(time):
        return style.write_note(ax, "no complete lap")
    if len(time) >= _MIN_HISTOGRAM_LAPS:
        _draw_histogram(time, ax)
    else:
        ax.plot(time, np.zeros(len(time)), "|", color=style.PALETTE[0], markersize=26, mew=2)
        ax.set_yticks([])
        ax.set_ylim(-1.0, 1.0)
    median = float(np.median(time))
    for value, name, dashes in ((time[0], "best", "-"), (median, "median", "--")):
        ax.axvline(value, color=style.PALETTE[5], linestyle=dashes, label=f"{name} {value:.2f} s")
    style.add_legend_above(ax)
    ax.set_xlabel("lap time (s)")
    ax.set_title(f"{len(time):,} complete of {len(laps):,} laps")
    return ax


def draw_best_so_far(laps: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with the time of every complete lap, s, in the order of the log, and the best so far.

    Laps have the numbers that `racer plot --laps` takes: from 1, those that were not completed
    counted too.
    """
    complete = laps[laps["complete"]]
    number = complete.index.to_numpy() + 1
    ax.plot(
        number,
        complete["time"],
        "o",
        markersize=3.5 if len(complete) <= 200 else 2.0,
        alpha=0.55,
        color=style.PALETTE[0],
        mew=0,
        label="complete lap",
    )
    if len(complete):
        _draw_record(complete["time"], number, laps.index[-1] + 1, ax)
    else:
        style.write_note(ax, "no complete lap")
    style.add_legend_above(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("lap of the log")
    ax.set_ylabel("lap time (s)")
    ax.set_title("Best so far")
    return ax


def discounted_rewards(trace: pd.DataFrame, laps: pd.DataFrame, gamma: float = 1.0) -> Array:
    """(L,) reward of each lap as seen from its first step: step k counts `gamma`**k; at 1 the plain
    sum.
    """
    if not len(laps):
        return np.empty(0)
    reward = trace["reward"].to_numpy(float)[row_numbers(laps)]
    steps = laps["steps"].to_numpy()
    first = np.cumsum(steps) - steps
    age = np.arange(len(reward)) - np.repeat(first, steps)
    return np.add.reduceat(reward * gamma**age, first)


def draw_reward_time(trace: pd.DataFrame, laps: pd.DataFrame, ax: Axes, gamma: float = 1.0) -> Axes:
    """`ax` with the reward of every complete lap over its time, s, and in the title whether the
    faster earn more.

    The reward is the sum over the lap's steps, discounted by `gamma` a step. Rewards of laps that
    were not completed are marked on the right: one above the complete laps pays more for an
    accident than for a lap.
    """
    complete = laps[laps["complete"]]
    rewards = discounted_rewards(trace, complete, gamma)
    ax.scatter(
        complete["time"],
        rewards,
        14.0 if len(complete) <= 300 else 6.0,
        COMPLETE_COLOR,
        alpha=0.6,
        linewidths=0,
        label="complete lap",
        zorder=3,
    )
    incomplete_rewards = discounted_rewards(trace, laps[~laps["complete"]], gamma)
    if len(incomplete_rewards):
        ax.plot(
            np.full(len(incomplete_rewards), 1.03),
            incomplete_rewards,
            "_",
            color=INCOMPLETE_COLOR,
            alpha=0.5,
            markersize=9,
            transform=ax.get_yaxis_transform(),
            clip_on=False,
            label="not completed",
        )
    style.add_legend_above(ax)
    ax.set_xlabel("lap time (s)")
    ax.set_ylabel("reward of a lap" if gamma == 1.0 else f"reward of a lap, γ = {gamma:g}")
    ax.set_title(_reward_verdict(complete["time"].to_numpy(float), rewards))
    return ax


def sector_time_table(
    trace: pd.DataFrame, laps: pd.DataFrame, track: Track | None = None
) -> pd.DataFrame:
    """Sector times, s: a row for each given lap (with its label) and a column for each sector, in
    order.
    """
    sectors = lap_sectors(trace, laps, track, parts=SECTORS_WITHOUT_CORNERS)
    table = sectors.pivot(index="lap", columns="sector", values="time")
    return table.loc[laps.index, list(dict.fromkeys(sectors["sector"]))]


def draw_sector_times(times: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with a table of sector times, s: a row a lap, the sum last, and below them the best of
    every sector.

    `times` (laps, sectors) as of `sector_time_table`; laps that come first in the log have the
    smaller labels. Purple is the best of all laps shown, green the best until then.
    """
    names = [str(name) for name in times.columns]
    totals = times.sum(axis=1, skipna=False)
    fills = _sector_fills(times)
    for column, name in enumerate([*names, "sum"]):
        _write_cell(ax, 0, column, name, weight="bold")
    fastest_first = np.argsort(totals.to_numpy(), kind="stable")
    for row, k in enumerate(fastest_first, 1):
        _write_cell(ax, row, -1, f"lap {lap_number(times.index[k])}")
        for column, seconds in enumerate(times.iloc[k]):
            _fill_cell(ax, row, column, _seconds_text(seconds), fills[k, column])
        weight = "bold" if row == 1 else "normal"
        _write_cell(ax, row, len(names), _seconds_text(totals.iloc[k]), weight=weight)
    _write_best_row(times.min(axis=0), len(times) + 1, ax)
    return _format_table_axes(ax, len(names), len(times) + 1)


def _bar_limits(height: Array) -> tuple[float, float]:
    """The ends of an axis of bars, s: small differences look small."""
    room = max(float(height.max(initial=0.0)), _MIN_BAR_HEIGHT_S)
    return -0.12 * room, 1.2 * room


def _lap_time_title(best: float) -> str:
    return (
        f"Lap times: the best in {best:.2f} s"
        if np.isfinite(best)
        else "Lap times: no complete lap"
    )


def _write_times(laps: pd.DataFrame, height: Array, ax: Axes) -> None:
    """The time above each bar; how far the car got, where it did not complete the lap."""
    columns = zip(laps["time"], laps["completion"], laps["complete"], height, strict=True)
    for number, (time, completion, is_complete, top) in enumerate(columns, 1):
        ax.annotate(
            f"{time:.2f}" if is_complete else f"{completion:.0f} %",
            (number, top),
            (0, 3 if top > 0.0 else 7),
            textcoords="offset points",
            ha="center",
            fontsize=8 if len(laps) <= 15 else 6,
        )


def _draw_histogram(time: Array, ax: Axes) -> None:
    """A histogram of times (T,) in ascending order; numpy chooses the bins, but not too many."""
    edges = np.histogram_bin_edges(time, "auto")
    if len(edges) > _MAX_BINS + 1:
        edges = np.linspace(time[0], time[-1], _MAX_BINS + 1)
    ax.hist(
        time,
        edges.tolist(),
        color=style.PALETTE[4],
        edgecolor=style.BACKGROUND_COLOR,
        linewidth=0.6,
    )
    ax.set_ylabel("complete laps")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_record(time: pd.Series, number: NDArray[np.int64], end: int, ax: Axes) -> None:
    """The best time so far as steps up to lap `end`, and the number of the lap that holds it."""
    best = time.cummin()
    x = np.append(number, end)
    record = float(best.iloc[-1])
    ax.step(x, np.append(best, record), where="post", color=style.PALETTE[5], label="best so far")
    holder = int(number[np.argmin(time)])
    ax.annotate(
        f"{record:.2f} s (lap {holder})",
        (holder, record),
        (0, -11),
        textcoords="offset points",
        ha="right" if holder > (x[0] + x[-1]) / 2 else "left",
        fontsize=8,
    )
    ax.margins(y=0.16)


def _reward_verdict(time: Array, rewards: Array) -> str:
    """Whether faster laps earn more: Spearman's rank correlation of times and rewards in words."""
    if len(time) < _MIN_LAPS_FOR_VERDICT:
        return count_noun(len(time), "complete lap")
    known = np.isfinite(time) & np.isfinite(rewards)
    correlation = rank_correlation(time[known], rewards[known])
    if np.isnan(correlation):
        return "All laps earn the same"
    if correlation < -_CLEAR_CORRELATION:
        verdict = "Faster laps earn more"
    elif correlation > _CLEAR_CORRELATION:
        verdict = "Faster laps earn less"
    else:
        verdict = "Pay ignores pace"
    return f"{verdict} (ρ = {correlation:+.2f})"


def _sector_fills(times: pd.DataFrame) -> np.ndarray:
    """(laps, sectors) the fill of every cell."""
    in_order = times.sort_index()
    is_best_until_then = in_order.le(in_order.cummin(), axis=0)
    is_best = in_order.eq(in_order.min(), axis=1)
    fills = np.select([is_best, is_best_until_then], [BEST_FILL, BETTER_FILL], PLAIN_FILL)
    return fills[in_order.index.get_indexer(times.index)]


def _write_best_row(best: pd.Series, row: int, ax: Axes) -> None:
    """The best time of every sector, and their sum, below a line."""
    _write_cell(ax, row, -1, "best")
    for column, seconds in enumerate([*best, best.sum()]):
        _write_cell(ax, row, column, _seconds_text(seconds), style="italic")
    ax.plot([-1.5, len(best) + 0.5], [row - 0.5, row - 0.5], color=style.FAINT, linewidth=0.8)


def _fill_cell(ax: Axes, row: int, column: int, text: str, fill: str) -> None:
    ax.add_patch(
        Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, facecolor=fill, edgecolor="none")
    )
    if fill == BEST_FILL:
        _write_cell(ax, row, column, text, color=style.BACKGROUND_COLOR, weight="bold")
    else:
        _write_cell(ax, row, column, text, color=style.INK, weight="normal")


def _write_cell(ax: Axes, row: int, column: int, text: str, **font: str) -> None:
    ax.text(column, row, text, ha="center", va="center", fontsize=8.5, **font)  # type: ignore[arg-type]


def _format_table_axes(ax: Axes, columns: int, rows: int) -> Axes:
    """`ax` without a frame around a table, with a title and what the fills mean."""
    ax.set_xlim(-1.6, columns + 0.6)
    ax.set_ylim(rows + 0.6, -0.6)
    ax.set_axis_off()
    ax.set_title("Sector times (s)")
    ax.legend(
        handles=[
            Patch(color=BEST_FILL, label="best of all"),
            Patch(color=BETTER_FILL, label="best until then"),
        ],
        loc="upper left",
        bbox_to_anchor=(0.0, 0.0),
        ncols=2,
        borderaxespad=0.0,
    )
    return ax


def _seconds_text(seconds: float) -> str:
    return "-" if np.isnan(seconds) else f"{seconds:.2f}"
