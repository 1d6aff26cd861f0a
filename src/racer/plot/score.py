"""Pictures of scores: drivers in the order of the clock, and in the order of their pay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from racer.plot import style
from racer.score import Score

UP, DOWN, SAME = style.PALETTE[5], style.PALETTE[0], style.FAINT


def ranks(scores: Sequence[Score], track: str = "") -> Figure:
    """A figure with a line a driver from its rank by the clock to its ranks by pay.

    One reward is shown at all its discount factors, several at the one of the verdict.
    """
    one = scores[0]
    columns = (
        [(f"at gamma {gamma:g}", one.paid(gamma)) for gamma in one.gammas]
        if len(scores) == 1
        else [(Path(score.reward).stem, score.paid()) for score in scores]
    )
    figure = Figure(figsize=(3.4 + 1.5 * len(columns), 0.8 + 0.34 * len(one.drives)))
    ax = draw_ranks(one, columns, figure.subplots())
    about = Path(one.reward).stem if len(scores) == 1 else f"pay at gamma {one.gamma:g}"
    ax.set_title(f"Clock and pay: {about}{', ' if track else ''}{track}")
    return figure


def draw_ranks(score: Score, columns: Sequence[tuple[str, np.ndarray]], ax: Axes) -> Axes:
    """`ax` with the drivers of a score, best on top: by the clock on the left, then by each of `columns`.

    A line stands out where a driver is paid better than it is, by three ranks or more, or worse.
    """
    x = np.arange(len(columns) + 1)
    for k, drive in enumerate(score.drives):
        places = [score.clock[k], *(rank[k] for _, rank in columns)]
        for j in range(1, len(places)):
            gain = places[0] - places[j]
            color = UP if gain >= 3.0 else DOWN if gain <= -3.0 else SAME
            width = 2.2 if color != SAME else 1.2
            ax.plot(x[j - 1 : j + 1], places[j - 1 : j + 1], color=color, linewidth=width, zorder=1 + width)
            ax.plot(x[j], places[j], "o", color=color, markersize=5, zorder=5)
        ax.plot(0, places[0], "o", color=style.INK, markersize=4, zorder=5)
        time = f"{drive.lap_time:.1f} s" if not np.isnan(drive.lap_time) else f"{drive.completion:.0f} %"
        words = f"{drive.name}  {time}"
        ax.annotate(words, (0.0, places[0]), (-8, 0), textcoords="offset points", ha="right", va="center")
    for color, words in ((UP, "paid too well"), (DOWN, "paid too little"), (SAME, "about right")):
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
