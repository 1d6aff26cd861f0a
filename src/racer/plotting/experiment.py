"""Pictures of experiments: how training went over its steps, for each thing compared, with the
spread over seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from racer.diagnostics import RewardScore
from racer.plotting import style

CURVE_DASHES = ("-", "--", ":")  # when there are more lines than colors
# yellow is too faint for a line on white
CURVE_COLORS = tuple(color for color in style.PALETTE if color != "#F0E442")

METRIC_LABELS = {"completion": "completion (%)", "lap_time": "mean lap time (s)"}


def learning_curve_figure(
    curves: pd.DataFrame, differing: Sequence[str], title: str = ""
) -> Figure:
    """Completion and lap time over steps; a column of panels for each track, where tracks differ.

    `curves` has a row for each evaluation of each run: the columns `differing` and `evaluation`
    (its number), `steps`, `completion` (%), `lap_time` (s, nan when no lap was complete). A line is
    the mean over runs, its band reaches from the least to the greatest.
    """
    tracks = (
        list(dict.fromkeys(curves["track"]))
        if "track" in differing and len(differing) > 1
        else [None]
    )
    keys = [key for key in differing if key != "track" or tracks == [None]]
    names = _names(curves, keys)
    figure = Figure(figsize=(4.2 * len(tracks) + 3.4, 5.6))
    panels = figure.subplots(2, len(tracks), squeeze=False, sharex="col")
    for column, track in enumerate(tracks):
        mine = curves if track is None else curves[curves["track"] == track]
        for row, what in enumerate(METRIC_LABELS):
            draw_learning_curves(mine, names, what, panels[row, column])
        panels[0, column].set_title(track or "")
        panels[1, column].set_xlabel("steps of all cars")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    handles, words = panels[0, 0].get_legend_handles_labels()
    heading = ", ".join(key.removeprefix("settings.").replace("_", " ") for key in keys)
    if len(words) > 1:
        figure.legend(
            handles,
            words,
            loc="outside right center",
            title=heading or None,
            alignment="left",
            handlelength=2.8,
        )
    return figure


def draw_learning_curves(
    curves: pd.DataFrame, names: pd.Series[str], metric: str, ax: Axes
) -> Axes:
    """`ax` with the column `what` of `curves` over steps: a line for each of `names` (one a row of
    `curves`).
    """
    order = {name: k for k, name in enumerate(dict.fromkeys(names))}
    for name, mine in curves.groupby(names.loc[curves.index], sort=False):
        color, dash = (
            CURVE_COLORS[order[str(name)] % len(CURVE_COLORS)],
            CURVE_DASHES[order[str(name)] // len(CURVE_COLORS) % len(CURVE_DASHES)],
        )
        by = mine.groupby("evaluation")
        steps, values = by["steps"].mean(), by[metric]
        ax.fill_between(steps, values.min(), values.max(), color=color, alpha=0.13, linewidth=0)
        ax.plot(steps, values.mean(), dash, color=color, label=str(name), marker=".", markersize=3)
    ax.set_ylabel(METRIC_LABELS[metric])
    if metric == "completion":
        ax.set_ylim(-2.0, 103.0)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda steps, _: f"{steps / 1000:,.0f}k" if steps else "0")
    )
    return ax


def _names(curves: pd.DataFrame, keys: list[str]) -> pd.Series[str]:
    """The name of the line that each row of `curves` belongs to."""
    if not keys:
        return pd.Series("all runs", index=curves.index)
    return curves[keys].astype(str).agg(", ".join, axis=1)


PAID_TOO_WELL_COLOR, PAID_TOO_LITTLE_COLOR, SIMILAR_RANK_COLOR = (
    style.PALETTE[5],
    style.PALETTE[0],
    style.FAINT,
)


def rank_figure(scores: Sequence[RewardScore], track: str = "") -> Figure:
    """A figure with a line a driver from its rank by the clock to its ranks by pay.

    One reward is shown at all its discount factors, several at the one of the verdict.
    """
    one = scores[0]
    columns = (
        [(f"at gamma {gamma:g}", one.pay_ranks(gamma)) for gamma in one.gammas]
        if len(scores) == 1
        else [(Path(score.reward).stem, score.pay_ranks()) for score in scores]
    )
    figure = Figure(figsize=(3.4 + 1.5 * len(columns), 0.8 + 0.34 * len(one.drives)))
    ax = draw_ranks(one, columns, figure.subplots())
    about = Path(one.reward).stem if len(scores) == 1 else f"pay at gamma {one.gamma:g}"
    ax.set_title(f"Clock and pay: {about}{', ' if track else ''}{track}")
    return figure


def draw_ranks(score: RewardScore, columns: Sequence[tuple[str, np.ndarray]], ax: Axes) -> Axes:
    """`ax` with the drivers of a score, best on top: by the clock on the left, then by each of
    `columns`.

    A line stands out where a driver is paid better than it is, by three ranks or more, or worse.
    """
    x = np.arange(len(columns) + 1)
    for k, drive in enumerate(score.drives):
        places = [score.clock_ranks[k], *(rank[k] for _, rank in columns)]
        for j in range(1, len(places)):
            gain = places[0] - places[j]
            color = (
                PAID_TOO_WELL_COLOR
                if gain >= 3.0
                else PAID_TOO_LITTLE_COLOR
                if gain <= -3.0
                else SIMILAR_RANK_COLOR
            )
            width = 2.2 if color != SIMILAR_RANK_COLOR else 1.2
            ax.plot(
                x[j - 1 : j + 1],
                places[j - 1 : j + 1],
                color=color,
                linewidth=width,
                zorder=1 + width,
            )
            ax.plot(x[j], places[j], "o", color=color, markersize=5, zorder=5)
        ax.plot(0, places[0], "o", color=style.INK, markersize=4, zorder=5)
        time = (
            f"{drive.lap_time:.1f} s"
            if not np.isnan(drive.lap_time)
            else f"{drive.completion:.0f} %"
        )
        words = f"{drive.name}  {time}"
        ax.annotate(
            words, (0.0, places[0]), (-8, 0), textcoords="offset points", ha="right", va="center"
        )
    for color, words in (
        (PAID_TOO_WELL_COLOR, "paid too well"),
        (PAID_TOO_LITTLE_COLOR, "paid too little"),
        (SIMILAR_RANK_COLOR, "about right"),
    ):
        ax.plot([], [], color=color, linewidth=2.2, label=words)
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.02), ncols=3, handlelength=1.4)
    ax.set_xticks(x, ["by the clock", *(f"{words}" for words, _ in columns)])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_yticks([])
    ax.set_xlim(-0.15, len(columns) + 0.15)
    ax.set_ylim(len(score.drives) + 0.6, 0.4)
    ax.grid(axis="y", visible=False)
    ax.spines[:].set_visible(False)
    return ax
