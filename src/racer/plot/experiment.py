"""Pictures of experiments: how training went over its steps, for each thing compared, with the spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from racer.plot import style

DASHES = ("-", "--", ":")  # when there are more lines than colors
COLORS = tuple(color for color in style.PALETTE if color != "#F0E442")  # yellow is too faint for a line on white

WORDS = {"completion": "completion (%)", "lap_time": "mean lap time (s)"}


def learning_curves(curves: pd.DataFrame, differing: Sequence[str], title: str = "") -> Figure:
    """Completion and lap time over steps; a column of panels for each track, where tracks differ.

    `curves` has a row for each evaluation of each run: the columns `differing` and `evaluation` (its number), `steps`,
    `completion` (%), `lap_time` (s, nan when no lap was complete). A line is the mean over runs, its band reaches from
    the least to the greatest.
    """
    tracks = list(dict.fromkeys(curves["track"])) if "track" in differing and len(differing) > 1 else [None]
    keys = [key for key in differing if key != "track" or tracks == [None]]
    names = _names(curves, keys)
    figure = Figure(figsize=(4.2 * len(tracks) + 3.4, 5.6))
    panels = figure.subplots(2, len(tracks), squeeze=False, sharex="col")
    for column, track in enumerate(tracks):
        mine = curves if track is None else curves[curves["track"] == track]
        for row, what in enumerate(WORDS):
            draw_curves(mine, names, what, panels[row, column])
        panels[0, column].set_title(track or "")
        panels[1, column].set_xlabel("steps of all cars")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    handles, words = panels[0, 0].get_legend_handles_labels()
    heading = ", ".join(key.removeprefix("settings.").replace("_", " ") for key in keys)
    if len(words) > 1:
        figure.legend(
            handles, words, loc="outside right center", title=heading or None, alignment="left", handlelength=2.8
        )
    return figure


def draw_curves(curves: pd.DataFrame, names: pd.Series[str], what: str, ax: Axes) -> Axes:
    """`ax` with the column `what` of `curves` over steps: a line for each of `names` (one a row of `curves`)."""
    order = {name: k for k, name in enumerate(dict.fromkeys(names))}
    for name, mine in curves.groupby(names.loc[curves.index], sort=False):
        color, dash = COLORS[order[str(name)] % len(COLORS)], DASHES[order[str(name)] // len(COLORS) % len(DASHES)]
        by = mine.groupby("evaluation")
        steps, values = by["steps"].mean(), by[what]
        ax.fill_between(steps, values.min(), values.max(), color=color, alpha=0.13, linewidth=0)
        ax.plot(steps, values.mean(), dash, color=color, label=str(name), marker=".", markersize=3)
    ax.set_ylabel(WORDS[what])
    if what == "completion":
        ax.set_ylim(-2.0, 103.0)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda steps, _: f"{steps / 1000:,.0f}k" if steps else "0"))
    return ax


def _names(curves: pd.DataFrame, keys: list[str]) -> pd.Series[str]:
    """The name of the line that each row of `curves` belongs to."""
    if not keys:
        return pd.Series("all runs", index=curves.index)
    return curves[keys].astype(str).agg(", ".join, axis=1)
