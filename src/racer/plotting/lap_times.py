"""Pictures of lap times: how they spread, how the best came down, and what was paid for them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from racer.analysis import lap_sectors
from racer.plotting import style
from racer.plotting.laps import row_numbers
from racer.plotting.selection import lap_number
from racer.track.track import Track

Array = NDArray[np.float64]

_FEW = 8  # complete laps below which each is a mark and no histogram is drawn
_MOST_BINS = 40


def draw_time_distribution(laps: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with a histogram of the times of complete laps, s, and their best and median; single
    marks for few laps.
    """
    time = np.sort(laps.loc[laps["complete"], "time"].to_numpy(float))
    if not len(time):
        return style.write_note(ax, "no complete lap")
    if len(time) >= _FEW:
        edges = np.histogram_bin_edges(time, "auto")
        edges = (
            edges
            if len(edges) <= _MOST_BINS + 1
            else np.linspace(time[0], time[-1], _MOST_BINS + 1)
        )
        ax.hist(
            time,
            edges.tolist(),
            color=style.PALETTE[4],
            edgecolor=style.BACKGROUND_COLOR,
            linewidth=0.6,
        )
        ax.set_ylabel("complete laps")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        ax.plot(time, np.zeros(len(time)), "|", color=style.PALETTE[0], markersize=26, mew=2)
        ax.set_yticks([])
        ax.set_ylim(-1.0, 1.0)
    for value, words, dashes in ((time[0], "best", "-"), (float(np.median(time)), "median", "--")):
        ax.axvline(value, color=style.PALETTE[5], linestyle=dashes, label=f"{words} {value:.2f} s")
    style.legend_above(ax)
    ax.set_xlabel("lap time (s)")
    ax.set_title(f"{len(time):,} complete of {len(laps):,} laps")
    return ax


def draw_best_so_far(laps: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with the time of every complete lap, s, in the order of the log, and the best so far.

    Laps have the numbers that `racer plot --laps` takes: from 1, those that were not completed
    counted too.
    """
    whole = laps[laps["complete"]]
    number, time = whole.index.to_numpy() + 1, whole["time"]
    size = 3.5 if len(whole) <= 200 else 2.0
    ax.plot(
        number,
        time,
        "o",
        markersize=size,
        alpha=0.55,
        color=style.PALETTE[0],
        mew=0,
        label="complete lap",
    )
    if len(whole):
        best = time.cummin()
        x, y = np.append(number, laps.index[-1] + 1), np.append(best, best.iloc[-1])
        ax.step(x, y, where="post", color=style.PALETTE[5], label="best so far")
        record = int(number[np.argmin(time)])
        side = "right" if record > (x[0] + x[-1]) / 2 else "left"
        words = f"{best.iloc[-1]:.2f} s (lap {record})"
        ax.annotate(
            words,
            (record, best.iloc[-1]),
            (0, -11),
            textcoords="offset points",
            ha=side,
            fontsize=8,
        )
        ax.margins(y=0.16)
    else:
        style.write_note(ax, "no complete lap")
    style.legend_above(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("lap of the log")
    ax.set_ylabel("lap time (s)")
    ax.set_title("Best so far")
    return ax


def discounted_rewards(trace: pd.DataFrame, laps: pd.DataFrame, gamma: float = 1.0) -> Array:
    """(L,) reward of each lap as seen from its first step: step k counts `gamma`**k; at 1 the plain
    sum.
    """
    reward = trace["reward"].to_numpy(float)[row_numbers(laps)]
    first = np.cumsum([0, *laps["steps"].to_numpy()[:-1]])
    age = np.arange(len(reward)) - np.repeat(first, laps["steps"]) if len(laps) else np.empty(0)
    return np.add.reduceat(reward * gamma**age, first) if len(laps) else np.empty(0)


def draw_reward_time(trace: pd.DataFrame, laps: pd.DataFrame, ax: Axes, gamma: float = 1.0) -> Axes:
    """`ax` with the reward of every complete lap over its time, s, and in words whether the faster
    earn more.

    The reward is the sum over the lap's steps, discounted by `gamma` a step. Rewards of laps that
    were not completed are marked on the right: one above the complete laps pays more for an
    accident than for a lap.
    """
    whole = laps[laps["complete"]]
    paid, lost = (
        discounted_rewards(trace, whole, gamma),
        discounted_rewards(trace, laps[~laps["complete"]], gamma),
    )
    size = 14.0 if len(whole) <= 300 else 6.0
    ax.scatter(
        whole["time"],
        paid,
        size,
        style.PALETTE[0],
        alpha=0.6,
        linewidths=0,
        label="complete lap",
        zorder=3,
    )
    if len(lost):
        at = np.full(len(lost), 1.03)
        ax.plot(
            at, lost, "_", color=style.PALETTE[5], alpha=0.5, markersize=9, transform=ax.get_yaxis_transform(),
            clip_on=False, label="not completed",
        )  # fmt: skip
    style.legend_above(ax)
    ax.set_xlabel("lap time (s)")
    ax.set_ylabel("reward of a lap" if gamma == 1.0 else f"reward of a lap, γ = {gamma:g}")
    ax.set_title(_verdict(whole["time"].to_numpy(float), paid))
    return ax


def rank_correlation(one: Array, other: Array) -> float:
    """Spearman's correlation of two measures (N,): -1 to 1; nan where one of them does not vary or
    N < 3.
    """
    ranks = [pd.Series(values).rank().to_numpy() for values in (one, other)]
    if len(one) < 3 or min(np.ptp(rank) for rank in ranks) == 0:
        return float("nan")
    return float(pd.Series(ranks[0]).corr(pd.Series(ranks[1])))


def _verdict(time: Array, paid: Array) -> str:
    """Whether faster laps earn more, in words."""
    if len(time) < 8:
        return f"{len(time)} complete lap{'' if len(time) == 1 else 's'}"
    found = rank_correlation(time, paid)
    if np.isnan(found):
        return "All laps earn the same"
    words = (
        "Faster laps earn more"
        if found < -0.3
        else "Faster laps earn less"
        if found > 0.3
        else "Pay ignores pace"
    )
    return f"{words} (ρ = {found:+.2f})"


BEST_FILL, BETTER_FILL, PLAIN_FILL = "#5b2a86", "#a6dcc0", "#f5f5f3"
"""Fills: dark, middle and light also in a gray print. Purple and green as in Formula 1, told apart by lightness too."""

SECTORS_WITHOUT_CORNERS = 3  # sectors of a lap where no corners are known


def sector_time_table(
    trace: pd.DataFrame, laps: pd.DataFrame, track: Track | None = None
) -> pd.DataFrame:
    """Sector times, s, a row for each given lap (with its label) and a column for each sector, in
    order.
    """
    found = lap_sectors(trace, laps, track, parts=SECTORS_WITHOUT_CORNERS)
    table = found.pivot(index="lap", columns="sector", values="time")
    return table.loc[laps.index, list(dict.fromkeys(found["sector"]))]


def draw_sector_times(times: pd.DataFrame, ax: Axes) -> Axes:
    """`ax` with a table of sector times, s: a row a lap, the sum last, and below them the best of
    every sector.

    `times` (laps, sectors) as of `sector_times`; laps that come first in the log have the smaller
    labels. Purple is the best of all laps shown, green the best until then.
    """
    total, columns = times.sum(axis=1, skipna=False), [str(name) for name in times.columns]
    fills, order = _fills(times), np.argsort(total.to_numpy(), kind="stable")
    for row, k in enumerate(order, 1):
        _write(ax, row, -1, f"lap {lap_number(times.index[k])}")
        for column, value in enumerate(times.iloc[k]):
            _cell(ax, row, column, _seconds(value), fills[k, column])
        _write(
            ax, row, len(columns), _seconds(total.iloc[k]), weight="bold" if row == 1 else "normal"
        )
    for column, name in enumerate([*columns, "sum"]):
        _write(ax, 0, column, name, weight="bold")
    last = len(times) + 1
    _write(ax, last, -1, "best")
    ideal = times.min(axis=0)
    for column, value in enumerate([*ideal, ideal.sum()]):
        _write(ax, last, column, _seconds(value), style="italic")
    ax.plot([-1.5, len(columns) + 0.5], [last - 0.5, last - 0.5], color=style.FAINT, linewidth=0.8)
    return _bare(ax, len(columns), last)


def _bare(ax: Axes, columns: int, rows: int) -> Axes:
    ax.set_xlim(-1.6, columns + 0.6)
    ax.set_ylim(rows + 0.6, -0.6)
    ax.set_axis_off()
    ax.set_title("Sector times (s)")
    patches = [
        Patch(color=BEST_FILL, label="best of all"),
        Patch(color=BETTER_FILL, label="best until then"),
    ]
    ax.legend(
        handles=patches, loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=2, borderaxespad=0.0
    )
    return ax


def _fills(times: pd.DataFrame) -> np.ndarray:
    """(laps, sectors) the fill of every cell."""
    in_order = times.sort_index()
    so_far = in_order.le(in_order.cummin(), axis=0)
    best = in_order.eq(in_order.min(), axis=1)
    fills = np.select([best, so_far], [BEST_FILL, BETTER_FILL], PLAIN_FILL)
    return fills[in_order.index.get_indexer(times.index)]


def _cell(ax: Axes, row: int, column: int, words: str, fill: str) -> None:
    ax.add_patch(
        Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, facecolor=fill, edgecolor="none")
    )
    ink, weight = (style.BACKGROUND_COLOR, "bold") if fill == BEST_FILL else (style.INK, "normal")
    _write(ax, row, column, words, color=ink, weight=weight)


def _write(ax: Axes, row: int, column: int, words: str, **font: str) -> None:
    ax.text(column, row, words, ha="center", va="center", fontsize=8.5, **font)  # type: ignore[arg-type]


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value == value else "-"
